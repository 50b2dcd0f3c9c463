"""Chainer's snapshots. Chainer runs on no Python of today: files and the forward pass are written here from its code
and that of Hi-king/superresolution_gan (srcgan/models.py): every layer NCHW, batch norm's eps 2e-5."""

import io
import tracemalloc
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.interop import chainer_file, convert
from gan_jax.networks import SRResNet

WIDTH = 4


def convolution(rng, inputs, outputs):
    kernel = rng.standard_normal((outputs, inputs, 3, 3)) / np.sqrt(9 * inputs)
    return {"W": kernel.astype(np.float32), "b": rng.standard_normal(outputs).astype(np.float32)}


def batch_norm(rng, channels):
    uniform = {leaf: rng.uniform(0.5, 1.5, channels).astype(np.float32) for leaf in ("gamma", "beta", "avg_var")}
    return {**uniform, "avg_mean": rng.standard_normal(channels).astype(np.float32), "N": np.array(3)}


def snapshot(blocks=2):
    """What save_npz writes of an SRGenerator, narrower and with fewer blocks."""
    rng = np.random.default_rng(0)
    links = {"first": convolution(rng, 3, WIDTH), "conv_output": convolution(rng, WIDTH, 3)}
    links |= {"conv_mid": convolution(rng, WIDTH, WIDTH), "bn_mid": batch_norm(rng, WIDTH)}
    links |= {f"upscale{step}/conv": convolution(rng, WIDTH, 4 * WIDTH) for step in (1, 2)}
    for block in range(1, blocks + 1):
        links |= {f"res{block}/c{index}": convolution(rng, WIDTH, WIDTH) for index in (1, 2)}
        links |= {f"res{block}/bn{index}": batch_norm(rng, WIDTH) for index in (1, 2)}
    return {f"{link}/{leaf}": array for link, leaves in links.items() for leaf, array in leaves.items()}


def forward(arrays, x, blocks=2):
    """SRGenerator.__call__ with test=True."""

    def conv(link, x):
        y = jax.lax.conv_general_dilated(x, arrays[f"{link}/W"], (1, 1), [(1, 1), (1, 1)])
        return y + arrays[f"{link}/b"][:, None, None]

    def norm(link, x):
        mean, var, gamma, beta = (
            arrays[f"{link}/{leaf}"][:, None, None] for leaf in ("avg_mean", "avg_var", "gamma", "beta")
        )
        return (x - mean) / jnp.sqrt(var + 2e-5) * gamma + beta

    def doubled(x, axis):
        """The first half of the channels on even places of the axis, the second on odd ones."""
        halves = jnp.split(x, 2, axis=1)
        pairs = jnp.stack(halves, axis=axis + 1)
        return pairs.reshape(*halves[0].shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])

    h = first = jax.nn.relu(conv("first", x))
    for block in range(1, blocks + 1):
        y = jax.nn.relu(norm(f"res{block}/bn1", conv(f"res{block}/c1", h)))
        h = h + norm(f"res{block}/bn2", conv(f"res{block}/c2", y))
    h = first + norm("bn_mid", conv("conv_mid", h))
    for step in (1, 2):
        h = jax.nn.relu(doubled(doubled(conv(f"upscale{step}/conv", h), 2), 3))
    return conv("conv_output", h)


def write(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_a_snapshot_is_its_arrays(tmp_path):
    arrays = {**snapshot(), "bn/N": np.array(5), "columns/W": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    got = chainer_file.load(write(tmp_path / "generator_model_10.npz", arrays))
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


def test_a_parameter_without_a_shape_is_none(tmp_path):
    """Chainer writes numpy.asarray(None), a pickle, which is not opened."""
    path = write(tmp_path / "a.npz", {"l/W": np.array(None), "l/b": np.zeros(2)})
    assert chainer_file.load(path)["l/W"] is None


def test_objects_beside_the_arrays_are_left_out_and_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = snapshot()
    others = {"args": np.array([{"lr": 1}], object), "table/history": np.array([None, [1]], object)}
    path = write(tmp_path / "a.npz", arrays | others)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("trap/W.npy", header((4,), "|O") + b"cos\nsystem\n(S'touch TRACE'\ntR.")
    assert [name for name, array in chainer_file.load(path).items() if array is None] == [*others, "trap/W"]
    assert convert.generator(path).module == SRResNet(3, 4, 2, WIDTH)
    assert not (tmp_path / "TRACE").exists()


def test_hi_kings_generator_is_an_srresnet(tmp_path):
    arrays = snapshot()
    converted = convert.read(write(tmp_path / "generator_model_10000.npz", arrays))
    model = converted.generator
    assert model.module == SRResNet(3, 4, 2, WIDTH)
    assert converted.layout.project == "Hi-king/superresolution_gan"
    assert (model.spec.input_range, model.spec.output_range) == ((0.0, 255.0), (0.0, 255.0))
    x = np.random.default_rng(1).uniform(0, 255, (1, 5, 6, 3)).astype(np.float32)
    params, stats = model.variables["params"], model.variables["stats"]
    got, _ = jax.jit(lambda x: networks.from_linen(model.module).apply(params, stats, x, train=False))(x)
    expected = forward(arrays, x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    # float32 sums of 9x9 and of 3x3 windows, relative to the largest output
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_trainers_snapshot_holds_models_by_name(tmp_path):
    arrays = {f"updater/model:gen/{name}": array for name, array in snapshot().items()}
    others = {
        "updater/optimizer:gen/first/W/m": np.zeros(3),
        "updater/iteration": np.array(7),
        "_snapshot_elapsed_time": np.array(0.5),
    }
    path = write(tmp_path / "snapshot_iter_7.npz", arrays | others)
    assert convert.generator(path).module == SRResNet(3, 4, 2, WIDTH)
    assert "[gen]" in convert.describe(path)
    bare = path.rename(tmp_path / "snapshot_iter_7")  # as the trainer names it
    assert chainer_file.is_snapshot(bare)
    assert convert.generator(bare).module == SRResNet(3, 4, 2, WIDTH)


def test_numpys_archives_in_pytorchs_names_are_read_too(tmp_path):
    path = write(
        tmp_path / "weights.npz", {"net.0.weight": np.zeros((2, 6, 1, 1)), "net.2.weight": np.zeros((4, 2, 1, 1))}
    )
    with pytest.raises(ValueError, match="PixelGAN"):
        convert.read(path)


def header(shape, dtype="<f4"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(text.encode()).to_bytes(2, "little") + text.encode()


def archive(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404</html>",
        archive("a.txt", b"hello"),
        archive("a.npy", header((2**40,))),
        archive("a.npy", header((-1,)) + bytes(8)),
        archive("a.npy", b"\x93NUMPY\x09\x00" + bytes(100)),
        archive("a.npy", header("(" * 300)),
        archive("a.npy", header((4,)) + bytes(16))[:-40],
    ],
)
def test_other_files_get_one_sentence_and_no_memory(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(chainer_file.ChainerFileError) as caught:
            chainer_file.load(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def outcome(path, content):
    path.write_bytes(content)
    try:
        chainer_file.load(path)
    except chainer_file.ChainerFileError as error:
        return "refused" if "\n" not in str(error) else "refused at length"
    return "read"


def mutated(rng):
    """A snapshot with bytes overwritten, and in a fourth of the cases cut."""
    file = io.BytesIO()
    write(file, {"l/W": np.arange(6.0).reshape(2, 3), "l/b": np.zeros(2, np.float32), "bn/N": np.array(1)})
    content = bytearray(file.getvalue())
    for place in rng.integers(0, len(content), rng.integers(1, 4)):
        content[place] = rng.integers(256)
    if rng.integers(4) == 0:
        del content[rng.integers(len(content)) :]
    return bytes(content)


def test_mutated_snapshots_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(1)
    assert {outcome(tmp_path / "a.npz", mutated(rng)) for _ in range(500)} == {"read", "refused"}
