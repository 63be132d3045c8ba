#!/usr/bin/env python3
"""octet generate: text, JSON, seeds, prompts, signals and pipes.

usage: tests/cli/generate_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from cli import CliTest, MODELS, needs, OCTET, octet, reference, SMOLLM2, STORIES, TIMEOUT_S


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
    def test_chat_puts_the_prompt_into_the_models_template(self):
        model = self.copy_of(STORIES)
        config = model / "tokenizer_config.json"
        settings = json.loads(config.read_text()) if config.exists() else {}
        settings["chat_template"] = (
            "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}"
            "{% if add_generation_prompt %}Once{% endif %}")
        config.write_text(json.dumps(settings))
        arguments = ("generate", "-m", model, "-n", 2, "--temp", 0)
        chat = self.json_of(*arguments, "--chat", "--system", "Be kind.", "-p", " Hi ")
        # The template's text is all there is: no start token is added.
        plain = self.json_of(*arguments, "-p", "system: Be kind.\nuser: Hi\nOnce")
        self.assertEqual(chat["prompt_ids"], plain["prompt_ids"][1:])
        settings["chat_template"] = "\n{{ raise_exception('not today') }}"
        config.write_text(json.dumps(settings))
        self.expect_error(octet(*arguments, "--chat", "-p", "Hi"), 1, "line 2", "not today")

    @needs(STORIES)
    def test_chat_needs_a_template_and_a_message(self):
        self.expect_error(octet("generate", "-m", STORIES, "--chat", "-p", "x"), 1,
                          "chat template", "--chat")
        self.expect_error(octet("generate", "-m", STORIES, "--chat", "--prompt-ids", "1"), 2,
                          "--prompt-ids")
        self.expect_error(octet("generate", "-m", STORIES, "--system", "s", "-p", "x"), 2, "--chat")

    @needs(STORIES)
    def test_generation_ends_at_the_end_tokens_of_generation_config(self):
        model = self.copy_of(STORIES)
        arguments = ("generate", "-m", model, "-p", "Once upon a time", "-n", 12, "--temp", 0)
        ids = [token["id"] for token in self.json_of(*arguments)["tokens"]]
        (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, ids[5]]}))
        ended = self.json_of(*arguments)
        self.assertEqual(ended["stopped"], "end")
        self.assertEqual([token["id"] for token in ended["tokens"]], ids[:ids.index(ids[5])])

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

    @needs(SMOLLM2)
    @needs(MODELS / "smollm2-135m.reference.json")
    def test_smollm2_chats_as_the_reference_does(self):
        chat = json.loads((MODELS / "smollm2-135m.reference.json").read_text())["chat"]
        result = self.json_of("generate", "-m", SMOLLM2, "--chat", "-p",
                              "What is the capital of France?", "-n", 48, "--temp", 0)
        self.assertEqual(result["prompt_ids"], chat["prompt_ids"])
        self.assertTrue(result["text"].startswith("The capital of France is Paris."))
        short = self.json_of("generate", "-m", SMOLLM2, "--chat", "--system", "Reply with one word.",
                             "-p", "Say yes.", "-n", 200, "--temp", 0)
        self.assertEqual(short["stopped"], "end")


if __name__ == "__main__":
    unittest.main(verbosity=2)
