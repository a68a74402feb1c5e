//! Pairs of answers that are rated: several to a prompt in one row, or one to a row.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::choices::Named;
use super::preference::Preferred;
use super::rating_names::{order_of, order_of_words, words_of};
use super::{ColumnMapping, FileLabel, ImportKind, MappedContent, Pair, Parts, Reader, Taken, values};
use crate::rows::is_missing;
use crate::table::TableRow;

/// Which ratings are the better ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum RatingOrder {
    /// Scores: 5 is better than 4.
    HigherIsBetter,
    /// Ranks: 1 is better than 2.
    LowerIsBetter,
}

/// Which pairs are made of more than two answers to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// The best answer against the worst.
    BestAndWorst,
    /// The best answer against each of the others.
    BestAndOthers,
    /// Each answer against the next worse one.
    Neighbours,
    /// Every two answers that are not rated alike.
    All,
}

impl Named for RatingOrder {
    const ALL: &'static [(&'static str, Self)] =
        &[("higher_is_better", Self::HigherIsBetter), ("lower_is_better", Self::LowerIsBetter)];
}

impl RatingOrder {
    /// The order's name, as it is stored and as [`ColumnMapping::set`] takes it.
    pub(crate) fn name(self) -> &'static str {
        Named::name(self)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, order)| *order)
    }
}

impl Named for Pairing {
    const ALL: &'static [(&'static str, Self)] = &[
        ("best_and_worst", Self::BestAndWorst),
        ("best_and_others", Self::BestAndOthers),
        ("neighbours", Self::Neighbours),
        ("all", Self::All),
    ];
}

impl Pairing {
    pub(super) const MEANINGS: [(Self, &'static str); 4] = [
        (Self::BestAndWorst, "one pair of each prompt: the best answer against the worst"),
        (Self::BestAndOthers, "the best answer against each of the others"),
        (Self::Neighbours, "each answer against the next worse one"),
        (Self::All, "every two answers that are not rated alike"),
    ];
}

/// Left out of a row whose other answers make pairs.
const UNRATED: &str = "an answer without a rating was left out";
const ALIKE: &str = "answers that are rated alike make no pair with each other";
const UNUSED: &str = "an answer is in none of the pairs that `pairing` chooses";
const TOO_NEAR: &str = "answers whose ratings are nearer than `least_margin` make no pair with each other";
const SAME_TEXT: &str = "two answers of the same text make no pair with each other";
const UNUSABLE: &str = "a rating is no number, or stands beside an answer whose other has none, and was not taken";
const TURNED: &str = "the chosen answer is rated worse than the rejected one";

/// The number that a rating is; true and false are 1 and 0.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Bool(yes) => f64::from(u8::from(*yes)),
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "y" | "desirable" | "good" | "up" | "thumbs_up" | "positive" | "pass" | "👍" => 1.0,
            "false" | "no" | "n" | "undesirable" | "bad" | "down" | "thumbs_down" | "negative" | "fail" | "👎" => 0.0,
            other => other.parse::<f64>().ok()?,
        },
        _ => return None,
    };
    number.is_finite().then_some(number)
}

impl ColumnMapping {
    /// Whether pairs are made of answers that are rated one by one.
    pub(crate) fn is_rated(&self) -> bool {
        self.kind == ImportKind::Pairs && self.answers.is_some() && self.chosen.is_none() && self.answer_a.is_none()
    }

    /// Whether each row holds one of the answers, and rows with the same prompt belong together.
    pub(crate) fn is_grouped(&self) -> bool {
        self.is_rated() && !self.answers.as_ref().is_some_and(|column| column.contains(".*"))
    }

    /// The order of ratings that was chosen, or that their name says; of two columns what their names have in common.
    pub(super) fn order(&self) -> Option<RatingOrder> {
        self.rating_order.or_else(|| self.named_order())
    }

    /// What the names of the ratings say about their order.
    pub(super) fn named_order(&self) -> Option<RatingOrder> {
        if self.is_rated() {
            return order_of(self.ratings.as_ref()?);
        }
        let (of_a, of_b) = (words_of(self.rating_a.as_ref()?), words_of(self.rating_b.as_ref()?));
        order_of_words(&of_a.into_iter().filter(|word| of_b.contains(word)).collect::<Vec<_>>())
    }

    /// A choice about ratings that has no effect, as a sentence.
    pub(super) fn rates_nothing(&self) -> Option<String> {
        let side_by_side = self.rating_a.is_some() && self.rating_b.is_some() && self.kind == ImportKind::Pairs;
        let idle = |key: &str, needs: &str| {
            Some(format!("`{key}` has no effect without {needs}: set these, or leave it out."))
        };
        if self.rating_a.is_some() != self.rating_b.is_some() {
            return Some("`rating_a` and `rating_b` belong together: set both.".to_owned());
        }
        if self.ratings.is_some() && !self.is_rated() {
            return idle("ratings", "`answers`");
        }
        if self.pairing.is_some() && !self.is_rated() {
            return idle("pairing", "`answers` and `ratings`");
        }
        if self.rating_order.is_some() && !self.is_rated() && !side_by_side {
            return idle("rating_order", "`answers` and `ratings`, or `rating_a` and `rating_b`");
        }
        if self.least_margin.is_some() && !self.is_rated() && !side_by_side {
            return idle("least_margin", "`answers` and `ratings`, or `rating_a` and `rating_b`");
        }
        None
    }

    /// The least distance of two ratings; 0 where nothing is said.
    pub(super) fn margin(&self) -> f64 {
        self.least_margin.as_ref().and_then(|margin| margin.parse().ok()).unwrap_or(0.0)
    }
}

/// How a file rates the two answers of a pair, as it says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct PairRatings {
    /// Of the chosen answer.
    pub chosen: f64,
    /// Of the rejected answer.
    pub rejected: f64,
    /// Which ratings are the better ones, where that is known.
    pub order: Option<RatingOrder>,
}

impl PairRatings {
    /// By how much the chosen answer is rated better; below 0 where it is rated worse.
    pub fn margin(&self) -> Option<f64> {
        self.order.map(|order| match order {
            RatingOrder::HigherIsBetter => self.chosen - self.rejected,
            RatingOrder::LowerIsBetter => self.rejected - self.chosen,
        })
    }

    /// Of the pair labelled the other way round.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self { chosen: self.rejected, rejected: self.chosen, order: self.order }
    }
}

/// Two answers of a row with a rating each.
pub(super) struct TwoRated {
    /// Which is better, where the ratings say it: none is where they are alike.
    pub(super) preferred: Option<Preferred>,
    /// With the first answer as the chosen one.
    pub(super) ratings: Option<PairRatings>,
    pub(super) note: Option<&'static str>,
}

/// An answer with its rating, by its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rating {
    pub(super) at: usize,
    pub(super) rating: f64,
}

/// The pairs of places, the better answer first, in the order of the answers. `margin` is the least distance of their ratings,
/// which always differ. Of answers that are rated alike those make the pair that are not of the same text, where there is a choice.
pub(super) fn pairs_of(
    ratings: &[Rating],
    order: RatingOrder,
    pairing: Pairing,
    margin: f64,
    is_same: &dyn Fn(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let mut sorted = ratings.to_vec();
    // Of answers that are rated alike the first in the file goes first.
    match order {
        RatingOrder::HigherIsBetter => sorted.sort_by(|one, other| other.rating.total_cmp(&one.rating)),
        RatingOrder::LowerIsBetter => sorted.sort_by(|one, other| one.rating.total_cmp(&other.rating)),
    }
    let far = |one: &Rating, other: &Rating| {
        let distance = (one.rating - other.rating).abs();
        distance > 0.0 && distance >= margin
    };
    let alike: Vec<&[Rating]> = sorted.chunk_by(|one, other| one.rating.total_cmp(&other.rating).is_eq()).collect();
    let differ = |one: &Rating, other: &Rating| !is_same(one.at, other.at);
    // The first of each that differ, or the first of each.
    let first_of = |better: &mut dyn Iterator<Item = &Rating>, worse: &[Rating]| {
        let mut better = better.peekable();
        let first = better.peek().map(|one| (**one, worse[0]));
        better.find_map(|one| worse.iter().find(|other| differ(one, other)).map(|other| (*one, *other))).or(first)
    };
    let mut pairs: Vec<(Rating, Rating)> = Vec::new();
    match (pairing, alike.as_slice()) {
        (Pairing::BestAndWorst, [best, .., worst]) => pairs.extend(first_of(&mut best.iter(), worst)),
        (Pairing::BestAndOthers, [best, ..]) => {
            let others = &sorted[best.len()..];
            let best = best.iter().find(|one| others.iter().any(|other| differ(one, other))).unwrap_or(&best[0]);
            pairs.extend(others.iter().map(|other| (*best, *other)));
        }
        (Pairing::Neighbours, alike) => {
            pairs.extend(alike.windows(2).filter_map(|two| first_of(&mut two[0].iter().rev(), two[1])));
        }
        (Pairing::All, _) => {
            for (at, one) in sorted.iter().enumerate() {
                pairs.extend(sorted[at + 1..].iter().map(|other| (*one, *other)));
            }
        }
        (Pairing::BestAndWorst | Pairing::BestAndOthers, _) => {}
    }
    pairs.retain(|(one, other)| far(one, other));
    pairs.into_iter().map(|(one, other)| (one.at, other.at)).collect()
}

/// The ratings of the answers in a row, and how many answers there are. One list of them stands beside the other, or each inside
/// of its answer.
pub(super) fn ratings_in(row: &TableRow, mapping: &ColumnMapping) -> Result<(Vec<Rating>, usize), String> {
    let (Some(answers), Some(ratings)) = (&mapping.answers, &mapping.ratings) else {
        return Err("the columns of the answers and of their ratings are not chosen yet".to_owned());
    };
    let (said, rated) = (row.list(answers), row.list(ratings));
    if said.is_empty() {
        return Err(format!("`{answers}` holds no answers"));
    }
    if rated.len() != said.len() {
        return Err(format!("`{answers}` holds {} answers, `{ratings}` {} ratings", said.len(), rated.len()));
    }
    let rating = |(at, (answer, rating)): (usize, (Option<&Value>, Option<&Value>))| {
        answer?;
        Some(Rating { at, rating: number(rating?)? })
    };
    let answers = said.len();
    let found = said.into_iter().zip(rated).enumerate().filter_map(rating).collect();
    Ok((found, answers))
}

/// Whether a row has more than two rated answers, so that there is a choice of pairs.
pub(super) fn has_several(row: &TableRow, mapping: &ColumnMapping) -> bool {
    ratings_in(row, mapping).is_ok_and(|(ratings, _)| ratings.len() > 2)
}

impl Reader<'_> {
    /// The ratings of two answers that have one each. Of a chosen and a rejected answer they only say how far these are apart.
    pub(super) fn two_ratings(&self, row: &TableRow) -> Result<Option<TwoRated>, String> {
        let mapping = self.mapping;
        let (Some(a), Some(b)) = (&mapping.rating_a, &mapping.rating_b) else { return Ok(None) };
        let rating = |column: &String| {
            let value =
                row.get(column).filter(|value| !is_missing(value)).ok_or_else(|| format!("`{column}` is empty"))?;
            number(value).ok_or_else(|| format!("`{column}` holds no number"))
        };
        // Where they decide nothing, a row without them is a pair without ratings.
        let decides = mapping.is_by_preference() && mapping.preference.is_none() || mapping.least_margin.is_some();
        let (of_a, of_b) = match (rating(a), rating(b)) {
            (Ok(of_a), Ok(of_b)) => (of_a, of_b),
            _ if !decides => {
                let is_there = |column: &String| row.get(column).is_some_and(|value| !is_missing(value));
                let note = (is_there(a) || is_there(b)).then_some(UNUSABLE);
                return Ok(Some(TwoRated { preferred: None, ratings: None, note }));
            }
            (of_a, of_b) => (of_a?, of_b?),
        };
        let (distance, margin) = ((of_a - of_b).abs(), mapping.margin());
        if distance < margin {
            return Err(format!("its ratings {of_a} and {of_b} differ by less than {margin}"));
        }
        let ratings = PairRatings { chosen: of_a, rejected: of_b, order: mapping.order() };
        if !mapping.is_by_preference() || mapping.preference.is_some() {
            let is_turned = ratings.margin().is_some_and(|margin| margin < 0.0);
            let note = (is_turned && !mapping.is_by_preference()).then_some(TURNED);
            return Ok(Some(TwoRated { preferred: None, ratings: Some(ratings), note }));
        }
        let order =
            mapping.order().ok_or_else(|| format!("whether high or low is better in `{a}` is not chosen yet"))?;
        let higher = if order == RatingOrder::HigherIsBetter { Preferred::First } else { Preferred::Second };
        let lower = if order == RatingOrder::HigherIsBetter { Preferred::Second } else { Preferred::First };
        let preferred = match of_a.total_cmp(&of_b) {
            std::cmp::Ordering::Greater => higher,
            std::cmp::Ordering::Less => lower,
            std::cmp::Ordering::Equal => Preferred::Neither,
        };
        Ok(Some(TwoRated { preferred: Some(preferred), ratings: Some(ratings), note: None }))
    }

    /// The pairs of a row that holds several rated answers.
    pub(super) fn rated(&self, row: &TableRow) -> Result<Vec<Taken>, String> {
        let mapping = self.mapping;
        let (ratings, answers) = ratings_in(row, mapping)?;
        let column = mapping.answers.as_deref().unwrap_or_default();
        let place = |at: usize| column.replacen(".*", &format!(".{at}"), 1);
        let is_same = |one: usize, other: usize| row.get(&place(one)) == row.get(&place(other));
        let mut taken = self.pairs(&ratings, &is_same, |reader, (better, worse)| {
            let (better, worse) = (place(better), place(worse));
            reader.pair(row, &better, &worse)
        })?;
        if ratings.len() < answers {
            taken.iter_mut().take(1).for_each(|taken| taken.notes.push(UNRATED));
        }
        let annotator = self.annotator(row);
        taken.iter_mut().flat_map(|taken| &mut taken.labels).for_each(|label| label.annotator.clone_from(&annotator));
        Ok(taken)
    }

    pub(super) fn pairs(
        &self,
        ratings: &[Rating],
        is_same: &dyn Fn(usize, usize) -> bool,
        make: impl Fn(&Self, (usize, usize)) -> Result<Taken, String>,
    ) -> Result<Vec<Taken>, String> {
        let mapping = self.mapping;
        let column = mapping.ratings.as_deref().unwrap_or_default();
        let order =
            mapping.order().ok_or_else(|| format!("whether high or low is better in `{column}` is not chosen yet"))?;
        if ratings.len() < 2 {
            return Err(format!("fewer than two of its answers have a number in `{column}`"));
        }
        if ratings.iter().all(|rating| rating.rating.total_cmp(&ratings[0].rating).is_eq()) {
            return Err("its answers are all rated alike".to_owned());
        }
        // Of two answers there is one pair.
        let pairing = match mapping.pairing {
            Some(pairing) => pairing,
            None if ratings.len() < 3 => Pairing::All,
            None => return Err("which pairs are made of more than two answers is not chosen yet".to_owned()),
        };
        let all = pairs_of(ratings, order, pairing, 0.0, is_same).len();
        let margin = mapping.margin();
        let pairs = pairs_of(ratings, order, pairing, margin, is_same);
        if pairs.is_empty() {
            return Err(format!("no two of its answers differ by {margin} or more"));
        }
        let mut notes = Vec::new();
        notes.extend((pairs.len() < all).then_some(TOO_NEAR));
        let is_used = |at: usize| pairs.iter().any(|(better, worse)| [*better, *worse].contains(&at));
        // An answer with a label of its own is kept.
        notes.extend((!self.has_labels && ratings.iter().any(|rating| !is_used(rating.at))).then_some(UNUSED));
        let mut known: Vec<f64> = ratings.iter().map(|rating| rating.rating).collect();
        known.sort_by(f64::total_cmp);
        notes.extend(known.windows(2).any(|two| two[0].total_cmp(&two[1]).is_eq()).then_some(ALIKE));
        let of = |at: usize| ratings.iter().find(|rating| rating.at == at).map(|rating| rating.rating);
        let rated = |(better, worse): (usize, usize)| {
            Some(PairRatings { chosen: of(better)?, rejected: of(worse)?, order: Some(order) })
        };
        let make = |pair| {
            let ratings = rated(pair);
            let labels = ratings.map(|rated| FileLabel::of_ratings(rated.chosen, rated.rejected)).into_iter().collect();
            make(self, pair).map(|taken| Taken { labels, ratings, ..taken })
        };
        let mut taken = pairs.into_iter().map(make).collect::<Result<Vec<_>, _>>()?;
        let made = taken.len();
        taken.retain(|taken| taken.content.first() != taken.content.second());
        notes.extend((taken.len() < made).then_some(SAME_TEXT));
        match taken.first_mut() {
            Some(first) => first.notes.extend(notes),
            None => return Err("the two answers of each of its pairs are of the same text".to_owned()),
        }
        Ok(taken)
    }

    /// The pair of two answers in columns of a row, the better first.
    pub(super) fn pair(&self, row: &TableRow, better: &str, worse: &str) -> Result<Taken, String> {
        let category = values::category(row, self.mapping.category.as_deref())?;
        let Parts { prompt, first, second, notes } = values::parts(row, self, better, worse)?;
        let content = MappedContent::Pair(Pair { prompt, chosen: first, rejected: second, category });
        Ok(Taken { content, labels: Vec::new(), notes, ratings: None, from: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(ratings: &[f64], pairing: Pairing, margin: f64) -> Vec<(usize, usize)> {
        let ratings: Vec<Rating> =
            ratings.iter().enumerate().map(|(at, rating)| Rating { at, rating: *rating }).collect();
        pairs_of(&ratings, RatingOrder::HigherIsBetter, pairing, margin, &|_, _| false)
    }

    #[test]
    fn pairs_are_of_ratings_that_differ() {
        let ratings = [3.0, 5.0, 1.0, 5.0, 1.0];
        assert_eq!(made(&ratings, Pairing::BestAndWorst, 0.0), [(1, 2)]);
        assert_eq!(made(&ratings, Pairing::BestAndOthers, 0.0), [(1, 0), (1, 2), (1, 4)]);
        assert_eq!(made(&ratings, Pairing::Neighbours, 0.0), [(3, 0), (0, 2)]);
        assert_eq!(made(&ratings, Pairing::All, 0.0).len(), 2 + 4 + 2);
        assert_eq!(made(&ratings, Pairing::All, 3.0).len(), 4);
        assert_eq!(made(&ratings, Pairing::BestAndWorst, 4.5), []);
        assert_eq!(made(&[2.0, 2.0], Pairing::All, 0.0), []);
        let ranks = [Rating { at: 0, rating: 2.0 }, Rating { at: 1, rating: 1.0 }];
        assert_eq!(pairs_of(&ranks, RatingOrder::LowerIsBetter, Pairing::All, 0.0, &|_, _| false), [(1, 0)]);
    }

    #[test]
    fn of_answers_rated_alike_those_of_another_text_make_the_pair() {
        let made = |texts: &str, ratings: &[f64], pairing| {
            let rating = |(at, rating): (usize, &f64)| Rating { at, rating: *rating };
            let ratings: Vec<Rating> = ratings.iter().enumerate().map(rating).collect();
            let is_same = |one: usize, other: usize| texts.as_bytes()[one] == texts.as_bytes()[other];
            pairs_of(&ratings, RatingOrder::HigherIsBetter, pairing, 0.0, &is_same)
        };
        assert_eq!(made("xxy", &[1.0, 0.0, 0.0], Pairing::BestAndWorst), [(0, 2)]);
        assert_eq!(made("xyx", &[1.0, 1.0, 0.0], Pairing::BestAndWorst), [(1, 2)]);
        assert_eq!(made("xyx", &[1.0, 1.0, 0.0], Pairing::BestAndOthers), [(1, 2)]);
        assert_eq!(made("yxx", &[1.0, 1.0, 0.0], Pairing::Neighbours), [(0, 2)]);
        assert_eq!(made("xx", &[1.0, 0.0], Pairing::BestAndWorst), [(0, 1)], "where there is no choice");
    }

    #[test]
    fn two_ratings_are_called_by_what_their_names_have_in_common() {
        let two = ColumnMapping {
            chosen: Some("c".to_owned()),
            rejected: Some("r".to_owned()),
            rating_a: Some("score_chosen".to_owned()),
            rating_b: Some("score_rejected".to_owned()),
            ..ColumnMapping::new(ImportKind::Pairs)
        };
        assert_eq!(two.order(), Some(RatingOrder::HigherIsBetter));
    }
}
