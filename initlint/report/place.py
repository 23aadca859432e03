"""Paths as they are printed: relative to a base when below it, with forward slashes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import PurePath

from initlint.lint.finding import Edit, Finding, Fix, Span
from initlint.lint.result import Report


def shown(path: str, base: str) -> str:
    """`/home/me/project/model.py` → `model.py` in `/home/me/project`."""
    place = PurePath(path)
    for root in (base, os.path.realpath(base)):
        if place.is_absolute() and place.is_relative_to(root):
            return place.relative_to(root).as_posix()
    return place.as_posix()


def is_inside(path: str) -> bool:
    """Whether a path, as it is printed, lies below its base."""
    place = PurePath(path)
    return not place.is_absolute() and ".." not in place.parts


def based(report: Report, base: str) -> Report:
    """The report with every path as it is printed."""
    return replace(
        report,
        targets=tuple(
            replace(target, path=shown(target.path, base), target=_label(target.target, base)) for target in report.targets
        ),
        findings=tuple(_finding(finding, base) for finding in report.findings),
    )


def _finding(finding: Finding, base: str) -> Finding:
    return replace(
        finding,
        span=_span(finding.span, base),
        target=_label(finding.target, base),
        related=tuple(replace(place, span=_span(place.span, base)) for place in finding.related),
        fix=None if finding.fix is None else _fix(finding.fix, base),
    )


def _label(target: str, base: str) -> str:
    path, separator, name = target.partition("::")
    return f"{shown(path, base)}{separator}{name}"


def _span(span: Span, base: str) -> Span:
    return replace(span, path=shown(span.path, base))


def _fix(fix: Fix, base: str) -> Fix:
    return replace(fix, edits=tuple(Edit(span=_span(edit.span, base), content=edit.content) for edit in fix.edits))
