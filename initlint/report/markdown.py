"""Words and code → Markdown, as GitHub and reviewdog show it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CODE = re.compile(r"(`[^`\n]*`)")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def escaped(text: str) -> str:
    """Words in which code stands between backticks: that stays, what could be HTML is shown."""
    parts = _CODE.split(text)
    return "".join(
        part if number % 2 else re.sub("[<>&]", lambda match: _ENTITIES[match[0]], part) for number, part in enumerate(parts)
    )


def cell(text: str) -> str:
    """Words for a cell of a table."""
    return " ".join(escaped(text).replace("|", "\\|").split())


def fenced(language: str, lines: Sequence[str]) -> str:
    """Lines of code in a fence longer than any run of backticks in them."""
    runs = (len(run) for line in lines for run in re.findall("`+", line))
    fence = "`" * max(3, 1 + max(runs, default=0))
    return "\n".join((f"{fence}{language}", *lines, fence))


def paragraphs(message: str, help_: str) -> list[str]:
    """A finding's words; a help may end in lines to paste."""
    words, *snippet = help_.split("\n")
    return [part for part in (escaped(message), escaped(words), fenced("toml", snippet) if snippet else "") if part]
