"""chainer-pix2pix and Chainer's DCGAN example: their .npz files, and the same numbers as numpy makes of their layers.

The forwards here are written from net.py of pfnet-research/chainer-pix2pix and of chainer/examples/dcgan: names, order,
strides and activations; Chainer's batch norm adds 2e-5.
"""

import jax
import numpy as np
import pytest

from gan_jax import model as models
from gan_jax import networks
from gan_jax.interop import convert
from gan_jax.networks import ChainerDCGANCritic, ChainerDCGANGenerator, ChainerPatchGAN, ChainerUNet

WIDTH, DEPTH = 4, 4  # of the U-Net; 16 pixels become one
CHAINER_EPS = 2e-5


class Arrays(dict):
    """A .npz file in Chainer's names, of random numbers; none at its default."""

    def __init__(self, seed=0):
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def kernel(self, name, *shape):
        fan = np.prod(shape[1:])
        self[f"{name}/W"] = self.rng.normal(0, fan**-0.5, shape).astype(np.float32)
        self[f"{name}/b"] = self.rng.normal(0, 0.3, shape[0]).astype(np.float32)

    def conv(self, name, inputs, outputs, side):
        self.kernel(name, outputs, inputs, side, side)

    def deconv(self, name, inputs, outputs, side):
        self.kernel(name, inputs, outputs, side, side)
        self[f"{name}/b"] = self.rng.normal(0, 0.3, outputs).astype(np.float32)

    def norm(self, name, channels, gamma=True):
        for leaf, mean in (("gamma", 1.0), ("beta", 0.0), ("avg_mean", 0.0), ("avg_var", 1.0)):
            if leaf != "gamma" or gamma:
                self[f"{name}/{leaf}"] = (mean + self.rng.uniform(-0.5, 0.5, channels)).astype(np.float32)
        self[f"{name}/N"] = np.array(0)


def conv(arrays, name, x, stride=1, padding=1):
    """Chainer's Convolution2D in float64: a correlation, kernels (out, in, h, w)."""
    kernel = arrays[f"{name}/W"].astype(np.float64)
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, kernel) + arrays[f"{name}/b"][:, None, None]


def deconv(arrays, name, x, stride=2, padding=1):
    """Chainer's Deconvolution2D in float64: every input pixel adds its kernel (in, out, h, w) to the output."""
    kernel = arrays[f"{name}/W"].astype(np.float64)
    side = kernel.shape[2]
    n, _, height, width = x.shape
    y = np.zeros((n, kernel.shape[1], (height - 1) * stride + side, (width - 1) * stride + side))
    for row in range(height):
        for column in range(width):
            place = np.s_[:, :, row * stride : row * stride + side, column * stride : column * stride + side]
            y[place] += np.einsum("nc,coij->noij", x[:, :, row, column], kernel)
    y = y[:, :, padding : y.shape[2] - padding, padding : y.shape[3] - padding]
    return y + arrays[f"{name}/b"][:, None, None]


def norm(arrays, name, x, batch=False):
    axes = (0, 2, 3)[: x.ndim - 1] if x.ndim == 4 else (0,)
    shape = (1, -1, 1, 1)[: x.ndim]
    mean = x.mean(axes) if batch else arrays[f"{name}/avg_mean"].astype(np.float64)
    var = x.var(axes) if batch else arrays[f"{name}/avg_var"].astype(np.float64)
    gamma = arrays.get(f"{name}/gamma", np.ones_like(mean))
    x = (x - mean.reshape(shape)) / np.sqrt(var + CHAINER_EPS).reshape(shape)
    return x * gamma.reshape(shape) + arrays[f"{name}/beta"].reshape(shape)


def relu(x):
    return np.maximum(x, 0)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def unet_arrays(inputs=3, outputs=3):
    widths = [WIDTH * min(2**level, 8) for level in range(DEPTH + 1)]
    encoder, decoder = Arrays(1), Arrays(2)
    encoder.conv("c0", inputs, WIDTH, 3)
    for level in range(1, DEPTH + 1):
        encoder.conv(f"c{level}/c", widths[level - 1], widths[level], 4)
        encoder.norm(f"c{level}/batchnorm", widths[level])
    for step in range(DEPTH):
        below = widths[DEPTH - step] * (1 if step == 0 else 2)
        decoder.deconv(f"c{step}/c", below, widths[DEPTH - step - 1], 4)
        decoder.norm(f"c{step}/batchnorm", widths[DEPTH - step - 1])
    decoder.conv(f"c{DEPTH}", 2 * WIDTH, outputs, 3)
    return encoder, decoder


def unet(encoder, decoder, x, batch=False):
    maps = [leaky(conv(encoder, "c0", x))]
    for level in range(1, DEPTH + 1):
        y = norm(encoder, f"c{level}/batchnorm", conv(encoder, f"c{level}/c", maps[-1], 2), batch)
        maps.append(leaky(y))
    h = maps.pop()
    for step in range(DEPTH):
        h = relu(norm(decoder, f"c{step}/batchnorm", deconv(decoder, f"c{step}/c", h), batch))
        h = np.concatenate([h, maps.pop()], 1)
    return conv(decoder, f"c{DEPTH}", h)


def critic_arrays():
    arrays = Arrays(3)
    arrays.conv("c0_0/c", 2, WIDTH // 2, 4)
    arrays.conv("c0_1/c", 3, WIDTH // 2, 4)
    for layer in range(1, 4):
        arrays.conv(f"c{layer}/c", WIDTH * 2 ** (layer - 1), WIDTH * 2**layer, 4)
        arrays.norm(f"c{layer}/batchnorm", WIDTH * 2**layer)
    arrays.conv("c4", WIDTH * 8, 1, 3)
    return arrays


def critic(arrays, x):
    h = np.concatenate([leaky(conv(arrays, "c0_0/c", x[:, :2], 2)), leaky(conv(arrays, "c0_1/c", x[:, 2:], 2))], 1)
    for layer in range(1, 4):
        h = leaky(norm(arrays, f"c{layer}/batchnorm", conv(arrays, f"c{layer}/c", h, 2)))
    return conv(arrays, "c4", h)


def dcgan_arrays(widest=16):
    arrays = Arrays(4)
    arrays.kernel("l0", 16 * widest, 5)
    arrays.norm("bn0", 16 * widest)
    for step in range(1, 4):
        arrays.deconv(f"dc{step}", widest // 2 ** (step - 1), widest // 2**step, 4)
        arrays.norm(f"bn{step}", widest // 2**step)
    arrays.deconv("dc4", widest // 8, 3, 3)
    return arrays


def dcgan(arrays, z):
    h = relu(norm(arrays, "bn0", z @ arrays["l0/W"].T.astype(np.float64) + arrays["l0/b"])).reshape(len(z), -1, 4, 4)
    for step in range(1, 4):
        h = relu(norm(arrays, f"bn{step}", deconv(arrays, f"dc{step}", h)))
    return 1 / (1 + np.exp(-deconv(arrays, "dc4", h, stride=1)))


def dcgan_critic_arrays(width=2):
    arrays = Arrays(5)
    arrays.conv("c0_0", 3, width, 3)
    for pair in range(3):
        arrays.conv(f"c{pair}_1", width * 2**pair, width * 2 ** (pair + 1), 4)
        arrays.norm(f"bn{pair}_1", width * 2 ** (pair + 1), gamma=False)
        arrays.conv(f"c{pair + 1}_0", width * 2 ** (pair + 1), width * 2 ** (pair + 1), 3)
        arrays.norm(f"bn{pair + 1}_0", width * 2 ** (pair + 1), gamma=False)
    arrays.kernel("l4", 1, 16 * 8 * width)
    return arrays


def dcgan_critic(arrays, x):
    h = leaky(conv(arrays, "c0_0", x))
    for pair in range(3):
        h = leaky(norm(arrays, f"bn{pair}_1", conv(arrays, f"c{pair}_1", h, 2)))
        h = leaky(norm(arrays, f"bn{pair + 1}_0", conv(arrays, f"c{pair + 1}_0", h)))
    return h.reshape(len(x), -1) @ arrays["l4/W"].T.astype(np.float64) + arrays["l4/b"]


def save(folder, **files):
    for name, arrays in files.items():
        np.savez_compressed(folder / f"{name}.npz", **arrays)
    return folder / f"{next(iter(files))}.npz"


def assert_same_function(model, x, expected, tolerance=1e-5, train=False):
    """The converted network on x (NCHW or latents), beside numpy's output."""
    params, stats = model.variables["params"], model.variables["stats"]
    inputs = np.float32(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)
    network = networks.from_linen(model.module)
    got = np.asarray(jax.jit(lambda x: network.apply(params, stats, x, train=train)[0])(inputs))
    expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def assert_there_and_back(model, path, tmp_path):
    """Our file gives the same bits; the way back and here again moves no variance by more than a last bit."""
    models.save(tmp_path / "ours.safetensors", model)
    again = models.load(tmp_path / "ours.safetensors")
    assert again.spec == model.spec
    jax.tree.map(np.testing.assert_array_equal, again.variables, model.variables)
    module, back = convert.from_torch(convert.to_torch(model.module, model.variables))
    assert module == model.module
    jax.tree.map(lambda a, b: np.testing.assert_array_almost_equal_nulp(a, b, 1), back, model.variables)
    jax.tree.map(np.testing.assert_array_equal, back["params"], model.variables["params"])


def test_the_generator_of_chainer_pix2pix_is_two_files(tmp_path):
    encoder, decoder = unet_arrays()
    path = save(tmp_path, enc_iter_7=encoder, dec_iter_7=decoder)
    converted = convert.read(path)
    model = converted.generator
    assert model.module == ChainerUNet(3, DEPTH, WIDTH)
    spec = model.spec
    assert (spec.method, spec.norm, spec.dropout, spec.size_multiple) == ("pix2pix", "image", True, 16)
    # A level is 128 x + 128 there.
    assert spec.input_range == spec.output_range == (-1.0, 127 / 128)
    assert any("adds 2e-05 to a variance there" in note for note in converted.notes)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 32))
    assert_same_function(model, x, unet(encoder, decoder, x))
    assert_there_and_back(model, path, tmp_path)
    other = convert.generator(tmp_path / "dec_iter_7.npz")
    jax.tree.map(np.testing.assert_array_equal, other.variables, model.variables)


def test_with_batch_statistics_the_other_epsilon_remains(tmp_path):
    """1e-5 beside variances of the order of one: the fifth digit of a map may differ, no more."""
    encoder, decoder = unet_arrays()
    model = convert.generator(save(tmp_path, enc_iter_7=encoder, dec_iter_7=decoder))
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 32))
    assert_same_function(model, x, unet(encoder, decoder, x, batch=True), tolerance=2e-4, train=True)


@pytest.mark.parametrize(("name", "beside"), [("enc_iter_7", None), ("dec_iter_7", None), ("mine", "yours")])
def test_half_a_generator_says_where_the_other_is_wanted(tmp_path, name, beside):
    encoder, decoder = unet_arrays()
    path = save(tmp_path, **{name: decoder if name.startswith("dec") else encoder})
    if beside:
        save(tmp_path, **{beside: decoder})
    for function in (convert.read, convert.describe):
        with pytest.raises(ValueError, match=r"half of chainer-pix2pix's generator; name the two .*NAME\.npz"):
            function(path)


def test_a_snapshot_of_chainer_pix2pix_has_a_generator_and_a_critic(tmp_path):
    encoder, decoder = unet_arrays()
    parts = {"enc": encoder, "dec": decoder, "dis": critic_arrays()}
    arrays = {f"updater/model:{part}/{name}": array for part, own in parts.items() for name, array in own.items()}
    path = save(tmp_path, snapshot_iter_7=arrays)
    converted = convert.read(path)
    assert isinstance(converted.generator.module, ChainerUNet)
    assert "enc+dec, the only generator there; not dis (--entry)" in converted.notes
    assert isinstance(convert.generator(path, entry="enc+dec").module, ChainerUNet)
    assert convert.generator(path, entry="dis").spec.kind == "critic"


def test_the_critic_of_chainer_pix2pix(tmp_path):
    arrays = critic_arrays()
    model = convert.generator(save(tmp_path, dis_iter_7=arrays))
    assert model.module == ChainerPatchGAN(2, 3, WIDTH)
    assert (model.spec.kind, model.spec.in_channels, model.spec.out_channels) == ("critic", 5, 1)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 32, 48))
    expected = critic(arrays, x)
    assert expected.shape == (2, 1, 2, 3)
    assert_same_function(model, x, expected)
    assert_there_and_back(model, None, tmp_path)


def test_the_generator_of_chainers_dcgan(tmp_path):
    arrays = dcgan_arrays()
    model = convert.generator(save(tmp_path, gen_iter_7=arrays))
    assert model.module == ChainerDCGANGenerator(3, 32, 2)
    spec = model.spec
    assert (spec.method, spec.in_channels, spec.out_channels, spec.output_range) == ("dcgan", 5, 3, (0.0, 1.0))
    assert spec.norm == "running"
    z = np.random.default_rng(0).uniform(-1, 1, (3, 5))
    assert_same_function(model, z, dcgan(arrays, z))
    assert_there_and_back(model, None, tmp_path)


def test_the_critic_of_chainers_dcgan(tmp_path):
    arrays = dcgan_critic_arrays()
    converted = convert.read(save(tmp_path, dis_iter_7=arrays))
    model = converted.generator
    assert model.module == ChainerDCGANCritic(32, 2)
    assert model.spec.input_range == (0.0, 1.0)
    assert "no scale in the file, 1.0 here" in converted.notes
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 32, 32))
    assert_same_function(model, x, dcgan_critic(arrays, x))
    assert_there_and_back(model, None, tmp_path)


def test_sizes_that_do_not_fit_are_refused():
    for module, expected in ((ChainerUNet(depth=3, width=2), "multiples of 8"), (ChainerDCGANCritic(width=2), "32x32")):
        with pytest.raises(ValueError, match=expected):
            jax.eval_shape(networks.from_linen(module).init, jax.random.key(0), np.zeros((1, 12, 12, 3), np.float32))
