"""Monte Carlo, the judge of the propagation: real weights and inputs, run node by node, against what was predicted.

A draw is one fresh construction of the model with its own seed, inputs drawn as `InputLaw` says, and cotangents of a random
direction and second moment one on every floating output. Of every node the value is measured when it is produced, before a
later operator writes to it; its gradient comes from a tensor hook, which autograd also binds to the value at that time. Sums
are kept in float64 and the standard error is taken over draws, not over elements, because the elements of one draw share
their weights.
"""

from __future__ import annotations

import contextlib
import math
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from initlint.propagate.calls import VIEWS, in_floats, name_of, writes

if TYPE_CHECKING:
    import torch
    from torch import fx, nn

    from initlint.graph.model import InputLaw, TracedModel
    from initlint.propagate.signals import Signal

Layout = tuple[tuple[int, str], ...]  # (size, role) of each axis of a node, major first
ROUNDING = 2.0**-20  # relative size of what float32 leaves of an exact zero after a few cancellations
EPSILON = 2.0**-23  # of float32
ALIASES = VIEWS | {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}  # a dropout by zero gives what it got
SMALL, LARGE = 2.0**-90, 2.0**127  # sums of squares that float32 adds up without loss
LEAST = 4  # draws; the standard error of fewer says little


class CannotMeasure(Exception):
    """The program cannot be run on real tensors: a constant has no values, or an operator refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over draws and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.error:.1g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one node was found to be, over the draws; None where a quantity is not defined for it."""

    second_moment: Estimate
    mean: Estimate | None = None
    zero_fraction: Estimate | None = None
    grad_second_moment: Estimate | None = None
    k_pos: Estimate | None = None
    k_batch: Estimate | None = None
    noise: float = 0.0  # second moment below which a value is rounding error
    grad_noise: float = 0.0
    draws: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Prediction against measurement at one node; errors are |log2(predicted/measured)| in bits, inf where one is zero.

    doubt, grad_doubt   one standard error of the measurement, in bits
    """

    node: str
    predicted: float | None
    measured: Estimate
    bits: float
    doubt: float
    grad_predicted: float | None
    grad_measured: Estimate | None
    grad_bits: float | None
    grad_doubt: float


def measure(
    traced: TracedModel,
    build: Callable[[], nn.Module],
    draws: int = 8,
    seed: int = 0,
    layouts: Mapping[str, Layout] | None = None,
    seconds: float = math.inf,
) -> dict[str, Measured]:
    """Statistics of every floating node over `draws` constructions; `layouts` says which axes are samples and positions.

    Drawing ends early after `seconds`, with LEAST draws at least.

    Raises:
        CannotMeasure: the program needs a value nobody kept, or cannot run on the CPU.
    """
    sample = Sample(traced, lambda: constructed(traced, build), seed)
    sample.draw(draws, layouts or {}, seconds)
    return sample.measured()


class Sample:
    """Draws of one program, with weights from anywhere: each call of `weights` gives those of one draw, by placeholder name.

    Every draw has its number, so that the same ones are taken however they are divided up.
    """

    def __init__(self, traced: TracedModel, weights: Callable[[], dict[str, torch.Tensor]], seed: int) -> None:
        self.traced, self.weights, self.seed = traced, weights, seed
        self.count = 0
        self.found: dict[str, list[dict[str, float]]] = {}

    def draw(self, draws: int, layouts: Mapping[str, Layout] | None, seconds: float = math.inf) -> None:
        """Take more draws; without layouts only second moments and gradients, in float32 where its range allows: many times faster.

        Drawing ends early after `seconds`, with LEAST draws at least.
        """
        import torch

        with torch.random.fork_rng(devices=[]), _quiet_threads():
            start = time.monotonic()
            for n in range(draws):
                if n >= LEAST and time.monotonic() - start > seconds:
                    break
                torch.manual_seed(self.seed * 100_003 + self.count)
                self.count += 1
                for name, quantities in _one_draw(self.traced, self.weights, _Run(layouts or {}, layouts is None)).items():
                    self.found.setdefault(name, []).append(quantities)

    def measured(self) -> dict[str, Measured]:
        """Of every floating node, what the draws so far say."""
        return {name: _measured(rows) for name, rows in self.found.items()}


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """The caller's default dtype and grad mode are restored; warnings of a model's constructor are not ours to show."""
    import warnings

    import torch

    dtype = torch.get_default_dtype()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(dtype)


def constructed(traced: TracedModel, build: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    """The weights of a fresh model in train mode, by placeholder name."""
    model = build()
    model.train()
    return weights_of(traced, model)


def _one_draw(
    traced: TracedModel, weights: Callable[[], dict[str, torch.Tensor]], run: _Run
) -> dict[str, dict[str, float]]:
    import torch

    leaves = weights()
    for name, law in traced.inputs.items():
        leaves[name] = draw_input(law)
    for name, parameter in traced.parameters.items():
        if parameter.law.family == "uninitialized":  # memory nobody wrote is taken as zero; what lies there is nobody's
            leaves[name].detach().zero_()
    graph_module = traced.program.graph_module
    values = run.graph(graph_module, leaves)
    losses = []
    for name in traced.outputs:
        value = values[name]
        if isinstance(value, torch.Tensor) and value.requires_grad:
            real = torch.view_as_real(value) if value.is_complex() else value
            losses.append((real.double() * white_noise(real.shape)).sum())
    if losses:
        torch.autograd.backward(losses)
    run.share_gradients()
    run.gradient_noise(traced.program.graph)
    return run.found


def white_noise(shape: Sequence[int]) -> torch.Tensor:
    """A random direction with E[g²] = 1 in every draw: N(0, 1) without the noise of its length, which few outputs would feel."""
    import torch

    noise = torch.randn(tuple(shape), dtype=torch.float64)
    return noise * (noise.numel() / noise.square().sum().clamp_min(1e-300)).sqrt()


def weights_of(traced: TracedModel, model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters, buffers and constants of a fresh model, by placeholder name."""
    import torch

    state: dict[str, torch.Tensor] = {
        **dict(model.named_buffers(remove_duplicate=False)),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    leaves: dict[str, torch.Tensor] = {}
    for name, parameter in traced.parameters.items():
        tensor = state.get(parameter.name)
        if tensor is None:
            tensor = _attribute(model, parameter.name)
        if tensor is None or tuple(tensor.shape) != parameter.shape:
            tensor = parameter.value
        if tensor is None or tensor.is_meta:
            raise CannotMeasure(f"nobody kept the values of '{parameter.name}'")
        leaves[name] = tensor if isinstance(tensor, torch.nn.Parameter) else tensor.detach().clone()
    return leaves


def _attribute(model: nn.Module, name: str) -> torch.Tensor | None:
    import torch

    value: Any = model
    for part in name.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, torch.Tensor) else None


def draw_input(law: InputLaw) -> torch.Tensor:
    """One draw of an input: N(mean, std²) with a common correlation inside a sample, or uniform integers."""
    import torch

    dtype = getattr(torch, law.dtype.removeprefix("torch."))
    if law.value is not None and not (dtype.is_floating_point or dtype.is_complex):
        return law.value.detach().clone()
    if dtype.is_complex:
        return torch.randn(law.shape, dtype=dtype).requires_grad_()
    if dtype.is_floating_point:
        noise = torch.randn(law.shape, dtype=torch.float32)
        if law.correlation and len(law.shape) > 1:
            shared = torch.randn((law.shape[0], *(1,) * (len(law.shape) - 1)))
            noise = law.correlation**0.5 * shared + (1.0 - law.correlation) ** 0.5 * noise
        return (law.mean + law.std * noise).to(dtype).requires_grad_()
    if dtype == torch.bool:
        return torch.ones(law.shape, dtype=torch.bool)
    return torch.randint(law.low, max(law.high, law.low + 1), law.shape).to(dtype)


class _Run:
    """One execution of a graph on real tensors; `found` collects what was measured, by node name."""

    def __init__(self, layouts: Mapping[str, Layout], brief: bool = False) -> None:
        self.layouts = layouts
        self.power = power if brief else second_moment
        self.brief = brief
        self.found: dict[str, dict[str, float]] = {}
        self.alike: dict[str, str] = {}  # of nodes that one view alone reads: that view, whose gradient is theirs in another order

    def graph(self, module: fx.GraphModule, leaves: Mapping[str, Any], outer: bool = True) -> dict[str, Any]:
        """Values of all nodes by name (those of an inner graph are not measured); "output" is what it returns."""
        import torch
        from torch import fx

        values: dict[str, Any] = {}
        tied: dict[int, torch.Tensor] = {}  # one view for all names of one parameter, so that its gradient is the total

        def filled(value: Any) -> Any:
            if isinstance(value, fx.Node):
                return values[value.name]
            if isinstance(value, (list, tuple)):
                return type(value)([filled(v) for v in value])
            if isinstance(value, dict):
                return {k: filled(v) for k, v in value.items()}
            return torch.device("cpu") if isinstance(value, torch.device) else value

        for node in module.graph.nodes:
            if node.op == "placeholder":
                value = leaves.get(node.name)
                if isinstance(value, torch.Tensor) and value.requires_grad:
                    # no leaf, so that the program may write to it
                    value = tied.setdefault(id(value), value.view_as(value))
            elif node.op == "get_attr":
                value = leaves[node.name] if node.name in leaves else _deep(module, str(node.target))
            elif node.op == "call_function":
                value = self.call(node, filled(node.args), filled(node.kwargs))
            else:
                values["output"] = filled(node.args[0])
                break
            values[node.name] = value
            if outer:
                self.observe(node, value)
        return values

    def call(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        import torch
        from torch import fx

        name = name_of(node.target)
        if name.startswith(("_assert", "sym_constrain", "assert_")):
            return None
        position = next((n for n, a in enumerate(args) if isinstance(a, fx.GraphModule)), None)
        if position is not None and node.target is not operator.getitem:
            inner, inputs = args[position], args[position + 1 :]
            names = [n.name for n in inner.graph.nodes if n.op == "placeholder"]
            allowed = torch.set_grad_enabled(bool(args[0])) if "set_grad" in name else contextlib.nullcontext()
            with allowed:
                return self.graph(inner, dict(zip(names, inputs, strict=False)), outer=False)["output"]
        try:
            assert callable(node.target)
            return node.target(*args, **kwargs)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            # an integer kernel that this device lacks; NotImplementedError is a RuntimeError
            result = in_floats(node.target, args, kwargs) if isinstance(error, NotImplementedError) else None
            if result is not None:
                return result
            raise CannotMeasure(f"{node.name}: {type(error).__name__}: {str(error).splitlines()[0]}") from error

    def observe(self, node: fx.Node, value: Any) -> None:
        """Measure a floating value now, and its gradient when it comes."""
        import torch

        if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
            return
        layout = self.layouts.get(node.name)
        found = self.found[node.name] = self.briefly(node, value) if self.brief else summary(value, layout)
        inputs = [self.found[i.name]["q"] for i in node.all_input_nodes if i.name in self.found]
        found["scale"] = max([q for q in inputs if math.isfinite(q)], default=0.0)
        found["n"] = float(value.numel())
        if value.requires_grad:
            # a view that is written to, or a write to a view, is rebuilt by autograd and its own hook never runs
            if not (value._is_view() and (writes(node.target) or written(node))):
                found["g"] = 0.0

            users = list(node.users)
            if self.brief and len(users) == 1 and _reordered(users[0]) is node:
                self.alike[node.name] = users[0].name
                return

            def remember(gradient: torch.Tensor | None) -> None:
                found["g"] = 0.0 if gradient is None else self.power(gradient)

            value.register_hook(remember)  # type: ignore[no-untyped-call]

    def briefly(self, node: fx.Node, value: torch.Tensor) -> dict[str, float]:
        """The second moment of a value; that of what it is a view of, where that is known."""
        source = _reordered(node)
        known = None if source is None else self.found.get(source.name)
        return {"q": power(value) if known is None else known["q"]}

    def share_gradients(self) -> None:
        """What came back to a view is what came back to the value that it alone reads."""
        for name, view in reversed(self.alike.items()):
            if "g" in (seen := self.found.get(view, {})):
                self.found[name]["g"] = seen["g"]

    def gradient_noise(self, graph: fx.Graph) -> None:
        """What float32 leaves of a gradient that cancels exactly: terms whose rounding errors are alike, as a mean's are."""
        for node in graph.nodes:
            found = self.found.get(node.name)
            if found is None:
                continue
            users = [user for u in node.users if "g" in (user := self.found.get(u.name, {}))]
            scale = max(self.found_scale(node), 1.0) if users else 1.0
            found["floor"] = max([user["g"] * (user["n"] / max(found["n"], 1.0)) ** 2 * scale for user in users], default=0.0)

    def found_scale(self, node: fx.Node) -> float:
        """The largest second moment among what a node is combined with."""
        others = [self.found[i.name]["q"] for u in node.users for i in u.all_input_nodes if i is not node and i.name in self.found]
        return max([q for q in others if math.isfinite(q)], default=1.0)


def _reordered(node: fx.Node) -> fx.Node | None:
    """What a node has all entries of, in some order, and nobody ever writes to; None where it is more than a view."""
    if node.op != "call_function" or name_of(node.target) not in VIEWS or not node.all_input_nodes:
        return None
    source = node.all_input_nodes[0]
    value: Any = node.meta.get("val")
    before: Any = source.meta.get("val")
    if not (hasattr(value, "numel") and hasattr(before, "numel")) or value.dtype != before.dtype:
        return None
    return source if value.numel() == before.numel() and not written(source) else None


def written(node: fx.Node) -> bool:
    """Whether a later node writes to this one's memory, as far as it is reached through views."""
    return any(writes(u.target) or (u.args and u.args[0] is node and name_of(u.target) in ALIASES and written(u)) for u in node.users)


def _deep(module: Any, target: str) -> Any:
    for part in target.split("."):
        module = getattr(module, part)
    return module


def second_moment(tensor: torch.Tensor) -> float:
    """Average of |x|² in float64; 0 for a tensor without elements."""
    if tensor.numel() == 0:
        return 0.0
    wide = tensor.detach()
    return float((wide.abs().double() if wide.is_complex() else wide.double()).square().mean())


def power(tensor: torch.Tensor) -> float:
    """`second_moment` by one product in float32, unless that overflows or underflows."""
    import torch

    if tensor.dtype is torch.float32 and (count := tensor.numel()):
        flat = tensor.detach().reshape(-1)
        value = float(torch.dot(flat, flat))
        if SMALL * count < value < LARGE:
            return value / count
    return second_moment(tensor)


def summary(tensor: torch.Tensor, layout: Layout | None) -> dict[str, float]:
    """Mean (its real part), second moment, share of zeros, and pair moments along the axes of the layout: E[Re(x x̄')]."""
    import torch

    with torch.no_grad():
        wide = tensor.detach().to(torch.complex128 if tensor.is_complex() else torch.float64)
        if wide.numel() == 0:
            return {"m": 0.0, "q": 0.0, "z": 0.0}
        squares = wide.abs().square() if wide.is_complex() else wide.square()
        result = {
            "m": float(wide.real.mean() if wide.is_complex() else wide.mean()),
            "q": second_moment(tensor) if tensor.is_complex() else float(squares.mean()),
            "z": 1.0 - int(torch.count_nonzero(tensor)) / tensor.numel(),
        }
        if layout is None or math.prod(size for size, _ in layout) != wide.numel():
            return result
        sizes = [size for size, _ in layout]
        for role, key in (("position", "k_pos"), ("batch", "k_batch")):
            along = [n for n, (_, r) in enumerate(layout) if r == role]
            count = math.prod(sizes[n] for n in along)
            if along and count > 1:
                total, own = wide.reshape(sizes).sum(along), squares.reshape(sizes).sum(along)
                total = total.abs().square_() if total.is_complex() else total.square_()
                result[key] = float((total - own).mean()) / (count * (count - 1))
        return result


def _estimate(rows: Sequence[Mapping[str, float]], key: str) -> Estimate | None:
    values = [row[key] for row in rows if key in row]
    if not values:
        return None
    mean = math.fsum(values) / len(values) if all(map(math.isfinite, values)) else values[0]
    if len(values) < 2 or not math.isfinite(mean):
        return Estimate(value=mean, error=math.inf if len(values) < 2 else 0.0)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return Estimate(value=mean, error=math.sqrt(variance / len(values)))


def _measured(rows: Sequence[Mapping[str, float]]) -> Measured:
    second = _estimate(rows, "q")
    assert second is not None
    return Measured(
        second_moment=second,
        mean=_estimate(rows, "m"),
        zero_fraction=_estimate(rows, "z"),
        grad_second_moment=_estimate(rows, "g"),
        k_pos=_estimate(rows, "k_pos"),
        k_batch=_estimate(rows, "k_batch"),
        noise=ROUNDING**2 * max(row.get("scale", 0.0) for row in rows),
        grad_noise=EPSILON**2 * max(row.get("floor", 0.0) for row in rows),
        draws=len(rows),
    )


# -- comparison -----------------------------------------------------------------------------------------------------------


def bits_between(predicted: float | None, measured: float, noise: float = 0.0) -> float:
    """|log2(predicted/measured)|; zero where both are zero up to rounding, inf where only one is."""
    if predicted is None or math.isnan(predicted) or math.isnan(measured):
        return math.inf
    if math.isinf(predicted) or math.isinf(measured):
        return 0.0 if predicted == measured else math.inf
    if predicted <= noise and measured <= noise:
        return 0.0
    if predicted <= 0.0 or measured <= 0.0:
        return math.inf
    return abs(math.log2(predicted / measured))


def doubt_of(estimate: Estimate | None) -> float:
    """One standard error, in bits."""
    if estimate is None or estimate.value <= 0 or not math.isfinite(estimate.error):
        return 0.0 if estimate is None or estimate.error == 0 else math.inf
    return estimate.error / estimate.value / math.log(2)


def compare(signals: Mapping[str, Signal], measured: Mapping[str, Measured]) -> list[Row]:
    """One row a node, worst first (by the larger of both errors, less what sampling leaves open)."""
    rows = []
    for name, truth in measured.items():
        signal = signals.get(name)
        predicted = None if signal is None else signal.second_moment
        gradient = None if signal is None else signal.grad_second_moment
        grad_bits = None
        if truth.grad_second_moment is not None:
            grad_bits = bits_between(gradient or 0.0, truth.grad_second_moment.value, truth.grad_noise)
        rows.append(
            Row(
                node=name,
                predicted=predicted,
                measured=truth.second_moment,
                bits=bits_between(predicted, truth.second_moment.value, truth.noise),
                doubt=doubt_of(truth.second_moment),
                grad_predicted=gradient,
                grad_measured=truth.grad_second_moment,
                grad_bits=grad_bits,
                grad_doubt=doubt_of(truth.grad_second_moment),
            )
        )
    return sorted(rows, key=lambda r: -max(r.bits - 2 * r.doubt, (r.grad_bits or 0.0) - 2 * r.grad_doubt))


__all__ = ["CannotMeasure", "Estimate", "Measured", "Row", "bits_between", "compare", "measure"]
