"""One recipe a paper: its flags and presets, and the experiment that they mean. `gan-jax train NAME` runs them."""

import importlib
from typing import Any

__all__ = ["NAMES", "load"]
__dir__ = __all__.copy

NAMES = ("pix2pix", "cyclegan", "srgan", "dcgan", "wgan")


def load(name: str) -> Any:
    """The `recipe.Recipe` of that name, one of NAMES; JAX is imported only here."""
    return importlib.import_module(f"gan_jax.recipes.{name}").RECIPE
