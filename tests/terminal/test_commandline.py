import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from tyro.conf import Positional, arg

from gan_jax import cli, recipes
from gan_jax.terminal import commandline, other_programs


@dataclasses.dataclass(frozen=True)
class Verb:
    """Does something."""

    model: Positional[Path]
    """The model."""
    paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT... OUTPUT")]
    """Images."""
    limit: int | None = None
    dropout: Literal["on", "off"] | None = None
    skip: bool = False
    keep: bool = True
    range: tuple[float, float] | None = None
    steps: tuple[int, ...] = ()
    place: commandline.Place | None = None
    json: Path | None = None
    suffix: str = ""
    num_threads: int = 4
    dtype: Literal["float32", "bfloat16"] = "float32"


def read(*arguments, **options):
    return commandline.read(Verb, arguments, program="verb", **options)


PLAIN = read("m", "in", "out", "--limit", "2", "--range", "-1", "1", "--skip")


@pytest.mark.parametrize(
    "arguments",
    [
        "m in --limit 2 out --range -1 1 --skip",
        "--limit=2 m --skip in --range -1 1 out",
        "--range -1 1 --limit 2 --skip m in out",
        "m --skip in out --range -1 1 --limit=2",
        "--skip --limit 2 --range -1 1 -- m in out",
    ],
)
def test_flags_stand_anywhere(arguments):
    assert read(*arguments.split()) == PLAIN


def test_flags_of_many_values_end_with_the_next_flag():
    assert read("m", "in", "--steps", "1", "2", "--skip", "out").steps == (1, 2)


def test_values_may_begin_with_a_dash():
    assert read("m", "in", "out", "--suffix", "-out").suffix == "-out"
    assert read("m", "--limit", "-3", "in", "out").limit == -3


def test_names_that_begin_with_a_dash_follow_two():
    assert read("m", "--skip", "--", "-x.png", "out").paths == (Path("-x.png"), Path("out"))


@pytest.mark.parametrize("home", ["~", "~/x", "~nobody_of_that_name/x"])
def test_the_home_folder_is_meant_in_every_path(home, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    result = read(home, home, f"--json={home}", f"--place={home}", "out")
    whole = os.path.expanduser(home)
    assert (str(result.model), str(result.paths[0]), str(result.json), result.place) == (whole,) * 4


def test_switches_that_are_on_may_be_given_again():
    assert read("m", "out", "--keep").keep
    assert not read("m", "out", "--no-keep").keep
    on = dataclasses.replace(PLAIN, skip=True)
    assert commandline.arranged(Verb, ["--skip", "--no_skip"], default=on) == ["--no_skip"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limt", "3"], "there is no --limt here; perhaps --limit is meant"),
        (["--Limit", "3"], "perhaps --limit is meant"),
        (["--zzz"], "there is no --zzz here; --help shows all flags"),
        (["-q"], "there is no -q here"),
        (["--limit"], "--limit wants a value"),
        (["--limit", "--skip"], "--limit wants a value"),
        (["--skip=yes"], "--skip takes no value; got --skip=yes"),
        (["--amp"], "there is no --amp here; give --dtype bfloat16"),
        (["--workers", "8"], "give --num_threads N"),
        (["--resume"], "the same command goes on"),
        (["-i", "in"], "inputs are given without a flag"),
        (["--batch", "8"], "there is no --batch here; --help shows all flags"),
    ],
)
def test_flags_that_there_are_not_are_said_with_what_is_meant(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        read("m", "in", *arguments)


def test_every_word_of_other_programs_leads_to_a_flag_of_ours_or_to_a_sentence():
    for theirs, ours, words in (*other_programs._WORDS, *other_programs._PLACES):
        for flag in theirs.split():
            assert flag.startswith("-")
            assert ours is None or any(
                part in words for part in (ours, "leave it out", "without a flag", "--config")
            ), words
            assert other_programs.hint(flag, [ours] if ours else []) is not None
    assert other_programs.hint("--surely_nobodys", ["--lr"]) is None


def test_what_is_said_of_a_flag_depends_on_those_that_there_are():
    assert commandline.unknown("--amp", ["--dtype"]) == "there is no --amp here; give --dtype bfloat16."
    assert commandline.unknown("--amp", ["--lr"]) == "there is no --amp here; --help shows all flags."


def test_a_recipe_is_not_told_what_a_verb_is_given_by_its_place():
    recipe = ["--dataroot", "--name", "--checkpoints_dir"]
    for theirs, _, words in other_programs._PLACES:
        for flag in theirs.split():
            assert other_programs.hint(flag, []) == words
            assert "without a flag" not in (other_programs.hint(flag, recipe) or ""), flag
    assert other_programs.hint("-i", recipe) == "give --dataroot FOLDER"
    assert (
        other_programs.hint("-o", recipe) == "give --checkpoints_dir FOLDER, below which the run has one called --name"
    )


def test_help_and_wrong_values_are_tyros(capsys):
    with pytest.raises(SystemExit) as stopped:
        read("--help")
    assert stopped.value.code == 0
    assert "usage: verb" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        read("m", "out", "--dropout", "maybe")
    assert stopped.value.code == 2


def test_a_word_is_chosen_from_those_that_are_known():
    assert commandline.choose("sample", "verb", ["sample", "translate"]) == "sample"
    with pytest.raises(ValueError, match="there is no verb translat; perhaps translate is meant; wanted one of sample"):
        commandline.choose("translat", "verb", ["sample", "translate"])


def test_usage_says_what_was_typed(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert commandline.program() == "python train.py"


def test_every_verb_of_other_programs_leads_to_one_of_ours():
    for theirs, ours in other_programs._VERBS.items():
        assert other_programs.verb(theirs) == ours
        name, *recipe = ours.split()
        assert name in cli._VERBS or (name == "train" and set(recipe) <= set(recipes.NAMES))
        assert theirs not in cli._VERBS
    assert other_programs.verb("surely_nobodys") is None
