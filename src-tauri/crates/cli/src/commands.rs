//! Each command: its operation, and its reply in words or as JSON.

use crate::arguments::Command;
use crate::bench::{self, Asked};
use crate::output::Output;
use crate::serve;
use api::{
    CheckRequest, Context, DemoReply, DemoRequest, EvalRequest, ExportRequest, GenerateRequest, ImportKind,
    ImportRequest, ReportRequest, Result, ScoreRequest, Weights,
};
use serde::Serialize;
use std::cell::RefCell;
use std::fmt::Write;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(command: Command, output: &mut Output, stop: &AtomicBool) -> Result<()> {
    let output = RefCell::new(output);
    let mut observer = |update: &api::Update| output.borrow_mut().update(update);
    let mut context = Context { observer: &mut observer, stop };
    let print = |kind: &str, reply: &dyn ToJson, words: String| output.borrow_mut().reply(kind, reply.json(), &words);
    match command {
        Command::Import { files, reading, project } => {
            let request = ImportRequest { files, choices: reading.choices(), project };
            for file in api::import(&request, &mut context)? {
                let kind = match file.kind {
                    ImportKind::Pairs => "pairs",
                    ImportKind::Candidates => "items to label",
                    ImportKind::Prompts => "prompts",
                };
                let mut words = format!(
                    "{}: read as {}\n  {} rows, {} {kind} added, {} known already, {} refused; the project holds {} pairs",
                    file.file.display(),
                    file.how,
                    file.rows,
                    file.added,
                    file.duplicates,
                    file.refused.len(),
                    file.total
                );
                if file.to_label > 0 {
                    let _ = write!(
                        words,
                        "\n  {} of the rows say that neither answer is better: they are to be labelled",
                        file.to_label
                    );
                }
                for notice in &file.notices {
                    let _ = write!(words, "\n  {notice}");
                }
                for refused in &file.refused {
                    let _ = write!(words, "\n  line {}: {}", refused.line, refused.reason);
                }
                print("import", &file, words);
            }
        }
        Command::Check { pairs, eval, reading, model, limits } => {
            let request = CheckRequest { pairs, eval, choices: reading.choices(), model, limits: limits.into() };
            let reply = api::check(&request, &mut context)?;
            let mut words = format!("{} pairs, {} rows refused", reply.checks.pairs, reply.refused.len());
            for refused in &reply.refused {
                let _ = write!(words, "\n  line {}: {}", refused.line, refused.reason);
            }
            for finding in &reply.checks.findings {
                let _ = write!(words, "\n  {}", finding.message);
            }
            if let Some(tokens) = &reply.tokens {
                let _ = write!(
                    words,
                    "\n  within the limits: {} used, {} dropped, {} prompts cut, {} answers cut",
                    tokens.pairs - tokens.identical,
                    tokens.dropped,
                    tokens.cut_prompts,
                    tokens.cut_answers
                );
                if tokens.identical > 0 {
                    let _ = write!(
                        words,
                        "\n  {} pairs have two answers of the same tokens once they are rendered and cut; training leaves \
                         them out",
                        tokens.identical
                    );
                }
                if let Some(text) = &reply.broken_boundary {
                    let _ = write!(
                        words,
                        "\n  in {} pairs the prompt ends otherwise before an answer than alone: {text:?} is left out of \
                         training, as TRL does",
                        tokens.broken_boundaries
                    );
                }
                for sentence in &reply.odd {
                    let _ = write!(words, "\n  {sentence}");
                }
            }
            print("check", &reply, words);
        }
        Command::Score { choice, pairs, reading, limits } => {
            let choices = reading.choices();
            let request = ScoreRequest { choice: choice.into(), pairs, choices, limits: limits.into() };
            let reply = api::score(&request, &mut context)?;
            for score in &reply.scores {
                let words = format!(
                    "line {}: chosen {:.4} (reference {:.4}, {} tokens), rejected {:.4} (reference {:.4}, {} tokens)",
                    score.line,
                    score.chosen_logps,
                    score.reference_chosen_logps,
                    score.chosen_tokens,
                    score.rejected_logps,
                    score.reference_rejected_logps,
                    score.rejected_tokens
                );
                print("pair", score, words);
            }
            let words =
                format!("{} pairs scored, {} rows refused, {} dropped", reply.pairs, reply.refused, reply.dropped);
            print("score", &reply, words);
        }
        Command::Train { config, allow } => {
            let reply = api::train(&config, allow.allow_changed_base, &mut context)?;
            print("train", &reply, trained(&reply));
        }
        Command::Worker { run, allow } => {
            let reply = api::work(&run, allow.allow_changed_base, &mut context)?;
            print("train", &reply, trained(&reply));
        }
        Command::Generate { choice, texts, prompts, reading, sampling } => {
            let (choice, choices, sampling) = (choice.into(), reading.choices(), sampling.into());
            let request = GenerateRequest { choice, prompts, choices, texts, sampling };
            for answer in api::generate(&request, &mut context)? {
                print("answer", &answer, format!("{}\n", answer.text));
            }
        }
        Command::Eval {
            choice,
            prompts,
            reading,
            pairs,
            pairs_map,
            judge,
            output_dir,
            run,
            beta,
            order_seed,
            sampling,
            limits,
        } => {
            let request = EvalRequest {
                choice: choice.into(),
                prompts,
                choices: Some(reading.choices()),
                pairs,
                pairs_choices: Some(pairs_map.into_iter().collect()),
                limits: limits.into(),
                beta,
                judge,
                sampling: sampling.into(),
                order_seed,
                output_dir,
                run,
            };
            let reply = api::evaluate(&request, &mut context)?;
            let mut words = reply.words().join("\n");
            if let Some(other) = &reply.other_base {
                let _ = write!(words, "\nmind: {other}");
            }
            let _ = write!(words, "\nanswers and verdicts: {}", reply.folder.display());
            print("eval", &reply, words);
        }
        Command::Report { run, eval, output_dir } => {
            let reply = api::report(&ReportRequest { run, eval, output_dir }, &mut context)?;
            print("report", &reply, format!("report: {}", reply.html.display()));
        }
        Command::Export { run, merged, dtype, gguf, lora_gguf, allow, project, output_dir } => {
            let weights = match gguf {
                Some(stored) => Weights::Gguf(stored.into()),
                None if lora_gguf => Weights::LoraGguf,
                None if merged => Weights::Merged(dtype.map(Into::into)),
                None => Weights::Adapter,
            };
            let request =
                ExportRequest { run, weights, project, output_dir, allow_changed_base: allow.allow_changed_base };
            for exported in api::export(&request, &mut context)?.exported {
                let mut words = format!("{}: {}", exported.what, exported.path.display());
                let check = exported.check.iter().map(|check| check.words.as_str());
                let other = exported.other_base.iter().map(|other| format!("mind: {other}"));
                for line in exported.load.lines().chain(check).map(str::to_owned).chain(other) {
                    let _ = write!(words, "\n  {line}");
                }
                print("export", &exported, words);
            }
        }
        Command::Serve { port, projects, open, device } => {
            serve::serve(&serve::Options { port, projects, open, device }, stop, |url, token| {
                let words = format!("Open this address in a browser (Ctrl-C ends the server, not the runs):\n{url}");
                print("serve", &serde_json::json!({ "url": url, "token": token }), words);
            })?;
        }
        Command::Bench(arguments) => match arguments.asked() {
            Asked::Once(request) => {
                let reply = api::bench(&request, &mut context)?;
                print("bench", &reply, bench::words(&reply));
            }
            Asked::Growth(request) => {
                let reply = api::growth(&request, &mut context)?;
                print("growth", &reply, bench::growth_words(&reply));
            }
        },
        Command::Demo { fetch_only: true, .. } => {
            let path = api::fetch_demo_model(&mut context)?;
            print("model", &serde_json::json!({ "path": path }), path.display().to_string());
        }
        Command::Demo { output_dir, products, .. } => {
            let reply = api::demo(&DemoRequest { output_dir, products }, &mut context)?;
            print("demo", &reply, demo(&reply));
        }
    }
    Ok(())
}

fn trained(reply: &api::TrainReply) -> String {
    let again = if reply.already_finished { " (finished before; nothing was done)" } else { "" };
    format!("adapter: {}{again}", reply.adapter.display())
}

fn demo(reply: &DemoReply) -> String {
    let seconds: Vec<_> = reply.seconds.iter().map(|(stage, s)| format!("{stage} {s:.0} s")).collect();
    format!(
        "{}\n{}\nstages: {}\nreport: {}",
        reply.words,
        reply.accuracy.lines().join("\n"),
        seconds.join(", "),
        reply.report.display()
    )
}

/// Anything that serialises, behind a reference.
trait ToJson {
    fn json(&self) -> serde_json::Value;
}

impl<T: Serialize> ToJson for T {
    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}
