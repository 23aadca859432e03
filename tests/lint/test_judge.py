"""Which findings are left out because another one names their cause."""

from __future__ import annotations

from pathlib import Path

import initlint
from initlint.lint.finding import Severity

CLONES = """
import copy

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 30) -> None:
        super().__init__()
        layer = nn.Linear(width, width)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)
"""


def test_a_note_explains_no_more_than_a_note(tmp_path: Path) -> None:
    """Thirty layers of PyTorch's start vanish whether they are copies or not, and that they are is a note."""
    path = tmp_path / "net.py"
    path.write_text(CLONES)
    found = {item.name: item.severity for item in initlint.check(path).findings}
    assert found["symmetric-initialization"] is Severity.INFO
    assert found["vanishing-signal"] is Severity.ERROR
