"""Degradations: the low-resolution images that super-resolution learns from, made of high-resolution ones.

A model learns the downscaler that made its inputs, and does worse on those of another. So a degradation has a name and
plain parameters, which go into the generator's file. All of it is JAX: it runs on the device, inside the step, under
`jit` and `vmap`, and what is random in it follows from a key.
"""

import dataclasses
import functools
import math
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gan_jax import image
from gan_jax.jpeg import Subsampling, jpeg
from gan_jax.second_order import SecondOrder, Stage

__all__ = ["AnyDegradation", "Degradation", "Kind", "build", "describe", "on_host"]
__dir__ = __all__.copy

Kind = Literal["bicubic", "bilinear", "lanczos", "area", "nearest", "blur"]

_SECOND_ORDER = "second_order"
_SOFTEN, _CLEAN = 1, 2  # folded into the key: what came later leaves the other draws as they were
_BLOCK = 256  # to whose multiples images are padded
_RESAMPLED = ("bicubic", "bilinear", "lanczos", "area", "nearest")


@dataclasses.dataclass(frozen=True)
class Degradation:
    """Softening, a downscaler, noise, 8 bits, JPEG, in this order; a function of (images, key).

    By name: MATLAB's anti-aliased "bicubic", "bilinear" and "lanczos" (three lobes); "area", the mean of each
    scale x scale block; "nearest", one pixel of each block, the later of the two about its middle; "blur", a Gaussian
    and every scale-th pixel from the first on, as BasicSR does for DUF. Raises ValueError for fields that make no
    sense.
    """

    name: Kind = "bicubic"
    scale: int = 4
    kernel_size: int | None = None  # of "blur": the side of its Gaussian in pixels, odd
    sigma: float | None = None  # of "blur": the standard deviation in pixels
    noise: float | tuple[float, float] = 0.0  # standard deviation in 8-bit levels; of a pair each image draws its own
    jpeg: int | tuple[int, int] | None = None  # quality, 1 to 100; of a pair each image draws its own
    subsampling: Subsampling = "4:2:0"  # of JPEG's colors
    # Standard deviation in pixels of a Gaussian before a resampling name; of a pair each image draws its own.
    soften: float | tuple[float, float] = 0.0
    clean: float = 0.0  # the share of images that are downscaled alone: not softened, without noise and JPEG

    def __post_init__(self) -> None:
        blurs = self.kernel_size is not None and self.sigma is not None
        noise, quality = _range(self.noise), _range(1 if self.jpeg is None else self.jpeg)
        soft = _range(self.soften)
        for wrong, remedy in (
            (self.name not in (*_RESAMPLED, "blur"), f"a name among {', '.join((*_RESAMPLED, 'blur'))}"),
            (self.scale < 1, "a scale of 1 or more"),
            (self.name == "blur" and not blurs, 'a kernel_size and a sigma for "blur"'),
            (self.name != "blur" and (self.kernel_size, self.sigma) != (None, None), 'kernel_size and sigma of "blur"'),
            (blurs and (self.kernel_size or 0) % 2 == 0, "an odd kernel_size"),
            (blurs and (self.sigma or 0.0) <= 0.0, "a sigma above 0"),
            (not 0.0 <= noise[0] <= noise[1], "noise of 0 or more, or (low, high)"),
            (not 1 <= quality[0] <= quality[1] <= 100, "a JPEG quality of 1 to 100, or (low, high)"),
            (self.subsampling not in ("4:2:0", "4:4:4"), 'subsampling "4:2:0" or "4:4:4"'),
            (not 0.0 <= soft[0] <= soft[1], "soften of 0 or more, or (low, high)"),
            (self.name == "blur" and soft[1] > 0.0, 'no soften beside "blur"'),
            (not 0.0 <= self.clean < 1.0, "a clean share of 0 or more and less than 1"),
        ):
            if wrong:
                raise ValueError(f"the degradation is {dataclasses.asdict(self)}; wanted {remedy}.")

    def __call__(self, images: ArrayLike, key: jax.Array) -> jax.Array:
        """[..., H, W, C], uint8 or floats in [0, 255] -> uint8 [..., H / scale, W / scale, C].

        Raises TypeError for other integers, ValueError where the scale does not divide the sides.
        """
        x = jnp.asarray(images)
        if x.dtype != jnp.uint8 and not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"images are {x.dtype}; wanted uint8 or floats in [0, 255].")
        x = x.astype(jnp.float32)
        *leading, height, width, _ = x.shape
        if height % self.scale or width % self.scale:
            raise ValueError(
                f"images are {height}x{width}; a degradation of scale {self.scale} wants multiples of it: "
                "image.mod_crop them."
            )
        degraded = self._degraded(x, key)
        if not self.clean:
            return degraded
        is_clean = jax.random.bernoulli(jax.random.fold_in(key, _CLEAN), self.clean, (*leading, 1, 1, 1))
        return jnp.where(is_clean, image.round_to(self._downscaled(x), jnp.uint8), degraded)

    def _degraded(self, x: jax.Array, key: jax.Array) -> jax.Array:
        leading = x.shape[:-3]
        level_key, noise_key, quality_key = jax.random.split(key, 3)
        if self.soften:
            low, high = _range(self.soften)
            draws = jax.random.uniform(jax.random.fold_in(key, _SOFTEN), (*leading, 1, 1, 1), minval=low, maxval=high)
            x = _blurred(x, 2 * math.ceil(3 * high) + 1, draws)
        x = self._downscaled(x)
        if self.noise:
            low, high = _range(self.noise)
            level = jax.random.uniform(level_key, (*leading, 1, 1, 1), minval=low, maxval=high)
            x += level * jax.random.normal(noise_key, x.shape)
        levels_u8 = image.round_to(x, jnp.uint8)
        if self.jpeg is None:
            return levels_u8
        low, high = _range(self.jpeg)
        quality = jax.random.randint(quality_key, tuple(leading), low, high + 1)
        return jpeg(levels_u8, quality, subsampling=self.subsampling)

    def _downscaled(self, x: jax.Array) -> jax.Array:
        height, width = x.shape[-3:-1]
        if self.name == "blur":
            return _blurred(x, self.kernel_size or 1, self.sigma or 1.0, self.scale)
        return image.imresize(x, shape=(height // self.scale, width // self.scale), method=self.name)


AnyDegradation = Degradation | SecondOrder


def on_host(degradation: AnyDegradation, image_u8: np.ndarray) -> np.ndarray:
    """One image uint8 [H, W, C], whose sides the scale divides, on the host; its randomness follows from the image."""
    key = jax.random.key(zlib.crc32(image_u8.tobytes()))
    if not isinstance(degradation, SecondOrder):
        return np.asarray(degradation(image_u8, key))
    jax.eval_shape(degradation, image_u8, key)  # what it refuses
    # Images of any size take few programs, which compile for longer than they run.
    height, width, _ = image_u8.shape
    padded = np.pad(image_u8, [(0, -height % _BLOCK), (0, -width % _BLOCK), (0, 0)])
    low = _in_part(degradation, padded, (height, width), key)
    return np.asarray(low)[: height // degradation.scale, : width // degradation.scale]


@functools.partial(jax.jit, static_argnums=0)
def _in_part(
    degradation: SecondOrder, image_u8: jax.Array, sides: tuple[jax.Array, jax.Array], key: jax.Array
) -> jax.Array:
    low = degradation.apply(image_u8.astype(jnp.float32) / 255.0, degradation.draw(key), sides=sides)
    return image.round_to(255.0 * low, jnp.uint8)


def describe(degradation: AnyDegradation) -> dict[str, Any]:
    """A degradation as plain data, fit for JSON: its name and the fields that have a part in it.

    `build` is the way back.
    """
    fields = dataclasses.asdict(degradation)
    if isinstance(degradation, SecondOrder):
        return _plain({"name": _SECOND_ORDER, **fields})
    idle = {"kernel_size": degradation.name != "blur", "sigma": degradation.name != "blur"}
    idle |= {"subsampling": degradation.jpeg is None, "soften": not degradation.soften, "clean": not degradation.clean}
    return _plain({key: value for key, value in fields.items() if not idle.get(key)})


def build(description: Mapping[str, Any]) -> AnyDegradation:
    """The degradation that `describe` wrote down. Raises ValueError for a field that is not known."""
    fields: dict[str, Any] = _from_plain(description)
    try:
        if fields.get("name") != _SECOND_ORDER:
            return Degradation(**fields)
        del fields["name"]
        for stage in fields.keys() & {"first", "second"}:
            fields[stage] = Stage(**fields[stage])
        return SecondOrder(**fields)
    except TypeError as error:
        raise ValueError(f"no degradation can be built from {dict(description)}: {error}.") from None


def _plain(value: Any) -> Any:
    """Data with lists for tuples, at any depth, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _from_plain(value: Any) -> Any:
    """The way back."""
    if isinstance(value, Mapping):
        return {key: _from_plain(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _blurred(x: jax.Array, kernel_size: int, sigma: float | jax.Array, stride: int = 1) -> jax.Array:
    """Every `stride`-th pixel of [..., H, W, C] under a Gaussian that sums to 1; borders mirrored at the last pixel.

    `sigma` may be one an image, [..., 1, 1, 1].
    """
    half = kernel_size // 2
    offsets = np.arange(kernel_size) - half
    weights: list[Any]
    if isinstance(sigma, jax.Array):
        weights = [jnp.exp(-0.5 * (offset / jnp.maximum(sigma, 1e-3)) ** 2) for offset in offsets]
        weights = [weight / sum(weights) for weight in weights]
    else:
        levels = np.exp(-0.5 * (offsets / sigma) ** 2)
        weights = (levels / levels.sum()).tolist()
    for axis in (x.ndim - 3, x.ndim - 2):
        widths = [(0, 0)] * x.ndim
        widths[axis] = (half, half)
        padded, count = jnp.pad(x, widths, mode="reflect"), x.shape[axis]
        shifted = (jax.lax.slice_in_dim(padded, i, i + count, stride, axis) for i in range(kernel_size))
        x = sum((weight * part for weight, part in zip(weights, shifted, strict=True)), jnp.zeros(()))
    return x


def _range(value: Any) -> tuple[Any, Any]:
    """A number as the range from itself to itself."""
    return value if isinstance(value, tuple) else (value, value)
