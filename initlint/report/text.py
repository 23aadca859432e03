"""REPORT → text for people: full (with the source), concise (one line a finding), grouped (by file).

All of it passes through one rich console, which knows about colour; nothing but the words of a message is ever wrapped.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from initlint.lint.finding import Finding, Severity, Span
from initlint.lint.result import Report
from initlint.lint.wording import counted, pattern_of
from initlint.report.changes import changed_lines
from initlint.source.text import Unreadable, lines_of, read_source

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold blue"}
AROUND = 2  # lines of context before and after
LONGEST = 6  # lines of one span that are shown
RELATED = 4  # related places that are shown
TAB = "    "
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
HANGING = "  "  # before the continuation of a wrapped line


def source_lines(path: str) -> Sequence[str]:
    """Lines of a file; none when it cannot be read."""
    try:
        return lines_of(read_source(path))
    except Unreadable:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How text is to look: with colour or without, how wide, and where the lines of a file come from.

    unsafe   unsafe fixes are asked for: what they could fix is marked too
    changed  first and last lines of what a review shows of a file; None: all of it
    """

    colour: bool = False
    width: int = 100
    lines: Callable[[str], Sequence[str]] = source_lines
    unsafe: bool = False
    changed: Callable[[str], Sequence[tuple[int, int]]] | None = None

    def mark(self, finding: Finding) -> tuple[str, str]:
        """ " [*]" where the fix would be applied."""
        fix = finding.fix
        able = (
            fix is not None and fix.edits and (fix.applicability == "safe" or (self.unsafe and fix.applicability == "unsafe"))
        )
        return (" [*]", "cyan") if able else ("", "")


def as_full(report: Report, look: Look) -> str:
    """Every finding with its lines of source, its modules, related places and help."""
    return _printed(look, (part for finding in report.findings for part in (*_full(finding, look), Text())))


def as_concise(report: Report, look: Look) -> str:
    """`path:line:column: INI101 message`."""
    return _printed(look, (_concise(finding, look) for finding in report.findings), wrap=False)


def as_grouped(report: Report, look: Look) -> str:
    """One heading a file, one line a finding."""
    return _printed(look, _grouped(report, look), wrap=False)


def _printed(look: Look, parts: Iterator[Text], *, wrap: bool = True) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=look.colour,
        no_color=not look.colour,
        color_system="standard" if look.colour else None,
        width=look.width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in parts:
        lines = part.wrap(console, look.width - len(HANGING)) if wrap and not part.no_wrap else [part]
        for number, line in enumerate(lines):
            line.rstrip()
            console.print(Text.assemble(HANGING, line) if number else line, soft_wrap=True)
    return out.getvalue()


# -- one line -----------------------------------------------------------------------------------------------------------


def _one_line(text: str) -> str:
    return _harmless(" ".join(text.split()))


def _harmless(text: str) -> str:
    """Without what a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _concise(finding: Finding, look: Look) -> Text:
    span = finding.span
    return Text.assemble(
        (f"{span.path}:{span.line}:{span.column}:", "bold"),
        " ",
        (finding.code, STYLES[finding.severity]),
        look.mark(finding),
        f" {_one_line(finding.message)}",
    )


def _grouped(report: Report, look: Look) -> Iterator[Text]:
    for path, group in groupby(report.findings, key=lambda finding: finding.span.path):
        findings = list(group)
        places = [f"{finding.span.line}:{finding.span.column}" for finding in findings]
        yield Text(f"{path}:", "bold")
        for finding, place in zip(findings, places, strict=True):
            yield Text.assemble(
                f"  {place:<{max(map(len, places))}}  ",
                (finding.code, STYLES[finding.severity]),
                look.mark(finding),
                f" {_one_line(finding.message)}",
            )
        yield Text()


# -- with the source ----------------------------------------------------------------------------------------------------


def _full(finding: Finding, look: Look) -> Iterator[Text]:
    span = finding.span
    style = STYLES[finding.severity]
    yield Text.assemble(
        (finding.code, style), look.mark(finding), (f" {finding.severity}", style), (f": {_one_line(finding.message)}", "bold")
    )
    lines = look.lines(span.path)
    first, last = snippet_of(span, lines)
    margin = len(str(last)) if last else 1
    yield _plain(
        (f"{' ' * margin}--> ", "blue"), f"{span.path}:{span.line}:{span.column}", (f"  {finding.name}", "dim"), _of(finding)
    )
    if last:
        bar = (f"{' ' * margin} |", "blue")
        yield _plain(bar)
        for number in range(first, last + 1):
            line = lines[number - 1]
            yield _plain((f"{number:>{margin}} |", "blue"), f" {_harmless(line.replace(chr(9), TAB))}".rstrip())
            if number == span.line:
                before, width = underlined(line, span)
                yield _plain(bar, " " * (before + 1), ("^" * width, style))
        yield _plain(bar)
    for label, text in _notes(finding, look):
        headline, *snippet = text.split("\n")  # a help may end in lines to paste, which stay as they are
        yield Text.assemble((f"{label}: ", "cyan"), _one_line(headline))
        yield from (_plain(HANGING, _harmless(line.replace("\t", TAB))) for line in snippet)


def _plain(*parts: str | tuple[str, str]) -> Text:
    """A line that is never wrapped."""
    text = Text.assemble(*parts)
    text.no_wrap = True
    return text


def _of(finding: Finding) -> tuple[str, str]:
    """The model, when its name says more than the path."""
    name = finding.target.rpartition("::")[2]
    return (f" in {name}", "dim") if name not in ("", finding.target, finding.span.path) else ("", "")


def snippet_of(span: Span, lines: Sequence[str]) -> tuple[int, int]:
    """First and last line of the snippet, without blank ones at its ends; (0, 0) when the file has no such line."""
    if not (1 <= span.line <= len(lines)) or not any(line.strip() for line in lines):
        return 0, 0
    end = min(max(span.end_line, span.line), span.line + LONGEST - 1)
    first, last = max(1, span.line - AROUND), min(len(lines), end + AROUND)
    while first < span.line and not lines[first - 1].strip():
        first += 1
    while last > span.line and not lines[last - 1].strip():
        last -= 1
    return first, last


def underlined(line: str, span: Span) -> tuple[int, int]:
    """Cells before and below the marked part of the first line of a span; a span of several lines runs to its end.

    A span of nothing but space says that only the line is known: all of it is marked.
    """
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    if not line[start:end].strip():
        start, end = len(line) - len(line.lstrip()), len(line.rstrip())
    before = cell_len(line[:start].replace("\t", TAB))
    width = cell_len(line[start:end].replace("\t", TAB))
    return before, max(width, 1)


def _notes(finding: Finding, look: Look) -> Iterator[tuple[str, str]]:
    if finding.modules:
        pattern = pattern_of(finding.modules)
        count = len(finding.modules)
        yield "modules", pattern if count == 1 else f"{pattern} ({counted(count, 'module')})"
    places: dict[tuple[str, int], list[str]] = {}
    for place in finding.related:
        places.setdefault((place.span.path, place.span.line), []).append(place.message)
    for (path, line), messages in list(places.items())[:RELATED]:
        lines = look.lines(path)
        source = f": `{lines[line - 1].strip()}`" if line <= len(lines) else ""
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        yield "note", f"{path}:{line}: {messages[0]}{more}{source}"
    if len(places) > RELATED:
        yield "note", f"and {counted(len(places) - RELATED, 'other place')}"
    if finding.help:
        yield "help", finding.help
    if finding.fix is not None:
        fix = finding.fix
        yield "fix", "\n".join((f"{fix.message} ({fix.applicability})", *changed_lines(fix, look.lines, finding.span.path)))
