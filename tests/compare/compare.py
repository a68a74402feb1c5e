"""Times LoRA DPO by TRL and by `tiebreak` on the same pairs, in turns; see compare.sh.

    compare.py --program tiebreak --gguf MODEL.gguf [--rounds 3] [--steps 8] [--pairs FILE.jsonl]

Each round runs every configuration once, each in a process of its own: TRL as it comes (bf16, recomputation, the reference
computed with each batch), TRL at its fastest on a CPU (bf16, the reference beforehand, nothing recomputed), and `tiebreak`
as it comes (products in bf16 where the processor has them, layers kept where memory allows), with layers computed again, and
in f32. Two steps of warm-up are left out. Pairs per second count optimiser steps alone; what passes beforehand over the
reference, which TRL as it comes does not have, is told beside it. Both count tokens as TRL does: each answer with its
prompt. Ratios are taken within a round, and told as the middle one with the least and the most.

Before that, both train in f32 from the same adapter, and their losses have to agree at every step within 1e-3. How far the
losses in bf16 are from those, theirs and ours, is told.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WARM_UP = 2
BATCH = 2
MAX_LENGTH = 512
LEARNING_RATE = 5e-5
TRL = {
    "TRL, its defaults": ["--bf16", "--recompute"],
    "TRL, its fastest": ["--bf16", "--precompute"],
}
OURS = {
    "tiebreak, its defaults": {},
    "tiebreak, layers computed again": {"gradient_checkpointing": True},
    "tiebreak, products in f32": {"products": "f32"},
}


def pairs(path, count):
    """The pairs of a file, or conversations of three turns made of the demo's: about as long as those of hh-rlhf."""
    if path:
        return [json.loads(line) for line in open(path, encoding="utf-8")][:count]
    demo = Path(__file__).parents[2] / "assets/demo/pairs.jsonl"
    rows = [json.loads(line) for line in open(demo, encoding="utf-8")]
    made = []
    for at in range(count):
        first, second, last = (rows[(3 * at + turn) % len(rows)] for turn in range(3))
        prompt = first["prompt"] + first["chosen"] + second["prompt"] + second["rejected"] + last["prompt"]
        made.append({"prompt": prompt, "chosen": last["chosen"], "rejected": last["rejected"]})
    return made


def convert(gguf, out):
    """A GGUF file of the Llama family as a Hugging Face folder in f32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    fields = read.config.to_dict()
    for name in ("quantization_config", "model_type", "transformers_version", "architectures", "dtype"):
        fields.pop(name, None)
    plain = LlamaForCausalLM(LlamaConfig(**fields))
    weights = {name: tensor.detach().float().clone() for name, tensor in read.state_dict().items()}
    plain.load_state_dict(weights, strict=False)
    plain.tie_weights()
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)


def start_adapter(model, out):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    settings = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), settings).save_pretrained(out)


def trl_run(options):
    """One run by TRL, in a process of its own; prints what it measured as JSON."""
    os.environ["WANDB_DISABLED"] = "true"
    import resource

    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
    model = PeftModel.from_pretrained(model, options.adapter, is_trainable=True)
    config = DPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=options.bf16,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        per_device_train_batch_size=BATCH,
        max_length=MAX_LENGTH,
        max_steps=options.steps,
        learning_rate=LEARNING_RATE,
        train_sampling_strategy="sequential",
        gradient_checkpointing=options.recompute,
        precompute_ref_log_probs=options.precompute,
    )
    begun = time.time()
    rows = Dataset.from_list(json.load(open(options.pairs, encoding="utf-8")))
    trainer = DPOTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    seconds = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            if not seconds:
                self.before = time.time() - begun
            self.start = time.time()

        def on_step_end(self, *_, **__):
            seconds.append(time.time() - self.start)

    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    tokens = [2 * len(r["prompt_ids"]) + len(r["chosen_ids"]) + len(r["rejected_ids"]) for r in trainer.train_dataset]
    print(
        "MEASURED "
        + json.dumps(
            {
                "seconds": seconds,
                "before": clock.before,
                "tokens": tokens[: BATCH * options.steps],
                "loss": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "torch_threads": torch.get_num_threads(),
            }
        )
    )


def by_trl(place, steps, arguments):
    command = [sys.executable, __file__, "--trl", "--model", place / "model", "--adapter", place / "adapter"]
    command += ["--pairs", place / "pairs.json", "--steps", str(steps), *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("MEASURED "):
            return json.loads(line.removeprefix("MEASURED "))
    sys.exit(f"TRL measured nothing:\n{done.stdout}\n{done.stderr}")


def by_tiebreak(place, steps, program, model, settings):
    """One run by `tiebreak`: a run's folder and a cache of its own, so that the reference is computed anew."""
    folder = Path(tempfile.mkdtemp(dir=place))
    values = {
        "model": str(model),
        "output_dir": str(folder / "run"),
        "init_adapter": str(place / "adapter"),
        "device": "cpu",
        "per_device_train_batch_size": BATCH,
        "max_length": MAX_LENGTH,
        "max_steps": steps,
        "learning_rate": LEARNING_RATE,
        "shuffle": False,
        "save_steps": 0,
        **settings,
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    (folder / "run.toml").write_text(text + f"[data]\ntrain = {json.dumps(str(place / 'pairs.jsonl'))}\n")
    environment = {**os.environ, "TIEBREAK_CACHE": str(folder / "cache")}
    command = [str(program), "train", "--config", str(folder / "run.toml"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"tiebreak failed:\n{done.stderr}")
    events = [json.loads(line) for line in open(folder / "run/events.jsonl", encoding="utf-8")]
    taken = [event for event in events if event["type"] == "step"]
    return {
        "seconds": [step["seconds"] for step in taken],
        "before": taken[0]["time"] - taken[0]["seconds"] - events[0]["time"],
        "loss": [step["loss"] for step in taken],
        "peak_bytes": taken[-1]["peak_memory_bytes"],
    }


def speed(run, tokens):
    timed = sum(run["seconds"][WARM_UP:])
    counted = len(run["seconds"]) - WARM_UP
    return {
        "pairs_per_second": BATCH * counted / timed,
        "tokens_per_second": sum(tokens[WARM_UP * BATCH : (WARM_UP + counted) * BATCH]) / timed,
        "peak_gb": run["peak_bytes"] / 1e9,
        "before": run["before"],
    }


def furthest(run, losses):
    return max(abs(a - b) for a, b in zip(run["loss"], losses, strict=True))


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def processor():
    """The processor's model and what of it matters here."""
    if not os.path.exists("/proc/cpuinfo"):
        return platform.processor() or platform.machine()
    fields = dict(
        tuple(part.strip() for part in line.split(":", 1)) for line in open("/proc/cpuinfo") if ":" in line
    )
    flags = set(fields.get("flags", "").split())
    seen = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{fields.get('model name', platform.machine())}, {os.cpu_count()} cores, {' '.join(seen)}"


def main(options):
    import importlib.metadata

    place = Path(tempfile.mkdtemp())
    steps = WARM_UP + options.steps
    rows = pairs(options.pairs, BATCH * steps)
    (place / "pairs.json").write_text(json.dumps(rows))
    (place / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    convert(options.gguf, place / "model")
    start_adapter(place / "model", place / "adapter")

    theirs = by_trl(place, steps, [])
    ours = by_tiebreak(place, steps, options.program, place / "model", {"dtype": "f32"})
    tokens = theirs["tokens"]
    exact = theirs["loss"]
    apart = furthest(ours, exact)
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {processor()}",
        ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("trl", "transformers", "peft", "torch")),
        f"{options.gguf.stem}, LoRA r 16 on all linears, {BATCH} pairs a step, max_length {MAX_LENGTH}, "
        f"{options.steps} steps after {WARM_UP}, {options.rounds} rounds",
        f"losses in f32 differ by at most {apart:.1e}",
    ]
    if apart > 1e-3:
        sys.exit("\n".join([*lines, "these are more than 1e-3: what is timed is not the same training"]))

    measured = {name: [] for name in (*TRL, *OURS)}
    moved = {}
    for number in range(options.rounds):
        for name, arguments in TRL.items():
            run = by_trl(place, steps, arguments)
            measured[name].append(speed(run, tokens))
            moved[name] = furthest(run, exact)
        for name, settings in OURS.items():
            run = by_tiebreak(place, steps, options.program, options.gguf, settings)
            measured[name].append(speed(run, tokens))
            moved[name] = furthest(run, exact)
        print(f"round {number + 1} of {options.rounds} is done", file=sys.stderr)

    told = ", ".join(f"{name} {by:.1e}" for name, by in moved.items())
    lines.append(f"furthest from TRL's losses in f32: {told}")
    lines += ["", "| | pairs/s | tokens/s | peak GB | before the first step, s |", "|---|---|---|---|---|"]
    for name, runs in measured.items():
        cells = [spread([run[key] for run in runs]) for key in ("pairs_per_second", "tokens_per_second", "peak_gb", "before")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| | times as many pairs/s | of its memory |", "|---|---|---|"]
    for name in OURS:
        for other in TRL:
            both = list(zip(measured[name], measured[other], strict=True))
            faster = spread([a["pairs_per_second"] / b["pairs_per_second"] for a, b in both])
            memory = spread([a["peak_gb"] / b["peak_gb"] for a, b in both])
            lines.append(f"| {name} against {other} | {faster} | {memory} |")
    text = "\n".join(lines) + "\n"
    print(text)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / f"{time.strftime('%Y-%m-%d')}.md").write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trl", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--adapter", type=Path, help=argparse.SUPPRESS)
    for switch in ("--bf16", "--recompute", "--precompute"):
        parser.add_argument(switch, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--program", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--pairs", type=Path)
    given = parser.parse_args()
    trl_run(given) if given.trl else main(given)
