"""Normalizing flows of `normflows`, `nflows` and `FrEIA`: argument-free factories of the part that maps data to noise."""

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import normflows as nf
import torch
from nflows.nn.nets import ResidualNet as FlowResidualNet
from nflows.transforms.autoregressive import (
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
)
from nflows.transforms.made import MADE
from torch import nn


def made() -> nn.Module:
    return MADE(features=16, hidden_features=64, num_blocks=2, output_multiplier=2)


def residual_net() -> nn.Module:
    return FlowResidualNet(in_features=16, out_features=32, hidden_features=64, num_blocks=3, use_batch_norm=True)


def masked_autoregressive() -> nn.Module:
    return MaskedAffineAutoregressiveTransform(features=16, hidden_features=64, num_blocks=2)


def rational_quadratic() -> nn.Module:
    return MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        features=8, hidden_features=32, num_bins=8, tails="linear", tail_bound=3.0
    )


def coupling_net() -> nn.Module:
    return nf.nets.MLP([8, 64, 64, 16], init_zeros=True)


def residual_coupling_net() -> nn.Module:
    return nf.nets.ResidualNet(in_features=8, out_features=16, hidden_features=64, num_blocks=2)


def affine_coupling() -> nn.Module:
    return nf.flows.AffineCouplingBlock(nf.nets.MLP([4, 64, 64, 8], init_zeros=True))


def all_in_one_block() -> nn.Module:
    torch.manual_seed(torch.seed() % 2**31)
    return Fm.AllInOneBlock(
        [(16,)], subnet_constructor=lambda i, o: nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, o))
    )


def glow_sequence() -> nn.Module:
    net = Ff.SequenceINN(16)
    for _ in range(3):
        net.append(
            Fm.GLOWCouplingBlock, subnet_constructor=lambda i, o: nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, o))
        )
    return net
