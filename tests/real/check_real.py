"""Factories of tests/real → do they build, and does their forward run in train mode on real CPU tensors?

Inputs are given here, for each library as its documentation says; of the packages of `requirements.txt` it is `initlint` that
finds them, and only those that it does not find are given.

python tests/real/check_real.py [MODULE[:FACTORY] …]
"""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

MODULES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*_models.py")))


Inputs = tuple[tuple[object, ...], dict[str, object]]


def of_x_transformers(name: str, tokens: Tensor) -> Inputs:
    """Tokens, unless the wrapper is for something else."""
    special: dict[str, tuple[object, ...]] = {
        "vision": (torch.randn(2, 3, 32, 32),),
        "encoder_decoder": (tokens, tokens),
        "continuous": (torch.randn(2, 16, 32),),
    }
    return special.get(name, (tokens,)), {}


def of_geometric(name: str) -> Inputs:
    """Fifty nodes, two hundred edges."""
    x, edges = torch.randn(50, 64), torch.randint(50, (2, 200))
    return ((x,) if name == "mlp" else (x, edges)), {}


def of_diffusers(name: str) -> Inputs:
    """Latents, a time and whatever conditions the network."""
    t = torch.randint(1000, (2,))
    image, latent, text = torch.randn(2, 3, 16, 16), torch.randn(2, 4, 16, 16), torch.randn(2, 7, 64)
    pooled = {"encoder_hidden_states": text, "pooled_projections": torch.randn(2, 64)}
    places = {"img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(7, 3)}
    table: dict[str, Inputs] = {
        "unet2d": ((image, t), {}),
        "unet2d_condition": ((latent, t, text), {}),
        "autoencoder_kl": ((torch.randn(2, 3, 32, 32),), {}),
        "vq_model": ((torch.randn(2, 3, 32, 32),), {}),
        "dit": ((latent,), {"timestep": t, "class_labels": torch.randint(1000, (2,))}),
        "pixart": ((latent,), {"encoder_hidden_states": text, "timestep": t}),
        "sd3": ((latent,), {**pooled, "timestep": t}),
        "flux": ((torch.randn(2, 16, 16),), {**pooled, **places, "timestep": torch.rand(2)}),
        "controlnet": ((latent, t, text), {"controlnet_cond": torch.randn(2, 3, 32, 32)}),
        "prior_transformer": (
            (torch.randn(2, 64),),
            {"timestep": t, "proj_embedding": torch.randn(2, 64), "encoder_hidden_states": text},
        ),
    }
    return table[name]


def of_transformers(name: str, model: nn.Module, tokens: Tensor) -> Inputs:
    """By the names of the forward's arguments, except for sound, series and video."""
    special: dict[str, dict[str, object]] = {
        "wav2vec2": {"input_values": torch.randn(2, 4000)},
        "hubert": {"input_values": torch.randn(2, 4000)},
        "patchtst": {"past_values": torch.randn(2, 64, 4)},
        "timesformer": {"pixel_values": torch.randn(2, 4, 3, 64, 64)},
        "audio_spectrogram": {"input_values": torch.randn(2, 128, 64)},
        "whisper": {"input_features": torch.randn(2, 80, 128), "decoder_input_ids": tokens},
    }
    usual = {"pixel_values": torch.randn(2, 3, 64, 64), "input_ids": tokens, "decoder_input_ids": tokens}
    names = inspect.signature(model.forward).parameters
    return (), special.get(name, {key: value for key, value in usual.items() if key in names})


def inputs_of(module: str, name: str, model: nn.Module) -> Inputs:
    """Proper example inputs of one factory."""
    tokens = torch.randint(3, 500, (2, 32))
    match module:
        case "transformers_models":
            return of_transformers(name, model, tokens)
        case "diffusers_models":
            return of_diffusers(name)
        case "geometric_models":
            return of_geometric(name)
        case "xtransformers_models":
            return of_x_transformers(name, tokens)
        case "peft_models":
            return (), {"input_ids": tokens}
        case _:
            return found(name, model, tokens)


def found(name: str, model: nn.Module, tokens: Tensor) -> Inputs:
    """By initlint, or from the table of those that it finds none for."""
    from initlint.targets.inputs import infer

    if name in GIVEN:
        return GIVEN[name](tokens)
    inputs = infer(model)
    return inputs.args, dict(inputs.kwargs)


VIDEO: Inputs = ((torch.randn(2, 3, 4, 32, 32),), {})
TABLE = torch.stack([torch.randint(n, (2,)) for n in (10, 5, 6, 5, 8)], 1)
GIVEN: dict[str, Callable[[Tensor], Inputs]] = {
    "linear_attention": lambda tokens: ((tokens,), {}),
    "linear_attention_causal": lambda tokens: ((tokens.repeat(1, 2),), {}),
    "linear_attention_local": lambda tokens: ((tokens,), {}),
    "aura_flow": lambda _: (
        (torch.randn(2, 4, 16, 16),),
        {"encoder_hidden_states": torch.randn(2, 7, 64), "timestep": torch.rand(2)},
    ),
    "unet1d": lambda _: ((torch.randn(2, 2, 64), torch.tensor([3, 5])), {}),
    "point_transformer": lambda _: ((torch.randn(2, 16, 32), torch.randn(2, 16, 3)), {}),
    "peleenet": lambda _: ((torch.randn(2, 3, 224, 224),), {}),
    "snac": lambda _: ((torch.randn(2, 1, 2048),), {}),
    "ft_transformer": lambda _: ((torch.randn(4, 12), None), {}),
    "tab_transformer": lambda _: ((TABLE, torch.randn(2, 10)), {}),
    "token_transformer": lambda _: ((TABLE, torch.randn(2, 10)), {}),
    "decision_transformer": lambda _: (
        (torch.randn(2, 9, 8), torch.randn(2, 9, 4), torch.randn(2, 9, 1), torch.randn(2, 9, 1), torch.arange(9).expand(2, 9)),
        {},
    ),
    "timesformer": lambda _: ((torch.randn(2, 4, 3, 32, 32),), {}),
    "vivit": lambda _: VIDEO,
    "vit_3d": lambda _: VIDEO,
    "mobile_vit": lambda _: ((torch.randn(2, 3, 64, 64),), {}),
}


def say(line: str) -> None:
    """One line of the table, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(wanted: list[str]) -> int:
    """Build and run every factory, print a line each."""
    torch.set_num_threads(1)
    failed = 0
    for module_name in MODULES:
        if wanted and module_name not in {w.partition(":")[0] for w in wanted}:
            continue
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            say(f"skip  {module_name}: {error}")
            continue
        for name, factory in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(factory) or factory.__module__ != module_name:
                continue
            if inspect.signature(factory).parameters:
                continue
            if wanted and not {module_name, f"{module_name}:{name}"} & set(wanted):
                continue
            start = time.time()
            try:
                model = factory().train()
                args, kwargs = inputs_of(module_name, name, model)
                model(*args, **kwargs)
                size = sum(p.numel() for p in model.parameters()) / 1e6
                say(f"ok    {module_name}:{name:24} {size:7.2f} M  {time.time() - start:.1f} s")
            except Exception as error:
                failed += 1
                say(f"FAIL  {module_name}:{name:24} {type(error).__name__}: {str(error)[:300]}")
    return failed


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(1 if main(sys.argv[1:]) else 0)
