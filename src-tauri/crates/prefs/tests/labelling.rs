//! Labelling: who sees what next, what a verdict means, and what becomes of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use prefs::mapping::guess;
use prefs::store::{
    ExportedPair, ItemAnswer, Judging, LabelItem, Meaning, PairJudgement, PairQuery, PairSource, PairVerdict,
    PairVotes, Project, Side, Verdict,
};
use prefs::table::Table;
use prefs::{Content, Error};

/// A project with items `p0`, `p1`, … whose answers are `first 0` and `second 0`, ….
fn project(folder: &Path, items: usize) -> Project {
    let rows: Vec<String> = (0..items).map(|i| format!("p{i},first {i},second {i}\n")).collect();
    let text = format!("prompt,response_a,response_b\n{}", rows.concat());
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mut project = Project::open_or_create(folder).unwrap();
    assert_eq!(project.import_table(&table, &guess(&table), "items.csv").unwrap().added, items);
    project
}

fn next(project: &mut Project, annotator: &str) -> LabelItem {
    project.label_state(annotator, 1).unwrap().queue.remove(0)
}

fn judging(annotator: &str, next: &LabelItem, verdict: Verdict) -> Judging {
    Judging {
        annotator: annotator.to_owned(),
        item: next.item,
        showing: next.showing,
        verdict,
        milliseconds: 1500,
        note: None,
    }
}

/// Judges the next item so that `better` is what is meant, wherever it stands.
fn prefer(project: &mut Project, annotator: &str, better: Option<ItemAnswer>) -> LabelItem {
    let item = next(project, annotator);
    let left_is_first = item.left.starts_with("first");
    let verdict = match better {
        Some(better) if (better == ItemAnswer::First) == left_is_first => Verdict::Left,
        Some(_) => Verdict::Right,
        None => Verdict::TieGood,
    };
    project.judge(&judging(annotator, &item, verdict)).unwrap();
    item
}

#[test]
fn showings_are_recorded_drawn_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 300);
    let ahead = project.label_state("Ada", 100).unwrap().queue;
    assert_eq!(ahead.iter().map(|item| item.item).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    let first_left: Vec<bool> = ahead.iter().map(|item| item.left.starts_with("first")).collect();
    for count in 1..=first_left.len() {
        let lefts = first_left[..count].iter().filter(|left| **left).count();
        assert!(lefts.abs_diff(count - lefts) <= 1, "the first answer stood left {lefts} times of {count}");
    }
    assert!(first_left.windows(2).any(|two| two[0] == two[1]), "sides are drawn, not in turns");
    for item in &ahead {
        let number = item.item - 1;
        let both = HashSet::from([item.left.as_str(), item.right.as_str()]);
        assert_eq!(both, HashSet::from([format!("first {number}").as_str(), format!("second {number}").as_str()]));
    }
    drop(project);
    let mut project = Project::open(folder.path()).unwrap();
    assert_eq!(project.label_state("Ada", 100).unwrap().queue, ahead, "a reload shows the same, on the same sides");
    let other = project.label_state("Ben", 100).unwrap().queue;
    let sides = |queue: &[LabelItem]| queue.iter().map(|item| item.left.clone()).collect::<Vec<_>>();
    assert_ne!(sides(&other), sides(&ahead), "another annotator has sides of their own");
}

#[test]
fn a_verdict_is_kept_as_pressed_and_as_meant() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 40);
    let pressed = [
        Verdict::LeftMuch,
        Verdict::Left,
        Verdict::Right,
        Verdict::RightMuch,
        Verdict::TieGood,
        Verdict::TieBad,
        Verdict::Skip,
    ];
    let mut shown = HashMap::new();
    for number in 0..35 {
        let item = next(&mut project, "Ada");
        let note = (number == 0).then(|| " well said ".to_owned());
        project.judge(&Judging { note, ..judging("Ada", &item, pressed[number % 7]) }).unwrap();
        shown.insert(item.item, item);
    }
    let rows = project.judgements().unwrap();
    assert_eq!(rows.len(), 35);
    assert_eq!(rows[0].note.as_deref(), Some("well said"));
    for (row, verdict) in rows.iter().zip(pressed.iter().cycle()) {
        let item = &shown[&row.item];
        assert_eq!((row.verdict, row.milliseconds, row.annotator.as_str()), (*verdict, 1500, "Ada"));
        let left = if item.left.starts_with("first") { ItemAnswer::First } else { ItemAnswer::Second };
        assert_eq!(row.left, left);
        let expected = match verdict {
            Verdict::LeftMuch | Verdict::Left => Some(left),
            Verdict::Right | Verdict::RightMuch => Some(left.other()),
            _ => None,
        };
        assert_eq!(row.meaning.better(), expected);
        assert_eq!(matches!(verdict, Verdict::Skip), row.meaning == Meaning::Skip);
        let much = matches!(verdict, Verdict::LeftMuch | Verdict::RightMuch);
        assert_eq!(matches!(row.meaning, Meaning::FirstMuch | Meaning::SecondMuch), much);
    }
    let state = project.label_state("Ada", 1).unwrap();
    assert_eq!((state.done, state.total, state.skipped), (30, 40, 5));
    assert_eq!(state.seconds_per_item, Some(1.5));
    assert_eq!(state.seconds_left, Some(15.0));
    assert_eq!(state.left_share, Some(0.5));
}

#[test]
fn skipped_items_come_back_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 4);
    let mut order = Vec::new();
    for verdict in [Verdict::Skip, Verdict::Left, Verdict::Skip, Verdict::Left, Verdict::Left, Verdict::Skip] {
        let item = next(&mut project, "Ada");
        order.push(item.item);
        project.judge(&judging("Ada", &item, verdict)).unwrap();
    }
    assert_eq!(order, [1, 2, 3, 4, 1, 3]);
    let state = project.label_state("Ada", 5).unwrap();
    assert_eq!((state.done, state.total, state.skipped), (3, 4, 0), "the last one is shown again, not skipped");
    assert_eq!(state.queue.iter().map(|item| item.item).collect::<Vec<_>>(), [3]);
    project.judge(&judging("Ada", &state.queue[0], Verdict::TieBad)).unwrap();
    let state = project.label_state("Ada", 5).unwrap();
    assert_eq!((state.done, state.total, state.skipped, state.queue.len()), (4, 4, 0, 0));
}

#[test]
fn a_skip_can_be_taken_back_even_when_the_item_was_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let first = next(&mut project, "Ada");
    project.judge(&judging("Ada", &first, Verdict::Skip)).unwrap();
    let ahead: Vec<i64> = project.label_state("Ada", 5).unwrap().queue.iter().map(|item| item.item).collect();
    assert_eq!(ahead, [2, 3, 1]);
    assert_eq!(project.undo("Ada").unwrap(), Some(1));
    let ahead: Vec<i64> = project.label_state("Ada", 5).unwrap().queue.iter().map(|item| item.item).collect();
    assert_eq!(ahead, [1, 2, 3]);
}

#[test]
fn undo_brings_the_item_back_as_it_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 20);
    assert_eq!(project.undo("Ada").unwrap(), None);
    project.label_state("Ada", 5).unwrap();
    let shown: Vec<LabelItem> = (0..3).map(|_| prefer(&mut project, "Ada", Some(ItemAnswer::First))).collect();
    assert!(project.label_state("Ada", 5).unwrap().can_undo);
    assert_eq!(project.undo("Ada").unwrap(), Some(3));
    assert_eq!(project.undo("Ada").unwrap(), Some(2));
    let state = project.label_state("Ada", 5).unwrap();
    assert_eq!(state.queue[..2], shown[1..], "both are back, in their places, on their sides");
    assert_eq!((state.done, state.queue[2].item), (1, 4));
    project.judge(&judging("Ada", &shown[1], Verdict::TieGood)).unwrap();
    let rows = project.judgements().unwrap();
    assert_eq!(rows.iter().map(|row| row.undone.is_some()).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(project.votes().unwrap().len(), 2);
    assert_eq!(project.undo("Ada").unwrap(), Some(2));
    assert_eq!(project.undo("Ada").unwrap(), Some(1));
    assert_eq!(project.undo("Ada").unwrap(), None);
    assert!(!project.label_state("Ada", 5).unwrap().can_undo);
}

#[test]
fn a_verdict_sent_twice_counts_once_and_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let item = next(&mut project, "Ada");
    let given = judging("Ada", &item, Verdict::Left);
    project.judge(&given).unwrap();
    project.judge(&given).unwrap();
    assert_eq!(project.judgements().unwrap().len(), 1);
    let other = judging("Ada", &item, Verdict::Right);
    assert!(matches!(project.judge(&other), Err(Error::AlreadyJudged { item: 1 })));
    let stolen = judging("Ben", &item, Verdict::Right);
    assert!(matches!(project.judge(&stolen), Err(Error::NoShowing { .. })), "the showing is Ada's");
    let wrong = Judging { item: 2, ..given };
    assert!(matches!(project.judge(&wrong), Err(Error::NoShowing { .. })));
    assert!(matches!(project.label_state("  ", 1), Err(Error::AnnotatorName { .. })));
    assert!(matches!(project.add_annotator(&"x".repeat(81)), Err(Error::AnnotatorName { .. })));
    project.add_annotator(" ada ").unwrap();
    assert_eq!(project.annotators().unwrap(), ["Ada"], "case makes no other person");
}

#[test]
fn annotators_see_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 5);
    let before = project.label_state("Ben", 5).unwrap();
    for _ in 0..5 {
        prefer(&mut project, "Ada", Some(ItemAnswer::Second));
    }
    assert_eq!(project.label_state("Ben", 5).unwrap(), before);
    assert_eq!(project.undo("Ben").unwrap(), None, "nobody takes back what another said");
}

#[test]
fn a_second_pass_asks_a_share_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 50);
    for number in 0..40 {
        prefer(&mut project, "Ada", (number % 4 != 0).then_some(ItemAnswer::First));
    }
    assert_eq!(project.second_pass("Ada", 0.25, 7).unwrap(), 10);
    assert_eq!(project.second_pass("Ada", 0.25, 7).unwrap(), 0, "those asked before count");
    let state = project.label_state("Ada", 20).unwrap();
    assert_eq!((state.done, state.total), (40, 60));
    let again: Vec<i64> = state.queue.iter().filter(|item| item.second_pass).map(|item| item.item).collect();
    assert_eq!(again.len(), 10);
    assert!(state.queue[..10].iter().all(|item| item.second_pass) && again.iter().all(|item| *item <= 40));
    let before = project.training_pairs().unwrap();
    for _ in 0..10 {
        assert!(prefer(&mut project, "Ada", Some(ItemAnswer::First)).second_pass);
    }
    assert!(!next(&mut project, "Ada").second_pass);
    assert_eq!(project.training_pairs().unwrap(), before, "a second pass is a check, not a second vote");
    let found = prefs::agreement::agreement(&project.votes().unwrap());
    let ties = again.iter().filter(|item| (**item - 1) % 4 == 0).count();
    let ada = &found.annotators[0];
    assert_eq!((ada.judged, ada.self_items), (40, 10));
    assert!((ada.self_percent.unwrap() - (10 - ties) as f64 / 10.0).abs() < 1e-12);

    // The same seed chooses the same items in another project.
    let folder = tempfile::tempdir().unwrap();
    let mut twin = self::project(folder.path(), 50);
    for _ in 0..40 {
        prefer(&mut twin, "Cleo", Some(ItemAnswer::First));
    }
    twin.second_pass("Cleo", 0.25, 7).unwrap();
    let chosen = |queue: Vec<LabelItem>| -> HashSet<i64> {
        queue.into_iter().filter(|item| item.second_pass).map(|item| item.item).collect()
    };
    assert_eq!(chosen(twin.label_state("Cleo", 20).unwrap().queue), again.into_iter().collect());
}

#[test]
fn a_majority_makes_a_pair_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 5);
    let (first, second) = (Some(ItemAnswer::First), Some(ItemAnswer::Second));
    for (annotator, said) in [
        ("Ada", [first, second, first, None, second]),
        ("Ben", [first, second, second, None, first]),
        ("Cleo", [second, second, None, first, first]),
    ] {
        for better in said {
            prefer(&mut project, annotator, better);
        }
    }
    let pairs = project.training_pairs().unwrap();
    let found: BTreeMap<i64, (String, PairSource)> =
        pairs.iter().map(|pair| (pair.id, (pair.pair.chosen.last_text(), pair.source))).collect();
    let labelled = |text: &str| (text.to_owned(), PairSource::Labelled);
    let expected = BTreeMap::from([(-1, labelled("first 0")), (-2, labelled("second 1")), (-5, labelled("first 4"))]);
    assert_eq!(found, expected, "no majority on item 3, a tie on item 4");
    let counts = project.counts().unwrap();
    assert_eq!((counts.pairs, counts.items, counts.labelled, counts.items_without_answers), (3, 5, 5, 0));
    project.undo("Cleo").unwrap();
    assert_eq!(project.training_pairs().unwrap().len(), 2, "one against one is no majority");
}

#[test]
fn labelled_pairs_are_listed_edited_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let item = prefer(&mut project, "Ada", Some(ItemAnswer::Second)).item;
    let query = PairQuery { limit: 10, ..PairQuery::default() };
    let page = project.page(&query).unwrap();
    assert_eq!((page.total, page.rows[0].id, page.rows[0].source), (1, -item, PairSource::Labelled));
    let view = project.edit_pair(-item, "Ada", "p0".into(), "second, better".into(), "first 0".into()).unwrap();
    assert_eq!((view.chosen.last_text(), view.source), ("second, better".to_owned(), PairSource::ToJudge));
    let what: Vec<&str> = view.history.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "Edited the second answer.",
            "Judged blind: the chosen answer is better. Of texts that were changed since: this does not count for the new ones.",
            "Imported from items.csv, line 2."
        ]
    );
    assert_eq!(project.training_pairs().unwrap(), [], "nobody has said so of the new text");
    let again = next(&mut project, "Ada");
    assert_eq!((again.item, again.changed), (item, true));
    let verdict = if again.left == "second, better" { Verdict::Left } else { Verdict::Right };
    project.judge(&judging("Ada", &again, verdict)).unwrap();
    assert_eq!(project.pair(-item).unwrap().source, PairSource::Labelled);
    assert_eq!(project.remove_pair(-item, "Ada", true).unwrap().source, PairSource::Removed);
    assert_eq!((project.page(&query).unwrap().total, project.training_pairs().unwrap().len()), (0, 0));
    let state = project.label_state("Ben", 5).unwrap();
    assert_eq!((state.total, state.queue[0].item), (2, 2), "what is removed is not labelled");
    assert_eq!(project.remove_pair(-item, "Ada", false).unwrap().source, PairSource::Labelled);
    assert!(matches!(project.pair(-2), Err(Error::NoPair { id: -2 })), "nobody decided item 2");
    assert!(matches!(project.pair(99), Err(Error::NoPair { id: 99 })));
}

#[test]
fn an_edited_answer_is_shown_in_its_place_and_the_old_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let ben = next(&mut project, "Ben");
    let before = next(&mut project, "Ada");
    project.edit_answer("Ada", before.item, before.showing, Side::Right, "mended").unwrap();
    let after = next(&mut project, "Ada");
    assert_eq!((&after.left, after.right.as_str()), (&before.left, "mended"));
    assert_ne!(after.showing, before.showing, "what was shown before is another showing");
    // Ben has seen the old text and judges that; the record says which text it was.
    project.judge(&judging("Ben", &ben, Verdict::Left)).unwrap();
    project.judge(&judging("Ada", &after, Verdict::RightMuch)).unwrap();
    let rows = project.judgements().unwrap();
    let texts = |at: usize| [rows[at].first.last_text(), rows[at].second.last_text().clone()];
    assert!(!texts(0).contains(&"mended".to_owned()) && texts(1).contains(&"mended".to_owned()));
    let missing = project.edit_answer("Cleo", before.item, before.showing, Side::Left, "no");
    assert!(matches!(missing, Err(Error::NoShowing { .. })));
}

#[test]
fn prompts_wait_for_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let lines = "{\"prompt\": \"a plain prompt\"}\n{\"prompt\": [{\"role\": \"user\", \"content\": \"q\"}]}\n{\"prompt\": \"a plain prompt\"}\n";
    let table = Table::from_bytes(lines.as_bytes()).unwrap();
    let mapping = guess(&table);
    assert_eq!(project.preview_table(&table, &mapping, "again.jsonl", 1).unwrap().duplicates, 1);
    let import = project.import_table(&table, &mapping, "prompts.jsonl").unwrap();
    assert_eq!((import.added, import.duplicates), (2, 1));
    assert_eq!(project.preview_table(&table, &mapping, "again.jsonl", 1).unwrap().duplicates, 3);
    assert!(project.label_state("Ada", 5).unwrap().queue.is_empty());
    assert_eq!(project.counts().unwrap().items_without_answers, 2);
    let open = project.items_without_answers(10).unwrap();
    assert_eq!(open.iter().map(|item| item.item).collect::<Vec<_>>(), [1, 2]);
    for item in &open {
        project.set_answers(item.item, "tiny-model", "yes", "no").unwrap();
    }
    assert!(matches!(project.set_answers(1, "tiny-model", "yes", "no"), Err(Error::AlreadyAnswered { item: 1 })));
    assert!(matches!(project.set_answers(9, "tiny-model", "yes", "no"), Err(Error::NoItem { item: 9 })));
    for _ in 0..2 {
        let item = next(&mut project, "Ada");
        let verdict = if item.left == "yes" { Verdict::LeftMuch } else { Verdict::RightMuch };
        project.judge(&judging("Ada", &item, verdict)).unwrap();
    }
    let pairs = project.training_pairs().unwrap();
    assert_eq!(pairs[0].pair.chosen, Content::from("yes"));
    assert!(pairs[1].pair.is_conversational() && pairs[1].pair.validate().is_ok());
    let history = project.pair(-1).unwrap().history;
    assert_eq!((history[1].who.as_str(), history[1].what.as_str()), ("tiny-model", "Generated both answers."));
}

#[test]
fn a_pair_labelled_again_follows_its_annotators() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let text = "prompt,chosen,rejected\np0,first 0,second 0\np1,first 1,second 1\np2,first 2,second 2\n";
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    project.import_table(&table, &guess(&table), "pairs.csv").unwrap();
    assert_eq!(project.add_items_from_pairs(&[1, 2]).unwrap(), 2);
    assert_eq!(project.add_items_from_pairs(&[1, 2]).unwrap(), 0);
    prefer(&mut project, "Ada", Some(ItemAnswer::Second));
    prefer(&mut project, "Ada", None);
    let chosen = |project: &Project| -> Vec<(String, PairSource)> {
        let pairs = project.training_pairs().unwrap().into_iter();
        pairs.map(|pair| (pair.pair.chosen.last_text(), pair.source)).collect()
    };
    let expected = |first: &str, source: PairSource| {
        let imported = |text: &str| (text.to_owned(), PairSource::Imported);
        vec![(first.to_owned(), source), imported("first 1"), imported("first 2")]
    };
    assert_eq!(chosen(&project), expected("second 0", PairSource::Labelled), "turned round; a tie leaves it");
    // An edit after that counts for more, and can be labelled again.
    project.edit_pair(1, "Ben", "p0".into(), "first 0".into(), "second, edited".into()).unwrap();
    assert_eq!(chosen(&project), expected("first 0", PairSource::Edited));
    assert_eq!(project.add_items_from_pairs(&[1]).unwrap(), 0, "the new texts are up already");
    // Removing and putting back changes neither.
    project.remove_pair(1, "Ben", true).unwrap();
    assert_eq!(chosen(&project).len(), 2);
    let view = project.remove_pair(1, "Ben", false).unwrap();
    assert_eq!(chosen(&project), expected("first 0", PairSource::Edited));
    let what: Vec<&str> = view.history.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "Put back.",
            "Removed.",
            "Edited the rejected answer.",
            "Judged blind: the rejected answer is better. Of texts that were changed since: this does not count for the new ones.",
            "Imported from pairs.csv, line 2."
        ]
    );
}

#[test]
fn every_judgement_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    prefer(&mut project, "Ada", Some(ItemAnswer::First));
    prefer(&mut project, "Ada", None);
    project.undo("Ada").unwrap();
    let path = folder.path().join("labels.jsonl");
    assert_eq!(project.export_judgements(&path).unwrap(), 2);
    let text = std::fs::read_to_string(&path).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["meaning"], "first");
    assert_eq!((rows[0]["annotator"].as_str(), rows[0]["milliseconds"].as_u64()), (Some("Ada"), Some(1500)));
    assert!(rows[0]["undone"].is_null() && rows[1]["undone"].is_i64());
    assert_eq!(rows[0]["first"], "first 0");
    assert!(rows[0]["left"] == "first" || rows[0]["left"] == "second");
}

/// What leaves a project with a pair: who said what of it, and which of that is a vote.
#[test]
fn pairs_leave_with_what_was_said_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    let (first, second) = (Some(ItemAnswer::First), Some(ItemAnswer::Second));
    // p0: the second answer, two votes to one; p1: a tie; p2: one vote that is taken back, then another.
    for (annotator, of_p0, of_p1) in [("Ada", second, None), ("Grace", first, None), ("Joan", second, None)] {
        prefer(&mut project, annotator, of_p0);
        prefer(&mut project, annotator, of_p1);
    }
    prefer(&mut project, "Ada", first);
    project.undo("Ada").unwrap();
    prefer(&mut project, "Ada", second);

    let exported = project.exported_pairs(false).unwrap();
    let sourced: Vec<_> = exported.pairs.iter().map(|pair| pair.sourced.clone()).collect();
    assert_eq!(sourced, project.training_pairs().unwrap());
    // Those of the tie, which gives no pair.
    assert_eq!(exported.judgements_left_out, 3);
    let [p0, p2] = exported.pairs.as_slice() else { panic!("{exported:?}") };
    assert_eq!((p0.import_file.as_deref(), p0.import_line), (Some("items.csv"), Some(2)));
    assert_eq!(p0.votes(), PairVotes { chosen: 2, rejected: 1, tie: 0 });
    let said = |pair: &ExportedPair| -> Vec<(String, PairVerdict, bool, bool)> {
        let said = |said: &PairJudgement| (said.annotator.clone(), said.verdict, said.undone, said.counts);
        pair.judgements.iter().map(said).collect()
    };
    let by = |number: usize, verdict, undone: bool| (format!("annotator {number}"), verdict, undone, !undone);
    assert_eq!(
        said(p0),
        [by(1, PairVerdict::Chosen, false), by(2, PairVerdict::Rejected, false), by(3, PairVerdict::Chosen, false)]
    );
    assert_eq!(said(p2), [by(1, PairVerdict::Rejected, true), by(1, PairVerdict::Chosen, false)]);
    assert_eq!(p2.votes(), PairVotes { chosen: 1, rejected: 0, tie: 0 });
    assert_eq!(project.exported_pairs(true).unwrap().pairs[0].judgements[1].annotator, "Grace");

    // A pair whose texts are changed keeps no word on the old ones.
    let p0 = p0.sourced.clone();
    project.edit_pair(p0.id, "me", p0.pair.prompt, p0.pair.chosen, "changed".into()).unwrap();
    let exported = project.exported_pairs(false).unwrap();
    assert_eq!((exported.pairs.len(), exported.judgements_left_out), (1, 6));
}
