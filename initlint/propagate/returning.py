"""What the cotangents of two tensors have in common, so that those that meet in one tensor add up rightly.

The cotangent of a tensor is the sum of what its uses send back. They count as independent, and are, unless they came through
the same weights: a block that is called again sends back, along its residual stream, what it sends back at every other call,
and the gradient of its weights is a sum of like terms. As on the way forward (see `covariance`) nothing is carried along. Where
several uses send something back, the covariance of two cotangents is looked up by walking on over the calls, the earlier first:

    a tensor with itself     the moments of its cotangent, already known on the way back
    into a sum               the cotangent of the sum
    into a product           E[factor] times that of the product; of two products by their law: E[d e] Cov(g, h)
    into a function          E[f'] times; into the same function of two tensors E[f'(u) f'(v)] times
    into a normalization     less its average over the normalized axes, over the deviation
    through weights          nothing, unless the other came through the same weights by the same call: then what their pullback
                             makes of Cov(g, h), with the cross moments of the inputs where it is the weights that receive it

A weight that is used once ends every walk, so ordinary models pay one step for every tensor that is used twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from initlint.propagate.axes import Axis, canonical, state_of
from initlint.propagate.covariance import BROKEN, CHANCE, MAPS, NORMS, SOFTMAXES, SUMS, copied, covariance, nearest_pair
from initlint.propagate.crossed import cross_arguments, cross_moments
from initlint.propagate.lineage import SLICES, VIEWS, Made, bare, is_leaf, moved, same_call, sliced
from initlint.propagate.meeting import alone, apart, plain, swapped, total, weighed
from initlint.propagate.moments import Moments, align
from initlint.propagate.neighbours import Neighbours
from initlint.propagate.ops.matrix import image_of
from initlint.propagate.pointwise import Cotangent, lineage, profile_of
from initlint.propagate.rows import cross_rows
from initlint.propagate.slopes import slopes, through_function, through_functions
from initlint.propagate.tape import Tape, pull_back

DEEPEST = 100
FEW = 4  # slices of one tensor up to which their places are told apart

STRAIGHT = SUMS.keys() | CHANCE | {"layer_norm", "rms_norm"}  # whose arguments get no coherent terms from them

Step = Callable[[Moments], Moments | None]


class Returning:
    """The walk over the calls behind two tensors, with what it found; `cotangents` are those known so far, by id."""

    def __init__(self, tape: Tape, cotangents: dict[int, Cotangent]) -> None:
        self.tape = tape
        self.cotangents = cotangents
        self.found: dict[tuple[int, int, bool | None], Moments | None] = {}
        self.parts: dict[tuple[int, int, int, bool | None], Moments | None] = {}
        self.neighbours = Neighbours(self)
        self.recorded = {id(entry.output) for entry in tape.entries}  # others send nothing back, as `detach`
        self.asked: Moments | None = None  # of whose cotangent the surplus is looked for

    def uses(self, x: Moments) -> list[tuple[Moments, float]]:
        """What calls made of x, as multiples; of a slice that only serves to move x by some places, the moved tensor."""
        return [self.whole(x, y, s) for y, s in self.tape.uses.get(id(x), ()) if id(y) in self.recorded]

    def whole(self, x: Moments, y: Moments, s: float) -> tuple[Moments, float]:
        joined = self.tape.uses.get(id(y), [])
        if len(joined) == 1 and share_of_stack(x, joined[0][0]) is not None:
            return joined[0][0], s * joined[0][1]
        if y.made is not None and y.made.name in SLICES and len(joined) == 1:
            z, t = joined[0]
            if (found := moved(z)) is not None and found[0] is x:
                return z, s * t
        return y, s

    def surplus(self, x: Moments) -> Moments | None:
        """What the cotangent of x has beyond independent terms."""
        uses = self.uses(x)
        if len(uses) < 2 or x.complex:
            return None
        self.asked = x
        terms: list[Moments | None] = []
        for (i, j), count in representatives(len(uses)).items():
            (y, s), (z, t) = uses[i], uses[j]
            try:
                c = self.meeting(x, y, x, z, 0, apart=True if not x.made or not x.made.name else None)
            except Exception:  # noqa: BLE001 - a rule that breaks is as good as none: they count as independent
                BROKEN.debug("no covariance of cotangents", exc_info=True)
                c = None
            if c is not None:
                c = c.with_(pair=c.pair * (s * t * count))
                terms += [c, swapped(c)]
        c = total(terms)
        return None if c is None else align(c, x)[0] if c.shape != x.shape else c

    def meeting(self, a: Moments, y: Moments, b: Moments, z: Moments, depth: int, apart: bool | None) -> Moments | None:
        """Cov of what y sends back to a and of what z sends back to b.

        apart  whether both have come by calls of their own; paths that meet again before that are coherent terms of one
               cotangent, which `pointwise.Cotangent` and the pullback of a normalization add up themselves. None as long as both
               have come straight, by sums and their kin: a sum hands the same tensor to all its terms, and nobody adds it up
        """
        assert y.made is not None and z.made is not None
        if apart is None and ((self.is_drawn(y) and self.is_drawn(z)) or not (self.straight(a, y) and self.straight(b, z))):
            apart = False
        if a is b and (moved(y) is not None or moved(z) is not None):
            return self.neighbours.meeting(a, y, z, depth)
        slot = place(y.made, a)
        if alike(y, z) and slot is not None and slot == place(z.made, b):
            return self.through_both(y, z, slot, depth, apart or y.made.name in MAPS or y.made.name in SLICES)
        if a is b and y.made.name in SLICES and z.made.name in SLICES:
            return into_slices(a, y, z, self.common(y, z, depth + 1, True), len(self.uses(a)) <= FEW)
        if slot and slot == place(z.made, b) and y.made.name == z.made.name and y.made.name in ("layer_norm", "rms_norm"):
            return self.into_gain(a, y, z, slot == 2, depth)
        second = self.step(b, z)
        if second is None:
            first = self.step(a, y)
            c = None if first is None else self.part(b, z, y, depth + 1, apart)
            c = None if c is None or first is None else first(swapped(c))
            return c
        c = self.part(a, y, z, depth + 1, apart)
        c = None if c is None else second(swapped(c))
        return None if c is None else swapped(c)

    def straight(self, a: Moments, y: Moments) -> bool:
        """Whether y hands its cotangent on to a without making it a function of what is asked for: sums, norms, chance, a factor that is a
        stranger, functions of something else."""
        assert y.made is not None and self.asked is not None
        if y.made.name in STRAIGHT or copied(y) or share_of_stack(a, y) is not None:
            return True
        if y.made.name == "mul":
            other = y.made.args[1 - (place(y.made, a) or 0)]
            return isinstance(other, Moments) and covariance(self.tape, other, self.asked) is None
        return lineage(a) != lineage(self.asked) and slopes(a, y) is not None

    def is_drawn(self, y: Moments) -> bool:
        """Whether the cotangent of y is known by draws: what it hands on is drawn with what others of the same region do (see `joint`)."""
        return (known := self.cotangents.get(id(y))) is not None and known.drawn is not None

    def common(self, a: Moments, b: Moments, depth: int, apart: bool | None) -> Moments | None:
        """Cov(g_a u, g_b v) of the cotangents of two results of calls."""
        if a is b:
            if apart is False or (self.asked is not None and profile_of(a).source is profile_of(self.asked).source):
                return None  # paths that meet in a function of the tensor alone are coherent terms of its cotangent
            known = self.cotangents.get(id(a))
            moments = None if known is None else known.total()
            return None if moments is None else plain(moments.dims, moments.pair)
        if depth > DEEPEST or a.made is None or b.made is None:
            return None
        key = (id(a), id(b), apart)
        if key not in self.found:
            self.found[key] = None
            c = self.walk(a, b, depth, apart) if a.made.order <= b.made.order else self.turned(b, a, depth, apart)
            self.found[key] = c
            self.found[id(b), id(a), apart] = None if c is None else swapped(c)
        return self.found[key]

    def turned(self, a: Moments, b: Moments, depth: int, apart: bool | None) -> Moments | None:
        c = self.walk(a, b, depth, apart)
        return None if c is None else swapped(c)

    def walk(self, a: Moments, b: Moments, depth: int, apart: bool | None) -> Moments | None:
        """One step on from a, the earlier one."""
        parts = [(self.part(a, y, b, depth, apart), s) for y, s in self.uses(a)]
        return total([None if c is None else c.with_(pair=c.pair * s) for c, s in parts])

    def part(self, a: Moments, y: Moments, b: Moments, depth: int, apart: bool | None) -> Moments | None:
        """Cov of what y sends back to a with the cotangent of b.

        Where y is made by weights that other calls use, too, these must be behind b: the walk goes on from there.
        """
        key = (id(a), id(y), id(b), apart)
        if key in self.parts or depth > DEEPEST:
            return self.parts.get(key)
        self.parts[key] = None
        uses = [] if y is b else self.uses(b)
        twins = [(z, t) for z, t in uses if alike(y, z)]
        repeated = self.repeated(y)
        if twins or repeated:
            terms: list[Moments | None] = []
            for z, t in uses if repeated else twins:
                c = self.meeting(a, y, b, z, depth + 1, apart)
                terms.append(None if c is None else c.with_(pair=c.pair * t))
            self.parts[key] = total(terms)
        if self.parts[key] is None and not repeated and (step := self.step(a, y)) is not None:
            c = self.common(y, b, depth + 1, False if apart is None and not self.straight(a, y) else apart)
            self.parts[key] = None if c is None else step(c)
        return self.parts[key]

    def repeated(self, y: Moments) -> bool:
        """Whether the weights of a call are used by another."""
        assert y.made is not None
        return y.made.name in MAPS and any(
            isinstance(w, Moments) and len(self.uses(bare(w)[0])) > 1 for w in y.made.args[1:3] if w is not None
        )

    def step(self, a: Moments, y: Moments) -> Step | None:
        """From Cov(g_y, ·) to what reaches a of it; None where nothing is said to."""
        made = y.made
        assert made is not None
        share = share_of_stack(a, y)
        if share is not None and y.shape == a.shape:
            return lambda c: c.with_(pair=c.pair * share)
        slot = place(made, a)
        if slot is None or y.shape != a.shape:
            return None
        slope = slopes(a, y)
        if slope is not None:
            return lambda c: through_function(a, slope, c)
        if made.name in SUMS and slot < 2:
            factor = 1.0 if slot == 0 else SUMS[made.name] * float(made.kwargs.get("alpha", 1.0))
            return lambda c: c.with_(pair=c.pair * factor)
        if made.name in CHANCE and slot == 0:
            return lambda c: c
        if (factor := copied(y)) and slot == (1 if made.name == "addmm" else 0):
            return lambda c: c.with_(pair=c.pair * factor)
        if made.name == "mul":
            other = made.args[1 - slot]
            return (lambda c: weighed(c, other, y)) if isinstance(other, Moments) else None
        if made.name in NORMS and slot == 0 and made.name in ("layer_norm", "rms_norm"):
            return lambda c: normalized(made, a, y, c)
        return None

    def into_gain(self, a: Moments, y: Moments, z: Moments, gain: bool, depth: int) -> Moments | None:
        """What the gain γ = 1 or the bias β = 0 of a normalization that is called twice gets of it."""
        c = self.common(y, z, depth + 1, True)
        if c is None or y.shape != z.shape:
            return None
        if gain:
            c, other = align(c, cross_moments(self.tape, y, z))
            c = plain(c.dims, c.pair * other.pair)
        else:
            c, _ = align(c, y)
        before = len(y.dims) - len(a.dims)
        c = c.summed(c.dim_axes(range(before)))
        return plain(c.dims[before:], c.pair)

    def through_both(self, y: Moments, z: Moments, slot: int, depth: int, apart: bool | None) -> Moments | None:
        """What one operator, called twice, makes of the covariance of the cotangents of its results."""
        c = self.common(y, z, depth + 1, apart)
        if c is None:
            return None
        assert y.made is not None and z.made is not None
        a, b = bare(y.made.args[slot])[0], bare(z.made.args[slot])[0]
        left, right = slopes(a, y), slopes(b, z)
        if left is not None and right is not None:
            rho = alone(a) if a is b else covariance(self.tape, a, b)
            return through_functions(a, b, left, right, rho, c)
        if y.made.name == "embedding" and slot == 0:
            from initlint.propagate.ops.embed import returning_to_rows

            return returning_to_rows(y.made.args[0], y.made.args[1], z.made.args[1], c)
        if y.made.name not in MAPS and y.made.name not in VIEWS | SLICES | SOFTMAXES and y.made.name != "mul":
            return None
        return self.through(y, z, slot, c)

    def through(self, y: Moments, z: Moments, slot: int, c: Moments) -> Moments | None:
        """What the pullback of one operator, called twice, makes of the covariance of the cotangents of its results."""
        assert y.made is not None and z.made is not None
        given: list[Any] = []
        if y.made.name in SOFTMAXES:
            given = cross_arguments(self.tape, y.made, z.made) or [None] * len(y.made.args)
        else:
            for u, v in zip(y.made.args, z.made.args, strict=True):
                given.append(u if u is v or not isinstance(u, Moments) else cross_moments(self.tape, u, v))
            if y.made.name in MAPS and is_leaf(y.made.args[slot]):  # what meets its cotangents are the inputs themselves
                at = slot - 1
                u, v = y.made.args[at], z.made.args[at]
                if at >= 0 and u is not v and isinstance(u, Moments):
                    given[at].gram = cross_rows(given[at], u, v, image_of(u), image_of(v))
        if y.made.function is None or not isinstance(given[slot], Moments):
            return None
        given[slot] = given[slot].with_()  # an argument of its own, so that its cotangent is that of this slot
        scratch = Tape()
        out = y.made.function(scratch, *given, **y.made.kwargs)
        if y.made.piece is not None:
            out = out[y.made.piece]
        sent = pull_back(scratch, [(out, align(c, out)[0])]).get(id(given[slot]))
        if sent is None:
            return None
        result = plain(sent.dims, sent.pair)
        result.gram = sent.gram
        return result


def representatives(count: int) -> dict[tuple[int, int], int]:
    """Pairs of uses and how many pairs each stands for: of many, those at distances of powers of two, in a few stretches."""
    found: dict[tuple[int, int], int] = {}
    for i, j in itertools.combinations(range(count), 2):
        pair = nearest_pair(i, j, count)
        found[pair] = found.get(pair, 0) + 1
    return found


def into_slices(a: Moments, y: Moments, z: Moments, c: Moments | None, told: bool) -> Moments | None:
    """Cov between single places of one tensor's cotangent; an average over all its places unless these are told apart."""
    first, second = sliced(y), sliced(z)
    if c is None or first is None or second is None or len(first[2]) != 1 or len(second[2]) != 1 or first[1] != second[1]:
        return None
    d, gone = first[1], first[3]
    i, j, size = int(first[2][0]), int(second[2][0]), a.shape[d]
    c = align(c, y)[0]
    dims = c.dims if not gone else (*c.dims[:d], (), *c.dims[d:])
    k = sum(len(axes) for axes in dims[:d])
    labels = np.zeros(size, dtype=np.int64)
    if told:
        labels[i], labels[j] = 1, 2 if i != j else 1
    axis = Axis(size, canonical(labels))
    labels = labels if axis.labels is None else axis.labels
    state = labels[i] if i == j else state_of(axis.groups, labels[i], labels[j])
    share = np.zeros(axis.states)
    share[state] = 1.0 / (axis.pairs[state] if told else size if i == j else size * max(size - 1, 1))
    shape = [-1 if n == k else 1 for n in range(c.pair.ndim + 1)]
    return plain((*dims[:d], (axis,), *dims[d + 1 :]), np.expand_dims(c.pair, k) * share.reshape(shape))


def share_of_stack(a: Moments, y: Moments) -> float | None:
    """What y, the sum or average over a stack of tensors, has of one of these; None of other tensors."""
    made = y.made
    if made is None or made.name not in ("sum", "mean") or not isinstance(made.args[0], Moments) or len(made.args) < 2:
        return None
    stack, dims = made.args[0].made, made.args[1]
    if stack is None or stack.name != "stack" or not isinstance(dims, (list, tuple)) or len(dims) != 1:
        return None
    d = stack.args[1] if len(stack.args) > 1 else 0
    if dims[0] % (len(a.shape) + 1) != d % (len(a.shape) + 1) or not any(bare(x)[0] is a for x in stack.args[0] if isinstance(x, Moments)):
        return None
    return 1.0 if made.name == "sum" else 1.0 / len(stack.args[0])


def place(made: Made, a: Moments) -> int | None:
    """Which argument of a call a tensor is."""
    return next((n for n, v in enumerate(made.args) if isinstance(v, Moments) and bare(v)[0] is a), None)


def alike(y: Moments, z: Moments) -> bool:
    """Whether two results came from the same operator, by the same weights where it has any."""
    a, b = y.made, z.made
    assert a is not None and b is not None
    if y is z or y.shape != z.shape or not same_call(a, b) or a.name in NORMS or a.name in SUMS:
        return False
    if a.name in SLICES:
        return str(a.args[1:]) == str(b.args[1:]) and a.piece == b.piece
    if a.name not in MAPS:
        return True
    weight = 2 if a.name == "addmm" else 1
    first, second = a.args[weight], b.args[weight]
    return first is second or (a.name in ("matmul", "bmm") and not any(isinstance(w, Moments) and is_leaf(w) for w in (first, second)))


def normalized(made: Made, a: Moments, y: Moments, c: Moments) -> Moments | None:
    """Back through a normalization: less the average over the normalized axes, over the deviation."""
    dims = range(len(a.dims) - len(made.args[1]), len(a.dims))
    c, u, _ = align(c, a, y)
    axes = u.dim_axes(dims)
    before = u
    if made.name == "layer_norm":
        c, before = plain(c.dims, apart(c.pair, c.axes, axes)), plain(u.dims, apart(u.centered(), u.axes, axes))
    size = before.q
    return None if size <= 0 else c.with_(pair=c.pair * np.sqrt(max(y.q - y.m**2, 0.0) / size))
