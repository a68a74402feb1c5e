"""Makes losses.json, adamw.json and schedule.json beside this file: what TRL, torch and transformers answer.

    pip install trl==1.16.0 torch
    python make_golden.py

The losses go through TRL's own DPOTrainer._compute_loss, in float64, with a stand-in for the model that hands back
given log-probabilities.
"""

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import get_scheduler
from trl import DPOTrainer

HERE = Path(__file__).parent
LOSSES = [
    ("sigmoid", 0.0), ("hinge", 0.0), ("ipo", 0.0), ("exo_pair", 1e-3), ("nca_pair", 0.0), ("robust", 0.1),
    ("bco_pair", 0.0), ("sppo_hard", 0.0), ("aot", 0.0), ("aot", 0.2), ("aot_unpaired", 0.0), ("aot_unpaired", 0.2),
    ("apo_zero", 0.0), ("apo_down", 0.0), ("discopop", 0.0), ("sft", 0.0), ("sigmoid_norm", 0.0),
]


def compute(losses, weights, smoothing, beta, log_probs, mask, reference):
    """Loss, and its gradient with respect to each sequence's summed log-probability."""
    log_probs = log_probs.clone().requires_grad_()
    outputs = SimpleNamespace(
        log_probs=log_probs, entropy=torch.zeros_like(log_probs), mean_logits=torch.zeros_like(log_probs),
        is_top1=torch.zeros_like(log_probs, dtype=torch.bool),
    )
    stand_in = SimpleNamespace(
        model=SimpleNamespace(training=True), ld_alpha=None, aux_loss_enabled=False, precompute_ref_logps=True,
        f_divergence_type="reverse_kl", loss_types=losses, loss_weights=weights, label_smoothing=smoothing, beta=beta,
        use_weighting=False, args=SimpleNamespace(discopop_tau=0.05), _metrics={"train": defaultdict(list)},
        _total_train_tokens=0, _tp_size=1,
        accelerator=SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x),
    )
    inputs = dict(
        input_ids=torch.zeros_like(mask), attention_mask=torch.ones_like(mask), completion_mask=mask,
        ref_chosen_logps=reference[: len(reference) // 2], ref_rejected_logps=reference[len(reference) // 2 :],
    )
    loss = DPOTrainer._compute_loss(stand_in, lambda **_: outputs, inputs, False)
    loss.backward()
    # Every completion token of a sequence has the same gradient: read it at the last one.
    last = mask[:, 1:] * torch.arange(1, mask.shape[1])
    gradient = log_probs.grad.gather(1, last.argmax(1, keepdim=True)).squeeze(1)
    metrics = {k: v[0] for k, v in stand_in._metrics["train"].items() if k.startswith(("rewards/", "logps/"))}
    return loss.item(), gradient.tolist(), metrics


def losses():
    generator = torch.Generator().manual_seed(11)
    cases = []
    for pairs, beta, scale in ((4, 0.1, 1.0), (5, 0.5, 0.3), (1, 0.1, 2.0)):
        width, prompt = 14, 3
        lengths = torch.randint(1, width - prompt + 1, (2 * pairs,), generator=generator)
        mask = torch.zeros(2 * pairs, width, dtype=torch.long)
        for row, length in enumerate(lengths.tolist()):
            mask[row, prompt : prompt + length] = 1
        # One sequence without a prompt: its first token is counted by completion_mask but predicted by nothing.
        mask[0, :prompt] = 1
        log_probs = -torch.rand(2 * pairs, width - 1, generator=generator, dtype=torch.float64) * 3 * mask[:, 1:]
        policy = log_probs.sum(1)
        reference = policy + torch.randn(2 * pairs, generator=generator, dtype=torch.float64) * scale
        case = dict(
            beta=beta,
            chosen_logps=policy[:pairs].tolist(), rejected_logps=policy[pairs:].tolist(),
            reference_chosen_logps=reference[:pairs].tolist(), reference_rejected_logps=reference[pairs:].tolist(),
            chosen_tokens=mask[:pairs].sum(1).tolist(), rejected_tokens=mask[pairs:].sum(1).tolist(),
            chosen_predicted_tokens=mask[:pairs, 1:].sum(1).tolist(), expected=[],
        )
        runs = [([name], [1.0], smoothing) for name, smoothing in LOSSES]
        runs.append((["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0], 0.0))
        for names, weights, smoothing in runs:
            loss, gradient, metrics = compute(names, weights, smoothing, beta, log_probs, mask, reference)
            case["metrics"] = metrics
            case["expected"].append(dict(
                loss_type=names, loss_weights=weights, label_smoothing=smoothing, loss=loss,
                d_chosen=gradient[:pairs], d_rejected=gradient[pairs:],
            ))
        cases.append(case)
    return cases


def adamw():
    generator = torch.Generator().manual_seed(3)
    cases = []
    for weight_decay, max_norm in ((0.0, 1.0), (0.1, 0.5), (0.01, 0.0)):
        parameters = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in ((3, 2), (5,))]
        case = dict(
            weight_decay=weight_decay, max_grad_norm=max_norm, shapes=[list(p.shape) for p in parameters],
            start=[p.detach().flatten().tolist() for p in parameters], steps=[],
        )
        optimizer = torch.optim.AdamW(parameters, lr=1.0, weight_decay=weight_decay)
        for step in range(6):
            gradients = [torch.randn(p.shape, generator=generator) * 10.0 ** (step - 4) for p in parameters]
            learning_rate = 0.01 * (step + 1)
            for parameter, gradient in zip(parameters, gradients):
                parameter.grad = gradient.clone()
            norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm if max_norm > 0 else float("inf")).item()
            optimizer.param_groups[0]["lr"] = learning_rate
            optimizer.step()
            case["steps"].append(dict(
                learning_rate=learning_rate, grad_norm=norm, gradients=[g.flatten().tolist() for g in gradients],
                parameters=[p.detach().flatten().tolist() for p in parameters],
            ))
        cases.append(case)
    return cases


def schedule():
    cases = []
    for kind in ("constant", "linear", "cosine"):
        for warmup, total in ((0, 1), (0, 7), (3, 10), (10, 10), (2, 8)):
            parameter = torch.nn.Parameter(torch.zeros(1))
            optimizer = torch.optim.AdamW([parameter], lr=1e-3)
            scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=total)
            rates = []
            for _ in range(total):
                rates.append(scheduler.get_last_lr()[0])
                optimizer.step()
                scheduler.step()
            cases.append(dict(kind=kind, warmup_steps=warmup, total_steps=total, learning_rates=rates))
    return cases


for name, make in (("losses", losses), ("adamw", adamw), ("schedule", schedule)):
    (HERE / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")
