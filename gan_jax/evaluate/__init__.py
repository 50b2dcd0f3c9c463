"""Scores of images against references under a named protocol, as a table, CSV or JSON."""

from gan_jax.evaluate.folders import ANY_NAME, by_stem, evaluate
from gan_jax.evaluate.protocol import BANDS, PROTOCOLS, Protocol, with_options
from gan_jax.evaluate.scoring import LOWER_IS_BETTER, METRICS, SMALLEST, Lpips, Score, parse_metrics, score
from gan_jax.evaluate.tables import (
    Comparison,
    Evaluation,
    as_csv,
    as_json,
    as_table,
    compare,
    interval,
    json_number,
    mean,
)

__all__ = [
    "ANY_NAME",
    "BANDS",
    "LOWER_IS_BETTER",
    "METRICS",
    "PROTOCOLS",
    "SMALLEST",
    "Comparison",
    "Evaluation",
    "Lpips",
    "Protocol",
    "Score",
    "as_csv",
    "as_json",
    "as_table",
    "by_stem",
    "compare",
    "evaluate",
    "interval",
    "json_number",
    "mean",
    "parse_metrics",
    "score",
    "with_options",
]
__dir__ = __all__.copy
