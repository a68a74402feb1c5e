use serde_json::{Value, json};

use super::*;
use crate::{Content, Message};

mod demonstrations;
mod forms;
mod late_columns;
mod messages;
mod mt_bench;
mod odd_rows;
mod potato;
mod preferences;
mod published;
mod rated;

fn table(rows: &[Value]) -> Table {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    Table::from_bytes(lines.join("\n").as_bytes()).expect("bytes are always read")
}

/// Guesses, checks that nothing was refused, and returns the mapping with its rows. A file that is too large to keep gives the
/// same.
fn guessed(rows: &[Value]) -> (ColumnMapping, Vec<MappedContent>) {
    let table = table(rows);
    let mapping = guess(&table);
    assert_eq!(mapping.incomplete(&table), None, "{mapping:?}");
    let mapped = apply(&table, &mapping);
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let lines: Vec<String> = rows.iter().map(|row| row.to_string() + "\n").collect();
    std::fs::write(&file, lines.concat()).expect("there is room");
    let large = Table::read_keeping(file.path(), 0).expect("it can be read");
    assert_eq!(guess(&large), mapping);
    assert_eq!(apply(&large, &mapping), mapped);
    assert_eq!(notices(&large, &mapping), notices(&table, &mapping));
    assert_eq!(mapped.refused, [], "{mapping:?}");
    (mapping, mapped.rows.into_iter().map(|row| row.content).collect())
}

fn pair(prompt: impl Into<Content>, chosen: impl Into<Content>, rejected: impl Into<Content>) -> MappedContent {
    let (prompt, chosen, rejected) = (prompt.into(), chosen.into(), rejected.into());
    MappedContent::Pair(Pair { prompt, chosen, rejected, category: None })
}

fn user(text: &str) -> Message {
    Message::new("user", text)
}

fn assistant(text: &str) -> Message {
    Message::new("assistant", text)
}

#[test]
fn the_field_s_own_form_is_taken_as_it_is() {
    let (mapping, rows) =
        guessed(&[json!({"prompt": "p", "chosen": "c", "rejected": "r", "category": "x", "score": 3})]);
    assert_eq!(mapping.kind, ImportKind::Pairs);
    assert_eq!(mapping.category.as_deref(), Some("category"));
    assert_eq!(rows[0].category(), Some("x"));
    let (_, rows) = guessed(&[json!({"prompt": [{"role": "user", "content": "q"}], "chosen": "c", "rejected": "r"})]);
    assert_eq!(rows, [pair(vec![user("q")], vec![assistant("c")], vec![assistant("r")])]);
}

#[test]
fn sharegpt_conversations() {
    let (mapping, rows) = guessed(&[json!({
        "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}],
        "chosen": {"from": "gpt", "value": "c"},
        "rejected": {"from": "gpt", "value": "r"},
    })]);
    assert_eq!(mapping.prompt.as_deref(), Some("conversations"));
    let prompt = vec![Message::new("system", "s"), user("q")];
    assert_eq!(rows, [pair(prompt, vec![assistant("c")], vec![assistant("r")])]);
}

#[test]
fn transcripts_as_of_hh_rlhf() {
    let row =
        |answer: &str| format!("\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: What is 2+2?\n\nAssistant: {answer}");
    let (mapping, rows) = guessed(&[json!({"chosen": row("4."), "rejected": row("4 or 5.")})]);
    assert_eq!(mapping.prompt, None);
    let prompt = vec![user("Hi"), assistant("Hello."), user("What is 2+2?")];
    assert_eq!(rows, [pair(prompt, vec![assistant("4.")], vec![assistant("4 or 5.")])]);

    // A prompt in this form, with plain answers.
    let (_, rows) =
        guessed(&[json!({"prompt": "\n\nHuman: What?\n\nAssistant:", "chosen": " yes", "rejected": " no"})]);
    assert_eq!(rows, [pair(vec![user("What?")], vec![assistant("yes")], vec![assistant("no")])]);
}

#[test]
fn ultrafeedback_s_answers_lose_the_prompt_that_they_repeat() {
    let row = |system: Option<&str>| {
        let conversation = |answer: &str| {
            let mut messages: Vec<Value> = system.iter().map(|it| json!({"role": "system", "content": it})).collect();
            messages.push(json!({"role": "user", "content": "the question"}));
            messages.push(json!({"role": "assistant", "content": answer}));
            messages
        };
        json!({
            "prompt": "the question", "prompt_id": "78a0", "chosen": conversation("good"), "rejected": conversation("bad"),
            "score_chosen": 8.0, "score_rejected": 4.5,
        })
    };
    let (mapping, rows) = guessed(&[row(None)]);
    assert_eq!(mapping.chosen.as_deref(), Some("chosen"));
    assert_eq!(rows, [pair(vec![user("the question")], vec![assistant("good")], vec![assistant("bad")])]);
    let (_, rows) = guessed(&[row(Some("s"))]);
    let prompt = vec![Message::new("system", "s"), user("the question")];
    assert_eq!(rows, [pair(prompt, vec![assistant("good")], vec![assistant("bad")])]);
}

#[test]
fn alpaca_s_instruction_and_input() {
    let (mapping, rows) = guessed(&[
        json!({"instruction": "Add.", "input": "1 2", "output": "3, I think", "rejected": "4, I think"}),
        json!({"instruction": "Say hello.", "input": "", "output": "hello, you", "rejected": "no, never"}),
    ]);
    assert_eq!((mapping.prompt.as_deref(), mapping.context.as_deref()), (Some("instruction"), Some("input")));
    assert_eq!(rows[0], pair("Add.\n\n1 2", "3, I think", "4, I think"));
    assert_eq!(rows[1], pair("Say hello.", "hello, you", "no, never"));
}

#[test]
fn names_that_data_sets_give_to_a_better_and_a_worse_answer() {
    for (prompt, better, worse) in [
        ("question", "answer_good", "answer_bad"),
        ("question", "chosen_response", "rejected_response"),
        ("query", "winner", "loser"),
        ("instruction", "response_chosen", "response_rejected"),
        ("prompt", "y_w", "y_l"),
        ("input", "preferred", "dispreferred"),
        ("prompt", "chosen.content", "rejected.content"),
    ] {
        let mut row = serde_json::Map::new();
        for (name, text) in [(prompt, "what is asked"), (worse, "a worse answer"), (better, "a better answer")] {
            match name.split_once('.') {
                Some((outer, inner)) => row.insert(outer.to_owned(), json!({inner: text, "score": 3})),
                None => row.insert(name.to_owned(), json!(text)),
            };
        }
        let (mapping, rows) = guessed(&[Value::Object(row)]);
        assert_eq!(rows, [pair("what is asked", "a better answer", "a worse answer")], "{better}");
        assert_eq!((mapping.chosen.as_deref(), mapping.rejected.as_deref()), (Some(better), Some(worse)));
    }
}

#[test]
fn a_preference_that_is_not_understood_is_refused_by_line() {
    let row = |winner: &str| json!({"prompt": "p", "answer_1": "the one", "answer_2": "the other", "winner": winner});
    let mut rows: Vec<Value> = (0..20).map(|_| row("1")).collect();
    rows.push(row("purple"));
    let table = table(&rows);
    let mapped = apply(&table, &guess(&table));
    assert_eq!((mapped.rows.len(), mapped.refused.len(), mapped.refused[0].place.line), (20, 1, 21));
    assert!(mapped.refused[0].reason.contains("\"purple\""), "{}", mapped.refused[0].reason);
}

#[test]
fn whole_conversations_with_a_winner() {
    let conversation =
        |answer: &str| json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]);
    let row = json!({
        "question_id": "7", "model_a": "one-7b", "model_b": "other-7b", "winner": "model_b",
        "conversation_a": conversation("a"), "conversation_b": conversation("b"), "language": "English",
    });
    let (mapping, rows) = guessed(&[row]);
    assert_eq!(mapping.answer_a.as_deref(), Some("conversation_a"));
    assert_eq!(rows, [pair(vec![user("q")], vec![assistant("b")], vec![assistant("a")])]);
}

#[test]
fn one_of_several_numbered_answers_of_objects() {
    let (mapping, rows) = guessed(&[
        json!({"info": {"id": "t3", "post": "a long post"}, "summaries": [{"text": "short one"}, {"text": "shorter"}], "choice": 1}),
        json!({"info": {"id": "t4", "post": "other post"}, "summaries": [{"text": "short two"}, {"text": "shortest"}], "choice": 0}),
    ]);
    assert_eq!(mapping.prompt.as_deref(), Some("info.post"));
    assert_eq!(rows[0], pair("a long post", "shorter", "short one"));
    assert_eq!(rows[1], pair("other post", "short two", "shortest"));
}

#[test]
fn shp_s_labels_are_turned_round() {
    let row = |labels: u8| json!({"history": "h", "human_ref_A": "ref a", "human_ref_B": "ref b", "labels": labels, "score_A": 5});
    let (_, rows) = guessed(&[row(1), row(0)]);
    assert_eq!(rows, [pair("h", "ref a", "ref b"), pair("h", "ref b", "ref a")]);
}

#[test]
fn candidates_and_prompts() {
    let (mapping, rows) = guessed(&[json!({"prompt": "p", "response_1": "an answer", "response_2": "another"})]);
    assert_eq!(mapping.kind, ImportKind::Candidates);
    assert_eq!((rows[0].first(), rows[0].second()), (Some(&"an answer".into()), Some(&"another".into())));
    let (mapping, rows) = guessed(&[
        json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "source": "x"}),
    ]);
    assert_eq!(mapping.kind, ImportKind::Prompts);
    assert_eq!(rows[0].prompt(), &Content::from(vec![user("q")]), "what the assistant said is left out");
    let (_, rows) = guessed(&[json!("only a prompt"), json!("and another")]);
    assert_eq!(rows[1].prompt(), &"and another".into());
}

#[test]
fn a_system_column_makes_a_conversation() {
    let (mapping, rows) = guessed(&[json!({"system": "Be brief.", "question": "q?", "chosen": "c", "rejected": "r"})]);
    assert_eq!(mapping.system.as_deref(), Some("system"));
    let prompt = vec![Message::new("system", "Be brief."), user("q?")];
    assert_eq!(rows, [pair(prompt, vec![assistant("c")], vec![assistant("r")])]);
}

#[test]
fn nothing_is_dropped_without_being_counted() {
    let table = table(&[
        json!({"prompt": "p", "chosen": "c", "rejected": "r", "extra": 1}),
        json!({"prompt": "p", "chosen": "c"}),
        json!({"prompt": " ", "chosen": "c", "rejected": "r"}),
        json!({"prompt": "p", "chosen": ["c"], "rejected": "r"}),
        json!({"prompt": "p", "chosen": [{"role": "assistant", "content": 5}], "rejected": "r"}),
        json!(17),
    ]);
    let named = |name: &str| Some(name.to_owned());
    let mapping = ColumnMapping {
        prompt: named("prompt"),
        chosen: named("chosen"),
        rejected: named("rejected"),
        ..ColumnMapping::new(ImportKind::Pairs)
    };
    let mapped = apply(&table, &mapping);
    assert_eq!(mapped.rows.len(), 1);
    let lines: Vec<usize> = mapped.refused.iter().map(|refused| refused.place.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert_eq!(mapped.refused[0].reason, "`rejected` is empty");
    assert!(mapped.refused[3].reason.contains("expected text or a list of parts"), "{}", mapped.refused[3].reason);
    assert_eq!(mapped.ignored_keys.get("extra"), Some(&1));

    let incomplete = ColumnMapping::new(ImportKind::Pairs);
    assert!(incomplete.incomplete(&table).is_some());
    let mapped = apply(&table, &incomplete);
    assert_eq!((mapped.rows.len(), mapped.refused.len()), (0, 6));
    let wrong = ColumnMapping { prompt: Some("gone".to_owned()), ..ColumnMapping::new(ImportKind::Prompts) };
    assert!(wrong.incomplete(&table).is_some_and(|reason| reason.contains("`gone`")));
}

#[test]
fn two_equal_answers_are_nothing_to_label_and_order_makes_no_other_item() {
    let table = table(&[
        json!({"prompt": "p", "response_a": "same", "response_b": "same"}),
        json!({"prompt": "p", "response_a": "one", "response_b": "two"}),
        json!({"prompt": "p", "response_a": "two", "response_b": "one"}),
    ]);
    let mapped = apply(&table, &guess(&table));
    assert_eq!(mapped.refused.len(), 1);
    assert_eq!(mapped.rows[0].content.content_hash(), mapped.rows[1].content.content_hash());
}

#[test]
fn openai_s_parts_are_kept_as_they_are() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let answer = |text: &str| json!([{"role": "assistant", "content": [part(text)]}]);
    let (_, rows) = guessed(&[json!({
        "prompt": [{"role": "user", "content": "q"}], "chosen": answer("c"), "rejected": answer("r"),
    })]);
    let kept =
        |text: &str| vec![Message { content: Some(crate::MessageContent::Parts(vec![part(text)])), ..assistant("") }];
    assert_eq!(rows, [pair(vec![user("q")], kept("c"), kept("r"))]);
}
