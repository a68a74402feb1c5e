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

/// The same act as [`on`], by who has looked at the list when it had that mark.
fn having_seen(project: &str, who: &str, ids: &[i64], act: &Value, seen: &Value) -> Value {
    let mut request = on(project, who, ids, act);
    request["pairs"]["seen"] = seen.clone();
    request
}

#[test]
fn what_somebody_changed_since_it_was_looked_at_is_not_acted_on() {
    let (place, project) = with_pairs();
    let seen = list(&place, &project, &all())["seen"].clone();
    let swap = |who: &str, ids: &[i64], seen: &Value| having_seen(&project, who, ids, &json!("swapped"), seen);
    // Two people swap what both of them see.
    let done = place.call("act_on_pairs", swap("Ada", &[1, 2], &seen));
    let refused = place.refused("act_on_pairs", swap("Ben", &[1, 2, 3], &seen));
    let said = "2 pairs were changed since you looked at the list: pair 1 and pair 2";
    assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("list_changed", said));
    place.call("act_on_pairs", swap("Ada", &[1, 2], &done["seen"]));

    // A text that was rewritten is not noted as right.
    let view = place.call("pair", json!({ "project": project, "id": 3 }));
    let edit = json!({ "project": project, "id": 3, "who": "Ben", "prompt": "p3", "chosen": "bad", "rejected": "no" });
    place.call("edit_pair", edit);
    let confirm = |seen: &Value| json!({ "project": project, "id": 3, "who": "Ada", "confirmed": true, "seen": seen });
    assert_eq!(place.refused("confirm_pair", confirm(&view["seen"])).code, "list_changed");
    let request = having_seen(&project, "Ada", &[3], &json!({ "confirmed": true }), &view["seen"]);
    assert!(place.refused("act_on_pairs", request).message.ends_with("pair 3"));
    let now = place.call("pair", json!({ "project": project, "id": 3 }));
    assert_eq!(place.call("confirm_pair", confirm(&now["seen"]))["confirmed"], true);
}

#[test]
fn all_that_match_are_those_that_did() {
    let (place, project) = with_pairs();
    let query = json!({ "text": "", "source": null, "category": "mine", "offset": 0, "limit": 100 });
    let category =
        |id: i64, name: Value| place.call("act_on_pairs", on(&project, "Ben", &[id], &json!({ "category": name })));
    for id in [1, 2] {
        category(id, json!("mine"));
    }
    let all_of = |query: &Value, seen: &Value| {
        let pairs = json!({ "ids": [], "query": query, "finding": null, "expected": 2, "seen": seen });
        json!({ "project": project, "who": "Ada", "pairs": pairs, "act": "swapped" })
    };
    let seen = list(&place, &project, &query)["seen"].clone();
    // One goes, another comes: as many, and one of them nobody has seen.
    category(2, Value::Null);
    category(3, json!("mine"));
    let refused = place.refused("act_on_pairs", all_of(&query, &seen));
    assert!(refused.message.contains("1 pair was changed since you looked at the list: pair 3"), "{refused:?}");

    // Of a set, without any pair being changed.
    let set = json!({ "project": project, "who": "Ada", "set": null, "name": "S", "definition": { "filter": null, "subset": null } });
    let set = place.call("save_set", set)["set"].clone();
    place.call("act_on_pairs", on(&project, "Ada", &[4, 5], &json!({ "into_set": set })));
    let mut of_set = all();
    of_set["set"] = set.clone();
    let seen = list(&place, &project, &of_set)["seen"].clone();
    place.call("act_on_pairs", on(&project, "Ben", &[5], &json!({ "out_of_set": set })));
    place.call("act_on_pairs", on(&project, "Ben", &[6], &json!({ "into_set": set })));
    let refused = place.refused("act_on_pairs", all_of(&of_set, &seen));
    assert!(refused.message.contains("other pairs now than when they were chosen"), "{refused:?}");
    let now = list(&place, &project, &of_set)["seen"].clone();
    assert_eq!(place.call("act_on_pairs", all_of(&of_set, &now))["changed"], 2);
}

#[test]
fn an_older_form_of_a_set_does_not_overwrite_a_newer_one() {
    let (place, project) = with_pairs();
    let save = |set: &Value, at: &Value, name: &str| json!({ "project": project, "who": "Ada", "set": set, "name": name, "at": at, "definition": { "filter": null, "subset": null } });
    let set = place.call("save_set", save(&Value::Null, &Value::Null, "First"))["set"].clone();
    let at = place.call("pair_sets", json!({ "project": project }))[0]["at"].clone();
    place.call("save_set", save(&set, &at, "Second"));
    let refused = place.refused("save_set", save(&set, &at, "Third"));
    assert!(refused.message.contains("the set Second was changed since this form was opened"), "{refused:?}");
}

#[test]
fn a_pair_that_was_edited_since_it_was_found_is_not_left_out() {
    let (place, project) = Place::with_model();
    let row = |prompt: &str, chosen: &str| json!({ "prompt": prompt, "chosen": chosen, "rejected": "no" }).to_string();
    place.import(&project, "rows.jsonl", &[row("One?", "Yes."), row("Two?", ""), row("Three?", "")].join("\n"));
    let look = || place.call("check_pairs", json!({ "project": project, "held_out_share": 0, "seed": 1 }));
    let leave = |check: &Value| json!({ "project": project, "check": check, "code": "empty_chosen", "who": "Ada", "out": true });
    let first = look();
    let mended =
        json!({ "project": project, "id": 2, "who": "Ben", "prompt": "Two?", "chosen": "Surely.", "rejected": "no" });
    place.call("edit_pair", mended);
    let refused = place.refused("leave_out", leave(&first["check"]));
    assert!(refused.message.contains("1 pair has other texts now than when this was found: pair 2"), "{refused:?}");
    assert_eq!(place.call("leave_out", leave(&look()["check"]))["left_out"], 1);
}
