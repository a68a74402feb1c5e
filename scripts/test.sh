#!/usr/bin/env bash
# All that `make test` does once the system packages are there. Ends with what was left out, if anything, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

stage=scripts/stage.sh
left_out=()

"$stage" "Format" "a second" cargo fmt --all --check
"$stage" "Fetch crates" "a minute the first time, then a second" cargo fetch --locked --quiet
"$stage" "Build" "about 16 minutes the first time, then seconds" scripts/build.sh
"$stage" "Page: types and tests" "under a minute" bash -c 'cd ui && npm run --silent check && npm test --silent'
"$stage" "Lints" "about 5 minutes the first time, then seconds" \
    cargo clippy --locked --workspace --all-targets -- -D warnings

if command -v cargo-deny >/dev/null; then
    "$stage" "Licences and sources" "seconds" cargo deny check licenses bans sources
else
    left_out+=("cargo deny (not installed); the licence test reads the same deny.toml")
fi

# The program prints the file's path on stdout and its progress on stderr.
model_path=$CARGO_TARGET_DIR/demo-model-path
# shellcheck disable=SC2016
if "$stage" "Demo model" "98 MB the first time, then a second" \
    bash -c '"$0" demo --fetch-only >"$1"' "$CARGO_TARGET_DIR/debug/tiebreak" "$model_path"; then
    TIEBREAK_DEMO_MODEL=$(cat "$model_path")
    export TIEBREAK_DEMO_MODEL
elif [ "${TIEBREAK_OFFLINE:-}" = 1 ]; then
    left_out+=("every test on the real model (it is not on this machine, and TIEBREAK_OFFLINE=1)")
else
    printf 'The tests on the real model need it. With TIEBREAK_OFFLINE=1 they are left out.\n' >&2
    exit 1
fi

if [ -z "${TIEBREAK_SHARED:-}" ] && [ -d ../shared ]; then
    TIEBREAK_SHARED=$(cd ../shared && pwd)
fi
if [ -n "${TIEBREAK_SHARED:-}" ]; then
    export TIEBREAK_SHARED
fi

log=$CARGO_TARGET_DIR/test.log
# What the page's and the window's tests print, which is not counted below.
export TIEBREAK_PAGE_LOG=$CARGO_TARGET_DIR/page-test.log
: >"$TIEBREAK_PAGE_LOG"
status=0
# Tests that leave something out print a line that begins with "left out:"; --show-output lets it through.
"$stage" "Tests" "about 8 minutes, the first time 6 more for compiling" \
    cargo test --locked --workspace --tests --no-fail-fast -- --show-output 2>&1 | tee "$log" || status=$?

"$stage" "Examples in the documentation" "under a minute" \
    cargo test --locked --workspace --doc --no-fail-fast 2>&1 | tee -a "$log" || status=$?

# shellcheck disable=SC2016
"$stage" "Tests of the engine on the kernels of other devices" "about 2 minutes" \
    bash -c 'scripts/test-device.sh plain "$0" >"$0.all" 2>&1 || { grep -v "^test .* ok$" "$0.all"; exit 1; }' \
    "$CARGO_TARGET_DIR/test-device-plain.txt" || status=$?

node_tests() {
    cd "$1"
    [ ! -e package-lock.json ] || npm ci --no-audit --no-fund --silent
    npm test --silent 2>&1 | tee -a "$TIEBREAK_PAGE_LOG"
}
export -f node_tests
"$stage" "Page in a browser" "about 4 minutes" bash -o pipefail -c 'node_tests tests/page' || status=$?
if [ "$(uname)" = Linux ]; then
    "$stage" "The window" "about a minute" bash -o pipefail -c 'node_tests tests/window' || status=$?
else
    left_out+=("the window's tests (they need WebKitGTK's driver)")
fi

while IFS= read -r line; do left_out+=("$line"); done \
    < <(sed -n 's/^.*left out: //p' "$log" | sort -u)

printf '\n'
if [ ${#left_out[@]} -gt 0 ]; then
    printf 'Left out:\n'
    printf '  - %s\n' "${left_out[@]}"
else
    printf 'Nothing was left out.\n'
fi
# Of a long log often only the end is at hand: what failed stands there again, with why.
if [ "$status" -ne 0 ]; then
    printf 'Failed:\n'
    grep -E '^test .* FAILED$' "$log" || true
    awk '/^not ok /,/^ok |^# Subtest|^1\.\./ { if (!/^ok |^# Subtest|^1\.\./) print }' "$TIEBREAK_PAGE_LOG"
fi
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "All together: %d passed, %d failed, %d ignored.\n", passed, failed, ignored }' "$log"
exit "$status"
