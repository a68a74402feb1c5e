//! Judging answers: each operation gives what the annotator sees next.

use super::types::{Agreement, EditAnswer, InProject, JudgeRequest, LabelState, LabelStateOf, SecondPass, Undo};
use super::{Backend, now};
use crate::error::{Error, Result};
use prefs::store::Judging;

/// Items that go with every reply, so that the next one is there before it is asked for.
const AHEAD: usize = 5;

/// Items that are given at most: each is shown, and its showing recorded.
const MOST_AHEAD: usize = 50;

/// Where an annotator is, and the next items. Who asks for the first time becomes one of the project's annotators, which is
/// news.
pub(super) fn label_state(backend: &Backend, request: LabelStateOf) -> Result<LabelState> {
    let project = backend.project(&request.project)?;
    let ahead = request.ahead.clamp(1, MOST_AHEAD);
    let (before, state, after) = {
        let mut store = project.store();
        (
            store.annotators()?.len(),
            store.label_state_among(&request.annotator, ahead, request.among)?,
            store.annotators()?.len(),
        )
    };
    if after != before {
        backend.changed(&project);
    }
    Ok(state)
}

/// Records a judgement.
pub(super) fn judge(backend: &Backend, request: JudgeRequest) -> Result<LabelState> {
    let project = backend.project(&request.project)?;
    let JudgeRequest { annotator, item, showing, verdict, milliseconds, note, among, .. } = request;
    let note = note.filter(|note| !note.trim().is_empty());
    let judging = Judging { annotator, item, showing, verdict, milliseconds, note };
    project.store().judge(&judging)?;
    backend.changed(&project);
    Ok(project.store().label_state_among(&judging.annotator, AHEAD, among)?)
}

/// Takes the annotator's last judgement back.
pub(super) fn undo(backend: &Backend, request: Undo) -> Result<LabelState> {
    let project = backend.project(&request.project)?;
    project.store().undo(&request.annotator)?;
    backend.changed(&project);
    Ok(project.store().label_state_among(&request.annotator, AHEAD, request.among)?)
}

/// Gives an answer a new text.
pub(super) fn edit_answer(backend: &Backend, request: EditAnswer) -> Result<LabelState> {
    let project = backend.project(&request.project)?;
    let EditAnswer { annotator, item, showing, side, text, among, .. } = request;
    project.store().edit_answer(&annotator, item, showing, side, &text)?;
    backend.changed(&project);
    Ok(project.store().label_state_among(&annotator, AHEAD, among)?)
}

/// Asks the annotator a share of the judged items again.
pub(super) fn second_pass(backend: &Backend, request: SecondPass) -> Result<LabelState> {
    let project = backend.project(&request.project)?;
    let added = project.store().second_pass(&request.annotator, request.share, now())?;
    if added == 0 {
        return Err(Error::new(
            "nothing_to_repeat",
            "there is no item that you have judged once and could judge again",
            "Judge some items first, or take a larger share.",
        ));
    }
    backend.changed(&project);
    Ok(project.store().label_state(&request.annotator, AHEAD)?)
}

/// How far annotators agree.
pub(super) fn agreement(backend: &Backend, request: InProject) -> Result<Agreement> {
    let votes = backend.project(&request.project)?.another_store()?.votes()?;
    Ok(prefs::agreement::agreement(&votes))
}
