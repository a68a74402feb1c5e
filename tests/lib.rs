//! What the end-to-end tests share: the built program as a black box, and the repository as data.

mod imports;
mod program;
mod repository;

pub use imports::circle;
pub use program::{Finished, Settings, copy_files, golden, golden_families, golden_pairs, tiebreak, told_as_json};
pub use repository::{Package, code_files, metadata, packages, root};
