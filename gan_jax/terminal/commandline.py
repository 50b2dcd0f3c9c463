"""Reading command lines: flags anywhere, `~` in every path, and the words of other programs led to ours."""

import dataclasses
import difflib
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from gan_jax.terminal import other_programs

__all__ = ["ModelPlace", "Place", "arranged", "as_words", "choose", "lay_over", "program", "read", "take", "unknown"]
__dir__ = __all__.copy

_T = TypeVar("_T")
_GREEDY = -1  # a flag that takes all values up to the next flag
_IS_FLAG = re.compile(r"-[A-Za-z]|--.")  # and not a negative number
_HELP = ("-h", "--help")
_ALSO = {"--save_every": "--save_latest_freq"}  # other names of flags
_HELP_ALL = "--help_all"
(_POSITIONAL,) = get_args(tyro.conf.Positional[int])[1:]  # the mark of fields without a flag


def _place(metavar: str) -> PrimitiveConstructorSpec[str]:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: os.path.expanduser(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    )


# A path, or a word that stands for data or a model. As text: a Path loses the ./ that tells them apart.
Place = Annotated[str, _place("FOLDER")]
ModelPlace = Annotated[str, _place("MODEL")]

_REGISTRY = ConstructorRegistry()


@_REGISTRY.primitive_rule
def _path(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type is not Path:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: Path(os.path.expanduser(words[0])),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def read(
    kind: type[_T],
    arguments: Sequence[str],
    *,
    program: str,
    description: str = "",
    default: _T | None = None,
    usual: Collection[str] | None = None,
) -> _T:
    """The dataclass that a command line means: its flags may stand anywhere among the others.

    `default` is what flags are laid over, the dataclass's own values unless given. With `usual` --help shows those
    fields alone, and --help_all all. Raises ValueError for a flag that there is not, with what comes nearest or does
    the same here; SystemExit, as tyro does, for --help and for values that do not fit.
    """
    everything = _HELP[-1] if usual is None else _HELP_ALL
    if usual is not None:
        arguments = [_HELP_ALL if _with_underscores(argument) == _HELP_ALL else argument for argument in arguments]
        if _HELP_ALL in arguments:
            arguments = [_HELP[-1]]
        elif any(argument in _HELP for argument in arguments):
            kind, default = _shortened(kind, default, usual)
    args = arranged(kind, arguments, default=default, everything=everything)
    return _fill(kind, args, program=program, description=description, default=default)


def lay_over(default: _T, values: Mapping[str, Any], *, program: str) -> _T:
    """A dataclass with `values`, by field, in place of its own, each understood as what its flag is given.

    Raises ValueError for names of no field; SystemExit, as tyro does, for values that do not fit.
    """
    fields = {field.name for field in dataclasses.fields(default)}  # type: ignore[arg-type]
    args = []
    for name, value in values.items():
        flag = _ours(f"--{name}")
        name = flag.removeprefix("--")
        if name not in fields:
            raise ValueError(unknown(flag, [f"--{field}" for field in sorted(fields)], everything=_HELP_ALL))
        if isinstance(value, bool):
            args += [] if value is getattr(default, name) else [flag if value else f"--no_{name}"]
        elif isinstance(value, list):
            args += [flag, *map(str, value)]
        else:
            args.append(f"{flag}={value}")
    return _fill(type(default), args, program=program, default=default)


def take(arguments: Sequence[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of a flag that no dataclass has, None where it is not given, and the other arguments.

    Raises ValueError where it has no value.
    """
    value, others = None, list[str]()
    waiting = list(reversed(arguments))
    while waiting:
        argument = waiting.pop()
        name, equals, behind = argument.partition("=")
        if argument == "--":
            return value, [*others, argument, *reversed(waiting)]
        if _with_underscores(name) != flag:
            others.append(argument)
            continue
        value = behind if equals else waiting.pop() if waiting and not _IS_FLAG.match(waiting[-1]) else ""
        if not value:
            raise ValueError(f"{flag} wants a value.")
    return value, others


def as_words(value: Any, kind: type, field: str) -> Any:
    """A field's value as its flag is given: the flag's own word where it has a way of its own to say it."""
    for mark in getattr(get_type_hints(kind, include_extras=True)[field], "__metadata__", ()):
        if isinstance(mark, PrimitiveConstructorSpec):
            return mark.str_from_instance(value)[0]
    return str(value) if isinstance(value, Path) else value


def _shortened(kind: type[_T], default: _T | None, usual: Collection[str]) -> tuple[type[_T], _T]:
    """A dataclass and its values whose --help shows the usual fields alone."""
    default = kind() if default is None else default
    hints = get_type_hints(kind, include_extras=True)
    hidden: Any = tyro.conf.Suppress
    fields: list[Any] = [
        (name, hidden[hint], getattr(default, name))
        for name, hint in hints.items()
        if name not in usual and not _is_positional(hint)
    ]
    short = dataclasses.make_dataclass(kind.__name__, fields, bases=(kind,), frozen=True)
    values = {field.name: getattr(default, field.name) for field in dataclasses.fields(short)}
    return short, short(**values)


def _fill(kind: type[_T], args: Sequence[str], *, program: str, default: _T | None, description: str = "") -> _T:
    return tyro.cli(
        kind,
        args=args,
        prog=program,
        description=description,
        config=(tyro.conf.FlagCreatePairsOff,),
        use_underscores=True,
        registry=_REGISTRY,
        default=tyro.MISSING_NONPROP if default is None else default,
    )


def arranged(kind: type, arguments: Sequence[str], *, default: Any = None, everything: str = _HELP[-1]) -> list[str]:
    """The arguments with those that are no flags first, so that argparse takes them for one list.

    Switches that `default`, a dataclass of that kind, has turned on already may be given again. `everything` is the
    flag that shows all flags. Raises ValueError for
    unknown flags, and for a flag without its value or a switch with one.
    """
    flags, on = _flags(kind, default)
    others: list[str] = []
    ours: list[str] = []
    waiting = list(reversed(arguments))
    while waiting:
        argument = waiting.pop()
        if argument == "--":  # what follows are names, whatever they begin with
            others += [f"./{name}" if name.startswith("-") else name for name in reversed(waiting)]
            break
        if not _IS_FLAG.match(argument):
            others.append(argument)
            continue
        if argument in _HELP:
            ours.append(argument)
            continue
        name, equals, value = argument.partition("=")
        flag = _ours(name)
        if flag not in flags:
            raise ValueError(unknown(flag, flags, everything=everything))
        count = flags[flag]
        if count == 0:
            if equals:
                raise ValueError(f"{flag} takes no value; got {argument}.")
            ours += [] if flag in on else [flag]
            continue
        values = [value] if equals else []
        while waiting and (count == _GREEDY or len(values) < count) and not _is_next(waiting[-1], flags):
            values.append(waiting.pop())
        if not values:
            raise ValueError(f"{flag} wants a value.")
        # A value may begin with a dash.
        ours += [f"{flag}={values[0]}"] if count == 1 else [flag, *values]
    return [*others, *ours]


def _is_next(argument: str, flags: Mapping[str, int]) -> bool:
    """Whether an argument is the next flag rather than a value that begins with a dash."""
    return argument.startswith("--") or argument in _HELP or _ours(argument.partition("=")[0]) in flags


def _with_underscores(name: str) -> str:
    return f"--{name[2:].replace('-', '_')}" if name.startswith("--") else name


def _ours(name: str) -> str:
    """A flag's own name, however it is spelled."""
    flag = _with_underscores(name)
    return _ALSO.get(flag, flag)


def unknown(flag: str, flags: Sequence[str] | Mapping[str, int], *, everything: str = _HELP[-1]) -> str:
    """What to say of a flag that there is not."""
    if hint := other_programs.hint(flag, flags):
        return f"there is no {flag} here; {hint}."
    near = difflib.get_close_matches(flag, list(flags), n=1, cutoff=0.6)
    same = [ours for ours in flags if ours.lower() == flag.lower()] or near
    more = f"perhaps {same[0]} is meant; " if same else ""
    return f"there is no {flag} here; {more}{everything} shows all flags."


def _flags(kind: type, default: Any) -> tuple[dict[str, int], set[str]]:
    """How many values each flag takes, 0 for a switch and _GREEDY for as many as there are; switches that are on."""
    hints = get_type_hints(kind, include_extras=True)
    counts, on = dict[str, int](), set[str]()
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if _is_positional(hint):
            continue
        counts[f"--{field.name}"] = _values(hint)
        if hint is bool and getattr(default, field.name, field.default) is True:
            on.add(f"--{field.name}")
            counts[f"--no_{field.name}"] = 0
    return counts, on


def _is_positional(hint: Any) -> bool:
    return _POSITIONAL in getattr(hint, "__metadata__", ())


def _values(hint: Any) -> int:
    if get_origin(hint) is Annotated:
        own = any(isinstance(mark, PrimitiveConstructorSpec) for mark in hint.__metadata__)  # each takes one word
        return 1 if own else _values(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return max((_values(part) for part in get_args(hint) if part is not type(None)), key=abs)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return _GREEDY if Ellipsis in parts else len(parts)
    return 0 if hint is bool else 1


def choose(word: str, what: str, known: Sequence[str]) -> str:
    """A word of those that are known. Raises ValueError, with the nearest and all of them, for another."""
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, n=1)
    perhaps = f"perhaps {near[0]} is meant; " if near else ""
    raise ValueError(f"there is no {what} {word}; {perhaps}wanted one of {', '.join(known)}.")


def program() -> str:
    """What was typed to start this program: `python -m` and a module, or `python` and a script."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec is not None else f"python {os.path.basename(sys.argv[0])}"
