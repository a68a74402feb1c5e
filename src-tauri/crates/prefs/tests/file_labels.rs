//! What files say of two answers beyond their order: kept as it stands there, told apart, and never a vote.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use prefs::agreement::agreement;
use prefs::mapping::{ColumnMapping, ImportKind, guess};
use prefs::store::{
    Among, AuditOf, ItemAnswer, Judging, Meaning, PairVerdict, PairView, Project, SaidAs, Standing, Verdict,
};
use prefs::table::Table;

const SURVEY: &str = "prompt,response_a,response_b,preference,annotator\n\
    p0,first 0,second 0,a,Kim\n\
    p1,first 1,second 1,b,Kim\n\
    p2,first 2,second 2,tie,Lee\n\
    p3,first 3,second 3,both_bad,Lee\n\
    p4,first 4,second 4,,Kim\n\
    p0,first 0,second 0,a,Lee\n";

fn imported(folder: &Path, text: &str, name: &str) -> Project {
    let mut project = Project::open_or_create(folder).unwrap();
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    project.import_table(&table, &guess(&table), name).unwrap();
    project
}

/// Judges what is next so that `better` is meant.
fn prefer(project: &mut Project, annotator: &str, among: Option<Among>, better: Option<ItemAnswer>) -> i64 {
    let next = project.label_state_among(annotator, 1, among).unwrap().queue.remove(0);
    let first_is_left = project.labelled_item(next.item).unwrap().first == next.left;
    let verdict = match better {
        None => Verdict::TieGood,
        Some(better) if (better == ItemAnswer::First) == first_is_left => Verdict::Left,
        Some(_) => Verdict::Right,
    };
    let (annotator, item, showing) = (annotator.to_owned(), next.item, next.showing);
    project.judge(&Judging { annotator, item, showing, verdict, milliseconds: 100, note: None }).unwrap();
    item
}

/// What is trained on: prompts with their chosen answers.
fn trained(project: &Project) -> Vec<(String, String)> {
    let texts = |pair: prefs::Pair| (pair.prompt.last_text().clone(), pair.chosen.last_text().clone());
    project.training_pairs().unwrap().into_iter().map(|sourced| texts(sourced.pair)).collect()
}

fn labelled(pair: &PairView) -> Vec<(&str, &str)> {
    let labels = pair.history.iter().filter(|change| change.what.starts_with("Labelled in the file"));
    labels.map(|change| (change.who.as_str(), change.what.as_str())).collect()
}

#[test]
fn labels_come_in_with_who_gave_them_and_as_they_stand_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::from_bytes(SURVEY.as_bytes()).unwrap();
    let mapping = guess(&table);
    assert_eq!((mapping.kind, mapping.annotator.as_deref()), (ImportKind::Pairs, Some("annotator")));
    let project = imported(folder.path(), SURVEY, "survey.csv");
    // Pairs are what they were without labels.
    assert_eq!(project.training_pairs().unwrap().len(), 2);
    let kim = "Labelled in the file: `a`, the chosen answer is better.";
    assert_eq!(labelled(&project.pair(1).unwrap()), [("Lee", kim), ("Kim", kim)], "the row that came twice, too");
    let turned = project.pair(2).unwrap();
    assert_eq!(labelled(&turned), [("Kim", "Labelled in the file: `b`, the chosen answer is better.")]);
    // Ties are items to label; what nobody labelled has no label.
    let said = |item: i64| {
        let said = project.labelled_item(item).unwrap().said;
        said.into_iter().map(|said| (said.kind, said.meaning, said.raw, said.counts)).collect::<Vec<_>>()
    };
    assert_eq!(said(1), [(SaidAs::File, Meaning::TieGood, Some("tie".to_owned()), false)]);
    assert_eq!(said(2), [(SaidAs::File, Meaning::TieBad, Some("both_bad".to_owned()), false)]);
    assert_eq!(said(3), []);
    // Files are no annotators of the project, and nothing of it is a vote or labelled here.
    assert!(project.annotators().unwrap().is_empty());
    assert_eq!(project.counts().unwrap().labelled, 0);
    assert_eq!(project.labelled_item(1).unwrap().standing, Standing::Nothing);
    assert!(agreement(&project.votes().unwrap()).annotators.is_empty());
}

#[test]
fn a_file_is_compared_with_people_and_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = imported(folder.path(), SURVEY, "survey.csv");
    prefer(&mut project, "Ada", None, Some(ItemAnswer::First));
    prefer(&mut project, "Ada", None, None);
    let audit = project.start_audit("Ada", &AuditOf::default()).unwrap();
    let among = Some(Among::Audit(audit));
    prefer(&mut project, "Ada", among, Some(ItemAnswer::First));
    prefer(&mut project, "Ada", among, Some(ItemAnswer::Second));
    let found = agreement(&project.votes().unwrap());
    assert_eq!((found.items_shared, found.percent, found.annotators.len()), (0, None, 1));
    // Kim: both pairs, one alike. Lee: the pair that came twice, and two items, of which one alike.
    let pairs: Vec<_> = found.pairs.iter().map(|it| (it.b.as_str(), it.b_is_file, it.items, it.percent)).collect();
    assert_eq!(pairs, [("Kim", true, 2, 0.5), ("Lee", true, 3, 2.0 / 3.0)]);
    let item = project.labelled_item(1).unwrap();
    assert_eq!((item.standing, item.said.len()), (Standing::Single, 2));
    assert_eq!(project.training_pairs().unwrap().len(), 3, "Ada's vote made a pair, whatever the file says");

    // They leave with the pairs, told apart.
    for names in [true, false] {
        let exported = project.exported_pairs(names).unwrap();
        let of_pair = exported.pairs.iter().find(|pair| pair.sourced.id == 2).unwrap();
        let files: Vec<_> = of_pair.judgements.iter().filter(|it| it.in_file.is_some()).collect();
        assert_eq!(files.len(), 1);
        let expected = if names { "Kim" } else { "annotator 1 of a file" };
        assert_eq!((files[0].annotator.as_str(), files[0].in_file.as_deref()), (expected, Some("b")));
        assert_eq!((files[0].verdict, files[0].counts), (PairVerdict::Chosen, false));
        assert_eq!((of_pair.votes().chosen, of_pair.votes().rejected), (0, 0));
        assert_eq!(exported.annotators.len(), 1, "Ada alone");
    }
}

#[test]
fn ratings_side_by_side_are_labels_of_the_file_also_where_they_say_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let rated = "prompt,chosen,rejected,score_chosen,score_rejected\np,good,bad,4,2\nq,well,ill,1,3\n";
    let table = Table::from_bytes(rated.as_bytes()).unwrap();
    let [of_a, of_b] = ["score_chosen", "score_rejected"].map(|name| Some(name.to_owned()));
    let mapping = ColumnMapping { rating_a: of_a, rating_b: of_b, ..guess(&table) };
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.import_table(&table, &mapping, "ratings/rated.csv").unwrap();
    let of = |id: i64| {
        let pair = project.pair(id).unwrap();
        labelled(&pair).into_iter().map(|(who, what)| (who.to_owned(), what.to_owned())).collect::<Vec<_>>()
    };
    let expected = |what: &str| vec![("rated.csv".to_owned(), format!("Labelled in the file: {what}"))];
    assert_eq!(of(1), expected("`4 and 2`, the chosen answer is better."));
    assert_eq!(of(2), expected("`1 and 3`, the rejected answer is better."));
}

#[test]
fn pairs_of_several_rated_answers_have_both_ratings() {
    let folder = tempfile::tempdir().unwrap();
    let rated = r#"{"prompt": "p", "completions": [{"response": "a", "score": 5}, {"response": "b", "score": 2}]}"#;
    let project = imported(folder.path(), rated, "ultra.jsonl");
    let pair = project.pair(1).unwrap();
    assert_eq!(labelled(&pair), [("ultra.jsonl", "Labelled in the file: `5 and 2`, the chosen answer is better.")]);
}

#[test]
fn plain_pairs_have_no_label() {
    let folder = tempfile::tempdir().unwrap();
    let project = imported(folder.path(), "prompt,chosen,rejected\np,a,b\n", "plain.csv");
    assert!(labelled(&project.pair(1).unwrap()).is_empty());
}

/// What each annotator of a record says stands beside what most of them say: with whose word it is, and never as a vote.
#[test]
fn each_annotator_of_a_record_keeps_their_word() {
    let answer = |(at, value): (usize, &str)| serde_json::json!({"value": value, "user_id": format!("u{at}"), "status": "submitted"});
    let record = |number: usize, values: &[&str]| {
        let answers: Vec<_> = values.iter().copied().enumerate().map(answer).collect();
        serde_json::json!({
            "id": number.to_string(), "fields": {"instruction": format!("p{number}"), "response_a": "one", "response_b": "two"},
            "metadata": {}, "responses": {"preferred": answers},
        })
    };
    let records = [
        record(1, &["response_b", "response_b", "response_a", "tie"]),
        record(2, &["response_b", "response_b", "response_a"]),
        record(3, &["response_b", "response_a"]),
    ];
    let lines = records.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let folder = tempfile::tempdir().unwrap();
    let project = imported(folder.path(), &lines, "argilla.jsonl");
    // Of four, two are no majority: an item to label, with what was said of its answers in their order.
    let said = |item: i64| {
        let said = project.labelled_item(item).unwrap().said;
        said.into_iter().map(|said| (said.annotator, said.meaning)).collect::<Vec<_>>()
    };
    let of = |at: usize, meaning| (format!("u{at}"), meaning);
    let (first, second, tie) = (Meaning::First, Meaning::Second, Meaning::TieGood);
    assert_eq!(said(1), [of(0, second), of(1, second), of(2, first), of(3, tie)]);
    assert_eq!(said(2), [of(0, second), of(1, first)]);
    // With a majority a pair, whose chosen answer came as the second one.
    let chosen = "Labelled in the file: `response_b`, the chosen answer is better.";
    let rejected = "Labelled in the file: `response_a`, the rejected answer is better.";
    assert_eq!(labelled(&project.pair(1).unwrap()), [("u2", rejected), ("u1", chosen), ("u0", chosen)]);
    assert!(project.annotators().unwrap().is_empty() && project.counts().unwrap().labelled == 0);

    // A word that is none of the answers is counted and named.
    let table = Table::from_bytes(record(4, &["response_a", "response_a", "no idea"]).to_string().as_bytes()).unwrap();
    let mapped = prefs::mapping::apply(&table, &guess(&table));
    assert!(
        mapped.notes.iter().any(|(what, count)| what.contains("none of the answers and no tie") && *count == 1),
        "{:?}",
        mapped.notes
    );
    assert!(table.columns.iter().all(|column| !column.contains("votes")), "{:?}", table.columns);
}

/// Of a task in which nobody is named each annotation is still somebody's.
#[test]
fn annotations_of_label_studio_are_each_somebody_s() {
    let annotation = |by: serde_json::Value, side: &str| {
        let result = serde_json::json!([{"type": "pairwise", "from_name": "pw", "to_name": "answer1", "value": {"selected": side}}]);
        let mut annotation = serde_json::json!({"id": 1, "was_cancelled": false, "result": result});
        if !by.is_null() {
            annotation["completed_by"] = by;
        }
        annotation
    };
    let (none, user) = (serde_json::Value::Null, serde_json::json!({"id": 5, "email": "kim@example.org"}));
    let task = serde_json::json!([{"id": 1, "data": {"prompt": "p", "answer1": "a", "answer2": "b"}, "predictions": [], "annotations": [
        annotation(none.clone(), "left"), annotation(none, "left"), annotation(7.into(), "right"), annotation(user, "left"),
    ]}]);
    let folder = tempfile::tempdir().unwrap();
    let project = imported(folder.path(), &task.to_string(), "tasks.json");
    let pair = project.pair(1).unwrap();
    let mut said: Vec<(&str, bool)> =
        labelled(&pair).into_iter().map(|(who, what)| (who, what.contains("the chosen answer is better"))).collect();
    said.sort_unstable();
    assert_eq!(said, [("annotator 1", true), ("annotator 2", true), ("kim@example.org", true), ("user 7", false)]);
}

/// Label Studio asks by a choice, too: one that names an answer is a label, one of how good a task is is none.
#[test]
fn choices_of_label_studio_that_name_an_answer_are_labels() {
    let result = |tag: &str, choices: &[&str]| serde_json::json!({"type": "choices", "from_name": tag, "to_name": "prompt", "value": {"choices": choices}});
    let tasks: Vec<serde_json::Value> = [("Response 1", "good"), ("Response 2", "bad"), ("Tie", "good")]
        .iter()
        .enumerate()
        .map(|(at, (better, quality))| {
            serde_json::json!({"id": at, "data": {"prompt": format!("p{at}"), "response1": "one", "response2": "two"},
            "annotations": [{"completed_by": 7, "was_cancelled": false, "result": [
                result("better", &[better]), result("quality", &[quality]), result("topics", &["a", "b"]),
            ]}]})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let project = imported(folder.path(), &serde_json::json!(tasks).to_string(), "choices.json");
    let pairs = trained(&project);
    assert_eq!(pairs, [("p0".into(), "one".into()), ("p1".into(), "two".into())]);
    assert_eq!(project.counts().unwrap().items, 1);
    assert_eq!(labelled(&project.pair(1).unwrap()).first().map(|(who, _)| *who), Some("user 7"));
}

/// In the tables of Label Studio each annotation is a row: those of one task are one pair, whoever stands between them.
#[test]
fn annotations_of_one_task_are_one_pair_in_label_studio_s_tables() {
    let rows = [
        (1, "left", 7),
        (2, "right", 7),
        (1, "right", 8),
        (1, "left", 9),
        (3, "left", 7),
        (2, "right", 8),
        (3, "right", 8),
    ];
    let objects: Vec<serde_json::Value> = rows
        .iter()
        .enumerate()
        .map(|(at, (task, side, by))| {
            serde_json::json!({"id": task, "prompt": format!("p{task}"), "answer1": "one", "answer2": "two", "comparison": side,
                "annotator": by, "annotation_id": 100 + at, "created_at": "2026-01-02T03:04:05Z", "lead_time": 3.5})
        })
        .collect();
    let cells = |(at, (task, side, by)): (usize, &(usize, &str, usize))| {
        format!("{task},p{task},one,two,{side},{by},{},2026-01-02T03:04:05Z,3.5\n", 100 + at)
    };
    let header = "id,prompt,answer1,answer2,comparison,annotator,annotation_id,created_at,lead_time\n".to_owned();
    let csv = header + &rows.iter().enumerate().map(cells).collect::<String>();
    for (name, text) in [("min.json", serde_json::json!(objects).to_string()), ("min.csv", csv)] {
        let folder = tempfile::tempdir().unwrap();
        let project = imported(folder.path(), &text, name);
        let pairs = trained(&project);
        // Of the third task nobody has the majority: it is there to be labelled.
        assert_eq!(pairs, [("p1".into(), "one".into()), ("p2".into(), "two".into())], "{name}");
        let counts = project.counts().unwrap();
        assert_eq!((counts.pairs, counts.items), (2, 1), "{name}");
        let pair = project.pair(1).unwrap();
        let mut said: Vec<(&str, bool)> = labelled(&pair)
            .into_iter()
            .map(|(who, what)| (who, what.contains("the chosen answer is better")))
            .collect();
        said.sort_unstable();
        assert_eq!(said, [("7", true), ("8", false), ("9", true)], "{name}");
    }
    // Other texts under the same number are another task.
    let long = "x".repeat(300);
    let other = |text: &str, side: &str| serde_json::json!({"id": 1, "prompt": "p", "answer1": text, "answer2": "two", "comparison": side, "annotator": 7, "annotation_id": 1});
    let table =
        Table::from_bytes(serde_json::json!([other(&long, "left"), other("one", "right")]).to_string().as_bytes())
            .unwrap();
    assert_eq!(prefs::mapping::apply(&table, &guess(&table)).rows.len(), 2);
}

/// Data sets that Argilla published have a question's answers beside the texts, in four forms: what was discarded is no label, and
/// of several annotators most decide.
#[test]
fn argilla_s_published_rows_say_what_most_annotators_say() {
    let listed = |answers: &[(&str, serde_json::Value, &str)]| -> serde_json::Value {
        answers
            .iter()
            .map(|(by, value, status)| serde_json::json!({"user_id": by, "value": value, "status": status}))
            .collect()
    };
    let ranks = |one: f64, other: f64| serde_json::json!([{"rank": one, "value": "response1"}, {"rank": other, "value": "response2"}]);
    let texts =
        |number: usize| serde_json::json!({"prompt": format!("p{number}"), "response1": "one", "response2": "two"});
    let mut rows = Vec::new();
    let mut add = |beside: serde_json::Value| {
        let mut row = texts(rows.len());
        for (key, value) in beside.as_object().unwrap() {
            row[key] = value.clone();
        }
        rows.push(row);
    };
    let text = |name: &str| serde_json::json!(name);
    let (one, two) = (text("response1"), text("response2"));
    let (is, no, draft) = ("submitted", "discarded", "draft");
    add(
        serde_json::json!({"preference": listed(&[("u", two.clone(), is), ("w", one.clone(), is), ("x", two.clone(), is)])}),
    );
    add(serde_json::json!({"preference": listed(&[("u", one.clone(), no), ("w", two.clone(), draft)])}));
    add(serde_json::json!({"preference": listed(&[("u", ranks(2.0, 1.0), is)])}));
    add(
        serde_json::json!({"preference": listed(&[("u", serde_json::json!({"rank": [1, 1], "value": ["response1", "response2"]}), is)])}),
    );
    add(serde_json::json!({"preference": {"user_id": ["u"], "value": ["response2"], "status": ["submitted"]}}));
    add(
        serde_json::json!({"preference.responses": ["response2", "response1"], "preference.responses.users": ["u", "w"], "preference.responses.status": ["submitted", "discarded"]}),
    );
    let lines = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let table = Table::from_bytes(lines.as_bytes()).unwrap();
    let mapping = guess(&table);
    assert_eq!(mapping.preference.as_deref(), Some("preference.value"), "{:?}", table.columns);
    let mapped = prefs::mapping::apply(&table, &mapping);
    assert_eq!(mapped.refused, []);
    let chosen: Vec<Option<String>> = mapped
        .rows
        .iter()
        .map(|row| match &row.content {
            prefs::mapping::MappedContent::Pair(pair) => Some(pair.chosen.last_text().clone()),
            _ => None,
        })
        .collect();
    let two = Some("two".to_owned());
    assert_eq!(chosen, [two.clone(), None, two.clone(), None, two.clone(), two]);
    let labels: Vec<usize> = mapped.rows.iter().map(|row| row.labels.len()).collect();
    assert_eq!(labels, [3, 0, 1, 1, 1, 1]);
    let said = prefs::mapping::notices(&table, &mapping).join("\n");
    assert!(said.contains("6 records of Argilla") && said.contains("were discarded or cancelled: 3."), "{said}");
}

/// Of pairs that are here already a file may say more: that is told before it comes in, and is not "nothing new".
#[test]
fn what_a_file_adds_to_known_pairs_is_told_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let row = |n: usize, more: serde_json::Value| {
        let mut row = serde_json::json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row.to_string()
    };
    let plain: Vec<String> = (0..4).map(|n| row(n, serde_json::json!({}))).collect();
    let rated: Vec<String> =
        (0..6).map(|n| row(n, serde_json::json!({"score_chosen": 8 - n, "score_rejected": 1}))).collect();
    drop(imported(folder.path(), &plain.join("\n"), "plain.jsonl"));
    let table = Table::from_bytes(rated.join("\n").as_bytes()).unwrap();
    let mut project = Project::open(folder.path()).unwrap();
    let counts = |brought: prefs::store::Brought| (brought.added, brought.duplicates, brought.completing);
    assert_eq!(counts(project.preview_table(&table, &guess(&table), "rated.jsonl", 0).unwrap()), (2, 4, 4));
    let brought = project.import_table(&table, &guess(&table), "rated.jsonl").unwrap();
    assert!(brought.notes.keys().any(|note| note.contains("has ratings or labels beside it")), "{:?}", brought.notes);
    assert_eq!(counts(brought), (2, 4, 4));
    // Once they are there, the file says nothing new.
    assert_eq!(counts(project.preview_table(&table, &guess(&table), "rated.jsonl", 0).unwrap()), (0, 6, 0));
    // Nor is it passed over that another says something else.
    let other: Vec<String> =
        (0..6).map(|n| row(n, serde_json::json!({"score_chosen": 2, "score_rejected": 1}))).collect();
    let other = Table::from_bytes(other.join("\n").as_bytes()).unwrap();
    let brought = project.import_table(&other, &guess(&other), "other.jsonl").unwrap();
    let otherwise = brought.notes.iter().find(|(note, _)| note.contains("is rated otherwise"));
    assert_eq!(otherwise.map(|(_, rows)| *rows), Some(6), "{:?}", brought.notes);
    let categories = [row(0, serde_json::json!({"category": "law"})), row(1, serde_json::json!({}))].join("\n");
    let categories = Table::from_bytes(categories.as_bytes()).unwrap();
    let brought = project.preview_table(&categories, &guess(&categories), "category.jsonl", 0).unwrap();
    assert_eq!(brought.notes.values().sum::<usize>(), 1, "{:?}", brought.notes);
    // Another annotator's word of the same answers is new.
    let said = |by: &str| {
        let rows: Vec<String> = (0..3)
            .map(|n| serde_json::json!({"prompt": format!("q{n}"), "response_a": "a", "response_b": "b", "winner": "a", "annotator": by}).to_string())
            .collect();
        Table::from_bytes(rows.join("\n").as_bytes()).unwrap()
    };
    let (kim, lee) = (said("Kim"), said("Lee"));
    project.import_table(&kim, &guess(&kim), "kim.jsonl").unwrap();
    assert_eq!(counts(project.preview_table(&kim, &guess(&kim), "again.jsonl", 0).unwrap()), (0, 3, 0));
    assert_eq!(counts(project.preview_table(&lee, &guess(&lee), "lee.jsonl", 0).unwrap()), (0, 3, 3));
}
