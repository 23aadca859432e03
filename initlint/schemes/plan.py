"""The values of a scheme: a draw at a place is a change, changes are a plan; or the scheme does not apply and says why.

A draw is one call of a function in plain PyTorch, of `torch.nn.init` or of `draws`. What is applied in place and what is
printed for the user are the same call, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Option = float | int | bool | str


class DoesNotApply(ValueError):
    """A scheme does not fit an architecture, or lacks what it needs; the message says why, and nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A parameter or a part of it, as a matrix or kernel whose first dimension is the output.

    parameter   qualified name, as `model.get_parameter` takes it
    transposed  it is stored (in, out)
    rows        (start, stop) of the output units meant; None for all
    item        index into a stack of matrices; None where there is no stack
    """

    parameter: str
    transposed: bool = False
    rows: tuple[int, int] | None = None
    item: int | None = None

    @property
    def view(self) -> str:
        """What is appended to the tensor to reach the place."""
        item = "" if self.item is None else f"[{self.item}]"
        turned = ".transpose(0, 1)" if self.transposed else ""
        rows = "" if self.rows is None else f"[{self.rows[0]}:{self.rows[1]}]"
        return item + turned + rows


@dataclass(frozen=True, slots=True)
class Draw:
    """One call: `function(tensor, **options)`; a method of the tensor where the name begins with a dot."""

    function: str
    options: tuple[tuple[str, Option], ...] = ()

    def __str__(self) -> str:
        return self.text("·").replace("nn.init.", "").replace("(·, ", "(").replace("(·)", "").replace("·.", "")

    def text(self, target: str) -> str:
        """The call as source code."""
        if self.function.startswith("."):
            return f"{target}{self.function}({', '.join(repr(value) for _, value in self.options)})"
        return f"{self.function}({', '.join((target, *(f'{name}={value!r}' for name, value in self.options)))})"


def draw(function: str, **options: Option) -> Draw:
    """A draw whose numbers have six digits, as they are printed."""
    return Draw(function, tuple((name, _rounded(value)) for name, value in options.items()))


def _rounded(value: Option) -> Option:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def normal(std: float) -> Draw:
    """N(0, std²)."""
    return zeros() if std == 0 else draw("nn.init.normal_", std=std)


def uniform(std: float) -> Draw:
    """U(−√3 std, √3 std), of variance std²."""
    bound = 3**0.5 * std
    return draw("nn.init.uniform_", a=-bound, b=bound)


def zeros() -> Draw:
    """Zero."""
    return Draw("nn.init.zeros_")


def constant(value: float) -> Draw:
    """Every entry `value`."""
    return zeros() if value == 0 else draw("nn.init.constant_", val=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write.

    place, draw  what is written where
    why          which prescription of the scheme it follows: "branch output, 1/√24"
    before       what was there: "normal, std 0.02"; filled when the plan is made
    std          root mean square of the entries after it, where it is known without drawing
    rate         factor on the learning rate that belongs to it, for an adaptive optimizer (μP); 1 for all other schemes
    """

    place: Place
    draw: Draw
    why: str
    before: str = ""
    std: float | None = None
    rate: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a scheme would change, in order of execution of the layers, and what it cannot say in weights.

    notes  what the author has to know or to do: a scale missing in `forward`, weights that were left alone
    """

    scheme: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    options: tuple[tuple[str, Option], ...] = field(default=())
