"""What holds of the presets of all recipes together."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gan_jax.data import image_files
from gan_jax.recipes import (
    cyclegan,
    dcgan,
    pix2pix,
    pix2pix_ablation,
    samplers,
    srgan,
    super_resolution,
    unpaired,
    wgan,
)

RECIPES = {"pix2pix": pix2pix, "srgan": srgan, "cyclegan": cyclegan, "dcgan": dcgan, "wgan": wgan}


def test_every_demo_has_a_folder_of_its_own():
    names = [recipe.RECIPE.preset("demo").name for recipe in (pix2pix, srgan, cyclegan, dcgan, wgan)]
    assert sorted(names) == ["demo", "demo_cyclegan", "demo_dcgan", "demo_srgan", "demo_wgan"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_folder_that_is_called_as_the_programs_own_images_is_never_taken_for_them(
    recipe, tmp_path, monkeypatch, capsys
):
    """Nor the other way round: the word alone is refused, and both have an unmistakable way to be said."""
    monkeypatch.chdir(tmp_path)
    word = "photos" if recipe == "srgan" else "embedded"
    (tmp_path / word).mkdir()
    for said, code in (
        (word, f"give --dataroot ./{word} or --dataroot builtin:{word}."),
        (f"./{word}", f"{word}"),  # empty
        ("builtin:faces", f"--dataroot builtin:faces: there is builtin:{word}"),
    ):
        assert RECIPES[recipe].main(["--dataroot", said]) == 2
        assert code in capsys.readouterr().err
    config = dataclasses.replace(RECIPES[recipe].RECIPE.preset("demo"), max_dataset_size=2)
    opened = {
        "pix2pix": lambda: pix2pix._open_split(config, "val"),
        "cyclegan": lambda: unpaired.tasks(config, "unaligned")["AtoB"].val,
        "srgan": lambda: super_resolution.open_split(config, "test"),
    }.get(recipe, lambda: samplers.open_split(config, "val"))
    if recipe == "srgan":
        pytest.importorskip("skimage", reason="the photos extra")
    assert len(opened()) == 2


def test_every_preset_has_a_folder_or_says_builtin():
    for recipe in RECIPES.values():
        for preset in recipe.PRESETS.values():
            assert preset.dataroot is None or preset.dataroot.startswith(("builtin:", "datasets/"))


def test_the_ablation_knows_the_words_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embedded").mkdir()
    config = dataclasses.replace(pix2pix.PRESETS["ablate"], dry_run=True)
    assert pix2pix_ablation.ablate(config, pix2pix.experiment) == 0
    with pytest.raises(ValueError, match="builtin:embedded"):
        pix2pix_ablation.ablate(dataclasses.replace(config, dataroot="embedded"), pix2pix.experiment)
    with pytest.raises(ValueError, match="leave out --dataroot"):
        pix2pix_ablation.ablate(dataclasses.replace(config, dataroot="./embedded"), pix2pix.experiment)


def side_by_side(folder: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for i in range(count):
        dark, bright = rng.integers(0, 60, (32, 32, 3)), rng.integers(160, 255, (32, 32, 3))
        image_files.save(folder / f"{i}.png", np.concatenate([dark, bright], axis=1).astype(np.uint8))
    return folder


def test_a_recipe_of_single_images_says_that_they_look_like_pairs(tmp_path):
    root = str(side_by_side(tmp_path / "data"))
    opened = {
        "srgan": super_resolution.open_split(super_resolution.PhotographFlags(dataroot=root, gt_size=16), "train"),
        "dcgan": samplers.open_split(samplers.SamplerFlags(dataroot=root), "train"),
    }
    for source in opened.values():
        (note,) = source.notes
        assert "look like A and B side by side" in note
    assert super_resolution.PhotographFlags(color="grey").color == "gray"
