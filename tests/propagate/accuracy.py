"""How true the numbers are: predictions against Monte Carlo over whole models.

    python -m tests.propagate.accuracy [--zoo] [--real] [--draws N] [--only TEXT] [--worst N] [--markdown]

Every model of tests/zoo and tests/real is found and given inputs as `initlint check` does it, traced, predicted and run for
real `draws` times. A row: nodes, share predicted, |log2| error of the second moment and of the gradient. Nodes whose own
sampling error exceeds QUIET bits are left out of the percentiles, since they judge the draws and not the prediction.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.oracle import Row, compare, measure

TESTS = Path(__file__).parent.parent
QUIET = 0.5
LARGEST = 60_000_000  # parameters; a larger model is not drawn for real


@dataclass(slots=True, kw_only=True)
class Score:
    """What one model's comparison came to."""

    name: str
    nodes: int = 0
    predicted: int = 0
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    traced: float = 0.0
    sampled: int = 0
    failed: str = ""

    def errors(self, gradient: bool = False) -> list[float]:
        if gradient:
            return [r.grad_bits for r in self.rows if r.grad_bits is not None and r.grad_doubt < QUIET]
        return [r.bits for r in self.rows if r.doubt < QUIET]


def percentile(values: list[float], q: float) -> float:
    """Percentile that lets inf through."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(int(q / 100 * len(ordered)), len(ordered) - 1)]


def loaded(path: Path) -> ModuleType:
    name = f"accuracy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def models_of(path: Path) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Name and factory of every whole model of a file; parts of others are left out."""
    from initlint.targets.discover import discover

    module = loaded(path)
    found = discover(module, ast.parse(path.read_text()), path=str(path)).candidates
    parts = {part for c in found for part in c.parts if c.build is not None}
    for candidate in found:
        if candidate.build is None or candidate.name in parts or candidate.defines in parts:
            continue
        yield f"{path.stem}::{candidate.name}", candidate.build


def scored(name: str, build: Callable[[], nn.Module], draws: int) -> Score:
    """One model through the whole procedure; a failure is part of the result."""
    from initlint.targets.inputs import infer

    score = Score(name=name)
    try:
        recorded = build_recorded(build, roots=(str(TESTS),))
        inputs = infer(recorded.model, declared=())
        start = time.perf_counter()
        traced = capture(recorded, inputs.args, inputs.kwargs)
        score.traced = time.perf_counter() - start
        start = time.perf_counter()
        predicted = propagate(traced)
        score.seconds = time.perf_counter() - start
        score.nodes, score.predicted = predicted.coverage.floating, predicted.coverage.known
        score.sampled = len(predicted.coverage.sampled)
        if predicted.coverage.unknown:
            score.failed = f"unknown: {dict(predicted.coverage.unknown)}"[:200]
        size = sum(math.prod(p.shape) for p in traced.parameters.values() if p.kind == "parameter")
        if size > LARGEST:
            score.failed = f"too large to draw ({size / 1e6:.0f} M parameters)"
            return score
        measured = measure(traced, build, draws=draws, seed=5, layouts=predicted.layouts)
        score.rows = compare(predicted.signals, measured)
    except Exception as error:  # every model is a row, whatever happens to it
        score.failed = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
        if "--trace" in sys.argv:
            traceback.print_exc()
    return score


def line(score: Score) -> str:
    forward, backward = score.errors(), score.errors(gradient=True)
    numbers = [percentile(forward, 50), percentile(forward, 95), max(forward, default=math.nan),
               percentile(backward, 50), percentile(backward, 95)]  # fmt: skip
    share = 100.0 * score.predicted / max(score.nodes, 1)
    text = " ".join(f"{n:8.3f}" for n in numbers)
    ratio = score.seconds / max(score.traced, 1e-9)
    return f"{score.name[:44]:44s} {score.nodes:6d} {share:5.1f}% {text}  {score.sampled:3d} {ratio:5.2f} {score.failed}"


def markdown(score: Score) -> str:
    """The row of docs/accuracy.md."""
    forward, backward = score.errors(), score.errors(gradient=True)
    numbers = [percentile(forward, 50), percentile(forward, 95), percentile(backward, 50), percentile(backward, 95)]
    share = 100.0 * score.predicted / max(score.nodes, 1)
    text = " | ".join(f"{n:.3f}" for n in numbers)
    return f"| {score.name} | {score.nodes} | {share:.1f} % | {score.sampled} | {text} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--zoo", "--real", "--trace", "--markdown"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--only", default="")
    parser.add_argument("--worst", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = [name for name in ("zoo", "real") if getattr(options, name)] or ["zoo", "real"]
    scores: list[Score] = []
    print(f"{'model':44s}  nodes  known   f.med    f.p95    f.max    g.med    g.p95  smp  time")
    for folder in folders:
        for path in sorted((TESTS / folder).glob("*.py")):
            if path.name.startswith("_"):
                continue
            try:
                found = list(models_of(path))
            except Exception as error:
                print(f"{path.name}: {type(error).__name__}: {error}")
                continue
            for name, build in found:
                if options.only not in name:
                    continue
                score = scored(name, build, options.draws)
                scores.append(score)
                print(markdown(score) if options.markdown else line(score), flush=True)
                if options.markdown:
                    continue
                for row in score.rows[: options.worst]:
                    if row.bits > 0.5 + 2 * row.doubt or (row.grad_bits or 0) > 1 + 2 * row.grad_doubt:
                        print(f"      {row.node}: q {row.predicted} for {row.measured} ({row.bits:.2f} bits); "
                              f"g {row.grad_predicted} for {row.grad_measured} ({row.grad_bits} bits)")  # fmt: skip
    forward = [e for s in scores for e in s.errors()]
    backward = [e for s in scores for e in s.errors(gradient=True)]
    nodes, known = sum(s.nodes for s in scores), sum(s.predicted for s in scores)
    finite = np.array([s.seconds / s.traced for s in scores if s.traced])
    print(f"{len(scores)} models, {nodes} floating nodes, {100 * known / max(nodes, 1):.2f} % predicted, "
          f"{sum(bool(s.failed) for s in scores)} failed, propagation/export time {np.median(finite) if len(finite) else 0:.2f}")  # fmt: skip
    for label, errors in (("second moment", forward), ("gradient", backward)):
        print(f"{label}: median {percentile(errors, 50):.3f}  p95 {percentile(errors, 95):.3f}  max {max(errors, default=0):.2f}  "
              f"beyond 2 bits: {sum(e > 2 for e in errors)} of {len(errors)}")  # fmt: skip


if __name__ == "__main__":
    main()
