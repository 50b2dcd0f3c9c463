"""The verbs of `gan-jax data`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from gan_jax.cli.speaking import Speaker

__all__ = ["VERBS", "Prepare"]
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
    """Channels of A; 1 with --derive gray or edges, 3 otherwise."""
    output_nc: Literal[1, 3] = 3
    """Channels of B, and of single images."""
    store: Literal["pixels", "encoded"] | None = None
    """pixels: uint8, the fastest to read. encoded: files' own bytes where images keep their sizes, and PNG. Pixels
    where images are resized, unless given."""
    workers: int | None = None
    """Processes, as many as there are cores unless given. What is written does not depend on them."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax.data import layouts, prepare, transforms

        if layouts.builtin(self.source, "photos", said="") is not None:
            return self._photographs()
        speaker, workers = Speaker("written"), self.workers if self.workers is not None else os.cpu_count() or 1
        derive = transforms.spelled(self.derive)
        kind: prepare.Kind | None = self.kind or ("pairs" if derive else None)
        if kind is None and (self.dataroot_lq or self.tile):
            kind = "photographs"
        if kind is None:
            kind = prepare.kind_of(self.source)
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
            source_channels=self.input_nc or (1 if derive in ("gray", "edges") else 3),
            target_channels=self.output_nc,
            stored=self.store,
            tile=self.tile,
            step=self.step,
            thin=self.thin,
        )
        made = prepare.prepare(self.source, self.target, settings, workers=workers, said=speaker.count)
        speaker.notes(made.notes)
        speaker.end([])
        counts = ", ".join(f"{count:,} in {split}" for split, count in made.counts.items())
        print(
            f"{self.target}: {counts}; {made.bytes / 2**20:,.1f} MiB in {made.shards} shards, {made.made} of them now"
        )
        stored = settings.form.stored
        print(
            f"stored as {stored}; a record's images: {made.pixels / 1024:,.1f} KiB as pixels, "
            f"{made.encoded / 1024:,.1f} KiB encoded"
        )
        return 0

    def _photographs(self) -> int:
        from gan_jax.data.demo import skimage_photos

        counts = skimage_photos.prepare(self.target)
        print(f"{self.target}: " + ", ".join(f"{count} in {split}" for split, count in counts.items()))
        return 0


VERBS = {"prepare": Prepare}
