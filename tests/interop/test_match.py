"""The parts of recognition; what it says of whole files: test_convert.py."""

import numpy as np
import pytest

from gan_jax.interop import match
from gan_jax.interop.naming import LAYOUTS
from gan_jax.interop.naming.layout import count, norm_in
from gan_jax.networks import VGG, MSRResNet, PixelGAN
from tests.interop.test_convert import filled

PIXEL = next(layout for layout in LAYOUTS if layout.architecture is PixelGAN)


def test_what_is_written_is_matched():
    module = PixelGAN(3)
    state = match.written(PIXEL, module, filled(module, 6))
    network = match.match(state, None)
    assert (network.module, network.in_channels) == (module, 6)
    assert (network.notes, network.lost, network.problems) == ([], [], [])
    shapes = {name: array.shape for name, array in state.items()}
    assert match.shown_by(PIXEL, shapes) == {"width": 3, "norm": "batch"}
    assert match.shown_by(LAYOUTS[0], shapes) is None
    with pytest.raises(ValueError, match=r"net\.5\.bias has no place"):
        match.match({**state, "net.5.bias": np.zeros(1)}, None)


def test_only_what_is_no_known_network_is_taken_apart():
    pixel = match.written(PIXEL, PixelGAN(3), filled(PixelGAN(3), 6))
    generator = {f"G.{name}": array for name, array in super_resolver().items()}
    whole = {**generator, **{f"D.{name}": array for name, array in pixel.items()}, "step": np.array(3)}
    result = match.apart({"": whole, "net": pixel, "other": {"a.b": np.ones(2), "c.d": np.ones(2)}})
    assert result.keys() == {"G", "D", "net", "other"}
    assert "step" in result["D"]  # to be told with any of them
    assert match.candidates(result, None) == ["G"]
    assert match.candidates(result, "PixelGAN") == match.candidates(result, {"name": "PixelGAN"}) == ["D", "net"]


def super_resolver():
    layout = next(layout for layout in LAYOUTS if layout.project == "BasicSR of 2019")
    return match.written(layout, MSRResNet(2, 1, 2), filled(MSRResNet(2, 1, 2)))


def test_same_in_what_decides():
    assert match.is_same(PixelGAN(3), PixelGAN(3, dtype="bfloat16"), {"width": 3})
    assert not match.is_same(PixelGAN(3), PixelGAN(3, "instance"), {"norm": "batch"})
    assert match.is_same(VGG(16, ("relu1_1",)), VGG(19, ("relu1_1",)), {"depth": 16})  # the same arrays


def test_an_architecture_in_words():
    assert match.in_words(PixelGAN(3)) == "PixelGAN(width=3, norm='batch')"


def test_what_names_and_shapes_show():
    assert norm_in({"a.running_var": (1,), "a.weight": (1,)}, "b.bias") == "batch"
    assert norm_in({"a.running_var": (1,), "b.bias": (1,)}, "b.bias") == "instance"  # of PyTorch before 0.4
    assert norm_in({"a.weight": (1,)}, "b.bias") == "none"
    assert count(r"a\.(\d+)\.", {"a.0.w": (), "a.0.b": (), "a.7.w": (), "b.1.w": ()}) == 2
