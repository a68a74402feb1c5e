//! The mask of LoRA dropout, a pure function of a key so that a recomputed layer drops the same elements again.

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

/// A mask `[rows, width]` of zeros and `1 / (1 − rate)`; each element is zero with probability `rate`.
pub fn mask(key: u64, rate: f64, shape: (usize, usize), dtype: DType, device: &Device) -> Result<Tensor> {
    let keep = (1.0 / (1.0 - rate)) as f32;
    // The share of the 2^53 values of a hash that fall below `rate`.
    let threshold = (rate * (1u64 << 53) as f64) as u64;
    let mut data = vec![0f32; shape.0 * shape.1];
    data.par_iter_mut().with_min_len(8 * 1024).enumerate().for_each(|(i, value)| {
        if splitmix(key.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 11 >= threshold {
            *value = keep;
        }
    });
    Tensor::from_vec(data, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub fn splitmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_stated_share_and_keeps_the_mean() {
        let mask_of = |key| mask(key, 0.3, (300, 100), DType::F32, testkit::device()).unwrap().flatten_all().unwrap();
        let values: Vec<f32> = mask_of(7).to_vec1().unwrap();
        let dropped = values.iter().filter(|&&v| v == 0.0).count() as f64 / values.len() as f64;
        // Four standard deviations of a binomial share over 30,000 draws.
        assert!((dropped - 0.3).abs() < 4.0 * (0.3f64 * 0.7 / 30_000.0).sqrt(), "{dropped}");
        assert!(values.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
        assert_eq!(values, mask_of(7).to_vec1::<f32>().unwrap());
        assert_ne!(values, mask_of(8).to_vec1::<f32>().unwrap());
    }
}
