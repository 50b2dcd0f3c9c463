"""A run from its command line: what it writes, going on, being stopped, and what it refuses."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest

from gan_jax import files, folders
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.log import read_log
from gan_jax.recipes import pix2pix as experiment
from gan_jax.training import checkpoint, diagnostics, export, meter, run, run_folder, translation, validation
from tests import toy
from tests.toy import start


def start_pix2pix(arguments):
    return run.main(lambda: experiment.build([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def finished_toy(tmp_path_factory, tiny_flags):
    """As `finished_run`, of the toy."""
    checkpoints_dir = tmp_path_factory.mktemp("toys")
    assert start(tiny_flags(checkpoints_dir)) == 0
    return checkpoints_dir / "tiny"


@pytest.fixture
def again(finished_toy, tmp_path):
    """A copy of the toy's finished run, to be changed."""
    return shutil.copytree(finished_toy, tmp_path / "again" / "tiny")


def test_what_a_finished_run_leaves(finished_run):
    files = {path.relative_to(finished_run).as_posix() for path in finished_run.rglob("*") if path.is_file()}
    outside = {name for name in files if not name.startswith("checkpoints/")}
    results = {f"results/{kind}/test_{i:04d}.png" for kind in ("input", "output", "target") for i in range(3)}
    samples = {f"samples/{name}.png" for name in ("input", "target", "step_00000002", "step_00000004")}
    assert outside == results | samples | {
        "config.json",
        "log.jsonl",
        "report.html",
        "results/scores.json",
        "tiny.safetensors",
        "tiny_best.safetensors",
        "tiny_critic.safetensors",
    }


def test_config_says_what_was_run(finished_run):
    config = json.loads((finished_run / "config.json").read_text())
    assert (config["name"], config["method"], config["steps"]) == ("tiny", "pix2pix", 4)
    assert config["recipe"]["lambda_L1"] == 100.0
    assert (config["data"]["train"], config["data"]["val"], config["data"]["test"]) == (16, 2, 3)
    model = models.load(finished_run)
    assert config["networks"]["generator"]["parameters"] == model.parameter_count
    assert config["networks"]["generator"]["name"] == "UNet"
    assert config["versions"]["jax"] == jax.__version__


def test_the_description_of_a_run_is_its_config(finished_run, tiny_flags):
    config, parts = experiment.build([str(flag) for flag in tiny_flags(finished_run.parent)])
    assert list(run_folder.splits(parts)) == ["train", "val", "test"]
    written = json.loads((finished_run / "config.json").read_text())
    example = {name: np.zeros(shape, np.uint8) for name, shape in written["data"]["batch"].items()}
    shapes = jax.eval_shape(parts.method.init, jax.random.key(0), example)
    described = json.loads(json.dumps(run_folder.describe(config, parts, 4, example, shapes)))
    for name in ("data", "networks", "pictures", "versions", "device"):
        assert described[name] == written[name]


def test_the_report_of_a_finished_run_is_whole(finished_run, sections):
    result = sections(finished_run)
    assert {"Scores", "Test images", "The fixed batch over time", "Curves", "Recipe", "Data", "Networks"} < set(result)
    assert "generator: UNet" in result["Networks"]
    assert "critic: PatchGAN" in result["Networks"]
    for words in ("the test has 3 images", "validation has 2 images"):
        assert f"{words}: with fewer than 8 images, scores mean little." in result["Scores"]


def test_what_was_changed_is_in_config(finished_run):
    config = json.loads((finished_run / "config.json").read_text())
    assert {"batch_size", "ngf", "dataroot", "name"} <= set(config["changed"])
    assert not {"lambda_L1", "seed", "preset"} & set(config["changed"])
    assert config["data"]["notes"][0].startswith("the test has 3 images")


def test_a_held_out_tenth_is_said_at_the_start_the_end_and_in_the_report(tiny_flags, facades_folder, tmp_path, capsys):
    """Validation and the test are then the same images."""
    for path in sorted((facades_folder / "train").iterdir()):
        (tmp_path / "data").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "data")
    flags = ["--dataroot", tmp_path / "data", "--n_epochs_decay", "0", "--val_freq", "100"]
    assert start(tiny_flags(tmp_path, *flags)) == 0
    note = "validation and the test have the same 1 image: the best generator is chosen on the test images"
    said = capsys.readouterr().out
    assert said.count(note) == 2
    assert said.index(note) < said.index("compiling the training step") < said.index("step 1/") < said.rindex(note)
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert page.count(note) == 1


def test_a_run_without_images_to_score_says_so_and_is_reported_whole(
    tiny_flags, facades_folder, sections, tmp_path, capsys
):
    shutil.copytree(facades_folder / "train", tmp_path / "data" / "train")
    flags = ["--dataroot", tmp_path / "data", "--n_epochs_decay", "0", "--val_freq", "100"]
    assert start(tiny_flags(tmp_path, *flags)) == 0
    note = "there are no images to validate and to test on, and so no scores"
    assert capsys.readouterr().out.count(note) == 2
    result = sections(tmp_path / "tiny")
    assert note in result["Scores"]
    assert set(result) == {"Scores", "Curves", "Recipe", "Data", "Networks", "Made with"}


def test_the_log_has_every_step_and_validation(finished_run):
    rows = read_log(finished_run / "log.jsonl")
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4]
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [2, 4]
    first = next(row for row in rows if row["kind"] == "train")
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert {"epoch", "images_per_s", "data_wait", "loss/critic", "loss/generator", "loss/gan", "loss/l1"} <= set(first)
    assert first["epoch"] == 0.5


def test_the_best_generator_is_that_of_the_best_validation(finished_run):
    rows = [row for row in read_log(finished_run / "log.jsonl") if row["kind"] == "validation"]
    best = max(rows, key=lambda row: row["psnr"])
    assert models.load(finished_run / "tiny_best.safetensors").spec.step == best["step"]
    assert models.load(finished_run).spec.step == 4


def test_scores_are_those_of_the_written_images(finished_run):
    scores = json.loads((finished_run / "results" / "scores.json").read_text())
    pairs = [
        [image_files.read(finished_run / "results" / kind / f"test_{i:04d}.png", 3) for kind in ("output", "target")]
        for i in range(3)
    ]
    errors = [np.square(output.astype(float) - target).mean() for output, target in pairs]
    expected = np.mean([10 * np.log10(255**2 / error) for error in errors])
    np.testing.assert_allclose(scores["rows"][0]["psnr"], expected, rtol=1e-5)
    assert (scores["count"], scores["step"]) == (3, 4)


def test_run_again_it_is_finished_and_shows_the_results(again, tiny_flags, capsys, monkeypatch):
    monkeypatch.setattr(run.parallel, "compile_step", lambda *_, **options: pytest.fail("it trained again"))
    assert start(tiny_flags(again.parent)) == 0
    said = capsys.readouterr().out
    assert "tiny is finished: 4 steps are done." in said
    assert "3 images of the test split" in said
    assert str(again / "report.html") in said


def test_stopped_by_a_signal_and_resumed_it_ends_in_the_same_bytes(
    finished_run, tiny_flags, tmp_path, monkeypatch, capsys
):
    step = meter.Meter.step

    def stop_at_one(self, number, metrics, waited):
        step(self, number, metrics, waited)
        if number == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(meter.Meter, "step", stop_at_one)
        assert start_pix2pix(tiny_flags(tmp_path)) == 143
    assert "stopped by SIGTERM; the same command goes on" in capsys.readouterr().out
    stopped_at = models.load(tmp_path / "tiny").spec.step
    assert stopped_at < 4
    assert start_pix2pix(tiny_flags(tmp_path)) == 0
    assert f"going on after step {stopped_at}" in capsys.readouterr().out
    for name in ("tiny.safetensors", "tiny_best.safetensors"):
        assert (tmp_path / "tiny" / name).read_bytes() == (finished_run / name).read_bytes()
    logs = [read_log(folder / "log.jsonl") for folder in (tmp_path / "tiny", finished_run)]
    losses = [[(row["step"], row.get("loss/l1"), row.get("psnr")) for row in log] for log in logs]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--lr", "1e-3"], "--lr was 0.0002 and is 0.001"),
        (["--crops_per_image", "2"], "--crops_per_image was 1 and is 2"),
        (["--n_epochs", "2"], "--n_epochs was 1 and is 2"),
        (["--seed", "1", "--gan_mode", "lsgan"], "--gan_mode was vanilla and is lsgan; --seed was 0 and is 1"),
    ],
)
def test_a_changed_setting_is_named_and_refused(again, tiny_flags, capsys, flags, words):
    assert start(tiny_flags(again.parent, *flags)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Give the old values to go on, or another --name" in error


@pytest.mark.parametrize("place", ["ram", "disk"])
def test_a_cache_changes_no_byte_and_leaves_nothing(finished_toy, tiny_flags, tmp_path, place):
    assert start(tiny_flags(tmp_path, "--cache", place, "--cache_gib", "0.00001")) == 0
    assert (tmp_path / "tiny/tiny.safetensors").read_bytes() == (finished_toy / "tiny.safetensors").read_bytes()
    assert not list((tmp_path / "tiny").glob(".decoded*"))


def test_crops_of_one_image_are_other_images_than_one_of_each(finished_toy, tiny_flags, tmp_path):
    assert start(tiny_flags(tmp_path, "--crops_per_image", "2")) == 0
    assert (tmp_path / "tiny/tiny.safetensors").read_bytes() != (finished_toy / "tiny.safetensors").read_bytes()


def test_settings_that_change_no_number_may_change(again, tiny_flags):
    assert start(tiny_flags(again.parent, "--print_freq", "7", "--num_threads", "1")) == 0


def changes(before, now):
    config = dataclasses.replace(experiment.Config(), **now["recipe"])
    return run_folder._changes(before, {**now, "recipe": {**defaults(), **now["recipe"]}}, config)


def defaults():
    return {field.name: run_folder._plain(field.default) for field in dataclasses.fields(experiment.Config)}


def recipe(**values):
    data = {"train": 4, "fingerprints": {"train": "a", "val": "b"}}
    return {"method": "pix2pix", "recipe": {"n_epochs": 100, "n_epochs_decay": 0, **values}, "data": data}


def test_more_epochs_are_allowed_under_a_constant_rate_only():
    assert changes(recipe(), recipe(n_epochs=200)) == []
    assert changes(recipe(), recipe(n_epochs=50)) == ["--n_epochs was 100 and is 50"]
    assert changes(recipe(n_epochs_decay=5), recipe(n_epochs_decay=5, n_epochs=200)) != []


def test_a_run_of_before_a_flag_existed_goes_on_under_its_default():
    assert changes(recipe(), recipe(lambda_L1=100.0)) == []
    assert changes(recipe(), recipe(lambda_L1=10.0)) == ["--lambda_L1 was 100.0 and is 10.0"]


def test_a_constant_rate_run_is_extended(tiny_flags, tmp_path, capsys):
    for epochs in ("1", "2"):
        assert start([*tiny_flags(tmp_path), "--n_epochs_decay", "0", "--n_epochs", epochs]) == 0
    assert "going on after step 2" in capsys.readouterr().out
    scores = json.loads((tmp_path / "tiny" / "results" / "scores.json").read_text())
    assert scores["step"] == models.load(tmp_path / "tiny").spec.step == 4


def bytes_of(folder):
    """The contents of a run's generators, critics and kept generators."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.safetensors")}


def committed(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def keeping(tmp_path_factory, tiny_flags):
    """The folder of a run of four epochs of two steps that keeps every epoch, and its command line."""
    checkpoints_dir = tmp_path_factory.mktemp("keeping")
    line = tiny_flags(checkpoints_dir, "--n_epochs", "3", "--save_epoch_freq", "1", "--save_latest_freq", "5")
    assert start(line) == 0
    return checkpoints_dir / "tiny", line


def elsewhere(keeping, tmp_path):
    """A copy of the run, and its command line."""
    shutil.copytree(keeping[0], tmp_path / "tiny")
    return tmp_path / "tiny", [*keeping[1], "--checkpoints_dir", str(tmp_path)]


def test_every_epoch_is_kept_with_its_checkpoint_and_changes_no_result(keeping, tiny_flags, tmp_path):
    folder, _ = keeping
    assert committed(folder) == folders.kept(folder) == [2, 4, 6, 8]
    assert models.load(folder, step=4).spec.step == 4
    assert start(tiny_flags(tmp_path, "--n_epochs", "3", "--save_latest_freq", "5")) == 0
    without = bytes_of(tmp_path / "tiny")
    assert without == {name: content for name, content in bytes_of(folder).items() if "kept" not in name}
    assert committed(tmp_path / "tiny") == [5, 8]
    for name, content in without.items():
        assert (folder / "kept" / "8" / name).read_bytes() == content


def test_what_was_kept_stays_when_the_flag_is_left_out_and_keeping_may_begin_late(tiny_flags, tmp_path):
    line = [*tiny_flags(tmp_path), "--n_epochs_decay", "0"]
    assert start([*line, "--save_epoch_freq", "1"]) == 0
    assert start([*line, "--n_epochs", "3", "--save_latest_freq", "1"]) == 0
    assert committed(tmp_path / "tiny") == [2, 5, 6]
    assert start([*line, "--n_epochs", "4", "--save_epoch_freq", "2"]) == 0
    assert folders.kept(tmp_path / "tiny") == [2, 8]


def test_the_newest_are_kept_with_their_generators_and_can_be_gone_back_to(tiny_flags, tmp_path, capsys):
    line = tiny_flags(tmp_path, "--save_every", "1", "--keep", "3")
    folder = tmp_path / "tiny"
    assert start(line) == 0
    assert committed(folder) == folders.kept(folder) == [2, 3, 4]
    assert models.load(folder, step=3).spec.step == 3
    expected = bytes_of(folder)
    assert start([*line, "--from_step", "2"]) == 0
    assert "going on after step 2" in capsys.readouterr().out
    assert bytes_of(folder) == expected
    (folder / "tiny.safetensors").unlink()
    # Two checkpoints and no generators of theirs where the flag is left out.
    assert start(tiny_flags(tmp_path, "--from_step", "3")) == 0
    assert (committed(folder), folders.kept(folder)) == ([3, 4], [])


def test_what_is_not_among_the_newest_goes(tmp_path):
    run_of = folders.RunFolder(tmp_path)
    for path in (run_of.kept / "2", *(run_of.recent / name for name in ("1", "3", "4", "5.tmp"))):
        path.mkdir(parents=True)
    export.thin_out(run_of, 2)
    assert folders.kept(tmp_path) == [2, 3, 4]
    export.thin_out(run_of, None)
    assert [path.name for path in run_of.recent.iterdir()] == []


def test_a_run_that_went_back_ends_in_the_same_bytes(keeping, tmp_path, capsys):
    folder, line = elsewhere(keeping, tmp_path)
    expected, log = bytes_of(folder), (folder / "log.jsonl").read_text()
    # What another branch would have left.
    (folder / "samples" / "step_00000007.png").touch()
    shutil.copy(folder / "kept" / "2" / "tiny.safetensors", folder / "tiny_best.safetensors")
    assert start([*line, "--from_epoch", "2"]) == 0
    said = capsys.readouterr().out
    assert "going back to step 4; deleted what is newer: checkpoints (6, 8), samples and rows of the log." in said
    assert "going on after step 4" in said
    assert bytes_of(folder) == expected
    assert not (folder / "samples" / "step_00000007.png").exists()
    steps = [
        [json.loads(row)["step"] for row in text.splitlines()] for text in (log, (folder / "log.jsonl").read_text())
    ]
    assert steps[0] == steps[1]


def test_the_same_command_goes_back_once(keeping, tmp_path, monkeypatch, capsys):
    folder, line = elsewhere(keeping, tmp_path)
    expected = bytes_of(folder)
    step = meter.Meter.step

    def stop_at_five(self, number, metrics, waited):
        step(self, number, metrics, waited)
        if number == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    back = [*line, "--from_step", "4"]
    with monkeypatch.context() as patch:
        patch.setattr(meter.Meter, "step", stop_at_five)
        assert start(back) == 143
    (stopped,) = {models.load(folder).spec.step, checkpoint.latest_step(folder / "checkpoints")}
    assert 5 <= stopped < 8
    capsys.readouterr()
    assert start(back) == 0
    said = capsys.readouterr().out
    assert "went back to step 4 when this was first asked; it goes on from its newest checkpoint." in said
    assert f"going on after step {stopped}" in said
    assert bytes_of(folder) == expected
    # Another command in between, and it goes back again.
    assert start(line) == 0
    capsys.readouterr()
    assert start(back) == 0
    assert "going on after step 4" in capsys.readouterr().out
    assert bytes_of(folder) == expected


def test_a_kill_while_it_goes_back_is_made_good_by_the_same_command(keeping, tmp_path, monkeypatch, capsys):
    folder, line = elsewhere(keeping, tmp_path)
    expected = bytes_of(folder)
    for holder, name in ((checkpoint.shutil, "rmtree"), (translation, "write_json")):
        with monkeypatch.context() as patch:
            patch.setattr(holder, name, lambda *_: (_ for _ in ()).throw(OSError("killed")))
            assert start([*line, "--from_epoch", "1"]) == 2
    assert start([*line, "--from_epoch", "1"]) == 0
    assert "going on after step 2" in capsys.readouterr().out
    assert bytes_of(folder) == expected


def test_going_back_brings_back_the_best_of_then(keeping, tmp_path, monkeypatch):
    folder, line = elsewhere(keeping, tmp_path)
    (folder / "kept" / "2" / "tiny_best.safetensors").unlink()
    best = (folder / "kept" / "4" / "tiny_best.safetensors").read_bytes()
    monkeypatch.setattr(run, "_train", lambda *_: "SIGTERM")
    (folder / "tiny_best.safetensors").write_bytes(b"of step 8")
    assert start([*line, "--from_step", "4"]) == 143
    assert (folder / "tiny_best.safetensors").read_bytes() == best
    assert start([*line, "--from_step", "2"]) == 143
    assert not (folder / "tiny_best.safetensors").exists()
    assert (committed(folder), folders.kept(folder)) == ([2], [2])


def test_what_a_run_does_not_keep_or_is_damaged_is_nothing_to_go_back_to(keeping, tmp_path, capsys):
    folder, line = elsewhere(keeping, tmp_path)
    (folder / "checkpoints" / "4" / "digests.json").unlink()
    before = bytes_of(folder)
    for flags, words in (
        (["--from_epoch", "7"], "tiny keeps no generator of epoch 7; it keeps those of epoch 1, 2, 3, 4: give one"),
        (["--from_step", "3"], "tiny keeps no generator of step 3; it keeps those of step 2, 4, 6, 8: give one"),
        (["--from_step", "4"], "checkpoints/4 was cut short; go back to step 2, 6, 8."),
        (["--from_step", "4", "--from_epoch", "2"], "both say where to go on from; give one of them"),
        (["--from_step", "6", "--lr", "1"], "--lr was 0.0002 and is 1.0"),
        (["--from_step", "2", "--name", "new"], "new keeps no generator of step 2; a run keeps what"),
    ):
        assert start([*line, *flags]) == 2
        assert words in capsys.readouterr().err
    assert bytes_of(folder) == before
    assert committed(folder) == [2, 4, 6, 8]
    assert not (tmp_path / "new").exists()


def test_changed_images_are_refused(again, tiny_flags, tmp_path, facades_folder, capsys):
    data = tmp_path / "data"
    shutil.copytree(facades_folder, data)
    # The same images elsewhere are no change.
    assert start([*tiny_flags(again.parent), "--dataroot", data]) == 0
    shutil.copy(data / "train" / "train_0000.png", data / "train" / "new.png")
    assert start([*tiny_flags(again.parent), "--dataroot", data, "--batch_size", "16"]) == 2
    assert start([*tiny_flags(again.parent), "--dataroot", data]) == 2
    assert "the images of train changed (16 before, 17 now)" in capsys.readouterr().err


def test_a_changed_test_split_is_scored_again(again, tiny_flags, tmp_path, facades_folder, capsys):
    data = tmp_path / "data"
    shutil.copytree(facades_folder, data)
    (data / "test" / "test_0001.png").unlink()
    assert start([*tiny_flags(again.parent), "--dataroot", data]) == 0
    said = capsys.readouterr().out
    assert "is finished" in said
    assert "2 images of the test split" in said
    assert len(list((again / "results" / "output").iterdir())) == 2


def test_a_lost_generator_file_is_written_again(finished_toy, again, tiny_flags):
    (again / "tiny.safetensors").unlink()
    assert start(tiny_flags(again.parent)) == 0
    assert (again / "tiny.safetensors").read_bytes() == (finished_toy / "tiny.safetensors").read_bytes()


@pytest.mark.parametrize("part", ["config.json.tmp", files.part_name("config.json")], ids=["earlier", "now"])
def test_a_kill_before_the_first_files_leaves_a_folder_that_can_be_used(tiny_flags, tmp_path, part):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / part).write_text("{")
    config, _ = experiment.build(tiny_flags(tmp_path))
    description = {"method": "pix2pix", "recipe": {}, "data": {}}
    run_folder.enter(config, description, 2)
    assert json.loads((tmp_path / "tiny" / "config.json").read_text()) == description


def test_an_interrupt_outside_the_loop_is_said_in_a_sentence(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert run.main(interrupted) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from the last checkpoint.\n"


def test_a_folder_that_is_no_run_is_left_alone(tiny_flags, tmp_path, capsys):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.txt").write_text("do not touch")
    assert start(tiny_flags(tmp_path)) == 2
    assert "holds files but no config.json" in capsys.readouterr().err
    (tmp_path / "tiny" / "config.json").write_text("{")
    assert start(tiny_flags(tmp_path)) == 2
    assert "config.json is damaged" in capsys.readouterr().err
    assert (tmp_path / "tiny" / "thesis.txt").read_text() == "do not touch"


def test_a_dry_run_shows_everything_and_writes_nothing(tiny_flags, tmp_path, capsys):
    assert start(tiny_flags(tmp_path, "--dry_run")) == 0
    said = capsys.readouterr().out
    for words in ('"lambda_L1": 100.0', '"parameters"', "one step: loss/l2", "MiB", "nothing was written"):
        assert words in said
    assert list(tmp_path.iterdir()) == []


def test_batches_that_do_not_divide_are_refused(tiny_flags, tmp_path, capsys):
    assert start([*tiny_flags(tmp_path), "--batch_size", "3"]) == 2
    assert "batch_size 3 does not split evenly over 8 devices; the nearest that does is 8" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(16, 8, 2), (17, 8, 3), (3, 8, 1)])
def test_an_epoch_sees_every_image(count, batch_size, steps):
    config = dataclasses.replace(experiment.Config(), batch_size=batch_size)
    assert run.steps_per_epoch(config, count) == steps


def test_the_critic_and_the_generator_are_starting_points(finished_run, tiny_flags, tmp_path, monkeypatch):
    """After --init_generator and --init_critic the first step sees the weights of the files."""
    seen = {}
    start_of = run.loop.start

    def started(*arguments, **options):
        begin = start_of(*arguments, **options)
        seen.update(generator=begin.state.generator.params, critic=begin.state.critic.params)
        return begin

    def stopped(method, batches, begin, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return begin.state

    monkeypatch.setattr(run.loop, "start", started)
    critic = finished_run / "tiny_critic.safetensors"
    flags = ["--init_generator", finished_run, "--init_critic", critic, "--seed", "5", "--n_epochs_decay", "0"]
    files = {"generator": models.load(finished_run), "critic": models.load(critic)}
    with monkeypatch.context() as patch:
        patch.setattr(run.loop, "train", stopped)
        assert start_pix2pix(tiny_flags(tmp_path, *flags)) == 143
    for name, model in files.items():
        jax.tree.map(np.testing.assert_array_equal, seen[name], model.variables["params"])
    assert (files["critic"].spec.kind, files["critic"].spec.in_channels) == ("critic", 6)


def test_pmap_trains_saves_and_goes_on(tiny_flags, tmp_path, capsys):
    """Replicas of one image each, the paper's statistics: the state is that of any other run."""
    flags = [*tiny_flags(tmp_path), "--parallel", "pmap", "--statistics_batch", "1", "--n_epochs_decay", "0"]
    flags += ["--lr_policy", "constant"]
    assert start_pix2pix(flags) == 0
    assert start_pix2pix([*flags, "--n_epochs", "2"]) == 0
    assert "going on after step 2" in capsys.readouterr().out
    model = models.load(tmp_path / "tiny")
    assert model.spec.step == 4
    assert model.module.statistics_batch is None


def test_gradients_in_parts_train_save_and_go_on(tiny_flags, tmp_path, capsys):
    flags = ("--accumulate", "2", "--batch_size", "16", "--statistics_batch", "1", "--n_epochs", "2")
    assert start_pix2pix(tiny_flags(tmp_path, *flags)) == 0
    assert start_pix2pix([*tiny_flags(tmp_path, *flags), "--accumulate", "1"]) == 2
    assert "--accumulate was 2 and is 1" in capsys.readouterr().err


def test_pmap_refuses_statistics_of_the_whole_batch(tiny_flags, tmp_path, capsys):
    assert start_pix2pix(tiny_flags(tmp_path, "--parallel", "pmap")) == 2
    assert "give a --statistics_batch that divides 1, or use --parallel jit" in capsys.readouterr().err
    assert (
        start_pix2pix(
            tiny_flags(tmp_path, "--parallel", "pmap", "--statistics_batch", "1", "--gan_mode", "relativistic")
        )
        == 2
    )
    assert "cannot be right with --gan_mode relativistic" in capsys.readouterr().err
    assert not (tmp_path / "tiny").exists()


def test_a_plateau_lowers_the_rates_and_survives_a_stop(tiny_flags, tmp_path, monkeypatch, capsys):
    """With a threshold that nothing meets, the second validation in a row without improvement lowers the rate."""
    monkeypatch.setattr(validation.schedules, "PLATEAU_PATIENCE", 0)
    monkeypatch.setattr(validation.schedules, "PLATEAU_THRESHOLD", 0.9)
    flags = [*tiny_flags(tmp_path), "--lr_policy", "plateau", "--val_freq", "1"]
    step = meter.Meter.step

    def stop_at_two(self, number, metrics, waited):
        step(self, number, metrics, waited)
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(meter.Meter, "step", stop_at_two)
        assert start(flags) == 143
    assert capsys.readouterr().out.count("learning rates x 0.2") >= 1
    assert start(flags) == 0
    capsys.readouterr()
    whole = [*flags, "--checkpoints_dir", str(tmp_path / "whole")]
    assert start(whole) == 0
    assert capsys.readouterr().out.count("learning rates x 0.2") == 3
    files = [folder / "tiny" / "tiny.safetensors" for folder in (tmp_path, tmp_path / "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            ["--preprocess", "scale_width_and_crop", "--crop_size", "32x64", "--load_size", "64"],
            marks=pytest.mark.slow,
        ),
        ["--preprocess", "none", "--derive", "mosaic", "--dataset_mode", "single", "--netG", "unet_32"],
        [
            "--preprocess",
            "scale_width",
            "--load_size",
            "32",
            "--netG",
            "resnet_6blocks",
            "--gan_mode",
            "none",
            "--ema_decay",
            "0.9",
        ],
        pytest.param(
            ["--netG", "unet_32", "--no_skips", "--netD", "pixel", "--n_layers_D", "3", "--norm", "instance"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["rectangles", "mosaic at its own size", "resnet at a width", "encoder-decoder and pixels"],
)
def test_every_preprocess_and_network_trains(flags, tiny_flags, facades_folder, tmp_path):
    where = ["--n_epochs_decay", "0", "--val_freq", "100"]
    assert start_pix2pix(tiny_flags(tmp_path, *flags, *where)) == 0
    assert models.load(tmp_path / "tiny").spec.step == 2
    scores = json.loads((tmp_path / "tiny" / "results" / "scores.json").read_text())
    assert scores["rows"][0]["psnr"] > 0


def test_images_of_different_sizes_are_validated_and_tested_one_by_one(tiny_flags, tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        for i in range(count):
            side = 32 if split == "train" else 32 + 9 * i
            image_files.save(
                tmp_path / "data" / split / f"{i}.png", rng.integers(0, 256, (side, 2 * side, 3), np.uint8)
            )
    flags = ["--dataroot", tmp_path / "data", "--preprocess", "none", "--netG", "unet_32", "--n_epochs_decay", "0"]
    flags += ["--dataset_mode", "aligned"]  # noise has no seam
    assert start_pix2pix(tiny_flags(tmp_path, *flags)) == 0
    outputs = sorted((tmp_path / "tiny" / "results" / "output").iterdir())
    assert [image_files.read(path, 3).shape[:2] for path in outputs] == [(32, 32), (41, 41)]
    assert image_files.read(tmp_path / "tiny" / "samples" / "target.png", 3).shape[:2] == (41, 73)


def test_what_a_user_can_cause_is_a_sentence_and_an_exit_code(again, tiny_flags, capsys):
    def interrupted():
        raise KeyboardInterrupt

    def out_of_memory():
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.")

    def broken():
        raise FloatingPointError("loss is nan")

    assert run.guarded(lambda: run.execute(*toy.build(tiny_flags(again.parent)))) == 0
    capsys.readouterr()
    for call, code, words in (
        (interrupted, 130, "the same command goes on"),
        (out_of_memory, 2, "take a smaller --batch_size or smaller crops"),
        (broken, 2, "loss is nan"),
    ):
        assert run.guarded(call) == code
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    with pytest.raises(jax.errors.JaxRuntimeError):  # a defect of the program stays one
        run.guarded(lambda: (_ for _ in ()).throw(jax.errors.JaxRuntimeError("INTERNAL: no")))


def test_a_run_that_saved_nothing_begins_anew_otherwise(tiny_flags, tmp_path):
    """Kill -9 before the first checkpoint, and a mistake seen: the name is free again."""
    config, parts = toy.build(tiny_flags(tmp_path, "--lr", "0.1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_train", lambda *_: "Ctrl-C")
        assert run.execute(config, parts) == 130
        assert start(tiny_flags(tmp_path)) == 130
    assert json.loads((tmp_path / "tiny" / "config.json").read_text())["recipe"]["lr"] == 0.0002


def test_one_image_a_step_runs_on_one_of_many_devices(tiny_flags, tmp_path, capsys):
    assert start(tiny_flags(tmp_path, "--batch_size", "1", "--dry_run")) == 0
    assert "nothing was written" in capsys.readouterr().out


def test_warnings_are_on_the_terminal_in_the_log_and_in_the_report(tiny_flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(diagnostics, "measures", lambda *_: {"health/agreement": -0.9})
    assert start(tiny_flags(tmp_path)) == 0
    warning = "light and dark are the reverse of what they should be (correlation -0.90)"
    assert f"step 2 warning: {warning}" in capsys.readouterr().out
    rows = [row for row in read_log(tmp_path / "tiny" / "log.jsonl") if row["kind"] == "warning"]
    assert [row["step"] for row in rows] == [2]  # once, for as long as it lasts
    assert rows[0]["text"].startswith(warning)
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "<h2>Warnings</h2>" in page
    assert f"Step 2: {warning}" in page
