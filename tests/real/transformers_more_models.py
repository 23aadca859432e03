"""More architectures of `transformers`, each from a config of reduced depth: argument-free factories, no downloads."""

import transformers as tf
from torch import nn

SMALL = {
    "vocab_size": 512,
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 128,
}
GROUPED = {**SMALL, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
IMAGE = {"image_size": 64, "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256}


def olmo2() -> nn.Module:
    return tf.Olmo2ForCausalLM(tf.Olmo2Config(**GROUPED))


def granite() -> nn.Module:
    return tf.GraniteForCausalLM(
        tf.GraniteConfig(
            **GROUPED, embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=8.0, attention_multiplier=1 / 32
        )
    )


def nemotron() -> nn.Module:
    return tf.NemotronForCausalLM(tf.NemotronConfig(**GROUPED, head_dim=32))


def glm() -> nn.Module:
    return tf.GlmForCausalLM(tf.GlmConfig(**GROUPED, head_dim=32))


def helium() -> nn.Module:
    return tf.HeliumForCausalLM(tf.HeliumConfig(**GROUPED, head_dim=32))


def smollm3() -> nn.Module:
    return tf.SmolLM3ForCausalLM(tf.SmolLM3Config(**GROUPED))


def persimmon() -> nn.Module:
    return tf.PersimmonForCausalLM(tf.PersimmonConfig(**SMALL, **ENDS))


def ministral() -> nn.Module:
    return tf.MinistralForCausalLM(tf.MinistralConfig(**GROUPED, head_dim=32, sliding_window=16))


def gemma3_text() -> nn.Module:
    return tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**GROUPED, head_dim=32, sliding_window=16))


def exaone4() -> nn.Module:
    return tf.Exaone4ForCausalLM(tf.Exaone4Config(**GROUPED, sliding_window=16))


def ernie45() -> nn.Module:
    return tf.Ernie4_5ForCausalLM(tf.Ernie4_5Config(**GROUPED, head_dim=32))


def qwen2_moe() -> nn.Module:
    return tf.Qwen2MoeForCausalLM(
        tf.Qwen2MoeConfig(
            **GROUPED, moe_intermediate_size=64, shared_expert_intermediate_size=128, num_experts=4, num_experts_per_tok=2
        )
    )


def olmoe() -> nn.Module:
    return tf.OlmoeForCausalLM(tf.OlmoeConfig(**GROUPED, num_experts=4, num_experts_per_tok=2))


def gpt_bigcode() -> nn.Module:
    return tf.GPTBigCodeForCausalLM(tf.GPTBigCodeConfig(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4))


def openai_gpt() -> nn.Module:
    return tf.OpenAIGPTLMHeadModel(tf.OpenAIGPTConfig(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4))


def ctrl() -> nn.Module:
    return tf.CTRLLMHeadModel(tf.CTRLConfig(vocab_size=512, n_positions=128, n_embd=128, dff=256, n_layer=3, n_head=4))


def xglm() -> nn.Module:
    return tf.XGLMForCausalLM(
        tf.XGLMConfig(vocab_size=512, max_position_embeddings=128, d_model=128, ffn_dim=256, num_layers=3, attention_heads=4)
    )


def biogpt() -> nn.Module:
    return tf.BioGptForCausalLM(tf.BioGptConfig(**SMALL))


def mpt() -> nn.Module:
    return tf.MptForCausalLM(tf.MptConfig(vocab_size=512, d_model=128, n_heads=4, n_layers=3, max_seq_len=128))


def mamba2() -> nn.Module:
    return tf.Mamba2ForCausalLM(
        tf.Mamba2Config(
            vocab_size=256,
            hidden_size=64,
            num_hidden_layers=2,
            state_size=16,
            num_heads=8,
            head_dim=16,
            n_groups=2,
            chunk_size=16,
            **ENDS,
        )
    )


def recurrent_gemma() -> nn.Module:
    return tf.RecurrentGemmaForCausalLM(
        tf.RecurrentGemmaConfig(
            vocab_size=512, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192, lru_width=64,
            attention_window_size=16, **ENDS,
        )
    )  # fmt: skip


def xlm_roberta() -> nn.Module:
    return tf.XLMRobertaForMaskedLM(tf.XLMRobertaConfig(**SMALL, type_vocab_size=1, **ENDS))


def roformer() -> nn.Module:
    return tf.RoFormerForMaskedLM(tf.RoFormerConfig(**SMALL))


def deberta() -> nn.Module:
    return tf.DebertaForSequenceClassification(
        tf.DebertaConfig(**SMALL, relative_attention=True, pos_att_type=["c2p", "p2c"], max_relative_positions=32)
    )


def megatron_bert() -> nn.Module:
    return tf.MegatronBertForMaskedLM(tf.MegatronBertConfig(**SMALL))


def funnel() -> nn.Module:
    return tf.FunnelModel(
        tf.FunnelConfig(vocab_size=512, block_sizes=[1, 1], d_model=128, n_head=4, d_head=32, d_inner=256, num_decoder_layers=1)
    )


def canine() -> nn.Module:
    return tf.CanineModel(
        tf.CanineConfig(
            hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=256,
            downsampling_rate=4, num_hash_buckets=256, local_transformer_stride=16,
        )
    )  # fmt: skip


def big_bird() -> nn.Module:
    return tf.BigBirdForMaskedLM(tf.BigBirdConfig(**SMALL, attention_type="original_full"))


def esm() -> nn.Module:
    return tf.EsmForMaskedLM(tf.EsmConfig(**SMALL, pad_token_id=1, mask_token_id=2, position_embedding_type="rotary"))


def layoutlm() -> nn.Module:
    return tf.LayoutLMForTokenClassification(tf.LayoutLMConfig(**SMALL, max_2d_position_embeddings=64))


def umt5() -> nn.Module:
    return tf.UMT5ForConditionalGeneration(
        tf.UMT5Config(vocab_size=512, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4, decoder_start_token_id=0)
    )


def longt5() -> nn.Module:
    return tf.LongT5ForConditionalGeneration(
        tf.LongT5Config(
            vocab_size=512, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4, local_radius=7, decoder_start_token_id=0
        )
    )


def m2m100() -> nn.Module:
    return tf.M2M100ForConditionalGeneration(
        tf.M2M100Config(
            vocab_size=512, d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=256, decoder_ffn_dim=256, max_position_embeddings=128,
        )
    )  # fmt: skip


def vit_mae() -> nn.Module:
    return tf.ViTMAEModel(tf.ViTMAEConfig(**IMAGE, patch_size=16))


def yolos() -> nn.Module:
    return tf.YolosModel(tf.YolosConfig(**{**IMAGE, "image_size": [64, 64]}, patch_size=16, num_detection_tokens=8))


def dinov3_vit() -> nn.Module:
    return tf.DINOv3ViTModel(tf.DINOv3ViTConfig(**IMAGE, patch_size=16, num_register_tokens=2))


def pvt() -> nn.Module:
    return tf.PvtForImageClassification(
        tf.PvtConfig(image_size=64, hidden_sizes=[32, 64, 64, 96], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4])
    )


def pvt_v2() -> nn.Module:
    return tf.PvtV2ForImageClassification(
        tf.PvtV2Config(image_size=64, hidden_sizes=[32, 64, 64, 96], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4])
    )


def mobilenet_v2() -> nn.Module:
    return tf.MobileNetV2ForImageClassification(tf.MobileNetV2Config(depth_multiplier=0.25, image_size=64))


def mobilenet_v1() -> nn.Module:
    return tf.MobileNetV1ForImageClassification(tf.MobileNetV1Config(depth_multiplier=0.25, image_size=64, min_depth=8))


def convnext_v2() -> nn.Module:
    return tf.ConvNextV2ForImageClassification(tf.ConvNextV2Config(hidden_sizes=[32, 48, 64, 96], depths=[1, 1, 2, 1]))


def efficientnet() -> nn.Module:
    return tf.EfficientNetForImageClassification(
        tf.EfficientNetConfig(image_size=64, width_coefficient=0.25, depth_coefficient=0.4, hidden_dim=320)
    )


def focalnet() -> nn.Module:
    return tf.FocalNetForImageClassification(
        tf.FocalNetConfig(image_size=64, embed_dim=32, depths=[1, 1, 2, 1], hidden_sizes=[32, 64, 96, 128])
    )


def hiera() -> nn.Module:
    return tf.HieraModel(
        tf.HieraConfig(image_size=[64, 64], embed_dim=32, num_heads=[1, 2, 4, 8], depths=[1, 1, 2, 1], mask_unit_size=[4, 4])
    )


def siglip_vision() -> nn.Module:
    return tf.SiglipVisionModel(tf.SiglipVisionConfig(**IMAGE, patch_size=16))


def data2vec_vision() -> nn.Module:
    return tf.Data2VecVisionModel(tf.Data2VecVisionConfig(**IMAGE, patch_size=16))


def glpn() -> nn.Module:
    return tf.GLPNForDepthEstimation(
        tf.GLPNConfig(
            depths=[1, 1, 1, 1], hidden_sizes=[16, 32, 48, 64], num_attention_heads=[1, 1, 2, 4], decoder_hidden_size=16
        )
    )


def swin2sr() -> nn.Module:
    return tf.Swin2SRModel(
        tf.Swin2SRConfig(image_size=32, embed_dim=36, depths=[1, 1], num_heads=[3, 3], window_size=8, patch_size=1)
    )


def wavlm() -> nn.Module:
    return tf.WavLMModel(
        tf.WavLMConfig(
            hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=(32, 32, 32),
            conv_stride=(5, 4, 4), conv_kernel=(10, 4, 4), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, apply_spec_augment=False,
        )
    )  # fmt: skip


def sew() -> nn.Module:
    return tf.SEWModel(
        tf.SEWConfig(
            hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=(32, 32, 32), squeeze_factor=2,
            conv_stride=(5, 4, 4), conv_kernel=(10, 4, 4), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, apply_spec_augment=False,
        )
    )  # fmt: skip


def univnet() -> nn.Module:
    return tf.UnivNetModel(
        tf.UnivNetConfig(
            model_in_channels=16, model_hidden_channels=8, num_mel_bins=16, resblock_kernel_sizes=[3, 3], resblock_stride_sizes=[4, 4],
            resblock_dilation_sizes=[[1, 3], [1, 3]], kernel_predictor_hidden_channels=16, kernel_predictor_num_blocks=1,
        )
    )  # fmt: skip


def patch_tsmixer() -> nn.Module:
    return tf.PatchTSMixerForPrediction(
        tf.PatchTSMixerConfig(
            context_length=64,
            patch_length=8,
            patch_stride=8,
            num_input_channels=4,
            d_model=32,
            num_layers=2,
            prediction_length=8,
        )
    )


def decision_transformer() -> nn.Module:
    return tf.DecisionTransformerModel(
        tf.DecisionTransformerConfig(
            state_dim=8, act_dim=4, hidden_size=64, n_layer=2, n_head=4, n_positions=128, max_ep_len=64
        )
    )
