"""Records of prepared data sets: what one is, and the files that hold them, those of TFDS without TensorFlow.

Images are stored as pixels, uint8 [H, W, C] as they are in memory, or encoded, as the bytes of a JPEG or PNG file.
Arrays of channels are stored as they are, in their own dtype.
"""

import errno
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax.data import image_files

__all__ = ["Form", "Part", "Stored", "serialized", "write_info", "write_shard"]
__dir__ = __all__.copy

Stored = Literal["pixels", "encoded"]
_VERSION = "1.0.0"
_NAME = "name"
# Each record by itself, for random access. What compression saves of pixels costs two thirds of the rate of reading.
_OPTIONS = "group_size:1,uncompressed"


class Form(NamedTuple):
    """What a record has: images by name with their channels, how they are stored, and the names of labels.

    `dtypes` are those of images that are arrays of channels; uint8 where there are none.
    """

    images: tuple[tuple[str, int], ...]
    stored: Stored
    classes: tuple[str, ...] | None = None
    dtypes: tuple[str, ...] = ()


class Part(NamedTuple):
    """A split as TFDS describes it: records of each shard, and their bytes together."""

    shards: Sequence[int]
    bytes: int


@functools.cache
def _features(form: Form) -> Any:
    import tensorflow_datasets as tfds  # half a second, for those who use it

    kinds = tfds.features
    images: dict[str, Any] = {
        name: kinds.Image(shape=(None, None, channels))
        if form.stored == "encoded"
        else kinds.Tensor(shape=(None, None, channels), dtype=np.dtype(dtype), encoding="bytes")
        for (name, channels), dtype in zip(form.images, form.dtypes or ("uint8",) * len(form.images), strict=True)
    }
    label = {"label": kinds.ClassLabel(names=list(form.classes))} if form.classes else {}
    return kinds.FeaturesDict({**images, **label, _NAME: kinds.Text()})


@functools.cache
def _serializer(form: Form) -> Any:
    from tensorflow_datasets.core import example_serializer

    return example_serializer.ExampleSerializer(_features(form).get_serialized_info())


def serialized(form: Form, item: Mapping[str, Any]) -> bytes:
    """A record: of an item's images, uint8 [H, W, C] or where that is stored encoded bytes; "label" and "name"."""
    values: dict[str, Any] = {_NAME: os.fsencode(item[_NAME])}
    for name, _ in form.images:
        image = item[name]
        values[name] = image_files.png(image) if form.stored == "encoded" and isinstance(image, np.ndarray) else image
    if form.classes:
        values["label"] = int(item["label"])
    example = _serializer(form).get_tf_example(_features(form).encode_example(values))
    # Else the order of the fields would be another one in each process.
    return bytes(example.SerializeToString(deterministic=True))


def write_shard(path: str | Path, records: Iterable[bytes]) -> Iterator[int]:
    """Writes an ArrayRecord file, record by record as the iterator is asked, which gives the bytes of each.

    Raises OSError where the system refuses.
    """
    from array_record.python import array_record_module

    with _system_errors(path):
        writer = array_record_module.ArrayRecordWriter(str(path), _OPTIONS)
        try:
            for record in records:
                writer.write(record)
                yield len(record)
        finally:
            writer.close()


@contextmanager
def _system_errors(path: str | Path) -> Iterator[None]:
    """The writer's errors name those of the system in words alone."""
    try:
        yield
    except RuntimeError as error:
        codes = [code for code in errno.errorcode if os.strerror(code) in str(error)]
        raise OSError(*([codes[0], os.strerror(codes[0]), str(path)] if codes else [str(error)])) from None


def write_info(folder: str | Path, name: str, form: Form, parts: Mapping[str, Part], description: str) -> None:
    """Writes dataset_info.json and features.json, by which TFDS knows the shards of the parts in `folder`."""
    import tensorflow_datasets as tfds

    template = tfds.core.ShardedFileTemplate(data_dir=Path(folder), dataset_name=name, filetype_suffix="array_record")
    infos = [
        tfds.core.SplitInfo(
            name=part,
            shard_lengths=list(shards),
            num_bytes=size,
            filename_template=template.replace(split=part),
        )
        for part, (shards, size) in parts.items()
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=Path(folder),
        features=_features(form),
        split_infos=infos,
        version=_VERSION,
        description=description,
        check_data=False,
    )
