#!/usr/bin/env python3
"""Damaged, missing and unknown checkpoints: one clear line each, status 1.

usage: tests/cli/bad_files_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import CliTest, MODELS, needs, octet, STORIES


class BadFiles(CliTest):
    def every_command(self, model):
        return [("generate", "-m", model, "--prompt-ids", "1,2", "-n", "1"),
                ("perplexity", "-m", model, "--ids", "1,2"),
                ("quantize", "-m", model, "-o", self.scratch / "out"),
                ("plant-outliers", "-m", model, "-o", self.scratch / "out", "--dimensions", "1"),
                ("inspect", "-m", model)]

    def expect_refused(self, model):
        for arguments in self.every_command(model):
            with self.subTest(arguments=arguments[0]):
                self.expect_error(octet(*arguments), 1, model)
        self.assertFalse((self.scratch / "out").exists())

    def test_a_model_that_does_not_exist(self):
        self.expect_refused(self.scratch / "nothing.gguf")

    def test_a_directory_without_config(self):
        (self.scratch / "empty").mkdir()
        self.expect_refused(self.scratch / "empty")

    def test_files_of_garbage(self):
        for name, content in [("empty.gguf", b""), ("short.gguf", b"GGUF"),
                              ("text.gguf", b"no model\n" * 100),
                              ("zeros.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 64)]:
            with self.subTest(name=name):
                (self.scratch / name).write_bytes(content)
                self.expect_refused(self.scratch / name)

    @needs(STORIES)
    def test_truncated_and_damaged_weights(self):
        whole = (STORIES / "model.safetensors").read_bytes()
        model = self.copy_of(STORIES)
        length = (2 << 30).to_bytes(8, "little")
        for content in (b"", whole[:4], whole[:200], whole[:-1], length + whole[8:],
                        whole[:8] + b"[" + whole[9:]):
            with self.subTest(bytes=len(content)):
                (model / "model.safetensors").write_bytes(content)
                for arguments in self.every_command(model):
                    self.expect_error(octet(*arguments), 1, "model.safetensors")

    @needs(STORIES)
    def test_an_unknown_architecture(self):
        model = self.copy_of(STORIES)
        config = json.loads((model / "config.json").read_text())
        config["model_type"] = "perceptron"
        (model / "config.json").write_text(json.dumps(config))
        for arguments in self.every_command(model):
            self.expect_error(octet(*arguments), 1, "perceptron")

    @needs(MODELS / "tiny-llama3-rope")
    def test_a_missing_shard(self):
        model = self.copy_of(MODELS / "tiny-llama3-rope")
        shard = next(model.glob("*-00002-of-*.safetensors"))
        shard.unlink()
        for arguments in self.every_command(model):
            self.expect_error(octet(*arguments), 1, shard.name)

    @needs(STORIES)
    def test_evaluation_texts(self):
        text = self.scratch / "text.jsonl"
        self.expect_error(octet("perplexity", "-m", STORIES, "-f", text), 1, text)
        text.write_text('{"text": "a"}\n{"body": "b"}\n')
        self.expect_error(octet("perplexity", "-m", STORIES, "-f", text), 1, text, "line 2",
                          "--text-field")
        text.write_text('{"text": "Once upon a time"}\n')
        self.expect_error(octet("perplexity", "-m", STORIES, "-f", text, "-c", 256), 1, text,
                          "--per-document")


if __name__ == "__main__":
    unittest.main(verbosity=2)
