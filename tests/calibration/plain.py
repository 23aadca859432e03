"""Multilayer perceptrons and convolutional nets, plain and residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from tests.calibration.text import DRAWN, NORMS, Generated, activated, choose, head, initializer

ACTIVATED = {"relu": 8, "gelu": 3, "tanh": 4, "sigmoid": 2, "silu": 2, "selu": 1, "leaky_relu": 1, "elu": 1}


TRYING = {
    "default": 8, "kaiming": 2, "xavier": 3, "normal_02": 3, "normal_10": 2, "gain_06": 3, "gain_03": 2, "gain_2": 3, "gain_3": 2, "normal_1": 3,
    "uniform_01": 2, "mean_02": 1, "constant_10": 1,
}  # fmt: skip


def mlp(number: int, random: Random) -> Generated:
    """A stack of linear layers."""
    depth = random.choice((2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 60))
    width = random.choice((16, 32, 64, 64, 128 if depth < 30 else 64))
    return _net(f"mlp_{number:03}", "mlp", random, depth=depth, width=width)


def deep_mlp(number: int, random: Random) -> Generated:
    """A deep stack of linear layers, most without norm, from the starts that such nets do not bear."""
    depth, width = random.choice((8, 12, 16, 20, 24, 32, 48)), random.choice((16, 32, 64))
    return _net(
        f"mlp_{number:03}",
        "mlp",
        random,
        depth=depth,
        width=width,
        norms=("none", "none", "none", "batch", "layer"),
        laws=TRYING,
    )


def conv(number: int, random: Random) -> Generated:
    """A stack of 3x3 convolutions, halved once, averaged at the end."""
    depth, width = random.choice((2, 3, 4, 6, 8, 12, 16, 20)), random.choice((8, 16))
    return _net(
        f"conv_{number:03}", "conv", random, depth=depth, width=width, norms=("none", "none", "batch2d", "group", "none")
    )


def deep_conv(number: int, random: Random) -> Generated:
    """As `deep_mlp`."""
    depth, width = random.choice((8, 12, 16, 20)), random.choice((8, 16))
    return _net(
        f"conv_{number:03}", "conv", random, depth=depth, width=width, norms=("none", "none", "none", "batch2d"), laws=TRYING
    )


def reference(kind: str) -> Generated:
    """Three layers of 64 units (16 channels), ReLU, He's start."""
    width = 64 if kind == "mlp" else 16
    return written(f"{kind}_reference", kind, 3, width, "relu", "none", "before", "none", "kaiming", True, 0.0)


def _net(
    name: str,
    kind: str,
    random: Random,
    *,
    depth: int,
    width: int,
    norms: Sequence[str] = ("none", "none", "batch", "layer", "rms"),
    laws: Mapping[str, int] = DRAWN,
) -> Generated:
    activation = choose(random, ACTIVATED)
    norm = random.choice(norms)
    place = random.choice(("before", "after"))
    residual = choose(random, {"none": 10, "plain": 4, "scaled": 2, "zero": 2} if depth > 3 else {"none": 1})
    law = choose(random, laws)
    biases = random.random() < 0.8
    bias = choose(random, {"0.0": 14, "None": 4, "0.01": 1, "-0.5": 1, "-2.0": 1}) if biases else "None"
    return written(
        name, kind, depth, width, activation, norm, place, residual, law, biases, None if bias == "None" else float(bias)
    )


def written(
    name: str, kind: str, depth: int, width: int, activation: str, norm: str, place: str, residual: str, law: str, biases: bool, bias: float | None
) -> Generated:  # fmt: skip
    """A stack of linear layers or convolutions.

    place  of norms: before the activation (or branch) or after
    bias   what biases are set to, None where they are left alone
    """
    traits = f"depth={depth} width={width} {activation} norm={norm}{'' if norm == 'none' else '-' + place} residual={residual} law={law} bias={bias if biases else 'off'}"
    block = (
        _residual(kind, activation, norm, place, residual, biases)
        if residual != "none"
        else _plain(kind, activation, norm, place, biases)
    )
    blocks = depth // 2 if residual != "none" else depth - 1
    init = initializer(
        law, activation, kinds="(nn.Linear, nn.Conv2d)" if kind == "conv" else "nn.Linear", bias=bias if biases else None
    )
    text = (
        head(f"{kind}: {traits}.")
        + init
        + block
        + "\n\n"
        + _whole(kind, width, blocks, activation, norm, place, residual, bool(init))
    )
    return Generated(name=name, kind=kind, traits=traits, text=text)


def _layer(kind: str, biases: bool) -> str:
    return (
        f"nn.Linear(width, width, bias={biases})" if kind == "mlp" else f"nn.Conv2d(width, width, 3, padding=1, bias={biases})"
    )


def _plain(kind: str, activation: str, norm: str, place: str, biases: bool) -> str:
    """fc → norm → activation, or fc → activation → norm."""
    lines = ["x = self.fc(x)", f"x = {activated(activation, 'x')}"]
    if norm != "none":
        lines.insert(1 if place == "before" else 2, "x = self.norm(x)")
    made = [f"self.fc = {_layer(kind, biases)}"] + ([f"self.norm = {NORMS[norm].format('width')}"] if norm != "none" else [])
    return _block("width: int", made, [*lines, "return x"])


def _residual(kind: str, activation: str, norm: str, place: str, residual: str, biases: bool) -> str:
    """x + fc2(activation(fc1(norm(x)))), or the norm after the sum."""
    made = [f"self.fc1 = {_layer(kind, biases)}", f"self.fc2 = {_layer(kind, biases)}"]
    if norm != "none":
        made.append(f"self.norm = {NORMS[norm].format('width')}")
    if residual == "scaled":
        made.append("self.scale = depth**-0.5")
    start = "self.norm(x)" if norm != "none" and place == "before" else "x"
    branch = f"self.fc2({activated(activation, f'self.fc1({start})')})"
    total = f"x + {'self.scale * ' if residual == 'scaled' else ''}{branch}"
    return _block(
        "width: int, depth: int",
        made,
        [f"return self.norm({total})" if norm != "none" and place == "after" else f"return {total}"],
    )


def _block(arguments: str, made: list[str], run: list[str]) -> str:
    inner = "\n".join(f"        {line}" for line in made)
    return (
        f"class Block(nn.Module):\n    def __init__(self, {arguments}) -> None:\n        super().__init__()\n{inner}\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n" + "\n".join(f"        {line}" for line in run) + "\n"
    )


def _whole(kind: str, width: int, blocks: int, activation: str, norm: str, place: str, residual: str, init: bool) -> str:
    """Stem, blocks, head."""
    plain = residual == "none"
    last = not plain and norm != "none" and place == "before"  # a pre-norm trunk is normalized before the head
    features, stem = (
        ("inputs: int = 64", "nn.Linear(inputs, width)")
        if kind == "mlp"
        else ("channels: int = 1", "nn.Conv2d(channels, width, 3, padding=1)")
    )
    made = [
        f"self.stem = {stem}",
        f"self.blocks = nn.ModuleList([Block({'width' if plain else 'width, depth'}) for _ in range(depth)])",
    ]
    made += [f"self.norm = {NORMS[norm].format('width')}"] if last else []
    made += ["self.head = nn.Linear(width, classes)"]
    made += ["self.apply(init_weights)"] if init else []
    made += ["for block in self.blocks:", "    nn.init.zeros_(block.fc2.weight)"] if residual == "zero" else []
    run = [f"x = {activated(activation, 'self.stem(x)') if plain else 'self.stem(x)'}"]
    if kind == "mlp":
        run += ["for block in self.blocks:", "    x = block(x)"]
    else:
        run += [
            "for number, block in enumerate(self.blocks):",
            "    if number == len(self.blocks) // 2:",
            "        x = F.avg_pool2d(x, 2)",
            "    x = block(x)",
        ]
    run += ["x = self.norm(x)"] if last else []
    run += ["return self.head(x.mean((2, 3)))" if kind == "conv" else "return self.head(x)"]
    lines = "\n".join(f"        {line}" for line in made)
    return (
        f"class Net(nn.Module):\n    def __init__(self, {features}, classes: int = 10, width: int = {width}, depth: int = {blocks}) -> None:\n"
        f"        super().__init__()\n{lines}\n\n    def forward(self, x: Tensor) -> Tensor:\n"
        + "\n".join(f"        {line}" for line in run)
        + "\n"
    )
