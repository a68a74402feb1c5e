//! What is decided of an import after it came in: its name, that it is held out, that it is taken back.
#![allow(clippy::unwrap_used)]

use prefs::jsonl::read_pairs_from;
use prefs::mapping;
use prefs::store::{Beside, ImportChange, ImportChanged, Judging, PairQuery, PairSource, Project, SingleKind, Verdict};
use prefs::table::Table;

fn project() -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::open_or_create(folder.path()).unwrap();
    (folder, project)
}

fn row(prompt: usize, chosen: &str) -> String {
    format!("{{\"prompt\": \"p{prompt}\", \"chosen\": \"{chosen}\", \"rejected\": \"no\"}}\n")
}

fn import(project: &mut Project, name: &str, rows: &[String]) -> i64 {
    project.add_import(&read_pairs_from(rows.concat().as_bytes()).unwrap(), name).unwrap().id
}

fn take_back(project: &mut Project, import: i64, back: bool) -> ImportChanged {
    project.change_import(import, "Ada", &ImportChange::TakenBack(back)).unwrap()
}

fn trained(project: &Project) -> Vec<i64> {
    project.training_pairs().unwrap().into_iter().map(|sourced| sourced.id).collect()
}

/// The pairs that imports hold out, by their numbers: pages of the table mark the same.
fn held_out(project: &Project) -> Vec<i64> {
    let all = project.held_out_by_imports().unwrap();
    for source in [None, Some(PairSource::Removed), Some(PairSource::TakenBack)] {
        let page = project.page(&PairQuery { source, limit: 100, ..PairQuery::default() }).unwrap();
        for row in page.rows {
            assert_eq!(row.held_out, all.contains_key(&row.id), "pair {}", row.id);
        }
    }
    let mut ids: Vec<i64> = all.into_keys().collect();
    ids.sort_unstable();
    ids
}

fn told(project: &Project, id: i64) -> Vec<String> {
    project.pair(id).unwrap().history.into_iter().map(|change| change.what).collect()
}

#[test]
fn another_name_leaves_the_files_name_in_the_record() {
    let (_folder, mut project) = project();
    let id = import(&mut project, "survey.jsonl", &[row(1, "a")]);
    project.change_import(id, "Ada", &ImportChange::Name(Some(" First survey ".into()))).unwrap();
    let [entry] = <[_; 1]>::try_from(project.imports().unwrap()).unwrap();
    assert_eq!((entry.source.as_str(), entry.state.name.as_deref()), ("survey.jsonl", Some("First survey")));
    assert_eq!(told(&project, 1), ["Imported from survey.jsonl, line 1."]);
    for wrong in ["", "  ", "two\nlines", &"x".repeat(201)] {
        let error = project.change_import(id, "Ada", &ImportChange::Name(Some(wrong.into()))).unwrap_err().to_string();
        assert!(error.contains("1 to 200 characters"), "{error}");
    }
    project.change_import(id, "Ada", &ImportChange::Name(None)).unwrap();
    assert_eq!(project.imports().unwrap()[0].state.name, None);
    let error = project.change_import(9, "Ada", &ImportChange::Name(None)).unwrap_err().to_string();
    assert!(error.contains("no import 9"), "{error}");
}

#[test]
fn what_is_taken_back_goes_as_a_whole_and_comes_back_as_it_was() {
    let (folder, mut project) = project();
    let first = import(&mut project, "a.jsonl", &[row(1, "a"), row(2, "a"), row(3, "a")]);
    import(&mut project, "b.jsonl", &[row(3, "a"), row(4, "a")]);
    project.remove_pair(1, "Ben", true).unwrap();
    project.edit_pair(2, "Ben", "p2".into(), "edited".into(), "no".into()).unwrap();
    assert_eq!(trained(&project), [2, 3, 4]);

    // One came with another file as well: it stays, and that is said by name.
    let changed = take_back(&mut project, first, true);
    assert_eq!((changed.pairs, changed.items, changed.single_answers), (1, 0, 0), "1 was out already");
    assert_eq!(changed.elsewhere.into_iter().collect::<Vec<_>>(), [("b.jsonl".to_owned(), 1)]);
    assert_eq!(trained(&project), [3, 4]);
    assert_eq!(project.pair(2).unwrap().source, PairSource::TakenBack);
    assert_eq!(project.counts().unwrap().pairs, 2);
    let gone = PairQuery { source: Some(PairSource::TakenBack), limit: 9, ..PairQuery::default() };
    assert_eq!(project.page(&gone).unwrap().rows.iter().map(|row| row.id).collect::<Vec<_>>(), [2]);
    assert_eq!(project.page(&PairQuery { text: "edited".into(), ..gone }).unwrap().total, 1);
    assert!(told(&project, 3).contains(&"Came again with b.jsonl, line 1.".to_owned()));
    assert_eq!(told(&project, 2)[0], "Taken back with a.jsonl.");
    assert_eq!(project.add_items_from_pairs(&[2]).unwrap(), 0, "what is not there is not labelled");

    // What was removed, and what was edited, is so again; nothing was deleted.
    let changed = take_back(&mut project, first, false);
    assert_eq!(changed.pairs, 1);
    assert_eq!(trained(&project), [2, 3, 4]);
    assert_eq!(project.pair(1).unwrap().source, PairSource::Removed);
    assert_eq!(project.pair(2).unwrap().chosen, "edited".into());
    drop(project);
    let again = Project::open(folder.path()).unwrap();
    assert_eq!(trained(&again), [2, 3, 4]);
}

#[test]
fn both_files_of_a_pair_may_be_taken_back_and_either_brings_it_back() {
    let (_folder, mut project) = project();
    let first = import(&mut project, "a.jsonl", &[row(1, "a"), row(1, "a")]);
    let second = import(&mut project, "b.jsonl", &[row(1, "a")]);
    assert_eq!(take_back(&mut project, first, true).pairs, 0);
    assert_eq!(take_back(&mut project, second, true).pairs, 1);
    assert_eq!(trained(&project), [] as [i64; 0]);
    assert_eq!(take_back(&mut project, first, false).pairs, 1);
    assert_eq!(trained(&project), [1]);
    assert_eq!(project.beside_imports().unwrap()[&first], Beside { repeats: 1, ..Beside::default() });
}

#[test]
fn a_file_that_was_taken_back_and_comes_again_is_new_again() {
    let (_folder, mut project) = project();
    let rows = [row(1, "a"), row(2, "a"), row(1, "a")];
    let first = import(&mut project, "a.jsonl", &rows);
    take_back(&mut project, first, true);
    let table = Table::from_bytes(rows.concat().as_bytes()).unwrap();
    let mapping = mapping::guess(&table);
    let would = project.preview_table(&table, &mapping, "again.jsonl", 9).unwrap();
    let brought = project.import_table(&table, &mapping, "again.jsonl").unwrap();
    assert_eq!((would.added, would.duplicates), (2, 1));
    assert_eq!((brought.added, brought.duplicates), (2, 1));
    assert_eq!(trained(&project), [1, 2]);
    assert_eq!(project.preview_table(&table, &mapping, "again.jsonl", 9).unwrap().added, 0);
}

#[test]
fn items_and_their_labels_go_and_come_back_with_their_file() {
    let (_folder, mut project) = project();
    let rows: Vec<String> = (0..3)
        .map(|i| format!("{{\"prompt\": \"q{i}\", \"response_a\": \"one\", \"response_b\": \"two\"}}\n"))
        .collect();
    let table = Table::from_bytes(rows.concat().as_bytes()).unwrap();
    project.import_table(&table, &mapping::guess(&table), "items.jsonl").unwrap();
    let next = project.label_state("Ada", 1).unwrap().queue.remove(0);
    let (item, showing) = (next.item, next.showing);
    let judging =
        Judging { annotator: "Ada".into(), item, showing, verdict: Verdict::Left, milliseconds: 1, note: None };
    project.judge(&judging).unwrap();
    assert_eq!(trained(&project), [-item]);
    let changed = take_back(&mut project, 1, true);
    assert_eq!((changed.pairs, changed.items), (1, 2), "what was judged is a pair");
    assert_eq!((trained(&project).len(), project.counts().unwrap().items), (0, 0));
    assert!(project.label_state("Ben", 5).unwrap().queue.is_empty());
    take_back(&mut project, 1, false);
    assert_eq!(trained(&project), [-item]);
    assert_eq!(project.label_state("Ben", 5).unwrap().queue.len(), 3);
    // Held out are pairs that come of items as well.
    project.change_import(1, "Ada", &ImportChange::HeldOut(true)).unwrap();
    assert_eq!(held_out(&project).first(), Some(&-3));
    assert!(held_out(&project).contains(&-item));
}

#[test]
fn single_answers_go_and_come_back_with_their_file() {
    let (_folder, mut project) = project();
    let rows: Vec<String> = (0..4)
        .map(|i| format!("{{\"prompt\": \"q{i}\", \"completion\": \"c{i}\", \"label\": {}}}\n", i % 2 == 0))
        .collect();
    let bring = |project: &mut Project, rows: &[String], name: &str| {
        let table = Table::from_bytes(rows.concat().as_bytes()).unwrap();
        project.import_table(&table, &mapping::guess(&table), name).unwrap()
    };
    assert_eq!(bring(&mut project, &rows, "labels.jsonl").single_labels, 4);
    bring(&mut project, &rows[..1], "again.jsonl");
    assert_eq!(take_back(&mut project, 1, true).single_answers, 3);
    assert_eq!(project.counts().unwrap().single_labels, 1);
    let page = project.singles_page(SingleKind::Labels, 0, 9).unwrap();
    assert_eq!((page.total, page.rows.len()), (1, 1));
    assert_eq!(project.singles(SingleKind::Labels).unwrap().len(), 1);
    assert_eq!(bring(&mut project, &rows[2..], "third.jsonl").added, 2);
    assert_eq!(project.counts().unwrap().single_labels, 3);
    take_back(&mut project, 1, false);
    assert_eq!(project.counts().unwrap().single_labels, 4);
}

#[test]
fn held_out_are_all_pairs_of_a_file_also_those_that_came_before_it() {
    let (_folder, mut project) = project();
    import(&mut project, "a.jsonl", &[row(1, "a"), row(2, "a")]);
    let second = import(&mut project, "b.jsonl", &[row(2, "a"), row(3, "a")]);
    assert!(!project.holds_out_pairs().unwrap());
    project.change_import(second, "Ada", &ImportChange::HeldOut(true)).unwrap();
    assert!(project.holds_out_pairs().unwrap());
    let mut marked: Vec<(i64, i64)> = project.held_out_by_imports().unwrap().into_iter().collect();
    marked.sort_unstable();
    assert_eq!(marked, [(2, second), (3, second)]);
    assert_eq!(held_out(&project), [2, 3]);
    assert_eq!(told(&project, 3)[0], "Held out with b.jsonl.");
    take_back(&mut project, second, true);
    assert!(held_out(&project).is_empty(), "what is taken back holds nothing out");
    // But what comes again after it: nobody has said that it may be trained on.
    let third = import(&mut project, "b again.jsonl", &[row(2, "a"), row(3, "a")]);
    assert_eq!((held_out(&project), project.holds_out_pairs().unwrap()), (vec![2, 3], true));
    take_back(&mut project, third, true);
    assert!(held_out(&project).is_empty() && !project.holds_out_pairs().unwrap());
    take_back(&mut project, second, false);
    project.change_import(second, "Ada", &ImportChange::HeldOut(false)).unwrap();
    assert!(held_out(&project).is_empty());
}
