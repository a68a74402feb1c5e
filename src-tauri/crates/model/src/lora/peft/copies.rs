//! Tensors of the base that an adapter's file brings along: PEFT stores the embedding and the output head where the adapter
//! is on one of them, or where the vocabulary was resized, and computes with what it stored.
#![allow(clippy::float_cmp)] // a copy is the same number

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::DType;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};

use super::PREFIX;
use crate::config::OUTPUT_HEAD;
use crate::error::{Error, Result};
use crate::weights::SafetensorsFile;

/// Rows that are compared at once.
const PIECE: usize = 1024;

/// A matrix of the base in an adapter's file.
#[derive(Debug)]
pub(crate) struct BaseCopy {
    file: Arc<SafetensorsFile>,
    path: PathBuf,
    /// In the file.
    name: String,
    /// Whether it is the output head's, and not the embedding's.
    pub(crate) of_head: bool,
}

/// The base's own matrix to compare with.
pub(crate) struct Own<'a> {
    /// `[rows, columns]`.
    pub(crate) dims: (usize, usize),
    /// The float type that it is kept in; none where it is kept in blocks.
    pub(crate) dtype: Option<DType>,
    /// The numbers of these rows.
    pub(crate) rows: &'a dyn Fn(Range<usize>) -> Result<Vec<f32>>,
}

impl BaseCopy {
    /// What the tensor that PEFT calls `name` and the file `name_in_file` is a copy of, if it is one.
    pub(super) fn of(file: &Arc<SafetensorsFile>, path: &Path, name: &str, name_in_file: &str) -> Option<Self> {
        let module = name.strip_prefix(PREFIX)?.strip_suffix(".weight")?;
        let module = module.strip_suffix(".base_layer").unwrap_or(module);
        let of_head = match module {
            OUTPUT_HEAD => true,
            "model.embed_tokens" => false,
            _ => return None,
        };
        Some(Self { file: Arc::clone(file), path: path.to_path_buf(), name: name_in_file.to_string(), of_head })
    }

    /// Refuses a copy that is another matrix than the base's own: PEFT would compute with it.
    ///
    /// # Errors
    /// [`Error::Adapter`] when it has another shape or other numbers, beyond the rounding of a float type.
    pub(crate) fn check(&self, own: &Own) -> Result<()> {
        let what = if self.of_head { "output head" } else { "embedding" };
        let found = self.file.shape(&self.name)?;
        let (rows, columns) = own.dims;
        if found != [rows, columns] {
            let theirs = found.first().unwrap_or(&0);
            let what = if found == [*theirs, columns] {
                format!(
                    "it brings an {what} of its own for {theirs} tokens (\"{}\"), where the model's is for {rows}: the vocabulary \
                     was resized before training",
                    self.name
                )
            } else {
                format!(
                    "it brings an {what} of its own (\"{}\", {found:?}), where the model's is {:?}",
                    self.name,
                    [rows, columns]
                )
            };
            let hint = format!(
                "Resize the base as it was resized then (resize_token_embeddings({theirs}) of transformers), merge the two with \
                 PEFT, which takes the adapter's own matrices (PeftModel.from_pretrained, merge_and_unload, \
                 save_pretrained), and use the merged model",
            );
            return Err(Error::adapter(&self.path, what, hint));
        }
        let stored = self.file.format(&self.name)?;
        for start in (0..rows).step_by(PIECE) {
            let piece = start..rows.min(start + PIECE);
            let (theirs, ours) = (self.file.numbers(&self.name, piece.clone())?, (own.rows)(piece)?);
            let same = |(&theirs, &ours): (&f32, &f32)| {
                theirs.to_bits() == ours.to_bits()
                    || theirs == ours
                    || own.dtype.is_some_and(|kept| rounded(theirs, kept) == ours)
                    || rounded(ours, float(stored)) == theirs
            };
            if !theirs.iter().zip(&ours).all(same) {
                let blocks = if own.dtype.is_none() { " in blocks, as it is kept here" } else { "" };
                let what =
                    format!("it brings an {what} of its own (\"{}\"), which is not this model's{blocks}", self.name);
                return Err(Error::adapter(&self.path, what, MERGE_FIRST));
            }
        }
        Ok(())
    }

    /// Where there is no base to compare with.
    pub(crate) fn refused(&self) -> Error {
        let what = format!("it brings a matrix of its base along (\"{}\")", self.name);
        Error::adapter(&self.path, what, MERGE_FIRST)
    }
}

/// What helps in each case.
const MERGE_FIRST: &str = "Name the base that it was trained on; or merge the two with PEFT, which takes the adapter's own \
                           matrices (PeftModel.from_pretrained, merge_and_unload, save_pretrained), and use the merged model";

fn rounded(number: f32, dtype: DType) -> f32 {
    match dtype {
        DType::BF16 => bf16::from_f32(number).to_f32(),
        DType::F16 => f16::from_f32(number).to_f32(),
        _ => number,
    }
}

fn float(format: GgmlDType) -> DType {
    match format {
        GgmlDType::BF16 => DType::BF16,
        GgmlDType::F16 => DType::F16,
        _ => DType::F32,
    }
}
