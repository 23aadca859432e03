"""Values that depend on each other entry by entry are drawn together.

    e^(a − max(a, b)),    (Σ wᵢvᵢ) / (Σ wᵢ),    (1 − z)·h + z·tanh(h)

Formulas of two operands take them as independent, or as functions of one Gaussian source. Entries made from common parts of
several sources are neither. They are element by element functions of tensors that are Gaussian, or whatever else their moments
say; so those are drawn, with all their pair moments, and the real operators run on the draws. What was drawn stays so under
further element-wise operators, and so do cotangents on their way back: between the leaves of such a region nothing is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.covariance import SUMS
from initlint.propagate.lineage import SLICES, bare, sliced, summed_up, tensors_in
from initlint.propagate.moments import Moments, align, constant
from initlint.propagate.ops.extremes import EXTREMES, normal, terms
from initlint.propagate.ops.gather import flags_of
from initlint.propagate.ops.registry import CannotPredict, scalar_of
from initlint.propagate.pointwise import Cotangent, lineage
from initlint.propagate.recipes import (
    SAME_VALUE,
    Ensemble,
    Piece,
    Place,
    Recipe,
    draws_for,
    filled,
    flat,
    floating,
    joining,
    operands_of,
    padded,
    place_of,
    pointwise,
    read_by_functions,
    several,
)
from initlint.propagate.sampling import in_order
from initlint.propagate.tape import Tape

if TYPE_CHECKING:
    import torch

    from initlint.propagate.drawn import Draws

LONGEST = 512  # places along which neighbours are told from others
LARGEST = 1 << 21  # entries of one value over all draws
MEMORY = 1 << 27  # entries of all values: half a gigabyte
SEED = 0x701A7

AFFINE = {"add", "sub", "rsub", "neg", "mul", "div"}  # of one tensor and numbers
JOINING = {"stack", "cat", "concat", "concatenate"}
SAME_ORDER = {"unsqueeze", "squeeze", "view", "reshape", "_unsafe_view", "flatten", "unflatten", "view_as", "detach"}
PARTS = {"select", "slice", "narrow", "transpose", "permute", "expand", "t", "swapaxes", "movedim"}  # other entries side by side


@dataclass(slots=True)
class Joint:
    """The recipes of all values, and the draws of those that were asked for."""

    tape: Tape
    draws: Draws | None = None  # of parameters
    names: dict[int, str] = field(default_factory=dict)  # of parameters
    recipes: dict[int, Recipe] = field(default_factory=dict)
    parts: dict[int, frozenset[int]] = field(default_factory=dict)  # the leaves whose entries a value's entries are made of
    drawn: set[int] = field(default_factory=set)
    memo: dict[int, torch.Tensor] = field(default_factory=dict)
    number: dict[int, int] = field(default_factory=dict)
    made: dict[int, tuple[Moments, Callable[[], Any]]] = field(default_factory=dict)  # computed of parameters, from draws of them
    pieces: dict[int, tuple[Moments, Moments, tuple[Piece, ...]]] = field(default_factory=dict)  # (itself, at first, written)
    views: dict[tuple[int, str, str, str], Moments] = field(default_factory=dict)
    gathered: dict[int, Ensemble] = field(default_factory=dict)  # cotangents of what was sliced
    assembled: dict[int, Moments] = field(default_factory=dict)
    held: int = 0
    pulls: int = 0

    # -- which operators ------------------------------------------------------------------------------------------------

    def note(self, tape: Tape, node: Any, name: str, function: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:
        """Remember how `result` was made, if it was element by element or by moving elements.

        Returns it, with the pair moments of joined pieces that were drawn.
        """
        import torch

        if not isinstance(result, Moments) or result.complex or not isinstance(node.meta.get("val"), torch.Tensor):
            return result
        if name == "copy_":
            args = args[1:]
        entrywise = pointwise(node.target) or name in SAME_VALUE or name in SAME_ORDER
        if not (entrywise or name in PARTS or name in JOINING):
            return result
        operands = operands_of(args, kwargs)
        if not operands or any(x is result or x.complex for x in operands):
            return result
        kind = None if name in SAME_VALUE and floating(node) and floating(node.args[0]) else function
        place = place_of(name, args) if isinstance(args[0], Moments) else None
        recipe = Recipe(result, kind, args, kwargs, operands, entrywise, bool(tape.blocked), place)
        if name in JOINING and sum(id(x) in self.drawn for x in operands) > 1:
            return self.joined(tape, replace(recipe, function=joining(function), joins=True))
        self.recipes[id(result)] = recipe
        if entrywise:
            self.parts[id(result)] = frozenset().union(*map(self.parts_of, operands))
        elif len(operands) == 1:  # the same view twice has the same entries
            key = (id(operands[0]), name, str(args[1:]), str(kwargs))
            self.parts[id(result)] = self.parts_of(self.views.setdefault(key, result))
        return result

    def parts_of(self, x: Moments) -> frozenset[int]:
        if id(x) not in self.parts:
            base = base_of(x)
            if base is not x:
                return self.parts_of(base)
            self.parts[id(x)] = frozenset() if scalar_of(x) is not None else frozenset({id(x)})
        return self.parts[id(x)]

    def needed(self, node: Any, name: str, args: Any, kwargs: Any) -> bool:
        """Whether operands share parts other than one source, or the only operand was drawn."""
        if not pointwise(node.target):
            return False
        operands = operands_of(args, kwargs)
        if name in EXTREMES and any(id(base_of(x)) in self.drawn for x in operands):
            return True
        if name in EXTREMES and all(normal(x) and self.parts_of(x) <= set(terms(x)) for x in operands):
            return False
        every = tensors_in((args, kwargs))
        if len(operands) == 1:
            return id(base_of(operands[0])) in self.drawn or (
                self.exact(operands[0]) and (name not in AFFINE or len(every) > 1)
            )
        if len({lineage(x) for x in operands}) == 1 and not any(id(x) in self.drawn for x in operands):
            return False
        shared = frozenset().union(*(self.parts_of(x) & self.parts_of(y) for n, x in enumerate(every) for y in every[:n]))
        if name in SUMS and not any(id(base_of(x)) in self.drawn for x in every):
            return not all(self.linear(x, shared) for x in every)
        return bool(shared)

    def linear(self, x: Moments, shared: frozenset[int]) -> bool:
        """Whether x is made of `shared` by sums and by products with independent tensors: of such, covariances say all."""
        x, _ = bare(x)
        if id(x) in shared or not self.parts_of(x) & shared:
            return True
        if x.made is None or x.made.name not in (*SUMS, "mul"):
            return False
        terms = [v for v in x.made.args[:2] if isinstance(v, Moments)]
        apart = x.made.name in SUMS or len(terms) < 2 or not self.parts_of(terms[0]) & self.parts_of(terms[1])
        return apart and all(self.linear(v, shared) for v in terms)

    def exact(self, x: Moments) -> bool:
        """Whether x is a parameter that starts with the same, different entries every time: nothing has to be assumed of them."""
        name = self.names.get(id(x))
        return name is not None and self.draws is not None and not self.draws.random(name) and scalar_of(x) is None

    def make(self, tape: Tape, node: Any, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Moments:
        """The result of an element-wise operator, from draws.

        Raises:
            CannotPredict: it is too large, or what it is made of is not of this kind.
        """
        operands = operands_of(args, kwargs)
        if not pointwise(node.target) or not read_by_functions(node):
            raise CannotPredict("not element by element")
        if any(x.complex or x.valid is not None for x in operands):
            raise CannotPredict("complex or masked tensors are not drawn together")
        shape = tuple(int(n) for n in node.meta["val"].shape)
        size = math.prod(shape)
        draws = draws_for(shape)
        if draws * size > LARGEST or self.held + draws * size > MEMORY:
            raise CannotPredict("too large to be drawn")
        recipe = Recipe(constant((), 0.0), function, args, kwargs, operands, True, bool(tape.blocked))
        try:
            values = self.evaluated(recipe, [self.of(x, draws) for x in operands])
        except (RuntimeError, TypeError, ValueError, IndexError) as problem:
            raise CannotPredict(f"{type(problem).__name__}: {problem}") from problem
        y = Ensemble(values, align(*operands, constant(shape, 0.0))[0].dims).moments()
        y.method, y.flags = "sampled", flags_of(operands)
        y.positive, y.negative = bool((values >= 0).all()), bool((values <= 0).all())
        self.note(tape, node, name, function, args, kwargs, y)
        self.memo[id(y)] = values
        self.held += values.numel()
        self.drawn.add(id(y))
        return self.recorded(tape, y)

    # -- pieces of larger tensors ---------------------------------------------------------------------------------------

    def overwrote(self, whole: Moments, merged: Moments, piece: Piece) -> None:
        """`merged` is `whole` with a piece written."""
        _, first, others = self.pieces.get(id(whole), (whole, whole, ()))
        kept = tuple(p for p in others if p.d != piece.d or not np.array_equal(p.indices, piece.indices))
        self.pieces[id(merged)] = (merged, first, (*kept, piece))

    def piece(self, x: Moments, d: int, index: int) -> tuple[Moments, Moments | None]:
        """What was last written at this index of x, if it was written as such; and what x is there otherwise."""
        _, first, pieces = self.pieces.get(id(x), (x, x, ()))
        if any(p.d != d or len(p.indices) > 1 for p in pieces):
            return x, None
        return first, next((p.value for p in pieces if p.indices[0] == index % x.shape[d]), None)

    def whole(self, tape: Tape, value: Any) -> Any:
        """Arguments in which tensors written piece by piece have the pair moments of pieces that were drawn together."""
        if isinstance(value, (list, tuple)):
            return type(value)(self.whole(tape, v) for v in value)
        if not isinstance(value, Moments) or id(value) not in self.pieces:
            return value
        if id(value) not in self.assembled:
            _, first, pieces = self.pieces[id(value)]
            drawn = sum(id(base_of(p.value)) in self.drawn for p in pieces)
            self.assembled[id(value)] = self.assemble(tape, value, first, pieces) if drawn > 1 else value
        return self.assembled[id(value)]

    def assemble(self, tape: Tape, x: Moments, first: Moments, pieces: Sequence[Piece]) -> Moments:
        import torch

        def put(whole: torch.Tensor, *parts: torch.Tensor) -> torch.Tensor:
            for piece, part in zip(pieces, parts, strict=True):
                d, indices = piece.d + 1, torch.from_numpy(piece.indices)
                whole = whole.index_copy(d, indices, part.reshape(*whole.shape[:d], len(indices), *whole.shape[d + 1 :]))
            return whole

        operands = (first, *(piece.value for piece in pieces))
        return self.joined(tape, Recipe(x, put, operands, {}, operands_of(operands, {}), False, bool(tape.blocked), joins=True))

    def joined(self, tape: Tape, recipe: Recipe) -> Moments:
        """A joined tensor with the pair moments of its pieces, from draws; as it is where it is too large."""
        x = recipe.result
        draws = draws_for(x.shape)
        if x.valid is not None or draws * math.prod(x.shape) > LARGEST:
            return x
        values = self.evaluated(recipe, [self.of(o, draws) for o in recipe.operands])
        found = Ensemble(values, x.dims).moments()
        y = x.with_(mean=found.mean, pair=found.pair, zeros=found.zeros, method="sampled")
        self.memo[id(y)] = values
        self.held += values.numel()
        self.recipes[id(y)] = replace(recipe, result=y)
        return self.recorded(tape, y)

    def recorded(self, tape: Tape, y: Moments) -> Moments:
        """y, whose cotangent goes back to what its recipe names."""
        operands = self.recipes[id(y)].operands

        def pull(g: Cotangent) -> list[Cotangent | None]:
            terms = {id(x): term for x, term in self.pulled(y, g) or []}
            return [terms.get(id(x)) for x in operands]

        return tape.record_coherent(operands, y, pull)

    def lagged(self, x: Moments, d: int, k: int) -> Moments | None:
        """Cov(x_t, x_{t−k}) along dimension d of what was joined from draws; None of other tensors."""
        recipe = self.recipes.get(id(x))
        if recipe is None or not recipe.joins or len(self.memo.get(id(x), ())) < 2:
            return None
        return Ensemble(self.memo[id(x)], x.dims).lagged(x, d, k)

    # -- values ---------------------------------------------------------------------------------------------------------

    def of(self, x: Moments, draws: int) -> torch.Tensor:
        """At least this many draws of x, the same whenever they are asked for."""
        waiting = [x]
        while waiting:
            top = waiting[-1]
            known = self.memo.get(id(top))
            if known is not None and len(known) >= draws:
                waiting.pop()
                continue
            recipe = self.recipes.get(id(top))
            if recipe is not None and any(draws * math.prod(o.shape) > LARGEST for o in recipe.operands):
                recipe = None
            needed = () if recipe is None else recipe.operands
            missing = [o for o in needed if len(self.memo.get(id(o), ())) < draws]
            if missing:
                waiting += missing
                continue
            values = self.leaf(top, draws) if recipe is None else self.evaluated(recipe, [self.memo[id(o)][:draws] for o in needed])
            self.held += values.numel()
            self.memo[id(top)] = values
            waiting.pop()
        return self.memo[id(x)][:draws]

    def leaf(self, x: Moments, draws: int) -> torch.Tensor:
        import torch

        base = base_of(x)
        if base is not x:
            assert x.affine is not None
            factor, shift = scale_of(x)
            return self.of(base, draws) * factor + shift
        if id(x) in self.made:
            found = self.made[id(x)][1]()
            return torch.stack([found[n % len(found)].detach().float() for n in range(draws)])
        terms = summed_up(x)
        if terms is not None:  # running sums are drawn from their terms: those of one sign never turn back
            return self.of(terms[0], draws).cumsum(terms[1] + 1)
        name = self.names.get(id(x))
        if name is not None and self.draws is not None:
            found = self.draws(name, draws, self.draws.names(name)[0])
            if found is not None:
                return torch.stack([value.detach().float() for value in found])
        place = self.number.setdefault(id(x), len(self.number))
        before = self.memo.get(id(x))
        have = 0 if before is None else len(before)
        generator = np.random.default_rng([SEED, place, have])
        more = self.ordered(x, draws - have, generator)
        more = several(x, draws - have, generator) if more is None else more
        return more if before is None else torch.cat([before, more])

    def ordered(self, x: Moments, count: int, generator: np.random.Generator) -> torch.Tensor | None:
        """Draws of a Gaussian tensor that is read place by place, with what its neighbours share; None of other tensors."""
        import torch

        from initlint.propagate.lagged import excess

        uses = self.tape.uses.get(id(x), ())
        read = next((found for y, _ in uses if y.made is not None and y.made.name in SLICES and (found := sliced(y))), None)
        if read is None or len(read[2]) > 1 or len(x.dims[read[1]]) != 1 or x.profile is not None or x.sample is not None or x.positive:
            return None
        k, size = x.position(read[1]), x.shape[read[1]]
        more = excess(self.tape, x, read[1]) if 2 < size <= LONGEST else []
        return torch.from_numpy(in_order(x, k, more, count, generator)).float() if more else None

    def evaluated(self, recipe: Recipe, values: Sequence[torch.Tensor]) -> torch.Tensor:
        """The operator on draws of its operands."""
        import torch

        by_id = dict(zip(map(id, recipe.operands), values, strict=True))
        if recipe.function is None:
            return values[0]
        if recipe.entrywise and pointwise(recipe.function):
            rank = max(len(getattr(v, "shape", ())) for v in flat(recipe.args, recipe.kwargs))
            by_id = {k: padded(v, rank) for k, v in by_id.items()}
            return recipe.function(*filled(recipe.args, by_id), **filled(recipe.kwargs, by_id))  # type: ignore[no-any-return]
        if recipe.joins:
            return recipe.function(*filled(recipe.args, by_id), **filled(recipe.kwargs, by_id))  # type: ignore[no-any-return]
        each = [{k: v[n] for k, v in by_id.items()} for n in range(len(values[0]))]
        return torch.stack([recipe.function(*filled(recipe.args, one), **filled(recipe.kwargs, one)) for one in each])

    # -- cotangents -----------------------------------------------------------------------------------------------------

    def pulled(self, y: Moments, g: Cotangent) -> list[tuple[Moments, Cotangent]] | None:
        """What y is made of, entry by entry, with the cotangents; None where it is not."""
        import torch

        recipe = self.recipes.get(id(y))
        if recipe is None or recipe.blocked:
            return None
        if not (recipe.entrywise or recipe.joins or recipe.place):
            return None
        arriving = g.drawn
        if g.plain is not None or g.coherent:
            total = Cotangent(g.plain)
            total.coherent = dict(g.coherent)
            plain = total.total()
            assert plain is not None
            count = max(len(self.memo.get(id(x), ())) for x in (y, *recipe.operands)) if arriving is None else len(arriving.values)
            count = max(min(count, LARGEST // max(math.prod(y.shape), 1)), 1)
            self.pulls += 1
            fresh = Ensemble(several(plain, count, np.random.default_rng([SEED, self.pulls, 0, 1])).reshape(count, *y.shape), y.dims)
            arriving = fresh if arriving is None else arriving.plus(fresh)
        if arriving is None:
            return []
        count = len(arriving.values)
        if recipe.place is not None:
            x = recipe.operands[0]
            return self.sent(x, recipe.place, arriving.values) if count * math.prod(x.shape) <= LARGEST else None
        inputs = [self.of(x, count).detach() for x in recipe.operands]
        if recipe.function is None:
            return [(recipe.operands[0], Cotangent(drawn=Ensemble(arriving.values, recipe.operands[0].dims)))]
        with torch.enable_grad():
            inputs = [v.clone().requires_grad_() if v.is_floating_point() else v for v in inputs]
            output = self.evaluated(recipe, inputs)
            active = [v for v in inputs if v.requires_grad]
            if not output.requires_grad or not active:
                return []
            found = iter(torch.autograd.grad(output, active, arriving.values.reshape(output.shape), allow_unused=True))
        result = []
        for x, value in zip(recipe.operands, inputs, strict=True):
            slope = next(found) if value.requires_grad else None
            if slope is not None:
                slope = torch.nan_to_num(slope, 0.0, 0.0, 0.0).reshape(count, *x.shape)
                result.append((x, Cotangent(drawn=Ensemble(slope, x.dims))))
        return result

    def sent(self, x: Moments, place: Place, part: torch.Tensor) -> list[tuple[Moments, Cotangent]]:
        """What a slice of x sends back, as part of what all slices of x do."""
        import torch

        found = self.gathered.get(id(x))
        if found is not None:
            found.gather(place, part)
            return []
        found = self.gathered[id(x)] = Ensemble(torch.zeros(len(part), *x.shape), x.dims, gathers=True)
        found.gather(place, part)
        return [(x, Cotangent(drawn=found))]


def base_of(x: Moments) -> Moments:
    while x.profile is None and x.affine is not None and x.affine[0] is not x and x.affine[0].shape == x.shape:
        x = x.affine[0]
    return x


def scale_of(x: Moments) -> tuple[float, float]:
    """x = factor · base + shift."""
    factor, shift = 1.0, 0.0
    while x.profile is None and x.affine is not None and x.affine[0] is not x and x.affine[0].shape == x.shape:
        x, a, b = x.affine
        factor, shift = factor * a, shift + factor * b
    return factor, shift
