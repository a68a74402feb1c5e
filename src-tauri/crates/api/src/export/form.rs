//! The forms in which a run's weights are exported and then read again.

use model::{FloatType, GgufType};
use serde::{Serialize, Serializer};

/// A form, each with a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Base and adapter merged, as a Hugging Face folder.
    Merged(FloatType),
    /// Base and adapter merged, as a GGUF file.
    Gguf(GgufType),
    /// The adapter, as a GGUF file.
    LoraGguf,
}

/// The folders of all forms.
pub(crate) const FOLDERS: [&str; 3] = ["merged", "gguf", "lora-gguf"];

impl Form {
    /// The folder, and the name of what it is.
    pub(crate) fn folder(self) -> &'static str {
        let [merged, gguf, lora] = FOLDERS;
        match self {
            Self::Merged(_) => merged,
            Self::Gguf(_) => gguf,
            Self::LoraGguf => lora,
        }
    }

    /// The GGUF file in it.
    pub(super) fn file(self) -> String {
        match self {
            Self::LoraGguf => "adapter.gguf".into(),
            _ => format!("model-{}.gguf", self.stored().name()),
        }
    }

    /// What the weights are stored as.
    pub(super) fn stored(self) -> StoredType {
        match self {
            Self::Merged(float) => StoredType::Float(float),
            Self::Gguf(blocks) => StoredType::Gguf(blocks),
            Self::LoraGguf => StoredType::Float(FloatType::F32),
        }
    }
}

/// What weights are stored as; serialised by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredType {
    /// Floats throughout.
    Float(FloatType),
    /// The types of a GGUF file.
    Gguf(GgufType),
}

impl StoredType {
    /// Such as `bf16` or `q4_k`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float(float) => float.name(),
            Self::Gguf(blocks) => blocks.name(),
        }
    }

    /// The name within a sentence.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Float(float) => float.name(),
            Self::Gguf(GgufType::AsBase) => "the base's own types",
            Self::Gguf(GgufType::F16) => "f16",
            Self::Gguf(GgufType::Q8_0) => "Q8_0",
            Self::Gguf(GgufType::Q4K) => "Q4_K",
        }
    }
}

impl Serialize for StoredType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
