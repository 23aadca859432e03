"""Adapters of `peft` on small transformers: argument-free factories, no downloads."""

import peft
import transformers as tf
from torch import nn


def _gpt2() -> tf.PreTrainedModel:
    return tf.GPT2LMHeadModel(
        tf.GPT2Config(vocab_size=512, n_positions=128, n_embd=128, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=2)
    )


def _llama() -> tf.PreTrainedModel:
    return tf.LlamaForCausalLM(
        tf.LlamaConfig(
            vocab_size=512,
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=384,
            max_position_embeddings=128,
        )
    )


def _bert() -> tf.PreTrainedModel:
    return tf.BertForSequenceClassification(
        tf.BertConfig(
            vocab_size=512,
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=128,
            num_labels=3,
        )
    )


ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]


def lora_gpt2() -> nn.Module:
    return peft.get_peft_model(_gpt2(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=["c_attn"]))


def lora_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.05, target_modules=ATTENTION)
    )


def rslora_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=16, use_rslora=True, target_modules=ATTENTION)
    )


def lora_all_linear_llama() -> nn.Module:
    return peft.get_peft_model(_llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear"))


def lora_gaussian_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, init_lora_weights="gaussian", target_modules=ATTENTION)
    )


def pissa_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, init_lora_weights="pissa", target_modules=ATTENTION)
    )


def dora_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, use_dora=True, target_modules=ATTENTION)
    )


def lora_bert() -> nn.Module:
    return peft.get_peft_model(
        _bert(), peft.LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
    )


def lora_embedding_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(), peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=["embed_tokens", "q_proj"])
    )


def ia3_llama() -> nn.Module:
    return peft.get_peft_model(
        _llama(),
        peft.IA3Config(
            task_type="CAUSAL_LM", target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]
        ),
    )


def loha_llama() -> nn.Module:
    return peft.get_peft_model(_llama(), peft.LoHaConfig(task_type="CAUSAL_LM", r=8, alpha=8, target_modules=ATTENTION))


def lokr_llama() -> nn.Module:
    return peft.get_peft_model(_llama(), peft.LoKrConfig(task_type="CAUSAL_LM", r=8, alpha=8, target_modules=ATTENTION))


def adalora_gpt2() -> nn.Module:
    return peft.get_peft_model(
        _gpt2(),
        peft.AdaLoraConfig(
            task_type="CAUSAL_LM", init_r=12, target_r=8, total_step=1000, tinit=100, tfinal=100, target_modules=["c_attn"]
        ),
    )


def vera_llama() -> nn.Module:
    return peft.get_peft_model(_llama(), peft.VeraConfig(task_type="CAUSAL_LM", r=32, target_modules=["q_proj", "o_proj"]))


def prompt_tuning_gpt2() -> nn.Module:
    return peft.get_peft_model(_gpt2(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=8))
