#!/usr/bin/env python3
"""octet plant-outliers: the same function, told from the command line.

usage: tests/cli/plant_outliers_test.py [--octet build/release/octet] [unittest arguments]
"""

import unittest

from cli import CliTest, MODELS, needs, octet, STORIES


class PlantOutliers(CliTest):
    def plant(self, model, *arguments):
        return octet("plant-outliers", "-m", model, "-o", self.scratch / "planted", *arguments)

    @needs(STORIES)
    def test_the_planted_model_gives_the_same_text(self):
        out = self.scratch / "planted"
        result = self.json_of("plant-outliers", "-m", STORIES, "-o", out, "--dimensions", "1,2,60")
        self.assertEqual((result["dimensions"], result["gain"]), ([1, 2, 60], 32))
        self.assertEqual((result["norms"], result["matrices"]), (10, 25))
        arguments = ("--method", "fp32", "-p", "Once upon a time", "-n", 40, "-s", 5)
        planted = self.json_of("generate", "-m", out, *arguments)
        natural = self.json_of("generate", "-m", STORIES, *arguments)
        self.assertEqual(planted["tokens"], natural["tokens"])
        self.expect_error(self.plant(STORIES, "--dimensions", "1"), 1, out, "not empty")

    @needs(STORIES)
    def test_dimensions_that_are_not_there(self):
        self.expect_error(self.plant(STORIES, "--dimensions", "3,64"), 1, STORIES, "dimension 64")
        self.expect_error(self.plant(STORIES, "--dimensions", "3,3"), 1, "dimension 3", "twice")
        for dimensions in ("", "1,,2", "1,x", "-1"):
            with self.subTest(dimensions=dimensions):
                self.expect_error(self.plant(STORIES, f"--dimensions={dimensions}"), 2, "--help")
        self.assertFalse((self.scratch / "planted").exists())

    def test_gains_that_are_no_powers_of_two(self):
        for gain in ("33", "1", "0", "-32", "0.5", "131072", "nan", "x"):
            with self.subTest(gain=gain):
                result = self.plant("x", "--dimensions", "1", f"--gain={gain}")
                self.expect_error(result, 2, "--gain", "--help")

    @needs(MODELS / "tiny-opt-350m-style")
    def test_a_model_with_norms_behind_the_blocks(self):
        model = MODELS / "tiny-opt-350m-style"
        result = self.plant(model, "--dimensions", "1")
        self.expect_error(result, 1, model, "opt", "after the blocks")
        self.assertFalse((self.scratch / "planted").exists())

    @needs(MODELS / "tiny-llama-bnb8")
    def test_a_quantised_model(self):
        model = MODELS / "tiny-llama-bnb8"
        self.expect_error(self.plant(model, "--dimensions", "1"), 1, model, "original")


if __name__ == "__main__":
    unittest.main(verbosity=2)
