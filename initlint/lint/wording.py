"""How findings speak: where they point, how modules are abbreviated, how numbers are rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.frames import is_below
from initlint.graph.roles import role_of
from initlint.lint.finding import Finding, Related, Severity, Span

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Law, Parameter, Site, Write
    from initlint.lint.facts import Facts
    from initlint.lint.rule import Rule


def finding(
    rule: Rule,
    facts: Facts,
    *,
    at: Site | None,
    message: str,
    help: str = "",
    severity: Severity | None = None,
    modules: Iterable[str] = (),
    evidence: Mapping[str, float] | None = None,
    related: Iterable[Related] = (),
    rests_on: Iterable[str] = (),
    tolerated: bool = False,
) -> Finding:
    """A finding of `rule` at a place in the user's source, or at the target's definition when there is no such place."""
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=rule.severity if severity is None else severity,
        message=message,
        help=help,
        span=span_of(at) if at is not None else span_of_target(facts),
        target=facts.target,
        modules=tuple(dict.fromkeys(modules)),
        evidence=dict(evidence or {}),
        related=tuple(related),
        rests_on=tuple(rests_on),
        tolerated=tolerated,
    )


# -- places -------------------------------------------------------------------------------------------------------------


def span_of(site: Site) -> Span:
    """The region of a site; one column wide when only its line is known."""
    return Span(
        path=site.path,
        line=site.line,
        column=site.column,
        end_line=site.end_line or site.line,
        end_column=site.end_column or site.column + 1,
    )


def span_of_target(facts: Facts) -> Span:
    """The definition of the class, factory or instance."""
    return Span(path=facts.path, line=facts.line, end_line=facts.line, end_column=2)


def is_own(site: Site | None, facts: Facts) -> bool:
    """Whether a place is in the user's code: the target's file or one of its project, not an installed package."""
    return site is not None and (site.path == facts.path or is_below(site.path, (facts.root,)))


def innermost(sites: Iterable[Site | None], facts: Facts) -> Site | None:
    """The first of these places that is the user's own."""
    return next((site for site in sites if is_own(site, facts)), None)


def site_of_call(write: Write, facts: Facts) -> Site | None:
    """The user's line that called the initializer of a write; None where a package's own code did, which nobody here can mend."""
    return write.site if write.stack and is_own(write.stack[-1], facts) and is_own(write.site, facts) else None


def site_of_module(path: str, facts: Facts) -> Site | None:
    """The user's line that constructed a module or the closest module around it."""
    while True:
        site = facts.traced.module_sites.get(path)
        if is_own(site, facts):
            return site
        if not path:
            return None
        path = path.rpartition(".")[0]


def site_made(parameter: Parameter, facts: Facts) -> Site | None:
    """The user's line that constructed a parameter or its module."""
    if is_own(parameter.made, facts):
        return parameter.made
    return site_of_module(parameter.name.rpartition(".")[0], facts)


def site_of_law(parameter: Parameter, facts: Facts) -> Site | None:
    """The user's line that is answerable for a parameter's law: the last explicit write, else the construction."""
    return site_of_last_write(parameter, facts) or site_made(parameter, facts)


def site_of_last_write(parameter: Parameter, facts: Facts) -> Site | None:
    """The user's line that last wrote a parameter explicitly; None when only constructors did."""
    for write in reversed(parameter.writes):
        if not write.default:
            site = innermost((write.site, *reversed(write.stack)), facts)
            if site is not None:
                return site
    return None


def site_of_node(name: str, facts: Facts) -> Site | None:
    """The user's line that computes a node, or the construction of the module that does."""
    site = facts.traced.sites.get(name)
    if is_own(site, facts):
        return site
    return site_of_module(facts.traced.modules.get(name, ""), facts)


def site_of_layer(layer: WeightLayer, facts: Facts) -> Site | None:
    """The user's line that is answerable for the scale of a weight layer."""
    return site_of_law(facts.parameter(layer.weight), facts)


def site_of_cause(facts: Facts, node: Node, layer: WeightLayer | None) -> Site | None:
    """Where the size of `node` is decided: at the layer that feeds it, else where it is computed."""
    site = None if layer is None else site_of_scale(facts, layer)
    return site or site_of_node(node.name, facts)


def site_of_scale(facts: Facts, layer: WeightLayer) -> Site | None:
    """The user's explicit write among a layer's weight and biases, the weight's first; else its construction."""
    parameters = [facts.parameter(name) for name in (layer.weight, *layer.others)]
    for parameter in parameters:
        site = site_of_last_write(parameter, facts)
        if site is not None:
            return site
    return site_made(parameters[0], facts)


def places_of_layers(facts: Facts, changes: Sequence[tuple[WeightLayer, float]]) -> tuple[Site | None, tuple[Related, ...]]:
    """The line answerable for most of the change, and the other lines that take part."""
    shares: dict[tuple[str, int], float] = {}
    sites: dict[tuple[str, int], Site] = {}
    for layer, change in changes:
        site = site_of_layer(layer, facts)
        if site is not None:
            key = site.path, site.line
            sites.setdefault(key, site)
            shares[key] = shares.get(key, 0.0) + abs(change)
    ranked = sorted(sites, key=lambda key: (-shares[key], key))
    if not ranked:
        return None, ()
    others = (Related(message="this layer takes part", span=span_of(sites[key])) for key in sorted(ranked[1:]))
    return sites[ranked[0]], tuple(others)


# -- words --------------------------------------------------------------------------------------------------------------


def module_of(parameter: Parameter) -> str:
    """The path of the module that holds a parameter; the parameter's own name at the root."""
    return parameter.name.rpartition(".")[0] or parameter.name


def module_at(layer: WeightLayer, facts: Facts) -> str:
    """The path of the module that holds a layer's weight."""
    return module_of(facts.parameter(layer.weight))


def pattern_of(modules: Iterable[str]) -> str:
    """`layers.0.fc`, `layers.1.fc` → "`layers.*.fc`"; a few different paths are listed, many are counted."""
    patterns: dict[str, int] = {}
    first: dict[str, str] = {}
    for module in dict.fromkeys(modules):
        pattern = role_of(module)
        patterns[pattern] = patterns.get(pattern, 0) + 1
        first.setdefault(pattern, module)
    shown = [f"`{pattern if count > 1 else first[pattern]}`" for pattern, count in patterns.items()]
    if len(shown) > 3:
        return f"{', '.join(shown[:2])} and {len(shown) - 2} more"
    return ", ".join(shown)


def number(value: float) -> str:
    """Two significant digits: "0.41", "47", "1.2e-09"."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
        return text if "e" not in text else f"{float(text):.0f}"
    return f"{value:.0e}" if abs(value) >= 1e4 else f"{value:.1e}"


def law_in_words(law: Law) -> str:
    """ "zeros", "the constant 0.01", "N(0, 0.02²)", "U(-0.1, 0.1)"."""
    if law.family == "constant":
        return "zeros" if law.is_zero else "ones" if law.mean == 1 else f"the constant {number(law.mean)}"
    if law.family == "uniform" and law.low is not None and law.high is not None:
        return f"U({number(law.low)}, {number(law.high)})"
    if law.family in ("normal", "truncated normal"):
        return f"{'a truncated ' if law.family != 'normal' else ''}N({number(law.mean)}, {number(law.std)}²)"
    if law.family in ("exact", "measured"):
        return "computed values"
    if law.family == "mixture":
        return "different starts for its parts"
    return {"orthogonal": "an orthogonal matrix", "identity": "the identity"}.get(law.family, "nothing")


def counted(count: int, noun: str) -> str:
    """ "1 layer", "3 layers"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def step_at(site: Site | None, message: str) -> tuple[Related, ...]:
    """A related place, when there is one."""
    return () if site is None else (Related(message=message, span=span_of(site)),)
