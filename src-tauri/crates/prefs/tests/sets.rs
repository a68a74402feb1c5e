//! Pairs narrowed, sorted, given categories, and put into sets with names.
#![allow(clippy::unwrap_used)]

use prefs::jsonl::read_pairs_from;
use prefs::mapping::{ColumnMapping, RatingOrder, guess};
use prefs::store::{Judging, PairQuery, PairSort, PairSource, Project, SetDefinition, Subset, Verdict};
use prefs::table::Table;

fn row(prompt: &str, chosen: &str, rejected: &str, category: Option<&str>) -> String {
    let category = category.map_or_else(String::new, |name| format!(", \"category\": \"{name}\""));
    format!("{{\"prompt\": \"{prompt}\", \"chosen\": \"{chosen}\", \"rejected\": \"{rejected}\"{category}}}\n")
}

fn project() -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let first = [
        row("aaaa", "b", "cc", Some("z")),
        row("a", "bbb", "c", None),
        row("aa", "bb", "cccccc", Some("a")),
        row("aaa", "bbbbbbbbb", "c", Some("z")),
    ];
    project.add_import(&read_pairs_from(first.concat().as_bytes()).unwrap(), "first.jsonl").unwrap();
    let second = [row("a", "bbb", "c", None), row("lone", "b", "cc", None)];
    project.add_import(&read_pairs_from(second.concat().as_bytes()).unwrap(), "second.jsonl").unwrap();
    (folder, project)
}

fn ids(project: &Project, query: PairQuery) -> Vec<i64> {
    let all = project.matching(&query, None).unwrap();
    let page = project.page(&PairQuery { limit: 100, ..query }).unwrap();
    assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), all, "a page is a part of all that match");
    assert_eq!(page.total, all.len());
    all
}

fn sorted(project: &Project, sort: PairSort, descending: bool) -> Vec<i64> {
    ids(project, PairQuery { sort, descending, ..PairQuery::default() })
}

#[test]
fn pairs_stand_in_the_order_that_is_asked_for() {
    let (_folder, mut project) = project();
    assert_eq!(sorted(&project, PairSort::Number, false), [1, 2, 3, 4, 5]);
    assert_eq!(sorted(&project, PairSort::Number, true), [5, 4, 3, 2, 1]);
    assert_eq!(sorted(&project, PairSort::PromptLength, false), [2, 3, 4, 1, 5]);
    assert_eq!(sorted(&project, PairSort::ChosenLength, true), [4, 2, 3, 1, 5]);
    assert_eq!(sorted(&project, PairSort::RejectedLength, true), [3, 1, 5, 2, 4]);
    assert_eq!(sorted(&project, PairSort::LengthDifference, true), [4, 2, 1, 5, 3]);
    assert_eq!(sorted(&project, PairSort::Category, false), [3, 1, 4, 2, 5], "without one last");
    assert_eq!(sorted(&project, PairSort::Category, true), [1, 4, 3, 2, 5], "there too");
    assert_eq!(sorted(&project, PairSort::Import, true), [5, 1, 2, 3, 4]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    project.edit_pair(3, "Ada", "aa".into(), "bb!".into(), "cccccc".into()).unwrap();
    assert_eq!(sorted(&project, PairSort::Date, true)[0], 3);
    let row =
        project.page(&PairQuery { limit: 1, sort: PairSort::Date, descending: true, ..PairQuery::default() }).unwrap();
    assert_eq!((row.rows[0].chosen_length, row.rows[0].rejected_length, row.rows[0].import), (3, 6, Some(1)));
}

/// Ratings belong to texts: swapped with them, and gone after an edit.
#[test]
fn pairs_are_narrowed_and_sorted_by_how_their_file_rates_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    assert!(!project.page(&PairQuery { limit: 9, ..PairQuery::default() }).unwrap().rated);
    let rated = "{\"prompt\": \"p1\", \"chosen\": \"a\", \"rejected\": \"b\", \"score_chosen\": 8, \"score_rejected\": 7.5}\n\
                 {\"prompt\": \"p2\", \"chosen\": \"a\", \"rejected\": \"b\", \"score_chosen\": 9, \"score_rejected\": 2}\n\
                 {\"prompt\": \"p3\", \"chosen\": \"a\", \"rejected\": \"b\", \"score_chosen\": 5, \"score_rejected\": 6}\n";
    let table = Table::from_bytes(rated.as_bytes()).unwrap();
    let mapping = ColumnMapping {
        rating_a: Some("score_chosen".into()),
        rating_b: Some("score_rejected".into()),
        rating_order: Some(RatingOrder::HigherIsBetter),
        ..guess(&table)
    };
    project.import_table(&table, &mapping, "rated.jsonl").unwrap();
    project.add_import(&read_pairs_from(row("p4", "a", "b", None).as_bytes()).unwrap(), "plain.jsonl").unwrap();
    let least_margin =
        |least_margin| ids(&project, PairQuery { least_margin: Some(least_margin), ..PairQuery::default() });
    assert_eq!((least_margin(0.5), least_margin(0.6), least_margin(-9.0)), (vec![1, 2], vec![2], vec![1, 2, 3]));
    assert_eq!(ids(&project, PairQuery { most_margin: Some(0.0), ..PairQuery::default() }), [3]);
    let score = PairQuery { least_score: Some(5.5), most_score: Some(8.0), ..PairQuery::default() };
    assert_eq!(ids(&project, score.clone()), [1]);
    assert_eq!(sorted(&project, PairSort::Margin, true), [2, 1, 3, 4], "without ratings last");
    assert_eq!(sorted(&project, PairSort::Score, false), [3, 1, 2, 4], "there too");
    let set = project.save_set(None, "Ada", "clear", &SetDefinition { filter: Some(score), subset: None }).unwrap();
    assert_eq!(project.pairs_of_set(set).unwrap(), [1]);

    project.edit_pair(1, "Ada", "p1".into(), "b".into(), "a".into()).unwrap();
    let page = project.page(&PairQuery { limit: 9, ..PairQuery::default() }).unwrap();
    assert_eq!((page.rows[0].score, page.rows[0].margin), (Some(7.5), Some(-0.5)), "the answers were swapped");
    project.edit_pair(1, "Ada", "p1".into(), "another".into(), "a".into()).unwrap();
    let page = project.page(&PairQuery { limit: 9, ..PairQuery::default() }).unwrap();
    assert_eq!((page.rows[0].score, page.rows[0].margin, page.rated), (None, None, true));
    assert_eq!(project.pairs_of_set(set).unwrap(), [] as [i64; 0]);
}

#[test]
fn filters_narrow_together_and_with_a_search() {
    let (_folder, mut project) = project();
    let all = PairQuery::default;
    assert_eq!(ids(&project, PairQuery { import: Some(2), ..all() }), [2, 5], "also what came with the first");
    assert_eq!(ids(&project, PairQuery { import: Some(1), category: Some("z".into()), ..all() }), [1, 4]);
    // Of prompt and longer answer together.
    assert_eq!(ids(&project, PairQuery { shortest: Some(8), ..all() }), [3, 4]);
    assert_eq!(ids(&project, PairQuery { longest: Some(6), ..all() }), [1, 2, 5]);
    assert_eq!(ids(&project, PairQuery { text: "BBB".into(), longest: Some(6), ..all() }), [2]);
    let later = project.imports().unwrap()[1].imported_at + 60_000;
    assert_eq!(ids(&project, PairQuery { from: Some(later), ..all() }), [] as [i64; 0]);
    assert_eq!(ids(&project, PairQuery { until: Some(later), ..all() }).len(), 5);
    project.remove_pair(2, "Ada", true).unwrap();
    assert_eq!(ids(&project, PairQuery { import: Some(2), ..all() }), [5], "what is trained on");
    assert_eq!(ids(&project, PairQuery { import: Some(2), source: Some(PairSource::Removed), ..all() }), [2]);
    // Among some pairs, in their order unless another is asked for.
    let among = |query: PairQuery| project.matching(&query, Some(&[4, 2, 1])).unwrap();
    assert_eq!(among(PairQuery { longest: Some(6), ..all() }), [2, 1], "also what is not trained on");
    assert_eq!(among(PairQuery { sort: PairSort::PromptLength, ..all() }), [2, 4, 1]);
    assert_eq!(among(PairQuery { text: "aaaa".into(), category: Some("z".into()), ..all() }), [1]);
}

#[test]
fn who_labelled_a_pair_and_whether_they_agree() {
    let (_folder, mut project) = project();
    project.add_items_from_pairs(&[1, 2]).unwrap();
    let judge = |project: &mut Project, annotator: &str, first_is_better: bool| {
        for _ in 0..2 {
            let next = project.label_state(annotator, 1).unwrap().queue.remove(0);
            let chosen_is_left = next.left.starts_with('b');
            let verdict =
                if chosen_is_left == first_is_better || next.item == 2 { Verdict::Left } else { Verdict::Right };
            let verdict = match (next.item, chosen_is_left) {
                (2, true) => Verdict::Left,
                (2, false) => Verdict::Right,
                _ => verdict,
            };
            let (item, showing) = (next.item, next.showing);
            let annotator = annotator.to_owned();
            project.judge(&Judging { annotator, item, showing, verdict, milliseconds: 1, note: None }).unwrap();
        }
    };
    judge(&mut project, "Ada", true);
    judge(&mut project, "Ben", false);
    let all = PairQuery::default;
    assert_eq!(ids(&project, PairQuery { annotator: Some("ada".into()), ..all() }), [1, 2]);
    assert_eq!(ids(&project, PairQuery { annotator: Some("Cy".into()), ..all() }), [] as [i64; 0]);
    assert_eq!(ids(&project, PairQuery { disputed: Some(true), ..all() }), [1]);
    assert_eq!(ids(&project, PairQuery { disputed: Some(false), ..all() }), [2]);
    project.undo("Ben").unwrap();
    assert_eq!(ids(&project, PairQuery { annotator: Some("Ben".into()), ..all() }).len(), 1);
}

#[test]
fn categories_are_given_and_undone_and_the_pair_tells() {
    let (folder, mut project) = project();
    let given = |name: &str| -> Vec<(i64, Option<String>)> { [1, 2, 3].map(|id| (id, Some(name.to_owned()))).into() };
    let had = project.set_categories(&given(" a "), "Ada").unwrap();
    assert_eq!(had, [(1, Some("z".into())), (2, None)], "3 was so already");
    assert_eq!(ids(&project, PairQuery { category: Some("a".into()), ..PairQuery::default() }), [1, 2, 3]);
    assert_eq!(project.pair(2).unwrap().history[0].what, "Category set to a.");
    let trained = project.training_pairs().unwrap();
    assert_eq!(trained[0].pair.category.as_deref(), Some("a"), "runs and exports have it");
    project.edit_pair(1, "Ada", "new".into(), "b".into(), "c".into()).unwrap();
    assert_eq!(project.pair(1).unwrap().category.as_deref(), Some("a"), "an edit keeps it");
    project.set_categories(&had, "Ada").unwrap();
    drop(project);
    let mut project = Project::open(folder.path()).unwrap();
    assert_eq!((project.pair(1).unwrap().category.as_deref(), project.pair(2).unwrap().category), (Some("z"), None));
    for wrong in ["", " ", "two\nlines"] {
        assert!(project.set_categories(&given(wrong), "Ada").is_err());
    }
}

#[test]
fn a_filter_is_looked_through_anew_and_chosen_pairs_stay_those() {
    let (_folder, mut project) = project();
    let filter = PairQuery { category: Some("z".into()), offset: 7, limit: 9, ..PairQuery::default() };
    let z = SetDefinition { filter: Some(filter), subset: None };
    let by_filter = project.save_set(None, "Ada", " Zs ", &z).unwrap();
    let list = project.save_set(None, "Ada", "Chosen", &SetDefinition::default()).unwrap();
    assert_eq!(project.set_members(list, &[2, 1, 2], "Ada", true).unwrap(), [2, 1]);
    assert_eq!(
        (project.pairs_of_set(by_filter).unwrap(), project.pairs_of_set(list).unwrap()),
        (vec![1, 4], vec![1, 2])
    );
    project.set_categories(&[(5, Some("z".into()))], "Ada").unwrap();
    assert_eq!(project.pairs_of_set(by_filter).unwrap(), [1, 4, 5]);
    assert_eq!(ids(&project, PairQuery { set: Some(by_filter), shortest: Some(8), ..PairQuery::default() }), [4]);
    assert_eq!(project.set_members(list, &[2, 3], "Ada", false).unwrap(), [2], "3 was not in it");
    assert_eq!(project.pairs_of_set(list).unwrap(), [1]);

    // Names, and what is no set.
    assert_eq!(project.sets().unwrap().iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["Zs", "Chosen"]);
    for (name, definition) in [
        ("zs", SetDefinition::default()),
        (" ", SetDefinition::default()),
        ("none", SetDefinition { subset: Some(Subset { count: 0, seed: 1 }), filter: None }),
        ("of a set", SetDefinition { filter: Some(PairQuery { set: Some(1), ..PairQuery::default() }), subset: None }),
    ] {
        assert!(project.save_set(None, "Ada", name, &definition).is_err(), "{name}");
    }
    assert!(project.set_members(by_filter, &[1], "Ada", true).unwrap_err().to_string().contains("Zs is a filter"));
    project.save_set(Some(by_filter), "Ada", "Last letters", &z).unwrap();
    assert_eq!(project.set(by_filter).unwrap().name, "Last letters");
    project.remove_set(by_filter, "Ada", true).unwrap();
    assert!(project.set(by_filter).unwrap_err().to_string().contains("no set 1"));
    assert_eq!(project.sets().unwrap().len(), 1);
    project.remove_set(by_filter, "Ada", false).unwrap();
    assert_eq!(project.set(by_filter).unwrap().definition.filter.unwrap().category.as_deref(), Some("z"));
}

#[test]
fn a_part_of_a_set_is_the_same_each_time_and_of_what_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let rows =
        |from: usize, to: usize| -> String { (from..to).map(|i| row(&format!("p{i}"), "b", "c", None)).collect() };
    project.add_import(&read_pairs_from(rows(0, 100).as_bytes()).unwrap(), "x").unwrap();
    let part = |seed| SetDefinition { filter: Some(PairQuery::default()), subset: Some(Subset { count: 40, seed }) };
    let set = project.save_set(None, "Ada", "part", &part(1)).unwrap();
    let drawn = project.pairs_of_set(set).unwrap();
    assert_eq!((drawn.len(), project.pairs_of_set(set).unwrap() == drawn), (40, true));
    assert_eq!(project.count_of_set(&project.set(set).unwrap()).unwrap(), 100);
    project.save_set(Some(set), "Ada", "part", &part(2)).unwrap();
    assert_ne!(project.pairs_of_set(set).unwrap(), drawn);
    project.save_set(Some(set), "Ada", "part", &part(1)).unwrap();
    // A set that grows keeps most of what it had.
    project.add_import(&read_pairs_from(rows(100, 110).as_bytes()).unwrap(), "y").unwrap();
    let grown = project.pairs_of_set(set).unwrap();
    assert!(grown.iter().filter(|id| drawn.contains(id)).count() >= 30);
    // Of chosen pairs, those that were left out are not drawn.
    let list = SetDefinition { filter: None, subset: Some(Subset { count: 2, seed: 1 }) };
    let list = project.save_set(None, "Ada", "list", &list).unwrap();
    project.set_members(list, &[1, 2, 3], "Ada", true).unwrap();
    project.remove_pair(2, "Ada", true).unwrap();
    assert_eq!(project.pairs_of_set(list).unwrap(), [1, 3]);
}

/// A file that is held out takes along what it brought, whichever file brought it first.
#[test]
fn held_out_files_are_told_from_what_trains() {
    let (_folder, mut project) = project();
    let held_out =
        |project: &Project, held_out| ids(project, PairQuery { held_out: Some(held_out), ..PairQuery::default() });
    assert_eq!((held_out(&project, true), held_out(&project, false)), (vec![], vec![1, 2, 3, 4, 5]));
    project.change_import(2, "Ada", &prefs::store::ImportChange::HeldOut(true)).unwrap();
    assert_eq!((held_out(&project, true), held_out(&project, false)), (vec![2, 5], vec![1, 3, 4]));
    let rows = project.page(&PairQuery { limit: 9, ..PairQuery::default() }).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.held_out).collect::<Vec<_>>(), [false, true, false, false, true]);
}
