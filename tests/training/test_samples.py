"""The evaluator of a run of generators of images from latents."""

import numpy as np

from gan_jax.data import image_files, labeled
from gan_jax.data.demo.shapes import Shapes
from gan_jax.infer import latents
from gan_jax.training import samples
from tests.samplers import untrained


def test_the_exam_scores_samples_and_shows_them(tmp_path):
    still = labeled.fitted(8, 3, flip=False)
    sources = [Shapes(split, 20, 8) for split in ("train", "val", "test")]
    evaluator = samples.SampleEvaluator(*sources, still, tmp_path / "classifier", classifier_steps=2)
    assert (evaluator.splits, evaluator.has_validation) == ({"val": sources[1], "test": sources[2]}, True)
    assert evaluator.references()["target"].shape == (10 * 10 - 2, 8 * 10 - 2, 3)
    # Classes in the order of their folders, of which few images are opened.
    opened = []

    class Sorted:
        classes = ("a", "b")

        def __len__(self):
            return 1000

        def __getitem__(self, i):
            opened.append(i)
            return {"name": str(i), "image": np.full((8, 8, 3), i // 500, np.uint8), "label": i // 500}

    evaluator_of_two = samples.SampleEvaluator(Sorted(), None, None, still, tmp_path / "classifier")
    assert evaluator_of_two.references()["target"].shape == (2 * 10 - 2, 8 * 10 - 2, 3)
    assert len(opened) < 50
    model = {"generator": untrained(10)}
    scores, image = evaluator.validate(model)
    health = {"health/contrast", "health/variety"}
    assert set(scores) == {"consistency", "kernel", "frechet", "sinkhorn"} | health
    assert 0.0 <= scores["consistency"] <= 1.0
    assert evaluator.selection_loss(scores) == scores["kernel"]
    assert image.shape == (98, 78, 3)
    table = evaluator.test(model, tmp_path / "results")
    assert [row["name"] for row in table["rows"]] == ["generator", "ground truth"]
    # Real images are nearer to real images than those of a generator that has learned nothing.
    assert table["rows"][1]["frechet"] < table["rows"][0]["frechet"]
    names = {path.relative_to(tmp_path / "results").as_posix() for path in (tmp_path / "results").rglob("*.*")}
    assert names == {"scores.json", "output/samples.png", "output/interpolations.png"}
    assert evaluator.test(model, tmp_path / "results") == table


def test_without_labels_there_are_images_and_no_scores(tmp_path):
    plain = untrained(0)
    for i in range(10):
        image_files.save(tmp_path / "data" / f"{i}.png", np.full((8, 8, 3), 20 * i, np.uint8))
    train, val = (labeled.open_folder(tmp_path / "data", split, channels=3) for split in ("train", "val"))
    still = labeled.fitted(8, 3, flip=False)
    evaluator = samples.SampleEvaluator(train, val, None, still, tmp_path / "classifier")
    scores, image = evaluator.validate({"generator": plain})
    assert set(scores) == {"health/contrast", "health/variety"}
    assert evaluator.selection_loss(scores) is None
    np.testing.assert_array_equal(image, latents.class_rows(plain))
    assert evaluator.test({"generator": plain}, tmp_path / "results")["rows"] == []
    assert (tmp_path / "results" / "output" / "samples.png").exists()
    assert not (tmp_path / "classifier").exists()
