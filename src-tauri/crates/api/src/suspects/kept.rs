//! Scores as a run's folder keeps them: a line of what they depend on, then a line for each pair.

use super::{Scored, ScoredPair};
use crate::error::{Error, Result};
use crate::evaluate::write_whole;
use crate::open::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use train::base::Base;
use train::folder::{EVAL_PAIRS, PAIRS};
use train::origin::FileDigests;

/// Raised where the same files come to other scores than before.
pub(super) const REVISION: u32 = 1;

/// The same of those by parts: at first, these trained on what the run holds out.
pub(super) const REVISION_OF_FOLDS: u32 = 2;

/// In a run's folder.
pub(super) const FOLDER: &str = "pair_scores";

/// What scores depend on: they count while all of it is as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Grounds {
    pub(super) revision: u32,
    pub(super) base: Base,
    /// The run's own adapter, where that scored.
    pub(super) adapter: Option<FileDigests>,
    /// Digest of the run's settings.
    pub(super) settings: String,
    /// Digests of the run's own files of pairs.
    pub(super) rows: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    grounds: Grounds,
    identical: usize,
    too_long: usize,
    pairs: usize,
}

/// Scores with what they depend on.
pub(super) struct Kept {
    pub(super) grounds: Grounds,
    pub(super) scored: Scored,
}

impl Kept {
    /// Those in the run's folder, where there are some that can be read: others are computed anew.
    pub(super) fn read(run: &Path, folds: Option<usize>) -> Result<Option<Self>> {
        let path = path(run, folds);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::file(&path))?,
        };
        let mut lines = text.lines();
        let header = lines.next().and_then(|line| serde_json::from_str::<Header>(line).ok());
        let pairs: Option<Vec<ScoredPair>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
        let (Some(Header { grounds, identical, too_long, pairs: count }), Some(pairs)) = (header, pairs) else {
            return Ok(None);
        };
        Ok((pairs.len() == count).then_some(Self { grounds, scored: Scored { pairs, identical, too_long } }))
    }

    /// Writes them whole or not at all.
    pub(super) fn write(&self, run: &Path, folds: Option<usize>) -> Result<()> {
        let Scored { pairs, identical, too_long } = &self.scored;
        let header =
            Header { grounds: self.grounds.clone(), identical: *identical, too_long: *too_long, pairs: pairs.len() };
        let path = path(run, folds);
        let bad = |error: serde_json::Error| {
            Error::new("json", format!("{}: {error}", path.display()), "Report this as a fault.")
        };
        let mut text = serde_json::to_string(&header).map_err(bad)?;
        for pair in pairs {
            text.push('\n');
            text.push_str(&serde_json::to_string(pair).map_err(bad)?);
        }
        text.push('\n');
        write_whole(&path, text.as_bytes())
    }
}

/// The file of a run's scores.
pub(super) fn path(run: &Path, folds: Option<usize>) -> PathBuf {
    let name = folds.map_or("run.jsonl".to_owned(), |folds| format!("{folds}-folds.jsonl"));
    run.join(FOLDER).join(name)
}

/// Digests of the files of pairs that a run has.
pub(super) fn digests_of_rows(run: &Path) -> Result<BTreeMap<String, String>> {
    let there = [PAIRS, EVAL_PAIRS].into_iter().filter(|name| run.join(name).is_file());
    there.map(|name| Ok((name.to_owned(), sha256(&run.join(name))?))).collect()
}
