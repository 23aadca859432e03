"""Nets in which one quantity is varied at a time, for the thresholds of warnings that the other nets hardly meet.

    scale   by how much plain rectifier nets grow or shrink their signal                  exploding-signal, vanishing-signal
    (number)  nets as `nets` writes them, chosen by what was said of them               saturated-activation, vanishing-signal
    sharp   by how much logits of an attention differ, with a residual connection and without      saturated-activation
    alike   over how many attentions without residual connections tokens become alike      rank-collapse
    steep   how far into their flat parts activations behind norms are driven, and how often      saturated-activation
    flat    over how many sigmoids what the input says is lost                             vanishing-signal
    faint   the same in narrow nets                                                       vanishing-signal
    rough   over how many residual blocks that amplify differences gradients grow         exploding-gradient
    chaos   over how many saturating layers without norm gradients grow                   exploding-gradient
    narrow  how deep a stack of norms over each sample is for its width, with no trunk      narrow-stack
    positive  how many layers have weights of one sign                                    lopsided-weight
    within  over how many layers with a norm over each sample, and no trunk, gradients grow     exploding-gradient
    same    weights that are one constant, recurrent or beside a random table of places    symmetric-initialization
    tied    weights that are one constant in branches whose trunk has random biases       symmetric-initialization
    frozen  what a trainable branch adds to a frozen perceptron, relative to it           disturbed-frozen-model
    fan     convolutions drawn for a fan without their groups or without their kernel     miscounted-fan
    alpha   the scale of adapters, with the usual start and with the zero in A            lora-scaling, zero-down-projection
    grow    by how much the state of rectified recurrent nets grows per step                exploding-signal
    start   how far adapters with two random factors change a layer                       lora-not-identity
    gate    where the sigmoid starts that lets the only nonlinear path through            closed-gate

They are trained and labelled as the others are (`training`, `labels`), into records of their own. A frozen net counts as an
adapter, one of alpha too, a fan net as a convolutional one. Gates are asked for the parity of a digit, which a linear net does not reach.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from tests.calibration import adapters, plain, sequences
from tests.calibration.text import Generated, activated, head

DECADES = (6, 5, 4, 3, 2, -4, -5, -6, -7, -8)
SHARES = (0.03, 0.1, 0.2, 0.4, 0.7, 1.2, 2.5)
GROUPS = (2, 4, 8, 16)
KERNELS = ((1, 2), (2, 2), (3, 3), (5, 5))
ALPHAS = {
    "usual": (0.002, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1, 16, 256, 1000, 3000, 10000, 30000),
    "random_b": (1, 8, 32, 128, 512, 2000),
}
WRITERS = {
    "mlp": plain.mlp,
    "conv": plain.conv,
    "recurrent": sequences.recurrent,
    "attention": sequences.attention,
    "adapter": adapters.adapter,
}
FACTORS = (1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 3.0, 4.0, 6.0)
CHANGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.3, 1.6, 2.0)  # two kaiming_uniform_ factors: scale/√3
STARTS = (-12.0, -10.0, -8.0, -7.0, -6.0, -5.0, -4.0, -2.0, 6.0, 8.0)


# Of 200 transformers as `nets` writes them, those of which anything was said about attention, growth or gradients.
REPORTED = (
    2019, 2032, 2036, 2040, 2051, 2053, 2060, 2061, 2070, 2078, 2087, 2093, 2094, 2108, 2110, 2115, 2123, 2127, 2128, 2138,
    2144, 2147, 2155, 2156, 2157, 2167, 2181, 2186, 2192, 2193,
)  # fmt: skip

# Of 430 perceptrons as `nets` writes them, those whose signal was said to vanish, as an error.
VANISHING = (
    5010, 5019, 5022, 5055, 5056, 5074, 5077, 5104, 5148, 5159, 5166, 5183, 5196, 5197, 5234, 5242, 5282, 5297, 5323, 5400,
    5409, 5422, 5425, 5438, 5443, 5458, 5461, 5468, 5491,
)  # fmt: skip
# Of 595 nets more, as many of each kind as are unseen, those of which an error or a warning was said: whether it holds.
TOLD = {
    "adapter": (
        2000, 2001, 2003, 2004, 2005, 2006, 2008, 2009, 2010, 2012, 2013, 2018, 2026, 2030, 2033, 2035, 2040, 2041,
        2042, 2046, 2049,
    ),
    "attention": (
        2021, 2025, 2037, 2039, 2046, 2065, 2072,
    ),
    "conv": (
        2002, 2017, 2021, 2023, 2027, 2045, 2100, 2101, 2102, 2103, 2105, 2106, 2110,
    ),
    "mlp": (
        2000, 2006, 2021, 2022, 2025, 2030, 2033, 2034, 2036, 2037, 2038, 2040, 2059, 2063, 2064, 2088, 2089, 2091,
        2098, 2104, 2106, 2108, 2116, 2122, 2131, 2132, 2139, 2140, 2142, 2148, 2151, 2158, 2175, 2176, 2183, 2193,
        2210, 2214, 2217, 2219, 2220, 2222, 2223, 2224, 2232, 2237, 2246, 2249, 2301, 2303, 2308, 2310, 2312, 2314,
        2315, 2317, 2318, 2319, 2320, 2321, 2323, 2325, 2327, 2328, 2330, 2331, 2332, 2336, 2339, 2341, 2342, 2353,
        2354, 2355, 2356, 2358, 2359, 2361, 2364, 2368, 2369, 2370, 2374, 2375, 2377, 2378, 2379,
    ),
    "recurrent": (
        2007, 2021, 2035, 2052, 2054, 2056,
    ),
}  # fmt: skip
DEEPEST = {"mlp": 2300, "conv": 2100}  # and from these on the writers of deep nets
DEEPER = 5400  # from this number on they are those of `deep_mlp`


@cache
def probes() -> Sequence[Generated]:
    """All of them."""
    return (
        *_stacks(),
        *_alphas(),
        *_attentions(),
        *_constants(),
        *_tied(),
        *_faint(),
        *_scales(),
        *_recurrences(),
        *_within(),
        *_narrow(),
        *_slim(),
        *_thin(),
        *_positive(),
        *_reported(),
        *_chaos(),
        *_gates(),
        *_fans(),
        *_frozen(),
    )


def gate_reference() -> Generated:
    """Half open."""
    return _gate("gate_reference", 0.0, 2, "1")


def _scales() -> Iterator[Generated]:
    for depth in (6, 12):
        for decades in DECADES:
            yield _scale(f"mlp_scale_{depth}_{decades}", depth, decades)


def _slim() -> Iterator[Generated]:
    for width in (16, 32):
        for depth in (4, 8):
            for decades in (2, 2.5, 3, 3.5, 4):
                yield _scale(f"mlp_slim_{width}_{depth}_{decades}", depth, decades, width)


def _thin() -> Iterator[Generated]:
    for activation, gain in (("relu", 2.0), ("gelu", 2.0), ("tanh", 1.0)):
        for depth in (6, 12):
            for decades in (-4, -5, -6):
                std = f"{10 ** (decades / depth):.6g} * ({gain} / 144) ** 0.5"
                traits = f"scale: conv {activation} depth={depth} decades={decades}"
                text = head(f"{traits}.") + (
                    "def init_weights(module: nn.Module) -> None:\n    if isinstance(module, nn.Conv2d):\n"
                    f"        nn.init.normal_(module.weight, std={std})\n        nn.init.zeros_(module.bias)\n\n\n"
                    f"class Net(nn.Module):\n    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16, depth: int = {depth}) -> None:\n        super().__init__()\n"
                    "        self.stem = nn.Conv2d(channels, width, 3, padding=1)\n"
                    "        self.layers = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)])\n"
                    "        self.head = nn.Linear(width, classes)\n        self.layers.apply(init_weights)\n\n"
                    f"    def forward(self, x: Tensor) -> Tensor:\n        x = {activated(activation, 'self.stem(x)')}\n"
                    f"        for layer in self.layers:\n            x = {activated(activation, 'layer(x)')}\n        return self.head(x.mean((2, 3)))\n"
                )
                yield Generated(name=f"conv_scale_{activation}_{depth}_{decades}", kind="conv", traits=traits, text=text)


def _scale(name: str, depth: int, decades: float, width: int = 64) -> Generated:
    traits = f"scale: depth={depth}{'' if width == 64 else f' width={width}'} decades={decades}"
    text = head(f"{traits}.") + (
        "def init_weights(module: nn.Module) -> None:\n    if isinstance(module, nn.Linear):\n"
        f"        nn.init.normal_(module.weight, std={10 ** (decades / depth):.6g} * (2 / module.in_features) ** 0.5)\n        nn.init.zeros_(module.bias)\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, inputs: int = 64, classes: int = 10, width: int = {width}, depth: int = {depth}) -> None:\n        super().__init__()\n"
        "        self.stem = nn.Linear(inputs, width)\n        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])\n"
        "        self.head = nn.Linear(width, classes)\n        self.layers.apply(init_weights)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        x = F.relu(self.stem(x))\n        for layer in self.layers:\n            x = F.relu(layer(x))\n        return self.head(x)\n"
    )
    return Generated(name=name, kind="mlp", traits=traits, text=text)


def _recurrences() -> Iterator[Generated]:
    for factor in FACTORS:
        for cell, width in (("RNN", 16), ("RNN", 64), ("hand", 32)):
            yield sequences.stacked(f"recurrent_grow_{cell}_{width}_{factor}", cell, width, 1, f"x{factor}", "none", "relu")


def _attentions() -> Iterator[Generated]:
    for skip, place in (("plain", "pre"), ("plain", "post"), ("none", "pre")):
        for law in ("gain_3", "gain_6"):
            yield sequences.written(f"attention_sharp_{skip}_{place}_{law}", 2, 32, 1, place, "layer", skip, False, law, "gelu")
    for depth in (1, 2, 3, 4):
        yield sequences.written(f"attention_alike_{depth}", depth, 32, 4, "none", "layer", "none", True, "orthogonal", "relu")
        for law in ("xavier", "kaiming"):
            name = f"attention_alike_{law}_{depth}"
            yield sequences.written(name, depth, 64, 2, "pre", "layer", "none", True, law, "gelu")


def _frozen() -> Iterator[Generated]:
    for share in SHARES:
        for reads in ("layer", "input"):
            for depth, activation in ((1, "relu"), (4, "gelu")):
                yield _branched(f"adapter_frozen_{reads}_{depth}_{share}", share, reads, depth, activation)


def _branched(name: str, share: float, reads: str, depth: int, activation: str) -> Generated:
    """share  deviation of the branch's last weights, in 1/√fan"""
    traits = f"frozen: branch reads {reads} depth={depth} {activation} last={share}/fan**0.5"
    made = "base.in_features" if reads == "layer" else "inputs"
    given = "x" if reads == "layer" else "start"
    text = head(f"{traits}.") + (
        "class Branched(nn.Module):\n    def __init__(self, base: nn.Linear, inputs: int, hidden: int = 16) -> None:\n        super().__init__()\n"
        f"        self.base = base.requires_grad_(False)\n        self.inner = nn.Linear({made}, hidden)\n        self.outer = nn.Linear(hidden, base.out_features)\n"
        "        nn.init.kaiming_normal_(self.inner.weight)\n"
        f"        nn.init.normal_(self.outer.weight, std={share} * hidden**-0.5)\n        nn.init.zeros_(self.outer.bias)\n        self.scale = 1.0\n\n"
        "    def forward(self, x: Tensor, start: Tensor) -> Tensor:\n"
        f"        return self.base(x) + self.scale * self.outer({activated(activation, f'self.inner({given})')})\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, inputs: int = 64, classes: int = 10, width: int = 64, depth: int = {depth}) -> None:\n        super().__init__()\n"
        "        self.layers = nn.ModuleList([Branched(nn.Linear(inputs if n == 0 else width, width), inputs) for n in range(depth + 1)])\n"
        "        self.head = nn.Linear(width, classes).requires_grad_(False)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        start = x\n        for layer in self.layers:\n"
        f"            x = {activated(activation, 'layer(x, start)')}\n        return self.head(x)\n"
    )
    return Generated(name=name, kind="adapter", traits=traits, text=text)


def _stacks() -> Iterator[Generated]:
    for depth in (2, 3, 4, 6, 8):
        for activation in ("tanh", "sigmoid"):
            for law in ("gain_3", "gain_6", "normal_1"):
                for norm, place in (("layer", "before"), ("layer", "after"), ("none", "before")):
                    name = f"mlp_steep_{norm}{'_after' if place == 'after' else ''}_{activation}_{law}_{depth}"
                    yield plain.written(name, "mlp", depth, 64, activation, norm, place, "none", law, True, 0.0)
            yield plain.written(
                f"mlp_steep_wide_{activation}_{depth}",
                "mlp",
                depth,
                256,
                activation,
                "none",
                "before",
                "none",
                "normal_1",
                True,
                0.0,
            )
        for norm, place in (("none", "before"), ("rms", "after")):
            for law in ("normal_02", "gain_03", "xavier"):
                yield plain.written(
                    f"mlp_flat_{norm}_{law}_{depth}", "mlp", depth, 64, "sigmoid", norm, place, "none", law, True, 0.0
                )
    for depth in (16, 32, 64, 96):
        for law in ("kaiming", "gain_2"):
            for width in (16, 64):
                yield plain.written(
                    f"mlp_rough_{law}_{width}_{depth}", "mlp", depth, width, "tanh", "none", "before", "plain", law, True, 0.0
                )


def _within() -> Iterator[Generated]:
    for depth in (16, 24, 32):
        for activation in ("tanh", "silu", "relu"):
            for law in ("kaiming", "gain_3"):
                yield plain.written(
                    f"mlp_within_{activation}_{law}_{depth}",
                    "mlp",
                    depth,
                    64,
                    activation,
                    "layer",
                    "after",
                    "none",
                    law,
                    True,
                    0.0,
                )


def _narrow() -> Iterator[Generated]:
    for activation, norm, place, law in (
        ("relu", "layer", "before", "kaiming"),
        ("gelu", "rms", "after", "kaiming"),
        ("tanh", "layer", "before", "xavier_gain"),
        ("relu", "rms", "before", "default"),
    ):
        for depth, width in (
            (16, 16),
            (24, 16),
            (32, 16),
            (48, 16),
            (32, 32),
            (48, 32),
            (64, 32),
            (96, 32),
            (96, 64),
            (128, 64),
        ):
            name = f"mlp_narrow_{activation}_{norm}_{place}_{width}_{depth}"
            yield plain.written(name, "mlp", depth, width, activation, norm, place, "none", law, True, 0.0)
    for activation, norm in (("relu", "layer"), ("gelu", "rms"), ("tanh", "layer")):
        for depth in (16, 24, 32, 48):
            name = f"mlp_narrow_orthogonal_{activation}_{norm}_{depth}"
            yield plain.written(name, "mlp", depth, 16, activation, norm, "before", "none", "orthogonal", True, 0.0)


def _positive() -> Iterator[Generated]:
    for depth in (2, 4, 8):
        for law in ("positive", "positive_he"):
            for norm, place in (("none", "before"), ("batch", "before"), ("layer", "before"), ("rms", "after")):
                yield plain.written(
                    f"mlp_positive_{norm}_{law}_{depth}", "mlp", depth, 64, "relu", norm, place, "none", law, True, 0.0
                )
    for depth in (12, 20):
        for norm, place in (("none", "before"), ("batch", "before"), ("batch", "after"), ("rms", "after"), ("layer", "before")):
            yield plain.written(
                f"mlp_positive_{norm}_{place}_{depth}", "mlp", depth, 64, "relu", norm, place, "none", "positive", True, 0.0
            )
    for norm, place in (("none", "before"), ("batch", "before"), ("rms", "after")):
        for depth in (2, 4, 8):
            yield plain.written(
                f"mlp_positive_shifted_{norm}_{depth}", "mlp", depth, 64, "relu", norm, place, "none", "shifted", True, 0.0
            )
        for depth in (8, 12, 20):
            yield plain.written(
                f"mlp_positive_narrow_{norm}_{depth}", "mlp", depth, 16, "relu", norm, place, "none", "positive", True, 0.0
            )
    for law in ("positive", "positive_he"):
        for norm in ("none", "batch", "layer"):
            yield plain.written(
                f"mlp_positive_skip_{norm}_{law}", "mlp", 8, 64, "relu", norm, "before", "plain", law, True, 0.0
            )


def _chaos() -> Iterator[Generated]:
    for depth in (6, 8, 12, 16, 24):
        for width in (32, 64):
            for law in ("gain_2", "gain_3"):
                name = f"mlp_chaos_{law}_{width}_{depth}"
                yield plain.written(name, "mlp", depth, width, "tanh", "none", "before", "none", law, True, 0.0)


def _reported() -> Iterator[Generated]:
    for number in REPORTED:
        yield sequences.attention(number, Random(zlib.crc32(f"attention {number}".encode())))
    for kind, numbers in TOLD.items():
        for number in numbers:
            deep = number >= DEEPEST.get(kind, number + 1)
            write = {"mlp": plain.deep_mlp, "conv": plain.deep_conv}[kind] if deep else WRITERS[kind]
            yield write(number, Random(zlib.crc32(f"{kind} {number}".encode())))
    for number in VANISHING:
        write = plain.mlp if number < DEEPER else plain.deep_mlp
        yield write(number, Random(zlib.crc32(f"mlp {number}".encode())))


def _constants() -> Iterator[Generated]:
    for depth in (1, 2, 4):
        for law in ("constant_01", "constant_10"):
            for place in ("pre", "none"):
                name = f"attention_same_{place}_{law}_{depth}"
                yield sequences.written(name, depth, 32, 1, place, "layer", "plain", True, law, "gelu")
    for cell in ("LSTM", "GRU", "RNN"):
        for layers in (1, 2):
            for law in ("constant_01", "constant_10"):
                yield sequences.stacked(f"recurrent_same_{cell}_{layers}_{law}", cell, 32, layers, law, "none", "tanh")


def _faint() -> Iterator[Generated]:
    for depth in (3, 4, 6):
        for width in (8, 16, 32):
            for law in ("normal_02", "gain_03", "default"):
                name = f"mlp_faint_{law}_{width}_{depth}"
                yield plain.written(name, "mlp", depth, width, "sigmoid", "none", "before", "none", law, True, 0.0)


def _tied() -> Iterator[Generated]:
    for depth in (4, 12, 24, 48):
        for law in ("constant_01", "constant_10"):
            for activation, norm in (("relu", "none"), ("tanh", "none"), ("relu", "batch"), ("gelu", "layer")):
                yield plain.written(
                    f"mlp_tied_{activation}_{norm}_{law}_{depth}",
                    "mlp",
                    depth,
                    32,
                    activation,
                    norm,
                    "before",
                    "plain",
                    law,
                    False,
                    0.0,
                )


def _alphas() -> Iterator[Generated]:
    for alpha in ALPHAS["usual"][2:9]:
        yield adapters.written(f"adapter_alpha_deep_{alpha:g}", "usual", "alpha / rank", 16, alpha, 4, 64, "tanh")
    for change in CHANGES:
        for depth, width, activation in ((1, 64, "relu"), (2, 128, "gelu"), (4, 64, "tanh")):
            scale = f"{change * 3**0.5:.3g}"
            yield adapters.written(f"adapter_start_{depth}_{change}", "both_random", scale, 8, 8, depth, width, activation)
    for start, alphas in ALPHAS.items():
        for alpha in alphas:
            yield adapters.written(f"adapter_alpha_{start}_{alpha:g}", start, "alpha / rank", 8, alpha, 2, 64, "relu")


def _fans() -> Iterator[Generated]:
    for depth in (2, 4, 8):
        for groups in GROUPS:
            layers = f"nn.Conv2d(width, width, 3, padding=1, groups={groups}), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()"
            law = 'nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")'
            yield _fan(f"conv_groups_{depth}_{groups}", f"groups={groups} depth={depth}", layers, law, depth)
        for kernel in KERNELS:
            layers = f'nn.Conv2d(width, width, {kernel}, padding="same"), nn.ReLU()'
            law = "nn.init.normal_(module.weight, std=(2 / module.weight.shape[1]) ** 0.5)"
            places = kernel[0] * kernel[1]
            yield _fan(f"conv_kernel_{depth}_{places}", f"kernel={places} depth={depth}", layers, law, depth)


def _fan(name: str, traits: str, layers: str, law: str, depth: int) -> Generated:
    text = head(f"fan: {traits}.") + (
        f"def init_weights(module: nn.Module) -> None:\n    if isinstance(module, nn.Conv2d):\n        {law}\n        nn.init.zeros_(module.bias)\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16, depth: int = {depth}) -> None:\n        super().__init__()\n"
        "        self.stem = nn.Conv2d(channels, width, 3, padding=1)\n"
        f"        self.blocks = nn.Sequential(*[nn.Sequential({layers}) for _ in range(depth)])\n        self.blocks.apply(init_weights)\n"
        "        self.head = nn.Linear(width, classes)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        x = F.relu(self.stem(x))\n        return self.head(self.blocks(x).mean((2, 3)))\n"
    )
    return Generated(name=name, kind="conv", traits=traits, text=text)


def _gates() -> Iterator[Generated]:
    for start in STARTS:
        for depth, size in ((1, "1"), (3, "width")):
            yield _gate(f"gate_{depth}_{start:g}", start, depth, size)


def _gate(name: str, start: float, depth: int, size: str) -> Generated:
    """size  of the gate: one number, or one for each channel"""
    traits = f"gate={start:g} of {size} depth={depth}"
    text = head(f"{traits}.") + (
        "class Block(nn.Module):\n    def __init__(self, width: int) -> None:\n        super().__init__()\n"
        "        self.inner = nn.Linear(width, width)\n        self.outer = nn.Linear(width, width)\n"
        f"        self.gate = nn.Parameter(torch.full(({size},), {start}))\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        return x + torch.sigmoid(self.gate) * self.outer(F.relu(self.inner(x)))\n\n\n"
        f"class Net(nn.Module):\n    def __init__(self, inputs: int = 64, classes: int = 2, width: int = 64, depth: int = {depth}) -> None:\n        super().__init__()\n"
        "        self.stem = nn.Linear(inputs, width)\n        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])\n        self.head = nn.Linear(width, classes)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        x = self.stem(x)\n        for block in self.blocks:\n            x = block(x)\n        return self.head(x)\n"
    )
    return Generated(name=name, kind="gate", traits=traits, text=text)
