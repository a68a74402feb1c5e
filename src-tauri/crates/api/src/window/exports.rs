//! Exporting what was made, into the project's `exports/`.

mod download;
mod listed;
mod tar;

pub use download::Download;
pub(super) use listed::{Record, exports, is_whole, record};

use super::overview::EXPORTS;
use super::training::{new_folder, run_folder, run_identity};
use super::types::{Export, ExportWhat, Exported};
use super::{Backend, evaluation};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::export::{of_set, write_pairs, write_singles};
use crate::{ExportRequest, MergedCheck, ReportRequest, Weights};
use prefs::export::PairForm;
use prefs::store::Project;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder of a report in an export.
const REPORT: &str = "report";

/// Exports, each time into a folder of its own, so that nothing exported before changes.
pub(super) fn export(backend: &Backend, request: Export) -> Result<Vec<Exported>> {
    let project = backend.project(&request.project)?;
    if request.what.is_empty() {
        return Err(Error::new(
            "nothing_to_export",
            "nothing was chosen",
            "Choose the adapter, pairs, report or labels.",
        ));
    }
    let run = request.run.as_deref().map(|run| run_folder(&project, run)).transpose()?;
    let judged = request.evaluation.as_deref().map(|name| evaluation::folder(&project, name)).transpose()?;
    let of_run = match &request.run {
        Some(run) => Some((run, run_identity(backend, &project, run)?.name)),
        None => None,
    };
    let name = match (&of_run, &request.evaluation) {
        (Some((_, name)), _) => name.clone(),
        (None, Some(evaluation)) => evaluation.clone(),
        (None, None) => project.about()?.name,
    };
    let folder = new_folder(&project.folder().join(EXPORTS), &name)?;
    record(&folder, of_run.as_ref().map(|(run, name)| (run.as_str(), name.as_str())))?;
    let mut exported = Vec::new();
    for what in &request.what {
        let done = match what {
            ExportWhat::Adapter => adapter(run.as_ref(), &folder, request.allow_changed_base).map(|done| vec![done]),
            ExportWhat::Report => report(run.as_ref(), judged.as_ref(), &name, &folder).map(|done| vec![done]),
            ExportWhat::Pairs => pairs(&project.another_store()?, &request, &folder),
            ExportWhat::Labels => {
                let path = folder.join("labels.jsonl");
                let count = project.another_store()?.export_judgements(&path)?;
                Ok(vec![Exported {
                    what: "labels".into(),
                    load: format!(
                        "{count} judgements, those taken back among them. Python: pandas.read_json({:?}, lines=True)",
                        path.display().to_string()
                    ),
                    path: path.display().to_string(),
                    check: None,
                    check_warns: false,
                    other_base: None,
                    notes: Vec::new(),
                    export: String::new(),
                }])
            }
        };
        match done {
            Ok(done) => exported.extend(done.into_iter().map(|done| within(done, &folder))),
            Err(error) => {
                if exported.is_empty() {
                    // Nothing was written yet, or half of one thing: the first error is the one to report.
                    let _ = std::fs::remove_dir_all(&folder);
                }
                return Err(error);
            }
        }
    }
    is_whole(&folder)?;
    backend.changed(&project);
    Ok(exported)
}

/// What lies in the folder of an export.
pub(super) fn within(made: Exported, folder: &Path) -> Exported {
    let export = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Exported { export, ..made }
}

/// The pairs in the forms that were chosen, the usual ones where none was, and single answers as JSONL. What there is to know of
/// one form stands with its file, what holds of all of them with the first.
fn pairs(store: &Project, request: &Export, folder: &Path) -> Result<Vec<Exported>> {
    let (pairs, not_trained_on) = of_set(store, store.exported_pairs(false)?, request.set)?;
    let forms = if request.pairs_as.is_empty() { &PairForm::USUAL } else { request.pairs_as.as_slice() };
    let written = write_pairs(&pairs, forms, folder)?;
    let mut files: Vec<Exported> = written
        .files
        .iter()
        .map(|(form, made)| Exported { notes: written.notes_of(*form), ..of(made.clone()) })
        .collect();
    let several = files.len() > 1;
    if let Some(first) = files.first_mut() {
        let of_all = |note: &String| if several { format!("in all these files, {note}") } else { note.clone() };
        first.notes.splice(0..0, not_trained_on.iter().chain(&written.notes).map(of_all));
    }
    if request.set.is_none() {
        files.extend(write_singles(store, folder)?.into_iter().map(|written| of(written.into())));
    }
    Ok(files)
}

fn adapter(run: Option<&PathBuf>, folder: &Path, allow_changed_base: bool) -> Result<Exported> {
    let run = run.ok_or_else(|| Error::new("no_run", "no run was chosen", "Choose the run whose adapter it is."))?;
    let request = ExportRequest {
        run: Some(run.clone()),
        weights: Weights::Adapter,
        curves: Vec::new(),
        project: None,
        set: None,
        replace: false,
        pairs_as: Vec::new(),
        annotator_names: false,
        output_dir: folder.to_path_buf(),
        allow_changed_base,
    };
    let reply = quietly(|context| crate::export(&request, context))?;
    let made = reply.exported.into_iter().next();
    let made = made.ok_or_else(|| Error::new("fault", "no adapter was written", "Report this as a fault."))?;
    Ok(of(made))
}

fn report(run: Option<&PathBuf>, judged: Option<&PathBuf>, name: &str, folder: &Path) -> Result<Exported> {
    if let Some(folder) = judged {
        evaluation::finish_where_people_judge(folder)?;
    }
    let request = ReportRequest { run: run.cloned(), eval: judged.cloned(), output_dir: folder.join(REPORT) };
    let title = format!("{name}: report of {}", day(SystemTime::now()));
    let reply = crate::report::write(&request, &title, Vec::new())?;
    Ok(Exported {
        what: "report".into(),
        load: match &reply.evaluation {
            Some(_) => format!(
                "open it in any browser, or send it: all of the report is in this one file. Beside it lie its figures as SVG and PNG \
                 ({} files) and evaluation.json, with every answer and verdict",
                reply.figures.len()
            ),
            None => format!(
                "open it in any browser, or send it: all of the report is in this one file. Its figures lie beside it as SVG and \
                 PNG, too ({} files)",
                reply.figures.len()
            ),
        },
        path: reply.html.display().to_string(),
        check: None,
        check_warns: false,
        other_base: None,
        notes: Vec::new(),
        export: String::new(),
    })
}

/// `30 Nov 2026`, in UTC, as the page writes a date.
fn day(moment: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut days = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{} {} {year}", days + 1, MONTHS[month])
}

/// The same as it crosses to the page.
pub(super) fn of(made: crate::Exported) -> Exported {
    let crate::Exported { what, path, load, check, other_base } = made;
    Exported {
        what,
        path: path.display().to_string(),
        load,
        check_warns: check.as_ref().is_some_and(MergedCheck::warns),
        check: check.map(|check| check.words),
        other_base,
        notes: Vec::new(),
        export: String::new(),
    }
}

/// Does what is over in a moment, so that nobody watches or stops it.
pub(super) fn quietly<T>(work: impl FnOnce(&mut Context) -> Result<T>) -> Result<T> {
    work(&mut Context { observer: &mut |_| {}, stop: &AtomicBool::new(false) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_is_written_as_the_page_writes_it() {
        let after = |days: u64| day(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 5));
        assert_eq!([0, 59, 11_016, 20_787].map(after), ["1 Jan 1970", "1 Mar 1970", "29 Feb 2000", "30 Nov 2026"]);
    }
}
