"""Perceptrons with low-rank adapters; everything but the adapters is frozen."""

from __future__ import annotations

from random import Random

from tests.calibration.text import Generated, activated, choose, head

# (A, B, how often): what the two factors start from.
STARTS = {
    "usual": ("nn.init.kaiming_uniform_(self.a, a=5**0.5)", "", 6),
    "normal_a": ("nn.init.normal_(self.a, std=self.a.shape[1] ** -0.5)", "", 4),
    "small_a": ("nn.init.normal_(self.a, std=0.02)", "", 2),
    "unit_a": ("nn.init.normal_(self.a)", "", 2),
    "orthogonal_a": ("nn.init.orthogonal_(self.a)", "", 2),
    "random_b": ("", "nn.init.normal_(self.b, std=self.b.shape[1] ** -0.5)", 3),
    "both_zero": ("", "", 3),
    "both_random": ("nn.init.kaiming_uniform_(self.a, a=5**0.5)", "nn.init.kaiming_uniform_(self.b, a=5**0.5)", 4),
    "both_unit": ("nn.init.normal_(self.a)", "nn.init.normal_(self.b)", 2),
    "both_small": ("nn.init.kaiming_uniform_(self.a, a=5**0.5)", "nn.init.normal_(self.b, std=1e-4)", 2),
    "constant": ("nn.init.constant_(self.a, 0.1)", "nn.init.constant_(self.b, 0.1)", 1),
    "tiny_a": ("nn.init.normal_(self.a, std=1e-4)", "", 1),
}
SCALES = {"alpha / rank": 6, "alpha / rank**0.5": 3, "alpha": 2, "1.0": 1, "1000.0": 1, "0.001": 1, "0.0": 1}


def adapter(number: int, random: Random) -> Generated:
    """A perceptron of adapted layers."""
    start = choose(random, {name: often for name, (_, _, often) in STARTS.items()})
    return written(
        f"adapter_{number:03}", start, choose(random, SCALES), random.choice((4, 8, 16)), random.choice((1, 8, 16, 32)), random.choice((1, 2, 4)),
        random.choice((64, 128)), choose(random, {"relu": 2, "gelu": 1, "tanh": 1}),
    )  # fmt: skip


def reference() -> Generated:
    """Rank 8, alpha 16, the usual start."""
    return written("adapter_reference", "usual", "alpha / rank", 8, 16, 2, 64, "relu")


def written(name: str, start: str, scale: str, rank: int, alpha: float, depth: int, width: int, activation: str) -> Generated:
    """A perceptron whose adapters have this start and this scale."""
    traits = f"{start} scale={scale.replace(' ', '')} rank={rank} alpha={alpha} depth={depth} width={width} {activation}"
    a, b, _ = STARTS[start]
    init = "".join(f"        {line}\n" for line in (a, b) if line)
    text = head(f"adapter: {traits}.") + (
        f"class Adapted(nn.Module):\n    def __init__(self, base: nn.Linear, rank: int = {rank}, alpha: float = {float(alpha)}) -> None:\n        super().__init__()\n"
        "        self.base = base.requires_grad_(False)\n        self.a = nn.Parameter(torch.zeros(rank, base.in_features))\n"
        f"        self.b = nn.Parameter(torch.zeros(base.out_features, rank))\n{init}        self.scale = {scale}\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        return self.base(x) + self.scale * F.linear(F.linear(x, self.a), self.b)\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, inputs: int = 64, classes: int = 10, width: int = {width}, depth: int = {depth}) -> None:\n        super().__init__()\n"
        "        self.stem = Adapted(nn.Linear(inputs, width))\n"
        "        self.layers = nn.ModuleList([Adapted(nn.Linear(width, width)) for _ in range(depth)])\n"
        "        self.head = Adapted(nn.Linear(width, classes))\n\n"
        f"    def forward(self, x: Tensor) -> Tensor:\n        x = {activated(activation, 'self.stem(x)')}\n"
        f"        for layer in self.layers:\n            x = {activated(activation, 'layer(x)')}\n        return self.head(x)\n"
    )
    return Generated(name=name, kind="adapter", traits=traits, text=text)
