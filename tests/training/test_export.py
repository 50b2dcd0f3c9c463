"""What a run leaves of a state, and what it would show of one."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import model as models
from gan_jax import networks
from gan_jax.model import ModelSpec
from gan_jax.training import export, parallel
from gan_jax.training.dry_run import dry_run


@pytest.fixture
def begun(tmp_path, tiny_method, tiny_batch):
    """Configuration, experiment and state of a run called tiny."""
    method = tiny_method()
    fields = {"method": "pix2pix", "norm": "image", "dropout": False}
    unet, critic = networks.UNet(depth=2, width=2, dropout=0.0), networks.PatchGAN(layers=1, width=2)
    specs = {
        "generator": ModelSpec(networks.describe(unet), 3, **fields),
        "critic": ModelSpec(networks.describe(critic), 6, **fields, kind="critic"),
    }
    config = SimpleNamespace(folder=tmp_path / "tiny", seed=0, parallel="jit", accumulate=1)
    return config, SimpleNamespace(method=method, specs=specs), jax.jit(method.init)(jax.random.key(0), tiny_batch())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_generators_and_critics_are_written_under_the_name_of_the_run(begun, tmp_path):
    config, experiment, state = begun
    export.write(str(tmp_path / "elsewhere"), config, experiment, state, 3)
    assert names(tmp_path / "elsewhere") == ["tiny.safetensors", "tiny_critic.safetensors"]
    written = [models.load(tmp_path / "elsewhere" / name) for name in names(tmp_path / "elsewhere")]
    assert [(model.spec.kind, model.spec.step) for model in written] == [("generator", 3), ("critic", 3)]
    (result,) = export.generators(experiment, state, 3).values()
    jax.tree.map(np.testing.assert_array_equal, result.variables, written[0].variables)
    two = SimpleNamespace(specs={"AtoB": experiment.specs["generator"], "BtoA": experiment.specs["generator"]})
    assert {name: path.name for name, path in export.files(config, two, best=True).items()} == {
        "AtoB": "tiny_AtoB_best.safetensors", "BtoA": "tiny_BtoA_best.safetensors",
    }  # fmt: skip


def test_what_is_kept_has_the_best_of_then(begun):
    config, experiment, state = begun
    (best,) = export.files(config, experiment, best=True).values()
    models.save(best, export.generators(experiment, state, 3)["generator"])
    for step, files in ((2, 2), (4, 3)):  # the best of step 3 is none of step 2, where a kill left it behind
        folder = config.folder / "kept" / str(step)
        export.keep(folder, config, experiment, state.replace(step=jnp.int32(step)))
        assert len(names(folder)) == files
        assert models.load(folder).spec.step == step
    assert names(config.folder / "kept") == ["2", "4"]


def test_a_dry_run_shows_one_step_and_writes_nothing(begun, tiny_batch, tmp_path, capsys):
    config, experiment, _ = begun
    mesh = parallel.data_mesh(jax.devices()[:1])
    assert dry_run(config, experiment, {"name": "tiny", "steps": 3}, tiny_batch(), mesh) == 0
    said = capsys.readouterr().out
    for words in (
        '"name": "tiny"',
        "one step: loss/critic ",
        "MiB; compiled in ",
        " s here: 3 take 0:00:",
        "dry run: nothing was written.",
    ):
        assert words in said
    assert names(tmp_path) == []
