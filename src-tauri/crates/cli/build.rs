//! Builds the page of `tiebreak serve` into the program: every file of `ui/dist`, or where that is missing a page that
//! says how to make it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tiebreak</title>\
    <h1>Tiebreak</h1><p>This program was built without its page. Run <code>make build</code> and start it again.</p></html>";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../..");
    let dist = root.join("ui").join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut list = String::new();
    if dist.join("index.html").is_file() {
        let mut files = Vec::new();
        collect(&dist, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&dist).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
            let path = fs::canonicalize(&file)?;
            writeln!(list, "({name:?}, include_bytes!({:?}).as_slice()),", path.display().to_string())
                .map_err(io::Error::other)?;
        }
    } else {
        write!(list, "(\"index.html\", {MISSING:?}.as_bytes())").map_err(io::Error::other)?;
    }
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?).join("page.rs");
    fs::write(out, format!("&[{list}]"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
