//! MT-Bench: its questions, its judges' verdicts between two models, and people's.

use super::*;

fn mapped(rows: &[Value]) -> (Mapped, String) {
    let table = table(rows);
    let mapping = guess(&table);
    assert_eq!(mapping.incomplete(&table), None, "{mapping:?}");
    (apply(&table, &mapping), notices(&table, &mapping).join("\n"))
}

fn refused(mapped: &Mapped) -> Vec<(usize, &str)> {
    mapped.refused.iter().map(|refused| (refused.place.line, refused.reason.as_str())).collect()
}

/// `question.jsonl`, and half of one.
#[test]
fn further_turns_of_a_question_are_counted() {
    let rows = [
        json!({"question_id": 81, "category": "writing", "turns": ["Write a post.", "Rewrite it."]}),
        json!({"question_id": 101, "category": "reasoning", "turns": ["Who is first?", "And last?"], "reference": ["You.", "?"]}),
        json!({"question_id": 1, "category": "generic", "turns": ["How can I sleep?"]}),
        json!({"question_id": 2, "category": "generic", "turns": ["One?", "Two?", "Three?", "Four?", "Five?", "Six?"]}),
        json!({"question_id": 3, "category": "generic", "turns": []}),
        json!({"question_id": 4, "category": "generic", "turns": [null, "Two?"]}),
    ];
    let (mapped, said) = mapped(&rows);
    let prompts: Vec<&str> = mapped.rows.iter().filter_map(|row| row.content.prompt().as_text()).collect();
    assert_eq!(prompts, ["Write a post.", "Who is first?", "How can I sleep?", "One?"]);
    assert_eq!(mapped.rows[1].content.category(), Some("reasoning"));
    assert_eq!(refused(&mapped), [(5, "the prompt is empty"), (6, "the prompt is empty")]);
    let expected = "Of `turns` the first text is the prompt. What is asked after it is left out, 8 questions in 4 rows: each \
                    belongs to an answer that is still to be given.";
    assert!(said.contains(expected), "{said}");
}

fn talk(turns: &[&str]) -> Value {
    let role = |at: usize| if at.is_multiple_of(2) { "user" } else { "assistant" };
    turns.iter().enumerate().map(|(at, text)| json!({"role": role(at), "content": text})).collect()
}

/// `lmsys/mt_bench_human_judgments`: every row has both turns, and `turn` says which was judged.
#[test]
fn a_verdict_is_about_the_turn_that_was_judged() {
    let row = |turn: Value, winner: &str, a: &[&str], b: &[&str]| {
        json!({
            "question_id": 81, "model_a": "alpaca-13b", "model_b": "gpt-3.5-turbo", "winner": winner, "judge": "author_2",
            "conversation_a": talk(a), "conversation_b": talk(b), "turn": turn,
        })
    };
    let (a, b) = (["q1", "a1", "q2", "a2"], ["q1", "b1", "q2", "b2"]);
    let (mapped, said) = mapped(&[
        row(json!(1), "model_b", &a, &b),
        row(json!(2), "model_a", &a, &b),
        row(json!(1), "tie", &a, &b),
        row(json!(2), "model_b", &["q1", "same", "q2", "a2"], &["q1", "same", "q2", "b2"]),
        row(json!(3), "model_a", &a, &b),
        row(json!(2), "model_a", &a[..2], &b),
        row(json!(0), "model_a", &a, &b),
    ]);
    let rows: Vec<MappedContent> = mapped.rows.iter().map(|row| row.content.clone()).collect();
    let (q1, q2) = (user("q1"), user("q2"));
    assert_eq!(rows[0], pair(vec![q1.clone()], vec![assistant("b1")], vec![assistant("a1")]));
    let whole = |first: &str, second: &str| vec![assistant(first), q2.clone(), assistant(second)];
    assert_eq!(rows[1], pair(vec![q1.clone()], whole("a1", "a2"), whole("b1", "b2")));
    assert!(matches!(rows[2], MappedContent::Candidates(_)));
    let prompt = vec![q1, assistant("same"), q2.clone()];
    assert_eq!(rows[3], pair(prompt, vec![assistant("b2")], vec![assistant("a2")]));
    let expected = [
        (5, "`turn` says 3, and `conversation_a` has 2 of the user's"),
        (6, "`turn` says 2, and `conversation_a` has 1 of the user's"),
        (7, "`turn` says 0: which of the answers was judged is not known"),
    ];
    assert_eq!(refused(&mapped), expected);
    assert!(said.contains("2 rows judge a turn after which the conversations go on"), "{said}");
    assert!(said.contains("1 rows judge a later turn of conversations that differ before it"), "{said}");
}

/// A verdict of a judge that was asked in both orders, as `FastChat` writes it.
fn verdict(first: &str, second: &str, asked: &str) -> Value {
    json!({
        "question_id": 81, "model_1": "phi-3", "model_2": "phi-3-dpo", "g1_winner": first, "g2_winner": second,
        "judge": ["gpt-4", "pair-v2"], "g1_user_prompt": asked, "g1_judgment": "Both… [[A]]", "g2_user_prompt": "the other way",
        "g2_judgment": "Both… [[B]]", "turn": 1, "tstamp": 1_717_231_244.69,
    })
}

fn asked(question: &str, a: &str, b: &str) -> String {
    format!(
        "[User Question]\n{question}\n\n[The Start of Assistant A's Answer]\n{a}\n[The End of Assistant A's Answer]\n\n[The Start of \
         Assistant B's Answer]\n{b}\n[The End of Assistant B's Answer]"
    )
}

#[test]
fn verdicts_of_a_judge_in_both_orders() {
    let plain = asked("Why?\n\nSay it.", "Because.\n", "No.\n\nReally.");
    let with_reference = plain.replace(
        "\n\n[The Start of Assistant A's",
        "\n\n[The Start of Reference Answer]\nSo.\n[The End of Reference Answer]\n\n[The Start of Assistant A's",
    );
    let of = |name: &str, first: &str, second: &str| {
        format!(
            "<|The Start of Assistant {name}'s Conversation with User|>\n\n### User:\nq1\n\n### Assistant {name}:\n{first}\n\n### \
             User:\nq2\n\n### Assistant {name}:\n{second}\n\n<|The End of Assistant {name}'s Conversation with User|>"
        )
    };
    let mut later = verdict("model_2", "model_2", &format!("{}\n\n\n{}", of("A", "a1", "a2"), of("B", "b1", "b2")));
    later["turn"] = json!(2);
    let (mapped, said) = mapped(&[
        verdict("model_1", "model_1", &plain),
        verdict("model_2", "model_2", &with_reference),
        verdict("model_1", "model_2", &plain),
        verdict("tie", "tie", &plain),
        later,
        verdict("error", "model_1", &plain),
        verdict("model_1", "model_1", "Which is better?"),
        verdict("model_1", "model_1", &asked("Why?", "x", &plain)),
        json!({"question_id": 81, "model_1": "a", "model_2": "b", "g1_winner": null, "g2_winner": "tie", "g1_user_prompt": plain}),
    ]);
    let rows: Vec<MappedContent> = mapped.rows.iter().map(|row| row.content.clone()).collect();
    let question = vec![user("Why?\n\nSay it.")];
    let (one, other) = (vec![assistant("Because.\n")], vec![assistant("No.\n\nReally.")]);
    assert_eq!(rows[0], pair(question.clone(), one.clone(), other.clone()));
    assert_eq!(rows[1], pair(question, other, one));
    assert!(rows[2..4].iter().all(|row| matches!(row, MappedContent::Candidates(_))), "{rows:?}");
    let whole = |first: &str, second: &str| vec![assistant(first), user("q2"), assistant(second)];
    assert_eq!(rows[4], pair(vec![user("q1")], whole("b1", "b2"), whole("a1", "a2")));
    let reasons = refused(&mapped);
    assert_eq!(reasons[0], (6, "the judge gave no verdict (`error`)"));
    assert!(reasons[1..3].iter().all(|(_, reason)| reason.starts_with("`g1_user_prompt` is not what")), "{reasons:?}");
    assert_eq!(reasons[3], (9, "`g1_winner`: expected text"));
    assert!(said.contains("5 rows are verdicts of a judge that was asked in both orders"), "{said}");
    assert!(said.contains("do not agree (1 rows)"), "{said}");
}

#[test]
fn answers_without_questions_say_where_pairs_are() {
    let answer = json!({
        "question_id": 81, "answer_id": "Nc27", "model_id": "phi-3", "choices": [{"index": 0, "turns": ["a1", "a2"]}], "tstamp": 1.5,
    });
    let score = json!({
        "question_id": 81, "model": "phi-3-dpo", "judge": ["gpt-4", "single-v1"], "user_prompt": "[Instruction]\nPlease act as…",
        "judgment": "[[9]]", "score": 9, "turn": 1, "tstamp": 1.5,
    });
    for row in [answer, score] {
        let table = table(&[row]);
        assert!(table.is_empty() && table.refused[0].reason.contains("`…_pair.jsonl`"), "{:?}", table.refused);
    }
}

/// `pandas` writes whole numbers as `1.0` where some are missing.
#[test]
fn a_turn_is_a_number_however_it_is_written() {
    let talk = |answers: [&str; 2]| {
        json!([
            {"role": "user", "content": "q1"}, {"role": "assistant", "content": answers[0]},
            {"role": "user", "content": "q2"}, {"role": "assistant", "content": answers[1]},
        ])
    };
    let row = |turn: Value| json!({"conversation_a": talk(["a1", "a2"]), "conversation_b": talk(["b1", "b2"]), "winner": "model_a", "turn": turn});
    let table = table(&[row(json!(1)), row(json!(1.0)), row(json!("1")), row(Value::Null), row(json!("first"))]);
    let mapped = apply(&table, &guess(&table));
    let expected = pair(vec![user("q1")], vec![assistant("a1")], vec![assistant("b1")]);
    let found: Vec<MappedContent> = mapped.rows.into_iter().map(|row| row.content).collect();
    assert_eq!(found, [expected.clone(), expected.clone(), expected]);
    let lines: Vec<usize> = mapped.refused.iter().map(|refused| refused.place.line).collect();
    assert_eq!(lines, [4, 5], "{:?}", mapped.refused);
}

/// What no judge of `FastChat` says is no tie.
#[test]
fn a_winner_that_is_not_known_is_refused() {
    let plain = asked("Why?", "Because.", "No.");
    let table = table(&[verdict("tie", "model_1", &plain), verdict("A", "A", &plain), verdict("", "", &plain)]);
    assert_eq!((table.row_count, table.refused_count), (1, 2));
}
