//! Pairs of a run that its model thinks are labelled the wrong way round, with what became of them in the project.

use super::exports::quietly;
use super::models::LoadOptions;
use super::training::{RunIdentity, check_grounds, run_identity};
use super::types::{Job, JobKind, ScorePairs, SuspectNow, SuspectOrder, SuspectRow, SuspectsOf, SuspectsView};
use super::{Backend, OpenProject, Working, locked};
use crate::error::Result;
use crate::suspects::{self, Scored, ScoredPair, against, in_words, pair_of, refuse_unready};
use prefs::store::PairSource;
use prefs::{Content, Pair};
use std::fs::metadata;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use train::folder::{ADAPTER, Begun};

/// Rows that cross to the page at once.
const MOST_ROWS: usize = 200;

/// Characters of each text that do.
const SHOWN: usize = 200;

/// The queue that was looked at last: it is paged through.
#[derive(Default)]
pub(super) struct LastQueue(Mutex<Option<(Key, Arc<Queue>)>>);

/// What a queue is of: the request but for its part, and when the files were written that it is made from.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    run: PathBuf,
    folds: Option<usize>,
    order: SuspectOrder,
    written: Vec<Option<SystemTime>>,
}

struct Queue {
    words: String,
    pairs: Vec<Queued>,
}

struct Queued {
    scored: ScoredPair,
    /// [`Pair::content_hash`] as it was scored, and with its answers the other way round.
    hash: String,
    swapped: String,
    place: Place,
}

enum Place {
    /// It is a pair of the project.
    Here(i64),
    /// It is not: these are the beginnings of its texts.
    Elsewhere([String; 3]),
}

/// Starts the job that scores the pairs of a run; the one that is at work already, where there is one.
pub(super) fn score_pairs(backend: &Backend, request: ScorePairs) -> Result<Job> {
    let ScorePairs { project, run, folds, allow_changed_base } = request;
    let project = backend.project(&project)?;
    let named = project.name_of_folder();
    if let Some(job) = backend.running_job(JobKind::Suspects, &named) {
        return Ok(job);
    }
    let run = run_identity(backend, &project, &run)?;
    refuse_unready(&run.folder)?;
    check_grounds(backend, &run, allow_changed_base)?;
    let title = format!("Score the pairs of {}", run.name);
    backend.start_job(JobKind::Suspects, &named, &title, move |working| {
        let result = score(&run, folds, allow_changed_base, working);
        working.backend().changed(&project);
        result
    })
}

fn score(run: &RunIdentity, folds: Option<usize>, allow_changed_base: bool, working: &Working) -> Result<()> {
    let adapter = run.folder.join(ADAPTER);
    let settings = &run.config.settings;
    let how = LoadOptions { dtype: settings.dtype, products: settings.products, allow_changed_base };
    working.backend().with_model(&run.model, how, Some(&adapter), working, |opened| {
        working.with_context(|context| {
            suspects::score(&run.folder, &run.config, folds, opened, allow_changed_base, context)
        })?;
        Ok(())
    })
}

/// A part of the queue, where the pairs of the run have been scored.
pub(super) fn suspects(backend: &Backend, request: SuspectsOf) -> Result<SuspectsView> {
    let SuspectsOf { project, run, folds, order, offset, limit } = request;
    let project = backend.project(&project)?;
    let run = run_identity(backend, &project, &run)?;
    let Some(queue) = queue(backend, &project, &run, folds, order)? else {
        return Ok(SuspectsView { known: false, total: 0, words: None, rows: Vec::new() });
    };
    let part = queue.pairs.iter().skip(offset).take(limit.min(MOST_ROWS));
    let rows = part.map(|queued| row(&project, queued)).collect::<Result<_>>()?;
    Ok(SuspectsView { known: true, total: queue.pairs.len(), words: Some(queue.words.clone()), rows })
}

fn queue(
    backend: &Backend,
    project: &OpenProject,
    run: &RunIdentity,
    folds: Option<usize>,
    order: SuspectOrder,
) -> Result<Option<Arc<Queue>>> {
    let files = suspects::files(&run.folder, folds);
    let written = files.iter().map(|file| metadata(file).and_then(|found| found.modified()).ok()).collect();
    let key = Key { run: run.folder.clone(), folds, order, written };
    if let Some((of, queue)) = &*locked(&backend.0.last_queue.0)
        && *of == key
    {
        return Ok(Some(Arc::clone(queue)));
    }
    let Some(model) = backend.model_here(&run.model)? else { return Ok(None) };
    let config = train::RunConfig { model, ..run.config.clone() };
    let Some(scored) = quietly(|context| suspects::known(&run.folder, &config, folds, context))? else {
        return Ok(None);
    };
    let queue = Arc::new(Queue::of(project, run, folds, order, scored)?);
    *locked(&backend.0.last_queue.0) = Some((key, Arc::clone(&queue)));
    Ok(Some(queue))
}

impl Queue {
    fn of(
        project: &OpenProject,
        run: &RunIdentity,
        folds: Option<usize>,
        order: SuspectOrder,
        mut scored: Scored,
    ) -> Result<Self> {
        let words = in_words(&against(scored.pairs.iter()), folds, scored.identical, scored.too_long);
        suspects::sort(&mut scored.pairs, order);
        let begun = Begun::read(&run.folder)?;
        let ids = project.another_store()?.ids_by_content()?;
        let queued = |scored: ScoredPair| {
            let pair = pair_of(&begun, &scored);
            let hash = pair.content_hash();
            let Pair { prompt, chosen, rejected, category } = pair.clone();
            let swapped = Pair { prompt, chosen: rejected, rejected: chosen, category }.content_hash();
            // Relabelled since, it may have been imported anew the other way round.
            let place = match ids.get(&hash).or_else(|| ids.get(&swapped)) {
                Some(&id) => Place::Here(id),
                None => Place::Elsewhere([&pair.prompt, &pair.chosen, &pair.rejected].map(beginning)),
            };
            Queued { scored, hash, swapped, place }
        };
        Ok(Self { words, pairs: scored.pairs.into_iter().map(queued).collect() })
    }
}

fn row(project: &OpenProject, Queued { scored, hash, swapped, place }: &Queued) -> Result<SuspectRow> {
    let (id, now, [prompt, chosen, rejected]) = match place {
        Place::Elsewhere(texts) => (None, SuspectNow::Elsewhere, texts.clone()),
        Place::Here(id) => {
            let view = project.store().pair(*id)?;
            let texts = [&view.prompt, &view.chosen, &view.rejected].map(beginning);
            let is_removed = view.source == PairSource::Removed;
            let pair = Pair { prompt: view.prompt, chosen: view.chosen, rejected: view.rejected, category: None };
            let found = pair.content_hash();
            let now = match () {
                () if is_removed => SuspectNow::Removed,
                () if found == *hash => SuspectNow::Same,
                () if found == *swapped => SuspectNow::Swapped,
                () => SuspectNow::Changed,
            };
            (Some(*id), now, texts)
        }
    };
    let score = &scored.score;
    Ok(SuspectRow {
        id,
        now,
        prompt,
        chosen,
        rejected,
        held_out: scored.held_out,
        margin: score.margin(),
        probability: score.probability(),
        chosen_reward: score.chosen_reward,
        rejected_reward: score.rejected_reward,
        loss: score.loss,
        chosen_tokens: score.chosen_tokens,
        rejected_tokens: score.rejected_tokens,
    })
}

fn beginning(content: &Content) -> String {
    content.last_text().chars().take(SHOWN).collect()
}
