"""A page to play with a generator in the browser: subject.py, answers.py, and page.py, which alone knows Gradio."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from gan_jax.app.subject import Subject
from gan_jax.model import Model

__all__ = ["Subject", "serve"]
__dir__ = __all__.copy

# Read when Gradio and what it brings are imported: nothing is told to anybody, and nothing asked for.
_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


def serve(generator: Model, subject: Subject, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves the page until it is interrupted; `say` is told its address once it answers.

    What is uploaded and made is in a folder of its own, gone afterwards. Raises ValueError without the extra `app`, and
    where the port is taken or the host is none of this machine's.
    """
    with tempfile.TemporaryDirectory(prefix="gan_jax_app_") as folder:
        os.environ |= {**_QUIET, "GRADIO_TEMP_DIR": folder}
        try:
            from gan_jax.app import page
        except ImportError:
            raise ValueError(
                "the page wants Gradio: pip install 'gan_jax[app]', in an environment of its own, since Gradio wants "
                "pillow below 13 (constraints/app.txt)."
            ) from None
        page.serve(generator, subject, Path(folder), host=host, port=port, say=say)
