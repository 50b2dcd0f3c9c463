"""Streams, by real programs: what a shell does to them cannot be done to pytest's own."""

import io
import os
import subprocess
import sys

import pytest

from gan_jax.terminal import console

PROGRAM = """
import sys
from gan_jax.terminal import console
with console.lasting_streams():
    for _ in range(20_000):
        print("a line that is long enough to fill a pipe")
    lost = console.lost()
open(sys.argv[1], "w").write(f"done {lost.strerror if lost else None}")
"""


def run(tmp_path, redirection, program=PROGRAM, **environment):
    """Runs a program under bash: what it wrote to `done`, its exit code and what it said on stderr."""
    done = tmp_path / "done"
    line = f'"$0" -c "$1" "$2" {redirection}'
    shell = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, sys.executable, program, str(done)],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )
    return done.read_text() if done.exists() else None, shell


@pytest.mark.parametrize(
    ("redirection", "lost"),
    [("| head -1", None), (">&-", None), (">&- 2>&- <&-", None), ("> /dev/full", "No space left on device")],
)
def test_a_dead_console_ends_nothing_and_says_nothing(tmp_path, redirection, lost):
    done, shell = run(tmp_path, redirection)
    assert done == f"done {lost}"
    assert shell.returncode == 0
    assert shell.stderr == b""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_names_of_any_bytes_are_printed(tmp_path, encoding):
    program = (
        "import os, sys; from gan_jax.terminal import console\n"
        "with console.lasting_streams(): print(os.fsdecode(b'\\x83e'), '\\u65e5', file=sys.stdout)\n"
    )
    _, shell = run(tmp_path, "", program, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert shell.stdout == b"\x83e " + ("日".encode() if encoding == "utf-8" else b"\\u65e5") + b"\n"
    assert shell.stderr == b""


def test_only_what_cannot_be_encoded_is_for_the_error_handler():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "gan_jax.names")


def test_nothing_is_lost_on_a_stream_that_lasts_as_it_is():
    assert console.lost() is None


def test_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with console.lasting_streams():
        assert isinstance(sys.stdout, console.Lasting)
        assert sys.stdout.isatty() is False, "what is not written goes through"
    assert (sys.stdout, sys.stderr) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_count_is_a_line_that_is_written_over(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    count = console.Count("scored")
    count(1, 3)
    count.end_line()
    count.end_line()
    count(3, 3)
    text = sys.stderr.getvalue()
    assert text.startswith("\rscored 1/3, 0:00:00 to go")
    assert text.count("\n") == 2


def test_a_count_that_nobody_watches_is_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    count = console.Count("translated")
    for done in range(1, 11):
        now[0] += 30.0
        count(done, 10)
    assert capsys.readouterr().err.splitlines() == [
        f"translated {done}/10, 0:0{(10 - done) // 2}:{(10 - done) % 2 * 30:02d} to go" for done in (3, 6, 9)
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0:00:00"), (59.6, "0:01:00"), (3599.7, "1:00:00"), (90061.0, "25:01:01"), (float("nan"), "?")],
)
def test_the_clock(seconds, words):
    assert console.clock(seconds) == words


def test_what_libraries_write_beside_python_goes_nowhere(capfd):
    for shown in (True, False):
        with console.own_stdout(shown=shown):
            print(f"ours, shown: {shown}", flush=True)
            os.write(1, b"a library's\n")
        print("after", flush=True)
        os.write(1, b"a library's, after\n")
        ours = "ours, shown: True\n" if shown else ""
        assert capfd.readouterr().out == f"{ours}after\na library's, after\n"


def test_what_libraries_write_to_stderr_is_shown_a_call_late_and_at_the_end(capfd):
    with console.own_stderr() as held:
        assert isinstance(held, console.Held)
        os.write(2, b"a library's\n")
        held.pass_on()
        os.write(2, b"its second\n")
        print("ours", file=sys.stderr)
        assert held.text() == "a library's\nits second\n"
        assert capfd.readouterr().err == "ours\n"
        held.pass_on()
        assert capfd.readouterr().err == "a library's\n"
        assert held.text() == "its second\n"
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "its second\nafter\n"
    held.pass_on()  # by a thread that is late
