"""A small classifier of the training pictures: it says which class a sample is of, and its features compare sets."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import generator, image, networks
from gan_jax.data import pipeline
from gan_jax.data.sources import fingerprint
from gan_jax.generator import Generator, GeneratorSpec

__all__ = ["fit", "judge", "kept", "share_of"]
__dir__ = __all__.copy

_BATCH = 64


def fit(
    source: pipeline.Source, classes: int, transform: Any, *, steps: int = 400, seed: int = 0, threads: int = 2
) -> Generator:
    """A classifier of a source's "image" by its "label", `steps` steps of 64 pictures by Adam at 2e-3, falling to 0.

    The same pictures, seed and steps give the same classifier, on one machine with one installation.
    """
    batches = pipeline.batches(source, batch_size=_BATCH, seed=seed, transform=transform, threads=threads)
    first = next(batches)
    module = networks.Classifier(classes)
    network = networks.from_linen(module)
    tx = optax.adam(optax.cosine_decay_schedule(2e-3, steps), b1=0.9, b2=0.999, eps=1e-8)
    params, stats = jax.jit(network.init)(jax.random.key(seed), image.to_float(first["image"]))

    @jax.jit
    def step(params: Any, stats: Any, opt: Any, batch: dict[str, jax.Array]) -> tuple[Any, Any, Any]:
        def loss(params: Any) -> tuple[jax.Array, Any]:
            made, new = network.apply(params, stats, image.to_float(batch["image"]), train=True)
            return optax.softmax_cross_entropy_with_integer_labels(made["logits"], batch["label"]).mean(), new

        grads, new = jax.grad(loss, has_aux=True)(params)
        updates, opt = tx.update(grads, opt, params)
        return optax.apply_updates(params, updates), new, opt

    opt, batch = tx.init(params), first
    for _ in range(steps):
        params, stats, opt = step(params, stats, opt, batch)
        batch = next(batches)
    batches.close()
    spec = GeneratorSpec(
        architecture=networks.describe(module),
        in_channels=first["image"].shape[-1],
        method="classifier",
        norm="running",
        dropout=False,
        step=steps,
        kind="features",
    )
    return Generator(spec, jax.device_get({"params": params, "stats": stats}))


def kept(folder: str | Path, source: pipeline.Source, classes: int, transform: Any, *, steps: int = 400) -> Generator:
    """The classifier of these pictures, at their size, that `folder` keeps; fitted and written there if it has none."""
    folder = Path(folder)
    shape = transform(source[0], np.random.default_rng(0))["image"].shape
    digest = hashlib.sha256(repr((fingerprint(source), shape, classes, steps)).encode()).hexdigest()
    path = folder / f"classifier_{digest[:12]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        generator.save(path, fit(source, classes, transform, steps=steps))
    return generator.load(path)


def judge(classifier: Generator, images_u8: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes [N] and features [N, D] of pictures uint8 [N, H, W, C]."""
    apply, variables = _compiled(classifier.module), classifier.variables
    classes, features = [], []
    for start in range(0, len(images_u8), _BATCH):
        batch = images_u8[start : start + _BATCH]
        # Filled up, so that one program does for all batches.
        full = np.concatenate([batch, np.zeros((_BATCH - len(batch), *batch.shape[1:]), np.uint8)])
        made = apply(variables, full)
        classes.append(np.asarray(made["logits"]).argmax(axis=-1)[: len(batch)])
        features.append(np.asarray(made["features"])[: len(batch)])
    return np.concatenate(classes), np.concatenate(features)


@functools.cache
def _compiled(module: Any) -> Any:
    network = networks.from_linen(module)

    def apply(variables: Any, images_u8: jax.Array) -> dict[str, jax.Array]:
        return network.apply(variables["params"], variables["stats"], image.to_float(images_u8), train=False)[0]

    return jax.jit(apply)


def share_of(classes: np.ndarray, labels: np.ndarray) -> float:
    """The share of pictures that were given their labels."""
    return float(jnp.mean(jnp.asarray(classes) == jnp.asarray(labels)))
