"""The state_dicts in a file of PyTorch or Chainer, in PyTorch's names of leaves."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.interop import chainer_file, torch_file
from gan_jax.interop.layouts.layout import State

Found = Mapping[str, State]  # by its place in a file; "" is the file itself

NONE = "it holds no state_dict: no arrays with names like 'model.1.weight'."
COUNTS = "num_batches_tracked"  # batch norm's, of use with another momentum than a constant one
_WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_PARTS = ("generator", "generator_ema", "discriminator", "netG", "netD", "net_g", "net_d")  # of one flat state_dict

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
            continue  # never initialised, or not a network's
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


def find(content: Any, entry: str = "", seen: set[int] | None = None) -> dict[str, State]:
    """Every state_dict in what a file held, by its place in it: {"": ...} where the file is one."""
    seen = set() if seen is None else seen
    if not isinstance(content, Mapping) or id(content) in seen:
        return {}
    seen.add(id(content))  # a file may name one dict many times over
    arrays = {key: np.asarray(value) for key, value in content.items() if hasattr(value, "__array__")}
    if any(isinstance(key, str) and "." in key for key in arrays):
        return _parts(arrays, entry)
    found: dict[str, State] = {}
    for key, value in content.items():
        if isinstance(key, str) and entry.count("/") < 3:
            found |= find(value, f"{entry}/{key}" if entry else key, seen)
    return found


def _parts(state: Mapping[Any, np.ndarray], entry: str) -> dict[str, State]:
    """A flat state_dict of several networks, as mmagic writes it, apart."""
    state = {str(key): array for key, array in state.items()}
    for wrapper in _WRAPPERS:
        if all(key.startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): array for key, array in state.items()}
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, array in state.items():
        part, _, rest = key.partition(".")
        parts.setdefault(part if part in _PARTS else "", {})[rest if part in _PARTS else key] = array
    if set(parts) == {""}:
        return {entry: state}
    return {f"{entry}/{part}" if entry else part: arrays for part, arrays in parts.items() if part}


def choose(found: Found, entry: str | None) -> tuple[State, str | None]:
    """The state_dict to convert, and a note where there was a choice. Raises ValueError where nothing decides."""
    if not found:
        raise ValueError(NONE)
    if entry is not None:
        if entry not in found:
            raise ValueError(f"it has no entry {entry!r}; its state_dicts are {listed(found)}.")
        return found[entry], None
    if len(found) == 1:
        (state,) = found.values()
        return state, None
    averaged = [name for name in found if name.endswith("_ema")]
    if len(averaged) == 1 and set(found) == {averaged[0], averaged[0].removesuffix("_ema")}:
        note = f"{averaged[0]}, the moving average, rather than {averaged[0].removesuffix('_ema')} (--entry)"
        return found[averaged[0]], note
    raise ValueError(f"it holds several state_dicts ({listed(found)}); choose one with --entry.")


def listed(parts: Iterable[str], limit: int = 8) -> str:
    """The first names in a sentence."""
    parts = sorted(parts)
    more = f" and {len(parts) - limit} more" if len(parts) > limit else ""
    return ", ".join(parts[:limit]) + more
