#!/usr/bin/env python3
"""Writes small sound files for the fuzzers to start from: make-fuzz-seeds.py [DIRECTORY].

One folder per format below DIRECTORY (default build/fuzz/seeds).
"""
import json
import pathlib
import struct
import sys

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


def seeds():
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
    for kind, (_, elements, _) in GGUF_TYPES.items():
        yield "gguf", kind.lower(), gguf({}, {b"w": (kind, [elements, 2]), b"b": ("F32", [3])})


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/fuzz/seeds")
    for folder, name, content in seeds():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
