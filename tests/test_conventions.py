"""What every public function promises: a docstring, `key` for randomness, options by keyword, a test."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import gan_jax

MODULES = [importlib.import_module(module.name) for module in pkgutil.walk_packages(gan_jax.__path__, "gan_jax.")]
PURE = ("gan_jax.image", "gan_jax.losses", "gan_jax.metrics")


def public(module):
    return [
        member
        for name, member in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or inspect.isclass(member))
        and member.__module__ == module.__name__
    ]


MEMBERS = [member for module in MODULES for member in public(module)]


def label(member):
    return f"{member.__module__}.{member.__qualname__}"


@pytest.mark.parametrize("member", MEMBERS, ids=label)
def test_docstrings(member):
    assert member.__doc__
    assert not member.__doc__.startswith(f"{member.__name__}("), "a docstring of its own, not dataclass's"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_module_says_what_it_is(module):
    assert module.__doc__


@pytest.mark.parametrize("function", [m for m in MEMBERS if inspect.isfunction(m) and m.__module__ in PURE], ids=label)
def test_signatures_of_pure_functions(function):
    for name, parameter in inspect.signature(function).parameters.items():
        assert name not in ("rng", "rng_key", "prng")
        if parameter.default is not inspect.Parameter.empty and name != "key":
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name} has a default and is positional"


def uses():
    """(module or its last name, function) of everything that tests import or name through a module."""
    found = set()
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                found |= {(node.module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.add((node.value.id.removesuffix("_io"), node.attr))
    return found


USES = uses()


@pytest.mark.parametrize("function", [m for m in MEMBERS if inspect.isfunction(m)], ids=label)
def test_every_public_function_is_called_by_name_in_a_test(function):
    package, _, last = function.__module__.rpartition(".")
    names = (function.__module__, package, last, "networks")
    assert any((name, function.__name__) in USES for name in names)


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
