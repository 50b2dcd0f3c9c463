"""Hugging Face's own program reads a model card. Run by `make test-slow`, where Gradio has brought huggingface_hub."""

import json

import pytest
from huggingface_hub import ModelCard

from gan_jax import model
from gan_jax.report import card


@pytest.mark.slow
def test_the_header_is_what_the_hub_reads(finished_run):
    data = ModelCard(card.write(model.load(finished_run), "my facades: 1", finished_run)).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("unknown", "gan_jax", "image-to-image")
    assert data.tags == ["jax", "gan", "pix2pix"]
    assert data.model_name == "my facades: 1"
    scores = json.loads((finished_run / "results" / "scores.json").read_text())["rows"][0]
    read = {result.metric_type: result.metric_value for result in data.eval_results}
    assert read == {key: value for key, value in scores.items() if key != "name"}
    assert {result.dataset_name for result in data.eval_results} == {"facades"}
