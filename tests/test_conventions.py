"""What every public function promises: a docstring, `key` for randomness, options by keyword, a test, paths as text.

Those of the pure modules (`image`, `losses`, `metrics`) promise more: an example that runs, jit and vmap, finite
gradients, and no broadcasting. `CASES` has a line for each of them, and one without a line fails.
"""

import ast
import collections.abc
import doctest
import functools
import importlib
import inspect
import pkgutil
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import evaluate, image, infer, losses, metrics, model, report
from gan_jax.cli import inspection
from gan_jax.data import finding, image_files, labeled, layouts, sources, super_resolution
from gan_jax.data.demo import skimage_photos
from gan_jax.training import checkpoint

# Gradio's classes make it what it is: in an environment without them nothing of it can be imported.
APART = "gan_jax.app.page"
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(gan_jax.__path__, "gan_jax.")
    if module.name != APART
]
PURE = ("gan_jax.image", "gan_jax.losses", "gan_jax.metrics")


def public(module):
    """Its functions, whether jit or a cache wraps them or not, and its classes."""
    members = [inspect.unwrap(member) for name, member in vars(module).items() if not name.startswith("_")]
    return [
        member
        for member in members
        if (inspect.isfunction(member) or inspect.isclass(member)) and member.__module__ == module.__name__
    ]


MEMBERS = [member for module in MODULES for member in public(module)]


def label(member):
    return f"{member.__module__}.{member.__qualname__}"


def test_docstrings_are_written_and_not_dataclasses_own():
    """That there are any, ruff's D1 checks; it does not see the one that `dataclass` makes."""
    signatures = [label(m) for m in MEMBERS if m.__doc__ is None or m.__doc__.startswith(f"{m.__name__}(")]
    assert not signatures


@pytest.mark.parametrize("function", [m for m in MEMBERS if inspect.isfunction(m) and m.__module__ in PURE], ids=label)
def test_signatures_of_pure_functions(function):
    for name, parameter in inspect.signature(function).parameters.items():
        assert name not in ("rng", "rng_key", "prng")
        if parameter.default is not inspect.Parameter.empty and name != "key":
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name} has a default and is positional"


def own_names(module):
    """What a module defines, and what a package takes up from its modules, without underscores."""
    result = set()
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            result.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            result |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif (
            isinstance(node, ast.ImportFrom) and hasattr(module, "__path__") and node.module.startswith(module.__name__)
        ):
            result |= {alias.name for alias in node.names if not inspect.ismodule(getattr(module, alias.name))}
    return sorted(name for name in result if not name.startswith("_"))


@pytest.mark.parametrize("module", [m for m in MODULES if own_names(m)], ids=lambda module: module.__name__)
def test_a_module_offers_what_it_defines_and_not_what_it_imports(module):
    """`__all__` is what `import *` and editors read; `dir`, which completion in a terminal reads, is a copy of it."""
    assert sorted(module.__all__) == own_names(module)
    assert dir(module) == own_names(module)


def named():
    """The functions of ours that tests import, or take from a module by the name under which they import it."""
    result = set()
    for path in Path(__file__).parent.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imported = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        result |= set(imported.values())
        result |= {
            f"{imported[node.value.id]}.{node.attr}"
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
        }
    places = [name.rpartition(".") for name in result if name.startswith("gan_jax")]
    members = [inspect.unwrap(getattr(sys.modules.get(module), name, None)) for module, _, name in places]
    return {member for member in members if inspect.isfunction(member)}


NAMED = named()


# Recipes put parts together, and are tested by their command lines.
PARTS = [m for m in MEMBERS if inspect.isfunction(m) and not m.__module__.startswith("gan_jax.recipes.")]


@pytest.mark.parametrize("function", PARTS, ids=label)
def test_every_public_function_is_called_by_name_in_a_test(function):
    assert function in NAMED


def wants_a_path_alone(annotation) -> bool:
    """Whether a string would not do. What a callable takes and gives is between it and its author."""
    parts = typing.get_args(annotation)
    if annotation is Path or isinstance(annotation, type) or typing.get_origin(annotation) is collections.abc.Callable:
        return annotation is Path
    return any(wants_a_path_alone(part) for part in parts if not (part is Path and str in parts))


def calls(member):
    """What a user can call of a public function or class: itself, and a class's public methods."""
    if inspect.isfunction(member):
        return [member]
    if issubclass(member, BaseException) or getattr(member, "_is_protocol", False):  # ours alone to call
        return []
    names = [name for name, method in vars(member).items() if inspect.isfunction(method) and not name.startswith("_")]
    return [member, *(getattr(member, name) for name in names)]


# Whose dataclasses the shell's words fill.
COMMAND_LINES = ("gan_jax.cli", "gan_jax.recipes", "gan_jax.training.config")


@pytest.mark.parametrize("member", [m for m in MEMBERS if not m.__module__.startswith(COMMAND_LINES)], ids=label)
def test_strings_do_where_paths_do(member):
    for call in calls(member):
        parameters = inspect.signature(call).parameters
        wrong = [name for name, parameter in parameters.items() if wants_a_path_alone(parameter.annotation)]
        assert not wrong, f"{call.__qualname__}: annotate {', '.join(wrong)} as str | Path, and make a Path of it"


def test_the_checker_sees_paths_that_cannot_be_strings():
    for annotation in (Path, Path | None, tuple[Path, ...], dict[str, list[Path] | None], typing.Optional[Path]):  # noqa: UP045
        assert wants_a_path_alone(annotation)
    for annotation in (str | Path, str | Path | None, tuple[str | Path, ...], Callable[[str], Path], str, int | None):
        assert not wants_a_path_alone(annotation)


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_generator):
    """Images in every layout, a generator, a run's folder and a checkpoint's."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("pairs/trainA/a", "pairs/trainB/a", "classes/train/cat/a", "high/train/a", "low/train/ax2"):
        image_files.save(folder / f"{name}.png", np.full((4, 4, 3) if "low" in name else (8, 8, 3), 7, np.uint8))
    model.save(folder / "g.safetensors", tiny_generator())
    (folder / "run" / "checkpoints" / "3" / "state").mkdir(parents=True)
    (folder / "run" / "config.json").write_text("{}")
    return folder


RGB = {"source_channels": 3, "target_channels": 3}
PATHS = {
    "layouts.open_pairs": lambda at: layouts.open_pairs(at("pairs"), "train", **RGB)[0],
    "layouts.open_side": lambda at: layouts.open_side(at("pairs"), "train", "A", key="A", channels=3)[0],
    "sources.Images": lambda at: sources.Images((at("pairs/trainA"),), [("a.png",)], "A", 3)[0],
    "labeled.open_folder": lambda at: labeled.open_folder(at("classes"), "train", channels=3)[0],
    "super_resolution.open_split": lambda at: super_resolution.open_split(
        at("high"), "train", low_root=at("low"), scale=2, channels=3
    )[0],
    "super_resolution.HighResImages": lambda at: super_resolution.HighResImages(
        (at("high/train"), at("low/train")), [("a.png", "ax2.png")], 3, 2
    )[0],
    "finding.list_images": lambda at: finding.list_images(at("pairs")),
    "image_files.save": lambda at: (
        image_files.save(at("new/x.png"), np.zeros((2, 2, 1), np.uint8)), image_files.read(at("new/x.png"), 1)
    ),
    "skimage_photos.prepare": lambda at: skimage_photos.prepare(at("photos")),
    "infer.plan": lambda at: infer.plan([at("pairs/trainA")], at("out"), samples=2),
    "infer.plan of one": lambda at: infer.plan(at("pairs/trainA/a.png"), at("out.png")),
    "infer.translate_files": lambda at: infer.translate_files(
        model.load(at("g.safetensors")), [infer.Job(at("pairs/trainA/a.png"), at("out/a.png"))]
    ),
    "model.save": lambda at: model.save(at("h.safetensors"), model.load(at("g.safetensors"))),
    "model.find": lambda at: model.find(at("g.safetensors")),
    "model.is_foreign": lambda at: model.is_foreign(at("g.safetensors")),
    "evaluate.evaluate": lambda at: evaluate.evaluate(
        at("pairs/trainA"), at("pairs/trainB"), evaluate.PROTOCOLS["rgb"], other=at("high/train"), metric_names=["psnr"]
    ).scores,
    "evaluate.by_stem": lambda at: evaluate.by_stem(at("pairs")),
    "report.write": lambda at: report.write(at("run")),
    "inspection.describe": lambda at: inspection.describe(at("g.safetensors")),
    "checkpoint.latest_step": lambda at: checkpoint.latest_step(at("run/checkpoints")),
    "checkpoint.is_checkpoint": lambda at: checkpoint.is_checkpoint(at("run/checkpoints/3")),
    "checkpoint.damage": lambda at: checkpoint.damage(at("run/checkpoints/3")),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_a_string_finds_what_its_path_finds(name, files):
    by_path, by_string = PATHS[name](files.joinpath), PATHS[name](lambda below: str(files / below))
    assert repr(by_string) == repr(by_path)


def test_importing_the_package_or_its_losses_stays_light():
    """`import gan_jax` imports nothing; the losses bring jax and no Flax, no data pipeline and nothing of ours."""
    import subprocess
    import sys

    program = (
        "import sys, gan_jax; assert 'jax' not in sys.modules; from gan_jax import losses;"
        "ours = sorted(m for m in sys.modules if m.startswith('gan_jax'));"
        "assert ours == ['gan_jax', 'gan_jax.losses'], ours;"
        "assert not {'flax', 'grain', 'orbax', 'PIL', 'tyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_modules_are_attributes_of_the_package_that_are_imported_when_first_asked_for():
    import subprocess
    import sys

    program = (
        "import sys, gan_jax; assert {'losses', 'infer', 'generator'} < set(dir(gan_jax));"
        "assert 'jax' not in sys.modules;"
        "assert float(gan_jax.losses.l1(1.0, 3.0)) == 2.0; assert 'flax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="module 'gan_jax' has no attribute 'loses'"):
        gan_jax.loses  # noqa: B018
    with pytest.raises(ImportError, match="loses"):
        from gan_jax import loses  # noqa: F401


class Case(NamedTuple):
    """A public function as one of arrays alone, and arrays that it takes."""

    call: Callable
    arrays: tuple[np.ndarray, ...]
    free: tuple[int, ...] = ()  # axes along which the arrays may differ: counts of samples
    traced: bool = True  # False: computed on the host in float64, so neither compiled nor differentiated
    flat: bool = True  # False: the value is infinite where all is zero, and its gradient not finite


def floats(*shape, scale=1.0):
    return scale * np.random.default_rng(sum(shape)).uniform(0.0, 1.0, shape).astype(np.float32)


def pair(*shape, scale=1.0):
    first, second = floats(2, *shape, scale=scale)
    return first, second


def half_critic(images):
    return jnp.tanh(images).sum(axis=(1, 2, 3)) / 2.0


def two_scales(images, references, *, max_value=None):
    """MS-SSIM with two of its five scales: five take half a minute to compile with their gradients."""
    with mock.patch.object(metrics, "MS_SSIM_WEIGHTS", (0.3, 0.7)):
        return metrics.ms_ssim(images, references, max_value=max_value)


SMALL = floats(2, 4, 6, 3)
PHOTO = floats(2, 22, 23, 3)
LEVELS = np.uint8(floats(2, 4, 6, 3, scale=255.0))
ADVERSARIAL_LOSSES = {name: game for name, game in vars(losses).items() if isinstance(game, losses.AdversarialLoss)}
SINKHORN = {"epsilon": 0.5, "iterations": 10}
CASES = {
    **{f"losses.{name}.critic": Case(game.critic, pair(6), free=(0,)) for name, game in ADVERSARIAL_LOSSES.items()},
    **{
        f"losses.{name}.generator": Case(game.generator, pair(6), free=(0,))
        for name, game in ADVERSARIAL_LOSSES.items()
    },
    "losses.label_smoothing": Case(losses.label_smoothing(losses.least_squares).critic, pair(6), free=(0,)),
    "losses.gradient_penalty": Case(
        lambda real, fake, epsilon: losses.gradient_penalty(half_critic, real, fake, epsilon=epsilon),
        (*pair(2, 4, 6, 3), floats(2)),
    ),
    "losses.r1_penalty": Case(lambda real: losses.r1_penalty(half_critic, real), (SMALL,)),
    "losses.l1": Case(losses.l1, pair(2, 4, 6, 3)),
    "losses.l2": Case(losses.l2, pair(2, 4, 6, 3)),
    "losses.charbonnier": Case(losses.charbonnier, pair(2, 4, 6, 3)),
    "losses.cycle_consistency": Case(losses.cycle_consistency, pair(2, 4, 6, 3)),
    "losses.identity": Case(losses.identity, pair(2, 4, 6, 3)),
    "losses.content": Case(lambda x, y: losses.content({"a": x}, {"a": y}), pair(2, 4, 6, 3)),
    "losses.total_variation": Case(losses.total_variation, (SMALL,)),
    "losses.sinkhorn": Case(functools.partial(losses.sinkhorn, **SINKHORN), pair(5, 2), free=(0,)),
    "losses.sinkhorn_divergence": Case(
        functools.partial(losses.sinkhorn_divergence, **SINKHORN), pair(5, 2), free=(0,)
    ),
    "losses.weighted_sum": Case(lambda x: losses.weighted_sum({"a": (2.0, x.mean())}), (SMALL,)),
    "image.peak": Case(image.peak, (LEVELS,), traced=False),
    "image.to_float": Case(image.to_float, (LEVELS,)),
    "image.to_uint8": Case(image.to_uint8, (SMALL,)),
    "image.round_to": Case(lambda x: image.round_to(x, jnp.uint8), (floats(2, 4, 6, 3, scale=255.0),)),
    "image.rescale": Case(lambda x: image.rescale(x, (0.0, 1.0), (-1.0, 1.0)), (SMALL,)),
    "image.full_range_luma": Case(image.full_range_luma, (SMALL,)),
    "image.luma": Case(functools.partial(image.luma, max_value=1.0), (SMALL,)),
    "image.rgb_to_ycbcr": Case(functools.partial(image.rgb_to_ycbcr, max_value=1.0), (SMALL,)),
    "image.ycbcr_to_rgb": Case(functools.partial(image.ycbcr_to_rgb, max_value=1.0), (SMALL,)),
    "image.rgb_to_lab": Case(functools.partial(image.rgb_to_lab, max_value=1.0), (SMALL,)),
    "image.lab_to_rgb": Case(functools.partial(image.lab_to_rgb, max_value=1.0), (floats(2, 4, 6, 3, scale=50.0),)),
    "image.lightness": Case(image.lightness, (SMALL,)),
    "image.opponents": Case(image.opponents, (SMALL,)),
    "image.colored": Case(image.colored, (floats(2, 4, 6, 1), floats(2, 4, 6, 2))),
    "image.mix_channels": Case(lambda x: image.mix_channels(x, [[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), (SMALL,)),
    "image.crop_border": Case(lambda x: image.crop_border(x, 1), (SMALL,)),
    "image.mod_crop": Case(lambda x: image.mod_crop(x, 4), (SMALL,)),
    "image.pixel_shuffle": Case(lambda x: image.pixel_shuffle(x, 2), (floats(2, 3, 3, 8),)),
    "image.pixel_unshuffle": Case(lambda x: image.pixel_unshuffle(x, 2), (SMALL,)),
    "image.grid": Case(lambda x: image.grid(x, 2), (SMALL,)),
    "image.imresize": Case(functools.partial(image.imresize, scale=0.5), (SMALL,)),
    "image.resampling_weights": Case(lambda: image.resampling_weights(4, 6), (), traced=False),
    "metrics.psnr": Case(functools.partial(metrics.psnr, max_value=1.0), pair(2, 4, 6, 3), flat=False),
    "metrics.ssim": Case(functools.partial(metrics.ssim, max_value=1.0), pair(2, 12, 13, 3)),
    "metrics.ssim_factors": Case(functools.partial(metrics.ssim_factors, max_value=1.0), pair(2, 12, 13, 3)),
    # The second image's structure is negative, so that its value and its gradient are 0.
    "metrics.ms_ssim": Case(
        functools.partial(two_scales, max_value=1.0), (PHOTO, np.stack([0.8 * PHOTO[0], 1 - PHOTO[1]]))
    ),
    "metrics.lpips": Case(
        lambda x, y, weights: metrics.lpips({"a": x}, {"a": y}, {"a": weights}), (*pair(2, 4, 6, 3), floats(3))
    ),
    "metrics.frechet_distance": Case(metrics.frechet_distance, pair(5, 3), free=(0,), traced=False),
    "metrics.kernel_distance": Case(metrics.kernel_distance, pair(5, 3), free=(0,), traced=False),
    "metrics.laplacian_energy": Case(metrics.laplacian_energy, (SMALL,)),
    "metrics.color_histogram_intersection": Case(metrics.color_histogram_intersection, (LEVELS, LEVELS[::-1])),
    "metrics.lab_histograms": Case(metrics.lab_histograms, (LEVELS,)),
    "metrics.label_map_scores": Case(
        lambda x, y: metrics.label_map_scores(x, y, 3), (LEVELS[..., 0] % 3, LEVELS[..., 1] % 3)
    ),
}
ROUNDED = ("image.round_to", "image.to_uint8")
TRACED = [name for name, case in CASES.items() if case.traced]
SMOOTH = [
    name for name in TRACED if all(array.dtype == np.float32 for array in CASES[name].arrays) and name not in ROUNDED
]
PURE_MEMBERS = [member for member in MEMBERS if member.__module__ in PURE]


def test_the_table_of_cases_has_every_public_function():
    functions = {label(member).removeprefix("gan_jax.") for member in PURE_MEMBERS if inspect.isfunction(member)}
    halves = {f"losses.{name}.{half}" for name in ADVERSARIAL_LOSSES for half in ("critic", "generator")}
    assert CASES.keys() == functions | halves
    assert len(ADVERSARIAL_LOSSES) == 7


@pytest.mark.parametrize("member", PURE_MEMBERS, ids=label)
def test_the_example_in_the_docstring_runs(member):
    module = sys.modules[member.__module__]
    names = {
        "jax": jax,
        "jnp": jnp,
        module.__name__.removeprefix("gan_jax."): module,
    }  # which the module's docstring promises
    (example,) = doctest.DocTestFinder(recurse=False).find(member, label(member), module, globs=names)
    assert example.examples
    said = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("name", TRACED)
def test_pure_functions_work_under_jit_and_vmap(name):
    call, arrays, *_ = CASES[name]
    others = [(array / 2).astype(array.dtype) for array in arrays]
    together = jax.device_get(jax.jit(jax.vmap(call))(*map(np.stack, zip(arrays, others, strict=True))))
    for index, alone in enumerate((arrays, others)):
        ours, expected = (jax.tree.leaves(tree) for tree in (together, jax.jit(call)(*alone)))
        for x, y in zip(ours, expected, strict=True):
            np.testing.assert_allclose(x[index], y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_pure_functions_are_finite(name):
    call, arrays, *_, flat = CASES[name]

    @jax.jit
    @functools.partial(jax.grad, argnums=tuple(range(len(arrays))))
    def gradients(*arrays):
        return sum(leaf.sum() for leaf in jax.tree.leaves(call(*arrays)))

    result = jax.device_get(gradients(*arrays))
    assert all(np.isfinite(gradient).all() for gradient in result)
    assert any((gradient != 0).any() for gradient in result)
    if flat:  # where roots, norms and ratios have their traps
        assert all(np.isfinite(gradient).all() for gradient in gradients(*map(np.zeros_like, arrays)))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case.arrays) > 1])
def test_pure_functions_refuse_to_broadcast(name):
    call, arrays, free, traced, _ = CASES[name]
    for index, array in enumerate(arrays):
        for axis in set(range(array.ndim)) - set(free):
            others = list(arrays)
            others[index] = array.take([0], axis)
            if others[index].shape != array.shape:
                with pytest.raises(ValueError, match=r"shape|wanted"):
                    jax.eval_shape(call, *others) if traced else call(*others)


NOT_IMAGE_BY_IMAGE = {
    "image.peak", "image.resampling_weights", "image.grid",
    "metrics.frechet_distance", "metrics.kernel_distance",
    "metrics.color_histogram_intersection", "metrics.lab_histograms", "metrics.label_map_scores",
}  # fmt: skip
BY_IMAGE = [name for name in CASES if name.split(".")[0] in ("image", "metrics") and name not in NOT_IMAGE_BY_IMAGE]


@pytest.mark.parametrize("name", BY_IMAGE)
def test_images_have_any_leading_axes_and_results_keep_them(name):
    call, arrays, *_ = CASES[name]

    def at(index):
        return [array[index] if array.ndim > 2 else array for array in arrays]  # weights are no images

    together, alone, deeper = jax.jit(call)(*arrays), jax.jit(call)(*at(1)), jax.eval_shape(call, *at(np.newaxis))
    for batch, one, deep in zip(*map(jax.tree.leaves, (together, alone, deeper)), strict=True):
        assert deep.shape == (1, 2, *one.shape)
        # Another program: float32 sums of a few hundred terms.
        np.testing.assert_allclose(batch[1], one, rtol=1e-5, atol=1e-5)


RANGED = [
    label(member).removeprefix("gan_jax.")
    for member in PURE_MEMBERS
    if inspect.isfunction(member) and "max_value" in inspect.signature(member).parameters
]


@pytest.mark.parametrize("name", RANGED)
def test_white_is_the_integers_own_and_must_be_said_of_floats(name):
    module, function_name = name.split(".")
    function = two_scales if name == "metrics.ms_ssim" else getattr(sys.modules[f"gan_jax.{module}"], function_name)
    paired = module == "metrics"
    images = [PHOTO, PHOTO[::-1]] if paired else [PHOTO]
    for dtype in (np.uint8, np.uint16):
        levels = [(np.iinfo(dtype).max * array).astype(dtype) for array in images]
        ours, expected = function(*levels), function(*levels, max_value=float(np.iinfo(dtype).max))
        for x, y in zip(*map(jax.tree.leaves, (ours, expected)), strict=True):
            np.testing.assert_array_equal(x, y)
    for said in ("float32", "int32", "bool", *(("uint8 and float32", "uint16 and uint8") if paired else ())):
        dtypes = said.split(" and ")
        wrong = [array.astype(dtypes[index % len(dtypes)]) for index, array in enumerate(images)]
        with pytest.raises(TypeError, match=f"images are {said}, whose range is not known; give max_value"):
            function(*wrong)
