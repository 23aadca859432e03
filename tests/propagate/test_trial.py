"""Doubtful predictions of small models are held against real draws of their laws; all others cost nothing."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.graph.model import Law, Parameter
from initlint.propagate import propagate, trial
from initlint.propagate.backward import run
from initlint.propagate.oracle import LEAST, CannotMeasure, Estimate, Measured, Sample, compare, measure
from initlint.propagate.refuted import as_measured
from initlint.propagate.trial import tried, weights_from_laws
from tests.propagate.judged import net

SPARSEMAX = (torch.zeros(8, 32),)


def sparsemax(x: torch.Tensor) -> torch.Tensor:
    """Martins & Astudillo 2016: a threshold that the sorted values themselves decide on."""
    ordered = x.sort(-1, descending=True).values
    sums = ordered.cumsum(-1) - 1
    rank = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = (rank * ordered > sums).sum(-1, keepdim=True)
    return (x - sums.gather(-1, support - 1) / support).clamp_min(0)


selecting = net(lambda m, x: m.b(sparsemax(m.a(x)) * 8), a=lambda: nn.Linear(32, 32), b=lambda: nn.Linear(32, 32))
plain = net(lambda m, x: m.b(torch.relu(m.a(x))), a=lambda: nn.Linear(32, 512), b=lambda: nn.Linear(512, 512))


def traced_as(build, inputs):
    return capture(build_recorded(build), inputs)


def test_a_refuted_prediction_gives_way_to_what_was_measured() -> None:
    traced = traced_as(selecting, SPARSEMAX)
    alone, corrected = run(traced), propagate(traced)
    measured = measure(traced, selecting, draws=32, seed=3, layouts=alone.layouts)
    before, after = compare(alone.signals, measured), compare(corrected.signals, measured)
    assert max(row.bits - 5 * row.doubt for row in before) > 1.0
    # both sides are estimates: of 12 draws here, of 32 there
    assert max(row.bits - 5 * (1 + 32 / 12) ** 0.5 * row.doubt for row in after) < trial.CLOSE[0]
    assert max((row.grad_bits or 0.0) - 5 * (1 + 32 / 12) ** 0.5 * row.grad_doubt for row in after) < trial.CLOSE[1]


def test_the_transform_of_an_even_part_is_measured() -> None:
    """Re F x of a real x is even, and stays so in a norm of its rows, so that its transform is real: all of its energy, of 16x32 entries of
    size one (Parseval), is in the real part, where half of it is expected elsewhere."""
    build = net(lambda m, x: torch.fft.fft2(m.a(torch.fft.fft2(x).real)).real, a=lambda: nn.LayerNorm(32))
    traced = traced_as(build, (torch.zeros(4, 16, 32),))
    (output,) = traced.outputs
    rounding = 1e-4  # and the norm's ε of 1e-5 beside a variance of some hundred
    assert run(traced).signals[output].second_moment == pytest.approx(16 * 32 / 2, rel=0.01)
    assert propagate(traced).signals[output].second_moment == pytest.approx(16 * 32, rel=rounding)


def test_what_was_measured_says_so() -> None:
    corrected = propagate(traced_as(selecting, SPARSEMAX))
    changed = [signal for signal in corrected.signals.values() if "refuted" in signal.flags]
    assert changed
    assert all(signal.method == "sampled" and signal.formula is None for signal in changed)
    assert {name for name, s in corrected.signals.items() if "refuted" in s.flags} <= set(corrected.coverage.sampled)


def test_the_same_model_gives_the_same_numbers() -> None:
    traced = traced_as(selecting, SPARSEMAX)
    torch.manual_seed(1)
    first = propagate(traced).signals
    torch.manual_seed(2)
    assert {n: s.second_moment for n, s in propagate(traced).signals.items()} == {n: s.second_moment for n, s in first.items()}


def counted_draws(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Filled with the number of draws at every call, and whether only second moments were measured."""
    counts: list[tuple[int, bool]] = []
    real = Sample.draw

    def draw(sample: Sample, draws: int, layouts: object) -> None:
        counts.append((draws, layouts is None))
        real(sample, draws, layouts)  # type: ignore[arg-type]

    monkeypatch.setattr(Sample, "draw", draw)
    return counts


def test_a_prediction_whose_errors_may_have_added_up_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "UNSURE", 0.0)
    traced = traced_as(plain, (torch.zeros(64, 32),))
    predicted = run(traced)
    counts = counted_draws(monkeypatch)
    assert tried(traced, predicted) is predicted
    assert counts == [(1, True)]


def test_one_draw_unlike_the_prediction_raises_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "UNSURE", 0.0)
    traced = traced_as(plain, (torch.zeros(64, 32),))
    predicted = run(traced)
    wrong = {
        name: replace(signal, grad_second_moment=signal.grad_second_moment and 4.0 * signal.grad_second_moment)
        for name, signal in predicted.signals.items()
    }
    counts = counted_draws(monkeypatch)
    found = tried(traced, replace(predicted, signals=wrong))
    assert counts == [(1, True), (LEAST - 1, True), (LEAST, False), (trial.MOST - 2 * LEAST, True)]
    first = traced.outputs[0]
    assert "refuted" in next(s.flags for name, s in found.signals.items() if name != first and s.grad_second_moment)


def viewed(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Views that are read alone, by two, and written to; one whose gradient stops."""
    y = m.a(x).view(8, 4, 8).transpose(1, 2)
    z = y.reshape(8, 32)
    first = torch.relu(z) + z.detach() + y.flatten(1)
    second = m.b(first)
    second.view(8, 4, 8).mul_(2.0)
    return second.t().contiguous().sin()


@pytest.mark.parametrize(("std", "doubtful"), [(1e-4, True), (0.2, False)])
def test_a_norm_whose_epsilon_outweighs_the_variance_raises_a_doubt(std: float, doubtful: bool) -> None:
    def build() -> nn.Module:
        model = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.Linear(32, 8))
        nn.init.normal_(model[0].weight, std=std)
        nn.init.zeros_(model[0].bias)
        return model

    traced = traced_as(build, (torch.zeros(64, 32),))
    assert trial._is_doubtful(traced, run(traced)) is doubtful


def test_a_draw_measures_a_view_with_what_it_views() -> None:
    """The second moments and gradients of all nodes are those that were measured one by one."""
    traced = traced_as(net(viewed, a=lambda: nn.Linear(32, 32), b=lambda: nn.Linear(32, 32)), SPARSEMAX)
    weights = functools.partial(weights_from_laws, traced.parameters)
    samples = [Sample(traced, weights, 5) for _ in range(2)]
    for sample, layouts in zip(samples, ({}, None), strict=True):
        sample.draw(2, layouts)
    each, shared = (sample.measured() for sample in samples)
    assert each.keys() == shared.keys()
    for name, truth in each.items():
        assert shared[name].second_moment.value == pytest.approx(truth.second_moment.value, rel=1e-4)
        gradients = [item.grad_second_moment for item in (truth, shared[name])]
        assert [g is None for g in gradients] in ([True, True], [False, False]), name
        if gradients[0] is not None and gradients[1] is not None:
            assert gradients[1].value == pytest.approx(gradients[0].value, rel=1e-4), name


def test_a_graph_whose_errors_cannot_have_added_up_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = traced_as(plain, (torch.zeros(64, 32),))
    predicted = run(traced)
    counts = counted_draws(monkeypatch)
    assert tried(traced, predicted) is predicted
    assert not counts


def test_a_large_model_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MEMORY", 0)
    traced = traced_as(selecting, SPARSEMAX)
    predicted = run(traced)
    assert tried(traced, predicted) is predicted


def test_what_has_no_prediction_is_measured() -> None:
    traced = traced_as(plain, (torch.zeros(64, 32),))
    predicted = run(traced)
    name = traced.outputs[0]
    lost = replace(predicted.signals[name], mean=None, second_moment=None, grad_second_moment=None)
    coverage = replace(predicted.coverage, known=predicted.coverage.known - 1, unknown={"some operator": "no formula"})
    found = tried(traced, replace(predicted, signals={**predicted.signals, name: lost}, coverage=coverage))
    measured = measure(traced, plain, draws=32, seed=3, layouts=predicted.layouts)
    row = next(row for row in compare(found.signals, measured) if row.node == name)
    assert row.bits < 5 * (1 + 32 / 12) ** 0.5 * row.doubt
    assert found.coverage.known == found.coverage.floating
    assert not found.coverage.unknown


def test_what_is_no_number_for_real_either_stays_unknown() -> None:
    infinite = net(lambda m, x: m.a(x) / 0.0, a=lambda: nn.Linear(64, 64))
    traced = traced_as(infinite, (torch.zeros(16, 64),))
    found = propagate(traced)
    assert found.coverage.unknown
    assert found.coverage.known < found.coverage.floating
    assert found.signals[traced.outputs[0]].second_moment is None


def test_what_is_exactly_zero_for_real_is_zero() -> None:
    predicted = run(traced_as(plain, (torch.zeros(64, 32),)))
    signal = next(s for s in predicted.signals.values() if s.k_batch is not None)
    nothing = Estimate(value=0.0, error=0.0)
    found = as_measured(signal, Measured(second_moment=nothing, mean=nothing, zero_fraction=nothing, k_batch=nothing, draws=12))
    assert found.second_moment == found.k_batch == 0.0


# -- weights from laws ----------------------------------------------------------------------------------------------------


def parameter(name: str, law: Law, **more: object) -> Parameter:
    return Parameter(name=name, shape=(64, 64), dtype="float32", kind="parameter", trainable=True, law=law, **more)  # type: ignore[arg-type]


NORMAL = Law(family="normal", mean=0.5, second_moment=4.25)


def test_weights_have_their_laws() -> None:
    torch.manual_seed(0)
    drawn = weights_from_laws({"a": parameter("a", NORMAL)})["a"]
    assert drawn.requires_grad
    assert float(drawn.detach().mean()) == pytest.approx(0.5, abs=5 * 2 / 64)
    assert float(drawn.detach().square().mean()) == pytest.approx(4.25, rel=5 * 1.5 / 64)


def test_tied_weights_are_one_tensor_and_copies_start_equal() -> None:
    drawn = weights_from_laws(
        {
            "a": parameter("a", NORMAL),
            "tied": parameter("tied", NORMAL, alias_of="a"),
            "copy": parameter("copy", NORMAL, copy_of="a"),
            "other": parameter("other", NORMAL),
        }
    )
    assert drawn["tied"] is drawn["a"]
    assert drawn["copy"] is not drawn["a"]
    assert torch.equal(drawn["copy"], drawn["a"])
    assert not torch.equal(drawn["other"], drawn["a"])


def test_memory_nobody_wrote_counts_as_zero() -> None:
    assert not weights_from_laws({"a": parameter("a", Law(family="uninitialized", mean=0.0, second_moment=0.0))})["a"].any()


def test_an_unknown_law_cannot_be_drawn() -> None:
    with pytest.raises(CannotMeasure, match="'a'"):
        weights_from_laws({"a": parameter("a", Law(family="unknown", mean=0.0, second_moment=1.0))})
