"""Other starts of models of the zoo, in place: cures of bad ones, and bases as a fine-tuning would find them."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor, nn

from tests.zoo.training.losses import entropy
from tests.zoo.training.tasks import digits


def he(model: nn.Module) -> None:
    """He weights and zero biases."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


def defaults(model: nn.Module) -> None:
    """The default start of every linear layer."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()


def glorot(gain: float) -> Callable[[nn.Module], None]:
    """Xavier weights of some gain, zero biases."""

    def apply(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain)
                nn.init.zeros_(module.bias)

    return apply


def named(part: str, change: Callable[[Tensor], object]) -> Callable[[nn.Module], None]:
    """A new start for the parameters whose name contains `part`."""

    def apply(model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            if part in name:
                change(parameter.data)

    return apply


def default_a(factor: Tensor) -> None:
    """A as LoRA starts it."""
    nn.init.kaiming_uniform_(factor, a=math.sqrt(5))


def usual_lora(model: nn.Module) -> None:
    """alpha/rank, and A within 1/sqrt(fan_in)."""
    for module in model.modules():
        if type(module).__name__ == "LoRALayer":
            module.alpha = module.alpha / module.A.shape[1]
            default_a(module.A.data.T)


def adapted(build: Callable[[ModuleType], nn.Module]) -> Callable[[ModuleType], nn.Module]:
    """The base as a fine-tuning would find it: trained on digits with the adapters switched off."""

    def make(module: ModuleType) -> nn.Module:
        model = build(module)
        factors = [(p, p.detach().clone()) for n, p in model.named_parameters() if is_factor(n)]
        rest = [p for n, p in model.named_parameters() if not is_factor(n)]
        frozen = [p for p in rest if not p.requires_grad]
        for p in frozen:
            p.requires_grad_(True)
        for p, _ in factors:
            p.data.zero_()
        optimizer = torch.optim.Adam(rest, 1e-3)
        for _, ((x,), y) in zip(range(200), digits()):
            optimizer.zero_grad()
            entropy(model(x), y).backward()
            optimizer.step()
        for p in frozen:
            p.requires_grad_(False)
        for p, value in factors:
            p.data.copy_(value)
            p.grad = None
        return model

    return make


def is_factor(name: str) -> bool:
    """Whether a parameter belongs to an adapter."""
    return any(part in name for part in ("lora", "down.weight", "up.weight"))


def only_factors(model: nn.Module) -> nn.Module:
    """Everything but the adapters frozen."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_factor(name))
    return model
