"""What the images of a run are: 8-bit images of 1 or 3 channels or, with --bands, arrays of those that files have."""

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from gan_jax.data import rasters
from gan_jax.recipes import flags
from gan_jax.training.config import Settings, require_at_least
from gan_jax.training.translation import Arrays
from gan_jax.values import shown_channels, values_of

__all__ = ["BandFlags", "arrays", "counted", "notes", "require_alike"]
__dir__ = __all__.copy

_LOOKED_AT = 16  # images whose numbers are looked at
_NARROW = 4  # what a note is said of: numbers that take less than one part of so many of the range
_SIDES = ("input", "output")
_C = TypeVar("_C", bound="BandFlags")


@dataclasses.dataclass(frozen=True)
class BandFlags(Settings):
    """The flags of what image files have."""

    input_nc: int | None = None
    """Channels of the input, 1 or 3: 1 with --derive gray, lab or edges, 3 otherwise. --bands: those of the files."""
    output_nc: int | None = None
    """Channels of the output, 1 or 3, which it is unless given. --bands: those of the files."""
    bands: rasters.Bands | None = None
    """Read folders of A and of B as arrays of channels, in their own depth: TIFF of uint8, uint16 or float32, and .npy
    [H, W, C]. Channels of a TIFF are all samples of a pixel, or all pages of the file."""
    input_values: flags.RangeFlag = None
    """With --bands, which numbers of the input the network sees as -1 and 1: the ends of uint8 or uint16 unless given;
    floats want it."""
    output_values: flags.RangeFlag = None
    """The same of the output; its width is the peak of PSNR."""
    input_shown: tuple[int, ...] = ()
    """With --bands, which channels of the input, from 0, samples and the report show: one, or three as red, green,
    blue. The first three unless given; of one or two the first."""
    output_shown: tuple[int, ...] = ()
    """The same of the output."""

    @property
    def output_channels(self) -> int:
        """Channels of what the generator makes."""
        return self.output_nc or 3

    def free_to_change(self, begun: Mapping[str, Any]) -> set[str]:
        """Flags in which a run that was `begun` with those may go on otherwise: what is shown."""
        free = super().free_to_change(begun) | {"input_shown", "output_shown"}
        # Without --bands 3 is what none is, and was written of runs before there was one.
        same = self.bands is None and {begun.get("output_nc"), self.output_nc} <= {None, 3}
        return free | {"output_nc"} if same else free

    def check(self) -> None:
        """Raises ValueError where a flag holds what no run can have."""
        super().check()
        for name in ("input_nc", "output_nc"):
            require_at_least(self, name, 1)
            if self.bands is None and getattr(self, name) not in (None, 1, 3):
                raise ValueError(
                    f"--{name} is {getattr(self, name)}; wanted 1 or 3 of images, and with --bands what the files have."
                )
        for name in ("input_values", "output_values", "input_shown", "output_shown"):
            if self.bands is None and getattr(self, name):
                raise ValueError(f"--{name} is for arrays of channels; give --bands too, or leave it out.")


def arrays(config: BandFlags, train: Any, keys: tuple[str, str] = ("source", "target")) -> dict[str, Arrays]:
    """What the inputs and the outputs of training are, by the keys of a batch; empty where they are 8-bit images.

    Raises ValueError where a flag does not fit them, and for floats without a range.
    """
    if config.bands is None:
        return {}
    if not hasattr(train, "kinds"):
        raise ValueError("--bands reads folders of A and of B; leave it out here.")
    found = {}
    for side, key in zip(_SIDES, keys, strict=True):
        kind: rasters.Kind = train.kinds[key]
        given = getattr(config, f"{side}_nc")
        if given not in (None, kind.channels):
            raise ValueError(f"--{side}_nc is {given}, and {_first(train, key)} is {kind}; leave it out.")
        stated = getattr(config, f"{side}_values")
        if kind.dtype == "float32" and stated is None:
            low, high = _range_of(train, key)
            raise ValueError(
                f"{_first(train, key)} is float32, which says no range; give --{side}_values LOW:HIGH (the numbers of "
                f"some images are {low:g} to {high:g})."
            )
        try:
            values = values_of(kind.dtype, stated)
            shown = shown_channels(kind.channels, getattr(config, f"{side}_shown"))
        except ValueError as error:
            raise ValueError(f"the {side} is {kind}: {error}") from None
        found[key] = Arrays(config.bands, kind.channels, values, shown)
    return found


def counted(config: _C, known: Mapping[str, Arrays]) -> _C:
    """The configuration with the channels that arrays have, of inputs and of outputs; as it is where there are none."""
    if not known:
        return config
    source, target = known.values()
    return dataclasses.replace(config, input_nc=source.channels, output_nc=target.channels)


def require_alike(
    known: Mapping[str, Arrays], split: str, source: Any, names: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Raises ValueError where images of another split are of another kind than those of training, that are `known`.

    `names` are what the source calls what is known by another key.
    """
    for key, of in known.items():
        name = names.get(key, key)
        kind = None if source is None else source.kinds.get(name)
        if kind not in (None, wanted := rasters.Kind(of.values.dtype, of.channels)):
            raise ValueError(
                f"{_first(source, name)} of {split} is {kind}, and those of training are {wanted}; give them one dtype "
                "and the same channels."
            )


def notes(config: BandFlags, train: Any, keys: tuple[str, ...] = ("source", "target")) -> Iterator[str]:
    """A sentence on each side of training images whose numbers take little of the range that the network sees."""
    for side, key in zip(_SIDES, keys, strict=False):
        if config.bands is None or key not in train.kinds or getattr(config, f"{side}_values"):
            continue
        kind = train.kinds[key]
        low, high = (0.0, 0.0) if kind.dtype == "float32" else _range_of(train, key)
        if low < high and (high - low) * _NARROW < np.iinfo(kind.dtype).max:
            yield (
                f"the {side} is {kind.dtype}, and the numbers of some images are {low:g} to {high:g}; of "
                f"--{side}_values {low:g}:{high:g}, or what they can be, the network sees more."
            )


def _range_of(source: Any, key: str) -> tuple[float, float]:
    """The least and the most number of some images, spread over a source."""
    part = _part(source, key)
    count = min(len(part), _LOOKED_AT)
    ends = [(image.min(), image.max()) for image in (part[k * len(part) // count][key] for k in range(count))]
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _part(source: Any, key: str) -> Any:
    return next((part for part in getattr(source, "parts", ()) if key in part.kinds), source)


def _first(source: Any, key: str) -> str:
    """What the first image of a source is called."""
    part = _part(source, key)
    if not hasattr(part, "paths"):
        return repr(part)
    paths = dict(zip(part.kinds, part.paths(0), strict=True))
    return str(paths[key])
