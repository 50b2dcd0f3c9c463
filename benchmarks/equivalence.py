"""The gradients of every method on several processes and devices beside those of one: the worst difference of each.

python -m benchmarks.equivalence > benchmarks/equivalence.txt
"""

import argparse
import dataclasses
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["METHODS", "TOPOLOGIES", "Cell", "difference", "gradients", "measure"]
__dir__ = __all__.copy

BATCH = 16
# Added to biases and to norms' scales. With biases of 0 critics tell nothing apart: both halves of the last one's
# gradient cancel, and what is left is rounding (SRGAN's 2e-6 of 0.6, off by 3e-3 of the least that counts).
_SHIFT = 0.5
TOPOLOGIES = ((1, 1), (1, 8), (2, 1), (2, 4), (4, 2))  # processes, and devices of each
HOWS = ("jit", "pmap")
# Whose steps draw latents or epsilons: a replica draws its own, so replicas are compared with as many in one process.
DRAWING = ("dcgan", "wgan", "wgan_gp", "sinkhorn")
REFUSED = {"sinkhorn": "compares two whole batches"}
ROOT = Path(__file__).parents[1]


class Cell(NamedTuple):
    """One number of the table: a method, compiled one way, on so many processes with so many devices each."""

    method: str
    how: str
    processes: int
    devices: int

    @property
    def reference(self) -> "Cell":
        """What it is compared with."""
        if self.how == "jit" or self.method not in DRAWING:
            return Cell(self.method, "jit", 1, 1)
        return Cell(self.method, "pmap", 1, self.processes * self.devices)


def _pix2pix(tx: Any) -> Any:
    from gan_jax import networks
    from gan_jax.methods.pix2pix import pix2pix

    return pix2pix(
        networks.from_linen(networks.UNet(depth=3, width=4, statistics_batch=2, dropout=0.0)),
        networks.from_linen(networks.PatchGAN(layers=2, width=4, statistics_batch=2)),
        generator_tx=tx,
        critic_tx=tx,
    )


def _cyclegan(tx: Any) -> Any:
    from gan_jax import networks
    from gan_jax.methods.cyclegan import cyclegan

    generator = networks.from_linen(networks.UNet(depth=2, width=2, norm="none", dropout=0.0))
    critic = networks.from_linen(networks.PatchGAN(layers=1, width=2, norm="none"))
    return cyclegan(generator, generator, critic, critic, generator_tx=tx, critic_tx=tx, pool_size=0)


def _srresnet(tx: Any) -> Any:
    from gan_jax import networks
    from gan_jax.degrade import Degradation
    from gan_jax.methods.srresnet import srresnet

    return srresnet(networks.from_linen(networks.MSRResNet(2, 1, 4)), generator_tx=tx, degrade=Degradation(scale=2))


def _srgan(tx: Any) -> Any:
    from gan_jax import networks
    from gan_jax.degrade import Degradation
    from gan_jax.methods.srgan import srgan

    return srgan(
        networks.from_linen(networks.MSRResNet(2, 1, 4)),
        networks.from_linen(networks.PixelGAN(2, "none")),
        generator_tx=tx,
        critic_tx=tx,
        pixel_weight=1.0,
        degrade=Degradation(scale=2),
        content=networks.from_linen(networks.VGG(19, ("relu1_2",), width=2)),
    )


def _samplers() -> tuple[Any, Any]:
    from gan_jax import networks

    return (
        networks.from_linen(networks.DCGANGenerator(size=8, width=4, norm="none")),
        networks.from_linen(networks.DCGANCritic(size=8, width=4, norm="none")),
    )


def _dcgan(tx: Any) -> Any:
    from gan_jax.methods.dcgan import dcgan

    return dcgan(*_samplers(), generator_tx=tx, critic_tx=tx, latent_size=4)


def _wgan(tx: Any, penalty_weight: float = 0.0) -> Any:
    from gan_jax.methods.wgan import wgan

    common = {"generator_tx": tx, "critic_tx": tx, "latent_size": 4}
    return wgan(*_samplers(), **common, n_critic=2, penalty_weight=penalty_weight)


def _wgan_gp(tx: Any) -> Any:
    return _wgan(tx, penalty_weight=10.0)


def _sinkhorn(tx: Any) -> Any:
    from gan_jax import networks
    from gan_jax.methods.sinkhorn import sinkhorn

    return sinkhorn(networks.from_linen(networks.MLP(2)), generator_tx=tx, latent_size=2, epsilon=0.05, iterations=5)


METHODS: Mapping[str, Callable[[Any], Any]] = {
    "pix2pix": _pix2pix,
    "cyclegan": _cyclegan,
    "srresnet": _srresnet,
    "srgan": _srgan,
    "dcgan": _dcgan,
    "wgan": _wgan,
    "wgan_gp": _wgan_gp,
    "sinkhorn": _sinkhorn,
}


def _batch(name: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def images(count: int, side: int) -> np.ndarray:
        return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)

    if name == "cyclegan":
        return {"A": images(BATCH, 8), "B": images(BATCH, 8)}
    if name in ("srresnet", "srgan"):
        return {"target": images(BATCH, 8)}  # small: a CPU adds a bias's gradient up pixel by pixel, in float32
    if name == "sinkhorn":
        return {"image": rng.normal(size=(BATCH, 2)).astype(np.float32)}
    if name in DRAWING:
        return {"image": images(BATCH if name == "dcgan" else 2 * BATCH, 8)}
    return {"source": images(BATCH, 16), "target": images(BATCH, 16)}


def gradients(name: str, how: Any) -> list[np.ndarray]:
    """Every network's gradients of the first step of a method, on all devices of all processes."""
    import jax
    import optax

    from gan_jax.training import parallel, processes

    keep = optax.chain(optax.trace(decay=0.0), optax.scale(-1e-2))  # its state is the gradient that it was given
    method = METHODS[name](parallel.pmean_gradients(keep) if how == "pmap" else keep)
    mesh, batch = parallel.data_mesh(), _batch(name)
    state = parallel.compile_init(method, mesh)(jax.random.key(0), batch)
    shifted = {
        name: net.replace(params=jax.tree.map(lambda leaf: leaf + _SHIFT * (leaf.ndim == 1), net.params))
        for name, net in method.networks(state).items()
    }
    state = dataclasses.replace(state, **shifted)
    mine = {kind: np.split(array, processes.count())[processes.index()] for kind, array in batch.items()}
    state, _ = parallel.compile_step(method, mesh, how=how)(state, parallel.global_batch(mine, mesh))
    nets = method.networks(state)
    return [np.asarray(leaf) for net in nets.values() for leaf in jax.tree.leaves(net.opt[0].trace)]


def difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """The largest norm of an array's difference over the norm of the array, or of a thousandth of all where it is less.

    A bias in front of a norm, or one that real and fake images cancel in, has a gradient of rounding noise alone.
    """
    least = 1e-3 * float(np.sqrt(sum(np.square(b, dtype=np.float64).sum() for b in theirs)))
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), least) for a, b in pairs)


def measure(names: Sequence[str], topologies: Sequence[tuple[int, int]], hows: Sequence[str]) -> dict[Cell, float]:
    """The worst difference of each cell from its reference; what replicas cannot compute is left out."""
    cells = [
        Cell(name, how, *topology)
        for name in names
        for how in hows
        for topology in topologies
        if how == "jit" or name not in REFUSED
    ]
    found: dict[Cell, list[np.ndarray]] = {}
    wanted = {*cells, *(cell.reference for cell in cells)}
    for topology in sorted({(cell.processes, cell.devices) for cell in wanted}):
        found |= _run([cell for cell in sorted(wanted) if (cell.processes, cell.devices) == topology], topology)
    return {cell: difference(found[cell], found[cell.reference]) for cell in cells}


def _run(cells: Sequence[Cell], topology: tuple[int, int]) -> dict[Cell, list[np.ndarray]]:
    """The gradients of cells of one topology, in processes of their own."""
    count, devices = topology
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    with tempfile.TemporaryDirectory() as folder:
        todo, result = Path(folder, "cells.json"), Path(folder, "gradients.npz")
        todo.write_text(json.dumps(cells))
        line = [sys.executable, "-m", "benchmarks.equivalence", "--cells", str(todo), "--result", str(result)]
        where = ["--coordinator", f"127.0.0.1:{port}", "--num_processes", str(count)]
        workers = [
            subprocess.Popen([*line, *where, "--process_id", str(index)], cwd=ROOT, env=environment)
            for index in range(count)
        ]
        if [worker.wait() for worker in workers] != [0] * count:
            raise RuntimeError(f"{count} processes with {devices} devices ended otherwise than they should.")
        with np.load(result) as arrays:
            return {
                cell: [arrays[f"{row}/{k}"] for k in range(sum(key.startswith(f"{row}/") for key in arrays))]
                for row, cell in enumerate(cells)
            }


def _work(options: argparse.Namespace) -> None:
    from gan_jax.training import joining, processes

    place = joining.found(options.coordinator, options.num_processes, options.process_id)
    with joining.joined(place):
        arrays = {
            f"{row}/{k}": array
            for row, (name, how, *_) in enumerate(json.loads(Path(options.cells).read_text()))
            for k, array in enumerate(gradients(name, how))
        }
        if processes.first():
            np.savez(options.result, **arrays)
    joining.leave(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    for name, kind in (("cells", str), ("result", str), ("coordinator", str), ("num_processes", int)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--process_id", type=int)
    options = parser.parse_args()
    if options.cells:
        return _work(options)
    table = measure(options.methods, TOPOLOGIES, HOWS)
    print(f"CPU, Python {platform.python_version()}, jax {metadata.version('jax')}; one step, batch {BATCH}")
    print("Per array: norm of the difference from one device over norm of the gradient, or over a thousandth of")
    print("that of all arrays where it is less (null gradients); the worst of a method.")
    print("Replicas that draw noise of their own (*) are compared with as many in one process.\n")
    print(f"{'processes x devices':24}" + "".join(f"{f'{p}x{d}':>10}" for p, d in TOPOLOGIES))
    for name in options.methods:
        for how in HOWS:
            cells = [Cell(name, how, *topology) for topology in TOPOLOGIES]
            title = f"{name} {how}{' *' if how == 'pmap' and name in DRAWING else ''}"
            if how == "pmap" and name in REFUSED:
                print(f"{title:24}refused: it {REFUSED[name]}")
                continue
            print(f"{title:24}" + "".join(f"{table[cell]:10.1e}" for cell in cells))
    print(f"\nthe worst: {max(table.values()):.1e}")
    return None


if __name__ == "__main__":
    main()
