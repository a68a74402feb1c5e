//! What is odd about a set of pairs, and how it meets a model's limits.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::{find_model, notes_of};
use crate::reading::{pairs_of, tell_plain_text, tell_refused};
use chat::{Limits, Tokenizer};
use model::BaseDtype;
use prefs::Refused;
use prefs::checks::{self, Checks};
use prefs::reader::Choices;
use serde::Serialize;
use std::path::PathBuf;
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
    /// What of the pairs is read otherwise than it looks, as sentences without a full stop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<String>,
}

/// Checks pairs.
///
/// # Errors
/// When a file or the model's tokenizer cannot be read.
pub fn check(request: &CheckRequest, context: &mut Context) -> Result<CheckReply> {
    let request = &CheckRequest {
        pairs: hub_paths::data(&request.pairs, context)?,
        eval: request.eval.as_deref().map(|eval| hub_paths::data(eval, context)).transpose()?,
        ..request.clone()
    };
    let (pairs, refused) = pairs_of(&request.pairs, Some(&request.choices), context)?;
    let mut eval = None;
    if let Some(path) = &request.eval {
        let (pairs, refused) = pairs_of(path, Some(&request.choices), context)?;
        tell_refused(path, &refused, context);
        eval = Some(pairs);
    }
    let (mut tokens, mut broken_boundary, mut odd) = (None, None, Vec::new());
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
        tell_plain_text(&request.pairs, set.counts.plain_text, &set.odd.rendered, "pairs", &tokenizer, context);
        odd = set.odd.sentences(&tokenizer);
        (tokens, broken_boundary) = (Some(set.counts), set.broken_boundary);
    }
    Ok(CheckReply { checks: checks::check(&pairs, eval.as_deref()), refused, tokens, broken_boundary, odd })
}
