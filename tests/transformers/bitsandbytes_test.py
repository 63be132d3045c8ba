#!/usr/bin/env python3
"""Hugging Face transformers loads what `octet quantize --format bitsandbytes` writes.

usage: bitsandbytes_test.py OCTET MODELS

MODELS is a folder with tiny-* checkpoints and their reference.json. Needs torch, transformers,
bitsandbytes and accelerate; `make test-transformers` installs them into a virtual environment.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from transformers import AutoModelForCausalLM

OCTET = sys.argv.pop(1)
MODELS = pathlib.Path(sys.argv.pop(1))


class Bitsandbytes(unittest.TestCase):
    def test_transformers_loads_our_checkpoints_and_gives_its_own_logits(self):
        tested = 0
        for quantised in sorted(MODELS.glob("*-bnb8")):
            original = quantised.with_name(quantised.name.removesuffix("-bnb8"))
            with self.subTest(model=original.name), tempfile.TemporaryDirectory() as scratch:
                ours = pathlib.Path(scratch) / "int8"
                done = subprocess.run([OCTET, "quantize", "-m", original, "-o", ours, "--format",
                                       "bitsandbytes"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                reference = json.loads((quantised / "reference.json").read_text())
                ids = torch.tensor([reference["input_ids"]])
                expected = torch.tensor(reference["logits"])
                model = AutoModelForCausalLM.from_pretrained(ours)
                int8 = [name for name, tensor in model.state_dict().items()
                        if tensor.dtype == torch.int8]
                self.assertTrue(int8, "transformers found no int8 layer")
                # The reference was computed in float32; ours keeps the original's f16 elsewhere.
                for parameter in model.parameters():
                    if parameter.dtype == torch.float16:
                        parameter.data = parameter.data.float()
                with torch.no_grad():
                    logits = model(ids).logits[0, reference["positions"]].float()
                # The same arithmetic on the same numbers; the order of sums may differ by machine.
                torch.testing.assert_close(logits[:, :expected.shape[1]], expected,
                                           rtol=1e-4, atol=1e-3)
                tested += 1
        self.assertGreater(tested, 0)


if __name__ == "__main__":
    unittest.main()
