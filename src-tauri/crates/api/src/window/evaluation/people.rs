//! People who judge an evaluation's answers without knowing whose they are.

use super::super::types::{BlindItem, BlindOf, JudgeBlind};
use super::super::who::signed;
use super::super::{Backend, OpenProject, locked};
use super::{About, contents, folder};
use crate::error::{Error, Result};
use eval::answers::Side;
use eval::evaluation::Contents;
use eval::judge::Judge;
use eval::people::{Given, People};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The next pair of answers for this person; none where all are judged.
pub(in crate::window) fn blind_item(backend: &Backend, request: BlindOf) -> Result<Option<BlindItem>> {
    let annotating = Annotating::take(backend, &request.project, &request.evaluation, &request.annotator)?;
    let _one_at_a_time = locked(&backend.0.evaluations.people);
    annotating.next()
}

/// Keeps a verdict, and gives the next pair.
pub(in crate::window) fn judge_blind(backend: &Backend, request: JudgeBlind) -> Result<Option<BlindItem>> {
    let annotating = Annotating::take(backend, &request.project, &request.evaluation, &request.annotator)?;
    let _one_at_a_time = locked(&backend.0.evaluations.people);
    if request.id >= annotating.prompts() || !(0..=request.id).all(|id| annotating.contents.is_answered(id)) {
        let message = format!("prompt {} has no two answers to be judged", request.id);
        return Err(Error::new("not_answered", message, "Reload the page."));
    }
    let left = annotating.contents.shown_left(&annotating.annotator, request.id);
    let JudgeBlind { id, verdict, milliseconds, seen, .. } = request;
    let given = Given { id, shown_left: left, verdict, milliseconds, seen };
    annotating.people()?.judge(&annotating.annotator, given)?;
    backend.changed(&annotating.project);
    annotating.next()
}

/// Takes this person's last verdict back, and gives that pair again.
pub(in crate::window) fn undo_blind(backend: &Backend, request: BlindOf) -> Result<Option<BlindItem>> {
    let annotating = Annotating::take(backend, &request.project, &request.evaluation, &request.annotator)?;
    let _one_at_a_time = locked(&backend.0.evaluations.people);
    let mut people = annotating.people()?;
    match people.undo(&annotating.annotator)? {
        Some(id) => {
            backend.changed(&annotating.project);
            annotating.item(id, &people).map(Some)
        }
        None => {
            Err(Error::new("nothing_to_undo", "there is no verdict of yours to take back", "Judge some answers first."))
        }
    }
}

/// A person at an evaluation.
struct Annotating {
    project: Arc<OpenProject>,
    folder: PathBuf,
    contents: Contents,
    annotator: String,
}

impl Annotating {
    fn take(backend: &Backend, project: &str, evaluation: &str, annotator: &str) -> Result<Self> {
        let project = backend.project(project)?;
        let folder = folder(&project, evaluation)?;
        let annotator = signed(annotator)?;
        Ok(Self { contents: contents(&folder)?, project, folder, annotator })
    }

    fn people(&self) -> Result<People> {
        Ok(People::open(&self.folder, self.prompts())?)
    }

    fn next(&self) -> Result<Option<BlindItem>> {
        let people = self.people()?;
        let open = people.open_prompts(&self.annotator);
        // What has no two answers yet is asked about when it has, and so is what comes after it: sides go by what differs.
        let answered = (0..self.prompts()).take_while(|id| self.contents.is_answered(*id)).count();
        let next = open.into_iter().find(|&id| id < answered && !self.contents.is_same(id));
        next.map(|id| self.item(id, &people)).transpose()
    }

    fn prompts(&self) -> usize {
        self.contents.setup().prompts.len()
    }

    fn item(&self, id: usize, people: &People) -> Result<BlindItem> {
        let left = self.contents.shown_left(&self.annotator, id);
        let text = |side: Side| self.contents.answer(id, side).map(|answer| answer.text.clone());
        let (Some(left_text), Some(right_text)) = (text(left), text(left.other())) else {
            return Err(Error::new(
                "not_answered",
                format!("prompt {id} has no two answers"),
                "Resume the evaluation.",
            ));
        };
        let done = people.done(&self.annotator);
        // What is the same is a tie that nobody is asked about.
        let open = people.open_prompts(&self.annotator).into_iter().filter(|id| !self.contents.is_same(*id)).count();
        Ok(BlindItem {
            id,
            prompt: self.contents.setup().prompts[id].prompt.clone(),
            left: left_text,
            right: right_text,
            done,
            total: done + open,
            can_undo: done > 0,
        })
    }
}

/// Brings what people said up to now into `evaluation.json`, where they are the judges: for a report.
pub(crate) fn finish_where_people_judge(folder: &Path) -> Result<()> {
    if About::read(folder)?.judge(folder)? == Judge::People {
        let setup = contents(folder)?.setup().clone();
        eval::evaluation::Folder::open(folder, setup)?.finish(&Judge::People)?;
    }
    Ok(())
}
