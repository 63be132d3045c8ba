#!/usr/bin/env python3
"""Times octet beside its peers in one alternating run (A B C, C B A, …): medians of ratios.

Needs tools/peers/setup first. Writes the figures of every round as JSON, and prints a report.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import plan
import report
from contenders import PEERS, PYTHON, ROOT, Failure, Octet, Worker, hf_folder, warn

BUSY = 0.5  # load average from which a machine is not quiet


class Run:
    """The figures of a comparison: value by round, None where a contender failed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.octet_path = Path(options.octet).resolve()
        self.figures: dict[tuple[str, str, str, str], list[float | None]] = {}
        self.failures: dict[str, str] = {}
        self.printed: dict[str, dict] = {}
        self.started = datetime.datetime.now()
        self.load_before = os.getloadavg()[0]
        self.busy_before = busy_seconds()
        self.others: float | None = None  # the share of the CPUs' time that others had
        self.opened: list[Octet | Worker] = []
        if self.load_before > BUSY:
            warn(f"the machine is busy (load average {self.load_before:.1f}): expect noise")

    def open(self, contender: plan.Contender, model: str) -> Octet | Worker | None:
        where = f"{contender.label}, {model or 'products'}"
        try:
            self.opened.append(
                Worker(contender, model, self.options.threads) if contender.program else
                Octet(self.octet_path, contender, model, self.options.threads))
            return self.opened[-1]
        except Failure as failure:
            self.fail(where, failure)
            return None

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()

    def finish(self) -> None:
        """Ends every process; what the CPUs did and ours did not, others did."""
        self.close()
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        elapsed = (datetime.datetime.now() - self.started).total_seconds()
        busy = busy_seconds() - self.busy_before - own.ru_utime - own.ru_stime
        self.others = max(0.0, busy / elapsed / (os.cpu_count() or 1))
        self.save()

    def fail(self, where: str, failure: Failure) -> None:
        warn(f"{where}: {failure}")
        self.failures[where] = str(failure)

    def add(self, round_: int, part: str, subject: str, case: str, contender: str,
            value: float) -> None:
        values = self.figures.setdefault((part, subject, case, contender), [])
        values += [None] * (round_ - len(values)) + [value]

    def wanted(self, key: str) -> bool:
        return not self.options.peers or not plan.CONTENDERS[key].program or \
            key in self.options.peers

    def alternate(self, names: list[str], turn: Callable[[str, int], None]) -> None:
        """Calls turn(name, round), every second round backwards; one that fails is left out."""
        failed: set[str] = set()
        for round_ in range(self.options.rounds):
            for name in names if round_ % 2 == 0 else names[::-1]:
                if name in failed:
                    continue
                try:
                    turn(name, round_)
                except Failure as failure:
                    self.fail(name, failure)
                    failed.add(name)

    def models(self, model: str, parts: list[str]) -> None:
        """Prompts and decoding of one model."""
        groups = {part: [one for one in plan.contenders(part, model, self.options.all)
                         if self.wanted(one.key)] for part in parts}
        everyone = {one.key: one for group in groups.values() for one in group}
        opened = {key: self.open(one, model) for key, one in everyone.items()}
        for part, group in groups.items():
            if not group:
                continue

            def turn(name: str, round_: int, part: str = part) -> None:
                key = name.rsplit("/", 1)[1]
                speeds = opened[key].measure(plan.PARTS[part], self.options.tokens,
                                             self.options.seconds, round_)
                for case, speed in speeds.items():
                    self.add(round_, part, model, case, key, speed)
                if isinstance(opened[key], Octet):
                    self.printed[name] = opened[key].printed

            warn(f"{part}, {model}: {', '.join(one.label for one in group)}")
            self.alternate([f"{part}/{model}/{one.key}" for one in group if opened[one.key]], turn)
            self.save()
        self.close()

    def matmul(self) -> None:
        keys = [key for key in plan.MATMUL_PEERS if self.wanted(key)]
        opened = {key: self.open(plan.CONTENDERS[key], "") for key in ("octet", *keys)}
        rows = plan.MATMUL_ROWS
        for size in self.options.sizes:
            def turn(name: str, round_: int, size: int = size) -> None:
                key = name.rsplit("/", 1)[1]
                if key == "octet":
                    # The variants share a process and its seconds; a peer has one layer in it.
                    found = opened[key].matmul(size, rows, 4 * self.options.seconds)
                    self.printed[name] = opened[key].printed
                else:
                    found = {key: opened[key].ask(
                        case="matmul", inputs=size, rows=rows,
                        seconds=self.options.seconds / 3)["microseconds"]}
                for label, times in found.items():
                    for row in rows:
                        self.add(round_, "matmul", str(size), str(row), label, times[str(row)])

            warn(f"matmul, {size} to {4 * size}")
            self.alternate([f"matmul/{size}/{key}" for key in opened if opened[key]], turn)
            self.save()
        self.close()

    def load(self) -> None:
        model = "llama-1.17b"
        keys = ["octet", *(["bnb"] if self.wanted("bnb") else [])]
        opened = {key: self.open(plan.CONTENDERS[key], model) for key in keys}
        weights = hf_folder(model) / "model.safetensors"

        def turn(name: str, round_: int) -> None:
            key = name.rsplit("/", 1)[1]
            read_through(weights)
            seconds = opened[key].load_seconds() if key == "octet" else \
                opened[key].ask(case="load")["load_s"]
            self.add(round_, "load", model, "load", key, seconds)

        warn(f"load, {model}")
        self.alternate([f"load/{model}/{key}" for key in keys if opened[key]], turn)
        self.save()
        self.close()

    def save(self) -> None:
        """What there is so far, so that an interrupted run is not lost."""
        Path(self.options.json).write_text(json.dumps(self.results(), indent=1) + "\n")

    def results(self) -> dict:
        weights = hf_folder("llama-1.17b") / "model.safetensors"
        return {
            "date": self.started.strftime("%Y-%m-%d %H:%M"),
            "cpu": cpu_model(), "cpus": os.cpu_count(), "threads": self.options.threads, "rounds": self.options.rounds,
            "tokens": self.options.tokens, "seconds": self.options.seconds,
            "minutes": (datetime.datetime.now() - self.started).total_seconds() / 60,
            "load_average_before": self.load_before,
            "others_share": self.others, "versions": versions(),
            "checkpoint_bytes": weights.stat().st_size if weights.exists() else 0,
            "failures": self.failures, "octet": self.printed,
            "figures": [dict(zip(("part", "subject", "case", "contender"), key), values=values)
                        for key, values in self.figures.items()]}


def read_through(path: Path) -> None:
    """Leaves the file in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def busy_seconds() -> float:
    """That all CPUs worked since the system started, or were withheld from it."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def versions() -> list[str]:
    installed = PEERS / "versions.txt"
    return installed.read_text().split() if installed.exists() else []


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--parts", default=",".join(plan.PARTS), help="what to compare")
    parser.add_argument("--models", default=",".join(plan.MODELS), help="of prompts and decoding")
    parser.add_argument("--peers", default="", help="only these, with commas, of "
                        + ", ".join(one.key for one in plan.PEERS))
    parser.add_argument("--all", action="store_true", help="every peer in every part, not only "
                        "those that a goal names")
    parser.add_argument("--rounds", type=int, default=0, help="default: 5, or 2 with --quick")
    parser.add_argument("--seconds", type=float, default=0,
                        help="that a figure of a round is repeated for; default: 1, --quick .3")
    parser.add_argument("--tokens", type=int, default=0,
                        help="decoded per sequence; default: 32, --quick 16")
    parser.add_argument("-t", "--threads", type=int, default=2, help="of every contender")
    parser.add_argument("--sizes", default=",".join(map(str, plan.MATMUL_SIZES)),
                        help="d of the matmul part")
    parser.add_argument("--quick", action="store_true", help="a first look")
    parser.add_argument("--octet", default=str(ROOT / "build/release/octet"))
    parser.add_argument("--json", default=str(PEERS / "results.json"), help="figures to write")
    parser.add_argument("--markdown", default="", help="write the report here, too")
    parser.add_argument("--plot", default="", help="draw the speeds here (.svg or .png)")
    options = parser.parse_args()
    for name, allowed in (("parts", plan.PARTS), ("models", plan.MODELS),
                          ("peers", [one.key for one in plan.PEERS])):
        chosen = [word for word in getattr(options, name).split(",") if word]
        if unknown := set(chosen) - set(allowed):
            parser.error(f"--{name}: {', '.join(unknown)}: must be of {', '.join(allowed)}")
        setattr(options, name, chosen)
    try:
        options.sizes = [int(word) for word in options.sizes.split(",")]
    except ValueError:
        parser.error("--sizes: must be whole numbers with commas")
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.3 if options.quick else 1.0)
    options.tokens = options.tokens or (16 if options.quick else 32)
    if min(options.rounds, options.seconds, options.tokens, options.threads) <= 0 or \
            options.tokens > 128:
        parser.error("--rounds, --seconds, --tokens (at most 128) and --threads must be positive")
    return options


def main() -> int:
    options = parse()
    if not PYTHON.exists():
        warn("no peers are installed; run tools/peers/setup")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(options)
    of_models = [part for part in options.parts if plan.PARTS[part]]
    try:
        for model in options.models if of_models else []:
            run.models(model, of_models)
        if "matmul" in options.parts:
            run.matmul()
        if "load" in options.parts:
            run.load()
    except KeyboardInterrupt:
        return 130
    finally:
        run.finish()
    return report.write(run.results(), options.markdown, options.plot)


if __name__ == "__main__":
    sys.exit(main())
