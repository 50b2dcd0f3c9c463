import dataclasses

import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.recipes import adversarial, cyclegan, dcgan, enlargers, pix2pix, srgan
from gan_jax.training.config import Settings


def flags_of(**values):
    return adversarial.AdversarialFlags(**values)


def test_flags_say_the_game_and_what_goes_with_it():
    assert flags_of().adversarial is losses.non_saturating
    assert flags_of(gan_mode="none").adversarial is None
    assert [flags_of(gan_mode=mode, lambda_gp=7.0).penalty_weight for mode in ("wgangp", "wasserstein")] == [7.0, 0.0]
    assert flags_of(gan_mode="relativistic").needs_whole_batch == adversarial.whole_batch("relativistic") != []
    assert flags_of().needs_whole_batch == adversarial.whole_batch("vanilla") == []


@pytest.mark.parametrize(("mode", "largest"), [("wasserstein", 0.02), ("vanilla", 1.0)])
def test_critics_are_clipped_where_the_game_wants_it(mode, largest):
    params = {"w": np.float32([1.0])}
    tx = flags_of(gan_mode=mode, clip=0.02).critic_tx(optax.sgd(0.0))
    updates, _ = tx.update({"w": np.float32([0.5])}, tx.init(params), params)
    np.testing.assert_allclose(optax.apply_updates(params, updates)["w"], [largest], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clip": 0.0}, "--clip is 0.0; wanted a finite number above 0"),
        ({"lambda_gp": float("inf")}, "--lambda_gp is inf; wanted a finite number above 0"),
    ],
)
@pytest.mark.parametrize("kind", [adversarial.AdversarialFlags, pix2pix.Config, cyclegan.Config, srgan.Config])
def test_the_group_checks_itself_wherever_it_is(kind, values, words):
    with pytest.raises(ValueError, match=words):
        kind(**values).check()
    kind().check()


def test_the_penalty_wants_a_critic_without_batch_norm():
    flags_of(gan_mode="wgangp").check_critic("instance", "--norm none")
    with pytest.raises(ValueError, match="batch norm mixes images; give --norm none"):
        flags_of(gan_mode="wgangp").check_critic("batch", "--norm none")


@pytest.mark.parametrize("kind", [pix2pix.Config, cyclegan.Config, srgan.Config])
def test_groups_bring_no_fields_of_their_neighbors(kind):
    """A group with fields of a run would put its defaults over those of what stands beside it."""
    assert adversarial.AdversarialFlags.__bases__ == (Settings,)
    assert dataclasses.fields(Settings) == ()
    names = [field.name for field in dataclasses.fields(kind)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("netG", "black"), [("srresnet", -1.0), ("msrresnet", 0.0)])
def test_the_file_of_an_enlarger_says_its_ranges(netG, black):  # noqa: N803
    config = srgan.Config(netG=netG, num_block=1, num_feat=4, scale=2)
    spec = enlargers.generator_spec(config, enlargers.generator_module(config), method="srresnet")
    assert enlargers.ranges(config) == {"input_range": (0.0, 1.0), "output_range": (black, 1.0)}
    assert (spec.scale, spec.output_range, spec.method) == (2, (black, 1.0), "srresnet")
    assert type(enlargers.critic_module(config)).__name__ == "SRGANCritic"


@pytest.mark.parametrize("recipe", [pix2pix, dcgan])
def test_r1_reaches_the_method_and_wants_a_critic_without_batch_norm(recipe, monkeypatch):
    name, seen = recipe.__name__.rpartition(".")[2], {}
    factory = getattr(recipe, name)
    monkeypatch.setattr(recipe, name, lambda *nets, **options: seen.update(options) or factory(*nets, **options))
    recipe.build(["demo", "--lambda_r1", "10", "--norm", "instance"])
    assert seen["r1_weight"] == 10.0
    with pytest.raises(ValueError, match=r"--lambda_r1 penalizes .* give --norm instance or --norm none"):
        recipe.build(["demo", "--lambda_r1", "10"])
    with pytest.raises(ValueError, match=r"--lambda_r1 is -1.0; wanted a finite number of at least 0"):
        recipe.build(["demo", "--lambda_r1", "-1"])
