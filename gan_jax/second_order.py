"""Real-ESRGAN's degradations: blur, resizing, noise and JPEG, all at random, and all of it a second time.

Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data". `Stage` and
`SecondOrder` are the table of what is drawn; their values are those of options/train_realesrgan_x4plus.yml in
github.com/xinntao/Real-ESRGAN. Real-ESRGAN draws how to resize, the kind of noise and the order of the last steps once
for a batch, because they decide shapes there; here each image draws everything for itself.

An image that was resized at random lies in the upper left part of an array of the largest size that it could have:
`sides` are its height and width, traced, and what lies outside of them means nothing. So one compiled step makes all.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

from gan_jax import blur, image
from gan_jax.jpeg import diff_jpeg

__all__ = [
    "FIRST",
    "KERNELS",
    "MODES",
    "SECOND",
    "Draws",
    "SecondOrder",
    "Stage",
    "StageDraws",
    "gaussian_noise",
    "interpolate",
    "photons",
    "poisson_counts",
    "poisson_noise",
]
__dir__ = __all__.copy

KERNELS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
MODES = ("area", "bilinear", "bicubic")  # of resizing, one as likely as the other
_EVENLY = (1 / 3,) * 3
_SIDE = 21  # of the largest kernel
_COUNTS = 512  # of photons: those of white, 256 at most, and 16 standard deviations
_HIGHEST = jax.lax.Precision.HIGHEST  # accelerators would multiply matrices in TF32 or bfloat16 by default
_GRAY_WEIGHTS = ((0.2989, 0.587, 0.114),)  # torchvision's luma

_Range = tuple[float, float]
_Sides = tuple[int | jax.Array, int | jax.Array]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One round of blur, resizing, noise and JPEG: probabilities, and the ranges of what is drawn evenly from them."""

    blur_probability: float = 1.0
    kernel_probabilities: tuple[float, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)  # of KERNELS
    sinc_probability: float = 0.1  # of a sinc in their place
    sigma: _Range = (0.2, 3.0)  # widths of kernels in pixels
    generalized_beta: _Range = (0.5, 4.0)  # half of the time from below 1, half of the time from above
    plateau_beta: _Range = (1.0, 2.0)  # the same
    resize_probabilities: tuple[float, float, float] = (0.2, 0.7, 0.1)  # up, down, neither
    factor: _Range = (0.15, 1.5)  # of the sides: down from the first to 1, up from 1 to the second
    gaussian_probability: float = 0.5  # of Gaussian noise; else it is Poisson's
    gaussian_sigma: _Range = (1.0, 30.0)  # in 8-bit levels
    poisson_scale: _Range = (0.05, 3.0)  # 1 is the noise of counting as many photons as the image has values
    gray_probability: float = 0.4  # of noise that all channels share
    quality: _Range = (30.0, 95.0)  # of JPEG

    def __post_init__(self) -> None:
        chances = (self.blur_probability, self.sinc_probability, self.gaussian_probability, self.gray_probability)
        choices = (self.kernel_probabilities, self.resize_probabilities)
        ranges = (self.sigma, self.gaussian_sigma, self.poisson_scale, self.quality)
        for wrong, remedy in (
            (any(not 0.0 <= chance <= 1.0 for chance in (*chances, *sum(choices, ()))), "probabilities of 0 to 1"),
            ([len(choice) for choice in choices] != [len(KERNELS), 3], f"{len(KERNELS)} kernels' and 3 resizings'"),
            (any(not math.isclose(sum(choice), 1.0) for choice in choices), "choices that sum to 1"),
            (any(not 0.0 <= low <= high for low, high in ranges), "ranges (low, high) from 0 on"),
            (self.sigma[0] <= 0.0, "a sigma above 0"),
            (not 0.0 < self.factor[0] <= 1.0 <= self.factor[1], "a factor from above 0 to 1, and from 1 on"),
            (not 1.0 <= self.quality[0] <= self.quality[1] < 100.0, "a quality of 1 to below 100"),
        ):
            if wrong:
                raise ValueError(f"a stage of degradations is {dataclasses.asdict(self)}; wanted {remedy}.")


FIRST = Stage()
SECOND = Stage(
    blur_probability=0.8,
    sigma=(0.2, 1.5),
    resize_probabilities=(0.3, 0.4, 0.3),
    factor=(0.3, 1.2),
    gaussian_sigma=(1.0, 25.0),
    poisson_scale=(0.05, 2.5),
)


class StageDraws(NamedTuple):
    """What is random in one stage for one image."""

    kernel: jax.Array  # [21, 21]
    mode: jax.Array  # of resizing, an index of MODES
    factor: jax.Array  # of resizing
    gaussian: jax.Array  # whether noise is Gaussian
    sigma: jax.Array
    poisson_scale: jax.Array
    gray: jax.Array  # whether channels share it
    noise: jax.Array  # the key of its pixels
    quality: jax.Array


class Draws(NamedTuple):
    """What is random for one image."""

    first: StageDraws
    second: StageDraws
    mode: jax.Array  # of the last resizing
    sinc: jax.Array  # [21, 21], the last filter
    jpeg_last: jax.Array  # whether JPEG comes after the last filter, and not before the last resizing


@dataclasses.dataclass(frozen=True)
class SecondOrder:
    """Two stages, of which the second ends at 1 / scale of the sides, with a sinc before or after its JPEG.

    A function of (images, key), as `degrade.Degradation`. The factors of the second stage are relative to the result.
    """

    scale: int = 4
    first: Stage = FIRST
    second: Stage = SECOND
    final_sinc_probability: float = 0.8

    def __post_init__(self) -> None:
        if self.scale < 1 or not 0.0 <= self.final_sinc_probability <= 1.0:
            raise ValueError(
                f"the scale is {self.scale} and the final sinc's probability {self.final_sinc_probability}; wanted 1 "
                "or more, and 0 to 1."
            )

    def __call__(self, images: ArrayLike, key: jax.Array) -> jax.Array:
        """[..., H, W, C], uint8 or floats in [0, 255], of 1 or 3 channels -> uint8 [..., H / scale, W / scale, C].

        Raises TypeError for other integers, ValueError where the scale does not divide the sides, for other channel
        counts, and where a resizing would leave nothing.
        """
        x = jnp.asarray(images)
        if x.dtype != jnp.uint8 and not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"images are {x.dtype}; wanted uint8 or floats in [0, 255].")
        *leading, height, width, channels = x.shape
        if height % self.scale or width % self.scale:
            raise ValueError(
                f"images are {height}x{width}; a degradation of scale {self.scale} wants multiples of it: "
                "image.mod_crop them."
            )
        if channels not in (1, 3):
            raise ValueError(f"images have {channels} channels; these degradations want 1 or 3.")
        smallest = min(height, width) * min(self.first.factor[0], self.second.factor[0] / self.scale)
        if smallest < 1.0:
            raise ValueError(f"images are {height}x{width}; resizing would leave nothing of them: take larger ones.")
        levels = x.reshape(-1, height, width, channels).astype(jnp.float32)
        keys = jax.random.split(key, len(levels))
        degraded = jax.vmap(lambda one, its: self.apply(one / 255.0, self.draw(its)))(levels, keys)
        return image.round_to(255.0 * degraded, jnp.uint8).reshape(*leading, *degraded.shape[1:])

    def draw(self, key: jax.Array) -> Draws:
        """The draws for one image."""
        first, second, chances = jax.random.split(key, 3)
        chance = iter(jax.random.uniform(chances, (5,)))
        ring = blur.sinc(_SIDE, size=_size(chance), cutoff=_between(chance, (math.pi / 3, math.pi)))
        return Draws(
            first=_draw_stage(first, self.first),
            second=_draw_stage(second, self.second),
            mode=_pick(chance, _EVENLY),
            sinc=jnp.where(next(chance) < self.final_sinc_probability, ring, _pulse()),
            jpeg_last=next(chance) < 0.5,
        )

    def apply(self, original: ArrayLike, draws: Draws, *, sides: _Sides | None = None) -> jax.Array:
        """An image [H, W, C] in [0, 1] -> [H / scale, W / scale, C], neither clipped nor rounded.

        `sides`, which may be traced, are those of the upper left part that is the image, H and W unless given.
        """
        x = jnp.asarray(original)
        height, width, _ = x.shape
        rows, columns = (height, width) if sides is None else sides
        result, result_sides = (height // self.scale, width // self.scale), (rows // self.scale, columns // self.scale)
        first, second = draws.first, draws.second

        x = blur.filter2d(x, first.kernel, sides=(rows, columns))
        largest, now = _largest((height, width), self.first), _times((rows, columns), first.factor)
        steps = (1.0 / first.factor,) * 2
        x = interpolate(x, largest, mode=first.mode, sides=(rows, columns), new_sides=now, steps=steps)
        x = diff_jpeg(_noisy(x, first, now), first.quality, sides=now)

        x = blur.filter2d(x, second.kernel, sides=now)
        largest, then = _largest(result, self.second), _times(result_sides, second.factor)
        x = interpolate(x, largest, mode=second.mode, sides=now, new_sides=then)
        x = _noisy(x, second, then)

        x = jnp.where(draws.jpeg_last, x, diff_jpeg(x, second.quality, sides=then))
        x = interpolate(x, result, mode=draws.mode, sides=then, new_sides=result_sides)
        x = blur.filter2d(x, draws.sinc, sides=result_sides)
        last = diff_jpeg(jnp.clip(x, 0.0, 1.0), second.quality, sides=result_sides)
        return jnp.where(draws.jpeg_last, last, x)


def interpolate(
    photo: ArrayLike,
    shape: tuple[int, int],
    *,
    mode: ArrayLike,
    sides: _Sides | None = None,
    new_sides: _Sides | None = None,
    steps: _Sides | None = None,
) -> jax.Array:
    """An image [H, W, C] resized as torch.nn.functional.interpolate does, without anti-aliasing: [*shape, C].

    `mode` is an index of MODES: "area" takes means of the pixels that a new one touches, "bicubic" has a = -0.75. It,
    and sizes, may be traced: the upper left part of `sides` becomes that of `new_sides`, where they are not the whole,
    and the rest of the result means nothing. `steps` are the distances of new pixels in old ones, sides / new_sides
    unless given; torch's are 1 / scale_factor where it is given a scale_factor.
    """
    x = jnp.asarray(photo)
    for axis in (0, 1):
        old = x.shape[axis] if sides is None else sides[axis]
        new = shape[axis] if new_sides is None else new_sides[axis]
        step = old / jnp.asarray(new, x.dtype) if steps is None else steps[axis]
        matrix = _resampling_matrix(x.shape[axis], shape[axis], old, new, step, mode).astype(x.dtype)
        x = jnp.moveaxis(jnp.tensordot(x, matrix, (axis, 1), precision=_HIGHEST), -1, axis)
    return x


def gaussian_noise(photo: ArrayLike, normal: ArrayLike, *, sigma: ArrayLike, gray: ArrayLike) -> jax.Array:
    """An image [H, W, C] in [0, 1] with `sigma` levels of 8 bits of the noise `normal` [H, W, C], clipped.

    Where it is `gray`, the first channel's noise is that of all.
    """
    draws = jnp.where(gray, jnp.asarray(normal)[..., :1], normal)
    return jnp.clip(photo + draws * (sigma / 255.0), 0.0, 1.0)


def photons(photo: ArrayLike, *, gray: ArrayLike, sides: _Sides | None = None) -> tuple[jax.Array, jax.Array]:
    """The 8-bit levels [H, W, C], int32, of an image in [0, 1], and the number of photons that white stands for.

    That is the number of different levels in the image, or the next power of 2. Where noise is `gray`, they are those
    of the luma, in all channels.
    """
    x = jnp.asarray(photo)
    luma = image.mix_channels(x, _GRAY_WEIGHTS) if x.shape[-1] == 3 else x
    levels = image.round_to(255.0 * jnp.where(gray, luma, x), jnp.uint8).astype(jnp.int32)
    height, width, _ = x.shape
    rows, columns = (height, width) if sides is None else sides
    inside = (jnp.arange(height) < rows)[:, None] & (jnp.arange(width) < columns)
    found = jnp.zeros(256, bool).at[jnp.where(inside[..., None], levels, 256)].set(True, mode="drop")
    # The power by whole numbers: a logarithm's last digit must not double it.
    return levels, 2 ** jnp.sum(2 ** jnp.arange(8) < found.sum())


def poisson_counts(uniform: ArrayLike, levels: ArrayLike, white: ArrayLike) -> jax.Array:
    """Counts [...] of Poisson's distribution about levels [...] / 255 * white, white at most 256, from uniform [...].

    They are the first whose cumulated probability is above `uniform`: one draw a pixel, where `jax.random.poisson`
    draws until the last of all pixels is done.
    """
    rates = jnp.arange(256)[:, None] / 255.0 * white
    counts = np.arange(_COUNTS)
    factorials = np.concatenate([[0.0], np.log(counts[1:]).cumsum()])
    below = jnp.exp(xlogy(counts, rates) - rates - factorials).cumsum(axis=1)
    below = (below / below[:, -1:]).ravel()
    start = _COUNTS * jnp.asarray(levels)
    found = start
    for step in 2 ** np.arange(_COUNTS.bit_length() - 2, -1, -1):
        found = jnp.where(below[found + step - 1] <= uniform, found + step, found)
    return found - start


def poisson_noise(
    photo: ArrayLike, counts: ArrayLike, *, scale: ArrayLike, gray: ArrayLike, sides: _Sides | None = None
) -> jax.Array:
    """An image [H, W, C] in [0, 1] with `scale` times the noise of `counts` [H, W, C] of its `photons`; clipped.

    Where noise is `gray`, the first channel's is that of all.
    """
    levels, white = photons(photo, gray=gray, sides=sides)
    noise = counts / white - levels / 255.0
    return jnp.clip(photo + scale * jnp.where(gray, noise[..., :1], noise), 0.0, 1.0)


def _noisy(x: jax.Array, draws: StageDraws, sides: _Sides) -> jax.Array:
    """An image in [0, 1] with the noise of a stage."""
    # One uniform number a pixel makes either kind.
    uniform = jax.random.uniform(draws.noise, x.shape, minval=jnp.finfo(x.dtype).tiny)
    normal = jax.scipy.special.ndtri(uniform)
    counts = poisson_counts(uniform, *photons(x, gray=draws.gray, sides=sides))
    return jnp.where(
        draws.gaussian,
        gaussian_noise(x, normal, sigma=draws.sigma, gray=draws.gray),
        poisson_noise(x, counts, scale=draws.poisson_scale, gray=draws.gray, sides=sides),
    )


def _draw_stage(key: jax.Array, stage: Stage) -> StageDraws:
    chances, noise = jax.random.split(key)
    chance = iter(jax.random.uniform(chances, (20,)))
    kernel = jnp.where(next(chance) < stage.blur_probability, _draw_kernel(chance, stage), _pulse())
    share = next(chance)
    down, up = (1.0 + share * (limit - 1.0) for limit in stage.factor)
    return StageDraws(
        kernel=kernel,
        mode=_pick(chance, _EVENLY),
        factor=jnp.stack([up, down, jnp.ones_like(up)])[_pick(chance, stage.resize_probabilities)],
        gaussian=next(chance) < stage.gaussian_probability,
        sigma=_between(chance, stage.gaussian_sigma),
        poisson_scale=_between(chance, stage.poisson_scale),
        gray=next(chance) < stage.gray_probability,
        noise=noise,
        quality=_between(chance, stage.quality),
    )


def _draw_kernel(chance: Iterator[jax.Array], stage: Stage) -> jax.Array:
    """One of KERNELS, or a sinc."""

    def beta(limits: _Range) -> jax.Array:
        limit = jnp.where(next(chance) < 0.5, *limits)
        return 1.0 + next(chance) * (limit - 1.0)

    size, kind = _size(chance), _pick(chance, stage.kernel_probabilities)
    isotropic = kind % 2 == 0
    sigma_x, sigma_y = _between(chance, stage.sigma), _between(chance, stage.sigma)
    sigma = jnp.stack([sigma_x, jnp.where(isotropic, sigma_x, sigma_y)])
    angle = _between(chance, (-math.pi, math.pi))
    generalized = jnp.where(kind < 2, 1.0, beta(stage.generalized_beta))
    kernel = jnp.where(
        kind < 4,
        blur.gaussian(_SIDE, sigma, angle=angle, beta=generalized, size=size),
        blur.plateau(_SIDE, sigma, angle=angle, beta=beta(stage.plateau_beta), size=size),
    )
    low = jnp.where(size < 13, math.pi / 3, math.pi / 5)
    ring = blur.sinc(_SIDE, low + next(chance) * (math.pi - low), size=size)
    return jnp.where(next(chance) < stage.sinc_probability, ring, kernel)


def _between(chance: Iterator[jax.Array], limits: _Range) -> jax.Array:
    return limits[0] + next(chance) * (limits[1] - limits[0])


def _pick(chance: Iterator[jax.Array], probabilities: tuple[float, ...]) -> jax.Array:
    """An index of `probabilities`, as likely as they say."""
    return (next(chance) >= np.cumsum(probabilities)[:-1]).sum()


def _size(chance: Iterator[jax.Array]) -> jax.Array:
    """Of a kernel: 7, 9, ... 21, one as likely as the other."""
    sizes = (_SIDE - 7) // 2 + 1
    return 7 + 2 * _pick(chance, (1.0 / sizes,) * sizes)


def _pulse() -> jax.Array:
    """The kernel that changes nothing."""
    return jnp.zeros((_SIDE, _SIDE)).at[_SIDE // 2, _SIDE // 2].set(1.0)


def _times(sides: _Sides, factor: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, columns = (jnp.floor(side * factor).astype(jnp.int32) for side in sides)
    return rows, columns


def _largest(shape: tuple[int, int], stage: Stage) -> tuple[int, int]:
    return int(shape[0] * stage.factor[1]), int(shape[1] * stage.factor[1])


def _resampling_matrix(
    length: int, new_length: int, old: ArrayLike, new: ArrayLike, step: ArrayLike, mode: ArrayLike
) -> jax.Array:
    """Weights [new_length, length] of the `old` pixels in the `new` ones; rows and columns after those mean nothing."""
    rows, columns = jnp.arange(new_length)[:, None], jnp.arange(length)
    start, end = (rows * old) // new, -((-(rows + 1) * old) // new)
    area = ((columns >= start) & (columns < end)) / (end - start)

    def taps(positions: jax.Array, weights: list[jax.Array], before: int) -> jax.Array:
        places = jnp.floor(positions).astype(jnp.int32)
        each = (
            jnp.where(columns == jnp.clip(places + i - before, 0, old - 1), weight, 0.0)
            for i, weight in enumerate(weights)
        )
        return sum(each, jnp.zeros(()))

    center = (rows + 0.5) * step - 0.5
    clamped = jnp.maximum(center, 0.0)
    t = clamped - jnp.floor(clamped)
    bilinear = taps(clamped, [1.0 - t, t], 0)
    t = center - jnp.floor(center)
    bicubic = taps(center, [_far(1.0 + t), _near(t), _near(1.0 - t), _far(2.0 - t)], 1)
    return jnp.stack([area, bilinear, bicubic])[mode]


def _near(distance: jax.Array) -> jax.Array:
    return (1.25 * distance - 2.25) * distance**2 + 1.0


def _far(distance: jax.Array) -> jax.Array:
    return ((-0.75 * distance + 3.75) * distance - 6.0) * distance + 3.0
