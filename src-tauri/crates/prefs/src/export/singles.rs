//! Single answers as they leave a project: `prompt` and `completion`, and a `label` where they have one. As of pairs, a column that
//! one row has stands in every row.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Columns, add_beside, said};
use crate::jsonl::write_lines;
use crate::{Error, SingleAnswer};

/// Writes single labels or demonstrations as JSON Lines in TRL's forms; the file appears whole or not at all.
///
/// # Errors
/// When writing fails.
pub fn write_singles(path: &Path, singles: &[SingleAnswer]) -> Result<(), Error> {
    let columns = Columns::of(singles.iter().map(|single| (&single.prompt, single.category.as_deref())));
    let row = |single: &SingleAnswer| {
        let SingleAnswer { prompt, answer, label, category } = single;
        let mut row = Map::new();
        row.insert("prompt".to_owned(), said(prompt)?);
        row.insert("completion".to_owned(), said(answer)?);
        row.extend(label.map(|label| ("label".to_owned(), label.into())));
        add_beside(&mut row, prompt, category.as_deref(), &columns)?;
        Ok::<_, serde_json::Error>(Value::Object(row))
    };
    write_lines(path, singles.iter().map(row))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::mapping::{ImportKind, MappedContent};
    use crate::reader::{Choices, open};
    use crate::store::{Project, SingleKind};
    use crate::{Content, Conversation, Message};

    /// Into a project, out of it, and into another one.
    fn there_and_back(singles: &[SingleAnswer]) -> Vec<SingleAnswer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("singles.jsonl");
        write_singles(&path, singles).unwrap();
        let is_labelled = singles[0].label.is_some();
        let kind = if is_labelled { SingleKind::Labels } else { SingleKind::Demonstrations };
        let mut choices = Choices::from([("repeated_prompt".to_owned(), "keep".to_owned())]);
        if !is_labelled {
            choices.insert("kind".to_owned(), "demonstrations".to_owned());
        }
        let opened = open(&path, &choices, &|| true).unwrap();
        let expected = if is_labelled { ImportKind::Pairs } else { ImportKind::Demonstrations };
        assert_eq!(opened.mapping.kind, expected, "{}", opened.how);
        let mut project = Project::open_or_create(&folder.path().join("project")).unwrap();
        let would = project.preview_table(&opened.table, &opened.mapping, "again.jsonl", 1).unwrap();
        let brought = project.import_table(&opened.table, &opened.mapping, "singles").unwrap();
        assert_eq!((would.added, would.duplicates), (brought.added, brought.duplicates));
        assert_eq!((brought.refused_count, brought.added), (0, singles.len()), "{}", opened.how);
        let again = project.import_table(&opened.table, &opened.mapping, "again").unwrap();
        assert_eq!((again.added, again.duplicates), (0, singles.len()));
        assert!(matches!(would.first[0].content, MappedContent::Single(_)));
        let counts = project.counts().unwrap();
        let counted = if is_labelled { counts.single_labels } else { counts.demonstrations };
        assert_eq!((counted, counts.single_labels + counts.demonstrations), (singles.len(), singles.len()));
        let page = project.singles_page(kind, 0, 1).unwrap();
        assert_eq!((page.total, page.rows.len()), (singles.len(), 1));
        assert_eq!(project.single(page.rows[0].id).unwrap().place.line, 1);
        project.singles(kind).unwrap()
    }

    #[test]
    fn labels_that_come_apart_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(&folder.path().join("project")).unwrap();
        let mut import = |name: &str, label: bool| {
            let path = folder.path().join(name);
            let single = |prompt: &str| SingleAnswer {
                prompt: prompt.into(),
                answer: format!("{name} {prompt}").as_str().into(),
                label: Some(label),
                category: None,
            };
            write_singles(&path, &[single("p"), single(name)]).unwrap();
            let opened = open(&path, &Choices::new(), &|| true).unwrap();
            let would = project.preview_table(&opened.table, &opened.mapping, "again.jsonl", 1).unwrap();
            let brought = project.import_table(&opened.table, &opened.mapping, name).unwrap();
            assert_eq!(would.notes, brought.notes);
            brought.notes.into_iter().find(|(note, _)| note.starts_with("the project has")).map(|(_, rows)| rows)
        };
        assert_eq!(import("good", true), None);
        assert_eq!(import("better", true), None);
        assert_eq!(import("bad", false), Some(1));
        assert_eq!(import("worse", false), Some(1));
        // In one folder they are pairs.
        let both = folder.path().join("both");
        std::fs::create_dir(&both).unwrap();
        for (from, to) in [("good", "labels-1.jsonl"), ("bad", "labels-2.jsonl")] {
            std::fs::copy(folder.path().join(from), both.join(to)).unwrap();
        }
        let opened = open(&both, &Choices::new(), &|| true).unwrap();
        let brought = project.import_table(&opened.table, &opened.mapping, "both").unwrap();
        // The two single labels beside it are known already.
        assert_eq!((brought.added, brought.single_labels, brought.duplicates), (1, 0, 2));
        assert_eq!(project.counts().unwrap().pairs, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn labels_come_back(texts in prop::collection::vec(("\\PC{1,20}", "[^\0]{0,12}", prop::option::of("[a-z]{1,5}"), any::<bool>()), 1..6)) {
            let single = |(at, (p, answer, category, label)): (usize, (String, String, Option<String>, bool))| SingleAnswer {
                prompt: format!("{p} {at}?").as_str().into(),
                answer: format!("a{answer}").as_str().into(),
                label: Some(label),
                category,
            };
            let singles: Vec<SingleAnswer> = texts.into_iter().enumerate().map(single).collect();
            prop_assert_eq!(there_and_back(&singles), singles);
        }

        #[test]
        fn demonstrations_come_back(
            rows in prop::collection::vec(("[^\0]{1,12}", "[^\0]{1,12}", prop::option::of("[a-z]{1,5}"), 0_usize..3), 1..5)
        ) {
            let single = |(at, (asked, answer, category, tools)): (usize, (String, String, Option<String>, usize))| {
                let messages = vec![Message::new("system", "Be brief."), Message::new("user", format!("{asked}{at}"))];
                let tool = |at| serde_json::json!({"type": "function", "function": {"name": format!("t{at}"), "parameters": {}}});
                let tools = (0..tools).map(tool).collect();
                let prompt = Content::Messages(Conversation { messages, tools, chat_template_kwargs: Map::new() });
                let answer = vec![Message::new("assistant", format!("a{answer}"))].into();
                SingleAnswer { prompt, answer, label: None, category }
            };
            let singles: Vec<SingleAnswer> = rows.into_iter().enumerate().map(single).collect();
            prop_assert_eq!(there_and_back(&singles), singles);
        }
    }
}
