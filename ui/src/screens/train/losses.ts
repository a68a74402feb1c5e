// The loss types, by TRL's names: each in one sentence, with where it comes from.

export type Loss = { name: string; sentence: string };

export const LOSSES: Loss[] = [
  { name: "sigmoid", sentence: "DPO itself (arXiv 2305.18290): raises chosen above rejected answers. Start here." },
  { name: "sft", sentence: "Likelihood of the chosen answers. Add it to another loss when both rewards fall together." },
  { name: "ipo", sentence: "Aims at a fixed margin instead of an ever larger one (arXiv 2310.12036): holds back overfitting." },
  { name: "robust", sentence: "For labels of which some are wrong (arXiv 2403.00409); label_smoothing is the share of wrong ones." },
  { name: "sigmoid_norm", sentence: "DPO per token (Tülu 3, arXiv 2411.15124): against answers that grow longer." },
  { name: "hinge", sentence: "Stops pushing a pair once its margin is large enough (SLiC, arXiv 2305.10425)." },
  { name: "apo_zero", sentence: "Raises chosen and lowers rejected answers: when chosen ones beat what the model writes (arXiv 2408.06266)." },
  { name: "apo_down", sentence: "Lowers both, rejected more: when the model already writes better than the chosen ones (arXiv 2408.06266)." },
  { name: "exo_pair", sentence: "Reverse KL on a pair (arXiv 2402.00856); needs label_smoothing above 0, such as 0.001." },
  { name: "nca_pair", sentence: "Keeps the chosen answers likely while it lowers the rejected ones (arXiv 2402.05369)." },
  { name: "bco_pair", sentence: "Classifies each answer as good or bad on its own (arXiv 2404.04656)." },
  { name: "sppo_hard", sentence: "Pulls each reward to a fixed value, as in self-play (arXiv 2405.00675)." },
  { name: "aot", sentence: "Compares sorted rewards of the whole batch, pair by pair (arXiv 2406.05882); wants large batches." },
  { name: "aot_unpaired", sentence: "The same where chosen and rejected need not belong together (arXiv 2406.05882)." },
  { name: "discopop", sentence: "A loss found by search, between sigmoid and an exponential one (arXiv 2406.08414)." },
];
