"""Every flag of pytorch-CycleGAN-and-pix2pix, one row of the tables at a time, and its README's command lines."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from gan_jax.recipes import cyclegan, pix2pix, pytorch_compat, pytorch_compat_test

ROOT = Path(__file__).parents[2]
TABLES = {"train": pytorch_compat.TRAIN, "train cycle_gan": pytorch_compat.TRAIN_CYCLEGAN, "test": pytorch_compat.TEST}
CASES = [
    pytest.param(rows, row, example, id=f"{name} {' '.join(example)}")
    for name, rows in TABLES.items()
    for row in rows
    for example in row.examples
]

# What option files and models of the PyTorch code declare, in 2025 and in 2017.
DECLARED = {
    "base": "dataroot name gpu_ids checkpoints_dir model input_nc output_nc ngf ndf netD netG n_layers_D norm "
    "init_type init_gain no_dropout dataset_mode direction serial_batches num_threads batch_size load_size crop_size "
    "max_dataset_size preprocess no_flip display_winsize epoch load_iter verbose suffix use_wandb wandb_project_name "
    "batchSize loadSize fineSize which_model_netD which_model_netG which_direction nThreads resize_or_crop display_id "
    "display_server display_port align_data use_dropout identity",
    "train": "display_freq display_ncols display_id display_server display_env display_port update_html_freq "
    "print_freq no_html save_latest_freq save_epoch_freq save_by_iter continue_train epoch_count phase n_epochs "
    "n_epochs_decay beta1 lr gan_mode pool_size lr_policy lr_decay_iters lambda_L1 lambda_A lambda_B lambda_identity "
    "niter niter_decay no_lsgan which_epoch display_single_pane_ncols",
    "test": "results_dir aspect_ratio phase eval num_test how_many ntest which_epoch model_suffix",
}


def read(*arguments, rows=pytorch_compat.TRAIN):
    return pytorch_compat.read(list(arguments), rows)


@pytest.mark.parametrize(("rows", "row", "example"), CASES)
def test_rows(rows, row, example):
    beside = ["demo", "--seed", "3"]
    if row.fate == "refused":
        with pytest.raises(ValueError, match=example[0]) as refusal:
            pytorch_compat.read([*example, *beside], rows)
        assert str(refusal.value) == f"{' '.join(example)}: {row.note}"
        return
    ours, lines = pytorch_compat.read([*example, *beside], rows)
    assert ours[-3:] == beside
    if row.fate == "same":
        assert (ours[:-3], lines) == (example, [])
    elif row.fate == "mapped":
        assert (ours[:-3], lines) == (row.to.format(*example[1:]).split(), [])
    else:
        assert (ours[:-3], lines) == ([], [f"ignored {example[0]}: {row.note}"])


@pytest.mark.parametrize("name", TABLES)
def test_every_declared_flag_has_its_rows_and_the_last_takes_every_value(name):
    rows = TABLES[name]
    flags = {flag.removeprefix("--") for row in rows for flag in row.flags.split()}
    declared = {*DECLARED["base"].split(), *DECLARED[name.split()[0]].split()}
    assert declared <= flags
    for flag in flags:
        values = [row.values for row in rows if f"--{flag}" in row.flags.split()]
        assert values[-1] in (pytorch_compat.ANY, None)
        assert values.count(pytorch_compat.ANY) + values.count(None) == 1


@pytest.mark.parametrize("row", [row for rows in TABLES.values() for row in rows])
def test_a_line_or_a_refusal_is_one_sentence(row):
    if row.fate in ("ignored", "refused"):
        assert row.note.endswith(".")
        assert ". " not in row.note


@pytest.mark.parametrize(
    ("name", "config"),
    [("train", pix2pix.Config), ("train cycle_gan", cyclegan.Config), ("test", pytorch_compat_test.Config)],
)
def test_what_passes_and_what_flags_become_are_flags_of_ours(name, config):
    passing = {flag for row in TABLES[name] if row.fate == "same" for flag in row.flags.split()}
    targets = {row.to.split()[0] for row in TABLES[name] if row.to}
    assert {flag.removeprefix("--") for flag in passing | targets} <= config.__dataclass_fields__.keys()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "demo",
        "demo --seed 3 --crop-size=64 --no_flip --val_freq 5",
        "--dataroot a --name b --direction BtoA --netG unet_256 --netD n_layers --norm instance --no-dropout",
        "--unknown 3 --also=4",
    ],
)
def test_a_line_without_those_of_the_pytorch_code_own_flags_is_left_alone(line):
    assert read(*line.split()) == (line.split(), [])


def test_the_readmes_lines():
    line = "--dataroot ./datasets/facades --name facades_pix2pix --model pix2pix --direction BtoA"
    ours = "--dataroot ./datasets/facades --name facades_pix2pix --direction BtoA"
    assert read(*line.split()) == (ours.split(), [])
    assert read(*line.split(), rows=pytorch_compat.TEST) == (line.split(), [])


def test_the_line_of_2017():
    line = "--name f --model pix2pix --which_model_netG unet_256 --which_direction BtoA --lambda_A 100 "
    line += "--dataset_mode aligned --no_lsgan --norm batch --pool_size 0 --fineSize=128 --niter 5"
    ours, lines = read(*line.split())
    expected = "--name f --netG unet_256 --direction BtoA --lambda_L1 100 --dataset_mode aligned --gan_mode vanilla "
    expected += "--norm batch "
    expected += "--crop_size 128 --n_epochs 5"
    assert ours == expected.split()
    assert lines == ["ignored --pool_size: pix2pix has no such part; it is CycleGAN's."]


def test_the_lines_of_cyclegan():
    line = "--dataroot ./datasets/maps --name maps_cyclegan --model cycle_gan --pool_size 50 --no_dropout --lambda_A 5"
    ours, lines = read(*line.split(), rows=pytorch_compat.TRAIN_CYCLEGAN)
    assert ours == line.replace("--model cycle_gan ", "").split()
    assert lines == []
    ours, _ = read("--dataset_mode", "unaligned", "--identity", "0.1", rows=pytorch_compat.TRAIN_CYCLEGAN)
    assert ours == ["--dataset_mode", "unaligned", "--lambda_identity", "0.1"]


def test_the_line_of_single_images():
    line = "--dataroot testB/ --name f --model test --netG unet_256 --direction BtoA --dataset_mode single --norm batch"
    ours, lines = read(*line.split(), rows=pytorch_compat.TEST)
    expected = "--dataroot testB/ --name f --model test --direction BtoA --model test"
    assert ours == expected.split()
    assert lines == ["ignored --netG, --norm: the generator's file says which architecture it is."]


def test_flags_that_are_ignored_for_one_reason_share_a_line():
    line = (
        "--gpu_ids 0,1 --display_id -1 --no-html --use_wandb --display-port=8097 --display_id 2 --continue_train demo"
    )
    ours, lines = read(*line.split())
    assert ours == ["demo"]
    assert [line.partition(":")[0] for line in lines] == [
        "ignored --gpu_ids",
        "ignored --display_id, --no_html, --display_port",
        "ignored --use_wandb",
        "ignored --continue_train",
    ]
    assert "CUDA_VISIBLE_DEVICES" in lines[0]
    assert "report.html" in lines[1]
    assert "JAX_PLATFORMS=cpu" in read("--gpu_ids", "-1")[1][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--display_id"], "--display_id wants a value."),
        (["--display_id", "--no_html"], "--display_id wants a value."),
        (["--no-html=1"], "--no_html takes no value; got --no-html=1."),
    ],
)
def test_what_is_wrong_is_said(arguments, words):
    with pytest.raises(ValueError, match=words):
        read(*arguments)


def test_the_page_holds_the_tables():
    page = (ROOT / "docs" / "coming_from_pytorch.md").read_text()
    for rows in (pytorch_compat.BOTH, pytorch_compat.PIX2PIX, pytorch_compat.CYCLEGAN, pytorch_compat.TEST):
        assert pytorch_compat.table(rows) in page


def test_the_table_says_what_flags_become():
    rows = (
        pytorch_compat.Row("--a --b", pytorch_compat.ANY, "same"),
        pytorch_compat.Row("--c", "x y", "mapped", to="--d {}"),
        pytorch_compat.Row("--e", None, "mapped", "as it is."),
        pytorch_compat.Row("--f", None, "ignored", "why."),
        pytorch_compat.Row("--c", pytorch_compat.ANY, "ignored", "why."),
    )
    assert pytorch_compat.table(rows).splitlines()[2:] == [
        "| `--a`, `--b` | the same |  |",
        "| `--c x`, `--c y` | `--d` |  |",
        "| `--e` | nothing | as it is. |",
        "| `--f`, `--c ...` | ignored | why. |",
    ]


def test_train_py(tmp_path, tiny_flags):
    """The program itself, as it is typed: without --model, and for a run's dry step."""

    def train(*arguments):
        command = [sys.executable, ROOT / "train.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = train(*tiny_flags(tmp_path), "--dry_run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "give --model pix2pix or --model cycle_gan" in done.stderr
    done = train(*tiny_flags(tmp_path), "--model", "pix2pix", "--gpu_ids", "0", "--dry_run")
    assert done.returncode == 0, done.stderr
    assert "ignored --gpu_ids" in done.stdout
    assert "dry run: nothing was written." in done.stdout


@pytest.mark.parametrize("model", [["--model", "cycle_gan"], ["--model=cycle_gan"]])
def test_train_py_trains_cyclegan(model, capsys):
    main = runpy.run_path(str(ROOT / "train.py"))["main"]
    assert main([*model, "--dataroot", "nowhere", "--lambda_A", "7", "--identity", "nan"]) == 2
    assert capsys.readouterr().err == "error: --lambda_identity is nan; wanted a finite number of at least 0.\n"
