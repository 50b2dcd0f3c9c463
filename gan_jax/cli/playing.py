"""The verb `app`."""

import dataclasses
import sys
from typing import Literal

from tyro.conf import Positional

from gan_jax.cli.speaking import Compiling, load
from gan_jax.terminal.commandline import ModelPlace

__all__ = ["App"]
__dir__ = __all__.copy

_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True)
class App(Compiling):
    """Play with a generator on a page in the browser: drop or draw pictures, vary seeds and samples, download."""

    generator: Positional[ModelPlace]
    """A .safetensors file, another program's file, a model that `gan-jax models` lists, or a run's folder: then its
    last generator."""
    host: str = "127.0.0.1"
    """The address to listen at: that of this machine alone unless given."""
    port: int = 7860
    """The port."""
    direction: Literal["AtoB", "BtoA"] | None = None
    """Which of the two generators of a run of CycleGAN."""
    step: int | None = None
    """The generator that the run keeps of this step, in place of its last."""

    def run(self) -> int:
        """Returns the exit code."""
        from gan_jax import app
        from gan_jax import model as models
        from gan_jax.app.subject import subject

        if not 1 <= self.port <= 65535:
            raise ValueError(f"--port is {self.port}; wanted 1 to 65535.")
        model = load(self.generator, self.step, self.direction)
        about = subject(model, models.find(self.generator, step=self.step, direction=self.direction))
        if self.host not in _LOCAL:
            print(
                f"note: whoever reaches {self.host}:{self.port} can use the page; it asks for no password.",
                file=sys.stderr,
            )
        app.serve(
            model,
            about,
            host=self.host,
            port=self.port,
            say=lambda address: print(f"the page is at {address}; Ctrl-C ends it.", flush=True),
        )
        return 0
