"""What the first bytes of image files say, cached: a broken file stops a run before its first step."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.data import rasters
from gan_jax.data.image_files import frame_notes, frames_of, opened, orientation
from gan_jax.data.sources import SplitFiles
from gan_jax.data.transforms import Size
from gan_jax.files import user_cache

__all__ = ["Header", "check_headers", "read_headers"]
__dir__ = __all__.copy


class Header(NamedTuple):
    """What is known of a file before decoding: its bytes, its time, the upright image's size, its mode, frames.

    Of one that is read as an array of channels the mode is its `rasters.Kind` in words.
    """

    bytes: int
    mtime_ns: int
    width: int
    height: int
    mode: str
    frames: int


def check_headers(source: SplitFiles, *, smallest: Size = 1) -> tuple[str, ...]:
    """Open every image's header; ValueError names the first that cannot be used, and counts the others.

    Images that are smaller than `smallest`, a side or (height, width) in pixels, cannot be used, nor those of which
    the source's `misfit` says so. Returns sentences on files of which only a part is.
    """
    columns = zip(source.folders, zip(*source.files, strict=True), strict=True)
    rows = list(zip(*(read_headers(folder, files, source.bands) for folder, files in columns), strict=True))
    problems = [problem for i, row in enumerate(rows) for problem in _problems(source, i, row, smallest)]
    if not problems and source.bands is not None:
        problems = _of_other_kinds(source, rows)
    if problems:
        more = f" {len(problems) - 1} more cannot be used." if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)
    files = ((path, header) for i, row in enumerate(rows) for path, header in zip(source.paths(i), row, strict=True))
    return frame_notes({str(path): header.frames for path, header in files if isinstance(header, Header)})


def _problems(source: SplitFiles, i: int, row: Sequence[Header | str], smallest: Size) -> list[str]:
    unread = [_remedied(path, h) for path, h in zip(source.paths(i), row, strict=True) if isinstance(h, str)]
    if unread:
        return unread
    misfit = source.misfit(i, [(header.width, header.height) for header in row if isinstance(header, Header)], smallest)
    return [misfit] if misfit else []


def _of_other_kinds(source: SplitFiles, rows: Sequence[Sequence[Header | str]]) -> list[str]:
    """Which files have other numbers, or more or fewer channels, than most of their side."""
    problems = []
    for side in range(len(source.folders)):
        kinds = [row[side].mode for row in rows if isinstance(row[side], Header)]  # type: ignore[union-attr]
        usual = max(dict.fromkeys(kinds), key=kinds.count)
        problems += [
            f"{source.paths(i)[side]} is {kind}, and most images beside it are {usual}; give them one dtype and the "
            "same channels."
            for i, kind in enumerate(kinds)
            if kind != usual
        ]
    return problems


def _remedied(path: Path, problem: str) -> str:
    # The system's own message has no remedy.
    readable = os.access(path, os.R_OK)
    return problem if readable else f"{path} cannot be read; see that it exists and may be read, or remove it."


def read_headers(folder: str | Path, files: Sequence[str], bands: rasters.Bands | None = None) -> list[Header | str]:
    """The header of each file below a folder, cached, or the sentence that says why it cannot be used."""
    cache = _cache_file(folder, bands)
    known = _load_cache(cache)
    # In blocks: a future for each of a million files would cost more than reading the file's header.
    blocks = [files[k : k + 256] for k in range(0, len(files), 256)]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda files: [_read_header(f"{folder}/{f}", known.get(f), bands) for f in files], blocks)
        headers = [header for block in done for header in block]
    fresh = {file: header for file, header in zip(files, headers, strict=True) if isinstance(header, Header)}
    if any(known.get(file) != list(header) for file, header in fresh.items()):
        _store_cache(cache, known | fresh)
    return headers


def _read_header(path: str, known: Any, bands: rasters.Bands | None = None) -> Header | str:
    try:
        stat = os.stat(path)
        fields = len(Header._fields)  # earlier versions knew fewer
        if isinstance(known, list) and len(known) == fields and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return Header(*known)
        if bands is not None:
            width, height, kind = rasters.header(path, bands)
            return Header(stat.st_size, stat.st_mtime_ns, width, height, str(kind), 1)
        with opened(path) as image:
            turned = orientation(image) >= 5 and image.format != "TIFF"  # whose sizes are upright
            width, height = image.size[::-1] if turned else image.size
            return Header(stat.st_size, stat.st_mtime_ns, width, height, image.mode, frames_of(image))
    except (ValueError, OSError, ImportError) as error:
        return str(error)


def _cache_file(folder: str | Path, bands: rasters.Bands | None = None) -> Path:
    digest = hashlib.sha256(os.fsencode(os.path.abspath(folder)) + (bands or "").encode()).hexdigest()
    return user_cache() / f"headers-{digest[:32]}.json"


def _load_cache(cache: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        known = json.loads(cache.read_bytes())
        if isinstance(known, dict):
            return known
    return {}


def _store_cache(cache: Path, headers: dict[str, Any]) -> None:
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: another process sees the old cache or the new one, never half of it.
        part = cache.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(headers, separators=(",", ":")))
        part.replace(cache)
