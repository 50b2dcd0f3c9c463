"""The loop: what it calls and when, stopping, and that a resumed run equals the unbroken one bit for bit."""

import datetime
import itertools
import os
import signal
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import networks
from gan_jax.method import scale_rates
from gan_jax.methods.srgan import srgan
from gan_jax.training import checkpoint, loop, parallel
from gan_jax.training.checkpoint import Checkpoints
from tests import toy


@pytest.fixture
def tiny_method():
    """The toy: (options) -> method, of which the generator's optimizer counts."""
    return lambda generator_tx=None, **options: toy.method(generator_tx or optax.sgd(1e-2))


def batches(tiny_batch, start=0):
    return (tiny_batch(seed=step) for step in itertools.count(start))


@pytest.fixture
def go(tmp_path, tiny_method, tiny_batch):
    """(steps, folder=..., options) -> (state, signal): trains in a folder, going on if it has checkpoints."""

    def run(steps, folder="run", method=None, log=lambda *row: None, pause=lambda seconds: None, also=None, **options):
        method = method or tiny_method(generator_tx=optax.adam(1e-2), critic_tx=optax.adam(1e-2), ema_decay=0.9)
        mesh = parallel.data_mesh(jax.devices()[:1])
        with Checkpoints(tmp_path / folder) as checkpoints, loop.StopSignals(also) as stop:
            restored = checkpoints.restore(parallel.abstract_state(method, tiny_batch(), mesh), print)
            begin = loop.start(method, tiny_batch(), restored, seed=0, mesh=mesh)
            state = loop.train(
                method,
                options.pop("batches", batches(tiny_batch, begin.step)),
                begin,
                steps=steps,
                mesh=mesh,
                checkpoints=checkpoints,
                save_every=options.pop("save_every", 100),
                meter=SimpleNamespace(step=log, pause=pause),
                stopped=lambda: stop.received is not None,
                **options,
            )
        return state, stop.received

    return run


def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(go):
    whole, _ = go(5, "whole")
    go(2, "broken")
    resumed, _ = go(5, "broken")
    states = [jax.device_get(s.replace(key=jax.random.key_data(s.key))) for s in (whole, resumed)]
    jax.tree.map(np.testing.assert_array_equal, *states)


def test_fit_is_the_whole_training_and_goes_on_past_the_batches_that_it_had(tmp_path, tiny_method, tiny_batch):
    method = tiny_method(generator_tx=optax.adam(1e-2), critic_tx=optax.adam(1e-2))
    steps, calls = [], []
    every = (loop.Periodic(2, lambda step, state: calls.append((step, int(state.step)))),)
    whole = loop.fit(
        method, batches(tiny_batch), steps=5, every=every, log=lambda step, row: steps.append((step, *row))
    )
    assert calls == [(2, 2), (4, 4), (5, 5)]
    assert [step for step, *_ in steps] == [1, 2, 3, 4, 5]
    assert steps[0][1:] == ("loss/l2",)
    saving = {"checkpoints": str(tmp_path / "saved"), "save_every": 2}
    loop.fit(method, batches(tiny_batch), steps=3, **saving)
    assert sorted(path.name for path in (tmp_path / "saved").iterdir() if path.is_dir()) == ["2", "3"]
    resumed = loop.fit(method, batches(tiny_batch), steps=5, **saving)
    states = [jax.device_get(s.replace(key=jax.random.key_data(s.key))) for s in (whole, resumed)]
    jax.tree.map(np.testing.assert_array_equal, *states)
    done = loop.fit(method, batches(tiny_batch), steps=5, **saving)  # nothing is left to do
    assert int(done.step) == 5


def test_fit_says_what_is_wrong_with_its_batches(tiny_method, tiny_batch):
    with pytest.raises(ValueError, match="the batches end before step 3 of 4; give an iterator without an end"):
        loop.fit(tiny_method(), [tiny_batch(), tiny_batch()], steps=4)
    with pytest.raises(ValueError, match="batch_size 3 does not split evenly over 8 devices"):
        loop.fit(tiny_method(), [tiny_batch(3)], steps=1)


def test_fit_leaves_signals_alone(tiny_method, tiny_batch):
    before, seen = signal.getsignal(signal.SIGTERM), []
    loop.fit(tiny_method(), batches(tiny_batch), steps=2, log=lambda *_: seen.append(signal.getsignal(signal.SIGTERM)))
    assert seen == [before, before]


def test_frozen_weights_are_in_no_checkpoint_and_a_resumed_run_has_them_again(go, tmp_path):
    """SRGAN with a content network whose weights would dwarf the rest."""
    features = networks.from_linen(networks.VGG(19, ("relu1_1",), width=2048))
    params, stats = jax.jit(features.init)(jax.random.key(1), jnp.zeros((1, 8, 8, 3)))
    method = srgan(
        networks.from_linen(networks.UNet(depth=2, width=2, dropout=0.0)),  # sources are of the target's size here
        networks.from_linen(networks.PixelGAN(2)),
        generator_tx=optax.adam(1e-2),
        critic_tx=optax.adam(1e-2),
        content=networks.with_weights(features, params, stats),
    )
    whole, _ = go(3, "whole", method=method)
    go(2, "broken", method=method)
    resumed, _ = go(3, "broken", method=method)
    states = [jax.device_get(s.replace(key=jax.random.key_data(s.key))) for s in (whole, resumed)]
    jax.tree.map(np.testing.assert_array_equal, *states)
    jax.tree.map(np.testing.assert_array_equal, resumed.frozen, {"params": params, "stats": stats})
    written = [path.read_bytes() for path in (tmp_path / "broken" / "3").rglob("*") if path.is_file()]
    assert not any(b"frozen.params" in content or b"conv1_1" in content for content in written)
    assert sum(map(len, written)) < params["conv1_1"]["kernel"].nbytes


def test_every_step_is_logged_once_and_in_order(go):
    rows = []
    go(4, log=lambda step, metrics, waited: rows.append((step, set(metrics), waited >= 0)))
    assert rows == [(step, {"loss/l2"}, True) for step in (1, 2, 3, 4)]


def test_a_batch_is_asked_for_while_the_step_before_it_runs(go, tiny_batch):
    order = []

    def asked():
        for step in itertools.count(1):
            order.append(("batch", step))
            yield tiny_batch(seed=step)

    go(4, batches=asked(), log=lambda step, *_: order.append(("metrics", step)))
    # Metrics of a step are there when it is done, so batch 3 is asked for while step 2 waits for step 1, or runs.
    expected = "batch 1, batch 2, batch 3, metrics 1, batch 4, metrics 2, metrics 3, metrics 4"
    assert ", ".join(f"{kind} {step}" for kind, step in order) == expected


def test_events_fall_on_their_steps_and_on_the_last(go):
    calls = []
    every = (
        loop.Periodic(2, lambda step, state: calls.append(("two", step, int(state.step)))),
        loop.Periodic(9, lambda step, state: calls.append(("nine", step, int(state.step)))),
    )
    go(5, every=every)
    assert calls == [("two", 2, 2), ("two", 4, 4), ("two", 5, 5), ("nine", 5, 5)]


def test_checkpoints_fall_on_their_steps_and_hold_what_is_beside_the_state(go, tmp_path):
    count = itertools.count()
    go(5, save_every=2, extra=lambda: {"saves": next(count)})
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.is_dir()) == ["4", "5"]


@pytest.mark.parametrize(("minutes", "saved"), [(0, [1, 2, 3]), (60, [3])])
def test_checkpoints_come_when_so_much_time_has_passed(go, minutes, saved):
    calls = []
    go(3, save_every=datetime.timedelta(minutes=minutes), before_save=lambda step, state: calls.append(step))
    assert calls == saved


@pytest.mark.parametrize(("processes", "saved"), [(1, [6, 12, 18, 20]), (2, [9, 18, 20])])
def test_a_timed_save_is_not_repeated_right_after(go, monkeypatch, processes, saved):
    """Where there are several processes too: batches that were sent before a save still ask for it."""
    now, calls = [0.0], []

    def read(step, *_):
        now[0] = 60.0 * step  # a step a minute

    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(loop.parallel, "processes", lambda mesh: processes)
    go(20, save_every=datetime.timedelta(minutes=5), before_save=lambda step, state: calls.append(step), log=read)
    assert calls == saved


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGHUP, "SIGHUP"),
        (signal.SIGXCPU, "SIGXCPU"),
        (signal.SIGUSR1, "SIGUSR1"),
    ],
)
def test_a_signal_finishes_the_step_and_saves_it(go, tmp_path, number, name):
    before = signal.getsignal(number)

    def send(step, metrics, waited):
        if step == 2:
            os.kill(os.getpid(), number)

    state, stopped = go(50, log=send, also="USR1")
    assert stopped == name
    assert loop.exit_code(stopped) == 128 + number
    # The metrics of step 2 are read while step 3 runs.
    assert int(state.step) == checkpoint.latest_step(tmp_path / "run") == 3
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_so(go, number):
    """As nohup and a shell's & have it."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        _, stopped = go(3, log=lambda *_: os.kill(os.getpid(), number))
        assert stopped is None
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_usr1_is_heard_on_request_only(go):
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(True))
    try:
        _, stopped = go(3, log=lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
        assert (stopped, len(heard)) == (None, 3)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_second_ctrl_c_interrupts_at_once(go):
    def send(step, metrics, waited):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        go(50, log=send)


def test_the_first_loss_that_is_not_finite_is_named_and_nothing_is_saved_of_it(go, tmp_path, tiny_method):
    def explode(count):
        return jnp.where(count < 2, 1e-3, 1e30)

    method = tiny_method(generator_tx=optax.sgd(explode), critic_tx=optax.sgd(1e-3))
    with pytest.raises(FloatingPointError, match=r"loss/\w+ is (nan|inf) at step 4"):
        go(10, method=method, save_every=2)
    assert checkpoint.latest_step(tmp_path / "run") == 2


def test_nothing_is_made_of_a_state_that_is_broken(go, tmp_path, tiny_method):
    """The first step's losses are finite and its update is not: no event sees the state, no checkpoint holds it."""
    method = tiny_method(generator_tx=optax.sgd(jnp.inf), critic_tx=optax.sgd(1e-3))
    seen = []
    with pytest.raises(FloatingPointError, match="the state after step 1 holds values that are not finite"):
        go(10, method=method, save_every=1, every=(loop.Periodic(1, lambda step, state: seen.append(step)),))
    assert seen == []
    assert checkpoint.latest_step(tmp_path / "run") is None


def test_events_and_saving_are_pauses(go):
    pauses = []
    go(4, pause=pauses.append, every=(loop.Periodic(2, lambda step, state: time.sleep(0.05)),))
    assert len(pauses) == 2
    assert min(pauses) >= 0.05


@pytest.mark.parametrize("good", [2, 3])
def test_an_image_that_fails_leaves_the_checkpoints_before_it(go, tmp_path, tiny_batch, good):
    def failing():
        yield from (tiny_batch(seed=step) for step in range(good))
        raise ValueError("b.png is damaged")

    with pytest.raises(ValueError, match="is damaged"):
        go(10, batches=failing(), save_every=2)
    assert checkpoint.latest_step(tmp_path / "run") == 2


def test_an_event_may_replace_the_state(go):
    """What a plateau does: the loop goes on with the state that the event returns, and saves it."""
    state, _ = go(3, every=(loop.Periodic(2, lambda step, state: scale_rates(state, 0.5) if step == 2 else None),))
    assert float(state.generator.lr_scale) == 0.5
    resumed, _ = go(4)
    assert float(resumed.generator.lr_scale) == 0.5


def test_devices_of_processes_that_were_not_joined_are_refused(monkeypatch, tiny_method, tiny_batch):
    monkeypatch.setattr(loop.parallel, "processes", lambda mesh: 2)
    with pytest.raises(ValueError, match=r"join them by training\.joining\.joined"):
        loop.fit(tiny_method(), iter([tiny_batch()]), steps=1)
