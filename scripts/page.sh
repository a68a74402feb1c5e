#!/usr/bin/env bash
# Builds the page into ui/dist, where something changed since it was built last.
set -euo pipefail
cd "$(dirname "$0")/../ui"

# npm writes this file last, so that an installation that was broken off is done again.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --no-audit --no-fund
    touch node_modules/.package-lock.json
fi
if [ ! -e dist/built ] || [ -n "$(find src index.html *.json *.ts -newer dist/built -print -quit)" ]; then
    npm run --silent build
    touch dist/built
fi
