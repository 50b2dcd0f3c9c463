"""The `Evaluator` of generators of images from latents."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import image, losses, metrics
from gan_jax.data import image_files, pipeline
from gan_jax.data.labeled import Labeled
from gan_jax.data.sources import fingerprint
from gan_jax.data.transforms import Transform
from gan_jax.infer import latents
from gan_jax.model import Model
from gan_jax.training import classifier, diagnostics, processes, translation

__all__ = ["SampleEvaluator"]
__dir__ = __all__.copy

_SCORED, _TRANSPORTED = 500, 200  # samples that a score looks at, at most; those that Sinkhorn's plan holds
_LOOKED_AT = 64  # samples whose health is measured where there are no scores


@dataclasses.dataclass(frozen=True)
class SampleEvaluator:
    """The `Evaluator` of a generator from latents to images, by the name "generator".

    With labeled images a classifier of the training images scores: "consistency" is the share of samples that
    it takes for the class they were made as, and the distances compare its features with those of real images.
    """

    train: Labeled
    val: Labeled | None
    test_split: Labeled | None
    val_transform: Transform
    classifier_folder: str | Path  # where it is kept once it is fitted
    classifier_steps: int = 400

    @property
    def splits(self) -> dict[str, Labeled | None]:
        """ "val" and "test"."""
        return {"val": self.val, "test": self.test_split}

    @property
    def has_validation(self) -> bool:
        """Always: there are samples to look at."""
        return True

    @property
    def has_scores(self) -> bool:
        """Whether there are validation images, with labels."""
        return self.val is not None and self._scored(self.val)

    @property
    def captions(self) -> dict[str, dict[str, str]]:
        """What is made, and beside it training images."""
        return {"": {"output": "generated", "target": "training images"}}

    def references(self) -> dict[str, np.ndarray]:
        """Training images, a row a class."""
        if self.train.classes:
            images = _sorted_by_class(self.train, self.val_transform, latents.COLUMNS)
        else:
            images, _ = _stacked(self.train, self.val_transform, latents.COLUMNS**2)
        return {"target": np.asarray(image.grid(images, latents.COLUMNS))}

    def validate(self, generators: Mapping[str, Model]) -> tuple[dict[str, float], np.ndarray]:
        """Scores against the validation images where they have labels, health, and the samples of fixed latents."""
        return processes.once(lambda: self._validate(generators))

    def _validate(self, generators: Mapping[str, Model]) -> tuple[dict[str, float], np.ndarray]:
        (model,) = generators.values()
        scored = self.val if self.has_scores else None
        images, labels = _samples(model, _LOOKED_AT if scored is None else min(len(scored), _SCORED))
        scores = {} if scored is None else self._compare(images, labels, scored)
        return {**scores, **self._health(images, labels)}, latents.class_rows(model)

    def _health(self, images_u8: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        """Health beside training images: of each class, where there are classes, and their mean."""
        real, real_labels = self._real
        if labels is None:
            return diagnostics.measures(list(images_u8), real_u8=list(real))
        each = [
            diagnostics.measures(list(images_u8[labels == label]), real_u8=list(real[real_labels == label]))
            for label in np.intersect1d(labels, real_labels)
        ]
        return {key: float(np.mean([one[key] for one in each if key in one])) for key in (each[0] if each else ())}

    @functools.cached_property
    def _real(self) -> tuple[np.ndarray, np.ndarray]:
        return _stacked(self.train, self.val_transform, _SCORED)

    def selection_loss(self, scores: Mapping[str, float]) -> float | None:
        """The kernel distance."""
        return scores.get("kernel")

    def test(self, generators: Mapping[str, Model], folder: str | Path) -> dict[str, Any] | None:
        """Writes grids to `folder`, and returns the table: the generator's scores beside those of real images.

        A table that is there already, for the same generator and images, is returned as it is.
        """
        return processes.once(lambda: self._test(generators, Path(folder)))

    def _test(self, generators: Mapping[str, Model], folder: Path) -> dict[str, Any] | None:
        (model,) = generators.values()
        real = self.test_split
        made_of = {"step": model.spec.step, "fingerprint": fingerprint(real)}
        before = translation.read_scores(folder)
        if before is not None and made_of.items() <= before.items():
            return before
        shutil.rmtree(folder, ignore_errors=True)
        ways = np.asarray(image.grid(latents.interpolations(model), latents.COLUMNS))
        for name, array in (("samples", latents.class_rows(model, seed=1)), ("interpolations", ways)):
            image_files.save(folder / "output" / f"{name}.png", array)
        rows: list[dict[str, Any]] = []
        count = 0
        if real is not None and self._scored(real):
            count = min(len(real), _SCORED)
            rows = [{"name": "generator", **self._compare(*_samples(model, count), real)}]
            if self.val is not None and self._scored(self.val):
                rows.append(
                    {"name": "ground truth", **self._compare(*_stacked(self.val, self.val_transform, _SCORED), real)}
                )
        result = {
            "split": "test",
            "pictures": repr(real),
            "count": count,
            "protocol": "samples against real images in the features of a classifier of the training images; "
            "consistency is the share that it takes for their class, and for real images its accuracy",
            "rows": rows,
            **({} if rows else {"unscored": "samples are scored beside test images in folders of classes"}),
            **made_of,
        }
        translation.write_json(folder / "scores.json", result)
        return result

    def _scored(self, real: Labeled) -> bool:
        """Whether samples can be compared with these: they have labels, and are the two or more of a distribution."""
        return len(real) > 1 and bool(self.train.classes)

    @functools.cached_property
    def _classifier(self) -> Model:
        """The classifier that the run keeps, fitted first where there is none."""
        return classifier.kept(
            self.classifier_folder, self.train, len(self.train.classes), self.val_transform, steps=self.classifier_steps
        )

    def _compare(self, images_u8: np.ndarray, labels: np.ndarray | None, real: Labeled) -> dict[str, float]:
        predicted, features = classifier.judge(self._classifier, images_u8)
        _, reference = classifier.judge(self._classifier, _stacked(real, self.val_transform, _SCORED)[0])
        consistency = {} if labels is None else {"consistency": classifier.share_of(predicted, labels)}
        return {
            **consistency,
            "kernel": metrics.kernel_distance(features, reference),
            "frechet": metrics.frechet_distance(features, reference),
            "sinkhorn": _transport(features[:_TRANSPORTED], reference[:_TRANSPORTED]),
        }


def _samples(model: Model, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """`count` samples [N, H, W, C] and, of a generator with classes, their labels [N], in turn."""
    known = latents.classes_of(model)
    labels = latents.labels_in_turn(known, count) if known else None
    return latents.sample(model, latents.latents_of(model, count, seed=2), labels), labels


def _transport(features: np.ndarray, reference: np.ndarray) -> float:
    """The Sinkhorn divergence of two sets [n, d], with an epsilon of a twentieth of the reference's mean cost."""
    epsilon = 0.1 * float(reference.var(axis=0).sum())  # a mean squared distance is twice the variance
    return float(losses.sinkhorn_divergence(features, reference, epsilon=epsilon, iterations=100))


def _stacked(source: Labeled, transform: Transform, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` images [N, H, W, C] spread over a source, or all that it has, and their labels [N]."""
    items = pipeline.chosen(source, count, transform)
    return np.stack([item["image"] for item in items]), np.stack([item["label"] for item in items])


def _sorted_by_class(source: Labeled, transform: Transform, each: int) -> np.ndarray:
    """Images [N, H, W, C] of every class, `each` of it and classes in order; white where there are fewer."""
    by_label: dict[int, list[np.ndarray]] = {label: [] for label in range(len(source.classes))}
    # Folders are in the order of their classes: gone through in that order, nearly all would be decoded. Where labels
    # are known beforehand only what is shown is, however few images a class has.
    labels = getattr(source, "labels", None)
    for i in map(int, np.random.default_rng(0).permutation(len(source))):
        if all(len(images) >= each for images in by_label.values()):
            break
        if labels is not None and len(by_label[labels[i]]) >= each:
            continue
        item = transform(source[i], np.random.default_rng(i))
        if len(images := by_label[int(item["label"])]) < each:
            images.append(item["image"])
    white = np.full_like(next(images[0] for images in by_label.values() if images), 255)
    return np.stack([(images + [white] * each)[k] for images in by_label.values() for k in range(each)])
