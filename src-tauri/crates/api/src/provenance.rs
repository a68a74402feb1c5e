//! Whether a model, an adapter and a run's rows are those that something was computed with before.

use crate::context::Context;
use crate::error::{Error, Result};
use std::path::Path;
use std::time::Instant;
use train::base::{self, Base};
use train::digests::Digests;
use train::origin::{AdapterOrigin, adapter_digests, base_of_adapter, base_of_run, check_adapter, check_run};

const MEGABYTE: u64 = 1_000_000;
/// How often a model's reading is told.
const TOLD_EVERY: u64 = 256 * MEGABYTE;

/// Digests of models that were read before, and where those of others are kept.
pub(crate) fn digests() -> Digests {
    hub::cache_dir().map_or_else(|_| Digests::unkept(), |cache| Digests::kept_in(&cache.join("reference")))
}

/// A model by the contents of its files.
pub(crate) fn base(model: &Path, digests: &Digests, context: &mut Context) -> Result<Base> {
    let (start, mut next) = (Instant::now(), TOLD_EVERY);
    let mut going = |done: u64, total: u64| {
        if done >= next {
            next = done + TOLD_EVERY;
            context.progress("check the model's files, MB", start, done / MEGABYTE, total / MEGABYTE);
        }
        !context.stopped()
    };
    Base::of(model, digests, &mut going)?.ok_or_else(Error::cancelled)
}

/// What the record of something that is computed has to keep of the model and the adapter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Provenance {
    /// Says so where the model is another than the adapter was trained on, as was allowed.
    pub(crate) other: Option<String>,
    /// Says so where the adapter's run was itself computed on more than one.
    pub(crate) mixed: Option<String>,
}

impl Provenance {
    /// Both in one sentence.
    pub(crate) fn sentence(&self) -> Option<String> {
        let sentences: Vec<&str> = [&self.other, &self.mixed].into_iter().flatten().map(String::as_str).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

/// Makes sure that an adapter is what it was when it was written, and the model the one that it was trained on, as far as the
/// adapter says so, unless another one is `allowed`.
///
/// # Errors
/// When something has changed.
pub(crate) fn check(
    adapter: &Path,
    model: &Path,
    digests: &Digests,
    allowed: bool,
    context: &mut Context,
) -> Result<Provenance> {
    check_adapter(adapter)?;
    let Some(trained_on) = base_of_adapter(adapter)? else { return Ok(Provenance::default()) };
    let of = format!("the one that the adapter in {} was trained on", adapter.display());
    let found = base(model, digests, context)?;
    let other = base::check(&of, &trained_on, model, &found, allowed)?;
    let mixed = AdapterOrigin::of(adapter)?.and_then(|origin| origin.mixed());
    Ok(Provenance { other, mixed })
}

/// Makes sure that the rows of a run are those that it began with; tells what could not be compared.
///
/// # Errors
/// When they have changed.
pub(crate) fn check_rows(run: &Path, context: &mut Context) -> Result<()> {
    for note in check_run(run)? {
        context.note(note);
    }
    Ok(())
}

/// Makes sure that an adapter which is said to be of a run is one of its own: it lies in its folder, or is a copy.
///
/// # Errors
/// When it is another's.
pub(crate) fn check_is_of(adapter: &Path, run: &Path) -> Result<()> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if real(adapter).starts_with(real(run)) {
        return Ok(());
    }
    let own = train::folder::adapter_of(run).map(|own| adapter_digests(&own)).transpose()?;
    if own.is_some_and(|own| adapter_digests(adapter).is_ok_and(|found| found == own)) {
        return Ok(());
    }
    Err(Error::new(
        "other_run",
        format!("the adapter in {} is not one of the run in {}", adapter.display(), run.display()),
        "Name the run that made it, or leave --run out.",
    ))
}

/// Makes sure that a run can be resumed on the model that lies where its own was, before a process is started for it.
///
/// # Errors
/// When the model is another one, unless that is `allowed`.
pub(crate) fn check_resumable(run: &Path, allowed: bool) -> Result<()> {
    let model = runs::prepared(run)?.model;
    // What else is wrong with it the process itself says.
    if let (Some(before), true) = (base_of_run(run)?, model.exists()) {
        let of = format!("the one that the run in {} was computed on", run.display());
        base::check(&of, &before, &model, &Base::read(&model, &digests())?, allowed)?;
    }
    Ok(())
}
