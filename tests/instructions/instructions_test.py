#!/usr/bin/env python3
"""Counts the instructions of one decode step with callgrind and compares them with a baseline.

usage: tests/instructions/instructions_test.py --octet build/release/octet --compiler "GNU 12.2.0"
       … --update    writes the baseline instead of comparing with it

Timing on a shared machine cannot tell a regression of 5% from noise; instruction counts can. Two
generations of a small random model that differ by some tokens run under valgrind; the difference
is what those steps cost, whatever loading and output take. The baseline is of one compiler; with
another, or without valgrind, the test is skipped (exit status 77).
"""

import argparse
import json
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
TOLERANCE = 0.05
SKIPPED = 77
FEW_TOKENS, MANY_TOKENS = 4, 20
CASES = {  # what is counted → flags of octet generate
    "llm-int8, 16-bit activations": (),
    "llm-int8, 8-bit activations": ("--activation-bits", 8),
    "bf16": ("--method", "bf16"),
}
CONFIG = {
    "model_type": "llama", "vocab_size": 256, "hidden_size": 128, "intermediate_size": 352,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "hidden_act": "silu", "tie_word_embeddings": False,
}


def write_model(folder):
    """config.json and model.safetensors of random f16 weights, the same every time."""
    numbers = random.Random(4)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    kv = hidden // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": (CONFIG["vocab_size"], hidden),
              "lm_head.weight": (CONFIG["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for layer in range(CONFIG["num_hidden_layers"]):
        base = f"model.layers.{layer}."
        shapes |= {base + "input_layernorm.weight": (hidden,),
                   base + "post_attention_layernorm.weight": (hidden,),
                   base + "self_attn.q_proj.weight": (hidden, hidden),
                   base + "self_attn.k_proj.weight": (kv, hidden),
                   base + "self_attn.v_proj.weight": (kv, hidden),
                   base + "self_attn.o_proj.weight": (hidden, hidden),
                   base + "mlp.gate_proj.weight": (inner, hidden),
                   base + "mlp.up_proj.weight": (inner, hidden),
                   base + "mlp.down_proj.weight": (hidden, inner)}
    header, data = {}, b""
    for name, shape in shapes.items():
        if len(shape) == 1:  # a norm; two features become outliers
            values = [16.0 if i in (3, 40) else 1.0 for i in range(shape[0])]
        else:
            values = [numbers.gauss(0, shape[1] ** -0.5) for _ in range(shape[0] * shape[1])]
        part = struct.pack(f"<{len(values)}e", *values)
        header[name] = {"dtype": "F16", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(CONFIG))


def count(octet, model, tokens, flags):
    """Instructions of a whole run, one thread, kernels that valgrind knows."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", octet, "generate",
               "-m", model, "--prompt-ids", "1,2,3", "-n", tokens, "--temp", 0, "--ignore-eos",
               "-t", 1, "--isa", "avx2", "--json", *flags]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode != 0 or not found:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    made = len(json.loads(result.stdout)["tokens"])
    if made != tokens:
        sys.exit(f"{made} tokens were generated instead of {tokens}")
    return int(found.group(1))


def per_step(octet, model, flags):
    few, many = (count(octet, model, tokens, flags) for tokens in (FEW_TOKENS, MANY_TOKENS))
    return (many - few) / (MANY_TOKENS - FEW_TOKENS)


def compare(counted, baseline):
    """Prints a line for each case; returns whether none grew beyond the tolerance."""
    fine = True
    for case, instructions in counted.items():
        before = baseline[case]
        change = instructions / before - 1
        verdict = "ok"
        if change > TOLERANCE:
            verdict, fine = "too many", False
        elif change < -TOLERANCE:
            verdict = "fewer: record it with --update"
        print(f"{case}: {instructions:.0f} instructions a step, baseline {before:.0f}, "
              f"{change:+.2%} {verdict}")
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octet", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True, help="its name and version")
    parser.add_argument("--update", action="store_true")
    given = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not here; tools/setup installs it")
        sys.exit(SKIPPED)
    recorded = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if not given.update and recorded.get("compiler") != given.compiler:
        print(f"skipped: the baseline is of {recorded.get('compiler')}, not {given.compiler}")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        write_model(pathlib.Path(folder))
        counted = {case: per_step(given.octet, folder, flags) for case, flags in CASES.items()}
    if given.update:
        BASELINE.write_text(json.dumps(
            {"compiler": given.compiler,
             "instructions_per_step": {case: round(n) for case, n in counted.items()}},
            indent=2) + "\n")
        print(BASELINE.read_text(), end="")
    elif not compare(counted, recorded["instructions_per_step"]):
        sys.exit("a decode step takes over 5% more instructions; if that is meant, run this test "
                 "again with --update and say why in the commit")


if __name__ == "__main__":
    main()
