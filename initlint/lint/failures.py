"""What kept a target from being analysed → findings INI0xx, at the user's own line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.load import load_rules

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.propagate.backward import Coverage
    from initlint.targets.sandbox import Outcome

# What the child was doing, in words for a message.
STAGES = {
    "import": "importing the file",
    "build": "building the model",
    "inputs": "looking for example inputs",
    "trace": "tracing the model",
}
RULE_OF_STAGE = {
    "import": "import-failed",
    "build": "build-failed",
    "inputs": "trace-failed",
    "trace": "trace-failed",
}


def failed(
    rule: str,
    *,
    path: str,
    line: int,
    target: str,
    message: str,
    column: int = 1,
    help: str = "",
    severity: Severity | None = None,
) -> Finding:
    """A finding of one of the rules that the run itself emits, by its name."""
    known = next(item.rule for item in load_rules() if item.rule.name == rule)
    return Finding(
        code=known.code,
        name=known.name,
        severity=known.severity if severity is None else severity,
        message=message,
        help=help,
        span=Span(path=path, line=line, column=column, end_line=line, end_column=column + 1),
        target=target,
    )


def of_failure(stage: str, failure: Mapping[str, Any], target: str) -> Finding:
    """The finding for an exception (`targets.load.Failure` as data) of the user's code."""
    rule = RULE_OF_STAGE[stage]
    if failure["stopped"] and "emory" in failure["error"]:
        rule = "resource-limit"
    verb = {"import": "cannot be imported", "build": "cannot be built"}.get(stage, "cannot be traced")
    subject = "the file" if stage == "import" else f"`{target.rpartition('::')[2]}`"
    if rule == "resource-limit":
        verb = f"needs more memory than the limit allows ({STAGES[stage]})"
    return failed(
        rule,
        path=failure["path"],
        line=failure["line"],
        column=failure["column"],
        target=target,
        message=f"{subject} {verb}: {failure['error']}",
        help=_help(rule),
    )


def _help(rule: str) -> str:
    return {
        "resource-limit": "raise `timeout` or `memory` in [tool.initlint], or keep the work out of import and constructor",
        "import-failed": "check the file in the environment that it runs in; name other files or exclude this one",
        "build-failed": "give `args` and `kwargs` of the target in [[tool.initlint.targets]]",
        "trace-failed": "select the parts that can be traced (model.py::Part), or give `inputs` in [[tool.initlint.targets]]",
    }[rule]


def of_outcome(stage: str, outcome: Outcome, *, target: str, path: str, line: int, root: str, seconds: float | None) -> Finding:
    """The finding for a child that was stopped, crashed or left while it was at `stage`."""
    doing = STAGES.get(stage, "analysing the model")
    place = _place(outcome, path, line, root)
    if outcome.end == "silent":
        return failed(
            "resource-limit",
            path=place[0],
            line=place[1],
            target=target,
            message=f"{doing} took longer than {seconds:g} seconds and was stopped here",
            help=_help("resource-limit"),
        )
    if outcome.end == "crashed" and outcome.signal == "SIGKILL":
        message = f"{doing} was killed by the system, most likely for want of memory"
        return failed(
            "resource-limit", path=place[0], line=place[1], target=target, message=message, help=_help("resource-limit")
        )
    rule = RULE_OF_STAGE.get(stage, "trace-failed")
    if "Traceback (most recent call last)" in outcome.tail:
        return of_internal(outcome.tail.strip().splitlines()[-1], target=target, path=path, line=line)
    what = f"crashed the interpreter ({outcome.signal})" if outcome.end == "crashed" else "ended the process (os._exit)"
    return failed(rule, path=place[0], line=place[1], target=target, message=f"{doing} {what}", help=_help(rule))


def _place(outcome: Outcome, path: str, line: int, root: str) -> tuple[str, int]:
    """The innermost frame of the target's file, or of its project, where the child was."""
    from initlint.graph.frames import is_below

    frames = [(os.path.realpath(frame[0]), frame[1]) for frame in outcome.frames if os.path.isfile(frame[0])]
    for place in frames:
        if place[0] == path or is_below(place[0], (root,)):
            return place
    return path, line


def of_internal(error: str, *, target: str, path: str, line: int) -> Finding:
    """An exception of initlint's own while it analysed a model: said, never hidden. Too little memory is no fault of its own."""
    if "allocate memory" in error or error.startswith("MemoryError"):
        return failed(
            "resource-limit",
            path=path,
            line=line,
            target=target,
            message=f"analysing `{target.rpartition('::')[2]}` needs more memory than the limit allows: {error}",
            help=_help("resource-limit"),
        )
    return failed(
        "trace-failed",
        path=path,
        line=line,
        target=target,
        message=f"initlint failed on this model, which is a fault of its own: {error}",
        help="please report it together with the model",
    )


def unknown_operators(facts: Facts, coverage: Coverage, findings: Iterable[Finding] = ()) -> Iterator[Finding]:
    """One finding per operator that could not be predicted, at the first line that uses it; none where one of the others rests on
    what the operator reads, and so says why."""
    from initlint.lint.wording import site_of_node

    told = {name for finding in findings for name in finding.rests_on}
    for operator, reason in coverage.unknown.items():
        nodes = [node for node in facts.structure.nodes.values() if str(node.target) == operator]
        if any(source.name in told for source in (nodes[0].all_input_nodes if nodes else ())):
            continue
        site = site_of_node(nodes[0].name, facts) if nodes else None
        words = f"the operator {operator}" if "." in operator else operator
        yield failed(
            "operator-unknown",
            path=site.path if site else facts.path,
            line=site.line if site else facts.line,
            column=site.column if site else 1,
            target=facts.target,
            message=f"{words} could not be predicted ({reason}): signals behind it are unknown",
            help="use operators that PyTorch knows, or judge what lies behind it as a target of its own",
        )
