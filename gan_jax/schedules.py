"""Learning rates by step, and the plateau rule that validation drives; epochs are those of the training images."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "PLATEAU_FACTOR",
    "PLATEAU_PATIENCE",
    "PLATEAU_THRESHOLD",
    "Plateau",
    "Policy",
    "cosine_restarts",
    "grows",
    "learning_rate",
    "multi_step",
]
__dir__ = __all__.copy

Policy = Literal["linear", "constant", "step", "cosine", "plateau"]

PLATEAU_FACTOR, PLATEAU_THRESHOLD, PLATEAU_PATIENCE = 0.2, 0.01, 5


def learning_rate(
    policy: Policy, *, lr: float, n_epochs: int, n_epochs_decay: int, step_epochs: int, steps_per_epoch: int
) -> Callable[[jax.Array], jax.Array]:
    """The learning rate by step, for optax. It changes once an epoch; e counts epochs from 0.

    linear: lr for n_epochs, then falling, lr (1 - max(0, e + 1 - n_epochs) / (n_epochs_decay + 1)).
    constant and plateau: lr. step: lr 0.1^floor(e / step_epochs).
    cosine: lr (1 + cos(pi e / E)) / 2 over all E = n_epochs + n_epochs_decay epochs.
    As in pytorch-CycleGAN-and-pix2pix, whose cosine however has E = n_epochs and climbs again after that.
    """
    total = n_epochs + n_epochs_decay

    def factor(epoch: jax.Array) -> jax.Array:
        match policy:
            case "linear":
                return 1.0 - jnp.maximum(0, epoch + 1 - n_epochs) / (n_epochs_decay + 1)
            case "step":
                return 0.1 ** (epoch // step_epochs)
            case "cosine":
                return 0.5 * (1.0 + jnp.cos(math.pi * jnp.minimum(epoch, total) / total))
            case _:
                return jnp.ones(())

    return lambda count: lr * factor(count // steps_per_epoch)


def multi_step(lr: float, milestones: Sequence[int], gamma: float) -> Callable[[jax.Array], jax.Array]:
    """The learning rate by step: lr, multiplied by gamma after each of the milestones. torch's MultiStepLR."""
    return lambda count: lr * gamma ** jnp.sum(count >= jnp.asarray(milestones, jnp.int32))


def cosine_restarts(lr: float, eta_min: float, periods: Sequence[int]) -> Callable[[jax.Array], jax.Array]:
    """The learning rate by step: half a cosine from lr to eta_min in each period, and eta_min after the last.

    Loshchilov & Hutter 2017, "SGDR", eq. 5; BasicSR's CosineAnnealingRestartLR with weights of 1.
    """
    ends = np.cumsum(periods)

    def rate(count: jax.Array) -> jax.Array:
        k = jnp.minimum(jnp.sum(count >= ends), len(periods) - 1)
        done = jnp.minimum((count - (jnp.asarray(ends) - jnp.asarray(periods))[k]) / jnp.asarray(periods)[k], 1.0)
        return eta_min + 0.5 * (lr - eta_min) * (1.0 + jnp.cos(math.pi * done))

    return rate


def grows(policy: Policy, n_epochs_decay: int) -> bool:
    """Whether more epochs leave the rates of the earlier ones as they were: such a run may go on past its end."""
    return policy in ("constant", "step", "plateau") or (policy == "linear" and n_epochs_decay == 0)


class Plateau(NamedTuple):
    """torch's ReduceLROnPlateau (mode min, relative threshold 0.01, patience 5) as plain data.

    A loss counts as better where it is below 99 % of the best; after more than 5 in a row that are not, the rate is
    to be multiplied by PLATEAU_FACTOR.
    """

    best: float = math.inf
    bad: int = 0

    def after(self, loss: float) -> tuple["Plateau", bool]:
        """The rule after one more loss, and whether the rate falls now."""
        if loss < self.best * (1.0 - PLATEAU_THRESHOLD):
            return Plateau(loss, 0), False
        if self.bad < PLATEAU_PATIENCE:
            return Plateau(self.best, self.bad + 1), False
        return Plateau(self.best, 0), True
