//! What the tests of every kernel share: random tensors, and central differences in f64.
#![allow(clippy::unwrap_used)]

use crate::device::{device, device_for};
use candle_core::{DType, Device, Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An f64 tensor of this shape, uniform in −1 to 1, on the device of f64 tests.
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, shape, device_for(DType::F64)).unwrap()
}

/// The same in f32, on the device of the tests.
pub fn f32(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::F32).unwrap().to_device(device()).unwrap()
}

/// Largest absolute difference.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let double =
        |tensor: &Tensor| tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    (double(a) - double(b)).unwrap().abs().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Gradient of `sum(f(x) * weight)` with respect to every element of `x`, by central differences.
pub fn finite_difference(x: &Tensor, weight: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Tensor {
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
