#!/usr/bin/env python3
"""octet perplexity: reference figures, comparison of methods, saved log-probabilities.

usage: tests/cli/perplexity_test.py [--octet build/release/octet] [unittest arguments]
"""

import math
import unittest

from cli import CliTest, MODELS, needs, octet, reference, SHARED, STORIES


class Perplexity(CliTest):
    @needs(STORIES)
    def test_stories_perplexity_per_document(self):
        texts = SHARED / "data/perplexity/tinystories_1000.json"
        if not texts.exists():
            self.skipTest(f"{texts} is not here")
        result = self.json_of("perplexity", "-m", STORIES, "-f", texts, "--per-document",
                              "--add-bos", "--limit", 100, "-c", 512, "--method", "fp32")
        self.assertEqual(result["windows"], 100)
        self.assertAlmostEqual(result["results"][0]["perplexity"], 5.279827, delta=1e-4)

    def test_ids_give_the_reference_logits(self):
        for name in ("tiny-gpt2", "tiny-opt", "tiny-llama"):
            if not (MODELS / name).exists():
                self.skipTest(f"{MODELS / name} is not here")
            with self.subTest(model=name):
                expected = reference(name)
                ids = ",".join(map(str, expected["input_ids"]))
                positions = ",".join(map(str, expected["positions"]))
                result = self.json_of("perplexity", "-m", MODELS / name, "--ids", ids,
                                      "--logits-at", positions, "--method", "fp32")["results"][0]
                self.assertAlmostEqual(result["mean_nll"], expected["mean_nll"], delta=1e-5)
                self.assertEqual(len(result["logprobs"]), len(expected["input_ids"]))
                self.assertIsNone(result["logprobs"][0])
                self.assertAlmostEqual(-sum(result["logprobs"][1:]) / (len(result["logprobs"]) - 1),
                                       result["mean_nll"], places=12)
                for row, wanted in zip(result["logits"], expected["logits"], strict=True):
                    for value, other in zip(row, wanted, strict=True):
                        self.assertLessEqual(abs(value - other), 1e-4 + 1e-5 * abs(other))

    def text_file(self):
        path = self.scratch / "text.txt"
        path.write_text("Once upon a time there was a little girl named Lily. She liked to play "
                        "outside in the park with her friends. One day she saw a big dog.\n" * 8)
        return path

    @needs(STORIES)
    def test_methods_are_compared_with_a_reference(self):
        result = self.json_of("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64,
                              "--chunks", 3, "--method", "fp32,llm-int8,absmax",
                              "--reference", "fp32")
        self.assertEqual(result["windows"], 3)
        self.assertEqual(result["tokens"], 3 * 63)
        self.assertGreater(result["text_tokens"], 3 * 64)
        same, int8, absmax = result["results"]
        self.assertEqual([row["method"] for row in result["results"]],
                         ["fp32", "llm-int8", "absmax"])
        self.assertEqual(same["kl_mean"], 0)
        self.assertEqual(same["kl_p99"], 0)
        self.assertEqual(same["top1_agreement"], 1)
        self.assertGreater(int8["kl_mean"], 0)
        self.assertLess(int8["kl_mean"], absmax["kl_mean"])
        self.assertLess(int8["weights_bytes"], same["weights_bytes"])
        self.assertEqual([row["activation_bits"] for row in result["results"]], [32, 16, 8])
        for row in result["results"]:
            self.assertAlmostEqual(row["perplexity"], math.exp(row["mean_nll"]), places=9)
            self.assertGreater(row["stderr"], 0)
            self.assertGreater(row["tokens_per_s"], 0)
            self.assertLessEqual(row["kl_mean"], row["kl_p99"] + 1e-12)

    @needs(STORIES)
    def test_all_is_every_method_and_both_widths(self):
        rows = self.json_of("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 32,
                            "--chunks", 1, "--method", "all")["results"]
        self.assertEqual([(row["method"], row["activation_bits"]) for row in rows],
                         [("fp32", 32), ("fp16", 16), ("bf16", 16), ("absmax", 8),
                          ("zeropoint", 8), ("absmax-rowwise", 8), ("absmax-vectorwise", 8),
                          ("zeropoint-vectorwise", 8), ("absmax-rowwise-decomp", 8),
                          ("llm-int8", 8), ("llm-int8-zeropoint", 8), ("llm-int8", 16)])

    @needs(STORIES)
    def test_saved_log_probabilities_stand_for_the_model(self):
        saved = self.scratch / "fp32.logprobs"
        common = ("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64)
        self.json_of(*common, "--method", "fp32", "--save-logprobs", saved)
        rows = [self.json_of(*common, "--method", "llm-int8", "--reference", reference)["results"][0]
                for reference in ("fp32", saved)]
        # The file holds floats: 2⁻²⁴ of at most 32 each, and a KL is a mean of such differences.
        self.assertAlmostEqual(rows[0]["kl_mean"], rows[1]["kl_mean"], delta=2.0**-18)
        self.assertEqual(rows[0]["top1_agreement"], rows[1]["top1_agreement"])
        self.expect_error(octet(*common, "--reference", saved, "-c", 32, "--json"), 1, saved)
        saved.write_bytes(saved.read_bytes()[:-1])
        self.expect_error(octet(*common, "--reference", saved, "--json"), 1, saved)
        self.expect_error(octet(*common, "--reference", "nothing", "--json"), 1, "--reference")

    @needs(STORIES)
    def test_a_table_without_json(self):
        result = octet("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64)
        self.assertEqual(result.returncode, 0)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual({line.count("|") for line in lines}, {10})


if __name__ == "__main__":
    unittest.main(verbosity=2)
