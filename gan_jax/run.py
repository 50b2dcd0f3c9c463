"""A run: its folder, its flags, and the one way from an experiment to trained, scored and reported generators."""

import dataclasses
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from gan_jax import checkpoint, evaluate, generator, infer, metrics, parallel, report, train
from gan_jax.checkpoint import Checkpoints
from gan_jax.data import pictures, pipeline, transforms
from gan_jax.flags import Config
from gan_jax.generator import Generator, GeneratorSpec
from gan_jax.method import Method, NetState, State
from gan_jax.progress import Log, Meter

_SAMPLES, _VALIDATION_IMAGES, _TRANSLATE_BATCH = 8, 32, 8

# Flags that decide what a run says and when it saves, but not what it computes.
_FREE_TO_CHANGE = {"print_freq", "val_freq", "save_latest_freq", "num_threads", "dry_run", "checkpoints_dir"}


class Source(Protocol):
    """Random access to named pairs of pictures; see docs/adding_data.md."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


class Experiment(NamedTuple):
    """What an experiment hands over: the parts that it chose, and nothing that training has in common."""

    method_name: str
    method: Method
    networks: Mapping[str, Mapping[str, Any]]  # descriptions, by the names of the state's NetStates
    specs: Mapping[str, GeneratorSpec]  # by the names that Method.generators uses
    train: Source
    val: Source | None
    test: Source | None
    jitter: transforms.Transform  # of training pictures
    still: transforms.Transform  # of validation pictures, all to one size
    whole: transforms.Transform  # of test pictures
    baselines: Mapping[str, Callable[[np.ndarray], np.ndarray]]  # rivals in the score table: source -> image
    label_scores: Callable[[np.ndarray, np.ndarray], dict[str, float]] | None  # of images and their sources


def steps_per_epoch(config: Config, source: Source) -> int:
    """Steps until as many pictures were seen as the source has."""
    return -(-len(source) // config.batch_size)


def main(build: Callable[[], tuple[Config, Experiment]]) -> int:
    """Builds and executes an experiment; what a user can cause becomes one sentence and exit code 2."""
    try:
        config, experiment = build()
        return _execute(config, experiment)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _execute(config: Config, experiment: Experiment) -> int:
    """Trains, or goes on training, then scores and reports. Returns the exit code."""
    mesh = parallel.data_mesh()
    parallel.require_divisible(config.batch_size, mesh)
    per_epoch = steps_per_epoch(config, experiment.train)
    steps = per_epoch * (config.n_epochs + config.n_epochs_decay)
    example = pipeline.fixed_batch(experiment.train, 1, experiment.jitter)
    example = {name: np.repeat(images, config.batch_size, axis=0) for name, images in example.items()}
    shapes = parallel.abstract_state(experiment.method, example, mesh)
    description = _describe(config, experiment, steps, example, shapes)
    if config.dry_run:
        return _dry_run(config, experiment, description, example, mesh)

    _open_folder(config, description)
    if checkpoint.latest_step(config.folder / "checkpoints") == steps:
        print(f"{config.name} is finished: {steps} steps are done.")
    else:
        stopped = _train(config, experiment, steps, per_epoch, example, mesh)
        if stopped:
            print(f"stopped by {stopped}; the same command goes on where it stopped.")
            return 130 if stopped == "Ctrl-C" else 143
    _results(config, experiment, steps)
    return 0


# The run's folder


def _describe(
    config: Config,
    experiment: Experiment,
    steps: int,
    example: Mapping[str, np.ndarray],
    shapes: State,
) -> dict[str, Any]:
    """What config.json says."""
    counts = {
        field.name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(net.params))
        for field in dataclasses.fields(shapes)
        if isinstance(net := getattr(shapes, field.name), NetState)
    }
    recipe = {name: _plain(value) for name, value in dataclasses.asdict(config).items()}
    splits = {"train": experiment.train, "val": experiment.val, "test": experiment.test}
    devices = jax.devices()
    return {
        "name": config.name,
        "method": experiment.method_name,
        "recipe": recipe,
        "data": {
            **{split: 0 if source is None else len(source) for split, source in splits.items()},
            "fingerprint": getattr(experiment.train, "fingerprint", repr(experiment.train)),
            "batch": {name: list(images.shape) for name, images in example.items()},
        },
        "networks": {name: {**network, "parameters": counts[name]} for name, network in experiment.networks.items()},
        "steps": steps,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("gan_jax", "jax", "flax", "optax")},
        },
        "device": f"{len(devices)} x {devices[0].device_kind}",
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | tuple | None) else str(value)


def _open_folder(config: Config, description: dict[str, Any]) -> None:
    """Makes the run's folder, or checks that what it holds was begun by the same recipe on the same data."""
    path = config.folder / "config.json"
    if path.exists():
        try:
            before = json.loads(path.read_text())
            changes = _changes(before, description)
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} is damaged; take another --name, or remove {config.folder}.") from None
        if changes:
            raise ValueError(
                f"the run {config.folder} was begun differently: {'; '.join(changes)}. "
                "Give the old values to go on, or another --name to begin anew."
            )
    elif config.folder.exists() and any(config.folder.iterdir()):
        raise ValueError(f"{config.folder} holds files but no config.json, so it is no run; take another --name.")
    (config.folder / "samples").mkdir(parents=True, exist_ok=True)
    _write_json(path, description)


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    old, new = before["recipe"], now["recipe"]
    free = set(_FREE_TO_CHANGE)
    # Under a constant rate the number of epochs says only where the run ends.
    if old.get("n_epochs_decay") == new.get("n_epochs_decay") == 0:
        free.add("n_epochs")
    changes = [
        f"--{name} was {old.get(name)} and is {new.get(name)}"
        for name in sorted((old.keys() | new.keys()) - free)
        if old.get(name) != json.loads(json.dumps(new.get(name)))
    ]
    if before["method"] != now["method"]:
        changes.append(f"the method was {before['method']} and is {now['method']}")
    if not changes and before["data"]["fingerprint"] != now["data"]["fingerprint"]:
        changes.append(f"the training pictures changed ({before['data']['train']} before, {now['data']['train']} now)")
    return changes


def _write_json(path: Path, values: Any) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(values, indent=2) + "\n")
    unfinished.replace(path)


def _dry_run(
    config: Config,
    experiment: Experiment,
    description: dict[str, Any],
    example: Mapping[str, np.ndarray],
    mesh: Any,
) -> int:
    print(json.dumps(description, indent=2))
    state = parallel.compile_init(experiment.method, mesh)(jax.random.key(config.seed), dict(example))
    batch = parallel.global_batch(example, mesh)
    before = time.perf_counter()
    step = parallel.compile_step(experiment.method, mesh).lower(state, batch).compile()
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
    """Scores and samples at intervals, and the best generator so far."""

    def __init__(self, config: Config, experiment: Experiment, log: Log, meter: Meter, best: float | None):
        assert experiment.val is not None
        count = min(_VALIDATION_IMAGES, len(experiment.val))
        self._batch = pipeline.fixed_batch(experiment.val, count, experiment.still)
        self._config, self._experiment, self._log, self._meter = config, experiment, log, meter
        self.best = best
        for name, key in (("input", "source"), ("target", "target")):
            _save_strip(config.folder / "samples" / f"{name}.png", self._batch[key][:_SAMPLES])

    def __call__(self, step: int, state: State) -> None:
        before = time.perf_counter()
        generators = _generators(self._experiment, state, step)
        model = next(iter(generators.values()))
        outputs = _translate_all(model, self._batch["source"])
        scores = _score_batch(outputs, self._batch["target"])
        if self._experiment.label_scores:
            labels = self._experiment.label_scores(outputs, self._batch["source"])
            scores |= {f"label/{name}": value for name, value in labels.items()}
        _save_strip(self._config.folder / "samples" / f"step_{step:08d}.png", outputs[:_SAMPLES])
        self._log.write("validation", step, {name: evaluate.json_number(v) for name, v in scores.items()})
        if self.best is None or scores["psnr"] > self.best:
            self.best = scores["psnr"]
            _export(self._config, generators, "_best")
        words = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self._meter.say(f"step {step} validation: {words}")
        self._meter.pause(time.perf_counter() - before)


def _train(
    config: Config,
    experiment: Experiment,
    steps: int,
    per_epoch: int,
    example: Mapping[str, np.ndarray],
    mesh: Any,
) -> str | None:
    """Trains to the end or to a signal, which is returned."""
    print(f"training {config.name} for {steps} steps; its folder is {config.folder}")
    for split, source in (("train", experiment.train), ("val", experiment.val), ("test", experiment.test)):
        print(f"  {split}: {source if source is not None else 'no pictures'}")
    with Checkpoints(config.folder / "checkpoints") as checkpoints:
        begin = train.start(
            experiment.method, example, seed=config.seed, mesh=mesh, checkpoints=checkpoints, warn=print
        )
        if begin.step:
            print(f"going on after step {begin.step}")
        log = Log(config.folder / "log.jsonl", keep_through=begin.step)
        meter = Meter(
            log,
            start=begin.step,
            steps=steps,
            steps_per_epoch=per_epoch,
            batch_size=config.batch_size,
            print_freq=config.print_freq,
        )
        batches = pipeline.batches(
            experiment.train,
            batch_size=config.batch_size,
            seed=config.seed,
            transform=experiment.jitter,
            start=begin.step,
            threads=config.num_threads,
        )

        def export(step: int, state: State) -> None:
            _export(config, _generators(experiment, state, step), "")

        # The generator is written before the checkpoint: a run whose last checkpoint is there has its generator.
        events = [train.Every(config.save_latest_freq, export)]
        validation = None
        if experiment.val is not None:
            validation = _Validation(config, experiment, log, meter, begin.extra.get("best"))
            events.insert(0, train.Every(config.val_freq, validation))
        with meter:
            state, stopped = train.train(
                experiment.method,
                batches,
                begin,
                steps=steps,
                mesh=mesh,
                checkpoints=checkpoints,
                save_every=config.save_latest_freq,
                log=meter.step,
                events=tuple(events),
                extra=lambda: {} if validation is None else {"best": validation.best},
            )
        if stopped:
            export(int(state.step), state)
    return stopped


def _generators(experiment: Experiment, state: State, step: int) -> dict[str, Generator]:
    return {
        name: Generator(dataclasses.replace(experiment.specs[name], step=step), variables)
        for name, variables in experiment.method.generators(state).items()
    }


def _export(config: Config, generators: Mapping[str, Generator], suffix: str) -> None:
    for name, model in generators.items():
        direction = f"_{name}" if len(generators) > 1 else ""
        generator.save(config.folder / f"{config.name}{direction}{suffix}.safetensors", model)


# Scores


def _translate_all(model: Generator, images_u8: np.ndarray) -> np.ndarray:
    """`infer.translate` in batches of bounded memory."""
    parts = range(0, len(images_u8), _TRANSLATE_BATCH)
    return np.concatenate([infer.translate(model, images_u8[i : i + _TRANSLATE_BATCH]) for i in parts])


def _score_batch(outputs_u8: np.ndarray, targets_u8: np.ndarray) -> dict[str, float]:
    """Mean PSNR and SSIM, and sharpness: Laplacian energy over the target's, 1 where equally sharp."""
    return {
        "psnr": float(metrics.psnr(outputs_u8, targets_u8).mean()),
        "ssim": float(metrics.ssim(outputs_u8, targets_u8).mean()),
        "sharpness": float(metrics.laplacian_energy(outputs_u8).mean() / metrics.laplacian_energy(targets_u8).mean()),
    }


def _results(config: Config, experiment: Experiment, steps: int) -> None:
    """Translates and scores the test split with the last generator, writes results/ and the report."""
    folder = config.folder / "results"
    scores = _read_scores(folder / "scores.json")
    if experiment.test is not None and (scores is None or scores.get("step") != steps):
        model = generator.load(config.folder / f"{config.name}.safetensors")
        scores = _score_test(folder, model, experiment) | {"step": steps}
        _write_json(folder / "scores.json", scores)
    page = report.write(config.folder)
    if scores is not None:
        print(_score_table(scores))
    print(f"report: {page}")
    print(f"generator: {config.folder / config.name}.safetensors")


def _read_scores(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _score_test(folder: Path, model: Generator, experiment: Experiment) -> dict[str, Any]:
    assert experiment.test is not None
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("input", "output", "target"):
        (folder / kind).mkdir(parents=True)
    painters = {"generator": lambda source: infer.translate(model, source), **experiment.baselines}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in painters}
    painted: dict[str, list[np.ndarray]] = {name: [] for name in (*painters, "source", "target")}
    for index in range(len(experiment.test)):
        item = experiment.test[index]
        pair = experiment.whole(item, np.random.default_rng(0))
        for name, paint in painters.items():
            picture = paint(pair["source"])
            rows[name].append(_score_batch(picture[None], pair["target"][None]))
            painted[name].append(picture)
        painted["source"].append(pair["source"])
        painted["target"].append(pair["target"])
        file = item["name"].replace("/", "__") + ".png"
        outputs = {"input": pair["source"], "output": painted["generator"][-1], "target": pair["target"]}
        for kind, picture in outputs.items():
            pictures.save(folder / kind / file, picture)
    table = [{"name": name, **_row(scores)} for name, scores in rows.items()]
    if experiment.label_scores is not None:
        table.append({"name": "ground truth", "psnr": "inf", "ssim": 1.0, "sharpness": 1.0})
        for row, name in zip(table, (*painters, "target"), strict=True):
            labels = experiment.label_scores(np.stack(painted[name]), np.stack(painted["source"]))
            row |= {f"label/{key}": value for key, value in labels.items()}
    protocol = evaluate.PROTOCOLS["rgb"]
    return {
        "split": "test",
        "count": len(experiment.test),
        "protocol": f"{protocol.name}: {protocol.description}",
        "rows": table,
    }


def _row(scores: list[dict[str, float]]) -> dict[str, float | str]:
    return {name: evaluate.json_number(evaluate.mean([s[name] for s in scores])) for name in scores[0]}


def _score_table(scores: Mapping[str, Any]) -> str:
    """The score table for a terminal."""
    columns = [name for name in scores["rows"][0] if name != "name"]
    width = max(len(row["name"]) for row in scores["rows"])
    lines = [f"{scores['count']} pictures of the {scores['split']} split; {scores['protocol']}"]
    lines.append(" " * width + "".join(f"{name.removeprefix('label/'):>12}" for name in columns))
    for row in scores["rows"]:
        cells = [row[name] if isinstance(row[name], str) else f"{row[name]:.4f}" for name in columns]
        lines.append(f"{row['name']:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _save_strip(path: Path, images_u8: np.ndarray) -> None:
    pictures.save(path, np.concatenate(list(images_u8), axis=1))
