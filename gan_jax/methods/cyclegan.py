"""CycleGAN: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"."""

import dataclasses
from functools import partial
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax

from gan_jax import image, losses
from gan_jax.method import Batch, Key, Method, Metrics, NetState, gradient
from gan_jax.methods import penalties, pool
from gan_jax.methods.pool import Pool
from gan_jax.networks.network import Network, Params, Stats

__all__ = ["Draws", "State", "cyclegan"]
__dir__ = __all__.copy


@flax.struct.dataclass
class State:
    """What CycleGAN carries from step to step; A and B are the two kinds of images."""

    step: jax.Array  # int32: updates made so far
    key: Key  # constant: each step folds its number in
    AtoB: NetState
    BtoA: NetState
    critic_A: NetState  # noqa: N815 - as its file is called; it judges images of kind A
    critic_B: NetState  # noqa: N815
    pool_A: Pool | None  # noqa: N815 - of what BtoA made, if wanted
    pool_B: Pool | None  # noqa: N815


class Draws(NamedTuple):
    """Everything random in one step."""

    dropout: Key
    pool_A: pool.Draws | None  # noqa: N815 - as the state's
    pool_B: pool.Draws | None  # noqa: N815
    epsilon: jax.Array | None = None  # [2, N], where the gradients of critic_A and critic_B are penalized


def cyclegan(
    a_to_b: Network,
    b_to_a: Network,
    critic_a: Network,
    critic_b: Network,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    adversarial: losses.AdversarialLoss | None = losses.least_squares,
    cycle_a_weight: float = 10.0,
    cycle_b_weight: float = 10.0,
    identity_weight: float = 0.5,
    pool_size: int = 50,
    halve_critic: bool = True,
    penalty_weight: float = 0.0,
    ema_decay: float | None = None,
) -> Method:
    """Two generators that undo each other (eq. 3): a step of both, then of both critics on what they had made.

    Batches hold "A" and "B", uint8 [N, H, W, C] or floats in [-1, 1], that have nothing to do with each other.
    `cycle_a_weight` is that of the forward cycle A to B to A, `cycle_b_weight` of the backward one; the identity loss
    on images of a kind (section 5.2) has `identity_weight` times the weight of that kind's cycle, and a weight of 0
    leaves a term out. `adversarial` None trains on these alone; the critics then stay as they were. Critics see fakes
    of a pool of `pool_size` each; 0 shows them the latest. `halve_critic` halves their losses (section 7.1).
    `penalty_weight` is that of WGAN-GP's gradient penalty; `init` then raises ValueError for critics with batch norm.
    `ema_decay` is the decay of exponential moving averages of the generators.
    """
    generators, averages = {"AtoB": a_to_b, "BtoA": b_to_a}, ema_decay is not None

    def init(key: Key, batch: Batch) -> State:
        a, b = image.to_float(batch["A"]), image.to_float(batch["B"])
        key, *keys = jax.random.split(key, 5)
        to_b = NetState.create(a_to_b, generator_tx, keys[0], a, ema=averages)
        to_a = NetState.create(b_to_a, generator_tx, keys[1], b, ema=averages)

        def empty_pool(network: Network, net: NetState, images: jax.Array) -> Pool | None:
            if not pool_size:
                return None
            fakes, _ = jax.eval_shape(partial(network.apply, net.params, net.stats, train=False), images[:1])
            return pool.empty(pool_size, jax.ShapeDtypeStruct(fakes.shape[1:], fakes.dtype))

        judges = NetState.create(critic_a, critic_tx, keys[2], a), NetState.create(critic_b, critic_tx, keys[3], b)
        if penalty_weight:
            for judge in judges:
                penalties.require_no_batch_norm(judge)
        return State(
            step=jnp.zeros((), jnp.int32),
            key=key,
            AtoB=to_b,
            BtoA=to_a,
            critic_A=judges[0],
            critic_B=judges[1],
            pool_A=empty_pool(b_to_a, to_a, b),
            pool_B=empty_pool(a_to_b, to_b, a),
        )

    def draw(key: Key, batch: Batch) -> Draws:
        dropout, *keys, penalty_key = jax.random.split(key, 4)
        samples = {name: jnp.shape(batch[name])[0] for name in "BA"}
        pools: list[pool.Draws | None] = [None, None]
        if pool_size:
            pools = [pool.draw(k, samples[name], pool_size) for k, name in zip(keys, "BA", strict=True)]
        epsilon = jax.random.uniform(penalty_key, (2, samples["A"])) if penalty_weight else None
        return Draws(dropout, pools[0], pools[1], epsilon)

    def update(state: State, batch: Batch, draws: Draws) -> tuple[State, Metrics]:
        a, b = image.to_float(batch["A"]), image.to_float(batch["B"])

        def fooled(
            game: losses.AdversarialLoss, critic: Network, net: NetState, real: jax.Array, fake: jax.Array
        ) -> tuple[jax.Array, Stats]:
            fake_logits, stats = critic.apply(net.params, net.stats, fake, train=True)
            real_logits, _ = critic.apply(net.params, net.stats, real, train=True)
            return game.generator(real_logits, fake_logits), stats

        def generators_loss(params: dict[str, Params]) -> tuple[jax.Array, tuple]:
            stats = {"AtoB": state.AtoB.stats, "BtoA": state.BtoA.stats}
            keys = iter(jax.random.split(draws.dropout, 6))

            def translate(name: str, images: jax.Array) -> jax.Array:
                apply, key = generators[name].apply, next(keys)
                translated, stats[name] = apply(params[name], stats[name], images, train=True, key=key)
                return translated

            terms: dict[str, tuple[float, jax.Array]] = {}
            # In the order of the PyTorch port, which batch norm's running statistics keep.
            fake_b = translate("AtoB", a)
            if cycle_a_weight:
                terms["loss/cycle_A"] = cycle_a_weight, losses.cycle_consistency(translate("BtoA", fake_b), a)
            fake_a = translate("BtoA", b)
            if cycle_b_weight:
                terms["loss/cycle_B"] = cycle_b_weight, losses.cycle_consistency(translate("AtoB", fake_a), b)
            if weight := cycle_b_weight * identity_weight:
                terms["loss/identity_B"] = weight, losses.identity(translate("AtoB", b), b)
            if weight := cycle_a_weight * identity_weight:
                terms["loss/identity_A"] = weight, losses.identity(translate("BtoA", a), a)
            critic_stats = {"A": state.critic_A.stats, "B": state.critic_B.stats}
            if adversarial is not None:
                gan_b, critic_stats["B"] = fooled(adversarial, critic_b, state.critic_B, b, fake_b)
                gan_a, critic_stats["A"] = fooled(adversarial, critic_a, state.critic_A, a, fake_a)
                terms |= {"loss/gan_B": (1.0, gan_b), "loss/gan_A": (1.0, gan_a)}
            loss, logged = losses.weighted_sum(terms)
            return loss, (stats, critic_stats, fake_a, fake_b, logged)

        def taught(
            game: losses.AdversarialLoss,
            critic: Network,
            net: NetState,
            stats: Stats,
            real: jax.Array,
            fake: jax.Array,
            epsilon: jax.Array | None,
        ) -> tuple[NetState, jax.Array]:
            def critic_loss(params: Params) -> tuple[jax.Array, Stats]:
                judge = partial(critic.apply, params, stats, train=True)
                real_logits, new_stats = judge(real)
                fake_logits, new_stats = critic.apply(params, new_stats, fake, train=True)
                penalty = penalties.penalty(judge, real, fake, epsilon, weight=penalty_weight)
                return game.critic(real_logits, fake_logits) + penalty, new_stats

            (loss, new_stats), grads = net.gradient(critic_loss)
            if halve_critic:
                grads = jax.tree.map(lambda g: 0.5 * g, grads)
            return net.apply_gradients(critic_tx, grads, new_stats), loss

        params = {"AtoB": state.AtoB.params, "BtoA": state.BtoA.params}
        (loss, (stats, critic_stats, fake_a, fake_b, metrics)), grads = gradient(generators_loss, params)
        to_b = state.AtoB.apply_gradients(generator_tx, grads["AtoB"], stats["AtoB"], ema_decay=ema_decay)
        to_a = state.BtoA.apply_gradients(generator_tx, grads["BtoA"], stats["BtoA"], ema_decay=ema_decay)
        new_state = dataclasses.replace(state, step=state.step + 1, AtoB=to_b, BtoA=to_a)
        if adversarial is not None:
            pool_a, shown_a = _exchange(state.pool_A, fake_a, draws.pool_A)
            pool_b, shown_b = _exchange(state.pool_B, fake_b, draws.pool_B)
            at_a, at_b = (None, None) if draws.epsilon is None else draws.epsilon
            judge_a, critic_a_loss = taught(adversarial, critic_a, state.critic_A, critic_stats["A"], a, shown_a, at_a)
            judge_b, critic_b_loss = taught(adversarial, critic_b, state.critic_B, critic_stats["B"], b, shown_b, at_b)
            new_state = dataclasses.replace(new_state, critic_A=judge_a, critic_B=judge_b, pool_A=pool_a, pool_B=pool_b)
            metrics |= {"loss/critic_A": critic_a_loss, "loss/critic_B": critic_b_loss}
        return new_state, {**metrics, "loss/generators": loss}

    return Method(init, draw, update)


def _exchange(old: Pool | None, fakes: jax.Array, draws: pool.Draws | None) -> tuple[Pool | None, jax.Array]:
    return (None, fakes) if old is None or draws is None else pool.exchange(old, fakes, draws)
