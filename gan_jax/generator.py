"""The older names of `gan_jax.model`, whose values are critics and classifiers too."""

from gan_jax import model

__all__ = ["BESIDE", "FORMAT_VERSION", "Direction", "Generator", "GeneratorSpec", "find", "is_foreign", "load", "save"]
__dir__ = __all__.copy

Generator = model.Model
GeneratorSpec = model.ModelSpec
BESIDE = model.BESIDE
FORMAT_VERSION = model.FORMAT_VERSION
Direction = model.Direction
find, is_foreign, load, save = model.find, model.is_foreign, model.load, model.save
