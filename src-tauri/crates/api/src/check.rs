//! What is odd about a set of pairs, and how it meets a model's limits.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::import::nothing_in;
use crate::open::{find_model, notes_of};
use chat::{Limits, Tokenizer};
use model::BaseDtype;
use prefs::checks::{self, Checks};
use prefs::reader::{self, Choices, Read};
use prefs::{Pair, Refused};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use train::data;
use train::events::Counts;

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// Pairs to train on.
    pub pairs: PathBuf,
    /// Held-out pairs.
    pub eval: Option<PathBuf>,
    /// What is said about how both are read.
    pub choices: Choices,
    /// A model whose tokenizer and template are to be tried on them.
    pub model: Option<PathBuf>,
    /// Limits on tokens.
    pub limits: Limits,
}

/// The findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReply {
    /// Findings on the pairs themselves.
    pub checks: Checks,
    /// Rows that are no pair.
    pub refused: Vec<Refused>,
    /// What the limits cut or drop, where a model was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Counts>,
    /// The end of a prompt that the template renders differently before an answer, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_boundary: Option<String>,
    /// What pairs give the chat template and it does not read, with the number of pairs that do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, usize>,
}

/// Checks pairs.
///
/// # Errors
/// When a file or the model's tokenizer cannot be read.
pub fn check(request: &CheckRequest, context: &mut Context) -> Result<CheckReply> {
    let (pairs, refused) = pairs_of(&request.pairs, &request.choices, context)?;
    let eval = match &request.eval {
        Some(path) => Some(pairs_of(path, &request.choices, context)?.0),
        None => None,
    };
    let (mut tokens, mut broken_boundary, mut unread) = (None, None, BTreeMap::new());
    if let Some(model) = &request.model {
        let model = find_model(model, context)?;
        let tokenizer = Tokenizer::open(&model)?;
        match notes_of(&model, &tokenizer, BaseDtype::Auto) {
            Ok(notes) => notes.into_iter().for_each(|note| context.note(note)),
            // Pairs can be checked all the same.
            Err(error) => context.note(format!("the model itself cannot be used: {error}")),
        }
        let set = data::encode(
            &request.pairs,
            &pairs,
            refused.len(),
            &tokenizer,
            &request.limits,
            data::Identical::Keep,
            &mut |_| Ok(true),
        )?;
        let set = set.ok_or_else(Error::cancelled)?;
        if set.counts.plain_text > 0 && tokenizer.has_template() {
            context.note(plain_text(&request.pairs, set.counts.plain_text, "pairs"));
        }
        (tokens, broken_boundary, unread) = (Some(set.counts), set.broken_boundary, set.unread);
    }
    Ok(CheckReply { checks: checks::check(&pairs, eval.as_deref()), refused, tokens, broken_boundary, unread })
}

/// Reads a file of pairs, and tells how, what was left out, and of each row that was refused.
///
/// # Errors
/// When the file cannot be read, or none of its rows can be taken.
pub(crate) fn pairs_of(path: &Path, choices: &Choices, context: &mut Context) -> Result<(Vec<Pair>, Vec<Refused>)> {
    let read = reader::read_pairs(path, choices)?;
    tell(path, &read, context)?;
    let refused = read.mapped.refused.clone();
    Ok((read.into_pairs(), refused))
}

/// Tells how a file was read and what of it was left out.
///
/// # Errors
/// When none of its rows could be taken.
pub(crate) fn tell(path: &Path, read: &Read, context: &mut Context) -> Result<()> {
    let refused = &read.mapped.refused;
    if read.mapped.rows.is_empty()
        && let Some(first) = refused.first()
    {
        return Err(nothing_in(path, refused.len(), first));
    }
    context.note(format!("{} was read as {}", path.display(), read.how));
    for notice in &read.notices {
        context.note(format!("{}: {notice}", path.display()));
    }
    Ok(())
}

/// That plain text does not pass through the chat template that the model has.
pub(crate) fn plain_text(path: &Path, count: usize, what: &str) -> String {
    format!(
        "{}: {count} {what} are plain text and stand as they are: the model's chat template is not applied to them. To have \
         it applied, say --map plain_text=as_user_message",
        path.display()
    )
}
