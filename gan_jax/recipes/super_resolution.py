"""The images of super-resolution experiments, what makes low resolution of them, and what scores the result."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gan_jax import builtin, degrade, evaluate, image, perceptual, second_order
from gan_jax.data import scan, seams, super_resolution, tfds_source, transforms
from gan_jax.data.pipeline import Source
from gan_jax.terminal import commandline
from gan_jax.training import processes, translation
from gan_jax.training.config import Settings, require_at_least

__all__ = [
    "PHOTOS",
    "PREPARED",
    "Downscale",
    "PhotographFlags",
    "Scale",
    "enlarge",
    "open_split",
    "protocol",
    "scores",
    "shrink",
    "splits",
    "task",
]
__dir__ = __all__.copy

Scale = Literal[2, 3, 4, 8]
Downscale = Literal[degrade.Kind, "second_order"]
PHOTOS, PREPARED = "photos", "tfds:"  # as a dataroot: the photographs of the extra of that name; TFDS's data sets


@dataclasses.dataclass(frozen=True)
class PhotographFlags(Settings):
    """The flags of super-resolution's images."""

    dataroot: commandline.Place | None = None
    """Folder of photographs, or of what gan-jax data prepare made of them; builtin:photos for scikit-image's, or
    tfds:div2k/bicubic_x4 for a data set that TensorFlow Datasets prepared."""
    max_dataset_size: int | None = None
    """Use only so many images of each split."""
    tfds_dir: Path | None = None
    """Where --dataroot tfds:div2k/bicubic_x4 is prepared; ~/tensorflow_datasets unless given."""
    dataroot_lq: Path | None = None
    """Folder of the same images in low resolution; made of the others on the device unless given."""
    scale: Scale = 4
    """Side of high over side of low resolution."""
    gt_size: int = 96
    """Side of the training crops in high resolution."""
    no_flip: bool = False
    """Do not mirror and turn training images at random."""
    color: Literal["rgb", "gray", "grey"] = "rgb"
    """Channels of the images."""
    downscale: Downscale = "bicubic"
    """What makes low resolution. A model learns its downscaler: use the one that your images have behind them. Where
    that is not known, second_order: Real-ESRGAN's blur, resizing, noise and JPEG at random, twice."""
    blur_sigma: float = 1.6
    """Standard deviation in pixels of --downscale blur."""
    noise: float = 0.0
    """Standard deviation of the noise in low resolution, in 8-bit levels; each image draws its own up to this."""
    jpeg: int | None = None
    """Lowest JPEG quality of low resolution; each image draws its own up to 95."""
    soften: float = 0.0
    """Standard deviation in pixels of a Gaussian before the downscaler; each image draws its own up to this."""
    clean: float = 0.0
    """The share of images that are downscaled alone, without --soften, --noise and --jpeg."""
    degrade_size: int | None = None
    """Side of the crops that low resolution is made of, before gt_size is cut out; gt_size unless given."""
    sharpen: bool = False
    """Train for sharpened images, and make low resolution of them, as Real-ESRGAN does."""
    queue_size: int = 0
    """Pairs that are kept to be mixed with those of later batches; a multiple of the batch."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "color", transforms.spelled(self.color))

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return 3 if self.color == "rgb" else 1

    @property
    def degradation(self) -> degrade.AnyDegradation:
        """What makes low resolution of high."""
        if self.downscale == "second_order":
            return second_order.SecondOrder(self.scale)
        blurs = self.downscale == "blur"
        return degrade.Degradation(
            self.downscale,
            self.scale,
            kernel_size=2 * round(3 * self.blur_sigma) + 1 if blurs else None,
            sigma=self.blur_sigma if blurs else None,
            noise=(0.0, self.noise) if self.noise else 0.0,
            jpeg=None if self.jpeg is None else (self.jpeg, 95),
            soften=(0.0, self.soften) if self.soften else 0.0,
            clean=self.clean,
        )

    @property
    def loaded_size(self) -> int:
        """Side of the crops that a batch holds."""
        return self.degrade_size or self.gt_size

    @property
    def pairing(self) -> dict[str, Any]:
        """What a method makes of a batch."""
        return {
            "degrade": self.degradation,
            "sharpen": self.sharpen,
            "crop_size": None if self.degrade_size is None else self.gt_size,
            "queue_size": self.queue_size,
        }

    @property
    def builtin(self) -> str | None:
        """What the dataroot names that is no folder."""
        return None if self.dataroot is None else builtin.word(self.dataroot, PHOTOS, PREPARED)

    @property
    def makes_low(self) -> bool:
        """Whether low resolution is made of the photographs, and not given beside them."""
        if self.dataroot_lq is not None or self.dataroot is None:
            return self.dataroot_lq is None
        return not tfds_source.has(self.dataroot, "lr", folder=self.tfds_dir)

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: a fingerprint tells other images."""
        return super().free_to_change(begun) | {"dataroot", "dataroot_lq", "max_dataset_size", "tfds_dir"}

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        require_at_least(self, "max_dataset_size", 1)
        require_at_least(self, "queue_size", 0)
        for name in ("gt_size", "degrade_size"):
            size = getattr(self, name)
            if size is not None and (size < self.scale or size % self.scale):
                raise ValueError(f"--{name} is {size}; wanted a multiple of --scale {self.scale}.")
        if self.loaded_size < self.gt_size:
            raise ValueError(f"--degrade_size is {self.degrade_size}; wanted at least --gt_size {self.gt_size}.")
        plain = PhotographFlags()
        own = ("noise", "jpeg", "soften", "clean")
        if self.downscale == "second_order" and any(getattr(self, name) != getattr(plain, name) for name in own):
            raise ValueError(
                "--downscale second_order has blur, noise and JPEG of its own: leave out --noise, --jpeg, --soften and "
                "--clean."
            )
        if not self.makes_low and self.degradation != degrade.Degradation(scale=self.scale):
            raise ValueError(
                "low resolution is given as it is: leave out --downscale, --blur_sigma, --noise, --jpeg, --soften and "
                "--clean."
            )
        if not 0 <= self.soften < 100 or not 0 <= self.clean < 1 or (self.soften and self.downscale == "blur"):
            raise ValueError(
                f"--soften {self.soften}, --clean {self.clean}; wanted pixels of 0 or more, none with --downscale "
                "blur, and a share of 0 or more and less than 1."
            )
        if not 0 <= self.noise < 256 or not 0 < self.blur_sigma < 100 or not (self.jpeg is None or 1 <= self.jpeg < 95):
            raise ValueError(
                f"--noise {self.noise}, --blur_sigma {self.blur_sigma}, --jpeg {self.jpeg}; wanted levels of 0 to 255, "
                "pixels above 0, and a quality of 1 to 94."
            )


def open_split(config: PhotographFlags, split: str) -> Source | None:
    """The photographs of a split, every header read; None where there is no such split.

    Raises FileNotFoundError and ValueError for data that cannot be used.
    """
    if config.dataroot is None:
        raise ValueError(
            f"no training images: give --dataroot FOLDER, builtin:{PHOTOS} for scikit-image's, or a preset."
        )
    named = config.builtin
    if named == PHOTOS:
        if config.dataroot_lq is not None or config.color == "gray":
            raise ValueError(f"--dataroot {PHOTOS} is in RGB and has no low resolution; leave out the other flag.")
        return super_resolution.SkimagePhotos(split, config.max_dataset_size)
    if name := tfds_source.find(config.dataroot, config.tfds_dir):
        if config.dataroot_lq is not None:
            raise ValueError("low resolution is prepared with the photographs; leave out --dataroot_lq.")
        records = tfds_source.open_resolutions(
            name,
            split,
            channels=config.channels,
            smallest=_smallest(config, split),
            folder=config.tfds_dir,
            limit=config.max_dataset_size,
        )
        first = {} if records is None else records[0]
        if "source" in first:
            high, low = (first[kind].shape[:2] for kind in ("target", "source"))
            if low != (high[0] // config.scale, high[1] // config.scale):
                raise ValueError(
                    f"{name} has images of {high[1]}x{high[0]} beside ones of {low[1]}x{low[0]}; wanted the ratio of "
                    f"--scale {config.scale}."
                )
        return records
    photographs = super_resolution.open_split(
        Path(config.dataroot),
        split,
        low_root=config.dataroot_lq,
        scale=config.scale,
        channels=config.channels,
        limit=config.max_dataset_size,
    )
    if photographs is not None:
        said = scan.check_headers(photographs, smallest=_smallest(config, split))
        paths = [photographs.paths(i)[0] for i in range(len(photographs))] if split == "train" else []
        notes = (*photographs.notes, *said, *seams.notes(photographs.folders[0], paths))
        photographs = dataclasses.replace(photographs, notes=notes)
    return photographs


def _smallest(config: PhotographFlags, split: str) -> int:
    """The least side of a photograph."""
    # SSIM's window or what LPIPS needs, beside the border that the protocol leaves out.
    scored = evaluate.SMALLEST["lpips" if _lpips() is not None and config.channels == 3 else "ssim"]
    return config.loaded_size if split == "train" else scored + 2 * config.scale


def task(config: PhotographFlags, val: Source | None, test: Source | None) -> translation.Task:
    """Enlarging whole photographs, against bicubic."""
    whole = super_resolution.whole(config.scale, shrink(config))
    return translation.Task(
        val=val,
        test=test,
        val_transform=whole,
        test_transform=whole,
        score=scores(config.scale),
        baselines={"bicubic": functools.partial(enlarge, scale=config.scale)},
    )


def splits(
    config: PhotographFlags, *, best: Literal["psnr", "lpips"]
) -> tuple[Source, translation.TranslationEvaluator]:
    """The training photographs and the evaluator, whose score `best` says which generator is the best so far."""
    train, val, test = (open_split(config, split) for split in ("train", "val", "test"))
    assert train is not None  # only val and test may be missing
    return train, translation.TranslationEvaluator(
        {"generator": task(config, val, test)}, protocol=protocol(config.scale).title, best=best
    )


def shrink(config: PhotographFlags) -> Callable[[np.ndarray], np.ndarray]:
    """Low resolution of a photograph uint8 [H, W, C] whose sides are multiples of the scale."""
    return functools.partial(degrade.on_host, config.degradation)


def enlarge(array: np.ndarray, scale: int) -> np.ndarray:
    """An image uint8 [H, W, C] enlarged by bicubic."""
    levels = np.asarray(image.imresize(array.astype(np.float32), scale=scale))
    return image.round_to(levels, np.uint8)


def protocol(scale: int) -> evaluate.Protocol:
    """How super-resolution is scored: on Y, without a border as wide as the scale."""
    return evaluate.with_options(evaluate.PROTOCOLS["basicsr-y"], scale=scale)


def scores(scale: int) -> Callable[[translation.Images, translation.Images, translation.Images], dict[str, float]]:
    """Mean PSNR and SSIM by the protocol; for RGB, with the `perceptual` extra, LPIPS of AlexNet."""
    lpips = _lpips()

    def score(
        outputs: translation.Images, targets: translation.Images, sources: translation.Images
    ) -> dict[str, float]:
        del sources
        colored = lpips is not None and targets[0].shape[-1] == 3
        names = ("psnr", "ssim", *(["lpips"] if colored else []))

        def values(output: np.ndarray, target: np.ndarray) -> Mapping[str, float]:
            return evaluate.score("", output, target, protocol(scale), metric_names=names, lpips=lpips).values

        each = processes.spread(values, outputs, targets)
        return {name: evaluate.mean([scored[name] for scored in each]) for name in names}

    return score


@functools.cache
def _lpips() -> evaluate.Lpips | None:
    try:
        return perceptual.lpips("alex")
    except ImportError:
        return None
