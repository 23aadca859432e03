"""Every bad case of every rule, repaired by the engine: `fixed_x.py` beside `bad_x.py` is what comes out, byte for byte.

A case without a `fixed_*` is one that nothing cures. A few cases are repaired in every run, all of them with

    pytest -m "slow or not slow" tests/fixes/test_cases.py

or those of one rule with `-k rank_collapse`. UPDATE_GOLDEN=1 before it writes the files anew; look at what changed.
"""

from __future__ import annotations

import ast
import io
import os
import tokenize
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from initlint.config import Selectors, Settings
from initlint.fixes.write import plain
from initlint.lint.finding import Severity
from initlint.lint.load import load_rules
from initlint.lint.mend import Mended, mended
from initlint.source.files import requests_of

RULES = Path(__file__).parent.parent.parent / "rules"
BAD = sorted(RULES.glob("*/cases/bad_*.py"))
# One of each kind of edit: an argument, a line in a constructor, a statement that moves, a shared call, an expression.
FEW = [
    RULES / "std_passed_as_mean" / "cases" / "bad_one_number.py",
    RULES / "lora_cannot_learn" / "cases" / "bad_both_zero.py",
    RULES / "overwritten_initialization" / "cases" / "bad_layer_scale.py",
    RULES / "symmetric_initialization" / "cases" / "bad_constant_weight.py",
    RULES / "lora_scaling" / "cases" / "bad_huge_scale.py",
]


def fixed_of(path: Path) -> Path:
    """Where the repaired form of a bad case is kept."""
    return path.with_name(path.name.replace("bad_", "fixed_", 1))


def named(path: Path) -> str:
    return f"{path.parent.parent.name}: {path.stem}"


def repaired(paths: Sequence[Path]) -> Mended:
    """Files, repaired in one run."""
    every = tuple(item.rule.code for item in load_rules())  # by name, so that notes are repaired, too
    settings = Settings(selection=(Selectors(extend_select=every),))
    requests = requests_of([str(path) for path in paths], lambda _: settings)
    return mended(requests, lambda _: settings, unsafe=True)


@pytest.fixture(scope="module")
def few() -> Mended:
    return repaired(FEW)


@pytest.fixture(scope="module")
def every(request: pytest.FixtureRequest) -> Mended:
    """All bad cases that this run is about."""
    wanted = test_a_bad_case_is_repaired_as_its_fixed_form_says
    chosen = [item for item in request.session.items if isinstance(item, pytest.Function) and item.function is wanted]
    return repaired([item.callspec.params["path"] for item in chosen])


def comments(text: str) -> Counter[str]:
    return Counter(
        token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    )


def holds(path: Path, done: Mended) -> None:
    """The text is that of the fixed form; where anything was changed, the case's own finding is gone, and of its rule milder ones
    at most are left: those without a fix, that were there before."""
    new, kept = done.new.get(str(path)), fixed_of(path)
    if os.environ.get("UPDATE_GOLDEN"):
        kept.unlink(missing_ok=True) if new is None else kept.write_text(new, encoding="utf-8", newline="")
    assert new == (kept.read_text(encoding="utf-8") if kept.exists() else None)
    if new is not None:
        rule = path.parent.parent.name.replace("_", "-")
        own = [item.severity for item in done.gone if item.span.path == str(path)]
        left = [item for item in done.report.findings if item.span.path == str(path) and item.name == rule]
        assert own
        assert not [item for item in left if item.severity >= max(own)]


@pytest.mark.parametrize("path", FEW, ids=named)
def test_some_bad_cases_are_repaired_as_their_fixed_forms_say(path: Path, few: Mended) -> None:
    holds(path, few)


@pytest.mark.slow
@pytest.mark.parametrize("path", BAD, ids=named)
def test_a_bad_case_is_repaired_as_its_fixed_form_says(path: Path, every: Mended) -> None:
    holds(path, every)


@pytest.mark.slow
def test_fixed_forms_are_not_changed_again(tmp_path: Path) -> None:
    """A second `--fix` changes nothing."""
    paths = [tmp_path / f"{path.parent.parent.name}_{path.name}" for path in BAD if fixed_of(path).exists()]
    for path, bad in zip(paths, (path for path in BAD if fixed_of(path).exists()), strict=True):
        path.write_text(fixed_of(bad).read_text(encoding="utf-8"), encoding="utf-8")
    assert repaired(paths).new == {}


@pytest.mark.parametrize("path", [path for path in BAD if fixed_of(path).exists()], ids=named)
def test_a_fixed_form_parses_and_has_every_comment(path: Path) -> None:
    text = fixed_of(path).read_text(encoding="utf-8")
    ast.parse(text)
    assert not comments(path.read_text(encoding="utf-8")) - comments(plain(text))


# Their rules warn elsewhere; these are noted, and a note asks for nothing to be changed.
NOTED = {
    "deep_post_norm/bad_twelve_blocks",
    "repeated_initialization/bad_every_constructor",
    "symmetric_initialization/bad_clones",
    "symmetric_initialization/bad_clones_of_each_layer",
}


def warned() -> list[Path]:
    """The bad cases that give a warning or an error."""
    notes = {item.package.rpartition(".")[2] for item in load_rules() if item.rule.severity is Severity.INFO}
    return [path for path in BAD if path.parts[-3] not in notes and f"{path.parts[-3]}/{path.stem}" not in NOTED]


@pytest.mark.parametrize("paths", [BAD, warned()], ids=["notes included", "warnings and errors"])
def test_nine_of_ten_have_a_fixed_form(paths: Sequence[Path]) -> None:
    assert sum(fixed_of(path).exists() for path in paths) >= 0.9 * len(paths)


def test_fixed_forms_belong_to_bad_ones() -> None:
    assert {path.name for path in RULES.glob("*/cases/fixed_*.py")} <= {fixed_of(path).name for path in BAD}


@pytest.mark.parametrize("item", load_rules(), ids=lambda item: item.rule.code)
def test_a_rule_that_promises_fixes_has_a_case_for_them(item) -> None:
    """`RULE.fix`, the recipes and the cases say the same; rules without cases are those that the run itself emits."""
    cases = RULES / item.package.rpartition(".")[2] / "cases"
    if item.check is not None:
        assert (item.rule.fix is not None) == (item.fixes is not None)
        assert (item.rule.fix in ("safe", "unsafe")) == any(cases.glob("fixed_*.py"))
