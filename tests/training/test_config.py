import dataclasses
import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from gan_jax.training.config import RunConfig, Settings, require_at_least, require_finite


@dataclasses.dataclass(frozen=True)
class Short(RunConfig):
    """The least that a run of one's own says."""

    def steps(self, steps_per_epoch):
        return 2 * steps_per_epoch

    def keep_every(self, steps_per_epoch):
        return None


def test_a_run_is_plain_data():
    config = Short(name="mine", checkpoints_dir=Path("runs"), batch_size=4)
    config.check()
    assert (config.folder, config.images_per_step, config.steps(5)) == (Path("runs/mine"), 4, 10)
    assert not config.obeys_validation
    assert {"print_freq", "from_step"} <= config.free_to_change({}) <= {f.name for f in dataclasses.fields(config)}


def test_checkpoints_come_after_steps_or_minutes():
    assert Short().save_every == 5000
    assert Short(save_latest_freq="1.5m").save_every == datetime.timedelta(seconds=90)
    assert Short(save_latest_freq="10m").save_every == datetime.timedelta(minutes=10)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "a/b"}, "--name is 'a/b'; wanted the name of one folder"),
        ({"seed": 2**32}, "--seed is 4294967296; wanted less than"),
        ({"from_step": 0}, "--from_step is 0; wanted at least 1"),
        ({"profile": 0}, "--profile is 0; wanted at least 1"),
        ({"num_threads": 0}, "--num_threads is 0; wanted at least 1"),
        ({"accumulate": 0}, "--accumulate is 0; wanted at least 1"),
        ({"crops_per_image": 0}, "--crops_per_image is 0; wanted at least 1"),
        ({"accumulate": 2, "parallel": "pmap"}, "--accumulate wants --parallel jit"),
        ({"keep": 1}, "--keep is 1; wanted at least 2"),
        ({"save_latest_freq": 0}, "--save_latest_freq is 0; wanted at least 1"),
        ({"save_latest_freq": "0m"}, "--save_latest_freq is 0m; wanted a number of steps, or minutes as in 10m"),
        ({"save_latest_freq": "10 min"}, "--save_latest_freq is 10 min; wanted a number of steps"),
    ],
)
def test_what_no_run_can_have_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(Short(), **values).check()
    require_at_least(Short(), "batch_size", 1)


def test_a_run_needs_neither_recipes_nor_tyro():
    program = "import sys, gan_jax.training.config; assert not {'tyro', 'optax', 'gan_jax.recipes'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@dataclasses.dataclass(frozen=True)
class Weights(Settings):
    weight: float = 1.0


@pytest.mark.parametrize(
    ("value", "zero", "words"),
    [
        (0.0, False, "--weight is 0.0; wanted a finite number above 0"),
        (-1.0, True, "--weight is -1.0; wanted a finite number of at least 0"),
        (float("inf"), True, "--weight is inf; wanted"),
        (float("nan"), False, "--weight is nan; wanted"),
    ],
)
def test_numbers_that_must_be_finite(value, zero, words):
    with pytest.raises(ValueError, match=words):
        require_finite(Weights(value), "weight", zero=zero)
    require_finite(Weights(0.0), "weight", zero=True)
    require_finite(Weights(2.0), "weight")
