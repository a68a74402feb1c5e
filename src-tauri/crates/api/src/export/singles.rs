//! The single answers of a project as JSON Lines in TRL's forms.

use super::Exported;
use crate::error::Result;
use prefs::export;
use prefs::store::{Project, SingleKind};
use std::path::{Path, PathBuf};

/// Single answers that were written.
pub(crate) struct WrittenSingles {
    pub(crate) kind: SingleKind,
    pub(crate) count: usize,
    pub(crate) path: PathBuf,
}

impl WrittenSingles {
    /// `single labels` or `demonstrations`.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            SingleKind::Labels => "single labels",
            SingleKind::Demonstrations => "demonstrations",
        }
    }

    /// The name of their file without its ending, under which `datasets` loads them.
    pub(crate) fn name(&self) -> &'static str {
        name_of(self.kind)
    }
}

fn name_of(kind: SingleKind) -> &'static str {
    match kind {
        SingleKind::Labels => "single_labels",
        SingleKind::Demonstrations => "demonstrations",
    }
}

/// Writes single labels (`prompt`, `completion` and `label`) and demonstrations (`prompt` and `completion`), each into a file of its
/// own where there are any.
///
/// # Errors
/// When the project cannot be read or the folder cannot be written.
pub(crate) fn write_singles(project: &Project, folder: &Path) -> Result<Vec<WrittenSingles>> {
    let mut written = Vec::new();
    for kind in [SingleKind::Labels, SingleKind::Demonstrations] {
        let singles = project.singles(kind)?;
        if !singles.is_empty() {
            let path = folder.join(format!("{}.jsonl", name_of(kind)));
            export::write_singles(&path, &singles)?;
            written.push(WrittenSingles { kind, count: singles.len(), path });
        }
    }
    Ok(written)
}

impl From<WrittenSingles> for Exported {
    fn from(written: WrittenSingles) -> Self {
        let path = written.path.display().to_string();
        let kind = if written.kind == SingleKind::Demonstrations { " --kind demonstrations" } else { "" };
        Self {
            what: written.what().into(),
            load: format!(
                "{} rows. Python: datasets.load_dataset(\"json\", data_files={path:?}); here: tiebreak import {path:?} --project PROJECT{kind}",
                written.count
            ),
            path: written.path,
            check: None,
            other_base: None,
        }
    }
}
