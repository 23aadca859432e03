"""INI403: a normalization after every residual sum, and so many sums that nothing of the input is left on the trunk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.dataflow import unscaled
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, site_of_node

if TYPE_CHECKING:
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI403",
    name="deep-post-norm",
    severity=Severity.INFO,
    summary="Normalization after every residual sum lets each branch replace a part of the trunk, until nothing of it is left.",
)

# What is left of the first trunk's second moment at the end. Six encoder layers with Xavier weights keep 0.06 and train with a
# warm-up (Vaswani et al. 2017); twelve keep 0.001, from where on they are reported to be unstable (xformers pull request 229).
LEFT = 1e-2


def check(facts: Facts) -> Iterator[Finding]:
    """Chains in which the trunk of every sum is the normalized sum before it, by what the trunk keeps in all of them."""
    for chain in _chains(facts):
        shares = [share for residual in chain if (share := _kept(facts, residual)) is not None]
        left = math.prod(shares)
        if left > LEFT:
            continue
        layers = [facts.structure.layers[name] for residual in chain for name in residual.layers]
        modules = list(dict.fromkeys(module_at(layer, facts) for layer in layers))
        yield finding(
            RULE,
            facts,
            at=site_of_node(chain[0].add, facts),
            message=(
                f"post-norm over {counted(len(shares), 'residual sum')} with branches {pattern_of(modules)}: every sum keeps "
                f"{number(100 * left ** (1 / len(shares)))} % of the trunk, all of them together {number(left)}. Updates of early "
                "branches are amplified by those above; such a stack needs a long warm-up and small rates, and fails when made "
                "deeper."
            ),
            help="normalize the branch's input instead (pre-norm), or scale the trunk up and the branches down (DeepNorm)",
            modules=modules,
            evidence={"left": left, "sums": float(len(shares))},
            rests_on=(chain[-1].add,),
        )


def _chains(facts: Facts) -> Iterator[Sequence[Residual]]:
    """Residual sums whose trunk is, up to a factor, a normalization of the sum before; the longest of each end."""
    norms, nodes = facts.structure.norms, facts.structure.nodes
    by_add = {residual.add: residual for residual in facts.structure.residuals}
    before: dict[str, str] = {}
    for residual in facts.structure.residuals:
        trunk = unscaled(nodes[residual.trunk], frozenset()).node
        if trunk.name in norms:
            before[residual.add] = next((item for item in _inputs(facts, trunk.name) if item in by_add), "")
    continued = set(before.values())
    for add in before:
        if add not in continued:
            yield _followed(add, before, by_add)


def _followed(add: str, before: Mapping[str, str], by_add: Mapping[str, Residual]) -> Sequence[Residual]:
    chain: list[Residual] = []
    while add in before:
        chain.append(by_add[add])
        add = before[add]
    return chain[::-1]


def _inputs(facts: Facts, norm: str) -> list[str]:
    """What a normalization is computed from, up to factors, itself first."""
    return [unscaled(item, frozenset()).node.name for item in facts.structure.nodes[norm].all_input_nodes]


def _kept(facts: Facts, residual: Residual) -> float | None:
    """Share of the trunk in a sum's second moment."""
    trunk, total = facts.signals.get(residual.trunk), facts.signals.get(residual.add)
    if trunk is None or total is None or not trunk.second_moment or not total.second_moment:
        return None
    share = trunk.second_moment / total.second_moment
    return min(share, 1.0) if math.isfinite(share) else None
