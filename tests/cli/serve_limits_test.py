#!/usr/bin/env python3
"""octet serve: keys, limits, clients that leave or dawdle, many at once, and a clean end.

usage: tests/cli/serve_limits_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import os
import signal
import socket
import threading
import time
import unittest

from cli import CliTest, octet
from made_model import write_model
from served import Answer, Served, ServedModel

KEY = "a secret key"


class Limits(ServedModel):
    ARGUMENTS = ("--body", "0.1", "--client-time", "1", "--connections", "40", "--queue", "2",
                 "--parallel", "2", "--api-key", KEY, "--alias", "org/name")
    HEADERS = {"Authorization": "Bearer " + KEY}

    def post(self, path="/v1/completions", headers=HEADERS, **fields):
        return self.server.post(path, fields, headers=headers)

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
        self.until_answered()

    def test_who_finds_no_connection_is_told_whatever_it_sends(self):
        peers = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(40)]
        late = [self.server.connect() for _ in range(20)]
        for connection in late:
            connection.connect()
        time.sleep(.2)  # the server has answered before anything is asked
        for connection in late:
            connection.request("POST", "/tokenize", b"a" * 60_000, self.HEADERS)
        for connection in late:
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            self.expect_api_error(answer, 503, "connections")
            connection.close()
        for peer in peers:
            peer.close()
        self.until_answered()

    def until_answered(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.server.get("/health").status == 200:
                    return
            except OSError:
                pass
            self.assertLess(time.monotonic(), deadline)

    def test_a_full_queue(self):
        # Two run and two wait; of thirty at once some are told to come again.
        answers = []

        def ask():
            answers.append(self.post(prompt="a", max_tokens=480, ignore_eos=True))
        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer.status for answer in answers}, {200, 429})
        told = next(answer for answer in answers if answer.status == 429)
        self.expect_api_error(told, 429)
        self.assertGreaterEqual(int(told.headers["Retry-After"]), 1)

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

    def test_a_second_signal_of_either_kind_ends_the_time_and_tells_the_rest(self):
        for first, second in ((signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM),
                              (signal.SIGTERM, signal.SIGTERM)):
            server = self.serve("--stop-time", "600")
            streams = [server.open_stream(prompt="a" * 100, max_tokens=400, ignore_eos=True, n=30,
                                          logprobs=20) for _ in range(8)]
            server.send(first)
            while b"stopping" not in server.process.stderr.readline():
                pass
            server.send(second)
            ends = [response.read()[-1000:] for _, response in streams]
            self.assertTrue(all(end.endswith(b"data: [DONE]\n\n") for end in ends), ends)
            self.assertIn(b"service_unavailable_error", b"".join(ends))
            for connection, _ in streams:
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
