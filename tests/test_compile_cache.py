"""The cache of compiled programs: a second process finds them, and nothing about it can end a command."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest

from gan_jax import compile_cache, files
from gan_jax.cli.speaking import Compiling
from gan_jax.training.config import RunConfig

PROGRAM = """
import jax, sys
from gan_jax import compile_cache
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
compile_cache.enable(*sys.argv[1:])
jax.jit(lambda x: jax.numpy.sin(x) @ x)(jax.numpy.ones((3, 3))).block_until_ready()
print(sum(hits), jax.config.jax_compilation_cache_dir)
"""


def start(*arguments, **environment):
    """Hits and folder of a process that compiles a program, and what it says on stderr."""
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    hits, folder = done.stdout.split()
    return int(hits), folder, done.stderr


def programs(folder):
    return sorted(path.name for path in folder.rglob("*-cache"))


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    hits, folder, said = start(XDG_CACHE_HOME=str(tmp_path))
    assert (hits, said) == (0, "")
    assert folder.startswith(f"{tmp_path}/gan_jax/programs/")
    assert (kept := programs(tmp_path))
    hits, again, said = start(XDG_CACHE_HOME=str(tmp_path))
    assert (hits, again, said) == (len(kept), folder, "")
    # One that a full disk cut short is compiled again, without a word.
    for path in tmp_path.rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:100])
    assert start(XDG_CACHE_HOME=str(tmp_path)) == (0, folder, "")


@pytest.fixture
def told(monkeypatch):
    """What JAX is told, from a start without a cache, in place of its own settings."""
    settings = SimpleNamespace(jax_compilation_cache_dir=None)
    settings.update = lambda name, value: setattr(settings, name, value)
    monkeypatch.setattr(jax, "config", settings)
    return settings


def test_what_jax_was_told_stays_unless_a_flag_says_otherwise(told, tmp_path):
    told.jax_compilation_cache_dir = str(tmp_path / "own")
    compile_cache.enable()
    assert told.jax_compilation_cache_dir == str(tmp_path / "own")
    compile_cache.enable(str(tmp_path / "flag"))
    assert told.jax_compilation_cache_dir.startswith(f"{tmp_path}/flag/")
    compile_cache.enable(compile_cache.OFF)
    assert told.jax_compilation_cache_dir is None


def test_machines_of_different_processors_have_different_folders(told, tmp_path, monkeypatch):
    folders = []
    for features in ("flags : avx2", "flags : avx512f", "flags : avx2"):
        monkeypatch.setattr(compile_cache.Path, "read_text", lambda path, text=features: f"model : x\n{text}\n")
        compile_cache.enable(str(tmp_path))
        folders.append(told.jax_compilation_cache_dir)
    assert folders[0] == folders[2] != folders[1]


def test_a_folder_that_cannot_be_written_to_is_a_note(told, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    compile_cache.enable(str(tmp_path / "file"))
    said = capsys.readouterr().err
    assert said.startswith(f"note: {tmp_path}/file/")
    assert "cannot be written to (Not a directory)" in said
    assert told.jax_compilation_cache_dir is None


def test_what_was_not_used_for_the_longest_time_goes_first(told, tmp_path, monkeypatch):
    monkeypatch.setattr(compile_cache, "_LARGEST", 25)
    for age, name in enumerate(("new", "used", "old", "oldest")):
        file = tmp_path / "some-machine" / f"{name}-cache"
        files.write(file, "0123456789")
        os.utime(file, (1e9 - age, 1e9 - age))
    other = tmp_path / "some-machine" / "notes.txt"
    other.write_text("0123456789" * 9)
    compile_cache.enable(str(tmp_path))
    assert programs(tmp_path) == ["new-cache", "used-cache"]
    assert other.exists()


def test_every_command_has_the_flag(tmp_path):
    assert Compiling().compile_cache == RunConfig().compile_cache == compile_cache.AUTO
    assert files.user_cache().name == "gan_jax"
