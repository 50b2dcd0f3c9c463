"""Errors: flags of training."""

from importlib.metadata import PackageNotFoundError

from gan_jax.training import topology
from tests.errors.cases import PRESETS, Case, Patch, text

TITLE = "Flags of training"


def without_compiler(patch: Patch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    patch.setattr(topology, "version", missing)


CASES = [
    Case(
        "a line of `--config FILE` that names no flag",
        "pix2pix --config flags.toml",
        "flags.toml: there is no --btach_size here; perhaps --batch_size is meant; --help_all shows all flags.",
        text("flags.toml", "btach_size = 3\n"),
    ),
    Case(
        "`--config FILE` that is no TOML",
        "pix2pix --config flags.toml",
        "flags.toml is no TOML file with lines like lr = 0.0002: Expected '=' after a key in a key/value pair (at "
        "line 1, column 4).",
        text("flags.toml", "lr 3\n"),
    ),
    Case(
        "`--config FILE` with tables",
        "pix2pix --config flags.toml",
        "flags.toml has a table [train]; wanted lines flag = value alone.",
        text("flags.toml", "[train]\nlr = 3\n"),
    ),
    Case(
        "`--config FILE` without the file",
        "pix2pix --config nowhere.toml",
        "there is no file nowhere.toml; --config wants a TOML file with lines like lr = 0.0002.",
    ),
    Case("`--config` without its value", "pix2pix --config", "--config wants a value."),
    Case(
        "`--lambda_l1 3`",
        "pix2pix --lambda_l1 3",
        "there is no --lambda_l1 here; give --lambda_L1 W.",
    ),
    Case(
        "`--btach_size 8`",
        "pix2pix --btach_size 8",
        "there is no --btach_size here; perhaps --batch_size is meant; --help_all shows all flags.",
    ),
    Case(
        "`--batch_size 8.5`",
        "pix2pix --batch_size 8.5",
        "Error parsing --batch_size: invalid literal for int() with base 10: '8.5' … --batch_size INT",
    ),
    Case(
        "`--topology v5e:16x16` without `--dry_run`",
        "pix2pix --topology v5e:16x16",
        "--topology v5e:16x16 is of chips that are not here; give --dry_run with it.",
    ),
    Case(
        "`--dry_run --topology` of a slice that there is not",
        "pix2pix --dry_run --topology v5e:16",
        "--topology is v5e:16; wanted a kind of chip and a slice's sides, as v5e:16x16, v5p:4x4x4 or v6e:8x8, or a GPU "
        "and how many of one machine, as a100:1 or h100:8.",
    ),
    Case(
        "`--dry_run --topology` without the TPU's compiler",
        "pix2pix --dry_run --topology v5e:16x16",
        "libtpu, the TPU's compiler, is not installed; in an environment of its own: pip install "
        "'gan_jax[tpu-compile]'.",
        without_compiler,
    ),
    Case(
        "`--dry_run --topology` without the GPU's compiler",
        "pix2pix --dry_run --topology a100:1",
        "jax-cuda12-pjrt, the GPU's compiler, is not installed; in an environment of its own: pip install "
        "'gan_jax[gpu-compile]'.",
        without_compiler,
    ),
    Case("`--batch_size` without a value", "pix2pix --batch_size", "--batch_size wants a value."),
    Case(
        "`--save_every 10min`",
        "pix2pix --save_every 10min",
        "--save_latest_freq is 10min; wanted a number of steps, or minutes as in 10m.",
    ),
    Case("`--keep 1`", "pix2pix --keep 1", "--keep is 1; wanted at least 2."),
    Case(
        "`--accumulate 2` of 8 images on 8 devices",
        "pix2pix --accumulate 2",
        "--accumulate 2: batch_size 8 does not split evenly into 2 parts on each of 8 devices; wanted a "
        "multiple of 16.",
    ),
    Case(
        "`--accumulate 2` of 16 images, with batch norm",
        "pix2pix --accumulate 2 --batch_size 16",
        "--accumulate: the generator's batch norm has statistics of the whole batch, and a part of it has 1 of 16 "
        "images; give a --statistics_batch that divides 1, or leave --accumulate out.",
    ),
    Case(
        "`--accumulate 2` with `--gan_mode relativistic`",
        "pix2pix --accumulate 2 --batch_size 16 --gan_mode relativistic",
        "--accumulate cannot be right with --gan_mode relativistic, which looks at the whole batch; leave --accumulate "
        "out.",
    ),
    Case(
        "`--accumulate 2 --parallel pmap`",
        "pix2pix --accumulate 2 --batch_size 16 --parallel pmap",
        "--accumulate wants --parallel jit; leave one of them out.",
    ),
    Case("`--save_epoch_freq 0`", "pix2pix --save_epoch_freq 0", "--save_epoch_freq is 0; wanted at least 1."),
    Case(
        "`--init_gain 0`",
        "pix2pix --init_gain 0",
        "--init_gain is 0.0; wanted a finite number above 0.",
    ),
    Case("`--batch_size -8`", "pix2pix --batch_size -8", "--batch_size is -8; wanted at least 1."),
    Case(
        "`--batch_size 3` on 8 devices",
        "pix2pix --batch_size 3",
        "batch_size 3 does not split evenly over 8 devices; the nearest that does is 8. "
        "Fewer devices can be chosen too, by CUDA_VISIBLE_DEVICES for instance.",
    ),
    Case(
        "`--statistics_batch 3` with `--batch_size 8`",
        "pix2pix --statistics_batch 3",
        "--statistics_batch is 3; wanted a divisor of --batch_size 8.",
    ),
    Case(
        "`--parallel pmap` where the whole batch shares statistics",
        "pix2pix --parallel pmap",
        "--parallel pmap: the generator's batch norm has statistics of the whole batch, and a device has 1 of 8 "
        "images; give a --statistics_batch that divides 1, or use --parallel jit.",
    ),
    Case(
        "`--parallel pmap --gan_mode relativistic`",
        "pix2pix --parallel pmap --gan_mode relativistic --statistics_batch 1",
        "--parallel pmap cannot be right with --gan_mode relativistic, which looks at the whole batch; use "
        "--parallel jit.",
    ),
    Case(
        "`--gan_mode wgangp`",
        "pix2pix --gan_mode wgangp",
        "--gan_mode wgangp penalizes the critic's gradient at each image alone, and batch norm mixes images; give "
        "--norm instance or --norm none.",
    ),
    Case(
        "`--gan_mode lsgn`",
        "pix2pix --gan_mode lsgn",
        "invalid choice 'lsgn' for argument '--gan_mode'. Expected one of ( … 'lsgan'",
    ),
    Case(
        "`--model cycle_gan`",
        "pix2pix --model cycle_gan",
        "--model cycle_gan: it is another experiment; use gan-jax train cyclegan, or train.py.",
    ),
    Case(
        "`python train.py` without `--model`",
        "train.py --dataroot data",
        "no --model: give --model pix2pix or --model cycle_gan.",
    ),
    Case(
        "`--results_dir out`, a flag of `test.py`",
        "pix2pix --results_dir out",
        "--results_dir out: it is test.py's; leave it out.",
    ),
    Case(
        "`--direction AtoC`",
        "pix2pix --direction AtoC",
        "invalid choice 'AtoC' for argument '--direction'. Expected one of ( … 'BtoA'",
    ),
    Case(
        "`--derive gray --direction BtoA`",
        "pix2pix --derive gray --direction BtoA",
        "direction BtoA does not go with derive gray, which makes A from B; use direction AtoB.",
    ),
    Case(
        "`demo --input_nc 1`",
        "pix2pix --bare demo --input_nc 1",
        "the embedded facades are pairs in RGB: leave out --derive, --input_nc and --output_nc.",
    ),
    Case(
        "`--output_nc 4`",
        "pix2pix --output_nc 4",
        "--output_nc is 4; wanted 1 or 3 of images, and with --bands what the files have.",
    ),
    Case(
        "a preset that is not there",
        "pix2pix dmeo",
        f"no preset is called dmeo; there is {PRESETS}.",
    ),
    Case(
        "`--crop_size 64x`",
        "pix2pix --crop_size 64x",
        "Error parsing --crop_size: … --crop_size N|HEIGHTxWIDTH",
    ),
    Case("`--crop_size 0`", "pix2pix --crop_size 0", "--crop_size is 0; wanted at least 1."),
    Case("`--load_size -1`", "pix2pix --load_size -1", "--load_size is -1; wanted at least 1."),
    Case(
        "`--crop_size 100`",
        "pix2pix --crop_size 100 --load_size 100",
        "--crop_size 100: a U-Net of 5 levels takes multiples of 32, the nearest is 96.",
    ),
    Case(
        "`--crop_size 320 --load_size 286`",
        "pix2pix --crop_size 320 --load_size 286",
        "crop_size 320 is larger than load_size 286, the size to crop from; use a load_size of at least 320.",
    ),
    Case(
        "`--preprocess scale_width_and_crop --crop_size 64 --load_size 36`",
        "pix2pix --preprocess scale_width_and_crop --crop_size 64",
        "crop_size 64 is larger than load_size 36, the width to crop from; use a load_size of at least 64.",
    ),
    Case(
        "`--reducing_gap 0.5`",
        "pix2pix --reducing_gap 0.5",
        "--reducing_gap is 0.5; wanted at least 1.",
    ),
    Case(
        "`--reducing_gap` without resizing",
        "pix2pix --reducing_gap 2 --preprocess crop",
        "--reducing_gap is of images that are resized to load_size; leave it out with --preprocess crop.",
    ),
    Case(
        "`--reducing_gap` and `--bands`",
        "pix2pix --reducing_gap 2 --bands samples",
        "--reducing_gap is of 8-bit images; leave it out with --bands.",
    ),
    Case(
        "`--reducing_gap` with images that are drawn",
        "pix2pix --reducing_gap 2 --dataroot builtin:embedded",
        "--reducing_gap is of image files, which builtin:embedded has none of; leave it out.",
    ),
    Case(
        "`--reducing_gap` with A and B in one file",
        "pix2pix --reducing_gap 2",
        "--reducing_gap is of images in files of their own, not of A and B side by side; leave it out.",
    ),
    Case(
        "`--preprocess scale_width --load_size 32x64`",
        "pix2pix --preprocess scale_width --load_size 32x64",
        "load_size 32x64 has two sides, and the preprocesses that scale the width take one; use load_size 64.",
    ),
    Case(
        "`--netG unet_256 --crop_size 100`",
        "pix2pix --netG unet_256 --crop_size 100 --load_size 100",
        "--crop_size 100: a U-Net of 8 levels takes multiples of 256, the nearest is 256, or take a smaller --netG.",
    ),
    Case(
        "`--n_layers_D 5` on crops of 32",
        "pix2pix --n_layers_D 5",
        "images are 32x32; a PatchGAN of 5 layers wants 96 or more on a side: take a larger crop or fewer layers.",
    ),
    Case("`--n_layers_D 0`", "pix2pix --n_layers_D 0", "--n_layers_D is 0; wanted at least 1."),
    Case(
        "`--netD pixel --n_layers_D 5`",
        "pix2pix --netD pixel --n_layers_D 5",
        "--netD pixel takes no --n_layers_D; leave it out, or take --netD n_layers.",
    ),
    Case(
        "`--netG resnet_9blocks --no_skips`",
        "pix2pix --netG resnet_9blocks --no_skips",
        "--netG resnet_9blocks has no skips to leave out; leave out --no_skips, or take a U-Net.",
    ),
    Case("`--ngf -64`", "pix2pix --ngf -64", "--ngf is -64; wanted at least 1."),
    Case(
        "`--lambda_L1 nan`",
        "pix2pix --lambda_L1 nan",
        "--lambda_L1 is nan; wanted a finite number of at least 0.",
    ),
    Case("`--lr inf`", "pix2pix --lr inf", "--lr is inf; wanted a finite number above 0."),
    Case("`--beta1 1`", "pix2pix --beta1 1", "--beta1 is 1.0; wanted at least 0 and less than 1."),
    Case("`--ema_decay 1`", "pix2pix --ema_decay 1", "--ema_decay is 1.0; wanted at least 0 and less than 1."),
    Case(
        "`--gan_mode none --lambda_L1 0`",
        "pix2pix --gan_mode none --lambda_L1 0",
        "--gan_mode none with --lambda_L1 0 and --lambda_L2 0 leaves no loss; give one of them.",
    ),
    Case("`--max_dataset_size 0`", "pix2pix --max_dataset_size 0", "--max_dataset_size is 0; wanted at least 1."),
    Case(
        "`--n_epochs 0 --n_epochs_decay 0`",
        "pix2pix --n_epochs 0 --n_epochs_decay 0",
        "--n_epochs and --n_epochs_decay are both 0; wanted at least one epoch.",
    ),
    Case("`--seed -1`", "pix2pix --seed -1", "--seed is -1; wanted at least 0."),
    Case(
        "`--process_id 1` alone",
        "pix2pix --process_id 1",
        "--coordinator and --num_processes missing: give --coordinator HOST:PORT --num_processes N --process_id I "
        "together, or none of them where a cluster says it.",
    ),
    Case(
        "`--process_id 2` of 2",
        "pix2pix --coordinator host0:9876 --num_processes 2 --process_id 2",
        "--num_processes is 2 and --process_id 2; wanted at least 1 process, numbered from 0 on.",
    ),
    Case(
        "`--coordinator host0` without a port",
        "pix2pix --coordinator host0 --num_processes 2 --process_id 1",
        "--coordinator is host0; wanted HOST:PORT of process 0, as in host0:9876.",
    ),
    Case(
        "`--coordinator` with a name that does not resolve",
        "pix2pix --coordinator host0.invalid:9876 --num_processes 2 --process_id 1",
        "--coordinator host0.invalid:9876: the name host0.invalid is not known here (Name or service not known); give "
        "the name or the address of the host of process 0.",
    ),
    Case("`--num_threads 0`", "pix2pix --num_threads 0", "--num_threads is 0; wanted at least 1."),
    Case("`--crops_per_image 0`", "pix2pix --crops_per_image 0", "--crops_per_image is 0; wanted at least 1."),
    Case(
        "`--name a/b`",
        "pix2pix --name a/b",
        "--name is 'a/b'; wanted the name of one folder, without separators and not ending in _best or _critic or "
        "_critic_A or _critic_B.",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
