"""Which network a state_dict is: all layouts are tried, and names and shapes decide."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import networks
from gan_jax.interop import state_dicts, transpose
from gan_jax.interop.naming import LAYOUTS, WITHOUT_COUNTERPART
from gan_jax.interop.naming.layout import NORM_EPS, Fields, Layout, Shapes, State
from gan_jax.interop.state_dicts import COUNTS, Found, listed
from gan_jax.networks import VGG

__all__ = ["Match", "apart", "candidates", "in_words", "is_same", "match", "shown_by", "written"]
__dir__ = __all__.copy

_LEAVES = {"kernel": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
_LEAVES |= {"scale": "weight", "slope": "weight", "u": "weight_u"}

_SETTLED = 1e-3  # what PyTorch's first 15 power iterations leave

_USUAL = {("dtype", "float32"), ("spectral_norm", False), ("icnr", False)}  # not worth a word


class Match(NamedTuple):
    """A state_dict as a network of ours."""

    layout: Layout
    module: Any
    variables: dict[str, Any]
    in_channels: int
    notes: list[str]  # what the file does not show
    lost: list[str]  # arrays that have no use here
    problems: list[str]  # why it is not this network


class _MismatchError(ValueError):
    """Why a state_dict is no known network; of several readings the one of the lowest `distance` is nearest."""

    def __init__(self, sentence: str, distance: tuple[int, int]) -> None:
        super().__init__(sentence)
        self.distance = distance

    @property
    def is_unknown(self) -> bool:
        """Whether it does not even look like a known network."""
        return self.distance[0] == 2


def match(state: State, architecture: str | Mapping[str, Any] | None) -> Match:
    """The one network that the state_dict is, under the names in the file or without what surrounds them.

    Raises ValueError where none or several fit, in one sentence.
    """
    network = _recognised(state, architecture)
    # Only now are arrays copied.
    variables = jax.tree.map(lambda array: np.array(array, np.float32, order="C"), network.variables)
    places = jax.tree_util.tree_leaves_with_path(variables)
    if broken := [transpose.place(path)[0] for path, array in places if not np.isfinite(array).all()]:
        raise ValueError(f"it holds values that are not finite, in {listed(set(broken), 3)}; take another checkpoint.")
    return network._replace(variables=variables)


def _recognised(state: State, architecture: str | Mapping[str, Any] | None) -> Match:
    wanted: dict[str, Any] = {"name": architecture} if isinstance(architecture, str) else dict(architecture or {})
    name = wanted.pop("name", None)
    if name is not None and name not in networks.catalogue():
        raise ValueError(f"no architecture is called {name!r}; there are {listed(networks.catalogue())}.")
    weights, others = state_dicts.weights(state)
    mismatches: list[_MismatchError] = []
    for reading in state_dicts.readings(weights):
        try:
            network = _read(reading, name, wanted)
        except _MismatchError as error:
            # A name that is cut looks like many, so that most of the arrays have to fit.
            if not mismatches or 2 * error.distance[1] < len(reading):
                mismatches.append(error)
        else:
            left_out = [f"no weights of a layer and left out: {listed(others)}"] if others else []
            return network._replace(lost=[*network.lost, *left_out])
    raise min(mismatches, key=lambda error: error.distance)


def _read(state: State, name: str | None, wanted: Mapping[str, Any]) -> Match:
    """The network that the state_dict is in these names; `variables` holds views."""
    shapes = {key: array.shape for key, array in state.items()}
    tried, reasons = [], []
    for layout in LAYOUTS:
        if name is not None and layout.architecture is not networks.catalogue()[name]:
            continue
        try:
            shown = shown_by(layout, shapes)
        except ValueError as error:
            reasons.append(f"it looks like {layout.project}'s {layout.architecture.__name__}, but {error}.")
            continue
        if shown is not None:
            module = networks.build({"name": layout.architecture.__name__, **layout.assumed, **shown, **wanted})
            tried.append(_fit(layout, module, state, shown, wanted))
    fitting = [network for network in tried if not network.problems]
    if len(fitting) > 1:
        names = listed(f"{network.layout.architecture.__name__} of {network.layout.project}" for network in fitting)
        raise ValueError(f"several networks fit ({names}); choose one with --architecture.")
    if fitting:
        return fitting[0]
    if tried:
        nearest = min(tried, key=lambda network: len(network.problems))
        raise _MismatchError(
            f"it looks like {nearest.layout.project}'s {in_words(nearest.module)}, but {listed(nearest.problems, 6)}.",
            (0, len(nearest.problems)),
        )
    for key, (whose, reason) in WITHOUT_COUNTERPART.items():
        if key in shapes:
            raise _MismatchError(f"it is {whose}, which {reason}; it cannot be converted.", (1, 0))
    if reasons:
        raise _MismatchError(reasons[0], (1, 0))
    raise _MismatchError(
        f"its names ({listed(state, 4)}) are no known network's; docs/converting.md lists those that are.", (2, 0)
    )


def apart(found: Found) -> dict[str, State]:
    """The same, but what is no known network and has parts that are, by these parts, each at a place of its own."""
    return {place: part for entry, state in found.items() for place, part in _apart(entry, state).items()}


def _apart(entry: str, state: State) -> dict[str, State]:
    if _is_known(state):
        return {entry: state}
    weights, others = state_dicts.weights(state)
    for reading in state_dicts.readings(weights):
        parts: dict[str, State] = {}
        if len(together := state_dicts.parts(reading)) > 1:
            for first, part in together.items():
                parts |= _apart(f"{entry}/{first}" if entry else first, part)
        if any(_is_known(part) for part in parts.values()):
            return {place: {**part, **others} for place, part in parts.items()}  # each says what is left out
    return {entry: state}


def _is_known(state: State) -> bool:
    """Whether a state_dict is a known network, or looks like one."""
    try:
        _recognised(state, None)
    except _MismatchError as error:
        return not error.is_unknown
    except ValueError:
        pass  # it is several
    return True


def candidates(found: Found, architecture: str | Mapping[str, Any] | None) -> list[str]:
    """The places of generators, or where an architecture is named, of all networks that are of it."""
    name = architecture if isinstance(architecture, str) else (architecture or {}).get("name")
    places = []
    for place, state in found.items():
        try:
            network = _recognised(state, architecture)
        except ValueError:
            continue
        if name is not None or network.layout.use.kind == "generator":
            places.append(place)
    return places


def shown_by(layout: Layout, shapes: Shapes) -> Fields | None:
    """The fields that a file in this layout shows; None for a file in another."""
    try:
        shown = layout.fields(shapes)
    except (LookupError, ArithmeticError):
        return None  # a name or an axis that the layout has is not there
    weights = [key for key, shape in shapes.items() if key.endswith(".weight") and len(shape) > 1]
    if (
        shown is not None
        and hasattr(layout.architecture, "spectral_norm")
        and all(f"{key}_u" in shapes for key in weights)
    ):
        return {**shown, "spectral_norm": True}
    return shown


def _fit(layout: Layout, module: Any, state: State, shown: Fields, wanted: Mapping[str, Any]) -> Match:
    """The arrays in our tree; `problems` tells what is missing, left over or of another shape."""
    try:
        names, state = layout.names(module), layout.prepare(state)
        first = state[f"{next(iter(names.values()))}.weight"]
        shapes = {key: array.shape for key, array in state.items()}
        in_channels = layout.in_channels(shapes) if layout.in_channels else first.shape[1]
        tree, _ = networks.shapes(module, in_channels)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"{error}".split("\n")[0].rstrip(".")
        return Match(layout, module, {}, 0, [], [], [f"it cannot be built: {reason}"])

    used: set[str] = set()
    problems: list[str] = []
    zeros: list[str] = []
    constant: set[str] = set()
    singular: dict[str, tuple[float, float]] = {}
    is_normed = getattr(module, "spectral_norm", False)
    leaves = dict(transpose.leaves(tree))
    with_bias = {layer for layer, leaf, _ in leaves if leaf == "bias"}
    folded = _folded(names, with_bias)

    def load(place: tuple[str, str, bool], wanted_shape: tuple[int, ...]) -> np.ndarray:
        layer, leaf, _ = place
        key = f"{names[layer]}.{_LEAVES[leaf]}"
        used.add(key)
        if key not in state:
            biasless = layout.biasless or getattr(module, "norm", "") == "none"
            if leaf in layout.constants:
                constant.add(leaf)
                return np.broadcast_to(np.float32(layout.constants[leaf]), wanted_shape)
            if leaf == "bias" and biasless and f"{names[layer]}.weight" in state:
                zeros.append(key)
            else:
                problems.append(f"{key} is missing")
            return np.broadcast_to(np.float32(0), wanted_shape)
        array = transpose.from_theirs(module, layer, state[key])
        if leaf == "kernel" and f"{key}_u" in state:
            used.update((f"{key}_u", f"{key}_v"))
            if array.shape == wanted_shape:
                divisors = transpose.singular(module, layer, state[key], state[f"{key}_u"], state.get(f"{key}_v"))
                if divisors is None or not divisors[0]:
                    problems.append(f"{key}_u and {key}_v are no vectors of spectral norm")
                    return array
                singular[key] = divisors
                return array if is_normed else array / np.float32(divisors[0])
        if state[key].dtype.hasobject:
            problems.append(f"{key} is no tensor of plain numbers")
        elif array.shape != wanted_shape:
            problems.append(f"{key} has the shape {state[key].shape}, which does not fit")
        elif leaf == "mean" and (bias := f"{folded.get(layer)}.bias") in state:
            used.add(bias)
            if state[bias].shape == wanted_shape:
                return array.astype(np.float32) - state[bias].astype(np.float32)
            problems.append(f"{bias} has the shape {state[bias].shape}, which does not fit")
        elif leaf == "var":
            return array.astype(np.float32) + np.float32(layout.eps - NORM_EPS)
        return array

    arrays = {place: load(place, leaf.shape) for place, leaf in leaves.items()}
    variables = jax.tree_util.tree_map_with_path(lambda path, leaf: arrays[transpose.place(path)], tree)

    notes = [
        f"{field} {value}, as in {layout.project}: no file shows it (--set {field}=VALUE)"
        for field, value in layout.assumed.items()
        if field not in wanted and field not in shown
    ]
    if getattr(module, "norm", "") == "instance" and "norm" not in wanted:
        notes.append("norm instance: biases and no arrays of a norm (--set norm=none if there is none)")
    notes += [f"no {leaf} in the file, {layout.constants[leaf]} here" for leaf in sorted(constant)]
    if layout.eps != NORM_EPS and variables["stats"]:
        notes.append(
            f"batch norm adds {layout.eps} to a variance there and {NORM_EPS} here: the difference is in the running "
            "variances, and remains where statistics are an image's or a batch's own"
        )
    if layout.note:
        notes.append(layout.note)
    if singular and not is_normed:
        notes.append(f"spectral norm is in the kernels, by its vectors in the file: {listed(singular, 3)}")
    unsettled = max((1 - theirs / ours for theirs, ours in singular.values()), default=0.0) if is_normed else 0.0
    if unsettled > _SETTLED:
        notes.append(
            f"spectral norm's vectors have not settled: in evaluation kernels are up to {unsettled:.1%} smaller here, "
            "where v is found anew; in training nothing differs"
        )
    if zeros:
        notes.append(f"no biases in the file, zeros here: {listed(zeros, 3)}")
    lost = []
    rest = [key for key in state if key not in used and not key.endswith(COUNTS)]
    running = [key for key in rest if re.search(r"\.running_(mean|var)$", key) and _norm_is_bare(key, state)]
    if running and getattr(module, "norm", "") == "instance":
        lost.append(
            "instance norm's running statistics, which old PyTorch stored and instance norm never uses, are left out: "
            + listed(running, 3)
        )
        rest = [key for key in rest if key not in running]
    unused = [key for key in rest if re.match(layout.unused, key)]
    if unused:
        lost.append(f"not part of {in_words(module)} and left out: {listed(unused, 3)}")
    lower = sorted({str(array.dtype) for key, array in state.items() if key in used} - {"float32"})
    if lower:
        notes.append(f"{', '.join(lower)} in the file, float32 here")
    problems += [f"{key} has no place" for key in rest if key not in unused]
    return Match(layout, module, variables, in_channels, notes, lost, problems)


def _norm_is_bare(key: str, state: State) -> bool:
    return re.sub(r"running_(mean|var)$", "weight", key) not in state


def written(layout: Layout, module: Any, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Our arrays in a project's names."""
    names, state = layout.names(module), dict[str, np.ndarray]()
    tree = {"params": variables["params"], "stats": variables["stats"]}
    leaves = dict(transpose.leaves(tree))
    for (layer, leaf, _), array in leaves.items():
        if leaf in layout.constants and (np.asarray(array) == np.float32(layout.constants[leaf])).all():
            continue
        state[f"{names[layer]}.{_LEAVES[leaf]}"] = transpose.to_theirs(layout, module, layer, np.asarray(array))
        if leaf == "var":
            state[f"{names[layer]}.running_var"] = np.asarray(array) - np.float32(layout.eps - NORM_EPS)
            state[f"{names[layer]}.{COUNTS}"] = np.zeros((), np.int64)
    for key in [key for key in state if key.endswith(".weight_u")]:
        layer = next(layer for layer, theirs in names.items() if f"{theirs}.weight_u" == key)
        state[f"{names[layer]}.weight_v"] = transpose.right_vector(
            module, layer, state[f"{names[layer]}.weight"], state[key]
        )
    if layout.biased:
        for norm, layer in _folded(names, {layer for layer, leaf, _ in leaves if leaf == "bias"}).items():
            if f"{names[norm]}.running_mean" in state:
                state[f"{layer}.bias"] = np.zeros_like(state[f"{names[norm]}.running_mean"])
    return dict(sorted(state.items()))


def _folded(names: Mapping[str, str], with_bias: set[str]) -> dict[str, str]:
    """Our norms -> the project's convolutions in front of them that have no bias here."""
    folded = {}
    for layer, theirs in names.items():
        norm = layer.replace("/conv", "/norm") if "/conv" in layer else f"{layer}_norm"
        if norm in names and layer not in with_bias:
            folded[norm] = theirs
    return folded


def is_same(read: Any, module: Any, shown: Iterable[str]) -> bool:
    """Whether a written network would be read as what it is."""
    others = {"head", "classes", "norm", "output", "spectral_norm", "upsample"}
    deciding = {*shown, *(others & networks.describe(module).keys())}
    if isinstance(module, VGG):
        deciding -= {"layers", "depth"}  # a choice among the same arrays; VGG16 and VGG19 begin alike
    return all(getattr(read, field) == getattr(module, field) for field in deciding)


def in_words(module: Any) -> str:
    """UNet(depth=8, ...): an architecture with all its fields."""
    described = networks.describe(module)
    fields = {key: value for key, value in described.items() if value is not None and (key, value) not in _USUAL}
    return f"{fields.pop('name')}({', '.join(f'{key}={value!r}' for key, value in fields.items())})"
