"""The smallest experiment: twelve numbers that mix the colors, for tests of what surrounds a method.

Its flags, images and evaluator are pix2pix's, so that a run of it is like any other, in a tenth of the time.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from gan_jax import image, losses, networks
from gan_jax.method import Method, NetState
from gan_jax.recipes import flags, pix2pix
from gan_jax.training import run

MODULE = networks.MLP(3, layers=0)  # a matrix and a bias on each pixel's colors


@flax.struct.dataclass
class State:
    step: jax.Array
    key: jax.Array
    generator: NetState


def method(tx):
    """Squared error of what the network makes of sources under a little noise, which each step draws anew."""
    network = networks.from_linen(MODULE)

    def init(key, batch):
        generator = NetState.create(network, tx, key, image.to_float(batch["source"]))
        return State(jnp.zeros((), jnp.int32), key, generator)

    def draw(key, batch):
        return 0.1 * jax.random.normal(key, batch["source"].shape)

    def update(state, batch, draws):
        def loss(params):
            output, _ = network.apply(
                params, state.generator.stats, image.to_float(batch["source"]) + draws, train=True
            )
            return losses.l2(output, image.to_float(batch["target"]))

        value, gradient = jax.value_and_grad(loss)(state.generator.params)
        generator = state.generator.apply_gradients(tx, gradient, state.generator.stats)
        return State(state.step + 1, state.key, generator), {"loss/l2": value}

    return Method(init, draw, update)


def build(arguments):
    """The configuration and the experiment of a command line of pix2pix, whose networks and losses stay unused."""
    config, experiment = pix2pix.build([str(argument) for argument in arguments])
    per_epoch = run.steps_per_epoch(config, len(experiment.train))
    architecture, spec = networks.describe(MODULE), experiment.specs["generator"]
    return config, experiment._replace(
        method_name="toy",
        method=method(flags.adam(config, per_epoch)),
        networks={"generator": architecture},
        specs={"generator": dataclasses.replace(spec, architecture=architecture, method="toy", dropout=False)},
    )


def start(arguments):
    """The exit code of a run of it."""
    return run.main(lambda: build(arguments))
