//! Answers that are rated, in the forms of published data sets.

use super::super::single::{CONTRADICTED, NOT_PAIRED, UNPAIRED};
use super::*;

/// The mapping with choices, and what becomes of the rows.
fn read(rows: &[Value], choices: &[(&str, &str)]) -> (ColumnMapping, Vec<(String, String, String)>, Mapped) {
    let table = table(rows);
    let mut mapping = guess(&table);
    for (key, value) in choices {
        mapping.set(key, value).expect("the choice is known");
    }
    assert_eq!(mapping.incomplete(&table), None, "{mapping:?}");
    let mapped = apply(&table, &mapping);
    let said = |content: Option<&Content>| content.map(Content::last_text).unwrap_or_default();
    let pairs = mapped
        .rows
        .iter()
        .filter(|row| !matches!(row.content, MappedContent::Single(_)))
        .map(|row| (row.content.prompt().last_text(), said(row.content.first()), said(row.content.second())))
        .collect();
    (mapping, pairs, mapped)
}

fn asks(rows: &[Value]) -> (String, Vec<String>) {
    let table = table(rows);
    let mapping = guess(&table);
    let open = questions(&table, &mapping).into_iter().find(Question::is_open).expect("a question is open");
    (open.key, open.options.into_iter().map(|option| option.value).collect())
}

fn three(prompt: &str, better: &str, worse: &str) -> (String, String, String) {
    (prompt.to_owned(), better.to_owned(), worse.to_owned())
}

/// `openbmb/UltraFeedback`, with two ratings of each answer that need not agree.
#[test]
fn ultrafeedback_raw_asks_which_rating_and_which_pairs() {
    let completion = |text: &str, fine: f64, overall: f64| {
        json!({
            "model": "m", "response": text, "critique": "c", "fine-grained_score": fine, "overall_score": overall,
            "annotations": {"helpfulness": {"Rating": "4", "Rationale": "r"}},
        })
    };
    let row = |number: usize| {
        json!({
            "source": "s", "instruction": format!("Ask {number}?"), "models": ["a", "b", "c"],
            "completions": [completion("fine", 4.0, 7.0), completion("bad", 1.0, 2.0), completion("good", 5.0, 7.5)],
        })
    };
    let rows = [row(1), row(2)];
    let (key, options) = asks(&rows);
    assert_eq!(key, "ratings");
    assert!(options.contains(&"completions.*.overall_score".to_owned()), "{options:?}");
    assert!(options.contains(&"completions.*.annotations.helpfulness.Rating".to_owned()), "{options:?}");
    let choices = [("ratings", "completions.*.fine-grained_score"), ("pairing", "best_and_worst")];
    let (mapping, pairs, mapped) = read(&rows, &choices);
    assert_eq!(mapping.answers.as_deref(), Some("completions.*.response"));
    assert_eq!(pairs, [three("Ask 1?", "good", "bad"), three("Ask 2?", "good", "bad")]);
    assert_eq!(mapped.refused, []);
    let (_, pairs, _) = read(&rows[..1], &[choices[0], ("pairing", "all"), ("least_margin", "1")]);
    assert_eq!(
        pairs,
        [three("Ask 1?", "good", "fine"), three("Ask 1?", "good", "bad"), three("Ask 1?", "fine", "bad")]
    );
    let (_, pairs, _) = read(&rows[..1], &[choices[0], ("pairing", "all"), ("least_margin", "2")]);
    assert_eq!(pairs.len(), 2);
}

/// `berkeley-nest/Nectar`: seven answers by rank, the first the best, and a transcript as the prompt.
#[test]
fn nectar_is_read_by_rank() {
    let answer = |text: &str, rank: f64| json!({"answer": text, "model": "m", "rank": rank});
    let rows = [json!({
        "prompt": "\n\nHuman: Why?\n\nAssistant: ",
        "answers": [answer("third", 3.0), answer("first", 1.0), answer("second", 2.0)],
        "turns": 1, "num_responses": 3, "source": ["x"], "good_natured": true,
    })];
    assert_eq!(asks(&rows).0, "pairing");
    let (mapping, pairs, _) = read(&rows, &[("pairing", "best_and_others")]);
    assert_eq!(mapping.ratings.as_deref(), Some("answers.*.rank"));
    assert_eq!(pairs, [three("Why?", "first", "second"), three("Why?", "first", "third")]);
    let (_, pairs, mapped) = read(&rows, &[("pairing", "neighbours")]);
    assert_eq!(pairs, [three("Why?", "first", "second"), three("Why?", "second", "third")]);
    let ranks = |chosen, rejected| Some(PairRatings { chosen, rejected, order: Some(RatingOrder::LowerIsBetter) });
    assert_eq!(mapped.rows.iter().map(|row| row.ratings).collect::<Vec<_>>(), [ranks(1.0, 2.0), ranks(2.0, 3.0)]);
}

/// `OpenAssistant/oasst1` and `oasst2` as trees: every question with several ranked answers, at any depth.
#[test]
fn trees_give_a_row_for_each_question_with_ranked_answers() {
    let reply = |text: &str, rank: i64, replies: Value| json!({"text": text, "role": "assistant", "rank": rank, "deleted": false, "lang": "en", "replies": replies});
    let further = json!({
        "text": "And then?", "role": "prompter", "lang": "de",
        "replies": [reply("later good", 0, json!([])), reply("later bad", 1, json!([]))],
    });
    let mut gone = reply("gone", 5, json!([]));
    gone["deleted"] = json!(true);
    let tree = json!({
        "message_tree_id": "t", "tree_state": "ready_for_export",
        "prompt": {
            "message_id": "t", "text": "Why?", "role": "prompter", "lang": "en",
            "replies": [reply("bad", 2, json!([])), reply("good", 0, json!([further])), gone],
        },
    });
    let (mapping, pairs, mapped) = read(&[tree.clone(), tree.clone()], &[]);
    assert_eq!(mapping.order(), Some(RatingOrder::LowerIsBetter));
    assert_eq!(pairs[..2], [three("Why?", "good", "bad"), three("And then?", "later good", "later bad")]);
    let MappedContent::Pair(pair) = &mapped.rows[1].content else { panic!("no pair") };
    let before = pair.prompt.as_messages().expect("messages");
    assert_eq!(before.iter().map(|it| it.role.as_str()).collect::<Vec<_>>(), ["user", "assistant", "user"]);
    let (_, pairs, mapped) = read(&[tree], &[("only", "lang=en&depth=1")]);
    assert_eq!(pairs, [three("Why?", "good", "bad")]);
    assert_eq!(mapped.notes.get("left out, as `lang` is not `en`"), Some(&1));
    let table = super::table(&[json!({"prompt": {"text": "q", "role": "prompter", "replies": []}})]);
    assert!(table.notices[0].contains("1 trees") && table.is_empty(), "{:?}", table.notices);
}

/// TRL's unpaired form: one answer a row, with a label. Prompts with both become pairs, the others are kept as single labels.
#[test]
fn labels_of_single_answers_are_brought_together_by_prompt() {
    let row = |prompt: &str, completion: &str, label: bool| json!({"prompt": prompt, "completion": completion, "label": label});
    let rows = [
        row("p", "good", true),
        row("q", "alone", true),
        row("p", "bad", false),
        row("r", "x", true),
        row("r", "y", true),
        row("s", "worse", false),
        row("s", "better", true),
    ];
    let (mapping, pairs, mapped) = read(&rows, &[]);
    assert_eq!((mapping.answers.as_deref(), mapping.ratings.as_deref()), (Some("completion"), Some("label")));
    assert_eq!(pairs, [three("p", "good", "bad"), three("s", "better", "worse")]);
    let refused: Vec<(usize, &str)> = mapped.refused.iter().map(|it| (it.place.line, it.reason.as_str())).collect();
    assert_eq!(refused, []);
    assert_eq!(singles(&mapped), [(2, "alone", Some(true)), (4, "x", Some(true)), (5, "y", Some(true))]);
    assert_eq!(mapped.notes.get(UNPAIRED), Some(&3));
    let said = notices(&table(&rows), &mapping).join(" ");
    assert!(said.contains("By `label`, 5 answers are labelled good and 2 bad."), "{said}");
    // Also where no prompt has both.
    let (mapping, pairs, mapped) = read(&rows[..2], &[]);
    assert_eq!((mapping.kind, pairs.len()), (ImportKind::Pairs, 0));
    assert_eq!(singles(&mapped), [(1, "good", Some(true)), (2, "alone", Some(true))]);
    // Three good answers leave no choice of pairs.
    let alike = [row("p", "a", true), row("p", "b", true), row("p", "c", true)];
    assert_eq!(singles(&read(&alike, &[]).2).len(), 3);
    // Labels of the other sense are turned round.
    let (_, _, mapped) = read(&rows[..2], &[("rating_order", "lower_is_better")]);
    assert_eq!(singles(&mapped)[0], (1, "good", Some(false)));
}

/// The answers that make no pair, with their lines and labels.
fn singles(mapped: &Mapped) -> Vec<(usize, &str, Option<bool>)> {
    let mut found = Vec::new();
    for row in &mapped.rows {
        if let MappedContent::Single(single) = &row.content {
            found.push((row.place.line, single.answer.as_text().expect("a text"), single.label));
        }
    }
    found
}

#[test]
fn only_labels_say_something_of_an_answer_that_stands_alone() {
    let row = |prompt: &str, column: &str, rating: Value| json!({"prompt": prompt, "response": "r", column: rating});
    let kept = |column: &str, ratings: [Value; 2]| {
        let [one, other] = ratings;
        let choices = [("answers", "response"), ("ratings", column), ("rating_order", "higher_is_better")];
        let (_, _, mapped) = read(&[row("p", column, one), row("q", column, other)], &choices);
        let labels = singles(&mapped).into_iter().map(|(_, _, label)| label).collect::<Vec<_>>();
        (labels, mapped.refused.len())
    };
    let good_and_bad = (vec![Some(true), Some(false)], 0);
    assert_eq!(kept("vote", [json!(true), json!(false)]), good_and_bad);
    assert_eq!(kept("vote", [json!("desirable"), json!("undesirable")]), good_and_bad);
    assert_eq!(kept("label", [json!(1), json!(0)]), good_and_bad);
    assert_eq!(kept("label", [json!(1.0), json!(-1)]), good_and_bad);
    assert_eq!(kept("label", [json!("1"), json!("0")]), good_and_bad);
    assert_eq!(kept("label", [json!("👍"), json!("Thumbs_Down")]), good_and_bad);
    // Numbers that may be counts or marks are not labels.
    assert_eq!(kept("score", [json!(1), json!(0)]), (vec![], 2));
    assert_eq!(kept("label", [json!(1), json!(5)]), (vec![], 2));
    assert_eq!(kept("label", [json!(true), Value::Null]), (vec![Some(true)], 1));
}

/// One row that says neither good nor bad is refused, and makes nothing else of the others. A class is asked about.
#[test]
fn a_label_that_is_none_is_refused_by_its_line() {
    let row = |at: usize, label: Value| json!({"prompt": format!("p{at}"), "completion": "c", "label": label});
    let mut rows: Vec<Value> = (0..20).map(|at| row(at, json!(at % 2 == 0))).collect();
    rows[12] = row(12, json!("maybe"));
    let (_, _, mapped) = read(&rows, &[]);
    assert_eq!((singles(&mapped).len(), mapped.refused.len(), mapped.refused[0].place.line), (19, 1, 13));
    let classes = [
        json!({"prompt": "p", "completion": "refused", "label": 2}),
        json!({"prompt": "p", "completion": "accepted", "label": 1}),
    ];
    assert_eq!(
        asks(&classes),
        ("rating_order".to_owned(), vec!["higher_is_better".to_owned(), "lower_is_better".to_owned()])
    );
}

#[test]
fn an_answer_that_is_labelled_both_ways_keeps_both_labels() {
    let row = |label: bool| json!({"prompt": "p", "completion": "same", "label": label});
    let (_, pairs, mapped) = read(&[row(true), row(false)], &[]);
    assert!(pairs.is_empty());
    assert_eq!(singles(&mapped), [(1, "same", Some(true)), (2, "same", Some(false))]);
    assert_eq!(mapped.notes.get(CONTRADICTED), Some(&2));
}

#[test]
fn labelled_answers_that_are_in_no_pair_are_kept_and_counted() {
    let row = |answer: &str, label: bool| json!({"prompt": "p", "completion": answer, "label": label});
    let rows = [row("a", true), row("b", true), row("c", false), row("d", false)];
    let (_, pairs, mapped) = read(&rows, &[("pairing", "best_and_worst")]);
    assert_eq!(pairs, [three("p", "a", "c")]);
    assert_eq!(singles(&mapped), [(2, "b", Some(true)), (4, "d", Some(false))]);
    assert_eq!(mapped.notes.get(NOT_PAIRED), Some(&2));
    assert!(!mapped.notes.keys().any(|note| note.contains("in none of the pairs that")), "{:?}", mapped.notes);
    let (_, pairs, mapped) = read(&rows, &[("pairing", "all")]);
    assert_eq!((pairs.len(), singles(&mapped).len()), (4, 0));
    // A score that stands in no pair says nothing alone, and is counted.
    let scores = [3, 2, 1].map(|score| json!({"prompt": "p", "completion": format!("a{score}"), "score": score}));
    let (_, pairs, mapped) = read(&scores, &[("pairing", "best_and_worst")]);
    assert_eq!((pairs.len(), mapped.rows.len()), (1, 1));
    assert!(mapped.notes.keys().any(|note| note.contains("in none of the pairs that")), "{:?}", mapped.notes);
}

#[test]
fn an_answer_that_is_labelled_both_ways_makes_a_pair_with_another() {
    let row = |answer: &str, label: bool| json!({"prompt": "p", "completion": answer, "label": label});
    let rows = [row("x", true), row("x", false), row("y", false)];
    for pairing in ["best_and_worst", "best_and_others", "neighbours", "all"] {
        let (_, pairs, mapped) = read(&rows, &[("pairing", pairing)]);
        assert_eq!(pairs, [three("p", "x", "y")], "{pairing}");
        assert_eq!((singles(&mapped), mapped.refused.len()), (vec![(2, "x", Some(false))], 0), "{pairing}");
        assert_eq!(mapped.notes.get(CONTRADICTED), Some(&1));
    }
}

/// Two bad answers, a good one and a least distance that no two have: an own choice of the user, and nothing is made of it.
#[test]
fn a_least_distance_that_no_two_have_refuses_labels_too() {
    let row = |answer: &str, label: bool| json!({"prompt": "p", "completion": answer, "label": label});
    let (_, _, mapped) = read(&[row("a", true), row("b", false)], &[("least_margin", "2")]);
    assert_eq!((mapped.rows.len(), mapped.refused.len()), (0, 2));
}

/// LLaMA-Factory's KTO form: whole conversations with a label.
#[test]
fn labels_of_conversations_are_brought_together_by_what_was_asked() {
    let row = |answer: &str, label: bool| json!({"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": answer}], "label": label});
    let (mapping, pairs, _) = read(&[row("no", false), row("so", true)], &[]);
    assert_eq!((mapping.prompt.as_deref(), mapping.answers.as_deref()), (None, Some("messages")));
    assert_eq!(pairs, [three("Why?", "so", "no")]);
}

/// `nvidia/HelpSteer2`: two rows a prompt, with marks for several qualities.
#[test]
fn marks_of_single_answers_ask_which_counts() {
    let row = |prompt: &str, response: &str, helpfulness: i64| json!({"prompt": prompt, "response": response, "helpfulness": helpfulness, "correctness": 4, "verbosity": 2});
    let rows = [row("p", "bad", 1), row("p", "good", 4), row("q", "better", 3), row("q", "worse", 2)];
    let (key, options) = asks(&rows);
    assert_eq!((key.as_str(), options), ("ratings", vec!["helpfulness".to_owned(), "correctness".to_owned()]));
    let (_, pairs, _) = read(&rows, &[("ratings", "helpfulness")]);
    assert_eq!(pairs, [three("p", "good", "bad"), three("q", "better", "worse")]);
    let (_, pairs, mapped) = read(&rows, &[("ratings", "helpfulness"), ("least_margin", "2")]);
    assert_eq!((pairs.len(), mapped.refused.len()), (1, 2));
}

/// Any two rated answers side by side.
#[test]
fn two_rated_answers_are_a_pair_with_a_margin() {
    let row =
        |a: f64, b: f64| json!({"prompt": "p", "response_a": "one", "response_b": "two", "score_a": a, "score_b": b});
    let rows = [row(1.0, 4.0), row(3.0, 2.5), row(2.0, 2.0)];
    let (mapping, pairs, mapped) = read(&rows, &[]);
    assert_eq!((mapping.rating_a.as_deref(), mapping.rating_b.as_deref()), (Some("score_a"), Some("score_b")));
    assert_eq!(pairs[..2], [three("p", "two", "one"), three("p", "one", "two")]);
    assert!(matches!(mapped.rows[2].content, MappedContent::Candidates(_)), "a tie is to be labelled");
    let (_, pairs, mapped) = read(&rows, &[("least_margin", "1")]);
    assert_eq!((pairs.len(), mapped.refused.len()), (1, 2));
    assert!(mapped.refused[0].reason.contains("differ by less than 1"), "{:?}", mapped.refused);
    // Of a chosen and a rejected answer the ratings say how far they are apart.
    let named = [json!({"prompt": "p", "chosen": "c", "rejected": "r", "score_chosen": 8.0, "score_rejected": 7.5})];
    let choices = [("rating_a", "score_chosen"), ("rating_b", "score_rejected"), ("least_margin", "1")];
    let (_, pairs, mapped) = read(&named, &choices);
    assert_eq!((pairs.len(), mapped.refused.len()), (0, 1));
}

/// `allenai/reward-bench-2`: lists of chosen and rejected answers.
#[test]
fn lists_of_chosen_and_rejected_answers_are_all_compared() {
    let rows = [json!({
        "id": "0", "prompt": "p", "chosen": ["good"], "rejected": ["bad", "worse", "worst"], "num_correct": 1,
        "subset": "Factuality",
    })];
    let (mapping, pairs, _) = read(&rows, &[]);
    assert_eq!((mapping.chosen.as_deref(), mapping.rejected.as_deref()), (Some("chosen.*"), Some("rejected.*")));
    assert_eq!(pairs, [three("p", "good", "bad"), three("p", "good", "worse"), three("p", "good", "worst")]);
}

#[test]
fn what_has_no_rating_is_counted() {
    let row = |scores: Value| json!({"prompt": "p", "responses": ["a", "b", "c"], "scores": scores});
    let rows = [row(json!([1, 2, null])), row(json!([1, 1, 1])), row(json!([3])), row(json!([2, 1, 2]))];
    let (mapping, pairs, mapped) = read(&rows, &[("pairing", "best_and_worst")]);
    assert_eq!(mapping.ratings.as_deref(), Some("scores.*"));
    assert_eq!(pairs, [three("p", "b", "a"), three("p", "a", "b")]);
    assert_eq!(mapped.notes.get("an answer without a rating was left out"), Some(&1));
    assert_eq!(mapped.notes.get("answers that are rated alike make no pair with each other"), Some(&1));
    let reasons: Vec<&str> = mapped.refused.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons[0], "its answers are all rated alike");
    assert!(reasons[1].contains("3 answers") && reasons[1].contains("1 ratings"), "{reasons:?}");
}

/// What the name does not say for sure is asked: a word in front may turn it round.
#[test]
fn a_rating_that_may_be_better_low_is_asked_about() {
    let row = |one: f64, two: f64| json!({"prompt": "p?", "answers": ["one", "two"], "toxicity_score": [one, two]});
    let rows = [row(1.0, 2.0), row(0.5, 0.1)];
    let (key, options) = asks(&rows);
    assert_eq!((key.as_str(), options.len()), ("rating_order", 2));
    let (_, pairs, _) = read(&rows, &[("rating_order", "lower_is_better")]);
    assert_eq!(pairs, [three("p?", "one", "two"), three("p?", "two", "one")]);
}

#[test]
fn a_choice_that_has_no_effect_is_refused() {
    let rows = [json!({"prompt": "p", "chosen": "c", "rejected": "r", "grade_chosen": 1, "grade_rejected": 3})];
    let table = table(&rows);
    let refused = |key: &str, value: &str| {
        let mut mapping = guess(&table);
        mapping.set(key, value).expect("the choice is known");
        mapping.incomplete(&table).unwrap_or_default()
    };
    assert!(refused("least_margin", "2").contains("`least_margin` has no effect"));
    assert!(refused("rating_order", "lower_is_better").contains("no effect"));
    assert!(refused("pairing", "all").contains("no effect"));
    assert!(refused("ratings", "grade_chosen").contains("no effect"));
    assert!(refused("rating_a", "grade_chosen").contains("set both"));
    // A chosen answer that is rated worse is said, and stays.
    let choices = [("rating_a", "grade_chosen"), ("rating_b", "grade_rejected")];
    let (_, pairs, mapped) = read(&rows, &choices);
    assert_eq!(pairs.len(), 1);
    assert_eq!(mapped.notes.get("the chosen answer is rated worse than the rejected one"), Some(&1));
}

#[test]
fn what_the_choice_of_pairs_leaves_aside_is_counted() {
    let row = json!({"prompt": "p", "responses": ["a", "b", "c", "d", "d"], "scores": [1, 2, 3, 9, 4]});
    let (_, pairs, mapped) = read(std::slice::from_ref(&row), &[("pairing", "best_and_worst")]);
    assert_eq!(pairs, [three("p", "d", "a")]);
    assert_eq!(mapped.notes.get("an answer is in none of the pairs that `pairing` chooses"), Some(&1));
    let (_, pairs, mapped) = read(std::slice::from_ref(&row), &[("pairing", "all"), ("least_margin", "2")]);
    assert!(pairs.iter().all(|(_, better, worse)| better != worse), "{pairs:?}");
    assert_eq!(mapped.notes.get("two answers of the same text make no pair with each other"), Some(&1));
    let near = "answers whose ratings are nearer than `least_margin` make no pair with each other";
    assert_eq!(mapped.notes.get(near), Some(&1));
}

/// Rows that were asked with different tools are not brought together.
#[test]
fn tools_are_part_of_what_was_asked() {
    let row = |tool: &str, answer: &str, label: bool| json!({"prompt": [{"role": "user", "content": "q"}], "completion": answer, "label": label, "tools": [{"name": tool}]});
    let rows = [row("f", "good", true), row("g", "other", false), row("f", "bad", false)];
    let (_, pairs, mapped) = read(&rows, &[]);
    assert_eq!(pairs, [three("q", "good", "bad")]);
    // It stands alone, and comes before the pair, whose last row comes later.
    assert_eq!(mapped.rows[0].place.line, 2);
    assert!(matches!(mapped.rows[0].content, MappedContent::Single(_)), "{:?}", mapped.rows[0]);
}

/// Of rated answers the prompts alone can be had, too.
#[test]
fn prompts_of_rated_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rated.jsonl");
    let row = |prompt: &str| json!({"prompt": prompt, "responses": ["a", "b", "c"], "scores": [1, 2, 3]});
    std::fs::write(&path, format!("{}\n{}\n", row("p"), row("q"))).expect("there is room");
    let read = crate::reader::read_prompts(&path, &crate::reader::Choices::new()).expect("its prompts can be had");
    assert_eq!(read.into_prompts().len(), 2);
    let choices = [("kind".to_owned(), "prompts".to_owned())].into();
    let opened = crate::reader::open(&path, &choices, &|| true).expect("its prompts can be had");
    assert_eq!(opened.mapping.kind, ImportKind::Prompts);
}

/// Under the names that published sets have, ratings beside a chosen and a rejected answer are taken; votes are none. One that is
/// no number is said to be left out.
#[test]
fn ratings_beside_chosen_and_rejected_are_found_by_their_names() {
    for [of_chosen, of_rejected] in [
        ["score_chosen", "score_rejected"],
        ["chosen_avg_rating", "rejected_avg_rating"],
        ["chosen-rating", "rejected-rating"],
    ] {
        let row = |score: Value| json!({"prompt": "p?", "chosen": format!("c {score}"), "rejected": "r", of_chosen: 4.5, of_rejected: score});
        let mut rows: Vec<Value> = (0..12).map(|at| row(json!(f64::from(at) / 10.0))).collect();
        rows.push(row(json!("high")));
        let (_, _, mapped) = read(&rows, &[]);
        let ratings: Vec<_> = mapped.rows.iter().map(|row| row.ratings.and_then(|ratings| ratings.margin())).collect();
        assert_eq!((ratings[0], ratings[1], ratings[12]), (Some(4.5), Some(4.4), None), "{of_chosen}");
        assert!(mapped.notes.iter().any(|(note, count)| note.contains("a rating is no number") && *count == 1));
    }
    let votes = [json!({"prompt": "p?", "chosen": "c", "rejected": "r", "votes_chosen": 3, "votes_rejected": 0})];
    assert!(read(&votes, &[]).2.rows[0].ratings.is_none());
}
