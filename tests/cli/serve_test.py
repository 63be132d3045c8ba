#!/usr/bin/env python3
"""octet serve: OpenAI's API, its streams and its errors.

usage: tests/cli/serve_test.py [--octet build/release/octet] [unittest arguments]
"""

import unittest

from made_model import BYTES, CONTEXT
from served import ServedModel


class Completions(ServedModel):
    def test_greedy_text_is_that_of_generate(self):
        expected = self.json_of("generate", "-m", self.model, "-p", "Hello", "-n", 40, "--temp", 0,
                                "--ignore-eos")
        answer = self.server.complete(prompt="Hello", max_tokens=40, temperature=0,
                                      ignore_eos=True, logprobs=0).json
        choice, = answer["choices"]
        self.assertEqual(choice["text"], expected["text"])
        self.assertEqual(choice["logprobs"]["token_logprobs"],
                         [token["logprob"] for token in expected["tokens"]])
        self.assertEqual(choice["finish_reason"], "length")
        self.assertEqual(answer["usage"], {"prompt_tokens": 5, "completion_tokens": 40,
                                           "total_tokens": 45})
        self.assertEqual((answer["object"], answer["model"]), ("text_completion", "tiny"))

    def test_activation_bits_are_a_field_of_the_request(self):
        scores = {}
        for bits in (8, 16):
            expected = self.json_of("generate", "-m", self.model, "-p", "Hello", "-n", 8,
                                    "--temp", 0, "--ignore-eos", "--activation-bits", bits)
            choice, = self.server.complete(prompt="Hello", max_tokens=8, temperature=0, logprobs=0,
                                           ignore_eos=True, activation_bits=bits).json["choices"]
            scores[bits] = choice["logprobs"]["token_logprobs"]
            self.assertEqual(scores[bits], [token["logprob"] for token in expected["tokens"]])
        self.assertNotEqual(scores[8], scores[16])

    def test_several_prompts_and_choices_come_in_order(self):
        prompts = ["Hello", "World"]
        both = self.server.complete(prompt=prompts, n=2, max_tokens=8, seed=3).json
        self.assertEqual([choice["index"] for choice in both["choices"]], [0, 1, 2, 3])
        alone = [self.server.complete(prompt=prompt, n=2, max_tokens=8, seed=3).json
                 for prompt in prompts]
        self.assertEqual([choice["text"] for choice in both["choices"]],
                         [choice["text"] for answer in alone for choice in answer["choices"]])
        self.assertEqual(both["usage"]["prompt_tokens"], 10)
        self.assertNotEqual(both["choices"][0]["text"], both["choices"][1]["text"])

    def test_seeds_repeat_and_requests_without_one_differ(self):
        def text(**fields):
            return self.server.complete(prompt="Hello", max_tokens=24,
                                        **fields).json["choices"][0]["text"]
        self.assertEqual(text(seed=7), text(seed=7))
        self.assertNotEqual(text(seed=7), text(seed=8))
        self.assertNotEqual(text(), text())

    def test_token_ids_are_the_same_prompt(self):
        ids = list(b"Hello")
        fields = {"max_tokens": 8, "temperature": 0}
        expected = self.server.complete(prompt="Hello", **fields).json["choices"][0]["text"]
        for prompt in (ids, [ids]):
            self.assertEqual(
                self.server.complete(prompt=prompt, **fields).json["choices"][0]["text"], expected)

    def test_echo_scores_the_prompt(self):
        text = "Hello, Wörld"
        choice, = self.server.complete(prompt=text, max_tokens=0, echo=True, logprobs=2,
                                       temperature=0).json["choices"]
        scores = choice["logprobs"]
        self.assertEqual(choice["text"], text)
        self.assertEqual(choice["finish_reason"], "length")
        tokens = len(text.encode())
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            self.assertEqual(len(scores[name]), tokens)
        self.assertIsNone(scores["token_logprobs"][0])
        expected = self.json_of("perplexity", "-m", self.model, "--ids",
                                ",".join(map(str, text.encode())))["results"][0]
        self.assertEqual(len(expected["logprobs"]), tokens)
        # Both are float32 logits less a sum in double: half a unit in the last place of a float.
        for got, wanted in zip(scores["token_logprobs"][1:], expected["logprobs"][1:]):
            self.assertAlmostEqual(got, wanted, delta=2 ** -20)
        # Bytes of a character that is not whole are spelt as OpenAI does.
        self.assertEqual(scores["tokens"][8:10], ["bytes:\\xc3", "bytes:\\xb6"])
        for own, value, top in zip(scores["tokens"][1:], scores["token_logprobs"][1:],
                                   scores["top_logprobs"][1:]):
            self.assertEqual(top[own], value)
            self.assertGreaterEqual(len(top), 2)

    def test_the_token_that_ends_the_text_has_a_score_and_no_text(self):
        for seed in range(200):
            choice, = self.server.complete(prompt="Hello", max_tokens=100, temperature=1.5,
                                           seed=seed, logprobs=0).json["choices"]
            if choice["finish_reason"] == "stop":
                break
        self.assertEqual(choice["logprobs"]["tokens"][-1], "</s>")
        self.assertNotIn("</s>", choice["text"])

    def test_echo_goes_before_the_continuation(self):
        fields = {"prompt": "Hello", "max_tokens": 6, "temperature": 0}
        plain = self.server.complete(**fields).json["choices"][0]["text"]
        self.assertEqual(self.server.complete(echo=True, **fields).json["choices"][0]["text"],
                         "Hello" + plain)

    def test_a_stream_is_the_whole_answer_in_pieces(self):
        fields = {"prompt": ["Hello", "World"], "n": 2, "max_tokens": 40, "seed": 5, "logprobs": 1,
                  "echo": True}
        whole = self.server.complete(**fields).json
        answer = self.server.complete(stream=True, stream_options={"include_usage": True},
                                      **fields)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/event-stream"))
        chunks = answer.chunks
        self.assertEqual(len({chunk["id"] for chunk in chunks}), 1)
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"], whole["usage"])
        for choice in whole["choices"]:
            pieces = [piece for chunk in chunks for piece in chunk["choices"]
                      if piece["index"] == choice["index"]]
            self.assertGreater(len(pieces), 3)
            self.assertEqual("".join(piece["text"] for piece in pieces), choice["text"])
            for name, values in choice["logprobs"].items():
                self.assertEqual([value for piece in pieces for value in piece["logprobs"][name]],
                                 values)
            self.assertEqual([piece["finish_reason"] for piece in pieces],
                             [None] * (len(pieces) - 1) + [choice["finish_reason"]])

    def test_a_stream_is_not_held_back_to_be_compressed(self):
        answer = self.server.post("/v1/completions", {"prompt": "a", "stream": True},
                                  headers={"Accept-Encoding": "gzip, deflate, br"})
        self.assertNotIn("Content-Encoding", answer.headers)
        self.assertGreater(len(answer.chunks), 3)

    def test_stop_strings_end_the_text_across_tokens(self):
        fields = {"prompt": "Hello", "max_tokens": 60, "seed": 11, "temperature": 1.5}
        text = self.server.complete(**fields).json["choices"][0]["text"]
        self.assertGreater(len(text), 20)
        # Each token is a byte: five characters lie across at least five.
        stop = text[10:15]
        expected = text[:text.find(stop)]
        for stream in (False, True):
            answer = self.server.complete(stop=["never there", stop], logprobs=0, stream=stream,
                                          **fields)
            pieces = ([choice for chunk in answer.chunks for choice in chunk["choices"]]
                      if stream else answer.json["choices"])
            self.assertEqual("".join(piece["text"] for piece in pieces), expected)
            self.assertEqual(pieces[-1]["finish_reason"], "stop")
            self.assertEqual(sum(len(piece["logprobs"]["tokens"]) for piece in pieces),
                             len(expected.encode()) if "\ufffd" not in expected else
                             sum(len(piece["logprobs"]["tokens"]) for piece in pieces))

    def test_sampling_fields_have_llama_servers_and_vllms_names(self):
        greedy = self.server.complete(prompt="Hello", max_tokens=8, temperature=0).json
        for fields in ({"top_k": 1}, {"min_p": 1}, {"top_p": 0}):
            answer = self.server.complete(prompt="Hello", max_tokens=8, **fields).json
            self.assertEqual(answer["choices"][0]["text"], greedy["choices"][0]["text"])
        for name in ("repeat_penalty", "repetition_penalty"):
            answer = self.server.complete(prompt="Hello", max_tokens=30, temperature=0,
                                          **{name: 5}).json
            self.assertEqual(answer["usage"]["completion_tokens"], 30)

    def test_biases_and_penalties_change_what_is_chosen(self):
        asked = {"prompt": "Hello", "max_tokens": 12, "temperature": 0, "ignore_eos": True,
                 "logprobs": 0}
        plain = self.server.complete(**asked).json["choices"][0]["logprobs"]["tokens"]
        only = self.server.complete(**asked, logit_bias={"65": 100}).json["choices"][0]
        self.assertEqual(len(set(only["logprobs"]["tokens"])), 1)
        # Logits of this model lie closer together than the penalties.
        spread = self.server.complete(**asked, presence_penalty=2, frequency_penalty=2)
        repeated = self.server.complete(**asked, presence_penalty=-2, frequency_penalty=-2)
        kinds = [len(set(answer.json["choices"][0]["logprobs"]["tokens"]))
                 for answer in (repeated, spread)]
        self.assertLess(kinds[0], len(set(plain)))
        self.assertLess(kinds[0], kinds[1])

    def test_bad_requests_are_told_what_is_wrong(self):
        for fields, param in (
                ({}, "prompt"), ({"prompt": 5}, "prompt"), ({"prompt": []}, "prompt"),
                ({"prompt": ["a", 1]}, "prompt"), ({"prompt": [1, -1]}, "prompt"),
                ({"prompt": [BYTES * 2]}, "prompt"), ({"prompt": ""}, "prompt"),
                ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
                ({"prompt": "a", "max_tokens": 1e30}, "max_tokens"),
                ({"prompt": "a", "max_tokens": 2 ** 64}, "max_tokens"),
                ({"prompt": "a", "max_tokens": "5"}, "max_tokens"),
                ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
                ({"prompt": "a", "temperature": -1}, "temperature"),
                ({"prompt": "a", "top_p": 2}, "top_p"), ({"prompt": "a", "n": 0}, "n"),
                ({"prompt": "a", "n": True}, "n"), ({"prompt": "a", "stream": 1}, "stream"),
                ({"prompt": "a", "stop": [""]}, "stop"), ({"prompt": "a", "stop": 5}, "stop"),
                ({"prompt": "a", "logprobs": 21}, "logprobs"),
                ({"prompt": "a", "activation_bits": 12}, "activation_bits"),
                ({"prompt": "a", "frequency_penalty": 3}, "frequency_penalty"),
                ({"prompt": "a", "logit_bias": [1]}, "logit_bias"),
                ({"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias"),
                ({"prompt": "a", "logit_bias": {"1": 101}}, "logit_bias"),
                ({"prompt": "a", "logit_bias": {"1000000": 1}}, "logit_bias"),
                ({"prompt": "a", "stream_options": {}}, "stream_options"),
                ({"prompt": "a", "colour": "red"}, "colour")):
            with self.subTest(fields=fields):
                error = self.expect_api_error(self.server.complete(**fields), 400)
                self.assertEqual(error["param"], param)
                self.assertEqual(error["type"], "invalid_request_error")
        for body in (b"", b"{", b"[]", b'{"prompt": "\xff"}', b'{"prompt": "\\ud800"}',
                     b"[" * 100_000, b'{"prompt": ' + b"[" * 100_000, b'{"prompt": 1e999}',
                     b"\x00" * 100):
            with self.subTest(body=body[:20]):
                self.expect_api_error(self.server.post("/v1/completions", body), 400)
        error = self.expect_api_error(
            self.server.complete(prompt=[1] * (CONTEXT + 1)), 400)
        self.assertEqual(error["code"], "context_length_exceeded")
        error = self.expect_api_error(self.server.complete(prompt="a", model="other"), 404)
        self.assertEqual(error["code"], "model_not_found")
        self.assertEqual(self.server.get("/health").status, 200)


class Chat(ServedModel):
    MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    PROMPT = "<s>system\nBe brief.<|end|><s>user\nHi<|end|><s>assistant\n"

    def chat(self, **fields):
        return self.server.post("/v1/chat/completions", {"messages": self.MESSAGES, **fields})

    def test_the_prompt_is_the_models_template(self):
        chat = self.chat(max_tokens=12, temperature=0, ignore_eos=True, logprobs=True).json
        plain = self.server.complete(prompt=self.PROMPT, max_tokens=12, temperature=0,
                                     ignore_eos=True, logprobs=0).json
        choice, = chat["choices"]
        self.assertEqual(chat["object"], "chat.completion")
        self.assertEqual(choice["message"], {"role": "assistant",
                                             "content": plain["choices"][0]["text"]})
        self.assertEqual(chat["usage"], plain["usage"])
        self.assertEqual([token["logprob"] for token in choice["logprobs"]["content"]],
                         plain["choices"][0]["logprobs"]["token_logprobs"])

    def test_content_may_come_in_parts(self):
        parts = [{"role": "system", "content": [{"type": "text", "text": "Be "},
                                                {"type": "text", "text": "brief."}]},
                 self.MESSAGES[1]]
        fields = {"max_tokens": 8, "temperature": 0}
        self.assertEqual(self.chat(**fields).json["choices"],
                         self.server.post("/v1/chat/completions",
                                          {"messages": parts, **fields}).json["choices"])

    def test_a_stream_is_the_whole_answer_in_pieces(self):
        fields = {"max_completion_tokens": 30, "seed": 4, "logprobs": True, "top_logprobs": 2}
        choice, = self.chat(**fields).json["choices"]
        chunks = self.chat(stream=True, **fields).chunks
        self.assertEqual({chunk["object"] for chunk in chunks}, {"chat.completion.chunk"})
        pieces = [chunk["choices"][0] for chunk in chunks]
        self.assertEqual(pieces[0]["delta"]["role"], "assistant")
        self.assertEqual("".join(piece["delta"].get("content", "") for piece in pieces),
                         choice["message"]["content"])
        self.assertEqual([token for piece in pieces for token in piece["logprobs"]["content"]],
                         choice["logprobs"]["content"])
        for token in choice["logprobs"]["content"]:
            self.assertEqual(len(token["top_logprobs"]), 2)
        self.assertEqual(pieces[-1]["finish_reason"], choice["finish_reason"])

    def test_bad_conversations_are_refused(self):
        for fields, param in (
                ({"messages": None}, "messages"), ({"messages": []}, "messages"),
                ({"messages": "Hi"}, "messages"), ({"messages": ["Hi"]}, "messages[0]"),
                ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
                ({"messages": [{"role": "user"}]}, "messages[0].content"),
                ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
                ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
                 "messages[0].content"),
                ({"top_logprobs": 2}, "top_logprobs"), ({"tools": [{}]}, "tools"),
                ({"response_format": {"type": "json_object"}}, "response_format"),
                ({"prompt": "Hi"}, "prompt")):
            with self.subTest(fields=fields):
                error = self.expect_api_error(self.chat(**fields), 400)
                self.assertEqual(error["param"], param)


class Others(ServedModel):
    def test_health_models_metrics_and_pages(self):
        self.assertEqual(self.server.get("/health").json, {"status": "ok"})
        model, = self.server.get("/v1/models").json["data"]
        self.assertEqual((model["id"], model["object"]), ("tiny", "model"))
        self.assertEqual(model["max_model_len"], CONTEXT)
        self.assertGreater(model["meta"]["weights_bytes"], 0)
        self.assertEqual(self.server.get("/v1/models/tiny").json["id"], "tiny")
        self.assertEqual(self.server.get("/v1/models/other").status, 404)
        page = self.server.get("/")
        self.assertIn(b"<!doctype html>", page.body.lower())
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        paths = self.server.get("/openapi.json").json["paths"]
        for path in ("/v1/completions", "/v1/chat/completions", "/v1/models", "/tokenize",
                     "/detokenize", "/health", "/metrics"):
            self.assertIn(path, paths)

    def test_metrics_count(self):
        before = self.server.metric("generated_tokens_total")
        self.server.complete(prompt="Hello", max_tokens=10, ignore_eos=True)
        self.assertEqual(self.server.metric("generated_tokens_total"), before + 10)
        text = self.server.get("/metrics").body.decode()
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) octet_|octet_[a-z_]+(\{[a-z]+=\"[^\"]+\"\})? "
                                   r"-?[0-9.e+-]+$)")
        for name in ("batch_size", "first_token_seconds", "token_gap_seconds"):
            self.assertIn(f'octet_{name}_bucket{{le="+Inf"}}', text)

    def test_tokens_there_and_back(self):
        text = "Hello, Wörld<|end|>"
        tokens = self.server.post("/tokenize", {"content": text}).json["tokens"]
        self.assertEqual(tokens, [*"Hello, Wörld".encode(), BYTES + 2])
        pieces = self.server.post("/tokenize", {"content": "é", "with_pieces": True}).json["tokens"]
        self.assertEqual(pieces[0], {"id": 0xC3, "piece": "bytes:\\xc3"})
        self.assertEqual(self.server.post("/detokenize", {"tokens": tokens}).json,
                         {"content": text, "prompt": text})
        info = self.server.get("/tokenizer_info").json
        self.assertEqual((info["bos_token"], info["eos_token"]), ("<s>", "</s>"))
        self.expect_api_error(self.server.post("/detokenize", {"tokens": [99999]}), 400)

    def test_unknown_paths_and_methods(self):
        self.expect_api_error(self.server.get("/v2"), 404)
        self.expect_api_error(self.server.post("/nothing", b"x" * 100), 404)
        answer = self.server.get("/v1/completions")
        self.expect_api_error(answer, 405, "POST")
        self.assertEqual(answer.headers["Allow"], "POST")
        self.expect_api_error(self.server.request("DELETE", "/v1/models"), 405)
        self.assertEqual(self.server.request("HEAD", "/health").status, 200)

    def test_a_connection_serves_several_requests(self):
        connection = self.server.connect()
        for _ in range(20):
            answer = self.server.request("GET", "/health", connection=connection)
            self.assertEqual(answer.status, 200)
            self.server.request("POST", "/tokenize", {"content": "a"}, connection=connection)
        connection.close()

    def test_what_is_no_http_is_refused(self):
        for data in (b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET  /health\r\n\r\n", b"\x16\x03\x01" + b"\x00" * 200 + b"\r\n\r\n",
                     b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nRange: bytes=5-2,9\r\n\r\n",
                     b"POST /tokenize HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                     b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(data=data[:30]):
                received = self.server.raw(data)
                self.assertTrue(received == b"" or b" 4" in received.split(b"\r\n")[0], received)
        self.assertEqual(self.server.get("/health").status, 200)

    def test_a_body_that_nobody_reads_is_no_request(self):
        received = self.server.raw(b"GET /health HTTP/1.1\r\nContent-Length: 40\r\n\r\n"
                                   b"GET /v1/models HTTP/1.1\r\nA: 1234567\r\n\r\n")
        self.assertEqual(received.count(b"HTTP/1.1 "), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
