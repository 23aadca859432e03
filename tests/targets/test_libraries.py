"""Models of the libraries people build on, from small configurations, are fed and traced without being told anything."""

import importlib
import logging

import pytest

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.targets.inputs import infer

TEXT = {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
HEADS = TEXT | {"num_key_value_heads": 2}
IMAGE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 32,
    "patch_size": 8,
}
ENCODER_DECODER = {
    "vocab_size": 500, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128,
}  # fmt: skip
STAGES = {"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1]}
WHISPER = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}

#: model class · its configuration · a word of what must be found
TRANSFORMERS = [
    ("GPT2LMHeadModel", {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 500}, "int64[2,64] below 500 for input_ids"),
    ("GPTNeoXForCausalLM", TEXT, "input_ids"),
    ("BertForMaskedLM", TEXT, "int64[2,64] below 500 for input_ids"),
    ("RobertaForMaskedLM", TEXT, "int64[2,64] below 500 for input_ids"),
    ("DistilBertForMaskedLM", {"n_layers": 2, "dim": 64, "n_heads": 4, "hidden_dim": 128, "vocab_size": 500}, "input_ids"),
    ("AlbertModel", TEXT | {"embedding_size": 32}, "input_ids"),
    ("ElectraForPreTraining", TEXT | {"embedding_size": 32}, "input_ids"),
    ("DebertaV2Model", TEXT, "input_ids"),
    ("T5ForConditionalGeneration", {"vocab_size": 500, "d_model": 64, "d_ff": 128, "num_layers": 2, "num_heads": 4, "d_kv": 16},
     "decoder_input_ids"),
    ("BartForConditionalGeneration", ENCODER_DECODER, "decoder_input_ids"),
    ("WhisperForConditionalGeneration", ENCODER_DECODER | WHISPER, "float32[4,80,3000] for input_features"),
    ("LlamaForCausalLM", HEADS, "input_ids"),
    ("MistralForCausalLM", HEADS, "input_ids"),
    ("Qwen2ForCausalLM", HEADS, "input_ids"),
    ("Gemma2ForCausalLM", HEADS | {"head_dim": 16}, "input_ids"),
    ("Phi3ForCausalLM", HEADS | {"pad_token_id": 0}, "input_ids"),
    ("OPTForCausalLM", {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 128,
                        "word_embed_proj_dim": 64}, "input_ids"),
    ("BloomForCausalLM", {"vocab_size": 500, "hidden_size": 64, "n_layer": 2, "n_head": 4}, "input_ids"),
    ("FalconForCausalLM", TEXT, "input_ids"),
    ("XLNetModel", {"vocab_size": 500, "d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 128}, "input_ids"),
    ("ViTForImageClassification", IMAGE, "float32[4,3,32,32] for pixel_values"),
    ("ViTModel", IMAGE | {"image_size": 224, "patch_size": 16}, "float32[4,3,224,224] for pixel_values"),
    ("DeiTModel", IMAGE, "pixel_values"),
    ("SwinModel", {"embed_dim": 32, "depths": [1, 1], "num_heads": [2, 4], "image_size": 64, "window_size": 4}, "pixel_values"),
    ("ConvNextModel", STAGES, "pixel_values"),
    ("ResNetForImageClassification", STAGES | {"embedding_size": 16}, "pixel_values"),
    ("SegformerForSemanticSegmentation", STAGES | {"num_attention_heads": [1, 2, 2, 4], "decoder_hidden_size": 64}, "pixel_values"),
    ("CLIPModel", {"text_config": TEXT, "vision_config": IMAGE, "projection_dim": 32}, "float32[2,3,32,32] for pixel_values"),
    ("Wav2Vec2Model", TEXT | {"conv_dim": (32,) * 7, "mask_time_prob": 0.0}, "float32[2,16000] for input_values"),
    ("PatchTSTForPrediction", {"num_input_channels": 3, "context_length": 32, "patch_length": 8, "patch_stride": 8, "d_model": 32,
                               "num_hidden_layers": 1, "num_attention_heads": 4, "ffn_dim": 64}, "float32[8,32,3] for past_values"),
]  # fmt: skip

DIFFUSERS = [
    ("UNet2DConditionModel", {"sample_size": 32, "block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8,
                              "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": 48,
                              "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 8},
     "float32[4,32,48] for encoder_hidden_states"),
    ("AutoencoderKL", {"block_out_channels": (32, 64), "down_block_types": ("DownEncoderBlock2D",) * 2,
                       "up_block_types": ("UpDecoderBlock2D",) * 2, "norm_num_groups": 8}, "float32[4,3,32,32] for sample"),
    ("DiTTransformer2DModel", {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2, "sample_size": 8,
                               "num_embeds_ada_norm": 100}, "for class_labels"),
    ("SD3Transformer2DModel", {"sample_size": 16, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16,
                               "caption_projection_dim": 32, "joint_attention_dim": 24, "pooled_projection_dim": 40,
                               "pos_embed_max_size": 16}, "float32[4,40] for pooled_projections"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _without_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def fed_and_traced(factory, word):
    recorded = build_recorded(factory)
    inputs = infer(recorded.model)
    assert word in inputs.how
    capture(recorded, inputs.args, inputs.kwargs)


def transformer(name, options):
    transformers = pytest.importorskip("transformers")
    model = getattr(transformers, name)
    return lambda: model(model.config_class(**options))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "word"), TRANSFORMERS, ids=[row[0] for row in TRANSFORMERS])
def test_transformers(name, options, word):
    fed_and_traced(transformer(name, options), word)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "word"), DIFFUSERS, ids=[row[0] for row in DIFFUSERS])
def test_diffusers(name, options, word):
    model = getattr(pytest.importorskip("diffusers"), name)
    fed_and_traced(lambda: model(**options), word)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "base", "options", "targets"), [
    ("CAUSAL_LM", "LlamaForCausalLM", HEADS, ["q_proj", "v_proj"]),
    ("SEQ_CLS", "BertForSequenceClassification", TEXT, ["query", "value"]),
    (None, "GPT2LMHeadModel", TRANSFORMERS[0][1], ["c_attn"]),
])  # fmt: skip
def test_adapted_by_peft(task, base, options, targets):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type=task, r=4, target_modules=targets, fan_in_fan_out=base.startswith("GPT2"))
    fed_and_traced(lambda: peft.get_peft_model(transformer(base, options)(), config), "input_ids")


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["GCNConv", "GATConv", "SAGEConv"])
def test_graph_layers_of_torch_geometric(layer):
    pytest.importorskip("torch_geometric")
    convolution = getattr(importlib.import_module("torch_geometric.nn"), layer)
    fed_and_traced(lambda: convolution(16, 8), "int64[2,96] below 32 for edge_index")


@pytest.mark.slow
def test_x_transformers():
    x = pytest.importorskip("x_transformers")
    decoder = {"dim": 64, "depth": 2, "heads": 4, "rotary_pos_emb": True, "ff_glu": True}
    fed_and_traced(
        lambda: x.TransformerWrapper(num_tokens=500, max_seq_len=128, attn_layers=x.Decoder(**decoder)), "int64[2,64] below 500"
    )
