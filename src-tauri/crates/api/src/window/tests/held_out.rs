//! A file that is held out is never trained on, whatever its rows are: pairs, prompts, candidates, single answers.

use super::*;
use crate::window::training::start::{parts, write_run};
use crate::window::types::RunRequest;

fn pair(prompt: usize, said: &str) -> Value {
    json!({ "prompt": format!("question {prompt}?"), "chosen": format!("good {said} {prompt}"),
        "rejected": format!("bad {said} {prompt}, so it is") })
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// A project with 20 pairs, and a second file.
fn with_exam(exam: &[Value]) -> (Place, String) {
    let (place, project) = Place::with_model();
    place.import(&project, "train.jsonl", &lines(&(0..20).map(|i| pair(i, "answer")).collect::<Vec<_>>()));
    place.import(&project, "exam.jsonl", &lines(exam));
    (place, project)
}

fn hold_out(place: &Place, project: &str, held_out: bool) -> Vec<String> {
    let change = json!({ "held_out": held_out });
    let request = json!({ "project": project, "import": 2, "who": "Ada", "change": change });
    serde_json::from_value(place.call("change_import", request)["says"].clone()).unwrap()
}

fn request(place: &Place, project: &str, share: f64) -> RunRequest {
    let request = place.call("default_settings", json!({ "project": project }));
    RunRequest { held_out_share: share, ..serde_json::from_value(request).unwrap() }
}

/// What a run is trained on now, by its prompts, and what it says of its pairs.
fn trained(place: &Place, project: &str) -> (Vec<String>, Vec<String>) {
    let opened = place.backend.project(project).unwrap();
    let parts = parts(&opened, &request(place, project, 0.0)).unwrap();
    let prompts = parts.train.iter().map(|pair| pair.prompt.last_text());
    (prompts.collect(), parts.record.says)
}

#[test]
fn rows_that_are_no_pairs_hold_their_prompts_out() {
    let prompts: Vec<Value> = (12..15).map(|i| json!({ "prompt": format!(" Question  {i}? ") })).collect();
    let candidates: Vec<Value> = (12..15)
        .map(|i| json!({ "prompt": format!("question {i}?"), "response_a": "one", "response_b": "two" }))
        .collect();
    let singles: Vec<Value> = (12..15)
        .map(|i| json!({ "prompt": format!("question {i}?"), "completion": format!("c{i}"), "label": true }))
        .collect();
    for exam in [prompts, candidates, singles] {
        let (place, project) = with_exam(&exam);
        let says = hold_out(&place, &project, true);
        let prompts = "3 prompts of exam.jsonl, marked as held out, are of no pair that could be held out: pairs that ask them \
                       are not trained on";
        let left_out = "3 pairs are left out, as their prompts are also asked by what is held out of exam.jsonl: pair 13, pair 14 \
                        and pair 15";
        assert_eq!(says, [prompts, left_out], "{exam:?}");
        let (prompts, _) = trained(&place, &project);
        assert_eq!(prompts.len(), 17);
        assert!(
            !prompts.iter().any(|asked| ["question 12?", "question 13?", "question 14?"].contains(&asked.as_str()))
        );
        // Without a pair that is held out, a run holds out a share as ever.
        let usual = place.call("default_settings", json!({ "project": project }))["held_out_share"].clone();
        assert_eq!(usual, 0.1);
        let checked = place.call("check_run", json!({ "request": request(&place, &project, 0.0) }));
        assert!(checked.to_string().contains("held-out"), "with a share of 0 nothing is held out: {checked}");
        hold_out(&place, &project, false);
        assert_eq!(trained(&place, &project).0.len(), 20);
    }
}

#[test]
fn a_pair_that_was_removed_or_edited_holds_out_what_it_asked() {
    let (place, project) = with_exam(&(0..3).map(|i| pair(i, "other answer")).collect::<Vec<_>>());
    hold_out(&place, &project, true);
    assert_eq!(place.call("default_settings", json!({ "project": project }))["held_out_share"], 0.0);
    assert_eq!(trained(&place, &project).0.len(), 17);
    place.call("remove_pair", json!({ "project": project, "id": 21, "who": "Ada", "removed": true }));
    let edit =
        json!({ "project": project, "id": 22, "who": "Ada", "prompt": "question 7?", "chosen": "C", "rejected": "R" });
    place.call("edit_pair", edit);
    let (prompts, says) = trained(&place, &project);
    for prompt in ["question 0?", "question 1?", "question 2?", "question 7?"] {
        assert!(!prompts.iter().any(|asked| asked == prompt), "{prompt} is trained on");
    }
    assert!(says.iter().any(|said| said.starts_with("2 pairs are held out: they came with exam.jsonl")), "{says:?}");
    assert!(says.iter().any(|said| said.starts_with("2 prompts of exam.jsonl, marked as held out,")), "{says:?}");
    for id in [22, 23] {
        place.call("remove_pair", json!({ "project": project, "id": id, "who": "Ada", "removed": true }));
    }
    assert_eq!(place.call("default_settings", json!({ "project": project }))["held_out_share"], 0.1);
    assert_eq!(trained(&place, &project).0.len(), 16, "nothing of it is left, and nothing of it is trained on");
}

#[test]
fn a_pair_of_a_held_out_set_that_was_removed_holds_out_its_prompt() {
    let (place, project) = with_exam(&(0..3).map(|i| pair(i, "other answer")).collect::<Vec<_>>());
    let chosen = json!({ "filter": null, "subset": null });
    let set = json!({ "project": project, "who": "Ada", "set": null, "name": "Test", "definition": chosen });
    let set = place.call("save_set", set)["set"].as_i64().unwrap();
    place
        .backend
        .project(&project)
        .unwrap()
        .another_store()
        .unwrap()
        .set_members(set, &[21, 22, 23], "Ada", true)
        .unwrap();
    place.call("remove_pair", json!({ "project": project, "id": 21, "who": "Ada", "removed": true }));
    let opened = place.backend.project(&project).unwrap();
    let mut request = request(&place, &project, 0.0);
    request.data = Some(serde_json::from_value(json!({ "train": [], "held_out": set })).unwrap());
    let parts = parts(&opened, &request).unwrap();
    assert_eq!((parts.train.len(), parts.held_out.len()), (17, 2), "{:?}", parts.record.says);
}

#[test]
fn a_run_that_waited_does_not_train_on_prompts_that_were_held_out_meanwhile() {
    let (place, project) = with_exam(&[json!({ "prompt": "question 3?" })]);
    let opened = place.backend.project(&project).unwrap();
    let request = request(&place, &project, 0.0);
    let folder = opened.folder().join("runs/waits");
    fs::create_dir_all(&folder).unwrap();
    let model = place.projects().join("models/tiny");
    write_run(&folder, &model, &request, &parts(&opened, &request).unwrap(), model::DeviceChoice::Cpu).unwrap();
    let count = || prefs::jsonl::read_pairs(&folder.join("pairs.jsonl")).unwrap().into_pairs().len();
    crate::window::training::ready(&folder).unwrap();
    assert_eq!(count(), 20);
    hold_out(&place, &project, true);
    crate::window::training::ready(&folder).unwrap();
    assert_eq!(count(), 19);
}
