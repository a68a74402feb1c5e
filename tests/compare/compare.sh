#!/usr/bin/env bash
# Times LoRA DPO by TRL and by `tiebreak` on the same pairs and the same processor, in turns: `tests/compare/compare.sh`.
#
# Puts TRL into a virtual environment (TIEBREAK_PYTHON names a Python that has it already), builds `tiebreak`, converts the
# demo model for TRL, and leaves what was measured in tests/compare/results/. Takes about half an hour on two cores, and
# means something only on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/tiebreak-target}
python=${TIEBREAK_PYTHON:-}
if [ -z "$python" ]; then
    environment=$CARGO_TARGET_DIR/compare-venv
    [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet trl==1.16.0 peft torch gguf psutil
    python=$environment/bin/python
fi
scripts/build.sh
model=$("$CARGO_TARGET_DIR/debug/tiebreak" demo --fetch-only)
exec "$python" tests/compare/compare.py --program "$CARGO_TARGET_DIR/debug/tiebreak" --gguf "$model" "$@"
