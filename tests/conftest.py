"""Every test runs on the CPU as eight devices, and compiles fast rather than well; `make test-device` as JAX would."""

import html
import os
import re
import shutil
from importlib import metadata

if os.environ.get("TEST_DEVICE") == "any":
    # Accelerators would multiply in TF32 or bfloat16 by default; the references' numbers are of float32.
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
else:
    # Of the tests' process and of those that they start.
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "8",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",  # whose folder would be a part of a program's key
    }
    if metadata.version("jaxlib").startswith("0.10."):
        # XLA's older way to kernels compiles in less than half the time. Later series have dropped it, and XLA refuses
        # to start under a flag that it does not know.
        os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"

# The environment must be set before JAX starts, so these come late.
import jax
import numpy as np
import optax
import pytest

from gan_jax import networks, report
from gan_jax.data import image_files
from gan_jax.data.demo.facades import Facades
from gan_jax.methods.pix2pix import pix2pix
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import convolution, cpu_convolution
from gan_jax.recipes import pix2pix as experiment
from gan_jax.training import run


def pytest_collection_modifyitems(items):
    """The longest files first: one that began last would leave the other worker without work."""
    items.sort(key=lambda item: "training" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(pytestconfig, tmp_path_factory):
    """A program that one test compiled is not compiled again: not by the next, its children or the next session.

    A worker writes into a folder of its own, where JAX finds links to what earlier sessions kept: JAX writes in place,
    and another worker would read half a program. `make clean` forgets them.
    """
    kept, own = pytestconfig.cache.mkdir("programs"), tmp_path_factory.mktemp("programs")
    for program in kept.glob("*-cache"):
        (own / program.name).symlink_to(program.absolute())
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(own)
    jax.config.update("jax_compilation_cache_dir", str(own))
    yield
    for program in own.glob("*-cache"):
        if not program.is_symlink():
            part = shutil.copy(program, kept / f"{os.getpid()}.part")
            part.replace(kept / program.name)


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    """No test reads or leaves a header cache in the user's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def set_thresholds(monkeypatch):
    """Sets attributes of `cpu_convolution`, by which forms are chosen; choices are forgotten before and after."""

    def forget():
        for computed in (convolution._correlation, convolution._input_gradient, convolution._kernel_gradient):
            computed.fun.clear_cache()

    def set_all(**values):
        forget()
        for name, value in values.items():
            monkeypatch.setattr(cpu_convolution, name, value)

    yield set_all
    forget()


@pytest.fixture(scope="session")
def tiny_method():
    """A pix2pix of a few hundred parameters, for 8x8 images, by SGD: (options) -> method."""

    def make(**options):
        return pix2pix(
            networks.from_linen(networks.UNet(depth=2, width=2, dropout=0.0)),
            networks.from_linen(networks.PatchGAN(layers=1, width=2)),
            **{"generator_tx": optax.sgd(1e-2), "critic_tx": optax.sgd(1e-2), **options},
        )

    return make


@pytest.fixture(scope="session")
def tiny_batch():
    """(size, seed) -> a batch of random 8x8 pairs."""

    def make(size=8, seed=0):
        rng = np.random.default_rng(seed)
        return {name: rng.integers(0, 256, (size, 8, 8, 3), dtype=np.uint8) for name in ("source", "target")}

    return make


@pytest.fixture(scope="session")
def tiny_generator():
    """(fields) -> an untrained U-Net generator for multiples of 8."""

    def make(in_channels=3, out_channels=3, dropout=True, norm="image", **fields):
        module = networks.UNet(out_channels=out_channels, depth=3, width=4, **fields)
        x = np.zeros((1, 8, 8, in_channels), np.float32)
        params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), x)
        # Larger than at the start of training, so that outputs are not all gray.
        params = jax.tree.map(lambda p: 10.0 * p, params)
        spec = ModelSpec(
            architecture=networks.describe(module),
            in_channels=in_channels,
            method="pix2pix",
            norm=norm,
            dropout=dropout,
        )
        return Model(spec, {"params": params, "stats": stats})

    return make


@pytest.fixture(scope="session")
def facades_folder(tmp_path_factory):
    """A folder of side-by-side AB images, 32x32 each: 16 to train on, 2 to validate, 3 to test."""
    root = tmp_path_factory.mktemp("data") / "facades"
    for split, count in (("train", 16), ("val", 2), ("test", 3)):
        for pair in (Facades(split, count, 32)[i] for i in range(count)):
            image_files.save(
                root / split / f"{pair['name']}.png", np.concatenate([pair["source"], pair["target"]], axis=1)
            )
    return root


@pytest.fixture(scope="session")
def tiny_flags(facades_folder):
    """(folder for runs, extra flags) -> the command line of a run of four steps on eight devices."""

    def make(checkpoints_dir, *extra):
        flags = "--name tiny --batch_size 8 --n_epochs 1 --n_epochs_decay 1 --load_size 36 --crop_size 32 --ngf 2 "
        flags += "--ndf 2 --n_layers_D 1 --print_freq 1 --val_freq 2 --save_latest_freq 2"
        where = ["--dataroot", str(facades_folder), "--checkpoints_dir", str(checkpoints_dir)]
        return [*where, *flags.split(), *extra]

    return make


@pytest.fixture(scope="session")
def sections():
    """(the folder of a finished run) -> its report's sections by their headings, as HTML; each says something."""

    def read(folder):
        page = report.write(folder).read_text("utf-8")
        text = html.unescape(re.sub("<(style|script)>.*?</\\1>|<[^>]*>", " ", page, flags=re.DOTALL))
        assert not re.search(r"\b(unknown|yet|None|not started|unfinished)\b", text)
        result = dict(re.findall("<section>\n<h2>(.*?)</h2>\n(.*?)\n</section>", page, re.DOTALL))
        for heading, body in result.items():
            assert len(html.unescape(re.sub("<[^>]*>", " ", body)).split()) > 2, heading
        return result

    return read


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, tiny_flags):
    """The folder of a run that went through without a stop; tests leave it as it is."""
    checkpoints_dir = tmp_path_factory.mktemp("runs")
    assert run.main(lambda: experiment.build(tiny_flags(checkpoints_dir))) == 0
    return checkpoints_dir / "tiny"
