"""Reference values by TRL and PEFT for the options of training and of adapters, on the models that make_golden.py made.

    pip install trl==1.16.0 peft torch
    python make_options.py [FAMILY ...]        # llama and llama3_rope unless named

Needs FAMILY/ beside this script, and writes, on the CPU and in float32:

    FAMILY/options.json        "losses": f-divergences, ld_alpha and use_weighting, alone and together, with FAMILY/adapter
                               "ref_adapter": eight steps from FAMILY/adapter with a copy of it as the reference, which is
                               what DPOTrainer does with a PeftModel; "sync_ref_model": the same, where after every second
                               step the reference's parameters are mixed as TRL's SyncRefModelCallback mixes them
    llama/adapters.json        log-probabilities and gradients with adapters of every kind, each in its folder:
    llama/adapter_dora/, adapter_uneven/ (rsLoRA, rank_pattern, alpha_pattern), adapter_pattern/ (target_modules as text)
"""

import copy
import json
import math
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
from trl.trainer.callbacks import SyncRefModelCallback

import make_golden as golden
from make_golden import BATCH, HERE, LOGGED, SEED, read_jsonl, summed_logps

# Names are DPOTrainer's attributes.
OPTIONS = [
    (["sigmoid"], dict(f_divergence_type="forward_kl")),
    (["sigmoid"], dict(f_divergence_type="js_divergence")),
    (["sigmoid"], dict(f_divergence_type="alpha_divergence", f_alpha_divergence_coef=0.5)),
    (["ipo"], dict(f_divergence_type="alpha_divergence", f_alpha_divergence_coef=1.3)),
    (["sigmoid_norm"], dict(f_divergence_type="js_divergence")),
    (["discopop", "sft"], dict(f_divergence_type="js_divergence")),
    (["sigmoid"], dict(ld_alpha=0.4)),
    (["sigmoid"], dict(ld_alpha=0.0)),
    (["apo_zero", "sft"], dict(ld_alpha=0.7)),
    (["sigmoid"], dict(use_weighting=True)),
    (["nca_pair", "ipo"], dict(use_weighting=True, ld_alpha=0.5)),
    # TRL multiplies a loss by its weight in place, which breaks the backward of hinge.
    (["sigmoid_norm"], dict(use_weighting=True, ld_alpha=0.5, f_divergence_type="js_divergence")),
]
ADAPTERS = {
    "dora": dict(r=3, lora_alpha=4, use_dora=True, target_modules=["q_proj", "v_proj", "down_proj"]),
    "uneven": dict(
        r=3,
        lora_alpha=5,
        use_rslora=True,
        target_modules=["k_proj", "o_proj", "up_proj"],
        rank_pattern={"layers.1.*_proj": 2, "o_proj": 4},
        alpha_pattern={"up_proj": 9},
    ),
    "pattern": dict(r=2, lora_alpha=4, target_modules=r"model\.layers\.[02]\.(?!mlp).*\.(q|v)_proj"),
}


def loss_and_gradients(trainer, batch):
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, dict(batch), False)
    loss.backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    return loss.item(), gradients


def norm(gradients):
    return torch.sqrt(sum((g.double() ** 2).sum() for g in gradients)).item()


def make_trainer(model, rows, tokenizer, scratch, adapter, **arguments):
    """A trainer whose policy has the adapter in a folder; its reference is the base model."""
    before = dict(golden.TRAINER)
    golden.TRAINER.update(arguments)
    trainer = golden.make_trainer(copy.deepcopy(model), rows, tokenizer, scratch)
    golden.TRAINER.clear()
    golden.TRAINER.update(before)
    trainer.model.load_adapter(adapter, "kept")
    kept = dict(trainer.model.named_parameters())
    for name, parameter in trainer.model.named_parameters():
        if ".default." in name:
            parameter.data.copy_(kept[name.replace(".default.", ".kept.")].data)
    trainer.model.delete_adapter("kept")
    trainer.model.set_adapter("default")
    trainer.model.eval()
    return trainer


def losses(model, rows, tokenizer, scratch, adapter):
    made = []
    for loss_type, options in OPTIONS:
        weighting = options.get("use_weighting", False)
        trainer = make_trainer(model, rows, tokenizer, scratch, adapter, use_weighting=weighting)
        trainer.loss_types, trainer.loss_weights = loss_type, [1.0] * len(loss_type)
        for name, value in options.items():
            setattr(trainer, name, value)
        batch = trainer.data_collator([trainer.train_dataset[i] for i in range(BATCH)])
        loss, gradients = loss_and_gradients(trainer, batch)
        metrics = {k: v[-1] for k, v in trainer._metrics["eval"].items() if k.startswith(("rewards/", "logps/"))}
        made.append(dict(loss_type=loss_type, **options, loss=loss, grad_norm=norm(gradients.values()), **metrics))
    values = sorted(case["loss"] for case in made)
    assert all(map(math.isfinite, values)), "TRL itself overflows: take another loss"
    assert min(b - a for a, b in zip(values, values[1:])) > 1e-4, "two cases agree: a mix-up would pass"
    return made


class MixReference(TrainerCallback):
    """SyncRefModelCallback for a reference that is an adapter of the same model."""

    def __init__(self, steps, alpha):
        self.steps, self.alpha = steps, alpha

    def on_step_end(self, args, state, control, model, **_):
        if state.global_step % self.steps:
            return
        part = lambda adapter: [p for n, p in model.named_parameters() if f".{adapter}." in n]
        holder = lambda adapter: type("Adapter", (), {"parameters": lambda _: iter(part(adapter))})()
        SyncRefModelCallback._sync_target_model(holder("default"), holder("ref"), self.alpha)


def trajectory(model, rows, tokenizer, scratch, adapter, callback=None):
    policy = PeftModel.from_pretrained(copy.deepcopy(model), adapter, is_trainable=True)
    args = golden.make_trainer(copy.deepcopy(model), rows, tokenizer, scratch).args
    trainer = golden.DPOTrainer(
        model=policy,
        args=args,
        train_dataset=golden.Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[callback] if callback else None,
    )
    assert "ref" in policy.peft_config
    trainer.train()
    history = [h for h in trainer.state.log_history if "loss" in h]
    return [{k: v for k, v in h.items() if k in LOGGED} for h in history]


def save_adapter(model, folder):
    """PEFT's two files, without its model card, and with a set of target modules in a fixed order."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    config["base_model_name_or_path"] = None
    path.write_text(json.dumps(config, indent=2) + "\n")


def adapters(model, rows, tokenizer, scratch, folder):
    made = {}
    for name, shape in ADAPTERS.items():
        set_seed(SEED)
        policy = get_peft_model(copy.deepcopy(model), LoraConfig(**shape, task_type="CAUSAL_LM"))
        generator = torch.Generator().manual_seed(SEED)
        for n, p in policy.named_parameters():
            if "lora_" in n:
                noise = torch.randn(p.shape, generator=generator)
                # Magnitudes stay near the norms that they start from, factors are random.
                p.data = p.data * (1 + 0.1 * noise) if "magnitude" in n else noise * 0.15
        save_adapter(policy, folder / f"adapter_{name}")
        trainer = make_trainer_around(policy, rows, tokenizer, scratch)
        batch = trainer.data_collator([trainer.train_dataset[i] for i in range(BATCH)])
        inputs = {k: batch[k] for k in ("input_ids", "attention_mask")}
        with torch.no_grad():
            policy_logps = summed_logps(trainer.model(**inputs).logits, batch)
        # Against the base: TRL would take the adapter itself for the reference.
        with torch.no_grad(), trainer.model.disable_adapter():
            reference_logps = summed_logps(trainer.model(**inputs).logits, batch)
        with torch.no_grad():
            merged = copy.deepcopy(trainer.model).merge_and_unload()
            merged_logps = summed_logps(merged(**inputs).logits, batch)
        chosen, rejected = torch.tensor(reference_logps).float().chunk(2)
        trainer.precompute_ref_logps = True
        batch = dict(batch, ref_chosen_logps=chosen, ref_rejected_logps=rejected)
        loss, gradients = loss_and_gradients(trainer, batch)
        named = {n.replace("base_model.model.", "").replace(".default", ""): g for n, g in gradients.items() if ".ref." not in n}
        named = {n.removesuffix(".weight") if "magnitude" in n else n: norm([g]) for n, g in named.items()}
        made[name] = dict(policy_logps=policy_logps, merged_logps=merged_logps, loss=loss, grad_norms=named)
    return made


def make_trainer_around(policy, rows, tokenizer, scratch):
    args = golden.make_trainer(copy.deepcopy(policy.get_base_model()), rows, tokenizer, scratch).args
    trainer = golden.DPOTrainer(
        model=policy, args=args, train_dataset=golden.Dataset.from_list(rows), processing_class=tokenizer
    )
    trainer.model.eval()
    return trainer


def main():
    torch.set_num_threads(2)
    rows = read_jsonl(HERE / "pairs.jsonl")
    for family in sys.argv[1:] or ["llama", "llama3_rope"]:
        folder = HERE / family
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with tempfile.TemporaryDirectory() as scratch:
            adapter = str(folder / "adapter")
            made = dict(
                losses=losses(model, rows, tokenizer, scratch, adapter),
                ref_adapter=trajectory(model, rows, tokenizer, scratch, adapter),
                sync_ref_model=dict(
                    ref_model_sync_steps=2,
                    ref_model_mixup_alpha=0.6,
                    trajectory=trajectory(model, rows, tokenizer, scratch, adapter, MixReference(2, 0.6)),
                ),
            )
            (folder / "options.json").write_text(json.dumps(made, indent=1) + "\n")
            if family == "llama":
                kinds = adapters(model, rows, tokenizer, scratch, folder)
                (folder / "adapters.json").write_text(json.dumps(kinds, indent=1) + "\n")
        print(family, [round(case["loss"], 5) for case in made["losses"]])


if __name__ == "__main__":
    main()
