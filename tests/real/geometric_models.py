"""Networks of `torch_geometric`: argument-free factories."""

from torch import nn
from torch_geometric.nn import models


def gcn() -> nn.Module:
    return models.GCN(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7, dropout=0.5)


def gat() -> nn.Module:
    return models.GAT(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7, heads=4)


def gatv2() -> nn.Module:
    return models.GAT(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7, heads=4, v2=True)


def graph_sage() -> nn.Module:
    return models.GraphSAGE(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7)


def gin() -> nn.Module:
    return models.GIN(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7, norm="batch_norm")


def edge_cnn() -> nn.Module:
    return models.EdgeCNN(in_channels=64, hidden_channels=128, num_layers=3, out_channels=7)


def linkx() -> nn.Module:
    return models.LINKX(num_nodes=50, in_channels=64, hidden_channels=128, out_channels=7, num_layers=2)


def mlp() -> nn.Module:
    return models.MLP([64, 128, 128, 7], dropout=0.5)


def deep_gcn() -> nn.Module:
    return models.GCN(in_channels=64, hidden_channels=64, num_layers=4, out_channels=7, norm="layer_norm", jk="cat")
