"""SRGAN and ESRGAN's training against BasicSR's recorded steps, and their properties."""

import json
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.interop import convert
from gan_jax.methods.srgan import srgan
from gan_jax.methods.srresnet import Draws
from gan_jax.networks import MSRResNet, SRGANCritic, SRResNet, VGGStyleCritic, from_linen, starting_from

GOLDEN = Path(__file__).parents[1] / "golden"

RUNS = {
    "srgan_basicsr": (MSRResNet(4, 2, 6), VGGStyleCritic(128, 2), losses.non_saturating),
    "srgan_paper": (SRResNet(blocks=2, width=8), SRGANCritic(48, 4, 16), losses.non_saturating),
    "esrgan_paper": (SRResNet(blocks=2, width=8), SRGANCritic(48, 4, 16), losses.relativistic_average_basicsr),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request):
    """A reference run's arrays and expectations, and its five steps through `update`, in float64."""
    folder = GOLDEN / "training" / request.param
    data = {name: dict(np.load(folder / f"{name}.npz")) for name in ("init_G", "init_D", "io")}
    expected = json.loads((folder / "expected.json").read_text())
    generator_module, critic_module, game = RUNS[request.param]
    networks = []
    for net, wanted in (("init_G", generator_module), ("init_D", critic_module)):
        module, variables = convert.from_torch(data[net])
        assert module == wanted
        networks.append((module, jax.tree.map(np.float64, variables)))
    tx = optax.adam(1e-4, b1=0.9, b2=0.999, eps=1e-8)
    with jax.enable_x64(True):
        method = srgan(
            *(starting_from(from_linen(module), **variables) for module, variables in networks),
            generator_tx=tx,
            critic_tx=tx,
            pixel_weight=1.0,
            adversarial=game,
            input_range=(0.0, 1.0),
            output_range=(0.0, 1.0),
        )
        io = {name: np.float64(array) for name, array in data["io"].items()}
        target, source = (
            (io[name] if name in io else io[f"{name}_two_batches"][[0, 1, 0, 1, 0]]).transpose(0, 1, 3, 4, 2)
            for name in ("gt", "lq")
        )
        state = method.init(jax.random.key(0), {"source": source[0], "target": target[0]})
        update, metrics = jax.jit(method.update), []
        for lq, gt in zip(source, target, strict=True):
            state, values = update(state, {"source": lq, "target": gt}, Draws(jax.random.key(0)))
            metrics.append(values)
        yield request.param, io, expected, state, metrics, [module for module, _ in networks], (source[0], target[0])
