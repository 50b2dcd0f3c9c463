"""What goes wrong with a training, done to it on purpose: nothing may be lost, and nothing silently wrong.

    python -m benchmarks.faults --out benchmarks/results
    python -m benchmarks.faults --only kills --kills 40

Small runs of all recipes are stopped in every way, and the same command goes on; at the end each file of weights is
that of a run which nothing disturbed, byte for byte. Needs no rights beyond a user's, except for the full disk, which
wants Linux's user namespaces and is left out, in words, without them.
"""

import argparse
import contextlib
import dataclasses
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import report
from gan_jax.data import pipeline
from gan_jax.recipes import pix2pix
from gan_jax.training import checkpoint, parallel
from gan_jax.training.config import RunConfig

__all__ = ["RECIPES", "Row", "Run", "harmed", "in_a_save", "kill_when", "main", "outcome", "table"]

ROOT = Path(__file__).parents[1]
SAMPLERS = "--dataroot embedded --conditional --size 8 --nz 4 --ngf 2 --ndf 2 --batch_size 8 --classifier_steps 2 "
SAVING = "--print_freq 1 --val_freq 50 --save_latest_freq 20"
PIX2PIX = (
    "--dataroot embedded --netG unet_32 --ngf 2 --ndf 2 --n_layers_D 1 --load_size 36 --crop_size 32 "
    f"--max_dataset_size 50 --n_epochs 3 --n_epochs_decay 0 {SAVING}"
)
PEERS = "pix2pix in two processes"
RECIPES = {  # small runs
    "pix2pix": f"pix2pix {PIX2PIX}",
    "srgan": "srgan --dataroot photos --stage both --scale 2 --gt_size 32 --batch_size 2 --num_block 1 --num_feat 8 "
    f"--num_feat_d 4 --content none --total_iter 150 --gan_iter 150 {SAVING}",
    "cyclegan": "cyclegan --dataroot embedded --netG unet_32 --norm none --ngf 1 --ndf 1 --n_layers_D 1 --load_size 36 "
    "--crop_size 32 --lambda_identity 0 --max_dataset_size 50 --n_epochs 3 --n_epochs_decay 0 --save_epoch_freq 1 "
    f"{SAVING}",
    "dcgan": f"dcgan {SAMPLERS} --max_dataset_size 400 --n_epochs 3 {SAVING}",
    "wgan": f"wgan {SAMPLERS} --max_dataset_size 400 --n_epochs 6 --n_critic 2 --clip 0.01 {SAVING}",
    "wgan_gp": f"wgan {SAMPLERS} --max_dataset_size 400 --n_epochs 6 --n_critic 2 {SAVING}",
}
TWO = " --batch_size 2 --statistics_batch 1"
_LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""
PATIENCE = 240  # seconds in which a process must have noticed that another is lost
HEADINGS = ("case", "tried", "survived", "lost", "silently wrong", "what came of it")


class Row(NamedTuple):
    """What came of one kind of fault."""

    case: str
    tried: int
    survived: int
    lost: int  # work before the last checkpoint, or a run that does not go on
    wrong: int  # another result, and not a word
    came: str = ""


class Run:
    """One run of a recipe below a folder: started, stopped, gone on with, and looked at."""

    def __init__(self, recipe: str, root: Path, cache: Path) -> None:
        module, *flags = (RECIPES["pix2pix"] + TWO if recipe == PEERS else RECIPES[recipe]).split()
        where = ["--name", "run", "--checkpoints_dir", str(root), "--compile_cache", str(cache)]
        self.command = [sys.executable, "-m", f"experiments.{module}", *flags, *where]
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def start(self, *more: str, file_size: int | None = None, said: str = "said.txt") -> "subprocess.Popen[bytes]":
        """The command as a process, with `more` flags; `file_size` is the most that a file of it may have."""
        limit = [] if file_size is None else [sys.executable, "-c", _LIMIT, str(file_size)]
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1", "PYTHONUNBUFFERED": "1"}
        command = [*limit, *self.command, *more]
        with open(self.root / said, "wb") as file:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)

    def start_two(self) -> list["subprocess.Popen[bytes]"]:
        """The command as two processes of one run."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        flags = ["--coordinator", f"127.0.0.1:{port}", "--num_processes", "2", "--process_id"]
        return [self.start(*flags, str(number), said=f"said_{number}.txt") for number in range(2)]

    @property
    def said(self) -> str:
        """What the last start said."""
        return (self.root / "said.txt").read_text(errors="replace")

    def folders(self) -> list[Path]:
        """The folders of its stages that there are; not rglob, since checkpoints come and go meanwhile."""
        return [path.parent for pattern in ("run/config.json", "run/*/config.json") for path in self.root.glob(pattern)]

    def lines(self) -> int:
        """Rows of its logs."""
        logs = [folder / "log.jsonl" for folder in self.folders()]
        return sum(len(log.read_bytes().splitlines()) for log in logs if log.exists())

    def in_a_save(self) -> bool:
        """Whether one of its stages saves."""
        return any(map(in_a_save, self.folders()))

    def saved(self) -> dict[str, int]:
        """The newest sealed step of each stage, by its folder."""
        steps = {str(folder): checkpoint.latest_step(folder / "checkpoints") for folder in self.folders()}
        return {folder: step for folder, step in steps.items() if step is not None}

    def weights(self) -> dict[str, bytes]:
        """The files of weights, by path."""
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in self.root.rglob("*.safetensors")}

    def forgot(self, before: dict[str, int]) -> bool:
        """Whether the last start went on from less than was saved `before`, as far as it said."""
        stages = re.findall(r"its folder is (.+)\n((?:(?!.*its folder is ).*\n)*)", self.said)
        begun = {folder: re.search(r"going on after step (\d+)", text) for folder, text in stages}
        return any(int(step[1]) < before.get(folder, 0) for folder, step in begun.items() if step)


def in_a_save(folder: Path) -> bool:
    """Whether in a run's folder a step's is being written, or is committed and not yet sealed."""
    steps = [path for path in (folder / "checkpoints").glob("[0-9]*") if path.is_dir()]
    return any("tmp" in path.name or not (path / "digests.json").exists() for path in steps)


def kill_when(
    process: "subprocess.Popen[bytes]",
    condition: Callable[[], bool],
    delay: float = 0.0,
    number: signal.Signals = signal.SIGKILL,
) -> bool:
    """A signal `delay` seconds after the condition holds; False if the run ended before."""
    while process.poll() is None:
        if condition():
            time.sleep(delay)
            process.send_signal(number)
            process.wait()
            return True
        time.sleep(0.001)
    return False


class Place(NamedTuple):
    """Where runs are made, what the undisturbed ones of each recipe left, and where compiled programs are."""

    folder: Path
    cache: Path
    unbroken: dict[str, Run]

    def run(self, recipe: str, name: str) -> Run:
        """A new run of a recipe; the undisturbed one is made first."""
        if recipe not in self.unbroken:
            whole = self.unbroken[recipe] = Run(recipe, self.folder / recipe / "unbroken", self.cache)
            started = whole.start_two() if recipe == PEERS else [whole.start()]
            codes = [process.wait() for process in started]
            if any(codes) or not whole.weights():
                raise RuntimeError(f"{recipe}, undisturbed, ended with {codes}; see {whole.root}")
        shutil.rmtree(self.folder / recipe / name, ignore_errors=True)
        return Run(recipe, self.folder / recipe / name, self.cache)

    def finished(self, recipe: str, run: Run) -> tuple[bool, bool]:
        """Goes on to the end: whether it got there, and whether its weights are those of the undisturbed run."""
        return run.start().wait() == 0, run.weights() == self.unbroken[recipe].weights()


def kills(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """SIGKILL at any moment: a tenth while it starts, half of the others while a checkpoint is written."""
    share = -(-count // len(RECIPES))
    for recipe in RECIPES:
        tried = inside = lost = wrong = folders = 0
        while tried < share:
            run, here, forgotten = place.run(recipe, "killed"), 0, 0
            folders += 1
            while tried + here < share:
                before = run.saved()
                process, goal = run.start(), run.lines() + rng.randint(3, 60)
                if rng.random() < 0.1:
                    hit = kill_when(process, lambda: True, delay=6 * rng.random())
                elif rng.random() < 0.5:
                    hit = kill_when(process, lambda goal=goal, run=run: run.lines() >= goal and run.in_a_save())
                    inside += hit and run.in_a_save()
                else:
                    hit = kill_when(process, lambda goal=goal, run=run: run.lines() >= goal, delay=rng.random() * 0.3)
                forgotten += run.forgot(before)
                if not hit:
                    break
                here += 1
            before = run.saved()
            done, same = place.finished(recipe, run)
            forgotten += run.forgot(before)
            tried += here
            lost += forgotten if done else here
            wrong += here if done and not same else 0
            if lost or wrong:
                print(run.said, file=sys.stderr)
                shutil.copytree(run.root, place.folder / "found" / f"{recipe}_{folders}", dirs_exist_ok=True)
        came = f"{inside} of them within a save; {folders} runs went on to the undisturbed one's bytes"
        yield Row(f"kill -9, {recipe}", tried, tried - lost - wrong, lost, wrong, came)


def terminations(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """SIGTERM while it trains: it saves, says so, and ends with 143."""
    recipes = list(RECIPES)
    lost = wrong = 0
    for i in range(count):
        recipe = recipes[i % len(recipes)]
        run = place.run(recipe, "terminated")
        process, goal = run.start(), rng.randint(3, 60)
        hit = kill_when(process, lambda goal=goal, run=run: run.lines() >= goal, number=signal.SIGTERM)
        polite = hit and process.returncode == 128 + signal.SIGTERM and "stopped by SIGTERM" in run.said
        before = run.saved()
        done, same = place.finished(recipe, run)
        lost += not (polite and done) or run.forgot(before)
        wrong += done and not same
    came = "exit code 143, saved at that step, and the same command went on"
    yield Row("SIGTERM", count, count - lost - wrong, lost, wrong, came)


def second_starts(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """The same command while it runs."""
    recipes = list(RECIPES)
    lost = wrong = 0
    for i in range(count):
        recipe = recipes[i % len(recipes)]
        run = place.run(recipe, "twice")
        process, goal = run.start(), rng.randint(1, 30)
        while process.poll() is None and run.lines() < goal:
            time.sleep(0.01)
        second = subprocess.run(run.command, cwd=ROOT, capture_output=True, text=True)
        refused = second.returncode == 2 and f"process {process.pid} on " in second.stderr
        done = process.wait() == 0
        lost += not (refused and done)
        wrong += done and run.weights() != place.unbroken[recipe].weights()
    came = "refused in a sentence that names the first; the first went on"
    yield Row("a second start while it runs", count, count - lost - wrong, lost, wrong, came)


def file_sizes(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """A limit on the size of files, at which the system refuses any write: EFBIG, as ENOSPC on a full disk."""
    recipe, lost, wrong, refused = "pix2pix", 0, 0, 0
    for _ in range(count):
        run = place.run(recipe, "limited")
        largest = max(path.stat().st_size for path in place.unbroken[recipe].root.rglob("*") if path.is_file())
        code = run.start(file_size=round(2000 * (largest / 2000) ** rng.random())).wait()
        said = run.said
        refused += code == 2
        polite = code == 0 or (code == 2 and "error: " in said and "Traceback" not in said)
        done, same = place.finished(recipe, run)
        if not (polite and done and same):
            print(said, file=sys.stderr)
        lost += not (polite and done)
        wrong += done and not same
    came = f"{refused} refused in a sentence, others ended below the limit; without it the same command went on"
    yield Row("a limit on the size of files (RLIMIT_FSIZE)", count, count - lost - wrong, lost, wrong, came)


_FULL = """
mount -t tmpfs -o size=$SIZE tmpfs "$DISK" || exit 99
"$@" > "$ROOT/full.txt" 2>&1
echo $? > "$ROOT/code"
mount -o remount,size=1g "$DISK" && "$@" > "$ROOT/said.txt" 2>&1 && cp -r "$DISK"/. "$ROOT"
"""


def full_disks(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """A file system of a few kilobytes, in a name space of its own, that becomes full and then large enough."""
    case, recipe, lost, wrong, refused = "a full disk (tmpfs)", "pix2pix", 0, 0, 0
    for _ in range(count):
        run, disk = place.run(recipe, "full"), place.folder / "disk"
        disk.mkdir(exist_ok=True)
        whole = place.unbroken[recipe].root / "run"
        size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        command = [str(disk) if word == str(run.root) else word for word in run.command]
        around = {
            "SIZE": str(round(20_000 * (size / 20_000) ** rng.random())),
            "DISK": str(disk),
            "ROOT": str(run.root),
        }
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"} | around
        name_space = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _FULL, "sh"]
        ended = subprocess.run([*name_space, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        if not (run.root / "code").exists():
            yield Row(case, 0, 0, 0, 0, f"left out: no user name space ({ended.stderr.strip().splitlines()[-1]})")
            return
        code, said = int((run.root / "code").read_text()), (run.root / "full.txt").read_text()
        refused += code == 2
        polite = code == 0 or (code == 2 and "error: " in said and "Traceback" not in said)
        done, same = ended.returncode == 0, run.weights() == place.unbroken[recipe].weights()
        if not (polite and done and same):
            print(said, run.said, file=sys.stderr)
        lost += not (polite and done)
        wrong += done and not same
    came = f"{refused} refused in a sentence, others had room; after room was made the same command went on"
    yield Row(case, count, count - lost - wrong, lost, wrong, came)


def lost_peers(place: Place, how: str, count: int, rng: random.Random) -> Iterator[Row]:
    """One of two processes is killed, stopped or terminated: the other ends by itself, and both go on."""
    number, title = {
        "killed": (signal.SIGKILL, "kill -9 of one of two processes"),
        "stopped": (signal.SIGSTOP, "SIGSTOP of one of two processes"),
        "terminated": (signal.SIGTERM, "SIGTERM on one of two processes"),
    }[how]
    if "coordinator" not in {field.name for field in dataclasses.fields(RunConfig)}:
        yield Row(title, 0, 0, 0, 0, "left out: runs have one process here")
        return
    lost = wrong = 0
    longest = 0.0
    for i in range(count):
        run = place.run(PEERS, how)
        processes, goal, victim = run.start_two(), rng.randint(3, 60), i % 2
        while run.lines() < goal and all(process.poll() is None for process in processes):
            time.sleep(0.001)
        processes[victim].send_signal(number)
        began = time.monotonic()
        try:
            code = processes[1 - victim].wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        longest = max(longest, time.monotonic() - began)
        for process in processes:
            if number == signal.SIGSTOP or code is None:
                process.kill()
            process.wait()
        if number == signal.SIGTERM:
            polite = [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2
        else:
            polite = code in (2, 3) and "error: " in (run.root / f"said_{1 - victim}.txt").read_text()
        polite = polite and not any("Traceback" in path.read_text() for path in run.root.glob("said_*.txt"))
        before = run.saved()
        codes = [process.wait() for process in run.start_two()]
        done = not any(codes)
        shutil.copy(run.root / "said_0.txt", run.root / "said.txt")
        lost += not (polite and done) or run.forgot(before)
        wrong += done and run.weights() != place.unbroken[PEERS].weights()
        if not (polite and done):
            shutil.copytree(run.root, place.folder / "found" / f"{how}_{i}", dirs_exist_ok=True)
    came = f"the other ended within {longest:.0f} s, with a sentence; both, started again, went on"
    yield Row(title, count, count - lost - wrong, lost, wrong, came)


def wrong_coordinators(place: Place, count: int, rng: random.Random) -> Iterator[Row]:
    """A name that there is not, no port, and an address at which nothing listens."""
    title = "a wrong coordinator"
    if "coordinator" not in {field.name for field in dataclasses.fields(RunConfig)}:
        yield Row(title, 0, 0, 0, 0, "left out: runs have one process here")
        return
    lost = 0
    for i in range(count):
        run = place.run("pix2pix", "astray")
        wrong = ["nowhere.invalid:9876", "localhost", f"127.0.0.1:{rng.randint(1, 1000)}"][i % 3]
        flags = ["--coordinator", wrong, "--num_processes", "2", "--process_id", "1", "--coordinator_timeout", "3"]
        code, said = run.start(*flags).wait(), run.said
        lost += not (code == 2 and "error: " in said and "Traceback" not in said)
    yield Row(title, count, count - lost, lost, 0, "refused in a sentence")


def harmed(folder: Path, how: str, rng: random.Random) -> None:
    """Flips a bit in one file of a folder, or cuts one off: half of the times any byte, else any file, is as likely."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    (file,) = rng.choices(files, sizes if rng.random() < 0.5 else None)
    content = bytearray(file.read_bytes())
    if how == "flip":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        del content[rng.randrange(len(content)) :]
    file.write_bytes(content)


def outcome(folder: Path, abstract: Any, newest: checkpoint.Restored, before: checkpoint.Restored) -> str:
    """What a folder of checkpoints, whose newest is harmed, restores: "fell back", "harmless", "lost" or "wrong"."""
    said: list[str] = []
    try:
        with checkpoint.Checkpoints(folder) as checkpoints:
            restored = checkpoints.restore(abstract, said.append)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "lost"
    if restored is None:
        return "lost"
    expected = newest if restored.step == newest.step else before
    same = restored.step == expected.step and restored.extra == expected.extra
    same = same and all(
        np.array_equal(ours, theirs)
        for ours, theirs in zip(_arrays(restored.state), _arrays(expected.state), strict=True)
    )
    if not same or (expected is before) != bool(said):
        return "wrong"
    return "fell back" if said else "harmless"


def _arrays(state: Any) -> list[np.ndarray]:
    leaves = jax.tree.leaves(state)
    return [
        np.asarray(jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in leaves
    ]


def damages(place: Place, how: str, count: int, rng: random.Random) -> Iterator[Row]:
    """Damage to the newest of two checkpoints, which is then restored in this process."""
    place.run("pix2pix", "none")
    pristine = place.unbroken["pix2pix"].root / "run" / "checkpoints"
    _, experiment = pix2pix.build([*PIX2PIX.split(), "--checkpoints_dir", str(place.folder)])
    (pair,) = pipeline.chosen(experiment.train, 1, experiment.train_transform)
    example = {name: image[None] for name, image in pair.items()}
    abstract = parallel.abstract_state(experiment.method, example, parallel.data_mesh(jax.devices()[:1]))

    def whole(name: str, *without: str) -> checkpoint.Restored:
        folder = place.folder / "whole" / name
        shutil.copytree(pristine, folder)
        for step in without:
            shutil.rmtree(folder / step)
        with checkpoint.Checkpoints(folder) as checkpoints:
            restored = checkpoints.restore(abstract, print)
        assert restored is not None
        return restored

    shutil.rmtree(place.folder / "whole", ignore_errors=True)
    newest = whole("newest")
    before = whole("before", str(newest.step))
    outcomes = dict.fromkeys(("fell back", "harmless", "lost", "wrong"), 0)
    for i in range(count):
        folder = place.folder / "damaged" / f"{how}_{i}"  # TensorStore remembers files by their paths
        shutil.copytree(pristine, folder)
        harmed(folder / str(newest.step), how, rng)
        result = outcome(folder, abstract, newest, before)
        outcomes[result] += 1
        if result in ("fell back", "harmless"):
            shutil.rmtree(folder)
    came = (
        f"{outcomes['fell back']} said, and the checkpoint before taken; "
        f"{outcomes['harmless']} in bytes without meaning: the very state"
    )
    title = {"flip": "a bit flipped in the newest checkpoint", "cut": "a file of the newest checkpoint cut off"}[how]
    yield Row(title, count, outcomes["fell back"] + outcomes["harmless"], outcomes["lost"], outcomes["wrong"], came)


def table(rows: list[Row], around: str) -> str:
    """The rows in Markdown."""
    lines = [around, "", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    total = [sum(row[column] for row in rows) for column in range(1, 5)]
    lines.append(f"| all | {' | '.join(map(str, total))} |  |")
    return "\n".join(lines) + "\n"


CASES: dict[str, tuple[int, Callable[[Place, int, random.Random], Iterator[Row]]]] = {
    "flips": (500, lambda place, count, rng: damages(place, "flip", count, rng)),
    "truncations": (200, lambda place, count, rng: damages(place, "cut", count, rng)),
    "terminations": (12, terminations),
    "second_starts": (6, second_starts),
    "file_sizes": (12, file_sizes),
    "full_disks": (12, full_disks),
    "kills": (200, kills),
    "wrong_coordinators": (3, wrong_coordinators),
    "killed_peers": (10, lambda place, count, rng: lost_peers(place, "killed", count, rng)),
    "stopped_peers": (4, lambda place, count, rng: lost_peers(place, "stopped", count, rng)),
    "terminated_peers": (4, lambda place, count, rng: lost_peers(place, "terminated", count, rng)),
}


def main(arguments: list[str] | None = None) -> int:
    """Does what the command line says, and prints the table; returns 1 where something was lost or wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n")[0])
    for name, (count, _) in CASES.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE", help="those of " + ", ".join(CASES))
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the table there too, as faults.md")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the runs there, and leave them")
    options = parser.parse_args(arguments)
    started, rows = time.monotonic(), list[Row]()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = Place(folder.absolute(), folder.absolute() / "programs", {})
        for name, (_, case) in CASES.items():
            if options.only and name not in options.only:
                continue
            for row in case(place, getattr(options, name), random.Random(f"{options.seed} {name}")):
                rows.append(row)
                print(*row, sep="; ", file=sys.stderr, flush=True)
                minutes = round((time.monotonic() - started) / 60)
                text = table(rows, _around(options, minutes))
                if options.out is not None:  # after each: a long run that is ended leaves what it has
                    options.out.mkdir(parents=True, exist_ok=True)
                    (options.out / "faults.md").write_text(text)
    print(text, end="")
    return int(any(row.lost or row.wrong for row in rows))


def _around(options: argparse.Namespace, minutes: int) -> str:
    """The command without its folders, the machine and the versions."""
    counts = [f" --{name} {getattr(options, name)}" for name in options.only or CASES]
    only = f" --only {' '.join(options.only)}" if options.only else ""
    around = report.surroundings("jax", "orbax-checkpoint")
    return (
        f"`python -m benchmarks.faults{only}{''.join(counts)}`: {minutes} minutes on {around['cpu']}, "
        f"{around['cores']} cores, {platform.system()}; Python {around['python']}, jax {around['jax']}, "
        f"orbax-checkpoint {around['orbax-checkpoint']}; commit {around['commit']}, {around['date']}."
    )


if __name__ == "__main__":
    sys.exit(main())
