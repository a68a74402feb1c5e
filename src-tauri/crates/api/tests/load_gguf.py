"""Loads a GGUF model with llama.cpp, with a LoRA where one is given, for `merged.rs`.

    python load_gguf.py MODEL.gguf [LORA.gguf] < cases.json > answers.json

Reads [{"text": ..., "ids": [...], "prompt": N}, ...] and writes [[ids that llama.cpp makes of the text, log-probability of
the ids after the first N], ...]. Needs llama-cpp-python.
"""

import json
import sys

import numpy as np
from llama_cpp import Llama

model = Llama(
    sys.argv[1],
    lora_path=sys.argv[2] if len(sys.argv) > 2 else None,
    n_ctx=2048,
    n_batch=2048,
    n_threads=1,
    logits_all=True,
    verbose=False,
)


def answer(text, ids, prompt):
    made = model.tokenize(text.encode(), add_bos=False, special=True)
    model.reset()
    model.eval(ids)
    logits = np.array(model.scores[: len(ids)], dtype=np.float64)
    logps = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)) - logits.max(-1, keepdims=True)
    return made, float(sum(logps[at - 1, ids[at]] for at in range(prompt, len(ids))))


json.dump([answer(**case) for case in json.load(sys.stdin)], sys.stdout)
