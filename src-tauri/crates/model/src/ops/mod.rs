//! Kernels, each with a forward and a backward.
//!
//! Every operation has a plain version on candle tensors, which runs on any device and in any float type and is what
//! the others are tested against, and a fused version for f32 on the CPU. This is the only place with `unsafe`.
//!
//! A kernel fails only where candle does: on shapes that do not fit each other, and when memory runs out.
#![allow(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod attention;
pub mod blocks;
pub mod dropout;
pub mod gated;
pub(crate) mod kept_memory;
pub mod product;
pub mod rates;
pub mod response_logps;
pub mod rms_norm;
pub mod rope;
pub mod softcap;
pub mod sums;
pub(crate) mod wide;

use crate::profile::Work;
use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};
use std::ops::Deref;
use std::sync::OnceLock;

/// An f32 tensor on the CPU that can be read as a slice, without a copy, while this holds its lock.
pub(crate) struct CpuSlice<'a, Guard: Deref<Target = Storage>> {
    storage: Guard,
    layout: &'a Layout,
}

pub(crate) fn cpu_slice(tensor: &Tensor) -> CpuSlice<'_, impl Deref<Target = Storage>> {
    let (storage, layout) = tensor.storage_and_layout();
    CpuSlice { storage, layout }
}

impl<Guard: Deref<Target = Storage>> CpuSlice<'_, Guard> {
    /// The elements of a contiguous f32 tensor on the CPU.
    pub(crate) fn get(&self) -> Result<&[f32]> {
        match (&*self.storage, self.layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => Ok(&data[start..end]),
            _ => candle_core::bail!("a fused kernel was given a tensor that is not contiguous f32 on the CPU"),
        }
    }
}

/// Whether this work on this tensor is done by a fused kernel.
pub(crate) fn fused(tensor: &Tensor, work: Work) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && !is_plain(work)
}

/// Whether the CPU is to do this work as every other device does, by plain tensor operations: where `TIEBREAK_KERNELS` is
/// `plain`, which is for all, or names this one, as `plain:attention,rope` does. All tests of the engine pass so too, which
/// is what stands behind devices that are not at hand.
pub fn is_plain(work: Work) -> bool {
    static PLAIN: OnceLock<Vec<Work>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| plain_in(&std::env::var("TIEBREAK_KERNELS").unwrap_or_default()));
    plain.contains(&work)
}

fn plain_in(setting: &str) -> Vec<Work> {
    match setting.strip_prefix("plain") {
        Some("") => Work::ALL.to_vec(),
        Some(names) => {
            let named = |work: &Work| names.trim_start_matches(':').split(',').any(|name| name == work.name());
            Work::ALL.into_iter().filter(named).collect()
        }
        None => Vec::new(),
    }
}

/// Rows per parallel piece, so that a piece is worth the cost of handing it to another core.
fn rows_per_piece(width: usize) -> usize {
    (16 * 1024 / width.max(1)).max(1)
}

/// Room for so many numbers, whatever stands there.
fn room<T: Copy + Default>(buffer: &mut Vec<T>, count: usize) -> &mut [T] {
    if buffer.len() < count {
        buffer.resize(count, T::default());
    }
    &mut buffer[..count]
}

/// A buffer that several tasks write to, each in a part of its own.
#[derive(Clone, Copy)]
struct SharedMut(*mut f32);

// SAFETY: the pointer is only written through in `attention`, where every task owns a set of (row, head) cells that no
// other task touches, and the buffer outlives the parallel section.
#[allow(unsafe_code)]
unsafe impl Send for SharedMut {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for SharedMut {}

impl SharedMut {
    fn pointer(&self) -> *mut f32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_turned_off_together_or_by_name() {
        assert_eq!(plain_in("plain"), Work::ALL);
        assert_eq!(plain_in("plain:rope,attention"), [Work::Attention, Work::Rope]);
        assert_eq!(plain_in(""), []);
        assert_eq!(plain_in("fused"), []);
    }
}

#[cfg(test)]
pub(crate) mod checks {
    //! What every kernel's tests share: random tensors, and central differences in f64.
    use candle_core::{DType, Device, Result, Tensor};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use testkit::device_for;

    pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_vec(data, shape, device_for(DType::F64)).unwrap()
    }

    pub(crate) fn f32(tensor: &Tensor) -> Tensor {
        tensor.to_dtype(DType::F32).unwrap().to_device(testkit::device()).unwrap()
    }

    /// Largest absolute difference.
    pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
        let double = |tensor: &Tensor| {
            tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap().flatten_all().unwrap()
        };
        (double(a) - double(b)).unwrap().abs().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    /// Gradient of `sum(f(x) * weight)` with respect to every element of `x`, by central differences.
    pub(crate) fn finite_difference(x: &Tensor, weight: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Tensor {
        let base: Vec<f64> = x.flatten_all().unwrap().to_vec1().unwrap();
        let value = |data: Vec<f64>| -> f64 {
            let x = Tensor::from_vec(data, x.shape(), x.device()).unwrap();
            (f(&x).unwrap() * weight).unwrap().sum_all().unwrap().to_scalar().unwrap()
        };
        let step = 1e-5;
        let gradient: Vec<f64> = (0..base.len())
            .map(|i| {
                let (mut up, mut down) = (base.clone(), base.clone());
                up[i] += step;
                down[i] -= step;
                (value(up) - value(down)) / (2.0 * step)
            })
            .collect();
        Tensor::from_vec(gradient, x.shape(), x.device()).unwrap()
    }
}
