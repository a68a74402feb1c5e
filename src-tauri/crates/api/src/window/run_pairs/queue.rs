//! The pairs of a run with their numbers, filtered and in some order; what was looked at last is kept.

use super::super::exports::quietly;
use super::super::training::RunIdentity;
use super::super::types::{PairNumbers, PairOrder, PairScorer, PairSubset, RunPairsQuery};
use super::super::{Backend, OpenProject, locked};
use super::beginning;
use super::copies::Copies;
use super::met::NeverMet;
use super::subject::{Subject, Texts};
use crate::error::{Error, Result};
use crate::model_scores::ModelScores;
use crate::suspects::{self, Scored, against, in_words};
use numbers::{interval, percent};
use prefs::checks::Share;
use prefs::store::IdsByContent;
use prefs::words::pairs;
use prefs::{Content, Pair};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs::metadata;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use train::dynamics::{self, Dynamics, PairLogps};
use train::folder::Begun;
use train::losses::sigmoid;

/// The queue that was looked at last: it is paged through.
#[derive(Default)]
pub(in crate::window) struct LastQueue(Mutex<Option<(Key, Arc<Queue>)>>);

/// What a queue is of: the run and whose numbers, and when the files were written that it is made from.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    folder: PathBuf,
    by: PairScorer,
    written: Vec<Option<SystemTime>>,
    /// [`prefs::store::Project::pairs_version`]: which pair of the project is which.
    pairs: i64,
}

/// The pairs of a run that have numbers of one kind.
pub(super) struct Queue {
    pub(super) words: String,
    /// Those trained on in the order of their file, then those held out; also those that training has never met.
    pub(super) pairs: Vec<Queued>,
    /// The arrangement that was asked for last.
    last: Mutex<Option<(Arrangement, Arc<Vec<usize>>)>>,
}

#[derive(Clone, PartialEq)]
struct Arrangement {
    order: PairOrder,
    descending: bool,
    only: PairSubset,
    text: String,
    /// [`prefs::store::Project::confirmations_version`], where that matters.
    confirmations: Option<i64>,
}

pub(super) struct Queued {
    pub(super) held_out: bool,
    pub(super) line: usize,
    /// None of a pair to train on that training has not met, where they are training's, or of one that no model scored.
    pub(super) numbers: Option<PairNumbers>,
    /// Training has not met it, though it was to be trained on.
    pub(super) never_met: bool,
    /// Training computed it before its first step alone, where every margin is that of the beginning.
    is_untouched: bool,
    /// [`Pair::content_hash`] as the run had it, and with its answers the other way round.
    pub(super) hash: String,
    pub(super) swapped: String,
    pub(super) standing: Standing,
    pub(super) place: Place,
}

/// Whether the project still trains on a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it was.
    Same,
    /// With the answers the other way round.
    Swapped,
    /// With other texts, or not at all.
    Gone,
}

impl Standing {
    fn of(ids: &IdsByContent, hash: &str, swapped: &str) -> Self {
        match (ids.is_trained_on(hash), ids.is_trained_on(swapped)) {
            (true, _) => Self::Same,
            (false, true) => Self::Swapped,
            (false, false) => Self::Gone,
        }
    }
}

#[derive(Clone)]
pub(super) struct Place {
    /// The pair of the project that it is, where there is one.
    pub(super) id: Option<i64>,
    /// The beginnings of its texts as the run had them.
    pub(super) texts: [String; 3],
}

impl Place {
    pub(super) fn of(pair: &Pair, ids: &IdsByContent) -> Self {
        // Relabelled since, it may have been imported anew the other way round.
        let id = ids.get(&pair.content_hash()).or_else(|| ids.get(&pair.swapped().content_hash()));
        Self { id, texts: [&pair.prompt, &pair.chosen, &pair.rejected].map(beginning) }
    }
}

/// The pairs of a run with their numbers; none where there are no numbers of that kind.
pub(super) fn queue(
    backend: &Backend,
    project: &OpenProject,
    subject: &Subject,
    by: PairScorer,
) -> Result<Option<Arc<Queue>>> {
    let folds = match by {
        PairScorer::Folds(folds) => Some(folds),
        PairScorer::Training | PairScorer::Run | PairScorer::Model => None,
    };
    let folder = subject.folder();
    let mut files = suspects::files(folder, folds);
    // What counts of a run that is taken up again stands in its events.
    files.extend([dynamics::FILE, train::events::FILE].map(|file| folder.join(file)));
    files.extend(subject.file());
    let written = files.iter().map(|file| metadata(file).and_then(|found| found.modified()).ok()).collect();
    let key = Key { folder: folder.clone(), by, written, pairs: project.store().pairs_version()? };
    if let Some((of, queue)) = &*locked(&backend.0.last_queue.0)
        && *of == key
    {
        return Ok(Some(Arc::clone(queue)));
    }
    let found = match subject {
        Subject::Run(run) => of_run(backend, project, (run, subject), by, folds)?,
        Subject::Scores(_) => Some(Queue::of_model(project, subject)?),
    };
    let Some(queue) = found.map(Arc::new) else { return Ok(None) };
    *locked(&backend.0.last_queue.0) = Some((key, Arc::clone(&queue)));
    Ok(Some(queue))
}

/// By training, or by a model that scored the pairs of a run; none where there are no such numbers.
fn of_run(
    backend: &Backend,
    project: &OpenProject,
    (run, subject): (&RunIdentity, &Subject),
    by: PairScorer,
    folds: Option<usize>,
) -> Result<Option<Queue>> {
    // Scores are whole without what training kept.
    let dynamics = match dynamics::read(&run.folder) {
        Err(_) if by != PairScorer::Training => Dynamics::new(),
        read => read?,
    };
    let begun = Begun::read(&run.folder)?;
    let copies = Copies::of(&begun);
    let dynamics = copies.joined(dynamics);
    let events = train::events::read(&run.folder.join(train::events::FILE)).map(train::events::effective);
    let never = NeverMet::of(&begun, &copies, &dynamics, &events.unwrap_or_default());
    drop(begun);
    let queue = match by {
        PairScorer::Training if dynamics.is_empty() => return Ok(None),
        PairScorer::Training => {
            train::origin::check_run(&run.folder)?;
            Queue::of_training(project, (run, subject), &dynamics, &never)?
        }
        PairScorer::Run | PairScorer::Folds(_) | PairScorer::Model => {
            let Some(model) = backend.model_here(&run.model)? else { return Ok(None) };
            let config = train::RunConfig { model, ..run.config.clone() };
            let Some(scored) = quietly(|context| suspects::known(&run.folder, &config, folds, context))? else {
                return Ok(None);
            };
            Queue::of_scores(project, (run, subject, &copies), folds, &scored, (&dynamics, &never))?
        }
    };
    Ok(Some(Queue { words: queue.words + &copies.words() + &never.words, ..queue }))
}

impl Queue {
    /// By a model that scored all pairs.
    fn of_scores(
        project: &OpenProject,
        (run, subject, copies): (&RunIdentity, &Subject, &Copies),
        folds: Option<usize>,
        scored: &Scored,
        (dynamics, never): (&Dynamics, &NeverMet),
    ) -> Result<Self> {
        let once = scored.pairs.iter().filter(|pair| !copies.is_copy(pair.held_out, pair.line));
        let words = in_words(&against(once.clone()), folds, scored.identical, scored.too_long);
        let settings = &run.config.settings;
        let beta = settings.beta;
        // Of pairs trained on the steps are those before: the policy that scored has taken one more.
        let last =
            dynamics.iter().filter_map(|((held_out, _), of)| Some(of.keys().next_back()? + u64::from(!held_out)));
        let last = last.max().unwrap_or_default();
        let numbers = once.map(|pair| {
            let first = dynamics.get(&(pair.held_out, pair.line)).and_then(|computed| computed.first_key_value());
            // A reference that followed the policy was another one then.
            let first = first.filter(|(step, _)| **step < last && !settings.sync_ref_model && folds.is_none());
            let score = &pair.score;
            let numbers = PairNumbers {
                margin: score.margin(),
                probability: Some(score.probability()),
                chosen_reward: score.chosen_reward,
                rejected_reward: score.rejected_reward,
                chosen_logps: score.chosen_logps,
                rejected_logps: score.rejected_logps,
                loss: Some(score.loss),
                chosen_tokens: Some(score.chosen_tokens),
                rejected_tokens: Some(score.rejected_tokens),
                moved: first.map(|(_, first)| score.margin() - margin(first, beta)),
            };
            (pair.held_out, pair.line, numbers, false)
        });
        Self::of(project, subject, words, numbers, never)
    }

    /// By a model without a run.
    fn of_model(project: &OpenProject, subject: &Subject) -> Result<Self> {
        let scores = ModelScores::read(subject.folder())?;
        let numbers = scores.lines.iter().map(|line| {
            let (measured, logps) = (scores.measured(line), &line.logps);
            let numbers = PairNumbers {
                margin: measured.margin(),
                probability: measured.probability,
                chosen_reward: measured.chosen,
                rejected_reward: measured.rejected,
                chosen_logps: logps.chosen_logps,
                rejected_logps: logps.rejected_logps,
                loss: measured.loss,
                chosen_tokens: Some(logps.chosen_tokens),
                rejected_tokens: Some(logps.rejected_tokens),
                moved: None,
            };
            (false, line.line, numbers, false)
        });
        Self::of(project, subject, scores.words(), numbers, &NeverMet::default())
    }

    /// By training itself.
    fn of_training(
        project: &OpenProject,
        (run, subject): (&RunIdentity, &Subject),
        dynamics: &Dynamics,
        never: &NeverMet,
    ) -> Result<Self> {
        let settings = &run.config.settings;
        let numbers = dynamics.iter().filter_map(|(&(held_out, line), computed)| {
            let (first, last) = (computed.values().next()?, computed.values().next_back()?);
            let moves = computed.len() > 1 && !settings.sync_ref_model;
            let is_untouched = computed.last_key_value().is_some_and(|(step, _)| *step == 0);
            Some((held_out, line, of_logps(first, last, moves, settings.beta), is_untouched))
        });
        let queue = Self::of(project, subject, String::new(), numbers, never)?;
        // What names no pair of the run is in no row, and so in no count.
        let known = queue.pairs.iter().filter_map(|queued| queued.numbers);
        let prefers = known.clone().filter(|numbers| numbers.margin < 0.0).count();
        let mut words = training_words(&Share::new(prefers, known.count()), dynamics);
        if settings.sync_ref_model {
            words += "; the reference followed the policy, so that those of different steps are compared with different ones";
        }
        Ok(Self { words, ..queue })
    }

    fn of(
        project: &OpenProject,
        subject: &Subject,
        words: String,
        numbers: impl Iterator<Item = (bool, usize, PairNumbers, bool)>,
        never: &NeverMet,
    ) -> Result<Self> {
        let texts = subject.texts()?;
        let ids = project.another_store()?.ids_by_content()?;
        let queued = |held_out: bool, line: usize, numbers: Option<PairNumbers>, is_untouched: bool| {
            let pair = texts.of(held_out, line)?;
            let (hash, swapped) = (pair.content_hash(), pair.swapped().content_hash());
            let (standing, place) = (Standing::of(&ids, &hash, &swapped), Place::of(pair, &ids));
            let never_met = !held_out && never.lines.contains(&line);
            Some(Queued { held_out, line, numbers, never_met, is_untouched, hash, swapped, standing, place })
        };
        let mut pairs: Vec<Queued> = numbers
            .filter_map(|(held_out, line, numbers, is_untouched)| queued(held_out, line, Some(numbers), is_untouched))
            .collect();
        let known: HashSet<usize> = pairs.iter().filter(|pair| !pair.held_out).map(|pair| pair.line).collect();
        let bare = never.lines.iter().filter(|line| !known.contains(line));
        pairs.extend(bare.filter_map(|&line| queued(false, line, None, false)));
        pairs.sort_by_key(|queued| (queued.held_out, queued.line));
        Ok(Self { words, pairs, last: Mutex::default() })
    }

    pub(super) fn pair(&self, held_out: bool, line: usize) -> Option<&Queued> {
        let place = self.pairs.binary_search_by_key(&(held_out, line), |queued| (queued.held_out, queued.line));
        self.pairs.get(place.ok()?)
    }

    /// The project's pairs at these places.
    pub(super) fn ids(&self, places: &[usize]) -> Vec<i64> {
        places.iter().filter_map(|&place| self.pairs[place].place.id).collect()
    }

    /// The places of the pairs that are asked for, in that order; equal ones in the order of their files.
    pub(super) fn arranged(
        &self,
        project: &OpenProject,
        subject: &Subject,
        query: &RunPairsQuery,
    ) -> Result<Arc<Vec<usize>>> {
        let RunPairsQuery { order, descending, only, ref text, .. } = *query;
        let text = text.trim().to_lowercase();
        let is_open = only == PairSubset::Open;
        let confirmations = is_open.then(|| project.store().confirmations_version()).transpose()?;
        let arrangement = Arrangement { order, descending, only, text, confirmations };
        if let Some((of, places)) = &*locked(&self.last)
            && *of == arrangement
        {
            return Ok(Arc::clone(places));
        }
        // Texts are not held: they are read again for a search.
        let texts = if arrangement.text.is_empty() { None } else { Some(subject.texts()?) };
        let confirmed = if is_open { project.store().confirmed()? } else { HashSet::new() };
        let is_wanted = |queued: &Queued| {
            let here = match only {
                PairSubset::All => true,
                PairSubset::Trained => !queued.held_out,
                PairSubset::HeldOut => queued.held_out,
                PairSubset::Against => queued.numbers.is_some_and(|numbers| numbers.margin < 0.0),
                PairSubset::NeverMet => queued.never_met,
                PairSubset::Open => queued.standing == Standing::Same && !confirmed.contains(&queued.hash),
            };
            let says = |texts: &Texts| {
                texts.of(queued.held_out, queued.line).is_some_and(|pair| holds(pair, &arrangement.text))
            };
            here && texts.as_ref().is_none_or(says)
        };
        let mut places: Vec<usize> = (0..self.pairs.len()).filter(|&place| is_wanted(&self.pairs[place])).collect();
        let key = |&place: &usize| key(&self.pairs[place], place, order);
        let is_bare = |&place: &usize| self.pairs[place].numbers.is_none();
        // What has no number stands last either way, and last of all what has none at all.
        places.sort_by(|one, other| match (key(one), key(other)) {
            (Some(one), Some(other)) if descending => other.total_cmp(&one),
            (Some(one), Some(other)) => one.total_cmp(&other),
            (None, None) => is_bare(one).cmp(&is_bare(other)),
            (one, other) => other.is_some().cmp(&one.is_some()),
        });
        let places = Arc::new(places);
        *locked(&self.last) = Some((arrangement, Arc::clone(&places)));
        Ok(places)
    }
}

fn key(queued: &Queued, place: usize, order: PairOrder) -> Option<f64> {
    if order == PairOrder::Line {
        return Some(place as f64);
    }
    let numbers = queued.numbers.as_ref()?;
    match order {
        // What training has not changed yet says nothing of a pair.
        PairOrder::Margin | PairOrder::Decided if queued.is_untouched => None,
        PairOrder::Margin => Some(numbers.margin),
        PairOrder::Decided => Some(numbers.margin.abs()),
        PairOrder::Loss => numbers.loss,
        PairOrder::ChosenReward => Some(numbers.chosen_reward),
        PairOrder::RejectedReward => Some(numbers.rejected_reward),
        PairOrder::ChosenLogps => Some(numbers.chosen_logps),
        PairOrder::RejectedLogps => Some(numbers.rejected_logps),
        PairOrder::Tokens => Some((numbers.chosen_tokens? + numbers.rejected_tokens?) as f64),
        PairOrder::Moved => numbers.moved,
        PairOrder::Line => None,
    }
}

fn of_logps(first: &PairLogps, last: &PairLogps, more_than_once: bool, beta: f64) -> PairNumbers {
    let [chosen_reward, rejected_reward] = last.rewards(beta);
    let now = margin(last, beta);
    PairNumbers {
        margin: now,
        probability: Some(sigmoid(now)),
        chosen_reward,
        rejected_reward,
        chosen_logps: last.chosen.into(),
        rejected_logps: last.rejected.into(),
        loss: None,
        chosen_tokens: None,
        rejected_tokens: None,
        moved: more_than_once.then(|| now - margin(first, beta)),
    }
}

fn margin(logps: &PairLogps, beta: f64) -> f64 {
    let [chosen, rejected] = logps.rewards(beta);
    chosen - rejected
}

fn training_words(against: &Share, dynamics: &Dynamics) -> String {
    let Share { count, of, share, interval: [low, high] } = against;
    let steps = |held_out: bool| {
        let of = dynamics.iter().filter(move |((held, _), _)| *held == held_out);
        of.filter_map(|(_, computed): (_, &BTreeMap<u64, PairLogps>)| computed.keys().next_back()).copied()
    };
    let mut words = format!(
        "{} as training last computed them: of {} ({}, 95 % interval {}) the model preferred the rejected answer then",
        pairs(*of),
        numbers::count(*count),
        percent(*share),
        interval(*low, *high)
    );
    if let (Some(first), Some(last)) = (steps(false).min(), steps(false).max()) {
        let _ = write!(words, "; those trained on after {first} to {last} steps, each before the step that it was in");
    }
    if let Some(last) = steps(true).max() {
        let _ = write!(words, "; those held out after {last} steps");
    }
    words
}

/// Said where numbers are asked for that there are not.
pub(super) fn not_scored() -> Error {
    Error::new("not_scored", "the pairs have not been scored", "Score them first.")
}

/// Whether one of its texts holds `text`, which is in lower case.
fn holds(pair: &Pair, text: &str) -> bool {
    [&pair.prompt, &pair.chosen, &pair.rejected].into_iter().any(|content| match content {
        Content::Text(said) => said.to_lowercase().contains(text),
        Content::Messages(said) => said.messages.iter().any(|message| message.text().to_lowercase().contains(text)),
    })
}
