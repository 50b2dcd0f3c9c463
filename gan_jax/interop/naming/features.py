"""Names of the networks whose maps are compared, VGG and AlexNet."""

from collections.abc import Callable
from typing import Any

from gan_jax.interop.naming.layout import Fields, Layout, Shapes, Use
from gan_jax.networks import VGG, AlexNet
from gan_jax.networks.vgg import VGG_BLOCKS

__all__ = ["LAYOUTS"]
__dir__ = __all__.copy


def _vgg_places(depth: int) -> dict[str, int]:
    """torchvision counts convolutions, ReLUs and pools alike."""
    places, place = {}, 0
    for block, convolutions in enumerate(VGG_BLOCKS[depth], 1):
        for index in range(1, convolutions + 1):
            places[f"conv{block}_{index}"] = place
            place += 2
        place += 1
    return places


def _vgg(name: Callable[[str, int], str]) -> dict[str, Any]:
    """A VGG whose convolution `conv5_4` at place 34 has the name name("conv5_4", 34)."""

    def names(module: Any) -> dict[str, str]:
        return {ours: name(ours, place) for ours, place in _vgg_places(module.depth).items()}

    def fields(shapes: Shapes) -> Fields | None:
        kernels = {key.removesuffix(".weight") for key, shape in shapes.items() if shape[2:] == (3, 3)}
        for depth in VGG_BLOCKS:
            ours = list(_vgg_places(depth))[: len(kernels)]
            if ours and kernels == {name(layer, _vgg_places(depth)[layer]) for layer in ours}:
                deepest = ours[-1].replace("conv", "relu")
                width = shapes[f"{name(ours[0], 0)}.weight"][0]
                return {"depth": depth, "layers": (deepest,), "width": width}
        if f"{name('', 0)}.weight" in shapes and "features.1.running_var" in shapes:
            raise ValueError("it is a VGG with batch norm, and the one here has none")
        return None

    return {"architecture": VGG, "names": names, "fields": fields}


def _alexnet_names(module: Any) -> dict[str, str]:
    return {f"conv{index}": f"features.{place}" for index, place in enumerate((0, 3, 6, 8, 10), 1)}


def _alexnet_fields(shapes: Shapes) -> Fields | None:
    width, _, *kernel = shapes["features.0.weight"]
    return {"width": width} if kernel == [11, 11] else None


LAYOUTS = (
    Layout("torchvision", **_vgg(lambda name, place: f"features.{place}"), use=Use("features", "imagenet"),
           assumed={"range_norm": True}, unused=r"(features|classifier)\."),
    Layout("BasicSR", **_vgg(lambda name, place: f"vgg_net.{name}"), use=Use("features", "imagenet"),
           assumed={"range_norm": True}, unused=r"vgg_net\.|mean$|std$"),
    Layout("torchvision", AlexNet, _alexnet_fields, _alexnet_names, Use("features", "imagenet"), {"range_norm": True},
           unused=r"classifier\."),
)  # fmt: skip
