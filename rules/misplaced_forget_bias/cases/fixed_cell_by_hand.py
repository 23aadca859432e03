"""A cell whose gates are packed in another order than PyTorch's: the forget gate's bias is on the new values."""

import torch
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.from_input = nn.Linear(seen, 4 * width)
        self.from_state = nn.Linear(width, 4 * width, bias=False)
        nn.init.zeros_(self.from_input.bias)
        with torch.no_grad():
            self.from_input.bias[2 * width : 3 * width] = 2.0  # finding: misplaced-forget-bias

    def forward(self, x: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        enter, new, keep, leave = (self.from_input(x) + self.from_state(state)).chunk(4, dim=-1)
        memory = keep.sigmoid() * memory + enter.sigmoid() * new.tanh()
        return leave.sigmoid() * memory.tanh(), memory


class Reader(nn.Module):
    def __init__(self, seen: int = 6, width: int = 32) -> None:
        super().__init__()
        self.cell = Cell(seen, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = memory = x.new_zeros(x.shape[0], self.cell.width)
        for step in range(x.shape[1]):
            state, memory = self.cell(x[:, step], state, memory)
        return self.head(state)
