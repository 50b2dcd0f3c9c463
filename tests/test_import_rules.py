"""Who may import whom: the table of docs/design.md, enforced on the parsed sources."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANY_OF_OURS = "gan_jax"

# Path below the root, or its folder -> what it may import beside the standard library. Names of ours are prefixes.
ALLOWED = {
    "gan_jax/__init__.py": set(),
    "gan_jax/image.py": {"jax", "numpy"},
    "gan_jax/losses.py": {"jax", "optax"},
    "gan_jax/metrics.py": {"jax", "numpy", "gan_jax.image"},
    "gan_jax/degrade.py": {"jax", "numpy", "gan_jax.image"},
    "gan_jax/perceptual.py": {
        "jax", "numpy",
        "gan_jax.image", "gan_jax.interop", "gan_jax.metrics", "gan_jax.networks",
    },
    "gan_jax/method.py": {"jax", "optax", "flax.struct", "gan_jax.networks.network"},
    "gan_jax/pool.py": {"jax"},
    "gan_jax/methods/": {
        "jax", "optax", "flax.struct",
        "gan_jax.image", "gan_jax.latents", "gan_jax.losses", "gan_jax.method", "gan_jax.networks.network",
        "gan_jax.pool",
    },
    "gan_jax/methods/srgan.py": {  # the second stage of SRResNet, with its batches
        "jax", "optax", "flax.struct",
        "gan_jax.losses", "gan_jax.method", "gan_jax.methods.srresnet", "gan_jax.networks.network",
    },
    "gan_jax/latents.py": {"jax", "numpy"},
    "gan_jax/classifier.py": {
        "jax", "numpy", "optax",
        "gan_jax.image", "gan_jax.networks", "gan_jax.generator", "gan_jax.experiment", "gan_jax.data.pipeline",
    },
    "gan_jax/sampling.py": {
        "jax", "numpy",
        "gan_jax.classifier", "gan_jax.experiment", "gan_jax.generator", "gan_jax.image",
        "gan_jax.latents", "gan_jax.losses", "gan_jax.metrics", "gan_jax.networks", "gan_jax.results",
        "gan_jax.data.labelled", "gan_jax.data.pictures", "gan_jax.data.pipeline", "gan_jax.data.transforms",
    },
    "gan_jax/networks/": {"jax", "numpy", "flax", "gan_jax.image", "gan_jax.networks"},
    "gan_jax/data/": {
        "numpy", "PIL", "scipy.ndimage", "grain", "tensorflow_datasets", "tifffile", "imagecodecs",
        "gan_jax.errors", "gan_jax.files", "gan_jax.image", "gan_jax.data",
    },
    "gan_jax/folders.py": {"gan_jax.errors"},
    "gan_jax/generator.py": {
        "jax", "numpy", "safetensors", "gan_jax.errors", "gan_jax.files", "gan_jax.folders", "gan_jax.networks",
    },
    "gan_jax/interop/__init__.py": set(),
    "gan_jax/interop/torch_file.py": {"numpy", "safetensors", "ml_dtypes"},
    "gan_jax/interop/chainer_file.py": {"numpy"},
    "gan_jax/interop/states.py": {"numpy", "gan_jax.interop"},
    "gan_jax/interop/layouts/": {"numpy", "gan_jax.networks", "gan_jax.interop.layouts"},
    "gan_jax/interop/kernels.py": {"jax", "numpy", "gan_jax.networks", "gan_jax.interop.layouts"},
    "gan_jax/interop/recognition.py": {"jax", "numpy", "gan_jax.networks", "gan_jax.interop"},
    "gan_jax/interop/convert.py": {
        "numpy", "safetensors",
        "gan_jax.files", "gan_jax.networks", "gan_jax.generator", "gan_jax.interop",
    },
    "gan_jax/parallel.py": {"jax", "numpy", "optax", "gan_jax.method"},
    "gan_jax/checkpoint.py": {"jax", "orbax", "gan_jax.parallel"},
    "gan_jax/train.py": {"jax", "numpy", "grain", "gan_jax.method", "gan_jax.parallel", "gan_jax.checkpoint"},
    "gan_jax/tiles.py": {"numpy"},
    "gan_jax/memory.py": {"jax"},
    "gan_jax/programs.py": {"jax", "gan_jax.image", "gan_jax.networks", "gan_jax.generator"},
    "gan_jax/forward.py": {
        "jax", "numpy",
        "gan_jax.image", "gan_jax.memory", "gan_jax.programs", "gan_jax.tiles", "gan_jax.networks",
        "gan_jax.generator", "gan_jax.data.pictures",
    },
    "gan_jax/infer.py": {
        "jax", "numpy",
        "gan_jax.errors", "gan_jax.files", "gan_jax.forward", "gan_jax.generator", "gan_jax.data.deep",
        "gan_jax.data.pictures",
    },
    "gan_jax/evaluate.py": {
        "numpy",
        "gan_jax.files", "gan_jax.image", "gan_jax.metrics", "gan_jax.perceptual", "gan_jax.data.deep",
        "gan_jax.data.pictures",
    },
    "gan_jax/report.py": {"PIL", "numpy", "gan_jax.console", "gan_jax.files"},
    "gan_jax/progress.py": {"rich", "gan_jax.console", "gan_jax.files"},
    "gan_jax/flags.py": {
        "optax", "tyro",
        "gan_jax.files", "gan_jax.commandline", "gan_jax.generator",
        "gan_jax.incumbent", "gan_jax.parallel", "gan_jax.schedules", "gan_jax.data.transforms",
    },
    "gan_jax/errors.py": set(),
    "gan_jax/files.py": set(),
    "gan_jax/console.py": set(),
    "gan_jax/commandline.py": {"tyro", "gan_jax.neighbours"},
    "gan_jax/neighbours.py": set(),
    "gan_jax/__main__.py": {"gan_jax.cli"},
    "gan_jax/incumbent.py": set(),
    "gan_jax/schedules.py": {"jax", "numpy"},
    "gan_jax/inspection.py": {
        "gan_jax.checkpoint", "gan_jax.folders", "gan_jax.generator", "gan_jax.interop", "gan_jax.networks",
    },
    "gan_jax/experiment.py": {"numpy", "gan_jax.method", "gan_jax.generator", "gan_jax.data"},
    "gan_jax/health.py": {"numpy", "gan_jax.data.transforms"},
    "gan_jax/notes.py": {"numpy", "gan_jax.experiment", "gan_jax.data.pipeline"},
    "gan_jax/results.py": {
        "numpy",
        "gan_jax.files", "gan_jax.experiment", "gan_jax.evaluate", "gan_jax.generator", "gan_jax.health",
        "gan_jax.infer",
        "gan_jax.metrics",
        "gan_jax.data.pictures", "gan_jax.data.pipeline", "gan_jax.data.transforms",
    },
    "gan_jax/run.py": {"jax", "numpy", ANY_OF_OURS},
    "gan_jax/cli.py": {"jax", "tyro", ANY_OF_OURS},
    "experiments/": {"PIL", "jax", "numpy", "optax", "tyro", "experiments", ANY_OF_OURS},
}  # fmt: skip
FILES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("gan_jax", "experiments") for path in (ROOT / top).rglob("*.py")
)


def imports(source: str) -> set[str]:
    """The modules that a source imports, each as far as its text names it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


def forbidden(file: str, source: str) -> set[str]:
    keys = [key for key in ALLOWED if file == key or (key.endswith("/") and file.startswith(key))]
    assert keys, f"{file} has no row in the table of import rules"
    allowed = ALLOWED[max(keys, key=len)]
    return {name for name in imports(source) if not any(f"{name}.".startswith(f"{rule}.") for rule in allowed)}


@pytest.mark.parametrize("file", FILES)
def test_imports(file):
    assert forbidden(file, (ROOT / file).read_text()) == set()


def test_the_checker_sees_what_is_forbidden():
    assert forbidden("gan_jax/losses.py", "from gan_jax import image") == {"gan_jax.image"}
    assert forbidden("gan_jax/methods/x.py", "from gan_jax.networks.unet import UNet") == {"gan_jax.networks.unet.UNet"}
    assert forbidden("gan_jax/methods/x.py", "import gan_jax.parallel") == {"gan_jax.parallel"}
    assert forbidden("gan_jax/run.py", "import experiments.pix2pix") == {"experiments.pix2pix"}
    assert forbidden("gan_jax/train.py", "import flax.linen as nn") == {"flax.linen"}


def test_the_command_line_imports_nothing_heavy_before_it_has_parsed():
    top = ast.parse((ROOT / "gan_jax" / "cli.py").read_text()).body
    lines = [ast.unparse(node) for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {name.split(".")[0] for name in imports("\n".join(lines))} == {"tyro"}
