"""Verbs that score and show: `evaluate` and `report`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from gan_jax.cli.speaking import Compiling, Speaker, each

__all__ = ["Evaluate", "Report"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Evaluate(Compiling):
    """Score images against references under a named protocol; they are paired by relative path, extensions apart."""

    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="OUTPUTS [REFERENCES]")]
    """Images to score and what they should be: two folder trees or two files; or one folder, with
    patterns of names."""
    outputs: str = "{}"
    """What outputs are called, {} standing for what two images have in common: "{}_fake_B.png"."""
    references: str = "{}"
    """What references are called: "{}_real_B.png"."""
    suffix: str = ""
    """The same for outputs that are called as their references, and this: _out."""
    protocol: Literal["rgb", "basicsr-rgb", "basicsr-y", "srgan", "matlab-y"] = "rgb"
    """What exactly is compared; printed beside the numbers. docs/protocols.md has the definitions."""
    y_channel: bool = False
    """Compare luma, whatever the protocol."""
    crop_border: int | None = None
    """Pixels to leave out on each side, whatever the protocol."""
    scale: int | None = None
    """The factor of super-resolution: references are cropped to multiples of it, and basicsr-* and matlab-y leave out
    as many pixels on each side."""
    metrics: str = "psnr,ssim"
    """Some of psnr,ssim,ms_ssim,lpips."""
    bands: Literal["samples", "pages"] | None = None
    """Compare arrays of channels, TIFF and .npy, as they are: all samples of a pixel, or all pages of a file."""
    values: Annotated[str | None, arg(metavar="LOW:HIGH")] = None
    """With --bands, the range of the numbers, whose width is the peak; that of uint8 and uint16 unless given."""
    compare: Path | None = None
    """A second set of outputs, to compare with the first image by image."""
    self_check: bool = False
    """Also score the references shrunk and enlarged by bicubic, beside the results: papers give that number for the
    usual test sets, so that a wrong protocol is seen at once. Needs --scale."""
    json: Path | None = None
    """Also write the scores to this JSON file."""
    csv: Path | None = None
    """Also write the scores to this CSV file."""

    def run(self) -> int:
        """Returns the exit code: 0, or 2 with every unusable image named and nothing scored."""
        import json

        from gan_jax import evaluate, files
        from gan_jax.values import read_range

        if len(self.paths) not in (1, 2):
            raise ValueError(f"there are {len(self.paths)} folders; give the outputs, then their references.")
        if len(self.paths) == 1 and self.outputs == self.references and not self.suffix:
            raise ValueError(
                'one folder holds both outputs and references where their names tell them apart: --outputs "{}_fake_B" '
                '--references "{}_real_B"; else give the outputs, then their references.'
            )
        if self.suffix and self.outputs != "{}":
            raise ValueError(f"--suffix {self.suffix} and --outputs {self.outputs} both say what outputs are called.")
        if self.json is not None and self.json == self.csv:
            raise ValueError(f"--json and --csv both name {self.json}; give each a file of its own.")
        for path in (self.json, self.csv):
            if path is not None and path.is_dir():
                raise ValueError(f"{path} is a folder; name a file to write to.")
            if path is not None:
                files.require_possible(path)
        if self.bands is not None and self.protocol != "rgb":
            raise ValueError(f"--protocol {self.protocol} compares images, and --bands arrays; leave one of them out.")
        if self.values is not None and self.bands is None:
            raise ValueError("--values is for arrays of channels; give --bands too, or leave it out.")
        protocol = evaluate.with_options(
            evaluate.PROTOCOLS[self.protocol] if self.bands is None else evaluate.BANDS,
            y_channel=self.y_channel,
            crop_border=self.crop_border,
            scale=self.scale,
        )
        speaker = Speaker("scored")
        result = evaluate.evaluate(
            self.paths[0],
            self.paths[-1],
            protocol,
            metric_names=evaluate.parse_metrics(self.metrics),
            other=self.compare,
            output_names=f"{{}}{self.suffix}" if self.suffix else self.outputs,
            reference_names=self.references,
            self_check=self.self_check,
            bands=self.bands,
            value_range=None if self.values is None else read_range(self.values),
            progress=speaker.count,
        )
        speaker.notes(result.notes)
        speaker.end(result.failures)
        if result.failures:
            return 2
        if self.json:
            files.write(self.json, json.dumps(evaluate.as_json(result), indent=2) + "\n")
        if self.csv:
            files.write(self.csv, evaluate.as_csv(result))
        print(evaluate.as_table(result))
        return 0


@dataclasses.dataclass(frozen=True)
class Report:
    """Write a run's report.html anew, also while the run is training; or one page of several runs side by side."""

    run_folders: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN [RUN...]")]
    """The run's folder, or one of several runs: then that of each. Several folders: one page of all their runs."""
    output: Path = Path("comparison.html")
    """The page of several folders."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import folders, report

        if len(self.run_folders) == 1:
            return each(self.run_folders[0], report.write)
        runs = [run for folder in self.run_folders for run in folders.runs(folder) or [folder]]
        if len(set(runs)) < 2:
            raise ValueError("give a run's folder, or the folders of at least two runs: gan-jax report A B.")
        print(report.write_together(self.output, list(dict.fromkeys(runs))))
        return 0
