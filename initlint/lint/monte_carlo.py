"""A model and example inputs → its predictions against Monte Carlo: what the model's child does for `initlint verify`.

A difference counts when it exceeds the tolerance by more than 4 standard errors, or what Student's t makes of 4 for few draws.
A model whose weights and activations would not fit, or whose draws would take minutes, is drawn with two blocks instead of many
where its depth can be recognized (`shallow`).
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from initlint.lint.verify import NodeRow, Quantity, Trial, Verified, memory_of_machine

if TYPE_CHECKING:
    from torch import fx, nn

    from initlint.graph.built import RecordedModel
    from initlint.graph.model import TracedModel
    from initlint.propagate.cost import Cost
    from initlint.propagate.oracle import Estimate, Measured, Row
    from initlint.propagate.signals import Signal

    Build = Callable[[], nn.Module]

SIGMAS = 4.0  # 6 in 100 000 by chance, for a Gaussian
SEED = 1
FEWEST, MOST = 6, 16  # draws, where nobody said how many
PATIENCE = 10.0  # seconds that the default number of draws should take
WORK = 120.0  # seconds that it may take at most


class CannotVerify(Exception):
    """The model cannot be drawn for real; the message says why, and what would help."""


def verified(
    recorded: RecordedModel,
    build: Build,
    traced_as: Callable[[RecordedModel], TracedModel],
    *,
    target: str,
    path: str,
    line: int,
    trial: Trial,
    memory: int | None,
    progress: Callable[[int, int], None],
) -> Verified:
    """Trace, predict, draw, compare.

    traced_as  gives a built model example inputs and traces it
    memory     bytes that a draw may take

    Raises:
        CannotVerify: too large, even with few blocks, or not to be run with real weights.
        CannotTrace: no way of tracing worked.
    """
    from initlint.graph.built import build_recorded, parameter_count
    from initlint.lint.shallow import BLOCKS, shallow
    from initlint.propagate.backward import run
    from initlint.propagate.calls import EMPTY, name_of
    from initlint.propagate.cost import cost_of, cost_of_weights
    from initlint.propagate.oracle import CannotMeasure, compare, measure
    from initlint.propagate.refuted import student

    started = time.perf_counter()
    limit = float(memory or memory_of_machine())
    reduced = ""
    problem = _too_large(cost_of_weights(recorded.parameters.values()), trial, limit)
    traced = None if problem else traced_as(recorded)
    if traced is not None:
        problem = _too_large(cost_of(traced, recorded.parameters.values()), trial, limit)
    if problem:
        smaller = shallow(build, recorded.model, lambda b: build_recorded(b, roots=recorded.roots).model)
        if smaller is None:
            raise CannotVerify(f"{problem}, and its depth is not recognized: verify a smaller one of its kind")
        build, reduced = smaller.build, smaller.said
        recorded = build_recorded(build, roots=recorded.roots)
        problem = _too_large(cost_of_weights(recorded.parameters.values()), trial, limit)
        traced = None if problem else traced_as(recorded)
        problem = problem if traced is None else _too_large(cost_of(traced, recorded.parameters.values()), trial, limit)
        if problem:
            raise CannotVerify(f"{problem}, even with {BLOCKS} blocks ({reduced})")
    assert traced is not None
    draws = trial.draws or default_draws(cost_of(traced, recorded.parameters.values()))
    done = -1

    def counted() -> nn.Module:
        nonlocal done
        done += 1
        progress(done, draws)
        return build()

    predicted = run(traced)  # the formulas alone: draws that correct them would hide what is wrong with them
    try:
        measured = measure(traced, counted, draws=draws, seed=SEED, layouts=predicted.layouts)
    except (CannotMeasure, RuntimeError) as error:  # what autograd refuses is one of torch's
        if "allocate memory" in str(error):
            raise CannotVerify(f"it needs more than the {limit / 2**30:.1f} GiB that are allowed (--memory)") from error
        raise CannotVerify(f"the real run fails: {str(error).splitlines()[0]}") from error
    errors = student(SIGMAS, draws - 1)
    judge = _Judge(trial.tolerance, errors)
    nodes = {node.name: node for node in traced.program.graph.nodes}
    rows = [
        judge.row(row, predicted.signals.get(row.node), measured[row.node], nodes[row.node], traced)
        for row in compare(predicted.signals, measured)
        if name_of(nodes[row.node].target) not in EMPTY  # memory that nobody has written yet holds anything
    ]
    return Verified(
        target=target,
        path=path,
        line=line,
        draws=draws,
        errors=errors,
        parameters=parameter_count(recorded.parameters),
        reduced=reduced,
        seconds=time.perf_counter() - started,
        rows=tuple(sorted(_with_beginnings(rows, nodes), key=lambda row: (-judge.share(row), row.node))),
    )


# -- what it costs --------------------------------------------------------------------------------------------------------


def default_draws(cost: Cost) -> int:
    """As many as end in seconds."""
    return max(FEWEST, min(MOST, int(PATIENCE / max(cost.seconds, 1e-9))))


def _too_large(cost: Cost, trial: Trial, limit: float) -> str:
    """Why a model cannot be drawn, in words, or "". Who says how many draws they want has the time."""
    if cost.memory > limit:
        return f"one draw needs {cost.memory / 2**30:.1f} GiB, {limit / 2**30:.1f} are allowed (--memory)"
    seconds = cost.seconds * FEWEST
    if trial.draws is None and seconds > WORK:
        return f"{FEWEST} draws would take about {seconds / 60:.0f} minutes (--draws does it all the same)"
    return ""


# -- verdicts -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judge:
    """tolerance in bits of a second moment; a difference must exceed it by `errors` standard errors."""

    tolerance: float
    errors: float

    def row(self, row: Row, signal: Signal | None, truth: Measured, node: fx.Node, traced: TracedModel) -> NodeRow:
        site = traced.sites.get(row.node)
        parameter = traced.parameters.get(row.node)
        q = truth.second_moment.value
        return NodeRow(
            node=row.node,
            operator=str(node.target) if node.op == "call_function" else node.op,
            module=parameter.name if parameter is not None else traced.modules.get(row.node, ""),
            path=site.path if site is not None else "",
            line=site.line if site is not None else 0,
            shape=() if signal is None else signal.shape,
            method="" if signal is None or signal.second_moment is None else signal.method,
            flags=() if signal is None else signal.flags,
            mean=self.difference(None if signal is None else signal.mean, truth.mean, q, power=2),
            second_moment=self.ratio(row.predicted, truth.second_moment, row.bits, row.doubt, self.tolerance),
            k_pos=self.difference(None if signal is None else signal.k_pos, truth.k_pos, q),
            k_batch=self.difference(None if signal is None else signal.k_batch, truth.k_batch, q),
            gradient=None
            if row.grad_measured is None or row.grad_bits is None
            else self.ratio(row.grad_predicted, row.grad_measured, row.grad_bits, row.grad_doubt, 2 * self.tolerance),
        )

    def ratio(self, predicted: float | None, measured: Estimate, bits: float, doubt: float, tolerance: float) -> Quantity:
        off = math.isfinite(doubt) and bits > tolerance + self.errors * doubt
        return Quantity(predicted=predicted, measured=measured.value, error=measured.error, bits=bits, doubt=doubt, off=off)

    def difference(self, predicted: float | None, measured: Estimate | None, q: float, power: int = 1) -> Quantity | None:
        """A mean (whose square is compared with q) or a pair moment; one that was not predicted is no claim."""
        if predicted is None or measured is None:
            return None

        def in_bits(size: float) -> float:
            if size == 0.0 or not 0.0 < q < math.inf:
                return 0.0 if math.isfinite(size) else math.inf
            return power * math.log2(1.0 + size / q ** (1 / power))

        apart = 0.0 if predicted == measured.value else abs(predicted - measured.value)  # both may be minus infinity: a mask
        bits, doubt = in_bits(apart), in_bits(measured.error)
        return self.ratio(predicted, measured, bits, doubt, self.tolerance)

    def share(self, row: NodeRow) -> float:
        """How much of what it may be off the worst quantity of a node uses up; beyond 1 it is off."""
        worst = 0.0
        for name, value in row.quantities.items():
            allowed = self.tolerance * (2 if name == "gradient" else 1) + self.errors * value.doubt
            if value.bits > 0.0 and math.isfinite(allowed):
                worst = max(worst, value.bits / allowed if allowed else math.inf)
        return worst


def _with_beginnings(rows: list[NodeRow], nodes: Mapping[str, fx.Node]) -> list[NodeRow]:
    """Rows that say what goes wrong at them: values come from a node's inputs, gradients from its users and from values."""
    off = {row.node: row.off for row in rows}

    def begins(row: NodeRow) -> tuple[str, ...]:
        node = nodes[row.node]
        values = [name for name in row.off if name != "gradient"]
        if values:
            return () if any(set(off.get(i.name, ())) - {"gradient"} for i in node.all_input_nodes) else tuple(values)
        return () if any(off.get(user.name) for user in node.users) else row.off

    return [replace(row, begins=begins(row)) for row in rows]


# -- models made while a file is imported ---------------------------------------------------------------------------------


def imported_again(path: str, name: str) -> Build:
    """A factory for a model that the file itself makes (`model = Net()`): the file runs again, and its model is taken out."""
    known = next((n for n, m in sys.modules.items() if getattr(m, "__file__", None) == path), "_verified_again")

    def build() -> nn.Module:
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None and spec.loader is not None
        fresh = importlib.util.module_from_spec(spec)
        with _present(known, fresh):
            spec.loader.exec_module(fresh)
            model: Any = attrgetter(name)(fresh)
        return getattr(model, "_orig_mod", model)  # type: ignore[no-any-return]

    return build


@contextmanager
def _present(name: str, module: Any) -> Iterator[None]:
    """Dataclasses and pickles look for the module of a class under its name."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
