"""Generators at work: images of any size in, images out, in folders and in arrays.

Dropout is the generator's noise, chosen by a seed and a sample number: sample k of a seed is one dropout mask for each
image size, the same whatever is computed beside it. Sample 0 is what `translate` gives.
"""

from gan_jax.infer.arrays import on_device, samples, translate, with_options
from gan_jax.infer.files import STD_SCALE, Job, names_a_file, outputs, plan, translate_files
from gan_jax.infer.video import translate_video

__all__ = [
    "STD_SCALE",
    "Job",
    "names_a_file",
    "on_device",
    "outputs",
    "plan",
    "samples",
    "translate",
    "translate_files",
    "translate_video",
    "with_options",
]
__dir__ = __all__.copy
