"""FACTS → edits that several rules share: start weights otherwise, where the user's own lines start them or could.

A weight that an explicit call last wrote is started by another call in its place; one that only its constructor wrote gets a line
in the `__init__` of the innermost class of the user's that holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import Draw, calls_named, draw_at, init_prefix, redrawn, without_argument
from initlint.fixes.edit import Edit, Fix, Span
from initlint.fixes.expressions import scales_on, usual_scale
from initlint.fixes.insert import Owner, inserted
from initlint.fixes.moves import with_residual
from initlint.fixes.names import imports
from initlint.fixes.starts import RECTIFIERS, SMALL, SMOOTH, Fan, Start, starts_for
from initlint.fixes.tree import Code, read_code
from initlint.graph.dataflow import NORMALIZING, PASSING, SATURATING, SELECTING, operands, operator, strip
from initlint.lint.wording import is_own, module_at, module_of, role_of, site_of_node

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.adapters import Adapter
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

ACTIVATIONS = frozenset({*RECTIFIERS, *SMOOTH, *SATURATING, "leaky_relu", "selu"})


@dataclass(slots=True)
class Files:
    """The files of one target that fixes read, each parsed once."""

    facts: Facts
    known: dict[str, Code | None] = field(default_factory=dict)

    def code(self, path: str) -> Code | None:
        """The tree of a file of the user's project; None for any other."""
        if path not in self.known:
            own = path == self.facts.path or path.startswith(self.facts.root)
            self.known[path] = read_code(path) if own else None
        return self.known[path]

    def owner(self, parameter: Parameter, wanted: str = "") -> tuple[str, Owner] | None:
        """The innermost module around a parameter whose class the user wrote (or that is a `wanted`): its path and its class."""
        types = self.facts.traced.module_types
        paths = dict.fromkeys((self.facts.path, *(site.path for site in (parameter.made,) if site is not None)))
        module = parameter.name.rpartition(".")[0]
        while True:
            name = types.get(module, "").rpartition(".")[2]
            for path in paths if wanted in ("", name) else ():
                code = self.code(path)
                definition = None if code is None else code.classes().get(name)
                if code is not None and definition is not None and "__init__" in code.functions(definition):
                    prefix = f"{module}." if module else ""
                    below = {
                        item[len(prefix) :]: kind for item, kind in types.items() if item.startswith(prefix) and item != module
                    }
                    return module, Owner(code=code, definition=definition, types=below)
            if not module:
                return None
            module = module.rpartition(".")[0]


def own_draw(parameter: Parameter, facts: Facts) -> Write | None:
    """The last write of a parameter, if one of the user's own lines made it explicitly."""
    write = next((item for item in reversed(parameter.writes) if not item.default), None)
    if write is None or not write.stack or not is_own(write.site, facts) or not is_own(write.stack[-1], facts):
        return None
    return write


def started(
    facts: Facts, wanted: Mapping[str, Start], files: Files | None = None, *, together: bool = True
) -> tuple[Edit, ...] | None:
    """Edits that give every parameter (by node name) its start; None where one of them cannot be reached.

    together  a call that writes other layers' weights as well, all alike, is changed for all of them; else the new start comes
              behind it
    """
    files = Files(facts) if files is None else files
    edits: list[Edit] = []
    redraws: dict[Site, Start] = {}
    inserts: dict[tuple[str, Start], _Insert] = {}
    for name, start in wanted.items():
        parameter = original(facts.parameter(name), facts)
        write = own_draw(parameter, facts)
        site = None if write is None else write.site
        code = None if site is None else files.code(site.path)
        draw = None if site is None or code is None else draw_at(code, site)
        if site is not None and code is not None and draw is not None:
            others = _written_at(facts, site) - {facts.parameter(other).name for other in wanted}
            if not others or (together and _alike(facts, others, code, draw)):
                redraws.setdefault(site, start)
                continue
        place = _place(parameter, write, files)
        if place is None:
            return None
        module, owner, line = place
        insert = inserts.setdefault((f"{owner.code.path}:{owner.definition.name.value}", start), _Insert(owner))
        insert.paths[parameter.name[len(module) + 1 if module else 0 :]] = None
        insert.after = max(insert.after, line)
    for site, start in redraws.items():
        code = files.code(site.path)
        draw = None if code is None else draw_at(code, site)
        if code is not None and draw is not None:
            edits += redrawn(code, draw, start)
    for (_, start), insert in inserts.items():
        added = insertion(insert.owner, tuple(insert.paths), start, after=insert.after)
        if added is None:
            return None
        edits += added
    return merged(edits)


@dataclass(slots=True)
class _Insert:
    """Tensors of one class that get the same start, and the line they have to come behind."""

    owner: Owner
    paths: dict[str, None] = field(default_factory=dict)
    after: int = 0


def merged(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Equal edits once; lines that go to one place, one after another in one edit."""
    found: dict[Span, str] = {}
    for edit in dict.fromkeys(edits):
        found[edit.span] = found.get(edit.span, "") + edit.content
    return tuple(Edit(span=span, content=content) for span, content in found.items())


def _written_at(facts: Facts, site: Site) -> set[str]:
    """The parameters whose last explicit write stands at a site."""
    return {
        item.name
        for item in facts.traced.parameters.values()
        if (write := own_draw(item, facts)) is not None and write.site is not None and write.site == site
    }


def _alike(facts: Facts, names: set[str], code: Code, draw: Draw) -> bool:
    """Whether a call that writes these parameters, too, may be changed for them: all are weights of linear layers and
    convolutions, and no argument of the call differs between them."""
    weights = {
        facts.parameter(item.weight).name for item in facts.structure.layers.values() if item.kind in ("linear", "convolution")
    }
    return names <= weights and is_constant(code, draw)


def is_constant(code: Code, draw: Draw) -> bool:
    """Whether the arguments behind the tensor are the same at every call: they name imported modules only."""
    known = {bound.partition(".")[0] for _, bound in imports(code)}
    return all(_roots(code, item.value) <= known for item in draw.arguments)


def _roots(code: Code, node: cst.CSTNode) -> set[str]:
    """Names in an expression that are not attributes of others."""
    inner = {item.attr for item in code.all(cst.Attribute, node)} | {
        item.keyword for call in code.all(cst.Call, node) for item in call.args if item.keyword is not None
    }
    return {item.value for item in code.all(cst.Name, node) if item not in inner}


def _place(parameter: Parameter, write: Write | None, files: Files) -> tuple[str, Owner, int] | None:
    """The module and class whose constructor may start a parameter anew, and the line to come behind.

    A start from outside (an `apply` by the whole model) comes later than all that the parameter's own class can write.
    """
    if write is None:
        found = files.owner(parameter)
        return None if found is None else (*found, 0)
    for frame in reversed(write.stack):
        code = files.code(frame.path) if is_own(frame, files.facts) else None
        constructor = None if code is None else code.function_at(frame.line)
        definition = None if code is None or constructor is None else code.around(constructor, cst.ClassDef)
        if constructor is not None and definition is not None and constructor.name.value == "__init__":
            found = files.owner(parameter, definition.name.value)
            return None if found is None else (*found, frame.line)
    return None


def insertion(owner: Owner, paths: Sequence[str], start: Start, *, after: int = 0) -> tuple[Edit, ...] | None:
    """New lines in a class's constructor that start these of its tensors."""
    prefix, needed = init_prefix(owner.code)
    arguments, imported = start.written(owner.code)

    def written(tensor: str, indent: str) -> list[str]:
        return owner.code.call(prefix + start.function, [tensor, *arguments], indent)

    edit = inserted(owner, paths, written, after=after)
    return None if edit is None else (*needed, *imported, edit)


def original(parameter: Parameter, facts: Facts) -> Parameter:
    """The parameter whose storage a tied one shares."""
    if parameter.alias_of is None:
        return parameter
    return next((item for item in facts.traced.parameters.values() if item.name == parameter.alias_of), parameter)


# -- what a layer needs -------------------------------------------------------------------------------------------------


def follows(facts: Facts, layer: WeightLayer) -> tuple[str, float]:
    """The function that a layer's output goes through, "" for none, with the slope of a leaky one."""
    node = facts.structure.nodes[layer.node]
    for _ in range(16):  # views, a normalization, a pooling; farther away nothing belongs to this layer
        users = [user for user in node.users if user.name in facts.structure.dependence.index]
        found = next((user for user in users if operator(user) in ACTIVATIONS), None)
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


def starts_of(facts: Facts, layer: WeightLayer) -> tuple[Start, ...]:
    """The starts that suit a layer, the usual one first."""
    if layer.kind == "embedding":
        return (SMALL,)
    parameter = facts.parameter(layer.weight)
    function, slope = follows(facts, layer)
    uniform = own_draw(parameter, facts) is not None and parameter.law.family == "uniform"
    return tuple(starts_for(function, slope=slope, uniform=uniform, fan=fan_of(facts, layer)))


def linear_starts(facts: Facts, layer: WeightLayer) -> tuple[Start, ...]:
    """The starts that suit a layer whose output should stay where a bounded function is steep."""
    return tuple(starts_for("tanh", fan=fan_of(facts, layer)))


def identity_start(facts: Facts, layer: WeightLayer) -> Start | None:
    """The identity, for a square layer behind which a rectifier leaves it one (Le, Jaitly, Hinton 2015, arXiv:1504.00941)."""
    if layer.fan_in != layer.fan_out or layer.kind != "linear":
        return None
    return Start(function="eye_")


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


def restarts(
    facts: Facts, layers: Sequence[WeightLayer], starts: Starts = starts_of, last: Callable[..., Start | None] | None = None
) -> Iterator[Fix]:
    """These layers started as suits what follows them: those of repeated roles alone, then all; the usual start first.

    last  a start to be tried when no other helps
    """
    repeated = tuple(layer for layer in layers if "*" in role_of(module_at(layer, facts)))
    groups = [repeated, tuple(layers)] if 0 < len(repeated) < len(layers) else [tuple(layers)]
    choices: dict[str, list[Start]] = {}
    for layer in layers:
        final = None if last is None else last(facts, layer)
        choices[layer.weight] = [*starts(facts, layer), *([final] if final is not None else [])]
    for number in range(max(map(len, choices.values()), default=0)):
        for group in groups:
            usual: dict[str, Counter[Start]] = {}
            for layer in group:
                start = choices[layer.weight][min(number, len(choices[layer.weight]) - 1)]
                usual.setdefault(role_of(module_at(layer, facts)), Counter())[start] += 1
            most = {role: counts.most_common(1)[0][0] for role, counts in usual.items()}  # one loop, one start
            wanted = {layer.weight: most[role_of(module_at(layer, facts))] for layer in group}
            said = Counter(wanted.values()).most_common(1)[0][0]
            yield from unsafe(f"start these weights with nn.init.{said}", started(facts, wanted))


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


def normalized_by(facts: Facts, layer: WeightLayer) -> str | None:
    """The bias of the batch normalization right behind a layer, where a rectifier follows it."""
    node = facts.structure.nodes[layer.node]
    for _ in range(4):
        users = [user for user in node.users if user.name in facts.structure.dependence.index]
        norm = next((user for user in users if "batch_norm" in operator(user)), None)
        if norm is not None:
            rectified = any(operator(strip(user)) in RECTIFIERS for user in norm.users) or any(
                operator(after) in RECTIFIERS for user in norm.users for after in user.users
            )
            vectors = [item.name for item in operands(norm) if (p := facts.traced.parameters.get(item.name)) and p.trainable]
            return vectors[1] if rectified and len(vectors) > 1 else None
        if len(users) != 1 or operator(users[0]) not in PASSING:
            return None
        node = users[0]
    return None


def connected(facts: Facts, layers: Iterable[WeightLayer]) -> Iterator[Fix]:
    """A residual connection around each of these layers, where their line assigns: advice, for it is another architecture."""
    files = Files(facts)
    places = {(at.path, at.line) for layer in layers if (at := site_of_node(layer.node, facts)) is not None}
    codes = {path: code for path, _ in places if (code := files.code(path)) is not None}
    edits = merged(edit for path, line in sorted(places) if path in codes for edit in with_residual(codes[path], line))
    if edits:
        yield Fix(applicability="display", message="add the layer's input to its output", edits=edits)
