//! A project's pairs for other programs.

use super::Exported;
use crate::error::{Error, Result};
use prefs::export::argilla::{self, USERS};
use prefs::export::{PairForm, label_studio, parquet, write_jsonl};
use prefs::store::{ExportedPairs, Project};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Pairs that were written.
pub(crate) struct WrittenPairs {
    /// What was written, in the order of the forms.
    pub(crate) files: Vec<(PairForm, Exported)>,
    /// What is not in the files, and what is to be known of them all, as sentences.
    pub(crate) notes: Vec<String>,
    /// The same of some forms alone.
    of_forms: Vec<(Vec<PairForm>, String)>,
    /// Judgements stand there, and their annotators are numbered.
    pub(crate) are_numbered: bool,
}

impl WrittenPairs {
    /// What is to be known of the file in one form.
    pub(crate) fn notes_of(&self, form: PairForm) -> Vec<String> {
        self.of_forms.iter().filter(|(forms, _)| forms.contains(&form)).map(|(_, note)| note.clone()).collect()
    }

    /// All of it one after the other, each with the forms that it is of.
    pub(crate) fn all_notes(&self) -> Vec<String> {
        let of_forms = self.of_forms.iter().map(|(forms, note)| {
            let named: Vec<&str> = forms.iter().map(|form| title(*form)).collect();
            format!("for {}: {note}", named.join(" and "))
        });
        self.notes.iter().cloned().chain(of_forms).collect()
    }
}

/// A form's name as its makers write it.
fn title(form: PairForm) -> &'static str {
    match form {
        PairForm::Jsonl => "JSON Lines",
        PairForm::Parquet => "Parquet",
        PairForm::Argilla => "Argilla",
        PairForm::LabelStudio => "Label Studio",
    }
}

/// Writes pairs in each of the forms.
///
/// # Errors
/// When the folder cannot be written, or nothing could be, because the only form was one whose columns cannot hold the pairs.
pub(crate) fn write_pairs(pairs: &ExportedPairs, forms: &[PairForm], folder: &Path) -> Result<WrittenPairs> {
    let mut written = WrittenPairs { files: Vec::new(), notes: Vec::new(), of_forms: Vec::new(), are_numbered: false };
    let mut refused = None;
    for form in PairForm::ALL.into_iter().filter(|form| forms.contains(form)) {
        match write(pairs, form, folder) {
            Ok((path, load)) => {
                let made = Exported { what: "pairs".into(), path, load, check: None, other_base: None };
                written.files.push((form, made));
            }
            Err(prefs::Error::Choice { reason, .. }) if form == PairForm::Parquet => {
                let old = if folder.join(PARQUET).exists() {
                    format!("; the {PARQUET} there is of an earlier export")
                } else {
                    String::new()
                };
                refused = Some(format!("no Parquet file was written: {reason}{old}"));
                written.notes.extend(refused.clone());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if written.files.is_empty() {
        let reason = refused.unwrap_or_else(|| "no form was chosen for the pairs".to_owned());
        let known = PairForm::ALL.map(PairForm::name).join(", ");
        return Err(Error::new("nothing_written", reason, format!("Choose one or several of the forms {known}.")));
    }
    let has_judgements = pairs.pairs.iter().any(|pair| !pair.judgements.is_empty());
    written.are_numbered = has_judgements && !pairs.has_annotator_names;
    written.notes.extend(of_judgements(pairs, has_judgements));
    written.of_forms = of_tools(pairs, forms);
    Ok(written)
}

/// The number of the set that is called so, in any case.
///
/// # Errors
/// When there is none.
pub(crate) fn set_named(project: &Project, name: &str) -> Result<i64> {
    let sets = project.sets()?;
    if let Some(set) = sets.iter().find(|set| set.name.eq_ignore_ascii_case(name.trim())) {
        return Ok(set.id);
    }
    let known: Vec<String> = sets.iter().map(|set| format!("{:?}", set.name)).collect();
    let hint = if known.is_empty() {
        "The project has no sets; they are saved in the window, on Data.".to_owned()
    } else {
        format!("Its sets are {}.", known.join(", "))
    };
    Err(Error::new("no_set", format!("the project has no set {name:?}"), hint))
}

/// The pairs of a set alone, and what is said of those of it that are not trained on and so not among them.
pub(crate) fn of_set(
    project: &Project,
    mut pairs: ExportedPairs,
    set: Option<i64>,
) -> Result<(ExportedPairs, Option<String>)> {
    let Some(set) = set else { return Ok((pairs, None)) };
    let ids: HashSet<i64> = project.pairs_of_set(set)?.into_iter().collect();
    pairs.pairs.retain(|pair| ids.contains(&pair.sourced.id));
    // Those that belong to other pairs were not left out of these.
    pairs.judgements_left_out = 0;
    let left = ids.len() - pairs.pairs.len();
    if pairs.pairs.is_empty() {
        let message = format!("the set {:?} has no pair that is trained on", project.set(set)?.name);
        return Err(Error::new("empty_set", message, "Choose another set, or put pairs into it on Data."));
    }
    let note = format!("{} of the set are not trained on and not in these files", prefs::words::pairs(left));
    Ok((pairs, (left > 0).then_some(note)))
}

const PARQUET: &str = "pairs.parquet";

/// The files in which a form, or single answers, lie.
fn names_of(form: PairForm) -> &'static [&'static str] {
    match form {
        PairForm::Jsonl => &["pairs.jsonl"],
        PairForm::Parquet => &[PARQUET],
        PairForm::Argilla => &["argilla"],
        PairForm::LabelStudio => &["label-studio.json", "label-studio.xml"],
    }
}

/// Refuses to write over what lies in a folder: it may be the user's own, such as the file that was imported.
///
/// # Errors
/// When something is there.
pub(crate) fn refuse_to_replace(folder: &Path, forms: &[PairForm], with_singles: bool) -> Result<()> {
    let singles: &[&str] = if with_singles { &["single_labels.jsonl", "demonstrations.jsonl"] } else { &[] };
    let there: Vec<String> = forms
        .iter()
        .flat_map(|form| names_of(*form))
        .chain(singles)
        .filter(|name| folder.join(name).exists())
        .map(|name| format!("`{name}`"))
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let is = if there.len() == 1 { "is" } else { "are" };
    Err(Error::new(
        "not_replaced",
        format!("{} {is} in {} already", there.join(", "), folder.display()),
        "Give another --output-dir, or --replace, where these may go.",
    ))
}

/// Files of an earlier export of pairs that lie in a folder beside those that were written now, as a sentence: who takes the folder
/// for one export would mix them.
pub(crate) fn of_earlier_export(folder: &Path, written: &[PathBuf]) -> Option<String> {
    const NAMES: [&str; 7] = [
        "pairs.jsonl",
        PARQUET,
        "argilla",
        "label-studio.json",
        "label-studio.xml",
        "single_labels.jsonl",
        "demonstrations.jsonl",
    ];
    // The labeling interface is written with its tasks.
    let is_new = |name: &str| {
        let of = name.replace("label-studio.xml", "label-studio.json");
        written.iter().any(|path| *path == folder.join(&of))
    };
    let old: Vec<String> = NAMES
        .into_iter()
        .filter(|name| !is_new(name) && folder.join(name).exists())
        .map(|name| format!("`{name}`"))
        .collect();
    (!old.is_empty()).then(|| {
        format!(
            "in {} also lie files that this export did not write, probably of an earlier one: {}; remove them, or export into \
             another folder",
            folder.display(),
            old.join(", ")
        )
    })
}

/// Writes one form. Returns where it is, and how it is loaded.
fn write(pairs: &ExportedPairs, form: PairForm, folder: &Path) -> std::result::Result<(PathBuf, String), prefs::Error> {
    let data_set = |kind: &str, path: &Path, how: &str| {
        let path = path.display().to_string();
        format!(
            "Python: datasets.load_dataset({kind:?}, data_files={path:?}{how}); here: data.train = {path:?}, or import the file"
        )
    };
    Ok(match form {
        PairForm::Jsonl => {
            let path = folder.join("pairs.jsonl");
            write_jsonl(&path, &pairs.pairs)?;
            let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
            // `datasets` takes the types of columns from so many bytes, by default from ten megabytes.
            let chunk = if bytes > 10 << 20 { format!(", chunksize={}", bytes + 1) } else { String::new() };
            let load = data_set("json", &path, &chunk);
            (path, load)
        }
        PairForm::Parquet => {
            let path = folder.join(PARQUET);
            parquet::write_pairs(&path, &pairs.pairs)?;
            let load = data_set("parquet", &path, "");
            (path, load)
        }
        PairForm::Argilla => {
            let path = folder.join("argilla");
            argilla::write(&path, pairs)?;
            let users = path.join(USERS).display().to_string();
            let make_users = if pairs.annotators.is_empty() {
                String::new()
            } else {
                format!(
                    "; [argilla.User(**user, password=PASSWORD, client=client).create() for user in json.load(open({users:?}))]"
                )
            };
            let load = format!(
                "Python: client = argilla.Argilla(api_url=URL, api_key=KEY){make_users}; \
                 argilla.Dataset.from_disk({:?}, name=NAME, workspace=WORKSPACE, client=client); here: import records.json",
                path.display().to_string()
            );
            (path, load)
        }
        PairForm::LabelStudio => {
            let (path, configuration) = (folder.join("label-studio.json"), folder.join("label-studio.xml"));
            label_studio::write(&path, &configuration, &pairs.pairs)?;
            let load = format!(
                "Label Studio: paste {} as the labeling interface of a project (Settings, Labeling Interface, Code), then \
                 import the tasks; here: import the file",
                configuration.display()
            );
            (path, load)
        }
    })
}

/// What there is to know of the judgements beside the pairs.
fn of_judgements(pairs: &ExportedPairs, has_judgements: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if has_judgements {
        notes.push(if pairs.has_annotator_names {
            "the judgements beside the pairs name their annotators and have their notes".to_owned()
        } else {
            "the annotators of the judgements beside the pairs are numbered, not named; their notes are there as they were \
             written"
                .to_owned()
        });
    }
    if pairs.judgements_left_out > 0 {
        notes.push(format!(
            "{} judgements stand beside no pair: their items give none, or their texts were changed since. The window's \
             export of labelled data has every judgement",
            pairs.judgements_left_out
        ));
    }
    notes
}

/// What there is to know of files for labellers, and of which of them.
fn of_tools(pairs: &ExportedPairs, forms: &[PairForm]) -> Vec<(Vec<PairForm>, String)> {
    let tools: Vec<PairForm> =
        [PairForm::Argilla, PairForm::LabelStudio].into_iter().filter(|form| forms.contains(form)).collect();
    if tools.is_empty() {
        return Vec::new();
    }
    let mut notes = Vec::new();
    let mut note = |of: &[PairForm], text: String| {
        let of: Vec<PairForm> = of.iter().copied().filter(|form| forms.contains(form)).collect();
        if !of.is_empty() {
            notes.push((of, text));
        }
    };
    let count = |of: &dyn Fn(&prefs::store::ExportedPair) -> bool| pairs.pairs.iter().filter(|pair| of(pair)).count();
    let without = count(&|pair| pair.judgements.iter().all(|judgement| !judgement.counts));
    let spoken = count(&|pair| pair.sourced.pair.is_conversational());
    if without > 0 {
        let text = format!(
            "{without} of the {} pairs have no vote. The label of every pair stands there as a suggestion or prediction, which \
             annotators see unless it is switched off there",
            pairs.pairs.len()
        );
        note(&tools, text);
    }
    if spoken > 0 {
        let text = format!(
            "{spoken} conversations stand there as text; the messages beside them are read when a file comes back into this \
             program"
        );
        note(&tools, text);
    }
    let ties: i64 = pairs.pairs.iter().map(|pair| pair.votes().tie).sum();
    if ties > 0 {
        let text = format!(
            "{ties} votes are ties. Its tag for two answers has none, so they are the choice `undecided` beside it"
        );
        note(&[PairForm::LabelStudio], text);
    }
    if !pairs.annotators.is_empty() {
        let text = format!(
            "its server refuses responses of users that it does not have. Make the {} users in {USERS} first, with the ids \
             that stand there",
            pairs.annotators.len()
        );
        note(&[PairForm::Argilla], text);
        let text = "annotations belong to whoever imports them, because a file that names a user whom Label Studio does not \
                    have is refused; whose they were is in `created_username`, and in `meta` of each task";
        note(&[PairForm::LabelStudio], text.to_owned());
    }
    notes
}
