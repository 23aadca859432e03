"""Networks of `monai` in small sizes: argument-free factories."""

import monai.networks.nets as mn
from monai.networks.nets.restormer import Restormer
from torch import nn


def unet() -> nn.Module:
    return mn.UNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(16, 32, 64), strides=(2, 2), num_res_units=2)


def unet_3d() -> nn.Module:
    return mn.UNet(spatial_dims=3, in_channels=1, out_channels=2, channels=(8, 16, 32), strides=(2, 2), norm="batch")


def attention_unet() -> nn.Module:
    return mn.AttentionUnet(spatial_dims=2, in_channels=1, out_channels=2, channels=(16, 32, 64), strides=(2, 2))


def basic_unet() -> nn.Module:
    return mn.BasicUNet(spatial_dims=2, in_channels=1, out_channels=2, features=(16, 16, 32, 32, 64, 16))


def basic_unet_plus_plus() -> nn.Module:
    return mn.BasicUNetPlusPlus(spatial_dims=2, in_channels=1, out_channels=2, features=(8, 8, 16, 16, 32, 8))


def dynunet() -> nn.Module:
    return mn.DynUNet(
        spatial_dims=2, in_channels=1, out_channels=2, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2],
        filters=[16, 32, 64], res_block=True,
    )  # fmt: skip


def segresnet() -> nn.Module:
    return mn.SegResNet(spatial_dims=2, init_filters=8, in_channels=1, out_channels=2, blocks_down=(1, 1, 2), blocks_up=(1, 1))


def segresnet_vae() -> nn.Module:
    return mn.SegResNetVAE(
        input_image_size=(32, 32), spatial_dims=2, init_filters=8, in_channels=1, out_channels=2, blocks_down=(1, 1, 1),
        blocks_up=(1, 1),
    )  # fmt: skip


def unetr() -> nn.Module:
    return mn.UNETR(
        in_channels=1, out_channels=2, img_size=32, feature_size=8, hidden_size=48, mlp_dim=96, num_heads=4, spatial_dims=2
    )


def swin_unetr() -> nn.Module:
    return mn.SwinUNETR(
        in_channels=1, out_channels=2, feature_size=12, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4), spatial_dims=2
    )


def vnet() -> nn.Module:
    return mn.VNet(spatial_dims=2, in_channels=1, out_channels=2)


def highresnet() -> nn.Module:
    return mn.HighResNet(spatial_dims=2, in_channels=1, out_channels=2)


def densenet() -> nn.Module:
    return mn.DenseNet(
        spatial_dims=2, in_channels=1, out_channels=3, init_features=16, growth_rate=8, block_config=(2, 3, 2), dropout_prob=0.1
    )


def resnet18() -> nn.Module:
    return mn.ResNet(
        block="basic", layers=[1, 1, 1, 1], block_inplanes=[16, 32, 64, 128], spatial_dims=3, n_input_channels=1, num_classes=3
    )


def se_resnet() -> nn.Module:
    return mn.SENet(
        spatial_dims=2, in_channels=3, block="se_resnet_bottleneck", layers=(1, 1, 1, 1), groups=1, reduction=16, num_classes=3,
        inplanes=16, downsample_kernel_size=1, input_3x3=False,
    )  # fmt: skip


def vit() -> nn.Module:
    return mn.ViT(
        in_channels=1, img_size=32, patch_size=8, hidden_size=64, mlp_dim=128, num_layers=3, num_heads=4, classification=True,
        spatial_dims=2,
    )  # fmt: skip


def vit_auto_encoder() -> nn.Module:
    return mn.ViTAutoEnc(
        in_channels=1, img_size=32, patch_size=4, hidden_size=64, mlp_dim=128, num_layers=2, num_heads=4, spatial_dims=2
    )


def auto_encoder() -> nn.Module:
    return mn.AutoEncoder(
        spatial_dims=2, in_channels=1, out_channels=1, channels=(8, 16, 32), strides=(2, 2, 2), num_res_units=1
    )


def var_auto_encoder() -> nn.Module:
    return mn.VarAutoEncoder(
        spatial_dims=2, in_shape=(1, 32, 32), out_channels=1, latent_size=8, channels=(8, 16), strides=(2, 2), num_res_units=1
    )


def discriminator() -> nn.Module:
    return mn.Discriminator(in_shape=(1, 32, 32), channels=(8, 16, 32), strides=(2, 2, 2), num_res_units=1)


def patch_discriminator() -> nn.Module:
    return mn.PatchDiscriminator(spatial_dims=2, channels=16, in_channels=1, num_layers_d=3)


def diffusion_unet() -> nn.Module:
    return mn.DiffusionModelUNet(
        spatial_dims=2, in_channels=1, out_channels=1, num_res_blocks=1, channels=(16, 32), attention_levels=(False, True),
        norm_num_groups=8, num_head_channels=16,
    )  # fmt: skip


def autoencoder_kl() -> nn.Module:
    return mn.AutoencoderKL(
        spatial_dims=2, in_channels=1, out_channels=1, num_res_blocks=(1, 1), channels=(16, 32), attention_levels=(False, True),
        latent_channels=3, norm_num_groups=8,
    )  # fmt: skip


def restormer() -> nn.Module:
    return Restormer(
        spatial_dims=2, in_channels=1, out_channels=1, dim=16, num_blocks=(1, 1, 1), heads=(1, 2, 2), num_refinement_blocks=1
    )


def mednext() -> nn.Module:
    return mn.MedNeXt(
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        init_filters=8,
        blocks_down=(1, 1, 1),
        blocks_bottleneck=1,
        blocks_up=(1, 1, 1),
    )


def quicknat() -> nn.Module:
    return mn.Quicknat(num_classes=3, num_channels=1, num_filters=16)


def fully_connected() -> nn.Module:
    return mn.FullyConnectedNet(in_channels=32, out_channels=4, hidden_channels=[64, 64, 64], dropout=0.1)
