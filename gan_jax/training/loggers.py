"""What a run logs, in TensorBoard's or Weights & Biases' files too: the rows of log.jsonl and the batch's images.

A value is called by the kind of its row and its own name: "train/loss/l1", "validation/psnr".
"""

import contextlib
import importlib.metadata
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from gan_jax import files
from gan_jax.data import image_files
from gan_jax.folders import RunFolder
from gan_jax.log import Also

__all__ = ["Kind", "opened", "require"]
__dir__ = __all__.copy

Kind = Literal["tensorboard", "wandb"]


def require(kind: Kind | None) -> None:
    """Raises ValueError where the package that a kind of log wants is not installed."""
    if kind is None:
        return
    try:
        # Not `import`, which takes seconds, nor a search by name: W&B makes folders that are called as it is.
        importlib.metadata.version(kind)
    except importlib.metadata.PackageNotFoundError:
        raise ValueError(f"--logger {kind} wants the extra {kind}: pip install 'gan_jax[{kind}]'.") from None


@contextlib.contextmanager
def opened(kind: Kind | None, run: RunFolder, *, begin: int) -> Iterator[Also | None]:
    """What also takes the rows of a run that begins, or goes on, after a step; None for no kind.

    What was written of later steps before does not count, as in log.jsonl. Raises ValueError where W&B cannot start.
    """
    if kind is None:
        yield None
        return
    with (_tensorboard if kind == "tensorboard" else _wandb)(run, begin) as also:
        yield also


@contextlib.contextmanager
def _tensorboard(run: RunFolder, begin: int) -> Iterator[Also]:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(run.tensorboard))

    def write(step: int, **content: Any) -> None:
        writer.add_event(event_pb2.Event(step=step, wall_time=time.time(), **content))
        writer.flush()

    class TensorBoard:
        def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
            parts = [summary_pb2.Summary.Value(tag=f"{kind}/{key}", simple_value=v) for key, v in values.items()]
            write(step, summary=summary_pb2.Summary(value=parts))

        def picture(self, name: str, step: int, image_u8: np.ndarray) -> None:
            height, width, channels = image_u8.shape
            content = image_files.png(image_u8)
            image = summary_pb2.Summary.Image(
                height=height, width=width, colorspace=channels, encoded_image_string=content
            )
            write(step, summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=name, image=image)]))

    # TensorBoard forgets what earlier files say from this step on.
    write(begin + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
    try:
        yield TensorBoard()
    finally:
        writer.close()


@contextlib.contextmanager
def _wandb(run: RunFolder, begin: int) -> Iterator[Also]:
    import wandb

    run.wandb_id.parent.mkdir(exist_ok=True)
    if not run.wandb_id.exists():
        files.write(run.wandb_id, uuid.uuid4().hex[:8])
    try:
        there = wandb.init(
            project="gan_jax",
            name=run.path.name,
            id=run.wandb_id.read_text(),
            resume="allow" if begin else None,
            dir=str(run.path),
            config=json.loads(run.config.read_text())["recipe"],
            settings=wandb.Settings(console="off", silent=True),
        )
    except wandb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"W&B cannot start ({reason}); give wandb login first, or write its files here alone: WANDB_MODE=offline."
        ) from None
    print(f"W&B: {there.settings.sync_dir if there.offline else there.url}")

    def log(step: int, values: Mapping[str, Any]) -> None:
        if step >= there.step:  # what was sent before a kill is the same again, and W&B only goes forward
            there.log(dict(values), step=step)

    class WandB:
        def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
            log(step, {f"{kind}/{key}": value for key, value in values.items()})

        def picture(self, name: str, step: int, image_u8: np.ndarray) -> None:
            log(step, {name: wandb.Image(image_u8)})

    code = 1
    try:
        yield WandB()
        code = 0
    finally:
        there.finish(exit_code=code)
