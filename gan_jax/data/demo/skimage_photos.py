"""Real photographs without a download: those that scikit-image installs, as a folder to train on."""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

__all__ = ["SHORTEST_SIDE", "SPLITS", "installed", "prepare"]
__dir__ = __all__.copy

# One scene is in one split. The cat and the coffee are kept for test: everyday things with plausible colors.
SPLITS = {
    "train": ("astronaut.png", "motorcycle_left.png", "hubble_deep_field.jpg", "retina.jpg", "ihc.png"),
    "val": ("rocket.jpg",),
    "test": ("chelsea.png", "coffee.png"),
}
SHORTEST_SIDE = 256  # so that a crop of 64 shows parts of things rather than texture


def installed() -> Path:
    """The folder of scikit-image's images. Raises ModuleNotFoundError without it, the `photos` extra."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the photographs come with scikit-image; pip install 'gan_jax[photos]'.")
    return Path(spec.submodule_search_locations[0], "data")


def prepare(folder: str | Path) -> dict[str, int]:
    """Write the color photographs as PNG files below folder/train, val and test; the number in each.

    Raises ModuleNotFoundError as `installed` does.
    """
    folder, source = Path(folder), installed()
    for split, files in SPLITS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for file in files:
            with Image.open(source / file) as photo:
                scale = SHORTEST_SIDE / min(photo.size)
                size = (round(photo.width * scale), round(photo.height * scale))
                small = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            small.save(folder / split / f"{Path(file).stem}.png")
    return {split: len(files) for split, files in SPLITS.items()}
