//! An adapter for one model: a weight for each linear that has one.

use crate::config::LinearShape;
use crate::error::{Error, Result};
use crate::lora::config::LoraConfig;
use crate::lora::peft;
use crate::lora::weight::LoraWeight;
use candle_core::{DType, Device, Tensor};
use rand::Rng;
use std::path::Path;
use std::sync::OnceLock;

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
    /// so that it changes nothing yet. The magnitudes of DoRA are those of the base, which [`crate::Decoder::start_lora`]
    /// knows; here they are refused.
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
        if config.use_dora {
            let what = "use_dora needs the model's weights to start from".into();
            return Err(Error::Lora { what, hint: "This is a fault of the program; please report it".into() });
        }
        Self::start(config, linears, rng, dtype, device, |_| Ok(None))
    }

    /// A new adapter; `magnitude` gives that of the linear at a place.
    pub(crate) fn start(
        config: &LoraConfig,
        linears: &[LinearShape],
        rng: &mut impl Rng,
        dtype: DType,
        device: &Device,
        magnitude: impl Fn(usize) -> Result<Option<Tensor>>,
    ) -> Result<Self> {
        config.check_patterns(linears)?;
        let mut weights = Vec::new();
        for index in config.resolve(linears)? {
            let LinearShape { name, in_features, out_features } = &linears[index];
            let rank = config.rank_of(name);
            let bound = 1.0 / (*in_features as f32).sqrt();
            let a: Vec<f32> = (0..rank * in_features).map(|_| rng.random_range(-bound..=bound)).collect();
            let a = Tensor::from_vec(a, (rank, *in_features), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
            let b = Tensor::zeros((*out_features, rank), dtype, device)?;
            let magnitude = magnitude(index)?;
            weights.push(LoraWeight { magnitude, ..LoraWeight::new(name, a, b, config.scale_of(name)) });
        }
        Ok(Self::new(config.clone(), weights, linears))
    }

    /// Reads an adapter in PEFT's format. One that brings a matrix of its base along is for
    /// [`crate::Decoder::load_lora`], which knows the base's own; here it is refused.
    ///
    /// # Errors
    /// When the folder is not a LoRA adapter for these linears, or asks for something that is not supported.
    pub fn load(dir: &Path, linears: &[LinearShape], device: &Device) -> Result<Self> {
        Self::load_beside(dir, linears, device, |copy| Err(copy.refused()))
    }

    /// As [`Lora::load`]; `check` sees each matrix of the base that the file brings along.
    pub(crate) fn load_beside(
        dir: &Path,
        linears: &[LinearShape],
        device: &Device,
        check: impl Fn(&peft::BaseCopy) -> Result<()>,
    ) -> Result<Self> {
        let peft::Read { mut weights, config, copies, .. } = peft::read(dir, linears, device)?;
        copies.iter().try_for_each(check)?;
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
        peft::write(dir, &self.weights, &self.config, base_model_name)
    }

    /// Rank, scaling, dropout and targets.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The factors, in the order of the model's linears.
    pub fn weights(&self) -> &[LoraWeight] {
        &self.weights
    }

    /// All parameters under PEFT's names: for each linear `A`, then `B`, then with DoRA its magnitudes.
    pub fn parameters(&self) -> Vec<(String, &Tensor)> {
        self.weights.iter().flat_map(LoraWeight::parameters).collect()
    }

    /// The parameters to be updated, in the order of [`Lora::parameters`].
    pub fn parameters_mut(&mut self) -> Vec<&mut Tensor> {
        let mut parameters = Vec::new();
        for LoraWeight { a, b, magnitude, row_scale, .. } in &mut self.weights {
            *row_scale = OnceLock::new();
            parameters.extend([Some(a), Some(b), magnitude.as_mut()].into_iter().flatten());
        }
        parameters
    }

    /// Whether the other adapter has the same parameters, in name and shape, and scales them alike.
    pub fn is_like(&self, other: &Self) -> bool {
        let scales = |lora: &Self| lora.weights.iter().map(|w| w.scale.to_bits()).collect::<Vec<_>>();
        let (mine, theirs) = (self.parameters(), other.parameters());
        let alike = |((a, x), (b, y)): (&(String, &Tensor), &(String, &Tensor))| a == b && x.dims() == y.dims();
        mine.len() == theirs.len() && mine.iter().zip(&theirs).all(alike) && scales(self) == scales(other)
    }

    /// Moves every parameter towards the one of `policy` in its place: `θ ← (1 − α) θ + α θ_policy`.
    ///
    /// # Errors
    /// When the two adapters are not alike ([`Lora::is_like`]).
    pub fn mix(&mut self, policy: &Self, alpha: f64) -> Result<()> {
        let theirs: Vec<&Tensor> = policy.weights.iter().flat_map(|w| w.parameters().map(|(_, p)| p)).collect();
        for (mine, theirs) in self.parameters_mut().into_iter().zip(theirs) {
            *mine = ((&*mine * (1.0 - alpha))? + (theirs * alpha)?)?;
        }
        Ok(())
    }

    /// The same adapter before it has learned anything: `B` is zero, and with DoRA the magnitudes are the base's.
    pub(crate) fn untrained(&self, magnitude: impl Fn(usize) -> Result<Option<Tensor>>) -> Result<Self> {
        let mut fresh = self.clone();
        for (place, slot) in self.slots.iter().enumerate() {
            if let Some(slot) = slot {
                let weight = &mut fresh.weights[*slot];
                weight.b = weight.b.zeros_like()?;
                weight.magnitude = if weight.magnitude.is_some() { magnitude(place)? } else { None };
                weight.row_scale = OnceLock::new();
            }
        }
        Ok(fresh)
    }

    /// The weight on the linear with this place in the model's list, with its index.
    pub(crate) fn on(&self, linear: usize) -> Option<(usize, &LoraWeight)> {
        self.slots[linear].map(|i| (i, &self.weights[i]))
    }
}
