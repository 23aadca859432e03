"""Networks for sequences, sound and control from small packages: argument-free factories."""

import ncps.torch
from conformer import Conformer
from iTransformer import iTransformer, iTransformer2D
from mambapy.mamba import Mamba, MambaConfig
from minGRU_pytorch import minGRU
from minGRU_pytorch.minLM import minLM
from minGRU_pytorch.minLSTM import minLSTM
from ncps.wirings import AutoNCP
from pytorch_tcn import TCN
from snac import SNAC
from torch import nn
from xlstm import (
    FeedForwardConfig,
    mLSTMBlockConfig,
    mLSTMLayerConfig,
    sLSTMBlockConfig,
    sLSTMLayerConfig,
    xLSTMBlockStack,
    xLSTMBlockStackConfig,
    xLSTMLMModel,
    xLSTMLMModelConfig,
)


def mamba() -> nn.Module:
    return Mamba(MambaConfig(d_model=32, n_layers=2, d_state=8))


def mamba_sequential() -> nn.Module:
    return Mamba(MambaConfig(d_model=32, n_layers=2, d_state=8, pscan=False))


def min_gru() -> nn.Module:
    return minGRU(64)


def min_lstm() -> nn.Module:
    return minLSTM(64)


def min_gru_lm() -> nn.Module:
    return minLM(num_tokens=256, dim=64, depth=2, enable_conv=True)


def mlstm_stack() -> nn.Module:
    return xLSTMBlockStack(
        xLSTMBlockStackConfig(
            mlstm_block=mLSTMBlockConfig(mlstm=mLSTMLayerConfig(conv1d_kernel_size=4, qkv_proj_blocksize=4, num_heads=4)),
            context_length=32, num_blocks=2, embedding_dim=64,
        )
    )  # fmt: skip


def xlstm_lm() -> nn.Module:
    return xLSTMLMModel(
        xLSTMLMModelConfig(
            mlstm_block=mLSTMBlockConfig(mlstm=mLSTMLayerConfig(conv1d_kernel_size=4, qkv_proj_blocksize=4, num_heads=4)),
            slstm_block=sLSTMBlockConfig(
                slstm=sLSTMLayerConfig(backend="vanilla", num_heads=4, conv1d_kernel_size=4, bias_init="powerlaw_blockdependent"),
                feedforward=FeedForwardConfig(proj_factor=1.3, act_fn="gelu"),
            ),
            context_length=16, num_blocks=2, embedding_dim=64, slstm_at=[1], vocab_size=256,
        )
    )  # fmt: skip


def closed_form_continuous() -> nn.Module:
    return ncps.torch.CfC(16, 32)


def liquid_time_constant() -> nn.Module:
    return ncps.torch.LTC(16, AutoNCP(24, 4), ode_unfolds=2)


def wired_closed_form() -> nn.Module:
    return ncps.torch.CfC(16, AutoNCP(24, 4))


def tcn() -> nn.Module:
    return TCN(num_inputs=8, num_channels=[32, 32, 32], kernel_size=3)


def tcn_batch_norm_gated() -> nn.Module:
    return TCN(
        num_inputs=8, num_channels=[32, 32, 32], kernel_size=3, use_norm="batch_norm", use_skip_connections=True, use_gate=True,
        output_projection=4,
    )  # fmt: skip


def conformer() -> nn.Module:
    return Conformer(
        dim=64, depth=2, dim_head=16, heads=4, conv_kernel_size=15, attn_dropout=0.1, ff_dropout=0.1, conv_dropout=0.1
    )


def inverted_transformer() -> nn.Module:
    return iTransformer(
        num_variates=8, lookback_len=32, dim=64, depth=2, heads=4, dim_head=16, pred_length=12, num_residual_streams=1
    )


def inverted_transformer_normed() -> nn.Module:
    return iTransformer(
        num_variates=8,
        lookback_len=32,
        dim=64,
        depth=2,
        heads=4,
        dim_head=16,
        pred_length=(4, 8),
        use_reversible_instance_norm=True,
    )


def inverted_transformer_2d() -> nn.Module:
    return iTransformer2D(
        num_variates=8, num_time_tokens=4, lookback_len=32, dim=64, depth=1, heads=4, dim_head=16, pred_length=12
    )


def snac() -> nn.Module:
    return SNAC(
        encoder_dim=8, encoder_rates=[2, 4], latent_dim=32, decoder_dim=64, decoder_rates=[4, 2], attn_window_size=None, codebook_size=64,
        codebook_dim=4, vq_strides=[2, 1],
    )  # fmt: skip
