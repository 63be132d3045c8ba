"""Starts the contenders' processes and asks them for figures."""
from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from plan import MATMUL_VARIANTS, PROMPT_TOKENS, Contender

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".cache/peers"
PYTHON = PEERS / "venv/bin/python"
LLAMA_CPP = PEERS / "llama.cpp"
LOG = PEERS / "log"
LONGEST_S = 600  # that one answer may take
SETTLE_S = 0.3   # for the last contender's threads to stop spinning


class Failure(Exception):
    """A contender could not be started or measured."""


def hf_folder(model: str) -> Path:
    return PEERS / f"models/{model}-hf"


class Worker:
    """A peer's process, its model loaded."""

    def __init__(self, contender: Contender, model: str, threads: int) -> None:
        self.label = contender.label
        command = [str(PYTHON), str(Path(__file__).with_name(contender.program)),
                   "--threads", str(threads)]
        if model:
            path = PEERS / f"models/{model}{contender.file}"
            if not path.exists():
                raise Failure(f"no {path.relative_to(ROOT)}; run tools/peers/setup")
            command += ["--model", str(path)]
        LOG.mkdir(parents=True, exist_ok=True)
        self.log = LOG / f"{contender.key}.log"
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads),
                       "PYTHONPATH": str(LLAMA_CPP),
                       "LLAMA_CPP_LIB_PATH": str(LLAMA_CPP / "build/bin")}
        try:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment,
                                                stdout=subprocess.PIPE, stderr=log)
        except OSError as error:
            raise Failure(f"{error}; run tools/peers/setup") from error
        try:
            self.answer()
        except Failure:
            self.close()
            raise

    def answer(self) -> dict:
        out: IO[bytes] = self.process.stdout
        # An answer is one line, so that nothing of it waits in the buffer that select cannot see.
        if not select.select([out], [], [], LONGEST_S)[0]:
            self.process.kill()
            raise Failure(f"no answer within {LONGEST_S} s")
        line = out.readline()
        if not line:
            code = self.process.wait()
            raise Failure(f"ended with status {code}; see {self.log.relative_to(ROOT)}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def ask(self, **request: object) -> dict:
        time.sleep(SETTLE_S)
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failure(f"{error}; see {self.log.relative_to(ROOT)}") from error
        return self.answer()

    def measure(self, cases: tuple[str, ...], tokens: int, seconds: float,
                seed: int) -> dict[str, float]:
        """Tokens per second of each case."""
        figures = {}
        for case in cases:
            kind, _, batch = case.partition(" ")
            request = {"case": kind, "tokens": PROMPT_TOKENS if kind == "prompt" else tokens,
                       "seconds": seconds, "seed": seed}
            if batch:
                request["batch"] = int(batch)
            figures[case] = self.ask(**request)["tokens_per_s"]
        return figures

    def close(self) -> None:
        try:
            self.process.stdin.close()
        except OSError:
            pass  # it is gone
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Octet:
    """octet, started anew for each measurement; keeps the last object it printed."""

    def __init__(self, program: Path, contender: Contender, model: str, threads: int) -> None:
        self.program, self.flags, self.model = program, contender.flags, model
        self.threads = threads
        self.printed: dict = {}
        if not program.exists():
            raise Failure(f"no {program}; run make build, or give --octet")

    def run(self, *flags: str) -> dict:
        time.sleep(SETTLE_S)
        command = [str(self.program), *flags, "-t", str(self.threads), "--json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S,
                                  check=False)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"no answer within {LONGEST_S} s") from error
        if done.returncode != 0:
            raise Failure(done.stderr.strip().splitlines()[-1] if done.stderr.strip()
                          else f"ended with status {done.returncode}")
        self.printed = json.loads(done.stdout)
        return self.printed

    def measure(self, cases: tuple[str, ...], tokens: int, seconds: float,
                seed: int) -> dict[str, float]:
        prompt = "prompt" in cases
        batches = [case.split()[1] for case in cases if case != "prompt"]
        printed = self.run("bench", "-m", str(hf_folder(self.model)), *self.flags,
                           "-p", str(PROMPT_TOKENS if prompt else 1),
                           "-n", str(tokens if batches else 1), "-b", ",".join(batches or ["1"]),
                           "--seconds", str(seconds), "--seed", str(seed))
        figures = {f"decode {one['batch']}": one["tokens_per_s"] for one in printed["decode"]}
        figures["prompt"] = printed["prompt_tokens_per_s"]
        return {case: figures[case] for case in cases}

    def matmul(self, size: int, rows: tuple[int, ...],
               seconds: float) -> dict[str, dict[str, float]]:
        """Microseconds by variant and number of rows."""
        printed = self.run("bench", "--matmul", str(size), "--rows", ",".join(map(str, rows)),
                           "--seconds", str(seconds))
        figures: dict[str, dict[str, float]] = {}
        for one in printed["matmul"]:
            if label := MATMUL_VARIANTS.get(one["variant"]):
                figures.setdefault(label, {})[str(one["rows"])] = one["microseconds"]
        if len(figures) != len(MATMUL_VARIANTS):
            raise Failure(f"octet bench --matmul printed only {', '.join(figures)}")
        return figures

    def load_seconds(self) -> float:
        printed = self.run("generate", "-m", str(hf_folder(self.model)), "--prompt-ids", "1,2",
                           "-n", "1")
        return printed["timing"]["load_s"]

    def close(self) -> None:
        pass


def warn(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr)
