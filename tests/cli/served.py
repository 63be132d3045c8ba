"""A running `octet serve` and the HTTP that tests speak to it."""

import http.client
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cli import CliTest, OCTET, TIMEOUT_S
from made_model import write_model


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """The data of a stream's events."""
        parts = self.body.decode("utf-8").split("\n\n")
        assert parts[-1] == "" and all(part.startswith("data: ") for part in parts[:-1]), parts
        return [part[len("data: "):] for part in parts[:-1]]

    @property
    def chunks(self):
        events = self.events
        assert events[-1] == "[DONE]", events[-1]
        return [json.loads(event) for event in events[:-1]]


class Served:
    """Ends with stop(), or with the test that it is a cleanup of."""

    def __init__(self, model, *arguments, environment=None, headers=None):
        self.headers = headers or {}  # of every request that has none of its own
        self.process = subprocess.Popen(
            [OCTET, "serve", "-m", str(model), "--port", "0", "--json", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().decode())
        self.port = json.loads(line)["port"]

    def wait_until_ready(self):
        deadline = time.monotonic() + TIMEOUT_S
        while self.get("/health").status != 200:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the model is not loaded: " + self.stop()[1])
            time.sleep(0.02)
        return self

    def connect(self, timeout=TIMEOUT_S):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        own = connection or self.connect()
        own.request(method, path, body=body, headers=self.headers if headers is None else headers)
        response = own.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if connection is None:
            own.close()
        return answer

    def get(self, path, **keywords):
        return self.request("GET", path, **keywords)

    def post(self, path, body, **keywords):
        return self.request("POST", path, body, **keywords)

    def complete(self, **fields):
        return self.post("/v1/completions", fields)

    def raw(self, data, timeout=TIMEOUT_S):
        """What comes back for these bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as peer:
            peer.sendall(data)
            received = b""
            while part := peer.recv(65536):
                received += part
            return received

    def open_stream(self, **fields):
        """A connection whose stream has begun, and its response."""
        connection = self.connect()
        connection.request("POST", "/v1/completions", body=json.dumps({"stream": True, **fields}),
                           headers=self.headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return connection, response

    def metric(self, name):
        text = self.get("/metrics").body.decode()
        return float(re.search(rf"^octet_{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])

    def send(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Exit status and what stood on standard error."""
        if self.process.poll() is None:
            self.send(number)
        return self.wait()

    def wait(self):
        """The same, of a server that has been told to stop."""
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, errors.decode()


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
