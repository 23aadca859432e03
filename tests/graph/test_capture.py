"""What capture and its stand-ins promise."""

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import CannotTrace, capture
from initlint.graph.recorded import DependsOnValues, recorded_run
from initlint.graph.stand_ins import exporting, lent, restored


def test_code_is_told_that_it_is_exported() -> None:
    """Inside, `torch.compiler.is_compiling()` says what torch.export would; afterwards, the truth."""
    with exporting():
        assert torch.compiler.is_compiling()
    assert not torch.compiler.is_compiling()


def test_lent_weights_take_no_memory_and_are_given_back() -> None:
    """A large meta weight is one number on the CPU while it is lent."""
    model = nn.Linear(1000, 1000, device="meta")
    with lent(model), restored(model):
        assert model.weight.stride() == (0, 0)
        assert model(torch.zeros(2, 1000)).shape == (2, 1000)
    assert model.weight.is_meta


def test_a_lazy_layer_says_what_to_do() -> None:
    """It has no weights yet, and what it reports of itself helps nobody."""
    with pytest.raises(TypeError, match=r"'weight' is a parameter of a lazy layer.* give the layer its sizes"):
        build_recorded(lambda: nn.LazyLinear(8))


class Branching(nn.Module):
    """Takes one of two ways by the sign of an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.b(x)) if self.a(x).sum() > 0 else self.b(x)


class Choosing(nn.Module):
    """Drops the edges from a node to itself, as graph networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        edges = edges[:, edges[0] != edges[1]]
        with torch.no_grad():
            frozen = self.lin(x) * 2
        return torch.zeros_like(x).index_add(0, edges[1], self.lin(x)[edges[0]]) + frozen


EDGES = torch.tensor([[0, 1, 2, 3, 3], [1, 1, 3, 0, 2]])


def test_a_way_that_depends_on_values_is_refused_with_that_reason() -> None:
    """Whatever a recorded run would take is not the model."""
    with pytest.raises(CannotTrace, match="depends on the values of its activations"):
        capture(build_recorded(Branching), (torch.zeros(4, 8),))


class Replacing(nn.Module):
    """Rows that nothing picked are replaced for the next call, after this one has read them, or before."""

    def __init__(self, *, before: bool) -> None:
        super().__init__()
        self.before = before
        self.rows = nn.Embedding(64, 8)

    @torch.no_grad()
    def replace(self, x: torch.Tensor, index: torch.Tensor) -> None:
        unused = (torch.bincount(index, minlength=64) == 0).nonzero().flatten()
        self.rows.weight[unused] = x[torch.randint(0, len(x), (unused.numel(),))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        index = torch.cdist(x, self.rows.weight).argmin(1)
        if self.before:
            self.replace(x, index)
        found = self.rows(index)
        if not self.before:
            self.replace(x, index)
        return x + (found - x).detach()


def test_what_no_output_is_made_from_may_depend_on_values() -> None:
    """How many rows are replaced differs from run to run; it matters only to what is read afterwards."""
    built = build_recorded(lambda: Replacing(before=False), roots=(__file__,))
    program = recorded_run(built.model, built.parameters, (torch.zeros(16, 8),), {})
    assert not any("randint" in str(node.target) for node in program.graph.nodes)
    built = build_recorded(lambda: Replacing(before=True), roots=(__file__,))
    with pytest.raises(DependsOnValues):
        recorded_run(built.model, built.parameters, (torch.zeros(16, 8),), {})


def test_sizes_that_come_out_of_integer_inputs_are_recorded() -> None:
    """The graph has plain sizes, laws, module paths and source lines."""
    traced = capture(build_recorded(Choosing, roots=(__file__,)), (torch.zeros(4, 8), EDGES))
    assert traced.method == "recorded"
    values = {node.name: node.meta.get("val") for node in traced.program.graph.nodes}
    assert isinstance(values["index"], torch.Tensor)
    assert values["index"].shape == (2, 4)
    linear = next(node.name for node in traced.program.graph.nodes if node.name.startswith("linear"))
    assert traced.modules[linear] == "lin"
    assert traced.sites["index"].path == __file__
    assert {p.name for p in traced.parameters.values()} == {"lin.weight", "lin.bias"}


def test_a_model_is_as_before_after_a_recorded_run() -> None:
    """Its weights are its own again, its mode too."""
    recorded = build_recorded(Choosing)
    before = {name: (id(p), p.clone()) for name, p in recorded.model.named_parameters()}
    capture(recorded, (torch.zeros(4, 8), EDGES))
    for name, parameter in recorded.model.named_parameters():
        assert id(parameter) == before[name][0]
        assert torch.equal(parameter, before[name][1])
