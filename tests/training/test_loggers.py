"""TensorBoard and Weights & Biases are told what log.jsonl says, by the same names, also where a run goes on."""

import contextlib
import importlib.metadata
import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.folders import RunFolder
from gan_jax.log import Log, read_log
from gan_jax.training import loggers
from tests.toy import start


class Recorder:
    """What it was told."""

    def __init__(self):
        self.rows, self.pictures = [], []

    def scalars(self, kind, step, values):
        self.rows.append((kind, step, dict(values)))

    def picture(self, name, step, image_u8):
        assert image_u8.dtype == np.uint8
        self.pictures.append((name, step, image_u8.shape))


def numbers(row):
    return {key: float(value) for key, value in row.items() if key not in ("kind", "step", "text")}


def test_a_run_tells_what_its_log_says(tiny_flags, tmp_path, monkeypatch):
    told, asked = Recorder(), []

    @contextlib.contextmanager
    def opened(kind, run, *, begin):
        asked.append((kind, run.path.name, begin))
        yield told

    monkeypatch.setattr(loggers, "opened", opened)
    monkeypatch.setattr(loggers, "require", lambda kind: None)
    assert start(tiny_flags(tmp_path, "--logger", "tensorboard")) == 0
    rows = [row for row in read_log(tmp_path / "tiny" / "log.jsonl") if row["kind"] != "warning"]
    assert told.rows == [(row["kind"], row["step"], numbers(row)) for row in rows]
    assert {name for name, _, _ in told.pictures} == {"samples/input", "samples/target", "samples/output"}
    assert [step for name, step, _ in told.pictures if name == "samples/output"] == [2, 4]
    assert asked == [("tensorboard", "tiny", 0)]
    # Which changes nothing that is computed, so it may come and go.
    assert start(tiny_flags(tmp_path)) == 0


def test_processes_without_a_log_tell_nobody():
    told = Recorder()
    log = Log(None, keep_through=0, also=told)
    log.write("train", 1, {"loss/l1": 1.0})
    log.picture("samples/output", 1, np.zeros((2, 2, 3), np.uint8))
    assert told.rows == told.pictures == []


def test_words_are_no_numbers(tmp_path):
    told = Recorder()
    log = Log(tmp_path / "log.jsonl", keep_through=0, also=told)
    log.write("warning", 1, {"text": "odd"})
    log.write("validation", 1, {"psnr": "inf", "name": "x"})
    assert [(kind, step, values["psnr"]) for kind, step, values in told.rows] == [("validation", 1, float("inf"))]


def test_without_its_package_a_logger_is_refused_at_once(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    loggers.require(None)
    with pytest.raises(ValueError, match=r"--logger wandb wants the extra wandb: pip install 'gan_jax\[wandb\]'"):
        loggers.require("wandb")


def test_no_logger_is_nothing(tmp_path):
    with loggers.opened(None, RunFolder(tmp_path), begin=0) as also:
        assert also is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_tensorboard_reads_the_curves_of_a_run_that_went_on(tiny_flags, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def curve(folder, tag):
        events = EventAccumulator(str(folder), size_guidance={"images": 0})
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars(tag)], events

    assert start(tiny_flags(tmp_path, "--logger", "tensorboard")) == 0
    run = RunFolder(tmp_path / "tiny")
    rows = read_log(run.log)
    for kind, key in (("train", "loss/l2"), ("validation", "psnr")):
        read, events = curve(run.tensorboard, f"{kind}/{key}")
        wanted = [(row["step"], row[key]) for row in rows if row["kind"] == kind]
        assert [step for step, _ in read] == [step for step, _ in wanted]
        np.testing.assert_allclose([v for _, v in read], [v for _, v in wanted], rtol=1e-6)  # float32 in its files
    assert [event.step for event in events.Images("samples/output")] == [2, 4]
    assert {"samples/input", "samples/target"} < set(events.Tags()["images"])

    # Steps 4 and 5 were written, and the run goes on after step 3.
    other = RunFolder(tmp_path / "other")
    for begin, steps in ((0, (1, 2, 3, 4, 5)), (3, (4, 5, 6))):
        with loggers.opened("tensorboard", other, begin=begin) as also:
            for step in steps:
                also.scalars("train", step, {"loss/l1": 10.0 * begin + step})
    read, _ = curve(other.tensorboard, "train/loss/l1")
    assert read == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 34.0), (5, 35.0), (6, 36.0)]


def records(content):
    """The records of a file of W&B: LevelDB's log format, behind 7 bytes that its first block has too."""
    at, part = 7, b""
    while at + 7 <= len(content):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        part += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            yield part
            part = b""


def history(run):
    """What W&B's files in a run's folder hold, file by file, by step."""
    from wandb.proto.wandb_internal_pb2 import Record

    files = []
    for path in sorted(run.path.glob("wandb/offline-run-*/*.wandb")):
        rows = {}
        for record in map(Record.FromString, records(path.read_bytes())):
            for item in record.history.item:
                row = rows.setdefault(record.history.step.num, {})
                row[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        files.append(rows)
    return files


def in_process(run, begin, words):
    """A process of its own, as each start of a run is: W&B remembers the mode in which it was started first."""
    program = "from gan_jax.folders import RunFolder; from gan_jax.training import loggers\n"
    program += f"with loggers.opened('wandb', RunFolder({str(run)!r}), begin={begin}) as also: {words}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.slow
def test_wandb_has_the_curves_offline_and_goes_on_by_one_id(tiny_flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert start(tiny_flags(tmp_path, "--logger", "wandb")) == 0
    assert "W&B: " in capsys.readouterr().out
    run = RunFolder(tmp_path / "tiny")
    (rows,) = history(run)
    for row in read_log(run.log):
        if row["kind"] == "warning":
            continue
        for key, value in numbers(row).items():
            assert rows[row["step"]][f"{row['kind']}/{key}"] == pytest.approx(value, abs=1e-9), key
    assert rows[2]["samples/output/_type"] == "image-file"
    first = run.wandb_id.read_text()
    ended = in_process(run.path, 4, "also.scalars('train', 5, {'loss/l2': 7.0})")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert run.wandb_id.read_text() == first
    assert history(run)[1][5]["train/loss/l2"] == 7.0
    assert all(path.name.endswith(first) for path in run.path.glob("wandb/offline-run-*"))


@pytest.mark.slow
def test_wandb_without_a_login_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.json").write_text('{"recipe": {}}')
    ended = in_process(tmp_path, 0, "pass")
    assert "ValueError: W&B cannot start (No API key configured" in ended.stderr
    assert ended.stderr.rstrip().endswith("or write its files here alone: WANDB_MODE=offline.")
