#!/usr/bin/env python3
"""octet serve: OpenAI's API, its errors, limits, streams, and a clean end.

usage: tests/cli/serve_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest

from cli import CliTest, octet
from made_model import BYTES, CONTEXT, write_model
from served import Served

KEY = "a secret key"


class ServedModel(CliTest):
    """One server for all tests of a class."""
    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="octet-serve-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.model = write_model(cls.folder / "tiny")
        cls.server = Served(cls.model, *cls.ARGUMENTS).wait_until_ready()
        cls.addClassCleanup(cls.server.stop)

    def expect_api_error(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        for word in words:
            self.assertIn(word, error["message"])
        return error


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
                ({"prompt": "a", "frequency_penalty": 1}, "frequency_penalty"),
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
        self.assertEqual(self.server.post("/detokenize", {"tokens": tokens}).json["content"],
                         "Hello, Wörld")
        self.expect_api_error(self.server.post("/detokenize", {"tokens": [99999]}), 400)

    def test_unknown_paths_and_methods(self):
        self.expect_api_error(self.server.get("/v2"), 404)
        self.expect_api_error(self.server.post("/nothing", b"x" * 100), 404)
        self.expect_api_error(self.server.get("/v1/completions"), 405, "POST")
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


class Limits(ServedModel):
    ARGUMENTS = ("--body", "0.1", "--client-time", "1", "--connections", "40", "--queue", "2",
                 "--parallel", "2", "--api-key", KEY, "--alias", "org/name")
    HEADERS = {"Authorization": "Bearer " + KEY}

    def post(self, path="/v1/completions", headers=HEADERS, **fields):
        return self.server.post(path, fields, headers=headers)

    def long_stream(self):
        connection = self.server.connect()
        connection.request("POST", "/v1/completions", headers=self.HEADERS, body=json.dumps(
            {"prompt": "a", "max_tokens": 500, "n": 64, "stream": True, "ignore_eos": True}))
        return connection

    def test_keys(self):
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer " + KEY[:-1]},
                        {"Authorization": "Bearer " + KEY + KEY}, {"Authorization": KEY},
                        {"Authorization": "Basic " + KEY}):
            with self.subTest(headers=headers):
                self.expect_api_error(self.post(prompt="a", headers=headers), 401)
                self.assertEqual(self.server.get("/metrics", headers=headers).status, 401)
        self.until_accepted(prompt="a")
        self.until_accepted(prompt="a", headers={"authorization": "bearer " + KEY})
        for path in ("/", "/health", "/openapi.json"):
            self.assertEqual(self.server.get(path).status, 200)

    def test_a_name_may_hold_a_slash(self):
        self.until_accepted(prompt="a", model="org/name")
        self.assertEqual(self.server.get("/v1/models/org/name", headers=self.HEADERS).status, 200)

    def test_bodies_that_are_too_large(self):
        body = json.dumps({"prompt": "a" * 10_000_000}).encode()
        self.expect_api_error(
            self.server.post("/v1/completions", body, headers=self.HEADERS), 413)
        key = b"Authorization: Bearer " + KEY.encode()
        chunked = (b"POST /v1/completions HTTP/1.1\r\n" + key +
                   b"\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 8)
        self.assertIn(b" 413 ", self.server.raw(chunked).split(b"\r\n")[0])
        self.assertEqual(self.server.get("/health").status, 200)

    def test_slow_clients_do_not_stay(self):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as peer:
            for byte in b"POST /tokenize HTTP/1.1\r\nA: " + b"a" * 1000:
                try:
                    peer.sendall(bytes([byte]))
                except OSError:
                    break
                time.sleep(0.05)
        # The limit is 1 s; then the server takes in 1 s more at most.
        self.assertLess(time.monotonic() - begin, 10)

    def test_scarce_connections(self):
        peers = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(60)]
        time.sleep(0.2)
        answers = [peer.recv(100) if index >= 40 else b"" for index, peer in enumerate(peers)]
        self.assertTrue(all(answer.startswith(b"HTTP/1.1 503") for answer in answers[40:]))
        for peer in peers:
            peer.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.server.get("/health").status == 200:
                    break
            except OSError:
                pass
            self.assertLess(time.monotonic(), deadline)

    def test_a_full_queue(self):
        # Two run, two wait.
        streams = [self.long_stream() for _ in range(4)]
        for connection in streams[:2]:
            self.assertEqual(connection.getresponse().status, 200)
        answer = self.post(prompt="a")
        self.expect_api_error(answer, 429)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual(self.server.get("/health").status, 200)
        for connection in streams:
            connection.close()

    def test_a_request_may_have_more_choices_than_the_queue_has_places(self):
        self.until_accepted(prompt="a", max_tokens=2)
        choices = self.until_accepted(prompt="a", n=40, max_tokens=8, seed=1).json["choices"]
        self.assertEqual(len(choices), 40)
        self.assertEqual(choices[:3], self.until_accepted(prompt="a", n=3, max_tokens=8,
                                                          seed=1).json["choices"])

    def until_accepted(self, **fields):
        """What others left behind may still be in the queue."""
        deadline = time.monotonic() + 60
        while (answer := self.post(**fields)).status == 429 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(answer.status, 200, answer.body)
        return answer


class Leaving(ServedModel):
    def test_a_client_that_leaves_frees_its_place(self):
        before = self.server.metric('requests_total{reason="cancelled"}')
        for _ in range(8):
            connection, response = self.server.open_stream(
                prompt="a", max_tokens=500, ignore_eos=True, n=8)
            response.read(100)
            response.close()
            connection.close()
        deadline = time.monotonic() + 60
        while self.server.metric("requests_running") + self.server.metric("requests_queued") > 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertGreaterEqual(self.server.metric('requests_total{reason="cancelled"}'), before)
        self.assertEqual(self.server.complete(prompt="a").status, 200)

    def test_answers_beside_others_are_those_alone(self):
        def request(i):
            return {"prompt": "Hello" * (i % 7 + 1), "max_tokens": 50, "seed": i, "logprobs": 1,
                    "activation_bits": 8 if i % 3 == 0 else 16}
        alone = [self.server.complete(**request(i)).json["choices"] for i in range(32)]
        together = [None] * 32

        def ask(i):
            together[i] = self.server.complete(**request(i)).json["choices"]
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(alone, together)


class Stopping(CliTest):
    def setUp(self):
        super().setUp()
        self.model = write_model(self.scratch / "tiny")

    def serve(self, *arguments, **keywords):
        server = Served(self.model, *arguments, **keywords).wait_until_ready()
        self.addCleanup(server.process.kill)
        return server

    def test_an_accepted_stream_is_finished(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve()
            streams = [server.open_stream(prompt="a", max_tokens=400, ignore_eos=True)
                       for _ in range(8)]
            server.send(number)
            for connection, response in streams:
                self.assertTrue(response.read().endswith(b"data: [DONE]\n\n"))
                connection.close()
            status, errors = server.wait()
            self.assertEqual(status, 0, errors)

    def test_what_does_not_finish_in_time_is_told(self):
        server = self.serve("--stop-time", "0")
        streams = [server.open_stream(prompt="a", max_tokens=500, ignore_eos=True, n=16)
                   for _ in range(8)]
        server.send()
        for connection, response in streams:
            self.assertTrue(response.read().endswith(b"data: [DONE]\n\n"))
            connection.close()
        status, errors = server.wait()
        self.assertEqual(status, 0, errors)

    def test_an_idle_connection_does_not_hold_it_up(self):
        server = self.serve()
        connection = server.connect()
        server.request("GET", "/health", connection=connection)
        begin = time.monotonic()
        self.assertEqual(server.stop()[0], 0)
        self.assertLess(time.monotonic() - begin, 10)
        connection.close()

    def test_the_key_may_come_from_the_environment(self):
        server = self.serve(environment={**os.environ, "OCTET_API_KEY": KEY})
        self.assertEqual(server.get("/v1/models").status, 401)
        headers = {"Authorization": "Bearer " + KEY}
        self.assertEqual(server.get("/v1/models", headers=headers).status, 200)
        self.assertEqual(server.stop()[0], 0)

    def test_a_port_that_is_taken_is_an_error(self):
        server = self.serve()
        self.expect_error(octet("serve", "-m", self.model, "--port", server.port), 1, server.port,
                          "--port")
        self.assertEqual(server.stop()[0], 0)

    def test_a_model_that_cannot_be_served_is_an_error(self):
        self.expect_error(octet("serve", "-m", self.scratch / "none", "--port", 0), 1, "none")
        (self.model / "tokenizer.json").unlink()
        self.expect_error(octet("serve", "-m", self.model, "--port", 0), 1, "tokenizer")


if __name__ == "__main__":
    unittest.main(verbosity=2)
