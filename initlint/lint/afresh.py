"""Proofs in a process that has not imported the project yet: for files that cannot be imported twice in one.

The child that judged a model sends what it would try as data; the process that holds no code of the user has each candidate's
source analysed by a new child, from the import on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from initlint.lint.prove import Candidates, with_fixes
from initlint.lint.result import finding_data, finding_from, fix_data, fix_from
from initlint.source.text import read_source

if TYPE_CHECKING:
    from initlint.lint.finding import Finding
    from initlint.lint.job import Job

Message = Mapping[str, Any]
Run = Callable[["Job", float], Sequence[Message]]  # a job and seconds → what its child says; nothing where it failed


def to_be_proved(
    findings: Sequence[Finding], candidates: Candidates, *, name: str, root: str, allowed: float
) -> dict[str, Any]:
    """What is to be tried for which finding, as JSON values; each proof of the model `name` may take `allowed` seconds."""
    proposed = []
    for finding in findings:
        fixes: list[dict[str, Any]] = []
        with suppress(Exception):  # a recipe that breaks costs its own fixes
            fixes += (fix_data(fix) for fix in candidates(finding))
        proposed.append(fixes)
    return {"name": name, "root": root, "allowed": allowed, "fixes": proposed}


def proved_afresh(job: Job, message: Message, run: Run) -> dict[str, Any]:
    """The message of a judged model with the fixes that new children could prove."""
    waiting = message["waiting"]
    findings = [finding_from(data) for data in message["findings"]]
    proposed = {id(item): fixes for item, fixes in zip(findings, waiting["fixes"], strict=True)}
    one = replace(job, name=waiting["name"], fixable=())

    def again(texts: Mapping[str, str], seconds: float | None) -> list[Finding] | None:
        allowed = waiting["allowed"] if seconds is None else min(waiting["allowed"], seconds)
        said = run(replace(one, overlay={**job.overlay, **texts}), allowed)
        found = next((item for item in said if item.get("target", {}).get("status") == "ok"), None)
        return None if found is None else [finding_from(data) for data in found["findings"]]

    proved = with_fixes(
        findings,
        lambda finding: [fix_from(data) for data in proposed[id(finding)]],
        again,
        root=waiting["root"],
        seconds=job.seconds,
        read=lambda path: job.overlay[path] if path in job.overlay else read_source(path),
    )
    answer = {key: value for key, value in message.items() if key != "waiting"}
    return {**answer, "findings": [finding_data(item) for item in proved.findings], "texts": dict(proved.digests)}
