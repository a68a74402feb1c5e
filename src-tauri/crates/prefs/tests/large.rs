//! A project of 100,000 pairs and items answers within what a person notices. The bounds are several times what was
//! measured, so that a busy machine passes; what was measured is printed.
#![allow(clippy::unwrap_used, missing_docs)]

mod many_rows;

use std::time::{Duration, Instant};

use many_rows::write_rows;
use prefs::mapping::guess;
use prefs::store::{Judging, PairQuery, PairSource, Project, Verdict};
use prefs::table::Table;

const ROWS: usize = 100_000;

fn timed<T>(what: &str, most: Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    println!("{what}: {:.1} ms", took.as_secs_f64() * 1000.0);
    assert!(took < most, "{what} took {took:?}, more than {most:?}");
    result
}

const SOON: Duration = Duration::from_secs(2);
const MINUTES: Duration = Duration::from_secs(300);

#[test]
fn a_large_project_answers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    write_rows(&path, ROWS, ["chosen", "rejected"]).unwrap();
    let pairs = Table::read(&path).unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let import =
        timed("import of 100,000 pairs", MINUTES, || project.import_table(&pairs, &guess(&pairs), "pairs").unwrap());
    assert_eq!(import.added, ROWS);
    drop(pairs);
    drop(project);
    let mut project = timed("open", Duration::from_secs(1), || Project::open(folder.path()).unwrap());

    let query =
        |text: &str, offset: usize| PairQuery { text: text.to_owned(), offset, limit: 50, ..PairQuery::default() };
    let page = |what: &str, query: &PairQuery| timed(what, SOON, || project.page(query).unwrap());
    let first = page("first page and count after opening", &query("", 0));
    assert_eq!((first.total, first.rows.len(), first.categories.len()), (ROWS, 50, 7));
    let last = page("last page", &query("", ROWS - 50));
    assert_eq!(last.rows[49].id, ROWS as i64);
    let one = PairQuery { category: Some("category 3".to_owned()), source: Some(PairSource::Imported), ..query("", 0) };
    assert_eq!(page("one category", &one).total, ROWS.div_ceil(7));
    timed("reading the texts to search in", Duration::from_secs(5), || project.prepare_search().unwrap());
    let found = page("search, in every pair", &query("the", 0));
    assert_eq!(found.total, ROWS);
    assert_eq!(page("its next page", &query("the", 50)).rows[0].id, 51);
    assert_eq!(page("search, once", &query("NUMBER 299997: ", 0)).total, 1);
    assert_eq!(page("search, nowhere", &query("no such words", 0)).total, 0);
    assert!(page("search, not in ASCII", &query("äHRE GRADIENT", 0)).total > ROWS / 4);
    assert!(page("search for more", &query("ähre gradient margin", 0)).total > 100);
    let counts = timed("counts", SOON, || project.counts().unwrap());
    assert_eq!((counts.pairs, counts.items), (ROWS, 0));
    timed("edit", SOON, || {
        let pair = project.pair(77).unwrap();
        project.edit_pair(77, "Ada", pair.prompt, "better".into(), pair.rejected).unwrap()
    });

    write_rows(&path, ROWS, ["response_a", "response_b"]).unwrap();
    let items = Table::read(&path).unwrap();
    timed("import of 100,000 items", MINUTES, || project.import_table(&items, &guess(&items), "items").unwrap());
    let state = timed("first items to label", SOON, || project.label_state("Ada", 5).unwrap());
    assert_eq!((state.total, state.queue.len()), (ROWS, 5));
    let judge = |project: &mut Project, annotator: &str| {
        let next = project.label_state(annotator, 5).unwrap().queue[0].clone();
        let judging = Judging {
            annotator: annotator.to_owned(),
            item: next.item,
            showing: next.showing,
            verdict: Verdict::Left,
            milliseconds: 1000,
            note: None,
        };
        project.judge(&judging).unwrap();
    };
    timed("a verdict and the next item", SOON, || judge(&mut project, "Ada"));
    drop(project);
    judged_by_many(folder.path());
    let mut project =
        timed("open, half of it labelled", Duration::from_secs(1), || Project::open(folder.path()).unwrap());
    let state = timed("the next item after 50,000", SOON, || project.label_state("Grace", 5).unwrap());
    assert_eq!((state.done, state.total), (ROWS / 2, ROWS));
    timed("a verdict and the next item after 50,000", SOON, || judge(&mut project, "Grace"));
    timed("undo", SOON, || project.undo("Grace").unwrap());
    let votes = timed("all votes", Duration::from_secs(5), || project.votes().unwrap());
    timed("agreement", Duration::from_secs(5), || prefs::agreement::agreement(&votes));
    let pairs = timed("pairs to train on", Duration::from_secs(30), || project.training_pairs().unwrap());
    assert!(pairs.len() >= ROWS);
}

#[test]
fn a_large_file_is_looked_at_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    write_rows(&path, ROWS, ["chosen", "rejected"]).unwrap();
    let project = Project::open_or_create(folder.path()).unwrap();
    let seconds = Duration::from_secs(30);
    let table = timed("reading a file of 100,000 rows", seconds, || Table::read(&path).unwrap());
    assert_eq!(timed("its columns", seconds, || table.describe()).len(), 4);
    let mapping = timed("guessing the mapping", seconds, || guess(&table));
    let would =
        timed("what it would bring", seconds, || project.preview_table(&table, &mapping, "again.jsonl", 20).unwrap());
    assert_eq!((would.added, would.duplicates, would.refused_count, would.first.len()), (ROWS, 0, 0, 20));
}

/// Half of all items judged by one annotator, written as one transaction: one at a time would test the disk.
fn judged_by_many(folder: &std::path::Path) {
    let db = rusqlite::Connection::open(folder.join(prefs::store::DATABASE)).unwrap();
    db.execute_batch(
        "BEGIN;
         INSERT INTO annotators (id, name, at) VALUES (99, 'Grace', 0);
         INSERT INTO showings (item, annotator, second_pass, left, at) SELECT id, 99, 0, 'first', 0 FROM items LIMIT 50000;
         INSERT INTO judgements (showing, item, annotator, second_pass, verdict, meaning, milliseconds, at)
             SELECT id, item, 99, 0, 'left', 'first', 900, 0 FROM showings WHERE annotator = 99;
         INSERT INTO tasks (annotator, pass, item, state, showing, judgement, undone, side)
             SELECT 99, 0, item, 'done', showing, id, 0, 'left' FROM judgements WHERE annotator = 99;
         COMMIT;",
    )
    .unwrap();
}
