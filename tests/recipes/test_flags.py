import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.method import NetState
from gan_jax.recipes import cyclegan, dcgan, flags, pairs, pix2pix, samplers, srgan, translators, wgan
from gan_jax.recipes.recipe import Recipe
from gan_jax.training.config import RunConfig, Settings, require_at_least


@dataclasses.dataclass(frozen=True)
class Config(flags.EpochConfig, pairs.ImageFlags, RunConfig):
    preset: flags.Preset = None
    lambda_L1: float = 100.0  # noqa: N815 - a flag of the PyTorch code


RECIPE = Recipe("description", Config, {"quick": Config(preset="quick", name="quick", n_epochs=1)}, experiment=repr)


def read(*arguments):
    return RECIPE.parse(list(arguments))


@pytest.mark.parametrize(
    "arguments", [("quick", "--seed", "3"), ("--seed", "3", "quick"), ("--seed=3", "--no_flip", "quick")]
)
def test_flags_are_laid_over_the_preset_in_any_order(arguments):
    config = read(*arguments)
    assert (config.preset, config.name, config.n_epochs, config.seed) == ("quick", "quick", 1, 3)


def test_hyphen_and_underscore_are_one():
    assert read("--batch-size", "4").batch_size == read("--batch_size", "4").batch_size == 4
    assert read("--no-flip").no_flip


def test_save_every_is_save_latest_freq():
    assert read("--save-every", "7").save_latest_freq == read("--save_latest_freq=7").save_latest_freq == 7
    assert read("--save_every=10m").save_latest_freq == "10m"
    assert read().save_latest_freq == 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lambda_l1", "3"], "give --lambda_L1 W"),
        (["--btach_size", "3"], "perhaps --batch_size is meant"),
        (["--workers", "3"], "give --num_threads N"),
    ],
)
def test_wrong_flags_are_said_with_what_is_meant(arguments, words):
    with pytest.raises(ValueError, match=words):
        read(*arguments)


def test_wrong_values_exit_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        read("--batch_size", "two")
    assert stopped.value.code == 2
    assert "invalid literal for int" in capsys.readouterr().err


def test_the_home_folder_is_meant_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = read("--dataroot=~/data", "--checkpoints_dir=~/runs")
    assert (config.dataroot, str(config.checkpoints_dir)) == ("/home/me/data", "/home/me/runs")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"batch_size": 0}, "--batch_size is 0; wanted at least 1"),
        ({"print_freq": 0}, "--print_freq is 0; wanted at least 1"),
        ({"seed": -1}, "--seed is -1; wanted at least 0"),
        ({"seed": 2**32}, "wanted less than"),
        ({"n_epochs": 0, "n_epochs_decay": 0}, "at least one epoch"),
        ({"lr": float("nan")}, "--lr is nan"),
        ({"lr": -1.0}, "--lr is -1.0; wanted a finite number above 0"),
        ({"beta1": 1.0}, "--beta1 is 1.0"),
        ({"name": "a/b"}, "--name is 'a/b'"),
        ({"name": ""}, "--name is ''"),
        ({"name": ".."}, "--name is '..'"),
        ({"name": "x_best"}, "not ending in _best or _critic"),
        ({"name": "x_critic"}, "not ending in _best or _critic"),
        ({"max_dataset_size": 0}, "--max_dataset_size is 0; wanted at least 1"),
        ({"ema_decay": 1.0}, "--ema_decay is 1.0; wanted at least 0 and less than 1"),
        ({"lr_decay_iters": 0}, "--lr_decay_iters is 0"),
        ({"statistics_batch": 3, "batch_size": 8}, "--statistics_batch is 3; wanted a divisor of --batch_size 8"),
        ({"statistics_batch": -1}, "--statistics_batch is -1; wanted at least 1"),
        ({"crop_size": 0}, "--crop_size is 0; wanted at least 1"),
        ({"load_size": (286, -5)}, "--load_size is 286x-5; wanted at least 1"),
    ],
)
def test_values_that_no_run_can_have_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(translators.Config(), **values).check()
    translators.Config().check()
    require_at_least(flags.EpochConfig(), "batch_size", 1)


@dataclasses.dataclass(frozen=True)
class Images(translators.Config):
    preset: flags.Preset = None


@pytest.mark.parametrize(
    ("typed", "size"), [("256", 256), ("256x512", (256, 512)), ("256X512", (256, 512)), ("64x64", (64, 64))]
)
def test_sizes_are_a_side_or_height_by_width(typed, size):
    config = Recipe("description", Images, {}, experiment=repr).parse(["--crop_size", typed])
    assert (config.crop_size, config.load_size) == (size, 286)


@pytest.mark.parametrize("typed", ["wide", "1x2x3", "3.5", "x"])
def test_sizes_that_are_none(typed, capsys):
    with pytest.raises(SystemExit) as stopped:
        Recipe("description", Images, {}, experiment=repr).parse(["--crop_size", typed])
    assert stopped.value.code == 2
    assert "--crop" in capsys.readouterr().err


def test_adam_follows_the_schedule_of_the_flags():
    """The first update of Adam is the rate itself: with the step policy a tenth of it in the second epoch."""
    config = flags.EpochConfig(lr=0.5, lr_policy="step", lr_decay_iters=1)
    assert [float(config.schedule(3)(step)) for step in (0, 2, 3)] == pytest.approx([0.5, 0.5, 0.05])
    tx = flags.adam(config, 3)
    updates, _ = tx.update({"w": jnp.ones(())}, tx.init({"w": jnp.zeros(())}))
    np.testing.assert_allclose(updates["w"], -0.5, rtol=1e-5)


def test_adam_copies_no_moments():
    """XLA would for the papers' beta1, a half, which it factors out: benchmarks/results has what that costs."""
    tx = flags.adam(flags.EpochConfig(beta1=0.5), 1)
    state = NetState({"w": jnp.zeros((64, 64))}, {}, tx.init({"w": jnp.zeros((64, 64))}), jnp.ones(()))
    step = jax.jit(lambda state, grads: state.apply_gradients(tx, grads, {}), donate_argnums=0)
    program = step.lower(state, state.params).compile().as_text()
    assert "f32[64,64]{1,0} fusion(" in program
    assert "f32[64,64]{1,0} copy(" not in program


def test_under_pmap_adam_is_fed_with_the_mean_of_the_replicas():
    replicated = flags.adam(flags.EpochConfig(parallel="pmap"), 1)
    alone = flags.adam(flags.EpochConfig(), 1)
    params = {"w": jnp.zeros(())}
    each = jnp.arange(8.0)

    def update(gradient):
        return replicated.update({"w": gradient}, replicated.init(params))[1]

    moments = jax.pmap(update, axis_name="replicas", out_axes=None)(each)
    expected = alone.update({"w": each.mean()}, alone.init(params))[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), moments, expected)


def iterations(**fields):
    return dataclasses.replace(flags.IterationConfig(lr=1e-4, total_iter=100), **fields)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"total_iter": 0}, "--total_iter is 0; wanted at least 1"),
        ({"milestones": (3, 2)}, "--milestones steps that grow"),
        ({"periods": (0,)}, "--periods wants steps of at least 1"),
        ({"periods": (5,), "milestones": (3,)}, "give one of them"),
        ({"gamma": 0.0}, "--gamma is 0.0"),
        ({"eta_min": 1.0}, "--eta_min 1.0"),
        ({"save_checkpoint_freq": 0}, "--save_checkpoint_freq is 0; wanted at least 1"),
        ({"statistics_batch": 2}, "--statistics_batch is 2; wanted a divisor of --batch_size 1"),
    ],
)
def test_iterations_that_no_run_can_have_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        iterations(**values).check()


def test_iterations_are_the_steps_and_may_grow():
    config = iterations(milestones=(2,))
    config.check()
    assert config.steps(7) == 100
    assert [float(config.schedule(7)(step)) for step in (1, 2)] == pytest.approx([1e-4, 5e-5])
    assert float(iterations(periods=(10,)).schedule(7)(10)) == pytest.approx(1e-7)
    assert "total_iter" in config.free_to_change({"total_iter": 50})
    assert "total_iter" not in config.free_to_change({"total_iter": 200})


def test_rmsprop_is_torchs():
    """The first step is lr g / (sqrt(0.01 g^2) + 1e-8), whatever the gradient's size: 10 lr."""
    tx = flags.rmsprop(flags.EpochConfig(lr=5e-5, n_epochs=1, n_epochs_decay=0), 10)
    params = {"w": np.float32([1.0, -1.0])}
    updates, _ = tx.update({"w": np.float32([0.5, -20.0])}, tx.init(params), params)
    np.testing.assert_allclose(updates["w"], [-5e-4, 5e-4], rtol=1e-5)


RECIPES = {"pix2pix": pix2pix, "cyclegan": cyclegan, "srgan": srgan, "dcgan": dcgan, "wgan": wgan}


def own_fields(kind):
    """The fields that a class declares itself."""
    names = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    return names & vars(kind).get("__annotations__", {}).keys()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_groups_of_flags_side_by_side(recipe):
    """A group derives from the field-less Settings alone, what joins groups adds no flag, no group has another's."""
    config = RECIPES[recipe].Config
    groups = [kind for kind in config.__mro__ if kind.__bases__ == (Settings,)]
    names = [name for group in groups for name in own_fields(group)]
    assert RunConfig in groups
    assert len(groups) > 3
    assert len(names) == len(set(names))
    joins = set(config.__mro__) - {config, Settings, object, *groups}
    assert all(own_fields(join) <= set(names) for join in joins)


def depth(kind):
    """Steps from a configuration down to the deepest group of flags."""
    return 0 if kind.__bases__ == (Settings,) else 1 + max(map(depth, kind.__bases__))


def test_a_recipe_is_three_steps_from_its_groups():
    assert {name: depth(recipe.Config) for name, recipe in RECIPES.items()} == dict.fromkeys(RECIPES, 3)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_group_says_itself_which_of_its_flags_may_change(recipe):
    config = RECIPES[recipe].Config()
    names = {field.name for field in dataclasses.fields(config)}
    free = config.free_to_change(vars(config))
    assert {"dataroot", "max_dataset_size", "preset", "from_step"} <= free <= names - {"lr"}


def test_defaults_of_samplers_are_those_of_dcgans_program():
    own = samplers.Config()
    assert (own.batch_size, own.n_epochs, own.n_epochs_decay, own.lr_policy) == (64, 25, 0, "constant")
