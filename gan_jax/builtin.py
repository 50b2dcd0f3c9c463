"""Words for what comes with the program, its images and models, where a path may stand too."""

import os

__all__ = ["word"]
__dir__ = __all__.copy

_PREFIX = "builtin:"


def word(given: str, *words: str, said: str = "--dataroot ", kind: str = "images") -> str | None:
    """Which of `words` is meant, by builtin:WORD or the bare WORD; None where it is a path.

    A word that ends in a colon is how a name begins: "tfds:" of tfds:mnist. Raises ValueError for builtin: and another
    word, and for a bare word where a file or folder of that name makes it ambiguous; `said` is what is typed before it,
    `kind` what the words stand for.
    """
    name = given.removeprefix(_PREFIX)
    if not any(name.startswith(each) if each.endswith(":") else name == each for each in words):
        if name == given:
            return None
        known = " and ".join(f"{_PREFIX}{each}{'NAME' if each.endswith(':') else ''}" for each in words)
        raise ValueError(f"{said}{given}: there is {known}; a folder of that name is ./{given}.")
    if name == given and os.path.lexists(name):
        raise ValueError(
            f"{said}{name} may mean what is called so in this folder, or the {kind} that the program knows by "
            f"that word; give {said}./{name} or {said}{_PREFIX}{name}."
        )
    return name
