"""A generator's model card, as Hugging Face shows it: what it is, what it was made from, and how it scored."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gan_jax import folders, scores
from gan_jax.log import number
from gan_jax.model import Model
from gan_jax.report import read

__all__ = ["run_of", "write"]
__dir__ = __all__.copy

_PLACES = ("name", "checkpoints_dir", "compile_cache")  # settings that say nothing of what was trained
_LICENSE = "unknown"  # Hugging Face's word; which it is only who trained the model can say


def run_of(file: str | Path) -> Path | None:
    """The run that a generator's file is in, or is kept in; None where it lies anywhere else."""
    folder = Path(file).parent
    run = folders.RunFolder(folder.parent.parent if folder.parent.name in ("kept", "recent") else folder)
    return run.path if folders.is_run(run.path) else None


def write(generator: Model, name: str, run: str | Path | None = None) -> str:
    """The text of a README.md: a header of metadata in YAML, then Markdown, of a generator and the run that made it.

    Scores are told where the run tested this very generator. Raises ValueError where a file of the run is broken.
    """
    config, table = ({}, {}) if run is None else read.description(run)
    if table.get("step") != generator.spec.step:
        table = {}
    parts = [
        _header(generator, name, config, table),
        f"# {name}",
        "<!-- In a sentence: what does it make of what, and what for? -->",
        _what(generator),
        _use(generator, name),
        _data(config),
        _recipe(config),
        _scores(table),
        "## License\n\nNot said yet: who trained it fills in this line, and `license:` at the top. The license of the "
        "images that it learned from may have a say in it.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(generator: Model, name: str, config: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """YAML, of which JSON's strings are a part."""
    spec = generator.spec
    tags = ["jax", "gan", spec.method, *(["super-resolution"] if spec.scale > 1 else [])]
    lines = [
        f"license: {_LICENSE}",
        "library_name: gan_jax",
        f"pipeline_tag: {_task(generator)}",
        "tags:",
        *(f"- {tag}" for tag in tags),
    ]
    own = next((row for row in _rows(table) if _numbers(row)), None)
    if own is not None:
        lines += [
            "model-index:",
            f"- name: {json.dumps(name)}",
            "  results:",
            f"  - task:\n      type: {_task(generator)}",
            f"    dataset:\n      name: {json.dumps(_data_name(config))}\n      type: {json.dumps('gan_jax')}",
            f"      split: {json.dumps(str(table.get('split', 'test')))}",
            "    metrics:",
            *(
                f"    - type: {json.dumps(key)}\n      value: {value!r}\n      name: "
                f"{json.dumps(scores.metric(key).title_with_unit)}"
                for key, value in _numbers(own).items()
            ),
        ]
    return "\n".join(["---", *lines, "---"])


def _task(generator: Model) -> str:
    return "image-to-image" if generator.spec.latent is None else "unconditional-image-generation"


def _data_name(config: Mapping[str, Any]) -> str:
    return _flag(read.fields(config.get("recipe")).get("dataroot") or "made by the recipe")


def _what(generator: Model) -> str:
    spec, architecture = generator.spec, dict(generator.spec.architecture)
    kind = architecture.pop("name")
    if spec.latent is None:
        does = f"{spec.in_channels} channels in, {spec.out_channels} out, images of any size"
        does += f", {spec.scale} times as large" if spec.scale > 1 else ""
    else:
        does = f"images from {spec.in_channels} numbers of a {spec.latent} distribution"
        does += f", of {len(spec.classes)} classes" if spec.classes else ""
    fields = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(architecture.items()))
    return (
        f"A generator of {spec.method}, after {spec.step:,} steps: {kind}, {generator.parameter_count:,} parameters; "
        f"{does}.\n\n{kind}: {fields}. `config.json` says everything, and so does `model.safetensors` itself."
    )


def _use(generator: Model, name: str) -> str:
    if generator.spec.latent is None:
        command = f"gan-jax translate {name} in/ out/"
        call = "outputs = infer.translate(generator, images)  # uint8 [N, H, W, C] or [H, W, C]"
    else:
        command = f"gan-jax sample {name} grid.png"
        call = "images = latents.sample(generator, latents.latents_of(generator, 8))  # uint8 [N, H, W, C]"
        if classes := generator.spec.architecture.get("classes"):
            call = call.replace("8))", f"8), latents.labels_in_turn({classes}, 8))")
    module = "infer, model" if generator.spec.latent is None else "model\nfrom gan_jax.infer import latents"
    return (
        f"## Use\n\nWith gan_jax, where this folder is called `{name}`:\n\n    {command}\n\n```python\n"
        f'from gan_jax import {module}\n\ngenerator = model.load("{name}")\n{call}\n```'
    )


def _data(config: Mapping[str, Any]) -> str:
    data = read.fields(config.get("data"))
    prints = read.fields(data.get("fingerprints"))
    lines = [[split, f"{data.get(split, '')}", f"`{digest}`"] for split, digest in prints.items() if data.get(split)]
    if not lines:
        return ""
    notes = [f"Note: {_shown(note)}" for note in data.get("notes") or ()]
    table = _table(["split", "images", "fingerprint"], lines)
    return "\n\n".join([f"## Training data\n\nImages: {_data_name(config)}.", table, *notes])


def _recipe(config: Mapping[str, Any]) -> str:
    recipe = read.fields(config.get("recipe"))
    shown = [name for name in config.get("changed", recipe) if name in recipe and name not in _PLACES]
    lines = [[f"`--{name}`", _flag(recipe[name])] for name in shown]
    if not lines:
        return ""
    versions = ", ".join(f"{name} {_shown(value)}" for name, value in read.fields(config.get("versions")).items())
    made = f"\n\nMade with {versions}, on {_shown(config.get('device', 'an unknown device'))}." if versions else ""
    return f"## Recipe\n\nThe flags that differ from their defaults.\n\n{_table(['flag', 'value'], lines)}{made}"


def _scores(table: Mapping[str, Any]) -> str:
    rows = _rows(table)
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "name"))
    if not keys:
        return ""
    lines = [[_shown(row.get("name", "")), *(_score(key, row) for key in keys)] for row in rows]
    about = f"{table.get('count', 0):,} images of the {_shown(table.get('split', ''))} split; "
    headings = ["", *(scores.metric(key).heading for key in keys)]
    return f"## Scores\n\n{about}{_shown(table.get('protocol', ''))}.\n\n{_table(headings, lines)}"


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in table.get("rows") or () if isinstance(row, dict)]


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    numbers = {key: number(value) for key, value in row.items() if key != "name"}
    return {key: value for key, value in numbers.items() if value is not None and math.isfinite(value)}


def _score(key: str, row: Mapping[str, Any]) -> str:
    value = number(row.get(key))
    return "–" if value is None else f"{value:,.{scores.metric(key).decimals}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _flag(value: object) -> str:
    """A setting's value; of a path its last name, since the rest is of the machine that trained."""
    return _shown(PurePosixPath(value).name if isinstance(value, str) and "/" in value else value)


def _shown(value: object) -> str:
    """A value as Markdown shows it in a cell."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
