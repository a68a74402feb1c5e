//! Prompts with an answer to be imitated.

use super::*;

/// The guess as demonstrations, with choices.
fn mapped_as(table: &Table, choices: &[(&str, &str)]) -> ColumnMapping {
    let mut mapping = guess(table);
    mapping.set("kind", "demonstrations").expect("it is a kind");
    for (key, value) in choices {
        mapping.set(key, value).expect("the choice is known");
    }
    mapping.kind = ImportKind::Demonstrations;
    guess_answer(table, &mut mapping);
    mapping
}

fn demonstrations(rows: &[Value], choices: &[(&str, &str)]) -> (ColumnMapping, Vec<(Content, Content)>, Mapped) {
    let table = table(rows);
    let mapping = mapped_as(&table, choices);
    assert_eq!(mapping.incomplete(&table), None, "{mapping:?}");
    let mapped = apply(&table, &mapping);
    let two = |row: &MappedRow| {
        let MappedContent::Single(single) = &row.content else { panic!("{row:?} is no single answer") };
        assert_eq!(single.label, None);
        (single.prompt.clone(), single.answer.clone())
    };
    let found = mapped.rows.iter().map(two).collect();
    (mapping, found, mapped)
}

fn texts(prompt: &str, answer: &str) -> (Content, Content) {
    (prompt.into(), answer.into())
}

/// TRL's prompt-completion form, Alpaca's, and Dolly's.
#[test]
fn a_prompt_with_its_answer_in_the_forms_of_instruction_sets() {
    let (mapping, found, _) = demonstrations(&[json!({"prompt": "p", "completion": "c"})], &[]);
    assert_eq!((mapping.prompt.as_deref(), mapping.answers.as_deref()), (Some("prompt"), Some("completion")));
    assert_eq!(found, [texts("p", "c")]);
    let (mapping, found, _) = demonstrations(&[json!({"instruction": "Add.", "input": "2 3", "output": "5"})], &[]);
    assert_eq!((mapping.context.as_deref(), mapping.answers.as_deref()), (Some("input"), Some("output")));
    assert_eq!(found, [texts("Add.\n\n2 3", "5")]);
    let dolly = json!({"instruction": "Who?", "context": "", "response": "Ada", "category": "open_qa"});
    let (_, found, mapped) = demonstrations(&[dolly], &[]);
    assert_eq!(found, [texts("Who?", "Ada")]);
    assert_eq!(mapped.rows[0].content.category(), Some("open_qa"));
}

/// `HuggingFaceH4/ultrachat_200k`, `ShareGPT`, and messages with tools: what the assistant says last is the answer.
#[test]
fn the_last_answer_of_a_conversation_is_imitated() {
    let messages = json!([
        {"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"},
    ]);
    let conversation = (vec![user("q1"), assistant("a1"), user("q2")].into(), vec![assistant("a2")].into());
    let (mapping, found, _) = demonstrations(&[json!({"messages": messages, "prompt_id": "x1"})], &[]);
    assert_eq!((mapping.prompt.as_deref(), mapping.answers.as_deref()), (None, Some("messages")));
    assert_eq!(found, [conversation]);
    let (_, found, _) = demonstrations(&[json!({"prompt": "q1", "messages": messages})], &[("answers", "messages")]);
    assert_eq!(found[0].1, vec![assistant("a2")].into());
    let turns = json!([{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]);
    let (_, found, _) = demonstrations(&[json!({"conversations": turns, "system": "Be brief."})], &[]);
    assert_eq!(found, [(vec![Message::new("system", "Be brief."), user("q")].into(), vec![assistant("a")].into())]);
    let call = json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"},
    ]);
    let (_, found, _) = demonstrations(&[json!({"messages": call})], &[]);
    assert_eq!((found[0].0.as_messages().map(<[Message]>::len), &found[0].1), (Some(3), &vec![assistant("a")].into()));
}

/// One imitates what was chosen.
#[test]
fn the_chosen_answers_of_pairs_can_be_imitated() {
    let (mapping, found, _) = demonstrations(&[json!({"prompt": "p", "chosen": "c", "rejected": "r"})], &[]);
    assert_eq!((mapping.answers.as_deref(), mapping.chosen.as_deref()), (Some("chosen"), None));
    assert_eq!(found, [texts("p", "c")]);
}

#[test]
fn what_is_no_demonstration_is_refused_by_its_line() {
    let rows = [
        json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}),
        json!({"messages": [{"role": "user", "content": "q"}]}),
        json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": " "}]}),
        json!({"messages": []}),
        json!({"messages": 3}),
    ];
    let (_, found, mapped) = demonstrations(&rows, &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(mapped.refused.iter().map(|it| it.place.line).collect::<Vec<_>>(), [2, 3, 4, 5], "{:?}", mapped.refused);
    let (_, found, mapped) = demonstrations(
        &[
            json!({"prompt": "p", "completion": "c"}),
            json!({"prompt": "p", "completion": ""}),
            json!({"completion": "c"}),
        ],
        &[],
    );
    assert_eq!((found.len(), mapped.refused.len()), (1, 2), "{:?}", mapped.refused);
}

#[test]
fn what_is_missing_is_asked_for() {
    let lacks = |rows: &[Value], choices: &[(&str, &str)]| {
        let table = table(rows);
        let mapping = mapped_as(&table, choices);
        mapping.incomplete(&table).expect("something is missing")
    };
    assert!(lacks(&[json!({"prompt": "p", "x": 3})], &[]).contains("the answer to be imitated"));
    let bare = [json!({"a": "one", "b": "two"})];
    assert!(lacks(&bare, &[("prompt", "none"), ("answers", "a")]).contains("the column that holds the prompt"));
    let several = [json!({"prompt": "p", "completions": [{"response": "a"}, {"response": "b"}]})];
    assert!(lacks(&several, &[("answers", "completions.*.response")]).contains("holds several answers"));
}

/// KTO's labels say which answers are bad: all of them would be imitated.
#[test]
fn what_judges_the_answers_is_named() {
    let rows = [
        json!({"prompt": "p", "completion": "good", "label": true}),
        json!({"prompt": "q", "completion": "bad", "label": false}),
    ];
    let (mapping, found, _) = demonstrations(&rows, &[]);
    assert_eq!(found.len(), 2);
    let said = notices(&table(&rows), &mapping).join(" ");
    assert!(said.contains("whatever judges it: `label` (2 rows)"), "{said}");
    // Taken as prompts, the answers are named, and how they would come in.
    let plain = [json!({"instruction": "p", "output": "a"})];
    let said = notices(&table(&plain), &guess(&table(&plain))).join(" ");
    assert!(said.contains("`kind=demonstrations`"), "{said}");
}
