"""Networks as ONNX files. `make test-slow` names this file: jax2onnx lives in an environment of its own."""

import collections

import jax
import numpy as np
import pytest

from gan_jax import networks
from gan_jax.infer import exported
from gan_jax.model import Model, ModelSpec
from gan_jax.networks import convolution


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # jax2onnx leaves out, without a word, the rules whose import warns
@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (networks.UNet(depth=3, width=4), {"Conv": 3, "ConvTranspose": 3}),
        # Head, two in each of two blocks, merge, two in front of pixel shuffles, tail.
        (networks.SRResNet(blocks=2, width=8), {"Conv": 9}),
    ],
    ids=["UNet", "SRResNet"],
)
def test_a_file_holds_the_networks_convolutions_and_computes_its_outputs(module, expected):
    import jax2onnx
    import onnxruntime

    # Small maps: without plain() both networks would be computed by forms that jax2onnx refuses.
    x = np.random.default_rng(0).uniform(-1, 1, (2, 8, 16, 3)).astype(np.float32)
    variables = jax.jit(lambda: module.init(jax.random.key(0), x, train=False))()
    apply = lambda x: module.apply(variables, x, train=False)  # noqa: E731
    with convolution.plain():
        file = jax2onnx.to_onnx(apply, [jax.ShapeDtypeStruct(x.shape, x.dtype)])

    nodes = collections.Counter(node.op_type for node in file.graph.node)
    products = ("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum")
    assert {kind: nodes[kind] for kind in products if nodes[kind]} == expected
    assert not file.functions  # where nodes could hide
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: x})
    # Another program of float32: sums of some hundred terms, in another order. Small beside the largest output.
    wanted = np.asarray(jax.jit(apply)(x))
    np.testing.assert_allclose(output, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("module", "sizes"),
    [(networks.SRResNet(blocks=1, width=4), "any"), (networks.UNet(depth=3, width=4), "32x32")],
    ids=["SRResNet", "UNet"],
)
@pytest.mark.parametrize("uint8", [False, True])
def test_a_generator_is_written_and_computes_the_same(module, sizes, uint8, tmp_path, monkeypatch):
    """With padding, ranges and dropout's absence inside; write compares, and load gives what it compared."""
    monkeypatch.setattr(exported, "_FIXED", 32)
    x = np.zeros((1, 8, 8, 3), np.float32)
    params, stats = jax.jit(networks.from_linen(module).init)(jax.random.key(0), x)
    spec = ModelSpec(networks.describe(module), 3, "pix2pix", "image", bool(getattr(module, "dropout", 0)))
    made = exported.write(tmp_path / "x.onnx", Model(spec, {"params": params, "stats": stats}), "onnx", uint8=uint8)
    assert made.sizes == sizes
    assert bool(made.note) == (sizes != "any")
    images = np.zeros((3, 32, 32, 3), np.uint8 if uint8 else np.float32)
    assert exported.load(tmp_path / "x.onnx", "onnx")(images).shape == (3, 32 * module.scale, 32 * module.scale, 3)
