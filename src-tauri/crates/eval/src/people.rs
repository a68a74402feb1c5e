//! People as judges: `people.jsonl` in an evaluation's folder, one line for each verdict given and each taken back.
//!
//! Nothing is ever overwritten: who judged, when, for how long, which answer stood on the left, and what was said, are
//! appended; taking back is a line of its own. A person sees a prompt's answers without learning whose they are, on sides
//! drawn for this person, either model on the left equally often, and recorded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub use prefs::store::Verdict;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::answers::Side;
use crate::evaluation::PromptOutcome;
use crate::files::Log;

/// The file in an evaluation's folder.
pub const FILE: &str = "people.jsonl";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Entry {
    /// Somebody judged.
    Judged(Judged),
    /// Somebody took back their last verdict.
    Undone {
        annotator: String,
        /// The prompt that is open again.
        id: usize,
        /// When, in milliseconds since 1970 (UTC).
        at: u64,
    },
}

/// A verdict that a person gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Judged {
    pub annotator: String,
    /// The prompt.
    pub id: usize,
    /// Whose answer stood on the left.
    pub shown_left: Side,
    /// What was said.
    pub verdict: Verdict,
    /// How long it was looked at.
    pub milliseconds: u64,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// The person had been shown these answers with their authors before: this verdict is not blind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seen: bool,
}

/// A verdict that is being given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Given {
    /// The prompt.
    pub id: usize,
    /// Whose answer stands on the left.
    pub shown_left: Side,
    pub verdict: Verdict,
    /// How long it was looked at.
    pub milliseconds: u64,
    /// The person has been shown these answers with their authors.
    pub seen: bool,
}

impl Judged {
    /// Who won; none where the person skipped.
    pub fn outcome(&self) -> Option<PromptOutcome> {
        let winner = match self.verdict {
            Verdict::LeftMuch | Verdict::Left => self.shown_left,
            Verdict::Right | Verdict::RightMuch => self.shown_left.other(),
            Verdict::TieGood | Verdict::TieBad => return Some(PromptOutcome::Tie),
            Verdict::Skip => return None,
        };
        Some(match winner {
            Side::Base => PromptOutcome::Base,
            Side::Tuned => PromptOutcome::Tuned,
        })
    }
}

/// What people have said in one evaluation.
#[derive(Debug)]
pub struct People {
    log: Log,
    /// What stands, in the order in which it was said.
    standing: Vec<Judged>,
    prompts: usize,
}

impl People {
    /// Opens what people said in the evaluation in `folder`, which has so many prompts.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(folder: &Path, prompts: usize) -> Result<Self, Error> {
        let (log, entries) = Log::open::<Entry>(&folder.join(FILE))?;
        Ok(Self { log, standing: standing(entries), prompts })
    }

    /// What people said in the evaluation in `folder`, without writing anything.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(folder: &Path) -> Result<Vec<Judged>, Error> {
        Ok(standing(crate::files::read_lines(&folder.join(FILE))?))
    }

    /// What stands, in the order in which it was said.
    pub fn standing(&self) -> &[Judged] {
        &self.standing
    }

    /// Prompts on which this person has a verdict, skipped ones among them.
    pub fn done(&self, annotator: &str) -> usize {
        self.standing.iter().filter(|judged| judged.annotator == annotator).count()
    }

    /// The prompts on which this person has no verdict yet, in order.
    pub fn open_prompts(&self, annotator: &str) -> Vec<usize> {
        let done: HashSet<usize> = self.standing.iter().filter(|j| j.annotator == annotator).map(|j| j.id).collect();
        (0..self.prompts).filter(|id| !done.contains(id)).collect()
    }

    /// Keeps a verdict; it is on the disk when this returns.
    ///
    /// # Errors
    /// When there is no such prompt, the person has judged it already, or the disk refuses.
    pub fn judge(&mut self, annotator: &str, given: Given) -> Result<(), Error> {
        let Given { id, shown_left, verdict, milliseconds, seen } = given;
        if id >= self.prompts {
            return Err(Error::NoSuchPrompt { id, prompts: self.prompts });
        }
        if self.standing.iter().any(|judged| judged.annotator == annotator && judged.id == id) {
            return Err(Error::AlreadyJudged { id, annotator: annotator.to_owned() });
        }
        let annotator = annotator.to_owned();
        let judged = Judged { annotator, id, shown_left, verdict, milliseconds, at: now(), seen };
        self.log.append(&[Entry::Judged(judged.clone())])?;
        self.standing.push(judged);
        Ok(())
    }

    /// Takes back a person's last verdict. Answers which prompt is open again; none where there was nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn undo(&mut self, annotator: &str) -> Result<Option<usize>, Error> {
        let Some(place) = self.standing.iter().rposition(|judged| judged.annotator == annotator) else {
            return Ok(None);
        };
        let id = self.standing[place].id;
        self.log.append(&[Entry::Undone { annotator: annotator.to_owned(), id, at: now() }])?;
        self.standing.remove(place);
        Ok(Some(id))
    }
}

/// Whose answer stands on the left in the `place`th pair that this person is shown: drawn from the seed for every two, so
/// that nobody sees a pattern, two people do not see the same one, and either model stands there as often as the other, or
/// once more.
pub fn shown_left(order_seed: u64, annotator: &str, place: usize) -> Side {
    let hash = Sha256::new()
        .chain_update(order_seed.to_le_bytes())
        .chain_update((place as u64 / 2).to_le_bytes())
        .chain_update(annotator)
        .finalize();
    let first = if hash[0] & 1 == 0 { Side::Base } else { Side::Tuned };
    if place.is_multiple_of(2) { first } else { first.other() }
}

/// How several people's verdicts on a prompt become one, in words: the rule by which items are labelled, too.
pub const HOW_PEOPLE_COUNT: &str = "Where several people judge a prompt, what more than half of them say counts, one vote each: a tie is a vote, a skip is none, \
     and much better counts as better. Where neither answer has more than half, the prompt is a tie.";

/// What people together say of each prompt, by [the rule](HOW_PEOPLE_COUNT). Prompts that everybody skipped are left out.
pub fn outcomes(standing: &[Judged]) -> BTreeMap<usize, PromptOutcome> {
    let mut votes: BTreeMap<usize, Vec<PromptOutcome>> = BTreeMap::new();
    for judged in standing {
        if let Some(outcome) = judged.outcome() {
            votes.entry(judged.id).or_default().push(outcome);
        }
    }
    let together = |votes: &[PromptOutcome]| {
        let has_more_than_half =
            |side: &PromptOutcome| 2 * votes.iter().filter(|vote| *vote == side).count() > votes.len();
        [PromptOutcome::Tuned, PromptOutcome::Base].into_iter().find(has_more_than_half).unwrap_or(PromptOutcome::Tie)
    };
    votes.into_iter().map(|(id, votes)| (id, together(&votes))).collect()
}

/// Who judges, where people do: `people, blind`, unless some of them had been shown whose answers they are.
pub fn who_judges(said: &[Judged]) -> &'static str {
    let verdicts = said.iter().filter(|judged| judged.outcome().is_some()).count();
    let seen = said.iter().filter(|judged| judged.seen && judged.outcome().is_some()).count();
    match seen {
        0 => "people, blind",
        _ if seen == verdicts => "people, not blind",
        _ => "people, not all blind",
    }
}

/// Whether anybody judged what somebody else did.
pub fn several_judged(said: &[Judged]) -> bool {
    let mut first: HashMap<usize, &str> = HashMap::new();
    said.iter()
        .filter(|judged| judged.outcome().is_some())
        .any(|judged| *first.entry(judged.id).or_insert(&judged.annotator) != judged.annotator)
}

fn standing(entries: Vec<Entry>) -> Vec<Judged> {
    let mut standing: Vec<Option<Judged>> = Vec::with_capacity(entries.len());
    let mut places: HashMap<(String, usize), usize> = HashMap::new();
    for entry in entries {
        match entry {
            Entry::Judged(judged) => {
                places.insert((judged.annotator.clone(), judged.id), standing.len());
                standing.push(Some(judged));
            }
            Entry::Undone { annotator, id, .. } => {
                if let Some(place) = places.remove(&(annotator, id)) {
                    standing[place] = None;
                }
            }
        }
    }
    standing.into_iter().flatten().collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn given(id: usize, shown_left: Side, verdict: Verdict, milliseconds: u64) -> Given {
        Given { id, shown_left, verdict, milliseconds, seen: false }
    }

    #[test]
    fn verdicts_and_their_withdrawal_are_appended_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let mut people = People::open(place.path(), 3).unwrap();
        people.judge("ann", given(0, Side::Base, Verdict::Left, 900)).unwrap();
        people.judge("ann", given(1, Side::Tuned, Verdict::Right, 800)).unwrap();
        people.judge("bob", Given { seen: true, ..given(0, Side::Base, Verdict::Skip, 100) }).unwrap();
        assert_eq!((people.open_prompts("ann"), people.done("ann")), (vec![2], 2));
        assert_eq!(people.open_prompts("bob"), [1, 2]);
        let mut again = |id| people.judge("ann", given(id, Side::Base, Verdict::Left, 1));
        assert!(matches!(again(1), Err(Error::AlreadyJudged { id: 1, .. })));
        assert!(matches!(again(3), Err(Error::NoSuchPrompt { id: 3, .. })));
        assert_eq!(people.undo("ann").unwrap(), Some(1));
        assert_eq!(people.open_prompts("ann"), [1, 2]);
        people.judge("ann", given(1, Side::Tuned, Verdict::TieBad, 700)).unwrap();
        let lines = std::fs::read_to_string(place.path().join(FILE)).unwrap().lines().count();
        assert_eq!(lines, 5, "nothing was overwritten");
        let again = People::open(place.path(), 3).unwrap();
        assert_eq!(again.standing(), people.standing());
        let kept = People::read(place.path()).unwrap();
        assert_eq!(kept, people.standing());
        let who_saw: Vec<&str> = kept.iter().filter(|judged| judged.seen).map(|judged| &*judged.annotator).collect();
        assert_eq!(who_saw, ["bob"]);
        assert_eq!(people.undo("carl").unwrap(), None);
    }

    #[test]
    fn undoing_goes_back_one_verdict_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let mut people = People::open(place.path(), 3).unwrap();
        for id in 0..3 {
            people.judge("ann", given(id, Side::Base, Verdict::Left, 1)).unwrap();
        }
        assert_eq!(people.undo("ann").unwrap(), Some(2));
        assert_eq!(people.undo("ann").unwrap(), Some(1));
        people.judge("ann", given(1, Side::Base, Verdict::Right, 1)).unwrap();
        assert_eq!(people.undo("ann").unwrap(), Some(1));
        assert_eq!(people.undo("ann").unwrap(), Some(0));
        assert_eq!(people.undo("ann").unwrap(), None);
        assert!(People::read(place.path()).unwrap().is_empty());
    }

    #[test]
    fn sides_are_even_and_differ_between_people() {
        let sides = |annotator: &str| (0..1000).map(|place| shown_left(5, annotator, place)).collect::<Vec<_>>();
        for (seed, annotator) in (0..200).flat_map(|seed| [(seed, "ann"), (seed, "Ö")]) {
            let mut lead = 0_i32;
            for place in 0..101 {
                lead += if shown_left(seed, annotator, place) == Side::Base { 1 } else { -1 };
                assert!(lead.abs() <= 1, "seed {seed}, {annotator}: {lead} after {}", place + 1);
            }
        }
        assert_eq!(sides("ann"), sides("ann"));
        let same = sides("ann").iter().zip(sides("bob")).filter(|(a, b)| **a == *b).count();
        assert!((420..580).contains(&same), "{same} of 1000 alike");
    }

    #[test]
    fn a_side_is_turned_into_the_model_that_stood_there() {
        let judged = |shown_left, verdict| Judged {
            annotator: "ann".into(),
            id: 0,
            shown_left,
            verdict,
            milliseconds: 1,
            at: 1,
            seen: false,
        };
        let outcome = |side, verdict| judged(side, verdict).outcome();
        assert_eq!(outcome(Side::Base, Verdict::Left), Some(PromptOutcome::Base));
        assert_eq!(outcome(Side::Tuned, Verdict::LeftMuch), Some(PromptOutcome::Tuned));
        assert_eq!(outcome(Side::Base, Verdict::RightMuch), Some(PromptOutcome::Tuned));
        assert_eq!(outcome(Side::Tuned, Verdict::Right), Some(PromptOutcome::Base));
        assert_eq!(outcome(Side::Tuned, Verdict::TieGood), Some(PromptOutcome::Tie));
        assert_eq!(outcome(Side::Tuned, Verdict::Skip), None);
        let said = [judged(Side::Base, Verdict::Left), judged(Side::Base, Verdict::Right)];
        assert_eq!(outcomes(&said)[&0], PromptOutcome::Tie, "one for each");
        let said = [said[0].clone(), said[1].clone(), judged(Side::Tuned, Verdict::Left)];
        assert_eq!(outcomes(&said)[&0], PromptOutcome::Tuned);
        assert!(several_judged(&[said[0].clone(), Judged { annotator: "bob".into(), ..said[1].clone() }]));
        assert!(!several_judged(&[said[0].clone(), Judged { id: 1, annotator: "bob".into(), ..said[1].clone() }]));
        assert!(outcomes(&[judged(Side::Base, Verdict::Skip)]).is_empty());
    }

    #[test]
    fn several_people_count_by_more_than_half_as_labels_do() {
        use Verdict::{Left, LeftMuch, Right, Skip, TieBad, TieGood};
        let together = |verdicts: &[Verdict]| {
            let judged = |(number, verdict): (usize, &Verdict)| Judged {
                annotator: format!("{number}"),
                id: 0,
                shown_left: Side::Tuned,
                verdict: *verdict,
                milliseconds: 1,
                at: 1,
                seen: false,
            };
            outcomes(&verdicts.iter().enumerate().map(judged).collect::<Vec<_>>()).remove(&0)
        };
        assert_eq!(together(&[Left, TieGood, TieGood, TieBad]), Some(PromptOutcome::Tie), "one beats no three ties");
        assert_eq!(together(&[Left, TieGood]), Some(PromptOutcome::Tie), "half is not more than half");
        assert_eq!(together(&[Left, LeftMuch, TieGood]), Some(PromptOutcome::Tuned));
        assert_eq!(together(&[Left, Left, Right, TieGood]), Some(PromptOutcome::Tie));
        assert_eq!(together(&[Right, Skip, Skip]), Some(PromptOutcome::Base), "a skip is no vote");
        assert_eq!(together(&[Skip, Skip]), None);
    }

    #[test]
    fn who_judges_is_called_blind_only_where_all_verdicts_are() {
        let said = |seen: &[(bool, Verdict)]| {
            let judged = |(id, (seen, verdict)): (usize, &(bool, Verdict))| Judged {
                annotator: "ann".into(),
                id,
                shown_left: Side::Tuned,
                verdict: *verdict,
                milliseconds: 1,
                at: 1,
                seen: *seen,
            };
            who_judges(&seen.iter().enumerate().map(judged).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), "people, blind");
        assert_eq!(said(&[(false, Verdict::Left), (true, Verdict::Skip)]), "people, blind");
        assert_eq!(said(&[(false, Verdict::Left), (true, Verdict::TieBad)]), "people, not all blind");
        assert_eq!(said(&[(false, Verdict::Skip), (true, Verdict::TieBad)]), "people, not blind");
    }
}
