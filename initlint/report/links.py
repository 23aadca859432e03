"""Where a rule is documented."""

from __future__ import annotations

HOME = ""  # of the documentation, once it is published; until then links are relative to the repository


def url_of(name: str) -> str:
    """The page of a rule by its name."""
    return f"{HOME}rules/{name.replace('-', '_')}/doc.md"


def link_of(name: str) -> str | None:
    """The page of a rule for readers who are elsewhere; None while only a copy of the repository has it."""
    return url_of(name) if HOME else None
