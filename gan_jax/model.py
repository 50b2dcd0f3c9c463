"""A model on disk (generator, critic or classifier): one self-describing .safetensors file, equal bytes for equal runs.

Runs are equal on one machine with one installation: processors, and versions of XLA, differ in floats' last bits.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np
import safetensors
import safetensors.numpy

from gan_jax import boxed, errors, files, folders, networks
from gan_jax.networks.layers import SPECTRAL_NORM_EPS
from gan_jax.values import Values, read_values

__all__ = [
    "BESIDE",
    "FORMAT_VERSION",
    "Direction",
    "Model",
    "ModelSpec",
    "as_bytes",
    "blend",
    "described",
    "find",
    "is_foreign",
    "load",
    "save",
]
__dir__ = __all__.copy

# Every file says all fields of its spec, null where there is nothing to say. Files of formats 1 to 3, from before the
# first release, are read as they are: they leave out `degradation`, `latent` and `classes` where these are null, as all
# three are in format 1, and `classes` is in format 2. Files of format 4 from before there were arrays of channels leave
# out their fields.
FORMAT_VERSION = 4
# Ends of the names of a run's files that are not its last generator.
BESIDE = ("_best", "_critic", "_critic_A", "_critic_B")
Direction = Literal["AtoB", "BtoA"]  # ends of the names of CycleGAN's two
_KEY = "gan_jax"
# What two models have in common that become one, beside their network.
_RANGES = ("in_channels", "input_range", "output_range", "bands", "input_values", "output_values")
# What a file says for its readers, and the network itself decides.
_TOLD = ("out_channels", "scale", "size_multiple")


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What a model is and how it wants to be used; what a file says beside its arrays.

    A critic's in_channels are what it sees, input and output together where it judges both, and it has one output
    channel, logits. What follows from the architecture is told by its module.
    """

    architecture: Mapping[str, Any]  # as networks.describe writes it
    in_channels: int  # of the image that goes in, or of the latent
    method: str
    norm: Literal["image", "running"]  # test-time statistics: each image's own, or the running ones
    dropout: bool  # whether dropout, the generator's noise, stays on at test time
    input_range: tuple[float, float] = (-1.0, 1.0)
    output_range: tuple[float, float] = (-1.0, 1.0)
    step: int = 0  # training steps behind it
    kind: Literal["generator", "critic", "features"] = "generator"
    degradation: Mapping[str, Any] | None = None  # what made its training inputs, as degrade.describe writes it
    latent: Literal["normal", "uniform"] | None = None  # what the latents of a generator of images are drawn from
    classes: tuple[str, ...] | None = None  # the names of its labels 0, 1, ..., where they have names
    colors: Literal["lab"] | None = None  # the network makes a and b of Lab, which go with the lightness of its input
    # Of a generator of arrays of channels: what a file's channels are, and what numbers go in and come out. None of all
    # three: images, 8 or 16 bits.
    bands: Literal["samples", "pages"] | None = None
    input_values: Values | None = None
    output_values: Values | None = None

    @functools.cached_property
    def module(self) -> networks.Architecture:
        """The module that the architecture describes, for any batch size: `statistics_batch` is training's."""
        return networks.build(_for_use(self.architecture))

    @property
    def size_multiple(self) -> int:
        """Images are padded to sides that are multiples of it."""
        return self.module.size_multiple

    @property
    def scale(self) -> int:
        """Output side over input side."""
        return self.module.scale

    @property
    def out_channels(self) -> int:
        """Of the image that comes out, of the logits or, where there are several maps, of the last."""
        if self.colors == "lab":
            return 3
        _, output = networks.shapes(self.module, self.in_channels)
        return int(jax.tree.leaves(output)[-1].shape[-1])

    @property
    def classes_in_words(self) -> str:
        """The first ten labels with their names, and how many there are; empty where they have no names."""
        return errors.first_of([f"{label} {name}" for label, name in enumerate(self.classes or ())], 10)


class Model(NamedTuple):
    """A spec and its variables, {"params": ..., "stats": ...}."""

    spec: ModelSpec
    variables: dict[str, Any]

    @property
    def module(self) -> Any:
        """The Linen module that the spec describes."""
        return self.spec.module

    @property
    def parameter_count(self) -> int:
        """How many numbers training learned."""
        return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self.variables["params"]))


def save(path: str | Path, model: Model) -> None:
    """Writes the file whole or not at all."""
    files.write(path, as_bytes(model))


def as_bytes(model: Model) -> bytes:
    """The content of a model's file. No times, paths or versions: equal models give equal bytes.

    Which images shared statistics in training, the architecture's `statistics_batch`, is not kept.
    """
    arrays = {
        jax.tree_util.keystr(place, simple=True, separator="/"): np.ascontiguousarray(leaf)
        for place, leaf in jax.tree_util.tree_leaves_with_path(model.variables)
    }
    return safetensors.numpy.save(arrays, {_KEY: json.dumps(described(model.spec), sort_keys=True)})


def described(spec: ModelSpec) -> dict[str, Any]:
    """What a file says beside its arrays, in values of JSON."""
    spec = dataclasses.replace(spec, architecture=_for_use(spec.architecture))
    told = {name: getattr(spec, name) for name in _TOLD}
    values = {name: getattr(spec, name) and getattr(spec, name)._asdict() for name in ("input_values", "output_values")}
    return {"format": FORMAT_VERSION, **dataclasses.asdict(spec), **values, **told}


def load(path: str | Path, *, step: int | None = None, direction: Direction | None = None) -> Model:
    """The model in a file, or the generator of a folder that `find` finds.

    Raises FileNotFoundError where there is none, and ValueError for a file that is damaged, not ours, newer than this
    program, or whose arrays are not those of the network that it describes.
    """
    path = find(path, step=step, direction=direction)
    spec, told = _read_spec(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        arrays = {name: _widened(file.get_tensor(name)) for name in sorted(file.keys())}
    variables: dict[str, Any] = {"params": {}, "stats": {}}
    for name, array in arrays.items():
        *parents, leaf = name.split("/")
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = array
    _add_right_vectors(variables["stats"].get("spectral_norm", {}), variables["params"])
    model = Model(spec, variables)
    if reason := _contradiction(model, told):
        raise ValueError(f"{path} contradicts itself: {reason}; write it anew, or name another.")
    return model


def _widened(array: np.ndarray) -> np.ndarray:
    """Half precision saves room in files; networks compute with float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def find(path: str | Path, *, step: int | None = None, direction: Direction | None = None) -> Path:
    """The file that a path means: itself, or the last generator of a run's folder, or of the last run below a folder.

    A text, and not a Path, may also be the name of a generator that is installed (`boxed.NAMES`).

    `step` takes the one that the run keeps of that step, `direction` one of CycleGAN's two. <run>_best.safetensors
    and critics do not count.
    Raises FileNotFoundError where there is none, ValueError where a folder holds several.
    """
    path = boxed.resolved(path)
    if path.is_file():
        if step is not None or direction is not None:
            raise ValueError(f"{path} is the file of one generator; leave out --step and --direction.")
        return path
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path} does not exist; name a .safetensors file, a run's folder, or what `gan-jax models` lists."
        )
    folder = path if any(path.glob("*.safetensors")) else folders.last(path)
    if step is not None:
        folder = folders.kept_at(folder, step)
    files = sorted(file for file in folder.glob("*.safetensors") if not file.stem.endswith(BESIDE))
    if not files and folders.is_comparison(folder):
        raise FileNotFoundError(f"{folder} compares methods and keeps no generator; gan-jax report shows its results.")
    if not files:
        others = sorted(file.name for file in folder.glob("*") if file.suffix in (".pth", ".pt", ".npz"))
        instead = f"name {others[0]} in it itself" if others else "a run writes one when it saves"
        raise FileNotFoundError(f"{folder} holds no generator (*.safetensors); {instead}.")
    names = ", ".join(file.name for file in files)
    if direction is not None:
        files = [file for file in files if file.stem.endswith(f"_{direction}")]
        if not files:
            raise ValueError(f"{folder} holds no generator {direction} ({names}); leave out --direction.")
    if len(files) > 1:
        directed = all(file.stem.endswith(get_args(Direction)) for file in files)
        instead = "give --direction AtoB or BtoA, or name one of the files" if directed else "name one of the files"
        raise ValueError(f"{folder} holds several generators ({names}); {instead}.")
    return files[0]


def blend(first: Model, second: Model, weight: float) -> Model:
    """Two generators of one architecture as one, each number `weight` times the first's and the rest the second's.

    Wang et al. 2018, "ESRGAN", 3.4, network interpolation. What is no array is the first's. Raises ValueError for a
    weight outside of [0, 1], other models than generators, and where architecture, channels or value ranges differ.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight is {weight:g}; wanted 0 to 1.")
    for model in (first, second):
        if model.spec.kind != "generator":
            raise ValueError(f"one is a {model.spec.kind}; only generators are blended.")
    ours, others = (
        {
            **networks.describe(model.module.clone(dtype="float32")),
            **{field: getattr(model.spec, field) for field in _RANGES},
        }
        for model in (first, second)
    )
    for field in ours:
        if ours[field] != others.get(field):
            raise ValueError(
                f"the {'architecture' if field == 'name' else field} of one is {ours[field]}, and of the other "
                f"{others.get(field)}; blend two of one architecture."
            )

    def mixed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.float32(weight) * a + np.float32(1 - weight) * b, np.float32)

    return first._replace(variables=jax.tree.map(mixed, first.variables, second.variables))


def is_foreign(path: str | Path) -> bool:
    """Whether a file is another program's: no .safetensors, or a whole one without the metadata that ours have."""
    path = Path(path)
    if _is_archive(path):
        return True
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return _KEY not in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        return path.suffix != ".safetensors"


def _is_archive(path: Path) -> bool:
    """Whether a file, whatever it is called, begins as torch's and numpy's do and no .safetensors does."""
    with path.open("rb") as file:
        start = file.read(9)
    return start.startswith((b"PK", b"\x80")) and start[8:] != b"{"  # which is behind the 8 bytes of a length


def _add_right_vectors(stats: dict[str, Any], params: Mapping[str, Any]) -> None:
    """Spectral norm's vectors v, which files from before they were kept leave out: found from u, as they were then."""
    vectors, kernel = stats.get("spectral", {}), params.get("kernel")
    if "u" in vectors and "v" not in vectors and kernel is not None and kernel.shape[-1:] == vectors["u"].shape:
        v = kernel.reshape(-1, kernel.shape[-1]) @ vectors["u"]
        vectors["v"] = v / max(np.linalg.norm(v), SPECTRAL_NORM_EPS)
    for layer in stats.keys() & params.keys():
        if isinstance(params[layer], dict):
            _add_right_vectors(stats[layer], params[layer])


def _for_use(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """An architecture without its groups of images that share statistics: they bind the size of a batch."""
    return {**architecture, "statistics_batch": None} if "statistics_batch" in architecture else dict(architecture)


def _read_spec(path: Path) -> tuple[ModelSpec, dict[str, Any]]:
    """What a file says of itself, and what its network decides of that; no array is read. Raises as `load` does."""
    text = None
    try:
        if not _is_archive(path):
            with safetensors.safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get(_KEY)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a whole .safetensors file ({error}); copy or write it anew, or name another."
        ) from None
    if text is None:
        raise ValueError(
            f"{path} was not written by gan_jax; if it holds another program's weights, "
            f"`gan-jax convert {path} model.safetensors` makes a file of them that this program uses."
        )
    try:
        fields = json.loads(text)
        version = int(fields.pop("format"))
        if version <= FORMAT_VERSION:  # a newer one may have anything
            fields = _with_types(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} says nothing that this gan_jax understands ({error}); write it anew.") from None
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version} and this gan_jax reads up to {FORMAT_VERSION}; install a newer gan_jax."
        )
    try:
        # With the fields that a file of an older program lacks.
        fields["architecture"] = networks.describe(networks.build(fields["architecture"]))
        told = {name: fields.pop(name) for name in _TOLD if name in fields}
        return ModelSpec(**fields), told
    except (ValueError, TypeError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} is beyond this gan_jax ({reason}); a newer gan_jax may be needed.") from None


def _with_types(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A file's fields with tuples for lists of JSON. Raises LookupError or TypeError where they are no spec's."""
    typed = {**fields, "architecture": dict(fields["architecture"])}
    for name in ("input_range", "output_range"):
        typed[name] = tuple(fields[name])
    if fields.get("degradation") is not None:
        fields["degradation"]["name"]  # raises where it is none
    if fields.get("colors") not in (None, "lab"):
        raise ValueError(f"colors are {fields['colors']}")
    arrays = [name for name in ("bands", "input_values", "output_values") if fields.get(name) is not None]
    if len(arrays) not in (0, 3) or fields.get("bands") not in (None, "samples", "pages"):
        raise ValueError(f"of arrays of channels it says {', '.join(arrays)}")
    for name in arrays[1:]:
        typed[name] = read_values(fields[name])
    if fields.get("classes") is not None:
        typed["classes"] = tuple(name + "" for name in fields["classes"])  # raises where they are no names
    return typed


def _contradiction(model: Model, told: Mapping[str, Any]) -> str | None:
    """What of a file's arrays, or of what it says twice, does not fit; None where all does. Nothing is computed."""
    spec = model.spec
    try:
        shapes, _ = networks.shapes(spec.module, spec.in_channels)
        for name, said in told.items():
            if said != getattr(spec, name):
                return f"its {name} is {said}, and its network's {getattr(spec, name)}"
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return f"no network can be built as it describes ({str(error).splitlines()[0].rstrip('.')})"
    known = getattr(spec.module, "classes", 0)
    if spec.classes is not None and len(spec.classes) != known:
        return f"it names {len(spec.classes)} classes, and its network tells {known} apart"
    return networks.difference(
        (model.variables["params"], model.variables["stats"]), (shapes["params"], shapes["stats"])
    )
