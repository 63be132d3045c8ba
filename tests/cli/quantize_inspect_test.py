#!/usr/bin/env python3
"""octet quantize and octet inspect.

usage: tests/cli/quantize_inspect_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import CliTest, needs, octet, STORIES


class QuantizeAndInspect(CliTest):
    @needs(STORIES)
    def test_a_quantized_directory_gives_the_same_text(self):
        arguments = ("-p", "Once upon a time", "-n", 40, "-s", 5)
        for method in ("llm-int8", "absmax-vectorwise", "zeropoint"):
            with self.subTest(method=method):
                out = self.scratch / method
                done = octet("quantize", "-m", STORIES, "-o", out, "--method", method)
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                self.assertIn(str(out).encode(), done.stdout)
                direct = self.json_of("generate", "-m", STORIES, "--method", method, *arguments)
                stored = self.json_of("generate", "-m", out, *arguments)
                self.assertEqual(stored["method"], method)
                self.assertEqual(stored["tokens"], direct["tokens"])
                self.expect_error(octet("quantize", "-m", STORIES, "-o", out), 1, out)

    @needs(STORIES)
    def test_quantize_writes_bitsandbytes_checkpoints_that_generate(self):
        out = self.scratch / "bitsandbytes"
        result = self.json_of("quantize", "-m", STORIES, "--format", "bitsandbytes", "-o", out)
        self.assertEqual(result["format"], "bitsandbytes")
        self.assertLess(result["weights_bytes"], result["weights_bytes_16bit"])
        self.assertEqual(self.json_of("inspect", "-m", out)["format"], "bitsandbytes")
        stored = self.json_of("generate", "-m", out, "--prompt-ids", "1", "-n", "4")
        self.assertEqual(len(stored["tokens"]), 4)
        self.expect_error(octet("quantize", "-m", STORIES, "-o", self.scratch / "x", "--format",
                                "bitsandbytes", "--method", "zeropoint"), 1, "--format")
        self.expect_error(octet("quantize", "-m", out, "-o", self.scratch / "x", "--format",
                                "bitsandbytes"), 1, out)
        self.assertFalse((self.scratch / "x").exists())

    @needs(STORIES)
    def test_inspect_counts_parameters_and_bytes(self):
        result = self.json_of("inspect", "-m", STORIES)
        config = json.loads((STORIES / "config.json").read_text())
        self.assertEqual(result["parameters"], 260032)
        self.assertEqual(result["bytes"]["float32"], 4 * 260032)
        self.assertEqual(result["bytes"]["float16"], 2 * 260032)
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        kv = hidden * config["num_key_value_heads"] // config["num_attention_heads"]
        layers = config["num_hidden_layers"]
        linear = layers * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * inner)
        outputs = layers * (2 * hidden + 2 * kv + 2 * inner + hidden)
        self.assertEqual(result["bytes"]["int8"], linear + 4 * outputs + 2 * (260032 - linear))
        self.assertEqual(result["architecture"]["layers"], layers)
        text = octet("inspect", "-m", STORIES)
        self.assertEqual(text.returncode, 0)
        self.assertIn(b"260032", text.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
