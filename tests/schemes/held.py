"""What the tests of schemes share: apply to a fresh model, read standard deviations, run real inputs."""

from __future__ import annotations

import math

import pytest
import torch

import initlint


def initialized(build, args, scheme, **options):
    """A fresh model after a scheme, and what was said."""
    torch.manual_seed(1)
    model = build()
    return model, initlint.initialize(model, args, scheme=scheme, **options)


def refusal(build, args, scheme, **options):
    """Why a scheme does not apply; nothing of the model may have changed."""
    torch.manual_seed(1)
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(initlint.DoesNotApply) as refused:
        initlint.initialize(model, args, scheme=scheme, **options)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    return str(refused.value)


def is_drawn_with(tensor, std):
    """The sample's standard deviation lies within five standard errors of std, 1/√(2n) relative for a normal law."""
    return abs(rms(tensor) / std - 1) < 5 / math.sqrt(2 * tensor.numel()) + 1e-5


def rms(tensor):
    return float(tensor.detach().double().pow(2).mean().sqrt())


def pre_activations(model, kinds, x):
    """Second moments of the outputs of all modules of these kinds, in order of execution."""
    found = []
    hooks = [
        m.register_forward_hook(lambda _m, _i, out: found.append(rms(out) ** 2))
        for m in model.modules()
        if isinstance(m, kinds)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found
