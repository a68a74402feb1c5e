//! The project folder, imports and migrations.
#![allow(clippy::unwrap_used)]
use rusqlite::Connection;

use super::schema::{MIGRATIONS, migrate};
use super::*;
use crate::Pair;
use crate::jsonl::{Reading, read_pairs_from};

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
        reading.pairs[..2].iter().map(|numbered| (numbered.line, numbered.pair.clone())).collect();
    assert_eq!(stored.iter().map(|stored| (stored.line, stored.pair.clone())).collect::<Vec<_>>(), expected);
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
