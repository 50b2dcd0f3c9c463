"""What a case of the catalogue of errors is, and what may be done before it."""

import dataclasses
import errno
import json
import os
import runpy
import shlex
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax import cli, networks
from gan_jax import model as models
from gan_jax.data import image_files, rasters
from gan_jax.recipes import cyclegan, dcgan, pix2pix, pytorch_compat_test, srgan, wgan

ROOT = Path(__file__).parents[2]
Patch = pytest.MonkeyPatch
Prepare = Callable[[Patch], object]

# What the short command lines of the cases leave out.
TRAIN = "--batch_size 8 --n_epochs 1 --n_epochs_decay 1 --load_size 36 --crop_size 32 --ngf 2 --ndf 2 --n_layers_D 1 "
TRAIN += "--print_freq 1 --val_freq 2 --save_latest_freq 2 --dataroot data --checkpoints_dir runs --name new"
TEST = "--dataroot data --checkpoints_dir runs --name tiny --results_dir results"
RECIPES = {"srgan": srgan, "cyclegan": cyclegan, "dcgan": dcgan, "wgan": wgan}


class Case(NamedTuple):
    """A command line, what was done in words, and what came of it."""

    done: str
    line: str
    said: str  # the sentence on stderr, or parts of the box of a wrong flag, with … between them
    prepare: Prepare = lambda patch: None
    code: int = 2
    writes: str = ""  # what may be new or changed, as the beginning of a path


def call(line: str) -> int | str | None:
    """The exit code of a program, called as the shell calls it."""
    program, *arguments = shlex.split(line)
    try:
        if program == "pix2pix":
            return pix2pix.main([*shlex.split(TRAIN), *arguments] if "--bare" not in arguments else arguments[1:])
        if program in RECIPES:
            return RECIPES[program].main([*arguments, "--checkpoints_dir", "runs"])
        if program == "test.py":
            return pytorch_compat_test.main([*shlex.split(TEST), *arguments])
        if program == "train.py":
            return runpy.run_path(str(ROOT / "train.py"))["main"](arguments)
        assert program == "gan-jax"
        return cli.main(arguments)
    except SystemExit as stopped:
        return stopped.code


# What cases do beforehand


def both(*steps: Prepare) -> Prepare:
    return lambda patch: [step(patch) for step in steps]


def text(path: str, content: str = "x") -> Prepare:
    def prepare(patch: Patch) -> None:
        remove(path)(patch)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)

    return prepare


def folder(path: str) -> Prepare:
    return lambda patch: (remove(path)(patch), Path(path).mkdir(parents=True))


def remove(path: str) -> Prepare:
    return lambda patch: shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink(missing_ok=True)


def copy(source: str, target: str) -> Prepare:
    return lambda patch: (shutil.copytree if Path(source).is_dir() else shutil.copy)(source, target)


def link(path: str, target: str) -> Prepare:
    return lambda patch: Path(path).symlink_to(target)


def edit(path: str, old: str, new: str) -> Prepare:
    return lambda patch: Path(path).write_text(Path(path).read_text().replace(old, new))


def cut(path: str, share: float) -> Prepare:
    """Leaves the first part of a file."""
    return lambda patch: Path(path).write_bytes(Path(path).read_bytes()[: int(Path(path).stat().st_size * share)])


def spoil(path: str) -> Prepare:
    """Makes the second half of a file zeros; its size stays."""

    def prepare(patch: Patch) -> None:
        content = Path(path).read_bytes()
        half = len(content) // 2
        Path(path).write_bytes(content[:half] + bytes(len(content) - half))

    return prepare


def an_image(path: str, width: int = 64, height: int = 32, dtype: type = np.uint8) -> Prepare:
    def prepare(patch: Patch) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((height, width), dtype)).save(path)

    return prepare


def channels(path: str, count: int, dtype: type = np.uint16, bands: rasters.Bands = "samples") -> Prepare:
    """An array of so many channels."""
    return lambda patch: rasters.write(path, np.zeros((40, 40, count), dtype), bands)


def pairs(*names: str) -> Prepare:
    """A data folder of these images alone."""
    return both(remove("data"), *(an_image(f"data/{name}") for name in names))


def photographs(path: str, count: int) -> Prepare:
    """A folder of gradients: nothing jumps in their middle."""

    def prepare(patch: Patch) -> None:
        folder(path)(patch)
        for i in range(count):
            columns = np.linspace(40 * np.cos(i), 215, 64) + np.arange(48)[:, None]
            Image.fromarray((3 * columns % 256 // 2).astype(np.uint8)).save(f"{path}/{i}.png")

    return prepare


def bomb(path: str) -> Prepare:
    """The beginning of a PNG of 900 megapixels, without them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return lambda patch: Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + bytes(4) + b"IDAT")


def forbidden(path: str) -> Prepare:
    """An image that may not be read. Not by chmod: tests may run as root, who may read everything."""

    def prepare(patch: Patch) -> None:
        def refuse(file: str | Path, *rest: str) -> IO:
            if Path(file) == Path(path):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
            return open(file, *rest)

        patch.setattr(image_files, "open", refuse, raising=False)

    return prepare


def of_channels(path: str, in_channels: int) -> Prepare:
    """An untrained generator like the run's, for images of other channels."""

    def prepare(patch: Patch) -> None:
        model = models.load("runs/tiny")
        init, inputs = networks.from_linen(model.module).init, model.module.input_spec(in_channels)
        params, stats = jax.eval_shape(init, jax.random.key(0), *inputs)
        variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
        spec = dataclasses.replace(model.spec, in_channels=in_channels)
        models.save(Path(path), models.Model(spec, variables))

    return prepare


def of_latents(path: str, classes: int, names: tuple[str, ...] | None = None) -> Prepare:
    """An untrained generator from latents."""

    def prepare(patch: Patch) -> None:
        module = networks.DCGANGenerator(size=8, width=1, classes=classes)
        inputs = module.input_spec(4)
        params, stats = jax.eval_shape(networks.from_linen(module).init, jax.random.key(0), *inputs)
        variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
        described = networks.describe(module)
        drawn = {"latent": "normal", "classes": names}
        spec = models.ModelSpec(described, 4, "dcgan", norm="running", dropout=False, **drawn)
        models.save(Path(path), models.Model(spec, variables))

    return prepare


def infinite(path: str) -> Prepare:
    """The run's generator in another file, with a weight that is not finite."""

    def prepare(patch: Patch) -> None:
        model = models.load("runs/tiny")
        jax.tree.leaves(model.variables["params"])[0].fill(np.inf)
        models.save(Path(path), model)

    return prepare


def foreign(path: str, **metadata: str) -> Prepare:
    return lambda patch: Path(path).write_bytes(safetensors.numpy.save({"x": np.zeros(2)}, metadata))


def theirs(path: str, without: str = "", parts: tuple[str, ...] = ("",), **more: tuple[int, ...]) -> Prepare:
    """A PixelGAN, or one for each prefix in `parts`, as PyTorch names its layers, less one array and with others."""
    shapes = {
        "net.0.weight": (2, 6, 1, 1),
        "net.0.bias": (2,),
        "net.2.weight": (4, 2, 1, 1),
        "net.5.weight": (1, 4, 1, 1),
    }
    shapes |= {f"net.3.{leaf}": (4,) for leaf in ("weight", "bias", "running_mean", "running_var")}
    shapes = {name: shape for name, shape in {**shapes, **more}.items() if name != without}
    arrays = {f"{part}{name}": np.zeros(shape, np.float32) for part in parts for name, shape in shapes.items()}
    content = safetensors.numpy.save(arrays)
    return lambda patch: Path(path).write_bytes(content)


def newer(path: str) -> Prepare:
    return foreign(path, gan_jax=json.dumps({"format": models.FORMAT_VERSION + 1}))


def refusing(holder: object, name: str, number: int = errno.ENOSPC) -> Prepare:
    """The system refuses where `holder.name` writes."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return lambda patch: patch.setattr(holder, name, refuse)


ENDINGS = ".png .jpg .webp .tif .bmp, or in another of Pillow's formats"
SPLITS = ", or split folders: train, trainA and trainB, or A/train and B/train"
ONE = "data/train/train_0003.png"
LONGEST = "n" * 251 + ".png"
PRESETS = "demo, ablate, upscale, facades, cityscapes, maps, edges2shoes, edges2handbags, day2night, colorize"
DIFFERENT = "Give the old values to go on, or another --name to begin anew."


def contents() -> dict[str, bytes | None]:
    """Path -> content, of all files below the working folder, and of folders None."""
    return {
        path.as_posix(): path.read_bytes() if path.is_file() else None
        for path in Path().rglob("*")
        if not path.is_symlink()
    }
