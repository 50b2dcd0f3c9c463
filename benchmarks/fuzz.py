"""Damaged files of other programs: every one is read, or refused with one sentence; nothing else comes out.

    python -m benchmarks.fuzz > benchmarks/fuzz.txt

The mutations are those of tests/interop, ten times as many: flipped bits, cuts, and pieces moved, doubled, removed or
overwritten with what breaks parsers. An error of another kind ends this program, as would a crash.
"""

import collections
import tempfile
from pathlib import Path

import numpy as np

from tests.interop import test_chainer_file, test_torch_file

COUNT = 10_000


def main(folder: Path) -> None:
    kinds = {f"torch, {kind}": (test_torch_file.outcome, change) for kind, change in test_torch_file.MUTATIONS.items()}
    kinds["Chainer, npz"] = (test_chainer_file.outcome, test_chainer_file.mutated)
    print(f"{'files':24}{'mutated':>10}{'read':>10}{'refused':>10}{'anything else':>16}")
    for kind, (outcome, mutated) in kinds.items():
        rng = np.random.default_rng(2)
        outcomes = collections.Counter(outcome(folder / "file", mutated(rng)) for _ in range(COUNT))
        others = COUNT - outcomes["read"] - outcomes["refused"]
        print(f"{kind:24}{COUNT:10}{outcomes['read']:10}{outcomes['refused']:10}{others:16}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
