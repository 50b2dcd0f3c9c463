"""What is in a file, by the names of PyTorch's leaves."""

import numpy as np
import pytest

from gan_jax.interop import states

A, B = np.zeros(2), np.ones(3)


def test_chainers_names_become_torchs(tmp_path):
    names = ("c/W", "c/b", "bn/gamma", "bn/beta", "bn/avg_mean", "bn/avg_var", "bn/N")
    np.savez(tmp_path / "model.npz", **dict.fromkeys(names, A))
    assert states.load(tmp_path / "model.npz").keys() == {
        "c.weight", "c.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked",
    }  # fmt: skip


def test_every_state_dict_is_found_at_its_place():
    content = {"epoch": 3, "net": {"g": {"a.weight": A}, "d": {"module.a.weight": B}}, "lr": [1]}
    found = states.find(content)
    assert {place: list(state) for place, state in found.items()} == {"net/g": ["a.weight"], "net/d": ["a.weight"]}
    assert states.find({"netG.a.weight": A, "netD.a.weight": B}).keys() == {"netG", "netD"}
    assert states.find([A]) == {}


def test_one_is_chosen_or_all_are_listed():
    assert states.choose({"": {"a": A}}, None) == ({"a": A}, None)
    state, note = states.choose({"g": {"a": A}, "g_ema": {"a": B}}, None)
    assert state["a"] is B
    assert "moving average" in note
    assert states.choose({"g": {"a": A}, "d": {"a": B}}, "g")[0]["a"] is A
    with pytest.raises(ValueError, match=r"several state_dicts \(d, g\); choose one with --entry"):
        states.choose({"g": {"a": A}, "d": {"a": B}}, None)
    with pytest.raises(ValueError, match="it has no entry 'x'; its state_dicts are g"):
        states.choose({"g": {"a": A}}, "x")
    with pytest.raises(ValueError, match="it holds no state_dict"):
        states.choose({}, None)


def test_lists_are_cut():
    assert states.listed("cab", 2) == "a, b and 1 more"
    assert states.listed("ba") == "a, b"
