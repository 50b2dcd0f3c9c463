import dataclasses
import os
import re
import tomllib
from pathlib import Path

import pytest

from gan_jax import recipes
from gan_jax.recipes import config_file
from gan_jax.terminal import commandline

PRESETS = [(name, preset) for name in recipes.NAMES for preset in recipes.load(name).presets]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_what_is_saved_means_the_same_again(name, preset, tmp_path):
    recipe, file = recipes.load(name), tmp_path / "run.toml"
    saved = recipe.parse([preset, "--seed", "7", "--ema_decay", "None", "--save_config", str(file)])
    assert recipe.parse(["--config", str(file)]) == saved
    assert recipe.parse(["--seed=8", f"--config={file}"]) == dataclasses.replace(saved, seed=8)
    assert set(tomllib.loads(file.read_text())) <= {field.name for field in dataclasses.fields(saved)}


def test_the_file_wins_over_the_preset_and_flags_win_over_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('preset = "demo"\nlr = 1\ncrop-size = "128x64"\nno_flip = false\nngf = 8\n# a note\n')
    config = recipes.load("pix2pix").parse(["--ngf", "4", "--config", str(file)])
    assert (config.preset, config.name, config.lr, config.crop_size) == ("demo", "demo", 1.0, (128, 64))
    assert (config.no_flip, config.ngf, config.ndf) == (False, 4, 16)
    assert recipes.load("pix2pix").parse(["facades", "--config", str(file)]).dataroot == "datasets/facades"


def test_a_file_holds_flags_alone(tmp_path):
    recipe, file = recipes.load("srgan"), tmp_path / "a.toml"
    config = dataclasses.replace(recipe.config(), milestones=(2, 3), vgg_file=Path("a b"), dry_run=True, color="gray")
    config_file.write(file, config, recipe.config())
    values = config_file.read(file)
    assert (values["milestones"], values["vgg_file"], values["color"]) == ([2, 3], "a b", "gray")
    assert "dry_run" not in values
    assert recipe.parse(["--config", str(file)]) == dataclasses.replace(config, dry_run=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("btach_size = 3", "perhaps --batch_size is meant; --help_all shows all flags"),
        ("lr 3", "is no TOML file with lines like"),
        ("[train]\nlr = 3", r"has a table \[train\]"),
        ('preset = "dmeo"', "no preset is called dmeo; there is demo"),
        ("print_freq = 0", "--print_freq is 0; wanted at least 1"),
    ],
)
def test_wrong_files_are_said(content, words, tmp_path):
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(ValueError, match=words):
        recipes.load("dcgan").parse(["--config", str(tmp_path / "a.toml")])


def test_values_that_do_not_fit_exit_with_2(tmp_path, capsys):
    (tmp_path / "a.toml").write_text('batch_size = "two"')
    with pytest.raises(SystemExit) as stopped:
        recipes.load("dcgan").parse(["--config", str(tmp_path / "a.toml")])
    assert stopped.value.code == 2
    assert "--batch_size" in capsys.readouterr().err


@pytest.mark.parametrize("name", recipes.NAMES)
def test_help_shows_what_is_usual_and_help_all_all(name, capsys):
    texts = []
    for flag in ("--help", "-h", "--help-all"):
        with pytest.raises(SystemExit) as stopped:
            recipes.load(name).parse(["demo", flag, "--seed", "3"], program="x")
        assert stopped.value.code == 0
        texts.append(capsys.readouterr().out)
    usual, same, everything = texts
    assert usual == same
    assert "--dataroot" in usual
    assert 15 <= len(set(re.findall(r"(?m)^[^\w-]*--(\w+)", usual))) <= 27
    assert all(
        f"--{field.name}" in everything or f"--no_{field.name}" in everything  # a switch that is on
        for field in dataclasses.fields(recipes.load(name).config)[1:]
        if field.name != "preset"
    )
    assert "--num_threads" not in usual


def test_a_flag_is_taken_from_between_others():
    assert commandline.take(["a", "--config", "f", "--lr", "3"], "--config") == ("f", ["a", "--lr", "3"])
    assert commandline.take(["--save-config=f", "--", "--config"], "--save_config") == ("f", ["--", "--config"])
    assert commandline.take(["a"], "--config") == (None, ["a"])
    with pytest.raises(ValueError, match="--config wants a value"):
        commandline.take(["--config", "--lr", "3"], "--config")


def test_values_are_laid_over_a_dataclass_and_said_as_flags_say_them():
    kind = recipes.load("pix2pix").config
    config = commandline.lay_over(kind(), {"no_flip": True, "crop_size": "64x32"}, program="x")
    assert (config.no_flip, config.crop_size) == (True, (64, 32))
    assert commandline.as_words((64, 32), kind, "crop_size") == "64x32"
    assert commandline.as_words(Path("a"), kind, "init_generator") == "a"


def test_a_file_names_no_other_and_holds_names_of_any_bytes(tmp_path, monkeypatch):
    recipe = recipes.load("pix2pix")
    for name in ("a\x7fb", os.fsdecode(b"\xff"), 'quo"te\\'):
        recipe.parse(["--dataroot", name, "--save_config", str(tmp_path / "f.toml")], program="x")
        assert recipe.parse(["--config", str(tmp_path / "f.toml")], program="x").dataroot == name
    (tmp_path / "f.toml").write_text('config = "g.toml"\n')
    with pytest.raises(ValueError, match=r"f.toml has a line config; give --config on the command line"):
        config_file.read(tmp_path / "f.toml")
