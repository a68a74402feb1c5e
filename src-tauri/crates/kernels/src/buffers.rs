//! Memory as kernels read and write it.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};
use std::ops::Deref;

/// An f32 tensor on the CPU that can be read as a slice, without a copy, while this holds its lock.
#[derive(Debug)]
pub struct CpuSlice<'a, Guard: Deref<Target = Storage>> {
    storage: Guard,
    layout: &'a Layout,
}

/// Locks the storage of `tensor` for reading.
pub fn cpu_slice(tensor: &Tensor) -> CpuSlice<'_, impl Deref<Target = Storage>> {
    let (storage, layout) = tensor.storage_and_layout();
    CpuSlice { storage, layout }
}

impl<Guard: Deref<Target = Storage>> CpuSlice<'_, Guard> {
    /// The elements of a contiguous f32 tensor on the CPU.
    pub fn get(&self) -> Result<&[f32]> {
        match (&*self.storage, self.layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => Ok(&data[start..end]),
            _ => candle_core::bail!("a fused kernel was given a tensor that is not contiguous f32 on the CPU"),
        }
    }
}

/// Rows per parallel piece, so that a piece is worth the cost of handing it to another core.
pub(crate) fn rows_per_piece(width: usize) -> usize {
    (16 * 1024 / width.max(1)).max(1)
}

/// Room for so many numbers, whatever stands there.
pub(crate) fn room<T: Copy + Default>(buffer: &mut Vec<T>, count: usize) -> &mut [T] {
    if buffer.len() < count {
        buffer.resize(count, T::default());
    }
    &mut buffer[..count]
}
