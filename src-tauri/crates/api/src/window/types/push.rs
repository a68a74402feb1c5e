//! Pushing to the Hugging Face hub.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What is pushed, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PushForm {
    Adapter,
    MergedF32,
    MergedBf16,
    MergedF16,
    GgufAsBase,
    GgufF16,
    #[serde(rename = "gguf_q8_0")]
    GgufQ8_0,
    #[serde(rename = "gguf_q4_k")]
    GgufQ4K,
    LoraGguf,
    /// The project's pairs, as a data set.
    Pairs,
}

/// Whether something can be pushed, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct HubToken {
    /// The hub's address.
    pub hub: String,
    /// Whether there is an access token for it.
    pub has_token: bool,
    /// Whether nothing is to be sent at all.
    pub offline: bool,
    /// The account that it belongs to, where it was just asked for.
    pub account: Option<String>,
    /// What it may do, where the hub says so.
    pub role: Option<String>,
    /// Why the one in the system's keyring could not be had.
    pub trouble: Option<String>,
}
