"""Every architecture of images in every format of `gan-jax export`: the difference, the file's size, and the latency.

    python -m benchmarks.exports > benchmarks/results/exports.md

Networks are of their papers' sizes, with random weights. It wants what docs/export.md says of ONNX.
"""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import report, timing
from gan_jax import networks
from gan_jax.infer import exported
from gan_jax.model import Model, ModelSpec

_ROUNDS = 3
_SIDE = 256  # of the image whose latency is measured, after scaling
_HEADINGS = (
    "network",
    "format",
    "sizes",
    "difference",
    "deviation of outputs",
    "file (MB)",
    "latency of",
    "gan_jax (ms)",
    "file (ms)",
)
_UNIT = {"input_range": (0.0, 1.0), "output_range": (0.0, 1.0)}
# A network, its input channels, and what its file says beside them.
GENERATORS: dict[str, tuple[networks.Architecture, int, dict[str, Any]]] = {
    "U-Net": (networks.UNet(), 3, {"norm": "image"}),
    "U-Net, a and b of Lab": (networks.UNet(out_channels=2), 1, {"norm": "image", "colors": "lab"}),
    "U-Net of Chainer": (networks.ChainerUNet(), 3, {"norm": "image"}),
    "ResNet, 9 blocks": (networks.ResNet(), 3, {}),
    "SRResNet x4": (networks.SRResNet(), 3, {}),
    "MSRResNet x4": (networks.MSRResNet(), 3, _UNIT),
    "RRDBNet x4": (networks.RRDBNet(), 3, _UNIT),
    "RRDBNet x2": (networks.RRDBNet(scale=2), 3, _UNIT),
    "SRVGGNetCompact x4": (networks.SRVGGNetCompact(), 3, _UNIT),
}


def generator(module: networks.Architecture, channels: int, fields: dict[str, Any]) -> Model:
    """With kernels large enough for outputs that differ: at its start a network puts out next to nothing.

    Small enough, too, for residual blocks without norms, whose sums else grow until they drown float32's last digits.
    """
    rng = np.random.default_rng(0)

    def leaf(path: Any, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        name = jax.tree_util.keystr(path[-1:], simple=True)
        if name == "kernel":
            return rng.normal(0, (0.5 / np.prod(shape.shape[:-1])) ** 0.5, shape.shape).astype(np.float32)
        return (name in ("scale", "var")) + rng.uniform(0, 0.1, shape.shape).astype(np.float32)

    variables = jax.tree_util.tree_map_with_path(leaf, networks.shapes(module, channels)[0])
    spec: dict[str, Any] = {"norm": "running", "dropout": False, "method": "none"}
    return Model(ModelSpec(networks.describe(module), channels, **(spec | fields)), variables)


def row(title: str, model: Model, form: exported.Format, folder: Path) -> str:
    """One line of the table."""
    path = folder / f"generator.{form}"
    try:
        made = exported.write(path, model, form)
    except ValueError as error:
        return f"| {title} | {form} | {error} |{' |' * (len(_HEADINGS) - 3)}"
    side = _SIDE // model.spec.scale if made.sizes != f"{_SIDE}x{_SIDE}" else _SIDE
    image = np.random.default_rng(0).uniform(0, 1, (1, side, side, model.spec.in_channels)).astype(np.float32)
    programs: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "ours": exported.original(model, uint8=False),
        "file": exported.load(path, form),
    }
    times = timing.in_turns(
        {name: timing.Program(partial(call, image)) for name, call in programs.items()}, rounds=_ROUNDS
    )
    milliseconds = [f"{1e3 * time.median:.0f}" for time in times.values()]
    deviation = f"{programs['ours'](image).std():.2f}"
    cells = [title, form, made.sizes, f"{made.difference:.1e}", deviation, f"{made.bytes / 1e6:.1f}", f"{side}x{side}"]
    return f"| {' | '.join([*cells, *milliseconds])} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # jax2onnx leaves out, without a word, the rules whose import warns
    around = report.surroundings("jax", "jax2onnx", "onnxruntime")
    print(", ".join(f"{key} {value}" for key, value in around.items()) + ".\n")
    print(f"| {' | '.join(_HEADINGS)} |")
    print(f"|{'---|' * len(_HEADINGS)}")
    for title, parts in GENERATORS.items():
        model = generator(*parts)
        for form in ("stablehlo", "onnx"):
            with tempfile.TemporaryDirectory() as name:
                print(row(title, model, form, Path(name)), flush=True)
