"""Inputs are found for models in the styles people use, and what is found can be traced."""

import importlib.util
import itertools
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.inputspec import InputSpec
from initlint.targets.inputs import InputsUnknown, infer

COUNT = itertools.count()
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import Tensor\n"

#: what the model is · attributes · signature and body of forward · shapes of the inputs that must be found
ROWS = {
    "features for a linear layer": ("fc=nn.Linear(20, 4)", "x", "return self.fc(x)", ["float32[8,20]"]),
    "many points for coordinates": ("fc=nn.Linear(3, 4)", "coords", "return self.fc(coords)", ["float32[256,3]"]),
    "sequences where samples are unpacked": (
        "fc=nn.Linear(20, 4)", "x", "b, t, c = x.shape\nreturn self.fc(x)", ["float32[8,32,20]"]),
    "sequences for attention": (
        "p=nn.Linear(12, 16), a=nn.MultiheadAttention(16, 2, batch_first=True)",
        "x", "h = self.p(x)\nreturn self.a(h, h, h)[0]", ["float32[4,32,12]"]),
    "sequences for a recurrent layer": ("r=nn.GRU(9, 16, batch_first=True)", "x", "return self.r(x)[0]", ["float32[4,32,9]"]),
    "images of one channel with a flattened head": (
        "c=nn.Conv2d(1, 8, 3), f=nn.Linear(8 * 13 * 13, 10)",
        "x", "return self.f(F.max_pool2d(self.c(x), 2).flatten(1))", ["float32[4,1,28,28]"]),
    "an image size that follows from the head": (
        "c=nn.Conv2d(4, 16, 8, 4), d=nn.Conv2d(16, 32, 4, 2), f=nn.Linear(2592, 6)",
        "x", "return self.f(F.relu(self.d(F.relu(self.c(x)))).flatten(1))", ["float32[4,4,84,84]"]),
    "an image size that follows from a table of positions": (
        "c=nn.Conv2d(3, 16, 16, 16), pos=nn.Parameter(torch.zeros(1, 145, 16)), cls=nn.Parameter(torch.zeros(1, 1, 16))",
        "x",
        "h = self.c(x).flatten(2).transpose(1, 2)\nh = torch.cat([self.cls.expand(h.shape[0], -1, -1), h], 1)\nreturn h + self.pos",
        ["float32[4,3,192,192]"]),
    "an image size that an assertion names": (
        "c=nn.Conv2d(3, 8, 3), size=nn.Identity()",
        "x", "assert x.shape[-1] == self.img_size, 'wrong size'\nreturn self.c(x)", ["float32[4,3,48,48]"]),
    "an image for a pool over seven by seven of what five strides leave": (
        "c=nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), *[nn.Conv2d(8, 8, 3, 2, 1) for _ in range(4)]), p=nn.AvgPool2d(7, 1), f=nn.Linear(8, 4)",
        "x", "return self.f(self.p(self.c(x)).flatten(1))", ["float32[4,3,224,224]"]),
    "an image between sizes that leave too little and too much": (
        "c=nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), *[nn.Conv2d(8, 8, 3, 2, 1) for _ in range(4)]), p=nn.AvgPool2d(12, 1), f=nn.Linear(8, 4)",
        "x", "return self.f(self.p(self.c(x)).flatten(1))", ["float32[4,3,384,384]"]),
    "images for sides that have to be even": (
        "d=nn.Conv2d(3, 8, 3, 2, 1), u=nn.ConvTranspose2d(8, 3, 2, 2)", "x", "return self.u(self.d(x)) + x", ["float32[4,3,64,64]"]),
    "vectors that the model makes into maps of one pixel": (
        "u=nn.Sequential(nn.ConvTranspose2d(64, 8, 4), nn.ConvTranspose2d(8, 3, 4, 2, 1))",
        "z", "return self.u(z[:, :, None, None])", ["float32[4,64]"]),
    "series for a convolution": ("c=nn.Conv1d(6, 8, 3)", "x", "return self.c(x)", ["float32[4,6,64]"]),
    "series that are transposed first": ("c=nn.Conv1d(6, 8, 3)", "x", "return self.c(x.transpose(1, 2))", ["float32[4,64,6]"]),
    "volumes": ("c=nn.Conv3d(2, 4, 3)", "x", "return self.c(x)", ["float32[4,2,16,16,16]"]),
    "images for patches cut by hand": (
        "f=nn.Linear(48, 8)",
        "img",
        ("b, c, h, w = img.shape\np = img.reshape(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * 16)\n"
        "return self.f(p)"),
        ["float32[4,3,32,32]"]),
    "digits where images are flattened": ("f=nn.Linear(784, 8)", "x", "return self.f(x.view(-1, 784))", ["float32[8,784]"]),
    "tokens": ("e=nn.Embedding(50, 8)", "idx", "return self.e(idx)", ["int64[2,64]"]),
    "fewer tokens where the positions end": (
        "e=nn.Embedding(50, 8), p=nn.Embedding(24, 8)", "idx", "return self.e(idx) + self.p(torch.arange(idx.shape[1]))", ["int64[2,24]"]),
    "fewer tokens where a table of positions ends": (
        "e=nn.Embedding(50, 8), p=nn.Parameter(torch.zeros(1, 40, 8))", "idx", "return self.e(idx) + self.p[:, :idx.shape[1]]",
        ["int64[2,40]"]),
    "tokens although another layer is constructed first": (
        "f=nn.Linear(8, 2), e=nn.Embedding(50, 8)", "x", "return self.f(self.e(x))", ["int64[2,64]"]),
    "tokens and a required mask": (
        "e=nn.Embedding(50, 8)", "input_ids, attention_mask", "return self.e(input_ids) * attention_mask.unsqueeze(-1)",
        ["int64[2,64]", "bool[2,64]"]),
    "optional inputs are left out": (
        "e=nn.Embedding(50, 8)", "input_ids, mask=None, labels=None", "return self.e(input_ids)", ["int64[2,64]"]),
    "an optional input that turns out to be needed": (
        "f=nn.Linear(5, 8), g=nn.Linear(7, 8)", "x=None, cond=None", "return self.f(x) + self.g(cond)", ["float32[8,5]", "float32[8,7]"]),
    "an image and a time step": (
        "c=nn.Conv2d(3, 8, 3, padding=1), f=nn.Linear(16, 8)",
        "x, t",
        ("w = torch.exp(-torch.arange(8) / 8.0)\na = t[:, None].float() * w[None]\n"
        "e = self.f(torch.cat([a.sin(), a.cos()], -1))\nreturn self.c(x) + e[:, :, None, None]"),
        ["float32[4,3,32,32]", "int64[4]"]),
    "a continuous time step": (
        "f=nn.Linear(6, 8), g=nn.Linear(1, 8)", "x, t", "return self.f(x) + self.g(t)", ["float32[8,6]", "float32[8,1]"]),
    "a latent vector and a class": (
        "f=nn.Linear(16, 8), e=nn.Embedding(10, 8)", "z, y", "return self.f(z) + self.e(y)", ["float32[8,16]", "int64[8]"]),
    "a latent image for a generator": (
        "c=nn.ConvTranspose2d(100, 16, 4, 1, 0), b=nn.BatchNorm2d(16)", "z", "return self.b(self.c(z))", ["float32[4,100,1,1]"]),
    "state and action that are joined": (
        "f=nn.Linear(23, 8)", "state, action", "return self.f(torch.cat([state, action], -1))", ["float32[8,18]", "float32[8,5]"]),
    "two encodings of different growth": (
        "f=nn.Linear(6, 8), g=nn.Linear(8 + 4, 8)",
        "a, b", "h = self.f(torch.cat([a, a.sin()], -1))\nreturn self.g(torch.cat([h, b, b.sin(), b.cos(), b], -1))",
        ["float32[8,3]", "float32[8,1]"]),
    "nodes and edges": (
        "f=nn.Linear(16, 8)",
        "x, edge_index",
        "s, d = edge_index\nh = self.f(x)\nreturn torch.zeros_like(h).index_add(0, d, h[s])", ["float32[32,16]", "int64[2,96]"]),
    "nodes and a dense adjacency": (
        "f=nn.Linear(16, 8)", "x, adj", "return adj @ self.f(x)", ["float32[32,16]", "float32[32,32]"]),
    "nodes and an adjacency of truths": (
        "f=nn.Linear(16, 8)", "x, adj", "h = self.f(x)\nreturn torch.zeros(len(h), len(h)).masked_fill(~adj, -1.0) @ h",
        ["float32[32,16]", "bool[32,32]"]),
    "features beside the number of a task, whose table comes first": (
        "e=nn.Embedding(50, 8), f=nn.Linear(8, 8 * 5)",
        "x, task", "return torch.bmm(x, self.f(self.e(task)).view(-1, 5, 8))", ["float32[2,32,5]", "int64[2]"]),
    "source and target tokens": (
        "e=nn.Embedding(50, 8), d=nn.Embedding(60, 8), t=nn.Transformer(8, 2, 1, 1, 16, batch_first=True)",
        "src, tgt", "return self.t(self.e(src), self.d(tgt))", ["int64[2,64]", "int64[2,64]"]),
    "users and items": (
        "u=nn.Embedding(50, 8), i=nn.Embedding(60, 8)", "user, item", "return (self.u(user) * self.i(item)).sum(-1)",
        ["int64[16]", "int64[16]"]),
    "a shape written in jaxtyping": (
        "w=nn.Linear(7, 7)", "x: 'Float[Tensor, \"batch 3 5 feat\"]'", "return self.w(x)", ["float32[4,3,5,7]"]),
    "an image and a text": (
        "c=nn.Conv2d(3, 8, 4, 4), e=nn.Embedding(50, 8)",
        "image, text", "return F.normalize(self.c(image).mean((2, 3)), dim=-1) @ F.normalize(self.e(text).mean(1), dim=-1).t()",
        ["float32[4,3,32,32]", "int64[4,64]"]),
    "keyword-only inputs": ("f=nn.Linear(6, 8)", "*, features", "return self.f(features)", ["float32[8,6]"]),
    "an attribute record of nodes and edges": (
        "f=nn.Linear(16, 8)",
        "data", "s, d = data.edge_index\nh = self.f(data.x)\nreturn torch.zeros_like(h).index_add(0, d, h[s])",
        ["int64[2,96]", "float32[32,16]"]),
    "a list of inputs": (
        "a=nn.Linear(10, 8), b=nn.Linear(12, 8)", "xs: 'list[Tensor]'", "return self.a(xs[0]) + self.b(xs[1])",
        ["float32[8,10]", "float32[8,12]"]),
    "a recurrent state": (
        "r=nn.GRU(9, 16, 2, batch_first=True)", "x, h", "return self.r(x, h)[0]", ["float32[4,32,9]", "float32[2,4,16]"]),
    "a recurrent state where time comes first": (
        "r=nn.GRU(9, 16, 2)", "x, h", "return self.r(x, h)[0]", ["float32[32,4,9]", "float32[2,4,16]"]),
    "a pair of recurrent states": (
        "e=nn.Embedding(50, 8), r=nn.LSTM(8, 16, batch_first=True)", "x, hidden", "return self.r(self.e(x), hidden)[0]",
        ["int64[2,64]", "float32[1,2,16]", "float32[1,2,16]"]),
    "place and time of a differential equation": (
        "f=nn.Linear(2, 8)", "x, t", "return self.f(torch.cat([x, t], dim=1))", ["float32[256,1]", "float32[256,1]"]),
    "images with channels last": (
        "f=nn.Linear(5, 8)", "x", "return self.f(x).permute(0, 3, 1, 2)", ["float32[4,32,32,5]"]),
    "images that a linear layer flattens": (
        "f=nn.Linear(784, 8)", "img", "return self.f(img.view(img.size(0), -1))", ["float32[4,1,28,28]"]),
    "a dictionary of inputs": (
        "e=nn.Embedding(50, 8), f=nn.Linear(6, 8)", "batch", "return self.e(batch['input_ids']).mean(1) + self.f(batch['dense'])",
        ["float32[2,6]", "int64[2,64]"]),
    "videos with a table of positions of their frames": (
        "f=nn.Linear(3 * 64, 8), frames=nn.Parameter(torch.zeros(1, 4, 16, 8))",
        "video",
        ("b, f, c, h, w = video.shape\np = video.reshape(b, f, c, h // 8, 8, w // 8, 8).permute(0, 1, 3, 5, 2, 4, 6)\n"
        "return self.f(p.reshape(b, f, -1, c * 64)) + self.frames"),
        ["float32[4,4,3,32,32]"]),
    "places of a sequence's elements beside it": (
        "f=nn.Linear(16, 6)",
        "hidden_states, img_ids",
        "angle = torch.cat([img_ids[:, n, None].float().expand(-1, 2) for n in range(3)], 1)\nreturn self.f(hidden_states) * angle.cos()",
        ["float32[4,32,16]", "int64[32,3]"]),
    "numbers beside categories": (
        "e=nn.Embedding(12, 8), f=nn.Linear(5, 8)",
        "x_cat, x_num", "return self.e(x_cat).sum(1) + self.f(x_num)", ["int64[8,4]", "float32[8,5]"]),
    "a matrix of neighbours for each relation, in an einsum": (
        "w=nn.Parameter(torch.randn(5, 16, 8))",
        "x, adj", "return torch.einsum('rnm,mi,rio->no', adj, x, self.w)", ["float32[32,16]", "float32[5,32,32]"]),
    "heads in an einsum": (
        "w=nn.Parameter(torch.randn(3, 12, 4))", "x", "return torch.einsum('btd,hde->bhte', x, self.w)", ["float32[8,32,12]"]),
    "a dtype that is written as the tensor's type": (
        "e=nn.Embedding(50, 8), p=nn.Embedding(64, 8)",
        "x", "h = self.e(x)\nreturn h + self.p(torch.arange(x.shape[1])).type(h.type())", ["int64[2,64]"]),
}  # fmt: skip


def module_of(tmp_path, attributes, signature, body):
    """A module class in a file of its own."""
    name = f"inferred_{next(COUNT)}"
    assigned = f"for k, v in dict({attributes}).items():\n    setattr(self, k, v)\nself.img_size = 48"
    text = (
        f"{HEAD}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{textwrap.indent(assigned, ' ' * 8)}\n"
        f"    def forward(self, {signature}):\n{textwrap.indent(body, ' ' * 8)}\n"
    )
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Net


def shapes(inputs):
    leaves = torch.utils._pytree.tree_leaves((inputs.args, dict(inputs.kwargs)))
    return [
        f"{str(t.dtype).removeprefix('torch.')}[{','.join(map(str, t.shape))}]" for t in leaves if isinstance(t, torch.Tensor)
    ]


@pytest.mark.parametrize(("attributes", "signature", "body", "expected"), ROWS.values(), ids=ROWS.keys())
def test_finds(tmp_path, attributes, signature, body, expected):
    recorded = build_recorded(module_of(tmp_path, attributes, signature, body))
    inputs = infer(recorded.model)
    assert shapes(inputs) == expected
    capture(recorded, inputs.args, inputs.kwargs)


class TestValues:
    def test_token_ids_stay_below_their_table(self):
        inputs = infer(nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 2)))
        assert "int64[2,64] below 5" in inputs.how
        assert int(inputs.args[0].max()) < 5

    def test_categories_stay_within_a_table_that_they_share(self):
        class Fields(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(12, 8)
                self.register_buffer("offset", torch.tensor([0, 4, 8]))

            def forward(self, x_cat):
                return self.table(x_cat + self.offset)

        inputs = infer(Fields())
        assert shapes(inputs) == ["int64[8,3]"]
        assert int(inputs.args[0].max()) < 4

    def test_the_same_every_time(self):
        first, second = (infer(nn.Linear(4, 2)).args[0] for _ in range(2))
        assert torch.equal(first, second)

    def test_the_random_state_of_the_caller_is_left_alone(self):
        model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5))
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        infer(model)
        assert torch.equal(torch.rand(1), expected)


class TestModelIsLeftAlone:
    def test_mode_hooks_and_stored_activations(self):
        class Keeps(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)
                self.seen = []

            def forward(self, x):
                self.last = x
                self.seen.append(x)
                return self.fc(x)

        model = Keeps().eval()
        infer(model)
        assert not model.training
        assert not hasattr(model, "last")
        assert model.seen == []

    def test_running_statistics(self):
        model = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
        before = {k: v.clone() for k, v in model.state_dict().items()}
        infer(model)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class TestDeclared:
    def test_declared_inputs_stand_and_the_rest_is_inferred(self):
        model = nn.Bilinear(3, 5, 2)
        inputs = infer(model, declared=[InputSpec(name="input1", dtype="float32", shape=(7, 3))])
        assert shapes(inputs)[0] == "float32[7,3]"

    def test_a_name_that_forward_does_not_have(self):
        with pytest.raises(InputsUnknown, match=r"forward takes \(input\)"):
            infer(nn.Linear(2, 2), declared=[InputSpec(name="pixels", dtype="float32", shape=(2, 2))])


def test_a_forward_that_accepts_nothing_says_what_was_tried_and_what_would_help():
    class Stubborn(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x, y):
            raise ValueError("no")

    with pytest.raises(InputsUnknown, match=r"forward\(x, y\)") as caught:
        infer(Stubborn(), budget=2.0)
    assert caught.value.attempts
    assert "these, which came farthest but were refused" in caught.value.help
    assert 'inputs = ["x: float32[8,4]", "y: int64[8] < 10"]' in caught.value.help


def test_a_flattened_map_of_images_tells_their_side():
    class Player(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(4, 32, 8, stride=4)
            self.conv2 = nn.Conv2d(32, 64, 4, stride=2)
            self.conv3 = nn.Conv2d(64, 64, 3)
            self.fc = nn.Linear(3136, 6)

        def forward(self, x):
            return self.fc(self.conv3(self.conv2(self.conv1(x).relu()).relu()).relu().view(-1, 3136))

    assert shapes(infer(Player(), budget=8.0)) == ["float32[4,4,84,84]"]


def test_a_code_that_is_laid_over_all_points_of_a_sample():
    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.code, self.point = nn.Linear(100, 16), nn.Linear(3, 16)

        def forward(self, points, z):
            x, code = self.point(points), self.code(z)
            return x * code.unsqueeze(1).expand_as(x)

    points, z = infer(Field(), budget=8.0).args
    assert (points.dim(), points.shape[-1], z.shape[1:]) == (3, 3, (100,))


def test_as_many_rows_as_a_table_of_places_are_no_samples():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(6, 32)
            self.place = nn.Parameter(torch.zeros(8, 32))
            self.mix = nn.MultiheadAttention(32, 4, batch_first=True)

        def forward(self, x):
            x = self.embed(x) + self.place
            return x @ x.transpose(-2, -1)

    class Mixed(nn.Module):
        """Eight rows, and no more, on purpose: nothing else is accepted, with samples in front or without."""

        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(6, 32)

        def forward(self, x):
            if x.shape != (8, 6):
                raise ValueError("eight rows of six")
            return self.embed(x)

    assert shapes(infer(Reader(), budget=8.0)) == ["float32[4,8,6]"]
    assert shapes(infer(Mixed(), budget=8.0)) == ["float32[8,6]"]


ZOO = sorted((Path(__file__).parents[1] / "zoo").glob("*.py"))


@pytest.mark.parametrize("path", ZOO, ids=[p.stem for p in ZOO])
def test_every_model_of_the_zoo_is_found_and_fed(path):
    import ast

    from initlint.targets.discover import discover

    name = f"zoo_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        discovery = discover(module, ast.parse(path.read_text()))
        assert discovery.candidates
        assert not discovery.unbuildable
        first = discovery.candidates[0]
        infer(build_recorded(first.build).model if first.build is not None else first.instance)
    finally:
        del sys.modules[name]


def test_a_buffer_of_booleans_is_no_table_of_positions() -> None:
    """A causal mask kept as a boolean buffer does not disturb the search."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bias", torch.ones(16, 16, dtype=torch.bool).tril())
            self.fc = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x)

    assert infer(build_recorded(Masked).model).how == "float32[8,8] for x"
