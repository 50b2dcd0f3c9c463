import pytest

from gan_jax.recipes import games


@pytest.mark.parametrize("gan_mode", games.GAN_MODES)
def test_a_relativistic_game_alone_needs_the_whole_batch(gan_mode):
    assert games.whole_batch(gan_mode) == (["--gan_mode relativistic"] if gan_mode == "relativistic" else [])
