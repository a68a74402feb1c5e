//! The project folder, imports and migrations.
#![allow(clippy::unwrap_used)]
use rusqlite::Connection;

use super::schema::{MIGRATIONS, migrate};
use super::*;
use crate::Content;
use crate::Pair;
use crate::jsonl::{Reading, read_pairs_from};
use crate::mapping::ImportKind;

const FILE: &str = concat!(
    "{\"prompt\": [{\"role\": \"user\", \"content\": \"p\"}], \"chosen\": \"a\", \"rejected\": \"b\", \"score\": 1}\n",
    "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\", \"category\": \"x\"}\n",
    "\n",
    "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n",
    "nonsense\n",
);

fn many(pairs: usize) -> Reading {
    let row = |i: usize| format!("{{\"prompt\": \"p{i}\", \"chosen\": \"a\", \"rejected\": \"b\"}}");
    let lines: Vec<String> = (0..pairs).map(row).collect();
    read_pairs_from(lines.join("\n").as_bytes()).unwrap()
}

#[test]
fn an_import_is_kept_with_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let reading = read_pairs_from(FILE.as_bytes()).unwrap();
    let mut project = Project::open_or_create(&folder.path().join("new").join("project")).unwrap();
    let first = project.add_import(&reading, "pairs.jsonl").unwrap();
    assert_eq!((first.id, first.added, first.duplicates, first.refused, first.blank), (1, 2, 1, 1, 1));
    let second = project.add_import(&reading, "pairs.jsonl").unwrap();
    assert_eq!((second.id, second.added, second.duplicates), (2, 0, 3));

    let again = Project::open(project.folder()).unwrap();
    assert_eq!(again.imports().unwrap(), [first, second]);
    assert_eq!(again.refused(1).unwrap(), reading.refused);
    let stored: Vec<StoredPair> = again.pairs().collect::<Result<_, _>>().unwrap();
    assert_eq!(again.count().unwrap(), 2);
    let expected: Vec<(usize, Pair)> =
        reading.pairs[..2].iter().map(|numbered| (numbered.place.line, numbered.pair.clone())).collect();
    assert_eq!(stored.iter().map(|stored| (stored.place.line, stored.pair.clone())).collect::<Vec<_>>(), expected);
    assert!(stored.iter().all(|stored| stored.hash == stored.pair.content_hash() && stored.import == 1));
}

#[test]
fn the_iterator_crosses_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let reading = many(515);
    project.add_import(&reading, "many").unwrap();
    let stored: Vec<Pair> = project.pairs().map(|stored| stored.unwrap().pair).collect();
    assert_eq!(stored, reading.into_pairs());
}

#[test]
fn rows_cannot_be_changed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap();
    for table in ["pairs", "imports", "refused"] {
        assert!(project.db.execute(&format!("DELETE FROM {table}"), []).is_err(), "{table}");
    }
    assert!(project.db.execute("UPDATE pairs SET category = 'y'", []).is_err());
    assert_eq!(project.count().unwrap(), 2);
}

#[test]
fn a_full_disk_leaves_nothing_of_the_import() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "small").unwrap();
    let pages: i64 = project.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    project.db.query_row(&format!("PRAGMA max_page_count = {}", pages + 20), [], |_| Ok(())).unwrap();
    let large = many(5000);
    let error = project.add_import(&large, "large").unwrap_err().to_string();
    assert!(error.contains("full") && error.contains("free some space"), "{error}");
    assert_eq!((project.count().unwrap(), project.imports().unwrap().len()), (2, 1));
    project.db.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    assert_eq!(project.add_import(&large, "large").unwrap().added, 5000);
}

#[test]
fn a_project_of_every_earlier_version_opens() {
    for version in 0..=MIGRATIONS.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Connection::open(folder.path().join(DATABASE)).unwrap();
        migrate(&mut db, &MIGRATIONS[..version]).unwrap();
        drop(db);
        let mut project = Project::open(folder.path()).unwrap();
        assert_eq!(project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap().added, 2);
        let now: i64 = project.db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(now as usize, MIGRATIONS.len());
    }
}

/// The rows were written by version 1 of the program, word for word.
#[test]
fn a_project_of_version_1_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = Connection::open(folder.path().join(DATABASE)).unwrap();
    migrate(&mut db, &MIGRATIONS[..1]).unwrap();
    db.execute_batch(
        r#"INSERT INTO imports VALUES (1, 'old.jsonl', 1700000000000, 2, 1, 1, 0, '{"score":2}');
           INSERT INTO refused VALUES (1, 4, 'not valid JSON');
           INSERT INTO pairs VALUES (1, 'hash one', 1, 1, '"Why?"', '"Because."', '"No."', 'short');
           INSERT INTO pairs VALUES (2, 'hash two', 1, 2, '[{"role":"user","content":"ÄH?"}]',
               '[{"role":"assistant","content":"a"}]', '[{"role":"assistant","content":"b"}]', NULL);"#,
    )
    .unwrap();
    drop(db);
    let mut project = Project::open(folder.path()).unwrap();
    let import = project.imports().unwrap().remove(0);
    assert_eq!((import.kind, import.added, import.imported_at), (ImportKind::Pairs, 2, 1_700_000_000_000));
    assert_eq!(project.refused(1).unwrap().len(), 1);
    assert_eq!(project.pairs().map(|stored| stored.unwrap().place.line).collect::<Vec<_>>(), [1, 2]);
    let query = |text: &str| PairQuery { text: text.to_owned(), limit: 10, ..PairQuery::default() };
    let page = project.page(&query("")).unwrap();
    assert_eq!((page.total, page.categories), (2, vec!["short".to_owned()]));
    assert_eq!(project.page(&query("äh")).unwrap().rows[0].id, 2);
    project.remove_pair(1, "Ada", true).unwrap();
    assert_eq!(project.training_pairs().unwrap().len(), 1);
    assert_eq!(project.pair(2).unwrap().history[0].what, "Imported from old.jsonl, line 2.");
}

#[test]
fn nothing_that_happened_can_be_changed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let project = lived(folder.path(), 90);
    let tables = [
        "imports",
        "refused",
        "pairs",
        "pair_revisions",
        "items",
        "item_revisions",
        "annotators",
        "second_passes",
        "showings",
        "judgements",
        "undone",
        "import_changes",
        "repeats",
        "category_changes",
        "set_versions",
        "set_members",
    ];
    for table in tables {
        let rows = |db: &Connection| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        let before = rows(&project.db);
        assert!(before > 0 || table == "refused", "{table}");
        for change in [format!("DELETE FROM {table}"), format!("UPDATE {table} SET rowid = rowid + 1000")] {
            assert!(project.db.execute(&change, []).is_err() || before == 0, "{change}");
        }
        assert_eq!(rows(&project.db), before);
    }
}

/// What the screens read is what follows from what happened.
#[test]
fn what_is_derived_can_be_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = lived(folder.path(), 400);
    let dump = |db: &Connection| -> Vec<String> {
        ["listing", "item_states", "tasks"]
            .iter()
            .flat_map(|table| {
                let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).unwrap();
                let columns = statement.column_count();
                let row = |row: &rusqlite::Row| {
                    let values: Vec<rusqlite::types::Value> = (0..columns).map(|at| row.get_unwrap(at)).collect();
                    Ok(format!("{table} {values:?}"))
                };
                statement.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>()
            })
            .collect()
    };
    let before = dump(&project.db);
    assert!(before.len() > 100);
    project.write(|transaction| Ok(derived::rebuild(transaction)?)).unwrap();
    assert_eq!(dump(&project.db), before);
}

/// A project in which much has happened, all of it drawn from a seed.
fn lived(folder: &Path, steps: usize) -> Project {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let mut project = Project::open_or_create(folder).unwrap();
    project.add_import(&many(30), "pairs").unwrap();
    let rows: Vec<String> = (0..30)
        .map(|i| format!("{{\"prompt\": \"q{i}\", \"response_a\": \"one {i}\", \"response_b\": \"two {i}\"}}"))
        .collect();
    let table = crate::table::Table::from_bytes(rows.join("\n").as_bytes()).unwrap();
    project.import_table(&table, &crate::mapping::guess(&table), "items").unwrap();
    project.add_items_from_pairs(&[1, 2, 3, 4, 5]).unwrap();
    let verdicts = [Verdict::Left, Verdict::RightMuch, Verdict::TieBad, Verdict::Skip, Verdict::Right];
    for step in 0..steps {
        let name = ["Ada", "Ben", "Cleo"][random.random_range(0..3)];
        let state = project.label_state(name, 3).unwrap();
        let next = state.queue.first().cloned();
        match (step % 40, next) {
            (5, _) => drop(project.second_pass(name, 0.3, 1).unwrap()),
            (7, _) => drop(project.remove_pair(random.random_range(1..30), name, random.random()).unwrap()),
            (9, _) => {
                let pair = project.pair(random.random_range(1..30)).unwrap();
                let edited = Content::from(format!("edited {step}").as_str());
                project.edit_pair(pair.id, name, pair.prompt, edited, pair.rejected).unwrap();
            }
            (11, Some(next)) => {
                project.edit_answer(name, next.item, next.showing, Side::Left, &format!("edited {step}")).unwrap();
            }
            (13, _) => {
                let labelled = project.page(&PairQuery { limit: 1, ..PairQuery::default() }).unwrap().rows.remove(0);
                project.remove_pair(labelled.id, name, true).unwrap();
            }
            (at, _) if at % 9 == 8 => drop(project.undo(name).unwrap()),
            (_, Some(next)) => {
                let judging = Judging {
                    annotator: name.to_owned(),
                    item: next.item,
                    showing: next.showing,
                    verdict: verdicts[random.random_range(0..verdicts.len())],
                    milliseconds: 1000,
                    note: None,
                };
                project.judge(&judging).unwrap();
            }
            (_, None) => {}
        }
    }
    // Of the first file some come again, and it is taken back; one of the categories that were given is taken away.
    project.add_import(&many(12), "again").unwrap();
    project.change_import(1, "Ada", &ImportChange::TakenBack(true)).unwrap();
    project.change_import(3, "Ada", &ImportChange::HeldOut(true)).unwrap();
    let listed = project.matching(&PairQuery::default(), None).unwrap();
    let given: Vec<_> = listed.iter().map(|&id| (id, Some("given".to_owned()))).collect();
    project.set_categories(&given, "Ada").unwrap();
    project.set_categories(&[(listed[0], None)], "Ben").unwrap();
    let set = project.save_set(None, "Ada", "some", &SetDefinition::default()).unwrap();
    project.set_members(set, &listed[..3], "Ada", true).unwrap();
    project
}

/// Ratings are of texts: they go with the answers, and are not told of an answer that was edited.
#[test]
fn ratings_of_the_file_stay_with_the_texts_that_they_are_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let rows = [
        r#"{"prompt": "a", "chosen": "x", "rejected": "y", "score_chosen": 8.5, "score_rejected": 5}"#,
        r#"{"prompt": "b", "chosen": "x", "rejected": "y", "score_chosen": 2, "score_rejected": 1}"#,
    ];
    let table = crate::table::Table::from_bytes(rows.join("\n").as_bytes()).unwrap();
    let mut mapping = crate::mapping::guess(&table);
    for (key, column) in [("rating_a", "score_chosen"), ("rating_b", "score_rejected")] {
        mapping.set(key, column).unwrap();
    }
    project.import_table(&table, &mapping, "rated").unwrap();
    let order = Some(crate::mapping::RatingOrder::HigherIsBetter);
    let rated = |chosen, rejected| Some(crate::mapping::PairRatings { chosen, rejected, order });
    assert_eq!(project.pair(1).unwrap().ratings, rated(8.5, 5.0));
    let swapped = project.edit_pair(1, "Ada", "a".into(), "y".into(), "x".into()).unwrap();
    assert_eq!(swapped.ratings, rated(5.0, 8.5));
    assert_eq!(swapped.ratings.unwrap().margin(), Some(-3.5));
    assert_eq!(project.edit_pair(2, "Ada", "b".into(), "z".into(), "y".into()).unwrap().ratings, None);
    let exported = project.exported_pairs(false).unwrap().pairs;
    assert_eq!(exported.iter().map(|pair| pair.ratings).collect::<Vec<_>>(), [rated(5.0, 8.5), None]);
    assert_eq!(project.edit_pair(2, "Ada", "b".into(), "x".into(), "y".into()).unwrap().ratings, rated(2.0, 1.0));
}

/// Who says that a label is right says it of the texts that were looked at.
#[test]
fn a_confirmed_label_is_confirmed_for_its_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.add_import(&many(3), "pairs").unwrap();
    assert!(!project.pair(2).unwrap().confirmed && project.confirmed().unwrap().is_empty());
    let version = project.confirmations_version().unwrap();
    let view = project.confirm_pair(2, "Ada", true).unwrap();
    assert!(view.confirmed && view.history[0].what == "Looked at it: the label is right.");
    assert!(project.confirmations_version().unwrap() > version);
    let again = project.confirm_pair(2, "Ada", true).unwrap();
    assert_eq!(again.history.len(), view.history.len(), "said twice, it is kept once");
    let turned = project.edit_pair(2, "Ben", view.prompt.clone(), view.rejected.clone(), view.chosen.clone()).unwrap();
    assert!(!turned.confirmed);
    let back = project.edit_pair(2, "Ben", view.prompt, view.chosen, view.rejected).unwrap();
    assert!(back.confirmed && project.confirmed().unwrap().len() == 1);
    assert!(!project.confirm_pair(2, "Ada", false).unwrap().confirmed && project.confirmed().unwrap().is_empty());
    assert!(matches!(project.confirm_pair(9, "Ada", true), Err(Error::NoPair { id: 9 })));
}

#[test]
fn many_labels_are_turned_round_or_confirmed_and_what_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.add_import(&many(4), "pairs").unwrap();
    let hash = |project: &Project, id| {
        let PairView { prompt, chosen, rejected, category, .. } = project.pair(id).unwrap();
        crate::Pair { prompt, chosen, rejected, category }.content_hash()
    };
    project.remove_pair(2, "Ben", true).unwrap();
    let as_was = hash(&project, 3);
    project.edit_pair(3, "Ben", "p2".into(), "other".into(), "b".into()).unwrap();
    let texts = Upon::Texts;
    let asked = [(1, texts(hash(&project, 1))), (2, Upon::Anything), (3, texts(as_was)), (4, Upon::Anything)];
    let swapped = project.swap_pairs(&asked, "Ada").unwrap();
    assert_eq!(swapped.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 4], "one is removed, one has other texts");
    assert_eq!((project.pair(1).unwrap().chosen, project.pair(3).unwrap().chosen), ("b".into(), "other".into()));
    assert_eq!(project.pair(4).unwrap().history[0].what, "Swapped the two answers.");

    // What somebody has changed in between is not undone.
    project.edit_pair(4, "Ben", "p3".into(), "b".into(), "better".into()).unwrap();
    let back: Vec<_> = swapped.into_iter().map(|(id, change)| (id, Upon::Change(change))).collect();
    assert_eq!(project.swap_pairs(&back, "Ada").unwrap().len(), 1);
    assert_eq!((project.pair(1).unwrap().chosen, project.pair(4).unwrap().rejected), ("a".into(), "better".into()));

    let found = project.confirm_pairs(&[1, 2, 3], "Ada", true).unwrap();
    let numbers = |changed: &[(i64, i64)]| changed.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!((numbers(&found.changed), found.unsuited), (vec![1, 3], 1));
    assert!(project.confirm_pairs(&[1, 3], "Ada", true).unwrap().changed.is_empty());
    assert_eq!(numbers(&project.undo_confirmations(&found.changed, "Ada").unwrap()), [1, 3]);
    assert!(
        project.undo_confirmations(&found.changed, "Ada").unwrap().is_empty(),
        "that is not the last word any more"
    );
    // All or none.
    assert!(matches!(
        project.swap_pairs(&[(1, Upon::Anything), (9, Upon::Anything)], "Ada"),
        Err(Error::NoPair { id: 9 })
    ));
    assert!(matches!(project.confirm_pairs(&[1, 9], "Ada", true), Err(Error::NoPair { id: 9 })));
    assert!(project.pair(1).unwrap().chosen == "a".into() && project.confirmed().unwrap().is_empty());
}

#[test]
fn what_is_no_project_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Project::open(folder.path()), Err(Error::NoProject { .. })));
    let path = folder.path().join(DATABASE);

    std::fs::write(&path, "no database at all, but long enough to look at".repeat(100)).unwrap();
    let error = Project::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
    std::fs::remove_file(&path).unwrap();

    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(Project::open(folder.path()), Err(Error::NotOurs { .. })));
    drop(db);
    std::fs::remove_file(&path).unwrap();

    drop(Project::open_or_create(folder.path()).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    let error = Project::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("version 99"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_row_is_an_error_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.add_import(&read_pairs_from(FILE.as_bytes()).unwrap(), "x").unwrap();
    project.db.execute_batch("DROP TRIGGER pairs_keep; UPDATE pairs SET chosen = '{' WHERE id = 2").unwrap();
    let read: Vec<_> = project.pairs().collect();
    assert_eq!(read.len(), 1, "the iterator ends at the damage");
    assert!(read[0].is_err());
}
