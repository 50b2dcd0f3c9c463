"""What the devices of a step send each other: gradients and stated statistics, whatever the batch and the images.

Read from the step that is compiled for eight devices. A collective that grows with the batch or with the images, or a
network that every device computes for the whole batch, which leaves nothing to sum, fails here.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest

from gan_jax import hlo, losses, networks
from gan_jax.degrade import Degradation
from gan_jax.method import Method
from gan_jax.methods.cyclegan import cyclegan
from gan_jax.methods.dcgan import dcgan
from gan_jax.methods.pix2pix import pix2pix
from gan_jax.methods.sinkhorn import sinkhorn
from gan_jax.methods.srgan import srgan
from gan_jax.methods.srresnet import srresnet
from gan_jax.methods.wgan import wgan
from gan_jax.second_order import SecondOrder
from gan_jax.training import parallel

TX = optax.sgd(1e-2)
BOTH: Mapping[str, Any] = {"generator_tx": TX, "critic_tx": TX}
UNET, PATCHES = networks.UNet(depth=2, width=4, dropout=0.5), networks.PatchGAN(layers=1, width=4)
DEGRADE = Degradation(scale=2, noise=(0.0, 9.0))


def net(module, **fields):
    return networks.from_linen(module.clone(**fields))


def of_pairs(statistics_batch):
    group = {"statistics_batch": statistics_batch}
    return pix2pix(net(UNET, **group), net(PATCHES, **group), **BOTH, ema_decay=0.9)


def of_cycles(pool_size):
    pair = [net(UNET, norm="instance", dropout=0.0)] * 2 + [net(PATCHES, norm="instance")] * 2
    return cyclegan(*pair, **BOTH, pool_size=pool_size)


def enlarging(adversarial):
    critic, content = networks.SRGANCritic(16, 2, head="pool"), networks.VGG(19, ("relu1_2",), width=2)
    return srgan(
        net(networks.SRResNet(scale=2, blocks=1, width=4)),
        net(critic),
        **BOTH,
        degrade=DEGRADE,
        content=net(content),
        adversarial=adversarial,
    )


def of_latents(make, critic_norm="batch", **options):
    return make(net(networks.DCGANGenerator(3, 8, 2)), net(networks.DCGANCritic(8, 2, critic_norm)), **BOTH, **options)


class Case(NamedTuple):
    """A method, what a batch of it holds, and what its devices send each other.

    `passes`: how often the gradient of a network is summed. Where it has several passes XLA for CPUs sums each by
    itself; for TPUs it adds those of float32 first.
    """

    method: Callable[[], Method]
    names: tuple[str, ...]
    passes: Mapping[str, int]
    statistics: int  # bytes beside the gradients: sums of batch norm, and means that are logged
    sides: tuple[int, int] = (16, 32)
    batches: int = 1  # in one step
    others: frozenset[str] = frozenset()  # collectives that may grow with the batch, and are no sums


GAN = {"generator": 1, "critic": 2}
CYCLES = {"AtoB": 3, "BtoA": 3, "critic_A": 2, "critic_B": 2}
CASES = {
    "pix2pix": Case(lambda: of_pairs(None), ("source", "target"), GAN, 450),
    "pix2pix, statistics of one image": Case(
        lambda: of_pairs(1), ("source", "target"), GAN, 256
    ),  # running statistics' means
    "cyclegan": Case(lambda: of_cycles(0), ("A", "B"), CYCLES, 64),
    # Each device holds the pool whole, and sees every image.
    "cyclegan, image pools": Case(lambda: of_cycles(20), ("A", "B"), CYCLES, 64, others=frozenset({"all-gather"})),
    "srresnet": Case(
        lambda: srresnet(net(networks.SRResNet(scale=2, blocks=1, width=4)), generator_tx=TX, degrade=DEGRADE),
        ("target",),
        {"generator": 1},
        200,
    ),
    "srresnet, second order": Case(
        lambda: srresnet(
            net(networks.SRResNet(scale=2, blocks=1, width=4)), generator_tx=TX, degrade=SecondOrder(scale=2)
        ),
        ("target",),
        {"generator": 1},
        200,
    ),
    "srgan": Case(lambda: enlarging(losses.non_saturating), ("target",), GAN, 3000),
    # The means of the logits of the whole batch, real and fake, are numbers.
    "srgan, relativistic": Case(lambda: enlarging(losses.relativistic_average), ("target",), GAN, 4000),
    "dcgan": Case(lambda: of_latents(dcgan), ("image",), GAN, 100, sides=(8, 8)),
    "wgan-gp": Case(
        lambda: of_latents(wgan, "none", penalty_weight=10.0, n_critic=2),
        ("image",),
        {"generator": 1, "critic": 6},
        100,
        sides=(8, 8),
        batches=2,
    ),
    # Every sample is compared with every image.
    "sinkhorn": Case(
        lambda: sinkhorn(net(networks.DCGANGenerator(3, 8, 2)), generator_tx=TX, epsilon=0.1, iterations=2),
        ("image",),
        {"generator": 2},
        10**9,
        sides=(8, 8),
        others=frozenset({"all-gather", "all-to-all", "all-reduce"}),
    ),
}


def collectives(name, count, side):
    """Bytes of the compiled step's collectives by opcode, and of each network's parameters."""
    case, mesh = CASES[name], parallel.data_mesh(jax.devices()[:8])
    method = case.method()
    batch = {key: jax.ShapeDtypeStruct((case.batches * count, side, side, 3), np.uint8) for key in case.names}
    state = parallel.abstract_state(method, batch, mesh)
    program = parallel.compile_step(method, mesh).lower(state, batch).compile()
    total = Counter()
    for (opcode, _), size in hlo.collectives(hlo.operations(program.as_text())).items():
        total[opcode] += size
    parameters = {
        key: sum(4 * leaf.size for leaf in jax.tree.leaves(one.params)) for key, one in method.networks(state).items()
    }
    return total, parameters


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * name.endswith(("relativistic", "second order"))) for name in CASES],
)
def test_devices_send_gradients_and_stated_statistics(name):
    case, (total, parameters) = CASES[name], collectives(name, 16, CASES[name].sides[0])
    most = sum(case.passes[key] * size for key, size in parameters.items())
    print(name, dict(total), parameters, most, total["all-reduce"] - most)
    assert set(total) <= {"all-reduce"} | case.others
    assert sum(parameters.values()) <= total["all-reduce"] <= most + case.statistics


def test_image_pools_gather_a_batch_a_constant_number_of_times():
    """However many images it has: each pool, for the images that meet in a slot and for those that stay."""
    count, (side, _) = 16, CASES["cyclegan, image pools"].sides
    total, _ = collectives("cyclegan, image pools", count, side)
    images, draws = 4 * count * side * side * 3, 64 * count
    assert 2 * images <= total["all-gather"] <= 2 * (2 * images + draws)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nothing_that_is_sent_grows_with_the_batch_or_the_images(name):
    small, large = CASES[name].sides
    (few, _), (many, _) = collectives(name, 16, small), collectives(name, 32, large)
    others = CASES[name].others
    assert {key: size for key, size in few.items() if key not in others} == {
        key: size for key, size in many.items() if key not in others
    }
    # The exceptions are ones: the table says no more than is so.
    assert all(few[key] < many[key] for key in others & few.keys())
