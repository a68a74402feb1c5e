//! What is held out is asked nowhere in training: in the split that every part of the program uses, and in the demo's files.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;
use std::path::Path;

use prefs::checks::{Code, check};
use prefs::jsonl::read_pairs;
use prefs::split::{held_out, split};

#[test]
fn the_demo_holds_out_by_prompt() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/demo");
    let read = |file: &str| read_pairs(&demo.join(file)).unwrap().into_pairs();
    let (train, eval) = (read("pairs.jsonl"), read("held_out_pairs.jsonl"));
    assert!(!train.is_empty() && !eval.is_empty());
    let checks = check(&train, Some(&eval));
    for code in [Code::PromptLeak, Code::NearPromptLeak] {
        assert_eq!(checks.finding(code), None);
    }
}

/// Nothing but `prefs::split` divides pairs: whoever holds pairs out calls it, and it divides by prompt.
#[test]
fn a_split_keeps_the_pairs_of_a_prompt_together() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/demo");
    let mut pairs = read_pairs(&demo.join("pairs.jsonl")).unwrap().into_pairs();
    // Each prompt with three answers more, written otherwise.
    for again in 1..4 {
        let more: Vec<_> = pairs
            .iter()
            .take(pairs.len() / again)
            .map(|pair| {
                let mut pair = pair.clone();
                pair.chosen = format!("answer {again}").as_str().into();
                pair.rejected = "no".into();
                if let Some(text) = pair.prompt.as_text() {
                    pair.prompt = format!("  {}\n", text.to_uppercase()).as_str().into();
                }
                pair
            })
            .collect();
        pairs.extend(more);
    }
    for (share, seed) in [(0.1, 0), (0.1, 1), (0.5, 2), (0.9, 3)] {
        let (train, eval) = split(&pairs, share, seed);
        assert!(!train.is_empty() && !eval.is_empty());
        assert_eq!(check(&train, Some(&eval)).finding(Code::PromptLeak), None, "{share} {seed}");
        let out = held_out(&pairs, share, seed);
        assert_eq!(out.iter().filter(|out| **out).count(), eval.len());
        let held: HashSet<_> = pairs.iter().zip(&out).filter(|(_, out)| **out).map(|(pair, _)| pair).collect();
        assert_eq!(held, eval.iter().collect());
    }
}
