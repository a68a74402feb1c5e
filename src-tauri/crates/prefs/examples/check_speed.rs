//! How long the checks take and what memory they need, by the number of pairs:
//! `cargo run -p prefs --example check_speed`.

use std::time::Instant;

use prefs::Pair;
use prefs::checks::{Code, check};

/// The most memory that this process has had, in MB, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// A pair of about 1.4 kB. Every 50th prompt comes again with other answers, every 100th nearly, every 1000th pair is turned.
fn pair(row: usize) -> Pair {
    const WORDS: [&str; 32] = [
        "the", "of", "and", "to", "that", "is", "with", "you", "time", "year", "people", "way", "day", "thing", "life",
        "child", "world", "school", "state", "family", "student", "group", "country", "problem", "hand", "part",
        "place", "case", "week", "company", "system", "program",
    ];
    let text = |seed: usize, words: usize| {
        let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let mut text = String::with_capacity(words * 6);
        for _ in 0..words {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(WORDS[(state >> 59) as usize]);
            text.push(' ');
        }
        text
    };
    let (prompt, turned) = match row % 1000 {
        999 => (row - 1, true),
        at if at % 50 == 49 => (row - 1, false),
        _ => (row, false),
    };
    let mut asked = text(prompt * 3, 60);
    if row % 100 == 97 {
        asked = format!("{} and", text((row - 1) * 3, 60));
    }
    let seed = if turned { row - 1 } else { row };
    let (chosen, rejected) = (text(seed * 3 + 1, 60 + seed % 60), text(seed * 3 + 2, 60 + seed % 40));
    let (chosen, rejected) = if turned { (rejected, chosen) } else { (chosen, rejected) };
    Pair {
        prompt: asked.as_str().into(),
        chosen: chosen.as_str().into(),
        rejected: rejected.as_str().into(),
        category: None,
    }
}

fn main() {
    // No more than so many, where it is named.
    let most = std::env::var("TIEBREAK_MOST_PAIRS").ok().and_then(|most| most.parse().ok()).unwrap_or(1_000_000);
    for count in [10_000, 100_000, 300_000, 1_000_000].into_iter().filter(|count| *count <= most) {
        let pairs: Vec<Pair> = (0..count).map(pair).collect();
        let before = peak();
        let start = Instant::now();
        let checks = check(&pairs, None);
        let seconds = start.elapsed().as_secs_f64();
        let rows = |code: Code| checks.finding(code).map_or(0, |finding| finding.rows.len());
        println!("{count} pairs: {seconds:.1} s, peak {:?} MB, of which the pairs {before:?} MB", peak());
        for finding in &checks.findings {
            println!("  {}: {}", finding.code.name(), finding.rows.len());
        }
        assert_eq!(rows(Code::Contradiction), count / 1000 * 2);
        assert_eq!(rows(Code::SamePrompt), count / 50);
        assert_eq!(rows(Code::NearPrompt), count / 100);
    }
}
