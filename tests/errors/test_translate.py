"""Errors: gan-jax translate."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax import model as models
from gan_jax.data import video
from gan_jax.infer import kept_frames
from gan_jax.infer.engine import Options
from tests.errors.cases import (
    ENDINGS,
    LONGEST,
    ONE,
    Case,
    Patch,
    Prepare,
    an_image,
    bomb,
    both,
    copy,
    folder,
    foreign,
    infinite,
    link,
    newer,
    of_channels,
    refusing,
    remove,
    text,
)

TITLE = "gan-jax translate"


def a_video(path: str) -> Prepare:
    """A video of 32x32, which no ffmpeg is asked about."""
    known = video.Video(path, 32, 32, 3, Fraction(24), True, 0.0, "bt709", (), "1:1", True, ())
    return both(text(path), lambda patch: patch.setattr(video, "probe", lambda asked: known))


def kept(path: str, clip: str, batch_size: int) -> Prepare:
    """A folder of frames of that clip by the run's generator."""

    def prepare(patch: Patch) -> None:
        asked = kept_frames.described(models.load("runs/tiny"), clip, Options(), batch_size=batch_size, seed=0)
        Path(path).mkdir()
        Path(path, kept_frames.FRAMES_JSON).write_text(json.dumps(asked))

    return prepare


CASES = [
    Case(
        "a run that does not exist",
        "gan-jax translate nowhere data/test out",
        "nowhere does not exist; name a .safetensors file, a run's folder, or what `gan-jax models` lists.",
    ),
    Case(
        "the name of an installed model, and a folder called so",
        "gan-jax translate upscale_x2 data/test out",
        "upscale_x2 may mean what is called so in this folder, or the model that the program knows by that word; give "
        "./upscale_x2 or builtin:upscale_x2.",
        folder("upscale_x2"),
    ),
    Case(
        "an installed model that there is not",
        "gan-jax translate builtin:upscale_x3 data/test out",
        "builtin:upscale_x3: there is builtin:upscale_x2 and builtin:upscale_x4; a folder of that name is "
        "./builtin:upscale_x3.",
    ),
    Case(
        "a video, without ffmpeg",
        "gan-jax translate runs/tiny clip.mp4 out.mp4",
        "videos are read and written by ffprobe, which is not on this machine; install it (apt install ffmpeg, brew "
        "install ffmpeg), or translate a folder of frames.",
        both(text("clip.mp4"), lambda patch: patch.setenv("PATH", "")),
    ),
    Case(
        "a video that does not exist",
        "gan-jax translate runs/tiny clip.mp4 out.mp4",
        "clip.mp4 does not exist; name a video.",
    ),
    Case(
        "two videos",
        "gan-jax translate runs/tiny clip.mp4 other.mp4 out.mp4",
        "a video is translated alone; give gan-jax translate MODEL clip.mp4 out.mp4.",
    ),
    Case(
        "a folder into a video",
        "gan-jax translate runs/tiny data/test out.mp4",
        "out.mp4 is the name of a video and data/test is none; name a folder or an image.",
    ),
    Case(
        "a video into a folder",
        "gan-jax translate runs/tiny clip.mp4 out",
        "clip.mp4 is a video; wanted one to write, called .mp4 or .m4v or .mov or .mkv or .webm, and not out.",
    ),
    Case(
        "a video over itself",
        "gan-jax translate runs/tiny clip.mp4 ./clip.mp4",
        "clip.mp4 is the input and would be overwritten; write to another file.",
        text("clip.mp4"),
    ),
    Case(
        "`--samples` of a video",
        "gan-jax translate runs/tiny clip.mp4 out.mp4 --samples 3",
        "--samples is for images and clip.mp4 is a video; leave it out.",
        text("clip.mp4"),
    ),
    Case(
        "`--frames` of images",
        "gan-jax translate runs/tiny data/test out --frames frames",
        "--frames is for videos and data/test is none; leave it out, and give --skip_existing to go on.",
    ),
    Case(
        "`--frames` names a file",
        "gan-jax translate runs/tiny clip.mp4 out.mp4 --frames frames",
        "--frames frames is a file; wanted a folder.",
        both(a_video("clip.mp4"), text("frames")),
    ),
    Case(
        "`--frames` names a folder of other things",
        "gan-jax translate runs/tiny clip.mp4 out.mp4 --frames data/test",
        "data/test holds files but no frames.json, so no frames of ours; name another folder.",
        a_video("clip.mp4"),
    ),
    Case(
        "`--frames` names the folder of another clip, with another batch size",
        "gan-jax translate runs/tiny clip.mp4 out.mp4 --frames frames",
        "frames holds frames of another job: the clip is another; --batch_size was 2 and is 1. Give what was given "
        "then to go on, or name another folder.",
        both(a_video("clip.mp4"), text("other.mp4", "y"), kept("frames", "other.mp4", 2)),
    ),
    Case(
        "`--frames` names a folder whose frames.json is damaged",
        "gan-jax translate runs/tiny clip.mp4 out.mp4 --frames frames",
        "frames/frames.json is damaged; name another folder, or remove frames.",
        both(a_video("clip.mp4"), text("frames/frames.json")),
    ),
    Case(
        "a folder without a generator",
        "gan-jax translate data data/test out",
        "data holds no generator (*.safetensors); a run writes one when it saves.",
    ),
    Case(
        "a folder of two generators",
        "gan-jax translate runs/tiny data/test out",
        "runs/tiny holds several generators (a.safetensors, tiny.safetensors); name one of the files.",
        copy("runs/tiny/tiny.safetensors", "runs/tiny/a.safetensors"),
    ),
    Case(
        "a folder of several runs",
        "gan-jax translate runs data/test out",
        "runs holds several runs (other, tiny); name the folder of one.",
        copy("runs/tiny", "runs/other"),
    ),
    Case(
        "a run of CycleGAN, without its direction",
        "gan-jax translate runs/tiny data/test out",
        "runs/tiny holds several generators (tiny_AtoB.safetensors, tiny_BtoA.safetensors); give --direction AtoB "
        "or BtoA, or name one of the files.",
        both(
            copy("runs/tiny/tiny.safetensors", "runs/tiny/tiny_AtoB.safetensors"),
            copy("runs/tiny/tiny.safetensors", "runs/tiny/tiny_BtoA.safetensors"),
            remove("runs/tiny/tiny.safetensors"),
        ),
    ),
    Case(
        "`--direction` of a run of one generator",
        "gan-jax translate runs/tiny data/test out --direction BtoA",
        "runs/tiny holds no generator BtoA (tiny.safetensors); leave out --direction.",
    ),
    Case(
        "`--direction` of a generator's file",
        "gan-jax translate runs/tiny/tiny.safetensors data/test out --direction BtoA",
        "runs/tiny/tiny.safetensors is the file of one generator; leave out --step and --direction.",
    ),
    Case(
        "`--step 3` of a run that kept others",
        "gan-jax translate runs/tiny data/test out --step 3",
        "runs/tiny keeps no generator of step 3; it keeps those of step 2: give one of them.",
        folder("runs/tiny/kept/2"),
    ),
    Case(
        "`--step 3` of a run that kept none",
        "gan-jax translate runs/tiny data/test out --step 3",
        "runs/tiny keeps no generator of step 3; a run keeps what --keep, --save_epoch_freq or "
        "--save_checkpoint_freq asks for while it trains.",
    ),
    Case(
        "the comparison that `wgan ring` makes",
        "gan-jax translate ring data/test out",
        "ring compares methods and keeps no generator; gan-jax report shows its results.",
        text("ring/config.json", '{"recipe": {}}'),
    ),
    Case(
        "a critic in place of a generator",
        "gan-jax translate runs/tiny/tiny_critic.safetensors data/test out",
        "runs/tiny/tiny_critic.safetensors: the file holds a critic; wanted a generator: name its file or the run.",
    ),
    Case(
        "an image in place of a generator",
        f"gan-jax translate {ONE} data/test out",
        f"{ONE} cannot be read: it is no PyTorch file, nor other weights; name a .pth, .pt, .safetensors or .npz file.",
    ),
    Case(
        "a generator's file from a newer gan_jax",
        "gan-jax translate g.safetensors data/test out",
        "g.safetensors has format 5 and this gan_jax reads up to 4; install a newer gan_jax.",
        newer("g.safetensors"),
    ),
    Case(
        "a generator of channels that no image has",
        "gan-jax translate g.safetensors data/test out",
        "the generator turns 2 channels into 3 and image files have 1 or 3; give it arrays, from Python.",
        of_channels("g.safetensors", 2),
    ),
    Case(
        "no output",
        "gan-jax translate runs/tiny data/test",
        "give at least one input and, last, an output: gan-jax translate RUN in/ out/.",
    ),
    Case(
        "an input that does not exist",
        "gan-jax translate runs/tiny nowhere out",
        "nowhere does not exist; name an image or a folder of images.",
    ),
    Case(
        "a folder without images",
        "gan-jax translate runs/tiny empty out",
        f"no images in empty; wanted files there that end in {ENDINGS}.",
        folder("empty"),
    ),
    Case(
        "the folder of the inputs as that of the outputs",
        "gan-jax translate runs/tiny data/test data/test",
        "data/test/test_0000.png is one of the inputs and would be overwritten; write to another folder.",
    ),
    Case(
        "two inputs of one name",
        "gan-jax translate runs/tiny data/test more out",
        "data/test/test_0000.png and more/test_0000.png would both be written to out/test_0000.png; rename one, "
        "or translate them into two folders.",
        an_image("more/test_0000.png"),
    ),
    Case(
        "a file in place of the folder to write to",
        "gan-jax translate runs/tiny data/test out",
        "out is a file; wanted a folder to write to, or one .png for one image.",
        text("out"),
    ),
    Case(
        "a damaged image; the others are translated",
        "gan-jax translate runs/tiny data/test out",
        "data/test/damaged.png is damaged or not an image; replace or remove it.",
        text("data/test/damaged.png"),
        code=1,
        writes="out/",
    ),
    Case(
        "an image of 900 megapixels; the others are translated",
        "gan-jax translate runs/tiny data/test out",
        "data/test/bomb.png has more than 178,956,970 pixels, Pillow's limit; scale it down or cut it up.",
        bomb("data/test/bomb.png"),
        code=1,
        writes="out/",
    ),
    Case(
        "a link to nowhere; the others are translated",
        "gan-jax translate runs/tiny data/test out",
        "data/test/link.png cannot be read; see that it exists and may be read, or remove it.",
        link("data/test/link.png", "nowhere.png"),
        code=1,
        writes="out/",
    ),
    Case(
        "a full disk",
        "gan-jax translate runs/tiny data/test/test_0000.png out",
        "out/test_0000.png cannot be written (No space left on device); make room, then give the same command again.",
        refusing(Image.Image, "save"),
        code=1,
        writes="out/",
    ),
    Case(
        "`--samples 2 --dropout off`",
        "gan-jax translate runs/tiny data/test out --samples 2 --dropout off",
        "dropout is off, so that all samples would be equal; turn dropout on, or ask for no samples.",
    ),
    Case(
        "`--batch_size 0`",
        "gan-jax translate runs/tiny data/test out --batch_size 0",
        "--batch_size is 0; wanted at least 1.",
    ),
    Case(
        "`--tile -1`",
        "gan-jax translate runs/tiny data/test out --tile -1",
        "--tile is -1; wanted at least 1, or 0 for whole images.",
    ),
    Case(
        "`--outscale 0`",
        "gan-jax translate runs/tiny data/test out --outscale 0",
        "--outscale is 0; wanted more than 0 and at most 64.",
    ),
    Case(
        "16 bits a channel, to be written as JPEG",
        "gan-jax translate runs/tiny data/test/deep.png out.jpg",
        "out.jpg cannot be written (16 bits a channel are written to .png or .tif alone).",
        an_image("data/test/deep.png", dtype=np.uint16),
        code=1,
    ),
    Case(
        "an output that is not finite",
        "gan-jax translate g.safetensors data/test/test_0000.png out",
        "data/test/test_0000.png has an output that is not finite; see whether the generator is damaged.",
        infinite("g.safetensors"),
        code=1,
    ),
    Case(
        "`--sampels 2`",
        "gan-jax translate runs/tiny data/test out --sampels 2",
        "there is no --sampels here; perhaps --samples is meant; --help shows all flags.",
    ),
    Case(
        "a flag of Real-ESRGAN",
        "gan-jax translate -n runs/tiny -i data/test",
        "there is no -n here; the generator's file or its run's folder comes first, without a flag.",
    ),
    Case(
        "a damaged file of PyTorch",
        "gan-jax translate latest_net_G.pth data/test out",
        "latest_net_G.pth is damaged or no PyTorch file (File is not a zip file); copy or download it again.",
        text("latest_net_G.pth", "PK and something that no archive has"),
    ),
    Case(
        "weights of a network that is not known",
        "gan-jax translate theirs.safetensors data/test out",
        "theirs.safetensors: it holds no state_dict: no arrays with names like 'model.1.weight'.",
        foreign("theirs.safetensors"),
    ),
    Case(
        "a folder of PyTorch's files",
        "gan-jax translate weights data/test out",
        "weights holds no generator (*.safetensors); name net_G.pth in it itself.",
        text("weights/net_G.pth", "PK"),
    ),
    Case(
        "an output in a format that is not written",
        "gan-jax translate runs/tiny data/test/test_0000.png out.heic",
        "out.heic: images are not written as .heic; wanted .png, .jpg, .webp, .tif, .bmp, .ppm, .jp2 or .avif.",
    ),
    Case(
        "a folder into one file",
        "gan-jax translate runs/tiny data/test out.png",
        "out.png is the name of one image and data/test may give several; name a folder.",
    ),
    Case(
        "an output whose name would be too long",
        f"gan-jax translate runs/tiny {LONGEST} out --suffix _out",
        f"a file or folder called {LONGEST[:40]}... cannot be made: its name has 259 bytes, and the file system "
        "takes 255; give a shorter name.",
        an_image(LONGEST),
    ),
    Case(
        "a frame that there is not",
        "gan-jax translate runs/tiny data/test/test_0000.png out --frame 2",
        "data/test/test_0000.png has no frame 2; wanted 0.",
        code=1,
    ),
    Case(
        "`--quality` for PNG",
        "gan-jax translate runs/tiny data/test out --quality 90",
        "--quality is for .jpg, .webp and .avif; leave it out, or give --format.",
    ),
    Case(
        "`--quality 101`",
        "gan-jax translate runs/tiny data/test out --quality 101 --format jpg",
        "--quality is 101; wanted 1 to 100.",
    ),
    Case(
        "`--suffix` with a folder",
        "gan-jax translate runs/tiny data/test out --suffix x/y",
        "--suffix is x/y; wanted the end of a name, without separators.",
    ),
    Case(
        "`gan-jax translat`",
        "gan-jax translat",
        "there is no verb translat; perhaps translate is meant; wanted one of train, translate, sample, models, "
        "app, evaluate, convert, blend, export, inspect, shrink, data, study, report.",
    ),
    Case("`gan-jax pix2pix`", "gan-jax pix2pix", "there is no verb pix2pix; use train pix2pix."),
    Case("`gan-jax predict`", "gan-jax predict runs/tiny", "there is no verb predict; use translate."),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
