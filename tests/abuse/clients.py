"""Clients as threads: each sends one request and keeps all that comes back, and when."""

import json
import socket
import threading
import time

from fuzzed_requests import COMPLETE
from http_messages import post, responses

NO_ANSWER_S = 300


class Client(threading.Thread):
    """Ends with the connection. With `leave_after`, it leaves after so many tokens."""

    def __init__(self, port, fields, leave_after=None):
        super().__init__(daemon=True)
        self.port, self.fields, self.leave_after = port, fields, leave_after
        self.sent, self.data, self.times, self.problem = threading.Event(), b"", [], None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=NO_ANSWER_S) as peer:
                if peer.getsockname() == peer.getpeername():
                    # Nobody listens: the system has joined the socket to itself.
                    raise ConnectionRefusedError
                peer.sendall(post(COMPLETE, self.fields, b"Connection: close"))
                self.sent.set()
                while part := peer.recv(65536):
                    self.data += part
                    self.times += [time.monotonic()] * part.count(b'"finish_reason":')
                    if self.leave_after is not None and len(self.times) >= self.leave_after:
                        return
        except OSError as problem:
            self.problem = problem
        finally:
            self.sent.set()

    @property
    def response(self):
        """The whole response; an assertion when there is none or only a part of it."""
        found = responses(self.data)
        assert len(found) == 1, f"{len(found)} answers, {self.problem}: {self.data[-200:]!r}"
        return found[0]

    @property
    def events(self):
        """The data of a stream's events, as far as it came."""
        lines = self.data.decode(errors="ignore").split("\n")
        return [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: {")]

    @property
    def text(self):
        """What was generated, as far as it came."""
        if self.fields.get("stream"):
            return "".join(event["choices"][0]["text"] for event in self.events
                           if event.get("choices"))
        return json.loads(self.response.body)["choices"][0]["text"]


def together(clients):
    """Runs them all to their ends."""
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return clients


def alone(port, fields):
    """The text of an answer with nothing beside it."""
    client, = together([Client(port, {**fields, "stream": False})])
    assert client.response.status == 200, client.response.body
    return client.text
