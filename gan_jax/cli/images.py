"""The verb `shrink`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from gan_jax.cli.speaking import Compiling, Speaker

__all__ = ["Shrink"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Shrink(Compiling):
    """Make low resolution of images, 8-bit RGB, as test sets of super-resolution have it."""

    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Images or folders of images, then the folder to write to."""
    scale: int = 4
    """Side of the images, cropped to multiples of it, over side of what is written."""
    downscale: Literal["bicubic", "bilinear", "lanczos", "area", "nearest"] = "bicubic"
    """What makes it: bicubic is MATLAB's imresize, which the papers use."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import degrade, infer
        from gan_jax.data import finding, image_files, super_resolution

        if len(self.paths) < 2:
            raise ValueError("give at least one input and, last, an output: gan-jax shrink in/ out/ --scale 4.")
        if self.scale < 2:
            raise ValueError(f"--scale is {self.scale}; wanted at least 2.")
        *inputs, output = self.paths
        degradation = degrade.Degradation(self.downscale, self.scale)
        jobs = infer.plan(inputs, output)
        speaker = Speaker("written")
        frames = image_files.count_all_frames(job.input for job in jobs)
        speaker.notes([*finding.notes(inputs), *image_files.frame_notes(frames)])
        ends = [(job.input, job.output) for job in jobs]
        failures = super_resolution.shrink_files(ends, self.scale, lambda image: degrade.on_host(degradation, image))
        speaker.end(failures)
        print(f"wrote {len(jobs) - len(failures)} of {len(jobs)}")
        return 1 if failures else 0
