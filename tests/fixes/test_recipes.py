"""Recipes as text: what one edit makes of a few lines, and that it leaves all others as they are."""

from __future__ import annotations

import math
from textwrap import dedent

import libcst as cst
import pytest

from initlint.fixes.apply import edited
from initlint.fixes.calls import draw_of, redrawn, renamed_argument, with_argument, without_argument
from initlint.fixes.effects import effective
from initlint.fixes.expressions import (
    branch_divided,
    forget_slice,
    number_replaced,
    scales_on,
    scores_scaled,
    trunk_multiplied,
    usual_scale,
    without_call,
)
from initlint.fixes.insert import Owner, inserted
from initlint.fixes.moves import (
    at_the_end,
    before_wrapped,
    behind_general,
    class_tested,
    for_each_part,
    into_itself,
    kept_out,
    made_anew,
    only_with_index,
    padding_zeroed,
    registered,
    with_residual,
)
from initlint.fixes.names import added, reach
from initlint.fixes.starts import SIGMOID_GAIN, SMOOTH, Start, gain_of, lora_start, scaled, starts_for
from initlint.fixes.tree import Code, code_of
from initlint.graph.model import Site
from initlint.lint.starting import is_constant

HEAD = "import torch\nfrom torch import nn\n\n\n"
KAIMING = Start(function="kaiming_normal_", arguments=('nonlinearity="relu"',))


def parsed(text: str) -> Code:
    code = code_of(text, "model.py")
    assert code is not None
    return code


def changed(text: str, edits) -> str:
    """The text after the edits, which parses."""
    new = edited(text, tuple(edits))
    cst.parse_module(new)
    return new


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


def first_draw(code: Code):
    return next(draw for call in code.all(cst.Call) if (draw := draw_of(code, call)) is not None)


# -- calls --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "nn.init.normal_(w)  # why", 'nn.init.kaiming_normal_(w, nonlinearity="relu")  # why', id="a comment stays"
        ),
        pytest.param("w.data.normal_(0, 1)", 'nn.init.kaiming_normal_(w, nonlinearity="relu")', id="a method"),
        pytest.param(
            "x = ''; nn.init.zeros_(w)", "x = ''; nn.init.kaiming_normal_(w, nonlinearity='relu')", id="single quotes"
        ),
        pytest.param("torch.nn.init.ones_(w)", 'torch.nn.init.kaiming_normal_(w, nonlinearity="relu")', id="the name it has"),
        pytest.param("nn.init.zeros_(\n    w,\n)", 'nn.init.kaiming_normal_(w, nonlinearity="relu")', id="several lines"),
        pytest.param(
            "nn.init.normal_(self.a_module_with_a_long_name.and_another_one.weight_of_it_all, std=0.1)",
            'nn.init.kaiming_normal_(\n    self.a_module_with_a_long_name.and_another_one.weight_of_it_all, nonlinearity="relu"\n)',
            id="wrapped when too long",
        ),
    ],
)
def test_another_start_in_the_place_of_a_call(before: str, after: str) -> None:
    code = parsed(HEAD + before + "\n")
    assert changed(HEAD + before + "\n", redrawn(code, first_draw(code), KAIMING)) == HEAD + after + "\n"


def test_comments_inside_of_a_call_stay() -> None:
    text = HEAD + "nn.init.uniform_(\n    w,\n    a=-2.0,  # lower\n    b=2.0,\n)  # last\n"
    new = changed(text, redrawn(code := parsed(text), first_draw(code), Start(function="zeros_")))
    assert new == HEAD + "# lower\nnn.init.zeros_(w)  # last\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("nn.init.normal_(l.weight, std=0.1)", "(2 / l.in_features) ** 0.5", id="a number"),
        pytest.param("import math; nn.init.normal_(l.weight.data)", "math.sqrt(2 / l.in_features)", id="as roots are written"),
    ],
)
def test_a_deviation_follows_the_fan(before: str, after: str) -> None:
    """What is written says why it is that number, and holds at every width."""
    code = parsed(HEAD + before + "\n")
    new = changed(HEAD + before + "\n", redrawn(code, first_draw(code), scaled(2.0, "{module}.in_features")))
    assert new.rpartition("; ")[2].endswith(f"nn.init.normal_(l.weight, std={after})\n")


def test_a_name_that_is_missing_is_imported() -> None:
    text = "from torch.nn import Module\n\nw.data.normal_()\n"
    code = parsed(text)
    new = changed(text, redrawn(code, first_draw(code), Start(function="zeros_")))
    assert new == "from torch.nn import Module\nfrom torch import nn\n\nnn.init.zeros_(w)\n"


@pytest.mark.parametrize(
    ("imports", "module", "written"),
    [
        ("import torch", "torch.nn.init", "torch.nn.init"),
        ("import torch.nn as nn", "torch.nn.init", "nn.init"),
        ("from torch.nn import init", "torch.nn.init", "init"),
        ("from torch.nn import init as I", "torch.nn.init", "I"),
        ("import torch\nfrom torch import nn", "torch.nn.init", "nn.init"),
        ("import numpy", "torch.nn.init", "nn.init"),
    ],
)
def test_names_are_written_as_the_file_reaches_them(imports: str, module: str, written: str) -> None:
    found = reach(parsed(f"{imports}\n"), module)
    assert (found.text, bool(found.missing)) == (written, "torch" not in imports)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('"""Doc."""\n\nimport torch\n', '"""Doc."""\n\nimport math\n\nimport torch\n'),
        ("import os\nimport sys\n\nimport torch\n", "import math\nimport os\nimport sys\n\nimport torch\n"),
        ("import copy\nimport torch\n", "import copy\nimport math\nimport torch\n"),
        (
            "from __future__ import annotations\n\nimport torch\n",
            "from __future__ import annotations\n\nimport math\n\nimport torch\n",
        ),
        ('"""Doc."""\n\nx = 1\n', '"""Doc."""\n\nimport math\n\nx = 1\n'),
        ("x = 1\n", "import math\n\nx = 1\n"),
    ],
)
def test_a_standard_import_comes_first(text: str, after: str) -> None:
    assert changed(text, [added(parsed(text), "import math")]) == after


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ("f_(w, a=1)", lambda c, d: renamed_argument(c, d.arguments[0], "b"), "f_(w, b=1)"),
        ("f_(w, 0.02)", lambda c, d: renamed_argument(c, d.arguments[0], "std"), "f_(w, std=0.02)"),
        ("f_(w, a=(1 / 3), b=2)", lambda c, d: without_argument(c, d.call, d.call.args[1]), "f_(w, b=2)"),
        ("f_(w, std=0.1)", lambda c, d: with_argument(c, d, "a", "-0.2", 2), "f_(w, std=0.1, a=-0.2)"),
        ("f_(w, 0.0, 0.1)", lambda c, d: with_argument(c, d, "std", "0.2", 1), "f_(w, 0.0, 0.2)"),
        ("w.f_()", lambda c, d: with_argument(c, d, "std", "0.2", 1), "w.f_(std=0.2)"),
    ],
)
def test_one_argument(before: str, edit, after: str) -> None:
    """Names, values and commas; `f_` stands for an initializer."""
    text, wanted = (part.replace("f_", "normal_") + "\n" for part in (before, after))
    code = parsed(text)
    assert changed(text, [edit(code, first_draw(code))]) == wanted


# -- new lines ----------------------------------------------------------------------------------------------------------

NET = HEAD + dedent(
    """
    class Net(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.stem = nn.Linear(8, 8)  # in
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(depth))
            self.mixed = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
            # the last layer
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            return self.head(x)
    """
).lstrip("\n")
LINEAR = "torch.nn.modules.linear.Linear"
TYPES = {
    "stem": LINEAR,
    "layers": "torch.nn.modules.container.ModuleList",
    "layers.0": LINEAR,
    "layers.1": LINEAR,
    "mixed": "torch.nn.modules.container.Sequential",
    "mixed.0": LINEAR,
    "mixed.1": "torch.nn.modules.activation.ReLU",
    "mixed.2": LINEAR,
    "head": LINEAR,
}


@pytest.mark.parametrize(
    ("tensors", "behind", "lines"),
    [
        pytest.param(["stem.weight"], "self.stem =", ["zeros_(self.stem.weight)"], id="where it is made"),
        pytest.param(
            ["layers.0.weight", "layers.1.weight"],
            "self.head =",
            ["for layer in self.layers:", "    zeros_(layer.weight)"],
            id="a loop over a container",
        ),
        pytest.param(
            ["mixed.0.weight", "mixed.2.weight"],
            "self.head =",
            ["for layer in self.mixed:", "    if isinstance(layer, nn.Linear):", "        zeros_(layer.weight)"],
            id="a loop over the members of one class",
        ),
        pytest.param(["mixed.2.weight"], "self.head =", ["zeros_(self.mixed[2].weight)"], id="one member"),
        pytest.param(
            ["layers.0.1.weight", "layers.1.1.weight"],
            "self.head =",
            ["for layer in self.layers:", "    zeros_(layer[1].weight)"],
            id="the same member of every block",
        ),
        pytest.param(
            [f"{name}.weight" for name, kind in TYPES.items() if kind == LINEAR],
            "self.head =",
            ["for layer in self.modules():", "    if isinstance(layer, nn.Linear):", "        zeros_(layer.weight)"],
            id="all modules of a class",
        ),
    ],
)
def test_new_lines_in_a_constructor(tensors: list[str], behind: str, lines: list[str]) -> None:
    code = parsed(NET)
    owner = Owner(code=code, definition=code.classes()["Net"], types=TYPES)
    edit = inserted(owner, tensors, lambda tensor, _: [f"zeros_({tensor})"])
    assert edit is not None
    before = NET.split("\n")
    place = line_of(NET, behind)
    assert changed(NET, [edit]).split("\n") == [*before[:place], *(f"        {line}" for line in lines), *before[place:]]


def test_many_modules_by_name_are_one_loop() -> None:
    """Where a loop over all modules of their class would meet another one."""
    code = parsed("class Net(nn.Module):\n    def __init__(self):\n        self.a = self.b = self.c = self.d = self.e = f()\n")
    owner = Owner(code=code, definition=code.classes()["Net"], types=dict.fromkeys("abcde", LINEAR))
    edit = inserted(owner, [f"{name}.weight" for name in "bcde"], lambda tensor, _: [f"zeros_({tensor})"])
    assert edit is not None
    assert edit.content.split("\n")[1:] == [
        "        for layer in (self.b, self.c, self.d, self.e):",
        "            zeros_(layer.weight)",
    ]


@pytest.mark.parametrize(
    ("call", "same"),
    [
        ("nn.init.normal_(m.weight, std=0.02)", True),
        ("nn.init.normal_(m.weight, std=math.sqrt(2))", True),
        ("nn.init.normal_(m.weight, std=m.weight[0].numel() ** -0.5)", True),
        ("nn.init.normal_(m.weight, std=m.in_features ** -0.5)", False),
        ("nn.init.normal_(m.weight, std=std)", False),
    ],
)
def test_a_call_is_the_same_for_all_tensors(call: str, same: bool) -> None:
    """Its arguments are constants, or computed from the tensor that it writes."""
    code = parsed(f"import math\nfrom torch import nn\n{call}\n")
    assert is_constant(code, first_draw(code)) == same


def test_lines_come_behind_the_one_that_would_undo_them() -> None:
    text = NET.replace("            # the last layer\n", "").replace("(8, 2)\n", "(8, 2)\n        self.apply(init)\n")
    code = parsed(text)
    owner = Owner(code=code, definition=code.classes()["Net"], types=TYPES)
    after = line_of(text, "self.apply")
    edit = inserted(owner, ["stem.weight"], lambda tensor, _: [f"zeros_({tensor})"], after=after)
    assert edit is not None
    assert edit.span.line == after


# -- expressions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = x + f(x)", "y = x + f(x) / 2"),
        ("y = f(x) + x", "y = f(x) / 2 + x"),
        ("x += f(x)  # sum", "x += f(x) / 2  # sum"),
        ("y = x + (a(x) + b(x))", "y = x + (a(x) + b(x)) / 2"),
        ("y = x", None),
    ],
)
def test_a_branch_is_divided_where_it_joins_its_trunk(before: str, after: str | None) -> None:
    edit = branch_divided(parsed(f"{before}\n"), 1, "2")
    assert (None if edit is None else changed(f"{before}\n", [edit])) == (None if after is None else f"{after}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = norm(x + f(x))", "y = norm(9 * x + f(x))"),
        ("y = f(x) + self.x", "y = f(x) + 9 * self.x"),
        ("y = f(x) + g(x)", None),
        ("y = x + z", None),
        ("y = (x - z) + f(x)", None),
    ],
)
def test_a_trunk_is_multiplied_where_its_branch_joins(before: str, after: str | None) -> None:
    edit = trunk_multiplied(parsed(f"{before}\n"), 1, "9")
    assert (None if edit is None else changed(f"{before}\n", [edit])) == (None if after is None else f"{after}\n")


@pytest.mark.parametrize(
    ("written", "start", "after"),
    [
        ("b[n // 2 : 3 * n // 4].fill_(1)", 32, "b[n // 4 : n // 2].fill_(1)"),
        ("b[2 * h : 3 * h] = 1", 32, "b[h : 2 * h] = 1"),
        ("b[0:n // 4] = 1", 0, "b[n // 4 : n // 2] = 1"),
        ("b[48:64].fill_(1.0)", 48, "b[16:32].fill_(1.0)"),
        ("b.chunk(4)[0].fill_(1)", 0, "b.chunk(4)[1].fill_(1)"),
        ("b[: n // 4].fill_(1)", 0, "b[n // 4 : n // 2].fill_(1)"),
        ("b[:h] = 1", 0, "b[h : 2 * h] = 1"),
    ],
)
def test_the_second_quarter_of_a_bias(written: str, start: int, after: str) -> None:
    """Of 64 entries: n is their number, h a quarter of it."""
    edit = forget_slice(parsed(f"{written}\n"), 1, start, 16)
    assert edit is not None
    assert changed(f"{written}\n", [edit]) == f"{after}\n"


@pytest.mark.parametrize(
    ("written", "start", "after"),
    [
        ("b[h : 2 * h] = 1", 16, "b[2 * h : 3 * h] = 1"),
        ("b[:h] = 1", 0, "b[2 * h : 3 * h] = 1"),
        ("b[n // 4 : n // 2] = 1", 16, "b[n // 2 : 3 * n // 4] = 1"),
        ("b[:16] = 1", 0, "b[32:48] = 1"),
        ("b.chunk(4)[1].fill_(1)", 16, "b.chunk(4)[2].fill_(1)"),
    ],
)
def test_the_third_quarter_of_a_bias(written: str, start: int, after: str) -> None:
    edit = forget_slice(parsed(f"{written}\n"), 1, start, 16, 2)
    assert edit is not None
    assert changed(f"{written}\n", [edit]) == f"{after}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("s = q @ k.mT", "s = q @ k.mT / q.size(-1) ** 0.5"),
        ("s = torch.matmul(self.q, k)", "s = torch.matmul(self.q, k) / self.q.size(-1) ** 0.5"),
        ('s = einsum("id,jd->ij", q, k).softmax(-1)', None),
        ("s = f(x) @ k", None),
    ],
)
def test_logits_are_divided_by_the_root_of_their_width(before: str, after: str | None) -> None:
    """Where the queries have a name; what is called on the product stays in one piece."""
    edit = scores_scaled(parsed(f"{before}\n"), 1)
    assert (None if edit is None else changed(f"{before}\n", [edit])) == (None if after is None else f"{after}\n")


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [("f((1,), -12.0)", -12.0, "f((1,), -2.0)"), ("f(0.5)", 0.5, "f(-2.0)"), ("f(1, 1)", 1.0, None), ("f(x)", 1.0, None)],
)
def test_a_number_is_replaced_where_it_is_the_only_one(before: str, value: float, after: str | None) -> None:
    edit = number_replaced(parsed(f"{before}\n"), 1, value, "-2.0")
    assert (None if edit is None else changed(f"{before}\n", [edit])) == (None if after is None else f"{after}\n")


def test_detach_is_taken_away() -> None:
    assert changed("y = a * x + b * x.detach()\n", without_call(parsed("y = a * x + b * x.detach()\n"), 1, "detach")) == (
        "y = a * x + b * x\n"
    )


@pytest.mark.parametrize(
    ("arguments", "scale"),
    [("alpha, rank", "alpha / rank"), ("lora_alpha, r", "lora_alpha / r"), ("r", "16 / r"), ("width", "2")],
)
def test_the_usual_scale_of_an_adapter(arguments: str, scale: str) -> None:
    text = f"class A:\n    def __init__(self, {arguments}):\n        self.s = 100.0\n\n    def f(self, x):\n        return x * self.s\n"
    code = parsed(text)
    (place,) = scales_on(code, 6)
    assert code.text(place) == "100.0"
    assert usual_scale(code, place, 8) == scale


# -- statements ---------------------------------------------------------------------------------------------------------


def test_a_draw_comes_before_what_takes_the_weight_over() -> None:
    text = HEAD + dedent(
        """
        class A:
            def __init__(self):
                self.conv = weight_norm(nn.Conv1d(4, 4, 3), dim=0)  # (1)
                self.head = 1
                nn.init.normal_(self.conv.weight, 0, 0.01)  # (2)
        """
    )
    code = parsed(text)
    new = changed(text, before_wrapped(code, first_draw(code)))
    assert new == HEAD + dedent(
        """
        class A:
            def __init__(self):
                self.conv = nn.Conv1d(4, 4, 3)
                nn.init.normal_(self.conv.weight, 0, 0.01)  # (2)
                self.conv = weight_norm(self.conv, dim=0)  # (1)
                self.head = 1
        """
    )


def test_a_draw_into_a_copy() -> None:
    text = "w.data.clone().normal_()\n"
    code = parsed(text)
    assert changed(text, into_itself(code, first_draw(code))) == "w.data.normal_()\n"


def test_a_special_start_moves_behind_the_general_one_with_its_comment() -> None:
    text = dedent(
        """
        class A:
            def __init__(self):
                self.a = 1
                nn.init.zeros_(self.a.weight)  # shut
                self.apply(self.init)
        """
    )
    new = changed(text, behind_general(parsed(text), line_of(text, "zeros_"), line_of(text, "apply")))
    assert new.split("\n")[-3:-1] == ["        self.apply(self.init)", "        nn.init.zeros_(self.a.weight)  # shut"]
    assert new.count("zeros_") == 1


def test_a_marked_parameter_is_left_out_of_the_general_start() -> None:
    text = HEAD + "self.b.bias.copy_(x)\n\n\ndef init(m):\n    m.bias.data.zero_()  # all\n"
    code = parsed(text)
    line = line_of(text, "zero_")
    site = Site(path="model.py", line=line, column=5, end_line=line, end_column=len("    m.bias.data.zero_()") + 1)
    new = changed(text, kept_out(code, first_draw(code), code, site))
    assert new == HEAD + (
        "self.b.bias.copy_(x)\nself.b.bias._no_reinit = True\n\n\ndef init(m):\n"
        '    if not getattr(m.bias, "_no_reinit", False):\n        m.bias.data.zero_()  # all\n'
    )


def test_what_makes_a_module_is_not_moved() -> None:
    text = "class A:\n    def __init__(self):\n        self.a = Zero(1)\n        self.apply(f)\n"
    assert not list(behind_general(parsed(text), 3, 4))


@pytest.mark.parametrize(
    ("recipe", "before", "after"),
    [
        pytest.param(
            lambda code: padding_zeroed(code, first_draw(code)),
            "for m in ms:\n    m.weight.data.normal_()\n",
            "for m in ms:\n    m.weight.data.normal_()\n    if isinstance(m, nn.Embedding) and m.padding_idx is not None:\n"
            "        m.weight.data[m.padding_idx].zero_()\n",
            id="padding",
        ),
        pytest.param(
            lambda code: only_with_index(code, first_draw(code)),
            "nn.init.zeros_(t.weight[i])\n",
            "if i is not None:\n    nn.init.zeros_(t.weight[i])\n",
            id="only where there is a row",
        ),
        pytest.param(
            lambda code: made_anew(code, line_of("\n".join(code.lines), "deepcopy")),
            "def f(n):\n    layer = nn.Linear(n, n)\n    return [copy.deepcopy(layer) for _ in range(n)]\n",
            "def f(n):\n    return [nn.Linear(n, n) for _ in range(n)]\n",
            id="a clone made anew",
        ),
        pytest.param(
            lambda code: with_residual(code, line_of("\n".join(code.lines), "x = f(x)")), "x = f(x)[0]\n", "x = x + f(x)[0]\n",
            id="a connection",
        ),
        pytest.param(
            lambda code: at_the_end(code, line_of("\n".join(code.lines), "self.go()")),
            "def f(self):\n    self.go()  # first\n    self.a = 1\n",
            "def f(self):\n    self.a = 1\n    self.go()  # first\n",
            id="at the end",
        ),
        pytest.param(
            lambda code: class_tested(code, line_of("\n".join(code.lines), "def f"), ["Conv1d", "Linear"]),
            "def f(m):\n    if isinstance(m, nn.Conv2d):\n        pass\n",
            "def f(m):\n    if isinstance(m, nn.Conv1d):\n        pass\n",
            id="a class that the model has",
        ),
        pytest.param(
            lambda code: effective(code, code.span(next(code.all(cst.Expr)).value)), "w.mul(2)\n", "w.data.mul_(2)\n", id="in place"
        ),
        pytest.param(
            lambda code: effective(code, code.span(next(code.all(cst.Call)))),
            "torch.ones_like(w)\n",
            "nn.init.ones_(w)\n",
            id="filled instead of made like",
        ),
        pytest.param(
            lambda code: for_each_part(code, first_draw(code), 3),
            "nn.init.xavier_uniform_(self.qkv.weight, 2.0)\n",
            "for part in self.qkv.weight.data.chunk(3):\n    nn.init.xavier_uniform_(part, 2.0)\n",
            id="part by part",
        ),
        pytest.param(
            lambda code: registered(code, line_of("\n".join(code.lines), "self.w")),
            "self.w = torch.randn(3, requires_grad=True) * 2\n",
            "self.w = nn.Parameter(torch.randn(3) * 2)\n",
            id="a parameter",
        ),
    ],
)  # fmt: skip
def test_a_statement(recipe, before: str, after: str) -> None:
    text = HEAD + before
    assert changed(text, recipe(parsed(text))) == HEAD + after


# -- numbers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", sorted(SMOOTH))
def test_a_gain_keeps_the_second_moment(function: str) -> None:
    """1/gain² is E[φ(z)²], z ~ N(0, 1), here of torch's own function over a fine grid."""
    import torch

    grid = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    weight = torch.exp(-(grid**2) / 2)
    square = (getattr(torch.nn.functional, function)(grid) ** 2 * weight).sum() / weight.sum()
    assert gain_of(function) ** -2 == pytest.approx(float(square), rel=1e-5)


@pytest.mark.parametrize(
    ("function", "gain"),
    [("relu", math.sqrt(2)), ("leaky_relu", math.sqrt(2 / (1 + 0.2**2))), ("tanh", 1.0), ("", 1.0), ("sigmoid", SIGMOID_GAIN)],
)
def test_gains_of_the_papers(function: str, gain: float) -> None:
    assert gain_of(function, 0.2) == pytest.approx(gain)


def test_the_gain_of_a_sigmoid_is_that_of_the_paper() -> None:
    """φ'(0)²(1 + φ(0)²) = 1/16 · 5/4, of which the gain is the inverse root (Kumar 2017)."""
    assert pytest.approx((1 / 16 * 5 / 4) ** -0.5, rel=0.01) == SIGMOID_GAIN


def test_starts_are_calls_that_torch_takes() -> None:
    import torch

    for function in ("relu", "gelu", "leaky_relu", "tanh", "sigmoid", ""):
        for fan in ("fan_in", "fan_out"):
            for start in starts_for(function, fan=fan):
                weight = torch.empty(64, 32)
                eval(f"torch.nn.init.{start}".replace("…", "weight"), {"torch": torch, "weight": weight})
                assert torch.isfinite(weight).all()


@pytest.mark.parametrize("shape", [(8, 256), (256, 8)])
def test_an_adapters_first_factor_is_drawn_for_its_inputs(shape: tuple[int, int]) -> None:
    """U(±1/√n) has the variance 1/(3n), whichever way the factor is stored."""
    import torch

    weight = torch.empty(shape)
    start = lora_start(shape, 256)
    eval(f"torch.nn.init.{start}".replace("…", "weight"), {"torch": torch, "weight": weight, "math": math})
    assert float(weight.abs().max()) <= 1 / 16
    assert float(weight.abs().max()) == pytest.approx(1 / 16, rel=0.01)
