"""Other projects' weights as ours, and ours as theirs.

A `Layout` says how one project names and stores one architecture. Reading tries all of them; names and shapes decide.
What they cannot show is taken from the project's defaults, and every such choice is told in a note.
"""

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import safetensors.numpy

from gan_jax import files, networks
from gan_jax.interop import chainer_file, state_dicts, torch_file
from gan_jax.interop.match import Match, apart, candidates, in_words, is_same, match, shown_by, written
from gan_jax.interop.naming import LAYOUTS
from gan_jax.interop.naming.layout import Layout
from gan_jax.model import Model, ModelSpec

__all__ = ["Converted", "describe", "fields", "from_torch", "generator", "read", "to_torch", "write_torch"]
__dir__ = __all__.copy


class Converted(NamedTuple):
    """A converted network: `generator` is ready to be saved, `notes` say what the file did not show or lost."""

    generator: Model
    layout: Layout
    notes: tuple[str, ...]


def from_torch(
    state_dict: Mapping[str, Any], architecture: str | Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Our module for a state_dict, and its variables {"params": ..., "stats": ...}, float32 arrays.

    The state_dict holds arrays (or tensors in memory), and may lie inside other dicts, as `torch_file.load` returns it.

    `architecture` settles what the arrays cannot show: a name of `networks.catalogue()`, or fields such as
    {"padding": "replicate"}, as `networks.describe` writes them. `read` also tells what had to be assumed.
    Warns of arrays that have no use here, such as instance norm's running statistics. Raises ValueError where no
    architecture or several fit, naming what is missing, left over or of another shape.
    """
    network = _chosen(state_dict, None, architecture)
    for note in network.lost:
        warnings.warn(note, stacklevel=2)
    return network.module, network.variables


def to_torch(module: Any, variables: Mapping[str, Any], project: str | None = None) -> dict[str, np.ndarray]:
    """The way back: a project's names and arrays, the first in `LAYOUTS` unless named; bit-equal to what was read.

    Not so for what reading takes out: counts of batches are 0, and so are biases in front of batch norm, whose
    effect is in the running means. Raises ValueError where the project's network is not this one.
    """
    layouts = [layout for layout in LAYOUTS if isinstance(module, layout.architecture) and layout.writable]
    layouts = [layout for layout in layouts if project in (None, layout.project)]
    for layout in layouts:
        state = written(layout, module, variables)
        shown = shown_by(layout, {name: array.shape for name, array in state.items()})
        if shown is not None and is_same(layout.architecture(**shown), module, shown):
            return state_dicts.as_torch_spells(state)
    known = ", ".join(sorted({layout.project for layout in LAYOUTS if isinstance(module, layout.architecture)}))
    raise ValueError(
        f"no PyTorch network of {project or 'a known project'} is this {in_words(module)}; "
        f"its architecture is known from {known or 'none'}."
    )


def read(
    path: str | Path,
    *,
    entry: str | None = None,
    architecture: str | Mapping[str, Any] | None = None,
    input_range: tuple[float, float] | None = None,
    output_range: tuple[float, float] | None = None,
    norm: Literal["image", "running"] | None = None,
    dropout: bool | None = None,
) -> Converted:
    """The network in a .pth, .pt, .safetensors or Chainer .npz file, with its use as the source project has it.

    `entry` names a state_dict where the file holds several; `architecture` as in `from_torch`; the others replace
    what the project does. Raises FileNotFoundError, and ValueError where nothing is recognized, in one sentence.
    """
    try:
        network = _chosen(state_dicts.load(Path(path)), entry, architecture)
    except (torch_file.TorchFileError, chainer_file.ChainerFileError):
        raise  # they name the file themselves
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    layout, module = network.layout, network.module
    use = layout.use
    has_statistics, has_dropout = "batch_stats" in network.variables["stats"], bool(getattr(module, "dropout", 0))
    if norm == "running" and not has_statistics:
        raise ValueError(f'{path}: norm cannot be "running": this network has no running statistics.')
    if dropout and not has_dropout:
        raise ValueError(f"{path}: dropout cannot be on: this network has no dropout layers.")
    spec = ModelSpec(
        architecture=networks.describe(module),
        in_channels=network.in_channels,
        method=use.method,
        norm=norm or (use.norm if has_statistics else "image"),
        dropout=use.norm == "image" and has_dropout if dropout is None else dropout,
        input_range=input_range or use.input_range,
        output_range=output_range or use.output_range,
        kind=use.kind,
        latent=use.latent,
        # What pytorch-CycleGAN-and-pix2pix's --model colorization trains, the only one of these channels.
        colors="lab" if (network.in_channels, getattr(module, "out_channels", None)) == (1, 2) else None,
    )
    notes = [*network.notes, *network.lost]
    if spec.colors:
        notes.append("one channel becomes two: a and b of Lab, for the lightness of the input")
    if use.kind == "generator":
        if None in (input_range, output_range):
            ranges = f"{list(spec.input_range)} -> {list(spec.output_range)}"
            notes.append(f"images in {ranges}, as in {layout.project} (--input_range, --output_range)")
        if norm is None and has_statistics:
            statistics = "each image's own statistics" if spec.norm == "image" else "running statistics"
            notes.append(f"{statistics} at test time, as in {use.why or layout.project} (--norm)")
        if dropout is None and has_dropout:
            notes.append(
                f"dropout {'on' if spec.dropout else 'off'} at test time, as in {use.why or layout.project} (--dropout)"
            )
    return Converted(Model(spec, network.variables), layout, tuple(notes))


def generator(path: str | Path, **options: Any) -> Model:
    """What is in a file of another program, ready for `infer.translate`; options and errors are those of `read`."""
    return read(path, **options).generator


def describe(path: str | Path) -> str:
    """What a file of another program is, in several lines. Raises FileNotFoundError, and ValueError for any other."""
    content = state_dicts.load(Path(path))
    try:
        states = state_dicts.find(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    lines = []
    for entry, state in apart(states).items():
        count = sum(array.size for array in state.values())
        lines.append(f"{path}{f' [{entry}]' if entry else ''}: {len(state)} arrays, {count:,} numbers")
        try:
            network = match(state, None)
        except ValueError as error:
            lines.append(f"  {error}")
            continue
        lines.append(f"  {in_words(network.module)}, named as in {network.layout.project}")
        lines += [f"  {note}" for note in [*network.notes, *network.lost]]
        lines.append(f"  gan-jax convert {path} OUT.safetensors{f' --entry {entry}' if entry else ''} makes it ours")
    return "\n".join(lines)


def write_torch(path: str | Path, model: Model, project: str | None = None) -> None:
    """Writes a model as .safetensors in a project's names, for `load_state_dict(load_file(path))`.

    Raises ValueError as `to_torch` does.
    """
    content = safetensors.numpy.save(to_torch(model.module, model.variables, project))
    files.write(path, content)


def fields(settings: Iterable[str]) -> dict[str, Any]:
    """["padding=replicate", "dropout=0"] as fields for `architecture`. Raises ValueError for anything else."""
    values = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not name or not separator:
            raise ValueError(f"{setting!r} sets nothing; write FIELD=VALUE, as in padding=replicate.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _chosen(content: Any, entry: str | None, architecture: str | Mapping[str, Any] | None) -> Match:
    states = apart(state_dicts.find(content))
    state, note = state_dicts.choose(states, entry, candidates(states, architecture) if len(states) > 1 else ())
    network = match(state, architecture)
    return network._replace(notes=[note, *network.notes]) if note else network
