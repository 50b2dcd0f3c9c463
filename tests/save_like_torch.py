"""Writes files as torch.save does, without torch, by Python's own pickler: numpy arrays become tensors."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from unittest import mock

import numpy as np

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")


def _rebuild_tensor_v2(*args):
    raise NotImplementedError


class FloatStorage:
    pass


_rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
torch.FloatStorage, torch._utils, utils._rebuild_tensor_v2 = FloatStorage, utils, _rebuild_tensor_v2


class _Stored:
    def __init__(self, array, key):
        self.array, self.key = np.ascontiguousarray(array, np.float32), str(key)


class _Pickler(pickle.Pickler):
    def __init__(self, file):
        super().__init__(file, 2)
        self.stored = []

    def persistent_id(self, obj):
        if isinstance(obj, _Stored):
            return ("storage", FloatStorage, obj.key, "cpu", obj.array.size)
        return None

    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray):
            stored = _Stored(obj, len(self.stored))
            self.stored.append(stored)
            strides = tuple(s // 4 for s in stored.array.strides)
            return _rebuild_tensor_v2, (stored, 0, stored.array.shape, strides, False, OrderedDict())
        return NotImplemented


def save(path, obj):
    file = io.BytesIO()
    pickler = _Pickler(file)
    # Here alone: other programs look whether torch is there.
    with mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}):
        pickler.dump(obj)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", file.getvalue())
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
        for stored in pickler.stored:
            archive.writestr(f"archive/data/{stored.key}", stored.array.tobytes())
