"""What every test may rely on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from initlint.lint import run
from tests.nursery import Nursery

# before numpy and torch are imported: several processes test at once, and their threads would only wait for each other
os.environ.update(run.ONE_THREAD, OMP_NUM_THREADS="1")


@pytest.fixture(scope="session", autouse=True)
def _workers_start_warm() -> Iterator[None]:
    """Checks in this process borrow their workers instead of importing torch anew."""
    with closing(Nursery()) as nursery, pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_start", nursery.start)
        yield
