#!/usr/bin/env bash
# Makes a Debian package of the window and the program: `make deb`. TIEBREAK_PROFILE=dev packs what is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${TIEBREAK_PROFILE:-release}
built=$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
architecture=$(dpkg --print-architecture)

scripts/page.sh
cargo build --locked --profile "$profile" --workspace --bin tiebreak --bin tiebreak-desktop

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
install -D "$built/tiebreak" "$root/usr/bin/tiebreak"
install -D "$built/tiebreak-desktop" "$root/usr/bin/tiebreak-desktop"
[ "$profile" = dev ] || strip "$root"/usr/bin/*
install -Dm644 src-tauri/icons/icon.png "$root/usr/share/icons/hicolor/256x256/apps/tiebreak.png"
install -Dm644 assets/icons/tiebreak.svg "$root/usr/share/icons/hicolor/scalable/apps/tiebreak.svg"
install -Dm644 LICENSE "$root/usr/share/doc/tiebreak/copyright"
install -d "$root/usr/share/applications" "$root/DEBIAN"
cat >"$root/usr/share/applications/tiebreak.desktop" <<DESKTOP
[Desktop Entry]
Type=Application
Name=Tiebreak
Comment=Make a language model prefer better answers
Exec=tiebreak-desktop
Icon=tiebreak
Categories=Development;Science;
DESKTOP
cat >"$root/DEBIAN/control" <<CONTROL
Package: tiebreak
Version: $version
Architecture: $architecture
Maintainer: The Tiebreak developers <tiebreak@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: libc6, libwebkit2gtk-4.1-0, libgtk-3-0 | libgtk-3-0t64
Recommends: python3-pip
Section: science
Priority: optional
Description: make a language model prefer better answers
 Label preference pairs, train a LoRA adapter by DPO on them, and see, with its
 uncertainty, whether the model got better: in a window, in a browser, or on
 the command line.
CONTROL
package=$CARGO_TARGET_DIR/tiebreak_${version}_$architecture.deb
dpkg-deb --build --root-owner-group "$root" "$package" >/dev/null
printf 'The package: %s\nInstall it with: sudo apt install %s\n' "$package" "$package"
