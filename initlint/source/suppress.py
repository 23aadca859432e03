"""Text → ignore comments, the lines each one covers, and what is left of one when some of its rules go.

    x = nn.Linear(9, 9)  # initlint: ignore[INI101, unscaled-residual] reason    this line
    # initlint: ignore[INI101]                                                   the whole statement that follows
    # initlint: file-ignore[INI101]                                              the file
    x = nn.Linear(9, 9)  # noqa: INI101                                          this line, for those who must

A comment behind the last line of a statement covers the whole statement: that is where a formatter puts it. Inside brackets
a comment covers its own line, or the next one when it has a line to itself. There is no form without rules in brackets: it
would silence what nobody has seen yet; a bare `noqa` speaks to other tools.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_OWN = re.compile(r"#\s*initlint:\s*(?P<kind>file-ignore|ignore)\b\s*(?:\[(?P<rules>[^\]#]*)\])?", re.IGNORECASE)
_NOQA = re.compile(r"#\s*noqa\s*:\s*(?P<rules>[A-Z]+\d+(?:(?:\s*,\s*|\s+)[A-Z]+\d+)*)", re.IGNORECASE)
_SKIPPED = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """One ignore comment.

    rules               codes and names as written; () when the brackets are missing or empty
    first, last         lines whose findings it silences
    line, column, end   the place of the part of the comment that is ours, as `Span` counts, on one line
    alone               nothing else stands on the line
    """

    kind: Literal["ignore", "file-ignore", "noqa"]
    rules: tuple[str, ...]
    first: int
    last: int
    line: int
    column: int
    end: int
    alone: bool

    def covers(self, line: int) -> bool:
        """Whether findings at this line are meant."""
        return self.first <= line <= self.last


def ignores_of(text: str) -> tuple[Ignore, ...]:
    """All ignore comments of a file in source order; none when it does not tokenize (it cannot be imported either)."""
    words = text.lower()
    if "initlint" not in words and "noqa" not in words:
        return ()
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return ()
    statements = _statements(tokens)
    codes = {token.start[0] for token in tokens if token.type not in (*_SKIPPED, tokenize.NEWLINE, tokenize.ENDMARKER)}
    whole = len(text.split("\n")) + 1
    found = []
    for token in tokens:
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            for match, kind in _matches(token.string):
                first, last = (1, whole) if kind == "file-ignore" else _covered(token.start[0], statements, codes, alone=alone)
                found.append(
                    Ignore(
                        kind=kind,
                        rules=tuple(rule for rule in re.split(r"[\s,]+", match["rules"] or "") if rule),
                        first=first,
                        last=last,
                        line=token.start[0],
                        column=token.start[1] + match.start() + 1,
                        end=token.start[1] + match.end() + 1,
                        alone=alone,
                    )
                )
    return tuple(found)


def _matches(comment: str) -> Iterator[tuple[re.Match[str], Literal["ignore", "file-ignore", "noqa"]]]:
    for match in _OWN.finditer(comment):
        yield match, "file-ignore" if match["kind"].lower() == "file-ignore" else "ignore"
    for match in _NOQA.finditer(comment):
        yield match, "noqa"


def _statements(tokens: Sequence[tokenize.TokenInfo]) -> list[tuple[int, int]]:
    """First and last line of every logical line."""
    found = []
    first = 0
    for token in tokens:
        if token.type == tokenize.NEWLINE:
            if first:
                found.append((first, token.start[0]))
            first = 0
        elif token.type not in _SKIPPED and not first:
            first = token.start[0]
    return found


def _covered(line: int, statements: Sequence[tuple[int, int]], codes: set[int], *, alone: bool) -> tuple[int, int]:
    around = next(((first, last) for first, last in statements if first <= line <= last), None)
    if around is None:  # between statements
        return next(((first, last) for first, last in statements if first > line), (line, line))
    if line == around[1]:
        return around
    if alone:
        below = min((code for code in codes if code > line), default=line)
        return below, below
    return line, line


# -- removal ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Replace columns `column` ≤ c < `end_column` from `line` to `end_line` by `content`."""

    line: int
    column: int
    end_line: int
    end_column: int
    content: str


def without(ignore: Ignore, lines: Sequence[str], keep: Callable[[str], bool]) -> Removal:
    """What takes the rules that are not kept out of an ignore comment; with the last one the comment goes."""
    line = lines[ignore.line - 1]
    kept = [rule for rule in ignore.rules if keep(rule)]
    if kept:
        written = line[ignore.column - 1 : ignore.end - 1]
        opening, closing = ("[", "]") if "[" in written else (":", "")
        head = written[: written.index(opening, written.lower().index(ignore.kind)) + 1]
        content = f"{head}{'' if closing else ' '}{', '.join(kept)}{closing}"
        return Removal(line=ignore.line, column=ignore.column, end_line=ignore.line, end_column=ignore.end, content=content)
    end = line.find("#", ignore.end - 1)  # another comment behind it stays
    before = line[: ignore.column - 1]
    if end >= 0:
        return Removal(line=ignore.line, column=ignore.column, end_line=ignore.line, end_column=end + 1, content="")
    if not before.strip() and ignore.line < len(lines):
        return Removal(line=ignore.line, column=1, end_line=ignore.line + 1, end_column=1, content="")
    column = len(before.rstrip()) + 1
    return Removal(line=ignore.line, column=column, end_line=ignore.line, end_column=len(line) + 1, content="")
