//! A vote counts for the texts it was given on: what becomes of votes, queues and counts when a text is changed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use prefs::agreement::agreement;
use prefs::mapping::guess;
use prefs::store::{Judging, LabelItem, PairQuery, PairSource, Project, Side, Verdict};
use prefs::table::Table;

fn project(folder: &Path, columns: &str, rows: &[&str]) -> Project {
    let text = format!("{columns}\n{}\n", rows.join("\n"));
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mut project = Project::open_or_create(folder).unwrap();
    assert_eq!(project.import_table(&table, &guess(&table), "rows.csv").unwrap().added, rows.len());
    project
}

fn things(folder: &Path) -> Project {
    project(folder, "prompt,response_a,response_b", &["Name thing 0.,alpha 0,beta 0", "Name thing 1.,alpha 1,beta 1"])
}

fn next(project: &mut Project, annotator: &str) -> LabelItem {
    project.label_state(annotator, 1).unwrap().queue.remove(0)
}

fn say(project: &mut Project, annotator: &str, item: &LabelItem, verdict: Verdict) {
    let (annotator, milliseconds, note) = (annotator.to_owned(), 1000, None);
    project.judge(&Judging { annotator, item: item.item, showing: item.showing, verdict, milliseconds, note }).unwrap();
}

/// Prefers the answer that begins so.
fn prefer(project: &mut Project, annotator: &str, item: &LabelItem, beginning: &str) {
    say(project, annotator, item, if item.left.starts_with(beginning) { Verdict::Left } else { Verdict::Right });
}

fn side_of(item: &LabelItem, beginning: &str) -> Side {
    if item.left.starts_with(beginning) { Side::Left } else { Side::Right }
}

/// Of one annotator: judged, in all, and the items to come with whether their texts have changed.
fn queue(project: &mut Project, annotator: &str) -> (usize, usize, Vec<(i64, bool)>) {
    let state = project.label_state(annotator, 10).unwrap();
    (state.done, state.total, state.queue.iter().map(|item| (item.item, item.changed)).collect())
}

fn trained_on(project: &Project) -> Vec<String> {
    let pairs = project.training_pairs().unwrap().into_iter();
    pairs.map(|sourced| sourced.pair.chosen.last_text().clone()).collect()
}

fn labelled(project: &Project) -> usize {
    project.counts().unwrap().labelled
}

#[test]
fn an_edit_by_another_asks_the_judge_again_and_the_old_vote_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    let ann = next(&mut project, "ann");
    prefer(&mut project, "ann", &ann, "alpha");
    assert_eq!((trained_on(&project), labelled(&project)), (vec!["alpha 0".to_owned()], 1));
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(2, false)]));

    let bob = next(&mut project, "bob");
    project.edit_answer("bob", 1, bob.showing, side_of(&bob, "alpha"), "alpha, edited by bob").unwrap();
    assert_eq!((trained_on(&project), labelled(&project)), (Vec::new(), 0), "nobody has judged the new text");
    assert_eq!(project.counts().unwrap().pairs, 0);
    assert_eq!(queue(&mut project, "ann"), (0, 2, vec![(1, true), (2, false)]));
    assert_eq!(queue(&mut project, "bob"), (0, 2, vec![(1, false), (2, false)]), "he has not judged it yet");
    let rows = project.judgements().unwrap();
    assert_eq!((rows.len(), rows[0].text_changed, rows[0].undone), (1, true, None), "it stays, marked");
    assert_eq!(agreement(&project.votes().unwrap()).annotators.len(), 0);

    // It is listed as what is to be judged again, and found among nothing else.
    let page = |project: &Project, source| {
        let query = PairQuery { source, limit: 10, ..PairQuery::default() };
        project.page(&query).unwrap().rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!((page(&project, None), page(&project, Some(PairSource::ToJudge))), (vec![], vec![-1]));
    let view = project.pair(-1).unwrap();
    assert_eq!((view.source, view.chosen.last_text()), (PairSource::ToJudge, "alpha, edited by bob".to_owned()));
    let said = view.history.iter().find(|change| change.who == "ann").unwrap();
    assert!(said.what.contains("texts that were changed since"), "{}", said.what);

    // Both judge the new text: only that counts.
    let bob = next(&mut project, "bob");
    prefer(&mut project, "bob", &bob, "beta");
    assert_eq!(trained_on(&project), ["beta 0"], "ann's vote was for another text");
    let ann = next(&mut project, "ann");
    assert_eq!(ann.left.len() + ann.right.len(), "alpha, edited by bobbeta 0".len());
    prefer(&mut project, "ann", &ann, "beta");
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(2, false)]));
    let found = agreement(&project.votes().unwrap());
    assert_eq!((found.items_shared, found.percent), (1, Some(1.0)), "on the text that both have judged");
    assert_eq!(labelled(&project), 1);
    let marked: Vec<bool> = project.judgements().unwrap().iter().map(|row| row.text_changed).collect();
    assert_eq!(marked, [true, false, false]);
}

#[test]
fn who_edits_and_then_judges_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    let item = next(&mut project, "ann");
    project.edit_answer("ann", 1, item.showing, Side::Left, "mended").unwrap();
    let item = next(&mut project, "ann");
    assert!(!item.changed, "she has not judged it before");
    prefer(&mut project, "ann", &item, "mended");
    assert_eq!((trained_on(&project), labelled(&project)), (vec!["mended".to_owned()], 1));
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(2, false)]));
    assert!(!project.judgements().unwrap()[0].text_changed);
    // Nor is she after she has taken it back to mend the text once more.
    project.undo("ann").unwrap();
    let item = next(&mut project, "ann");
    project.edit_answer("ann", 1, item.showing, Side::Left, "mended twice").unwrap();
    let item = next(&mut project, "ann");
    prefer(&mut project, "ann", &item, "mended");
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(2, false)]));
    // One's own edit of what one has judged asks again too: the vote was for another text.
    let view = project.pair(-1).unwrap();
    project.edit_pair(-1, "ann", "Name another thing.".into(), view.chosen, view.rejected).unwrap();
    assert_eq!(queue(&mut project, "ann"), (0, 2, vec![(1, true), (2, false)]));
}

#[test]
fn texts_count_and_not_when_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    let ann = next(&mut project, "ann");
    prefer(&mut project, "ann", &ann, "alpha");
    let bob = next(&mut project, "bob");
    let side = side_of(&bob, "alpha");
    project.edit_answer("bob", 1, bob.showing, side, "alpha, edited").unwrap();
    let bob = next(&mut project, "bob");
    project.edit_answer("bob", 1, bob.showing, side, "alpha 0").unwrap();
    assert_eq!((trained_on(&project), labelled(&project)), (vec!["alpha 0".to_owned()], 1));
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(2, false)]), "the text is the one that she has judged");
}

#[test]
fn a_verdict_on_a_text_that_changed_meanwhile_is_kept_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    let seen = next(&mut project, "ann");
    let bob = next(&mut project, "bob");
    project.edit_answer("bob", 1, bob.showing, side_of(&bob, "alpha"), "alpha, edited").unwrap();
    say(&mut project, "ann", &seen, Verdict::Left);
    assert_eq!((trained_on(&project), labelled(&project)), (Vec::new(), 0));
    assert_eq!(queue(&mut project, "ann"), (0, 2, vec![(1, true), (2, false)]));
    say(&mut project, "ann", &seen, Verdict::Left); // sent again, as no answer came
    assert_eq!(project.judgements().unwrap().len(), 1);
    let again = next(&mut project, "ann");
    prefer(&mut project, "ann", &again, "beta");
    assert_eq!(trained_on(&project), ["beta 0"]);
    // What is taken back leaves the old vote, which still counts for nothing.
    project.undo("ann").unwrap();
    assert_eq!((trained_on(&project), queue(&mut project, "ann").2[0]), (Vec::new(), (1, true)));
}

#[test]
fn a_second_pass_waits_for_the_first_on_the_same_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    let ann = next(&mut project, "ann");
    prefer(&mut project, "ann", &ann, "alpha");
    assert_eq!(project.second_pass("ann", 1.0, 1).unwrap(), 1);
    let bob = next(&mut project, "bob");
    project.edit_answer("bob", 1, bob.showing, side_of(&bob, "alpha"), "alpha, edited").unwrap();
    assert_eq!(queue(&mut project, "ann"), (0, 3, vec![(1, true), (2, false)]));
    for pass in [false, true] {
        let item = next(&mut project, "ann");
        assert_eq!((item.item, item.second_pass), (1, pass));
        prefer(&mut project, "ann", &item, "alpha");
    }
    assert_eq!(agreement(&project.votes().unwrap()).annotators[0].self_percent, Some(1.0));
    assert_eq!(queue(&mut project, "ann"), (2, 3, vec![(2, false)]));
}

#[test]
fn an_edited_pair_that_is_labelled_again_is_asked_with_its_new_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), "prompt,chosen,rejected", &["p0,alpha 0,beta 0", "p1,alpha 1,beta 1"]);
    project.add_items_from_pairs(&[1, 2]).unwrap();
    let ann = next(&mut project, "ann");
    prefer(&mut project, "ann", &ann, "beta");
    assert_eq!((trained_on(&project), labelled(&project)), (vec!["beta 0".to_owned(), "alpha 1".to_owned()], 1));

    project.edit_pair(1, "bob", "p0".into(), "beta 0, edited".into(), "alpha 0".into()).unwrap();
    assert_eq!((trained_on(&project)[0].as_str(), labelled(&project)), ("beta 0, edited", 0));
    assert_eq!(project.counts().unwrap().items, 2, "the old texts are judged no more");
    assert_eq!(queue(&mut project, "ann"), (0, 2, vec![(2, false), (3, true)]));
    assert_eq!(agreement(&project.votes().unwrap()).annotators.len(), 0);
    assert_eq!(queue(&mut project, "bob"), (0, 2, vec![(2, false), (3, false)]));
    assert!(project.judgements().unwrap()[0].text_changed);
    for item in project.label_state("ann", 2).unwrap().queue {
        prefer(&mut project, "ann", &item, "alpha");
    }
    assert_eq!(trained_on(&project), ["alpha 0", "alpha 1"]);
}

/// What an earlier version derived from the same rows is made anew when the project is opened.
#[test]
fn a_project_of_an_earlier_version_gives_the_honest_result() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = things(folder.path());
    for _ in 0..2 {
        let item = next(&mut project, "ann");
        prefer(&mut project, "ann", &item, "alpha");
    }
    let bob = next(&mut project, "bob");
    project.edit_answer("bob", 1, bob.showing, side_of(&bob, "alpha"), "alpha, edited").unwrap();
    drop(project);
    // As an earlier version left it: every vote counted, whatever the text was.
    let db = rusqlite::Connection::open(folder.path().join(prefs::store::DATABASE)).unwrap();
    db.execute_batch(
        "UPDATE item_states SET outcome = 'first'; UPDATE tasks SET state = 'done' WHERE state = 'changed';
         UPDATE listing SET source = 'labelled';
         DROP INDEX listing_in_order; DROP INDEX listing_rated; DROP TABLE later_ratings;
         ALTER TABLE listing DROP COLUMN score_chosen; ALTER TABLE listing DROP COLUMN score_rejected;
         ALTER TABLE listing DROP COLUMN margin;
         CREATE INDEX listing_in_order ON listing
             (id, source, category, import, at, prompt_length, chosen_length, rejected_length, disputed);
         PRAGMA user_version = 9;",
    )
    .unwrap();
    drop(db);
    let mut project = Project::open(folder.path()).unwrap();
    assert_eq!((trained_on(&project), labelled(&project)), (vec!["alpha 1".to_owned()], 1));
    assert_eq!(queue(&mut project, "ann"), (1, 2, vec![(1, true)]));
}
