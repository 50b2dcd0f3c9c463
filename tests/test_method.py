"""What all methods share: how the gradients of their networks' passes are computed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import networks
from gan_jax.method import Method, NetState, gradient, rematerialized, rounded_once
from gan_jax.networks import convolution
from gan_jax.training import parallel
from tests.products import equations

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


def test_kernels_are_rounded_once_and_their_gradients_are_added_up_in_bfloat16():
    """However many passes there are, so that what goes over the links is one gradient; vectors stay float32."""
    network = networks.from_linen(networks.PatchGAN(layers=1, width=4, dtype="bfloat16"))
    x = jnp.linspace(-1, 1, 2 * 16 * 16 * 3).reshape(2, 16, 16, 3)
    net = NetState.create(network, KEEP, jax.random.key(0), x)

    def loss(params):
        logits = [network.apply(params, net.stats, images, train=True)[0] for images in (x, -x)]
        return logits[0].mean() - jnp.tanh(logits[1]).mean(), ()

    def update(state, batch, draws):
        return net.gradient(loss)[1], {}

    def conversions(update):
        """How often an array of each kernel's shape is made bfloat16, and float32."""
        with convolution.plain():  # a CPU's products are in float32, each rounded to what a convolution gives
            program = jax.make_jaxpr(lambda: update(None, None, None)[0])()
        made = [e.outvars[0].aval for e in equations(program.jaxpr) if e.primitive.name == "convert_element_type"]
        shapes = {leaf.shape for leaf in jax.tree.leaves(net.params) if leaf.ndim > 1}
        return {sum((a.shape, a.dtype) == (s, to) for a in made) for s in shapes for to in ("bfloat16", "float32")}

    method = Method(init=None, draw=None, update=update)
    assert conversions(update) == {2}
    assert conversions(rounded_once(method).update) == {1}

    grads, expected = rounded_once(method).update(None, None, None)[0], gradient(loss, net.params)[1]

    def require_near(a, b):
        assert a.dtype == b.dtype == jnp.float32
        # Two terms of eight bits, and their sum rounded again.
        assert np.linalg.norm(a - b) <= 2**-7 * np.linalg.norm(b) + 1e-6

    jax.tree.map(require_near, grads, expected)
