"""A run's health: numbers of its images and its gradients, and rules over what it logs that say in words what is wrong.

docs/my_training_fails.md explains each rule to its reader.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import losses
from gan_jax.data import transforms
from gan_jax.log import number
from gan_jax.method import NetState
from gan_jax.scores import ScoreKey

__all__ = ["RULES", "Finding", "Monitor", "Row", "Rule", "findings", "gradients", "measures"]
__dir__ = __all__.copy

Row = Mapping[str, Any]  # "step", and the numbers that were logged there

_FAMILY = "health"
_SIDE = 16  # large structures decide, and images of any sizes compare

# The thresholds, each with its reason. "Measured" is in docs/my_training_fails.md, with the commands.
_INVERTED = -0.3  # correlation: images that are nearly unlike their references are near 0
_FLAT = 4.0  # of 255: the dullest photographs have several times this contrast
_COLLAPSED = 0.3  # of variety, between what runs that collapsed had and what the others had: docs/cyclegan.md
_SETTLED = 300  # steps: before, every generator makes nearly one image, and every critic can tell it
_WINDOW = 300  # steps: what lasts so long is no swing of the game, whose losses go up and down within tens of steps
_WON = 0.02  # of the critic's loss at chance: sure by 98.6% of both kinds; healthy runs stayed far above (measured)
_FOOLED = 1.5  # times the loss at chance: worse than a critic that says nothing, by more than noise
_STILL = 1e-5  # of a number: batches alone move losses by far more, and the least step of a generator its scores
_APART = 100  # steps between validations that are compared: after fewer, scores may well be the same
_VANISHED = 1e-8  # Adam's eps: below it an update shrinks with its gradient, above it has the size of the rate
_EXPLODED = 100.0  # times the median before: a healthy game's swings were up to 4 times it (measured)
_KNOWN = 5  # rows that make a median
_KEPT = 1000  # rows of a kind: more than a window has


class _Game(NamedTuple):
    """What losses of a game mean."""

    chance: float  # the critic's least loss where it says the same of every image
    fooled: float  # the generator's where the critic takes fakes for real, by D(fake) = 0.9 or the like


# The others, as that of Wasserstein, have losses without a scale.
_GAMES = {
    losses.non_saturating: _Game(2 * math.log(2), -math.log(0.9)),
    losses.minimax: _Game(2 * math.log(2), math.log(0.1)),
    losses.least_squares: _Game(0.5, 0.1**2),
    losses.hinge: _Game(2.0, -1.0),  # as large a logit as the critic wants of real images
    losses.relativistic_average: _Game(2 * math.log(2), -2 * math.log(0.9)),
    losses.relativistic_average_basicsr: _Game(math.log(2), -math.log(0.9)),
}


class Finding(NamedTuple):
    """What is wrong: the rule's name, whose it is where there are several, and a sentence with what to try."""

    rule: str
    of: str
    text: str


class Rule(NamedTuple):
    """What a rule looks at, rows of one kind up to now, and what it finds there: of whom, and the sentence."""

    kind: str
    found: Callable[[Sequence[Row], "_Run"], Iterable[tuple[str, str]]]


class _Run(NamedTuple):
    game: losses.AdversarialLoss | None
    is_over: bool
    settled: int  # steps until a generator's images can be judged


def measures(
    outputs_u8: Sequence[np.ndarray],
    references_u8: Sequence[np.ndarray] | None = None,
    real_u8: Sequence[np.ndarray] | None = None,
) -> dict[str, float]:
    """Numbers of images uint8 [H, W, C] and what they are compared with: their targets or, unknown, their inputs.

    "agreement": mean correlation, from -1 to 1, of their light and dark with the reference's. "variety": the outputs'
    standard deviation over the images, over that of real images of their kind, the references unless given.
    "contrast": their mean standard deviation within an image, of 255. What is not defined, as the variety of one
    image, is left out.
    """
    measured = {"contrast": float(np.mean([image.std() for image in outputs_u8]))}
    outputs = _small(outputs_u8)
    if references_u8 is not None:
        both = [(a, b) for a, b in zip(outputs, _small(references_u8), strict=True) if a.std() and b.std()]
        if both:
            measured["agreement"] = float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in both]))
    real = references_u8 if real_u8 is None else real_u8
    if real is not None:
        spread, of_real = (images.std(axis=0).mean() for images in (outputs, _small(real)))
        if of_real and len(outputs) > 1:
            measured["variety"] = float(spread / of_real)
    return {str(ScoreKey(name, _FAMILY)): value for name, value in measured.items()}


def _small(images_u8: Sequence[np.ndarray]) -> np.ndarray:
    """The light of images, [N, _SIDE^2]."""
    return np.stack([transforms.resize(transforms.gray(image), _SIDE, _SIDE).ravel() for image in images_u8]).astype(
        float
    )


def gradients(networks: Mapping[str, NetState]) -> dict[str, float]:
    """The root mean square, over a network's parameters, of its gradient's running mean, by the network's name.

    The optimizer keeps that mean anyway: Adam over the last few steps, RMSProp, of squares, over some more. Networks
    whose optimizer keeps none, and those that never had a gradient, are left out.
    """
    moments = {
        name: (_moment(net.opt, "mu"), squares)
        for name, net in networks.items()
        if (squares := _moment(net.opt, "nu")) is not None
    }
    found = {name: [float(value) for value in pair] for name, pair in jax.device_get(_mean_squares(moments)).items()}
    return {name: math.sqrt(of_mean) for name, (of_mean, of_squares) in found.items() if of_squares}


def _moment(opt: optax.OptState, name: str) -> Any:
    found = optax.tree_utils.tree_get_all_with_path(opt, name)
    return found[0][1] if len(found) == 1 else None


@jax.jit
def _mean_squares(moments: Any) -> Any:
    def mean(tree: Any, power: int) -> jax.Array:
        leaves = jax.tree.leaves(tree)
        return sum(jnp.sum(leaf**power) for leaf in leaves) / sum(leaf.size for leaf in leaves)

    return {
        name: (mean(squares, 1) if means is None else mean(means, 2), mean(squares, 1))
        for name, (means, squares) in moments.items()
    }


def _recent(rows: Sequence[Row]) -> list[Row]:
    """The rows of the last steps, as many as a window has, newest first; none while the run is young."""
    end = rows[-1]["step"]
    if end < _SETTLED + _WINDOW:
        return []
    return list(itertools.takewhile(lambda row: row["step"] > end - _WINDOW, reversed(rows)))


def _players(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, _Game, list[float], list[float]]]:
    """Each critic's name, its game, its recent losses, and those of the generator that it judges."""
    game = _GAMES.get(run.game) if run.game is not None else None
    if game is None or not (rows := _recent(rows)):
        return
    for key in rows[-1]:
        if key.startswith("loss/critic"):
            own = f"loss/gan{key.removeprefix('loss/critic')}"
            other = own if own in rows[-1] else "loss/generator"
            if all(key in row and other in row for row in rows):
                yield key.removeprefix("loss/"), game, [row[key] for row in rows], [row[other] for row in rows]


def _critic_has_won(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    for name, game, critic, _ in _players(rows, run):
        if max(critic) < _WON * game.chance:
            yield (
                name,
                f"the {name} has won: its loss stays below {_WON * game.chance:.2g} ({game.chance:.2g} is that of one "
                "that cannot tell real from fake), and the generator learns little from it; give --lambda_r1 10 with "
                "--norm instance, --gan_mode lsgan or hinge, a smaller critic (--ndf, --n_layers_D) or more images.",
            )


def _generator_has_won(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    for name, game, critic, generator in _players(rows, run):
        if min(critic) > _FOOLED * game.chance and max(generator) < game.fooled:
            yield (
                name,
                f"the generator has won: the {name} takes its images for real (its loss stays above "
                f"{_FOOLED * game.chance:.2g}, worse than one that cannot tell) and no longer teaches it; give a "
                "larger critic (--ndf, --n_layers_D), a lower --lr, or no penalty on the critic.",
            )


def _losses_stand_still(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    del run
    recent = _recent(rows)
    keys = [key for key in rows[-1] if key.startswith("loss/")] if len(recent) > 2 else []
    if keys and all(_is_still([row.get(key) for row in recent]) for key in keys):
        yield (
            "",
            f"nothing moves: every loss has been the same for {_WINDOW} steps; look whether --lr or the schedule has "
            "come to zero and whether the training images differ, and begin anew with another --seed or a lower --lr.",
        )


def _images_stand_still(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    del run
    if len(rows) < 2 or rows[-1]["step"] - rows[-2]["step"] < _APART:
        return
    before, now = rows[-2:]
    keys = [key for key in now if key not in ("step", "seconds")]
    if keys and all(_is_still([before.get(key), now[key]]) for key in keys):
        yield (
            "",
            f"nothing moves: the validation images are those of step {before['step']}; look whether --lr or the "
            "schedule has come to zero, and begin anew with another --seed or a --lr nearer to 0.0002.",
        )


def _is_still(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return False
    if not all(map(math.isfinite, known)):
        return len(set(known)) == 1
    return max(known) - min(known) <= _STILL * max(map(abs, known))


def _gradients_vanish(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    del run
    for name, value in rows[-1].items():
        if name != "step" and len(rows) > 1 and max(value, rows[-2].get(name, math.inf)) < _VANISHED:
            yield (
                name,
                f"the {name}'s gradient vanishes (root mean square {value:.1e}): it no longer learns; begin anew with "
                "a lower --lr, with --norm instance or batch in place of none, or with --gan_mode vanilla or lsgan in "
                "place of minimax.",
            )


def _gradients_explode(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    del run
    for name, value in rows[-1].items():
        known = [row[name] for row in rows[:-2] if name in row] if name != "step" else []
        if len(known) < _KNOWN or name not in rows[-2]:
            continue
        usual = float(np.median(known))
        if min(value, rows[-2][name]) > _EXPLODED * usual:
            yield (
                name,
                f"the {name}'s gradient explodes (root mean square {value:.1e}, {value / usual:,.0f} times what it "
                "was): go back to an earlier step (--from_step) or begin anew with a lower --lr; a critic without "
                "bounds wants --lambda_r1, --spectral_norm or --gan_mode wgangp.",
            )


def _measured(name: str, row: Row) -> Iterator[tuple[str, float, str]]:
    """Of a validation's health, by one measure: the generator or "", the value, and the generator for a sentence."""
    for key, value in row.items():
        measure, family, generator = ScoreKey.parse(key)
        if family == _FAMILY and measure == name:
            yield generator, value, f"{generator}: " if generator else ""


def _lasting(name: str, below: float, rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, float, str]]:
    """The same where it is so low, as it was the validation before, which came late enough.

    Each generator begins with nearly one gray image for all, and an average of its weights has those first weights in
    it for 1 / (1 - decay) steps more. At a run's end the scores are judged alone.
    """
    earlier = rows[-2] if len(rows) > 1 and rows[-2]["step"] >= run.settled else {}
    for generator, value, which in _measured(name, rows[-1]):
        if value < below and (run.is_over or earlier.get(str(ScoreKey(name, _FAMILY, generator)), below) < below):
            yield generator, value, which


def _colors_are_inverted(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    del run
    for generator, value, which in _measured("agreement", rows[-1]):
        if value < _INVERTED:
            yield (
                generator,
                f"{which}light and dark are the reverse of what they should be (correlation {value:.2f}): the colors "
                "may be inverted; begin anew with another --seed or, in CycleGAN, a larger --lambda_identity.",
            )


def _outputs_have_collapsed(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    for generator, value, which in _lasting("variety", _COLLAPSED, rows, run):
        yield (
            generator,
            f"{which}different inputs give nearly the same image ({value:.0%} of the variety that there should be): "
            "the generator has collapsed, or needs far more steps; where this stays, begin anew with a lower --lr, "
            "another --gan_mode or more images.",
        )


def _images_are_flat(rows: Sequence[Row], run: _Run) -> Iterator[tuple[str, str]]:
    for generator, value, which in _lasting("contrast", _FLAT, rows, run):
        yield (
            generator,
            f"{which}the images are flat (standard deviation {value:.1f} of 255): black, white or one color; begin "
            "anew with a lower --lr, and look at the training images.",
        )


RULES = {
    "the critic has won": Rule("train", _critic_has_won),
    "the generator has won": Rule("train", _generator_has_won),
    "the losses stand still": Rule("train", _losses_stand_still),
    "gradients vanish": Rule("gradients", _gradients_vanish),
    "gradients explode": Rule("gradients", _gradients_explode),
    "the images stand still": Rule("validation", _images_stand_still),
    "colors are inverted": Rule("validation", _colors_are_inverted),
    "the outputs have collapsed": Rule("validation", _outputs_have_collapsed),
    "the images are flat": Rule("validation", _images_are_flat),
}


def findings(
    kind: str,
    rows: Sequence[Row],
    *,
    game: losses.AdversarialLoss | None = None,
    ema_decay: float | None = None,
    is_over: bool = True,
) -> list[Finding]:
    """What is wrong at the last of a run's rows of a kind, "train", "gradients" or "validation".

    `game` is that of its critics, without which their losses say nothing; `ema_decay` that of the generators' average,
    where validation shows one. `is_over`: nothing comes after.
    """
    run = _Run(game, is_over, _SETTLED + (0 if ema_decay is None else round(1 / (1 - ema_decay))))
    return [
        Finding(name, of, text)
        for name, rule in RULES.items()
        if rule.kind == kind and rows
        for of, text in rule.found(rows, run)
    ]


class Monitor:
    """Hears the rows of a run, and says what is wrong once, when it comes true; again where it had ended meanwhile."""

    def __init__(
        self,
        *,
        steps: int,
        game: losses.AdversarialLoss | None = None,
        ema_decay: float | None = None,
        earlier: Iterable[Row] = (),
    ) -> None:
        """`steps` has the whole run; `earlier` are the rows of its log, of which nothing is said again."""
        self._steps, self._game, self._ema_decay = steps, game, ema_decay
        self._rows: dict[str, list[Row]] = {}
        for row in earlier:
            self._take(row["kind"], row["step"], row)
        self._true = {kind: {one[:2] for one in self._found(kind)} for kind in self._rows}

    def hear(self, kind: str, step: int, values: Row) -> list[Finding]:
        """Takes one row; returns what has come true."""
        self._take(kind, step, values)
        found = self._found(kind)
        before, self._true[kind] = self._true.get(kind, set()), {one[:2] for one in found}
        return [one for one in found if one[:2] not in before]

    def _take(self, kind: str, step: int, values: Row) -> None:
        rows = self._rows.setdefault(kind, [])
        known = {key: value for key, given in values.items() if (value := number(given)) is not None}
        rows.append({**known, "step": step})
        del rows[:-_KEPT]

    def _found(self, kind: str) -> list[Finding]:
        rows = self._rows[kind]
        is_over = rows[-1]["step"] == self._steps
        return findings(kind, rows, game=self._game, ema_decay=self._ema_decay, is_over=is_over)
