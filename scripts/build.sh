#!/usr/bin/env bash
# Builds the page, and `tiebreak` and the window from the same artefacts that the tests use. `build.sh headless` leaves the
# window out, and so needs no WebKitGTK.
#
# Naming one small test beside the program makes cargo choose the crates' features for the whole workspace, tests
# included. With `-p tiebreak-cli` it would choose fewer, and the tests would compile most dependencies a second time.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/page.sh
programs=(--bin tiebreak)
[ "${1:-}" = headless ] || programs+=(--bin tiebreak-desktop)
exec cargo build --locked --workspace "${programs[@]}" --test house_rules
