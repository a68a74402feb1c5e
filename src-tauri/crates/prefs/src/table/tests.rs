use serde_json::json;

use super::*;

fn table(text: &str) -> Table {
    Table::from_bytes(text.as_bytes()).expect("bytes are always read")
}

#[test]
fn the_kind_of_file_is_found_by_its_content() {
    let kinds = [
        ("{\"prompt\": \"p\"}\n", Format::JsonLines),
        ("\n  {\"prompt\": \"p\"}\n", Format::JsonLines),
        ("\"just a prompt\"\n\"another, one\"\n", Format::JsonLines),
        ("[{\"prompt\": \"p\"}]", Format::JsonArray),
        ("\"prompt\",\"chosen\"\n\"p\",\"c\"\n", Format::Csv),
        ("prompt;chosen\np;c\n", Format::Csv),
        ("prompt\np\n", Format::Csv),
        ("prompt\tchosen, or so\tx\np\tc\ty\n", Format::Tsv),
        ("\u{FEFF}prompt,chosen\np,c\n", Format::Csv),
    ];
    for (text, format) in kinds {
        let table = table(text);
        assert_eq!(table.format, format, "{text}");
        assert!(!table.rows.is_empty() && table.refused.is_empty(), "{text}");
        assert!(table.columns[0].starts_with("prompt"), "{text} {:?}", table.columns);
    }
    assert_eq!(table("").rows, []);
}

#[test]
fn csv_keeps_quotes_lines_and_places() {
    let text = "prompt,chosen,rejected\r\n\"two\nlines, one cell\",\"say \"\"yes\"\"\",no\r\n\r\np,c\r\np,c,r,extra\r\n,,\r\np2,,r2,\r\n";
    let table = table(text);
    assert_eq!(table.columns, ["prompt", "chosen", "rejected"]);
    let lines: Vec<usize> = table.rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 8]);
    assert_eq!(table.rows[0].get("prompt"), Some(&json!("two\nlines, one cell")));
    assert_eq!(table.rows[0].get("chosen"), Some(&json!("say \"yes\"")));
    assert_eq!(table.rows[1].get("chosen"), None, "an empty cell holds nothing");
    let refused: Vec<usize> = table.refused.iter().map(|refused| refused.line).collect();
    assert_eq!(refused, [5, 6]);
    assert!(table.refused[0].reason.contains("expected 3 fields"), "{}", table.refused[0].reason);
    assert_eq!(table.blank, 2);
}

#[test]
fn a_quotation_mark_that_is_never_closed_is_said() {
    let table = table("prompt,chosen\na,b\nc,\"d\ne,f\ng,h\n");
    assert_eq!(table.rows.len(), 1);
    assert_eq!(table.refused[0].line, 3);
    assert!(table.refused[0].reason.contains("never closed"), "{}", table.refused[0].reason);
}

#[test]
fn headers_without_names_and_names_that_come_twice() {
    let table = table("a,,a,b\n1,2,3,4\n");
    assert_eq!(table.columns, ["a", "column 2", "a (2)", "b"]);
    assert_eq!(table.rows[0].get("a (2)"), Some(&json!("3")));
}

#[test]
fn what_is_not_utf8_is_refused_by_line() {
    let table = Table::from_bytes(b"prompt,chosen\nna\xEFve,b\nc,d\n").expect("bytes are always read");
    assert_eq!((table.rows.len(), table.refused[0].line), (1, 2));
    assert!(table.refused[0].reason.contains("`prompt` is not UTF-8"), "{}", table.refused[0].reason);
}

#[test]
fn objects_are_opened_and_messages_are_not() {
    let row = json!({
        "id": 1,
        "info": {"post": "p", "nothing": null},
        "summaries": [{"text": "a"}, {"text": "b"}],
        "chosen": {"from": "gpt", "value": "c"},
        "messages": [{"role": "user", "content": "q"}],
        "turns": ["one", "two"],
        "dotted.name": "d",
        "deep": {"a": {"b": {"c": {"d": 1}}}},
    });
    let table = table(&row.to_string());
    let expected = [
        "id",
        "info.post",
        "info.nothing",
        "summaries.0.text",
        "summaries.1.text",
        "chosen",
        "messages",
        "turns.0",
        "turns.1",
        "dotted.name",
        "deep.a.b.c",
    ];
    assert_eq!(table.columns, expected);
    let get = |name: &str| table.rows[0].get(name).cloned();
    assert_eq!(get("summaries.1.text"), Some(json!("b")));
    assert_eq!(get("turns.1"), Some(json!("two")));
    assert_eq!(get("dotted.name"), Some(json!("d")));
    assert_eq!(get("info.nothing"), None);
    assert_eq!(get("info.post.more"), None);
    assert_eq!(get("summaries.9.text"), None);
    let columns = table.describe();
    assert_eq!((columns[1].name.as_str(), columns[1].filled, columns[1].sample.as_str()), ("info.post", 1.0, "p"));
    assert!(columns[2].filled.abs() < 1e-12);
}

#[test]
fn conversations_in_a_cell_are_read_and_other_json_is_text() {
    let cell = "[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"q\"\"}]";
    let table = table(&format!("prompt,chosen\n\"{cell}\",\"[1, 2]\"\n"));
    assert_eq!(table.rows[0].get("prompt"), Some(&json!([{"role": "user", "content": "q"}])));
    assert_eq!(table.rows[0].get("chosen"), Some(&json!("[1, 2]")));
}

#[test]
fn files_that_are_no_text_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.jsonl");
    for (bytes, what) in [
        (b"PAR1....".to_vec(), "a Parquet file"),
        (b"\x1F\x8B....".to_vec(), "compressed by gzip"),
        (b"\xFF\xFEp\0".to_vec(), "UTF-16"),
    ] {
        std::fs::write(&path, bytes).expect("written");
        let error = Table::read(&path).expect_err("no text").to_string();
        assert!(error.contains(what), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_counted_and_never_panic(bytes: Vec<u8>) {
        let _ = Table::from_bytes(&bytes);
    }

    /// What a careful writer puts into CSV comes out again, on the line it began on.
    #[test]
    fn what_is_written_as_csv_is_read(cells in proptest::collection::vec(("[a-z\",;\n\t ]{1,8}", "[a-z\",\n ]{1,8}"), 1..8)) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = "prompt,chosen\n".to_owned();
        let mut lines = Vec::new();
        for (prompt, chosen) in &cells {
            lines.push(text.matches('\n').count() + 1);
            text += &[quoted(prompt), ",".to_owned(), quoted(chosen), "\n".to_owned()].concat();
        }
        let table = table(&text);
        let found: Vec<(usize, String, String)> = table.rows.iter().map(|row| {
            let get = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (row.line, get("prompt"), get("chosen"))
        }).collect();
        let expected: Vec<(usize, String, String)> =
            lines.into_iter().zip(cells).map(|(line, (prompt, chosen))| (line, prompt, chosen)).collect();
        proptest::prop_assert_eq!(found, expected);
    }
}
