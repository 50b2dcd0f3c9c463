"""Photographs that are free to use, out of Debian's packages: what the generators in the box are trained and judged on.

A package that is not in the folder of packages is fetched; each is known by its SHA-256. No scene is in two splits, and
no photograph of lomiri-wallpapers in any but `test` and `native`. docs/licenses.md has
what each package says of their licenses.
"""

import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from gan_jax import files

__all__ = ["PACKAGES", "SPLITS", "Package", "prepare"]
__dir__ = __all__.copy

_MIRROR = "http://deb.debian.org/debian/pool/main/"
SPLITS = ("train", "val", "test", "native")
_SIDE = 1024  # of test photographs: shrunk so far, nothing of their own JPEG is left


class Package(NamedTuple):
    """A Debian package: its file in the archive, that file's SHA-256, and the photographs in it by folder of ours."""

    file: str
    sha256: str
    root: str
    train: Sequence[str] = ()
    val: Sequence[str] = ()
    test: Sequence[str] = ()


PACKAGES: Mapping[str, Package] = {
    "mate": Package(
        "m/mate-backgrounds/mate-backgrounds_1.26.0-1_all.deb",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        "usr/share/backgrounds/mate/nature",
        train=(
            "Aqua.jpg",
            "Blinds.jpg",
            "Dune.jpg",
            "FreshFlower.jpg",
            "Garden.jpg",
            "GreenMeadow.jpg",
            "LadyBird.jpg",
            "Storm.jpg",
            "TwoWings.jpg",
            "Wood.jpg",
            "YellowFlower.jpg",
        ),
        val=("RainDrops.jpg",),
    ),
    "plasma": Package(
        "p/plasma-workspace-wallpapers/plasma-workspace-wallpapers_5.27.5-2_all.deb",
        "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
        "usr/share/wallpapers",
        train=tuple(
            f"{name}/contents/images/2560x1600.jpg"
            for name in (
                "BytheWater",
                "ColdRipple",
                "ColorfulCups",
                "EveningGlow",
                "FallenLeaf",
                "Grey",
                "Kite",
                "Path",
                "summer_1am",
            )
        ),
        val=("OneStandsOut/contents/images/2560x1600.jpg",),
    ),
    "lxqt": Package(
        "l/lxqt-themes/lxqt-themes_1.2.0-1_all.deb",
        "d518df36b515b09d36cb00b12645dd8ce170bb82bb0966297741905ce3edc8e1",
        "usr/share/lxqt/wallpapers",
        train=(
            "Butterfly-Kenneth-Wimer.jpg",
            "Valendas.png",
            "after-the-rain.jpg",
            "appleflower.png",
            "butterfly.png",
            "cloud.png",
            "drop.png",
            "flowers.png",
            "fog.jpg",
            "this-is-not-windows.jpg",
        ),
    ),
    "libjxl": Package(
        "libj/libjxl-testdata/libjxl-testdata_0.0~git20230110.d6168ff-1_all.deb",
        "a58523413f486760a0f3cbc931142a27e3aa25f77315b862046f089ed34aa2c7",
        "usr/share/libjxl-testdata",
        train=(
            "jxl/flower/flower.png",
            "external/wesaturate/500px/cvo9xd_keong_macan_srgb8.png",
            "external/wesaturate/500px/tmshre_riaphotographs_srgb8.png",
            "external/wesaturate/500px/u76c0g_bliznaca_srgb8.png",
        ),
    ),
    "sklearn": Package(
        "s/scikit-learn/python3-sklearn_1.2.1+dfsg-1_all.deb",
        "ca0c6be401d14871c7e93cfdd8d1f561595dc65e6e2ad2501d568aee7f7efc58",
        "usr/lib/python3/dist-packages/sklearn/datasets/images",
        train=("china.jpg", "flower.jpg"),
    ),
    "skimage": Package(
        "s/skimage/python3-skimage_0.19.3-8_all.deb",
        "728d88c3e3440f1f3712de0805dc834d29248ff07e1eec8c0f3da07606f752f9",
        "usr/lib/python3/dist-packages/skimage/data",
        train=("astronaut.png", "chelsea.png", "coffee.png"),
        val=("rocket.jpg",),
    ),
    "lomiri": Package(
        "l/lomiri-wallpapers/lomiri-wallpapers-16.04_20.04.0-2_all.deb",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        "usr/share/backgrounds",
        # All of the package but a pattern and a drawing.
        test=(
            "Bridge_by_Sander_Klootwijk.jpg",
            "Dragonfly_by_Bolly.jpg",
            "Picture_0B_by_freespace.jpg",
            "Picture_1A_by_freespace.jpg",
            "Wine_by_Jakkub_Mede.jpg",
            "aitzgorri_by_Aitzol_Berasategi.jpg",
            "free_by_Peter_Nerlich.jpg",
            "friends_by_Aitzol_Berasategi.jpg",
            "greentock_by_Peter_Nerlich.jpg",
            "life_by_Aitzol_Berasategi.jpg",
            "picosdeeuropa_by_Aitzol_Berasategi.jpg",
            "seeding_by_Clements_Engelhardt.jpg",
            "sunset_by_Aitzol_Berasategi.jpg",
        ),
    ),
    "lomiri20": Package(
        "l/lomiri-wallpapers/lomiri-wallpapers-20.04_20.04.0-2_all.deb",
        "d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
        "usr/share/backgrounds",
        test=("Kleiber_by_Lukas_Baubkus.jpg",),  # the others are drawings
    ),
}


def prepare(folder: str | Path, debs: str | Path) -> dict[str, int]:
    """Writes the photographs below folder/train, val, test and native; the number of files in each.

    Training has each as it is and shrunk to a half and a third: sharper, and without its own JPEG. `test` has them
    shrunk to sides of 1024 at most, `native` the middle of the same as they are. Packages are kept in `debs`. Raises
    OSError where one is not to be had, ValueError where one has other bytes.
    """
    folder, debs = Path(folder), Path(debs)
    counts = dict.fromkeys(SPLITS, 0)
    for name, package in PACKAGES.items():
        contents = _contents(_fetched(package, debs))
        for split in counts:
            (folder / split).mkdir(parents=True, exist_ok=True)
            for member in getattr(package, "test" if split == "native" else split):
                photo = Image.open(io.BytesIO(_read(contents, f"{package.root}/{member}"))).convert("RGB")
                # plasma's are all called by their size.
                stem = f"{name}_{member.split('/')[0] if name == 'plasma' else Path(member).stem}"
                for suffix, image in _kept(photo, split).items():
                    files.write(folder / split / f"{stem}{suffix}.png", _png(image))
                    counts[split] += 1
    return counts


def _kept(photo: Image.Image, split: str) -> dict[str, Image.Image]:
    """What is kept of a photograph, by what is put behind its name."""
    if split == "test":
        return {"": _shrunk(photo, max(photo.size) / _SIDE)}
    if split == "native":
        return {"": _middle(photo, _SIDE)}
    halved = _shrunk(photo, 2) if max(photo.size) > _SIDE else photo
    if split == "val":
        return {"": _middle(halved, _SIDE // 2)}
    if halved is photo:
        return {"": photo}
    return {"": photo, "_half": halved, "_third": _shrunk(photo, 3)}


def _shrunk(photo: Image.Image, factor: float) -> Image.Image:
    size = round(photo.width / factor), round(photo.height / factor)
    return photo.resize(size, Image.Resampling.LANCZOS)


def _middle(photo: Image.Image, side: int) -> Image.Image:
    left, top = (max(0, (length - side) // 2) for length in photo.size)
    return photo.crop((left, top, min(left + side, photo.width), min(top + side, photo.height)))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def _fetched(package: Package, debs: Path) -> bytes:
    """The bytes of a package's file, which is kept in `debs`."""
    path = debs / Path(package.file).name
    if not path.exists():
        url = _MIRROR + package.file.replace("~", "%7E").replace("+", "%2B")
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                data = response.read()
        except urllib.error.URLError as error:
            raise OSError(
                f"{url} is not to be had ({error.reason}); once Debian has moved on, put the file from "
                f"snapshot.debian.org into {debs}."
            ) from None
        debs.mkdir(parents=True, exist_ok=True)
        files.write(path, data)
    data = path.read_bytes()
    if (digest := hashlib.sha256(data).hexdigest()) != package.sha256:
        raise ValueError(f"{path} has the SHA-256 {digest}; wanted {package.sha256}: remove it, to fetch it anew.")
    return data


def _contents(deb: bytes) -> tarfile.TarFile:
    """The archive data.tar.xz in a .deb, which is an `ar` archive: a magic line, and members behind headers of 60."""
    at = len(b"!<arch>\n")
    while at < len(deb):
        name, size = deb[at : at + 16].split(b"/")[0].strip(), int(deb[at + 48 : at + 58])
        if name == b"data.tar.xz":
            return tarfile.open(fileobj=io.BytesIO(deb[at + 60 : at + 60 + size]), mode="r:xz")
        at += 60 + size + size % 2
    raise ValueError("a .deb without data.tar.xz.")


def _read(contents: tarfile.TarFile, path: str) -> bytes:
    file = contents.extractfile(f"./{path}")
    assert file is not None
    return file.read()
