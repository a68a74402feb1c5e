#!/usr/bin/env bash
# How well suspected mislabels are found, measured on pairs of which a fifth is labelled the wrong way round.
# docs/suspected-mislabels.md has what it gave.
#
#   mislabels.sh MODEL PAIRS CLEAN FOLDS FOLDER [SETTINGS]
#
# PAIRS are trained on; a pair of theirs that is not in CLEAN is one of those labelled the wrong way round. Without PAIRS of
# your own: tests/compare/mislabels.py flip assets/demo/pairs.jsonl flipped.jsonl 0.2 7
# SETTINGS are more lines for the run's settings. What is in FOLDER already is not computed again.
set -euo pipefail
tiebreak="${TIEBREAK_PROGRAM:-${CARGO_TARGET_DIR:-$HOME/.cache/tiebreak-target}/debug/tiebreak}"
[ $# -ge 5 ] || { sed -n '2,11p' "$0"; exit 2; }
model=$(realpath "$1") pairs=$(realpath "$2") clean=$(realpath "$3") folds=$4 folder=$5 more=${6:-}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
cat > "$folder/run.toml" <<TOML
model = "$model"
output_dir = "run"
seed = 0
beta = 0.1
learning_rate = 2e-4
warmup_steps = 5
per_device_train_batch_size = 8
num_train_epochs = 1
save_steps = 25
resume_from_checkpoint = true
$more
[data]
train = "$pairs"
[lora]
r = 16
lora_alpha = 32
target_modules = '.*\.layers\.2[0-9]\..*_proj'
TOML
"$tiebreak" train --config "$folder/run.toml"
for how in run folds; do
    options=()
    [ $how = run ] || options=(--folds "$folds")
    "$tiebreak" suspects --run "$folder/run" "${options[@]}" --first 0 --output "$folder/$how.jsonl"
    python3 "$here/mislabels.py" count "$folder/$how.jsonl" "$clean" | tee "$folder/$how.txt"
done
