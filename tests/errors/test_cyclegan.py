"""Errors: CycleGAN."""

from tests.errors.cases import Case, pairs

TITLE = "CycleGAN"
CASES = [
    Case(
        "no `--dataroot` and no preset",
        "cyclegan",
        "no training images: give --dataroot FOLDER, or a preset (demo, monet2photo, cezanne2photo, "
        "ukiyoe2photo, vangogh2photo, horse2zebra, apple2orange, summer2winter_yosemite, iphone2dslr_flower, "
        "maps, facades, cityscapes).",
    ),
    Case(
        "a preset whose folder is not there",
        "cyclegan horse2zebra",
        "no folder datasets/horse2zebra; unpack "
        "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/horse2zebra.zip there, or give --dataroot.",
    ),
    Case(
        "pairs, without `--dataset_mode aligned`",
        "cyclegan --dataroot data",
        "no folder data/trainA; found test, train, val in data, wanted trainA and trainB, or A/train and "
        "B/train, with images of each kind (dataset_mode aligned reads pairs).",
    ),
    Case(
        "`--lr_policy plateau` where nothing has a counterpart",
        "cyclegan --dataroot data --lr_policy plateau",
        "--lr_policy plateau watches scores, which images without counterparts lack; take linear.",
        pairs("trainA/a.png", "trainB/b.png"),
    ),
    Case(
        "`--gan_mode none --cycle none`",
        "cyclegan --dataroot data --gan_mode none --cycle none",
        "--gan_mode none without a cycle leaves no loss; give one of them.",
    ),
    Case(
        "`--derive gray`",
        "cyclegan --dataroot data --derive gray",
        "--derive gray makes pairs; use pix2pix for them.",
    ),
    Case(
        "`--init_generator`",
        "cyclegan --dataroot data --init_generator runs/tiny",
        "--init_generator starts one network, and CycleGAN has two of each; leave it out.",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
