"""Seconds a megapixel."""

from gan_jax.infer import timing


def test_seconds_are_of_a_million_pixels(tiny_generator, monkeypatch):
    monkeypatch.setattr(timing, "_SIDE", 16)
    times = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(times))
    assert timing.seconds_a_megapixel(tiny_generator()) == 1.0 * 1e6 / 16**2
