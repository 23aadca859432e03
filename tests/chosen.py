"""Which of many rows a run is about: all with `-m "slow or not slow"`, else a sample that hashes of names fix once and for all.

A name is hashed, and not counted or timed, so that no row is in the sample because it passes or is left out because it does not,
and a new row moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def hash_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def one_in(number: int, name: str) -> bool:
    """Whether a name belongs to the sample that holds one name in so many."""
    return hash_of(name) % number == 0


def one_of_each(rows: Iterable[T], group: Callable[[T], Hashable], name: Callable[[T], str]) -> list[T]:
    """The row of each group whose name has the smallest hash."""
    return list({group(row): row for row in sorted(rows, key=lambda row: hash_of(name(row)), reverse=True)}.values())


def rows_of(request: pytest.FixtureRequest, parameter: str, *tests: Callable[..., Any]) -> list[Any]:
    """The values of a parameter that this run will pass to some tests, so that a fixture can look at all of them at once."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.function in tests]
    return list(dict.fromkeys(item.callspec.params[parameter] for item in items))
