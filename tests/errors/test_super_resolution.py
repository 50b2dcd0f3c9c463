"""Errors: super-resolution."""

from tests.errors.cases import Case, an_image, both, remove

TITLE = "Super-resolution"
CASES = [
    Case(
        "no `--dataroot`",
        "srgan",
        "no training images: give --dataroot FOLDER, builtin:photos for scikit-image's, or a preset.",
    ),
    Case(
        "a folder that does not exist",
        "srgan --dataroot nowhere",
        "no folder nowhere; wanted photographs in it, or in folders train, val and test.",
    ),
    Case(
        "low resolution that is not in the ratio of `--scale`",
        "srgan --dataroot high --dataroot_lq low --scale 2 --gt_size 16 --stage srresnet",
        "high/train/a.png is 64x64 and its low resolution 31x32; wanted 32x32 at --scale 2.",
        both(an_image("high/train/a.png", 64, 64), an_image("low/train/a.png", 31, 32)),
    ),
    Case(
        "a crop that `--scale` does not divide",
        "srgan --dataroot data --scale 4 --gt_size 30",
        "--gt_size is 30; wanted a multiple of --scale 4.",
    ),
    Case(
        "a crop that is larger than what it is cut out of",
        "srgan --dataroot data --gt_size 256 --degrade_size 200",
        "--degrade_size is 200; wanted at least --gt_size 256.",
    ),
    Case(
        "noise beside degradations that have their own",
        "srgan --dataroot data --downscale second_order --noise 5",
        "--downscale second_order has blur, noise and JPEG of its own: leave out --noise, --jpeg, --soften and "
        "--clean.",
    ),
    Case(
        "VGG19 without its file",
        "srgan --dataroot data --stage srgan --gt_size 16 --netG msrresnet --netD srgan",
        "VGG19's weights are in no package; download https://download.pytorch.org/models/vgg19-dcbb9e9d.pth (548 "
        "MB) and name it with --vgg_file.",
        both(remove("data"), *(an_image(f"data/{split}/a.png", 64, 64) for split in ("train", "val", "test"))),
    ),
    Case(
        "`--from_step` for both stages",
        "srgan --dataroot data --stage both --from_step 2",
        "--from_step goes back in one run, and --stage both makes two; give the stage's own command.",
    ),
    Case(
        "both stages of a preset that is the second",
        "srgan srgan-paper --dataroot data --stage both",
        "srgan-paper is the second stage alone; both are srresnet-paper --stage both.",
    ),
    Case(
        "`--gan_mode wgangp` with batch norm in the critic",
        "srgan --dataroot data --gan_mode wgangp --netD srgan",
        "--gan_mode wgangp penalizes the critic's gradient at each image alone, and batch norm mixes images; "
        "give --norm_d instance, layer or none.",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
