import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from gan_jax import flags

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schedule" / "schedule.json").read_text())


def test_the_linear_schedule_is_the_incumbents():
    """The learning rate of every epoch of 200, as pytorch-CycleGAN-and-pix2pix's train.py of 2025 sets it."""
    options = GOLDEN["options"]
    config = flags.Config(
        lr=options["lr"], n_epochs=options["n_epochs"], n_epochs_decay=options["n_epochs_decay"], batch_size=1
    )
    schedule = flags.linear_schedule(config, steps_per_epoch=7)
    wanted = GOLDEN["linear_lr_by_epoch"]["end_of_epoch_2025"]
    epochs = [int(epoch) for epoch in wanted if int(epoch) <= 200]
    assert len(epochs) == 200
    first = [float(schedule(np.int32((epoch - 1) * 7))) for epoch in epochs]
    last = [float(schedule(np.int32(epoch * 7 - 1))) for epoch in epochs]
    np.testing.assert_allclose(first, [wanted[str(epoch)] for epoch in epochs], rtol=1e-5)
    assert first == last


@dataclasses.dataclass(frozen=True)
class Config(flags.Config):
    preset: flags.Preset = None
    lambda_L1: float = 100.0  # noqa: N815 - a flag of the incumbent
    no_flip: bool = False


def default(preset):
    return Config(preset="quick", name="quick", n_epochs=1) if preset == "quick" else Config(preset=preset)


def read(*arguments):
    return flags.parse(default, list(arguments), "description")


@pytest.mark.parametrize(
    "arguments", [("quick", "--seed", "3"), ("--seed", "3", "quick"), ("--seed=3", "--no_flip", "quick")]
)
def test_flags_are_laid_over_the_preset_in_any_order(arguments):
    config = read(*arguments)
    assert (config.preset, config.name, config.n_epochs, config.seed) == ("quick", "quick", 1, 3)


def test_hyphen_and_underscore_are_one():
    assert read("--batch-size", "4").batch_size == read("--batch_size", "4").batch_size == 4
    assert read("--no-flip").no_flip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lambda_l1", "3"], "--lambda_L1"),
        (["--btach_size", "3"], "--batch_size"),
        (["--batch_size", "two"], "invalid literal for int"),
    ],
)
def test_wrong_flags_exit_with_2_and_say_the_nearest(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        read(*arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"batch_size": 0}, "--batch_size is 0; wanted at least 1"),
        ({"print_freq": 0}, "--print_freq is 0; wanted at least 1"),
        ({"seed": -1}, "--seed is -1; wanted at least 0"),
        ({"seed": 2**32}, "wanted less than"),
        ({"n_epochs": 0, "n_epochs_decay": 0}, "at least one epoch"),
        ({"lr": float("nan")}, "--lr is nan"),
        ({"lr": -1.0}, "--lr is -1.0; wanted a finite number above 0"),
        ({"beta1": 1.0}, "--beta1 is 1.0"),
        ({"name": "a/b"}, "--name is 'a/b'"),
        ({"name": ""}, "--name is ''"),
        ({"name": ".."}, "--name is '..'"),
        ({"name": "x_best"}, "not ending in _best"),
    ],
)
def test_values_that_no_run_can_have_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        flags.check(dataclasses.replace(flags.Config(), **values))
    flags.check(flags.Config())
    flags.require_at_least(flags.Config(), "batch_size", 1)
