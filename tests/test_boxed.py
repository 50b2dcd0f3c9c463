"""The generators that are installed with the program: their files, what is said of them, and their names."""

import pytest

from gan_jax import boxed
from gan_jax import model as models

MOST_BYTES = 2_000_000


@pytest.mark.parametrize("name", boxed.NAMES)
def test_the_files_are_small_and_say_what_made_their_inputs(name):
    assert boxed.file(name).stat().st_size <= MOST_BYTES
    model = models.load(name)
    assert (model.spec.kind, model.spec.in_channels, model.spec.out_channels) == ("generator", 3, 3)
    assert model.spec.scale == boxed.facts(name)["scale"] == int(name[-1])
    assert {"soften", "jpeg", "clean"} <= set(model.spec.degradation)
    for leaf in model.variables["params"].values():
        assert {array.dtype.name for array in leaf.values()} == {"float32"}


@pytest.mark.parametrize(("name", "gain"), [("upscale_x2", 1.0), ("upscale_x4", 0.5)])
def test_the_measured_scores_are_better_than_bicubics(name, gain):
    facts = boxed.facts(name)
    assert all(stem.startswith("lomiri") for stem in facts["photographs"])
    clean, jpeg = facts["scores"]["clean"], facts["scores"]["jpeg"]
    assert clean["psnr"]["model"] >= clean["psnr"]["bicubic"] + gain
    assert jpeg["psnr"]["model"] >= jpeg["psnr"]["bicubic"]
    assert clean["lpips"]["model"] <= 0.8 * clean["lpips"]["bicubic"]


def test_a_name_is_a_model_and_never_what_is_called_so_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("upscale_x2", "builtin:upscale_x2"):
        assert models.find(word) == boxed.resolved(word) == boxed.file("upscale_x2")
    (tmp_path / "upscale_x2").mkdir()
    with pytest.raises(ValueError, match=r"the model that .* give \./upscale_x2 or builtin:upscale_x2\."):
        models.find("upscale_x2")
    with pytest.raises(FileNotFoundError, match="upscale_x2 holds no generator"):
        models.find("./upscale_x2")
    assert models.find("builtin:upscale_x2") == boxed.file("upscale_x2")
    with pytest.raises(ValueError, match="there is builtin:upscale_x2 and builtin:upscale_x4"):
        models.find("builtin:upscale_x3")
    assert boxed.resolved(tmp_path / "upscale_x4") == tmp_path / "upscale_x4"
