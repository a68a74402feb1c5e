//! A run that was made and has not begun. Its pairs are those that the project had then; what was held out, removed, taken back or
//! changed since is not trained on because the run had to wait: it takes its pairs anew before it begins.

use super::super::words::counted;
use super::super::{Backend, OpenProject, locked};
use super::composition::{asked, compose, pairs_in_words, refuse_nothing, together};
use super::start::with_warnings;
use super::{ABOUT, About, name_and_state};
use crate::error::{Error, Result};
use crate::evaluate::{write_json, write_whole};
use prefs::checks::fingerprint;
use prefs::store::Project;
use prefs::{Pair, jsonl};
use runs::State;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use train::folder::{EVAL_PAIRS, PAIRS, is_untouched, replace_rows};

/// In a run's folder while its pairs are being replaced: broken off, that is done again.
const RENEWING: &str = "renewing";
/// What a run says that took its pairs anew begins so.
const ANEW: &str = "its pairs were taken anew when it began";

/// What was said of runs, with what it depends on.
#[derive(Default)]
pub(in crate::window) struct Said(Mutex<HashMap<PathBuf, (String, Vec<String>)>>);

/// What has become of the pairs of a run since it was made, each pair once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Since {
    /// Pairs to train on whose prompts are held out now.
    held_out: usize,
    /// Pairs that the project does not have any more as the run has them: removed, taken back, edited or judged otherwise.
    gone: usize,
}

impl Since {
    fn of(store: &Project, run: &Path, about: &About) -> Result<Self> {
        let read = |file: &str| -> Result<Vec<Pair>> {
            let path = run.join(file);
            Ok(if path.is_file() { jsonl::read_pairs(&path)?.into_pairs() } else { Vec::new() })
        };
        let (trained, held_out) = (read(PAIRS)?, read(EVAL_PAIRS)?);
        let (ids, marks) = (store.ids_by_content()?, store.held_out_by_imports()?);
        let held_out_set = about.made_of.data.as_ref().and_then(|data| data.held_out);
        // Where the set is gone, the run is refused before it begins.
        let of_set: HashSet<i64> =
            held_out_set.and_then(|set| store.pairs_of_set(set).ok()).into_iter().flatten().collect();
        let marked = store.training_pairs()?.into_iter();
        let marked = marked.filter(|sourced| marks.contains_key(&sourced.id) || of_set.contains(&sourced.id));
        let mut out = together(&asked(store, held_out_set.filter(|set| store.set(*set).is_ok()))?);
        out.extend(marked.map(|sourced| fingerprint(&sourced.pair.prompt)));
        let is_out = |row: usize| trained.get(row).is_some_and(|pair| out.contains(&fingerprint(&pair.prompt)));
        let (mut since, mut seen) = (Self::default(), HashSet::new());
        for (row, pair) in trained.iter().chain(&held_out).enumerate() {
            let hash = pair.content_hash();
            let is_gone = !ids.is_trained_on(&hash);
            if seen.insert(hash) {
                since.gone += usize::from(is_gone);
                since.held_out += usize::from(!is_gone && is_out(row));
            }
        }
        Ok(since)
    }

    fn words(&self) -> String {
        let is = |count: usize| if count == 1 { "is" } else { "are" };
        let was = |count: usize| if count == 1 { "was" } else { "were" };
        let parts = [
            (self.held_out > 0).then(|| {
                format!("{} of its training {} held out now", pairs_in_words(self.held_out), is(self.held_out))
            }),
            (self.gone > 0).then(|| {
                format!(
                    "{} of it {} removed, taken back or changed",
                    counted(self.gone, "pair", "pairs"),
                    was(self.gone)
                )
            }),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", and ")
    }
}

/// Makes a run ready that has waited, or says why it must not begin.
///
/// # Errors
/// In words.
pub(crate) fn ready(run: &Path) -> std::result::Result<(), String> {
    bring_up_to_date(run).map_err(|error| error.message)
}

/// Takes the pairs of a run anew that has not begun, where any of them must not be trained on any more.
///
/// # Errors
/// When nothing is left to train on, a set that it was made of is gone, or a file cannot be read or written.
pub(super) fn bring_up_to_date(run: &Path) -> Result<()> {
    // A run of the command line has pairs of its own.
    let Some(about) = About::read(run)?.filter(|_| is_untouched(run)) else { return Ok(()) };
    let Some(project) = run.parent().and_then(Path::parent) else { return Ok(()) };
    let store = Project::open(project)?;
    let (since, renewing) = (Since::of(&store, run, &about)?, run.join(RENEWING));
    if since == Since::default() && !renewing.exists() {
        return Ok(());
    }
    let settings = runs::prepared(run)?.settings;
    let seed = about.made_of.seed.unwrap_or(settings.seed);
    let composed = compose(&store, about.held_out_share, seed, about.made_of.data.as_ref())?;
    refuse_nothing(&composed)?;
    let mut parts = with_warnings(composed, &settings)?;
    let said = about.made_of.says.iter().find(|said| said.starts_with(ANEW)).cloned();
    let said =
        if since == Since::default() { said } else { Some(format!("{ANEW}: since it was made, {}", since.words())) };
    parts.record.says.extend(said);
    write_whole(&renewing, b"")?;
    write_json(&run.join(ABOUT), &About { made_of: parts.record, ..about })?;
    replace_rows(run, &parts.train, &parts.held_out)?;
    std::fs::remove_file(&renewing).map_err(Error::file(&renewing))
}

/// What there is to say of the pairs of a run that is not done, as sentences without a full stop: what it would train on, or goes on
/// with, although it was decided otherwise since.
///
/// # Errors
/// When the project or the run's pairs cannot be read.
pub(in crate::window) fn says(backend: &Backend, project: &OpenProject, run: &Path) -> Result<Vec<String>> {
    let Some(about) = About::read(run)? else { return Ok(Vec::new()) };
    let depends_on = {
        let store = project.store();
        let states: Vec<_> = store.imports()?.into_iter().map(|import| (import.id, import.state)).collect();
        let written = run.join(PAIRS).metadata().and_then(|file| file.modified()).ok();
        format!("{} {states:?} {:?} {written:?} {}", store.pairs_version()?, store.sets()?, is_untouched(run))
    };
    let known = &backend.training().said.0;
    if let Some((of, said)) = locked(known).get(run)
        && *of == depends_on
    {
        return Ok(said.clone());
    }
    let since = Since::of(&project.another_store()?, run, &about)?;
    let said = if since == Since::default() {
        Vec::new()
    } else if is_untouched(run) {
        vec![format!("since it was made, {}: it takes its pairs anew when it begins", since.words())]
    } else {
        vec![format!("since it began, {}: it goes on with the pairs that it began with", since.words())]
    };
    locked(known).insert(run.to_path_buf(), (depends_on, said.clone()));
    Ok(said)
}

/// What there is to say of the runs that wait or train, each by its name, after something was decided of pairs.
///
/// # Errors
/// When the project or a run cannot be read.
pub(in crate::window) fn says_of_all(backend: &Backend, project: &OpenProject) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for run in super::super::overview::runs(project)? {
        let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((name, state)) = name_and_state(backend, project, &name) else { continue };
        let how = match state {
            State::Queued => "waits",
            State::Running => "is training",
            _ => continue,
        };
        all.extend(says(backend, project, &run)?.into_iter().map(|said| format!("{name}, which {how}: {said}")));
    }
    Ok(all)
}
