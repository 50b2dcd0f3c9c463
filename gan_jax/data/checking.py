"""Checking folders of images before they are trained on: what is in them, and what is wrong."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from gan_jax import errors
from gan_jax.data import facts as facts_
from gan_jax.data import finding, image_files, rasters, seams
from gan_jax.data.facts import Facts
from gan_jax.data.tfds_source import INFO, MANIFEST
from gan_jax.values import Values, picture

__all__ = ["FAULTS", "Fault", "Report", "Shrink", "as_json", "as_text", "check", "contact_sheet"]
__dir__ = __all__.copy

Shrink = Callable[[np.ndarray, int], np.ndarray]  # uint8 [H, W, C] and the scale -> [H / scale, W / scale, C]

# What may be wrong, and what it means.
FAULTS = {
    "damaged": "empty, damaged or cut off, or not to be read",
    "deep": "more than 8 bits a channel, which training refuses",
    "left out": "looks like an image, but its name or format is not read",
    "mixed": "arrays of another dtype or other channels than most of their side",
    "unmatched": "no partner of the same name",
    "sizes": "A and B differ in size, or two halves cannot be equal",
    "shifted": "A and B are shifted against each other",
    "duplicates": "the same image several times in one split",
    "near-duplicates": "images of one split that hardly differ",
    "leak": "images of training that are in validation or test too",
    "scale": "low resolution of another size than the high one's",
    "other scene": "low resolution of something else than the high one",
}
_SPLIT = re.compile(r"(DIV2K_)?(train|valid|val|test)(A|B|_HR|_LR\w*)?", re.IGNORECASE)
_SPLITS = {"valid": "val"}
_THUMBNAIL, _MOST_SHOWN, _COLUMNS = 160, 60, 6
_ALIKE = 0.9  # correlation of an image and its low resolution, both at 16x16
_CERTAIN = 40.0  # dB: a downscaler that comes so near made it
_LOOKED_AT = 16  # pairs that downscalers are tried on


class Fault(NamedTuple):
    """Something wrong: one of FAULTS, the files that it is about, and a sentence."""

    kind: str
    files: tuple[str, ...]
    words: str


class Report(NamedTuple):
    """What a folder has, by split, and what is wrong with it; `downscaler` made the low resolution."""

    root: str
    kind: str
    splits: Mapping[str, Mapping[str, Any]]
    faults: Sequence[Fault]
    downscaler: str | None = None


class _File(NamedTuple):
    path: Path
    split: str
    side: str  # A, B, high, low, or none
    stem: str  # what partners have in common


def check(
    root: str | Path,
    *,
    kind: Literal["pairs", "unpaired"] | None = None,
    low_root: str | Path | None = None,
    scale: int = 4,
    shrinks: Mapping[str, Shrink] | None = None,
    bands: rasters.Bands | None = None,
    threads: int = 4,
    said: Callable[[int, int], object] = lambda done, of: None,
) -> Report:
    """Decodes every image below a folder, of a data set that was prepared every shard, and says what is wrong.

    `kind` is looked at unless given: images of A and of B are pairs where most names have a partner. `low_root` has the
    same images in low resolution; `shrinks` are downscalers by name, tried on it. With `bands` files are arrays of
    channels. Raises FileNotFoundError where there are no images.
    """
    if bands is not None and low_root is not None:
        raise ValueError("arrays of channels have no low resolution to compare; leave out one of them.")
    root = Path(root)
    if (root / INFO).is_file():
        return _check_prepared(root, said)
    extensions = finding.EXTENSIONS if bands is None else finding.RASTERS
    found = finding.survey(root, extensions=extensions)
    files = list(_files(root, found.files, None if low_root is None else "high"))
    if not files:
        finding.list_images(root, extensions=extensions)  # which raises
    if low_root is not None:
        finding.list_images(low_root)
        files += _files(Path(low_root), finding.survey(low_root).files, "low")
    by_path = {str(file.path): file for file in files}
    facts: dict[str, Facts] = {}
    said(0, len(files))
    for path, of in zip(by_path, facts_.read_facts(list(by_path), threads=threads, bands=bands), strict=True):
        facts[path] = of
        said(len(facts), len(by_path))
    sides = {file.side for file in files}
    if kind is None:
        kind = _kind(files, sides, looks=bands is None)
    faults = [Fault("damaged", (path,), of.problem) for path, of in facts.items() if of.problem]
    faults += [
        Fault("deep", (path,), f"{path} has {of.bits} bits a channel; convert it to 8 bits.")
        for path, of in facts.items()
        if of.bits > 8 and bands is None
    ]
    if bands is not None:
        faults += _mixed(by_path, facts)
    faults += [
        Fault("left out", (str(root / name),), f"{root / name} is not read; rename it, or convert it to PNG.")
        for name in found.left_out
    ]
    partners = _partners(files)
    if kind == "pairs":
        faults += _of_pairs(partners, facts, two="B" in sides, bands=bands)
    downscaler = None
    if low_root is not None:
        faults += _of_low(partners, facts, scale)
        downscaler = _downscaler(partners, facts, scale, shrinks or {})
    compared = {path: of for path, of in facts.items() if by_path[path].side != "low"}
    faults += _repeated(by_path, compared)
    order = list(FAULTS)
    faults.sort(key=lambda fault: (order.index(fault.kind), fault.files))
    return Report(str(root), kind or "images", _counted(by_path, facts), faults, downscaler)


def _mixed(files: Mapping[str, _File], facts: Mapping[str, Facts]) -> Iterator[Fault]:
    for side in sorted({file.side for file in files.values()}):
        kinds = {
            path: facts[path].mode for path, file in files.items() if file.side == side and not facts[path].problem
        }
        usual = Counter(kinds.values()).most_common(1)
        for path, kind in kinds.items():
            if kind != usual[0][0]:
                yield Fault(
                    "mixed", (path,), f"{path} is {kind}, and most images of its side {usual[0][0]}; convert it."
                )


def _files(root: Path, names: Sequence[str], side: str | None) -> Iterator[_File]:
    for name in names:
        split, found, rest = "all", "", []
        for part in name.split("/")[:-1]:
            if matched := _SPLIT.fullmatch(part):
                split = _SPLITS.get(matched[2].lower(), matched[2].lower())
                found = matched[3] if matched[3] in ("A", "B") else found
            elif part in ("A", "B"):
                found = part
            elif not re.fullmatch(r"X[0-9]", part):  # DIV2K's folders of a scale
                rest.append(part)
        stem = "/".join([*rest, finding.stem(name.rpartition("/")[2])])
        if side == "low":
            stem = re.sub(r"x[0-9]$", "", stem)
        yield _File(root / name, split, side or found, stem)


def _kind(files: Sequence[_File], sides: set[str], *, looks: bool) -> Literal["pairs", "unpaired"] | None:
    if {"A", "B"} <= sides:
        names = {side: {(file.split, file.stem) for file in files if file.side == side} for side in "AB"}
        both = len(names["A"] & names["B"])
        return "pairs" if 2 * both > min(len(names["A"]), len(names["B"])) else "unpaired"
    return "pairs" if looks and sides == {""} and seams.hold_pairs([file.path for file in files]) else None


def _partners(files: Sequence[_File]) -> dict[tuple[str, str], dict[str, _File]]:
    result: dict[tuple[str, str], dict[str, _File]] = {}
    for file in files:
        result.setdefault((file.split, file.stem), {})[file.side] = file
    return result


def _of_pairs(
    partners: Mapping[tuple[str, str], Mapping[str, _File]],
    facts: Mapping[str, Facts],
    *,
    two: bool,
    bands: rasters.Bands | None,
) -> Iterator[Fault]:
    for pair in partners.values():
        paths = [str(pair[side].path) for side in sorted(pair)]
        known = [facts[path] for path in paths]
        if two and len(pair) < 2:
            yield Fault("unmatched", tuple(paths), f"{paths[0]} has no partner; add it, or remove this image.")
        elif any(of.problem or (of.bits > 8 and bands is None) for of in known):
            continue
        elif not two and known[0].width % 2:
            size = f"{known[0].width}x{known[0].height}"
            yield Fault("sizes", tuple(paths), f"{paths[0]} is {size}; A and B side by side need an even width.")
        elif two and known[0][5:7] != known[1][5:7]:
            shown = " but ".join(f"{path} is {of.width}x{of.height}" for path, of in zip(paths, known, strict=True))
            yield Fault("sizes", tuple(paths), f"{shown}; give both images of a pair one size.")
        else:
            images = [image_files.read(path, 3) if bands is None else rasters.read(path, bands) for path in paths]
            if not two:
                middle = images[0].shape[1] // 2
                images = [images[0][:, :middle], images[0][:, middle:]]
            moved = facts_.shift(*images) if min(images[0].shape[:2]) >= 32 else None
            if moved is not None and moved != (0, 0):
                down, right = moved
                words = f"B is {abs(down)} pixels {'lower' if down > 0 else 'higher'} and {abs(right)} "
                words += f"{'to the right' if right > 0 else 'to the left'} of A in {' and '.join(paths)}; align them."
                yield Fault("shifted", tuple(paths), words)


def _of_low(
    partners: Mapping[tuple[str, str], Mapping[str, _File]], facts: Mapping[str, Facts], scale: int
) -> Iterator[Fault]:
    for pair in partners.values():
        paths = [str(pair[side].path) for side in ("high", "low") if side in pair]
        if len(paths) < 2:
            yield Fault("unmatched", tuple(paths), f"{paths[0]} has no partner; add it, or remove this image.")
            continue
        high, low = (facts[path] for path in paths)
        if high.problem or low.problem:
            continue
        expected = (high.width // scale, high.height // scale)
        if (low.width, low.height) != expected:
            factor = f"{high.width / low.width:.3g} by {high.height / low.height:.3g}"
            words = f"{paths[1]} is {low.width}x{low.height}, a factor of {factor}; wanted {expected[0]}x{expected[1]} "
            yield Fault("scale", tuple(paths), f"{words}at scale {scale}.")
            continue
        large, little = (_small(path) for path in paths)
        if min(large.std(), little.std()) > 1 and np.corrcoef(large.ravel(), little.ravel())[0, 1] < _ALIKE:
            yield Fault("other scene", tuple(paths), f"{paths[1]} is not low resolution of {paths[0]}; replace it.")


def _small(path: str) -> np.ndarray:
    gray = image_files.read_pil(path).convert("L")
    return np.asarray(gray.resize((16, 16), Image.Resampling.BOX), np.float64)


def _downscaler(
    partners: Mapping[tuple[str, str], Mapping[str, _File]],
    facts: Mapping[str, Facts],
    scale: int,
    shrinks: Mapping[str, Shrink],
) -> str | None:
    """Which downscaler most probably made the low resolution, in words."""
    fitting = []
    for pair in partners.values():
        if {"high", "low"} <= pair.keys():
            high, low = (facts[str(pair[side].path)] for side in ("high", "low"))
            if not (high.problem or low.problem) and low[5:7] == (high.width // scale, high.height // scale):
                fitting.append(pair)
    chosen = [fitting[k * len(fitting) // min(_LOOKED_AT, len(fitting))] for k in range(min(_LOOKED_AT, len(fitting)))]
    if not chosen or not shrinks:
        return None
    errors_of: dict[str, list[float]] = {name: [] for name in shrinks}
    for pair in chosen:
        high_u8, low_u8 = (image_files.read(pair[side].path, 3) for side in ("high", "low"))
        high_u8 = high_u8[: low_u8.shape[0] * scale, : low_u8.shape[1] * scale]
        for name, shrink in shrinks.items():
            difference = shrink(high_u8, scale).astype(np.float64) - low_u8
            errors_of[name].append(float(np.mean(difference**2)))
    # Of the middle one: a few pairs may be wrong ones.
    middle = {name: float(np.median(of)) for name, of in errors_of.items()}
    name = min(middle, key=lambda name: middle[name])
    psnr = 10 * np.log10(255**2 / middle[name]) if middle[name] else np.inf
    near = f"{psnr:.1f} dB from it" if np.isfinite(psnr) else "equal to its"
    return f"{name} ({near})" if psnr >= _CERTAIN else f"none that is known; {name} comes nearest ({near})"


def _repeated(files: Mapping[str, _File], facts: Mapping[str, Facts]) -> Iterator[Fault]:
    """Images that are there several times; those of A are not compared with those of B."""
    for side in sorted({files[path].side for path in facts}):
        for group, equal in facts_.alike({path: of for path, of in facts.items() if files[path].side == side}):
            by_split: dict[str, list[str]] = {}
            for path in group:
                by_split.setdefault(files[path].split, []).append(path)
            names = errors.first_of(group, 4)
            if "train" in by_split and len(by_split) > 1:
                yield Fault("leak", tuple(group), f"{'the same' if equal else 'nearly the same'} image: {names}.")
                continue
            for paths in by_split.values():
                if len(paths) > 1:
                    same = len({facts[path].pixels for path in paths}) == 1
                    words = f"{'the same' if same else 'nearly the same'} image: {errors.first_of(paths, 4)}."
                    yield Fault("duplicates" if same else "near-duplicates", tuple(paths), words)


def _counted(files: Mapping[str, _File], facts: Mapping[str, Facts]) -> dict[str, dict[str, Any]]:
    """Of each split and side what its files are."""
    result: dict[str, dict[str, Any]] = {}
    for name in sorted({f"{file.split} {file.side}".strip() for file in files.values()}):
        known = [of for path, of in facts.items() if f"{files[path].split} {files[path].side}".strip() == name]
        whole = [of for of in known if of.problem is None]
        result[name] = {
            "files": len(known),
            "bytes": sum(of.size for of in known),
            "formats": dict(Counter(of.format for of in whole).most_common()),
            "modes": dict(Counter(of.mode for of in whole).most_common()),
            "bits": dict(Counter(str(of.bits) for of in whole).most_common()),
            "sizes": len({(of.width, of.height) for of in whole}),
            "smallest": min(((of.width, of.height) for of in whole), key=lambda s: s[0] * s[1], default=None),
            "largest": max(((of.width, of.height) for of in whole), key=lambda s: s[0] * s[1], default=None),
        }
    return result


def _check_prepared(root: Path, said: Callable[[int, int], object]) -> Report:
    """Every shard against the manifest."""
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        shards = [shard for of in manifest["splits"].values() for shard in of["shards"]]
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{root} has no manifest of gan-jax data prepare; check the folder of images.") from None
    faults = []
    for k, shard in enumerate(shards):
        path = root / shard["file"]
        said(k, len(shards))
        try:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == shard["sha256"]
        except OSError:
            whole = False
        if not whole:
            words = f"{path} is missing or not what was written; prepare the data set again, or bring the file anew."
            faults.append(Fault("damaged", (str(path),), words))
    said(len(shards), len(shards))
    splits = {
        name: {"files": of["records"], "bytes": sum(shard["bytes"] for shard in of["shards"])}
        for name, of in manifest["splits"].items()
    }
    return Report(str(root), "prepared", splits, faults)


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON: "splits", "faults" with their "kind", "files" and "words", and "counts" of each kind."""
    return {
        "root": report.root,
        "kind": report.kind,
        "splits": report.splits,
        "downscaler": report.downscaler,
        "counts": {kind: count for kind in FAULTS if (count := sum(f.kind == kind for f in report.faults))},
        "faults": [fault._asdict() for fault in report.faults],
    }


def as_text(report: Report) -> str:
    """A report as lines: a table of the splits, and of each kind of fault how many there are and the first ones."""
    lines = [f"{'split':<12}{'files':>9}{'MiB':>10}  formats, modes, sizes"]
    for name, of in report.splits.items():
        words = ""
        if of.get("formats"):
            sizes = [f"{width}x{height}" for width, height in (of["smallest"], of["largest"])]
            kinds = [" ".join(f"{key} {count:,}" for key, count in of[what].items()) for what in ("formats", "modes")]
            words = f"{kinds[0]}; {kinds[1]}; " + (sizes[0] if of["sizes"] == 1 else f"{sizes[0]} to {sizes[1]}")
        lines.append(f"{name:<12}{of['files']:>9,}{of['bytes'] / 2**20:>10,.1f}  {words}".rstrip())
    if report.downscaler:
        lines.append(f"low resolution was made by: {report.downscaler}")
    for kind, words in FAULTS.items():
        of_kind = [fault for fault in report.faults if fault.kind == kind]
        if of_kind:
            lines += ["", f"{kind}: {len(of_kind):,} ({words})", *errors.few([f"  {fault.words}" for fault in of_kind])]
    return "\n".join([*lines, "", f"{len(report.faults):,} faults" if report.faults else "no faults"])


def contact_sheet(report: Report, bands: rasters.Bands | None = None) -> Image.Image | None:
    """The images that a report finds fault with, a row of small ones with what it is; None where there are none.

    Of arrays of channels the first three, or the first, from the least to the most number.
    """
    shown = [(fault, path) for fault in report.faults for path in fault.files[:4]][:_MOST_SHOWN]
    if not shown:
        return None
    side, high = _THUMBNAIL + 8, _THUMBNAIL + 32
    sheet = Image.new("RGB", (_COLUMNS * side, -(-len(shown) // _COLUMNS) * high), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (fault, path) in enumerate(shown):
        left, top = k % _COLUMNS * side + 4, k // _COLUMNS * high + 4
        try:
            small = image_files.read_pil(path).convert("RGB") if bands is None else _seen(path, bands)
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            sheet.paste(small, (left, top))
        except (ValueError, OSError, ImportError):
            draw.rectangle((left, top, left + _THUMBNAIL, top + _THUMBNAIL), outline="red")
        name = Path(path).name.encode("ascii", "replace").decode()
        draw.text((left, top + _THUMBNAIL + 2), f"{fault.kind}\n{name[-26:]}", fill="black")
    return sheet


def _seen(path: str, bands: rasters.Bands) -> Image.Image:
    array = rasters.read(path, bands)
    low, high = float(array.min()), float(array.max())
    shown = picture(array, Values(array.dtype.name, low, high if high > low else low + 1.0))
    return Image.fromarray(image_files.in_channels(shown, 3))
