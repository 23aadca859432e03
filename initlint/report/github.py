"""REPORT → GitHub workflow commands, and a table for the summary of a job.

Escapes and limits from actions/toolkit (`command.ts`, `problem-matchers.md`): ten errors, ten warnings and ten notices of a
step are shown, so the worst come first; the table of the job summary has them all.
"""

from __future__ import annotations

from initlint.lint.finding import Finding, Severity
from initlint.lint.result import Report
from initlint.report.markdown import cell
from initlint.report.summary import coverage, verdict

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
ROWS = 1000  # of a job's summary: GitHub takes 1 MiB


def as_github(report: Report) -> str:
    """One command a finding; what several models say of a line in the same words is said once."""
    worst_first = sorted(report.findings, key=lambda finding: -finding.severity)
    return "".join(f"{command}\n" for command in dict.fromkeys(map(_command, worst_first)))


def _command(finding: Finding) -> str:
    span = finding.span
    properties = {"title": f"initlint ({finding.code})", "file": span.path, "line": str(span.line)}
    if span.end_line == span.line:  # columns are only understood within one line
        properties |= {"col": str(span.column), "endLine": str(span.end_line), "endColumn": str(span.end_column)}
    else:
        properties |= {"endLine": str(span.end_line)}
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    place = f"{span.path}:{span.line}:{span.column}"
    text = f"{place}: {finding.code} {finding.message}" + (f"\n{finding.help}" if finding.help else "")
    return f"::{LEVELS[finding.severity]} {written}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def job_summary(report: Report) -> str:
    """Markdown for `$GITHUB_STEP_SUMMARY`."""
    lines = ["### initlint", "", f"{verdict(report.findings)} {coverage(report)}", ""]
    if report.findings:
        lines += ["| place | rule | severity | message |", "|---|---|---|---|"]
        for finding in sorted(report.findings, key=lambda item: -item.severity)[:ROWS]:
            path = finding.span.path.replace("|", "\\|")
            place = f"`{path}:{finding.span.line}`"
            lines.append(f"| {place} | {finding.code} {finding.name} | {finding.severity} | {cell(finding.message)} |")
        if len(report.findings) > ROWS:
            lines += ["", f"And {len(report.findings) - ROWS} more."]
        lines.append("")
    return "\n".join(lines)
