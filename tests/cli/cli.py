"""What the tests of the octet command share: running it, its models, what an error looks like.

Reference models are looked for in OCTET_SHARED, else in shared/ beside the checkout; SmolLM2 in
OCTET_SMOLLM2, else where `make model` leaves it. Tests of absent models are skipped. The command
is --octet PATH of the test's command line, else the release build's.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("OCTET_SHARED") or ROOT.parent / "shared")
MODELS = SHARED / "models"
STORIES = MODELS / "stories260K"
SMOLLM2 = pathlib.Path(os.environ.get("OCTET_SMOLLM2") or
                       ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
ISAS = ("scalar", "avx2", "avxvnni", "avx512", "avx512bf16", "amx")
COMMANDS = ("generate", "perplexity", "eval", "quantize", "report", "continuations", "sweep",
            "plant-outliers", "outliers", "threshold", "inspect", "plan", "bench", "devices",
            "families", "completion")

# Sanitizer builds are an order of magnitude slower.
TIMEOUT_S = 300


def octet_program():
    """Takes --octet PATH out of the command line, which unittest reads next."""
    if "--octet" not in sys.argv:
        return str(ROOT / "build/release/octet")
    at = sys.argv.index("--octet")
    program = sys.argv[at + 1]
    del sys.argv[at:at + 2]
    return program


OCTET = octet_program()


def octet(*arguments, stdin=subprocess.DEVNULL, **keywords):
    return subprocess.run([OCTET, *map(str, arguments)], stdin=stdin, capture_output=True,
                          timeout=TIMEOUT_S, **keywords)


def needs(path):
    return unittest.skipUnless(path.exists(), f"{path} is not here")


def reference(name):
    return json.loads((MODELS / name / "reference.json").read_text())


class CliTest(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="octet-cli-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def copy_of(self, model):
        """A copy that may be changed, whatever the original's permissions."""
        copy = self.scratch / "model"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in model.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        return copy

    def expect_error(self, result, status, *words):
        """One line `octet: error: …` on stderr that holds the words, nothing on stdout."""
        errors = [line for line in result.stderr.decode().splitlines() if "error" in line]
        self.assertEqual(result.returncode, status, result.stderr.decode())
        self.assertEqual(len(errors), 1, result.stderr.decode())
        self.assertTrue(errors[0].startswith("octet: error: "), errors[0])
        for word in words:
            self.assertIn(str(word), errors[0])
        self.assertEqual(result.stdout, b"")

    def json_of(self, *arguments, **keywords):
        result = octet(*arguments, "--json", **keywords)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(result.stdout.count(b"\n"), 1)
        return json.loads(result.stdout.decode("utf-8"))
