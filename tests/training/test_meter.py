"""What a run says while it trains, and the rows that it logs."""

import io
import itertools
import sys
import types

import pytest

from gan_jax.log import Log, read_log
from gan_jax.training import meter as meter_module
from gan_jax.training.diagnostics import Monitor
from gan_jax.training.meter import Meter


def meter(tmp_path, **options):
    defaults = {"start": 0, "steps": 6, "steps_per_epoch": 4, "batch_size": 2, "print_freq": 2}
    defaults["monitor"] = Monitor(steps=defaults["steps"])
    defaults["on_waiting"] = lambda share: f"waiting for {share:.0%}"
    return Meter(Log(tmp_path / "log.jsonl", keep_through=0), **{**defaults, **options})


def test_rows_are_means_over_their_steps(tmp_path, capsys):
    with meter(tmp_path) as show:
        for step in range(1, 6):
            show.step(step, {"loss/l1": float(step)}, waited=0.0)
    rows = read_log(tmp_path / "log.jsonl")
    expected = [(2, 1.5, 0.5), (4, 3.5, 1.0), (5, 5.0, 1.25)]  # the last one for the steps before a stop
    assert [(row["step"], row["loss/l1"], row["epoch"]) for row in rows] == expected
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("compiling the training step, which takes 10 to 60 seconds")
    assert lines[1].startswith("step 1 is done after 0 s")
    for words in ("step 2/6", "to go 0:00:", "epoch 0.50", "images/s", "waiting for data 0%", "l1 1.500"):
        assert words in lines[2]


@pytest.fixture
def clock(monkeypatch):
    """Seconds that stand still until `clock[0]` is set."""
    now = [1000.0]
    monkeypatch.setattr(meter_module.time, "perf_counter", lambda: now[0])
    return now


def test_throughput_and_waiting_leave_pauses_out(tmp_path, clock, capsys):
    with meter(tmp_path) as show:
        show.step(1, {}, waited=99.0)  # with the compilation, so not timed
        show.pause(6.0)
        clock[0] += 10.0
        show.step(2, {}, waited=1.0)
        show.pause(2.0)
        clock[0] += 2.0
    (row,) = read_log(tmp_path / "log.jsonl")
    # A step of 2 images in 10 - 6 seconds, a quarter of them spent waiting.
    assert (row["images_per_s"], row["data_wait"], row["paused"]) == (0.5, 0.25, 0.6)
    assert capsys.readouterr().out.endswith("\nvalidation and saving took 67% of the time since step 1\n")


def test_on_a_terminal_there_is_a_bar_too(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(meter_module.sys, "stdout", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with meter(tmp_path) as show:
        show.step(1, {"loss/l1": 1.0}, waited=0.0)
        show.step(2, {"loss/l1": 1.0}, waited=0.0)
    said = screen.getvalue()
    for words in ("━", "0/6 compiling", "2/6", "epoch 0.50", "l1 1.000"):
        assert words in said
    assert "compiling" not in said[said.rindex("2/6") :]


class ClosedError(OSError):
    """What a print ends in where nobody reads."""


def test_a_step_is_logged_once_where_printing_or_the_disk_fails(tmp_path, monkeypatch):
    def fail(*_, **options):
        raise ClosedError

    cases = ((lambda show: (show, "say"), [(1, 1.0), (2, 2.0)]), (lambda show: (show._log, "write"), [(1, 1.0)]))
    for broken, logged in cases:
        monkeypatch.undo()
        (tmp_path / "log.jsonl").unlink(missing_ok=True)
        show = meter(tmp_path, print_freq=1)
        with show:
            show.step(1, {"loss/l1": 1.0}, waited=0.0)
            monkeypatch.setattr(*broken(show), fail)
            with pytest.raises(ClosedError):
                show.step(2, {"loss/l1": 2.0}, waited=0.0)
        rows = read_log(tmp_path / "log.jsonl")
        assert [(row["step"], row["loss/l1"]) for row in rows] == logged


def waited(tmp_path, clock, shares, **options):
    """The warnings of a run whose steps of a second each wait so long for their batch."""
    show = meter(tmp_path, steps=1000, print_freq=1, **options)
    show.step(1, {}, waited=50.0)
    for step, share in enumerate(shares, 2):
        clock[0] += 1.0
        show.step(step, {}, waited=share)
    rows = read_log(tmp_path / "log.jsonl")
    return [(row["step"], row["text"]) for row in rows if row["kind"] == "warning"]


def test_much_waiting_is_said_once_with_what_to_do(tmp_path, clock, capsys):
    assert waited(tmp_path, clock, itertools.repeat(0.4, 60)) == [(21, "waiting for 40%")]
    assert capsys.readouterr().out.count("step 21 warning: waiting for 40%") == 1


def test_little_waiting_and_a_slow_first_batch_are_not_said(tmp_path, clock):
    assert waited(tmp_path, clock, itertools.repeat(0.25, 60)) == []
    (tmp_path / "log.jsonl").unlink()
    assert waited(tmp_path, clock, [1.0, 1.0, *[0.1] * 40]) == []
    (tmp_path / "log.jsonl").unlink()
    # Too few steps tell nothing; and what begins later is said later.
    assert waited(tmp_path, clock, [1.0] * 19) == []
    (tmp_path / "log.jsonl").unlink()
    assert waited(tmp_path, clock, [0.0] * 40 + [0.9] * 20) == [(61, "waiting for 90%")]


def test_what_comes_true_with_a_row_is_said_behind_it_and_logged(tmp_path, capsys):
    show = meter(tmp_path)
    for step in (2, 4, 6):
        show.log("validation", step, {"health/agreement": -0.9 if step > 2 else 0.9}, " validation: looked at")
    said, warned = capsys.readouterr().out.splitlines(), "light and dark are the reverse of what they should be"
    assert said[0] == "step 2 validation: looked at"
    assert said[1] == "step 4 validation: looked at"
    assert said[2].startswith(f"step 4 warning: {warned}")
    assert said[3:] == ["step 6 validation: looked at"]
    rows = [row for row in read_log(tmp_path / "log.jsonl") if row["kind"] == "warning"]
    assert [(row["step"], row["rule"]) for row in rows] == [(4, "colors are inverted")]
    assert rows[0]["text"].startswith(warned)


def test_in_a_notebook_one_line_is_written_over_and_nothing_else_has_codes(tmp_path, monkeypatch, clock, capsys):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as ipykernel does
    begun, updates = [], []

    class Place:
        def update(self, line, *, raw):
            updates.append(line["text/plain"])

    def display(line, *, raw, display_id):
        begun.append(line["text/plain"])
        return Place()

    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["IPython.display"].display = display
    with meter(tmp_path) as show:
        for step in range(1, 7):
            show.step(step, {"loss/l1": 1.0}, waited=0.0)
            clock[0] += 0.3
    assert len(begun) == 1
    assert begun[0].startswith("1/6 ━")
    assert [line.split()[0] for line in updates] == ["3/6", "5/6", "6/6"]  # twice a second, and at the end
    assert all("\n" not in line and "\x1b" not in line for line in begun + updates)
    said = capsys.readouterr().out
    assert "step 2/6 | epoch 0.50" in said
    assert "\x1b" not in said
