"""The procedural facades: what an item depends on, how it looks, and how well it can be read back."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gan_jax import metrics
from gan_jax.data.demo import facades
from gan_jax.data.demo.facade_scores import colors_to_labels, decode_labels, mean_color_lookup, paint
from gan_jax.data.demo.facades import (
    CLASSES,
    PAINTS,
    PALETTE,
    SPLITS,
    Facades,
)


def label_scores(photos: np.ndarray, label_maps: np.ndarray) -> dict[str, float]:
    scores = metrics.label_map_scores(decode_labels(photos), colors_to_labels(label_maps), len(CLASSES))
    return {name: float(value) for name, value in scores.items()}


def pairs_of(source: Facades) -> list[dict]:
    return [source[index] for index in range(len(source))]


def stacked(source: Facades) -> tuple[np.ndarray, np.ndarray]:
    pairs = pairs_of(source)
    return np.stack([p["source"] for p in pairs]), np.stack([p["target"] for p in pairs])


@pytest.fixture(scope="module")
def test_photos() -> tuple[np.ndarray, np.ndarray]:
    return stacked(Facades("test", 24))


def psnr(images: np.ndarray, references: np.ndarray) -> float:
    error = ((images.astype(float) - references) ** 2).mean((1, 2, 3))
    return float((10 * np.log10(255**2 / error)).mean())


# What an item depends on


def test_an_item_depends_on_seed_split_and_index_alone():
    few, many = Facades("train", 4, seed=3), Facades("train", 400, seed=3)
    for index in (0, 3):
        first, again = few[index], many[index]
        assert first["name"] == again["name"] == f"train_{index:04d}"
        np.testing.assert_array_equal(first["source"], again["source"])
        np.testing.assert_array_equal(first["target"], again["target"])
    assert (few[0]["target"] != few[1]["target"]).mean() > 0.5
    assert (few[0]["target"] != Facades("train", 4, seed=4)[0]["target"]).mean() > 0.5


def test_splits_are_disjoint():
    photos = {Facades(split, 12, 32)[index]["target"].tobytes() for split in SPLITS for index in range(12)}
    assert len(photos) == 36


def test_names_length_and_repr():
    source = Facades("val", 3, (32, 48), seed=1)
    assert [pair["name"] for pair in pairs_of(source)] == ["val_0000", "val_0001", "val_0002"]
    assert repr(source) == repr(Facades("val", 3, (32, 48), seed=1)) != repr(Facades("val", 3, 32, seed=1))
    assert len(Facades("val", 0)) == 0


# How it looks


@pytest.mark.parametrize("size", [32, 64, 100, (48, 96), (256, 128)])
def test_sizes_and_exact_palette_colors(size):
    height, width = (size, size) if isinstance(size, int) else size
    allowed = {tuple(color) for color in PALETTE.tolist()}
    for pair in pairs_of(Facades("train", 3, size)):
        for image in (pair["source"], pair["target"]):
            assert image.shape == (height, width, 3)
            assert image.dtype == np.uint8
        assert {tuple(color) for color in pair["source"].reshape(-1, 3).tolist()} <= allowed


def test_one_building_at_every_size():
    small, large = (stacked(Facades("train", 12, size)) for size in (64, 128))
    labels, halved = colors_to_labels(small[0]), colors_to_labels(large[0])[:, ::2, ::2]
    assert (labels == halved).mean() > 0.9  # 0.92: edges fall on other pixels
    photos = large[1].reshape(12, 64, 2, 64, 2, 3).mean((2, 4))
    assert psnr(photos, small[1]) > 19  # 20.8


def test_every_class_occurs():
    counts = np.bincount(colors_to_labels(stacked(Facades("train", 24))[0]).ravel(), minlength=12)
    assert len(CLASSES) == len(PALETTE) == len(PAINTS) == 12
    assert (counts / counts.sum() > 0.01).all()


def test_items_stay_as_they_are():
    """Published figures name a seed: whoever changes these numbers makes a new data set."""
    pair = Facades("train", 1)[0]
    counts = np.bincount(colors_to_labels(pair["source"]).ravel(), minlength=12)
    assert counts.tolist() == [1188, 1108, 623, 77, 281, 234, 0, 53, 136, 0, 396, 0]
    pixels = pair["target"][[2, 30, 40, 55], [2, 20, 33, 50]]
    assert pixels.tolist() == [[77, 143, 227], [147, 92, 121], [179, 108, 150], [132, 133, 128]]


def test_most_of_a_photo_follows_from_its_label_map(test_photos):
    label_maps, photos = test_photos
    plain = [draw_without_chance(index) for index in range(len(photos))]
    np.testing.assert_array_equal(label_maps, np.stack([source for source, _ in plain]))
    by_mean_color = paint(label_maps, mean_color_lookup(pairs_of(Facades("train", 50))))
    assert 14 < psnr(by_mean_color, photos) < 17  # 15.5
    assert 27 < psnr(np.stack([target for _, target in plain]), photos) < 30  # 28.6: the rest is texture


def draw_without_chance(index: int) -> tuple[np.ndarray, np.ndarray]:
    layout = np.random.Generator(np.random.PCG64([0, SPLITS.index("test"), index, 0]))
    return facades._draw(*facades._draw_boxes(layout), (64, 64), layout, chance=0.0)


# How well it can be read back


@pytest.mark.parametrize("size", [64, 128])
def test_true_photos_read_back(size):
    label_maps, photos = stacked(Facades("test", 12, size))
    scores = label_scores(photos, label_maps)
    assert scores["per_pixel"] > 0.92  # 0.94 at 64, 0.96 at 128
    assert scores["per_class"] > 0.94  # 0.96, 0.98
    assert scores["iou"] > 0.88  # 0.91, 0.93


def test_worse_photos_read_back_worse(test_photos):
    label_maps, photos = test_photos
    true = label_scores(photos, label_maps)
    blurred = [Image.fromarray(photo).filter(ImageFilter.GaussianBlur(2)) for photo in photos]
    by_mean_color = paint(label_maps, mean_color_lookup(pairs_of(Facades("train", 50))))
    for worse in (np.stack([np.asarray(image) for image in blurred]), by_mean_color):
        scores = label_scores(worse, label_maps)
        assert all(scores[name] < true[name] - 0.1 for name in true)
    gray = label_scores(np.full_like(photos, 128), label_maps)
    assert gray["per_class"] == pytest.approx(1 / 12)  # everything is stone
    assert gray["iou"] < 0.03


def test_leading_axes_of_photos_and_label_maps(test_photos):
    label_maps, photos = test_photos
    for read, images in ((decode_labels, photos), (colors_to_labels, label_maps)):
        batch = read(images[:4].reshape(2, 2, 64, 64, 3))
        assert batch.shape == (2, 2, 64, 64)
        assert batch.dtype == np.uint8
        np.testing.assert_array_equal(batch[1, 0], read(images[2]))


def test_label_scores_of_a_hand_computed_example():
    """6x6 pixels: the columns W W W D D D, windows and doors, are painted as W W W W D D."""
    window, door = CLASSES.index("window"), CLASSES.index("door")
    label_maps = np.repeat(PALETTE[[window, window, window, door, door, door]][None], 6, axis=0)
    glass, leaf = (np.array(PAINTS[label][0], np.uint8) for label in (window, door))
    photos = np.repeat(np.stack([glass, glass, glass, glass, leaf, leaf])[None], 6, axis=0)
    scores = label_scores(photos, label_maps)
    expected = {"per_pixel": 5 / 6, "per_class": (1 + 2 / 3) / 2, "iou": (3 / 4 + 2 / 3) / 2}
    assert scores == pytest.approx(expected)


def test_near_palette_colors_count_as_the_nearest():
    noisy = np.clip(PALETTE.astype(int) + 30, 0, 255).astype(np.uint8)[None]
    np.testing.assert_array_equal(colors_to_labels(noisy)[0], np.arange(12))


def test_mean_color_lookup_and_paint():
    sky, door = PALETTE[[0]], PALETTE[[3]]
    pairs = [
        {"source": np.stack([sky, sky]), "target": np.array([[[10, 20, 30]], [[20, 20, 31]]], np.uint8)},
        {"source": np.stack([sky, door]), "target": np.array([[[30, 20, 31]], [[9, 8, 7]]], np.uint8)},
    ]
    lookup = mean_color_lookup(pairs)
    np.testing.assert_allclose(lookup[[0, 3]], np.array([[20, 20, 92 / 3], [9, 8, 7]]))
    assert (lookup[[1, 2, *range(4, 12)]] == 0).all()
    painted = paint(pairs[1]["source"], lookup)
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[20, 20, 31]], [[9, 8, 7]]]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev", 1), "split is 'dev'; use one of train, val, test."),
        (("train", 1, 31), "size is 31x31; a facade needs at least 32x32 pixels."),
        (("train", 1, (64, 16)), "size is 64x16; a facade needs at least 32x32 pixels."),
        (("train", -1), "count is -1 and seed is 0; neither may be negative."),
        (("train", 1, 64, -2), "count is 1 and seed is -2; neither may be negative."),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011, the whole message is compared
        Facades(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_out_of_range(index):
    with pytest.raises(IndexError, match=f"index is {index}; this source holds items 0 to 1."):
        Facades("train", 2)[index]
