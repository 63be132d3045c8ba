"""Requests that nobody should send, made from a seed, each with the answers that it must get."""

import json
import random

from http_messages import head, post

KEY = "abuse-key"
AUTH = b"Authorization: Bearer " + KEY.encode()
CLOSE = b"Connection: close"
COMPLETE, CHAT = "/v1/completions", "/v1/chat/completions"

# Its answer is the same bytes whenever it is asked.
GOOD = {"prompt": "Hello", "max_tokens": 8, "seed": 1, "logprobs": 1, "ignore_eos": True}
BASES = {
    COMPLETE: {"prompt": "Hello", "max_tokens": 3},
    CHAT: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3},
    "/tokenize": {"content": "Hello"},
    "/detokenize": {"tokens": [72, 105]},
}
ANY_STATUS = range(200, 500)
REFUSED = range(400, 500)

NO_NUMBER = ("5", "", [], [1], {}, True, False)
NO_FLAG = (0, 1, "true", "", [], {}, 1.5)
NO_TEXT = (0, 1.5, True, [], {}, ["a"])
SAMPLING = {
    "temperature": (*NO_NUMBER, -0.1, 100.1, 1e300),
    "top_p": (*NO_NUMBER, -1e-9, 1.0001, 2 ** 70), "min_p": (*NO_NUMBER, -1, 1.5),
    "top_k": (*NO_NUMBER, -2, 1.5, 2 ** 31, 2 ** 64), "seed": (*NO_NUMBER, 0.5, 2 ** 63, -2 ** 63 - 1),
    "repeat_penalty": (*NO_NUMBER, 0, -1, 101), "repetition_penalty": (*NO_NUMBER, 0, 1e9),
    "n": (*NO_NUMBER, 0, -1, 1.0, 10 ** 6, 2 ** 63, 2 ** 64), "model": (*NO_TEXT,),
    "stop": (0, 1.5, True, {}, [1], [""], "", ["a"] * 17, "a" * 1025, [["a"]]),
    "ignore_eos": NO_FLAG, "stream": NO_FLAG, "activation_bits": (*NO_NUMBER, 7, 9, 12, 17, 8.0),
    "stream_options": (0, "a", []),
    "frequency_penalty": (*NO_NUMBER, -3, 3), "presence_penalty": (*NO_NUMBER, -2.1, 2.1),
    "logit_bias": ({"1": 101}, {"one": 1}, {"1": "1"}, {"1": None}, {"4294967297": 1}, [1], 1),
}
WRONG = {
    COMPLETE: {
        **SAMPLING, "max_tokens": (*NO_NUMBER, -1, 0, 1.5, 2 ** 31, 2 ** 64, 1e30),
        "prompt": (None, 0, 1.5, True, [], {}, [[]], ["a", 1], [1, "a"], [1, -1], [1, 2 ** 40],
                   [1.5], [[1], ["a"]], [9999], [[1], [9999]], "", [None], [True], ["a"] * 5000),
        "echo": NO_FLAG, "logprobs": (*NO_NUMBER, -1, 21, 1.5), "best_of": (*NO_NUMBER, 0, 2),
        "suffix": (*NO_TEXT, "a")},
    CHAT: {
        **SAMPLING, "max_tokens": (*NO_NUMBER, -1, 0, 2 ** 31),
        "max_completion_tokens": (*NO_NUMBER, -1, 0, 2 ** 31),
        "messages": (None, 0, "a", True, [], {}, ["a"], [1], [{}], [{"role": "user"}],
                     [{"content": "a"}], [{"role": 1, "content": "a"}],
                     [{"role": "user", "content": 5}], [{"role": "user", "content": [1]}],
                     [{"role": "user", "content": [{"type": "image_url", "image_url": "a"}]}],
                     [{"role": "user", "content": [{"type": "text", "text": 5}]}]),
        "logprobs": (0, 1, "a", [], {}), "top_logprobs": (*NO_NUMBER, -1, 21, 2),
        "tools": ([{}], [1], {"a": 1}, "a", 1, True), "functions": ([{}],),
        "tool_choice": ("required", 1, {}, []), "function_call": ({"name": "a"},),
        "response_format": ("text", {}, {"type": "json_object"}, {"type": 5}, []),
        "chat_template_kwargs": (0, "a", [], True)},
    "/tokenize": {"content": NO_TEXT, "add_special": NO_FLAG, "add_special_tokens": NO_FLAG,
                  "with_pieces": NO_FLAG},
    "/detokenize": {"tokens": (None, 0, "a", True, {}, ["a"], [1.5], [-1], [9999], [2 ** 64], [[1]],
                               [None], [True])},
}
BAD_UTF8 = (b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80",
            b"\xf8\x88\x80\x80\x80", b"\xc3")


class Case:
    """Bytes for a connection of their own. `expected`: for each answer the statuses that are right;
    `at_most`: so many may come, of any status below 500 but for those expected."""

    def __init__(self, data, *expected, ends=True, at_most=0, param=None, methods=(), same=(),
                 leaves=False, pieces=None):
        self.data = data
        self.expected = [each if hasattr(each, "__contains__") else (each,) for each in expected]
        self.ends = ends          # the client shuts its side after the last byte
        self.at_most = max(at_most, len(expected))
        self.param = param        # the first answer's error names this field
        self.methods = methods
        self.same = same          # indices of answers that equal GOOD's
        self.leaves = leaves      # nothing is read
        self.pieces = pieces      # sizes of the pieces in which the bytes are sent


def asked(path, body, *expected, **keywords):
    return Case(post(path, body, AUTH, CLOSE), *expected, ends=False, **keywords)


def wrong_type(rng):
    path = rng.choice(list(WRONG))
    field = rng.choice(list(WRONG[path]))
    body = {**BASES[path], field: rng.choice(WRONG[path][field])}
    if field == "stream_options":
        body["stream"] = True
    return asked(path, body, 400, param=field)


def unknown_field(rng):
    path = rng.choice(list(BASES))
    name = "?" + "".join(chr(rng.choice((rng.randrange(1, 0x80), rng.randrange(0xA0, 0xD800),
                                         rng.randrange(0x10000, 0x110000))))
                         for _ in range(rng.randrange(30)))
    return asked(path, {**BASES[path], name: random_json(rng, 2)}, 400, param=name)


def huge_number(rng):
    path = rng.choice((COMPLETE, CHAT))
    field = rng.choice(("max_tokens", "temperature", "top_p", "top_k", "seed", "n", "min_p"))
    digits = "".join(rng.choice("123456789") for _ in range(rng.randrange(20, 3000)))
    number = rng.choice((digits, "-" + digits, digits + ".5", digits + "e" + digits[:3], "1e400",
                         "-1e" + digits[:9], "9" * 19, "18446744073709551616", "1E+" + digits[:6]))
    text = json.dumps({**BASES[path], field: None}).replace(f'"{field}": null', f'"{field}": {number}')
    return asked(path, text.encode(), 400)


def random_json(rng, depth):
    kind = rng.randrange(9 if depth > 0 else 7)
    if kind < 7:
        return (None, True, rng.randrange(-5, 5), rng.uniform(-1e9, 1e9), rng.getrandbits(70),
                "".join(chr(rng.randrange(32, 0x3000)) for _ in range(rng.randrange(8))),
                rng.choice(("Hello", "user", "text", "")))[kind]
    if kind == 7:
        return [random_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    names = ("role", "content", "type", "text", "prompt", "messages", "tokens", "model", "a")
    return {rng.choice(names): random_json(rng, depth - 1) for _ in range(rng.randrange(4))}


def random_body(rng):
    path = rng.choice(list(BASES))
    body = dict(BASES[path])
    for field in rng.choices(list(WRONG[path]), k=rng.randrange(1, 4)):
        body[field] = random_json(rng, 3)
    return asked(path, rng.choice((body, random_json(rng, 4))), (200, 400, 404))


def random_conversation(rng):
    messages = [{"role": rng.choice(("system", "user", "assistant", "tool", "", "x" * 300, "\0")),
                 "content": rng.choice(("", "{{ 1/0 }}", "<s>", "<|end|>", "\u2028\0é" * 9,
                                        [{"type": "text", "text": "a"}] * rng.randrange(9), None))}
                for _ in range(rng.randrange(1, 20))]
    return asked(CHAT, {"messages": messages, "max_tokens": 2}, (200, 400))


def deep_nesting(rng):
    path = rng.choice(list(BASES))
    depth = int(10 ** rng.uniform(2, 5.5))
    opening = rng.choice((b"[", b'{"a":'))
    inner = opening * depth
    if rng.random() < .5:
        inner += b"1" + (b"]" if opening == b"[" else b"}") * depth
    field = rng.choice(list(WRONG[path])).encode()
    return asked(path, rng.choice((inner, b'{"' + field + b'":' + inner + b"}")), 400)


def invalid_utf8(rng):
    path = rng.choice(list(BASES))
    body = json.dumps(BASES[path]).encode()
    places = [i for i, byte in enumerate(body) if byte == ord('"')]
    place = rng.choice(places) + rng.randrange(2)
    return asked(path, body[:place] + rng.choice(BAD_UTF8) + body[place:], 400)


def strange_text(rng):
    text = "".join(rng.choice("\0\x01\x7f\u0301\u200d\u202e\ufeff\uffff\U0001f600\U0010ffff\t\n\r'\"\\")
                   for _ in range(rng.randrange(1, 20)))
    return asked(COMPLETE, {"prompt": text, "max_tokens": 2, "echo": True, "logprobs": 2}, 200)


def cut_json(rng):
    path = rng.choice(list(BASES))
    body = json.dumps(BASES[path]).encode()
    return asked(path, body[:rng.randrange(len(body))], 400)


def no_json(rng):
    path = rng.choice(list(BASES))
    body = rng.choice((b"", b"null", b"[]", b"1", b'"a"', b"{}{}", b"{'a': 1}", b'{"a" 1}', b"{,}",
                       b'{"a": 01}', b'{"a": NaN}', b'{"a": "\n"}', b'{"a": "\\ud800"}', b"\xef\xbb\xbf",
                       b'{"a": tru}', b"\0" * 50, rng.randbytes(rng.randrange(200))))
    return asked(path, body, 400)


def truncated_body(rng):
    path = rng.choice(list(BASES))
    body = json.dumps(BASES[path]).encode()
    sent = rng.randrange(len(body))
    more = rng.choice((len(body), len(body) + 1, 5000, 7_999_999))
    return Case(head("POST", path, AUTH, b"Content-Length: %d" % more) + body[:sent], 400)


def wrong_length(rng):
    path = rng.choice(list(BASES))
    body = json.dumps(BASES[path]).encode()
    length = rng.choice((b"abc", b"-5", b"+5", b"0x10", b"1e3", b"5 5", b"5, 5", b"5,6", b"5;", b"1.0",
                         b"\xff", b"-0", b"9" * rng.randrange(20, 60), b"8000001", b"10000000000",
                         b"18446744073709551616", b"18446744073709551615", b"9223372036854775808"))
    large = length.isdigit()
    return Case(head("POST", path, AUTH, b"Content-Length: " + length) + body,
                (413, 400) if large else 400)


def two_lengths(rng):
    body = json.dumps(GOOD).encode()
    length = b"Content-Length: %d" % len(body)
    extra = rng.choice((b"Content-Length: 3", b"Transfer-Encoding: chunked",
                        b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
                        b"Transfer-Encoding: xchunked"))
    headers = [length, extra]
    rng.shuffle(headers)
    return Case(head("POST", COMPLETE, AUTH, *headers) + body, 400)


def no_length(rng):
    path = rng.choice(list(BASES))
    return Case(head("POST", path, AUTH) + rng.choice((b"", json.dumps(BASES[path]).encode())), 411)


def short_length(rng):
    body = json.dumps(BASES[COMPLETE]).encode()
    length = rng.randrange(len(body))
    return Case(head("POST", COMPLETE, AUTH, b"Content-Length: %d" % length) + body, 400, REFUSED)


def chunks(rng, body, extension=b""):
    data = b""
    while body:
        size = rng.randrange(1, len(body) + 1)
        data += (rng.choice((b"%x", b"%X", b"000%x")) % size) + extension + b"\r\n"
        data += body[:size] + b"\r\n"
        body = body[size:]
    return data


CHUNKED = b"Transfer-Encoding: chunked"


def chunked(rng):
    data = chunks(rng, json.dumps(GOOD).encode(), rng.choice((b"", b"", b";a=b", b' ; c="d"')))
    trailer = rng.choice((b"", b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"))
    te = rng.choice((CHUNKED, b"transfer-encoding: Chunked"))
    return Case(head("POST", COMPLETE, AUTH, CLOSE, te) + data + b"0\r\n" + trailer + b"\r\n",
                200, ends=False, same=(0,))


def broken_chunks(rng):
    good = chunks(rng, json.dumps(GOOD).encode())
    size = good.index(b"\r\n")
    data = rng.choice((
        good[:rng.randrange(len(good))], good, good + b"0\r\n", good + b"0\r\nA: b\r\n",
        b"zz\r\n" + good, b"\r\n" + good, b"-5\r\n" + good, b"+5\r\nabcde\r\n0\r\n\r\n",
        b"0x5\r\nabcde\r\n0\r\n\r\n", b" 5\r\nabcde\r\n0\r\n\r\n", b"5 5\r\nabcde\r\n0\r\n\r\n",
        b"3\r\nabcde\r\n0\r\n\r\n", b"7\r\nabcde\r\n0\r\n\r\n", b"5\nabcde\n0\n\n",
        b"5\r\nabcde0\r\n\r\n", b"f" * 16 + b"\r\n" + good, b"f" * 40 + b"\r\n" + good,
        b"1" + good[:size] + b"1" * 300 + good[size:], b"5;" + b"a" * 70_000 + b"\r\n" + good,
        good[:-1] + b"x" + good + b"0\r\n\r\n", rng.randbytes(40)))
    return Case(head("POST", COMPLETE, AUTH, CHUNKED) + data, (400, 413))


def large_body(rng):
    body = b'{"prompt": "' + b"a" * 10_000_000 + b'"}'
    if rng.random() < .5:
        return Case(post(COMPLETE, body, AUTH), 413)
    pieces = [body[i:i + 65_536] for i in range(0, len(body), 65_536)]
    data = b"".join(b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in pieces)
    return Case(head("POST", COMPLETE, AUTH, CHUNKED) + data + b"0\r\n\r\n", 413)


def many_tokens(rng):
    count = int(10 ** rng.uniform(3, 5.5))
    body = rng.choice(({"prompt": [1] * count}, {"prompt": "a" * count}))
    return asked(COMPLETE, body, 400)


def token_ids(rng):
    ids = [rng.randrange(256) for _ in range(rng.randrange(1, 80))]
    if rng.random() < .5:
        return asked("/detokenize", {"tokens": ids}, 200)
    return asked(COMPLETE, {"prompt": ids, "max_tokens": 2, "stream": rng.random() < .5}, 200)


def wrong_key(rng):
    value = rng.choice(("", "Bearer", "Bearer ", "Bearer x", "Bearer " + KEY[:-1], "Bearer " + KEY + "x",
                        "Basic " + KEY, KEY, "Bearer" + KEY, "Bearer " + KEY * 900)).encode()
    value = rng.choice((value, b"Bearer " + bytes(rng.randrange(128, 256) for _ in KEY)))
    path = rng.choice((*BASES, "/metrics", "/v1/models", "/nothing"))
    if path in BASES:
        return Case(post(path, BASES[path], CLOSE, b"Authorization: " + value), 401, ends=False)
    return Case(head("GET", path, CLOSE, b"Authorization: " + value), 401, ends=False)


def odd_headers(rng):
    """Header lines that a server may skip or refuse, but must survive."""
    line = rng.choice((b"no colon", b": no name", b"A:" + b"b" * rng.randrange(9000), b"A" * 9000,
                       b"A:\x00\x01\xff", b"A: b\rC: d", b" folded: a", b"A: %zz%00%ff", b"\xff\xfe: a",
                       b"Range: bytes=" + rng.choice((b"5-2", b"0-", b"a", b"-", b"0-0,1-1" * 90)),
                       b"Expect: " + rng.choice((b"100-continue", b"200-ok")),
                       b"Connection: " + rng.choice((b"upgrade", b"a" * 900, b"keep-alive, close")),
                       b"Content-Type: " + rng.choice((b"multipart/form-data; boundary=a",
                                                       b"multipart/form-data",
                                                       b"application/x-www-form-urlencoded",
                                                       b"text/plain", b"\x00")),
                       b"Content-Encoding: " + rng.choice((b"gzip", b"br", b"deflate", b"a")),
                       b"Accept-Encoding: " + rng.choice((b"gzip", b"br;q=9", b"*" * 900)),
                       b"Cookie: a=" + b"b" * 4000))
    lines = [line] * rng.choice((1, 1, 2, 30))
    # Of several answers none is right after a refusal, so nothing follows but what is not read.
    return Case(post(COMPLETE, GOOD, AUTH, *lines), ANY_STATUS, at_most=9)


def long_head(rng):
    count = rng.choice((1000, 5000))
    lines = [b"A%d: %s" % (i, b"b" * 100) for i in range(count)]
    return Case(head("GET", "/health", *lines), 400)


def other_paths(rng):
    method = rng.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"))
    path = rng.choice(("/nothing", "/v1", "/v1/", "//", "/../etc/passwd", "/%2e%2e/etc/passwd", "/%00",
                       "/%ff%fe", "/%zz", "/%u1234", "/v1/completions/", "/?a=b", "/health?" + "a=b&" * 500,
                       "*", "http://localhost/health", "/v1/models/x", "/v1/models/%ff",
                       "/v1/models/" + "a" * rng.randrange(7000), "/" + "%41" * 2000,
                       "/caf\u00e9", "/health#a", "/health/../metrics"))
    # What has no length has no body, but a POST must say so.
    statuses = {200, 404, 405, 400} if method in ("GET", "HEAD") else {400, 404, 405, 411}
    return Case(head(method, path, AUTH, CLOSE), statuses, ends=False, methods=(method,))


def no_request_line(rng):
    line = rng.choice((b"", b" ", b"GET", b"GET /", b"GET / HTTP/2", b"GET / HTTP/9.9",
                       b"FETCH / HTTP/1.1", b"get / HTTP/1.1", b"GET / HTTP/1.1 x", b"GET\t/\tHTTP/1.1",
                       b"PRI * HTTP/2.0", b"\x16\x03\x01\x02\x00\x01", b"GET /" + b"a" * 9000 + b" HTTP/1.1",
                       b"\x00" * 100, b"SSH-2.0-OpenSSH_9.2", b"GET /\xff HTTP/1.0x"))
    return Case(line + b"\r\nHost: a\r\n\r\n", REFUSED)


def pipelined(rng):
    parts, expected, same = [], [], []
    for index in range(rng.randrange(2, 9)):
        kind = rng.randrange(4)
        if kind == 0:
            parts.append(post(COMPLETE, GOOD, AUTH))
            same.append(index)
        elif kind == 1:
            parts.append(head("GET", rng.choice(("/health", "/v1/models", "/metrics")), AUTH))
        elif kind == 2:
            parts.append(post("/tokenize", {"content": "a" * rng.randrange(100)}, AUTH))
        else:
            parts.append(post(COMPLETE, b"{", AUTH))
        expected.append(400 if kind == 3 else 200)
    parts.append(head("GET", "/health", CLOSE))
    return Case(b"".join(parts), *expected, 200, ends=False, same=same)


def random_bytes(rng):
    return Case(rng.randbytes(rng.randrange(1, 3000)), REFUSED)


def random_lines(rng):
    words = (b"GET", b"POST", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"\n", b":", b"Content-Length",
             b"chunked", b"Transfer-Encoding", b"0", b"5", b"/health", COMPLETE.encode(), b"\0", b"{", b"}")
    return Case(b"".join(rng.choice(words) for _ in range(rng.randrange(1, 60))), at_most=60)


def mutated(rng):
    data = bytearray(post(COMPLETE, GOOD, AUTH, CLOSE))
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            del data[place:place + rng.randrange(1, 9)]
        elif kind == 2:
            data[place:place] = rng.randbytes(rng.randrange(1, 9))
        else:
            data[place:place] = data[place:place + 20]
    return Case(bytes(data), at_most=9)


def early_leaver(rng):
    data = post(COMPLETE, {"prompt": "Hello", "max_tokens": 200, "ignore_eos": True,
                           "stream": rng.random() < .5, "n": rng.randrange(1, 5)}, AUTH)
    return Case(data[:rng.randrange(1, len(data) + 1)] if rng.random() < .5 else data, leaves=True)


def in_pieces(rng):
    data = post(COMPLETE, GOOD, AUTH, CLOSE)
    return Case(data, 200, ends=False, same=(0,),
                pieces=[rng.randrange(1, 40) for _ in range(len(data))])


KINDS = (wrong_type, wrong_type, unknown_field, huge_number, random_body, random_body,
         random_conversation, deep_nesting, invalid_utf8, strange_text, cut_json, no_json,
         truncated_body, wrong_length, two_lengths, no_length, short_length, chunked, broken_chunks,
         broken_chunks, many_tokens, token_ids, wrong_key, odd_headers, odd_headers, long_head,
         other_paths, no_request_line, pipelined, random_bytes, random_lines, mutated, mutated,
         early_leaver, in_pieces)
LARGE_EVERY = 400


def case(seed, index):
    """The kind's name and the case; the same for the same numbers."""
    rng = random.Random(f"{seed}:{index}")
    kind = large_body if index % LARGE_EVERY == LARGE_EVERY - 1 else KINDS[index % len(KINDS)]
    return kind.__name__, kind(rng)
