"""The grid of ablations, shrunk to a few pairs and two cells, and its tables."""

import dataclasses

import numpy as np
import pytest

from gan_jax.recipes import pix2pix, pix2pix_ablation
from gan_jax.training import translation


def test_every_row_names_a_cell_and_every_cell_is_shown():
    named = {row.cell for rows in pix2pix_ablation.TABLES.values() for row in rows}
    assert named == set(pix2pix_ablation.CELLS)


@pytest.mark.parametrize("name", pix2pix_ablation.CELLS)
def test_every_cell_is_an_experiment(name):
    """And another one than the others, whatever flags it was begun with."""
    config = pix2pix.PRESETS["ablate"]
    cell = dataclasses.replace(config, max_dataset_size=2, **pix2pix_ablation.CELLS[name])
    cell.check()
    parts = pix2pix.experiment(cell)
    assert parts.evaluator.tasks["generator"].scores_truth
    others = [fields for other, fields in pix2pix_ablation.CELLS.items() if other != name]
    assert pix2pix_ablation.CELLS[name] not in others
    begun = dataclasses.replace(config, max_dataset_size=2, netD="pixel", unconditional=True, netG="resnet_6blocks")
    assert dataclasses.replace(begun, **pix2pix_ablation.CELLS[name]) == cell


def test_the_receptive_fields_are_those_of_the_table():
    config = dataclasses.replace(pix2pix.PRESETS["ablate"], max_dataset_size=2)
    fields = {
        row.name: pix2pix.experiment(dataclasses.replace(config, **pix2pix_ablation.CELLS[row.cell])).networks["critic"]
        for row in pix2pix_ablation.TABLES["Receptive field of the critic, labels to photo (table 3)"]
    }
    assert {name: f"{field['receptive_field']}" for name, field in fields.items()} == {
        name: name.partition("x")[0] for name in fields
    }


@pytest.mark.slow
def test_two_cells_run_and_fill_their_tables(monkeypatch, tmp_path, capsys):
    cells = {name: {**pix2pix_ablation.CELLS[name], "n_layers_D": 1} for name in ("L1", "to_labels_L1")}
    tables = {title: tuple(row for row in rows if row.cell in cells) for title, rows in pix2pix_ablation.TABLES.items()}
    monkeypatch.setattr(pix2pix_ablation, "CELLS", cells)
    monkeypatch.setattr(pix2pix_ablation, "TABLES", {title: rows for title, rows in tables.items() if rows})
    flags = "ablate --max_dataset_size 8 --batch_size 8 --n_epochs 1 --n_epochs_decay 0 --ngf 2 --ndf 2"
    flags += f" --load_size 32 --crop_size 32 --checkpoints_dir {tmp_path}"
    assert pix2pix.main(flags.split()) == 0
    said = capsys.readouterr().out
    assert "[1/2] L1: --gan_mode none --n_layers_D 1" in said
    page = (tmp_path / "ablation" / "ablation.md").read_text()
    assert page in said
    scores = translation.read_scores(tmp_path / "ablation" / "L1" / "results")
    assert f"| L1 | {scores['rows'][0]['label/per_pixel']:.3f} |" in page
    assert "| 0.86 / 0.42 / 0.35 |" in page
    to_labels = translation.read_scores(tmp_path / "ablation" / "to_labels_L1" / "results")
    np.testing.assert_allclose(to_labels["rows"][-1]["label/per_pixel"], 1.0)  # the true label maps, read back
    assert pix2pix.main(flags.split()) == 0  # finished cells are not run again
    assert "L1 is finished" in capsys.readouterr().out
    assert pix2pix_ablation.tables(tmp_path / "ablation") == page


def test_tables_want_every_run(tmp_path):
    with pytest.raises(ValueError, match=r"L1 has no scores; run the ablation again\."):
        pix2pix_ablation.tables(tmp_path)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataroot", "photos"], "ablate scores labels, which only the embedded facades know"),
        (["--crop_size", "64"], "--crop_size is 64; the critic of the largest patches wants at least 96"),
    ],
)
def test_what_the_grid_cannot_do_is_said_before_it_begins(flags, words, tmp_path, capsys):
    assert pix2pix.main(["ablate", *flags, "--checkpoints_dir", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_lists_the_cells(tmp_path, capsys):
    assert pix2pix.main(["ablate", "--dry_run", "--checkpoints_dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(f"] {name}: " in said for name in pix2pix_ablation.CELLS)
    assert list(tmp_path.iterdir()) == []
