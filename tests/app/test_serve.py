"""Where the page is served is tested in a browser, in_chromium.py; here is what is said without Gradio."""

import sys

import pytest

from gan_jax import app


def test_without_gradio_the_page_says_what_it_wants(tiny_generator, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    offered = app.Subject("x", "", "translate", 32, True, (), None, (), ())
    with pytest.raises(ValueError, match=r"the page wants Gradio: pip install 'gan_jax\[app\]', in an environment of"):
        app.serve(tiny_generator(), offered, host="127.0.0.1", port=7860, say=pytest.fail)
