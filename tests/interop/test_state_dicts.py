"""What is in a file, by the names of PyTorch's leaves."""

import numpy as np
import pytest

from gan_jax.interop import safe_pickle, state_dicts

A, B = np.zeros(2), np.ones(3)


def test_chainers_names_become_torchs(tmp_path):
    names = ("c/W", "c/b", "bn/gamma", "bn/beta", "bn/avg_mean", "bn/avg_var", "bn/N")
    np.savez(tmp_path / "model.npz", **dict.fromkeys(names, A))
    assert state_dicts.load(tmp_path / "model.npz").keys() == {
        "c.weight", "c.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked",
    }  # fmt: skip


def test_every_state_dict_is_found_at_its_place():
    content = {"epoch": 3, "net": {"g": {"a.weight": A}, "d": {"module.a.weight": B}}, "lr": [1]}
    result = state_dicts.find(content)
    assert {place: list(state) for place, state in result.items()} == {
        "net/g": ["a.weight"], "net/d": ["module.a.weight"],
    }  # fmt: skip
    for nothing in ([A], {"weight": A}, {"best": {"val.psnr": np.array(30.0)}}):
        with pytest.raises(ValueError, match="it holds no state_dict"):
            state_dicts.find(nothing)


def test_where_only_unknown_objects_are_it_is_said_what_they_are():
    content = {"net": safe_pickle.Unknown("models.Net"), "optimizer": {"state": {0: {"exp_avg": A}}}}
    with pytest.raises(ValueError, match=r"it asks for models\.Net, .* save model\.state_dict\(\) instead\.$"):
        state_dicts.find(content)
    with pytest.raises(ValueError, match=r"it asks for my\.Tensor"):
        state_dicts.find({"a.weight": safe_pickle.Unknown("my.Tensor")})


def test_names_are_read_as_they_are_and_then_without_what_is_around_them():
    state = {"net.module.a.weight": A, "net.b._orig_mod.weight": B}
    read = [list(reading) for reading in state_dicts.readings(state)]
    assert read == [list(state), ["net.a.weight", "net.b.weight"], ["a.weight", "b.weight"]]
    assert [list(reading) for reading in state_dicts.readings({"a.weight": A, "b": B})] == [["a.weight", "b"]]
    # Where two would have one name, nothing is taken out.
    assert [list(reading) for reading in state_dicts.readings({"module.a": A, "a": B})] == [["module.a", "a"]]
    assert state_dicts.parts({"a.b.c": A, "a.d": B, "e": A}) == {"a": {"b.c": A, "d": B}, "e": {"": A}}


def test_spectral_norm_has_one_spelling():
    old = {"a.weight_orig": A, "a.weight": B, "a.weight_u": A, "a.weight_v": B, "b.bias": A}
    new = {
        "a.parametrizations.weight.original": A, "a.parametrizations.weight.0._u": A,
        "a.parametrizations.weight.0._v": B, "b.bias": A,
    }  # fmt: skip
    for state in (old, new):
        weights, others = state_dicts.weights(state)
        assert others == {}
        assert {name: array is A for name, array in weights.items()} == {
            "a.weight": True, "a.weight_u": True, "a.weight_v": False, "b.bias": True,
        }  # fmt: skip
    assert state_dicts.as_torch_spells(weights).keys() == {"a.weight_orig", "a.weight_u", "a.weight_v", "b.bias"}
    # Another parametrization is not spectral norm.
    weight_norm = {"a.parametrizations.weight.original0": A, "a.parametrizations.weight.original1": B}
    assert state_dicts.weights(weight_norm)[0].keys() == weight_norm.keys()


def test_one_is_chosen_or_all_are_listed():
    assert state_dicts.choose({"": {"a": A}}, None, []) == ({"a": A}, None)
    state, note = state_dicts.choose({"g": {"a": A}, "g_ema": {"a": B}}, None, [])
    assert state["a"] is B
    assert "moving average" in note
    state, note = state_dicts.choose({"g": {"a": A}, "d": {"a": B}}, None, ["d"])
    assert state["a"] is B
    assert note == "d, the only generator there; not g (--entry)"
    assert state_dicts.choose({"g": {"a": A}, "d": {"a": B}}, "g", ["d"])[0]["a"] is A
    with pytest.raises(ValueError, match=r"several state_dicts \(d, g\); choose one with gan-jax convert --entry NAME"):
        state_dicts.choose({"g": {"a": A}, "d": {"a": B}}, None, [])
    with pytest.raises(ValueError, match="it has no entry 'x'; its state_dicts are g"):
        state_dicts.choose({"g": {"a": A}}, "x", [])


def test_lists_are_cut():
    assert state_dicts.listed("cab", 2) == "a, b and 1 more"
    assert state_dicts.listed("ba") == "a, b"
