//! A process killed in the middle of an import leaves the whole of it or nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use prefs::jsonl::{Reading, read_pairs_from};
use prefs::store::Project;

/// Set for the child: the project folder it imports into until it is killed.
const CHILD: &str = "TIEBREAK_TEST_IMPORT_UNTIL_KILLED";

/// Pairs per import: enough for the write to take tens of milliseconds.
const PAIRS: usize = 1000;

fn batch(number: usize) -> Reading {
    let row = |i: usize| format!(r#"{{"prompt": "{number}-{i}", "chosen": "{}", "rejected": "b"}}"#, "a".repeat(200));
    let mut lines: Vec<String> = (0..PAIRS).map(row).collect();
    lines.push("refused".to_owned());
    read_pairs_from(lines.join("\n").as_bytes()).unwrap()
}

fn import_until_killed(folder: &Path) {
    let mut project = Project::open_or_create(folder).unwrap();
    for number in project.imports().unwrap().len().. {
        let reading = batch(number);
        println!("importing");
        project.add_import(&reading, &number.to_string()).unwrap();
    }
}

#[test]
fn a_killed_import_is_there_as_a_whole_or_not_at_all() {
    if let Some(folder) = std::env::var_os(CHILD) {
        import_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for delay in [0, 2, 5, 9, 14, 20, 27, 35, 60, 110] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_import_is_there_as_a_whole_or_not_at_all", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept open until the kill: a child that cannot print would end by itself.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("importing")), "the child got to work");
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);

        let project = Project::open(folder.path()).unwrap();
        let imports = project.imports().unwrap();
        assert!(imports.len() >= seen, "an import that was done has gone");
        seen = imports.len();
        assert_eq!(project.count().unwrap(), seen * PAIRS, "killed after {delay} ms");
        for import in &imports {
            assert_eq!((import.added, import.refused), (PAIRS, 1));
            assert_eq!(project.refused(import.id).unwrap().len(), 1);
        }
        let stored = project.pairs().map(|stored| stored.unwrap());
        assert!(stored.enumerate().all(|(at, stored)| stored.import as usize == at / PAIRS + 1));
    }
    assert!(seen > 0, "some import was finished before a kill");
}
