"""Who may import whom: the table of docs/design.md, enforced on the parsed sources."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANY_OF_OURS = "gan_jax"

# A room, a folder or a file below the root -> what it imports beside the standard library and itself, neither less nor
# more. Names are prefixes. Files not named here are rooms of their own below gan_jax/ and import nothing.
ALLOWED = {
    "gan_jax/image.py": {"jax", "numpy"},
    "gan_jax/losses.py": {"jax"},
    "gan_jax/metrics.py": {"jax", "numpy", "gan_jax.image"},
    "gan_jax/blur.py": {"jax", "numpy"},
    "gan_jax/degrade.py": {"jax", "numpy", "gan_jax.image", "gan_jax.jpeg", "gan_jax.second_order"},
    "gan_jax/jpeg.py": {"jax", "numpy", "gan_jax.image"},
    "gan_jax/latents.py": {"jax", "numpy"},
    "gan_jax/values.py": {"numpy"},
    "gan_jax/second_order.py": {"jax", "numpy", "gan_jax.blur", "gan_jax.image", "gan_jax.jpeg"},
    "gan_jax/schedules.py": {"jax", "numpy"},
    "gan_jax/networks/": {"jax", "numpy", "flax", "gan_jax.image"},
    "gan_jax/method.py": {"jax", "optax", "flax.struct", "gan_jax.networks.network"},
    "gan_jax/methods/": {
        "jax", "optax", "flax.struct",
        "gan_jax.blur", "gan_jax.image", "gan_jax.latents", "gan_jax.losses", "gan_jax.method", "gan_jax.metrics",
        "gan_jax.networks.network",
    },
    "gan_jax/boxed/": {"gan_jax.builtin"},
    "gan_jax/buckets.py": {"fsspec", "gan_jax.files"},
    "gan_jax/compile_cache.py": {"jax", "jaxlib", "gan_jax.files"},
    "gan_jax/folders.py": {"gan_jax.errors"},
    "gan_jax/log.py": {"gan_jax.files"},
    "gan_jax/generator.py": {"gan_jax.model"},
    "gan_jax/model.py": {
        "jax", "numpy", "safetensors", "gan_jax.boxed", "gan_jax.errors", "gan_jax.files", "gan_jax.folders",
        "gan_jax.networks", "gan_jax.values",
    },
    "gan_jax/interop/": {
        "jax", "numpy", "safetensors", "ml_dtypes", "gan_jax.files", "gan_jax.model", "gan_jax.networks",
    },
    "gan_jax/perceptual.py": {
        "jax", "numpy", "gan_jax.image", "gan_jax.interop", "gan_jax.metrics", "gan_jax.networks",
    },
    "gan_jax/data/": {
        "numpy", "PIL", "scipy.ndimage", "apache_beam", "array_record", "grain", "tensorflow_datasets",
        "tifffile", "imagecodecs",
        "gan_jax.errors", "gan_jax.files", "gan_jax.values",
    },
    "gan_jax/infer/": {
        "jax", "numpy", "jax2onnx", "onnxruntime",
        "gan_jax.data", "gan_jax.errors", "gan_jax.files", "gan_jax.folders", "gan_jax.model", "gan_jax.image",
        "gan_jax.latents", "gan_jax.networks",
    },
    "gan_jax/app/": {
        "gradio", "numpy", "PIL", "starlette",
        "gan_jax.data", "gan_jax.folders", "gan_jax.image", "gan_jax.infer", "gan_jax.model", "gan_jax.report",
    },
    "gan_jax/evaluate/": {
        "jax", "numpy",
        "gan_jax.data", "gan_jax.files", "gan_jax.image", "gan_jax.metrics", "gan_jax.perceptual", "gan_jax.scores",
        "gan_jax.values",
    },
    "gan_jax/terminal/": {"tyro"},
    "gan_jax/report/": {
        "numpy", "PIL", "gan_jax.files", "gan_jax.folders", "gan_jax.log", "gan_jax.model", "gan_jax.scores",
        "gan_jax.terminal",
    },
    "gan_jax/study/": {
        "numpy", "PIL", "gan_jax.data", "gan_jax.errors", "gan_jax.evaluate", "gan_jax.files",
    },
    "gan_jax/training/": {
        "jax", "numpy", "flax.struct", "optax", "orbax", "rich", "IPython", "tensorboard", "wandb",
        "gan_jax.buckets", "gan_jax.compile_cache", "gan_jax.data", "gan_jax.errors", "gan_jax.evaluate",
        "gan_jax.files", "gan_jax.folders", "gan_jax.hlo", "gan_jax.model", "gan_jax.image", "gan_jax.infer",
        "gan_jax.log", "gan_jax.losses", "gan_jax.method", "gan_jax.metrics", "gan_jax.networks", "gan_jax.report",
        "gan_jax.schedules", "gan_jax.scores", "gan_jax.terminal", "gan_jax.values",
    },
    "gan_jax/recipes/": {"PIL", "jax", "numpy", "optax", "tyro", ANY_OF_OURS},
    "gan_jax/cli/": {"jax", "tyro", ANY_OF_OURS},
    "gan_jax/__main__.py": {"gan_jax.cli"},
    "experiments/": {"gan_jax.recipes"},
}  # fmt: skip
# Outside interfaces that still move have one file each to change.
ONLY_IN = {
    "orbax": {"gan_jax/training/checkpoint.py"},
    "grain": {"gan_jax/data/pipeline.py"},
    "tensorflow_datasets": {"gan_jax/data/records.py", "gan_jax/data/tfds_source.py"},
    "gradio": {"gan_jax/app/page.py"},
    "apache_beam": {"gan_jax/data/on_beam.py"},
    "array_record": {"gan_jax/data/records.py"},
    "jax2onnx": {"gan_jax/infer/exported.py"},
    "tensorboard": {"gan_jax/training/loggers.py"},
    "wandb": {"gan_jax/training/loggers.py"},
    "rich": {"gan_jax/training/meter.py"},
    "IPython": {"gan_jax/training/meter.py"},
}
FILES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("gan_jax", "experiments") for path in (ROOT / top).rglob("*.py")
)


def imports(source: str) -> set[str]:
    """The modules that a source imports, each as far as its text names it."""
    result = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            result |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in result if name.split(".")[0] not in sys.stdlib_module_names}


def room(file: str) -> str:
    parts = file.split("/")
    return f"{parts[0]}/{parts[1]}/" if len(parts) > 2 else "experiments/" if parts[0] == "experiments" else file


def own(file: str) -> str:
    return room(file).rstrip("/").removesuffix(".py").replace("/", ".")


def below(name: str, rule: str) -> bool:
    return f"{name}.".startswith(f"{rule}.")


def forbidden(file: str, source: str) -> set[str]:
    rules = {*ALLOWED.get(room(file), set()), own(file)}
    result = {name for name in imports(source) if not any(below(name, rule) for rule in rules)}
    for package, files in ONLY_IN.items():
        if file not in files:
            result |= {name for name in imports(source) if below(name, package)}
    return result


@pytest.mark.parametrize("file", FILES)
def test_imports(file):
    assert forbidden(file, (ROOT / file).read_text()) == set()


@pytest.mark.parametrize("key", ALLOWED)
def test_nothing_is_allowed_that_no_file_uses(key):
    used = {name for file in FILES if room(file) == key for name in imports((ROOT / file).read_text())}
    assert {rule for rule in ALLOWED[key] if not any(below(name, rule) for name in used)} == set()


def test_the_checker_sees_what_is_forbidden():
    assert forbidden("gan_jax/losses.py", "from gan_jax import image") == {"gan_jax.image"}
    assert forbidden("gan_jax/methods/x.py", "from gan_jax.networks.unet import UNet") == {"gan_jax.networks.unet.UNet"}
    assert forbidden("gan_jax/methods/x.py", "import gan_jax.training.parallel") == {"gan_jax.training.parallel"}
    assert forbidden("gan_jax/training/run.py", "import experiments.pix2pix") == {"experiments.pix2pix"}
    assert forbidden("gan_jax/training/loop.py", "import flax.linen as nn") == {"flax.linen"}
    assert forbidden("gan_jax/training/loop.py", "import orbax.checkpoint") == {"orbax.checkpoint"}
    assert forbidden("gan_jax/unheard_of.py", "import numpy") == {"numpy"}


def test_the_command_line_imports_nothing_heavy_before_it_has_parsed():
    for path in (ROOT / "gan_jax" / "cli").glob("*.py"):
        if path.name == "inspection.py":  # which a verb imports
            continue
        top = ast.parse(path.read_text()).body
        lines = [ast.unparse(node) for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
        assert {name for name in imports("\n".join(lines)) if not below(name, "gan_jax.cli")} <= {
            "tyro.conf.Positional",
            "tyro.conf.arg",
            "gan_jax.terminal.commandline.ModelPlace",  # whose module parses
        }
