"""bfloat16: convolutions in it; parameters, statistics, gradients and outputs in float32."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from gan_jax import networks
from gan_jax.networks import (
    MLP,
    VGG,
    AlexNet,
    ChainerDCGANCritic,
    ChainerDCGANGenerator,
    ChainerPatchGAN,
    ChainerUNet,
    Classifier,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    RRDBNet,
    SRGANCritic,
    SRResNet,
    SRVGGNetCompact,
    UNet,
    UNetCritic,
    VGGStyleCritic,
    convolution,
    from_linen,
)

MODULES = [
    AlexNet(("relu1", "conv2"), width=4),
    DCGANCritic(16, 4, spectral_norm=True),
    DCGANGenerator(3, 16, 4),
    MSRResNet(2, 1, 8),
    PatchGAN(1, 8, "layer"),
    PixelGAN(8),
    ResNet(blocks=1, width=4),
    RRDBNet(scale=2, blocks=1, width=8, growth=4),
    SRGANCritic(16, 4, 8),
    SRResNet(scale=2, blocks=1, width=8),
    SRVGGNetCompact(2, 1, 8),
    UNet(depth=2, width=4, dropout=0.0, upsample="bilinear"),
    UNetCritic(4),
    VGG(16, ("relu2_1",), width=4),
    VGGStyleCritic(16, 4),
    ChainerDCGANCritic(16, 4),
    ChainerDCGANGenerator(3, 16, 4),
    ChainerPatchGAN(1, layers=1, width=8),
    ChainerUNet(depth=2, width=4, dropout=0.0),
    Classifier(width=4, layers=2),
    MLP(width=8),
]


def test_every_architecture_is_among_them():
    assert {type(module).__name__ for module in MODULES} == networks.catalogue().keys()


def products(jaxpr, primitive):
    """The dtypes that a primitive's equations read, in a program and all programs inside."""
    dtypes = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == primitive:
            dtypes += [variable.aval.dtype for variable in equation.invars]
        for inner in jaxprs_in_params(equation.params):
            dtypes += products(inner, primitive)
    return dtypes


def inputs_of(module):
    """An input, and variables larger than at the start of training; not compiled, since that takes long."""
    rng = np.random.default_rng(0)
    x = rng.uniform(
        -1, 1, (4, 6) if isinstance(module, DCGANGenerator | ChainerDCGANGenerator | MLP) else (4, 16, 16, 3)
    ).astype(np.float32)
    shapes = jax.eval_shape(from_linen(module).init, jax.random.key(0), x)
    return x, *jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


def objective(network, x):
    """(params, stats) -> mean square of the outputs, and (outputs, new statistics)."""

    def value(params, stats):
        y, new_stats = network.apply(params, stats, x, train=True)
        return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(y)), (y, new_stats)

    return value


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_bfloat16_is_inside_alone(module):
    narrow = module.clone(dtype="bfloat16")
    x, params, stats = inputs_of(narrow)
    gradient = jax.grad(objective(from_linen(narrow), x), has_aux=True)
    with convolution.plain():
        program, (grads, (y, new_stats)) = jax.make_jaxpr(gradient, return_shape=True)(params, stats)
    primitive = "dot_general" if isinstance(module, MLP) else "conv_general_dilated"
    assert set(products(program.jaxpr, primitive)) == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves((grads, y, new_stats))} == {jnp.dtype("float32")}
    started = jax.eval_shape(from_linen(narrow).init, jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(started)} == {jnp.dtype("float32")}
    assert jax.tree.structure((grads, new_stats)) == jax.tree.structure((params, stats))
    assert networks.build(json.loads(json.dumps(networks.describe(narrow)))) == narrow


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_parameters_and_statistics_are_float32_in_a_process_of_float64_too(module):
    """JAX_ENABLE_X64=1, and an input of float32 is computed with in float32."""
    fields = {"spectral_norm": True} if "spectral_norm" in module.__dataclass_fields__ else {}
    network = from_linen(module.clone(**fields))
    x, params, stats = inputs_of(module.clone(**fields))
    with jax.enable_x64(True):
        started = jax.eval_shape(network.init, jax.random.key(0), x)
        y, moved = jax.eval_shape(lambda p, s: network.apply(p, s, x, train=True), params, stats)
        of_float64, _ = jax.eval_shape(network.init, jax.random.key(0), x.astype(np.float64))
    assert {leaf.dtype for leaf in jax.tree.leaves((started, y, moved, of_float64))} == {jnp.dtype("float32")}


# Those that compile for long, or have no layer that the others lack, go to the slow tests.
QUICK = (MSRResNet, PixelGAN, UNet, VGG)


@pytest.mark.parametrize(
    "module",
    [pytest.param(m, id=type(m).__name__, marks=() if isinstance(m, QUICK) else pytest.mark.slow) for m in MODULES],
)
def test_bfloat16_is_close_to_float32_and_has_finite_gradients(module):
    wide, narrow = from_linen(module), from_linen(module.clone(dtype="bfloat16"))
    x, params, stats = inputs_of(module)

    @jax.jit
    def both(params, stats):
        exact, _ = wide.apply(params, stats, x, train=True)
        return jax.grad(objective(narrow, x), has_aux=True)(params, stats), exact

    (grads, (y, _)), exact = both(params, stats)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert all((leaf != 0).any() for name, leaf in jax.tree_util.tree_leaves_with_path(grads) if "kernel" in str(name))
    # bfloat16 has 8 bits and rounds by up to 2**-9; up to 32 roundings follow one another here.
    for got, expected in zip(jax.tree.leaves(y), jax.tree.leaves(exact), strict=True):
        assert 0 < np.linalg.norm(got - expected) <= 32 * 2**-9 * np.linalg.norm(expected)
