//! What was done to pairs and undone is as if it had not been done: texts, where they come from, dates, sets, what annotators said.
//! What others did since is not undone.
#![allow(clippy::unwrap_used)]

use prefs::jsonl::read_pairs_from;
use prefs::mapping::guess;
use prefs::store::{Judging, PairQuery, PairSource, Project, SetDefinition, Upon, Verdict};
use prefs::table::Table;

/// Pairs 1 to 6 of a file, of which annotators have turned 4 round, differ on 5 and were not asked yet about 6; item 4, of another
/// file, is a pair that they made.
fn project() -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let row = |i: usize| {
        format!("{{\"prompt\": \"p{i}\", \"chosen\": \"yes {i}\", \"rejected\": \"no {i}\", \"category\": \"k\"}}\n")
    };
    let rows: String = (1..7).map(row).collect();
    project.add_import(&read_pairs_from(rows.as_bytes()).unwrap(), "a.jsonl").unwrap();
    project.add_items_from_pairs(&[4, 5, 6]).unwrap();
    let table = Table::from_bytes(b"{\"prompt\": \"q\", \"response_a\": \"yes\", \"response_b\": \"no\"}\n").unwrap();
    project.import_table(&table, &guess(&table), "items.jsonl").unwrap();
    for annotator in ["Ada", "Ben"] {
        for next in project.label_state(annotator, 9).unwrap().queue {
            let (item, showing) = (next.item, next.showing);
            let prefers_no = item == 1 || item == 2 && annotator == "Ben";
            let verdict = if next.left.starts_with("yes") == prefers_no { Verdict::Right } else { Verdict::Left };
            if item != 3 {
                let annotator = annotator.to_owned();
                project.judge(&Judging { annotator, item, showing, verdict, milliseconds: 1, note: None }).unwrap();
            }
        }
    }
    for source in [PairSource::Imported, PairSource::Edited, PairSource::Labelled] {
        let filter = PairQuery { source: Some(source), ..PairQuery::default() };
        let definition = SetDefinition { filter: Some(filter), subset: None };
        project.save_set(None, "Ada", &format!("{source:?}"), &definition).unwrap();
    }
    let newest = project.page(&all()).unwrap().rows.iter().map(|row| row.at).max().unwrap();
    let until = PairQuery { until: Some(newest + 1), ..PairQuery::default() };
    let definition = SetDefinition { filter: Some(until), subset: None };
    project.save_set(None, "Ada", "until now", &definition).unwrap();
    (folder, project)
}

fn all() -> PairQuery {
    PairQuery { limit: 100, ..PairQuery::default() }
}

/// All that can be seen of the pairs, and of who is asked what.
fn seen(project: &mut Project) -> String {
    let mut rows = project.page(&all()).unwrap().rows;
    for source in [PairSource::Removed, PairSource::ToJudge] {
        rows.extend(project.page(&PairQuery { source: Some(source), ..all() }).unwrap().rows);
    }
    let exported = project.exported_pairs(true).unwrap().pairs;
    let sets: Vec<_> = (1..5).map(|set| project.pairs_of_set(set).unwrap()).collect();
    assert!(sets.iter().any(|set| !set.is_empty()));
    let asked = ["Ada", "Ben", "Cas"].map(|name| {
        let state = project.label_state(name, 9).unwrap();
        let queue: Vec<i64> = state.queue.iter().map(|next| next.item).collect();
        (state.done, state.total, queue)
    });
    let (confirmed, counts) = (project.confirmed().unwrap().len(), project.counts().unwrap());
    format!("{rows:#?}\n{exported:#?}\n{sets:?}\n{asked:?}\n{confirmed}\n{counts:?}")
}

/// Undoes what was done to pairs, each with the number of that change.
fn upon(changes: &[(i64, i64)]) -> Vec<(i64, Upon)> {
    changes.iter().map(|(id, change)| (*id, Upon::Change(*change))).collect()
}

const EVERY: [i64; 7] = [1, 2, 3, 4, 5, 6, -4];

#[test]
fn what_was_undone_was_not_done() {
    let (_folder, mut project) = project();
    let before = seen(&mut project);
    let whatever: Vec<_> = EVERY.map(|id| (id, Upon::Anything)).into();

    let swapped = project.swap_pairs(&whatever, "Ada").unwrap();
    assert_eq!(swapped.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3, 5, 6], "not those that were labelled");
    assert_ne!(seen(&mut project), before);
    let again = project.swap_pairs(&upon(&swapped), "Ada").unwrap();
    assert_eq!(seen(&mut project), before);
    // And undone once more: as it was after the act.
    project.swap_pairs(&upon(&again), "Ada").unwrap();
    let swapped = project.swap_pairs(&whatever, "Ada").unwrap();
    assert_eq!((seen(&mut project), swapped.len()), (before.clone(), 5));

    let out = project.remove_pairs_upon(&whatever, "Ada", true).unwrap();
    assert_eq!((out.len(), project.training_pairs().unwrap().len()), (7, 0));
    project.remove_pairs_upon(&upon(&out), "Ada", false).unwrap();
    assert_eq!(seen(&mut project), before);

    let given: Vec<_> = EVERY.map(|id| (id, Some("new".to_owned()), Upon::Anything)).into();
    let had = project.set_categories_upon(&given, "Ada").unwrap();
    assert_ne!(seen(&mut project), before);
    let had: Vec<_> = had.into_iter().map(|(id, had, change)| (id, had, Upon::Change(change))).collect();
    project.set_categories_upon(&had, "Ada").unwrap();
    assert_eq!(seen(&mut project), before);

    let confirmed = project.confirm_pairs(&EVERY, "Ada", true).unwrap().changed;
    assert_ne!(seen(&mut project), before);
    project.undo_confirmations(&confirmed, "Ada").unwrap();
    assert_eq!(seen(&mut project), before);

    for id in EVERY {
        let was = project.pair(id).unwrap();
        project.edit_pair(id, "Ada", was.prompt.clone(), "other".into(), was.rejected.clone()).unwrap();
        assert_ne!(seen(&mut project), before);
        let back = project.edit_pair(id, "Ada", was.prompt, was.chosen, was.rejected).unwrap();
        assert_eq!(back.source, was.source);
        assert_eq!(seen(&mut project), before, "pair {id}");
    }
}

#[test]
fn what_somebody_did_since_is_not_undone() {
    let (_folder, mut project) = project();
    let whatever: Vec<_> = EVERY.map(|id| (id, Upon::Anything)).into();

    let out = project.remove_pairs_upon(&whatever, "Ada", true).unwrap();
    for id in [2, -4] {
        project.remove_pair(id, "Ben", false).unwrap();
        project.remove_pair(id, "Ben", true).unwrap();
    }
    assert_eq!(project.remove_pairs_upon(&upon(&out), "Ada", false).unwrap().len(), 5);
    assert!([2, -4].iter().all(|id| project.pair(*id).unwrap().source == PairSource::Removed), "Ben removed it anew");
    project.remove_pairs(&[2, -4], "Ben", false).unwrap();

    let swapped = project.swap_pairs(&[(1, Upon::Anything), (2, Upon::Anything)], "Ada").unwrap();
    let bens = project.swap_pairs(&[(2, Upon::Anything)], "Ben").unwrap();
    project.swap_pairs(&[(2, Upon::Anything)], "Ben").unwrap();
    assert_eq!(project.swap_pairs(&upon(&bens), "Ben").unwrap(), [], "Ben has swapped it since");
    assert_eq!(project.swap_pairs(&upon(&swapped), "Ada").unwrap().len(), 1);
    assert_eq!((project.pair(1).unwrap().chosen, project.pair(2).unwrap().chosen), ("yes 1".into(), "no 2".into()));

    let confirmed = project.confirm_pairs(&[1, 3], "Ada", true).unwrap().changed;
    project.confirm_pair(3, "Ben", false).unwrap();
    project.confirm_pair(3, "Ben", true).unwrap();
    assert_eq!(project.undo_confirmations(&confirmed, "Ada").unwrap().len(), 1);
    assert!(project.pair(3).unwrap().confirmed && !project.pair(1).unwrap().confirmed);

    let had = project.set_categories_upon(&[(1, Some("new".into()), Upon::Anything)], "Ada").unwrap();
    project.set_categories(&[(1, None)], "Ben").unwrap();
    project.set_categories(&[(1, Some("new".into()))], "Ben").unwrap();
    let had: Vec<_> = had.into_iter().map(|(id, had, change)| (id, had, Upon::Change(change))).collect();
    assert_eq!(project.set_categories_upon(&had, "Ada").unwrap(), []);
    assert_eq!(project.pair(1).unwrap().category.as_deref(), Some("new"), "Ben has said so since");

    let list = project.save_set(None, "Ada", "list", &SetDefinition::default()).unwrap();
    let put = project.set_members_upon(list, &[(1, None), (2, None)], "Ada", true).unwrap();
    project.set_members(list, &[2], "Ben", false).unwrap();
    project.set_members(list, &[2], "Ben", true).unwrap();
    let put: Vec<_> = put.into_iter().map(|(id, change)| (id, Some(change))).collect();
    project.set_members_upon(list, &put, "Ada", false).unwrap();
    assert_eq!(project.pairs_of_set(list).unwrap(), [2]);
}

/// Before, a pair that was swapped back was put up anew: who opens such a project is not asked twice.
#[test]
fn what_was_put_up_twice_is_asked_once() {
    let (folder, project) = project();
    drop(project);
    let db = rusqlite::Connection::open(folder.path().join("project.sqlite")).unwrap();
    db.execute_batch(
        "INSERT INTO pair_revisions (pair, at, who, prompt, chosen, rejected, removed)
             SELECT id, 1, 'Ada', prompt, rejected, chosen, 0 FROM pairs WHERE id = 6;
         INSERT INTO pair_revisions (pair, at, who, prompt, chosen, rejected, removed)
             SELECT id, 2, 'Ada', prompt, chosen, rejected, 0 FROM pairs WHERE id = 6;
         INSERT INTO items (hash, at, pair, pair_revision, prompt, first, second)
             SELECT 'pair 6 2', 2, id, 2, prompt, chosen, rejected FROM pairs WHERE id = 6;
         PRAGMA user_version = 10;",
    )
    .unwrap();
    drop(db);
    let mut project = Project::open(folder.path()).unwrap();
    let queue: Vec<i64> = project.label_state("Cas", 9).unwrap().queue.iter().map(|next| next.item).collect();
    assert_eq!((queue.contains(&3), queue.contains(&5)), (false, true), "{queue:?}");
    assert_eq!(project.pair(6).unwrap().source, PairSource::Imported);
}
