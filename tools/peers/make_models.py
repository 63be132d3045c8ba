"""Makes the files that the peers load, from bench/configs/llama-1.17b.json and SmolLM2's GGUF.

For each model a Hugging Face directory in f16 (octet, transformers, bitsandbytes), GGUF files in
F16 and Q8_0 (llama.cpp, OpenVINO) and CTranslate2's int8 format, in .cache/peers/models. The 1.17B
shape has normally distributed weights; SmolLM2's are those of its Q4_1 file. Does what is not done.
"""
from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / ".cache/peers/models"
SMOLLM2 = ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf"
CONFIG = ROOT / "bench/configs/llama-1.17b.json"
NAMES = ("smollm2", "llama-1.17b")
FORMATS = ("hf", "f16.gguf", "q8_0.gguf", "ct2")

Tensors = dict[str, np.ndarray]

GLOBAL_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm",
                "output": "lm_head"}
LAYER_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
               "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
               "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
               "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def gguf_names(config: dict) -> dict[str, str]:
    """GGUF's names of the model's tensors, each with Hugging Face's."""
    names = {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in GLOBAL_NAMES.items()}
    if config["tie_word_embeddings"]:
        del names["output.weight"]
    for layer in range(config["num_hidden_layers"]):
        for ours, theirs in LAYER_NAMES.items():
            names[f"blk.{layer}.{ours}.weight"] = f"model.layers.{layer}.{theirs}.weight"
    return names


def heads_of(name: str, config: dict) -> int:
    """How many heads' rotary pairs the rows of a GGUF tensor hold; 0: none."""
    if ".attn_q." in name:
        return config["num_attention_heads"]
    return config["num_key_value_heads"] if ".attn_k." in name else 0


def pair_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Hugging Face's order of rotary rows (halves) to GGUF's (pairs)."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def halve_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """The way back."""
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def smollm2_config(reader: GGUFReader) -> dict:
    def value(key: str) -> int | float:
        return reader.get_field(f"llama.{key}").contents()

    return {"model_type": "llama", "vocab_size": value("vocab_size"),
            "hidden_size": value("embedding_length"),
            "intermediate_size": value("feed_forward_length"),
            "num_hidden_layers": value("block_count"),
            "num_attention_heads": value("attention.head_count"),
            "num_key_value_heads": value("attention.head_count_kv"),
            "max_position_embeddings": value("context_length"),
            "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
            "rope_theta": value("rope.freq_base"), "hidden_act": "silu",
            "tie_word_embeddings": True, "torch_dtype": "float16"}


def smollm2_tensors(reader: GGUFReader, config: dict) -> Tensors:
    theirs = gguf_names(config)
    tensors = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        if heads := heads_of(tensor.name, config):
            weight = halve_rows(weight, heads)
        tensors[theirs[tensor.name]] = weight.astype(np.float16)
    return tensors


def random_tensors(config: dict) -> Tensors:
    """Norms of ones, and weights of a deviation that keeps activations in proportion."""
    random = np.random.default_rng(0)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    keys = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"q_proj": (hidden, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden),
              "o_proj": (hidden, hidden), "gate_proj": (inner, hidden),
              "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
    tensors = {}
    for name in gguf_names(config).values():
        if "norm" in name:
            tensors[name] = np.ones(hidden, np.float16)
            continue
        rows, columns = shapes.get(name.split(".")[-2], (config["vocab_size"], hidden))
        weight = random.standard_normal((rows, columns), np.float32)
        tensors[name] = (weight / math.sqrt(columns)).astype(np.float16)
    return tensors


def write_tokenizer(reader: GGUFReader, folder: Path) -> None:
    """SmolLM2's vocabulary and merges; none of the measurements splits text with them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    merges = reader.get_field("tokenizer.ggml.merges").contents()
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)},
                                     [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(tokens[i], special=True) for i in range(3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"unk_token": tokens[0], "bos_token": tokens[1], "eos_token": tokens[2]}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **special}, indent=2))


def make_hf(name: str, folder: Path) -> None:
    reader = GGUFReader(SMOLLM2)
    if name == "smollm2":
        config = smollm2_config(reader)
        tensors = smollm2_tensors(reader, config)
    else:
        config = json.loads(CONFIG.read_text())
        tensors = random_tensors(config)
    config |= {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    write_tokenizer(reader, folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def copy_tokenizer(reader: GGUFReader, writer: GGUFWriter) -> None:
    for key, field in reader.fields.items():
        if not key.startswith("tokenizer.") or key == "tokenizer.chat_template":
            continue
        value = field.contents()
        if field.types[0] == GGUFValueType.ARRAY:
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, field.types[0])


def make_gguf(source: Path, target: Path, form: GGMLQuantizationType) -> None:
    config = json.loads((source / "config.json").read_text())
    writer = GGUFWriter(target, "llama")
    writer.add_name(target.stem)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(7 if form == GGMLQuantizationType.Q8_0 else 1)
    writer.add_quantization_version(2)
    copy_tokenizer(GGUFReader(SMOLLM2), writer)
    tensors = load_file(source / "model.safetensors")
    for name, theirs in gguf_names(config).items():
        weight = tensors.pop(theirs)
        if weight.ndim == 1:
            writer.add_tensor(name, weight.astype(np.float32))
            continue
        if heads := heads_of(name, config):
            weight = pair_rows(weight, heads)
        data = quantize(weight.astype(np.float32), form)
        writer.add_tensor(name, data, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_ct2(source: Path, target: Path) -> None:
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(str(source)).convert(str(target), quantization="int8", force=True)


def make(name: str, form: str) -> None:
    target = MODELS / (f"{name}.{form}" if form.endswith("gguf") else f"{name}-{form}")
    if target.exists():
        return
    print(f"make_models: {target.relative_to(ROOT)}", file=sys.stderr)
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = MODELS / f"{name}-hf"
    makers: dict[str, Callable[[], None]] = {
        "hf": lambda: make_hf(name, partial),
        "f16.gguf": lambda: make_gguf(source, partial, GGMLQuantizationType.F16),
        "q8_0.gguf": lambda: make_gguf(source, partial, GGMLQuantizationType.Q8_0),
        "ct2": lambda: make_ct2(source, partial)}
    if form in ("hf", "ct2"):
        partial.mkdir(parents=True)
    makers[form]()
    partial.rename(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help=f"of {', '.join(NAMES)}; all")
    parser.add_argument("--formats", default=",".join(FORMATS), help="with commas; all of them")
    options = parser.parse_args()
    if not SMOLLM2.exists():
        print(f"make_models: no {SMOLLM2.relative_to(ROOT)}; run tools/get-smollm2",
              file=sys.stderr)
        return 1
    for name in options.names or NAMES:
        for form in FORMATS:
            if form in options.formats.split(",") or form == "hf":
                make(name, form)
    return 0


if __name__ == "__main__":
    sys.exit(main())
