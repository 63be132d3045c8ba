#!/usr/bin/env python3
"""octet continuations: texts beside the reference's, and what parses.

usage: tests/cli/continuations_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import CliTest, octet
from tiny_model import write_tiny_model


class Continuations(CliTest):
    def setUp(self):
        super().setUp()
        self.model = write_tiny_model(self.scratch / "tiny")

    def arguments(self, *more):
        return ("continuations", "-m", self.model, "-n", 40, *more)

    def test_only_another_method_goes_another_way(self):
        result = self.json_of(*self.arguments("--method", "fp16,llm-int8,absmax"))
        methods = {method["method"]: method for method in result["methods"][1:]}
        self.assertEqual(result["methods"][0]["method"], "fp16")
        self.assertEqual(result["methods"][0]["prompts"], methods["fp16"]["prompts"])
        for prompt in methods["fp16"]["prompts"]:
            self.assertIsNone(prompt["first_divergence"])
            self.assertEqual(prompt["agreement"], 1)
        apart = [prompt for prompt in methods["absmax"]["prompts"]
                 if prompt["first_divergence"] is not None]
        self.assertGreater(len(apart), 3)
        for prompt in apart:
            self.assertLess(prompt["agreement"], 1)
        self.assertEqual([kind["kind"] for kind in result["methods"][0]["kinds"]],
                         ["prose", "python", "json"])
        for method in result["methods"]:
            for kind in method["kinds"]:
                self.assertEqual(kind["prompts"], 4)
                self.assertEqual(kind["parses"] + kind["broken"] + kind["unfinished"] +
                                 kind["not_checked"], 4)

    def test_a_users_own_prompts(self):
        prompts = self.scratch / "prompts.jsonl"
        prompts.write_text('{"kind": "json", "text": "{}"}\n'
                           '{"kind": "python", "text": "def f(:", "name": "wrong"}\n'
                           '{"kind": "code", "text": "int f("}\n')
        result = self.json_of(*self.arguments("--prompts", prompts, "--method", "llm-int8"))
        for method in result["methods"]:
            checks = [(prompt["name"], prompt["check"]) for prompt in method["prompts"]]
            self.assertEqual(checks[0], ("line 1", "parses"))
            self.assertIn(checks[1], [("wrong", check) for check in ("broken", "unfinished", "not checked")])
            self.assertEqual(checks[2], ("line 3", "not checked"))
        for wrong in ('{"kind": "json"}', "text", ""):
            prompts.write_text(wrong)
            self.expect_error(octet(*self.arguments("--prompts", prompts)), 1, prompts)

    def test_a_table_says_when_python_is_missing(self):
        result = octet(*self.arguments("--method", "llm-int8"), env={"PATH": str(self.scratch)})
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        lines = result.stdout.decode().splitlines()
        self.assertEqual(sum(line.startswith("| llm-int8") for line in lines), 3)
        self.assertIn("python3 is not installed", lines[-1])

    def test_what_does_not_fit(self):
        self.expect_error(octet(*self.arguments("-n", 500)), 1, "512 positions", "-n")
        self.expect_error(octet(*self.arguments("-n", 0)), 2, "--tokens")
        self.expect_error(octet(*self.arguments("--reference", "x")), 2, "--reference")


if __name__ == "__main__":
    unittest.main(verbosity=2)
