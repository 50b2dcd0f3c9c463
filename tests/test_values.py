"""What numbers of images are: every level there and back, ends of ranges, pictures of channels, words of flags."""

import numpy as np
import pytest

from gan_jax import values
from gan_jax.values import Values, picture, read_range, read_values, shown_channels, values_of

CT = Values("float32", -1000.0, 3000.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_level_comes_back_from_the_network(dtype):
    all_levels = values_of(dtype)
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    floats = all_levels.to_network(levels)
    assert (floats.dtype, floats[0], floats[-1]) == (np.float32, -1.0, 1.0)
    assert np.all(np.diff(floats) > 0)
    back = all_levels.from_network(floats)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, levels)
    assert all_levels.width == len(levels) - 1


def test_a_range_of_units_ends_at_minus_one_and_one():
    np.testing.assert_array_equal(
        CT.to_network(np.float32([-2000, -1000, 0, 1000, 3000, 9000])), np.float32([-1, -1, -0.5, 0, 1, 1])
    )
    np.testing.assert_array_equal(
        CT.from_network(np.float32([-3, -1, -0.5, 0, 1, 2])), [-1000, -1000, 0, 1000, 3000, 3000]
    )
    assert (CT.width, CT.words) == (4000.0, "float32 from -1,000 to 3,000")
    narrow = values_of("float32", (1e6, 1e6 + 1))
    assert narrow.to_network(np.float32([1e6 + 0.5]))[0] == 0.0  # float32 alone would have lost it
    reflectance = values_of("uint16", (0, 10_000))
    np.testing.assert_array_equal(reflectance.to_network(np.uint16([0, 5000, 10_000, 65_535])), [-1, 0, 1, 1])
    np.testing.assert_array_equal(reflectance.from_network(np.float32([-1, 0.00009, 0.00011])), [0, 5000, 5001])


def test_floats_say_no_range_and_integers_have_one():
    with pytest.raises(ValueError, match="float32 says no range"):
        values_of("float32")
    with pytest.raises(ValueError, match="0:300 is wider than that of uint8, 0:255"):
        values_of("uint8", (0, 300))
    with pytest.raises(ValueError, match="-1:5 is wider"):
        values_of("uint16", (-1, 5))


def test_pictures_show_three_channels_or_one():
    array = np.stack([np.full((2, 2), level, np.uint16) for level in (0, 65_535, 32_768, 257)], axis=-1)
    np.testing.assert_array_equal(picture(array, values_of("uint16"))[0, 0], [0, 255, 128])
    np.testing.assert_array_equal(picture(array, values_of("uint16"), (3, 1, 0))[0, 0], [1, 255, 0])
    assert picture(array, values_of("uint16"), (1,)).shape == (2, 2, 1)
    assert picture(array[..., :2], values_of("uint16")).shape == (2, 2, 1)
    assert picture(array, None) is array
    for chosen in ((0, 1), (4,), (-1,)):
        with pytest.raises(ValueError, match="of 4, counted from 0; wanted one, or three"):
            shown_channels(4, chosen)


def test_ranges_are_read_from_flags_and_from_files():
    assert read_range("-1000:3e3") == (-1000.0, 3000.0)
    for text in ("5", "5:5", "6:5", "a:b", "0:inf", "nan:1", ""):
        with pytest.raises(ValueError, match="wanted two numbers LOW:HIGH"):
            read_range(text)
    assert read_values(CT._asdict()) == CT
    for wrong in ({"dtype": "int8", "low": 0, "high": 1}, {"dtype": "uint8", "low": 1, "high": 1}):
        with pytest.raises(ValueError, match="values are"):
            read_values(wrong)
    with pytest.raises(KeyError):
        read_values({})
    assert set(values.DTYPES) == {"uint8", "uint16", "float32"}
