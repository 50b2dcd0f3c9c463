"""The ablations of pix2pix's paper at the demo's scale: a grid of runs, and its tables beside the published ones.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks": tables 1, 2, 3 and 6, and the
table in figure 7. The published label scores are an FCN's on Cityscapes, ours a fixed rule's on the embedded facades:
compare orders, not values.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.data import transforms
from gan_jax.folders import RunFolder
from gan_jax.recipes import pairs, translators
from gan_jax.training import processes, run, translation
from gan_jax.training.experiment import Experiment

__all__ = ["CELLS", "TABLES", "Row", "ablate", "tables"]
__dir__ = __all__.copy

_WHOLE: Mapping[str, Any] = {  # L1 + cGAN: all that a cell may change, whatever the command line says of it
    "direction": "AtoB",
    "gan_mode": "vanilla",
    "unconditional": False,
    "lambda_L1": 100.0,
    "lambda_L2": 0.0,
    "netG": None,
    "no_skips": False,
    "netD": "n_layers",
    "n_layers_D": 3,
}
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "L1": {"gan_mode": "none"},
    "GAN": {"unconditional": True, "lambda_L1": 0.0},
    "cGAN": {"lambda_L1": 0.0},
    "L1_GAN": {"unconditional": True},
    "L1_cGAN": {},
    "encoder_decoder_L1": {"no_skips": True, "gan_mode": "none"},
    "encoder_decoder_L1_cGAN": {"no_skips": True},
    "pixel": {"netD": "pixel"},
    "patch_16": {"n_layers_D": 1},
    "patch_286": {"n_layers_D": 5},
    "to_labels_L1": {"direction": "BtoA", "gan_mode": "none"},
    "to_labels_cGAN": {"direction": "BtoA", "lambda_L1": 0.0},
    "to_labels_L1_cGAN": {"direction": "BtoA"},
}
CELLS = {name: {**_WHOLE, **changes} for name, changes in _CHANGES.items()}


class Row(NamedTuple):
    """One line of a table: what it is called, the run behind it, and what the paper printed."""

    name: str
    cell: str
    labels: tuple[float, float, float]  # per-pixel, per-class, IoU
    histogram: tuple[float, float, float] | None = None  # L, a, b


TABLES: Mapping[str, tuple[Row, ...]] = {
    "Loss, labels to photo (table 1)": (
        Row("L1", "L1", (0.42, 0.15, 0.11), (0.81, 0.69, 0.70)),
        Row("GAN", "GAN", (0.22, 0.05, 0.01)),
        Row("cGAN", "cGAN", (0.57, 0.22, 0.16), (0.87, 0.74, 0.84)),
        Row("L1+GAN", "L1_GAN", (0.64, 0.20, 0.15)),
        Row("L1+cGAN", "L1_cGAN", (0.66, 0.23, 0.17), (0.86, 0.84, 0.82)),
    ),
    "Generator, labels to photo (table 2)": (
        Row("encoder-decoder, L1", "encoder_decoder_L1", (0.35, 0.12, 0.08)),
        Row("encoder-decoder, L1+cGAN", "encoder_decoder_L1_cGAN", (0.29, 0.09, 0.05)),
        Row("U-Net, L1", "L1", (0.48, 0.18, 0.13)),
        Row("U-Net, L1+cGAN", "L1_cGAN", (0.55, 0.20, 0.14)),
    ),
    "Receptive field of the critic, labels to photo (table 3)": (
        Row("1x1", "pixel", (0.39, 0.15, 0.10), (0.83, 0.68, 0.78)),
        Row("16x16", "patch_16", (0.65, 0.21, 0.17)),
        Row("70x70", "L1_cGAN", (0.66, 0.23, 0.17), (0.86, 0.84, 0.82)),
        Row("286x286", "patch_286", (0.42, 0.16, 0.11)),
    ),
    "Loss, photo to labels (table 6)": (
        Row("L1", "to_labels_L1", (0.86, 0.42, 0.35)),
        Row("cGAN", "to_labels_cGAN", (0.74, 0.28, 0.22)),
        Row("L1+cGAN", "to_labels_L1_cGAN", (0.83, 0.36, 0.29)),
    ),
}
_LABELS = ("label/per_pixel", "label/per_class", "label/iou")
_HISTOGRAM = ("histogram/L", "histogram/a", "histogram/b")


def ablate(config: translators.Config, experiment: Callable[[Any], Experiment]) -> int:
    """Runs every cell, each a run of its own below the folder of `config`, and prints the tables.

    A cell that is finished is not run again. Returns the exit code. Raises ValueError for other images than the
    embedded ones, which know their labels, and for crops that a cell's critic cannot judge.
    """
    if not pairs.is_embedded(config):
        raise ValueError("ablate scores labels, which only the embedded facades know; leave out --dataroot.")
    if config.from_step is not None or config.from_epoch is not None:
        raise ValueError("--from_step and --from_epoch go back in one run, and ablate makes many; leave them out.")
    smallest = max(3 * 2 ** cell["n_layers_D"] for cell in CELLS.values())
    if min(transforms.height_width(config.crop_size)) < smallest:
        raise ValueError(
            f"--crop_size is {transforms.shown(config.crop_size)}; the critic of the largest patches wants at least "
            f"{smallest}."
        )
    begun = time.perf_counter()
    for number, (name, cell) in enumerate(CELLS.items()):
        print(f"\n[{number + 1}/{len(CELLS)}] {name}: {_as_flags(cell)}")
        if config.dry_run:
            continue
        cell_config = dataclasses.replace(config, name=name, checkpoints_dir=config.folder, **cell)
        cell_config.check()
        code = run.execute(cell_config, experiment(cell_config))
        if code:
            return code
    if config.dry_run:
        print("dry run: nothing was written.")
        return 0
    text = tables(config.folder)
    page = config.folder / "ablation.md"
    processes.once(lambda: page.write_text(text))
    print(f"\n{text}\n{time.perf_counter() - begun:.0f} s; written to {page}")
    return 0


def _as_flags(cell: Mapping[str, Any]) -> str:
    """What a cell changes."""
    changes = {name: value for name, value in cell.items() if value != _WHOLE[name]}
    words = [f"--{name}" if value is True else f"--{name} {value}" for name, value in changes.items()]
    return " ".join(words) or "L1 + cGAN, U-Net, 70x70"


def tables(folder: Path) -> str:
    """The paper's tables in Markdown, from the scores of the runs below `folder`. Raises ValueError where one lacks."""
    return "\n".join(_table(title, rows, folder) for title, rows in TABLES.items())


def _table(title: str, rows: tuple[Row, ...], folder: Path) -> str:
    lines = [f"### {title}", ""]
    lines.append("| | per-pixel | per-class | IoU | L | a | b | sharpness | PSNR | paper: labels | paper: L, a, b |")
    lines.append("|---|" + "---|" * 10)
    scored: list[dict[str, Any]] = []
    for row in rows:
        scores = translation.read_scores(RunFolder(folder / row.cell).results)
        if scores is None:
            raise ValueError(f"{folder / row.cell} has no scores; run the ablation again.")
        scored = scores["rows"]
        lines.append(_line(row.name, scored[0], row.labels, row.histogram))
    lines.append(_line("ground truth", scored[-1], None, None))
    return "\n".join(lines) + "\n"


def _line(
    name: str,
    scores: Mapping[str, Any],
    labels: tuple[float, float, float] | None,
    histogram: tuple[float, float, float] | None,
) -> str:
    psnr = scores["psnr"] if isinstance(scores["psnr"], str) else f"{scores['psnr']:.2f}"
    ours = [f"{scores[key]:.3f}" for key in (*_LABELS, *_HISTOGRAM, "sharpness")]
    paper = [" / ".join(f"{value:.2f}" for value in values) if values else "" for values in (labels, histogram)]
    return "| " + " | ".join([name, *ours, psnr, *paper]) + " |"
