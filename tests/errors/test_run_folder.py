"""Errors: the folder of a run."""

import errno
import fcntl
from pathlib import Path

from tests.errors.cases import DIFFERENT, ONE, Case, Patch, Prepare, both, copy, edit, folder, refusing, remove, text


def training(lock: str) -> Prepare:
    """Another program holds the lock."""

    def prepare(patch: Patch) -> None:
        text(lock, "process 7 on elsewhere")(patch)
        # Of no use after the case: the folder is a copy.
        patch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(BlockingIOError()))

    return prepare


TITLE = "The folder of a run"
CHECKPOINTS = True  # of the finished run, which other files do not need
CASES = [
    Case(
        "the name of a run that was begun by another recipe",
        "pix2pix --name tiny --lr 1e-3",
        f"the run runs/tiny was begun differently: --lr was 0.0002 and is 0.001. {DIFFERENT}",
    ),
    Case(
        "the name of a run of another method",
        "pix2pix --name tiny",
        f"the run runs/tiny was begun differently: the method was other and is pix2pix. {DIFFERENT}",
        edit("runs/tiny/config.json", '"method": "pix2pix"', '"method": "other"'),
    ),
    Case(
        "the name of a run on other images",
        "pix2pix --name tiny",
        "the run runs/tiny was begun differently: the images of train changed (16 before, 17 now). " + DIFFERENT,
        copy(ONE, "data/train/new.png"),
    ),
    Case(
        "a folder of other files as the run's",
        "pix2pix --name tiny",
        "runs/tiny holds files but no config.json, so it is no run; take another --name.",
        remove("runs/tiny/config.json"),
    ),
    Case(
        "the name of a run that is being trained",
        "pix2pix --name tiny",
        "process 7 on elsewhere is training the run runs/tiny; wait for it, stop it, or take another --name.",
        training("runs/tiny/.lock"),
    ),
    Case(
        "a damaged config.json",
        "pix2pix --name tiny",
        "runs/tiny/config.json is damaged; take another --name, or remove runs/tiny.",
        text("runs/tiny/config.json", "{"),
    ),
    Case(
        "a damaged log.jsonl",
        "pix2pix --name tiny",
        "line 1 of runs/tiny/log.jsonl is damaged; remove that line.",
        both(remove("runs/tiny/checkpoints/4"), edit("runs/tiny/log.jsonl", '{"kind": "train", "step": 1', "{")),
        writes="runs/tiny/",
    ),
    Case(
        "`--from_epoch 7` of a run that kept others",
        "pix2pix --name tiny --from_epoch 7",
        "runs/tiny keeps no generator of epoch 7; it keeps those of epoch 1: give one of them.",
        folder("runs/tiny/kept/2"),
    ),
    Case(
        "`--from_step` of a kept checkpoint that is damaged",
        "pix2pix --name tiny --from_step 2",
        "the checkpoint runs/tiny/checkpoints/2 was cut short; leave --from_step or --from_epoch out.",
        both(folder("runs/tiny/kept/2"), remove("runs/tiny/checkpoints/2/digests.json")),
    ),
    Case(
        "`--from_step` and `--from_epoch`",
        "pix2pix --name tiny --from_step 2 --from_epoch 1",
        "--from_epoch and --from_step both say where to go on from; give one of them.",
    ),
    Case(
        "a `--checkpoints_dir` that is a file",
        "pix2pix",
        "--checkpoints_dir runs is a file; wanted a folder.",
        text("runs"),
    ),
    Case(
        "a `--checkpoints_dir` that may not be written to",
        "pix2pix",
        "Permission denied; allow it, or choose another place.",
        refusing(Path, "mkdir", errno.EACCES),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
