"""The seam between Flax and the rest: NNX modules behind it, and passes that are computed again."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from gan_jax.method import train_step
from gan_jax.methods.pix2pix import pix2pix
from gan_jax.networks import PatchGAN, from_linen, from_nnx, rematerialized


class Painter(nnx.Module):
    """Two convolutions, with a batch norm, a dropout and a layer in a list between and behind them."""

    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Conv(3, 4, (3, 3), use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.rest = nnx.List([nnx.Conv(4, 3, (3, 3), rngs=rngs)])

    def __call__(self, x):
        return jnp.tanh(self.rest[0](self.dropout(nnx.relu(self.norm(self.first(x))))))


NETWORK = from_nnx(Painter)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(NETWORK.init)(jax.random.key(0), IMAGES)


def test_parameters_and_statistics_are_plain_trees_that_follow_from_the_key(variables):
    params, stats = variables
    assert jax.tree.map(jnp.shape, stats) == {"norm": {"mean": (4,), "var": (4,)}}
    assert sorted(params) == ["first", "norm", "rest"]
    jax.tree.map(np.testing.assert_array_equal, NETWORK.init(jax.random.key(0), IMAGES), variables)
    other, _ = NETWORK.init(jax.random.key(1), IMAGES)
    assert (other["first"]["kernel"] != params["first"]["kernel"]).any()


def test_without_train_or_key_an_output_follows_from_the_input(variables):
    apply = jax.jit(NETWORK.apply, static_argnames="train")
    outputs, stats = apply(*variables, IMAGES, train=False)
    np.testing.assert_array_equal(apply(*variables, IMAGES, train=False)[0], outputs)
    jax.tree.map(np.testing.assert_array_equal, stats, variables[1])
    # Each image by itself: the running statistics and not the batch's.
    np.testing.assert_allclose(apply(*variables, IMAGES[:1], train=False)[0], outputs[:1], rtol=1e-5, atol=1e-6)


def test_train_takes_the_batchs_statistics_and_moves_the_running_ones(variables):
    params, stats = variables
    outputs, moved = jax.jit(lambda x: NETWORK.apply(params, stats, x, train=True))(IMAGES)
    assert jax.tree.structure(moved) == jax.tree.structure(stats)
    features = jax.lax.conv_general_dilated(
        IMAGES, params["first"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    # NNX's own momentum.
    np.testing.assert_allclose(moved["norm"]["mean"], 0.01 * features.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    assert (outputs != NETWORK.apply(params, stats, IMAGES, train=False)[0]).any()


def test_dropout_acts_with_a_key_and_follows_from_it(variables):
    outputs, first, second, again = (
        NETWORK.apply(*variables, IMAGES, train=False, key=key)[0]
        for key in (None, jax.random.key(1), jax.random.key(2), jax.random.key(1))
    )
    assert (first != outputs).any()
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)


def test_pix2pix_trains_it_as_it_is():
    method = pix2pix(
        NETWORK,
        from_linen(PatchGAN(layers=1, width=4)),
        generator_tx=optax.sgd(1e-2),
        critic_tx=optax.sgd(1e-2),
        ema_decay=0.9,
    )
    batch = {"source": IMAGES, "target": IMAGES[::-1]}
    before = jax.jit(method.init)(jax.random.key(0), batch)
    after, _ = jax.jit(lambda state: train_step(method, state, batch))(before)
    for old, new in zip(
        *(jax.tree.leaves((s.generator.params, s.generator.stats)) for s in (before, after)), strict=True
    ):
        assert (old != new).any()
    assert jax.tree.structure(after) == jax.tree.structure(before)


def test_a_pass_is_computed_again_where_that_is_asked_for():
    params, stats = NETWORK.init(jax.random.key(0), IMAGES)

    def convolutions():
        def loss(params):
            return NETWORK.apply(params, stats, IMAGES, train=True)[0].sum()

        return str(jax.make_jaxpr(jax.grad(loss))(params)).count(" conv_general_dilated[")

    kept = convolutions()
    with rematerialized():
        assert convolutions() == kept + 2
    assert convolutions() == kept
