"""Folders of runs, as every command leaves them, and what a run keeps."""

import json
import shutil
from pathlib import Path

import pytest

from gan_jax import folders, model


@pytest.fixture
def make(tmp_path, monkeypatch):
    """(path below the working folder, flags) -> the folder of a run that writes no generator."""
    monkeypatch.chdir(tmp_path)

    def run(path, **recipe):
        folder = Path(path)
        folder.mkdir(parents=True)
        recipe = {"checkpoints_dir": str(folder.parent), **recipe}
        (folder / "config.json").write_text(json.dumps({"recipe": recipe, "steps": 4}))
        return folder

    return run


@pytest.fixture
def upscaled(make):
    """What `pix2pix upscale` leaves, beside another run."""
    first = make("checkpoints/upscale/super_resolution/srresnet", init_generator=None)
    make("checkpoints/upscale/super_resolution/srgan", init_generator=str(first))
    make("checkpoints/upscale/pix2pix", init_generator=None)
    make("checkpoints/other")
    return Path("checkpoints/upscale")


def test_runs_are_found_as_deep_as_commands_make_them(upscaled):
    below = ["pix2pix", "super_resolution/srgan", "super_resolution/srresnet"]
    assert folders.runs(upscaled) == [upscaled / name for name in below]
    assert folders.runs(Path("checkpoints")) == [Path("checkpoints/other"), *folders.runs(upscaled)]
    assert folders.runs(upscaled / "pix2pix") == [upscaled / "pix2pix"]
    assert folders.is_run(upscaled / "pix2pix")
    assert folders.runs(Path("nowhere")) == []


def test_a_linked_run_is_one_and_what_a_run_holds_is_none(make):
    run = make("disk/run")
    make("disk/run/kept/4")
    Path("checkpoints").mkdir()
    Path("checkpoints/linked").symlink_to(run.absolute())
    assert folders.runs(Path("disk")) == [run]
    assert folders.runs(Path("checkpoints")) == [Path("checkpoints/linked")]


@pytest.mark.parametrize("start", ["{}", "{}/srresnet.safetensors", "{}/kept/2/srresnet.safetensors"])
def test_the_last_stage_is_the_one_that_started_from_the_other(make, start):
    first = make("checkpoints/mysr/srresnet")
    assert folders.last(Path("checkpoints/mysr")) == first
    second = make("checkpoints/mysr/srgan", init_generator=start.format(first))
    assert folders.last(Path("checkpoints/mysr")) == second
    assert folders.last(first) == first


def test_stages_know_each_other_after_a_move_and_from_another_working_folder(make, tmp_path, monkeypatch):
    first = make("checkpoints/mysr/srresnet")
    make("checkpoints/mysr/srgan", init_generator=str(first))
    shutil.move("checkpoints/mysr", "backup")
    monkeypatch.chdir(tmp_path / "backup")
    assert folders.last(Path()) == Path("srgan")
    assert folders.last(tmp_path / "backup") == tmp_path / "backup" / "srgan"


def test_a_run_that_was_tuned_elsewhere_follows_too(make, tmp_path):
    first = make("checkpoints/first")
    tuned = make("checkpoints/more/tuned", init_generator=str(tmp_path / first))
    assert folders.last(Path("checkpoints")) == tuned


def test_where_several_are_last_they_are_listed(upscaled, make):
    words = r"holds several runs \(pix2pix, super_resolution/srgan, super_resolution/srresnet\); name the folder of"
    with pytest.raises(ValueError, match=words):
        folders.last(upscaled)
    for number in range(13):
        make(f"ablation/cell_{number:02d}")
    with pytest.raises(ValueError, match=r"cell_00, .*, cell_09, ... and 3 more\)"):
        folders.last(Path("ablation"))


def test_a_damaged_config_is_a_run_that_follows_none(make):
    run = make("checkpoints/a")
    for content in ("{", "[]", '{"recipe": 3}'):
        (run / "config.json").write_text(content)
        assert folders.last(Path("checkpoints")) == run
        assert not folders.is_comparison(run)


def test_a_comparison_keeps_no_generator_and_is_no_stage(make):
    ring = make("checkpoints/ring")
    (ring / "config.json").write_text(json.dumps({"method": "eight Gaussians", "recipe": {"steps": 3}}))
    assert folders.is_comparison(ring)
    assert folders.last(Path("checkpoints")) == Path("checkpoints")
    with pytest.raises(FileNotFoundError, match="ring compares methods and keeps no generator; gan-jax report shows"):
        model.find(ring)
    run = make("checkpoints/run")
    assert folders.last(Path("checkpoints")) == run


def test_a_folder_without_runs_is_itself(tmp_path):
    assert folders.last(tmp_path) == tmp_path


def test_what_a_run_keeps(make):
    run = make("checkpoints/run")
    assert folders.kept(run) == []
    with pytest.raises(
        FileNotFoundError, match=r"run keeps no generator of step 2; a run keeps what --keep, --save_epoch"
    ):
        folders.kept_at(run, 2)
    for name in ("20", "4", "6.tmp"):
        (folders.RunFolder(run).kept / name).mkdir(parents=True)
    (folders.RunFolder(run).recent / "21").mkdir(parents=True)
    assert folders.kept(run) == [4, 20, 21]
    assert folders.kept_at(run, 21) == run / "recent" / "21"
    (folders.RunFolder(run).recent / "21").rmdir()
    assert folders.kept_at(run, 4) == run / "kept" / "4"
    assert folders.kept_at(run, 2, unit="epoch", steps=10) == run / "kept" / "20"
    with pytest.raises(FileNotFoundError, match="no generator of step 6; it keeps those of step 4, 20: give one"):
        folders.kept_at(run, 6)
    with pytest.raises(FileNotFoundError, match="no generator of epoch 4; it keeps those of epoch 2: give one"):
        folders.kept_at(run, 4, unit="epoch", steps=10)


def test_an_exported_model_is_no_run(make):
    run = make("checkpoints/run")
    exported = make("checkpoints/hub")
    (exported / "config.json").write_text(json.dumps({"model_type": folders.MODEL_TYPE}))
    assert (folders.is_export(exported), folders.is_export(run)) == (True, False)
    assert folders.runs("checkpoints") == [run]


def test_the_names_of_a_runs_files():
    run = folders.RunFolder("runs/tiny")
    names = (run.config, run.log, run.samples, run.checkpoints, run.kept, run.recent, run.results, run.report, run.lock)
    assert [path.relative_to("runs/tiny").as_posix() for path in names] == [
        "config.json", "log.jsonl", "samples", "checkpoints", "kept", "recent", "results", "report.html", ".lock",
    ]  # fmt: skip
    models = (run.model(), run.model(best=True), run.model("AtoB", best=True), run.model("critic_A"))
    expected = ["tiny", "tiny_best", "tiny_AtoB_best", "tiny_critic_A"]
    assert [path.as_posix() for path in models] == [f"runs/tiny/{name}.safetensors" for name in expected]
