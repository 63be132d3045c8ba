"""What every peer's worker shares: a process that loads a model, then times what it is asked for.

Requests and answers are JSON, one line each, on standard input and output:
  {"case": "prompt", "tokens": 512, "seconds": 1, "seed": 3}
  {"case": "decode", "batch": 8, "tokens": 32, "seconds": 1, "seed": 3}
  {"case": "matmul", "inputs": 768, "rows": [1, 64], "seconds": 1}
  {"case": "load"}
Answers: {"tokens_per_s": 400.1, "repeats": 3}, {"microseconds": {"1": 98.2, "64": 340.1}},
{"load_s": 3.2} or {"error": "…"}; before them one with "ready", or why it cannot be.
"""
from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Protocol

FEWEST, MOST = 2, 15  # repeats of a measurement
WARM_STEPS = 4        # of decoding, before the first


class ModelPeer(Protocol):
    """A loaded model; both methods start from empty sequences and return seconds."""
    vocabulary: int

    def prompt(self, ids: list[int]) -> float:
        """Until the logits (or the greedy token) behind the last id are there."""

    def decode(self, ids: list[list[int]]) -> float:
        """Of len(ids[0]) steps of len(ids) sequences at a time. A peer that must choose its
        tokens itself begins with each sequence's first id."""


def check(what: str, made: int, wanted: int) -> None:
    if made != wanted:
        raise RuntimeError(f"{what}: {made} made, {wanted} asked for")


def repeat(measure: Callable[[], float], seconds: float) -> list[float]:
    """Durations of repeats that together take about `seconds`."""
    durations: list[float] = []
    while len(durations) < FEWEST or (sum(durations) < seconds and len(durations) < MOST):
        durations.append(measure())
    return durations


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_model(peer: ModelPeer, request: dict) -> dict:
    source = random.Random(request.get("seed", 0))

    def ids(count: int) -> list[int]:
        # Above the tokenizer's special tokens, which could end a sequence.
        return [source.randrange(100, peer.vocabulary) for _ in range(count)]

    tokens, batch = request["tokens"], request.get("batch", 1)
    if request["case"] == "prompt":
        peer.prompt(ids(tokens))  # warms up, as octet's bench does
        durations = repeat(lambda: peer.prompt(ids(tokens)), request["seconds"])
    else:
        peer.decode([ids(min(tokens, WARM_STEPS)) for _ in range(batch)])
        durations = repeat(lambda: peer.decode([ids(tokens) for _ in range(batch)]),
                           request["seconds"])
    return {"tokens_per_s": tokens * batch / statistics.median(durations),
            "repeats": len(durations)}


def serve(open_peer: Callable[[argparse.Namespace], Callable[[dict], dict]],
          add_flags: Callable[[argparse.ArgumentParser], None] | None = None) -> None:
    """Runs a worker: open_peer returns what answers requests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="")
    parser.add_argument("--threads", type=int, default=2)
    if add_flags:
        add_flags(parser)
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not come between the answers

    def answer(what: dict) -> None:
        print(json.dumps(what), file=answers)

    try:
        start = time.perf_counter()
        respond = open_peer(options)
        answer({"ready": True, "load_s": time.perf_counter() - start})
    except Exception as error:  # the front end reports it and goes on with the other peers
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        try:
            answer(respond(json.loads(line)))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


def serve_model(open_model: Callable[[argparse.Namespace], ModelPeer],
                add_flags: Callable[[argparse.ArgumentParser], None] | None = None) -> None:
    def open_peer(options: argparse.Namespace) -> Callable[[dict], dict]:
        peer = open_model(options)
        return lambda request: measure_model(peer, request)

    serve(open_peer, add_flags)
