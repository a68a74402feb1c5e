//! Projects are renamed, noted, archived, and deleted into a bin beside them: `Deleted projects/` in the projects folder.

use super::super::overview;
use super::super::types::{
    ArchiveProject, DeletedProject, DescribeProject, EmptyProjectsBin, Freed, Home, InFolder, JobState, Nothing,
    ProjectView, PutProjectBack,
};
use super::super::{Backend, OpenProject, jobs, now, projects, training};
use super::disk::bytes_of;
use super::files::{moved, names_in};
use super::notes::{LONGEST_NOTE, too_long};
use crate::error::{Error, Result};
use crate::window::about::About;
use prefs::store::DATABASE;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The folder of the projects folder that holds what was deleted.
const BIN: &str = "Deleted projects";

/// Whether a folder is the bin of projects, or would be on a system that does not tell case apart.
pub(in crate::window) fn is_bin_of_projects(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().eq_ignore_ascii_case(BIN))
}
/// Between the time at which a project was deleted and the name of its folder.
const MARK: char = '~';
/// Before the name of one that is being removed.
const REMOVING: &str = ".removing-";
/// Calls that are under way let go of a project within this.
const LET_GO: Duration = Duration::from_secs(3);

/// Gives a project another name, and a note.
pub(in crate::window) fn describe_project(backend: &Backend, request: DescribeProject) -> Result<ProjectView> {
    let project = backend.project(&request.project)?;
    let name = request.name.trim();
    if name.is_empty() {
        return Err(Error::new("no_name", "the project has no name", "Give it one."));
    }
    too_long("name", name, super::notes::LONGEST_NAME)?;
    let note = request.note.trim();
    too_long("note", note, LONGEST_NOTE)?;
    project.change_about(|about| (about.name, about.note) = (name.to_owned(), note.to_owned()))?;
    backend.changed(&project);
    // To open it lists it under its new name.
    projects::open_project(backend, InFolder { folder: request.project })
}

/// Leaves a project out of the list of recent ones unless that is asked for it.
pub(in crate::window) fn archive_project(backend: &Backend, request: ArchiveProject) -> Result<Home> {
    projects::change_recent(backend, |list| {
        let listed = list.iter_mut().filter(|entry| entry.folder == request.folder);
        listed.for_each(|entry| entry.archived = request.archived);
    })?;
    projects::home(backend, Nothing {})
}

/// Moves a project into the bin.
pub(in crate::window) fn delete_project(backend: &Backend, request: InFolder) -> Result<DeletedProject> {
    let _one_at_a_time = backend.housekeeping();
    let project = backend.project(&request.folder)?;
    let folder = project.folder().to_path_buf();
    let all = &backend.options().projects_folder;
    let bin = all.join(BIN);
    if !folder.starts_with(all) || folder == *all || folder.starts_with(&bin) {
        let message = format!("{} does not lie in the projects folder {}", folder.display(), all.display());
        let hint = "Take it off the list; its folder stays, and is removed as other folders are.";
        return Err(Error::new("not_ours", message, hint));
    }
    refuse_in_use(backend, &project)?;
    let holds = holds(&overview::of(backend, &project)?);
    let name = project.about()?.name;
    closed(backend, project, &name)?;
    let own = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::create_dir_all(&bin).map_err(Error::file(&bin))?;
    let entry = format!("{}{MARK}{own}", now());
    moved(&folder, &bin.join(&entry))?;
    // What the list says of it: it is not there any more.
    projects::forget_project(backend, request)?;
    shown(&bin, &entry).map(|shown| DeletedProject { holds, ..shown })
}

/// The projects that were deleted, the last first.
pub(in crate::window) fn deleted_projects(backend: &Backend, _: Nothing) -> Result<Vec<DeletedProject>> {
    let bin = backend.options().projects_folder.join(BIN);
    let mut all = Vec::new();
    for name in names_in(&bin)? {
        if let Some(entry) = name.to_str().filter(|name| parse(name).is_some()) {
            all.push(shown(&bin, entry)?);
        }
    }
    all.sort_by_key(|deleted| std::cmp::Reverse(deleted.deleted_at));
    Ok(all)
}

/// Puts a project back where it was, and opens it.
pub(in crate::window) fn put_project_back(backend: &Backend, request: PutProjectBack) -> Result<ProjectView> {
    let folder = {
        let _one_at_a_time = backend.housekeeping();
        let all = &backend.options().projects_folder;
        let (from, own) = entry_of(&all.join(BIN), &request.entry)?;
        let to = all.join(own);
        if to.exists() {
            let message = format!("{} is there again", to.display());
            return Err(Error::new("not_put_back", message, "Rename that folder first; the project stays in the bin."));
        }
        moved(&from, &to)?;
        to
    };
    projects::open_project(backend, InFolder { folder: folder.display().to_string() })
}

/// Removes deleted projects for good.
pub(in crate::window) fn remove_projects(backend: &Backend, request: EmptyProjectsBin) -> Result<Freed> {
    let _one_at_a_time = backend.housekeeping();
    let bin = backend.options().projects_folder.join(BIN);
    let mut freed = Freed { entries: 0, bytes: 0 };
    for entry in &request.entries {
        let (folder, _) = entry_of(&bin, entry)?;
        freed = Freed { entries: freed.entries + 1, bytes: freed.bytes + bytes_of(&folder)? };
        moved(&folder, &bin.join(format!("{REMOVING}{entry}")))?;
    }
    for name in names_in(&bin)? {
        if name.to_string_lossy().starts_with(REMOVING) {
            let path = bin.join(name);
            fs::remove_dir_all(&path).map_err(Error::file(&path))?;
        }
    }
    Ok(freed)
}

fn refuse_in_use(backend: &Backend, project: &OpenProject) -> Result<()> {
    for run in overview::runs(project)? {
        if let Some((why, _)) = training::in_use(backend, project, &run)? {
            let hint = "Stop what trains, and take out of the queue what waits, or wait for the end of both.";
            return Err(Error::new("in_use", format!("a run of this project {why}"), hint));
        }
    }
    let all = jobs::jobs(backend, Nothing {})?;
    let here = project.name_of_folder();
    match all.iter().find(|job| job.state == JobState::Running && job.project == here) {
        Some(job) => Err(super::in_use("this project", &job.title)),
        None => Ok(()),
    }
}

/// Closes a project: its database is whole in its file then.
fn closed(backend: &Backend, mut project: Arc<OpenProject>, name: &str) -> Result<()> {
    backend.close_project(&project);
    let began = Instant::now();
    loop {
        project = match Arc::try_unwrap(project) {
            Ok(_) => return Ok(()),
            Err(shared) => shared,
        };
        if began.elapsed() > LET_GO {
            let message = format!("something is still at work with {name}");
            return Err(Error::new("in_use", message, "Wait a moment and try again."));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a project holds, in words.
fn holds(view: &ProjectView) -> String {
    let counts = &view.counts;
    let all = [
        (counts.pairs, "pair"),
        (counts.labelled, "labelled item"),
        (counts.runs, "run"),
        (counts.evaluations, "evaluation"),
    ];
    let said = all.iter().filter(|(count, _)| *count > 0).map(|(count, one)| {
        let many = if *count == 1 { "" } else { "s" };
        format!("{} {one}{many}", numbers::count(*count))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "nothing yet".to_owned() } else { said.join(", ") }
}

fn parse(entry: &str) -> Option<(u64, &str)> {
    let (deleted_at, own) = entry.split_once(MARK)?;
    Some((deleted_at.parse().ok()?, own)).filter(|(_, own)| !own.is_empty())
}

fn entry_of<'a>(bin: &Path, entry: &'a str) -> Result<(PathBuf, &'a str)> {
    let folder = training::inside(bin, entry).filter(|folder| folder.join(DATABASE).is_file());
    folder.and_then(|folder| Some((folder, parse(entry)?.1))).ok_or_else(|| {
        let hint = "It was put back or removed meanwhile; look at the list again.";
        Error::new("not_in_bin", "this project is not in the bin", hint)
    })
}

fn shown(bin: &Path, entry: &str) -> Result<DeletedProject> {
    let folder = bin.join(entry);
    let (deleted_at, own) = parse(entry).unwrap_or_default();
    // One whose file cannot be read goes by the name of its folder.
    let name = match About::read(&folder) {
        Ok(about) if about.name != entry => about.name,
        _ => own.to_owned(),
    };
    Ok(DeletedProject { entry: entry.to_owned(), name, deleted_at, bytes: bytes_of(&folder)?, holds: String::new() })
}
