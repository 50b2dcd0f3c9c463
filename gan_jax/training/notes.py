"""What a run says of its images: how far their scores can be trusted, and what to do where reading them is slow."""

import os
from collections.abc import Iterable, Mapping

import numpy as np

from gan_jax.data.pipeline import Source
from gan_jax.data.sources import fingerprint
from gan_jax.training.experiment import Evaluator

__all__ = ["of_scores", "of_waiting"]
__dir__ = __all__.copy

_FEW = 8  # images: scores of fewer say more of these images than of a generator
_LARGE = 4  # times the pixels that training takes of an image: most of what is read is for nothing


def of_scores(evaluator: Evaluator) -> list[str]:
    """What the numbers of its images make of an evaluator's scores, a sentence each."""
    splits = evaluator.splits
    if all(source is None for source in splits.values()):
        return ["there are no images to validate and to test on, and so no scores; add a folder val or test."]
    if not evaluator.has_scores:
        return []
    notes = []
    for name, test in splits.items():
        val = splits.get(name.replace("test", "val", 1))
        if not name.startswith("test") or test is None or val is None:
            continue
        same = fingerprint(val) == fingerprint(test)
        if same:
            notes.append(
                f"validation and the test have the same {_counted(test)}: the best generator is chosen on the test "
                "images, so its scores there flatter it; give val and test images of their own."
            )
        notes += [
            f"{split} has {_counted(source)}: with fewer than {_FEW} images, scores mean little."
            for split, source in (("the test", test), ("validation", val))[: 1 if same else 2]
            if len(source) < _FEW
        ]
    return list(dict.fromkeys(notes))  # the directions of CycleGAN have the same pairs


def _counted(source: Source) -> str:
    return "1 image" if len(source) == 1 else f"{len(source)} images"


def of_waiting(threads: int, train: Source, example: Mapping[str, np.ndarray], share: float) -> str:
    """What to do where such a share of the time is waiting for data, read by so many threads.

    `example` is a batch, [N, H, W, C] for each kind of images.
    """
    items = [train[k * len(train) // 4] for k in range(4)]
    sizes = [_largest(part for part in item.values() if isinstance(part, np.ndarray)) for item in items]
    pixels = float(np.mean([height * width for height, width in sizes]))
    height, width = _largest(images[0] for images in example.values())
    cores = os.cpu_count() or 1
    advice = []
    if pixels > _LARGE * height * width:
        advice.append("give --cache ram or prepare the images (gan-jax data prepare)")
    if threads < cores:
        advice.append(f"give --num_threads {cores}")
    return (
        f"{share:.0%} of the time is waiting for data: images have {pixels / 1e6:.2g} megapixels and training takes "
        f"{width}x{height} of each, read by --num_threads {threads} on {cores} cores; "
        + (" and ".join(advice) or "these cores read no faster, and a larger network would take little longer")
        + "."
    )


def _largest(arrays: Iterable[np.ndarray]) -> tuple[int, int]:
    """Height and width of the largest image [H, W, C]."""
    return max(((a.shape[0], a.shape[1]) for a in arrays if a.ndim == 3), key=lambda size: size[0] * size[1])
