import json
import shutil
import sys
import threading
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.training import checkpoint, parallel
from gan_jax.training.checkpoint import Checkpoints


@pytest.fixture
def mesh():
    return parallel.data_mesh(jax.devices()[:1])


@pytest.fixture
def saved(tmp_path, mesh, tiny_method, tiny_batch):
    """A folder with checkpoints of steps 1 and 2, the state that was saved, and what to read it into."""
    method = tiny_method(ema_decay=0.9)
    state = parallel.compile_init(method, mesh)(jax.random.key(3), tiny_batch())
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state, {"best": step / 10})
    return tmp_path, state, parallel.abstract_state(method, tiny_batch(), mesh)


def restore(folder, abstract):
    warnings: list[str] = []
    with Checkpoints(folder) as checkpoints:
        return checkpoints.restore(abstract, warnings.append), warnings


def plain(state):
    return jax.device_get(state.replace(key=jax.random.key_data(state.key)))


def test_a_state_comes_back_bit_for_bit_with_its_key_and_what_was_saved_beside_it(saved):
    folder, state, abstract = saved
    restored, warnings = restore(folder, abstract)
    assert (restored.step, restored.extra, warnings) == (2, {"best": 0.2}, [])
    jax.tree.map(np.testing.assert_array_equal, plain(restored.state), plain(state))


def test_a_full_disk_is_said_in_a_sentence_and_keeps_what_was_there(saved, monkeypatch):
    folder, state, abstract = saved
    text = "RESOURCE_EXHAUSTED: pages of words: No space left on device [os_error_code='28']"
    for error, kind, words in (
        (ValueError(text), OSError, r"step 3 cannot be written to .* \(No space left on device\); make room"),
        (ValueError("another shape"), ValueError, "another shape"),
    ):

        def refuse(*_, error=error, **__):
            raise error

        monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", refuse)
        for tell in (Checkpoints.finish, lambda checkpoints: checkpoints.save(4, state, {}), said_by_check):
            with Checkpoints(folder) as checkpoints:
                checkpoints.save(3, state, {})
                with pytest.raises(kind, match=words):
                    tell(checkpoints)
        with pytest.raises(kind, match=words), Checkpoints(folder) as checkpoints:
            checkpoints.save(3, state, {})
        with pytest.raises(ZeroDivisionError):
            save_and_fail(folder, state)
    assert restore(folder, abstract)[0].step == 2


def test_threads_that_end_after_a_full_disk_say_nothing(saved, monkeypatch):
    """Some of TensorStore's, which then find the event loop of the save closed."""
    folder, state, _ = saved
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(str(unraisable.exc_value)))
    full = ValueError("No space left on device")
    with Checkpoints(folder) as checkpoints:
        monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", lambda *_, **__: (_ for _ in ()).throw(full))
        checkpoints.save(3, state, {})
        with pytest.raises(OSError, match="step 3 cannot be written"):
            checkpoints.finish()
    for words in ("Event loop is closed", "another"):
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError(words)))
    assert said == ["another"]


def save_and_fail(folder, state):
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(3, state, {})
        raise ZeroDivisionError  # which is what is said


def said_by_check(checkpoints):
    for _ in range(1000):
        checkpoints.check()
        time.sleep(0.01)


def test_a_save_goes_on_while_the_state_is_consumed(saved, monkeypatch):
    """The caller goes on at once, and its next step uses the state's memory again; the end waits for the save."""
    folder, state, abstract = saved
    began, go = threading.Event(), threading.Event()
    write = checkpoint.ocp.CheckpointManager.save

    def wait(*arguments, **options):
        began.set()
        assert go.wait(60)
        return write(*arguments, **options)

    monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", wait)
    before = plain(jax.tree.map(jnp.copy, state))
    with Checkpoints(folder) as checkpoints:
        extra = {"best": 1}
        checkpoints.save(3, state, extra)
        extra["best"] = 2
        assert began.wait(60)
        checkpoints.check()
        assert checkpoint.latest_step(folder) == 2
        step = jax.jit(lambda tree: jax.tree.map(lambda x: x * 0, tree), donate_argnums=0)
        jax.block_until_ready(step(state.generator))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.generator))
        go.set()
    monkeypatch.undo()
    restored, warnings = restore(folder, abstract)
    assert (restored.step, restored.extra, warnings) == (3, {"best": 1}, [])
    jax.tree.map(np.testing.assert_array_equal, plain(restored.state), before)


def test_an_empty_folder_restores_nothing(saved, tmp_path_factory):
    _, _, abstract = saved
    assert restore(tmp_path_factory.mktemp("empty"), abstract) == (None, [])


def test_a_checkpoint_of_one_device_is_read_onto_eight(saved, tiny_method, tiny_batch):
    folder, state, _ = saved
    everywhere = parallel.abstract_state(tiny_method(ema_decay=0.9), tiny_batch(), parallel.data_mesh())
    restored, _ = restore(folder, everywhere)
    assert len(restored.state.step.sharding.device_set) == 8
    jax.tree.map(np.testing.assert_array_equal, plain(restored.state), plain(state))


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip_a_bit(folder):
    file = largest_file(folder)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip_a_bit, "is damaged"),
        (lambda folder: largest_file(folder).unlink(), "is damaged"),
        (lambda folder: largest_file(folder).write_bytes(b""), "is damaged"),
        (lambda folder: (folder / "digests.json").unlink(), "was cut short"),
        (lambda folder: (folder / "digests.json").write_text("{"), "was cut short"),
    ],
)
def test_harm_to_the_newest_falls_back_to_the_one_before_and_says_so(saved, harm, words):
    folder, _, abstract = saved
    harm(folder / "2")
    restored, warnings = restore(folder, abstract)
    assert restored.step == 1
    assert len(warnings) == 1
    assert words in warnings[0]
    assert not (folder / "2").exists()


def test_where_no_checkpoint_is_whole_training_begins_anew_and_that_is_said(saved):
    folder, _, abstract = saved
    for step in ("1", "2"):
        flip_a_bit(folder / step)
    restored, warnings = restore(folder, abstract)
    assert restored is None
    assert len(warnings) == 3
    assert "begins anew" in warnings[2]


def test_after_falling_back_the_same_step_can_be_saved_again(saved):
    folder, state, abstract = saved
    flip_a_bit(folder / "2")
    with Checkpoints(folder) as checkpoints:
        checkpoints.restore(abstract, print)
        checkpoints.save(2, state, {})
    assert restore(folder, abstract)[0].step == 2


def test_a_folder_left_by_a_kill_inside_orbax_is_ignored(saved):
    folder, _, abstract = saved
    shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp")
    assert restore(folder, abstract)[0].step == 2


def test_the_newest_two_are_kept(saved):
    folder, state, _ = saved
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(5, state, {})
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["2", "5"]
    assert checkpoint.latest_step(folder) == 5


def test_those_that_are_named_are_kept_too(saved):
    folder, state, abstract = saved
    with Checkpoints(folder, keeps=lambda step: step == 1) as checkpoints:
        for step in (3, 5):
            checkpoints.save(step, state, {})
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["1", "3", "5"]
    for step in ("3", "5"):
        flip_a_bit(folder / step)
    assert restore(folder, abstract)[0].step == 1


def test_what_is_newer_is_cut_back(saved):
    folder, _, abstract = saved
    assert checkpoint.cut_back(folder, 2) == []
    assert checkpoint.cut_back(folder, 1) == [2]
    restored, warnings = restore(folder, abstract)
    assert (restored.step, warnings) == (1, [])


def test_a_state_that_is_not_finite_is_refused(saved):
    _, state, _ = saved
    average = jax.tree.map(lambda x: x * jnp.nan, state.generator.ema)
    broken = state.replace(generator=state.generator.replace(ema=average))
    with pytest.raises(FloatingPointError, match="after step 3"):
        checkpoint.require_finite(3, broken)
    checkpoint.require_finite(3, state)


def test_the_seal_names_every_file(saved):
    folder, _, _ = saved
    assert checkpoint.damage(folder / "2") is None
    sealed = json.loads((folder / "2" / "digests.json").read_text())
    files = {path.relative_to(folder / "2").as_posix() for path in (folder / "2").rglob("*") if path.is_file()}
    assert set(sealed) == files - {"digests.json"}


def test_a_checkpoint_of_another_state_is_one_sentence(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"a": np.zeros(2, np.float32), "ema": None}, {})
        with pytest.raises(ValueError, match="holds the state of another method, or of an earlier version") as caught:
            checkpoints.restore({"a": jax.ShapeDtypeStruct((2,), np.float32)}, pytest.fail)
    assert "\n" not in str(caught.value)
