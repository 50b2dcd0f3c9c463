"""PyTorch's files without torch.

tests/golden/networks/*/weights.pth were written by torch 2.13, weights.npz, the same arrays, by numpy.
"""

import io
import tracemalloc
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from gan_jax.interop import torch_file
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


def assert_same(got, wanted):
    assert got.keys() == wanted.keys()
    for key, array in wanted.items():
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
}


@BOTH
@pytest.mark.parametrize("what", CALLS)
def test_nothing_is_run(tmp_path, monkeypatch, what, legacy):
    monkeypatch.chdir(tmp_path)

    def wrap(weights):
        return w.dict_of({"net": weights, "x": CALLS[what]})

    sentence = refused(tmp_path, w.state_dict({"a": np.ones(2, np.float32)}, legacy=legacy, wrap=wrap))
    assert "nothing of it was run" in sentence
    assert not (tmp_path / "TRACE").exists()


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
        (w.zip_file(w.dict_of({"a": w.storage("Float", "0", 4)}), {"0": np.zeros(4, np.float32)}), "something else"),
        (w.zip_file(w.name("torch", "FloatStorage"), {}), "something else"),
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
    wanted = dict(np.load(GOLDEN / "pixel_batch" / "weights.npz"))
    rng, read_ones = np.random.default_rng(0), 0
    for _ in range(500):
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        try:
            got = read(tmp_path, bytes(content))
        except torch_file.TorchFileError:
            continue
        assert_same(got, wanted)
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
MUTATIONS = {
    "zip": lambda rng: mutated(w.state_dict(ARRAYS), rng),
    # Behind the checksum: the pickle itself is wrong.
    "pickle in a zip": lambda rng: w.zip_file(
        mutated(w.dict_of(ITEMS), rng), {str(index): array for index, array in enumerate(ARRAYS.values())}
    ),
    "legacy": lambda rng: mutated(w.state_dict(ARRAYS, legacy=True), rng),
    "safetensors": lambda rng: mutated(safetensors.numpy.save(ARRAYS), rng),
}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_thousand_mutated_files_are_read_or_refused(tmp_path, kind):
    rng = np.random.default_rng(1)
    outcomes = [outcome(tmp_path / "file", MUTATIONS[kind](rng)) for _ in range(1000)]
    assert set(outcomes) == {"read", "refused"}
