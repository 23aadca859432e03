"""Every model of the zoo that is trained: its task, its loss, its setting, and what cures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.training.cures import adapted, default_a, defaults, glorot, he, named, only_factors, usual_lora
from tests.zoo.training.losses import binary, contrast, entropy, first_shape, flow_loss, square, vae_loss
from tests.zoo.training.tasks import (
    Batch,
    chain,
    clouds,
    codes,
    columns,
    control,
    digits,
    frames,
    graphs,
    image_fit,
    mapped,
    moons,
    noisy,
    pairs,
    parity,
    patches,
    pictures,
    real_or_noise,
    reverse,
    scene,
    series,
    sets,
    swapped,
    topics,
    unit_pixels,
    unlabelled,
    wave,
)


@dataclass(frozen=True)
class Job:
    """One model, its task and what to expect."""

    build: Callable[[ModuleType], nn.Module]
    task: Callable[[], Iterator[Batch]]
    loss: Callable[[object, Tensor], Tensor] = entropy
    rate: float = 1e-3
    steps: int = 200
    note: str = ""
    healthy: bool = True
    cure: Callable[[nn.Module], None] | None = None
    settings: tuple[str, ...] = ("Adam 0.01", "Adam 0.001", "Adam 0.0001", "SGD 0.1", "SGD 0.01", "SGD 0.001")


JOBS: dict[str, Job] = {
    "nanogpt": Job(
        lambda m: m.GPT(m.GPTConfig(vocab_size=512, n_layer=12, n_head=4, n_embd=192, block_size=64)),
        lambda: mapped(chain(512), lambda b: ((b[0][0], b[1].contiguous()), b[1])),
        note="12 layers of width 192",
        steps=100,
    ),
    "mnist_cnn": Job(lambda m: m.Net(), lambda: pictures(1, 28), steps=100),
    "resnet": Job(lambda m: m.resnet18(num_classes=10), lambda: pictures(3, 64, 16), steps=60, note="resnet18, 64x64"),
    "resnet:resnet50": Job(lambda m: m.resnet50(num_classes=10), lambda: pictures(3, 64, 16), steps=50, note="resnet50, 64x64"),
    "unet": Job(
        lambda m: m.UNet(),
        lambda: mapped(pictures(3, 32, 4), lambda b: (b[0], (b[0][0][:, 0] > 0).long())),
        lambda out, y: first_shape(out, y),
        steps=40,
    ),
    "vae": Job(lambda m: m.VAE(), unit_pixels, vae_loss),
    "lstm_classifier": Job(lambda m: m.LSTMClassifier(), lambda: topics(10000, 2)),
    "gru_classifier": Job(lambda m: m.TimeSeriesGRU(), lambda: series(9, 6)),
    "prenorm_transformer": Job(lambda m: m.TransformerClassifier(), lambda: topics(8000, 5, batch=16), rate=3e-4, steps=120),
    "postnorm_transformer": Job(lambda m: m.Encoder(), lambda: topics(6000, 9, 16, 16, each_token=True), rate=2e-4, steps=200),
    "vit": Job(lambda m: m.VisionTransformer(img_size=16), lambda: pictures(3, 16), rate=5e-4, steps=200, note="16x16 images"),
    "mlp_mixer": Job(lambda m: m.MLPMixer(), lambda: pictures(3, 32, 16), steps=80),
    "siren": Job(lambda m: m.Siren(), image_fit, square, rate=1e-4),
    "conv_autoencoder": Job(lambda m: m.ConvAutoencoder(), lambda: unlabelled(pictures(1, 32)), square),
    "llama": Job(
        lambda m: m.Transformer(m.ModelArgs(dim=256, n_layers=8, n_heads=8, n_kv_heads=4, vocab_size=512, max_seq_len=64)),
        lambda: chain(512),
        note="8 layers of width 256",
        rate=3e-4,
        steps=120,
    ),
    "moe_lm": Job(lambda m: m.build(), lambda: chain(512, batch=8), steps=100),
    "masked_attention": Job(lambda m: m.Encoder(), lambda: topics(5000, 3, batch=16), rate=3e-4, steps=150),
    "lora_gpt": Job(lambda m: m.LoRAGPT(), lambda: topics(1024, 4), rate=3e-3, steps=150, note="adapters and head only"),
    "tied_lstm_lm": Job(lambda m: m.RNNModel(), lambda: chain(4000, used=17), rate=5e-3),
    "dcgan": Job(lambda m: m.netD, real_or_noise, lambda out, y: F.binary_cross_entropy(out, y), 2e-4, 30, "discriminator"),
    "dcgan:generator": Job(lambda m: m.netG, codes, square, 1e-3, 40, "generator, regression on 8 codes"),
    "diffusion_unet": Job(lambda m: m.Unet(), lambda: noisy(3, 16, 8), square, steps=100),
    "dense_gcn": Job(lambda m: m.GCN(), graphs, rate=1e-2),
    "dqn": Job(lambda m: m.QNetwork(), frames, square, rate=3e-4),
    "ppo_actor_critic": Job(lambda m: m.Agent(), control, square),
    "sequential_graph": Job(lambda m: m.model, lambda: pictures(1, 8, 64), steps=100),
    "deep_mlp_he": Job(lambda m: m.DeepMLP(), digits),
    "residual_mlp_norm": Job(lambda m: m.TabularResNet(m.TabularConfig()), digits),
    "mobilenet_v2": Job(lambda m: m.MobileNetV2(), lambda: pictures(3, 32, 16), steps=80),
    "densenet": Job(lambda m: m.DenseNet(), lambda: pictures(3, 32, 16), steps=60),
    "efficientnet": Job(lambda m: m.EfficientNet(), lambda: pictures(3, 32, 16), steps=80),
    "convnext": Job(lambda m: m.ConvNeXt(), lambda: pictures(3, 32, 16), steps=100),
    "tcn": Job(lambda m: m.TCN(), lambda: series(8, 10, first=True)),
    "wavenet": Job(lambda m: m.WaveNet(), wave, first_shape, steps=120),
    "pointnet": Job(lambda m: m.PointNetCls(), clouds, steps=120),
    "seq2seq_transformer": Job(lambda m: m.Seq2SeqTransformer(), reverse, rate=3e-4, steps=120),
    "clip_two_tower": Job(lambda m: m.CLIP(), pairs, contrast, rate=3e-4, steps=100),
    "nerf": Job(lambda m: m.NeRF(), scene, square, rate=5e-4),
    "rnn_attention": Job(lambda m: m.AttentiveGRU(), lambda: topics(8000, 5)),
    "bert": Job(lambda m: m.BertModel(m.BertConfig()), lambda: topics(8192, 2, batch=16), rate=1e-4, steps=100),
    "perceiver": Job(lambda m: m.Perceiver(), patches, steps=120),
    "s4d": Job(lambda m: m.S4Model(), lambda: series(8, 10)),
    "linear_attention": Job(lambda m: m.LinearTransformerLM(), lambda: chain(512, batch=8), steps=120),
    "realnvp": Job(lambda m: m.RealNVP(), moons, flow_loss),
    "deep_sets": Job(lambda m: m.DeepSet(), sets, square),
    "tab_transformer": Job(lambda m: m.TabTransformer(), columns, binary),
    "mlp_autoencoder": Job(lambda m: m.AutoEncoder(), lambda: unlabelled(digits()), square),
    "fixup_resnet": Job(lambda m: m.FixupResNet(), lambda: pictures(3, 16, 32), steps=150),
    "rezero_transformer": Job(lambda m: m.RZTransformer(), lambda: chain(1000), steps=120),
    "kan": Job(lambda m: m.KAN(), digits),
    # bad starts
    "deep_mlp_default_init": Job(lambda m: m.DeepMLP(), digits, healthy=False, cure=he),
    "mlp_unit_normal_weights": Job(lambda m: m.Regressor(), digits, healthy=False, cure=he),
    "plain_convnet_default_init": Job(
        lambda m: m.PlainConvNet(),
        lambda: pictures(1, 8, 32),
        steps=150,
        healthy=False,
        settings=("Adam 0.001", "Adam 0.0001"),
        cure=he,
    ),
    "ctr_tower_negative_bias": Job(lambda m: m.CTRTower(), digits, healthy=False, cure=named("fc1.bias", torch.Tensor.zero_)),
    "tanh_policy_unit_weights": Job(
        lambda m: m.GaussianPolicy(),
        lambda: mapped(digits(), lambda b: (b[0], b[0][0][:, 10:16].tanh())),
        square,
        healthy=False,
        cure=glorot(1.0),
    ),
    "residual_mlp_he_blocks": Job(
        lambda m: m.ResMLP(m.Config()), digits, healthy=False, cure=named("down.weight", torch.Tensor.zero_)
    ),
    "identity_blocks_reset": Job(lambda m: m.NFResMLP(), digits, healthy=False, cure=named("lin2.weight", torch.Tensor.zero_)),
    "batchnorm_tower_no_skip": Job(lambda m: m.Tower(), digits, healthy=False),
    "constant_weight_mlp": Job(lambda m: m.ReproducibleMLP(), digits, healthy=False, cure=defaults),
    "attention_stack_no_skip": Job(
        lambda m: m.AttentionTagger(),
        lambda: topics(1000, 16, each_token=True),
        steps=150,
        healthy=False,
        settings=("Adam 0.001", "SGD 0.01"),
    ),
    "sigmoid_stack_xavier": Job(lambda m: m.SigmoidMLP(), digits, healthy=False, cure=glorot(4.0)),
    "dit_blanket_init": Job(
        lambda m: m.DiT(),
        lambda: noisy(4, 8, 16),
        square,
        steps=120,
        healthy=False,
        settings=("Adam 0.001", "SGD 0.01"),
        cure=named("ada.1.weight", torch.Tensor.zero_),
    ),
    "lora_alpha_scale": Job(
        adapted(lambda m: m.AdaptedMLP()), digits, healthy=False, cure=usual_lora, note="base trained on digits"
    ),
    "lora_random_factors": Job(
        adapted(lambda m: m.AdaptedNet()),
        digits,
        healthy=False,
        cure=named("up.weight", torch.Tensor.zero_),
        note="base trained on digits",
    ),
    "lora_zero_factors": Job(
        lambda m: only_factors(adapted(lambda m: m.Classifier())(m)),
        swapped,
        healthy=False,
        cure=named("lora_A", default_a),
        note="base trained on digits, labels moved by one",
    ),
    "zero_gate_zero_projection": Job(lambda m: m.GatedEncoder(), parity, healthy=False, cure=named("fc_out.weight", default_a)),
}
