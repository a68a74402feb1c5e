//! What is done to pairs from a list, and its way back.

use super::*;

const PAIRS: usize = 6;

fn with_pairs() -> (Place, String) {
    let (place, project) = Place::with_model();
    let row =
        |i: usize| json!({ "prompt": format!("p{i}"), "chosen": format!("yes {i}"), "rejected": format!("no {i}") });
    let rows: Vec<String> = (1..=PAIRS).map(|i| row(i).to_string()).collect();
    place.import(&project, "rows.jsonl", &rows.join("\n"));
    (place, project)
}

fn all() -> Value {
    json!({ "text": "", "source": null, "category": null, "offset": 0, "limit": 100 })
}

fn list(place: &Place, project: &str, query: &Value) -> Value {
    place.call("pairs", json!({ "project": project, "query": query, "finding": null }))
}

/// An act on pairs that were chosen one by one.
fn on(project: &str, who: &str, ids: &[i64], act: &Value) -> Value {
    let pairs = json!({ "ids": ids, "query": null, "finding": null, "expected": ids.len() });
    json!({ "project": project, "who": who, "pairs": pairs, "act": act })
}

fn undo(project: &str, who: &str, act: &Value) -> Value {
    json!({ "project": project, "who": who, "act": act["act"] })
}

#[test]
fn what_is_undone_is_as_it_was_and_undone_once() {
    let (place, project) = with_pairs();
    let before = list(&place, &project, &all())["rows"].clone();
    for act in
        [json!("swapped"), json!({ "removed": true }), json!({ "confirmed": true }), json!({ "category": "new" })]
    {
        let done = place.call("act_on_pairs", on(&project, "Ada", &[1, 2, 3], &act));
        assert_eq!(done["changed"], 3);
        let undone = place.call("undo_act", undo(&project, "Ada", &done));
        assert_eq!((&undone["changed"], &list(&place, &project, &all())["rows"]), (&json!(3), &before), "{act}");
        let again = place.refused("undo_act", undo(&project, "Ada", &done));
        assert_eq!((again.code.as_ref(), again.message.as_str()), ("act_gone", "this was undone already"));
    }
    let unknown = place.refused("undo_act", undo(&project, "Ada", &json!({ "act": 99 })));
    assert!(unknown.message.contains("too long ago"), "{unknown:?}");
}

#[test]
fn an_undo_leaves_what_somebody_else_did_since() {
    let (place, project) = with_pairs();
    let out = place.call("act_on_pairs", on(&project, "Ada", &[1, 2], &json!({ "removed": true })));
    for removed in [false, true] {
        place.call("remove_pair", json!({ "project": project, "id": 2, "who": "Ben", "removed": removed }));
    }
    let undone = place.call("undo_act", undo(&project, "Ada", &out));
    assert_eq!((&undone["changed"], &undone["unchanged"]), (&json!(1), &json!(1)));
    assert_eq!(list(&place, &project, &all())["total"], PAIRS - 1, "Ben removed pair 2 anew");
}
