"""Bugs that people really had: every one has its row in docs/real-bugs.md, and what the row names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.marked import report_on

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "real-bugs.md").read_text(encoding="utf-8")

# torchvision issue 6074: a norm without weights has None for one. And a leaf that is written without torch.no_grad().
BROKEN = {
    "a norm that has no weight": """
from torch import Tensor, nn


class Basic(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.InstanceNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.bn(self.conv(x))).relu()


class Net(nn.Module):
    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Basic(channels), Basic(channels))
        for m in self.modules():
            if isinstance(m, Basic):
                nn.init.constant_(m.bn.weight, 0)  # here: NoneType

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)
""",
    "a leaf written under autograd": """
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.fc.weight.uniform_(-0.1, 0.1)  # here: in-place operation

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)
""",
}


def test_every_bug_has_its_row() -> None:
    assert [int(row) for row in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == list(range(1, 39))


def test_what_the_page_names_exists() -> None:
    named = re.findall(r"`((?:rules|tests)/[\w/]+\.py)`", PAGE)
    assert len(named) > 60
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_rows_name_the_rule_of_their_cases() -> None:
    """A bad case that stands in a row is one of a rule whose code stands there too."""
    for row in re.findall(r"^\| .* \|$", PAGE, re.MULTILINE):
        for folder in re.findall(r"rules/(\w+)/cases/bad_", row):
            text = (ROOT / "rules" / folder / "rule.py").read_text(encoding="utf-8")
            assert re.search(r'code="(INI\d{3})"', text)[1] in row, row


@pytest.mark.parametrize("name", BROKEN)
def test_a_constructor_that_raises_is_reported_at_its_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(BROKEN[name], encoding="utf-8")
    line, word = next(
        (n, text.partition("# here: ")[2]) for n, text in enumerate(BROKEN[name].splitlines(), 1) if "# here" in text
    )
    found = [item for item in report_on([path]).findings if item.code == "INI002"]
    assert [item.span.line for item in found] == [line]
    assert word in found[0].message
