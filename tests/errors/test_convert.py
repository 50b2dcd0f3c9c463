"""Errors: gan-jax convert and blend."""

from pathlib import Path

import numpy as np

from tests.errors.cases import Case, foreign, of_latents, theirs
from tests.interop import torch_writer

TITLE = "gan-jax convert and blend"
CASES = [
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
        "theirs.safetensors: it holds several state_dicts (netD_A, netD_B); choose one with gan-jax convert "
        "--entry NAME.",
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
        "gan-jax convert theirs.safetensors g.safetensors --set color=red",
        "theirs.safetensors: PixelGAN has no field 'color'; it has dtype, norm, spectral_norm, "
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
    Case(
        "blend two architectures",
        "gan-jax blend runs/tiny g.safetensors new.safetensors",
        "runs/tiny and g.safetensors: the architecture of one is UNet, and of the other DCGANGenerator; blend two of "
        "one architecture.",
        of_latents("g.safetensors", 0),
    ),
    Case(
        "blend a critic",
        "gan-jax blend theirs.safetensors runs/tiny new.safetensors",
        "theirs.safetensors and runs/tiny: one is a critic; only generators are blended.",
        theirs("theirs.safetensors"),
    ),
    Case(
        "blend with `--weight 2`",
        "gan-jax blend runs/tiny runs/tiny new.safetensors --weight 2",
        "runs/tiny and runs/tiny: the weight is 2; wanted 0 to 1.",
    ),
    Case(
        "blend into one of the two",
        "gan-jax blend runs/tiny/tiny.safetensors runs/tiny runs/tiny/tiny.safetensors",
        "runs/tiny/tiny.safetensors would be overwritten; write to another file.",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
