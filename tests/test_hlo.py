"""The counter of traffic on programs whose traffic is known, of the CPU's compiler and, as texts, of the TPU's.

The texts below golden/hlo are of 2x2 chips of TPU v5e, by jax 0.10.2 and libtpu 0.0.42, less tables and settings;
gpu.txt is of an A100, by jax-cuda12-pjrt 0.10.2; carried.txt are three operations of CycleGAN's step on 256 chips.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

from gan_jax import hlo

GOLDEN = Path(__file__).parent / "golden" / "hlo"
SMALL = 64  # bytes: counters and factors


def shape(*sides, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sides, dtype)


def compiled(function, *arguments, donate=()):
    text = jax.jit(function, donate_argnums=donate).lower(*arguments).compile().as_text()
    return [operation for operation in hlo.operations(text) if operation.read + operation.written > SMALL]


def from_golden(name):
    operations = hlo.operations((GOLDEN / f"{name}.txt").read_text())
    return [operation for operation in operations if operation.read + operation.written > SMALL]


def bytes_of(operations):
    return sum(one.times * one.read for one in operations), sum(one.times * one.written for one in operations)


def test_a_matrix_product_reads_two_matrices_and_writes_one():
    operations = compiled(jnp.dot, shape(64, 128), shape(128, 32))
    assert bytes_of(operations) == (4 * (64 * 128 + 128 * 32), 4 * 64 * 32)
    assert [one.kind for one in operations] == ["product"]
    assert "dot_general" in operations[0].source
    assert operations[0].traffic == operations[0].read + operations[0].written


def test_adam_reads_four_arrays_and_writes_three():
    tx, array = optax.adam(1e-3), shape(256, 128)

    def step(params, state, grads):
        updates, state = tx.update(grads, state)
        return optax.apply_updates(params, updates), state

    read, written = bytes_of(compiled(step, array, jax.eval_shape(tx.init, array), array, donate=(0, 1)))
    # The CPU's compiler makes three loops of it: the third reads the parameters and what the others have written.
    assert read == pytest.approx(7 * 4 * 256 * 128, abs=SMALL)
    assert written == 3 * 4 * 256 * 128


@pytest.mark.parametrize("function", [jnp.copy, jnp.transpose])
def test_a_copy_reads_and_writes(function):
    operations = compiled(function, shape(256, 128))
    assert bytes_of(operations) == (4 * 256 * 128, 4 * 256 * 128)
    assert [one.kind for one in operations] == ["copy"]


def test_a_slice_reads_what_it_gives():
    assert bytes_of(compiled(lambda x: 2 * x[8:16], shape(256, 128))) == (4 * 8 * 128, 4 * 8 * 128)


def test_an_update_in_place_writes_the_update():
    read, written = bytes_of(
        compiled(
            lambda x, rows, at: jax.lax.dynamic_update_slice(x, rows, (at, 0)),
            *(shape(256, 128), shape(8, 128), shape(dtype=jnp.int32)),
            donate=0,
        )
    )
    assert (read, written) == (pytest.approx(4 * 8 * 128, abs=SMALL), 4 * 8 * 128)


def test_a_loop_moves_as_often_as_it_runs():
    def sums(start, rows):
        return jax.lax.scan(lambda total, row: (jnp.tanh(total + row), None), start, rows)[0]

    inside = [one for one in compiled(sums, shape(64, 64), shape(7, 64, 64)) if "tanh" in one.source]
    assert [one.times for one in inside] == [7]
    assert inside[0].traffic == pytest.approx(7 * 3 * 4 * 64 * 64, abs=7 * SMALL)


def test_the_branch_that_moves_most_counts():
    def either(which, x):
        return jax.lax.cond(which, lambda x: jnp.sort(x) + x.T, lambda x: x, x)

    largest = bytes_of(compiled(lambda x: jnp.sort(x) + x.T, shape(64, 64)))
    assert sum(bytes_of(compiled(either, shape(dtype=bool), shape(64, 64)))) >= sum(largest)


def test_a_product_on_a_tpu():
    """One operand is fetched while the program begins."""
    assert bytes_of(from_golden("matmul")) == (2 * (1024 * 2048 + 2048 * 512), 2 * 1024 * 512)
    assert [one.kind for one in from_golden("matmul")] == ["prefetch", "product"]


def test_adam_on_a_tpu():
    read, written = bytes_of(from_golden("adam"))
    assert (read, written) == (pytest.approx(4 * 4 * 4096 * 1024, abs=SMALL), 3 * 4 * 4096 * 1024)


def test_a_layout_copy_on_a_tpu():
    (copy,) = from_golden("transpose")
    assert (copy.kind, copy.read, copy.written) == ("copy", 4 * 4096 * 2048, 4 * 4096 * 2048)


def test_a_loop_on_a_tpu():
    """What it carries stays in the memory beside the cores; 7 slices come in."""
    carried = 4 * 2048 * 2048
    assert bytes_of(from_golden("scan")) == (pytest.approx(8 * carried, abs=SMALL), carried)


def test_a_collective_on_a_tpu():
    reduce, total = from_golden("all_reduce")
    assert (reduce.kind, reduce.read, reduce.written) == ("other", 2 * 1024 * 1024, 0)
    assert (total.kind, total.opcode, total.read, total.written) == ("collective", "all-reduce", 0, 4 * 1024)
    assert total.outputs == (hlo.Array("f32", (1024,), (0,), (1024,)),)


ASYNCHRONOUS = """HloModule weights, is_scheduled=true

ENTRY %main (param: f32[2,512,1024]) -> f32[2,512,1024] {
  %param = f32[2,512,1024]{2,1,0:T(8,128)} parameter(0)
  %slice-start = ((f32[2,512,1024]{2,1,0:T(8,128)}), f32[1,512,1024]{2,1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%param), slice={[0:1], [0:512], [0:1024]}
  %slice-start.1 = ((f32[2,512,1024]{2,1,0:T(8,128)}), f32[1,512,1024]{2,1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%param), slice={[1:2], [0:512], [0:1024]}
  %slice-done = f32[1,512,1024]{2,1,0:T(8,128)S(1)} slice-done(%slice-start)
  %slice-done.1 = f32[1,512,1024]{2,1,0:T(8,128)S(1)} slice-done(%slice-start.1)
  %custom-call = f32[2,512,1024]{2,1,0:T(8,128)S(1)} custom-call(%slice-done, %slice-done.1), \
custom_call_target="ConcatBitcast"
  ROOT %negate = f32[2,512,1024]{2,1,0:T(8,128)} negate(%custom-call)
}
"""


def test_asynchronous_slices_read_a_weight_once():
    operations = hlo.operations(ASYNCHRONOUS)
    assert [one.kind for one in operations] == ["prefetch", "prefetch", "other"]
    assert bytes_of(operations) == (4 * 2 * 512 * 1024, 4 * 2 * 512 * 1024)


def test_a_collective_that_goes_on_under_fusions_counts_once():
    # A kernel's gradient of maps of 128 and of 64 channels, these padded to 128, in bfloat16; meanwhile 256 chips
    # gather four rows each, which the fusion hands on.
    product, gathered = from_golden("carried")
    assert (product.kind, gathered.kind, gathered.opcode) == ("product", "collective", "all-gather")
    maps = 2 * 4 * 128 * (128 * 128 + 256 * 256)
    assert bytes_of([product]) == (maps + 4 * 4 * 128, 2 * 3 * 3 * 64 * 128)
    assert bytes_of([gathered]) == (4 * 4 * 196608, 4 * 256 * 4 * 196608)
    assert hlo.collectives([product, gathered]) == {("all-gather", "f32"): 4 * 256 * 4 * 196608}


@pytest.mark.parametrize(
    ("array", "nbytes"),
    [
        (hlo.Array("f32", (3, 5)), 60),
        (hlo.Array("bf16", ()), 2),
        (hlo.Array("pred", (7,)), 7),
        (hlo.Array("token", ()), 0),
        (hlo.Array("f32", (4096, 3), (1, 0), (8, 128)), 4 * 4096 * 128),
        (hlo.Array("f32", (4096, 3), (0, 1), (4, 128)), 4 * 4096 * 4),
        (hlo.Array("bf16", (4, 16, 16, 64), (3, 0, 2, 1), (8, 128)), 2 * 16 * 16 * 8 * 128),
        (hlo.Array("f32", (), (), (128,)), 4),
    ],
)
def test_an_array_takes_its_tiles(array, nbytes):
    assert array.nbytes == nbytes


def test_other_memories_do_not_count():
    assert (hlo.Array("f32", (8,), space=1).main, hlo.Array("f32", (8,)).main) == (0, 32)


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="no program: wanted the text of a compiled one"):
        hlo.operations("module @jit_f {\n}\n")


def test_a_gpu_calls_libraries_whose_work_is_counted():
    """A convolution of x [4, 16, 16, 8] to 8x8x16 by 4x4, its two gradients, a product in float32, and a sort."""
    operations = from_golden("gpu")
    products = [one for one in operations if one.kind == "product"]
    convolution = 2 * (4 * 8 * 8 * 16) * (4 * 4 * 8)
    assert [one.flops for one in products] == [convolution] * 3 + [2 * 256 * 16 * 32]
    assert products[0].traffic == 2 * (4 * 16 * 16 * 8 + 4 * 4 * 8 * 16 + 4 * 8 * 8 * 16)
    assert products[3].written == 4 * 256 * 32  # its scratch of 4 MiB is not
    assert [one.traffic for one in operations if "sort" in one.source] == [4 * 64 * 3]
    assert sum(one.flops for one in operations) == sum(one.flops for one in products)
