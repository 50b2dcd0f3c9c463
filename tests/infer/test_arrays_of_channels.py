"""Generators of arrays of channels: units in, units out, in memory and in files."""

import dataclasses

import numpy as np
import pytest

from gan_jax import infer, model
from gan_jax.cli import inspection
from gan_jax.data import rasters
from gan_jax.infer import exported
from gan_jax.values import Values, values_of

CT = Values("float32", -1000.0, 3000.0)
FIVE = np.random.default_rng(0).integers(0, 2**16, (16, 24, 5), dtype=np.uint16)


@pytest.fixture
def of_arrays(tiny_generator):
    """(output values) -> a generator of five channels of 16 bits to two channels."""

    def make(made=CT, bands="samples"):
        plain = tiny_generator(in_channels=5, out_channels=2, dropout=False)
        spec = dataclasses.replace(plain.spec, bands=bands, input_values=values_of("uint16"), output_values=made)
        return plain._replace(spec=spec)

    return make


def test_the_file_says_the_numbers(tmp_path, of_arrays):
    generator = of_arrays()
    model.save(tmp_path / "g.safetensors", generator)
    read = model.load(tmp_path / "g.safetensors")
    assert read.spec == dataclasses.replace(generator.spec, architecture=read.spec.architecture)
    assert "samples as channels: uint16 from 0 to 65,535 -> float32 from -1,000 to 3,000" in inspection.describe(
        tmp_path / "g.safetensors"
    )
    with pytest.raises(ValueError, match="the output_values of one is"):
        model.blend(generator, of_arrays(values_of("uint8")), 0.5)
    for wrong in ({"bands": "planes"}, {"input_values": None}):
        model.save(tmp_path / "h.safetensors", generator._replace(spec=dataclasses.replace(generator.spec, **wrong)))
        with pytest.raises(ValueError, match="says nothing that this gan_jax understands"):
            model.load(tmp_path / "h.safetensors")


def test_numbers_come_out_in_their_units(of_arrays, tiny_generator):
    """Those of the network itself, which sees and makes floats in [-1, 1]."""
    floats = infer.translate(of_arrays(), FIVE)
    assert (floats.shape, floats.dtype) == ((16, 24, 2), np.float32)
    assert floats.min() >= -1000
    assert floats.max() <= 3000
    assert np.ptp(floats) > 500
    levels = infer.translate(of_arrays(values_of("uint16")), FIVE[None])[0]
    assert levels.dtype == np.uint16
    np.testing.assert_allclose(levels / 65_535, (floats + 1000) / 4000, atol=1e-5)
    # uint16 of an image generator goes the same way, by other arithmetic.
    image_generator = tiny_generator(in_channels=5, out_channels=2, dropout=False)
    np.testing.assert_allclose(infer.translate(image_generator, FIVE).astype(float), levels, atol=3)
    larger = infer.translate(of_arrays(), FIVE, outscale=2, self_ensemble=True)
    assert (larger.shape, larger.dtype) == ((32, 48, 2), np.float32)
    for wrong in (FIVE.astype(np.uint8), FIVE.astype(np.float32)):
        with pytest.raises(TypeError, match="wanted uint16"):
            infer.translate(of_arrays(), wrong)


@pytest.mark.parametrize("bands", ["samples", "pages"])
def test_files_come_out_as_such_files_are(tmp_path, of_arrays, bands):
    generator = of_arrays(bands=bands)
    place = ((33550, 12, 3, (10.0, 10.0, 0.0), True),)
    for name in ("a.tif", "deep/b.npy"):
        rasters.write(tmp_path / "in" / name, FIVE, bands, place)
    rasters.write(tmp_path / "in" / "c.tif", FIVE[..., :4], bands)
    rasters.write(tmp_path / "in" / "d.tif", FIVE.astype(np.uint8), bands)
    jobs = infer.plan(tmp_path / "in", tmp_path / "out", extension=None, bands=bands)
    failures = infer.translate_files(generator, jobs, batch_size=2)
    assert failures == [
        f"{tmp_path}/in/{name} is {kind}, and this generator wants uint16 in 5 channels; convert it."
        for name, kind in (("c.tif", "uint16 in 4 channels"), ("d.tif", "uint8 in 5 channels"))
    ]
    for name in ("a.tif", "deep/b.npy"):
        made = rasters.read(tmp_path / "out" / name, bands)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, infer.translate(generator, FIVE), atol=0.05)
    assert [tag[3] for tag in rasters.place_of(tmp_path / "out" / "a.tif")] == [place[0][3]]
    (job,) = infer.plan(tmp_path / "in" / "a.tif", tmp_path / "out" / "x.npy", bands=bands)
    assert infer.translate_files(generator, [job], tile=8) == []
    np.testing.assert_allclose(np.load(tmp_path / "out" / "x.npy"), infer.translate(generator, FIVE), atol=1)
    with pytest.raises(ValueError, match=r"are written to \.tif"):
        infer.plan(tmp_path / "in" / "a.tif", tmp_path / "x.jpg", bands=bands)
    with pytest.raises(ValueError, match="arrays of channels; leave out half and samples"):
        infer.translate_files(generator, jobs, half="left")


def test_such_a_generator_is_exported_with_floats(of_arrays):
    with pytest.raises(ValueError, match=r"arrays of channels.* leave out uint8"):
        exported.program(of_arrays(), uint8=True)
    made = exported.program(of_arrays(), uint8=False)(FIVE[None].astype(np.float32) / 65_535)
    np.testing.assert_allclose(np.asarray(made)[0] * 4000 - 1000, infer.translate(of_arrays(), FIVE), atol=0.1)
