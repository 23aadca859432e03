"""More networks of `diffusers` in small sizes: argument-free factories, no downloads."""

import diffusers
from torch import nn


def unet1d() -> nn.Module:
    return diffusers.UNet1DModel(
        sample_size=64, in_channels=2, out_channels=2, block_out_channels=(32, 32, 64), extra_in_channels=64,
        layers_per_block=1,
    )  # fmt: skip


def unet2d_plain() -> nn.Module:
    return diffusers.UNet2DModel(
        sample_size=16, in_channels=1, out_channels=1, layers_per_block=2, block_out_channels=(32, 64), norm_num_groups=8,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), resnet_time_scale_shift="scale_shift",
    )  # fmt: skip


def unet2d_skip() -> nn.Module:
    return diffusers.UNet2DModel(
        sample_size=16, layers_per_block=1, block_out_channels=(32, 64), norm_num_groups=8, time_embedding_type="fourier",
        down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"), up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    )  # fmt: skip


def tiny_autoencoder() -> nn.Module:
    return diffusers.AutoencoderTiny(
        encoder_block_out_channels=(16, 16),
        decoder_block_out_channels=(16, 16),
        num_encoder_blocks=(1, 2),
        num_decoder_blocks=(2, 1),
    )


def deep_compression_autoencoder() -> nn.Module:
    return diffusers.AutoencoderDC(
        in_channels=3, latent_channels=4, encoder_block_types=("ResBlock", "EfficientViTBlock"), decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(16, 32), decoder_block_out_channels=(16, 32), encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)), attention_head_dim=8, downsample_block_type="conv",
        upsample_block_type="interpolate",
    )  # fmt: skip


def transformer_2d() -> nn.Module:
    return diffusers.Transformer2DModel(
        num_attention_heads=4, attention_head_dim=16, in_channels=32, num_layers=2, norm_num_groups=8, sample_size=8
    )


def sana() -> nn.Module:
    return diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=4, attention_head_dim=16, num_layers=2, num_cross_attention_heads=4,
        cross_attention_head_dim=16, cross_attention_dim=64, caption_channels=64, sample_size=8,
    )  # fmt: skip


def aura_flow() -> nn.Module:
    return diffusers.AuraFlowTransformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=16,
        num_attention_heads=4, joint_attention_dim=64, caption_projection_dim=64, pos_embed_max_size=64,
    )  # fmt: skip
