"""A run: the one way from an experiment to trained, scored and reported generators."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from gan_jax import buckets, errors, model, report
from gan_jax.data import caching, pipeline
from gan_jax.folders import RunFolder
from gan_jax.log import Log, read_log
from gan_jax.method import State, rematerialized
from gan_jax.terminal import console
from gan_jax.training import (
    checkpoint,
    diagnostics,
    export,
    joining,
    loggers,
    loop,
    mirrors,
    notes,
    parallel,
    processes,
    run_folder,
    topology,
    translation,
)
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.config import RunConfig
from gan_jax.training.dry_run import dry_run, on_slice
from gan_jax.training.experiment import Experiment
from gan_jax.training.meter import Meter
from gan_jax.training.profiling import Profiled
from gan_jax.training.validation import Validation

__all__ = ["execute", "guarded", "joined", "main", "steps_per_epoch"]
__dir__ = __all__.copy


def steps_per_epoch(config: RunConfig, images_in_training: int) -> int:
    """Steps until as many images were seen as there are."""
    return -(-images_in_training // config.images_per_step)


def main(build: Callable[[], tuple[RunConfig, Experiment]]) -> int:
    """Builds and executes an experiment; returns the exit code. What a user can cause becomes one sentence."""
    return guarded(lambda: execute(*build()))


def guarded(call: Callable[[], int]) -> int:
    """The exit code that `call` returns, or that of what a user can cause, which becomes one sentence.

    A terminal that goes away meanwhile ends nothing.
    """
    interrupted = "interrupted; the same command goes on from the last checkpoint."
    with console.lasting_streams():
        return joining.leave(errors.exit_code(lambda: _within_memory(call), interrupted=interrupted))


@contextlib.contextmanager
def joined(config: RunConfig) -> Iterator[None]:
    """`joining.joined` as a configuration says, before anything touches a device; what is in buckets is brought."""
    place = joining.found(config.coordinator, config.num_processes, config.process_id)
    with joining.joined(place, timeout=config.coordinator_timeout), mirrors.brought(config):
        yield


def _within_memory(call: Callable[[], int]) -> int:
    try:
        return call()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise ValueError("the device's memory is too small; take a smaller --batch_size or smaller crops.") from None


def execute(config: RunConfig, experiment: Experiment) -> int:
    """Trains, or goes on training, then scores and reports; returns the exit code."""
    there = None if config.topology is None else topology.open_slice(config.topology)
    devices = jax.devices() if there is None else there.devices
    # The PyTorch code's default of one image a step is for one device, however many there are.
    one_device = config.batch_size == 1 and processes.count() == 1
    mesh = parallel.data_mesh(devices[:1] if one_device else devices)
    parallel.require_even(mesh)
    parallel.require_divisible(config.batch_size, mesh)
    if config.obeys_validation and not experiment.evaluator.has_validation:
        raise ValueError("--lr_policy plateau watches validation images, and there are none; add a folder val.")
    if config.parallel == "pmap" or config.accumulate > 1:
        parallel.require_replicable(
            config.batch_size,
            mesh,
            experiment.networks,
            whole_batch=experiment.needs_whole_batch,
            accumulate=config.accumulate,
        )
    if config.remat:
        experiment = experiment._replace(method=rematerialized(experiment.method))
    per_epoch = steps_per_epoch(config, len(experiment.train))
    steps = config.steps(per_epoch)
    (pair,) = pipeline.chosen(experiment.train, 1, experiment.train_transform)
    example = {name: np.broadcast_to(image, (config.images_per_step, *np.shape(image))) for name, image in pair.items()}
    shapes = parallel.abstract_state(experiment.method, example, mesh)
    description = run_folder.describe(config, experiment, steps, example, shapes)
    processes.require_same(run_folder.common(description))
    for note in dict.fromkeys(
        note for source in run_folder.splits(experiment).values() for note in getattr(source, "notes", ())
    ):
        print(f"note: {note}")
    if there is not None:
        return on_slice(config, experiment, description, example, there, mesh)
    if config.dry_run:
        return dry_run(config, experiment, description, example, mesh)

    with contextlib.ExitStack() as held:
        processes.once(lambda: held.enter_context(run_folder.locked(config)))
        processes.once(lambda: run_folder.enter(config, description, per_epoch))
        if not mirrors.apart(config):
            processes.require_shared(config.folder)
        if processes.once(lambda: _is_finished(config, experiment, steps)):
            print(f"{config.name} is finished: {steps} steps are done.")
        else:
            stopped = _train(config, experiment, steps, per_epoch, example, shapes, mesh)
            if stopped:
                print(f"stopped by {stopped}; the same command goes on where it stopped.")
                return loop.exit_code(stopped)
        _finish(config, experiment)
    return 0


def _is_finished(config: RunConfig, experiment: Experiment, steps: int) -> bool:
    done = checkpoint.latest_step(RunFolder(config.folder).checkpoints)
    return done == steps and all(path.exists() for path in export.files(config, experiment).values())


def _finish(config: RunConfig, experiment: Experiment) -> None:
    """Scores the test split with the last generator, writes the report, and says where everything is."""
    mirrors.settle()
    files = export.files(config, experiment)
    generators = {name: model.load(path) for name, path in files.items()}
    scores = experiment.evaluator.test(generators, RunFolder(config.folder).results)
    page = processes.once(lambda: report.write(config.folder))
    if scores is not None:
        print(translation.score_table(scores))
    for note in [*(scores or {}).get("notes", []), *notes.of_scores(experiment.evaluator)]:
        print(f"note: {note}")
    print(f"report: {_shown(page)}")
    for path in files.values():
        print(f"generator: {_shown(path)}")


def _shown(path: Path) -> str:
    """A path as its user knows it."""
    return buckets.address(path) or str(path)


def _train(
    config: RunConfig,
    experiment: Experiment,
    steps: int,
    per_epoch: int,
    example: Mapping[str, np.ndarray],
    shapes: State,
    mesh: Mesh,
) -> str | None:
    """Trains to the end or to a signal, which is returned."""
    print(f"training {config.name} for {steps} steps; its folder is {_shown(config.folder)}")
    for split, source in run_folder.splits(experiment).items():
        print(f"  {split}: {source if source is not None else 'no images'}")
    for note in notes.of_scores(experiment.evaluator):
        print(f"  note: {note}")

    run, keep_every = RunFolder(config.folder), config.keep_every(per_epoch)

    def write(step: int, state: State) -> None:
        """Before the checkpoint: a run whose last checkpoint is there has its generator."""
        if not processes.first():
            return
        export.write(run.path, config, experiment, state, step)
        if config.keep is not None and not (run.kept / str(step)).is_dir():
            export.keep(run.recent / str(step), config, experiment, state)
        export.thin_out(run, config.keep)

    def keep(step: int, state: State) -> None:
        # Not after the last step too.
        if keep_every is not None and step % keep_every == 0 and processes.first():
            export.keep(run.kept / str(step), config, experiment, state)

    # What was kept stays when the flag that asked for it is left out.
    newest, apart = config.keep or 2, mirrors.apart(config)
    with (
        contextlib.ExitStack() as held,
        Checkpoints(
            run.checkpoints, newest=newest, keeps=lambda step: (run.kept / str(step)).is_dir(), apart=apart
        ) as checkpoints,
    ):
        begin = loop.start(experiment.method, example, checkpoints.restore(shapes, print), seed=config.seed, mesh=mesh)
        if begin.step:
            print(f"going on after step {begin.step}")
            write(begin.step, begin.state)
        leads = processes.first()
        also = held.enter_context(loggers.opened(config.logger if leads else None, run, begin=begin.step))
        log = Log(run.log if leads else None, keep_through=begin.step, also=also)
        meter = Meter(
            log,
            start=begin.step,
            steps=steps,
            steps_per_epoch=per_epoch,
            batch_size=config.images_per_step,
            print_freq=config.print_freq,
            monitor=diagnostics.Monitor(
                steps=steps, game=experiment.game, ema_decay=experiment.ema_decay, earlier=read_log(run.log)
            ),
            on_waiting=functools.partial(notes.of_waiting, config.num_threads, experiment.train, example),
        )
        train = experiment.train
        if config.cache != "none":
            folder = run.decoded(processes.index()) if config.cache == "disk" else None
            train = held.enter_context(caching.cached(train, int(config.cache_gib * 2**30), folder=folder))
        batches = pipeline.batches(
            train,
            batch_size=config.images_per_step,
            seed=config.seed,
            transform=experiment.train_transform,
            shuffle=not config.serial_batches,
            crops=config.crops_per_image,
            start=begin.step,
            process=(processes.index(), processes.count()),
            threads=config.num_threads,
        )

        def look_at_gradients(step: int, state: State) -> None:
            if found := diagnostics.gradients(experiment.method.networks(state)):
                meter.log("gradients", step, found)

        events = [loop.Periodic(config.print_freq, look_at_gradients)]
        events += [loop.Periodic(keep_every, keep)] if keep_every is not None else []
        validation = None
        if experiment.evaluator.has_validation:
            validation = Validation(config, experiment, log, meter, begin.extra, begin=begin.step)
            events.insert(0, loop.Periodic(config.val_freq, validation))
        watching: contextlib.AbstractContextManager[loop.Meter] = contextlib.nullcontext(meter)
        if config.profile is not None:
            watching = Profiled(meter, run.profile, start=begin.step, steps=config.profile)
        with meter, watching as heard, loop.StopSignals(config.stop_signal) as stop:
            loop.train(
                experiment.method,
                batches,
                begin,
                steps=steps,
                mesh=mesh,
                how=config.parallel,
                accumulate=config.accumulate,
                every=events,
                checkpoints=checkpoints,
                save_every=config.save_every,
                keep_every=keep_every,
                before_save=write,
                extra=lambda: {} if validation is None else validation.extra,
                meter=heard,
                stopped=lambda: stop.received is not None,
            )
        return next((name for name in processes.gather(stop.received) if name), None)
