"""What a compiled program moves: the traffic of its main memory and its collectives, read from its scheduled text.

The text is that of `jax.stages.Compiled.as_text()`, for any platform. XLA's own count, "bytes accessed" of
`cost_analysis`, has an asynchronous slice read the whole array, and counts on-chip memory like any other. Here an
array counts where it lies in main memory, with the padding of its tiles, and as far as an operation touches it: a
slice reads what it gives, and an update in place writes the update. Each operation reads each of its operands once,
which is a floor: one whose windows overlap may read more.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Array", "Operation", "collectives", "operations"]
__dir__ = __all__.copy

_FREE = {
    *("parameter", "constant", "bitcast", "tuple", "get-tuple-element"),
    *("after-all", "partition-id", "replica-id", "opt-barrier"),
}
_FREE_TARGETS = ("AllocateBuffer", "ConcatBitcast")  # custom calls of the TPU's compiler that move nothing
_COLLECTIVES = {
    *("all-gather", "all-reduce", "all-to-all", "collective-broadcast", "collective-permute"),
    *("ragged-all-to-all", "reduce-scatter"),
}
_PRODUCTS = {"convolution", "dot"}
_LIBRARY = re.compile(r'custom_call_target="__(cudnn\$conv|cublas\$)(\w*)')  # a GPU's: its convolutions and products
_MOVES = {"bitcast", "constant", "copy", "pad", "parameter", "reshape", "reverse", "slice", "transpose", "tuple"}
_SLICES = {"dynamic-slice", "gather", "slice"}

_COMPUTATION = re.compile(r"(ENTRY )?%?([^ ]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r" +(ROOT )?%?([^ ]+) = (.*)$")
_ARRAY = re.compile(r"([a-z]+\d*\w*)\[([\d,<=]*)\](?:\{([^{}]*)\})?")
_NAME = re.compile(r"%([\w.\-]+)")


class Array(NamedTuple):
    """An array of a program: its type as XLA names it (bf16, f32, pred), its shape, and where and how it lies."""

    dtype: str
    shape: tuple[int, ...]
    order: tuple[int, ...] = ()  # its axes, that of neighbors first; row-major unless given
    tile: tuple[int, ...] = ()  # the sides that its last axes in memory are padded to multiples of
    space: int = 0  # 0: main memory; 1: a TPU's memory beside its cores

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, padding included."""
        axes = reversed(self.order) if self.order else range(len(self.shape))
        sides = [self.shape[axis] for axis in axes]
        for place, side in enumerate(reversed(self.tile[-len(sides) :] if sides else ()), 1):
            sides[-place] = -(-sides[-place] // side) * side
        return math.prod(sides) * _bits(self.dtype) // 8

    @property
    def main(self) -> int:
        """Bytes of main memory that it takes."""
        return 0 if self.space else self.nbytes


class Operation(NamedTuple):
    """An operation of a program and the bytes of main memory that it reads and writes, each of the times that it runs.

    `kind` is "product", a convolution or matrix product with what is fused to it; "collective"; "prefetch", between
    main memory and another; "copy", which only moves; or "other".
    """

    name: str
    opcode: str
    kind: str
    read: int
    written: int
    outputs: tuple[Array, ...]
    source: str = ""  # the operation of JAX, where it is known
    times: int = 1
    flops: int = 0  # each time, of what a GPU's libraries compute; other programs' are in `cost_analysis`

    @property
    def traffic(self) -> int:
        """Bytes that it reads and writes in all its runs."""
        return self.times * (self.read + self.written)


def operations(text: str) -> list[Operation]:
    """The operations of a scheduled program that move bytes, in its order; those of a loop once, with their `times`.

    A loop whose number of runs the text does not tell counts as one run; of the branches of a conditional the one that
    moves most counts. Raises ValueError where the text holds no program.
    """
    entry, computations = _parsed(text)
    return list(_Program(computations).run(entry))


def collectives(given: Iterable[Operation]) -> Counter[tuple[str, str]]:
    """Bytes that collectives give to each device, by opcode and dtype: ("all-reduce", "bf16")."""
    total = Counter[tuple[str, str]]()
    for one in given:
        for array in one.outputs if one.kind == "collective" else ():
            total[one.opcode, array.dtype] += one.times * array.nbytes
    return total


class _Instruction(NamedTuple):
    name: str
    opcode: str
    outputs: tuple[Array, ...]
    operands: tuple[str, ...]
    rest: str  # what follows the operands, or a constant's value or a parameter's number

    def branches(self) -> list[str]:
        match = re.search(r"\bbranch_computations=\{([^{}]*)\}", self.rest)
        return _NAME.findall(match[1]) if match else [self.called("true_computation"), self.called("false_computation")]

    def called(self, attribute: str) -> str:
        match = re.search(rf"\b{attribute}=%([\w.\-]+)", self.rest)
        if match is None:
            raise ValueError(f"{self.name}, a {self.opcode}, names no {attribute}; give a program's text as it was.")
        return match[1]

    @property
    def is_carried(self) -> bool:
        """Whether it is a collective of a TPU that goes on under one fusion after another, which all name it."""
        return "chain_id=" in self.rest


class _Computation(NamedTuple):
    instructions: Mapping[str, _Instruction]
    root: _Instruction

    @property
    def parameters(self) -> list[_Instruction]:
        parameters = (one for one in self.instructions.values() if one.opcode == "parameter")
        return sorted(parameters, key=lambda one: int(one.rest))

    @property
    def carried(self) -> _Instruction | None:
        """The collective that goes on under a fusion of this."""
        return next((one for one in self.instructions.values() if one.is_carried), None)

    def users(self, name: str) -> list[_Instruction]:
        return [one for one in self.instructions.values() if name in one.operands]


class _Program(NamedTuple):
    computations: Mapping[str, _Computation]

    def run(self, name: str, times: int = 1) -> Iterator[Operation]:
        """What a computation moves that runs so many times."""
        computation = self.computations[name]
        for one in computation.instructions.values():
            if one.opcode in _FREE or any(f'"{target}"' in one.rest for target in _FREE_TARGETS):
                continue
            if one.opcode == "while":
                yield from self.run(one.called("body"), times * self._trips(one))
            elif one.opcode == "conditional":
                branches = [list(self.run(branch, times)) for branch in one.branches()]
                yield from max(branches, key=lambda branch: sum(operation.traffic for operation in branch), default=[])
            elif one.opcode == "call":
                yield from self.run(one.called("to_apply"), times)
            elif one.opcode == "async-start":
                yield from self.run(one.called("calls"), times)
            elif half := self._half(one):
                # The fusions between both halves hand the collective's buffers on: it is counted once, at its end.
                if half == "Done":
                    yield self._collected(one, times)
            elif not one.opcode.endswith(("-start", "-update")) and one.opcode != "async-done":
                yield self._moved(computation, one, times)

    def _half(self, one: _Instruction) -> str:
        """Of a fusion that does nothing but begin or end a carried collective: "Start" or "Done"."""
        inner = self.computations[one.called("calls")] if one.opcode == "fusion" else None
        if inner is None or inner.carried is None:
            return ""
        match = re.search(r'custom_call_target="AsyncCollective(Start|Done)"', inner.root.rest)
        return match[1] if match else ""

    def _collected(self, one: _Instruction, times: int) -> Operation:
        """The collective that a fusion ends."""
        inner = self.computations[one.called("calls")]
        carried = inner.carried
        assert carried is not None  # what is no half has none
        read = sum(array.main for operand in carried.operands for array in inner.instructions[operand].outputs)
        written = sum(array.main for array in one.outputs)
        return Operation(one.name, carried.opcode, "collective", read, written, one.outputs, _source(one), times)

    def _moved(self, computation: _Computation, one: _Instruction, times: int) -> Operation:
        opcode, begun = one.opcode.removesuffix("-done"), one
        if opcode != one.opcode:  # asynchronous: the first half has the operands, the second the outputs
            begun = computation.instructions[one.operands[0]]
        given = [computation.instructions[operand] for operand in begun.operands]
        read = sum(self._read(opcode, begun, one, place, source) for place, source in enumerate(given))
        written = sum(self._written(computation, one))
        spaces = {array.space for array in (*one.outputs, *itertools.chain(*(source.outputs for source in given)))}
        crosses = opcode != one.opcode and len(spaces) > 1 and opcode not in _COLLECTIVES
        kind = "prefetch" if crosses else self._kind(opcode, begun)
        flops = _library_flops(begun, given)
        source = _source(one) or _source(begun)
        return Operation(one.name, opcode, kind, read, written, one.outputs, source, times, flops)

    def _read(self, opcode: str, one: _Instruction, done: _Instruction, place: int, source: _Instruction) -> int:
        """Bytes that an operation reads of its operand at a place."""
        whole = sum(array.main for array in source.outputs)
        if not whole:
            return 0
        if opcode in _SLICES and place == 0:
            return min(whole, sum(array.nbytes for array in done.outputs))
        if opcode == "dynamic-update-slice" and place == 0:
            return 0
        if opcode == "fusion":
            computation = self.computations[one.called("calls")]
            return min(whole, self._touched(computation, computation.parameters[place]))
        return whole

    def _touched(self, computation: _Computation, array: _Instruction) -> int:
        """Bytes that a fused computation reads of an array: all of it, unless each use takes a slice."""
        whole = sum(output.nbytes for output in array.outputs)
        total = whole if array == computation.root else 0
        for user in computation.users(array.name):
            places = [place for place, operand in enumerate(user.operands) if operand == array.name]
            if user.is_carried or (computation.carried and user == computation.root):
                continue  # handed on
            if user.opcode == "bitcast":
                total += self._touched(computation, user)
            elif user.opcode in _SLICES and places == [0]:
                total += sum(output.nbytes for output in user.outputs)
            elif user.opcode == "fusion":
                inner = self.computations[user.called("calls")]
                total += sum(self._touched(inner, inner.parameters[place]) for place in places)
            elif user.opcode != "dynamic-update-slice" or places != [0]:
                total += whole
        return total

    def _written(self, computation: _Computation, one: _Instruction) -> list[int]:
        """Bytes that each output of an operation takes to write; an update in place is of the update alone."""
        if one.opcode == "fusion":
            inner = self.computations[one.called("calls")]
            roots = [inner.root]
            if inner.root.opcode == "tuple":
                roots = [inner.instructions[operand] for operand in inner.root.operands]
            elif len(one.outputs) > 1:  # of a sort, for instance
                return [array.main for array in one.outputs]
            handed_on = [inner.carried and (root.is_carried or root.opcode == "parameter") for root in roots]
            return [
                0 if handed else min(array.main, self._update(inner, root))
                for array, root, handed in zip(one.outputs, roots, handed_on, strict=True)
            ]
        kept = one.outputs[:1] if _LIBRARY.search(one.rest) else one.outputs  # the rest is a library's scratch
        return [min(array.main, self._update(computation, one)) for array in kept]

    def _update(self, computation: _Computation, one: _Instruction) -> int:
        while one.opcode == "bitcast":
            one = computation.instructions[one.operands[0]]
        if one.opcode == "dynamic-update-slice":
            one = computation.instructions[one.operands[1]]
        return sum(array.nbytes for array in one.outputs)

    def _kind(self, opcode: str, one: _Instruction) -> str:
        inside = {opcode} if opcode != "fusion" else set(self._opcodes(one.called("calls")))
        if inside & _PRODUCTS or (opcode == "custom-call" and re.search(r"conv|gemm|matmul", one.rest)):
            return "product"
        if inside & _COLLECTIVES:
            return "collective"
        return "copy" if inside <= _MOVES else "other"

    def _opcodes(self, name: str) -> Iterator[str]:
        for one in self.computations[name].instructions.values():
            if one.opcode == "fusion":
                yield from self._opcodes(one.called("calls"))
            elif not one.is_carried:
                yield one.opcode

    def _trips(self, loop: _Instruction) -> int:
        """How often a loop runs: as the compiler says, or its counter, which begins at 0, is below a constant."""
        if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.rest):
            return int(known[1])
        computation = self.computations[loop.called("condition")]
        compared = [computation.instructions[operand] for operand in computation.root.operands]
        constants = [int(one.rest) for one in compared if one.opcode == "constant"]
        return constants[0] if constants and "direction=LT" in computation.root.rest else 1


def _source(one: _Instruction) -> str:
    match = re.search(r'op_name="([^"]*)"', one.rest)
    return match[1] if match else ""


def _library_flops(one: _Instruction, given: Sequence[_Instruction]) -> int:
    """Of a convolution, as if no pixel of a padding were spared, or of a matrix product; 0 of anything else."""
    called = _LIBRARY.search(one.rest)
    if called is None:
        return 0
    (first, *_), (second, *_), (result, *_) = given[0].outputs, given[1].outputs, one.outputs
    if called[1] == "cublas$":
        summed = re.search(r'"lhs_contracting_dimensions":\[([\d",]*)\]', one.rest)
        axes = map(int, re.findall(r"\d+", summed[1] if summed else ""))
        return 2 * math.prod(result.shape) * math.prod(first.shape[axis] for axis in axes)
    labels = re.search(r"dim_labels=\w+_(\w+)->", one.rest)
    if labels is None:
        return 0
    maps, kernel = result, second
    if called[2] == "BackwardInput":
        maps = first
    elif called[2] == "BackwardFilter":
        maps, kernel = second, result
    return 2 * math.prod(maps.shape) * math.prod(kernel.shape) // kernel.shape[labels[1].index("o")]


def _parsed(text: str) -> tuple[str, dict[str, _Computation]]:
    """The entry's name, and every computation by its name."""
    computations: dict[str, _Computation] = {}
    entry, name, root = "", "", None
    instructions: dict[str, _Instruction] = {}
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            name, instructions, root = match[2], {}, None
            entry = name if match[1] else entry
        elif match := _INSTRUCTION.match(line):
            one = _instruction(match[2], match[3])
            instructions[one.name] = one
            root = one if match[1] else root
        elif line.startswith("}") and root is not None:
            computations[name] = _Computation(instructions, root)
    if not entry:
        raise ValueError("no program: wanted the text of a compiled one, `jax.jit(f).lower(...).compile().as_text()`.")
    return entry, computations


def _instruction(name: str, text: str) -> _Instruction:
    """OUTPUTS OPCODE(OPERANDS), ATTRIBUTES."""
    end = _closing(text, 0) + 1 if text.startswith("(") else text.index(" ")
    opcode, _, _ = text[end:].strip().partition("(")
    opens = text.index("(", end)
    closes = _closing(text, opens)
    inside = text[opens + 1 : closes]
    rest = inside if opcode in ("constant", "parameter") else text[closes + 1 :]
    return _Instruction(name, opcode, _arrays(text[:end]), tuple(_NAME.findall(inside)), rest)


def _closing(text: str, opens: int) -> int:
    """Where the parenthesis closes that opens there."""
    depth = 0
    for match in re.compile(r"[()]").finditer(text, opens):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return match.start()
    raise ValueError(f"a parenthesis is open at the end of a line: {text[:80]}; give a program's text as it was.")


def _arrays(text: str) -> tuple[Array, ...]:
    """The arrays of an output, those of nested tuples too."""
    return tuple(_array(*match.groups()) for match in _ARRAY.finditer(text))


def _array(dtype: str, shape: str, layout: str | None) -> Array:
    order, _, placed = (layout or "").partition(":")
    tile, space = re.search(r"T\(([\d,]+)\)", placed), re.search(r"S\((\d+)\)", placed)
    return Array(
        dtype,
        tuple(int(side.lstrip("<=")) for side in shape.split(",") if side),
        tuple(int(axis) for axis in order.split(",") if axis),
        tuple(map(int, tile[1].split(","))) if tile else (),
        int(space[1]) if space else 0,
    )


def _bits(dtype: str) -> int:
    """Of one element: pred takes a byte, a token nothing."""
    digits = re.search(r"\d+", dtype)
    return 8 if dtype == "pred" else int(digits[0]) if digits else 0
