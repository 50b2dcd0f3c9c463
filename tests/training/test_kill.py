"""kill -9 at any moment, inside a save too: the same command goes on to the unbroken run's very bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gan_jax.log import read_log
from gan_jax.training import checkpoint

ROOT = Path(__file__).parents[2]
STEPS = 16 * 40


# Small runs of the other recipes, and how many files of weights they leave.
SAMPLERS = "--dataroot embedded --conditional --size 8 --nz 4 --ngf 2 --ndf 2 --batch_size 8 --classifier_steps 2 "
RECIPES = {
    "srgan": (
        "srgan --dataroot photos --stage both --scale 2 --gt_size 32 --batch_size 2 --num_block 1 --num_feat 8 "
        "--num_feat_d 4 --content none --total_iter 150 --gan_iter 150",
        5,
    ),
    "cyclegan": (
        "cyclegan --dataroot embedded --netG unet_32 --norm none --ngf 1 --ndf 1 --n_layers_D 1 --load_size 36 "
        "--crop_size 32 --lambda_identity 0 --max_dataset_size 50 --n_epochs 3 --n_epochs_decay 0 --save_epoch_freq 1",
        6 + 3 * 6,  # kept of each epoch too
    ),
    "dcgan": (f"dcgan {SAMPLERS} --max_dataset_size 400 --n_epochs 3", 4),
    "wgan": (f"wgan {SAMPLERS} --max_dataset_size 400 --n_epochs 6 --n_critic 2 --clip 0.01", 4),
    "wgan_gp": (f"wgan {SAMPLERS} --max_dataset_size 400 --n_epochs 6 --n_critic 2", 4),
}
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


def in_a_save(folder):
    """Whether a step's folder is being written, or is committed and not yet sealed."""
    steps = [path for path in (folder / "checkpoints").glob("[0-9]*") if path.is_dir()]
    return any("tmp" in path.name or not (path / "digests.json").exists() for path in steps)


def kill_when(process, condition, delay=0.0):
    """SIGKILL `delay` seconds after the condition holds; False if the run ended before."""
    while process.poll() is None:
        if condition():
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.001)
    return False


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
            done = kill_when(process, lambda: last_step(folder) >= 5)
            assert checkpoint.latest_step(folder / "checkpoints") is None
        elif moment == "in a save":
            done = kill_when(process, lambda goal=goal: last_step(folder) >= goal and in_a_save(folder))
            inside += in_a_save(folder)
        else:
            done = kill_when(process, lambda goal=goal: last_step(folder) >= goal, delay=rng.random() * 0.5)
        assert done, f"the run ended before kill {kill}"
        killed.append((moment, last_step(folder)))
    assert inside >= 3, killed

    assert start(facades_folder, tmp_path / "killed").wait() == 0
    print(killed, f"{inside} inside a save")
    for name in ("run.safetensors", "run_best.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "unbroken" / "run" / name).read_bytes(), killed
    assert last_step(folder) == STEPS


def start_recipe(arguments, checkpoints_dir):
    module, *flags = arguments.split()
    shared = ["--name", "run", "--checkpoints_dir", str(checkpoints_dir), "--print_freq", "1", "--val_freq", "50"]
    command = [sys.executable, "-m", f"experiments.{module}", *flags, *shared, "--save_latest_freq", "20"]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def lines_logged(root):
    # Not rglob: checkpoints come and go meanwhile.
    logs = (log for pattern in ("run/log.jsonl", "run/*/log.jsonl") for log in root.glob(pattern))
    return sum(len(log.read_bytes().splitlines()) for log in logs)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_goes_on_to_the_same_bytes(recipe, tmp_path):
    arguments, count = RECIPES[recipe]
    assert start_recipe(arguments, tmp_path / "unbroken").wait() == 0
    lines = lines_logged(tmp_path / "unbroken")
    rng, killed = random.Random(0), []
    for kill in range(KILLS):
        process = start_recipe(arguments, tmp_path / "killed")
        goal = round(lines * (kill + rng.random()) / KILLS)
        assert kill_when(process, lambda goal=goal: lines_logged(tmp_path / "killed") >= goal), f"no kill {kill}"
        killed.append(lines_logged(tmp_path / "killed"))
    assert start_recipe(arguments, tmp_path / "killed").wait() == 0
    exported = sorted((tmp_path / "unbroken").rglob("*.safetensors"))
    assert len(exported) == count
    for expected in exported:
        ours = tmp_path / "killed" / expected.relative_to(tmp_path / "unbroken")
        assert ours.read_bytes() == expected.read_bytes(), (expected.name, killed)
