"""Networks as ONNX files. `make test-slow` names this file: jax2onnx lives in an environment of its own."""

import collections

import jax
import numpy as np
import pytest

from gan_jax import networks
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
