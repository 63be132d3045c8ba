"""bitsandbytes' LLM.int8() under transformers: whole models, loading them, and single products."""
from __future__ import annotations

import argparse
from collections.abc import Callable

import peer_torch  # sets the environment before PyTorch starts
import bitsandbytes
import torch
import transformers
from worker import serve

THRESHOLD = 6.0


def int8_layers(inputs: int) -> list[peer_torch.Layer]:
    layers = []
    for _ in range(-(-peer_torch.ROTATED_BYTES // (inputs * 4 * inputs))):
        layer = bitsandbytes.nn.Linear8bitLt(inputs, 4 * inputs, bias=False,
                                             has_fp16_weights=False, threshold=THRESHOLD)
        weight = torch.randn(4 * inputs, inputs).div_(inputs ** 0.5).bfloat16()
        layer.weight = bitsandbytes.nn.Int8Params(weight, requires_grad=False,
                                                  has_fp16_weights=False)
        layers.append(layer.to("cpu").eval())
        if layers[-1].weight.dtype != torch.int8:
            raise RuntimeError(f"weights are {layer.weight.dtype}")
    return layers


def open_peer(options: argparse.Namespace) -> Callable[[dict], dict]:
    torch.set_num_threads(options.threads)

    def load() -> transformers.PreTrainedModel:
        config = transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=THRESHOLD)
        return transformers.AutoModelForCausalLM.from_pretrained(
            options.model, quantization_config=config, device_map="cpu", dtype=torch.bfloat16)

    return peer_torch.responder(load if options.model else None, int8_layers)


if __name__ == "__main__":
    serve(open_peer)
