"""Eight Gaussians on a circle: how many of them a GAN, WGAN, WGAN-GP and the Sinkhorn divergence find.

Metz et al. 2017, "Unrolled Generative Adversarial Networks", figure 2. Batches of 256 points, MLPs of three hidden
layers of 128; every method is trained with three seeds.
"""

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from PIL import Image, ImageDraw

from gan_jax import losses, report, training
from gan_jax.data import image_files
from gan_jax.folders import RunFolder
from gan_jax.method import Method, clip_weights
from gan_jax.methods.dcgan import dcgan
from gan_jax.methods.sinkhorn import sinkhorn
from gan_jax.methods.wgan import wgan
from gan_jax.networks import MLP, from_linen
from gan_jax.training import joining, parallel, translation
from gan_jax.training.config import RunConfig

__all__ = [
    "BATCH",
    "DEVIATION",
    "LATENT",
    "MODES",
    "RADIUS",
    "SCORED",
    "SEEDS",
    "SETTINGS",
    "STEPS",
    "centers",
    "compare",
    "draw_points",
    "methods",
    "plot",
    "require_nothing_else",
    "score",
    "train",
]
__dir__ = __all__.copy

MODES, RADIUS, DEVIATION = 8, 1.0, 0.02
SEEDS, STEPS, BATCH, LATENT, SCORED = 3, 1500, 256, 2, 2500
_FEWEST = 20  # samples that make a mode covered, of the 312 that are its share
_SIDE, _EXTENT = 360, 1.5  # pixels of a plot; coordinates from -_EXTENT to it


def centers() -> np.ndarray:
    """The means of the eight Gaussians [8, 2]."""
    angles = 2.0 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def draw_points(rng: np.random.Generator, count: int) -> np.ndarray:
    """Points [count, 2] of the mixture, float32."""
    modes = rng.integers(0, MODES, count)
    return (centers()[modes] + DEVIATION * rng.normal(size=(count, 2))).astype(np.float32)


# Of each method. WGAN-GP's penalty has the weight of its authors' own toy program: under the 10 of the paper three
# seeds found 0, 5 and 0 modes. WGAN's clip of 0.01 would let almost nothing through four layers of this width.
SETTINGS: dict[str, dict[str, float]] = {
    "GAN": {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999},
    "WGAN": {"lr": 5e-4, "clip": 0.1, "n_critic": 5},
    "WGAN-GP": {"lr": 5e-4, "beta1": 0.0, "beta2": 0.9, "lambda_gp": 0.1, "n_critic": 5},
    "Sinkhorn": {"lr": 1e-3, "beta1": 0.5, "beta2": 0.999, "epsilon": 0.05, "iterations": 10},
}


def methods() -> dict[str, tuple[Method, int]]:
    """The methods, and how many batches a step of each takes."""
    return {name: (_method(name, **settings), int(settings.get("n_critic", 1))) for name, settings in SETTINGS.items()}


def _method(name: str, *, lr: float, **settings: float) -> Method:
    generator, critic = from_linen(MLP(2)), from_linen(MLP(1))
    if "clip" in settings:
        tx = optax.rmsprop(lr, decay=0.99, eps=1e-8, eps_in_sqrt=False)
        critic_tx = clip_weights(tx, settings["clip"])
    else:
        tx = critic_tx = optax.adam(lr, b1=settings["beta1"], b2=settings["beta2"], eps=1e-8)
    if name == "Sinkhorn":
        plan: dict[str, Any] = {"epsilon": settings["epsilon"], "iterations": int(settings["iterations"])}
        return sinkhorn(generator, generator_tx=tx, latent_size=LATENT, **plan)
    common: dict[str, Any] = {"generator_tx": tx, "critic_tx": critic_tx, "latent_size": LATENT}
    if name == "GAN":
        return dcgan(generator, critic, **common)
    n_critic, penalty = int(settings["n_critic"]), settings.get("lambda_gp", 0.0)
    return wgan(generator, critic, n_critic=n_critic, penalty_weight=penalty, **common)


def train(method: Method, batches: int, *, steps: int = STEPS, batch: int = BATCH, seeds: int = SEEDS) -> np.ndarray:
    """Samples [seeds, SCORED, 2] of a method's generator after so many steps."""
    mesh = parallel.data_mesh(jax.devices()[:1])

    def trained(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        stream = ({"image": draw_points(rng, batches * batch)} for _ in itertools.count())
        next(stream)  # the published numbers are those of training from the second batch on
        state = training.fit(method, stream, steps=steps, seed=seed, mesh=mesh)
        variables = method.networks(state)["generator"].variables
        z = rng.normal(size=(SCORED, LATENT)).astype(np.float32)
        return np.asarray(from_linen(MLP(2)).apply(variables["params"], {}, z, train=False)[0])

    return np.stack([trained(seed) for seed in range(seeds)])


def score(samples: np.ndarray) -> dict[str, float]:
    """Modes covered, the share of samples within three deviations of a mode, and the distance to the mixture.

    Samples are [n, 2]. A mode is covered by 20 samples within three deviations. The distance is the root of the
    Sinkhorn divergence to as many points of the mixture, in the plane's own units.
    """
    distances = np.linalg.norm(samples[:, None] - centers(), axis=-1)
    near = distances.min(axis=1) < 3.0 * DEVIATION
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=MODES)
    some = samples[:400]
    real = draw_points(np.random.default_rng(7), len(some))
    divergence = losses.sinkhorn_divergence(some, real, epsilon=0.02, iterations=200)
    return {
        "modes": float((counts >= _FEWEST).sum()),
        "high_quality": float(near.mean()),
        "sinkhorn": float(np.sqrt(max(float(divergence), 0.0))),
    }


def plot(samples: np.ndarray) -> np.ndarray:
    """One image [H, W, 3] of samples [seeds, n, 2], a plot a seed: samples blue, the modes' three deviations gray."""
    plots = [_plot(points) for points in samples]
    return np.concatenate(plots, axis=1)


def _plot(points: np.ndarray) -> np.ndarray:
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    pen = ImageDraw.Draw(image, "RGBA")

    def dot(point: Any, radius: float, **colors: Any) -> None:
        x, y = ((_EXTENT + float(c)) / (2 * _EXTENT) * _SIDE for c in (point[0], -point[1]))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), **colors)

    pixels = _SIDE / (2 * _EXTENT)
    for center in centers():
        dot(center, 3 * DEVIATION * pixels, fill=(225, 225, 225), outline=(120, 120, 120))
    for point in points:
        dot(point, 1.2, fill=(11, 102, 195, 90))
    pen.rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=(200, 200, 200))
    return np.asarray(image)


def require_nothing_else(config: RunConfig, preset: RunConfig) -> None:
    """Raises ValueError for flags that the comparison does not take."""
    own = dataclasses.asdict(preset)
    others = [name for name, value in dataclasses.asdict(config).items() if value != own[name]]
    taken = {"name", "checkpoints_dir", "compile_cache", "dry_run", *joining.FLAGS}
    if extra := [name for name in others if name not in taken]:
        raise ValueError(
            f"ring has settings of its own, which --dry_run shows; leave out {', '.join(f'--{n}' for n in extra)}."
        )


def compare(folder: Path, *, steps: int = STEPS, batch: int = BATCH, dry_run: bool = False) -> int:
    """Trains every method with three seeds, and writes plots, scores and a report to `folder`; returns the exit code.

    Methods whose scores are in the folder already are not trained again. Raises ValueError for a folder that holds
    something else.
    """
    settings = {
        name: ", ".join(f"{key} {value:g}" for key, value in values.items()) for name, values in SETTINGS.items()
    }
    sizes = {"steps": steps, "batch_size": batch, "seeds": SEEDS, "latent": LATENT, "deviation": DEVIATION}
    config = {"name": folder.name, "method": "eight Gaussians", "recipe": {**sizes, **settings}}
    if dry_run:
        print(f"{json.dumps(config, indent=2)}\ndry run: nothing was written.")
        return 0
    rows = _rows_before(folder, config)
    table = {
        "split": "test",
        "count": SCORED,
        "protocol": f"{SEEDS} seeds, {steps} generator steps; modes of {MODES} by seed, share of samples within three "
        "deviations of a mode, and root of the Sinkhorn divergence to the mixture",
        "rows": rows,
    }
    folder.mkdir(parents=True, exist_ok=True)
    translation.write_json(RunFolder(folder).config, config)
    done = [row["name"] for row in rows]
    for name, (method, batches) in methods().items():
        if name in done:
            continue
        begun = time.perf_counter()
        samples = train(method, batches, steps=steps, batch=batch)
        scores = [score(points) for points in samples]
        image_files.save(RunFolder(folder).results / "output" / f"{name}.png", plot(samples))
        rows.append({"name": name, **_row(scores)})
        translation.write_json(RunFolder(folder).results / "scores.json", table)
        print(f"{name}: {json.dumps(scores)}, {time.perf_counter() - begun:.0f} s", flush=True)
    print(translation.score_table(table))
    print(f"report: {report.write(folder)}")
    return 0


def _rows_before(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of an earlier comparison in this folder; none of one with other settings."""
    if not folder.exists() or not any(folder.iterdir()):
        return []
    path = RunFolder(folder).config
    if not path.exists():
        raise ValueError(f"{folder} holds files but no config.json, so it is no run; take another --name.")
    before = translation.read_scores(RunFolder(folder).results)
    try:
        same = json.loads(path.read_text()) == config
    except ValueError:
        same = False
    if not same:
        raise ValueError(f"{folder} holds another run, or one with other settings; take another --name.")
    return before["rows"] if before else []


def _row(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    by_seed = {f"modes {seed}": values["modes"] for seed, values in enumerate(scores)}
    means = {name: float(np.mean([values[name] for values in scores])) for name in ("high_quality", "sinkhorn")}
    return {**by_seed, **means}
