// Modules of every GGUF architecture in both namings, Hugging Face's and GGUF's.
#pragma once

#include "model/load/gguf/architecture.h"

namespace octet::model::gguf_names {

// LLaMA and its descendants.
inline constexpr GgufName kLlamaOutside[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};
inline constexpr GgufName kLlamaAttention[] = {
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
};
inline constexpr GgufName kLlamaFeedForward[] = {
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
};
inline constexpr GgufName kLlamaNorms[] = {
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
};
inline constexpr GgufName kQueryKeyNorms[] = {
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
};
/// Of what the blocks add.
inline constexpr GgufName kOutputNorms[] = {
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
    {"model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"},
};
inline constexpr GgufName kGemma2Norms[] = {
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"},
};
/// One stack for all experts; a tensor each in the first files.
inline constexpr GgufName kMixtralExperts[] = {
    {"model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
    {"model.layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate_exps", GgufPart::member},
    {"model.layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down_exps", GgufPart::member},
    {"model.layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up_exps", GgufPart::member},
    {"model.layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate.#"},
    {"model.layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down.#"},
    {"model.layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up.#"},
};
/// The first files have q, k and v in one.
inline constexpr GgufName kPhi[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.final_layernorm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_qkv", GgufPart::query},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_qkv", GgufPart::key},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_qkv", GgufPart::value},
    {"model.layers.#.self_attn.dense", "blk.#.attn_output"},
    {"model.layers.#.mlp.fc1", "blk.#.ffn_up"},
    {"model.layers.#.mlp.fc2", "blk.#.ffn_down"},
};
inline constexpr GgufName kPhi3[] = {
    {"model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
};
inline constexpr GgufName kStablelmHeadNorms[] = {
    {"model.layers.#.self_attn.q_layernorm.norms.#", "blk.#.attn_q_norm", GgufPart::member},
    {"model.layers.#.self_attn.k_layernorm.norms.#", "blk.#.attn_k_norm", GgufPart::member},
};
inline constexpr GgufName kStarcoder2FeedForward[] = {
    {"model.layers.#.mlp.c_fc", "blk.#.ffn_up"},
    {"model.layers.#.mlp.c_proj", "blk.#.ffn_down"},
};

inline constexpr GgufName kBloom[] = {
    {"transformer.word_embeddings", "token_embd"},
    {"transformer.word_embeddings_layernorm", "token_embd_norm"},
    {"transformer.ln_f", "output_norm"},
    {"lm_head", "output"},
    {"transformer.h.#.input_layernorm", "blk.#.attn_norm"},
    {"transformer.h.#.self_attention.query_key_value", "blk.#.attn_qkv"},
    {"transformer.h.#.self_attention.dense", "blk.#.attn_output"},
    {"transformer.h.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"transformer.h.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
    {"transformer.h.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
};
/// Falcon 40B's first norm in GGUF is the feed-forward block's.
inline constexpr GgufName kFalcon[] = {
    {"transformer.word_embeddings", "token_embd"},
    {"transformer.ln_f", "output_norm"},
    {"lm_head", "output"},
    {"transformer.h.#.input_layernorm", "blk.#.attn_norm"},
    {"transformer.h.#.ln_mlp", "blk.#.attn_norm"},
    {"transformer.h.#.ln_attn", "blk.#.attn_norm_2"},
    {"transformer.h.#.self_attention.query_key_value", "blk.#.attn_qkv"},
    {"transformer.h.#.self_attention.dense", "blk.#.attn_output"},
    {"transformer.h.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
    {"transformer.h.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
};
/// GPT-2 and GPT-BigCode.
inline constexpr GgufName kGpt2[] = {
    {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"transformer.ln_f", "output_norm"},
    {"lm_head", "output"},
    {"transformer.h.#.ln_1", "blk.#.attn_norm"},
    {"transformer.h.#.attn.c_attn", "blk.#.attn_qkv"},
    {"transformer.h.#.attn.c_proj", "blk.#.attn_output"},
    {"transformer.h.#.ln_2", "blk.#.ffn_norm"},
    {"transformer.h.#.mlp.c_fc", "blk.#.ffn_up"},
    {"transformer.h.#.mlp.c_proj", "blk.#.ffn_down"},
};
inline constexpr GgufName kGptNeox[] = {
    {"gpt_neox.embed_in", "token_embd"},
    {"gpt_neox.final_layer_norm", "output_norm"},
    {"embed_out", "output"},
    {"gpt_neox.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"gpt_neox.layers.#.attention.query_key_value", "blk.#.attn_qkv"},
    {"gpt_neox.layers.#.attention.dense", "blk.#.attn_output"},
    {"gpt_neox.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"gpt_neox.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
    {"gpt_neox.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
};
inline constexpr GgufName kMpt[] = {
    {"transformer.wte", "token_embd"},
    {"transformer.norm_f", "output_norm"},
    {"lm_head", "output"},
    {"transformer.blocks.#.norm_1", "blk.#.attn_norm"},
    {"transformer.blocks.#.attn.Wqkv", "blk.#.attn_qkv"},
    {"transformer.blocks.#.attn.out_proj", "blk.#.attn_output"},
    {"transformer.blocks.#.norm_2", "blk.#.ffn_norm"},
    {"transformer.blocks.#.ffn.up_proj", "blk.#.ffn_up"},
    {"transformer.blocks.#.ffn.down_proj", "blk.#.ffn_down"},
};
inline constexpr GgufName kT5[] = {
    {"shared", "token_embd"},
    {"lm_head", "output"},
    {"encoder.final_layer_norm", "enc.output_norm"},
    {"encoder.block.#.layer.0.layer_norm", "enc.blk.#.attn_norm"},
    {"encoder.block.#.layer.0.SelfAttention.q", "enc.blk.#.attn_q"},
    {"encoder.block.#.layer.0.SelfAttention.k", "enc.blk.#.attn_k"},
    {"encoder.block.#.layer.0.SelfAttention.v", "enc.blk.#.attn_v"},
    {"encoder.block.#.layer.0.SelfAttention.o", "enc.blk.#.attn_o"},
    {"encoder.block.#.layer.0.SelfAttention.relative_attention_bias", "enc.blk.#.attn_rel_b"},
    {"encoder.block.#.layer.1.layer_norm", "enc.blk.#.ffn_norm"},
    {"encoder.block.#.layer.1.DenseReluDense.wi", "enc.blk.#.ffn_up"},
    {"encoder.block.#.layer.1.DenseReluDense.wi_0", "enc.blk.#.ffn_gate"},
    {"encoder.block.#.layer.1.DenseReluDense.wi_1", "enc.blk.#.ffn_up"},
    {"encoder.block.#.layer.1.DenseReluDense.wo", "enc.blk.#.ffn_down"},
    {"decoder.final_layer_norm", "dec.output_norm"},
    {"decoder.block.#.layer.0.layer_norm", "dec.blk.#.attn_norm"},
    {"decoder.block.#.layer.0.SelfAttention.q", "dec.blk.#.attn_q"},
    {"decoder.block.#.layer.0.SelfAttention.k", "dec.blk.#.attn_k"},
    {"decoder.block.#.layer.0.SelfAttention.v", "dec.blk.#.attn_v"},
    {"decoder.block.#.layer.0.SelfAttention.o", "dec.blk.#.attn_o"},
    {"decoder.block.#.layer.0.SelfAttention.relative_attention_bias", "dec.blk.#.attn_rel_b"},
    {"decoder.block.#.layer.1.layer_norm", "dec.blk.#.cross_attn_norm"},
    {"decoder.block.#.layer.1.EncDecAttention.q", "dec.blk.#.cross_attn_q"},
    {"decoder.block.#.layer.1.EncDecAttention.k", "dec.blk.#.cross_attn_k"},
    {"decoder.block.#.layer.1.EncDecAttention.v", "dec.blk.#.cross_attn_v"},
    {"decoder.block.#.layer.1.EncDecAttention.o", "dec.blk.#.cross_attn_o"},
    {"decoder.block.#.layer.2.layer_norm", "dec.blk.#.ffn_norm"},
    {"decoder.block.#.layer.2.DenseReluDense.wi", "dec.blk.#.ffn_up"},
    {"decoder.block.#.layer.2.DenseReluDense.wi_0", "dec.blk.#.ffn_gate"},
    {"decoder.block.#.layer.2.DenseReluDense.wi_1", "dec.blk.#.ffn_up"},
    {"decoder.block.#.layer.2.DenseReluDense.wo", "dec.blk.#.ffn_down"},
};

}  // namespace octet::model::gguf_names
