import numpy as np
import pytest

from gan_jax import model as models
from gan_jax.data import labeled
from gan_jax.data.demo.shapes import Shapes
from gan_jax.training import classifier

STILL = labeled.fitted(8, 3, flip=False)


class TwoColors:
    """Dark and bright images, which a few steps tell apart."""

    classes = ("dark", "bright")

    def __len__(self):
        return 40

    def __repr__(self):
        return "TwoColors()"

    def __getitem__(self, i):
        rng = np.random.default_rng(int(i))
        return {"image": rng.integers(0, 60, (8, 8, 3), dtype=np.uint8) + np.uint8(180 * (i % 2)), "label": i % 2}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "classifier"
    return folder, classifier.kept(folder, TwoColors(), 2, STILL, steps=12)


def test_it_learns_what_tells_the_classes_apart_and_its_features_do(fitted):
    _, model = fitted
    images, labels = np.stack([TwoColors()[i]["image"] for i in range(40)]), np.arange(40) % 2
    result, features = classifier.judge(model, images)
    assert classifier.share_of(result, labels) == 1.0
    assert features.shape == (40, 64)
    means = [features[labels == label].mean(axis=0) for label in (0, 1)]
    assert np.linalg.norm(means[0] - means[1]) > features[labels == 0].std()


def test_an_image_is_judged_alike_alone_and_among_others(fitted):
    _, model = fitted
    images = np.stack([TwoColors()[i]["image"] for i in range(5)])
    among, alone = classifier.judge(model, images)[1][3], classifier.judge(model, images[3:4])[1][0]
    # Another place in the batch: float32 sums of a few hundred terms, of features of one size.
    np.testing.assert_allclose(among, alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())


def test_it_is_kept_in_one_file_and_equal_fits_are_equal_bytes(fitted, monkeypatch):
    folder, model = fitted
    (file,) = folder.iterdir()
    again = classifier.fit(TwoColors(), 2, STILL, steps=12)
    models.save(folder.parent / "again.safetensors", again)
    assert (folder.parent / "again.safetensors").read_bytes() == file.read_bytes()
    monkeypatch.setattr(classifier, "fit", lambda *_, **options: pytest.fail("it was fitted again"))
    kept = classifier.kept(folder, TwoColors(), 2, STILL, steps=12)
    assert kept.spec == model.spec
    with pytest.raises(pytest.fail.Exception, match="fitted again"):  # other images have a classifier of their own
        classifier.kept(folder, Shapes("train", 10, 8), 10, STILL, steps=12)


def test_the_share_of_labels_that_were_found():
    assert classifier.share_of(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
