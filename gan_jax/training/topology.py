"""TPU chips or GPUs that are not there: what a step asks of each, by its own compiler. Nothing runs.

The compilers are in the packages `libtpu` and `jax-cuda12-pjrt`, and JAX compiles with them for any slice of TPUs and
any GPU that is described to it.
"""

import contextlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from gan_jax import hlo
from gan_jax.method import Method
from gan_jax.training import parallel

__all__ = [
    "CHIPS",
    "Chip",
    "Slice",
    "TooLargeError",
    "analyzed",
    "compiled",
    "filling",
    "floors",
    "lines",
    "open_slice",
    "require_fitting",
    "sums",
    "versions",
]
__dir__ = __all__.copy


class Chip(NamedTuple):
    """What its maker's documentation says of one chip of a kind."""

    flops: float  # of bfloat16 products, a second
    bandwidth: float  # of main memory, bytes a second
    links: float  # to other chips, bytes a second
    memory: float  # bytes that a program may have
    axes: int  # of a slice; GPUs lie in a row


_TAKEN = 0.75  # of a GPU's memory, by JAX, unless XLA_PYTHON_CLIENT_MEM_FRACTION says otherwise
CHIPS = {
    "v5e": Chip(197e12, 819e9, 1600e9 / 8, 16 * 2**30, 2),
    "v5p": Chip(459e12, 2765e9, 4800e9 / 8, 95 * 2**30, 3),
    "v6e": Chip(918e12, 1640e9, 3584e9 / 8, 32 * 2**30, 2),
    "a100": Chip(312e12, 2039e9, 600e9 / 2, _TAKEN * 85.1e9, 1),  # SXM, 80 GB; links one way
    "h100": Chip(989e12, 3352e9, 900e9 / 2, _TAKEN * 84.9e9, 1),  # the same
}
_MACHINE = 8  # GPUs with such links between them
_WANTED = (
    "wanted a kind of chip and a slice's sides, as v5e:16x16, v5p:4x4x4 or v6e:8x8, or a GPU and how many of one "
    f"machine, as a100:1 or h100:{_MACHINE}"
)

# What XLA wants to know of a GPU beside its memory; cores are streaming multiprocessors, sizes are in bytes.
_GPUS: Mapping[str, Mapping[str, float | str]] = {
    "a100": {
        "core_count": 108,
        "fpus_per_core": 64,
        "clock_rate_ghz": 1.41,
        "l2_cache_size": 41943040,
        "shared_memory_per_core": 167936,
        "shared_memory_per_block_optin": 166912,
        "cuda_compute_capability": "{ major: 8 }",
    },
    "h100": {
        "core_count": 132,
        "fpus_per_core": 128,
        "clock_rate_ghz": 1.98,
        "l2_cache_size": 52428800,
        "shared_memory_per_core": 233472,
        "shared_memory_per_block_optin": 232448,
        "cuda_compute_capability": "{ major: 9 }",
    },
}
_ANY_GPU = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "threads_per_core_limit": 2048,
    "thread_dim_limit_x": 1024,
    "thread_dim_limit_y": 1024,
    "thread_dim_limit_z": 64,
    "block_dim_limit_x": 2**31 - 1,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
    "shared_memory_per_block": 49152,
}
_CUDNN = "{ major: 9 minor: 8 patch: 0 }"
# What only a GPU that is there could measure: which of several kernels is the fastest. Without it those of Triton for
# matrix products do not compile, and cuBLAS's are taken.
_UNMEASURED: Mapping[str, bool | int] = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}
_COMPILERS = {"tpu": "libtpu", "gpu": "jax-cuda12-pjrt"}


class Slice(NamedTuple):
    """So many chips of a kind, as the compiler knows them."""

    name: str
    kind: str
    devices: tuple[Any, ...]

    @property
    def chip(self) -> Chip:
        """What one of its chips can do."""
        return CHIPS[self.kind]


class TooLargeError(ValueError):
    """A step that no chip of a slice has the memory for: what it takes and what is there, in bytes."""

    def __init__(self, used: float, there: float) -> None:
        super().__init__(f"the step takes {used / 1e9:.1f} GB of a chip, which has {there / 1e9:.1f}.")
        self.used, self.there = used, there


def _platform(kind: str) -> str:
    return "gpu" if kind in _GPUS else "tpu"


def versions(kind: str) -> str:
    """Those of jax and of the compiler for a kind of chip. Raises ValueError where there is no compiler."""
    platform = _platform(kind)
    compiler = _COMPILERS[platform]
    try:
        return f"jax {version('jax')}, {compiler} {version(compiler)}"
    except PackageNotFoundError:
        raise ValueError(
            f"{compiler}, the {platform.upper()}'s compiler, is not installed; in an environment of its own: "
            f"pip install 'gan_jax[{platform}-compile]'."
        ) from None


def open_slice(name: str) -> Slice:
    """The slice of a name: a kind of chip and its sides, v5e:16x16 or v5p:8x8x4, or GPUs of one machine, a100:8.

    Raises ValueError for a name that the compiler does not know, and where there is no compiler.
    """
    from jax.experimental import topologies

    kind, _, sides = name.partition(":")
    known = kind in CHIPS and re.fullmatch(r"[1-9]\d*" + r"x\d+" * (CHIPS[kind].axes - 1), sides)
    if not known or (kind in _GPUS and int(sides) > _MACHINE):
        raise ValueError(f"--topology is {name}; {_WANTED}.")
    versions(kind)
    # Or the compiler for TPUs waits for a service of Google's machines, and for other processes that compile, and the
    # one for GPUs is refused where there is no driver.
    os.environ |= {
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    }
    given: dict[str, str] = {"platform": "tpu", "topology_name": name}
    if kind in _GPUS:
        given = {
            "platform": "cuda",
            "topology_name": kind,
            "topology": f"1x1x{sides}",
            "target_config": _described(kind),
        }
    try:
        with _quiet():
            jax.devices()  # finds the compilers
            devices = topologies.get_topology_desc(**given).devices
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(f"--topology is {name}; {_WANTED}. The compiler says: {error}") from None
    return Slice(name, kind, tuple(devices))


def _described(kind: str) -> str:
    """A GPU in the words of XLA's `GpuTargetConfigProto`."""
    chip = CHIPS[kind]
    memory = {"memory_bandwidth": round(chip.bandwidth), "device_memory_size": round(chip.memory / _TAKEN)}
    facts = " ".join(f"{name}: {value}" for name, value in {**_ANY_GPU, **memory, **_GPUS[kind]}.items())
    return (
        f'gpu_device_info {{ {facts} }} platform_name: "CUDA" dnn_version_info {_CUDNN} '
        f'device_description_str: "{kind}"'
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the compiler says on stderr about the TPU or GPU that is not there."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def compiled(method: Method, batch: Mapping[str, Any], mesh: Mesh, *, how: parallel.How = "jit") -> Any:
    """A step of a method, compiled for the chips of a slice's mesh; of the global batch the shapes count alone.

    Raises TooLargeError where a chip's memory does not hold it.
    """
    shapes: Any = {name: jax.ShapeDtypeStruct(images.shape, images.dtype) for name, images in batch.items()}
    state = parallel.abstract_state(method, shapes, mesh)
    lowered = parallel.compile_step(method, mesh, how=how).lower(state, shapes)
    try:
        with _quiet():
            on_gpus = mesh.devices.flat[0].platform == "gpu"
            return lowered.compile(compiler_options=dict(_UNMEASURED) if on_gpus else None)
    except jax.errors.JaxRuntimeError as error:
        sizes = re.search(r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm", str(error))
        if sizes is None:
            raise
        used, there = (
            float(number) * 1024 ** " KMGT".index(unit or " ")
            for number, unit in ((sizes[1], sizes[2]), (sizes[3], sizes[4]))
        )
        raise TooLargeError(used, there) from None


def floors(chip: Chip, flops: float, traffic: float, reduced: float) -> dict[str, float]:
    """Milliseconds that a step takes at the least, by what it is bound: its products, its memory, its links.

    `reduced` bytes are summed over all chips: each gives and takes them twice, less one part of many.
    """
    return {
        "products": 1e3 * flops / chip.flops,
        "memory": 1e3 * traffic / chip.bandwidth,
        "links": 1e3 * 2 * reduced / chip.links,
    }


def analyzed(program: Any, chip: Chip) -> dict[str, Any]:
    """What a compiled step asks of one chip: bytes in memory and moved, operations, collectives, floors."""
    memory, cost = program.memory_analysis(), program.cost_analysis() or {}  # none of a GPU's program
    operations = hlo.operations(program.as_text())
    flops = cost.get("flops", sum(one.times * one.flops for one in operations))
    traffic, copies = Counter[str](), 0
    for one in operations:
        traffic[one.kind] += one.traffic
        copies += one.kind == "copy" and one.traffic > 2**16
    collectives = hlo.collectives(operations)
    return {
        "memory": {
            "arguments": memory.argument_size_in_bytes,
            "temporaries": memory.temp_size_in_bytes,
            "program": memory.generated_code_size_in_bytes,
        },
        "flops": flops,
        "traffic": {"all": traffic.total(), **dict(sorted(traffic.items()))},
        "copies": copies,  # of more than 64 KiB
        "collectives": [[*names, size] for names, size in sorted(collectives.items())],
        "floors": floors(chip, flops, traffic.total(), collectives.total()),
        "bytes accessed": cost.get("bytes accessed"),  # XLA's own count, for comparison
    }


def require_fitting(asked: Mapping[str, Any], chip: Chip) -> None:
    """Raises TooLargeError where a step that was `analyzed` takes more memory than a chip has.

    The compiler for TPUs says so itself; the one for GPUs leaves it to the run.
    """
    if (used := sum(asked["memory"].values())) > chip.memory:
        raise TooLargeError(used, chip.memory)


def filling(asked: Mapping[str, Any], chip: Chip, images: float, nbytes: float) -> int:
    """Images that fill a chip's memory, by a step of so many that was `analyzed`; those of a batch take `nbytes`.

    What a step needs beside the state is taken to grow with the batch, from nothing. Part of it does not, so more may
    fit.
    """
    memory = asked["memory"]
    fixed = memory["arguments"] - nbytes + memory["program"]
    return max(0, int((chip.memory - fixed) * images / (memory["temporaries"] + nbytes)))


def lines(asked: Mapping[str, Any], chip: Chip, *, chips: int, images: float, nbytes: float) -> list[str]:
    """In words, what a step that was `analyzed` asks of each of so many chips, with so many images of `nbytes` each."""
    memory, floor = {name: size / 1e9 for name, size in asked["memory"].items()}, asked["floors"]
    bound = max(floor, key=floor.__getitem__)
    rate = 1e3 * images / floor[bound]
    return [
        f"  memory: {memory['arguments']:.3f} GB state and batch, {memory['temporaries']:.3f} temporaries, "
        f"{memory['program']:.3f} program; {sum(memory.values()):.2f} of {chip.memory / 1e9:.1f} GB: it fits",
        f"  work: {asked['flops'] / 1e9:.1f} GFLOP, {asked['traffic']['all'] / 1e9:.2f} GB to and from memory",
        f"  collectives: {sums(asked)}",
        f"  time, at the least: {', '.join(f'{name} {value:.2f} ms' for name, value in floor.items())}",
        f"  images a second, at the most: {rate:.0f}, and {chips * rate:.0f} of all chips; bound by {bound}",
        f"  full at {filling(asked, chip, images, nbytes)} images, or more: reckoned from this one, as if all but the "
        "state grew with the batch",
    ]


def sums(asked: Mapping[str, Any]) -> str:
    """The collectives of a step that was `analyzed`, by opcode and dtype."""
    return ", ".join(f"{opcode} {dtype} {size / 1e6:.1f} MB" for opcode, dtype, size in asked["collectives"]) or "none"
