"""Pieces of source text that the generated nets are written with: activations, norms, laws of weights.

A law is the statement that a `_init_weights` would have; {gain} is what the activation asks for and {fan} the number of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

ACTIVATIONS = {
    "relu": "F.relu({})",
    "gelu": "F.gelu({})",
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
    "silu": "F.silu({})",
    "selu": "F.selu({})",
    "leaky_relu": "F.leaky_relu({}, 0.1)",
    "elu": "F.elu({})",
}
GAINS = {"tanh": "5 / 3", "sigmoid": "1.0", "selu": "1.0"}  # nn.init.calculate_gain without sigmoid's; else √2

LAWS = {
    "kaiming": 'nn.init.kaiming_normal_({w}, nonlinearity="relu")',
    "kaiming_uniform": 'nn.init.kaiming_uniform_({w}, nonlinearity="relu")',
    "xavier": "nn.init.xavier_uniform_({w})",
    "xavier_gain": "nn.init.xavier_normal_({w}, gain={gain})",
    "orthogonal": "nn.init.orthogonal_({w}, gain={gain})",
    "lecun": "nn.init.normal_({w}, std={fan} ** -0.5)",
    "normal_02": "nn.init.normal_({w}, std=0.02)",
    "truncated_02": "nn.init.trunc_normal_({w}, std=0.02)",
    "normal_10": "nn.init.normal_({w}, std=0.1)",
    "uniform_10": "nn.init.uniform_({w}, -0.1, 0.1)",
    "normal_1": "nn.init.normal_({w})",
    "uniform_01": "nn.init.uniform_({w})",
    "mean_02": "nn.init.normal_({w}, 0.02)",
    "gain_03": "nn.init.normal_({w}, std=0.3 * {fan} ** -0.5)",
    "gain_06": "nn.init.normal_({w}, std=0.6 * {fan} ** -0.5)",
    "gain_2": "nn.init.normal_({w}, std=2 * {fan} ** -0.5)",
    "gain_3": "nn.init.normal_({w}, std=3 * {fan} ** -0.5)",
    "gain_6": "nn.init.normal_({w}, std=6 * {fan} ** -0.5)",
    "constant_01": "nn.init.constant_({w}, 0.01)",
    "constant_10": "nn.init.constant_({w}, 0.1)",
    "zeros": "nn.init.zeros_({w})",
    "positive": "nn.init.uniform_({w}, 0.0, 2 / {fan})",
    "shifted": "nn.init.normal_({w}, 2 / {fan}, 0.04 / {fan})",
    "positive_he": "nn.init.uniform_({w}, 0.0, (6 / {fan}) ** 0.5)",
}
# How often each law is drawn: those in use most, so that about half of the nets are what a person would write.
COMMON = {"default": 18, "kaiming": 14, "kaiming_uniform": 4, "xavier": 8, "xavier_gain": 6, "orthogonal": 8, "lecun": 6}
DOUBTFUL = {"normal_02": 5, "truncated_02": 2, "normal_10": 4, "uniform_10": 2, "gain_06": 3, "gain_2": 4}
BAD = {
    "normal_1": 4,
    "uniform_01": 2,
    "mean_02": 2,
    "gain_03": 3,
    "gain_3": 3,
    "gain_6": 2,
    "constant_01": 2,
    "constant_10": 2,
    "zeros": 1,
}
DRAWN = {**COMMON, **DOUBTFUL, **BAD}

NORMS = {"batch": "nn.BatchNorm1d({})", "batch2d": "nn.BatchNorm2d({})", "layer": "nn.LayerNorm({})", "rms": "nn.RMSNorm({})", "group": "nn.GroupNorm(4, {})"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One net of the study.

    name    "mlp_017": also the name of its file
    kind    mlp, conv, recurrent, attention, adapter: decides how data are shaped and which reference is meant
    traits  what was drawn, for the table
    text    its source; `Net` builds with no arguments for digits, and with (features, classes) for other data
    """

    name: str
    kind: str
    traits: str
    text: str


def choose(random: Random, table: Mapping[str, int]) -> str:
    """A key, by weight."""
    return random.choices(list(table), list(table.values()))[0]


def activated(activation: str, argument: str) -> str:
    """The expression of an activation."""
    return ACTIVATIONS[activation].format(argument)


def law_of(law: str, activation: str, weight: str = "module.weight") -> str:
    """The statement that draws a weight; `x1.7` is for 1.7 times what keeps a linear signal."""
    written = "nn.init.normal_({w}, std=" + law[1:] + " * {fan} ** -0.5)" if law[1:2].isdigit() else LAWS[law]
    return written.format(w=weight, gain=GAINS.get(activation, "2**0.5"), fan=f"{weight}[0].numel()")


def initializer(law: str, activation: str, *, kinds: str = "nn.Linear", bias: float | None = 0.0) -> str:
    """`init_weights`, or nothing for torch's own start.

    bias  what biases are set to, None where they are left alone
    """
    lines = [] if law == "default" else [law_of(law, activation)]
    if bias is not None and (lines or bias):
        lines += ["if module.bias is not None:", f"    nn.init.constant_(module.bias, {bias})"]
    if not lines:
        return ""
    body = "\n".join(f"        {line}" for line in lines)
    return f"def init_weights(module: nn.Module) -> None:\n    if isinstance(module, {kinds}):\n{body}\n\n\n"


def head(title: str) -> str:
    """Docstring and imports."""
    return f'"""{title}"""\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn\n\n\n'
