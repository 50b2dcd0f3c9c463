"""What the first bytes of picture files say, cached: a broken file stops a run before its first step."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.data.pictures import frames_of, opened, orientation

__all__ = ["Header", "read_headers"]
__dir__ = __all__.copy


class Header(NamedTuple):
    """What is known of a file before decoding: its bytes, its time, the upright picture's size, its mode, frames."""

    bytes: int
    mtime_ns: int
    width: int
    height: int
    mode: str
    frames: int


def read_headers(folder: str | Path, files: Sequence[str]) -> list[Header | str]:
    """The header of each file below a folder, cached, or the sentence that says why it cannot be used."""
    cache = _cache_file(folder)
    known = _load_cache(cache)
    # In blocks: a future for each of a million files would cost more than reading the file's header.
    blocks = [files[k : k + 256] for k in range(0, len(files), 256)]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda files: [_read_header(f"{folder}/{f}", known.get(f)) for f in files], blocks)
        headers = [header for block in done for header in block]
    fresh = {file: header for file, header in zip(files, headers, strict=True) if isinstance(header, Header)}
    if any(known.get(file) != list(header) for file, header in fresh.items()):
        _store_cache(cache, known | fresh)
    return headers


def _read_header(path: str, known: Any) -> Header | str:
    try:
        stat = os.stat(path)
        fields = len(Header._fields)  # earlier versions knew fewer
        if isinstance(known, list) and len(known) == fields and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return Header(*known)
        with opened(path) as image:
            turned = orientation(image) >= 5 and image.format != "TIFF"  # whose sizes are upright
            width, height = image.size[::-1] if turned else image.size
            return Header(stat.st_size, stat.st_mtime_ns, width, height, image.mode, frames_of(image))
    except (ValueError, OSError) as error:
        return str(error)


def _cache_file(folder: str | Path) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    digest = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()
    return Path(home, "gan_jax", f"headers-{digest[:32]}.json")


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
