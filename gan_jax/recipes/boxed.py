"""The generators in the box (`gan_jax.boxed`): trained, judged beside bicubic, and written with what was measured.

    python -m experiments.boxed upscale_x2
    python -m experiments.boxed upscale_x4

Free photographs are fetched (`gan_jax.data.free_photographs`) where --dataroot is not there yet, a preset of SRGAN's
recipe trains on them, and the test photographs judge, which no training sees: shrunk by bicubic, the same stored as
JPEG of quality 75, and the middle of each at its own size. A training that is finished is not done again.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from gan_jax import boxed, degrade, files, image, infer, perceptual
from gan_jax import model as models
from gan_jax.data import finding, free_photographs, image_files
from gan_jax.folders import RunFolder
from gan_jax.infer import timing
from gan_jax.log import read_log
from gan_jax.recipes import comparison, srgan, super_resolution
from gan_jax.training import run

__all__ = ["judge", "main", "write"]
__dir__ = __all__.copy

_Pair = tuple[np.ndarray, np.ndarray]  # low and high resolution, uint8 [H, W, 3]
_QUALITY = 75
_SHOWN = ("lomiri_Dragonfly", "lomiri_Picture_0B", "lomiri_life")  # in the picture, by how their names begin


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and writes one generator of the box; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not set(words) & set(boxed.NAMES):
        print(f"{__doc__}\nwanted one of {', '.join(boxed.NAMES)}; flags are those of gan-jax train srgan.")
        return 0 if set(words) & {"-h", "--help"} else 2

    def boxing() -> int:
        config = srgan.RECIPE.parse(words)
        perceptual.lpips("alex")  # what is missing is said now, not after the training
        photographs = Path(str(config.dataroot))
        if not photographs.exists():
            print(f"fetching photographs into {photographs}")
            counts = free_photographs.prepare(photographs, photographs.parent / "debs")
            print(", ".join(f"{count} to {split}" for split, count in counts.items()))
        if code := srgan.RECIPE.main(words):
            return code
        name, folders = str(config.preset), [config.folder]
        if (second := f"{name}_features") in srgan.PRESETS:
            start = ["--init_generator", str(config.folder), "--name", second]
            words[words.index(name)] = second
            if code := srgan.RECIPE.main([*words, *start]):
                return code
            folders.append(config.folder.with_name(second))
        write(name, folders, photographs)
        return 0

    return run.guarded(boxing)


def write(name: str, stages: Sequence[str | Path], photographs: str | Path) -> None:
    """Writes what lies between the generators of the first and last run in `stages`, which may be one, into the box.

    In half precision, and with what is known of it. A picture of it beside bicubic goes into the last run's folder.
    """
    folders, photographs = [Path(stage) for stage in stages], Path(photographs)
    trained = [models.load(folder) for folder in folders]
    # Between pixels and features: most of the one's PSNR, and most of the other's LPIPS.
    whole = models.blend(trained[-1], trained[0], 0.5)
    half = whole._replace(variables=jax.tree.map(lambda array: np.asarray(array, np.float16), whole.variables))
    models.save(boxed.file(name), half)
    boxed_model = models.load(boxed.file(name))
    scale = boxed_model.spec.scale
    kinds = _inputs(photographs, scale)
    tables = {kind: judge(boxed_model, pairs) for kind, pairs in kinds.items()}
    exact = judge(whole, kinds["clean"])
    difference = {metric: abs(tables["clean"][metric]["model"] - exact[metric]["model"]) for metric in exact}
    names = [path.stem for path in _listed(photographs / "test")]
    facts = {
        "scale": scale,
        "steps": [model.spec.step for model in trained],
        "training_seconds": round(sum(map(_training_seconds, folders))),
        "seconds_a_megapixel": round(timing.seconds_a_megapixel(boxed_model), 2),
        "machine": _machine(),
        "protocol": super_resolution.protocol(scale).title,
        "photographs": names,
        "scores": tables,
        "half_precision": {metric: float(f"{value:.1g}") for metric, value in difference.items()},
    }
    files.write(boxed.file(name).with_suffix(".json"), json.dumps(facts, indent=1) + "\n")
    shown = [at for at, stem in enumerate(names) if stem.startswith(_SHOWN)]
    _picture(folders[-1] / f"{name}.jpg", boxed_model, [kinds[kind][at] for kind in ("clean", "jpeg") for at in shown])
    print(json.dumps(facts, indent=1))


def judge(model: models.Model, pairs: Sequence[_Pair]) -> dict[str, dict[str, float]]:
    """Mean scores over pairs of low and high resolution: metric -> {"model": ..., "bicubic": ...}."""
    scale = model.spec.scale
    sources, targets = ([pair[at] for pair in pairs] for at in (0, 1))
    score = super_resolution.scores(scale)
    ours = score([infer.translate(model, source) for source in sources], targets, sources)
    theirs = score([super_resolution.enlarge(source, scale) for source in sources], targets, sources)
    return {name: {"model": round(ours[name], 4), "bicubic": round(theirs[name], 4)} for name in ours}


def _inputs(photographs: Path, scale: int) -> dict[str, list[_Pair]]:
    """The test photographs and their low resolution, by what was done to that."""

    def pairs(split: str, stored: Callable[[np.ndarray], np.ndarray]) -> list[_Pair]:
        read = [image_files.read(path, 3) for path in _listed(photographs / split)]
        targets = [np.asarray(image.mod_crop(photograph, scale)) for photograph in read]
        shrink = degrade.Degradation("bicubic", scale)
        return [(stored(degrade.on_host(shrink, target)), target) for target in targets]

    return {
        "clean": pairs("test", lambda low: low),
        "jpeg": pairs("test", _as_jpeg),
        "native": pairs("native", lambda low: low),
    }


def _listed(folder: Path) -> list[Path]:
    return [folder / name for name in finding.list_images(folder)]


def _as_jpeg(image_u8: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image_u8).save(buffer, "jpeg", quality=_QUALITY)
    return np.asarray(Image.open(buffer))


def _picture(path: Path, model: models.Model, pairs: Sequence[_Pair]) -> None:
    """The middle of each: enlarged by bicubic, by the model, and the photograph."""
    columns = (
        [super_resolution.enlarge(source, model.spec.scale) for source, _ in pairs],
        [infer.translate(model, source) for source, _ in pairs],
        [target for _, target in pairs],
    )
    image_files.save(path, comparison.details(columns))


def _training_seconds(folder: Path) -> float:
    """The seconds that a run trained, which its log tells."""
    return float(max(row["seconds"] for row in read_log(RunFolder(folder).log)))


def _machine() -> str:
    device = jax.devices()[0]
    if device.platform != "cpu":
        return str(device.device_kind)
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    models_of_cores = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {models_of_cores[0] if models_of_cores else 'a CPU'}"
