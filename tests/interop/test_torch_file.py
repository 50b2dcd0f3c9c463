"""PyTorch's files without torch.

tests/golden/networks/*/weights.pth were written by torch 2.13, weights.npz, the same arrays, by numpy.
"""

import argparse
import collections
import datetime
import decimal
import enum
import functools
import io
import pathlib
import pickle
import tracemalloc
import uuid
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from gan_jax.interop import safe_pickle, torch_file
from tests.interop import torch_writer as w

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"
RNG = np.random.default_rng(0)
ARRAYS = {
    "f32": RNG.standard_normal((2, 3, 4)).astype(np.float32),
    "f64": RNG.standard_normal(3),
    "f16": RNG.standard_normal((2, 2)).astype(np.float16),
    "bf16": RNG.standard_normal((2, 5)).astype(ml_dtypes.bfloat16),
    "i64": np.arange(-2, 3),
    "i32": np.arange(3, dtype=np.int32),
    "i16": np.arange(3, dtype=np.int16),
    "i8": np.arange(-3, 3, dtype=np.int8),
    "u8": np.arange(250, 256, dtype=np.uint8),
    "bool": np.array([True, False]),
    "scalar": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
}
BOTH = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def read(folder, content):
    path = folder / "file.pth"
    path.write_bytes(content)
    return torch_file.load(path)


def refused(folder, content):
    """The sentence with which a file is refused."""
    with pytest.raises(torch_file.TorchFileError) as caught:
        read(folder, content)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for key, array in expected.items():
        assert got[key].dtype == array.dtype
        np.testing.assert_array_equal(got[key], array)


@pytest.mark.parametrize("case", ["resnet_2blocks_batch_dropout", "pixel_batch", "dcgan_generator"])
def test_files_that_torch_wrote(case):
    assert_same(torch_file.load(GOLDEN / case / "weights.pth"), dict(np.load(GOLDEN / case / "weights.npz")))


@BOTH
def test_every_dtype_and_shape(tmp_path, legacy):
    assert_same(read(tmp_path, w.state_dict(ARRAYS, legacy=legacy)), ARRAYS)


def test_safetensors(tmp_path):
    got = read(tmp_path, safetensors.numpy.save(ARRAYS))
    assert_same(got, ARRAYS)
    assert not got["f32"].flags.writeable


@BOTH
def test_views_share_their_storage(tmp_path, legacy):
    stored = np.arange(24, dtype=np.float32)
    views = {
        "transposed": w.tensor(w.storage("Float", "0", 24, legacy), 0, (6, 4), (1, 6)),
        "part": w.tensor(w.storage("Float", "0", 24, legacy), 8, (2, 3), (6, 1)),
        "one": w.tensor(w.storage("Float", "0", 24, legacy), 23, (1, 1), (10**15, 0)),
    }
    got = read(tmp_path, (w.legacy_file if legacy else w.zip_file)(w.dict_of(views), {"0": stored}))
    whole = stored.reshape(4, 6)
    assert_same(got, {"transposed": whole.T, "part": whole[1:3, 2:5], "one": whole[3:, 5:]})


@BOTH
def test_a_training_checkpoint_keeps_its_nesting(tmp_path, legacy):
    def wrap(weights):
        betas = w.tuple_of(b"G" + b"\x3f\xe0" + bytes(6), w.number(1))
        best = w.call("numpy.core.multiarray", "scalar", w.call("numpy", "dtype", w.text("f8")), b"C\x08" + bytes(8))
        size = w.call("torch", "Size", b"](" + w.number(2) + b"e")
        options = b"}(" + w.text("betas") + betas + w.text("amsgrad") + b"\x89" + w.text("best") + best + b"u"
        return w.dict_of({"net": weights, "step": w.number(12), "options": b"](" + options + size + b"Ne"})

    got = read(tmp_path, w.state_dict({"a": np.ones(2, np.float32)}, legacy=legacy, wrap=wrap))
    assert got["step"] == 12
    assert got["options"] == [{"betas": (0.5, 1), "amsgrad": False, "best": 0.0}, (2,), None]
    np.testing.assert_array_equal(got["net"]["a"], [1, 1])


def test_parameters_are_their_arrays(tmp_path):
    parameter = w.call("torch._utils", "_rebuild_parameter", w.whole(ARRAYS["f64"], "0"), b"\x88", b"}")
    got = read(tmp_path, w.zip_file(b"](" + parameter + b"e", {"0": ARRAYS["f64"]}))
    np.testing.assert_array_equal(got[0], ARRAYS["f64"])


# What a pickle could have called, by where it is called from; `open` stands for what would leave a trace.
CALLS = {
    "system": w.call("posix", "system", w.text("touch TRACE")),
    "eval": w.call("builtins", "eval", w.text("open('TRACE', 'w')")),
    "getattr": w.call("builtins", "getattr", w.text("a"), w.text("upper")),
    "open": w.call("io", "open", w.text("TRACE"), w.text("w")),
    "module": w.call("models.networks", "UnetGenerator"),
    "a class": w.name("subprocess", "Popen") + w.tuple_of(w.text("ls")) + b"\x81",
    "an instance": b"(" + w.text("touch TRACE") + b"iposix\nsystem\n",
    "STACK_GLOBAL": w.text("posix") + w.text("system") + b"\x93" + w.tuple_of(w.text("touch TRACE")) + b"R",
    "an extension": b"\x82\x01",
    "of a call": w.call("builtins", "getattr", w.call("os", "getcwd"), w.text("a")) + w.tuple_of() + b"R",
    "a known function of it": w.call("collections", "OrderedDict", w.call("os", "listdir")),
    "state": w.call("os", "getcwd") + w.call("posix", "system", w.text("touch TRACE")) + b"b",
}


@BOTH
@pytest.mark.parametrize("what", CALLS)
def test_nothing_is_run_and_what_is_beside_is_read(tmp_path, monkeypatch, what, legacy):
    monkeypatch.chdir(tmp_path)

    def wrap(weights):
        return w.dict_of({"net": weights, "x": CALLS[what]})

    got = read(tmp_path, w.state_dict({"a": np.ones(2, np.float32)}, legacy=legacy, wrap=wrap))
    assert isinstance(got["x"], safe_pickle.Unknown)
    assert not hasattr(got["x"], "__array__")
    assert_same(got["net"], {"a": np.ones(2, np.float32)})
    assert not (tmp_path / "TRACE").exists()


@pytest.mark.parametrize("what", CALLS)
def test_a_file_of_nothing_else_is_refused(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    sentence = refused(tmp_path, w.zip_file(w.dict_of({"x": CALLS[what]}), {}))
    assert "nothing of it was run" in sentence
    assert "save model.state_dict() instead" in sentence
    assert not (tmp_path / "TRACE").exists()


class EasyDict(dict):
    """A dict with attributes, as many projects keep their options in."""


class Options:
    def __init__(self):
        self.nested, self.path = EasyDict(a=[1]), pathlib.Path("a")

    def __reduce_ex__(self, protocol):
        return object.__reduce_ex__(self, protocol)


class Color(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


class Exact(float):
    def __new__(cls, *, value=0.0):
        return super().__new__(cls, value)

    def __getnewargs_ex__(self):
        return (), {"value": float(self)}


SLOTTED = Slotted()
# What stands beside weights in people's files; of what Python's own types say nothing is lost.
BESIDE = {
    "namespace": argparse.Namespace(lr=1e-4, layers=["relu1_2"]),
    "options": Options(),
    "easy dict": EasyDict(a={"b": 1}),
    "enum": Color.RED,
    "path": pathlib.PurePosixPath("/data/train"),
    "partial": functools.partial(int, base=2),
    "time": datetime.datetime(2020, 1, 2, 3),
    "span": datetime.timedelta(seconds=3),
    "array": np.arange(6.0).reshape(2, 3),
    "strings": np.array(["a", "b"]),
    "objects": np.array([None, {}], object),
    "number": np.float32(0.5),
    "word": np.str_("a"),
    "complex": 1j,
    "range": range(3),
    "slice": slice(1, 2),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1]),
    "of a factory": collections.defaultdict(list, a=[1]),
    "ordered": collections.OrderedDict(a=1),
    "set": {1, 2},
    "frozen": frozenset([3]),
    "keys": {frozenset([3]): 1, (1, 2): 2},
    "bytes": b"ab",
    "bytearray": bytearray(b"ab"),
    "class": Options,
    "function": len,
    "type": dict,
    "exact": Exact(value=2.0),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=1),
}
PLAIN = {"number": 0.5, "of a factory": {"a": [1]}, "ordered": {"a": 1}, "keys": {(3,): 1, (1, 2): 2}}


def opcodes(value, protocol):
    """As Python pickles it, without the beginning and the end."""
    return pickle.dumps(value, protocol)[2 if protocol >= 2 else 0 : -1]


@BOTH
@pytest.mark.parametrize("what", BESIDE)
def test_any_object_beside_weights_of_any_protocol(tmp_path, what, legacy):
    for protocol in range(6):
        value = opcodes(BESIDE[what], protocol)
        weights = {"a.weight": np.arange(4, dtype=np.float32)}
        wrap = functools.partial(lambda value, net: w.dict_of({"x": value, "net": net}), value)
        got = read(tmp_path, w.state_dict(weights, legacy=legacy, wrap=wrap))
        assert_same(got["net"], weights)
        if what in PLAIN:
            assert got["x"] == PLAIN[what]


def test_what_was_asked_for_is_known_by_its_name(tmp_path):
    for protocol in range(6):
        value = opcodes({"opt": argparse.Namespace(a=1), "e": Color.RED}, protocol)
        sentence = refused(tmp_path, w.zip_file(value, {}))
        assert f"asks for argparse.Namespace and {Color.__module__}.Color, which" in sentence


def test_names_of_unknown_objects_in_a_sentence():
    content = {"a": [safe_pickle.Unknown("x.Y")], "b": safe_pickle.Unknown("z.W"), "c": safe_pickle.Unknown("x.Y")}
    names = torch_file.unknown_names(content)
    assert names == ["x.Y", "z.W"]
    assert torch_file.unknown_in_words(names).startswith("it asks for x.Y and z.W, which a file of arrays")


def test_a_legacy_files_modules_and_foreign_references(tmp_path):
    whole = w.tuple_of(w.text("module"), w.name("models", "Net"), w.text("net.py"), w.text("class Net: pass")) + b"Q"
    instance = whole + w.tuple_of() + b"\x81" + b"}b"
    assert "asks for models.Net, which" in refused(tmp_path, w.legacy_file(instance, {}))
    weights = {"a.weight": np.ones(3, np.float32)}

    def wrap(net):
        return w.dict_of({"model": instance, "net": net, "other": b"Psomewhere\n"})

    assert_same(read(tmp_path, w.state_dict(weights, legacy=True, wrap=wrap))["net"], weights)


def test_tensors_with_attributes_and_of_subclasses_are_their_arrays(tmp_path):
    array = ARRAYS["f32"]
    size, stride = (w.tuple_of(*map(w.number, numbers)) for numbers in ((2, 3, 4), (12, 4, 1)))
    stored = w.storage("Float", "0", 24)
    arguments = w.tuple_of(stored, w.number(0), size, stride, b"\x89", w.call("collections", "OrderedDict"))
    rebuild = w.name("torch._utils", "_rebuild_tensor_v2")
    state = w.tuple_of(b"}", w.call("my", "Tag"))
    attributes = b"}" + w.text("tag") + w.call("my", "Tag") + b"s"
    items = {
        "attributes": w.call(
            "torch._tensor", "_rebuild_from_type_v2", rebuild, w.name("torch", "Tensor"), arguments, state
        ),
        "subclass": w.call("torch._tensor", "_rebuild_from_type_v2", rebuild, w.name("my", "Image"), arguments, b"}"),
        "parameter": w.call(
            "torch._utils", "_rebuild_parameter_with_state", w.whole(array, "0"), b"\x88", b"}", attributes
        ),
    }
    assert_same(read(tmp_path, w.zip_file(w.dict_of(items), {"0": array})), dict.fromkeys(items, array))
    unknown = w.call(
        "torch._tensor", "_rebuild_from_type_v2", w.name("my", "rebuild"), w.name("my", "T"), arguments, b"}"
    )
    got = read(tmp_path, w.zip_file(w.dict_of({"a": w.whole(array, "0"), "b": unknown}), {"0": array}))
    assert isinstance(got["b"], safe_pickle.Unknown)


@BOTH
@pytest.mark.parametrize("kind", ["ComplexFloat", "ComplexDouble", "QInt8", "QUInt8", "QInt32"])
def test_tensors_of_other_numbers_are_unknown(tmp_path, kind, legacy):
    size = {"ComplexFloat": 8, "ComplexDouble": 16, "QInt32": 4}.get(kind, 1)
    weights = {"0": np.ones((3, size), np.uint8).view(f"V{size}")[:, 0], "1": np.arange(4, dtype=np.float32)}
    items = {"odd": w.tensor(w.storage(kind, "0", 3, legacy), 0, (3,), (1,)), "net": w.whole(weights["1"], "1", legacy)}
    got = read(tmp_path, (w.legacy_file if legacy else w.zip_file)(w.dict_of(items), weights))
    np.testing.assert_array_equal(got["net"], weights["1"])
    assert isinstance(got["odd"], safe_pickle.Unknown)


def test_storages_of_unknown_types_are_unknown(tmp_path):
    items = {"odd": w.tensor(w.storage("Float8_e4m3fn", "0", 3), 0, (3,), (1,)), "net": w.whole(ARRAYS["f64"], "1")}
    got = read(tmp_path, w.zip_file(w.dict_of(items), {"0": np.zeros(3, np.uint8), "1": ARRAYS["f64"]}))
    np.testing.assert_array_equal(got["net"], ARRAYS["f64"])
    assert isinstance(got["odd"], safe_pickle.Unknown)


def geometry(offset, size, stride):
    return w.zip_file(
        w.dict_of({"a": w.tensor(w.storage("Float", "0", 4), offset, size, stride)}), {"0": np.zeros(4, np.float32)}
    )


BOMBS = {
    "a stride of 0": geometry(0, (10**6, 10**6), (0, 0)),
    "a size beyond all memory": geometry(0, (2**62, 2**62), (1, 1)),
    "a stride outside": geometry(0, (2, 2), (3, 1)),
    "an offset outside": geometry(4, (1,), (1,)),
    "a negative stride": geometry(3, (2,), (-1,)),
    "a negative size": geometry(0, (-1, -4), (1, 1)),
    "many axes": geometry(0, (1,) * 40, (1,) * 40),
    "fewer strides than sides": geometry(0, (2, 2), (1,)),
    "a huge storage": w.zip_file(
        w.dict_of({"a": w.tensor(w.storage("Float", "0", 2**60), 0, (1,), (1,))}), {"0": np.zeros(1, np.float32)}
    ),
    "a huge legacy storage": w.legacy_file(
        w.dict_of({"a": w.tensor(w.storage("Float", "0", 2**60, True), 0, (1,), (1,))}), {"0": np.zeros(1, np.float32)}
    ),
    "a huge string": b"\x80\x02\x8e" + b"\xff" * 7 + b"\x0f" + b"abc" * 9,
    "a huge memo": w.zip_file(b"}r\xff\xff\xff\xff", {}),
    "a zip bomb": w.zip_file(w.dict_of({}), {"0": np.zeros(10**6)}, compression=zipfile.ZIP_DEFLATED),
}  # fmt: skip


@pytest.mark.parametrize("what", BOMBS)
def test_bounds_hold_before_memory_is_taken(tmp_path, what):
    tracemalloc.start()
    try:
        refused(tmp_path, BOMBS[what])
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def nested(depth):
    return w.zip_file(b"]" * depth + b"a" * (depth - 1), {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "only 0 bytes"),
        (b"<html>404: Not Found</html>", "no PyTorch file"),
        (w.pickled(w.text("hello" * 9)), "not PyTorch's"),
        (w.zip_file(w.dict_of({"a": w.number(1)}), {}), "holds no tensor"),
        (w.zip_file(w.number(1), {}), "holds no tensor"),
        (w.zip_file(b"]q\x00h\x00a", {}), "contains itself"),
        (w.zip_file(b"}q\x00" + w.text("a") + b"h\x00s", {}), "contains itself"),
        (nested(100), "levels deep"),
        (nested(200_000), "levels deep"),
        (w.zip_file(w.dict_of({"a": w.storage("Float", "0", 4)}), {"0": np.zeros(4, np.float32)}), "holds no tensor"),
        (w.zip_file(w.name("torch", "FloatStorage"), {}), "holds no tensor"),
        (w.state_dict(ARRAYS)[:-500], "zip"),
        (w.state_dict(ARRAYS)[:900], "zip"),
        (w.state_dict(ARRAYS, legacy=True)[:-13], "cut short"),
        (w.state_dict(ARRAYS, legacy=True)[:300], "damaged"),
        (safetensors.numpy.save(ARRAYS)[:-5], "damaged"),
    ],
)
def test_other_files_get_one_sentence(tmp_path, content, words):
    assert words in refused(tmp_path, content)


def test_a_flipped_bit_in_an_array_is_found(tmp_path):
    content = bytearray((GOLDEN / "pixel_batch" / "weights.pth").read_bytes())
    place = content.find(np.load(GOLDEN / "pixel_batch" / "weights.npz")["net.0.weight"].tobytes())
    content[place + 5] ^= 1
    assert "CRC" in refused(tmp_path, bytes(content))


def test_no_flipped_bit_of_a_zip_file_changes_an_array_unseen(tmp_path):
    whole = (GOLDEN / "pixel_batch" / "weights.pth").read_bytes()
    expected = dict(np.load(GOLDEN / "pixel_batch" / "weights.npz"))
    rng, read_ones = np.random.default_rng(0), 0
    for _ in range(500):
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        try:
            got = read(tmp_path, bytes(content))
        except torch_file.TorchFileError:
            continue
        assert_same(got, expected)
        read_ones += 1
    assert 0 < read_ones < 500  # padding and unused fields of headers may flip


def test_zip_archives_of_another_kind(tmp_path):
    def archive(names):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as target:
            for name in names:
                target.writestr(name, b"")
        return file.getvalue()

    assert "without PyTorch's data.pkl" in refused(tmp_path, archive(["a.npy"]))
    assert "TorchScript" in refused(tmp_path, archive(["m/data.pkl", "m/code/m.py", "m/constants.pkl"]))


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch_file.load(tmp_path / "no.pth")


def mutated(content, rng):
    """Flipped bits, a cut, a piece moved, doubled, removed or overwritten with what breaks parsers."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        kind, a, b = rng.integers(6), *sorted(rng.integers(0, len(content) + 1, 2))
        piece = content[a : min(b, a + 40)]
        place = int(rng.integers(0, len(content) + 1))
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[place : place + len(piece)] = piece
        elif kind == 2:
            content[place:place] = piece
        elif kind == 3:
            del content[a : a + len(piece)]
        elif kind == 4:
            content[place : place + 8] = rng.choice(
                [b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"(", b".", b"R", b"2"]
            )
        elif rng.integers(8) == 0:
            del content[place:]
    return bytes(content)


def outcome(path, content):
    path.write_bytes(content)
    try:
        loaded = torch_file.load(path)
    except torch_file.TorchFileError as error:
        return "refused" if "\n" not in str(error) else "refused at length"
    return "empty" if loaded is None else "read"


ITEMS = {key: w.whole(array, str(index)) for index, (key, array) in enumerate(ARRAYS.items())}
OBJECTS = [opcodes(value, protocol) for value in BESIDE.values() for protocol in range(6)]
MUTATIONS = {
    "zip": lambda rng: mutated(w.state_dict(ARRAYS), rng),
    # Behind the checksum: the pickle itself is wrong.
    "pickle in a zip": lambda rng: w.zip_file(
        mutated(w.dict_of(ITEMS), rng), {str(index): array for index, array in enumerate(ARRAYS.values())}
    ),
    "objects in a zip": lambda rng: w.zip_file(
        mutated(w.dict_of({"a": ITEMS["f32"], "b": OBJECTS[rng.integers(len(OBJECTS))]}), rng), {"0": ARRAYS["f32"]}
    ),
    "legacy": lambda rng: mutated(w.state_dict(ARRAYS, legacy=True), rng),
    "safetensors": lambda rng: mutated(safetensors.numpy.save(ARRAYS), rng),
}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_thousand_mutated_files_are_read_or_refused(tmp_path, kind):
    rng = np.random.default_rng(1)
    outcomes = [outcome(tmp_path / "file", MUTATIONS[kind](rng)) for _ in range(1000)]
    assert set(outcomes) == {"read", "refused"}
