"""Hundreds of clients that send byte by byte, stay silent or stop reading, beside clients that want
their answers."""

import random
import selectors
import signal
import socket
import threading
import time

import server_state
from clients import Client, together
from fuzzed_requests import COMPLETE
from http_messages import head, post

BYTE_EVERY_S = .05
SHORT = {"prompt": "Hello", "max_tokens": 16, "ignore_eos": True}
# More than a socket's buffers take in.
ENDLESS = {"prompt": "Hello", "max_tokens": 400, "ignore_eos": True, "stream": True, "n": 8,
           "logprobs": 20}


def connect(port, receive_buffer=None):
    peer = socket.socket()
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.connect(("127.0.0.1", port))
    return peer


class Dawdlers(threading.Thread):
    """Sends to each connection the next byte of its request, until the server has closed all."""

    def __init__(self, port, count, rng):
        super().__init__(daemon=True)
        long_head = head("GET", "/health", b"A: " + b"a" * 8000)
        long_body = post(COMPLETE, {"prompt": "a" * 8000, "max_tokens": 1})
        body_begins = long_body.index(b"\r\n\r\n") + 4
        self.waiting, self.answers, self.closed = {}, {}, 0
        for index in range(count):
            peer = connect(port)
            data, at = ((long_head, rng.randrange(80)) if index % 2 == 0 else
                        (long_body, body_begins + rng.randrange(80)))
            peer.sendall(data[:at])
            peer.setblocking(False)
            self.waiting[peer], self.answers[peer] = [data, at], b""

    def run(self):
        while self.waiting:
            for peer, state in list(self.waiting.items()):
                data, at = state
                try:
                    if part := self.received(peer):
                        self.answers[peer] += part
                        continue
                    state[1] += peer.send(data[at:at + 1])
                except (BrokenPipeError, ConnectionResetError, EOFError):
                    self.closed += 1
                    del self.waiting[peer]
                    peer.close()
            time.sleep(BYTE_EVERY_S)

    @staticmethod
    def received(peer):
        try:
            part = peer.recv(65536)
        except BlockingIOError:
            return b""
        if not part:
            raise EOFError
        return part


def read_to_end(peers):
    """What comes from each until the server closes it."""
    received = {peer: b"" for peer in peers}
    selector = selectors.DefaultSelector()
    for peer in peers:
        selector.register(peer, selectors.EVENT_READ)
    while selector.get_map():
        ready = selector.select(server_state.PATIENCE_S)
        assert ready, f"{len(selector.get_map())} connections are not closed"
        for key, _ in ready:
            try:
                part = key.fileobj.recv(65536)
            except ConnectionResetError:
                part = b""
            received[key.fileobj] += part
            if not part:
                selector.unregister(key.fileobj)
                key.fileobj.close()
    return list(received.values())


def wave(server, each, stalled, rng):
    """All kinds at once with eight clients beside them, and the seconds that those needed: beside the
    slow ones, then beside streams too that nobody reads and that are computed all the same."""
    connections = 2 * each + stalled
    dawdlers = Dawdlers(server.port, each, rng)
    silent = [connect(server.port) for _ in range(each)]
    for peer in silent[:each // 2]:
        peer.sendall(post(COMPLETE, SHORT)[:rng.randrange(1, 60)])
    dawdlers.start()
    seconds = short_answers(server)
    stuck = [connect(server.port, receive_buffer=4096) for _ in range(stalled)]
    for peer in stuck:
        peer.sendall(post(COMPLETE, ENDLESS))
    beside_streams = short_answers(server)
    seen = server_state.metrics(server)["http_connections"]
    dawdlers.join()
    told = list(dawdlers.answers.values())
    assert all(answer == b"" or answer.startswith(b"HTTP/1.1 400") for answer in told), told
    assert sum(map(bool, told)) >= each // 2, "who sends a body byte by byte is told"
    read_to_end(silent)
    settled(server)
    cut = sum(not answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for answer in read_to_end(stuck))
    assert cut == stalled, f"{stalled - cut} answers came whole that nobody read"
    server_state.until_idle(server)
    return {"connections": connections, "open together": int(seen), "seconds": seconds,
            "seconds beside streams": beside_streams}


def short_answers(server, rounds=3):
    begin = time.monotonic()
    texts = set()
    for _ in range(rounds):
        for client in together([Client(server.port, {**SHORT, "temperature": 0}) for _ in range(8)]):
            assert client.response.status == 200, client.response.body
            texts.add(client.text)
    assert len(texts) == 1, texts
    return (time.monotonic() - begin) / rounds


def state(server):
    return {"threads": server_state.threads(server), "descriptors": server_state.descriptors(server),
            "MB": server_state.rss_mb(server)}


def settled(server):
    """The state once no connection is open and none is being closed."""
    readings = []

    def same():
        readings.append((server_state.threads(server), server_state.descriptors(server)))
        time.sleep(.2)
        return len(readings) > 3 and len(set(readings[-3:])) == 1
    server_state.until(lambda: server_state.metrics(server)["http_connections"] == 1,
                       "no connection but that of the metrics")
    server_state.until(same, "threads and descriptors that do not change")
    return state(server)


def run(served, model, *, each, stalled, seed, waves=5, client_time_s=3):
    """Every wave leaves as many threads and descriptors as were there before. Ends the server."""
    server = served(model, "--client-time", client_time_s, "--connections", 2 * each + stalled + 50,
                    "--queue", 1000, "--parallel", 256, "--stop-time", 60).wait_until_ready()
    try:
        short_answers(server)
        seconds_alone = short_answers(server)
        before = settled(server)
        found = []
        for number in range(waves):
            found.append(wave(server, each, stalled, random.Random(f"{seed}:{number}")))
            found[-1] |= settled(server)
            for what in ("threads", "descriptors"):
                assert found[-1][what] == before[what], (what, before, found[-1])
        if not server_state.sanitized(server):
            # What the first waves have made the heap and the prefix cache, the others use again.
            assert found[-1]["MB"] < 1.25 * found[waves // 2]["MB"], found
    except BaseException:
        server.process.kill()
        raise
    server_state.expect_clean_end(server, signal.SIGTERM)
    return {"seconds alone": seconds_alone, "before": before, "waves": found}
