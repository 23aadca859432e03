"""INI709: a test of a parameter's name that no parameter passes, so that the initialization below it never runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, role_of
from initlint.source.initializers import name_tests

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
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
    """The end of the name compared, where the whole was."""
    import libcst as cst

    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is None or not found.modules:
        return
    for test in code.all(cst.Comparison):
        if code.first_line(test) != found.span.line or not isinstance(test.left, cst.Name) or len(test.comparisons) != 1:
            continue
        right = test.comparisons[0]
        if isinstance(right.operator, cst.Equal) and isinstance(right.comparator, cst.SimpleString):
            changed = f"{test.left.value}.endswith({code.text(right.comparator)})"
            yield from unsafe("compare the end of the name", [code.replaced(test, changed)])
