"""A storage system for tests: fake://bucket/path is a file of a folder, and a name that begins with refused fails."""

import os
import shutil

import fsspec
from fsspec.implementations.local import LocalFileSystem

ROOT = "GAN_JAX_FAKE_BUCKETS"


class FakeBuckets(LocalFileSystem):
    """fsspec's, below the folder that a variable names: seen by every process, in no place that `here` gives."""

    protocol = "fake"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path):
        path = os.fspath(path).removeprefix("fake://")
        return path if path.startswith(os.environ[ROOT]) else f"{os.environ[ROOT]}/{path}".rstrip("/")

    def put_file(self, lpath, rpath, callback=None, mode="overwrite", **kwargs):
        if os.path.exists(f"{os.environ[ROOT]}/refused"):
            raise RuntimeError("Forbidden: 403\nwith a page of details")
        shutil.copyfile(lpath, self._strip_protocol(rpath))

    def get_file(self, rpath, lpath, callback=None, outfile=None, **kwargs):
        shutil.copyfile(self._strip_protocol(rpath), lpath)


def register():
    fsspec.register_implementation("fake", FakeBuckets, clobber=True)
