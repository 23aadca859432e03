"""FAILED TRIAL → changed inputs worth trying next, likeliest first.

The probe tells which call failed on which operand and from which inputs that came. A size is traced back by its value: an
operand of last size 48 made from an input that has a dimension of 48, or of 16, is mended at that dimension.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.targets.demands import Demand, demands_of
from initlint.targets.probe import Trial
from initlint.targets.specs import BATCH, TIME, Spec, State

if TYPE_CHECKING:
    from torch import nn

PHOTOGRAPH, INCEPTION = 224, 299  # sides that ImageNet nets are made for
STRIDES = 32  # what most of them halve an image to, five times
COMMON = (28, 32, 64, 96, 84, 128, 224, 256, 48, 16, 112, 160, 192, 288, 299, 320, 384, 448, 512)
NUMBERS = re.compile(r"\d+")
LARGEST = 1024  # side of an image that a number somewhere may mean; larger ones count features
SIZE_WORDS = (
    "size",
    "len",
    "ctx",
    "context",
    "patch",
    "dim",
    "pos",
    "res",
    "height",
    "width",
    "num",
    "n_",
    "in_",
    "chan",
    "feat",
    "shape",
)


@dataclass(frozen=True, slots=True)
class Repair:
    """A changed state and how far-fetched it is (0 follows directly from the failure)."""

    state: State
    doubt: float


def repairs(trial: Trial, state: State, sizes: tuple[int, ...]) -> Iterator[Repair]:
    """What to try after a failure; `sizes` are numbers that the model's own attributes and the error mention."""
    for demand in demands_of(trial):
        for name in sorted(demand.operand.names & state.keys()):
            for doubt, spec in _mended(demand, state[name]):
                yield Repair({**state, name: spec}, doubt)
        if len(demand.operand.names & state.keys()) > 1:
            yield from _shared(demand, state)
    yield from _blind(trial, state, sizes)


def _mended(demand: Demand, spec: Spec) -> Iterator[tuple[float, Spec]]:
    have = demand.operand.shape
    if demand.kind == "bool" and spec.kind != "bool":
        yield 0.0, Spec("bool", spec.shape, role="ones")
    elif demand.kind == "int" and demand.operand.floating:
        shapes = [(2, TIME), spec.shape[:1], spec.shape[:-1], spec.shape] if len(spec.shape) > 1 else [spec.shape, (2, TIME)]
        ids = [Spec("int", shape, high=demand.high or spec.high) for shape in dict.fromkeys(shapes)]
        yield from ((0.1 * i, s) for i, s in enumerate(ids))
    elif demand.kind == "float" and not demand.operand.floating and spec.kind != "float":
        yield from ((0.1 * i, s) for i, s in enumerate(_floats(demand, spec)))
    else:
        yield from _reshaped(demand, spec, have)


def _reshaped(demand: Demand, spec: Spec, have: tuple[int, ...]) -> Iterator[tuple[float, Spec]]:
    if demand.rank is not None and demand.rank != len(have):
        width = dict(demand.sizes) if len(have) == len(spec.shape) else {}
        if spec.role == "steps" and len(spec.shape) == 1 and demand.rank > len(have):
            yield 0.0, Spec("float", (*spec.shape, 1), role="steps")
        for i, shape in enumerate(_of_rank(len(spec.shape) + demand.rank - len(have), spec, width)):
            yield 0.1 * i, replace(spec, shape=shape)
    elif demand.sizes:
        # all wanted sizes at once, where each is found as it is among the input's own
        direct = spec
        for index, want in demand.sizes:
            place, other = _place(spec, have, index), _named(spec, want)
            if place and other and place != other:
                yield 0.0, spec.shaped(*(spec.shape[{place: other, other: place}.get(i, i)] for i in range(len(spec.shape))))
            place = _place(spec, have, index)
            if place or (place == 0 and len(spec.shape) == 1):
                direct = _at(direct, place, want)
            elif place == 0:
                yield 0.3, _at(spec, 0, want)
        if direct != spec:
            yield 0.0, direct
        for index, want in demand.sizes:
            if len(have) >= -index:
                yield from _resized(spec, have, index, want)
    if demand.larger:
        yield from ((0.2 * i, s) for i, s in enumerate(_larger(spec)))


def _place(spec: Spec, have: tuple[int, ...], index: int) -> int | None:
    """The dimension of the input that a dimension of the operand is, told by its size."""
    if len(have) < -index:
        return None
    size = have[index]
    same = [i for i, n in enumerate(spec.shape) if n == size]
    if not same:
        return None
    aligned = len(spec.shape) + index
    return aligned if aligned in same else same[-1]


def _named(spec: Spec, size: int) -> int | None:
    """The dimension that has the wanted size already, should it only stand in the wrong place."""
    return next((i for i, n in enumerate(spec.shape) if i and n == size), None) if len(spec.shape) == 3 else None


def _resized(spec: Spec, have: tuple[int, ...], index: int, want: int) -> Iterator[tuple[float, Spec]]:
    """One dimension changed so that the operand's becomes `want`: the same one, a factor of it, an area, a length, a summand."""
    size = have[index]
    if size == want or not size:
        return
    places = [i for i in range(len(spec.shape)) if i or len(spec.shape) == 1 or spec.role]
    image = len(spec.shape) >= 4
    for i in places:
        if spec.shape[i] == size:
            yield (0.05 if i == len(spec.shape) + index else 0.1), _at(spec, i, want)
    for i in reversed(places):
        n = spec.shape[i]
        if i and n not in (0, size) and size % n == 0 and want % (size // n) == 0:
            yield (0.6 if image and i > 1 else 0.15), _at(spec, i, want // (size // n))
    if image:
        for channels in (1, 3, 4):
            side = math.isqrt(want // channels)
            if side > 3 and channels * side * side == want and size == math.prod(spec.shape[1:]):
                yield 0.02, Spec("float", (spec.shape[0], channels, side, side))
        if len(have) == 4 and index >= -2:
            yield from _sides(spec, size, want)
        yield from _areas(spec, size, want)
    elif len(spec.shape) == 3:
        target = spec.shape[-1] * want / size
        for doubt, delta in enumerate((0, 1, -1, 2, -2, 3, -3, 4, -4)):
            yield 0.2 + 0.02 * doubt, spec.sized(-1, round(target) + delta)
    for i in reversed(places):
        if i:
            yield 0.5, _at(spec, i, spec.shape[i] + want - size)


def _at(spec: Spec, index: int, size: int) -> Spec:
    """One dimension changed; images stay square."""
    return _square(spec, size) if index >= _first_side(spec) else spec.sized(index, size)


def _areas(spec: Spec, size: int, want: int) -> Iterator[tuple[float, Spec]]:
    """Sides for which something that grows like the area, with or without one element more, becomes `want`."""
    for ratio in (want / size, (want - 1) / max(size - 1, 1), want / max(size - 1, 1)):
        target = spec.shape[-1] * math.sqrt(max(ratio, 1e-6))
        if abs(target - round(target)) < 1e-6:
            yield 0.2, _square(spec, round(target))
        for doubt, delta in enumerate((0, 1, -1, 2, -2, 3, -3, 4, -4, 6, -6, 8, -8)):
            yield 0.22 + 0.02 * doubt, _square(spec, round(target) + delta)
        for common in COMMON:
            if 0.6 < common / max(target, 1e-6) < 1.7:
                yield 0.3 + 0.1 * abs(math.log(common / target)), _square(spec, common)


def _sides(spec: Spec, size: int, want: int) -> Iterator[tuple[float, Spec]]:
    """Sides for which a map, whose side grows with the image's, gets the side `want`: those that people use first."""
    target = spec.shape[-1] * want / size
    for common in COMMON:
        if 0.5 < common / target < 2:
            yield 0.1 + 0.1 * abs(math.log(common / target)), _square(spec, common)


def _square(spec: Spec, side: int) -> Spec:
    first = _first_side(spec)
    return spec.shaped(*spec.shape[:first], *[side] * (len(spec.shape) - first))


def _first_side(spec: Spec) -> int:
    """The dimensions from here on are sides of an image or a cube; a video's frames are none."""
    rank = len(spec.shape)
    return rank if rank < 4 else 3 if rank == 5 and spec.shape[2] != spec.shape[3] else 2


def _shared(demand: Demand, state: State) -> Iterator[Repair]:
    """A size that several inputs make up together, as in `cat([state, action])`: divided evenly, or one takes the rest."""
    names = sorted(demand.operand.names & state.keys(), key=list(state).index)
    for index, want in demand.sizes:
        if index != -1 or len(demand.operand.shape) < 1 or any(not state[n].shape for n in names):
            continue
        if want % len(names) == 0:
            yield Repair({**state, **{n: state[n].sized(-1, want // len(names)) for n in names}}, 0.3)
        excess = want - demand.operand.shape[-1]
        for name in names:
            size = state[name].shape[-1] + excess
            if size > 0:
                yield Repair({**state, name: state[name].sized(-1, size)}, 0.4)
            yield Repair({**state, name: state[name].sized(-1, 1)}, 0.35)  # a second point to draw a line through
        small = max(1, want // 4)
        if len(names) == 2 and want > small:
            yield Repair(
                {**state, names[0]: state[names[0]].sized(-1, want - small), names[1]: state[names[1]].sized(-1, small)}, 0.32
            )


def _floats(demand: Demand, spec: Spec) -> Iterator[Spec]:
    width = next((n for _, n in demand.sizes), 16)
    ranks = (demand.rank,) if demand.rank is not None else (max(len(spec.shape), 2 if demand.sizes else 0), 2, 3)
    for rank in dict.fromkeys(ranks):
        yield from (
            replace(spec, kind="float", role="", shape=s) for s in _of_rank(rank, spec, {-1: width, **dict(demand.sizes)})
        )
    if len(spec.shape) == 1:
        yield Spec("float", spec.shape, role="steps")


def _of_rank(rank: int, spec: Spec, sizes: dict[int, int]) -> Iterator[tuple[int, ...]]:
    """Usual shapes of a rank; `sizes` are wanted at dimensions counted from the end."""
    batch = spec.shape[0] if spec.shape else BATCH
    last = spec.shape[-1] if len(spec.shape) > 1 else 16
    usual: dict[int, list[tuple[int, ...]]] = {
        0: [()],
        1: [(batch,)],
        2: [(batch, last), (batch, TIME)],
        3: [(batch, TIME // 2, last), (batch, last, TIME)],
        4: [(batch, 3, 32, 32), (batch, 1, 28, 28), (batch, 3, 64, 64), (batch, 3, 224, 224)],
        5: [(batch, 3, 8, 32, 32), (batch, 8, 3, 32, 32), (batch, 3, 16, 64, 64)],
    }
    if 1 < rank < len(spec.shape) and all(n == 1 for n in spec.shape[rank:]):
        usual[rank].insert(0, spec.shape[:rank])  # the model makes a map of one pixel itself
    if len(spec.shape) in (2, 3) and not sizes:
        usual[4].insert(0, (min(batch, BATCH), 32, 32, last))
    for shape in usual.get(rank, []):
        sized = list(shape)
        for index, size in sizes.items():
            if -index <= len(sized):
                sized[index] = size
        yield tuple(sized)


def _larger(spec: Spec) -> Iterator[Spec]:
    """Twice the size and more; of images first what nets for photographs are made for, once twice would pass it."""
    if len(spec.shape) >= 3:
        spatial = 2 if len(spec.shape) > 3 or spec.shape[1] <= spec.shape[-1] else 1
        if len(spec.shape) == 4:
            side = spec.shape[-1]
            likely = [*([2 * side] if 2 * side < PHOTOGRAPH else []), PHOTOGRAPH, INCEPTION]
            yield from (_square(spec, n) for n in likely if n > side)
        for factor in (2, 4, 7, 8):
            yield replace(spec, shape=(*spec.shape[:spatial], *(n * factor for n in spec.shape[spatial:])))
        yield from (_square(spec, side) for side in (64, 96, 128, 256) if len(spec.shape) == 4 and side > spec.shape[-1])
    yield replace(spec, shape=(spec.shape[0] * 2, *spec.shape[1:])) if spec.shape else spec


def _blind(trial: Trial, state: State, sizes: tuple[int, ...]) -> Iterator[Repair]:
    """Without a clue in the call: sizes that the model and the message name, other ranks, common image sizes."""
    looked = trial.looked.names if trial.looked is not None else frozenset()
    said = tuple(int(n) for n in NUMBERS.findall(str(trial.error)) if 0 < int(n[:9]) <= 65536)
    named = trial.call is None
    for name in sorted(state, key=lambda n: n not in looked):
        spec = state[name]
        for rank, size in enumerate(dict.fromkeys((*said, *sizes))):
            doubt = (0.5 if size in said and named else 1.0) + 0.02 * rank
            if len(spec.shape) >= 4:
                if size <= LARGEST:
                    yield Repair({**state, name: _square(spec, size)}, doubt)
                yield Repair({**state, name: spec.sized(1, size)}, doubt + 0.5)
                continue
            for index in range(len(spec.shape) - 1, 0, -1):
                yield Repair({**state, name: spec.sized(index, size)}, doubt + 0.1 * (len(spec.shape) - index))
        for i, other in enumerate(_other_forms(spec)):
            yield Repair({**state, name: other}, 1.2 + 0.05 * i)
        if len(spec.shape) == 4:
            for i, side in enumerate(COMMON):
                yield Repair({**state, name: _square(spec, side)}, 1.1 + 0.02 * i)
    firsts = {spec.shape[0] for spec in state.values() if spec.shape and spec.role != "edges"}
    if len(firsts) > 1:
        for batch in sorted(firsts):
            yield Repair({n: s.sized(0, batch) if s.shape and s.role != "edges" else s for n, s in state.items()}, 0.6)


def _other_forms(spec: Spec) -> Iterator[Spec]:
    """The same features in other ranks, and integers for floats and back."""
    width = spec.shape[-1] if spec.shape else 16
    batch = spec.shape[0] if spec.shape else BATCH
    if spec.kind == "float":
        for rank in (3, 2, 4):
            if rank != len(spec.shape):
                channels = spec.shape[1] if len(spec.shape) > 3 else width
                shape = {2: (batch, width), 3: (batch, TIME // 2, width), 4: (batch, channels, 32, 32)}[rank]
                yield Spec("float", shape)
        if len(spec.shape) == 3:
            yield Spec("float", (batch, width, spec.shape[1]))
            yield Spec("float", (spec.shape[1], batch, width))
        yield Spec("int", (2, TIME), high=2)
        yield Spec("int", (batch,), high=2)
        yield Spec("float", (batch,))
        yield Spec("float", (batch, 1))
    else:
        yield Spec("int", (batch,), high=spec.high, role=spec.role if spec.role != "edges" else "")
        yield Spec("int", (2, TIME), high=spec.high)
        yield Spec("float", (batch, width))
        yield Spec("float", spec.shape, role="ones")
        yield Spec("bool", spec.shape, role="ones")
        yield Spec("int", (), high=spec.high)


class Secants:
    """Solves for a size from two failures that differ in it alone: the operand's size is taken as linear in the input's."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], list[tuple[int, int]]] = {}

    def repairs(self, trial: Trial, state: State) -> Iterator[Repair]:
        """The solution, once there are two points to draw the line through."""
        for demand in demands_of(trial):
            for (index, want), name in itertools.product(demand.sizes, sorted(demand.operand.names & state.keys())):
                if len(demand.operand.shape) < -index:
                    continue
                have, spec = demand.operand.shape[index], state[name]
                for place in range(1, len(spec.shape)):
                    others = tuple((k, v) for k, v in sorted(state.items(), key=operator.itemgetter(0)) if k != name)
                    rest = spec.kind, spec.shape[:place], spec.shape[place + 1 :]
                    function = trial.call.function if trial.call is not None else ""
                    points = self.known.setdefault((name, place, repr(others), rest, index, want, function), [])
                    for n, seen in points:
                        if n != spec.shape[place] and seen != have:
                            solved = n + (want - seen) * (spec.shape[place] - n) / (have - seen)
                            if solved >= 1 and abs(solved - round(solved)) < 1e-9:
                                yield Repair({**state, name: _at(spec, place, round(solved))}, 0.02)
                    points.append((spec.shape[place], have))


class Between:
    """Halves the way between a side that leaves too little of an image for a layer, and one that leaves too much for the next."""

    def __init__(self) -> None:
        self.small: dict[tuple[object, ...], tuple[int, int]] = {}  # the largest too small side, and how far it came
        self.large: dict[tuple[object, ...], int] = {}

    def repairs(self, trial: Trial, state: State) -> Iterator[Repair]:
        """The side in the middle, once there is one of each kind."""
        short = frozenset().union(*[demand.operand.names for demand in demands_of(trial) if demand.larger])
        for name, spec in state.items():
            if len(spec.shape) != 4 or spec.shape[2] != spec.shape[3]:
                continue
            key, side = (name, spec.kind, spec.shape[:2]), spec.shape[2]
            largest, reached = self.small.get(key, (0, 0))
            if name in short:
                self.small[key] = max((side, trial.progress), (largest, reached))
            elif side > largest > 0 and trial.progress >= reached:
                self.large[key] = min(side, self.large.get(key, side))
            below, above = self.small.get(key, (0, 0))[0], self.large.get(key, 0)
            if below and above > below + 1:
                middle = (below + above) // 2
                even = STRIDES * round(middle / STRIDES)  # maps that are halved side by side stay alike
                yield Repair({**state, name: _square(spec, even if below < even < above else middle)}, 0.0)


def sizes_of(model: nn.Module) -> tuple[int, ...]:
    """Whole numbers that the model and its configuration carry in attributes named like sizes, the model's own first."""
    found: dict[int, None] = {}
    for module in itertools.islice(model.modules(), 400):
        for owner in (module, getattr(module, "config", None), getattr(module, "cfg", None)):
            for key, value in _attributes(owner):
                if any(word in key.lower() for word in SIZE_WORDS):
                    for number in value if isinstance(value, list | tuple) else (value,):
                        if isinstance(number, int) and not isinstance(number, bool) and 1 < number <= 65536:
                            found[number] = None
        if len(found) > 24:
            break
    return tuple(found)[:24]


def _attributes(owner: object) -> list[tuple[str, object]]:
    if owner is None:
        return []
    items = owner.items() if isinstance(owner, dict) else getattr(owner, "__dict__", {}).items()
    return [(str(k), v) for k, v in items if not str(k).startswith("_")]
