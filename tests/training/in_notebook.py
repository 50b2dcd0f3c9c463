"""A run in a notebook's cell: one line that is written over, and the lines that a terminal shows.

Run by `make test-slow`, in the environment that has Jupyter's parts.
"""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

CELL = """from tests import toy

toy.start("--dataroot builtin:embedded --load_size 32 --crop_size 32 --max_dataset_size 8 --batch_size 8 "
          "--n_epochs 400 --n_epochs_decay 0 --print_freq 200 --val_freq 400 --name seen".split()
          + ["--checkpoints_dir", {folder!r}])"""


@pytest.mark.slow
def test_a_cell_has_one_bar_and_lines_without_codes(tmp_path, monkeypatch):
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(folder=str(tmp_path)))])
    nbclient.NotebookClient(notebook, timeout=600).execute()
    outputs = notebook.cells[0].outputs
    said = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert [line.split(" |")[0] for line in said.splitlines() if line.startswith("step ") and "/400" in line] == [
        "step 200/400",
        "step 400/400",
    ]
    (bar,) = [output["data"] for output in outputs if output["output_type"] == "display_data"]
    assert list(bar) == ["text/plain"]
    assert bar["text/plain"].startswith("400/400 ━")  # as it was updated
    assert "\n" not in bar["text/plain"]
    assert not {"\x1b", "\r"} & {*said, *bar["text/plain"]}
