//! The page's types, written from ours: `ui/src/client/bindings.ts`.
//!
//! `TIEBREAK_WRITE_BINDINGS=1 cargo test -p api bindings` writes the file anew; without the variable the same test fails
//! where the file is not what would be written.

use super::operations;
use super::types::{News, Upload};
use crate::error::Error;
use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::Path;
use ts_rs::{Config, TS, TypeVisitor};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../ui/src/client/bindings.ts");
const DEFAULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../ui/src/screens/train/defaults.fixture.ts");

/// What has been written so far.
pub(super) struct Bindings {
    config: Config,
    seen: HashSet<TypeId>,
    declarations: BTreeMap<String, String>,
    operations: String,
}

impl Bindings {
    pub(super) fn operation<Q: TS + 'static, A: TS + 'static>(&mut self, name: &str) {
        self.visit::<Q>();
        self.visit::<A>();
        let _ = writeln!(self.operations, "  {name}: [{}, {}];", Q::name(&self.config), A::name(&self.config));
    }
}

impl TypeVisitor for Bindings {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        if T::output_path().is_some() {
            let about = T::docs().unwrap_or_default();
            let declaration = format!("{about}export {}\n", T::decl(&self.config));
            let other = self.declarations.insert(T::ident(&self.config), declaration);
            assert!(other.is_none(), "two types have the name {}", T::ident(&self.config));
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn typescript() -> String {
    let mut bindings = Bindings {
        // Nothing here counts further than 2^53.
        config: Config::new().with_large_int("number"),
        seen: HashSet::new(),
        declarations: BTreeMap::new(),
        operations: String::new(),
    };
    bindings.visit::<Error>();
    bindings.visit::<News>();
    bindings.visit::<Upload>();
    operations::describe(&mut bindings);
    let declarations: Vec<String> = bindings.declarations.values().map(|text| tidy(text)).collect();
    format!(
        "// Written by `TIEBREAK_WRITE_BINDINGS=1 cargo test -p api bindings` from the types of crate `api`: do not edit.\n\n\
         {}\n// Operations by name: what each takes and gives.\nexport interface Operations {{\n{}}}\n",
        declarations.join("\n"),
        bindings.operations
    )
}

/// As one would write it: a comment of one line on one line, no spaces at the end of any, fields indented.
fn tidy(declaration: &str) -> String {
    let lines: Vec<&str> = declaration.lines().map(str::trim_end).collect();
    let mut tidied = String::new();
    let (mut at, mut inside) = (0, false);
    while let Some(&line) = lines.get(at) {
        let indent = if inside && !line.starts_with("export") { "  " } else { "" };
        if let Some(["/**", text, " */"]) = lines.get(at..at + 3) {
            let _ = writeln!(tidied, "{indent}/** {} */", text.trim_start_matches(" * "));
            at += 3;
        } else {
            let _ = writeln!(tidied, "{indent}{line}");
            at += 1;
        }
        inside |= line.starts_with("export");
    }
    tidied
}

/// The default settings of a run, for tests of the page.
fn defaults() -> String {
    let settings = serde_json::to_string_pretty(&train::Settings::default()).unwrap();
    format!(
        "// Written with `bindings.ts` from `train::Settings::default()`, for tests: do not edit.\n\
         import type {{ Settings }} from \"../../client/bindings\";\n\nexport const DEFAULTS: Settings = {settings};\n"
    )
}

#[test]
fn the_page_has_the_types_of_the_back_end() {
    the_page_has(FILE, typescript());
}

#[test]
fn the_pages_tests_have_the_default_settings() {
    the_page_has(DEFAULTS, defaults());
}

/// Fails where the committed file is not what would be written, or writes it where that is asked for.
fn the_page_has(file: &str, text: String) {
    let path = Path::new(file);
    if std::env::var_os("TIEBREAK_WRITE_BINDINGS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == text, "{file} is stale: run `TIEBREAK_WRITE_BINDINGS=1 cargo test -p api bindings`");
}
