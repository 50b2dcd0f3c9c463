"""Errors: images to train on."""

import numpy as np

from tests.errors.cases import (
    ENDINGS,
    ONE,
    PRESETS,
    SPLITS,
    Case,
    an_image,
    bomb,
    both,
    channels,
    cut,
    folder,
    forbidden,
    link,
    pairs,
    photographs,
    remove,
    text,
)

TITLE = "Images to train on"
CASES = [
    Case(
        "no `--dataroot` and no preset",
        "pix2pix --bare",
        f"no training images: give --dataroot FOLDER, or a preset ({PRESETS}).",
    ),
    Case(
        "`--dataroot embedded` where a folder is called so",
        "pix2pix --dataroot embedded",
        "--dataroot embedded may mean what is called so in this folder, or the images that the program knows by "
        "that word; give --dataroot ./embedded or --dataroot builtin:embedded.",
        folder("embedded"),
    ),
    Case(
        "`--dataroot builtin:photos` of a recipe that has none",
        "pix2pix --dataroot builtin:photos",
        "--dataroot builtin:photos: there is builtin:embedded and builtin:tfds:NAME; a folder of that name is "
        "./builtin:photos.",
    ),
    Case(
        "photographs without `--derive`",
        "pix2pix --dataroot data",
        "the images of data look like single photographs, not like A and B side by side; give --derive gray or "
        "edges or blur or mosaic or lab to make their inputs of them, or --dataset_mode aligned if they are pairs all "
        "the same.",
        photographs("data", 9),
    ),
    Case(
        "`--derive` where images are pairs",
        "pix2pix --derive gray",
        "the images of data/train look like A and B side by side, and --derive gray makes the input of single "
        "photographs; leave it out, or give --dataset_mode single if they are photographs all the same.",
    ),
    Case(
        "`--derive` where there are `trainA` and `trainB`",
        "pix2pix --derive gray",
        "derive gray makes A of single photographs, and data has folders of A and of B; leave it out, or give the "
        "folder of one of them.",
        pairs("trainA/a.png", "trainB/a.png"),
    ),
    Case(
        "`--dataset_mode single` without `--derive`",
        "pix2pix --dataset_mode single",
        "--dataset_mode single wants --derive gray or edges or blur or mosaic or lab, which makes the inputs; single "
        "images are translated by gan-jax translate RUN INPUT OUTPUT.",
    ),
    Case(
        "`--dataset_mode aligned` with `--derive`",
        "pix2pix --dataset_mode aligned --derive blur",
        "--dataset_mode aligned reads pairs, and --derive blur makes the input of single photographs; leave out "
        "one of them.",
    ),
    Case(
        "a folder that does not exist",
        "pix2pix --dataroot nowhere",
        "no folder nowhere; wanted one with images in it or in split folders.",
    ),
    Case(
        "a file in place of the folder",
        "pix2pix --dataroot data/train/train_0003.png",
        f"no folder {ONE}; wanted one with images in it or in split folders.",
    ),
    Case(
        "an empty folder",
        "pix2pix",
        f"no images in data; wanted files there that end in {ENDINGS}{SPLITS}.",
        folder("data"),
    ),
    Case(
        "a folder of other files only",
        "pix2pix",
        f"no images in data; wanted files there that end in {ENDINGS}{SPLITS}.",
        both(folder("data"), text("data/notes.txt")),
    ),
    Case(
        "a folder with `test`, without `train`",
        "pix2pix",
        f"no folder data/train; wanted files there that end in {ENDINGS}.",
        remove("data/train"),
    ),
    Case(
        "an empty `train`",
        "pix2pix",
        f"no images in data/train; wanted files there that end in {ENDINGS}.",
        folder("data/train"),
    ),
    Case(
        "`trainA` without `trainB`",
        "pix2pix",
        f"no folder data/trainB; wanted files there that end in {ENDINGS}.",
        pairs("trainA/a.png"),
    ),
    Case(
        "`--model cycle_gan` on a folder of pairs",
        "train.py --model cycle_gan --dataroot data --checkpoints_dir runs --name new",
        "no folder data/trainA; found test, train, val in data, wanted trainA and trainB, or A/train and B/train, "
        "with images of each kind (dataset_mode aligned reads pairs).",
    ),
    Case(
        "names in `trainA` and `trainB` that do not match",
        "pix2pix",
        "no partner of the same name for data/trainA/a.png, data/trainB/b.png; "
        "add the partners, or remove these images.",
        pairs("trainA/a.png", "trainB/b.png"),
    ),
    Case(
        "two images of one name",
        "pix2pix",
        "data/train/train_0003.jpg differs from another image in its extension only; remove one.",
        an_image("data/train/train_0003.jpg"),
    ),
    Case(
        "A and B side by side in an odd width",
        "pix2pix",
        f"{ONE} is 65x32; A and B side by side need an even width: crop or remove it.",
        an_image(ONE, width=65),
    ),
    Case(
        "A and B of different sizes",
        "pix2pix",
        "data/trainA/a.png is 64x32 but data/trainB/a.png is 62x32; give both images of a pair one size.",
        both(pairs("trainA/a.png"), an_image("data/trainB/a.png", width=62)),
    ),
    Case(
        "an image of no bytes",
        "pix2pix",
        f"{ONE} is damaged or not an image; replace or remove it.",
        text(ONE, ""),
    ),
    Case(
        "a text that is called .png",
        "pix2pix",
        f"{ONE} is damaged or not an image; replace or remove it.",
        text(ONE, "no image"),
    ),
    Case(
        "an image cut short within its header",
        "pix2pix",
        f"{ONE} is damaged or not an image; replace or remove it.",
        cut(ONE, 0.01),
    ),
    Case(
        "an image of 900 megapixels",
        "pix2pix",
        f"{ONE} has more than 178,956,970 pixels, Pillow's limit; scale it down or cut it up.",
        bomb(ONE),
    ),
    Case(
        "an image of 16 bits a channel",
        "pix2pix",
        f"{ONE} has more than 8 bits a channel; convert it to 8 bits (pix2pix and CycleGAN read it as it is with "
        "--bands).",
        an_image(ONE, dtype=np.uint16),
    ),
    Case(
        "an image of floating point",
        "pix2pix",
        "data/train/float.tif has mode F; convert it to 8 bits, gray or RGB (pix2pix and CycleGAN read it as it is "
        "with --bands).",
        an_image("data/train/float.tif", dtype=np.float32),
    ),
    Case(
        "a TIFF of five channels without `--bands`",
        "pix2pix",
        "data/train/five.tif is damaged or no TIFF of 8 bits in gray or RGB; replace or convert it (pix2pix and "
        "CycleGAN read it as it is with --bands).",
        channels("data/train/five.tif", 5),
    ),
    Case(
        ".npy files without `--bands`",
        "pix2pix",
        "the files in data/trainA are .npy; --bands samples reads them.",
        both(remove("data"), channels("data/trainA/a.npy", 5), channels("data/trainB/a.npy", 1)),
    ),
    Case(
        "`--bands` where A and B share files",
        "pix2pix --bands samples",
        "data has no folders of A and of B, from which --bands reads; give it trainA and trainB, or A and B.",
    ),
    Case(
        "floats without a range",
        "pix2pix --bands samples",
        "data/trainB/a.npy is float32, which says no range; give --output_values LOW:HIGH (the numbers of some images "
        "are 0 to 0).",
        both(remove("data"), channels("data/trainA/a.tif", 5), channels("data/trainB/a.npy", 1, np.float32)),
    ),
    Case(
        "pages that are not said to be channels",
        "pix2pix --bands samples",
        "data/trainA/a.tif has 5 pages; --bands pages reads them as channels, else keep one.",
        both(remove("data"), channels("data/trainA/a.tif", 5, bands="pages"), channels("data/trainB/a.tif", 1)),
    ),
    Case(
        "channels that differ within a side",
        "pix2pix --bands samples",
        "data/trainA/c.tif is uint16 in 4 channels, and most images beside it are uint16 in 5 channels; give them one "
        "dtype and the same channels.",
        both(
            remove("data"),
            *(channels(f"data/trainA/{name}.tif", 5 - (name == "c")) for name in "abc"),
            *(channels(f"data/trainB/{name}.tif", 1) for name in "abc"),
        ),
    ),
    Case(
        "`--input_values` that are no range",
        "pix2pix --bands samples --input_values 10000",
        "Error parsing --input_values … wanted two numbers LOW:HIGH",
    ),
    Case(
        "two images that cannot be used",
        "pix2pix",
        "data/train/train_0001.png is 65x32; A and B side by side need an even width: crop or remove it. "
        "1 more cannot be used.",
        both(an_image("data/train/train_0001.png", width=65), text(ONE, "")),
    ),
    Case(
        "a damaged image among those for validation",
        "pix2pix",
        "data/val/val_0000.png is damaged or not an image; replace or remove it.",
        text("data/val/val_0000.png", ""),
    ),
    Case(
        "a link to nowhere",
        "pix2pix",
        "data/train/link.png cannot be read; see that it exists and may be read, or remove it.",
        link("data/train/link.png", "nowhere.png"),
    ),
    Case(
        "an image that may not be read",
        "pix2pix",
        f"{ONE} cannot be read; see that it exists and may be read, or remove it.",
        forbidden(ONE),
    ),
    Case(
        "a crop larger than the images",
        "pix2pix --preprocess crop --crop_size 64",
        "data/train/train_0000.png is 32x32 for A and B each; wanted at least 64 pixels on each side: "
        "enlarge or remove it. 15 more cannot be used.",
    ),
    Case(
        "images of several sizes with `--preprocess none`",
        "pix2pix --preprocess none --netG unet_32",
        "source images of one batch have different shapes, (32, 32, 3) and (64, 64, 3); use a --preprocess "
        "that makes them equal, or --batch_size 1.",
        both(*(an_image(f"data/train/large_{i}.png", 128, 64) for i in range(8))),
        writes="runs/new/",
    ),
    Case(
        "a test image of 10 x 10 pixels",
        "pix2pix",
        "data/test/small.png is 10x10 for A and B each; wanted at least 11 pixels on each side: enlarge or remove it.",
        an_image("data/test/small.png", 20, 10),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
