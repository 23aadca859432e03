"""Every bad case of every rule, repaired by the engine: `fixed_x.py` beside `bad_x.py` is what comes out, byte for byte.

A case without a `fixed_*` is one that nothing cures. UPDATE_GOLDEN=1 writes the files anew; look at what changed.
"""

from __future__ import annotations

import io
import os
import tokenize
from collections import Counter
from pathlib import Path

import pytest

from initlint.config import Settings
from initlint.fixes.write import plain
from initlint.lint.load import load_rules
from initlint.lint.mend import Mended, mended
from initlint.source.files import requests_of

RULES = Path(__file__).parent.parent.parent / "rules"
BAD = sorted(RULES.glob("*/cases/bad_*.py"))


def fixed_of(path: Path) -> Path:
    """Where the repaired form of a bad case is kept."""
    return path.with_name(path.name.replace("bad_", "fixed_", 1))


@pytest.fixture(scope="module")
def done() -> Mended:
    """All bad cases, repaired in one run."""
    settings = Settings()
    requests = requests_of([str(path) for path in BAD], lambda _: settings)
    return mended(requests, lambda _: settings, unsafe=True)


def comments(text: str) -> Counter[str]:
    return Counter(
        token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    )


@pytest.mark.parametrize("path", BAD, ids=lambda path: f"{path.parent.parent.name}: {path.stem}")
def test_a_bad_case_is_repaired_as_its_fixed_form_says(path: Path, done: Mended) -> None:
    """The text is that of the file, the findings that were fixed are gone, and no comment is."""
    new, kept = done.new.get(str(path)), fixed_of(path)
    if os.environ.get("UPDATE_GOLDEN"):
        kept.unlink(missing_ok=True) if new is None else kept.write_text(new, encoding="utf-8", newline="")
    assert new == (kept.read_text(encoding="utf-8") if kept.exists() else None)
    if new is not None:
        assert not comments(path.read_text(encoding="utf-8")) - comments(plain(new))
        assert any(item.span.path == str(path) for item in done.gone)


def test_fixed_forms_belong_to_bad_ones() -> None:
    assert {path.name for path in RULES.glob("*/cases/fixed_*.py")} <= {fixed_of(path).name for path in BAD}


@pytest.mark.parametrize("item", load_rules(), ids=lambda item: item.rule.code)
def test_a_rule_that_promises_fixes_has_a_case_for_them(item) -> None:
    """`RULE.fix`, the recipes and the cases say the same; rules without cases are those that the run itself emits."""
    cases = RULES / item.package.rpartition(".")[2] / "cases"
    if item.check is not None:
        assert (item.rule.fix is not None) == (item.fixes is not None)
        assert (item.rule.fix in ("safe", "unsafe")) == any(cases.glob("fixed_*.py"))
