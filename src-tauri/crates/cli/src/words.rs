//! Replies in words, as they are printed without `--json`.

use api::{
    CheckReply, Content, DemoReply, EvalReply, Exported, ImportKind, ImportReply, PairScore, Place, PreviewRow,
    ScoreReply, Severity, Suspect, SuspectsReply, TrainReply,
    words::{counted, pairs},
};
use std::fmt::Write;

/// Lines of a finding that are printed one by one; `--json` lists more.
const MOST_SHOWN: usize = 10;

pub(crate) fn imported(file: &ImportReply) -> String {
    let kind = match file.kind {
        ImportKind::Pairs => "pairs",
        ImportKind::Candidates => "items to label",
        ImportKind::Prompts => "prompts",
        ImportKind::Demonstrations => "demonstrations",
    };
    let is_mixed = file.single_labels + file.to_label > 0;
    let mut words = format!(
        "{}: read as {}\n  {} rows, {}{} {}, {} known already, {} refused; {}",
        file.file.display(),
        file.how,
        file.rows,
        file.added,
        if is_mixed { String::new() } else { format!(" {kind}") },
        if file.dry_run { "would be added" } else { "added" },
        file.duplicates,
        file.refused_count,
        match file.total {
            Some(held) => format!("the project holds {}", pairs(held)),
            None => "nothing was brought in".to_owned(),
        }
    );
    if file.to_label > 0 {
        let _ = write!(
            words,
            "\n  {} of the new rows say that neither answer is better: they are to be labelled",
            file.to_label
        );
    }
    if file.single_labels > 0 {
        let _ = write!(
            words,
            "\n  {} of the new rows are single labels: they are kept, and part of no pair",
            file.single_labels
        );
    }
    for notice in &file.notices {
        let _ = write!(words, "\n  {notice}");
    }
    for refused in &file.refused {
        let _ = write!(words, "\n  {}: {}", refused.place, refused.reason);
    }
    if file.refused_count > file.refused.len() {
        let _ = write!(words, "\n  and {} more that were refused", file.refused_count - file.refused.len());
    }
    file.first.iter().for_each(|row| shown(&mut words, row));
    words
}

/// A row as it would come in: as the model sees it, or its parts.
fn shown(words: &mut String, row: &PreviewRow) {
    let category = row.category.as_ref().map_or_else(String::new, |category| format!(" (category {category})"));
    let _ = write!(words, "\n\n{}{category}", row.place);
    let answer = match row.label {
        None => "answer",
        Some(true) => "answer, labelled good",
        Some(false) => "answer, labelled bad",
    };
    let mut part = |name: &str, text: &str| {
        let indented = text.replace('\n', "\n    ");
        let _ = write!(words, "\n  {name}:\n    {indented}");
    };
    let said = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        Content::Messages(said) => {
            let lines: Vec<String> =
                said.messages.iter().map(|message| format!("{}: {}", message.role, message.shown())).collect();
            lines.join("\n")
        }
    };
    if let Some(seen) = &row.rendered {
        part(&format!("prompt, {} tokens", seen.prompt_tokens), &seen.prompt);
        let (first, second) = if row.second.is_some() { ("chosen", "rejected") } else { (answer, "") };
        part(&format!("{first}, {} tokens", seen.first_tokens), &seen.first);
        if row.second.is_some() {
            part(&format!("{second}, {} tokens", seen.second_tokens), &seen.second);
        }
    } else {
        part("prompt", &said(&row.prompt));
        let first = if row.second.is_some() { "first" } else { answer };
        row.first.iter().for_each(|content| part(first, &said(content)));
        row.second.iter().for_each(|content| part("second", &said(content)));
    }
    if let Some(reason) = &row.unrendered {
        let _ = write!(words, "\n  the model cannot read it: {reason}");
    }
}

pub(crate) fn checked(reply: &CheckReply) -> String {
    let mut words = format!("{}, {} refused", pairs(reply.checks.pairs), counted(reply.refused.len(), "row", "rows"));
    for refused in &reply.refused {
        let _ = write!(words, "\n  {}: {}", refused.place, refused.reason);
    }
    for finding in &reply.checks.findings {
        let _ = write!(
            words,
            "\n  {} ({}): {} {}",
            finding.code.name(),
            severity(finding.severity),
            finding.message,
            finding.remedy
        );
        for shown in finding.shown.iter().take(MOST_SHOWN) {
            let _ = write!(words, "\n    {}", shown.place);
            let other = shown.other_line.map(|line| Place { line, row: shown.other_row });
            let _ = match (other, shown.jaccard) {
                (Some(other), Some(jaccard)) => write!(words, ", like {other}: {jaccard:.2}"),
                (Some(other), None) => write!(words, ", with {other}"),
                (None, Some(jaccard)) => write!(words, ": {jaccard:.2}"),
                (None, None) => Ok(()),
            };
            if let Some(note) = &shown.note {
                let _ = write!(words, ": {note}");
            }
        }
        if finding.count > MOST_SHOWN {
            let _ = write!(words, "\n    and {} more", finding.count - MOST_SHOWN);
        }
    }
    words += &within_the_limits(reply);
    if let Some(left_out) = &reply.left_out {
        let each: Vec<String> =
            left_out.by_finding.iter().map(|by| format!("{} {}", by.code.name(), by.pairs)).collect();
        let _ = write!(
            words,
            "\n{} left out ({}), {} written to {}",
            pairs(left_out.left_out),
            each.join(", "),
            left_out.written,
            left_out.output.display()
        );
    }
    words
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "to know",
    }
}

/// What the limits of a model do, where one was given.
fn within_the_limits(reply: &CheckReply) -> String {
    let mut words = String::new();
    let Some(tokens) = &reply.tokens else { return words };
    let _ = write!(
        words,
        "\n  within the limits: {} used, {} left out as too long, {} prompts cut, {} answers cut",
        tokens.pairs - tokens.identical,
        tokens.dropped,
        tokens.cut_prompts,
        tokens.cut_answers
    );
    for sentence in &reply.limits_say {
        let _ = write!(words, "\n  {sentence}");
    }
    if tokens.identical > 0 {
        let _ = write!(
            words,
            "\n  {} two answers of the same tokens once they are rendered and cut; training leaves them out",
            counted(tokens.identical, "pair has", "pairs have")
        );
    }
    if let Some(text) = &reply.broken_boundary {
        let _ = write!(
            words,
            "\n  in {} the prompt ends otherwise before an answer than alone: {text:?} is left out of training, as \
             TRL does",
            pairs(tokens.broken_boundaries)
        );
    }
    for sentence in &reply.odd {
        let _ = write!(words, "\n  {sentence}");
    }
    for bin in &reply.lengths {
        let _ = write!(words, "\n  {} to {} tokens: {}", bin.from, bin.to, pairs(bin.pairs));
    }
    words
}

pub(crate) fn scored(score: &PairScore) -> String {
    format!(
        "{}: chosen {:.4} (reference {:.4}, {} tokens), rejected {:.4} (reference {:.4}, {} tokens)",
        score.place,
        score.logps.chosen_logps,
        score.logps.reference_chosen_logps,
        score.logps.chosen_tokens,
        score.logps.rejected_logps,
        score.logps.reference_rejected_logps,
        score.logps.rejected_tokens
    )
}

pub(crate) fn scored_all(reply: &ScoreReply) -> String {
    let refused = counted(reply.refused, "row", "rows");
    format!("{} scored, {refused} refused, {} left out as too long", pairs(reply.pairs), reply.dropped)
}

/// Characters of each text that are printed.
const SHOWN: usize = 100;

pub(crate) fn suspect(suspect: &Suspect) -> String {
    let Suspect { place, margin, probability, scored, pair } = suspect;
    let score = &scored.score;
    let beginning = |content: &Content| {
        let text = content.last_text();
        let short: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
        if short.is_empty() { "(empty)".to_owned() } else { short }
    };
    format!(
        "{place}. {}, line {}: margin {margin:+.3} (chosen {:+.3}, rejected {:+.3}), loss {:.3}, chosen is better with {:.0} \
         %\n   prompt   {}\n   chosen   {}\n   rejected {}",
        scored.file(),
        scored.line,
        score.chosen_reward,
        score.rejected_reward,
        score.loss,
        100.0 * probability,
        beginning(&pair.prompt),
        beginning(&pair.chosen),
        beginning(&pair.rejected),
    )
}

pub(crate) fn suspects(reply: &SuspectsReply) -> String {
    let mut words = reply.words();
    if let Some(output) = &reply.output {
        let _ = write!(words, "\nall pairs in this order: {}", output.display());
    }
    words
}

pub(crate) fn trained(reply: &TrainReply) -> String {
    let again = if reply.already_finished { " (finished before; nothing was done)" } else { "" };
    format!("adapter: {}{again}", reply.adapter.display())
}

pub(crate) fn evaluated(reply: &EvalReply) -> String {
    let mut words = reply.words().join("\n");
    if let Some(other) = &reply.other_base {
        let _ = write!(words, "\nmind: {other}");
    }
    let _ = write!(words, "\nanswers and verdicts: {}", reply.folder.display());
    words
}

pub(crate) fn exported(exported: &Exported) -> String {
    let mut words = format!("{}: {}", exported.what, exported.path.display());
    let check = exported.check.iter().map(|check| check.words.as_str());
    let other = exported.other_base.iter().map(|other| format!("mind: {other}"));
    for line in exported.load.lines().chain(check).map(str::to_owned).chain(other) {
        let _ = write!(words, "\n  {line}");
    }
    words
}

pub(crate) fn demo(reply: &DemoReply) -> String {
    let seconds: Vec<_> = reply.seconds.iter().map(|(stage, s)| format!("{stage} {s:.0} s")).collect();
    format!(
        "{}\n{}\nstages: {}\nreport: {}",
        reply.words,
        reply.accuracy.lines().join("\n"),
        seconds.join(", "),
        reply.report.display()
    )
}
