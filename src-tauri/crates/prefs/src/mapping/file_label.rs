//! What a file says of two answers, beyond the order in which they come in: a label, ratings, ranks, as it stands there.

use serde_json::Value;

use super::preference::Preferred;
use super::{Reader, rated};
use crate::rows::is_missing;
use crate::store::Meaning;
use crate::table::labelled::votes;
use crate::table::{TableRow, shown};

/// Longest label that is kept whole, in characters.
const LONGEST: usize = 200;

/// Somebody's word about two answers, given elsewhere: nobody here knows how, or with what in view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLabel {
    /// Who says it, where the file has a column for that; else the file itself does.
    pub annotator: Option<String>,
    /// What stands in the file.
    pub raw: String,
    /// What it says of the answers as they come in, the chosen one first.
    pub meaning: Meaning,
}

impl FileLabel {
    fn new(raw: &str, meaning: Meaning) -> Self {
        Self { annotator: None, raw: raw.trim().chars().take(LONGEST).collect(), meaning }
    }

    /// Of one annotator, who says `said` of answers that stand in the row's order, where most say `preferred`: the better one of
    /// it comes in first.
    fn of_vote(annotator: &str, value: &Value, said: Preferred, preferred: Preferred) -> Self {
        let raw = shown(value).trim_matches('"').to_owned();
        let meaning = match (said, preferred) {
            (Preferred::Neither, _) => tie(&raw),
            (Preferred::First, Preferred::Second) | (Preferred::Second, Preferred::First | Preferred::Neither) => {
                Meaning::Second
            }
            (Preferred::First, _) | (Preferred::Second, Preferred::Second) => Meaning::First,
        };
        Self { annotator: Some(annotator.to_owned()), ..Self::new(&raw, meaning) }
    }

    /// Of the better and the worse of two rated answers.
    pub(super) fn of_ratings(better: f64, worse: f64) -> Self {
        Self::new(&format!("{better} and {worse}"), Meaning::First)
    }
}

fn tie(raw: &str) -> Meaning {
    if raw.to_lowercase().contains("bad") { Meaning::TieBad } else { Meaning::TieGood }
}

/// What is noted of a row.
const UNREAD: &str = "what an annotator says is none of the answers and no tie, and is not kept";

impl Reader<'_> {
    /// Who gave the labels of a row, where a column says so.
    pub(super) fn annotator(&self, row: &TableRow) -> Option<String> {
        let value = row.get(self.mapping.annotator.as_deref()?).filter(|value| !is_missing(value))?;
        let name: String =
            shown(value).trim().trim_matches('"').chars().filter(|sign| !sign.is_control()).take(80).collect();
        (!name.is_empty()).then_some(name)
    }

    /// What a row says of its two answers by the labels of its annotators, by one label, or by a rating of each.
    pub(super) fn labels(&self, row: &TableRow, preferred: Preferred) -> (Vec<FileLabel>, Option<&'static str>) {
        let column = self.mapping.preference.as_deref().filter(|_| self.mapping.is_by_preference());
        if let (Some(column), Some(scheme)) = (column, &self.scheme)
            && votes(row, column).next().is_some()
        {
            let read = |(annotator, said)| Some(FileLabel::of_vote(annotator, said, scheme.of_value(said)?, preferred));
            let (labels, all): (Vec<FileLabel>, usize) =
                (votes(row, column).filter_map(read).collect(), votes(row, column).count());
            let unread = (labels.len() < all).then_some(UNREAD);
            return (labels, unread);
        }
        (self.label(row, preferred).into_iter().collect(), None)
    }

    fn label(&self, row: &TableRow, preferred: Preferred) -> Option<FileLabel> {
        let label = self.by_label(row, preferred).or_else(|| self.by_two_ratings(row, preferred));
        let annotator = || self.annotator(row);
        label.map(|label| FileLabel { annotator: annotator(), ..label })
    }

    fn by_label(&self, row: &TableRow, preferred: Preferred) -> Option<FileLabel> {
        let column = self.mapping.preference.as_deref().filter(|_| self.mapping.is_by_preference())?;
        let value = row.get(column).filter(|value| !is_missing(value))?;
        let raw = shown(value).trim_matches('"').to_owned();
        Some(FileLabel::new(&raw, if preferred == Preferred::Neither { tie(&raw) } else { Meaning::First }))
    }

    fn by_two_ratings(&self, row: &TableRow, preferred: Preferred) -> Option<FileLabel> {
        let rating = |column: &Option<String>| rated::number(row.get(column.as_deref()?)?);
        let (of_a, of_b) = (rating(&self.mapping.rating_a)?, rating(&self.mapping.rating_b)?);
        if self.mapping.is_by_preference() {
            let (better, worse) = if preferred == Preferred::Second { (of_b, of_a) } else { (of_a, of_b) };
            let label = FileLabel::of_ratings(better, worse);
            let meaning = if preferred == Preferred::Neither { Meaning::TieGood } else { Meaning::First };
            return Some(FileLabel { meaning, ..label });
        }
        // Of a chosen and a rejected answer the ratings may say otherwise than their order.
        let higher = match self.mapping.order()? {
            rated::RatingOrder::HigherIsBetter => of_a.total_cmp(&of_b),
            rated::RatingOrder::LowerIsBetter => of_b.total_cmp(&of_a),
        };
        let meaning = match higher {
            std::cmp::Ordering::Greater => Meaning::First,
            std::cmp::Ordering::Less => Meaning::Second,
            std::cmp::Ordering::Equal => Meaning::TieGood,
        };
        Some(FileLabel { meaning, ..FileLabel::of_ratings(of_a, of_b) })
    }
}
