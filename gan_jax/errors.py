"""Errors as users read them: exit codes, those of the system in the program's own words, and lists."""

import errno
import sys
from collections.abc import Callable, Sequence

__all__ = ["exit_code", "few", "first_of", "in_words", "remedy"]
__dir__ = __all__.copy

_MOST = 10  # lines of a list

_REMEDIES = {
    errno.ENOSPC: "make room, then give the same command again",
    errno.EDQUOT: "make room, then give the same command again",
    errno.EFBIG: "allow larger files, or choose another place",
    errno.ENOTDIR: "move the file away that stands where a folder should be, or choose another place",
    errno.EEXIST: "move the file away that stands where a folder should be, or choose another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOENT: "see that its folder exists",
    errno.ENAMETOOLONG: "give a shorter name, or choose a place with a shorter path",
    errno.ELOOP: "mend the link, which leads to itself",
}


def exit_code(call: Callable[[], int], *, interrupted: str = "interrupted") -> int:
    """The exit code that `call` returns, or that of what a user can cause, which becomes one sentence."""
    try:
        return call()
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError, ImportError) as error:  # an import: an extra is missing
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 2


def in_words(error: Exception) -> str:
    """What an error says; that of the system with its file, its cause and a remedy."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}; {remedy(error)}."


def remedy(error: OSError) -> str:
    """What to do about an error of the system."""
    return _REMEDIES.get(error.errno or 0, "allow it, or choose another place")


def few(lines: Sequence[str]) -> list[str]:
    """The first ten lines, and how many more there are."""
    more = len(lines) - _MOST
    return [*lines[:_MOST], *([f"... and {more:,} more."] if more > 0 else [])]


def first_of(names: Sequence[str], most: int) -> str:
    """The first `most` names within a sentence, and where there are more, how many in all."""
    more = [f"... ({len(names)} in all)"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
