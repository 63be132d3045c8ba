#!/usr/bin/env python3
"""octet report: every section, a verdict that follows from its own figures, nothing from outside.

usage: tests/cli/report_test.py [--octet build/release/octet] [unittest arguments]
"""

import shutil
import unittest

from cli import CliTest, octet
from tiny_model import write_tiny_model

TEXT = "Whatever stands here is read byte by byte, and every byte is a token. " * 6


class Report(CliTest):
    def setUp(self):
        super().setUp()
        self.model = write_tiny_model(self.scratch / "tiny")
        self.text = self.scratch / "text.txt"
        self.text.write_text(TEXT)

    def arguments(self, *more):
        return ("report", "-m", self.model, "-f", self.text, "-c", 64, "--chunks", 2, *more)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not here")
    def test_the_page_has_every_section_and_fetches_nothing(self):
        html = self.scratch / "report.html"
        result = octet(*self.arguments("--sweep", "--html", html))
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        page = html.read_text()
        for section in ("Is int8 safe for tiny?", "When not to use it", "The rules", "Table 1",
                        "Outlier features", "Outlier columns", "Ablation", "Phase transition",
                        "Generated text and structured output", "Memory and speed",
                        "How this was measured"):
            self.assertIn(section, page)
        for outside in ("src=", "<link", "@import", "url(", "<script"):
            self.assertNotIn(outside, page)
        self.assertGreaterEqual(page.count("<svg"), 4)
        self.assertIn("octet report -m", page)

    def test_without_a_page_nothing_is_drawn(self):
        result = octet(*self.arguments("--method", "absmax,llm-int8"), env={"PATH": str(self.scratch)})
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertIn("When not to use it", result.stdout.decode())

    def test_the_verdict_follows_from_the_figures(self):
        result = self.json_of(*self.arguments("--method", "all", "--resume", self.scratch / "kept"))
        self.assertEqual(len(result["results"]), 12)
        rank = {"safe": 0, "with care": 1, "not safe": 2}
        int8 = [row for row in result["results"] if row["verdict"] is not None]
        self.assertEqual(len(int8), 9)
        best = min(int8, key=lambda row: (rank[row["verdict"]], row["kl_mean"]))
        self.assertEqual((best["method"], best["activation_bits"]),
                         (result["recommended"]["method"], result["recommended"]["activation_bits"]))
        self.assertEqual(result["verdict"], best["verdict"])
        reference = result["results"][0]["perplexity"]
        for row in int8:
            upper = row["kl_mean"] + 2 * row["kl_stderr"]
            ratio, same = row["perplexity"] / reference, row["top1_agreement"]
            if ratio > 1.03 or upper > 0.05 or same < 0.9:
                self.assertEqual(row["verdict"], "not safe", row)
            elif ratio > 1.01 or upper > 0.005 or same < 0.95:
                self.assertEqual(row["verdict"], "with care", row)
            else:
                self.assertNotEqual(row["verdict"], "not safe", row)
        methods = [(row["method"], row["activation_bits"]) for row in result["continuations"]]
        self.assertEqual(methods[:4], [("fp16", 16), ("bf16", 16), ("llm-int8", 16), ("llm-int8", 8)])
        self.assertEqual(len((self.scratch / "kept").read_text().splitlines()), 12)

    def test_a_reference_is_added_where_it_was_not_asked_for(self):
        result = self.json_of(*self.arguments("--method", "bf16"))
        self.assertEqual([row["method"] for row in result["results"]], ["fp32", "bf16"])
        self.assertNotIn("verdict", result)

    def test_without_a_text_the_model_writes_one_the_same_every_time(self):
        arguments = ("report", "-m", self.model, "-c", 128, "--chunks", 2, "--method", "fp32,llm-int8")
        first, second = self.json_of(*arguments), self.json_of(*arguments)
        self.assertEqual(first["text"], "the model's own writing")
        self.assertEqual(first["windows"], 2)
        for one, other in zip(first["results"], second["results"]):
            self.assertEqual(one["mean_nll"], other["mean_nll"])
        self.expect_error(octet("report", "-m", self.model, "-c", 16), 1, "too short", "-f")
        self.expect_error(octet("report", "-m", self.model, "-c", 1), 2, "--ctx-size")

    def test_what_does_not_fit(self):
        self.expect_error(octet(*self.arguments("-c", 500)), 1, self.text, "no window of 500")
        wrong = self.scratch / "no such" / "x"
        self.expect_error(octet(*self.arguments("--html", wrong)), 1, "--html", wrong.parent)
        quantised = self.scratch / "int8"
        octet("quantize", "-m", self.model, "-o", quantised)
        self.expect_error(octet("report", "-m", quantised, "-f", self.text, "-c", 64), 1, quantised,
                          "original")


if __name__ == "__main__":
    unittest.main(verbosity=2)
