"""Writes variants.json: what transformers computes for small models of every family's variants.

Usage: make_variants.py OUTPUT (needs torch and transformers; run once when a case is added).

Weights are not stored: a tensor's values follow from its name (see `values`), here and in
tests/family_variants_test.cc. A case may state its config in the older spelling (`old`), which is
then what the test reads; transformers must understand it to the same model.
"""

import json
import pathlib
import sys
import tempfile

import numpy
import safetensors.numpy
import torch
import transformers

TOKENS = 40
VOCABULARY = 64
POSITIONS = [0, 23, 39]


def hashed(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def unit(name, count):
    """`count` numbers from -1 up to 1 in steps of 2^-23, by splitmix64."""
    with numpy.errstate(over="ignore"):
        index = numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = numpy.uint64(hashed(name)) + index * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1


def values(name, shape):
    """Vectors called weight (norms) lie around 1, others (biases) around 0."""
    numbers = unit(name, int(numpy.prod(shape)))
    if len(shape) > 1:
        numbers = numbers * 0.5
    else:
        numbers = numbers * 0.25 + (1 if name.endswith("weight") else 0)
    return numbers.astype(numpy.float32).reshape(shape)


def tokens(name, count):
    return [int(abs(x) * (VOCABULARY - 1)) for x in unit(name, count)]


LLAMA = dict(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, intermediate_size=48, max_position_embeddings=128,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)
NEOX = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
GPT = dict(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=1,
           eos_token_id=2)
BLOOM = dict(vocab_size=VOCABULARY, hidden_size=48, n_layer=2, n_head=6, bos_token_id=1,
             eos_token_id=2)
FALCON = dict(NEOX, ffn_hidden_size=48)
MPT = dict(vocab_size=VOCABULARY, d_model=48, n_heads=6, n_layers=2, expansion_ratio=4,
           max_seq_len=128, bos_token_id=1, eos_token_id=2)
LONGROPE = dict(rope_type="longrope", short_factor=[1.0, 1.5, 2.0, 3.0],
                long_factor=[1.5, 4.0, 6.0, 8.0])
T5 = dict(vocab_size=VOCABULARY, d_model=32, d_kv=16, d_ff=48, num_layers=3, num_decoder_layers=2,
          num_heads=4, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)

CASES = {
    "llama_biases_linear": ("llama", dict(
        LLAMA, attention_bias=True, mlp_bias=True, rope_theta=5000.0,
        rope_scaling={"type": "linear", "factor": 2.5})),
    "llama_yarn": ("llama", dict(
        LLAMA, head_dim=16, rope_theta=10000.0,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "beta_fast": 4.0, "beta_slow": 0.5,
                      "original_max_position_embeddings": 32})),
    "llama_yarn_untruncated": ("llama", dict(
        LLAMA, head_dim=16, rope_parameters={
            "rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "mscale": 0.7,
            "mscale_all_dim": 1.2, "truncate": False, "original_max_position_embeddings": 32})),
    "llama_dynamic": ("llama", dict(
        LLAMA, max_position_embeddings=32, rope_scaling={"type": "dynamic", "factor": 2.5})),
    "mistral_head_dim": ("mistral", dict(LLAMA, head_dim=16, sliding_window=9)),
    "mixtral_3_of_5": ("mixtral", dict(
        LLAMA, num_local_experts=5, num_experts_per_tok=3, sliding_window=12)),
    "mixtral_no_window": ("mixtral", dict(LLAMA, num_local_experts=3, num_experts_per_tok=2)),
    "qwen2_some_windows": ("qwen2", dict(
        LLAMA, use_sliding_window=True, sliding_window=7, max_window_layers=1,
        tie_word_embeddings=True)),
    "qwen2_no_windows": ("qwen2", dict(LLAMA)),
    "qwen3_biases": ("qwen3", dict(LLAMA, head_dim=24, attention_bias=True)),
    "gemma": ("gemma", dict(LLAMA, head_dim=16, hidden_activation=None)),
    "gemma2_wide_scores": ("gemma2", dict(
        LLAMA, head_dim=16, query_pre_attn_scalar=40, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0, sliding_window=6)),
    "gemma2_usual_scores": ("gemma2", dict(
        LLAMA, head_dim=16, query_pre_attn_scalar=16, sliding_window=6)),
    "olmo2_groups": ("olmo2", dict(LLAMA, rms_norm_eps=1e-4)),
    "phi_head_norms": ("phi", dict(LLAMA, qk_layernorm=True, partial_rotary_factor=0.5)),
    "phi_plain": ("phi", dict(NEOX, partial_rotary_factor=0.5)),
    "phi3_longrope_short": ("phi3", dict(
        LLAMA, rope_scaling=LONGROPE, original_max_position_embeddings=64)),
    "phi3_longrope_long": ("phi3", dict(
        LLAMA, rope_scaling=LONGROPE, original_max_position_embeddings=32, sliding_window=20)),
    "phi3_partial": ("phi3", dict(LLAMA, partial_rotary_factor=0.5)),
    "starcoder2_window": ("starcoder2", dict(LLAMA, sliding_window=5, use_bias=False)),
    "starcoder2_biases": ("starcoder2", dict(LLAMA, use_bias=True)),
    "stablelm": ("stablelm", dict(LLAMA, use_qkv_bias=True, partial_rotary_factor=0.25)),
    "stablelm_parallel_head_norms": ("stablelm", dict(
        LLAMA, qk_layernorm=True, use_parallel_residual=True, partial_rotary_factor=0.5)),
    "gpt2_layer_scales": ("gpt2", dict(
        GPT, scale_attn_by_inverse_layer_idx=True, n_inner=40, activation_function="relu")),
    "gpt2_narrow": ("gpt2", dict(GPT, n_inner=40)),
    "gpt_neox_sequential": ("gpt_neox", dict(
        NEOX, use_parallel_residual=False, rotary_pct=0.5, rotary_emb_base=5000)),
    "gpt_neox_usual_base": ("gpt_neox", dict(NEOX, use_parallel_residual=False, rotary_pct=0.5)),
    "gptj_whole_heads": ("gptj", dict(GPT, rotary_dim=8)),
    "gpt_neo_mostly_local": ("gpt_neo", dict(
        vocab_size=VOCABULARY, hidden_size=32, num_layers=3, num_heads=4, window_size=5,
        attention_types=[[["global"], 1], [["local"], 2]], intermediate_size=40,
        max_position_embeddings=128, bos_token_id=1, eos_token_id=2)),
    "gpt_bigcode_heads": ("gpt_bigcode", dict(GPT, multi_query=False)),
    "gpt_bigcode_one_head": ("gpt_bigcode", dict(GPT, multi_query=True)),
    "bloom_residual_after_norm": ("bloom", dict(
        BLOOM, apply_residual_connection_post_layernorm=True)),
    "bloom_plain": ("bloom", dict(BLOOM)),
    "xglm_unscaled": ("xglm", dict(
        vocab_size=VOCABULARY, d_model=32, num_layers=2, attention_heads=4, ffn_dim=48,
        max_position_embeddings=128, scale_embedding=False, activation_function="relu",
        bos_token_id=1, eos_token_id=2)),
    "mpt_clipped": ("mpt", dict(MPT, attn_config={"clip_qkv": 0.5, "softmax_scale": 0.7})),
    "mpt_usual_scale": ("mpt", dict(MPT, attn_config={"clip_qkv": 0.5})),
    "falcon_40b": ("falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=2)),
    "falcon_7b": ("falcon", dict(FALCON)),
    "falcon2_11b": ("falcon", dict(
        FALCON, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1,
        tie_word_embeddings=False)),
    "falcon_rw": ("falcon", dict(
        FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True)),
    "t5_gated_silu": ("t5", dict(T5, feed_forward_proj="gated-silu")),
    "t5_relu": ("t5", dict(T5, feed_forward_proj="relu")),
    "t5_gated_gelu": ("t5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "t5_untied": ("t5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                             relative_attention_num_buckets=8, relative_attention_max_distance=20)),
}


def reference(name, model_type, options, directory):
    config = transformers.AutoConfig.for_model(model_type, **json.loads(json.dumps(options)))
    encoder_decoder = config.is_encoder_decoder
    auto = (transformers.AutoModelForSeq2SeqLM if encoder_decoder
            else transformers.AutoModelForCausalLM)
    auto.from_config(config, dtype=torch.float32).save_pretrained(directory)
    path = pathlib.Path(directory) / "model.safetensors"
    shapes = {key: list(value.shape) for key, value in safetensors.numpy.load_file(path).items()}
    safetensors.numpy.save_file({key: values(key, shape) for key, shape in shapes.items()}, path,
                                {"format": "pt"})
    # Eager Falcon of transformers 5.23 adds ALiBi twice.
    attention = "sdpa" if model_type == "falcon" else "eager"
    model = auto.from_pretrained(directory, dtype=torch.float32, attn_implementation=attention).eval()
    ids = tokens(name, TOKENS)
    inputs = {"input_ids": torch.tensor([ids])}
    if encoder_decoder:
        inputs = {"input_ids": torch.tensor([tokens(name + " source", TOKENS)]),
                  "decoder_input_ids": torch.tensor([ids])}
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0].double()
    return {"config": dict(options, model_type=model_type), "tensors": shapes,
            "logits": [[float(f"{x:.6g}") for x in logits[p].tolist()] for p in POSITIONS]}


def main():
    torch.manual_seed(0)
    cases = {}
    for name, (model_type, options) in CASES.items():
        with tempfile.TemporaryDirectory() as directory:
            cases[name] = reference(name, model_type, options, directory)
    document = {"transformers": transformers.__version__, "tokens": TOKENS,
                "vocabulary": VOCABULARY, "positions": POSITIONS, "cases": cases}
    lines = json.dumps(document, separators=(",", ":")).replace('},"', '},\n"') + "\n"
    pathlib.Path(sys.argv[1]).write_text(lines)


if __name__ == "__main__":
    main()
