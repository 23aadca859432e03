"""Recipes that move calls of initializers, or change what they are called with: the text before and after."""

from __future__ import annotations

from textwrap import dedent

import libcst as cst
import pytest

from initlint.fixes.applied import at_the_end_of_heirs, before_taken_over
from initlint.fixes.apply import edited
from initlint.fixes.calls import draw_of
from initlint.fixes.expressions import draw_divided, factors_at
from initlint.fixes.moves import called_with_residual, made_on_device, moved_behind
from initlint.fixes.tree import Code, code_of


def parsed(text: str) -> Code:
    code = code_of(dedent(text), "model.py")
    assert code is not None
    return code


def line_of(code: Code, part: str) -> int:
    return next(number for number, line in enumerate(code.lines, 1) if part in line)


def new_text(code: Code, edits) -> str:
    new = edited("\n".join(code.lines), tuple(edits))
    cst.parse_module(new)
    return new


def test_an_initializer_is_applied_before_the_weight_is_taken_over() -> None:
    code = parsed(
        """
        class A(nn.Module):
            def __init__(self):
                self.up = weight_norm(nn.Conv1d(4, 4, 3), dim=0)  # (1)
                self.up.apply(f)  # (2)
                self.head = 1
        """
    )
    call = next(item for item in code.all(cst.Call) if code.text(item) == "self.up.apply(f)")
    assert new_text(code, before_taken_over(code, call)) == dedent(
        """
        class A(nn.Module):
            def __init__(self):
                self.up = weight_norm(nn.Conv1d(4, 4, 3).apply(f), dim=0)  # (1)
                # (2)
                self.head = 1
        """
    )


@pytest.mark.parametrize(
    "made", ["nn.Conv1d(4, 4, 3)", "make(4)", "Wrapped(nn.Conv1d(4, 4, 3))"], ids=["bare", "by a function", "a module"]
)
def test_nothing_is_moved_where_no_function_takes_a_layer_over(made: str) -> None:
    code = parsed(f"def f(self):\n    self.up = {made}\n    self.up.apply(g)\n")
    call = next(item for item in code.all(cst.Call) if code.text(item) == "self.up.apply(g)")
    assert not before_taken_over(code, call)


def test_a_call_of_a_base_is_made_by_its_heirs() -> None:
    code = parsed(
        """
        class Base(nn.Module):
            def __init__(self):
                super().__init__()
                self.apply(self.start)  # all of it

        class Net(Base):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return self.fc(x)
        """
    )
    line = line_of(code, "self.apply")
    assert new_text(code, at_the_end_of_heirs(code, line, ["Net"])) == dedent(
        """
        class Base(nn.Module):
            def __init__(self):
                super().__init__()

        class Net(Base):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.apply(self.start)  # all of it

            def forward(self, x):
                return self.fc(x)
        """
    )
    assert not at_the_end_of_heirs(code, line, ["Unknown"])


@pytest.mark.parametrize(
    ("emptied", "device"),
    [
        ("model.to_empty(device='cpu')", "'cpu'"),
        ("model = model.to_empty(device=where)", "where"),
    ],
)
def test_a_model_is_made_on_its_device(emptied: str, device: str) -> None:
    code = parsed(f"def build():\n    with torch.device('meta'):\n        model = Net()\n    {emptied}\n    return model\n")
    assert (
        new_text(code, made_on_device(code, 4))
        == f"def build():\n    with torch.device({device}):\n        model = Net()\n    return model\n"
    )


def test_another_model_that_is_emptied_is_left_alone() -> None:
    code = parsed(
        "def build():\n    with torch.device('meta'):\n        model = Net()\n    other = model.to_empty(device='cpu')\n"
    )
    assert not made_on_device(code, 4)


def test_a_part_is_called_with_a_residual() -> None:
    code = parsed("class A:\n    def forward(self, x):\n        x = self.norm(self.mix(x))\n        return 2 * self.mix(x)\n")
    assert (
        new_text(code, called_with_residual(code, code.classes()["A"], "mix"))
        == "class A:\n    def forward(self, x):\n        x = self.norm(x + self.mix(x))\n        return 2 * (x + self.mix(x))\n"
    )


def test_a_statement_is_moved_behind_another_of_its_block() -> None:
    code = parsed("def f(a, b):\n    a.w = b.w  # tie\n    for i in range(2):\n        b.w = i\n    return a\n")
    assert (
        new_text(code, moved_behind(code, 2, 4))
        == "def f(a, b):\n    for i in range(2):\n        b.w = i\n    a.w = b.w  # tie\n    return a\n"
    )
    assert not list(moved_behind(code, 4, 2))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    init.uniform_(w, -a, a)\n", ["    init.uniform_(w, -a / s, a / s)\n"]),
        ("    init.normal_(w, 0.0, 1 + a)\n", ["    init.normal_(w, 0.0, (1 + a) / s)\n"]),
        ("    c = a\n    init.uniform_(w, -c, c)\n", ["    c = a / s\n    init.uniform_(w, -c, c)\n"]),
        (
            "    c = 1 if a else 2\n    init.normal_(w, std=c)\n",
            [
                "    c = 1 if a else 2 / s\n    init.normal_(w, std=c)\n",
                "    c = 1 / s if a else 2\n    init.normal_(w, std=c)\n",
                "    c = (1 if a else 2) / s\n    init.normal_(w, std=c)\n",
            ],
        ),
        ("    init.zeros_(w)\n", []),
    ],
    ids=["bounds", "a sum", "a name", "two cases", "no scale"],
)
def test_a_draw_divided(before: str, after: list[str]) -> None:
    head = "from torch.nn import init\n\n\ndef f(w, a, s):\n"
    code = parsed(head + before)
    (draw,) = (draw for call in code.all(cst.Call) if (draw := draw_of(code, call)) is not None)
    assert [new_text(code, edits) for edits in draw_divided(code, draw, "s")] == [head + text for text in after]


def test_what_multiplies_a_layer() -> None:
    code = parsed("def f(self, x):\n    return torch.sin(self.omega * self.linear(x))\n")
    assert list(factors_at(code, 2, 30.0)) == ["self.omega", "30"]
