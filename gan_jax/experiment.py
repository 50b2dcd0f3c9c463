"""What an experiment hands to `run.main`: the parts that it chose, and nothing that all runs have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data.pipeline import Source
from gan_jax.data.transforms import Transform
from gan_jax.generator import GeneratorSpec
from gan_jax.method import Method


class Experiment(NamedTuple):
    """A method, its networks' descriptions, and the pictures to train and score it on; see docs/adding_a_method.md."""

    method_name: str
    method: Method
    networks: Mapping[str, Mapping[str, Any]]  # descriptions, by the names of the state's NetStates
    specs: Mapping[str, GeneratorSpec]  # by the names that Method.generators uses; critics by those of their NetStates
    train: Source
    val: Source | None
    test: Source | None
    jitter: Transform  # of training pictures
    still: Transform  # of validation pictures
    whole: Transform  # of test pictures
    baselines: Mapping[str, Callable[[np.ndarray], np.ndarray]]  # rivals in the score table: source -> image
    label_scores: Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]] | None  # outputs, targets, sources
    needs_whole_batch: Sequence[str] = ()  # what replicas with a share of the batch each cannot compute, in words


def fingerprint(source: Source | None) -> str:
    """What changes when a source's pictures do: its own fingerprint, or how it describes itself."""
    return getattr(source, "fingerprint", repr(source))
