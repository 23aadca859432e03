"""What `initlint init` asks of a model in the worker's child: facts → a plan as JSON values, source text included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from initlint.schemes.carry_out import source_of, steps_of
from initlint.schemes.catalog import planned
from initlint.schemes.plan import DoesNotApply

if TYPE_CHECKING:
    from initlint.lint.facts import Facts

CALL = f"{__name__}:run"


def run(facts: Facts, task: Mapping[str, Any]) -> dict[str, Any]:
    """{"target", "refused": why} or {"target", "source", "notes", "rows": [{"parameter", "before", "after", "why"}, …]}."""
    try:
        plan = planned(facts, task["scheme"], task["options"])
    except DoesNotApply as problem:
        return {"target": facts.target, "refused": str(problem)}
    rows = [
        {
            "parameter": f"{pattern.replace('{i}', _span(step.numbers))}{change.place.view}",
            "count": max(1, len(step.numbers)),
            "before": change.before,
            "after": str(change.draw),
            "why": change.why,
            "rate": change.rate,
        }
        for step in steps_of(plan)
        for pattern, change in step.writes
    ]
    name = facts.target.rpartition("::")[2]
    return {"target": facts.target, "source": source_of(plan, name), "notes": list(plan.notes), "rows": rows}


def _span(numbers: tuple[int, ...]) -> str:
    if numbers == tuple(range(numbers[0], numbers[-1] + 1)) if numbers else False:
        return f"{{{numbers[0]}…{numbers[-1]}}}"
    return "{" + ",".join(map(str, numbers)) + "}"
