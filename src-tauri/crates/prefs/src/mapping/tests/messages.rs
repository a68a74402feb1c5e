//! Open Assistant's messages, one to a row: joined they are read as the trees are.

use super::*;

/// What becomes of the rows, as texts in order: the whole prompt and the two answers.
fn pairs_of(table: &Table, choices: &[(&str, &str)]) -> (Vec<[String; 3]>, Mapped) {
    let mut mapping = guess(table);
    for (key, value) in choices {
        mapping.set(key, value).expect("the choice is known");
    }
    assert_eq!(mapping.incomplete(table), None, "{mapping:?}");
    let mapped = apply(table, &mapping);
    let said = |content: Option<&Content>| content.map(Content::last_text).unwrap_or_default();
    let pairs = mapped.rows.iter().map(|row| &row.content);
    let pairs = pairs
        .map(|it| [serde_json::to_string(it.prompt()).expect("JSON"), said(it.first()), said(it.second())])
        .collect();
    (pairs, mapped)
}

/// A tree with messages down to `depth`, each called by its place.
fn tree(id: &str, role: &str, rank: Option<usize>, depth: usize) -> Value {
    let (answers, other) = if role == "prompter" { (3, "assistant") } else { (2, "prompter") };
    let replies: Vec<Value> = (0..if depth == 0 { 0 } else { answers })
        // The best does not come first.
        .map(|at| tree(&format!("{id}.{at}"), other, (other == "assistant").then_some((at + 1) % answers), depth - 1))
        .collect();
    let lang = if id.len().is_multiple_of(3) { "de" } else { "en" };
    json!({
        "message_id": id, "role": role, "rank": rank, "lang": lang, "deleted": id.ends_with("0.1.2"),
        "text": format!("says {id}\n\"Ähre\""), "replies": replies,
    })
}

fn flatten(message: &Value, parent: Option<&str>, tree: &str, rows: &mut Vec<Value>) {
    let mut row = message.clone();
    row["parent_id"] = json!(parent);
    row["message_tree_id"] = json!(tree);
    row["user_id"] = json!("u");
    row.as_object_mut().expect("an object").remove("replies");
    rows.push(row);
    for reply in message["replies"].as_array().into_iter().flatten() {
        flatten(reply, message["message_id"].as_str(), tree, rows);
    }
}

fn flat(trees: &[Value]) -> Vec<Value> {
    let mut rows = Vec::new();
    for tree in trees {
        let id = tree["message_id"].as_str().expect("an id").to_owned();
        flatten(tree, None, &id, &mut rows);
    }
    rows
}

fn csv(rows: &[Value]) -> Table {
    let columns = ["message_id", "parent_id", "text", "role", "lang", "rank", "deleted", "message_tree_id"];
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "True" } else { "False" }.to_owned(),
        Value::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        other => format!("{other}.0"),
    };
    let line = |row: &Value| columns.map(|column| cell(&row[column])).join(",");
    let lines: Vec<String> = std::iter::once(columns.join(",")).chain(rows.iter().map(line)).collect();
    Table::from_bytes(lines.join("\n").as_bytes()).expect("bytes are always read")
}

#[test]
fn in_any_order_they_give_the_pairs_of_the_tree() {
    let roots = [tree("a", "prompter", None, 4), tree("b", "prompter", None, 2), tree("c", "prompter", None, 0)];
    let nested: Vec<Value> =
        roots.iter().map(|root| json!({"message_tree_id": root["message_id"], "prompt": root})).collect();
    let nested = table(&nested);
    let rows = flat(&roots);
    let mut mixed = rows.clone();
    // Each message stands before the one that it replies to, and the trees in one another.
    mixed.reverse();
    mixed.rotate_left(rows.len() / 3);
    for choices in [
        vec![("pairing", "all")],
        vec![("pairing", "best_and_worst"), ("only", "lang=en")],
        vec![("pairing", "neighbours"), ("only", "depth=2")],
    ] {
        let (expected, of_tree) = pairs_of(&nested, &choices);
        assert!(expected.len() > 1, "{choices:?}");
        for in_order in [table(&rows), csv(&rows)] {
            let (found, mapped) = pairs_of(&in_order, &choices);
            assert_eq!(found, expected, "{choices:?}");
            assert_eq!((mapped.refused, mapped.notes), (vec![], of_tree.notes.clone()));
            assert_eq!(in_order.columns, nested.columns);
        }
        let sorted = |mut pairs: Vec<[String; 3]>| {
            pairs.sort();
            pairs
        };
        let (found, mapped) = pairs_of(&table(&mixed), &choices);
        assert_eq!(sorted(found), sorted(expected), "{choices:?}");
        assert_eq!((mapped.refused, mapped.notes), (vec![], of_tree.notes));
    }
    // The account is the same, too, but for what it says of the rows.
    let account = |table: &Table| table.notices[0].split_once(": ").expect("a colon").1.to_owned();
    assert_eq!(account(&table(&mixed)), account(&nested));
    let joined = format!("{} rows with one message each are joined into 3 trees", rows.len());
    assert!(table(&mixed).notices[0].starts_with(&joined), "{:?}", table(&mixed).notices);
}

#[test]
fn messages_that_belong_to_no_tree_are_named_one_by_one() {
    let message = |id: &str, parent: Option<&str>, role: &str| json!({"message_id": id, "parent_id": parent, "role": role, "text": id, "rank": 0, "message_tree_id": "q"});
    let answer = |id: &str, rank: usize| {
        let mut row = message(id, Some("q"), "assistant");
        row["rank"] = json!(rank);
        row
    };
    let mut elsewhere = message("elsewhere", Some("q"), "assistant");
    elsewhere["message_tree_id"] = json!("another");
    let mut silent = message("silent", Some("q"), "assistant");
    silent["text"] = json!(null);
    let mut odd = message("odd", Some("q"), "assistant");
    odd["deleted"] = json!("perhaps");
    let rows = [
        message("q", None, "prompter"),
        answer("good", 0),
        message("orphan", Some("nowhere"), "assistant"),
        message("after", Some("orphan"), "prompter"),
        answer("good", 3),
        message("round", Some("about"), "prompter"),
        message("about", Some("round"), "assistant"),
        message("robot", Some("q"), "robot"),
        elsewhere,
        silent,
        odd,
        message("headless", None, "prompter"),
        json!({"prompt": "p", "chosen": "c", "rejected": "r"}),
        answer("bad", 1),
    ];
    let table = table(&rows);
    let (pairs, mapped) = pairs_of(&table, &[]);
    assert_eq!(pairs.iter().map(|pair| [&pair[1], &pair[2]]).collect::<Vec<_>>(), [["good", "bad"]]);
    let mut refused: Vec<(usize, &str)> = mapped.refused.iter().map(|it| (it.place.line, it.reason.as_str())).collect();
    refused.sort_unstable();
    let expected = [
        (3, "its parent `nowhere` is not there"),
        (4, "it comes after a message that is in no tree, by way of `orphan`"),
        (5, "the message `good` stands in line 2 already"),
        (6, "it comes after itself, by way of `about`"),
        (7, "it comes after itself, by way of `round`"),
        (8, "its `role` is `robot`: expected prompter or assistant"),
        (9, "its parent `q` has another `message_tree_id`"),
        (10, "`text` holds no text"),
        (11, "`deleted` is `perhaps`: expected true or false"),
        (12, "it has no `parent_id` and is not the first message of its tree"),
        (13, "the rows before it are messages of trees, and this is none"),
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for ((line, reason), (expected_line, begin)) in refused.iter().zip(expected) {
        assert!(*line == expected_line && reason.starts_with(begin), "{line}: {reason}");
    }
    // Nothing of a file of orphans is a row.
    let table = super::table(&[message("orphan", Some("nowhere"), "assistant")]);
    assert_eq!((table.row_count, table.refused_count), (0, 1));
    assert!(table.notices[0].starts_with("1 rows with one message each are joined into 0 trees"));
}

#[test]
fn a_chain_of_messages_without_end_is_cut_and_counted() {
    let message = |at: usize| {
        let parent = at.checked_sub(1).map(|parent| parent.to_string());
        let role = if at.is_multiple_of(2) { "prompter" } else { "assistant" };
        json!({"message_id": at.to_string(), "parent_id": parent, "role": role, "text": "x"})
    };
    let table = table(&(0..50_000).map(message).collect::<Vec<_>>());
    assert_eq!((table.row_count, table.refused_count), (0, 50_000 - 64));
    assert_eq!(table.refused[0].reason, "it comes after more than 63 messages");
}
