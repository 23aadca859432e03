"""Networks for sets, points and graphs from small packages: argument-free factories."""

from egnn_pytorch import EGNN, EGNN_Network
from en_transformer import EnTransformer
from isab_pytorch import ISAB
from point_transformer_pytorch import PointTransformerLayer
from slot_attention import SlotAttention
from torch import nn


def egnn_layer() -> nn.Module:
    return EGNN(dim=32)


def egnn() -> nn.Module:
    return EGNN_Network(num_tokens=21, num_positions=32, dim=32, depth=2, norm_coors=True, coor_weights_clamp_value=2.0)


def en_transformer() -> nn.Module:
    return EnTransformer(dim=64, depth=2, dim_head=32, heads=2, neighbors=0)


def induced_set_attention() -> nn.Module:
    return ISAB(dim=64, heads=4, num_latents=16, latent_self_attend=True)


def point_transformer() -> nn.Module:
    return PointTransformerLayer(dim=32, pos_mlp_hidden_dim=32, attn_mlp_hidden_mult=2)


def slot_attention() -> nn.Module:
    return SlotAttention(num_slots=5, dim=64, iters=3)
