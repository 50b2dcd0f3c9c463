"""Evaluators of generators that translate images: scores of a validation batch, and of a test split at a run's end."""

import dataclasses
import functools
import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax import evaluate, files, infer, metrics
from gan_jax.data import image_files, pipeline, rasters
from gan_jax.data.pipeline import Source
from gan_jax.data.sources import fingerprint
from gan_jax.data.transforms import Transform
from gan_jax.model import Model
from gan_jax.scores import ScoreKey
from gan_jax.training import diagnostics, processes
from gan_jax.values import Values, picture

__all__ = [
    "Arrays",
    "Images",
    "LabelScores",
    "Task",
    "TranslationEvaluator",
    "read_scores",
    "score",
    "score_table",
    "write_json",
]
__dir__ = __all__.copy

_SHOWN, _VALIDATION_IMAGES = 8, 32
_SHOWN_SIDE = 512  # of a larger image the middle is shown
_NEARNESS = ("psnr", "ssim")  # the higher the nearer
_UNSCORED = "nothing says what these images should be"
_RGB = evaluate.PROTOCOLS["rgb"]

Images = Sequence[np.ndarray]  # uint8 [H, W, C] each
LabelScores = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]  # outputs, targets, sources [N, H, W, C]


class Arrays(NamedTuple):
    """What arrays of channels are: how files have these, how many, their numbers, and the channels that are shown."""

    bands: rasters.Bands
    channels: int
    values: Values
    shown: tuple[int, ...]  # one, or red, green and blue

    @property
    def protocol(self) -> evaluate.Protocol:
        """What is compared of two of them."""
        return evaluate.BANDS._replace(values=self.values, channels=self.channels)


def _picture(image: np.ndarray, arrays: Arrays | None) -> np.ndarray:
    """An image as people see it, uint8 [H, W, 1 or 3]."""
    return image if arrays is None else picture(image, arrays.values, arrays.shown)


def score(
    outputs_u8: Images,
    targets_u8: Images,
    sources_u8: Images,
    *,
    label_scores: LabelScores | None = None,
    arrays: Arrays | None = None,
) -> dict[str, float]:
    """Scores of images [H, W, C] of any sizes: mean PSNR and SSIM, sharpness, and label scores where there are some.

    PSNR and SSIM are those of `evaluate.score` under the protocol "rgb" or, of arrays of channels, under theirs, whose
    sharpness is that of the shown channels. Sharpness is the outputs' mean Laplacian
    energy over the targets': 1 where equally sharp. For RGB the shares of the color histograms in common with the
    targets', in L, a and b, are among them.
    """
    each = processes.spread(functools.partial(_score_one, arrays=arrays), outputs_u8, targets_u8)
    psnr, ssim, energy, target_energy = np.array(each, np.float64).mean(axis=0).tolist()
    scores = {"psnr": psnr, "ssim": ssim, "sharpness": energy / target_energy if target_energy else float("nan")}
    if targets_u8[0].shape[-1] == 3 and arrays is None:
        of_outputs, of_targets = (_histograms(images) for images in (outputs_u8, targets_u8))
        common = np.minimum(of_outputs, of_targets).sum(axis=1) / of_targets.sum(axis=1)
        scores |= {str(ScoreKey(name, "histogram")): float(value) for name, value in zip("Lab", common, strict=True)}
    if label_scores is not None:
        stacks = (np.stack(list(images)) for images in (outputs_u8, targets_u8, sources_u8))
        scores |= {str(ScoreKey(name, "label")): value for name, value in label_scores(*stacks).items()}
    return scores


def _histograms(images_u8: Images) -> np.ndarray:
    """Counts [3, bins] of L, a and b over all pixels of images of any sizes."""
    counted = processes.spread(lambda image: np.asarray(metrics.lab_histograms(image[None]), np.int64), images_u8)
    return np.sum(counted, axis=0)


def _score_one(output: np.ndarray, target: np.ndarray, arrays: Arrays | None) -> tuple[float, float, float, float]:
    scored = evaluate.score("", output, target, _RGB if arrays is None else arrays.protocol)
    if arrays is not None:
        output, target = (arrays.values.to_network(image[..., list(arrays.shown)]) for image in (output, target))
    energy, target_energy = (float(metrics.laplacian_energy(image)) for image in (output, target))
    return scored.psnr, scored.ssim, energy, target_energy


class _Made(Sequence):
    """Images that are made when they are asked for."""

    def __init__(self, count: int, make: Callable[[int], np.ndarray]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._make(i)


@dataclasses.dataclass(frozen=True)
class Task:
    """What one generator translates, what its images should be where that is known, and whom it competes with."""

    val: Source | None
    test: Source | None
    val_transform: Transform
    test_transform: Transform
    source: str = "source"  # keys of what the transforms make
    target: str | None = "target"
    score: Callable[[Images, Images, Images], dict[str, float]] = score  # outputs, targets, sources
    baselines: Mapping[str, Callable[[np.ndarray], np.ndarray]] = dataclasses.field(
        default_factory=dict
    )  # source -> image
    scores_truth: bool = False  # whether targets do not all score alike
    back: str | None = None  # the generator of the other direction, in CycleGAN
    title: str = ""  # what the generator is called where there are several: "A to B"
    captions: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what its images of each kind are called
    seen: Arrays | None = None  # what sources are, and what the generator makes, where they are no 8-bit images
    made: Arrays | None = None

    @functools.cached_property
    def batch(self) -> list[dict[str, np.ndarray]]:
        """The fixed validation images."""
        return [] if self.val is None else pipeline.chosen(self.val, _VALIDATION_IMAGES, self.val_transform)


@dataclasses.dataclass(frozen=True)
class TranslationEvaluator:
    """The `Evaluator` of generators from image to image, each with its task."""

    tasks: Mapping[str, Task]  # by the generators' names
    protocol: str = _RGB.title
    best: Literal["psnr", "lpips"] = "psnr"  # the score that tells which generator is the best

    @property
    def splits(self) -> dict[str, Source | None]:
        """ "val" and "test", followed by the generator's name where there are several."""
        return {
            " ".join([split, *self._prefix(name)]): getattr(task, split)
            for split in ("val", "test")
            for name, task in self.tasks.items()
        }

    @property
    def has_validation(self) -> bool:
        """Whether there are validation images."""
        return all(task.val is not None for task in self.tasks.values())

    @property
    def has_scores(self) -> bool:
        """Whether they are scored, against their targets."""
        return self.has_validation and any(task.target is not None for task in self.tasks.values())

    @property
    def captions(self) -> dict[str, dict[str, str]]:
        """Those of the tasks, and each's title, by the generators' names; without a name where there is one."""
        named = {
            "".join(self._prefix(name)): {**({"title": task.title} if task.title else {}), **task.captions}
            for name, task in self.tasks.items()
        }
        return {group: captions for group, captions in named.items() if captions}

    def references(self) -> dict[str, np.ndarray]:
        """The inputs and, where they are known, the targets of the validation batch, a row a generator."""
        inputs = [[_shown_input(item, task) for item in task.batch] for task in self.tasks.values()]
        targets = [
            [_picture(item[task.target], task.made) for item in task.batch]
            for task in self.tasks.values()
            if task.target
        ]
        return {name: _rows(images) for name, images in (("input", inputs), ("target", targets)) if images}

    def validate(self, generators: Mapping[str, Model]) -> tuple[dict[str, float], np.ndarray]:
        """The mean scores of each generator over its validation batch, its health, and a row of its images."""
        scores: dict[str, float] = {}
        rows = []
        for name, task in self.tasks.items():
            sources = [item[task.source] for item in task.batch]
            outputs = processes.spread(functools.partial(infer.translate, generators[name]), sources)
            rows.append([_picture(output, task.made) for output in outputs])
            targets = [item[task.target] for item in task.batch] if task.target else []
            scored = task.score(outputs, targets, sources) if targets else {}
            aims = [_picture(target, task.made) for target in targets]
            inputs = [_picture(source, task.seen) for source in sources]
            scored |= diagnostics.measures(rows[-1], aims or inputs, aims or self._alike(task))
            prefix = "".join(self._prefix(name))
            scores |= {str(ScoreKey.parse(key)._replace(generator=prefix)): value for key, value in scored.items()}
        return scores, _rows(rows)

    def selection_loss(self, scores: Mapping[str, float]) -> float | None:
        """LPIPS, or the root mean square error that the PSNR means, in units of the range; the generators' mean."""
        values = [value for key, value in scores.items() if ScoreKey.parse(key).metric == self.best]
        errors = [10.0 ** (-value / 20.0) for value in values] if self.best == "psnr" else values
        return float(np.mean(errors)) if errors else None

    def test(self, generators: Mapping[str, Model], folder: str | Path) -> dict[str, Any] | None:
        """Translates and scores the test splits: images to `folder`, and the table of generators and baselines.

        Arrays of channels are written as .npy to its folder `arrays`; the images show some of the channels.
        A table that is there already, for the same generators and images, is returned as it is.
        """
        folder = Path(folder)
        tested = {name: task for name, task in self.tasks.items() if task.test is not None}
        if not tested:
            return None
        made_of = {
            "step": max(generators[name].spec.step for name in tested),
            "fingerprint": ", ".join(fingerprint(task.test) for task in tested.values()),
        }
        before = processes.once(lambda: read_scores(folder))
        if before is not None and made_of.items() <= before.items():
            return before
        processes.once(lambda: shutil.rmtree(folder, ignore_errors=True))
        by_task = {name: self._test_rows(name, task, generators, folder) for name, task in tested.items()}
        rows = list(itertools.chain(*by_task.values()))
        notes = [note for name, task in tested.items() for note in _beaten(by_task[name], len(task.baselines))]
        result = {
            "split": "test",
            "pictures": ", ".join(repr(task.test) for task in tested.values()),
            "count": sum(len(task.test) for task in tested.values() if task.test is not None),
            "protocol": self.protocol,
            "rows": rows,
            **({} if rows else {"unscored": _UNSCORED}),
            **({"notes": notes} if notes else {}),
            **made_of,
        }
        processes.once(lambda: write_json(folder / "scores.json", result))
        return result

    def _alike(self, task: Task) -> Images | None:
        """Real images of the kind that a task's outputs are to be, where they are known."""
        other = self.tasks.get(task.back or "")
        return None if other is None else [_picture(item[other.source], other.seen) for item in other.batch]

    def _prefix(self, name: str) -> list[str]:
        return [name] if len(self.tasks) > 1 else []

    def _test_rows(self, name: str, task: Task, generators: Mapping[str, Model], folder: Path) -> list[dict[str, Any]]:
        """Writes a generator's test images, and returns its lines of the table; none without targets."""
        assert task.test is not None
        model = infer.on_device(generators[name])
        back = None if task.back is None else infer.on_device(generators[task.back])

        def made(index: int) -> tuple[dict[str, Path], dict[str, int]]:
            assert task.test is not None
            item = task.test[index]
            pair = task.test_transform(item, np.random.default_rng(0))
            by_kind = {"input": pair[task.source], "output": infer.translate(model, pair[task.source])}
            if back is not None:
                by_kind["reconstructed"] = infer.translate(back, by_kind["output"])
                if back.spec.in_channels == by_kind["input"].shape[-1] and back.spec.input_values == (
                    back.spec.output_values
                ):
                    by_kind["identity"] = infer.translate(back, by_kind["input"])  # what is of its kind already
            if task.target:
                by_kind["target"] = pair[task.target]
            paths = {kind: Path(folder, kind, *self._prefix(name), f"{item['name']}.png") for kind in by_kind}
            for kind, image in by_kind.items():
                arrays = task.made if kind in ("output", "target") else task.seen
                image_files.save(paths[kind], _picture(image, arrays))
                if arrays is not None:
                    paths[kind] = (folder / "arrays" / paths[kind].relative_to(folder)).with_suffix(".npy")
                    rasters.write(paths[kind], image, arrays.bands)
            return paths, {kind: image.shape[-1] for kind, image in by_kind.items()}

        files, all_channels = zip(*processes.spread(made, range(len(task.test))), strict=True)
        if not task.target:
            return []
        channels = all_channels[-1]

        # Read back one by one, not held: a test split may be larger than the memory.
        def read(path: Path, kind: str) -> np.ndarray:
            if task.made is not None:
                return rasters.read(path, task.made.bands)
            return image_files.read(path, channels[kind])

        def written(kind: str) -> _Made:
            return _Made(len(files), lambda i: read(files[i][kind], kind))

        def painted(baseline: Callable[[np.ndarray], np.ndarray]) -> _Made:
            return _Made(len(files), lambda i: baseline(sources[i]))

        sources, outputs, targets = (written(kind) for kind in ("input", "output", "target"))
        images = {"": outputs, **{baseline: painted(paint) for baseline, paint in task.baselines.items()}}
        if task.scores_truth:
            images["ground truth"] = targets
        called = [task.title] if task.title else self._prefix(name)
        return [
            {
                "name": ": ".join(part for part in (*called, baseline) if part) or name,
                **{key: evaluate.json_number(value) for key, value in task.score(by_kind, targets, sources).items()},
            }
            for baseline, by_kind in images.items()
        ]


def _beaten(rows: Sequence[Mapping[str, Any]], baselines: int) -> list[str]:
    """What is to be said where baselines, whose rows follow the generator's, have the better PSNR and SSIM."""
    if not rows or not all(key in rows[0] for key in _NEARNESS):
        return []
    generator, others = rows[0], rows[1 : 1 + baselines]
    # As float, since JSON has "inf" and "nan" as words.
    better = [row["name"] for row in others if all(float(row[key]) > float(generator[key]) for key in _NEARNESS)]
    if not better:
        return []
    return [
        f"nearer to the true images than {generator['name']}, in PSNR and SSIM: {', '.join(better)}. It has learned "
        "too little, or its inputs say too little; docs/my_training_fails.md has what to try."
    ]


def _shown_input(item: Mapping[str, np.ndarray], task: Task) -> np.ndarray:
    """What of a source is shown: as much of the scene as of its target, which may be larger by a scale."""
    source, target = _picture(item[task.source], task.seen), item[task.target or task.source]
    return _middle(source, _SHOWN_SIDE * source.shape[0] // target.shape[0])


def _middle(image_u8: np.ndarray, side: int) -> np.ndarray:
    """At most `side` pixels each way, from the middle."""
    top, left = (max(0, (extent - side) // 2) for extent in image_u8.shape[:2])
    return image_u8[top : top + side, left : left + side]


def _rows(rows_u8: Sequence[Images]) -> np.ndarray:
    """The first images of each row side by side and the rows one above the other, on white where they are smaller.

    Gray ones are shown in RGB.
    """
    rows = []
    for images in rows_u8:
        shown = [_middle(image, _SHOWN_SIDE) for image in images[:_SHOWN]]
        shown = [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in shown]
        height = max(image.shape[0] for image in shown)
        filled = [np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0)), constant_values=255) for p in shown]
        rows.append(np.concatenate(filled, axis=1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows])


def read_scores(folder: str | Path) -> dict[str, Any] | None:
    """The table that an evaluator wrote to a folder; None if there is none."""
    try:
        scores = json.loads(Path(folder, "scores.json").read_text())
    except (OSError, ValueError):
        return None
    return scores if isinstance(scores, dict) else None


def score_table(scores: Mapping[str, Any]) -> str:
    """The score table for a terminal."""
    if not scores["rows"]:
        about = f"{scores['count']} images of the {scores['split']} split; " if scores["count"] else ""
        return f"{about}{scores.get('unscored', _UNSCORED)}."
    columns = list(dict.fromkeys(name for row in scores["rows"] for name in row if name != "name"))
    width = max(len(row["name"]) for row in scores["rows"])
    lines = [f"{scores['count']} images of the {scores['split']} split; {scores['protocol']}"]
    shown = [f"{key.name if key.family == 'label' else str(key):>12}" for key in map(ScoreKey.parse, columns)]
    lines.append("  ".join([" " * width, *shown]))
    for row in scores["rows"]:
        values = [row.get(name, "") for name in columns]
        cells = [value if isinstance(value, str) else f"{value:.4f}" for value in values]
        padded = [f"{cell:>{len(head)}}" for cell, head in zip(cells, shown, strict=True)]
        lines.append("  ".join([f"{row['name']:<{width}}", *padded]))
    return "\n".join(lines)


def write_json(path: str | Path, values: Any) -> None:
    """Writes a JSON file whole or not at all."""
    files.write(path, json.dumps(values, indent=2) + "\n")
