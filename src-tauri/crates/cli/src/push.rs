//! Pushing and logging in, in words.

use api::{Context, Error, JudgeKeyReply, LoginReply, LogoutReply, PushList, PushReply, Result};
use numbers::size;
use std::fmt::Write;
use std::io::{IsTerminal, Read};
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::{sync::atomic::Ordering, time::Duration};

const PROMPT: &str = "Access token (it is not shown): ";

/// The longest token that is read; the hub's have some forty letters.
const LONGEST: u64 = 1000;

/// What would be sent, and where to.
pub(crate) fn listed(list: &PushList, with_card: bool) -> String {
    let PushList { repo, page, there, private, files, stays, card } = list;
    let is_there = match (there, private) {
        (Some(false), _) => "which is made for it",
        (Some(true), Some(false)) => "which everybody can read",
        (Some(true), _) => "which is private",
        (None, _) => "which was not looked at",
    };
    let mut words = format!("to {repo} ({page}), {is_there}:");
    for file in files {
        let change = match file.change {
            Some("same") => "  (is there already)",
            Some("replaces") => "  (another one is there)",
            _ => "",
        };
        let _ = write!(words, "\n  {:>9}  {}{change}", size(file.bytes), file.path);
    }
    if !stays.is_empty() {
        let _ = write!(words, "\nother files of the repository, which stay: {}", stays.join(", "));
    }
    if with_card {
        let _ = write!(words, "\n\nREADME.md:\n\n{card}\nNothing was sent.");
    }
    words
}

pub(crate) fn pushed(reply: &PushReply) -> String {
    let PushReply { page, commit, created, private, sent } = reply;
    let made = if *created { ", made for it" } else { "" };
    let who = if *private { "private" } else { "public" };
    format!("{page} ({who}{made}): commit {commit}, {} sent", size(*sent))
}

/// Asks for a token, or reads it from standard input, and keeps it. It is never an argument, which others could see.
pub(crate) fn login(context: &mut Context<'_>) -> Result<LoginReply> {
    api::check_login()?;
    let token = given(context)?;
    api::login(&token, context)
}

/// Keeps the key of a judge, as [`login`] keeps a token.
pub(crate) fn keep_judge_key(url: &str, context: &mut Context<'_>) -> Result<JudgeKeyReply> {
    api::check_judge_key(url)?;
    let key = given(context)?;
    api::keep_judge_key(url, &key)
}

/// A secret that is typed, or comes from standard input.
fn given(context: &Context<'_>) -> Result<String> {
    Ok(if std::io::stdin().is_terminal() {
        typed(context.stop).map_err(unread)?
    } else {
        let mut text = String::new();
        std::io::stdin().take(LONGEST).read_to_string(&mut text).map_err(unread)?;
        text
    })
}

/// Reads a token that is not shown. Whoever stops it finds the terminal as it was.
#[cfg(unix)]
fn typed(stop: &AtomicBool) -> std::io::Result<String> {
    let is_read = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_read.load(Ordering::Relaxed) {
                if stop.load(Ordering::Relaxed) {
                    // It reads on; what is typed later is to be seen again.
                    let _ = std::process::Command::new("stty").arg("echo").status();
                    eprintln!();
                    std::process::exit(130);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let read = rpassword::prompt_password(PROMPT);
        is_read.store(true, Ordering::Relaxed);
        read
    })
}

/// Reads a token that is not shown.
#[cfg(not(unix))]
fn typed(_: &AtomicBool) -> std::io::Result<String> {
    rpassword::prompt_password(PROMPT)
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` has it
fn unread(error: std::io::Error) -> Error {
    Error {
        code: "no_token".into(),
        message: format!("the token cannot be read: {error}"),
        hint: "Run `tiebreak login` in a terminal, or give the token on standard input.".into(),
    }
}

pub(crate) fn logged_in(reply: &LoginReply) -> String {
    let LoginReply { account, role, hub } = reply;
    let whose = account.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let may = role.as_ref().map_or_else(String::new, |role| format!(" ({role})"));
    format!("the token{whose}{may} for {hub} is kept in the system's keyring")
}

pub(crate) fn logged_out(reply: &LogoutReply) -> String {
    let LogoutReply { forgotten, hub } = reply;
    if *forgotten { format!("the token for {hub} is forgotten") } else { format!("no token for {hub} was kept") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_every_file_with_its_size_and_what_becomes_of_it() {
        let file = |path: &str, bytes, change| api::ListedFile { path: path.into(), bytes, change };
        let list = PushList {
            repo: "org/tuned".into(),
            page: "https://hub.example/org/tuned".into(),
            there: Some(true),
            private: Some(true),
            files: vec![file("README.md", 1500, Some("replaces")), file("a.bin", 12, Some("new"))],
            stays: vec!["notes.txt".into()],
            card: "# tuned\n".into(),
        };
        let words = listed(&list, true);
        assert_eq!(
            words,
            "to org/tuned (https://hub.example/org/tuned), which is private:\n     1.5 kB  README.md  (another one is \
             there)\n       12 B  a.bin\nother files of the repository, which stay: notes.txt\n\nREADME.md:\n\n# \
             tuned\n\nNothing was sent."
        );
        assert!(listed(&PushList { there: None, private: None, ..list }, false).contains("which was not looked at"));
    }
}
