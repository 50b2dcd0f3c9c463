"""What PNG and JPEG files hold beside their pixels: text, profiles, animation. What is wrong there is left out.

Pillow refuses an image for a comment's wrong checksum, and for text that is longer than it likes.
"""

import io
import struct
import zlib
from typing import IO, NamedTuple

__all__ = ["jpeg_without_extras", "png_without_faults"]
__dir__ = __all__.copy

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_TEXT, _MOST_TEXTS = 2**20, 2**26  # bytes that Pillow unpacks of one text, and of all
_MOST_PROFILE = 2**26  # of a color profile, which Pillow would cut off at _MOST_TEXT
_LEAST = {b"pHYs": 9, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}  # bytes of their content
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_ANIMATION = {b"acTL": 8, b"fcTL": 26, b"fdAT": 5}  # a sequence number and pixels
_PIXELS = (b"tRNS",)  # a lower case letter, and yet not optional

_JPEG = b"\xff\xd8"
_EXIF, _PROFILE, _ADOBE = (0xE1, b"Exif\0\0", 7), (0xE2, b"ICC_PROFILE\0", 14), (0xEE, b"Adobe", 12)


class _Chunk(NamedTuple):
    kind: bytes
    start: int  # of its length, 4 bytes before the kind
    length: int  # of its content

    @property
    def stop(self) -> int:
        return self.start + 12 + self.length


def png_without_faults(file: IO[bytes]) -> tuple[IO[bytes], bytes | None]:
    """A PNG without the optional chunks that would spoil it, and a color profile too large for Pillow.

    Any other file, and a PNG without such chunks, comes back as it is, at its beginning.
    """
    if file.read(8) != _PNG:
        file.seek(0)
        return file, None
    chunks = list(_chunks(file))
    wrong, texts, profile = set[int](), 0, None
    animated = _is_animation(file, chunks)
    for number, chunk in enumerate(chunks):
        if not chunk.kind.isalpha() or (chunk.kind == b"tRNS" and not _fits(file, chunks, chunk)):
            wrong.add(number)
            continue
        if not chunk.kind[0] & 0x20 or chunk.kind in _PIXELS:
            continue
        if chunk.kind in _ANIMATION:
            if not animated:
                wrong.add(number)
        elif not _is_sound(file, chunk):
            wrong.add(number)
        elif chunk.kind in _TEXT:
            size = _text_size(_content(file, chunk), chunk.kind)
            texts += size or 0
            if size is None or size > _MOST_TEXT or texts > _MOST_TEXTS:
                wrong.add(number)
        elif chunk.kind == b"iCCP":
            unpacked = _unpacked_profile(_content(file, chunk))
            if unpacked is None or len(unpacked) > _MOST_TEXT:
                profile = unpacked
                wrong.add(number)
    file.seek(0)
    if not wrong:
        return file, None
    whole = file.read()
    kept = [whole[chunk.start : chunk.stop] for number, chunk in enumerate(chunks) if number not in wrong]
    return io.BytesIO(b"".join([_PNG, *kept])), profile


def _chunks(file: IO[bytes]) -> list[_Chunk]:
    """All chunks, the file's end cut short or not: what is missing there, Pillow says."""
    chunks: list[_Chunk] = []
    start = 8
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        chunks.append(_Chunk(kind, start, length))
        start = chunks[-1].stop
        if kind == b"IEND":
            break
        file.seek(start)
    return chunks


def _fits(file: IO[bytes], chunks: list[_Chunk], transparency: _Chunk) -> bool:
    """Whether a tRNS has the length that images of this color type give it; those with alpha have none."""
    header = _content(file, chunks[0])
    return {b"\0": transparency.length == 2, b"\2": transparency.length == 6, b"\3": True}.get(header[9:10], False)


def _content(file: IO[bytes], chunk: _Chunk) -> bytes:
    file.seek(chunk.start + 8)
    return file.read(chunk.length)


def _is_sound(file: IO[bytes], chunk: _Chunk) -> bool:
    """Whether a chunk has its checksum, and as much content as its kind must have."""
    file.seek(chunk.start + 4)
    content, checksum = file.read(4 + chunk.length), file.read(4)
    least = _LEAST.get(chunk.kind) or _ANIMATION.get(chunk.kind, 0)
    return chunk.length >= least and checksum == struct.pack(">I", zlib.crc32(content))


def _is_animation(file: IO[bytes], chunks: list[_Chunk]) -> bool:
    """Whether the chunks of an animation are sound, in front of and behind the still image, and in order."""
    kinds = [chunk.kind for chunk in chunks]
    parts = [chunk for chunk in chunks if chunk.kind in (b"fcTL", b"fdAT")]
    if kinds.count(b"acTL") != 1 or b"IDAT" not in kinds or kinds.index(b"acTL") > kinds.index(b"IDAT"):
        return False
    if not all(_is_sound(file, chunk) for chunk in chunks if chunk.kind in _ANIMATION):
        return False
    numbers = [int.from_bytes(_content(file, chunk)[:4], "big") for chunk in parts]
    return numbers == list(range(len(numbers)))


def _text_size(content: bytes, kind: bytes) -> int | None:
    """The bytes of a text once it is unpacked, as far as _MOST_TEXT and one more; None where it cannot be."""
    _, _, rest = content.partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] != b"\1"):
        return len(content)
    packed: bytes | None
    if kind == b"iTXt":
        packed = rest[2:].split(b"\0", 2)[-1] if rest.count(b"\0") >= 2 else b""
    else:
        packed = rest[1:] if rest[:1] == b"\0" else None
    return None if packed is None else len(_inflated(packed, _MOST_TEXT) or b"")


def _unpacked_profile(content: bytes) -> bytes | None:
    _, end, rest = content.partition(b"\0")
    return _inflated(rest[1:], _MOST_PROFILE) if end and rest[:1] == b"\0" else None


def _inflated(packed: bytes, most: int) -> bytes | None:
    """What zlib unpacks, at most one byte more than `most`; None where it cannot."""
    try:
        return zlib.decompressobj().decompress(packed, most + 1)
    except zlib.error:
        return None


def jpeg_without_extras(file: IO[bytes]) -> IO[bytes] | None:
    """A JPEG with nothing beside its pixels but whole EXIF, color profile and Adobe's mark; None of another file.

    For a JPEG whose other segments Pillow trips over.
    """
    file.seek(0)
    content = file.read()
    if not content.startswith(_JPEG):
        return None
    kept, place = [_JPEG], 2
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker = content[place + 1]
        if marker == 0xFF:  # a byte of padding
            place += 1
            continue
        if marker == 0xDA:  # the scan: pixels up to the end
            break
        stop = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        segment = content[place + 4 : stop]
        extra = 0xE0 <= marker <= 0xEF or marker == 0xFE
        whole = [
            marker == known and segment.startswith(start) and len(segment) >= least
            for known, start, least in (_EXIF, _PROFILE, _ADOBE)
        ]
        if not extra or any(whole):
            kept.append(content[place:stop])
        place = stop
    return io.BytesIO(b"".join([*kept, content[place:]]))
