"""FACTS → cures that several rules share: which layers to start anew and with what, and how parameters are made and used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import Draw, calls_named, draw_at, without_argument
from initlint.fixes.edit import Edit, Fix, Span
from initlint.fixes.expressions import scales_on, usual_scale
from initlint.fixes.moves import with_residual
from initlint.fixes.starts import RECTIFIERS, SMALL, SMOOTH, ZEROS, Fan, Start, lora_start, scaled, starts_for
from initlint.fixes.tree import Code
from initlint.graph.dataflow import NORMALIZING, PASSING, SATURATING, SELECTING, operands, operator
from initlint.graph.roles import role_of
from initlint.lint.paths import main_path, weights_along
from initlint.lint.starting import Files, merged, multiplied, own_draw, started
from initlint.lint.wording import module_at, module_of, site_of_node

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.adapters import Adapter
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter, Site
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

LINEAR = "torch.nn.modules.linear.Linear"
ACTIVATIONS = frozenset({*RECTIFIERS, *SMOOTH, *SATURATING, "leaky_relu", "selu"})


# -- what a layer needs -------------------------------------------------------------------------------------------------


def follows(facts: Facts, layer: WeightLayer, among: Collection[str] = ACTIVATIONS) -> tuple[str, float]:
    """The function that a layer's output goes through, "" for none, with the slope of a leaky one."""
    node = facts.structure.nodes[layer.node]
    for _ in range(16):  # views, a normalization, a pooling; farther away nothing belongs to this layer
        users = [user for user in node.users if user.name in facts.structure.dependence.index]
        found = next((user for user in users if operator(user) in among), None)
        if found is not None:
            return operator(found), _slope(found)
        if len(users) != 1 or users[0].name in facts.structure.layers:
            return "", 0.0
        if operator(users[0]) not in PASSING | SELECTING | NORMALIZING | {"add", "mul", "max_pool2d", "avg_pool2d"}:
            return "", 0.0
        node = users[0]
    return "", 0.0


def _slope(node: Node) -> float:
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
    return float(given) if operator(node) == "leaky_relu" and isinstance(given, int | float) else 0.01


def fan_of(facts: Facts, layer: WeightLayer) -> Fan:
    """The fan of torch.nn.init that is the layer's number of inputs, by the weight's layout."""
    shape = facts.parameter(layer.weight).shape
    return "fan_out" if len(shape) == 2 and shape[0] == layer.fan_in != shape[1] else "fan_in"


def scaled_start(facts: Facts, layer: WeightLayer, variance: float) -> Start:
    """Normal weights whose variance times the layer's number of inputs is this, whatever that number becomes."""
    parameter = facts.parameter(layer.weight)
    kind, shape = facts.traced.module_types.get(parameter.name.rpartition(".")[0], ""), parameter.shape
    if kind == LINEAR and parameter.name.endswith(".weight"):
        return scaled(variance, "{module}.in_features")
    for dimension in (1, 0):
        if len(shape) == 2 and shape[dimension] == layer.fan_in:
            return scaled(variance, f"{{tensor}}.size({dimension})")
    return scaled(variance, "{tensor}[0].numel()" if math.prod(shape[1:]) == layer.fan_in else str(layer.fan_in))


def starts_of(facts: Facts, layer: WeightLayer) -> tuple[Start, ...]:
    """The starts that suit a layer, the usual one first."""
    if layer.kind == "embedding":
        return (SMALL,)
    parameter = facts.parameter(layer.weight)
    if any(adapter.down == layer.weight for adapter in facts.structure.adapters):
        return (lora_start(parameter.shape, layer.fan_in),)
    function, slope = follows(facts, layer)
    uniform = own_draw(parameter, facts) is not None and parameter.law.family == "uniform"
    return tuple(starts_for(function, slope=slope, uniform=uniform, fan=fan_of(facts, layer)))


def linear_starts(facts: Facts, layer: WeightLayer) -> tuple[Start, ...]:
    """The starts that suit a layer whose output should stay where a bounded function is steep."""
    return tuple(starts_for("tanh", fan=fan_of(facts, layer)))


def leading_to(facts: Facts, nodes: Iterable[Node]) -> tuple[WeightLayer, ...]:
    """All layers that some nodes are computed from, each weight once."""
    dependence = facts.structure.dependence
    before = 0
    for node in nodes:
        before |= dependence.ancestors[node.name]
    found: dict[str, WeightLayer] = {}
    for name, layer in facts.structure.layers.items():
        if before >> dependence.index[name] & 1:
            found.setdefault(layer.weight, layer)
    return tuple(found.values())


def alike(facts: Facts, layers: Iterable[WeightLayer]) -> tuple[WeightLayer, ...]:
    """These layers and all others of their role and kind: what one loop makes, one loop should start."""
    wanted = {(role_of(module_at(layer, facts)), layer.kind) for layer in layers}
    found: dict[str, WeightLayer] = {}
    for layer in facts.structure.layers.values():
        if (role_of(module_at(layer, facts)), layer.kind) in wanted:
            found.setdefault(layer.weight, layer)
    return tuple(found.values())


# -- fixes --------------------------------------------------------------------------------------------------------------


def unsafe(message: str, edits: Iterable[Edit] | None) -> Iterator[Fix]:
    """A cure, where there are edits."""
    if edits is not None and (found := tuple(edits)):
        yield Fix(applicability="unsafe", message=message, edits=found)


def layers_of(found: Finding, facts: Facts) -> tuple[WeightLayer, ...]:
    """The weight layers of the modules that a finding names, each weight once."""
    modules = set(found.modules)
    layers: dict[str, WeightLayer] = {}
    for layer in facts.structure.layers.values():
        if module_of(facts.parameter(layer.weight)) in modules:
            layers.setdefault(layer.weight, layer)
    return tuple(layers.values())


Starts = Callable[["Facts", "WeightLayer"], Sequence[Start]]


# Layers of width n multiply the variance of |x|² from draw to draw by exp(c·Σ1/n), c = 5 for ReLU (Hanin, Nica 2018,
# arXiv:1812.05994): from a sum of one on, independent entries leave a few directions, whatever their variance.
NARROW = 1.0


def restarts(facts: Facts, layers: Sequence[WeightLayer], starts: Starts = starts_of) -> Iterator[Fix]:
    """These layers started as suits what follows them: those of repeated roles alone, then all, then those that a call draws; the
    usual start first, and an isometric one first where so many and so narrow layers follow each other that independent entries would
    lose the signal."""
    repeated = tuple(layer for layer in layers if "*" in role_of(module_at(layer, facts)))
    drawn = tuple(layer for layer in layers if own_draw(facts.parameter(layer.weight), facts) is not None)
    groups = [group for group in dict.fromkeys((repeated, tuple(layers), drawn)) if group]
    narrow = _is_narrow(facts, layers)

    def choices(facts: Facts, layer: WeightLayer) -> Sequence[Start]:
        usual, identity = list(starts(facts, layer)), list(_identity(layer))
        if not narrow:
            return [*usual, *identity]
        return [*identity, *usual[::-1]] if follows(facts, layer)[0] in RECTIFIERS else [*usual[::-1], *identity]

    for number in range(max((len(choices(facts, layer)) for layer in layers), default=0)):
        for group in groups:
            yield from restarted(facts, group, choices, choice=number)


def unbiased(facts: Facts, layers: Sequence[WeightLayer]) -> Iterator[Fix]:
    """These layers started as suits what follows them, and their biases at zero, where these have a mean."""
    from initlint.fixes.starts import ZEROS

    biases = [name for layer in layers for name in layer.others if facts.parameter(name).law.mean]
    for fix in unsafe("start the bias at zero", started(facts, dict.fromkeys(biases, ZEROS), together=True) if biases else None):
        yield from restarted(facts, layers, starts_of, before=[fix])


def _is_narrow(facts: Facts, layers: Sequence[WeightLayer]) -> bool:
    """Whether Σ1/n of those of the layers that follow each other on the way to one output, with no trunk beside them, is large."""
    wanted = {layer.weight for layer in layers if not facts.structure.in_branch(layer.node)}
    ways = (weights_along(facts, main_path(facts, output)).values() for output in facts.traced.outputs)
    return any(sum(1 / layer.fan_in for layer in way if layer.weight in wanted) >= NARROW for way in ways)


def _identity(layer: WeightLayer) -> Iterator[Start]:
    """The identity, of a square layer, which a rectifier behind it leaves one (Le, Jaitly, Hinton 2015, arXiv:1504.00941)."""
    if layer.fan_in == layer.fan_out and layer.kind == "linear":
        yield Start(function="eye_")


def restarted(
    facts: Facts, layers: Sequence[WeightLayer], starts: Starts, *, choice: int = 0, before: Iterable[Fix] = ()
) -> Iterator[Fix]:
    """These layers started as suits what follows them, by one of the starts that each may have.

    choice  which of a layer's starts; the last one where it has fewer
    before  fixes of other places that are part of the cure
    """
    usual: dict[str, Counter[Start]] = {}
    for layer in layers:
        some = starts(facts, layer)
        usual.setdefault(role_of(module_at(layer, facts)), Counter())[some[min(choice, len(some) - 1)]] += 1
    most = {role: counts.most_common(1)[0][0] for role, counts in usual.items()}  # one loop, one start
    wanted = {name: most[role_of(module_at(layer, facts))] for layer in layers for name in _drawn_together(facts, layer)}
    edits = started(facts, wanted)
    if wanted and edits is not None:
        start = Counter(wanted.values()).most_common(1)[0][0]
        parts = tuple(before)
        said = "".join(f"{part.message}, and " for part in parts) + f"start these weights with nn.init.{start}"
        yield from unsafe(said, merged((*(edit for part in parts for edit in part.edits), *edits)))


def _drawn_together(facts: Facts, layer: WeightLayer) -> Iterator[str]:
    """The weight of a layer; of a recurrent one, all matrices that the same call draws: what is wrong with one is so with each."""
    yield layer.weight
    write = own_draw(facts.parameter(layer.weight), facts)
    if layer.kind == "recurrent" and write is not None:
        for name in layer.weights:
            other = own_draw(facts.parameter(name), facts)
            if other is not None and other.site == write.site and name != layer.weight:
                yield name


# -- one call, and what made a parameter --------------------------------------------------------------------------------


def draw_of_finding(found: Finding, files: Files) -> tuple[Code, Draw] | None:
    """The initializing call that a finding points at."""
    code = files.code(found.span.path)
    draw = None if code is None else draw_at(code, site_of_span(found.span))
    return None if code is None or draw is None else (code, draw)


def site_of_span(span: Span) -> Site:
    """The place that a finding's region stands for; only its line where no more was known."""
    from initlint.graph.model import Site

    known = (span.end_line, span.end_column) != (span.line, span.column + 1)
    return Site(
        path=span.path,
        line=span.line,
        column=span.column,
        end_line=span.end_line if known else None,
        end_column=span.end_column if known else None,
    )


def parameters_drawn_at(facts: Facts, span: Span) -> tuple[str, ...]:
    """Names of the nodes whose parameters were last written explicitly by the call at a place."""
    site = site_of_span(span)
    found = []
    for name, item in facts.traced.parameters.items():
        write = own_draw(item, facts)
        at = None if write is None else write.site
        if item.alias_of is None and at is not None and (at.path, at.line, at.column) == (site.path, site.line, site.column):
            found.append(name)
    return tuple(found)


FACTORIES = ("empty", "zeros", "ones", "randn", "rand", "Tensor", "FloatTensor")


def refilled(facts: Facts, parameter: Parameter, wanted: str, files: Files) -> tuple[Edit, ...] | None:
    """`torch.empty(…)` → `torch.ones(…)` in the statement that made a parameter, where nothing writes it afterwards."""
    if parameter.made is None or own_draw_after_made(parameter, facts):
        return None
    code = files.code(parameter.made.path)
    statement = None if code is None else code.statement_at(parameter.made.line)
    if code is None or statement is None or code.extent(statement) > LONGEST:
        return None
    made = [call for call in calls_named(code, FACTORIES, statement) if call.args]
    if len(made) != 1:
        return None
    whole: cst.CSTNode = made[0]  # with what scales it: torch.randn(n) * 0.02
    while isinstance(code.parents[whole], cst.BinaryOperation):
        whole = code.parents[whole]
    function = made[0].func
    if whole is made[0]:
        return (code.replaced(function.attr if isinstance(function, cst.Attribute) else function, wanted),)
    prefix = f"{code.text(function.value)}." if isinstance(function, cst.Attribute) else ""
    return (code.replaced(whole, f"{prefix}{wanted}({', '.join(code.text(item) for item in made[0].args)})"),)


LONGEST = 8  # lines of a statement that makes one parameter


def own_draw_after_made(parameter: Parameter, facts: Facts) -> bool:
    """Whether a line other than the one that made a parameter wrote it."""
    made = parameter.made
    return any(
        not item.default
        and item.site is not None
        and made is not None
        and (item.site.path, item.site.line) != (made.path, made.line)
        for item in parameter.writes
    )


def use_of(facts: Facts, name: str) -> str:
    """What a parameter does: "factor" (it multiplies, or is a normalization's gain), "term" (it is added), or ""."""
    node = facts.structure.nodes[name]
    for _ in range(8):
        users = [user for user in node.users if user.name in facts.structure.dependence.index]
        if not users:
            return ""
        user = users[0]
        kind = operator(user)
        if kind in ("mul", "div"):
            return "factor"
        if kind in ("add", "sub"):
            return "term"
        if kind in NORMALIZING:
            vectors = [item for item in operands(user) if item.name in facts.traced.parameters]
            return "factor" if vectors and vectors[0] is node else "term"
        if user.name in facts.structure.layers:
            return "term" if name in facts.structure.layers[user.name].others else ""
        if kind not in PASSING | SELECTING:
            return ""
        node = user
    return ""


def layer_of(facts: Facts, name: str) -> WeightLayer | None:
    """The first layer whose weight a parameter is."""
    return next((layer for layer in facts.structure.layers.values() if layer.weight == name), None)


# -- residual branches and adapters -------------------------------------------------------------------------------------


# So many branches change what the net computes so many times as much in one step as one does, if nothing but their last weight is
# zero: usual rates bear it for a few dozen of them.
MANY = 32


def silenced(facts: Facts, residuals: Sequence[Residual], files: Files) -> Iterator[Fix]:
    """The last weight of every branch at zero; of many branches of m weights each, the others times L^(-1/(2m-2)), which keeps
    the first steps of L blocks as large as those of one (Zhang, Dauphin, Ma 2019, arXiv:1901.09321)."""
    silent = {weight: ZEROS for residual in residuals for weight in facts.structure.writers(residual)}
    edits = started(facts, silent, files, together=False)
    said = "start the last weight of each branch at zero"
    if edits is not None and len(residuals) > MANY:
        factors: dict[str, str] = {}
        for residual in residuals:
            weights = dict.fromkeys(facts.structure.layers[name].weight for name in residual.layers)
            inner = [weight for weight in weights if weight not in silent]
            factors |= {weight: f"{len(residuals)}**{-1 / (2 * len(weights) - 2):.3g}" for weight in inner}
        smaller = multiplied(facts, factors, files)
        if factors and smaller is not None:
            yield from unsafe(f"{said}, and the others smaller by their number, as Fixup does", merged((*edits, *smaller)))
    yield from unsafe(said, edits)


def rescaled(facts: Facts, adapter: Adapter, files: Files) -> Iterator[Fix]:
    """The scale of an adapter as alpha/rank, where it is written or where the attribute that holds it is assigned."""
    site = site_of_node(adapter.scale_node, facts)
    code = None if site is None else files.code(site.path)
    if site is None or code is None:
        return
    for place in scales_on(code, site.line):
        changed = usual_scale(code, place, adapter.rank)
        if changed != code.text(place):
            yield from unsafe(f"scale by {changed}", [code.replaced(place, changed)])


def thawed(parameter: Parameter, files: Files) -> Iterator[Edit]:
    """A parameter trained: `requires_grad=False` taken out of what made it, or the line that froze it taken away."""
    made = parameter.made
    code = None if made is None else files.code(made.path)
    statement = None if code is None or made is None else code.statement_at(made.line)
    if code is None or statement is None:
        return
    for call in code.all(cst.Call, statement):
        for argument in call.args:
            if (
                argument.keyword is not None
                and argument.keyword.value == "requires_grad"
                and code.text(argument.value) == "False"
            ):
                yield without_argument(code, call, argument)
                return
    name = parameter.name.rpartition(".")[2]
    owner = code.around(statement, cst.ClassDef)
    for call in calls_named(code, ("requires_grad_",), owner):
        frozen = isinstance(call.func, cst.Attribute) and code.text(call.func.value).endswith(f".{name}")
        line = code.statement(call)
        if frozen and line is not None and isinstance(line, cst.SimpleStatementLine):
            yield code.removed(line)
            return


def connected(facts: Facts, layers: Iterable[WeightLayer]) -> Iterator[Fix]:
    """A residual connection around each of these layers, where their line assigns: advice, for it is another architecture."""
    files = Files(facts)
    places = {(at.path, at.line) for layer in layers if (at := site_of_node(layer.node, facts)) is not None}
    codes = {path: code for path, _ in places if (code := files.code(path)) is not None}
    edits = merged(edit for path, line in sorted(places) if path in codes for edit in with_residual(codes[path], line))
    if edits:
        yield Fix(applicability="display", message="add the layer's input to its output", edits=edits)
