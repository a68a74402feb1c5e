//! Potato's output, up to version 1 with the texts as they were shown, since version 2 without.

use std::fmt::Write;

use super::*;

fn jsonl(schema: &str, labels: &Value, shown: &str) -> Value {
    json!({
        "id": "item 1", "displayed_text": shown, "label_annotations": {schema: labels}, "span_annotations": {},
        "behavioral_data": {"time_string": "Time spent: 0d 0h 0m 5s"},
    })
}

/// Sections one below the other, and side by side.
fn sections(texts: &[(&str, &str)]) -> [String; 2] {
    let style = "style=\"float:left;width:33%;padding:5px;\" class=\"column\"";
    let (mut below, mut beside) = (String::new(), String::new());
    for (name, text) in texts {
        let _ = write!(below, "<div name=\"instance_text\"> <legend> {name} </legend> {text} <br/> </div>");
        let _ = write!(beside, "<div name=\"instance_text\" {style}> <legend> {name} </legend> {text} </div>");
    }
    [below, format!("<div class=\"row\" style=\"display: table\"> {beside} </div>")]
}

#[test]
fn the_texts_that_were_shown_are_taken() {
    let texts = [("Prompt", "Why is\nit?"), ("Response A", "So <b>it</b> is."), ("Response B", "No. ")];
    for shown in sections(&texts) {
        let good = || jsonl("preference", &json!({"Response A": "1"}), &shown);
        let mut rows = vec![
            good(),
            jsonl("preference", &json!({"selection": "B"}), &shown),
            jsonl("preference", &json!({"Response A": true, "Response B": false, "Tie": false}), &shown),
            jsonl("preference", &json!({"tie": "true"}), &shown),
            jsonl("preference", &json!({}), &shown),
            jsonl("preference", &json!({"Response A": "1", "Response B": "1"}), &shown),
        ];
        rows.extend((0..10).map(|_| good()));
        let table = table(&rows);
        let mapping = guess(&table);
        assert_eq!(mapping.preference.as_deref(), Some("preference"), "{:?}", table.columns);
        let mapped = apply(&table, &mapping);
        let expected = pair("Why is\nit?", "So <b>it</b> is.", "No. ");
        assert_eq!(mapped.rows[0].content, expected);
        assert_eq!(mapped.rows[1].content, pair("Why is\nit?", "No. ", "So <b>it</b> is."));
        assert_eq!(mapped.rows[2].content, expected);
        assert!(mapped.rows[3..5].iter().all(|row| matches!(row.content, MappedContent::Candidates(_))));
        assert_eq!((mapped.rows.len(), mapped.refused.len(), mapped.refused[0].place.line), (15, 1, 6));
        assert!(mapped.refused[0].reason.contains("`preference` says"), "{:?}", mapped.refused);
        assert!(notices(&table, &mapping).join("\n").contains("16 rows are annotations of Potato"));
    }
}

#[test]
fn a_list_of_two_is_taken_where_the_question_stands_beside_it() {
    let mut row = jsonl("better", &json!({"A": "1"}), "A. The first,\nin two lines.<br>B. The second.");
    row["prompt"] = json!("Tell me.");
    let (mapping, rows) = guessed(&[row.clone()]);
    assert_eq!(mapping.preference.as_deref(), Some("better"));
    assert_eq!(rows, [pair("Tell me.", "The first,\nin two lines.", "The second.")]);
    row["displayed_text"] = json!("0. The first.<br>1. The second.");
    row["label_annotations"] = json!({"better": {"second": "on"}});
    assert_eq!(guessed(&[row.clone()]).1, [pair("Tell me.", "The second.", "The first.")]);
    // Three are not two, and a text may hold the mark itself.
    for shown in ["A. one<br>B. two<br>C. three", "A. one<br>B. x<br>B. two", "just a text"] {
        row["displayed_text"] = json!(shown);
        let table = table(std::slice::from_ref(&row));
        assert!(!table.columns.iter().any(|column| column == "response_a"), "{shown}: {:?}", table.columns);
    }
}

#[test]
fn a_table_is_read_like_the_lines() {
    let [shown, _] = sections(&[("Prompt", "Why?"), ("Response A", "So."), ("Response B", "No.")]);
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let rows = ["Ada,i1,{},1,,", "Ben,i1,{},,1,", "Cem,i2,{},,,1"].map(|row| row.replace("{}", &cell(&shown)));
    let header = "user,instance_id,displayed_text,preference:::Response A,preference:::Response B,preference:::tie";
    let table =
        Table::from_bytes(format!("{header}\n{}\n", rows.join("\n")).as_bytes()).expect("bytes are always read");
    let mapped = apply(&table, &guess(&table));
    assert_eq!(mapped.refused, []);
    assert_eq!(mapped.rows[0].content, pair("Why?", "So.", "No."));
    assert_eq!(mapped.rows[1].content, pair("Why?", "No.", "So."));
    assert!(matches!(mapped.rows[2].content, MappedContent::Candidates(_)));
}

#[test]
fn where_the_texts_are_elsewhere_the_file_that_has_them_is_named() {
    let state =
        json!({"user_id": "Ada", "instance_id_to_label_to_value": {"i1": {"preference": {"labels": {"A": true}}}}});
    let line = json!({"instance_id": "i1", "user_id": "Ada", "labels": {"preference": {"selection": "A"}}, "spans": {}, "links": {}});
    let listed = jsonl("better", &json!({"A": "1"}), "A. The first.<br>B. The second.");
    for row in [state, line.clone(), listed] {
        let table = table(&[row]);
        assert!(table.is_empty(), "{:?}", table.columns);
        let reason = &table.refused[0].reason;
        assert!(
            reason.contains("`data_files` in its configuration") && reason.contains("by the instance's id"),
            "{reason}"
        );
    }
    let text = "instance_id,user_id,preference.selection\ni1,Ada,A\n";
    let table = Table::from_bytes(text.as_bytes()).expect("bytes are always read");
    assert!(table.refused[0].reason.contains("`data_files`"), "{:?}", table.refused);
    // Put beside each other as the sentence says, they are pairs.
    let mut joined = line;
    joined["prompt"] = json!("Why?");
    joined["responses"] = json!(["So.", "No."]);
    assert_eq!(guessed(&[joined]).1, [pair("Why?", "So.", "No.")]);
    let text =
        "instance_id,user_id,preference.selection,prompt,response_a,response_b\ni1,Ada,B,Why?,So it is.,No way.\n";
    let table = Table::from_bytes(text.as_bytes()).expect("bytes are always read");
    assert_eq!(apply(&table, &guess(&table)).rows[0].content, pair("Why?", "No way.", "So it is."));
}
