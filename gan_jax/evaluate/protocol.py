"""What of two images is compared: named protocols, and the words that say what each is."""

from typing import NamedTuple

from gan_jax.values import Values

__all__ = ["BANDS", "PROTOCOLS", "Protocol", "with_options"]
__dir__ = __all__.copy


class Protocol(NamedTuple):
    """What is compared; `description` says it in words that stand beside every number."""

    name: str
    y_channel: bool = False
    round_y: bool = False
    crop_border: int | None = 0  # None: the scale
    scale: int = 1
    bits: int = 8
    values: Values | None = None  # of arrays of channels: the numbers that are compared
    channels: int | None = None

    @property
    def border(self) -> int:
        """Pixels cropped from each side."""
        if self.crop_border is not None:
            return self.crop_border
        return self.scale if self.scale > 1 else 0

    @property
    def description(self) -> str:
        """The definition."""
        if self.values is not None:
            numbers = f"{self.values.words}, peak {self.values.width:,.10g}"
            channels = "the channel as it is" if self.channels == 1 else f"all {self.channels} channels as they are"
            return f"{numbers}, {channels}, {self._place}, mean of the images' values"
        channels = "RGB (gray where both are gray)"
        if self.y_channel:
            rounding = "rounded" if self.round_y else "not rounded"
            channels = f"Y of BT.601 in studio range, {rounding} (gray as it is where both are gray)"
        return f"{self.bits}-bit {channels}, {self._place}, mean of the images' values"

    @property
    def _place(self) -> str:
        """Which pixels are compared."""
        border = f"{self.border} pixels cropped from each border" if self.border else "no border cropped"
        if self.crop_border is None and self.scale == 1:
            border += " (--scale N crops the papers' N)"
        sides = f"sides first cropped to multiples of {self.scale}, " if self.scale > 1 else ""
        return f"{sides}{border}"

    @property
    def title(self) -> str:
        """The name and the definition, as a run and its tables say them."""
        return f"{self.name}: {self.description}"


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("rgb"),
        Protocol("basicsr-rgb", crop_border=None),
        Protocol("basicsr-y", y_channel=True, crop_border=None),
        Protocol("srgan", y_channel=True, crop_border=4),
        Protocol("matlab-y", y_channel=True, round_y=True, crop_border=None),
    )
}


BANDS = Protocol("bands")  # of arrays of channels, which say the values


def with_options(
    protocol: Protocol, *, y_channel: bool = False, crop_border: int | None = None, scale: int | None = None
) -> Protocol:
    """A protocol with what is given changed. Raises ValueError for a negative border or a scale under 1."""
    if crop_border is not None and crop_border < 0:
        raise ValueError(f"--crop_border is {crop_border}; wanted 0 or more pixels.")
    if scale is not None and scale < 1:
        raise ValueError(f"--scale is {scale}; wanted 1 or more.")
    return protocol._replace(
        y_channel=protocol.y_channel or y_channel,
        crop_border=protocol.crop_border if crop_border is None else crop_border,
        scale=scale or protocol.scale,
    )
