"""The `gan-jax` command. Nothing heavy is imported before the arguments are parsed."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg, subcommand


@dataclasses.dataclass(frozen=True)
class Translate:
    """Run a generator over pictures: any size in, the same out, or that times the generator's scale."""

    generator: Positional[Path]
    """A .safetensors file, or a run's folder: then its last generator."""
    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Pictures or folders of pictures, then the folder to write to (or one .png for one picture)."""
    limit: int | None = None
    """Translate only the first LIMIT pictures."""
    skip_existing: bool = False
    """Leave out pictures whose output is there already."""
    batch_size: int = 1
    """Pictures of one padded size to compute together; the results do not depend on it."""
    seed: int = 0
    """Chooses the noise of a generator whose dropout is on at test time."""
    samples: int | None = None
    """Write so many outputs of each picture, each with noise of its own: a.png gives a_sample_0.png (the one written
    without this flag), a_sample_1.png, ..., their mean a_mean.png and their standard deviation a_std.png, where 10
    stands for a deviation of 1 of 255 levels, 255 for 25.5 and more."""
    dropout: Literal["on", "off"] | None = None
    """Dropout at test time; as the generator's file says unless given."""
    norm: Literal["image", "running"] | None = None
    """Normalise by each image's own statistics or by the running ones; as the generator's file says unless given."""
    tile: int | None = None
    """Compute in tiles of so many input pixels a side, 0 for whole pictures; as large as memory allows unless given.
    The result is the whole picture's."""
    outscale: float | None = None
    """The final side over the input's, by bicubic after the generator; the generator's scale unless given."""
    self_ensemble: bool = False
    """Take the mean over eight ways to turn and mirror each picture: a little better, eight times the work."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import generator, infer

        if len(self.paths) < 2:
            raise ValueError("give at least one input and, last, an output: gan-jax translate RUN in/ out/.")
        for name in ("limit", "batch_size", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; wanted at least 1.")
        if self.tile is not None and self.tile < 0:
            raise ValueError(f"--tile is {self.tile}; wanted at least 1, or 0 for whole pictures.")
        if self.outscale is not None and not 0 < self.outscale <= 64:
            raise ValueError(f"--outscale is {self.outscale:g}; wanted more than 0 and at most 64.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted at least 0 and less than 2**32.")
        *inputs, output = self.paths
        dropout = None if self.dropout is None else self.dropout == "on"
        model = generator.load(self.generator)
        try:
            model = infer.with_options(model, dropout=dropout, norm=self.norm)
        except ValueError as error:  # it knows no file
            raise ValueError(f"{self.generator}: {error}") from None
        jobs = infer.plan(inputs, output, samples=self.samples)[: self.limit]
        if self.skip_existing:
            jobs = [job for job in jobs if not all(path.exists() for path in infer.outputs(job, samples=self.samples))]
        failures = infer.translate_files(
            model,
            jobs,
            batch_size=self.batch_size,
            seed=self.seed,
            samples=self.samples,
            tile=self.tile,
            outscale=self.outscale,
            self_ensemble=self.self_ensemble,
            say=lambda words: print(f"note: {words}", file=sys.stderr),
        )
        for failure in failures:
            print(f"error: {failure}", file=sys.stderr)
        print(f"wrote {len(jobs) - len(failures)} of {len(jobs)}")
        if self.samples is not None:
            print(f"the *_std pictures show {infer.STD_SCALE} times the standard deviation")
        return 1 if failures else 0


@dataclasses.dataclass(frozen=True)
class Sample:
    """Make pictures with a generator that starts from latents: a DCGAN's or a WGAN's."""

    generator: Positional[Path]
    """A .safetensors file, or a run's folder: then its last generator."""
    output: Positional[Path] = Path("samples.png")
    """One .png, for a grid of all pictures, or the folder to write each picture to."""
    n: int | None = None
    """How many: 64 unless given, and a generator with classes then fills a grid with a row a class."""
    seed: int = 0
    """Chooses the latents; picture i of a seed does not depend on --n."""
    label: int | None = None
    """The class of all pictures; else the classes take turns."""
    interpolate: bool = False
    """Rows of pictures that each go from one latent to another, in place of pictures of latents drawn alone."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import generator, sampling

        if self.n is not None and self.n < 1:
            raise ValueError(f"--n is {self.n}; wanted at least 1.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted at least 0 and less than 2**32.")
        try:
            written = sampling.write(
                generator.load(self.generator),
                self.output,
                count=self.n,
                seed=self.seed,
                label=self.label,
                interpolate=self.interpolate,
            )
        except sampling.UnfitError as error:  # it knows no file
            raise ValueError(f"{self.generator}: {error}") from None
        print(f"wrote {written} pictures to {self.output}")
        return 0


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Score pictures against references under a named protocol; they are paired by relative path, extensions apart."""

    outputs: Annotated[Positional[Path], arg(metavar="OUTPUTS")]
    """Pictures to score: a folder tree or one file."""
    references: Annotated[Positional[Path], arg(metavar="REFERENCES")]
    """What they should be: a folder tree or one file."""
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
        """Returns the exit code: 0, or 2 with every unusable picture named and nothing scored."""
        import json

        from gan_jax import evaluate

        def show(done: int, total: int) -> None:
            if sys.stderr.isatty():
                print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

        protocol = evaluate.with_options(
            evaluate.PROTOCOLS[self.protocol],
            y_channel=self.y_channel,
            crop_border=self.crop_border,
            scale=self.scale,
        )
        result = evaluate.evaluate(
            self.outputs,
            self.references,
            protocol,
            metric_names=evaluate.parse_metrics(self.metrics),
            other=self.compare,
            self_check=self.self_check,
            progress=show,
        )
        for failure in result.failures:
            print(f"error: {failure}", file=sys.stderr)
        if result.failures:
            return 2
        print(evaluate.as_table(result))
        if self.json:
            self.json.write_text(json.dumps(evaluate.as_json(result), indent=2) + "\n")
        if self.csv:
            self.csv.write_text(evaluate.as_csv(result))
        return 0


@dataclasses.dataclass(frozen=True)
class Inspect:
    """Say what a generator file, a run's folder, a checkpoint, or a PyTorch or Chainer file is."""

    path: Positional[Path]
    """The file or folder."""
    all: bool = False
    """Show every flag of a run, and not only those that differ from their defaults."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import inspection

        print(inspection.describe(self.path, every_flag=self.all))
        return 0


@dataclasses.dataclass(frozen=True)
class Convert:
    """Make a PyTorch or Chainer file (.pth, .pt, .safetensors, .npz) a file of this program, or with --to_torch the
    other way; what the file cannot show is taken from the project that its names are of, and printed."""

    source: Positional[Path]
    """The file to read."""
    target: Positional[Path]
    """The .safetensors file to write."""
    to_torch: bool = False
    """Write the weights of a file of ours under PyTorch names."""
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
        from gan_jax import generator
        from gan_jax.interop import convert

        if self.target.suffix != ".safetensors":
            raise ValueError(f"{self.target}: what is written is .safetensors; give it that name.")
        if self.target.resolve() == self.source.resolve():
            raise ValueError(f"{self.source} would be overwritten; write to another file.")
        if self.to_torch:
            convert.write_torch(self.target, generator.load(self.source))
            print(f"wrote {self.target} under PyTorch names")
            return 0
        fields = convert.fields(self.set)
        architecture: Any = self.architecture
        if fields:
            architecture = {**({"name": self.architecture} if self.architecture else {}), **fields}
        converted = convert.read(
            self.source,
            entry=self.entry,
            architecture=architecture,
            input_range=self.input_range,
            output_range=self.output_range,
            norm=self.norm,
            dropout=None if self.dropout is None else self.dropout == "on",
        )
        for note in converted.notes:
            print(f"  {note}")
        generator.save(self.target, converted.generator)
        spec = converted.generator.spec
        print(
            f"wrote {self.target}: {spec.kind}, {spec.architecture['name']}, "
            f"{converted.generator.parameter_count:,} parameters"
        )
        return 0


@dataclasses.dataclass(frozen=True)
class Report:
    """Write a run's report.html anew, also while the run is training."""

    run_folder: Positional[Path]
    """The run's folder."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import report

        print(report.write(self.run_folder))
        return 0


@dataclasses.dataclass(frozen=True)
class Data:
    """Training data: `gan-jax data prepare photos FOLDER` writes the photographs of the `photos` extra."""

    action: Positional[Literal["prepare"]]
    """prepare: write a data set as folders train, val and test."""
    dataset: Positional[Literal["photos"]]
    """photos: the photographs that pip install 'gan_jax[photos]' brings."""
    folder: Positional[Path]
    """Folder to write to."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax.data import photos

        counts = photos.prepare(self.folder)
        print(f"{self.folder}: " + ", ".join(f"{count} in {split}" for split, count in counts.items()))
        return 0


@dataclasses.dataclass(frozen=True)
class Shrink:
    """Make low resolution of pictures, 8-bit RGB, as test sets of super-resolution have it."""

    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Pictures or folders of pictures, then the folder to write to."""
    scale: int = 4
    """Side of the pictures, cropped to multiples of it, over side of what is written."""
    downscale: Literal["bicubic", "bilinear", "lanczos", "area", "nearest"] = "bicubic"
    """What makes it: bicubic is MATLAB's imresize, which the papers use."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import degrade, infer
        from gan_jax.data import resolution

        if len(self.paths) < 2:
            raise ValueError("give at least one input and, last, an output: gan-jax shrink in/ out/ --scale 4.")
        if self.scale < 2:
            raise ValueError(f"--scale is {self.scale}; wanted at least 2.")
        *inputs, output = self.paths
        made = degrade.Degradation(self.downscale, self.scale)
        jobs = infer.plan(inputs, output)
        failures = resolution.shrink_files(jobs, self.scale, lambda picture: degrade.picture(made, picture))
        for failure in failures:
            print(f"error: {failure}", file=sys.stderr)
        print(f"wrote {len(jobs) - len(failures)} of {len(jobs)}")
        return 1 if failures else 0


Verb = (
    Annotated[Translate, subcommand("translate")]
    | Annotated[Sample, subcommand("sample")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Inspect, subcommand("inspect")]
    | Annotated[Shrink, subcommand("shrink")]
    | Annotated[Data, subcommand("data")]
    | Annotated[Report, subcommand("report")]
)


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. Exit codes: 0 done, 1 some inputs failed and the rest is done, 2 wrong usage or input."""
    verb = tyro.cli(
        Verb,  # type: ignore[arg-type]
        prog="gan-jax",
        description="Image GANs in JAX: use, score and inspect what experiments trained.",
        args=sys.argv[1:] if arguments is None else arguments,
        config=(tyro.conf.FlagCreatePairsOff,),
        use_underscores=True,
    )
    from gan_jax import errors

    try:
        return verb.run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {errors.in_words(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
