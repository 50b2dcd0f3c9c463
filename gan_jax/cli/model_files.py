"""Verbs on files: `inspect`, `convert`, `blend` and `export`."""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from gan_jax.cli.speaking import each, load
from gan_jax.terminal.commandline import ModelPlace

__all__ = ["Blend", "Convert", "Export", "Inspect"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Inspect:
    """Say what a generator file, a run's folder, a checkpoint, or a PyTorch or Chainer file is."""

    path: Positional[ModelPlace]
    """The file, folder, or name of `gan-jax models`; of a folder of several runs each is described."""
    all: bool = False
    """Show every flag of a run, and not only those that differ from their defaults."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import boxed
        from gan_jax.cli import inspection

        return each(boxed.resolved(self.path), functools.partial(inspection.describe, every_flag=self.all))


@dataclasses.dataclass(frozen=True)
class Convert:
    """Make a PyTorch or Chainer file (.pth, .pt, .safetensors, .npz) a file of this program, or with --to_torch the
    other way; what the file cannot show is taken from the project that its names are of, and printed."""

    source: Positional[ModelPlace]
    """The file to read."""
    target: Positional[Path]
    """The .safetensors file to write."""
    to_torch: bool = False
    """Write the weights of a file of ours, or of a run's last generator, under PyTorch names."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """With --to_torch: which of the two generators of a run of CycleGAN."""
    step: int | None = None
    """With --to_torch: the generator that the run keeps of this step, in place of its last."""
    entry: str | None = None
    """Which of the networks in a file that holds several."""
    architecture: str | None = None
    """Read the file as this architecture alone, UNet for instance."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE of the architecture that no file shows, padding=replicate for instance."""
    input_range: tuple[float, float] | None = None
    """Values of black and white in the network's input."""
    output_range: tuple[float, float] | None = None
    """Values of black and white in its output."""
    norm: Literal["image", "running"] | None = None
    """Statistics at test time: each image's own, or the running ones."""
    dropout: Literal["on", "off"] | None = None
    """Dropout at test time."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import boxed
        from gan_jax import model as models
        from gan_jax.interop import convert

        if not self.to_torch and (self.step is not None or self.direction):
            raise ValueError("--step and --direction choose among a run's generators; give them with --to_torch.")
        source = boxed.resolved(self.source)
        if not self.to_torch and source.is_dir():
            raise ValueError(
                f"{self.source} is a folder; name the file to convert, or give --to_torch to write a run's generator "
                "under PyTorch names."
            )
        _require_target(self.target, source)
        if self.to_torch:
            convert.write_torch(self.target, load(self.source, self.step, self.direction))
            print(f"wrote {self.target} under PyTorch names")
            return 0
        if source.is_file() and not models.is_foreign(source):
            raise ValueError(f"{self.source} is a file of gan_jax already; --to_torch writes it under PyTorch names.")
        fields = convert.fields(self.set)
        architecture: Any = self.architecture
        if fields:
            architecture = {**({"name": self.architecture} if self.architecture else {}), **fields}
        converted = convert.read(
            source,
            entry=self.entry,
            architecture=architecture,
            input_range=self.input_range,
            output_range=self.output_range,
            norm=self.norm,
            dropout=None if self.dropout is None else self.dropout == "on",
        )
        for note in converted.notes:
            print(f"  {note}")
        models.save(self.target, converted.generator)
        spec = converted.generator.spec
        print(
            f"wrote {self.target}: {spec.kind}, {spec.architecture['name']}, "
            f"{converted.generator.parameter_count:,} parameters"
        )
        return 0


@dataclasses.dataclass(frozen=True)
class Blend:
    """Make one generator of two of one architecture, number by number, between them: network interpolation, and
    Real-ESRGAN's denoise strength."""

    first: Positional[ModelPlace]
    """A generator's file or a run's folder; a PyTorch file too."""
    second: Positional[ModelPlace]
    """Another of the same architecture."""
    target: Positional[Path]
    """The .safetensors file to write."""
    weight: float = 0.5
    """How much of the first: 1 is the first, 0 the second."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import model as models

        _require_target(self.target, self.first, self.second)
        first, second = load(self.first), load(self.second)
        try:
            blended = models.blend(first, second, self.weight)
        except ValueError as error:  # it knows no files
            raise ValueError(f"{self.first} and {self.second}: {error}") from None
        models.save(self.target, blended)
        print(f"wrote {self.target}: {self.weight:g} of {self.first}, {1 - self.weight:g} of {self.second}")
        return 0


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a generator as StableHLO, ONNX or a folder for Hugging Face, and show that it computes the same.

    StableHLO and ONNX are for programs without gan_jax.
    Ranges, padding, each image's own statistics and the crop are inside: images [N, H, W, C] in [0, 1] go in, and come
    out. Dropout is off.
    """

    generator: Positional[ModelPlace]
    """A .safetensors file, another program's file, a model that `gan-jax models` lists, or a run's folder: then its
    last generator."""
    target: Positional[Path]
    """The file to write, or the folder."""
    format: Literal["stablehlo", "onnx", "huggingface"] = "stablehlo"
    """stablehlo: for `jax.export`, on CPUs, NVIDIA's GPUs and TPUs. onnx: wants the extra `export`. huggingface: a
    folder of weights, config.json and a model card, which `translate` and `sample` take too; nothing is uploaded."""
    uint8: bool = False
    """Take and give uint8 in place of floats."""
    size: int | None = None
    """The side of all images; any size unless given, where the format can say it."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """Which of the two generators of a run of CycleGAN."""
    step: int | None = None
    """The generator that the run keeps of this step, in place of its last."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import boxed
        from gan_jax.infer import exported

        if self.size is not None and self.size < 16:
            raise ValueError(f"--size is {self.size}; wanted at least 16.")
        if self.target.resolve() == boxed.resolved(self.generator).resolve():
            raise ValueError(f"{self.generator} would be overwritten; write to another file.")
        if self.format == "huggingface" and (self.uint8 or self.size is not None):
            raise ValueError("--uint8 and --size are for programs without gan_jax; leave them out.")
        model = load(self.generator, self.step, self.direction)
        if self.format == "huggingface":
            return self._write_folder(model)
        try:
            made = exported.write(self.target, model, self.format, uint8=self.uint8, size=self.size)
        except exported.DifferentError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        if made.note:
            print(f"note: {made.note}.")
        unit = "of 255 levels" if self.uint8 else "of the range"
        sizes = "of any size" if made.sizes == "any" else f"of {made.sizes} pixels"
        ours, theirs = (1000 * seconds for seconds in made.seconds)
        print(
            f"wrote {self.target}: {made.bytes / 2**20:,.1f} MiB, any number of images {sizes}\n"
            f"read back: outputs differ by {made.difference:.2g} {unit} at most; {theirs:,.0f} ms an image, "
            f"the generator itself {ours:,.0f} ms"
        )
        return 0

    def _write_folder(self, model: Any) -> int:
        from gan_jax import model as models
        from gan_jax.infer import exported
        from gan_jax.report import card

        run = card.run_of(models.find(self.generator, step=self.step, direction=self.direction))
        text = card.write(model, self.target.name, run)
        try:
            weights = exported.write_folder(self.target, model, text)
        except exported.DifferentError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        about = "" if run else ", which says nothing of a run since the file is in none"
        print(
            f"wrote {self.target}: weights of {weights.stat().st_size / 2**20:,.1f} MiB, config.json, and a card in "
            f"README.md{about}\nread back: the same {model.parameter_count:,} parameters; `license:` in README.md is "
            "yours to fill in"
        )
        return 0


def _require_target(target: Path, *sources: str | Path) -> None:
    """Raises ValueError where a file of ours cannot be written to the target, or is one of the sources."""
    if target.suffix != ".safetensors":
        raise ValueError(f"{target}: what is written is .safetensors; give it that name.")
    for source in sources:
        if target.resolve() == Path(source).resolve():
            raise ValueError(f"{source} would be overwritten; write to another file.")
