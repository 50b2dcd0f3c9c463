"""Several processes as one run: real ones on this machine, which share nothing but a port and a folder."""

import json
import pickle
import shutil
import signal
import socket
import time

import numpy as np
import pytest
import safetensors.numpy

from gan_jax.log import read_log
from gan_jax.training import checkpoint, joining, processes, run_folder
from tests import toy
from tests.training.hosts import Hosts, together

TOY = "--lr 0.05"
LONG = "--n_epochs 100000 --n_epochs_decay 100000 --val_freq 100000000"
ENDLESS = f"{LONG} --save_latest_freq 20"


@pytest.fixture
def line(tiny_flags, tmp_path):
    """(flags) -> the command line of a toy's run in `runs`."""
    return lambda *flags: ["toy", *tiny_flags(tmp_path / "runs"), *" ".join([TOY, *flags]).split()]


@pytest.fixture
def hosts(tmp_path):
    """(command lines) -> the running processes, which are gone after the test."""
    started = []

    def start(lines, **options):
        started.append(Hosts(tmp_path / f"hosts{len(started)}", lines, **options))
        return started[-1]

    yield start
    for group in started:
        group.kill()


def steps_done(folder):
    return max((row["step"] for row in read_log(folder / "log.jsonl")), default=0) if folder.exists() else 0


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_processes_leave_what_one_leaves(hosts, line, tiny_flags, tmp_path):
    """Four devices each, beside eight of one process: what is trained, scored, said and written, all of it once."""
    group = hosts(together(2, *line()), devices=4)
    assert toy.start([*tiny_flags(tmp_path / "alone"), *TOY.split()]) == 0
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    ours, alone = tmp_path / "runs" / "tiny", tmp_path / "alone" / "tiny"
    names, expected = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "checkpoints" not in path.parts}
        for folder in (ours, alone)
    )
    assert names == expected
    # Two programs: their sums differ in floats' last bits.
    ours_log, log = (read_log(folder / "log.jsonl") for folder in (ours, alone))
    assert [(row["kind"], row["step"]) for row in ours_log] == [(row["kind"], row["step"]) for row in log]
    for row, other in zip(ours_log, log, strict=True):
        for name in ("loss/l2", "psnr", "ssim", "sharpness"):
            assert row.get(name, 0.0) == pytest.approx(other.get(name, 0.0), rel=1e-3)
    weights, others = (safetensors.numpy.load_file(folder / "tiny.safetensors") for folder in (ours, alone))
    for name, array in weights.items():
        np.testing.assert_allclose(array, others[name], rtol=1e-4, atol=1e-6)
    tables = [json.loads((folder / "results" / "scores.json").read_text()) for folder in (ours, alone)]
    assert [table["rows"][0]["psnr"] for table in tables] == pytest.approx([tables[0]["rows"][0]["psnr"]] * 2, rel=1e-3)
    assert checkpoint.damage(ours / "checkpoints" / "4") is None
    assert group.out(0).startswith("training tiny for 4 steps")  # no line of Gloo's
    assert group.out(1) == ""
    assert group.err(1) == group.err(0) == ""


def test_one_process_asks_nobody(tmp_path):
    """Every function is its plain counterpart."""
    with joining.joined(None):
        assert (processes.count(), processes.index(), processes.first()) == (1, 0, True)
        assert processes.gather(3) == [3]
        assert processes.once(lambda: 4) == 4
        assert processes.spread(lambda a, b: a - b, [5, 6], [1, 2]) == [4, 4]
        processes.require_same({"--seed": 1})
        processes.require_shared(tmp_path / "nowhere")
    assert joining.leave(2) == 2


class Store(dict):
    """A coordinator's key-value store, in one process: what the other is to have set is there before."""

    def key_value_set_bytes(self, key, value):
        self[key] = value

    def key_value_delete(self, key):
        del self[key]

    def blocking_key_value_get_bytes(self, key, milliseconds):
        return self[key]


def test_the_second_of_a_group_takes_the_words_of_the_first():
    others = {f"gan_jax/{number}/0": pickle.dumps(value) for number, value in enumerate((7, ("said", None), [10, 30]))}
    processes.use(processes.Group(2, 1, Store(others)))
    try:
        assert (processes.count(), processes.index(), processes.first()) == (2, 1, False)
        assert processes.gather(8) == [7, 8]
        assert processes.once(lambda: pytest.fail("the first calls it")) == "said"
        assert processes.spread(lambda value: 10 * value, [1, 2, 3, 4]) == [10, 20, 30, 40]
    finally:
        processes.use(None)
    assert processes.count() == 1


def test_a_process_with_another_recipe_is_refused_by_all(hosts, line, tmp_path):
    lines = [one[:] for one in together(2, *line())]
    lines[1] += ["--seed", "7"]
    group = hosts(lines)
    assert group.wait() == [2, 2]
    said = "process 1 was started otherwise than process 0: --seed is 0 in process 0, 7 there."
    assert said in group.err(0)
    assert said in group.err(1)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_the_same_step_and_one_process_goes_on(hosts, line, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    group = hosts(together(2, *line(ENDLESS)))
    wait_until(lambda: steps_done(folder) > 50)
    group.processes[1].send_signal(signal.SIGTERM)
    assert group.wait(60) == [143, 143], group.err(0) + group.err(1)
    assert "stopped by SIGTERM; the same command goes on where it stopped." in group.out(0)
    stopped = checkpoint.latest_step(folder / "checkpoints")
    assert stopped == steps_done(folder)
    alone = hosts([line(ENDLESS)])
    wait_until(lambda: steps_done(folder) > stopped + 50)
    alone.processes[0].send_signal(signal.SIGTERM)
    assert alone.wait(60) == [143]
    assert f"going on after step {stopped}" in alone.out(0)
    again = hosts(together(3, *line(ENDLESS, "--batch_size 12")))  # another batch is another recipe
    assert again.wait() == [2, 2, 2]
    assert "was begun differently: --batch_size was 8 and is 12" in again.err(2)


@pytest.mark.slow
def test_two_processes_that_were_stopped_go_on_to_the_bytes_of_those_that_were_not(hosts, line, tmp_path):
    flags = line("--n_epochs 400 --n_epochs_decay 400 --val_freq 100 --save_latest_freq 50")
    unbroken = [*flags, "--name", "unbroken"]
    assert hosts(together(2, *unbroken)).wait() == [0, 0]
    folder = tmp_path / "runs" / "tiny"
    group = hosts(together(2, *flags))
    wait_until(lambda: steps_done(folder) > 300)
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.wait() == [143, 143]
    assert 300 < checkpoint.latest_step(folder / "checkpoints") < 1600
    assert hosts(together(2, *flags)).wait() == [0, 0]
    for ours, theirs in (("tiny", "unbroken"), ("tiny_best", "unbroken_best")):
        expected = (tmp_path / "runs" / "unbroken" / f"{theirs}.safetensors").read_bytes()
        assert (folder / f"{ours}.safetensors").read_bytes() == expected


@pytest.mark.slow
def test_a_run_goes_on_on_other_devices_and_processes(hosts, line, tmp_path):
    """8 devices, 1, 4, two processes of 2, 1 again: every step has the images and the loss of an undisturbed run."""
    flags = line("--n_epochs 400 --n_epochs_decay 400 --val_freq 100 --save_latest_freq 50 --print_freq 1")
    assert hosts([[*flags, "--name", "unbroken"]]).wait() == [0]
    folder, reached = tmp_path / "runs" / "tiny", 0
    for lines, devices in (([flags], 8), ([flags], 1), ([flags], 4), (together(2, *flags), 2)):
        group = hosts(lines, devices=devices)
        wait_until(lambda reached=reached: steps_done(folder) > reached + 100)
        group.processes[-1].send_signal(signal.SIGTERM)
        assert set(group.wait()) == {143}, group.err(0)
        assert not reached or f"going on after step {reached}" in group.out(0)
        reached = checkpoint.latest_step(folder / "checkpoints")
        assert reached == steps_done(folder)
    assert hosts([flags]).wait() == [0]
    ours, expected = (
        {row["step"]: row["loss/l2"] for row in read_log(tmp_path / "runs" / name / "log.jsonl") if "loss/l2" in row}
        for name in ("tiny", "unbroken")
    )
    assert ours == pytest.approx(expected, rel=1e-3)
    assert len(ours) == 1600


@pytest.mark.slow
def test_processes_save_the_same_step_when_so_much_time_has_passed(hosts, line, tmp_path):
    """Each has its own clock; who does not save with the others would leave them waiting."""
    folder, seen = tmp_path / "runs" / "tiny" / "checkpoints", set()
    group = hosts(together(2, *line(LONG, "--save_every 0.01m")))

    def saved():
        seen.add(checkpoint.latest_step(folder))
        return len(seen) > 5

    wait_until(saved)
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.wait(60) == [143, 143], group.err(0) + group.err(1)
    assert checkpoint.damage(folder / str(checkpoint.latest_step(folder))) is None
    assert len(np.unique(np.diff(sorted(seen - {None})))) > 1  # by the clock, not by steps


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_lost_process_ends_the_other_which_goes_on_alone(hosts, line, tmp_path, victim, number):
    folder = tmp_path / "runs" / "tiny"
    group = hosts(together(2, *line(ENDLESS)), environment={"GAN_JAX_SILENT": "10"})
    wait_until(lambda: checkpoint.latest_step(folder / "checkpoints") is not None)
    group.processes[victim].send_signal(number)
    before = time.monotonic()
    assert group.processes[1 - victim].wait(60) == joining.LOST
    print(f"after {time.monotonic() - before:.1f} s", group.err(1 - victim))
    (said,) = group.err(1 - victim).splitlines()  # none of JAX's own
    assert said.startswith("error: ")
    assert said.endswith("; the same command goes on from the last checkpoint.")
    group.kill()
    saved = checkpoint.latest_step(folder / "checkpoints")
    alone = hosts([line(ENDLESS)])
    wait_until(lambda: steps_done(folder) > saved + 50)
    assert f"going on after step {saved}" in alone.out(0)


@pytest.mark.slow
def test_an_error_of_one_process_is_said_by_all(hosts, line, tmp_path, facades_folder):
    """A damaged image, which only the process whose share it is reads."""
    data = tmp_path / "data"
    shutil.copytree(facades_folder, data)
    flags = line("--serial_batches", "--dataroot", str(data))
    image = sorted((data / "train").iterdir())[-1]
    image.write_bytes(image.read_bytes()[:-200])
    group = hosts(together(2, *flags))
    assert sorted(group.wait()) == [2, joining.LOST]
    assert "is damaged or not an image" in group.err(1)
    assert group.err(0).splitlines()[-1].startswith("error: process 1 on ")
    assert "is damaged or not an image" in group.err(0).splitlines()[-1]


@pytest.mark.slow
def test_folders_that_are_others_on_other_hosts_are_one_sentence(hosts, line, tmp_path):
    """One path, which leads each process somewhere else, as disks of hosts do."""
    group = hosts(together(2, *line("--checkpoints_dir /proc/self/cwd/here")), folders=[tmp_path / "a", tmp_path / "b"])
    assert group.wait() == [2, 2]
    for index in (0, 1):
        assert f"process 1 on {socket.gethostname()} does not see what process 0 writes to" in group.err(index)
        assert "give a --checkpoints_dir that all hosts share" in group.err(index)


@pytest.mark.slow
def test_who_comes_first_waits_and_ends_when_time_is_out(hosts, line):
    lines = together(2, *line("--coordinator_timeout 60"))
    early = hosts(lines[1:])
    wait_until(lambda: early.err(0).startswith("waiting for process 0 at 127.0.0.1:"))
    late = hosts(lines[:1])
    assert early.wait() + late.wait() == [0, 0]
    alone = hosts(together(2, *line("--coordinator_timeout 12"))[1:])
    assert alone.wait(60) == [2]
    said = alone.err(0).splitlines()
    assert len(said) == 2
    assert said[0].startswith("waiting for process 0 at 127.0.0.1:")
    assert said[0].endswith(" s of 12 (connection refused)")
    assert said[1].startswith("error: process 0 does not answer at 127.0.0.1:")


@pytest.mark.slow
def test_a_process_that_compiles_for_long_is_waited_for(hosts, line):
    """Longer than the half minute that Gloo waits in the first collective."""
    group = hosts(together(2, *line()), environment={"GAN_JAX_LATE": "40"})
    assert group.wait() == [0, 0], group.err(0) + group.err(1)


@pytest.mark.slow
def test_others_who_do_not_come_are_said_and_end_it(hosts, line):
    group = hosts(together(2, *line("--coordinator_timeout 12"))[:1])
    assert group.wait(60) == [2]
    said = group.err(0).splitlines()
    assert said[0].startswith("waiting for 2 processes to join at 127.0.0.1:")
    assert said[-1].startswith("error: 2 processes have not joined at 127.0.0.1:")


def test_what_processes_must_have_in_common(monkeypatch, finished_run):
    """Flags but a process's own, versions, and the images."""
    description = json.loads((finished_run / "config.json").read_text())
    common = run_folder.common(description)
    assert common["--batch_size"] == 8
    assert not {"--process_id", "--coordinator", "--num_threads"} & common.keys()
    assert common["the version of jax"] == description["versions"]["jax"]
    assert common["the images of train"] == description["data"]["fingerprints"]["train"]
    monkeypatch.setattr(processes, "gather", lambda mine: [mine, {**mine, "--seed": 7, "the program": "other"}])
    with pytest.raises(ValueError, match=r"process 1 was .*: --seed is 0 in process 0, 7 there; the program is \w+ in"):
        processes.require_same(common)
