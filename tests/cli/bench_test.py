#!/usr/bin/env python3
"""octet bench: its JSON, its tables and what it refuses.

usage: tests/cli/bench_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import CliTest, ISAS, needs, octet, STORIES


class Bench(CliTest):
    QUICK = ("-t", 2, "--seconds", 0)

    def config(self, **changes):
        path = self.scratch / "config.json"
        path.write_text(json.dumps({
            "model_type": "llama", "vocab_size": 96, "hidden_size": 64, "intermediate_size": 160,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 128} | changes))
        return path

    def expect_roofline(self, result):
        for key in ("int8_tops", "bf16_tflops", "float32_tflops", "dram_gb_per_s"):
            self.assertGreater(result["roofline"][key], 0)
        self.assertEqual(result["threads"], 2)
        self.assertIn(result["isa"], ISAS)

    def expect_speeds(self, result, prompt, batches):
        self.expect_roofline(result)
        self.assertEqual(result["prompt_tokens"], prompt)
        self.assertGreater(result["prompt_tokens_per_s"], 0)
        self.assertGreater(result["prompt_share_of_peak"], 0)
        self.assertEqual([one["batch"] for one in result["decode"]], batches)
        dram = result["roofline"]["dram_gb_per_s"]
        for one in result["decode"]:
            step_s = one["batch"] / one["tokens_per_s"]
            self.assertAlmostEqual(one["gb_per_s"] * step_s * 1e9 / result["step_weight_bytes"], 1)
            self.assertAlmostEqual(one["share_of_dram"] * dram / one["gb_per_s"], 1)

    def test_random_weights_of_a_config_in_json(self):
        for flags, method, bits in [((), "llm-int8", 16),
                                    (("--activation-bits", 8), "llm-int8", 8),
                                    (("--outliers", "batch"), "llm-int8", 16),
                                    (("--method", "bf16"), "bf16", 16)]:
            with self.subTest(flags=flags):
                result = self.json_of("bench", "--config", self.config(), "-p", 5, "-n", 2, "-b",
                                      "1,3", *self.QUICK, *flags)
                self.expect_speeds(result, 5, [1, 3])
                self.assertEqual(result["method"], method)
                self.assertEqual(result["activation_bits"], bits)
                self.assertTrue(result["weights_fit_cache"])

    @needs(STORIES)
    def test_a_model_in_json_and_in_markdown(self):
        arguments = ("bench", "-m", STORIES, "-p", 7, "-n", 3, "-b", "2", *self.QUICK)
        result = self.json_of(*arguments)
        self.expect_speeds(result, 7, [2])
        self.assertEqual(result["model"], str(STORIES))
        text = octet(*arguments).stdout.decode()
        table = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len({len(line) for line in table}), 1, text)
        self.assertRegex(table[2], r"^\| prompt of 7 +\| +[\d.]+ \|")
        self.assertRegex(table[3], r"^\| decode 3, batch 2 +\| +[\d.]+ \|")
        self.assertIn("the last-level cache", text)

    def test_products_in_json(self):
        result = self.json_of("bench", "--matmul", "64,96", "--rows", "1,5", *self.QUICK)
        self.expect_roofline(result)
        shapes = [(one["inputs"], one["outputs"], one["rows"]) for one in result["matmul"]]
        self.assertEqual(list(dict.fromkeys(shapes)),
                         [(64, 256, 1), (64, 256, 5), (96, 384, 1), (96, 384, 5)])
        variants = [one["variant"] for one in result["matmul"][:6]]
        self.assertEqual(len(set(variants)), 6)
        self.assertEqual(variants[0], "bf16")
        for one in result["matmul"]:
            self.assertGreater(one["microseconds"], 0)
            self.assertGreater(one["share_of_peak"], 0)
            self.assertGreater(one["share_of_dram"], 0)
            if one["variant"] == "bf16":
                self.assertEqual(one["speedup_over_16bit"], 1)

    def test_the_machine_alone(self):
        self.expect_roofline(self.json_of("bench", "--roofline", "-t", 2))
        text = octet("bench", "--roofline", "-t", 2).stdout.decode()
        for word in ("int8", "TOPS", "DRAM", "GB/s"):
            self.assertIn(word, text)

    def test_bad_configs_are_refused(self):
        self.expect_error(octet("bench", "--config", self.scratch / "absent.json"), 1, "absent.json")
        self.expect_error(octet("bench", "--config", self.config(model_type="none")), 1,
                          "config.json", "model_type")
        self.expect_error(octet("bench", "--config", self.config(hidden_size="wide")), 1,
                          "hidden_size")


if __name__ == "__main__":
    unittest.main(verbosity=2)
