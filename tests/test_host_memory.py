"""What a process frees is what it allocates next, where the C library is glibc."""

import ctypes
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gan_jax import host_memory

PROGRAM = """
import resource, sys, threading
from gan_jax import host_memory
if sys.argv[1:]:
    host_memory.keep()

def block():
    bytearray(b"x") * 200_000_000

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=block)  # as XLA's are
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def faults(*arguments):
    """Pages that a second block of 200 MB meets anew, in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return int(subprocess.run(command, env=inherited, capture_output=True, text=True, check=True).stdout)


def test_a_block_finds_the_pages_of_the_one_before():
    assert (10 * faults("kept") < faults()) == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize(
    ("library", "environment", "settings"), [("glibc", {}, 3), ("glibc", {"MALLOC_ARENA_MAX": "2"}, 0), ("", {}, 0)]
)
def test_glibc_is_told_where_nobody_else_told_it(library, environment, settings, monkeypatch):
    told = []
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=lambda *setting: told.append(setting)))
    host_memory.keep()
    assert len(told) == settings
