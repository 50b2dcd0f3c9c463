"""Memory that a process frees stays the process's own: a step finds the pages of the step before.

XLA on CPUs allocates a program's temporaries at each call, hundreds of megabytes, and glibc maps such a block from the
kernel and gives it back each time: every page is then met, and cleared, anew. Only commands turn it on.
"""

import ctypes
import os
import platform

__all__ = ["keep"]
__dir__ = __all__.copy

# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep() -> None:
    """Has glibc's malloc give nothing back to the kernel; before JAX starts its threads, which keep their arenas.

    An environment with settings of malloc's own (MALLOC_...) is left alone, and so is any other C library.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    malloc = ctypes.CDLL(None)
    # One arena: what is too large for another one's heaps is mapped, whatever is said of mappings.
    for setting, value in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1)):
        malloc.mallopt(setting, value)
