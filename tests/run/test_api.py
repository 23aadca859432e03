"""The Python interface: what `analyze` returns, what it leaves alone, what it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import initlint
from initlint.config import SettingsError
from initlint.graph.built import LostLaws

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "deep_mlp.py"


class Mlp(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.first = nn.Linear(64, width)
        self.second = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> Mapping[str, torch.Tensor]:
        return {"logits": self.second(torch.relu(self.first(x))) * scale}


@pytest.fixture(scope="module")
def analysis() -> initlint.Analysis:
    return initlint.analyze(Mlp, torch.empty(8, 64))


def node_of(analysis: initlint.Analysis, operator: str) -> initlint.Signal:
    return next(signal for name, signal in analysis.signals.items() if name.startswith(operator))


class TestAnalysis:
    def test_the_program_is_an_exported_program(self, analysis: initlint.Analysis) -> None:
        """Train mode, ATen, every floating node with a signal."""
        assert isinstance(analysis.program, torch.export.ExportedProgram)
        floating = {
            node.name for node in analysis.program.graph.nodes if getattr(node.meta.get("val"), "dtype", None) == torch.float32
        }
        assert set(analysis.signals) == floating

    def test_the_default_linear_law(self, analysis: initlint.Analysis) -> None:
        """Var(w) = Var(b) = 1/(3 fan_in): q = 1/3 + 1/(3·64) for inputs of second moment one."""
        assert node_of(analysis, "linear").second_moment == pytest.approx(1 / 3 + 1 / 192)

    def test_a_rectifier_keeps_half(self, analysis: initlint.Analysis) -> None:
        """E[relu(z)²] = E[z²]/2, and half of the entries are exactly zero."""
        relu, linear = node_of(analysis, "relu"), node_of(analysis, "linear")
        assert linear.second_moment is not None
        assert relu.second_moment == pytest.approx(linear.second_moment / 2)
        # 64 inputs: what the law of the weights adds to a Gaussian is of relative order 1/64 of a kurtosis below one
        assert relu.mean == pytest.approx(math.sqrt(linear.second_moment / (2 * math.pi)), rel=1e-3)
        assert relu.zero_fraction == pytest.approx(0.5)

    def test_the_gradient_of_the_output_is_the_cotangent(self, analysis: initlint.Analysis) -> None:
        """E[(∂L/∂output)²] = 1, and 10 outputs with Var(w) = 1/(3·256) give E[g²] = 10/768 one layer below."""
        assert node_of(analysis, "mul").grad_second_moment == pytest.approx(1.0)
        assert node_of(analysis, "relu").grad_second_moment == pytest.approx(10 / 768)

    def test_the_shared_part_of_a_batch_is_the_bias(self, analysis: initlint.Analysis) -> None:
        """Independent inputs have nothing in common: k_batch = E[b²]."""
        assert node_of(analysis, "linear").k_batch == pytest.approx(1 / 192)

    def test_coverage_is_whole(self, analysis: initlint.Analysis) -> None:
        assert analysis.coverage.known == analysis.coverage.floating
        assert not analysis.coverage.unknown
        assert analysis.findings == ()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_example_tensors_may_be_meta(device: str) -> None:
    """Shapes and dtypes are what counts."""
    analysis = initlint.analyze(Mlp, (torch.empty(8, 64, device=device),), {"scale": 2.0})
    assert node_of(analysis, "mul").second_moment == pytest.approx(4 * (node_of(analysis, "linear_1").second_moment or 0.0))


def test_a_real_module_is_measured_and_left_alone() -> None:
    """Its own weights count, not the law they were drawn from; they are the same afterwards, and so is its mode."""
    torch.manual_seed(0)
    model = Mlp().eval()
    with torch.no_grad():
        model.first.weight.mul_(2.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    analysis = initlint.analyze(model, torch.empty(8, 64))
    measured = float((model.first.weight.double() ** 2).sum(1).mean() + (model.first.bias.double() ** 2).mean())
    assert node_of(analysis, "linear").second_moment == pytest.approx(measured, rel=1e-6)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training


def test_the_callers_state_is_left_as_found() -> None:
    """Random state, grad mode and default dtype."""
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    initlint.analyze(Mlp, torch.empty(8, 64))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.is_grad_enabled()


def test_a_meta_module_has_lost_its_laws() -> None:
    """The error names the callable form."""
    with torch.device("meta"):
        model = Mlp()
    with pytest.raises(LostLaws, match="callable"):
        initlint.analyze(model, torch.empty(8, 64))


def deep(depth: int = 30, width: int = 64) -> nn.Module:
    layers = [nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(depth)]
    return nn.Sequential(*layers)


class TestAssertHealthy:
    def test_a_healthy_model_passes(self) -> None:
        initlint.assert_healthy(Mlp, torch.empty(8, 64))

    def test_a_bad_one_fails_with_its_findings(self) -> None:
        """An AssertionError that names code, place and cause."""
        with pytest.raises(initlint.Unhealthy, match="INI102") as caught:
            initlint.assert_healthy(deep, torch.empty(8, 64))
        assert [item.name for item in caught.value.findings] == ["vanishing-signal"]
        assert caught.value.findings[0].span.path == __file__

    def test_what_is_ignored_does_not_count(self) -> None:
        initlint.assert_healthy(deep, torch.empty(8, 64), ignore=["vanishing-signal", "INI202"])


def test_check_does_what_the_command_line_does(tmp_path: object) -> None:
    """Paths in, a report out."""
    report = initlint.check(str(EXAMPLE))
    assert [item.name for item in report.findings] == ["vanishing-signal"]
    assert [item.status for item in report.targets] == ["ok"]


def test_check_refuses_a_selector_that_fits_no_rule() -> None:
    """A wrong setting is an error, not silence."""
    from initlint.config import Selectors, Settings

    with pytest.raises(SettingsError):
        initlint.check(str(EXAMPLE), Settings(selection=(Selectors(ignore=("vanishing-signl",)),)))
