"""Networks that start from files, and the flags that name these."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gan_jax import model, networks
from gan_jax.folders import RunFolder
from gan_jax.terminal import commandline
from gan_jax.training import checkpoint
from gan_jax.training.config import Settings

__all__ = ["StartFlags", "network"]
__dir__ = __all__.copy

_FREE = ("dropout", "dropout_layers", "statistics_batch", "dtype")  # fields that change no parameter


@dataclasses.dataclass(frozen=True)
class StartFlags(Settings):
    """The flags of what networks start from."""

    init_generator: commandline.ModelPlace | None = None
    """Start from the generator in this file, from the last one of this run's folder, or from what `gan-jax models`
    lists."""
    init_critic: commandline.ModelPlace | None = None
    """Start from the critic in this file (a run writes NAME_critic.safetensors)."""

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: it has started."""
        return super().free_to_change(begun) | {"init_critic", "init_generator"}


def network(
    config: StartFlags, folder: Path, module: Any, kind: Literal["generator", "critic"], fresh: networks.Network
) -> networks.Network:
    """A module's `fresh` network, started from the file that --init_generator or --init_critic names, if any.

    A run in `folder` that has begun needs the file no more. Raises ValueError where the file holds something else.
    """
    path: str | None = getattr(config, f"init_{kind}")
    begun = checkpoint.latest_step(RunFolder(folder).checkpoints) is not None
    if path is None or (begun and not Path(path).exists()):
        return fresh  # a run that has begun goes on without the file
    start = model.load(path)
    named = (start.spec.kind, start.spec.architecture["name"])
    if named != (kind, type(module).__name__):
        raise ValueError(
            f"--init_{kind} {path} holds a {named[0]}, {named[1]}; wanted a {kind}, {type(module).__name__}: give it "
            "the same flags."
        )
    theirs, ours = (
        {name: value for name, value in fields.items() if name not in _FREE}
        for fields in (dict(start.spec.architecture), networks.describe(module))
    )
    differing = [
        f"{name} is {theirs.get(name)} there and {ours.get(name)} here"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if differing:
        raise ValueError(f"--init_{kind} {path} is another network: {', '.join(differing)}; give it the same flags.")
    started = networks.with_weights(fresh, start.variables["params"], start.variables["stats"])

    def init(*inputs: Any) -> Any:
        try:
            return started.init(*inputs)
        except ValueError as error:  # it knows no file
            raise ValueError(f"--init_{kind} {path}: {error}") from None

    return started._replace(init=init)
