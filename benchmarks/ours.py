"""gan_jax's side: the methods as the recipes build them, compiled as training compiles them."""

import dataclasses
from collections.abc import Mapping
from typing import Any
from unittest import mock

import jax
import numpy as np
from jax.sharding import Mesh

from benchmarks.timing import Program
from gan_jax import networks, perceptual
from gan_jax.method import Method, State
from gan_jax.recipes.recipe import Recipe
from gan_jax.training import parallel

__all__ = ["inference", "random_content", "started", "training"]


def _mesh() -> Mesh:
    return parallel.data_mesh(jax.devices()[:1])


def started(
    recipe: Recipe, preset: str | None, flags: Mapping[str, Any], batch: Mapping[str, np.ndarray]
) -> tuple[Method, State]:
    """The method of a recipe's preset, with `flags` laid over it, and its state before the first step."""
    config = dataclasses.replace(recipe.preset(preset), **flags)
    # Trained weights take as long as others, and are in no package.
    with mock.patch.object(perceptual, "content_features", random_content):
        method = recipe.experiment(config).method
    return method, parallel.compile_init(method, _mesh())(jax.random.key(0), dict(batch))


def training(recipe: Recipe, preset: str | None, flags: Mapping[str, Any], batch: Mapping[str, np.ndarray]) -> Program:
    """A step of a recipe's preset, with `flags` laid over it."""
    method, state = started(recipe, preset, flags, batch)
    step, on_device = parallel.compile_step(method, _mesh()), parallel.global_batch(batch, _mesh())
    trained = method.networks(state)
    content = getattr(state, "frozen", None)
    traffic = 2 * _bytes({name: (net.params, net.stats, net.opt) for name, net in trained.items()}) + _bytes(content)
    parameters = {name: _count(net.params) for name, net in trained.items()}

    def run() -> None:
        nonlocal state
        state, metrics = step(state, on_device)
        jax.block_until_ready((state, metrics))

    parameters |= {} if content is None else {"content": _count(content["params"])}
    return Program(run, parameters, traffic + _bytes(batch), lambda: step.trace(state, on_device))


def inference(module: networks.Architecture, inputs: np.ndarray, *, train: bool = False) -> Program:
    """A generator at work; with `train` as pix2pix tests, dropout and the statistics of the batch."""
    network = networks.from_linen(module)
    params, stats = jax.jit(network.init)(jax.random.key(0), inputs)
    key = jax.random.key(1) if train else None
    apply = jax.jit(lambda *given: network.apply(*given, train=train, key=key)[0])
    on_device = jax.device_put(inputs)
    output = jax.eval_shape(apply, params, stats, on_device)
    traffic = _bytes((params, stats, on_device)) + output.size * output.dtype.itemsize

    def run() -> None:
        jax.block_until_ready(apply(params, stats, on_device))

    return Program(run, {"generator": _count(params)}, traffic, lambda: apply.trace(params, stats, on_device))


def random_content(net: str, layers: tuple[str, ...], *, path: object) -> perceptual.ContentFeatures:
    """What `perceptual.content_features` gives, with weights drawn at random."""
    del path
    module = networks.VGG(int(net.removeprefix("vgg")), tuple(layers))
    params, stats = networks.from_linen(module).init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32))
    return perceptual.ContentFeatures(module, {"params": params, "stats": stats}, digest="random")


def _count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _bytes(tree: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
