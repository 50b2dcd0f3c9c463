import numpy as np
import pytest

from gan_jax.infer import tiles


@pytest.mark.parametrize(
    ("side", "tile", "halo", "multiple"),
    [
        (100, 16, 5, 1),
        (96, 16, 11, 8),
        (64, 1, 3, 4),
        (101, 30, 0, 1),
        (1, 4, 2, 1),
        (40, 200, 3, 4),
        (7680, 700, 40, 1),
    ],
)
def test_cores_make_up_the_side_with_a_halo_inside_windows_of_one_size(side, tile, halo, multiple):
    spans = tiles.spans(side, tile, halo, multiple)
    cores = np.concatenate([np.arange(span.core_start, span.core_stop) for span in spans])
    np.testing.assert_array_equal(cores, np.arange(side))
    assert len({span.stop - span.start for span in spans}) == 1
    for span in spans:
        assert (
            span.start % multiple
            == span.stop % multiple
            == span.core_start % multiple
            == span.core_stop % multiple
            == 0
        )
        assert 0 <= span.start < span.stop <= side
        assert span.start == 0 or span.core_start - span.start >= halo
        assert span.stop == side or span.stop - span.core_stop >= halo
    assert tiles.covers(side, 1, tile, halo, multiple) == (len(spans) == 1)


def test_an_image_that_a_window_covers_is_one_window():
    assert tiles.spans(30, 10, 10, 1) == [tiles.Span(0, 30, 0, 30)]
    assert len(tiles.spans(31, 10, 10, 1)) == 2
    assert tiles.scaled_core(tiles.spans(31, 10, 10, 1)[1], 2) == slice(40, 62)


def test_tiles_are_halved_until_they_cut_the_image_and_no_further_than_sense_goes():
    assert tiles.halved(400, 300, None, 10, 1) == 200
    assert tiles.halved(400, 300, 200, 10, 1) == 100
    assert tiles.halved(400, 300, None, 150, 1) == 50, "100 and two halos would be the whole"
    assert tiles.halved(400, 300, 31, 10, 1) is None
    assert tiles.halved(400, 300, None, 200, 1) is None


def test_a_window_within_a_budget_takes_no_more():
    tile = tiles.within(10e6, 100.0, 20, 8, least=64)
    assert tile % 8 == 0
    assert 100.0 * (tile + 48) ** 2 <= 10e6 < 100.0 * (tile + 56) ** 2
    assert tiles.within(1.0, 100.0, 20, 8, least=64) == 64


def test_moments_of_parts_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(1000.0, 1.0, (60, 3))
    parts = [
        tiles.Moments(len(part), part.mean(axis=0), np.square(part - part.mean(axis=0)).sum(axis=0))
        for part in np.split(values, [7, 30])
    ]
    merged = tiles.merged(parts)
    assert merged.values == 60
    np.testing.assert_allclose(merged.mean, values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(merged.squares / 60, values.var(axis=0), rtol=1e-10)
