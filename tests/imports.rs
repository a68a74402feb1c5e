//! Which files of a crate import which, read from their text.
//!
//! What counts is a path from `crate` or `super`, followed through `pub use` to the file that has the name, and `mod`: a
//! module is made of its parts. That a part names what stands in the modules around it does not count. Neither do tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of modules from the crate's root on.
type Module = Vec<String>;

/// What one file says.
#[derive(Debug, Default)]
struct File {
    parts: Vec<String>,
    /// Paths that it names, from the root on.
    named: Vec<Module>,
    /// For each name that it hands on, where that name stands, from the root on.
    handed_on: BTreeMap<String, Module>,
}

/// Some files of one crate, one after the other, of which each imports the next one and the last one the first; none where
/// there is no such circle. `files` are the crate's, as paths from its `src` on, with their texts.
pub fn circle(files: &[(PathBuf, String)]) -> Option<Vec<PathBuf>> {
    let modules: BTreeMap<Module, &Path> = files.iter().map(|(path, _)| (module_of(path), path.as_path())).collect();
    let said: BTreeMap<Module, File> =
        files.iter().map(|(path, text)| (module_of(path), read(&module_of(path), text))).collect();
    let mut imports: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, file) in &said {
        let parts = file.parts.iter().map(|part| [module.as_slice(), std::slice::from_ref(part)].concat());
        let named = file.named.iter().map(|path| place_of(path, &said, 0)).filter(|place| !module.starts_with(place));
        for target in parts.chain(named) {
            if let Some((target, _)) = said.get_key_value(&target).filter(|(target, _)| *target != module) {
                imports.entry(module).or_default().insert(target);
            }
        }
    }
    let (mut done, mut way) = (BTreeSet::new(), Vec::new());
    let found = said.keys().find_map(|module| search(module, &imports, &mut done, &mut way))?;
    Some(found.into_iter().map(|module| modules[module].to_owned()).collect())
}

/// Depth first; `way` is how this module was reached.
fn search<'a>(
    module: &'a Module,
    imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
    done: &mut BTreeSet<&'a Module>,
    way: &mut Vec<&'a Module>,
) -> Option<Vec<&'a Module>> {
    if let Some(at) = way.iter().position(|one| *one == module) {
        return Some(way[at..].to_vec());
    }
    if !done.insert(module) {
        return None;
    }
    way.push(module);
    let found = imports.get(module).and_then(|all| all.iter().find_map(|next| search(next, imports, done, way)));
    way.pop();
    found
}

/// The module that a file is: `a/b.rs` and `a/b/mod.rs` are `a::b`.
fn module_of(path: &Path) -> Module {
    let mut module: Module = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// The module that has what this path names.
fn place_of(path: &[String], said: &BTreeMap<Module, File>, depth: usize) -> Module {
    let mut length = 0;
    while length < path.len() && said.contains_key(&path[..=length]) {
        length += 1;
    }
    let handed_on = path.get(length).and_then(|name| said.get(&path[..length])?.handed_on.get(name));
    match handed_on {
        // Two names that hand each other on would not compile.
        Some(elsewhere) if depth < 9 => {
            place_of(&[elsewhere.as_slice(), &path[length + 1..]].concat(), said, depth + 1)
        }
        _ => path[..length].to_vec(),
    }
}

fn read(module: &Module, text: &str) -> File {
    let code = code_of(text);
    let mut file = File { parts: declared(&code), ..File::default() };
    let mut rest = String::new();
    let mut from = 0;
    for (at, _) in code.match_indices("use ") {
        let before = &code[..at];
        if at < from || before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let end = code[at..].find(';').map_or(code.len(), |length| at + length);
        rest.push_str(&code[from..at]);
        from = end;
        let visible = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        for (path, name) in tree(&code[at + 4..end]) {
            let Some(path) = from_root(&path, module, &file.parts) else { continue };
            if visible {
                file.handed_on.insert(name, path.clone());
            }
            file.named.push(path);
        }
    }
    rest.push_str(&code[from..]);
    for start in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(start) {
            let inside = rest[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
            let end = rest[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let path = &rest[at..end.map_or(rest.len(), |end| at + end)];
            let path: Module = path.split("::").filter(|name| !name.is_empty()).map(str::to_string).collect();
            if !inside {
                file.named.extend(from_root(&path, module, &file.parts));
            }
        }
    }
    file
}

/// Without tests, comments and what stands in quotes.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let before_module = |next: &&str| next.trim_start_matches("pub(crate) ").starts_with("mod ");
        if line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(before_module) {
            // Tests end a file, unless they are a file of their own.
            if lines.next().is_some_and(|module| module.ends_with(';')) {
                continue;
            }
            break;
        }
        let line = line.split("//").next().unwrap_or_default();
        code.push_str(&line.split('"').step_by(2).collect::<Vec<_>>().join("\"\""));
        code.push('\n');
    }
    code
}

/// The modules that a file declares as files.
fn declared(code: &str) -> Vec<String> {
    let declaration = |line: &str| {
        let (visibility, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
        (visibility.is_empty() || visibility.starts_with("pub")).then(|| name.to_string())
    };
    code.lines().filter_map(declaration).collect()
}

/// A path that a file names, from the root on; none where it leads out of the crate.
fn from_root(path: &[String], module: &Module, parts: &[String]) -> Option<Module> {
    let first = path.first()?;
    match first.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            let around = &module[..module.len().saturating_sub(up)];
            Some([around, &path[up..]].concat())
        }
        _ if parts.contains(first) => Some([module.as_slice(), path].concat()),
        _ => None,
    }
}

/// The paths of a `use` with the names that they have here: `a::{b, c::d as e}` is `a::b` as `b` and `a::c::d` as `e`.
fn tree(text: &str) -> Vec<(Module, String)> {
    let text = text.trim();
    let Some((prefix, rest)) = text.split_once('{') else {
        let (path, name) = text.split_once(" as ").map_or((text, None), |(path, name)| (path, Some(name)));
        let path: Module = path.split("::").map(|name| name.trim().to_string()).collect();
        let own = path.last().cloned().unwrap_or_default();
        return vec![(path, name.map_or(own, |name| name.trim().to_string()))];
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut branches, mut depth) = (vec![String::new()], 0);
    for c in inside.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match branches.last_mut() {
            Some(branch) if c != ',' || depth > 0 => branch.push(c),
            _ => branches.push(String::new()),
        }
    }
    let prefix: Module =
        prefix.split("::").map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect();
    let mut paths = Vec::new();
    for (path, name) in branches.iter().filter(|branch| !branch.trim().is_empty()).flat_map(|branch| tree(branch)) {
        let of_prefix = path.len() == 1 && path[0] == "self";
        let name = if of_prefix && name == "self" { prefix.last().cloned().unwrap_or_default() } else { name };
        let path = if of_prefix { prefix.clone() } else { [prefix.as_slice(), &path].concat() };
        paths.push((path, name));
    }
    paths
}
