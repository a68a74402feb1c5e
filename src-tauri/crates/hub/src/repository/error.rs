//! What can go wrong between a name of the hub and files on this machine, either way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use numbers::size;

/// A model or a data set of the hub could not be had, or not be pushed. No message holds the token or what an address says after its `?`.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum HubError {
    #[error("`{text}` is no name of the hub: {why}")]
    Name {
        text: String,
        why: String,
        /// How such names look.
        form: &'static str,
    },
    #[error("`{text}` can be read two ways: as a path, where nothing is, and as a name of the Hugging Face hub")]
    TwoWays { text: String },
    #[error("the hub shows no repository {repo}{}", if *with_token { " to the owner of this token" } else { "" })]
    NoRepository { repo: String, with_token: bool },
    #[error("{repo} has no branch, tag or commit `{revision}`")]
    NoRevision { repo: String, revision: String },
    #[error("{repo} has no file {file} at `{revision}`")]
    NoFile { repo: String, revision: String, file: String },
    #[error("{repo} is given only to those whom its authors let in")]
    Gated {
        repo: String,
        /// Where its terms are accepted.
        page: String,
        with_token: bool,
    },
    #[error("the hub does not accept the access token")]
    Token,
    #[error("the access token that {place} holds has letters that no token has")]
    OddToken { place: String },
    #[error("the hub forbids access to {repo}")]
    Forbidden { repo: String },
    #[error("the hub takes no more requests from here for now{}", told(*wait))]
    TooMany { wait: Option<Duration> },
    #[error("{host} answers with an error of its own ({status})")]
    Server { host: String, status: u16 },
    #[error("{host} cannot be reached: {reason}")]
    Network { host: String, reason: String },
    #[error("the connection broke off at {} of {} of {file}, and no attempt got further: {reason}", size(*done), size(*bytes))]
    Cut { file: String, done: u64, bytes: u64, reason: String },
    #[error("{file} did not come as {repo} has it: {what}")]
    Damaged { repo: String, file: String, what: String },
    #[error("the answer of {host} cannot be used: {what}")]
    Answer { host: String, what: String },
    #[error("{wanted} is not in the cache, and HF_HUB_OFFLINE is set: {missing}")]
    Offline { wanted: String, missing: String },
    #[error("{} are needed in {}, and {} are free", size(*needed), place.display(), size(*free))]
    DiskFull { needed: u64, free: u64, place: PathBuf },
    #[error("{repo} leaves open {what}:{}", lines(choices))]
    Choice {
        repo: String,
        /// What is to be chosen.
        what: &'static str,
        /// The names to choose from, with what they are.
        choices: Vec<String>,
    },
    #[error("{repo} cannot be used: {why}")]
    Unusable { repo: String, why: String, hint: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("HF_HUB_OFFLINE is set, so that nothing is sent to the hub")]
    OfflinePush,
    #[error("there is no access token for the hub")]
    NoToken,
    #[error("the hub does not let this token write to {repo}{}", said(says))]
    MayNotWrite { repo: String, says: String },
    #[error("{repo} was changed by somebody else since it was looked at; nothing of it was overwritten")]
    Moved { repo: String },
    #[error("the hub refuses what is sent to {repo} ({status}){}", said(says))]
    Refused { repo: String, status: u16, says: String },
    #[error("everybody can read {repo}, and nothing says that everybody may read what is pushed")]
    IsPublic { repo: String },
    #[error("{repo} has other files of these names, which would be replaced:{}", lines(files))]
    WouldReplace { repo: String, files: Vec<String> },
    #[error("the .gitignore of {repo} leaves out files that are to be pushed:{}", lines(files))]
    Ignored { repo: String, files: Vec<String> },
    #[error("{file} did not arrive in {repo} as it was sent: {what}")]
    NotArrived { repo: String, file: String, what: String },
    #[error("there is no keyring on this system{}", said(why))]
    NoKeyring { why: String },
    #[error("the system's keyring does not {action} the token: {why}")]
    Keyring {
        /// What was tried, as a verb.
        action: &'static str,
        why: String,
    },
    #[error("there is no folder for the hub's cache")]
    NoFolder,
    #[error("{name} has the value {value:?}, which is no address")]
    Endpoint { name: &'static str, value: String },
    #[error("stopped as asked")]
    Cancelled,
}

impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } | Self::TwoWays { .. } => "hub_name",
            Self::NoRepository { .. } | Self::NoRevision { .. } | Self::NoFile { .. } => "hub_not_found",
            Self::Gated { .. } => "hub_gated",
            Self::Token | Self::OddToken { .. } | Self::Forbidden { .. } | Self::NoToken | Self::MayNotWrite { .. } => {
                "hub_access"
            }
            Self::Moved { .. } => "hub_moved",
            Self::Refused { .. } | Self::Ignored { .. } => "hub_refused",
            Self::IsPublic { .. } => "hub_public",
            Self::WouldReplace { .. } => "hub_would_replace",
            Self::NoKeyring { .. } | Self::Keyring { .. } => "keyring",
            Self::TooMany { .. } | Self::Server { .. } | Self::Network { .. } | Self::Cut { .. } => "hub_network",
            Self::Damaged { .. } | Self::Answer { .. } | Self::NotArrived { .. } => "hub_damaged",
            Self::Offline { .. } | Self::OfflinePush => "hub_offline",
            Self::DiskFull { .. } | Self::Io { .. } | Self::NoFolder => "hub_file",
            Self::Choice { .. } => "hub_choice",
            Self::Unusable { .. } => "hub_unusable",
            Self::Endpoint { .. } => "hub_endpoint",
            Self::Cancelled => "cancelled",
        }
    }

    /// What to do, in whole sentences.
    pub fn hint(&self) -> String {
        const RESUMES: &str = "Try again later: what has come is kept, and the fetch resumes there.";
        match self {
            Self::Name { form, .. } => format!("Write it as `{form}`; all behind the name may be left out."),
            Self::TwoWays { text } => {
                format!("Write `hf:{text}` for the hub, or correct the path; `./{text}` is always a path.")
            }
            Self::NoRepository { with_token: false, .. } => {
                "Check the name. If the repository is private, log in with `tiebreak login`, or set HF_TOKEN to an access \
                 token of an account that may read it."
                    .into()
            }
            Self::NoRepository { with_token: true, .. } => {
                "Check the name, and that the account of the token may read it if it is private.".into()
            }
            Self::NoRevision { .. } => {
                "Look up the branches and commits on its page under Files, or leave the revision out.".into()
            }
            Self::NoFile { .. } => "Look up the name on its page under Files; it is written with its folder.".into(),
            Self::Gated { page, with_token: false, .. } => format!(
                "Accept the terms on {page}, then log in with `tiebreak login`, or set HF_TOKEN to an access token of that \
                 account."
            ),
            Self::Gated { page, with_token: true, .. } => format!(
                "Accept the terms on {page} with the account of your token, wait until access is given, and try again."
            ),
            Self::Token => {
                "Make a new one on https://huggingface.co/settings/tokens and set HF_TOKEN to it, or unset it for what is \
                 public."
                    .into()
            }
            Self::OddToken { .. } => "Put the token there alone, without quotes and line breaks.".into(),
            Self::Forbidden { .. } => {
                "Check on https://huggingface.co/settings/tokens that the token may read this repository.".into()
            }
            Self::TooMany { .. } => {
                "Wait that long and try again; with an access token in HF_TOKEN the hub allows more.".into()
            }
            Self::Server { .. } | Self::Cut { .. } => RESUMES.into(),
            Self::Network { .. } => {
                "Check the network, and HF_ENDPOINT if it is set. To use only what was fetched before, set \
                 HF_HUB_OFFLINE=1."
                    .into()
            }
            Self::Damaged { .. } => {
                "Try again. If it stays so, the mirror or a proxy on the way changes the file: leave HF_ENDPOINT out.".into()
            }
            Self::Answer { .. } => "Check that HF_ENDPOINT is a hub, and that no proxy answers in its place.".into(),
            Self::Offline { .. } => "Unset HF_HUB_OFFLINE to fetch it.".into(),
            Self::DiskFull { .. } => {
                "Free some space, or set HF_HUB_CACHE to a folder on a larger disk; what has come is kept.".into()
            }
            Self::Choice { .. } => "Name one of them, as they are written here.".into(),
            Self::Unusable { hint, .. } => hint.clone(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "The disk is full. Free some space and try again; what has come is kept.".into()
            }
            Self::Io { .. } => "Check that you may read and write there, or set HF_HUB_CACHE to another folder.".into(),
            Self::OfflinePush => "Unset HF_HUB_OFFLINE to push.".into(),
            Self::NoToken => {
                "Make one that may write on https://huggingface.co/settings/tokens, then keep it with `tiebreak login`, or set \
                 HF_TOKEN to it."
                    .into()
            }
            Self::MayNotWrite { .. } => {
                "Check the owner's name, that the account of the token may write there, and on \
                 https://huggingface.co/settings/tokens that the token itself may write."
                    .into()
            }
            Self::Moved { .. } => {
                "Look at what changed on its page, and push again: what was sent is there, and is not sent a second time."
                    .into()
            }
            Self::Refused { .. } => "Look at what the hub says; the repository is as it was.".into(),
            Self::IsPublic { .. } => {
                "Push with --public if everybody may, make the repository private on its settings page, or choose another."
                    .into()
            }
            Self::WouldReplace { .. } => {
                "Push with --replace to replace them (the old ones stay in the repository's history), or choose another \
                 repository."
                    .into()
            }
            Self::Ignored { .. } => "Take these names out of the repository's .gitignore, or choose another one.".into(),
            Self::NotArrived { .. } => {
                "Push again. If it stays so, the mirror or a proxy on the way changes files: leave HF_ENDPOINT out.".into()
            }
            Self::NoKeyring { .. } => {
                "Set HF_TOKEN to the token, or put it into the file that HF_TOKEN_PATH names (`token` in HF_HOME, else \
                 ~/.cache/huggingface/token), where `hf auth login` puts it, too."
                    .into()
            }
            Self::Keyring { .. } => "Unlock the keyring and try again, or set HF_TOKEN to the token.".into(),
            Self::NoFolder => "Set HF_HOME to a folder.".into(),
            Self::Endpoint { .. } => "Give an address that begins with https:// or http://, or unset it.".into(),
            Self::Cancelled => "Run it again to resume.".into(),
        }
    }
}

/// What a server or a system says, behind a sentence.
fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn told(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" and asks to wait {} s", wait.as_secs())).unwrap_or_default()
}

fn lines(choices: &[String]) -> String {
    choices.iter().flat_map(|choice| ["\n  ", choice]).collect()
}
