"""The pages of commands: each verb's usage, words and flags, taken from the parser that its --help prints."""

import argparse
import contextlib
import inspect
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import tyro

from gan_jax import cli, recipes
from gan_jax.cli import data

_NOTHING = (" (default: None)", " (default: )", " (default: '')", " (default: False)", " (required)")


def write(folder: Path) -> None:
    """Writes a page of MyST Markdown for each command."""
    folder.mkdir(exist_ok=True)
    pages = dict(_pages())
    for path in set(folder.glob("*.md")) - {folder / name for name in pages}:
        path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:  # Sphinx reads again what is newer
            path.write_text(text)


def _pages() -> Iterator[tuple[str, str]]:
    for words in _commands():
        kind, parser = _parser(words)
        flags = [action for action in parser._actions if action.option_strings and action.dest != "help"]
        values = [action for action in parser._actions if not action.option_strings]
        usage = " ".join([parser.prog, *map(_word, values), "[--flags]"])
        about = inspect.cleandoc(parser.description or kind.__doc__ or "")
        parts = [f"# {parser.prog}", about, f"```none\n{usage}\n```", f"```{{program}} {parser.prog}\n```"]
        text = "\n\n".join([*parts, *map(_entry, [*values, *flags])]) + "\n"
        yield f"{'_'.join(words)}.md", text


def _commands() -> Iterator[list[str]]:
    yield from (["train", name] for name in recipes.NAMES)
    for verb, kind in cli._VERBS.items():
        yield from (
            ([verb, name] for name in kind if kind[name] is not data.Preview) if isinstance(kind, dict) else [[verb]]
        )
    yield ["study", "score"]


def _parser(words: list[str]) -> tuple[Any, argparse.ArgumentParser]:
    """What a command reads its line into, and the parser that it makes of that."""
    asked = []

    def instead(kind: Any, *, args: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # constraints/docs.txt has the last that has it
            asked.append((kind, tyro.extras.get_parser(kind, **options)))
        raise SystemExit(0)

    with mock.patch.object(tyro, "cli", instead), contextlib.suppress(SystemExit):
        cli.main([*words, "--help_all" if words[0] == "train" else "--help"])
    ((kind, parser),) = asked
    return kind, parser


def _metavar(action: argparse.Action) -> str:
    """What stands for a value; no value is none that can be typed."""
    text = action.metavar if isinstance(action.metavar, str) else ""
    return text.replace("{None}|", "").replace("{None,", "{")


def _word(action: argparse.Action) -> str:
    """A value without a flag as usage has it; brackets say that it may be left out."""
    text = _metavar(action)
    return f"[{text}]" if action.nargs == "?" and not text.startswith("[") else text


def _entry(action: argparse.Action) -> str:
    words = action.help or ""
    for nothing in _NOTHING:
        words = words.removesuffix(nothing)
    name = ", ".join(f"{flag} {_metavar(action)}".strip() for flag in action.option_strings) or _metavar(action)
    return f"```{{option}} {name}\n{textwrap.dedent(words)}\n```"
