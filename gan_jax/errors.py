"""Errors of the system, said as the program says its own."""

import errno

_REMEDIES = {
    errno.ENOSPC: "make room, then give the same command again",
    errno.EDQUOT: "make room, then give the same command again",
    errno.ENOTDIR: "move the file away that stands where a folder should be, or choose another place",
    errno.EEXIST: "move the file away that stands where a folder should be, or choose another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOENT: "see that its folder exists",
}


def in_words(error: Exception) -> str:
    """What an error says; that of the system with its file, its cause and a remedy."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "allow it, or choose another place")
    return f"{where}{error.strerror}; {remedy}."
