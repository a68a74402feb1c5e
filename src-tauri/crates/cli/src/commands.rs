//! Each command: its operation, and its reply in [words](words) or as JSON.

use crate::arguments::Command;
use crate::bench::{self, Asked};
use crate::output::Output;
use crate::{serve, words};
use api::{
    CheckRequest, Context, DemoRequest, EvalRequest, ExportRequest, GenerateRequest, ImportRequest, ReportRequest,
    Result, ScoreRequest, Weights,
};
use serde::Serialize;
use std::cell::RefCell;
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
                print("import", &file, words::imported(&file));
            }
        }
        Command::Check { pairs, eval, reading, model, limits } => {
            let request = CheckRequest { pairs, eval, choices: reading.choices(), model, limits: limits.into() };
            let reply = api::check(&request, &mut context)?;
            print("check", &reply, words::checked(&reply));
        }
        Command::Score { choice, pairs, reading, limits } => {
            let choices = reading.choices();
            let request = ScoreRequest { choice: choice.into(), pairs, choices, limits: limits.into() };
            let reply = api::score(&request, &mut context)?;
            for score in &reply.scores {
                print("pair", score, words::scored(score));
            }
            let words =
                format!("{} pairs scored, {} rows refused, {} dropped", reply.pairs, reply.refused, reply.dropped);
            print("score", &reply, words);
        }
        Command::Train { config, allow } => {
            let reply = api::train(&config, allow.allow_changed_base, &mut context)?;
            print("train", &reply, words::trained(&reply));
        }
        Command::Worker { run, allow } => {
            let reply = api::work(&run, allow.allow_changed_base, &mut context)?;
            print("train", &reply, words::trained(&reply));
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
            print("eval", &reply, words::evaluated(&reply));
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
                print("export", &exported, words::exported(&exported));
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
            print("demo", &reply, words::demo(&reply));
        }
    }
    Ok(())
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
