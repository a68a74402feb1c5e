//! From a file to what is kept in memory: each matrix in the format that the dtype asks for.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::Backend;
use crate::base_dtype::{BaseDtype, Kept};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model_size::ModelSize;
use kernels::blocks;
use kernels::weight::{Weight, float_type, rows_per_piece};

/// The tensors of a file, and how each matrix among them is kept.
pub(super) struct Matrices {
    backend: Backend,
    pub(super) dtype: BaseDtype,
    /// Shape of every tensor of the model, and for a matrix the format that it is kept in.
    pub(super) shapes: BTreeMap<String, (Vec<usize>, Option<GgmlDType>)>,
    pub(super) unquantised: Vec<String>,
    /// How many matrices are f16 because the device has no bf16.
    pub(super) f16_for_bf16: usize,
}

impl Matrices {
    pub(super) fn new(
        path: &Path,
        backend: Backend,
        dtype: BaseDtype,
        config: &Config,
        has_bf16: bool,
    ) -> Result<Self> {
        let (mut shapes, mut unquantised, mut f16_for_bf16) = (BTreeMap::new(), Vec::new(), 0);
        for (name, shape) in config.tensors() {
            let kept = match shape[..] {
                [_, columns] => {
                    let found = backend.format(&name)?;
                    let kept = dtype.keep(found, columns, has_bf16);
                    f16_for_bf16 += usize::from(kept != dtype.keep(found, columns, true));
                    Some(match kept {
                        Kept::As(format) => format,
                        Kept::Unquantised(format) => {
                            unquantised.push(name.clone());
                            format
                        }
                        Kept::Refused => {
                            let what = format!(
                                "dtype is \"{dtype}\", but \"{name}\" is stored as {found:?} already, and rounding it again \
                                 would lose more than a file in fewer bits does"
                            );
                            let hint =
                                "Set dtype = \"auto\" to use the file's blocks as they lie, or take another file";
                            return Err(Error::config(path, what, hint));
                        }
                    })
                }
                _ => None,
            };
            shapes.insert(name, (shape, kept));
        }
        Ok(Self { backend, dtype, shapes, unquantised, f16_for_bf16 })
    }

    /// What is kept otherwise than the dtype says, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let dtype = self.dtype;
        if let Some(first) = self.unquantised.first() {
            let matrices = counted(self.unquantised.len());
            notes.push(format!(
                "dtype is \"{dtype}\", but {matrices} the float type of the file, because rows are no whole blocks: \
                 {first} is the first"
            ));
        }
        if self.f16_for_bf16 > 0 {
            let matrices = counted(self.f16_for_bf16);
            notes.push(format!("this device has no bf16 (CUDA's begins with compute capability 8.0): {matrices} f16"));
        }
        notes
    }

    /// A matrix as it is kept.
    pub(super) fn read(&self, name: &str, expected: (usize, usize), device: &Device) -> Result<Weight> {
        let (shape, kept) = self.known(name)?;
        let (&[rows, columns], Some(kept)) = (shape, kept) else {
            return Err(other_shape(name, expected, shape));
        };
        if (rows, columns) != expected {
            return Err(other_shape(name, expected, shape));
        }
        let found = self.backend.format(name)?;
        if float_type(kept).is_none() && found == kept {
            return Ok(Weight::blocks(kept, self.backend.rows(name, 0..rows)?, expected, device)?);
        }
        let pieces = (0..rows).step_by(rows_per_piece(columns)).map(|start| {
            let count = rows_per_piece(columns).min(rows - start);
            let mut numbers = vec![0f32; count * columns];
            blocks::decode(found, &self.backend.rows(name, start..start + count)?, &mut numbers);
            Ok::<_, Error>(numbers)
        });
        let count = rows * columns;
        let tensor = match kept {
            GgmlDType::F32 => {
                let mut all = Vec::with_capacity(count);
                for piece in pieces {
                    all.extend_from_slice(&piece?);
                }
                Tensor::from_vec(all, expected, device)?
            }
            GgmlDType::BF16 => {
                let mut all = vec![bf16::ZERO; count];
                for (piece, into) in pieces.zip(all.chunks_mut(rows_per_piece(columns) * columns)) {
                    into.convert_from_f32_slice(&piece?);
                }
                Tensor::from_vec(all, expected, device)?
            }
            GgmlDType::F16 => {
                let mut all = vec![f16::ZERO; count];
                for (piece, into) in pieces.zip(all.chunks_mut(rows_per_piece(columns) * columns)) {
                    let piece = piece?;
                    into.convert_from_f32_slice(&piece);
                    if let Some((&value, _)) =
                        piece.iter().zip(&*into).find(|(x, half)| x.is_finite() != half.is_finite())
                    {
                        return Err(Error::TooLarge { name: name.to_string(), value, dtype: "f16" });
                    }
                }
                Tensor::from_vec(all, expected, device)?
            }
            kept => {
                let mut all = Vec::with_capacity(blocks::bytes_of(kept, count).unwrap_or(0));
                for piece in pieces {
                    quantise(name, kept, &piece?, &mut all)?;
                }
                return Ok(Weight::blocks(kept, all, expected, device)?);
            }
        };
        Ok(Weight::floats(&tensor)?)
    }

    /// Any tensor as the f32 numbers that are computed with, on the CPU.
    pub(super) fn numbers(&self, name: &str) -> Result<Tensor> {
        let (shape, kept) = self.known(name)?;
        if let (&[rows, columns], Some(_)) = (shape, kept) {
            return Ok(self.read(name, (rows, columns), &Device::Cpu)?.to_f32()?);
        }
        let numbers = self.backend.vector(name, shape.iter().product())?;
        Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?)
    }

    /// What the formula of memory has to know of the model.
    pub(super) fn size(&self, config: &Config) -> ModelSize {
        let (mut weights, mut expanded) = (0, 0);
        for (shape, kept) in self.shapes.values() {
            let count: usize = shape.iter().product();
            let format = kept.unwrap_or(GgmlDType::F32);
            weights += blocks::bytes_of(format, count).unwrap_or(4 * count) as u64;
            if let (&[rows, columns], true) = (&shape[..], format != GgmlDType::F32) {
                expanded = expanded.max(4 * (rows.min(rows_per_piece(columns)) * columns) as u64);
            }
        }
        ModelSize { config: config.clone(), weights, expanded }
    }

    fn known(&self, name: &str) -> Result<(&[usize], Option<GgmlDType>)> {
        let missing = || candle_core::Error::CannotFindTensor { path: name.to_string() };
        let (shape, kept) = self.shapes.get(name).ok_or_else(missing)?;
        Ok((shape, *kept))
    }
}

fn counted(matrices: usize) -> String {
    if matrices == 1 { "one matrix is kept in".into() } else { format!("{matrices} matrices are kept in") }
}

fn other_shape(name: &str, (rows, columns): (usize, usize), found: &[usize]) -> Error {
    Error::Shape { name: name.to_string(), expected: vec![rows, columns], found: found.to_vec() }
}

/// Appends the blocks of these rows.
fn quantise(name: &str, format: GgmlDType, numbers: &[f32], into: &mut Vec<u8>) -> Result<()> {
    if numbers.par_iter().any(|x| !x.is_finite()) {
        return Err(Error::NonFinite { what: format!("a weight of \"{name}\"") });
    }
    into.extend(blocks::encode(format, numbers)?);
    Ok(())
}
