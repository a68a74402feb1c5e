//! One JSON object of columns, read without holding it.

use super::files::all;
use super::*;

fn object(members: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(members.collect())
}

fn columns(rows: &[Value], column: impl Fn(Vec<Value>) -> Value) -> Value {
    let names = rows[0].as_object().expect("rows are objects").keys();
    object(names.map(|name| (name.clone(), column(rows.iter().map(|row| row[name].clone()).collect()))))
}

/// As `to_json` of `pandas` writes rows.
pub(super) fn by_number(rows: &[Value]) -> Value {
    columns(rows, |cells| object(cells.into_iter().enumerate().map(|(at, cell)| (at.to_string(), cell))))
}

/// As `to_dict("list")` gives them.
pub(super) fn in_lists(rows: &[Value]) -> Value {
    columns(rows, Value::from)
}

/// As `to_json(orient="index")` writes them.
pub(super) fn by_row(rows: &[Value]) -> Value {
    object(rows.iter().enumerate().map(|(at, row)| (at.to_string(), row.clone())))
}

/// The prompts of the rows, each with its place, and the reasons of refused ones.
fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let table = table(text);
    let said = |row: &TableRow| row.get("prompt").and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = table.first_rows().iter().map(|row| (row.place.to_string(), said(row))).collect();
    (rows, table.refused.iter().map(|refused| format!("{}: {}", refused.place, refused.reason)).collect())
}

fn rows(prompts: &[(&str, &str)]) -> Vec<(String, String)> {
    prompts.iter().map(|(place, prompt)| ((*place).to_owned(), (*prompt).to_owned())).collect()
}

#[test]
fn rows_come_in_the_order_of_the_file_and_are_told_by_their_number() {
    let sorted = r#"{"prompt": {"5": "p", "2": "q"}, "score": {"5": 1, "2": null}}"#;
    assert_eq!(read(sorted), (rows(&[("row 1", "p"), ("row 2 (line 1)", "q")]), vec![]));
    let lines = "{\n\"prompt\": [\n\"p\",\n\"q\"],\n \"chosen\": [\"a\", \"b\"]}";
    assert_eq!(read(lines).0, rows(&[("row 1 (line 3)", "p"), ("row 2 (line 4)", "q")]));
    // Columns of other orders are put together by the numbers.
    let disordered = r#"{"prompt": {"1": "p", "0": "q"}, "score": {"0": 1, "1": 2}}"#;
    let table = table(disordered);
    assert_eq!(table.first_rows()[0].values, json!({"prompt": "q", "score": 1}).as_object().cloned().expect("a row"));
    assert_eq!(read(r#"{"3": {"prompt": "p"}, "1": {"prompt": "q", "x": 1}}"#).0.len(), 2);
}

#[test]
fn what_is_no_object_of_columns_is_one_row() {
    for text in [
        r#"{"prompt": {"0": "p", "1": "q"}}"#,
        r#"{"prompt": "p", "score": {"0": 1, "1": 2}}"#,
        r#"{"prompt": "p", "a": {"0": 1}, "b": {"1": 2}}"#,
        r#"{"prompt": [{"role": "user", "content": "q"}, {"role": "user", "content": "q"}], "chosen": ["a", "b"]}"#,
        r#"{"prompt": ["p"], "chosen": ["a"]}"#,
        r#"{"prompt": ["p", "q"], "chosen": ["a", "b", "c"]}"#,
        r#"{"a": {"07": 1, "1": 2}, "b": {"07": 1, "1": 2}}"#,
        r#"{"a": {}, "b": {}}"#,
    ] {
        assert_eq!(table(text).row_count, 1, "{text}");
    }
    // Of cells, columns and rows that come twice it is not known which is meant.
    for text in [
        r#"{"a": {"0": 1, "0": 2}, "b": {"0": 1, "0": 2}}"#,
        r#"{"a": ["x", "y"], "a": ["x", "y"]}"#,
        r#"{"0": {"a": 1}, "0": {"a": 2}}"#,
    ] {
        let table = table(text);
        assert_eq!((table.row_count, table.refused_count), (0, 1), "{text}");
        assert!(table.refused[0].reason.contains("comes twice"), "{:?}", table.refused);
    }
}

#[test]
fn a_cell_that_makes_no_sense_costs_its_row_and_no_other() {
    let text = r#"{"prompt": ["p", "q", "r"], "chosen": ["a", {"x": 1, "x": 2}, "c"]}"#;
    let (taken, refused) = read(text);
    assert_eq!(taken, rows(&[("row 1", "p"), ("row 3 (line 1)", "r")]));
    assert_eq!(refused, ["row 2 (line 1): `chosen`: the key `x` comes twice"]);
    let text = "{\"prompt\": [\"p\", nonsense],\n \"chosen\": [\"a\", \"b\"]}";
    let (taken, refused) = read(text);
    assert_eq!((taken.len(), refused.len()), (1, 1));
    assert!(refused[0].starts_with("row 2 (line 1): `prompt`: not valid JSON"), "{refused:?}");
    // One that breaks off says where.
    let (taken, refused) = read("{\"prompt\": [\"p\", \"q\"],\n \"chosen\": [\"a\",\n \"b");
    assert_eq!(taken, []);
    assert!(refused[0].contains("breaks off") && refused[0].contains("of its line 3"), "{refused:?}");
}

#[test]
fn a_file_of_columns_is_the_same_however_it_is_packed() {
    let rows: Vec<Value> = (0..300).map(|n| json!({"prompt": format!("p{n} äß"), "n": n, "x": [null, n]})).collect();
    for form in [by_number(&rows), in_lists(&rows), by_row(&rows)] {
        let text = form.to_string();
        let mut utf_16 = vec![0xFF, 0xFE];
        utf_16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let packed = [
            text.clone().into_bytes(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            files::gzip(text.as_bytes()),
            files::zstd(text.as_bytes()),
            utf_16,
        ];
        for bytes in packed {
            let (_folder, path) = files::written("data.json", &bytes);
            let table = Table::read_keeping(&path, 0).expect("it can be read");
            let read: Vec<Value> = all(&table).0.into_iter().map(|row| Value::Object(row.values)).collect();
            assert_eq!(read, rows);
        }
    }
}

#[test]
fn more_columns_than_can_be_read_at_once_are_refused_with_the_remedy() {
    let rows: Vec<Value> =
        (0..2).map(|row| object((0..300).map(|column| (format!("c{column}"), json!(row))))).collect();
    let table = table(&by_number(&rows).to_string());
    assert_eq!((table.row_count, table.refused_count), (0, 1));
    let reason = &table.refused[0].reason;
    assert!(
        reason.contains("300 columns, of which 128 can be read") && reason.contains("orient=\"records\""),
        "{reason}"
    );
}
