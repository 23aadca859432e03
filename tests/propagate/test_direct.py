"""Operators by themselves, on tensors with prescribed moments; `python -m tests.oracle` prints the same, by operator."""

import pytest

from initlint.propagate.ops import TRANSFERS
from tests.oracle import operators_of
from tests.propagate.census import CENSUS
from tests.propagate.direct import ROWS
from tests.propagate.judged import examined
from tests.propagate.test_operators import CASES


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_prediction_agrees_with_the_operator(row):
    """Mean, second moment, zeros, pair moments and gradients agree for every prescribed law of the inputs."""
    found = examined(row.build, row.inputs, draws=row.draws, bits=row.bits, grad_bits=row.grad_bits, laws=row.laws)
    assert not found.wrong, "\n".join(f"{r.node}: {text}" for r, text in found.wrong)


@pytest.mark.slow
def test_every_operator_has_a_row():
    """Registered operators and those of real models are all tried somewhere."""
    seen = set().union(*(operators_of(row) for row in (*CASES, *ROWS)))
    known = {name for name in TRANSFERS if "::" not in name} | CENSUS
    assert not known - seen
