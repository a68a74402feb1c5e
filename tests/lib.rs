//! What the end-to-end tests share: the built program as a black box, and the repository as data.

mod program;
mod repository;

pub use program::{Finished, Settings, golden, tiebreak};
pub use repository::{Package, code_files, metadata, packages, root};
