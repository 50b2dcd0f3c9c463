import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import networks
from gan_jax.degrade import Degradation
from gan_jax.method import NetState, accumulating
from gan_jax.methods.cyclegan import cyclegan
from gan_jax.methods.dcgan import dcgan
from gan_jax.methods.pix2pix import pix2pix
from gan_jax.methods.srgan import srgan
from gan_jax.methods.wgan import wgan
from gan_jax.training import parallel

# An optimizer whose state is the gradient that it was given.
KEEP = optax.chain(optax.trace(decay=0.0), optax.scale(-1e-2))


def gradients_of(make, batch, devices, how="jit", accumulate=1):
    """The gradients of one step on so many devices, with the statistics, averages and metrics after it."""
    mesh = parallel.data_mesh(jax.devices()[:devices])
    method = make(parallel.pmean_gradients(KEEP) if how == "pmap" else KEEP)
    state = parallel.compile_init(method, mesh)(jax.random.key(0), batch)
    step = parallel.compile_step(method, mesh, how=how, accumulate=accumulate)
    state, metrics = step(state, parallel.global_batch(batch, mesh))
    nets = (state.generator, state.critic)
    return jax.device_get(([net.opt[0].trace for net in nets], [(net.stats, net.ema) for net in nets], metrics))


def small(statistics_batch, dropout):
    """(optimizer) -> a pix2pix in which no bias stands in front of a norm, so that no gradient is null."""
    return lambda tx: pix2pix(
        networks.from_linen(networks.UNet(depth=3, width=4, statistics_batch=statistics_batch, dropout=dropout)),
        networks.from_linen(networks.PatchGAN(layers=2, width=4, statistics_batch=statistics_batch)),
        generator_tx=tx,
        critic_tx=tx,
        ema_decay=0.9,
    )


def pairs(count):
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8) for name in ("source", "target")}


def require_equal(one, other):
    """Norm of the difference over norm of the gradient, per array, at most 1e-5: the design's sense of equal."""
    # A bias that cancels between real and fake has a gradient of exactly 0.
    difference = jax.tree.map(lambda a, b: np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-30), one[0], other[0])
    assert max(jax.tree.leaves(difference)) <= 1e-5, difference
    for a, b in zip(one[1:], other[1:], strict=True):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6), a, b)


@pytest.mark.parametrize("statistics_batch", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_one_device_and_four_give_the_same_gradients(statistics_batch):
    """With dropout, whose masks are drawn for the global batch."""
    make = small(statistics_batch, dropout=0.5)
    require_equal(gradients_of(make, pairs(4), 1), gradients_of(make, pairs(4), 4))


@pytest.mark.slow
def test_srgan_on_one_device_and_on_eight_gives_the_same_gradients():
    """Its sources are made inside the step, with the noise of the global batch; its content network is frozen."""
    features = networks.VGG(19, ("relu1_2",), width=2)
    content = networks.from_linen(features)

    def make(tx):
        return srgan(
            networks.from_linen(networks.MSRResNet(2, 1, 4)),
            networks.from_linen(networks.PixelGAN(2)),
            generator_tx=tx,
            critic_tx=tx,
            pixel_weight=1.0,
            degrade=Degradation(scale=2, noise=(0.0, 9.0)),
            content=content,
        )

    batch = {"target": pairs(8)["target"][:, :16, :16]}
    require_equal(gradients_of(make, batch, 1), gradients_of(make, batch, 8))
    # What a resumed run takes from `init` is what a new one has, on every device.
    mesh, key = parallel.data_mesh(), jax.random.key(0)
    frozen = parallel.compile_frozen(make(KEEP), mesh)(key, batch)
    whole = parallel.compile_init(make(KEEP), mesh)(key, batch).frozen
    # Drawn by two programs here: float32's last bits. A run's trained weights are copied.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), frozen, whole)
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(frozen))


@pytest.mark.parametrize("statistics_batch", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_pmap_and_jit_on_eight_devices_and_one_device_give_the_same_gradients(statistics_batch):
    """Two images a device and no dropout: what the replicas average is what the whole batch gives."""
    make, batch = small(statistics_batch, dropout=0.0), pairs(16)
    one = gradients_of(make, batch, 1)
    require_equal(one, gradients_of(make, batch, 8))
    require_equal(one, gradients_of(make, batch, 8, how="pmap"))


def test_gradients_of_parts_of_the_batch_are_those_of_the_whole():
    """A critic step, and a generator step against the new critic: each player's gradient is a mean over the parts."""
    make, batch = small(1, dropout=0.0), pairs(8)
    whole = gradients_of(make, batch, 1)
    require_equal(whole, gradients_of(make, batch, 1, accumulate=4))
    require_equal(whole, gradients_of(make, batch, 2, accumulate=2))


def test_a_vmapped_gradient_is_a_mean_where_gradients_accumulate():
    net = NetState(params={"w": jnp.array([2.0])}, stats={}, opt=(), lr_scale=jnp.ones(()))

    def loss(params, x):
        return (params["w"] * x).sum(), x

    def gradient(x):  # which the loss closes over, as methods' losses do
        return net.gradient(lambda params: loss(params, x))

    xs = jnp.array([1.0, 3.0])
    (_, _), each = jax.vmap(gradient)(xs)
    np.testing.assert_array_equal(each["w"], [[1.0], [3.0]])
    with accumulating():
        (values, others), mean = jax.vmap(gradient, out_axes=(0, None))(xs)
        np.testing.assert_array_equal(values, [2.0, 6.0])
        np.testing.assert_array_equal(others, xs)
        np.testing.assert_array_equal(mean["w"], [2.0])
        np.testing.assert_array_equal(gradient(xs[0])[1]["w"], [1.0])
        with pytest.raises(ValueError, match="lets each of its parameters have one value"):
            jax.vmap(lambda w: dataclasses.replace(net, params={"w": w}).gradient(loss, 1.0))(jnp.ones((2, 1)))


def test_srgan_accumulates():
    def make(tx):
        return srgan(
            networks.from_linen(networks.MSRResNet(2, 1, 4)),
            networks.from_linen(networks.PixelGAN(2, statistics_batch=1)),
            generator_tx=tx,
            critic_tx=tx,
            pixel_weight=1.0,
            degrade=Degradation(scale=2),
            content=networks.from_linen(networks.VGG(19, ("relu1_2",), width=2)),
        )

    batch = {"target": pairs(4)["target"]}
    require_equal(gradients_of(make, batch, 1), gradients_of(make, batch, 1, accumulate=2))


def test_wgan_accumulates_in_each_step_of_its_critic():
    """From latents that each sample brings along: those of a run are drawn for a part of the batch."""

    def make(tx):
        generator = networks.from_linen(networks.DCGANGenerator(size=8, width=2, norm="none"))
        critic = networks.from_linen(networks.DCGANCritic(size=8, width=2, norm="none"))
        method = wgan(generator, critic, latent_size=4, generator_tx=tx, critic_tx=tx, n_critic=2, penalty_weight=10.0)

        def draw(key, batch):
            draws = method.draw(key, batch)
            brought = batch["image"].reshape(-1, 2, 8 * 8 * 3).swapaxes(0, 1) / 255.0  # [n_critic, N, ...]
            z = brought[..., : draws.latent.shape[-1]].astype(np.float32)
            return type(draws)(z, brought[..., -1].astype(np.float32), z[0])

        return method._replace(draw=draw)

    batch = {"image": np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)}
    require_equal(gradients_of(make, batch, 1), gradients_of(make, batch, 1, accumulate=4))


def cycles_of(pool_size, devices, how="jit", steps=2):
    """The state and the metrics after so many steps of a CycleGAN, two images a device, on so many devices."""
    mesh = parallel.data_mesh(jax.devices()[:devices])
    tx = parallel.pmean_gradients(KEEP) if how == "pmap" else KEEP
    generator = networks.from_linen(networks.UNet(depth=2, width=2, norm="none", dropout=0.0))
    critic = networks.from_linen(networks.PatchGAN(layers=1, width=2, norm="none"))
    method = cyclegan(generator, generator, critic, critic, generator_tx=tx, critic_tx=tx, pool_size=pool_size)
    rng = np.random.default_rng(0)
    batches = [{name: rng.integers(0, 256, (16, 8, 8, 3), dtype=np.uint8) for name in ("A", "B")} for _ in range(steps)]
    state = parallel.compile_init(method, mesh)(jax.random.key(0), batches[0])
    step = parallel.compile_step(method, mesh, how=how)
    for batch in batches:
        state, metrics = step(state, parallel.global_batch(batch, mesh))
    nets = [state.AtoB, state.BtoA, state.critic_A, state.critic_B]
    return jax.device_get(([net.opt[0].trace for net in nets], [state.pool_A, state.pool_B], metrics))


@pytest.mark.slow
def test_image_pools_hold_the_same_images_on_one_device_and_on_eight():
    """Twenty places, of which some are exchanged in the second step."""
    one, eight = cycles_of(20, 1), cycles_of(20, 8)
    assert int(one[1][0].filled) == 20
    require_equal(one, eight)


@pytest.mark.slow
def test_without_pools_replicas_equal_one_device():
    require_equal(cycles_of(0, 1, steps=1), cycles_of(0, 8, how="pmap", steps=1))


def test_replicas_draw_noise_of_their_own():
    """Eight times one pair: with one mask for all replicas the mean gradient would be that of the pair alone."""
    make = small(1, dropout=0.5)
    batch = {name: np.repeat(images, 8, axis=0) for name, images in pairs(1).items()}
    same = {name: images[:1] for name, images in batch.items()}
    eight, one = gradients_of(make, batch, 8, how="pmap"), gradients_of(make, same, 1, how="pmap")
    difference = jax.tree.map(lambda a, b: np.linalg.norm(a - b) / np.linalg.norm(a), one[0], eight[0])
    assert max(jax.tree.leaves(difference)) > 1e-2


def test_what_replicas_cannot_compute_is_refused():
    mesh, batch_norm = parallel.data_mesh(), {"norm": "batch", "statistics_batch": None}
    with pytest.raises(ValueError, match="the critic's batch norm has statistics of the whole batch, and a device"):
        parallel.require_replicable(16, mesh, {"critic": batch_norm})
    with pytest.raises(ValueError, match="give a --statistics_batch that divides 2"):
        parallel.require_replicable(16, mesh, {"critic": {**batch_norm, "statistics_batch": 4}})
    with pytest.raises(ValueError, match="cannot be right with a relativistic loss"):
        parallel.require_replicable(16, mesh, {}, whole_batch=["a relativistic loss"])
    parallel.require_replicable(16, mesh, {"critic": {**batch_norm, "statistics_batch": 2}})
    for networks_of, whole, words in (
        (
            {"critic": batch_norm},
            [],
            "--accumulate: the critic's batch norm .* whole batch, and a part of it has 1 of",
        ),
        ({}, ["image pools"], "--accumulate cannot be right with image pools, .*; leave --accumulate out"),
    ):
        with pytest.raises(ValueError, match=words):
            parallel.require_replicable(16, mesh, networks_of, whole_batch=whole, accumulate=2)
    with pytest.raises(ValueError, match="batch_size 16 does not split evenly into 3 parts on each of 8 devices"):
        parallel.require_replicable(16, mesh, {}, accumulate=3)
    parallel.require_replicable(16, mesh, {"critic": {**batch_norm, "norm": "instance"}})
    parallel.require_replicable(16, parallel.data_mesh(jax.devices()[:1]), {"critic": batch_norm})


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


@pytest.mark.parametrize("name", [pytest.param("dcgan", marks=pytest.mark.slow), "wgan_gp"])
def test_generators_from_latents_have_the_same_gradients_on_one_device_and_on_eight(name):
    """The images of WGAN's critic steps are shared out batch-major, and latents are drawn for the global batch."""
    rng = np.random.default_rng(0)
    batch = {"image": rng.integers(0, 256, (32, 8, 8, 3), dtype=np.uint8), "label": np.arange(32) % 3}
    nets = (
        networks.from_linen(networks.DCGANGenerator(size=8, width=4, classes=3)),
        networks.from_linen(networks.DCGANCritic(size=8, width=4, norm="none", classes=3)),
    )

    def make(tx):
        common = {"generator_tx": tx, "critic_tx": tx, "latent_size": 4, "conditional": True}
        return dcgan(*nets, **common) if name == "dcgan" else wgan(*nets, **common, n_critic=2, penalty_weight=10.0)

    require_equal(gradients_of(make, batch, 1), gradients_of(make, batch, 8))


def test_devices_of_one_process_are_one_processs():
    mesh = parallel.data_mesh()
    assert parallel.processes(mesh) == 1
    parallel.require_even(mesh)
    tree = {"a": np.ones(2)}
    assert parallel.local(tree) is tree
