"""Networks of `diffusers` in small sizes: argument-free factories, no downloads."""

import diffusers
from torch import nn


def unet2d() -> nn.Module:
    return diffusers.UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(64, 128),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


def unet2d_condition() -> nn.Module:
    return diffusers.UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=64,
    )


def autoencoder_kl() -> nn.Module:
    return diffusers.AutoencoderKL(
        block_out_channels=(64, 128),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        layers_per_block=1,
        sample_size=32,
    )


def vq_model() -> nn.Module:
    return diffusers.VQModel(
        block_out_channels=(64, 128),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        num_vq_embeddings=64,
    )


def dit() -> nn.Module:
    return diffusers.DiTTransformer2DModel(
        num_attention_heads=4, attention_head_dim=32, in_channels=4, out_channels=8, num_layers=3, sample_size=16, patch_size=2
    )


def pixart() -> nn.Module:
    return diffusers.PixArtTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=32,
        num_layers=3,
        cross_attention_dim=128,
        sample_size=16,
        caption_channels=64,
        use_additional_conditions=False,
    )


def sd3() -> nn.Module:
    return diffusers.SD3Transformer2DModel(
        sample_size=16,
        num_layers=3,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=64,
        caption_projection_dim=128,
        pooled_projection_dim=64,
        pos_embed_max_size=16,
        in_channels=4,
        out_channels=4,
    )


def flux() -> nn.Module:
    return diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        axes_dims_rope=(8, 12, 12),
    )


def controlnet() -> nn.Module:
    return diffusers.ControlNetModel(
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        cross_attention_dim=64,
        conditioning_embedding_out_channels=(16, 32),
    )


def prior_transformer() -> nn.Module:
    return diffusers.PriorTransformer(
        num_attention_heads=4, attention_head_dim=32, num_layers=3, embedding_dim=64, num_embeddings=7, additional_embeddings=4
    )
