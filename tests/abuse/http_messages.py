"""Requests as bytes, and what is wrong with the bytes that come back."""

import gzip
import json
import re

# The types of octet's errors by status; others are invalid_request_error.
ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


def head(method, path, *headers, version="HTTP/1.1"):
    """Each header is bytes, without its line's end."""
    lines = [f"{method} {path} {version}".encode(), b"Host: localhost", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path, body, *headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return head("POST", path, b"Content-Length: %d" % len(body), *headers) + body


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class BadResponse(Exception):
    pass


def chunked_body(data, at):
    """The body that begins there and where it ends."""
    body = b""
    while True:
        line = re.compile(rb"([0-9a-fA-F]+)\r\n").match(data, at)
        if not line:
            raise BadResponse(f"a chunk's size is missing: {data[at:at + 40]!r}")
        at, size = line.end(), int(line[1], 16)
        body += data[at:at + size]
        if data[at + size:at + size + 2] != b"\r\n":
            raise BadResponse("a chunk ends early")
        at += size + 2
        if size == 0:
            return body, at


def responses(data, methods=()):
    """All of a connection's responses, without interim ones. A method HEAD's has no body."""
    found, at = [], 0
    while at < len(data):
        start = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n").match(data, at)
        if not start:
            raise BadResponse(f"no HTTP: {data[at:at + 80]!r}")
        at = start.end()
        headers = dict(line.split(": ", 1) for line in start[2].decode("latin-1").split("\r\n")[:-1])
        status, body = int(start[1]), b""
        if status < 200:
            continue
        if len(found) < len(methods) and methods[len(found)] == "HEAD":
            pass
        elif headers.get("Transfer-Encoding") == "chunked":
            body, at = chunked_body(data, at)
        else:
            size = int(headers["Content-Length"])
            body = data[at:at + size]
            if len(body) < size:
                raise BadResponse(f"{size} bytes were announced, {len(body)} came")
            at += size
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        found.append(Response(status, headers, body))
    return found


def error_problem(response):
    """What is not OpenAI's about an error, or None."""
    if response.headers.get("Content-Type") != "application/json":
        return f"its type is {response.headers.get('Content-Type')}"
    try:
        error = json.loads(response.body.decode("utf-8"))["error"]
    except (ValueError, KeyError, TypeError) as problem:
        return f"its body is no error object: {problem}"
    if set(error) != {"message", "type", "param", "code"}:
        return f"its fields are {sorted(error)}"
    if not isinstance(error["message"], str) or not error["message"]:
        return "it says nothing"
    if error["type"] != ERROR_TYPES.get(response.status, "invalid_request_error"):
        return f"its type is {error['type']}"
    return None


def problem_of(response, head_only=False):
    """What is wrong with a response whatever was asked, or None."""
    if response.status >= 500:
        return f"status {response.status}: {response.body[:200]!r}"
    if head_only:
        return None
    if response.status >= 400:
        return error_problem(response)
    if response.headers.get("Content-Encoding") == "br":
        return None  # Python cannot read it
    kind = response.headers.get("Content-Type", "")
    if kind == "text/event-stream" and not response.body.endswith(b"data: [DONE]\n\n"):
        return f"the stream has no end: {response.body[-80:]!r}"
    if kind == "application/json":
        try:
            json.loads(response.body.decode("utf-8"))
        except ValueError as problem:
            return f"its body is no JSON: {problem}"
    return None
