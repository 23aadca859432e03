"""What is found in a file without being told, in which order, and what is left alone."""

import ast
import importlib.util
import itertools
import sys
import textwrap
from types import SimpleNamespace

import pytest
from torch import nn

from initlint.targets.discover import TargetNotFound, discover

COUNT = itertools.count()
HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from dataclasses import dataclass
"""


@pytest.fixture
def found(tmp_path):
    """Write, import and search a file."""
    names = []

    def look(source, **options):
        text = HEAD + textwrap.dedent(source)
        name = f"discovered_{next(COUNT)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return discover(module, ast.parse(text), path="model.py", **options)

    yield look
    for name in names:
        del sys.modules[name]


NET = """
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.fc = nn.Linear(width, 2)
    def forward(self, x):
        return self.fc(x)
"""
SIZED = NET.replace("width=8", "width, classes")

ROWS = {
    "a class whose arguments have defaults": (NET, ["Net()"]),
    "a class that takes an annotated dataclass": (
        """
        @dataclass
        class Config:
            width: int = 8
        class Net(nn.Module):
            def __init__(self, config: Config):
                super().__init__()
                self.fc = nn.Linear(config.width, 2)
            def forward(self, x):
                return self.fc(x)
        """,
        ["Net(Config())"],
    ),
    "a class whose config is recognized by the name of the parameter": (
        """
        class NetConfig:
            def __init__(self, width=8):
                self.width = width
        class OtherConfig:
            pass
        class Net(nn.Module):
            def __init__(self, cfg):
                super().__init__()
                self.fc = nn.Linear(cfg.width, 2)
            def forward(self, x):
                return self.fc(x)
        """,
        ["Net(NetConfig())"],
    ),
    "a config inside a config": (
        """
        @dataclass
        class Inner:
            width: int = 8
        @dataclass
        class Outer:
            inner: Inner
        class Net(nn.Module):
            def __init__(self, config: Outer):
                super().__init__()
                self.fc = nn.Linear(config.inner.width, 2)
            def forward(self, x):
                return self.fc(x)
        """,
        ["Net(Outer(Inner()))"],
    ),
    "a module-level config value": (
        """
        from types import SimpleNamespace
        config = SimpleNamespace(width=8)
        class Net(nn.Module):
            def __init__(self, config):
                super().__init__()
                self.fc = nn.Linear(config.width, 2)
            def forward(self, x):
                return self.fc(x)
        """,
        ["Net(config)"],
    ),
    "a call under the main guard": (
        SIZED
        + """
if __name__ == "__main__":
    width = 4 * 2
    model = Net(width, classes=10).to("cuda")
""",
        ["Net(width, classes=10)"],
    ),
    "a call in main with argparse defaults": (
        SIZED
        + """
def main():
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden-width", type=int, default=16)
    args = parser.parse_args()
    net = Net(args.hidden_width, 10)
""",
        ["Net(args.hidden_width, 10)"],
    ),
    "factories before classes, parts last": (
        """
        class Block(nn.Module):
            def __init__(self, width=8):
                super().__init__()
                self.fc = nn.Linear(width, width)
            def forward(self, x):
                return self.fc(x)
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.Sequential(Block(), Block())
            def forward(self, x):
                return self.blocks(x)
        def build():
            net = Net()
            return net.eval()
        """,
        ["build()", "Net()", "Block()"],
    ),
    "a factory that returns a graph of layers": (
        "def mlp(width=8):\n    return nn.Sequential(nn.Linear(width, width), nn.ReLU())\n",
        ["mlp()"],
    ),
    "a factory known by its annotation": (
        "import typing\ndef make() -> nn.Module:\n    return eval('nn.Linear(2, 2)')\n",
        ["make()"],
    ),
    "no function that trains, reads, tests or is private": (
        """
        def train():
            net = nn.Linear(2, 2)
            loss = net(torch.ones(2)).sum()
            loss.backward()
            return net
        def restore():
            net = nn.Linear(2, 2)
            net.load_state_dict(torch.load("net.pt"))
            return net
        def test_net() -> nn.Module:
            return nn.Linear(2, 2)
        def _helper():
            return nn.Linear(2, 2)
        def main():
            return nn.Linear(2, 2)
        def number():
            return 3
        """,
        [],
    ),
    "no class without a forward, no imported class": (
        "from torch.nn import Transformer, Bilinear\nclass Base(nn.Module):\n    def helper(self):\n        return 1\n",
        [],
    ),
    "a base and its heir are both models": (
        NET + "class Wide(Net):\n    def __init__(self):\n        super().__init__(width=16)\n",
        ["Net()", "Wide()"],
    ),
}


@pytest.mark.parametrize(("source", "calls"), ROWS.values(), ids=ROWS.keys())
def test_finds_in_this_order(found, source, calls):
    discovery = found(source)
    assert [c.how for c in discovery.candidates] == calls
    for candidate in discovery.candidates:
        first, second = candidate.build(), candidate.build()
        assert isinstance(first, nn.Module)
        assert first is not second


class TestParts:
    def test_wholes_name_their_parts_through_helper_functions(self, found):
        discovery = found(
            """
            class Act(nn.Module):
                def forward(self, x):
                    return x
            def layer(width):
                return nn.Sequential(nn.Linear(width, width), Act())
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = layer(8)
                def forward(self, x):
                    return self.layer(x)
            """
        )
        assert discovery.candidates[0].name == "Net"
        assert "Act" in discovery.candidates[0].parts

    def test_an_instance_covers_its_class_and_the_factory_that_made_it(self, found):
        discovery = found(NET + "def build():\n    return Net()\nmodel = build()\ninner = model.fc\nloss = nn.MSELoss()\n")
        first = discovery.candidates[0]
        assert (first.name, first.kind, first.build) == ("model", "instance", None)
        assert first.instance is not None
        assert {"build", "Net"} <= first.parts | {first.defines}
        assert "inner" not in [c.name for c in discovery.candidates]
        assert "loss" not in [c.name for c in discovery.candidates]

    def test_lines_are_those_of_the_definition(self, found):
        assert found(NET).candidates[0].line == 7


class TestUnbuildable:
    def test_is_told_once_with_settings_that_would_do(self, found):
        discovery = found(SIZED)
        (item,) = discovery.unbuildable
        assert (item.name, item.missing) == ("Net", ("width", "classes"))
        assert 'path = "model.py"\nname = "Net"\nkwargs = { width = 64, classes = 10 }' in item.suggestion

    def test_parts_and_bases_of_what_can_be_built_are_passed_over(self, found):
        discovery = found(SIZED + "class Whole(Net):\n    def __init__(self):\n        super().__init__(4, 2)\n")
        assert [c.name for c in discovery.candidates] == ["Whole"]
        assert discovery.unbuildable == ()


class TestNamed:
    def test_a_class(self, found):
        assert [c.how for c in found(NET, wanted="Net").candidates] == ["Net()"]

    def test_something_imported_by_a_dotted_name(self, found):
        (candidate,) = found("import torch.nn\n", wanted="nn.Identity").candidates
        assert isinstance(candidate.build(), nn.Identity)

    def test_an_unknown_name_lists_what_there_is(self, found):
        with pytest.raises(TargetNotFound, match=r"there is no 'Nett'; did you mean 'Net'\? \(models in this file: Net\)"):
            found(NET, wanted="Nett")

    def test_settings_supply_the_arguments(self, found):
        told = SimpleNamespace(name="Net", args=(8,), kwargs={"classes": 3}, inputs=(), learning_rate=None, optimizer="sgd")
        for options in ({}, {"wanted": "Net"}):
            (candidate,) = found(SIZED, declared=[told], **options).candidates
            assert (candidate.kind, candidate.how) == ("declared", "Net(8, classes=3)")
            assert candidate.build().fc.in_features == 8
