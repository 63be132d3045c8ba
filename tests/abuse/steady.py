"""Thousands of requests in a row, and clients that leave midway: memory and pages stay as they are."""

import signal
import threading

import server_state
from clients import Client, alone, together

PARALLEL = 8


def request(index):
    return {"prompt": "word %d " % index * (1 + index % 12), "max_tokens": 1 + index % 40,
            "ignore_eos": True, "seed": index, "stream": index % 3 == 0, "n": 1 + index % 2,
            "activation_bits": 8 if index % 5 == 0 else 16}


def run_many(served, model, *, requests, marks):
    """Resident memory after each of `marks` requests, eight at a time. Ends the server."""
    server = served(model, "--parallel", PARALLEL, "-c", 512).wait_until_ready()
    found, lock, indices = {}, threading.Lock(), iter(range(requests))

    def work():
        while True:
            with lock:
                index = next(indices, None)
                if index is None:
                    return
                if index in marks:
                    found[index] = server_state.rss_mb(server)
            client = Client(server.port, request(index))
            client.run()
            assert client.response.status == 200, client.response.body
    workers = [threading.Thread(target=work) for _ in range(PARALLEL)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        counts = server_state.until_idle(server)
        found[requests] = server_state.rss_mb(server)
    except BaseException:
        server.process.kill()
        raise
    ended = sum(counts[f'requests_total{{reason="{reason}"}}'] for reason in ("stop", "length"))
    choices = sum(request(index)["n"] for index in range(requests))
    assert ended == choices, (ended, choices)
    server_state.expect_clean_end(server, signal.SIGTERM)
    return found


def run_leaving(served, model, *, clients=32, leave=8, tokens=64):
    """Some leave midway; the others' answers are those alone and all pages come back."""
    server = served(model).wait_until_ready()
    try:
        fields = [{"prompt": "Once upon a time " * (1 + i % 8), "max_tokens": tokens, "seed": i,
                   "ignore_eos": True, "stream": True} for i in range(clients)]
        texts = [alone(server.port, each) for each in fields]
        before = server_state.until_idle(server)
        made = together([Client(server.port, each, leave_after=tokens // 8 if i < leave else None)
                         for i, each in enumerate(fields)])
        after = server_state.until_idle(server)
        for i, (client, text) in enumerate(zip(made, texts)):
            assert text.startswith(client.text), (i, client.text, text)
            assert i < leave or (client.text == text and
                                 client.response.body.endswith(b"data: [DONE]\n\n")), i
    except BaseException:
        server.process.kill()
        raise
    server_state.expect_clean_end(server, signal.SIGTERM)
    name = 'requests_total{reason="cancelled"}'
    return {"whole": clients - leave, "cancelled": int(after[name] - before[name]),
            "pages used": int(after["kv_pages_used"]),
            "pages remembered": int(after["kv_pages_remembered"]), "pages": int(after["kv_pages"])}
