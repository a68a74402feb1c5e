//! What was labelled and by whom, decisions where annotators differ, audits of files, and the guideline that all go by.

use super::Backend;
use super::types::{
    ActOnAudit, Audit, AuditIn, Consider, Guideline, InProject, LabelledItem, LabelledItemOf, LabelledOf, LabelledPage,
    SaveGuideline, StartAudit, TakeBackDecision, UndoAuditAct,
};
use crate::error::Result;
use prefs::store::Considered;

/// A part of what was labelled.
pub(super) fn labelled(backend: &Backend, request: LabelledOf) -> Result<LabelledPage> {
    Ok(backend.project(&request.project)?.another_store()?.labelled(&request.query)?)
}

pub(super) fn labelled_item(backend: &Backend, request: LabelledItemOf) -> Result<LabelledItem> {
    Ok(backend.project(&request.project)?.store().labelled_item(request.item)?)
}

/// Gives an annotator's verdict anew, with those of others in view.
pub(super) fn vote_again(backend: &Backend, request: Consider) -> Result<LabelledItem> {
    let project = backend.project(&request.project)?;
    let considered = considered(request);
    project.store().judge_again(&considered)?;
    backend.changed(&project);
    Ok(project.store().labelled_item(considered.item)?)
}

/// Decides what counts of an item.
pub(super) fn decide(backend: &Backend, request: Consider) -> Result<LabelledItem> {
    let project = backend.project(&request.project)?;
    let considered = considered(request);
    project.store().decide(&considered)?;
    backend.changed(&project);
    Ok(project.store().labelled_item(considered.item)?)
}

pub(super) fn take_back_decision(backend: &Backend, request: TakeBackDecision) -> Result<LabelledItem> {
    let project = backend.project(&request.project)?;
    project.store().take_back_decision(request.decision)?;
    backend.changed(&project);
    Ok(project.store().labelled_item(request.item)?)
}

pub(super) fn audits(backend: &Backend, request: InProject) -> Result<Vec<Audit>> {
    Ok(backend.project(&request.project)?.another_store()?.audits()?)
}

pub(super) fn audit(backend: &Backend, request: AuditIn) -> Result<Audit> {
    Ok(backend.project(&request.project)?.another_store()?.audit(request.audit)?)
}

/// How many pairs such an audit would ask about.
pub(super) fn audit_size(backend: &Backend, request: StartAudit) -> Result<usize> {
    Ok(backend.project(&request.project)?.another_store()?.audit_size(&request.of)?)
}

pub(super) fn start_audit(backend: &Backend, request: StartAudit) -> Result<Audit> {
    let project = backend.project(&request.project)?;
    let audit = {
        let mut store = project.store();
        let audit = store.start_audit(&request.who, &request.of)?;
        store.audit(audit)?
    };
    backend.changed(&project);
    Ok(audit)
}

/// Leaves out or swaps the pairs of which an annotator says otherwise than their file.
pub(super) fn act_on_audit(backend: &Backend, request: ActOnAudit) -> Result<Audit> {
    let project = backend.project(&request.project)?;
    let audit = {
        let mut store = project.store();
        store.act_on_audit(request.audit, &request.annotator, request.choice, &request.who)?;
        store.audit(request.audit)?
    };
    backend.changed(&project);
    Ok(audit)
}

pub(super) fn undo_audit_act(backend: &Backend, request: UndoAuditAct) -> Result<Audit> {
    let project = backend.project(&request.project)?;
    let audit = {
        let mut store = project.store();
        store.undo_audit_act(request.act, &request.who)?;
        store.audit(request.audit)?
    };
    backend.changed(&project);
    Ok(audit)
}

/// All versions of the guideline, newest first.
pub(super) fn guidelines(backend: &Backend, request: InProject) -> Result<Vec<Guideline>> {
    Ok(backend.project(&request.project)?.store().guidelines()?)
}

pub(super) fn save_guideline(backend: &Backend, request: SaveGuideline) -> Result<Vec<Guideline>> {
    let project = backend.project(&request.project)?;
    let versions = {
        let mut store = project.store();
        store.save_guideline(&request.who, &request.text, request.before)?;
        store.guidelines()?
    };
    backend.changed(&project);
    Ok(versions)
}

fn considered(request: Consider) -> Considered {
    let Consider { annotator, item, revision, left, verdict, milliseconds, note, .. } = request;
    Considered { annotator, item, revision, left, verdict, milliseconds, note }
}
