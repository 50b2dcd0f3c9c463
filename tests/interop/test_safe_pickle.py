"""The machine itself; what it makes of whole files: test_torch_file.py, and of LPIPS's: test_perceptual.py."""

import io
import pickle
from datetime import timedelta
from fractions import Fraction

import pytest

from gan_jax.interop import safe_pickle
from gan_jax.interop.safe_pickle import Called, Unknown

NAMES = {
    ("fractions", "Fraction"): Called(lambda *_: "a fraction"),
    ("builtins", "complex"): "a name that is no function",
}


def ignored(value, state):
    """A `build` that leaves values as they are."""


def refused(identity):
    raise ValueError(f"{identity} is elsewhere")


def loaded(content, names=NAMES, build=ignored):
    return safe_pickle.load(io.BytesIO(content), names, persistent=refused, build=build)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_is_built_and_names_are_what_the_table_says(protocol):
    value = {"a": [1, -2.5, None, True], ("b", 2**70): {"text": "\u00e9"}, "c": Fraction(1, 3)}
    got = loaded(pickle.dumps(value, protocol))
    assert got == {**value, "c": "a fraction"}
    assert loaded(pickle.dumps([{1}, frozenset([2]), timedelta(3)], protocol), {})[2] == Unknown("datetime.timedelta")


def test_the_place_is_behind_the_pickle():
    file = io.BytesIO(pickle.dumps(1) + pickle.dumps("two") + b"rest")
    read = [safe_pickle.load(file, {}, persistent=refused, build=ignored) for _ in range(2)]
    assert (read, file.read()) == ([1, "two"], b"rest")


def test_nothing_else_is_called():
    assert loaded(b"cposix\nsystem\n(Vtrue\ntR.") == Unknown("posix.system")
    assert safe_pickle.call(Unknown("a.b"), (1,)) == Unknown("a.b")
    assert safe_pickle.call(Unknown("copyreg._reconstructor"), (Unknown("a.B"), None)) == Unknown("a.B")
    assert safe_pickle.call(Called(len), ("abc",)) == 3
    assert safe_pickle.call(Called(len), (Unknown("a.b"),)) == Unknown("a.b")
    assert safe_pickle.call(Called(lambda x: 3, takes_anything=True), (Unknown("a.b"),)) == 3
    for content in (b"cbuiltins\ncomplex\n(tR.", b"cfractions\nFraction\nNR.", b"I1\n(tR."):
        with pytest.raises(safe_pickle.PickleError, match=r"it calls .*, which is no function of a file of arrays"):
            loaded(content)


def test_states_and_references_are_the_callers():
    built = []
    loaded(b"(d(dVstate\nb.", build=lambda value, state: built.append((value, state)))
    with pytest.raises(ValueError, match="7 is elsewhere"):
        loaded(b"I7\nQ.")
    assert loaded(b"Psomewhere\n.") == Unknown("object somewhere of another file")
    assert built == [({}, "state")]


@pytest.mark.parametrize("content", [b"(.", b"I1\n(a.", b"NI1\na.", b"I1\nI1\nI1\ns."])
def test_what_makes_no_sense_is_refused(content):
    with pytest.raises(safe_pickle.PickleError, match="its pickle makes no sense"):
        loaded(content)


def test_a_value_in_a_sentence():
    assert safe_pickle.shortened("a\nb" * 40) == ("a b" * 40)[:60] + "..."
    assert [safe_pickle.shortened(value) for value in ([1], {}, 2)] == ["list", "dict", "2"]
