"""What every test may rely on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from initlint.lint import run
from tests.nursery import Nursery


@pytest.fixture(scope="session", autouse=True)
def _workers_start_warm() -> Iterator[None]:
    """Checks in this process borrow their workers instead of importing torch anew."""
    with closing(Nursery()) as nursery, pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_start", nursery.start)
        yield
