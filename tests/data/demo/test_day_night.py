import numpy as np

from gan_jax.data.demo import day_night, facade_scores
from gan_jax.data.demo import facades as demo_facades


def test_the_night_is_dark_and_blue_and_its_windows_are_lit():
    facade = demo_facades.Facades("val", 1, 64)[0]
    night = day_night.at_night(facade["target"], facade["source"])
    labels = facade_scores.colors_to_labels(facade["source"])
    lit = np.isin(labels, (demo_facades.WINDOW, demo_facades.SHOP))
    assert night.dtype == np.uint8
    assert night[lit].mean() > 3 * night[~lit].mean()
    assert night[~lit].mean() < 0.4 * facade["target"][~lit].mean()
    red, _, blue = night[~lit].mean(axis=0) / facade["target"][~lit].mean(axis=0)
    assert blue > 1.8 * red
    # The lamps are warm.
    assert night[lit][:, 0].mean() > 1.8 * night[lit][:, 2].mean()


def test_items_are_one_scene_by_day_and_by_night():
    scenes, facades = day_night.DayNight("test", 2, 32), demo_facades.Facades("test", 2, 32)
    pair = scenes[1]
    assert (len(scenes), pair["name"]) == (2, "test_0001")
    np.testing.assert_array_equal(pair["source"], facades[1]["target"])
    np.testing.assert_array_equal(pair["target"], day_night.at_night(facades[1]["target"], facades[1]["source"]))
    assert repr(scenes) == "DayNight of Facades('test', count=2, size=(32, 32), seed=0)"
