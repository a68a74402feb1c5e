//! What is odd about a set of pairs, and how it meets a model's limits; and the set without what was found.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hub_paths;
use crate::open::{find_model, notes_of};
use crate::reading::{PairFile, pairs_of, tell_plain_text, tell_refused};
use crate::token_checks::{self, LengthBin, TokenChecks};
use chat::{Limits, Tokenizer, Truncation};
use model::BaseDtype;
use prefs::checks::{self, Code, Finding, Mean, Severity, Share};
use prefs::reader::Choices;
use prefs::{Pair, Place, Refused, jsonl};
use serde::Serialize;
use std::path::{Path, PathBuf};
use train::cuts::Cuts;
use train::data;
use train::events::Counts;

/// Lines of a finding that are listed one by one; how many there are is always told.
const MOST_LINES: usize = 10_000;

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
    /// Findings whose pairs are to be left out, and the file that the other pairs are written to.
    pub leave_out: Option<(Vec<Code>, PathBuf)>,
}

/// The findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReply {
    /// Findings on the pairs themselves.
    pub checks: CheckedPairs,
    /// Rows that are no pair.
    pub refused: Vec<Refused>,
    /// What the limits cut or drop, where a model was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Counts>,
    /// The lines of those pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuts: Option<Cuts>,
    /// The same in words, as sentences without a full stop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits_say: Vec<String>,
    /// How long the pairs are in tokens, where a model was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<LengthBin>,
    /// The end of a prompt that the template renders differently before an answer, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_boundary: Option<String>,
    /// What of the pairs is read otherwise than it looks, as sentences without a full stop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<String>,
    /// What was left out, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// What the checks say of a file: [`checks::Checks`] by line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct CheckedPairs {
    pub pairs: usize,
    /// Different ones, after folding case and white space.
    pub prompts: usize,
    /// Pairs of messages.
    pub conversational: usize,
    /// How often the chosen answer is the longer one, in characters.
    pub chosen_longer: Share,
    /// How many characters longer it is.
    pub length_difference: Mean,
    /// The worst first.
    pub findings: Vec<CheckedFinding>,
}

/// One kind of oddity, and the lines that show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckedFinding {
    /// Which check found it.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What, how many, and what it means for training.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// How many pairs; 0 where it is about all of them together.
    pub count: usize,
    /// Their lines in the file, from 1: the first 10,000.
    pub lines: Vec<usize>,
    /// Their numbers in the file, from 1, where its lines do not tell rows apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
    /// Lines of the held-out file that have to do with it: the first 10,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub eval_lines: Vec<usize>,
    /// The same by their numbers, as `rows`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub eval_rows: Vec<usize>,
    /// What was found in the first of them.
    pub shown: Vec<ShownLine>,
}

/// What was found in a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownLine {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The line of a pair that it is like, or that it contradicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_line: Option<usize>,
    /// The number of that pair's row, where lines do not tell rows apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_row: Option<usize>,
    /// Jaccard's index of the two, or of its two answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jaccard: Option<f64>,
    /// What it is, in a word or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Pairs that were left out, and where the others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The file with the others.
    pub output: PathBuf,
    /// How many these are.
    pub written: usize,
    /// How many were left out; one that two findings name counts once.
    pub left_out: usize,
    /// Of each finding how many.
    pub by_finding: Vec<LeftOutBy>,
}

/// Pairs that were left out for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct LeftOutBy {
    pub code: Code,
    pub pairs: usize,
}

/// Checks pairs and, where asked, writes them without those of some findings.
///
/// # Errors
/// When a file or the model's tokenizer cannot be read, or what is to be left out is not of single pairs, leaves nothing, or
/// the file for the others is there already.
pub fn check(request: &CheckRequest, context: &mut Context) -> Result<CheckReply> {
    let request = &CheckRequest {
        pairs: hub_paths::data(&request.pairs, context)?,
        eval: request.eval.as_deref().map(|eval| hub_paths::data(eval, context)).transpose()?,
        ..request.clone()
    };
    if let Some((codes, output)) = &request.leave_out {
        can_be_left_out(codes, request)?;
        is_new(output)?;
    }
    let read = pairs_of(&request.pairs, Some(&request.choices), context)?;
    let (mut eval_places, mut eval) = (Vec::new(), None);
    if let Some(path) = &request.eval {
        let PairFile { places, pairs, refused } = pairs_of(path, Some(&request.choices), context)?;
        tell_refused(path, &refused, context);
        (eval_places, eval) = (places, Some(pairs));
    }
    let (mut tokens, mut cuts, mut limits_say) = (None, None, Vec::new());
    let (mut lengths, mut broken_boundary, mut odd) = (Vec::new(), None, Vec::new());
    let mut of_tokens = TokenChecks::default();
    if let Some(model) = &request.model {
        let model = find_model(model, context)?;
        let tokenizer = Tokenizer::open(&model)?;
        match notes_of(&model, &tokenizer, BaseDtype::Auto) {
            Ok(notes) => notes.into_iter().for_each(|note| context.note(note)),
            // Pairs can be checked all the same.
            Err(error) => context.note(format!("the model itself cannot be used: {error}")),
        }
        // What would be refused is found like anything else.
        let refuses = request.limits.truncation == Truncation::Refuse;
        let limits =
            Limits { truncation: if refuses { Truncation::Drop } else { request.limits.truncation }, ..request.limits };
        let input = read.input(&request.pairs);
        let set = data::encode(input, &tokenizer, &limits, data::Identical::Keep, &mut |_| Ok(true))?;
        let set = set.ok_or_else(Error::cancelled)?;
        tell_plain_text(&request.pairs, set.counts.plain_text, &set.odd.rendered, "pairs", &tokenizer, context);
        for (row, (pair, length)) in read.pairs.iter().zip(&set.lengths).enumerate() {
            let is_broken = set.broken_boundaries.binary_search(&row).is_ok();
            of_tokens.look_at(row, pair, length, is_broken, &tokenizer, &request.limits);
        }
        lengths = token_checks::histogram(&set.lengths);
        odd = set.odd.sentences(&tokenizer);
        limits_say = match set.cuts.refuse(&request.limits, &request.pairs, read.pairs.len(), input.counted()) {
            Ok(()) => set.cuts.sentences(&limits, input.counted()),
            Err(error) => vec![format!("training is refused: {error}")],
        };
        (tokens, cuts, broken_boundary) = (Some(set.counts), Some(set.cuts), set.broken_boundary);
    }
    let mut found = checks::check(&read.pairs, eval.as_deref());
    found.findings.extend(of_tokens.findings());
    found.findings.sort_by_key(|finding| finding.severity);
    let PairFile { places, pairs, refused } = read;
    let left_out = match &request.leave_out {
        Some((codes, output)) => Some(leave_out(codes, output, pairs, &found.findings)?),
        None => None,
    };
    let findings = found.findings.into_iter().map(|finding| by_place(finding, &places, &eval_places)).collect();
    let checks::Checks { pairs, prompts, conversational, chosen_longer, length_difference, .. } = found;
    let checks = CheckedPairs { pairs, prompts, conversational, chosen_longer, length_difference, findings };
    Ok(CheckReply { checks, refused, tokens, cuts, limits_say, lengths, broken_boundary, odd, left_out })
}

fn by_place(finding: Finding, places: &[Place], eval_places: &[Place]) -> CheckedFinding {
    let Finding { code, severity, message, remedy, rows, eval_rows, shown } = finding;
    let lines = |found: &[usize], places: &[Place]| {
        found.iter().take(MOST_LINES).map(|&at| places[at].line).collect::<Vec<_>>()
    };
    let numbers = |found: &[usize], places: &[Place]| {
        found.iter().take(MOST_LINES).filter_map(|&at| places[at].row).collect::<Vec<_>>()
    };
    CheckedFinding {
        code,
        severity,
        message,
        remedy,
        count: rows.len(),
        lines: lines(&rows, places),
        rows: numbers(&rows, places),
        eval_lines: lines(&eval_rows, eval_places),
        eval_rows: numbers(&eval_rows, eval_places),
        shown: shown
            .into_iter()
            .map(|shown| ShownLine {
                place: places[shown.row],
                other_line: shown.other.map(|row| places[row].line),
                other_row: shown.other.and_then(|row| places[row].row),
                jaccard: shown.jaccard,
                note: shown.note,
            })
            .collect(),
    }
}

/// Refuses findings that no pair can be left out for, and those that nothing was given to find by.
fn can_be_left_out(codes: &[Code], request: &CheckRequest) -> Result<()> {
    for code in codes {
        let name = code.name();
        let refuse =
            |why: &str, hint: &str| Err(Error::new("leave_out", format!("{name} cannot be left out: {why}"), hint));
        match code {
            Code::NoPairs | Code::PlainText | Code::LengthBias => {
                return refuse("it is about all pairs together", "Leave it out of --leave-out.");
            }
            Code::CutOneSide | Code::BrokenBoundary | Code::SpecialTokens if request.model.is_none() => {
                return refuse("it takes a model to find it", "Name the model with --model.");
            }
            Code::PromptLeak | Code::NearPromptLeak if request.eval.is_none() => {
                return refuse("it takes held-out pairs to find it", "Name their file with --eval.");
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_new(output: &Path) -> Result<()> {
    if output.exists() {
        let message = format!("{} is there already", output.display());
        return Err(Error::new("exists", message, "Name another file with --output, or move this one away."));
    }
    Ok(())
}

/// Writes the pairs that none of these findings names.
fn leave_out(codes: &[Code], output: &Path, pairs: Vec<Pair>, findings: &[Finding]) -> Result<LeftOut> {
    let mut out = vec![false; pairs.len()];
    let mut by_finding: Vec<LeftOutBy> = Vec::new();
    for &code in codes {
        let found = findings.iter().find(|finding| finding.code == code);
        let rows: &[usize] = found.map_or(&[], |finding| &finding.rows);
        for &row in rows {
            out[row] = true;
        }
        if by_finding.iter().all(|by| by.code != code) {
            by_finding.push(LeftOutBy { code, pairs: rows.len() });
        }
    }
    let all = pairs.len();
    let kept: Vec<Pair> = pairs.into_iter().zip(&out).filter(|(_, out)| !**out).map(|(pair, _)| pair).collect();
    if kept.is_empty() {
        let message = format!("all {all} pairs would be left out, and nothing was written");
        return Err(Error::new("nothing_left", message, "Leave fewer findings out."));
    }
    jsonl::write_pairs(output, &kept)?;
    Ok(LeftOut { output: output.to_path_buf(), written: kept.len(), left_out: all - kept.len(), by_finding })
}
