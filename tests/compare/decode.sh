#!/usr/bin/env bash
# Times decoding by candle's own quantised example and by `generate` on the same GGUF file, in turns:
# `tests/compare/decode.sh`.
#
# candle's side is built in its release profile for this very processor (target-cpu=native), as its own repository builds its
# examples; ours in the profile that is tested, for any processor. Leaves what was measured in tests/compare/results/. Takes
# ten minutes on two cores where candle is not built yet, then three, and means something only on a machine that does
# nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/tiebreak-target}

# The program that the bench was built as.
built() {
    cargo build --locked --message-format json --bench decode "$@" |
        sed -n 's/.*"name":"decode".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

if [ -z "${TIEBREAK_BENCH_MODEL:-}" ]; then
    scripts/build.sh
    TIEBREAK_BENCH_MODEL=$("$CARGO_TARGET_DIR/debug/tiebreak" demo --fetch-only)
    export TIEBREAK_BENCH_MODEL
fi
TIEBREAK_BENCH_CANDLE=$(CARGO_TARGET_DIR=$CARGO_TARGET_DIR/native RUSTFLAGS="-C target-cpu=native" built -p generate --release)
export TIEBREAK_BENCH_CANDLE
ours=$(built --workspace)
mkdir -p tests/compare/results
"$ours" | tee "tests/compare/results/$(date +%F)-decode.md"
