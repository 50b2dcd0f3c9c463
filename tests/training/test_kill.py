"""kill -9 at any moment, inside a save too: the same command goes on to the unbroken run's very bytes."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import faults
from gan_jax.log import read_log
from gan_jax.training import checkpoint

ROOT = Path(__file__).parents[2]
STEPS = 16 * 40
KILLS = 3


def command(dataroot, checkpoints_dir):
    flags = (
        "--name run --n_epochs 20 --n_epochs_decay 20 --load_size 36 --crop_size 32 --ngf 8 --ndf 8 --n_layers_D 2 "
        "--print_freq 1 --val_freq 40 --save_latest_freq 20"
    )
    where = ["--dataroot", str(dataroot), "--checkpoints_dir", str(checkpoints_dir)]
    return [sys.executable, "-m", "experiments.pix2pix", *where, *flags.split()]


def start(dataroot, checkpoints_dir):
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
    return subprocess.Popen(command(dataroot, checkpoints_dir), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def last_step(folder):
    rows = read_log(folder / "log.jsonl")
    return max((row["step"] for row in rows), default=0)


@pytest.mark.slow
def test_ten_kills_leave_no_trace(facades_folder, tmp_path):
    assert start(facades_folder, tmp_path / "unbroken").wait() == 0

    folder = tmp_path / "killed" / "run"
    rng = random.Random(0)
    moments = ["before the first checkpoint", *rng.sample(["in a save"] * 4 + ["any"] * 5, 9)]
    killed, inside = [], 0
    for kill, moment in enumerate(moments):
        process = start(facades_folder, tmp_path / "killed")
        begin = last_step(folder)
        goal = begin + rng.randint(5, 60)
        if moment == "before the first checkpoint":
            done = faults.kill_when(process, lambda: last_step(folder) >= 5)
            assert checkpoint.latest_step(folder / "checkpoints") is None
        elif moment == "in a save":
            done = faults.kill_when(process, lambda goal=goal: last_step(folder) >= goal and faults.in_a_save(folder))
            inside += faults.in_a_save(folder)
        else:
            done = faults.kill_when(process, lambda goal=goal: last_step(folder) >= goal, delay=rng.random() * 0.5)
        assert done, f"the run ended before kill {kill}"
        killed.append((moment, last_step(folder)))
    assert inside >= 3, killed

    assert start(facades_folder, tmp_path / "killed").wait() == 0
    print(killed, f"{inside} inside a save")
    for name in ("run.safetensors", "run_best.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "unbroken" / "run" / name).read_bytes(), killed
    assert last_step(folder) == STEPS


@pytest.mark.slow
@pytest.mark.parametrize("recipe", faults.RECIPES)
def test_every_recipe_goes_on_to_the_same_bytes(recipe, tmp_path):
    """A few of the kills of benchmarks.faults, spread over the run."""
    cache = tmp_path / "programs"
    unbroken, broken = (faults.Run(recipe, tmp_path / name, cache) for name in ("unbroken", "killed"))
    assert unbroken.start().wait() == 0
    rng, killed = random.Random(0), []
    for kill in range(KILLS):
        before, process = broken.saved(), broken.start()
        goal = round(unbroken.lines() * (kill + rng.random()) / KILLS)
        assert faults.kill_when(process, lambda goal=goal: broken.lines() >= goal), f"no kill {kill}"
        assert not broken.forgot(before)
        killed.append(broken.lines())
    assert broken.start().wait() == 0
    assert unbroken.weights()
    assert broken.weights() == unbroken.weights(), killed


@pytest.mark.slow
def test_other_faults_lose_nothing(tmp_path):
    """One of each; `python -m benchmarks.faults` does many."""
    few = {"flips": 20, "truncations": 10, "terminations": 1, "second_starts": 1, "file_sizes": 2, "full_disks": 2}
    counts = [word for name, count in few.items() for word in (f"--{name}", str(count))]
    assert faults.main(["--only", *few, *counts, "--keep", str(tmp_path)]) == 0
