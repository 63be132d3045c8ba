#!/usr/bin/env python3
"""Tests of the octet command as a user meets it: exit statuses, messages, JSON, signals, pipes.

usage: tests/cli/cli_test.py --octet build/release/octet [unittest arguments]
Reference models are looked for in OCTET_SHARED, else in shared/ beside the checkout; SmolLM2 in
OCTET_SMOLLM2, else where `make model` leaves it. Tests of absent models are skipped.
"""

import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("OCTET_SHARED") or ROOT.parent / "shared")
MODELS = SHARED / "models"
STORIES = MODELS / "stories260K"
SMOLLM2 = pathlib.Path(os.environ.get("OCTET_SMOLLM2") or
                       ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
ISAS = ("scalar", "avx2", "avxvnni", "avx512", "avx512bf16", "amx")
COMMANDS = ("generate", "perplexity", "quantize", "inspect", "bench", "devices", "completion")
OCTET = None  # set from the command line

# Sanitizer builds are an order of magnitude slower.
TIMEOUT_S = 300


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


class BadFiles(CliTest):
    def every_command(self, model):
        return [("generate", "-m", model, "--prompt-ids", "1,2", "-n", "1"),
                ("perplexity", "-m", model, "--ids", "1,2"),
                ("quantize", "-m", model, "-o", self.scratch / "out"),
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


class Generate(CliTest):
    def generate(self, *arguments, **keywords):
        return self.json_of("generate", "-m", STORIES, *arguments, **keywords)

    @needs(STORIES)
    def test_greedy_fp32_equals_the_reference(self):
        expected = reference("stories260K")
        prompt = expected["prompt_ids"]
        count = len(expected["greedy_100_ids"]) - len(prompt)
        result = self.generate("-p", expected["prompt"], "-n", count, "--temp", 0,
                               "--method", "fp32", "--ignore-eos")
        self.assertEqual(result["prompt_ids"], prompt)
        self.assertEqual(prompt + [token["id"] for token in result["tokens"]],
                         expected["greedy_100_ids"])
        self.assertEqual(expected["prompt"] + result["text"], expected["greedy_text"])

    @needs(STORIES)
    def test_text_goes_on_where_the_prompt_ends(self):
        result = self.generate("-p", "Once upon", "-n", 2, "--temp", 0)
        self.assertEqual(result["text"], " a time")

    @needs(STORIES)
    def test_json_has_what_scripts_rely_on(self):
        result = self.generate("-p", "Once upon a time", "-n", 20, "-t", 2)
        self.assertEqual(result["method"], "llm-int8")
        self.assertEqual(result["activation_bits"], 16)
        self.assertEqual(result["threads"], 2)
        self.assertEqual(result["model"], str(STORIES))
        self.assertLessEqual(len(result["tokens"]), 20)
        self.assertEqual("".join(token["text"] for token in result["tokens"]), result["text"])
        for token in result["tokens"]:
            self.assertLessEqual(token["logprob"], 0)
        for key in ("load_s", "prompt_s", "prompt_tokens_per_s", "decode_s",
                    "decode_tokens_per_s"):
            self.assertGreater(result["timing"][key], 0)
        for key in ("weights_bytes", "weights_bytes_16bit", "kv_cache_bytes", "peak_rss_bytes"):
            self.assertGreater(result["memory"][key], 0)

    @needs(STORIES)
    def test_the_same_seed_gives_the_same_text_and_another_one_another(self):
        texts = [self.generate("-p", "Once upon a time", "-n", 60, "--temp", 1, "-s", seed)["text"]
                 for seed in (7, 7, 8)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    @needs(STORIES)
    def test_streamed_text_is_the_text_of_the_json_object(self):
        arguments = ("-p", "Once upon a time", "-n", 60, "-s", 3)
        text = self.generate(*arguments)["text"]
        streamed = octet("generate", "-m", STORIES, *arguments)
        self.assertEqual(streamed.returncode, 0)
        self.assertEqual(streamed.stdout.decode(), text if text.endswith("\n") else text + "\n")
        self.assertIn(b"tokens/s", streamed.stderr)

    @needs(STORIES)
    def test_prompts_come_from_arguments_files_and_pipes(self):
        prompt = "Once upon a time, a “größe” 龍"
        path = self.scratch / "prompt.txt"
        path.write_text(prompt)
        results = [self.generate("-p", prompt, "-n", 3),
                   self.generate("-f", path, "-n", 3),
                   self.generate("-f", "-", "-n", 3, stdin=None, input=prompt.encode()),
                   self.generate("-n", 3, stdin=None, input=prompt.encode())]
        ids = ",".join(map(str, results[0]["prompt_ids"]))
        results.append(self.generate("--prompt-ids", ids, "-n", 3))
        for result in results[1:]:
            self.assertEqual(result["prompt_ids"], results[0]["prompt_ids"])
            self.assertEqual(result["tokens"], results[0]["tokens"])

    @needs(STORIES)
    def test_a_prompt_may_look_like_a_flag_or_a_list(self):
        for prompt in ("-n 5", "--help", "[a, b]", "a,b", "'\"\\ \n"):
            with self.subTest(prompt=prompt):
                by_flag = self.generate("-p", prompt, "-n", 1)["prompt_ids"]
                by_pipe = self.generate("-n", 1, stdin=None, input=prompt.encode())["prompt_ids"]
                self.assertEqual(by_flag, by_pipe)

    @needs(STORIES)
    def test_prompt_length_and_ids_are_checked(self):
        long = "Once upon a time " * 200
        self.expect_error(octet("generate", "-m", STORIES, "-p", long, "-c", 64), 1, "context")
        self.expect_error(octet("generate", "-m", STORIES, "--prompt-ids", "1,512"), 1, "512")
        self.expect_error(octet("generate", "-m", STORIES, "--prompt-ids", "1,-2"), 2,
                          "--prompt-ids")

    @needs(STORIES)
    def test_generation_ends_where_the_context_does(self):
        result = self.generate("-p", "Once upon a time", "-n", 1000, "-c", 32, "--ignore-eos")
        self.assertEqual(len(result["prompt_ids"]) + len(result["tokens"]), 32)
        self.assertEqual(result["stopped"], "context")

    @needs(MODELS / "tiny-gpt2")
    def test_a_model_without_tokenizer_prints_ids(self):
        model = MODELS / "tiny-gpt2"
        self.expect_error(octet("generate", "-m", model, "-p", "x"), 1, "tokenizer",
                          "--prompt-ids")
        arguments = ("generate", "-m", model, "--prompt-ids", "5,6,7", "-n", 4, "--temp", 0,
                     "--ignore-eos")
        ids = [token["id"] for token in self.json_of(*arguments)["tokens"]]
        self.assertEqual(octet(*arguments).stdout.decode().split(), list(map(str, ids)))
        self.assertEqual(len(ids), 4)

    @needs(MODELS / "tiny-gpt2")
    def test_learned_positions_cannot_be_exceeded(self):
        model = MODELS / "tiny-gpt2"
        self.expect_error(
            octet("generate", "-m", model, "--prompt-ids", "5", "-c", 100000), 1, "256")

    @needs(STORIES)
    def test_a_closed_pipe_ends_quietly(self):
        command = f"'{OCTET}' generate -m '{STORIES}' -p 'Once upon a time' -n 400 --ignore-eos"
        for stderr in ("2>/dev/null", ""):
            result = subprocess.run(["bash", "-c", f"{command} {stderr} | head -c 1"],
                                    capture_output=True, stdin=subprocess.DEVNULL,
                                    timeout=TIMEOUT_S)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(len(result.stdout), 1)
            self.assertNotIn(b"error", result.stderr)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([OCTET, "--help"], stdout=full, stderr=subprocess.PIPE,
                                    timeout=TIMEOUT_S)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"octet: error: standard output", result.stderr)

    @needs(STORIES)
    def test_ctrl_c_stops_with_a_summary_and_status_130(self):
        process = subprocess.Popen(
            [OCTET, "generate", "-m", STORIES, "-p", "Once upon a time", "-n", "1000000",
             "-c", "1000000", "--ignore-eos", "-t", "1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(process.stdout.read(1))  # it is generating
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"tokens/s", errors)
        self.assertNotIn(b"error", errors)

    def wait_until_it_catches(self, process, number):
        status = pathlib.Path(f"/proc/{process.pid}/status")
        for _ in range(TIMEOUT_S * 100):
            caught = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
            if int(caught[0].split()[1], 16) >> (number - 1) & 1:
                return
            time.sleep(0.01)
        self.fail("the signal's handler was never set")

    @unittest.skipUnless(os.path.exists("/proc/self/status"), "no /proc here")
    def test_ctrl_c_while_waiting_for_a_prompt(self):
        process = subprocess.Popen([OCTET, "generate", "-m", "x", "-f", "-"],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_until_it_catches(process, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 130)
        self.assertEqual(process.stderr.read(), b"")
        process.stdin.close()
        process.stderr.close()

    @needs(SMOLLM2)
    def test_smollm2_knows_the_capital_of_france(self):
        result = self.json_of("generate", "-m", SMOLLM2, "-p", "The capital of France is", "-n", 8,
                              "--temp", 0, "-c", 2048)
        self.assertTrue(result["text"].startswith(" Paris."), result["text"])
        self.assertLess(result["memory"]["peak_rss_bytes"], 260e6)


class Perplexity(CliTest):
    @needs(STORIES)
    def test_stories_perplexity_per_document(self):
        texts = SHARED / "data/perplexity/tinystories_1000.json"
        if not texts.exists():
            self.skipTest(f"{texts} is not here")
        result = self.json_of("perplexity", "-m", STORIES, "-f", texts, "--per-document",
                              "--add-bos", "--limit", 100, "-c", 512, "--method", "fp32")
        self.assertEqual(result["windows"], 100)
        self.assertAlmostEqual(result["results"][0]["perplexity"], 5.279827, delta=1e-4)

    def test_ids_give_the_reference_logits(self):
        for name in ("tiny-gpt2", "tiny-opt", "tiny-llama"):
            if not (MODELS / name).exists():
                self.skipTest(f"{MODELS / name} is not here")
            with self.subTest(model=name):
                expected = reference(name)
                ids = ",".join(map(str, expected["input_ids"]))
                positions = ",".join(map(str, expected["positions"]))
                result = self.json_of("perplexity", "-m", MODELS / name, "--ids", ids,
                                      "--logits-at", positions, "--method", "fp32")["results"][0]
                self.assertAlmostEqual(result["mean_nll"], expected["mean_nll"], delta=1e-5)
                self.assertEqual(len(result["logprobs"]), len(expected["input_ids"]))
                self.assertIsNone(result["logprobs"][0])
                self.assertAlmostEqual(-sum(result["logprobs"][1:]) / (len(result["logprobs"]) - 1),
                                       result["mean_nll"], places=12)
                for row, wanted in zip(result["logits"], expected["logits"], strict=True):
                    for value, other in zip(row, wanted, strict=True):
                        self.assertLessEqual(abs(value - other), 1e-4 + 1e-5 * abs(other))

    def text_file(self):
        path = self.scratch / "text.txt"
        path.write_text("Once upon a time there was a little girl named Lily. She liked to play "
                        "outside in the park with her friends. One day she saw a big dog.\n" * 8)
        return path

    @needs(STORIES)
    def test_methods_are_compared_with_a_reference(self):
        result = self.json_of("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64,
                              "--chunks", 3, "--method", "fp32,llm-int8,absmax",
                              "--reference", "fp32")
        self.assertEqual(result["windows"], 3)
        self.assertEqual(result["tokens"], 3 * 63)
        self.assertGreater(result["text_tokens"], 3 * 64)
        same, int8, absmax = result["results"]
        self.assertEqual([row["method"] for row in result["results"]],
                         ["fp32", "llm-int8", "absmax"])
        self.assertEqual(same["kl_mean"], 0)
        self.assertEqual(same["kl_p99"], 0)
        self.assertEqual(same["top1_agreement"], 1)
        self.assertGreater(int8["kl_mean"], 0)
        self.assertLess(int8["kl_mean"], absmax["kl_mean"])
        self.assertLess(int8["weights_bytes"], same["weights_bytes"])
        self.assertEqual([row["activation_bits"] for row in result["results"]], [32, 16, 8])
        for row in result["results"]:
            self.assertAlmostEqual(row["perplexity"], math.exp(row["mean_nll"]), places=9)
            self.assertGreater(row["stderr"], 0)
            self.assertGreater(row["tokens_per_s"], 0)
            self.assertLessEqual(row["kl_mean"], row["kl_p99"] + 1e-12)

    @needs(STORIES)
    def test_all_is_every_method_and_both_widths(self):
        rows = self.json_of("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 32,
                            "--chunks", 1, "--method", "all")["results"]
        self.assertEqual([(row["method"], row["activation_bits"]) for row in rows],
                         [("fp32", 32), ("fp16", 16), ("bf16", 16), ("absmax", 8),
                          ("zeropoint", 8), ("absmax-rowwise", 8), ("absmax-vectorwise", 8),
                          ("zeropoint-vectorwise", 8), ("absmax-rowwise-decomp", 8),
                          ("llm-int8", 8), ("llm-int8-zeropoint", 8), ("llm-int8", 16)])

    @needs(STORIES)
    def test_saved_log_probabilities_stand_for_the_model(self):
        saved = self.scratch / "fp32.logprobs"
        common = ("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64)
        self.json_of(*common, "--method", "fp32", "--save-logprobs", saved)
        rows = [self.json_of(*common, "--method", "llm-int8", "--reference", reference)["results"][0]
                for reference in ("fp32", saved)]
        # The file holds floats: 2⁻²⁴ of at most 32 each, and a KL is a mean of such differences.
        self.assertAlmostEqual(rows[0]["kl_mean"], rows[1]["kl_mean"], delta=2.0**-18)
        self.assertEqual(rows[0]["top1_agreement"], rows[1]["top1_agreement"])
        self.expect_error(octet(*common, "--reference", saved, "-c", 32, "--json"), 1, saved)
        saved.write_bytes(saved.read_bytes()[:-1])
        self.expect_error(octet(*common, "--reference", saved, "--json"), 1, saved)
        self.expect_error(octet(*common, "--reference", "nothing", "--json"), 1, "--reference")

    @needs(STORIES)
    def test_a_table_without_json(self):
        result = octet("perplexity", "-m", STORIES, "-f", self.text_file(), "-c", 64)
        self.assertEqual(result.returncode, 0)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual({line.count("|") for line in lines}, {10})


class QuantizeAndInspect(CliTest):
    @needs(STORIES)
    def test_a_quantized_directory_gives_the_same_text(self):
        arguments = ("-p", "Once upon a time", "-n", 40, "-s", 5)
        for method in ("llm-int8", "absmax-vectorwise", "zeropoint"):
            with self.subTest(method=method):
                out = self.scratch / method
                done = octet("quantize", "-m", STORIES, "-o", out, "--method", method)
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                self.assertIn(str(out).encode(), done.stdout)
                direct = self.json_of("generate", "-m", STORIES, "--method", method, *arguments)
                stored = self.json_of("generate", "-m", out, *arguments)
                self.assertEqual(stored["method"], method)
                self.assertEqual(stored["tokens"], direct["tokens"])
                self.expect_error(octet("quantize", "-m", STORIES, "-o", out), 1, out)

    @needs(STORIES)
    def test_quantize_writes_bitsandbytes_checkpoints_that_generate(self):
        out = self.scratch / "bitsandbytes"
        result = self.json_of("quantize", "-m", STORIES, "--format", "bitsandbytes", "-o", out)
        self.assertEqual(result["format"], "bitsandbytes")
        self.assertLess(result["weights_bytes"], result["weights_bytes_16bit"])
        self.assertEqual(self.json_of("inspect", "-m", out)["format"], "bitsandbytes")
        stored = self.json_of("generate", "-m", out, "--prompt-ids", "1", "-n", "4")
        self.assertEqual(len(stored["tokens"]), 4)
        self.expect_error(octet("quantize", "-m", STORIES, "-o", self.scratch / "x", "--format",
                                "bitsandbytes", "--method", "zeropoint"), 1, "--format")
        self.expect_error(octet("quantize", "-m", out, "-o", self.scratch / "x", "--format",
                                "bitsandbytes"), 1, out)
        self.assertFalse((self.scratch / "x").exists())

    @needs(STORIES)
    def test_inspect_counts_parameters_and_bytes(self):
        result = self.json_of("inspect", "-m", STORIES)
        config = json.loads((STORIES / "config.json").read_text())
        self.assertEqual(result["parameters"], 260032)
        self.assertEqual(result["bytes"]["float32"], 4 * 260032)
        self.assertEqual(result["bytes"]["float16"], 2 * 260032)
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        kv = hidden * config["num_key_value_heads"] // config["num_attention_heads"]
        layers = config["num_hidden_layers"]
        linear = layers * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * inner)
        outputs = layers * (2 * hidden + 2 * kv + 2 * inner + hidden)
        self.assertEqual(result["bytes"]["int8"], linear + 4 * outputs + 2 * (260032 - linear))
        self.assertEqual(result["architecture"]["layers"], layers)
        text = octet("inspect", "-m", STORIES)
        self.assertEqual(text.returncode, 0)
        self.assertIn(b"260032", text.stdout)


class Bench(CliTest):
    QUICK = ("-t", 2, "--seconds", 0)

    def config(self, **changes):
        path = self.scratch / "config.json"
        path.write_text(json.dumps({
            "model_type": "llama", "vocab_size": 96, "hidden_size": 64, "intermediate_size": 160,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 128} | changes))
        return path

    def expect_roofline(self, result):
        for key in ("int8_tops", "bf16_tflops", "float32_tflops", "dram_gb_per_s"):
            self.assertGreater(result["roofline"][key], 0)
        self.assertEqual(result["threads"], 2)
        self.assertIn(result["isa"], ISAS)

    def expect_speeds(self, result, prompt, batches):
        self.expect_roofline(result)
        self.assertEqual(result["prompt_tokens"], prompt)
        self.assertGreater(result["prompt_tokens_per_s"], 0)
        self.assertGreater(result["prompt_share_of_peak"], 0)
        self.assertEqual([one["batch"] for one in result["decode"]], batches)
        dram = result["roofline"]["dram_gb_per_s"]
        for one in result["decode"]:
            step_s = one["batch"] / one["tokens_per_s"]
            self.assertAlmostEqual(one["gb_per_s"] * step_s * 1e9 / result["step_weight_bytes"], 1)
            self.assertAlmostEqual(one["share_of_dram"] * dram / one["gb_per_s"], 1)

    def test_random_weights_of_a_config_in_json(self):
        for flags, method, bits in [((), "llm-int8", 16),
                                    (("--activation-bits", 8), "llm-int8", 8),
                                    (("--outliers", "batch"), "llm-int8", 16),
                                    (("--method", "bf16"), "bf16", 16)]:
            with self.subTest(flags=flags):
                result = self.json_of("bench", "--config", self.config(), "-p", 5, "-n", 2, "-b",
                                      "1,3", *self.QUICK, *flags)
                self.expect_speeds(result, 5, [1, 3])
                self.assertEqual(result["method"], method)
                self.assertEqual(result["activation_bits"], bits)
                self.assertTrue(result["weights_fit_cache"])

    @needs(STORIES)
    def test_a_model_in_json_and_in_markdown(self):
        arguments = ("bench", "-m", STORIES, "-p", 7, "-n", 3, "-b", "2", *self.QUICK)
        result = self.json_of(*arguments)
        self.expect_speeds(result, 7, [2])
        self.assertEqual(result["model"], str(STORIES))
        text = octet(*arguments).stdout.decode()
        table = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len({len(line) for line in table}), 1, text)
        self.assertRegex(table[2], r"^\| prompt of 7 +\| +[\d.]+ \|")
        self.assertRegex(table[3], r"^\| decode 3, batch 2 +\| +[\d.]+ \|")
        self.assertIn("the last-level cache", text)

    def test_products_in_json(self):
        result = self.json_of("bench", "--matmul", "64,96", "--rows", "1,5", *self.QUICK)
        self.expect_roofline(result)
        shapes = [(one["inputs"], one["outputs"], one["rows"]) for one in result["matmul"]]
        self.assertEqual(list(dict.fromkeys(shapes)),
                         [(64, 256, 1), (64, 256, 5), (96, 384, 1), (96, 384, 5)])
        variants = [one["variant"] for one in result["matmul"][:6]]
        self.assertEqual(len(set(variants)), 6)
        self.assertEqual(variants[0], "bf16")
        for one in result["matmul"]:
            self.assertGreater(one["microseconds"], 0)
            self.assertGreater(one["share_of_peak"], 0)
            self.assertGreater(one["share_of_dram"], 0)
            if one["variant"] == "bf16":
                self.assertEqual(one["speedup_over_16bit"], 1)

    def test_the_machine_alone(self):
        self.expect_roofline(self.json_of("bench", "--roofline", "-t", 2))
        text = octet("bench", "--roofline", "-t", 2).stdout.decode()
        for word in ("int8", "TOPS", "DRAM", "GB/s"):
            self.assertIn(word, text)

    def test_bad_configs_are_refused(self):
        self.expect_error(octet("bench", "--config", self.scratch / "absent.json"), 1, "absent.json")
        self.expect_error(octet("bench", "--config", self.config(model_type="none")), 1,
                          "config.json", "model_type")
        self.expect_error(octet("bench", "--config", self.config(hidden_size="wide")), 1,
                          "hidden_size")


if __name__ == "__main__":
    if "--octet" in sys.argv:
        at = sys.argv.index("--octet")
        OCTET = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    else:
        OCTET = str(ROOT / "build/release/octet")
    unittest.main(verbosity=2)
