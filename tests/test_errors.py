"""The catalogue of errors: what was done, what was said, the exit code. docs/errors.md is made of these cases:

    python -m tests.test_errors > docs/errors.md

The cases are in `tests/errors/`, a file for each section.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.errors import (
    test_convert,
    test_cyclegan,
    test_dcgan_and_wgan,
    test_evaluate,
    test_export_app_study,
    test_inspect_report_data,
    test_run_folder,
    test_sample,
    test_starting_points,
    test_super_resolution,
    test_test_py,
    test_train,
    test_training,
    test_training_flags,
    test_training_images,
    test_translate,
)

ROOT = Path(__file__).parents[1]
SECTIONS = (
    test_training_images,
    test_training_flags,
    test_super_resolution,
    test_cyclegan,
    test_dcgan_and_wgan,
    test_run_folder,
    test_starting_points,
    test_translate,
    test_train,
    test_sample,
    test_convert,
    test_export_app_study,
    test_evaluate,
    test_inspect_report_data,
    test_test_py,
    test_training,
)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ([sys.executable, "-m", "experiments.pix2pix", "--dataroot", "nowhere"], "error: no folder nowhere; wanted"),
        ([sys.executable, "train.py", "--dataroot", "nowhere"], "error: no --model: give --model pix2pix"),
        ([Path(sys.executable).with_name("gan-jax"), "inspect", "nowhere"], "error: nowhere does not exist."),
    ],
    ids=["experiments.pix2pix", "train.py", "gan-jax"],
)
def test_the_shell_gets_the_same(program, said):
    # An installed script does not look into the working folder by itself.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def table() -> str:
    """The catalogue as a Markdown document."""
    lines = [
        "# Errors",
        "",
        "What a user can do wrong, what is said, and the exit code. Every row is a test, by command line, in",
        "`tests/errors/`; this document is made of those cases by `python -m tests.test_errors > docs/errors.md`.",
        "",
        "The sentence goes to stderr after `error: `, and nothing is written; `note: ` lines may stand before it.",
        "For a wrong value of a flag it is a box; … stands for what is left out of it here. Of more than ten errors",
        "the others are counted. Exit codes: 0 done; 1 some images failed, each with a sentence, and the rest is",
        "done; 2 wrong use or input; 129 a closed terminal; 130 Ctrl-C; 143 SIGTERM. What stops a run on its way",
        "leaves its last checkpoint, and the same command goes on to the same result.",
    ]
    for section in SECTIONS:
        lines += ["", f"## {section.TITLE}", "", "| Done | Said | Exit code |", "|---|---|---|"]
        for case in section.CASES:
            said = case.said.replace("|", r"\|")
            lines.append(f"| {case.done} | `{said}` | {case.code} |")
    return "\n".join(lines) + "\n"


def test_the_document_is_made_of_the_cases():
    assert (ROOT / "docs" / "errors.md").read_text() == table(), "run python -m tests.test_errors > docs/errors.md"


if __name__ == "__main__":
    sys.stdout.write(table())
