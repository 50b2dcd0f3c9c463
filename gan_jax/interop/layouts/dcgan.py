"""Names of DCGAN's networks, in the order in which each project's code makes its layers."""

from typing import Any

from gan_jax.interop.layouts.layout import Fields, Layout, Shapes, Use
from gan_jax.networks import DCGANCritic, DCGANGenerator


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


LAYOUTS = (
    Layout("pytorch/examples", DCGANGenerator, _dcgan_generator_fields, _dcgan_generator_names,
           Use("generator", "dcgan")),
    Layout("pytorch/examples", DCGANCritic, _dcgan_critic_fields, _dcgan_critic_names, Use("critic", "dcgan")),
)  # fmt: skip
