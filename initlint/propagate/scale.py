"""How the scale of a normalized tensor is felt behind it: the gradient of a hand-written norm's root, Σ_j g_j y_j.

A norm written as y = x · r, r = 1/√(mean x²), sends to r the derivative of the loss along y itself. With weights between, g and
y are as good as independent. A function or a product that comes before any further weights is felt with the degree it has:
along y, where D_z is the change of z as y grows,

    D_{Wz} = W D_z,    D_{f(z)} = f'(z) D_z,    D_{uv} = D_u v + u D_v,    Σ_j g_j y_j = Σ_z g_z D_z over any cut behind y

(Euler's theorem on homogeneous functions). At the inputs of the next weights the cotangent is independent of D, so that
E[(Σ g y)²] = Σ_z n_z E[g_z²] E[D_z²]. A gated unit is of second degree: silu(u)·v gets twice what independence gives. If what
the weights make of z is normalized itself, its size is not felt, and D_z counts without its part along z.
"""

from __future__ import annotations

import heapq
import math

from initlint.propagate.axes import Array
from initlint.propagate.covariance import MAPS, NORMS
from initlint.propagate.lineage import VIEWS, bare, is_leaf
from initlint.propagate.moments import Moments
from initlint.propagate.pointwise import profile_of
from initlint.propagate.slopes import slopes_on
from initlint.propagate.sources import grid
from initlint.propagate.tape import Tape

MOST = 40  # tensors behind a norm that are looked at

Along = tuple[float, float]  # E[D²] and E[z D]


def felt(tape: Tape, y: Moments, tokens: float) -> float:
    """E[(Σ_j g_j y_j)²] in units of what independence of g and y gives; one where nothing is known of what is behind y."""
    known: dict[int, Along] = {}
    waiting: list[tuple[int, int, Moments]] = []
    alone = together = 0.0
    for u, _ in tape.uses.get(id(bare(y)[0]), ()):
        if not _by_weights(u):
            return 1.0
        if (power := _power(tape, u)) is None:
            continue
        known[id(u)] = (u.q, u.q)
        alone += math.prod(u.shape) / tokens * power * u.q
        heapq.heappush(waiting, (_turn(u), id(u), u))
    seen: set[int] = set()
    while waiting:
        _, key, z = heapq.heappop(waiting)
        if key in seen:
            continue
        seen.add(key)
        if key not in known:
            known[key] = _along(z, known)
        uses = [r for r, _ in tape.uses.get(key, ())]
        if _is_divided(tape, z):
            together += math.prod(z.shape) / tokens * (_power(tape, z) or 0.0) * _across(z, known[key])
        elif uses and len(seen) < MOST and all(_is_followed(r, z) and _power(tape, r) is not None for r in uses):
            for r in uses:
                heapq.heappush(waiting, (_turn(r), id(r), r))
        else:
            normalized = uses and all(_by_weights(r) and _is_divided(tape, r) for r in uses)
            square = _across(z, known[key]) if normalized else known[key][0]
            together += math.prod(z.shape) / tokens * (_power(tape, z) or 0.0) * square
    return together / alone if alone > 0.0 else 1.0


def _by_weights(u: Moments) -> bool:
    """Whether a tensor is what fresh weights make of another."""
    made = u.made
    if made is None or made.name not in MAPS:
        return False
    given = made.args[1:3] if made.name == "addmm" else made.args[:2]
    return len(given) == 2 and isinstance(given[1], Moments) and is_leaf(given[1])


def _is_divided(tape: Tape, z: Moments) -> bool:
    """Whether a tensor is only used divided by its own size."""
    if id(z) in tape.severed.values():
        return True
    uses = tape.uses.get(id(z), ())
    return bool(uses) and all(r.made is not None and r.made.name in NORMS for r, _ in uses)


def _across(z: Moments, along: Along) -> float:
    """E[D²] without the part of D along z itself."""
    square, own = along
    return max(square - own**2 / z.q, 0.0) if z.q > 0.0 else 0.0


def _turn(z: Moments) -> int:
    """When a tensor was made."""
    return -1 if z.made is None else z.made.called


def _power(tape: Tape, z: Moments) -> float | None:
    """E[g²] of a tensor."""
    found = tape.cotangents.get(id(z))
    if found is None:
        return None
    total = found.copied().total()
    return None if total is None else total.q


def _is_followed(r: Moments, z: Moments) -> bool:
    """Whether the change of a result follows from that of z."""
    made = r.made
    if made is None or made.function is None:
        return False
    if made.name in VIEWS or made.name == "mul":
        return True
    return r.profile is not None and profile_of(z).source is r.profile.source


def _along(r: Moments, known: dict[int, Along]) -> Along:
    """E[D²] and E[r D] of the result of a call, from those of its arguments; an argument of which nothing is known stays."""
    assert r.made is not None
    factors = [x for x in r.made.args if isinstance(x, Moments)]
    given = [known.get(id(bare(x)[0]), (0.0, 0.0)) for x in factors]
    if r.profile is not None and (origin := r.profile.source.origin) is not None and id(bare(origin)[0]) in known:
        return _of_function(origin, r.profile.values, known[id(bare(origin)[0])])
    if r.made.name == "mul" and len(factors) == 2:
        (u, v), ((d, m), (e, n)) = factors, given
        return d * v.q + u.q * e + 2.0 * m * n, m * v.q + u.q * n
    return given[0]


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
