"""Pickles without pickle: a pickle is a program for a small stack machine that may call any Python function.

The machine here knows the opcodes that build data, and a table of names, what stands for each; it calls nothing else.
Any other name, and whatever would be made with it, is `Unknown`. `interop.torch_file` has such a table, and
`perceptual`.
"""

import dataclasses
import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

__all__ = ["Called", "Names", "PickleError", "Unknown", "call", "load", "shortened"]
__dir__ = __all__.copy

Names = Mapping[tuple[str, str], Any]  # (module, name) -> what stands for it


class PickleError(ValueError):
    """A pickle that is refused; the message is the rest of a sentence."""


@dataclasses.dataclass(frozen=True)
class Unknown:
    """Stands for an object of a class that is not known, and for all that would be made of it: nothing was run."""

    name: str  # of the class or function that the file asks for


class Called(NamedTuple):
    """A name of the table that may be called; `function` is ours, never the one it stands for.

    Called with an unknown first argument it gives that argument, unless it takes anything.
    """

    function: Callable[..., Any]
    takes_anything: bool = False


def call(called: Any, arguments: Any) -> Any:
    """What a `Called` makes of a tuple of arguments; `Unknown` stays what it is. Raises PickleError for all else."""
    if isinstance(called, Unknown):
        # copyreg's functions make an object of the class that they are given first.
        of_class = called.name.startswith("copy") and isinstance(arguments, tuple) and arguments
        return arguments[0] if of_class and isinstance(arguments[0], Unknown) else called
    if not isinstance(called, Called) or not isinstance(arguments, tuple):
        raise PickleError(f"it calls {shortened(called)}, which is no function of a file of arrays")
    if arguments and isinstance(arguments[0], Unknown) and not called.takes_anything:
        return arguments[0]
    return called.function(*arguments)


class _Mark:
    """Where a tuple, list or dict on the stack begins."""


# Opcodes whose argument is the value itself.
_CONSTANTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "MARK": _Mark,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def load(file: IO[bytes], names: Names, *, persistent: Callable[[Any], Any], build: Callable[[Any, Any], None]) -> Any:
    """The value that the pickle at the file's place builds; the place is then behind it.

    `persistent` gives what a reference to something outside of the pickle stands for, and `build` takes a value and the
    state that belongs into it. Sets are lists here, and frozen sets tuples. Raises PickleError for what is refused,
    what the given functions raise, and ValueError, LookupError and their like for bytes that are no pickle.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def top(*kinds: type) -> Any:
        if not isinstance(stack[-1], kinds):
            raise PickleError("its pickle makes no sense; copy or download it again")
        return stack[-1]

    def above_mark() -> list[Any]:
        place = next(index for index in range(len(stack) - 1, -1, -1) if isinstance(stack[index], _Mark))
        values = stack[place + 1 :]
        del stack[place:]
        return values

    def pop(count: int) -> list[Any]:
        values = stack[len(stack) - count :]
        if len(values) != count or any(isinstance(value, _Mark) for value in values):
            raise PickleError("its pickle makes no sense; copy or download it again")
        del stack[len(stack) - count :]
        return values

    def named(module: Any, name: Any) -> Any:
        return names[module, name] if (module, name) in names else Unknown(f"{shortened(module)}.{shortened(name)}")

    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            (value,) = pop(1)
            return value
        if name in _CONSTANTS:
            stack.append(argument)
        elif name in _VALUES:
            stack.append(_VALUES[name]())
        elif name in _TUPLES:
            stack.append(tuple(pop(_TUPLES[name])))
        elif name == "TUPLE":
            stack.append(tuple(above_mark()))
        elif name == "LIST":
            stack.append(above_mark())
        elif name == "FROZENSET":
            stack.append(tuple(above_mark()))
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            values = pop(1) if name == "APPEND" else above_mark()
            if isinstance(filled := top(list, Unknown), list):
                filled.extend(values)
        elif name == "DICT":
            stack.append(_pairs(above_mark()))
        elif name in ("SETITEM", "SETITEMS"):
            values = pop(2) if name == "SETITEM" else above_mark()
            if isinstance(filled := top(dict, Unknown), dict):
                filled.update(_pairs(values))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = top(object)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(named(*pop(2)))
        elif name in ("REDUCE", "NEWOBJ"):
            stack.append(call(*pop(2)))
        elif name == "NEWOBJ_EX":
            called, arguments, _ = pop(3)
            stack.append(call(called, arguments))
        elif name == "INST":
            stack.append(call(named(*argument.split(" ", 1)), tuple(above_mark())))
        elif name == "OBJ":
            called, *arguments = above_mark()
            stack.append(call(called, tuple(arguments)))
        elif name in ("EXT1", "EXT2", "EXT4"):
            stack.append(Unknown(f"extension {argument} of copyreg"))
        elif name == "BUILD":
            (state,) = pop(1)
            if not isinstance(stack[-1], Unknown):
                build(stack[-1], state)
        elif name == "BINPERSID":
            stack.append(persistent(pop(1)[0]))
        elif name == "PERSID":
            stack.append(Unknown(f"object {shortened(argument)} of another file"))
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            above_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            raise PickleError(f"its pickle uses {name}, which a file of arrays does not need; nothing of it was run")
    raise EOFError("the pickle has no end")


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


def shortened(value: Any) -> str:
    """A value in at most sixty characters of one line, for a sentence about it."""
    text = value if isinstance(value, str) else type(value).__name__ if isinstance(value, list | dict) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:60]}..."
