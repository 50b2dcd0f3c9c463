"""What validation images say of a generator: colors upside down, one image for every input, flat images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_jax.data import transforms
from gan_jax.scores import ScoreKey

__all__ = ["measures", "warnings"]
__dir__ = __all__.copy

_FAMILY = "health"
_SIDE = 16  # large structures decide, and images of any sizes compare
_INVERTED, _FLAT = -0.3, 4.0
# Of variety, between what runs that collapsed had and what the others had after so many steps: docs/cyclegan.md.
_COLLAPSED, _SETTLED = 0.3, 300


def measures(
    outputs_u8: Sequence[np.ndarray],
    references_u8: Sequence[np.ndarray],
    real_u8: Sequence[np.ndarray] | None = None,
) -> dict[str, float]:
    """Numbers of images uint8 [H, W, C] and what they are compared with: their targets or, unknown, their inputs.

    "agreement": mean correlation, from -1 to 1, of their light and dark with the reference's. "variety": the outputs'
    standard deviation over the images, over that of real images of their kind, the references unless given.
    "contrast": their mean standard deviation within an image, of 255. What is not defined, as the variety of one
    image, is left out.
    """
    outputs, references, real = (
        np.stack([transforms.resize(transforms.gray(image), _SIDE, _SIDE).ravel() for image in images]).astype(float)
        for images in (outputs_u8, references_u8, references_u8 if real_u8 is None else real_u8)
    )
    measured = {"contrast": float(np.mean([image.std() for image in outputs_u8]))}
    both = [(a, b) for a, b in zip(outputs, references, strict=True) if a.std() and b.std()]
    if both:
        measured["agreement"] = float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in both]))
    spread, of_real = (images.std(axis=0).mean() for images in (outputs, real))
    if of_real and len(outputs) > 1:
        measured["variety"] = float(spread / of_real)
    return {str(ScoreKey(name, _FAMILY)): value for name, value in measured.items()}


def warnings(scores: Mapping[str, float], *, earlier: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong, a sentence each, where scores hold what `measures` found, under the generator's name or none.

    `earlier` are the "step" and the scores of the validation before, or {}: little variety is said where it was little
    then too, some hundred steps from the start, since every generator begins with nearly one image for all. None:
    the scores are judged alone, as those at a run's end.
    """
    settled = earlier is None or earlier.get("step", 0) >= _SETTLED
    words = []
    for key, value in scores.items():
        measure, family, generator = ScoreKey.parse(key)
        which = f"{generator}: " if generator else ""
        if family != _FAMILY:
            continue
        if measure == "agreement" and value < _INVERTED:
            words.append(
                f"{which}light and dark are the reverse of what they should be (correlation {value:.2f}): the colors "
                "may be inverted; begin anew with another --seed or, in CycleGAN, a larger --lambda_identity."
            )
        lasts = settled and (earlier is None or earlier.get(key, 1.0) < _COLLAPSED)
        if measure == "variety" and value < _COLLAPSED and lasts:
            words.append(
                f"{which}different inputs give nearly the same image ({value:.0%} of the variety that there should "
                "be): the generator has collapsed, or needs far more steps; where this stays, begin anew with a lower "
                "--lr, another --gan_mode or more images."
            )
        if measure == "contrast" and value < _FLAT:
            words.append(
                f"{which}the images are flat (standard deviation {value:.1f} of 255): black, white or one color; "
                "begin anew with a lower --lr, and look at the training images."
            )
    return words
