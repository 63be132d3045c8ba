"""Long prompts that arrive while short streams decode: how long nobody gets a token, against the
duration of the steps that hold the prompts' chunks."""

import signal
import time

import server_state
from clients import Client

STREAMS = 8
CHUNK = 128  # rows of prompts in a step


def prompt(number, words):
    return f"Story {number}: " + "the old man went to sea and " * words


def tokens_of(server, text):
    return server.post("/tokenize", {"content": text}).json["count"]


def measured(server, action):
    """Steps, their seconds and rows of prompts that an action took."""
    before = server_state.metrics(server)
    action()
    after = server_state.metrics(server)
    return {name: after[name] - before[name]
            for name in ("steps_total", "step_seconds_sum", "prompt_tokens_total",
                         "generated_tokens_total")}


def longest(histogram, before, after):
    """The bound of a histogram's highest bucket that has grown."""
    bounds = [name for name in after if name.startswith(f"{histogram}_bucket")]
    total = after[f"{histogram}_count"] - before[f"{histogram}_count"]
    return next(name.split('"')[1] for name in bounds if after[name] - before[name] == total)


def run(served, model, *, prompts=4, words=220, tokens=400, context=4096):
    """Ends the server."""
    server = served(model, "-c", context).wait_until_ready()
    try:
        size = tokens_of(server, prompt(0, words))
        lone = measured(server, lambda: Client(server.port, {"prompt": prompt(9, words),
                                                             "max_tokens": 1}).run())
        streams = [Client(server.port, {"prompt": chr(ord("a") + i), "max_tokens": tokens,
                                        "ignore_eos": True, "stream": True})
                   for i in range(STREAMS)]
        for stream in streams:
            stream.start()
        server_state.until(lambda: all(stream.times for stream in streams), "the first tokens")
        decoding = measured(server, lambda: time.sleep(1))
        before = server_state.metrics(server)
        begin = time.monotonic()
        longs = [Client(server.port, {"prompt": prompt(i, words), "max_tokens": 1})
                 for i in range(prompts)]
        for each in longs:
            each.start()
        for each in longs:
            each.join()
        end = time.monotonic()
        after = server_state.metrics(server)
        assert all(each.response.status == 200 for each in longs)
        assert all(stream.is_alive() for stream in streams), "the streams ended before the prompts"
        for stream in streams:
            stream.join()
    except BaseException:
        server.process.kill()
        raise
    server_state.expect_clean_end(server, signal.SIGTERM)
    steps = after["steps_total"] - before["steps_total"]
    rows = after["prompt_tokens_total"] - before["prompt_tokens_total"]
    generated = after["generated_tokens_total"] - before["generated_tokens_total"]
    # Each step that has a chunk has a row of each stream beside it.
    assert rows <= CHUNK * steps, (rows, steps)
    assert generated >= STREAMS * (steps - 2), (generated, steps)
    gaps = sorted(b - a for stream in streams
                  for a, b in zip(stream.times, stream.times[1:]) if begin <= b <= end)
    return {"prompt tokens": size, "seconds": end - begin, "steps": int(steps), "rows": int(rows),
            "tokens of the streams": int(generated),
            "chunk step alone": lone["step_seconds_sum"] / lone["steps_total"],
            "decode step": decoding["step_seconds_sum"] / max(1, decoding["steps_total"]),
            "step with a chunk": (after["step_seconds_sum"] - before["step_seconds_sum"]) / steps,
            "longest step at most": longest("step_seconds", before, after),
            "longest gap in the server at most": longest("token_gap_seconds", before, after),
            "gap median": gaps[len(gaps) // 2], "gap longest": gaps[-1]}
