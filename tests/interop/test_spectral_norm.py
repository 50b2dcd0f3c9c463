"""PyTorch's spectral norm, in critics that have it and in kernels of networks that have not; read from its two codes.

torch.nn.utils.spectral_norm: W is the kernel with a row an output (of a transposed convolution, dim=1). In evaluation
the kernel is over u W v; a pass of training first sets v = W'u / |W'u| and u = Wv / |Wv|. Both are stored.
"""

import jax
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.interop import convert
from gan_jax.networks import PatchGAN, ResNet, SRGANCritic, VGGStyleCritic
from tests.interop.test_convert import assert_same_network, error, filled

CRITICS = [
    (PatchGAN(1, 4, "instance"), (32, 32)),
    (PatchGAN(1, 4), (24, 32)),
    (VGGStyleCritic(16, 2), (16, 16)),
    (SRGANCritic(16, 2, 4), (16, 16)),
]
IDS = [f"{type(critic).__name__} {getattr(critic, 'norm', '')}" for critic, _ in CRITICS]


def unit(vector):
    return vector / np.linalg.norm(vector)


def matrix(kernel, *, transposed=False):
    kernel = kernel.swapaxes(0, 1) if transposed else kernel
    return kernel.reshape(len(kernel), -1)


def normed(state, iterations, transposed=()):
    """A state_dict as if its module had been under spectral norm: for kernels W, weight_orig, weight_u, weight_v."""
    rng, result = np.random.default_rng(0), {}
    for name, array in state.items():
        if array.ndim < 2:
            result[name] = array
            continue
        w = matrix(array, transposed=name in transposed)
        u = unit(rng.normal(size=len(w)))
        v = unit(u @ w)
        for _ in range(iterations):
            u = unit(w @ v)
            v = unit(u @ w) if iterations > 1 else v
        result |= {f"{name}_orig": array, f"{name}_u": np.float32(u), f"{name}_v": np.float32(v)}
    return result


def as_parametrizations(state):
    """The same in the names of torch.nn.utils.parametrizations.spectral_norm."""
    ends = {"_orig": ".original", "_u": ".0._u", "_v": ".0._v"}
    output = {}
    for name, array in state.items():
        layer, result, end = name.rpartition(".weight")
        output[f"{layer}.parametrizations.weight{ends[end]}" if result and end in ends else name] = array
    return output


def signed(module, channels=3):
    """Variables of both signs: kernels of one sign have one large singular value."""
    variables = filled(module, channels)
    rng = np.random.default_rng(1)
    centered = lambda leaf: np.float32(rng.normal(0, 0.1, leaf.shape)) if leaf.ndim > 1 else leaf  # noqa: E731
    return {"params": jax.tree.map(centered, variables["params"]), "stats": variables["stats"]}


def evaluated(module, variables, x, train=False):
    apply = jax.jit(lambda v, x: networks.from_linen(module).apply(v["params"], v["stats"], x, train=train))
    return jax.device_get(apply(variables, x))


@pytest.mark.parametrize(("critic", "sides"), CRITICS, ids=IDS)
def test_a_critic_under_spectral_norm(critic, sides):
    """The kernels over PyTorch's u W v, in a critic without the norm, give the same logits, settled or not."""
    theirs = normed(convert.to_torch(critic, signed(critic)), 2)
    module, variables = convert.from_torch(theirs)
    assert module == critic.clone(spectral_norm=True)
    assert_same_network(convert.from_torch(as_parametrizations(theirs)), (module, variables))
    without, divided = convert.from_torch(theirs, {"spectral_norm": False})
    assert without == critic
    x = np.random.default_rng(2).uniform(-1, 1, (2, *sides, 3)).astype(np.float32)
    got, expected = (evaluated(*network, x)[0] for network in ((module, variables), (without, divided)))
    # float32 sums in another order, relative to the largest logit
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_pass_of_training_moves_u_as_pytorch_does():
    critic, sides = CRITICS[0]
    theirs = normed(convert.to_torch(critic, signed(critic)), 1)
    module, variables = convert.from_torch(theirs)
    x = np.random.default_rng(2).uniform(-1, 1, (1, *sides, 3)).astype(np.float32)
    _, stats = evaluated(module, variables, x, train=True)
    for place, layer in (("model.0", "conv0"), ("model.2", "conv1"), ("model.8", "conv3")):
        if f"{place}.weight_orig" not in theirs:
            continue
        w, u = matrix(theirs[f"{place}.weight_orig"]), theirs[f"{place}.weight_u"]
        v = unit(u @ w)
        vectors = stats["spectral_norm"][layer]["spectral"]
        np.testing.assert_allclose(vectors["u"], unit(w @ v), atol=1e-6)
        torchs_order = vectors["v"].reshape(4, 4, -1).transpose(2, 0, 1).reshape(-1)
        np.testing.assert_allclose(torchs_order, v, atol=1e-6)


@pytest.mark.parametrize(("critic", "sides"), CRITICS, ids=IDS)
def test_the_way_back_has_pytorchs_names_and_bits(critic, sides):
    theirs = normed(convert.to_torch(critic, signed(critic)), 1)
    back = convert.to_torch(*convert.from_torch(theirs))
    assert back.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(back[name], array)


def test_old_pytorchs_files_have_the_normed_kernel_and_no_v():
    critic, _ = CRITICS[0]
    theirs = normed(convert.to_torch(critic, signed(critic)), 2000)  # so that v is the one that follows from u
    old = {name: array for name, array in theirs.items() if not name.endswith("_v")}
    old |= {name.removesuffix("_orig"): array / 3 for name, array in old.items() if name.endswith("_orig")}
    got, expected = convert.from_torch(old), convert.from_torch(theirs)
    assert got[0] == expected[0]
    jax.tree.map(lambda *leaves: np.testing.assert_allclose(*leaves, atol=1e-6), got[1], expected[1])


def test_in_a_generator_it_goes_into_the_kernels(tmp_path):
    """Whose transposed convolutions PyTorch normalizes by their outputs, the second axis."""
    module = ResNet(3, 1, 2)
    plain = convert.to_torch(module, signed(module))
    transposed = ("model.11.weight", "model.14.weight")
    theirs = normed(plain, 1, transposed)
    got_module, variables = convert.from_torch(theirs)
    assert got_module == module
    back = convert.to_torch(module, variables)
    for name in plain:
        expected = plain[name]
        if expected.ndim > 1:
            sigma = theirs[f"{name}_u"] @ matrix(expected, transposed=name in transposed) @ theirs[f"{name}_v"]
            expected = expected / sigma
        np.testing.assert_allclose(back[name], expected, rtol=1e-5)
    np.savez(tmp_path / "g.npz", **theirs)
    assert any("spectral norm is in the kernels" in note for note in convert.read(tmp_path / "g.npz").notes)


def test_a_critic_of_which_some_layers_have_it_has_it_in_the_kernels():
    critic, _ = CRITICS[0]
    plain = convert.to_torch(critic, signed(critic))
    theirs = normed(plain, 1)
    last = max(name for name in plain if name.endswith("weight"))
    some = {name: array for name, array in theirs.items() if not name.startswith(last)} | {last: plain[last]}
    module, variables = convert.from_torch(some)
    assert module == critic
    np.testing.assert_array_equal(convert.to_torch(module, variables)[last], plain[last])


def test_what_is_missing_is_named():
    critic, _ = CRITICS[0]
    theirs = normed(convert.to_torch(critic, signed(critic)), 1)
    without = {name: array for name, array in theirs.items() if name != "model.2.weight_orig"}
    assert "model.2.weight is missing" in error(without)
    for name in ("model.0.weight_u", "model.0.weight_v"):
        assert "model.0.weight_u and model.0.weight_v are no vectors" in error({**theirs, name: np.ones(2)})
