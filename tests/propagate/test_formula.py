"""The law in symbols: at its own numbers it is the predicted second moment, and it never costs anything until asked."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.formula import law_of
from tests.propagate.judged import net


@pytest.mark.parametrize(
    ("node", "run", "text"),
    [
        ("linear", lambda m, x: m.fc(x), "Var_b + Var_w*fan_in*q_in"),
        ("relu", lambda m, x: F.relu(m.fc(x)), "q_in/2"),
        ("leaky_relu", lambda m, x: F.leaky_relu(m.fc(x), 0.5), "5*q_in/8"),
        ("gelu", lambda m, x: F.gelu(m.fc(x)), None),
        ("tanh", lambda m, x: torch.tanh(m.fc(x)), None),
        ("silu", lambda m, x: F.silu(m.fc(x)), None),
        ("sigmoid", lambda m, x: torch.sigmoid(m.fc(x)), None),
        ("sin", lambda m, x: torch.sin(m.fc(x)), None),
        ("layer_norm", lambda m, x: m.ln(F.relu(m.fc(x))), None),
        ("add", lambda m, x: x + m.fc(x), "q_1 + q_2"),
        ("mul", lambda m, x: 3.0 * m.fc(x), "a**2*q_in"),
        ("dropout", lambda m, x: F.dropout(m.fc(x), 0.2), "q_in/(1 - p)"),
    ],
)
def test_the_law_at_its_numbers_is_the_prediction(node: str, run: object, text: str | None) -> None:
    """Substituting fans, variances and the operand's moment gives `second_moment`."""
    build = net(run, fc=lambda: torch.nn.Linear(64, 64), ln=lambda: torch.nn.LayerNorm(64))  # type: ignore[arg-type]
    traced = capture(build_recorded(build), (torch.zeros(8, 64),))
    signals = propagate(traced).signals
    law = law_of(node, traced, signals)
    assert law is not None
    assert law.number == pytest.approx(signals[node].second_moment, rel=2e-3)
    if text is not None:
        assert str(signals[node].formula) == text


def test_a_padded_convolution_says_which_share_of_its_taps_is_inside() -> None:
    """A 3×3 kernel with zero padding on 8×8 pixels reads (1 − 2/24)² of its taps."""
    build = net(lambda m, x: m.c(x), c=lambda: torch.nn.Conv2d(4, 8, 3, padding=1))
    traced = capture(build_recorded(build), (torch.zeros(2, 4, 8, 8),))
    signals = propagate(traced).signals
    law = law_of("conv2d", traced, signals)
    assert law is not None
    assert law.number == pytest.approx(signals["conv2d"].second_moment, rel=1e-6)
    assert {s.name: v for s, v in law.values.items()}["inside"] == pytest.approx((22 / 24) ** 2)


def test_propagation_does_not_import_sympy_for_its_numbers() -> None:
    """sympy comes in only with torch's own tracing, never through the propagation."""
    code = "import sys, initlint.propagate.backward, initlint.propagate.ops; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
