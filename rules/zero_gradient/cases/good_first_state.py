"""States that start as zeros, made in the call or kept in a buffer: one step of a recurrence reads nothing from them, later steps do."""

import torch
from torch import Tensor, nn


class Cell(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.read = nn.Linear(width, width)
        self.keep = nn.Linear(width, width)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        if state is None:
            state = torch.zeros_like(x)
        return self.head(torch.tanh(self.read(x) + self.keep(state)))


class Remembering(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.read = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.head = nn.Linear(width, 4)
        self.register_buffer("memory", torch.zeros(1, width))
        self.register_buffer("task", torch.zeros(1, width))  # set from outside

    def forward(self, x: Tensor) -> Tensor:
        state = torch.tanh(self.read(x)) + torch.sigmoid(self.gate(x)) * self.memory + self.gate(x) * self.task
        self.memory.copy_(state.detach().mean(0, keepdim=True))
        return self.head(state)


class Filled(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.read = nn.Linear(width, width // 2)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        padded = torch.zeros_like(x)
        padded[:, ::2] = self.read(x)
        return self.head(padded * 2)
