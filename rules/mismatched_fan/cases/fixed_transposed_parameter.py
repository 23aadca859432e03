"""A graph convolution whose weight is (inputs, outputs), drawn by a function that takes the second dimension for the inputs."""

import torch
from torch import Tensor, nn


class GraphConvolution(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", mode="fan_out")  # finding: mismatched-fan

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return adjacency @ (x @ self.weight)


class Net(nn.Module):
    def __init__(self, features: int = 1433, hidden: int = 16, classes: int = 7) -> None:
        super().__init__()
        self.gc1 = GraphConvolution(features, hidden)
        self.gc2 = GraphConvolution(hidden, classes)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return self.gc2(self.gc1(x, adjacency).relu(), adjacency)
