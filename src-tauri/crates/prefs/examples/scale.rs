//! How long a project takes for its work and what memory that needs, by the number of pairs:
//! `cargo run -p prefs --example scale -- FOLDER 100000 300000 1000000` prints the table of docs/scale.md. Each step is a process
//! of its own, so that its memory is its own.
#![allow(missing_docs)]

#[path = "../tests/many_rows/mod.rs"]
mod many_rows;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use many_rows::write_rows;
use prefs::checks::check;
use prefs::store::{Judging, PairQuery, Project, Verdict};
use prefs::{jsonl, mapping, reader, split};

const STEPS: [(&str, &str); 10] = [
    ("write", "write the file"),
    ("preview", "preview of the import"),
    ("import", "import"),
    ("check", "checks"),
    ("split", "split by prompt"),
    ("open", "open, first page and counts"),
    ("read", "read the texts to search in"),
    ("search", "search, once they are read"),
    ("label", "first item to label, a verdict and the next item"),
    ("export", "export"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [folder, step, rows] if STEPS.iter().any(|(name, _)| name == step) => {
            run(Path::new(folder), step, rows.parse()?)
        }
        [folder, counts @ ..] if !counts.is_empty() => {
            println!("| pairs | step | seconds | peak memory in MB |\n|---|---|---|---|");
            for rows in counts {
                let own = Path::new(folder).join(rows);
                std::fs::create_dir_all(&own)?;
                for (step, what) in STEPS {
                    let status = Command::new(std::env::current_exe()?).arg(&own).args([step, rows]).output()?;
                    let said = String::from_utf8_lossy(&status.stdout).trim().to_owned();
                    if !status.status.success() {
                        return Err(format!("{step}: {}", String::from_utf8_lossy(&status.stderr)).into());
                    }
                    println!("| {rows} | {what} | {said} |");
                }
                std::fs::remove_dir_all(&own)?;
            }
            Ok(())
        }
        _ => Err("say a folder and how many pairs".into()),
    }
}

fn run(folder: &Path, step: &str, rows: usize) -> Result<(), Box<dyn Error>> {
    let (file, project) = (folder.join("pairs.jsonl"), folder.join("project"));
    let mut begun = Instant::now();
    match step {
        "write" => write_rows(&file, rows, ["chosen", "rejected"])?,
        "preview" => {
            let opened = reader::open(&file, &reader::Choices::new(), &|| true)?;
            let would = Project::open_or_create(&folder.join("empty"))?.preview_table(
                &opened.table,
                &opened.mapping,
                "again.jsonl",
                20,
            )?;
            assert_eq!(would.added, rows);
        }
        "import" => {
            let table = prefs::table::Table::read(&file)?;
            let mapping = mapping::guess(&table);
            let brought = Project::open_or_create(&project)?.import_table(&table, &mapping, "pairs.jsonl")?;
            assert_eq!(brought.added, rows);
        }
        "check" => {
            let pairs: Vec<_> = Project::open(&project)?.training_pairs()?.into_iter().map(|it| it.pair).collect();
            check(&pairs, None);
        }
        "split" => {
            let pairs: Vec<_> = Project::open(&project)?.training_pairs()?.into_iter().map(|it| it.pair).collect();
            split::held_out(&pairs, 0.1, 1);
        }
        "open" => {
            let project = Project::open(&project)?;
            assert_eq!(project.page(&query(""))?.total, rows);
            project.counts()?;
        }
        "read" => Project::open(&project)?.prepare_search()?,
        "search" => {
            let project = Project::open(&project)?;
            project.prepare_search()?;
            begun = Instant::now();
            assert!(project.page(&query("gradient margin"))?.total > 0);
        }
        "label" => {
            let mut project = Project::open(&project)?;
            project.add_items_from_pairs(&(1..=1000).collect::<Vec<i64>>())?;
            let next = project.label_state("Ada", 5)?.queue[0].clone();
            project.judge(&Judging {
                annotator: "Ada".to_owned(),
                item: next.item,
                showing: next.showing,
                verdict: Verdict::Left,
                milliseconds: 1000,
                note: None,
            })?;
            project.label_state("Ada", 5)?;
        }
        _ => {
            let pairs: Vec<_> = Project::open(&project)?.training_pairs()?.into_iter().map(|it| it.pair).collect();
            jsonl::write_pairs(&folder.join("out.jsonl"), &pairs)?;
        }
    }
    println!(
        "{:.1} | {}",
        begun.elapsed().as_secs_f64(),
        peak().map_or_else(|| "?".to_owned(), |peak| peak.to_string())
    );
    Ok(())
}

fn query(text: &str) -> PairQuery {
    PairQuery { text: text.to_owned(), limit: 50, ..PairQuery::default() }
}

/// The most memory that this process has had, in MB, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
