//! Standard output carries replies (JSON lines with `--json`, words without); progress and logs go to standard error.

use api::{Error, Update};
use numbers::{duration, size};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a stage's progress is written where it cannot be overwritten in place.
const PACE: Duration = Duration::from_secs(5);

pub(crate) struct Output {
    json: bool,
    /// Progress is drawn over itself.
    terminal: bool,
    /// A progress line is on the screen.
    drawn: bool,
    told: Option<(String, Instant)>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stderr().is_terminal(), drawn: false, told: None }
    }

    pub(crate) fn log(&mut self, text: &str) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
        eprintln!("{text}");
    }

    pub(crate) fn update(&mut self, update: &Update) {
        if self.json {
            Self::line(&serde_json::to_value(update).unwrap_or(Value::Null));
        }
        match update {
            Update::Progress { stage, done, total, seconds_left, .. } => {
                self.progress(stage, *done, *total, *seconds_left, "");
            }
            Update::Note { message } => self.log(message),
            Update::Run(event) => self.event(&serde_json::to_value(event).unwrap_or(Value::Null)),
        }
    }

    /// An event of a run, told as the fields of its JSON.
    fn event(&mut self, event: &Value) {
        let number = |key: &str| event[key].as_f64().unwrap_or(f64::NAN);
        let whole = |key: &str| event[key].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "progress" => {
                let stage = match event["stage"].as_str().unwrap_or_default() {
                    "encode" => "encode pairs",
                    "reference" => "reference log-probabilities",
                    "eval" => "held-out pairs",
                    other => other,
                };
                self.progress(stage, whole("done"), whole("total"), event["seconds_left"].as_f64(), "");
            }
            "step" => {
                let metrics = format!(
                    "  loss {:.4}  rewards/margins {:+.3}  rewards/accuracies {:.2}  {:.0} tokens/s",
                    number("loss"),
                    number("rewards/margins"),
                    number("rewards/accuracies"),
                    number("tokens_per_second")
                );
                self.progress("train", whole("step"), whole("total_steps"), event["seconds_left"].as_f64(), &metrics);
            }
            "eval" => self.log(&format!(
                "held-out after step {}: loss {:.4}, rewards/margins {:+.3}, rewards/accuracies {:.2} of {} pairs",
                whole("step"),
                number("eval_loss"),
                number("eval_rewards/margins"),
                number("eval_rewards/accuracies"),
                whole("pairs")
            )),
            "run_started" => {
                let reason = event["device_reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
                let layers = match event["gradient_checkpointing"].as_bool() {
                    Some(true) => "; layers are computed again in the backward",
                    _ => "",
                };
                self.log(&format!("computes on {}{reason}{layers}", event["device"].as_str().unwrap_or_default()));
            }
            "warning" => self.log(&format!("warning: {}", event["message"].as_str().unwrap_or_default())),
            "resumed" => self.log(&format!("resumed after step {}", whole("from_step"))),
            // A failure and a cancellation are told once, as the command's result.
            _ => {}
        }
    }

    fn progress(&mut self, stage: &str, done: u64, total: u64, seconds_left: Option<f64>, more: &str) {
        let left = match seconds_left {
            Some(seconds) if seconds >= 0.5 => format!(", {} left", duration(seconds)),
            _ => String::new(),
        };
        let line = format!("{stage}: {}{left}{more}", amount(done, total));
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
            self.drawn = true;
            if done >= total {
                eprintln!();
                self.drawn = false;
            }
            return;
        }
        let soon = self.told.as_ref().is_some_and(|(told, at)| told == stage && at.elapsed() < PACE);
        if !soon || done >= total {
            self.told = Some((stage.to_owned(), Instant::now()));
            eprintln!("{line}");
        }
    }

    pub(crate) fn reply(&mut self, kind: &str, mut reply: Value, words: &str) {
        if self.json {
            if let Some(fields) = reply.as_object_mut() {
                fields.insert("type".into(), kind.into());
            }
            Self::line(&reply);
        } else {
            if std::mem::take(&mut self.drawn) {
                eprintln!();
            }
            // As above.
            let _ = writeln!(std::io::stdout(), "{words}");
        }
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        if self.json {
            let kind = if error.is_cancelled() { "cancelled" } else { "failed" };
            Self::line(&json!({ "type": kind, "code": error.code, "message": error.message, "hint": error.hint }));
        }
        let word = if error.is_cancelled() { "cancelled" } else { "error" };
        self.log(&format!("{word}: {}", error.message));
        if !error.hint.is_empty() {
            self.log(&format!("hint: {}", error.hint));
        }
    }

    fn line(value: &Value) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone away is no reason to lose a run.
        let _ = writeln!(out, "{value}").and_then(|()| out.flush());
    }
}

fn amount(done: u64, total: u64) -> String {
    if total > 10_000_000 {
        return format!("{} of {}", size(done), size(total));
    }
    format!("{done} of {total}")
}
