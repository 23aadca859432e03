"""What the cotangents of neighbours have in common: Cov(g_t, h_{t−k}) where a tensor was read at its own place and moved.

A tensor that is mixed with its own past gets back m·g_t + (1 − m)·g_{t+1}. How alike these two are is known where cotangents
were drawn, is nothing at an independent output, and is otherwise found as in `returning`, by walking on over the calls: both
come through the same sum, the same weights or the same function, so that only the distance changes where one was moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initlint.propagate.covariance import MAPS
from initlint.propagate.lagged import FARTHEST, average, extent, lagged
from initlint.propagate.lineage import VIEWS, moved
from initlint.propagate.meeting import swapped, total
from initlint.propagate.moments import Moments
from initlint.propagate.slopes import slopes, through_functions

if TYPE_CHECKING:
    from initlint.propagate.returning import Returning

DEEPEST = 40
Distance = tuple[int, int]  # a dimension, counted from the last, and places


class Neighbours:
    """The walk over the calls behind one tensor at two places, or two; as part of `Returning`."""

    def __init__(self, returning: Returning) -> None:
        self.returning = returning
        self.found: dict[tuple[int, int, int, int], Moments | None] = {}

    def meeting(self, a: Moments, y: Moments, z: Moments, depth: int) -> Moments | None:
        """Cov of what y and z send back to a, of which one is a moved along a dimension, or both are."""
        known = moved(y) or moved(z)
        assert known is not None
        return self.sent(a, y, a, z, (known[1] - len(known[0].shape), 0), depth)

    def sent(self, a: Moments, y: Moments, b: Moments, z: Moments, at: Distance, depth: int) -> Moments | None:
        """Cov of what y sends back to a with what z sends back to b, at a distance."""
        d, k = at
        first, second = self.move(a, y, d), self.move(b, z, d)
        k += (first or 0) - (second or 0)
        if y is z and k and first is None:
            return self.through(a, b, y, (d, k), depth)
        steps = [None if n is not None else self.returning.step(u, v) for n, u, v in ((first, a, y), (second, b, z))]
        if (first is None and steps[0] is None) or (second is None and steps[1] is None):
            return None
        c = self.common(y, z, (d, k), depth + 1)
        for step in steps:  # the first acts on g_t, the other one on the second of the pair
            if c is not None:
                c = c if step is None else step(c)
                c = None if c is None else swapped(c)
        return c

    def move(self, a: Moments, y: Moments, d: int) -> int | None:
        """By how many places y is a moved along the dimension; None where it is something else."""
        found = moved(y)
        return found[2] if found is not None and found[0] is a and found[1] - len(a.shape) == d else None

    def through(self, a: Moments, b: Moments, y: Moments, at: Distance, depth: int) -> Moments | None:
        """Through one call that does the same at every place, from two places of its result."""
        c = self.common(y, y, at, depth + 1)
        if c is None or a is not b or y.made is None:
            return None
        step = self.returning.step(a, y)
        if y.made.name in MAPS | VIEWS:
            return self.returning.through(y, y, 0, c) if y.made.name == "linear" and at[0] < -1 else None
        slope = slopes(a, y)
        if slope is not None:
            return through_functions(a, a, slope, slope, lagged(self.returning.tape, a, a, *at), c)
        if step is None:
            return None
        c = step(c)
        c = None if c is None else step(swapped(c))
        return None if c is None else swapped(c)

    def common(self, a: Moments, b: Moments, at: Distance, depth: int) -> Moments | None:
        """Cov(g_a at t, g_b at t − k)."""
        d, k = at
        if k == 0 or extent(a, d) == 1 or extent(b, d) == 1:
            return self.returning.common(a, b, depth, True)
        if depth > DEEPEST or a.made is None or b.made is None:
            return None
        key = (id(a), id(b), d, k)
        if key not in self.found:
            self.found[key] = None
            self.found[key] = self.own(a, at, depth) if a is b else self.walk(a, b, at, depth)
        return self.found[key]

    def own(self, a: Moments, at: Distance, depth: int) -> Moments | None:
        d, k = at
        cotangent = self.returning.cotangents.get(id(a))
        whole = None if cotangent is None else cotangent.total()
        if cotangent is None or whole is None:
            return None
        if cotangent.drawn is not None and cotangent.plain is None and not cotangent.coherent:
            return cotangent.drawn.lagged(whole, d % len(a.shape), abs(k))
        uses = self.returning.uses(a)
        if not uses or abs(k) > FARTHEST:
            return average(whole, d)
        terms = [(self.sent(a, y, a, z, at, depth), s * t) for y, s in uses for z, t in uses]
        return total([None if c is None else c.with_(pair=c.pair * s) for c, s in terms])

    def walk(self, a: Moments, b: Moments, at: Distance, depth: int) -> Moments | None:
        """One step on from the earlier one."""
        assert a.made is not None and b.made is not None
        d, k = at
        if a.made.order > b.made.order:
            c = self.walk(b, a, (d, -k), depth)
            return None if c is None else swapped(c)
        terms: list[Moments | None] = []
        for y, s in self.returning.uses(a):
            places = self.move(a, y, d)
            step = None if places is not None else self.returning.step(a, y)
            if places is not None or step is not None:
                c = self.common(y, b, (d, k + (places or 0)), depth + 1)
                c = c if c is None or step is None else step(c)
                terms.append(None if c is None else c.with_(pair=c.pair * s))
        return total(terms)
