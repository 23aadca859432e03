"""INI601: units that start identical."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.graph.chance import DRAWING
from initlint.graph.dataflow import RECTIFYING, contraction_of, operands, operator
from initlint.graph.doubles import FATES, Fate, fate_of
from initlint.graph.layers import groups_of
from initlint.graph.repeats import equal_along
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, module_of, number, pattern_of, site_made, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI601",
    name="symmetric-initialization",
    severity=Severity.ERROR,
    summary="A weight that is one constant, or one row for all units, makes all units of its layer compute the same number.",
    fix="unsafe",
    explained_by=("zero-gradient",),
)

NOTHING = 1e-9  # second moment: what rounding leaves of what does not depend on the input
# Norm of a matrix of one constant, c·√(mn), up to which a branch adds less than the trunk carries past it. In `doc.md` residual nets
# whose weights are all 0.01 (norm 0.64) and whose biases are random train as usual; at 0.1 they do not train at all.
SMALL = 1.0


def check(facts: Facts) -> Iterator[Finding]:
    """Constant weight matrices, matrices of one row, and layers that are copies of a sibling."""
    constant = {
        layer.weight: layer
        for layer in facts.structure.layers.values()
        if (is_symmetric(facts, layer) or _is_blank(facts, layer))
        and not _has_random_part(facts, layer)
    }
    for name, layer in constant.items():
        reader = _next_layer(facts, layer)
        if reader is None:  # a constant head is told apart by the targets in the first step
            continue
        tying = reader.weight in constant or (facts.parameter(reader.weight).law.is_zero and not _has_random_part(facts, reader))
        alike = tying and not _has_random_bias(facts, layer)
        if _is_outweighed(facts, layer, reader):
            continue
        if alike or not facts.parameter(name).law.is_zero:
            differs = _trunk_differs(facts, layer, constant.values())
            passed = _is_passed(facts, layer, reader) or _is_told_apart(layer, reader)
            stuck = alike and not differs and not _is_beside_random(facts, layer) and not _is_adapters(facts, layer)
            passed = passed and (differs or not alike)
            yield _constant(facts, facts.parameter(name), layer, alike=alike, stuck=stuck, passed=passed)
    yield from _rows(facts)
    yield from _slices(facts)
    yield from _written(facts)
    yield from _copies(facts)


def is_symmetric(facts: Facts, layer: WeightLayer) -> bool:
    """A trainable matrix of one non-zero constant that mixes at least two inputs into at least two units."""
    parameter = facts.parameter(layer.weight)
    law = parameter.law
    return (
        parameter.trainable
        and layer.kind in ("linear", "convolution", "product", "recurrent")
        and law.family == "constant"
        and not law.is_zero
        and layer.fan_in > 1
        and layer.fan_out > 1
        and not _is_depthwise(facts, layer)
    )


def _has_random_part(facts: Facts, layer: WeightLayer) -> bool:
    """Whether the matrix is one of several that make up the weight, and another one is random, or noise is: w + sigma * noise, w * scale."""
    parts, dependence = (layer.weights if layer.kind != "recurrent" else ()), facts.structure.dependence
    fixed = (item for item in operands(facts.structure.nodes[layer.node]) if item.name not in dependence.data)
    made = (name for item in fixed for name in dependence.names(dependence.ancestors[item.name]))
    return any(facts.parameter(name).law.family != "constant" for name in parts) or any(
        operator(facts.structure.nodes[name]) in DRAWING for name in made
    )


def _is_blank(facts: Facts, layer: WeightLayer) -> bool:
    """A matrix of zeros behind which nothing depends on the input: no trunk passes it that would tell its units apart."""
    parameter = facts.parameter(layer.weight)
    if not parameter.trainable or layer.kind not in ("linear", "convolution") or not parameter.law.is_zero:
        return False
    if facts.structure.in_branch(layer.node):  # even where no input is seen yet, the trunk's biases differ
        return False
    reader = _next_layer(facts, layer)
    seen = None if reader is None else facts.signals.get(reader.source)
    return reader is None or (
        seen is not None
        and seen.second_moment is not None
        and seen.k_batch is not None
        and seen.second_moment - seen.k_batch <= NOTHING
        and min(layer.fan_in, layer.fan_out) > 1
    )


def _has_random_bias(facts: Facts, layer: WeightLayer) -> bool:
    """Whether units differ by their biases, and so by the slope they are at."""
    return any(facts.parameter(name).law.family != "constant" for name in layer.others)


def _is_passed(facts: Facts, layer: WeightLayer, reader: WeightLayer) -> bool:
    """Whether a layer of one small constant lies in a branch, or before one: a trunk carries past it what tells units apart."""
    norm = abs(facts.parameter(layer.weight).law.mean) * math.sqrt(layer.fan_in * layer.fan_out)
    return norm <= SMALL and (facts.structure.in_branch(layer.node) or facts.structure.in_branch(reader.node))


def _trunk_differs(facts: Facts, layer: WeightLayer, constant: Collection[WeightLayer]) -> bool:
    """Whether a layer lies in a branch, and the trunk's units are told apart by what is random before it, with no layer of one constant
    between that would make them equal: such nets train around their branches. Of 32 probes `tied` (docs/calibration.md) three fail,
    from growth."""
    structure, dependence = facts.structure, facts.structure.dependence
    index, ancestors = dependence.index, dependence.ancestors
    random = [
        name
        for name, item in facts.traced.parameters.items()
        if name in index and item.kind == "parameter" and item.law.family != "constant" and math.prod(item.shape) > 1
    ]
    tying = [other.node for other in constant if not structure.in_branch(other.node) and not _has_random_bias(facts, other)]
    for residual in structure.residuals:
        fork, branch = structure.nodes[residual.fork], structure.nodes[residual.branch]
        if not dependence.between(fork, branch) >> index[layer.node] & 1:
            continue
        before = ancestors[residual.fork] | 1 << index[residual.fork]
        passed = [ancestors[name] for name in tying if before >> index[name] & 1]
        if any(before >> index[name] & 1 and not any(seen >> index[name] & 1 for seen in passed) for name in random):
            return True
    return False


def _is_outweighed(facts: Facts, layer: WeightLayer, reader: WeightLayer) -> bool:
    """Whether what a layer gives is added, unit by unit, to at least as much that random weights give its reader: the variance beside
    the mean of a Bayesian layer."""
    nodes, dependence = facts.structure.nodes, facts.structure.dependence
    random = dependence.bits(
        other.node for other in facts.structure.layers.values() if facts.parameter(other.weight).law.family != "constant"
    )
    own = dependence.descendants[layer.node] | 1 << dependence.index[layer.node]
    for name in dependence.names(dependence.between(nodes[layer.node], nodes[reader.node])):
        sizes: dict[bool, float] = {True: 0.0, False: 0.0}
        for item in operands(nodes[name]) if operator(nodes[name]) in ("add", "sub") else ():
            signal, place = facts.signals.get(item.name), dependence.index[item.name]
            from_layer = bool(own >> place & 1)
            if signal is not None and (from_layer or (dependence.ancestors[item.name] | 1 << place) & random):
                sizes[from_layer] += signal.second_moment or 0.0
        if sizes[True] and sizes[False] >= sizes[True]:
            return True
    return False


def _is_told_apart(layer: WeightLayer, reader: WeightLayer) -> bool:
    """Whether a layer is one recurrence, whose units get what a random reader sends back at every step: five of six such nets of
    docs/calibration.md train, one of six with a second recurrence behind."""
    return layer.kind == "recurrent" and reader.kind != "recurrent" and len(layer.weights) <= 2


def _is_beside_random(facts: Facts, layer: WeightLayer) -> bool:
    """Whether trunks carry past the layers what a random table added to it, and a norm sends every unit another gradient for it: six of
    six such transformers of docs/calibration.md need care and none fails, of six without norms four do."""
    structure, dependence = facts.structure, facts.structure.dependence
    normalized = dependence.descendants[layer.node] & dependence.bits(structure.norms)
    return bool(structure.residuals) and bool(normalized) and _has_table(facts)


def _has_table(facts: Facts) -> bool:
    """Whether a random table of places is added to a signal, or tokens are looked up in one."""
    dependence = facts.structure.dependence
    random = {name for name, p in facts.traced.parameters.items() if p.kind == "parameter" and p.law.family != "constant"}
    if any(layer.kind == "embedding" and layer.weight in random for layer in facts.structure.layers.values()):
        return True
    tables = {name for name in random if len(facts.parameter(name).shape) > 1} - {
        layer.weight for layer in facts.structure.layers.values()
    }
    for node in dependence.order:
        if operator(node) == "add" and node.name in dependence.data:
            for item in operands(node):
                sources = dependence.ancestors[item.name] | 1 << dependence.index[item.name]
                if item.name not in dependence.data and sources & dependence.bits(
                    name for name in tables if name in dependence.index
                ):
                    return True
    return False


def _is_depthwise(facts: Facts, layer: WeightLayer) -> bool:
    """A convolution whose units differ by the channels that they read."""
    return facts.parameter(layer.weight).shape[1] == 1 and groups_of(facts.structure.nodes[layer.node]) > 1


def has_equal_rows(facts: Facts, layer: WeightLayer) -> bool:
    """A trainable matrix that is drawn at random, one row for all of its units."""
    parameter = facts.parameter(layer.weight)
    if (
        layer.kind not in ("linear", "convolution", "product")
        or len(layer.weights) != 1
        or min(layer.fan_in, layer.fan_out) < 2
    ):
        return False
    transposed = layer.kind == "convolution" and "transpose" in operator(facts.structure.nodes[layer.node])
    last = len(parameter.shape) - 1
    units = last if layer.kind == "product" else 1 if transposed else last - 1 if layer.kind == "linear" else 0
    return parameter.trainable and not _is_depthwise(facts, layer) and equal_along(parameter.law, units)


def _rows(facts: Facts) -> Iterator[Finding]:
    """Matrices of one row; the last layer of a net may be one."""
    alike = {layer.weight: layer for layer in facts.structure.layers.values() if has_equal_rows(facts, layer)}
    for name, layer in alike.items():
        reader = _next_layer(facts, layer)
        if reader is None:
            continue
        dies = reader.weight in alike and _is_rectified(facts, layer, reader)
        rank = f"`{module_at(reader, facts)}`, which is one row too, so that with even odds no unit ever fires"
        yield finding(
            RULE,
            facts,
            at=site_of_law(facts.parameter(name), facts),
            severity=Severity.ERROR if dies else Severity.WARNING,
            message=(
                f"all {layer.fan_out} units of `{module_at(layer, facts)}` start identical: one random row was copied to all of them. "
                + (
                    f"They are rectified and read by {rank}, and the net does not train."
                    if dies
                    else "The layer has rank one until random weights or biases around it have told its units apart."
                )
            ),
            help="draw every row by itself (nn.init.kaiming_normal_, nn.init.orthogonal_)",
            modules=[module_at(layer, facts)],
            evidence={"units": float(layer.fan_out)},
        )


def equal_slices(facts: Facts, layer: WeightLayer) -> int | None:
    """The dimension of a trainable stack of matrices along which one draw was repeated: its heads, or its experts."""
    parameter = facts.parameter(layer.weight)
    if (
        layer.kind not in ("linear", "product")
        or len(layer.weights) != 1
        or not parameter.trainable
        or has_equal_rows(facts, layer)
    ):
        return None
    dims = (d for d in range(len(parameter.shape) - 2) if parameter.shape[d] > 1 and equal_along(parameter.law, d))
    return next((d for d in dims if not _is_summed(facts, layer, d, among_inputs=True)), None)


def _is_summed(facts: Facts, layer: WeightLayer, dim: int, *, among_inputs: bool) -> bool:
    """Whether an einsum sums over a dimension of its weight: one of its inputs, or one that the inputs do not have."""
    node = facts.structure.nodes[layer.node]
    contraction = contraction_of(node) if operator(node) == "einsum" else None
    if contraction is None:
        return False
    terms = dict(zip((item.name for item in operands(node)), contraction.terms, strict=True))
    letter = terms.get(layer.weight, "")[dim : dim + 1]
    return bool(letter) and letter not in contraction.result and (letter in terms[layer.source]) == among_inputs


def _slices(facts: Facts) -> Iterator[Finding]:
    """Stacks of matrices that are one matrix. Where all that follows is their sum, they stay one."""
    for layer in facts.structure.layers.values():
        dim = equal_slices(facts, layer)
        if dim is None:
            continue
        parameter = facts.parameter(layer.weight)
        stuck = _is_summed(facts, layer, dim, among_inputs=False) and len(facts.structure.nodes[layer.weight].users) == 1
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            severity=Severity.ERROR if stuck else Severity.INFO,
            message=(
                f"all {parameter.shape[dim]} matrices of `{parameter.name}` start identical: one draw was repeated for them. "
                + (
                    "Nothing but their sum is used, so they receive the same gradient and stay one for ever."
                    if stuck
                    else "They get different gradients and drift apart, but the start has less variety than meant."
                )
            ),
            help="draw every matrix by itself: a normal_ or uniform_ of the whole stack",
            modules=[module_of(parameter)],
            evidence={"copies": float(parameter.shape[dim])},
        )


def has_one_kernel(facts: Facts, layer: WeightLayer) -> bool:
    """Computed values that are the same for all outputs of a linear layer or a transposed convolution of several inputs."""
    parameter, transposed = facts.parameter(layer.weight), "transpose" in operator(facts.structure.nodes[layer.node])
    value, shape, units = parameter.value, parameter.shape, 1 if transposed else 0
    if len(layer.weights) != 1 or (layer.kind, transposed) not in _WRITTEN or len(shape) < 2 or min(shape[:2]) < 2:
        return False
    if parameter.law.family == "exact" and value is not None:
        return bool((value == value.narrow(units, 0, 1)).all()) and bool(value.any())
    return parameter.law.family == "measured" and equal_along(parameter.law, units)  # of large ones only the law is kept


_WRITTEN = {("linear", False), ("convolution", True)}


def _written(facts: Facts) -> Iterator[Finding]:
    """One kernel written to all pairs of inputs and outputs, with no other layer behind that would tell the outputs apart."""
    structure, parameters = facts.structure, facts.traced.parameters
    alike = [layer for layer in structure.layers.values() if has_one_kernel(facts, layer)]
    last = structure.dependence.bits(layer.node for layer in alike if _is_last(facts, layer))
    sites: dict[tuple[str, int], list[WeightLayer]] = {}
    for layer in alike:
        after = structure.dependence.descendants[layer.node]
        others = [o for o in structure.layers.values() if o not in alike and after >> structure.dependence.index[o.node] & 1]
        told = any(parameters[n].trainable and parameters[n].law.family not in ("constant", "exact") for n in layer.others)
        site = site_of_law(facts.parameter(layer.weight), facts)
        if not others and not told and (after | 1 << structure.dependence.index[layer.node]) & last:
            sites.setdefault((site.path, site.line) if site else ("", 0), []).append(layer)
    for layers in sites.values():
        modules = [module_at(layer, facts) for layer in layers]
        frozen = all(not facts.parameter(layer.weight).trainable for layer in layers)
        count = max(facts.parameter(layer.weight).shape["transpose" in operator(structure.nodes[layer.node])] for layer in layers)
        yield finding(
            RULE,
            facts,
            at=site_of_law(facts.parameter(layers[0].weight), facts),
            severity=Severity.ERROR if frozen else Severity.WARNING,
            message=(
                f"all {count} outputs of {pattern_of(modules)} are the same: one kernel is written to all pairs of inputs and outputs, "
                "so that each output is the sum over all inputs. "
                + (
                    "It is frozen, and no layer behind tells the outputs apart: they stay equal whatever is learned before."
                    if frozen
                    else "They differ only once training has told them apart."
                )
            ),
            help="write it to the pairs of the same channel, weight[range(n), range(n)] = kernel, and zero elsewhere; or use groups=n",
            modules=modules,
            evidence={"units": float(count)},
        )


def _is_last(facts: Facts, layer: WeightLayer) -> bool:
    """Whether what a layer says becomes an output with nothing else that depends on the input added, multiplied or joined."""
    node, data = facts.structure.nodes[layer.node], facts.structure.dependence.data
    while node.name not in facts.traced.outputs:
        users = list(node.users)
        if len(users) != 1 or any(item is not node and item.name in data for item in operands(users[0])):
            return False
        node = users[0]
    return True


def _is_rectified(facts: Facts, layer: WeightLayer, reader: WeightLayer) -> bool:
    """Whether all that a layer says reaches the next one through a rectifier, past which no trunk leads."""
    users = list(facts.structure.nodes[layer.node].users)
    return (
        len(users) == 1
        and operator(users[0]) in RECTIFYING
        and reader.source == users[0].name
        and not facts.structure.in_branch(layer.node)
        and not facts.structure.in_branch(reader.node)
    )


def _next_layer(facts: Facts, layer: WeightLayer) -> WeightLayer | None:
    """The first weight layer that is computed from this one."""
    dependence = facts.structure.dependence
    after = dependence.descendants[layer.node]
    return next((other for other in facts.structure.layers.values() if after >> dependence.index[other.node] & 1), None)


def _constant(facts: Facts, parameter: Parameter, layer: WeightLayer, *, alike: bool, stuck: bool, passed: bool) -> Finding:
    """
    alike   the next layer is one constant, too
    stuck   and nothing else tells the units apart
    passed  what tells them apart is strong from the start
    """
    module = module_of(parameter)
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.ERROR if stuck else Severity.INFO if passed else Severity.WARNING,
        message=(
            f"all {layer.fan_out} units of `{module}` start identical: its weight is {number(parameter.law.mean)} "
            "everywhere. "
            + (
                "The next layer treats them alike too, so they receive the same gradient and stay one unit for ever."
                if stuck
                else "The second factor is one constant, too, so that no gradient ever tells them apart: the adapter stays of rank one."
                if _is_adapters(facts, layer)
                else "The layer has rank one until random weights or biases around it have told its units apart."
            )
        ),
        help="draw the weight at random (nn.init.kaiming_normal_, nn.init.xavier_uniform_)",
        modules=[module],
        evidence={"units": float(layer.fan_out), "value": parameter.law.mean},
    )


def _is_adapters(facts: Facts, layer: WeightLayer) -> bool:
    """Whether a layer is the first factor of an adapter whose second one is a constant, as zeros are."""
    adapters = facts.structure.adapters
    return any(item.down == layer.weight and facts.parameter(item.up).law.family == "constant" for item in adapters)


def _copies(facts: Facts) -> Iterator[Finding]:
    """Weights that are copies of another module's: the layers start identical, and soon differ."""
    groups: dict[tuple[str, int | str], list[Parameter]] = {}
    for parameter in _siblings(facts):
        site = site_made(parameter, facts)
        key: tuple[str, int | str] = (site.path, site.line) if site else ("", 0)
        if not parameter.writes or parameter.writes[-1].op != "clone":  # drawn again from one seed, line by line
            key = _counterparts(module_of(parameter), (parameter.copy_of or "").rpartition(".")[0])
        groups.setdefault(key, []).append(parameter)
    for members in groups.values():
        modules = list(dict.fromkeys(module_of(parameter) for parameter in members))
        pairs = [_counterparts(module_of(parameter), (parameter.copy_of or "").rpartition(".")[0]) for parameter in members]
        copies, sources = zip(*pairs, strict=True)
        alone = len(set(copies)) == 1
        of = pattern_of(sources) if len(set(sources)) == 1 else f"their siblings, `{copies[0]}` of `{sources[0]}`"
        fate = _fate(facts, set(pairs), len(members))
        yield finding(
            RULE,
            facts,
            at=site_made(members[0], facts),
            severity=Severity.INFO if fate == "drift apart" else Severity.WARNING,
            message=(
                f"{pattern_of(copies)} {'starts as an exact copy' if alone else 'start as exact copies'} of {of}: it is one draw, "
                f"cloned or made twice from one seed. {_FATES[fate]}"
            ),
            help="construct each layer anew, or re-initialize the copies; seed once, before the model is made",
            modules=modules,
            evidence={"copies": float(len(modules))},
        )


_FATES: Mapping[Fate, str] = {
    "drift apart": "They get different gradients and drift apart, but the start has less variety than meant.",
    "one while targets are": "They read the same tensors, so that they put out the same and, where they get the same targets, as twins and "
    "ensembles do, receive the same gradients: they stay one.",
    "one": "They read the same tensors and what they put out is joined alike, so that they receive the same gradients and stay one for ever.",
}


def _fate(facts: Facts, pairs: set[tuple[str, str]], matrices: int) -> Fate:
    """The least strict of what becomes of the copies. Single layers that are outputs are heads, which mostly have targets of their own."""
    fates = set()
    for pair in pairs:
        copies, sources = (
            [name for name, item in facts.traced.parameters.items() if item.trainable and f"{item.name}.".startswith(f"{module}.")]
            for module in pair
        )
        fates.add(fate_of(facts.traced, facts.structure.dependence, copies, sources))
    worst = next(fate for fate in FATES if fate in fates)
    return "drift apart" if worst == "one while targets are" and matrices <= len(pairs) else worst


def _siblings(facts: Facts) -> Iterator[Parameter]:
    """Trained matrices that are copies of another one that is trained as well. A copy of a frozen model starts from it on purpose, and
    of a prototype that nobody calls only further copies are siblings."""
    by_name = {parameter.name: parameter for parameter in facts.traced.parameters.values()}
    copies = [
        parameter
        for parameter in facts.traced.parameters.values()
        if parameter.copy_of is not None
        and len(parameter.shape) > 1
        and parameter.trainable
        and not _is_deterministic(parameter)
        and parameter.name not in facts.traced.unreached
    ]
    count = Counter(parameter.copy_of for parameter in copies)
    for parameter in copies:
        source = by_name.get(parameter.copy_of or "")
        idle = source is None or source.name in facts.traced.unreached
        if (source is None or source.trainable) and not (idle and count[parameter.copy_of] == 1):
            yield parameter


def _counterparts(copy: str, source: str) -> tuple[str, str]:
    """The two modules of which these are the same part: "experts.1", "experts.0" of "experts.1.up", "experts.0.up"."""
    left, right = copy.split("."), source.split(".")
    while len(left) > 1 and len(right) > 1 and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return ".".join(left), ".".join(right)


def _is_deterministic(parameter: Parameter) -> bool:
    return parameter.law.family in ("constant", "identity", "exact")


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Constant weights, or those of one row or one matrix, drawn at random; a layer that is cloned, made anew every time; no seed between two
    draws."""
    from initlint.fixes.moves import made_anew, without_seeds
    from initlint.fixes.starts import Start
    from initlint.lint.cures import layers_of, restarts, unsafe
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    code = files.code(found.span.path)
    drawn = {
        layer.weight: Start(function="normal_", arguments=(f"std={number(facts.parameter(layer.weight).law.std)}",))
        for layer in layers_of(found, facts)
        if equal_slices(facts, layer) is not None
    }
    yield from unsafe("draw every matrix by itself", started(facts, drawn, files, together=False))
    if code is not None:
        yield from unsafe("make each layer anew", merged(made_anew(code, found.span.line)))
        yield from unsafe("leave the seed to whoever makes the model", merged(without_seeds(code, found.span.line)))
    equal = [
        layer
        for layer in layers_of(found, facts)
        if (is_symmetric(facts, layer) or has_equal_rows(facts, layer)) and not has_one_kernel(facts, layer)
    ]
    yield from restarts(facts, equal)
