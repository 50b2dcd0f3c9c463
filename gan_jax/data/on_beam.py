"""Shards written by Apache Beam: the same files, by as many machines as its runner has.

Each worker reads the images and writes its shards under the paths that the command was given: on a file system that all
of them have.
"""

import functools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_all"]
__dir__ = __all__.copy


def write_all(work: Any, jobs: Sequence[Any], file: str | Path, flags: Sequence[str]) -> None:
    """Calls `work.write(job)` for each job in a pipeline with Beam's own `flags`; `file` brings workers the work.

    Raises ImportError without the extra `beam`, ValueError where the pipeline fails.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise ImportError(
            "--beam wants Apache Beam: pip install 'gan_jax[beam]' with --constraint constraints/beam.txt, in an "
            "environment of its own."
        ) from None
    file = Path(file)
    # Not within the pipeline: the names of a million files are more than runners take.
    file.write_bytes(pickle.dumps(work))
    try:
        with beam.Pipeline(options=PipelineOptions(list(flags))) as pipeline:
            _ = pipeline | beam.Create(list(jobs)) | beam.Reshuffle() | beam.Map(_write, str(file))
    except Exception as error:  # runners wrap what a worker raises in types of their own
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ValueError(f"Beam's pipeline failed: {reason[0]}") from error


@functools.cache
def _work(file: str) -> Any:
    return pickle.loads(Path(file).read_bytes())


def _write(job: Any, file: str) -> None:
    _work(file).write(job)
