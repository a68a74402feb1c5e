//! The queue and sweeps of a project on the command line: the same records, checks and words as in the window.

use end_to_end::{Finished, Settings, golden, golden_pairs, told_as_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A project with the pairs of the golden set, and a cache of its own beside it.
struct Place {
    folder: TempDir,
}

impl Drop for Place {
    /// A test that fails leaves no run behind.
    fn drop(&mut self) {
        for run in std::fs::read_dir(self.project().join("runs")).into_iter().flatten().flatten() {
            let _ = std::fs::write(run.path().join("stop"), "");
        }
    }
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let mut import = told_as_json(place.folder.path(), "import");
        let _ = Finished::run(import.arg(golden_pairs()).arg("--project").arg(place.project())).well();
        place
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn run(&self, name: &str) -> PathBuf {
        self.project().join("runs").join(name)
    }

    fn said(&self, command: &str, arguments: &[&str]) -> Finished {
        let mut program = told_as_json(self.folder.path(), command);
        Finished::run(program.args(arguments).arg("--project").arg(self.project()))
    }

    /// The last line of the reply.
    fn reply(&self, command: &str, arguments: &[&str]) -> Value {
        self.said(command, arguments).well().json().pop().expect("a reply")
    }

    /// A settings file of a run in the project.
    fn settings(&self, name: &str, steps: &str) -> String {
        let folder = self.folder.path().join(format!("settings-{name}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let settings = Settings::new(&folder).set("max_steps", steps).path("output_dir", &self.run(name));
        settings.write().display().to_string()
    }
}

fn waiting(view: &Value) -> Vec<&str> {
    let waiting = view["waiting"].as_array().expect("those that wait");
    waiting.iter().filter_map(|run| run["run"].as_str()).collect()
}

fn events(run: &Path, kind: &str) -> usize {
    let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains(&format!("\"type\":\"{kind}\""))).count()
}

#[test]
fn runs_are_added_moved_and_taken_out_and_the_queue_is_run_until_it_is_empty() {
    let place = Place::new();
    let long = place.settings("long", "100000");
    let begun = place.reply("queue", &["add", &long]);
    assert_eq!((&begun["run"], &begun["place"]), (&json!("long"), &Value::Null), "there was room");
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let queued = place.reply("queue", &["add", &place.settings(name, "4")]);
        assert_eq!((&queued["type"], &queued["place"]), (&json!("queued"), &json!(at + 1)));
    }
    let view = place.reply("queue", &["list"]);
    assert_eq!(waiting(&view), ["a", "b", "c"]);
    assert_eq!(view["waiting"][0]["why"], "waits for long");
    assert_eq!(waiting(&place.reply("queue", &["move", "c", "1"])), ["c", "a", "b"]);
    assert_eq!(waiting(&place.reply("queue", &["remove", "a"])), ["c", "b"]);
    let _ = place.said("queue", &["remove", "a"]).refused(&["no run \"a\" waits in this project", "These wait: c, b."]);
    let _ = place.said("queue", &["add", "b"]).refused(&["waits in the queue already"]);
    let _ = place.said("queue", &["at-most", "0"]).refused(&["0 runs cannot train at once"]);
    assert_eq!(events(&place.run("b"), "run_started"), 0, "it waits");

    std::fs::write(place.run("long").join("stop"), "").expect("a request to stop");
    let ran = place.said("queue", &["run"]).well();
    assert!(ran.stderr.contains("c trains") || ran.stderr.contains("c has ended"), "{}", ran.stderr);
    let view = ran.json().pop().expect("a reply");
    assert_eq!((waiting(&view), &view["training"], &view["failed"]), (vec![], &json!([]), &json!([])));
    for name in ["b", "c"] {
        assert_eq!((events(&place.run(name), "run_started"), events(&place.run(name), "finished")), (1, 1), "{name}");
    }
    assert_eq!(events(&place.run("a"), "run_started"), 0, "it was taken out");

    // One that was stopped is put in again by its name, one with other settings is refused.
    assert_eq!(place.reply("queue", &["add", "a"])["run"], "a");
    let _ = place.said("queue", &["run"]).well();
    assert_eq!(events(&place.run("a"), "finished"), 1);
    let _ = place.said("queue", &["add", "a"]).refused(&["the run a is finished"]);
    let _ = place.said("queue", &["add", "never"]).refused(&["there is no run \"never\" in this project"]);
    let _ = place.said("queue", &["add", &place.settings("b", "4")]).refused(&["the run b is there already"]);
}

#[test]
fn a_run_that_lies_elsewhere_is_refused_and_one_that_fails_is_named() {
    let place = Place::new();
    let settings = Settings::new(place.folder.path()).write().display().to_string();
    let _ = place.said("queue", &["add", &settings]).refused(&["is no folder in", "set output_dir so"]);
    let broken = place.folder.path().join("broken");
    std::fs::create_dir_all(&broken).expect("a folder");
    let broken = Settings::new(&broken).set("learning_rate", "1e18").set("max_grad_norm", "0.0");
    let broken = broken.path("output_dir", &place.run("broken")).write().display().to_string();
    let long = place.settings("long", "100000");
    let _ = place.reply("queue", &["add", &long]);
    let _ = place.reply("queue", &["add", &broken]);
    let _ = place.reply("queue", &["add", &place.settings("sound", "4")]);
    std::fs::write(place.run("long").join("stop"), "").expect("a request to stop");
    let ran = place.said("queue", &["run"]).refused(&["1 run did not end well: broken", "tiebreak queue add"]);
    assert!(
        ran.json().iter().any(|line| line["type"] == "queue" && line["failed"][0]["run"] == "broken"),
        "{}",
        ran.stdout
    );
    assert_eq!(events(&place.run("sound"), "finished"), 1, "the queue went on");
}

#[test]
fn a_sweep_is_shown_before_it_starts_and_its_outcomes_have_intervals() {
    let place = Place::new();
    let settings = place.settings("unused", "6");
    let model = golden("llama").display().to_string();
    let said = |more: &[&str]| {
        let all = ["start", "--name", "Rates", "--config", &settings, "--held-out", "0.3"];
        place.said("sweep", &[&all[..], more].concat())
    };
    let planned = said(&["--vary", "learning_rate=1e-5,1e-3", "--vary", "lora.r=2,4", "--dry-run"]).well();
    assert!(planned.stderr.contains("these are not used: output_dir, data"), "{}", planned.stderr);
    let plan = planned.json().pop().expect("a plan");
    let names: Vec<&str> =
        plan["runs"].as_array().into_iter().flatten().filter_map(|run| run["name"].as_str()).collect();
    assert_eq!((names.len(), names[0]), (4, "Rates: learning_rate 1e-5, r 2"));
    assert!(!place.project().join("sweeps").exists(), "nothing is written");
    let _ = said(&["--vary", "learning_rate=-1,1e-3"]).refused(&["no run can have learning_rate -1"]);
    let _ = said(&["--range", "beta=0.1..0.2", "--vary", "lora.r=2,4", "--random", "3", "--stop", "median:2"])
        .refused(&["the median rule"]);
    let _ = place.said("sweep", &["show"]).refused(&["this project has no sweeps"]);

    let drawn = ["--range", "learning_rate=1e-5..1e-3:log", "--vary", "lora.r=2,4", "--random", "3", "--seed", "5"];
    let twice = [said(&[&drawn[..], &["--dry-run"]].concat()), said(&[&drawn[..], &["--dry-run"]].concat())];
    let twice = twice.map(|finished| finished.well().json().pop().map(|plan| plan["runs"].clone()));
    assert_eq!(twice[0], twice[1], "the same seed draws the same");

    let started = said(&["--vary", "learning_rate=1e-5,1e-3", "--model", &model]).well();
    assert_eq!(started.json().pop().expect("a reply")["type"], "sweep_started");
    let _ = place.said("queue", &["run"]).well();
    let view = place.reply("sweep", &["show"]);
    let rows = view["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row["state"], "finished");
        let accuracy = &row["outcomes"][0];
        let ends = [&accuracy["interval"][0], &accuracy["interval"][1]].map(|end| end.as_f64().expect("an end"));
        assert!(ends[0] < ends[1] && accuracy["of"].as_u64() > Some(0), "{accuracy}");
        assert_eq!(row["outcomes"][2], Value::Null, "nothing was evaluated");
    }
    let mut words = end_to_end::tiebreak();
    words.env("TIEBREAK_CACHE", place.folder.path().join("cache")).args(["sweep", "show", "rates", "--project"]);
    let words = Finished::run(words.arg(place.project())).well().stdout;
    for expected in ["run", "learning_rate", "held-out accuracy by reward", "0.001", "finished", " % (", "told apart"] {
        assert!(words.contains(expected), "`{expected}` is not in:\n{words}");
    }
    assert_eq!(place.reply("sweep", &["list"])["sweeps"][0]["sweep"], "rates");
}
