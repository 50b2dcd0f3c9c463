"""Recognition, the way back, and what is said of what a file does not show. Outputs: tests/networks/test_parity.py."""

import re
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import infer, networks
from gan_jax import model as models
from gan_jax.interop import convert, torch_file
from gan_jax.networks import (
    VGG,
    AlexNet,
    DCGANCritic,
    DCGANGenerator,
    MSRResNet,
    PatchGAN,
    PixelGAN,
    ResNet,
    RRDBNet,
    SRGANCritic,
    SRResNet,
    SRVGGNetCompact,
    UNet,
    UNetCritic,
    VGGStyleCritic,
)
from tests.interop import torch_writer as w
from tests.levels import assert_same_levels
from tests.networks import golden as golden_cases

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"
EXACT = [path.parent.name for path in sorted(GOLDEN.glob("*/weights.npz")) if "srresnet_paper" not in path.parent.name]


def golden(case):
    return dict(np.load(GOLDEN / case / "weights.npz"))


def filled(module, channels=3, seed=0):
    """Variables of a module with every number different from its neighbors; no pass through the network."""
    shape = (1, 64, 64, channels) if not hasattr(module, "size") else (1, module.size, module.size, channels)
    if isinstance(module, DCGANGenerator):
        shape = (1, channels)
    init = networks.from_linen(module).init
    params, stats = jax.eval_shape(init, jax.random.key(0), jax.ShapeDtypeStruct(shape, np.float32))
    rng = np.random.default_rng(seed)
    tree = {"params": params, "stats": stats}
    return jax.tree.map(lambda leaf: rng.uniform(0.1, 1.0, leaf.shape).astype(np.float32), tree)


def assert_equal_trees(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def assert_same_network(got, expected):
    assert got[0] == expected[0]
    assert_equal_trees(got[1], expected[1])


def error(state, architecture=None):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        convert.from_torch(state, architecture)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", EXACT)
def test_there_and_back_is_bit_equal(case):
    """The PyTorch references' state_dicts."""
    state = golden(case)
    back = convert.to_torch(*convert.from_torch(state))
    assert back.keys() == state.keys()
    for key, array in state.items():
        assert back[key].dtype == array.dtype
        np.testing.assert_array_equal(back[key], array, err_msg=key)


def test_biases_in_front_of_batch_norm_go_into_its_mean_and_come_back_as_zeros():
    state = golden("srresnet_paper")
    back = convert.to_torch(*convert.from_torch(state))
    assert back.keys() == state.keys()
    moved = {"body.0.0.bias", "body.0.1.running_mean"}
    np.testing.assert_array_equal(back["body.0.0.bias"], 0)
    expected = state["body.0.1.running_mean"] - state["body.0.0.bias"]
    np.testing.assert_array_equal(back["body.0.1.running_mean"], expected)
    changed = {key for key in state if not np.array_equal(back[key], state[key])}
    assert moved <= changed
    assert all(key.endswith((".bias", ".running_mean")) for key in changed)
    module, variables = convert.from_torch(state)
    assert convert.from_torch(back)[0] == module
    assert_equal_trees(convert.from_torch(back)[1], variables)


# Each architecture in other fields than the references': (module, channels, project or the first).
MODULES = [
    (UNet(2, 5, 3, "batch", skips=False, dropout_layers="port"), 4, None),
    (UNet(3, 2, 3, "instance", dropout_layers="port"), 3, None),
    (ResNet(1, 3, 2), 3, None),
    (ResNet(3, 2, 2, "batch", 0.5, padding="zero"), 3, None),
    (MSRResNet(4, 2, 3), 3, "BasicSR of 2019"),
    (RRDBNet(1, 4, 2, 3, 2), 1, None),
    (RRDBNet(3, 2, 1, 3, 2), 3, None),
    (RRDBNet(3, 1, 1, 3, 2, 0), 3, None),
    (RRDBNet(3, 8, 1, 3, 2, 3), 3, None),
    (RRDBNet(3, 2, 1, 3, 2, 1), 3, "ESRGAN and BSRGAN"),
    (RRDBNet(3, 2, 1, 3, 2), 3, "ESRGAN of 2018"),
    (SRVGGNetCompact(3, 0, 4), 1, None),
    (SRVGGNetCompact(1, 2, 4, "relu"), 3, None),
    (UNetCritic(2), 6, None),
    (PatchGAN(2, 3, "instance", spectral_norm=True), 6, None),
    (VGGStyleCritic(32, 2, spectral_norm=True), 3, None),
    (SRGANCritic(96, 2, 5, spectral_norm=True), 3, "Lornatang/SRGAN-PyTorch"),
    (PatchGAN(2, 3, "instance"), 6, None),
    (PixelGAN(3, "instance"), 6, None),
    (SRResNet(1, 3, 1, 4, "channel"), 3, "Lornatang/SRGAN-PyTorch"),
    (SRResNet(3, 8, 3, 4), 3, "Lornatang/SRGAN-PyTorch of 2022"),
    (SRResNet(3, 2, 2, 4), 3, "the paper's figure"),
    (MSRResNet(8, 1, 4), 3, None),
    (MSRResNet(3, 2, 4), 3, "mmagic"),
    (SRGANCritic(96, 2, 5), 3, "Lornatang/SRGAN-PyTorch"),
    (SRGANCritic(96, 2, 5, "pool"), 3, "leftthomas/SRGAN"),
    (SRResNet(3, 8, 5, 2, output="unit_tanh"), 3, "leftthomas/SRGAN"),
    (SRGANCritic(width=2, head="conv"), 3, "PyTorch-GAN"),
    (ResNet(3, 2, 2, upsample="nearest"), 3, "PyTorch-GAN"),
    (VGGStyleCritic(64, 2), 3, None),
    (DCGANGenerator(1, 32, 2), 7, None),
    (DCGANCritic(32, 2), 3, None),
    (VGG(16, ("relu5_3",), width=2), 3, None),
    (VGG(16, ("relu2_2",), width=2), 3, None),
    (AlexNet(("relu5",), width=2), 3, None),
]


@pytest.mark.parametrize(("module", "channels", "project"), MODULES, ids=lambda value: type(value).__name__)
def test_ours_is_written_and_recognized(module, channels, project):
    variables = filled(module, channels)
    read, got = convert.from_torch(convert.to_torch(module, variables, project))
    shown = {name: value for name, value in networks.describe(module).items() if name not in ("dropout", "layers")}
    assert networks.describe(read).items() >= shown.items()
    assert_equal_trees(got, variables)


def test_what_no_project_has_is_not_written():
    for module in (DCGANGenerator(3, 32, 2), PatchGAN(3, 2, "instance")):
        other = module.clone(**({"classes": 10} if isinstance(module, DCGANGenerator) else {"norm": "none"}))
        with pytest.raises(ValueError, match="no PyTorch network"):
            convert.to_torch(other, filled(module))
    with pytest.raises(ValueError, match="of BasicSR is this UNet"):
        convert.to_torch(UNet(3, 5, 2), filled(UNet(3, 5, 2)), "BasicSR")


def test_wrappers_and_nesting_do_not_matter():
    state = golden("pixel_batch")
    expected = convert.from_torch(state)
    for wrapped in (
        {f"module.{key}": array for key, array in state.items()},
        {"state_dict": state, "epoch": 3},
        {"params": {f"module._orig_mod.{key}": array for key, array in state.items()}},
        {"net": {"weights": state}, "optimizer": {"state": {0: {"exp_avg": np.zeros(3)}}}},
    ):
        module, variables = convert.from_torch(wrapped)
        assert module == expected[0]
        assert_equal_trees(variables, expected[1])


def test_the_moving_average_is_preferred_and_said(tmp_path):
    state = golden("msrresnet_x2")
    averaged = {key: 2 * array for key, array in state.items()}
    path = tmp_path / "msrresnet.pth"
    converted = convert.read(save(path, {f"params.{k}": a for k, a in state.items()}, split="params", ema=averaged))
    kernel = converted.generator.variables["params"]["head"]["kernel"]
    np.testing.assert_array_equal(kernel, 2 * state["conv_first.weight"].transpose(2, 3, 1, 0))
    assert any("params_ema, the moving average" in note for note in converted.notes)
    first = convert.generator(path, entry="params").variables["params"]["head"]["kernel"]
    np.testing.assert_array_equal(first, kernel / 2)


def save(path, state, split=None, ema=None):
    """A .pth file: a state_dict, or {split: state_dict, split_ema: ...}."""
    if split is None:
        path.write_bytes(w.state_dict(state))
        return path
    groups = {split: {key.removeprefix(f"{split}."): array for key, array in state.items()}, f"{split}_ema": ema}
    storages, items = {}, {}
    for group, arrays in groups.items():
        inside = {}
        for key, array in arrays.items():
            storages[str(len(storages))] = array
            inside[key] = w.whole(array, str(len(storages) - 1))
        items[group] = w.dict_of(inside)
    path.write_bytes(w.zip_file(w.dict_of(items), storages))
    return path


def flat(**networks):
    """Several state_dicts as one, as torch saves a module of modules."""
    return {f"{part}.{key}": array for part, state in networks.items() for key, array in state.items()}


# Of the case's layers: what compilers and wrappers make of their names.
PREFIXES = [
    "_orig_mod.module.",
    "module.module.",
    "module._orig_mod.module.",
    "_fsdp_wrapped_module.",
    "_forward_module.module.",
    "net.",
    "generator.",
    "model.netG.",
    "ema_model.module.",
    "trainer.model.net.module.net.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("case", ["pixel_batch", "msrresnet_x2", "patchgan_n1_batch"])
def test_what_all_names_begin_with_does_not_matter(case, prefix):
    """PixelGAN's own names begin with net, and PatchGAN's with model."""
    state = golden(case)
    module, variables = convert.from_torch({f"{prefix}{name}": array for name, array in state.items()})
    expected = convert.from_torch(state)
    assert module == expected[0]
    assert_equal_trees(variables, expected[1])


@pytest.mark.parametrize("wrapper", ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_names_do_not_matter(wrapper):
    """A part of a network that was compiled or wrapped alone."""
    state = golden("resnet_2blocks_batch_dropout")
    wrapped = {
        name.replace(".conv_block.", f".{wrapper}.conv_block.").replace("model.19.", f"model.19.{wrapper}."): array
        for name, array in state.items()
    }
    assert len(wrapped.keys() - state.keys()) == len([name for name in state if "conv_block" in name]) + 2
    module, variables = convert.from_torch(wrapped)
    assert_same_network((module, variables), convert.from_torch(state))


def test_several_networks_are_listed_with_the_flag_that_chooses(tmp_path):
    both = {"netG_A": golden("unet_64_instance"), "netG_B": golden("resnet_6blocks")}
    assert error(both) == "it holds several state_dicts (netG_A, netG_B); choose one with gan-jax convert --entry NAME."
    assert error(flat(**both)) == error(both)
    critics = {"netD_A": golden("patchgan_n1_batch"), "netD_B": golden("patchgan_n1_batch")}
    assert "(netD_A, netD_B)" in error(critics)
    assert "(netD_A, netD_B)" in error(flat(**critics))
    path = save(tmp_path / "both.pth", flat(**both, **critics, criterion={"weight": np.ones(3, np.float32)}))
    with pytest.raises(
        ValueError, match=r"\(criterion, netD_A, netD_B, netG_A, netG_B\); choose one with gan-jax convert --entry"
    ):
        convert.read(path)
    assert convert.generator(path, entry="netG_B").module == convert.from_torch(both["netG_B"])[0]
    described = convert.describe(path)
    assert described.count("--entry netG_A") == described.count("--entry netD_B") == 1


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_the_one_generator_among_networks_needs_no_flag(tmp_path, nested):
    parts = {
        "student": golden("msrresnet_x2"),
        "discriminator": golden("patchgan_n1_batch"),
        "vgg": golden("vgg19_features"),
        "criterion": {"a.weight": np.ones(3, np.float32)},
    }
    content = {"state_dict": parts if nested else flat(**parts)}
    module, variables = convert.from_torch(content)
    assert_same_network((module, variables), convert.from_torch(parts["student"]))
    assert convert.from_torch(content, "PatchGAN")[0] == convert.from_torch(parts["discriminator"])[0]
    converted = convert.read(save(tmp_path / "all.pth", flat(**parts)))
    assert any("student, the only generator there; not criterion, discriminator, vgg" in n for n in converted.notes)


def test_networks_inside_of_one_module_beside_others():
    """A Lightning module whose `model` holds two networks, compiled, beside a loss with its own."""
    state = flat(
        model=flat(netG=golden("msrresnet_x2"), netD=golden("pixel_batch")), loss=flat(vgg=golden("vgg19_features"))
    )
    state = {name.replace("netG.", "netG._orig_mod."): array for name, array in state.items()}
    assert_same_network(convert.from_torch(state), convert.from_torch(golden("msrresnet_x2")))


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [("params", "params_ema"), ("generator", "generator_ema"), ("online_model", "ema_model"), ("model", "ema")],
)
def test_the_average_of_two_generators_is_taken_by_any_of_its_names(plain, averaged):
    state = golden("msrresnet_x2")
    doubled = {key: 2 * array for key, array in state.items()}
    others = {"discriminator": golden("pixel_batch")}
    for content in (
        {plain: state, averaged: doubled},
        {averaged: doubled, plain: state, **others},
        flat(**{plain: state, averaged: doubled}, **others),
    ):
        _, variables = convert.from_torch(content)
        np.testing.assert_array_equal(variables["params"]["head"]["bias"], doubled["conv_first.bias"])
    assert "(netG_A_ema, netG_B)" in error({"netG_A_ema": state, "netG_B": doubled})


def test_unknown_networks_are_not_taken_apart():
    """Nor damaged ones: what is said of them is said of the whole."""
    unknown = {f"{place}.weight": np.zeros((3, 3, 3, 3)) for place in ("body.0", "body.1", "conv_first", "up.conv")}
    assert "its names (body.0.weight, body.1.weight, conv_first.weight, up.conv.weight) are no known" in error(unknown)
    state = golden("unet_64_instance")
    del state["model.model.3.bias"]
    assert "it looks like pytorch-CycleGAN-and-pix2pix's UNet" in error(state)
    wrapped = {f"module.net.{name}": array for name, array in state.items()}
    assert "UNet" in error(wrapped)
    assert "model.model.3.bias is missing" in error(wrapped)


# What stands beside weights and is nobody's: of averages, profilers, counters, caches.
NOBODYS = {
    "n_averaged": np.array(7),
    "num_updates": np.array([12.0], np.float32),
    "step": np.array(100),
    "initted": np.array(True),
    "decay": np.array(0.999, np.float32),
    "model.0.total_ops": np.zeros(1),
    "model.0.total_params": np.zeros(1),
    "total_ops": np.zeros(1),
    "position_ids": np.arange(5)[None],
    "model.2.relative_position_index": np.zeros((4, 4), np.int64),
    "model.2.mask": np.zeros((2, 2), bool),
}


@pytest.mark.parametrize("prefix", ["", "module.", "net."])
@pytest.mark.parametrize(
    "case", ["patchgan_n3_batch", "resnet_2blocks_batch_dropout", "dcgan_generator", "msrresnet_x2"]
)
def test_arrays_that_are_nobodys_weights_are_left_out_and_said(case, prefix):
    state = golden(case)
    named = {f"{prefix}{name}": array for name, array in state.items()}
    for others in (NOBODYS, *({name: array} for name, array in NOBODYS.items())):
        others = {f"{prefix}{name}" if "." in name else name: array for name, array in others.items()}
        with pytest.warns(UserWarning, match="no weights of a layer and left out") as warned:
            got = convert.from_torch({**others, **named})
        assert len(warned) == 1
        assert min(others) in str(warned[0].message)
        assert_same_network(got, convert.from_torch(state))


def test_they_hide_nothing_that_is_missing_or_left_over():
    state = {**golden("patchgan_n3_batch"), **NOBODYS}
    assert "model.12.weight has no place" in error({**state, "model.12.weight": np.zeros(3)})
    assert "model.12.weight has no place" in error({**state, "model.12.weight": np.zeros((), int)})
    # A slope or a gain of a network that somebody changed.
    assert "model.3.gamma has no place" in error({**state, "model.3.gamma": np.ones(1, np.float32)})
    assert "mean has no place" in error({**state, "mean": np.ones((1, 3, 1, 1), np.float32)})
    del state["model.3.running_mean"]
    assert "model.3.running_mean is missing" in error(state)


def test_counters_of_several_networks_are_said_with_the_one_that_is_taken():
    parts = flat(generator=golden("msrresnet_x2"), critic=golden("pixel_batch"))
    with pytest.warns(UserWarning, match="left out: global_step"):
        module, _ = convert.from_torch({**parts, "global_step": np.array(3)})
    assert module == MSRResNet(2, 2, 8)


def test_old_running_statistics_of_instance_norm_are_left_out_and_named():
    state = golden("patchgan_n3_instance")
    old = {**state, "model.3.running_mean": np.zeros(16), "model.3.running_var": np.ones(16)}
    with pytest.warns(UserWarning, match=r"instance norm's running statistics.*model\.3\.running_mean"):
        module, variables = convert.from_torch(old)
    assert_equal_trees(variables, convert.from_torch(state)[1])
    assert module.norm == "instance"


def test_leftovers_gaps_and_shapes_are_named():
    state = golden("patchgan_n3_batch")
    assert "model.12.weight has no place" in error({**state, "model.12.weight": np.zeros(3)})
    assert "model.6.running_var is missing" in error({k: a for k, a in state.items() if k != "model.6.running_var"})
    wrong = error({**state, "model.3.bias": np.zeros(3, np.float32)})
    assert "model.3.bias has the shape (3,)" in wrong
    assert "pytorch-CycleGAN-and-pix2pix's PatchGAN(layers=3, width=8" in wrong
    assert "are no known network's" in error({"encoder.0.weight": np.zeros(3)})
    assert "no state_dict" in error({"a": np.zeros(3)})


def test_fields_override_what_nothing_shows_and_nothing_else():
    state = golden("unet_64_instance")
    module, _ = convert.from_torch(state)
    assert (module.dropout, module.dropout_layers) == (0.5, "port")
    module, _ = convert.from_torch(state, {"name": "UNet", "dropout": 0.0, "norm": "none"})
    assert (module.dropout, module.norm) == (0.0, "none")
    assert "does not fit" in error(state, {"width": 4})
    assert "no architecture is called 'Unet'" in error(state, "Unet")
    assert "no known network's" in error(state, "PatchGAN")
    assert "no field 'color'" in error(state, {"color": 1})


def test_fields_from_text():
    settings = ["padding=replicate", "dropout=0", 'layers=["relu2_2"]']
    assert convert.fields(settings) == {"padding": "replicate", "dropout": 0, "layers": ["relu2_2"]}
    with pytest.raises(ValueError, match="write FIELD=VALUE"):
        convert.fields(["dropout"])


def test_without_a_norm_biases_are_zero():
    """The port leaves out the norm and the biases of the layers that would have had one."""
    state = golden("patchgan_n3_instance")
    bare = {key: array for key, array in state.items() if key in ("model.0.bias", "model.11.bias") or "weight" in key}
    module, variables = convert.from_torch(bare)
    assert module.norm == "none"
    np.testing.assert_array_equal(variables["params"]["conv1"]["bias"], 0)


def test_lower_precision_is_read_as_float32(tmp_path):
    for dtype in (np.float16, ml_dtypes.bfloat16):
        state = {key: array.astype(dtype) for key, array in golden("msrresnet_x2").items()}
        converted = convert.read(save(tmp_path / "half.pth", state))
        leaves = jax.tree.leaves(converted.generator.variables)
        assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}
        np.testing.assert_array_equal(leaves[0], state["body.0.conv1.bias"].astype(np.float32))
        assert f"{np.dtype(dtype)} in the file, float32 here" in converted.notes


def test_relu_and_leaky_relu_are_prelu_with_that_slope():
    """twtygqyy/pytorch-SRResNet: leaky ReLU 0.2, and no biases outside the norms."""
    module = SRResNet(3, 4, 2, 4)
    variables = filled(module)
    layout = next(layout for layout in convert.LAYOUTS if layout.project == "twtygqyy/pytorch-SRResNet")
    paper = next(layout for layout in convert.LAYOUTS if layout.architecture is SRResNet)
    theirs = {}
    for key, array in convert.to_torch(module, variables).items():
        ours = next(name for name, layer in paper.names(module).items() if layer == key.rsplit(".", 1)[0])
        is_norm = "norm" in ours
        if "prelu" not in ours and (is_norm or key.endswith("weight")):
            theirs[f"{layout.names(module)[ours]}.{key.rsplit('.', 1)[1]}"] = array
    read, got = convert.from_torch(theirs)
    assert read == module
    slopes = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(got["params"]) if "slope" in str(path)]
    assert len(slopes) == 5
    np.testing.assert_array_equal(np.concatenate(slopes), np.float32(0.2))
    np.testing.assert_array_equal(got["params"]["tail"]["bias"], 0)
    np.testing.assert_array_equal(got["params"]["tail"]["kernel"], variables["params"]["tail"]["kernel"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("down1.model.0.weight", "PyTorch-GAN's pix2pix generator, which keeps the activations in its skips"),
    ],
)
def test_known_networks_without_a_counterpart_say_why(name, words):
    assert words in error({name: np.zeros((3, 3, 3, 3)), "model.0.bias": np.zeros(3)})


@pytest.mark.parametrize(("dropout", "second"), [(0.0, 3), (0.5, 4)])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_blocks_that_pad_with_zeros_have_no_layers_for_it(norm, dropout, second):
    module = ResNet(3, 2, 2, norm, dropout, padding="zero")
    variables = filled(module)
    state = convert.to_torch(module, variables)
    kernels = [name for name, array in state.items() if "model.11.conv_block" in name and array.ndim == 4]
    assert kernels == [f"model.11.conv_block.{place}.weight" for place in (0, second)]
    assert_same_network(convert.from_torch(state), (module, variables))
    assert "model.10.conv_block.1.weight" in error(state, {"padding": "reflect"})


def test_basicsrs_names_of_2019():
    """Its SRResNet_arch.py and Discriminator_VGG_128 before the layers were renamed in 2020."""
    for scale in (2, 3, 4):
        module, variables = MSRResNet(scale, 2, 4), filled(MSRResNet(scale, 2, 4))
        old = convert.to_torch(module, variables, "BasicSR of 2019")
        ups = {"upconv1", "upconv2"} if scale == 4 else {"upconv1"}
        blocks = {f"recon_trunk.{block}.{conv}" for block in range(2) for conv in ("conv1", "conv2")}
        assert {name.rpartition(".")[0] for name in old} == {"conv_first", *ups, *blocks, "HRconv", "conv_last"}
        assert_same_network(convert.from_torch(old), (module, variables))
        renamed = {
            name.replace("recon_trunk", "body").replace("HRconv", "conv_hr"): array for name, array in old.items()
        }
        new = convert.to_torch(module, variables)
        assert renamed.keys() == new.keys()
        assert_equal_trees(renamed, new)


def esrgans_names(state):
    """Of xinntao/ESRGAN's RRDBNet_arch.py, which BasicSR changed in 2020."""
    old = [("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), (".rdb", ".RDB"), ("conv_up", "upconv")]
    return renamed(state, [*old, ("conv_hr", "HRconv")])


def esrgans_names_of_2018(state):
    """Of its first code, a torch.nn.Sequential: RRDB_ESRGAN_x4_old_arch.pth has 23 blocks in the place of these two."""
    old = [("conv_first", "model.0"), ("conv_body", "model.1.sub.2"), ("body.", "model.1.sub."), (".rdb", ".RDB")]
    old += [("conv_up1", "model.3"), ("conv_up2", "model.6"), ("conv_hr", "model.8"), ("conv_last", "model.10")]
    return {re.sub(r"(RDB\d\.conv\d)", r"\1.0", name): array for name, array in renamed(state, old).items()}


def renamed(state, names):
    for old, new in names:
        state = {name.replace(old, new): array for name, array in state.items()}
    return state


@pytest.mark.parametrize("names", [esrgans_names, esrgans_names_of_2018])
@pytest.mark.parametrize("case", ["rrdbnet_x1", "rrdbnet_x2", "rrdbnet_x4"])
def test_an_rrdbnet_in_all_names_that_it_had(case, names):
    """And in each wrapping: plain, {"params": ...}, and beside its moving average."""
    state = golden(case)
    expected = convert.from_torch(state)
    theirs = names(state)
    assert not theirs.keys() & {name for name in state if "body" in name}
    others = {name: array + 1 for name, array in theirs.items()}
    for content in (theirs, {"params": theirs}, {"params_ema": theirs, "params": others}, {"module": theirs}):
        assert_same_network(convert.from_torch(content), expected)
    assert_equal_trees(convert.to_torch(*convert.from_torch(theirs)), state)


def test_an_array_that_an_rrdbnet_lacks_is_named():
    for names in (dict, esrgans_names, esrgans_names_of_2018):
        state = names(golden("rrdbnet_x4"))
        bias = max(name for name in state if "conv3" in name and name.endswith("bias"))
        said = error({name: array for name, array in state.items() if name != bias})
        assert "RRDBNet(out_channels=3, scale=4, blocks=2, width=8, growth=4, doublings=2), but" in said
        assert f"{bias} is missing" in said


def test_fewer_enlargements_are_a_smaller_scale():
    """BSRGAN's x2 has one, as have ESRGAN's x2 files; those of x1 have none, and no pixel-unshuffle."""
    state = esrgans_names_of_2018(golden("rrdbnet_x4"))
    without = {name: array for name, array in state.items() if not name.startswith("model.6.")}
    one = renamed(without, [("model.8.", "model.5."), ("model.10.", "model.7.")])
    assert convert.from_torch(one)[0] == RRDBNet(scale=2, blocks=2, width=8, growth=4, doublings=1)
    bsrgan = {name: array for name, array in esrgans_names(golden("rrdbnet_x4")).items() if "upconv2" not in name}
    assert_same_network(convert.from_torch(bsrgan), convert.from_torch(one))
    with pytest.raises(ValueError, match="no PyTorch network of BasicSR"):
        convert.to_torch(*convert.from_torch(bsrgan), "BasicSR")


@pytest.mark.parametrize(
    ("case", "note", "flag"),
    [
        ("srvgg_leakyrelu_x4", "activation relu, as in Real-ESRGAN: no file shows it", "activation=leaky_relu"),
        ("unet_discriminator_sn_noskip", "skips True, as in Real-ESRGAN: no file shows it", "skips=false"),
    ],
)
def test_what_no_file_of_real_esrgan_shows_is_said_with_its_flag(tmp_path, case, note, flag):
    path = save(tmp_path / "weights.pth", golden(case))
    (said,) = [said for said in convert.read(path).notes if note in said]
    assert f"--set {flag.partition('=')[0]}=" in said
    converted = convert.read(path, architecture=convert.fields([flag]))
    assert converted.generator.module == golden_cases.CASES[case].module
    assert not any(note.partition(" ")[0] in said for said in converted.notes)


def test_slopes_are_shown():
    module, _ = convert.from_torch(golden("srvgg_prelu_x4"))
    assert module.activation == "prelu"


def test_pytorch_gans_critic_says_why_and_a_resnet_with_a_gap_is_not_taken_for_it():
    theirs = {f"model.{place}.weight": np.zeros((2, 2, 3, 3)) for place in (0, 2, 23)}
    assert "PyTorch-GAN's SRGANCritic" in error(theirs)
    state = golden("resnet_6blocks")
    del state["model.4.bias"]
    assert "ResNet(out_channels=3, blocks=6" in error(state)


@pytest.mark.parametrize("case", ["unet_64_instance", "patchgan_n1_batch", "vggstyle_discriminator_128"])
def test_a_process_of_float64_reads_the_same(case):
    expected = convert.from_torch(golden(case))
    networks.shapes.cache_clear()  # as in a process that has JAX_ENABLE_X64=1 from its start
    with jax.enable_x64(True):
        got = convert.from_torch(golden(case))
    assert_same_network(got, expected)
    assert {leaf.dtype for leaf in jax.tree.leaves(got[1])} == {np.dtype(np.float32)}


def test_arrays_of_other_libraries_are_taken():
    state = golden("pixel_batch")
    module, variables = convert.from_torch({key: jax.numpy.asarray(array) for key, array in state.items()})
    assert_equal_trees(variables, convert.from_torch(state)[1])
    assert {type(leaf) for leaf in jax.tree.leaves(variables)} == {np.ndarray}
    assert module == PixelGAN(8)


def test_vggs_dense_layers_are_left_out_and_named():
    state = {**golden("vgg19_features"), "classifier.0.weight": np.zeros((4, 4)), "classifier.0.bias": np.zeros(4)}
    with pytest.warns(UserWarning, match=r"left out: classifier\.0\.bias, classifier\.0\.weight"):
        module, _ = convert.from_torch(state)
    assert module == VGG(19, ("relu5_4",), width=2)
    with pytest.warns(UserWarning, match="left out"):
        shallow, variables = convert.from_torch(state, {"layers": ("relu2_2",)})
    assert shallow.layers == ("relu2_2",)
    assert set(variables["params"]) == {"conv1_1", "conv1_2", "conv2_1", "conv2_2"}
    assert "a VGG with batch norm" in error(
        {**state, "features.1.running_var": np.ones(2), "features.3.weight": state["features.2.weight"]}
    )


def test_basicsrs_names_of_vggs_layers():
    module, expected = VGG(19, ("relu3_2",), width=2), filled(VGG(19, ("relu3_2",), width=2))
    state = {**convert.to_torch(module, expected, "BasicSR"), "mean": np.zeros(3), "std": np.ones(3)}
    with pytest.warns(UserWarning, match="left out: mean, std"):
        got, variables = convert.from_torch(state)
    assert {"vgg_net.conv3_2.weight", "vgg_net.conv1_1.bias"} < state.keys()
    assert (got.width, got.layers) == (2, ("relu3_2",))
    assert_equal_trees(variables, expected)


@pytest.mark.parametrize(
    ("case", "options", "spec"),
    [
        ("unet_64_instance", {}, {"method": "pix2pix", "norm": "image", "dropout": True, "size_multiple": 64}),
        ("resnet_6blocks", {}, {"method": "cyclegan", "norm": "image", "dropout": False, "size_multiple": 4}),
        ("resnet_2blocks_batch_dropout", {"norm": "running", "dropout": False}, {"norm": "running", "dropout": False}),
        ("msrresnet_x3", {}, {"input_range": (0.0, 1.0), "output_range": (0.0, 1.0), "scale": 3, "dropout": False}),
        ("srresnet_paper", {}, {"input_range": (0.0, 1.0), "output_range": (-1.0, 1.0), "norm": "running", "scale": 4}),
        ("srresnet_paper", {"output_range": (0.0, 1.0)}, {"output_range": (0.0, 1.0)}),
        ("patchgan_n3_batch", {}, {"kind": "critic", "in_channels": 6, "out_channels": 1}),
        ("dcgan_generator", {}, {"method": "dcgan", "in_channels": 32, "out_channels": 3}),
    ],
)
def test_a_file_brings_its_use(tmp_path, case, options, spec):
    converted = convert.read(save(tmp_path / "weights.pth", golden(case)), **options)
    got = converted.generator.spec
    assert {name: getattr(got, name) for name in spec} == spec
    if got.kind == "generator":
        flags = {"input_range": "--input_range", "norm": "(--norm)", "dropout": "(--dropout)"}
        told = {name for name, flag in flags.items() if any(flag in note for note in converted.notes)}
        assert "input_range" in told
        assert not told & options.keys()
    assumed = {name for note in converted.notes for name in ("dropout_layers", "padding") if note.startswith(name)}
    expected = {"unet": {"dropout_layers"}, "resn": {"padding"}}
    assert assumed == expected.get(case[:4], set())
    models.save(tmp_path / "ours.safetensors", converted.generator)
    again = models.load(tmp_path / "ours.safetensors")
    assert again.spec == got
    assert_equal_trees(again.variables, converted.generator.variables)


def test_a_converted_file_translates_images_as_its_network_computes():
    """PyTorch's own file, its recorded output with running statistics, and the image: equal to the last level."""
    folder = GOLDEN / "resnet_2blocks_batch_dropout"
    model = convert.generator(
        folder / "weights.pth", architecture={"padding": "replicate"}, norm="running", dropout=False
    )
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3), dtype=np.uint8)
    params, stats = model.variables["params"], model.variables["stats"]
    x = image.astype(np.float32) / 127.5 - 1.0
    output, _ = networks.from_linen(model.module).apply(params, stats, x, train=False)
    expected = np.floor((np.asarray(output, np.float64) + 1.0) * 127.5 + 0.5)
    assert_same_levels(infer.translate(model, image), expected)


def test_safetensors_of_another_program_and_back(tmp_path):
    state = golden("patchgan_n1_batch")
    (tmp_path / "theirs.safetensors").write_bytes(safetensors.numpy.save(state))
    critic = convert.generator(tmp_path / "theirs.safetensors")
    convert.write_torch(tmp_path / "back.safetensors", critic)
    back = torch_file.load(tmp_path / "back.safetensors")
    assert back.keys() == state.keys()
    for key, array in state.items():
        np.testing.assert_array_equal(back[key], array)


def test_inspection_in_words(tmp_path):
    words = convert.describe(GOLDEN / "pixel_batch" / "weights.pth")
    assert "9 arrays, 265 numbers" in words
    assert "PixelGAN(width=8, norm='batch'), named as in pytorch-CycleGAN-and-pix2pix" in words
    assert "gan-jax convert" in words
    unknown = convert.describe(save(tmp_path / "other.pth", {"encoder.weight": np.zeros(3, np.float32)}))
    assert "no known network's" in unknown
    with pytest.raises(ValueError, match=r"list\.pth: it holds no state_dict"):
        convert.describe(save(tmp_path / "list.pth", {"a": np.zeros(3, np.float32)}))


def test_errors_of_files_name_them(tmp_path):
    path = save(tmp_path / "other.pth", {"encoder.weight": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"other\.pth: its names \(encoder\.weight\)"):
        convert.read(path)
    with pytest.raises(ValueError, match="it has no entry 'netG'"):
        convert.read(path, entry="netG")
    plain = save(tmp_path / "plain.pth", golden("msrresnet_x2"))
    with pytest.raises(ValueError, match="no running statistics"):
        convert.read(plain, norm="running")
    with pytest.raises(ValueError, match="no dropout layers"):
        convert.read(plain, dropout=True)


def test_absurd_shapes_are_refused_before_memory_is_taken():
    """Empty arrays may have any side: a width of a billion would be a kernel of exabytes."""
    for case in ("unet_64_instance", "resnet_6blocks", "patchgan_n1_batch", "srresnet_paper", "dcgan_discriminator"):
        state = golden(case)
        first = min(key for key, array in state.items() if array.ndim == 4)
        assert error({**state, first: np.zeros((10**9, 0, 4, 4), np.float32)})


def test_a_dict_named_many_times_is_looked_at_once():
    inner = {str(index): {} for index in range(300)}
    for _ in range(4):
        inner = {str(index): inner for index in range(300)}
    assert "no state_dict" in error(inner)


def test_a_network_of_one_channel_into_two_colors_in_lab(tmp_path):
    """What the PyTorch code's --model colorization trains."""
    module = UNet(out_channels=2, depth=5, width=2, dropout=0.0)
    state = convert.to_torch(module, filled(module, channels=1))
    safetensors.numpy.save_file(state, tmp_path / "latest_net_G.safetensors")
    converted = convert.read(tmp_path / "latest_net_G.safetensors")
    assert (converted.generator.spec.colors, converted.generator.spec.out_channels) == ("lab", 3)
    assert any("a and b of Lab" in note for note in converted.notes)
    assert infer.translate(converted.generator, np.zeros((32, 32, 1), np.uint8)).shape == (32, 32, 3)
    models.save(tmp_path / "ours.safetensors", converted.generator)
    assert models.load(tmp_path / "ours.safetensors").spec == converted.generator.spec
