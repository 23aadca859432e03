"""Networks for images from small packages, in small sizes: argument-free factories, no weights loaded."""

import geffnet
import mlp_mixer_pytorch
import unet as unet_package
import x_metaformer
from axial_attention import AxialAttention, AxialImageTransformer
from bottleneck_transformer_pytorch import BottleStack
from efficientnet_pytorch import EfficientNet
from g_mlp_pytorch import gMLPVision
from glom_pytorch import Glom
from halonet_pytorch import HaloAttention
from lambda_networks import LambdaLayer
from res_mlp_pytorch import ResMLP
from siren_pytorch import SirenNet
from timesformer_pytorch import TimeSformer
from torch import nn
from uformer_pytorch import Uformer
from x_unet import XUnet


def efficientnet_b0() -> nn.Module:
    return EfficientNet.from_name("efficientnet-b0", num_classes=10, image_size=64)


def gen_efficientnet_lite() -> nn.Module:
    return geffnet.efficientnet_lite0(pretrained=False, num_classes=10)


def gen_mixnet() -> nn.Module:
    return geffnet.mixnet_s(pretrained=False, num_classes=10)


def gen_mobilenet_v3() -> nn.Module:
    return geffnet.mobilenetv3_small_075(pretrained=False, num_classes=10)


def gen_mnasnet() -> nn.Module:
    return geffnet.mnasnet_050(pretrained=False, num_classes=10)


def gen_fbnet() -> nn.Module:
    return geffnet.fbnetc_100(pretrained=False, num_classes=10)


def mlp_mixer() -> nn.Module:
    return mlp_mixer_pytorch.MLPMixer(image_size=32, channels=3, patch_size=8, dim=64, depth=3, num_classes=10)


def res_mlp() -> nn.Module:
    return ResMLP(image_size=32, patch_size=8, dim=64, depth=3, num_classes=10)


def gmlp_vision() -> nn.Module:
    return gMLPVision(image_size=32, patch_size=8, num_classes=10, dim=64, depth=3)


def timesformer() -> nn.Module:
    return TimeSformer(dim=64, image_size=32, patch_size=8, num_frames=4, num_classes=10, depth=2, heads=4, dim_head=16)


def uformer() -> nn.Module:
    return Uformer(dim=32, stages=2, num_blocks=1, window_size=8, dim_head=16, heads=2, ff_mult=2)


def uformer_timed() -> nn.Module:
    return Uformer(dim=32, stages=2, num_blocks=1, window_size=8, dim_head=16, heads=2, ff_mult=2, time_emb=True)


def x_unet() -> nn.Module:
    return XUnet(
        dim=16,
        channels=3,
        dim_mults=(1, 2),
        num_blocks_per_stage=(1, 1),
        num_self_attn_per_stage=(0, 1),
        nested_unet_depths=(0, 0),
    )


def x_unet_nested() -> nn.Module:
    return XUnet(
        dim=16, channels=3, dim_mults=(1, 2), num_blocks_per_stage=(1, 1), num_self_attn_per_stage=(0, 1), nested_unet_depths=(2, 1),
        use_convnext=True,
    )  # fmt: skip


def plain_unet() -> nn.Module:
    return unet_package.UNet(
        in_channels=1,
        out_classes=2,
        dimensions=2,
        num_encoding_blocks=3,
        out_channels_first_layer=16,
        normalization="batch",
        padding=1,
    )


def residual_unet() -> nn.Module:
    return unet_package.UNet(
        in_channels=1, out_classes=2, dimensions=2, num_encoding_blocks=3, out_channels_first_layer=16, normalization="instance", padding=1,
        residual=True, preactivation=True, upsampling_type="linear", activation="PReLU",
    )  # fmt: skip


def axial_attention() -> nn.Module:
    return AxialAttention(dim=32, dim_index=1, heads=4, num_dimensions=2)


def axial_image_transformer() -> nn.Module:
    return AxialImageTransformer(dim=32, depth=2, reversible=False, axial_pos_emb_shape=(16, 16))


def bottleneck_stack() -> nn.Module:
    return BottleStack(
        dim=32, fmap_size=16, dim_out=64, proj_factor=2, downsample=True, heads=2, dim_head=16, rel_pos_emb=True, num_layers=2
    )


def halo_attention() -> nn.Module:
    return HaloAttention(dim=64, block_size=4, halo_size=2, dim_head=16, heads=4)


def lambda_layer() -> nn.Module:
    return LambdaLayer(dim=32, dim_out=32, r=7, dim_k=16, heads=4, dim_u=2)


def glom() -> nn.Module:
    return Glom(dim=64, levels=3, image_size=32, patch_size=8)


def siren() -> nn.Module:
    return SirenNet(dim_in=2, dim_hidden=64, dim_out=3, num_layers=4, w0_initial=30.0)


def caformer() -> nn.Module:
    return x_metaformer.CAFormer(3, depths=(1, 1, 2, 1), dims=(16, 32, 48, 64), norm="ln")


def convformer() -> nn.Module:
    return x_metaformer.ConvFormer(3, depths=(1, 1, 2, 1), dims=(16, 32, 48, 64), norm="ln")
