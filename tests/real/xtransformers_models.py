"""Networks of `x_transformers`: argument-free factories."""

import x_transformers as xt
from torch import nn

SIZE = {"dim": 128, "depth": 3, "heads": 4}


def decoder_lm() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Decoder(**SIZE))


def encoder_lm() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Encoder(**SIZE))


def rotary_swiglu_rms() -> nn.Module:
    return xt.TransformerWrapper(
        num_tokens=512,
        max_seq_len=64,
        attn_layers=xt.Decoder(**SIZE, rotary_pos_emb=True, ff_swish=True, ff_glu=True, use_rmsnorm=True, ff_no_bias=True),
    )


def alibi() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Decoder(**SIZE, alibi_pos_bias=True))


def qk_norm() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Decoder(**SIZE, attn_qk_norm=True))


def relative_bias() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Encoder(**SIZE, rel_pos_bias=True))


def sandwich() -> nn.Module:
    return xt.TransformerWrapper(num_tokens=512, max_seq_len=64, attn_layers=xt.Decoder(**SIZE, sandwich_norm=True))


def vision() -> nn.Module:
    return xt.ViTransformerWrapper(image_size=32, patch_size=8, num_classes=10, attn_layers=xt.Encoder(**SIZE))


def encoder_decoder() -> nn.Module:
    return xt.XTransformer(
        dim=128,
        enc_num_tokens=512,
        enc_depth=2,
        enc_heads=4,
        enc_max_seq_len=64,
        dec_num_tokens=512,
        dec_depth=2,
        dec_heads=4,
        dec_max_seq_len=64,
    )


def continuous() -> nn.Module:
    return xt.ContinuousTransformerWrapper(dim_in=32, dim_out=16, max_seq_len=64, attn_layers=xt.Encoder(**SIZE))
