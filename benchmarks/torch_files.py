"""PyTorch's own files read here, and ours read by PyTorch; wants the `bench` extra.

python -m benchmarks.torch_files > benchmarks/torch_files.txt
"""

import collections
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.torch
import torch

from gan_jax.interop import convert, torch_file
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import PatchGAN, describe, from_linen

WIDTH = 16


class TorchPatchGAN(torch.nn.Module):
    """The 70x70 critic of Isola et al. 2017, 6.1.2, as a state_dict of pytorch-CycleGAN-and-pix2pix names it."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = [torch.nn.Conv2d(6, WIDTH, 4, 2, 1), torch.nn.LeakyReLU(0.2)]
        for inputs, outputs, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            layers.append(torch.nn.Conv2d(inputs * WIDTH, outputs * WIDTH, 4, stride, 1, bias=False))
            layers += [torch.nn.BatchNorm2d(outputs * WIDTH), torch.nn.LeakyReLU(0.2)]
        self.model = torch.nn.Sequential(*layers, torch.nn.Conv2d(8 * WIDTH, 1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def ours_in_torch(folder: Path) -> None:
    module = PatchGAN(3, WIDTH)
    network = from_linen(module)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 6)).astype(np.float32)
    params, stats = network.init(jax.random.key(0), x)
    _, stats = network.apply(params, stats, x, train=True)  # running statistics away from 0 and 1
    spec = ModelSpec(describe(module), 6, "pix2pix", "image", False, kind="critic")
    convert.write_torch(folder / "critic.safetensors", Model(spec, {"params": params, "stats": stats}))
    theirs = TorchPatchGAN()
    print("PatchGAN, safetensors.torch.load_file and load_state_dict(strict=True):", end=" ")
    print(theirs.load_state_dict(safetensors.torch.load_file(folder / "critic.safetensors"), strict=True))
    for train in (False, True):
        expected = theirs.train(train)(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy()
        got = np.asarray(network.apply(params, stats, x, train=train)[0]).transpose(0, 3, 1, 2)
        difference = np.abs(got - expected).max() / np.abs(expected).max()
        print(f"  {'batch' if train else 'running'} statistics: {difference:.1e} of the largest logit")


def contents() -> dict[str, Any]:
    """What torch.save is given."""
    numbers = torch.arange(60.0).reshape(3, 4, 5) / 7
    module = TorchPatchGAN()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 6, 64, 64)).mean().backward()
    optimizer.step()
    dtypes = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    return {
        "a state_dict": module.state_dict(),
        "a checkpoint with Adam's state": {
            "epoch": 3, "lr": 2e-4, "netD": module.state_dict(), "optimizer": optimizer.state_dict(), "name": "pix2pix",
        },
        "every dtype": {name: (10 * numbers).to(getattr(torch, name)) for name in dtypes},
        "bfloat16": module.to(torch.bfloat16).state_dict(),
        "half": module.to(torch.float16).state_dict(),
        "a shared storage": {"whole": numbers, "row": numbers[1], "last": numbers[..., -1]},
        "transposed, strided and expanded": {
            "t": numbers.transpose(0, 2), "s": numbers[:, ::2, 1:4:2], "e": numbers[:1].expand(3, 4, 5),
        },
        "parameters": {"p": torch.nn.Parameter(numbers), "b": torch.nn.Parameter(numbers[0], requires_grad=False)},
        "OrderedDicts, lists and tuples": collections.OrderedDict(
            layers=[collections.OrderedDict(w=numbers), (numbers[0], None, True)]
        ),
        "empty and scalar": {"none": torch.zeros(0, 3), "one": torch.tensor(2.5), "count": torch.tensor(7)},
    }  # fmt: skip


def compared(got: Any, expected: Any) -> int:
    """How many arrays are equal, bit for bit; raises AssertionError where something is not."""
    if isinstance(expected, torch.Tensor):
        expected = expected.detach()
        bits = expected.view(torch.int16) if expected.dtype == torch.bfloat16 else expected
        own = got.view(np.int16) if expected.dtype == torch.bfloat16 else got
        assert str(expected.dtype) == f"torch.{got.dtype}", (expected.dtype, got.dtype)
        np.testing.assert_array_equal(own, bits.numpy())
        return 1
    if isinstance(expected, Mapping):
        assert list(got) == list(expected)
        return sum(compared(got[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        return sum(compared(a, b) for a, b in zip(got, expected, strict=True))
    assert got == expected, (got, expected)
    return 0


def torchs_here(folder: Path) -> None:
    print("\narrays of torch.save that torch_file.load and torch.load read alike, bit for bit")
    print(f"{'':34}{'zip':>8}{'legacy':>8}")
    for what, content in contents().items():
        cells = ""
        for is_zip in (True, False):
            torch.save(content, folder / "file.pth", _use_new_zipfile_serialization=is_zip)
            expected = torch.load(folder / "file.pth", weights_only=True)
            cells += f"{compared(torch_file.load(folder / 'file.pth'), expected):8}"
        print(f"{what:34}{cells}")


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, jax {version('jax')}\n")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        ours_in_torch(Path(folder))
        torchs_here(Path(folder))
