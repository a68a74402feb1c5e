//! What is compared, and where it comes from.

use std::collections::BTreeMap;

use prefs::prompts::Prompt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Sides;
use crate::answers::Side;

/// Where an evaluation's numbers come from: enough to make them again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Ancestry {
    /// The base model, as named by the user.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_sha256: Option<String>,
    /// SHA-256 of each of its files that is read, those of tokenizer and chat template among them, none of one that is not
    /// there; empty in evaluations from before this was told, as is the next but one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_files: BTreeMap<String, Option<String>>,
    /// Says so where the base is another than the adapter was trained on, or the adapter was trained on more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_base: Option<String>,
    /// Digests of the adapter's files, its settings and those of its reference's adapter among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adapter_files: BTreeMap<String, String>,
    /// What its weights were kept as; empty in evaluations from before this was told, as is the next.
    #[serde(default)]
    pub dtype: String,
    /// What products with them were computed in.
    #[serde(default)]
    pub products: String,
    pub adapter: Option<String>,
    /// SHA-256 of its weights.
    pub adapter_sha256: Option<String>,
    /// SHA-256 of the weights of the reference's adapter, which with the model answers as the base; none where the base is
    /// the model alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_adapter_sha256: Option<String>,
    /// Both sides, where it is not an adapter that is compared with its own base: what stands here of model, adapter and run
    /// is then empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sides: Option<Sides>,
    /// The run that trained it.
    pub run: Option<String>,
    /// SHA-256 of the pairs it was trained on.
    pub pairs_sha256: Option<String>,
    /// The file of held-out prompts.
    pub prompts: String,
    /// SHA-256 of that file.
    pub prompts_sha256: String,
    /// Prompts that are plain text, so that the chat template which the model has was not applied to them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prompts_without_template: usize,
    /// Prompts that the run was trained on; their answers say little of others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trained_prompts: usize,
    /// Prompts that a run which this one began from was trained on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trained_before: usize,
    /// What there is to know of the model's files, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_notes: Vec<String>,
    /// How the prompts differ in kind from those that the run was trained on, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_otherwise: Option<String>,
    /// Seed of the answers' sampling.
    pub seed: u64,
    /// Seed that decides whose answer a judge is shown first.
    pub order_seed: u64,
    /// How answers are sampled (`temperature`, `top_p`, `max_new_tokens`, …).
    pub sampling: BTreeMap<String, serde_json::Value>,
    /// The version of the program.
    pub version: String,
}

impl Ancestry {
    /// How the prompts were asked and of what model, where that is to be kept in mind with the result: a sentence each.
    pub fn how_asked(&self) -> Vec<String> {
        let plain = (self.prompts_without_template > 0).then(|| {
            format!(
                "{} prompts are plain text and were asked as they stand: the model's chat template was not applied to them",
                self.prompts_without_template
            )
        });
        let trained = (self.trained_prompts > 0).then(|| {
            format!(
                "the run was trained on {} of these prompts: how it answers them says little of prompts that it has not seen",
                self.trained_prompts
            )
        });
        let before = (self.trained_before > 0).then(|| {
            format!(
                "a run that this one began from was trained on {} of these prompts: how it answers them says little of prompts that \
                 it has not seen",
                self.trained_before
            )
        });
        trained
            .into_iter()
            .chain(before)
            .chain(plain)
            .chain(self.asked_otherwise.clone())
            .chain(self.model_notes.iter().cloned())
            .chain(self.sides.iter().flat_map(Sides::notes))
            .collect()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is compared, fixed when an evaluation begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Where it all comes from.
    pub ancestry: Ancestry,
    /// The held-out prompts; an answer's `id` is its place here.
    pub prompts: Vec<Prompt>,
}

impl Setup {
    /// A digest of the prompts, in any order, and of how answers to them are sampled, but for the seed, which only draws
    /// among them.
    pub fn asked(&self) -> String {
        let sampling: BTreeMap<_, _> = self.ancestry.sampling.iter().filter(|(name, _)| *name != "seed").collect();
        // Contents and numbers are JSON at any time. Beside its messages a prompt has tools and arguments of the template.
        let whole = |prompt: &Prompt| serde_json::to_string(&Prompt { category: None, ..prompt.clone() });
        let mut prompts: Vec<String> = self.prompts.iter().map(|prompt| whole(prompt).unwrap_or_default()).collect();
        prompts.sort_unstable();
        let asked = serde_json::to_vec(&(prompts, sampling)).unwrap_or_default();
        format!("{:x}", Sha256::digest(asked))
    }
}

/// A setup with what an earlier version did not note. What is known of another base is no part of what is compared.
pub(super) fn completed(there: Setup, asked: &Setup) -> Setup {
    let Setup { ancestry: mut noted, prompts } = there;
    if noted.model_files.is_empty() {
        noted.model_files.clone_from(&asked.ancestry.model_files);
    }
    if noted.adapter_files.is_empty() {
        noted.adapter_files.clone_from(&asked.ancestry.adapter_files);
    }
    // These follow from what is compared.
    noted.other_base.clone_from(&asked.ancestry.other_base);
    noted.prompts_without_template = asked.ancestry.prompts_without_template;
    noted.asked_otherwise.clone_from(&asked.ancestry.asked_otherwise);
    noted.trained_prompts = asked.ancestry.trained_prompts;
    noted.model_notes.clone_from(&asked.ancestry.model_notes);
    Setup { ancestry: noted, prompts }
}

/// Names what is not the same in two setups.
pub(super) fn difference(there: &Setup, asked: &Setup) -> String {
    let (a, b) = (&there.ancestry, &asked.ancestry);
    let mut differing = Vec::new();
    let mut differs = |name: &str, differs: bool| differing.extend(differs.then(|| name.to_owned()));
    differs(&changed("the model", &a.model_sha256, &b.model_sha256), a.model_sha256 != b.model_sha256);
    differs("where the model lies", a.model != b.model);
    for (name, digest) in &a.model_files {
        let now = b.model_files.get(name).cloned().flatten();
        // What counts in the model's own digest is said already.
        differs(
            &changed(&format!("the model's {name}"), digest, &now),
            *digest != now && a.model_sha256 == b.model_sha256,
        );
    }
    differs(&changed("the adapter", &a.adapter_sha256, &b.adapter_sha256), a.adapter_sha256 != b.adapter_sha256);
    differs("where the adapter lies", a.adapter != b.adapter);
    let weights = a.adapter_sha256 == b.adapter_sha256 && a.reference_adapter_sha256 == b.reference_adapter_sha256;
    differs("the adapter's settings", a.adapter_files != b.adapter_files && weights);
    differs("the reference's adapter", a.reference_adapter_sha256 != b.reference_adapter_sha256);
    differs("the run", a.run != b.run || a.pairs_sha256 != b.pairs_sha256);
    let prompts = (&Some(a.prompts_sha256.clone()), &Some(b.prompts_sha256.clone()));
    differs(&changed("the prompts file", prompts.0, prompts.1), prompts.0 != prompts.1);
    differs("where the prompts file lies", a.prompts != b.prompts);
    differs("what is read of the prompts file", prompts.0 == prompts.1 && there.prompts != asked.prompts);
    if let (Some(a), Some(b)) = (&a.sides, &b.sides) {
        for (one, other) in Side::BOTH.map(|side| (a.of(side), b.of(side))) {
            let name =
                if one.name == other.name { one.name.clone() } else { format!("{} (now {})", one.name, other.name) };
            differs(&format!("side {name}"), one != other);
        }
    }
    differs("what is compared", a.sides.is_some() != b.sides.is_some());
    differs("dtype or products", a.dtype != b.dtype || a.products != b.products);
    differs("the seed", a.seed != b.seed || a.order_seed != b.order_seed);
    differs("the sampling", a.sampling != b.sampling);
    differs("the program's version", a.version != b.version);
    differing.join(", ")
}

/// Something with its digest as it was and as it is now, shortened.
#[allow(clippy::ref_option)] // as both are kept
fn changed(name: &str, was: &Option<String>, is: &Option<String>) -> String {
    const SHOWN: usize = 12;
    let short = |digest: &Option<String>| match digest.as_deref() {
        Some(digest) => format!("SHA-256 {}…", digest.get(..SHOWN).unwrap_or(digest)),
        None => "not there".to_owned(),
    };
    format!("{name} ({} then, {} now)", short(was), short(is))
}
