"""What verbs have in common: what they say beside their result, what they mean by a path, how they compile."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

__all__ = ["Compiling", "Speaker", "each", "load"]
__dir__ = __all__.copy

_MOST_NOTES = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiling:
    """A verb that compiles programs."""

    compile_cache: Annotated[str, arg(metavar="FOLDER")] = "auto"
    """Folder that keeps compiled programs for the next start; auto: one in the user's cache folder, none: no folder."""


class Speaker:
    """What a command says beside its result: notes and errors, ten of each at most, and how far it is."""

    def __init__(self, done: str) -> None:
        from gan_jax.terminal import console

        self.count = console.Count(done)
        self._notes = 0

    def note(self, words: str) -> None:
        """Says something worth knowing, on a line of its own."""
        self._notes += 1
        if self._notes <= _MOST_NOTES:
            self.count.end_line()
            print(f"note: {words}", file=sys.stderr)

    def notes(self, notes: Iterable[str]) -> None:
        """Says several such things."""
        for words in notes:
            self.note(words)

    def end(self, failures: Sequence[str]) -> None:
        """Says what failed, and how many notes were left out."""
        from gan_jax import errors

        self.count.end_line()
        if self._notes > _MOST_NOTES:
            print(f"note: ... and {self._notes - _MOST_NOTES:,} more notes.", file=sys.stderr)
        for failure in errors.few(failures):
            print(f"error: {failure}", file=sys.stderr)


def load(path: str | Path, step: int | None = None, direction: Literal["AtoB", "BtoA"] | None = None) -> Any:
    """The generator that a path means, another program's too; said where the path leaves open what that is."""
    from gan_jax import model as models

    model_file = models.find(path, step=step, direction=direction)
    if model_file.parent != Path(path) and Path(path).is_dir():
        print(f"note: the generator is {model_file}.", file=sys.stderr)
    return _converted(model_file) if models.is_foreign(model_file) else models.load(model_file)


def _converted(path: Path) -> Any:
    """The model in another program's file; one line says what the file was taken for."""
    from gan_jax.interop import convert

    converted = convert.read(path)
    network = f"{converted.layout.project}'s {convert.in_words(converted.generator.module)}"
    told = "".join(f"; {note}" for note in converted.notes)
    print(f"note: {path} is {network}{told}; gan-jax convert has flags for another reading.", file=sys.stderr)
    return converted.generator


def each(path: Path, call: Callable[[Path], object]) -> int:
    """Prints what `call` makes of each run of a folder, or of what else the path is; returns the exit code."""
    from gan_jax import errors, folders

    runs = folders.runs(path)
    if len(runs) <= 1:
        print(call(*runs or [path]))
        return 0
    code = 0
    for run in runs:
        try:
            print(call(run))
        except (ValueError, OSError) as error:
            print(f"error: {errors.in_words(error)}", file=sys.stderr)
            code = 1
    return code
