"""Layer-sequential unit variance, from data or from the predicted variance in its place.

    Mishkin, Matas 2016, arXiv:1511.06422   orthonormal weights, zero biases; then, layer by layer in order of execution,
                                            divide each weight by the standard deviation of its layer's output until it is one

The statistic is over samples and units of the output before the activation. Without data the variance that `propagate` predicts
stands in for it, for inputs as the settings describe them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from initlint.schemes.carry_out import applied, facts_after
from initlint.schemes.orthogonal import orthogonal_weight
from initlint.schemes.plan import Change, DoesNotApply, Plan, draw
from initlint.schemes.variance import Said, weights_of, zero_biases

if TYPE_CHECKING:
    from initlint.schemes.anatomy import Anatomy, Weight

CLOSE = 0.01  # relative, of a predicted variance
PASSES = 30
FAINT = 1e-12  # variance of an output that no scale brings to one


def lsuv(anatomy: Anatomy, *, data: object = None, model: object = None, tolerance: float = 0.1, tries: int = 10) -> Said:
    """Orthogonal weights, each scaled so that its layer's output has variance one: on data, or as predicted without any.

    data       a batch (or a tuple of arguments); None: the predicted variance
    tolerance  of the standard deviation on data; `tries` the number of divisions it may take
    """
    first = [item for weight in weights_of(anatomy) for item in _orthonormal(anatomy, weight)]
    changes = [*(item for item in first if isinstance(item, Change)), *zero_biases(anatomy)]
    yield from (item for item in first if isinstance(item, str))
    yield from changes
    plan = Plan(scheme="lsuv", changes=tuple(changes))
    scaled = [weight for weight in anatomy.weights if weight.kind != "recurrent"]
    if data is None:
        factors = _predicted(anatomy, plan, scaled)
    else:
        if not isinstance(model, nn.Module):
            raise DoesNotApply("data needs the real model: `initlint.initialize(model, args, scheme='lsuv', data=batch)`")
        factors = _measured(plan, scaled, model, data, tolerance, tries)
    source = "predicted" if data is None else "on data"
    for weight in scaled:
        factor = factors.get(weight.node)
        if factor is None:
            yield f"{weight.name}: its layer's output is constant, no scale brings it to variance one"
        elif factor != 1.0:
            why = f"variance of the output one, {source}"
            yield Change(place=weight.place, draw=draw(".mul_", factor=factor), why=why)


def _orthonormal(anatomy: Anatomy, weight: Weight) -> list[Change | str]:
    return list(orthogonal_weight(anatomy, weight, 1.0, "orthonormal"))


def _predicted(anatomy: Anatomy, plan: Plan, weights: Sequence[Weight]) -> dict[str, float]:
    """Factors by layer from the predicted variance of its output.

    One pass predicts all layers at once and corrects each by what it has not yet inherited from the corrections before it:
    exact where only activations lie in between, and repeated until nothing is left to correct.
    """
    factors = dict.fromkeys((weight.node for weight in weights), 1.0)
    silent: set[str] = set()
    for _ in range(PASSES):
        signals = facts_after(anatomy.facts, _with_factors(plan, weights, factors)).signals
        corrected: dict[str, float] = {}  # second moment of a layer's output after this pass, relative to before
        before, silent = silent, set()
        worst = 0.0
        for weight in weights:
            signal = signals.get(weight.node)
            if signal is None or signal.second_moment is None or signal.mean is None:
                continue
            variance = signal.second_moment - signal.mean**2
            if not variance > FAINT or not math.isfinite(variance):
                silent.add(weight.node)  # perhaps only until what lies before it is corrected
                continue
            worst = max(worst, abs(variance - 1))
            factors[weight.node] /= math.sqrt(variance * _inherited(weight, corrected, signals))
            corrected[weight.node] = 1 / variance
        if worst < CLOSE and silent == before:
            break
    return {node: factor for node, factor in factors.items() if node not in silent}


def _inherited(weight: Weight, corrected: Mapping[str, float], signals: Mapping[str, Any]) -> float:
    """By how much a layer's input changes in second moment when the layer that it reads is corrected."""
    bases = [base.name for base in weight.before.bases if base.name in corrected]
    if len(bases) != 1 or len(weight.before.bases) != 1:
        return 1.0
    before = signals[bases[0]].second_moment
    factor = corrected[bases[0]]
    return weight.before.at(before * factor).square / weight.before.at(before).square


def _with_factors(plan: Plan, weights: Sequence[Weight], factors: Mapping[str, float]) -> Plan:
    more = [Change(place=w.place, draw=draw(".mul_", factor=factors[w.node]), why="") for w in weights]
    return Plan(scheme=plan.scheme, changes=(*plan.changes, *more))


# -- on data ---------------------------------------------------------------------------------------------------------------


def _measured(
    plan: Plan, weights: Sequence[Weight], model: nn.Module, data: object, tolerance: float, tries: int
) -> dict[str, float]:
    """Factors by layer from real passes of a copy; the caller's generator is left where it was, so that the same matrices come."""
    trial = copy.deepcopy(model)
    state = torch.get_rng_state()
    factors: dict[str, float] = {}
    try:
        applied(plan, trial)
        given = tuple(data) if isinstance(data, (list, tuple)) else (data,)
        for weight in weights:
            parameter = trial.get_parameter(weight.name)
            factor = 1.0
            for _ in range(tries):
                std = _output_std(trial, parameter, given)
                if std is None or not std**2 > FAINT:
                    break
                if abs(std - 1) < tolerance:
                    break
                with torch.no_grad():
                    parameter.div_(std)
                factor /= std
            else:
                std = _output_std(trial, parameter, given)
            if std is not None and std**2 > FAINT:
                factors[weight.node] = factor
    finally:
        torch.set_rng_state(state)
    return factors


def _output_std(model: nn.Module, parameter: torch.Tensor, given: tuple[Any, ...]) -> float | None:
    """Standard deviation of what the first operator makes that reads a parameter; None when none does."""
    watch = _Watch(parameter)
    with torch.no_grad(), watch:
        model(*given)
    return watch.std


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Waits for the first result that is computed from a parameter and is no view of it."""

    def __init__(self, parameter: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.storage = parameter.untyped_storage().data_ptr()
        self.std: float | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.std is None:
            leaves = tree_leaves((args, kwargs))
            reads = any(isinstance(item, torch.Tensor) and self._is(item) for item in leaves)
            made = next((item for item in tree_leaves(out) if isinstance(item, torch.Tensor)), None)
            if reads and made is not None and not self._is(made) and made.is_floating_point():
                self.std = float(made.double().std())
        return out

    def _is(self, tensor: torch.Tensor) -> bool:
        return tensor.layout == torch.strided and tensor.untyped_storage().data_ptr() == self.storage
