//! Pairs that stand in a run's file more than once, as the weight of their set asks for: looked at and counted each once.

use prefs::words::pairs;
use std::collections::HashMap;
use train::dynamics::Dynamics;
use train::folder::Begun;

/// Of each line that repeats an earlier one, whether it is held out and the line that it repeats.
#[derive(Default)]
pub(super) struct Copies(HashMap<(bool, usize), usize>);

impl Copies {
    pub(super) fn of(begun: &Begun) -> Self {
        let mut copies = HashMap::new();
        let files = [(false, Some(&begun.train)), (true, begun.eval.as_ref())];
        for (held_out, rows) in files {
            let mut firsts = HashMap::new();
            for (row, pair) in rows.into_iter().flat_map(|rows| &rows.pairs).enumerate() {
                let first = *firsts.entry(pair.content_hash()).or_insert(row + 1);
                if first != row + 1 {
                    copies.insert((held_out, row + 1), first);
                }
            }
        }
        Self(copies)
    }

    /// The first line with this pair.
    pub(super) fn first(&self, held_out: bool, line: usize) -> usize {
        self.0.get(&(held_out, line)).copied().unwrap_or(line)
    }

    pub(super) fn is_copy(&self, held_out: bool, line: usize) -> bool {
        self.0.contains_key(&(held_out, line))
    }

    /// With what was computed of a copy at its first line.
    pub(super) fn joined(&self, dynamics: Dynamics) -> Dynamics {
        let mut joined = Dynamics::new();
        for ((held_out, line), computed) in dynamics {
            joined.entry((held_out, self.first(held_out, line))).or_default().extend(computed);
        }
        joined
    }

    /// The rest of a sentence.
    pub(super) fn words(&self) -> String {
        let mut repeated: Vec<(bool, usize)> =
            self.0.iter().map(|((held_out, _), first)| (*held_out, *first)).collect();
        repeated.sort_unstable();
        repeated.dedup();
        match repeated.len() {
            0 => String::new(),
            1 => "; each pair once: 1 pair is met several times in an epoch".to_owned(),
            several => format!("; each pair once: {} are met several times in an epoch", pairs(several)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use train::dynamics::PairLogps;

    #[test]
    fn what_was_computed_of_copies_is_the_pairs_own() {
        let copies = Copies([((false, 3), 1), ((false, 5), 1)].into());
        let computed = |line, step| {
            let logps =
                PairLogps { line, chosen: -1.0, rejected: -2.0, reference_chosen: -1.0, reference_rejected: -2.0 };
            ((false, line), [(step, logps)].into())
        };
        let joined = copies.joined([computed(1, 0), computed(2, 1), computed(3, 2), computed(5, 4)].into());
        let steps: Vec<Vec<u64>> = joined.values().map(|computed| computed.keys().copied().collect()).collect();
        assert_eq!(steps, [vec![0, 2, 4], vec![1]]);
        assert_eq!((copies.first(false, 5), copies.first(true, 5), copies.is_copy(false, 1)), (1, 5, false));
        assert_eq!(copies.words(), "; each pair once: 1 pair is met several times in an epoch");
        assert_eq!(Copies::default().words(), "");
    }
}
