"""Errors: what stops a run on its way; each case is the same run, which has a checkpoint of step 2 of 4."""

import math
import os
import shutil
import signal
from pathlib import Path

import jax
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax import log
from gan_jax.training import loop
from tests.errors.cases import ONE, Case, Patch, Prepare, call, contents, refusing, spoil


def out_of_memory(patch: Patch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    patch.setattr(loop.parallel, "global_batch", refuse)


def not_a_number(patch: Patch) -> None:
    patch.setattr(loop.jax, "device_get", lambda metrics: dict.fromkeys(metrics, math.nan))


def full_disk_under_orbax(patch: Patch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("RESOURCE_EXHAUSTED: Error writing x: No space left on device [os_error_code='28'] and more")

    patch.setattr(ocp.CheckpointManager, "save", refuse)


def interrupt(times: int) -> Prepare:
    def prepare(patch: Patch) -> None:
        going_on = loop.parallel.global_batch

        def interrupted(*arguments: object, **options: object) -> object:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            return going_on(*arguments, **options)

        patch.setattr(loop.parallel, "global_batch", interrupted)

    return prepare


TITLE = "While a run trains"
CHECKPOINTS = True  # of the finished run, which other files do not need
CASES = [
    Case(
        "an image that is damaged after its header, found when it is read",
        "pix2pix --name tiny",
        f"{ONE} is damaged or not an image; replace or remove it.",
        spoil(ONE),
    ),
    Case(
        "a loss that is not a number",
        "pix2pix --name tiny",
        "loss/critic is nan at step 3; training stops, the last checkpoint is kept. Lower the learning rate, or look "
        "at the images of this step's batch.",
        not_a_number,
    ),
    Case(
        "too little memory on the device",
        "pix2pix --name tiny",
        "the device's memory is too small; take a smaller --batch_size or smaller crops.",
        out_of_memory,
    ),
    Case(
        "a disk that is full when the log is written",
        "pix2pix --name tiny",
        "No space left on device; make room, then give the same command again.",
        refusing(log.Log, "write"),
    ),
    Case(
        "a disk that is full when a sample is written",
        "pix2pix --name tiny",
        "runs/tiny/samples/input.png: No space left on device; make room, then give the same command again.",
        refusing(Image.Image, "save"),
    ),
    Case(
        "a disk that is full when the generator is written",
        "pix2pix --name tiny",
        "No space left on device; make room, then give the same command again.",
        refusing(safetensors.numpy, "save"),
    ),
    Case(
        "a disk that is full when a checkpoint is written",
        "pix2pix --name tiny",
        "the checkpoint of step 4 cannot be written to runs/tiny/checkpoints (No space left on device); make room or "
        "allow it, and the same command goes on from the last checkpoint.",
        full_disk_under_orbax,
    ),
    Case(
        "Ctrl-C twice",
        "pix2pix --name tiny",
        "interrupted; the same command goes on from the last checkpoint.",
        interrupt(2),
        code=130,
    ),
    Case(
        "Ctrl-C",
        "pix2pix --name tiny",
        "stopped by Ctrl-C; the same command goes on where it stopped.",
        interrupt(1),
        code=130,
    ),
]


def test_what_stops_a_run_leaves_it_to_go_on(here, check, capsys, finished_run):
    shutil.rmtree("runs/tiny/checkpoints/4")
    kept, whole = contents(), Path(ONE).read_bytes()
    for case in CASES:
        with pytest.MonkeyPatch.context() as patch:
            case.prepare(patch)
            code = call(case.line)
        said = capsys.readouterr()
        check(case, code, said.err or said.out.splitlines()[-1] + "\n")
        Path(ONE).write_bytes(whole)
        now = contents()
        assert all(now[path] == kept[path] for path in kept if path.startswith("runs/tiny/checkpoints/2"))
        assert not [path for path in now if ".part" in path or path.endswith(".safetensors.tmp")]
    assert call(CASES[0].line) == 0
    for name in ("tiny.safetensors", "tiny_best.safetensors"):
        assert (here / "runs" / "tiny" / name).read_bytes() == (finished_run / name).read_bytes()
