"""The `gan-jax` command. Nothing heavy is imported before the arguments are parsed."""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

__all__ = ["Convert", "Data", "Evaluate", "Inspect", "Report", "Sample", "Shrink", "Translate", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Translate:
    """Run a generator over images: any size in, the same out, or that times the generator's scale."""

    generator: Positional[Path]
    """A .safetensors file, or a run's folder: then its last generator; of several stages that of the last."""
    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Images or folders of images, then the folder to write to (or, for one image, one file)."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """Which of the two generators of a run of CycleGAN."""
    step: int | None = None
    """The generator that the run keeps of this step, in place of its last."""
    suffix: str = ""
    """What is put behind each name: a.png gives a_out.png with _out."""
    format: Literal["png", "jpg", "webp", "tif", "bmp", "avif", "same"] | None = None
    """What a folder's images are written as: png unless given; same keeps the inputs' own formats. JPEG and AVIF
    have quality 95 and full color, WebP is lossless."""
    quality: int | None = None
    """Quality of .jpg, .webp and .avif, 1 to 100, in place of that."""
    frame: Annotated[int | Literal["all"] | None, arg(metavar="N|all")] = None
    """Which frame of an animation, or page of a document, counted from 0; all writes each for itself."""
    half: Literal["left", "right"] | None = None
    """Take that half of each image: the input of pairs side by side."""
    limit: int | None = None
    """Translate only the first LIMIT images."""
    skip_existing: bool = False
    """Leave out images whose output is there already."""
    batch_size: int = 1
    """Images of one padded size to compute together; the results do not depend on it."""
    seed: int = 0
    """Chooses the noise of a generator whose dropout is on at test time."""
    samples: int | None = None
    """Write so many outputs of each image, each with noise of its own: a.png gives a_sample_0.png (the one written
    without this flag), a_sample_1.png, ..., their mean a_mean.png and their standard deviation a_std.png, where 10
    stands for a deviation of 1 of 255 levels, 255 for 25.5 and more."""
    dropout: Literal["on", "off"] | None = None
    """Dropout at test time; as the generator's file says unless given."""
    norm: Literal["image", "running"] | None = None
    """Normalize by each image's own statistics or by the running ones; as the generator's file says unless given."""
    tile: int | None = None
    """Compute in tiles of so many input pixels a side, 0 for whole images; as large as memory allows unless given.
    The result is the whole image's."""
    outscale: float | None = None
    """The final side over the input's, by bicubic after the generator; the generator's scale unless given."""
    self_ensemble: bool = False
    """Take the mean over eight ways to turn and mirror each image: a little better, eight times the work."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import infer
        from gan_jax.data import finding, seams
        from gan_jax.data.image_files import WITH_QUALITY

        if len(self.paths) < 2:
            raise ValueError("give at least one input and, last, an output: gan-jax translate RUN in/ out/.")
        for name in ("limit", "batch_size", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; wanted at least 1.")
        if self.tile is not None and self.tile < 0:
            raise ValueError(f"--tile is {self.tile}; wanted at least 1, or 0 for whole images.")
        if self.outscale is not None and not 0 < self.outscale <= 64:
            raise ValueError(f"--outscale is {self.outscale:g}; wanted more than 0 and at most 64.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted at least 0 and less than 2**32.")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"--quality is {self.quality}; wanted 1 to 100.")
        if isinstance(self.frame, int) and self.frame < 0:
            raise ValueError(f"--frame is {self.frame}; wanted at least 0, or all.")
        if "/" in self.suffix:
            raise ValueError(f"--suffix is {self.suffix}; wanted the end of a name, without separators.")
        *inputs, output = self.paths
        dropout = None if self.dropout is None else self.dropout == "on"
        model = _load(self.generator, self.step, self.direction)
        try:
            model = infer.with_options(model, dropout=dropout, norm=self.norm)
        except ValueError as error:  # it knows no file
            raise ValueError(f"{self.generator}: {error}") from None
        if (self.suffix or self.format) and infer.names_a_file(inputs, output):
            raise ValueError(f"{output} is one image; --suffix and --format are for those of a folder: leave them out.")
        extension = None if self.format == "same" else f".{self.format or 'png'}"
        planned = infer.plan(
            inputs, output, samples=self.samples, suffix=self.suffix, extension=extension, frame=self.frame
        )
        jobs = planned[: self.limit]
        if self.quality is not None and not any(str(job.output).lower().endswith(WITH_QUALITY) for job in jobs):
            raise ValueError("--quality is for .jpg, .webp and .avif; leave it out, or give --format.")
        if self.skip_existing:
            jobs = [job for job in jobs if not all(path.exists() for path in infer.outputs(job, samples=self.samples))]
        speaker = _Speaker("translated")
        speaker.notes(finding.notes(inputs))
        if self.half is None and seams.hold_pairs([job.input for job in jobs]):
            speaker.note(
                "these look like pairs side by side, and the whole of each is translated; --half left takes the left "
                "image of each alone, --half right the other."
            )
        failures = infer.translate_files(
            model,
            jobs,
            batch_size=self.batch_size,
            seed=self.seed,
            samples=self.samples,
            tile=self.tile,
            outscale=self.outscale,
            self_ensemble=self.self_ensemble,
            half=self.half,
            quality=self.quality,
            say=speaker.note,
            progress=speaker.count,
        )
        speaker.end(failures)
        print(f"wrote {len(jobs) - len(failures)} of {len(jobs)}")
        if self.samples is not None:
            print(f"the *_std images show {infer.STD_SCALE} times the standard deviation")
        return 1 if failures else 0


@dataclasses.dataclass(frozen=True)
class Sample:
    """Make images with a generator that starts from latents: a DCGAN's or a WGAN's."""

    generator: Positional[Path]
    """A .safetensors file, or a run's folder: then its last generator."""
    output: Positional[Path] = Path("samples.png")
    """One .png, for a grid of all images, or the folder to write each image to."""
    n: int | None = None
    """How many: 64 unless given, and a generator with classes then fills a grid with a row a class."""
    seed: int = 0
    """Chooses the latents; image i of a seed does not depend on --n."""
    step: int | None = None
    """The generator that the run keeps of this step, in place of its last."""
    label: str | None = None
    """The class of all images: its name, or its number where no class has that name; else the classes take turns."""
    interpolate: bool = False
    """Rows of images that each go from one latent to another, in place of images of latents drawn alone."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax.infer import latents

        if self.n is not None and self.n < 1:
            raise ValueError(f"--n is {self.n}; wanted at least 1.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed is {self.seed}; wanted at least 0 and less than 2**32.")
        model = _load(self.generator, self.step)
        try:
            label = None if self.label is None else latents.label_of(model, self.label)
            written = latents.write(
                model, self.output, count=self.n, seed=self.seed, label=label, interpolate=self.interpolate
            )
        except latents.UnfitError as error:  # it knows no file
            raise ValueError(f"{self.generator}: {error}") from None
        of_class = "" if label is None else f" of label {label}"
        if label is not None and model.spec.classes:
            of_class = f" of class {model.spec.classes[label]} (label {label})"
        print(f"wrote {written} images{of_class} to {self.output}")
        return 0


@dataclasses.dataclass(frozen=True)
class Evaluate:
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
        protocol = evaluate.with_options(
            evaluate.PROTOCOLS[self.protocol],
            y_channel=self.y_channel,
            crop_border=self.crop_border,
            scale=self.scale,
        )
        speaker = _Speaker("scored")
        result = evaluate.evaluate(
            self.paths[0],
            self.paths[-1],
            protocol,
            metric_names=evaluate.parse_metrics(self.metrics),
            other=self.compare,
            output_names=f"{{}}{self.suffix}" if self.suffix else self.outputs,
            reference_names=self.references,
            self_check=self.self_check,
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
class Inspect:
    """Say what a generator file, a run's folder, a checkpoint, or a PyTorch or Chainer file is."""

    path: Positional[Path]
    """The file or folder; of a folder of several runs each is described."""
    all: bool = False
    """Show every flag of a run, and not only those that differ from their defaults."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax.cli import inspection

        return _each(self.path, functools.partial(inspection.describe, every_flag=self.all))


@dataclasses.dataclass(frozen=True)
class Convert:
    """Make a PyTorch or Chainer file (.pth, .pt, .safetensors, .npz) a file of this program, or with --to_torch the
    other way; what the file cannot show is taken from the project that its names are of, and printed."""

    source: Positional[Path]
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
        from gan_jax import model as models
        from gan_jax.interop import convert

        if not self.to_torch and (self.step is not None or self.direction):
            raise ValueError("--step and --direction choose among a run's generators; give them with --to_torch.")
        if not self.to_torch and self.source.is_dir():
            raise ValueError(
                f"{self.source} is a folder; name the file to convert, or give --to_torch to write a run's generator "
                "under PyTorch names."
            )
        if self.target.suffix != ".safetensors":
            raise ValueError(f"{self.target}: what is written is .safetensors; give it that name.")
        if self.target.resolve() == self.source.resolve():
            raise ValueError(f"{self.source} would be overwritten; write to another file.")
        if self.to_torch:
            convert.write_torch(self.target, _load(self.source, self.step, self.direction))
            print(f"wrote {self.target} under PyTorch names")
            return 0
        if self.source.is_file() and not models.is_foreign(self.source):
            raise ValueError(f"{self.source} is a file of gan_jax already; --to_torch writes it under PyTorch names.")
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
        models.save(self.target, converted.generator)
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
    """The run's folder, or one of several runs: then that of each."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import report

        return _each(self.run_folder, report.write)


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
        from gan_jax.data.demo import skimage_photos

        counts = skimage_photos.prepare(self.folder)
        print(f"{self.folder}: " + ", ".join(f"{count} in {split}" for split, count in counts.items()))
        return 0


@dataclasses.dataclass(frozen=True)
class Shrink:
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
        made = degrade.Degradation(self.downscale, self.scale)
        jobs = infer.plan(inputs, output)
        speaker = _Speaker("written")
        frames = image_files.count_all_frames(job.input for job in jobs)
        speaker.notes([*finding.notes(inputs), *image_files.frame_notes(frames)])
        ends = [(job.input, job.output) for job in jobs]
        failures = super_resolution.shrink_files(ends, self.scale, lambda picture: degrade.picture(made, picture))
        speaker.end(failures)
        print(f"wrote {len(jobs) - len(failures)} of {len(jobs)}")
        return 1 if failures else 0


class _Speaker:
    """What a command says beside its result: notes and errors, ten of each at most, and how far it is."""

    def __init__(self, done: str) -> None:
        from gan_jax.terminal import console

        self.count = console.Count(done)
        self._notes = 0

    def note(self, words: str) -> None:
        self._notes += 1
        if self._notes <= _MOST_NOTES:
            self.count.end_line()
            print(f"note: {words}", file=sys.stderr)

    def notes(self, notes: Iterable[str]) -> None:
        for words in notes:
            self.note(words)

    def end(self, failures: Sequence[str]) -> None:
        from gan_jax import errors

        self.count.end_line()
        if self._notes > _MOST_NOTES:
            print(f"note: ... and {self._notes - _MOST_NOTES:,} more notes.", file=sys.stderr)
        for failure in errors.few(failures):
            print(f"error: {failure}", file=sys.stderr)


_MOST_NOTES = 10
_VERBS = {
    "translate": Translate,
    "sample": Sample,
    "evaluate": Evaluate,
    "convert": Convert,
    "inspect": Inspect,
    "shrink": Shrink,
    "data": Data,
    "report": Report,
}
_HELP = """usage: gan-jax VERB ..., and `gan-jax VERB --help`

Image GANs in JAX: train them, use, score and inspect what was trained.

{verbs}

gan-jax --version says which version this is."""
_TRAIN = "train"  # no class: each recipe has flags of its own


def _load(path: Path, step: int | None, direction: Literal["AtoB", "BtoA"] | None = None) -> Any:
    """The generator that a path means; said where the path leaves that open."""
    from gan_jax import model as models

    found = models.find(path, step=step, direction=direction)
    if path.is_dir() and found.parent != path:
        print(f"note: the generator is {found}.", file=sys.stderr)
    return models.load(found)


def _each(path: Path, call: Callable[[Path], object]) -> int:
    """Prints what `call` makes of each run of a folder, or of what else the path is; returns the exit code."""
    from gan_jax import errors, folders

    found = folders.runs(path)
    if len(found) <= 1:
        print(call(*found or [path]))
        return 0
    code = 0
    for run in found:
        try:
            print(call(run))
        except (ValueError, OSError) as error:
            print(f"error: {errors.in_words(error)}", file=sys.stderr)
            code = 1
    return code


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. Exit codes: 0 done, 1 some inputs failed and the rest is done, 2 wrong usage or input."""
    from gan_jax import errors, recipes
    from gan_jax.terminal import console

    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == [_TRAIN] and arguments[1:2] and arguments[1] in recipes.NAMES:
        # A run has lasting streams and exit codes of its own.
        return recipes.load(arguments[1]).main(arguments[2:], program=f"gan-jax {_TRAIN} {arguments[1]}")
    with console.lasting_streams():
        try:
            code = _run(arguments)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except (ValueError, OSError, ImportError) as error:
            print(f"error: {errors.in_words(error)}", file=sys.stderr)
            return 2
        if lost := console.lost():
            print(f"error: the result could not be printed ({lost.strerror}); make room for it.", file=sys.stderr)
            return code or 1
        return code


def _run(arguments: list[str]) -> int:
    from gan_jax.terminal import commandline

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        first = {name: (verb.__doc__ or "").splitlines()[0] for name, verb in _VERBS.items()}
        lines = [f"  {name:<10} {words}" for name, words in {_TRAIN: f"{_recipes()}.", **first}.items()]
        print(_HELP.format(verbs="\n".join(lines)))
        return 0 if arguments else 2
    if arguments[0] in ("--version", "-V", "version"):
        from importlib.metadata import version

        print(f"gan_jax {version('gan_jax')}")
        return 0
    if arguments[0] == _TRAIN:
        return _without_a_recipe(arguments[1:])
    name = _verb(arguments[0])
    verb: Any = commandline.read(_VERBS[name], arguments[1:], program=f"gan-jax {name}")
    with _in_32_bits():
        return verb.run()


def _verb(word: str) -> str:
    from gan_jax.terminal import commandline, other_programs

    if ours := other_programs.verb(word):
        raise ValueError(f"there is no verb {word}; use {ours}.")
    return commandline.choose(word, "verb", [_TRAIN, *_VERBS])


def _recipes() -> str:
    from gan_jax import recipes

    *names, last = recipes.NAMES
    return f"Train a recipe: {', '.join(names)} or {last}"


def _without_a_recipe(arguments: list[str]) -> int:
    """What `gan-jax train` says where no recipe is named, or one that there is not."""
    from gan_jax import recipes
    from gan_jax.terminal import commandline

    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(f"usage: gan-jax {_TRAIN} RECIPE ...\n\n{_recipes()}; `gan-jax {_TRAIN} RECIPE --help` shows its flags.")
        return 0
    if not arguments or arguments[0].startswith("-"):
        raise ValueError(
            f"gan-jax {_TRAIN} wants a recipe's name first: {', '.join(recipes.NAMES)}; for instance "
            f"gan-jax {_TRAIN} pix2pix demo."
        )
    commandline.choose(arguments[0], "recipe", recipes.NAMES)  # raises: main takes those that there are
    return 2


@contextmanager
def _in_32_bits() -> Iterator[None]:
    """What verbs write does not depend on JAX_ENABLE_X64 in the environment."""
    import jax

    before = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    jax.config.update("jax_enable_x64", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


if __name__ == "__main__":
    sys.exit(main())
