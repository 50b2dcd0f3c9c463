"""What a recipe hands to `run.execute`: the parts that it chose, and nothing that all runs have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from gan_jax.data.pipeline import Source
from gan_jax.data.transforms import Transform
from gan_jax.losses import AdversarialLoss
from gan_jax.method import Method
from gan_jax.model import Model, ModelSpec

__all__ = ["Evaluator", "Experiment"]
__dir__ = __all__.copy


class Evaluator(Protocol):
    """What a run asks of its generators, by name: images and scores while it trains, and a table at its end."""

    @property
    def splits(self) -> Mapping[str, Source | None]:
        """The images that it uses, by name; those of names that begin with "test" only at the end."""

    @property
    def has_validation(self) -> bool:
        """Whether there is anything to ask while it trains."""

    @property
    def has_scores(self) -> bool:
        """Whether validation has scores, and with them a best generator."""

    @property
    def captions(self) -> Mapping[str, Mapping[str, str]]:
        """What images of a kind ("input", "output", "target", ...) are called where not so, by group of images.

        A group is what one of several generators makes, by whose name its folder is called; "" is all that a single
        one makes. "title" heads a group.
        """

    def references(self) -> dict[str, np.ndarray]:
        """What is shown beside the generators' images, uint8 [H, W, C] by name: "input", "target"."""

    def validate(self, generators: Mapping[str, Model]) -> tuple[dict[str, float], np.ndarray]:
        """Scores, and one uint8 image [H, W, C] of what the generators make."""

    def selection_loss(self, scores: Mapping[str, float]) -> float | None:
        """What makes a generator the best so far: the lower the better. None where no score does."""

    def test(self, generators: Mapping[str, Model], folder: Path) -> dict[str, Any] | None:
        """The table of the generators and their baselines, whose images go to `folder`; None without a test split."""


class Experiment(NamedTuple):
    """A method, its networks' descriptions, and the images to train and score it on; see docs/adding_a_method.md."""

    method_name: str
    method: Method
    networks: Mapping[str, Mapping[str, Any]]  # descriptions, by the names of Method.networks
    specs: Mapping[str, ModelSpec]  # of those that files are written of, by the same names
    train: Source
    train_transform: Transform
    evaluator: Evaluator
    needs_whole_batch: Sequence[str] = ()  # what replicas with a share of the batch each cannot compute, in words
    game: AdversarialLoss | None = None  # of its critics, by which their losses are judged
    ema_decay: float | None = None  # of the generators' average, where validation shows one
