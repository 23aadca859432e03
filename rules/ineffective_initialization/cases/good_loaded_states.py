"""States that are loaded: a whole one, and one without its prefix of which the old head is left out."""

import torch
from torch import Tensor, nn


def encoder(inputs: int, outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


class Agent(nn.Module):
    def __init__(self, inputs: int = 8, actions: int = 4, width: int = 128) -> None:
        super().__init__()
        self.online = encoder(inputs, actions, width)
        self.online.load_state_dict(encoder(inputs, actions, width).state_dict())
        self.other = encoder(inputs, 2 * actions, width)
        donor = nn.ModuleDict({"online": encoder(inputs, actions, width)})
        state = {name.removeprefix("online."): item for name, item in donor.state_dict().items() if "online.0" in name}
        self.other.load_state_dict(state_dict=state, strict=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.online(x), self.other(x)
