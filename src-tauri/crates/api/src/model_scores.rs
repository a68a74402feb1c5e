//! Pairs scored by a model that need be no run's: a base alone, or one with an adapter on it. What is computed is what
//! `tiebreak score` computes; it is kept with the pairs as they were, in a folder of the project.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::write_whole;
use crate::open::Opened;
use crate::score::{PairLogps, logps};
use chat::Limits;
use numbers::{interval, percent};
use prefs::checks::Share;
use prefs::store::SourcedPair;
use prefs::{Pair, words};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use train::base::Base;
use train::data::{self, Dataset, Identical, Input};
use train::losses::{log_sigmoid, sigmoid};
use train::origin::{FileDigests, adapter_digests};

/// In the folder of such scores.
pub(crate) const FILE: &str = "scores.jsonl";

/// What was scored by what: the first line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// When, in milliseconds since 1970 (UTC).
    pub(crate) at: u64,
    /// What the model is called.
    pub(crate) title: String,
    /// The model as it was named.
    pub(crate) model: String,
    pub(crate) base: Base,
    pub(crate) adapter: Option<Adapter>,
    /// The set that the pairs are of; all that are trained on where absent.
    pub(crate) set: Option<String>,
    /// What rewards are scaled by.
    pub(crate) beta: f64,
    /// What of the pairs was cut or left out, and what else is to be known, as sentences without a full stop.
    pub(crate) says: Vec<String>,
    /// How many pairs were scored: as many lines follow.
    pub(crate) pairs: usize,
}

/// An adapter as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adapter {
    pub(crate) path: PathBuf,
    pub(crate) files: FileDigests,
}

/// A pair with its scores: a line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its place among the pairs that were asked for, from 1.
    pub(crate) line: usize,
    /// The project's number for it.
    pub(crate) id: i64,
    #[serde(flatten)]
    pub(crate) logps: PairLogps,
    pub(crate) pair: Pair,
}

/// Scores with what they are of.
pub(crate) struct ModelScores {
    pub(crate) about: About,
    pub(crate) lines: Vec<Row>,
}

/// What is asked for, beside the model.
pub(crate) struct Asked<'a> {
    pub(crate) title: String,
    /// The model as it was named, and the adapter's folder.
    pub(crate) model: (&'a str, Option<&'a Path>),
    pub(crate) pairs: Vec<SourcedPair>,
    pub(crate) set: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) beta: f64,
    pub(crate) at: u64,
}

/// Scores pairs by an opened model, which has the adapter on it.
///
/// # Errors
/// When a pair cannot be encoded, no pair is left, a result is not finite, or the work is stopped.
pub(crate) fn score(asked: Asked<'_>, opened: &Opened, context: &mut Context) -> Result<ModelScores> {
    let Asked { title, model: (model, adapter), pairs, set, limits, beta, at } = asked;
    let base = opened.base(context)?;
    let path = PathBuf::from("the project");
    let (ids, texts): (Vec<i64>, Vec<Pair>) = pairs.into_iter().map(|sourced| (sourced.id, sourced.pair)).unzip();
    let input = Input::of(&path, &texts);
    let encoded =
        data::encode(input, &opened.tokenizer, &limits, Identical::LeaveOut, &mut |_| Ok(!context.stopped()))?;
    let Some(Dataset { examples, counts, cuts, odd, .. }) = encoded else { return Err(Error::cancelled()) };
    let mut says = cuts.sentences(&limits, input.counted());
    if counts.identical > 0 {
        says.push(format!("of {} both answers are the same tokens: left out", words::pairs(counts.identical)));
    }
    says.extend(odd.sentences(&opened.tokenizer));
    says.extend(opened.other_base.clone());
    if examples.is_empty() {
        let message = format!("none of {} can be scored: {}", words::pairs(texts.len()), says.join("; "));
        return Err(Error::new("no_pairs", message, "Take other pairs, or a model with room for longer ones."));
    }
    let scores = logps(opened, &examples, &|row| format!("pair {}", row + 1), context)?;
    let adapter = adapter
        .map(|path| Ok::<_, Error>(Adapter { path: path.to_path_buf(), files: adapter_digests(path)? }))
        .transpose()?;
    let lines: Vec<Row> = examples
        .iter()
        .zip(scores)
        .map(|(example, logps)| Row {
            line: example.row + 1,
            id: ids[example.row],
            logps,
            pair: texts[example.row].clone(),
        })
        .collect();
    let about = About { at, title, model: model.to_owned(), base, adapter, set, beta, says, pairs: lines.len() };
    Ok(ModelScores { about, lines })
}

/// What stands for a pair in a list: of an adapter its rewards by the reference, of a model alone, which is no other than its
/// reference, the log-probability of each answer per token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) chosen: f64,
    pub(crate) rejected: f64,
    /// How likely the chosen answer is the better one by the rewards; none where there are no rewards.
    pub(crate) probability: Option<f64>,
    /// DPO's loss of the pair, where there are rewards.
    pub(crate) loss: Option<f64>,
}

impl Measured {
    pub(crate) fn margin(&self) -> f64 {
        self.chosen - self.rejected
    }
}

impl ModelScores {
    pub(crate) fn measured(&self, line: &Row) -> Measured {
        let logps = &line.logps;
        if self.about.adapter.is_none() {
            let per_token = |logps: f64, tokens: usize| logps / tokens.max(1) as f64;
            let chosen = per_token(logps.chosen_logps, logps.chosen_tokens);
            let rejected = per_token(logps.rejected_logps, logps.rejected_tokens);
            return Measured { chosen, rejected, probability: None, loss: None };
        }
        let beta = self.about.beta;
        let chosen = beta * (logps.chosen_logps - logps.reference_chosen_logps);
        let rejected = beta * (logps.rejected_logps - logps.reference_rejected_logps);
        let probability = sigmoid(chosen - rejected);
        Measured { chosen, rejected, probability: Some(probability), loss: Some(-log_sigmoid(chosen - rejected)) }
    }

    /// What the model makes of all of them, as a sentence without a full stop.
    pub(crate) fn words(&self) -> String {
        let About { title, adapter, beta, says, .. } = &self.about;
        let of = self.lines.len();
        let share = |is: &dyn Fn(&Row) -> bool| {
            let Share { count, share, interval: [low, high], .. } =
                Share::new(self.lines.iter().filter(|line| is(line)).count(), of);
            format!("{} ({}, 95 % interval {})", numbers::count(count), percent(share), interval(low, high))
        };
        let against = share(&|line| self.measured(line).margin() < 0.0);
        let words = if adapter.is_some() {
            format!(
                "{} scored by {title}: of {against} it prefers the rejected answer, by rewards at beta {beta}",
                words::pairs(of)
            )
        } else {
            let whole = share(&|line| line.logps.chosen_logps < line.logps.rejected_logps);
            format!(
                "{} scored by {title} alone, which has no rewards: of {against} it finds the rejected answer likelier per \
                 token, of {whole} likelier as a whole, which favours short answers",
                words::pairs(of)
            )
        };
        std::iter::once(words).chain(says.iter().cloned()).collect::<Vec<_>>().join("; ")
    }

    /// # Errors
    /// When the file cannot be read, or is not whole.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
        let damaged = || {
            let message = format!("{} does not hold scores that can be read", path.display());
            Error::new("damaged", message, "Delete these scores and score the pairs again.")
        };
        let mut lines = text.lines();
        let about: About = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(damaged)?;
        let lines: Option<Vec<Row>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
        let lines = lines.filter(|lines| lines.len() == about.pairs).ok_or_else(damaged)?;
        Ok(Self { about, lines })
    }

    /// What they are of, without the pairs.
    ///
    /// # Errors
    /// As [`ModelScores::read`].
    pub(crate) fn about(folder: &Path) -> Result<About> {
        use std::io::BufRead;
        let path = folder.join(FILE);
        let file = std::fs::File::open(&path).map_err(Error::file(&path))?;
        let mut first = String::new();
        std::io::BufReader::new(file).read_line(&mut first).map_err(Error::file(&path))?;
        serde_json::from_str(&first).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            Error::new("damaged", message, "Delete these scores and score the pairs again.")
        })
    }

    /// Writes them whole or not at all.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let bad = |error: serde_json::Error| {
            Error::new("json", format!("{}: {error}", path.display()), "Report this as a fault.")
        };
        let mut text = serde_json::to_string(&self.about).map_err(bad)?;
        for line in &self.lines {
            text.push('\n');
            text.push_str(&serde_json::to_string(line).map_err(bad)?);
        }
        text.push('\n');
        write_whole(&path, text.as_bytes())
    }
}
