"""The table of formats: what `--format` lists is what is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from initlint.lint.result import Report
from initlint.report.data import as_json, as_json_lines
from initlint.report.github import as_github
from initlint.report.gitlab import as_gitlab
from initlint.report.junit import as_junit
from initlint.report.page import as_html
from initlint.report.rdjson import as_rdjson, as_rdjsonl
from initlint.report.review import as_github_review
from initlint.report.sarif import as_sarif
from initlint.report.text import Look, as_concise, as_full, as_grouped

Renderer = Callable[[Report, Look], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write a report.

    for_people  closing lines follow the findings; otherwise they go to stderr, and nothing but the format to stdout
    root        environment variable with the folder that paths are relative to; "": the current one
    """

    render: Renderer
    for_people: bool = False
    root: str = ""


def _machine(render: Callable[[Report], str]) -> Renderer:
    def rendered(report: Report, _look: Look) -> str:
        return render(report)

    return rendered


FORMATS: Mapping[str, Format] = {
    "full": Format(render=as_full, for_people=True),
    "concise": Format(render=as_concise, for_people=True),
    "grouped": Format(render=as_grouped, for_people=True),
    "html": Format(render=as_html),
    "json": Format(render=_machine(as_json)),
    "json-lines": Format(render=_machine(as_json_lines)),
    "github": Format(render=_machine(as_github), root="GITHUB_WORKSPACE"),
    "github-review": Format(render=as_github_review, root="GITHUB_WORKSPACE"),
    "gitlab": Format(render=_machine(as_gitlab), root="CI_PROJECT_DIR"),
    "junit": Format(render=_machine(as_junit)),
    "rdjson": Format(render=as_rdjson),
    "rdjsonl": Format(render=as_rdjsonl),
    "sarif": Format(render=as_sarif, root="GITHUB_WORKSPACE"),
}
