"""Who is compared on what, and the ratios that octet aims at."""
from __future__ import annotations

from dataclasses import dataclass

MODELS = {"smollm2": "SmolLM2-135M", "llama-1.17b": "1.17B LLaMA shape"}
# How to measure a part of the comparison: which cases one turn covers.
PARTS = {"decode": ("decode 1",), "batch": ("decode 8", "decode 32"), "prompt": ("prompt",),
         "matmul": (), "load": ()}
PROMPT_TOKENS = 512


@dataclass(frozen=True)
class Contender:
    key: str
    label: str
    flags: tuple[str, ...] = ()  # octet's
    program: str = ""            # a peer's worker
    file: str = ""               # what it loads: MODEL and this suffix


OCTETS = (
    Contender("octet", "octet"),
    Contender("octet-8", "octet, 8-bit activations", flags=("--activation-bits", "8")),
    Contender("octet-head8", "octet, int8 head", flags=("--skip-modules", "none")),
)
PEERS = (
    Contender("llama-q8", "llama.cpp Q8_0", program="peer_llama_cpp.py", file=".q8_0.gguf"),
    Contender("llama-f16", "llama.cpp F16", program="peer_llama_cpp.py", file=".f16.gguf"),
    Contender("ct2", "CTranslate2 int8", program="peer_ctranslate2.py", file="-ct2"),
    Contender("openvino-f16", "OpenVINO F16", program="peer_openvino.py", file=".f16.gguf"),
    Contender("openvino-q8", "OpenVINO Q8_0", program="peer_openvino.py", file=".q8_0.gguf"),
    Contender("torch", "PyTorch bf16", program="peer_torch.py", file="-hf"),
    Contender("bnb", "bitsandbytes LLM.int8()", program="peer_bitsandbytes.py", file="-hf"),
)
CONTENDERS = {contender.key: contender for contender in OCTETS + PEERS}

# octet's variants in the matmul part, by what `octet bench --matmul --json` calls them.
MATMUL_VARIANTS = {"bf16": "octet bf16", "LLM.int8() kept, 8 bits": "octet LLM.int8(), 8 bits",
                   "LLM.int8() kept, 16 bits": "octet LLM.int8(), 16 bits"}
MATMUL_PEERS = ("torch", "bnb")
MATMUL_SIZES = (768, 1024, 2048, 2560, 4096)
MATMUL_ROWS = (1, 64, 512)
LOAD_GOAL = 5.0              # times bitsandbytes' speed
LOAD_GB_PER_S = 2.0


@dataclass(frozen=True)
class Goal:
    part: str
    model: str
    case: str
    ours: str
    against: str
    ratio: float


GOALS = (
    Goal("decode", "smollm2", "decode 1", "octet-head8", "llama-q8", 1.1),
    Goal("decode", "smollm2", "decode 1", "octet", "llama-q8", 0.9),
    Goal("decode", "smollm2", "decode 1", "octet", "octet-8", 0.93),
    Goal("decode", "llama-1.17b", "decode 1", "octet-head8", "llama-q8", 1.1),
    Goal("decode", "llama-1.17b", "decode 1", "octet", "llama-q8", 1.0),
    Goal("decode", "llama-1.17b", "decode 1", "octet", "octet-8", 0.93),
    Goal("batch", "llama-1.17b", "decode 8", "octet", "ct2", 1.6),
    Goal("batch", "llama-1.17b", "decode 32", "octet", "ct2", 2.5),
    Goal("prompt", "smollm2", "prompt", "octet-8", "openvino-f16", 2.0),
    Goal("prompt", "smollm2", "prompt", "octet", "openvino-f16", 1.4),
    Goal("prompt", "smollm2", "prompt", "octet", "octet-8", 0.55),
    Goal("prompt", "llama-1.17b", "prompt", "octet-8", "openvino-f16", 3.5),
    Goal("prompt", "llama-1.17b", "prompt", "octet-8", "ct2", 4.0),
    Goal("prompt", "llama-1.17b", "prompt", "octet", "openvino-f16", 2.0),
    Goal("prompt", "llama-1.17b", "prompt", "octet", "ct2", 2.4),
    Goal("prompt", "llama-1.17b", "prompt", "octet", "octet-8", 0.55),
)
# Shown beside the goals' peers although no goal names them.
COMPANIONS = {("batch", "llama-1.17b"): ("llama-q8",)}


def contenders(part: str, model: str, everyone: bool) -> list[Contender]:
    """Those of a part's goals, or all, ours and theirs taking turns."""
    keys = {key for goal in GOALS if (goal.part, goal.model) == (part, model)
            for key in (goal.ours, goal.against)}
    if not keys and not everyone:
        return []
    keys |= {"octet", *COMPANIONS.get((part, model), ())}
    if everyone:
        keys |= {peer.key for peer in PEERS}
    ours = [one for one in OCTETS if one.key in keys]
    theirs = [one for one in PEERS if one.key in keys]
    order: list[Contender] = []
    while ours or theirs:
        order += ours[:1] + theirs[:1]
        ours, theirs = ours[1:], theirs[1:]
    return order


def matmul_goal(size: int, rows: int) -> float:
    return 1.8 if rows == 512 and size >= 2048 else 1.0
