"""Outputs, gradients and running statistics of the PyTorch references on the same weights; golden.py has the cases."""

import numpy as np
import pytest

from tests.networks import golden

SMALL = golden.Differences(evaluation=1e-5, training=1e-5, statistics=1e-5, gradients=1e-4)
# Longer sums in float32. The norms of gradients differ from float64's by 1.2e-4 in resnet_9blocks_full and 2.0e-4 in
# rrdbnet_x4_full; computed here in float64 too, by 1e-14.
FULL = golden.Differences(evaluation=1e-4, training=1e-4, statistics=1e-4, gradients=4e-4)
# A value that rounding moves over the kink of a leaky ReLU moves these further. With plain convolutions and an input
# off by 3e-7 of itself they differ by up to 1.3e-3 in srgan_discriminator_full, and with one off by 4e-6, as forms of
# convolutions are, by up to 8.5e-4 in unet_256_full.
AT_A_KINK = {"unet_256_full", "srgan_discriminator_full"}


def assert_close(name, tolerances):
    differences = golden.differences(golden.CASES[name], golden.GOLDEN / name)
    for kind, tolerance in tolerances._asdict().items():
        difference = getattr(differences, kind)
        assert difference is None or difference <= tolerance, f"{kind}: {difference}"


@pytest.mark.parametrize("name", golden.SMALL)
def test_a_reference_network_and_ours_are_one_function(name):
    assert_close(name, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", golden.FULL)
def test_at_the_papers_widths_too(name):
    assert_close(name, FULL._replace(gradients=1.5e-3) if name in AT_A_KINK else FULL)


@pytest.mark.parametrize("name", golden.FULL)
def test_the_recipe_gives_the_references_weights(name):
    """meta.json has the sums of the magnitudes of some."""
    _, weights, meta = golden.load(golden.GOLDEN / name)
    checked = meta["weight_checksums"].keys() & weights.keys()
    assert checked
    for key in checked:
        np.testing.assert_allclose(np.abs(weights[key].astype(np.float64)).sum(), meta["weight_checksums"][key], 1e-12)
