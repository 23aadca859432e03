"""The models that the benchmarks check: real configurations of transformers, built by factories."""

from __future__ import annotations

from torch import nn


def gpt2() -> nn.Module:
    """GPT-2 small, 124 M parameters."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config())


def llama_405b() -> nn.Module:
    """Llama 3.1 405B: 126 layers of 16384."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=128_256,
            hidden_size=16_384,
            intermediate_size=53_248,
            num_hidden_layers=126,
            num_attention_heads=128,
            num_key_value_heads=8,
            max_position_embeddings=8_192,
        )
    )
