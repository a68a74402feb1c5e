//! Exports.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExportWhat {
    /// A run's adapter, in PEFT's format.
    Adapter,
    /// The project's pairs, as JSONL.
    Pairs,
    /// A page about a run and its evaluation.
    Report,
    /// Every judgement ever given, as JSONL.
    Labels,
}

/// What merged weights are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum WeightType {
    /// As they were trained on, without rounding.
    F32,
    /// Half the size, as most models are published.
    Bf16,
    /// Half the size, finer than bf16, with a smaller range.
    F16,
}

/// What a GGUF file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum GgufForm {
    /// Base and adapter merged, with the types that the GGUF base has.
    AsBase,
    /// Base and adapter merged, in 16-bit floats.
    F16,
    /// Base and adapter merged, in some 8.5 bits per weight.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// Base and adapter merged, in some 4.8 bits per weight.
    #[serde(rename = "q4_k")]
    Q4K,
    /// The adapter alone.
    Lora,
}

/// One thing exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Exported {
    pub what: String,
    pub path: String,
    pub load: String,
    /// What was found when it was read again, in words, where that is done.
    pub check: Option<String>,
    /// Says so where the base is another than the run was trained on.
    pub other_base: Option<String>,
    /// What else there is to know of it, as sentences.
    pub notes: Vec<String>,
}
