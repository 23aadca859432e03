"""INI203: zeros in series, so that a parameter never receives a gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, RECTIFYING, SELECTING, operands, operator, strip
from initlint.graph.liveness import is_cut_off
from initlint.graph.roles import role_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import (
    counted,
    finding,
    is_own,
    module_of,
    pattern_of,
    site_made,
    site_of_law,
    site_of_node,
    span_of,
    step_at,
)

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI203",
    name="zero-gradient",
    severity=Severity.ERROR,
    summary="Parameters that can never learn, because zero factors in series wait for each other.",
    fix="unsafe",
    explained_by=("lora-cannot-learn",),
)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for every place that wrote the later zero of a dead circle; or one where the numbers themselves come to nothing."""
    dead = facts.liveness.dead
    if not dead:
        yield from _all_still(facts)
        return
    if facts.liveness.equal:
        yield _equal(facts)
        return
    zeros = [facts.parameter(name) for name in facts.liveness.zeros]
    matrices = [parameter for parameter in zeros if len(parameter.shape) > 1 or parameter.shape in ((), (1,))] or zeros
    roles = {role_of(parameter.name) for parameter in matrices}
    how = (
        "wait for each other"
        if len(roles) > 1
        else "meets a function without slope at zero"
        if len(matrices) == 1
        else "wait for each other, or each meets a function without slope at zero"
    )
    if all(parameter.kind == "buffer" for parameter in matrices):
        how = "no training changes a buffer"
    sites = [(parameter, site) for parameter in matrices if (site := _site(parameter, matrices, facts)) is not None]
    modules = list(dict.fromkeys(module_of(facts.parameter(name)) for name in dead))
    shown = pattern_of(modules)
    names = pattern_of(parameter.name for parameter in matrices)
    last = max(sites, key=lambda item: (item[1].path, item[1].line), default=None)
    related = [
        place
        for parameter, site in sites
        if last is not None and span_of(site) != span_of(last[1])
        for place in step_at(site, f"`{parameter.name}` is zero as well")
    ]
    yield finding(
        RULE,
        facts,
        at=None if last is None else last[1],
        severity=Severity.WARNING if facts.liveness.passed else Severity.ERROR,
        message=(
            f"{counted(len(dead), 'parameter')} of {shown} {'receives' if len(dead) == 1 else 'receive'} a gradient of exactly zero, now and after every step: "
            f"{names} {'is' if len(matrices) == 1 else 'are'} zero and {how}. "
            f"They never learn, with any optimizer{', and the rest trains without them' if facts.liveness.passed else ''}."
        ),
        help="keep one factor zero for an identity start and draw the other one at random"
        if len(roles) > 1
        else "draw it at random",
        modules=modules,
        evidence={"parameters": float(len(dead))},
        related=related,
    )


def _equal(facts: Facts) -> Finding:
    """A part that starts as the copy of what it is compared with: the difference is zero, and so is the slope of its square."""
    dead = [facts.parameter(name) for name in facts.liveness.dead]
    copied = next((item for item in dead if item.copy_of is not None), dead[0])
    modules = list(dict.fromkeys(module_of(item) for item in dead))
    return finding(
        RULE,
        facts,
        at=site_made(copied, facts),
        message=(
            f"{counted(len(dead), 'parameter')} of {pattern_of(modules)} {'receives' if len(dead) == 1 else 'receive'} a gradient of exactly zero, "
            f"now and after every step: `{copied.name}` starts as a copy of `{copied.copy_of}`, and only the difference of what the two "
            "compute is used. It is exactly zero, and so is its slope."
        ),
        help="draw the copy anew (make the module a second time instead of copying it)",
        modules=modules,
        evidence={"parameters": float(len(dead))},
        related=step_at(site_of_node(facts.liveness.equal[0], facts), "this is zero for every input"),
    )


def _all_still(facts: Facts) -> Iterator[Finding]:
    """Where values that are no zeros by their law are all rounded, cut or clamped to zero: no output depends on the input, and no
    matrix has a gradient that is not zero, not even the last one, as it would behind an intended start from nothing. Rectifiers that are
    all dead, and memory that nobody wrote, have rules of their own."""
    if any(item.law.family == "uninitialized" for item in facts.traced.parameters.values()):
        return
    endless = {name for name, signal in facts.signals.items() if signal.second_moment == math.inf}
    divided = (item.name in endless for node in facts.structure.dependence.order if operator(node) == "div" for item in operands(node))
    if facts.guessed and any(divided):
        return  # what is divided by may overflow for inputs that nobody gives; a mask of -inf does not count
    zero = frozenset(name for name, signal in facts.signals.items() if signal.second_moment == 0.0)
    starts = [node for node in facts.structure.dependence.order if _loses_all(node, zero, facts)]
    waiting = {*facts.liveness.waiting}
    gradients = {
        name: facts.signals[name].grad_second_moment
        for name, item in facts.traced.parameters.items()
        if item.kind == "parameter" and item.trainable and name in facts.signals and name not in waiting
    }
    known = {name: value for name, value in gradients.items() if value is not None}
    matrices = [value for name, value in known.items() if len(facts.parameter(name).shape) > 1]
    if not starts or not matrices or any(matrices) or not is_cut_off(facts.traced, zero):
        return
    still = [name for name, value in known.items() if value == 0.0]
    where = facts.traced.modules.get(starts[0].name, "")
    yield finding(
        RULE,
        facts,
        at=site_of_node(starts[0].name, facts),
        message=(
            f"nothing of the input reaches an output: all that {f'`{where}`' if where else 'this line'} puts out is exactly zero, though its input is not, "
            f"and {len(still)} of {counted(len(known), 'parameter')} receive a gradient of exactly zero. Training does not start."
        ),
        help="the values here are so small, or so far to one side, that all are rounded, cut or clamped to zero: start the weights, or "
        "the step or threshold they are compared with, so that some are left",
        modules=[where] if where else [],
        evidence={"parameters": float(len(still))},
        rests_on=(starts[0].name,),
    )


def _loses_all(node: Node, zero: frozenset[str], facts: Facts) -> bool:
    """A node on the way of the data that is zero although nothing of the data it reads is."""
    data = facts.structure.dependence.data
    if operator(node) in RECTIFYING or node.name not in zero & data:
        return False
    return not any(item.name in zero & data for item in operands(node))


def _site(parameter: Parameter, zeros: Sequence[Parameter], facts: Facts) -> Site | None:
    """The innermost of the user's lines that made this module zero and not the others too, as a helper does; else the line
    that wrote it."""
    shared = {
        (site.path, site.line) for other in zeros if module_of(other) != module_of(parameter) for site in _lines(other, facts)
    }
    own = (site for site in _lines(parameter, facts) if (site.path, site.line) not in shared)
    return next(own, None) or site_of_law(parameter, facts)


def _lines(parameter: Parameter, facts: Facts) -> list[Site]:
    """The user's lines that were running when a parameter was last written, innermost first."""
    write = next((write for write in reversed(parameter.writes) if not write.default), None)
    if write is None:
        return []
    return [site for site in (write.site, *reversed(write.stack)) if site is not None and is_own(site, facts)]


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """One of the zeros at one (a factor) or drawn at random (a matrix), the reported one first; all matrices drawn at random, but for
    those that end a branch beside a frozen layer."""
    from initlint.fixes.moves import made_anew
    from initlint.fixes.starts import ONES, SMALL
    from initlint.lint.cures import layer_of, refilled, starts_of, unsafe, use_of
    from initlint.lint.starting import Files, merged, started

    files = Files(facts)
    code = files.code(found.span.path) if facts.liveness.equal else None
    if code is not None:
        yield from unsafe("make the module a second time", merged(made_anew(code, found.span.line)))
    groups: dict[str, list[str]] = {}
    for name in facts.liveness.zeros:
        groups.setdefault(role_of(facts.parameter(name).name), []).append(name)

    def order(names: list[str]) -> tuple[bool, int]:
        site = site_of_law(facts.parameter(names[0]), facts)
        return site is None or site.line != found.span.line, -len(facts.parameter(names[0]).shape)

    for group in sorted(groups.values(), key=order):
        names = [name for name in group if not _joins_frozen(facts, name)] or group
        parameter, layer = facts.parameter(names[0]), layer_of(facts, names[0])
        if layer is None and use_of(facts, names[0]) == "factor":
            said = f"start `{parameter.name}` at one"
            yield from unsafe(said, refilled(facts, parameter, "ones", files))
            yield from unsafe(said, started(facts, dict.fromkeys(names, ONES), files, together=False))
        elif layer is not None:
            alone = len(groups) == 1  # a branch that was to be silent at first stays quiet
            start = SMALL if alone else starts_of(facts, layer)[0]
            yield from unsafe(
                f"draw `{parameter.name}` at random: nn.init.{start}",
                started(facts, dict.fromkeys(names, start), files, together=False),
            )
    drawn = {name: starts_of(facts, layer)[0] for name in facts.liveness.zeros if (layer := layer_of(facts, name)) is not None}
    first = {name: start for name, start in drawn.items() if not _joins_frozen(facts, name)}
    if first and len(first) < len(drawn):
        yield from unsafe("draw all but the last ones at random", started(facts, first, files, together=False))
    elif len(drawn) > 1:
        yield from unsafe("draw all of them at random", started(facts, drawn, files))


def _joins_frozen(facts: Facts, name: str) -> bool:
    """Whether what a weight puts out is added to what a frozen layer does: such a branch starts as nothing on purpose."""
    through = PASSING | SELECTING | {"mul", "div"}
    for layer in facts.structure.layers.values():
        node = facts.structure.nodes[layer.node] if layer.weight == name else None
        while node is not None:
            users = list(node.users)
            if len(users) != 1:
                break
            before, node = node, users[0]
            if operator(node) == "add":
                others = (strip(item, through) for item in operands(node) if item is not before)
                frozen = (facts.structure.layers.get(item.name) for item in others)
                if any(item is not None and not facts.parameter(item.weight).trainable for item in frozen):
                    return True
            if operator(node) not in through:
                break
    return False
