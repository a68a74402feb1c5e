//! Files out of Python packages: pip downloads (it knows the user's registry, proxy and certificates), Python unpacks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How often the download's size is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Copies one member of a zip archive to standard output.
const UNPACK: &str = "import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as member:
    shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)
";

/// The names Python goes by.
const INTERPRETERS: &[&str] = if cfg!(windows) { &["py", "python"] } else { &["python3", "python"] };

/// Downloads the wheel of `requirement` (`name==version`) alone into `folder`, reporting bytes so far.
pub(crate) fn download(requirement: &str, folder: &Path, report: &mut dyn FnMut(u64)) -> Result<PathBuf, String> {
    let wheels = folder.join("wheels");
    // pip keeps what it has so far in the temporary folder, where its size can be seen.
    let partial = folder.join("partial");
    let log = folder.join("pip.log");
    let made = std::fs::create_dir_all(&wheels).and_then(|()| std::fs::create_dir_all(&partial));
    made.map_err(|error| format!("cannot write in {}: {error}", folder.display()))?;
    let mut child = spawn(|python| {
        let log = File::create(&log)?;
        // Wheels only: building a source package would run its code.
        let options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"];
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download"]).args(options).arg("--dest").arg(&wheels).arg(requirement);
        for variable in ["TMPDIR", "TEMP", "TMP"] {
            pip.env(variable, &partial);
        }
        pip.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
    })?;
    let status = loop {
        report(size(&partial) + size(&wheels));
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(LOOK),
            Err(error) => return Err(format!("pip cannot be waited for: {error}")),
        }
    };
    if !status.success() {
        return Err(format!("pip failed: {}", said(&log, status)));
    }
    let wheel = std::fs::read_dir(&wheels).ok().and_then(|mut files| files.next()?.ok());
    wheel.map(|wheel| wheel.path()).ok_or_else(|| "pip said it succeeded, but brought no file".to_owned())
}

/// A member of a wheel on its way out.
pub(crate) struct Unpacking {
    /// Its bytes.
    pub(crate) output: ChildStdout,
    child: Child,
    log: PathBuf,
}

/// Begins to unpack `member` of the zip archive `wheel`.
pub(crate) fn open_member(wheel: &Path, member: &str) -> Result<Unpacking, String> {
    let log = wheel.with_extension("log");
    let mut child = spawn(|python| {
        let log = File::create(&log)?;
        let mut unpack = Command::new(python);
        // Isolated: no module of the current folder can stand in for zipfile.
        unpack.args(["-I", "-c", UNPACK]).arg(wheel).arg(member);
        unpack.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()
    })?;
    let output = child.stdout.take().ok_or("Python gives no output")?;
    Ok(Unpacking { output, child, log })
}

impl Unpacking {
    /// Waits for the end, and says what was wrong with the archive where something was. Output that was not read to its
    /// end is no fault of the archive.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let mut byte = [0];
        let read_to_end = std::io::Read::read(&mut self.output, &mut byte).is_ok_and(|read| read == 0);
        drop(self.output);
        let status = self.child.wait().map_err(|error| format!("Python cannot be waited for: {error}"))?;
        if read_to_end && !status.success() {
            return Err(format!("the wheel cannot be unpacked: {}", said(&self.log, status)));
        }
        Ok(())
    }
}

/// Starts Python under the first of its names that there is.
fn spawn(start: impl Fn(&str) -> std::io::Result<Child>) -> Result<Child, String> {
    for python in INTERPRETERS {
        match start(python) {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{python} cannot be started: {error}")),
        }
    }
    Err("Python is not installed (it would bring the file by pip)".to_owned())
}

/// Why a program failed, from what it wrote.
fn said(log: &Path, status: ExitStatus) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    reason(&String::from_utf8_lossy(&bytes)).unwrap_or_else(|| format!("it ended with {status} and said nothing"))
}

/// The line that tells most: the broken connection (pip goes on to say that it knows no such package, which is not the
/// point), else the last error, else the last line.
fn reason(log: &str) -> Option<String> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines().rfind(|line| line.contains("ERROR") || line.contains("No module named"));
    let line = last.or_else(|| lines().next_back())?.trim_start_matches("ERROR:").trim();
    let broken = lines().filter_map(|line| line.split_once("connection broken by '")).next_back();
    Some(match broken {
        Some((_, what)) => {
            let what = what.split_once(">: ").map_or(what, |(_, what)| what);
            let what = what.split("')").next().unwrap_or(what);
            format!("no connection to the package registry ({what}); {line}")
        }
        None => line.to_owned(),
    })
}

/// Bytes of all files under a folder; 0 for what cannot be read, as files come and go meanwhile.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_reason_is_the_line_that_tells_most() {
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip.HTTPConnection \
            object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/tiny/\n\
            ERROR: Could not find a version that satisfies the requirement tiny==1 (from versions: none)\n\
            ERROR: No matching distribution found for tiny==1\n\n";
        let expected = "no connection to the package registry (Failed to establish a new connection: [Errno 111] Connection \
            refused); No matching distribution found for tiny==1";
        assert_eq!(reason(offline).as_deref(), Some(expected));
        assert_eq!(reason("ERROR: a\nnote: b\n").as_deref(), Some("a"));
        assert_eq!(
            reason("/usr/bin/python3: No module named pip").as_deref(),
            Some("/usr/bin/python3: No module named pip")
        );
        assert_eq!(reason("Traceback\nKeyError: 'x'\n").as_deref(), Some("KeyError: 'x'"));
        assert_eq!(reason(" \n"), None);
    }
}
