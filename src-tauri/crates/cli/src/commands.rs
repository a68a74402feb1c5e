//! Each command: its operation, and its reply in [words](words) or as JSON.

use crate::arguments::Command;
use crate::bench::{self, Asked};
use crate::output::Output;
use crate::{items, push, queue, serve, sweep, words};
use api::{Context, DemoRequest, ReportRequest, Result};
use serde::Serialize;
use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(command: Command, output: &mut Output, stop: &AtomicBool) -> Result<()> {
    let output = RefCell::new(output);
    let mut observer = |update: &api::Update| output.borrow_mut().update(update);
    let mut context = Context { observer: &mut observer, stop };
    let print = |kind: &str, reply: &dyn ToJson, words: String| output.borrow_mut().reply(kind, reply.json(), &words);
    match command {
        Command::Import(arguments) => {
            for file in api::import(&arguments.request(), &mut context)? {
                print("import", &file, words::imported(&file));
            }
        }
        Command::Check(arguments) => {
            let reply = api::check(&arguments.request(), &mut context)?;
            print("check", &reply, words::checked(&reply));
        }
        Command::Score(arguments) => {
            let reply = api::score(&arguments.request(), &mut context)?;
            for score in &reply.scores {
                print("pair", score, words::scored(score));
            }
            print("score", &reply, words::scored_all(&reply));
        }
        Command::Train { config, allow } => {
            let reply = api::train(&config, allow.allow_changed_base, &mut context);
            // What cannot be begun now is begun by the next window.
            let _ = api::start_next(&config);
            let reply = reply?;
            print("train", &reply, words::trained(&reply));
        }
        Command::Worker { run, allow } => {
            let reply = api::work(&run, allow.allow_changed_base, &mut context);
            let _ = api::start_next(&run);
            let reply = reply?;
            print("train", &reply, words::trained(&reply));
        }
        Command::Next { run } => api::begin_next(&run)?,
        Command::Queue(arguments) => queue::run(arguments, &print, &mut context)?,
        Command::Sweep(arguments) => sweep::run(arguments, &print, &mut context)?,
        Command::Items(arguments) => items::run(arguments, &print)?,
        Command::Suspects(arguments) => {
            let first = arguments.first;
            let reply = api::suspects(&arguments.request(), &mut context)?;
            for suspect in reply.suspects.iter().take(first) {
                print("suspect", suspect, words::suspect(suspect));
            }
            print("suspects", &reply, words::suspects(&reply));
        }
        Command::Generate(arguments) => {
            for answer in api::generate(&arguments.request(), &mut context)? {
                print("answer", &answer, format!("{}\n", answer.text));
            }
        }
        Command::Eval(arguments) => {
            let reply = api::evaluate(&arguments.request(), &mut context)?;
            print("eval", &reply, words::evaluated(&reply));
        }
        Command::Judge { answers, judge, output_dir } => {
            let reply = api::judge(&api::JudgeRequest { answers, judge, output_dir }, &mut context)?;
            print("eval", &reply, words::evaluated(&reply));
        }
        Command::Report { run, eval, output_dir } => {
            let reply = api::report(&ReportRequest { run, eval, output_dir }, &mut context)?;
            print("report", &reply, format!("report: {}", reply.html.display()));
        }
        Command::Export(arguments) => {
            for exported in api::export(&arguments.request(), &mut context)?.exported {
                print("export", &exported, words::exported(&exported));
            }
        }
        Command::Push(arguments) => {
            let (request, choices) = arguments.request();
            let prepared = api::prepare_push(&request, &mut context)?;
            print("push_list", prepared.list(), push::listed(prepared.list(), request.dry_run));
            if !request.dry_run {
                let reply = prepared.send(&choices, &mut context)?;
                print("push", &reply, push::pushed(&reply));
            }
        }
        Command::Login { judge: Some(url) } => {
            let reply = push::keep_judge_key(&url, &mut context)?;
            print("login", &reply, format!("The key for {} is kept in the system's keyring.", reply.server));
        }
        Command::Logout { judge: Some(url) } => {
            let reply = api::forget_judge_key(&url)?;
            let words = if reply.in_keyring { "is forgotten" } else { "was not in the system's keyring" };
            print("logout", &reply, format!("The key for {} {words}.", reply.server));
        }
        Command::Login { judge: None } => {
            let reply = push::login(&mut context)?;
            print("login", &reply, push::logged_in(&reply));
        }
        Command::Logout { judge: None } => {
            let reply = api::logout()?;
            print("logout", &reply, push::logged_out(&reply));
        }
        Command::Serve { port, projects, models, open, device } => {
            serve::serve(&serve::Options { port, projects, models, open, device }, stop, |url, token| {
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

/// Prints a reply: its kind, as JSON, and in words.
pub(crate) type Print<'a> = dyn Fn(&str, &dyn ToJson, String) + 'a;

/// Anything that serialises, behind a reference.
pub(crate) trait ToJson {
    fn json(&self) -> serde_json::Value;
}

impl<T: Serialize> ToJson for T {
    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}
