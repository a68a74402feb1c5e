//! The pairs of a run as its model sees them: their rewards and log-probabilities, over training and after it, with what
//! became of each pair in the project since.

mod acts;
mod change;
mod copies;
mod figures;
mod met;
mod queue;
mod subject;

pub(super) use acts::{act_on_run_pairs, run_pair_ids};
pub(super) use change::compare_pairs;
pub(super) use figures::run_pairs_figure;
pub(super) use queue::LastQueue;

use super::housekeeping::name_of;
use super::training::{RunIdentity, check_grounds, run_identity};
use super::types::{
    ItemKind, Job, JobKind, PairNow, RunPairOf, RunPairRow, RunPairView, RunPairsOf, RunPairsView, ScorePairs,
};
use super::{Backend, OpenProject, Working};
use crate::error::{Error, Result};
use crate::suspects::{self, refuse_unready};
use prefs::store::PairSource;
use prefs::{Content, Pair};
use queue::{Place, Queued, queue};
use subject::Subject;
use train::folder::ADAPTER;

/// Rows that cross to the page at once.
const MOST_ROWS: usize = 200;

/// Characters of each text that do.
const SHOWN: usize = 200;

/// Starts the job that scores the pairs of a run; the one that is at work already, where there is one.
pub(super) fn score_pairs(backend: &Backend, request: ScorePairs) -> Result<Job> {
    let ScorePairs { project, run, folds, allow_changed_base } = request;
    let project = backend.project(&project)?;
    let named = project.name_of_folder();
    let run = run_identity(backend, &project, &run)?;
    let title = format!("Score the pairs of {}", run.name);
    match backend.running_job(JobKind::Suspects, &named) {
        Some(job) if job.title == title => return Ok(job),
        Some(job) => {
            let message = format!("another job is at work: {}", job.title);
            return Err(Error::new("busy", message, "Wait for it, or cancel it."));
        }
        None => {}
    }
    refuse_unready(&run.folder)?;
    check_grounds(backend, &run, allow_changed_base)?;
    backend.start_job(JobKind::Suspects, &named, &title, move |working| {
        working.uses(&run.folder);
        let result = score(&run, folds, allow_changed_base, working);
        working.backend().changed(&project);
        result
    })
}

fn score(run: &RunIdentity, folds: Option<usize>, allow_changed_base: bool, working: &Working) -> Result<()> {
    let adapter = run.folder.join(ADAPTER);
    working.backend().with_model(&run.model, run.how(allow_changed_base), Some(&adapter), working, |opened| {
        working.with_context(|context| {
            suspects::score(&run.folder, &run.config, folds, opened, allow_changed_base, context)
        })?;
        Ok(())
    })
}

/// A part of the pairs, where they have numbers.
pub(super) fn run_pairs(backend: &Backend, request: RunPairsOf) -> Result<RunPairsView> {
    let RunPairsOf { query, offset, limit } = request;
    let project = backend.project(&query.project)?;
    let subject = Subject::find(backend, &project, &query.run, query.by)?;
    let (measure, name) = (subject.measure()?, None);
    // First: what is written while this is read counts as not seen.
    let seen = project.store().mark()?;
    let Some(queue) = queue(backend, &project, &subject, query.by)? else {
        return Ok(RunPairsView { known: false, all: 0, total: 0, words: None, name, measure, rows: Vec::new(), seen });
    };
    let name = match &subject {
        Subject::Run(_) => name,
        Subject::Scores(folder) => Some(name_of(backend, &project, ItemKind::Scores, folder)),
    };
    let places = queue.arranged(&project, &subject, &query)?;
    let part = places.iter().skip(offset).take(limit.min(MOST_ROWS));
    let rows = part.map(|&place| row(&project, &queue.pairs[place])).collect::<Result<_>>()?;
    let words = Some(queue.words.clone());
    let seen = prefs::store::marked(&seen, &queue.ids(&places));
    Ok(RunPairsView { known: true, all: queue.pairs.len(), total: places.len(), words, name, measure, rows, seen })
}

/// One pair of a run, whether or not it has numbers.
pub(super) fn run_pair(backend: &Backend, request: RunPairOf) -> Result<RunPairView> {
    let RunPairOf { project, run, by, held_out, line, theme, width, height } = request;
    let project = backend.project(&project)?;
    let subject = Subject::find(backend, &project, &run, by)?;
    let Some(pair) = subject.texts()?.of(held_out, line).cloned() else {
        let message = match &subject {
            Subject::Run(_) => {
                format!("this run has no {} pair {line}", if held_out { "held-out" } else { "training" })
            }
            Subject::Scores(_) => format!("pair {line} has no scores here"),
        };
        return Err(Error::new("no_pair", message, "Go back to the list of its pairs."));
    };
    let copies = subject.copies()?;
    let line = copies.first(held_out, line);
    let known = queue(backend, &project, &subject, by)?;
    let numbers = known.as_ref().and_then(|queue| queue.pair(held_out, line)).and_then(|queued| queued.numbers);
    let place = match known.as_ref().and_then(|queue| queue.pair(held_out, line)) {
        Some(queued) => queued.place.clone(),
        None => Place::of(&pair, &project.another_store()?.ids_by_content()?),
    };
    let (id, now, ..) = place.now(&project, &pair.content_hash(), &pair.swapped().content_hash())?;
    let (computed, course) = match &subject {
        Subject::Run(run) => {
            // The queue tells of what cannot be read.
            let dynamics = copies.joined(train::dynamics::read(&run.folder).unwrap_or_default());
            let computed = dynamics.get(&(held_out, line));
            let course = computed.filter(|computed| computed.len() > 1);
            let beta = run.config.settings.beta;
            let course = course.map(|course| figures::course(course, beta, theme, (width, height))).transpose()?;
            (computed.map_or(0, std::collections::BTreeMap::len), course)
        }
        Subject::Scores(_) => (0, None),
    };
    let Pair { prompt, chosen, rejected, .. } = pair;
    let measure = subject.measure()?;
    Ok(RunPairView { id, now, prompt, chosen, rejected, numbers, measure, computed, course })
}

fn row(project: &OpenProject, queued: &Queued) -> Result<RunPairRow> {
    let (id, now, confirmed, [prompt, chosen, rejected]) = queued.place.now(project, &queued.hash, &queued.swapped)?;
    let Queued { held_out, line, numbers, never_met, .. } = *queued;
    Ok(RunPairRow { held_out, line, id, now, confirmed, never_met, prompt, chosen, rejected, numbers })
}

impl Place {
    /// The project's pair, what became of it since the run, whether its label was found right, and the beginnings of its texts as
    /// they are now. `hash` and
    /// `swapped` are those of the pair as the run had it, and of that the other way round.
    fn now(
        &self,
        project: &OpenProject,
        hash: &str,
        swapped: &str,
    ) -> Result<(Option<i64>, PairNow, bool, [String; 3])> {
        let elsewhere = || (None, PairNow::Elsewhere, false, self.texts.clone());
        let Some(id) = self.id else { return Ok(elsewhere()) };
        let view = match project.store().pair(id) {
            // A label that was taken back leaves no pair.
            Err(prefs::Error::NoPair { .. }) => return Ok(elsewhere()),
            view => view?,
        };
        let texts = [&view.prompt, &view.chosen, &view.rejected].map(beginning);
        let is_removed = matches!(view.source, PairSource::Removed | PairSource::TakenBack);
        let pair = Pair { prompt: view.prompt, chosen: view.chosen, rejected: view.rejected, category: None };
        let found = pair.content_hash();
        let now = match () {
            () if is_removed => PairNow::Removed,
            () if found == *hash => PairNow::Same,
            () if found == *swapped => PairNow::Swapped,
            () => PairNow::Changed,
        };
        Ok((Some(id), now, view.confirmed, texts))
    }
}

fn beginning(content: &Content) -> String {
    content.last_text().chars().take(SHOWN).collect()
}
