"""Attention without residual connections whose tokens are to be told apart: does it learn? → the table of INI602.

    python -m tests.calibration.tokens        about ten minutes

Each of 24 random tokens is to be classified by itself, which one layer alone can do by looking at itself.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

WIDTH, TOKENS, SAMPLES, CLASSES, HEADS, STEPS, LAST = 64, 24, 16, 4, 4, 400, 20
SETTINGS = (("adam", 1e-3), ("adam", 3e-3), ("sgd", 0.1))
STARTS = ("default", "xavier", "normal 0.02")
DEPTHS = (1, 2, 3, 4, 6, 8)


class Attention(nn.Module):
    def __init__(self, start: str, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH) if norm else nn.Identity()
        self.maps = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])
        for layer in self.maps if start != "default" else ():
            if start == "xavier":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        q, k, v = (layer(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for layer in self.maps[:3])
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.maps[3](mixed.transpose(1, 2).reshape(x.shape))


class Stack(nn.Module):
    def __init__(self, depth: int, start: str, norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[Attention(start, norm) for _ in range(depth)])
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


def accuracy(depth: int, start: str, norm: bool, optimizer: str, rate: float) -> float:
    """Share of tokens that are classified rightly in the last steps."""
    torch.manual_seed(0)
    model = Stack(depth, start, norm)
    make = torch.optim.Adam if optimizer == "adam" else functools.partial(torch.optim.SGD, momentum=0.9)
    steps = make(model.parameters(), lr=rate)
    rule = torch.randn(WIDTH, CLASSES, generator=torch.Generator().manual_seed(1))
    right = []
    for _ in range(STEPS):
        x = torch.randn(SAMPLES, TOKENS, WIDTH)
        y = (x @ rule).argmax(-1)
        logits = model(x)
        steps.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten()).backward()
        steps.step()
        right.append((logits.argmax(-1) == y).float().mean().item())
    return sum(right[-LAST:]) / LAST


def share(depth: int, start: str, norm: bool) -> float:
    """What of the energy of the tokens differs between them, after the last layer."""
    torch.manual_seed(0)
    x = Stack(depth, start, norm).layers(torch.randn(SAMPLES, TOKENS, WIDTH))
    return float(((x - x.mean(1, keepdim=True)) ** 2).mean() / (x**2).mean())


def main() -> None:
    torch.set_num_threads(1)
    print("| start | norm | layers | share that differs | " + " | ".join(f"{o} {r:g}" for o, r in SETTINGS) + " |")
    print("|---" * (4 + len(SETTINGS)) + "|")
    for norm in (False, True):
        for start in STARTS:
            for depth in DEPTHS:
                cells = [f"{accuracy(depth, start, norm, *setting):.2f}" for setting in SETTINGS]
                print(f"| {start} | {norm} | {depth} | {share(depth, start, norm):.0e} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
