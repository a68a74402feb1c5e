//! Answers that another evaluation of the project has already: they are taken from there instead of being generated again.
//!
//! Answers are made a batch at a time. For each batch stands a digest beside them of all that they follow from: model and adapter
//! by their files, what they compute in and on, how tokens are chosen, and the tokens of every prompt of the batch, in their
//! order. Where it is the same, the same answers would come again, byte for byte. One prompt that differs makes its whole batch
//! anew: what stands beside a prompt may change the last bits of its numbers.

use crate::error::{Error, Result};
use crate::open::Opened;
use crate::report::machine;
use crate::window::EVALS;
use eval::answers::{Answer, Side};
use eval::evaluation::{Contents, SideOrigin};
use generate::Sampling;
use prefs::store::DATABASE;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file of an evaluation's folder, only ever appended: one line for each batch that is there whole.
const FILE: &str = "batches.jsonl";

/// Answers of a side that were made, or taken, together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Batch {
    side: Side,
    /// The place of the first prompt, and how many there are.
    first: usize,
    count: usize,
    /// A digest of all that the answers follow from.
    key: String,
    /// A digest of the answers.
    answers: String,
    /// The evaluation that they were taken from: its folder's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// A digest of all that the answers to some prompts follow from; nothing where the model is not known by its files.
pub(crate) fn key(origin: &SideOrigin, opened: &Opened, prompts: &[Vec<u32>], sampling: &Sampling) -> Option<String> {
    let model = origin.model_sha256.as_ref()?;
    let decoder = &opened.decoder;
    let computes = (decoder.base_dtype().to_string(), decoder.products().to_string());
    // The same numbers come again on the same machine alone.
    let on = (machine(), format!("{:?}", decoder.device().location()), std::env::var("TIEBREAK_KERNELS").ok());
    let version = env!("CARGO_PKG_VERSION");
    let files = (model, &origin.model_files, &origin.adapter_files);
    digest(&(version, files, computes, on, sampling, opened.tokenizer.stop_ids(), prompts))
}

fn digest(told: &impl Serialize) -> Option<String> {
    Some(format!("{:x}", Sha256::digest(serde_json::to_vec(told).ok()?)))
}

fn of_answers(answers: &[Answer]) -> Option<String> {
    let said: Vec<_> = answers.iter().map(|answer| (&answer.text, answer.tokens, answer.truncated)).collect();
    digest(&said)
}

/// The batches that other evaluations of a project have, with the folders of these.
pub(crate) struct Known {
    batches: Vec<(PathBuf, Batch)>,
}

impl Known {
    /// Beside the evaluation in a folder; none where it is no evaluation of a project.
    pub(crate) fn beside(evaluation: &Path) -> Self {
        let own = evaluation.canonicalize().ok();
        let evals = own.as_deref().and_then(Path::parent).filter(|parent| parent.ends_with(EVALS));
        let evals = evals.filter(|evals| evals.parent().is_some_and(|project| project.join(DATABASE).is_file()));
        let entries = evals.and_then(|evals| fs::read_dir(evals).ok()).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.path()).filter(|path| Some(path) != own.as_ref());
        let of = |folder: PathBuf| read(&folder).into_iter().map(move |batch| (folder.clone(), batch));
        let mut batches: Vec<(PathBuf, Batch)> = others.flat_map(of).collect();
        // Where they were generated comes before where they were taken.
        batches.sort_by(|(a, one), (b, other)| one.from.is_some().cmp(&other.from.is_some()).then_with(|| a.cmp(b)));
        Self { batches }
    }

    /// The answers of a batch, with the name of the evaluation that has them. Those that were changed since are not taken.
    pub(crate) fn answers(&self, key: &str, side: Side, first: usize) -> Option<(String, Vec<Answer>)> {
        self.batches.iter().filter(|(_, batch)| batch.key == key).find_map(|(folder, batch)| {
            let contents = Contents::read(folder).ok().flatten()?;
            let there = (batch.first..batch.first + batch.count).map(|id| contents.answer(id, batch.side).cloned());
            let there = there.collect::<Option<Vec<_>>>()?;
            if of_answers(&there).as_ref() != Some(&batch.answers) {
                return None;
            }
            let answers = there.into_iter().zip(first..).map(|(answer, id)| Answer { id, side, ..answer });
            Some((folder.file_name()?.to_str()?.to_owned(), answers.collect()))
        })
    }
}

/// Notes that a batch of answers is there whole, and where it was taken from.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn note(evaluation: &Path, key: String, answers: &[Answer], from: Option<String>) -> Result<()> {
    let (Some(first), Some(digest)) = (answers.first(), of_answers(answers)) else { return Ok(()) };
    let batch = Batch { side: first.side, first: first.id, count: answers.len(), key, answers: digest, from };
    let path = evaluation.join(FILE);
    let write = || {
        let mut line = serde_json::to_vec(&batch)?;
        // A line that broke off must not take this one with it.
        line.insert(0, b'\n');
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(&line)?;
        file.sync_data()
    };
    write().map_err(Error::file(&path))
}

/// Takes what is known of an evaluation's answers along with them.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn take_along(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join(FILE), to.join(FILE));
    if from.is_file() && !to.exists() {
        crate::evaluate::write_whole(&to, &fs::read(&from).map_err(Error::file(&from))?)?;
    }
    Ok(())
}

/// A line that cannot be read means that its answers are generated again, and no more.
fn read(evaluation: &Path) -> Vec<Batch> {
    let text = fs::read_to_string(evaluation.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Which answers of an evaluation were taken from others, and how many: a sentence for each side and evaluation, without a full
/// stop.
pub(crate) fn told(evaluation: &Path) -> Vec<String> {
    let batches = read(evaluation);
    let Some(contents) = batches.iter().any(|batch| batch.from.is_some()).then(|| Contents::read(evaluation)) else {
        return Vec::new();
    };
    // One that cannot be read is told of elsewhere.
    let Ok(Some(contents)) = contents else { return Vec::new() };
    let (names, prompts) = (contents.setup().ancestry.names(), contents.setup().prompts.len());
    let mut counted: Vec<(Side, &str, usize)> = Vec::new();
    for batch in &batches {
        let Some(from) = &batch.from else { continue };
        match counted.iter_mut().find(|(side, known, _)| *side == batch.side && known == from) {
            Some((.., count)) => *count += batch.count,
            None => counted.push((batch.side, from, batch.count)),
        }
    }
    let sentence = |(side, from, count): (Side, &str, usize)| {
        format!(
            "{count} of the {prompts} answers of {} were taken from the evaluation {from}, in which the same was asked in the \
             same way, and not generated again",
            names.long(side)
        )
    };
    counted.into_iter().map(sentence).collect()
}
