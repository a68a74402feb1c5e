#!/usr/bin/env bash
# Sees to what the build needs from the system: a C compiler (SQLite, Oniguruma and ring are C), WebKitGTK for the window,
# Node for the page, and Python's pip, which fetches the demo model. `packages.sh headless` leaves out what only the window
# needs. `packages.sh test` sees to what tests need as well: a browser, and a screen that is not there for the window. On
# Debian and Ubuntu whatever is missing is installed; elsewhere this says what is needed.
set -euo pipefail

packages=() reasons=()
need() {
    packages+=("$1")
    reasons+=("$2")
}
command -v cc >/dev/null || need build-essential "a C compiler"
if [ "${1:-}" != headless ]; then
    command -v pkg-config >/dev/null || need pkg-config "pkg-config"
    if [ "$(uname)" = Linux ]; then
        pkg-config --exists webkit2gtk-4.1 2>/dev/null || need libwebkit2gtk-4.1-dev "WebKitGTK 4.1, for the window"
    fi
fi
command -v python3 >/dev/null || need python3 "Python, to fetch the demo model"
python3 -c 'import pip' 2>/dev/null || need python3-pip "pip, to fetch the demo model"
if [ "${1:-}" = test ] && [ "$(uname)" = Linux ]; then
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || need chromium "a browser, to test the page"
    command -v Xvfb >/dev/null || need xvfb "Xvfb, to test the window without a screen"
    command -v WebKitWebDriver >/dev/null || need webkit2gtk-driver "WebKitWebDriver, to test the window"
    fc-list 2>/dev/null | grep -q . || need fonts-dejavu-core "a font"
fi

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

if ! command -v npm >/dev/null || [ "$(node --version 2>/dev/null | sed 's/^v//; s/\..*//')" -lt 20 ]; then
    printf 'Node 20 or later with npm is missing. Install it (https://nodejs.org, or your package manager) and run again.\n' >&2
    exit 1
fi
