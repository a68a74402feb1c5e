//! The page, section by section.

use numbers::{counted, duration, figure, p_value, percent};
use plot::{Figure, Theme};

use super::ReportInput;
use super::html::{escaped, joined, name_table, number_table};
use crate::Error;
use crate::accuracy::{AccuracyRow, Mean, PreferenceAccuracy, Share};
use crate::answers::Side;
use crate::degeneration::{TextRow, TextStatistics, rows};
use crate::evaluation::{Ancestry, Evaluation, GroupSummary, Item, Names, PeopleSummary, PromptOutcome, readable};
use crate::judge::Judge;
use crate::statistics::{Interval, Tally, WHY_55, capitalised};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(input: &ReportInput, figures: &[(&'static str, Figure)]) -> Result<String, Error> {
    let mut sections = String::new();
    if let Some(evaluation) = &input.evaluation {
        sections += &verdict(evaluation);
        for (_, figure) in figures.iter().filter(|(name, _)| *name == "win_rate") {
            let why = if evaluation.ancestry.names().is_of_training() { WHY_55 } else { "" };
            let line = format!("<p class=\"quiet\">{}</p>\n", escaped(why));
            sections += &section("Win rate", &(drawn(figure)? + &line + &categories(evaluation)));
        }
        if let Some(people) = &evaluation.people {
            sections += &section("Verdicts of people", &of_people(people, evaluation));
        }
    }
    let mut tables = String::new();
    if let Some(accuracy) = &input.accuracy {
        tables += &section("Held-out accuracy", &accuracies(accuracy));
    }
    if let Some(evaluation) = &input.evaluation {
        let summary = &evaluation.summary;
        tables += &section(
            "Length and repetition",
            &text_statistics(&summary.base, &summary.tuned, &evaluation.ancestry.names()),
        );
    }
    if !tables.is_empty() {
        sections += &["<div class=\"beside\">\n", &tables, "</div>\n"].concat();
    }
    let mut curves = String::new();
    for (_, figure) in figures.iter().filter(|(name, _)| *name != "win_rate") {
        curves += &drawn(figure)?;
    }
    if !curves.is_empty() {
        sections += &section("Training", &format!("<div class=\"grid\">{curves}</div>"));
    }
    if let Some(evaluation) = &input.evaluation {
        sections += &section("Answers", &answers(evaluation));
    }
    for (title, rows) in [("Data", &input.data), ("Configuration", &input.configuration)] {
        if !rows.is_empty() {
            sections += &section(title, &name_table(rows));
        }
    }
    if !input.stage_seconds.is_empty() || !input.machine.is_empty() {
        sections += &section("Time and machine", &name_table(&times(input)));
    }
    if let Some(evaluation) = &input.evaluation {
        sections += &section("Where these numbers come from", &name_table(&ancestry(&evaluation.ancestry, evaluation)));
    }
    let title = escaped(&input.title);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1><bdi>{title}</bdi></h1>\n{sections}</main>\n</body>\n</html>\n"
    ))
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escaped(title))
}

/// Both themes of a figure; the style sheet shows the one that fits. The drawing is `plot`'s own, with names escaped.
fn drawn(figure: &Figure) -> Result<String, Error> {
    let light = figure.clone().with_theme(Theme::Light).svg()?;
    let dark = figure.clone().with_theme(Theme::Dark).svg()?;
    Ok(format!("<figure>\n<div class=\"light\">{light}</div>\n<div class=\"dark\">{dark}</div>\n</figure>\n"))
}

fn interval(range: Interval) -> String {
    numbers::interval(range.low, range.high)
}

/// A p value as the report's tables have it.
fn probability(p: f64) -> String {
    let value = p_value(p);
    if value.starts_with('<') { format!("p {value}") } else { format!("p = {value}") }
}

fn verdict(evaluation: &Evaluation) -> String {
    let summary = &evaluation.summary;
    let rate = summary.all.win_rate.map_or_else(|| "–".to_owned(), percent);
    let range =
        summary.all.win_rate_interval.map_or_else(String::new, |range| format!("95 % interval {}", interval(range)));
    let tally = summary.all.tally;
    let unjudged =
        if tally.no_verdict > 0 { format!(", {} without a verdict", tally.no_verdict) } else { String::new() };
    let ancestry = &evaluation.ancestry;
    let minded = ancestry.other_base.iter().cloned().chain(ancestry.how_asked());
    let minded: Vec<String> = minded.map(|sentence| format!("<p>{}</p>\n", escaped(&sentence))).collect();
    let minded = minded.concat();
    let same = match summary.same_answers {
        0 => String::new(),
        same => format!(" ({same} of them between answers that are the same, of which nobody was asked)"),
    };
    let first = evaluation
        .places_in_words()
        .map_or_else(String::new, |words| format!("\n<p class=\"quiet\">{}</p>", escaped(&words)));
    format!(
        "<section class=\"verdict {}\">\n<p class=\"words\">{}</p>\n{minded}<p class=\"rate\"><strong>{rate}</strong> win rate \
         <span>{range}</span></p>\n<p class=\"quiet\">{}, {}{same}, {}{unjudged}; ties count as half. Exact \
         sign test without ties: {}. Judge: {}.</p>{first}\n</section>\n",
        summary.verdict.code(),
        escaped(&summary.words),
        counted(tally.wins, "win", "wins"),
        counted(tally.ties, "tie", "ties"),
        counted(tally.losses, "loss", "losses"),
        probability(summary.sign_test_p),
        escaped(&evaluation.judge_in_words()),
    )
}

/// What people said, beside the judge where that is another, and how far the two agree.
fn of_people(people: &PeopleSummary, evaluation: &Evaluation) -> String {
    let row = |name: &str, group: &GroupSummary, p: f64| {
        let Tally { wins, ties, losses, no_verdict } = group.tally;
        let counts = [wins, ties, losses, no_verdict].map(|count| count.to_string());
        let rate = group.win_rate.map_or_else(|| "–".to_owned(), percent);
        let range = group.win_rate_interval.map_or_else(|| "–".to_owned(), interval);
        [vec![name.to_owned(), rate, range], counts.to_vec(), vec![probability(p)]].concat()
    };
    let summary = &evaluation.summary;
    let mut rows = vec![row(&capitalised(people.who_judges()), &people.all, people.sign_test_p)];
    if evaluation.judge != Judge::People {
        rows.insert(0, row("The judge", &summary.all, summary.sign_test_p));
    }
    let headings = ["", "Win rate", "95 % interval", "Wins", "Ties", "Losses", "No verdict", "Sign test"];
    let mut words = vec![people.words.clone()];
    words.extend(people.how_they_count().map(str::to_owned));
    words.extend(people.with_judge.map(|both| both.words()));
    words.extend(people.annotators.iter().map(|annotator| annotator.words(&evaluation.ancestry.names())));
    number_table(&headings, &rows) + &joined(words, |line| format!("<p class=\"quiet\">{}</p>\n", escaped(&line)))
}

fn categories(evaluation: &Evaluation) -> String {
    if evaluation.summary.categories.is_empty() {
        return String::new();
    }
    let row = |(name, group): (&String, &GroupSummary)| {
        let tally = group.tally;
        vec![
            name.clone(),
            group.win_rate.map_or_else(|| "–".to_owned(), percent),
            group.win_rate_interval.map_or_else(|| "–".to_owned(), interval),
            tally.wins.to_string(),
            tally.ties.to_string(),
            tally.losses.to_string(),
            tally.no_verdict.to_string(),
        ]
    };
    let rows: Vec<_> = evaluation.summary.categories.iter().map(row).collect();
    number_table(&["Category", "Win rate", "95 % interval", "Wins", "Ties", "Losses", "No verdict"], &rows)
}

fn accuracies(accuracy: &PreferenceAccuracy) -> String {
    let share = |share: Share| format!("{} ({})", percent(share.value), interval(share.interval));
    let mean = |Mean { value, interval: Interval { low, high } }: Mean| {
        format!("{} ({} to {})", figure(value), figure(low), figure(high))
    };
    let margins = accuracy.rewards_margins;
    // No estimate, so no interval: the policy is the reference.
    let untrained = accuracy.is_untrained_before();
    let row = |row: AccuracyRow| {
        let before = row.before.map_or_else(|| "0 % by definition".to_owned(), share);
        vec![format!("{}, {}", row.name, row.key), before, share(row.after)]
    };
    let mut rows = accuracy.rows().map(row).to_vec();
    let before = if untrained { "0 by definition".to_owned() } else { mean(margins.before) };
    rows.push(vec!["mean margin of the rewards, rewards/margins".to_owned(), before, mean(margins.after)]);
    let meanings = joined(accuracy.rows(), |row| format!("<strong>{}</strong>: {}. ", row.name, row.meaning));
    let starting = if untrained {
        "Before training it is 0, since the policy is the reference and every reward is 0; chance is 50 %. "
    } else {
        "Training started from an adapter, so there are rewards before the first step. "
    };
    format!(
        "{}<p class=\"quiet\">Shares of {} held-out pairs, with 95 % intervals. {meanings}</p>\n<p class=\"quiet\">By reward: \
         {starting}By log-probability before and after are on the same footing (change as a whole: {}).</p>\n",
        number_table(&["", "Before training", "After training"], &rows),
        accuracy.pairs,
        probability(accuracy.logps_accuracy_p),
    )
}

fn text_statistics(base: &TextStatistics, tuned: &TextStatistics, names: &Names) -> String {
    let row = |TextRow { name, base, tuned }: TextRow| vec![name.to_owned(), base, tuned];
    let rows: Vec<_> = rows(base, tuned).into_iter().map(row).collect();
    let [base, tuned] = [Side::Base, Side::Tuned].map(|side| names.head(side));
    number_table(&["", &base, &tuned], &rows)
        + "<p class=\"quiet\">distinct-n is the share of different n-grams among all; it falls with the amount of text \
           alone, so read it beside the length.</p>\n"
}

/// Class and label of each outcome that pairs can be filtered by.
fn filters(names: &Names) -> [(&'static str, String); 4] {
    let won = |side| format!("{} won", names.head(side));
    [("tuned", won(Side::Tuned)), ("base", won(Side::Base)), ("tie", "Tie".into()), ("none", "No verdict".into())]
}

/// An outcome inside a sentence.
fn said(outcome: &PromptOutcome, names: &Names) -> String {
    match (outcome.winner(), outcome.is_verdict()) {
        (Some(winner), _) => format!("{} won", names.short(winner)),
        (None, true) => "tie".to_owned(),
        (None, false) => "no verdict".to_owned(),
    }
}

fn outcome_class(outcome: &PromptOutcome) -> usize {
    match outcome {
        PromptOutcome::Tuned => 0,
        PromptOutcome::Base => 1,
        PromptOutcome::Tie => 2,
        PromptOutcome::NotJudged | PromptOutcome::NoVerdict(_) => 3,
    }
}

/// All pairs side by side. The radio buttons before the list filter it by style alone.
fn answers(evaluation: &Evaluation) -> String {
    let items = &evaluation.items;
    let all = format!(
        "<input type=\"radio\" name=\"show\" id=\"show-all\" checked><label for=\"show-all\">All ({})</label>\n",
        items.len()
    );
    let labels = filters(&evaluation.ancestry.names());
    let filters = joined(labels.iter().enumerate(), |(index, (class, name))| {
        let count = items.iter().filter(|item| outcome_class(&item.outcome) == index).count();
        format!(
            "<input type=\"radio\" name=\"show\" id=\"show-{class}\"><label for=\"show-{class}\">{} ({count})</label>\n",
            escaped(name)
        )
    });
    format!("{all}{filters}<div class=\"pairs\">\n{}</div>\n", joined(items, |item| pair(evaluation, item)))
}

fn pair(evaluation: &Evaluation, item: &Item) -> String {
    let names = evaluation.ancestry.names();
    let labels = filters(&names);
    let (class, verdict) = &labels[outcome_class(&item.outcome)];
    let verdict = escaped(verdict);
    let category = item.category.as_ref().map_or_else(String::new, |name| format!(" · <bdi>{}</bdi>", escaped(name)));
    let people = match &item.people {
        Some(outcome) if evaluation.judge != Judge::People => {
            format!(" <span class=\"quiet\">People: {}</span>", escaped(&said(outcome, &names)))
        }
        _ => String::new(),
    };
    let why = match (item.outcome.why_not(), &item.reason) {
        _ if item.same => "Both answers are the same, letter for letter: nobody was asked.".to_owned(),
        (Some(why), _) => escaped(why),
        (_, Some(reason)) => {
            let [a, b] = [item.shown_first, item.shown_first.other()].map(|side| escaped(&names.short(side)));
            format!("a is {a}, b is {b}. {}", escaped(reason))
        }
        (_, None) => format!("{} was shown first", escaped(&names.short(item.shown_first))),
    };
    let side = |which: Side, answer: &crate::answers::Answer| {
        let (name, won) = (escaped(&names.head(which)), item.outcome.winner() == Some(which));
        let tokens = answer.tokens.map_or_else(String::new, |tokens| format!("{tokens} tokens"));
        let cut = if answer.truncated { ", cut off" } else { "" };
        let text =
            if answer.text.trim().is_empty() { "<em>empty</em>".to_owned() } else { escaped(answer.text.trim()) };
        let (class, mark) = if won { ("answer won", " ✓ better") } else { ("answer", "") };
        format!(
            "<div class=\"{class}\"><h3>{name}{mark} <small>{tokens}{cut}</small></h3><p dir=\"auto\">{text}</p></div>\n"
        )
    };
    format!(
        "<article class=\"pair {class}\">\n<header><span class=\"chip\">{verdict}</span>{people} <span class=\"quiet\">Prompt {}{category}\
         </span></header>\n<p class=\"prompt\" dir=\"auto\">{}</p>\n<div class=\"sides\">\n{}{}</div>\n\
         <p class=\"quiet why\" dir=\"auto\">{why}</p>\n</article>\n",
        item.id + 1,
        escaped(readable(&item.prompt).trim()),
        side(Side::Base, &item.base),
        side(Side::Tuned, &item.tuned),
    )
}

fn times(input: &ReportInput) -> Vec<(String, String)> {
    let mut rows: Vec<_> = input.stage_seconds.iter().map(|(name, time)| (name.clone(), duration(*time))).collect();
    if rows.len() > 1 {
        rows.push(("together".to_owned(), duration(input.stage_seconds.iter().map(|stage| stage.1).sum())));
    }
    if !input.machine.is_empty() {
        rows.push(("machine".to_owned(), input.machine.clone()));
    }
    rows
}

fn ancestry(ancestry: &Ancestry, evaluation: &Evaluation) -> Vec<(String, String)> {
    let with_hash = |name: &str, hash: &Option<String>| match hash {
        Some(hash) => format!("{name}\nSHA-256 {hash}"),
        None => name.to_owned(),
    };
    let mut rows = Vec::new();
    for side in ancestry.sides.iter().flat_map(|sides| [&sides.tuned, &sides.base]) {
        let told: Vec<String> = side.rows().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        rows.push((side.name.clone(), told.join("\n")));
    }
    if ancestry.sides.is_none() {
        rows.push(("model".to_owned(), with_hash(&ancestry.model, &ancestry.model_sha256)));
    }
    if let Some(other) = &ancestry.other_base {
        rows.push(("mind".to_owned(), other.clone()));
    }
    if !ancestry.products.is_empty() {
        rows.push(("weights".to_owned(), format!("dtype {}, products in {}", ancestry.dtype, ancestry.products)));
    }
    if let Some(adapter) = &ancestry.adapter {
        rows.push(("adapter".to_owned(), with_hash(adapter, &ancestry.adapter_sha256)));
    }
    if let Some(digest) = &ancestry.reference_adapter_sha256 {
        rows.push(("base".to_owned(), format!("the model with the reference's adapter, SHA-256 {digest}")));
    }
    if let Some(run) = &ancestry.run {
        rows.push(("run".to_owned(), run.clone()));
    }
    if let Some(hash) = &ancestry.pairs_sha256 {
        rows.push(("training pairs".to_owned(), format!("SHA-256 {hash}")));
    }
    let prompts = format!("{} ({} prompts)", ancestry.prompts, evaluation.items.len());
    rows.push(("prompts".to_owned(), with_hash(&prompts, &Some(ancestry.prompts_sha256.clone()))));
    rows.push(("seeds".to_owned(), format!("answers {}, order shown {}", ancestry.seed, ancestry.order_seed)));
    let sampling: Vec<String> = ancestry.sampling.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if !sampling.is_empty() {
        rows.push(("sampling".to_owned(), sampling.join(", ")));
    }
    rows.push(("judge".to_owned(), evaluation.judge_in_words()));
    if !ancestry.version.is_empty() {
        rows.push(("Tiebreak".to_owned(), ancestry.version.clone()));
    }
    rows
}
