"""Networks for tables: `rtdl_revisiting_models`, `rtdl_num_embeddings`, `tabm`, `pytorch_tabnet`, `tab_transformer_pytorch`."""

import torch
from pytorch_tabnet.tab_network import TabNet, TabNetPretraining
from rtdl_num_embeddings import LinearReLUEmbeddings, PeriodicEmbeddings
from rtdl_revisiting_models import MLP, FTTransformer, ResNet
from tab_transformer_pytorch import FTTransformer as TokenTransformer
from tab_transformer_pytorch import TabTransformer
from tabm import TabM
from torch import nn


def mlp() -> nn.Module:
    return MLP(d_in=32, d_out=3, n_blocks=3, d_block=128, dropout=0.1)


def resnet() -> nn.Module:
    return ResNet(d_in=32, d_out=3, n_blocks=3, d_block=64, d_hidden_multiplier=2.0, dropout1=0.2, dropout2=0.0)


def ft_transformer() -> nn.Module:
    return FTTransformer(
        n_cont_features=12, cat_cardinalities=[], d_out=3, n_blocks=3, d_block=64, attention_n_heads=4, attention_dropout=0.1,
        ffn_d_hidden_multiplier=4 / 3, ffn_dropout=0.1, residual_dropout=0.0,
    )  # fmt: skip


def periodic_mlp() -> nn.Module:
    return nn.Sequential(
        PeriodicEmbeddings(12, 16, lite=False), nn.Flatten(), MLP(d_in=192, d_out=3, n_blocks=2, d_block=128, dropout=0.0)
    )


def relu_embedding_mlp() -> nn.Module:
    return nn.Sequential(
        LinearReLUEmbeddings(12, 16), nn.Flatten(), MLP(d_in=192, d_out=3, n_blocks=2, d_block=128, dropout=0.0)
    )


def tabm() -> nn.Module:
    return TabM.make(n_num_features=16, d_out=3, n_blocks=2, d_block=64, k=8)


def tabnet() -> nn.Module:
    return TabNet(16, 3, n_d=16, n_a=16, n_steps=3, group_attention_matrix=torch.eye(16))


def tabnet_pretraining() -> nn.Module:
    return TabNetPretraining(16, n_d=16, n_a=16, n_steps=2, group_attention_matrix=torch.eye(16))


def tab_transformer() -> nn.Module:
    return TabTransformer(
        categories=(10, 5, 6, 5, 8),
        num_continuous=10,
        dim=32,
        depth=3,
        heads=4,
        dim_out=1,
        mlp_hidden_mults=(4, 2),
        mlp_act=nn.ReLU(),
    )


def token_transformer() -> nn.Module:
    return TokenTransformer(categories=(10, 5, 6, 5, 8), num_continuous=10, dim=32, depth=3, heads=4, dim_out=1)
