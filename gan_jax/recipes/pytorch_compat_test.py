r"""A run's generators on a folder of pairs, of two kinds of images or of single ones: what `python test.py` does.

    python test.py --dataroot datasets/facades --name facades_pix2pix --model pix2pix --direction BtoA
    python test.py --dataroot datasets/horse2zebra --name horse2zebra --model cycle_gan
    python test.py --dataroot photos --name facades_pix2pix --model test --preprocess none

Direction, preprocess and sizes are those of the run unless given.
"""

import dataclasses
import html
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import numpy as np

from gan_jax import compile_cache, errors, evaluate, files, folders, host_memory, infer
from gan_jax import model as models
from gan_jax.data import image_files, layouts, scan, sources, transforms
from gan_jax.folders import RunFolder
from gan_jax.model import Model
from gan_jax.recipes import flags, pytorch_compat
from gan_jax.terminal import commandline
from gan_jax.training import run

__all__ = ["Config", "Job", "Result", "main"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Config:
    """The flags of `test.py`."""

    dataroot: Path
    """Folder of images, laid out as for training; with --model test, folder of single images."""
    name: str = "experiment_name"
    """Name of the run."""
    checkpoints_dir: Path = Path("checkpoints")
    """Where the folders of runs are."""
    results_dir: Path = Path("results")
    """Where images are written, below NAME/PHASE_EPOCH."""
    model: Literal["pix2pix", "cycle_gan", "test"] = "pix2pix"
    """pix2pix: pairs, which are scored; cycle_gan: two kinds of images, in both directions; test: single images."""
    phase: str = "test"
    """Split of the images: test, val, train, or another folder beside those."""
    epoch: str = "latest"
    """latest: the run's last generator. best: its best on the validation images. Or the number of an epoch that
    --save_epoch_freq kept."""
    num_test: int | None = None
    """Only the first so many images."""
    eval: bool = False
    """Running statistics and no dropout, in place of what the generator's file says."""
    no_dropout: bool = False
    """No dropout, whatever the generator's file says."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """Which side of a pair is the input; with --model test, which generator of CycleGAN."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] | None = None
    """What is done to images before the generator sees them."""
    load_size: flags.SizeFlag | None = None
    """As in training."""
    crop_size: flags.SizeFlag | None = None
    """As in training."""


class Job(NamedTuple):
    """A generator, what it translates, and what the files of input, output and reference are called."""

    model: Model
    images: Any  # items of {"name", "source"} and, where there is a reference, "target"
    kinds: dict[str, str]


class Result(NamedTuple):
    """One image's files, by what they show, and its score where there is a reference."""

    name: str
    files: dict[str, Path]
    score: evaluate.Score | None


@dataclasses.dataclass(frozen=True)
class _Singles:
    """Single images, whose outputs have a folder."""

    jobs: Sequence[infer.Job]
    folder: Path
    channels: int

    def __len__(self) -> int:
        return len(self.jobs)

    def __repr__(self) -> str:
        return f"{len(self)} single images"

    def __getitem__(self, i: int) -> dict[str, Any]:
        name = Path(self.jobs[i].output).relative_to(self.folder).with_suffix("").as_posix()
        return {"name": name, "source": image_files.read(self.jobs[i].input, self.channels)}


def main(arguments: list[str] | None = None) -> int:
    """Reads a command line of the PyTorch code's test.py and tests. Exit codes as those of `gan-jax`."""
    return run.guarded(lambda: _test(_read(arguments)))


def _read(arguments: list[str] | None) -> Config:
    """The configuration that a command line means; what becomes of the PyTorch code's other flags is printed."""
    arguments, lines = pytorch_compat.read(sys.argv[1:] if arguments is None else arguments, pytorch_compat.TEST)
    config = commandline.read(Config, arguments, program=commandline.program(), description=__doc__ or "")
    print(*lines, sep="\n", end="\n" if lines else "")
    return config


def _test(config: Config) -> int:
    """Translates, scores and shows the images; returns the exit code."""
    for name in ("num_test", "load_size", "crop_size"):
        value = getattr(config, name)
        if value is not None and min(transforms.height_width(value)) < 1:
            raise ValueError(f"--{name} is {transforms.shown(value)}; wanted at least 1.")
    if config.results_dir.exists() and not config.results_dir.is_dir():
        raise ValueError(f"--results_dir {config.results_dir} is a file; wanted a folder.")
    if Path(config.phase).name != config.phase or config.phase == "..":
        raise ValueError(f"--phase is {config.phase}; wanted the name of one folder, as test or val.")
    run_folder = folders.last(config.checkpoints_dir / config.name)
    recipe = _recipe(run_folder)
    folder = config.results_dir / config.name / f"{config.phase}_{config.epoch}"
    host_memory.keep()
    compile_cache.enable()
    jobs = _jobs(config, recipe, run_folder, folder / "images")
    # A recipe without the flag, super-resolution's, takes images as they are.
    preprocess = config.preprocess or recipe.get("preprocess", "none" if recipe else "resize_and_crop")
    sizes: dict[str, Any] = {name: _size(config, recipe, name) for name in ("load_size", "crop_size")}

    results, failures, summaries = [], [], []
    for job in jobs:
        derive = transforms.deriver(recipe.get("derive"), job.model.spec.in_channels)
        whole = transforms.whole(preprocess, **sizes, derive=derive)
        print(f"{config.phase}: {job.images}")
        of_job: list[Result] = []
        for i in range(len(job.images)):
            try:
                item = job.images[i]
                of_job.append(_result(item["name"], whole(item, np.random.default_rng(0)), job, folder))
            except (ValueError, OSError) as error:
                failures.append(errors.in_words(error))
        summaries.append(_summary(config, job, of_job))
        results += of_job
    for line in errors.few(failures):
        print(f"error: {line}", file=sys.stderr)
    files.write(folder / "index.html", _page("; ".join(summaries), results))
    print(*summaries, sep="\n")
    print(f"page: {folder / 'index.html'}")
    print(f"wrote {len(results)} of {sum(len(job.images) for job in jobs)}")
    return 1 if failures else 0


def _summary(config: Config, job: Job, results: Sequence[Result]) -> str:
    which = f"{config.name}, {config.phase}, {config.epoch} ({job.model.spec.step} steps)"
    summary = f"{which}: {len(results)} images {job.kinds['output']}"
    scores = [result.score for result in results if result.score is not None]
    if not scores:
        return summary
    mean = evaluate.Evaluation(evaluate.PROTOCOLS["rgb"], scores, [])
    return f"{summary}, mean PSNR {mean.psnr:.4f} dB, mean SSIM {mean.ssim:.5f} ({mean.protocol.title})"


def _load(config: Config, run_folder: Path, which: str = "") -> Model:
    """The run's generator, or that of CycleGAN's which is named, behaving at test time as its file or the flags say."""
    folder = path = run_folder if config.epoch in ("latest", "best") else _kept(run_folder, config.epoch)
    if config.epoch == "best" or which:
        path = folder / RunFolder(run_folder).model(which, best=config.epoch == "best").name
        if config.epoch == "best" and run_folder.is_dir() and not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist; a run writes it when validation scores it: use --epoch latest."
            )
    model = models.load(path)
    if model.spec.bands is not None:
        raise ValueError(
            f"{path} makes arrays of channels; gan-jax translate writes them, gan-jax evaluate scores them."
        )
    running = config.eval and model.variables["stats"]  # the PyTorch code's --eval leaves other norms as they are
    dropout = False if config.eval or config.no_dropout else None
    return infer.with_options(model, dropout=dropout, norm="running" if running else None)


def _kept(run_folder: Path, epoch: str) -> Path:
    """The folder of the generators that the run keeps of an epoch."""
    recipe, steps = _recipe(run_folder), _described(run_folder).get("steps", 0)
    epochs = recipe.get("n_epochs", 0) + recipe.get("n_epochs_decay", 0)
    if not epoch.isdecimal() or int(epoch) < 1 or not epochs:
        raise ValueError(f"--epoch is {epoch}; wanted latest, best, or an epoch that --save_epoch_freq kept.")
    return folders.kept_at(run_folder, int(epoch), unit="epoch", steps=steps // epochs)


def _recipe(run_folder: Path) -> dict[str, Any]:
    """The flags that the run was trained with; none for a generator without a run."""
    return dict(_described(run_folder).get("recipe", {}))


def _described(run_folder: Path) -> dict[str, Any]:
    """What config.json says; nothing for a generator without a run."""
    path = RunFolder(run_folder).config
    if not path.exists():
        return {}
    try:
        description = json.loads(path.read_text())
        return {**description, "recipe": dict(description["recipe"])}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged; the run cannot be tested.") from None


def _jobs(config: Config, recipe: dict[str, Any], run_folder: Path, images: Path) -> list[Job]:
    """What is translated by which generator. Raises as `layouts.open_pairs` and `layouts.open_side` do."""
    trained = recipe.get("direction", "AtoB")
    direction = config.direction or trained
    if config.model == "test":
        several = RunFolder(run_folder).model("AtoB").exists()
        model = _load(config, run_folder, direction if several else "")
        singles = _Singles(infer.plan([config.dataroot], images)[: config.num_test], images, model.spec.in_channels)
        return [Job(model, singles, {"source": "real", "output": "fake"})]
    if direction != trained:
        print(f"the run was trained {trained}: --direction {direction} exchanges its inputs and targets.")
    jobs = []
    if config.model == "pix2pix":
        model = _load(config, run_folder)
        both_sides = _open_pairs(config, recipe, direction, model)
        jobs.append(Job(model, both_sides, {"source": "real_A", "output": "fake_B", "target": "real_B"}))
    else:
        for here, there in ("AB", "BA"):
            model = _load(config, run_folder, f"{here}to{there}")
            kinds = {"source": f"real_{here}", "output": f"fake_{there}", "target": f"real_{there}"}
            towards: Literal["AtoB", "BtoA"] = "AtoB" if (here == "A") == (direction == "AtoB") else "BtoA"
            aligned = recipe.get("dataset_mode") == "aligned"
            opened = _open_pairs(config, recipe, towards, model) if aligned else _open_side(config, towards[0], model)
            jobs.append(Job(model, opened, kinds))
    jobs = [job for job in jobs if job.images is not None]
    if not jobs:
        what = "images to test on" if config.phase in layouts.STAND_INS else f"images of --phase {config.phase}"
        raise FileNotFoundError(f"{config.dataroot} holds no {what}; --phase train takes those that it has.")
    return jobs


def _open_pairs(
    config: Config, recipe: dict[str, Any], direction: Literal["AtoB", "BtoA"], model: Model
) -> sources.Pairs | sources.Images | None:
    pairs = layouts.open_pairs(
        config.dataroot,
        config.phase,
        direction=direction,
        derive=recipe.get("derive"),
        limit=config.num_test,
        source_channels=model.spec.in_channels,
        target_channels=model.spec.out_channels,
    )
    if pairs is not None:
        scan.check_headers(pairs, smallest=11)  # below 11 pixels SSIM is not defined
    return pairs


def _open_side(config: Config, side: Any, model: Model) -> sources.Images | None:
    opened = layouts.open_side(
        config.dataroot, config.phase, side, key="source", channels=model.spec.in_channels, limit=config.num_test
    )
    if opened is not None:
        scan.check_headers(opened)
    return opened


def _size(config: Config, recipe: dict[str, Any], name: str) -> transforms.Size:
    """A size of the flags or of the run; 256 for a generator without a run, as the PyTorch code tests."""
    size = getattr(config, name) or recipe.get(name, 256)
    return tuple(size) if isinstance(size, list) else size


def _result(name: str, pair: dict[str, np.ndarray], job: Job, folder: Path) -> Result:
    """Translates one image, scores the output where there is a reference, and writes all of them."""
    files.require_possible(folder / "images" / f"{name}_{max(job.kinds.values(), key=len)}.png")
    shown = {"source": pair["source"], "output": infer.translate(job.model, pair["source"]), **pair}
    score = evaluate.score(name, shown["output"], pair["target"]) if "target" in pair else None
    written = {job.kinds[kind]: Path("images") / f"{name}_{job.kinds[kind]}.png" for kind in shown}
    for kind, image in shown.items():
        image_files.save(folder / written[job.kinds[kind]], image)
    return Result(name, written, score)


def _page(summary: str, results: Sequence[Result]) -> str:
    """The results as a table that any browser shows, without a server."""
    rows = []
    for result in results:
        score = "" if result.score is None else f"<br>{result.score.psnr:.4f} dB<br>{result.score.ssim:.5f}"
        cells = [
            f'<td><img src="{quote(os.fsencode(file.as_posix()))}" alt="{kind}" loading="lazy"><br>{kind}</td>'
            for kind, file in result.files.items()
        ]
        rows.append(f"<tr><th>{html.escape(files.shown(result.name))}{score}</th>{''.join(cells)}</tr>")
    title = html.escape(summary)
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>',
            "<style>body {font-family: sans-serif} th {font-weight: normal; text-align: left}</style>",
            f"<p>{title}</p>\n<table>",
            *rows,
            "</table>\n</html>\n",
        ]
    )
