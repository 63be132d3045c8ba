"""CTranslate2's generator in int8."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import ctranslate2
from worker import check, serve_model, timed


class CTranslate2:
    def __init__(self, path: str, threads: int) -> None:
        self.words = json.loads(Path(path, "vocabulary.json").read_text())
        self.vocabulary = len(self.words)
        self.generator = ctranslate2.Generator(path, device="cpu", compute_type="int8",
                                               inter_threads=1, intra_threads=threads)

    def generate(self, starts: list[list[int]], steps: int) -> float:
        words = [[self.words[i] for i in ids] for ids in starts]
        results = []

        def work() -> None:
            results.extend(self.generator.generate_batch(
                words, max_length=steps, min_length=steps, sampling_topk=1,
                include_prompt_in_result=False))

        seconds = timed(work)
        for result in results:
            check("tokens", len(result.sequences_ids[0]), steps)
        return seconds

    def prompt(self, ids: list[int]) -> float:
        return self.generate([ids], 1)

    def decode(self, ids: list[list[int]]) -> float:
        return self.generate([sequence[:1] for sequence in ids], len(ids[0]))


def open_model(options: argparse.Namespace) -> CTranslate2:
    return CTranslate2(options.model, options.threads)


if __name__ == "__main__":
    serve_model(open_model)
