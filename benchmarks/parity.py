"""How far our networks are from the PyTorch references on the same weights, which `convert` brings.

    python -m benchmarks.parity FOLDER > benchmarks/parity.txt

FOLDER holds the reference cases, as tests/golden/networks does, where unet_128 alone is missing for its size. Gradients
of biases in front of norms are left out: they are nothing but rounding.
"""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import jax

from gan_jax.networks import UNet
from tests.networks import golden

CASES = {"unet_128": golden.Case(UNet(1, 7, 8, **golden.PORT), stride=3), **golden.CASES}


def cell(difference: float | None) -> str:
    return f"{'' if difference is None else f'{difference:.1e}':>12}"


def main(folder: Path) -> None:
    cases = {name: case for name, case in sorted(CASES.items()) if (folder / name).is_dir()}
    print(f"Python {platform.python_version()}, jax {version('jax')}, {jax.default_backend()}, float32")
    print("the worst difference from PyTorch's over the largest value of its array\n")
    print(f"{'':34}{'evaluation':>12}{'training':>12}{'statistics':>12}{'gradients':>12}")
    worst: list[float] = []
    for name, case in cases.items():
        differences = golden.differences(case, folder / name)
        worst += [difference for difference in differences if difference is not None]
        print(f"{name:34}" + "".join(cell(difference) for difference in differences), flush=True)
    print(f"\n{len(cases)} networks, the worst of all {max(worst):.1e}")


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    main(Path(sys.argv[1]))
