"""What a recipe's networks see of its training images, after every transformation, as one picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gan_jax.data import image_files, pipeline
from gan_jax.recipes import bands, super_resolution
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment
from gan_jax.values import Values, picture, shown_channels

__all__ = ["draw"]
__dir__ = __all__.copy

_CAPTION = 14  # pixels of a line of text


def draw(config: RunConfig, experiment: Experiment, path: str | Path, *, count: int = 8) -> list[str]:
    """Writes the first `count` elements that a run trains on, a row each; lines on what they are.

    They are those of the run: its order, crops and mirrors. Low resolution that is made inside the step is made here.
    """
    batches = pipeline.batches(
        experiment.train, batch_size=count, seed=config.seed, transform=experiment.train_transform, threads=1
    )
    batch: dict[str, Any] = dict(next(batches))
    batches.close()
    if isinstance(config, super_resolution.PhotographFlags) and "source" not in batch:
        shrink = super_resolution.shrink(config)
        batch = {"source": np.stack([shrink(target) for target in batch["target"]]), **batch}
    images = {name: value for name, value in batch.items() if np.asarray(value).ndim == 4}
    lines = [f"{name}: {_described(value)}" for name, value in images.items()]
    lines += [f"{name}: {value.tolist()}" for name, value in batch.items() if name not in images]
    image_files.save(path, _grid({name: _pictures(config, name, value) for name, value in images.items()}))
    return lines


def _pictures(config: RunConfig, name: str, images: np.ndarray) -> np.ndarray:
    """Images as people see them: of arrays of channels, which are in [-1, 1] by now, those that the flags say."""
    if not isinstance(config, bands.BandFlags) or config.bands is None:
        return images
    chosen = config.input_shown if name in ("source", "A") else config.output_shown
    return picture(images, Values("float32", -1.0, 1.0), shown_channels(images.shape[-1], chosen))


def _described(images: np.ndarray) -> str:
    _, height, width, channels = images.shape
    form = ".0f" if images.dtype == np.uint8 else ".3g"
    mean = ", ".join(f"{level:{form}}" for level in images.mean(axis=(0, 1, 2)))
    ends = f"{images.min():{form}} to {images.max():{form}}"
    return f"{images.dtype} {width}x{height}, {channels} channels, {ends}, mean {mean}"


def _grid(images: Mapping[str, np.ndarray]) -> np.ndarray:
    """A column for each kind of images, all as large as the largest, enlarged pixel by pixel."""
    height = max(value.shape[1] for value in images.values())
    width = max(value.shape[2] for value in images.values())
    count = max(len(value) for value in images.values())
    sheet = Image.new("RGB", (len(images) * (width + 4), count * (height + 4) + _CAPTION), "white")
    drawing = ImageDraw.Draw(sheet)
    for column, (name, value) in enumerate(images.items()):
        left = column * (width + 4)
        drawing.text((left + 2, 1), name, fill="black")
        for row, image in enumerate(value):
            shown = Image.fromarray(image_files.in_channels(image, 3)).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(shown, (left, _CAPTION + row * (height + 4)))
    return np.asarray(sheet)
