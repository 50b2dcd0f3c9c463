import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gan_jax.recipes import translators
from gan_jax.training import run_folder

OWNER = """
import fcntl, pathlib, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("process 7 on elsewhere")
file.flush()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def config(tmp_path):
    return translators.Config(name="tiny", checkpoints_dir=tmp_path)


def is_free(config):
    with run_folder.locked(config):
        return True


def test_a_run_is_trained_by_one_at_a_time(config):
    with run_folder.locked(config):
        said = rf"process {os.getpid()} on {socket.gethostname()} is training the run .*tiny; wait for it, stop it, or"
        with pytest.raises(ValueError, match=said), run_folder.locked(config):
            pass
        assert list(config.folder.iterdir()) == [config.folder / ".lock"]
    assert not config.folder.exists()  # nothing was made of it
    config.folder.mkdir()
    assert is_free(config)
    assert list(config.folder.iterdir()) == []


def test_a_lock_dies_with_its_owner(config):
    config.folder.mkdir()
    lock = config.folder / ".lock"
    with subprocess.Popen([sys.executable, "-c", OWNER, lock], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "ready\n"
        with pytest.raises(ValueError, match="process 7 on elsewhere is training the run"), run_folder.locked(config):
            pass
        owner.kill()
    assert lock.exists()
    assert is_free(config)


def test_without_locks_a_run_goes_on_and_other_errors_are_said(config, monkeypatch):
    def refuse(number):
        monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))

    refuse(errno.ENOLCK)
    assert is_free(config)
    refuse(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        is_free(config)


def test_a_lock_that_its_owner_removed_meanwhile_is_taken_anew(config, monkeypatch):
    flock, calls = fcntl.flock, []

    def late(file, how):
        calls.append(file)
        if len(calls) == 1:
            (config.folder / ".lock").unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with run_folder.locked(config):
        assert len(calls) == 2
        assert Path(config.folder / ".lock").read_text().startswith("process ")
