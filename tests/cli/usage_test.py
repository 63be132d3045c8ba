#!/usr/bin/env python3
"""The command line itself: help, wrong usage, devices, completions.

usage: tests/cli/usage_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import shutil
import subprocess
import unittest

from cli import CliTest, COMMANDS, octet


class Usage(CliTest):
    def test_help_shows_examples_everywhere(self):
        for arguments in [()] + [(command,) for command in COMMANDS]:
            result = octet(*arguments, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"Examples:", result.stdout)
            self.assertEqual(result.stderr, b"")

    def test_version(self):
        result = octet("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"^octet \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_status_2_with_a_hint(self):
        model = ("-m", "anything")
        for arguments in [
            (),
            ("frobnicate",),
            ("generate",),
            ("generate", *model, "-p", "x", "--no-such-flag"),
            ("generate", *model),
            ("generate", *model, "-p", "x", "-f", "y"),
            ("generate", *model, "-p", "x", "-n", "0"),
            ("generate", *model, "-p", "x", "-n", "many"),
            ("generate", *model, "-p", "x", "--temp", "-1"),
            ("generate", *model, "-p", "x", "--temp", "nan"),
            ("generate", *model, "-p", "x", "--top-p", "1.5"),
            ("generate", *model, "-p", "x", "--min-p", "-0.1"),
            ("generate", *model, "-p", "x", "--repeat-penalty", "0"),
            ("generate", *model, "-p", "x", "--method", "int4"),
            ("generate", *model, "-p", "x", "--method", "all"),
            ("generate", *model, "-p", "x", "--outliers", "some"),
            ("generate", *model, "-p", "x", "--activation-bits", "12"),
            ("generate", *model, "-p", "x", "--method", "absmax", "--activation-bits", "8"),
            ("generate", *model, "-p", "x", "--threshold", "-1"),
            ("generate", *model, "-p", "x", "--isa", "sse9"),
            ("generate", *model, "-p", "x", "--device", "tpu"),
            ("generate", *model, "-p", "x", "-t", "0"),
            ("generate", *model, "-p", "x", "-c", "0"),
            ("perplexity", *model),
            ("perplexity", *model, "-f", "x", "--ids", "1,2"),
            ("perplexity", *model, "--ids", "1"),
            ("perplexity", *model, "--ids", "1,x"),
            ("perplexity", *model, "-f", "x", "--add-bos"),
            ("perplexity", *model, "-f", "x", "--limit", "3"),
            ("perplexity", *model, "-f", "x", "--per-document", "--chunks", "3"),
            ("perplexity", *model, "-f", "x", "--logits-at", "0"),
            ("perplexity", *model, "--ids", "1,2", "--logits-at", "2"),
            ("perplexity", *model, "--ids", "1,2", "-c", "1"),
            ("perplexity", *model, "-f", "x", "--method", "fp32,int4"),
            ("perplexity", *model, "-f", "x", "--method", "fp32", "--activation-bits", "8"),
            ("perplexity", *model, "--ids", "1,2", "--method", "all", "--save-logprobs", "x"),
            ("quantize", *model),
            ("quantize", *model, "-o", "x", "--format", "zip"),
            ("plant-outliers", *model, "-o", "x"),
            ("inspect",),
            ("bench",),
            ("bench", *model, "--roofline"),
            ("bench", *model, "--config", "x"),
            ("bench", *model, "-p", "0"),
            ("bench", *model, "-b", "1,0"),
            ("bench", *model, "-b", "1,x"),
            ("bench", "--matmul", "0"),
            ("bench", "--matmul", "64", "--rows", "1,,2"),
            ("completion", "tcsh"),
        ]:
            with self.subTest(arguments=arguments):
                self.expect_error(octet(*arguments), 2, "--help")

    def test_a_device_that_runs_no_models_is_status_1(self):
        self.expect_error(octet("generate", "-m", "x", "-p", "x", "--device", "cuda:0"), 1,
                          "--device cpu")

    def test_devices_lists_what_there_is_and_why_there_is_no_gpu(self):
        listed = json.loads(octet("devices", "--json").stdout)
        self.assertIn(listed["cpu"]["isa"], listed["cpu"]["isas"])
        self.assertEqual(listed["cuda"] == [], "why_no_cuda" in listed)
        self.assertIn(listed["cpu"]["isa"], octet("devices").stdout.decode())

    def test_completions_name_every_command_and_flag(self):
        for shell in ("bash", "zsh", "fish"):
            script = octet("completion", shell)
            self.assertEqual(script.returncode, 0)
            for command in COMMANDS:
                self.assertIn(command, script.stdout.decode())
            flags = ["repeat-penalty", "prompt-ids", "save-logprobs", "llm-int8-threshold", "isa"]
            for flag in flags + ["absmax-rowwise-decomp", "avxvnni"]:
                self.assertIn(flag, script.stdout.decode())

    @unittest.skipUnless(shutil.which("bash"), "bash is not here")
    def test_bash_completes_flags_and_their_values(self):
        script = octet("completion", "bash").stdout.decode()

        def complete(*words):
            line = " ".join(f"'{word}'" for word in words)
            result = subprocess.run(
                ["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                 '_octet; printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, check=True)
            self.assertEqual(result.stderr, b"")
            return result.stdout.decode().split()

        self.assertEqual(complete("octet", "per"), ["perplexity"])
        self.assertEqual(complete("octet", "generate", "--top"), ["--top-k", "--top-p"])
        self.assertEqual(complete("octet", "generate", "--isa", "avx"),
                         ["avx2", "avxvnni", "avx512", "avx512bf16"])
        self.assertEqual(complete("octet", "completion", "f"), ["fish"])
        self.assertEqual(complete("octet", "inspect", "--top"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
