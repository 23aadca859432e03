"""Which start a weight should have: the call of torch.nn.init that a person would write, by what follows the layer.

A layer keeps the second moment of the signal when Var(w) = 1/(fan_in · E[φ(z)²]), z ~ N(0, 1), for the function φ before it;
in a net of one φ that is the gain 1/√E[φ²] everywhere: √2 for ReLU (He, Zhang, Ren, Sun 2015, arXiv:1502.01852), √(2/(1+a²)) for
a leaky one, 1 for linear layers (LeCun et al. 1998) and for tanh, which is critical there and neither explodes nor dies
exponentially (Schoenholz et al. 2017, arXiv:1611.01232). A sigmoid needs φ'(0)²(1+φ(0)²)·fan_in·Var(w) = 1, a gain of 3.6
(Kumar 2017, arXiv:1704.08863).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Literal

from initlint.fixes.names import added, reach

if TYPE_CHECKING:
    from initlint.fixes.calls import Draw
    from initlint.fixes.edit import Edit
    from initlint.fixes.tree import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A call of torch.nn.init without its tensor.

    arguments  as text; a word in double quotes is written with the file's own quotation marks, `math.` as the file has it, and
               `{tensor}` is what is initialized, `{module}` what holds it
    """

    function: str
    arguments: tuple[str, ...] = ()

    def written(self, code: Code, tensor: str) -> tuple[list[str], tuple[Edit, ...]]:
        """The arguments in the file's own style, and the imports that they need."""
        names = {"{tensor}": tensor, "{module}": tensor.rpartition(".")[0]}
        arguments = [_root(code, item).replace('"', code.quote) for item in self.arguments]
        arguments = [reduce(lambda text, name: text.replace(name, names[name]), names, item) for item in arguments]
        if not any("math." in item for item in arguments):
            return arguments, ()
        found = reach(code, "math")
        arguments = [item.replace("math.", f"{found.text}.") for item in arguments]
        return arguments, (added(code, found.missing),) if found.missing else ()

    def __str__(self) -> str:
        return f"{self.function}({', '.join(('…', *self.arguments))})".replace("{module}.", "").replace("{tensor}", "…")


def _root(code: Code, argument: str) -> str:
    """`std=(1 / n) ** 0.5` → `std=math.sqrt(1 / n)` in a file that has math."""
    name, _, value = argument.partition("=")
    if value.startswith("(") and value.endswith(") ** 0.5") and not reach(code, "math").missing:
        return f"{name}=math.sqrt{value.removesuffix(' ** 0.5')}"
    return argument


def scaled(variance: float, fan: str) -> Start:
    """Normal weights whose variance times the fan, as text, is this number."""
    return Start(function="normal_", arguments=(f"std=({variance:.3g} / {fan}) ** 0.5",))


ZEROS = Start(function="zeros_")
ONES = Start(function="ones_")
SMALL = Start(function="normal_", arguments=("std=0.02",))  # GPT-2's, for tables and tokens that a normalization follows

Fan = Literal["fan_in", "fan_out"]


def _gelu(z: float) -> float:
    return z * 0.5 * math.erfc(-z / math.sqrt(2))


def _silu(z: float) -> float:
    return z / (1 + math.exp(-z))


def _mish(z: float) -> float:
    return z * math.tanh(math.log1p(math.exp(z)))


def _elu(z: float) -> float:
    return z if z > 0 else math.expm1(z)


SMOOTH: Mapping[str, Callable[[float], float]] = {"gelu": _gelu, "silu": _silu, "mish": _mish, "elu": _elu, "celu": _elu}
RECTIFIERS = frozenset("relu relu6 hardswish rrelu prelu threshold".split())
SIGMOID_GAIN = 3.6  # 2·√(16/5) = 3.58


def gain_of(function: str, slope: float = 0.01) -> float:
    """1/√E[φ(z)²] for z ~ N(0, 1); 1 for functions that no other gain is known for."""
    if function in RECTIFIERS:
        return math.sqrt(2.0)
    if function == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + slope**2))
    if function == "sigmoid":
        return SIGMOID_GAIN
    if function not in SMOOTH:
        return 1.0
    step = 0.01
    points = [step * number for number in range(-800, 801)]
    square = sum(SMOOTH[function](z) ** 2 * math.exp(-z * z / 2) for z in points) * step / math.sqrt(2 * math.pi)
    return 1.0 / math.sqrt(square)


def starts_for(function: str, *, slope: float = 0.01, uniform: bool = False, fan: Fan = "fan_in") -> Iterator[Start]:
    """Starts for a layer that `function` follows ("" for none), the usual one first."""
    law = "uniform" if uniform else "normal"
    mode = (f'mode="{fan}"',) if fan == "fan_out" else ()
    if function in RECTIFIERS or function in SMOOTH:
        yield Start(function=f"kaiming_{law}_", arguments=(*mode, 'nonlinearity="relu"'))
    elif function == "leaky_relu":
        yield Start(function=f"kaiming_{law}_", arguments=(f"a={slope:g}", *mode))
    elif function == "sigmoid":
        yield Start(function=f"xavier_{law}_", arguments=(f"gain={SIGMOID_GAIN:g}",))
    elif function:
        yield Start(function=f"xavier_{law}_")
    else:
        yield Start(function=f"kaiming_{law}_", arguments=(*mode, 'nonlinearity="linear"'))
    gain = gain_of(function, slope)
    yield Start(function="orthogonal_", arguments=(f"gain={gain:.3g}",) if gain != 1.0 else ())


def lora_start(shape: tuple[int, ...], inputs: int) -> Start:
    """The usual first factor of an adapter, uniform in ±1/√n (Hu et al. 2021, arXiv:2106.09685): of a layer (r, n), or (n, r)."""
    turned = len(shape) == 2 and shape[0] == inputs != shape[1]
    return Start(function="kaiming_uniform_", arguments=("a=math.sqrt(5)", *(('mode="fan_out"',) if turned else ())))


# Methods of tensors, and what does the same in torch.nn.init.
METHODS = {"zero_": "zeros_", "fill_": "constant_", "normal_": "normal_", "uniform_": "uniform_"}


def same_start(code: Code, draw: Draw) -> Start | None:
    """The start that a call gives, to be written elsewhere; None where its arguments are not numbers or words alone."""
    function = METHODS.get(draw.function) if draw.method else draw.function
    arguments = []
    for item in draw.arguments:
        text = code.text(item.value)
        try:
            ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None
        arguments.append(text if item.keyword is None else f"{item.keyword.value}={text}")
    return None if function is None else Start(function=function, arguments=tuple(arguments))
