"""How true the numbers are: predictions against Monte Carlo over whole models.

    python -m tests.propagate.accuracy [--zoo] [--real] [--half tune|held] [--opened] [--only TEXT] [--jobs N] [--json FILE] …
    python -m tests.propagate.accuracy --combine FILE …

Every model of tests/zoo and tests/real is found and given inputs as `initlint check` does it, traced, predicted and run for
real: --draws times, or as often as fits into --seconds. A row: nodes, share predicted, |log2| error of the second moment and of
the gradient, once as it is and once less two standard errors of the measurement. A doubtful model that is small is held
against draws of its laws by `propagate` itself; --formulas shows what the formulas say without that. --draws 0 --apart measures what
it costs in a process of its own, where torch.export's first call is as slow as a user sees it. Nodes whose own sampling
error exceeds QUIET bits are left out of the percentiles, since they judge the draws and not the prediction, and are counted.
What `tests.corpus` holds back shows in the totals only.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.backward import run as run_formulas
from initlint.propagate.oracle import Row, compare, measure
from tests.corpus.halves import LOOKED_AT, Half, half_of, key_of, library_of, opened, pseudonym, unseen
from tests.corpus.workers import answers

TESTS = Path(__file__).parent.parent
QUIET = 0.5
LARGEST = 60_000_000  # parameters; a larger model is not drawn for real
FOLDERS = ("zoo", "real")

Errors = list[tuple[float, float]]  # bits and the standard error of the measurement, of every node


@dataclass(slots=True, kw_only=True)
class Score:
    """What one model's comparison came to."""

    name: str
    half: Half = "tune"
    looked_at: bool = True
    opened: bool = False
    nodes: int = 0
    predicted: int = 0
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    traced: float = 0.0
    sampled: int = 0
    draws: int = 0
    failed: str = ""
    forward: Errors = field(default_factory=list)
    backward: Errors = field(default_factory=list)

    def errors(self, gradient: bool = False, beyond: float = 0.0) -> list[float]:
        """Errors of the resolved nodes, less `beyond` standard errors."""
        return [
            max(bits - beyond * doubt, 0.0) for bits, doubt in (self.backward if gradient else self.forward) if doubt < QUIET
        ]

    @property
    def unresolved(self) -> int:
        return sum(doubt >= QUIET for _, doubt in self.forward + self.backward)

    @property
    def cost(self) -> float:
        """Processor time of the propagation as a share of the export's."""
        return self.seconds / max(self.traced, 1e-9)


def percentile(values: Sequence[float], q: float) -> float:
    """Percentile that lets inf through."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(int(q / 100 * len(ordered)), len(ordered) - 1)]


def loaded(path: Path) -> ModuleType:
    name = f"accuracy_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def all_models_of(path: Path) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Name and factory of every whole model of a file; parts of others are left out."""
    from initlint.targets.discover import discover

    module = loaded(path)
    found = discover(module, ast.parse(path.read_text()), path=str(path)).candidates
    parts = {part for c in found for part in c.parts if c.build is not None}
    for candidate in found:
        if candidate.build is None or candidate.name in parts or candidate.defines in parts:
            continue
        yield candidate.name, candidate.build


def models_of(path: Path) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """As `all_models_of`, with the file in the name, without those that nobody may look at."""
    for name, build in all_models_of(path):
        if not unseen(key_of(path, name)):
            yield f"{path.stem}::{name}", build


def scored(name: str, build: Callable[[], nn.Module], draws: int, seconds: float = math.inf, formulas: bool = False) -> Score:
    """One model through the whole procedure; a failure is part of the result. `formulas` leaves out the trials of doubtful models."""
    from initlint.targets.inputs import infer

    score = Score(name=name)
    try:
        recorded = build_recorded(build, roots=(str(TESTS),))
        inputs = infer(recorded.model, declared=())
        start = time.process_time()
        traced = capture(recorded, inputs.args, inputs.kwargs)
        score.traced = time.process_time() - start
        start = time.process_time()
        predicted = run_formulas(traced) if formulas else propagate(traced)
        score.seconds = time.process_time() - start
        score.nodes, score.predicted = predicted.coverage.floating, predicted.coverage.known
        score.sampled = len(predicted.coverage.sampled)
        if predicted.coverage.unknown:
            score.failed = f"unknown: {dict(predicted.coverage.unknown)}"[:200]
        size = sum(math.prod(p.shape) for p in traced.parameters.values() if p.kind == "parameter")
        if size > LARGEST:
            score.failed = f"too large to draw ({size / 1e6:.0f} M parameters)"
            return score
        measured = measure(traced, build, draws=draws, seed=5, layouts=predicted.layouts, seconds=seconds)
        score.draws = max((m.draws for m in measured.values()), default=0)
        score.rows = compare(predicted.signals, measured)
        score.forward = [(r.bits, r.doubt) for r in score.rows]
        score.backward = [(r.grad_bits, r.grad_doubt) for r in score.rows if r.grad_bits is not None]
    except Exception as error:  # every model is a row, whatever happens to it
        score.failed = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
        if "--trace" in sys.argv:
            traceback.print_exc()
    return score


# -- in child processes ---------------------------------------------------------------------------------------------------


def names_in(path: Path) -> list[str]:
    return [name for name, _ in all_models_of(path)]


def score_of(path: Path, name: str, draws: int, seconds: float, formulas: bool) -> Score:
    torch.set_num_threads(1)
    build = dict(all_models_of(path))[name]
    return scored(f"{path.stem}::{name}", build, draws, seconds, formulas)


def run(options: argparse.Namespace) -> Iterator[Score]:
    """Scores of the chosen models as they come; files that cannot be loaded are said to be skipped."""
    folders = [name for name in FOLDERS if getattr(options, name)] or list(FOLDERS)
    paths = [p for folder in folders for p in sorted((TESTS / folder).glob("*.py"))]
    paths = [p for p in paths if p.parent.name == "zoo" or p.stem.endswith("_models")]
    tasks: list[tuple[Path, str, int, float, bool]] = []
    listed: dict[Path, list[str]] = {}
    for number, names, problem in answers(names_in, [(p,) for p in paths], options.jobs, options.limit):
        if names is None:
            print(f"skipped {paths[number].name}: {problem}")
        listed[paths[number]] = names or []
    for path in paths:
        for name in listed[path]:
            key = key_of(path, name)
            chosen = opened(key) if options.opened else options.half is None or half_of(key) == options.half
            if chosen and options.only in f"{path.stem}::{name}":
                tasks.append((path, name, options.draws, options.seconds, options.formulas))
    for number, answer, problem in answers(score_of, tasks, options.jobs, options.limit, apart=options.apart):
        path, name = tasks[number][:2]
        score = answer or Score(name=f"{path.stem}::{name}", failed=problem)
        key = key_of(path, name)
        score.half, score.looked_at, score.opened = half_of(key), library_of(path) in LOOKED_AT, opened(key)
        if unseen(key):  # what it is called and where it is wrong stays unknown
            score.name, score.rows, score.failed = pseudonym(key), [], score.failed and "failed"
        yield score


# -- reports --------------------------------------------------------------------------------------------------------------


def hidden(score: Score) -> bool:
    """Whether the model shows in the totals only."""
    return score.half == "held" and not score.looked_at and not score.opened


def summary(score: Score) -> list[float]:
    """Median and 95th percentile of both errors, as they are."""
    return [percentile(score.errors(gradient=g), q) for g in (False, True) for q in (50, 95)]


def line(score: Score) -> str:
    share = 100.0 * score.predicted / max(score.nodes, 1)
    plain = " ".join(f"{n:7.3f}" for n in summary(score))
    sure = " ".join(f"{percentile(score.errors(gradient=g, beyond=2.0), 95):7.3f}" for g in (False, True))
    return f"{score.name[:44]:44s} {score.nodes:6d} {share:5.1f}% {plain} |{sure} {score.sampled:4d} {score.draws:3d} {score.cost:5.2f} {score.failed}"


HEADER = f"{'model':44s}  nodes  known   f.med   f.p95   g.med   g.p95 |  f.p95   g.p95 beyond 2 σ; smp drw cost"


def markdown(score: Score) -> str:
    """The row of docs/accuracy.md."""
    share = 100.0 * score.predicted / max(score.nodes, 1)
    text = " | ".join(f"{n:.3f}" for n in summary(score))
    return f"| {score.name} | {score.nodes} | {share:.1f} % | {score.sampled} | {score.draws} | {text} |"


def worst(score: Score, count: int) -> Iterator[str]:
    for row in score.rows[:count]:
        if row.bits > 0.5 + 2 * row.doubt or (row.grad_bits or 0) > 1 + 2 * row.grad_doubt:
            yield (f"      {row.node}: q {row.predicted} for {row.measured} ({row.bits:.2f} bits); "
                   f"g {row.grad_predicted} for {row.grad_measured} ({row.grad_bits} bits)")  # fmt: skip


def totals(scores: Sequence[Score], title: str) -> str:
    """The lines that speak of all models: over models, and over nodes."""
    lines = [f"{title}: {len(scores)} models, {sum(s.nodes for s in scores)} floating nodes"]
    if not scores:
        return lines[0]
    known = 100.0 * sum(s.predicted for s in scores) / max(sum(s.nodes for s in scores), 1)
    costs = [s.cost for s in scores if s.traced]
    lines[0] += (f", {known:.2f} % predicted, {sum(bool(s.failed) for s in scores)} failed, "
                 f"propagation/export median {percentile(costs, 50):.2f} p95 {percentile(costs, 95):.2f}")  # fmt: skip
    for label, gradient, (middle, end) in (("second moment", False, (0.03, 0.25)), ("gradient", True, (0.08, 0.5))):
        measured = [s for s in scores if s.errors(gradient=gradient)]
        for beyond, words in ((0.0, "as it is"), (2.0, "beyond 2 standard errors")):
            medians = [percentile(s.errors(gradient, beyond), 50) for s in measured]
            ends = [percentile(s.errors(gradient, beyond), 95) for s in measured]
            nodes = [e for s in measured for e in s.errors(gradient, beyond)]
            lines.append(
                f"  {label}, {words}: of models' medians, median {percentile(medians, 50):.3f} p95 {percentile(medians, 95):.3f}; "
                f"of models' p95s, median {percentile(ends, 50):.3f}; "
                f"median ≤ {middle} in {sum(m <= middle for m in medians)}, p95 ≤ {end} in {sum(e <= end for e in ends)} of {len(measured)}; "
                f"over {len(nodes)} nodes: median {percentile(nodes, 50):.3f} p95 {percentile(nodes, 95):.3f}, "
                f"beyond 2 bits {sum(e > 2 for e in nodes)}"
            )
    lines.append(
        f"  {sum(s.unresolved for s in scores)} values whose standard error exceeds {QUIET} bit are not in these numbers"
    )
    return "\n".join(lines)


def report(scores: Sequence[Score]) -> str:
    """Totals by half, what was looked at before there were halves and what was opened since apart."""
    groups = [
        ("tune", [s for s in scores if s.half == "tune"]),
        ("held, looked at before there were halves", [s for s in scores if s.half == "held" and s.looked_at]),
        ("held, opened 30 November 2026", [s for s in scores if s.opened]),
        ("held", [s for s in scores if hidden(s)]),
    ]
    return "\n".join(totals(group, title) for title, group in groups if group)


def as_json(scores: Sequence[Score]) -> str:
    rows = []
    for score in scores:
        row = asdict(score)
        row["rows"] = []
        for part in ("forward", "backward"):
            row[part] = [[round(n, 4) for n in pair] for pair in row[part]]
        rows.append(row)
    return json.dumps(rows)


def from_json(text: str) -> list[Score]:
    return [Score(**row) for row in json.loads(text)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--zoo", "--real", "--trace", "--markdown"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--half", choices=("tune", "held"))
    parser.add_argument("--opened", action="store_true", help="only the models of the held half that were opened")
    parser.add_argument("--draws", type=int, default=64, help="at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="for drawing one model")
    parser.add_argument(
        "--formulas", action="store_true", help="predictions of the formulas alone, without trials of doubtful models"
    )
    parser.add_argument(
        "--apart", action="store_true", help="a new process for every model, as `initlint check` starts one: for what it costs there"
    )
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one model altogether")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="part of file::factory")
    parser.add_argument("--worst", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write all errors, for --combine")
    parser.add_argument("--combine", type=Path, nargs="+", help="totals over files that --json wrote; runs nothing")
    options = parser.parse_args()
    if options.combine:
        found = {score.name: score for file in options.combine for score in from_json(file.read_text())}
        for score in found.values():
            if options.markdown and not hidden(score):
                print(markdown(score))
        print(report(list(found.values())))
        return
    scores: list[Score] = []
    print(HEADER)
    for score in run(options):
        scores.append(score)
        if options.json:
            options.json.write_text(as_json(scores))
        if hidden(score):
            continue
        print(markdown(score) if options.markdown else line(score), flush=True)
        for text in worst(score, 0 if options.markdown else options.worst):
            print(text)
    print(report(scores))


if __name__ == "__main__":
    main()
