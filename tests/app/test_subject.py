"""What the page offers: by the generator's file, and by the run that it is in."""

import dataclasses
import json

import numpy as np
import pytest

from gan_jax import model
from gan_jax.app.subject import palette, subject
from gan_jax.data import image_files
from gan_jax.data.demo.facades import Facades


def test_a_run_says_what_it_was_trained_on(finished_run):
    offered = subject(model.load(finished_run), finished_run / "tiny.safetensors")
    assert (offered.name, offered.kind, offered.side, offered.has_noise) == ("tiny", "translate", 32, True)
    assert offered.about.startswith("UNet of pix2pix, ")
    assert [path.parent for path in offered.examples] == [finished_run / "results" / "input"] * 3
    seen = np.unique(image_files.read(offered.examples[0], 3).reshape(-1, 3), axis=0)
    assert {tuple(color) for color in seen.tolist()} <= set(offered.palette)


def test_a_file_alone_is_offered_too(tiny_generator, tmp_path):
    generator = tiny_generator(dropout=False)
    model.save(tmp_path / "g.safetensors", generator)
    offered = subject(generator, tmp_path / "g.safetensors")
    assert (offered.name, offered.side, offered.has_noise) == ("g", 256, False)
    assert offered.palette == offered.examples == offered.classes == ()
    critic = generator._replace(spec=dataclasses.replace(generator.spec, kind="critic"))
    with pytest.raises(ValueError, match=r"g\.safetensors holds a critic; wanted a generator"):
        subject(critic, tmp_path / "g.safetensors")


def test_a_run_of_derived_inputs_offers_to_derive_them(finished_run, tmp_path):
    config = json.loads((finished_run / "config.json").read_text())
    config["recipe"] |= {"derive": "edges", "crop_size": [48, 32]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    offered = subject(model.load(finished_run), tmp_path / "x.safetensors")
    assert (offered.derive, offered.side) == ("edges", 32)
    config["recipe"]["derive"] = "lab"  # the light of any picture is its input
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert subject(model.load(finished_run), tmp_path / "x.safetensors").derive is None


def test_the_examples_of_a_direction(finished_run, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for direction in ("AtoB", "BtoA"):
        image_files.save(tmp_path / "results" / "input" / direction / "x.png", np.zeros((8, 8, 3), np.uint8))
    offered = subject(model.load(finished_run), tmp_path / "run_BtoA.safetensors")
    assert offered.examples == (tmp_path / "results" / "input" / "BtoA" / "x.png",)


def test_label_maps_have_a_palette_that_jpeg_does_not_hide(tmp_path):
    maps = [Facades("test", 4, 64)[i]["source"] for i in range(4)]
    exact = palette(maps)
    assert {tuple(c) for image in maps for c in np.unique(image.reshape(-1, 3), axis=0).tolist()} == set(exact)
    counts = [sum((image == color).all(-1).sum() for image in maps) for color in exact]
    assert counts == sorted(counts, reverse=True)
    for i, image in enumerate(maps):
        image_files.save(tmp_path / f"{i}.jpg", image)
    blurred = palette([image_files.read(path, 3) for path in sorted(tmp_path.iterdir())])
    for color in exact[:5]:
        assert np.abs(np.array(blurred) - color).max(axis=1).min() <= 24


def test_drawings_have_one_and_photographs_none():
    rng = np.random.default_rng(0)
    drawing = np.full((64, 64, 3), 255, np.uint8)
    drawing[20:22] = 0
    assert palette([drawing]) == ((255, 255, 255), (0, 0, 0))
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    gray = np.repeat(np.add.outer(ramp // 2, ramp // 2)[..., None], 3, axis=2)
    assert palette([gray]) == ()
    smooth = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    assert palette([smooth]) == ()
