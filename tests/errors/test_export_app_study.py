"""Errors: gan-jax export, app and study."""

import sys

from tests.errors.cases import Case, text

TITLE = "gan-jax export, app and study"
CASES = [
    Case(
        "a side that no network takes",
        "gan-jax export runs/tiny g.stablehlo --size 8",
        "--size is 8; wanted at least 16.",
    ),
    Case(
        "ONNX without its extra",
        "gan-jax export runs/tiny g.onnx --format onnx",
        "ONNX files want jax2onnx and onnxruntime: pip install 'gan_jax[export]' and, without its dependencies, "
        "jax2onnx==0.17.1 (constraints/export.txt says why).",
        lambda patch: patch.setitem(sys.modules, "jax2onnx", None),
    ),
    Case(
        "a folder for Hugging Face that holds something",
        "gan-jax export runs/tiny hub --format huggingface",
        "hub is there already, and its card may say what yours does not; name a new folder.",
        text("hub/README.md"),
    ),
    Case(
        "a folder for Hugging Face with `--uint8`",
        "gan-jax export runs/tiny hub --format huggingface --uint8",
        "--uint8 and --size are for programs without gan_jax; leave them out.",
    ),
    Case(
        "a page without Gradio",
        "gan-jax app runs/tiny",
        "the page wants Gradio: pip install 'gan_jax[app]', in an environment of its own, since Gradio wants pillow "
        "below 13 (constraints/app.txt).",
        lambda patch: patch.setitem(sys.modules, "gradio", None),
    ),
    Case("`--port 0`", "gan-jax app runs/tiny --port 0", "--port is 0; wanted 1 to 65535."),
    Case(
        "a page of a critic",
        "gan-jax app runs/tiny/tiny_critic.safetensors",
        "runs/tiny/tiny_critic.safetensors holds a critic; wanted a generator: name its file or the run.",
    ),
    Case(
        "the two-choice test without real images",
        "gan-jax study data/train study",
        "the two-choice test asks which image is the real one; give --truth C/, or take --kind mos.",
    ),
    Case(
        "folders without a scene in common",
        "gan-jax study data/train --truth data/test study",
        "data/train, data/test have no image of one name; images of one scene are called alike in each.",
    ),
    Case(
        "a study without an output",
        "gan-jax study data/train",
        "give at least one folder of images and, last, an output: gan-jax study A/ B/ OUT/.",
    ),
    Case(
        "`--seconds 0`",
        "gan-jax study data/train study --seconds 0",
        "--seconds is 0; wanted more than 0 and at most 60.",
    ),
    Case(
        "one folder twice",
        "gan-jax study data/train data/train study --kind mos",
        "one folder is given twice; name each method's once.",
    ),
    Case(
        "answers that are none",
        "gan-jax study score answers.json",
        "answers.json holds no answers of a study; name the JSON files that raters saved.",
        text("answers.json", "{}"),
    ),
]


def test_what_a_user_can_do_wrong_is_said_in_a_sentence(case, refuses):
    refuses(case)
