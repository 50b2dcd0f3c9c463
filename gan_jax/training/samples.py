"""Generators of pictures from latents: samples, grids and interpolations, and the `Exam` of such generators."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import image, latents, losses, metrics, networks
from gan_jax.data import pictures, pipeline
from gan_jax.data.labelled import Labelled
from gan_jax.data.sources import fingerprint
from gan_jax.data.transforms import Transform
from gan_jax.generator import Generator
from gan_jax.training import classifier, translation

__all__ = [
    "Samples",
    "UnfitError",
    "class_rows",
    "classes_of",
    "interpolations",
    "label_of",
    "labels_in_turn",
    "latents_of",
    "sample",
    "write",
]
__dir__ = __all__.copy

_BATCH = 64  # samples a call: always so many, so that a sample does not depend on how many are asked for
_COLUMNS = 8  # of a grid; pictures on the way between two latents
_SCORED, _TRANSPORTED = 500, 200  # samples that a score looks at, at most; those that Sinkhorn's plan holds


class UnfitError(ValueError):
    """A generator that cannot do what is asked of it."""


def latents_of(generator: Generator, count: int, *, seed: int = 0) -> np.ndarray:
    """The first `count` latents [count, Z] of a seed: latent i does not depend on the count.

    Raises UnfitError for a generator that does not start from latents.
    """
    distribution = _distribution(generator)
    size = generator.spec.in_channels
    # On the host: JAX's random numbers take XLA longer to compile for the CPU than a run of this program lasts.
    made = (np.random.default_rng((seed, i)) for i in range(count))
    drawn = [rng.normal(size=size) if distribution == "normal" else rng.uniform(-1.0, 1.0, size) for rng in made]
    return np.array(drawn, np.float32).reshape(count, size)


def classes_of(generator: Generator) -> int:
    """How many classes a generator is told apart by; 0 for one without labels."""
    return int(generator.spec.architecture.get("classes", 0))


def label_of(generator: Generator, name: str) -> int:
    """The label of the class that is called so, or of that number where none is.

    Raises UnfitError for a generator that does not start from latents, and where no class is meant.
    """
    _distribution(generator)
    known, names = classes_of(generator), generator.spec.classes or ()
    if name in names:
        return names.index(name)
    if names and all(each.isdecimal() for each in names):  # then a number is a name, and no other's place
        raise UnfitError(f"no class is {name}; wanted a name, behind its label: {generator.spec.classes_in_words}.")
    if name.isdecimal() and int(name) < known:
        return int(name)
    if not known:
        raise UnfitError(f"the generator has no classes, so none is {name}; leave out --label.")
    numbers = f"a number from 0 to {known - 1}"
    if not names:
        raise UnfitError(f"no class is {name}, and the generator's file has no names of classes; wanted {numbers}.")
    raise UnfitError(f"no class is {name}; wanted {numbers}, or a name: {generator.spec.classes_in_words}.")


def sample(generator: Generator, z: np.ndarray, labels: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Pictures uint8 [N, H, W, C] of latents [N, Z] and, for a generator with classes, labels [N].

    Raises UnfitError for a generator that does not start from latents, and where labels and its classes do not go
    together.
    """
    _distribution(generator)
    known = classes_of(generator)
    if known and labels is None:
        raise UnfitError(f"the generator has {known} classes; wanted a label for each picture.")
    if labels is not None and not (known and all(0 <= label < known for label in labels)):
        got = sorted({int(label) for label in labels})
        raise UnfitError(f"labels are {got}; " + (f"wanted 0 to {known - 1}." if known else "the generator has none."))
    run = _compiled(generator.module, generator.spec.output_range)
    made = []
    for start in range(0, len(z), _BATCH):
        share = z[start : start + _BATCH]
        rest = _BATCH - len(share)
        inputs = [np.pad(share, ((0, rest), (0, 0)))]
        if labels is not None:
            inputs.append(np.pad(np.asarray(labels[start : start + _BATCH], np.int32), (0, rest)))
        made.append(np.asarray(run(generator.variables, *inputs))[: len(share)])
    return np.concatenate(made)


@functools.cache
def _compiled(module: Any, output_range: tuple[float, float]) -> Any:
    network, (low, high) = networks.from_linen(module), output_range

    def run(variables: Any, *inputs: jax.Array) -> jax.Array:
        made, _ = network.apply(variables["params"], variables["stats"], *inputs, train=False)
        return image.to_uint8((made - low) * (2.0 / (high - low)) - 1.0)

    return jax.jit(run)


def _distribution(generator: Generator) -> latents.Distribution:
    if generator.spec.latent is None:
        raise UnfitError(
            f"it holds a {generator.spec.kind} of {generator.spec.method}, which makes no pictures from latents; "
            "pictures go through gan-jax translate."
        )
    return generator.spec.latent


def labels_in_turn(classes: int, count: int) -> np.ndarray:
    """Labels [count] in which all classes take turns."""
    return np.arange(count, dtype=np.int32) % max(classes, 1)


def class_rows(generator: Generator, *, seed: int = 0) -> np.ndarray:
    """A grid [H, W, C] with a row a class and the same eight latents in each; without classes, of 64 samples."""
    known = classes_of(generator)
    if not known:
        return np.asarray(image.grid(sample(generator, latents_of(generator, _COLUMNS**2, seed=seed)), _COLUMNS))
    z = np.tile(latents_of(generator, _COLUMNS, seed=seed), (known, 1))
    return np.asarray(image.grid(sample(generator, z, np.repeat(np.arange(known), _COLUMNS)), _COLUMNS))


def interpolations(generator: Generator, *, rows: int = 8, seed: int = 0, label: int | None = None) -> np.ndarray:
    """Pictures [rows * 8, H, W, C]: each eight go from one latent to another, with one label, or classes in turn."""
    z, distribution = latents_of(generator, 2 * rows, seed=seed), _distribution(generator)
    ways = [latents.between(z[2 * i], z[2 * i + 1], _COLUMNS, distribution) for i in range(rows)]
    labels = _labels(generator, rows, label)
    labels = None if labels is None else np.repeat(labels, _COLUMNS)
    return sample(generator, np.concatenate(ways), labels)


def _labels(generator: Generator, count: int, label: int | None) -> np.ndarray | None:
    known = classes_of(generator)
    if label is not None:
        return np.full(count, label)
    return labels_in_turn(known, count) if known else None


def write(
    generator: Generator,
    output: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    label: int | None = None,
    interpolate: bool = False,
) -> int:
    """Writes samples as one grid, where `output` is a .png, or each into that folder; returns how many they are.

    `count` is 64 unless given, and the grid of a generator with classes then has a row a class. Raises UnfitError as
    `sample` does, and ValueError for a file of another kind and a count of interpolations that fills no row.
    """
    output = Path(output)
    _distribution(generator)
    if output.suffix and output.suffix.lower() != ".png":
        raise ValueError(f"{output}: a grid is written as .png; give it that name, or name a folder.")
    is_grid = bool(output.suffix)
    known = classes_of(generator)
    if is_grid and known and count is None and label is None and not interpolate:
        pictures.save(output, class_rows(generator, seed=seed))
        return known * _COLUMNS
    count = count or _COLUMNS**2
    if interpolate:
        if count % _COLUMNS:
            raise ValueError(f"--n is {count}; interpolations are rows of {_COLUMNS}: wanted a multiple of it.")
        made = interpolations(generator, rows=count // _COLUMNS, seed=seed, label=label)
    else:
        made = sample(generator, latents_of(generator, count, seed=seed), _labels(generator, count, label))
    if is_grid:
        pictures.save(output, np.asarray(image.grid(made, min(count, _COLUMNS))))
    else:
        for index, picture in enumerate(made):
            pictures.save(output / f"{index:05d}.png", picture)
    return count


@dataclasses.dataclass(frozen=True)
class Samples:
    """The `Exam` of a generator from latents to pictures, by the name "generator".

    With labelled pictures a classifier of the training pictures scores: "consistency" is the share of samples that
    it takes for the class they were made as, and the distances compare its features with those of real pictures.
    """

    train: Labelled
    val: Labelled | None
    test_split: Labelled | None
    still: Transform
    classifier_folder: str | Path  # where it is kept once it is fitted
    classifier_steps: int = 400

    @property
    def splits(self) -> dict[str, Labelled | None]:
        """ "val" and "test"."""
        return {"val": self.val, "test": self.test_split}

    @property
    def validates(self) -> bool:
        """Always: there are samples to look at."""
        return True

    @property
    def chooses(self) -> bool:
        """Whether there are validation pictures, with labels."""
        return self.val is not None and self._scored(self.val)

    @property
    def captions(self) -> dict[str, dict[str, str]]:
        """What is made, and beside it training pictures."""
        return {"": {"output": "generated", "target": "training pictures"}}

    def shown(self) -> dict[str, np.ndarray]:
        """Training pictures, a row a class."""
        if self.train.classes:
            images = _sorted_by_class(self.train, self.still, _COLUMNS)
        else:
            images, _ = _stacked(self.train, self.still, _COLUMNS**2)
        return {"target": np.asarray(image.grid(images, _COLUMNS))}

    def validate(self, generators: Mapping[str, Generator]) -> tuple[dict[str, float], np.ndarray]:
        """Scores against the validation pictures where they have labels, and the samples of fixed latents."""
        (model,) = generators.values()
        scores = self._scores(model, self.val) if self.val is not None and self.chooses else {}
        return scores, class_rows(model)

    def loss(self, scores: Mapping[str, float]) -> float | None:
        """The kernel distance."""
        return scores.get("kernel")

    def test(self, generators: Mapping[str, Generator], folder: str | Path) -> dict[str, Any] | None:
        """Writes grids to `folder`, and returns the table: the generator's scores beside those of real pictures.

        A table that is there already, for the same generator and pictures, is returned as it is.
        """
        folder = Path(folder)
        (model,) = generators.values()
        real = self.test_split
        made_of = {"step": model.spec.step, "fingerprint": fingerprint(real)}
        before = translation.read_scores(folder)
        if before is not None and made_of.items() <= before.items():
            return before
        shutil.rmtree(folder, ignore_errors=True)
        ways = np.asarray(image.grid(interpolations(model), _COLUMNS))
        for name, picture in (("samples", class_rows(model, seed=1)), ("interpolations", ways)):
            pictures.save(folder / "output" / f"{name}.png", picture)
        rows: list[dict[str, Any]] = []
        count = 0
        if real is not None and self._scored(real):
            count = min(len(real), _SCORED)
            rows = [{"name": "generator", **self._scores(model, real)}]
            if self.val is not None and self._scored(self.val):
                rows.append({"name": "ground truth", **self._compare(*_stacked(self.val, self.still, _SCORED), real)})
        result = {
            "split": "test",
            "pictures": repr(real),
            "count": count,
            "protocol": "samples against real pictures in the features of a classifier of the training pictures; "
            "consistency is the share that it takes for their class, and for real pictures its accuracy",
            "rows": rows,
            **({} if rows else {"unscored": "samples are scored beside test pictures in folders of classes"}),
            **made_of,
        }
        translation.write_json(folder / "scores.json", result)
        return result

    def _scored(self, real: Labelled) -> bool:
        """Whether samples can be compared with these: they have labels, and are the two or more of a distribution."""
        return len(real) > 1 and bool(self.train.classes)

    @functools.cached_property
    def _classifier(self) -> Generator:
        """The classifier that the run keeps, fitted first where there is none."""
        return classifier.kept(
            self.classifier_folder, self.train, len(self.train.classes), self.still, steps=self.classifier_steps
        )

    def _scores(self, model: Generator, real: Labelled) -> dict[str, float]:
        """The scores of samples, as many as there are real pictures and with labels in turn."""
        count, known = min(len(real), _SCORED), classes_of(model)
        labels = labels_in_turn(known, count) if known else None
        return self._compare(sample(model, latents_of(model, count, seed=2), labels), labels, real)

    def _compare(self, images_u8: np.ndarray, labels: np.ndarray | None, real: Labelled) -> dict[str, float]:
        found, features = classifier.judge(self._classifier, images_u8)
        _, reference = classifier.judge(self._classifier, _stacked(real, self.still, _SCORED)[0])
        consistency = {} if labels is None else {"consistency": classifier.share_of(found, labels)}
        return {
            **consistency,
            "kernel": metrics.kernel_distance(features, reference),
            "frechet": metrics.frechet_distance(features, reference),
            "sinkhorn": _transport(features[:_TRANSPORTED], reference[:_TRANSPORTED]),
        }


def _transport(features: np.ndarray, reference: np.ndarray) -> float:
    """The Sinkhorn divergence of two sets [n, d], with an epsilon of a twentieth of the reference's mean cost."""
    epsilon = 0.1 * float(reference.var(axis=0).sum())  # a mean squared distance is twice the variance
    return float(losses.sinkhorn_divergence(features, reference, epsilon=epsilon, iterations=100))


def _stacked(source: Labelled, still: Transform, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures [N, H, W, C] spread over a source, or all that it has, and their labels [N]."""
    items = pipeline.chosen(source, count, still)
    return np.stack([item["image"] for item in items]), np.stack([item["label"] for item in items])


def _sorted_by_class(source: Labelled, still: Transform, each: int) -> np.ndarray:
    """Pictures [N, H, W, C] of every class, `each` of it and classes in order; white where there are fewer."""
    wanted: dict[int, list[np.ndarray]] = {label: [] for label in range(len(source.classes))}
    # Folders are in the order of their classes: gone through in that order, nearly all would be decoded. Where labels
    # are known beforehand only what is shown is, however few pictures a class has.
    labels = getattr(source, "labels", None)
    for i in map(int, np.random.default_rng(0).permutation(len(source))):
        if all(len(images) >= each for images in wanted.values()):
            break
        if labels is not None and len(wanted[labels[i]]) >= each:
            continue
        item = still(source[i], np.random.default_rng(i))
        if len(images := wanted[int(item["label"])]) < each:
            images.append(item["image"])
    white = np.full_like(next(images[0] for images in wanted.values() if images), 255)
    return np.stack([(images + [white] * each)[k] for images in wanted.values() for k in range(each)])
