"""The shape of the package: imports go one way, rules are whole, names hide nothing."""

import ast
import sys
from pathlib import Path

import pytest

import initlint
from initlint.lint.load import load_rules

ROOT = Path(initlint.__file__).parent

# What runs later may import what runs earlier, at any depth of a function, never the other way round. The driver
# `lint.run`/`lint.worker` sits above the stages it calls; `api` and `cli` sit above all.
ORDER = ("source", "graph", "targets", "propagate", "fixes", "lint", "schemes", "report", "api", "cli")
# Beside the order: settings are values that every stage may read; values of findings are named by all later stages.
FREE = {"config", "inputspec", "settings_file", "__init__", "__main__"}

SECTIONS = (
    "What it does",
    "Why is this bad?",
    "How it is measured",
    "Example",
    "Use instead",
    "Fix safety",
    "When to allow it",
    "References",
)


def modules():
    return [path for path in sorted(ROOT.rglob("*.py")) if "rules" not in path.relative_to(ROOT).parts]


def stage(dotted):
    """`initlint.lint.run` → "lint"."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(path):
    """Names of this package that a module imports when it runs; imports for types only bind nobody."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("initlint."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("initlint."):
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own in FREE:
        return
    for name in imported(path):
        other = stage(name)
        assert other in FREE or ORDER.index(other) <= ORDER.index(own), f"{own} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_hides_a_standard_one(path):
    if path.stem not in ("__init__", "__main__"):
        assert path.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("item", load_rules(), ids=lambda item: item.rule.code)
def test_a_rule_is_documented(item):
    text = item.documentation
    assert text.splitlines()[0] == f"# {item.rule.name} ({item.rule.code})"
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("item", load_rules(), ids=lambda item: item.rule.code)
def test_a_rule_is_named_as_its_folder(item):
    assert item.package.rpartition(".")[2] == item.rule.name.replace("-", "_")
    assert len(item.rule.code) == 6
    assert item.rule.code.startswith("INI")
    assert item.rule.code[3:].isdigit()


def test_codes_and_names_are_unique():
    rules = [item.rule for item in load_rules()]
    assert len({rule.code for rule in rules}) == len({rule.name for rule in rules}) == len(rules)


TOLD_IN_SETTINGS = {"INI205"}  # what it judges no file can say: tests/rules/test_learning_rate.py has its bad cases


@pytest.mark.parametrize("item", [item for item in load_rules() if item.check is not None], ids=lambda item: item.rule.code)
def test_a_rule_has_cases_of_both_kinds(item):
    cases = {
        path.name.partition("_")[0] for path in (ROOT.parent / "rules" / item.package.rpartition(".")[2] / "cases").glob("*.py")
    }
    assert ({"good"} if item.rule.code in TOLD_IN_SETTINGS else {"bad", "good"}) <= cases
