"""What all methods share: a step whose networks' passes are computed again for their gradients."""

import jax
import numpy as np
import optax

from gan_jax import networks
from gan_jax.method import rematerialized
from gan_jax.methods.cyclegan import cyclegan
from gan_jax.training import parallel

# An optimizer whose state is the gradient that it was given.
KEEP = optax.chain(optax.trace(decay=0.0), optax.scale(-1e-2))


def test_rematerialization_gives_the_same_gradients_in_less_memory():
    """CycleGAN's step has eight passes of generators, with dropout here, whose maps would all wait for the gradient."""
    generator = networks.from_linen(networks.ResNet(blocks=3, width=4, norm="instance", dropout=0.5))
    critic = networks.from_linen(networks.PatchGAN(layers=1, width=2, norm="instance"))
    method = cyclegan(generator, generator, critic, critic, generator_tx=KEEP, critic_tx=KEEP, pool_size=0)
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8) for name in ("A", "B")}
    mesh = parallel.data_mesh(jax.devices()[:1])

    def stepped(method):
        state = parallel.compile_init(method, mesh)(jax.random.key(0), batch)
        step = parallel.compile_step(method, mesh).lower(state, batch).compile()
        state, metrics = step(state, parallel.global_batch(batch, mesh))
        gradients = [net.opt[0].trace for net in method.networks(state).values()]
        return jax.device_get((gradients, metrics)), step.memory_analysis().temp_size_in_bytes

    (gradients, metrics), memory = stepped(method)
    (again, again_metrics), less = stepped(rematerialized(method))
    print(memory, less)
    assert metrics == again_metrics

    def require_equal(a, b):
        assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(a) + 1e-7

    jax.tree.map(require_equal, gradients, again)
