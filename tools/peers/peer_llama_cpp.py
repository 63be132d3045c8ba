"""llama.cpp through its C functions (llama-cpp-python's bindings to a build of its own sources)."""
from __future__ import annotations

import argparse

import llama_cpp.llama_cpp as llama
from worker import check, serve_model, timed

LONGEST_PROMPT = 512
SEQUENCES = 32
POSITIONS = 128  # of each sequence when many decode


@llama.llama_log_callback
def quiet(_level: int, _text: bytes, _data: object) -> None:
    pass


class LlamaCpp:
    def __init__(self, path: str, threads: int) -> None:
        llama.llama_log_set(quiet, None)
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.use_mmap = False  # the system may take back mapped pages while others have a turn
        self.model = llama.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise RuntimeError(f"cannot load {path}")
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.threads = threads
        self.contexts = {n: self.open_context(n) for n in (1, SEQUENCES)}
        self.batch = llama.llama_batch_init(LONGEST_PROMPT, 0, 1)

    def open_context(self, sequences: int) -> object:
        params = llama.llama_context_default_params()
        params.n_ctx = max(2 * LONGEST_PROMPT, POSITIONS * sequences)
        params.n_batch = params.n_ubatch = LONGEST_PROMPT
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = self.threads
        params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.no_perf = True
        context = llama.llama_init_from_model(self.model, params)
        if not context:
            raise RuntimeError("cannot make a context")
        return context

    def step(self, context: object, rows: list[tuple[int, int, int, bool]]) -> None:
        """Feeds rows of (id, position, sequence, wants logits)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, logits) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, logits
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        check("llama_decode", llama.llama_decode(context, batch), 0)
        llama.llama_synchronize(context)

    def clear(self, context: object) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(context), True)

    def prompt(self, ids: list[int]) -> float:
        context = self.contexts[1]
        self.clear(context)
        last = len(ids) - 1
        rows = [(token, i, 0, i == last) for i, token in enumerate(ids)]
        return timed(lambda: self.step(context, rows))

    def decode(self, ids: list[list[int]]) -> float:
        context = self.contexts[1 if len(ids) == 1 else SEQUENCES]
        self.clear(context)

        def steps() -> None:
            for position, tokens in enumerate(zip(*ids)):
                self.step(context, [(token, position, sequence, True)
                                    for sequence, token in enumerate(tokens)])

        return timed(steps)


def open_model(options: argparse.Namespace) -> LlamaCpp:
    return LlamaCpp(options.model, options.threads)


if __name__ == "__main__":
    serve_model(open_model)
