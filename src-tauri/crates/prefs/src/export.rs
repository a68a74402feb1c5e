//! Pairs as they leave a project, each with what belongs to it: where it came from, and what annotators said of it. For
//! training as JSON Lines and Parquet, for further labelling as files of [`argilla`] and of [Label Studio](label_studio).
//!
//! JSON Lines and Parquet have TRL's columns and, beside them, `id`, `origin` (`imported`, `labelled` or `edited`),
//! `import_file`, `import_line`, `import_row`, `votes_chosen`, `votes_rejected`, `votes_tie` and `judgements`; where a file rated
//! answers, also `score_chosen`, `score_rejected` and `margin` (of ranks, of which the lowest is the best, `rank_chosen` and
//! `rank_rejected`), and `held_out` where a file is held out. `datasets` takes the type of a column from the first rows and fails
//! on a later one of another type. Tools and judgements are therefore JSON in a text, which TRL reads for tools, a column that one
//! row has stands in every row, and ratings are never whole numbers. In JSON Lines they may all be absent from its first ten
//! megabytes; Parquet has their type.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jsonl::write_lines;
use crate::mapping::{PairRatings, RatingOrder};
use crate::pair::{CHAT_TEMPLATE_KWARGS, TOOLS};
use crate::store::{ExportedPair, PairVotes};
use crate::{Content, Conversation, Error, Pair, whole};

pub mod argilla;
pub mod label_studio;
pub mod parquet;
pub(crate) mod side_by_side;
mod singles;

pub use singles::write_singles;

/// A form in which pairs leave a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum PairForm {
    Jsonl,
    Parquet,
    /// A data set of Argilla 2.
    Argilla,
    /// Tasks of Label Studio with their labeling configuration.
    LabelStudio,
}

impl PairForm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::Parquet, Self::Argilla, Self::LabelStudio];

    /// Those in which pairs are exported where nothing is said.
    pub const USUAL: [Self; 2] = [Self::Jsonl, Self::Parquet];

    /// By which it is chosen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Argilla => "argilla",
            Self::LabelStudio => "label-studio",
        }
    }
}

/// Writes pairs as JSON Lines; the file appears whole or not at all.
///
/// # Errors
/// When a pair does not [validate](Pair::validate) (nothing is written then), or writing fails.
pub fn write_jsonl(path: &Path, pairs: &[ExportedPair]) -> Result<(), Error> {
    validate(pairs)?;
    let columns = Columns::of_pairs(pairs);
    write_lines(path, pairs.iter().map(|exported| row(exported, &columns)))
}

/// Writes rows as they come, as one JSON array; the file appears whole or not at all.
fn write_array(path: &Path, rows: impl Iterator<Item = serde_json::Result<Value>>) -> Result<(), Error> {
    let write = |file: &mut std::fs::File| {
        let mut file = BufWriter::new(file);
        let mut before: &[u8] = b"[\n";
        for row in rows {
            file.write_all(before)?;
            serde_json::to_writer(&mut file, &row?)?;
            before = b",\n";
        }
        file.write_all(if before == b"[\n" { b"[]\n" } else { b"\n]\n" })?;
        file.flush()
    };
    whole::write_by(path, write).map_err(Error::io("write", path))
}

fn validate(pairs: &[ExportedPair]) -> Result<(), Error> {
    for (index, exported) in pairs.iter().enumerate() {
        exported.sourced.pair.validate().map_err(|reason| Error::InvalidPair { index, reason })?;
    }
    Ok(())
}

/// The columns that only some sets have.
struct Columns {
    category: bool,
    tools: bool,
    held_out: bool,
    ratings: Vec<Rated>,
}

impl Columns {
    fn of_pairs(pairs: &[ExportedPair]) -> Self {
        let prompts =
            pairs.iter().map(|exported| (&exported.sourced.pair.prompt, exported.sourced.pair.category.as_deref()));
        let has =
            |rated: &Rated| pairs.iter().filter_map(|pair| pair.ratings).any(|ratings| rated.of(ratings).is_some());
        let held_out = pairs.iter().any(|pair| pair.held_out);
        Self { ratings: Rated::ALL.into_iter().filter(has).collect(), held_out, ..Self::of(prompts) }
    }

    /// Of rows with these prompts and categories.
    fn of<'a>(rows: impl Iterator<Item = (&'a Content, Option<&'a str>)>) -> Self {
        let mut columns = Self { category: false, tools: false, held_out: false, ratings: Vec::new() };
        for (prompt, category) in rows {
            columns.category |= category.is_some();
            columns.tools |= tools_of(prompt).is_some();
        }
        columns
    }
}

/// What is told of a pair's ratings.
#[derive(Clone, Copy)]
enum Rated {
    ScoreChosen,
    ScoreRejected,
    RankChosen,
    RankRejected,
    Margin,
}

impl Rated {
    const ALL: [Self; 5] = [Self::ScoreChosen, Self::ScoreRejected, Self::RankChosen, Self::RankRejected, Self::Margin];

    const fn column(self) -> &'static str {
        match self {
            Self::ScoreChosen => "score_chosen",
            Self::ScoreRejected => "score_rejected",
            Self::RankChosen => "rank_chosen",
            Self::RankRejected => "rank_rejected",
            Self::Margin => "margin",
        }
    }

    fn of(self, ratings: PairRatings) -> Option<f64> {
        let is_rank = ratings.order == Some(RatingOrder::LowerIsBetter);
        match self {
            Self::ScoreChosen => (!is_rank).then_some(ratings.chosen),
            Self::ScoreRejected => (!is_rank).then_some(ratings.rejected),
            Self::RankChosen => is_rank.then_some(ratings.chosen),
            Self::RankRejected => is_rank.then_some(ratings.rejected),
            Self::Margin => ratings.margin(),
        }
    }
}

/// What is told of the ratings of a pair, by name.
fn ratings(exported: &ExportedPair) -> impl Iterator<Item = (&'static str, f64)> {
    let ratings = exported.ratings;
    Rated::ALL.into_iter().filter_map(move |rated| Some((rated.column(), rated.of(ratings?)?)))
}

fn row(exported: &ExportedPair, columns: &Columns) -> serde_json::Result<Map<String, Value>> {
    let ExportedPair { sourced, import_file, import_line, import_row, ratings, held_out, judgements } = exported;
    let Pair { prompt, chosen, rejected, category } = &sourced.pair;
    let mut row = Map::new();
    let mut add = |name: &str, value: Value| row.insert(name.to_owned(), value);
    for (name, content) in [("prompt", prompt), ("chosen", chosen), ("rejected", rejected)] {
        add(name, said(content)?);
    }
    add_beside(&mut row, prompt, category.as_deref(), columns)?;
    let mut add = |name: &str, value: Value| row.insert(name.to_owned(), value);
    add("id", sourced.id.into());
    add("origin", sourced.source.name().into());
    add("import_file", serde_json::to_value(import_file)?);
    add("import_line", serde_json::to_value(import_line)?);
    add("import_row", serde_json::to_value(import_row)?);
    let PairVotes { chosen, rejected, tie } = exported.votes();
    add("votes_chosen", chosen.into());
    add("votes_rejected", rejected.into());
    add("votes_tie", tie.into());
    for rating in &columns.ratings {
        add(rating.column(), serde_json::to_value(ratings.and_then(|ratings| rating.of(ratings)))?);
    }
    if columns.held_out {
        add("held_out", (*held_out).into());
    }
    add("judgements", serde_json::to_string(judgements)?.into());
    Ok(row)
}

/// Adds what stands beside a prompt, and the category.
fn add_beside(
    row: &mut Map<String, Value>,
    prompt: &Content,
    category: Option<&str>,
    columns: &Columns,
) -> serde_json::Result<()> {
    if columns.tools {
        row.insert(TOOLS.to_owned(), tools_text(prompt)?.into());
    }
    if let Content::Messages(Conversation { chat_template_kwargs, .. }) = prompt
        && !chat_template_kwargs.is_empty()
    {
        row.insert(CHAT_TEMPLATE_KWARGS.to_owned(), chat_template_kwargs.clone().into());
    }
    if columns.category {
        row.insert("category".to_owned(), category.unwrap_or_default().into());
    }
    Ok(())
}

/// A text, or the list of messages without what stands beside a prompt.
fn said(content: &Content) -> serde_json::Result<Value> {
    match content {
        Content::Text(text) => Ok(text.as_str().into()),
        Content::Messages(said) => serde_json::to_value(&said.messages),
    }
}

fn tools_of(prompt: &Content) -> Option<&[Value]> {
    match prompt {
        Content::Messages(said) if !said.tools.is_empty() => Some(&said.tools),
        _ => None,
    }
}

/// The tools as JSON. `null` where there are none, because templates tell no tools from an empty list.
fn tools_text(prompt: &Content) -> serde_json::Result<String> {
    serde_json::to_string(&tools_of(prompt))
}

fn json_text(value: &impl Serialize) -> std::io::Result<String> {
    serde_json::to_string(value).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests;
