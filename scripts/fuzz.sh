#!/usr/bin/env bash
# Feeds damaged files to everything that reads files: `scripts/fuzz.sh [SECONDS] [TARGET...]`, by default ten minutes for
# each of gguf_files, safetensors_files, adapters, configurations and tokenizers. What broke a reader lies in the folder
# that is named at the end; memory is limited to 4 GB, so that a reader that trusts a length dies.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(gguf_files safetensors_files adapters configurations tokenizers)
folder=$(mktemp -d -t tiebreak-fuzz.XXXXXX)

cargo test --locked --workspace --test fuzz --no-run
program=$(cargo test --locked --workspace --test fuzz --no-run 2>&1 | sed -n 's/.*(\(.*fuzz-[0-9a-f]*\))$/\1/p')
ulimit -v 4000000
for target in "${targets[@]}"; do
	TIEBREAK_FUZZ_SECONDS=$seconds TIEBREAK_FUZZ_SEED=${TIEBREAK_FUZZ_SEED:-$RANDOM$RANDOM} TIEBREAK_FUZZ_FOLDER=$folder \
		RAYON_NUM_THREADS=1 "$program" --exact "$target" --nocapture --test-threads=1 ||
		{ echo "$target: see $folder" >&2; exit 1; }
done
# Data: every form of file, so long each.
ulimit -v unlimited 2>/dev/null || true
TIEBREAK_FUZZ_SECONDS=$seconds TIEBREAK_FUZZ_SEED=${TIEBREAK_FUZZ_SEED:-$RANDOM$RANDOM} \
	cargo test --locked --workspace --test fuzz_data_files -- --nocapture
rm -r "$folder"
