"""Vision transformers of `vit_pytorch` in small sizes: argument-free factories.

The package imports torchvision for the augmentations of one training method only; its networks go without.
"""

import importlib
import sys
from types import ModuleType

from torch import nn

ABSENT = [name for name in ("torchvision", "torchvision.transforms") if name not in sys.modules]


def part(name: str) -> ModuleType:
    """One module of the package, imported as if torchvision were there."""
    for absent in ABSENT:
        sys.modules[absent] = ModuleType(absent)
        sys.modules[absent].__dict__["transforms"] = None
    try:
        return importlib.import_module(f"vit_pytorch.{name}")
    finally:
        for absent in ABSENT:
            del sys.modules[absent]


part("vit")
SIZE = {"image_size": 32, "patch_size": 8, "num_classes": 10, "dim": 64, "depth": 3, "heads": 4, "mlp_dim": 128}


def vit() -> nn.Module:
    return part("vit").ViT(**SIZE)


def vit_with_dropout() -> nn.Module:
    return part("vit").ViT(**SIZE, pool="mean", dropout=0.1, emb_dropout=0.1)


def simple_vit() -> nn.Module:
    return part("simple_vit").SimpleViT(**SIZE)


def simple_vit_1d() -> nn.Module:
    sizes = {"num_classes": 10, "dim": 64, "depth": 3, "heads": 4, "mlp_dim": 128}
    return part("simple_vit_1d").SimpleViT(seq_len=64, patch_size=8, **sizes)


def simple_vit_with_registers() -> nn.Module:
    return part("simple_vit_with_register_tokens").SimpleViT(**SIZE)


def simple_vit_with_qk_norm() -> nn.Module:
    return part("simple_vit_with_qk_norm").SimpleViT(**SIZE)


def simple_vit_with_value_residual() -> nn.Module:
    return part("simple_vit_with_value_residual").SimpleViT(**SIZE)


def simple_vit_with_fft() -> nn.Module:
    return part("simple_vit_with_fft").SimpleViT(**SIZE, freq_patch_size=8)


def simple_vit_with_hyper_connections() -> nn.Module:
    return part("simple_vit_with_hyper_connections").SimpleViT(**SIZE, num_residual_streams=2)


def simple_uvit() -> nn.Module:
    return part("simple_uvit").SimpleUViT(**{**SIZE, "depth": 4}, num_register_tokens=2)


def normalized_vit() -> nn.Module:
    return part("normalized_vit").nViT(**SIZE)


def deepvit() -> nn.Module:
    return part("deepvit").DeepViT(**SIZE)


def cait() -> nn.Module:
    return part("cait").CaiT(**SIZE, cls_depth=2, layer_dropout=0.0)


def parallel_vit() -> nn.Module:
    return part("parallel_vit").ViT(**SIZE, num_parallel_branches=2)


def patch_merger_vit() -> nn.Module:
    return part("vit_with_patch_merger").ViT(**{**SIZE, "depth": 4}, patch_merge_layer=2, patch_merge_num_tokens=4)


def small_dataset_vit() -> nn.Module:
    return part("vit_for_small_dataset").ViT(**SIZE)


def look_vit() -> nn.Module:
    return part("look_vit").LookViT(
        dim=64, image_size=32, num_classes=10, depth=2, patch_size=8, heads=4, mlp_factor=4, dim_head=16, highres_patch_size=4,
        highres_mlp_factor=4, cross_attn_heads=4, cross_attn_dim_head=16, patch_conv_kernel_size=3,
    )  # fmt: skip


def jumbo_vit() -> nn.Module:
    return part("jumbo_vit").JumboViT(**SIZE, num_jumbo_cls=1, jumbo_cls_k=2, jumbo_ff_mult=1)


def cct() -> nn.Module:
    return part("cct").CCT(
        img_size=32, embedding_dim=64, n_conv_layers=2, kernel_size=3, stride=1, padding=1, pooling_kernel_size=3, pooling_stride=2,
        pooling_padding=1, num_layers=3, num_heads=4, mlp_ratio=2.0, num_classes=10, positional_embedding="learnable",
    )  # fmt: skip


def cross_vit() -> nn.Module:
    return part("cross_vit").CrossViT(
        image_size=64, num_classes=10, depth=2, sm_dim=48, sm_patch_size=8, sm_enc_depth=1, sm_enc_heads=4, sm_enc_mlp_dim=96,
        lg_dim=64, lg_patch_size=16, lg_enc_depth=2, lg_enc_heads=4, lg_enc_mlp_dim=128, cross_attn_depth=1, cross_attn_heads=4,
    )  # fmt: skip


def pit() -> nn.Module:
    return part("pit").PiT(image_size=56, patch_size=7, dim=64, num_classes=10, depth=(2, 2), heads=4, mlp_dim=128)


def levit() -> nn.Module:
    return part("levit").LeViT(image_size=64, num_classes=10, stages=2, dim=(64, 96), depth=2, heads=(2, 3), mlp_mult=2)


def cvt() -> nn.Module:
    return part("cvt").CvT(
        num_classes=10, s1_emb_dim=32, s1_depth=1, s2_emb_dim=64, s2_heads=2, s2_depth=1, s3_emb_dim=96, s3_heads=3, s3_depth=2
    )


def twins_svt() -> nn.Module:
    return part("twins_svt").TwinsSVT(
        num_classes=10, s1_emb_dim=32, s1_patch_size=4, s1_local_patch_size=4, s1_global_k=4, s1_depth=1, s2_emb_dim=48,
        s2_local_patch_size=4, s2_global_k=4, s2_depth=1, s3_emb_dim=64, s3_local_patch_size=2, s3_global_k=2, s3_depth=1, s4_emb_dim=64,
        s4_local_patch_size=2, s4_global_k=2, s4_depth=1,
    )  # fmt: skip


def crossformer() -> nn.Module:
    return part("crossformer").CrossFormer(
        num_classes=10,
        dim=(32, 48, 64, 64),
        depth=(1, 1, 1, 1),
        global_window_size=(4, 2, 2, 1),
        local_window_size=(4, 4, 2, 1),
    )


def scalable_vit() -> nn.Module:
    return part("scalable_vit").ScalableViT(
        num_classes=10, dim=32, heads=(2, 4), depth=(1, 1), ssa_dim_key=(16, 16), reduction_factor=(4, 2), window_size=(8, None)
    )


def sep_vit() -> nn.Module:
    return part("sep_vit").SepViT(num_classes=10, dim=32, dim_head=16, heads=(2, 4), depth=(1, 2), window_size=4)


def max_vit() -> nn.Module:
    return part("max_vit").MaxViT(num_classes=10, dim_conv_stem=32, dim=32, dim_head=16, depth=(1, 1), window_size=4)


def nest() -> nn.Module:
    return part("nest").NesT(
        image_size=32, patch_size=4, dim=32, heads=2, num_hierarchies=2, block_repeats=(2, 2), num_classes=10
    )


def mobile_vit() -> nn.Module:
    return part("mobile_vit").MobileViT(
        image_size=(64, 64), dims=[48, 64, 80], channels=[16, 16, 24, 24, 48, 48, 64, 64, 80, 80, 320], num_classes=10
    )


def xcit() -> nn.Module:
    return part("xcit").XCiT(**SIZE, cls_depth=1, local_patch_kernel_size=3)


def rvt() -> nn.Module:
    return part("rvt").RvT(**SIZE)


def regionvit() -> nn.Module:
    return part("regionvit").RegionViT(dim=(32, 48, 64, 64), depth=(1, 1, 1, 1), window_size=2, num_classes=10)


def t2t() -> nn.Module:
    return part("t2t").T2TViT(image_size=32, dim=64, depth=2, heads=4, mlp_dim=128, num_classes=10, t2t_layers=((7, 4), (3, 2)))


def vivit() -> nn.Module:
    return part("vivit").ViViT(
        image_size=32, image_patch_size=8, frames=4, frame_patch_size=2, num_classes=10, dim=64, spatial_depth=2, temporal_depth=2,
        heads=4, mlp_dim=128,
    )  # fmt: skip


def vit_3d() -> nn.Module:
    return part("vit_3d").ViT(
        image_size=32, image_patch_size=8, frames=4, frame_patch_size=2, num_classes=10, dim=64, depth=2, heads=4, mlp_dim=128
    )
