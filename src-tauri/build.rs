//! Checks `tauri.conf.json` and the capabilities, and embeds the page.
#![allow(missing_docs)]

use std::path::Path;

fn main() {
    // The page is built by `make build`. Without it the code still compiles, for those who work on the Rust side alone.
    let page = Path::new("../ui/dist");
    println!("cargo::rerun-if-changed=../ui/dist");
    if !page.join("index.html").exists() {
        let text = "<!doctype html><title>Tiebreak</title><p>The page is not built. Run <code>make build</code>.</p>";
        std::fs::create_dir_all(page)
            .and_then(|()| std::fs::write(page.join("index.html"), text))
            .unwrap_or_else(|error| println!("cargo::error={}: {error}", page.display()));
    }
    tauri_build::build();
}
