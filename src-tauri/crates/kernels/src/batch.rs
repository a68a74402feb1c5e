//! A packed batch: sequences laid end to end without padding, prompts shared between the answers to them.

use std::ops::Range;

/// A run of tokens that attends causally to itself and wholly to an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the packed batch.
    pub rows: Range<usize>,
    /// Rows that every token of the segment sees: the shared prompt. Empty for a segment that stands alone.
    pub prefix: Range<usize>,
}

/// A response token: the packed row that predicts it, its id, and the sequence whose log-probability it adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Target {
    /// Row of the packed batch whose hidden state predicts the token.
    pub row: u32,
    pub id: u32,
    pub sequence: u32,
}

/// Packed token ids with positions, attention segments and the response tokens to score.
///
/// A pair whose two prompts are equal is laid out as `[prompt | chosen | rejected]`: chosen and rejected both attend to
/// the prompt, not to each other, and both count positions on from its end (prefix sharing, arXiv 2410.20305).
#[derive(Debug, Clone, Default)]
pub struct Batch {
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// For each row the length that decides about its rotation.
    lengths: Vec<usize>,
    segments: Vec<Segment>,
    /// Ranges of `segments` that may attend to each other; nothing crosses from one to the next.
    groups: Vec<Range<usize>>,
    targets: Vec<Target>,
    sequences: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sequence; its log-probability is that of `completion` after `prompt`. The first token of a sequence
    /// is never scored: nothing predicts it.
    pub fn push_sequence(&mut self, prompt: &[u32], completion: &[u32]) {
        let first = self.segments.len();
        let start = self.ids.len();
        self.push_segment(prompt.iter().chain(completion), 0, 0..0);
        self.score(start, prompt.len(), completion);
        self.groups.push(first..self.segments.len());
        self.sequences += 1;
        self.lengths.resize(self.ids.len(), prompt.len() + completion.len());
    }

    /// Adds a pair whose prompts differ as two sequences, chosen first.
    pub fn push_pair_apart(
        &mut self,
        (chosen_prompt, chosen): (&[u32], &[u32]),
        (rejected_prompt, rejected): (&[u32], &[u32]),
    ) {
        let start = self.ids.len();
        self.push_sequence(chosen_prompt, chosen);
        self.push_sequence(rejected_prompt, rejected);
        let longer = (chosen_prompt.len() + chosen.len()).max(rejected_prompt.len() + rejected.len());
        self.lengths[start..].fill(longer);
    }

    /// Adds a pair as two sequences, chosen first, computing their common prompt once.
    pub fn push_pair(&mut self, prompt: &[u32], chosen: &[u32], rejected: &[u32]) {
        let first = self.segments.len();
        let start = self.ids.len();
        self.push_segment(prompt.iter(), 0, 0..0);
        let prefix = start..start + prompt.len();
        for completion in [chosen, rejected] {
            let own = self.ids.len();
            self.push_segment(completion.iter(), prompt.len(), prefix.clone());
            if let (Some(&id), Some(row)) = (completion.first(), prefix.clone().last()) {
                self.targets.push(Target { row: row as u32, id, sequence: self.sequences as u32 });
            }
            self.score(own, 1, completion.get(1..).unwrap_or_default());
            self.sequences += 1;
        }
        self.groups.push(first..self.segments.len());
        self.lengths.resize(self.ids.len(), prompt.len() + chosen.len().max(rejected.len()));
    }

    fn push_segment<'a>(&mut self, ids: impl Iterator<Item = &'a u32>, position: usize, prefix: Range<usize>) {
        let start = self.ids.len();
        self.ids.extend(ids);
        let len = self.ids.len() - start;
        self.positions.extend((position..position + len).map(|p| p as u32));
        self.segments.push(Segment { rows: start..start + len, prefix });
    }

    /// Targets for `ids`, the first of which stands at offset `at` from row `start`.
    fn score(&mut self, start: usize, at: usize, ids: &[u32]) {
        let sequence = self.sequences as u32;
        let skip = usize::from(at == 0);
        self.targets.extend(ids.iter().enumerate().skip(skip).map(|(i, &id)| Target {
            row: (start + at + i - 1) as u32,
            id,
            sequence,
        }));
    }

    /// Token ids, one per packed row.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Position of each row in its own sequence, for the rotary embedding.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// For each row the length that its sequence is rotated for, where a model rotates long sequences by other
    /// frequencies: its own, and in a pair that of the longer answer with its prompt, which is what TRL computes with the
    /// pair as one batch. What other pairs are packed beside it does not matter.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Attention segments in row order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Ranges of [`Batch::segments`] that share a prompt.
    pub fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// Response tokens to score.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Number of sequences: two per pair.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Packed rows: the tokens that are really computed.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Sums one number for each of [`Batch::targets`], in their order, by sequence.
    pub fn sum_by_sequence(&self, numbers: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.sequences];
        for (target, number) in self.targets.iter().zip(numbers) {
            sums[target.sequence as usize] += number;
        }
        sums
    }

    /// Scored response tokens of each sequence.
    pub fn target_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.sequences];
        for target in &self.targets {
            counts[target.sequence as usize] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_shares_its_prompt() {
        let mut batch = Batch::new();
        batch.push_sequence(&[9], &[8]);
        batch.push_pair(&[1, 2, 3], &[4, 5], &[6]);
        assert_eq!(batch.ids(), [9, 8, 1, 2, 3, 4, 5, 6]);
        assert_eq!(batch.positions(), [0, 1, 0, 1, 2, 3, 4, 3]);
        assert_eq!(batch.lengths(), [2, 2, 5, 5, 5, 5, 5, 5]);
        let mut apart = Batch::new();
        apart.push_pair_apart((&[1, 2], &[4]), (&[2], &[6, 5, 5]));
        assert_eq!((apart.positions(), apart.lengths()), (&[0, 1, 2, 0, 1, 2, 3][..], &[4; 7][..]));
        assert_eq!((apart.sequences(), apart.groups().len()), (2, 2));
        assert_eq!(batch.segments()[3], Segment { rows: 7..8, prefix: 2..5 });
        assert_eq!(batch.groups(), [0..1, 1..4]);
        let targets: Vec<_> = batch.targets().iter().map(|t| (t.row, t.id, t.sequence)).collect();
        assert_eq!(targets, [(0, 8, 0), (4, 4, 1), (5, 5, 1), (4, 6, 2)]);
    }

    #[test]
    fn the_first_token_of_a_sequence_is_not_scored() {
        let mut batch = Batch::new();
        batch.push_sequence(&[], &[5, 6]);
        batch.push_pair(&[], &[5, 6], &[7]);
        assert_eq!(batch.target_counts(), [1, 1, 0]);
        assert_eq!(batch.targets()[0], Target { row: 0, id: 6, sequence: 0 });
    }
}
