"""The adversarial losses by the names that --gan_mode takes; beside them wgangp penalises and wasserstein clips."""

from gan_jax import losses

__all__ = ["GAMES", "GAN_MODES", "whole_batch"]
__dir__ = __all__.copy

GAMES = {
    "vanilla": losses.non_saturating,
    "minimax": losses.minimax,
    "lsgan": losses.least_squares,
    "hinge": losses.hinge,
    "relativistic": losses.relativistic_average,
    "wasserstein": losses.wasserstein,
    "wgangp": losses.wasserstein,
}
GAN_MODES: dict[str, losses.AdversarialLoss | None] = {**GAMES, "none": None}


def whole_batch(gan_mode: str) -> list[str]:
    """`Experiment.needs_whole_batch` of a --gan_mode: itself, if its losses compare over the whole batch."""
    game = GAN_MODES[gan_mode]
    return [f"--gan_mode {gan_mode}"] if game is not None and game.whole_batch else []
