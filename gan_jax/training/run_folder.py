"""A run's folder as a run finds it: begun by the same recipe, or anew; gone back, or gone on. And what it says."""

import contextlib
import dataclasses
import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import buckets, files, folders
from gan_jax.data import transforms
from gan_jax.data.pipeline import Source
from gan_jax.data.sources import fingerprint
from gan_jax.folders import RunFolder
from gan_jax.method import State
from gan_jax.training import checkpoint, joining, notes, translation
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment

__all__ = ["common", "describe", "enter", "locked", "splits"]
__dir__ = __all__.copy


# Of a recipe, what each process has for itself.
_OWN = {"compile_cache", "num_threads", *joining.FLAGS}


def describe(
    config: RunConfig, experiment: Experiment, steps: int, example: Mapping[str, np.ndarray], shapes: State
) -> dict[str, Any]:
    """What a run's config.json says of it; `shapes` are those of its method's state."""
    counts = {
        name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(net.params))
        for name, net in experiment.method.networks(shapes).items()
    }
    recipe = {name: _plain(value) for name, value in dataclasses.asdict(config).items()}
    sources = splits(experiment)
    devices = jax.devices()
    return {
        "name": config.name,
        "method": experiment.method_name,
        "recipe": recipe,
        "changed": [field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default],
        "data": {
            **{split: 0 if source is None else len(source) for split, source in sources.items()},
            "fingerprints": {split: fingerprint(source) for split, source in sources.items()},
            "batch": {name: list(images.shape) for name, images in example.items()},
            **({"classes": list(classes)} if (classes := getattr(experiment.train, "classes", ())) else {}),
            "notes": notes.of_scores(experiment.evaluator),
        },
        "pictures": experiment.evaluator.captions,
        "networks": {
            name: {**network, **({"parameters": counts[name]} if name in counts else {})}
            for name, network in experiment.networks.items()
        },
        "steps": steps,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("gan_jax", "jax", "flax", "optax")},
        },
        "device": f"{len(devices)} x {devices[0].device_kind}",
    }


def common(description: Mapping[str, Any]) -> dict[str, Any]:
    """Of a description, what all processes of a run must have in common, by names that mean something to its reader."""
    recipe = {f"--{name}": value for name, value in description["recipe"].items() if name not in _OWN}
    return {
        **recipe,
        **{f"the version of {name}": value for name, value in description["versions"].items()},
        **{f"the images of {split}": digest for split, digest in description["data"]["fingerprints"].items()},
        "the program": _program(),
        "the method": description["method"],
        "the networks": description["networks"],
        "the steps": description["steps"],
    }


def _program() -> str:
    """A digest of this program's files, which differ between commits of one version."""
    digest = hashlib.sha256()
    package = Path(files.__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def splits(experiment: Experiment) -> dict[str, Source | None]:
    """The images of a run by split, those that it trains on first."""
    return {"train": experiment.train, **experiment.evaluator.splits}


def _plain(value: Any) -> Any:
    if isinstance(value, str | Path):
        return buckets.address(value) or str(value)  # hosts have their caches in different places
    return value if isinstance(value, str | int | float | bool | list | tuple | None) else str(value)


@contextlib.contextmanager
def locked(config: RunConfig) -> Iterator[None]:
    """Within this context no other program trains the run; its folder is made.

    Raises ValueError as `files.locked` does.
    """
    if config.checkpoints_dir.exists() and not config.checkpoints_dir.is_dir():
        raise ValueError(f"--checkpoints_dir {config.checkpoints_dir} is a file; wanted a folder.")
    folder = config.folder
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with files.locked(RunFolder(folder).lock, f"the run {folder}"):
            yield
    finally:
        if new:  # and refused by now
            with contextlib.suppress(OSError):
                folder.rmdir()


def enter(config: RunConfig, description: dict[str, Any], per_epoch: int) -> None:
    """Makes the run's folder, or checks that what it holds was begun by the same recipe on the same data.

    A run that has saved nothing yet may begin anew, otherwise than before. One that keeps steps goes back to the one
    that is asked for, once: config.json then says so, and the same command goes on.
    """
    run = RunFolder(config.folder)
    folder, path = run.path, run.config
    went_back: dict[str, Any] = {}
    if path.exists():
        try:
            before = json.loads(path.read_text())
            changes, went_back = _changes(before, description, config), _goes_back(before["recipe"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} is damaged; take another --name, or remove {folder}.") from None
        saved = checkpoint.latest_step(run.checkpoints) is not None or any(folder.glob("*.safetensors"))
        if changes and saved:
            raise ValueError(
                f"the run {folder} was begun differently: {'; '.join(changes)}. "
                "Give the old values to go on, or another --name to begin anew."
            )
    elif any(not files.is_part(file.name) and not file.name.startswith(".") for file in folder.glob("*")):
        raise ValueError(f"{folder} holds files but no config.json, so it is no run; take another --name.")
    if back := _goes_back(description["recipe"]):
        ((flag, number),) = back.items()
        if back == went_back:
            print(f"went back to {flag} {number} when this was first asked; it goes on from its newest checkpoint.")
        elif flag == "epoch":
            _go_back(run, folders.kept_at(folder, number, unit="epoch", steps=per_epoch))
        else:
            _go_back(run, folders.kept_at(folder, number))
    # config.json comes first: with it the folder is a run, whatever a kill leaves undone.
    folder.mkdir(parents=True, exist_ok=True)
    translation.write_json(path, description)
    run.samples.mkdir(exist_ok=True)


def _goes_back(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The step or epoch that a recipe goes back to, by that name; empty where it does not."""
    return {unit: recipe[f"from_{unit}"] for unit in ("step", "epoch") if recipe.get(f"from_{unit}") is not None}


def _go_back(run: RunFolder, kept: Path) -> None:
    """Makes a run's folder what it was when it kept a step: what is newer is deleted, all but the log's rows here.

    A kill on the way leaves what can be done again: newer checkpoints go first, the newest of them first of all.
    """
    step = int(kept.name)
    if problem := checkpoint.damage(run.checkpoints / kept.name):
        there = ", ".join(str(other) for other in folders.kept(run.path) if other != step)
        instead = f"go back to step {there}" if there else "leave --from_step or --from_epoch out"
        raise ValueError(f"the checkpoint {run.checkpoints / kept.name} {problem}; {instead}.")
    newer = checkpoint.cut_back(run.checkpoints, step)
    later = [other for other in folders.kept(run.path) if other > step]
    for other in later:
        shutil.rmtree(folders.kept_at(run.path, other))
    for sample in run.samples.glob("step_*.png"):
        if int(sample.stem.removeprefix("step_")) > step:
            sample.unlink()
    run.wandb_id.unlink(missing_ok=True)  # what was sent of later steps stays there, and this becomes another run
    for best in run.path.glob("*_best.safetensors"):
        if not (kept / best.name).exists():
            best.unlink()
    for file in kept.glob("*.safetensors"):
        files.write(run.path / file.name, file.read_bytes())
    shutil.rmtree(run.results, ignore_errors=True)  # of a generator that is gone
    deleted = ", ".join(map(str, sorted({*newer, *later}))) or "none"
    print(f"going back to step {step}; deleted what is newer: checkpoints ({deleted}), samples and rows of the log.")


def _changes(before: dict[str, Any], now: dict[str, Any], config: RunConfig) -> list[str]:
    """In words, what would make a run that goes on inconsistent."""
    # A run of an older program lacks newer flags, whose defaults do what that program did.
    defaults = {field.name: _plain(field.default) for field in dataclasses.fields(config)}
    old, new = (
        # Of a run that was begun when gray was grey too.
        {name: transforms.spelled(value) for name, value in json.loads(json.dumps(recipe)).items()}
        for recipe in ({**defaults, **before["recipe"]}, now["recipe"])
    )
    free = config.free_to_change(old)
    changes = [
        f"--{name} was {old.get(name)} and is {new.get(name)}"
        for name in sorted((old.keys() | new.keys()) - free)
        if old.get(name) != new.get(name)
    ]
    if before["method"] != now["method"]:
        changes.append(f"the method was {before['method']} and is {now['method']}")
    known = before.get("networks", {})
    changes += [
        f"the weights of the {name} network changed"
        for name, network in now.get("networks", {}).items()
        if name in known and known[name].get("digest") != network.get("digest")
    ]
    if not changes:
        what = "the images or the order of the classes" if now["data"].get("classes") else "the images"
        changes += [
            f"{what} of {split} changed ({before['data'].get(split)} before, {now['data'][split]} now)"
            for split, fingerprints in now["data"]["fingerprints"].items()
            if not split.startswith("test") and before["data"]["fingerprints"].get(split) != fingerprints
        ]
    return changes
