"""The forms of each convolution of the networks on a CPU, in milliseconds, beside XLA's own and the floor.

    python -m benchmarks.convolutions > benchmarks/results/convolutions.txt

A line is a layer, as a correlation of x [N, H, H, I] with a k x k kernel of stride s to O channels: forward, and the
gradients with respect to the input and the kernel. `*` marks what `networks.convolution` takes. The floor is the FLOPs
of the plain form over the rate of a matrix product of 2048 x 2048, measured first. "padded" is XLA's convolution with
one more column of zeros; "images" is XLA's of a few images after another; "phases" is one for each row of a stride;
"rows" is Winograd's form.
"""

import functools
import platform
import time
from collections.abc import Callable

import jax
import numpy as np

from gan_jax.networks import cpu_convolution as forms
from gan_jax.networks import plain_convolution
from gan_jax.networks.plain_convolution import Geometry

__all__ = ["LAYERS", "main"]

# N, side of x, I, O, kernel, stride, padding
LAYERS = {
    "U-Net down 2": (1, 128, 64, 128, 4, 2, 1),
    "U-Net down 4": (1, 32, 256, 512, 4, 2, 1),
    "U-Net down 5": (1, 16, 512, 512, 4, 2, 1),
    "U-Net down 7": (1, 4, 512, 512, 4, 2, 1),
    "U-Net up 2": (1, 128, 64, 256, 4, 2, 1),
    "U-Net up 3": (1, 64, 128, 512, 4, 2, 1),
    "U-Net up 5": (1, 16, 512, 1024, 4, 2, 1),
    "U-Net up 7": (1, 4, 512, 1024, 4, 2, 1),
    "PatchGAN 1": (1, 256, 6, 64, 4, 2, 1),
    "PatchGAN 1, batch 4": (4, 256, 6, 64, 4, 2, 1),
    "PatchGAN 4": (1, 32, 256, 512, 4, 1, 1),
    "PatchGAN 4, batch 4": (4, 32, 256, 512, 4, 1, 1),
    "PatchGAN logits": (1, 31, 512, 1, 4, 1, 1),
    "ResNet first": (1, 134, 3, 64, 7, 1, 0),
    "ResNet block 32": (1, 34, 256, 256, 3, 1, 0),
    "ResNet block 64": (1, 66, 256, 256, 3, 1, 0),
    "ResNet down 1": (1, 128, 64, 128, 3, 2, 1),
    "ResNet last": (1, 134, 64, 3, 7, 1, 0),
    "SRResNet block": (16, 24, 64, 64, 3, 1, 1),
    "SRResNet up 2": (16, 48, 64, 256, 3, 1, 1),
    "SRResNet last": (16, 96, 64, 3, 9, 1, 4),
    "SRGAN critic 2": (16, 96, 64, 64, 3, 2, 1),
    "SRGAN critic 8": (16, 12, 512, 512, 3, 2, 1),
    "DCGAN 1": (64, 64, 3, 64, 4, 2, 1),
    "DCGAN 2": (64, 32, 64, 128, 4, 2, 1),
}
_KINDS = {
    "forward": (
        plain_convolution.correlation,
        forms.correlation,
        {
            "patches": forms._correlation_of_patches,
            "padded": forms._correlation_of_padded,
            "images": forms._correlation_by_images,
            "rows": forms._correlation_by_rows,
        },
    ),
    "input": (
        plain_convolution.input_gradient,
        forms.input_gradient,
        {
            "spread": forms._spread_patches,
            "padded": forms._input_gradient_of_padded,
            "phases": forms._input_gradient_by_phases,
            "rows": forms._input_gradient_by_rows,
        },
    ),
    "kernel": (
        plain_convolution.kernel_gradient,
        forms.kernel_gradient,
        {
            "patches": forms._kernel_gradient_of_patches,
            "other": forms._kernel_gradient_of_other_patches,
            "rows": forms._kernel_gradient_by_rows,
        },
    ),
}
_LARGEST_PATCHES = 2**30  # bytes; what would take more is not tried


def _milliseconds(function: Callable[..., jax.Array], *arguments: np.ndarray, runs: int = 7) -> float:
    compiled = jax.jit(function)
    on_device = jax.device_put(arguments)
    jax.block_until_ready(compiled(*on_device))
    times = []
    for _ in range(runs):
        before = time.perf_counter()
        jax.block_until_ready(compiled(*on_device))
        times.append(time.perf_counter() - before)
    return 1e3 * float(np.median(times))


def _line(name: str, rate: float) -> str:
    n, side, inputs, outputs, kernel, stride, padding = LAYERS[name]
    at = Geometry(stride, padding, (kernel, kernel), (side, side))
    rng = np.random.default_rng(0)
    x, y, k = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((n, side, side, inputs), (n, *at.outputs, outputs), (kernel, kernel, inputs, outputs))
    )
    pixels = n * at.outputs[0] * at.outputs[1]
    floor = 2 * pixels * k.size / rate
    cells = [f"{name:20}{floor:7.1f}"]
    arguments = {"forward": (x, k), "input": (y, k), "kernel": (x, y)}
    for kind, (plain, chosen, others) in _KINDS.items():
        taken = chosen(at, *arguments[kind])
        tried = {"xla": plain} | {
            label: form
            for label, form in others.items()
            if form is taken
            or not (
                (label == "other" and stride > 1)
                or (label == "padded" and stride > 1)
                or (label == "rows" and not (kernel % stride == 0 and 2 <= kernel // stride <= 4))
                or (label == "phases" and stride == 1)
                or (label == "images" and n == 1)
                or 4 * pixels * k[..., 0].size > _LARGEST_PATCHES
            )
        }
        times = {
            label: (_milliseconds(functools.partial(form, at), *arguments[kind]), form is (taken or plain))
            for label, form in tried.items()
        }
        cells.append(
            f"{kind}: " + " ".join(f"{label}{'*' if star else ''} {ms:.1f}" for label, (ms, star) in times.items())
        )
    return " | ".join(cells)


def main() -> None:
    """Prints the table."""
    square = np.ones((2048, 2048), np.float32)
    rate = 2 * 2048**3 / _milliseconds(lambda a: a @ a, square)
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}, {rate / 1e6:.0f} GFLOP/s of matmul")
    print(f"{'layer':20}{'floor':>7}")
    for name in LAYERS:
        print(_line(name, rate), flush=True)


if __name__ == "__main__":
    main()
