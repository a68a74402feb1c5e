//! Published data sets, row by row in the form in which they lie on the hub.

use super::*;

/// What a row becomes without anything being said: its prompt, and the two answers, the better first.
fn taken(rows: &[Value]) -> Vec<(Content, Content, Content)> {
    let (_, rows) = guessed(rows);
    let parts = |content: MappedContent| match content {
        MappedContent::Pair(pair) => (pair.prompt, pair.chosen, pair.rejected),
        other => panic!("{other:?} is no pair"),
    };
    rows.into_iter().map(parts).collect()
}

fn open_question(rows: &[Value]) -> Option<(String, Vec<String>)> {
    let table = table(rows);
    let open = questions(&table, &guess(&table)).into_iter().find(Question::is_open)?;
    Some((open.key, open.options.into_iter().map(|option| option.value).collect()))
}

fn said(text: &str) -> Content {
    vec![assistant(text)].into()
}

/// `Skywork/Skywork-Reward-Preference-80K-v0.2`: two conversations and no column for the prompt.
#[test]
fn skywork_reward_preference() {
    let turns = |answer: &str| json!([{"content": "q", "role": "user"}, {"content": answer, "role": "assistant"}]);
    let rows = [json!({"chosen": turns("good"), "rejected": turns("bad"), "source": "magpie_pro"})];
    assert_eq!(taken(&rows), [(vec![user("q")].into(), said("good"), said("bad"))]);
}

/// `allenai/llama-3.1-tulu-3-8b-preference-mixture`: the prompt as text and once more in the conversations.
#[test]
fn tulu_3_preference_mixture() {
    let turns = |answer: &str| json!([{"content": "q", "role": "user"}, {"content": answer, "role": "assistant"}]);
    let rows = [json!({
        "id": "1", "source": "ultrafeedback", "prompt": "q", "chosen": turns("good"), "rejected": turns("bad"),
        "chosen_model": "m", "rejected_model": "n", "images": [],
    })];
    assert_eq!(taken(&rows), [(vec![user("q")].into(), said("good"), said("bad"))]);
}

/// `argilla/distilabel-capybara-dpo-7k-binarized`: several turns, the last of which differs.
#[test]
fn distilabel_capybara() {
    let turns = |answer: &str| {
        json!([
            {"content": "q", "role": "user"}, {"content": "a", "role": "assistant"},
            {"content": "r", "role": "user"}, {"content": answer, "role": "assistant"},
        ])
    };
    let rows = [json!({
        "source": "s", "conversation": [{"input": "q", "output": "a"}, {"input": "r", "output": "good"}],
        "original_response": "good", "generation_prompt": ["x"], "raw_generation_responses": ["y"],
        "chosen": turns("good"), "rejected": turns("bad"), "rating_chosen": 5, "rating_rejected": 4,
        "chosen_model": "", "rejected_model": "z",
    })];
    let prompt: Content = vec![user("q"), assistant("a"), user("r")].into();
    assert_eq!(taken(&rows), [(prompt, said("good"), said("bad"))]);
}

/// `openbmb/UltraInteract_pair`: a conversation as the prompt, texts as answers.
#[test]
fn ultra_interact_pair() {
    let rows = [json!({
        "task": "Coding", "dataset": "d",
        "trajectory": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}, {"from": "user", "value": "r"}],
        "chosen": "good code", "rejected": "bad code", "id": "0", "parent_id": "1",
    })];
    let prompt: Content = vec![user("q"), assistant("a"), user("r")].into();
    assert_eq!(taken(&rows), [(prompt, said("good code"), said("bad code"))]);
}

/// `PKU-Alignment/PKU-SafeRLHF`: which is better and which is safer are two questions.
#[test]
fn pku_safe_rlhf_asks_which_preference() {
    let row = |better: i64, safer: i64| {
        json!({
            "prompt": "p", "response_0": "answer nought", "response_1": "answer one", "is_response_0_safe": true,
            "is_response_1_safe": false, "better_response_id": better, "safer_response_id": safer,
        })
    };
    let rows = [row(1, 0), row(0, 0), row(1, 0)];
    let (key, options) = open_question(&rows).expect("it is asked");
    assert_eq!((key.as_str(), options.len()), ("preference", 2), "{options:?}");
    let table = table(&rows);
    let mut mapping = guess(&table);
    mapping.set("preference", "better_response_id").expect("it is a column");
    let mapped = apply(&table, &mapping);
    assert_eq!(mapped.rows[0].content, pair("p", "answer one", "answer nought"));
    assert_eq!(mapped.rows[1].content, pair("p", "answer nought", "answer one"));
}

/// `lmarena-ai/arena-human-preference-140k`: conversations whose messages are lists of parts, and a winner by name.
#[test]
fn arena_human_preference_140k() {
    let turns = |answer: &str| {
        let part = |text: &str| json!([{"type": "text", "text": text, "image": null, "mimeType": null}]);
        json!([{"role": "user", "content": part("q")}, {"role": "assistant", "content": part(answer)}])
    };
    let row = |winner: &str| {
        json!({
            "id": "1", "model_a": "m", "model_b": "n", "winner": winner, "evaluation_session_id": "s",
            "conversation_a": turns("one"), "conversation_b": turns("two"), "language": "en", "is_code": false,
        })
    };
    let table = table(&[row("model_a"), row("model_b"), row("tie"), row("both_bad")]);
    let mapping = guess(&table);
    assert_eq!(mapping.incomplete(&table), None);
    let mapped = apply(&table, &mapping);
    assert_eq!(mapped.refused, []);
    let first: Vec<String> =
        mapped.rows.iter().map(|row| row.content.first().map(Content::last_text).unwrap_or_default()).collect();
    assert_eq!(first[..2], ["one", "two"]);
    let are_ties = mapped.rows[2..].iter().all(|row| matches!(row.content, MappedContent::Candidates(_)));
    assert!(are_ties && mapped.rows.len() == 4);
}

/// `openai/summarize_from_feedback`, comparisons: the post lies inside of an object, the choice counts from nought.
#[test]
fn summarize_from_feedback() {
    let row = |choice: i64| {
        json!({
            "info": {"id": "t3", "post": "A long post about nothing.", "title": "t", "subreddit": "r", "site": null},
            "summaries": [{"text": "short one", "policy": "sup1", "note": null}, {"text": "short two", "policy": "ref", "note": "n"}],
            "choice": choice, "worker": "w", "batch": "b", "split": "train", "extra": {"confidence": 5},
        })
    };
    let rows = taken(&[row(1), row(0)]);
    assert_eq!(rows[0], ("A long post about nothing.".into(), "short two".into(), "short one".into()));
    assert_eq!(rows[1].1, "short one".into());
}

/// `nvidia/HelpSteer3`, preference: a conversation as context, and a signed strength.
#[test]
fn helpsteer_3_preference() {
    let row = |strength: i64| {
        json!({
            "domain": "code", "language": "python", "context": [{"role": "user", "content": "q"}],
            "response1": "one", "response2": "two", "overall_preference": strength, "individual_preference": [],
        })
    };
    let rows = taken(&[row(-2), row(3), row(1)]);
    assert_eq!(rows[0], (vec![user("q")].into(), said("one"), said("two")));
    assert_eq!((&rows[1].1, &rows[2].1), (&said("two"), &said("two")));
}

/// A row of `OpenAI`'s files for preference fine-tuning, which Azure, Together and Fireworks take as well. Of Mistral no such
/// form is published: its own fine-tuning is supervised.
fn openai(messages: &Value, better: &Value, worse: &Value) -> Value {
    let input = json!({"messages": messages, "tools": [], "parallel_tool_calls": true});
    json!({"input": input, "preferred_output": better, "non_preferred_output": worse})
}

fn by(role: &str, text: &str) -> Value {
    json!([{"role": role, "content": text}])
}

#[test]
fn openai_preference_fine_tuning() {
    let (good, bad) = (by("assistant", "good"), by("assistant", "bad"));
    let rows = [openai(&by("user", "q"), &good, &bad)];
    assert_eq!(taken(&rows), [(vec![user("q")].into(), said("good"), said("bad"))]);
    // With a system message, a call of a tool and its result.
    let parameters = json!({"type": "object", "properties": {}});
    let weather = json!({"type": "function", "function": {"name": "weather", "parameters": parameters}});
    let asked = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rain?"}]);
    let calls = json!([{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]);
    let better = json!([
        {"role": "assistant", "content": null, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "dry"},
        {"role": "assistant", "content": "No."},
    ]);
    let mut row = openai(&asked, &better, &by("assistant", "Maybe."));
    row["input"]["tools"] = json!([weather]);
    let (prompt, chosen, _) = taken(&[row]).remove(0);
    let Content::Messages(prompt) = prompt else { panic!("a conversation") };
    assert_eq!((prompt.messages.len(), prompt.tools), (2, vec![weather]));
    assert_eq!(chosen.as_messages().map(<[Message]>::len), Some(3));
}

#[test]
fn holes_in_openai_s_rows_are_refused_by_line() {
    let (good, bad) = (by("assistant", "good"), by("assistant", "bad"));
    let row = |messages: &Value, better: &Value| openai(messages, better, &bad);
    let mut rows: Vec<Value> = (0..20).map(|at| row(&by("user", &format!("q{at}")), &good)).collect();
    let mut without_tools = row(&by("user", "q"), &good);
    without_tools["input"]["tools"] = json!("none");
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]);
    rows.extend([
        json!({"input": {"messages": by("user", "q")}, "preferred_output": good}),
        row(&by("user", "q"), &json!([])),
        row(&json!([]), &good),
        json!({"preferred_output": good, "non_preferred_output": bad}),
        row(&by("user", "q"), &by("user", "good")),
        row(&by("user", "q"), &json!([{"role": "assistant"}])),
        row(&by("user", "q"), &json!([{"content": "good"}])),
        // A text is what the assistant says.
        row(&by("user", "q"), &json!("good")),
        without_tools,
        row(&image, &good),
    ]);
    let table = table(&rows);
    let mapping = guess(&table);
    assert_eq!(mapping.incomplete(&table), None);
    let mapped = apply(&table, &mapping);
    assert_eq!((mapped.rows.len(), mapped.rows[20].place.line), (21, 28));
    let expected = [
        (21, "`non_preferred_output`"),
        (22, "`preferred_output`"),
        (23, "`input.messages`"),
        (24, "prompt"),
        (25, "begins with another question"),
        (26, "says nothing"),
        (27, "does not say who speaks"),
        (29, "`tools`"),
        (30, "`image_url`"),
    ];
    assert_eq!(mapped.refused.len(), expected.len(), "{:?}", mapped.refused);
    for (refused, (line, words)) in mapped.refused.iter().zip(expected) {
        assert!(refused.place.line == line && refused.reason.contains(words), "{line}: {refused:?}");
    }
}
