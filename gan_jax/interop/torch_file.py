"""PyTorch's files as numpy arrays: .pth and .pt, zip and legacy format, and .safetensors. No torch, and nothing is run.

A .pth file is a pickle, a program for a small stack machine that may call any Python function. The machine here knows
the opcodes that build data and a table of names that PyTorch's own files use; it calls nothing else. Any other name,
and whatever would be made with it, is `Unknown`.
"""

import dataclasses
import io
import math
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import ml_dtypes
import numpy as np
import safetensors

__all__ = ["TorchFileError", "Unknown", "load", "unknown_in_words", "unknown_names"]
__dir__ = __all__.copy

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MAX_DEPTH = 64  # of nested containers; a training checkpoint has about six
_MAX_AXES = 32

_DTYPES = {
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype(ml_dtypes.bfloat16),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("?"),
}
# Of tensors that are not read: in a legacy file their bytes stand between those of others.
_OTHER_SIZES = {"ComplexFloat": 8, "ComplexDouble": 16, "QInt8": 1, "QUInt8": 1, "QInt32": 4}
_SAFETENSORS_DTYPES = dict(
    zip(["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"], _DTYPES.values(), strict=True)
)  # in the order of the table above
_TORCH_DTYPES = (
    "float64", "double", "float32", "float", "float16", "half", "bfloat16",
    "int64", "long", "int32", "int", "int16", "short", "int8", "uint8", "bool",
)  # fmt: skip

# What else than our own complaints can come out of the parsers when the bytes they read are wrong.
_DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, StopIteration,
    TypeError, ValueError, safetensors.SafetensorError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class TorchFileError(ValueError):
    """A file that cannot be read as PyTorch's, or that is refused; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Unknown:
    """Stands for an object of a class that is not known, and for all that would be made of it: nothing was run."""

    name: str  # of the class or function that the file asks for


class _Storage(NamedTuple):
    """A flat run of elements; None before a legacy file's second reading, which knows its bytes."""

    dtype: np.dtype
    elements: int
    data: np.ndarray | None


class _StorageType(NamedTuple):
    """Stands for torch.FloatStorage and its like."""

    dtype: np.dtype


class _Word(str):
    """A dtype, layout or device of torch that tells us nothing, kept as its name."""


class _Called(NamedTuple):
    """A name of the table that may be called; `function` is ours, never the one it stands for.

    Called with an unknown first argument it gives that argument, unless it takes anything.
    """

    function: Callable[..., Any]
    takes_anything: bool = False


def load(path: str | Path) -> Any:
    """The content of a .pth, .pt or .safetensors file: nested dicts and lists with numpy arrays for tensors.

    Arrays are read-only views of what was read; half and bfloat16 stay what they are. Objects of classes that are not
    known, and tensors of other numbers, are `Unknown`. Raises FileNotFoundError where there is no file, and
    TorchFileError, a ValueError, for one that is damaged, of another kind, or holds no tensor outside unknown objects,
    as whole modules do; code is refused.
    """
    path = Path(path)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pickletools' of escapes in text
        try:
            content = _read(file, path.stat().st_size)
            unknown: dict[str, None] = {}
            if not _count_arrays(content, set(), 0, set(), unknown):
                raise TorchFileError(unknown_in_words(unknown) if unknown else "it holds no tensor")
        except TorchFileError as error:
            raise TorchFileError(f"{path} cannot be read: {error}.") from None
        except _DAMAGE as error:
            what = f"{error}".splitlines()[0].rstrip(".") if f"{error}" else type(error).__name__
            raise TorchFileError(f"{path} is damaged or no PyTorch file ({what}); copy or download it again.") from None
    return content


def unknown_in_words(names: Iterable[str]) -> str:
    """The end of a sentence on a file whose arrays, if any, are inside of unknown objects."""
    asked = " and ".join(_short(name) for name in list(names)[:3])
    return (
        f"it asks for {asked}, which a file of arrays does not need, and nothing of it was run; if it holds a whole "
        "model, save model.state_dict() instead"
    )


def unknown_names(content: Any) -> list[str]:
    """The names of all unknown objects in what `load` gave, the first first."""
    names: dict[str, None] = {}
    _count_arrays(content, set(), 0, set(), names)
    return list(names)


def _read(file: IO[bytes], size: int) -> Any:
    start = file.read(16)
    file.seek(0)
    if start.startswith(b"PK"):
        return _read_zip(file, size)
    if len(start) > 8 and start[8:9] == b"{":
        return _read_safetensors(file.read())
    if len(start) < 16:
        raise TorchFileError(f"it has only {len(start)} bytes; copy or download it again")
    return _read_legacy(file.read())


def _read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    arrays = {}
    for name, entry in safetensors.deserialize(content):
        if entry["dtype"] not in _SAFETENSORS_DTYPES:
            raise TorchFileError(f"{_short(name)} has the dtype {entry['dtype']}, which this program does not read")
        array = np.frombuffer(entry["data"], _SAFETENSORS_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        array.flags.writeable = False
        arrays[name] = array
    return dict(sorted(arrays.items()))


def _read_zip(file: IO[bytes], size: int) -> Any:
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    roots = [name.removesuffix("data.pkl") for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise TorchFileError("it is a zip archive without PyTorch's data.pkl; give the .pth file itself")
    (root,) = roots
    if f"{root}constants.pkl" in names or any(name.startswith(f"{root}code/") for name in names):
        raise TorchFileError("it is a TorchScript program; save the model's state_dict with torch.save instead")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        # Stored entries keep what is read below the file's size; PyTorch never compresses.
        raise TorchFileError("its entries are compressed, which PyTorch never does; save it again with torch.save")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise TorchFileError("it was written on a big-endian machine; save it again on another")

    storages: dict[str, _Storage] = {}
    read = 0

    def storage(dtype: np.dtype, key: str, elements: int) -> _Storage:
        nonlocal read
        if key not in storages:
            content = archive.read(f"{root}data/{key}")  # checks the CRC
            read += len(content)
            if read > size:
                raise TorchFileError("its entries overlap; copy or download it again")
            if elements * dtype.itemsize > len(content):
                raise TorchFileError(f"storage {key} is cut short; copy or download it again")
            storages[key] = _Storage(dtype, elements, np.frombuffer(content, dtype, elements))
        found = storages[key]
        if (found.dtype, found.elements) != (dtype, elements):
            raise TorchFileError(f"storage {key} is described in two ways; copy or download it again")
        return found

    return _run(io.BytesIO(archive.read(f"{root}data.pkl")), storage)


def _read_legacy(content: bytes) -> Any:
    """Five pickles (magic number, protocol, system, object, storage keys), then every storage's length and bytes."""
    file = io.BytesIO(content)

    def no_storage(dtype: np.dtype, key: str, elements: int) -> _Storage:
        raise TorchFileError("its header refers to tensors; copy or download it again")

    if _run(file, no_storage) != _LEGACY_MAGIC:
        raise TorchFileError("it is a pickle, but not PyTorch's; save arrays with torch.save or as .safetensors")
    if _run(file, no_storage) != _LEGACY_PROTOCOL:
        raise TorchFileError("it has an unknown protocol version; save it again with a newer PyTorch")
    system = _run(file, no_storage)
    if not isinstance(system, dict) or system.get("little_endian", True) is not True:
        raise TorchFileError("it was written on a big-endian machine; save it again on another")

    # The bytes come last, so the object is built twice: first to learn the storages, then with them.
    described: dict[str, _Storage] = {}

    def describe(dtype: np.dtype, key: str, elements: int) -> _Storage:
        found = described.setdefault(key, _Storage(dtype, elements, None))
        if (found.dtype, found.elements) != (dtype, elements):
            raise TorchFileError(f"storage {key} is described in two ways; copy or download it again")
        return found

    start = file.tell()
    _run(file, describe)
    keys = _run(file, no_storage)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(described):
        raise TorchFileError("its list of storages does not fit its tensors; copy or download it again")
    filled = {}
    for key in map(str, keys):
        dtype, elements, _ = described[key]
        (stored,) = struct.unpack("<q", file.read(8))
        begin, length = file.tell(), elements * dtype.itemsize
        if stored != elements or length > len(content) - begin:
            raise TorchFileError(f"storage {key} is cut short; copy or download it again")
        filled[key] = _Storage(dtype, elements, np.frombuffer(content, dtype, elements, begin))
        file.seek(begin + length)
    file.seek(start)
    return _run(file, lambda dtype, key, elements: filled[key])


def _tensor(storage: _Storage, offset: int, size: Any, stride: Any, *_rest: Any) -> np.ndarray | Unknown:
    """torch._utils._rebuild_tensor and _rebuild_tensor_v2: a view of a storage, checked before memory is taken."""
    dtype, elements, data = storage
    if dtype.type is np.void:
        return Unknown("a tensor of complex or quantised numbers")
    size, stride = tuple(size), tuple(stride)
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > _MAX_AXES or not all(type(n) is int and n >= 0 for n in numbers):
        raise TorchFileError(f"a tensor has the impossible shape {_short(size)} and strides {_short(stride)}")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # A stride of 0 repeats elements: a few bytes could ask for all memory there is.
    if count > elements or (count and last >= elements):
        raise TorchFileError(f"a tensor of shape {_short(size)} reaches outside its storage of {elements} elements")
    if data is None or not count:
        # A legacy file's first reading: nothing but the shape is known, and nothing is taken.
        return np.broadcast_to(np.zeros((), dtype), size if count else (0,) if data is None else size)
    steps = [step * dtype.itemsize if n > 1 else 0 for n, step in zip(size, stride, strict=True)]
    return np.lib.stride_tricks.as_strided(data[offset:], size, steps, writeable=False)


def _numpy_scalar(dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, np.dtype) or len(content) != dtype.itemsize:
        raise TorchFileError("a numpy number in it has no sense; copy or download it again")
    content = content.encode("latin-1") if isinstance(content, str) else content
    return np.frombuffer(content, dtype)[0].item()


def _numpy_dtype(name: Any, *_rest: Any) -> np.dtype | Unknown:
    dtype = np.dtype(str(name)[:8])
    return dtype if dtype.kind in "biuf" else Unknown(f"numpy data of dtype {dtype}")


def _of_type(function: Any, _type: Any, arguments: Any, *_state: Any) -> Any:
    """torch._tensor._rebuild_from_type_v2: a tensor of a subclass, or with attributes, which are left out."""
    return _made(function, arguments)


def _as_dict(items: Any = ()) -> dict[Any, Any]:
    return dict(items)


# The names that PyTorch's files of arrays use, and what stands for them here.
_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Called(_as_dict),
    ("collections", "defaultdict"): _Called(lambda factory=None: {}, takes_anything=True),
    ("builtins", "dict"): _Called(_as_dict),
    ("builtins", "set"): _Called(lambda items=(): list(items)),
    ("builtins", "frozenset"): _Called(lambda items=(): tuple(items)),
    ("torch", "Size"): _Called(lambda size=(): tuple(size)),
    ("torch", "device"): _Called(lambda *name: _Word(":".join(map(str, name)))),
    ("torch._utils", "_rebuild_tensor"): _Called(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Called(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Called(lambda data, *_rest: data),
    ("torch._utils", "_rebuild_parameter_with_state"): _Called(lambda data, *_rest: data),
    ("torch._tensor", "_rebuild_from_type_v2"): _Called(_of_type),
    ("torch.serialization", "_get_layout"): _Called(lambda name: _Word(name)),
    ("_codecs", "encode"): _Called(lambda text, encoding: text.encode("latin-1")),
    ("numpy", "dtype"): _Called(_numpy_dtype),
    **{(f"numpy.{core}.multiarray", "scalar"): _Called(_numpy_scalar) for core in ("core", "_core")},
    **{
        (module, f"{name}Storage"): _StorageType(dtype)
        for name, dtype in _DTYPES.items()
        for module in ("torch", "torch.cuda")
    },
    **{("torch", f"{name}Storage"): _StorageType(np.dtype(f"V{size}")) for name, size in _OTHER_SIZES.items()},
    **{("torch", name): _Word(f"torch.{name}") for name in _TORCH_DTYPES},
}
_KNOWN |= {("__builtin__", name): _KNOWN["builtins", name] for name in ("dict", "set", "frozenset")}


def _global(module: Any, name: Any) -> Any:
    return _KNOWN[module, name] if (module, name) in _KNOWN else Unknown(f"{_short(module)}.{_short(name)}")


def _made(called: Any, arguments: Any) -> Any:
    """What a name of the table makes of arguments; anything else is not called."""
    if isinstance(called, Unknown):
        # copyreg's functions make an object of the class that they are given first.
        of_class = called.name.startswith("copy") and isinstance(arguments, tuple) and arguments
        return arguments[0] if of_class and isinstance(arguments[0], Unknown) else called
    if not isinstance(called, _Called) or not isinstance(arguments, tuple):
        raise TorchFileError(f"it calls {_short(called)}, which is no function of a file of arrays")
    if arguments and isinstance(arguments[0], Unknown) and not called.takes_anything:
        return arguments[0]
    return called.function(*arguments)


class _Mark:
    """Where a tuple, list or dict on the stack begins."""


# Opcodes whose argument is the value itself.
_CONSTANTS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
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


def _run(file: IO[bytes], storage: Callable[[np.dtype, str, int], _Storage]) -> Any:
    """The value that the pickle at the file's place builds; the place is then behind it."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def top(*kinds: type) -> Any:
        if not isinstance(stack[-1], kinds):
            raise TorchFileError("its pickle makes no sense; copy or download it again")
        return stack[-1]

    def above_mark() -> list[Any]:
        place = next(index for index in range(len(stack) - 1, -1, -1) if isinstance(stack[index], _Mark))
        values = stack[place + 1 :]
        del stack[place:]
        return values

    def pop(count: int) -> list[Any]:
        values = stack[len(stack) - count :]
        if len(values) != count or any(isinstance(value, _Mark) for value in values):
            raise TorchFileError("its pickle makes no sense; copy or download it again")
        del stack[len(stack) - count :]
        return values

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
            stack.append(_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(_global(*pop(2)))
        elif name in ("REDUCE", "NEWOBJ"):
            stack.append(_made(*pop(2)))
        elif name == "NEWOBJ_EX":
            called, arguments, _ = pop(3)
            stack.append(_made(called, arguments))
        elif name == "INST":
            stack.append(_made(_global(*argument.split(" ", 1)), tuple(above_mark())))
        elif name == "OBJ":
            called, *arguments = above_mark()
            stack.append(_made(called, tuple(arguments)))
        elif name in ("EXT1", "EXT2", "EXT4"):
            stack.append(Unknown(f"extension {argument} of copyreg"))
        elif name == "BUILD":
            pop(1)  # a state_dict's _metadata: versions of modules
            top(dict, np.dtype, Unknown)
        elif name == "BINPERSID":
            stack.append(_storage_of(pop(1)[0], storage))
        elif name == "PERSID":
            stack.append(Unknown(f"object {_short(argument)} of another file"))
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            above_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            raise TorchFileError(f"its pickle uses {name}, which a file of arrays does not need; nothing of it was run")
    raise EOFError("the pickle has no end")


def _storage_of(identity: Any, storage: Callable[[np.dtype, str, int], _Storage]) -> _Storage | Unknown:
    """("storage", type, key, location, elements), and in legacy files a view that PyTorch no longer writes.

    Legacy files of whole modules refer to ("module", class, file, source) too.
    """
    if isinstance(identity, tuple) and identity[:1] == ("module",) and isinstance(identity[1], Unknown):
        return identity[1]
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise TorchFileError(f"it refers to {_short(identity)}, which is no tensor's storage")
    _, kind, key, _, elements, *view = identity
    if isinstance(kind, Unknown):
        return kind
    if not isinstance(kind, _StorageType) or type(elements) is not int or elements < 0 or view not in ([], [None]):
        raise TorchFileError(f"storage {_short(key)} is of a kind that this program does not read")
    if not isinstance(key, str) or not key.isalnum():
        raise TorchFileError(f"a storage has the impossible name {_short(key)}")
    return storage(kind.dtype, key, elements)


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else type(value).__name__ if isinstance(value, list | dict) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:60]}..."


def _count_arrays(value: Any, around: set[int], depth: int, seen: set[int], unknown: dict[str, None]) -> int:
    """How many different arrays there are; the names of unknown objects go into `unknown`.

    Raises TorchFileError for what contains itself or is nested too deep.
    """
    if isinstance(value, np.ndarray):
        return 1
    if isinstance(value, Unknown):
        unknown[value.name] = None
    if not isinstance(value, dict | list | tuple) or isinstance(value, _Storage | _StorageType | _Called):
        return 0
    if id(value) in around:
        raise TorchFileError("it contains itself")
    if depth == _MAX_DEPTH:
        raise TorchFileError(f"it is nested more than {_MAX_DEPTH} levels deep")
    if id(value) in seen:
        return 0
    seen.add(id(value))
    inside = around | {id(value)}
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return sum(_count_arrays(part, inside, depth + 1, seen, unknown) for part in parts)
