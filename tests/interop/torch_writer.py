"""Files as torch.save writes them, and worse ones, made by hand: what torch writes was read from its own files."""

import io
import struct
import zipfile

import ml_dtypes

STORAGES = {
    "<f8": "Double", "<f4": "Float", "<f2": "Half", "<i8": "Long", "<i4": "Int", "<i2": "Short", "|i1": "Char",
    "|u1": "Byte", "|b1": "Bool",
}  # fmt: skip
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def storage_name(array):
    return "BFloat16" if array.dtype == ml_dtypes.bfloat16 else STORAGES[array.dtype.str]


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    return b"I%d\n" % value


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def name(module, member):
    return b"c%s\n%s\n" % (module.encode(), member.encode())


def call(module, member, *arguments):
    return name(module, member) + tuple_of(*arguments) + b"R"


def dict_of(items):
    """{key's opcodes: value's opcodes} as an OrderedDict with torch's _metadata attribute."""
    body = b"".join(text(key) + value for key, value in items.items())
    return call("collections", "OrderedDict") + b"(" + body + b"u" + b"}" + text("_metadata") + b"}s" + b"b"


def storage(kind, key, elements, legacy=False):
    parts = [text("storage"), name("torch", f"{kind}Storage"), text(key), text("cpu"), number(elements)]
    return tuple_of(*parts, *([b"N"] if legacy else [])) + b"Q"


def tensor(stored, offset, size, stride):
    sizes = (tuple_of(*map(number, numbers)) for numbers in (size, stride))
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", stored, number(offset), *sizes, b"\x89", hooks)


def whole(array, key, legacy=False):
    """A tensor that fills its storage."""
    stride = [step // array.itemsize for step in array.strides]
    return tensor(storage(storage_name(array), key, array.size, legacy), 0, array.shape, stride)


def pickled(value):
    return b"\x80\x02" + value + b"."


def long_integer(value):
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(encoded)]) + encoded


def zip_file(value, storages, root="archive", compression=zipfile.ZIP_STORED):
    """The opcodes of the saved object, and its storages by key."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(f"{root}/data.pkl", pickled(value))
        archive.writestr(f"{root}/byteorder", "little")
        for key, array in storages.items():
            archive.writestr(f"{root}/data/{key}", array.tobytes())
        archive.writestr(f"{root}/version", "3\n")
    return file.getvalue()


def legacy_file(value, storages):
    system = b"}" + text("little_endian") + b"\x88s"
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    parts = [pickled(part) for part in (long_integer(MAGIC), number(PROTOCOL), system, value, keys)]
    return b"".join([*parts, *(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())])


def state_dict(arrays, *, legacy=False, wrap=lambda value: value):
    """A file of named arrays, as torch.save(model.state_dict()) makes it."""
    storages = {str(index): array for index, array in enumerate(arrays.values())}
    items = {key: whole(array, str(index), legacy) for index, (key, array) in enumerate(arrays.items())}
    return (legacy_file if legacy else zip_file)(wrap(dict_of(items)), storages)
