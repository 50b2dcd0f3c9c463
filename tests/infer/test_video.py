"""Videos through a generator: by ffmpeg itself in the slow tests; the fast ones put a failing script in its place."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest

from gan_jax import cli, files, infer
from gan_jax import model as models
from gan_jax.data import video
from gan_jax.infer import engine
from gan_jax.infer import files as image_files

STREAM = {"width": 8, "height": 16, "pix_fmt": "yuv420p10le", "r_frame_rate": "2/1", "avg_frame_rate": "2/1"}
FFPROBE = """#!/bin/sh
case "$*" in *packet=*) printf '0.0,K__\\n0.5,___\\n1.0,___\\n';; *) echo '%s';; esac
"""
FFMPEG = """#!/bin/sh
case "$*" in
*0:V:0*) head -c %d /dev/zero; echo '[h264 @ 0x1] a bad block' >&2; exit %d;;
*) for last; do :; done; cat > "${last#file:}"; echo 'no such codec' >&2; exit %d;;
esac
"""


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """(frames, decoder's exit code, encoder's) -> scripts in the place of ffmpeg and ffprobe; a clip beside them."""

    def make(frames=3.0, decoder=0, encoder=0, **stream):
        scripts = {
            "ffprobe": FFPROBE % json.dumps({"streams": [{**STREAM, **stream}], "format": {}}),
            "ffmpeg": FFMPEG % (int(frames * 8 * 16 * 3), decoder, encoder),
        }
        for name, script in scripts.items():
            (tmp_path / name).write_text(script)
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        (tmp_path / "clip.mp4").write_bytes(b"a clip")
        return tmp_path

    return make


def left(folder):
    """What is in the folder beside the scripts and the clip."""
    return {path.name for path in folder.iterdir()} - {"ffmpeg", "ffprobe", "clip.mp4"}


def test_all_frames_go_through_and_what_is_lost_is_said(pretended, tiny_generator):
    folder, said, told = pretended(), [], []
    progress = lambda *counts: told.append(counts)  # noqa: E731
    options = {"batch_size": 2, "say": said.append, "progress": progress}
    count = infer.translate_video(tiny_generator(), folder / "clip.mp4", folder / "out.mp4", **options)
    assert (count, told) == (3, [(2, 3), (3, 3)])
    assert said == [f"{folder / 'clip.mp4'}: it has 10 bits a channel, and is written with 8."]
    frames = np.frombuffer((folder / "out.mp4").read_bytes(), np.uint8).reshape(3, 16, 8, 3)
    black = infer.translate(tiny_generator(), np.zeros((16, 8, 3), np.uint8))
    np.testing.assert_array_equal(frames, [black] * 3)


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ({"frames": 2, "decoder": 1}, r"frame 2 of .*clip.mp4 cannot be read \(a bad block\)"),
        ({"frames": 2}, r"frame 2 of .*clip.mp4 cannot be read \(a bad block\)"),
        ({"frames": 2.5, "decoder": 1}, "frame 2 of"),
        ({"encoder": 1}, r"out.mp4 cannot be written \(no such codec\)"),
    ],
)
def test_what_fails_in_the_middle_leaves_no_file(pretended, tiny_generator, scripts, expected):
    folder = pretended(**scripts)
    with pytest.raises(video.BrokenError, match=expected):
        infer.translate_video(tiny_generator(), folder / "clip.mp4", folder / "out.mp4")
    assert left(folder) == set()


def test_a_frame_that_cannot_be_computed_leaves_no_file(pretended, tiny_generator, monkeypatch, capsys):
    folder = pretended()
    models.save(folder / "g.safetensors", tiny_generator())
    run, calls = engine.run, []

    def failing(*arguments, **options):
        calls.append(options["name"])
        if len(calls) == 2:
            raise engine.Failure(f"{options['name']} has an output that is not finite.")
        return run(*arguments, **options)

    monkeypatch.setattr(engine, "run", failing)
    command = ["translate", str(folder / "g.safetensors"), str(folder / "clip.mp4"), str(folder / "out.mp4")]
    assert cli.main(command) == 1
    assert f"frame 1 of {folder / 'clip.mp4'} has an output that is not finite; " in capsys.readouterr().err
    assert left(folder) == {"g.safetensors"}
    assert cli.main(command) == 0
    assert capsys.readouterr().out == f"wrote {folder / 'out.mp4'}: 3 frames\n"
    assert cli.main([*command, "--skip_existing"]) == 0
    assert capsys.readouterr().out == "wrote 0 of 0\n"


def test_a_video_is_there_when_its_block_ends_and_not_where_it_fails(pretended):
    folder = pretended()
    known, frame = video.probe(folder / "clip.mp4"), np.full((8, 8, 3), 7, np.uint8)
    with video.writing(folder / "out.mp4", known, 8, 8) as writer:
        writer.put(frame)
        assert left(folder) <= {files.part_name("out.mp4")}
    assert (folder / "out.mp4").read_bytes() == frame.tobytes()
    with pytest.raises(KeyboardInterrupt), video.writing(folder / "other.mp4", known, 8, 8):
        raise KeyboardInterrupt
    assert left(folder) == {"out.mp4"}


def test_a_generator_of_other_channels_makes_no_video(pretended, tiny_generator):
    folder, odd = pretended(), tiny_generator(in_channels=2)
    for call in (
        lambda: image_files.require_image_channels(odd),
        lambda: infer.translate_video(odd, folder / "clip.mp4", folder / "out.mp4"),
    ):
        with pytest.raises(ValueError, match="the generator turns 2 channels into 3 and image files have 1 or 3"):
            call()
    assert left(folder) == set()


def test_what_the_header_says_is_understood(pretended):
    turned = {"side_data_list": [{"rotation": -90}], "sample_aspect_ratio": "4:3", "color_space": "bt709"}
    known = video.probe(pretended(**turned) / "clip.mp4")
    assert (known.height, known.width, known.aspect, known.matrix) == (8, 16, "4:3", "bt709")
    assert (known.length, known.rate, known.steady) == (3, 2, True)
    uneven = video.probe(pretended(r_frame_rate="90000/1", avg_frame_rate="5/2") / "clip.mp4")
    assert (uneven.rate, uneven.steady) == (Fraction(5, 2), False)
    assert "last unequally long; it is written with 2.5 frames a second" in uneven.notes[-1]
    odd = {"pix_fmt": "yuva420p", "field_order": "tt", "color_transfer": "smpte2084"}
    notes = video.probe(pretended(**odd) / "clip.mp4").notes
    for words, note in zip(("transparency", "high dynamic range", "interlaced"), notes, strict=True):
        assert words in note


# By ffmpeg itself


def ffmpeg(*arguments):
    """Runs ffmpeg."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def streams(path):
    """What ffprobe says of the streams, by their kind."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]
    return {stream["codec_type"]: stream for stream in found}


def packets(path):
    """The bytes of the sound's packets, as a checksum."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def clips(tmp_path):
    """The folder of a clip of 24 frames with sound."""
    assert shutil.which("ffmpeg"), "these tests want ffmpeg: apt install ffmpeg, as make test-slow does"
    picture = ("-f", "lavfi", "-i", "testsrc=size=46x30:rate=24000/1001:duration=1.001")
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.001")
    ffmpeg(*picture, *sound, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", tmp_path / "clip.mp4")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("extension", video.WRITTEN)
def test_frames_rate_and_sound_are_kept(clips, extension):
    if extension == ".webm":  # which takes no AAC
        ffmpeg("-i", clips / "clip.mp4", "-c:v", "copy", "-c:a", "libopus", clips / "clip.mkv")
    source = clips / ("clip.mkv" if extension == ".webm" else "clip.mp4")
    target = clips / f"out{extension}"
    assert infer.translate_video(models.load("upscale_x2"), source, target) == 24
    before, after = streams(source), streams(target)
    pictures = after["video"]
    assert (pictures["width"], pictures["height"], pictures["nb_read_frames"]) == (92, 60, "24")
    assert pictures["r_frame_rate"] == "24000/1001"
    assert after["audio"]["codec_name"] == before["audio"]["codec_name"]
    assert packets(source) == packets(target)
    with video.frames(video.probe(source)) as small, video.frames(video.probe(target)) as large:
        for low, high in zip(small, large, strict=True):
            mean = high.reshape(30, 2, 46, 2, 3).mean(axis=(1, 3))
            assert np.abs(mean - low).mean() < 6  # of 255 levels: lossy twice, and colors at half the sides


@pytest.mark.slow
def test_clips_that_are_turned_odd_uneven_or_damaged(clips, tiny_generator):
    keeps = tiny_generator()
    ffmpeg("-i", clips / "clip.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", clips / "turned.mp4")
    assert infer.translate_video(keeps, clips / "turned.mp4", clips / "out.mp4") == 24
    turned = streams(clips / "out.mp4")["video"]
    assert (turned["width"], turned["height"]) == (30, 46)
    assert "side_data_list" not in turned

    picture = ("-f", "lavfi", "-i", "testsrc=size=45x31:rate=10:duration=1")
    ffmpeg(*picture, "-c:v", "libx264", "-pix_fmt", "yuv444p10le", clips / "odd.mkv")
    said = []
    assert infer.translate_video(keeps, clips / "odd.mkv", clips / "odd.mp4", say=said.append) == 10
    assert (streams(clips / "odd.mp4")["video"]["width"], "10 bits" in said[0]) == (45, True)

    dropped = ("-vf", "select='not(eq(mod(n,4),1))'", "-fps_mode", "vfr")
    ffmpeg("-i", clips / "clip.mp4", *dropped, "-c:a", "copy", clips / "uneven.mp4")
    said = []
    infer.translate_video(keeps, clips / "uneven.mp4", clips / "even.mp4", say=said.append)
    assert "unequally long" in said[0]
    length = float(streams(clips / "even.mp4")["video"]["duration"])
    assert abs(length - float(streams(clips / "uneven.mp4")["video"]["duration"])) < 0.1

    content = bytearray((clips / "clip.mp4").read_bytes())
    content[len(content) // 3 : len(content) // 3 + 400] = np.random.default_rng(0).bytes(400)
    (clips / "bad.mp4").write_bytes(content)
    with pytest.raises(video.BrokenError, match=r"frame \d+ of .*bad.mp4 cannot be read \(.*\); mend"):
        infer.translate_video(keeps, clips / "bad.mp4", clips / "none.mp4")
    assert not (clips / "none.mp4").exists()
    for name in ("text.mp4", "sound.mp4"):
        (clips / "text.mp4").write_text("x" * 100)
        ffmpeg("-i", clips / "clip.mp4", "-vn", "-c", "copy", clips / "sound.mp4")
        with pytest.raises(ValueError, match=f"{name} (cannot be read as a video|holds no moving pictures)"):
            video.probe(clips / name)


@pytest.mark.slow
def test_ctrl_c_leaves_no_file_and_no_process(clips):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=20", clips / "long.mp4")
    command = [sys.executable, "-m", "gan_jax", "translate", "upscale_x2", "long.mp4", "out.mp4"]
    process = subprocess.Popen(command, cwd=clips, stderr=subprocess.PIPE, text=True)
    while not list(clips.glob(".*.part.mp4")):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert (process.communicate()[1].strip().splitlines()[-1], process.returncode) == ("interrupted", 130)
    assert not [path for path in clips.iterdir() if "out" in path.name or "part" in path.name]
    assert b"long.mp4" not in subprocess.run(["ps", "axww"], check=True, capture_output=True).stdout
