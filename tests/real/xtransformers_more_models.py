"""More networks of `x_transformers`: argument-free factories."""

import x_transformers as xt
from torch import nn

SIZE = {"dim": 64, "depth": 2, "heads": 4, "attn_dim_head": 16}


def language_model(**options: object) -> nn.Module:
    return xt.TransformerWrapper(num_tokens=256, max_seq_len=64, attn_layers=xt.Decoder(**SIZE, **options))


def post_norm() -> nn.Module:
    return language_model(pre_norm=False)


def scale_norm() -> nn.Module:
    return language_model(use_scalenorm=True)


def simple_rms_norm() -> nn.Module:
    return language_model(use_simple_rmsnorm=True)


def talking_heads() -> nn.Module:
    return language_model(attn_pre_talking_heads=True, attn_post_talking_heads=True)


def one_kv_head() -> nn.Module:
    return language_model(attn_one_kv_head=True)


def gated_residual() -> nn.Module:
    return language_model(gate_residual=True)


def gated_values() -> nn.Module:
    return language_model(attn_gate_values=True, attn_head_scale=True)


def relu_squared() -> nn.Module:
    return language_model(ff_relu_squared=True)


def dynamic_position_bias() -> nn.Module:
    return language_model(dynamic_pos_bias=True)


def shifted_tokens() -> nn.Module:
    return language_model(shift_tokens=1)


def memory_key_values() -> nn.Module:
    return language_model(attn_num_mem_kv=4)


def macaron() -> nn.Module:
    return language_model(macaron=True)


def residual_attention() -> nn.Module:
    return language_model(residual_attn=True)
