"""How a project names and stores the layers of an architecture, and how it uses the network."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

__all__ = ["CHAINER_EPS", "NORM_EPS", "UNIT", "Fields", "Layout", "Shapes", "State", "Use", "count", "norm_in"]
__dir__ = __all__.copy

State = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]
Fields = dict[str, Any]

NORM_EPS = 1e-5  # of every norm here; a project with another has it moved into its running variances
CHAINER_EPS = 2e-5
UNIT: Any = {"input_range": (0.0, 1.0), "output_range": (0.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class Use:
    """How a project uses a network: what a ModelSpec says beside the architecture."""

    kind: Literal["generator", "critic", "features"]
    method: str
    norm: Literal["image", "running"] = "running"
    input_range: tuple[float, float] = (-1.0, 1.0)
    output_range: tuple[float, float] = (-1.0, 1.0)
    latent: Literal["normal", "uniform"] | None = None  # what the latents of its generator are drawn from
    why: str = ""  # where the project says so


@dataclasses.dataclass(frozen=True)
class Layout:
    """How one project names and stores the layers of one architecture."""

    project: str
    architecture: type
    fields: Callable[[Shapes], Fields | None]  # what names and shapes show; None where the file is another's
    names: Callable[[Any], dict[str, str]]  # module -> {our layer: theirs}, the first layer first
    use: Use
    assumed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # fields that nothing in a file shows
    biased: bool = False  # convolutions in front of norms have biases, which ours have not
    biasless: bool = False  # no convolution has a bias
    dense_as_conv: bool = False  # dense layers are 1x1 convolutions
    constants: Mapping[str, float] = dataclasses.field(default_factory=dict)  # leaves here that are no arrays there
    eps: float = NORM_EPS
    unused: str = "nothing"  # pattern of names that belong to the project's network and have no part in ours
    prepare: Callable[[State], State] = dict  # to PyTorch's kernels and channel order
    note: str = ""  # what else is to be told of it
    in_channels: Callable[[Shapes], int] | None = None  # where the first kernel does not tell

    @property
    def writable(self) -> bool:
        """Whether our arrays can be written back in it without loss."""
        return self.prepare is dict and not self.biasless


def norm_in(shapes: Shapes, bias: str) -> str:
    """The norm of a file. Batch norm has arrays; without any, biases in front of the norms tell instance from none."""
    if any(key.endswith(".running_var") and key.replace("running_var", "weight") in shapes for key in shapes):
        return "batch"
    return "instance" if bias in shapes else "none"


def count(pattern: str, shapes: Shapes) -> int:
    """How many different numbers the group of the pattern has at the start of a name."""
    return len({match[1] for key in shapes if (match := re.match(pattern, key))})
