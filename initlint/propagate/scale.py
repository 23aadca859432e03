"""How the scale of a normalized tensor is felt behind it: the gradient of a hand-written norm's root, Σ_j g_j y_j.

A norm written as y = x · r, r = 1/√(mean x²), sends to r the derivative of the loss along y itself. With weights between, g and
y are as good as independent. A function or a product that comes before any further weights is felt with the degree it has:
along y, where D_z is the change of z as y grows,

    D_{Wz} = W D_z,    D_{f(z)} = f'(z) D_z,    D_{uv} = D_u v + u D_v,    Σ_j g_j y_j = Σ_z g_z D_z over any cut behind y

(Euler's theorem on homogeneous functions). At the inputs of the next weights the cotangent is independent of D, so that
E[(Σ g y)²] = Σ_z n_z E[g_z²] E[D_z²]. A gated unit is of second degree: silu(u)·v gets twice what independence gives. Queries,
keys and values are cut where they meet; what a softmax makes of them is in `attended`. What the weights make of z is added to a
stream s that is normalized later: a norm does not feel the size of s, so that the part of D along s counts nothing there, a loss
of n E[sD]² Σ E[g²]/E[s²] over the norms that read s, g what they send back.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import numpy as np

from initlint.propagate.attended import Attended, felt_through, meeting, squares_of
from initlint.propagate.axes import Array
from initlint.propagate.covariance import MAPS, NORMS
from initlint.propagate.lineage import SLICES, VIEWS, bare, is_leaf, tensors_in
from initlint.propagate.moments import Moments
from initlint.propagate.pointwise import profile_of
from initlint.propagate.slopes import slopes_on
from initlint.propagate.sources import grid
from initlint.propagate.tape import Tape

MOST = 60  # tensors behind a norm that are looked at
DEEPEST = 8  # calls between a product of queries and keys and its softmax, or behind one of two tensors that are added
LINEAR = SLICES | {"cat", "concat", "stack", "neg", "repeat_interleave", "index", "index_select", "clone", "contiguous"}
BETWEEN = VIEWS | {"mul", "div", "add", "sub", "masked_fill", "where", "tanh", "dropout", "to", "_to_copy", "clone", "contiguous"}
EXPERTS = {"_grouped_mm", "grouped_mm_fallback"}  # weights of its own for each group of rows
PRODUCTS = {"matmul", "bmm", "einsum"}
ATTENTION = "scaled_dot_product_attention"
PARTS = ("query", "key", "value")

Along = tuple[float, float]  # E[D²] and E[z D]


@dataclass(slots=True)
class _End:
    """An attention whose queries, keys or values change: the power each is felt with, by independence, and its output."""

    attended: Attended
    power: dict[str, float] = field(default_factory=dict)
    value: Moments | None = None
    output: Moments | None = None


def felt(tape: Tape, y: Moments, tokens: float) -> Array:
    """E[(Σ_j g_j y_j)²] by place of a row, in units of what independence gives; one where nothing is known of what is behind y."""
    start = bare(y)[0]
    uses = [u for u, _ in tape.uses.get(id(start), ())]
    weighed = bool(uses) and all(_by_weights(u) for u in uses)
    known: dict[int, Along] = {}
    waiting: list[tuple[int, int, Moments]] = []
    ends: dict[int, _End] = {}
    alone, together = np.zeros(1), np.zeros(1)
    for u in uses if weighed else [start]:
        if (whole := _total(tape, u)) is None:
            continue
        known[id(u)] = (u.q, u.q)
        alone = _sum(alone, math.prod(u.shape) / tokens * squares_of(whole) * u.q)
        heapq.heappush(waiting, (_turn(u), id(u), u))
    seen: set[int] = set()
    behind = set(known) if weighed else set()  # the weights, where cotangents are independent
    while waiting:
        _, key, z = heapq.heappop(waiting)
        if key in seen:
            continue
        seen.add(key)
        if key not in known:
            known[key] = _along(z, known)
        uses = [r for r, _ in tape.uses.get(key, ())]
        if len(uses) == 1 and known[key][0] == known[key][1] and (end := _end(tape, z, uses[0])) is not None:
            part, attended, output = end
            _join(tape, ends.setdefault(id(attended.logits), _End(attended)), part, z, output, tokens)
        elif not _is_divided(tape, z) and uses and len(seen) < MOST and all(
            _is_followed(r, z, known) and _power(tape, r) is not None for r in uses
        ):  # fmt: skip
            for r in uses:
                heapq.heappush(waiting, (_turn(r), id(r), r))
                if key in behind or _by_weights(r):
                    behind.add(id(r))
        elif key not in behind and not _is_added(tape, z):
            return np.ones(1)
        elif (whole := _total(tape, z)) is not None:
            together = _sum(together, math.prod(z.shape) / tokens * squares_of(whole) * known[key][0])
            together = _sum(together, -_lost(tape, z, known[key], tokens))
    for attention in ends.values():
        together = _sum(together, _through(tape, attention, tokens))
    together, alone = meeting(together, alone) if len(together) > 1 else meeting(alone, together)[::-1]
    return np.where(alone > 0.0, np.maximum(together, 0.0) / np.maximum(alone, 1e-300), 1.0)


def _sum(x: Array, y: Array) -> Array:
    """The sum of two quantities by place."""
    first, second = meeting(x, y) if len(x) >= len(y) else meeting(y, x)
    return first + second


def _by_weights(u: Moments) -> bool:
    """Whether a tensor is what fresh weights make of another."""
    made = u.made
    if made is None or made.name not in MAPS | EXPERTS:
        return False
    given = made.args[1:3] if made.name == "addmm" else made.args[:2]
    return len(given) == 2 and isinstance(given[1], Moments) and is_leaf(given[1])


# -- streams ------------------------------------------------------------------------------------------------------------


def _is_divided(tape: Tape, z: Moments) -> bool:
    """Whether a tensor is used divided by its own size, and perhaps otherwise."""
    return id(z) in tape.severed.values() or any(r.made is not None and r.made.name in NORMS for r, _ in tape.uses.get(id(z), ()))


def _is_added(tape: Tape, z: Moments) -> bool:
    """Whether a tensor is only added to others."""
    uses = [r for r, _ in tape.uses.get(id(z), ())]
    return bool(uses) and all(r.made is not None and r.made.name == "add" for r in uses)


def silenced(tape: Tape, z: Moments) -> Array:
    """Σ E[g²]/E[s²] over the norms that read z or a sum with it as their input s, g what they send back; by place of a row."""
    z = bare(z)[0]
    if id(z) in tape.silent:
        return tape.silent[id(z)]
    tape.silent[id(z)] = result = np.zeros(1)
    tape.kept.append(z)
    sums = [(r, f) for r, f in tape.uses.get(id(z), ()) if r.made is not None and r.made.name in BETWEEN - {"mul", "div", "tanh"}]
    if _is_divided(tape, z) and (whole := _total(tape, z)) is not None:
        power = squares_of(whole)
        for r, factor in sums:
            if (other := _total(tape, r)) is not None:
                power, taken = meeting(power, squares_of(other))
                power = power - factor**2 * taken
        power, size = meeting(power, squares_of(z))
        result = np.maximum(power, 0.0) / np.maximum(size, 1e-300)
    for r, factor in sums:
        result = _sum(result, factor**4 * silenced(tape, r))
    tape.silent[id(z)] = result
    return result


def _lost(tape: Tape, z: Moments, along: Along, tokens: float) -> Array:
    """What is not felt of a change of z, as it or a sum with it is divided by its size, or with what the next weights make of it; by
    place of a row."""
    if _is_divided(tape, z) or _is_added(tape, z):
        return math.prod(z.shape) / tokens * along[1] ** 2 * silenced(tape, z)
    lost = np.zeros(1)
    for r, factor in tape.uses.get(id(z), ()):
        if _by_weights(r) and z.q > 0.0:
            change = factor**2 * _gain(r, z) * along[1]
            lost = _sum(lost, math.prod(r.shape) / tokens * change**2 * silenced(tape, r))
    return lost


def _gain(r: Moments, z: Moments) -> float:
    """By how much weights multiply the power of z."""
    assert r.made is not None
    bias = r.made.args[0] if r.made.name == "addmm" else (*r.made.args, None, None)[2]
    return max(r.q - (bias.q if isinstance(bias, Moments) else 0.0), 0.0) / z.q


# -- attention ----------------------------------------------------------------------------------------------------------


def _end(tape: Tape, z: Moments, r: Moments) -> tuple[str, Attended, Moments] | None:
    """Whether a result is an attention, or a product of one: which part of it z is, its softmax, and the result."""
    if r.made is None:
        return None
    given = [bare(x)[0] if isinstance(x, Moments) else None for x in r.made.args[:3]]
    if r.made.name == ATTENTION and id(r) in tape.attended and sum(x is z for x in given) == 1:
        return PARTS[[x is z for x in given].index(True)], tape.attended[id(r)], r
    if r.made.name not in PRODUCTS:
        return None
    if r.made.name == "einsum":
        given = [bare(x)[0] for x in tensors_in(r.made.args[1:])]
    if len(given[:2]) < 2 or sum(x is z for x in given[:2]) != 1:
        return None
    second = given[1] is z
    other = given[0] if second else given[1]
    if isinstance(other, Moments) and (behind := _softmax_of(tape, other)) is not None:
        return "value", behind, r
    if (found := _softmax_behind(tape, r)) is None:
        return None
    if r.made.name == "einsum":
        terms, _, out = str(r.made.args[0]).replace(" ", "").partition("->")
        second = out[-1:] in terms.split(",")[int(second)] if out else second
    return PARTS[int(second)], found, r


def _softmax_of(tape: Tape, p: Moments) -> Attended | None:
    """The softmax that weights come from."""
    for _ in range(DEEPEST):
        if id(p) in tape.attended:
            return tape.attended[id(p)]
        if p.made is None or p.made.name not in BETWEEN or not (before := tensors_in(p.made.args)):
            return None
        p = bare(before[0])[0]
    return None


def _softmax_behind(tape: Tape, product: Moments) -> Attended | None:
    """The softmax that products of queries and keys go to."""
    z = product
    for _ in range(DEEPEST):
        if len(uses := [r for r, _ in tape.uses.get(id(z), ())]) != 1 or uses[0].made is None:
            return None
        if id(uses[0]) in tape.attended and "softmax" in uses[0].made.name:
            found = tape.attended[id(uses[0])]
            return Attended(found.logits, found.axis, product, found.cosine)
        if uses[0].made.name not in BETWEEN:
            return None
        z = uses[0]
    return None


def _join(tape: Tape, end: _End, part: str, z: Moments, output: Moments, tokens: float) -> None:
    """One more part of an attention."""
    end.power[part] = end.power.get(part, 0.0) + math.prod(z.shape) / tokens * (_power(tape, z) or 0.0) * z.q
    assert output.made is not None
    if part == "value" or output.made.name == ATTENTION:
        end.output, end.value = output, z if part == "value" else output.made.args[2]


def _through(tape: Tape, end: _End, tokens: float) -> Array:
    """The power felt through an attention, by place of a token."""
    output, value = end.output, end.value
    whole = None if output is None else _total(tape, output)
    power = np.ones(1) if whole is None else squares_of(whole)
    heads, common, silent = 1.0, 0.0, np.zeros(1)
    if output is not None and value is not None and value.q > 0.0:
        common = float(np.clip(_common(value), 0.0, 1.0))
        if (behind := _weights_behind(tape, output)) is not None:
            r, z = behind
            heads = max(z.shape[-1] / output.shape[-1], 1.0)
            silent = math.prod(r.shape) / tokens * (_gain(r, z) * value.q) ** 2 * silenced(tape, r)
    return np.maximum(felt_through(end.attended, end.power, power, common, heads, silent), 0.0)


def _common(value: Moments) -> float:
    """The share that values of two places have in common."""
    if len(value.dims) < 2 or len(value.dims[-2]) != 1:
        return 0.0
    k = value.position(len(value.dims) - 2)
    axis = value.axes[k]
    if axis.size < 2:
        return 0.0
    apart = value.pair[tuple([slice(None) if n == k else a.cells for n, a in enumerate(value.axes)])]
    for n in reversed([n for n in range(len(value.axes)) if n != k]):
        apart = np.tensordot(apart, value.axes[n].shares, (n, 0))
    return float((apart[axis.groups :] @ axis.pairs[axis.groups :]) / axis.pairs[axis.groups :].sum() / value.q)


def _weights_behind(tape: Tape, z: Moments) -> tuple[Moments, Moments] | None:
    """What the weights behind an attention make of it, and their input."""
    for _ in range(DEEPEST):
        if len(uses := [r for r, _ in tape.uses.get(id(z), ())]) != 1 or uses[0].made is None:
            return None
        if _by_weights(uses[0]):
            return uses[0], z
        if uses[0].made.name not in VIEWS | {"clone", "contiguous"}:
            return None
        z = uses[0]
    return None


# -- one step ------------------------------------------------------------------------------------------------------------


def _turn(z: Moments) -> int:
    """When a tensor was made."""
    return -1 if z.made is None else z.made.called


def _total(tape: Tape, z: Moments) -> Moments | None:
    """The cotangent of a tensor."""
    found = tape.cotangents.get(id(z))
    return None if found is None else found.whole()


def _power(tape: Tape, z: Moments) -> float | None:
    """E[g²] of a tensor."""
    total = _total(tape, z)
    return None if total is None else total.q


def _is_followed(r: Moments, z: Moments, known: dict[int, Along]) -> bool:
    """Whether the change of a result follows from that of z."""
    made = r.made
    if made is None or made.function is None:
        return False
    if made.name in VIEWS or made.name in ("mul", "dropout"):
        return True
    if r.profile is not None and profile_of(z).source is r.profile.source and _of_known(r, known) is not None:
        return True
    if known[id(z)][0] != known[id(z)][1]:
        return False
    sums = made.name in ("add", "sub")
    return made.name in LINEAR or _by_weights(r) or (sums and all(bare(x)[0] is z or _reaches(bare(x)[0], known, DEEPEST) for x in tensors_in(made.args)))


def _of_known(r: Moments, known: dict[int, Along]) -> Moments | None:
    """What a function of one source was computed from, where its change is known and it has the same axes."""
    assert r.profile is not None
    origin = r.profile.source.origin
    if origin is None or id(bare(origin)[0]) not in known:
        return None
    return origin if profile_of(origin).values.ndim == r.profile.values.ndim else None


def _reaches(x: Moments, known: dict[int, Along], depth: int) -> bool:
    """Whether a tensor comes from one whose change is known."""
    if id(x) in known:
        return True
    if depth == 0 or x.made is None or x.made.name not in LINEAR | VIEWS | {"mul", "add", "sub"}:
        return False
    return any(_reaches(bare(y)[0], known, depth - 1) for y in tensors_in(x.made.args))


def _along(r: Moments, known: dict[int, Along]) -> Along:
    """E[D²] and E[r D] of the result of a call, from those of its arguments; an argument of which nothing is known stays."""
    assert r.made is not None
    factors = tensors_in(r.made.args) if r.made.name in LINEAR else [x for x in r.made.args if isinstance(x, Moments)]
    given = [_of_multiple(x, known) for x in factors]
    if r.profile is not None and (origin := _of_known(r, known)) is not None:
        return _of_function(origin, r.profile.values, _of_multiple(origin, known))
    if _by_weights(r):
        gain = _gain(r, factors[0]) if factors[0].q > 0.0 else 0.0
        return gain * given[0][0], gain * given[0][1]
    if r.made.name in LINEAR | {"add", "sub"} and all(d == m and d > 0.0 for d, m in given):
        return r.q, r.q
    if r.made.name == "mul" and len(factors) == 2:
        (u, v), ((d, m), (e, n)) = factors, given
        return d * v.q + u.q * e + 2.0 * m * n, m * v.q + u.q * n
    if r.made.name == "mul" and given[0][0] == given[0][1]:  # by a table
        return r.q, r.q
    share = r.q / factors[0].q if r.made.name == "dropout" and factors[0].q > 0.0 else 1.0
    return given[0][0] * share, given[0][1] * share


def _of_multiple(x: Moments, known: dict[int, Along]) -> Along:
    """The same of a multiple of a tensor of which it is known; nothing where it is not."""
    root, factor = bare(x)
    square, product = known.get(id(root), (0.0, 0.0))
    return factor**2 * square, factor**2 * product


def _of_function(u: Moments, values: Array, along: Along) -> Along:
    """f(u): the part of D_u along u itself, D_u = ρ u + e with e independent of u, meets f' together with u."""
    before = profile_of(u).values
    weights = grid(len(before))[1].reshape(-1, *(1,) * u.mean.ndim)
    slope = slopes_on(profile_of(u), values)

    def mean(x: Array) -> float:
        return u.average((weights * x).sum(0))

    share = along[1] / u.q if u.q > 0.0 else 0.0
    rest = max(along[0] - share**2 * u.q, 0.0)
    return share**2 * mean((slope * before) ** 2) + rest * mean(slope**2), share * mean(values * slope * before)
