"""Which form a CPU takes at which shape; what forms compute is tested beside the plain form, in test_convolution.py."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.networks import cpu_convolution
from gan_jax.networks.plain_convolution import Geometry


def forms(at, inputs, outputs, batch=1, dtype=jnp.float32):
    """The names of the forms forward, of the input's gradient and of the kernel's; "xla" for XLA's convolution."""
    x, y = (
        jax.ShapeDtypeStruct((batch, *sides, channels), dtype)
        for sides, channels in ((at.inputs, inputs), (at.outputs, outputs))
    )
    kernel = jax.ShapeDtypeStruct((*at.kernel, inputs, outputs), dtype)
    chosen = (
        cpu_convolution.correlation(at, x, kernel),
        cpu_convolution.input_gradient(at, y, kernel),
        cpu_convolution.kernel_gradient(at, x, y),
    )
    what = ("_correlation_", "_input_gradient_", "_kernel_gradient_")
    return tuple(
        "xla" if form is None else form.__name__.removeprefix(kind) for kind, form in zip(what, chosen, strict=True)
    )


FEW, PRODUCTS = ("of_patches", "_spread_patches", "of_patches"), "of_patches"


@pytest.mark.parametrize(
    ("at", "inputs", "outputs", "taken"),
    [
        pytest.param(Geometry(2, 1, (4, 4), (4, 4)), 512, 512, FEW, id="few pixels"),
        pytest.param(Geometry(1, 0, (1, 1), (64, 64)), 64, 64, FEW, id="1x1"),
        pytest.param(Geometry(2, 1, (4, 4), (128, 128)), 64, 128, ("by_rows",) * 3, id="many pixels"),
        pytest.param(Geometry(2, 1, (4, 4), (256, 256)), 3, 64, ("xla", "xla", PRODUCTS), id="of images"),
        pytest.param(
            Geometry(1, 0, (7, 7), (134, 134)), 64, 3, ("of_padded", "xla", "of_other_patches"), id="to images"
        ),
        pytest.param(Geometry(1, 0, (5, 5), (66, 66)), 256, 256, ("of_padded", "xla", PRODUCTS), id="no padding"),
    ],
)
def test_a_form_is_taken_where_it_is_faster(at, inputs, outputs, taken):
    assert forms(at, inputs, outputs) == taken


def test_a_batch_has_as_many_pixels_as_its_images():
    at = Geometry(2, 1, (4, 4), (16, 16))
    assert forms(at, 64, 64, batch=4) == FEW  # 256 pixels
    assert forms(at, 128, 64, batch=17) == ("by_rows",) * 3


def test_rows_are_summed_where_that_costs_less_than_the_products_that_it_saves():
    at = Geometry(1, 1, (3, 3), (32, 32))
    assert forms(at, 256, 256, batch=4) == ("by_rows",) * 3
    assert forms(at, 512, 512) == ("by_rows",) * 3  # though the kernel is as large as the maps
    assert forms(at, 8, 256)[:2] == ("xla", "_spread_patches")
    assert "by_rows" not in forms(at, 256, 256, batch=4, dtype=jnp.bfloat16)
    assert "by_rows" not in forms(Geometry(1, 1, (3, 3), (2, 200)), 256, 256)  # less than four rows
    narrow = Geometry(2, 1, (4, 4), (32, 32))
    assert forms(narrow, 64, 128, batch=64) == ("by_images", "by_rows", "by_rows")


def test_batches_of_large_maps_are_convolved_a_few_images_at_once():
    at = Geometry(2, 1, (3, 3), (32, 32))  # of a stride that the kernel is no multiple of
    assert forms(at, 64, 64, batch=4) == ("xla", "by_phases", "xla")  # 4096 pixels
    assert forms(at, 64, 64, batch=8) == ("by_images", "by_phases", PRODUCTS)
    assert forms(at, 3, 64, batch=8) == ("xla", "xla", PRODUCTS)
    assert forms(at, 64, 64, batch=17) == ("xla", "by_phases", PRODUCTS)  # no groups but of one


def test_narrow_maps_of_few_channels_are_convolved_on_all_cores():
    at = Geometry(1, 2, (5, 5), (24, 24))
    assert forms(at, 64, 64, batch=16) == ("of_padded", "of_padded", PRODUCTS)
    assert forms(at, 64, 256, batch=16) == ("xla", "of_padded", PRODUCTS)  # one way alone has few outputs
    assert forms(at, 128, 128, batch=16) == ("xla", "xla", PRODUCTS)
    assert forms(Geometry(1, 2, (5, 5), (96, 96)), 64, 64, batch=16) == ("xla", "xla", PRODUCTS)
