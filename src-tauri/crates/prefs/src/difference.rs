//! What has changed from one set of pairs to another, such as from those a run was trained on to those there are now.

use crate::pair::{Content, Pair};
use serde::Serialize;
use std::collections::HashMap;
use std::hash::Hash;
use ts_rs::TS;

/// How many pairs of two sets differ, and how. A pair that stands in a set twice counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
pub struct Difference {
    /// In both, with the same texts.
    pub same: usize,
    /// In both, with the chosen and the rejected answer the other way round.
    pub swapped: usize,
    /// The same prompt with another chosen or rejected answer.
    pub other_answers: usize,
    /// Only in the first set.
    pub removed: usize,
    /// Only in the second set.
    pub added: usize,
}

impl Difference {
    /// What has become of the pairs `before`, and what has come to them.
    pub fn between<'a>(before: impl Iterator<Item = &'a Pair>, after: impl Iterator<Item = &'a Pair>) -> Self {
        let mut contents = Counts::default();
        let mut after: Vec<(String, &Pair)> = after.map(|pair| (pair.content_hash(), pair)).collect();
        for (hash, _) in &after {
            contents.add(hash.clone());
        }
        let (mut same, mut swapped) = (0, 0);
        let mut rest = Vec::new();
        for pair in before {
            if contents.take(&pair.content_hash()) {
                same += 1;
            } else {
                rest.push(pair);
            }
        }
        rest.retain(|pair| {
            let found = contents.take(&pair.swapped().content_hash());
            swapped += usize::from(found);
            !found
        });
        // What is left of the second set has no counterpart with the same answers.
        after.retain(|(hash, _)| contents.take(hash));
        let mut prompts: Counts<&Content> = Counts::default();
        for (_, pair) in &after {
            prompts.add(&pair.prompt);
        }
        let other_answers = rest.iter().filter(|pair| prompts.take(&&pair.prompt)).count();
        let (removed, added) = (rest.len() - other_answers, after.len() - other_answers);
        Self { same, swapped, other_answers, removed, added }
    }

    /// Whether both sets are the same.
    pub fn is_none(&self) -> bool {
        self.swapped + self.other_answers + self.removed + self.added == 0
    }
}

/// How many of each are left.
struct Counts<K>(HashMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    fn take(&mut self, key: &K) -> bool {
        let left = self.0.get_mut(key).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        let (prompt, chosen, rejected) = (prompt.into(), chosen.into(), rejected.into());
        Pair { prompt, chosen, rejected, category: None }
    }

    fn between(before: &[Pair], after: &[Pair]) -> [usize; 5] {
        let Difference { same, swapped, other_answers, removed, added } =
            Difference::between(before.iter(), after.iter());
        assert_eq!(same + swapped + other_answers + removed, before.len());
        assert_eq!(same + swapped + other_answers + added, after.len());
        [same, swapped, other_answers, removed, added]
    }

    #[test]
    fn what_became_of_each_pair_is_counted_once() {
        let before = [pair("1", "a", "b"), pair("2", "a", "b"), pair("3", "a", "b"), pair("4", "a", "b")];
        let after = [pair("5", "a", "b"), pair("3", "a", "c"), pair("2", "b", "a"), pair("1", "a", "b")];
        assert_eq!(between(&before, &after), [1, 1, 1, 1, 1]);
        assert_eq!(between(&before, &before), [4, 0, 0, 0, 0]);
        assert_eq!(between(&before, &[]), [0, 0, 0, 4, 0]);
        assert_eq!(between(&[], &after), [0, 0, 0, 0, 4]);
    }

    #[test]
    fn a_pair_that_stands_twice_counts_twice() {
        let twice = [pair("1", "a", "b"), pair("1", "a", "b")];
        assert_eq!(between(&twice, &twice[..1]), [1, 0, 0, 1, 0]);
        assert_eq!(between(&twice[..1], &twice), [1, 0, 0, 0, 1]);
        // Both ways round in both sets: nothing has changed.
        let both = [pair("1", "a", "b"), pair("1", "b", "a")];
        let turned = [pair("1", "b", "a"), pair("1", "a", "b")];
        assert_eq!(between(&both, &turned), [2, 0, 0, 0, 0]);
        assert_eq!(between(&twice, &both), [1, 1, 0, 0, 0]);
    }
}
