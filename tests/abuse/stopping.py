"""SIGTERM while many are served: everyone who has asked is answered whole or told, and status 0."""

import collections
import json
import random
import signal
import threading
import time

import server_state
from clients import Client, alone

PARALLEL = 8
# (--stop-time, a second signal, how many seconds after the first)
WAYS = ((60, None, 0), (0.3, None, 0), (0, None, 0), (60, signal.SIGTERM, .1), (60, signal.SIGINT, .3))


def request(index, rng):
    """Short and long prompts, streams and whole answers."""
    length = rng.choice((1, 5, 60, 300))
    return {"prompt": chr(ord("a") + index % 26) * length, "max_tokens": rng.choice((20, 120, 200)),
            "temperature": 0, "ignore_eos": True, "stream": index % 4 != 3}


def outcome(client, text):
    """How an answer ended; an assertion when it did neither wholly nor by being told."""
    response = client.response
    if response.status == 503:
        assert "Retry-After" in response.headers, response.headers
        assert json.loads(response.body)["error"]["type"] == "service_unavailable_error"
        return "refused"
    assert response.status == 200, (response.status, response.body)
    assert text.startswith(client.text), (client.text, text)
    if client.fields["stream"]:
        assert response.body.endswith(b"data: [DONE]\n\n"), response.body[-200:]
        if "error" in client.events[-1]:
            assert client.events[-1]["error"]["type"] == "service_unavailable_error"
            return "told"
    assert client.text == text
    return "whole"


class Newcomers(threading.Thread):
    """Asks again and again until nobody listens any more."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.told, self.refused = port, 0, 0

    def run(self):
        while True:
            client = Client(self.port, {"prompt": "a", "max_tokens": 1})
            client.run()
            if isinstance(client.problem, ConnectionRefusedError):
                self.refused += 1
                return
            # A connection that ends without a byte was never served.
            if client.data:
                assert client.response.status in (200, 503), client.data
                self.told += 1


def stop_once(server, texts, requests, way, rng):
    _, second, later_s = way
    clients = [Client(server.port, fields) for fields in requests]
    for client in clients:
        client.start()
    if rng.random() < .5:
        for client in clients:
            client.sent.wait()
    else:
        server_state.until(lambda: sum(bool(client.data) for client in clients) >= PARALLEL,
                           "the first tokens")
        for client in clients:
            client.sent.wait()
    begin = time.monotonic()
    server.send(rng.choice((signal.SIGTERM, signal.SIGINT)))
    newcomers = [Newcomers(server.port) for _ in range(4)]
    for newcomer in newcomers:
        newcomer.start()
    if second is not None:
        time.sleep(later_s)
        if server.process.poll() is None:
            server.send(second)
    for client in (*clients, *newcomers):
        client.join()
    server_state.expect_clean_end(server)
    seconds = time.monotonic() - begin
    assert all(newcomer.refused for newcomer in newcomers)
    return collections.Counter(outcome(client, text) for client, text in zip(clients, texts)), seconds


def run(served, model, *, repeats, seed, clients=32):
    """Stops a server `repeats` times, in each of the ways in turn."""
    rng = random.Random(f"{seed}:stop")
    requests = [request(index, rng) for index in range(clients)]
    server = served(model).wait_until_ready()
    texts = [alone(server.port, fields) for fields in requests]
    server_state.expect_clean_end(server, signal.SIGTERM)
    found = []
    for repeat in range(repeats):
        way = WAYS[repeat % len(WAYS)]
        server = served(model, "--parallel", PARALLEL, "--stop-time", way[0]).wait_until_ready()
        try:
            outcomes, seconds = stop_once(server, texts, requests, way, rng)
        except BaseException:
            server.process.kill()
            raise
        found.append({"way": way, "outcomes": outcomes, "seconds": seconds})
    return found
