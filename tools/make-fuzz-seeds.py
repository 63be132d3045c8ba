#!/usr/bin/env python3
"""Writes small sound files for the fuzzers to start from: make-fuzz-seeds.py [DIRECTORY].

One folder per format below DIRECTORY (default build/fuzz/seeds).
"""
import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile

SAFETENSORS_TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
                     "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

# GGUF tensor type: (number, elements per block, bytes per block)
GGUF_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20),
              "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34), "Q2_K": (10, 256, 84),
              "Q3_K": (11, 256, 110), "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176),
              "Q6_K": (14, 256, 210), "IQ4_NL": (20, 32, 18), "I8": (24, 1, 1), "I16": (25, 1, 2),
              "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8), "BF16": (30, 1, 2)}


def safetensors(tensors, metadata=None):
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape) in tensors.items():
        size = SAFETENSORS_TYPES[dtype]
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + size]}
        data += bytes(index % 251 for index in range(size))
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def text(content):
    return struct.pack("<Q", len(content)) + content


def gguf(pairs, tensors, version=3):
    """`pairs`: name → (type number, packed value); `tensors`: name → (type name, extents)."""
    metadata = b"".join(text(key) + struct.pack("<I", kind) + value
                        for key, (kind, value) in pairs.items())
    descriptions, data = b"", b""
    for name, (kind, extents) in tensors.items():
        number, elements, size = GGUF_TYPES[kind]
        descriptions += (text(name) + struct.pack("<I", len(extents)) +
                         struct.pack(f"<{len(extents)}Q", *extents) +
                         struct.pack("<IQ", number, len(data)))
        count = 1
        for extent in extents:
            count *= extent
        data += bytes(index % 251 for index in range(count // elements * size))
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    head += metadata + descriptions
    return head + bytes(-len(head) % 32) + data


def array(kind, count, content):
    return 9, struct.pack("<IQ", kind, count) + content


def stand_in(module, name):
    """Something that pickles as the global module.name, without the module being there."""
    home = sys.modules.setdefault(module, types.ModuleType(module))
    if not hasattr(home, name):
        setattr(home, name, type(name, (), {"__module__": module}))
    return getattr(home, name)


class Storage:
    def __init__(self, kind, key, elements):
        self.id = ("storage", stand_in("torch", kind), key, "cpu", elements)


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        rebuild = stand_in("torch._utils", "_rebuild_tensor_v2")
        self.parts = rebuild, (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return self.parts


def torch_pickle(value, protocol=2):
    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return thing.id if isinstance(thing, Storage) else None

    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


def torch_archive(value, storages, protocol=2):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model/data.pkl", torch_pickle(value, protocol))
        archive.writestr("model/byteorder", "little")
        for key, content in storages.items():
            archive.writestr("model/data/" + key, content)
    return out.getvalue()


def torch_legacy(value, storages):
    """`storages`: key → (elements, content)."""
    facts = {"protocol_version": 1001, "little_endian": True}
    out = b"".join(torch_pickle(part) for part in
                   (0x1950a86a20f9469cfc6c, 1001, facts, value, list(storages)))
    return out + b"".join(struct.pack("<q", count) + content
                          for count, content in storages.values())


def torch_seeds():
    floats, halves = Storage("FloatStorage", "0", 6), Storage("BFloat16Storage", "1", 4)
    state = collections.OrderedDict(
        whole=Tensor(floats, 0, (2, 3), (3, 1)), transposed=Tensor(floats, 0, (3, 2), (1, 3)),
        part=Tensor(floats, 4, (2,), (1,)), half=Tensor(halves, 0, (4,), (1,)), step=7)
    state._metadata = collections.OrderedDict(version=1)
    for protocol in (2, 4):
        yield f"archive-{protocol}", torch_archive(state, {"0": bytes(range(24)), "1": bytes(8)},
                                                   protocol)
    yield "legacy", torch_legacy(state, {"0": (6, bytes(range(24))), "1": (4, bytes(8))})


def chat_template_seeds():
    families = pathlib.Path(__file__).resolve().parents[1] / "tests/chat/templates.json"
    for name, template in json.loads(families.read_text(encoding="utf-8"))["templates"].items():
        yield name, template.encode()
    expressions = ("1 + 2 * -3 // 4 % 5 ** 2 / 1.5e-3", "'a' ~ \"b\\x41\\u00fc\" * 3", "[1, (2,), {'k': none}][::-1]",
                   "messages[1:]|selectattr('role', 'eq', 'user')|map(attribute='content')|join(', ')",
                   "tools|tojson(indent=2)|indent(4, true)|replace('\\n', '')|title|trim('x')",
                   "messages is iterable and messages is not mapping or not x in 'abc'", "'%s %d' % ('x', 5)",
                   "dict(a=1, **{'b': 2}).items()|dictsort|list|tojson(sort_keys=true)", "'{} {k}'.format(1, k=2)",
                   "' a b,c '.split(',')[0].strip().upper().center(9, '*').rsplit(none, 1)",
                   "range(1, 9, 3)|batch(2)|first if true else namespace(x=1).x", "strftime_now('%d %b %Y')",
                   "[3, 1]|sort(reverse=true)|unique|sum + [1]|max|abs|round(2)|int|float", "'<b>'|safe + '<i>'|e")
    for number, expression in enumerate(expressions):
        yield f"expression-{number}", b"{{- " + expression.encode() + b" -}}"


def gguf_vocabulary_seeds():
    """One vocabulary for each kind of tokeniser."""
    def strings(*texts):
        return array(8, len(texts), b"".join(text(each) for each in texts))

    letters = [b"a", b"b", b"ab", b"\xc4\xa0", b"<|end|>"]
    yield "vocabulary-gpt2", {
        b"tokenizer.ggml.model": (8, text(b"gpt2")), b"tokenizer.ggml.pre": (8, text(b"llama-bpe")),
        b"tokenizer.ggml.tokens": strings(*letters), b"tokenizer.ggml.merges": strings(b"a b"),
        b"tokenizer.ggml.token_type": array(5, 5, struct.pack("<5i", 1, 1, 1, 1, 3)),
        b"tokenizer.ggml.bos_token_id": (4, struct.pack("<I", 4)),
        b"general.name": (8, text(b"ab a<|end|>"))}
    pieces = [b"<pad>", b"</s>", b"<unk>", b"\xe2\x96\x81", b"a", b"b", b"ab"]
    for model in (b"llama", b"t5"):
        yield "vocabulary-" + model.decode(), {
            b"tokenizer.ggml.model": (8, text(model)), b"tokenizer.ggml.tokens": strings(*pieces),
            b"tokenizer.ggml.scores": array(6, 7, struct.pack("<7f", 0, 0, 0, -1, -2, -3, -4)),
            b"tokenizer.ggml.token_type": array(5, 7, struct.pack("<7i", 3, 3, 2, 1, 1, 1, 1)),
            b"tokenizer.ggml.eos_token_id": (4, struct.pack("<I", 1)),
            b"tokenizer.ggml.add_eos_token": (7, b"\1"),
            b"tokenizer.ggml.remove_extra_whitespaces": (7, b"\1"),
            b"general.name": (8, text(b"ab  ba x</s>"))}


def server_request_seeds():
    """A request of each kind with every kind of field, and some that are refused."""
    sampling = {"model": "a stop b", "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05,
                "repeat_penalty": 1.1, "seed": -1, "n": 2, "stop": ["stop", "\u00e9"],
                "ignore_eos": True, "activation_bits": 8, "stream": True,
                "stream_options": {"include_usage": True}, "frequency_penalty": 0, "user": "me"}
    yield "completion", {"prompt": ["a", [1, 2]], "max_tokens": 0, "echo": True, "logprobs": 5,
                         **sampling}
    yield "ids", {"prompt": [1, 2, 3], "best_of": 1, "suffix": None, "logit_bias": {}}
    yield "chat", {"messages": [{"role": "system", "content": "a"},
                                {"role": "user", "content": [{"type": "text", "text": "b"}]}],
                   "max_completion_tokens": 5, "logprobs": True, "top_logprobs": 2, "tools": [],
                   "chat_template_kwargs": {"enable_thinking": False}, "tool_choice": "none",
                   "response_format": {"type": "text"}, **sampling}
    yield "tokenize", {"content": "a", "add_special": True, "with_pieces": True}
    yield "detokenize", {"tokens": [1, 2, 3]}
    yield "refused", {"prompt": "a", "n": 1e300, "stop": [[[[[[]]]]]], "seed": 2 ** 64}


def seeds():
    for name, content in server_request_seeds():
        yield "server_request", name, json.dumps(content).encode()
    for name, content in chat_template_seeds():
        yield "chat_template", name, content
    for name, content in torch_seeds():
        yield "torch", name, content
    for dtype in SAFETENSORS_TYPES:
        yield "safetensors", dtype.lower(), safetensors({"t": (dtype, [2, 3])})
    yield "safetensors", "empty", safetensors({})
    yield "safetensors", "several", safetensors(
        {"wte.weight": ("F16", [4, 2]), "bias": ("F32", [2]), "scalar": ("F32", []),
         "none": ("F32", [0, 3])}, {"format": "pt", "other": "\u00e9\n"})

    scalars = {b"u8": (0, b"\1"), b"i8": (1, b"\1"), b"u16": (2, b"\1\0"), b"i16": (3, b"\1\0"),
               b"u32": (4, b"\1\0\0\0"), b"i32": (5, b"\1\0\0\0"), b"f32": (6, bytes(4)),
               b"bool": (7, b"\1"), b"string": (8, text(b"llama")), b"u64": (10, bytes(8)),
               b"i64": (11, bytes(8)), b"f64": (12, bytes(8))}
    arrays = {b"tokenizer.ggml.tokens": array(8, 3, text(b"<s>") + text(b"") + text(b"\xe2\x96")),
              b"tokenizer.ggml.scores": array(6, 3, bytes(12)),
              b"general.alignment": (4, struct.pack("<I", 32))}
    yield "gguf", "scalars", gguf(scalars, {})
    yield "gguf", "arrays", gguf(arrays, {b"w": ("F32", [2, 2])}, version=2)
    yield "gguf", "empty", gguf({}, {})
    for name, pairs in gguf_vocabulary_seeds():
        yield "gguf", name, gguf(pairs, {})
    for kind, (_, elements, _) in GGUF_TYPES.items():
        yield "gguf", kind.lower(), gguf({}, {b"w": (kind, [elements, 2]), b"b": ("F32", [3])})


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/fuzz/seeds")
    for folder, name, content in seeds():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
