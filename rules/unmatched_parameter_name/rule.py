"""INI709: a test of a parameter's name that no parameter passes, so that the initialization below it never runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.graph.roles import role_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding
from initlint.source.initializers import name_tests, texts_of, tree_of

if TYPE_CHECKING:
    import libcst as cst

    from initlint.fixes.edit import Fix
    from initlint.fixes.tree import Code
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.source.initializers import NameTest

RULE = Rule(
    code="INI709",
    name="unmatched-parameter-name",
    severity=Severity.WARNING,
    summary="The name that guards an initialization occurs in no parameter, so the initialization never runs.",
    fix="unsafe",
)

NEAR = 0.8  # likeness of two names, of which one may be a slip of the other


def check(facts: Facts) -> Iterator[Finding]:
    """Tests of names under which nothing was written, and which no name of this model passes."""
    parameters = [item.name for item in facts.traced.parameters.values() if item.kind == "parameter"]
    parameters += facts.traced.unreached
    names = {"named_parameters": parameters, "named_modules": list(facts.traced.module_types)}
    for path, test in ((path, test) for path, tree in facts.sources() for test in name_tests(tree)):
        if facts.wrote(path, *test.body) or any(test.holds(name) for name in names[test.over]):
            continue
        found = _finding(facts, path, test, names[test.over])
        if found is not None:
            yield found


def _finding(facts: Facts, path: str, test: NameTest, names: Sequence[str]) -> Finding | None:
    """A warning where a full name ends in the text it is compared with, or a layer is named that does not exist; else a note."""
    near = [name for name in names if name.endswith(tuple("." + text for text in test.texts))] if test.kind == "equals" else []
    if test.kind == "equals" and not near:
        return None  # a loop over the parameters of a part, whose names are shorter
    what = "parameter" if test.over == "named_parameters" else "module"
    texts = " or ".join(f'"{text}"' for text in test.texts)
    # "c_proj.weight" names one layer; "bias" or "norm" are words for what a model may have or not.
    layer = test.single and test.kind == "ends with" and all("." in text.strip(".") for text in test.texts)
    message = (
        f'no {what} is named just {texts}: names are full paths, such as "{role_of(near[0])}". The initialization below never runs.'
        if near
        else f"no {what} of this model has a name that {test.kind} {texts}: the initialization below does not run."
    )
    return finding(
        RULE,
        facts,
        at=Site(path=path, line=test.line, column=test.column, end_line=test.end_line, end_column=test.end_column),
        severity=Severity.WARNING if near or layer else Severity.INFO,
        message=message,
        help=f"test with name.endswith({texts})" if near else "compare with the names that the model has",
        modules=[name.rpartition(".")[0] for name in near],
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The end of the name compared, where the whole was; the layers that a start is meant for, where those named do not exist."""
    import libcst as cst

    from initlint.fixes.calls import outer
    from initlint.fixes.edit import Edit
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None or found.severity is not Severity.WARNING:
        return
    for test in code.all(cst.Comparison) if found.modules else ():
        if code.first_line(test) != found.span.line or not isinstance(test.left, cst.Name) or len(test.comparisons) != 1:
            continue
        right = test.comparisons[0]
        if isinstance(right.operator, cst.Equal) and isinstance(right.comparator, cst.SimpleString):
            changed = f"{test.left.value}.endswith({code.text(right.comparator)})"
            yield from unsafe("compare the end of the name", [code.replaced(test, changed)])
    for call in code.all(cst.Call) if not found.modules else ():
        branch = code.around(call, cst.If)
        if code.first_line(call) != found.span.line or branch is None or len(call.args) != 1:
            continue
        held = _held(code, call.args[0].value)
        given = [str(item.evaluated_value) for item in code.all(cst.SimpleString, held)]
        ends = _meant(facts, given, code, branch) if given else []
        if ends:
            texts = [f"{code.quote}{end}{code.quote}" for end in ends]
            changed = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
            yield from unsafe(f"start {' and '.join(ends)} so", [Edit(span=outer(code, held), content=changed)])
            return


def _held(code: Code, given: cst.BaseExpression) -> cst.BaseExpression:
    """What a constant of the file or of a class is set to, where a test names one; else the expression itself."""
    import libcst as cst

    name, tree = code.text(given).rpartition(".")[2], tree_of(code.path)
    if tree is None or name not in texts_of(tree) or sum(item.value == name for item in code.all(cst.Name)) != 2:
        return given  # what other tests read, too, stays as it is
    made = (item.value for item in code.all(cst.Assign) if code.text(item.targets[0].target) == name)
    return next(made, given)


def _meant(facts: Facts, given: Sequence[str], code: Code, branch: cst.If) -> list[str]:
    """The ends of names that names of no layer stand for.

    A start that is divided by a root of what is not its own fan is the depth-scaled one, of the weights that write the residual
    stream (Radford et al. 2019, section 2.3); else names that differ in a letter or two are meant.
    """
    names = [item.name for item in facts.traced.parameters.values() if item.kind == "parameter"]
    parts = max(text.strip(".").count(".") + 1 for text in given)
    ends = {name: ".".join(name.split(".")[-parts:]) for name in names}
    if _has_root(code, branch):
        writers = {
            facts.parameter(item).name for residual in facts.structure.residuals for item in facts.structure.writers(residual)
        }
        found = sorted({ends[name] for name in writers if name in ends})
        return found if all(name in writers or not name.endswith(tuple(found)) for name in names) else []
    near = [get_close_matches(text.strip("."), sorted(set(ends.values())), 1, NEAR) for text in given]
    return [item[0] for item in near] if all(near) else []


def _has_root(code: Code, branch: cst.If) -> bool:
    """Whether something drawn below a test is scaled by the root of a number."""
    import libcst as cst

    from initlint.fixes.calls import draw_of

    for call in code.all(cst.Call, branch.body):
        for item in draw.arguments if (draw := draw_of(code, call)) is not None else ():
            text = code.text(item.value).replace(" ", "")
            if "fan" not in text and (".sqrt(" in text or text.endswith(("**0.5", "**-0.5"))):
                return True
    return False
