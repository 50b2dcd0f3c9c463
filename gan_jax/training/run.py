"""A run: its folder, and the one way from an experiment to trained, scored and reported generators."""

import dataclasses
import functools
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import errors, evaluate, files, folders, generator, report, schedules
from gan_jax.data import pictures, pipeline
from gan_jax.data.pipeline import Source
from gan_jax.generator import Generator
from gan_jax.method import NetState, State, scale_rates
from gan_jax.terminal import console
from gan_jax.training import checkpoint, diagnostics, loop, notes, parallel, translation
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment, fingerprint
from gan_jax.training.log import Log, Meter, read_log

__all__ = ["execute", "guarded", "main", "steps_per_epoch"]
__dir__ = __all__.copy


def steps_per_epoch(config: RunConfig, pictures_in_training: int) -> int:
    """Steps until as many pictures were seen as there are."""
    return -(-pictures_in_training // config.images_per_step)


def main(build: Callable[[], tuple[RunConfig, Experiment]]) -> int:
    """Builds and executes an experiment; returns the exit code. What a user can cause becomes one sentence."""
    return guarded(lambda: execute(*build()))


def guarded(call: Callable[[], int]) -> int:
    """The exit code that `call` returns, or that of what a user can cause, which becomes one sentence.

    A terminal that goes away meanwhile ends nothing.
    """
    with console.lasting_streams():
        return _in_words(call)


def _in_words(call: Callable[[], int]) -> int:
    try:
        return call()
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print("error: the device's memory is too small; take a smaller --batch_size or smaller crops.", file=sys.stderr)
        return 2
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:  # a module: an extra is missing
        print(f"error: {errors.in_words(error)}", file=sys.stderr)
        return 2


def execute(config: RunConfig, experiment: Experiment) -> int:
    """Trains, or goes on training, then scores and reports; returns the exit code."""
    # The incumbent's default of one image a step is for one device, however many there are.
    mesh = parallel.data_mesh(jax.devices()[:1] if config.batch_size == 1 else None)
    parallel.require_divisible(config.batch_size, mesh)
    if config.obeys_validation and not experiment.exam.validates:
        raise ValueError("--lr_policy plateau watches validation pictures, and there are none; add a folder val.")
    if config.parallel == "pmap":
        parallel.require_replicable(
            config.batch_size, mesh, experiment.networks, whole_batch=experiment.needs_whole_batch
        )
    per_epoch = steps_per_epoch(config, len(experiment.train))
    steps = config.steps(per_epoch)
    (pair,) = pipeline.chosen(experiment.train, 1, experiment.jitter)
    example = {name: np.stack([picture] * config.images_per_step) for name, picture in pair.items()}
    shapes = parallel.abstract_state(experiment.method, example, mesh)
    description = _describe(config, experiment, steps, example, shapes)
    for note in dict.fromkeys(note for source in _splits(experiment).values() for note in getattr(source, "notes", ())):
        print(f"note: {note}")
    if config.dry_run:
        return _dry_run(config, experiment, description, example, mesh)

    _open_folder(config, description, per_epoch)
    done = checkpoint.latest_step(config.folder / "checkpoints")
    if done == steps and all(path.exists() for path in _files(config, experiment).values()):
        print(f"{config.name} is finished: {steps} steps are done.")
    else:
        stopped = _train(config, experiment, steps, per_epoch, example, mesh)
        if stopped:
            print(f"stopped by {stopped}; the same command goes on where it stopped.")
            return loop.exit_code(stopped)
    _finish(config, experiment)
    return 0


def _finish(config: RunConfig, experiment: Experiment) -> None:
    """Scores the test split with the last generator, writes the report, and says where everything is."""
    files = _files(config, experiment)
    generators = {name: generator.load(path) for name, path in files.items()}
    scores = experiment.exam.test(generators, config.folder / "results")
    page = report.write(config.folder)
    if scores is not None:
        print(translation.score_table(scores))
    for note in notes.of_scores(experiment.exam):
        print(f"note: {note}")
    print(f"report: {page}")
    for path in files.values():
        print(f"generator: {path}")


# The run's folder


def _describe(
    config: RunConfig, experiment: Experiment, steps: int, example: Mapping[str, np.ndarray], shapes: State
) -> dict[str, Any]:
    """What config.json says."""
    counts = {
        field.name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(net.params))
        for field in dataclasses.fields(shapes)
        if isinstance(net := getattr(shapes, field.name), NetState)
    }
    recipe = {name: _plain(value) for name, value in dataclasses.asdict(config).items()}
    splits = _splits(experiment)
    devices = jax.devices()
    return {
        "name": config.name,
        "method": experiment.method_name,
        "recipe": recipe,
        "changed": [field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default],
        "data": {
            **{split: 0 if source is None else len(source) for split, source in splits.items()},
            "fingerprints": {split: fingerprint(source) for split, source in splits.items()},
            "batch": {name: list(images.shape) for name, images in example.items()},
            **({"classes": list(classes)} if (classes := getattr(experiment.train, "classes", ())) else {}),
            "notes": notes.of_scores(experiment.exam),
        },
        "pictures": experiment.exam.captions,
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


def _splits(experiment: Experiment) -> dict[str, Source | None]:
    return {"train": experiment.train, **experiment.exam.splits}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | tuple | None) else str(value)


def _open_folder(config: RunConfig, description: dict[str, Any], per_epoch: int) -> None:
    """Makes the run's folder, or checks that what it holds was begun by the same recipe on the same data.

    A run that has saved nothing yet may begin anew, otherwise than before. One that keeps steps goes back to the one
    that is asked for, once: config.json then says so, and the same command goes on.
    """
    folder, path = config.folder, config.folder / "config.json"
    went_back: dict[str, Any] = {}
    if path.exists():
        try:
            before = json.loads(path.read_text())
            changes, went_back = _changes(before, description, config), _goes_back(before["recipe"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} is damaged; take another --name, or remove {folder}.") from None
        saved = checkpoint.latest_step(folder / "checkpoints") is not None or any(folder.glob("*.safetensors"))
        if changes and saved:
            raise ValueError(
                f"the run {folder} was begun differently: {'; '.join(changes)}. "
                "Give the old values to go on, or another --name to begin anew."
            )
    elif folder.exists() and not all(files.is_part(file.name) for file in folder.iterdir()):
        raise ValueError(f"{folder} holds files but no config.json, so it is no run; take another --name.")
    if config.checkpoints_dir.exists() and not config.checkpoints_dir.is_dir():
        raise ValueError(f"--checkpoints_dir {config.checkpoints_dir} is a file; wanted a folder.")
    if back := _goes_back(description["recipe"]):
        ((flag, number),) = back.items()
        if back == went_back:
            print(f"went back to {flag} {number} when this was first asked; it goes on from its newest checkpoint.")
        elif flag == "epoch":
            _go_back(folder, folders.kept_at(folder, number, unit="epoch", steps=per_epoch))
        else:
            _go_back(folder, folders.kept_at(folder, number))
    # config.json comes first: with it the folder is a run, whatever a kill leaves undone.
    folder.mkdir(parents=True, exist_ok=True)
    translation.write_json(path, description)
    (folder / "samples").mkdir(exist_ok=True)


def _goes_back(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The step or epoch that a recipe goes back to, by that name; empty where it does not."""
    return {unit: recipe[f"from_{unit}"] for unit in ("step", "epoch") if recipe.get(f"from_{unit}") is not None}


def _go_back(folder: Path, kept: Path) -> None:
    """Makes a run's folder what it was when it kept a step: what is newer is deleted, all but the log's rows here.

    A kill on the way leaves what can be done again: newer checkpoints go first, the newest of them first of all.
    """
    step, checkpoints = int(kept.name), folder / "checkpoints"
    if problem := checkpoint.damage(checkpoints / kept.name):
        there = ", ".join(str(other) for other in folders.kept(folder) if other != step)
        instead = f"go back to step {there}" if there else "leave --from_step or --from_epoch out"
        raise ValueError(f"the checkpoint {checkpoints / kept.name} {problem}; {instead}.")
    newer = checkpoint.cut_back(checkpoints, step)
    later = [other for other in folders.kept(folder) if other > step]
    for other in later:
        shutil.rmtree(folder / folders.KEPT / str(other))
    for sample in (folder / "samples").glob("step_*.png"):
        if int(sample.stem.removeprefix("step_")) > step:
            sample.unlink()
    for best in folder.glob("*_best.safetensors"):
        if not (kept / best.name).exists():
            best.unlink()
    for file in kept.glob("*.safetensors"):
        files.write(folder / file.name, file.read_bytes())
    shutil.rmtree(folder / "results", ignore_errors=True)  # of a generator that is gone
    deleted = ", ".join(map(str, sorted({*newer, *later}))) or "none"
    print(f"going back to step {step}; deleted what is newer: checkpoints ({deleted}), samples and rows of the log.")


def _changes(before: dict[str, Any], now: dict[str, Any], config: RunConfig) -> list[str]:
    """In words, what would make a run that goes on inconsistent."""
    # A run of an older program lacks newer flags, whose defaults do what that program did.
    defaults = {field.name: _plain(field.default) for field in dataclasses.fields(config)}
    old, new = (json.loads(json.dumps(recipe)) for recipe in ({**defaults, **before["recipe"]}, now["recipe"]))
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
        what = "the pictures or the order of the classes" if now["data"].get("classes") else "the pictures"
        changes += [
            f"{what} of {split} changed ({before['data'].get(split)} before, {now['data'][split]} now)"
            for split, fingerprints in now["data"]["fingerprints"].items()
            if not split.startswith("test") and before["data"]["fingerprints"].get(split) != fingerprints
        ]
    return changes


def _dry_run(
    config: RunConfig,
    experiment: Experiment,
    description: dict[str, Any],
    example: Mapping[str, np.ndarray],
    mesh: Any,
) -> int:
    print(json.dumps(description, indent=2))
    state = parallel.compile_init(experiment.method, mesh)(jax.random.key(config.seed), dict(example))
    batch = parallel.global_batch(example, mesh)
    before = time.perf_counter()
    step = parallel.compile_step(experiment.method, mesh, how=config.parallel).lower(state, batch).compile()
    compiled = time.perf_counter()
    _, metric_values = step(state, batch)
    values = {name: float(value) for name, value in metric_values.items()}
    memory = step.memory_analysis()
    megabytes = (memory.argument_size_in_bytes + memory.temp_size_in_bytes) / 2**20
    print(f"one step: {', '.join(f'{name} {value:.4f}' for name, value in sorted(values.items()))}")
    print(f"memory of a step on each device: {megabytes:.0f} MiB; compiled in {compiled - before:.1f} s")
    print("dry run: nothing was written.")
    return 0


# Training


class _Validation:
    """Scores and samples at intervals, the best generators so far, and the plateau rule."""

    def __init__(
        self, config: RunConfig, experiment: Experiment, steps: int, log: Log, meter: Meter, before: Mapping[str, Any]
    ) -> None:
        self._config, self._experiment, self._steps, self._log, self._meter = config, experiment, steps, log, meter
        rows = [row for row in read_log(config.folder / "log.jsonl") if row["kind"] == "validation"]
        self._earlier: Mapping[str, Any] = rows[-1] if rows else {}
        self._lowest: float | None = before.get("lowest_loss")
        self._plateau = schedules.Plateau(*before.get("plateau", ()))
        for name, picture in experiment.exam.shown().items():
            self._save(name, picture)

    @property
    def extra(self) -> dict[str, Any]:
        """What a checkpoint must know of earlier validations."""
        return {"lowest_loss": self._lowest, "plateau": list(self._plateau)}

    def __call__(self, step: int, state: State) -> State | None:
        generators = _generators(self._experiment, state, step)
        scores, picture = self._experiment.exam.validate(generators)
        self._save(f"step_{step:08d}", picture)
        self._log.write("validation", step, {name: evaluate.json_number(value) for name, value in scores.items()})
        words = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self._meter.say(f"step {step} validation: {words or 'samples'}")
        for warning in diagnostics.warnings(scores, earlier=None if step == self._steps else self._earlier):
            self._log.write("warning", step, {"text": warning})
            self._meter.say(f"step {step} warning: {warning}")
        self._earlier = {"step": step, **scores}
        loss = self._experiment.exam.loss(scores)
        if loss is None:
            return None
        if self._lowest is None or loss < self._lowest:
            self._lowest = loss
            _export(self._config.folder, self._config, self._experiment, generators, state, "_best")
        # Not after the last step too, so that a run that goes on past it is the run that had more epochs.
        if not self._config.obeys_validation or step % self._config.val_freq:
            return None
        self._plateau, falls = self._plateau.after(loss)
        if not falls:
            return None
        self._meter.say(f"step {step}: validation no longer improves; learning rates x {schedules.PLATEAU_FACTOR}")
        return scale_rates(state, schedules.PLATEAU_FACTOR)

    def _save(self, name: str, picture: np.ndarray) -> None:
        pictures.save(self._config.folder / "samples" / f"{name}.png", picture)


def _train(
    config: RunConfig,
    experiment: Experiment,
    steps: int,
    per_epoch: int,
    example: Mapping[str, np.ndarray],
    mesh: Any,
) -> str | None:
    """Trains to the end or to a signal, which is returned."""
    print(f"training {config.name} for {steps} steps; its folder is {config.folder}")
    for split, source in _splits(experiment).items():
        print(f"  {split}: {source if source is not None else 'no pictures'}")
    for note in notes.of_scores(experiment.exam):
        print(f"  note: {note}")

    def export(step: int, state: State) -> None:
        _export(config.folder, config, experiment, _generators(experiment, state, step), state, "")

    kept, keep_every = config.folder / folders.KEPT, config.keep_every(per_epoch)

    def keep(step: int, state: State) -> None:
        if keep_every is not None and step % keep_every == 0:  # not after the last step too
            _keep(kept / str(step), config, experiment, state)

    # What was kept stays when the flag that asked for it is left out.
    with Checkpoints(config.folder / "checkpoints", keeps=lambda step: (kept / str(step)).is_dir()) as checkpoints:
        begin = loop.start(experiment.method, example, seed=config.seed, mesh=mesh, checkpoints=checkpoints, warn=print)
        if begin.step:
            print(f"going on after step {begin.step}")
            export(begin.step, begin.state)
        log = Log(config.folder / "log.jsonl", keep_through=begin.step)
        meter = Meter(
            log,
            start=begin.step,
            steps=steps,
            steps_per_epoch=per_epoch,
            batch_size=config.images_per_step,
            print_freq=config.print_freq,
            on_waiting=functools.partial(notes.of_waiting, config.num_threads, experiment.train, example),
        )
        batches = pipeline.batches(
            experiment.train,
            batch_size=config.images_per_step,
            seed=config.seed,
            transform=experiment.jitter,
            shuffle=not config.serial_batches,
            start=begin.step,
            threads=config.num_threads,
        )
        # The generator is written before the checkpoint: a run whose last checkpoint is there has its generator.
        events = [loop.Every(config.save_latest_freq, export)]
        if keep_every is not None:
            events.append(loop.Every(keep_every, keep))
        validation = None
        if experiment.exam.validates:
            validation = _Validation(config, experiment, steps, log, meter, begin.extra)
            events.insert(0, loop.Every(config.val_freq, validation))
        with meter:
            state, stopped = loop.train(
                experiment.method,
                batches,
                begin,
                steps=steps,
                mesh=mesh,
                how=config.parallel,
                checkpoints=checkpoints,
                save_every=config.save_latest_freq,
                keep_every=keep_every,
                meter=meter,
                stop_signal=config.stop_signal,
                events=tuple(events),
                extra=lambda: {} if validation is None else validation.extra,
            )
        if stopped:
            export(int(state.step), state)
    return stopped


def _generators(experiment: Experiment, state: State, step: int) -> dict[str, Generator]:
    return {
        name: Generator(dataclasses.replace(experiment.specs[name], step=step), variables)
        for name, variables in experiment.method.generators(state).items()
    }


def _files(config: RunConfig, experiment: Experiment, suffix: str = "") -> dict[str, Path]:
    """Where each generator is written."""
    names = [name for name, spec in experiment.specs.items() if spec.kind == "generator"]
    beside = {name: f"_{name}" if len(names) > 1 else "" for name in names}
    return {name: config.folder / f"{config.name}{beside[name]}{suffix}.safetensors" for name in names}


def _keep(folder: Path, config: RunConfig, experiment: Experiment, state: State) -> None:
    """Writes a folder with all that the run's holds of generators and critics after a step, whole or not at all."""
    unfinished = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _export(unfinished, config, experiment, _generators(experiment, state, int(state.step)), state, "")
    for best in _files(config, experiment, "_best").values():
        # One that a kill left behind may be of a later step.
        if best.exists() and generator.load(best).spec.step <= int(state.step):
            shutil.copy(best, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _export(
    folder: Path,
    config: RunConfig,
    experiment: Experiment,
    generators: Mapping[str, Generator],
    state: State,
    suffix: str,
) -> None:
    """Writes the generators and, with the last ones, the critics, which `--init_critic` takes."""
    for name, path in _files(config, experiment, suffix).items():
        generator.save(folder / path.name, generators[name])
    if suffix:
        return
    for name, spec in experiment.specs.items():
        if spec.kind == "critic":
            net = getattr(state, name)
            critic = Generator(
                dataclasses.replace(spec, step=int(state.step)), {"params": net.params, "stats": net.stats}
            )
            generator.save(folder / f"{config.name}_{name}.safetensors", critic)
