//! Reading and writing pairs: every form, every way a file can be broken.
#![allow(clippy::unwrap_used, missing_docs)]

use prefs::jsonl::{Reading, read_pairs, read_pairs_from, write_pairs};
use prefs::{Content, Error, Message, Pair};
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Reading {
    read_pairs_from(text.as_ref()).unwrap()
}

fn one(text: &str) -> Pair {
    let mut reading = read(text);
    assert_eq!(reading.refused, [], "{text}");
    assert_eq!(reading.pairs.len(), 1, "{text}");
    reading.pairs.remove(0).pair
}

fn reason(text: impl AsRef<[u8]>) -> String {
    let mut reading = read(text);
    assert_eq!((reading.pairs.len(), reading.refused.len()), (0, 1), "{:?}", reading.refused);
    assert_eq!(reading.refused[0].place.line, 1);
    reading.refused.remove(0).reason
}

fn text(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
}

fn messages(turns: &[(&str, &str)]) -> Content {
    turns.iter().map(|(role, content)| Message::new(*role, *content)).collect::<Vec<_>>().into()
}

fn spoken(prompt: &[(&str, &str)], chosen: &str, rejected: &str) -> Pair {
    let (chosen, rejected) = (messages(&[("assistant", chosen)]), messages(&[("assistant", rejected)]));
    Pair { prompt: messages(prompt), chosen, rejected, category: None }
}

/// As TRL 1.16's `extract_prompt` answers.
#[test]
fn an_implicit_prompt_of_text_is_the_common_beginning() {
    let cases = [
        ("Q: sky? A: blue", "Q: sky? A: green", ("Q: sky? A:", " blue", " green")),
        ("a b: X", "a b: Y", ("a b:", " X", " Y")),
        ("a:(", "a:(b", ("a:", "(", "(b")),
        ("a:!", "a:!", ("a:", "!", "!")),
        ("two  x", "two  y", ("two ", " x", " y")),
        ("größe ä", "größe ö", ("größe", " ä", " ö")),
    ];
    for (chosen, rejected, (prompt, a, b)) in cases {
        let row = serde_json::json!({"chosen": chosen, "rejected": rejected}).to_string();
        assert_eq!(one(&row), text(prompt, a, b), "{row}");
    }
    // TRL cuts inside of words, where no prompt ends.
    for (chosen, rejected) in [("abcX", "abcY"), ("ab", "abc"), ("abc", "abc")] {
        let row = serde_json::json!({"chosen": chosen, "rejected": rejected}).to_string();
        assert!(reason(&row).contains("ends inside a word"), "{row}");
    }
    assert!(reason(r#"{"chosen": "yes", "rejected": "no"}"#).contains("share no beginning"));
    assert!(reason(r#"{"chosen": "", "rejected": "no"}"#).contains("share no beginning"));
    assert!(reason(r#"{"chosen": " a", "rejected": " b"}"#).contains("share no beginning"));
}

#[test]
fn an_implicit_prompt_of_messages_is_the_common_turns() {
    let row = r#"{"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#;
    let row = row.replace('\n', " ");
    assert_eq!(one(&row), spoken(&[("user", "q")], "a", "b"));
    // The same twice: the last turn stays the answer, and a check reports it.
    assert_eq!(one(&row.replace("\"b\"", "\"a\"")), spoken(&[("user", "q")], "a", "a"));
    assert!(reason(row.replacen("\"q\"", "\"other\"", 1)).contains("share no first message"));
    assert!(reason(r#"{"chosen": "a", "rejected": [{"role": "assistant", "content": "b"}]}"#).contains("one is text"));
}

#[test]
fn explicit_prompts_in_every_form() {
    assert_eq!(one(r#"{"prompt": "p", "chosen": "a", "rejected": ""}"#), text("p", "a", ""));
    let expected = spoken(&[("system", "s"), ("user", "q")], "a", "b");
    let prompt = r#"[{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]"#;
    let assistant = |text: &str| format!(r#"[{{"role": "assistant", "content": "{text}"}}]"#);
    let (a, b) = (assistant("a"), assistant("b"));
    assert_eq!(one(&format!(r#"{{"prompt": {prompt}, "chosen": {a}, "rejected": {b}}}"#)), expected);
    assert_eq!(one(&format!(r#"{{"prompt": {prompt}, "chosen": "a", "rejected": {b}}}"#)), expected);
    // As in the binarized UltraFeedback sets: the answers repeat the question.
    let whole =
        |text: &str| format!(r#"[{{"role": "user", "content": "q"}}, {{"role": "assistant", "content": "{text}"}}]"#);
    let row = format!(r#"{{"prompt": "q", "chosen": {}, "rejected": {}}}"#, whole("a"), whole("b"));
    assert_eq!(one(&row), spoken(&[("user", "q")], "a", "b"));
    assert!(reason(row.replacen("\"q\"", "\"other\"", 1)).contains("begins with a `user` message"));
    assert_eq!(
        one(&format!(r#"{{"prompt": "q", "chosen": {a}, "rejected": {b}}}"#)),
        spoken(&[("user", "q")], "a", "b")
    );
}

#[test]
fn every_refusal_says_what_was_expected_and_found() {
    let deep = format!("{{\"prompt\": {}1{}, \"chosen\": \"a\"}}", "[".repeat(500), "]".repeat(500));
    let cases = [
        ("[1, 2", "expected an object with `chosen` and `rejected`, found a number"),
        ("17", "expected an object with `chosen` and `rejected`, found a number"),
        (
            r#"{"prompt": "p", "answer": "a"}"#,
            "`chosen` is missing: expected `chosen` and `rejected`, found `prompt`, `answer`",
        ),
        (r#"{"chosen": "a"}"#, "`rejected` is missing: expected `chosen` and `rejected`, found no other key"),
        (
            r#"{"prompt": "p", "chosen": 3, "rejected": "b"}"#,
            "`chosen`: expected text or a list of messages, found a number",
        ),
        (
            r#"{"prompt": "p", "chosen": "a", "rejected": null}"#,
            "`rejected`: expected text or a list of messages, found null",
        ),
        (
            r#"{"prompt": {}, "chosen": "a", "rejected": "b"}"#,
            "`prompt`: expected text or a list of messages, found an object",
        ),
        (r#"{"prompt": [], "chosen": "a", "rejected": "b"}"#, "`prompt`: the list of messages is empty"),
        (r#"{"prompt": "", "chosen": "a", "rejected": "b"}"#, "`prompt` is empty"),
        (
            r#"{"prompt": ["p"], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt`: expected `role` and `content`, found text",
        ),
        (r#"{"prompt": [{"content": "p"}], "chosen": "a", "rejected": "b"}"#, "message 1 of `prompt` has no `role`"),
        (
            r#"{"prompt": [{"role": "", "content": "p"}], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt` has an empty `role`",
        ),
        (
            r#"{"prompt": [{"role": "user"}], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt` has no `content` and calls no tool",
        ),
        (
            r#"{"prompt": [{"role": "user", "content": null}], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt` has no `content` and calls no tool",
        ),
        (
            r#"{"prompt": [{"role": "user", "content": 3}], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt`: expected `content` to be text or a list of parts, found a number",
        ),
        (
            r#"{"prompt": "p", "chosen": "a", "rejected": "b", "tools": [{"name": "t"}]}"#,
            "`tools` and `chat_template_kwargs` are for the chat template, which plain text does not pass through; give \
             `prompt` as messages",
        ),
        (
            r#"{"prompt": [{"role": "user", "content": "p"}], "chosen": "a", "rejected": "b", "tools": "[}"}"#,
            "`tools` is a text that is no JSON; give it as JSON or leave it out",
        ),
        (
            r#"{"prompt": [{"role": "user", "content": "p"}], "chosen": "a", "rejected": "b", "chat_template_kwargs": {"tokenize": 0}}"#,
            "`chat_template_kwargs` sets `tokenize`, which is decided here; leave it out",
        ),
        (
            r#"{"prompt": [{"from": "human", "value": "p"}], "chosen": "a", "rejected": "b"}"#,
            "message 1 of `prompt`: expected `role` and `content`, found `from` and `value` (ShareGPT's form)",
        ),
        (
            r#"{"prompt": "p", "chosen": "a", "rejected": "b", "category": []}"#,
            "`category`: expected text, found a list",
        ),
        (
            r#"{"question": "q", "chosen": "I am", "rejected": "I was"}"#,
            "there is no `prompt`, but `question`: rename it to `prompt`",
        ),
        (r#"{"chosen": "a", "chosen": "b"}"#, "the key `chosen` comes twice"),
        (r#"{"prompt": "p", "chosen": "a", "rej"#, "the line breaks off before its JSON ends (after column 35)"),
        (r#"{"prompt": "p" "chosen": "a"}"#, "not valid JSON: expected `,` or `}` at column 16"),
        (r#"{"prompt": "\ud83d", "chosen": "a"}"#, "not valid JSON: unexpected end of hex escape at column 19"),
        (
            "{\"prompt\": \"p\0\"}",
            "the line holds NUL bytes; the file is damaged or in another encoding (expected UTF-8)",
        ),
        (deep.as_str(), "the JSON is nested too deeply (more than 127 levels)"),
    ];
    for (line, expected) in cases {
        let mut reading = read(line);
        assert!(reading.pairs.is_empty(), "{line}");
        assert_eq!(reading.refused.remove(0).reason, expected, "{line}");
    }
    assert!(reason(b"{\"prompt\": \"\xff\"}").starts_with("byte 13 is not UTF-8"));
}

#[test]
fn lines_keep_their_numbers_whatever_the_file_looks_like() {
    let good = r#"{"prompt": "p", "chosen": "a", "rejected": "b", "score": 0.5, "category": "x"}"#;
    let mut file = b"\xEF\xBB\xBF".to_vec();
    file.extend(format!("{good}\r\n\r\n  \t\n{good}\nbroken\n\n{good}").bytes());
    let reading = read(&file);
    assert_eq!(reading.pairs.iter().map(|numbered| numbered.place.line).collect::<Vec<_>>(), [1, 4, 7]);
    assert_eq!(reading.refused.iter().map(|refused| refused.place.line).collect::<Vec<_>>(), [5]);
    assert_eq!(reading.blank, 3);
    assert_eq!(reading.pairs[0].pair, Pair { category: Some("x".to_owned()), ..text("p", "a", "b") });
    let empty = read(br#"{"prompt": "p", "chosen": "a", "rejected": "b", "category": ""}"#);
    assert_eq!(empty.pairs[0].pair, text("p", "a", "b"));
    assert_eq!(reading.ignored_keys.into_iter().collect::<Vec<_>>(), [("score".to_owned(), 3)]);
    assert_eq!(read(""), Reading::default());
}

#[test]
fn messages_keep_all_that_they_say_and_different_ones_stay_different() {
    let row = |city: &str| {
        let call = serde_json::json!([{ "type": "function", "function": { "name": "weather", "arguments": { "city": city } } }]);
        serde_json::json!({
            "prompt": [{ "role": "user", "content": [{ "type": "text", "text": "Rain?" }], "name": "Eve" }],
            "chosen": [{ "role": "assistant", "content": null, "tool_calls": call, "reasoning_content": "Hm." }],
            "rejected": [{ "role": "assistant", "tool_calls": call }],
            "tools": [{ "type": "function", "function": { "name": "weather" } }],
            "chat_template_kwargs": { "enable_thinking": false },
        })
    };
    let (oslo, rome) = (one(&row("Oslo").to_string()), one(&row("Rome").to_string()));
    assert_ne!(oslo.content_hash(), rome.content_hash());
    assert_eq!(serde_json::to_value(&oslo).unwrap(), row("Oslo"));
    let mut in_text = row("Oslo");
    in_text["tools"] = in_text["tools"].to_string().into();
    assert_eq!(one(&in_text.to_string()), oslo, "tools may be JSON in a text, as TRL reads them");
    assert_eq!(read(row("Oslo").to_string()).ignored_keys.len(), 0);

    let mut without = row("Oslo");
    without.as_object_mut().unwrap().shift_remove("tools");
    assert_ne!(one(&without.to_string()).content_hash(), oslo.content_hash());
}

#[test]
fn long_lines_are_read_and_endless_ones_refused() {
    let long = "x".repeat(1 << 20);
    let pair = one(&format!(r#"{{"prompt": "p", "chosen": "{long}", "rejected": "b"}}"#));
    assert_eq!(pair.chosen.chars(), 1 << 20);
    let mut endless = vec![b'x'; (64 << 20) + 10];
    endless.extend(b"\n{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n");
    let reading = read(endless);
    assert_eq!((reading.refused[0].place.line, reading.pairs[0].place.line), (1, 2));
    assert!(reading.refused[0].reason.starts_with("the line is longer than 64 MiB"));
}

#[test]
fn a_json_array_is_read_with_the_lines_its_rows_begin_on() {
    let good = r#"{"prompt": "p", "chosen": "a", "rejected": "b"}"#;
    let reading = read(format!("\n[\n  {good},\n  {{\n  \"prompt\": \"p\"\n  }},\n  {good}, {good}\n]\n\n"));
    assert_eq!(reading.pairs.iter().map(|numbered| numbered.place.line).collect::<Vec<_>>(), [3, 7, 7]);
    assert_eq!(reading.refused[0].place.line, 4);
    assert_eq!(reading.blank, 1);
    // A file that breaks off, in three ways: what came before is kept, the place is named.
    let cut = read(format!("[\n{good},\n{{\"prompt\": \"p"));
    assert_eq!((cut.pairs.len(), cut.refused.len(), cut.refused[0].place.line), (1, 1, 3));
    assert!(cut.refused[0].reason.ends_with("the rest of the file cannot be read"), "{:?}", cut.refused);
    let mut broken = format!("[\n{good},\n{{\"prompt\": \"").into_bytes();
    broken.extend(b"\xff\"}]");
    let broken = read(broken);
    assert_eq!((broken.pairs.len(), broken.refused.len(), broken.refused[0].place.line), (1, 1, 3));
    let trailing = read(format!("[{good}]\n{good}"));
    assert_eq!((trailing.pairs.len(), trailing.refused.len(), trailing.refused[0].place.line), (1, 1, 2));
    assert_eq!(read("[]"), Reading::default());
}

#[test]
fn whole_files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    let missing = read_pairs(&path).unwrap_err().to_string();
    assert!(missing.starts_with("cannot open ") && missing.contains("pairs.jsonl"), "{missing}");
    std::fs::write(&path, b"\xFF\xFE{\0}\0").unwrap();
    assert!(matches!(read_pairs(&path), Err(Error::Encoding { encoding: "UTF-16 (little endian)", .. })));
}

#[test]
fn writing_replaces_the_file_or_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    write_pairs(&path, &[text("p", "a", "b")]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mixed = Pair { chosen: messages(&[("assistant", "a")]), ..text("p", "", "b") };
    assert!(matches!(write_pairs(&path, &[text("q", "a", "b"), mixed]), Err(Error::InvalidPair { index: 1, .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    write_pairs::<Pair>(&path, &[]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    assert!(matches!(write_pairs::<Pair>(&folder.path().join("no/such/folder"), &[]), Err(Error::Io { .. })));
}

fn any_pair() -> impl Strategy<Value = Pair> {
    let said = || prop_oneof![Just(String::new()), any::<String>(), "[\\PC\r\n\t\0 \u{2028}]{0,12}"];
    let turns = move || {
        let role = prop_oneof!["user|assistant|system|tool", ".{1,3}"];
        prop::collection::vec(
            (role, said(), said()).prop_map(|(role, content, thought)| {
                let mut message = Message::new(role, content);
                message.fields.insert("reasoning_content".to_owned(), thought.into());
                message
            }),
            1..4,
        )
        .prop_map(Content::from)
    };
    let as_text = ("(?s).{1,20}", said(), said())
        .prop_map(|(prompt, chosen, rejected)| (Content::Text(prompt), Content::Text(chosen), Content::Text(rejected)));
    // An empty one is none, as files with a column for it say that.
    let category = prop::option::of(any::<String>().prop_filter("empty", |category| !category.is_empty()));
    (prop_oneof![as_text, (turns(), turns(), turns())], category)
        .prop_map(|((prompt, chosen, rejected), category)| Pair { prompt, chosen, rejected, category })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(pairs in prop::collection::vec(any_pair(), 0..6)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        write_pairs(&path, &pairs).unwrap();
        let reading = read_pairs(&path).unwrap();
        prop_assert_eq!(&reading.refused, &[]);
        prop_assert!(reading.ignored_keys.is_empty());
        prop_assert_eq!(reading.into_pairs(), pairs);
    }

    #[test]
    fn random_bytes_are_counted_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let reading = read(&bytes);
        let lines = bytes.split(|&byte| byte == b'\n').count() - usize::from(bytes.is_empty() || bytes.ends_with(b"\n"));
        let first = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes).trim_ascii().first().copied();
        if first != Some(b'[') {
            prop_assert_eq!(reading.pairs.len() + reading.refused.len() + reading.blank, lines);
        }
    }

    #[test]
    fn white_space_alone_is_counted_by_lines(text in "[ \t\r\n]{0,8}") {
        let lines = text.split('\n').count() - usize::from(text.is_empty() || text.ends_with('\n'));
        prop_assert_eq!(read(text.as_bytes()).blank, lines);
    }

    /// Good files with a few bytes changed are nearer to what goes wrong than noise is.
    #[test]
    fn damaged_files_never_panic_and_lose_only_the_damaged_lines(
        pairs in prop::collection::vec(any_pair(), 1..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        array: bool,
    ) {
        let rows: Vec<String> = pairs.iter().map(|pair| serde_json::to_string(pair).unwrap()).collect();
        let file = if array { format!("[{}]", rows.join(",\n")) } else { rows.join("\n") };
        let mut bytes = file.into_bytes();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let reading = read(&bytes);
        if !array && bytes[0] == b'{' {
            prop_assert!(reading.pairs.len() + 2 * damage.len() >= pairs.len());
        }
    }
}
