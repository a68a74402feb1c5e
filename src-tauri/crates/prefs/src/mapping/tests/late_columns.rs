//! Columns that are empty in the first rows of a file, and hold something later.

use super::*;

/// Rows in which something stands late, and those before it.
type Form = (&'static str, fn(usize) -> Value, fn(usize) -> Value);

#[test]
fn what_a_column_holds_does_not_depend_on_where_it_begins() {
    let forms: [Form; 14] = [
        (
            "system",
            |n| json!({"system": "", "prompt": format!("p{n}"), "chosen": "c", "rejected": "r"}),
            |n| json!({"system": "Be kind.", "prompt": format!("p{n}"), "chosen": "c", "rejected": "r"}),
        ),
        (
            "system, missing",
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r"}),
            |n| json!({"system": "Be kind.", "prompt": format!("p{n}"), "chosen": "c", "rejected": "r"}),
        ),
        (
            "context",
            |n| json!({"instruction": format!("p{n}"), "input": "", "chosen": "c", "rejected": "r"}),
            |n| json!({"instruction": format!("p{n}"), "input": "a text", "chosen": "c", "rejected": "r"}),
        ),
        (
            "scores",
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r", "score_chosen": null, "score_rejected": null}),
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r", "score_chosen": 8, "score_rejected": 3}),
        ),
        (
            "category",
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r", "category": null}),
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r", "category": "law"}),
        ),
        (
            "prompt",
            |n| json!({"prompt": null, "chosen": format!("c{n}"), "rejected": "r"}),
            |n| json!({"prompt": format!("p{n}"), "chosen": format!("c{n}"), "rejected": "r"}),
        ),
        (
            "winner",
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "winner": null}),
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "winner": if n % 2 == 0 { "a" } else { "b" }}),
        ),
        (
            "annotator",
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "winner": "a", "annotator": null}),
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "winner": "b", "annotator": "Kim"}),
        ),
        (
            "two ratings",
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "score_a": null, "score_b": null}),
            |n| json!({"prompt": format!("p{n}"), "response_a": "a", "response_b": "b", "score_a": 3, "score_b": 8}),
        ),
        (
            "single labels",
            |n| json!({"prompt": format!("p{}", n / 2), "completion": format!("c{n}"), "label": null}),
            |n| json!({"prompt": format!("p{}", n / 2), "completion": format!("c{n}"), "label": n % 2 == 0}),
        ),
        (
            "answers",
            |n| json!({"prompt": format!("p{n}"), "chosen": null, "rejected": ""}),
            |n| json!({"prompt": format!("p{n}"), "chosen": "c", "rejected": "r"}),
        ),
        (
            "tasks of Label Studio",
            |n| json!({"id": n, "data": {"prompt": format!("p{n}"), "answer1": "a", "answer2": "b"}, "annotations": [], "predictions": []}),
            |n| {
                json!({"id": n, "data": {"prompt": format!("p{n}"), "answer1": "a", "answer2": "b"}, "predictions": [], "annotations": [
                    {"completed_by": 1, "was_cancelled": false, "result": [
                        {"type": "pairwise", "from_name": "better", "to_name": "answer1", "value": {"selected": "left"}}]}]})
            },
        ),
        (
            "a table of Label Studio",
            |n| json!({"id": n, "prompt": format!("p{n}"), "answer1": "a", "answer2": "b", "annotator": 1, "annotation_id": n}),
            |n| {
                json!({"id": n, "prompt": format!("p{n}"), "answer1": "a", "answer2": "b", "annotator": 1, "annotation_id": n,
                    "comparison": "right"})
            },
        ),
        (
            "records of Argilla",
            |n| json!({"fields": {"prompt": format!("p{n}"), "response1": "a", "response2": "b"}, "responses": {"preference": []}}),
            |n| {
                json!({"fields": {"prompt": format!("p{n}"), "response1": "a", "response2": "b"},
                    "responses": {"preference": [{"user_id": "u", "value": "response2", "status": "submitted"}]}})
            },
        ),
    ];
    for (what, before, late) in forms {
        let late: Vec<Value> = (250..400).map(late).collect();
        let before: Vec<Value> = (0..250).map(before).collect();
        let (later, first) = ([before.clone(), late.clone()].concat(), [late.clone(), before].concat());
        let columns = |rows: &[Value]| {
            let table = table(rows);
            let mapping = guess(&table);
            let mapped = apply(&table, &mapping);
            let mut chosen: Vec<(String, String)> =
                mapping.chosen_columns().map(|(role, column)| (role.to_owned(), column)).collect();
            chosen.sort();
            (mapping.kind, chosen, mapped.rows.len(), mapped.refused.len())
        };
        assert_eq!(columns(&later), columns(&first), "{what}");
        // Rows of which nothing can be said yet take nothing from those that say it.
        assert_eq!(columns(&late).1, columns(&later).1, "{what}");
    }
}
