//! A process killed in the middle of labelling loses no judgement that was acknowledged.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use prefs::mapping::guess;
use prefs::store::{Judging, Project, Verdict};
use prefs::table::Table;

/// Set for the child: the project folder it labels in until it is killed.
const CHILD: &str = "TIEBREAK_TEST_LABEL_UNTIL_KILLED";

const ITEMS: usize = 5000;

fn label_until_killed(folder: &Path) {
    let mut project = Project::open(folder).unwrap();
    for number in 0.. {
        let state = project.label_state("Ada", 3).unwrap();
        let next = &state.queue[0];
        let verdict = [Verdict::Left, Verdict::RightMuch, Verdict::TieGood, Verdict::Skip][number % 4];
        let judging = Judging {
            annotator: "Ada".to_owned(),
            item: next.item,
            showing: next.showing,
            verdict,
            milliseconds: number as u64,
            note: Some(format!("note {number}")),
        };
        project.judge(&judging).unwrap();
        println!("acknowledged {} {} {}", next.item, next.showing, verdict.name());
        if number % 10 == 9 {
            let item = project.undo("Ada").unwrap().unwrap();
            println!("undone {item}");
        }
    }
}

#[test]
fn a_killed_process_loses_no_acknowledged_judgement() {
    if let Some(folder) = std::env::var_os(CHILD) {
        label_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..ITEMS).map(|i| format!("p{i},first {i},second {i}\n")).collect();
    let text = format!("prompt,response_a,response_b\n{}", rows.concat());
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    project.import_table(&table, &guess(&table), "items.csv").unwrap();
    drop(project);

    let (mut judged, mut undone) = (0, 0);
    for delay in [0, 3, 7, 12, 20, 35, 60, 100] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_process_loses_no_acknowledged_judgement", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = vec![lines.by_ref().map_while(Result::ok).find(|line| line.contains("acknowledged")).unwrap()];
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        // What the child had printed before it was killed is still in the pipe.
        said.extend(lines.map_while(Result::ok));
        child.wait().unwrap();

        let mut project = Project::open(folder.path()).unwrap();
        let rows = project.judgements().unwrap();
        let fresh = &rows[judged..];
        let acknowledged: Vec<&str> = said.iter().filter_map(|line| line.split("acknowledged ").nth(1)).collect();
        // The last line may be torn, and one judgement may be on disk that was not said any more.
        let whole: Vec<&&str> = acknowledged.iter().filter(|line| line.split(' ').count() == 3).collect();
        assert!(fresh.len() >= whole.len(), "killed after {delay} ms: {} of {}", fresh.len(), whole.len());
        assert!(fresh.len() <= acknowledged.len() + 1);
        for (row, line) in fresh.iter().zip(&whole[..whole.len() - 1]) {
            let mut words = line.split(' ');
            assert_eq!(words.next(), Some(row.item.to_string().as_str()));
            assert_eq!(words.nth(1), Some(row.verdict.name()));
        }
        judged = rows.len();
        let taken_back = rows.iter().filter(|row| row.undone.is_some()).count();
        let said_undone = said.iter().filter(|line| line.starts_with("undone ")).count();
        assert!(taken_back >= undone + said_undone.saturating_sub(1));
        undone = taken_back;
        let state = project.label_state("Ada", 3).unwrap();
        let standing = rows.iter().filter(|row| row.undone.is_none() && row.verdict != Verdict::Skip).count();
        assert_eq!((state.done, state.total), (standing, ITEMS), "what the screen says is what is on disk");
    }
    assert!(judged > 8, "something was judged before a kill");
}
