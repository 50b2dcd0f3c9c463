"""Which network a state_dict is: all layouts are tried, and names and shapes decide."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
_LEAVES |= {"scale": "weight", "slope": "weight", "u": "weight_u", "v": "weight_v"}

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
    network = _recognized(state, architecture)
    # Only now are arrays copied.
    variables = jax.tree.map(lambda array: np.array(array, np.float32, order="C"), network.variables)
    places = jax.tree_util.tree_leaves_with_path(variables)
    if broken := [transpose.place(path)[0] for path, array in places if not np.isfinite(array).all()]:
        raise ValueError(f"it holds values that are not finite, in {listed(set(broken), 3)}; take another checkpoint.")
    return network._replace(variables=variables)


def _recognized(state: State, architecture: str | Mapping[str, Any] | None) -> Match:
    asked: dict[str, Any] = {"name": architecture} if isinstance(architecture, str) else dict(architecture or {})
    name = asked.pop("name", None)
    if name is not None and name not in networks.catalogue():
        raise ValueError(f"no architecture is called {name!r}; there are {listed(networks.catalogue())}.")
    weights, others = state_dicts.weights(state)
    mismatches: list[_MismatchError] = []
    for reading in state_dicts.readings(weights):
        try:
            network = _read(reading, name, asked)
        except _MismatchError as error:
            # A name that is cut looks like many, so that most of the arrays have to fit.
            if not mismatches or 2 * error.distance[1] < len(reading):
                mismatches.append(error)
        else:
            left_out = [f"no weights of a layer and left out: {listed(others)}"] if others else []
            return network._replace(lost=[*network.lost, *left_out])
    raise min(mismatches, key=lambda error: error.distance)


def _read(state: State, name: str | None, asked: Mapping[str, Any]) -> Match:
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
            module = networks.build({"name": layout.architecture.__name__, **layout.assumed, **shown, **asked})
            tried.append(_fit(layout, module, state, shown, asked))
    fitting = [network for network in tried if not network.problems]
    if len(fitting) > 1:
        names = listed(f"{network.layout.architecture.__name__} of {network.layout.project}" for network in fitting)
        raise ValueError(f"several networks fit ({names}); choose one with gan-jax convert --architecture NAME.")
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


def apart(states: Found) -> dict[str, State]:
    """The same, but what is no known network and has parts that are, by these parts, each at a place of its own."""
    return {place: part for entry, state in states.items() for place, part in _apart(entry, state).items()}


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
        _recognized(state, None)
    except _MismatchError as error:
        return not error.is_unknown
    except ValueError:
        pass  # it is several
    return True


def candidates(states: Found, architecture: str | Mapping[str, Any] | None) -> list[str]:
    """The places of generators, or where an architecture is named, of all networks that are of it."""
    name = architecture if isinstance(architecture, str) else (architecture or {}).get("name")
    places = []
    for place, state in states.items():
        try:
            network = _recognized(state, architecture)
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


class _Leaf(NamedTuple):
    """One of our arrays, and what the file has of it."""

    array: np.ndarray
    used: tuple[str, ...]  # names of the arrays in the file that it is made of
    problem: str | None = None  # why it is not the network's
    constant: str | None = None  # its own name, where the layout says its value
    zeros: str | None = None  # the name of a bias that the file lacks
    divisor: float | None = None  # of a kernel that was under spectral norm, which ours has not


class _Named(NamedTuple):
    """A state_dict in a layout's names, to be read as a module."""

    layout: Layout
    module: Any
    state: State
    names: Mapping[str, str]  # our layer -> theirs
    folded: Mapping[str, str]  # our norm -> their layer in front of it, whose bias is in the mean
    normed: Collection[str]  # our layers under spectral norm

    def leaf(self, place: tuple[str, str, bool], shape: tuple[int, ...]) -> _Leaf:
        """The array of a place in our tree, which is of this shape."""
        layer, leaf, _ = place
        key = f"{self.names[layer]}.{_LEAVES[leaf]}"
        if key not in self.state:
            return self._absent(layer, leaf, key, shape)
        if leaf == "v":
            return self._right_vector(layer, key)
        read = _Leaf(transpose.from_theirs(self.module, layer, self.state[key]), (key,))
        if leaf == "kernel" and f"{key}_u" in self.state:
            read = read._replace(used=(key, f"{key}_u", f"{key}_v"))
            if read.array.shape == shape:
                return self._normed(layer, key, read)
        if self.state[key].dtype.hasobject:
            return read._replace(problem=f"{key} is no tensor of plain numbers")
        if read.array.shape != shape:
            return read._replace(problem=self._misfit(key))
        if leaf == "mean" and (bias := f"{self.folded.get(layer)}.bias") in self.state:
            return self._without_bias(bias, read)
        if leaf == "var":
            return read._replace(array=read.array.astype(np.float32) + np.float32(self.layout.eps - NORM_EPS))
        return read

    def _misfit(self, key: str) -> str:
        return f"{key} has the shape {self.state[key].shape}, which does not fit"

    def _absent(self, layer: str, leaf: str, key: str, shape: tuple[int, ...]) -> _Leaf:
        if leaf in self.layout.constants:
            value = np.float32(self.layout.constants[leaf])
            return _Leaf(np.broadcast_to(value, shape), (), constant=leaf)
        zeros = _Leaf(np.broadcast_to(np.float32(0), shape), ())
        biasless = self.layout.biasless or getattr(self.module, "norm", "") == "none"
        if leaf == "bias" and biasless and f"{self.names[layer]}.weight" in self.state:
            return zeros._replace(zeros=key)
        return zeros._replace(problem=f"{key} is missing")

    def _normed(self, layer: str, key: str, read: _Leaf) -> _Leaf:
        """A kernel under spectral norm: as it is, or, where ours has none, divided by what the file's divides by."""
        divisor = self._divisor(layer, key)
        if not divisor:
            return read._replace(problem=f"{key}_u and {key}_v are no vectors of spectral norm")
        if layer in self.normed:
            return read
        return read._replace(array=read.array / np.float32(divisor), divisor=divisor)

    def _divisor(self, layer: str, key: str) -> float | None:
        u, v = (self.state.get(f"{key}_{vector}") for vector in "uv")
        return None if u is None or v is None else transpose.singular(self.module, layer, self.state[key], u, v)

    def _right_vector(self, layer: str, key: str) -> _Leaf:
        """Where it does not fit, or has no kernel, its kernel's problem says so."""
        kernel, v = self.state.get(f"{self.names[layer]}.weight"), self.state[key]
        if kernel is None or v.size != np.prod(kernel.shape[1:]):
            return _Leaf(v, (key,))
        return _Leaf(transpose.right_from_theirs(self.module, layer, kernel, v), (key,))

    def _without_bias(self, bias: str, read: _Leaf) -> _Leaf:
        """A running mean, from which the bias in front of its norm is taken."""
        read = read._replace(used=(*read.used, bias))
        if self.state[bias].shape != read.array.shape:
            return read._replace(problem=self._misfit(bias))
        return read._replace(array=read.array.astype(np.float32) - self.state[bias].astype(np.float32))


def _fit(layout: Layout, module: Any, state: State, shown: Fields, asked: Mapping[str, Any]) -> Match:
    """The arrays in our tree; `problems` tells what is missing, left over or of another shape."""
    try:
        names = layout.names(module)
        state = _with_right_vectors(module, names, layout.prepare(state))
        first = state[f"{next(iter(names.values()))}.weight"]
        shapes = {key: array.shape for key, array in state.items()}
        in_channels = layout.in_channels(shapes) if layout.in_channels else first.shape[1]
        tree, _ = networks.shapes(module, in_channels)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"{error}".split("\n")[0].rstrip(".")
        return Match(layout, module, {}, 0, [], [], [f"it cannot be built: {reason}"])

    wanted_leaves = dict(transpose.leaves(tree))
    folded = _folded(names, {layer for layer, leaf, _ in wanted_leaves if leaf == "bias"})
    normed = {layer for layer, leaf, _ in wanted_leaves if leaf == "u"}
    named = _Named(layout, module, state, names, folded, normed)
    leaves = {place: named.leaf(place, leaf.shape) for place, leaf in wanted_leaves.items()}
    variables = jax.tree_util.tree_map_with_path(lambda path, leaf: leaves[transpose.place(path)].array, tree)
    lost, homeless = _left_over(named, {key for leaf in leaves.values() for key in leaf.used})
    problems = [leaf.problem for leaf in leaves.values() if leaf.problem]
    return Match(
        layout,
        module,
        variables,
        in_channels,
        _assumptions(layout, module, shown, asked) + _notes(named, list(leaves.values())),
        lost,
        [*problems, *(f"{key} has no place" for key in homeless)],
    )


def _with_right_vectors(module: Any, names: Mapping[str, str], state: State) -> State:
    """The same with the vectors v of spectral norm, which PyTorch before 1.1 found anew from u in each pass."""
    found = {}
    for layer, theirs in names.items():
        kernel, u = state.get(f"{theirs}.weight"), state.get(f"{theirs}.weight_u")
        if kernel is not None and u is not None and f"{theirs}.weight_v" not in state and kernel.ndim > 1:
            found[f"{theirs}.weight_v"] = transpose.right_vector(module, layer, kernel, u)
    return {**state, **found}


def _assumptions(layout: Layout, module: Any, shown: Fields, asked: Mapping[str, Any]) -> list[str]:
    """What is taken from the project, because neither the file shows it nor the user says it."""
    notes = [
        f"{field} {value}, as in {layout.project}: no file shows it (--set {field}={_other(value)})"
        for field, value in layout.assumed.items()
        if field not in asked and field not in shown
    ]
    if getattr(module, "norm", "") == "instance" and "norm" not in asked:
        notes.append("norm instance: biases and no arrays of a norm (--set norm=none if there is none)")
    return notes


def _other(value: Any) -> str:
    """What is written in place of a field's value: of a boolean there is one."""
    return str(not value).lower() if isinstance(value, bool) else "VALUE"


def _notes(named: _Named, leaves: Sequence[_Leaf]) -> list[str]:
    """What is to be told of the arrays."""
    layout, state = named.layout, named.state
    used = {key for leaf in leaves for key in leaf.used}
    constants = sorted({leaf.constant for leaf in leaves if leaf.constant})
    notes = [f"no {leaf} in the file, {layout.constants[leaf]} here" for leaf in constants]
    if layout.eps != NORM_EPS and any(key.endswith("running_var") for key in used):
        notes.append(
            f"batch norm adds {layout.eps} to a variance there and {NORM_EPS} here: the difference is in the running "
            "variances, and remains where statistics are an image's or a batch's own"
        )
    if layout.note:
        notes.append(layout.note)
    if divided := [leaf.used[0] for leaf in leaves if leaf.divisor]:
        notes.append(f"spectral norm is in the kernels, by its vectors in the file: {listed(divided, 3)}")
    if zeros := [leaf.zeros for leaf in leaves if leaf.zeros]:
        notes.append(f"no biases in the file, zeros here: {listed(zeros, 3)}")
    if lower := {str(array.dtype) for key, array in state.items() if key in used} - {"float32"}:
        notes.append(f"{', '.join(sorted(lower))} in the file, float32 here")
    return notes


def _left_over(named: _Named, used: Collection[str]) -> tuple[list[str], list[str]]:
    """What is told of arrays that are left out, and the names of those that have no place at all."""
    layout, module, state = named.layout, named.module, named.state
    lost = []
    rest = [key for key in state if key not in used and not key.endswith(COUNTS)]
    running = [key for key in rest if re.search(r"\.running_(mean|var)$", key) and _norm_is_bare(key, state)]
    if running and getattr(module, "norm", "") == "instance":
        lost.append(
            "instance norm's running statistics, which old PyTorch stored and instance norm never uses, are left out: "
            + listed(running, 3)
        )
        rest = [key for key in rest if key not in running]
    if unused := [key for key in rest if re.match(layout.unused, key)]:
        lost.append(f"not part of {in_words(module)} and left out: {listed(unused, 3)}")
    return lost, [key for key in rest if key not in unused]


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
        key, array = f"{names[layer]}.{_LEAVES[leaf]}", np.asarray(array)
        if leaf == "v":
            state[key] = transpose.right_to_theirs(layout, module, layer, leaves[layer, "kernel", False], array)
        else:
            state[key] = transpose.to_theirs(layout, module, layer, array)
        if leaf == "var":
            state[f"{names[layer]}.running_var"] = array - np.float32(layout.eps - NORM_EPS)
            state[f"{names[layer]}.{COUNTS}"] = np.zeros((), np.int64)
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
