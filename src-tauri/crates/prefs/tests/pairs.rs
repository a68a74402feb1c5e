//! Pairs of a project: paged through, edited and removed, with all that became of them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use prefs::jsonl::read_pairs_from;
use prefs::store::{PairQuery, PairSource, Project};
use prefs::{Content, Error, Message};

fn project(folder: &Path, pairs: usize) -> Project {
    let row = |i: usize| {
        format!("{{\"prompt\": \"p{i}\", \"chosen\": \"a{i}\", \"rejected\": \"b{i}\", \"category\": \"c{}\"}}", i % 2)
    };
    let lines: Vec<String> = (1..=pairs).map(row).collect();
    let mut project = Project::open_or_create(folder).unwrap();
    project.add_import(&read_pairs_from(lines.join("\n").as_bytes()).unwrap(), "pairs.jsonl").unwrap();
    project
}

fn everything() -> PairQuery {
    PairQuery { limit: 100, ..PairQuery::default() }
}

#[test]
fn an_edit_is_a_row_of_its_own_and_what_was_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let view = project.edit_pair(2, "Ada", "p2".into(), "better".into(), "b2".into()).unwrap();
    assert_eq!((view.source, view.chosen), (PairSource::Edited, "better".into()));
    let view = project.edit_pair(2, "Ben", "other".into(), "better".into(), "worse".into()).unwrap();
    let history: Vec<(&str, &str)> =
        view.history.iter().map(|change| (change.who.as_str(), change.what.as_str())).collect();
    let expected = [
        ("Ben", "Edited the prompt and the rejected answer."),
        ("Ada", "Edited the chosen answer."),
        ("import", "Imported from pairs.jsonl, line 2."),
    ];
    assert_eq!(history, expected);
    let texts = |at: usize| -> Vec<(&str, String, String)> {
        let text = |content: &Content| content.last_text();
        view.history[at].texts.iter().map(|t| (t.part.as_str(), text(&t.before), text(&t.after))).collect()
    };
    let both = |part, before: &str, after: &str| (part, before.to_owned(), after.to_owned());
    assert_eq!(texts(0), [both("prompt", "p2", "other"), both("rejected answer", "b2", "worse")]);
    assert_eq!(texts(1), [both("chosen answer", "a2", "better")]);
    assert_eq!(texts(2), []);
    let same = project.edit_pair(2, "Cleo", "other".into(), "better".into(), "worse".into()).unwrap();
    assert_eq!(same.history.len(), 3, "nothing changed, so nothing is noted");
    let came_in = project.pairs().nth(1).unwrap().unwrap().pair;
    assert_eq!((came_in.chosen, came_in.category.as_deref()), ("a2".into(), Some("c0")));
    let trained = project.training_pairs().unwrap();
    assert_eq!(
        (trained[1].pair.chosen.last_text(), trained[1].pair.category.as_deref()),
        ("better".to_owned(), Some("c0"))
    );
    // What came in is known, whatever became of it.
    let again = read_pairs_from(&b"{\"prompt\": \"p2\", \"chosen\": \"a2\", \"rejected\": \"b2\"}"[..]).unwrap();
    assert_eq!(project.add_import(&again, "again").unwrap().duplicates, 1);
}

#[test]
fn an_edit_that_is_no_pair_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1);
    let said = Content::from(vec![Message::new("assistant", "a")]);
    for (prompt, chosen) in [("".into(), "a".into()), (Content::from("p"), said)] {
        let error = project.edit_pair(1, "Ada", prompt, chosen, "b".into()).unwrap_err();
        assert!(matches!(error, Error::InvalidEdit { .. }), "{error}");
    }
    assert_eq!(project.pair(1).unwrap().history.len(), 1);
    assert!(matches!(project.edit_pair(7, "Ada", "p".into(), "a".into(), "b".into()), Err(Error::NoPair { id: 7 })));
    assert!(matches!(project.remove_pair(0, "Ada", true), Err(Error::NoPair { id: 0 })));
}

#[test]
fn removed_pairs_are_out_of_the_list_and_the_training_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 10);
    project.edit_pair(3, "Ada", "p3".into(), "edited".into(), "b3".into()).unwrap();
    project.remove_pair(3, "Ada", true).unwrap();
    project.remove_pair(4, "Ada", true).unwrap();
    let ids = |project: &Project, query: &PairQuery| -> Vec<i64> {
        project.page(query).unwrap().rows.iter().map(|row| row.id).collect()
    };
    assert_eq!(ids(&project, &everything()), [1, 2, 5, 6, 7, 8, 9, 10]);
    let removed = PairQuery { source: Some(PairSource::Removed), ..everything() };
    assert_eq!(ids(&project, &removed), [3, 4]);
    let even = PairQuery { category: Some("c0".to_owned()), limit: 2, offset: 1, ..PairQuery::default() };
    assert_eq!((ids(&project, &even), project.page(&even).unwrap().total), (vec![6, 8], 4));
    assert_eq!((project.training_pairs().unwrap().len(), project.counts().unwrap().pairs), (8, 8));
    let view = project.remove_pair(3, "Ben", false).unwrap();
    assert_eq!((view.source, view.chosen), (PairSource::Edited, "edited".into()), "the edit is still there");
    assert_eq!(view.history[0].what, "Put back.");
    assert_eq!(project.page(&everything()).unwrap().categories, ["c0", "c1"]);
}

#[test]
fn many_pairs_go_out_at_once_and_only_those_come_back() {
    use PairSource::{Imported, Removed};
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 6);
    project.remove_pair(2, "Ada", true).unwrap();
    assert_eq!(project.remove_pairs(&[5, 2, 3], "Ada", true).unwrap(), [5, 3], "2 was out before");
    let listed = |project: &Project, query: &PairQuery| -> Vec<(i64, PairSource)> {
        project.page_of(&[5, 2, 3, 6], query).unwrap().rows.iter().map(|row| (row.id, row.source)).collect()
    };
    assert_eq!(listed(&project, &everything()), [(5, Removed), (2, Removed), (3, Removed), (6, Imported)]);
    let first = PairQuery { limit: 1, offset: 3, ..PairQuery::default() };
    assert_eq!(
        (listed(&project, &first), project.page_of(&[5, 2, 3, 6], &first).unwrap().total),
        (vec![(6, Imported)], 4)
    );
    assert_eq!(project.remove_pairs(&[5, 3], "Ada", false).unwrap(), [5, 3]);
    assert_eq!(project.training_pairs().unwrap().len(), 5);
    assert!(matches!(project.remove_pairs(&[1, 7], "Ada", true), Err(Error::NoPair { id: 7 })));
    assert_eq!(project.training_pairs().unwrap().len(), 5, "all of them or none");
}

/// An import that is wanted no more leaves the project as it was, however far it came.
#[test]
fn an_import_that_is_broken_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    let row = |number: usize| format!("{{\"prompt\": \"p{number}\", \"chosen\": \"c\", \"rejected\": \"r\"}}\n");
    std::fs::write(&file, (0..50).map(row).collect::<Vec<_>>().concat()).unwrap();
    let left = std::cell::Cell::new(0_usize);
    let is_wanted = || left.replace(left.get().saturating_sub(1)) > 0;
    assert!(matches!(prefs::table::Table::read_wanted(&file, &is_wanted), Err(prefs::Error::Cancelled)));
    let table = prefs::table::Table::read(&file).unwrap();
    let mapping = prefs::mapping::guess(&table);
    let mut project = Project::open_or_create(&folder.path().join("project")).unwrap();
    for rows in [0, 1, 30] {
        left.set(rows);
        let broken = project.import_wanted(&table, &mapping, "pairs.jsonl", &is_wanted);
        assert!(matches!(broken, Err(prefs::Error::Cancelled)), "{rows}");
        assert_eq!((project.count().unwrap(), project.imports().unwrap().len()), (0, 0));
    }
    assert_eq!(project.import_table(&table, &mapping, "pairs.jsonl").unwrap().added, 50);
}
