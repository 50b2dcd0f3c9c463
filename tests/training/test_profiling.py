"""The trace that --profile asks for."""

from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from gan_jax.training.profiling import Profiled


@pytest.fixture
def meter():
    """A meter that remembers what it is told."""
    told = SimpleNamespace(steps=[], lines=[], seconds=[])
    told.step = lambda step, metrics, waited: told.steps.append((step, metrics, waited))
    told.say, told.pause = told.lines.append, told.seconds.append
    return told


def go(meter, folder, steps):
    with Profiled(meter, folder, start=10, steps=3) as profiled:
        for step in range(11, 11 + steps):
            jnp.ones(3).sum().block_until_ready()
            profiled.step(step, {"loss": step}, 0.5)
        profiled.pause(2.0)
    assert meter.steps == [(step, {"loss": step}, 0.5) for step in range(11, 11 + steps)]


@pytest.mark.parametrize(("steps", "last"), [(9, 16), (5, 15)])
def test_the_steps_that_are_asked_for_are_traced_or_as_many_as_there_are(meter, tmp_path, steps, last):
    go(meter, tmp_path / "profile", steps)
    traces = sorted(path.name.partition(".")[2] for path in (tmp_path / "profile").rglob("*") if path.is_file())
    assert traces == ["trace.json.gz", "xplane.pb"]
    shown = "TensorBoard and ui.perfetto.dev show it"
    assert meter.lines == [f"a trace of steps 14 to {last} is in {tmp_path / 'profile'}; {shown}"]
    assert len(meter.seconds) == 2
    assert 2.0 in meter.seconds


def test_a_run_that_is_over_before_says_so(meter, tmp_path):
    go(meter, tmp_path / "profile", 1)
    assert meter.lines == ["no step was traced: the run ended before --profile begins, after step 12"]
    assert not (tmp_path / "profile").exists()


def test_a_trace_that_cannot_be_written_ends_nothing(meter, tmp_path):
    (tmp_path / "profile").write_text("")
    go(meter, tmp_path / "profile", 9)
    (line,) = meter.lines
    assert line.startswith(f"the trace cannot be written to {tmp_path / 'profile'} (")
    assert line.endswith("; training goes on without it")
