"""Super-resolvers side by side on the test photographs: one table and one image."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import evaluate, infer
from gan_jax import model as models
from gan_jax.data import image_files
from gan_jax.data import super_resolution as data
from gan_jax.recipes import super_resolution
from gan_jax.training import processes, translation

__all__ = ["as_markdown", "compare", "details", "show"]
__dir__ = __all__.copy

_DETAIL = 96  # side of what the image shows of each photograph


def show(config: super_resolution.PhotographFlags, folders: Mapping[str, Path], folder: Path) -> None:
    """Compares the runs in `folders`, prints the table, and writes it and the image to `folder`."""
    table = processes.once(lambda: compare(config, folders, folder / "comparison.png"))
    processes.once(lambda: translation.write_json(folder / "comparison.json", table))
    print(f"\n{as_markdown(table)}\n{json.dumps(table['protocol'])}\nimage: {folder / 'comparison.png'}")


def compare(config: super_resolution.PhotographFlags, folders: Mapping[str, Path], image: Path) -> dict[str, Any]:
    """The scores of the runs in `folders` and of bicubic on the test photographs; their details go to `image`."""
    test = super_resolution.open_split(config, "test")
    assert test is not None
    whole = data.whole(config.scale, super_resolution.shrink(config))
    pairs = [whole(test[i], np.random.default_rng(0)) for i in range(len(test))]
    sources, targets = ([pair[name] for pair in pairs] for name in ("source", "target"))
    columns: dict[str, Sequence[np.ndarray]] = {"bicubic": [super_resolution.enlarge(s, config.scale) for s in sources]}
    for name, folder in folders.items():
        model = models.load(folder)
        inputs = sources if model.spec.scale == config.scale else columns["bicubic"]
        columns[name] = [infer.translate(model, source) for source in inputs]
        if model.spec.norm == "image" and model.variables["stats"]:
            # Trained with the statistics of a batch, it does better with their average than with one image's.
            running = infer.with_options(model, norm="running")
            columns[f"{name}, running statistics"] = [infer.translate(running, source) for source in inputs]
    score = super_resolution.scores(config.scale)
    rows = [{"name": name, **score(images, targets, sources)} for name, images in columns.items()]
    image_files.save(image, details([*columns.values(), targets]))
    return {"protocol": super_resolution.protocol(config.scale).title, "scale": config.scale, "rows": rows}


def details(columns: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """The middle of each photograph, a row each: a column for each maker, enlarged by repetition."""
    rows = []
    for images in zip(*columns, strict=True):
        height, width = images[0].shape[:2]
        top, left = (max(0, (side - _DETAIL) // 2) for side in (height, width))
        rows.append(np.concatenate([image[top : top + _DETAIL, left : left + _DETAIL] for image in images], axis=1))
    return np.concatenate(rows).repeat(2, axis=0).repeat(2, axis=1)


def as_markdown(table: Mapping[str, Any]) -> str:
    """The table for a terminal and for documents."""
    names = [name for name in table["rows"][0] if name != "name"]
    lines = [f"| x{table['scale']} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for row in table["rows"]:
        cells = [evaluate.json_number(row[name]) for name in names]
        shown = " | ".join(cell if isinstance(cell, str) else f"{cell:.4f}" for cell in cells)
        lines.append(f"| {row['name']} | {shown} |")
    return "\n".join(lines)
