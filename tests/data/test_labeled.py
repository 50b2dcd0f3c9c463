import numpy as np
import pytest

from gan_jax.data import image_files, labeled, records, sources, tfds_source
from gan_jax.data.demo import shapes
from gan_jax.data.demo.shapes import Shapes


def test_shapes_are_ten_classes_that_take_turns_and_never_change():
    train = Shapes("train", 40, 16)
    items = [train[i] for i in range(40)]
    assert [item["label"] for item in items] == [*range(10)] * 4
    assert len(train.classes) == len(set(train.classes)) == 10
    assert {item["image"].shape for item in items} == {(16, 16, 3)}
    np.testing.assert_array_equal(train[7]["image"], Shapes("train", 8, 16)[7]["image"])
    assert (train[7]["image"] != Shapes("test", 8, 16)[7]["image"]).any()
    assert repr(train) == repr(Shapes("train", 40, 16)) != repr(Shapes("val", 40, 16))
    with pytest.raises(ValueError, match="split is 'dev'; wanted one of train, val, test"):
        Shapes("dev", 1)


@pytest.mark.parametrize("name", shapes.CLASSES)
def test_a_shape_is_bright_inside_the_image_on_a_dark_ground(name):
    """No shape leaves the image, where nothing could tell it from another; none is empty."""
    for seed in range(20):
        brightest = shapes.draw(name, 32, np.random.default_rng(seed)).max(axis=-1)
        edge = np.concatenate([brightest[0], brightest[-1], brightest[:, 0], brightest[:, -1]])
        assert (edge > 120).mean() < 0.05
        assert 0.02 < (brightest > 120).mean() < 0.6


@pytest.fixture
def folder(tmp_path):
    for split, counts in (("train", (3, 2)), ("val", (1, 1))):
        for kind, count in zip(("cat", "dog"), counts, strict=True):
            for i in range(count):
                image_u8 = np.full((8 + i, 10, 3), 50 * i + 10 * (kind == "dog"), np.uint8)
                image_files.save(tmp_path / split / kind / f"{i}.png", image_u8)
    return tmp_path


def test_a_folder_is_a_class(folder):
    train, test = (labeled.open_folder(folder, split, channels=3) for split in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog")
    assert [(train[i]["name"], train[i]["label"]) for i in range(len(train))] == [
        ("cat/0", 0), ("cat/1", 0), ("cat/2", 0), ("dog/0", 1), ("dog/1", 1),
    ]  # fmt: skip
    assert len(test) == 2  # val stands in
    assert train[4]["image"][0, 0, 0] == 60
    assert repr(train) == f"ClassFolders(5 in {folder / 'train'}, 2 classes, 3 channels)"


def test_names_are_sorted_as_people_count_whatever_their_case():
    names = ["img10", "10", "img2", "2", "b", "A", "a", "B", "", "01", "1", "img2b", "x_\udc83", "1a", "2b10", "2b9"]
    expected = ("", "01", "1", "1a", "2", "2b9", "2b10", "10", "A", "a", "B", "b", "img2", "img2b", "img10", "x_\udc83")
    for seed in range(20):
        assert labeled.in_order(np.random.default_rng(seed).permutation(names).tolist()) == expected


def class_folders(root, counts):
    """Root with a folder a class, of so many images; images of class k are of the color k."""
    for value, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image_files.save(root / name / f"{i}.png", np.full((4, 4, 3), value, np.uint8))
    return root


def test_numbered_classes_have_the_labels_that_their_names_are(tmp_path):
    train = labeled.open_folder(class_folders(tmp_path / "data", {str(k): 3 for k in range(12)}), "train", channels=3)
    assert train.classes == tuple(map(str, range(12)))
    assert {(item["label"], int(item["image"][0, 0, 0])) for item in map(train.__getitem__, range(len(train)))} == {
        (k, k) for k in range(12)
    }


def test_an_empty_class_keeps_its_place_and_is_said(tmp_path):
    for split, counts in (("train", (3, 0, 3)), ("test", (1, 1, 1))):
        class_folders(tmp_path / split, dict(zip(("ant", "bee", "cat"), counts, strict=True)))
    (tmp_path / "train" / ".cache").mkdir()
    train, test = (labeled.open_folder(tmp_path, split, channels=3) for split in ("train", "test"))
    assert train.classes == test.classes == ("ant", "bee", "cat")
    assert (train.labels, test.labels) == ([0, 0, 0, 2, 2, 2], [0, 1, 2])
    assert test.notes == ()
    assert train.notes == (
        f"class bee (label 1) has no training images; add some, or remove {tmp_path / 'train' / 'bee'}.",
    )
    folder = tmp_path / "flat"
    class_folders(folder, {"empty": 0})
    image_files.save(folder / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert labeled.open_folder(folder, "train", channels=3).classes == ()


def test_linked_class_folders_are_followed_and_loops_end(tmp_path):
    class_folders(tmp_path / "elsewhere", {"bee": 2})
    class_folders(tmp_path / "data", {"ant": 3, "cat": 3})
    (tmp_path / "data" / "bee").symlink_to(tmp_path / "elsewhere" / "bee")
    (tmp_path / "data" / "cat" / "loop").symlink_to(tmp_path / "data")
    train = labeled.open_folder(tmp_path / "data", "train", channels=3)
    assert train.classes == ("ant", "bee", "cat")
    assert set(train.labels) == {0, 1, 2}
    assert len(train) == 7  # one is held out
    assert train.notes == ()


def test_what_cannot_be_read_is_said(tmp_path):
    class_folders(tmp_path, {"ant": 2, "bee": 2})
    (tmp_path / "bee" / "raw.heic").write_bytes(b"x")
    (note,) = labeled.open_folder(tmp_path, "train", channels=3).notes
    assert note.startswith(f"{tmp_path}: left out bee/raw.heic, whose name or format")
    class_folders(tmp_path / "split" / "train", {"ant": 2})
    class_folders(tmp_path / "split" / "more", {"ant": 2})
    (note,) = labeled.open_folder(tmp_path / "split", "train", channels=3).notes
    assert note.endswith("what is beside them is not read: more.")


def test_the_fingerprint_tells_labels_that_an_older_program_gave_otherwise(tmp_path):
    """A run of before goes on where its labels are the same, and is refused where they would be other classes."""
    for name, counts, renumbered in (
        ("same", {"ant": 2, "bee": 2, "img1": 1, "img2": 1}, False),
        ("numbers", {"2": 2, "10": 2}, True),
        ("case", {"B": 2, "a": 2}, True),
        ("empty", {"ant": 2, "bee": 0, "cat": 2}, True),
        ("none at the end", {"ant": 2, "bee": 2, "cat": 0}, True),  # the networks have a class more
    ):
        root = class_folders(tmp_path / name / "train", counts).parent
        train = labeled.open_folder(root, "train", channels=3)
        before = sources.SplitFiles(train.folders, train.files).fingerprint
        assert (train.fingerprint != before) == renumbered, name
    again = labeled.open_folder(tmp_path / "numbers", "train", channels=3)
    assert again.fingerprint == labeled.open_folder(tmp_path / "numbers", "train", channels=3).fingerprint


def test_a_limit_leaves_every_class_its_share(folder):
    train = labeled.open_folder(folder, "train", channels=3, limit=2)
    assert [train[i]["label"] for i in range(2)] == [0, 0] or len({train[i]["label"] for i in range(2)}) == 2
    assert len(train) == 2


def test_images_without_folders_have_no_classes(tmp_path):
    for i in range(20):
        image_files.save(tmp_path / f"{i}.png", np.zeros((4, 4, 1), np.uint8))
    train, val = (labeled.open_folder(tmp_path, split, channels=1) for split in ("train", "val"))
    assert (len(train), len(val)) == (18, 2)
    assert (train.classes, train[0]["label"], train[0]["image"].shape) == ((), 0, (4, 4, 1))


def test_what_cannot_be_used_is_named(folder):
    with pytest.raises(FileNotFoundError, match="a folder of images for each class"):
        labeled.open_folder(folder / "none", "train", channels=3)
    image_files.save(folder / "val" / "cow" / "0.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"cow/0.png is in no class that the training images have \(cat, dog\)"):
        labeled.open_folder(folder, "val", channels=3)
    image_files.save(folder / "train" / "stray.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"stray\.png is beside the folders of classes"):
        labeled.open_folder(folder, "train", channels=3)


def test_images_are_fitted_to_a_square_by_their_middle():
    image_u8 = np.zeros((8, 12, 3), np.uint8)
    image_u8[:, :2], image_u8[:, -2:] = 255, 255  # cut off
    image_u8[:, 2:6] = 200
    item = {"image": image_u8, "label": 3}
    result = labeled.fitted(4, 1, flip=False)(item, np.random.default_rng(0))
    assert result["image"].shape == (4, 4, 1)
    assert result["image"].max() < 255
    assert (result["label"], result["label"].dtype) == (3, np.int32)
    sides = {
        bool(labeled.fitted(4, 3, flip=True)(item, np.random.default_rng(seed))["image"][0, 0, 0] > 100)
        for seed in range(8)
    }
    assert sides == {True, False}


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A data set of two splits as tfds writes it, prepared here without TensorFlow."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    for i in range(40):
        image_files.save(folder / f"{i}.png", np.full((6, 6, 1), i, np.uint8))

    class TinyDigits(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(6, 6, 1)),
                "label": tfds.features.ClassLabel(names=["zero", "one"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, _):
            return {"train": self._generate_examples(40), "test": self._generate_examples(4)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"image": str(folder / f"{i}.png"), "label": i % 2}

    TinyDigits(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def test_a_prepared_data_set_is_read_without_tensorflow(tfds_folder):
    splits = {
        split: tfds_source.open_labeled("tiny_digits", split, folder=tfds_folder) for split in ("train", "val", "test")
    }
    assert {split: len(source) for split, source in splits.items()} == {"train": 38, "val": 2, "test": 4}
    item = splits["train"][5]
    assert (item["label"], item["image"].shape, item["image"].dtype) == (1, (6, 6, 1), np.uint8)
    assert item["image"][0, 0, 0] == 5
    assert splits["val"].classes == ("zero", "one")
    assert repr(splits["val"]) == "Records(tiny_digits, train[95%:], 2, image image)"
    assert len(tfds_source.open_labeled("tiny_digits", "train", folder=tfds_folder, limit=3)) == 3


def test_a_data_set_that_is_not_there_comes_with_the_command_that_prepares_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mnist is not prepared in .*tfds build mnist --file_format=array"):
        tfds_source.open_labeled("mnist", "train", folder=tmp_path)


def test_prepared_pairs_of_resolutions(tmp_path):
    import tensorflow_datasets as tfds

    for i in range(3):
        image_files.save(tmp_path / f"hr{i}.png", np.full((8, 12, 3), i, np.uint8))
        image_files.save(tmp_path / f"lr{i}.png", np.full((2, 3, 3), 100 + i, np.uint8))

    class TinyScenes(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"hr": tfds.features.Image(), "lr": tfds.features.Image()}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, _):
            return {"train": self._generate_examples(3), "validation": self._generate_examples(1)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {key: str(tmp_path / f"{key}{i}.png") for key in ("hr", "lr")}

    TinyScenes(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    splits = {s: tfds_source.open_resolutions("tiny_scenes", s, folder=tmp_path) for s in ("train", "val", "test")}
    assert {split: len(source) for split, source in splits.items()} == {"train": 3, "val": 1, "test": 1}
    item = splits["train"][2]
    assert (item["name"], item["target"].shape, item["source"].shape) == ("train_00002", (8, 12, 3), (2, 3, 3))
    assert (item["target"][0, 0, 0], item["source"][0, 0, 0]) == (2, 102)
    assert repr(splits["val"]) == "Records(tiny_scenes, validation, 1, target hr, source lr)"
    with pytest.raises(ValueError, match="tiny_scenes has no image, but hr, lr; wanted images: mnist"):
        tfds_source.open_labeled("tiny_scenes", "train", folder=tmp_path)


def test_data_sets_of_others_in_the_other_layouts(tmp_path):
    """As cycle_gan has them, and images without labels: features and splits of those builders, written here."""
    red, blue = (np.full((6, 8, 3), level, np.uint8) for level in (200, 40))
    form = records.Form((("image", 3),), "encoded")
    parts = {"trainA": [red] * 3, "trainB": [blue] * 2, "testA": [red]}
    (tmp_path / "sides" / "3.0.0").mkdir(parents=True)
    infos = {}
    for part, images in parts.items():
        made = [records.serialized(form, {"name": "n", "image": image}) for image in images]
        file = tmp_path / "sides" / "3.0.0" / f"sides-{part}.array_record-00000-of-00001"
        infos[part] = records.Part([len(made)], sum(records.write_shard(file, made)))
    records.write_info(tmp_path / "sides" / "3.0.0", "sides", form, infos, "two kinds")
    options = {"key": "A", "channels": 3, "folder": tmp_path}
    side = tfds_source.open_side("sides", "train", "A", **options)
    assert (len(side), side[2]["name"], int(side[2]["A"].mean())) == (3, "train_00002", 200)
    assert len(tfds_source.open_side("sides", "val", "A", **options)) == 1
    assert tfds_source.open_side("sides", "test", "B", **options) is None
    assert tfds_source.find("tfds:sides", tmp_path) == "sides"
    with pytest.raises(ValueError, match="has no split train, but trainA, trainB, testA"):
        tfds_source.open_labeled("sides", "train", folder=tmp_path)

    made = [records.serialized(form, {"name": "n", "image": image}) for image in (red, blue)]
    (tmp_path / "plain" / "1.0.0").mkdir(parents=True)
    file = tmp_path / "plain" / "1.0.0" / "plain-train.array_record-00000-of-00001"
    infos = {"train": records.Part([2], sum(records.write_shard(file, made)))}
    records.write_info(tmp_path / "plain" / "1.0.0", "plain", form, infos, "images")
    plain = tfds_source.open_labeled("plain", "train", folder=tmp_path)
    assert (plain.classes, plain[0]["label"]) == ((), 0)
    derived = tfds_source.open_pairs(
        "plain", "train", derive="gray", source_channels=1, target_channels=1, folder=tmp_path
    )
    assert derived[0].keys() == {"name", "target"}
    assert derived[0]["target"].shape == (6, 8, 1)
    with pytest.raises(ValueError, match=r"has no split trainA, but train; wanted images of two kinds"):
        tfds_source.open_side("plain", "train", "A", **options)
