"""The page itself, of Gradio's components. It is served by this machine alone, and its browser may ask no other."""

import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from starlette.middleware import Middleware

from gan_jax import infer
from gan_jax.app import answers
from gan_jax.app.subject import Subject
from gan_jax.data import image_files
from gan_jax.model import Model

__all__ = ["build", "serve"]
__dir__ = __all__.copy

_LARGEST_FILE = "32mb"
_WAITING = 16  # people whose pictures wait for those of others
_CANVAS = 512  # pixels that a side of what is drawn on has at least, so that a brush has room
_SAMPLES, _IMAGES, _LARGEST_SEED = 8, 64, 2**32 - 1
_KEPT = 3600  # seconds that pictures stay in the folder
_AS_TRAINED, _AS_IT_IS = "as trained", "as it is"
_TILES = {"as memory allows": None, "the whole image": 0, "64": 64, "128": 128, "256": 256, "512": 512}
# The browser itself then refuses whatever a component would ask of another host.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
_STYLE = """
footer { display: none !important }
.gradio-container { width: 100% !important; max-width: 1180px !important; margin: 0 auto !important }
.gradio-container main { width: 100% !important }
#about p { color: var(--body-text-color-subdued) }
.gallery .grid-container { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)) !important;
 grid-template-rows: none !important; grid-auto-rows: auto !important }
.gallery, .gallery > div, .gallery .grid-wrap, .gallery .grid-container {
 height: auto !important; max-height: none !important; min-height: 0 !important; overflow: hidden !important }
.gallery .thumbnail-item { height: auto !important; aspect-ratio: 1 }
#samples { --columns: 4 } #grid { --columns: 8 }
#grid img { image-rendering: pixelated }
"""


def serve(
    generator: Model, subject: Subject, folder: str | Path, *, host: str, port: int, say: Callable[[str], None]
) -> None:
    """Serves the page until it is interrupted, with its files in a folder. Raises as `app.serve` does."""
    page = build(infer.on_device(generator), subject, folder)
    page.queue(default_concurrency_limit=1, max_size=_WAITING)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=_LARGEST_FILE,
            footer_links=[],
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            allowed_paths=sorted({str(Path(path).parent) for path in subject.examples}),
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            css=_STYLE,
            app_kwargs={"middleware": [Middleware(_Guarded)]},
        )
    except OSError as error:
        reason = "it is taken" if "empty port" in str(error) else str(error)
        raise ValueError(
            f"the page cannot be served at {host}:{port}: {reason}; give another --port or --host."
        ) from error
    # A browser that goes away in the middle of an answer is nothing to be told; the launch has set what is.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    # What ends programs elsewhere ends this one as Ctrl-C does: the folder goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say(address)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close(verbose=False)


class _Guarded:
    """Every answer says that the browser may ask nobody else."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


def build(generator: Model, subject: Subject, folder: str | Path) -> gr.Blocks:
    """The page of a generator, not yet served; what can be downloaded is written to the folder."""
    with gr.Blocks(
        analytics_enabled=False, title=f"{subject.name} · gan_jax", fill_width=True, delete_cache=(_KEPT, _KEPT)
    ) as page:
        gr.Markdown(f"# {subject.name}", elem_id="name")
        gr.Markdown(subject.about, elem_id="about")
        if subject.kind == "sample":
            _of_latents(generator, subject, Path(folder))
        else:
            _of_images(generator, subject, Path(folder))
    return page


def _of_images(generator: Model, subject: Subject, folder: Path) -> None:
    with gr.Row():
        with gr.Column():
            picture = _canvas(subject) if subject.palette else _upload()
            go = gr.Button(subject.kind.capitalize(), variant="primary", elem_id="go")
            with gr.Group():
                size = gr.Radio(
                    [_AS_TRAINED, _AS_IT_IS],
                    value=_AS_TRAINED,
                    label="Size",
                    info=f"as trained: a shorter side of {subject.side} pixels",
                    visible=subject.kind == "translate",
                )
                derive = gr.Checkbox(
                    value=subject.derive is not None and not subject.palette,
                    label=f"A photograph: take its {subject.derive} first",
                    visible=subject.derive is not None,
                )
                seed = gr.Number(
                    0,
                    label="Seed",
                    precision=0,
                    minimum=0,
                    maximum=_LARGEST_SEED,
                    visible=subject.has_noise,
                    info="chooses the noise of dropout",
                )
                count = gr.Slider(1, _SAMPLES, 1, step=1, label="Samples", visible=subject.has_noise)
                scale = generator.spec.scale
                outscale = gr.Slider(
                    1,
                    2 * scale,
                    scale,
                    step=0.5,
                    label="Scale",
                    visible=subject.kind == "upscale",
                    info=f"the network's is {scale}; any other by bicubic after it",
                )
                tile = gr.Dropdown(
                    list(_TILES),
                    value=next(iter(_TILES)),
                    label="Tile",
                    visible=subject.kind == "upscale",
                    info="pixels a side that are computed at once; the result is the same",
                )
        with gr.Column():
            beside = gr.ImageSlider(
                label="Input | output",
                type="numpy",
                format="png",
                interactive=False,
                elem_id="after",
                buttons=["fullscreen"],
                max_height=420,
            )
            download = gr.DownloadButton("Download", interactive=False, elem_id="download")
            gallery = gr.Gallery(
                label="Samples",
                show_label=False,
                format="png",
                columns=4,
                visible=False,
                elem_id="samples",
                elem_classes="gallery",
                buttons=["fullscreen"],
                object_fit="contain",
            )
    if subject.examples:
        # No gr.Examples: it hands over a new component in place of the picture, one that reads files by itself.
        paths = list(map(str, subject.examples))
        samples = gr.Dataset(
            components=[picture],
            samples=[[path] for path in paths],
            label="Of the run's test",
            type="index",
            elem_id="examples",
        )
        samples.click(lambda place: paths[place], samples, picture, show_progress="hidden")

    def follow(picture: Any, *settings: Any) -> Any:
        return gr.skip() if picture is None else answer(picture, *settings)

    def answer(picture: Any, size: str, derive: bool, seed: float, count: int, outscale: float, tile: str) -> Any:
        with _in_sentences():
            channels = generator.spec.in_channels if not derive else 3
            if isinstance(picture, dict):  # of a canvas
                image, name = _drawn(picture, channels, subject, derive), "drawn"
            elif picture is None:
                raise ValueError("there is no picture yet; drop one, or choose one of those below.")
            else:
                image, name = answers.dropped(picture, channels), Path(picture).stem
            if subject.kind == "translate" and size == _AS_TRAINED:
                image = answers.fitted(image, subject.side, labels=bool(subject.palette) and not derive)
            before, outputs = answers.translated(
                generator,
                subject,
                image,
                seed=int(seed or 0),
                count=int(count),
                derive=derive,
                tile=_TILES[tile],
                outscale=None if subject.kind == "translate" or outscale == scale else outscale,
            )
        shown = list(map(_rgb, outputs)) if len(outputs) > 1 else []
        return (
            (_rgb(before), _rgb(outputs[0])),
            gr.Gallery(shown, visible=bool(shown)),
            gr.DownloadButton(value=_file(outputs, f"{name}_out", folder), interactive=True),
        )

    inputs = [picture, size, derive, seed, count, outscale, tile]
    outputs = [beside, gallery, download]
    go.click(answer, inputs, outputs, concurrency_id="generator")
    if not subject.palette:  # a drawing waits for the button
        settings = (size.input, derive.input, seed.submit, count.release, outscale.release, tile.input)
        for event in (picture.change, *settings):
            event(follow, inputs, outputs, concurrency_id="generator")


def _upload() -> gr.Image:
    """A picture, which comes as the file that was uploaded: this program reads it, as it reads all others."""
    picture = gr.Image(label="Drop a picture, or paste one", sources=["upload", "clipboard"], height=420)
    # Of the instance: for a subclass Gradio would write a file of types beside this one.
    picture.preprocess = lambda payload: None if payload is None else payload.path
    return picture


def _canvas(subject: Subject) -> gr.ImageEditor:
    """To draw on, with the colors of the training labels."""
    side = subject.side * max(1, round(_CANVAS / subject.side))
    first = str(subject.examples[0]) if subject.examples else None
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in subject.palette]
    return gr.ImageEditor(
        value=None if first is None else {"background": first, "layers": [], "composite": None},
        label="Draw, or drop a picture",
        type="numpy",
        image_mode="RGBA",
        format="png",
        sources=["upload", "clipboard"],
        transforms=[],
        layers=False,
        brush=gr.Brush(default_size=max(2, side // 32), colors=colors, default_color=colors[-1], color_mode="fixed"),
        eraser=gr.Eraser(default_size=max(2, side // 16)),
        canvas_size=(side, side),
        fixed_canvas=True,
        elem_id="canvas",
    )


def _drawn(picture: dict[str, Any], channels: int, subject: Subject, derive: bool) -> np.ndarray:
    # As long as nobody draws, the browser sends what lies below alone.
    canvas = next((picture[part] for part in ("composite", "background") if picture.get(part) is not None), None)
    if canvas is None:
        raise ValueError("the canvas is empty; draw on it, drop a picture, or choose one of those below.")
    return answers.drawn(canvas, channels, () if derive else subject.palette)


def _of_latents(generator: Model, subject: Subject, folder: Path) -> None:
    turns = "all in turn"
    with gr.Row():
        with gr.Column(scale=1):
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=_LARGEST_SEED)
            count = gr.Slider(1, _IMAGES, 16, step=1, label="Images")
            label = gr.Dropdown(
                [turns, *subject.classes], value=turns, label="Class", visible=bool(subject.classes), type="index"
            )
            ways = gr.Checkbox(label="Go from one latent to another, eight images a row")
            go = gr.Button("Sample", variant="primary", elem_id="go")
            download = gr.DownloadButton("Download", interactive=False, elem_id="download")
        with gr.Column(scale=2):
            grid = gr.Gallery(
                label="Images",
                show_label=False,
                format="png",
                columns=8,
                elem_id="grid",
                elem_classes="gallery",
                buttons=["fullscreen"],
                object_fit="contain",
            )

    def answer(seed: float, count: int, label: int | None, ways: bool) -> Any:
        with _in_sentences():
            chosen = label - 1 if label and subject.classes else None
            images = answers.samples(generator, seed=int(seed or 0), count=int(count), label=chosen, interpolate=ways)
        name = f"{subject.name}_{int(seed or 0)}"
        return [_rgb(image) for image in images], gr.DownloadButton(value=_file(images, name, folder), interactive=True)

    inputs = [seed, count, label, ways]
    for event in (go.click, seed.submit, count.release, label.input, ways.input):
        event(answer, inputs, [grid, download], concurrency_id="generator", show_progress_on=grid)


@contextmanager
def _in_sentences() -> Iterator[None]:
    """What a user can cause is shown as a sentence, and what is worth knowing beside the result."""
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            yield
    except ValueError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    for note in notes:
        if note.category is RuntimeWarning:
            gr.Info(str(note.message))


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _file(images: Any, name: str, folder: Path) -> str:
    """One image as a PNG file, several as a ZIP, in a folder of its own."""
    path = Path(tempfile.mkdtemp(dir=folder), f"{name}{'.png' if len(images) == 1 else '.zip'}")
    path.write_bytes(image_files.png(images[0]) if len(images) == 1 else answers.archive(images, name))
    return str(path)
