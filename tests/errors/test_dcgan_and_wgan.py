"""Errors: DCGAN and WGAN."""

from tests.errors.cases import Case, pairs, text

TITLE = "DCGAN and WGAN"
CASES = [
    Case("no `--dataroot` and no preset", "dcgan", "no training images: give --dataroot FOLDER, or a preset."),
    Case(
        "`--conditional` where images have no classes",
        "dcgan --dataroot data --conditional",
        "--conditional wants images with labels, and data has no folder for each class; leave it out, or sort "
        "the images.",
    ),
    Case(
        "an image beside the folders of classes",
        "dcgan --dataroot data",
        "data/train/c.png is beside the folders of classes (cat, dog); move it into one.",
        pairs("train/cat/a.png", "train/dog/b.png", "train/c.png"),
    ),
    Case(
        "a class to test on that training has not",
        "dcgan --dataroot data --conditional",
        "data/test/cow/c.png is in no class that the training images have (cat, dog); move it, or add the "
        "class to train.",
        pairs("train/cat/a.png", "train/dog/b.png", "test/cow/c.png"),
    ),
    Case(
        "a data set that TFDS has not prepared",
        "dcgan --dataroot tfds:nothing --tfds_dir data",
        "the data set nothing is not prepared in data; where there is internet, prepare it with `pip install "
        "tensorflow tensorflow-datasets` and `tfds build nothing --file_format=array_record --data_dir=data`, "
        "and bring data/nothing here.",
    ),
    Case(
        "`--size 24`",
        "dcgan --dataroot data --size 24",
        "--size is 24; wanted a power of two of at least 8: 32, 64 or 128.",
    ),
    Case("`--nz 0`", "dcgan --dataroot data --nz 0", "--nz is 0; wanted at least 1."),
    Case(
        "`--norm_d batch` under the penalty",
        "wgan --dataroot data --norm_d batch",
        "--norm_d batch: the penalty is on the critic's gradient at each image alone, and batch norm mixes "
        "images; give --norm_d layer, instance or none, or --clip in place of the penalty.",
    ),
    Case("`--clip 0`", "wgan --dataroot data --clip 0", "--clip is 0.0; wanted a finite number above 0."),
    Case(
        "`--lambda_gp 0`",
        "wgan --dataroot data --lambda_gp 0",
        "--lambda_gp is 0.0; wanted a finite number above 0, or --clip in its place.",
    ),
    Case("`--n_critic 0`", "wgan --dataroot data --n_critic 0", "--n_critic is 0; wanted at least 1."),
    Case(
        "a flag beside the ring's own settings",
        "wgan ring --lr 1e-3",
        "ring has settings of its own, which --dry_run shows; leave out --lr.",
    ),
    Case(
        "the ring in a folder that holds something else",
        "wgan ring --name images",
        "runs/images holds files but no config.json, so it is no run; take another --name.",
        text("runs/images/a"),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
