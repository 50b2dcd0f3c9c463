"""Buckets: folders that stand for addresses, and what is brought and sent."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from gan_jax import buckets
from tests import fake_bucket


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The folder in which fake://bucket is; the cache is the test's own."""
    monkeypatch.setenv(fake_bucket.ROOT, str(tmp_path / "far"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fake_bucket.register()
    (tmp_path / "far" / "bucket").mkdir(parents=True)
    return tmp_path / "far" / "bucket"


def run_folder():
    return buckets.here("fake://bucket/runs/one")


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def there(bucket):
    folder = bucket / "runs" / "one"
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_an_address_has_a_folder_and_a_folder_an_address(bucket, tmp_path):
    folder = buckets.here("fake://bucket/runs")
    assert folder == str(tmp_path / "cache/gan_jax/buckets/fake/bucket/runs")
    assert buckets.here("fake:/bucket/runs/") == folder  # as pathlib has it
    assert buckets.address(folder) == "fake://bucket/runs"
    assert buckets.address(f"{folder}/one") == "fake://bucket/runs/one"
    for path in ("checkpoints", str(tmp_path / "x"), "builtin:embedded", "tfds:cycle_gan/facades", "~/x"):
        assert buckets.here(path) == path
        assert buckets.address(path) is None


@pytest.mark.parametrize(
    ("path", "words"), [("gs://b/x", "pip install 'gan_jax\\[gs\\]'"), ("nothing://b/x", "give a folder or a gs://")]
)
def test_addresses_of_an_unknown_kind_are_refused(path, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ValueError, match=words):
        buckets.here(path)


def test_data_is_brought_once(bucket):
    write(bucket, data__a="a", data__sub__b="bb")
    folder = buckets.here("fake://bucket/data")
    buckets.bring(folder)
    (bucket / "data" / "a").write_text("A")
    buckets.bring(folder)
    assert (Path(folder) / "a").read_text() == "a"
    assert (Path(folder) / "sub" / "b").read_text() == "bb"
    file = buckets.here("fake://bucket/data/a")
    buckets.bring(file)
    assert Path(file).is_file()
    with pytest.raises(FileNotFoundError, match="nothing at fake://bucket/none; give the address"):
        buckets.bring(buckets.here("fake://bucket/none"))


def test_a_run_is_sent_in_the_order_in_which_it_was_written(bucket, monkeypatch):
    folder = Path(run_folder())
    mirror = buckets.Mirror(folder)
    mirror.begin()
    write(folder, log="1", checkpoints__1__state="s", checkpoints__2__state="t")
    time.sleep(0.01)
    write(folder, checkpoints__2__digests="d")
    time.sleep(0.01)
    write(folder, log="12")
    (folder / "checkpoints" / "3.orbax-checkpoint-tmp").mkdir()
    write(folder, **{"checkpoints__3.orbax-checkpoint-tmp__x": "x", ".lock": "mine"})
    order = []
    put = fake_bucket.FakeBuckets.put_file
    monkeypatch.setattr(
        fake_bucket.FakeBuckets,
        "put_file",
        lambda self, here, path, **more: (order.append(here.rpartition("/")[2]), put(self, here, path))[1],
    )
    mirror.send()
    assert order == ["state", "state", "digests", "log", ".sent.json"]  # the seal after what it seals
    assert there(bucket) == {
        "log": "12",
        "checkpoints/1/state": "s",
        "checkpoints/2/state": "t",
        "checkpoints/2/digests": "d",
    }
    (folder / "checkpoints/1/state").unlink()
    write(folder, log="123")
    order.clear()
    mirror.send()
    assert order == ["log", ".sent.json"]
    assert "checkpoints/1/state" not in there(bucket)
    order.clear()
    mirror.send()
    assert order == []


def test_another_machine_goes_on_and_the_first_is_told(bucket, tmp_path, monkeypatch):
    first, folder = buckets.Mirror(run_folder()), Path(run_folder())
    first.begin()
    write(folder, log="1", old="o")
    first.send()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    write(Path(run_folder()), stale="left from another time")
    second = buckets.Mirror(run_folder())
    second.begin()
    assert (Path(run_folder()) / "log").read_text() == "1"
    assert not (Path(run_folder()) / "stale").exists()
    write(Path(run_folder()), log="12")
    (Path(run_folder()) / "old").unlink()
    second.send()
    assert there(bucket) == {"log": "12"}
    write(folder, log="1b")
    with pytest.raises(OSError, match="another machine writes to fake://bucket/runs/one; end one of the two"):
        first.send()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    again = buckets.Mirror(folder)
    again.begin()
    assert (folder / "log").read_text() == "12"
    assert not (folder / "old").exists()


def test_what_a_killed_run_could_not_send_is_not_lost(bucket):
    folder = Path(run_folder())
    killed = buckets.Mirror(folder)
    killed.begin()
    write(folder, log="1")
    killed.send()
    write(folder, log="12", more="m")  # and no send
    again = buckets.Mirror(folder)
    again.begin()
    again.send()
    assert there(bucket) == {"log": "12", "more": "m"}


def test_machines_that_do_not_lead_only_add(bucket, tmp_path, monkeypatch):
    first = buckets.Mirror(run_folder())
    first.begin()
    write(Path(run_folder()), log="1")
    first.send()
    here = Path(run_folder())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    other = buckets.Mirror(run_folder(), leads=False)
    other.begin()
    (Path(run_folder()) / "log").unlink()
    write(Path(run_folder()), results__b="b")
    other.send()
    assert there(bucket) == {"log": "1", "results/b": "b"}
    write(here, log="12")
    first.send()
    assert there(bucket) == {"log": "12", "results/b": "b"}


def test_what_could_not_be_claimed_is_sent_by_the_next_attempt(bucket, monkeypatch):
    """The files were sent, and the mark behind them was not; nor is it where the run is killed then."""
    folder = Path(run_folder())
    mirror = buckets.Mirror(folder)
    mirror.begin()
    write(folder, log="1")
    with monkeypatch.context() as patch:
        put = fake_bucket.FakeBuckets.put_file

        def put_all_but_marks(self, here, there):
            if there.endswith(".sent.json"):
                raise OSError("lost")
            put(self, here, there)

        patch.setattr(fake_bucket.FakeBuckets, "put_file", put_all_but_marks)
        with pytest.raises(OSError, match="lost"):
            mirror.send()
    write(folder, log="12")
    killed = buckets.Mirror(folder)
    killed.begin()
    assert (folder / "log").read_text() == "12"
    mirror.send()
    assert there(bucket) == {"log": "12"}


def test_a_thread_sends_meanwhile_and_the_end_is_sent(bucket, monkeypatch, capsys):
    monkeypatch.setattr(buckets, "_EACH", 0.01)
    folder = Path(run_folder())
    mirror = buckets.Mirror(folder)
    mirror.begin()
    with mirror.sending():
        write(folder, log="1")
        end = time.monotonic() + 60
        while there(bucket) != {"log": "1"}:
            assert time.monotonic() < end
            time.sleep(0.01)
        (bucket.parent / "refused").touch()
        write(folder, log="12")
        said = ""
        while not said.endswith("\n"):
            assert time.monotonic() < end
            time.sleep(0.01)
            said += capsys.readouterr().err
        time.sleep(0.1)  # it is tried again, and said once
        (bucket.parent / "refused").unlink()
        write(folder, last="l")
    assert there(bucket) == {"log": "12", "last": "l"}
    said += capsys.readouterr().err
    assert said.splitlines() == [
        "note: fake://bucket/runs/one cannot be written (Forbidden: 403); the same command tries it again."
    ]
    assert "bucket" not in [thread.name for thread in threading.enumerate()]
    (bucket.parent / "refused").touch()
    with pytest.raises(OSError, match="cannot be written"), mirror.sending():
        write(folder, log="123")
    with pytest.raises(ValueError, match="what ended it"), mirror.sending():
        raise ValueError("what ended it")
    assert json.loads((folder / ".sent.json").read_text())["sent"].keys() == {"log", "last"}
