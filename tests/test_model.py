import dataclasses
import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import degrade, generator, networks
from gan_jax.model import FORMAT_VERSION, Model, ModelSpec, as_bytes, blend, find, is_foreign, load, save


def test_a_generator_survives_its_file(tmp_path, tiny_generator):
    model = tiny_generator(in_channels=1, norm="running", dropout=False)
    save(tmp_path / "g.safetensors", model)
    loaded = load(tmp_path / "g.safetensors")
    assert loaded.spec == model.spec
    assert loaded.module == model.module
    assert jax.tree.structure(loaded.variables) == jax.tree.structure(jax.device_get(model.variables))
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, model.variables)


def test_equal_generators_give_equal_bytes_and_no_other_metadata(tmp_path, tiny_generator):
    for name in ("a", "b"):
        save(tmp_path / name, tiny_generator())
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes() == as_bytes(tiny_generator())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == ["gan_jax"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def said(path):
    """What a file says of itself."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["gan_jax"])


def test_a_file_says_everything_in_one_format(tmp_path, tiny_generator):
    model = tiny_generator()
    save(tmp_path / "g", model)
    fields = said(tmp_path / "g")
    told = {"out_channels": 3, "scale": 1, "size_multiple": 8}
    nothing = {"degradation": None, "latent": None, "classes": None}
    assert fields == json.loads(json.dumps({"format": 4, **dataclasses.asdict(model.spec), **told}))
    assert nothing.items() <= fields.items()
    assert list(fields) == sorted(fields)


def test_a_degradation_is_kept(tmp_path, tiny_generator):
    plain = tiny_generator()
    degradation = degrade.describe(degrade.Degradation("blur", 3, 7, 1.6, noise=(0.0, 5.0), jpeg=90))
    model = plain._replace(spec=dataclasses.replace(plain.spec, degradation=degradation))
    save(tmp_path / "g", model)
    loaded = load(tmp_path / "g")
    assert loaded.spec == model.spec
    assert degrade.build(loaded.spec.degradation).noise == (0.0, 5.0)


@pytest.fixture
def sampler():
    """An untrained generator of images of two classes."""
    module = networks.DCGANGenerator(size=8, width=1, classes=2)
    inputs = [np.zeros(example.shape, example.dtype) for example in module.input_spec(4)]
    params, stats = networks.from_linen(module).init(jax.random.key(0), *inputs)
    spec = ModelSpec(
        networks.describe(module), 4, "dcgan", norm="running", dropout=False, latent="normal", classes=("cat", "dog")
    )
    return Model(spec, {"params": params, "stats": stats})


def test_names_of_classes_are_kept(tmp_path, sampler):
    for classes in (None, ("cat", "\udc83\u00e9")):  # a folder's name need be no text
        model = sampler._replace(spec=dataclasses.replace(sampler.spec, classes=classes))
        save(tmp_path / "g", model)
        assert load(tmp_path / "g").spec == model.spec
    with pytest.raises(ValueError, match="contradicts itself: it names 1 classes, and its network tells 2 apart"):
        load(rewritten(tmp_path / "g", model, classes=["cat"]))
    for wrong in ([1, 2], 3):
        with pytest.raises(ValueError, match="says nothing that this gan_jax understands"):
            load(rewritten(tmp_path / "g", model, classes=wrong))


def of_format(number, path, model):
    """The model's file as the programs before the first release wrote it."""
    save(path, model)
    fields = said(path)
    newest = {1: ("degradation", "latent", "classes"), 2: ("classes",), 3: ()}[number]
    assert all(fields[name] is None for name in newest)
    optional = ("degradation", "latent", "classes")
    old = {name: value for name, value in fields.items() if name not in optional or value is not None}
    text = json.dumps({**old, "format": number}, sort_keys=True)
    path.write_bytes(safetensors.numpy.save(safetensors.numpy.load_file(path), {"gan_jax": text}))
    return path


def test_files_of_the_formats_before_the_first_release_are_read(tmp_path, tiny_generator, sampler):
    plain = tiny_generator()
    degraded = plain._replace(spec=dataclasses.replace(plain.spec, degradation={"name": "bicubic", "scale": 4}))
    nameless = sampler._replace(spec=dataclasses.replace(sampler.spec, classes=None))
    for number, model in ((1, plain), (2, degraded), (2, nameless), (3, sampler)):
        path = of_format(number, tmp_path / "g", model)
        assert said(path)["format"] == number
        loaded = load(path)
        assert loaded.spec == model.spec
        jax.tree.map(np.testing.assert_array_equal, loaded.variables, jax.device_get(model.variables))
        save(tmp_path / "anew", loaded)
        assert said(tmp_path / "anew")["format"] == FORMAT_VERSION


def test_a_runs_folder_means_its_last_generator(tmp_path, tiny_generator):
    model = tiny_generator()
    save(tmp_path / "run_best.safetensors", model)
    with pytest.raises(FileNotFoundError, match="holds no generator"):
        load(tmp_path)
    last = model._replace(spec=dataclasses.replace(model.spec, step=7))
    save(tmp_path / "run.safetensors", last)
    assert load(tmp_path).spec.step == 7
    assert find(tmp_path) == find(tmp_path / "run.safetensors") == tmp_path / "run.safetensors"
    save(tmp_path / "other.safetensors", last)
    with pytest.raises(ValueError, match=r"several generators \(other.safetensors, run.safetensors\)"):
        load(tmp_path)


def test_one_of_several_is_found_by_its_direction_and_its_step(tmp_path, tiny_generator):
    model = tiny_generator()
    for folder, step in ((tmp_path, 9), (tmp_path / "kept" / "4", 4)):
        folder.mkdir(parents=True, exist_ok=True)
        for direction in ("AtoB", "BtoA"):
            kept = model._replace(spec=dataclasses.replace(model.spec, step=step))
            save(folder / f"run_{direction}.safetensors", kept)
    assert find(tmp_path, direction="BtoA") == tmp_path / "run_BtoA.safetensors"
    assert load(tmp_path, direction="AtoB", step=4).spec.step == 4
    for step in (None, 4):
        with pytest.raises(ValueError, match="give --direction AtoB or BtoA, or name one of the files"):
            find(tmp_path, step=step)
    with pytest.raises(FileNotFoundError, match="keeps no generator of step 5; it keeps those of step 4"):
        find(tmp_path, step=5)
    file = tmp_path / "run_AtoB.safetensors"
    for options in ({"step": 4}, {"direction": "AtoB"}):
        with pytest.raises(ValueError, match="is the file of one generator; leave out --step and --direction"):
            find(file, **options)
    (tmp_path / "one").mkdir()
    save(tmp_path / "one" / "run.safetensors", model)
    with pytest.raises(ValueError, match=r"holds no generator AtoB \(run.safetensors\); leave out --direction"):
        find(tmp_path / "one", direction="AtoB")


def test_a_folder_of_runs_means_the_last_generator_of_the_last(tmp_path, tiny_generator):
    model = tiny_generator()
    for name, step, start in (("first", 3, None), ("second", 8, str(tmp_path / "first"))):
        (tmp_path / name).mkdir()
        recipe = {"checkpoints_dir": str(tmp_path), "init_generator": start}
        (tmp_path / name / "config.json").write_text(json.dumps({"recipe": recipe, "steps": step}))
        if name == "second":
            with pytest.raises(FileNotFoundError, match=r"second holds no generator .*; a run writes one"):
                load(tmp_path)
        spec = dataclasses.replace(model.spec, step=step)
        save(tmp_path / name / f"{name}.safetensors", model._replace(spec=spec))
    assert find(tmp_path) == tmp_path / "second" / "second.safetensors"
    assert load(tmp_path).spec.step == 8


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; name a"):
        load(tmp_path / "nowhere")


def test_critics_have_files_too_and_are_not_a_runs_generator(tmp_path, tiny_generator):
    model = tiny_generator()
    module = networks.PatchGAN(layers=1, width=2)
    params, stats = networks.from_linen(module).init(jax.random.key(0), np.zeros((1, 8, 8, 6), np.float32))
    architecture = networks.describe(module)
    spec = dataclasses.replace(model.spec, kind="critic", architecture=architecture, in_channels=6)
    save(tmp_path / "run_critic.safetensors", Model(spec, {"params": params, "stats": stats}))
    with pytest.raises(FileNotFoundError, match="holds no generator"):
        load(tmp_path)
    save(tmp_path / "run.safetensors", model)
    assert find(tmp_path) == tmp_path / "run.safetensors"
    critic = load(tmp_path / "run_critic.safetensors")
    assert critic.spec == spec
    assert critic.module == module
    jax.tree.map(np.testing.assert_array_equal, critic.variables, {"params": params, "stats": stats})


def test_a_file_does_not_bind_the_size_of_a_batch(tmp_path, tiny_generator):
    save(tmp_path / "g", tiny_generator(statistics_batch=2))
    assert tiny_generator(statistics_batch=2).module == tiny_generator().module
    assert load(tmp_path / "g").spec == tiny_generator().spec


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, tiny_generator, length):
    save(tmp_path / "g", tiny_generator())
    (tmp_path / "g").write_bytes((tmp_path / "g").read_bytes()[:length])
    with pytest.raises(ValueError, match="is not a whole"):
        load(tmp_path / "g")


def test_files_of_others_and_of_newer_programs_are_refused(tmp_path, tiny_generator):
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(safetensors.numpy.save({"x": np.zeros(2, np.float32)}))
    with pytest.raises(ValueError, match="was not written by gan_jax"):
        load(foreign)
    metadata = {"format": FORMAT_VERSION + 1}
    foreign.write_bytes(safetensors.numpy.save({"x": np.zeros(2, np.float32)}, {"gan_jax": json.dumps(metadata)}))
    with pytest.raises(ValueError, match="has format 5 and this gan_jax reads up to 4; install a newer"):
        load(foreign)
    odd = {"format": 2, **dataclasses.asdict(tiny_generator().spec), "degradation": {"scale": 4}}
    for text in ("not json", "{}", "3", "[]", json.dumps({"format": 1, "color": 3}), json.dumps(odd)):
        foreign.write_bytes(safetensors.numpy.save({"x": np.zeros(2, np.float32)}, {"gan_jax": text}))
        with pytest.raises(ValueError, match="says nothing that this gan_jax understands"):
            load(foreign)


def test_files_of_others_are_foreign_and_damaged_ones_are_not(tmp_path, tiny_generator):
    save(tmp_path / "ours.safetensors", tiny_generator())
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "ours.safetensors").read_bytes()[:-9])
    (tmp_path / "theirs.safetensors").write_bytes(safetensors.numpy.save({"x": np.zeros(2, np.float32)}))
    (tmp_path / "renamed.safetensors").write_bytes(b"PK a zip archive")
    (tmp_path / "theirs.pth").write_bytes(b"")
    save(tmp_path / "ours.pth", tiny_generator())  # what it is called decides nothing
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_foreign(path)] == [
        "renamed.safetensors", "theirs.pth", "theirs.safetensors",
    ]  # fmt: skip


def test_two_generators_are_blended_number_by_number(tiny_generator):
    first = tiny_generator()
    second = first._replace(
        spec=dataclasses.replace(first.spec, step=9), variables=jax.tree.map(lambda leaf: leaf + 1.0, first.variables)
    )
    got = blend(first, second, 0.25)
    assert got.spec == first.spec
    jax.tree.map(
        lambda leaf, start: np.testing.assert_allclose(leaf, start + 0.75, atol=1e-6), got.variables, first.variables
    )
    for weight, whole in ((1.0, first), (0.0, second)):
        jax.tree.map(np.testing.assert_array_equal, blend(first, second, weight).variables, whole.variables)
    narrow = {**second.spec.architecture, "dtype": "bfloat16"}  # how it computes is nothing that is blended
    blend(first, second._replace(spec=dataclasses.replace(second.spec, architecture=narrow)), 0.5)


def test_what_is_not_alike_is_not_blended(tiny_generator):
    model = tiny_generator()
    wider = {**model.spec.architecture, "width": 9}
    other = networks.describe(networks.RRDBNet())
    for changes, words in (
        ({"architecture": wider}, f"the width of one is {model.spec.architecture['width']}, and of the other 9; blend"),
        ({"architecture": other}, "the architecture of one is UNet, and of the other RRDBNet"),
        ({"input_range": (0.0, 1.0)}, r"the input_range of one is \(-1.0, 1.0\), and of the other \(0.0, 1.0\)"),
        ({"kind": "critic"}, "one is a critic; only generators are blended"),
    ):
        changed = model._replace(spec=dataclasses.replace(model.spec, **changes))
        with pytest.raises(ValueError, match=words):
            blend(model, changed, 0.5)
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"the weight is .*; wanted 0 to 1"):
            blend(model, model, weight)


def test_the_older_names_mean_the_same():
    assert (generator.Generator, generator.GeneratorSpec) == (Model, ModelSpec)
    assert (generator.load, generator.save, generator.find, generator.is_foreign) == (load, save, find, is_foreign)


def rewritten(path, model, **changes):
    """A file of the model whose metadata were changed afterwards."""
    save(path, model)
    fields = {"format": FORMAT_VERSION, **dataclasses.asdict(model.spec), **changes}
    path.write_bytes(safetensors.numpy.save(safetensors.numpy.load_file(path), {"gan_jax": json.dumps(fields)}))
    return path


def test_what_only_a_newer_program_may_know_is_told(tmp_path, tiny_generator):
    model = tiny_generator()
    described = dict(model.spec.architecture)
    for changes, reason in (
        ({"architecture": {"name": "WNet"}}, "no architecture is called 'WNet'; there are .*"),
        ({"architecture": {**described, "color": 3}}, "UNet has no field 'color'; it has depth, .*"),
        ({"architecture": {**described, "upsample": "fourier"}}, "UNet's upsample is 'fourier'; wanted one of .*"),
        ({"weather": 3}, ".*unexpected keyword argument 'weather'"),
    ):
        path = rewritten(tmp_path / "g", model, **changes)
        with pytest.raises(ValueError, match=rf"is beyond this gan_jax \({reason}\); a newer gan_jax may be needed"):
            load(path)


def test_a_file_from_before_a_field_existed_means_its_default(tmp_path, tiny_generator):
    model = tiny_generator()
    older = {name: model.spec.architecture[name] for name in ("name", "out_channels", "depth", "width", "norm")}
    assert load(rewritten(tmp_path / "g", model, architecture=older)).spec == model.spec


def test_a_file_that_contradicts_itself_is_refused(tmp_path, tiny_generator):
    model = tiny_generator()
    described = dict(model.spec.architecture)
    for changes, reason in (
        (
            {"architecture": {**described, "width": 8}},
            r"params/down1/kernel has shape \(4, 4, 3, 4\), wanted \(4, 4, 3, 8\)",
        ),
        ({"in_channels": 1}, r"params/down1/kernel has shape \(4, 4, 3, 4\), wanted \(4, 4, 1, 4\)"),
        ({"architecture": {**described, "norm": "none"}}, r"params/down1/bias has shape None, wanted \(4,\)"),
        ({"out_channels": 1}, "its out_channels is 1, and its network's 3"),
        ({"scale": 2}, "its scale is 2, and its network's 1"),
        ({"size_multiple": 4}, "its size_multiple is 4, and its network's 8"),
        ({"architecture": {**described, "depth": "deep"}}, "no network can be built as it describes"),
    ):
        with pytest.raises(ValueError, match=f"contradicts itself: {reason}.*; write it anew, or name another"):
            load(rewritten(tmp_path / "g", model, **changes))


@pytest.mark.parametrize(
    "module",
    [
        networks.AlexNet(width=2),
        networks.DCGANCritic(16, 2, classes=3),
        networks.DCGANGenerator(3, 16, 2, classes=3),
        networks.MSRResNet(2, 1, 2),
        networks.PatchGAN(5, 2, spectral_norm=True),
        networks.PixelGAN(2),
        networks.ResNet(blocks=1, width=2),
        networks.RRDBNet(scale=1, blocks=1, width=2, growth=1),
        networks.SRGANCritic(32, 2, 4, "conv"),
        networks.SRResNet(scale=2, blocks=1, width=2),
        networks.SRVGGNetCompact(2, 1, 2),
        networks.UNet(depth=7, width=1),
        networks.UNetCritic(width=1),
        networks.VGG(16, ("relu2_1",), width=2),
        networks.VGGStyleCritic(16, 2),
    ],
    ids=lambda module: type(module).__name__,
)
def test_every_architecture_has_files(tmp_path, module):
    params, stats = jax.eval_shape(networks.from_linen(module).init, jax.random.key(0), *module.input_spec(3))
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), {"params": params, "stats": stats})
    assert networks.difference((params, stats), (variables["params"], variables["stats"])) is None
    spec = ModelSpec(
        architecture=networks.describe(module),
        in_channels=3,
        method="none",
        norm="running",
        dropout=False,
    )
    save(tmp_path / "g", Model(spec, variables))
    assert load(tmp_path / "g").module == module


def test_a_file_from_before_spectral_norm_kept_both_vectors_is_read(tmp_path):
    """With the vector v that evaluation found from u then."""
    module = networks.PatchGAN(1, 2, "none", spectral_norm=True)
    shapes, _ = networks.shapes(module, 3)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    removed = variables["stats"]["spectral_norm"]["conv1"]["spectral"].pop("v")
    spec = ModelSpec(networks.describe(module), 3, "none", "running", False, kind="critic")
    save(tmp_path / "d", Model(spec, variables))
    loaded = load(tmp_path / "d").variables
    got = loaded["stats"]["spectral_norm"]["conv1"]["spectral"]
    expected = loaded["params"]["conv1"]["kernel"].reshape(-1, 4) @ got["u"]
    assert got["v"].shape == removed.shape
    np.testing.assert_allclose(got["v"], expected / np.linalg.norm(expected), rtol=1e-5)
