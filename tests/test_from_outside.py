"""What people's files and terminals do to the program: each test is one input, made without a look at the code.

The program is driven from outside, by its command lines in processes of their own (two tests: by `python -c`).
"""

# ruff: noqa: PT018 - a message is for the whole assertion

import csv
import datetime
import html
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin
from safetensors.numpy import load_file, save_file

from tests import save_like_torch

pytestmark = pytest.mark.slow  # two minutes of processes
ROOT = str(Path(__file__).parents[1])
TINY = [
    "--ngf",
    "2",
    "--ndf",
    "2",
    "--n_layers_D",
    "1",
    "--crop_size",
    "32",
    "--load_size",
    "36",
    "--n_epochs_decay",
    "0",
    "--print_freq",
    "1",
    "--save_latest_freq",
    "1000",
]


# Helpers


def python(arguments, after=":"):
    """A command, after one of the shell's own: a `preexec_fn` would fork this process, in which JAX has threads."""
    return ["sh", "-c", f'{after}; exec "$@"', "sh", sys.executable, *map(str, arguments)]


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def run(home):
    """(module and arguments, cwd=, env=, ...) -> the finished process, with `.said`: both streams as one line."""

    def call(*arguments, cwd=None, env=None, timeout=150, after=":", **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.run(
            python(arguments, after), cwd=cwd or home, env=environment(home, env), timeout=timeout,
            stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip
        process.out, process.err = (
            (part or b"").decode("utf-8", "replace") for part in (process.stdout, process.stderr)
        )
        process.said = flat(process.out + " " + process.err)
        return process

    return call


@pytest.fixture(scope="session")
def gan_jax(run):
    return lambda *arguments, **options: run("-m", "gan_jax.cli", *arguments, **options)


def environment(home, more=None):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JAX_", "LC_", "PYTEST"))}
    ours = {
        "PYTHONPATH": ROOT, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "HOME": str(home), "COLUMNS": "400",
        "XDG_CACHE_HOME": str(home / "cache"), "LC_ALL": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1",
        # Only for speed: programs are compiled once, and fast rather than well.
        "JAX_COMPILATION_CACHE_DIR": str(home / "programs"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }  # fmt: skip
    return {k: v for k, v in {**kept, **ours, **(more or {})}.items() if v is not None}


def flat(text):
    """Without boxes and line ends, so that a wrapped sentence is found."""
    return " ".join(re.sub(r"[│╭╮╰╯─┃]", " ", text).split())


def fine(process, code=0):
    """No Python trouble is shown, and the exit code is as wanted (None: any)."""
    for word in ("Traceback", "Exception ignored", "UserWarning", "site-packages"):
        assert word not in process.said, process.said[-1500:]
    if code is not None:
        assert process.returncode == code, (process.returncode, process.said[-1500:])
    return process


def refused(process):
    """It ended as wrong input does: one sentence, no Python trouble."""
    fine(process, None)
    assert process.returncode in (1, 2), (process.returncode, process.said[-1500:])
    return process


def noise(seed, height, width, channels=3, block=4):
    small = np.random.default_rng(seed).integers(0, 256, (-(-height // block), -(-width // block), channels))
    return np.kron(small, np.ones((block, block, 1), int))[:height, :width].astype(np.uint8)


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path, **options)
    return path


def pixels(path, mode="RGB"):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode)).astype(int)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def visible(page):
    """The words of an HTML page."""
    text = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def log_rows(folder):
    path = folder / "log.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def chunk(kind, content, crc=None):
    checked = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)


def with_chunk(path, inserted):
    """A PNG file with one more chunk behind its header."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + inserted + content[33:])
    return path


def msr_state(seed=0, scale=4, first="body", hr="conv_hr"):
    """The weights of a small MSRResNet, in BasicSR's names."""
    rng, n = np.random.default_rng(seed), 4

    def conv(o, i):
        return {"weight": rng.normal(0, 0.1, (o, i, 3, 3)).astype("f4"), "bias": rng.normal(0, 0.1, o).astype("f4")}

    layers = {"conv_first": conv(n, 3), f"{first}.0.conv1": conv(n, n), f"{first}.0.conv2": conv(n, n)}
    for up in range({2: 1, 3: 1, 4: 2}[scale]):
        layers[f"upconv{up + 1}"] = conv(n * (9 if scale == 3 else 4), n)
    layers |= {hr: conv(n, n), "conv_last": conv(3, n)}
    return {f"{layer}.{leaf}": array for layer, leaves in layers.items() for leaf, array in leaves.items()}


def same_arrays(one, other):
    one, other = load_file(one), load_file(other)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="session")
def bilinear(tmp_path_factory, gan_jax):
    """A generator x4 that is exactly bilinear."""
    folder = tmp_path_factory.mktemp("bilinear")
    weights = {name: np.zeros_like(array) for name, array in msr_state().items()}
    save_like_torch.save(folder / "bilinear.pth", {"params": weights})
    fine(gan_jax("convert", folder / "bilinear.pth", folder / "x4.safetensors"))
    return folder / "x4.safetensors"


@pytest.fixture(scope="session")
def plain(tmp_path_factory, gan_jax):
    """What the plain file of `msr_state()` is converted to."""
    folder = tmp_path_factory.mktemp("plain")
    save_like_torch.save(folder / "net.pth", {"params": msr_state()})
    fine(gan_jax("convert", folder / "net.pth", folder / "plain.safetensors"))
    return folder / "plain.safetensors"


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Side by side, 12 to train on and a single one to test, no val."""
    root = tmp_path_factory.mktemp("data") / "pairs"
    for split, count in (("train", 12), ("test", 1), ("night_2024", 2)):
        for i in range(count):
            write(root / split / f"p{i}.png", noise(i, 32, 64))
    return root


def start(home, arguments, cwd=None, env=None, after=":", **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    return subprocess.Popen(
        python(["-m", *arguments], after), cwd=cwd or home, env=environment(home, env),
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip


def wait_for(process, condition, seconds=90):
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Trained:
    """A run and what it said."""

    def __init__(self, folder, said, code):
        self.folder, self.said, self.code = folder, said, code


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, home, pairs):
    """Training 1: pix2pix as under nohup, hung up in its midst, keeping each epoch's generator."""
    runs = tmp_path_factory.mktemp("runs")
    flags = ["--dataroot", pairs, "--checkpoints_dir", runs, "--name", "tiny", "--n_epochs", 2, "--val_freq", 6]
    process = start(
        home, ["experiments.pix2pix", *flags, *TINY, "--save_epoch_freq", 1],
        after="trap '' HUP",
    )  # fmt: skip
    if wait_for(process, lambda: log_rows(runs / "tiny")):
        process.send_signal(signal.SIGHUP)
    said, _ = process.communicate(timeout=150)
    return Trained(runs / "tiny", said.decode(), process.returncode)


@pytest.fixture(scope="session")
def days(tmp_path_factory, run):
    """Training 2: a conditional DCGAN on three class folders, one of them a link."""
    root = tmp_path_factory.mktemp("classes")
    for name in ("day 1", "day 2", "elsewhere"):
        for i in range(8):
            where = root / name if name == "elsewhere" else root / "data" / "train" / name
            write(where / f"p{i}.png", noise(i, 8, 8))
    (root / "data" / "train" / "day 10").symlink_to(root / "elsewhere")
    flags = [
        "--conditional",
        "--size",
        "8",
        "--nz",
        "4",
        "--ngf",
        "2",
        "--ndf",
        "2",
        "--batch_size",
        "8",
        "--classifier_steps",
        "2",
        "--n_epochs",
        "4",
        "--val_freq",
        "3",
        "--print_freq",
        "1",
        "--lr",
        "0.05",
        "--name",
        "days",
    ]
    done = run("-m", "experiments.dcgan", "--dataroot", root / "data", "--checkpoints_dir", root / "runs", *flags)
    return Trained(root / "runs" / "days", done.out + done.err, done.returncode)


@pytest.fixture(scope="session")
def cycle(tmp_path_factory, run):
    """Training 3: CycleGAN on two kinds of images."""
    root = tmp_path_factory.mktemp("cycle")
    for side in "AB":
        for split, count in (("train", 6), ("test", 2)):
            for i in range(count):
                write(root / "data" / (split + side) / f"{side}{i}.png", noise(i + 50 * (side == "B"), 36, 36))
    flags = [
        "--netG",
        "unet_32",
        "--norm",
        "none",
        "--ngf",
        "1",
        "--ndf",
        "1",
        "--n_layers_D",
        "1",
        "--load_size",
        "36",
        "--crop_size",
        "32",
        "--lambda_identity",
        "0",
        "--n_epochs",
        "1",
        "--n_epochs_decay",
        "0",
        "--val_freq",
        "3",
        "--print_freq",
        "1",
        "--name",
        "cycle",
    ]
    done = run("-m", "experiments.cyclegan", "--dataroot", root / "data", "--checkpoints_dir", root / "runs", *flags)
    return Trained(root / "runs" / "cycle", done.out + done.err, done.returncode)


# F1: colors below alpha 0


def test_f1_deep_garbage_in_tiles(tmp_path, gan_jax, bilinear):
    """F1: 16-bit TIFF, noise in what alpha hides, green in what it shows, x4 in tiles: over white green stays full."""
    import tifffile

    side = 24
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    inside = (x**2 + y**2) < 64
    rgba = np.random.default_rng(0).integers(0, 65536, (side, side, 4)).astype(np.uint16)
    rgba[inside] = (0, 65535, 0, 65535)
    rgba[~inside, 3] = 0
    source, target = tmp_path / "disc.tif", tmp_path / "large.tif"
    tifffile.imwrite(source, rgba, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    fine(gan_jax("translate", bilinear, source, target, "--tile", 8))
    large = tifffile.imread(target).astype(float) / 65535
    assert large.shape == (96, 96, 4)
    over_white = large[..., :3] * large[..., 3:] + 1 - large[..., 3:]
    assert over_white[..., 1].min() > 0.995, over_white[..., 1].min()
    assert over_white[48, 48, 0] < 0.01


def test_f1_a_generator_that_keeps_the_size(tmp_path, gan_jax, tiny):
    """F1: two images that look alike and differ below alpha 0 only: what pix2pix's output shows is the same."""
    shown, alpha = noise(1, 32, 32), np.zeros((32, 32, 1), np.uint8)
    alpha[6:26, 6:20] = 255
    for name, hidden in (("black", np.zeros_like(shown)), ("garbage", noise(2, 32, 32, block=1))):
        write(tmp_path / "in" / f"{name}.png", np.concatenate([np.where(alpha > 0, shown, hidden), alpha], axis=2))
    fine(gan_jax("translate", tiny.folder / "tiny.safetensors", tmp_path / "in", tmp_path / "out"))
    one, other = (pixels(tmp_path / "out" / f"{name}.png", "RGBA") for name in ("black", "garbage"))
    assert (one[..., 3] == alpha[..., 0]).all()
    seen = alpha[..., 0] > 0
    assert (one[seen] == other[seen]).all(), abs(one[seen] - other[seen]).max()


# F2 and Pillow's warnings: optional matter


def test_f2_wrong_checksum_of_phys(tmp_path, gan_jax, bilinear):
    """F2: a PNG whose pHYs (resolution) chunk has a wrong checksum is translated like the image without it."""
    write(tmp_path / "in" / "clean.png", noise(3, 12, 12))
    shutil.copy(tmp_path / "in" / "clean.png", tmp_path / "in" / "phys.png")
    with_chunk(tmp_path / "in" / "phys.png", chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1), crc=0x12345678))
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out"))
    assert (pixels(tmp_path / "out" / "phys.png") == pixels(tmp_path / "out" / "clean.png")).all()


def test_f2_large_color_profile(tmp_path, gan_jax):
    """F2: a PNG with a printer's color profile of 2 MB (iCCP) is scored: infinite PSNR against the same pixels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(2**21)
    write(tmp_path / "a" / "x.png", noise(4, 24, 24))
    write(tmp_path / "b" / "x.png", noise(4, 24, 24))
    with_chunk(tmp_path / "a" / "x.png", chunk(b"iCCP", b"printer\0\0" + zlib.compress(profile)))
    done = fine(gan_jax("evaluate", tmp_path / "a", tmp_path / "b"))
    assert re.search(r"\binf\b", done.said), done.said


def test_warnings_broken_mpf_of_a_phone(tmp_path, gan_jax, bilinear):
    """Warnings: a phone's JPEG with a broken multi-picture segment (APP2 MPF): done, no raw UserWarning of Pillow."""
    photo = write(tmp_path / "in" / "IMG_1.jpg", noise(5, 16, 16), quality=95)
    segment = b"MPF\0" + b"II*\0\x08\0\0\0" + b"\xff" * 20
    content = photo.read_bytes()
    photo.write_bytes(content[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + content[2:])
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out"))
    assert pixels(tmp_path / "out" / "IMG_1.png").shape == (64, 64, 3)


# F3: long names


def test_f3_a_name_of_exactly_255_bytes(tmp_path, gan_jax, bilinear):
    """F3: the longest legal name, in Chinese: 255 bytes of 87 characters; the output has that name."""
    name = "写" * 83 + "ab.png"
    assert len(os.fsencode(name)) == 255
    write(tmp_path / "in" / name, noise(6, 8, 8))
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out"))
    assert files_below(tmp_path / "out") == [name]


def test_f3_a_run_whose_files_cannot_be_made(tmp_path, run, pairs):
    """F3: --name of 245 letters makes a folder, but NAME_critic.safetensors is too long: said before the work."""
    flags = ["--dataroot", pairs, "--checkpoints_dir", tmp_path / "runs", "--name", "n" * 245, "--n_epochs", 1]
    done = refused(run("-m", "experiments.pix2pix", *flags, *TINY))
    assert re.search(r"--name|n{200}", done.said), done.said[-600:]
    assert re.search(r"long|short|bytes|characters|letters", done.said), done.said[-600:]
    assert "make room" not in done.said
    assert not re.search(r"\bstep \d+/", done.said)
    assert not files_below(tmp_path)


# F4: extensions


def test_f4_every_extension_and_an_iphones_heic(tmp_path, gan_jax, bilinear):
    """F4: .JPE .tga .pbm .avif .jp2 .jfif .pnm of one folder are all translated; IMG_0001.HEIC, left out, is named."""
    folder = tmp_path / "in"
    formats = {"a.png": "PNG", "b.JPE": "JPEG", "c.tga": "TGA", "d.pbm": "PPM", "e.avif": "AVIF", "f.jp2": "JPEG2000"}
    formats |= {"g.jfif": "JPEG", "h.pnm": "PPM"}
    folder.mkdir()
    for i, (name, kind) in enumerate(formats.items()):
        image = Image.fromarray(noise(i, 16, 16))
        (image.convert("1") if name == "d.pbm" else image).save(folder / name, kind)
    (folder / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    (folder / "notes.txt").write_text("no image")
    done = fine(gan_jax("translate", bilinear, folder, tmp_path / "out"), None)
    assert files_below(tmp_path / "out") == [f"{Path(name).stem}.png" for name in sorted(formats)], done.said
    assert "IMG_0001.HEIC" in done.said, done.said


# F5: names are bytes, results are whole


def test_f5_newline_and_latin_1_in_a_name(tmp_path, gan_jax):
    """F5: a name with a newline and a Latin-1 byte: --json and --csv are written, and both are well formed."""
    name = os.fsdecode(b"caf\xe9\n1.png")
    for folder in ("a", "b"):
        write(tmp_path / folder / name, noise(9, 16, 16))
    table, values = tmp_path / "x.csv", tmp_path / "x.json"
    fine(gan_jax("evaluate", tmp_path / "a", tmp_path / "b", "--json", values, "--csv", table))
    assert len(json.loads(values.read_bytes())["images"]) == 1
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 2 and len(rows[0]) == len(rows[1]), rows


def test_f5_a_quota_while_scores_are_written(tmp_path, gan_jax):
    """F5: no room for more than 512 bytes a file: the old scores.json stays whole, and the sentence names the file."""
    for i in range(12):
        for folder in ("a", "b"):
            write(tmp_path / folder / f"{i}.png", noise(i, 16, 16))
    scores = tmp_path / "scores.json"
    scores.write_text('{"old": true}\n')
    done = gan_jax(
        "evaluate", tmp_path / "a", tmp_path / "b", "--json", scores,
        env={"JAX_COMPILATION_CACHE_DIR": None},
        after="ulimit -f 1",
    )  # fmt: skip
    refused(done)
    assert scores.read_text() == '{"old": true}\n'
    assert "scores.json" in done.said, done.said


def test_f5_report_in_a_folder_that_is_not_utf_8(tmp_path, gan_jax, tiny):
    """F5: `report` and `inspect` of a run below a Latin-1 folder, in a terminal of strict UTF-8."""
    folder = tmp_path / os.fsdecode(b"l\xe4ufe") / "tiny"
    shutil.copytree(tiny.folder, folder)
    (folder / "report.html").unlink()
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    fine(gan_jax("report", folder, env=strict))
    assert (folder / "report.html").exists()
    fine(gan_jax("inspect", folder, env=strict))


# F6, F7: paths that are typed


def test_f6_home_in_json(tmp_path, gan_jax):
    """F6: `--json=~/scores.json`, which no shell expands, goes home."""
    own, here = tmp_path / "me", tmp_path / "here"
    own.mkdir(), here.mkdir()
    one = write(tmp_path / "a.png", noise(12, 16, 16))
    other = write(tmp_path / "b.png", noise(13, 16, 16))
    fine(gan_jax("evaluate", one, other, "--json=~/scores.json", cwd=here, env={"HOME": str(own)}))
    assert files_below(own) == ["scores.json"]
    assert not list(here.iterdir())


def test_f7_sample_to_a_jpeg(tmp_path, gan_jax, days):
    """F7: `sample RUN faces.jpg` makes a JPEG file of that name or an error, and no folder of that name."""
    target = tmp_path / "faces.jpg"
    done = fine(gan_jax("sample", days.folder, target, "--n", 4), None)
    assert not target.is_dir(), files_below(tmp_path)
    if done.returncode == 0:
        with Image.open(target) as image:
            assert image.format == "JPEG"
    else:
        assert "faces.jpg" in done.said
        assert not target.exists()


# F8: several pages


def test_f8_a_scan_of_three_pages(tmp_path, gan_jax, bilinear):
    """F8: a TIFF of three pages: without a flag it is said; --frame all writes three files, --frame 2 not the first."""
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    pages = [Image.new("RGB", (12, 12), color) for color in colors]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    said = fine(gan_jax("translate", bilinear, tmp_path / "scan.tif", tmp_path / "silent"), None).said
    assert "scan.tif" in said and re.search(r"\b(3|three)\b", said) and re.search(r"page|frame", said), said
    fine(gan_jax("translate", bilinear, tmp_path / "scan.tif", tmp_path / "all", "--frame", "all"))
    result = [tuple(pixels(tmp_path / "all" / name)[20, 20]) for name in files_below(tmp_path / "all")]
    assert sorted(result) == sorted(colors)
    fine(gan_jax("translate", bilinear, tmp_path / "scan.tif", tmp_path / "one", "--frame", "2"))
    (name,) = files_below(tmp_path / "one")
    assert tuple(pixels(tmp_path / "one" / name)[20, 20]) in colors[1:]


# F9 and the format of outputs


def test_f9_shrink_to_a_jpeg(tmp_path, gan_jax):
    """F9: `shrink a.png small.jpg` writes quality 95 and 4:4:4, not the library's 75 and 4:2:0."""
    source = write(tmp_path / "a.png", noise(15, 64, 64, block=1))
    fine(gan_jax("shrink", source, tmp_path / "small.jpg", "--scale", 2))
    write(tmp_path / "wanted.jpg", noise(15, 32, 32), quality=95, subsampling=0)
    with Image.open(tmp_path / "small.jpg") as small, Image.open(tmp_path / "wanted.jpg") as expected:
        assert small.size == (32, 32)
        assert small.format == "JPEG"
        assert JpegImagePlugin.get_sampling(small) == 0
        assert max(map(max, small.quantization.values())) <= max(map(max, expected.quantization.values()))


def test_format_same_for_two_inputs_of_one_stem(tmp_path, gan_jax, bilinear):
    """Format: a.png and a.jpg in one folder with --format same give a.png and a.jpg; --quality 60 is coarser."""
    write(tmp_path / "in" / "a.png", noise(16, 16, 16))
    write(tmp_path / "in" / "a.jpg", noise(17, 16, 16), quality=95)
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out", "--format", "same", "--quality", 60))
    assert files_below(tmp_path / "out") == ["a.jpg", "a.png"]
    write(tmp_path / "wanted.jpg", noise(15, 32, 32), quality=60)
    with (
        Image.open(tmp_path / "out" / "a.png") as png,
        Image.open(tmp_path / "out" / "a.jpg") as jpg,
        Image.open(tmp_path / "wanted.jpg") as expected,
    ):
        assert (png.format, jpg.format) == ("PNG", "JPEG")
        assert jpg.quantization[0] == expected.quantization[0]


def test_format_webp_is_lossless(tmp_path, gan_jax, bilinear):
    """Format, F9: a folder with --format webp: the pixels are those of the PNG."""
    write(tmp_path / "in" / "sub" / "a.png", noise(18, 16, 16, block=1))
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "webp", "--format", "webp"))
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "png"))
    assert files_below(tmp_path / "webp") == ["sub/a.webp"]
    assert (pixels(tmp_path / "webp/sub/a.webp") == pixels(tmp_path / "png/sub/a.png")).all()


def test_suffix_of_translate_and_evaluate(tmp_path, gan_jax, bilinear):
    """Suffix: Real-ESRGAN's habit: x_out.png is written with --suffix _out and scored against x.png with it."""
    for name in ("x.png", "x.2.png"):
        write(tmp_path / "in" / name, noise(19, 16, 16))
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out", "--suffix", "_out"))
    assert files_below(tmp_path / "out") == ["x.2_out.png", "x_out.png"]
    fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "truth"))
    scores = tmp_path / "s.json"
    fine(gan_jax("evaluate", tmp_path / "out", tmp_path / "truth", "--suffix", "_out", "--json", scores))
    assert json.loads(scores.read_text())["count"] == 2
    assert json.loads(scores.read_text())["psnr"] == "inf"


def test_evaluate_by_patterns(tmp_path, gan_jax):
    """Patterns: pix2pix's results folder (real_A, fake_B, real_B in one), names with brackets, braces and spaces."""
    folder = tmp_path / "images"
    for i, scene in enumerate(("[1] a", "b{0}", "c_fake_B")):
        for kind in ("real_A", "fake_B", "real_B"):
            write(folder / f"{scene}_{kind}.png", noise(i, 16, 16))
    flags = ["--outputs", "{}_fake_B.png", "--references", "{}_real_B.png", "--json", tmp_path / "s.json"]
    fine(gan_jax("evaluate", folder, *flags))
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["count"] == 3 and scores["psnr"] == "inf", scores


# F10, F11 and the other rows of weights


class Config(dict):
    """As EasyDict: a dict whose keys are attributes too."""


class Trainer:
    """As omegaconf's and Lightning's objects: slots of its own, and a state."""

    def __init__(self):
        self.epoch, self.best = 7, {"psnr": 30.0}

    def __setstate__(self, state):
        raise AssertionError("nothing of a file is run")


class Touch:
    """What would run a command if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_f10a_objects_of_all_sorts_beside_the_weights(tmp_path, gan_jax, plain):
    """F10a: a date, a path, an EasyDict, an object with a state and a command beside the weights: none is run."""
    stranger = types.ModuleType("stranger.utils")
    for kind in (Config, Trainer):
        kind.__module__, kind.__qualname__ = "stranger.utils", kind.__name__
        setattr(stranger, kind.__name__, kind)
    sys.modules.setdefault("stranger", types.ModuleType("stranger"))
    sys.modules["stranger.utils"] = stranger
    content = {
        "hyper_parameters": Config(lr=1e-4, milestones=[1, 2]),
        "trainer": Trainer(),
        "saved": datetime.datetime(2023, 5, 1, 12, 30),
        "dataroot": pathlib.PurePosixPath("/data/set5"),
        "optimizer": {"param_groups": [{"lr": 1e-4, "args": Config(a=Trainer())}]},
        "hook": Touch(tmp_path / "ran"),
        "params": msr_state(),
    }
    save_like_torch.save(tmp_path / "net.pth", content)
    fine(gan_jax("convert", tmp_path / "net.pth", tmp_path / "g.safetensors"))
    assert same_arrays(tmp_path / "g.safetensors", plain)
    assert not (tmp_path / "ran").exists()


def test_f10b_wrappers_inside_names(tmp_path, gan_jax, plain):
    """F10b: blocks compiled one by one inside DataParallel: `module.body.0._orig_mod.conv1.weight`."""
    state = {
        "module." + name.replace("body.0.", "body.0._orig_mod.").replace("upconv1.", "upconv1._orig_mod.module."): array
        for name, array in msr_state().items()
    }
    save_like_torch.save(tmp_path / "net.pth", {"params": state})
    fine(gan_jax("convert", tmp_path / "net.pth", tmp_path / "g.safetensors"))
    assert same_arrays(tmp_path / "g.safetensors", plain)


def test_f10b_a_prefix_of_two_parts_that_all_names_share(tmp_path, gan_jax, plain):
    """F10b: Lightning's attribute of an attribute: all names begin with `student.sr_net.`, compiled."""
    state = {f"student.sr_net._orig_mod.{name}": array for name, array in msr_state().items()}
    save_like_torch.save(
        tmp_path / "last.ckpt", {"epoch": 3, "pytorch-lightning_version": "2.0.1", "state_dict": state}
    )
    fine(gan_jax("convert", tmp_path / "last.ckpt", tmp_path / "g.safetensors"))
    assert same_arrays(tmp_path / "g.safetensors", plain)


def test_f10c_counters_that_are_nobodys_weights(tmp_path, gan_jax, plain):
    """F10c: an EMA's `decay` and `num_updates` and thop's `total_params` inside layers: left out, and said."""
    state = {**msr_state(), "decay": np.float32([0.999])[0:1], "num_updates": np.float32([1200.0])}
    state |= {"body.0.total_params": np.zeros(1, "f4"), "conv_last.total_ops": np.zeros(1, "f4")}
    save_like_torch.save(tmp_path / "net.pth", state)
    done = fine(gan_jax("convert", tmp_path / "net.pth", tmp_path / "g.safetensors"))
    assert same_arrays(tmp_path / "g.safetensors", plain)
    assert "num_updates" in done.said and re.search(r"total_(params|ops)|\band \d+ more|4 ", done.said), done.said


def test_f11_torch_names_in_a_safetensors_file(tmp_path, gan_jax):
    """F11: a .safetensors of PyTorch names (as hubs have it) given to `translate`: used, or pointed to `convert`."""
    save_file(msr_state(), tmp_path / "model.safetensors")
    write(tmp_path / "a.png", noise(24, 8, 8))
    done = fine(gan_jax("translate", tmp_path / "model.safetensors", tmp_path / "a.png", tmp_path / "out.png"), None)
    if done.returncode:
        assert done.returncode == 2 and "convert" in done.said and "model.safetensors" in done.said, done.said
    else:
        assert pixels(tmp_path / "out.png").shape == (32, 32, 3)


def test_older_names_of_basicsr(tmp_path, gan_jax):
    """BasicSR's older names: `recon_trunk.0.conv1`, `HRconv`, x3: converted, with the arrays of the newer names."""
    save_like_torch.save(tmp_path / "old.pth", msr_state(5, 3, "recon_trunk", "HRconv"))
    save_like_torch.save(tmp_path / "new.pth", msr_state(5, 3))
    for name in ("old", "new"):
        fine(gan_jax("convert", tmp_path / f"{name}.pth", tmp_path / f"{name}.safetensors"))
    assert same_arrays(tmp_path / "old.safetensors", tmp_path / "new.safetensors")


def test_weight_orig_of_a_spectral_critic(tmp_path, gan_jax):
    """weight_orig: a PatchGAN of one layer under spectral_norm (weight_orig, weight_u, weight_v): a critic is made."""
    rng, state, expected = np.random.default_rng(0), {}, None
    for index, (outs, ins) in {"0": (4, 6), "2": (8, 4), "5": (1, 8)}.items():
        kernel = rng.normal(0, 1, (outs, ins, 4, 4)).astype("f4")
        u, sigma, v = np.linalg.svd(kernel.reshape(outs, -1), full_matrices=False)
        expected = expected if state else kernel.transpose(2, 3, 1, 0) / sigma[0]  # what torch computes with
        state[f"model.{index}.bias"] = np.zeros(outs, "f4")
        state[f"model.{index}.weight_orig"] = kernel
        state[f"model.{index}.weight_u"], state[f"model.{index}.weight_v"] = u[:, 0].copy(), v[0].copy()
    save_like_torch.save(tmp_path / "latest_net_D.pth", state)
    done = fine(gan_jax("convert", tmp_path / "latest_net_D.pth", tmp_path / "d.safetensors"))
    assert "critic" in done.said
    assert "PatchGAN" in done.said
    arrays = load_file(tmp_path / "d.safetensors").values()
    normalized = any(array.shape == expected.shape and np.allclose(array, expected, atol=1e-4) for array in arrays)
    assert normalized or "spectral_norm True" in fine(gan_jax("inspect", tmp_path / "d.safetensors")).said


def test_zero_padding_of_resnet_blocks(tmp_path, gan_jax):
    """padding_type zero: a ResNet of two blocks with dropout, whose block's first convolution has number 0."""
    rng, n, blocks = np.random.default_rng(0), 2, 2
    layers = {"1": (n, 3, 7), "4": (2 * n, n, 3), "7": (4 * n, 2 * n, 3)}
    for block in range(blocks):
        layers |= {f"{10 + block}.conv_block.{i}": (4 * n, 4 * n, 3) for i in (0, 4)}
    state = {}
    for index, (outs, ins, side) in layers.items():
        state[f"model.{index}.weight"] = rng.normal(0, 0.1, (outs, ins, side, side)).astype("f4")
        state[f"model.{index}.bias"] = np.zeros(outs, "f4")
    for index, (ins, outs) in {10 + blocks: (4 * n, 2 * n), 13 + blocks: (2 * n, n)}.items():
        state[f"model.{index}.weight"] = rng.normal(0, 0.1, (ins, outs, 3, 3)).astype("f4")
        state[f"model.{index}.bias"] = np.zeros(outs, "f4")
    state[f"model.{17 + blocks}.weight"] = rng.normal(0, 0.1, (3, n, 7, 7)).astype("f4")
    state[f"model.{17 + blocks}.bias"] = np.zeros(3, "f4")
    save_like_torch.save(tmp_path / "latest_net_G.pth", state)
    fine(gan_jax("convert", tmp_path / "latest_net_G.pth", tmp_path / "g.safetensors"))
    assert "zero" in fine(gan_jax("inspect", tmp_path / "g.safetensors")).said


# F12, F14, F15


def test_f12_flags_of_shrink_anywhere(tmp_path, gan_jax):
    """F12: `shrink a.png --scale 2 b.png --downscale area out` has two inputs, one output and two flags."""
    for name in "ab":
        write(tmp_path / f"{name}.png", noise(28, 16, 16))
    fine(gan_jax("shrink", "a.png", "--scale", 2, "b.png", "--downscale", "area", "out", cwd=tmp_path))
    assert files_below(tmp_path / "out") == ["a.png", "b.png"]
    assert pixels(tmp_path / "out" / "a.png").shape == (8, 8, 3)


def test_f14_a_folder_embedded_for_dcgan(tmp_path, run):
    """F14: a folder `embedded` of one's own (a link) and dcgan --dataroot embedded: both ways to say it."""
    for kind in ("cat", "dog"):
        for i in range(4):
            write(tmp_path / "mine" / kind / f"{i}.png", noise(i, 8, 8))
    (tmp_path / "embedded").symlink_to("mine")
    flags = [
        "--dataroot",
        "embedded",
        "--size",
        "8",
        "--nz",
        "4",
        "--ngf",
        "2",
        "--ndf",
        "2",
        "--batch_size",
        "4",
        "--dry_run",
        "--max_dataset_size",
        "8",
    ]
    done = run("-m", "experiments.dcgan", *flags, cwd=tmp_path)
    refused(done)
    assert "./embedded" in done.said and "builtin:embedded" in done.said, done.said[-500:]


def test_f15_natural_order_links_and_names(tmp_path, gan_jax, days):
    """F15: classes `day 1`, `day 2`, `day 10` (a link): that order in `inspect`, and --label `day 10` is --label 2."""
    said = fine(gan_jax("inspect", days.folder / "days.safetensors")).said
    places = [said.find(name) for name in ("day 1", "day 2", "day 10")]
    assert -1 not in places and places == sorted(places), said
    for target, label in (("name", "day 10"), ("number", "2"), ("other", "1")):
        fine(gan_jax("sample", days.folder, tmp_path / f"{target}.png", "--n", 4, "--label", label))
    by_name, by_number, other = (pixels(tmp_path / f"{target}.png") for target in ("name", "number", "other"))
    assert (by_name == by_number).all()
    assert (by_name != other).any()


# F16, F17: signals and consoles


def saved_steps(folder):
    return [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]


def stopped_by(home, pairs, folder, number, *flags):
    """A run that validates after every step, and is sent a signal while it does."""
    arguments = ["experiments.pix2pix", "--dataroot", pairs, "--checkpoints_dir", folder, "--name", "run"]
    process = start(home, [*arguments, *TINY, "--n_epochs", 400, "--val_freq", 1, *flags])
    going = wait_for(process, lambda: any(row["kind"] == "validation" for row in log_rows(folder / "run")))
    if going:
        process.send_signal(number)
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert going, said.decode()[-800:]
    return process.returncode, flat(said.decode())


def test_f16_hangup_during_validation(tmp_path, home, pairs):
    """F16: the ssh is lost while a run validates: a checkpoint, a word that names the signal, its exit code."""
    code, said = stopped_by(home, pairs, tmp_path, signal.SIGHUP)
    assert saved_steps(tmp_path / "run"), said[-300:]
    assert re.search("SIGHUP|hang|hung", said) and code not in (0, 1, 2), (code, said[-300:])


def test_f16_usr1_on_request(tmp_path, home, pairs):
    """F16: --stop_signal USR1, as sbatch --signal=USR1@60 sends it: a checkpoint and a word."""
    code, said = stopped_by(home, pairs, tmp_path, signal.SIGUSR1, "--stop_signal", "USR1")
    assert saved_steps(tmp_path / "run"), said[-300:]
    assert "USR1" in said and code not in (0, 1, 2), (code, said[-300:])


def test_f16_nohup(tiny):
    """F16: SIGHUP is ignored under nohup: the run that got one goes through to its last step."""
    assert tiny.code == 0, tiny.said[-500:]
    assert max(row["step"] for row in log_rows(tiny.folder)) == 24


def test_f17_training_into_a_full_disks_log(tmp_path, run, pairs):
    """F17: `python -u ... > log` on a full disk (/dev/full): training goes through; no step is logged twice."""
    flags = ["--dataroot", pairs, "--checkpoints_dir", tmp_path, "--name", "run", "--n_epochs", 1, "--val_freq", 6]
    with open("/dev/full", "wb") as full:
        done = run("-m", "experiments.pix2pix", *flags, *TINY, stdout=full, env={"PYTHONUNBUFFERED": "1"})
    fine(done)
    steps = [row["step"] for row in log_rows(tmp_path / "run") if row["kind"] == "train"]
    assert steps == list(range(1, 13))
    assert (tmp_path / "run" / "run.safetensors").exists()
    assert (tmp_path / "run" / "report.html").exists()


def test_f17_evaluate_into_a_full_disk(tmp_path, gan_jax):
    """F17: `evaluate ... --csv x.csv > table.txt` on a full disk: the CSV is written, no Python trouble is shown."""
    for folder in ("a", "b"):
        write(tmp_path / folder / "1.png", noise(35, 16, 16))
    with open("/dev/full", "wb") as full:
        done = gan_jax("evaluate", tmp_path / "a", tmp_path / "b", "--csv", tmp_path / "x.csv", stdout=full)
    fine(done, None)
    assert done.returncode != 120
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 2


# A newcomer's rows


def test_n1_the_folder_of_a_cyclegan(tmp_path, gan_jax, cycle):
    """N1: `translate` takes CycleGAN's folder with --direction BtoA; without, it says that there is --direction."""
    source = write(tmp_path / "b.png", noise(36, 32, 32))
    fine(gan_jax("translate", cycle.folder, source, tmp_path / "a.png", "--direction", "BtoA"))
    fine(gan_jax("translate", cycle.folder / "cycle_BtoA.safetensors", source, tmp_path / "wanted.png"))
    assert (pixels(tmp_path / "a.png") == pixels(tmp_path / "wanted.png")).all()
    unsaid = fine(gan_jax("translate", cycle.folder, source, tmp_path / "c.png"), None)
    assert "direction" in unsaid.said, unsaid.said


def test_n2_the_report_of_a_finished_dcgan(days):
    """N2: neither `unknown` nor `yet` in the report of a finished DCGAN without test images."""
    text = visible((days.folder / "report.html").read_text())
    result = re.search(r".{0,60}\b(unknown|yet)\b.{0,60}", flat(text))
    assert result is None, result


def test_n3_the_report_of_a_cyclegan(cycle):
    """N3: CycleGAN's report has both directions apart and reconstructions, and not `No test scores yet`."""
    text = flat(visible((cycle.folder / "report.html").read_text()))
    assert "No test scores yet" not in text
    images = text[max(text.find("Test images"), 0) : text.find("Curves")]
    assert re.search(r"reconstruct|\brec[ _]A\b", images, re.I), images[-800:]
    for here, there in ("AB", "BA"):
        assert re.search(rf"fake[ _]{there}|{here} ?(to|→|->) ?{there}", images), images[-800:]


def test_n4_one_test_image_and_no_val(tiny):
    """N4: no val and a single test image: the run says that the best is chosen on it, and that scores mean little."""
    said = tiny.said
    chosen = r"(chosen|chooses|picked|picks|selected|selects|best)"
    assert re.search(rf"{chosen}[^\n]{{0,200}}\btest\b|\btest\b[^\n]{{0,200}}{chosen}", said), said[:1500]
    assert re.search(r"\blittle\b|too few|\bfew\b", said), said[:1500]


def test_n5_the_generator_of_an_epoch(tmp_path, run, gan_jax, tiny, pairs):
    """N5: --save_epoch_freq 1 was given: test.py --epoch 1 and translate --step 12 use that epoch's generator."""
    flags = ["--dataroot", pairs, "--checkpoints_dir", tiny.folder.parent, "--name", "tiny", "--epoch", "1"]
    fine(run("-m", "experiments.testing", *flags, "--model", "pix2pix", "--results_dir", tmp_path / "results"))
    (page,) = (tmp_path / "results" / "tiny").glob("*/index.html")
    assert re.search(r"\b12 steps|step 12\b|epoch 1\b", visible(page.read_text()) + page.parent.name), page.read_text()[
        :400
    ]
    source = write(tmp_path / "a.png", noise(40, 32, 32))
    for step in ("12", "24"):
        fine(gan_jax("translate", tiny.folder, source, tmp_path / f"{step}.png", "--step", step, "--dropout", "off"))
    assert pixels(tmp_path / "12.png").shape == (32, 32, 3)


def test_n6_metrics_of_floats_and_of_16_bits(tmp_path, run):
    """N6: ssim of floats without max_value is an error; psnr of uint16 has 65535 as its peak, and says 20.0 dB."""
    code = """
import numpy as np
from gan_jax import metrics
x = np.zeros((1, 16, 16, 3), np.float32); y = x + 0.1
try:
    print("FLOATS", float(metrics.ssim(x, y)[0]))
except (ValueError, TypeError) as error:
    print("ERROR", "max_value" in str(error))
print("GIVEN", round(float(metrics.psnr(x, y, max_value=1.0)[0]), 2))
deep = np.zeros((1, 16, 16, 1), np.uint16)
print("DEEP", round(float(metrics.psnr(deep, deep + np.uint16(6554))[0]), 1))
"""
    said = fine(run("-c", code)).out.split("\n")
    assert said[:3] == ["ERROR True", "GIVEN 20.0", "DEEP 20.0"], said


def test_n7_photographs_of_four_to_three(tmp_path, run):
    """N7: landscape photographs of 4:3, no --derive: said before the first step, with the flags that settle it."""
    for i in range(4):
        # Blocks of 5: a border of blocks in the middle would be a seam.
        write(tmp_path / "photos" / "train" / f"DSC_{i}.jpg", noise(i, 36, 48, block=5), quality=95)
    flags = [
        "--dataroot",
        tmp_path / "photos",
        "--checkpoints_dir",
        tmp_path / "runs",
        "--name",
        "run",
        "--n_epochs",
        1,
    ]
    done = fine(run("-m", "experiments.pix2pix", *flags, *TINY), None)
    before = done.said.split("step 1/")[0] if done.returncode == 0 else done.said
    assert "--derive" in before or "--dataset_mode" in before, done.said[:800]


def test_n7_pairs_as_inputs_of_translate(tmp_path, gan_jax, tiny, pairs):
    """N7: a folder of side-by-side pairs given to `translate`: --half is said, and --half left takes the left half."""
    unsaid = fine(gan_jax("translate", tiny.folder, pairs / "night_2024", tmp_path / "whole", "--dropout", "off"), None)
    assert "--half" in unsaid.said, unsaid.said
    flags = ["--half", "left", "--dropout", "off"]
    fine(gan_jax("translate", tiny.folder, pairs / "night_2024", tmp_path / "left", *flags))
    left = write(tmp_path / "p0.png", pixels(pairs / "night_2024" / "p0.png")[:, :32].astype(np.uint8))
    fine(gan_jax("translate", tiny.folder, left, tmp_path / "wanted.png", "--dropout", "off"))
    assert (pixels(tmp_path / "left" / "p0.png") == pixels(tmp_path / "wanted.png")).all()


def test_n10_a_folder_of_downloads_that_failed(tmp_path, gan_jax, bilinear):
    """N10: 25 HTML pages that are called .jpg: at most ten are named, and the count of the others is said; exit 1."""
    (tmp_path / "in").mkdir()
    for i in range(25):
        (tmp_path / "in" / f"{i:02}.jpg").write_text("<html>404 Not Found</html>")
    done = fine(gan_jax("translate", bilinear, tmp_path / "in", tmp_path / "out"), 1)
    named = len(re.findall(r"\d\d\.jpg", done.err))
    assert 1 <= named <= 11 and re.search(r"\b(15|25|16|14)\b", done.err), done.err[-800:]
    assert len(done.err.splitlines()) <= 16


def test_n11_words_of_other_programs(tmp_path, run, pairs):
    """N11: PyTorch-GAN's --n_cpu, everybody's --learning_rate and --epochs, and `--derive gray` lead to our words."""
    for words, ours in (
        (["--n_cpu", "8"], "--num_threads"),
        (["--learning_rate", "0.001"], "--lr"),
        (["--epochs", "5"], "--n_epochs"),
        (["--derive", "grey"], "gray"),
    ):
        done = fine(run("-m", "experiments.pix2pix", "--dataroot", tmp_path / "nowhere", *words, cwd=tmp_path), 2)
        if words == ["--derive", "grey"] and "nowhere" in done.said:
            continue  # understood, and gone on to the folder
        assert re.search(rf"{ours}\b", done.said), (words, done.said[-600:])
        if words == ["--derive", "grey"]:
            assert re.search(r"(perhaps|mean|did you|write|use|is called|spelt|spelled)[^.]*gray", done.said, re.I), (
                done.said
            )


def test_n11_version_by_module(run):
    """N11: `python -m gan_jax --version` prints the version on stdout."""
    done = fine(run("-m", "gan_jax", "--version"))
    assert re.search(r"\b\d+\.\d+\.\d+", done.out), done.said


def test_n11_verbs_that_are_nearly_ours(gan_jax):
    """N11: `evalute` and `upscale` lead to `evaluate` and `translate`, beyond the list of all verbs."""
    for typed, ours in (("evalute", "evaluate"), ("upscale", "translate")):
        said = fine(gan_jax(typed, "a", "b"), 2).said
        lead = r"\b(perhaps|mean|meant|did you|similar|closest|instead|use|try)\b"
        assert re.search(rf"{lead}[^.]{{0,60}}\b{ours}\b|\b{ours}\b[^.,]{{0,60}}{lead}", said, re.I), said


def test_n12_inspect_of_a_run(gan_jax, tiny):
    """N12: `inspect RUN` has what differs from the defaults and no flag beside; --all has the rest."""
    short, whole = fine(gan_jax("inspect", tiny.folder)), fine(gan_jax("inspect", tiny.folder, "--all"))
    assert len(short.out) < len(whole.out)
    assert re.search(r"ngf\W+2\b", short.said)
    assert "lambda_gp" not in short.said
    assert "lambda_gp" in whole.said


def test_n13_the_clock_in_the_log(tiny):
    """N13: every row of log.jsonl has seconds since the start, which grow; the first minute says `compiling`."""
    rows = log_rows(tiny.folder)
    names = [
        {k for k in row if re.search(r"^(wall_?)?(seconds|elapsed|time|wall|clock|since)|(_s|_seconds)$", k)}
        for row in rows
    ]
    common = set.intersection(*names) - {"images_per_s"}
    assert common, rows[:2]
    assert any(
        all(a[name] <= b[name] for a, b in itertools.pairwise(rows)) and rows[-1][name] > 0 for name in common
    ), rows[-2:]
    assert re.search("compil", tiny.said, re.I)


def test_n14_text_as_paths_and_stars(tmp_path, run):
    """N14: evaluate.evaluate and image_files.read take `str`; psnr takes [H, W, C]; `import *` brings no jnp."""
    write(tmp_path / "a" / "x.png", noise(49, 16, 16))
    write(tmp_path / "b" / "x.png", noise(50, 16, 16))
    code = """
from gan_jax import evaluate, metrics
from gan_jax.data import image_files
result = evaluate.evaluate("a", "b", evaluate.PROTOCOLS["rgb"])
x, y = image_files.read("a/x.png", 3), image_files.read("b/x.png", 3)
print(round(result.psnr, 3) == round(float(metrics.psnr(x, y)), 3))
image_files.save("made/c.png", x)
names = {}
for module in ("losses", "metrics", "infer", "generator", "image"):
    exec(f"from gan_jax.{module} import *", names)
print(sorted({"jax", "jnp", "np", "partial", "functools", "Path"} & names.keys()))
"""
    done = fine(run("-c", code, cwd=tmp_path))
    assert done.out.split("\n")[:2] == ["True", "[]"], done.said
    assert (tmp_path / "made" / "c.png").is_file()


# test.py's phases, 64 bits


def test_a_phase_of_ones_own(tmp_path, run, tiny, pairs):
    """Free --phase: test.py --phase night_2024 reads that folder of pairs."""
    flags = ["--dataroot", pairs, "--checkpoints_dir", tiny.folder.parent, "--name", "tiny", "--phase", "night_2024"]
    fine(run("-m", "experiments.testing", *flags, "--model", "pix2pix", "--results_dir", tmp_path / "results"))
    result = [name for name in files_below(tmp_path / "results" / "tiny") if name.endswith("fake_B.png")]
    assert len(result) == 2 and all("night_2024" in name for name in result), result


def test_verbs_under_jax_enable_x64(tmp_path, gan_jax, tiny, days):
    """JAX_ENABLE_X64=1 (set in many a .bashrc): translate gives the image of 32 bits; sample and evaluate work."""
    wide = {"JAX_ENABLE_X64": "1"}
    source = write(tmp_path / "a.png", noise(51, 32, 32))
    flags = ["translate", tiny.folder / "tiny.safetensors", source]
    fine(gan_jax(*flags, tmp_path / "narrow.png", "--dropout", "off"))
    fine(gan_jax(*flags, tmp_path / "wide.png", "--dropout", "off", env=wide))
    assert abs(pixels(tmp_path / "narrow.png") - pixels(tmp_path / "wide.png")).max() <= 1
    fine(gan_jax("sample", days.folder, tmp_path / "s.png", "--n", 4, env=wide))
    fine(gan_jax("evaluate", tmp_path / "narrow.png", source, env=wide))
