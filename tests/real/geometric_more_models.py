"""More networks of `torch_geometric`: argument-free factories."""

import torch
from torch import nn
from torch_geometric import nn as gnn
from torch_geometric.nn import models


def pna() -> nn.Module:
    return models.PNA(
        in_channels=32, hidden_channels=64, num_layers=2, out_channels=7, aggregators=["mean", "max", "sum"], scalers=["identity"],
        deg=torch.ones(4, dtype=torch.long),
    )  # fmt: skip


def sage_max() -> nn.Module:
    return models.GraphSAGE(in_channels=32, hidden_channels=64, num_layers=3, out_channels=7, aggr="max", norm="batch_norm")


def gat_jumping() -> nn.Module:
    return models.GAT(in_channels=32, hidden_channels=64, num_layers=2, out_channels=7, heads=2, jk="max", dropout=0.2)


class Propagated(nn.Module):
    """Layers of one kind with activations between them."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = layer(x, edge_index).relu()
        return self.layers[-1](x, edge_index)


def chebyshev() -> nn.Module:
    return Propagated([gnn.ChebConv(32, 64, K=3), gnn.ChebConv(64, 7, K=3)])


def graph_conv() -> nn.Module:
    return Propagated([gnn.GraphConv(32, 64), gnn.GraphConv(64, 64), gnn.GraphConv(64, 7)])


def tag() -> nn.Module:
    return Propagated([gnn.TAGConv(32, 64), gnn.TAGConv(64, 7)])


def arma() -> nn.Module:
    return Propagated([gnn.ARMAConv(32, 64, num_stacks=2), gnn.ARMAConv(64, 7)])


def simple_graph_convolution() -> nn.Module:
    return Propagated([gnn.SGConv(32, 64, K=2), gnn.SGConv(64, 7)])


def transformer_conv() -> nn.Module:
    return Propagated([gnn.TransformerConv(32, 32, heads=2), gnn.TransformerConv(64, 7)])


def gated_graph() -> nn.Module:
    return gnn.GatedGraphConv(64, num_layers=3)


def res_gated() -> nn.Module:
    return Propagated([gnn.ResGatedGraphConv(32, 64), gnn.ResGatedGraphConv(64, 7)])


def local_extremum() -> nn.Module:
    return Propagated([gnn.LEConv(32, 64), gnn.LEConv(64, 7)])


def gen() -> nn.Module:
    return Propagated([gnn.GENConv(32, 64), gnn.GENConv(64, 7)])


def film() -> nn.Module:
    return Propagated([gnn.FiLMConv(32, 64), gnn.FiLMConv(64, 7)])
