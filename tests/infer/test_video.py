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
from gan_jax.data import image_files, video
from gan_jax.infer import engine
from gan_jax.infer.files import require_image_channels
from tests.errors.cases import refusing

STREAM = {"width": 8, "height": 16, "pix_fmt": "yuv420p10le", "r_frame_rate": "2/1", "avg_frame_rate": "2/1"}
FFPROBE = """#!/bin/sh
case "$*" in *packet=*) printf '0.0,K__\\n0.5,___\\n1.0,___\\n';; *) echo '%s';; esac
"""
FFMPEG = """#!/bin/sh
case "$*" in
*0:V:0*) head -c %d '%s'; echo '[h264 @ 0x1] a bad block' >&2; exit %d;;
*) for last; do :; done; cat > "${last#file:}"; echo 'no such codec' >&2; exit %d;;
esac
"""


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """(frames, decoder's exit code, encoder's, pixels' file) -> scripts as ffmpeg and ffprobe; a clip beside them."""

    def make(frames=3.0, decoder=0, encoder=0, pixels="/dev/zero", **stream):
        scripts = {
            "ffprobe": FFPROBE % json.dumps({"streams": [{**STREAM, **stream}], "format": {}}),
            "ffmpeg": FFMPEG % (int(frames * 8 * 16 * 3), pixels, decoder, encoder),
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
    said = f"wrote 0 of 0: {folder / 'out.mp4'} is there; one that stopped goes on by --frames FOLDER\n"
    assert capsys.readouterr().out == said
    (folder / "out.mp4").unlink()
    assert cli.main([*command, "--skip_existing"]) == 0
    assert "note: --skip_existing leaves out a video that is there; --frames FOLDER" in capsys.readouterr().err
    assert cli.main([*command, "--skip_existing", "--frames", str(folder / "frames")]) == 0
    assert "--frames FOLDER" not in capsys.readouterr().err


@pytest.fixture
def runs(monkeypatch):
    """The names of what the engine runs, in order."""
    run, names = engine.run, []

    def counting(*arguments, **options):
        names.append(options["name"])
        return run(*arguments, **options)

    monkeypatch.setattr(engine, "run", counting)
    return names


def stopping(after):
    """Progress that is interrupted once so many frames are done."""

    def progress(done, total):
        if done >= after:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(("batch_size", "again"), [(1, 6), (4, 2)])
def test_what_was_computed_before_a_stop_is_not_computed_again(pretended, tiny_generator, runs, batch_size, again):
    folder = pretended()
    (folder / "raw").write_bytes(np.random.default_rng(0).bytes(10 * 8 * 16 * 3))
    # The generator's dropout is on; its noise is that of each frame wherever it is computed.
    folder, generator = pretended(frames=10, pixels=folder / "raw"), tiny_generator()
    clip, frames, options = folder / "clip.mp4", folder / "frames", {"batch_size": batch_size}
    infer.translate_video(generator, clip, folder / "whole.mp4", **options)
    del runs[:]
    with pytest.raises(KeyboardInterrupt):
        infer.translate_video(generator, clip, folder / "out.mp4", **options, frames=frames, progress=stopping(4))
    assert not (folder / "out.mp4").exists()
    assert {path.name for path in frames.iterdir()} == {"frames.json", *(f"{i:06d}.png" for i in range(4))}
    del runs[:]
    said = []
    count = infer.translate_video(generator, clip, folder / "out.mp4", **options, frames=frames, say=said.append)
    assert (count, len(runs), runs[0]) == (10, again, f"frame 4 of {clip}")
    assert said[1:] == [f"{frames} holds 4 frames, which are not computed again."]
    assert (folder / "out.mp4").read_bytes() == (folder / "whole.mp4").read_bytes()
    del runs[:]
    assert infer.translate_video(generator, clip, folder / "again.mp4", **options, frames=frames) == 10
    assert runs == []
    assert (folder / "again.mp4").read_bytes() == (folder / "whole.mp4").read_bytes()


def test_a_frame_that_failed_is_the_first_to_be_computed(pretended, tiny_generator, monkeypatch, capsys):
    folder = pretended(frames=4)
    models.save(folder / "g.safetensors", tiny_generator())
    command = ["translate", *(str(folder / name) for name in ("g.safetensors", "clip.mp4", "out.mp4"))]
    command += ["--frames", str(folder / "frames")]
    failing = engine.Failure("frame 2 does not fit into the device's memory; scale it down.")
    with monkeypatch.context() as patch:
        run, names = engine.run, []

        def third_fails(*arguments, **options):
            names.append(options["name"])
            if len(names) == 3:
                raise failing
            return run(*arguments, **options)

        patch.setattr(engine, "run", third_fails)
        assert cli.main(command) == 1
    assert f"{str(failing).rstrip('.')}; {folder / 'out.mp4'} is not written." in capsys.readouterr().err
    with monkeypatch.context() as patch:
        refusing(image_files, "save")(patch)
        assert cli.main(command) == 1
    said = (
        f"{folder / 'frames' / '000002.png'} cannot be written (No space left on device); make room, then give the same"
    )
    assert said in capsys.readouterr().err
    assert cli.main(command) == 0
    assert "frames holds 2 frames, which are not computed again." in capsys.readouterr().err
    assert len((folder / "out.mp4").read_bytes()) == 4 * 16 * 8 * 3


def test_frames_of_no_use_are_computed_again(pretended, tiny_generator, runs):
    folder, generator = pretended(frames=4), tiny_generator()
    clip, frames, options = folder / "clip.mp4", folder / "frames", {"frames": folder / "frames", "batch_size": 2}
    infer.translate_video(generator, clip, folder / "whole.mp4", **options)
    whole = (folder / "whole.mp4").read_bytes()
    (frames / "000002.png").write_bytes((frames / "000002.png").read_bytes()[:-30])
    image_files.save(frames / "000003.png", np.zeros((8, 8, 3), np.uint8))
    del runs[:]
    said = []
    infer.translate_video(generator, clip, folder / "out.mp4", **options, say=said.append)
    assert said[2:] == [
        f"{frames}/000002.png is damaged or not an image; it is computed again.",
        f"{frames}/000003.png has 8x8 pixels and frames here have 8x16; it is computed again.",
    ]
    assert (len(runs), (folder / "out.mp4").read_bytes()) == (1, whole)
    # One of a batch is gone: the others are taken as they are, painted over or not.
    image_files.save(frames / "000000.png", np.full((16, 8, 3), 255, np.uint8))
    (frames / "000001.png").unlink()
    infer.translate_video(generator, clip, folder / "out.mp4", **options)
    assert (folder / "out.mp4").read_bytes() == b"\xff" * (16 * 8 * 3) + whole[16 * 8 * 3 :]


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
    # What a killed program's encoder still has open is another file.
    (folder / files.part_name("next.mp4")).write_bytes(b"half")
    os.link(folder / files.part_name("next.mp4"), folder / "half")
    with video.writing(folder / "next.mp4", known, 8, 8) as writer:
        writer.put(frame)
    assert (folder / "next.mp4").read_bytes() == frame.tobytes()
    assert (folder / "half").read_bytes() == b"half"


def test_a_generator_of_other_channels_makes_no_video(pretended, tiny_generator):
    folder, odd = pretended(), tiny_generator(in_channels=2)
    for call in (
        lambda: require_image_channels(odd),
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


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "extension", "again"), [(1, ".mp4", 13), (4, ".mov", 3)])
def test_a_clip_that_was_interrupted_goes_on_to_the_same_bytes(clips, runs, batch_size, extension, again):
    generator, clip, target = models.load("upscale_x2"), clips / "clip.mp4", clips / f"out{extension}"
    options = {"batch_size": batch_size}
    infer.translate_video(generator, clip, clips / f"whole{extension}", **options)
    with pytest.raises(KeyboardInterrupt):
        infer.translate_video(generator, clip, target, **options, frames=clips / "frames", progress=stopping(11))
    assert not target.exists()
    del runs[:]
    assert infer.translate_video(generator, clip, target, **options, frames=clips / "frames") == 24
    assert len(runs) == again
    assert target.read_bytes() == (clips / f"whole{extension}").read_bytes()


@pytest.mark.slow
def test_a_killed_program_goes_on_to_the_same_bytes(clips, capsys):
    picture = ("-f", "lavfi", "-i", "testsrc=size=320x180:rate=24:duration=1")
    ffmpeg(*picture, "-i", clips / "clip.mp4", "-map", "0:v", "-map", "1:a", "-c:a", "copy", clips / "killed.mp4")
    command = ["translate", "upscale_x2", str(clips / "killed.mp4")]
    assert cli.main([*command, str(clips / "whole.mp4")]) == 0
    command += [str(clips / "out.mp4"), "--frames", str(clips / "frames")]
    process = subprocess.Popen([sys.executable, "-m", "gan_jax", *command], stderr=subprocess.DEVNULL)
    while len(list(clips.glob("frames/0*.png"))) < 11:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kept = len(list(clips.glob("frames/0*.png")))
    assert 11 <= kept < 24
    assert not (clips / "out.mp4").exists()
    capsys.readouterr()
    assert cli.main(command) == 0
    done = capsys.readouterr()
    assert f"{clips / 'frames'} holds {kept} frames, which are not computed again." in done.err
    assert (clips / "out.mp4").read_bytes() == (clips / "whole.mp4").read_bytes()
    assert len(list(clips.glob("frames/0*.png"))) == 24
