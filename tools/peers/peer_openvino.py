"""OpenVINO GenAI's pipeline, from a GGUF file."""
from __future__ import annotations

import argparse
import time

import numpy as np
import openvino as ov
import openvino_genai as genai
from worker import check, serve_model

VOCABULARY = 49152  # of both models


class OpenVino:
    vocabulary = VOCABULARY

    def __init__(self, path: str, threads: int) -> None:
        self.pipeline = genai.LLMPipeline(path, "CPU", INFERENCE_NUM_THREADS=threads,
                                          PERFORMANCE_HINT="LATENCY")

    def generate(self, starts: list[list[int]], steps: int) -> float:
        config = genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = steps
        config.ignore_eos = True
        config.do_sample = False
        inputs = genai.TokenizedInputs(ov.Tensor(np.array(starts, np.int64)),
                                       ov.Tensor(np.ones((len(starts), len(starts[0])), np.int64)))
        start = time.perf_counter()
        result = self.pipeline.generate(inputs, config)
        seconds = time.perf_counter() - start
        for tokens in result.tokens:
            check("tokens", len(tokens), steps)
        return seconds

    def prompt(self, ids: list[int]) -> float:
        return self.generate([ids], 1)

    def decode(self, ids: list[list[int]]) -> float:
        return self.generate([sequence[:1] for sequence in ids], len(ids[0]))


def open_model(options: argparse.Namespace) -> OpenVino:
    return OpenVino(options.model, options.threads)


if __name__ == "__main__":
    serve_model(open_model)
