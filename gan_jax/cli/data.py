"""The verbs of `gan-jax data`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from gan_jax.cli.speaking import Speaker

__all__ = ["VERBS", "Check", "Prepare", "Preview", "Split"]
__dir__ = __all__.copy


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Make a folder of images a data set that training reads fast, or write the photographs of the `photos` extra.

    It is one of TensorFlow Datasets, with the images as training has them before it crops: give training the same
    sizes, and the folder as --dataroot. A killed command is gone on with by the same command.
    """

    source: Annotated[Positional[str], arg(metavar="FOLDER|photos")]
    """Folder of images, in one of the layouts that training reads; photos: the photographs that
    pip install 'gan_jax[photos]' brings, which are written as folders train, val and test."""
    target: Positional[Path]
    """Folder to write to."""
    kind: Literal["pairs", "unpaired", "photographs", "classes"] | None = None
    """What the images are; looked at unless given."""
    derive: Literal["gray", "grey", "edges", "blur", "mosaic"] | None = None
    """Make pairs of photographs, as training with that flag does; for --derive lab photographs stay as they are."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """What training does; crop and none keep sizes."""
    load_size: Annotated[str | None, arg(metavar="N|HEIGHTxWIDTH")] = None
    """Side that training images are resized to: 286 for pairs and for unpaired images; photographs keep their sizes
    unless it is given."""
    crop_size: Annotated[str | None, arg(metavar="N|HEIGHTxWIDTH")] = None
    """Side of the crops, to which images for validation and test are resized: 256 where training images are resized."""
    size: int = 64
    """Side of images in folders of classes."""
    dataroot_lq: Path | None = None
    """Folder of the same photographs in low resolution."""
    scale: int = 4
    """Side of high over side of low resolution."""
    tile: int | None = None
    """Cut training photographs into squares of this side, as BasicSR's extract_subimages: 480 for instance."""
    step: int | None = None
    """Pixels from one tile to the next; half a tile unless given."""
    thin: int = 0
    """Of what is left at an edge so many pixels and fewer get no tile of their own (BasicSR's thresh_size)."""
    input_nc: Literal[1, 3] | None = None
    """Channels of A; 1 with --derive gray or edges, 3 otherwise. --bands: those of the files."""
    output_nc: Literal[1, 3] = 3
    """Channels of B, and of single images. --bands: those of the files."""
    bands: Literal["samples", "pages"] | None = None
    """Read pairs and unpaired images as arrays of channels, as training with that flag does; give it there too."""
    store: Literal["pixels", "encoded"] | None = None
    """pixels: uint8, the fastest to read. encoded: files' own bytes where images keep their sizes, and PNG. Pixels
    where images are resized, unless given."""
    workers: int | None = None
    """Processes, as many as there are cores unless given. What is written does not depend on them."""

    beam: Annotated[str | None, arg(metavar="FLAGS")] = None
    """Let Apache Beam write the shards, with its own flags: --beam="--runner=FlinkRunner --flink_master=HOST:8081"."""

    def run(self) -> int:
        """Returns the exit code."""
        import shlex

        from gan_jax import builtin
        from gan_jax.data import prepare, transforms

        if builtin.word(self.source, "photos", said="") is not None:
            return self._photographs()
        speaker, workers = Speaker("written"), self.workers if self.workers is not None else os.cpu_count() or 1
        derive = transforms.spelled(self.derive)
        kind: prepare.Kind | None = self.kind or ("pairs" if derive else None)
        if kind is None and (self.dataroot_lq or self.tile):
            kind = "photographs"
        if kind is None:
            kind = prepare.kind_of(self.source, self.bands)
            speaker.note(f"the images of {self.source} are taken for {kind}; --kind says otherwise.")
        settings = prepare.Settings(
            kind,
            preprocess=self.preprocess,
            load_size=None if self.load_size is None else transforms.read_size(self.load_size),
            crop_size=None if self.crop_size is None else transforms.read_size(self.crop_size),
            derive=derive,
            size=self.size,
            low=self.dataroot_lq,
            scale=self.scale,
            source_channels=self.input_nc or transforms.derived_channels(derive),
            target_channels=self.output_nc,
            stored=self.store,
            tile=self.tile,
            step=self.step,
            thin=self.thin,
            bands=self.bands,
        )
        beam = None if self.beam is None else shlex.split(self.beam)
        made = prepare.prepare(self.source, self.target, settings, workers=workers, beam=beam, said=speaker.count)
        speaker.notes(made.notes)
        speaker.end([])
        counts = ", ".join(f"{count:,} in {split}" for split, count in made.counts.items())
        print(
            f"{self.target}: {counts}; {made.bytes / 2**20:,.1f} MiB in {made.shards} shards, {made.made} of them now"
        )
        encoded = "" if self.bands else f", {made.encoded / 1024:,.1f} KiB encoded"
        print(f"stored as {settings.form.stored}; a record's images: {made.pixels / 1024:,.1f} KiB as pixels{encoded}")
        return 0

    def _photographs(self) -> int:
        from gan_jax.data.demo import skimage_photos

        counts = skimage_photos.prepare(self.target)
        print(f"{self.target}: " + ", ".join(f"{count} in {split}" for split, count in counts.items()))
        return 0


@dataclasses.dataclass(frozen=True)
class Check:
    """Say what a folder of images, or a prepared data set, has in it and what is wrong with it.

    Every file is decoded. The exit code is 1 where something is wrong.
    """

    folder: Positional[Path]
    """Folder of images in any layout that training reads, or what gan-jax data prepare wrote."""
    kind: Literal["pairs", "unpaired"] | None = None
    """Whether images of A and of B are pairs; looked at unless given."""
    dataroot_lq: Path | None = None
    """Folder of the same images in low resolution, which is compared with them."""
    scale: int = 4
    """Side of high over side of low resolution."""
    bands: Literal["samples", "pages"] | None = None
    """Read arrays of channels, as training with that flag does."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write everything as JSON too."""
    sheet: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the images that something is wrong with, small, to this PNG."""

    def run(self) -> int:
        """Returns the exit code."""
        import json

        from gan_jax import degrade, files
        from gan_jax.data import checking, image_files

        def shrink(kind: degrade.Kind) -> checking.Shrink:
            return lambda image, scale: degrade.on_host(degrade.Degradation(kind, scale), image)

        kinds: tuple[degrade.Kind, ...] = ("bicubic", "bilinear", "lanczos", "area", "nearest")
        speaker = Speaker("read")
        report = checking.check(
            self.folder,
            kind=self.kind,
            low_root=self.dataroot_lq,
            scale=self.scale,
            shrinks={kind: shrink(kind) for kind in kinds},
            bands=self.bands,
            threads=os.cpu_count() or 1,
            said=speaker.count,
        )
        speaker.end([])
        print(checking.as_text(report))
        if self.json is not None:
            files.write(self.json, json.dumps(checking.as_json(report), indent=1) + "\n")
        if self.sheet is not None and (sheet := checking.contact_sheet(report, self.bands)) is not None:
            image_files.save(self.sheet, image_files.as_array(sheet, 3))
            print(f"sheet: {self.sheet}")
        return 1 if report.faults else 0


@dataclasses.dataclass(frozen=True)
class Split:
    """Copy the images of a folder to train, val and test by what they show: images that look alike stay together.

    A folder with A and B is split pair by pair. An image that is like no other goes to the same split whatever others
    there are.
    """

    source: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """Folder of images."""
    target: Positional[Path]
    """Folder to write to."""
    val: float = 0.1
    """Share of validation images."""
    test: float = 0.1
    """Share of test images."""
    link: bool = False
    """Make links in place of copies."""
    bands: Literal["samples", "pages"] | None = None
    """Read arrays of channels, as training with that flag does."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax.data import splitting

        speaker = Speaker("read")
        counts = splitting.split(
            self.source,
            self.target,
            val=self.val,
            test=self.test,
            link=self.link,
            bands=self.bands,
            threads=os.cpu_count() or 1,
            said=speaker.count,
        )
        speaker.end([])
        print(f"{self.target}: " + ", ".join(f"{count:,} in {split}" for split, count in counts.items()))
        return 0


class Preview:
    """Draw what the networks see of training images: gan-jax data preview RECIPE [PRESET] [--flags] [--out FILE]."""

    @staticmethod
    def main(arguments: list[str]) -> int:
        """Draws as a command line says, which is that of training; returns the exit code."""
        from gan_jax import recipes
        from gan_jax.recipes import preview
        from gan_jax.terminal import commandline

        if not arguments or arguments[0].startswith("-"):
            named = ", ".join(recipes.NAMES)
            print(
                f"{(Preview.__doc__ or '').strip()}\n\nRecipes: {named}; the flags are those of gan-jax train RECIPE."
            )
            return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
        recipe = recipes.load(commandline.choose(arguments[0], "recipe", recipes.NAMES))
        out, rest = commandline.take(arguments[1:], "--out")
        config = recipe.parse(rest, program=f"gan-jax data preview {arguments[0]}")
        path = Path(out or "preview.png")
        for line in preview.draw(config, recipe.experiment(config), path):
            print(line)
        print(f"image: {path}")
        return 0


VERBS = {"prepare": Prepare, "check": Check, "split": Split, "preview": Preview}
