"""Recurrent nets and transformers over the rows of an image."""

from __future__ import annotations

from random import Random

from tests.calibration.text import DRAWN, NORMS, Generated, activated, choose, head, initializer, law_of

# -- recurrent ------------------------------------------------------------------------------------------------------------

CELLS = {"LSTM": 4, "GRU": 4, "RNN": 3, "hand": 3}
RECURRENT_LAWS = {
    "default": 10, "orthogonal": 6, "xavier": 5, "normal_10": 3, "lecun": 3, "normal_02": 2, "gain_2": 2, "normal_1": 2, "gain_3": 2,
    "gain_6": 1, "gain_03": 1, "constant_01": 1, "constant_10": 1, "uniform_01": 1, "zeros": 1,
}  # fmt: skip


def recurrent(number: int, random: Random) -> Generated:
    """A recurrent stack that reads row by row; the last state is classified."""
    cell = choose(random, CELLS)
    width, layers = random.choice((16, 32, 64)), random.choice((1, 1, 2, 4))
    law, forget = choose(random, RECURRENT_LAWS), choose(random, {"none": 6, "1.0": 3, "-4.0": 1}) if cell == "LSTM" else "none"
    activation = choose(random, {"tanh": 3, "relu": 2}) if cell in ("RNN", "hand") else "tanh"
    return stacked(f"recurrent_{number:03}", cell, width, layers, law, forget, activation)


def recurrent_reference() -> Generated:
    """One LSTM of 32 units as torch starts it."""
    return stacked("recurrent_reference", "LSTM", 32, 1, "default", "none", "tanh")


def stacked(name: str, cell: str, width: int, layers: int, law: str, forget: str, activation: str) -> Generated:
    """A recurrent stack.

    forget  what the bias of forget gates is set to, "none" where it is left alone
    """
    traits = f"{cell} width={width} layers={layers} {activation} law={law} forget={forget}"
    text = head(f"recurrent: {traits}.") + (
        _hand(width, layers, law, activation) if cell == "hand" else _module(cell, width, layers, law, forget, activation)
    )
    return Generated(name=name, kind="recurrent", traits=traits, text=text)


def _module(cell: str, width: int, layers: int, law: str, forget: str, activation: str) -> str:
    nonlinearity = ', nonlinearity="relu"' if activation == "relu" else ""
    start = []
    if law != "default":
        start += [
            "for name, parameter in self.rnn.named_parameters():", '    if "weight" in name:',
            f"        {law_of(law, activation, 'parameter')}", "    else:", "        nn.init.zeros_(parameter)",
        ]  # fmt: skip
    if forget != "none":
        start += [
            "for name, parameter in self.rnn.named_parameters():", '    if name.startswith("bias_ih"):',
            f"        nn.init.constant_(parameter[width : 2 * width], {forget})",
        ]  # fmt: skip
    lines = "\n".join(f"        {line}" for line in start)
    return (
        f"class Net(nn.Module):\n    def __init__(self, features: int = 8, classes: int = 10, width: int = {width}) -> None:\n        super().__init__()\n"
        f"        self.rnn = nn.{cell}(features, width, num_layers={layers}, batch_first=True{nonlinearity})\n"
        f"        self.head = nn.Linear(width, classes)\n{lines}{chr(10) if lines else ''}\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        states, _ = self.rnn(x)\n        return self.head(states[:, -1])\n"
    )


def _hand(width: int, layers: int, law: str, activation: str) -> str:
    init = initializer(law, activation)
    applied = "        self.apply(init_weights)\n" if init else ""
    return init + (
        "class Cell(nn.Module):\n    def __init__(self, features: int, width: int) -> None:\n        super().__init__()\n"
        "        self.read = nn.Linear(features, width)\n        self.keep = nn.Linear(width, width, bias=False)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        h = torch.zeros(x.shape[0], self.keep.in_features, device=x.device)\n        states = []\n"
        f"        for t in range(x.shape[1]):\n            h = {activated(activation, 'self.read(x[:, t]) + self.keep(h)')}\n            states.append(h)\n"
        "        return torch.stack(states, 1)\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, features: int = 8, classes: int = 10, width: int = {width}, layers: int = {layers}) -> None:\n"
        "        super().__init__()\n        self.cells = nn.ModuleList([Cell(width if n else features, width) for n in range(layers)])\n"
        f"        self.head = nn.Linear(width, classes)\n{applied}\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        for cell in self.cells:\n            x = cell(x)\n        return self.head(x[:, -1])\n"
    )


# -- attention ------------------------------------------------------------------------------------------------------------


def attention(number: int, random: Random) -> Generated:
    """A transformer over the rows of an image."""
    depth, width = random.choice((1, 2, 2, 3, 4, 6, 8)), random.choice((32, 32, 64))
    heads = random.choice((1, 2, 4))
    place = choose(random, {"pre": 6, "post": 3, "none": 2})
    norm = choose(random, {"layer": 3, "rms": 1})
    skip = choose(random, {"plain": 8, "scaled": 1, "none": 2})
    scaled = random.random() < 0.7
    return written(
        f"attention_{number:03}",
        depth,
        width,
        heads,
        place,
        norm,
        skip,
        scaled,
        choose(random, DRAWN),
        choose(random, {"gelu": 3, "relu": 2}),
    )


def attention_reference() -> Generated:
    """Two pre-norm blocks of width 32 as torch starts them."""
    return written("attention_reference", 2, 32, 4, "pre", "layer", "plain", True, "default", "gelu")


def written(
    name: str, depth: int, width: int, heads: int, place: str, norm: str, skip: str, scaled: bool, law: str, activation: str
) -> Generated:  # fmt: skip
    """A transformer.

    place   of norms: pre, post or none
    skip    what is done to branches before they are added: plain, scaled, or none where there is no residual connection
    scaled  scores are divided by the root of the width of a head
    """
    traits = f"depth={depth} width={width} heads={heads} {activation} norm={place if place == 'none' else norm + '-' + place} residual={skip} scores={'scaled' if scaled else 'raw'} law={law}"
    init = initializer(law, activation)
    made = [
        "self.attention = Attention(width, heads)",
        "self.fc1 = nn.Linear(width, 4 * width)",
        "self.fc2 = nn.Linear(4 * width, width)",
    ]
    made += [f"self.norm{n} = {NORMS[norm].format('width')}" for n in (1, 2)] if place != "none" else []
    made += ["self.scale = (2 * depth) ** -0.5"] if skip == "scaled" else []
    pre = [f"self.norm{n}(x)" if place == "pre" else "x" for n in (1, 2)]
    branches = [f"self.attention({pre[0]})", f"self.fc2({activated(activation, f'self.fc1({pre[1]})')})"]
    before = {"plain": "x + ", "scaled": "x + self.scale * ", "none": ""}[skip]
    run = [
        f"x = self.norm{n}({before}{branch})" if place == "post" else f"x = {before}{branch}"
        for n, branch in enumerate(branches, 1)
    ]
    block = (
        "class Block(nn.Module):\n    def __init__(self, width: int, heads: int, depth: int) -> None:\n        super().__init__()\n"
        + "".join(f"        {line}\n" for line in made)
        + "\n    def forward(self, x: Tensor) -> Tensor:\n"
        + "".join(f"        {line}\n" for line in run)
        + "        return x\n"
    )
    last = place == "pre"
    whole = (
        f"class Net(nn.Module):\n    def __init__(self, features: int = 8, classes: int = 10, length: int = 8, width: int = {width}, heads: int = {heads}, depth: int = {depth}) -> None:\n"
        "        super().__init__()\n        self.embed = nn.Linear(features, width)\n        self.place = nn.Parameter(0.02 * torch.randn(length, width))\n"
        "        self.blocks = nn.ModuleList([Block(width, heads, depth) for _ in range(depth)])\n"
        + (f"        self.norm = {NORMS[norm].format('width')}\n" if last else "")
        + "        self.head = nn.Linear(width, classes)\n"
        + ("        self.apply(init_weights)\n" if init else "")
        + "\n    def forward(self, x: Tensor) -> Tensor:\n        x = self.embed(x) + self.place\n        for block in self.blocks:\n            x = block(x)\n"
        + f"        return self.head({'self.norm(x)' if last else 'x'}.mean(1))\n"
    )
    divided = " / (q.shape[-1] ** 0.5)" if scaled else ""
    mixing = (
        "class Attention(nn.Module):\n    def __init__(self, width: int, heads: int) -> None:\n        super().__init__()\n        self.heads = heads\n"
        + "".join(f"        self.{part} = nn.Linear(width, width)\n" for part in ("query", "key", "value", "out"))
        + "\n    def split(self, x: Tensor) -> Tensor:\n        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))\n"
        f"        weights = F.softmax(q @ k.transpose(-2, -1){divided}, dim=-1)\n"
        "        return self.out((weights @ v).transpose(1, 2).flatten(2))\n"
    )
    return Generated(
        name=name,
        kind="attention",
        traits=traits,
        text=head(f"attention: {traits}.") + init + mixing + "\n\n" + block + "\n\n" + whole,
    )
