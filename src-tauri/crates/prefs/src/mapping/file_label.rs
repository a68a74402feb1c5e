//! What a file says of two answers, beyond the order in which they come in: a label, ratings, ranks, as it stands there.

use super::preference::Preferred;
use super::{Reader, rated};
use crate::rows::is_missing;
use crate::store::Meaning;
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

    /// Of the better and the worse of two rated answers.
    pub(super) fn of_ratings(better: f64, worse: f64) -> Self {
        Self::new(&format!("{better} and {worse}"), Meaning::First)
    }
}

impl Reader<'_> {
    /// Who gave the labels of a row, where a column says so.
    pub(super) fn annotator(&self, row: &TableRow) -> Option<String> {
        let value = row.get(self.mapping.annotator.as_deref()?).filter(|value| !is_missing(value))?;
        let name: String =
            shown(value).trim().trim_matches('"').chars().filter(|sign| !sign.is_control()).take(80).collect();
        (!name.is_empty()).then_some(name)
    }

    /// What a row says of its two answers by a label or by a rating of each, where it has either.
    pub(super) fn labels(&self, row: &TableRow, preferred: Preferred) -> Vec<FileLabel> {
        let label = self.by_label(row, preferred).or_else(|| self.by_two_ratings(row, preferred));
        let annotator = || self.annotator(row);
        label.map(|label| FileLabel { annotator: annotator(), ..label }).into_iter().collect()
    }

    fn by_label(&self, row: &TableRow, preferred: Preferred) -> Option<FileLabel> {
        let column = self.mapping.preference.as_deref().filter(|_| self.mapping.is_by_preference())?;
        let value = row.get(column).filter(|value| !is_missing(value))?;
        let raw = shown(value).trim_matches('"').to_owned();
        let tie = if raw.to_lowercase().contains("bad") { Meaning::TieBad } else { Meaning::TieGood };
        Some(FileLabel::new(&raw, if preferred == Preferred::Neither { tie } else { Meaning::First }))
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
