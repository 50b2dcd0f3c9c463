"""PyTorch's files as numpy arrays: .pth and .pt, zip and legacy format, and .safetensors. No torch, and nothing is run.

A .pth file is a pickle, which `safe_pickle` reads with the table of names that PyTorch's own files use.
"""

import io
import math
import pickle
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

from gan_jax.interop import safe_pickle
from gan_jax.interop.safe_pickle import Called, Unknown, call, shortened

__all__ = ["TorchFileError", "load", "unknown_in_words", "unknown_names"]
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
        except (TorchFileError, safe_pickle.PickleError) as error:
            raise TorchFileError(f"{path} cannot be read: {error}.") from None
        except _DAMAGE as error:
            what = f"{error}".splitlines()[0].rstrip(".") if f"{error}" else type(error).__name__
            raise TorchFileError(f"{path} is damaged or no PyTorch file ({what}); copy or download it again.") from None
    return content


def unknown_in_words(names: Iterable[str]) -> str:
    """The end of a sentence on a file whose arrays, if any, are inside of unknown objects."""
    asked = " and ".join(shortened(name) for name in list(names)[:3])
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
    if start[:1] != pickle.PROTO:
        raise TorchFileError("it is no PyTorch file, nor other weights; name a .pth, .pt, .safetensors or .npz file")
    return _read_legacy(file.read())


def _read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    arrays = {}
    for name, entry in safetensors.deserialize(content):
        if entry["dtype"] not in _SAFETENSORS_DTYPES:
            raise TorchFileError(f"{shortened(name)} has the dtype {entry['dtype']}, which this program does not read")
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
        known_storage = storages[key]
        if (known_storage.dtype, known_storage.elements) != (dtype, elements):
            raise TorchFileError(f"storage {key} is described in two ways; copy or download it again")
        return known_storage

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
        known_storage = described.setdefault(key, _Storage(dtype, elements, None))
        if (known_storage.dtype, known_storage.elements) != (dtype, elements):
            raise TorchFileError(f"storage {key} is described in two ways; copy or download it again")
        return known_storage

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
        return Unknown("a tensor of complex or quantized numbers")
    size, stride = tuple(size), tuple(stride)
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > _MAX_AXES or not all(type(n) is int and n >= 0 for n in numbers):
        raise TorchFileError(f"a tensor has the impossible shape {shortened(size)} and strides {shortened(stride)}")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # A stride of 0 repeats elements: a few bytes could ask for all memory there is.
    if count > elements or (count and last >= elements):
        raise TorchFileError(f"a tensor of shape {shortened(size)} reaches outside its storage of {elements} elements")
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
    return call(function, arguments)


def _as_dict(items: Any = ()) -> dict[Any, Any]:
    return dict(items)


# The names that PyTorch's files of arrays use, and what stands for them here.
_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Called(_as_dict),
    ("collections", "defaultdict"): Called(lambda factory=None: {}, takes_anything=True),
    ("builtins", "dict"): Called(_as_dict),
    ("builtins", "set"): Called(lambda items=(): list(items)),
    ("builtins", "frozenset"): Called(lambda items=(): tuple(items)),
    ("torch", "Size"): Called(lambda size=(): tuple(size)),
    ("torch", "device"): Called(lambda *name: _Word(":".join(map(str, name)))),
    ("torch._utils", "_rebuild_tensor"): Called(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Called(_tensor),
    ("torch._utils", "_rebuild_parameter"): Called(lambda data, *_rest: data),
    ("torch._utils", "_rebuild_parameter_with_state"): Called(lambda data, *_rest: data),
    ("torch._tensor", "_rebuild_from_type_v2"): Called(_of_type),
    ("torch.serialization", "_get_layout"): Called(lambda name: _Word(name)),
    ("_codecs", "encode"): Called(lambda text, encoding: text.encode("latin-1")),
    ("numpy", "dtype"): Called(_numpy_dtype),
    **{(f"numpy.{core}.multiarray", "scalar"): Called(_numpy_scalar) for core in ("core", "_core")},
    **{
        (module, f"{name}Storage"): _StorageType(dtype)
        for name, dtype in _DTYPES.items()
        for module in ("torch", "torch.cuda")
    },
    **{("torch", f"{name}Storage"): _StorageType(np.dtype(f"V{size}")) for name, size in _OTHER_SIZES.items()},
    **{("torch", name): _Word(f"torch.{name}") for name in _TORCH_DTYPES},
}
_NAMES |= {("__builtin__", name): _NAMES["builtins", name] for name in ("dict", "set", "frozenset")}


def _run(file: IO[bytes], storage: Callable[[np.dtype, str, int], _Storage]) -> Any:
    """The value that the pickle at the file's place builds; the place is then behind it."""

    def build(value: Any, state: Any) -> None:
        del state  # a state_dict's _metadata: versions of modules
        if not isinstance(value, dict | np.dtype):
            raise TorchFileError("its pickle makes no sense; copy or download it again")

    return safe_pickle.load(file, _NAMES, persistent=lambda identity: _storage_of(identity, storage), build=build)


def _storage_of(identity: Any, storage: Callable[[np.dtype, str, int], _Storage]) -> _Storage | Unknown:
    """("storage", type, key, location, elements), and in legacy files a view that PyTorch no longer writes.

    Legacy files of whole modules refer to ("module", class, file, source) too.
    """
    if isinstance(identity, tuple) and identity[:1] == ("module",) and isinstance(identity[1], Unknown):
        return identity[1]
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise TorchFileError(f"it refers to {shortened(identity)}, which is no tensor's storage")
    _, kind, key, _, elements, *view = identity
    if isinstance(kind, Unknown):
        return kind
    if not isinstance(kind, _StorageType) or type(elements) is not int or elements < 0 or view not in ([], [None]):
        raise TorchFileError(f"storage {shortened(key)} is of a kind that this program does not read")
    if not isinstance(key, str) or not key.isalnum():
        raise TorchFileError(f"a storage has the impossible name {shortened(key)}")
    return storage(kind.dtype, key, elements)


def _count_arrays(value: Any, around: set[int], depth: int, seen: set[int], unknown: dict[str, None]) -> int:
    """How many different arrays there are; the names of unknown objects go into `unknown`.

    Raises TorchFileError for what contains itself or is nested too deep.
    """
    if isinstance(value, np.ndarray):
        return 1
    if isinstance(value, Unknown):
        unknown[value.name] = None
    if not isinstance(value, dict | list | tuple) or isinstance(value, _Storage | _StorageType | Called):
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
