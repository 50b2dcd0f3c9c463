"""The compiled programs of inference: a whole image, a window of one, and the statistics that windows share."""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from gan_jax import image, networks
from gan_jax.model import ModelSpec
from gan_jax.networks import windowed

__all__ = ["Signature", "Window", "apply_stage", "apply_tile", "apply_whole", "moments", "signature", "whole"]
__dir__ = __all__.copy


class Signature(NamedTuple):
    """What of a spec the programs below are compiled for."""

    own_statistics: bool
    input_range: tuple[float, float]
    output_range: tuple[float, float]
    dtype: str  # of the outputs: uint8, uint16, or float32 in [-1, 1], neither clipped nor rounded
    sides: tuple[int, int] | None  # of the image whose dropout windows share, if there is any
    colors: Literal["lab"] | None = None  # what the network makes, as `ModelSpec.colors` has it


class Window(NamedTuple):
    """A window [1, H, W, C], where in its image it begins [2], and where in it its core begins and ends [2, 2]."""

    images: ArrayLike
    offset: ArrayLike
    core: ArrayLike


def signature(spec: ModelSpec, dtype: str, *, sides: tuple[int, int] | None = None) -> Signature:
    """Those of a generator; `sides` are the padded image's, for the programs of windows."""
    shared = sides if spec.dropout else None
    return Signature(spec.norm == "image", spec.input_range, spec.output_range, dtype, shared, spec.colors)


def whole(
    module: Any, signature: Signature, variables: dict, images: jax.Array, key: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Images [N, H, W, C] -> outputs of the dtype in `signature`, and whether all of them are finite."""
    network = networks.from_linen(module)

    def together(batch: jax.Array) -> tuple[jax.Array, jax.Array]:
        output, _ = network.apply(
            variables["params"],
            variables["stats"],
            _to_network(batch, signature),
            train=signature.own_statistics,
            key=key,
        )
        return _from_network(output, batch, signature), jnp.isfinite(output).all()

    if not signature.own_statistics and key is None:
        return together(images)
    # Each with its own statistics, and all with the same noise.
    outputs, finite = jax.vmap(lambda array: together(array[None]))(images)
    return outputs[:, 0], finite.all()


# The module is a frozen dataclass, so that the program compiled for one shape serves every later call.
apply_whole = functools.partial(jax.jit, static_argnums=(0, 1))(whole)


@functools.partial(jax.jit, static_argnums=(0, 1))
def apply_tile(
    module: Any,
    signature: Signature,
    variables: dict,
    window: Window,
    statistics: list,
    key: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """The same for a window, and whether its core is finite."""
    output, _ = _on_tile(module, signature, variables, window, statistics, key)
    inside = _inside(window, output)
    made = _from_network(output[0], jnp.asarray(window.images)[0], signature)
    return made, jnp.where(inside, jnp.isfinite(output[0]), True).all()


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def apply_stage(
    module: Any, signature: Signature, first: bool, last: bool, params: dict, window: Window, head: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """A stage of a network on a window of its input, and of what the first stage gave; the last one as `apply_tile`.

    Stages in between give their maps [1, H, W, C], and do not look whether they are finite.
    """
    images = jnp.asarray(window.images)
    inputs = (_to_network(images, signature),) if first else (images, head)
    output = module.apply({"params": params}, *inputs)
    if not last:
        return output[0], jnp.array(True)
    inside = _inside(window, output)
    return _from_network(output[0], images[0], signature), jnp.where(inside, jnp.isfinite(output[0]), True).all()


@functools.partial(jax.jit, static_argnums=(0, 1))
def moments(
    module: Any,
    signature: Signature,
    variables: dict,
    window: Window,
    statistics: list,
    key: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What enters the first norm behind those of `statistics`, in the window's core: count, mean, squares [C]."""
    # What lies behind that norm is not computed: the compiler leaves out what nobody asks for.
    _, inputs = _on_tile(module, signature, variables, window, statistics, key)
    x = inputs[len(statistics)][0].astype(jnp.float32)
    inside = _inside(window, inputs[len(statistics)])
    count = inside.sum().astype(jnp.float32)
    mean = jnp.where(inside, x, 0.0).sum(axis=(0, 1)) / count
    return count, mean, jnp.where(inside, jnp.square(x - mean), 0.0).sum(axis=(0, 1))


def _on_tile(
    module: Any,
    signature: Signature,
    variables: dict,
    window: Window,
    statistics: list,
    key: jax.Array | None,
) -> tuple[jax.Array, list[jax.Array]]:
    return windowed.apply_tile(
        module,
        variables["params"],
        variables["stats"],
        _to_network(jnp.asarray(window.images), signature),
        own_statistics=signature.own_statistics,
        statistics=statistics,
        key=key,
        place=None if signature.sides is None else (signature.sides, jnp.asarray(window.offset)),
    )


def _inside(window: Window, maps: jax.Array) -> jax.Array:
    """Which places of a window's feature maps [1, H, W, C] are in its core: [H, W, 1]."""
    rows, columns = (
        (jnp.arange(side) >= ends[0] * side // full) & (jnp.arange(side) < ends[1] * side // full)
        for ends, side, full in zip(
            jnp.asarray(window.core), maps.shape[1:3], jnp.shape(window.images)[1:3], strict=True
        )
    )
    return (rows[:, None] & columns)[..., None]


def _to_float(images: jax.Array) -> jax.Array:
    return images.astype(jnp.float32) / 32767.5 - 1.0 if images.dtype == jnp.uint16 else image.to_float(images)


def _to_network(images: jax.Array, signature: Signature) -> jax.Array:
    x = _to_float(images) if signature.colors is None else image.lightness(_to_float(images))
    return image.rescale(x, (-1.0, 1.0), signature.input_range)


def _from_network(output: jax.Array, images: jax.Array, signature: Signature) -> jax.Array:
    """Outputs [..., H, W, C] in the dtype of `signature`; their inputs have the lightness of colors."""
    x = image.rescale(output.astype(jnp.float32), signature.output_range, (-1.0, 1.0))
    if signature.colors is not None:
        x = image.colored(image.lightness(_to_float(images)), x)
    if signature.dtype == "uint16":
        return image.round_to((jnp.clip(x, -1.0, 1.0) + 1.0) * 32767.5, jnp.uint16)
    return image.to_uint8(x) if signature.dtype == "uint8" else x
