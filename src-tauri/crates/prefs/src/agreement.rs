//! How far annotators agree: percent agreement, Cohen's kappa, Krippendorff's alpha, agreement with oneself, and whether one
//! side of the screen is preferred.
//!
//! All of it is over three categories: the first answer is better, the second is, neither is. How much better does not
//! count, and a skip is no judgement.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::checks::Share;
use crate::store::{ItemAnswer, Meaning, Side};

/// One judgement that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who judged.
    pub annotator: String,
    /// What was judged.
    pub item: i64,
    /// What it says of the item's answers.
    pub meaning: Meaning,
    /// The side that was found better, where one was.
    pub side: Option<Side>,
    /// How long it took.
    pub milliseconds: u64,
    /// Whether the annotator judged this item before.
    pub second_pass: bool,
    /// Whether what others said of the item was in view.
    pub votes_seen: bool,
    /// Whether it is what a file says, and nobody here.
    pub is_file: bool,
}

/// How far the annotators of a project agree. `percent` is a share from 0 to 1 throughout; what cannot be computed is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
pub struct Agreement {
    /// Items that at least two annotators judged.
    pub items_shared: usize,
    /// Share of all two judgements of one item that agree.
    pub percent: Option<f64>,
    /// Krippendorff's alpha over all annotators.
    pub alpha: Option<f64>,
    /// Every two annotators who share items, and every annotator with each file that says something of the same items.
    pub pairs: Vec<AnnotatorPair>,
    /// Every annotator who has judged.
    pub annotators: Vec<AnnotatorView>,
    /// Verdicts that are left out, because those of others were in view when they were given.
    pub votes_seen: usize,
}

/// Two annotators on the items that both judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct AnnotatorPair {
    pub a: String,
    /// The other.
    pub b: String,
    /// Whether the other is a file, or an annotator that it names.
    pub b_is_file: bool,
    /// Items that both judged.
    pub items: usize,
    /// Share of them on which they agree, 0 to 1.
    pub percent: f64,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
}

/// One annotator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ts_rs::TS)]
#[allow(missing_docs)]
pub struct AnnotatorView {
    pub annotator: String,
    /// Items judged.
    pub judged: usize,
    /// How often the left answer was found better, of all times one was; 0.5 is what to expect, as sides are drawn.
    pub left_share: Option<f64>,
    /// Its 95 % interval by Wilson.
    pub left_share_interval: Option<[f64; 2]>,
    /// Items judged twice.
    pub self_items: usize,
    /// Share of them judged alike both times, 0 to 1.
    pub self_percent: Option<f64>,
    /// Median time of a judgement.
    pub median_seconds: Option<f64>,
}

/// The first answer is better, the second is, or neither (`None`).
type Category = Option<ItemAnswer>;

/// How far annotators agree, by their votes. What files say is compared with what each person says, and counts in nothing else. A vote
/// that was given with those of others in view is left out and counted.
pub fn agreement(votes: &[Vote]) -> Agreement {
    let (of_files, votes): (Vec<Vote>, Vec<Vote>) = votes.iter().cloned().partition(|vote| vote.is_file);
    let (seen, votes): (Vec<Vote>, Vec<Vote>) = votes.into_iter().partition(|vote| vote.votes_seen);
    let votes = votes.as_slice();
    let mut by_annotator: BTreeMap<&str, BTreeMap<i64, Category>> = BTreeMap::new();
    let mut again: BTreeMap<&str, BTreeMap<i64, Category>> = BTreeMap::new();
    for vote in votes.iter().filter(|vote| vote.meaning != Meaning::Skip) {
        let pass = if vote.second_pass { &mut again } else { &mut by_annotator };
        pass.entry(&vote.annotator).or_default().insert(vote.item, vote.meaning.better());
    }
    let items: BTreeSet<i64> = by_annotator.values().flat_map(|judged| judged.keys().copied()).collect();
    let units: Vec<Vec<Option<Category>>> =
        items.iter().map(|item| by_annotator.values().map(|judged| judged.get(item).copied()).collect()).collect();
    let names: Vec<&str> = by_annotator.keys().copied().collect();
    let mut pairs = Vec::new();
    for (at, a) in names.iter().enumerate() {
        for b in &names[at + 1..] {
            pairs.extend(two(a, b, &by_annotator[a], &by_annotator[b]));
        }
    }
    let mut by_file: BTreeMap<&str, BTreeMap<i64, Category>> = BTreeMap::new();
    for said in &of_files {
        by_file.entry(&said.annotator).or_default().insert(said.item, said.meaning.better());
    }
    for a in &names {
        let with_files = by_file.iter().filter_map(|(file, said)| two(a, file, &by_annotator[a], said));
        pairs.extend(with_files.map(|pair| AnnotatorPair { b_is_file: true, ..pair }));
    }
    Agreement {
        items_shared: units.iter().filter(|unit| unit.iter().flatten().count() > 1).count(),
        percent: percent_agreement(&units),
        alpha: krippendorffs_alpha(&units),
        pairs,
        annotators: names.iter().map(|name| annotator(name, votes, &by_annotator[name], again.get(name))).collect(),
        votes_seen: seen.len(),
    }
}

fn two(a: &str, b: &str, ones: &BTreeMap<i64, Category>, others: &BTreeMap<i64, Category>) -> Option<AnnotatorPair> {
    let both: Vec<(Category, Category)> =
        ones.iter().filter_map(|(item, one)| Some((*one, *others.get(item)?))).collect();
    let percent = share(both.iter().filter(|(one, other)| one == other).count(), both.len())?;
    let (a, b) = (a.to_owned(), b.to_owned());
    Some(AnnotatorPair { a, b, b_is_file: false, items: both.len(), percent, kappa: cohens_kappa(&both) })
}

fn annotator(
    name: &str,
    votes: &[Vote],
    judged: &BTreeMap<i64, Category>,
    again: Option<&BTreeMap<i64, Category>>,
) -> AnnotatorView {
    let own = || votes.iter().filter(|vote| vote.annotator == name && vote.meaning != Meaning::Skip);
    let left = own().filter(|vote| vote.side == Some(Side::Left)).count();
    let sided = own().filter(|vote| vote.side.is_some()).count();
    let left_share = (sided > 0).then(|| Share::new(left, sided));
    let twice: Vec<bool> = again
        .into_iter()
        .flatten()
        .filter_map(|(item, second)| judged.get(item).map(|first| first == second))
        .collect();
    AnnotatorView {
        annotator: name.to_owned(),
        judged: judged.len(),
        left_share: left_share.map(|share| share.share),
        left_share_interval: left_share.map(|share| share.interval),
        self_items: twice.len(),
        self_percent: share(twice.iter().filter(|same| **same).count(), twice.len()),
        median_seconds: median(own().map(|vote| vote.milliseconds as f64 / 1000.0).collect()),
    }
}

fn share(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// The middle value, or the mean of the two middle ones.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

/// Share of all two judgements of one unit that agree, 0 to 1. `units` holds one value per unit and annotator, `None`
/// where the annotator did not judge the unit.
pub fn percent_agreement<T: Ord + Copy>(units: &[Vec<Option<T>>]) -> Option<f64> {
    let (mut agreeing, mut all) = (0, 0);
    for unit in units {
        let values: Vec<T> = unit.iter().flatten().copied().collect();
        for (at, one) in values.iter().enumerate() {
            agreeing += values[at + 1..].iter().filter(|other| *other == one).count();
            all += values.len() - at - 1;
        }
    }
    share(agreeing, all)
}

/// Cohen's kappa of two annotators, unweighted: `(p_o − p_e) / (1 − p_e)` (J. Cohen 1960, Educational and Psychological
/// Measurement 20: 37–46, eq. 1). `None` without items, or where both only ever gave one and the same category.
pub fn cohens_kappa<T: Ord + Copy>(both: &[(T, T)]) -> Option<f64> {
    let n = both.len() as f64;
    let observed = share(both.iter().filter(|(one, other)| one == other).count(), both.len())?;
    let mut margins: BTreeMap<T, (f64, f64)> = BTreeMap::new();
    for (one, other) in both {
        margins.entry(*one).or_default().0 += 1.0;
        margins.entry(*other).or_default().1 += 1.0;
    }
    let expected: f64 = margins.values().map(|(one, other)| one * other / (n * n)).sum();
    (1.0 - expected > 1e-12).then(|| (observed - expected) / (1.0 - expected))
}

/// Krippendorff's alpha for nominal data, any number of annotators, values missing or not: `1 − D_o / D_e` by the
/// coincidence matrix (K. Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C). `units` as in
/// [`percent_agreement`]. `None` where no unit has two values or all values are the same.
pub fn krippendorffs_alpha<T: Ord + Copy>(units: &[Vec<Option<T>>]) -> Option<f64> {
    let mut totals: BTreeMap<T, f64> = BTreeMap::new();
    let mut agreeing = 0.0;
    for unit in units {
        let mut counts: BTreeMap<T, f64> = BTreeMap::new();
        for value in unit.iter().flatten() {
            *counts.entry(*value).or_default() += 1.0;
        }
        let values: f64 = counts.values().sum();
        if values < 2.0 {
            continue;
        }
        for (value, count) in counts {
            agreeing += count * (count - 1.0) / (values - 1.0);
            *totals.entry(value).or_default() += count;
        }
    }
    let n: f64 = totals.values().sum();
    let by_chance: f64 = totals.values().map(|total| total * (total - 1.0)).sum::<f64>() / (n - 1.0);
    (n > 1.0 && n - by_chance > 1e-9).then(|| 1.0 - (n - agreeing) / (n - by_chance))
}

#[cfg(test)]
mod tests;
