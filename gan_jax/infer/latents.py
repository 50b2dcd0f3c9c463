"""Generators of images from latents: samples, grids and interpolations, as arrays and as files."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import image, networks
from gan_jax.data import image_files
from gan_jax.latents import Distribution, between
from gan_jax.model import Model

__all__ = [
    "COLUMNS",
    "UnfitError",
    "class_rows",
    "classes_of",
    "interpolations",
    "label_of",
    "labels_in_turn",
    "latents_of",
    "sample",
    "write",
]
__dir__ = __all__.copy

COLUMNS = 8  # of a grid; images on the way between two latents
_BATCH = 64  # samples a call: always so many, so that a sample does not depend on how many are asked for


class UnfitError(ValueError):
    """A generator that cannot do what is asked of it."""


def latents_of(generator: Model, count: int, *, seed: int = 0) -> np.ndarray:
    """The first `count` latents [count, Z] of a seed: latent i does not depend on the count.

    Raises UnfitError for a generator that does not start from latents.
    """
    distribution = _distribution(generator)
    size = generator.spec.in_channels
    # On the host: JAX's random numbers take XLA longer to compile for the CPU than a run of this program lasts.
    generators = (np.random.default_rng((seed, i)) for i in range(count))
    drawn = [rng.normal(size=size) if distribution == "normal" else rng.uniform(-1.0, 1.0, size) for rng in generators]
    return np.array(drawn, np.float32).reshape(count, size)


def classes_of(generator: Model) -> int:
    """How many classes a generator is told apart by; 0 for one without labels."""
    return int(generator.spec.architecture.get("classes", 0))


def label_of(generator: Model, name: str) -> int:
    """The label of the class that is called so, or of that number where none is.

    Raises UnfitError for a generator that does not start from latents, and where no class is meant.
    """
    _distribution(generator)
    known, names = classes_of(generator), generator.spec.classes or ()
    if name in names:
        return names.index(name)
    if names and all(each.isdecimal() for each in names):  # then a number is a name, and no other's place
        raise UnfitError(f"no class is {name}; wanted a name, behind its label: {generator.spec.classes_in_words}.")
    if name.isdecimal() and int(name) < known:
        return int(name)
    if not known:
        raise UnfitError(f"the generator has no classes, so none is {name}; leave out --label.")
    numbers = f"a number from 0 to {known - 1}"
    if not names:
        raise UnfitError(f"no class is {name}, and the generator's file has no names of classes; wanted {numbers}.")
    raise UnfitError(f"no class is {name}; wanted {numbers}, or a name: {generator.spec.classes_in_words}.")


def sample(generator: Model, z: np.ndarray, labels: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Images uint8 [N, H, W, C] of latents [N, Z] and, for a generator with classes, labels [N].

    Raises UnfitError for a generator that does not start from latents, and where labels and its classes do not go
    together.
    """
    _distribution(generator)
    known = classes_of(generator)
    if known and labels is None:
        raise UnfitError(f"the generator has {known} classes; wanted a label for each image.")
    if labels is not None and not (known and all(0 <= label < known for label in labels)):
        got = sorted({int(label) for label in labels})
        raise UnfitError(f"labels are {got}; " + (f"wanted 0 to {known - 1}." if known else "the generator has none."))
    run = _compiled(generator.module, generator.spec.output_range)
    parts = []
    for start in range(0, len(z), _BATCH):
        share = z[start : start + _BATCH]
        rest = _BATCH - len(share)
        inputs = [np.pad(share, ((0, rest), (0, 0)))]
        if labels is not None:
            inputs.append(np.pad(np.asarray(labels[start : start + _BATCH], np.int32), (0, rest)))
        parts.append(np.asarray(run(generator.variables, *inputs))[: len(share)])
    return np.concatenate(parts)


@functools.cache
def _compiled(module: Any, output_range: tuple[float, float]) -> Any:
    network = networks.from_linen(module)

    def run(variables: Any, *inputs: jax.Array) -> jax.Array:
        outputs, _ = network.apply(variables["params"], variables["stats"], *inputs, train=False)
        return image.to_uint8(image.rescale(outputs, output_range, (-1.0, 1.0)))

    return jax.jit(run)


def _distribution(generator: Model) -> Distribution:
    if generator.spec.latent is None:
        raise UnfitError(
            f"it holds a {generator.spec.kind} of {generator.spec.method}, which makes no images from latents; "
            "images go through gan-jax translate."
        )
    return generator.spec.latent


def labels_in_turn(classes: int, count: int) -> np.ndarray:
    """Labels [count] in which all classes take turns."""
    return np.arange(count, dtype=np.int32) % max(classes, 1)


def class_rows(generator: Model, *, seed: int = 0) -> np.ndarray:
    """A grid [H, W, C] with a row a class and the same eight latents in each; without classes, of 64 samples."""
    known = classes_of(generator)
    if not known:
        return np.asarray(image.grid(sample(generator, latents_of(generator, COLUMNS**2, seed=seed)), COLUMNS))
    z = np.tile(latents_of(generator, COLUMNS, seed=seed), (known, 1))
    return np.asarray(image.grid(sample(generator, z, np.repeat(np.arange(known), COLUMNS)), COLUMNS))


def interpolations(generator: Model, *, rows: int = 8, seed: int = 0, label: int | None = None) -> np.ndarray:
    """Images [rows * 8, H, W, C]: each eight go from one latent to another, with one label, or classes in turn."""
    z, distribution = latents_of(generator, 2 * rows, seed=seed), _distribution(generator)
    ways = [between(z[2 * i], z[2 * i + 1], COLUMNS, distribution) for i in range(rows)]
    labels = _labels(generator, rows, label)
    labels = None if labels is None else np.repeat(labels, COLUMNS)
    return sample(generator, np.concatenate(ways), labels)


def _labels(generator: Model, count: int, label: int | None) -> np.ndarray | None:
    known = classes_of(generator)
    if label is not None:
        return np.full(count, label)
    return labels_in_turn(known, count) if known else None


def write(
    generator: Model,
    output: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    label: int | None = None,
    interpolate: bool = False,
) -> int:
    """Writes samples as one grid, where `output` is a .png, or each into that folder; returns how many they are.

    `count` is 64 unless given, and the grid of a generator with classes then has a row a class. Raises UnfitError as
    `sample` does, and ValueError for a file of another kind and a count of interpolations that fills no row.
    """
    output = Path(output)
    _distribution(generator)
    if output.suffix and output.suffix.lower() != ".png":
        raise ValueError(f"{output}: a grid is written as .png; give it that name, or name a folder.")
    is_grid = bool(output.suffix)
    known = classes_of(generator)
    if is_grid and known and count is None and label is None and not interpolate:
        image_files.save(output, class_rows(generator, seed=seed))
        return known * COLUMNS
    count = count or COLUMNS**2
    if interpolate:
        if count % COLUMNS:
            raise ValueError(f"--n is {count}; interpolations are rows of {COLUMNS}: wanted a multiple of it.")
        images = interpolations(generator, rows=count // COLUMNS, seed=seed, label=label)
    else:
        images = sample(generator, latents_of(generator, count, seed=seed), _labels(generator, count, label))
    if is_grid:
        image_files.save(output, np.asarray(image.grid(images, min(count, COLUMNS))))
    else:
        for index, array in enumerate(images):
            image_files.save(output / f"{index:05d}.png", array)
    return count
