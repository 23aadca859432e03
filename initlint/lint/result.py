"""`Report`: what one run of `check` found, and how much of each model it could see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from initlint.lint.finding import Edit, Finding, Fix, Related, Severity, Span

SCHEMA = 1  # of the JSON output; changes when a field changes its meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """One model: whether it could be analysed, and how much of its graph was predicted.

    target      "model.py::Net"
    path, line  where it is defined
    status      "failed" when it could not be built, traced or propagated; a finding INI0xx says why
    method      how it was traced: "export", "export-strict", "fx", "recorded"; "" when it was not
    nodes       operator nodes of the traced graph
    known       of these, nodes with a prediction (or nothing to predict: integers, checks)
    sampled     nodes whose operator was sampled for want of a formula
    unknown     operators that could not be predicted
    parameters  number of weights, tied ones once
    seconds     wall time of build, trace, analysis and proofs of fixes
    notes       fallbacks that were taken, for `--verbose`
    """

    target: str
    path: str
    line: int
    status: Literal["ok", "failed"]
    method: str = ""
    nodes: int = 0
    known: int = 0
    sampled: int = 0
    unknown: tuple[str, ...] = ()
    parameters: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All targets of a run in the order of their paths and lines, all findings in source order.

    files   number of files looked at, those without models included
    """

    targets: tuple[TargetResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    files: int = 0

    @property
    def fails(self) -> bool:
        """Whether there is anything to act on: a warning, an error, or a model that could not be analysed (INI0xx).

        Other information ("worth knowing") does not stop a commit: often nobody can change it.
        """
        return any(item.severity > Severity.INFO or item.code.startswith("INI0") for item in self.findings)


# -- plain data, to cross from the child process and to be kept ---------------------------------------------------------


def finding_data(finding: Finding) -> dict[str, Any]:
    """A finding as JSON values; the inverse of `finding_from`."""
    data = asdict(finding)
    data["severity"] = str(finding.severity)
    data["evidence"] = {name: float(value) for name, value in finding.evidence.items()}
    return data


def finding_from(data: Mapping[str, Any]) -> Finding:
    """The finding that `finding_data` described."""
    return Finding(
        code=data["code"],
        name=data["name"],
        severity=Severity[data["severity"].upper()],
        message=data["message"],
        help=data["help"],
        span=Span(**data["span"]),
        target=data["target"],
        modules=tuple(data["modules"]),
        evidence=dict(data["evidence"]),
        related=tuple(Related(message=item["message"], span=Span(**item["span"])) for item in data["related"]),
        tolerated=data.get("tolerated", False),
        fix=None if data["fix"] is None else fix_from(data["fix"]),
    )


def fix_data(fix: Fix) -> dict[str, Any]:
    """A fix as JSON values; the inverse of `fix_from`."""
    return asdict(fix)


def fix_from(data: Mapping[str, Any]) -> Fix:
    """The fix that `fix_data` described."""
    edits = (Edit(span=Span(**item["span"]), content=item["content"]) for item in data["edits"])
    return Fix(applicability=data["applicability"], message=data["message"], edits=tuple(edits))


def target_data(result: TargetResult) -> dict[str, Any]:
    """A target's result as JSON values; the inverse of `target_from`."""
    return asdict(result)


def target_from(data: Mapping[str, Any]) -> TargetResult:
    """The result that `target_data` described."""
    return TargetResult(**{**data, "unknown": tuple(data["unknown"]), "notes": tuple(data["notes"])})
