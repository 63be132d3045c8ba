#!/usr/bin/env python3
"""octet sweep: gains of planted outliers × methods, resuming, the page it writes.

usage: tests/cli/sweep_test.py [--octet build/release/octet] [unittest arguments]
"""

import os
import shutil
import signal
import subprocess
import time
import unittest

from cli import CliTest, MODELS, OCTET, needs, octet
from tiny_model import write_tiny_model

TEXT = "Whatever stands here is read byte by byte, and every byte is a token. " * 6


class Sweep(CliTest):
    def setUp(self):
        super().setUp()
        self.model = write_tiny_model(self.scratch / "tiny")
        self.text = self.scratch / "text.txt"
        self.text.write_text(TEXT)

    def arguments(self, *more):
        return ("sweep", "-m", self.model, "-f", self.text, "-c", 64, "--chunks", 4, *more)

    def rows(self, *more):
        """Cells by (method, bits), in the order of the gains."""
        result = self.json_of(*self.arguments(*more))
        rows = {}
        for cell in result["results"]:
            rows.setdefault((cell["method"], cell["activation_bits"]), []).append(cell)
        for cells in rows.values():
            self.assertEqual([cell["gain"] for cell in cells], result["gains"])
        return rows

    def test_outliers_ruin_absmax_and_nothing_else(self):
        rows = self.rows("--gains", "64,1,8", "--count", 3)
        fp32 = [cell["mean_nll"] for cell in rows["fp32", 32]]
        self.assertEqual(fp32[0], fp32[1])
        self.assertEqual(fp32[0], fp32[2])
        self.assertEqual([cell["kl_mean"] for cell in rows["fp32", 32]], [0, 0, 0])
        rise = {row: cells[2]["kl_mean"] / cells[0]["kl_mean"] for row, cells in rows.items()
                if row[0] != "fp32"}
        # A scale 64 times as wide leaves codes 64 times as coarse, errors up to 64² times as large.
        self.assertGreater(rise["absmax-vectorwise", 8], 10)
        self.assertGreater(rise["absmax", 8], 10)
        for bits in (8, 16):
            self.assertLess(rise["llm-int8", bits], 2)

    def test_gain_1_is_the_model_as_it_is_and_others_are_planted_files(self):
        rows = self.rows("--gains", "1,32", "--dimensions", "3,30", "--method", "absmax,llm-int8")
        planted = self.scratch / "planted"
        octet("plant-outliers", "-m", self.model, "-o", planted, "--dimensions", "3,30", "--gain", 32)
        for place, model in enumerate((self.model, planted)):
            scored = self.json_of("perplexity", "-m", model, "-f", self.text, "-c", 64, "--chunks", 4,
                                  "--method", "absmax,llm-int8", "--reference", "fp32")["results"]
            for row in scored:
                cell = rows[row["method"], row["activation_bits"]][place]
                for figure in ("mean_nll", "stderr", "kl_mean", "kl_p99", "top1_agreement",
                               "weights_bytes", "kept_columns_share"):
                    self.assertEqual(cell.get(figure), row.get(figure), (row["method"], figure))

    def test_dimensions_are_spread_evenly_or_chosen(self):
        result = self.json_of(*self.arguments("--gains", "1", "--method", "fp32", "--count", 6))
        self.assertEqual(result["dimensions"], [4, 12, 20, 28, 36, 44])
        self.assertEqual(result["breakdowns"], [{"method": "fp32", "activation_bits": 32, "gain": None}])
        result = self.json_of(*self.arguments("--gains", "2", "--method", "fp32", "--dimensions", "7,3"))
        self.assertEqual(result["dimensions"], [7, 3])
        self.expect_error(octet(*self.arguments("--count", 49)), 1, "--count 49", "48")
        self.expect_error(octet(*self.arguments("--dimensions", "48", "--gains", "2")), 1,
                          "dimension 48")

    def test_finished_cells_are_not_run_again(self):
        kept = self.scratch / "kept.jsonl"
        arguments = self.arguments("--gains", "1,16", "--method", "fp32,absmax", "--resume", kept)
        first = self.json_of(*arguments)
        lines = kept.read_bytes().splitlines(keepends=True)
        self.assertEqual(len(lines), 4)
        # The same command takes every figure from there, speeds included.
        self.assertEqual(self.json_of(*arguments), first)
        self.assertEqual(kept.read_bytes(), b"".join(lines))
        # A run that ended inside a line: what was whole is kept, the rest is run.
        kept.write_bytes(lines[0] + lines[1][:100])
        again = self.json_of(*arguments)
        self.assertEqual(kept.read_bytes().splitlines(keepends=True)[0], lines[0])
        self.assertEqual(len(kept.read_bytes().splitlines()), 4)
        for before, after in zip(first["results"], again["results"]):
            self.assertEqual(before["mean_nll"], after["mean_nll"])
        # Other windows, text, dimensions or model are other cells.
        self.json_of(*arguments, "--chunks", 3)
        self.assertEqual(len(kept.read_bytes().splitlines()), 8)
        self.json_of(*arguments, "--dimensions", "1")  # the two natural cells stay
        self.assertEqual(len(kept.read_bytes().splitlines()), 10)
        self.text.write_text(TEXT + "!")
        self.json_of(*arguments)
        self.assertEqual(len(kept.read_bytes().splitlines()), 14)
        kept.write_text("something else\n")
        self.expect_error(octet(*arguments), 1, kept, "line 1", "octet sweep")

    def test_an_interrupted_sweep_goes_on(self):
        kept = self.scratch / "kept.jsonl"
        self.text.write_text(TEXT * 40)
        arguments = self.arguments("--resume", kept, "--method", "all", "--chunks", 200, "-t", 1)
        process = subprocess.Popen([OCTET, *map(str, arguments)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (kept.exists() and kept.read_bytes()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, messages = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (130, b""))
        self.assertIn(b"the same command goes on", messages)
        lines = kept.read_bytes().splitlines()
        self.assertTrue(1 <= len(lines) < 84, len(lines))
        self.assertEqual(octet(*arguments).returncode, 0)
        self.assertEqual(kept.read_bytes().splitlines()[:len(lines)], lines)
        self.assertEqual(len(kept.read_bytes().splitlines()), 84)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not here")
    def test_the_page_holds_all_and_fetches_nothing(self):
        html, svg = self.scratch / "sweep.html", self.scratch / "sweep.svg"
        result = octet(*self.arguments("--gains", "1,16", "--html", html, "--svg", svg))
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        page = html.read_text()
        self.assertEqual(page.count("<svg"), 2)
        self.assertEqual(page.count("<table"), 2)
        for word in ("absmax-vectorwise", "llm-int8", "×16", "breaks down from"):
            self.assertIn(word, page)
        for outside in ("src=", "<link", "@import", "url(", "<script"):
            self.assertNotIn(outside, page)
        self.assertTrue(svg.read_text().startswith("<svg"))
        for flag in ("--html", "--svg"):
            wrong = self.scratch / "no such" / "x"
            self.expect_error(octet(*self.arguments(flag, wrong)), 1, flag, wrong.parent)

    def test_without_gnuplot_tables_are_still_written(self):
        bare = {**os.environ, "PATH": str(self.scratch)}
        arguments = self.arguments("--gains", "1", "--method", "fp32")
        self.assertEqual(octet(*arguments, env=bare).returncode, 0)
        self.expect_error(octet(*arguments, "--html", self.scratch / "x", env=bare), 1, "gnuplot-nox")

    def test_what_cannot_be_meant(self):
        for gains in ("3", "0", "1,,2", "x", "131072"):
            with self.subTest(gains=gains):
                self.expect_error(octet(*self.arguments("--gains", gains)), 2, "--gains", "--help")
        self.expect_error(octet(*self.arguments("-c", 1)), 2, "--ctx-size")
        self.expect_error(octet(*self.arguments("-c", 500)), 1, self.text, "no window of 500")
        self.expect_error(octet(*self.arguments("--reference", "int4")), 2, "--reference")

    @needs(MODELS / "tiny-llama-bnb8")
    def test_a_quantised_model(self):
        model = MODELS / "tiny-llama-bnb8"
        self.expect_error(octet("sweep", "-m", model, "-f", self.text, "-c", 16, "--gains", "2"), 1, model)


if __name__ == "__main__":
    unittest.main(verbosity=2)
