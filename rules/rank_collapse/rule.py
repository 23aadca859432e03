"""INI602: attention without residual connections averages all tokens into one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, shape_of, strip
from initlint.lint.finding import Severity
from initlint.lint.paths import main_path
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, number, site_of_module, site_of_node, step_at

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI602",
    name="rank-collapse",
    severity=Severity.ERROR,
    summary="Stacked attention makes all tokens of a sequence the same vector.",
    fix="unsafe",
)

# Share of a token's second moment that differs between tokens. Queries and keys learn in proportion to its square
# (docs/theory, section 9.2), so at 1e-3 their gradient is a million times smaller than that of the values. Values learn all the
# same: a net that averages its tokens in the end learns from the average (docs/calibration.md: all of twelve train), and gets a note.
# Where tokens are to be told apart, two layers learn it with Adam from shares of 1e-11, and not with SGD; three do not (rank_collapse/doc.md).
START = 0.02
WARN_AT = 1e-3
FAIL_AT = 1e-6
ROUNDING = 1e-12  # below it, a share is what rounding leaves of the difference of two moments
ATTENTIONS = 2
DEEP = 3


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per output whose tokens collapse."""
    for output in facts.traced.outputs:
        path = main_path(facts, output)
        attentions = [node for node in path if _mixes(node) and not facts.structure.in_branch(node.name)]
        shares = [(node, share) for node in path if (share := token_share(facts, node)) is not None]
        if len(attentions) < ATTENTIONS or not shares:
            continue
        order = facts.structure.dependence.index
        first = order[attentions[0].name]
        before = [share for node, share in shares if order[node.name] < first]
        after = [(node, share) for node, share in shares if order[node.name] >= first]
        if not after or (before and max(before) < START):
            continue
        last, left = after[-1]
        if left > WARN_AT:
            continue
        told_apart = token_share(facts, path[-1]) is not None  # the output has tokens, and they are to differ
        place = attentions[-1]
        module = facts.traced.modules.get(place.name, "")
        yield finding(
            RULE,
            facts,
            at=site_of_module(module, facts) or site_of_node(place.name, facts),
            severity=Severity.INFO if not told_apart else Severity.ERROR if left <= FAIL_AT and len(attentions) >= DEEP else Severity.WARNING,
            message=(
                f"tokens collapse to one vector over {counted(len(attentions), 'attention layer')} without residual "
                f"connection: {number(left) if left >= ROUNDING else 'less than 1e-12'} of their energy still differs between positions. "
                + ("The output cannot tell tokens apart" if told_apart else "The output sees one average of all tokens")
                + ", and queries and keys receive almost no gradient."
            ),
            help="add the input of each attention layer to its output (x = x + attention(x))",
            modules=[name for node in attentions if (name := facts.traced.modules.get(node.name))],
            evidence={"share": left, "layers": float(len(attentions))},
            related=step_at(site_of_node(last.name, facts), "here the tokens are one vector"),
        )


def _mixes(node: Node) -> bool:
    """An attention: the operator, or a product with a softmax."""
    name = operator(node)
    if name == "scaled_dot_product_attention":
        return True
    if name in ("matmul", "bmm", "einsum"):
        return any(operator(strip(item)) in ("softmax", "_softmax") for item in operands(node))
    return False


def token_share(facts: Facts, node: Node) -> float | None:
    """(q − k_pos)/q: what differs between positions of one sample; None without positions."""
    signal = facts.signals.get(node.name)
    if signal is None or signal.k_pos is None or not signal.second_moment or len(shape_of(node)) != 3:
        return None
    return max(signal.second_moment - signal.k_pos, 0.0) / signal.second_moment


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """A residual connection around each attention: no start of the weights of such a net tells tokens apart."""
    from initlint.fixes.moves import called_with_residual, with_residual
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    files = Files(facts)
    said = "add each attention's input to its output"
    sites: dict[tuple[str, int], None] = {}
    called: dict[tuple[str, str], None] = {}
    for node in facts.structure.dependence.order:
        module = facts.traced.modules.get(node.name, "")
        if not _mixes(node) or facts.structure.in_branch(node.name) or (found.modules and module not in found.modules):
            continue
        if (at := site_of_node(node.name, facts)) is not None:
            sites[at.path, at.line] = None
        holder, _, attribute = module.rpartition(".")
        called[facts.traced.module_types.get(holder, "").rpartition(".")[2], attribute] = None
    codes = {path: code for path, _ in sites if (code := files.code(path)) is not None}
    yield from unsafe(
        said, merged(edit for path, line in sorted(sites) if path in codes for edit in with_residual(codes[path], line))
    )
    owners = [(code, code.classes().get(kind), attribute) for code in codes.values() for kind, attribute in called]
    yield from unsafe(
        said,
        merged(
            edit
            for code, owner, attribute in owners
            if owner is not None
            for edit in called_with_residual(code, owner, attribute)
        ),
    )
