"""Eight Gaussians on a circle: how many of them a GAN, WGAN, WGAN-GP and the Sinkhorn divergence find.

Metz et al. 2017, "Unrolled Generative Adversarial Networks", figure 2. Batches of 256 points, MLPs of three hidden
layers of 128; every method is trained with three seeds.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from PIL import Image, ImageDraw

from gan_jax import losses, parallel, report, results
from gan_jax.data import pictures
from gan_jax.method import Method, clipped
from gan_jax.methods.dcgan import dcgan
from gan_jax.methods.sinkhorn import sinkhorn
from gan_jax.methods.wgan import wgan
from gan_jax.networks import MLP, from_linen

MODES, RADIUS, DEVIATION = 8, 1.0, 0.02
SEEDS, STEPS, BATCH, LATENT, SCORED = 3, 1500, 256, 2, 2500
_FEWEST = 20  # samples that make a mode covered, of the 312 that are its share
_SIDE, _EXTENT = 360, 1.5  # pixels of a plot; coordinates from -_EXTENT to it


def centres() -> np.ndarray:
    """The means of the eight Gaussians [8, 2]."""
    angles = 2.0 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def draw_points(rng: np.random.Generator, count: int) -> np.ndarray:
    """Points [count, 2] of the mixture, float32."""
    modes = rng.integers(0, MODES, count)
    return (centres()[modes] + DEVIATION * rng.normal(size=(count, 2))).astype(np.float32)


def methods() -> dict[str, tuple[Method, int]]:
    """The methods, and how many batches a step of each takes."""
    generator, critic = from_linen(MLP(2)), from_linen(MLP(1))
    n_critic = 5

    def adam(rate: float, b1: float = 0.5, b2: float = 0.999) -> optax.GradientTransformation:
        return optax.adam(rate, b1=b1, b2=b2, eps=1e-8)

    rms = optax.rmsprop(5e-4, decay=0.99, eps=1e-8, eps_in_sqrt=False)
    common: dict[str, Any] = {"latent_size": LATENT}
    penalised = adam(5e-4, 0.0, 0.9)
    return {
        "GAN": (dcgan(generator, critic, generator_tx=adam(2e-4), critic_tx=adam(2e-4), **common), 1),
        # Weights of the paper's 0.01 would let almost nothing through four layers of this width.
        "WGAN": (
            wgan(generator, critic, generator_tx=rms, critic_tx=clipped(rms, 0.1), n_critic=n_critic, **common),
            n_critic,
        ),
        "WGAN-GP": (
            wgan(
                generator,
                critic,
                generator_tx=penalised,
                critic_tx=penalised,
                n_critic=n_critic,
                penalty_weight=0.1,
                **common,
            ),
            n_critic,
        ),
        "Sinkhorn": (sinkhorn(generator, generator_tx=adam(1e-3), epsilon=0.02, iterations=20, **common), 1),
    }


def train(method: Method, batches: int, *, steps: int = STEPS, batch: int = BATCH, seeds: int = SEEDS) -> np.ndarray:
    """Samples [seeds, SCORED, 2] of a method's generator after so many steps."""
    mesh = parallel.data_mesh(jax.devices()[:1])
    init, step = parallel.compile_init(method, mesh), parallel.compile_step(method, mesh)

    def trained(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        state = init(jax.random.key(seed), {"image": draw_points(rng, batches * batch)})
        for _ in range(steps):
            state, _ = step(state, parallel.global_batch({"image": draw_points(rng, batches * batch)}, mesh))
        variables = method.generators(state)["generator"]
        z = rng.normal(size=(SCORED, LATENT)).astype(np.float32)
        return np.asarray(from_linen(MLP(2)).apply(variables["params"], {}, z, train=False)[0])

    return np.stack([trained(seed) for seed in range(seeds)])


def score(samples: np.ndarray) -> dict[str, float]:
    """Modes covered, the share of samples within three deviations of a mode, and the distance to the mixture.

    Samples are [n, 2]. A mode is covered by 20 samples within three deviations. The distance is the root of the
    Sinkhorn divergence to as many points of the mixture, in the plane's own units.
    """
    distances = np.linalg.norm(samples[:, None] - centres(), axis=-1)
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
    """One picture [H, W, 3] of samples [seeds, n, 2], a plot a seed: samples blue, the modes' three deviations grey."""
    plots = [_plot(points) for points in samples]
    return np.concatenate(plots, axis=1)


def _plot(points: np.ndarray) -> np.ndarray:
    picture = Image.new("RGB", (_SIDE, _SIDE), "white")
    pen = ImageDraw.Draw(picture, "RGBA")

    def dot(point: Any, radius: float, **colours: Any) -> None:
        x, y = ((_EXTENT + float(c)) / (2 * _EXTENT) * _SIDE for c in (point[0], -point[1]))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), **colours)

    pixels = _SIDE / (2 * _EXTENT)
    for centre in centres():
        dot(centre, 3 * DEVIATION * pixels, fill=(225, 225, 225), outline=(120, 120, 120))
    for point in points:
        dot(point, 1.2, fill=(11, 102, 195, 90))
    pen.rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=(200, 200, 200))
    return np.asarray(picture)


def compare(folder: Path, *, steps: int = STEPS, batch: int = BATCH) -> int:
    """Trains every method with three seeds, and writes plots, scores and a report to `folder`; returns the exit code.

    Raises ValueError for a folder that holds something else.
    """
    if folder.exists() and not (folder / "config.json").exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds files but no config.json, so it is no run; take another --name.")
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"steps": steps, "batch_size": batch, "seeds": SEEDS, "latent": LATENT, "deviation": DEVIATION}
    results.write_json(folder / "config.json", {"name": folder.name, "method": "eight Gaussians", "recipe": recipe})
    rows = []
    for name, (method, batches) in methods().items():
        begun = time.perf_counter()
        samples = train(method, batches, steps=steps, batch=batch)
        scores = [score(points) for points in samples]
        pictures.save(folder / "results" / "output" / f"{name}.png", plot(samples))
        rows.append({"name": name, **_row(scores)})
        print(f"{name}: {json.dumps(scores)}, {time.perf_counter() - begun:.0f} s")
    table = {
        "split": "test",
        "count": SCORED,
        "protocol": f"{SEEDS} seeds, {steps} generator steps; modes of {MODES} by seed, share of samples within three "
        "deviations of a mode, and root of the Sinkhorn divergence to the mixture",
        "rows": rows,
    }
    results.write_json(folder / "results" / "scores.json", table)
    print(results.score_table(table))
    print(f"report: {report.write(folder)}")
    return 0


def _row(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    by_seed = {f"modes/seed {seed}": found["modes"] for seed, found in enumerate(scores)}
    means = {name: float(np.mean([found[name] for found in scores])) for name in ("high_quality", "sinkhorn")}
    return {**by_seed, **means}
