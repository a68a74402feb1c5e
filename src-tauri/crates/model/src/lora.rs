//! A low-rank adapter on some of a model's linears (arXiv 2106.09685): `y = W x + (alpha / r) · B A dropout(x)`.

use crate::adapter::{self, AdapterTensors};
use crate::error::Result;
use crate::lora_config::{LinearShape, LoraConfig};
use candle_core::{DType, Device, Tensor};
use rand::Rng;
use std::path::Path;

/// The two factors on one linear.
#[derive(Debug, Clone)]
pub struct LoraWeight {
    /// The linear's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// `[r, in_features]`.
    pub a: Tensor,
    /// `[out_features, r]`.
    pub b: Tensor,
}

/// An adapter for one model, its weights in the order of the model's linears.
#[derive(Debug, Clone)]
pub struct Lora {
    config: LoraConfig,
    weights: Vec<LoraWeight>,
    /// For each linear of the model, the index of its weight.
    slots: Vec<Option<usize>>,
}

impl Lora {
    /// A new adapter as PEFT starts one: `A` uniform in `±1 / sqrt(in_features)` (Kaiming with `a = sqrt(5)`), `B` zero,
    /// so that it changes nothing yet.
    ///
    /// # Errors
    /// When the configuration is out of range or a target names no linear of the model.
    pub fn init(
        config: &LoraConfig,
        linears: &[LinearShape],
        rng: &mut impl Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut weights = Vec::new();
        for index in config.resolve(linears)? {
            let linear = &linears[index];
            let bound = 1.0 / (linear.in_features as f32).sqrt();
            let a: Vec<f32> = (0..config.r * linear.in_features).map(|_| rng.random_range(-bound..=bound)).collect();
            let a = Tensor::from_vec(a, (config.r, linear.in_features), &Device::Cpu)?.to_dtype(dtype)?;
            let b = Tensor::zeros((linear.out_features, config.r), dtype, device)?;
            weights.push(LoraWeight { name: linear.name.clone(), a: a.to_device(device)?, b });
        }
        Ok(Self::new(config.clone(), weights, linears))
    }

    /// Reads an adapter in PEFT's format.
    ///
    /// # Errors
    /// When the folder is not a LoRA adapter for these linears, or asks for something that is not supported.
    pub fn load(dir: &Path, linears: &[LinearShape], device: &Device) -> Result<Self> {
        let AdapterTensors { weights, config, .. } = adapter::read(dir, linears, device)?;
        let mut weights: Vec<_> = weights.into_iter().map(|(name, a, b)| LoraWeight { name, a, b }).collect();
        let place = |name: &str| linears.iter().position(|l| l.name == name);
        weights.sort_by_key(|w| place(&w.name));
        Ok(Self::new(config, weights, linears))
    }

    pub(crate) fn new(config: LoraConfig, weights: Vec<LoraWeight>, linears: &[LinearShape]) -> Self {
        let slots = linears.iter().map(|l| weights.iter().position(|w| w.name == l.name)).collect();
        Self { config, weights, slots }
    }

    /// Writes the adapter in PEFT's format, each file whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, dir: &Path, base_model_name: &str) -> Result<()> {
        let weights: Vec<_> = self.weights.iter().map(|w| (w.name.as_str(), &w.a, &w.b)).collect();
        adapter::write(dir, &weights, &self.config, base_model_name)
    }

    /// Rank, scaling, dropout and targets.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// `lora_alpha / r`.
    pub fn scale(&self) -> f64 {
        self.config.lora_alpha / self.config.r as f64
    }

    /// The factors, in the order of the model's linears.
    pub fn weights(&self) -> &[LoraWeight] {
        &self.weights
    }

    /// All parameters under PEFT's names: for each linear `A`, then `B`.
    pub fn parameters(&self) -> Vec<(String, &Tensor)> {
        self.weights
            .iter()
            .flat_map(|w| [(format!("{}.lora_A.weight", w.name), &w.a), (format!("{}.lora_B.weight", w.name), &w.b)])
            .collect()
    }

    /// The parameters to be updated, in the order of [`Lora::parameters`].
    pub fn parameters_mut(&mut self) -> Vec<&mut Tensor> {
        self.weights.iter_mut().flat_map(|w| [&mut w.a, &mut w.b]).collect()
    }

    /// The weight on the linear with this place in the model's list, with its index.
    pub(crate) fn on(&self, linear: usize) -> Option<(usize, &LoraWeight)> {
        self.slots[linear].map(|i| (i, &self.weights[i]))
    }
}

/// Gradients of an adapter, in the order of [`Lora::parameters`].
#[derive(Debug, Clone)]
pub struct Gradients {
    /// One tensor per parameter.
    pub tensors: Vec<Tensor>,
}

impl Gradients {
    /// All zero.
    ///
    /// # Errors
    /// When the device has no memory for them.
    pub fn zeros(lora: &Lora) -> Result<Self> {
        let tensors = lora.parameters().iter().map(|(_, p)| p.zeros_like()).collect::<candle_core::Result<_>>()?;
        Ok(Self { tensors })
    }

    /// Adds to the gradients of weight `index`.
    pub(crate) fn add(&mut self, index: usize, da: &Tensor, db: &Tensor) -> Result<()> {
        for (slot, d) in self.tensors[2 * index..2 * index + 2].iter_mut().zip([da, db]) {
            *slot = (&*slot + d)?;
        }
        Ok(())
    }
}
