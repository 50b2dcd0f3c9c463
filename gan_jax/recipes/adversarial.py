"""The adversarial losses by the names that --gan_mode takes, and the flags that go with them."""

import dataclasses
from typing import Literal

import optax

from gan_jax import losses
from gan_jax.method import clip_weights
from gan_jax.training.config import Settings, require_finite

__all__ = ["ADVERSARIAL_LOSSES", "GAN_MODES", "AdversarialFlags", "GanMode", "R1Flags", "whole_batch"]
__dir__ = __all__.copy

GanMode = Literal["vanilla", "minimax", "lsgan", "hinge", "relativistic", "wasserstein", "wgangp", "none"]
ADVERSARIAL_LOSSES = {
    "vanilla": losses.non_saturating,
    "minimax": losses.minimax,
    "lsgan": losses.least_squares,
    "hinge": losses.hinge,
    "relativistic": losses.relativistic_average,
    "wasserstein": losses.wasserstein,
    "wgangp": losses.wasserstein,
}
GAN_MODES: dict[str, losses.AdversarialLoss | None] = {**ADVERSARIAL_LOSSES, "none": None}


@dataclasses.dataclass(frozen=True)
class AdversarialFlags(Settings):
    """The flags of a critic's game with a generator."""

    gan_mode: GanMode = "vanilla"
    """Adversarial loss: wasserstein clips the critic's weights, wgangp penalizes its gradient, which needs --norm
    instance or none; none trains without a critic."""
    clip: float = 0.01
    """With --gan_mode wasserstein: the largest weight of the critic."""
    lambda_gp: float = 10.0
    """With --gan_mode wgangp: weight of the gradient penalty."""

    @property
    def adversarial(self) -> losses.AdversarialLoss | None:
        """The game; None where there is no critic."""
        return GAN_MODES[self.gan_mode]

    @property
    def penalty_weight(self) -> float:
        """That of the gradient penalty."""
        return self.lambda_gp if self.gan_mode == "wgangp" else 0.0

    @property
    def needs_whole_batch(self) -> list[str]:
        """What replicas with a share of the batch each cannot compute."""
        return whole_batch(self.gan_mode)

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_finite(self, "clip", "lambda_gp")

    def check_critic(self, norm: str, others: str) -> None:
        """Raises ValueError where the gradient penalty meets batch norm; `others` are flags to give in its place."""
        if self.gan_mode == "wgangp":
            _require_no_batch_norm("--gan_mode wgangp", norm, others)

    def critic_tx(self, tx: optax.GradientTransformation) -> optax.GradientTransformation:
        """An optimizer for the critic, which clips its weights where the game wants it."""
        return clip_weights(tx, self.clip) if self.gan_mode == "wasserstein" else tx


@dataclasses.dataclass(frozen=True)
class R1Flags(Settings):
    """The flag of R1's penalty."""

    lambda_r1: float = 0.0
    """Weight gamma of R1's penalty on the critic's gradient at real images, which needs --norm instance or none."""

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_finite(self, "lambda_r1", zero=True)

    def check_r1(self, norm: str) -> None:
        """Raises ValueError where the penalty meets batch norm."""
        if self.lambda_r1:
            _require_no_batch_norm("--lambda_r1", norm, "--norm instance or --norm none")


def _require_no_batch_norm(flag: str, norm: str, others: str) -> None:
    if norm == "batch":
        raise ValueError(
            f"{flag} penalizes the critic's gradient at each image alone, and batch norm mixes images; give {others}."
        )


def whole_batch(gan_mode: str) -> list[str]:
    """`Experiment.needs_whole_batch` of a --gan_mode: itself, if its losses compare over the whole batch."""
    game = GAN_MODES[gan_mode]
    return [f"--gan_mode {gan_mode}"] if game is not None and game.whole_batch else []
