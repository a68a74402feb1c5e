//! The back end as a page uses it: by name and JSON alone.

mod acts;
mod held_out;

use super::types::News;
use super::{Backend, BackendOptions, Heard};
use crate::error::Error;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::TinyLlama;

/// A back end in a folder of its own.
pub(super) struct Place {
    folder: TempDir,
    pub(super) backend: Backend,
}

fn settings(folder: &Path) -> BackendOptions {
    BackendOptions {
        data_folder: folder.join("data"),
        projects_folder: folder.join("projects"),
        may_choose_folders: false,
        allowed_roots: Vec::new(),
        model_folders: Vec::new(),
        program: PathBuf::from("no-program"),
        device: model::DeviceChoice::Auto,
    }
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Backend::new(settings(folder.path())).unwrap();
        Self { folder, backend }
    }

    /// With a project that has a tiny model.
    pub(super) fn with_model() -> (Self, String) {
        let place = Self::new();
        let model = place.projects().join("models").join("tiny");
        TinyLlama::default().write_folder(&model).unwrap();
        let project = place.create("Tiny");
        place.call("set_model", json!({ "project": project, "model": model }));
        (place, project)
    }

    pub(super) fn projects(&self) -> PathBuf {
        self.folder.path().join("projects")
    }

    #[track_caller]
    pub(super) fn call(&self, operation: &str, request: Value) -> Value {
        match self.backend.call(operation, request) {
            Ok(reply) => reply,
            Err(error) => panic!("{operation}: {error:?}"),
        }
    }

    #[track_caller]
    pub(super) fn refused(&self, operation: &str, request: Value) -> Error {
        match self.backend.call(operation, request) {
            Ok(reply) => panic!("{operation} was done: {reply}"),
            Err(error) => error,
        }
    }

    fn create(&self, name: &str) -> String {
        let view = self.call("create_project", json!({ "name": name, "folder": null }));
        view["folder"].as_str().unwrap().to_owned()
    }

    fn send(&self, name: &str, text: &str) -> String {
        self.backend.upload(name, &mut text.as_bytes()).unwrap().upload
    }

    /// Brings a file in as it is guessed to be.
    pub(super) fn import(&self, project: &str, name: &str, text: &str) -> Value {
        let upload = self.send(name, text);
        let preview = self.call("preview_import", json!({ "project": project, "upload": upload, "mapping": null }));
        self.call("import", json!({ "project": project, "upload": upload, "mapping": preview["mapping"] }))
    }

    pub(super) fn job(&self, number: &Value) -> Value {
        let start = Instant::now();
        loop {
            let jobs = self.call("jobs", json!({}));
            let job = jobs.as_array().unwrap().iter().find(|job| job["job"] == *number).unwrap().clone();
            if job["state"] != "running" {
                return job;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the job does not end: {job}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

const PROMPTS: &str = "{\"prompt\":\"What is two and two?\"}\n{\"prompt\":\"Where does the sun rise?\"}\n";

#[test]
fn a_project_is_made_listed_forgotten_and_opened_again() {
    let place = Place::new();
    let project = place.create("Plain / answers?");
    assert!(Path::new(&project).starts_with(place.projects().canonicalize().unwrap()), "{project}");
    assert_eq!(
        place.refused("create_project", json!({ "name": "Plain / answers?", "folder": null })).code,
        "folder_not_empty"
    );
    assert_eq!(place.refused("create_project", json!({ "name": "  ", "folder": null })).code, "no_name");

    // Another program start sees the same list.
    let again = Backend::new(settings(place.folder.path())).unwrap();
    let home = again.call("home", json!({})).unwrap();
    assert_eq!(home["recent"][0]["name"], "Plain / answers?");
    assert_eq!(home["recent"][0]["exists"], true);

    let home = place.call("forget_project", json!({ "folder": project }));
    assert_eq!(home["recent"].as_array().unwrap().len(), 0);
    let view = place.call("open_project", json!({ "folder": project }));
    assert_eq!(view["next"][0]["screen"], "data");

    fs::remove_dir_all(&project).unwrap();
    let home = place.call("home", json!({}));
    assert_eq!(home["recent"][0]["exists"], false);
    place.refused("open_project", json!({ "folder": project }));
}

#[test]
fn folders_elsewhere_are_refused_unless_they_are_allowed() {
    let place = Place::new();
    let inside = place.create("Inside");
    let elsewhere = tempfile::tempdir().unwrap();
    prefs::store::Project::open_or_create(elsewhere.path()).unwrap();
    let outside = elsewhere.path().display().to_string();
    let around = place.projects().join("Inside/../../data").display().to_string();
    for folder in [outside.as_str(), around.as_str(), "../data", "/"] {
        assert_eq!(place.refused("open_project", json!({ "folder": folder })).code, "folder_not_allowed", "{folder}");
        assert_eq!(place.refused("pairs", page_of(folder)).code, "folder_not_allowed", "{folder}");
    }
    let new = elsewhere.path().join("new").display().to_string();
    assert_eq!(place.refused("create_project", json!({ "name": "x", "folder": new })).code, "folder_not_allowed");
    assert!(!Path::new(&new).exists());
    let model = json!({ "project": inside, "model": elsewhere.path().join("model.gguf") });
    assert_eq!(place.refused("set_model", model).code, "folder_not_allowed");

    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(elsewhere.path(), place.projects().join("link")).unwrap();
        let link = place.projects().join("link").display().to_string();
        assert_eq!(place.refused("open_project", json!({ "folder": link })).code, "folder_not_allowed");
    }

    let allowed = BackendOptions { allowed_roots: vec![elsewhere.path().to_owned()], ..settings(place.folder.path()) };
    Backend::new(allowed).unwrap().call("open_project", json!({ "folder": outside })).unwrap();
    let any = BackendOptions { may_choose_folders: true, ..settings(place.folder.path()) };
    Backend::new(any).unwrap().call("open_project", json!({ "folder": outside })).unwrap();
}

fn page_of(project: &str) -> Value {
    let query = json!({ "text": "", "source": null, "category": null, "offset": 0, "limit": 10 });
    json!({ "project": project, "query": query })
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let place = Place::new();
    assert_eq!(place.refused("erase_everything", json!({})).code, "unknown_operation");
    let error = place.refused("open_project", json!({ "folder": "x", "mode": 1 }));
    assert!(error.code == "bad_request" && error.message.contains("mode"), "{error:?}");
    assert_eq!(place.refused("cancel_job", json!({ "job": 7 })).code, "no_job");
    for upload in ["", "../recent.json", "nothing"] {
        let request = json!({ "project": place.create(&format!("p{upload}")), "upload": upload, "mapping": null });
        assert_eq!(place.refused("preview_import", request).code, "no_upload");
    }
}

#[test]
fn the_demo_has_pairs_to_train_on_and_to_judge_blind() {
    let place = Place::new();
    let view = place.call("open_demo", json!({}));
    assert_eq!(
        (&view["is_demo"], &view["counts"]["pairs"], &view["counts"]["items"]),
        (&json!(true), &json!(200), &json!(200))
    );
    assert_eq!(view["next"][0]["screen"], "train");
    assert_eq!(place.call("open_demo", json!({}))["counts"], view["counts"]);

    let project = view["folder"].as_str().unwrap();
    let state = place.call("label_state", json!({ "project": project, "annotator": "Ann", "ahead": 3 }));
    assert_eq!((&state["done"], &state["total"]), (&json!(0), &json!(200)));
    let first = &state["queue"][0];
    let judged = json!({
        "project": project, "annotator": "Ann", "item": first["item"], "showing": first["showing"],
        "verdict": "left", "milliseconds": 1200, "note": null
    });
    let state = place.call("judge", judged);
    assert_eq!(state["done"], 1);
    assert_ne!(state["queue"][0]["item"], first["item"]);
    // Another start of the program, as after a kill: the judgement is there.
    let again = Backend::new(settings(place.folder.path())).unwrap();
    let counts = &again.call("open_project", json!({ "folder": project })).unwrap()["counts"];
    assert_eq!(counts["labelled"], 1);
    let state = place.call("undo", json!({ "project": project, "annotator": "Ann" }));
    assert_eq!((&state["done"], &state["queue"][0]["item"]), (&json!(0), &first["item"]));
    assert_eq!(place.call("agreement", json!({ "project": project }))["items_shared"], 0);
}

#[test]
fn a_project_that_is_called_demo_is_not_overwritten() {
    let place = Place::new();
    let own = place.create("demo");
    assert_eq!(place.refused("open_demo", json!({})).code, "folder_not_empty");
    let view = place.call("open_project", json!({ "folder": own }));
    assert_eq!((&view["name"], &view["counts"]["pairs"]), (&json!("demo"), &json!(0)));
}

#[test]
fn pairs_and_labels_are_handed_out_each_time_anew() {
    let place = Place::new();
    let view = place.call("open_demo", json!({}));
    let project = view["folder"].as_str().unwrap();
    let asked = |what: &str| json!({ "project": project, "run": null, "evaluation": null, "what": [what] });
    let first = place.call("export", asked("pairs"));
    let path = first[0]["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 200);
    assert_ne!(place.call("export", asked("pairs"))[0]["path"], first[0]["path"]);
    let labels = place.call("export", asked("labels"));
    assert_eq!(fs::read_to_string(labels[0]["path"].as_str().unwrap()).unwrap(), "");
    assert_eq!(place.refused("export", asked("adapter")).code, "no_run");
    for name in ["../..", "nothing", ""] {
        let request = json!({ "project": project, "run": name, "evaluation": null, "what": ["adapter"] });
        assert_eq!(place.refused("export", request).code, "no_run");
        let request = json!({ "project": project, "run": null, "evaluation": name, "what": ["pairs"] });
        assert_eq!(place.refused("export", request).code, "no_evaluation");
    }
}

#[test]
fn what_a_file_leaves_open_is_asked_before_it_comes_in() {
    let place = Place::new();
    let model = place.projects().join("models/tiny");
    TinyLlama::default().write_folder(&model).unwrap();
    let template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}";
    fs::write(model.join("chat_template.jinja"), template).unwrap();
    let project = place.create("Tiny");
    place.call("set_model", json!({ "project": project, "model": model }));
    let row = |label: u8| json!({"prompt": "Name a colour.", "answer_a": format!("Red {label}."), "answer_b": "Blue.", "label": label, "by": "Ann"});
    let upload = place.send("labels.jsonl", &format!("{}\n{}\n", row(0), row(1)));
    let preview = |mapping: &Value| {
        place.call("preview_import", json!({ "project": project, "upload": upload, "mapping": mapping }))
    };
    let open = preview(&Value::Null);
    assert_eq!((&open["good"], &open["questions"][0]["key"]), (&json!(0), &json!("preference_scheme")));
    assert_eq!(open["questions"][0]["options"][0]["rows"].as_array().unwrap().len(), 2);
    let request = json!({ "project": project, "upload": upload, "mapping": open["mapping"] });
    assert!(place.refused("import", request).message.contains("which answer is meant?"));

    let mut mapping = open["mapping"].clone();
    mapping["preference_scheme"] = json!("one_is_first");
    let answered = preview(&mapping);
    assert_eq!(answered["unused"], json!([{"name": "by", "rows": 2}]));
    // Text becomes a message where the model has a template, and stands as it is where that is chosen.
    let question = &answered["questions"][1];
    assert_eq!((&question["key"], &question["preset"]), (&json!("plain_text"), &json!("as_user_message")));
    assert_eq!(answered["first"][0]["prompt"], json!([{"role": "user", "content": "Name a colour."}]));
    assert_eq!(answered["first"][0]["rendered"]["through_template"], json!(true));
    mapping["plain_text"] = json!("as_is");
    let as_is = preview(&mapping);
    assert_eq!(as_is["first"][0]["prompt"], json!("Name a colour."));
    assert_eq!(as_is["first"][0]["rendered"]["through_template"], json!(false));

    mapping["plain_text"] = Value::Null;
    let reply = place.call("import", json!({ "project": project, "upload": upload, "mapping": mapping }));
    assert_eq!((&reply["added"], &reply["unused"]), (&json!(2), &answered["unused"]));
    let pair = place.call("pair", json!({ "project": project, "id": 1 }));
    assert_eq!(pair["prompt"], answered["first"][0]["prompt"], "as it was shown");
}

#[test]
fn a_file_with_foreign_columns_is_mapped_shown_imported_and_edited() {
    let (place, project) = Place::with_model();
    let upload = place.send(
        "my data.csv",
        "instruction,better,worse,topic\nName a colour.,Red.,\"Well, colours are many.\",art\nName a bird.,Owl.,Hm.,nature\n,,,\n",
    );
    let mapping = json!({
        "kind": "pairs", "prompt": "instruction", "chosen": "better", "rejected": "worse", "answer_a": null,
        "answer_b": null, "system": null, "context": null, "category": "topic", "preference": null
    });
    let preview = place.call("preview_import", json!({ "project": project, "upload": upload, "mapping": mapping }));
    assert_eq!((&preview["good"], &preview["duplicates"]), (&json!(2), &json!(0)), "{preview}");
    let rendered = &preview["first"][0]["rendered"];
    assert!(rendered["prompt"].as_str().unwrap().contains("Name a colour."), "{preview}");
    assert!(rendered["first"].as_str().unwrap().contains("Red."), "{rendered}");
    assert!(rendered["prompt_tokens"].as_u64().unwrap() > 0);

    let news = place.backend.subscribe();
    let reply = place.call("import", json!({ "project": project, "upload": upload, "mapping": mapping }));
    assert_eq!((&reply["added"], &reply["kind"]), (&json!(2), &json!("pairs")));
    assert_eq!(news.wait(Duration::ZERO), Heard::News(News::Listening));
    assert_eq!(news.wait(Duration::ZERO), Heard::News(News::Project { project: project.clone() }));
    let again = place.call("import", json!({ "project": project, "upload": upload, "mapping": mapping }));
    assert_eq!((&again["added"], &again["duplicates"]), (&json!(0), &json!(2)));
    let mut wrong = mapping.clone();
    wrong["prompt"] = json!("question");
    let wrong = place.refused("import", json!({ "project": project, "upload": upload, "mapping": wrong }));
    assert!(wrong.code == "mapping" && wrong.message.contains("question"), "{wrong:?}");

    let page = place.call("pairs", page_of(&project));
    assert_eq!(page["total"], 2);
    let id = &page["rows"][0]["id"];
    let pair = place.call("pair", json!({ "project": project, "id": id }));
    let edited = json!({
        "project": project, "id": id, "who": "Ann", "prompt": pair["prompt"], "chosen": "Blue.", "rejected": pair["rejected"]
    });
    let edited = if pair["chosen"].is_string() {
        edited
    } else {
        let mut edited = edited;
        edited["chosen"] = json!([{ "role": "assistant", "content": "Blue." }]);
        edited
    };
    let pair = place.call("edit_pair", edited);
    assert_eq!(pair["source"], "edited");
    assert!(pair["rendered"]["first"].as_str().unwrap().contains("Blue."), "{pair}");
    let pair = place.call("remove_pair", json!({ "project": project, "id": id, "who": "Ann", "removed": true }));
    assert_eq!((&pair["source"], pair["history"].as_array().unwrap().len()), (&json!("removed"), 4));
    assert_eq!(place.call("pairs", page_of(&project))["total"], 1);
    let view = place.call("open_project", json!({ "folder": project }));
    assert_eq!((&view["counts"]["pairs"], &view["imports"][1]["source"]), (&json!(1), &json!("my data.csv")));
}

#[test]
fn a_model_answers_prompts_twice_and_the_answers_can_be_judged() {
    let (place, project) = Place::with_model();
    assert_eq!(place.import(&project, "prompts.jsonl", PROMPTS)["kind"], "prompts");
    let asked =
        |temperature: f64| json!({ "project": project, "limit": 10, "temperature": temperature, "max_new_tokens": 12 });
    assert_eq!(place.refused("generate_candidates", asked(0.0)).code, "temperature");

    let news = place.backend.subscribe();
    let job = place.call("generate_candidates", asked(1.0));
    let ended = place.job(&job["job"]);
    assert_eq!((&ended["state"], &ended["done"], &ended["total"]), (&json!("done"), &json!(2), &json!(2)), "{ended}");
    let mut answers = [0, 0];
    while let Heard::News(news) = news.wait(Duration::ZERO) {
        if let News::Answer { index, .. } = news {
            answers[index] += 1;
        }
    }
    assert!(answers.iter().all(|count| *count >= 2), "{answers:?}");

    let view = place.call("open_project", json!({ "folder": project }));
    assert_eq!((&view["counts"]["items"], &view["counts"]["items_without_answers"]), (&json!(2), &json!(0)));
    let state = place.call("label_state", json!({ "project": project, "annotator": "Ann", "ahead": 5 }));
    assert_eq!(state["queue"].as_array().unwrap().len(), 2);
    assert_ne!(state["queue"][0]["left"], state["queue"][0]["right"], "the two answers were drawn alike: {state}");
    assert_eq!(place.refused("generate_candidates", asked(1.0)).code, "no_prompts");
}

#[test]
fn a_job_that_is_stopped_keeps_what_it_has_done() {
    let (place, project) = Place::with_model();
    let prompts: Vec<String> = (0..400).map(|n| format!("{{\"prompt\":\"Count to {n}.\"}}\n")).collect();
    place.import(&project, "prompts.jsonl", &prompts.concat());
    let request = json!({ "project": project, "limit": 1000, "temperature": 1.0, "max_new_tokens": 200 });
    let news = place.backend.subscribe();
    let job = place.call("generate_candidates", request.clone());
    // Asked again while it runs, the same job answers.
    assert_eq!(place.call("generate_candidates", request)["job"], job["job"]);
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_secs(60), "no prompt was answered");
        match news.wait(Duration::from_secs(1)) {
            Heard::News(News::Job { job }) if job.done > 0 => break,
            _ => {}
        }
    }
    place.call("cancel_job", json!({ "job": job["job"] }));
    let ended = place.job(&job["job"]);
    assert_eq!((&ended["state"], &ended["error"]), (&json!("cancelled"), &Value::Null));
    let counts = &place.call("open_project", json!({ "folder": project }))["counts"];
    let open = counts["items_without_answers"].as_u64().unwrap();
    assert!(open > 0 && open < 400, "{open} of 400 are open");
}

#[test]
fn a_fault_in_a_job_is_the_end_of_that_job_alone() {
    let place = Place::new();
    let job = place.backend.start_job(super::types::JobKind::Measure, "", "A fault", |_| panic!("meant")).unwrap();
    let ended = place.job(&json!(job.job));
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("failed"), &json!("fault")));
    place.create("Still here");
}

#[test]
fn a_row_that_the_template_refuses_says_why_before_it_is_imported_and_after() {
    let place = Place::new();
    let model = place.projects().join("models/tiny");
    TinyLlama::default().write_folder(&model).unwrap();
    let template = "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('System role not \
                    supported') }}{% endif %}{{ message.content }}{% endfor %}";
    fs::write(model.join("chat_template.jinja"), template).unwrap();
    let project = place.create("Tiny");
    place.call("set_model", json!({ "project": project, "model": model }));
    let system = json!({"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "chosen": [{"role": "assistant", "content": "Hello."}], "rejected": [{"role": "assistant", "content": "Go."}]});
    let plain = json!({"prompt": "a", "chosen": "b", "rejected": "c"});
    let upload = place.send("pairs.jsonl", &format!("{system}\n{plain}\n"));
    let preview = place.call("preview_import", json!({ "project": project, "upload": upload, "mapping": null }));
    let (refused, taken) = (&preview["first"][0], &preview["first"][1]);
    assert_eq!(refused["rendered"], Value::Null);
    assert!(refused["unrendered"].as_str().unwrap().contains("System role not supported"), "{refused}");
    assert!(taken["rendered"].is_object() && taken["unrendered"].is_null(), "{taken}");

    place.call("import", json!({ "project": project, "upload": upload, "mapping": preview["mapping"] }));
    let pair = place.call("pair", json!({ "project": project, "id": 1 }));
    assert!(pair["unrendered"].as_str().unwrap().contains("System role not supported"), "{pair}");
}

/// Whether a project's news came, of all that came up to now.
fn heard(news: &super::Subscription, project: &str) -> bool {
    let mut heard = false;
    while let Heard::News(news) = news.wait(Duration::ZERO) {
        heard |= news == News::Project { project: project.to_owned() };
    }
    heard
}

#[test]
fn whatever_changes_a_number_on_a_screen_is_news() {
    let place = Place::new();
    let project = place.create("News");
    let rows: Vec<String> =
        (0..4).map(|i| format!("{{\"prompt\":\"p{i}\",\"answer_a\":\"a{i}\",\"answer_b\":\"b{i}\"}}\n")).collect();
    assert_eq!(place.import(&project, "two.jsonl", &rows.concat())["kind"], "candidates");
    // The import is seen, by whoever looks first.
    place.backend.project(&project).unwrap().was_changed();
    let news = place.backend.subscribe();
    let who = json!({ "project": project, "annotator": "Ann", "ahead": 1 });
    let state = place.call("label_state", who.clone());
    assert!(heard(&news, &project), "a new annotator");
    let state_again = place.call("label_state", who);
    assert!(state_again["queue"] == state["queue"] && !heard(&news, &project), "nothing changed");
    let shown = |state: &Value| (state["queue"][0]["item"].clone(), state["queue"][0]["showing"].clone());

    let (item, showing) = shown(&state);
    let edit = json!({ "project": project, "annotator": "Ann", "item": item, "showing": showing, "side": "left", "text": "new" });
    let (item, showing) = shown(&place.call("edit_answer", edit));
    assert!(heard(&news, &project), "an edit while labelling");
    let verdict = json!({
        "project": project, "annotator": "Ann", "item": item, "showing": showing, "verdict": "left", "milliseconds": 1,
        "note": null
    });
    place.call("judge", verdict.clone());
    assert!(heard(&news, &project), "a judgement");
    place.call("undo", json!({ "project": project, "annotator": "Ann" }));
    assert!(heard(&news, &project), "an undo");
    place.call("judge", verdict);
    place.call("second_pass", json!({ "project": project, "annotator": "Ann", "share": 1.0 }));
    assert!(heard(&news, &project), "a second pass");
    let pair = json!({ "project": project, "id": -1, "who": "Ann", "removed": true });
    place.call("remove_pair", pair);
    assert!(heard(&news, &project), "a removal");
}

#[test]
fn what_other_programs_do_in_an_open_project_is_news() {
    let place = Place::new();
    let project = place.create("Shared");
    let news = place.backend.subscribe();
    let comes = |what: &str| {
        let start = Instant::now();
        while !heard(&news, &project) {
            assert!(start.elapsed() < Duration::from_secs(10), "{what} is no news");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let mut other = prefs::store::Project::open(Path::new(&project)).unwrap();
    let file = "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}";
    other.add_import(&prefs::jsonl::read_pairs_from(file.as_bytes()).unwrap(), "by hand").unwrap();
    comes("an import by another program");
    let run = Path::new(&project).join("runs/one");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join(train::folder::CONFIG), "").unwrap();
    comes("a run that came");
    assert_eq!(place.call("open_project", json!({ "folder": project }))["counts"]["runs"], 1);
    fs::remove_dir_all(&run).unwrap();
    comes("a run that went");
    assert_eq!(place.call("open_project", json!({ "folder": project }))["counts"]["runs"], 0);
}

/// Every place that holds pairs out does it by prompt, and all of them alike: the checks, the plan, and the run itself.
#[test]
fn what_is_held_out_is_held_out_by_prompt_everywhere() {
    use super::training::start::parts;
    let (place, project) = Place::with_model();
    let row = |i: usize| {
        let prompt =
            if i.is_multiple_of(2) { format!("Question {}?", i / 3) } else { format!(" question  {}? ", i / 3) };
        json!({ "prompt": prompt, "chosen": format!("chosen {i}"), "rejected": format!("rejected {i}") }).to_string()
    };
    let rows: Vec<String> = (0..60).map(row).collect();
    place.import(&project, "rows.jsonl", &rows.join("\n"));
    let mut request: super::types::RunRequest =
        serde_json::from_value(place.call("default_settings", json!({ "project": project }))).unwrap();
    request.held_out_share = 0.3;
    let opened = place.backend.project(&project).unwrap();
    let parts = parts(&opened, &request).unwrap();
    assert_eq!((parts.train.len(), parts.held_out.len()), (42, 18));
    let leaked = prefs::checks::leaked_prompts(&parts.train, parts.held_out.iter().map(|pair| &pair.prompt));
    assert_eq!(leaked, [] as [usize; 0]);
    let seed = request.settings.seed;
    let checked = place.call("check_pairs", json!({ "project": project, "held_out_share": 0.3, "seed": seed }));
    assert_eq!((&checked["pairs"], &checked["held_out"]), (&json!(42), &json!(18)));
    let codes: Vec<&str> =
        checked["findings"].as_array().unwrap().iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains(&"same_prompt") && !codes.contains(&"prompt_leak"), "{codes:?}");
    let plan = place.call("plan_run", json!({ "request": request, "theme": "light" }));
    assert_eq!(plan["held_out"], 18);
}

#[test]
fn the_pairs_of_a_finding_are_listed_left_out_and_put_back() {
    let (place, project) = Place::with_model();
    let row = |prompt: &str, chosen: &str| {
        json!({ "prompt": prompt, "chosen": chosen, "rejected": "No, it is not." }).to_string()
    };
    let rows = [row("One?", "Yes."), row("Two?", ""), row("Three?", "Surely."), row("Four?", " ")];
    place.import(&project, "rows.jsonl", &rows.join("\n"));
    let look_at = |most: usize| {
        let tokens = json!({ "model": place.projects().join("models").join("tiny"), "max_length": most,
            "max_prompt_length": null, "truncation": "keep_start" });
        place.call("check_pairs", json!({ "project": project, "held_out_share": 0, "seed": 1, "tokens": tokens }))
    };
    let look = || look_at(1024);
    let found = |checked: &Value, code: &str| {
        checked["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code).cloned()
    };
    assert!((8..80).any(|most| found(&look_at(most), "cut_one_side").is_some()), "answers are of different lengths");
    let first = look();
    assert_eq!(look()["check"], first["check"], "nothing has changed");
    assert_eq!(found(&first, "empty_chosen").unwrap()["count"], 2);
    assert_eq!(found(&first, "cut_one_side"), None, "nothing is that long");
    let of = json!({ "check": first["check"], "code": "empty_chosen" });
    let list = |query: Value| place.call("pairs", json!({ "project": project, "query": query, "finding": of }));
    let ids = |page: &Value| -> Vec<i64> {
        page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    let all = json!({ "text": "", "source": null, "category": null, "offset": 0, "limit": 10 });
    assert_eq!(ids(&list(all.clone())), [2, 4]);
    assert_eq!(ids(&list(json!({ "text": "FOUR", "source": null, "category": null, "offset": 0, "limit": 10 }))), [4]);

    let leave = |out: bool| {
        let request =
            json!({ "project": project, "check": first["check"], "code": "empty_chosen", "who": "Ada", "out": out });
        place.call("leave_out", request)
    };
    place.call("remove_pair", json!({ "project": project, "id": 4, "who": "Ada", "removed": true }));
    assert_eq!(leave(true)["left_out"], 1, "4 was out before");
    assert_eq!(found(&look(), "empty_chosen"), None);
    assert_eq!(ids(&list(all)), [2, 4], "they are still listed, as removed");
    assert_eq!(leave(false)["left_out"], 0);
    assert_eq!(found(&look(), "empty_chosen").unwrap()["count"], 1, "4 stays out");
    let gone = json!({ "project": project, "check": 99, "code": "empty_chosen" });
    assert_eq!(place.refused("finding", gone).code, "finding_gone");
}
