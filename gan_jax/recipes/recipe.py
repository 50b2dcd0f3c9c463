"""A recipe as a command: how its command line is read, and what is run."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from gan_jax import compile_cache, host_memory
from gan_jax.recipes import config_file, flags, pytorch_compat
from gan_jax.terminal import commandline
from gan_jax.training import mirrors, run
from gan_jax.training.config import RunConfig
from gan_jax.training.experiment import Experiment

__all__ = ["Recipe"]
__dir__ = __all__.copy

_MORE = """
--help shows the flags that most runs use, --help_all all. --config FILE.toml reads lines of flag = value, over which
flags are laid, and --save_config FILE.toml writes them."""
_C = TypeVar("_C", bound=RunConfig)


@dataclasses.dataclass(frozen=True)
class Recipe(Generic[_C]):
    """What a paper's method is at the command line: flags, presets, and the experiment that they mean."""

    doc: str | None  # what --help says
    config: type[_C]  # the flags; it has a positional `preset`
    presets: Mapping[str, _C]
    experiment: Callable[[_C], Experiment]
    train: Callable[[_C], int] | None = None  # in place of one run: where presets are stages or comparisons
    rows: tuple[pytorch_compat.Row, ...] = pytorch_compat.TRAIN  # what becomes of the PyTorch code's flags

    def preset(self, name: str | None) -> _C:
        """What flags are laid over: a preset, or the defaults. Raises ValueError where there is no such preset."""
        if name is None:
            return self.config()
        if name not in self.presets:
            raise ValueError(f"no preset is called {name}; there is {', '.join(self.presets)}.")
        return self.presets[name]

    def parse(self, arguments: list[str] | None = None, *, program: str | None = None) -> _C:
        """The configuration that a command line means: flags and an optional preset in any order.

        Flags win over the lines of --config FILE, and these over the preset. --save_config FILE writes them all. The
        flags of pytorch-CycleGAN-and-pix2pix are understood too, as `rows` say; what becomes of those that have no
        counterpart is printed. Raises ValueError for what no run can have.
        """
        arguments, lines = pytorch_compat.read(sys.argv[1:] if arguments is None else arguments, self.rows)
        path, arguments = commandline.take(arguments, "--config")
        target, arguments = commandline.take(arguments, "--save_config")
        values = {} if path is None else config_file.read(path)
        typed = program or commandline.program()

        def read(default: _C) -> _C:
            words: dict[str, Any] = {"program": typed, "description": (self.doc or "") + _MORE, "usual": flags.USUAL}
            return commandline.read(self.config, arguments, default=default, **words)

        # The first reading only tells the preset; the second lays the flags over what the file and the preset say.
        in_file = values.pop("preset", None)
        preset = self.preset(getattr(read(self.config()), "preset", None) or (in_file and str(in_file)))
        config = read(_laid_over(preset, values, path, typed) if path else preset)
        config.check()
        if target is not None:
            config_file.write(target, config, preset)
        print(*lines, sep="\n", end="\n" if lines else "")
        return mirrors.placed(config)

    def build(self, arguments: list[str] | None = None) -> tuple[_C, Experiment]:
        """The configuration and the experiment that a command line means."""
        config = self.parse(arguments)
        return config, self.experiment(config)

    def main(self, arguments: list[str] | None = None, *, program: str | None = None) -> int:
        """Trains as a command line says; returns the exit code. `program` is what was typed before `arguments`."""

        def train() -> int:
            config = self.parse(arguments, program=program)
            host_memory.keep()
            compile_cache.enable(config.compile_cache)
            with run.joined(config):
                return self.train(config) if self.train else run.execute(config, self.experiment(config))

        return run.guarded(train)


def _laid_over(preset: _C, values: Mapping[str, Any], path: str, program: str) -> _C:
    try:
        return commandline.lay_over(preset, values, program=program)
    except ValueError as error:  # it knows no file
        raise ValueError(f"{path}: {error}") from None
