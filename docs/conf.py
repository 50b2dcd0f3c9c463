"""Sphinx reads this: `make docs`. Pages are docs/*.md, and those made of the program: commands/ and api/."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import command_pages
import docstrings
from jax.typing import ArrayLike
from sphinx.util.typing import stringify_annotation

import gan_jax

project = "gan_jax"
copyright = "The gan_jax developers, Apache-2.0"
release = gan_jax.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
templates_path = ["templates"]
exclude_patterns = ["_build", "jupyter_execute"]  # the second: notebooks with their outputs, which MyST-NB writes there
smartquotes = False  # would make one dash of the two of a flag

myst_heading_anchors = 3  # the addresses that headings have on GitHub
nb_execution_mode = "cache"  # notebooks run when pages are built, and again when they change
nb_execution_cache_path = str(Path(__file__).parent / "_build" / ".jupyter_cache")  # beside _build it would be pages
nb_execution_in_temp = True  # what they write is not left in the tree, nor found there by the next execution
nb_execution_raise_on_error = True
nb_execution_timeout = 600

default_role = "literal"  # of docstrings' single backticks
highlight_language = "none"  # but where a block says its language
autodoc_preserve_defaults = True
# Names of ours are links; those of other projects, whose pages are elsewhere, and of types that no page has, are not.
nitpick_ignore_regex = [
    ("py:.*", r"(?!gan_jax).*"),
    ("py:.*", r"gan_jax\.(image\._Array|networks\.architecture\.Stage|data\.records\.Form|training\.loop\.Periodic)"),
    ("py:.*", r"gan_jax\.interop\.naming\.layout\.Layout"),
]
suppress_warnings = ["ref.python"]  # `bytes`, of which there are fields too

html_theme = "furo"  # in the fonts of the reader's system: pages ask no other host
html_title = f"gan_jax {release}"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False

_ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")


def setup(app):
    """Writes the pages of commands before Sphinx looks for pages."""
    command_pages.write(app.srcdir / "commands")
    app.connect("source-read", _results)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring)


def _results(app, name, source):
    """Links to what benchmarks wrote, files outside of docs/, go to the page that shows them."""
    source[0] = re.sub(r"\]\(\.\./benchmarks/results/(\w+)\.md\)", r"](measurements.md#\1)", source[0])


def _signature(app, what, name, obj, options, signature, returned):
    """ArrayLike, which is a union of nine types, by its name."""
    return tuple(words and words.replace(_ARRAY_LIKE, "ArrayLike") for words in (signature, returned))


def _docstring(app, what, name, obj, options, lines):
    named = lines and lines[0].startswith("Alias for field number")  # Python's own words of a NamedTuple's fields
    lines[:] = [] if named else docstrings.marked_up(lines)
