import jax
import numpy as np
import optax
import pytest

from gan_jax import networks, parallel
from gan_jax.methods.pix2pix import pix2pix


def gradients_of(method, batch, devices):
    """What one SGD step of rate 1 takes from every parameter, on so many devices."""
    mesh = parallel.data_mesh(jax.devices()[:devices])
    state = parallel.compile_init(method, mesh)(jax.random.key(0), batch)
    before = jax.device_get((state.generator.params, state.critic.params))
    state, metrics = parallel.compile_step(method, mesh)(state, parallel.global_batch(batch, mesh))
    after = jax.device_get((state.generator.params, state.critic.params))
    stats = jax.device_get((state.generator.stats, state.critic.stats))
    return jax.tree.map(np.subtract, before, after), stats, jax.device_get(metrics)


@pytest.mark.parametrize("statistics_batch", [None, 1])
def test_one_device_and_four_give_the_same_gradients(statistics_batch):
    """Norm of the difference over norm of the gradient, per array, at most 1e-5: the design's sense of equal.

    No bias stands in front of a norm here, so no gradient is null. Dropout is on.
    """
    method = pix2pix(
        networks.from_linen(networks.UNet(depth=5, width=4, statistics_batch=statistics_batch)),
        networks.from_linen(networks.PatchGAN(layers=2, width=4, statistics_batch=statistics_batch)),
        generator_tx=optax.sgd(1.0),
        critic_tx=optax.sgd(1.0),
    )
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8) for name in ("source", "target")}
    one, one_stats, one_metrics = gradients_of(method, batch, 1)
    four, four_stats, four_metrics = gradients_of(method, batch, 4)
    difference = jax.tree.map(lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(a), one, four)
    assert max(jax.tree.leaves(difference)) <= 1e-5, difference
    for a, b in ((one_stats, four_stats), (one_metrics, four_metrics)):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6), a, b)


@pytest.mark.parametrize(("size", "nearest"), [(6, "4 or 8"), (1, "4"), (9, "8 or 12")])
def test_batches_that_do_not_divide_are_refused_with_the_nearest(size, nearest):
    mesh = parallel.data_mesh(jax.devices()[:4])
    with pytest.raises(ValueError, match=f"batch_size {size} .* over 4 devices; the nearest that does is {nearest}"):
        parallel.require_divisible(size, mesh)
    parallel.require_divisible(8, mesh)


def test_batches_are_split_and_states_are_whole_on_every_device(tiny_method, tiny_batch):
    mesh = parallel.data_mesh()
    batch = parallel.global_batch(tiny_batch(16), mesh)
    assert {shard.data.shape[0] for shard in batch["source"].addressable_shards} == {2}
    state = parallel.compile_init(tiny_method(), mesh)(jax.random.key(0), tiny_batch(16))
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state))


def test_a_step_consumes_its_state(tiny_method, tiny_batch):
    mesh = parallel.data_mesh(jax.devices()[:1])
    method = tiny_method(ema_decay=0.5)
    state = parallel.compile_init(method, mesh)(jax.random.key(0), tiny_batch())
    parallel.compile_step(method, mesh)(state, parallel.global_batch(tiny_batch(), mesh))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.generator.params))
