import io

import pytest

from gan_jax import progress
from gan_jax.progress import Log, Meter


def meter(tmp_path, **options):
    defaults = {"start": 0, "steps": 6, "steps_per_epoch": 4, "batch_size": 2, "print_freq": 2}
    return Meter(Log(tmp_path / "log.jsonl", keep_through=0), **{**defaults, **options})


def test_rows_are_means_over_their_steps(tmp_path, capsys):
    with meter(tmp_path) as show:
        for step in range(1, 6):
            show.step(step, {"loss/l1": float(step)}, waited=0.0)
    rows = progress.read_log(tmp_path / "log.jsonl")
    assert [(row["step"], row["loss/l1"], row["epoch"]) for row in rows] == [(2, 1.5, 0.5), (4, 3.5, 1.0)]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for words in ("step 2/6", "to go 0:00:", "epoch 0.50", "images/s", "waiting for data 0%", "l1 1.500"):
        assert words in lines[0]


def test_throughput_and_waiting_leave_pauses_out(tmp_path, monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    show = meter(tmp_path)
    show.pause(6.0)
    show.step(1, {}, waited=1.0)
    show.step(2, {}, waited=1.0)
    row = progress.read_log(tmp_path / "log.jsonl")[0]
    # 2 steps of 2 images in 10 - 6 seconds, half of them spent waiting.
    assert (row["images_per_s"], row["data_wait"]) == (1.0, 0.5)


def test_on_a_terminal_there_is_one_live_line(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress.sys, "stdout", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with meter(tmp_path) as show:
        show.step(1, {"loss/l1": 1.0}, waited=0.0)
        show.step(2, {"loss/l1": 1.0}, waited=0.0)
    assert "step 2/6" not in screen.getvalue()
    assert "l1 1.000" in screen.getvalue()


def test_the_log_is_cut_back_to_the_step_where_training_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind": "train", "step": 1}\n{"kind": "train", "step": 2}\n{"kind": "tra')
    log = Log(path, keep_through=1)
    log.write("validation", 1, {"psnr": 20.0})
    assert path.read_text() == '{"kind": "train", "step": 1}\n{"kind": "validation", "step": 1, "psnr": 20.0}\n'


@pytest.mark.parametrize("text", ["", "\n", '{"kind": "tr'])
def test_a_log_without_a_whole_row_is_empty(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    assert progress.read_log(tmp_path / "log.jsonl") == []
    assert progress.read_log(tmp_path / "nothing.jsonl") == []
