"""Calls that a file shows say what its model takes."""

from __future__ import annotations

import ast
import sys
import textwrap
import types

import pytest
import torch
from torch import nn

from initlint.targets.examples import Example, examples_of
from initlint.targets.inputs import infer
from initlint.targets.specs import Spec

HEAD = """
import torch
import torch.nn as nn
from torch import randn
WIDTH = 8
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.fc = nn.Linear(width, 2)
    def forward(self, x, y=None):
        return self.fc(x)
def evaluate(net, inputs, times=1):
    with torch.no_grad():
        for _ in range(times):
            out = net(inputs)
    return out
def sample(n, width=2):
    noise = torch.rand(n, 4 * width)
    return noise / noise.sum(-1, keepdim=True)
def either(n):
    if n > 1:
        return torch.rand(n, 8)
    return torch.rand(1, 8)
"""
GUARD = 'if __name__ == "__main__":\n'


def shown(text: str) -> tuple[Example, ...]:
    """The examples in a file that ends so."""
    source = HEAD + textwrap.dedent(text)
    module = types.ModuleType("shown")
    sys.modules["shown"] = module
    exec(source, vars(module))
    return examples_of(frozenset({"Net"}), ast.parse(source), vars(module))


FLOAT = Spec("float", (2, 8))
ROWS = {
    "a tensor made in the call": ("print(Net()(torch.randn(2, 8)).shape)", [FLOAT]),
    "a size in a tuple, and a function imported from torch": ("Net()(randn((2, WIDTH)))", [FLOAT]),
    "variables of the block": ("n, d = 2, 4\nx = torch.rand(n, 2 * d)\nnet = Net(width=8)\nnet(x)", [FLOAT]),
    "two variables in one line": ("x, y = torch.randn(2, 8), torch.randint(0, 5, (2,))\nNet()(x, y)", [FLOAT, Spec("int", (2,), high=5)]),
    "a device and a mode": ("d = torch.device('cuda')\nnet = Net().to(d).eval()\nnet(torch.randn(2, 8, device=d).to(d))", [FLOAT]),
    "by name, and what is no tensor": ("Net().forward(x=torch.randn(2, 8), y=None)", {"x": FLOAT, "y": None}),
    "what a loop makes is unknown, what it uses is not": (
        "x = torch.randn(2, 8)\nfor step in range(3):\n    z = torch.randn(step)\n    loss = Net()(x, z)", [FLOAT, None]),
    "slices and sums": ("x = torch.randn(2, 9)\nNet()(2 * x[:, :-1] + torch.ones(8))", [FLOAT]),
    "a comparison makes truths": ("Net()(torch.rand(2, 8) < 0.5)", [Spec("bool", (2, 8), role="ones")]),
    "a mask that hides nothing": ("Net()(torch.zeros(2, 8, dtype=torch.bool))", [Spec("bool", (2, 8), high=1)]),
    "places": ("Net()(torch.arange(8).unsqueeze(0).expand(2, 8))", [Spec("int", (2, 8), high=8, role="order")]),
    "columns of different tables": (
        "Net()(torch.stack([torch.randint(0, n, (5,)) for n in (3, 7)], 1))", [Spec("int", (5, 2), high=7)]),
    "a tensor written out": ("Net()(torch.tensor([[1, 4]]))", [Spec("int", (1, 2), high=5)]),
    "a function that is handed the model": ("print(evaluate(Net(), torch.randn(2, 8)))", [FLOAT]),
    "a function that makes the tensor": ("x, y = sample(2), sample(n=3, width=1)\nNet()(x, y)", [FLOAT, Spec("float", (3, 4))]),
    "under a context": ("with torch.no_grad():\n    Net()(torch.randn(2, 8))", [FLOAT]),
}  # fmt: skip


@pytest.mark.parametrize(("block", "expected"), ROWS.values(), ids=ROWS.keys())
def test_a_call_is_read(block, expected):
    example = Example((), tuple(expected.items())) if isinstance(expected, dict) else Example(tuple(expected))
    assert shown(GUARD + textwrap.indent(block, "    ")) == (example,)


@pytest.mark.parametrize(
    "block",
    [
        "Net()(load())",
        "Net()(either(2))",
        "Net()(*batch)",
        "x = torch.randn(2, 8)\nx = load(x)\nNet()(x)",
        "nn.Linear(8, 2)(torch.randn(2, 8))",
        "Net()(torch.randn(2, 8).numpy())",
        "x = torch.randn(1 << 20, 1 << 20)\nNet()(x)",
    ],
)
def test_what_only_a_run_would_tell_is_no_example(block):
    assert shown(GUARD + textwrap.indent(block, "    ")) == ()


def test_a_function_that_tries_the_model_is_an_example_too():
    assert shown("def test(flag):\n    net = Net()\n    y = net(torch.randn(2, 8))\n") == (Example((FLOAT,)),)


def test_nothing_of_the_file_runs():
    shown(GUARD + "    x = print(1 / 0)\n    Net()(torch.randn(2, 8))")


class TestInference:
    """What a file shows comes before guesses, and gives way to them where it does not fit."""

    def test_sizes_that_only_the_author_knows(self):
        inputs = infer(nn.Conv2d(3, 4, 3), examples=[Example((Spec("float", (8, 3, 17, 40)),))])
        assert inputs.args[0].shape == (8, 3, 17, 40)

    def test_a_single_sample_becomes_a_batch(self):
        inputs = infer(nn.Conv2d(3, 4, 3), examples=[Example((Spec("float", (1, 3, 20, 20)),))])
        assert inputs.args[0].shape == (4, 3, 20, 20)

    @pytest.mark.parametrize("shape", [(3, 20, 20), (2, 5, 20, 20), (7,)])
    def test_what_is_refused_leaves_the_guesses_as_they_were(self, shape):
        net = nn.Conv2d(3, 4, 3)
        assert infer(net, examples=[Example((Spec("float", shape),))]).how == infer(net).how

    def test_too_many_samples_are_fewer(self):
        inputs = infer(nn.Conv2d(3, 4, 3), examples=[Example((Spec("float", (256, 3, 224, 224)),))])
        assert inputs.args[0].shape == (4, 3, 224, 224)

    def test_a_long_sequence_that_is_unrolled_is_shortened(self):
        class Loop(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = nn.RNNCell(5, 6)

            def forward(self, x):
                h = None
                for step in x.unbind(1):
                    h = self.cell(step, h)
                return h

        assert infer(Loop(), examples=[Example((Spec("float", (4, 5000, 5)),))]).args[0].shape[1] < 100
        assert infer(Loop(), examples=[Example((Spec("float", (4, 200, 5)),))]).args[0].shape[1] == 200

    def test_names_keep_the_role_of_their_values(self):
        class Denoiser(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(6, 6)

            def forward(self, x, t):
                return self.fc(x) * t.float().unsqueeze(-1)

        example = Example((Spec("float", (16, 6)), Spec("int", (16,), high=100)))
        t = infer(Denoiser(), examples=[example]).args[1]
        assert torch.equal(t, t.sort().values)
        assert int(t.max()) < 100
