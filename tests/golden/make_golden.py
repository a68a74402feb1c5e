"""Reference values by TRL's DPOTrainer on tiny random models, for the tests of `model`, `chat` and `train`.

    pip install trl==1.16.0 peft torch
    python make_golden.py [OUT [FAMILY …]]        # OUT: this folder; FAMILY: all of them

Reads pairs.jsonl and text_pairs.jsonl beside this script and writes, on the CPU and in float32:

    versions.json              the libraries that made the set
    pairs.jsonl                the conversational pairs, in training order (only copied when OUT is elsewhere)
    tokens.jsonl               ids of every row of pairs.jsonl; "kept": false where TRL leaves the row out,
                               since the prompt alone fills max_length
    text_tokens.jsonl          the same for text_pairs.jsonl, whose prompts may merge with the answer's first letters
    FAMILY/                    model, tokenizer and chat template as transformers saves them
    FAMILY/adapter/            the LoRA that everything below starts from (random A and B)
    FAMILY/expected.json       see `expected` in `make_family`
    FAMILY/sigmoid_grads.safetensors     the gradient of every LoRA tensor, loss `sigmoid`, first four rows
    FAMILY/adapter_after_8_steps/        the LoRA at the end of the trajectory

The first four rows are the batch of `policy_logps`, `losses` and the gradients; one of their answers is cut by
max_length. A rerun with the versions in versions.json repeats the numbers up to the rounding of another CPU.
"""

import copy
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["WANDB_DISABLED"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import tokenizers
import torch
import transformers
import trl
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
    set_seed,
)
from trl import DPOConfig, DPOTrainer

HERE = Path(__file__).resolve().parent
SEED = 23
ADAPTER_SEED = 28  # or the next for which no two losses agree by chance
BATCH = 4  # rows of the batch behind logps, losses and gradients

# What DPOTrainer gets, under its own names. `expected.json` repeats it as "settings".
TRAINER = dict(
    per_device_train_batch_size=2,
    gradient_accumulation_steps=2,
    learning_rate=2e-3,
    lr_scheduler_type="cosine",
    warmup_steps=3,
    beta=0.1,
    max_length=112,
    truncation_mode="keep_start",
    max_grad_norm=0.5,
    weight_decay=0.01,
    max_steps=8,
    train_sampling_strategy="sequential",
    seed=SEED,
)
LORA = dict(r=5, lora_alpha=7, lora_dropout=0.0, target_modules="all-linear")

# Shapes are odd on purpose: nothing is a multiple of 16, one KV head for all, a head width other than hidden / heads.
SHARED = dict(
    num_hidden_layers=3,
    max_position_embeddings=512,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    initializer_range=0.08,
)
SMALL = dict(
    hidden_size=56,
    intermediate_size=76,
    num_attention_heads=4,
    num_key_value_heads=2,
)
FAMILIES = {
    "llama": LlamaConfig(
        **SHARED,
        hidden_size=80,
        intermediate_size=108,
        num_attention_heads=4,
        num_key_value_heads=1,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_theta=10000.0,
    ),
    "llama3_rope": LlamaConfig(
        **SHARED,
        hidden_size=72,
        intermediate_size=100,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=14,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 100000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 48,
        },
    ),
    # every second layer without rotary embedding
    "smollm3": SmolLM3Config(**SHARED, **SMALL, tie_word_embeddings=True, no_rope_layer_interval=2),
    "mistral": MistralConfig(**SHARED, **SMALL, head_dim=14, sliding_window=19, tie_word_embeddings=False),
    "qwen2": Qwen2Config(**SHARED, **SMALL, tie_word_embeddings=True),
    # windows from the second layer on
    "qwen2_window": Qwen2Config(
        **SHARED, **SMALL, tie_word_embeddings=True, use_sliding_window=True, sliding_window=21, max_window_layers=1
    ),
    "qwen3": Qwen3Config(**SHARED, **SMALL, head_dim=18, tie_word_embeddings=True),
    # caps low enough to bend the scores of a random model
    "gemma2": Gemma2Config(
        **SHARED,
        **SMALL,
        head_dim=14,
        query_pre_attn_scalar=9,
        sliding_window=19,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=4.0,
    ),
    "gemma3": Gemma3TextConfig(
        **SHARED,
        **SMALL,
        head_dim=18,
        query_pre_attn_scalar=12,
        sliding_window=19,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "phi3": Phi3Config(**SHARED, **SMALL, sliding_window=23),
    # every sequence is beyond the context length of pretraining: transformers takes the short factors for a whole batch
    # or for none of it
    "phi3_longrope": Phi3Config(
        **{**SHARED, "max_position_embeddings": 640},
        **{**SMALL, "hidden_size": 64},
        original_max_position_embeddings=16,
        partial_rotary_factor=0.75,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.75,
            "short_factor": [1.0, 1.1, 1.3, 1.5, 1.8, 2.5],
            "long_factor": [1.2, 1.6, 2.5, 4.0, 9.0, 30.0],
        },
    ),
}
LOSSES = [
    ("sigmoid", {}),
    ("hinge", {}),
    ("ipo", {}),
    ("robust", {"label_smoothing": 0.1}),
    ("exo_pair", {"label_smoothing": 0.001}),
    ("nca_pair", {}),
    ("bco_pair", {}),
    ("sppo_hard", {}),
    ("aot", {}),
    ("aot_unpaired", {}),
    ("apo_zero", {}),
    ("apo_down", {}),
    ("discopop", {}),
    ("sft", {}),
    ("sigmoid_norm", {}),
]
LOSS_SUMS = [
    (["sigmoid", "sft"], [1.0, 0.25]),
    (["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0]),
    (["ipo", "apo_zero"], [0.5, 2.0]),
]
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LOGGED = (
    "loss",
    "grad_norm",
    "learning_rate",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "step",
)


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def make_tokenizer(pairs):
    """A byte-level BPE learned from the pairs themselves, with ChatML as its template."""
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=563,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator((r["prompt"][-1]["content"] + " " + r["chosen"][0]["content"] for r in pairs), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|im_start|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def make_trainer(model, rows, tokenizer, scratch):
    """DPOTrainer as the issue's users have it: the reference is the base model with the adapter off."""
    args = DPOConfig(
        output_dir=scratch,
        use_cpu=True,
        bf16=False,
        fp16=False,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        gradient_checkpointing=False,
        dataloader_num_workers=0,
        **TRAINER,
    )
    return DPOTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(**LORA, task_type="CAUSAL_LM"),
    )


def tokens_of(model, rows, tokenizer, scratch):
    """The ids that TRL makes of each row, and whether it keeps the row."""
    numbered = [dict(r, row=i) for i, r in enumerate(rows)]
    kept = make_trainer(copy.deepcopy(model), numbered, tokenizer, scratch).train_dataset
    # once more without a limit, to have the ids of the rows that were left out as well
    limit, TRAINER["max_length"] = TRAINER["max_length"], None
    everything = make_trainer(copy.deepcopy(model), numbered, tokenizer, scratch).train_dataset
    TRAINER["max_length"] = limit
    kept_rows = set(kept["row"])
    keys = ("prompt_ids", "chosen_ids", "rejected_ids")
    return [dict(row=r["row"], kept=r["row"] in kept_rows, **{k: list(r[k]) for k in keys}) for r in everything]


def save_adapter(model, folder):
    """PEFT's two files, without its model card, and with the set of target modules in a fixed order."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["target_modules"].sort()
    config["base_model_name_or_path"] = None
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def summed_logps(logits, batch):
    """log-probability of each answer: the sum over its own tokens, in float64."""
    ids, mask = batch["input_ids"], batch["completion_mask"][:, 1:].double()
    logps = torch.log_softmax(logits[:, :-1].double(), -1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (logps * mask).sum(1).tolist()


def policy_and_reference(model, batch):
    inputs = {k: batch[k] for k in ("input_ids", "attention_mask")}
    with torch.no_grad():
        policy = model(**inputs).logits
        with model.disable_adapter():
            reference = model(**inputs).logits
    return policy, reference


def loss_and_gradient(trainer, batch, loss_types, loss_weights, label_smoothing):
    trainer.loss_types, trainer.loss_weights = loss_types, loss_weights
    trainer.label_smoothing = label_smoothing
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, dict(batch), False)
    loss.backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    norm = torch.sqrt(sum((g.double() ** 2).sum() for g in gradients.values())).item()
    return loss.item(), norm, gradients


def randomise_adapter(trainer, batch, seed):
    """A random adapter. Says whether no two losses agree under it: a mix-up of the two would pass."""
    generator = torch.Generator().manual_seed(seed)
    for n, p in trainer.model.named_parameters():
        if "lora_" in n:  # B is zero at a normal start, and so would be every gradient of A
            p.data = torch.randn(p.shape, generator=generator) * 0.15
    values = sorted(
        loss_and_gradient(trainer, batch, [loss], [1.0], extra.get("label_smoothing", 0.0))[0] for loss, extra in LOSSES
    )
    return min(b - a for a, b in zip(values, values[1:])) > 1e-3


def greedy(folder, tokenizer, rows):
    """Greedy continuations by the base model; the winner must be clear, or a test of exact ids would be luck."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    made, closest = [], float("inf")
    for r in rows:
        ids = tokenizer.apply_chat_template(
            r["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(
            **ids, max_new_tokens=24, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        for step in out.logits:
            first, second = step[0].topk(2).values.tolist()
            closest = min(closest, first - second)
        prompt = ids["input_ids"][0].tolist()
        made.append(dict(prompt_ids=prompt, greedy=out.sequences[0, len(prompt) :].tolist()))
    assert closest > 1e-4, f"greedy decoding is nearly tied ({closest:.1e}): take another seed"
    return made


def make_family(name, config, pairs, tokens, tokenizer, out, scratch):
    set_seed(SEED)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = copy.deepcopy(config)
    config.vocab_size = len(tokenizer)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for _, p in model.named_parameters():
        if p.dim() == 1:  # norms away from one, where a forgotten weight would not show
            p.data += torch.randn(p.shape) * 0.1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    trainer = make_trainer(copy.deepcopy(model), pairs, tokenizer, scratch)
    first = [trainer.train_dataset[i] for i in range(BATCH)]
    batch = trainer.data_collator(first)
    trainer.model.eval()
    adapter_seed = ADAPTER_SEED
    while not randomise_adapter(trainer, batch, adapter_seed):
        adapter_seed += 1
    save_adapter(trainer.model, folder / "adapter")

    longest = max(len(r["prompt_ids"]) + len(r[k]) for r in first for k in ("chosen_ids", "rejected_ids"))
    assert longest > TRAINER["max_length"], "no answer of the first batch is cut by max_length"
    dropped = [t["row"] for t in tokens if not t["kept"]]
    assert dropped and min(dropped) > BATCH

    expected = {"tokens": [{k: list(r[k]) for k in ("prompt_ids", "chosen_ids", "rejected_ids")} for r in first]}
    policy, reference = policy_and_reference(trainer.model, batch)
    # chosen of all rows, then rejected of all rows, cut at max_length
    expected["policy_logps"] = summed_logps(policy, batch)
    expected["reference_logps"] = summed_logps(reference, batch)
    expected["base_logits_row0_first8_tokens_first8"] = reference[0, :8, :8].tolist()

    trainer.data_collator.truncation_mode = "keep_end"
    tail = trainer.data_collator(first)
    trainer.data_collator.truncation_mode = TRAINER["truncation_mode"]
    policy, reference = policy_and_reference(trainer.model, tail)
    expected["keep_end"] = {
        "policy_logps": summed_logps(policy, tail),
        "reference_logps": summed_logps(reference, tail),
    }

    expected["losses"] = {}
    for loss_type, extra in LOSSES:
        loss, norm, gradients = loss_and_gradient(
            trainer, batch, [loss_type], [1.0], extra.get("label_smoothing", 0.0)
        )
        expected["losses"][loss_type] = dict(loss=loss, grad_norm=norm, **extra)
        if loss_type == "sigmoid":
            named = {n.replace("base_model.model.", "").replace(".default", ""): g for n, g in gradients.items()}
            save_file({n: g.clone().contiguous() for n, g in named.items()}, folder / "sigmoid_grads.safetensors")
    expected["loss_sums"] = []
    for loss_types, loss_weights in LOSS_SUMS:
        loss, norm, _ = loss_and_gradient(trainer, batch, loss_types, loss_weights, 0.0)
        expected["loss_sums"].append(
            dict(loss_type=loss_types, loss_weights=loss_weights, loss=loss, grad_norm=norm)
        )

    trainer.model.zero_grad()
    trainer.loss_types, trainer.loss_weights, trainer.label_smoothing = ["sigmoid"], [1.0], 0.0
    trainer._metrics["train"].clear()
    trainer._metrics["eval"].clear()
    trainer.model.train()
    trainer.train()
    history = [h for h in trainer.state.log_history if "loss" in h]
    expected["trajectory"] = [{k: v for k, v in h.items() if k in LOGGED} for h in history]
    save_adapter(trainer.model, folder / "adapter_after_8_steps")

    expected["greedy"] = greedy(folder, tokenizer, pairs[:3])
    args = trainer.args
    optimizer = dict(
        optim=str(getattr(args.optim, "value", args.optim)),
        adam_beta1=args.adam_beta1,
        adam_beta2=args.adam_beta2,
        adam_epsilon=args.adam_epsilon,
    )
    expected["settings"] = dict(TRAINER, **LORA, **optimizer, loss_type=["sigmoid"], rows_left_out=dropped)
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(name, expected["losses"]["sigmoid"], [round(h["loss"], 5) for h in expected["trajectory"]])


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    wanted = sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    pairs, texts = read_jsonl(HERE / "pairs.jsonl"), read_jsonl(HERE / "text_pairs.jsonl")
    tokenizer = make_tokenizer(pairs)
    for name in ("pairs.jsonl", "text_pairs.jsonl"):
        if out.resolve() != HERE:
            shutil.copy(HERE / name, out / name)
    versions = dict(
        trl=trl.__version__,
        transformers=transformers.__version__,
        peft=peft.__version__,
        torch=torch.__version__,
        tokenizers=tokenizers.__version__,
        seed=SEED,
    )
    (out / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        set_seed(SEED)
        any_config = copy.deepcopy(FAMILIES["llama"])
        any_config.vocab_size = len(tokenizer)
        any_model = AutoModelForCausalLM.from_config(any_config)
        tokens = tokens_of(any_model, pairs, tokenizer, scratch)
        for name, rows in (("tokens.jsonl", tokens), ("text_tokens.jsonl", tokens_of(any_model, texts, tokenizer, scratch))):
            (out / name).write_text("".join(json.dumps(r) + "\n" for r in rows))
        for name, config in FAMILIES.items():
            if wanted and name not in wanted:
                continue
            make_family(name, config, pairs, tokens, tokenizer, out, scratch)


if __name__ == "__main__":
    main()
