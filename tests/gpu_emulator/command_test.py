#!/usr/bin/env python3
"""The octet command on an emulated GPU: limits of memory, divided models, plans.

usage: tests/gpu_emulator/command_test.py --octet build/release/tests/gpu_emulator/octet_gpu_emulated
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from cli import CliTest, MODELS, needs, octet  # noqa: E402

LLAMA = MODELS / "tiny-llama"
PROMPT = ("--prompt-ids", "1,2,3", "-n", "4", "--temp", "0", "--ignore-eos")
CONTEXT = 7  # of PROMPT


@needs(LLAMA)
class GpuCommand(CliTest):
    def plan(self, *arguments):
        return self.json_of("plan", "-m", LLAMA, "--device", "cuda", "-c", CONTEXT, *arguments)

    def generate(self, *arguments):
        return octet("generate", "-m", LLAMA, *PROMPT, *arguments)

    def test_a_plan_reads_the_gpus_memory(self):
        plan = self.plan()
        self.assertEqual(plan["gpu"], {"index": 0, "name": "emulated on the CPU",
                                       "memory_bytes": 4 << 30, "free_bytes": 4 << 30,
                                       "layers": plan["gpu"]["layers"]})
        self.assertEqual(plan["gpu"]["layers"], len(plan["layers"]))
        self.assertEqual(plan["memory_bytes"], 4 << 30)
        self.assertTrue(plan["fits"])

    def test_a_model_runs_within_what_the_plan_foretold(self):
        foretold = self.plan("--outliers", "token")["bytes_needed"]
        fits = self.generate("--device", "cuda", "--outliers", "token", "--memory-limit",
                             f"{foretold}B", "-v")
        self.assertEqual(fits.returncode, 0, fits.stderr)
        self.assertIn("all layers on cuda:0", fits.stderr.decode())
        self.expect_error(self.generate("--device", "cuda", "--outliers", "token",
                                        "--memory-limit", f"{foretold - 1}B"),
                          1, "--memory-limit", "cuda:0", "--device auto")

    def test_auto_divides_a_model_and_says_how(self):
        foretold = self.plan("--outliers", "token")["bytes_needed"]
        divided = self.generate("--outliers", "token", "--memory-limit", f"{foretold - 1}B", "-v")
        self.assertEqual(divided.returncode, 0, divided.stderr)
        self.assertIn("embeddings and layers 0", divided.stderr.decode())
        self.assertIn("lm_head on cuda:0", divided.stderr.decode())
        cpu = self.generate("--outliers", "token", "--device", "cpu")
        self.assertEqual(divided.stdout, cpu.stdout)
        none = self.generate("--memory-limit", "2MiB", "-v")
        self.assertEqual(none.returncode, 0, none.stderr)
        self.assertIn("on the CPU: not even one layer", none.stderr.decode())

    def test_a_limit_is_for_gpus(self):
        self.expect_error(self.generate("--device", "cpu", "--memory-limit", "1G"), 2,
                          "--memory-limit")
        self.expect_error(self.generate("--memory-limit", "1 mile"), 2, "--memory-limit")

    def test_texts_are_scored_within_a_limit(self):
        arguments = ("perplexity", "-m", LLAMA, "--ids", "1,2,3,4,5,6,7,8", "--outliers", "token",
                     "--json")
        alone = octet(*arguments, "--device", "cuda", "--memory-limit", "80MiB")
        self.assertEqual(alone.returncode, 0, alone.stderr)
        self.expect_error(octet(*arguments, "--device", "cuda", "--memory-limit", "20MiB"), 1,
                          "--memory-limit")


if __name__ == "__main__":
    unittest.main(verbosity=2)
