"""What capture and its stand-ins promise."""

import torch
from torch import nn

from initlint.graph.stand_ins import exporting, lent, restored


def test_code_is_told_that_it_is_exported() -> None:
    """Inside, `torch.compiler.is_compiling()` says what torch.export would; afterwards, the truth."""
    with exporting():
        assert torch.compiler.is_compiling()
    assert not torch.compiler.is_compiling()


def test_lent_weights_take_no_memory_and_are_given_back() -> None:
    """A large meta weight is one number on the CPU while it is lent."""
    model = nn.Linear(1000, 1000, device="meta")
    with lent(model), restored(model):
        assert model.weight.stride() == (0, 0)
        assert model(torch.zeros(2, 1000)).shape == (2, 1000)
    assert model.weight.is_meta
