"""Videos, by the program ffmpeg: frames come and go as raw pixels through pipes, and the rest of a file is its work."""

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_jax import files

__all__ = ["READ", "WRITTEN", "BrokenError", "Video", "Writer", "frames", "probe", "writing"]
__dir__ = __all__.copy

READ = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv")
_X264, _VP9 = ("libx264", "-crf", "16"), ("libvpx-vp9", "-crf", "20", "-b:v", "0", "-row-mt", "1")
_ENCODERS = {".mp4": _X264, ".m4v": _X264, ".mov": _X264, ".mkv": _X264, ".webm": _VP9}
WRITTEN = tuple(_ENCODERS)
_SCALER = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# What ffmpeg's scaler calls the matrices between RGB and YUV that ffprobe names.
_MATRICES = {"bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "bt470bg", "bt2020nc": "bt2020"}
_SPEAKER = re.compile(r"^\[[^]]*\]\s*")  # the part of ffmpeg that complains, and its address in memory
_HD = 720  # lines from which what does not say its matrix has BT.709's
_MOST_RATE = 120  # frames a second; what is called more is the unit of a file's clock


class BrokenError(ValueError):
    """Why a video could not be read or written to its end."""


class Video(NamedTuple):
    """What is known of a video before its frames are read."""

    path: str | Path
    height: int  # upright
    width: int
    length: int  # frames, as the file's packets tell
    rate: Fraction  # frames a second
    steady: bool  # whether all frames last equally long
    offset: float  # seconds by which the pictures begin after the file
    matrix: str  # between RGB and YUV, as ffprobe names it
    tags: tuple[str, ...]  # what is written of its primaries and transfer
    aspect: str  # of a pixel, "1:1"
    exact: bool  # whether `length` is of frames, and not of fields
    notes: tuple[str, ...]  # sentences about what a copy loses


def probe(path: str | Path) -> Video:
    """Reads a video's header, and where its frames lie in time; no frame is decoded.

    Raises FileNotFoundError where ffmpeg is not on this machine, ValueError for what holds no pictures.
    """
    path = Path(path)
    asked = "stream=width,height,pix_fmt,r_frame_rate,avg_frame_rate,start_time,field_order,sample_aspect_ratio"
    colors = "color_space,color_transfer,color_primaries,bits_per_raw_sample"
    entries = f"{asked},{colors}:stream_side_data=rotation:format=start_time"
    text = _probed(path, "-show_entries", entries, "-of", "json")
    said: dict[str, Any] = json.loads(text or "{}")
    if not said.get("streams"):
        raise ValueError(f"{path} holds no moving pictures that ffmpeg can read; name a video.")
    stream = said["streams"][0]
    packets = _probed(path, "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0").split()
    shown = [time for time, flags in (packet.split(",")[:2] for packet in packets) if "D" not in flags]
    rate, average = Fraction(stream["r_frame_rate"]), _fraction(stream.get("avg_frame_rate"))
    steady = _steady(shown, rate)
    if not steady and average and rate > _MOST_RATE:
        rate = average
    sides = stream["height"], stream["width"]
    turns = [data["rotation"] for data in stream.get("side_data_list", []) if "rotation" in data]
    if turns and round(turns[0] / 90) % 2:
        sides = sides[::-1]
    matrix = stream.get("color_space", "")
    if matrix not in _MATRICES:
        matrix = "bt709" if sides[0] >= _HD else "smpte170m"
    tags = (("-color_primaries", stream.get("color_primaries")), ("-color_trc", stream.get("color_transfer")))
    aspect = stream.get("sample_aspect_ratio", "1:1")
    interlaced = stream.get("field_order") in ("tt", "bb", "tb", "bt")
    return Video(
        path=path,
        height=sides[0],
        width=sides[1],
        length=len(shown),
        rate=rate,
        steady=steady,
        offset=_seconds(stream.get("start_time")) - _seconds(said.get("format", {}).get("start_time")),
        matrix=matrix,
        tags=tuple(itertools.chain(*((flag, value) for flag, value in tags if value not in (None, "unknown")))),
        aspect="1:1" if aspect in ("0:1", "N/A") else aspect,
        exact=not interlaced,
        notes=tuple(_notes(stream, steady, interlaced, rate)),
    )


def _notes(stream: dict[str, Any], steady: bool, interlaced: bool, rate: Fraction) -> Iterator[str]:
    pixels = stream.get("pix_fmt", "")
    bits = stream.get("bits_per_raw_sample", "")
    deep = next((deep for deep in ("10", "12", "14", "16") if pixels.endswith((f"p{deep}le", f"p{deep}be"))), bits)
    if deep.isdigit() and int(deep) > 8:
        yield f"it has {deep} bits a channel, and is written with 8."
    if pixels.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya")):
        yield "it has transparency, which is left out."
    if stream.get("color_transfer") in ("smpte2084", "arib-std-b67"):
        yield "it has a high dynamic range (HDR), for which the model was not made; bright parts may come out wrong."
    if interlaced:
        yield "it is interlaced, and its frames are taken as they are; deinterlace it first for better ones."
    if not steady:
        yield (
            f"its frames last unequally long; it is written with {float(rate):.5g} frames a second, of which some are "
            "repeated or left out, so that the sound stays in time."
        )


def _steady(times: list[str], rate: Fraction) -> bool:
    """Whether frames lie where the rate has them, to half a frame; those without times do."""
    known = sorted(float(time) for time in times if time not in ("", "N/A"))
    if len(known) < len(times) or not rate:
        return True
    return all(abs(time - known[0] - i / rate) <= 0.5 / rate + 1e-3 for i, time in enumerate(known))


def _fraction(text: str | None) -> Fraction | None:
    try:
        return Fraction(text or "0") or None
    except ZeroDivisionError:
        return None


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        return 0.0


@contextlib.contextmanager
def frames(video: Video, *, channels: int = 3) -> Iterator[Iterator[np.ndarray]]:
    """The frames of a video, uint8 [H, W, channels], upright; while the block runs.

    The iterator raises BrokenError where one cannot be decoded, or where some of the file's are missing at its end.
    """
    timing = ("-fps_mode", "passthrough") if video.steady else ("-fps_mode", "cfr", "-r", str(video.rate))
    chain = f"scale=in_color_matrix={_MATRICES[video.matrix]}:{_SCALER}"
    raw = ("-pix_fmt", _pixels(channels), "-f", "rawvideo", "pipe:1")
    command = ["-xerror", "-i", _named(video.path), "-map", "0:V:0", *timing, "-vf", chain, *raw]
    with _running(command, stdout=subprocess.PIPE) as (process, complaint):
        yield _read(video, channels, process, complaint)


def _read(video: Video, channels: int, process: subprocess.Popen[bytes], complaint: BinaryIO) -> Iterator[np.ndarray]:
    assert process.stdout is not None
    for number in itertools.count():
        frame = np.empty((video.height, video.width, channels), np.uint8)
        room, filled = frame.reshape(-1).data, 0
        while filled < len(room) and (read := process.stdout.readinto(room[filled:])):  # type: ignore[attr-defined]
            filled += read
        if filled == len(room):
            yield frame
            continue
        missing = video.steady and video.exact and number < video.length
        if process.wait() or filled or missing:
            words = _words(complaint) or f"it ends after {number} of {video.length} frames"
            raise BrokenError(
                f"frame {number} of {video.path} cannot be read ({words}); mend the video, or cut it off there."
            )
        return


class Writer:
    """A video that is being written."""

    def __init__(self, process: subprocess.Popen[bytes], complaint: BinaryIO, path: str | Path) -> None:
        self._process, self._complaint, self._path = process, complaint, path

    def put(self, frame_u8: np.ndarray) -> None:
        """Appends a frame [H, W, C]. Raises BrokenError where ffmpeg has given up."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(frame_u8).data)
        except BrokenPipeError:
            self._fail()

    def finish(self) -> None:
        """Waits until all is written. Raises BrokenError where it is not."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait():
            self._fail()

    def _fail(self) -> None:
        self._process.wait()
        words = _words(self._complaint) or f"ffmpeg ended with {self._process.returncode}"
        raise BrokenError(f"{self._path} cannot be written ({words}); name another kind of file, .mkv for instance.")


@contextlib.contextmanager
def writing(path: str | Path, video: Video, height: int, width: int, *, channels: int = 3) -> Iterator[Writer]:
    """A video of frames of these sides in place of another's, with that one's rate, colors and sound, which is copied.

    It is at `path` when the block ends, and nothing is where the block fails.
    """
    path = Path(path)
    # H.264 halves colors along both sides; where a side is odd, it keeps them whole.
    encoder = _ENCODERS[path.suffix.lower()]
    halved = encoder is _VP9 or (height % 2 == 0 and width % 2 == 0)
    chain = f"scale=out_color_matrix={_MATRICES[video.matrix]}:out_range=tv:{_SCALER}"
    chain += f",format={'yuv420p' if halved else 'yuv444p'},setsar={video.aspect.replace(':', '/')}"
    raw = ("-f", "rawvideo", "-pix_fmt", _pixels(channels), "-s", f"{width}x{height}", "-framerate", str(video.rate))
    with files.unfinished(path) as part:
        part.unlink(missing_ok=True)  # the encoder of a program that was killed may still end its own
        command = [
            *("-y", *raw, "-itsoffset", f"{video.offset:.6f}", "-i", "pipe:0", "-i", _named(video.path)),
            *("-map", "0:v:0", "-map", "1:a?", "-c:a", "copy", "-map_metadata", "1", "-vf", chain, "-c:v", *encoder),
            *("-fps_mode", "passthrough", "-colorspace", video.matrix, "-color_range", "tv", *video.tags),
            _named(part),
        ]
        with _running(command, stdin=subprocess.PIPE) as (process, complaint):
            writer = Writer(process, complaint, path)
            yield writer
            writer.finish()


@contextlib.contextmanager
def _running(arguments: list[str], **pipes: Any) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
    """ffmpeg with these arguments, and what it complains about; killed where it still runs when the block ends."""
    with tempfile.TemporaryFile() as complaint:
        # Of a session of its own: Ctrl-C is for this program, which then ends ffmpeg.
        command = [_tool("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", *arguments]
        process = subprocess.Popen(command, stderr=complaint, start_new_session=True, **pipes)
        try:
            yield process, complaint
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def _probed(path: Path, *arguments: str) -> str:
    command = [_tool("ffprobe"), "-v", "error", "-select_streams", "V:0", *arguments, _named(path)]
    done = subprocess.run(command, capture_output=True, check=False, start_new_session=True)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        reason = words[-1].removeprefix(f"{_named(path)}: ") if words else "ffprobe says nothing"
        raise ValueError(f"{path} cannot be read as a video ({reason}); name another.")
    return done.stdout.decode()


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"videos are read and written by {name}, which is not on this machine; install it (apt install "
            "ffmpeg, brew install ffmpeg), or translate a folder of frames."
        )
    return found


def _named(path: str | Path) -> str:
    """A path that ffmpeg takes for no flag and no address."""
    return f"file:{os.fspath(path)}"


def _pixels(channels: int) -> str:
    return {1: "gray", 3: "rgb24"}[channels]


def _words(complaint: BinaryIO) -> str:
    """The first thing that ffmpeg complained about."""
    complaint.seek(0)
    lines = complaint.read().decode(errors="replace").strip().splitlines()
    return _SPEAKER.sub("", lines[0]).strip().rstrip(".") if lines else ""
