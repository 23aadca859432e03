"""Operators by themselves, on tensors with prescribed moments; `python -m tests.oracle` prints the same, by operator."""

import pytest
import torch

from initlint.propagate.ops import TRANSFERS
from tests.oracle import operators_of
from tests.propagate.census import CENSUS, ELSEWHERE
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
    """Registered operators and those of real models are all tried somewhere, but those that have another's formula and do not run here."""
    seen = set().union(*(operators_of(row) for row in (*CASES, *ROWS)))
    known = {name for name in TRANSFERS if "::" not in name} | CENSUS
    assert not known - seen - ELSEWHERE.keys()


@pytest.mark.parametrize(("name", "other"), ELSEWHERE.items())
def test_what_does_not_run_here_has_the_formula_of_what_does(name, other):
    """One function serves both, and the other has a row."""
    assert TRANSFERS[name] is TRANSFERS[other]


def test_every_registered_name_is_one_of_an_operator():
    """A formula under a name that no graph has is never used."""
    assert not [name for name in TRANSFERS if "::" not in name and not hasattr(torch.ops.aten, name)]
