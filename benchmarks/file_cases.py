"""Work on files beside other programs: batches for training, scores, a folder translated, a checkpoint."""

import atexit
import dataclasses
import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from benchmarks import ours
from benchmarks.timing import Case, Program
from gan_jax import evaluate, model, networks
from gan_jax.data import pipeline, prepare, records
from gan_jax.data.demo.facades import Facades
from gan_jax.model import Model, ModelSpec
from gan_jax.recipes import pix2pix
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.experiment import Experiment

__all__ = ["FILE_CASES", "experiment"]

_COUNT, _SIDE, _BATCH = 200, 256, 4
_PAIRS = 2000  # of batches: an order over fewer is made more slowly (Grain's shuffle)
_CORES = len(os.sched_getaffinity(0))


@functools.cache
def _folder() -> Path:
    """A folder that goes when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _pictures() -> Mapping[str, Path]:
    """Folders of so many pictures: drawn photographs, the same with noise, and pairs side by side as JPEG."""
    folders = {name: _folder() / name for name in ("photographs", "noisy", "pairs/train")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rng, drawn = np.random.default_rng(0), Facades("train", _COUNT, _SIDE)
    for index in range(_COUNT):
        source, target = drawn[index]["source"], drawn[index]["target"]
        noisy = np.clip(target + rng.normal(0.0, 10.0, target.shape), 0, 255).astype(np.uint8)
        Image.fromarray(target).save(folders["photographs"] / f"{index}.png")
        Image.fromarray(noisy).save(folders["noisy"] / f"{index}.png")
        pair = np.concatenate([source, target], axis=1)
        Image.fromarray(pair).save(folders["pairs/train"] / f"{index}.jpg", quality=95)
    return folders


@functools.cache
def _pairs() -> Path:
    """A folder of so many pairs side by side as JPEG, drawn facades."""
    folder, drawn = _folder() / "many" / "train", Facades("train", _PAIRS, _SIDE)
    folder.mkdir(parents=True)
    for index in range(_PAIRS):
        pair = np.concatenate([drawn[index]["source"], drawn[index]["target"]], axis=1)
        Image.fromarray(pair).save(folder / f"{index}.jpg", quality=95)
    return folder


@functools.cache
def experiment(stored: records.Stored | None = None) -> Experiment:
    """pix2pix on the folder of pairs, or on what was prepared of it."""
    dataroot = _pairs().parent
    if stored is not None:
        folder, dataroot = dataroot, _folder() / f"prepared_{stored}"
        prepare.prepare(folder, dataroot, prepare.Settings("pairs", load_size=286, crop_size=256, stored=stored))
    config = dataclasses.replace(pix2pix.RECIPE.preset("facades"), dataroot=str(dataroot), max_dataset_size=_PAIRS)
    return pix2pix.RECIPE.experiment(config)


def _batches(stored: records.Stored | None = None) -> Program:
    made_of = experiment(stored)

    def run() -> None:
        made = pipeline.batches(
            made_of.train, batch_size=_BATCH, seed=0, transform=made_of.train_transform, threads=_CORES
        )
        for _ in itertools.islice(made, _PAIRS // _BATCH):
            pass
        made.close()

    return Program(run)


def _loader() -> Program:
    from benchmarks import torch_programs

    loader = torch_programs.loader(_pairs(), _BATCH, workers=_CORES)

    def run() -> None:
        for _ in loader:
            pass

    return Program(run)


def _scores() -> Program:
    folders, protocol = _pictures(), evaluate.PROTOCOLS["rgb"]
    return Program(lambda: evaluate.evaluate(folders["noisy"], folders["photographs"], protocol))


def _scikit_image(threads: int) -> Program:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    folders = _pictures()

    def score(name: str) -> tuple[float, float]:
        output, reference = (np.asarray(Image.open(folders[side] / name)) for side in ("noisy", "photographs"))
        gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        ssim = structural_similarity(output, reference, channel_axis=2, data_range=255, **gaussian)
        return peak_signal_noise_ratio(reference, output), ssim

    def run() -> None:
        names = [path.name for path in folders["noisy"].iterdir()]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(score, names))

    return Program(run)


def _command(*arguments: str | Path) -> Program:
    """A command of Python, from its start to its end, that translates the photographs into the last argument."""
    output = Path(arguments[-1])

    def run() -> None:
        shutil.rmtree(output, ignore_errors=True)
        subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
        written = len(list(output.iterdir()))
        if written != _COUNT:
            raise ValueError(f"{arguments[0]} wrote {written} images; wanted {_COUNT}.")

    return Program(run)


def _translate() -> Program:
    path, module = _folder() / "generator.safetensors", networks.UNet()
    example = np.zeros((1, _SIDE, _SIDE, 3), np.float32)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), example)
    spec = ModelSpec(networks.describe(module), 3, "pix2pix", norm="image", dropout=True)
    model.save(path, Model(spec, {"params": params, "stats": stats}))
    return _command("gan_jax", "translate", path, _pictures()["photographs"], _folder() / "ours")


def _torch_translate() -> Program:
    import torch

    from benchmarks import torch_nets

    path = _folder() / "generator.pth"
    torch.save(torch_nets.unet().state_dict(), path)
    photographs = _pictures()["photographs"]
    return _command("benchmarks.torch_programs", "translate", path, photographs, _folder() / "theirs")


def _first_step(*arguments: str | Path, cold: bool = False) -> Program:
    """A command of Python, from its start until it says that a step is done; `cold` forgets what was compiled."""
    cache = _folder() / "compiled"
    surroundings = {**os.environ, "PYTHONUNBUFFERED": "1", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", *map(str, arguments)]

    def run() -> None:
        shutil.rmtree(_folder() / "runs", ignore_errors=True)
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            done = any("step 1 is done" in line for line in process.stdout)
            process.kill()
        if not done:
            raise ValueError(f"{' '.join(command)} ended before its first step.")

    return Program(run)


def _our_first_step(*, cold: bool) -> Program:
    pairs = _pictures()["pairs/train"].parent
    flags = "--dataroot", pairs, "--direction", "BtoA", "--checkpoints_dir", _folder() / "runs"
    return _first_step("gan_jax", "train", "pix2pix", *flags, cold=cold)


def _torch_first_step() -> Program:
    return _first_step("benchmarks.torch_programs", "first_step", _pictures()["pairs/train"])


def _checkpoint() -> Program:
    shape = (1, _SIDE, _SIDE, 3)
    batch = {name: np.zeros(shape, np.uint8) for name in ("source", "target")}
    _, state = ours.started(pix2pix.RECIPE, "facades", {"dataroot": "builtin:embedded"}, batch)
    checkpoints, steps = Checkpoints(_folder() / "checkpoints"), itertools.count(1)

    def saved() -> None:
        checkpoints.save(next(steps), state, {})
        checkpoints.finish()  # else it is written while the other side is timed

    return Program(saved)


def _torch_checkpoint() -> Program:
    import torch
    from torch import nn

    from benchmarks import torch_nets

    networks = torch_nets.unet(), torch_nets.patch_gan(6, nn.BatchNorm2d)
    optimizers = [torch.optim.Adam(net.parameters()) for net in networks]
    for net, optimizer in zip(networks, optimizers, strict=True):
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad()
    whole = [part.state_dict() for part in (*networks, *optimizers)]
    return Program(lambda: torch.save(whole, _folder() / "checkpoint.pth"))


FILE_CASES = {
    "batches-256": Case(
        f"{_PAIRS:,} pairs to batches of {_BATCH}, one thread or process a core",
        lambda: {
            "threads": _batches,
            "threads, prepared as pixels": lambda: _batches("pixels"),
            "threads, prepared as PNG": lambda: _batches("encoded"),
        },
        lambda compiled: {"DataLoader": _loader},
    ),
    "evaluate-256": Case(
        f"PSNR and SSIM of {_COUNT} pictures, 256x256",
        lambda: {"threads": _scores},
        lambda compiled: {
            "scikit-image": lambda: _scikit_image(1),
            "scikit-image, threads": lambda: _scikit_image(_CORES),
        },
    ),
    "translate-256": Case(
        f"a folder of {_COUNT} pictures, 256x256, through U-Net, start to end",
        lambda: {"gan-jax translate": _translate},
        lambda compiled: {"program": _torch_translate},
    ),
    **{
        f"first-step-{'cold' if cold else 'warm'}": Case(
            f"from the command to pix2pix's first step, {'nothing' if cold else 'all'} compiled before",
            lambda cold=cold: {"gan-jax train": lambda: _our_first_step(cold=cold)},
            lambda compiled: {"program": _torch_first_step},
        )
        for cold in (True, False)
    },
    "checkpoint": Case(
        "pix2pix's state to disk",
        lambda: {"Orbax and digests": _checkpoint},
        lambda compiled: {"torch.save": _torch_checkpoint},
    ),
}
