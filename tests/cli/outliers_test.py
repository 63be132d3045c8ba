#!/usr/bin/env python3
"""octet outliers and octet threshold: JSON, pages, files of plots, and what is refused.

usage: tests/cli/outliers_test.py [--octet build/release/octet] [unittest arguments]
"""

import os
import signal
import subprocess
import time
import unittest

from cli import CliTest, OCTET, STORIES, needs, octet

STORY = ("Once upon a time, there was a little girl named Lily. She loved to play outside in the "
         "park with her friends and her big red ball. One day, she saw a small bird. ") * 30


@needs(STORIES)
class Outliers(CliTest):
    def setUp(self):
        super().setUp()
        self.text = self.scratch / "story.txt"
        self.text.write_text(STORY)
        self.common = ("-f", self.text, "-c", "64", "--chunks", "3")

    def planted(self):
        planted = self.scratch / "planted"
        result = octet("plant-outliers", "-m", STORIES, "-o", planted, "--dimensions", "3,40",
                       "--gain", "32")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return planted

    def test_finds_what_was_planted_and_what_it_is_worth(self):
        result = self.json_of("outliers", "-m", f"{STORIES},{self.planted()}", *self.common,
                              "--dimensions", "3,40", "--random-sets", "2")
        natural, planted = result["models"]
        new = set(planted["outlier_dimensions"]) - set(natural["outlier_dimensions"])
        self.assertEqual(new, {3, 40})
        self.assertEqual(natural["perplexity"], planted["perplexity"])
        # Without them both are the same function again: to the last bit.
        self.assertEqual(natural["ablation"], planted["ablation"])
        self.assertEqual(len(planted["ablation"]["random"]), 2)
        self.assertEqual(planted["tokens"], 3 * 64)
        for outlier in planted["outliers"]:
            self.assertGreaterEqual(outlier["layers"], 0.25)
            self.assertGreaterEqual(outlier["positions"], 0.06)
        for kind in ("qkv", "o", "up", "down"):
            self.assertEqual(len(planted["column_share"][kind]), planted["layers"])

    def test_models_may_be_repeated_and_the_page_is_whole(self):
        page, plots = self.scratch / "page.html", self.scratch / "plots"
        result = octet("outliers", "-m", STORIES, "-m", self.planted(), *self.common,
                       "--random-sets", "1", "--html", page, "--svg", plots)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        text = result.stdout.decode()
        self.assertIn("Outliers of planted and not of stories260K: 3, 40.", text)
        html = page.read_text()
        self.assertEqual(html.count("<svg"), 6)
        self.assertNotIn("src=", html)
        self.assertEqual(len(list(plots.glob("*.svg"))), 6)

    def test_a_study_of_thresholds_agrees_with_perplexity(self):
        page = self.scratch / "page.html"
        result = self.json_of("threshold", "-m", STORIES, *self.common, "--thresholds", "0,1e6",
                              "--activation-bits", "8", "--html", page)
        self.assertEqual([point["threshold"] for point in result["together"]], [0, 6, 1e6])
        # Nothing reaches a million, which is off then, for all layers and for each kind.
        self.assertEqual(result["together"][0]["kl_mean"], result["together"][2]["kl_mean"])
        for points in result["by_kind"].values():
            self.assertEqual(points[0]["kl_mean"], points[2]["kl_mean"])
            self.assertEqual(points[1]["kl_mean"], result["together"][1]["kl_mean"])
        self.assertEqual(page.read_text().count("<svg"), 2)
        # What is recommended can be given to every command as it stands.
        score = self.json_of("perplexity", "-m", STORIES, *self.common, "--activation-bits", "8",
                             "--reference", "fp32", "--threshold",
                             result["recommended_threshold"])["results"][0]
        self.assertEqual(score["kl_mean"], result["chosen"]["kl_mean"])

    def test_thresholds_of_kinds_reach_results_and_quantised_directories(self):
        out = self.scratch / "int8"
        asked = "6,down=2"
        self.assertEqual(octet("quantize", "-m", STORIES, "-o", out, "--threshold",
                               asked).returncode, 0)
        results = [self.json_of("perplexity", "-m", model, *self.common, *flags)["results"][0]
                   for model, flags in ((STORIES, ("--threshold", asked)), (out, ()))]
        for result in results:
            self.assertEqual(result["thresholds"], asked)
            self.assertEqual(result["threshold"], 6)
        self.assertEqual(results[0]["mean_nll"], results[1]["mean_nll"])
        self.expect_error(octet("perplexity", "-m", out, *self.common, "--threshold", "6"), 1,
                          f"--threshold {asked}")
        self.expect_error(octet("quantize", "-m", STORIES, "-o", self.scratch / "x", "--format",
                                "bitsandbytes", "--threshold", asked), 1, "one threshold")

    def test_wrong_usage(self):
        for arguments in [("outliers", "-m", STORIES), ("outliers", "-f", self.text),
                          ("outliers", "-m", STORIES, *self.common, "--threshold", "0"),
                          ("outliers", "-m", STORIES, *self.common, "--dimensions", "1,x"),
                          ("outliers", "-m", f"{STORIES},", *self.common),
                          ("threshold", "-m", STORIES, *self.common, "--thresholds", "6,-1"),
                          ("threshold", "-m", STORIES, *self.common, "--threshold", "6,down=3"),
                          ("threshold", "-m", STORIES, *self.common, "--method", "bf16"),
                          ("plan", "-m", STORIES, "--threshold", "down=3"),
                          ("generate", "-m", STORIES, "-p", "x", "--threshold", "6,,7"),
                          ("generate", "-m", STORIES, "-p", "x", "--threshold", "gate=7"),
                          ("generate", "-m", STORIES, "-p", "x", "--threshold", "6,down=nan")]:
            with self.subTest(arguments=arguments):
                self.expect_error(octet(*arguments), 2, "--help")

    def test_what_cannot_be_measured_is_said_in_a_line(self):
        broken = self.scratch / "broken.json"
        broken.write_text('[{"text": 3}]')
        for command in ("outliers", "threshold"):
            short = (command, "-m", STORIES, "-f", self.text, "-c", "500000")
            self.expect_error(octet(command, "-m", STORIES, "-f", self.scratch / "none.txt"), 1,
                              "none.txt")
            self.expect_error(octet(command, "-m", STORIES, "-f", broken), 1, "broken.json")
            self.expect_error(octet(*short), 1, "make no window")
        self.expect_error(octet("outliers", "-m", STORIES, *self.common, "--dimensions", "64"), 1,
                          "dimension 64")

    def test_a_quantised_directory_is_refused(self):
        out = self.scratch / "int8"
        self.assertEqual(octet("quantize", "-m", STORIES, "-o", out).returncode, 0)
        for command in ("outliers", "threshold"):
            self.expect_error(octet(command, "-m", out, *self.common), 1, "original checkpoint")

    def test_a_page_without_gnuplot_names_the_package(self):
        bare = {**os.environ, "PATH": "/nonexistent"}
        self.expect_error(octet("outliers", "-m", STORIES, *self.common, "--random-sets", "0",
                                "--html", self.scratch / "page.html", env=bare), 1,
                          "apt-get install gnuplot-nox")

    def test_a_page_without_a_folder_is_said_before_the_work(self):
        for command in ("outliers", "threshold"):
            self.expect_error(octet(command, "-m", STORIES, *self.common, "--html",
                                    self.scratch / "none" / "page.html"), 1, "no folder")

    def test_ctrl_c_ends_it(self):
        process = subprocess.Popen([OCTET, "outliers", "-m", str(STORIES), "-f", str(self.text),
                                    "--random-sets", "1000", "--dimensions", "1"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (130, b""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
