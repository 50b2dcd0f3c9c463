"""What a process frees is what it allocates next, where the C library is glibc."""

import os
import platform
import subprocess
import sys

import pytest

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


def faults(*arguments, **environment):
    """Pages that a second block of 200 MB meets anew, in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("environment", [{}, {"MALLOC_ARENA_MAX": "2"}])
def test_a_block_finds_the_pages_of_the_one_before(environment):
    kept = platform.libc_ver()[0] == "glibc" and not environment
    assert (10 * faults("kept", **environment) < faults()) == kept
