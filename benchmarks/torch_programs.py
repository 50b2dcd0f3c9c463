"""Programs of PyTorch on files, as its users write them: a data set of pairs, a folder translated.

python -m benchmarks.torch_programs translate GENERATOR.pth INPUT OUTPUT
python -m benchmarks.torch_programs upscale RRDBNET.pth IMAGE OUTPUT
python -m benchmarks.torch_programs first_step PAIRS
"""

import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import torch_nets, torch_steps

__all__ = ["Pairs", "first_step", "loader", "translate", "upscale"]


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1.0


class Pairs(Dataset):
    """Images of A and B side by side; resized to 286x286, cropped to 256x256 and mirrored, both alike."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        image = Image.open(self.paths[index]).convert("RGB")
        middle = image.width // 2
        sides = image.crop((0, 0, middle, image.height)), image.crop((middle, 0, image.width, image.height))
        left, top, mirrored = random.randrange(31), random.randrange(31), random.random() < 0.5
        tensors = []
        for side in sides:
            side = side.resize((286, 286), Image.Resampling.BICUBIC).crop((left, top, left + 256, top + 256))
            tensors.append(_tensor(ImageOps.mirror(side) if mirrored else side))
        return {"A": tensors[0], "B": tensors[1]}


def loader(folder: Path, batch_size: int, workers: int) -> DataLoader:
    """Batches of a folder of pairs in a random order, read by processes that stay from epoch to epoch."""
    return DataLoader(
        Pairs(folder),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        multiprocessing_context="forkserver",  # a process with JAX's threads in it is not to be forked
    )


@torch.inference_mode()
def translate(generator: nn.Module, inputs: Path, output: Path) -> None:
    """Every image of a folder through a generator, one by one."""
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(inputs.iterdir()):
        made = generator(_tensor(Image.open(path).convert("RGB"))[None])[0]
        levels = ((made + 1.0) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0)
        Image.fromarray(levels.numpy()).save(output / path.name)


@torch.inference_mode()
def upscale(generator: nn.Module, path: Path, output: Path, scale: int = 4, tile: int = 256, around: int = 10) -> None:
    """An image enlarged in tiles with a margin of `around` pixels, as Real-ESRGAN's program does it on --tile 256."""
    image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    height, width = image.shape[2:]
    canvas = image.new_empty(1, 3, scale * height, scale * width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y, x = max(top - around, 0), max(left - around, 0)
            part = image[:, :, y : bottom + around, x : right + around]
            made = generator(part.contiguous(memory_format=torch.channels_last))
            inner = (slice(scale * (top - y), scale * (bottom - y)), slice(scale * (left - x), scale * (right - x)))
            canvas[..., scale * top : scale * bottom, scale * left : scale * right] = made[:, :, *inner]
    levels = (canvas[0].clamp_(0, 1) * 255).round_().byte().permute(1, 2, 0)
    Image.fromarray(levels.numpy()).save(output, compress_level=1)


def first_step(folder: Path) -> None:
    """One step of pix2pix on a pair of a folder."""
    pair = Pairs(folder)[0]
    target, source = (((pair[side] + 1.0) * 127.5).byte().permute(1, 2, 0)[None].numpy() for side in "AB")
    torch_steps.pix2pix({"source": source, "target": target}, torch_steps.Placement("cpu", channels_last=True)).run()
    print("step 1 is done")


def main(verb: str, *arguments: str) -> None:
    """Runs a verb of the command line."""
    paths = list(map(Path, arguments))
    if verb == "translate":
        generator = torch_nets.unet().to(memory_format=torch.channels_last)
        generator.load_state_dict(torch.load(paths[0], weights_only=True))
        translate(generator, *paths[1:])
    elif verb == "upscale":
        generator = torch_nets.RRDBNet().to(memory_format=torch.channels_last)
        generator.load_state_dict(torch.load(paths[0], weights_only=True)["params_ema"])
        upscale(generator.eval(), *paths[1:])
    elif verb == "first_step":
        first_step(*paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
