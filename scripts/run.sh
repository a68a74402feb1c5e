#!/usr/bin/env bash
# Runs the main job with what `make run` has built: in the window where there is a display, else on the command line.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    printf '\nOpening the window with the demo project.\n'
    exec "$CARGO_TARGET_DIR/debug/tiebreak-desktop" --demo
fi
printf '\nThere is no display here for the window: running the demo on the command line.\n'
printf 'The same page works in a browser, from another machine through an SSH tunnel too: %s serve\n' \
    "$CARGO_TARGET_DIR/debug/tiebreak"
exec scripts/stage.sh "Demo" "under 8 minutes on 2 cores, and a 98 MB download the first time" \
    "$CARGO_TARGET_DIR/debug/tiebreak" demo
