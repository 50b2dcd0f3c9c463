"""The products of a program, and what precision they ask for."""

from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr


def precisions(function: Any, *arguments: Any) -> list[Any]:
    """What each matrix product and convolution asks for that `function` traces, those of inner programs too."""
    return list(_of(jax.make_jaxpr(function)(*arguments).jaxpr))


def _of(jaxpr: Any) -> Any:
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield equation.params["precision"]
        inner = jax.tree.leaves(equation.params, is_leaf=lambda leaf: isinstance(leaf, ClosedJaxpr | Jaxpr))
        for program in inner:
            if isinstance(program, ClosedJaxpr | Jaxpr):
                yield from _of(getattr(program, "jaxpr", program))
