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
    wanted = [(2, 1.5, 0.5), (4, 3.5, 1.0), (5, 5.0, 1.25)]  # the last one for the steps before a stop
    assert [(row["step"], row["loss/l1"], row["epoch"]) for row in rows] == wanted
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for words in ("step 2/6", "to go 0:00:", "epoch 0.50", "images/s", "waiting for data 0%", "l1 1.500"):
        assert words in lines[0]


def test_throughput_and_waiting_leave_pauses_out(tmp_path, monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    show = meter(tmp_path)
    show.step(1, {}, waited=99.0)  # with the compilation, so not timed
    show.pause(6.0)
    show.step(2, {}, waited=1.0)
    row = progress.read_log(tmp_path / "log.jsonl")[0]
    # A step of 2 images in 10 - 6 seconds, a quarter of them spent waiting.
    assert (row["images_per_s"], row["data_wait"]) == (0.5, 0.25)


def test_on_a_terminal_there_is_a_bar_too(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress.sys, "stdout", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with meter(tmp_path) as show:
        show.step(1, {"loss/l1": 1.0}, waited=0.0)
        show.step(2, {"loss/l1": 1.0}, waited=0.0)
    said = screen.getvalue()
    for words in ("━", "2/6", "epoch 0.50", "l1 1.000"):
        assert words in said


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


def test_damage_before_the_last_row_is_said(tmp_path):
    for line in ("{", "[]", '{"kind": "train"}'):
        (tmp_path / "log.jsonl").write_text(line + '\n{"kind": "train", "step": 2}\n')
        with pytest.raises(ValueError, match=r"line 1 of .*log\.jsonl is damaged; remove that line"):
            progress.read_log(tmp_path / "log.jsonl")
