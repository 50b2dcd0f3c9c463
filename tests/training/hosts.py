"""Several processes on this machine as one run, for tests: `Hosts` starts them, and this program is each of them.

    python -m tests.training.hosts toy|RECIPE FLAGS --coordinator ... --process_id I

"toy" is `tests.toy`. GAN_JAX_SILENT is in how many seconds without a sign of life a process counts as lost,
GAN_JAX_LATE by how many the last process compiles longer.
"""

import importlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port():
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _own(environment, index):
    """A process's own variables, where a value is one for each."""
    return {name: value if isinstance(value, str) else value[index] for name, value in (environment or {}).items()}


class Hosts:
    """Processes of one run, each with its own command line, its stdout and its stderr in files."""

    def __init__(self, folder, lines, *, devices=1, environment=None, folders=None):
        self.folder, self.processes = Path(folder), []
        self.folder.mkdir(parents=True, exist_ok=True)
        for index, line in enumerate(lines):
            here = ROOT if folders is None else folders[index]
            here.mkdir(exist_ok=True)
            variables = {"JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT), **_own(environment, index)}
            with self.path(index, "out").open("w") as out, self.path(index, "err").open("w") as err:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.training.hosts", *map(str, line)],
                        cwd=here,
                        env={**os.environ, **variables},
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                    )
                )

    def path(self, index, stream):
        return self.folder / f"{stream}{index}"

    def out(self, index):
        return self.path(index, "out").read_text()

    def err(self, index):
        return self.path(index, "err").read_text()

    def wait(self, timeout=120):
        """The exit codes; every process is gone afterwards."""
        try:
            return [process.wait(timeout) for process in self.processes]
        finally:
            self.kill()

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()


def together(count, *line, port=None):
    """The command lines of so many processes of one run."""
    where = f"--coordinator 127.0.0.1:{port or free_port()} --num_processes {count} --process_id"
    return [[*line, *where.split(), index] for index in range(count)]


def main(arguments):
    from gan_jax.training import joining, parallel, processes, run
    from tests import fake_bucket

    fake_bucket.register()
    joining._SILENT = int(os.environ.get("GAN_JAX_SILENT", joining._SILENT))
    compile_step = parallel.compile_step

    def late(*arguments, **options):
        last = processes.index() == processes.count() - 1
        time.sleep(float(os.environ.get("GAN_JAX_LATE", "0")) * last)
        return compile_step(*arguments, **options)

    parallel.compile_step = late
    name, *flags = arguments
    if name != "toy":
        return importlib.import_module(f"gan_jax.recipes.{name}").main(flags)
    from gan_jax.recipes import pix2pix
    from tests import toy

    def call():
        config = pix2pix.RECIPE.parse(flags)
        with run.joined(config):
            return run.execute(*toy.build(flags))

    return run.guarded(call)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
