"""Initial weights of deep networks, compiled sooner: equal arrays are drawn by one loop.

XLA compiles the code that draws an array anew for each, and RRDBNet has 351 kernels. What is drawn does not change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

__all__ = ["drawn_in_loops"]
__dir__ = __all__.copy

_DRAWS = ("_normal", "_uniform", "_truncated_normal")  # what functions of jax.random are called in a program
_LONGEST = 64  # equations from the key to a drawn array


def drawn_in_loops(init: Callable[..., Any]) -> Callable[..., Any]:
    """A function of trees of arrays, to be compiled, that gives what `init` gives.

    Arrays that are drawn alike, from keys that `fold_in` makes of other numbers, are drawn one after another in a loop.
    """

    def initialized(*args: Any) -> Any:
        program, shapes = jax.make_jaxpr(init, return_shape=True)(*args)
        whole, inputs = program.jaxpr, jax.tree.leaves(args)

        def evaluated(*inputs: Any, **changes: Any) -> list[Any]:
            return list(core.jaxpr_as_fun(core.ClosedJaxpr(whole.replace(**changes), program.consts))(*inputs))

        drawn: dict[Any, Any] = {}
        for group in _alike(whole):
            variable, equations, _ = group[0]
            numbers = np.array([data for *_, data in group], np.uint32)
            folded, symbols = _with_symbols(equations, numbers.shape[1])

            def draw(data: Any, folded: Any = folded, symbols: Any = symbols, variable: Any = variable) -> Any:
                invars = [*whole.invars, *symbols]
                return evaluated(*inputs, *data, invars=invars, eqns=folded, outvars=[variable])[0]

            drawn.update(zip((v for v, *_ in group), lax.map(draw, jnp.asarray(numbers)), strict=True))
        left = _needed(whole, drawn)
        outputs = evaluated(*inputs, *drawn.values(), invars=[*whole.invars, *drawn], eqns=left)
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return initialized


def _needed(program: Any, given: Mapping[Any, Any]) -> list[Any]:
    """The equations that outputs depend on where some variables are given: mostly not those of the networks' passes."""
    wanted, needed = {v for v in program.outvars if not isinstance(v, core.Literal)} - given.keys(), []
    for eqn in reversed(program.eqns):
        if not wanted.isdisjoint(eqn.outvars):
            needed.append(eqn)
            wanted |= {v for v in eqn.invars if not isinstance(v, core.Literal)} - given.keys()
    return needed[::-1]


def _alike(program: Any) -> list[list[tuple[Any, list[Any], list[int]]]]:
    """Outputs that differ in the numbers folded into their keys alone, several together: each with the equations that
    lead to it, and these numbers.
    """
    made_by = {variable: (place, eqn) for place, eqn in enumerate(program.eqns) for variable in eqn.outvars}
    groups: dict[Any, list[Any]] = {}
    for variable in dict.fromkeys(v for v in program.outvars if not isinstance(v, core.Literal)):
        equations = _leading_to(variable, made_by)
        if sum(eqn.params.get("name") in _DRAWS for eqn in equations) == 1:
            data = [int(eqn.invars[1].val) for eqn in equations if _folds(eqn)]
            groups.setdefault(_form(variable, equations), []).append((variable, equations, data))
    return [group for group in groups.values() if len(group) > 1]


def _leading_to(variable: Any, made_by: dict[Any, tuple[int, Any]]) -> list[Any]:
    """In order; none where there are too many."""
    found: dict[int, Any] = {}
    waiting = [variable]
    while waiting and len(found) <= _LONGEST:
        place, eqn = made_by.get(waiting.pop(), (-1, None))
        if eqn is not None and place not in found:
            found[place] = eqn
            waiting += [v for v in eqn.invars if not isinstance(v, core.Literal)]
    return [found[place] for place in sorted(found)] if len(found) <= _LONGEST else []


def _folds(eqn: Any) -> bool:
    return eqn.primitive.name == "random_fold_in" and isinstance(eqn.invars[1], core.Literal)


def _form(variable: Any, equations: Sequence[Any]) -> tuple[Any, ...]:
    """What is equal of two lists of equations that differ in their variables and folded numbers alone."""
    names: dict[Any, int] = {}
    form: list[Any] = []
    for eqn in equations:
        inputs = [str(v) if isinstance(v, core.Literal) else names.get(v, v) for v in eqn.invars]
        # What is called is the same object where it is called again.
        params = {name: id(value) if name == "jaxpr" else str(value) for name, value in eqn.params.items()}
        form.append((eqn.primitive.name, *(inputs[:1] if _folds(eqn) else inputs), *sorted(params.items())))
        names.update((v, len(names)) for v in eqn.outvars)
    return (*form, names[variable])


def _with_symbols(equations: Sequence[Any], count: int) -> tuple[list[Any], list[Any]]:
    """The equations with variables in place of the numbers that they fold into keys, and the variables."""
    symbols = jax.make_jaxpr(lambda *numbers: numbers)(*[jnp.uint32(0)] * count).jaxpr.invars
    rest = iter(symbols)
    return [e.replace(invars=[e.invars[0], next(rest)]) if _folds(e) else e for e in equations], list(symbols)
