//! A project's pairs for other programs.

use super::Exported;
use crate::error::{Error, Result};
use prefs::export::argilla::{self, USERS};
use prefs::export::{PairForm, label_studio, parquet, write_jsonl};
use prefs::store::{ExportedPair, ExportedPairs, Project};
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
            Ok(files) => written.files.extend(files.into_iter().map(|made| (form, made))),
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
    if pairs.pairs.iter().any(|pair| pair.held_out) {
        written.of_forms.extend(of_held_out(forms));
    }
    written.of_forms.extend(of_tools(pairs, forms));
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
/// Pairs that never train lie in files of their own: whoever takes the others to train on does not train on these.
const HELD_OUT_JSONL: &str = "held_out_pairs.jsonl";
const HELD_OUT_PARQUET: &str = "held_out_pairs.parquet";
/// The files of single answers.
const SINGLES: [&str; 2] = ["single_labels.jsonl", "demonstrations.jsonl"];

/// The files in which a form lies.
fn names_of(form: PairForm) -> &'static [&'static str] {
    match form {
        PairForm::Jsonl => &["pairs.jsonl", HELD_OUT_JSONL],
        PairForm::Parquet => &[PARQUET, HELD_OUT_PARQUET],
        PairForm::Argilla => &["argilla"],
        PairForm::LabelStudio => &["label-studio.json", "label-studio.xml"],
    }
}

/// Those of some forms, and of single answers where they are among them, that lie in a folder.
fn there(folder: &Path, forms: &[PairForm], with_singles: bool) -> Vec<&'static str> {
    let singles = SINGLES.iter().filter(|_| with_singles);
    let names = forms.iter().flat_map(|form| names_of(*form)).chain(singles).copied();
    names.filter(|name| folder.join(name).exists()).collect()
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Refuses to write over what lies in a folder: it may be the user's own, such as the file that was imported.
///
/// # Errors
/// When something is there.
pub(crate) fn refuse_to_replace(folder: &Path, forms: &[PairForm], with_singles: bool) -> Result<()> {
    let there = there(folder, forms, with_singles);
    if there.is_empty() {
        return Ok(());
    }
    let is = if there.len() == 1 { "is" } else { "are" };
    Err(Error::new(
        "not_replaced",
        format!("{} {is} in {} already", listed(&there), folder.display()),
        "Give another --output-dir, or --replace, where these may go.",
    ))
}

/// Files of an earlier export of pairs that lie in a folder beside those that were written now, as a sentence: who takes the folder
/// for one export would mix them.
pub(crate) fn of_earlier_export(folder: &Path, written: &[PathBuf]) -> Option<String> {
    // The labeling interface is written with its tasks.
    let is_new = |name: &str| {
        let of = name.replace("label-studio.xml", "label-studio.json");
        written.iter().any(|path| *path == folder.join(&of))
    };
    let mut old = there(folder, &PairForm::ALL, true);
    old.retain(|name| !is_new(name));
    (!old.is_empty()).then(|| {
        format!(
            "in {} also lie files that this export did not write, probably of an earlier one: {}; remove them, or export into \
             another folder",
            folder.display(),
            listed(&old)
        )
    })
}

/// Writes one form: where its files are, and how each is loaded.
fn write(pairs: &ExportedPairs, form: PairForm, folder: &Path) -> std::result::Result<Vec<Exported>, prefs::Error> {
    let made =
        |what: &str, path: PathBuf, load| Exported { what: what.into(), path, load, check: None, other_base: None };
    Ok(match form {
        PairForm::Jsonl => each_part(pairs, folder, ["pairs.jsonl", HELD_OUT_JSONL], |what, key, path, part| {
            write_jsonl(&path, part)?;
            let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
            // `datasets` takes the types of columns from so many bytes, by default from ten megabytes.
            let chunk = if bytes > 10 << 20 { format!(", chunksize={}", bytes + 1) } else { String::new() };
            let load = data_set("json", key, &path, &chunk);
            Ok(made(what, path, load))
        })?,
        PairForm::Parquet => each_part(pairs, folder, [PARQUET, HELD_OUT_PARQUET], |what, key, path, part| {
            parquet::write_pairs(&path, part)?;
            let load = data_set("parquet", key, &path, "");
            Ok(made(what, path, load))
        })?,
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
            vec![made("pairs", path, load)]
        }
        PairForm::LabelStudio => {
            let (path, configuration) = (folder.join("label-studio.json"), folder.join("label-studio.xml"));
            label_studio::write(&path, &configuration, &pairs.pairs)?;
            let load = format!(
                "Label Studio: paste {} as the labeling interface of a project (Settings, Labeling Interface, Code), then \
                 import the tasks; here: import the file",
                configuration.display()
            );
            vec![made("pairs", path, load)]
        }
    })
}

/// Writes what may be trained on, and what is held out, each where there is any.
fn each_part(
    pairs: &ExportedPairs,
    folder: &Path,
    [trains, held_out]: [&str; 2],
    mut write: impl FnMut(&str, &str, PathBuf, &[ExportedPair]) -> std::result::Result<Exported, prefs::Error>,
) -> std::result::Result<Vec<Exported>, prefs::Error> {
    let part = |is_held_out| pairs.pairs.iter().filter(|pair| pair.held_out == is_held_out).cloned().collect();
    let parts: [(&str, &str, &str, Vec<ExportedPair>); 2] =
        [("pairs", "data.train", trains, part(false)), ("held-out pairs", "data.eval", held_out, part(true))];
    // Of a project without pairs the file is there, and empty.
    let is_empty = pairs.pairs.is_empty();
    let filled = parts.into_iter().filter(|(what, .., part)| !part.is_empty() || is_empty && *what == "pairs");
    filled.map(|(what, key, name, part)| write(what, key, folder.join(name), &part)).collect()
}

fn data_set(kind: &str, key: &str, path: &Path, how: &str) -> String {
    let path = path.display().to_string();
    format!(
        "Python: datasets.load_dataset({kind:?}, data_files={path:?}{how}); here: {key} = {path:?}, or import the file"
    )
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

/// That some pairs lie in files of their own.
fn of_held_out(forms: &[PairForm]) -> Option<(Vec<PairForm>, String)> {
    let of: Vec<PairForm> =
        [PairForm::Jsonl, PairForm::Parquet].into_iter().filter(|form| forms.contains(form)).collect();
    let note =
        "the pairs of files that are held out lie in files of their own, `held_out_pairs`; hold them out there, too";
    (!of.is_empty()).then(|| (of, note.to_owned()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use prefs::jsonl::{read_pairs, read_pairs_from};
    use prefs::store::ImportChange;

    /// Who follows the printed way to train on an export does not train on what is held out.
    #[test]
    fn what_is_held_out_lies_in_files_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(&folder.path().join("project")).unwrap();
        let mut bring = |name: &str, numbers: std::ops::Range<usize>| {
            let row = |n| format!("{{\"prompt\": \"p{n}\", \"chosen\": \"c\", \"rejected\": \"r\"}}\n");
            let rows: String = numbers.map(row).collect();
            project.add_import(&read_pairs_from(rows.as_bytes()).unwrap(), name).unwrap().id
        };
        let (first, second) = (bring("train.jsonl", 0..5), bring("exam.jsonl", 5..7));
        let forms = [PairForm::Jsonl, PairForm::Parquet];
        let mut out = 0;
        let mut export = |project: &Project| {
            out += 1;
            let to = folder.path().join(format!("out-{out}"));
            std::fs::create_dir_all(&to).unwrap();
            let written = write_pairs(&project.exported_pairs(false).unwrap(), &forms, &to).unwrap();
            let files: Vec<(String, String)> = written
                .files
                .iter()
                .map(|(_, made)| (made.path.file_name().unwrap().to_string_lossy().into_owned(), made.load.clone()))
                .collect();
            (to, files, written.all_notes().join(" "))
        };
        let (_, files, notes) = export(&project);
        let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&files), ["pairs.jsonl", "pairs.parquet"]);
        assert!(!notes.contains("held out"), "{notes}");

        project.change_import(second, "Ada", &ImportChange::HeldOut(true)).unwrap();
        let (to, files, notes) = export(&project);
        assert_eq!(names(&files), ["pairs.jsonl", HELD_OUT_JSONL, PARQUET, HELD_OUT_PARQUET]);
        assert!(notes.contains("lie in files of their own"), "{notes}");
        assert!(files[0].1.contains("data.train = ") && files[1].1.contains("data.eval = "), "{files:?}");
        let count = |name: &str| read_pairs(&to.join(name)).unwrap().pairs.len();
        assert_eq!((count("pairs.jsonl"), count(HELD_OUT_JSONL)), (5, 2));
        let there = refuse_to_replace(&to, &[PairForm::Parquet], false).unwrap_err().message;
        assert!(there.starts_with("`pairs.parquet`, `held_out_pairs.parquet` are in"), "{there}");
        // An earlier export's held-out pairs are not taken for this one's.
        let written = [to.join("pairs.jsonl"), to.join(PARQUET)];
        let old = of_earlier_export(&to, &written).unwrap();
        assert!(
            old.contains(HELD_OUT_JSONL) && old.contains(HELD_OUT_PARQUET) && !old.contains("`pairs.jsonl`"),
            "{old}"
        );

        project.change_import(first, "Ada", &ImportChange::HeldOut(true)).unwrap();
        let (_, files, _) = export(&project);
        assert_eq!(names(&files), [HELD_OUT_JSONL, HELD_OUT_PARQUET]);
    }
}
