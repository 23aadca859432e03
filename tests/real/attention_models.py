"""Transformers with other attention (linear, sorted, routed, hashed, pooled), from small packages: argument-free factories."""

from fast_transformer_pytorch import FastTransformer
from g_mlp_pytorch import gMLP
from hourglass_transformer_pytorch import HourglassTransformerLM
from linear_attention_transformer import LinearAttentionTransformerLM
from linformer import Linformer, LinformerLM
from local_attention import LocalTransformer
from mega_pytorch import Mega
from MEGABYTE_pytorch import MEGABYTE
from nystrom_attention import Nystromformer
from perceiver_pytorch import Perceiver, PerceiverIO
from performer_pytorch import PerformerLM
from product_key_memory import PKM
from reformer_pytorch import ReformerLM
from routing_transformer import RoutingTransformerLM
from simple_hierarchical_transformer import HierarchicalTransformer
from sinkhorn_transformer import SinkhornTransformerLM
from soft_moe_pytorch import SoftMoE
from torch import nn

SIZE = {"num_tokens": 512, "dim": 64, "depth": 2, "max_seq_len": 64}


def linear_attention() -> nn.Module:
    return LinearAttentionTransformerLM(**SIZE, heads=4, dim_head=16)


def linear_attention_causal() -> nn.Module:
    return LinearAttentionTransformerLM(**SIZE, heads=4, dim_head=16, causal=True, blindspot_size=1)


def linear_attention_local() -> nn.Module:
    return LinearAttentionTransformerLM(**SIZE, heads=4, dim_head=16, n_local_attn_heads=2, local_attn_window_size=16)


def linformer() -> nn.Module:
    return Linformer(dim=64, seq_len=32, depth=2, heads=4, k=8, one_kv_head=True, share_kv=True)


def linformer_lm() -> nn.Module:
    return LinformerLM(num_tokens=512, dim=64, seq_len=32, depth=2, heads=4, k=16)


def performer() -> nn.Module:
    return PerformerLM(**SIZE, heads=4, dim_head=16, nb_features=32)


def performer_scale_norm_glu() -> nn.Module:
    return PerformerLM(**SIZE, heads=4, dim_head=16, use_scalenorm=True, ff_glu=True, generalized_attention=True)


def performer_rezero() -> nn.Module:
    return PerformerLM(**SIZE, heads=4, dim_head=16, use_rezero=True, nb_features=32, tie_embed=True)


def nystromformer() -> nn.Module:
    return Nystromformer(dim=64, depth=2, dim_head=16, heads=4, num_landmarks=8, pinv_iterations=6)


def reformer_full() -> nn.Module:
    return ReformerLM(**SIZE, heads=4, dim_head=16, bucket_size=8, n_hashes=2, ff_chunks=1, use_full_attn=True, causal=True)


def local_transformer() -> nn.Module:
    return LocalTransformer(**SIZE, heads=4, dim_head=16, local_attn_window_size=16)


def local_transformer_xpos() -> nn.Module:
    return LocalTransformer(**SIZE, heads=4, dim_head=16, local_attn_window_size=16, use_xpos=True, causal=True)


def routing_local() -> nn.Module:
    return RoutingTransformerLM(**SIZE, heads=4, dim_head=16, n_local_attn_heads=4, local_attn_window_size=16, causal=True)


def sinkhorn() -> nn.Module:
    return SinkhornTransformerLM(**SIZE, heads=4, bucket_size=16)


def fast_transformer() -> nn.Module:
    return FastTransformer(**SIZE, heads=4, dim_head=16, absolute_pos_emb=True)


def hourglass() -> nn.Module:
    return HourglassTransformerLM(
        num_tokens=512, dim=64, max_seq_len=64, depth=(1, 2, 1), shorten_factor=2, heads=4, dim_head=16
    )


def mega() -> nn.Module:
    return Mega(num_tokens=512, dim=64, depth=2, ema_heads=4, attn_dim_qk=16, attn_dim_value=64, laplacian_attn_fn=True)


def mega_pre_norm() -> nn.Module:
    return Mega(num_tokens=512, dim=64, depth=2, ema_heads=4, attn_dim_qk=16, attn_dim_value=64, pre_norm=True, causal=False)


def megabyte() -> nn.Module:
    return MEGABYTE(num_tokens=256, dim=(64, 32), depth=(2, 1), max_seq_len=(16, 4), heads=4, dim_head=16)


def hierarchical() -> nn.Module:
    return HierarchicalTransformer(
        num_tokens=256,
        dim=64,
        depth=2,
        seq_len=64,
        dim_head=16,
        heads=4,
        hierarchies=(1, 2),
        window_sizes=(16, None),
        use_flash_attn=False,
    )


def perceiver() -> nn.Module:
    return Perceiver(
        input_channels=3, input_axis=2, num_freq_bands=4, max_freq=10.0, depth=2, num_latents=16, latent_dim=64, cross_heads=1,
        latent_heads=4, cross_dim_head=16, latent_dim_head=16, num_classes=10, self_per_cross_attn=1,
    )  # fmt: skip


def perceiver_tied() -> nn.Module:
    return Perceiver(
        input_channels=1, input_axis=1, num_freq_bands=4, max_freq=10.0, depth=3, num_latents=16, latent_dim=64, latent_heads=4,
        latent_dim_head=16, num_classes=10, weight_tie_layers=True, fourier_encode_data=False,
    )  # fmt: skip


def perceiver_io() -> nn.Module:
    return PerceiverIO(
        dim=32,
        queries_dim=32,
        logits_dim=10,
        depth=2,
        num_latents=16,
        latent_dim=64,
        cross_heads=1,
        latent_heads=4,
        latent_dim_head=16,
    )


def gmlp() -> nn.Module:
    return gMLP(num_tokens=512, dim=64, depth=3, seq_len=32)


def gmlp_tiny_attention() -> nn.Module:
    return gMLP(num_tokens=512, dim=64, depth=3, seq_len=32, causal=True, circulant_matrix=True, attn_dim=32, act=nn.Tanh())


def product_keys() -> nn.Module:
    return PKM(dim=64, heads=4, dim_head=32, num_keys=32, topk=8)


def soft_moe() -> nn.Module:
    return SoftMoE(dim=64, seq_len=32, num_experts=4)
