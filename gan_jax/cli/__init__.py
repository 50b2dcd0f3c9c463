"""The `gan-jax` command. Nothing heavy is imported before the arguments are parsed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gan_jax.cli import data
from gan_jax.cli.images import Shrink
from gan_jax.cli.judging import Study, StudyScore
from gan_jax.cli.model_files import Blend, Convert, Export, Inspect
from gan_jax.cli.models import Models, Sample, Translate
from gan_jax.cli.playing import App
from gan_jax.cli.scores import Evaluate, Report

__all__ = [
    "App",
    "Blend",
    "Convert",
    "Evaluate",
    "Export",
    "Inspect",
    "Models",
    "Report",
    "Sample",
    "Shrink",
    "Study",
    "StudyScore",
    "Translate",
    "main",
]
__dir__ = __all__.copy


_VERBS: dict[str, Any] = {  # or verbs of a verb
    "translate": Translate,
    "sample": Sample,
    "models": Models,
    "app": App,
    "evaluate": Evaluate,
    "convert": Convert,
    "blend": Blend,
    "export": Export,
    "inspect": Inspect,
    "shrink": Shrink,
    "data": data.VERBS,
    "study": Study,
    "report": Report,
}
_HELP = """usage: gan-jax VERB ..., and `gan-jax VERB --help`

Image GANs in JAX: train them, use, score and inspect what was trained.

{verbs}

gan-jax --version says which version this is."""
_TRAIN = "train"  # no class: each recipe has flags of its own


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. Exit codes: 0 done, 1 some inputs failed and the rest is done, 2 wrong usage or input."""
    from gan_jax import errors, recipes
    from gan_jax.terminal import console

    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == [_TRAIN] and arguments[1:2] and arguments[1] in recipes.NAMES:
        # A run has lasting streams and exit codes of its own.
        return recipes.load(arguments[1]).main(arguments[2:], program=f"gan-jax {_TRAIN} {arguments[1]}")
    with console.lasting_streams():
        code = errors.exit_code(lambda: _run(arguments))
        if lost := console.lost():
            print(f"error: the result could not be printed ({lost.strerror}); make room for it.", file=sys.stderr)
            return code or 1
        return code


def _run(arguments: list[str]) -> int:
    from gan_jax.cli import speaking
    from gan_jax.terminal import commandline

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        first = {_TRAIN: f"{_recipes()}.", **_in_a_line(_VERBS)}
        print(_HELP.format(verbs=_listed(first)))
        return 0 if arguments else 2
    if arguments[0] in ("--version", "-V", "version"):
        from importlib.metadata import version

        print(f"gan_jax {version('gan_jax')}")
        return 0
    if arguments[0] == _TRAIN:
        return _without_a_recipe(arguments[1:])
    name, rest = _verb(arguments[0]), arguments[1:]
    kind = _VERBS[name]
    if isinstance(kind, dict):
        if not rest or rest[0] in ("-h", "--help", "help"):
            print(f"usage: gan-jax {name} VERB ..., and `gan-jax {name} VERB --help`\n\n{_listed(_in_a_line(kind))}")
            return 0 if rest else 2
        kind = kind[commandline.choose(rest[0], f"verb of gan-jax {name}", list(kind))]
        name, rest = f"{name} {rest[0]}", rest[1:]
    if kind is Study and rest[:1] == ["score"]:
        kind, name, rest = StudyScore, "study score", rest[1:]
    if kind is data.Preview:  # whose flags are a recipe's
        return data.Preview.main(rest)
    verb: Any = commandline.read(kind, rest, program=f"gan-jax {name}")
    if isinstance(verb, speaking.Compiling):
        from gan_jax import compile_cache, host_memory  # and JAX with them

        host_memory.keep()
        compile_cache.enable(verb.compile_cache)
    with _in_32_bits():
        return verb.run()


def _verb(word: str) -> str:
    from gan_jax.terminal import commandline, other_programs

    if ours := other_programs.verb(word):
        raise ValueError(f"there is no verb {word}; use {ours}.")
    return commandline.choose(word, "verb", [_TRAIN, *_VERBS])


def _in_a_line(verbs: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"Training data: {', '.join(verb)}." if isinstance(verb, dict) else (verb.__doc__ or "").splitlines()[0]
        for name, verb in verbs.items()
    }


def _listed(verbs: dict[str, str]) -> str:
    return "\n".join(f"  {name:<10} {words}" for name, words in verbs.items())


def _recipes() -> str:
    from gan_jax import recipes

    *names, last = recipes.NAMES
    return f"Train a recipe: {', '.join(names)} or {last}"


def _without_a_recipe(arguments: list[str]) -> int:
    """What `gan-jax train` says where no recipe is named, or one that there is not."""
    from gan_jax import recipes
    from gan_jax.terminal import commandline

    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(f"usage: gan-jax {_TRAIN} RECIPE ...\n\n{_recipes()}; `gan-jax {_TRAIN} RECIPE --help` shows its flags.")
        return 0
    if not arguments or arguments[0].startswith("-"):
        raise ValueError(
            f"gan-jax {_TRAIN} wants a recipe's name first: {', '.join(recipes.NAMES)}; for instance "
            f"gan-jax {_TRAIN} pix2pix demo."
        )
    commandline.choose(arguments[0], "recipe", recipes.NAMES)
    raise AssertionError("main takes the recipes that there are")


@contextmanager
def _in_32_bits() -> Iterator[None]:
    """What verbs write does not depend on JAX_ENABLE_X64 in the environment."""
    import jax

    before = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    jax.config.update("jax_enable_x64", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)
