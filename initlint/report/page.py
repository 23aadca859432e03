"""REPORT → one HTML file to read and to hand on: models and what could be seen of them, findings with source, fix and evidence.

It needs no network and no script, and follows the reader's choice of a light or a dark page. `page.html` is its template; all
that goes in is escaped there.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from initlint.lint.finding import Finding, Span
from initlint.lint.result import Report, TargetResult
from initlint.lint.wording import counted, pattern_of
from initlint.report.changes import as_patch
from initlint.report.links import link_of
from initlint.report.summary import coverage, verdict
from initlint.report.text import Look, snippet_of

if TYPE_CHECKING:
    from markupsafe import Markup

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
KINDS = {"+": "added", "-": "removed", "@": "quiet"}


def as_html(report: Report, look: Look) -> str:
    """The page."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_harmless
    )
    environment.filters["with_code"] = _with_code
    source = importlib.resources.files("initlint.report").joinpath("page.html").read_text(encoding="utf-8")
    counts = Counter(finding.target for finding in report.findings)
    findings = [_finding(finding, look) for finding in report.findings]
    numbers = (line["number"] for item in findings for line in item["snippet"])
    page = environment.from_string(source).render(
        verdict=verdict(report.findings),
        coverage=coverage(report),
        version=importlib.metadata.version("initlint"),
        targets=[_target(target, counts[target.target]) for target in report.targets],
        findings=findings,
        margin=len(str(max(numbers, default=1))),
    )
    return page + "\n"


def _harmless(value: object) -> object:
    """Without what HTML cannot hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def _with_code(text: str) -> Markup:
    """Words in which code stands between backticks."""
    from markupsafe import Markup, escape

    parts = str(_harmless(text)).split("`")
    code = [Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)]
    return Markup("").join(code)


def _target(target: TargetResult, findings: int) -> dict[str, Any]:
    analysed = target.status == "ok"
    return {
        "target": target,
        "analysed": f"by {target.method}" if analysed and target.method else "yes" if analysed else "no",
        "predicted": "all" if analysed and target.known >= target.nodes else str(target.known),
        "parameters": f"{target.parameters:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "seconds": f"{target.seconds:.1f}",
        "findings": findings,
    }


def _finding(finding: Finding, look: Look) -> dict[str, Any]:
    lines = look.lines(finding.span.path)
    words, *paste = finding.help.split("\n")
    patch = as_patch(finding.fix, look.lines) if finding.fix is not None else ""
    return {
        "finding": finding,
        "link": link_of(finding.name),
        "snippet": list(_snippet(finding.span, lines)),
        "help": words,
        "paste": paste,
        "patch": list(_marked(patch.split("\n"))) if patch else [],
        "evidence": [(name, f"{value:.4g}") for name, value in finding.evidence.items() if math.isfinite(value)],
        "steps": [
            {
                "message": place.message,
                "place": f"{place.span.path}:{place.span.line}",
                "source": _line(look.lines(place.span.path), place.span.line),
            }
            for place in finding.related
        ],
        "modules": f"{pattern_of(finding.modules)} ({counted(len(finding.modules), 'module')})" if finding.modules else "",
    }


def _marked(patch: Sequence[str]) -> Iterator[dict[str, str]]:
    """Lines of a patch with what they do; a pair that names a file does nothing."""
    names = {n for n, (one, next_) in enumerate(pairwise(patch)) if one.startswith("--- ") and next_.startswith("+++ ")}
    for number, line in enumerate(patch):
        yield {"text": line, "kind": "quiet" if {number, number - 1} & names else KINDS.get(line[:1], "")}


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1].strip() if number <= len(lines) else ""


def _snippet(span: Span, lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Lines around the place, each with the part of it that is marked."""
    first, last = snippet_of(span, lines)
    for number in range(first, last + 1) if last else ():
        line = lines[number - 1]
        start, stop = 0, 0
        if span.line <= number <= span.end_line:
            start = span.column - 1 if number == span.line else 0
            stop = span.end_column - 1 if number == span.end_line else len(line)
            if not line[start:stop].strip():  # only the line is known
                start, stop = 0, len(line)
            start += len(line[start:stop]) - len(line[start:stop].lstrip())
        yield {"number": number, "before": line[:start], "marked": line[start:stop], "after": line[max(start, stop) :]}
