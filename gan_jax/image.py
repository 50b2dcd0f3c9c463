"""Image arithmetic in jax.numpy: value ranges, colors, borders, pixel shuffle, contact sheets, resampling.

Images are [..., H, W, C] with any leading axes, which results keep; floats are in [-1, 1] unless a docstring says
otherwise. Colors and `imresize` take integers as they are and return float32. Where a formula needs the value of
white, uint8 and uint16 say it themselves, and all others want `max_value`: see `peak`.

The examples assume `import jax.numpy as jnp` and `from gan_jax import image`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

__all__ = [
    "LUMA_WEIGHTS",
    "colored",
    "crop_border",
    "full_range_luma",
    "grid",
    "imresize",
    "lab_to_rgb",
    "lightness",
    "luma",
    "mix_channels",
    "mod_crop",
    "opponents",
    "peak",
    "pixel_shuffle",
    "pixel_unshuffle",
    "resampling_weights",
    "rescale",
    "rgb_to_lab",
    "rgb_to_ycbcr",
    "round_to",
    "to_float",
    "to_uint8",
    "ycbcr_to_rgb",
]
__dir__ = __all__.copy

_Array = TypeVar("_Array", jax.Array, np.ndarray)  # what is computed where its argument is: on the device, on the host

# ITU-R BT.601 weights of R, G and B in full-range luma.
LUMA_WEIGHTS = (0.299, 0.587, 0.114)

# The same in studio range, and Cb and Cr: [0, 1] RGB to 16..235 and 16..240, the digits of MATLAB's rgb2ycbcr.
_YCBCR_WEIGHTS = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_YCBCR_OFFSETS = (16.0, 128.0, 128.0)

# Accelerators would multiply matrices in TF32 or bfloat16 by default.
_HIGHEST = jax.lax.Precision.HIGHEST

# What float32 leaves of 0 and of white after the way to Lab and back.
_ROUNDING = 1e-5

# Linear sRGB to CIE XYZ, from the primaries and the white point D65 (0.3127, 0.3290) of IEC 61966-2-1.
_RGB_TO_XYZ = (
    (0.4123907993, 0.3575843394, 0.1804807884),
    (0.2126390059, 0.7151686788, 0.0721923154),
    (0.0193308187, 0.1191947798, 0.9505321522),
)


def peak(*images: ArrayLike, max_value: float | None = None) -> float:
    """The value of white in all of the images: `max_value`, or else 255 of uint8 and 65535 of uint16.

    Raises TypeError where `max_value` is not given and the images are of another dtype, which does not tell a range,
    or of two, which tell two.

    >>> image.peak(jnp.zeros((2, 2, 3), jnp.uint8)), image.peak(jnp.zeros((2, 2, 3)), max_value=1.0)
    (255.0, 1.0)
    """
    if max_value is not None:
        return max_value
    dtypes = list(dict.fromkeys(jnp.result_type(array) for array in images))
    if len(dtypes) > 1 or dtypes[0] not in (jnp.uint8, jnp.uint16):
        raise TypeError(
            f"images are {' and '.join(map(str, dtypes))}, whose range is not known; give max_value, the white of all: "
            "1.0 for [0, 1], 255.0 for 8-bit levels (bring [-1, 1] to [0, 1] first)."
        )
    return float(jnp.iinfo(dtypes[0]).max)


def to_float(images_u8: ArrayLike) -> jax.Array:
    """Images as floats in [-1, 1]: uint8 [..., H, W, C] is rescaled, a floating array passes unchanged.

    Raises TypeError for any other dtype.

    >>> image.to_float(jnp.uint8([[[0, 255]]])).tolist()
    [[[-1.0, 1.0]]]
    """
    images = jnp.asarray(images_u8)
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images
    if images.dtype != jnp.uint8:
        raise TypeError(f"images are {images.dtype}; wanted uint8 in [0, 255] or floats in [-1, 1].")
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(images: ArrayLike) -> jax.Array:
    """Float images in [-1, 1] as uint8: clipped, and rounded by floor(x + 0.5).

    Raises TypeError for integers.

    >>> image.to_uint8(jnp.array([[[-1.0, 0.0, 3.0]]])).tolist()
    [[[0, 128, 255]]]
    """
    x = jnp.asarray(images)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"images are {x.dtype}; wanted floats in [-1, 1], such as those of to_float.")
    return round_to((jnp.clip(x, -1.0, 1.0) + 1.0) * 127.5, jnp.uint8)


def round_to(levels: _Array, dtype: DTypeLike) -> _Array:
    """Levels [...] as whole numbers of an integer dtype: rounded by floor(x + 0.5), halves up, and clipped to it.

    An array of NumPy gives one of NumPy, and one of JAX one of JAX.

    >>> image.round_to(jnp.array([-3.0, 0.5, 1.49, 300.0]), jnp.uint8).tolist()
    [0, 1, 1, 255]
    """
    xp: Any = jnp if isinstance(levels, jax.Array) else np
    limits = np.iinfo(np.dtype(dtype))
    return xp.clip(xp.floor(levels + 0.5), limits.min, limits.max).astype(dtype)


def rescale(x: _Array, old: tuple[float, float], new: tuple[float, float]) -> _Array:
    """Floats [...] in a range (low, high) as floats in another; neither clipped nor rounded, and none to its own.

    An array of NumPy gives one of NumPy, and one of JAX one of JAX.

    >>> image.rescale(jnp.array([0.0, 0.5, 1.0]), (0.0, 1.0), (-1.0, 1.0)).tolist()
    [-1.0, 0.0, 1.0]
    """
    return x if old == new else new[0] + (x - old[0]) * ((new[1] - new[0]) / (old[1] - old[0]))


def full_range_luma(rgb: ArrayLike) -> jax.Array:
    """BT.601 luma [..., H, W, 1] of RGB [..., H, W, 3], in the range of the input; [..., H, W, 1] passes.

    Raises ValueError for other channel counts.

    >>> round(image.full_range_luma(jnp.array([[[255.0, 0.0, 0.0]]])).item(), 3)
    76.245
    """
    images = _as_float(rgb)
    if _is_gray(images):
        return images
    return mix_channels(images, [LUMA_WEIGHTS])


def luma(rgb: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """BT.601 luma [..., 1] in studio range, of RGB [..., 3] in [0, max_value]; gray [..., 1] passes unchanged.

    The Y of super-resolution papers: black is 16/255 and white 235/255 of `max_value`, which is that of `peak`. As
    MATLAB's rgb2ycbcr of floats: not rounded. Raises ValueError for other channel counts, TypeError where `peak` does.
    ITU-R BT.601-7, section 2.5.

    >>> [round(image.luma(jnp.full((1, 1, 3), gray), max_value=255.0).item(), 3) for gray in (0.0, 255.0)]
    [16.0, 235.0]
    """
    images, white = _as_float(rgb), peak(rgb, max_value=max_value)
    if _is_gray(images):
        return images
    return (mix_channels(images, _YCBCR_WEIGHTS[:1]) + _YCBCR_OFFSETS[0] * white) / 255.0


def rgb_to_ycbcr(rgb: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """BT.601 Y, Cb, Cr [..., 3] in studio range, of RGB [..., 3] in [0, max_value]; not rounded.

    Y is in 16..235 and Cb and Cr in 16..240 of 255, times max_value / 255, as MATLAB's rgb2ycbcr of floats;
    `max_value` is that of `peak`. Raises ValueError for other channel counts, TypeError where `peak` does. ITU-R
    BT.601-7, section 2.5.

    >>> image.rgb_to_ycbcr(jnp.uint8([[[0, 0, 255]]])).round().astype(int).tolist()
    [[[41, 240, 110]]]
    """
    images, white = _as_float(rgb), peak(rgb, max_value=max_value)
    _require_colors(images)
    offsets = jnp.asarray(_YCBCR_OFFSETS, images.dtype)
    return (mix_channels(images, _YCBCR_WEIGHTS) + offsets * white) / 255.0


def ycbcr_to_rgb(ycbcr: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """RGB [..., 3] of BT.601 Y, Cb, Cr [..., 3]: the inverse of `rgb_to_ycbcr`, neither clipped nor rounded.

    `max_value` is the white of the RGB, by the rule of `peak`. Raises as `rgb_to_ycbcr` does.

    >>> blue = jnp.array([[[0.0, 0.0, 1.0]]])
    >>> ycbcr = image.rgb_to_ycbcr(blue, max_value=1.0)
    >>> bool(jnp.allclose(image.ycbcr_to_rgb(ycbcr, max_value=1.0), blue, atol=1e-5))
    True
    """
    images, white = _as_float(ycbcr), peak(ycbcr, max_value=max_value)
    _require_colors(images)
    offsets = jnp.asarray(_YCBCR_OFFSETS, images.dtype)
    return mix_channels(images * 255.0 - offsets * white, np.linalg.inv(_YCBCR_WEIGHTS))


def rgb_to_lab(rgb: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """CIE L*a*b* [..., 3] of sRGB [..., 3] in [0, max_value], white D65: L in [0, 100], a and b within +-108.

    White, black and grays have a = b = 0. Integers become float32; `max_value` is that of `peak`. Raises ValueError
    for other channel counts, TypeError where `peak` does. CIE 15:2004, section 8.2.1, and IEC 61966-2-1.

    >>> image.rgb_to_lab(jnp.uint8([[[255, 0, 0]]])).round().astype(int).tolist()
    [[[53, 80, 67]]]
    """
    encoded = _as_float(rgb) / peak(rgb, max_value=max_value)
    _require_colors(encoded)
    linear = jnp.where(encoded > 0.04045, ((jnp.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    # Each row over its sum: X, Y and Z relative to those of white.
    xyz = mix_channels(linear, [[weight / sum(row) for weight in row] for row in _RGB_TO_XYZ])
    # The maximum keeps the gradient of the root finite where the line is taken.
    bend = (6 / 29) ** 3
    f = jnp.where(xyz > bend, jnp.cbrt(jnp.maximum(xyz, bend)), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def lab_to_rgb(lab: ArrayLike, *, max_value: float | None = None) -> jax.Array:
    """sRGB [..., 3] of CIE L*a*b* [..., 3]: the inverse of `rgb_to_lab`, neither clipped nor rounded.

    Colors that sRGB lacks have a channel below 0 or above white, which is `max_value` by the rule of `peak`. Raises as
    `rgb_to_lab` does.

    >>> image.lab_to_rgb(jnp.array([[[53.24, 80.09, 67.20]]]), max_value=255.0).round().astype(int).tolist()
    [[[255, 0, 0]]]
    """
    array, white = _as_float(lab), peak(lab, max_value=max_value)
    _require_colors(array)
    y = (array[..., 0] + 16.0) / 116.0
    f = jnp.stack([y + array[..., 1] / 500.0, y, y - array[..., 2] / 200.0], axis=-1)
    xyz = jnp.where(f > 6 / 29, jnp.maximum(f, 6 / 29) ** 3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = mix_channels(xyz, np.linalg.inv([[weight / sum(row) for weight in row] for row in _RGB_TO_XYZ]))
    curved = 1.055 * jnp.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return jnp.where(linear > 0.0031308, curved, 12.92 * linear) * white


def lightness(images: ArrayLike) -> jax.Array:
    """L / 50 - 1 of CIE L*a*b*, [..., 1], of float images [..., 1 or 3] in [-1, 1]: what a colorizer is given.

    Raises ValueError for other channel counts. pytorch-CycleGAN-and-pix2pix, colorization_dataset.py.

    >>> [round(image.lightness(jnp.full((1, 1, 1), gray)).item(), 4) for gray in (-1.0, 0.0, 1.0)]
    [-1.0, 0.0678, 1.0]
    """
    array = _as_float(images)
    rgb = jnp.repeat(array, 3, axis=-1) if _is_gray(array) else array
    return rgb_to_lab((rgb + 1.0) / 2.0, max_value=1.0)[..., :1] / 50.0 - 1.0


def opponents(rgb: ArrayLike) -> jax.Array:
    """a / 110 and b / 110 of CIE L*a*b*, [..., 2], of float RGB [..., 3] in [-1, 1]: what a colorizer is to make.

    Raises ValueError for other channel counts. pytorch-CycleGAN-and-pix2pix, colorization_dataset.py.

    >>> (110 * image.opponents(jnp.array([[[1.0, -1.0, -1.0]]]))).round().astype(int).tolist()
    [[[80, 67]]]
    """
    return rgb_to_lab((_as_float(rgb) + 1.0) / 2.0, max_value=1.0)[..., 1:] / 110.0


def colored(light: ArrayLike, colors: ArrayLike) -> jax.Array:
    """RGB [..., 3] in [-1, 1] of what `lightness` [..., 1] and `opponents` [..., 2] give, with that very lightness.

    A color that sRGB lacks becomes the most saturated one of its lightness and hue that it has: a and b are scaled by
    the largest factor for which no channel leaves its range, to a millionth. Raises ValueError for other shapes.

    >>> (100 * image.colored(jnp.zeros((1, 1, 1)), jnp.array([[[0.9, 0.0]]]))).round().astype(int).tolist()
    [[[81, -100, -4]]]
    """
    tone = (_as_float(light) + 1.0) * 50.0
    ab = _as_float(colors) * 110.0
    if tone.shape[-1:] != (1,) or ab.shape[-1:] != (2,) or tone.shape[:-1] != ab.shape[:-1]:
        raise ValueError(f"lightness has shape {tone.shape} and colors {ab.shape}; wanted [..., 1] and [..., 2].")

    def painted(factor: jax.Array) -> jax.Array:
        return lab_to_rgb(jnp.concatenate([tone, factor * ab], axis=-1), max_value=1.0)

    def fits(factor: jax.Array) -> jax.Array:
        rgb = painted(factor)
        return jnp.all((rgb >= -_ROUNDING) & (rgb <= 1.0 + _ROUNDING), axis=-1, keepdims=True)

    def halved(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = (low + high) / 2.0
        inside = fits(middle)
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    # At constant lightness the colors of sRGB are a region around gray with every line from gray cut once.
    low, _ = jax.lax.fori_loop(0, 20, halved, (jnp.zeros_like(tone), jnp.ones_like(tone)))
    factor = jnp.where(fits(jnp.ones_like(tone)), 1.0, low)
    return jnp.clip(painted(factor), 0.0, 1.0) * 2.0 - 1.0


def mix_channels(images: ArrayLike, weights: Sequence[Sequence[float]] | np.ndarray) -> jax.Array:
    """Weighted sums [..., K] of the channels of images [..., C], by weights [K, C].

    Floats keep their dtype, integers become float32. Raises ValueError where the weights are for other channel counts.

    >>> image.mix_channels(jnp.array([[[1.0, 2.0, 3.0]]]), [[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]).tolist()
    [[[-2.0, 2.0]]]
    """
    array = _as_float(images)
    matrix = jnp.asarray(weights, array.dtype)
    if array.shape[-1:] != matrix.shape[1:]:
        raise ValueError(f"images have shape {array.shape} and weights {matrix.shape}; wanted [..., C] and [K, C].")
    return jnp.einsum("...c,kc->...k", array, matrix, precision=_HIGHEST)


def crop_border(images: ArrayLike, border: int) -> jax.Array:
    """The images [..., H, W, C] without `border` pixels on each side: [..., H - 2 border, W - 2 border, C].

    Raises ValueError where nothing would be left.

    >>> image.crop_border(jnp.zeros((2, 20, 30, 3)), 4).shape
    (2, 12, 22, 3)
    """
    array = jnp.asarray(images)
    height, width = _sides(array)
    if not 0 <= 2 * border < min(height, width):
        raise ValueError(f"border is {border} for images of {height}x{width}; a pixel must be left each way.")
    return array[..., border : height - border, border : width - border, :]


def mod_crop(images: ArrayLike, factor: int) -> jax.Array:
    """The upper left part of the images [..., H, W, C] whose sides are the largest multiples of `factor`.

    Raises ValueError where a side is smaller than the factor.

    >>> image.mod_crop(jnp.zeros((2, 21, 30, 3)), 4).shape
    (2, 20, 28, 3)
    """
    array = jnp.asarray(images)
    height, width = _sides(array)
    if not 1 <= factor <= min(height, width):
        raise ValueError(f"factor is {factor} for images of {height}x{width}; wanted 1 to the shorter side.")
    return array[..., : height - height % factor, : width - width % factor, :]


def pixel_shuffle(x: ArrayLike, factor: int) -> jax.Array:
    """Channels to pixels: [..., H, W, C factor^2] to [..., H factor, W factor, C].

    Channel c factor^2 + i factor + j becomes row i and column j of each block of channel c, the order of PyTorch's
    pixel_shuffle. Raises ValueError where factor^2 does not divide the channels. Shi et al. 2016, "Real-Time Single
    Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", eq. 4.

    >>> image.pixel_shuffle(jnp.arange(4).reshape(1, 1, 4), 2)[..., 0].tolist()
    [[0, 1], [2, 3]]
    """
    array = jnp.asarray(x)
    height, width = _sides(array)
    channels, rest = divmod(array.shape[-1], factor**2)
    if rest:
        raise ValueError(f"x has {array.shape[-1]} channels; a shuffle by {factor} wants a multiple of {factor**2}.")
    blocks = array.reshape(*array.shape[:-1], channels, factor, factor)
    pixels = jnp.moveaxis(blocks, (-2, -1), (-4, -2))  # H W C i j to H i W j C
    return pixels.reshape(*array.shape[:-3], height * factor, width * factor, channels)


def pixel_unshuffle(x: ArrayLike, factor: int) -> jax.Array:
    """Pixels to channels: [..., H factor, W factor, C] to [..., H, W, C factor^2], the inverse of `pixel_shuffle`.

    Raises ValueError where the factor does not divide the sides.

    >>> image.pixel_unshuffle(jnp.arange(4).reshape(2, 2, 1), 2).tolist()
    [[[0, 1, 2, 3]]]
    """
    array = jnp.asarray(x)
    height, width = _sides(array)
    if height % factor or width % factor:
        raise ValueError(f"x is {height}x{width}; wanted sides that {factor} divides: see mod_crop.")
    pixels = array.reshape(*array.shape[:-3], height // factor, factor, width // factor, factor, array.shape[-1])
    blocks = jnp.moveaxis(pixels, (-4, -2), (-2, -1))  # H i W j C to H W C i j
    return blocks.reshape(*array.shape[:-3], height // factor, width // factor, -1)


def grid(images: ArrayLike, columns: int, *, gap: int = 2) -> jax.Array:
    """A contact sheet [..., H', W', C] of N images [..., N, H, W, C], row by row, white gaps between them, no frame.

    White is 1 in floats and that of `peak` in integers. Raises ValueError without an axis of images, without images or
    without columns, TypeError where `peak` does.

    >>> image.grid(jnp.zeros((5, 8, 8, 3)), 3).shape  # two rows of three
    (18, 28, 3)
    """
    array = jnp.asarray(images)
    if array.ndim < 4 or array.shape[-4] == 0 or columns < 1:
        raise ValueError(
            f"images have shape {array.shape} for {columns} columns; wanted [..., N, H, W, C], and 1 or more of both."
        )
    *leading, count, height, width, channels = array.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    white = 1.0 if jnp.issubdtype(array.dtype, jnp.floating) else peak(array)
    padding = (*((0, 0) for _ in leading), (0, rows * columns - count), (0, gap), (0, gap), (0, 0))
    cells = jnp.pad(array, padding, constant_values=white)
    cells = cells.reshape(*leading, rows, columns, height + gap, width + gap, channels)
    sheet = cells.swapaxes(-4, -3).reshape(*leading, rows * (height + gap), columns * (width + gap), channels)
    return sheet[..., : sheet.shape[-3] - gap, : sheet.shape[-2] - gap, :]


def imresize(
    images: ArrayLike,
    *,
    scale: float | None = None,
    shape: tuple[int, int] | None = None,
    antialias: bool = True,
    method: str = "bicubic",
) -> jax.Array:
    """Images [..., H, W, C] resampled by `scale`, to ceil(side * scale), or to `shape` (height, width).

    MATLAB's imresize of floats: pixel centers, borders mirrored, Keys' cubic with a = -0.5, and with `antialias` a
    kernel that widens as the image shrinks. The result is neither clipped nor rounded; floats keep their dtype,
    integers become float32. `scale` and `shape` are static under jit.

    Methods: "bicubic", "bilinear", "lanczos" (three lobes); "area", the mean over each new pixel's footprint, and
    "nearest", which both ignore `antialias`.

    Raises ValueError for another method, for scale and shape together or neither, and for sides under 1. Keys 1981,
    "Cubic Convolution Interpolation for Digital Image Processing", eq. 15.

    >>> images = jnp.ones((2, 9, 12, 3))
    >>> image.imresize(images, scale=0.5).shape, image.imresize(images, shape=(18, 24), method="lanczos").shape
    ((2, 5, 6, 3), (2, 18, 24, 3))
    """
    array = _as_float(images)
    sides = _sides(array)
    if method not in _METHODS:
        raise ValueError(f"method is {method!r}; use one of {', '.join(_METHODS)}.")
    if (scale is None) == (shape is None):
        raise ValueError(f"scale is {scale} and shape {shape}; give one of the two.")
    new_sides = tuple(math.ceil(side * scale) for side in sides) if scale is not None else tuple(shape or ())
    if len(new_sides) != 2 or min(*new_sides, *sides) < 1:
        raise ValueError(f"images of {sides[0]}x{sides[1]} would become {new_sides}; wanted two sides of 1 or more.")
    scales = [scale if scale is not None else new / old for old, new in zip(sides, new_sides, strict=True)]
    # bfloat16 has too few digits for the weights.
    dtype = jnp.promote_types(array.dtype, jnp.float32)
    rows, columns = (
        jnp.asarray(_resampling_matrix(old, new, by, method, antialias), dtype)
        for old, new, by in zip(sides, new_sides, scales, strict=True)
    )
    resized = jnp.einsum("yh,...hwc,xw->...yxc", rows, array.astype(dtype), columns, precision=_HIGHEST)
    return resized.astype(array.dtype)


def resampling_weights(
    old: int, new: int, *, scale: float | None = None, method: str = "bicubic", antialias: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `new` pixels along a side of `old`: the old pixels that it mixes, and float64 weights that sum to 1.

    Both are [new, taps]: what `imresize` does along one side, for images that are resampled a strip at a time on the
    host. `scale` is new / old unless given.

    >>> places, weights = image.resampling_weights(4, 2, method="area")
    >>> (weights[0] @ jnp.arange(4.0)[places[0]]).item()
    0.5
    """
    scale = new / old if scale is None else scale
    kernel, width = _kernel(method, scale, antialias)
    centers = (np.arange(new) + 0.5) / scale - 0.5
    places = np.floor(centers - width / 2)[:, None] + np.arange(math.ceil(width) + 2)
    weights = kernel(centers[:, None] - places)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = places.astype(np.int64) % (2 * old)
    return np.minimum(mirrored, 2 * old - 1 - mirrored), weights


def _resampling_matrix(old: int, new: int, scale: float, method: str, antialias: bool) -> np.ndarray:
    """Weights [new, old], float64, of the old pixels in each new one; rows sum to 1."""
    places, weights = resampling_weights(old, new, scale=scale, method=method, antialias=antialias)
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new)[:, None], places), weights)
    return matrix


def _kernel(method: str, scale: float, antialias: bool) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """A function of the distance in old pixels, and the width outside of which it is zero."""
    if method == "nearest":
        # Half-open, and blind to the last digits, so that a center between two pixels takes one: the later.
        return lambda x: ((x >= -0.5 - 1e-9) & (x < 0.5 - 1e-9)).astype(np.float64), 1.0
    if method == "area":
        footprint = 1.0 / scale
        return lambda x: np.clip((1.0 + footprint) / 2 - np.abs(x), 0.0, min(1.0, footprint)), 1.0 + footprint
    kernel, width = _SMOOTH[method]
    stretch = max(1.0, 1.0 / scale) if antialias else 1.0
    return lambda x: kernel(x / stretch), width * stretch


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1.0, -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return np.where(x <= 1.0, near, np.where(x <= 2.0, far, 0.0))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_SMOOTH = {"bicubic": (_cubic, 4.0), "bilinear": (_triangle, 2.0), "lanczos": (_lanczos, 6.0)}
_METHODS = (*_SMOOTH, "area", "nearest")


def _as_float(images: ArrayLike) -> jax.Array:
    array = jnp.asarray(images)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.float32)


def _sides(images: jax.Array) -> tuple[int, int]:
    if images.ndim < 3:
        raise ValueError(f"images have shape {images.shape}; wanted [..., H, W, C].")
    return images.shape[-3], images.shape[-2]


def _is_gray(images: jax.Array) -> bool:
    if images.ndim == 0 or images.shape[-1] not in (1, 3):
        channels = images.shape[-1] if images.ndim else 0
        raise ValueError(f"images have {channels} channels; luma wants 3 (RGB) or 1 (gray).")
    return images.shape[-1] == 1


def _require_colors(images: jax.Array) -> None:
    if images.ndim == 0 or images.shape[-1] != 3:
        raise ValueError(f"images have shape {images.shape}; wanted three colors, [..., 3].")
