"""The log of a run, cut back, gone on with and damaged."""

import pytest

from gan_jax import log


def test_the_log_is_cut_back_to_the_step_where_training_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind": "train", "step": 1}\n{"kind": "train", "step": 2}\n{"kind": "tra')
    rows = log.Log(path, keep_through=1)
    assert path.read_text() == '{"kind": "train", "step": 1}\n'
    rows.write("validation", 1, {"psnr": 20.0})
    assert [(row["kind"], row["step"]) for row in log.read_log(path)] == [("train", 1), ("validation", 1)]


def test_the_seconds_of_a_run_go_on_where_it_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    clock = [1000.0]
    monkeypatch.setattr(log.time, "perf_counter", lambda: clock[0])
    rows = log.Log(path, keep_through=0)
    for step, after in ((1, 5.0), (2, 7.0), (3, 40.0)):
        clock[0] = 1000.0 + after
        rows.write("train", step, {})
    clock[0] = 5000.0
    rows = log.Log(path, keep_through=2)  # stopped at step 3, and going on from a checkpoint
    clock[0] = 5001.5
    rows.write("warning", 3, {"text": "odd"})
    assert [row["seconds"] for row in log.read_log(path)] == [5.0, 7.0, 8.5]
    path.write_text('{"kind": "train", "step": 1}\n')  # of before there were seconds
    log.Log(path, keep_through=1).write("train", 2, {})
    assert log.read_log(path)[1]["seconds"] == 0.0


@pytest.mark.parametrize("text", ["", "\n", '{"kind": "tr'])
def test_a_log_without_a_whole_row_is_empty(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    assert log.read_log(tmp_path / "log.jsonl") == []
    assert log.read_log(tmp_path / "nothing.jsonl") == []


def test_damage_before_the_last_row_is_said(tmp_path):
    for line in ("{", "[]", '{"kind": "train"}', '{"step": 1}', '{"kind": "train", "step": Infinity}', "\\xff"):
        (tmp_path / "log.jsonl").write_text(line + '\n{"kind": "train", "step": 2}\n')
        with pytest.raises(ValueError, match=r"line 1 of .*log\.jsonl is damaged; remove that line"):
            log.read_log(tmp_path / "log.jsonl")
