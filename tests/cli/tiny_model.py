"""A small made-up model with a tokenizer, so that commands which score texts can be tested anywhere."""

import json
import random
import struct

HIDDEN, LAYERS, HEADS, INTERMEDIATE, VOCABULARY = 48, 2, 6, 88, 256


def byte_characters():
    """The printable character that stands for each byte in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    characters = {byte: chr(byte) for byte in plain}
    characters.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [characters[byte] for byte in range(256)]


def shapes():
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)
    yield "model.norm.weight", (HIDDEN,)
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        yield name + "input_layernorm.weight", (HIDDEN,)
        yield name + "post_attention_layernorm.weight", (HIDDEN,)
        for part in "qkvo":
            yield name + f"self_attn.{part}_proj.weight", (HIDDEN, HIDDEN)
        for part in ("gate", "up"):
            yield name + f"mlp.{part}_proj.weight", (INTERMEDIATE, HIDDEN)
        yield name + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)


def write_tiny_model(directory):
    """A LLaMA of random weights whose tokens are bytes; what it says next depends on what it reads."""
    directory.mkdir()
    numbers = random.Random(1)
    header, data = {}, b""
    for name, shape in shapes():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        # Norms around 1; matrices so that a layer keeps the size of what it reads.
        mean, spread = (1, 0.1) if len(shape) == 1 else (0, shape[1]**-0.5)
        spread *= 3 if name.startswith("lm_head") else 1
        values = struct.pack(f"<{count}f", *(numbers.gauss(mean, spread) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (directory / "config.json").write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
        "intermediate_size": INTERMEDIATE, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 512, "hidden_act": "silu", "tie_word_embeddings": False}))
    (directory / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(byte_characters())}, "merges": []}}))
    return directory
