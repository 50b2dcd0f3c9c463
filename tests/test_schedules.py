"""Every schedule against the numbers that pytorch-CycleGAN-and-pix2pix's schedulers gave."""

import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest

from gan_jax import schedules

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schedule" / "schedule.json").read_text())
OPTIONS = GOLDEN["options"]
STEPS = 7


def rates(policy, epochs, *, n_epochs=OPTIONS["n_epochs"], n_epochs_decay=OPTIONS["n_epochs_decay"]):
    """The rate of each epoch, which its first and its last step must share."""
    schedule = schedules.learning_rate(
        policy,
        lr=OPTIONS["lr"],
        n_epochs=n_epochs,
        n_epochs_decay=n_epochs_decay,
        step_epochs=OPTIONS["lr_decay_iters"],
        steps_per_epoch=STEPS,
    )
    first, last = (np.array(jax.vmap(schedule)(STEPS * np.arange(epochs) + offset)) for offset in (0, STEPS - 1))
    np.testing.assert_array_equal(first, last)
    return first


def test_linear():
    """The rate of every epoch of 200, as the train.py of 2025 sets it."""
    expected = GOLDEN["linear_lr_by_epoch"]["end_of_epoch_2025"]
    np.testing.assert_allclose(rates("linear", 200), [expected[str(epoch + 1)] for epoch in range(200)], rtol=1e-5)


def test_step():
    np.testing.assert_allclose(rates("step", 200), GOLDEN["schedules"]["step"][:200], rtol=1e-5)


def test_cosine_falls_over_the_whole_run():
    """The reference's half period is n_epochs, so it is compared where there are no more; ours ends at zero."""
    expected = GOLDEN["schedules"]["cosine"][:101]
    np.testing.assert_allclose(rates("cosine", 101, n_epochs_decay=0), expected, rtol=1e-5, atol=1e-10)
    assert (np.diff(rates("cosine", 200)) < 0).all()


@pytest.mark.parametrize("policy", ["constant", "plateau"])
def test_constant(policy):
    np.testing.assert_array_equal(rates(policy, 300), np.full(300, OPTIONS["lr"], np.float32))


@pytest.mark.parametrize("name", ["plateau_noisy", "plateau_constant_zero"])
def test_plateau(name):
    expected = GOLDEN["schedules"][name]
    losses = GOLDEN["plateau_metrics"] if name == "plateau_noisy" else [0.0] * (len(expected) - 1)
    plateau, rate, got = schedules.Plateau(), OPTIONS["lr"], [OPTIONS["lr"]]
    for loss in losses[: len(expected) - 1]:
        plateau, falls = plateau.after(loss)
        rate *= schedules.PLATEAU_FACTOR if falls else 1.0
        got.append(rate)
    assert rate < OPTIONS["lr"]  # it fell at least once
    # torch leaves a rate that would change by less than 1e-8 as it is.
    np.testing.assert_allclose(got, expected[: len(got)], rtol=1e-6, atol=1e-8)


def test_a_plateau_survives_json():
    plateau = schedules.Plateau(0.25, 3)
    assert schedules.Plateau(*json.loads(json.dumps(plateau))) == plateau
    assert schedules.Plateau() == (math.inf, 0)


@pytest.mark.parametrize(
    ("policy", "decay", "may"),
    [("constant", 5, True), ("plateau", 5, True), ("step", 5, True), ("linear", 0, True), ("linear", 5, False)],
)
def test_runs_go_on_past_their_end_where_earlier_rates_stay(policy, decay, may):
    assert schedules.grows(policy, decay) is may
    longer, shorter = (rates(policy, 20, n_epochs=n, n_epochs_decay=decay) for n in (40, 20 - decay))
    assert np.array_equal(longer, shorter) is may


def test_multi_step_falls_at_the_milestones():
    schedule = schedules.multi_step(1e-4, (50, 100), 0.5)
    rates = [schedule(step) for step in (0, 49, 50, 100, 999)]
    np.testing.assert_allclose(rates, np.array([4, 4, 2, 1, 1]) * 2.5e-5, rtol=1e-6)  # a few float32 roundings
    assert float(schedules.multi_step(0.1, (), 0.5)(10)) == np.float32(0.1)


def test_cosine_restarts_begin_each_period_anew():
    """Against SGDR's formula, in periods of unequal length."""
    schedule = jax.vmap(schedules.cosine_restarts(2e-4, 1e-7, (4, 10)))
    phase = np.array([*np.arange(4) / 4, *np.arange(10) / 10, 1.0, 1.0])
    expected = 1e-7 + 0.5 * (2e-4 - 1e-7) * (1 + np.cos(np.pi * phase))
    np.testing.assert_allclose(schedule(np.arange(16)), expected, rtol=1e-5)
