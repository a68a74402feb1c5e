//! Rows that are not as the others, and what they make of a file.

use super::*;

/// A good row by its number, and bad ones.
type Form<'a> = (fn(usize) -> Value, &'a [Value]);

/// Six rows, of which the last is bad in its own way: the others are pairs all the same.
#[test]
fn one_bad_row_in_six_does_not_turn_the_guess() {
    let forms: [Form; 5] = [
        (
            |n| json!({"prompt": format!("p{n}"), "chosen": format!("c{n}"), "rejected": format!("r{n}")}),
            &[
                json!({"prompt": "p", "chosen": 7, "rejected": 3}),
                json!({"prompt": "p", "chosen": null}),
                json!({}),
                json!({"prompt": "p", "chosen": ["c", "d"], "rejected": ["r", "s"]}),
            ],
        ),
        (
            |n| json!({"question": format!("question {n}"), "better": format!("c{n}"), "worse": format!("r{n}")}),
            &[
                json!({"question": 1, "better": 7, "worse": 3}),
                json!({"question": "p", "better": {"x": 1}, "worse": ["r"]}),
            ],
        ),
        (
            |n| json!({"prompt": format!("p{n}"), "response_a": format!("a{n}"), "response_b": format!("b{n}"), "winner": "a"}),
            &[
                json!({"prompt": "p", "response_a": 1, "response_b": 2, "winner": "a"}),
                json!({"prompt": "p", "response_a": "x", "response_b": "y", "winner": "neither of these"}),
            ],
        ),
        (
            |n| json!({"prompt": format!("p{}", n / 2), "completion": format!("a{n}"), "label": n % 2 == 0}),
            &[
                json!({"prompt": "p0", "completion": "c", "label": "maybe"}),
                json!({"prompt": "p", "completion": 5, "label": true}),
            ],
        ),
        (
            |n| json!({"messages": [{"role": "user", "content": format!("q{n}")}, {"role": "assistant", "content": "a"}], "rejected_response": "r"}),
            &[json!({"messages": "broken", "rejected_response": 3})],
        ),
    ];
    for (good, bad) in forms {
        for bad in bad {
            for at in [0, 5] {
                let mut rows: Vec<Value> = (0..5).map(good).collect();
                let expected = guess(&table(&rows));
                rows.insert(at, bad.clone());
                let found = guess(&table(&rows));
                assert_eq!((found.kind, ImportKind::Pairs), (expected.kind, expected.kind), "{bad}");
                let columns = |mapping: &ColumnMapping| mapping.chosen_columns().collect::<Vec<_>>();
                assert_eq!(columns(&found), columns(&expected), "{bad} at {at}");
            }
        }
    }
}

#[test]
fn a_text_that_is_read_as_a_conversation_is_told_of() {
    let said = "a text that begins with `Human:` and holds `Assistant:`";
    let asked = "Human: What is a transcript?\n\nAssistant: What is said.\n\nHuman: And then?\n\nAssistant:";
    let pairs = [
        json!({"prompt": "Why?", "chosen": "c", "rejected": "r"}),
        json!({"prompt": asked, "chosen": "c", "rejected": "r"}),
    ];
    let prompts = [json!({"prompt": "Why?"}), json!({"prompt": asked})];
    for rows in [&pairs, &prompts] {
        let table = table(rows);
        let mut mapping = guess(&table);
        mapping.plain_text = Some(PlainText::AsIs);
        let mapped = apply(&table, &mapping);
        assert_eq!((mapped.rows.len(), mapped.refused.len()), (2, 0));
        let noted: Vec<(&String, &usize)> = mapped.notes.iter().filter(|(note, _)| note.contains(said)).collect();
        assert!(matches!(noted.as_slice(), [(_, 1)]), "{:?}", mapped.notes);
    }
}

/// Rows whose system message is empty are conversations as those that have one.
#[test]
fn an_empty_system_message_makes_no_row_a_plain_text() {
    let row = |system: &str| json!({"system": system, "question": "q?", "chosen": "c", "rejected": "r"});
    let table = table(&[row(""), row("Be brief."), row("")]);
    let mapped = apply(&table, &guess(&table));
    assert_eq!(mapped.refused, []);
    let turns: Vec<usize> = mapped
        .rows
        .iter()
        .map(|row| match &row.content {
            MappedContent::Pair(pair) => pair.prompt.as_messages().map_or(0, <[Message]>::len),
            _ => 0,
        })
        .collect();
    assert_eq!(turns, [1, 2, 1]);
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n";
    let folder = tempfile::tempdir().unwrap();
    for name in ["data.jsonl", "data.json", "data.csv", "data.parquet", "data.txt"] {
        let path = folder.path().join(name);
        std::fs::write(&path, pointer).unwrap();
        let error = Table::read(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("Git LFS"), "{name}: {error}");
    }
}
