"""Verbs that use a trained model: `translate` and `sample`; and `models`, those that are installed."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from gan_jax.cli.speaking import Compiling, Speaker, load
from gan_jax.terminal.commandline import ModelPlace

__all__ = ["Models", "Sample", "Translate"]
__dir__ = __all__.copy

# Flags of images that no video has.
_OF_IMAGES = ("suffix", "format", "quality", "frame", "half", "limit", "samples", "num_processes")
_INPUTS = {"clean": "clean inputs", "jpeg": "JPEG of quality 75", "native": "at the photographs' own size"}


@dataclasses.dataclass(frozen=True)
class Translate(Compiling):
    """Run a generator over images: any size in, the same out, or that times the generator's scale."""

    generator: Positional[ModelPlace]
    """A .safetensors file, a PyTorch or Chainer file, a model that `gan-jax models` lists, or a run's folder: then its
    last generator; of several stages that of the last."""
    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Images or folders of images, then the folder to write to (or, for one image, one file); or a video, and the one
    to write, by ffmpeg."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """Which of the two generators of a run of CycleGAN."""
    step: int | None = None
    """The generator that the run keeps of this step, in place of its last."""
    suffix: str = ""
    """What is put behind each name: a.png gives a_out.png with _out."""
    format: Literal["png", "jpg", "webp", "tif", "bmp", "avif", "npy", "same"] | None = None
    """What a folder's images are written as: png unless given; same keeps the inputs' own formats. JPEG and AVIF
    have quality 95 and full color, WebP is lossless. Arrays of channels are written as tif, npy or, of 1 or 3, png;
    same unless given."""
    quality: int | None = None
    """Quality of .jpg, .webp and .avif, 1 to 100, in place of that."""
    frame: Annotated[int | Literal["all"] | None, arg(metavar="N|all")] = None
    """Which frame of an animation, or page of a document, counted from 0; all writes each for itself."""
    half: Literal["left", "right"] | None = None
    """Take that half of each image: the input of pairs side by side."""
    limit: int | None = None
    """Translate only the first LIMIT images."""
    skip_existing: bool = False
    """Leave out images whose output is there already, and a video that is; one that stopped goes on by --frames."""
    frames: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Of a video: keep each computed frame in this folder too, as 000000.png and so on, and take from there those that
    it holds, so that the same command goes on where it stopped. The folder stays."""
    num_processes: int = 1
    """How many processes, on one host or several, were given the same command; each takes its share of the images."""
    process_id: int = 0
    """Which of them this is, from 0 on."""
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
        for name in ("limit", "batch_size", "samples", "num_processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; wanted at least 1.")
        if not 0 <= self.process_id < self.num_processes:
            raise ValueError(f"--process_id is {self.process_id}; wanted at least 0 and less than --num_processes.")
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
        moving = any(_is_video(path) for path in self.paths)
        if moving:
            self._require_video(inputs, output)
        elif self.frames is not None:
            raise ValueError(
                f"--frames is for videos and {inputs[0]} is none; leave it out, and give --skip_existing to go on."
            )
        dropout = None if self.dropout is None else self.dropout == "on"
        model = load(self.generator, self.step, self.direction)
        try:
            model = infer.with_options(model, dropout=dropout, norm=self.norm)
        except ValueError as error:  # it knows no file
            raise ValueError(f"{self.generator}: {error}") from None
        if moving:
            return self._video(model, inputs[0], output)
        if (self.suffix or self.format) and infer.names_a_file(inputs, output):
            raise ValueError(f"{output} is one image; --suffix and --format are for those of a folder: leave them out.")
        bands, form = model.spec.bands, self.format or ("png" if model.spec.bands is None else "same")
        if bands is not None:
            self._require_arrays()
        elif form == "npy":
            raise ValueError("--format npy is for arrays of channels, and this generator makes images; leave it out.")
        extension = None if form == "same" else f".{form}"
        planned = infer.plan(
            inputs,
            output,
            samples=self.samples,
            suffix=self.suffix,
            extension=extension,
            frame=self.frame,
            bands=bands,
        )
        jobs = planned[: self.limit][self.process_id :: self.num_processes]
        if self.quality is not None and not any(str(job.output).lower().endswith(WITH_QUALITY) for job in jobs):
            raise ValueError("--quality is for .jpg, .webp and .avif; leave it out, or give --format.")
        if self.skip_existing:
            jobs = [job for job in jobs if not all(path.exists() for path in infer.outputs(job, samples=self.samples))]
        speaker = Speaker("translated")
        speaker.notes(finding.notes(inputs, extensions=finding.EXTENSIONS if bands is None else finding.RASTERS))
        if self.half is None and bands is None and seams.hold_pairs([job.input for job in jobs]):
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

    def _require_arrays(self) -> None:
        """Raises ValueError for what is asked of images alone."""
        given = [name for name in ("samples", "frame", "half", "quality") if getattr(self, name) is not None]
        if given:
            raise ValueError(f"--{given[0]} is for images, and this generator makes arrays of channels; leave it out.")
        if self.format not in (None, "tif", "npy", "png", "same"):
            raise ValueError(f"--format {self.format} holds no arrays of channels; wanted tif, npy, png or same.")

    def _require_video(self, inputs: Sequence[Path], output: Path) -> None:
        """Raises ValueError where paths or flags do not go with a video."""
        from gan_jax.data import video

        if len(inputs) > 1:
            raise ValueError("a video is translated alone; give gan-jax translate MODEL clip.mp4 out.mp4.")
        if not _is_video(inputs[0]):
            raise ValueError(f"{output} is the name of a video and {inputs[0]} is none; name a folder or an image.")
        if not output.name.lower().endswith(video.WRITTEN) or output.is_dir():
            raise ValueError(
                f"{inputs[0]} is a video; wanted one to write, called {' or '.join(video.WRITTEN)}, and not {output}."
            )
        if not inputs[0].is_file():
            raise FileNotFoundError(f"{inputs[0]} does not exist; name a video.")
        if output.exists() and output.samefile(inputs[0]):
            raise ValueError(f"{output} is the input and would be overwritten; write to another file.")
        plain = {field.name: field.default for field in dataclasses.fields(self)}
        for name in _OF_IMAGES:
            if getattr(self, name) != plain[name]:
                raise ValueError(f"--{name} is for images and {inputs[0]} is a video; leave it out.")

    def _video(self, model: Any, source: Path, target: Path) -> int:
        """Translates a video; returns the exit code."""
        from gan_jax import infer
        from gan_jax.data import video
        from gan_jax.infer import engine

        if self.skip_existing and target.exists():
            print(f"wrote 0 of 0: {target} is there; one that stopped goes on by --frames FOLDER")
            return 0
        speaker = Speaker("translated")
        if self.skip_existing and self.frames is None:
            speaker.note(
                "--skip_existing leaves out a video that is there; --frames FOLDER keeps its frames, so that the same "
                "command goes on where it stopped."
            )
        try:
            count = infer.translate_video(
                model,
                source,
                target,
                batch_size=self.batch_size,
                seed=self.seed,
                tile=self.tile,
                outscale=self.outscale,
                self_ensemble=self.self_ensemble,
                frames=self.frames,
                say=speaker.note,
                progress=speaker.count,
            )
        except (engine.Failure, video.BrokenError) as error:
            speaker.end([f"{str(error).rstrip('.')}; {target} is not written."])
            return 1
        speaker.end([])
        print(f"wrote {target}: {count} frames")
        return 0


def _is_video(path: Path) -> bool:
    """Whether a path is called like a video."""
    from gan_jax.data import video

    return path.name.lower().endswith(video.READ)


@dataclasses.dataclass(frozen=True)
class Sample(Compiling):
    """Make images with a generator that starts from latents: a DCGAN's or a WGAN's."""

    generator: Positional[ModelPlace]
    """A .safetensors file, a PyTorch or Chainer file, or a run's folder: then its last generator."""
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
        model = load(self.generator, self.step)
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
class Models(Compiling):
    """List the generators that are installed with the program, which every verb takes by their names."""

    time: bool = False
    """Measure the seconds a megapixel here, in place of saying those of the machine that judged them."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import boxed
        from gan_jax import model as models
        from gan_jax.infer import timing

        machines = set()
        for name in boxed.NAMES:
            facts, file = boxed.facts(name), boxed.file(name)
            seconds = timing.seconds_a_megapixel(models.load(file)) if self.time else facts["seconds_a_megapixel"]
            machines.add("this machine" if self.time else facts["machine"])
            print(
                f"{name}: photographs {facts['scale']} times as large, {file.stat().st_size / 1e6:.2f} MB, "
                f"{seconds:.3g} s for a megapixel that goes in"
            )
            for kind, words in _INPUTS.items():
                told = ", ".join(
                    f"{metric.upper()} {scored['model']:.{digits}f} ({scored['bicubic']:.{digits}f})"
                    for metric, digits in (("psnr", 2), ("ssim", 4), ("lpips", 3))
                    if (scored := facts["scores"][kind].get(metric))
                )
                print(f"  {words}: {told}")
        print(
            f"In parentheses bicubic, on {len(facts['photographs'])} test photographs, {facts['protocol']}; seconds on "
            f"{' and '.join(sorted(machines))}."
        )
        return 0
