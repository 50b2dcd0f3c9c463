"""bfloat16: convolutions in it; parameters, statistics, gradients and outputs in float32."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.networks import (
    VGG,
    AlexNet,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    SRGANCritic,
    SRResNet,
    UNet,
    VGGStyleCritic,
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
    SRGANCritic(16, 4, 8),
    SRResNet(scale=2, blocks=1, width=8),
    UNet(depth=2, width=4, dropout=0.0, upsample="bilinear"),
    VGG(16, ("relu2_1",), width=4),
    VGGStyleCritic(16, 4),
]


def test_every_architecture_is_among_them():
    assert {type(module).__name__ for module in MODULES} == networks.catalogue().keys()


def convolutions(jaxpr):
    """The dtypes that convolutions read, in a program and all programs inside."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            found += [variable.aval.dtype for variable in equation.invars]
        for inner in equation.params.values():
            found += convolutions(inner.jaxpr) if hasattr(inner, "jaxpr") else []
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_bfloat16_is_inside_alone_and_close_to_float32(module):
    wide, narrow = from_linen(module), from_linen(module.clone(dtype="bfloat16"))
    shape = (4, 6) if isinstance(module, DCGANGenerator) else (4, 16, 16, 3)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, shape).astype(np.float32)
    # Larger than at the start of training, and not compiled.
    shapes = jax.eval_shape(wide.init, jax.random.key(0), x)
    params, stats = jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)

    def objective(params, stats):
        y, new_stats = narrow.apply(params, stats, x, train=True)
        return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(y)), (y, new_stats)

    @jax.jit
    def everything(params, stats):
        return jax.grad(objective, has_aux=True)(params, stats), wide.apply(params, stats, x, train=True)[0]

    (grads, (y, new_stats)), exact = everything(params, stats)
    assert {leaf.dtype for leaf in jax.tree.leaves((grads, y, new_stats))} == {jnp.dtype("float32")}
    assert jax.tree.structure((new_stats, grads)) == jax.tree.structure((stats, params))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert all((leaf != 0).any() for name, leaf in jax.tree_util.tree_leaves_with_path(grads) if "kernel" in str(name))
    # bfloat16 has 8 bits and rounds by up to 2**-9; up to 32 roundings follow one another here.
    for got, wanted in zip(jax.tree.leaves(y), jax.tree.leaves(exact), strict=True):
        assert 0 < np.linalg.norm(got - wanted) <= 32 * 2**-9 * np.linalg.norm(wanted)
    kinds = convolutions(jax.make_jaxpr(jax.grad(objective, has_aux=True))(params, stats).jaxpr)
    assert set(kinds) == {jnp.dtype("bfloat16")}
    description = networks.describe(module.clone(dtype="bfloat16"))
    assert networks.build(json.loads(json.dumps(description))) == module.clone(dtype="bfloat16")
