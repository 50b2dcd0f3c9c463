"""Images judged by people: a static page that asks them, and the scores of what they answered.

Two-choice test: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", 3.2. Mean
opinion score: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution", 3.5.
"""

from gan_jax.study.making import Kind, Study, make, write
from gan_jax.study.scoring import Answers, MethodScore, Pairing, Scores, as_json, as_table, read, score

__all__ = [
    "Answers",
    "Kind",
    "MethodScore",
    "Pairing",
    "Scores",
    "Study",
    "as_json",
    "as_table",
    "make",
    "read",
    "score",
    "write",
]
__dir__ = __all__.copy
