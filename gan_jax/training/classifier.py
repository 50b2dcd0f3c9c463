"""A small classifier of the training images: it says which class a sample is of, and its features compare sets."""

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import image, model, networks
from gan_jax.data import pipeline
from gan_jax.data.sources import fingerprint
from gan_jax.method import Batch, Key, Method, Metrics, NetState
from gan_jax.model import Model, ModelSpec
from gan_jax.networks.network import Network, Params, Stats
from gan_jax.training import loop, parallel

__all__ = ["compiled", "fit", "judge", "kept", "share_of"]
__dir__ = __all__.copy

_BATCH = 64


def fit(
    source: pipeline.Source, classes: int, transform: Any, *, steps: int = 400, seed: int = 0, threads: int = 2
) -> Model:
    """A classifier of a source's "image" by its "label", `steps` steps of 64 images by Adam at 2e-3, falling to 0.

    The same images, seed and steps give the same classifier, on one machine with one installation.
    """
    module = networks.Classifier(classes)
    tx = optax.adam(optax.cosine_decay_schedule(2e-3, steps), b1=0.9, b2=0.999, eps=1e-8)
    batches = pipeline.batches(source, batch_size=_BATCH, seed=seed, transform=transform, threads=threads)
    mesh = parallel.data_mesh(jax.local_devices()[:1])  # so that the classifier does not depend on how many there are
    with contextlib.closing(batches):
        state = loop.fit(_method(networks.from_linen(module), tx), batches, steps=steps, seed=seed, mesh=mesh)
    spec = ModelSpec(
        architecture=networks.describe(module),
        in_channels=transform(source[0], np.random.default_rng(0))["image"].shape[-1],
        method="classifier",
        norm="running",
        dropout=False,
        step=steps,
        kind="features",
    )
    return Model(spec, jax.device_get(state.network.variables))


@flax.struct.dataclass
class _State:
    step: jax.Array
    key: Key
    network: NetState


def _method(network: Network, tx: optax.GradientTransformation) -> Method:
    """Cross entropy of the classes of "image" with "label"."""

    def init(key: Key, batch: Batch) -> _State:
        network_state = NetState.create(network, tx, key, image.to_float(batch["image"]))
        return _State(step=jnp.zeros((), jnp.int32), key=key, network=network_state)

    def update(state: _State, batch: Batch, draws: None) -> tuple[_State, Metrics]:
        def entropy(params: Params) -> tuple[jax.Array, Stats]:
            outputs, stats = network.apply(params, state.network.stats, image.to_float(batch["image"]), train=True)
            return optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], batch["label"]).mean(), stats

        (loss, stats), grads = jax.value_and_grad(entropy, has_aux=True)(state.network.params)
        return _State(state.step + 1, state.key, state.network.apply_gradients(tx, grads, stats)), {"loss": loss}

    return Method(init, lambda key, batch: None, update)


def kept(folder: str | Path, source: pipeline.Source, classes: int, transform: Any, *, steps: int = 400) -> Model:
    """The classifier of these images, at their size, that `folder` keeps; fitted and written there if it has none."""
    folder = Path(folder)
    shape = transform(source[0], np.random.default_rng(0))["image"].shape
    digest = hashlib.sha256(repr((fingerprint(source), shape, classes, steps)).encode()).hexdigest()
    path = folder / f"classifier_{digest[:12]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        model.save(path, fit(source, classes, transform, steps=steps))
    return model.load(path)


def judge(classifier: Model, images_u8: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes [N] and features [N, D] of images uint8 [N, H, W, C]."""
    apply, variables = compiled(classifier.module), classifier.variables
    classes, features = [], []
    for start in range(0, len(images_u8), _BATCH):
        batch = images_u8[start : start + _BATCH]
        # Filled up, so that one program does for all batches.
        full = np.concatenate([batch, np.zeros((_BATCH - len(batch), *batch.shape[1:]), np.uint8)])
        outputs = apply(variables, full)
        classes.append(np.asarray(outputs["logits"]).argmax(axis=-1)[: len(batch)])
        features.append(np.asarray(outputs["features"])[: len(batch)])
    return np.concatenate(classes), np.concatenate(features)


@functools.cache
def compiled(module: Any) -> Any:
    """(variables, images uint8 [N, H, W, C]) -> a classifier's "logits" and "features", in all of float32's digits."""
    network = networks.from_linen(module)

    def apply(variables: Any, images_u8: jax.Array) -> dict[str, jax.Array]:
        # Accelerators would multiply in TF32 or bfloat16 by default, and scores would be theirs.
        with jax.default_matmul_precision("highest"):
            return network.apply(variables["params"], variables["stats"], image.to_float(images_u8), train=False)[0]

    return jax.jit(apply)


def share_of(classes: np.ndarray, labels: np.ndarray) -> float:
    """The share of images that were given their labels."""
    return float(jnp.mean(jnp.asarray(classes) == jnp.asarray(labels)))
