"""Initial weights are those of the program that draws each array by itself, from fewer pieces of program."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import jaxprs_in_params

from gan_jax import networks
from gan_jax.methods.cyclegan import cyclegan
from gan_jax.networks.initialization import initialized
from gan_jax.training.drawing import drawn_in_loops

UNOPTIMIZED = {"xla_backend_optimization_level": 0}  # as initial weights are compiled on a CPU
IMAGES = jnp.zeros((1, 16, 16, 3))


def compiled(init, *inputs):
    return jax.jit(init, compiler_options=UNOPTIMIZED)(jax.random.key(3), *inputs)


def assert_same(init, *inputs):
    expected, given = compiled(init, *inputs), compiled(drawn_in_loops(init), *inputs)
    jax.tree.map(np.testing.assert_array_equal, given, expected)


def enhancer(blocks):
    return networks.from_linen(networks.RRDBNet(scale=1, blocks=blocks, width=4, growth=2))


@pytest.mark.parametrize(
    "network",
    [
        enhancer(2),
        networks.from_linen(networks.UNetCritic(width=4)),  # whose vectors of spectral norm follow from its kernels
        initialized(networks.ResNet(width=4, blocks=3), "kaiming", 0.02),
    ],
    ids=["RRDBNet", "UNetCritic", "ResNet"],
)
def test_initial_values_are_the_same_to_the_bit(network):
    assert_same(network.init, IMAGES)


def test_a_method_of_several_networks_starts_as_it_did():
    generator, critic = (
        networks.from_linen(networks.ResNet(width=4, blocks=2)),
        networks.from_linen(networks.PatchGAN(layers=1, width=4)),
    )
    method = cyclegan(generator, generator, critic, critic, generator_tx=optax.adam(1e-3), critic_tx=optax.adam(1e-3))
    batch = dict.fromkeys("AB", np.zeros((1, 16, 16, 3), np.uint8))
    assert_same(lambda key, batch: method.init(key, batch).replace(key=jax.random.key_data(key)), batch)


def count_draws(program):
    """Pieces of program that make random bits."""
    inside = (part for eqn in program.eqns for part in jaxprs_in_params(eqn.params))
    return sum(eqn.primitive.name == "random_bits" for eqn in program.eqns) + sum(map(count_draws, inside))


def test_more_blocks_are_no_more_to_compile():
    each, looped = (
        [count_draws(jax.make_jaxpr(init(enhancer(n).init))(jax.random.key(0), IMAGES).jaxpr) for n in (2, 3)]
        for init in (lambda init: init, drawn_in_loops)
    )
    assert each == [2 * 15 + 6, 3 * 15 + 6]
    assert looped[0] == looped[1] < 15


def test_what_draws_nothing_and_what_gives_an_input_back_stay():
    assert_same(lambda key, x: (x, {"zeros": jnp.zeros(3), "key": jax.random.key_data(key)}), IMAGES)
