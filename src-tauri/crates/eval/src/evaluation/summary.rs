//! What verdicts come to: rates, words, and what people said beside a judge.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use numbers::{counted, figure, percent};
use serde::{Deserialize, Serialize};

use super::{Evaluation, Item, Names, PromptOutcome};
use crate::answers::Side;
use crate::degeneration::TextStatistics;
use crate::judge::Judge;
use crate::people::{self, Judged};
use crate::statistics::{FirstShare, Interval, Tally, Verdict, sign_test};

/// The result of one group of prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Wins, ties, losses and prompts without a verdict.
    #[serde(flatten)]
    pub tally: Tally,
    /// The win rate of [`Side::Tuned`], ties as half; none when nothing was judged.
    pub win_rate: Option<f64>,
    /// Its Wilson 95 % interval.
    pub win_rate_interval: Option<Interval>,
}

impl From<Tally> for GroupSummary {
    fn from(tally: Tally) -> Self {
        Self { tally, win_rate: tally.win_rate(), win_rate_interval: tally.interval() }
    }
}

/// What an evaluation comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All prompts.
    #[serde(flatten)]
    pub all: GroupSummary,
    /// Exact two-sided sign test of wins against losses.
    pub sign_test_p: f64,
    /// What that allows to say.
    pub verdict: Verdict,
    /// The same in words, with whatever one must know beside it.
    pub words: String,
    /// By category, where prompts have one; those of the others are together under `(no category)`.
    pub categories: BTreeMap<String, GroupSummary>,
    /// Length and repetition of the answers of [`Side::Base`].
    pub base: TextStatistics,
    /// Length and repetition of the answers of [`Side::Tuned`].
    pub tuned: TextStatistics,
    /// Of the ties, those where both answers are the same, letter for letter.
    #[serde(default)]
    pub same_answers: usize,
    /// Of the prompts without a verdict, those that nobody was asked about yet.
    #[serde(default)]
    pub not_judged: usize,
    /// Why the judge gave no verdict, most often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_verdict_reason: Option<Reason>,
    /// Whether the judge likes the answer it is shown first; none for rules, which do not know which that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_first: Option<FirstShare>,
}

/// What prompts without a category are called beside those with one.
const NO_CATEGORY: &str = "(no category)";

impl Summary {
    /// Sums up judged items.
    pub(super) fn of(items: &[Item], judge: &Judge, said: &[Judged], names: &Names) -> Self {
        let all: Tally = items.iter().map(|item| &item.outcome).collect();
        let with_one: BTreeSet<&String> = items.iter().filter_map(|item| item.category.as_ref()).collect();
        let of = |name: Option<&String>| {
            items.iter().filter(|item| item.category.as_ref() == name).map(|item| &item.outcome).collect::<Tally>()
        };
        let mut categories: BTreeMap<String, GroupSummary> =
            with_one.into_iter().map(|name| (name.clone(), of(Some(name)).into())).collect();
        if !categories.is_empty() && items.iter().any(|item| item.category.is_none()) {
            categories.insert(NO_CATEGORY.to_owned(), of(None).into());
        }
        let shown_first = match judge {
            Judge::People => left_share(said),
            judge if judge.sees_places() => FirstShare::of(items.iter().filter(|item| !item.same).filter_map(decided)),
            _ => None,
        };
        let mut summary = Self {
            all: all.into(),
            sign_test_p: sign_test(all.wins, all.losses),
            verdict: all.verdict(),
            words: String::new(),
            categories,
            base: TextStatistics::of(items.iter().map(|item| &item.base)),
            tuned: TextStatistics::of(items.iter().map(|item| &item.tuned)),
            same_answers: items.iter().filter(|item| item.same).count(),
            not_judged: items.iter().filter(|item| item.outcome == PromptOutcome::NotJudged).count(),
            no_verdict_reason: Reason::most_frequent(items.iter().map(|item| &item.outcome)),
            shown_first,
        };
        summary.words = summary.in_words(judge, items.len(), names);
        summary
    }

    fn in_words(&self, judge: &Judge, prompts: usize, names: &Names) -> String {
        let nobody = *judge == Judge::People && self.all.tally.judged() == 0;
        let mut words = vec![match self.all.tally {
            _ if nobody => NOBODY.to_owned(),
            _ if self.not_judged > 0 && self.not_judged == prompts => "Nothing is judged yet.".to_owned(),
            tally => tally.words(names),
        }];
        if let Some(Reason { text, prompts }) = &self.no_verdict_reason {
            words.push(format!(
                "Why, most often ({prompts} times), such as: {}.",
                shortened(text).trim_end_matches('.')
            ));
        }
        words.extend(same_in_words(self.same_answers, prompts));
        let liking = self.shown_first.as_ref().filter(|share| share.is_a_liking());
        words.extend(liking.map(|share| place_in_words(share, judge, names)));
        words.join(" ")
    }
}

impl Evaluation {
    /// How often the answer that stood first won; none where nothing was decided, or by a rule, or where it is a liking, which
    /// the words of the summary say.
    pub fn places_in_words(&self) -> Option<String> {
        let share = self.summary.shown_first.as_ref().filter(|share| !share.is_a_liking())?;
        Some(place_in_words(share, &self.judge, &self.ancestry.names()))
    }
}

impl Evaluation {
    /// What its judge does, in words; of people, whether they judged blind.
    pub fn judge_in_words(&self) -> String {
        match self.judge {
            Judge::People => people::who_judges(self.people.as_ref().map_or(&[], |people| &people.verdicts)).to_owned(),
            _ => self.judge.description(),
        }
    }
}

fn place_in_words(share: &FirstShare, judge: &Judge, names: &Names) -> String {
    match judge {
        Judge::People => share.words("Who judges", LEFT_AND_RIGHT, names),
        _ => share.words("The judge", ("first", "second"), names),
    }
}

const NOBODY: &str = "Nobody has judged these answers yet.";

/// What first and second place are called where people judge.
const LEFT_AND_RIGHT: (&str, &str) = ("on the left", "on the right");

fn same_in_words(same: usize, prompts: usize) -> Option<String> {
    match same {
        0 => None,
        1 => Some(format!("1 of {prompts} answers was the same and counts as a tie.")),
        _ => Some(format!("{same} of {prompts} answers were the same and count as ties.")),
    }
}

/// Whether the answer shown first won, and whether that is of [`Side::Base`]; none where neither won.
fn decided(item: &Item) -> Option<(bool, bool)> {
    Some((item.outcome.winner()? == item.shown_first, item.shown_first == Side::Base))
}

/// How often people find the answer on the left better.
fn left_share<'a>(said: impl IntoIterator<Item = &'a Judged>) -> Option<FirstShare> {
    let decided =
        |judged: &Judged| Some((judged.outcome()?.winner()? == judged.shown_left, judged.shown_left == Side::Base));
    FirstShare::of(said.into_iter().filter_map(decided))
}

impl<'a> FromIterator<&'a PromptOutcome> for Tally {
    fn from_iter<T: IntoIterator<Item = &'a PromptOutcome>>(outcomes: T) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                PromptOutcome::Tuned => tally.wins += 1,
                PromptOutcome::Base => tally.losses += 1,
                PromptOutcome::Tie => tally.ties += 1,
                PromptOutcome::NotJudged | PromptOutcome::NoVerdict(_) => tally.no_verdict += 1,
            }
        }
        tally
    }
}

/// Why a judge gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// As it was given for one of the prompts.
    pub text: String,
    /// How many prompts have no verdict for the same reason, whatever words the judge had for it.
    pub prompts: usize,
}

impl Reason {
    /// The reason that most of the outcomes without a verdict have, of several the first.
    pub fn most_frequent<'a>(outcomes: impl IntoIterator<Item = &'a PromptOutcome>) -> Option<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for outcome in outcomes {
            let PromptOutcome::NoVerdict(why) = outcome else { continue };
            // What a program complains of may name the pair, and words that are no verdict differ from pair to pair.
            let kind = why.split("; it said: ").next().unwrap_or(why);
            let kind = kind.split(" answered \"").next().unwrap_or(kind);
            let place = *places.entry(kind).or_insert(kinds.len());
            match kinds.get_mut(place) {
                Some(reason) => reason.prompts += 1,
                None => kinds.push(Self { text: why.clone(), prompts: 1 }),
            }
        }
        // `max_by_key` gives the last of several.
        kinds.into_iter().rev().max_by_key(|reason| reason.prompts)
    }
}

/// A reason in the length of a sentence.
fn shortened(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= 200 {
        return one_line;
    }
    one_line.chars().take(200).chain(" …".chars()).collect()
}

/// What people said of the answers, whoever else judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PeopleSummary {
    /// What they [say together](people::outcomes), over all prompts.
    #[serde(flatten)]
    pub all: GroupSummary,
    /// Exact two-sided sign test of wins against losses.
    pub sign_test_p: f64,
    pub words: String,
    /// Everybody who has judged.
    pub annotators: Vec<AnnotatorSummary>,
    /// How far the judge and people agree, where another judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_judge: Option<WithJudge>,
    /// Every verdict that stands, in the order in which they were given.
    pub verdicts: Vec<Judged>,
}

/// One who has judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AnnotatorSummary {
    pub annotator: String,
    /// Prompts judged.
    pub judged: usize,
    /// Prompts skipped.
    pub skipped: usize,
    /// Prompts judged after their answers had been shown with their authors.
    #[serde(default)]
    pub seen: usize,
    /// Whether they like the left one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_left: Option<FirstShare>,
}

/// How far the judge and people agree, on the prompts that both were asked about and judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WithJudge {
    /// How many these are.
    pub items: usize,
    /// Share of them on which they agree, 0 to 1.
    pub percent: f64,
    /// Cohen's kappa over tuned, base and tie; none where both always said the same one.
    pub kappa: Option<f64>,
}

impl AnnotatorSummary {
    /// How much they judged, and whether they like a place, in a sentence or two.
    pub fn words(&self, names: &Names) -> String {
        let Self { annotator, judged, skipped, seen, shown_left } = self;
        let seen = match seen {
            0 => String::new(),
            1 => {
                " 1 verdict was given after the answers had been shown with their authors, and is not blind.".to_owned()
            }
            _ => format!(
                " {seen} verdicts were given after the answers had been shown with their authors, and are not blind."
            ),
        };
        let skipped = if *skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let left = shown_left
            .as_ref()
            .map_or_else(String::new, |share| format!(" {}", share.words(annotator, LEFT_AND_RIGHT, names)));
        format!("{annotator}: {judged} judged{skipped}.{seen}{left}")
    }
}

impl PeopleSummary {
    /// Who judged, as [`people::who_judges`] says.
    pub fn who_judges(&self) -> &'static str {
        people::who_judges(&self.verdicts)
    }

    /// How verdicts of several became one, where several judged a prompt.
    pub fn how_they_count(&self) -> Option<&'static str> {
        people::several_judged(&self.verdicts).then_some(people::HOW_PEOPLE_COUNT)
    }

    /// From what stands; `None` where nobody has judged. `items` are the judge's.
    pub(super) fn of(items: &[Item], judge: &Judge, said: &[Judged], names: &Names) -> Option<Self> {
        let mut by_name: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
        for judged in said {
            by_name.entry(&judged.annotator).or_default().push(judged);
        }
        if by_name.is_empty() {
            return None;
        }
        let all: Tally = items.iter().map(|item| item.people.as_ref().unwrap_or(&PromptOutcome::NotJudged)).collect();
        let annotators = by_name.into_iter().map(|(name, said)| {
            let skipped = said.iter().filter(|judged| judged.outcome().is_none()).count();
            AnnotatorSummary {
                annotator: name.to_owned(),
                judged: said.len() - skipped,
                skipped,
                seen: said.iter().filter(|judged| judged.seen && judged.outcome().is_some()).count(),
                shown_left: left_share(said),
            }
        });
        Some(Self {
            all: all.into(),
            sign_test_p: sign_test(all.wins, all.losses),
            // Who only skipped has judged nothing, and is no judge that gave no verdict.
            words: if all.judged() == 0 { NOBODY.to_owned() } else { all.words(names) },
            annotators: annotators.collect(),
            with_judge: (*judge != Judge::People).then(|| WithJudge::of(items, said)).flatten(),
            verdicts: said.to_vec(),
        })
    }
}

impl WithJudge {
    /// How far they agree, in a sentence.
    pub fn words(&self) -> String {
        let kappa = self.kappa.map_or_else(String::new, |kappa| format!(" (Cohen's kappa {})", figure(kappa)));
        let items = counted(self.items, "item", "items");
        format!("On {items} with both, the judge and people agree on {}{kappa}.", percent(self.percent))
    }

    fn of(items: &[Item], said: &[Judged]) -> Option<Self> {
        // What nobody was asked about is agreed on by nobody.
        let said = people::outcomes(said);
        let category = |outcome: &PromptOutcome| outcome.is_verdict().then(|| outcome.winner());
        let judged = items.iter().filter(|item| !item.same);
        let both: Vec<(Option<Side>, Option<Side>)> =
            judged.filter_map(|item| Some((category(&item.outcome)?, category(said.get(&item.id)?)?))).collect();
        let alike = both.iter().filter(|(judge, people)| judge == people).count();
        (!both.is_empty()).then(|| Self {
            items: both.len(),
            percent: alike as f64 / both.len() as f64,
            kappa: prefs::agreement::cohens_kappa(&both),
        })
    }
}
