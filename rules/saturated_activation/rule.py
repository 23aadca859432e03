"""INI302: bounded functions driven so far that their slope is gone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.bounds import bounds_of
from initlint.graph.dataflow import SATURATING, is_node, operands, operator, shape_of, strip
from initlint.lint.finding import Severity
from initlint.lint.gauss import between_left, slope_left
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_cause, site_of_node

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI302",
    name="saturated-activation",
    severity=Severity.ERROR,
    summary="tanh, sigmoid or softmax with so large an input that almost no slope is left.",
    fix="unsafe",
)

# Share of the squared slope that is left, E[φ'²]/max φ'², at which a function is called saturated. A shifted mean (gates held open) is
# a choice: only the spread counts.
SATURATED = 0.1
# What all saturated functions of a stack lose of it, in decades. Tanh nets of two to eight layers and 64 or 256 units (docs/calibration.md)
# train at 4.7 and below, with norms behind the functions or without, one of six settings or none is good from 5.6 to 8.6, and none from
# 9 on. One saturated function alone is a layer of random features: it is a note.
WARN_AT = 5.0
FAIL_AT = 9.0
# The same for one function whose value is the output itself: there is nothing behind it to learn instead (doc.md). A sigmoid is read
# by a logarithm as a rule, which makes up for its slope.
LAST_WARN_AT = 0.09
LAST_FAIL_AT = 0.06
COMPENSATED = frozenset({"sigmoid"})
TINY = 1e-300
# Softmax of logits that differ by this many units puts all of its weight on one entry; the gradient through it is the
# product of its outputs. Where no trunk passes it, one such attention trains and two of them need care at 51 and fail at 204.
SHARP_LOGITS = 10.0
HARD_LOGITS = 50.0
FAILING_LOGITS = 100.0
IN_A_ROW = 2
SOFTMAX = ("softmax", "_softmax")
HUGE = 1e6  # second moment of logits that only a mask can have
HELD = ("max", "maximum", "clamp", "clamp_min")
# Functions with a slope between two bounds, which the call may name, and none beyond, with the bounds where it does not.
BOUNDS = {"hardtanh": (-1.0, 1.0), "relu6": (0.0, 6.0)}
BOUNDED = frozenset({*SATURATING, *BOUNDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saturated:
    """A bounded function, the deviation of its input, and the share of its squared slope that is left."""

    node: Node
    source: Node
    spread: float
    left: float
    layer: WeightLayer | None


def check(facts: Facts) -> Iterator[Finding]:
    """Bounded functions and attention."""
    data = facts.structure.dependence.data
    nodes = [node for node in facts.structure.dependence.order if node.name in data]
    saturated = [found for node in nodes if operator(node) in BOUNDED and (found := _saturated(facts, node)) is not None]
    for found in saturated:
        yield _bounded(facts, found, _stack(facts, found, saturated), last=_is_last(facts, found, saturated))
    sharp = [item for node in nodes if (item := _sharpened(facts, node)) is not None]
    failing = sum(item.spread >= FAILING_LOGITS and not facts.structure.in_branch(item.node.name) for item in sharp)
    for item in sharp:
        yield _softmax(facts, item, in_a_row=failing)


def _saturated(facts: Facts, node: Node) -> _Saturated | None:
    name, source = operator(node), next(operands(node))
    spread = _spread(facts, source)
    if not spread or (spread < 1 and name not in BOUNDS):
        return None
    bounds = _bounds(node)
    left = slope_left(name, spread) if bounds is None else between_left(*bounds, spread)
    if left > SATURATED:
        return None
    return _Saturated(node=node, source=source, spread=spread, left=left, layer=feeding_layer(facts, source))


def _stack(facts: Facts, found: _Saturated, saturated: Sequence[_Saturated]) -> Sequence[float]:
    """The shares left of the saturated functions before and behind this one that no trunk passes; a layer that is called again and
    again counts once."""
    dependence = facts.structure.dependence
    related = dependence.ancestors[found.node.name] | dependence.descendants[found.node.name]
    shares = {id(found) if found.layer is None else found.layer.weight: found.left}
    if facts.structure.in_branch(found.node.name):
        return list(shares.values())
    for other in saturated:
        if related >> dependence.index[other.node.name] & 1 and not facts.structure.in_branch(other.node.name):
            key = id(other) if other.layer is None else other.layer.weight
            shares[key] = min(shares.get(key, 1.0), other.left)
    return list(shares.values())


def _bounded(facts: Facts, found: _Saturated, stack: Sequence[float], *, last: bool) -> Finding:
    name, bounds = operator(found.node), _bounds(found.node)
    lost = -sum(math.log10(max(share, TINY)) for share in stack)
    severity = Severity.ERROR if lost >= FAIL_AT else Severity.WARNING if lost >= WARN_AT else Severity.INFO
    last = last and found.left <= LAST_WARN_AT
    if last:
        severity = Severity.ERROR if found.left <= LAST_FAIL_AT else Severity.WARNING
    modules = [] if found.layer is None else [module_at(found.layer, facts)]
    together = f", and {number(10**-lost)} of it behind all {len(stack)} such functions in a row" if len(stack) > 1 else ""
    consequence = "Outputs sit at the bounds, and a loss that compares them with values between does not get them away." if last else {
        Severity.ERROR: "Units sit at the bounds, and no usual rate trains the layers before them.",
        Severity.WARNING: "Units sit at the bounds and learn slowly or not at all.",
        Severity.INFO: "Units sit at the bounds: what is before them hardly learns, what is behind reads random features.",
    }[severity]
    return finding(
        RULE,
        facts,
        at=site_of_cause(facts, found.source, found.layer),
        severity=severity,
        message=(
            f"{_called(name, bounds)} is saturated: its input has a standard deviation of {number(found.spread)}, so that "
            f"{number(100 * found.left)} % of its squared slope is left{together}. {consequence}"
        ),
        help=f"start {_weights(modules)} about {number(_excess(found.spread, bounds))}x smaller (std near 1/sqrt(fan_in)), or normalize before it",
        modules=modules,
        evidence={"std": found.spread, "slope_left": found.left, "lost": lost},
    )


def _is_last(facts: Facts, found: _Saturated, saturated: Sequence[_Saturated]) -> bool:
    """Whether a function's value is an output of the net as it is; the last step of a recurrence is a step like the others."""
    weight = None if found.layer is None else found.layer.weight
    alike = [other.node for other in saturated if other is found or (other.layer is not None and other.layer.weight == weight)]
    return operator(found.node) not in COMPENSATED and not any(_is_read(facts, node) for node in alike)


def _is_read(facts: Facts, node: Node) -> bool:
    """Whether any weights lie behind a node, or attention, or it is a part of a sum or a product with other data."""
    structure, dependence = facts.structure, facts.structure.dependence
    behind = dependence.names(dependence.descendants[node.name])
    return any(
        name in structure.layers or sum(item.name in dependence.data for item in operands(structure.nodes[name])) > 1 for name in behind
    )


def _called(name: str, bounds: tuple[float, float] | None) -> str:
    return name if bounds is None or bounds == BOUNDS[name] else f"{name}({bounds[0]:g}, {bounds[1]:g})"


def _excess(spread: float, bounds: tuple[float, float] | None) -> float:
    """How many times half the distance of the bounds, or one, the input's deviation is."""
    return spread if bounds is None else spread * 2 / (bounds[1] - bounds[0])


def _bounds(node: Node) -> tuple[float, float] | None:
    """Where the slope of a function begins and ends that the call may give other bounds; None for the others."""
    return bounds_of(node) if operator(node) in BOUNDS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sharp:
    """A softmax, or an attention that has one, and the deviation of its logits."""

    node: Node
    source: Node
    spread: float


def _sharpened(facts: Facts, node: Node) -> _Sharp | None:
    """None for other operators, and where the logits are not far apart."""
    name = operator(node)
    found = _logits(facts, node) if name in SOFTMAX else _products(facts, node) if name == "scaled_dot_product_attention" else None
    return found if found is not None and found.spread >= SHARP_LOGITS else None


def _logits(facts: Facts, node: Node) -> _Sharp | None:
    source = _without_mask(facts, next(operands(node)))
    spread = _spread(facts, source)
    dim = node.args[1] if len(node.args) > 1 else -1
    sizes = shape_of(node)
    if spread is None or not (isinstance(dim, int) and sizes and sizes[dim] > 1):
        return None
    return _Sharp(node=node, source=source, spread=spread)


def _products(facts: Facts, node: Node) -> _Sharp | None:
    query, key = (item for item in list(operands(node))[:2])
    asked, offered = facts.signals.get(query.name), facts.signals.get(key.name)
    width = shape_of(query)[-1] if shape_of(query) else 0
    if asked is None or offered is None or not width or asked.second_moment is None or offered.second_moment is None:
        return None
    given = node.kwargs.get("scale")
    scale = float(given) if isinstance(given, (int, float)) else width**-0.5
    apart = offered.second_moment - (offered.k_pos or 0.0)  # what all keys share moves all logits alike
    square = scale**2 * width * asked.second_moment * max(apart, 0.0)
    return _Sharp(node=node, source=query, spread=math.sqrt(square)) if math.isfinite(square) else None


def _softmax(facts: Facts, found: _Sharp, *, in_a_row: int) -> Finding:
    """Told of one softmax; `in_a_row` that no trunk passes have logits that fail."""
    layer = feeding_layer(facts, found.source)
    modules = [] if layer is None else [module_at(layer, facts)]
    passed = facts.structure.in_branch(found.node.name)  # a trunk carries signal and gradient past it
    severity = Severity.INFO if passed and found.spread < HARD_LOGITS else Severity.WARNING
    if not passed and found.spread >= FAILING_LOGITS and in_a_row >= IN_A_ROW:
        severity = Severity.ERROR
    return finding(
        RULE,
        facts,
        at=site_of_cause(facts, found.node, layer),
        severity=severity,
        message=(
            f"softmax is saturated: its logits have a standard deviation of {number(found.spread)}, so that one entry takes all "
            "of the weight. Almost no gradient reaches the logits."
        ),
        help="scale the logits by 1/sqrt(head width), or start the weights before them smaller",
        modules=modules,
        evidence={"std": found.spread},
    )


def _without_mask(facts: Facts, node: Node) -> Node:
    """The logits before −∞ (or −1e9) was put into them."""
    data = facts.structure.dependence.data
    while True:
        node = strip(node)
        if operator(node) == "masked_fill":
            node = next(operands(node))
        elif operator(node) == "where":
            branches = [item for item in node.args[1:] if is_node(item) and item.name in data]
            if not branches:
                return node
            node = branches[0]
        elif operator(node) == "add":
            parts = [item for item in operands(node) if item.name in data]
            masked = any(_is_mask(facts, item) for item in operands(node))
            if not parts or not (_is_huge(facts, node) or masked):
                return node
            node = min(parts, key=lambda item: _spread(facts, item) or math.inf)
        elif operator(node) == "cat":  # sinks: logits that belong to no key, beside those of all keys
            pieces = [item for item in operands(node) if item.name in data]
            if not pieces:
                return node
            node = max(pieces, key=lambda item: math.prod(shape_of(item)))
        elif operator(node) == "sub" and _is_own_maximum(node):
            node = next(operands(node))
        elif operator(node) in HELD and _is_huge(facts, node):  # so that −∞ becomes a number
            parts = [item for item in operands(node) if item.name in data]
            if len(parts) != 1:
                return node
            node = parts[0]
        else:
            return node


def _is_huge(facts: Facts, node: Node) -> bool:
    signal = facts.signals.get(node.name)
    return signal is None or signal.second_moment is None or not signal.second_moment < HUGE


def _is_own_maximum(node: Node) -> bool:
    """x − max(x), which a softmax does not feel."""
    first, *rest = operands(node)
    if len(rest) != 1:
        return False
    taken = strip(rest[0])
    if operator(taken) == "getitem":
        taken = next(operands(taken))
    return operator(taken) in ("amax", "max") and strip(next(operands(taken))) is strip(first)


def _is_mask(facts: Facts, node: Node) -> bool:
    """A large term that neither an input nor a parameter went into: −100 for keys that are not to be seen."""
    dependence, signal = facts.structure.dependence, facts.signals.get(node.name)
    if node.name in dependence.data or (signal is not None and (signal.second_moment or 0.0) < SHARP_LOGITS**2):
        return False
    sources = dependence.ancestors[node.name] | 1 << dependence.index[node.name]
    trained = (name for name, p in facts.traced.parameters.items() if p.kind == "parameter" and name in dependence.index)
    return not any(sources >> dependence.index[name] & 1 for name in trained)


def _spread(facts: Facts, node: Node) -> float | None:
    signal = facts.signals.get(node.name)
    if signal is None or signal.second_moment is None or signal.mean is None:
        return None
    square = signal.second_moment - signal.mean**2
    return math.sqrt(max(square, 0.0)) if math.isfinite(square) else None


def _weights(modules: list[str]) -> str:
    return f"the weights of `{modules[0]}`" if modules else "the weights before it"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Logits of an attention divided by the root of their width; else the layer before the function started as suits it, then
    all of its role, both sides of the product, all layers that lead there: the latter two with the logits divided, too."""
    from initlint.fixes.expressions import scores_scaled
    from initlint.lint.cures import alike, layers_of, leading_to, linear_starts, restarted, starts_of, unsafe
    from initlint.lint.starting import Files, merged

    files = Files(facts)
    layers = layers_of(found, facts)
    saturated = list(_fed_by(facts, {module_at(layer, facts) for layer in layers}))
    edits = []
    for product in (product for _, product in saturated if product is not None):
        site = site_of_node(product.name, facts)
        code = None if site is None else files.code(site.path)
        edit = None if site is None or code is None else scores_scaled(code, site.line)
        edits += [] if edit is None else [edit]
    divided = tuple(unsafe("divide the logits by the root of their width", merged(edits)))
    yield from divided
    yield from restarted(facts, layers, linear_starts)
    yield from restarted(facts, alike(facts, layers), linear_starts)
    sides = [item for node, product in saturated for item in operands(node if product is None else product)]
    both = alike(facts, [layer for item in sides if (layer := feeding_layer(facts, item)) is not None])
    yield from restarted(facts, both, linear_starts, before=divided)
    yield from restarted(facts, leading_to(facts, [node for node, _ in saturated]), starts_of, before=divided)
    yield from restarted(facts, alike(facts, layers), linear_starts, choice=1)


def _fed_by(facts: Facts, modules: set[str]) -> Iterator[tuple[Node, Node | None]]:
    """Bounded functions and attentions that one of the modules feeds; with each, the product of queries and keys that a softmax
    reads as it is."""
    data = facts.structure.dependence.data
    for node in facts.structure.dependence.order:
        name = operator(node)
        if node.name not in data or (name not in BOUNDED and name not in (*SOFTMAX, "scaled_dot_product_attention")):
            continue
        source = next(operands(node))
        if name in SOFTMAX:
            source = strip(_without_mask(facts, source))
        layer = feeding_layer(facts, source)
        if layer is None or module_at(layer, facts) not in modules:
            continue
        sides = [item for item in operands(source) if item.name in data]
        raw = name in SOFTMAX and operator(source) in ("matmul", "bmm", "einsum") and len(sides) == 2
        yield node, source if raw else None
