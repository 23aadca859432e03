"""Rows of a parameter that start equal: whether anything in the graph ever tells them apart, and what picks among them.

A function that does not change when the rows of a table change places gives equal rows equal gradients, and no optimizer tells
them apart. `placed` has the laws by which operators treat rows alike. A table of positions that is added, dropout, a weight
that mixes the rows, a target for each row tell them apart; and what has no law is taken to do so, so that doubt leads to silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, Dependence, operator, strip
from initlint.graph.placed import PICKING, places_in
from initlint.graph.places import Along, Places, ToldApart, Walk, writes
from initlint.graph.repeats import equal_along

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import Parameter, TracedModel


def equal_dimensions(parameter: Parameter) -> tuple[int, ...]:
    """The dimensions along which all entries of a parameter of several dimensions start equal."""
    shape, value = parameter.shape, parameter.value
    if len(shape) < 2:
        return ()
    several = [d for d, size in enumerate(shape) if size > 1]
    if parameter.law.family == "constant":
        return tuple(several)
    if parameter.law.family == "exact" and value is not None:
        return tuple(d for d in several if bool((value == value.narrow(d, 0, 1)).all()))
    return tuple(d for d in several if equal_along(parameter.law, d))


def stays_alike(traced: TracedModel, dependence: Dependence, along: Mapping[str, int]) -> bool:
    """Whether the equal rows of parameters, each along its dimension, receive equal gradients for ever: no output tells them apart."""
    outputs = dependence.bits(item for item in traced.outputs if item in dependence.index)
    walk = Walk(traced, {name: frozenset({Along(dim, traced.parameters[name].shape[dim])}) for name, dim in along.items()})
    reached = False
    for node in _after(dependence, along):
        found = _step(walk, node)
        is_output = bool(outputs >> dependence.index[node.name] & 1)
        reached = reached or is_output
        if (found is None or (found and is_output)) and (is_output or dependence.descendants[node.name] & outputs):
            return False
    return reached


def picks_among(traced: TracedModel, dependence: Dependence, name: str, dim: int) -> tuple[str, ...]:
    """Nodes that pick the least or the greatest of numbers of which each row gives one, while all rows are equal."""
    picking = dependence.bits(node.name for node in dependence.order if operator(node) in PICKING)
    if not dependence.descendants[name] & picking:
        return ()
    walk = Walk(traced, {name: frozenset({Along(dim, traced.parameters[name].shape[dim])})})
    for node in _after(dependence, (name,)):
        if writes(node) and strip(node.all_input_nodes[0], PASSING | SELECTING | {"detach"}).name == name:
            return ()  # the table is filled from the data of the first call
        _step(walk, node)
    return tuple(walk.picks)


def _after(dependence: Dependence, names: Iterable[str]) -> Iterator[Node]:
    """The nodes that are computed from these, in order."""
    after = 0
    for name in names:
        after |= dependence.descendants[name]
    return (dependence.order[dependence.index[item]] for item in dependence.names(after))


def _step(walk: Walk, node: Node) -> Places | None:
    """The places of the rows in what a node gives, noted down."""
    try:
        found = places_in(walk, node)
    except ToldApart:
        found = None
    walk.places[node.name] = found
    return found
