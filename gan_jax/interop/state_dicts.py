"""The state_dicts in a file of PyTorch or Chainer, and the names that their arrays may be known by."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.interop import chainer_file, safe_pickle, torch_file
from gan_jax.interop.naming.layout import State

__all__ = ["COUNTS", "Found", "as_torch_spells", "choose", "find", "listed", "load", "parts", "readings", "weights"]
__dir__ = __all__.copy

Found = Mapping[str, State]  # by its place in a file; "" is the file itself

_NONE = "it holds no state_dict: no arrays with names like 'model.1.weight'."
COUNTS = "num_batches_tracked"  # batch norm's, of use with another momentum than a constant one
# What DataParallel, torch.compile, FSDP, activation checkpointing and Lightning's Fabric put into names, at any place.
_WRAPPERS = frozenset(
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module", "_forward_module"]
)
_LEAVES = frozenset(["weight", "bias", "running_mean", "running_var", COUNTS, "weight_u", "weight_v"])
_PROFILED = ("total_ops", "total_params")  # thop's, of floats

_CHAINER = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
_CHAINER |= {"avg_mean": "running_mean", "avg_var": "running_var", "N": COUNTS}


def load(path: str | Path) -> Any:
    """What a file holds: dicts of arrays, Chainer's by PyTorch's names. Raises as `torch_file.load` does."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; name a .pth, .pt, .safetensors or .npz file.")
    if path.suffix == ".npz" or chainer_file.is_snapshot(path):
        return _with_its_half(path, _torch_names(chainer_file.load(path)))
    return torch_file.load(path)


def _torch_names(arrays: Mapping[str, np.ndarray | None]) -> dict[str, Any]:
    """Chainer's names as torch's; a trainer's snapshot holds several models, by name."""
    content: dict[str, Any] = {}
    for name, array in arrays.items():
        if array is None or "optimizer:" in name:
            continue  # never initialized, or not a network's
        model = re.match(r"updater/model:([^/]+)/(?:predictor/)?(.*)", name)
        if "/" in name and model is None and name.startswith(("updater/", "extensions/", "trainer/", "_snapshot")):
            continue
        node = content.setdefault(model[1], {}) if model else content
        *layer, leaf = (model[2] if model else name).split("/")
        node[".".join([*layer, _CHAINER.get(leaf, leaf) if layer else leaf])] = array
    return content


def _with_its_half(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file, and the encoder or decoder that chainer-pix2pix saves in a file of its own beside it."""
    if "c0.weight" in content and "c1.batchnorm.weight" in content:
        half, other = "enc", "dec"
    elif "c0.batchnorm.weight" in content:
        half, other = "dec", "enc"
    elif {"enc", "dec"} <= content.keys():  # a trainer's snapshot holds both
        return {"enc+dec": _joined(content.pop("enc"), content.pop("dec")), **content}
    else:
        return content
    beside = path.with_name(path.name.replace(half, other, 1))
    if not path.name.startswith(half) or not beside.is_file():
        raise chainer_file.ChainerFileError(
            f"{path} is half of chainer-pix2pix's generator; name the two {half}NAME.npz and {other}NAME.npz and put "
            "them into one folder."
        )
    halves = {half: content, other: _torch_names(chainer_file.load(beside))}
    return {"enc+dec": _joined(halves["enc"], halves["dec"])}


def _joined(encoder: Mapping[str, Any], decoder: Mapping[str, Any]) -> dict[str, Any]:
    return {f"enc.{key}": array for key, array in encoder.items()} | {
        f"dec.{key}": array for key, array in decoder.items()
    }


def find(content: Any) -> dict[str, State]:
    """Every state_dict in what a file held, by its place in it: {"": ...} where the file is one.

    Raises ValueError where there is none.
    """
    if states := _found(content, "", set()):
        return states
    unknown = torch_file.unknown_names(content)
    raise ValueError(f"{torch_file.unknown_in_words(unknown)}." if unknown else _NONE)


def _found(content: Any, entry: str, seen: set[int]) -> dict[str, State]:
    if not isinstance(content, Mapping) or id(content) in seen:
        return {}
    seen.add(id(content))  # a file may name one dict many times over
    arrays = {
        str(key): np.asarray(value, object if isinstance(value, safe_pickle.Unknown) else None)
        for key, value in content.items()
        if hasattr(value, "__array__") or isinstance(value, safe_pickle.Unknown)
    }
    if any(
        "." in name and not array.dtype.hasobject and not _is_no_weight(name, array) for name, array in arrays.items()
    ):
        return {entry: arrays}
    states: dict[str, State] = {}
    for key, value in content.items():
        if isinstance(key, str) and entry.count("/") < 3:
            states |= _found(value, f"{entry}/{key}" if entry else key, seen)
    return states


def weights(state: State) -> tuple[State, State]:
    """The arrays that a network may have learned, spectral norm's as weight, weight_u and weight_v; and all others.

    The others are counters, flags and indices: whole numbers and single ones of names that no layer has.
    """
    kept: dict[str, np.ndarray] = {}
    others: dict[str, np.ndarray] = {}
    for name, array in _spelled(state).items():
        (others if _is_no_weight(name, array) else kept)[name] = array
    return kept, others


def _is_no_weight(name: str, array: np.ndarray) -> bool:
    leaf = name.rpartition(".")[2]
    single = array.ndim == 0 or (array.size == 1 and leaf == name)  # beside the layers, not in one
    return leaf not in _LEAVES and (single or array.dtype.kind in "biuOSU" or leaf in _PROFILED)


def _spelled(state: State) -> State:
    """torch.nn.utils.spectral_norm's names and those of its successor, parametrizations.spectral_norm, as one."""
    plain, normed = {}, {}
    for name, array in state.items():
        layer, is_new, part = name.partition(".parametrizations.weight.")
        if is_new and part in ("0._u", "0._v"):
            plain[f"{layer}.weight_{part[-1]}"] = array
        elif is_new and part in ("original", "original0") and f"{layer}{is_new}0._u" in state:
            normed[f"{layer}.weight"] = array
        elif name.endswith(".weight_orig"):
            normed[name.removesuffix("_orig")] = array
        else:
            plain[name] = array
    return {**plain, **normed}  # old PyTorch wrote the normed kernel too


def as_torch_spells(state: State) -> dict[str, np.ndarray]:
    """The way back: kernels under spectral norm are weight_orig."""
    return {f"{name}_orig" if f"{name}_u" in state else name: array for name, array in state.items()}


def readings(state: State) -> Iterator[State]:
    """The same arrays by all names that they may be known by: as they are, without what wrappers put into them, and
    then without what all names begin with, a part at a time.
    """
    yield state
    bare = {".".join(part for part in name.split(".") if part not in _WRAPPERS): state[name] for name in state}
    if len(bare) < len(state):
        bare = dict(state)
    if bare.keys() != state.keys():
        yield bare
    while len(firsts := {name.partition(".")[:2] for name in bare}) == 1 and firsts.pop()[1]:
        bare = {name.partition(".")[2]: array for name, array in bare.items()}
        yield bare


def parts(state: State) -> dict[str, State]:
    """The arrays by the first part of their names, and without it."""
    apart: dict[str, dict[str, np.ndarray]] = {}
    for name, array in state.items():
        first, _, rest = name.partition(".")
        apart.setdefault(first, {})[rest] = array
    return dict(apart)


def choose(states: Found, entry: str | None, allowed: Collection[str]) -> tuple[State, str | None]:
    """The state_dict to convert, and a note where there was a choice: the only one `allowed`, or a moving average.

    Raises ValueError where nothing decides.
    """
    if entry is not None:
        if entry not in states:
            raise ValueError(f"it has no entry {entry!r}; its state_dicts are {listed(states)}.")
        return states[entry], None
    if len(states) == 1:
        (state,) = states.values()
        return state, None
    among = list(allowed or states)
    if len(among) == 1:
        others = listed(name for name in states if name not in among)
        return states[among[0]], f"{among[0]}, the only generator there; not {others} (--entry)"
    for averaged, plain in (among, among[::-1]) if len(among) == 2 else ():
        if _is_average(averaged, plain):
            return states[averaged], f"{averaged}, the moving average, rather than {plain} (--entry)"
    raise ValueError(f"it holds several state_dicts ({listed(states)}); choose one with gan-jax convert --entry NAME.")


def _is_average(averaged: str, plain: str) -> bool:
    """Whether the names are as params_ema and params, ema_model and online_model, ema and model."""
    words = averaged.rpartition("/")[2].split("_")
    rest = "_".join(word for word in words if word != "ema")
    return (
        "ema" in words
        and "ema" not in plain.split("_")
        and f"_{plain.rpartition('/')[2]}".endswith(rest and f"_{rest}")
    )


def listed(parts: Iterable[str], limit: int = 8) -> str:
    """The first names in a sentence."""
    parts = sorted(parts)
    more = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + more
