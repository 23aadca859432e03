"""A report → standard output, files and the summary of a GitHub job, each in its format, with paths relative to what it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from initlint.cli.faults import CannotRun
from initlint.cli.terminal import say, width_of, write
from initlint.report.formats import FORMATS, Format

if TYPE_CHECKING:
    from initlint.lint.result import Report
    from initlint.report.text import Look

ERRORS = "backslashreplace"  # a name of a file may hold what is no text

Changed = Mapping[str, Sequence[tuple[int, int]]]  # line ranges by path, see `source.changed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the findings are to be written.

    form, file  the main format, and the file it goes to; None: standard output
    others      further formats, each with its file
    aside       standard output is for something else: findings that would go there go to standard error
    """

    form: str
    file: str | None
    others: tuple[tuple[str, str], ...] = ()
    aside: bool = False

    @property
    def formats(self) -> set[str]:
        return {self.form, *(form for form, _ in self.others)}

    @property
    def to_stdout(self) -> bool:
        """Whether closing lines follow the findings on standard output."""
        return FORMATS[self.form].for_people and self.file is None and not self.aside


def deliver(
    report: Report, wanted: Wanted, *, colour: bool, unsafe: bool | None, changed: Changed | None, text: str | None = None
) -> None:
    """Write the report in every format that is wanted; `text` stands in for the main one."""

    def rendered(name: str, *, on_screen: bool) -> str:
        form = FORMATS[name]
        look = _look(form, colour=colour and on_screen, unsafe=unsafe, changed=changed)
        return form.render(_based(report, form), look)

    for name, file in wanted.others:
        _to_file(rendered(name, on_screen=False), file)
    if text is None:
        text = rendered(wanted.form, on_screen=wanted.file is None)
    if wanted.file is not None:
        _to_file(text, wanted.file)
    elif wanted.aside:
        text = text.rstrip("\n")
        if text:
            say(text)
    else:
        write(text, encoding=None if FORMATS[wanted.form].for_people else "utf-8")
    if "github" in wanted.formats:
        _summarize(report)


def base_of(form: Format) -> str:
    """The folder that paths of a format are relative to."""
    return (os.environ.get(form.root) if form.root else "") or str(Path.cwd())


def _based(report: Report, form: Format) -> Report:
    from initlint.report.place import based

    return based(report, base_of(form))


def _look(form: Format, *, colour: bool, unsafe: bool | None, changed: Changed | None) -> Look:
    from initlint.report.text import Look, source_lines

    base = base_of(form)

    @lru_cache
    def lines(path: str) -> Sequence[str]:
        return source_lines(str(Path(base, path)))

    return Look(
        colour=colour,
        width=width_of(sys.stdout),
        lines=lines,
        unsafe=bool(unsafe),
        changed=None if changed is None else _ranges_in(changed, base),
    )


def _ranges_in(changed: Changed, base: str) -> Callable[[str], Sequence[tuple[int, int]]]:
    return lambda path: changed.get(os.path.realpath(Path(base, path)), ())


def _to_file(text: str, file: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8", errors=ERRORS, newline="\n")
    except OSError as error:
        raise CannotRun(f"{file} cannot be written: {error.strerror or error}") from error


def _summarize(report: Report) -> None:
    """Append all findings to the summary of the GitHub job that runs us: of its annotations only ten are shown."""
    from initlint.report.github import job_summary

    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        try:
            with Path(file).open("a", encoding="utf-8", errors=ERRORS) as summary:
                summary.write(job_summary(_based(report, FORMATS["github"])))
        except OSError as error:
            say(f"the summary of the job cannot be written: {error.strerror or error}")
