"""Docstrings as Sphinx reads them: they are written for readers of the source, plain text with `code` in backticks."""

import itertools
import re
from collections.abc import Iterator, Sequence

_COLUMNS = re.compile(r"\S {3,}\S")
_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"([*|\\]|_(?!\w))")  # what reStructuredText would take for more than itself


def marked_up(lines: Sequence[str]) -> list[str]:
    """The lines in reStructuredText: indented paragraphs, and those in columns, as they stand; the others as text."""
    result: list[str] = []
    for shown, paragraphs in itertools.groupby(_paragraphs(lines), _as_it_stands):
        for paragraph in ([line for each in paragraphs for line in [*each, ""]],) if shown else paragraphs:
            result += ["::", "", *(f"    {line}" for line in paragraph)] if shown else map(_text, paragraph)
            result.append("")
    return result


def _paragraphs(lines: Sequence[str]) -> Iterator[list[str]]:
    for blank, group in itertools.groupby(lines, lambda line: not line.strip()):
        if not blank:
            yield list(group)


def _as_it_stands(paragraph: Sequence[str]) -> bool:
    return paragraph[0].startswith(("    ", ">>>")) or any(_COLUMNS.search(line) for line in paragraph)


def _text(line: str) -> str:
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(line))
