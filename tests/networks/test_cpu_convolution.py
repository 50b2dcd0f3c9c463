"""Which form a CPU takes at which shape; what forms compute is tested beside the plain form, in test_convolution.py."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.networks import cpu_convolution
from gan_jax.networks.plain_convolution import Geometry


def forms(at, inputs, outputs, batch=1):
    """Whether forward, the input's gradient and the kernel's are anything else than XLA's convolutions."""
    x, y = (
        jax.ShapeDtypeStruct((batch, *sides, channels), jnp.float32)
        for sides, channels in ((at.inputs, inputs), (at.outputs, outputs))
    )
    kernel = jax.ShapeDtypeStruct((*at.kernel, inputs, outputs), jnp.float32)
    chosen = (
        cpu_convolution.correlation(at, x, kernel),
        cpu_convolution.input_gradient(at, y, kernel),
        cpu_convolution.kernel_gradient(at, x, y),
    )
    return tuple(form is not None for form in chosen)


@pytest.mark.parametrize(
    ("at", "inputs", "outputs", "taken"),
    [
        pytest.param(Geometry(2, 1, (4, 4), (4, 4)), 512, 512, (True, True, True), id="few pixels"),
        pytest.param(Geometry(2, 1, (4, 4), (128, 128)), 64, 128, (False, True, True), id="many pixels"),
        pytest.param(Geometry(2, 1, (4, 4), (256, 256)), 3, 64, (False, False, True), id="of images"),
        pytest.param(Geometry(1, 0, (3, 3), (66, 66)), 256, 256, (True, False, True), id="no padding"),
        pytest.param(Geometry(1, 0, (7, 7), (134, 134)), 64, 3, (True, False, True), id="to images"),
        pytest.param(Geometry(1, 0, (1, 1), (64, 64)), 64, 64, (True, True, True), id="1x1"),
    ],
)
def test_a_form_is_taken_where_it_is_faster(at, inputs, outputs, taken):
    assert forms(at, inputs, outputs) == taken


def test_a_batch_has_as_many_pixels_as_its_images():
    at = Geometry(2, 1, (4, 4), (16, 16))
    assert forms(at, 64, 64, batch=4) == (True, True, True)  # 256 pixels
    assert forms(at, 64, 64, batch=17) == (False, True, True)


def test_batches_of_large_maps_are_convolved_a_few_images_at_once():
    at = Geometry(2, 1, (3, 3), (32, 32))
    assert forms(at, 64, 64, batch=4) == (False, True, False)  # 4096 pixels
    assert forms(at, 64, 64, batch=8) == (True, True, True)
    assert forms(at, 3, 64, batch=8) == (False, False, True)
    assert forms(Geometry(2, 1, (4, 4), (16, 16)), 64, 64, batch=17) == (False, True, True)  # no groups but of one


def test_narrow_maps_of_few_channels_are_convolved_on_all_cores():
    at = Geometry(1, 1, (3, 3), (24, 24))
    assert forms(at, 64, 64, batch=16) == (True, True, True)
    assert forms(at, 64, 256, batch=16) == (False, True, True)  # one way alone has few outputs
    assert forms(at, 128, 128, batch=16) == (False, False, True)
    assert forms(Geometry(1, 1, (3, 3), (96, 96)), 64, 64, batch=16) == (False, False, True)
