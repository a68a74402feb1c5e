#!/usr/bin/env bash
# stage.sh NAME EXPECTED COMMAND…: runs the command, saying how long it should take and how long it took.
set -euo pipefail

name=$1 expected=$2
shift 2

printf '\n==> %s (%s)\n' "$name" "$expected"
start=$SECONDS
status=0
"$@" || status=$?
took=$((SECONDS - start))
if [ "$status" -eq 0 ]; then
    printf '==> %s: done in %d min %02d s\n' "$name" $((took / 60)) $((took % 60))
else
    printf '==> %s: FAILED after %d min %02d s (exit %d)\n' "$name" $((took / 60)) $((took % 60)) "$status" >&2
fi
exit "$status"
