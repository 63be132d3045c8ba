"""PyTorch with transformers in bf16: whole models, and single products."""
from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from itertools import cycle

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from worker import ModelPeer, check, measure_model, repeat, serve, timed

ROTATED_BYTES = 256 << 20  # of weights that take turns, so that no cache holds them
OUTLIER_SIZE = 30          # standard deviations, of three columns: as in octet's bench
TURN_SECONDS = 0.01

Layer = Callable[[torch.Tensor], torch.Tensor]


class Transformers(ModelPeer):
    def __init__(self, model: transformers.PreTrainedModel) -> None:
        self.model = model.eval()
        self.vocabulary = model.config.vocab_size

    def step(self, ids: torch.Tensor, cache: transformers.DynamicCache) -> None:
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        check("logits", out.logits.shape[0] * out.logits.shape[1], ids.shape[0])

    @torch.inference_mode()
    def prompt(self, ids: list[int]) -> float:
        rows = torch.tensor([ids])
        return timed(lambda: self.step(rows, transformers.DynamicCache()))

    @torch.inference_mode()
    def decode(self, ids: list[list[int]]) -> float:
        rows = torch.tensor(ids)

        def steps() -> None:
            cache = transformers.DynamicCache()
            for position in range(rows.shape[1]):
                self.step(rows[:, position:position + 1], cache)
            check("positions", cache.get_seq_length(), rows.shape[1])

        return timed(steps)


def activations(rows: int, inputs: int) -> torch.Tensor:
    x = torch.randn(rows, inputs)
    x[:, [inputs // 7, inputs // 3, inputs - 1]] *= OUTLIER_SIZE
    return x.bfloat16()


@torch.inference_mode()
def time_layers(layers: list[Layer], x: torch.Tensor, seconds: float) -> float:
    """Microseconds of a call, the layers (of the same shape) taking turns."""
    turn = cycle(layers)

    def calls(count: int) -> float:
        return timed(lambda: [next(turn)(x) for _ in range(count)]) / count

    for _ in layers:  # some prepare themselves in their first call
        next(turn)(x[:1])
    calls(1)
    count = max(1, round(TURN_SECONDS / calls(1)))
    return 1e6 * statistics.median(repeat(lambda: calls(count), seconds / count))


def bf16_layers(inputs: int) -> list[Layer]:
    bytes_each = 2 * inputs * 4 * inputs
    weights = [torch.randn(4 * inputs, inputs).div_(inputs ** 0.5).bfloat16()
               for _ in range(-(-ROTATED_BYTES // bytes_each))]
    return [lambda x, w=w: torch.nn.functional.linear(x, w) for w in weights]


def measure_layers(make: Callable[[int], list[Layer]], request: dict) -> dict:
    """Microseconds of one linear layer d → 4d, for each number of rows asked for."""
    layers = make(request["inputs"])
    return {"microseconds": {
        str(rows): time_layers(layers, activations(rows, request["inputs"]), request["seconds"])
        for rows in request["rows"]}}


def responder(load: Callable[[], transformers.PreTrainedModel] | None,
              make: Callable[[int], list[Layer]]) -> Callable[[dict], dict]:
    """Answers all that a PyTorch worker can measure; `load` is None without a model."""
    peer = Transformers(load()) if load else None

    def respond(request: dict) -> dict:
        nonlocal peer
        if request["case"] == "matmul":
            return measure_layers(make, request)
        if request["case"] == "load":
            peer = None  # gives its memory back first
            loaded: list[transformers.PreTrainedModel] = []
            seconds = timed(lambda: loaded.append(load()))
            peer = Transformers(loaded.pop())
            return {"load_s": seconds}
        return measure_model(peer, request)

    return respond


def open_peer(options: argparse.Namespace) -> Callable[[dict], dict]:
    torch.set_num_threads(options.threads)

    def load() -> transformers.PreTrainedModel:
        return transformers.AutoModelForCausalLM.from_pretrained(
            options.model, dtype=torch.bfloat16)

    return responder(load if options.model else None, bf16_layers)


if __name__ == "__main__":
    serve(open_peer)
