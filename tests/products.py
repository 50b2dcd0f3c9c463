"""The equations of a program, and what precision its products ask for."""

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr


def precisions(function: Any, *arguments: Any) -> list[Any]:
    """What each matrix product and convolution asks for that `function` traces, those of inner programs too."""
    products = ("dot_general", "conv_general_dilated")
    found = equations(jax.make_jaxpr(function)(*arguments).jaxpr)
    return [equation.params["precision"] for equation in found if equation.primitive.name in products]


def equations(jaxpr: Any) -> Iterator[Any]:
    """Those of inner programs too."""
    for equation in jaxpr.eqns:
        yield equation
        inner = jax.tree.leaves(equation.params, is_leaf=lambda leaf: isinstance(leaf, ClosedJaxpr | Jaxpr))
        for program in inner:
            if isinstance(program, ClosedJaxpr | Jaxpr):
                yield from equations(getattr(program, "jaxpr", program))
