"""Loads a merged folder as any user of transformers does, for `merged.rs`.

    python load_merged.py FOLDER < pairs.jsonl > logps.json

For each pair of messages writes [token ids of prompt and chosen answer, its log-probability, the conversation as text].
Needs torch and transformers 5.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto").eval()
assert model.dtype == torch.float32, model.dtype


def scored(pair):
    prompt = tokenizer.apply_chat_template(pair["prompt"], add_generation_prompt=True, tokenize=False)
    text = tokenizer.apply_chat_template(pair["prompt"] + pair["chosen"], tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        logps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return ids, sum(logps[at - 1, ids[at]].item() for at in range(start, len(ids))), text


json.dump([scored(json.loads(line)) for line in sys.stdin if line.strip()], sys.stdout)
