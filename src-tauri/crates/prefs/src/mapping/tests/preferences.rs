//! Which answer is better: what is read without asking, what is asked, and what each answer means.

use super::*;

fn columns(a: &str, b: &str, preference: &str, values: &[Value]) -> Table {
    let row = |value: &Value| {
        let mut row = json!({"prompt": "p", a: "the one", b: "the other"});
        row[preference] = value.clone();
        row
    };
    table(&values.iter().map(row).collect::<Vec<_>>())
}

/// `1` the first answer, `2` the second, `-` neither, `x` refused.
fn read(table: &Table, mapping: &ColumnMapping) -> String {
    let mapped = apply(table, mapping);
    let mut said: Vec<(usize, char)> = mapped.refused.iter().map(|refused| (refused.place.line, 'x')).collect();
    said.extend(mapped.rows.iter().map(|row| {
        let is_one = |content: Option<&Content>| content == Some(&"the one".into());
        let what = match &row.content {
            MappedContent::Pair(pair) => {
                if is_one(Some(&pair.chosen)) {
                    '1'
                } else {
                    '2'
                }
            }
            MappedContent::Candidates(_) => '-',
            MappedContent::Single(_) | MappedContent::Prompt(_) => '?',
        };
        (row.place.line, what)
    }));
    said.sort_unstable();
    said.into_iter().map(|(_, what)| what).collect()
}

/// The options of the question that a guess leaves open; none where it is sure.
fn asked(table: &Table) -> Vec<String> {
    let mapping = guess(table);
    let questions = questions(table, &mapping);
    let open: Vec<&Question> = questions.iter().filter(|question| question.is_open()).collect();
    assert_eq!(open.is_empty(), mapping.incomplete(table).is_none());
    open.iter().flat_map(|question| question.options.iter().map(|option| option.value.clone())).collect()
}

#[test]
fn what_can_be_read_in_one_way_is_read() {
    let text = |values: &[&str]| values.iter().map(|text| json!(text)).collect::<Vec<_>>();
    for (a, b, preference, values, expected) in [
        ("response_a", "response_b", "winner", text(&["a", "b", "tie", ""]), "12--"),
        ("response_a", "response_b", "winner", text(&["A", " B ", "no preference", "nan"]), "12--"),
        ("response_a", "response_b", "winner", text(&["response_a", "response_b"]), "12"),
        (
            "response_a",
            "response_b",
            "winner",
            text(&["model_a", "model_b", "tie", "tie (bothbad)", "both_bad"]),
            "12---",
        ),
        (
            "response_a",
            "response_b",
            "winner",
            text(&["[[A]]", "[[B]]", "[[A]]", "[[B]]", "[[A]]", "[[B]]", "[[A]]", "[[B]]", "[[A]]", "[[C]]"]),
            "121212121x",
        ),
        ("response_a", "response_b", "winner", text(&["Answer A", "Answer B"]), "12"),
        ("response_a", "response_b", "winner", text(&["A is better", "B is much better"]), "12"),
        ("response_a", "response_b", "winner", text(&["first", "second"]), "12"),
        ("response_a", "response_b", "winner", text(&["left", "right"]), "12"),
        ("response_a", "response_b", "winner", text(&["response_1", "response_2"]), "12"),
        ("response_a", "response_b", "winner", vec![json!(1), json!(2), json!(1.0), Value::Null], "121-"),
        ("answer1", "answer2", "preference", text(&["answer1", "answer2"]), "12"),
        ("answer1", "answer2", "comparison", text(&["left", "right"]), "12"),
        ("responseA", "responseB", "preferred", text(&["responseA", "responseB"]), "12"),
        // Names that count say where counting starts.
        ("response_0", "response_1", "winner", text(&["model_0", "model_1"]), "12"),
        ("response_0", "response_1", "winner", text(&["model_1", "model_1"]), "22"),
        ("response_0", "response_1", "preference", vec![json!(1), json!(1), json!(1)], "222"),
        ("response_0", "response_1", "better_response_id", vec![json!(0), json!(1)], "12"),
        ("response_1", "response_2", "preference", vec![json!(1), json!(1)], "11"),
        ("response_1", "response_2", "preference", vec![json!(2), json!(0)], "2-"),
        // What their cards say.
        ("human_ref_A", "human_ref_B", "labels", vec![json!(1), json!(0)], "12"),
        (
            "response1",
            "response2",
            "overall_preference",
            vec![json!(-3), json!(-1), json!(0), json!(1), json!(3)],
            "11-22",
        ),
        ("response_1", "response_2", "preference_strength", vec![json!(-1), json!(0), json!(1)], "1-2"),
        // A name that says for which answer 1 speaks.
        ("answer_a", "answer_b", "a_is_better", vec![json!(true), json!(false)], "12"),
        ("answer_a", "answer_b", "b_is_better", vec![json!(1), json!(0)], "21"),
    ] {
        let table = columns(a, b, preference, &values);
        let mapping = guess(&table);
        assert_eq!(mapping.preference.as_deref(), Some(preference), "{values:?}");
        assert_eq!(asked(&table), Vec::<String>::new(), "{values:?}");
        assert_eq!(read(&table, &mapping), expected, "{a} {b} {preference} {values:?}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_asked_and_nothing_comes_in_before() {
    let (zero, one, flag) = ("counts_from_zero", "counts_from_one", "one_is_first");
    let (negative, positive) = ("negative_is_first", "positive_is_first");
    for (a, b, preference, values, ways) in [
        ("answer_a", "answer_b", "label", vec![json!("0"), json!("1")], vec![(zero, "12"), (one, "-1"), (flag, "21")]),
        ("answer_a", "answer_b", "preference", vec![json!(1), json!(1)], vec![(zero, "22"), (one, "11"), (flag, "11")]),
        ("answer_a", "answer_b", "preference", vec![json!(0), json!(0)], vec![(zero, "11"), (one, "--"), (flag, "22")]),
        ("answer_a", "answer_b", "preference", vec![json!(0), json!(1), json!(2)], vec![(zero, "12-"), (one, "-12")]),
        ("answer_a", "answer_b", "preference", vec![json!(true), json!(false)], vec![(zero, "21"), (flag, "12")]),
        (
            "answer_a",
            "answer_b",
            "preference",
            vec![json!(0), json!(0.5), json!(1)],
            vec![(zero, "1-2"), (flag, "2-1")],
        ),
        ("answer_a", "answer_b", "winner", vec![json!("model_1"), json!("model_1")], vec![(zero, "22"), (one, "11")]),
        (
            "answer_a",
            "answer_b",
            "better",
            vec![json!(-3), json!(0), json!(2)],
            vec![(negative, "1-2"), (positive, "2-1")],
        ),
        (
            "answer_a",
            "answer_b",
            "preference",
            vec![json!(-1), json!(0), json!(1)],
            vec![(zero, "-12"), (negative, "1-2"), (positive, "2-1")],
        ),
        (
            "response_1",
            "response_2",
            "preference",
            vec![json!(0), json!(1)],
            vec![(zero, "12"), (one, "-1"), (flag, "21")],
        ),
        ("response_0", "response_1", "preference", vec![json!(1), json!(2)], vec![(zero, "2-"), (one, "12")]),
    ] {
        let table = columns(a, b, preference, &values);
        let options: Vec<&str> = ways.iter().map(|(scheme, _)| *scheme).collect();
        assert_eq!(asked(&table), options, "{a} {preference} {values:?}");
        let mapping = guess(&table);
        assert_eq!(mapping.preference_scheme, None);
        assert!(read(&table, &mapping).chars().all(|what| what == 'x'), "{values:?}");
        for (scheme, expected) in ways {
            let mut mapping = mapping.clone();
            mapping.set("preference_scheme", scheme).expect("a scheme");
            assert_eq!(read(&table, &mapping), expected, "{scheme} {values:?}");
        }
    }
}

#[test]
fn a_question_shows_rows_each_way_in_which_the_ways_differ() {
    let mut values = vec![json!(1); 20];
    values.extend([json!(0), Value::Null, json!(1)]);
    let table = columns("answer_a", "answer_b", "preference", &values);
    let questions = questions(&table, &guess(&table));
    let [question] = questions.as_slice() else { panic!("one question: {questions:?}") };
    assert_eq!((question.key.as_str(), &question.preset, &question.answer), ("preference_scheme", &None, &None));
    assert_eq!(question.question, "`preference` holds 0, 1: which answer is meant?");
    for option in &question.options {
        let lines: Vec<(usize, Option<&str>)> =
            option.rows.iter().map(|row| (row.place.line, row.says.as_deref())).collect();
        assert_eq!(lines, [(1, Some("1")), (2, Some("1")), (21, Some("0"))], "{}", option.value);
    }
    let chosen = |at: usize| question.options[at].rows[0].first.clone();
    assert_eq!((chosen(0), chosen(1)), (Some("the other".into()), Some("the one".into())));
    assert!(!question.options[1].rows[2].is_pair, "0 is a tie where counting starts at one");
    assert_eq!(question.options[0].meaning, "0 says that `answer_a` is better, 1 that `answer_b` is");
    let reason = apply(&table, &guess(&table)).refused[0].reason.clone();
    assert!(reason.contains("`preference_scheme=one_is_first`"), "{reason}");
}

#[test]
fn columns_that_are_mapped_the_other_way_round_are_still_read_by_their_names() {
    for values in [
        [json!("a"), json!("b")],
        [json!("model_a"), json!("model_b")],
        [json!(1), json!(2)],
        [json!("first"), json!("second")],
    ] {
        let table = columns("response_a", "response_b", "winner", &values);
        let guessed = guess(&table);
        let swapped =
            ColumnMapping { answer_a: guessed.answer_b.clone(), answer_b: guessed.answer_a.clone(), ..guessed };
        assert_eq!(read(&table, &swapped), "12", "{values:?}");
    }
}

#[test]
fn two_columns_that_say_different_things_are_asked_about() {
    let row = |better: u8, safer: u8| {
        json!({"prompt": "p", "response_0": "the one", "response_1": "the other", "is_response_0_safe": false,
               "is_response_1_safe": true, "better_response_id": better, "safer_response_id": safer})
    };
    let differ = table(&[row(0, 1), row(1, 1)]);
    assert_eq!(asked(&differ), ["better_response_id", "safer_response_id"]);
    let mut mapping = guess(&differ);
    assert_eq!(mapping.kind, ImportKind::Pairs);
    mapping.set("preference", "safer_response_id").expect("a column");
    assert_eq!(read(&differ, &mapping), "22");
    assert_eq!(questions(&differ, &mapping)[0].answer.as_deref(), Some("safer_response_id"));
    let same = table(&[row(0, 0), row(1, 1)]);
    assert_eq!(asked(&same), Vec::<String>::new());
    assert_eq!(read(&same, &guess(&same)), "12");
}

#[test]
fn one_column_for_each_answer() {
    let row = |a: u8, b: u8, tie: u8| {
        json!({"prompt": "p", "response_a": "the one", "response_b": "the other", "winner_model_a": a,
               "winner_model_b": b, "winner_tie": tie})
    };
    let table = table(&[row(1, 0, 0), row(0, 1, 0), row(0, 0, 1)]);
    let mapping = guess(&table);
    assert_eq!(mapping.preference_scheme, Some(PreferenceScheme::OneHot));
    assert_eq!(read(&table, &mapping), "12-");
}

#[test]
fn a_scale_that_nobody_can_place_is_left_to_label_and_said() {
    let values: Vec<Value> = (1..=7).map(|value| json!(value)).collect();
    let table = columns("answer_a", "answer_b", "preference", &values);
    let mapping = guess(&table);
    assert_eq!(mapping.kind, ImportKind::Candidates);
    assert!(notices(&table, &mapping).iter().any(|notice| notice.contains("`preference` (7 rows)")));
    let mut by_hand = mapping;
    by_hand.set("preference", "preference").expect("a column");
    let reason = by_hand.incomplete(&table).expect("not readable");
    assert!(reason.contains("holds 1, 2, 3, 4, 5, 6, …: there is no way to read these"), "{reason}");
    assert_eq!(read(&table, &by_hand), "xxxxxxx");
}

#[test]
fn a_ranking_names_the_better_answer() {
    let ranks = |one: u8, two: u8| json!([{"user_id": "u", "value": [{"rank": one, "value": "response1"}, {"rank": two, "value": "response2"}]}]);
    let table = columns("response1", "response2", "preference", &[ranks(1, 2), ranks(2, 1), ranks(1, 1)]);
    let mapping = guess(&table);
    assert_eq!(mapping.preference.as_deref(), Some("preference.0.value"));
    assert_eq!(read(&table, &mapping), "12-");
}

#[test]
fn what_is_set_by_name() {
    let mut mapping = ColumnMapping::new(ImportKind::Prompts);
    for (key, value) in [("prompt", "q"), ("answer_a", "one"), ("answer_b", "two"), ("preference", "w")] {
        mapping.set(key, value).expect(key);
    }
    mapping.set("preference_scheme", "counts_from_one").expect("a scheme");
    assert_eq!((mapping.kind, mapping.preference_scheme), (ImportKind::Pairs, Some(PreferenceScheme::CountsFromOne)));
    mapping.set("preference", "v").expect("a column");
    assert_eq!(mapping.preference_scheme, None, "it was said of another column");
    mapping.set("preference", "none").expect("nothing");
    assert_eq!((mapping.kind, mapping.preference.as_deref()), (ImportKind::Candidates, None));
    assert!(mapping.set("colour", "x").expect_err("no such key").contains("preference_scheme"));
    let error = mapping.set("plain_text", "maybe").expect_err("no such value");
    assert_eq!(error, "`plain_text` is one of as_user_message, as_is, not `maybe`");
    let kept = serde_json::to_string(&mapping).expect("JSON");
    assert_eq!(serde_json::from_str::<ColumnMapping>(&kept).expect("a mapping"), mapping);
    for key in COLUMN_KEYS.into_iter().chain(CHOICE_KEYS) {
        let known = serde_json::to_value(&mapping).expect("JSON");
        assert!(known.get(key).is_some(), "{key}");
    }
}

/// No number is ever read the wrong way round without a person: what one way of writing means is either read so, or asked.
#[test]
fn every_way_of_writing_is_read_rightly_or_asked() {
    for (names, start) in [
        (["answer_a", "answer_b"], None),
        (["response_0", "response_1"], Some(0)),
        (["response_1", "response_2"], Some(1)),
    ] {
        for first in [0_i64, 1] {
            // Names that count are at odds with a file that counts otherwise: such a file is not meant here.
            if start.is_some_and(|start| start != first) {
                continue;
            }
            for pattern in 1..4 {
                let answers: Vec<i64> = [(1, 0), (2, 1)]
                    .into_iter()
                    .filter(|(bit, _)| pattern & bit != 0)
                    .map(|(_, answer)| answer)
                    .collect();
                for write in [
                    |number: i64| json!(number),
                    |number: i64| json!(number.to_string()),
                    |number: i64| json!(format!("model_{number}")),
                ] {
                    let values: Vec<Value> = answers.iter().map(|answer| write(answer + first)).collect();
                    let expected: String = answers.iter().map(|answer| if *answer == 0 { '1' } else { '2' }).collect();
                    let table = columns(names[0], names[1], "winner", &values);
                    let said = read(&table, &guess(&table));
                    assert!(said == expected || said.chars().all(|what| what == 'x'), "{names:?} {values:?}: {said}");
                }
            }
        }
    }
}

/// Votes of people that come late in a file, or of which some are not understood, are not passed over for what stands beside them.
#[test]
fn a_second_column_that_says_something_is_asked_about() {
    let row = |at: usize, people: Value| {
        json!({
            "prompt": format!("p{at}"), "response_a": "x", "response_b": "y", "preference": "a", "winner": people,
        })
    };
    let late: Vec<Value> = (0..400).map(|at| row(at, if at < 390 { Value::Null } else { json!("b") })).collect();
    let odd: Vec<Value> =
        (0..8).map(|at| row(at, if at % 2 == 0 { json!("b") } else { json!("neither of these") })).collect();
    for rows in [late, odd] {
        let table = table(&rows);
        let mapping = guess(&table);
        let open = questions(&table, &mapping).into_iter().find(Question::is_open).expect("it is asked");
        assert_eq!(open.key, "preference");
        let options: Vec<String> = open.options.into_iter().map(|option| option.value).collect();
        assert_eq!(options, ["preference", "winner"]);
    }
}

/// One number that no reading knows, among sixty, is one bad row.
#[test]
fn a_rare_number_does_not_take_the_labels_of_all_others() {
    let row = |n: usize, label: Value| json!({"input": format!("p{n}"), "output_1": "one", "output_2": "two", "label": label});
    for odd in [json!(3), json!(2.5)] {
        let mut rows: Vec<Value> = (0..60).map(|n| row(n, json!(1 + n % 2))).collect();
        rows.insert(30, row(99, odd.clone()));
        let table = table(&rows);
        let mapping = guess(&table);
        assert_eq!(mapping.preference.as_deref(), Some("label"), "{odd}");
        let mapped = apply(&table, &mapping);
        assert_eq!((mapped.rows.len(), mapped.refused.len()), (60, 1), "{odd}");
    }
    // Where many rows have it, what is meant is not known.
    let rows: Vec<Value> = (0..60).map(|n| row(n, json!(1 + n % 3))).collect();
    assert_eq!(guess(&table(&rows)).preference, None);
}
