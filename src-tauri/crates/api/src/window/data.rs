//! Files that are brought in, and the pairs of a project.

use super::acts::check_seen;
use super::types::{
    ColumnMapping, ConfirmPair, Counted, EditPair, Import, ImportPreview, ImportReply, PairOf, PairPage, PairView,
    PairsOf, PreviewImport, Question, RefusedRow, RemovePair, SingleOf, SinglePage, SinglesOf, StoredSingle,
};
use super::uploads::{of_upload, sent};
use super::who::signed;
use super::{Backend, OpenProject, checks, locked, rendered, uploads};
use crate::error::{Error, Result};
use crate::reading::preset;
use chat::Tokenizer;
use prefs::mapping::{self, MappedContent, MappedRow};
use prefs::reader;
use prefs::store::Brought;
use prefs::table::Table;
use prefs::words;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// From so many pairs on, reading their texts takes longer than a search may.
const MANY: usize = 50_000;

/// Rows that a preview shows.
const SHOWN: usize = 20;

/// Pairs that are rendered to see what the model's chat template does not read.
const LOOKED_AT: usize = 200;

/// Refused rows that are told one by one.
const TOLD: usize = 100;

/// The file that was looked at last: its columns are chosen by trying.
#[derive(Default)]
pub(super) struct LastTable(Mutex<Option<(PathBuf, Arc<Table>)>>);

/// Says what an import would do.
pub(super) fn preview_import(backend: &Backend, request: PreviewImport) -> Result<ImportPreview> {
    let project = backend.project(&request.project)?;
    let path = backend.uploaded(&request.upload)?;
    let table = table(backend, &path)?;
    let guessed = request.mapping.is_none();
    let (model, tokenizer) = tokenizer_of(backend, &project)?;
    let mut mapping = request.mapping.unwrap_or_else(|| mapping::guess(&table));
    mapping::guess_answer(&table, &mut mapping);
    let questions = asked(&table, &mut mapping, tokenizer.as_deref());
    let would = project
        .another_store()?
        .preview_table(&table, &mapping, &uploads::name_of(&path), LOOKED_AT)
        .map_err(of_upload(&path))?;
    let mut notices = notices(&table, &mapping, &would);
    if let Some(tokenizer) = &tokenizer {
        notices.extend(odd(&would.first, tokenizer));
    }
    let first = would.first.iter().take(SHOWN).map(|row| rendered::row(row, tokenizer.as_deref()));
    Ok(ImportPreview {
        upload: request.upload,
        files: sent(&path),
        format: table.format.to_string(),
        rows: would.rows,
        columns: table.describe(),
        guessed,
        questions,
        notices,
        unused: unused(&would),
        good: would.added,
        to_label: would.to_label,
        single_labels: would.single_labels,
        duplicates: would.duplicates,
        completing: would.completing,
        refused: told(&would),
        refused_total: would.refused_count,
        first: first.collect(),
        has_template: tokenizer.as_ref().is_some_and(|tokenizer| tokenizer.has_template()),
        tokenizer: tokenizer.and(model),
        mapping,
    })
}

/// What the file leaves open. Plain text becomes messages unless the user says otherwise, as most models have a chat template;
/// text that was rendered already stands as it is; and of a model without a template nothing is asked.
fn asked(table: &Table, mapping: &mut ColumnMapping, tokenizer: Option<&Tokenizer>) -> Vec<Question> {
    const PLAIN_TEXT: &str = "plain_text";
    let mut questions = mapping::questions(table, mapping);
    if tokenizer.is_some_and(|tokenizer| !tokenizer.has_template()) {
        questions.retain(|question| question.key != PLAIN_TEXT);
    }
    if let Some(question) = questions.iter_mut().find(|question| question.key == PLAIN_TEXT) {
        let prompts = mapping::first_prompts(table, mapping);
        let (rendered, preset) = preset(&prompts, tokenizer);
        if rendered.count > 0 {
            question.question = format!(
                "{} In {} of the first {} the prompt holds special tokens of the model ({}), as text does that was rendered \
                 already.",
                question.question,
                rendered.count,
                prompts.len(),
                rendered.named()
            );
        }
        question.preset = Some(preset.name().to_owned());
        mapping.plain_text = mapping.plain_text.or(Some(preset));
    }
    questions
}

/// Brings a file in, wholly or not at all.
pub(super) fn import(backend: &Backend, request: Import) -> Result<ImportReply> {
    let project = backend.project(&request.project)?;
    let path = backend.uploaded(&request.upload)?;
    let table = table(backend, &path)?;
    let mut mapping = request.mapping;
    check(&table, &mapping)?;
    // The rows come in as the preview of this mapping shows them.
    let (_, tokenizer) = tokenizer_of(backend, &project)?;
    asked(&table, &mut mapping, tokenizer.as_deref());
    // A large import takes seconds: labelling goes on meanwhile.
    let brought = project.another_store()?.import_table(&table, &mapping, &uploads::name_of(&path));
    let import = brought.map_err(of_upload(&path))?;
    uploads::brought_in(&path);
    *locked(&backend.0.last_table.0) = None;
    backend.changed(&project);
    Ok(ImportReply {
        kind: import.kind,
        rows: import.rows,
        added: import.added,
        to_label: import.to_label,
        single_labels: import.single_labels,
        duplicates: import.duplicates,
        completing: import.completing,
        refused: told(&import),
        refused_total: import.refused_count,
        notices: notices(&table, &mapping, &import),
        unused: unused(&import),
    })
}

/// What is left out or done otherwise, and what was done to how many rows.
fn notices(table: &Table, mapping: &ColumnMapping, brought: &Brought) -> Vec<String> {
    let mut notices: Vec<String> = mapping::notices(table, mapping).iter().map(|said| without_options(said)).collect();
    // Which columns are not used stands in a list of its own.
    notices.extend(reader::sentences(&brought.notes, &BTreeMap::new()));
    notices
}

/// A notice without the options of the command line that stand in it in brackets: the window has controls for them.
fn without_options(notice: &str) -> String {
    let mut rest = notice;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(" (`") {
        let option = after.split_once("`)").filter(|(inside, _)| inside.contains('=') && !inside.contains([' ', '`']));
        kept.push_str(before);
        if let Some((_, after)) = option {
            rest = after;
        } else {
            kept.push_str(" (`");
            rest = after;
        }
    }
    kept + rest
}

/// What of the first pairs the model reads otherwise than it looks, and how many of them are the same tokens rendered.
fn odd(rows: &[MappedRow], tokenizer: &Tokenizer) -> Vec<String> {
    let pairs = rows.iter().filter_map(|row| match &row.content {
        MappedContent::Pair(pair) => Some(pair),
        _ => None,
    });
    let (mut looked_at, mut identical) = (0, 0);
    let mut odd = chat::OddPairs::default();
    for pair in pairs {
        looked_at += 1;
        // One that cannot be rendered says so where it is shown.
        let Ok(encoded) = chat::encode_pair(tokenizer, pair) else { continue };
        odd.add(&chat::Oddities::of(tokenizer, pair, &encoded));
        identical += usize::from(encoded.chosen == encoded.rejected);
    }
    let mut sentences = odd.sentences(tokenizer);
    if identical > 0 {
        sentences.push(format!(
            "{} two answers that are the same tokens once they are rendered: a run leaves them out",
            words::counted(identical, "pair has", "pairs have")
        ));
    }
    sentences.into_iter().map(|sentence| format!("Of the first {}: {sentence}.", words::pairs(looked_at))).collect()
}

fn unused(brought: &Brought) -> Vec<Counted> {
    brought.ignored_keys.iter().map(|(name, rows)| Counted { name: name.clone(), rows: *rows }).collect()
}

/// A part of the list of pairs.
pub(super) fn pairs(backend: &Backend, request: PairsOf) -> Result<PairPage> {
    let PairsOf { project, query, finding } = request;
    let project = backend.project(&project)?;
    if !query.text.is_empty() && project.store().count()? >= MANY {
        project.prepare_search();
    }
    let Some(finding) = finding else {
        let page = project.store().page(&query)?;
        if page.total >= MANY {
            project.prepare_search_soon();
        }
        return Ok(page);
    };
    let ids = checks::ids(backend, &project, finding.check, finding.code)?;
    Ok(project.store().page_of(&ids, &query)?)
}

/// A part of the single labels, or of the demonstrations.
pub(super) fn singles(backend: &Backend, request: SinglesOf) -> Result<SinglePage> {
    let project = backend.project(&request.project)?;
    Ok(project.store().singles_page(request.kind, request.offset, request.limit)?)
}

pub(super) fn single(backend: &Backend, request: SingleOf) -> Result<StoredSingle> {
    Ok(backend.project(&request.project)?.store().single(request.id)?)
}

pub(super) fn pair(backend: &Backend, request: PairOf) -> Result<PairView> {
    let project = backend.project(&request.project)?;
    let pair = project.store().pair(request.id)?;
    shown(backend, &project, pair)
}

/// Gives a pair new texts; the old ones stay in its history.
pub(super) fn edit_pair(backend: &Backend, request: EditPair) -> Result<PairView> {
    let project = backend.project(&request.project)?;
    let EditPair { id, who, prompt, chosen, rejected, before, .. } = request;
    let who = signed(&who)?;
    let mut store = project.store();
    if let Some(before) = before {
        let now = store.pair(id)?;
        if before != [now.prompt, now.chosen, now.rejected] {
            let by = now.history.first().map_or_else(String::new, |change| format!(" by {}", change.who));
            let hint = "Look at it as it is now; what you typed is kept. Then save it again.";
            return Err(Error::new("pair_changed", format!("the pair was changed{by} meanwhile"), hint));
        }
    }
    let pair = store.edit_pair(id, &who, prompt, chosen, rejected)?;
    drop(store);
    backend.changed(&project);
    shown(backend, &project, pair)
}

/// Takes a pair out of what is trained on, or puts it back.
pub(super) fn remove_pair(backend: &Backend, request: RemovePair) -> Result<PairView> {
    let project = backend.project(&request.project)?;
    let pair = project.store().remove_pair(request.id, &signed(&request.who)?, request.removed)?;
    backend.changed(&project);
    shown(backend, &project, pair)
}

/// Notes that a pair's label was looked at and found right, or takes that back.
pub(super) fn confirm_pair(backend: &Backend, request: ConfirmPair) -> Result<PairView> {
    let project = backend.project(&request.project)?;
    if let Some(seen) = &request.seen {
        check_seen(&project.store(), seen, &[request.id])?;
    }
    let pair = project.store().confirm_pair(request.id, &signed(&request.who)?, request.confirmed)?;
    backend.changed(&project);
    shown(backend, &project, pair)
}

pub(super) fn table(backend: &Backend, path: &Path) -> Result<Arc<Table>> {
    let mut last = locked(&backend.0.last_table.0);
    if let Some((of, table)) = &*last
        && of == path
    {
        return Ok(Arc::clone(table));
    }
    // Two large files are not held at once.
    *last = None;
    let table = Arc::new(Table::read(path).map_err(of_upload(path))?);
    *last = Some((path.to_owned(), Arc::clone(&table)));
    Ok(table)
}

fn check(table: &Table, mapping: &ColumnMapping) -> Result<()> {
    match mapping.incomplete(table) {
        Some(sentence) => Err(Error::new("mapping", sentence, "Choose the column, then import again.")),
        None => Ok(()),
    }
}

fn told(brought: &Brought) -> Vec<RefusedRow> {
    brought.refused.iter().take(TOLD).cloned().collect()
}

/// The project's model, and its tokenizer where that is on this machine and can be read: a preview does without.
fn tokenizer_of(backend: &Backend, project: &OpenProject) -> Result<(Option<String>, Option<Arc<Tokenizer>>)> {
    let model = project.about()?.model;
    let tokenizer = model.as_deref().and_then(|model| backend.tokenizer(model).ok().flatten());
    Ok((model, tokenizer))
}

fn shown(backend: &Backend, project: &OpenProject, pair: prefs::store::PairView) -> Result<PairView> {
    let (_, tokenizer) = tokenizer_of(backend, project)?;
    let prefs::store::PairView { id, prompt, chosen, rejected, category, source, ratings, confirmed, history, seen } =
        pair;
    let (rendered, unrendered) = match tokenizer {
        Some(tokenizer) => rendered::as_seen(&tokenizer, &prompt, &chosen, &rejected),
        None => (None, None),
    };
    Ok(PairView {
        id,
        prompt,
        chosen,
        rejected,
        category,
        source,
        ratings,
        confirmed,
        history,
        seen,
        rendered,
        unrendered,
    })
}

#[cfg(test)]
mod tests {
    use super::without_options;

    #[test]
    fn options_of_the_command_line_are_not_named_and_all_else_stays() {
        let said = "An answer comes in as a demonstration (`kind=demonstrations`). Import rated answers \
                    (`answers=a.*.b,ratings=c`).";
        assert_eq!(without_options(said), "An answer comes in as a demonstration. Import rated answers.");
        for kept in ["Left out: `a` (3 rows), by `label` (`good` and `bad`).", "It ends with (`x = 1`", "Nothing."] {
            assert_eq!(without_options(kept), kept);
        }
    }
}
