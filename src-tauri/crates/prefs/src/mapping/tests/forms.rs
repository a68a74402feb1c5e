//! Conversations, prompts and answers in the forms that files have them in.

use super::*;

fn refused(rows: &[Value]) -> Vec<String> {
    let table = table(rows);
    apply(&table, &guess(&table)).refused.into_iter().map(|refused| refused.reason).collect()
}

/// What one row becomes by the guess, and what is said of it.
fn one(row: Value) -> (MappedContent, Vec<String>) {
    let table = table(&[row]);
    let mapping = guess(&table);
    let mapped = apply(&table, &mapping);
    assert_eq!(mapped.refused, [], "{mapping:?}");
    let mut said: Vec<String> = mapped.notes.into_keys().collect();
    said.extend(notices(&table, &mapping));
    (mapped.rows.into_iter().next().expect("a row").content, said)
}

fn turns(texts: &[&str]) -> Vec<Message> {
    texts.iter().enumerate().map(|(at, text)| if at % 2 == 0 { user(text) } else { assistant(text) }).collect()
}

#[test]
fn turns_that_both_answers_begin_with_belong_to_the_prompt() {
    let conversation = |answer: &str| json!(turns(&["q", "a", "and then?", answer]));
    let expected = pair(turns(&["q", "a", "and then?"]), vec![assistant("good")], vec![assistant("bad")]);
    for prompt in [json!("q"), json!([{"role": "user", "content": "q"}]), json!("and then?"), Value::Null] {
        let row = json!({"prompt": prompt, "chosen": conversation("good"), "rejected": conversation("bad")});
        assert_eq!(one(row).0, expected, "{prompt}");
    }
    // Two answers that go on differently from their first turn have only the question in common.
    let row = json!({"prompt": "q", "chosen": turns(&["q", "a", "and then?", "x"]), "rejected": turns(&["q", "b", "and then?", "x"])});
    let expected = pair(
        turns(&["q"]),
        turns(&["q", "a", "and then?", "x"])[1..].to_vec(),
        turns(&["q", "b", "and then?", "x"])[1..].to_vec(),
    );
    assert_eq!(one(row).0, expected);
    let row = json!({"prompt": "another", "chosen": conversation("good"), "rejected": conversation("bad")});
    assert!(refused(&[row])[0].contains("another question than the prompt"));
}

#[test]
fn a_prompt_that_both_texts_repeat_is_taken_off_and_said() {
    let row = |number: usize, one: &str, other: &str| {
        let prompt = format!("Which planet is number {number}? ");
        json!({"prompt": prompt, "chosen": format!("{prompt}{one}"), "rejected": format!("{prompt}{other}")})
    };
    let (taken, said) = one(row(1, "Venus.", "Mars."));
    assert_eq!(taken, pair("Which planet is number 1? ", "Venus.", "Mars."));
    assert_eq!(said, ["the answers repeated the prompt, which was taken off"]);
    // One alone: which is it?
    let mut rows = vec![row(1, "Venus.", "Mars."), row(2, "Venus.", "Mars.")];
    rows[1]["rejected"] = json!("Mars.");
    let asked = table(&rows);
    let mut mapping = guess(&asked);
    let mapped = apply(&asked, &mapping);
    assert_eq!((mapped.rows.len(), mapped.refused[0].place.line), (1, 2));
    assert!(mapped.refused[0].reason.contains("`repeated_prompt=keep`"), "{}", mapped.refused[0].reason);
    let question =
        questions(&asked, &mapping).into_iter().find(|question| question.key == "repeated_prompt").expect("asked");
    assert!(!question.is_open());
    assert_eq!(
        question.question,
        "In 1 rows both answers begin with the prompt, in 1 more only one does. Does it belong to the answers?"
    );
    mapping.set("repeated_prompt", "keep").expect("a choice");
    let kept = apply(&asked, &mapping);
    assert_eq!(kept.rows.len(), 2);
    assert_eq!(kept.rows[0].content.first(), Some(&"Which planet is number 1? Venus.".into()));
    // A short prompt begins an answer by chance.
    let (taken, _) = one(json!({"prompt": "I", "chosen": "I think so.", "rejected": "I do not."}));
    assert_eq!(taken, pair("I", "I think so.", "I do not."));
    let (taken, _) = one(json!({"prompt": "Hello", "chosen": "Hello! How can I help?", "rejected": "Hi."}));
    assert_eq!(taken.first(), Some(&"Hello! How can I help?".into()));
}

#[test]
fn a_short_prompt_that_both_texts_repeat_stays_is_said_and_can_be_taken_off() {
    let asked = table(&[
        json!({"prompt": "Name it: ", "chosen": "Name it: a wren.", "rejected": "Name it: a stone."}),
        json!({"prompt": "Where is the sea?", "chosen": "There.", "rejected": "Here."}),
    ]);
    let mut mapping = guess(&asked);
    let question = |mapping: &ColumnMapping| {
        questions(&asked, mapping).into_iter().find(|question| question.key == "repeated_prompt").expect("asked")
    };
    assert_eq!(question(&mapping).preset.as_deref(), Some("keep"));
    let mapped = apply(&asked, &mapping);
    let note = mapped.notes.keys().next().expect("it is said");
    assert!(note.starts_with("the answers begin with the short prompt, which stays there"), "{note}");
    assert_eq!(mapped.rows[0].content, pair("Name it: ", "Name it: a wren.", "Name it: a stone."));
    mapping.set("repeated_prompt", "take_off").expect("a choice");
    assert_eq!(apply(&asked, &mapping).rows[0].content, pair("Name it: ", "a wren.", "a stone."));
    mapping.set("repeated_prompt", "keep").expect("a choice");
    assert!(apply(&asked, &mapping).notes.is_empty());
}

#[test]
fn text_that_stands_as_it_is_has_no_place_for_a_system_message() {
    let asked = table(&[json!({"system": "Be kind.", "prompt": "Why?", "chosen": "So.", "rejected": "No."})]);
    let mut mapping = guess(&asked);
    assert_eq!(apply(&asked, &mapping).rows.len(), 1);
    mapping.set("plain_text", "as_is").expect("a choice");
    let reason = &apply(&asked, &mapping).refused[0].reason;
    assert!(reason.contains("`plain_text=as_is`") && reason.contains("`system=none`"), "{reason}");
    mapping.set("system", "none").expect("a column");
    assert_eq!(apply(&asked, &mapping).rows[0].content, pair("Why?", "So.", "No."));
}

#[test]
fn columns_that_change_what_a_model_reads_are_not_left_out_unasked() {
    let row = json!({
        "prompt": "What is on it?", "chosen": "A wren.", "rejected": "A stone.", "images": ["wren.png"],
        "history": "Earlier.", "made_by": "me",
    });
    let asked = table(&[row.clone(), row]);
    let mut mapping = guess(&asked);
    let reason = mapping.incomplete(&asked).expect("it is asked");
    assert!(
        reason.contains("`images` (2 rows), `history` (2 rows)") && reason.contains("`left_out=accept`"),
        "{reason}"
    );
    assert!(!reason.contains("made_by"), "{reason}");
    mapping.set("left_out", "accept").expect("a choice");
    assert_eq!(mapping.incomplete(&asked), None);
    assert_eq!(apply(&asked, &mapping).rows[0].content, pair("What is on it?", "A wren.", "A stone."));
    // What stands deeper in a row, a list of bare texts and a switch are columns like these; flags and NaN are none.
    let not_kept = |more: Value| {
        let mut row = json!({"prompt": "What is on it?", "chosen": "A wren.", "rejected": "A stone."});
        row.as_object_mut().expect("a row").extend(more.as_object().expect("fields").clone());
        let asked = table(&[row.clone(), row]);
        guess(&asked).incomplete(&asked)
    };
    for (more, named) in [
        (json!({"meta": {"images": ["a.png"]}}), "`meta.images` (2 rows)"),
        (json!({"history": ["hi", "hello"]}), "`history` (2 rows)"),
        (json!({"thinking": false}), "`thinking` (2 rows)"),
    ] {
        assert!(not_kept(more).expect("it is asked").contains(named), "{named}");
    }
    for more in [json!({"history": true, "image": false}), json!({"images": [], "audio": null})] {
        assert_eq!(not_kept(more.clone()), None, "{more}");
    }
    // Turns under another name are taken.
    let row = json!({"prompt": "And then?", "chosen": "a", "rejected": "b", "chat_history": [["q", "a"]]});
    assert_eq!(one(row).0.prompt().as_messages().map(<[Message]>::len), Some(3));
    // Of prompts alone it is told.
    let prompts = table(&[json!({"prompt": "What is on it?", "images": ["wren.png"]})]);
    let said = notices(&prompts, &guess(&prompts));
    assert_eq!(said, ["What a model reads depends on columns that are left out: `images` (1 rows)."]);
}

#[test]
fn two_texts_do_not_say_where_their_prompt_ends() {
    let rows = [
        json!({"chosen": "The duck.", "rejected": "The dog."}),
        json!({"chosen": "Say x: one", "rejected": "Say x: two"}),
    ];
    let asked = table(&rows);
    let mut mapping = guess(&asked);
    assert_eq!((mapping.kind, mapping.prompt.as_deref()), (ImportKind::Pairs, None));
    assert!(mapping.incomplete(&asked).is_some_and(|reason| reason.contains("`prompt_from=shared_beginning`")));
    mapping.set("prompt_from", "shared_beginning").expect("a choice");
    let mapped = apply(&asked, &mapping);
    assert_eq!(mapped.rows[0].content, pair("Say x:", " one", " two"));
    assert!(mapped.refused[0].reason.contains("inside a word"), "{}", mapped.refused[0].reason);
    // Of two answers side by side it never says so.
    let asked = table(&[json!({"response_a": "The cat.", "response_b": "The dog."})]);
    let mapping = ColumnMapping { prompt: None, ..guess(&asked) };
    assert_eq!(mapping.incomplete(&asked).as_deref(), Some("Choose the column that holds the prompt."));
}

#[test]
fn transcripts_without_a_last_answer_are_refused_for_that() {
    let row = |answer: &str| format!("\n\nHuman: Name a river.\n\nAssistant:{answer}");
    let reasons = refused(&[
        json!({"chosen": row(" Rhine."), "rejected": row(" Elbe.")}),
        json!({"chosen": row(" Rhine."), "rejected": row(" ")}),
        json!({"chosen": row(" Rhine.\n\nHuman: More?"), "rejected": row(" Elbe.")}),
    ]);
    assert_eq!(
        reasons,
        [
            "the last answer in `rejected` is empty",
            "the transcript in `chosen` ends with what the human says; the answer is missing"
        ]
    );
}

#[test]
fn conversations_as_text_are_read_and_said() {
    let said = |answer: &str| {
        format!(r#"[{{"role": "user", "content": "q"}}, {{"role": "assistant", "content": "It's {answer}"}}]"#)
    };
    let python = |answer: &str| {
        format!(r#"[{{'role': 'user', 'content': 'q'}}, {{'role': 'assistant', 'content': "It's {answer}"}}]"#)
    };
    let numpy = |answer: &str| {
        format!("[{{'content': 'q', 'role': 'user'}}\n {{'content': \"It's {answer}\", 'role': 'assistant'}}]")
    };
    let twice = |answer: &str| json!(said(answer)).to_string();
    let lists = |answer: &str| json!({"role": ["user", "assistant"], "content": ["q", format!("It's {answer}")]});
    let expected = pair(turns(&["q"]), vec![assistant("It's good")], vec![assistant("It's bad")]);
    for (one_way, other) in [
        (json!(said("good")), json!(said("bad"))),
        (json!(python("good")), json!(python("bad"))),
        (json!(numpy("good")), json!(numpy("bad"))),
        (json!(twice("good")), json!(twice("bad"))),
        (lists("good"), lists("bad")),
    ] {
        for prompt in [json!("q"), Value::Null] {
            let (taken, notices) = one(json!({"prompt": prompt, "chosen": one_way, "rejected": other}));
            assert_eq!(taken, expected, "{one_way}");
            let as_text = one_way.is_string();
            assert_eq!(notices.iter().any(|notice| notice.contains("conversations as text")), as_text);
        }
    }
    // What is broken is no text to train on.
    let reasons =
        refused(&[json!({"prompt": "q", "chosen": "[{'role': 'user', 'content': 'q'} ... ", "rejected": "bad"})]);
    assert!(reasons[0].contains("`chosen` holds a conversation as text"), "{reasons:?}");
    // Code in an answer is text.
    let (taken, _) =
        one(json!({"prompt": "Roles as JSON?", "chosen": r#"{"role": "admin"}"#, "rejected": r#"["role"]"#}));
    assert_eq!(taken.first(), Some(&r#"{"role": "admin"}"#.into()));
}

#[test]
fn messages_with_their_tools_inside_a_text() {
    let row = |answer: &str| {
        let said = json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}], "tools": [{"name": "weather"}]});
        said.to_string()
    };
    let (taken, _) = one(json!({"chosen": row("good"), "rejected": row("bad")}));
    let Content::Messages(asked) = taken.prompt() else { panic!("a conversation") };
    assert_eq!((asked.messages.clone(), asked.tools.len()), (vec![user("q")], 1));
}

#[test]
fn sharegpt_s_roles_are_known_or_refused() {
    let (taken, _) = one(json!({
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": "{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}"},
            {"from": "observation", "value": "12 degrees"},
        ],
        "chosen": {"from": "gpt", "value": "c"}, "rejected": {"from": "gpt", "value": "r"},
    }));
    let Content::Messages(asked) = taken.prompt() else { panic!("a conversation") };
    let roles: Vec<&str> = asked.messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
    let call = json!([{"type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}]);
    assert_eq!(asked.messages[1].fields.get("tool_calls"), Some(&call));
    let reasons = refused(&[
        json!({"prompt": "q", "chosen": [{"from": "gpt", "value": "c"}, {"from": "human", "value": "r"}], "rejected": [{"from": "gpt", "value": "c"}]}),
    ]);
    assert!(reasons[0].contains("`chosen` ends with what the user says"), "{reasons:?}");
    let reasons = refused(&[json!({
        "conversations": [{"from": "narrator", "value": "Once"}],
        "chosen": {"from": "gpt", "value": "c"}, "rejected": {"from": "gpt", "value": "r"},
    })]);
    assert!(reasons[0].contains("`narrator`"), "{reasons:?}");
}

#[test]
fn llama_factory_s_history_comes_before_the_question() {
    let (taken, _) = one(json!({
        "instruction": "Ask?", "input": "Context.", "chosen": "good", "rejected": "bad", "system": "Be kind.",
        "history": [["Old?", "Old."]],
    }));
    let mut prompt = vec![Message::new("system", "Be kind.")];
    prompt.extend(turns(&["Old?", "Old.", "Ask?\n\nContext."]));
    assert_eq!(taken, pair(prompt, vec![assistant("good")], vec![assistant("bad")]));
    let reasons = refused(&[
        json!({"instruction": "Ask?", "chosen": "good", "rejected": "bad", "history": [["Old?", "Old."]]}),
        json!({"instruction": "Ask?", "chosen": "good", "rejected": "bad", "history": [["Old?"]]}),
    ]);
    assert!(reasons[0].contains("`history`"), "{reasons:?}");
}

#[test]
fn lists_of_turns_as_the_arena_keeps_them() {
    let row =
        |asked: &str, a: &str, b: &str| json!({"prompt": asked, "response_a": a, "response_b": b, "winner": "model_a"});
    let (_, rows) = guessed(&[
        row("[\"Ask?\"]", "[\"one\"]", "[\"two\"]"),
        row("[\"Ask?\", \"More?\"]", "[\"same\", \"one\"]", "[\"same\", \"two\"]"),
    ]);
    assert_eq!(rows[0], pair("Ask?", "one", "two"));
    assert_eq!(rows[1], pair(turns(&["Ask?", "same", "More?"]), vec![assistant("one")], vec![assistant("two")]));
    let reasons = refused(&[
        row("[\"Ask?\", \"More?\"]", "[\"x\", \"one\"]", "[\"y\", \"two\"]"),
        row("[\"Ask?\"]", "[null]", "[\"two\"]"),
    ]);
    assert!(reasons[0].contains("differ in turn 1 of 2"), "{reasons:?}");
    assert!(reasons[1].contains("a turn of the list is empty"), "{reasons:?}");
    // One row that is none does not make texts of the others.
    let odd = [
        row("[\"Ask?\"]", "[\"one\"]", "[\"two\"]"),
        row("[\"Ask again?\"]", "[\"three\"]", "[\"four\"]"),
        row("Ask?", "one", "two"),
    ];
    let mixed = table(&odd);
    let mapped = apply(&mixed, &guess(&mixed));
    assert_eq!(mapped.rows[1].content, pair("Ask again?", "three", "four"));
    assert_eq!(mapped.refused[0].place.line, 3);
    assert!(mapped.refused[0].reason.contains("`prompt`: expected a list of texts"), "{:?}", mapped.refused);
    // Answers alone may be lists because lists were asked for.
    let (taken, _) = one(row("Three colours as JSON?", "[\"red\"]", "[\"blue\"]"));
    assert_eq!(taken.first(), Some(&"[\"red\"]".into()));
}

#[test]
fn plain_text_becomes_a_user_s_message_where_that_is_chosen() {
    let asked = table(&[json!({"prompt": "Who wrote Hamlet?", "chosen": "Shakespeare.", "rejected": "Bacon."})]);
    let mut mapping = guess(&asked);
    let question = &questions(&asked, &mapping)[0];
    assert_eq!(
        (question.key.as_str(), question.preset.as_deref(), question.is_open()),
        ("plain_text", Some("as_is"), false)
    );
    assert_eq!(apply(&asked, &mapping).rows[0].content, pair("Who wrote Hamlet?", "Shakespeare.", "Bacon."));
    mapping.set("plain_text", "as_user_message").expect("a choice");
    let spoken = pair(turns(&["Who wrote Hamlet?"]), vec![assistant("Shakespeare.")], vec![assistant("Bacon.")]);
    assert_eq!(apply(&asked, &mapping).rows[0].content, spoken);
    assert_eq!(questions(&asked, &mapping)[0].answer.as_deref(), Some("as_user_message"), "it can be changed");
    let prompts = table(&[json!({"prompt": "Who?"})]);
    let mapping = ColumnMapping { plain_text: Some(PlainText::AsUserMessage), ..guess(&prompts) };
    assert_eq!(apply(&prompts, &mapping).rows[0].content.prompt(), &turns(&["Who?"]).into());
    // Messages and transcripts are no plain text.
    for row in [
        json!({"prompt": turns(&["q"]), "chosen": "c", "rejected": "r"}),
        json!({"chosen": "\n\nHuman: q\n\nAssistant: c", "rejected": "\n\nHuman: q\n\nAssistant: r"}),
    ] {
        let table = table(&[row]);
        assert_eq!(questions(&table, &guess(&table)), []);
    }
}

#[test]
fn what_comes_in_without_its_labels_is_said() {
    for (row, left_out) in [
        (json!({"prompt": "p?", "completion": "an answer", "label": 3}), ["`completion` (1 rows)", "`label` (1 rows)"]),
        (
            json!({"text": "an answer of a tree", "role": "assistant", "rank": 0, "parent_id": "x", "prompt": "p"}),
            ["message of a tree", "`rank` (1 rows)"],
        ),
        (
            json!({"prompt": "p?", "response": "an answer", "helpfulness": 3}),
            ["`response` (1 rows)", "`helpfulness` (1 rows)"],
        ),
    ] {
        let (taken, said) = one(row);
        assert!(matches!(taken, MappedContent::Prompt(_)));
        for name in left_out {
            assert!(said.iter().any(|notice| notice.contains(name)), "{name}: {said:?}");
        }
    }
    // Of four answers without ratings two come in.
    let answer = |text: &str| json!({"response": text, "model": "m"});
    let completions: Vec<Value> = ["aaa", "bbb", "ccc", "ddd"].map(answer).to_vec();
    let (taken, said) = one(json!({"instruction": "i?", "completions": completions}));
    assert!(matches!(taken, MappedContent::Candidates(_)));
    let name = "`completions.2.response` (1 rows), `completions.3.response`";
    assert!(said.iter().any(|notice| notice.contains(name)), "{name}: {said:?}");
    let (_, said) = one(json!({"messages": turns(&["q", "a"])}));
    assert_eq!(said, ["what the assistant said last was left out of the prompt"]);
}

#[test]
fn openai_s_and_argilla_s_and_ms_swift_s_own_forms() {
    let (taken, _) = one(json!({
        "input": {"messages": [{"role": "user", "content": "q"}], "tools": [], "parallel_tool_calls": true},
        "preferred_output": [{"role": "assistant", "content": "c"}],
        "non_preferred_output": [{"role": "assistant", "content": "r"}],
    }));
    let expected = pair(turns(&["q"]), vec![assistant("c")], vec![assistant("r")]);
    assert_eq!(taken, expected);
    let (taken, _) = one(json!({"messages": turns(&["q", "c"]), "rejected_response": "r"}));
    assert_eq!(taken, expected);
    let (taken, _) = one(json!({
        "id": "0", "fields": {"instruction": "Name one.", "response_a": "The cat.", "response_b": "The dog."},
        "responses": {"preferred": [{"value": "response_b", "user_id": "u1"}]},
    }));
    assert_eq!(taken, pair("Name one.", "The dog.", "The cat."));
    let (taken, _) = one(json!({
        "id": 1, "data": {"prompt": "Name one.", "answer1": "The cat.", "answer2": "The dog."},
        "annotations": [{"result": [{"type": "pairwise", "value": {"selected": "left"}}]}],
    }));
    assert_eq!(taken, pair("Name one.", "The cat.", "The dog."));
}

#[test]
fn numbers_whose_digits_are_not_the_file_s_are_refused() {
    let (taken, _) = one(json!({"prompt": "2+2?", "chosen": 4, "rejected": 5}));
    assert_eq!(taken, pair("2+2?", "4", "5"));
    let text = concat!(
        "{\"prompt\": \"p\", \"chosen\": 1.50, \"rejected\": \"x\"}\n",
        "{\"prompt\": \"p\", \"chosen\": NaN, \"rejected\": \"x\"}\n",
    );
    let table = Table::from_bytes(text.as_bytes()).expect("bytes are always read");
    let reasons: Vec<String> =
        apply(&table, &guess(&table)).refused.into_iter().map(|refused| refused.reason).collect();
    assert!(reasons[0].contains("`chosen` holds the number 1.5"), "{reasons:?}");
    assert!(reasons[1].contains("NaN or Infinity"), "{reasons:?}");
}

#[test]
fn a_number_that_is_none_says_nothing_or_is_refused() {
    let row = |message: &str, beside: &str| {
        let rest = "\"chosen\": [{\"role\": \"assistant\", \"content\": \"good\"}], \
                    \"rejected\": [{\"role\": \"assistant\", \"content\": \"bad\"}]";
        format!("{{\"prompt\": [{{\"role\": \"user\", \"content\": \"p\"{message}}}], {rest}{beside}}}\n")
    };
    let text = [
        row(", \"name\": NaN", ", \"chat_template_kwargs\": NaN"),
        row(", \"scores\": [1, NaN]", ""),
        row("", ", \"chat_template_kwargs\": {\"temperature\": Infinity}"),
    ];
    let table = Table::from_bytes(text.concat().as_bytes()).expect("bytes are always read");
    let mapped = apply(&table, &guess(&table));
    let plain = pair(vec![user("p")], vec![assistant("good")], vec![assistant("bad")]);
    assert_eq!(mapped.rows.len(), 1, "{:?}", mapped.refused);
    assert_eq!(mapped.rows[0].content, plain);
    let reasons: Vec<(usize, &str)> =
        mapped.refused.iter().map(|refused| (refused.place.line, refused.reason.as_str())).collect();
    let expected = [
        (2, "message 1 of `prompt` holds NaN or Infinity, which is no number in JSON"),
        (3, "`chat_template_kwargs` holds NaN or Infinity, which is no number in JSON"),
    ];
    assert_eq!(reasons, expected);
    // What this program wrote is read by the other reader, and alike.
    let read = crate::jsonl::read_pairs_from(text.concat().as_bytes()).expect("bytes are always read");
    assert_eq!(read.pairs.len(), 1);
    assert_eq!(MappedContent::Pair(read.pairs[0].pair.clone()), plain);
    assert_eq!(read.refused.len(), 2);
}

/// A text file of prompts has no header, and loses its first line to one.
#[test]
fn the_first_line_of_a_file_with_one_column_is_named() {
    let table = Table::from_bytes(b"What is a star?\nWhat is a moon?\nWhy?\n").expect("bytes are always read");
    let said = notices(&table, &guess(&table)).join(" ");
    assert!(said.contains("not as a row: `What is a star?`"), "{said}");
}

/// What a file says of a row beside its answers is not passed over: a tie is no label, and what is held out is not trained on.
#[test]
fn rows_that_are_marked_are_counted() {
    let row = |n: usize, status: &str, held_out: bool| json!({"input": format!("p{n}"), "chosen": "c", "rejected": "r", "status": status, "held_out": held_out});
    let rows: Vec<Value> = (0..10).map(|n| row(n, if n < 3 { "tie" } else { "swapped" }, n > 7)).collect();
    let marked = table(&rows);
    let said = notices(&marked, &guess(&marked)).join(" ");
    assert!(said.contains("3 rows are marked as a tie (`status`)"), "{said}");
    assert!(said.contains("2 rows are marked as held out (`held_out`)"), "{said}");
    let rows: Vec<Value> = (0..10).map(|n| row(n, "unchanged", false)).collect();
    let plain = table(&rows);
    assert!(!notices(&plain, &guess(&plain)).join(" ").contains("marked"));
}

/// Lists of other lengths than the questions say nothing of which answer is to which question.
#[test]
fn lists_of_turns_of_other_lengths_are_refused() {
    let row = |prompt: &[&str], one: &[&str], other: &[&str]| json!({"prompt": json!(prompt).to_string(), "response_a": json!(one).to_string(), "response_b": json!(other).to_string(), "winner": "a"});
    let good = row(&["x"], &["s"], &["v"]);
    let rows = [
        good.clone(),
        good.clone(),
        good.clone(),
        good,
        row(&["x"], &["s", "t"], &["v"]),
        row(&["x", "y"], &["s", "t"], &["s"]),
        row(&["x", "y"], &["s"], &["v"]),
    ];
    let table = table(&rows);
    let mapped = apply(&table, &guess(&table));
    assert_eq!((mapped.rows.len(), mapped.refused.len()), (4, 3), "{:?}", mapped.refused);
    assert!(
        mapped.refused[0].reason.contains("`response_a` holds 2 turns, and `prompt` 1 turn"),
        "{:?}",
        mapped.refused
    );
}

/// Capybara and others have the question twice, in one of them with a line break after it.
#[test]
fn a_prompt_that_differs_in_blanks_from_the_answers_is_the_same() {
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    let row = |prompt: &str, asked: &str| json!({"prompt": prompt, "chosen": [said("user", asked), said("assistant", "c")], "rejected": [said("user", asked), said("assistant", "r")]});
    let rows = [row("Why?", "Why?"), row("How?", "How?\n"), row("Who?", "Where?")];
    let table = table(&rows);
    let mapped = apply(&table, &guess(&table));
    let prompts: Vec<String> = mapped.rows.iter().map(|row| row.content.prompt().last_text().clone()).collect();
    assert_eq!(prompts, ["Why?", "How?\n"]);
    assert!(mapped.refused[0].reason.contains("another question than the prompt"), "{:?}", mapped.refused);
    assert!(
        mapped.notes.iter().any(|(what, count)| what.contains("differ in blanks") && *count == 1),
        "{:?}",
        mapped.notes
    );
}

#[test]
fn a_prompt_that_a_row_lacks_is_named() {
    let rows = [
        json!({"instruction": "q", "chosen": "c", "rejected": "r"}),
        json!({"instruction": null, "chosen": "c", "rejected": "r"}),
    ];
    let table = table(&rows);
    let mapped = apply(&table, &guess(&table));
    assert!(mapped.refused[0].reason.starts_with("`instruction` is empty, and"), "{:?}", mapped.refused);
}

/// Argilla calls a question as its maker does.
#[test]
fn labellers_are_heard_whatever_the_question_is_called() {
    let row = |n: usize, said: &[&str]| {
        let answers: Vec<Value> = said
            .iter()
            .enumerate()
            .map(|(by, said)| json!({"user_id": format!("u{by}"), "value": said, "status": "submitted"}))
            .collect();
        json!({"fields": {"prompt": format!("p{n}"), "response-1": "a", "response-2": "b"}, "responses": {"choose-best": answers, "why": []}})
    };
    for (one, other) in [("1", "2"), ("response-1", "response-2")] {
        let rows = [row(0, &[one]), row(1, &[other, other, one]), row(2, &[one, other])];
        let table = table(&rows);
        let mapped = apply(&table, &guess(&table));
        let chosen: Vec<Option<String>> = mapped
            .rows
            .iter()
            .map(|row| match &row.content {
                MappedContent::Pair(pair) => Some(pair.chosen.last_text().clone()),
                _ => None,
            })
            .collect();
        assert_eq!(chosen, [Some("a".to_owned()), Some("b".to_owned()), None], "{one}");
    }
}

#[test]
fn the_second_and_third_of_a_list_are_no_two_answers() {
    let rows: Vec<Value> =
        (0..4).map(|n| json!({"instruction": format!("p{n}"), "generations": ["one", "two", "three"]})).collect();
    let mapping = guess(&table(&rows));
    assert_ne!(mapping.answer_a.as_deref(), Some("generations.1"), "{mapping:?}");
}
