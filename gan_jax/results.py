"""Scores of a run's generator: on the fixed validation batch while it trains, and on the test split at its end."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import evaluate, infer, metrics
from gan_jax.data import pictures
from gan_jax.experiment import Experiment, fingerprint
from gan_jax.generator import Generator


def score(
    experiment: Experiment,
    outputs_u8: Sequence[np.ndarray],
    targets_u8: Sequence[np.ndarray],
    sources_u8: Sequence[np.ndarray],
) -> dict[str, float]:
    """Scores of images [H, W, C] of any sizes: mean PSNR and SSIM, sharpness, and label scores where there are some.

    Sharpness is the outputs' mean Laplacian energy over the targets': 1 where equally sharp. For RGB the shares of
    the colour histograms in common with the targets', in L, a and b, are among them.
    """
    each = [_score_one(output, target) for output, target in zip(outputs_u8, targets_u8, strict=True)]
    psnr, ssim, energy, target_energy = np.array(each, np.float64).mean(axis=0).tolist()
    scores = {"psnr": psnr, "ssim": ssim, "sharpness": energy / target_energy if target_energy else float("nan")}
    if targets_u8[0].shape[-1] == 3:
        found, wanted = (_histograms(images) for images in (outputs_u8, targets_u8))
        common = np.minimum(found, wanted).sum(axis=1) / wanted.sum(axis=1)
        scores |= {f"histogram/{name}": float(value) for name, value in zip("Lab", common, strict=True)}
    if experiment.label_scores is not None:
        stacks = (np.stack(list(images)) for images in (outputs_u8, targets_u8, sources_u8))
        labels = experiment.label_scores(*stacks)
        scores |= {f"label/{name}": value for name, value in labels.items()}
    return scores


def _histograms(images_u8: Iterable[np.ndarray]) -> np.ndarray:
    """Counts [3, bins] of L, a and b over all pixels of images of any sizes."""
    return np.sum([np.asarray(metrics.lab_histograms(picture[None]), np.int64) for picture in images_u8], axis=0)


def _score_one(output_u8: np.ndarray, target_u8: np.ndarray) -> tuple[float, float, float, float]:
    output, target = output_u8[None], target_u8[None]
    values = (metrics.psnr(output, target), metrics.ssim(output, target))
    energies = (metrics.laplacian_energy(output), metrics.laplacian_energy(target))
    psnr, ssim, energy, target_energy = (float(value[0]) for value in (*values, *energies))
    return psnr, ssim, energy, target_energy


class _Made(Sequence):
    """Pictures that are made when they are asked for."""

    def __init__(self, count: int, make: Callable[[int], np.ndarray]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._make(i)


def score_test(folder: Path, model: Generator, experiment: Experiment) -> dict[str, Any]:
    """Translates and scores the test split: pictures to `folder`, and the table of the generator and its rivals.

    A table that is there already, for the same generator and pictures, is returned as it is.
    """
    assert experiment.test is not None
    made_of = {"step": model.spec.step, "fingerprint": fingerprint(experiment.test)}
    before = read_scores(folder)
    if before is not None and made_of.items() <= before.items():
        return before
    shutil.rmtree(folder, ignore_errors=True)
    model = infer.on_device(model)
    shown = ("input", "output", "target")
    files: list[dict[str, Path]] = []
    for index in range(len(experiment.test)):
        item = experiment.test[index]
        pair = experiment.whole(item, np.random.default_rng(0))
        made = (pair["source"], infer.translate(model, pair["source"]), pair["target"])
        files.append({kind: folder / kind / f"{item['name']}.png" for kind in shown})
        for path, picture in zip(files[-1].values(), made, strict=True):
            pictures.save(path, picture)
    channels = dict(zip(shown, (picture.shape[-1] for picture in made), strict=True))

    # Read back one by one, not held: a test split may be larger than the memory.
    def written(kind: str) -> _Made:
        return _Made(len(files), lambda i: pictures.read(files[i][kind], channels[kind]))

    def baseline(paint: Callable[[np.ndarray], np.ndarray]) -> _Made:
        return _Made(len(files), lambda i: paint(sources[i]))

    sources, outputs, targets = (written(kind) for kind in shown)
    painted = {"generator": outputs, **{name: baseline(paint) for name, paint in experiment.baselines.items()}}
    if experiment.label_scores is not None:
        painted["ground truth"] = targets
    table = []
    for name, images in painted.items():
        scores = score(experiment, images, targets, sources)
        table.append({"name": name, **{key: evaluate.json_number(value) for key, value in scores.items()}})
    protocol = evaluate.PROTOCOLS["rgb"]
    result = {
        "split": "test",
        "pictures": repr(experiment.test),
        "count": len(experiment.test),
        "protocol": f"{protocol.name}: {protocol.description}",
        "rows": table,
        **made_of,
    }
    write_json(folder / "scores.json", result)
    return result


def read_scores(folder: Path) -> dict[str, Any] | None:
    """The table that `score_test` wrote to a folder; None if there is none."""
    try:
        scores = json.loads((folder / "scores.json").read_text())
    except (OSError, ValueError):
        return None
    return scores if isinstance(scores, dict) else None


def score_table(scores: Mapping[str, Any]) -> str:
    """The score table for a terminal."""
    columns = [name for name in scores["rows"][0] if name != "name"]
    width = max(len(row["name"]) for row in scores["rows"])
    lines = [f"{scores['count']} pictures of the {scores['split']} split; {scores['protocol']}"]
    lines.append(" " * width + "".join(f"{name.removeprefix('label/'):>12}" for name in columns))
    for row in scores["rows"]:
        cells = [row[name] if isinstance(row[name], str) else f"{row[name]:.4f}" for name in columns]
        lines.append(f"{row['name']:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def write_json(path: Path, values: Any) -> None:
    """Writes a JSON file whole or not at all."""
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(values, indent=2) + "\n")
    unfinished.replace(path)
