"""How much memory there is for feature maps."""

import contextlib
import os
from pathlib import Path

import jax

__all__ = ["available_bytes"]
__dir__ = __all__.copy

# More than a convolution needs to be fast, and the host has other uses for its memory.
_HOST_IS_ENOUGH = 2 * 2**30


def available_bytes(*, generous: bool) -> float:
    """Bytes that a program's feature maps may take on the first device: half of what is free.

    On a host, 2 GiB at most unless `generous`, which a caller is who saves much time by it.
    """
    device = jax.local_devices()[0]
    statistics = device.memory_stats() if device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return (statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)) / 2
    free = _free_on_host() / 2
    return free if generous else min(free, _HOST_IS_ENOUGH)


def _free_on_host() -> float:
    """Free bytes of the machine or, where that is less, of the container."""
    free = [_free_in_system()]
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(min(free), 0)


def _free_in_system() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        # Without Linux's own count, half of all that is built in.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
