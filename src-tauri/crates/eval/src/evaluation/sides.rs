//! What the two sides of an evaluation are: where their answers come from, and what they are called.
//!
//! Files call the sides `tuned` and `base`, after what is compared most often: a run's adapter with the model that it was
//! trained on. The win rate is that of `tuned`. Where anything else is compared, an evaluation's ancestry says what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Ancestry;
use crate::answers::Side;
use crate::statistics::capitalised;

/// Under this folder an adapter has that of its reference, as TRL names it.
const REFERENCE: &str = "ref/";

/// Where the answers of a side come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SideKind {
    /// The adapter that a run has.
    #[default]
    Adapter,
    /// An adapter as it was at one of the run's steps.
    Checkpoint,
    /// The model that a run began from.
    Base,
    /// Another model.
    Model,
    /// A file of answers.
    Answers,
    /// The chosen answers of pairs.
    Chosen,
}

impl SideKind {
    /// Whether the program itself makes the answers.
    pub fn is_model(self) -> bool {
        !matches!(self, Self::Answers | Self::Chosen)
    }
}

/// One side of an evaluation, by digests of all that its answers follow from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SideOrigin {
    /// Where its answers come from.
    pub kind: SideKind,
    /// What it is called beside the other.
    pub name: String,
    /// The model, as named by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// SHA-256 of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// SHA-256 of each of its files that is read, none of one that is not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_files: BTreeMap<String, Option<String>>,
    /// What its weights are kept as, and what products with them are computed in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dtype: String,
    /// What products with them are computed in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub products: String,
    /// The folder of the adapter that is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Digests of the adapter's files that count for this side.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapter_files: BTreeMap<String, String>,
    /// The run that trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// SHA-256 of the pairs it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs_sha256: Option<String>,
    /// The optimiser step of a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The file that the answers stand in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256 of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sha256: Option<String>,
    /// What is to be kept in mind with its answers: sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl SideOrigin {
    /// What tells it from others, whatever they are called and wherever they lie: a digest of digests.
    pub fn identity(&self) -> String {
        let kind = if self.kind == SideKind::Chosen { "chosen" } else { "" };
        // Files without an adapter's weights, such as settings alone, are no adapter.
        let adapter: Vec<_> = self.adapter_files.iter().filter(|(name, _)| name.ends_with(".safetensors")).collect();
        let told = serde_json::to_vec(&(kind, &self.model_sha256, adapter, &self.file_sha256)).unwrap_or_default();
        format!("{:x}", Sha256::digest(told))
    }

    /// Names and values, for the record.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: Option<String>| {
            rows.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
        };
        row("model", self.model.clone());
        row("model SHA-256", self.model_sha256.clone());
        row("dtype", Some(self.dtype.clone()));
        row("products", Some(self.products.clone()));
        row("adapter", self.adapter.clone());
        for (name, digest) in &self.adapter_files {
            row(&format!("{name} SHA-256"), Some(digest.clone()));
        }
        row("run", self.run.clone());
        row("training pairs SHA-256", self.pairs_sha256.clone());
        row("step", self.step.map(|step| step.to_string()));
        row("file", self.file.clone());
        row("file SHA-256", self.file_sha256.clone());
        rows
    }
}

/// Both sides of an evaluation that is not of an adapter against its own base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Sides {
    pub tuned: SideOrigin,
    pub base: SideOrigin,
}

impl Sides {
    /// What is to be kept in mind with each side's answers.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        [&self.tuned, &self.base]
            .into_iter()
            .flat_map(|side| side.notes.iter().map(move |note| format!("{}: {note}", side.name)))
    }

    /// One of them.
    pub fn of(&self, side: Side) -> &SideOrigin {
        match side {
            Side::Tuned => &self.tuned,
            Side::Base => &self.base,
        }
    }
}

impl Ancestry {
    /// Where a side's answers come from.
    pub fn side(&self, side: Side) -> SideOrigin {
        if let Some(sides) = &self.sides {
            return sides.of(side).clone();
        }
        let of_reference = |(name, _): &(&String, &String)| name.starts_with(REFERENCE) == (side == Side::Base);
        let files = self.adapter_files.iter().filter(of_reference);
        let mut adapter_files: BTreeMap<String, String> = files
            .map(|(name, digest)| (name.strip_prefix(REFERENCE).unwrap_or(name).to_owned(), digest.clone()))
            .collect();
        // Earlier records have the digests of the weights alone.
        let weights = if side == Side::Tuned { &self.adapter_sha256 } else { &self.reference_adapter_sha256 };
        if let Some(digest) = weights {
            adapter_files.entry("adapter_model.safetensors".to_owned()).or_insert_with(|| digest.clone());
        }
        SideOrigin {
            kind: if side == Side::Tuned { SideKind::Adapter } else { SideKind::Base },
            name: self.names().title(side),
            model: Some(self.model.clone()),
            model_sha256: self.model_sha256.clone(),
            model_files: self.model_files.clone(),
            dtype: self.dtype.clone(),
            products: self.products.clone(),
            adapter: self.adapter.clone().filter(|_| side == Side::Tuned),
            adapter_files,
            run: self.run.clone(),
            pairs_sha256: self.pairs_sha256.clone().filter(|_| side == Side::Tuned),
            ..SideOrigin::default()
        }
    }

    /// What the sides are called.
    pub fn names(&self) -> Names {
        let named = self.sides.as_ref().map(|sides| [sides.tuned.name.clone(), sides.base.name.clone()]);
        Names { named }
    }
}

/// What both sides are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// None where an adapter is compared with its own base.
    named: Option<[String; 2]>,
}

impl Names {
    /// Whether an adapter is compared with its own base, so that the result says what training did.
    pub fn is_of_training(&self) -> bool {
        self.named.is_none()
    }

    /// At the head of a column.
    pub fn short(&self, side: Side) -> String {
        self.named(side).map_or_else(|| side.to_string(), str::to_owned)
    }

    /// Standing alone: `tuned model`.
    pub fn title(&self, side: Side) -> String {
        self.named(side).map_or_else(|| format!("{side} model"), str::to_owned)
    }

    /// Inside a sentence: `the tuned model`.
    pub fn long(&self, side: Side) -> String {
        self.named(side).map_or_else(|| format!("the {side} model"), str::to_owned)
    }

    /// At the head of a column that begins with a capital letter; what the user named stays as it is.
    pub fn head(&self, side: Side) -> String {
        self.named(side).map_or_else(|| capitalised(&side.to_string()), str::to_owned)
    }

    /// At the beginning of a sentence.
    pub fn opening(&self, side: Side) -> String {
        self.named(side).map_or_else(|| format!("The {side} model"), str::to_owned)
    }

    /// Of a figure of the win rate.
    pub fn figure_title(&self) -> String {
        let against = if self.is_of_training() { "the base".to_owned() } else { self.long(Side::Base) };
        format!("Win rate of {} against {against}", self.long(Side::Tuned))
    }

    fn named(&self, side: Side) -> Option<&str> {
        let [tuned, base] = self.named.as_ref()?;
        Some(if side == Side::Tuned { tuned } else { base })
    }
}
