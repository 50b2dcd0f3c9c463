"""SRGAN's own groups of flags: the content loss with its trained network, and the two stages."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gan_jax import networks, perceptual
from gan_jax.networks import layers
from gan_jax.recipes import presets
from gan_jax.training.config import Settings, require_at_least

__all__ = ["ContentFlags", "StageFlags"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class ContentFlags(Settings):
    """The flags of a distance of features."""

    content: Literal["vgg19", "vgg16", "none"] = "vgg19"
    """Network of the content loss; VGG16 comes with the `perceptual` extra, VGG19 from --vgg_file."""
    content_layers: tuple[str, ...] = ("relu5_4",)
    """Layers that are compared: relu after, conv before the activation."""
    content_layer_weights: tuple[float, ...] = ()
    """Weights of the layers, in their order; 1 for all unless given."""
    content_distance: Literal["l1", "l2"] = "l2"
    """Distance of features."""
    content_scale: float = 1 / 12.75
    """Factor of the features."""
    content_weight: float = 1.0
    """Weight of the content loss."""
    vgg_file: Path | None = None
    """torchvision's weights of the content network."""

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: a digest tells other weights."""
        return super().free_to_change(begun) | {"vgg_file"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("content_scale", "content_weight"):
            require_at_least(self, name, 0)
        layers, weights = self.content_layers, self.content_layer_weights
        if weights and (len(weights) != len(layers) or min(weights) < 0):
            raise ValueError(
                f"--content_layer_weights are {len(weights)} for {len(layers)} --content_layers; wanted one of at "
                "least 0 for each."
            )

    @property
    def layer_weights(self) -> dict[str, float] | None:
        """The weights by layer."""
        weights = self.content_layer_weights
        return dict(zip(self.content_layers, weights, strict=True)) if weights else None

    def content_network(self, dtype: layers.DTypeName) -> tuple[networks.Network | None, dict[str, dict[str, Any]]]:
        """The trained network, None where content is not compared, and its description by its name.

        It computes in `dtype`; what is compared is float32. Raises what `perceptual.content_features` does where the
        weights are missing.
        """
        if self.content == "none":
            return None, {}
        trained = perceptual.content_features(self.content, self.content_layers, path=self.vgg_file)
        module = trained.module.clone(dtype=dtype)
        network = networks.with_weights(networks.from_linen(module), **trained.variables)
        return network, {"content": {**networks.describe(module), "digest": trained.digest}}


@dataclasses.dataclass(frozen=True)
class StageFlags(Settings):
    """The flags of two stages; those of the second count where one command trains both."""

    stage: Literal["srresnet", "srgan", "both"] = "srresnet"
    """srresnet: pixels alone. srgan: critic and content, from --init_generator. both: one after the other."""
    gan_iter: int = 100_000
    """With --stage both, the steps of stage 2."""
    gan_lr: float = 1e-4
    """With --stage both, the learning rate of stage 2."""
    gan_milestones: tuple[int, ...] = ()
    """With --stage both, the --milestones of stage 2."""
    gan_gamma: float = 0.5
    """With --stage both, the --gamma of stage 2."""

    @property
    def of_second(self) -> dict[str, Any]:
        """What stage 2 has in place of the flags of stage 1."""
        return {
            "stage": "srgan",
            "total_iter": self.gan_iter,
            "lr": self.gan_lr,
            "milestones": self.gan_milestones,
            "gamma": self.gan_gamma,
            "periods": (),
        }

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "gan_iter", 1)

    def check_both(self, preset: str | None, from_step: int | None) -> None:
        """Raises ValueError for what one command of both stages cannot have."""
        if self.stage == "both" and from_step is not None:
            raise ValueError(
                "--from_step goes back in one run, and --stage both makes two; give the stage's own command."
            )
        if self.stage == "both" and preset is not None and preset in presets.FIRST_STAGES:
            first = presets.FIRST_STAGES[preset]
            raise ValueError(f"{preset} is the second stage alone; both are {first} --stage both.")
