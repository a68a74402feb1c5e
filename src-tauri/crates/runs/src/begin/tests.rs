use super::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use train::events::{self, Event, EventWriter};

/// A project with prepared runs, a machine, and a program that writes down each run that it is started for.
struct Place {
    folder: TempDir,
    machine: Machine,
    program: PathBuf,
    workers: Workers,
}

impl Place {
    fn with(runs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let pairs = at.join("pairs.jsonl");
        std::fs::write(&pairs, "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n").unwrap();
        for run in runs {
            let data = train::config::DataConfig { train: pairs.clone(), ..Default::default() };
            let output_dir = at.join(RUNS).join(run);
            let config = train::RunConfig { model: at.join("model"), output_dir, data, ..train::RunConfig::default() };
            crate::prepare(&config).unwrap();
        }
        let program = at.join("program");
        std::fs::write(&program, "#!/bin/sh\necho \"${2##*/}\" >> \"$(dirname \"$0\")/begun\"\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let machine = Machine::at(&at.join("training"));
        Self { folder, machine, program, workers: Workers::default() }
    }

    fn project(&self) -> &Path {
        self.folder.path()
    }

    fn program(&self, available: u64) -> Program<'_> {
        Program {
            path: &self.program,
            workers: &self.workers,
            available: Some(available),
            cores: 2,
            ready: &|_| Ok(()),
        }
    }

    fn add(&self, run: &str) {
        Queue::change(self.project(), |queue| queue.add(Waiting::now(run, None, false))).unwrap();
    }

    /// Every start of the program, in its order.
    fn begun(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.project().join("begun")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn fails(&self, run: &str) {
        let mut events = EventWriter::open(&self.project().join(RUNS).join(run).join(events::FILE)).unwrap();
        events
            .append(&Event::Failed { code: "disk".into(), message: "no room left".into(), hint: String::new() })
            .unwrap();
    }
}

#[test]
fn a_run_waits_for_memory_and_begins_beside_others_once_there_is_enough() {
    let place = Place::with(&["large"]);
    Queue::change(place.project(), |queue| queue.at_most = 3).unwrap();
    // So large that what the process of this test has in memory, which counts as taken, does not matter.
    let tera = |number: u64| number << 40;
    let _small = place.machine.enter(Path::new("/elsewhere/small"), Some(tera(1))).unwrap();
    let other = place.machine.enter(Path::new("/elsewhere/other"), Some(tera(5))).unwrap();
    let run = Waiting::now("large", Some(tera(4)), false);
    let began = begin(&place.machine, place.project(), run, false, place.program(tera(8))).unwrap();
    assert_eq!(began, Began::Waits);
    let training = training_beside(&place.machine, place.project()).unwrap();
    let why = Queue::read(place.project()).unwrap().why(0, &training, Some(tera(8)));
    let Some(Wait::Memory { needed, left }) = why else { panic!("it waits for {why:?}") };
    assert!(needed == tera(4) && (tera(2)..tera(3)).contains(&left), "{needed} {left}");
    let go_on = || begin_waiting(&place.machine, place.project(), place.program(tera(8))).unwrap();
    assert_eq!((go_on(), place.begun().len()), (0, 0));
    drop(other);
    assert_eq!((go_on(), place.begun()), (1, vec!["large".to_owned()]));
}

#[test]
fn programs_that_begin_runs_at_once_begin_each_once_and_lose_none() {
    let names: Vec<String> = (0..12).map(|at| format!("r{at:02}")).collect();
    let place = Place::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for run in &names {
        place.add(run);
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let workers = Workers::default();
                while !Queue::read(place.project()).unwrap().waiting.is_empty() {
                    let program = Program { workers: &workers, ..place.program(1) };
                    begin_waiting(&place.machine, place.project(), program).unwrap();
                }
            });
        }
    });
    assert_eq!(place.begun(), names);
}

#[test]
fn a_run_that_failed_before_its_start_was_noted_is_not_begun_again() {
    let place = Place::with(&["failed", "again", "next"]);
    // This one failed before somebody put it into the queue, to try again.
    place.fails("again");
    for run in ["failed", "again", "next"] {
        place.add(run);
    }
    // A program was killed after it had started this one, which then failed.
    place.fails("failed");
    assert_eq!(begin_waiting(&place.machine, place.project(), place.program(1)).unwrap(), 2);
    assert_eq!(place.begun(), ["again", "next"]);
    let queue = Queue::read(place.project()).unwrap();
    assert!(queue.waiting.is_empty() && queue.knows("failed"), "{queue:?}");
}

#[test]
fn a_record_of_an_earlier_version_is_gone_on_with() {
    let place = Place::with(&["old"]);
    place.fails("old");
    let record = serde_json::json!({
        "project": place.project(), "at_most": 1, "begun": [],
        "waiting": [{ "run": "old", "since": 1, "memory_needed": null, "allow_changed_base": false }],
    });
    std::fs::write(place.project().join("queue.json"), record.to_string()).unwrap();
    assert_eq!(begin_waiting(&place.machine, place.project(), place.program(1)).unwrap(), 1);
    assert_eq!(place.begun(), ["old"]);
}
