"""Architectures of `transformers`, each from a config of reduced depth: argument-free factories, no downloads.

Widths, heads and everything that decides about the start (initializer ranges, norms, scalings) are the library's own; depth is
2 to 4 layers, vocabularies and images are small.
"""

import transformers as tf
from torch import nn

SMALL = {
    "vocab_size": 512,
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
TEXT = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def gpt2() -> nn.Module:
    return tf.GPT2LMHeadModel(tf.GPT2Config(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4, **ENDS))


def gpt2_classifier() -> nn.Module:
    return tf.GPT2ForSequenceClassification(
        tf.GPT2Config(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4, num_labels=3, **TEXT)
    )


def gpt_neo() -> nn.Module:
    return tf.GPTNeoForCausalLM(
        tf.GPTNeoConfig(
            vocab_size=512,
            hidden_size=128,
            num_layers=4,
            num_heads=4,
            attention_types=[[["global", "local"], 2]],
            max_position_embeddings=128,
            window_size=32,
            **ENDS,
        )
    )


def gptj() -> nn.Module:
    return tf.GPTJForCausalLM(
        tf.GPTJConfig(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4, rotary_dim=16, **ENDS)
    )


def gpt_neox() -> nn.Module:
    return tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**SMALL, **ENDS))


def codegen() -> nn.Module:
    return tf.CodeGenForCausalLM(
        tf.CodeGenConfig(vocab_size=512, n_positions=128, n_ctx=128, n_embd=128, n_layer=3, n_head=4, rotary_dim=16, **ENDS)
    )


def llama() -> nn.Module:
    return tf.LlamaForCausalLM(tf.LlamaConfig(**SMALL, num_key_value_heads=2, **ENDS))


def llama_classifier() -> nn.Module:
    return tf.LlamaForSequenceClassification(tf.LlamaConfig(**SMALL, num_key_value_heads=2, num_labels=3, **TEXT))


def mistral() -> nn.Module:
    return tf.MistralForCausalLM(tf.MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=64, **ENDS))


def mixtral() -> nn.Module:
    return tf.MixtralForCausalLM(
        tf.MixtralConfig(**{**SMALL, "intermediate_size": 256}, num_key_value_heads=2, num_local_experts=4, **ENDS)
    )


def qwen2() -> nn.Module:
    return tf.Qwen2ForCausalLM(tf.Qwen2Config(**SMALL, num_key_value_heads=2, **ENDS))


def qwen3() -> nn.Module:
    return tf.Qwen3ForCausalLM(tf.Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=32, **ENDS))


def gemma() -> nn.Module:
    return tf.GemmaForCausalLM(tf.GemmaConfig(**SMALL, num_key_value_heads=1, head_dim=32, **TEXT))


def gemma2() -> nn.Module:
    return tf.Gemma2ForCausalLM(tf.Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=32, sliding_window=64, **TEXT))


def phi() -> nn.Module:
    return tf.PhiForCausalLM(tf.PhiConfig(**SMALL, **ENDS))


def phi3() -> nn.Module:
    return tf.Phi3ForCausalLM(tf.Phi3Config(**SMALL, num_key_value_heads=2, **TEXT))


def stablelm() -> nn.Module:
    return tf.StableLmForCausalLM(tf.StableLmConfig(**SMALL, num_key_value_heads=4, **ENDS))


def starcoder2() -> nn.Module:
    return tf.Starcoder2ForCausalLM(tf.Starcoder2Config(**SMALL, num_key_value_heads=2, **ENDS))


def cohere() -> nn.Module:
    return tf.CohereForCausalLM(tf.CohereConfig(**SMALL, num_key_value_heads=2, **TEXT))


def olmo() -> nn.Module:
    return tf.OlmoForCausalLM(tf.OlmoConfig(**SMALL, num_key_value_heads=4, **TEXT))


def opt() -> nn.Module:
    return tf.OPTForCausalLM(
        tf.OPTConfig(
            vocab_size=512,
            hidden_size=128,
            num_hidden_layers=3,
            ffn_dim=512,
            num_attention_heads=4,
            max_position_embeddings=128,
            word_embed_proj_dim=128,
            **TEXT,
        )
    )


def bloom() -> nn.Module:
    return tf.BloomForCausalLM(tf.BloomConfig(vocab_size=512, hidden_size=128, n_layer=3, n_head=4, **ENDS))


def falcon() -> nn.Module:
    return tf.FalconForCausalLM(
        tf.FalconConfig(vocab_size=512, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, **ENDS)
    )


def mamba() -> nn.Module:
    return tf.MambaForCausalLM(tf.MambaConfig(vocab_size=512, hidden_size=128, num_hidden_layers=3, state_size=16, **TEXT))


def rwkv() -> nn.Module:
    return tf.RwkvForCausalLM(
        tf.RwkvConfig(vocab_size=512, hidden_size=128, attention_hidden_size=128, num_hidden_layers=3, context_length=128)
    )


def bert() -> nn.Module:
    return tf.BertForSequenceClassification(tf.BertConfig(**SMALL, num_labels=3))


def bert_masked_lm() -> nn.Module:
    return tf.BertForMaskedLM(tf.BertConfig(**SMALL))


def roberta() -> nn.Module:
    return tf.RobertaForSequenceClassification(tf.RobertaConfig(**SMALL, num_labels=3))


def camembert_masked_lm() -> nn.Module:
    return tf.CamembertForMaskedLM(tf.CamembertConfig(**SMALL))


def electra() -> nn.Module:
    return tf.ElectraForSequenceClassification(tf.ElectraConfig(**SMALL, embedding_size=64, num_labels=3))


def albert() -> nn.Module:
    return tf.AlbertForSequenceClassification(tf.AlbertConfig(**SMALL, embedding_size=64, num_labels=3))


def distilbert() -> nn.Module:
    return tf.DistilBertForSequenceClassification(
        tf.DistilBertConfig(vocab_size=512, dim=128, n_layers=3, n_heads=4, hidden_dim=512, max_position_embeddings=128)
    )


def deberta_v2() -> nn.Module:
    return tf.DebertaV2ForSequenceClassification(
        tf.DebertaV2Config(
            **SMALL,
            relative_attention=True,
            position_buckets=32,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
        )
    )


def mobilebert() -> nn.Module:
    return tf.MobileBertForSequenceClassification(
        tf.MobileBertConfig(vocab_size=512, num_hidden_layers=3, max_position_embeddings=128)
    )


def mpnet() -> nn.Module:
    return tf.MPNetForSequenceClassification(tf.MPNetConfig(**SMALL))


def squeezebert() -> nn.Module:
    return tf.SqueezeBertForSequenceClassification(tf.SqueezeBertConfig(**SMALL, embedding_size=128))


def fnet() -> nn.Module:
    config = {key: value for key, value in SMALL.items() if key != "num_attention_heads"}
    return tf.FNetForSequenceClassification(tf.FNetConfig(**config))


def convbert() -> nn.Module:
    return tf.ConvBertForSequenceClassification(tf.ConvBertConfig(**SMALL, embedding_size=64))


def modernbert() -> nn.Module:
    return tf.ModernBertForSequenceClassification(tf.ModernBertConfig(**SMALL, num_labels=3, **TEXT))


def longformer() -> nn.Module:
    return tf.LongformerForSequenceClassification(tf.LongformerConfig(**SMALL, attention_window=16))


def xlnet() -> nn.Module:
    return tf.XLNetForSequenceClassification(tf.XLNetConfig(vocab_size=512, d_model=128, n_layer=3, n_head=4, d_inner=512))


def t5() -> nn.Module:
    return tf.T5ForConditionalGeneration(
        tf.T5Config(vocab_size=512, d_model=128, d_kv=32, d_ff=512, num_layers=3, num_heads=4, decoder_start_token_id=0)
    )


def t5_v1_1() -> nn.Module:
    return tf.T5ForConditionalGeneration(
        tf.T5Config(
            vocab_size=512,
            d_model=128,
            d_kv=32,
            d_ff=320,
            num_layers=3,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            decoder_start_token_id=0,
        )
    )


SEQ2SEQ = {
    "vocab_size": 512,
    "d_model": 128,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 512,
    "decoder_ffn_dim": 512,
    "max_position_embeddings": 128,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
    **TEXT,
}


def bart() -> nn.Module:
    return tf.BartForConditionalGeneration(tf.BartConfig(**SEQ2SEQ))


def mbart() -> nn.Module:
    return tf.MBartForConditionalGeneration(tf.MBartConfig(**SEQ2SEQ))


def pegasus() -> nn.Module:
    return tf.PegasusForConditionalGeneration(tf.PegasusConfig(**SEQ2SEQ))


def blenderbot_small() -> nn.Module:
    return tf.BlenderbotSmallForConditionalGeneration(tf.BlenderbotSmallConfig(**SEQ2SEQ))


def marian() -> nn.Module:
    return tf.MarianMTModel(tf.MarianConfig(**SEQ2SEQ))


VISION = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "image_size": 64,
    "patch_size": 16,
}


def vit() -> nn.Module:
    return tf.ViTForImageClassification(tf.ViTConfig(**VISION, num_labels=10))


def deit() -> nn.Module:
    return tf.DeiTForImageClassification(tf.DeiTConfig(**VISION, num_labels=10))


def beit() -> nn.Module:
    return tf.BeitForImageClassification(tf.BeitConfig(**VISION, num_labels=10))


def dinov2() -> nn.Module:
    config = {key: value for key, value in VISION.items() if key != "intermediate_size"}
    return tf.Dinov2ForImageClassification(tf.Dinov2Config(**config, num_labels=10))


def swin() -> nn.Module:
    return tf.SwinForImageClassification(
        tf.SwinConfig(image_size=64, patch_size=4, embed_dim=64, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10)
    )


def swinv2() -> nn.Module:
    return tf.Swinv2ForImageClassification(
        tf.Swinv2Config(
            image_size=64, patch_size=4, embed_dim=64, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10
        )
    )


def convnext() -> nn.Module:
    return tf.ConvNextForImageClassification(
        tf.ConvNextConfig(image_size=64, hidden_sizes=[64, 128, 192, 256], depths=[1, 1, 3, 1], num_labels=10)
    )


def resnet() -> nn.Module:
    return tf.ResNetForImageClassification(
        tf.ResNetConfig(embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[1, 2, 2, 1], layer_type="basic")
    )


def regnet() -> nn.Module:
    return tf.RegNetForImageClassification(
        tf.RegNetConfig(embedding_size=32, hidden_sizes=[64, 128, 192, 256], depths=[1, 1, 2, 1], groups_width=32)
    )


def bit() -> nn.Module:
    return tf.BitForImageClassification(
        tf.BitConfig(num_groups=16, embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[1, 1, 2, 1], num_labels=10)
    )


def mobilevit() -> nn.Module:
    return tf.MobileViTForImageClassification(tf.MobileViTConfig(image_size=64, num_labels=10))


def poolformer() -> nn.Module:
    return tf.PoolFormerForImageClassification(
        tf.PoolFormerConfig(hidden_sizes=[64, 128, 192, 256], depths=[1, 1, 2, 1], num_labels=10)
    )


def levit() -> nn.Module:
    return tf.LevitForImageClassification(tf.LevitConfig(image_size=64, depths=[2, 2, 2], num_labels=10))


def segformer() -> nn.Module:
    return tf.SegformerForSemanticSegmentation(
        tf.SegformerConfig(depths=[1, 1, 1, 1], hidden_sizes=[32, 64, 128, 160], decoder_hidden_size=128, num_labels=5)
    )


def dpt() -> nn.Module:
    return tf.DPTForDepthEstimation(
        tf.DPTConfig(
            **{**VISION, "num_hidden_layers": 4},
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[32, 64, 96, 128],
            initializer_range=0.06,  # 0.02 is meant for widths ten times larger
            fusion_hidden_size=64,
        )
    )


def timesformer() -> nn.Module:
    return tf.TimesformerForVideoClassification(tf.TimesformerConfig(**VISION, num_frames=4, num_labels=10))


def clip() -> nn.Module:
    return tf.CLIPModel(
        tf.CLIPConfig(text_config={**SMALL, **TEXT}, vision_config=VISION, projection_dim=64),
    )


def detr() -> nn.Module:
    backbone = tf.ResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )
    return tf.DetrForObjectDetection(
        tf.DetrConfig(
            use_timm_backbone=False,
            backbone=None,
            backbone_config=backbone,
            num_queries=20,
            d_model=128,
            encoder_layers=2,
            decoder_layers=2,
            encoder_ffn_dim=256,
            decoder_ffn_dim=256,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            num_labels=5,
        )
    )


def whisper() -> nn.Module:
    return tf.WhisperForConditionalGeneration(
        tf.WhisperConfig(
            vocab_size=512,
            num_mel_bins=80,
            d_model=128,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=512,
            decoder_ffn_dim=512,
            max_source_positions=64,
            max_target_positions=64,
            decoder_start_token_id=1,
            suppress_tokens=None,
            begin_suppress_tokens=None,
            **TEXT,
        )
    )


SPEECH = {
    "vocab_size": 32,
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "conv_dim": (128,) * 7,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 4,
    "mask_time_prob": 0.0,
    "layerdrop": 0.0,
}


def wav2vec2() -> nn.Module:
    return tf.Wav2Vec2ForCTC(tf.Wav2Vec2Config(**SPEECH))


def hubert() -> nn.Module:
    return tf.HubertForCTC(tf.HubertConfig(**SPEECH))


def audio_spectrogram() -> nn.Module:
    config = {key: value for key, value in VISION.items() if key != "image_size"}
    return tf.ASTForAudioClassification(tf.ASTConfig(**config, max_length=128, num_mel_bins=64, num_labels=10))


def patchtst() -> nn.Module:
    return tf.PatchTSTForPrediction(
        tf.PatchTSTConfig(
            num_input_channels=4,
            context_length=64,
            patch_length=8,
            patch_stride=8,
            prediction_length=16,
            d_model=128,
            ffn_dim=256,
        )
    )
