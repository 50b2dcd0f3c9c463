"""Names of DCGAN's networks, in the order in which each project's code makes its layers."""

import math
from typing import Any

from gan_jax.interop.naming.layout import CHAINER_EPS, UNIT, Fields, Layout, Shapes, Use
from gan_jax.networks import ChainerDCGANCritic, ChainerDCGANGenerator, DCGANCritic, DCGANGenerator

__all__ = ["LAYOUTS"]
__dir__ = __all__.copy


def _dcgan_generator_names(module: Any) -> dict[str, str]:
    layers = module.size.bit_length() - 2
    return {f"up{step}": f"main.{3 * step}" for step in range(layers)} | {
        f"up{step}_norm": f"main.{3 * step + 1}" for step in range(layers - 1)
    }


def _dcgan_generator_fields(shapes: Shapes) -> Fields | None:
    if "main.1.running_var" not in shapes:
        return None
    layers = sum(len(shape) == 4 for shape in shapes.values())
    last = shapes[f"main.{3 * (layers - 1)}.weight"]
    return {"out_channels": last[1], "size": 2 ** (layers + 1), "width": last[0]}


def _dcgan_critic_names(module: Any) -> dict[str, str]:
    names = {"conv0": "main.0"}
    for layer in range(1, module.size.bit_length() - 2):
        names |= {f"conv{layer}": f"main.{3 * layer - 1}", f"conv{layer}_norm": f"main.{3 * layer}"}
    return names


def _dcgan_critic_fields(shapes: Shapes) -> Fields | None:
    if "main.3.running_var" not in shapes:
        return None
    layers = sum(len(shape) == 4 for shape in shapes.values())
    return {"size": 2 ** (layers + 1), "width": shapes["main.0.weight"][0]}


def _chainer_generator_names(module: Any) -> dict[str, str]:
    names = {"dense0": "l0", "dense0_norm": "bn0", "up4": "dc4"}
    for step in range(1, 4):
        names |= {f"up{step}": f"dc{step}", f"up{step}_norm": f"bn{step}"}
    return names


def _chainer_generator_fields(shapes: Shapes) -> Fields | None:
    widest, last = shapes["dc1.weight"][0], shapes["dc4.weight"]
    return {
        "out_channels": last[1],
        "size": 8 * math.isqrt(shapes["l0.weight"][0] // widest),
        "width": last[0],
    }


def _chainer_critic_names(module: Any) -> dict[str, str]:
    names = {"conv0_0": "c0_0", "dense0": "l4"}
    for place in ("0_1", "1_0", "1_1", "2_0", "2_1", "3_0"):
        names |= {f"conv{place}": f"c{place}", f"conv{place}_norm": f"bn{place}"}
    return names


def _chainer_critic_fields(shapes: Shapes) -> Fields | None:
    widest = shapes["c3_0.weight"][0]
    return {"size": 8 * math.isqrt(shapes["l4.weight"][1] // widest), "width": shapes["c0_0.weight"][0]}


LAYOUTS = (
    Layout("pytorch/examples", DCGANGenerator, _dcgan_generator_fields, _dcgan_generator_names,
           Use("generator", "dcgan", latent="normal"), in_channels=lambda shapes: shapes["main.0.weight"][0]),
    Layout("pytorch/examples", DCGANCritic, _dcgan_critic_fields, _dcgan_critic_names, Use("critic", "dcgan")),
    Layout("Chainer's DCGAN example", ChainerDCGANGenerator, _chainer_generator_fields, _chainer_generator_names,
           Use("generator", "dcgan", latent="uniform", **UNIT), biased=True, eps=CHAINER_EPS),
    Layout("Chainer's DCGAN example", ChainerDCGANCritic, _chainer_critic_fields, _chainer_critic_names,
           Use("critic", "dcgan", **UNIT), biased=True, eps=CHAINER_EPS, constants={"scale": 1.0}),
)  # fmt: skip
