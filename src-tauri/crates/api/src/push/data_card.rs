//! The card of a project's pairs: how many there are, where they are from, and what the columns hold.

use super::card::{Card, MADE_WITH, plain};
use crate::export::WrittenSingles;
use prefs::Content;
use prefs::store::{ExportedPair, ExportedPairs, PairVotes, SingleKind};
use prefs::words::counted;
use std::collections::{BTreeMap, BTreeSet};

/// The text of the card.
pub(super) fn write(
    repo: &str,
    licence: Option<&str>,
    pairs: &ExportedPairs,
    has_parquet: bool,
    singles: &[WrittenSingles],
) -> String {
    let name = repo.rsplit('/').next().unwrap_or(repo);
    let mut card = Card::new(name);
    if let Some(licence) = licence {
        card.key("license", licence);
    }
    card.list("task_categories", &["text-generation"]);
    card.list("tags", &["dpo", "preference", "tiebreak"]);
    let all = &pairs.pairs;
    // Both files hold the same pairs: without this they would be read as twice as many.
    let ending = if has_parquet { "parquet" } else { "jsonl" };
    let mut splits = vec![("train", "pairs", false), ("test", "held_out_pairs", true)];
    splits.retain(|(.., is_held_out)| all.iter().any(|pair| pair.held_out == *is_held_out));
    card.header("configs:\n");
    if !all.is_empty() {
        card.header("- config_name: default\n  data_files:\n");
        for (split, name, _) in &splits {
            card.header(&format!("  - split: {split}\n    path: {name}.{ending}\n"));
        }
    }
    for name in singles.iter().map(WrittenSingles::name) {
        card.header(&format!("- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}.jsonl\n"));
    }

    if all.is_empty() {
        card.paragraph(&format!("Answers to prompts, from {MADE_WITH}."));
    } else {
        card.paragraph(&format!(
            "{}, each with a prompt, a chosen and a rejected answer, from {MADE_WITH}.",
            counted(all.len(), "preference pair", "preference pairs")
        ));
        card.items(counts(pairs));
    }
    for written in singles {
        card.paragraph(&format!(
            "{} in `{}.jsonl`, in TRL's columns: {}.",
            counted(written.count, written.what().trim_end_matches('s'), written.what()),
            written.name(),
            if written.kind == SingleKind::Demonstrations {
                "`prompt` and `completion`"
            } else {
                "`prompt`, `completion` and `label` (whether the answer is good)"
            }
        ));
    }

    card.section("How to load it");
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut code = vec!["from datasets import load_dataset\n".to_owned()];
    for (split, name, _) in &splits {
        code.push(format!("{name} = load_dataset({}, split=\"{split}\")", text(repo)));
    }
    for config in singles.iter().map(WrittenSingles::name) {
        code.push(format!("{config} = load_dataset({}, {}, split=\"train\")", text(repo), text(config)));
    }
    card.code("python", &code.join("\n"));
    if !all.is_empty() {
        card.paragraph(if has_parquet {
            "The files that end in `.jsonl` hold the same as those that end in `.parquet`."
        } else {
            "The pairs are JSON Lines."
        });
        if splits.iter().any(|(.., is_held_out)| *is_held_out) {
            card.paragraph(
                "The pairs of the split `test` are held out: they are there to measure by, and not to train on.",
            );
        }
        card.section("Columns of the pairs");
        card.table(&["column", "meaning"], &columns(all));
    }

    card.section("Licence");
    card.paragraph(&licence.map_or_else(|| "None is named.".to_owned(), |licence| format!("{}.", plain(licence))));
    card.finish()
}

fn counts(pairs: &ExportedPairs) -> Vec<String> {
    let all = &pairs.pairs;
    let mut items = Vec::new();
    let (mut sources, mut files, mut categories) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for ExportedPair { sourced, import_file, .. } in all {
        *sources.entry(sourced.source.name()).or_insert(0_usize) += 1;
        *files.entry(import_file.as_deref().unwrap_or("")).or_insert(0_usize) += 1;
        *categories.entry(sourced.pair.category.as_deref().unwrap_or("")).or_insert(0_usize) += 1;
    }
    let listed = |counts: &BTreeMap<&str, usize>, none: &str| {
        let each = counts.iter().map(|(name, count)| {
            let name = if name.is_empty() { none.to_owned() } else { plain(name) };
            format!("{name} {count}")
        });
        each.collect::<Vec<_>>().join(", ")
    };
    items.push(format!("by origin: {}", listed(&sources, "unknown")));
    items.push(format!("by file that they were imported from: {}", listed(&files, "none")));
    if categories.keys().any(|name| !name.is_empty()) {
        items.push(format!("by category: {}", listed(&categories, "none")));
    }
    let conversations = all.iter().filter(|pair| pair.sourced.pair.is_conversational()).count();
    items.push(format!("{conversations} are messages, {} plain text", all.len() - conversations));

    let judgements: Vec<_> = all.iter().flat_map(|pair| &pair.judgements).collect();
    let annotators: BTreeSet<&str> = judgements.iter().map(|judgement| judgement.annotator.as_str()).collect();
    if judgements.is_empty() {
        items.push("no judgements of annotators stand beside them".to_owned());
    } else {
        let votes = all.iter().map(ExportedPair::votes).fold(PairVotes::default(), |sum, votes| PairVotes {
            chosen: sum.chosen + votes.chosen,
            rejected: sum.rejected + votes.rejected,
            tie: sum.tie + votes.tie,
        });
        let named = if pairs.has_annotator_names { "named" } else { "numbered, not named" };
        items.push(format!(
            "{} of {}, who are {named}; votes for the chosen answer {}, for the rejected one {}, for neither {}",
            counted(judgements.len(), "judgement", "judgements"),
            counted(annotators.len(), "annotator", "annotators"),
            votes.chosen,
            votes.rejected,
            votes.tie
        ));
        let notes = judgements.iter().filter(|judgement| judgement.note.is_some()).count();
        if notes > 0 {
            items.push(format!("{} with a note, as it was written", counted(notes, "judgement", "judgements")));
        }
    }
    if pairs.judgements_left_out > 0 {
        items.push(format!(
            "{} stand beside no pair and are not here: their items give none, or their texts were changed since",
            counted(pairs.judgements_left_out, "judgement", "judgements")
        ));
    }
    items
}

/// The columns that the files have.
fn columns(pairs: &[ExportedPair]) -> Vec<Vec<String>> {
    let of_messages = |beside: fn(&prefs::Conversation) -> bool| {
        pairs.iter().any(|pair| matches!(&pair.sourced.pair.prompt, Content::Messages(said) if beside(said)))
    };
    let always = [
        ("prompt", "what was asked: a text, or messages with `role` and `content`"),
        ("chosen", "the better answer, in the same form"),
        ("rejected", "the worse answer, in the same form"),
    ];
    let sometimes = [
        (of_messages(|said| !said.tools.is_empty()), "tools", "tools that the model may call, as JSON in a text"),
        (
            of_messages(|said| !said.chat_template_kwargs.is_empty()),
            "chat_template_kwargs",
            "arguments of the chat template",
        ),
        (pairs.iter().any(|pair| pair.sourced.pair.category.is_some()), "category", "a label of the project's own"),
    ];
    let beside = [
        ("id", "the pair's number in the project; below 0 for one that was made by labelling"),
        ("origin", "`imported`, `labelled` or `edited`"),
        ("import_file", "the name of the file that it was imported from"),
        ("import_line", "its line there, from 1"),
        ("import_row", "its number there, from 1, where several rows may stand on one line"),
        ("votes_chosen", "annotators who found the chosen answer better"),
        ("votes_rejected", "annotators who found the rejected answer better"),
        ("votes_tie", "annotators who found neither better"),
        ("judgements", "every judgement of these texts, as JSON in a text: annotator, verdict, side, time, note"),
    ];
    let there = sometimes.into_iter().filter(|(there, ..)| *there).map(|(_, name, meaning)| (name, meaning));
    let all = always.into_iter().chain(there).chain(beside);
    // The tables' cells are escaped, and these hold Markdown of their own.
    all.map(|(name, meaning)| vec![name.to_owned(), meaning.replace('`', "")]).collect()
}
