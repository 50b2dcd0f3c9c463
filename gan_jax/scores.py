"""Scores of generators: what the key of one in a log or a table says, and how its metric is called, shown and judged.

Keys are what `log.jsonl` and `scores.json` hold: "psnr", "label/iou", and "AtoB/health/agreement" where there are
several generators.
"""

from typing import Literal, NamedTuple

__all__ = ["FAMILIES", "METRICS", "Better", "Metric", "ScoreKey", "goodness", "metric"]
__dir__ = __all__.copy

FAMILIES = ("label", "histogram", "health")  # of metrics that are more than one number

Better = Literal["↑", "↓", "→ 1", ""]  # higher, lower, nearer to 1; "" where nothing is known


class ScoreKey(NamedTuple):
    """A score's key in parts; `str` is the key."""

    name: str
    family: str = ""  # one of `FAMILIES`, or none
    generator: str = ""  # "" where there is one

    def __str__(self) -> str:
        """What logs and tables hold: generator, family and name, as far as there are any, with slashes."""
        return "/".join(filter(None, (self.generator, self.family, self.name)))

    @classmethod
    def parse(cls, key: str) -> "ScoreKey":
        """The parts of a key; of two, the first is a generator unless it is one of `FAMILIES`."""
        *generator, name = key.split("/")
        family = generator.pop() if len(generator) > 1 or (generator and generator[0] in FAMILIES) else ""
        return cls(name, family, "/".join(generator))

    @property
    def metric(self) -> str:
        """The key without its generator, as in `METRICS`."""
        return str(self._replace(generator=""))


class Metric(NamedTuple):
    """How a metric is called and shown, and which of two values is the better one."""

    title: str
    better: Better
    decimals: int  # of a mean over many images
    decimals_of_one: int = 4  # of one image's value
    unit: str = ""

    @property
    def title_with_unit(self) -> str:
        """ "PSNR (dB)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def heading(self) -> str:
        """ "PSNR (dB) ↑"."""
        return f"{self.title_with_unit} {self.better}".strip()


METRICS = {
    "psnr": Metric("PSNR", "↑", 2, unit="dB"),
    "ssim": Metric("SSIM", "↑", 4, decimals_of_one=5),
    "ms_ssim": Metric("MS-SSIM", "↑", 4, decimals_of_one=5),
    "lpips": Metric("LPIPS", "↓", 4, decimals_of_one=5),
    "label/per_pixel": Metric("label pixels", "↑", 3),
    "label/per_class": Metric("label classes", "↑", 3),
    "label/iou": Metric("label IoU", "↑", 3),
    "histogram/L": Metric("L histogram", "↑", 3),  # in common with the targets'
    "histogram/a": Metric("a histogram", "↑", 3),
    "histogram/b": Metric("b histogram", "↑", 3),
    "sharpness": Metric("sharpness", "→ 1", 3),  # relative to the targets' own
    "health/agreement": Metric("correlation of light and dark", "↑", 3),
    "health/variety": Metric("variety", "→ 1", 3),
    "health/contrast": Metric("contrast", "", 1),
    "consistency": Metric("class consistency", "↑", 3),
    "kernel": Metric("kernel distance", "↓", 4),
    "frechet": Metric("Fréchet distance", "↓", 3),
    "sinkhorn": Metric("Sinkhorn", "↓", 3),
    "high_quality": Metric("near a mode", "↑", 3),
}


def metric(key: str) -> Metric:
    """The metric of a score's key, its title behind the generator's name where the key has one.

    Of a metric that `METRICS` lacks, the title is the key in words, and nothing tells which value is better.
    """
    parsed = ScoreKey.parse(key)
    known = METRICS.get(parsed.metric)
    if known is None:
        return Metric(key.replace("_", " ").replace("/", " "), "", 4)
    return known._replace(title=f"{parsed.generator} {known.title}") if parsed.generator else known


def goodness(value: float, better: Better) -> float:
    """A number that is the larger the better the value is; 0 where nothing is known.

    >>> goodness(0.75, "→ 1") > goodness(1.5, "→ 1")
    True
    """
    if better == "→ 1":
        return -abs(value - 1.0)
    return {"↑": value, "↓": -value, "": 0.0}[better]
