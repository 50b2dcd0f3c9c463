"""What every file of errors shares: the folder that a case runs in, and what is asked of what was said.

The folder holds `data`, pairs side by side, and `runs/tiny`, a finished run of them.
"""

import shutil

import pytest

from tests.errors.cases import call, contents


def pytest_generate_tests(metafunc):
    """Each case of the file's catalogue is a test."""
    if "case" in metafunc.fixturenames:
        cases = metafunc.module.CASES
        metafunc.parametrize("case", cases, ids=[f"{case.line}: {case.done}" for case in cases])


@pytest.fixture
def here(request, tmp_path, monkeypatch, facades_folder, finished_run):
    """The folder that a case runs in; its run has checkpoints where the file says so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    shutil.copytree(facades_folder, "data")
    left_out = () if getattr(request.module, "CHECKPOINTS", False) else ("checkpoints",)
    shutil.copytree(finished_run, "runs/tiny", ignore=shutil.ignore_patterns(*left_out))
    return tmp_path


def words(box):
    """What a box says, without its border."""
    return " ".join(word for word in box.split() if set(word) - set("╭╮╰╯│─|+-"))


@pytest.fixture
def check(here):
    """(case, exit code, stderr): it is a sentence and no more or, for a wrong flag, a box of the parts; notes apart."""

    def check(case, code, said):
        assert code == case.code
        said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("note: "))
        if case.said.startswith(("Unrecognized options", "invalid choice", "Error parsing")):
            shown, at = words(said), 0
            for part in case.said.split(" … "):
                at = shown.find(part, at)
                assert at >= 0, f"{part} is not in {shown}"
        else:
            assert said.replace(f"{here}/", "") == ("" if code == 130 else "error: ") + case.said + "\n"

    return check


@pytest.fixture
def refuses(check, capsys):
    """(case): it is said as the case has it, and no file is touched but what it may write."""

    def refuses(case):
        with pytest.MonkeyPatch.context() as patch:
            case.prepare(patch)
            before = contents()
            code = call(case.line)
        check(case, code, capsys.readouterr().err)
        after = contents()
        touched = {path for path in before.keys() | after.keys() if before.get(path, "") != after.get(path, "")}
        assert all(case.writes and f"{path}/".startswith(case.writes) for path in touched), touched

    return refuses
