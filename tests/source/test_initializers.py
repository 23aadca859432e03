"""What a file's text says about initialization: tests of names, initializers, statements without effect."""

from __future__ import annotations

import ast

import pytest

from initlint.source.initializers import initializers, name_tests, slip_of
from initlint.source.statements import dropped, plain_weights, starts

CONSTANTS = 'PARTS = ["norm"]\nTWICE = "a"\nTWICE = "b"\nclass Net:\n    ENDS = ("wo", "w2")\n'
LOOP = "for name, p in self.named_parameters():\n    if {test}:\n        nn.init.zeros_(p)\n"


@pytest.mark.parametrize(
    ("test", "kind", "texts"),
    [
        pytest.param('name == "fc.weight"', "equals", ("fc.weight",), id="the whole name"),
        pytest.param('name in ("a", "b")', "equals", ("a", "b"), id="one of several names"),
        pytest.param('name.endswith("w2.weight")', "ends with", ("w2.weight",), id="an end"),
        pytest.param('name.endswith(("wo", "w2"))', "ends with", ("wo", "w2"), id="one of several ends"),
        pytest.param('name.endswith("wo") or name.endswith("w2")', "ends with", ("wo", "w2"), id="ends joined by or"),
        pytest.param('any(k in name for k in ["wo", "w2"])', "contains", ("wo", "w2"), id="any of several parts"),
        pytest.param('"wo" in name and p.dim() > 1', "contains", ("wo",), id="a part, and something else"),
        pytest.param("name.endswith(self.ENDS)", "ends with", ("wo", "w2"), id="a constant of the class"),
        pytest.param("any(k in name for k in PARTS)", "contains", ("norm",), id="a constant of the file"),
        pytest.param("name.endswith(TWICE)", None, (), id="a name that is set twice"),
        pytest.param("name.endswith(suffix)", None, (), id="a text that is not given"),
        pytest.param('"wo" in name or p.dim() > 1', None, (), id="a part, or something else"),
        pytest.param('"wo" not in name', None, (), id="a part that must not occur"),
    ],
)
def test_tests_of_names_are_read(test, kind, texts):
    found = list(name_tests(ast.parse(LOOP.format(test=test) + CONSTANTS)))
    assert [(item.kind, item.texts) for item in found] == ([(kind, texts)] if kind else [])


@pytest.mark.parametrize(
    ("body", "later"),
    [
        pytest.param(["self.apply(self._init_weights)", "self.fc = nn.Linear(2, 2)"], 1, id="applied before a layer is made"),
        pytest.param(["self.fc = nn.Linear(2, 2)", "self.fc.apply(self._init_weights)"], 0, id="applied to a part"),
        pytest.param(["if pretrained:", "    self.apply(self._init_weights)"], None, id="applied on a condition"),
        pytest.param(["self.apply(lambda m: nn.init.zeros_(m.weight))", "self.fc = nn.Linear(2, 2)"], 1, id="a lambda applied"),
        pytest.param(["self.apply(lambda m: m.requires_grad_(False))"], None, id="a lambda that draws nothing"),
        pytest.param(["self.apply(other)"], None, id="something else applied"),
    ],
)
def test_a_certain_call_of_an_initializer_is_found(body, later):
    lines = "".join(f"        {line}\n" for line in body)
    method = "    def _init_weights(self, m):\n        nn.init.zeros_(m.weight)\n"
    found = list(starts(ast.parse(f"class Net(nn.Module):\n    def __init__(self):\n{lines}{method}")))
    assert [item.later for item in found] == ([] if later is None else [later])


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        pytest.param("self.fc.weight.mul(0.1)", "result", id="a product that nobody keeps"),
        pytest.param("p.data.fill(0.0)", "result", id="a fill that returns"),
        pytest.param("torch.zeros_like(self.fc.bias)", "copy", id="zeros that nobody keeps"),
        pytest.param("self.init_weights", "uncalled", id="a method that is named only"),
        pytest.param("self.fc.weight.mul_(0.1)", None, id="in place"),
        pytest.param("torch.mul(a, b, out=self.fc.weight)", None, id="with a place for the result"),
        pytest.param("self.seen.add(3)", None, id="a set that grows"),
        pytest.param("x = self.fc.weight.mul(0.1)", None, id="a result that is kept"),
    ],
)
def test_a_statement_without_effect_is_found(statement, kind):
    found = list(dropped(ast.parse(f"class Net(nn.Module):\n    def __init__(self):\n        {statement}\n")))
    assert [item.kind for item in found] == ([kind] if kind else [])


def test_a_dropped_tensor_of_a_parameters_shape_is_found_in_any_function():
    found = dropped(ast.parse("def hold_open(m):\n    torch.full_like(m.bias, 1.0)\n    m.bias.add(1.0)\n"))
    assert [item.kind for item in found] == ["copy"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("torch.randn(3, 3) * 0.1", True, id="a random tensor"),
        pytest.param("torch.zeros(3, requires_grad=True)", True, id="one that asks for a gradient"),
        pytest.param("nn.Parameter(torch.randn(3))", False, id="a parameter"),
        pytest.param("torch.arange(3)", False, id="a table"),
    ],
)
def test_a_tensor_that_is_no_parameter_is_found(value, found):
    tree = ast.parse(f"class Net(nn.Module):\n    def __init__(self):\n        self.w = {value}\n")
    assert bool(list(plain_weights(tree))) is found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("reset_paramters", "reset_parameters", id="a letter left out"),
        pytest.param("_init_wieghts", "_init_weights", id="two letters exchanged"),
        pytest.param("reset_parameters", "", id="as it should be"),
        pytest.param("_init_weight", "", id="another name of an initializer"),
        pytest.param("set_parameters", "", id="a name that is part of another"),
        pytest.param("test_parameters", "", id="another word"),
    ],
)
def test_a_slip_of_the_pen_is_found(name, meant):
    assert slip_of(name) == meant


def test_another_file_may_call_an_initializer():
    tree = ast.parse("class Block(nn.Module):\n    def _init_weights(self):\n        nn.init.zeros_(self.w)\n")
    assert [item.called for item in initializers(tree)] == [False]
    assert [item.called for item in initializers(tree, [ast.parse("block._init_weights()")])] == [True]
