"""The monitor on images whose state is known, and on numbers as runs log them."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.data.demo.facades import Facades
from gan_jax.method import NetState, clip_weights
from gan_jax.training import diagnostics
from gan_jax.training.diagnostics import Monitor, findings


@pytest.fixture(scope="module")
def photos():
    facades = Facades("val", 4, 32)
    return [facades[i]["target"] for i in range(4)]


def numbers(outputs, references):
    return {name.removeprefix("health/"): value for name, value in diagnostics.measures(outputs, references).items()}


def said(outputs, references):
    row = {"step": 100, **diagnostics.measures(outputs, references)}
    return [finding.text for finding in findings("validation", [row])]


def test_the_references_themselves_are_well(photos):
    result = numbers(photos, photos)
    np.testing.assert_allclose([result["agreement"], result["variety"]], 1.0)
    assert result["contrast"] == np.mean([photo.std() for photo in photos])
    assert said(photos, photos) == []
    # Neither are darker, or paler, or larger ones.
    assert said([photo // 3 for photo in photos], photos) == []
    assert said([photo.repeat(2, axis=0) for photo in photos], photos) == []


def test_inverted_colors_are_said(photos):
    (sentence,) = said([255 - photo for photo in photos], photos)
    assert sentence.startswith("light and dark are the reverse of what they should be (correlation -")
    np.testing.assert_allclose(numbers([255 - photo for photo in photos], photos)["agreement"], -1.0, atol=0.01)


def test_one_image_for_all_inputs_is_said(photos):
    (sentence,) = said([photos[0]] * 4, photos)
    assert "different inputs give nearly the same image (0% of the variety" in sentence
    nearly = [np.clip(photos[0] + np.int16(0.05) * photo, 0, 255).astype(np.uint8) for photo in photos]
    assert numbers(nearly, photos)["variety"] < 0.1


def test_flat_images_are_said_whatever_their_color(photos):
    for value in (0, 128, 255):
        sentences = said([np.full_like(photo, value) for photo in photos], photos)
        assert any("the images are flat (standard deviation 0.0 of 255)" in sentence for sentence in sentences)


def test_what_is_not_defined_is_left_out(photos):
    assert set(numbers(photos[:1], photos[:1])) == {"contrast", "agreement"}
    assert set(numbers([np.zeros_like(photos[0])], photos[:1])) == {"contrast"}
    gray = [photo[..., :1] for photo in photos]
    assert set(numbers(gray, photos)) == {"contrast", "agreement", "variety"}


def test_variety_is_that_of_real_images_of_the_kind_where_they_are_given(photos):
    lively, dull = photos, [128 + (photo // 8) for photo in photos]
    result = diagnostics.measures(dull, lively, dull)
    np.testing.assert_allclose(result["health/variety"], 1.0)
    assert result["health/agreement"] > 0.9
    assert diagnostics.measures(dull, lively)["health/variety"] < 0.2
    assert "health/variety" not in diagnostics.measures(dull[:1], lively[:1], lively)
    assert "health/variety" not in diagnostics.measures(dull, lively, lively[:1])
    # Samples have no counterparts.
    samples = diagnostics.measures(dull, real_u8=lively)
    assert set(samples) == {"health/contrast", "health/variety"}
    assert samples["health/variety"] < 0.2


# docs/cyclegan.md: variety after 100, 200, ... steps, and the steps after which it is said.
MEASURED = {
    "facades": ([0.196, 0.448, 0.668, 0.684, 0.758, 0.821, 0.819, 0.808, 0.803], []),
    "facades at 250 times the rate": ([0.696, 0.590, 0.583, 0.585, 1.029, 0.642], []),
    "from gray": ([0.422, 0.661], []),
    "day to night": ([0.156, 0.181, 0.207, 0.305, 0.415, 0.541], []),
    "night to day": ([0.075, 0.160, 0.226, 0.379, 0.320, 0.455], []),
    "from edges": ([0.065, 0.154, 0.233, 0.361], []),
    "from edges, too short": ([0.06, 0.133, 0.188, 0.286], [400]),
    "from edges without skips": ([0.016, 0.021, 0.030, 0.068], [400]),
    "a GAN alone": ([0.027, 0.042, 0.025, 0.022, 0.022, 0.020, 0.029], [400, 500, 600, 700]),
    "one that collapses late": ([0.4, 0.7, 0.7, 0.1, 0.1, 0.1, 0.7], [500, 600]),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_collapsed_is_found_and_what_has_only_begun_is_not(name):
    varieties, said_at = MEASURED[name]
    rows, result = [], []
    for step, variety in zip(range(100, 1000, 100), varieties, strict=False):
        rows.append({"step": step, "AtoB/health/variety": variety})
        found = findings("validation", rows, is_over=step == 100 * len(varieties))
        result += [step for finding in found if finding.rule == "the outputs have collapsed"]
    assert result == said_at


def test_findings_name_their_generator_and_look_at_nothing_else():
    scores = {"AtoB/psnr": -1.0, "AtoB/health/agreement": -0.8, "BtoA/health/agreement": 0.9, "agreement": -1.0}
    (finding,) = findings("validation", [{"step": 1, **scores}])
    assert (finding.rule, finding.of) == ("colors are inverted", "AtoB")
    assert finding.text.startswith("AtoB: light and dark")
    (finding,) = findings("validation", [{"step": 1, "health/agreement": -0.8}])
    assert finding.text.startswith("light and dark")
    assert findings("validation", []) == []


def lasting(rows, last=700, every=20):
    """Rows at so many steps up to the last, each as `rows(step)` says."""
    return [{"step": step, **rows(step)} for step in range(every, last + 1, every)]


def rules(kind, rows, **options):
    return [(finding.rule, finding.of) for finding in findings(kind, rows, **options)]


# What a game's losses are where the critic is sure and right, cannot tell, and takes fakes for real.
def at(game, real, fake):
    real, fake = jnp.full(4, float(real)), jnp.full(4, float(fake))
    return {"loss/critic": float(game.critic(real, fake)), "loss/gan": float(game.generator(real, fake))}


GAMES = {
    "non_saturating": ((6, -6), (0, 0), (1, 4)),
    "minimax": ((6, -6), (0, 0), (1, 4)),
    "least_squares": ((0.97, 0.03), (0.5, 0.5), (0.8, 0.98)),
    "hinge": ((1.1, -1.1), (0, 0), (0.5, 3)),
    "relativistic_average": ((6, -6), (0, 0), (-2, 2)),
    "relativistic_average_basicsr": ((6, -6), (0, 0), (-2, 2)),
}


@pytest.mark.parametrize("name", GAMES)
def test_who_has_won_is_found_in_every_game(name):
    game = getattr(losses, name)
    sure, unsure, fooled = (at(game, *logits) for logits in GAMES[name])

    def found(row):
        noisy = lasting(lambda step: {key: value * (1 + 0.01 * math.sin(step)) for key, value in row.items()})
        return rules("train", noisy, game=game)

    assert found(sure) == [("the critic has won", "critic")]
    assert found(unsure) == []
    assert found(fooled) == [("the generator has won", "critic")]


def test_who_has_won_wants_a_scale_and_time():
    sure = at(losses.non_saturating, 6, -6)

    def found(rows, game=losses.non_saturating):
        return [rule for rule, _ in rules("train", rows, game=game) if rule.endswith("won")]

    assert found(lasting(lambda step: sure)) == ["the critic has won"]
    assert found(lasting(lambda step: sure), game=losses.wasserstein) == []
    assert found(lasting(lambda step: sure), game=None) == []
    # Young runs and swings are none.
    assert found(lasting(lambda step: sure, last=580)) == []
    unsure = at(losses.non_saturating, 0, 0)
    assert found(lasting(lambda step: unsure if step == 500 else sure)) == []
    assert found(lasting(lambda step: unsure if step == 400 else sure)) == ["the critic has won"]
    # One row says as much as the steps that it is the mean of; the names of CycleGAN's and DCGAN's losses.
    assert found([{"step": 1000, **sure}]) == ["the critic has won"]
    two = {"loss/critic_A": 0.001, "loss/gan_A": 0.9, "loss/critic_B": 0.3, "loss/gan_B": 0.4, "loss/generators": 9.0}
    assert ("the critic has won", "critic_A") in rules("train", lasting(lambda step: two), game=losses.least_squares)
    assert found([{"step": 1000, "loss/critic": 0.001, "loss/generator": 9.0}]) == ["the critic has won"]


def test_losses_that_stand_still_are_found():
    still = [("the losses stand still", "")]
    assert rules("train", lasting(lambda step: {"loss/l1": 0.5, "loss/critic": 0.0, "lr": 1.0 / step})) == still
    assert rules("train", lasting(lambda step: {"loss/l1": 0.5 + 1e-4 * math.sin(step)})) == []
    assert rules("train", lasting(lambda step: {"loss/l1": 0.5, "loss/l2": 1 / step})) == []
    assert rules("train", lasting(lambda step: {"images_per_s": 1.0})) == []
    assert rules("train", lasting(lambda step: {"loss/l1": 0.5}, every=200)) == []  # of two rows nothing is known


def test_images_that_stand_still_are_found():
    def found(*rows, apart=100):
        return rules("validation", [{"step": apart * i, "psnr": psnr, "ssim": 0.5} for i, psnr in enumerate(rows, 1)])

    assert found(20.0, 20.0) == [("the images stand still", "")]
    assert found(math.inf, math.inf) == [("the images stand still", "")]
    assert found(20.0, 20.001) == found(math.inf, 20.0) == found(20.0, math.inf) == []
    assert found(20.0) == []
    assert found(20.0, 20.0, apart=10) == []
    assert found(20.0, 20.0, 21.0) == []


def test_gradients_that_vanish_or_explode_are_found():
    def found(*values):
        return rules("gradients", [{"step": 100 * i, "critic": 0.1, "generator": v} for i, v in enumerate(values, 1)])

    usual = [1e-3, 3e-3, 1e-3, 2e-4, 1e-3]
    assert found(*usual, 1e-9, 1e-12) == [("gradients vanish", "generator")]
    assert found(1e-12, 1e-12) == [("gradients vanish", "generator")]
    assert found(*usual, 1e-9) == found(*usual, 1e-9, 1e-3) == found(*usual, 1e-7, 1e-7) == []
    assert found(*usual, 0.2, 0.3) == [("gradients explode", "generator")]
    assert found(*usual, 0.2) == found(*usual, 0.2, 1e-3) == found(*usual, 0.05, 0.05) == []
    assert found(*usual[:4], 0.2, 0.3) == []  # too few rows to know what is usual


def test_a_young_generator_is_gray_and_that_is_not_said():
    def found(*contrasts, is_over=False):
        rows = [{"step": 100 * i, "health/contrast": value} for i, value in enumerate(contrasts, 1)]
        return rules("validation", rows, is_over=is_over)

    assert found(2.0) == found(2.0, 2.1) == found(2.0, 2.1, 2.2) == found(9.0, 9.0, 2.0, 9.0) == []
    assert found(9.0, 9.0, 2.0, 2.1) == found(2.0, is_over=True) == [("the images are flat", "")]


def test_an_average_of_weights_is_young_for_longer():
    def young(step):
        return {"psnr": step, "health/variety": 0.1}

    def judged_from(ema_decay):
        monitor = Monitor(steps=9000, ema_decay=ema_decay)
        return next(step for step in range(100, 9000, 100) if monitor.hear("validation", step, young(step)))

    assert (judged_from(None), judged_from(0.99), judged_from(0.999)) == (400, 500, 1400)


def test_the_monitor_says_once_what_has_come_true():
    monitor = Monitor(steps=9000)
    heard = [
        [finding.of for finding in monitor.hear("validation", step, {"psnr": step, "AtoB/health/agreement": value})]
        for step, value in ((100, 0.5), (200, -0.4), (300, -0.5), (400, 0.5), (500, -0.4))
    ]
    assert heard == [[], ["AtoB"], [], [], ["AtoB"]]


def test_a_run_that_goes_on_does_not_say_again_what_its_log_says():
    inverted = {"kind": "validation", "step": 100, "seconds": 1.0, "psnr": "inf", "health/agreement": -0.9}
    other = {"kind": "warning", "step": 100, "text": "colors"}
    assert Monitor(steps=900, earlier=[inverted, other]).hear("validation", 200, {**inverted, "psnr": 1.0}) == []
    assert Monitor(steps=900).hear("validation", 200, inverted)[0].rule == "colors are inverted"
    # What is judged at the end alone.
    varied = {"health/variety": 0.1, "health/contrast": 50.0}
    assert Monitor(steps=900).hear("validation", 200, varied) == []
    assert Monitor(steps=200).hear("validation", 200, varied)[0].rule == "the outputs have collapsed"


def state(tx, grads, steps):
    net = NetState.create(_Constant, tx, jax.random.key(0))
    for _ in range(steps):
        net = net.apply_gradients(tx, grads, {})
    return net


class _Constant:
    @staticmethod
    def init(key):
        return {"a": jnp.ones((3, 2)), "b": jnp.ones(2)}, {}


def test_gradients_are_what_the_optimizers_keep():
    grads = {"a": jnp.full((3, 2), 0.5), "b": jnp.zeros(2)}
    expected = math.sqrt(6 * 0.25 / 8)
    nets = {
        "adam": state(optax.adam(1e-3, b1=0.5), grads, 20),
        "rmsprop": state(clip_weights(optax.rmsprop(1e-3, decay=0.5), 0.01), grads, 20),
        "sgd": state(optax.sgd(1e-3), grads, 2),
        "never": state(optax.adam(1e-3), jax.tree.map(jnp.zeros_like, grads), 2),
    }
    found = diagnostics.gradients(nets)
    assert set(found) == {"adam", "rmsprop"}
    np.testing.assert_allclose([found["adam"], found["rmsprop"]], expected, rtol=1e-4)
    # One that has died is known by what it had.
    died = state(optax.adam(1e-3, b1=0.5), grads, 5)
    for _ in range(60):
        died = died.apply_gradients(optax.adam(1e-3, b1=0.5), jax.tree.map(jnp.zeros_like, grads), {})
    assert 0.0 < diagnostics.gradients({"died": died})["died"] < 1e-15


def test_every_rule_is_explained():
    page = (Path(__file__).parents[2] / "docs" / "my_training_fails.md").read_text()
    headings = "".join(line for line in page.splitlines() if line.startswith("## ")).lower()
    assert [rule for rule in diagnostics.RULES if rule not in headings] == []
