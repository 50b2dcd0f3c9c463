"""The judgment of benchmarks.faults, on what is known; the faults themselves are slow (training/test_kill.py)."""

import random
import shutil
import signal
import subprocess
import sys

import jax
import pytest

from benchmarks import faults
from gan_jax.training import checkpoint, parallel


@pytest.fixture
def saved(tmp_path, tiny_method, tiny_batch):
    """A folder with checkpoints of steps 1 and 2 of two states, what to read them into, and both as they are read."""
    mesh, method = parallel.data_mesh(jax.devices()[:1]), tiny_method()
    abstract = parallel.abstract_state(method, tiny_batch(), mesh)
    with checkpoint.Checkpoints(tmp_path / "pristine") as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, parallel.compile_init(method, mesh)(jax.random.key(step), tiny_batch()), {})

    def restored(name):
        with checkpoint.Checkpoints(tmp_path / name) as checkpoints:
            return checkpoints.restore(abstract, print)

    newest = restored("pristine")
    shutil.copytree(tmp_path / "pristine" / "1", tmp_path / "before" / "1")
    return tmp_path / "pristine", abstract, newest, restored("before")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["flip", "cut"])
def test_one_file_is_harmed(saved, how):
    for seed in range(20):
        before = contents(saved[0])
        faults.harmed(saved[0], how, random.Random(seed))
        after = contents(saved[0])
        ((old, new),) = [(before[path], after[path]) for path in before if before[path] != after[path]]
        if how == "flip":
            assert len(old) == len(new)
            assert sum((a ^ b).bit_count() for a, b in zip(old, new, strict=True)) == 1
        else:
            assert old.startswith(new)


def test_what_comes_of_damage_is_told_apart(saved, tmp_path):
    folder, abstract, newest, before = saved

    def outcome(name, harm, *expected):
        shutil.copytree(folder, tmp_path / name)
        harm(tmp_path / name)
        return faults.outcome(tmp_path / name, abstract, *(expected or (newest, before)))

    assert outcome("same", lambda copy: None) == "harmless"
    assert outcome("unsealed", lambda copy: (copy / "2" / "digests.json").unlink()) == "fell back"
    assert outcome("both", lambda copy: [(copy / step / "digests.json").unlink() for step in "12"]) == "lost"
    # As if the newest were not what it was, and as if nothing had been said.
    assert outcome("another", lambda copy: None, before._replace(step=2), before) == "wrong"
    assert outcome("gone", lambda copy: shutil.rmtree(copy / "2")) == "wrong"


def test_the_table_counts_everything():
    rows = [faults.Row("kill -9", 3, 2, 1, 0, "so"), faults.Row("flips", 4, 3, 0, 1)]
    text = faults.table(rows, "a machine.")
    assert text.splitlines()[0] == "a machine."
    assert "| kill -9 | 3 | 2 | 1 | 0 | so |" in text
    assert text.splitlines()[-1] == "| all | 7 | 5 | 1 | 1 |  |"


def test_a_run_that_forgot_is_seen(tmp_path):
    run = faults.Run("pix2pix", tmp_path, tmp_path / "cache")
    assert (run.folders(), run.lines(), run.in_a_save(), run.saved(), run.weights()) == ([], 0, False, {}, {})
    stage = "training a for 9 steps; its folder is {}\n  train: 5 images\n"
    (tmp_path / "said.txt").write_text(f"{stage.format('one')}{stage.format('two')}going on after step 4\nstep 5\n")
    assert run.forgot({"two": 5})
    assert not run.forgot({"one": 5, "two": 4})  # "one" had not yet said anything when it ended


def test_a_signal_is_sent_when_it_is_time(tmp_path):
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(waiting)
    assert faults.kill_when(process, lambda: True, number=signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM
    assert not faults.kill_when(process, lambda: pytest.fail("it has ended"))


def test_a_case_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        faults.main(["--only", "earthquakes"])
    assert "invalid choice: 'earthquakes'" in capsys.readouterr().err
