#!/usr/bin/env bash
# Runs the main job with the program that `make build` has built.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    printf '\nTiebreak has no window yet: running the demo on the command line instead.\n'
else
    printf '\nThere is no display here: running the demo on the command line.\n'
fi
exec scripts/stage.sh "Demo" "under 8 minutes on 2 cores, and a 98 MB download the first time" \
    "$CARGO_TARGET_DIR/debug/tiebreak" demo
