use serde_json::json;

use super::*;

mod columns;
mod files;

fn table(text: &str) -> Table {
    let table = Table::from_bytes(text.as_bytes()).expect("bytes are always read");
    files::is_the_same_from_a_file(&table, text.as_bytes());
    table
}

#[test]
fn the_kind_of_file_is_found_by_its_content() {
    let kinds = [
        ("{\"prompt\": \"p\"}\n", Format::JsonLines),
        ("\n  {\"prompt\": \"p\"}\n", Format::JsonLines),
        ("\"just a prompt\"\n\"another, one\"\n", Format::JsonLines),
        ("[{\"prompt\": \"p\"}]", Format::JsonArray),
        ("{\n \"prompt\": \"p\"\n}\n{\n \"prompt\": \"q\"\n}\n", Format::JsonObjects),
        ("{\"prompt\": \"p\"}\r{\"prompt\": \"q\"}\r", Format::JsonObjects),
        ("{\n \"prompt\": \"p\"\n}\n", Format::JsonObject),
        ("{\"version\": 1, \"data\": [{\"prompt\": \"p\"}]}", Format::JsonObject),
        ("{\"prompt\": {\"0\": \"p\", \"1\": \"q\"}, \"chosen\": {\"0\": \"c\", \"1\": \"d\"}}", Format::JsonObject),
        ("\"prompt\",\"chosen\"\n\"p\",\"c\"\n", Format::Csv),
        ("prompt;chosen\np;c\n", Format::Csv),
        ("prompt\np\n", Format::Csv),
        ("prompt\tchosen, or so\tx\np\tc\ty\n", Format::Tsv),
        ("\u{FEFF}prompt,chosen\np,c\n", Format::Csv),
    ];
    for (text, format) in kinds {
        let table = table(text);
        assert_eq!(table.format, format, "{text}");
        assert!(!table.first_rows().is_empty() && table.refused.is_empty(), "{text}");
        assert!(table.columns[0].starts_with("prompt"), "{text} {:?}", table.columns);
    }
    assert!(table("").is_empty());
}

#[test]
fn csv_keeps_quotes_lines_and_places() {
    let text = "prompt,chosen,rejected\r\n\"two\nlines, one cell\",\"say \"\"yes\"\"\",no\r\n\r\np,c\r\np,c,r,extra\r\n,,\r\np2,,r2,\r\n";
    let table = table(text);
    assert_eq!(table.columns, ["prompt", "chosen", "rejected"]);
    let lines: Vec<usize> = table.first_rows().iter().map(|row| row.place.line).collect();
    assert_eq!(lines, [2, 8]);
    assert_eq!(table.first_rows()[0].get("prompt"), Some(&json!("two\nlines, one cell")));
    assert_eq!(table.first_rows()[0].get("chosen"), Some(&json!("say \"yes\"")));
    assert_eq!(table.first_rows()[1].get("chosen"), None, "an empty cell holds nothing");
    let refused: Vec<usize> = table.refused.iter().map(|refused| refused.place.line).collect();
    assert_eq!(refused, [5, 6]);
    assert!(table.refused[0].reason.contains("expected 3 fields"), "{}", table.refused[0].reason);
    assert_eq!(table.blank, 2);
}

#[test]
fn a_quotation_mark_that_is_never_closed_is_said() {
    let table = table("prompt,chosen\na,b\nc,\"d\ne,f\ng,h\n");
    assert_eq!(table.row_count, 1);
    assert_eq!(table.refused[0].place.line, 3);
    assert!(table.refused[0].reason.contains("never closed"), "{}", table.refused[0].reason);
}

#[test]
fn headers_without_names_and_names_that_come_twice() {
    let table = table("a,,a,b\n1,2,3,4\n");
    assert_eq!(table.columns, ["a", "column 2", "a (2)", "b"]);
    assert_eq!(table.first_rows()[0].get("a (2)"), Some(&json!("3")));
}

#[test]
fn what_is_not_utf8_is_refused_by_line() {
    let table = Table::from_bytes(b"prompt,chosen\nna\xEFve,b\nc,d\n").expect("bytes are always read");
    assert_eq!((table.row_count, table.refused[0].place.line), (1, 2));
    assert!(table.refused[0].reason.contains("`prompt` is not UTF-8"), "{}", table.refused[0].reason);
}

#[test]
fn a_first_line_for_excel_says_the_separator_and_is_no_header() {
    for (text, format) in [
        ("sep=;\r\nprompt;chosen\r\na, b;\"c;\n d\"\r\n", Format::Csv),
        ("\"sep=,\"\nprompt,chosen\n\"a, b\",\"c;\n d\"\n", Format::Csv),
        ("SEP=|\nprompt|chosen\na, b|\"c;\n d\"\n", Format::Csv),
        ("sep=\t\nprompt\tchosen\na, b\t\"c;\n d\"\n", Format::Tsv),
    ] {
        let table = table(text);
        assert_eq!(
            (table.format, table.columns.as_slice()),
            (format, ["prompt".to_owned(), "chosen".to_owned()].as_slice())
        );
        let row = &table.first_rows()[0];
        assert_eq!(
            (row.place, row.get("prompt"), row.get("chosen")),
            (Place::line(3), Some(&json!("a, b")), Some(&json!("c;\n d")))
        );
    }
    // Without a separator that is known it is a name.
    assert_eq!(table("sep=x,b\n1,2\n").columns, ["sep=x", "b"]);
    assert!(table("sep=,").is_empty());
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
        "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}},
    });
    let table = table(&row.to_string());
    let expected = [
        "id",
        "info.post",
        "info.nothing",
        "summaries.0.text",
        "summaries.1.text",
        "summaries.*.text",
        "chosen",
        "messages",
        "turns.0",
        "turns.1",
        "turns.*",
        "dotted.name",
        "deep.a.b.c.d.e.f",
    ];
    assert_eq!(table.columns, expected);
    let get = |name: &str| table.first_rows()[0].get(name).cloned();
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
    assert_eq!(table.first_rows()[0].get("prompt"), Some(&json!([{"role": "user", "content": "q"}])));
    assert_eq!(table.first_rows()[0].get("chosen"), Some(&json!("[1, 2]")));
}

#[test]
fn rows_inside_one_object_have_their_lines_and_columns() {
    let table_of = |text: &str| {
        let table = table(text);
        let rows: Vec<(usize, Option<Value>)> =
            table.first_rows().iter().map(|row| (row.place.line, row.get("prompt").cloned())).collect();
        (table.refused.iter().map(|refused| refused.reason.clone()).collect::<Vec<_>>(), rows)
    };
    let expected = vec![(4, Some(json!("p"))), (5, Some(json!("q")))];
    let text = "{\n \"version\": NaN,\n \"data\": [\n  {\"prompt\": \"p\"},\n  {\"prompt\": \"q\"}\n ]\n}\n";
    assert_eq!(table_of(text), (vec![], expected));
    let pandas = "{\"prompt\": {\"0\": \"p\", \"1\": \"q\"}, \"score\": {\"0\": 1, \"1\": null}}";
    assert_eq!(table_of(pandas), (vec![], vec![(1, Some(json!("p"))), (1, Some(json!("q")))]));
    let objects = "{\n\"prompt\": \"p\"\n}\n{\n\"prompt\": \"q\"\n}\n{\n\"prompt\": \n";
    let (refused, rows) = table_of(objects);
    assert_eq!(rows, [(1, Some(json!("p"))), (4, Some(json!("q")))]);
    assert!(refused[0].contains("the rest of the file cannot be read"), "{refused:?}");
    let (refused, rows) = table_of("{\"train\": [{\"prompt\": \"p\"}], \"test\": [{\"prompt\": \"q\"}]}");
    assert_eq!((refused.len(), rows.len()), (1, 0));
    assert!(refused[0].contains("several tables (`train`, `test`)"), "{refused:?}");
    // One row of such a file, and conversations, are rows.
    for text in [
        "{\"prompt\": \"p\", \"data\": [\"x\"]}",
        "{\"prompt\": \"p\", \"data\": [{\"role\": \"user\", \"content\": \"q\"}]}",
        "{\"id\": {\"a\": \"b\"}, \"prompt\": \"p\"}",
    ] {
        assert_eq!(table_of(text), (vec![], vec![(1, Some(json!("p")))]), "{text}");
    }
}

#[test]
fn what_json_does_not_have_costs_no_row() {
    let rows = "{\"prompt\": \"NaN, \\\" NaN\", \"score\": NaN}\n{\"prompt\": \"q\", \"score\": [1, -Infinity]}\n{\"prompt\": \"r\", \"score\": Infinity}\n";
    let array = format!("[{}]", rows.trim_end().replace('\n', ",\n"));
    for text in [rows, &array] {
        let table = table(text);
        assert_eq!((table.row_count, table.refused.as_slice()), (3, [].as_slice()), "{text}");
        assert_eq!(table.first_rows()[0].get("prompt"), Some(&json!("NaN, \" NaN")));
        let lines: Vec<usize> = table.first_rows().iter().map(|row| row.place.line).collect();
        assert_eq!(lines, [1, 2, 3]);
        assert_eq!(table.describe()[1].sample, "NaN");
        assert_eq!(table.columns, ["prompt", "score", "score.0", "score.1", "score.*"]);
    }
    for text in ["{\"a\": NaNa}\n{\"a\": 1}", "{\"a\": -NaN}\n{\"a\": 1}", "{\"a\": nan}\n{\"a\": 1}"] {
        assert_eq!(table(text).refused.len(), 1, "{text}");
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_at_any_depth() {
    let table = table("{\"a\": [{\"b\": 1, \"b\": 2}]}\n{\"a\": [{\"b\": 1}, {\"b\": 2}]}\n");
    assert_eq!((table.row_count, table.refused[0].reason.as_str()), (1, "the key `b` comes twice"));
}

#[test]
fn byte_order_marks_in_the_middle_are_none_of_the_text() {
    let table = table("{\"a\": 1}\n\u{FEFF}{\"a\": 2}\r\n{\"a\": 3}\n");
    assert_eq!((table.row_count, table.refused.len()), (3, 0));
}

#[test]
fn lone_quotation_marks_between_tabs_are_text() {
    let get = |table: &Table, at: usize, name: &str| {
        table.first_rows()[at].get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let lone = table("prompt\tchosen\nq1\t\"bad one\nq2\tbad two\"\nq3\t\"yes\" he said\n");
    assert_eq!((lone.row_count, lone.refused.len()), (3, 0));
    assert_eq!(get(&lone, 0, "chosen").as_deref(), Some("\"bad one"));
    assert_eq!(get(&lone, 2, "chosen").as_deref(), Some("\"yes\" he said"));
    // Marks that are quotes stay quotes, over lines too.
    let quoted = table("prompt\tchosen\n\"q\n1\"\t\"say \"\"x\"\"\"\nq2\tc\n");
    assert_eq!((quoted.row_count, quoted.refused.len()), (2, 0));
    assert_eq!(get(&quoted, 0, "chosen").as_deref(), Some("say \"x\""));
    // Where both are there, the rows that a lone mark would swallow are named.
    let mixed = table("prompt\tchosen\n\"q\n1\"\tc\nq2\t\"lone\nq3\tlone\"\nq4\tc\n");
    assert_eq!((mixed.row_count, mixed.refused[0].place.line), (2, 4));
    assert!(mixed.refused[0].reason.contains("columns in between"), "{}", mixed.refused[0].reason);
    let mixed = table("prompt\tchosen\nq1\t\"\nq2\t\"say \"\"x\"\"\"\nq3\tc\n");
    assert_eq!((mixed.row_count, mixed.refused[0].place.line), (2, 2));
    assert_eq!(get(&mixed, 0, "chosen").as_deref(), Some("say \"x\""));
}

#[test]
fn text_after_a_closing_mark_is_refused_and_not_joined() {
    let table = table("prompt,chosen\nq1,\"yes\" he said\nq2,c\n");
    assert_eq!((table.row_count, table.refused[0].place.line), (1, 2));
    assert!(table.refused[0].reason.contains("after a closing quotation mark"), "{}", table.refused[0].reason);
}

#[test]
fn files_that_are_no_text_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.jsonl");
    for (bytes, what) in [
        (b"PAR1....".to_vec(), "the Parquet file cannot be read"),
        (b"\x1F\x8B....".to_vec(), "the compressed data is damaged"),
        (b"BZh9....".to_vec(), "compressed by bzip2"),
        (b"\x89PNG\r\n\x1A\n".to_vec(), "is a PNG image;"),
        (b"%PDF-1.7\n".to_vec(), "is a PDF file;"),
        (b"PK\x03\x04....".to_vec(), "a zip archive or an Excel sheet"),
        (b"<!doctype html><html></html>".to_vec(), "a web page"),
        ((0..=255).cycle().skip(128).take(5_000).collect(), "is no text;"),
        (b"{\0\"\0a\0".to_vec(), "UTF-16 (little endian)"),
        (b"\0{\0\"\0a".to_vec(), "UTF-16 (big endian)"),
        (b"SQLite format 3\0".to_vec(), "an SQLite database"),
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

    /// Every row of a TSV whose cells hold anything but tabs and line breaks is there, or named.
    #[test]
    fn no_row_of_tabs_is_lost(cells in proptest::collection::vec("[a-z\" ,]{1,6}", 2..12)) {
        let mut text = "prompt\tchosen\n".to_owned();
        for cell in &cells {
            text.extend(["q\t", cell, "\n"]);
        }
        let table = table(&text);
        let mut lines: Vec<usize> = table.first_rows().iter().map(|row| row.place.line).collect();
        lines.extend(table.refused.iter().map(|refused| refused.place.line));
        lines.sort_unstable();
        proptest::prop_assert_eq!(lines, (2..cells.len() + 2).collect::<Vec<_>>());
    }

    /// The same rows come out of JSON in whatever form it is written.
    #[test]
    fn forms_of_json_hold_the_same_rows(texts in proptest::collection::vec(".{0,8}", 2..8)) {
        let rows: Vec<Value> = texts.iter().map(|text| json!({"prompt": text, "n": [1, {"x": text}]})).collect();
        let pretty: Vec<String> = rows.iter().map(|row| serde_json::to_string_pretty(row).expect("JSON")).collect();
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        let under_key = json!({"data": rows});
        let forms = [
            lines.join("\n"),
            format!("[{}]", pretty.join(",\n")),
            pretty.join("\n"),
            under_key.to_string(),
            serde_json::to_string_pretty(&under_key).expect("JSON"),
            columns::by_number(&rows).to_string(),
            serde_json::to_string_pretty(&columns::by_number(&rows)).expect("JSON"),
            columns::in_lists(&rows).to_string(),
            columns::by_row(&rows).to_string(),
        ];
        for form in forms {
            let table = table(&form);
            let read: Vec<Value> = table.first_rows().iter().map(|row| Value::Object(row.values.clone())).collect();
            proptest::prop_assert_eq!(&read, &rows, "{}", form);
        }
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
        let found: Vec<(usize, String, String)> = table.first_rows().iter().map(|row| {
            let get = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (row.place.line, get("prompt"), get("chosen"))
        }).collect();
        let expected: Vec<(usize, String, String)> =
            lines.into_iter().zip(cells).map(|(line, (prompt, chosen))| (line, prompt, chosen)).collect();
        proptest::prop_assert_eq!(found, expected);
    }
}
