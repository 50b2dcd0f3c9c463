"""Preparing data sets: a folder of images becomes a data set of TFDS in ArrayRecord shards, by several processes.

The images are as `transforms` has them before it crops, so that training from the data set is training from the folder,
bit for bit. What a shard holds depends on the images and the settings alone: neither on the number of processes, nor on
where a kill stopped an earlier call. A manifest beside the shards has their digests.
"""

import dataclasses
import functools
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from gan_jax import errors, files
from gan_jax.data import (
    image_files,
    labeled,
    layouts,
    on_beam,
    rasters,
    records,
    scan,
    seams,
    super_resolution,
    transforms,
)
from gan_jax.data.sources import SplitFiles
from gan_jax.data.tfds_source import INFO, MANIFEST, UNFINISHED
from gan_jax.data.transforms import Size

__all__ = ["Kind", "Settings", "Summary", "kind_of", "prepare"]
__dir__ = __all__.copy

Kind = Literal["pairs", "unpaired", "photographs", "classes"]
_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # as TFDS calls them
_VALIDATION = ("val", "DIV2K_valid")  # how the names of folders of validation images begin
_SHARD = 128 * 2**20  # bytes: enough for few files, few enough to be lost by a kill
_LOOKED_AT = 16  # records that are made beforehand, to see how large they are


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is made of a folder. Sizes are of images as training has them before it crops."""

    kind: Kind
    preprocess: str = "resize_and_crop"
    load_size: Size | None = None
    crop_size: Size | None = None
    derive: transforms.Derive | None = None
    size: int = 64  # of labeled images, squares
    low: str | Path | None = None  # folder of the low resolution of photographs
    scale: int = 4
    source_channels: int = 3
    target_channels: int = 3
    stored: records.Stored | None = None
    tile: int | None = None  # side of the squares that training photographs are cut into
    step: int | None = None  # from one to the next: half a tile unless given
    thin: int = 0  # pixels that are left at an edge and get no tile
    bands: rasters.Bands | None = None  # read files as arrays of channels, which are those of the files

    @property
    def resizes(self) -> bool:
        """Whether images are made smaller or larger."""
        if self.kind == "classes":
            return True
        if self.low is not None or self.preprocess in ("crop", "none"):
            return False
        return self.kind != "photographs" or self.load_size is not None

    @property
    def form(self) -> records.Form:
        """What a record has; pixels where training only crops them, encoded where images keep their sizes.

        Of arrays of channels the files say how many there are.
        """
        stored = self.stored or ("pixels" if self.resizes or self.bands else "encoded")
        source, target = self.source_channels, self.target_channels
        if self.kind == "pairs":
            return records.Form((("A", source), ("B", target)), stored)
        if self.low is not None:
            return records.Form((("hr", target), ("lr", target)), stored)
        return records.Form((("image", max(source, target) if self.kind == "unpaired" else target),), stored)


class Summary(NamedTuple):
    """What was prepared: records by split, shards, bytes; and of one record, the mean bytes either way to store it."""

    counts: Mapping[str, int]
    shards: int
    bytes: int
    made: int  # shards of this call; the others were there
    pixels: float
    encoded: float  # 0 of arrays of channels, which are not
    notes: tuple[str, ...]  # sentences on what of the folder is left out


@dataclasses.dataclass(frozen=True)
class _Part:
    """A split of the data set: its source, and what is done to each image."""

    source: Any  # SplitFiles, and indexed
    settings: Settings
    train: bool
    notes: tuple[str, ...]

    def item(self, i: int) -> dict[str, Any]:
        """What is written of element i."""
        settings, form = self.settings, self.settings.form
        whole = not (settings.tile and self.train) and settings.kind not in ("pairs", "classes")
        if form.stored == "encoded" and not settings.resizes and whole:
            paths = self.source.paths(i)
            kept = [_kept(path, channels) for path, (_, channels) in zip(paths, form.images, strict=True)]
            names = [name for name, _ in form.images]
            return {"name": self.source.name(i), **dict(zip(names, kept, strict=True))}
        item = self.source[i]
        images = _transform(settings, self.train)(item, np.random.default_rng(0))
        keys = {"pairs": ("source", "target"), "classes": ("image",), "unpaired": ("image",)}.get(settings.kind)
        keys = keys or (("target", "source") if settings.low else ("target",))
        named = {name: images[key] for (name, _), key in zip(form.images, keys, strict=True)}
        return {"name": item["name"], **named, **({"label": item["label"]} if settings.kind == "classes" else {})}


@functools.cache
def _transform(settings: Settings, train: bool) -> transforms.Transform:
    if settings.kind == "classes":
        return labeled.fitted(settings.size, settings.target_channels, flip=False)
    if not settings.resizes:
        return lambda item, rng: {key: value for key, value in item.items() if key != "name"}
    make = transforms.resized if train else transforms.whole
    return make(
        settings.preprocess,
        load_size=settings.load_size or 286,
        crop_size=settings.crop_size or 256,
        derive=transforms.deriver(settings.derive, settings.source_channels),
    )


def _kept(path: Path, channels: int) -> bytes | np.ndarray:
    """The bytes of a file that other programs decode to the same pixels; the pixels of any other."""
    with image_files.opened(path) as image:
        plain = image.format in ("JPEG", "PNG") and image.mode == ("L" if channels == 1 else "RGB")
        if plain and image_files.orientation(image) == 1 and not image.has_transparency_data:
            image.load()  # a damaged one shows
            return path.read_bytes()
    return image_files.read(path, channels)


def kind_of(root: str | Path, bands: rasters.Bands | None = None) -> Kind:
    """What a folder seems to hold. Raises FileNotFoundError where it has no images."""
    opened: Any
    try:
        opened = layouts.open_pairs(root, "train", source_channels=3, target_channels=3, bands=bands)
    except ValueError:
        return "unpaired"  # names without partners
    assert opened is not None  # of train there is always some, or an error
    if len(opened.folders) == 2 or seams.look_like_pairs(
        seams.sample([opened.paths(i)[0] for i in range(len(opened))])
    ):
        return "pairs"
    return "classes" if all("/" in file for (file,) in opened.files) else "photographs"


def _opened(root: str | Path, settings: Settings) -> dict[str, _Part]:
    """The parts that a folder has, by TFDS's names, every header read; what stands in for another is not repeated."""
    root = Path(root)
    parts: dict[str, _Part] = {}
    for split in ("train", "test", "val"):
        for side, source in _sources(root, split, settings):
            if source is None or (source.folders, source.files) in [
                (p.source.folders, p.source.files) for p in parts.values()
            ]:
                continue
            stands_in = split == "test" and any(
                folder != root and any(part.startswith(_VALIDATION) for part in folder.relative_to(root).parts)
                for folder in map(Path, source.folders[:1])
            )
            notes = (*source.notes, *scan.check_headers(source))
            cut = settings.tile is not None and split == "train"
            elements = _cut(source, settings) if cut else source
            part = f"{_SPLITS['val' if stands_in else split]}{side}"
            parts[part] = _Part(elements, settings, split == "train", notes)
    return parts


def _cut(source: Any, settings: Settings) -> super_resolution.SubImages:
    tile = settings.tile or 0
    headers = scan.read_headers(source.folders[0], [names[0] for names in source.files])
    sizes = [(header.width, header.height) for header in headers if isinstance(header, scan.Header)]
    step = max(1, tile // 2) if settings.step is None else settings.step
    return super_resolution.SubImages(source, sizes, tile=tile, step=step, thin=settings.thin)


def _sources(root: Path, split: str, settings: Settings) -> list[tuple[str, SplitFiles | None]]:
    """The source of a split, or those of its sides."""
    source, target = settings.source_channels, settings.target_channels
    if settings.kind == "pairs":
        options: dict[str, Any] = {"derive": settings.derive, "source_channels": source, "target_channels": target}
        options["bands"] = settings.bands
        return [("", layouts.open_pairs(root, split, **options))]
    if settings.kind == "unpaired":
        options = {"key": "image", "channels": settings.form.images[0][1], "bands": settings.bands}
        return [(side, layouts.open_side(root, split, side, **options)) for side in ("A", "B")]
    if settings.kind == "classes":
        return [("", labeled.open_folder(root, split, channels=target))]
    options = {"low_root": settings.low, "scale": settings.scale, "channels": target}
    return [("", super_resolution.open_split(root, split, **options))]


class _Job(NamedTuple):
    """A shard to write: a range of a part's elements."""

    part: str
    first: int
    last: int
    file: str


class _Done(NamedTuple):
    """A shard that is written."""

    records: int
    bytes: int
    sha256: str
    smallest: tuple[int, int] | None


class _UnusableError(ValueError):
    """Elements of a shard that cannot be used; the arguments are their names, each with a sentence."""

    def __str__(self) -> str:
        (_, problem), *others = self.args
        if not others:
            return str(problem)
        return f"{problem} {len(others)} more cannot be used: {errors.first_of([name for name, _ in others], 3)}."


@dataclasses.dataclass(frozen=True)
class _Work:
    """What every process knows: the parts, what a record is, and where shards go."""

    parts: Mapping[str, _Part]
    form: records.Form
    target: Path

    def note(self, job: _Job) -> Path:
        return self.target / UNFINISHED / f"{job.file}.json"

    def done(self, job: _Job) -> _Done | None:
        """What an earlier call wrote of a shard."""
        try:
            done = _Done(**json.loads(self.note(job).read_text()))
            return done if (self.target / job.file).stat().st_size > 0 else None
        except (OSError, ValueError, TypeError):
            return None

    def write(self, job: _Job, parent: int | None = None) -> _Done:
        """Writes a shard, whole or not at all, and beside it what it is; ends with its `parent`, another process."""
        part, sizes, count, size = self.parts[job.part], list[tuple[int, int]](), 0, 0
        unusable: dict[str, str] = {}

        def made() -> Iterator[bytes]:
            for i in range(job.first, job.last):
                if parent is not None and os.getppid() != parent:
                    os._exit(1)  # it was killed, and another may write the same file
                try:
                    item = part.item(i)
                except (ValueError, OSError) as error:
                    unusable[part.source.name(i)] = str(error)
                    continue
                sizes.append(_size(item[self.form.images[0][0]]))
                yield records.serialized(self.form, item)

        with files.unfinished(self.target / job.file) as path:
            for length in records.write_shard(path, made()):
                count, size = count + 1, size + length
            if unusable:
                raise _UnusableError(*unusable.items())
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        smallest = min(height for height, _ in sizes), min(width for _, width in sizes)
        done = _Done(count, size, digest, smallest)
        files.write(self.note(job), json.dumps(done._asdict()))
        return done


def _size(image: bytes | np.ndarray) -> tuple[int, int]:
    if isinstance(image, np.ndarray):
        return image.shape[0], image.shape[1]
    with Image.open(io.BytesIO(image)) as opened:
        return opened.height, opened.width


_work: _Work  # of a process that was started for it


def _begin(work: _Work) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that asked ends the others


def _write(job: _Job, parent: int) -> _Done:
    return _work.write(job, parent)


def prepare(
    root: str | Path,
    target: str | Path,
    settings: Settings,
    *,
    workers: int = 1,
    beam: Sequence[str] | None = None,
    said: Callable[[int, int], object] = lambda done, of: None,
) -> Summary:
    """Makes the images of the folder `root` a data set of TFDS in the folder `target`, and says what it made.

    A call that was killed is gone on with. More than one of `workers` are processes of their own: a program that asks
    for them has its work below `if __name__ == "__main__"`. With `beam`, flags of Apache Beam, its runner has the
    workers. `said` is told how many shards of how many are done. Raises FileNotFoundError and ValueError for images
    that cannot be used, as those who open the folder do, and ValueError for a target with other things in it.
    """
    target = Path(target)
    if settings.tile is not None and (settings.kind != "photographs" or settings.resizes):
        raise ValueError("tile cuts photographs that keep their sizes; leave it out, or leave out the load size.")
    if settings.bands and (settings.kind not in ("pairs", "unpaired") or settings.stored == "encoded"):
        raise ValueError("bands are those of pairs and of unpaired images, stored as pixels; leave them out.")
    if workers < 1:
        raise ValueError(f"workers is {workers}; wanted at least 1.")
    parts = _opened(root, settings)
    form, pixels, encoded = _measured(parts, settings)
    per_shard = max(1, int(_SHARD / (pixels if form.stored == "pixels" else encoded)))
    jobs = _jobs(_name(target), parts, per_shard)
    plan = _plan(parts, settings, form, per_shard)
    work = _Work(parts, form, target)
    notes = tuple(dict.fromkeys(note for part in parts.values() for note in part.notes))
    if (finished := _begun(target, plan)) is not None:
        counts = {part: of["records"] for part, of in finished["splits"].items()}
        size = sum(shard["bytes"] for of in finished["splits"].values() for shard in of["shards"])
        return Summary(counts, len(jobs), size, 0, pixels, encoded, notes)
    written = {job: done for job in jobs if (done := work.done(job)) is not None}
    waiting = [job for job in jobs if job not in written]
    said(len(written), len(jobs))
    for job, done in _all_written(work, waiting, min(workers, max(1, len(waiting))), beam):
        written[job] = done
        said(len(written), len(jobs))
    manifest = {**plan, "splits": {}}
    for part in parts:
        shards = [{"file": job.file, **written[job]._asdict()} for job in jobs if job.part == part]
        digest = hashlib.sha256("".join(shard["sha256"] for shard in shards).encode()).hexdigest()
        sizes = [shard.pop("smallest") for shard in shards]
        smallest = [min(height for height, _ in sizes), min(width for _, width in sizes)]
        manifest["splits"][part] = {
            **plan["splits"][part],
            "digest": digest,
            "smallest": smallest,
            "shards": shards,
        }
    files.write(target / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    infos = {
        part: records.Part([shard["records"] for shard in of["shards"]], sum(shard["bytes"] for shard in of["shards"]))
        for part, of in manifest["splits"].items()
    }
    records.write_info(target, _name(target), form, infos, "Prepared by gan-jax data prepare.")
    shutil.rmtree(target / UNFINISHED)
    counts = {part: len(of.source) for part, of in parts.items()}
    size = sum(done.bytes for done in written.values())
    return Summary(counts, len(jobs), size, len(waiting), pixels, encoded, notes)


def _all_written(
    work: _Work, jobs: list[_Job], workers: int, beam: Sequence[str] | None
) -> Iterator[tuple[_Job, _Done]]:
    if beam is not None:
        on_beam.write_all(work, jobs, work.target / UNFINISHED / "work", beam)
        for job in jobs:
            if (done := work.done(job)) is None:
                raise ValueError(f"Beam did not write {work.target / job.file}; its workers need to share that folder.")
            yield job, done
        return
    unusable: list[tuple[str, str]] = []
    if workers == 1:
        for job in jobs:
            try:
                done = work.write(job)
            except _UnusableError as error:
                unusable += error.args
            else:
                yield job, done
        if unusable:
            raise _UnusableError(*unusable)
        return
    # Spawned: a copy of a process with threads of JAX may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (work,)) as pool:
        try:
            made: dict[Future[_Done], _Job] = {pool.submit(_write, job, os.getpid()): job for job in jobs}
            for future in as_completed(made):
                problem = future.exception()
                if isinstance(problem, _UnusableError):
                    unusable += problem.args
                else:
                    yield made[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    if unusable:
        raise _UnusableError(*sorted(unusable))


def _measured(parts: Mapping[str, _Part], settings: Settings) -> tuple[records.Form, float, float]:
    """What a record is, and the mean bytes of its images as pixels and encoded, of some records of training."""
    part = next(iter(parts.values()))
    classes = part.source.classes if isinstance(part.source, labeled.ClassFolders) and part.source.classes else None
    form = settings.form._replace(classes=classes)
    if settings.bands:
        form = _form_of_arrays(parts, form)
    items = _some(part)
    pixels = encoded = 0.0
    for item in items:
        for name, channels in form.images:
            image = item[name]
            height, width = _size(image)
            pixels += height * width * channels * (1 if isinstance(image, bytes) else image.itemsize) / len(items)
            if not settings.bands:
                encoded += len(image if isinstance(image, bytes) else image_files.png(image)) / len(items)
    return form, pixels, encoded


def _some(part: _Part) -> list[dict[str, Any]]:
    """Some elements, spread over a part. Raises what the last raises where none can be used: those are named later."""
    count, items, problem = min(_LOOKED_AT, len(part.source)), list[dict[str, Any]](), None
    for k in range(count):
        try:
            items.append(part.item(k * len(part.source) // count))
        except (ValueError, OSError) as error:
            problem = error
    if problem is not None and not items:
        raise problem
    return items


def _form_of_arrays(parts: Mapping[str, _Part], form: records.Form) -> records.Form:
    """With the channels and dtypes of the arrays. Raises ValueError where those of two splits differ."""
    known: dict[str, rasters.Kind] = {}
    for part, of in parts.items():
        for (name, _), kind in zip(form.images, of.source.kinds.values(), strict=True):
            if known.setdefault(name, kind) != kind:
                raise ValueError(
                    f"{name} of {part} is {kind}, and of the split before it {known[name]}; a data set has images of "
                    "one kind: convert them, or train from the folder."
                )
    images = tuple((name, kind.channels) for name, kind in known.items())
    return form._replace(images=images, dtypes=tuple(kind.dtype for kind in known.values()))


def _name(target: Path) -> str:
    """What TFDS calls the data set: letters, digits and underscores of the folder's name."""
    name = re.sub(r"[^a-z0-9]+", "_", target.absolute().name.lower()).strip("_")
    return name if name and name[0].isalpha() else f"images_{name}".rstrip("_")


def _jobs(name: str, parts: Mapping[str, _Part], per_shard: int) -> list[_Job]:
    jobs = []
    for part, of in parts.items():
        count = -(-len(of.source) // per_shard)
        # As even as can be.
        ends = [len(of.source) * k // count for k in range(count + 1)]
        for k in range(count):
            file = f"{name}-{part}.array_record-{k:05d}-of-{count:05d}"
            jobs.append(_Job(part, ends[k], ends[k + 1], file))
    return jobs


def _plan(parts: Mapping[str, _Part], settings: Settings, form: records.Form, per_shard: int) -> dict[str, Any]:
    """What the shards depend on, as JSON."""
    made = {key: value for key, value in dataclasses.asdict(settings).items() if key not in ("low", "stored")}
    if settings.bands is None:
        del made["bands"]  # as data sets from before there were any
    plan = {
        "format": 1,
        "settings": {**made, "low": settings.low is not None},
        "images": dict(form.images),
        "stored": form.stored,
        "classes": form.classes,
        "per_shard": per_shard,
        "splits": {part: {"records": len(of.source), "source": of.source.fingerprint} for part, of in parts.items()},
    }
    return json.loads(json.dumps(plan))


def _begun(target: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest where the data set is there already; else the folder is made ready, or gone on with.

    Raises ValueError where it has something else in it.
    """
    begun, finished = target / UNFINISHED / "plan.json", target / MANIFEST
    remedy = f"name another folder, or remove {target}"
    if (target / INFO).is_file() and finished.is_file() and not begun.is_file():
        manifest = json.loads(finished.read_text())
        known = {
            **manifest,
            "splits": {k: {"records": v["records"], "source": v["source"]} for k, v in manifest["splits"].items()},
        }
        if known == plan:
            return manifest
        raise ValueError(f"{target} has a data set of other images or other settings; {remedy}.")
    if begun.is_file():
        if json.loads(begun.read_text()) != plan:
            raise ValueError(f"{target} has a data set that was begun with other images or other settings; {remedy}.")
        return None
    if target.is_dir() and any(path.name != UNFINISHED for path in target.iterdir()):
        raise ValueError(f"{target} is a folder with other things in it; {remedy}.")
    files.write(begun, json.dumps(plan, indent=1))
    return None
