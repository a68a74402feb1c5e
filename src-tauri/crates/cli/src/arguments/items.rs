//! What a project keeps in folders of their own.

use super::queue::InProject;
use api::window::types::ItemKind;
use clap::{Args, Subcommand};
use std::str::FromStr;

#[derive(Debug, Args)]
pub(crate) struct ItemsArguments {
    #[command(subcommand)]
    pub(crate) command: ItemsCommand,
}

/// A run, an evaluation, an export or scores by the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kind: ItemKind,
    pub(crate) item: String,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [
            ("run", ItemKind::Run),
            ("evaluation", ItemKind::Evaluation),
            ("export", ItemKind::Export),
            ("scores", ItemKind::Scores),
        ];
        let found = text.split_once(':').and_then(|(word, item)| {
            let (_, kind) = kinds.into_iter().find(|(kind, _)| *kind == word)?;
            (!item.is_empty()).then(|| Self { kind, item: item.to_owned() })
        });
        found.ok_or_else(|| format!("{text:?} is no item: write run:NAME, evaluation:NAME, export:NAME or scores:NAME"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ItemsCommand {
    /// Every run, evaluation, export and scores of pairs with what it takes on the disk, the largest first
    List {
        #[command(flatten)]
        of: InProject,
    },
    /// Rename an item, and note something of it; what is not given stays. Its folder keeps its name, since others refer to it
    Describe {
        /// run:NAME, evaluation:NAME, export:NAME or scores:NAME, by the name of its folder
        item: Named,
        #[command(flatten)]
        of: InProject,
        /// What it is called from now on
        #[arg(long)]
        name: Option<String>,
        /// A note; an empty one takes the note away
        #[arg(long)]
        note: Option<String>,
        /// Its tags, separated by commas, in the place of those it had; an empty text takes them away
        #[arg(long, value_name = "TAGS")]
        tags: Option<String>,
    },
    /// Leave an item out of the window's lists; nothing of it changes
    Archive {
        /// As of `describe`
        item: Named,
        #[command(flatten)]
        of: InProject,
        /// Take it up there again
        #[arg(long)]
        undo: bool,
    },
    /// Move an item into the project's bin, and say what refers to it
    Delete {
        /// As of `describe`
        item: Named,
        #[command(flatten)]
        of: InProject,
        /// Only say what refers to it and what that means
        #[arg(long)]
        dry_run: bool,
    },
    /// Move the checkpoints of a run into the bin that it does not need to be resumed
    RemoveCheckpoints {
        /// The name of the run's folder
        run: String,
        #[command(flatten)]
        of: InProject,
    },
    /// What is in the bin
    Bin {
        #[command(flatten)]
        of: InProject,
    },
    /// Put an entry of the bin back where it was
    PutBack {
        /// As `tiebreak items bin` names it
        entry: String,
        #[command(flatten)]
        of: InProject,
    },
    /// Remove entries of the bin for good
    EmptyBin {
        /// As `tiebreak items bin` names them
        #[arg(required_unless_present = "all")]
        entries: Vec<String>,
        /// All that is in the bin now
        #[arg(long, conflicts_with = "entries")]
        all: bool,
        #[command(flatten)]
        of: InProject,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_named_by_kind_and_folder() {
        let run = Named { kind: ItemKind::Run, item: "first:2".into() };
        assert_eq!("run:first:2".parse(), Ok(run));
        for wrong in ["run:", "first", "bin:x", ""] {
            assert!(wrong.parse::<Named>().is_err_and(|error| error.contains("is no item")), "{wrong}");
        }
    }
}
