"""What propagation and rules cost beside the export they follow, over a sample of the corpus, in processor seconds.

The machine may be busy: processor time is taken, everything is run once on a small model before the clock starts, as both sides
pay for imports the first time, and the less of `rounds` runs counts.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from tests.corpus.halves import key_of, unseen
from tests.corpus.workers import answers
from tests.propagate.accuracy import FOLDERS, TESTS, all_models_of, names_in

LIMIT = 600.0  # seconds for one model


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of one model."""

    nodes: int
    export: float
    propagation: float
    rules: float

    @property
    def ratio(self) -> float:
        """Propagation as a share of the export."""
        return self.propagation / max(self.export, 1e-9)


def cost_of(path: Path, name: str, rounds: int) -> Cost:
    """The least over some rounds; one before them, on a small model, does not count."""
    torch.set_num_threads(1)
    _once(lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 4)))
    build = dict(all_models_of(path))[name]
    costs = [_once(build) for _ in range(rounds)]
    return Cost(costs[0].nodes, min(c.export for c in costs), min(c.propagation for c in costs), min(c.rules for c in costs))


def _once(build: Callable[[], nn.Module]) -> Cost:
    from initlint.graph.built import build_recorded
    from initlint.graph.capture import capture
    from initlint.lint.facts import gather
    from initlint.lint.judge import judge
    from initlint.propagate import propagate
    from initlint.targets.inputs import infer

    recorded = build_recorded(build, roots=(str(TESTS),))
    inputs = infer(recorded.model, declared=())
    gc.collect()
    marks = [time.process_time()]
    traced = capture(recorded, inputs.args, inputs.kwargs)
    marks.append(time.process_time())
    found = propagate(traced)
    marks.append(time.process_time())
    judge(gather(target="bench", path=str(TESTS / "bench.py"), traced=traced, signals=found.signals))
    marks.append(time.process_time())
    export, propagation, rules = (b - a for a, b in itertools.pairwise(marks))
    return Cost(found.coverage.nodes, export, propagation, rules)


def sample(count: int, jobs: int) -> list[tuple[Path, str]]:
    """Models that may be looked at, chosen by a hash of their names: always the same ones, from all libraries."""
    paths = [p for folder in FOLDERS for p in sorted((TESTS / folder).glob("*.py"))]
    paths = [p for p in paths if p.parent.name == "zoo" or p.stem.endswith("_models")]
    found = [
        (path, name)
        for number, names, _ in answers(names_in, [(p,) for p in paths], jobs, LIMIT)
        for path in [paths[number]]
        for name in names or []
        if not unseen(key_of(path, name))
    ]
    ordered = sorted(found, key=lambda item: hashlib.sha256(f"bench {key_of(*item)}".encode()).digest())
    return sorted(ordered[:count])


def rows(count: int, rounds: int, jobs: int) -> Iterator[str]:
    """The table, line by line, and the medians."""
    costs: list[Cost] = []
    chosen = sample(count, jobs)
    yield "| model | nodes | export s | propagation s | rules s | propagation / export |\n|---|---|---|---|---|---|"
    for number, cost, problem in answers(cost_of, [(*item, rounds) for item in chosen], jobs, LIMIT):
        path, name = chosen[number]
        if cost is None:
            yield f"| {path.stem}::{name} | {problem} | | | | |"
            continue
        costs.append(cost)
        yield (f"| {path.stem}::{name} | {cost.nodes} | {cost.export:.2f} | {cost.propagation:.2f} | {cost.rules:.2f} | "
               f"{cost.ratio:.2f} |")  # fmt: skip
    if costs:
        ratios = sorted(cost.ratio for cost in costs)
        rules = median(cost.rules / max(cost.export, 1e-9) for cost in costs)
        yield (f"\npropagation / export over {len(costs)} models: median {median(ratios):.2f}, "
               f"90 % below {ratios[int(0.9 * (len(ratios) - 1))]:.2f}, most {ratios[-1]:.2f}; rules / export: median {rules:.2f}")  # fmt: skip
