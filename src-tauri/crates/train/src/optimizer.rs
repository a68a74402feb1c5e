//! `AdamW` (arXiv 1711.05101, Algorithm 2) as torch defines it, and clipping by the global norm.
//!
//! For a parameter θ with gradient g, at step t:
//!
//! ```text
//! θ ← θ (1 − lr·λ)
//! m ← m + (1 − β₁)(g − m)          v ← β₂ v + (1 − β₂) g²
//! θ ← θ − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
//! ```
//!
//! The state is our own, so that a checkpoint holds all of it and a resumed run goes on bit for bit.

use crate::error::{Error, Result};
use candle_core::{CpuStorage, Device, Storage, Tensor};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// β₁, β₂ and ε: torch's and TRL's defaults.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Moments of every parameter.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// λ, decoupled weight decay.
    weight_decay: f64,
    /// t, updates made so far.
    step: u64,
    /// m, one per parameter, f32.
    first: Vec<Tensor>,
    /// v, one per parameter, f32.
    second: Vec<Tensor>,
}

/// The numbers of one update, the same for every element.
#[derive(Clone, Copy)]
struct Update {
    decay: f32,
    step_size: f32,
    second_correction: f32,
    gradient_scale: f32,
}

impl AdamW {
    /// Zero moments for `parameters`.
    ///
    /// # Errors
    /// When the device has no room for them.
    pub fn new(parameters: &[&Tensor], weight_decay: f64) -> Result<Self> {
        let zeros = || parameters.iter().map(|p| Ok(p.zeros_like()?)).collect::<Result<Vec<_>>>();
        Ok(Self { weight_decay, step: 0, first: zeros()?, second: zeros()? })
    }

    /// Updates made so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One update. Returns the new parameters, in order.
    ///
    /// Every gradient is multiplied by `gradient_scale` first (see [`clip_coefficient`]).
    ///
    /// # Errors
    /// When the device runs out of memory, or numbers and shapes of parameters and gradients differ.
    pub fn step(
        &mut self,
        parameters: &[&Tensor],
        gradients: &[Tensor],
        learning_rate: f64,
        gradient_scale: f64,
    ) -> Result<Vec<Tensor>> {
        if parameters.len() != self.first.len() || gradients.len() != self.first.len() {
            let what = format!(
                "the optimiser holds {} parameters but was given {} and {} gradients",
                self.first.len(),
                parameters.len(),
                gradients.len()
            );
            return Err(candle_core::Error::Msg(what).into());
        }
        self.step += 1;
        let t = self.step as f64;
        let update = Update {
            decay: (1.0 - learning_rate * self.weight_decay) as f32,
            step_size: (learning_rate / (1.0 - BETA1.powf(t))) as f32,
            second_correction: (1.0 - BETA2.powf(t)).sqrt() as f32,
            gradient_scale: gradient_scale as f32,
        };
        let mut updated = Vec::with_capacity(parameters.len());
        for (i, (parameter, gradient)) in parameters.iter().zip(gradients).enumerate() {
            let on_cpu = matches!(parameter.device(), Device::Cpu);
            let apply = if on_cpu { update_slices } else { update_tensors };
            let [parameter, first, second] = apply(update, [parameter, gradient, &self.first[i], &self.second[i]])?;
            (self.first[i], self.second[i]) = (first, second);
            updated.push(parameter);
        }
        Ok(updated)
    }

    /// Writes the moments under `names` and the step count, in safetensors.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, names: &[String], path: &Path) -> Result<()> {
        let mut tensors = BTreeMap::new();
        for ((name, first), second) in names.iter().zip(&self.first).zip(&self.second) {
            for (suffix, moment) in [("exp_avg", first), ("exp_avg_sq", second)] {
                let bytes = with_slice(&moment.to_device(&Device::Cpu)?, little_endian)?;
                tensors.insert(format!("{name}.{suffix}"), (Dtype::F32, moment.dims().to_vec(), bytes));
            }
        }
        tensors.insert("step".into(), (Dtype::I64, Vec::new(), (self.step as i64).to_le_bytes().to_vec()));
        let views = tensors
            .iter()
            .map(|(name, (dtype, shape, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)));
        let bytes = views
            .collect::<std::result::Result<Vec<_>, SafeTensorError>>()
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|error| Error::write(path)(std::io::Error::other(error)))?;
        std::fs::write(path, bytes).map_err(Error::write(path))
    }

    /// Reads what [`AdamW::save`] wrote for the same parameters.
    ///
    /// # Errors
    /// When the file is missing or damaged, or belongs to other parameters.
    pub fn load(path: &Path, names: &[String], parameters: &[&Tensor], weight_decay: f64) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let damaged = |what: String| Error::DamagedCheckpoint { path: path.to_path_buf(), what };
        let mut tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|error| damaged(model::without_backtrace(error).to_string()))?;
        let step = tensors.remove("step").and_then(|t| t.to_scalar::<i64>().ok());
        let step = step.ok_or_else(|| damaged("it holds no step count".into()))?;
        let mut moments = |suffix: &str| -> Result<Vec<Tensor>> {
            let take = |(name, parameter): (&String, &&Tensor)| {
                let moment = tensors.remove(&format!("{name}.{suffix}"));
                let moment = moment.ok_or_else(|| damaged(format!("it holds no {suffix} of {name}")))?;
                if moment.dims() != parameter.dims() {
                    return Err(damaged(format!("{suffix} of {name} has shape {:?}", moment.dims())));
                }
                Ok(moment.to_device(parameter.device())?)
            };
            names.iter().zip(parameters).map(take).collect()
        };
        Ok(Self { weight_decay, step: step as u64, first: moments("exp_avg")?, second: moments("exp_avg_sq")? })
    }
}

/// Reads f32 elements of a contiguous tensor on the CPU.
fn with_slice<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(all)) => Ok(read(&all[layout.start_offset()..][..layout.shape().elem_count()])),
        _ => Err(candle_core::Error::Msg("expected an f32 tensor on the CPU".into()).into()),
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// One pass over parameter, gradient and moments; returns parameter and moments.
fn update_slices(update: Update, [parameter, gradient, first, second]: [&Tensor; 4]) -> Result<[Tensor; 3]> {
    let shape = parameter.shape();
    if gradient.shape() != shape {
        let what = format!("a gradient of shape {:?} for a parameter of shape {shape:?}", gradient.shape());
        return Err(candle_core::Error::Msg(what).into());
    }
    let copy = |tensor: &Tensor| with_slice(tensor, <[f32]>::to_vec);
    let (mut p, mut m, mut v) = (copy(parameter)?, copy(first)?, copy(second)?);
    with_slice(gradient, |g| {
        p.par_iter_mut().zip(&mut m).zip(&mut v).zip(g).for_each(|(((p, m), v), &g)| {
            let g = g * update.gradient_scale;
            *m += (1.0 - BETA1) as f32 * (g - *m);
            *v = BETA2 as f32 * *v + (1.0 - BETA2) as f32 * g * g;
            let denominator = v.sqrt() / update.second_correction + EPSILON as f32;
            *p = *p * update.decay - update.step_size * (*m / denominator);
        });
    })?;
    let tensor = |values| Tensor::from_vec(values, shape, &Device::Cpu);
    Ok([tensor(p)?, tensor(m)?, tensor(v)?])
}

/// The same on any device, in tensor operations.
fn update_tensors(update: Update, [parameter, gradient, first, second]: [&Tensor; 4]) -> Result<[Tensor; 3]> {
    let g = (gradient * f64::from(update.gradient_scale))?;
    let first = (first + ((&g - first)? * (1.0 - BETA1))?)?;
    let second = ((second * BETA2)? + (g.sqr()? * (1.0 - BETA2))?)?;
    let denominator = ((second.sqrt()? / f64::from(update.second_correction))? + EPSILON)?;
    let change = ((&first / denominator)? * f64::from(update.step_size))?;
    let parameter = ((parameter * f64::from(update.decay))? - change)?;
    Ok([parameter, first, second])
}

/// Sum of squares of a tensor's elements, in f64.
///
/// # Errors
/// When the tensor is not f32.
pub fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    let tensor = tensor.to_device(&Device::Cpu)?;
    with_slice(&tensor, |values| values.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
}

/// Factor that `torch.nn.utils.clip_grad_norm_` puts on every gradient: `max_norm / (norm + 1e-6)`, at most 1. A
/// `max_norm` of 0 clips nothing.
pub fn clip_coefficient(norm: f64, max_norm: f64) -> f64 {
    if max_norm == 0.0 { 1.0 } else { (max_norm / (norm + 1e-6)).min(1.0) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        weight_decay: f64,
        max_grad_norm: f64,
        shapes: Vec<Vec<usize>>,
        start: Vec<Vec<f32>>,
        steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    struct Step {
        learning_rate: f64,
        grad_norm: f64,
        gradients: Vec<Vec<f32>>,
        parameters: Vec<Vec<f32>>,
    }

    fn cases() -> Vec<Case> {
        serde_json::from_str(include_str!("../tests/golden/adamw.json")).unwrap()
    }

    fn tensors(values: &[Vec<f32>], shapes: &[Vec<usize>]) -> Vec<Tensor> {
        let one = |(v, s): (&Vec<f32>, &Vec<usize>)| Tensor::from_slice(v, s.clone(), &Device::Cpu).unwrap();
        values.iter().zip(shapes).map(one).collect()
    }

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn bits(tensors: &[Tensor]) -> Vec<u32> {
        tensors.iter().flat_map(flat).map(f32::to_bits).collect()
    }

    /// Numbers by `torch.optim.AdamW` and `clip_grad_norm_`: `tests/golden/make_golden.py`.
    #[test]
    fn parameters_and_norms_are_those_of_torch() {
        let cases = cases();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let mut parameters = tensors(&case.start, &case.shapes);
            let mut optimizer = AdamW::new(&parameters.iter().collect::<Vec<_>>(), case.weight_decay).unwrap();
            for step in &case.steps {
                let gradients = tensors(&step.gradients, &case.shapes);
                let norm = gradients.iter().map(|g| sum_of_squares(g).unwrap()).sum::<f64>().sqrt();
                assert!((norm - step.grad_norm).abs() <= 1e-6 * step.grad_norm, "{norm} {}", step.grad_norm);
                let scale = clip_coefficient(norm, case.max_grad_norm);
                let now: Vec<_> = parameters.iter().collect();
                parameters = optimizer.step(&now, &gradients, step.learning_rate, scale).unwrap();
                for (got, expected) in parameters.iter().flat_map(flat).zip(step.parameters.iter().flatten()) {
                    assert!((got - expected).abs() <= 2e-6 * expected.abs().max(0.1), "{got} {expected}");
                }
            }
            assert_eq!(optimizer.steps(), 6);
        }
    }

    #[test]
    fn the_pass_over_slices_and_the_tensor_operations_agree() {
        let update = Update { decay: 0.99, step_size: 0.01, second_correction: 0.3, gradient_scale: 0.5 };
        let random = |low: f32, high: f32| Tensor::rand(low, high, (7, 3), &Device::Cpu).unwrap();
        let (p, g, m, v) = (random(-1.0, 1.0), random(-1.0, 1.0), random(-1.0, 1.0), random(0.0, 1.0));
        let slices = update_slices(update, [&p, &g, &m, &v]).unwrap();
        let operations = update_tensors(update, [&p, &g, &m, &v]).unwrap();
        for (a, b) in slices.iter().zip(&operations) {
            assert_eq!(a.dims(), b.dims());
            assert!(flat(a).iter().zip(flat(b)).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let case = &cases()[1];
        let names = ["a".to_string(), "b".to_string()];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("optimizer.safetensors");
        let start = tensors(&case.start, &case.shapes);
        let mut whole = AdamW::new(&start.iter().collect::<Vec<_>>(), case.weight_decay).unwrap();
        let mut parameters = start;
        for (i, step) in case.steps.iter().enumerate() {
            let gradients = tensors(&step.gradients, &case.shapes);
            let now: Vec<_> = parameters.iter().collect();
            whole.save(&names, &path).unwrap();
            let mut restored = AdamW::load(&path, &names, &now, case.weight_decay).unwrap();
            assert_eq!(restored.steps(), i as u64);
            let next = restored.step(&now, &gradients, step.learning_rate, 0.7).unwrap();
            parameters = whole.step(&now, &gradients, step.learning_rate, 0.7).unwrap();
            assert_eq!(bits(&next), bits(&parameters));
        }
        assert!(matches!(
            AdamW::load(&path, &["a".into(), "c".into()], &parameters.iter().collect::<Vec<_>>(), 0.0),
            Err(Error::DamagedCheckpoint { .. })
        ));
    }

    #[test]
    fn clipping_never_raises_a_gradient_and_zero_turns_it_off() {
        assert!((clip_coefficient(2.0, 1.0) - 1.0 / 2.000_001).abs() < 1e-15);
        assert!((clip_coefficient(0.5, 1.0) - 1.0).abs() < 1e-15);
        assert!((clip_coefficient(1e9, 0.0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn gradients_of_another_shape_or_number_are_refused() {
        let p = Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mut optimizer = AdamW::new(&[&p], 0.0).unwrap();
        assert!(optimizer.step(&[&p], &[], 0.1, 1.0).is_err());
        assert!(optimizer.step(&[&p], &[p.reshape((4, 1)).unwrap()], 0.1, 1.0).is_err());
    }
}
