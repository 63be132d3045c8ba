#!/usr/bin/env python3
"""Streams from octet serve to many clients at once, some of which leave midway: the speed they see
together, how long they wait for tokens, and whether each answer is the one that it gets alone.

usage: tools/load-server.py --model MODEL [--octet build/release/octet] [--clients 32] [--leave 8]
                            [--tokens 256] [--rounds 3]

Every round is followed by octet bench with as many sequences of as many tokens, while the server
waits: decoding alone, without prompts and clients, is what a server's speed is measured against.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import threading
import time


class Client(threading.Thread):
    """One stream: when its tokens came, and its text."""

    def __init__(self, port, index, tokens, leaves):
        super().__init__()
        self.port, self.leaves = port, leaves
        self.fields = {"prompt": "Once upon a time " * (1 + index % 4), "max_tokens": tokens,
                       "seed": index, "ignore_eos": True, "stream": True, "logprobs": 0}
        self.times, self.text, self.ended = [], "", False

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        self.begin = time.monotonic()
        connection.request("POST", "/v1/completions", json.dumps(self.fields))
        response = connection.getresponse()
        for line in response:
            if line == b"data: [DONE]\n":
                self.ended = True
            elif line.startswith(b"data: "):
                choice = json.loads(line[6:])["choices"][0]
                self.text += choice["text"]
                self.times += [time.monotonic()] * len(choice["logprobs"]["tokens"])
            if self.leaves and len(self.times) >= self.fields["max_tokens"] // 2:
                break
        response.close()
        connection.close()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(clients):
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def bench(arguments):
    """Tokens per second that octet bench decodes in a batch of as many as there are clients."""
    printed = subprocess.run([arguments.octet, "bench", "-m", arguments.model, "-b",
                              str(arguments.clients), "-n", str(arguments.tokens), "-p", "16",
                              "--seconds", "1", "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return json.loads(printed)["decode"][0]["tokens_per_s"]


def play_round(port, arguments, alone):
    """One load of all clients; whether all is as it was alone, and tokens per second."""
    together = [Client(port, i, arguments.tokens, i < arguments.leave)
                for i in range(arguments.clients)]
    begin = time.monotonic()
    run(together)
    seconds = time.monotonic() - begin
    stayed = [client for client in together if not client.leaves]
    equal = sum(client.ended and client.text == other.text
                for client, other in zip(together, alone) if not client.leaves)
    left = sum(other.text.startswith(client.text) for client, other in zip(together, alone)
               if client.leaves)
    first = [client.times[0] - client.begin for client in stayed]
    gaps = [b - a for client in stayed for a, b in zip(client.times, client.times[1:])]
    tokens = sum(len(client.times) for client in together)
    print(f"{equal} of {len(stayed)} answers equal to those alone; {left} of {arguments.leave} that "
          "left had seen the beginning of theirs")
    print(f"{tokens} tokens in {seconds:.2f} s: {tokens / seconds:.0f} tokens/s; first token after "
          f"{statistics.median(first):.3f} s (median), {percentile(first, .99):.3f} s (p99); gap "
          f"between tokens {statistics.median(gaps) * 1000:.0f} ms (median), "
          f"{percentile(gaps, .99) * 1000:.0f} ms (p99), {max(gaps) * 1000:.0f} ms (longest)",
          flush=True)
    return equal == len(stayed) and left == arguments.leave, tokens / seconds


def load(port, arguments):
    alone = [Client(port, i, arguments.tokens, False) for i in range(arguments.clients)]
    for client in alone:
        run([client])
    same, ratios = True, []
    for _ in range(arguments.rounds):
        as_alone, speed = play_round(port, arguments, alone)
        decoding = bench(arguments)
        ratios.append(speed / decoding)
        print(f"octet bench: {decoding:.0f} tokens/s; the server reaches {ratios[-1]:.0%}",
              flush=True)
        same = same and as_alone
    if ratios:
        print(f"the server's speed over octet bench's: {statistics.median(ratios):.0%} (median)")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    root = pathlib.Path(__file__).resolve().parents[1]
    parser.add_argument("--model", required=True)
    parser.add_argument("--octet", default=root / "build/release/octet")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--leave", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    server = subprocess.Popen([arguments.octet, "serve", "-m", arguments.model, "--port", "0",
                               "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        port = json.loads(server.stdout.readline())["port"]
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                break
            time.sleep(0.1)
        same = load(port, arguments)
    finally:
        server.terminate()
        status = server.wait()
    raise SystemExit(0 if same and status == 0 else 1)


if __name__ == "__main__":
    main()
