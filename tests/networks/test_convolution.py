"""Convolutions against a loop over pixels in numpy, and every form of them against XLA's convolutions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import hlo, networks
from gan_jax.networks import convolution
from gan_jax.training import parallel


def correlate(x, kernel, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    side = kernel.shape[0]
    height, width = ((length - side) // stride + 1 for length in x.shape[1:3])
    y = np.zeros((x.shape[0], height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + side, j * stride : j * stride + side]
            y[:, i, j] = np.tensordot(window, kernel, axes=3)
    return y


def spread(x, kernel, stride, padding, output_padding):
    """torch's ConvTranspose2d: every pixel adds its weighted kernel to the output; the padding is cut off."""
    side = kernel.shape[0]
    full = [(length - 1) * stride + side + output_padding for length in x.shape[1:3]]
    y = np.zeros((x.shape[0], *full, kernel.shape[-1]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = y[:, i * stride : i * stride + side, j * stride : j * stride + side]
            window += np.einsum("nc,hwco->nhwo", x[:, i, j], kernel)
    return y[:, padding : full[0] - padding, padding : full[1] - padding]


def arrays(side, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 6, 8, 3)).astype(np.float32), rng.normal(size=(side, side, 3, 5)).astype(np.float32)


@pytest.mark.parametrize(("side", "stride", "padding"), [(4, 2, 1), (4, 1, 1), (3, 1, 1), (1, 1, 0), (3, 2, 1)])
def test_conv(side, stride, padding):
    x, kernel = arrays(side)
    y = convolution.conv(x, kernel, stride=stride, padding=padding)
    np.testing.assert_allclose(y, correlate(x, kernel, stride, padding), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "stride", "padding", "output_padding"), [(4, 2, 1, 0), (3, 2, 1, 1), (4, 1, 0, 0), (2, 2, 0, 0)]
)
def test_conv_transpose(side, stride, padding, output_padding):
    x, kernel = arrays(side)
    y = convolution.conv_transpose(x, kernel, stride=stride, padding=padding, output_padding=output_padding)
    np.testing.assert_allclose(y, spread(x, kernel, stride, padding, output_padding), atol=1e-4)


def test_conv_transpose_is_the_gradient_of_conv():
    x, kernel = arrays(4)
    y, pull = jax.vjp(lambda x: convolution.conv(x, kernel, stride=2, padding=1), x)
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    transposed = convolution.conv_transpose(cotangent, kernel.swapaxes(2, 3), stride=2, padding=1)
    np.testing.assert_allclose(pull(cotangent)[0], transposed, atol=1e-4)


# (kernel side, stride, padding, output padding or None for a convolution, inputs, outputs)
CATALOG = {
    "U-Net and PatchGAN, first": (4, 2, 1, None, 3, 12),
    "U-Net and PatchGAN": (4, 2, 1, None, 12, 10),
    "U-Net, up": (4, 2, 1, 0, 12, 10),
    "U-Net, last": (4, 2, 1, 0, 12, 3),
    "PatchGAN, stride 1": (4, 1, 1, None, 10, 12),
    "PatchGAN, logits": (4, 1, 1, None, 12, 1),
    "PixelGAN": (1, 1, 0, None, 12, 10),
    "ResNet, first": (7, 1, 0, None, 3, 12),
    "ResNet, down": (3, 2, 1, None, 12, 10),
    "ResNet, block": (3, 1, 0, None, 12, 10),
    "ResNet, up": (3, 2, 1, 1, 12, 10),
    "ResNet, last": (7, 1, 0, None, 12, 3),
    "SRResNet, first": (9, 1, 4, None, 3, 12),
    "SRResNet, last": (9, 1, 4, None, 12, 3),
    "VGG, first": (3, 1, 1, None, 3, 12),
    "VGG": (3, 1, 1, None, 12, 10),
    "AlexNet, first": (11, 4, 2, None, 3, 12),
    "AlexNet": (5, 1, 2, None, 10, 12),
    "Chainer's DCGAN, last": (3, 1, 1, 0, 12, 3),
    "no overlap": (2, 2, 0, 0, 12, 10),
    "a gap between kernels": (3, 4, 1, 3, 12, 10),
    "a kernel over all": (13, 1, 0, None, 12, 10),
    "less padding than reach": (5, 3, 2, 2, 12, 10),
}


def layer(side, stride, padding, output_padding, inputs, outputs, shape=(13, 14), batch=2):
    """A layer of the catalog: its function, an input, a kernel and a cotangent."""
    if output_padding is None:
        compute = functools.partial(convolution.conv, stride=stride, padding=padding)
    else:
        compute = functools.partial(
            convolution.conv_transpose, stride=stride, padding=padding, output_padding=output_padding
        )
    rng = np.random.default_rng(side)
    x, kernel = (
        rng.normal(size=size).astype(np.float32) for size in ((batch, *shape, inputs), (side, side, inputs, outputs))
    )
    y = jax.eval_shape(compute, x, kernel)
    return compute, x, kernel, rng.normal(size=y.shape).astype(np.float32)


def with_gradients(compute):
    def computed(x, kernel, cotangent):
        y, pull = jax.vjp(compute, x, kernel)
        return y, *pull(cotangent)

    return computed


def in_plain_form(function):
    def traced(*arguments):
        with convolution.plain():
            return function(*arguments)

    return traced


def assert_as_plain(function, *arguments, tolerance=1e-5):
    """By the largest value of each array, as sums of products are accurate."""
    values = jax.jit(function)(*arguments)
    references = jax.jit(in_plain_form(function))(*arguments)
    for value, reference in zip(jax.tree.leaves(values), jax.tree.leaves(references), strict=True):
        assert value.dtype == reference.dtype
        reference = np.asarray(reference, np.float32)
        np.testing.assert_allclose(
            np.asarray(value, np.float32), reference, rtol=0, atol=tolerance * np.abs(reference).max()
        )


@pytest.fixture(params=["small", "large"])
def size(request, set_thresholds):
    """Forms are chosen by size: the same arrays as if they were small images, and large ones in several bands."""
    if request.param == "large":
        several = {"_PATCH_BYTES": 2**13, "_PIXELS_AT_ONCE": 256}
        set_thresholds(_FEW_PIXELS=0, _MANY_PIXELS=0, **several)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("name", CATALOG)
def test_forms_and_their_gradients_are_those_of_the_plain_form(name):
    compute, *arguments = layer(*CATALOG[name])
    assert_as_plain(with_gradients(compute), *arguments)


def test_a_batch_of_the_smallest_images():
    compute, *arguments = layer(1, 2, 0, None, 1, 3, shape=(4, 4), batch=130)
    assert_as_plain(with_gradients(compute), *arguments)


@pytest.mark.parametrize("name", ["U-Net and PatchGAN", "U-Net, up", "PatchGAN, logits", "VGG"])
def test_second_derivatives(name):
    # As a gradient penalty needs them: the gradient, with respect to the kernel, of the length of a gradient.
    compute, *arguments = layer(*CATALOG[name])

    def penalty(x, kernel, cotangent):
        loss = lambda x: (cotangent * jnp.tanh(compute(x, kernel))).sum()  # noqa: E731
        return jnp.square(jax.grad(loss)(x)).sum()

    # Three forms one after another; Winograd's is off by up to 4e-6 of the largest value, and XLA's by 1e-6.
    assert_as_plain(jax.grad(penalty, argnums=(0, 1, 2)), *arguments, tolerance=2e-5)


@pytest.mark.parametrize("axes", [(0, None, 0), (0, 0, 0), (None, 0, 0)])
def test_vmap(axes):
    compute, *arguments = layer(*CATALOG["U-Net, up"])
    several = [np.stack([a, 2 * a, -a]) if axis == 0 else a for a, axis in zip(arguments, axes, strict=True)]
    assert_as_plain(jax.vmap(with_gradients(compute), axes), *several)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("name", ["U-Net and PatchGAN, first", "U-Net and PatchGAN", "U-Net, up", "SRResNet, last"])
def test_many_devices_send_the_gradient_of_the_kernel_alone(name):
    compute, x, kernel, cotangent = layer(*CATALOG[name], batch=4 * len(jax.devices()))
    mesh = parallel.data_mesh(jax.devices())
    split = parallel.global_batch({"x": x, "cotangent": cotangent}, mesh)

    def over_mesh(*arguments):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return with_gradients(compute)(*arguments)

    assert_as_plain(over_mesh, *(arguments := (split["x"], kernel, split["cotangent"])))
    program = jax.jit(over_mesh).lower(*arguments).compile().as_text()
    assert hlo.collectives(hlo.operations(program)) == {("all-reduce", "f32"): kernel.nbytes}


@pytest.mark.parametrize("name", ["U-Net and PatchGAN", "U-Net, up", "SRResNet, last", "VGG"])
def test_bfloat16(name):
    compute, *arguments = layer(*CATALOG[name])
    # Two roundings of a result to 8 bits apart.
    assert_as_plain(with_gradients(compute), *(a.astype(jnp.bfloat16) for a in arguments), tolerance=2 * 2.0**-8)


def test_plain_holds_convolutions_alone():
    module = networks.UNet(depth=5, width=2)
    network = networks.from_linen(module)
    x = np.zeros((1, 32, 32, 3), np.float32)
    params, stats = jax.eval_shape(network.init, jax.random.key(0), x)
    apply = lambda params, x: network.apply(params, stats, x, train=False)[0]  # noqa: E731
    stats = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), stats)

    def counts(function, *platforms):
        text = jax.jit(function).trace(params, x).lower(lowering_platforms=platforms).as_text()
        return text.count("stablehlo.convolution"), text.count("stablehlo.dot_general")

    assert counts(apply, "cpu") == (0, 10)
    assert counts(in_plain_form(apply), "cpu") == (10, 0)
    assert counts(apply, "tpu") == counts(apply, "cuda") == (10, 0)


def test_a_batch_may_be_symbolic():
    compute, x, kernel, _ = layer(*CATALOG["U-Net, up"])
    shape = jax.export.symbolic_shape("batch, 13, 14, 12")
    symbolic = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = jax.export.export(jax.jit(lambda x: compute(x, kernel)), platforms=["cpu", "tpu"])(symbolic)
    np.testing.assert_allclose(exported.call(x), compute(x, kernel), atol=1e-4)


def test_forward_mode_is_for_the_plain_form():
    compute, x, kernel, _ = layer(*CATALOG["U-Net, up"])
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: compute(x, kernel), (x,), (x,))
    with convolution.plain():
        y, tangent = jax.jvp(lambda x: compute(x, kernel), (x,), (x,))
    np.testing.assert_allclose(y, tangent, atol=1e-5)  # it is linear


def test_on_accelerators_the_gradient_of_a_wide_transposed_kernel_lies_as_the_kernel():
    def constraints(outputs, platform):
        compute, *arguments = layer(4, 2, 1, 0, 8, outputs)
        assert_as_plain(with_gradients(compute), *arguments)
        traced = jax.jit(with_gradients(compute)).trace(*arguments)
        return traced.lower(lowering_platforms=(platform,)).as_text().count("LayoutConstraint")

    for platform in ("tpu", "cuda"):
        assert [constraints(outputs, platform) for outputs in (64, 128)] == [0, 1]
    assert constraints(128, "cpu") == 0
