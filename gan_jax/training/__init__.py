"""What a run does: batches, steps, devices, checkpoints, the log, validation, and what is scored at its end."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax.training.loop import fit

__all__ = ["fit"]
__dir__ = __all__.copy


def __getattr__(name: str) -> Any:
    if name != "fit":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gan_jax.training.loop import fit  # when it is asked for: modules of this room are imported without the loop

    return fit
