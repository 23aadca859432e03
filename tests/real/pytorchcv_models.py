"""Convolutional networks of `pytorchcv` at their published shapes, the small ones: argument-free factories, no weights loaded."""

from pytorchcv.model_provider import get_model
from torch import nn


def resnet10() -> nn.Module:
    return get_model("resnet10", num_classes=10)


def resnet20_cifar() -> nn.Module:
    return get_model("resnet20_cifar10")


def preresnet20_cifar() -> nn.Module:
    return get_model("preresnet20_cifar10")


def seresnet20_cifar() -> nn.Module:
    return get_model("seresnet20_cifar10")


def sepreresnet20_cifar() -> nn.Module:
    return get_model("sepreresnet20_cifar10")


def diaresnet20_cifar() -> nn.Module:
    return get_model("diaresnet20_cifar10")


def diapreresnet20_cifar() -> nn.Module:
    return get_model("diapreresnet20_cifar10")


def shakeshake_cifar() -> nn.Module:
    return get_model("shakeshakeresnet20_2x16d_cifar10")


def resnext_cifar() -> nn.Module:
    return get_model("resnext20_16x4d_cifar10")


def densenet40_cifar() -> nn.Module:
    return get_model("densenet40_k12_cifar10")


def xdensenet40_cifar() -> nn.Module:
    return get_model("xdensenet40_2_k24_bc_cifar10")


def nin_cifar() -> nn.Module:
    return get_model("nin_cifar10")


def rir_cifar() -> nn.Module:
    return get_model("rir_cifar10")


def ror_cifar() -> nn.Module:
    return get_model("ror3_56_cifar10")


def resneta10() -> nn.Module:
    return get_model("resneta10", num_classes=10)


def bagnet9() -> nn.Module:
    return get_model("bagnet9", num_classes=10)


def bam_resnet() -> nn.Module:
    return get_model("bam_resnet18", num_classes=10)


def cbam_resnet() -> nn.Module:
    return get_model("cbam_resnet18", num_classes=10)


def dla46_compact() -> nn.Module:
    return get_model("dla46c", num_classes=10)


def mobilenet_quarter() -> nn.Module:
    return get_model("mobilenet_wd4", num_classes=10)


def mobilenet_v2_quarter() -> nn.Module:
    return get_model("mobilenetv2_wd4", num_classes=10)


def mobilenet_v3_small() -> nn.Module:
    return get_model("mobilenetv3_small_w7d20", num_classes=10)


def shufflenet() -> nn.Module:
    return get_model("shufflenet_g3_wd4", num_classes=10)


def shufflenet_v2() -> nn.Module:
    return get_model("shufflenetv2_wd2", num_classes=10)


def squeezenet() -> nn.Module:
    return get_model("squeezenet_v1_1", num_classes=10)


def squeezenext() -> nn.Module:
    return get_model("sqnxt23_w1", num_classes=10)


def igcv3() -> nn.Module:
    return get_model("igcv3_wd4", num_classes=10)


def mnasnet_small() -> nn.Module:
    return get_model("mnasnet_small", num_classes=10)


def ghostnet() -> nn.Module:
    return get_model("ghostnet", num_classes=10)


def menet() -> nn.Module:
    return get_model("menet108_8x1_g3", num_classes=10)


def darknet_tiny() -> nn.Module:
    return get_model("darknet_tiny", num_classes=10)


def efficientnet_b0() -> nn.Module:
    return get_model("efficientnet_b0", num_classes=10)


def peleenet() -> nn.Module:
    return get_model("peleenet", num_classes=10)


def hardnet39() -> nn.Module:
    return get_model("hardnet39ds", num_classes=10)


def dicenet() -> nn.Module:
    return get_model("dicenet_wd5", num_classes=10)


def enet() -> nn.Module:
    return get_model("enet_cityscapes", num_classes=5, in_size=(64, 64))


def erfnet() -> nn.Module:
    return get_model("erfnet_cityscapes", num_classes=5, in_size=(64, 64))


def cgnet() -> nn.Module:
    return get_model("cgnet_cityscapes", num_classes=5, in_size=(64, 64))


def unet() -> nn.Module:
    return get_model("unet_cityscapes", num_classes=5, in_size=(64, 64))
