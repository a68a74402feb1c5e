//! A judge that is a program of the user's: one process per pair.
//!
//! It reads one JSON object `{"id", "prompt", "a", "b"}` from its standard input until the end and writes `a`, `b` or
//! `tie` (or `{"winner": "a", "reason": "…"}`) as the last line of its standard output. It does not learn which model
//! wrote which answer.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Choice, Decision, STOPPED, Shown, Unjudged};

const DEFAULT_TIMEOUT_SECONDS: u64 = 120;
/// A judge that writes more than this is not answering.
const LARGEST_OUTPUT: u64 = 1 << 20;

/// A program that judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Command {
    /// The program, found as the system finds programs.
    pub program: String,
    #[serde(default)]
    pub arguments: Vec<String>,
    /// How long it may take for one pair.
    pub timeout_seconds: u64,
}

impl Command {
    /// A program with arguments and the default time limit of two minutes.
    pub fn new(program: impl Into<String>, arguments: Vec<String>) -> Self {
        Self { program: program.into(), arguments, timeout_seconds: DEFAULT_TIMEOUT_SECONDS }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split_whitespace().map(str::to_owned);
        let program = parts.next().ok_or("it names no program; write command:PROGRAM")?;
        Ok(Self::new(program, parts.collect()))
    }

    pub(super) fn description(&self) -> String {
        let words: Vec<&str> = [&self.program].into_iter().chain(&self.arguments).map(String::as_str).collect();
        format!("program \"{}\"", words.join(" "))
    }

    pub(super) fn decide(&self, shown: Shown<'_>, stop: &AtomicBool) -> Result<Decision, Unjudged> {
        // Files instead of pipes: a pipe that nobody reads blocks, and one inherited by a grandchild never ends.
        let no_file = |error: std::io::Error| format!("no temporary file for the judge: {error}");
        let mut input = tempfile::tempfile().map_err(no_file)?;
        let (mut output, mut complaints) =
            (tempfile::tempfile().map_err(no_file)?, tempfile::tempfile().map_err(no_file)?);
        let json =
            serde_json::to_string(&shown).map_err(|error| format!("the pair cannot be written as JSON: {error}"))?;
        writeln!(input, "{json}").and_then(|()| input.seek(SeekFrom::Start(0))).map_err(no_file)?;
        let mut process = Process::new(&self.program);
        process
            .args(&self.arguments)
            .stdin(input)
            .stdout(Stdio::from(output.try_clone().map_err(no_file)?))
            .stderr(Stdio::from(complaints.try_clone().map_err(no_file)?));
        in_a_group_of_its_own(&mut process);
        let mut child = process.spawn().map_err(|error| format!("{} could not be started: {error}", self.program))?;
        let ended = self.wait(&mut child, &output, stop);
        let complaint = tail(&mut complaints);
        let complained = if complaint.is_empty() { String::new() } else { format!("; it said: {complaint}") };
        let status = ended.map_err(|reason| format!("{} {reason}{complained}", self.program))?;
        if !status.success() {
            return Err(format!("{} failed ({status}){complained}", self.program).into());
        }
        let mut bytes = Vec::new();
        output.seek(SeekFrom::Start(0)).and_then(|_| output.read_to_end(&mut bytes)).map_err(no_file)?;
        let text = String::from_utf8_lossy(&bytes);
        decision(&text).ok_or_else(|| {
            let said = text.trim();
            let said = if said.is_empty() { "(nothing)".to_owned() } else { super::shortened(said) };
            Unjudged::Unreadable(format!("{} answered \"{said}\" instead of a, b or tie{complained}", self.program))
        })
    }

    fn wait(&self, child: &mut Child, output: &File, stop: &AtomicBool) -> Result<std::process::ExitStatus, String> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait().map_err(|error| format!("could not be waited for: {error}"))? {
                return Ok(status);
            }
            let reason = if stop.load(Ordering::Relaxed) {
                STOPPED.to_owned()
            } else if start.elapsed() > Duration::from_secs(self.timeout_seconds) {
                format!("took longer than {} seconds", self.timeout_seconds)
            } else if output.metadata().is_ok_and(|metadata| metadata.len() > LARGEST_OUTPUT) {
                "wrote more than a megabyte".to_owned()
            } else {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
                continue;
            };
            // It may have ended by itself in between; either way nothing is left running or unwaited for.
            let killed = kill_all(child).and_then(|()| child.wait());
            return Err(match killed {
                Ok(_) => reason,
                Err(error) => format!("{reason} and could not be stopped: {error}"),
            });
        }
    }
}

/// So that what the judge has started can be stopped with it.
#[cfg(unix)]
fn in_a_group_of_its_own(process: &mut Process) {
    std::os::unix::process::CommandExt::process_group(process, 0);
}

#[cfg(not(unix))]
fn in_a_group_of_its_own(_: &mut Process) {}

/// Stops the judge and whatever it has started: a program that was left alone would go on writing until the disk is full.
#[cfg(unix)]
fn kill_all(child: &mut Child) -> std::io::Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    match group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL)) {
        Some(Ok(())) => Ok(()),
        // The judge has ended meanwhile and left nobody behind, or its group is not ours to stop.
        _ => child.kill(),
    }
}

/// Stops the judge and whatever it has started.
#[cfg(not(unix))]
fn kill_all(child: &mut Child) -> std::io::Result<()> {
    let id = child.id().to_string();
    let stopped = Process::new("taskkill").args(["/T", "/F", "/PID", &id]).output();
    if stopped.is_ok_and(|output| output.status.success()) { Ok(()) } else { child.kill() }
}

/// The end of what a program said to standard error, in one line.
fn tail(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let from = file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(500));
    if file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
        return "(its error output cannot be read)".to_owned();
    }
    String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Deserialize)]
struct Written {
    winner: String,
    #[serde(default)]
    reason: Option<String>,
}

/// Reads an answer: the whole output as JSON, or its last line as JSON or as a word.
fn decision(output: &str) -> Option<Decision> {
    let choice = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "a" => Some(Choice::A),
        "b" => Some(Choice::B),
        "tie" => Some(Choice::Tie),
        _ => None,
    };
    let last = output.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    for text in [output, last] {
        if let Ok(written) = serde_json::from_str::<Written>(text) {
            return Some(Decision { choice: choice(&written.winner)?, reason: written.reason });
        }
    }
    choice(last).map(|choice| Decision { choice, reason: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_words_or_json() {
        let read = |text| decision(text).map(|decision| decision.choice);
        assert_eq!(read("a"), Some(Choice::A));
        assert_eq!(read("thinking…\n B \r\n\n"), Some(Choice::B));
        assert_eq!(read("TIE"), Some(Choice::Tie));
        assert_eq!(read("{\n \"winner\": \"b\"\n}"), Some(Choice::B));
        assert_eq!(read("log\n{\"winner\": \"tie\", \"why\": 1}"), Some(Choice::Tie));
        for wrong in ["", "\n", "answer a", "a.", "{\"winner\": \"c\"}", "{\"winner\": null}", "a\nerror"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let reasoned = decision("{\"winner\": \"a\", \"reason\": \"shorter\"}");
        assert_eq!(reasoned, Some(Decision { choice: Choice::A, reason: Some("shorter".to_owned()) }));
    }

    #[cfg(unix)]
    mod programs {
        use super::*;

        fn shell(script: &str) -> Command {
            Command { timeout_seconds: 2, ..Command::new("sh", vec!["-c".to_owned(), script.to_owned()]) }
        }

        fn decide(judge: &Command, shown: Shown<'_>) -> Result<Decision, String> {
            judge.decide(shown, &AtomicBool::new(false)).map_err(Unjudged::why)
        }

        fn shown(a: &str) -> Shown<'_> {
            Shown { id: 3, prompt: "Say \"hi\"", a, b: "line\nbreak" }
        }

        #[test]
        fn the_pair_arrives_as_one_line_of_json() {
            let script =
                r#"read -r line; [ "$line" = '{"id":3,"prompt":"Say \"hi\"","a":"é","b":"line\nbreak"}' ] && echo a"#;
            assert_eq!(decide(&shell(script), shown("é")).map(|decision| decision.choice), Ok(Choice::A));
        }

        #[test]
        fn a_judge_need_not_read_nor_be_quick_to() {
            let large = "x".repeat(1 << 20);
            assert_eq!(decide(&shell("echo tie"), shown(&large)).map(|d| d.choice), Ok(Choice::Tie));
        }

        #[test]
        fn a_judge_that_fails_says_why() {
            let failed = |script| decide(&shell(script), shown("x")).map(|d| d.choice);
            let Err(error) = failed("echo a; echo no key >&2; exit 3") else { panic!("exit code ignored") };
            assert!(error.contains("exit status: 3") && error.ends_with("it said: no key"), "{error}");
            let Err(error) = failed("echo perhaps a") else { panic!("answer accepted") };
            assert!(error.contains("answered \"perhaps a\" instead of a, b or tie"), "{error}");
            let Err(error) = decide(&Command::new("no-such-judge-here", vec![]), shown("x")) else { panic!("started") };
            assert!(error.contains("could not be started"), "{error}");
        }

        #[test]
        fn a_judge_that_hangs_or_floods_is_stopped() {
            let start = Instant::now();
            // A grandchild that keeps the output open does not keep the judge waiting.
            let Err(error) = decide(&shell("sleep 30 & sleep 30"), shown("x")) else { panic!("did not time out") };
            assert!(error.contains("took longer than 2 seconds"), "{error}");
            let Err(error) = decide(&shell("yes a"), shown("x")) else { panic!("accepted a flood") };
            assert!(error.contains("more than a megabyte"), "{error}");
            assert!(start.elapsed() < Duration::from_secs(15));
        }

        #[test]
        fn a_judge_at_work_is_stopped_at_once() {
            let (stop, start) = (AtomicBool::new(false), Instant::now());
            let slow = Command { timeout_seconds: 30, ..shell("sleep 30") };
            let said = std::thread::scope(|scope| {
                let at_work = scope.spawn(|| slow.decide(shown("x"), &stop));
                std::thread::sleep(Duration::from_millis(200));
                stop.store(true, Ordering::Relaxed);
                at_work.join().unwrap()
            });
            assert!(said.is_err_and(|why| why.why().contains("was stopped")));
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }

        #[test]
        fn what_a_stopped_judge_has_started_is_stopped_with_it() {
            let folder = tempfile::tempdir().unwrap();
            let alive = folder.path().join("alive");
            // A grandchild that leaves a sign of life for as long as it lives.
            let script = format!("(while :; do echo >'{0}'; sleep 0.1; done) & wait", alive.display());
            assert!(decide(&shell(&script), shown("x")).is_err());
            assert!(alive.exists(), "the grandchild was never there");
            std::fs::remove_file(&alive).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            assert!(!alive.exists(), "the grandchild lives on");
        }
    }
}
