"""Errors: gan-jax inspect, report and data."""

from pathlib import Path

from tests.errors.cases import Case, both, copy, photographs, refusing, text

TITLE = "gan-jax inspect, report and data"
CASES = [
    Case(
        "report on one run twice",
        "gan-jax report runs/tiny runs/tiny",
        "give a run's folder, or the folders of at least two runs: gan-jax report A B.",
    ),
    Case("inspect what does not exist", "gan-jax inspect nowhere", "nowhere does not exist."),
    Case(
        "inspect a folder of images",
        "gan-jax inspect data",
        "data is no run's folder (it has no config.json) and no checkpoint; name one of those, or a .safetensors file.",
    ),
    Case(
        "inspect a folder of runs, one of them with a damaged config.json; the others are described",
        "gan-jax inspect runs",
        "runs/other/config.json is damaged; the run cannot be described.",
        both(copy("runs/tiny", "runs/other"), text("runs/other/config.json", "[]")),
        code=1,
    ),
    Case(
        "inspect a run with a damaged config.json",
        "gan-jax inspect runs/tiny",
        "runs/tiny/config.json is damaged; the run cannot be described.",
        text("runs/tiny/config.json", "[]"),
    ),
    Case(
        "report on a folder of images",
        "gan-jax report data",
        "data is not a run's folder (it has no config.json); name that of one run.",
    ),
    Case(
        "report on a run with a damaged log",
        "gan-jax report runs/tiny",
        "line 1 of runs/tiny/log.jsonl is damaged; remove that line.",
        text("runs/tiny/log.jsonl", "x\n" * 2),
    ),
    Case(
        "report on a full disk",
        "gan-jax report runs/tiny",
        "runs/tiny/report.html: No space left on device; make room, then give the same command again.",
        refusing(Path, "write_bytes"),
    ),
    Case(
        "prepare photographs into a file",
        "gan-jax data prepare photos out",
        "out/train: Not a directory; move the file away that stands where a folder should be, or choose another place.",
        text("out"),
    ),
    Case(
        "prepare a folder that is not there",
        "gan-jax data prepare nowhere out",
        "no folder nowhere; wanted one with images in it or in split folders.",
    ),
    Case(
        "prepare photographs into a folder that has other things in it",
        "gan-jax data prepare data2 data --kind photographs --workers 1",
        "data is a folder with other things in it; name another folder, or remove data.",
        photographs("data2", 4),
    ),
    Case(
        "prepare on a full disk",
        "gan-jax data prepare data2 out --kind photographs --workers 1",
        "out/.unfinished/plan.json: No space left on device; make room, then give the same command again.",
        both(photographs("data2", 4), refusing(Path, "write_bytes")),
        writes="out",
    ),
    Case(
        "train on a data set whose preparation was stopped",
        "pix2pix --bare --dataroot half",
        "half is a data set that is not finished; give the command again that prepares it, which goes on.",
        text("half/.unfinished/plan.json", "{}"),
    ),
    Case(
        "a verb of gan-jax data that there is not",
        "gan-jax data prepar data out",
        "there is no verb of gan-jax data prepar; perhaps prepare is meant; wanted one of prepare, check, split, "
        "preview.",
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
