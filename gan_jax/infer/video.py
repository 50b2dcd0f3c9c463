"""A video through a generator, frame by frame."""

import itertools
from collections.abc import Callable
from pathlib import Path

from gan_jax.data import video as videos
from gan_jax.infer import arrays, engine, kept_frames, memory
from gan_jax.infer.files import require_image_channels
from gan_jax.infer.resize import final_sides
from gan_jax.model import Model

__all__ = ["translate_video"]
__dir__ = __all__.copy


def translate_video(
    generator: Model,
    source: str | Path,
    target: str | Path,
    *,
    batch_size: int = 1,
    seed: int = 0,
    tile: int | None = None,
    outscale: float | None = None,
    self_ensemble: bool = False,
    frames: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Translates a video into another, and returns how many frames it has: as many, at the same rate, with the sound.

    Options are those of `translate_files`. The target is written whole or not at all: raises engine.Failure and
    video.BrokenError for a frame that cannot be read, computed or written, FileNotFoundError without ffmpeg, and
    ValueError for what is no video and for a generator of other channels than images'.

    With `frames`, a folder, each computed frame is kept there as a PNG too, and one that is there is not computed: the
    same call then goes on where an earlier one stopped, to the same video. ValueError for a folder of another job.
    """
    video = videos.probe(source)
    arrays.require_generator(generator)
    require_image_channels(generator)
    generator = arrays.on_device(generator)
    spec = generator.spec
    for note in video.notes:
        say(f"{source}: {note}")
    options = engine.Options(tile, outscale, self_ensemble)
    planned = engine.plan(generator, (video.height, video.width), options, memory.available_bytes)
    if planned.note:
        say(f"{source}: {planned.note}")
    # A colorizer sees the lightness of a color, which is not its luma.
    channels = 3 if spec.colors else spec.in_channels
    height, width = final_sides((video.height, video.width), spec.scale, outscale)
    kept = None
    if frames is not None:
        kept_frames.enter(frames, kept_frames.described(generator, source, options, batch_size=batch_size, seed=seed))
        kept = kept_frames.KeptFrames(frames, (height, width, spec.out_channels), say)
        if count := kept.count():
            say(f"{frames} holds {count} frames, which are not computed again.")
    done = 0
    with (
        videos.frames(video, channels=channels) as coming,
        videos.writing(target, video, height, width, channels=spec.out_channels) as writer,
    ):
        # The same frames together whatever is kept, and a short batch filled up: every batch runs the same program, and
        # a frame has the same place in it, so that it is the same to the bit wherever an earlier call stopped.
        while batch := list(itertools.islice(coming, batch_size)):
            numbers = range(done, done + len(batch))
            outputs = {} if kept is None else kept.read(numbers)
            if len(outputs) < len(batch):
                images = batch + batch[:1] * (batch_size - len(batch))
                name = f"frame {done} of {source}"
                computed = engine.run(planned, generator, images, arrays.noise_key(seed, 0), name=name, say=say)
                new = {number: computed[number - done] for number in numbers if number not in outputs}
                if kept is not None:
                    kept.write(new)
                outputs |= new
            for number in numbers:
                writer.put(outputs[number])
            done += len(batch)
            progress(done, max(video.length, done))
        if not done:
            raise videos.BrokenError(f"{source} has no frames; name another video.")
    return done
