//! What the window does from pairs to a win rate, by the back end alone: plan, measure, train in a process of its own,
//! stop, resume, be killed, evaluate, judge, export.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use api::window::{Backend, BackendOptions, Heard};
use api::{Context, Error};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Started for a run, this very program is the one that trains: then this test is the only one that its arguments name.
#[test]
fn worker() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) != Some("worker") {
        return;
    }
    let stop = AtomicBool::new(false);
    let allowed = arguments.iter().any(|argument| argument == api::ALLOW_CHANGED_BASE);
    let result = api::work(Path::new(&arguments[2]), allowed, &mut Context { observer: &mut |_| {}, stop: &stop });
    if let Err(error) = result {
        writeln!(std::io::stderr(), "{error}").unwrap();
        std::process::exit(1);
    }
}

struct Place {
    backend: Backend,
    project: String,
    model: PathBuf,
    folder: tempfile::TempDir,
}

fn settings(folder: &Path, data: &str) -> BackendOptions {
    BackendOptions {
        data_folder: folder.join(data),
        projects_folder: folder.join("projects"),
        may_choose_folders: true,
        allowed_roots: Vec::new(),
        model_folders: Vec::new(),
        program: folder.join("program"),
        device: testkit::device_name().parse().unwrap(),
    }
}

impl Place {
    fn new(pairs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        testkit::TinyLlama::default().write_folder(&model).unwrap();
        let program = folder.path().join("program");
        let (own, cache) = (std::env::current_exe().unwrap(), folder.path().join("cache"));
        let script = format!(
            "#!/bin/sh
TIEBREAK_CACHE='{}' exec '{}' \"$@\"
",
            cache.display(),
            own.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let backend = Backend::new(settings(folder.path(), "data")).unwrap();
        let project = backend.call("create_project", json!({"name": "Test", "folder": null})).unwrap();
        let project = project["folder"].as_str().unwrap().to_owned();
        backend.call("set_model", json!({"project": project, "model": model})).unwrap();
        let file = folder.path().join("pairs.jsonl");
        prefs::jsonl::write_pairs(&file, &testkit::pairs(pairs, 1)).unwrap();
        let reading = prefs::jsonl::read_pairs(&file).unwrap();
        let mut store = prefs::store::Project::open(Path::new(&project)).unwrap();
        store.add_import(&reading, "pairs.jsonl").unwrap();
        Self { backend, project, model, folder }
    }

    fn ask(&self, operation: &str, request: &Value) -> Result<Value, Error> {
        let mut all = json!({"project": self.project});
        all.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        self.backend.call(operation, all)
    }

    fn call(&self, operation: &str, request: &Value) -> Value {
        self.ask(operation, request).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// What asks for a run by its request alone.
    fn with_request(&self, operation: &str, request: &Value) -> Result<Value, Error> {
        self.backend.call(operation, json!({"request": request}))
    }

    fn plan(&self, request: &Value) -> Value {
        self.backend.call("plan_run", json!({"request": request, "theme": "light"})).unwrap()
    }

    /// A short run's request.
    fn request(&self, steps: u64) -> Value {
        let mut request = self.call("default_settings", &json!({}));
        request["held_out_share"] = json!(0.25);
        request["settings"]["sample_prompts"] = json!(2);
        let settings = &mut request["settings"];
        for (key, value) in [
            ("max_steps", json!(steps)),
            ("per_device_train_batch_size", json!(2)),
            ("learning_rate", json!(1e-2)),
            ("eval_steps", json!(3)),
            ("save_steps", json!(2)),
        ] {
            settings[key] = value;
        }
        settings["lora"]["r"] = json!(2);
        request
    }

    /// Asks for a run until it is as `wanted`.
    fn until(&self, run: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let view = self.call("run", &json!({"run": run}));
            if wanted(&view) {
                return view;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{what}: {view:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn job_done(&self, job: &Value) -> Value {
        let began = Instant::now();
        loop {
            let jobs = self.backend.call("jobs", json!({})).unwrap();
            let found = jobs.as_array().unwrap().iter().find(|other| other["job"] == job["job"]).unwrap().clone();
            match found["state"].as_str().unwrap() {
                "done" => return found,
                "running" => assert!(began.elapsed() < Duration::from_secs(120), "{found:#}"),
                _ => panic!("{found:#}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn state(view: &Value) -> &str {
    view["summary"]["state"].as_str().unwrap()
}

fn step(view: &Value) -> u64 {
    view["summary"]["step"].as_u64().unwrap()
}

fn is_run_news(heard: &Heard) -> bool {
    matches!(heard, Heard::News(news) if serde_json::to_value(news).unwrap()["type"] == "run")
}

/// The process that trains in a folder.
#[cfg(target_os = "linux")]
fn process_of(folder: &str) -> u32 {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut training = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        arguments.contains(&&b"worker"[..]) && arguments.contains(&folder.as_bytes())
    });
    training.next().unwrap()
}

#[test]
fn from_pairs_to_a_win_rate_and_out() {
    let place = Place::new(24);
    let listener = place.backend.subscribe();
    let request = place.request(6);
    assert_eq!(request["name"], "Run 1");

    let plan = place.plan(&request);
    assert_eq!(plan["problems"], json!([]), "{plan:#}");
    assert_eq!((&plan["pairs"], &plan["held_out"], &plan["steps"]), (&json!(18), &json!(6), &json!(6)));
    assert_eq!((&plan["fits"], &plan["seconds_estimate"]), (&json!(true), &Value::Null));
    assert!(plan["memory_needed"].as_u64().unwrap() > 64 << 20 && plan["tokens_per_step"].as_f64().unwrap() > 50.0);
    assert_eq!(plan["histogram"]["axes"]["series"][0]["name"], "prompt and longer answer");
    place.job_done(&place.with_request("measure_run", &request).unwrap());
    let plan = place.plan(&request);
    assert!(plan["seconds_estimate"].as_f64().unwrap() > 0.0, "{plan:#}");
    assert_eq!(std::fs::read_dir(place.folder.path().join("data/measure")).unwrap().count(), 0, "nothing is left over");

    let begun = place.with_request("start_run", &request).unwrap();
    assert!(["running", "finished"].contains(&state(&begun)), "{begun:#}");
    let run = begun["summary"]["run"].as_str().unwrap();
    assert_eq!(run, "run-1");
    let done = place.until(run, "the run does not finish", |view| state(view) == "finished");
    assert_eq!((step(&done), &done["error"]), (6, &Value::Null));
    assert_eq!(done["settings"]["beta"], json!(0.1));
    assert_eq!(done["summary"]["model"], json!(place.model));
    assert!(done["summary"]["held_out_accuracy_interval"][1].is_number() && done["now"]["margin"].is_number());
    let samples = done["samples"].as_array().unwrap().iter().map(|set| set["step"].as_u64().unwrap());
    assert_eq!(samples.collect::<Vec<_>>(), [0, 3, 6]);
    let began = Instant::now();
    let told = std::iter::repeat_with(|| listener.wait(Duration::from_millis(200)));
    let told = told.take_while(|_| began.elapsed() < Duration::from_secs(10)).any(|heard| is_run_news(&heard));
    assert!(told, "the page was told of the run");

    let names = json!(["loss", "rewards", "margins", "accuracy", "grad_norm", "learning_rate", "lengths"]);
    let figures = place
        .call("run_figures", &json!({"runs": [run], "figures": names, "theme": "dark", "width": 600, "height": 300}));
    assert_eq!(figures.as_array().unwrap().len(), 7);
    assert!(figures.as_array().unwrap().iter().all(|figure| figure["svg"].as_str().unwrap().starts_with("<svg")));
    assert_eq!(place.call("runs", &json!({}))[0]["state"], "finished");
    assert_eq!(place.ask("resume_run", &json!({"run": run})).unwrap_err().code, "not_resumable");
    assert_eq!(place.ask("run", &json!({"run": "../runs/run-1"})).unwrap_err().code, "no_run");

    evaluate_and_export(&place, run);
}

fn evaluate_and_export(place: &Place, run: &str) {
    let start = |judge: Value| {
        let request = json!({
            "project": place.project, "run": run, "judge": judge, "prompts": "held_out", "max_prompts": 5,
            "temperature": 0.0, "max_new_tokens": 12, "seed": 3,
        });
        place.with_request("start_evaluation", &request)
    };
    assert_eq!(start(json!({"kind": "rule", "rule": "nicer"})).unwrap_err().code, "evaluation");
    place.job_done(&start(json!({"kind": "rule", "rule": "shorter"})).unwrap());
    let all = place.call("evaluations", &json!({}));
    assert_eq!((all[0]["state"].as_str(), all[0]["answered"].as_u64()), (Some("done"), Some(5)), "{all:#}");
    let name = all[0]["evaluation"].as_str().unwrap();
    let view = place.call("evaluation", &json!({"evaluation": name, "theme": "light"}));
    assert_eq!((&view["auto"]["no_verdict"], &view["human"]), (&json!(0), &Value::Null), "{view:#}");
    let rows: Vec<&Value> = view["accuracy"]["rows"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(rows, ["rewards/accuracies", "logps_accuracy", "logps_accuracy_per_token"]);
    assert!(view["accuracy"]["pairs"] == 6 && view["figure"]["svg"].as_str().unwrap().starts_with("<svg"));

    // Somebody judges blind, takes one back, and judges it again.
    let person = json!({"evaluation": name, "annotator": "ann"});
    let mut item = place.call("blind_item", &person);
    // Where both answers are the same, nobody is asked.
    let asked = view["summary"]["waiting"].as_u64().unwrap();
    assert!((3..=5).contains(&asked), "{asked} of 5 pairs of answers differ");
    for done in 0..asked {
        assert_eq!((item["done"].as_u64(), item["can_undo"].as_bool()), (Some(done), Some(done > 0)), "{item:#}");
        assert!(item.get("base").is_none() && item.get("tuned").is_none());
        let judged = json!({
            "evaluation": name, "annotator": "ann", "id": item["id"], "verdict": "left", "milliseconds": 900,
        });
        let mut next = place.call("judge_blind", &judged);
        if done == 2 {
            let again = place.call("undo_blind", &person);
            assert_eq!((&again["id"], &again["left"]), (&item["id"], &item["left"]));
            next = place.call("judge_blind", &judged);
        }
        item = next;
    }
    assert_eq!(item, Value::Null, "all are judged");
    let view = place.call("evaluation", &json!({"evaluation": name, "theme": "dark"}));
    let count = |key: &str| view["human"][key].as_u64().unwrap();
    assert_eq!((count("wins") + count("losses"), view["both"]["items"].as_u64()), (asked, Some(asked)), "{view:#}");
    assert_eq!((count("ties"), count("no_verdict")), (5 - asked, 0), "{view:#}");
    let items = |filter: &str, offset: usize, limit: usize| {
        place.call("eval_items", &json!({"evaluation": name, "filter": filter, "offset": offset, "limit": limit}))
    };
    assert_eq!(items("all", 3, 10)["rows"].as_array().unwrap().len(), 2);
    let sum: u64 = ["tuned", "base", "tie", "none"].iter().map(|f| items(f, 0, 9)["total"].as_u64().unwrap()).sum();
    assert_eq!(sum, 5);
    let alike = asked - items("disagree", 0, 9)["total"].as_u64().unwrap();
    assert!((view["both"]["percent"].as_f64().unwrap() - alike as f64 / asked as f64).abs() < 1e-9);

    // The same run for people alone: nothing is judged until they do.
    place.job_done(&start(json!({"kind": "human"})).unwrap());
    let all = place.call("evaluations", &json!({}));
    let people = all.as_array().unwrap().iter().find(|one| one["evaluation"] != name).unwrap();
    assert_eq!((&people["state"], &people["judged"]), (&json!("judging"), &json!(0)), "{people:#}");
    let nowhere = place.ask("resume_evaluation", &json!({"evaluation": "nowhere"}));
    assert_eq!(nowhere.unwrap_err().code, "no_evaluation");
    place.job_done(&place.call("resume_evaluation", &json!({"evaluation": name})));

    let what = json!(["adapter", "pairs", "report", "labels"]);
    let handed = place.call("export", &json!({"run": run, "evaluation": name, "what": what}));
    let handed = handed.as_array().unwrap();
    // Pairs go out as two files.
    assert_eq!(handed.len(), 5);
    for one in handed {
        let path = Path::new(one["path"].as_str().unwrap());
        assert!(path.exists() && path.starts_with(&place.project), "{one}");
        assert!(!one["load"].as_str().unwrap().is_empty());
    }
    // What people said is in what is exported, for readers and for programs.
    let report = handed.iter().find(|one| one["what"] == "report").unwrap();
    let report = Path::new(report["path"].as_str().unwrap());
    let html = std::fs::read_to_string(report).unwrap();
    assert!(html.contains("<h2>Verdicts of people</h2>") && html.contains("with both, the judge and people agree on"));
    assert!(html.contains(&format!("ann: {asked} judged.")), "who judged is not told");
    let json: Value =
        serde_json::from_slice(&std::fs::read(report.with_file_name("evaluation.json")).unwrap()).unwrap();
    assert_eq!(json["people"]["with_judge"]["percent"], view["both"]["percent"]);
    assert_eq!(json["people"]["with_judge"]["kappa"], view["both"]["kappa"]);
    assert_eq!(json["people"]["verdicts"].as_array().unwrap().len() as u64, asked);
    assert_eq!(json["accuracy"]["pairs"], 6);
    export_merged(place, run);

    let of_people = json!({"run": null, "evaluation": people["evaluation"], "what": ["report"]});
    let page = place.call("export", &of_people)[0]["path"].as_str().map(PathBuf::from).unwrap();
    assert!(page.is_file() && page.extension().is_some_and(|extension| extension == "html"));
}

fn export_merged(place: &Place, run: &str) {
    let exports = Path::new(&place.project).join("exports");
    let count = || std::fs::read_dir(&exports).unwrap().count();
    let before = count();
    let job = place.call("export_merged", &json!({"run": run, "dtype": "bf16"}));
    assert_eq!((&job["kind"], &job["exported"]), (&json!("merge"), &Value::Null));
    let done = place.job_done(&job);
    let exported = &done["exported"];
    assert_eq!(exported["what"], "merged", "{done:#}");
    let path = Path::new(exported["path"].as_str().unwrap());
    assert!(
        path.starts_with(&exports) && path.join("model.safetensors").is_file() && path.join("config.json").is_file()
    );
    assert!(exported["check"].as_str().unwrap().contains("4 held-out pairs"), "{exported}");
    assert!(exported["load"].as_str().unwrap().contains("vllm serve"), "{exported}");
    assert_eq!(count(), before + 1);

    // The page may show it after it was opened again; the model that is trained on is loaded anew.
    let again = place.call("export_merged", &json!({"run": run, "dtype": "f32"}));
    assert_eq!(place.job_done(&again)["state"], "done");

    // What a killed program left goes away; a job that is stopped, as soon as this one is, leaves nothing.
    std::fs::create_dir_all(exports.join("killed/merged.partial")).unwrap();
    std::fs::write(exports.join("killed/merged.partial/model.safetensors"), "half").unwrap();
    let before = count();
    let job = place.call("export_merged", &json!({"run": run, "dtype": "f16"}));
    place.backend.call("cancel_job", json!({"job": job["job"]})).unwrap();
    let began = Instant::now();
    let ended = loop {
        let jobs = place.backend.call("jobs", json!({})).unwrap();
        let ended = jobs.as_array().unwrap().iter().find(|other| other["job"] == job["job"]).unwrap().clone();
        if ended["state"] != "running" {
            break ended;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{ended:#}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let made = usize::from(ended["state"] == "done");
    assert!(made == 1 || ended["state"] == "cancelled" && ended["exported"] == Value::Null, "{ended:#}");
    assert_eq!(count(), before - 1 + made, "{ended:#}");
    assert_eq!(place.ask("export_merged", &json!({"run": "../..", "dtype": "f16"})).unwrap_err().code, "no_run");
    assert_eq!(place.ask("export_merged", &json!({"run": run, "dtype": "q4"})).unwrap_err().code, "bad_request");
}

#[test]
fn a_run_is_stopped_gone_on_with_and_found_where_it_was_killed() {
    let place = Place::new(24);
    let begun = place.with_request("start_run", &place.request(100_000)).unwrap();
    let run = begun["summary"]["run"].as_str().unwrap();
    let folder = begun["folder"].as_str().unwrap();
    let named = json!({"run": run});
    place.until(run, "no step", |view| step(view) >= 3 && state(view) == "running");
    place.call("stop_run", &json!({"run": run, "pause": true}));
    let paused = place.until(run, "does not pause", |view| state(view) == "paused");
    assert_eq!((&paused["error"], &paused["summary"]["has_adapter"]), (&Value::Null, &json!(true)));
    place.call("resume_run", &named);
    let resumed = place.until(run, "does not go on", |view| step(view) > step(&paused) + 2 && state(view) == "running");
    assert_eq!(resumed["summary"]["has_adapter"], false, "the adapter of an earlier step is not this run's");
    assert_eq!(place.ask("resume_run", &named).unwrap_err().code, "not_resumable");

    #[cfg(target_os = "linux")]
    {
        let killed = std::process::Command::new("kill").arg("-9").arg(process_of(folder).to_string()).status();
        assert!(killed.unwrap().success());
        let view = place.until(run, "is not seen to be dead", |view| state(view) == "interrupted");
        let (message, hint) = (view["error"]["message"].as_str().unwrap(), view["error"]["hint"].as_str().unwrap());
        assert!(message.contains("memory ran out") && hint.contains("goes on after step"), "{message} {hint}");
        place.call("resume_run", &named);
        // A step beyond that: the process has the run's folder, which others see.
        place.until(run, "does not go on after a kill", |now| state(now) == "running" && step(now) > step(&view));
    }
    // A window that opens now finds it going on, although it did not start it.
    let other = Backend::new(settings(place.folder.path(), "other")).unwrap();
    let listener = other.subscribe();
    other.call("open_project", json!({"folder": place.project})).unwrap();
    assert_eq!(other.call("runs", json!({"project": place.project})).unwrap()[0]["state"], "running");
    let began = Instant::now();
    while !is_run_news(&listener.wait(Duration::from_secs(1))) {
        assert!(began.elapsed() < Duration::from_secs(60), "no news of the run");
    }
    other.call("stop_run", json!({"project": place.project, "run": run, "pause": false})).unwrap();
    place.until(run, "does not stop", |view| state(view) == "stopped");
    let kept = place.call("export", &json!({"run": run, "evaluation": null, "what": ["adapter"]}));
    assert!(Path::new(kept[0]["path"].as_str().unwrap()).join("adapter_model.safetensors").is_file());
    let log = Path::new(folder).join("worker.log");
    let began = Instant::now();
    while !std::fs::read_to_string(&log).unwrap().contains("as asked") {
        assert!(began.elapsed() < Duration::from_secs(20), "the process does not say why it ended");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_cannot_be_trained_is_said_before_and_when_asked() {
    let place = Place::new(24);
    let mut request = place.request(6);
    request["settings"]["beta"] = json!(0.0);
    request["held_out_share"] = json!(1.5);
    let plan = place.plan(&request);
    let problems = plan["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0]["message"].as_str().unwrap().contains("beta is 0"));
    let error = place.with_request("start_run", &request).unwrap_err();
    assert!(error.message.contains("held_out_share"), "{error:?}");
    request["held_out_share"] = json!(0.2);
    let error = place.with_request("start_run", &request).unwrap_err();
    assert!(error.message.contains("beta is 0") && !error.hint.is_empty(), "{error:?}");
    assert_eq!(place.call("runs", &json!({})), json!([]), "what was refused leaves nothing");

    // A learning rate that breaks the loss: explained, with a remedy.
    let mut request = place.request(40);
    request["settings"]["learning_rate"] = json!(1e30);
    request["settings"]["max_grad_norm"] = json!(0.0);
    request["settings"]["lr_scheduler_type"] = json!("constant");
    let begun = place.with_request("start_run", &request).unwrap();
    let run = begun["summary"]["run"].as_str().unwrap();
    let failed = place.until(run, "does not fail", |view| state(view) == "failed");
    assert!(failed["error"]["code"].as_str().unwrap().starts_with("non_finite"), "{failed:#}");
    assert_eq!(failed["findings"][0]["code"], "loss_not_finite");
    assert!(failed["findings"][0]["remedy"]["settings"]["learning_rate"].as_f64().unwrap() < 1e30);

    // A short max_length cuts: the plan says which pairs.
    let mut request = place.request(6);
    let whole = place.plan(&request);
    assert_eq!(whole["cut_pairs"], json!([]));
    assert_eq!((&whole["limits_say"], &request["settings"]["truncation"]), (&json!([]), &json!("prompt_left")));
    request["settings"]["max_length"] = json!(50);
    let plan = place.plan(&request);
    let count = |key: &str| plan[key].as_u64().unwrap();
    let cut = count("dropped") + count("cut_prompts");
    assert!(cut > 0 && plan["cut_pairs"].as_array().unwrap().len() as u64 == cut, "{plan:#}");
    assert!(count("cut_answers") == 0 && !plan["limits_say"].as_array().unwrap().is_empty(), "{plan:#}");
    // Or no run begins: the plan says so, and so does who starts it all the same.
    request["settings"]["truncation"] = json!("refuse");
    let plan = place.plan(&request);
    assert_eq!(plan["problems"][0]["code"], "too_long", "{plan:#}");
    assert_eq!(place.with_request("start_run", &request).unwrap_err().code, "too_long");
    request["settings"]["truncation"] = json!("keep_start");
    let plan = place.plan(&request);
    assert!(plan["cut_answers"].as_u64().unwrap() > 0 && plan["problems"] == json!([]), "{plan:#}");
}

/// Every setting that a run can have beside those of the tests above, from the page to the win rate: the first run stands
/// for supervised fine-tuning, the second goes on from it.
#[test]
fn a_run_goes_on_from_the_adapter_of_another_and_is_compared_with_that() {
    let place = Place::new(24);
    let first = place.with_request("start_run", &place.request(4)).unwrap();
    let tuned = Path::new(first["folder"].as_str().unwrap()).join("adapter");
    place.until(first["summary"]["run"].as_str().unwrap(), "does not finish", |view| state(view) == "finished");

    let mut request = place.request(6);
    for (key, value) in [
        ("ref_adapter", json!(tuned)),
        ("load_best_model_at_end", json!(true)),
        ("f_divergence_type", json!("js_divergence")),
        ("ld_alpha", json!(0.5)),
        ("use_weighting", json!(true)),
    ] {
        request["settings"][key] = value;
    }
    request["settings"]["lora"]["rank_pattern"] = json!({"q_proj": 4});
    assert_eq!(place.plan(&request)["problems"], json!([]));
    let begun = place.with_request("start_run", &request).unwrap();
    let run = begun["summary"]["run"].as_str().unwrap();
    let done = place.until(run, "does not finish", |view| state(view) == "finished");
    assert!(done["selection"].as_str().unwrap().contains("the best by eval_rewards/accuracies"), "{done:#}");
    for key in ["f_divergence_type", "ld_alpha", "use_weighting", "lora", "load_best_model_at_end"] {
        assert_eq!(done["settings"][key], request["settings"][key], "a duplicate has {key}");
    }
    let adapter = Path::new(done["folder"].as_str().unwrap()).join("adapter");
    let weights = |folder: &Path| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert!(weights(&adapter.join("ref")) == weights(&tuned));

    // What answers as the base is the model with the first run's adapter.
    let score = |adapter: &Path| {
        let choice = api::ModelChoice {
            model: place.model.clone(),
            adapter: Some(adapter.to_path_buf()),
            device: testkit::device_name().parse().unwrap(),
            dtype: model::BaseDtype::F32,
            products: model::Products::F32,
            allow_changed_base: false,
        };
        let limits = train::RunConfig::default().settings.limits();
        let pairs = place.folder.path().join("pairs.jsonl");
        let request = api::ScoreRequest { choice, pairs, choices: api::Choices::new(), limits };
        let stop = AtomicBool::new(false);
        api::score(&request, &mut Context { observer: &mut |_| {}, stop: &stop }).unwrap().scores
    };
    let (before, after) = (score(&tuned), score(&adapter));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.logps.chosen_logps.to_bits(), after.logps.reference_chosen_logps.to_bits());
        assert!(before.logps.reference_chosen_logps.to_bits() != after.logps.reference_chosen_logps.to_bits());
    }
    let merged = place.call("export_merged", &json!({"run": run, "dtype": "f32"}));
    place.job_done(&merged);
    let exported = place.call("export", &json!({"run": run, "evaluation": null, "what": ["adapter"]}));
    let exported = Path::new(exported[0]["path"].as_str().unwrap()).to_path_buf();
    assert!(weights(&exported.join("ref")) == weights(&tuned) && exported.join("origin.json").is_file());

    // What is no adapter, or matches nothing, is said before anything is begun.
    request["settings"]["ref_adapter"] = json!(place.folder.path().join("nothing"));
    assert_eq!(place.plan(&request)["problems"].as_array().unwrap().len(), 1);
    request["settings"]["ref_adapter"] = json!(null);
    request["settings"]["lora"]["rank_pattern"] = json!({"c_attn": 4});
    let plan = place.backend.call("plan_run", json!({"request": request, "theme": "light"}));
    assert!(plan.unwrap_err().message.contains("c_attn"));
}
