"""What all methods share: a step whose networks' passes are computed again for their gradients."""

import jax
import numpy as np
import optax

from gan_jax.method import rematerialized
from gan_jax.training import parallel

# An optimizer whose state is the gradient that it was given.
KEEP = optax.chain(optax.trace(decay=0.0), optax.scale(-1e-2))


def test_rematerialization_gives_the_same_gradients(tiny_method, tiny_batch):
    method, batch = tiny_method(generator_tx=KEEP, critic_tx=KEEP), tiny_batch(2)
    mesh = parallel.data_mesh(jax.devices()[:1])

    def stepped(method):
        state = parallel.compile_init(method, mesh)(jax.random.key(0), batch)
        state, metrics = parallel.compile_step(method, mesh)(state, parallel.global_batch(batch, mesh))
        return jax.device_get(([net.opt[0].trace for net in method.networks(state).values()], metrics))

    def require_equal(a, b):
        assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(a) + 1e-8  # biases in front of a norm: 0

    jax.tree.map(require_equal, stepped(method), stepped(rematerialized(method)))
