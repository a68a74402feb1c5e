//! What must not be held in memory as a whole: columns of one JSON object, and rows of one prompt that lie far apart. Alone in
//! its process, so that the peak is its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use prefs::mapping::guess;
use prefs::store::Project;
use prefs::table::Table;

/// The most that this process may ever take, in MiB. Held whole, the files would take twice as much and more.
const MOST: u64 = 300;

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn written(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    write(&mut file).and_then(|()| file.flush()).unwrap();
    std::fs::metadata(path).unwrap().len() >> 20
}

#[test]
fn large_files_are_read_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::open_or_create(folder.path()).unwrap();
    let words = "some words of it ".repeat(15);

    let rows = 180_000;
    let path = folder.path().join("columns.json");
    let size = written(&path, |file| {
        for (at, name) in ["prompt", "chosen", "rejected"].into_iter().enumerate() {
            write!(file, "{}\"{name}\":{{", if at == 0 { "{" } else { "}," })?;
            for row in 0..rows {
                write!(file, "{}\"{row}\":\"{name} {row} {words}\"", if row == 0 { "" } else { "," })?;
            }
        }
        file.write_all(b"}}")
    });
    let begun = Instant::now();
    let table = Table::read(&path).unwrap();
    let mut count = 0;
    table.each_row(|_| {
        count += 1;
        ControlFlow::Continue(())
    });
    table.failure().unwrap();
    assert_eq!((table.row_count, count), (rows, rows));
    println!("an object of columns, {size} MiB: {:.1?}, peak {} MiB", begun.elapsed(), peak());
    assert!(peak() < MOST, "{} MiB", peak());
    drop(table);

    let prompts = 200_000;
    let path = folder.path().join("far.jsonl");
    let size = written(&path, |file| {
        for label in [true, false] {
            for row in 0..prompts {
                let answer = format!("{label} {row} {words}{words}");
                writeln!(file, r#"{{"prompt": "prompt {row}", "completion": "{answer}", "label": {label}}}"#)?;
            }
        }
        Ok(())
    });
    let begun = Instant::now();
    let table = Table::read(&path).unwrap();
    let would = project.preview_table(&table, &guess(&table), "again.jsonl", 3).unwrap();
    assert_eq!((would.added, would.single_labels, would.refused_count), (prompts, 0, 0));
    println!("two answers to a prompt far apart, {size} MiB: {:.1?}, peak {} MiB", begun.elapsed(), peak());
    assert!(peak() < MOST, "{} MiB", peak());
}
