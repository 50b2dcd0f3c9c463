"""What a model's file, a run's folder or a checkpoint is, in words."""

import json
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_jax import folders, networks
from gan_jax import model as models
from gan_jax.folders import RunFolder
from gan_jax.interop import convert
from gan_jax.training import checkpoint

__all__ = ["describe"]
__dir__ = __all__.copy

# Flags of several numbers that are typed as one word, and what is between these.
_IN_ONE_WORD = {"load_size": "x", "crop_size": "x", "input_values": ":", "output_values": ":"}
_WIDTH = 100  # of the lines that flags fill


def describe(path: str | Path, *, every_flag: bool = False) -> str:
    """Several lines of text, of a run's flags those that differ from their defaults, or every one.

    Raises FileNotFoundError or ValueError for anything else.
    """
    path = Path(path)
    if path.is_file():
        return convert.describe(path) if models.is_foreign(path) else _model(path)
    if folders.is_export(path):
        return _model(models.find(path))
    if folders.is_run(path):
        return _run(path, every_flag)
    if checkpoint.is_checkpoint(path):
        return _checkpoint(path)
    run = RunFolder(path.parent.parent)
    if path.parent in (run.kept, run.recent) and path.is_dir():
        return "\n".join(_model(file) for file in sorted(path.glob("*.safetensors")))
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    raise ValueError(
        f"{path} is no run's folder (it has no config.json) and no checkpoint; "
        "name one of those, or a .safetensors file."
    )


def _model(path: Path) -> str:
    model = models.load(path)
    spec = model.spec
    architecture = dict(spec.architecture)
    name = architecture.pop("name")
    fields = ", ".join(f"{field} {value}" for field, value in sorted(architecture.items()))
    lines = [
        f"{path}: {spec.kind} of {spec.method} after {spec.step} steps",
        f"  {name} ({fields}), {model.parameter_count:,} parameters",
    ]
    if spec.kind != "generator":
        output = "logits" if spec.kind == "critic" else "maps"
        return "\n".join([*lines, f"  {spec.in_channels} channels in {list(spec.input_range)} -> {output}"])
    inputs, output = model.module.input_spec(spec.in_channels), networks.shapes(model.module, spec.in_channels)[1]
    if len(inputs[0].shape) == 2:
        numbers = f"{spec.out_channels} numbers"
        if len(output.shape) == 4:
            numbers = f"{output.shape[2]}x{output.shape[1]} pixels of {spec.out_channels} channels"
        numbers += f" in {list(spec.output_range)}"
        drawn = f"{spec.latent} latents" if spec.latent else "latents"
        classes = [f"  classes: {spec.classes_in_words}"] if spec.classes else []
        return "\n".join([*lines, f"  {drawn} of {spec.in_channels} numbers -> {numbers}", *classes])
    statistics = "each image's own statistics" if spec.norm == "image" else "running statistics"
    learned_from = [] if spec.degradation is None else [f"  learned from {_degradation(spec.degradation)}"]
    return "\n".join(
        [
            *lines,
            f"  {spec.in_channels} channels in {list(spec.input_range)} -> "
            f"{spec.out_channels} channels in {list(spec.output_range)}, scale {spec.scale}",
            *_arrays(spec),
            *(["  the light of the input stays; the network makes a and b of Lab"] if spec.colors else []),
            f"  any size; padded to multiples of {spec.size_multiple}",
            f"  at test time: {statistics}, dropout {'on' if spec.dropout else 'off'}",
            *learned_from,
        ]
    )


def _arrays(spec: models.ModelSpec) -> list[str]:
    """What numbers the channels of files are, in words; none of a generator of images."""
    if spec.input_values is None or spec.output_values is None:
        return []
    return [f"  {spec.bands} as channels: {spec.input_values.words} -> {spec.output_values.words}"]


def _degradation(fields: Mapping[str, Any]) -> str:
    # Not the tables of the stages.
    shown = {name: value for name, value in fields.items() if name != "name" and not isinstance(value, Mapping)}
    parameters = ", ".join(f"{name} {value}" for name, value in sorted(shown.items()))
    return f"{fields['name']} ({parameters})"


def _run(path: Path, every_flag: bool) -> str:
    try:
        return _run_in_words(path, json.loads(RunFolder(path).config.read_text()), every_flag)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{RunFolder(path).config} is damaged; the run cannot be described.") from None


def _run_in_words(path: Path, config: dict[str, Any], every_flag: bool) -> str:
    lines = [f"{path}: run {config['name']} of {config['method']}"]
    if "steps" in config:
        lines[0] += f", {checkpoint.latest_step(RunFolder(path).checkpoints) or 0} of {config['steps']} steps done"
    recipe = config["recipe"]
    # An older run, and one that has settings of its own, does not say what was changed.
    shown = list(recipe) if every_flag else config.get("changed", list(recipe))
    # A flag and its value stay on one line: textwrap does not break at this space.
    words = " ".join(_flag(name, recipe[name]).replace(" ", "\xa0") for name in shown)
    wrapped = textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    lines += [f"  {line}".replace("\xa0", " ") for line in wrapped]
    if len(shown) < len(recipe):
        lines.append(f"  {len(recipe) - len(shown)} more flags have their defaults; --all shows them")
    trained = {name: net for name, net in config.get("networks", {}).items() if "parameters" in net}
    lines += [f"  {name}: {net['parameters']:,} parameters" for name, net in trained.items()]
    lines += [f"  {file.name}" for file in sorted(path.glob("*.safetensors"))]
    if kept := folders.kept(path):
        lines.append(f"  kept: step {', '.join(map(str, kept))}")
    return "\n".join(lines)


def _flag(name: str, value: Any) -> str:
    """A flag as it is typed; the preset has no name."""
    if value is True:
        return f"--{name}"
    if name in _IN_ONE_WORD and isinstance(value, list):
        value = _IN_ONE_WORD[name].join(f"{part:.10g}" for part in value)
    words = " ".join(shlex.quote(str(part)) for part in (value if isinstance(value, list) else [value]))
    return words if name == "preset" else f"--{name} {words}"


def _checkpoint(path: Path) -> str:
    damage = checkpoint.damage(path)
    state = "whole" if damage is None else damage
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return f"{path}: checkpoint after {path.name} steps, {size / 2**20:.1f} MiB, {state}"
