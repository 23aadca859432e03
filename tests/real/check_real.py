"""Factories of tests/real → do they build, and does their forward run in train mode on real CPU tensors?

python tests/real/check_real.py [MODULE[:FACTORY] …]
"""

from __future__ import annotations

import importlib
import inspect
import sys
import time

import torch
from torch import nn

MODULES = ("transformers_models", "peft_models", "diffusers_models", "geometric_models", "xtransformers_models")


def inputs_of(module: str, name: str, model: nn.Module) -> tuple[tuple[object, ...], dict[str, object]]:
    """Proper example inputs of one factory."""
    tokens = torch.randint(3, 500, (2, 32))
    if module == "peft_models":
        return (), {"input_ids": tokens}
    if module == "geometric_models":
        x, edges = torch.randn(50, 64), torch.randint(50, (2, 200))
        return ((x,) if name == "mlp" else (x, edges)), {}
    if module == "xtransformers_models":
        special = {
            "vision": (torch.randn(2, 3, 32, 32),),
            "encoder_decoder": (tokens, tokens),
            "continuous": (torch.randn(2, 16, 32),),
        }
        return special.get(name, (tokens,)), {}
    t = torch.randint(1000, (2,))
    if module == "diffusers_models":
        image, latent, text = torch.randn(2, 3, 16, 16), torch.randn(2, 4, 16, 16), torch.randn(2, 7, 64)
        return {
            "unet2d": ((image, t), {}),
            "unet2d_condition": ((latent, t, text), {}),
            "autoencoder_kl": ((torch.randn(2, 3, 32, 32),), {}),
            "vq_model": ((torch.randn(2, 3, 32, 32),), {}),
            "dit": ((latent,), {"timestep": t, "class_labels": torch.randint(1000, (2,))}),
            "pixart": ((latent,), {"encoder_hidden_states": text, "timestep": t}),
            "sd3": (
                (latent,),
                {"encoder_hidden_states": text, "pooled_projections": torch.randn(2, 64), "timestep": t},
            ),
            "flux": (
                (torch.randn(2, 16, 16),),
                {
                    "encoder_hidden_states": text,
                    "pooled_projections": torch.randn(2, 64),
                    "timestep": torch.rand(2),
                    "img_ids": torch.zeros(16, 3),
                    "txt_ids": torch.zeros(7, 3),
                },
            ),
            "controlnet": ((latent, t, text), {"controlnet_cond": torch.randn(2, 3, 32, 32)}),
            "prior_transformer": (
                (torch.randn(2, 64),),
                {"timestep": t, "proj_embedding": torch.randn(2, 64), "encoder_hidden_states": text},
            ),
        }[name]
    names = inspect.signature(model.forward).parameters
    audio = {
        "whisper": {"input_features": torch.randn(2, 80, 128)},
        "audio_spectrogram": {"input_values": torch.randn(2, 128, 64)},
    }
    if name in ("wav2vec2", "hubert"):
        return (), {"input_values": torch.randn(2, 4000)}
    if name == "patchtst":
        return (), {"past_values": torch.randn(2, 64, 4)}
    if name == "timesformer":
        return (), {"pixel_values": torch.randn(2, 4, 3, 64, 64)}
    kwargs: dict[str, object] = dict(audio.get(name, {}))
    if "pixel_values" in names:
        kwargs["pixel_values"] = torch.randn(2, 3, 64, 64)
    if "input_ids" in names:
        kwargs["input_ids"] = tokens
    if "decoder_input_ids" in names:
        kwargs["decoder_input_ids"] = tokens
    return (), kwargs


def main(wanted: list[str]) -> int:
    """Build and run every factory, print a line each."""
    torch.set_num_threads(1)
    failed = 0
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, factory in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(factory) or factory.__module__ != module_name:
                continue
            if wanted and not {module_name, f"{module_name}:{name}"} & set(wanted):
                continue
            start = time.time()
            try:
                model = factory().train()
                args, kwargs = inputs_of(module_name, name, model)
                model(*args, **kwargs)
                size = sum(p.numel() for p in model.parameters()) / 1e6
                print(f"ok    {module_name}:{name:24} {size:7.2f} M  {time.time() - start:.1f} s", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAIL  {module_name}:{name:24} {type(error).__name__}: {str(error)[:300]}", flush=True)
    return failed


if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/")[0])
    sys.exit(1 if main(sys.argv[1:]) else 0)
