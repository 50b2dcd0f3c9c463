"""What is measured: for each case the programs of both sides, made when they are asked for."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from benchmarks import ours
from benchmarks.file_cases import FILE_CASES
from benchmarks.timing import Case, Variants
from gan_jax import networks
from gan_jax.recipes import cyclegan, dcgan, pix2pix, srgan, wgan
from gan_jax.recipes.recipe import Recipe

__all__ = ["CASES"]


def _training(
    title: str,
    recipe: Recipe,
    preset: str | None,
    step: str,
    shapes: Mapping[str, tuple[int, ...]],
    **flags: Any,
) -> Case:
    """A step of a recipe beside the function of `torch_steps` that is called `step`, on images of these shapes."""

    def batch() -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        return {name: rng.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()}

    def variants() -> Variants:
        lower = jax.default_backend() == "gpu" and hasattr(recipe.preset(preset), "dtype")
        types = [{"dtype": name} for name in ("float32", "bfloat16")] if lower else [{}]
        return {
            kind.get("dtype", "float32"): lambda kind=kind: ours.training(recipe, preset, flags | kind, batch())
            for kind in types
        }

    def theirs(compiled: bool) -> Variants:
        from benchmarks import torch_steps

        function = getattr(torch_steps, step)
        return {
            place.name: lambda place=place: function(batch(), place)
            for place in torch_steps.placements(compiled=compiled)
        }

    return Case(title, variants, theirs)


def _inference(
    title: str,
    module: networks.Architecture,
    net: str,
    shape: tuple[int, ...],
    *arguments: int,
    train: bool = False,
) -> Case:
    """A generator beside the function of `torch_nets` that is called `net`, on inputs of a shape."""

    def variants() -> Variants:
        inputs = np.random.default_rng(0).uniform(-1.0, 1.0, shape).astype(np.float32)
        types = ("float32", "bfloat16") if jax.default_backend() == "gpu" else ("float32",)
        return {kind: lambda kind=kind: ours.inference(module.clone(dtype=kind), inputs, train=train) for kind in types}

    def theirs(compiled: bool) -> Variants:
        from benchmarks import torch_nets, torch_steps

        build = getattr(torch_nets, net)
        inputs = np.random.default_rng(0).integers(0, 256, (shape[0], *([1, 1] if len(shape) == 2 else []), *shape[1:]))
        return {
            place.name: lambda place=place: torch_steps.inference(
                build(*arguments), place.images(inputs), place, train=train
            )
            for place in torch_steps.placements(compiled=compiled)
        }

    return Case(title, variants, theirs)


def _square(count: int, side: int) -> tuple[int, ...]:
    return count, side, side, 3


_FACADES = {"dataroot": "builtin:embedded"}
_PHOTOS = {"dataroot": "builtin:photos"}
_ENLARGED = {"source": _square(16, 24), "target": _square(16, 96)}

CASES = {
    **{
        f"pix2pix-256-b{count}": _training(
            f"pix2pix step, 256x256, batch {count}",
            pix2pix.RECIPE,
            "facades",
            "pix2pix",
            {"source": _square(count, 256), "target": _square(count, 256)},
            batch_size=count,
            **_FACADES,
        )
        for count in (1, 4, 16)
    },
    **{
        f"cyclegan-{side}": _training(
            f"CycleGAN step, {side}x{side}, batch 1",
            cyclegan.RECIPE,
            "monet2photo",
            "cyclegan",
            {"A": _square(1, side), "B": _square(1, side)},
            load_size=side,
            crop_size=side,
            **_FACADES,
        )
        for side in (128, 256)
    },
    "srresnet": _training(
        "SRResNet step, x4 to 96x96, batch 16", srgan.RECIPE, "srresnet-paper", "srresnet", _ENLARGED, **_PHOTOS
    ),
    "srgan": _training("SRGAN step, x4 to 96x96, batch 16", srgan.RECIPE, "srgan-paper", "srgan", _ENLARGED, **_PHOTOS),
    "dcgan-64": _training(
        "DCGAN step, 64x64, batch 64", dcgan.RECIPE, "pytorch", "dcgan", {"image": _square(64, 64)}, **_FACADES
    ),
    "wgan-gp-32": _training(
        "WGAN-GP, 5 critic steps and one, 32x32, batch 64",
        wgan.RECIPE,
        "cifar10",
        "wgan_gp",
        {"image": _square(5 * 64, 32)},
        **_FACADES,
    ),
    "infer-unet-256": _inference("U-Net, 256x256", networks.UNet(), "unet", _square(1, 256), train=True),
    "infer-resnet9-256": _inference("ResNet of 9 blocks, 256x256", networks.ResNet(), "resnet", _square(1, 256)),
    "infer-srresnet-128": _inference("SRResNet, 128x128 to 512x512", networks.SRResNet(), "srresnet", _square(1, 128)),
    "infer-dcgan-64": _inference(
        "DCGAN, 64 latents to 64x64", networks.DCGANGenerator(), "dcgan_generator", (64, 100), 100, 64, 64
    ),
    **FILE_CASES,
}
