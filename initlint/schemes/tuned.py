"""Variances tuned to an activation: Kumar's rule, the edge of chaos, maxout, clipped sparsifying functions.

    Kumar 2017                      Var = 1/(fan_in φ'(0)² (1 + φ(0)²))
    Schoenholz et al. 2017; Hayou, Doucet, Rousseau 2019   χ = σ_w² E[φ'²] = 1, σ_w² E[φ²] + σ_b² = q
    Tseran, Montúfar 2023           Var = c_K/fan_in, c_K = 1/E[(max of K normals)²]
    Price et al. 2024               the edge at q = 1 for functions that are zero on most of their inputs, clipped above

All of it by quadrature over the function that the graph computes, whatever it is called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from initlint.graph.dataflow import PASSING, is_node, operator, shape_of
from initlint.schemes.plan import Change, DoesNotApply, Place, normal
from initlint.schemes.roles import feature_along
from initlint.schemes.variance import Said, forward_gain, weights_of, with_std, zero_biases

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.schemes.activation import Activation
    from initlint.schemes.anatomy import Anatomy, Weight

GRID = (
    0.5,
    0.35,
    0.25,
    0.15,
    0.1,
    0.05,
    0.02,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
)  # second moments that are tried
LAYERS = 100  # of a stack in which a rule must not diverge


def kumar(anatomy: Anatomy) -> Said:
    """Var = 1/(fan_in·φ'(0)²(1 + φ(0)²)) with the function φ after the layer: sigmoid 12.8, tanh 1, rectifier 2."""
    gains: dict[str, float] = {}
    stable: dict[tuple[str, float], bool] = {}
    for weight in weights_of(anatomy):
        gain, name = _kumar_gain(weight.after)
        if weight.after is not None and not weight.after.is_identity and (name, gain) not in stable:
            stable[name, gain] = _stable(weight.after, gain)
        if not stable.get((name, gain), True):
            raise DoesNotApply(
                f"with the rule's Var = {gain:.3g}/fan_in the second moment of a stack of {name} diverges: the rule linearizes "
                "the function at zero. See `kaiming`, `edge-of-chaos`, `lsuv`"
            )
        gains[weight.node] = gain
        yield from with_std(
            weight,
            lambda weight, part: math.sqrt(gains[weight.node] / weight.fan_in),
            normal,
            f"Var = {gain:.3g}/fan_in, output {name}",
        )
    yield from zero_biases(anatomy)


def _kumar_gain(after: Activation | None) -> tuple[float, str]:
    if after is None or after.is_identity:
        return 1.0, "identity"
    if len(after.bases) != 1:
        raise DoesNotApply(f"{after.name} is a function of {len(after.bases)} tensors; the rule is for functions of one")
    value, slope, smooth = after.at_zero()
    if not smooth:
        if after.is_homogeneous:  # a rectifier and its kin: the paper's own special case, 2/N for ReLU
            return forward_gain(after), after.name
        raise DoesNotApply(f"{after.name} is not differentiable at zero")
    if abs(slope) < 1e-6:
        raise DoesNotApply(f"{after.name} is flat at zero: the rule divides by its slope there")
    return 1 / (slope**2 * (1 + value**2)), after.name


def _stable(function: Activation, gain: float) -> bool:
    """Whether q ← gain·E[φ(√q z)²] stays bounded over many layers."""
    q = 1.0
    for _ in range(LAYERS):
        q = gain * function.at(q).square
        if q > 1e3:
            return False
    return True


# -- edge of chaos ---------------------------------------------------------------------------------------------------------


def edge_of_chaos(anatomy: Anatomy, *, q: float = 0.0) -> Said:
    """σ_w and σ_b at which two inputs neither merge nor part, for any activation of a plain stack.

    q  second moment of the pre-activations; 0: the largest up to one half that is stable, else the smallest above
    """
    if anatomy.trunks:
        raise DoesNotApply("the model has residual branches, which keep signal and gradient themselves; see `stable-resnet`")
    plain = [weight for weight in weights_of(anatomy) if not weight.before.is_identity and not _normalized(anatomy, weight)]
    if not plain:
        raise DoesNotApply("no activation lies between two layers without a normalization: nothing to tune")
    functions = {weight.before.name: weight.before for weight in plain}
    target = _common(list(functions.values()), q)
    tuned = {name: edge(function, target) for name, function in functions.items()}
    yield from _write_edge(anatomy, {weight.node: tuned[weight.before.name] for weight in plain}, target)


def edge(function: Activation, q: float) -> tuple[float, float] | None:
    """(σ_w², σ_b²) of the stable critical point at second moment q; None where there is none.

    A homogeneous function has one at every q, with σ_b = 0. Stable: σ_w² d/dq E[φ(√q z)²] < 1.
    """
    if function.is_homogeneous:
        return forward_gain(function), 0.0
    kept = function.at(q)
    if kept.slope_square < 1e-9:
        return None
    gain = 1 / kept.slope_square
    rest = q - gain * kept.square
    return (gain, rest) if rest >= 0 and slope_of_map(function, gain, q) < 1 - 1e-4 else None


def slope_of_map(function: Activation, gain: float, q: float) -> float:
    """d/dq of gain·E[φ(√q z)²]: below one, a deviation of q dies out over the layers."""
    step = 1e-3 * q
    return gain * (function.at(q + step).square - function.at(q - step).square) / (2 * step)


def _common(functions: list[Activation], q: float) -> float:
    """A second moment at which every function has a stable critical point."""
    tried = (q,) if q else GRID
    for target in tried:
        if all(edge(function, target) is not None for function in functions):
            return target
    names = ", ".join(function.name for function in functions)
    where = f"at q = {q:g}" if q else f"for q from {min(GRID)} to {max(GRID)}"
    raise DoesNotApply(f"{names} has no stable critical point {where}: insert a normalization or residual branches")


def _normalized(anatomy: Anatomy, weight: Weight) -> bool:
    return any(base.name in anatomy.facts.structure.norms for base in weight.before.bases)


def _write_edge(anatomy: Anatomy, tuned: dict[str, tuple[float, float] | None], target: float) -> Said:
    signals = anatomy.facts.signals
    for weight in anatomy.weights:
        found = tuned.get(weight.node)
        signal = signals.get(weight.source)
        if found is None and weight.first and signal is not None and signal.second_moment:
            found = target / signal.second_moment, 0.0
        gain, shift = found or (forward_gain(weight.before), 0.0)
        name = weight.before.name
        yield from with_std(
            weight,
            lambda weight, part, gain=gain: math.sqrt(gain / weight.fan_in),  # type: ignore[misc]
            normal,
            f"σ_w² = {gain:.4g}, σ_b² = {shift:.4g} at q = {target:g}, input {name}",
        )
        if shift > 1e-9:
            if not weight.biases:
                raise DoesNotApply(
                    f"{weight.name} has no bias, and the critical point of {name} needs σ_b = {math.sqrt(shift):.3g}"
                )
            for bias in weight.biases:
                yield Change(
                    place=Place(parameter=bias), draw=normal(math.sqrt(shift)), why=f"σ_b² = {shift:.4g}", std=math.sqrt(shift)
                )
    unshifted = {weight.node for weight in anatomy.weights if (tuned.get(weight.node) or (0, 0))[1] <= 1e-9}
    yield from zero_biases(anatomy, lambda weight: weight.node in unshifted)


# -- clipped sparsifying functions -----------------------------------------------------------------------------------------


def clipped_sparse(anatomy: Anatomy) -> Said:
    """The edge of chaos at q = 1 for functions that are zero on most inputs; they must be clipped above to be stable there."""
    sparse = [weight for weight in weights_of(anatomy) if not weight.before.is_identity and _zeros(weight.before) > 0.55]
    if not sparse:
        raise DoesNotApply("no activation is zero on more than 55 % of unit Gaussian inputs; see `edge-of-chaos`")
    tuned: dict[str, tuple[float, float] | None] = {}
    for weight in sparse:
        function, kept = weight.before, weight.before.at(1.0)
        gain = 1 / kept.slope_square
        rest = 1 - gain * kept.square
        if rest < 0 or not _returns(function, gain, rest):
            raise DoesNotApply(
                f"{function.name}, zero on {kept.zeros:.0%} of its inputs, has V'(1) = {slope_of_map(function, gain, 1.0):.3f}: a "
                "second moment above one runs away over the layers. Clip its output at about 1 (`torch.clamp(x, max=1.0)`)"
            )
        tuned[weight.node] = gain, rest
    yield from _write_edge(anatomy, tuned, 1.0)


def _returns(function: Activation, gain: float, shift: float) -> bool:
    """Whether q = 1.1 comes closer to the fixed point one over many layers (V' = 1 alone does not tell: V'' > 0 drives it off)."""
    q = 1.1
    for _ in range(LAYERS):
        q = gain * function.at(q).square + shift
        if not 0.5 < q < 2:
            return False
    return abs(q - 1) < 0.05


def _zeros(function: Activation) -> float:
    return function.at(1.0).zeros


# -- maxout ----------------------------------------------------------------------------------------------------------------


def maxout(anatomy: Anatomy) -> Said:
    """Var = c_K/fan_in for layers whose outputs compete in groups of K: 1, .784, .645, .556 for K = 2, 3, 4, 5."""
    pieces = {weight.node: _pieces(anatomy, weight) for weight in weights_of(anatomy)}
    if not any(count > 1 for count in pieces.values()):
        raise DoesNotApply("no layer's outputs go through a maximum over groups of them")
    for weight in anatomy.weights:
        count = pieces[weight.node]
        gain = maxout_gain(count) if count > 1 else forward_gain(weight.before)
        yield from with_std(
            weight,
            lambda weight, part, gain=gain: math.sqrt(gain / weight.fan_in),  # type: ignore[misc]
            normal,
            f"Var = {gain:.4g}/fan_in" + (f", maximum of {count}" if count > 1 else ""),
        )
    yield from zero_biases(anatomy)


def maxout_gain(pieces: int) -> float:
    """1/E[(max of K standard normals)²] = 1/∫ z² K φ(z) Φ(z)^(K−1) dz."""
    points = 20001
    z = (torch.arange(points, dtype=torch.float64) + 0.5) * (20 / points) - 10
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(z)
    return float(1 / (z * z * pieces * density * below ** (pieces - 1)).sum() * points / 20)


def _pieces(anatomy: Anatomy, weight: Weight) -> int:
    """How many of a layer's output units compete in one maximum; 1 for none."""
    nodes = list(_views(anatomy.facts.structure.nodes[weight.node]))
    for node in nodes:
        for user in node.users:
            name = operator(user)
            axis = user.args[1] if len(user.args) > 1 else user.kwargs.get("dim")
            if isinstance(axis, (list, tuple)) and len(axis) == 1:
                axis = axis[0]
            if (
                name in ("max", "amax")
                and isinstance(axis, int)
                and not is_node(axis)
                and feature_along(anatomy.facts.structure, node, axis)
            ):
                return shape_of(node)[axis]
            if name == "maximum":
                others = [item for item in user.all_input_nodes if item is not node]
                if others and others[0] in nodes:
                    return 2
    return 1


def _views(node: Node) -> Iterator[Node]:
    """A node and all views of it."""
    stack = [node]
    while stack:
        item = stack.pop()
        yield item
        stack += [
            user
            for user in item.users
            if operator(user) in PASSING | {"chunk", "split", "getitem", "slice", "select", "unbind"}
        ]
