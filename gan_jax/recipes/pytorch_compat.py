"""The command lines of pytorch-CycleGAN-and-pix2pix, of 2017 to 2025, in this program's flags."""

import itertools
from typing import Literal, NamedTuple

__all__ = ["ANY", "BOTH", "CYCLEGAN", "PIX2PIX", "TEST", "TRAIN", "TRAIN_CYCLEGAN", "Row", "read", "table"]
__dir__ = __all__.copy

ANY = "..."


class Row(NamedTuple):
    """What becomes of some flags; a flag's first row that is about its value counts."""

    flags: str  # separated by spaces
    values: str | None  # those that the row is about, separated by spaces; ANY for every other; None: a switch
    fate: Literal["same", "mapped", "ignored", "refused"]
    note: str = ""  # the line to print, or what to do instead
    to: str = ""  # what a mapped flag becomes, {} its value; nothing where it asks for what happens anyway

    @property
    def examples(self) -> list[list[str]]:
        """Arguments that the row is about."""
        if self.values is None:
            return [[flag] for flag in self.flags.split()]
        values = ["7"] if self.values == ANY else self.values.split()
        return [[flag, value] for flag in self.flags.split() for value in values]


_REPORT = "the run's report.html shows curves and samples; gan-jax report RUN writes it anew while a run trains."
_WANDB = "--logger wandb, with the extra wandb, logs to Weights & Biases."
_GOES_ON = "the same command goes on where a run stopped, its epoch included."
_SAVES = "the last checkpoint is written every --save_latest_freq steps, and --save_epoch_freq keeps others."
_CPU = "set JAX_PLATFORMS=cpu in the environment to compute on the CPU."
_GPUS = "CUDA_VISIBLE_DEVICES in the environment chooses the devices; a batch of 1 runs on one of them."
_CYCLEGAN = "pix2pix has no such part; it is CycleGAN's."
_PIX2PIX = "CycleGAN has no such part; it is pix2pix's."
_PARTS = "the generator's file says which architecture it is."
_ONE_BY_ONE = "test images are read in order, one by one, and never mirrored."
_PAGE = "the results are in index.html."
_CHOSEN = "`train.py` chooses the experiment by it."
_UNALIGNED = "pix2pix wants pairs; --model cycle_gan trains without."
_COLOR = "photographs are read, and their lightness is the input."
_KEEPS = "a run keeps generators by epoch; use --epoch N with one that --save_epoch_freq kept."
_NAME = "write the whole name into --name."

BOTH = (
    Row("--output_nc", "2", "mapped", "a and b of --model colorization."),
    Row("--dataroot --name --checkpoints_dir --direction --input_nc --output_nc", ANY, "same"),
    Row("--netG --netD --ngf --ndf --n_layers_D", ANY, "same"),
    Row("--max_dataset_size", "inf", "mapped", "all images are used."),
    Row("--preprocess --load_size --crop_size --max_dataset_size --batch_size --num_threads", ANY, "same"),
    Row("--n_epochs --n_epochs_decay --lr --beta1 --lr_decay_iters", ANY, "same"),
    Row("--print_freq --save_latest_freq", ANY, "same"),
    Row("--no_flip --no_dropout --serial_batches", None, "same"),
    Row(
        "--norm", "syncbatch sync_batch", "mapped", "batch norm sees the whole batch on any devices.", to="--norm batch"
    ),
    Row("--norm", "sync_instance", "mapped", to="--norm instance"),
    Row("--norm", ANY, "same"),
    Row("--gan_mode", "wgangp", "same", "here the gradient penalty acts: it needs --norm instance or --norm none."),
    Row("--gan_mode", ANY, "same"),
    Row("--no_lsgan", None, "mapped", to="--gan_mode vanilla"),
    Row("--lr_policy", "lambda", "mapped", to="--lr_policy linear"),
    Row("--lr_policy", ANY, "same"),
    # Names of 2017 and 2018.
    Row("--niter", ANY, "mapped", to="--n_epochs {}"),
    Row("--niter_decay", ANY, "mapped", to="--n_epochs_decay {}"),
    Row("--loadSize", ANY, "mapped", to="--load_size {}"),
    Row("--fineSize", ANY, "mapped", to="--crop_size {}"),
    Row("--resize_or_crop", ANY, "mapped", to="--preprocess {}"),
    Row("--batchSize", ANY, "mapped", to="--batch_size {}"),
    Row("--nThreads", ANY, "mapped", to="--num_threads {}"),
    Row("--which_direction", ANY, "mapped", to="--direction {}"),
    Row("--which_model_netG", ANY, "mapped", to="--netG {}"),
    Row("--which_model_netD", ANY, "mapped", to="--netD {}"),
    Row("--model", "colorization", "mapped", _COLOR, to="--derive lab"),
    Row("--model", "test", "refused", "it trains nothing; use gan-jax translate RUN INPUT OUTPUT, or test.py."),
    Row("--model", ANY, "refused", "there is --model pix2pix and --model cycle_gan."),
    Row("--phase", "train", "mapped", "training reads the split train."),
    Row("--phase", ANY, "refused", "training reads the split train; give the folder above it as --dataroot."),
    Row("--init_type --init_gain", ANY, "same"),
    # Going on and saving.
    Row("--continue_train", None, "ignored", _GOES_ON),
    Row("--epoch_count", ANY, "ignored", _GOES_ON),
    Row("--epoch --which_epoch", "latest", "ignored", _GOES_ON),
    Row("--epoch --which_epoch", ANY, "mapped", "it goes back there once.", to="--from_epoch {}"),
    Row("--load_iter", "0", "ignored", _GOES_ON),
    Row("--load_iter", ANY, "mapped", "it goes back there once; counted in steps.", to="--from_step {}"),
    Row("--save_epoch_freq", ANY, "same"),
    Row("--save_by_iter", None, "ignored", _SAVES),
    Row("--suffix", ANY, "refused", _NAME),
    # What has no counterpart.
    Row("--gpu_ids", "-1", "ignored", _CPU),
    Row("--gpu_ids", ANY, "ignored", _GPUS),
    Row("--display_id --display_port --display_server --display_env --display_winsize", ANY, "ignored", _REPORT),
    Row("--display_freq --display_ncols --display_single_pane_ncols --update_html_freq", ANY, "ignored", _REPORT),
    Row("--no_html", None, "ignored", _REPORT),
    Row("--use_wandb", None, "ignored", _WANDB),
    Row("--wandb_project_name", ANY, "ignored", _WANDB),
    Row("--verbose", None, "ignored", "--dry_run shows the networks and their sizes."),
    Row(
        "--results_dir --num_test --how_many --ntest --aspect_ratio --model_suffix",
        ANY,
        "refused",
        "it is test.py's; leave it out.",
    ),
    Row("--eval", None, "refused", "it is test.py's; leave it out."),
)

_OTHER_DATA = (
    Row("--dataset_mode", "colorization", "mapped", _COLOR, to="--derive lab"),
    Row(
        "--dataset_mode",
        ANY,
        "refused",
        "there is --dataset_mode aligned, with --model cycle_gan unaligned, and docs/adding_data.md for other data.",
    ),
)
PIX2PIX = (
    Row("--model", "pix2pix", "mapped", _CHOSEN),
    Row("--model", "cycle_gan", "refused", "it is another experiment; use gan-jax train cyclegan, or train.py."),
    Row("--lambda_L1", ANY, "same"),
    Row("--lambda_A", ANY, "mapped", "with pix2pix it was the weight of L1.", to="--lambda_L1 {}"),
    Row("--align_data --use_dropout", None, "mapped", "what pix2pix does anyway."),
    Row("--dataset_mode", "aligned", "same", "without it images that do not look like pairs are refused."),
    Row("--dataset_mode", "single", "same", "with --derive: photographs to train on."),
    Row("--dataset_mode", "unaligned", "refused", _UNALIGNED),
    *_OTHER_DATA,
    Row("--pool_size --identity --lambda_identity --lambda_B", ANY, "ignored", _CYCLEGAN),
)
CYCLEGAN = (
    Row("--model", "cycle_gan", "mapped", _CHOSEN),
    Row("--model", "pix2pix", "refused", "it is another experiment; use gan-jax train pix2pix, or train.py."),
    Row("--lambda_A --lambda_B --lambda_identity --pool_size", ANY, "same"),
    Row("--identity", ANY, "mapped", to="--lambda_identity {}"),
    Row("--align_data", None, "mapped", to="--dataset_mode aligned"),
    Row("--use_dropout", None, "refused", "CycleGAN trains without dropout; leave it out."),
    Row("--dataset_mode", "unaligned aligned", "same"),
    Row("--dataset_mode", "single", "refused", "it trains nothing; use gan-jax translate RUN INPUT OUTPUT."),
    *_OTHER_DATA,
    Row("--lambda_L1", ANY, "ignored", _PIX2PIX),
)
TRAIN = (*PIX2PIX, *BOTH)
TRAIN_CYCLEGAN = (*CYCLEGAN, *BOTH)

TEST = (
    Row("--num_test --how_many --ntest --max_dataset_size", "inf", "mapped", "all images are used."),
    Row("--dataroot --name --checkpoints_dir --results_dir --phase --direction --num_test", ANY, "same"),
    Row("--preprocess --load_size --crop_size", ANY, "same"),
    Row("--eval --no_dropout", None, "same"),
    Row("--model", "pix2pix cycle_gan test", "same"),
    Row("--model", "colorization", "mapped", "a run with --derive lab makes its inputs itself.", to="--model pix2pix"),
    Row(
        "--model",
        ANY,
        "refused",
        "there is --model pix2pix for pairs, cycle_gan for two kinds of images, and test for single ones.",
    ),
    Row("--epoch", ANY, "same"),
    Row("--which_epoch", ANY, "mapped", to="--epoch {}"),
    Row("--dataset_mode", "aligned colorization", "mapped", "what --model pix2pix reads."),
    Row("--dataset_mode", "unaligned", "mapped", "what --model cycle_gan reads."),
    Row("--dataset_mode", "single", "mapped", to="--model test"),
    Row("--dataset_mode", ANY, "refused", "there is aligned, unaligned, and single for single images."),
    # Names of 2017 and 2018, and other ways to say the same.
    Row("--how_many --ntest --max_dataset_size", ANY, "mapped", to="--num_test {}"),
    Row("--loadSize", ANY, "mapped", to="--load_size {}"),
    Row("--fineSize", ANY, "mapped", to="--crop_size {}"),
    Row("--resize_or_crop", ANY, "mapped", to="--preprocess {}"),
    Row("--which_direction", ANY, "mapped", to="--direction {}"),
    Row("--align_data --use_dropout", None, "mapped", "what pix2pix does anyway."),
    # What has no counterpart.
    Row("--netG --netD --ngf --ndf --n_layers_D --norm --input_nc --output_nc", ANY, "ignored", _PARTS),
    Row("--init_type --init_gain --which_model_netG --which_model_netD", ANY, "ignored", _PARTS),
    Row("--batch_size --batchSize --num_threads --nThreads", ANY, "ignored", _ONE_BY_ONE),
    Row("--serial_batches --no_flip", None, "ignored", _ONE_BY_ONE),
    Row("--gpu_ids", "-1", "ignored", _CPU),
    Row("--gpu_ids", ANY, "ignored", _GPUS),
    Row("--display_id --display_port --display_server --display_winsize", ANY, "ignored", _PAGE),
    Row("--use_wandb --verbose", None, "ignored", _PAGE),
    Row("--wandb_project_name", ANY, "ignored", _PAGE),
    Row("--identity", ANY, "ignored", "it is train.py's."),
    Row("--aspect_ratio", "1 1.0", "mapped", "images keep their sides."),
    Row("--aspect_ratio", ANY, "refused", "images keep their sides; --preprocess none keeps those of the files."),
    Row("--load_iter", "0", "mapped"),
    Row("--load_iter", ANY, "refused", _KEEPS),
    Row("--model_suffix", "_A", "mapped", "of a run of CycleGAN.", to="--direction AtoB"),
    Row("--model_suffix", "_B", "mapped", "of a run of CycleGAN.", to="--direction BtoA"),
    Row("--model_suffix", ANY, "refused", "a run of CycleGAN has _A and _B, one of pix2pix has none."),
    Row("--suffix", ANY, "refused", _NAME),
)


def read(arguments: list[str], rows: tuple[Row, ...] = TRAIN) -> tuple[list[str], list[str]]:
    """This program's arguments for the PyTorch code's, and the lines to print; what no row is about stays as it is.

    `-` and `_` are the same. Raises ValueError for a flag that is refused, or has no value or one too many.
    """
    ours: list[str] = []
    ignored: dict[str, dict[str, None]] = {}  # by reason, each flag once
    waiting = list(reversed(arguments))
    while waiting:
        argument = waiting.pop()
        name, equals, value = argument.partition("=")
        flag = f"--{name[2:].replace('-', '_')}" if name.startswith("--") else ""
        about = [row for row in rows if flag in row.flags.split()]
        if not about:
            ours.append(argument)
            continue
        given = [argument]
        if about[0].values is None:
            if equals:
                raise ValueError(f"{flag} takes no value; got {argument}.")
        elif not equals:
            if not waiting or waiting[-1].startswith("--"):
                raise ValueError(f"{flag} wants a value.")
            value = waiting.pop()
            given.append(value)
        row = next(row for row in about if row.values in (None, ANY) or value in str(row.values).split())
        if row.fate == "refused":
            raise ValueError(f"{' '.join([flag, value]).strip()}: {row.note}")
        if row.fate == "same":
            ours += given
        elif row.fate == "mapped":
            ours += [part.format(value) for part in row.to.split()]
        else:
            ignored.setdefault(row.note, {})[flag] = None
    return ours, [f"ignored {', '.join(flags)}: {note}" for note, flags in ignored.items()]


def table(rows: tuple[Row, ...] = TRAIN) -> str:
    """The rows as a Markdown table; neighbors that say the same share a line."""
    lines, seen = ["| Flag | Becomes | |", "|---|---|---|"], set()
    for (fate, to, note), alike in itertools.groupby(rows, lambda row: (row.fate, row.to, row.note)):
        shown = []
        for row in alike:
            flags = row.flags.split()
            values = str(row.values).split() if row.values not in (None, ANY) else [ANY if flags[0] in seen else ""]
            shown += [f"`{flag} {value}".rstrip() + "`" for flag in flags for value in values]
            seen.update(flags)
        target = f"`{to.replace(' {}', '')}`" if to else "nothing"
        becomes = {"same": "the same", "mapped": target}.get(fate, fate)
        lines.append(f"| {', '.join(shown)} | {becomes} | {note} |")
    return "\n".join(lines)
