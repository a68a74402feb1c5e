//! Keeping house as a page does it: by name and JSON alone, on folders as runs and evaluations leave them.

use crate::window::tests::Place;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use train::RunConfig;

/// A run as it lies in its folder before it has begun.
fn run(place: &Place, project: &str, name: &str, from: Option<&str>) -> PathBuf {
    let folder = Path::new(project).join("runs").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pairs.jsonl"), "").unwrap();
    let config = RunConfig {
        model: place.projects().join("models").join("tiny"),
        output_dir: folder.clone(),
        data: train::config::DataConfig { train: folder.join("pairs.jsonl"), ..Default::default() },
        ..RunConfig::default()
    };
    fs::write(folder.join("config.toml"), config.to_toml().unwrap()).unwrap();
    let about = json!({ "name": name, "held_out_share": 0.1, "model": "tiny", "from": from });
    fs::write(folder.join("about.json"), about.to_string()).unwrap();
    folder
}

fn evaluation(project: &str, name: &str, of: &str) {
    let folder = Path::new(project).join("evals").join(name);
    fs::create_dir_all(&folder).unwrap();
    let about = json!({ "run": of, "run_name": of, "judge": "people", "created_at": 5, "temperature": 0.0,
        "max_new_tokens": 9, "seed": 1 });
    fs::write(folder.join("about.json"), about.to_string()).unwrap();
}

/// A project with two runs, one made from the other, and an evaluation.
fn lived() -> (Place, String) {
    let (place, project) = Place::with_model();
    run(&place, &project, "first", None);
    run(&place, &project, "second", Some("first"));
    evaluation(&project, "judged", "first");
    (place, project)
}

fn of(project: &str, kind: &str, item: &str) -> Value {
    json!({ "project": project, "kind": kind, "item": item })
}

fn named(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_name_is_shown_wherever_the_run_is_named_and_its_folder_stays() {
    let (place, project) = lived();
    let asked = json!({ "project": project, "kind": "run", "item": "first", "name": " Small beta ", "note": "Beta 0.05.\n",
        "tags": ["beta", " beta", "to keep"] });
    let notes = place.call("describe_item", asked);
    assert_eq!(notes["tags"], json!(["beta", "to keep"]));
    assert_eq!(notes["note"], "Beta 0.05.");
    let runs = place.call("runs", json!({ "project": project }));
    let first = runs.as_array().unwrap().iter().find(|run| run["run"] == "first").unwrap();
    assert_eq!((&first["name"], &first["notes"]["note"]), (&json!("Small beta"), &json!("Beta 0.05.")));
    let second = place.call("run", json!({ "project": project, "run": "second" }));
    assert_eq!((&second["from"], &second["from_name"]), (&json!("first"), &json!("Small beta")));
    let evaluations = place.call("evaluations", json!({ "project": project }));
    assert_eq!((&evaluations[0]["name"], &evaluations[0]["run"]), (&json!("Small beta"), &json!("first")));

    // An evaluation with a name of its own keeps it; given that of its run again, it follows the run again.
    let rename = |name: &str| {
        let asked =
            json!({ "project": project, "kind": "evaluation", "item": "judged", "name": name, "note": "", "tags": [] });
        place.call("describe_item", asked);
        place.call("evaluations", json!({ "project": project }))[0]["name"].clone()
    };
    assert_eq!(rename("By Ada"), "By Ada");
    assert_eq!(rename("Small beta"), "Small beta");
    let back = json!({ "project": project, "kind": "run", "item": "first", "name": "first", "note": "", "tags": [] });
    assert_eq!(place.call("describe_item", back)["name"], Value::Null);
    assert_eq!(place.call("evaluations", json!({ "project": project }))[0]["name"], "first");
    let empty = json!({ "project": project, "kind": "run", "item": "first", "name": " ", "note": "", "tags": [] });
    assert_eq!(place.refused("describe_item", empty).code, "no_name");
    assert!(Path::new(&project).join("runs/first").is_dir());
}

#[test]
fn what_is_archived_is_told_as_such_and_stays_usable() {
    let (place, project) = lived();
    let archive = |archived: bool| {
        let asked = json!({ "project": project, "kind": "run", "item": "first", "archived": archived });
        place.call("archive_item", asked)["archived"].clone()
    };
    assert_eq!(archive(true), true);
    assert_eq!(place.call("run", json!({ "project": project, "run": "first" }))["summary"]["notes"]["archived"], true);
    assert_eq!(archive(false), false);
}

#[test]
fn what_is_deleted_is_in_the_bin_whole_until_that_is_emptied() {
    let (place, project) = lived();
    let dependents = place.call("dependents", of(&project, "run", "first"));
    let said = named(&json!([{ "s": dependents["sentences"].to_string() }]), "s").concat();
    assert!(said.contains("One evaluation is of it (first)"), "{said}");
    assert!(said.contains("One run was made from its settings (second)"), "{said}");
    assert!(dependents["bytes"].as_u64().unwrap() > 100);

    let entry = place.call("delete_item", of(&project, "run", "first"));
    assert_eq!((&entry["kind"], &entry["name"], &entry["refused"]), (&json!("run"), &json!("first"), &Value::Null));
    assert_eq!(named(&place.call("runs", json!({ "project": project })), "run"), ["second"]);
    let gone = place.refused("run", json!({ "project": project, "run": "first" }));
    assert!(gone.code == "in_bin" && gone.hint.contains("Put it back"), "{gone:?}");
    let second = place.call("run", json!({ "project": project, "run": "second" }));
    assert_eq!((&second["from"], &second["from_name"]), (&Value::Null, &json!("first")));
    assert_eq!(place.call("evaluations", json!({ "project": project }))[0]["run_name"], "first");
    let shown = place.call("bin", json!({ "project": project }));
    assert_eq!(named(&shown["entries"], "entry"), [entry["entry"].as_str().unwrap()]);
    assert_eq!(shown["bytes"], dependents["bytes"]);

    // Meanwhile nothing takes its name, and where something has by another way, that is not overwritten.
    assert_eq!(place.call("default_settings", json!({ "project": project }))["name"], "Run 2");
    let taken = run(&place, &project, "first", None);
    let back = json!({ "project": project, "entry": entry["entry"] });
    assert_eq!(place.refused("put_back", back.clone()).code, "not_put_back");
    fs::remove_dir_all(taken).unwrap();
    place.call("put_back", back.clone());
    let mut runs = named(&place.call("runs", json!({ "project": project })), "run");
    runs.sort();
    assert_eq!(runs, ["first", "second"]);
    assert_eq!(place.refused("put_back", back).code, "not_in_bin");

    let entry = place.call("delete_item", of(&project, "run", "first"));
    let later = place.call("delete_item", of(&project, "evaluation", "judged"));
    // Only what was shown goes.
    let freed = place.call("empty_bin", json!({ "project": project, "entries": [entry["entry"]] }));
    assert_eq!((&freed["entries"], &freed["bytes"]), (&json!(1), &dependents["bytes"]));
    assert_eq!(
        named(&place.call("bin", json!({ "project": project }))["entries"], "entry"),
        [later["entry"].as_str().unwrap()]
    );
    for elsewhere in ["..", "../runs", "", "removed.jsonl"] {
        let asked = json!({ "project": project, "entries": [elsewhere] });
        assert_eq!(place.refused("empty_bin", asked).code, "not_in_bin", "{elsewhere}");
    }
    assert_eq!(place.refused("run", json!({ "project": project, "run": "first" })).code, "no_run");
}

#[test]
fn what_an_emptying_did_not_come_to_the_end_of_is_not_shown_and_goes_with_the_next() {
    let (place, project) = lived();
    let entry = place.call("delete_item", of(&project, "run", "first"))["entry"].as_str().unwrap().to_owned();
    let bin = Path::new(&project).join("bin");
    // As a kill leaves it: it has its hidden name, and some of its files are gone.
    fs::rename(bin.join(&entry), bin.join(format!(".removing-{entry}"))).unwrap();
    fs::remove_file(bin.join(format!(".removing-{entry}")).join("config.toml")).unwrap();
    assert_eq!(place.call("bin", json!({ "project": project }))["entries"], json!([]));
    place.call("empty_bin", json!({ "project": project, "entries": [] }));
    assert!(fs::read_dir(&bin).unwrap().next().is_none());
}

#[test]
fn what_is_in_use_is_refused_in_words() {
    let (place, project) = lived();
    let lock = fs::File::create(Path::new(&project).join("runs/first/run.lock")).unwrap();
    lock.lock().unwrap();
    for operation in ["dependents", "delete_item", "remove_checkpoints"] {
        let refused = place.refused(operation, of(&project, "run", "first"));
        assert!(refused.code == "in_use" && refused.message.contains("training"), "{operation}: {refused:?}");
    }
    drop(lock);

    let (begin, began) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let folder = Path::new(&project).join("runs/first");
    let kind = crate::window::types::JobKind::Merge;
    let job = place.backend.start_job(kind, &project, "Merge the adapter of first", move |working| {
        working.uses(&folder);
        begin.send(()).unwrap();
        let _ = ended.recv();
        Ok(())
    });
    began.recv().unwrap();
    let refused = place.refused("delete_item", of(&project, "run", "first"));
    assert!(refused.message.contains("Merge the adapter of first"), "{refused:?}");
    place.call("delete_item", of(&project, "run", "second"));
    end.send(()).unwrap();
    place.job(&json!(job.unwrap().job));
    place.call("delete_item", of(&project, "run", "first"));
}

#[test]
fn checkpoints_but_the_last_go_to_the_bin_and_come_back() {
    let (place, project) = lived();
    let checkpoints = Path::new(&project).join("runs/first/checkpoints");
    for step in [5, 10, 15] {
        let folder = checkpoints.join(format!("step-{step}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("optimizer.safetensors"), vec![0; 1000]).unwrap();
    }
    let use_of = || {
        let all = place.call("disk_use", json!({ "project": project }));
        let first = all["items"].as_array().unwrap().iter().find(|item| item["item"] == "first").unwrap().clone();
        (all, first)
    };
    let (all, first) = use_of();
    assert_eq!((&first["checkpoints"], &first["checkpoint_bytes"]), (&json!(3), &json!(3000)));
    assert_eq!((&first["spare"], &first["spare_bytes"]), (&json!(2), &json!(2000)));
    let sum: u64 = all["items"].as_array().unwrap().iter().map(|item| item["bytes"].as_u64().unwrap()).sum();
    let told = sum + ["data", "bin", "other"].map(|part| all[part].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(told, all["bytes"].as_u64().unwrap());
    assert_eq!(all["items"][0]["item"], "first");

    let entry = place.call("remove_checkpoints", of(&project, "run", "first"));
    assert_eq!((&entry["kind"], &entry["bytes"]), (&json!("checkpoints"), &json!(2000)));
    assert_eq!(fs::read_dir(&checkpoints).unwrap().count(), 1);
    assert!(checkpoints.join("step-15").is_dir());
    assert_eq!(place.refused("remove_checkpoints", of(&project, "run", "first")).code, "no_checkpoints");
    assert_eq!(use_of().0["bin"], 2000);
    place.call("put_back", json!({ "project": project, "entry": entry["entry"] }));
    assert_eq!(use_of().1["checkpoint_bytes"], 3000);

    // Of a run that is in the bin itself, they wait for it.
    let entry = place.call("remove_checkpoints", of(&project, "run", "first"));
    place.call("delete_item", of(&project, "run", "first"));
    let back = place.refused("put_back", json!({ "project": project, "entry": entry["entry"] }));
    assert!(back.message.contains("put the run back first"), "{back:?}");
}

#[test]
fn a_project_goes_to_the_bin_and_comes_back_with_all_that_it_holds() {
    let (place, project) = lived();
    place.import(&project, "pairs.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n");
    let describe = json!({ "project": project, "name": "Renamed", "note": "For the paper." });
    let view = place.call("describe_project", describe);
    assert_eq!((&view["name"], &view["note"]), (&json!("Renamed"), &json!("For the paper.")));
    assert_eq!(place.call("home", json!({}))["recent"][0]["name"], "Renamed");
    let home = place.call("archive_project", json!({ "folder": project, "archived": true }));
    assert_eq!(home["recent"][0]["archived"], true);
    // To open it does not take it out of the archive.
    place.call("open_project", json!({ "folder": project }));
    assert_eq!(place.call("home", json!({}))["recent"][0]["archived"], true);

    let gone = place.call("delete_project", json!({ "folder": project }));
    assert_eq!((&gone["name"], &gone["holds"]), (&json!("Renamed"), &json!("1 pair, 2 runs, 1 evaluation")));
    assert!(!Path::new(&project).exists());
    assert_eq!(place.call("home", json!({}))["recent"], json!([]));
    let listed = place.call("deleted_projects", json!({}));
    assert_eq!((&listed[0]["entry"], &listed[0]["bytes"]), (&gone["entry"], &gone["bytes"]));
    let back = json!({ "entry": gone["entry"] });
    let view = place.call("put_project_back", back.clone());
    assert_eq!((&view["counts"]["pairs"], &view["counts"]["runs"]), (&json!(1), &json!(2)));
    assert_eq!(place.refused("put_project_back", back).code, "not_in_bin");

    let gone = place.call("delete_project", json!({ "folder": project }));
    fs::create_dir_all(&project).unwrap();
    assert_eq!(place.refused("put_project_back", json!({ "entry": gone["entry"] })).code, "not_put_back");
    let freed = place.call("remove_projects", json!({ "entries": [gone["entry"]] }));
    assert_eq!(freed["entries"], 1);
    assert_eq!(place.call("deleted_projects", json!({})), json!([]));
}

#[test]
fn only_a_project_of_the_projects_folder_is_deleted() {
    let (place, project) = lived();
    let plain = place.projects().join("no project");
    fs::create_dir_all(&plain).unwrap();
    place.refused("delete_project", json!({ "folder": plain }));
    place.refused("delete_project", json!({ "folder": place.projects() }));
    place.refused("delete_project", json!({ "folder": "" }));
    let lock = fs::File::create(Path::new(&project).join("runs/first/run.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(place.refused("delete_project", json!({ "folder": project })).code, "in_use");
    drop(lock);
    assert!(plain.is_dir() && Path::new(&project).is_dir());
}

#[test]
fn exports_are_listed_with_what_they_were_made_from() {
    let (place, project) = lived();
    place.import(&project, "pairs.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n");
    let asked =
        json!({ "project": project, "run": "first", "evaluation": null, "what": ["pairs"], "pairs_as": ["jsonl"] });
    let written = place.call("export", asked);
    assert_eq!(written[0]["export"], "first");
    // One of an earlier version has no record.
    fs::create_dir_all(Path::new(&project).join("exports/old/adapter")).unwrap();
    let exports = place.call("exports", json!({ "project": project }));
    let of = |name: &str| exports.as_array().unwrap().iter().find(|export| export["export"] == name).unwrap().clone();
    assert_eq!((&of("first")["parts"], &of("first")["run_name"]), (&json!(["pairs as JSON Lines"]), &json!("first")));
    assert_eq!((&of("old")["parts"], &of("old")["run"]), (&json!(["adapter"]), &Value::Null));
    let said = place.call("dependents", self::of(&project, "run", "first"))["sentences"].to_string();
    assert!(said.contains("One export was made from it (first)"), "{said}");

    // Alone it is its file; what is noted of it does not go along.
    let notes =
        json!({ "project": project, "kind": "export", "item": "first", "name": "For Ada", "note": "n", "tags": [] });
    place.call("describe_item", notes);
    let mut only = place.backend.download(&project, "first", false).unwrap();
    assert_eq!(only.name, "pairs.jsonl");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut only.contents, &mut text).unwrap();
    assert!(text.contains("\"chosen\"") && text.len() as u64 == only.bytes);
    assert_eq!(place.backend.download(&project, "old", false).err().unwrap().code, "empty");
    for elsewhere in ["..", "../runs", "", "none"] {
        assert_eq!(place.backend.download(&project, elsewhere, false).err().unwrap().code, "no_export");
    }
}
