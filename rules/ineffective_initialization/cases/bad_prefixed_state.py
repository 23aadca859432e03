"""A target network that is to start as the online one: the names keep their prefix, and strict=False drops them all."""

import torch
from torch import Tensor, nn


class Value(nn.Module):
    def __init__(self, inputs: int, actions: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.ReLU())
        self.head = nn.Linear(width, actions)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Agent(nn.Module):
    def __init__(self, inputs: int = 8, actions: int = 4, width: int = 128) -> None:
        super().__init__()
        self.online = Value(inputs, actions, width)
        self.target = Value(inputs, actions, width).requires_grad_(False)
        state = {name: tensor for name, tensor in self.state_dict().items() if name.startswith("online.")}
        self.target.load_state_dict(state, strict=False)  # finding: ineffective-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.online(x)
