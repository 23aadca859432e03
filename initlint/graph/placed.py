"""Where the rows of a table lie in what is computed from it: one law for each kind of operator that treats all rows alike.

Each tensor carries the places where the rows lie (`places`). Pointwise functions, layers that act on other dimensions and views
hand the places on; a sum over the rows, or attention over them, takes them away; whatever else reads them tells the rows apart, and
so does each operator without a law here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import CONVOLUTIONS, contraction_of, is_node, operands, operator, shape_of
from initlint.graph.places import (
    NOWHERE,
    POINTWISE,
    Along,
    Law,
    Places,
    ToldApart,
    Walk,
    agreed,
    flat,
    lifted,
    numbers,
    same,
    writes,
)
from initlint.graph.shifted import MOVING

if TYPE_CHECKING:
    from torch.fx import Node


def places_in(walk: Walk, node: Node) -> Places:
    """The places of the rows in what a node gives.

    Raises:
        ToldApart: it does not treat all rows alike.
    """
    if node.op != "call_function" or not any(walk.of(item) for item in operands(node)):
        return NOWHERE
    name = operator(node)
    law = _LAWS.get(name)
    if law is None or (writes(node) and (name not in POINTWISE or len(node.all_input_nodes[0].users) > 1)):
        raise ToldApart
    return law(walk, node)


def _pointwise(walk: Walk, node: Node) -> Places:
    items, ndim = list(operands(node)), len(shape_of(node))
    return agreed(walk, NOWHERE.union(*(lifted(walk, item, ndim) for item in items)), node, items)


def _dropout(walk: Walk, node: Node) -> Places:
    if node.args[1] and node.args[2]:
        raise ToldApart
    return walk.of(node.args[0])


def _reduced(walk: Walk, node: Node) -> Places:
    """A sum, mean or norm over all rows is the same for all of them; of ties `amax` and `amin` favour none."""
    return _without(walk.of(node.args[0]), node, shape_of(next(operands(node))))


def _without(places: Places, node: Node, before: Sequence[int]) -> Places:
    """Without the dimensions that a reduction takes away."""
    kept = len(shape_of(node)) == len(before)
    position = 2 if operator(node) in ("linalg_vector_norm", "norm") else 1
    given = node.args[position] if len(node.args) > position else node.kwargs.get("dim")
    if isinstance(given, (list, tuple)) and not given:
        given = None
    dims = set(range(len(before))) if given is None else {d % len(before) for d in numbers(given)}
    return frozenset(
        along if kept else along.at(along.dim - sum(d < along.dim for d in dims)) for along in places if along.dim not in dims
    )


def _picked(walk: Walk, node: Node) -> Places:
    """The place of the least or greatest: where rows are compared, the first of them wins."""
    before = shape_of(next(operands(node)))
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if operator(node) == "topk":
        dim = node.args[2] if len(node.args) > 2 else -1
    if not isinstance(dim, int):
        raise ToldApart
    places = walk.of(node.args[0])
    if any(along.dim == dim % len(before) for along in places):
        if any(along.dim == dim % len(before) and along.plain and along.count == before[along.dim] for along in places):
            walk.picks.append(node.name)
        raise ToldApart
    return places if operator(node) == "topk" else _without(places, node, before)


def _softmax(walk: Walk, node: Node) -> Places:
    return walk.of(node.args[0])


def _layer_norm(walk: Walk, node: Node) -> Places:
    first = len(shape_of(node)) - len(numbers(node.args[1]))
    return _kept(walk, node, lambda along: along.dim < first)


def _batch_norm(walk: Walk, node: Node) -> Places:
    return _kept(walk, node, lambda along: along.dim != 1)


def _linear(walk: Walk, node: Node) -> Places:
    """A layer; or numbers for each row, where the weight is the table."""
    last = len(shape_of(node)) - 1
    if not walk.of(node.args[0]) and len(node.args) < 3 and all(along.dim == 0 for along in walk.of(node.args[1])):
        return frozenset(along.at(last) for along in walk.of(node.args[1]))
    return _kept(walk, node, lambda along: along.dim < last)


def _convolved(walk: Walk, node: Node) -> Places:
    return _kept(walk, node, lambda along: along.dim == 0)


def _kept(walk: Walk, node: Node, acts_elsewhere: Callable[[Along], bool]) -> Places:
    """A layer with parameters of its own, which treats the indices of some dimensions alike."""
    places = same(walk, node)
    if not all(map(acts_elsewhere, places)):
        raise ToldApart
    return places


def _product(walk: Walk, node: Node) -> Places:
    """A @ B: rows in both of what is summed over take themselves away."""
    left, right = [item for item in node.args if is_node(item)][-2:]
    a, b, ndim = walk.of(left), walk.of(right), len(shape_of(node))
    m, n = len(shape_of(left)), len(shape_of(right))
    if min(m, n) < 2:
        raise ToldApart
    inner_a, inner_b = {p for p in a if p.dim == m - 1}, {p for p in b if p.dim == n - 2}
    if {p.at(0) for p in inner_a} != {p.at(0) for p in inner_b}:
        raise ToldApart
    rows = {p.at(ndim - 2) for p in a if p.dim == m - 2} | {p.at(ndim - 1) for p in b if p.dim == n - 1}
    batch = {p for p in lifted(walk, left, ndim) | lifted(walk, right, ndim) if p.dim < ndim - 2}
    agreed(walk, frozenset(batch), node, (left, right))
    added = [item for item in node.args[:1] if operator(node) in ("addmm", "baddbmm") and is_node(item)]
    return agreed(walk, frozenset(rows | batch).union(*(lifted(walk, item, ndim) for item in added)), node, added)


def _einsum(walk: Walk, node: Node) -> Places:
    contraction = contraction_of(node)
    if contraction is None or any("." in term for term in contraction.terms):
        raise ToldApart
    items = list(operands(node))
    letters: dict[str, Along] = {}
    for item, term in zip(items, contraction.terms, strict=True):
        for along in walk.of(item):
            if letters.setdefault(term[along.dim], along.at(0)) != along.at(0):
                raise ToldApart
    for item, term in zip(items, contraction.terms, strict=True):
        own = {term[along.dim] for along in walk.of(item)}
        if any(letter in term and letter not in own and not flat(walk, item, term.index(letter)) for letter in letters):
            raise ToldApart
    return frozenset(
        along.at(contraction.result.index(letter)) for letter, along in letters.items() if letter in contraction.result
    )


def _attention(walk: Walk, node: Node) -> Places:
    """Queries that are rows give rows; keys and values that are rows give an average over them."""
    query, key, value = node.args[:3]
    mask = node.args[3] if len(node.args) > 3 else node.kwargs.get("attn_mask")
    rate = node.args[4] if len(node.args) > 4 else node.kwargs.get("dropout_p")
    causal = node.args[5] if len(node.args) > 5 else node.kwargs.get("is_causal")
    if not (is_node(query) and is_node(key) and is_node(value)) or rate or causal or node.kwargs.get("enable_gqa"):
        raise ToldApart
    q, k, v = (walk.of(item) for item in (query, key, value))
    ndim = len(shape_of(query))
    if k != v and any(p.dim >= ndim - 2 for p in k | v):
        raise ToldApart
    if any(p.dim == ndim - 1 for p in q | k):
        raise ToldApart
    batch = frozenset(p for p in q | k | v if p.dim < ndim - 2)
    agreed(walk, batch, node, (query, key, value))
    if is_node(mask):
        size = len(shape_of(mask))
        rows = [p.dim - ndim for p in q] + [-1 for p in k if p.dim == ndim - 2]
        if walk.of(mask) or not all(flat(walk, mask, size + d) for d in rows):
            raise ToldApart
    return batch | {p for p in q if p.dim == ndim - 2}


def _looked_up(walk: Walk, node: Node) -> Places:
    """A table whose rows are read in order, one index each; one that is read in full; the columns of any rows."""
    table, index = node.args[:2]
    shape = shape_of(index) if is_node(index) else ()
    rows = walk.of(table)
    if is_node(index) and not walk.of(index) and all(along.dim == 1 for along in rows):
        return frozenset(along.at(len(shape)) for along in rows)
    if not is_node(index) or walk.of(index) or any(along.dim != 0 for along in rows):
        raise ToldApart
    along = next(iter(rows))
    origin, places = index, len(shape)
    while operator(origin) in ("unsqueeze", "expand", "repeat", "view", "to", "_to_copy", "lift_fresh_copy"):
        origin = next(operands(origin))
    if operator(origin) != "arange" or shape_of(origin) != (along.count,) or not shape or shape[-1] != along.count:
        raise ToldApart
    return frozenset({along.at(places - 1)})


def _distances(walk: Walk, node: Node) -> Places:
    left, right = list(operands(node))[:2]
    ndim = len(shape_of(node))
    a, b = walk.of(left), walk.of(right)
    if any(p.dim != len(shape_of(left)) - 2 for p in a) or any(p.dim != len(shape_of(right)) - 2 for p in b):
        raise ToldApart
    return frozenset({p.at(ndim - 2) for p in a} | {p.at(ndim - 1) for p in b})


def _lost(walk: Walk, node: Node) -> Places:
    """A loss: a sum over all that two tensors differ by."""
    items = list(operands(node))[:2]
    ndim = max(len(shape_of(item)) for item in items)
    for along in NOWHERE.union(*(lifted(walk, item, ndim) for item in items)):
        for item in items:
            dim = along.dim - ndim + len(shape_of(item))
            if not any(own == along.at(dim) for own in walk.of(item)) and not flat(walk, item, dim):
                raise ToldApart
    return NOWHERE


PICKING = frozenset("argmin argmax min max topk".split())
_BY_LAW: tuple[tuple[str, Law], ...] = (
    (" ".join(POINTWISE), _pointwise),
    ("dropout native_dropout feature_dropout alpha_dropout", _dropout),
    ("mean sum amax amin var std linalg_vector_norm logsumexp norm", _reduced),
    (" ".join(PICKING), _picked),
    ("softmax _softmax log_softmax _log_softmax", _softmax),
    ("layer_norm rms_norm", _layer_norm),
    ("batch_norm", _batch_norm),
    ("linear", _linear),
    (" ".join(CONVOLUTIONS), _convolved),
    ("matmul mm bmm addmm baddbmm", _product),
    ("einsum", _einsum),
    ("scaled_dot_product_attention", _attention),
    ("embedding", _looked_up),
    ("cdist _cdist_forward", _distances),
    ("mse_loss l1_loss smooth_l1_loss huber_loss", _lost),
)
_LAWS: Mapping[str, Law] = {name: law for names, law in (*_BY_LAW, *MOVING) for name in names.split()}
