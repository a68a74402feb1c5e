//! A low-rank adapter on some of a model's linears (arXiv 2106.09685): `y = W x + s · B A dropout(x)`.
//!
//! With DoRA (arXiv 2402.09353, Eq. 5) each row of `W + s · B A` is given a length of its own: it is divided by its norm
//! and multiplied by a trained magnitude.

use crate::adapter;
use crate::error::{Error, Result};
use crate::lora_config::{LinearShape, LoraConfig};
use candle_core::{DType, Device, Tensor};
use kernels::sums;
use rand::Rng;
use std::path::Path;
use std::sync::OnceLock;

/// What an adapter has on one linear.
#[derive(Debug, Clone)]
pub struct LoraWeight {
    /// The linear's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// `[r, in_features]`.
    pub a: Tensor,
    /// `[out_features, r]`.
    pub b: Tensor,
    /// `s`, what `B A` is multiplied by.
    pub scale: f64,
    /// With DoRA, `[out_features]`: the length of each row of the adapted weight.
    pub magnitude: Option<Tensor>,
    /// Kept from the first use to the next update.
    pub(crate) direction: OnceLock<Direction>,
}

/// What DoRA makes of the rows of an adapted weight, `[out_features]` each.
#[derive(Debug, Clone)]
pub(crate) struct Direction {
    /// The norm of each row.
    pub(crate) norm: Tensor,
    /// Magnitude over norm.
    pub(crate) gain: Tensor,
}

impl LoraWeight {
    /// Plain `LoRA` on the linear `name`.
    pub fn new(name: impl Into<String>, a: Tensor, b: Tensor, scale: f64) -> Self {
        Self { name: name.into(), a, b, scale, magnitude: None, direction: OnceLock::new() }
    }

    /// Rows of `A` and columns of `B`.
    pub fn rank(&self) -> usize {
        self.a.dims().first().copied().unwrap_or(0)
    }

    /// The numbers in it under PEFT's names.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let (a, b) = (("lora_A.weight", &self.a), ("lora_B.weight", &self.b));
        let magnitude = self.magnitude.as_ref().map(|magnitude| ("lora_magnitude_vector", magnitude));
        [a, b].into_iter().chain(magnitude).map(|(part, tensor)| (format!("{}.{part}", self.name), tensor))
    }
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
        check: impl Fn(&adapter::BaseCopy) -> Result<()>,
    ) -> Result<Self> {
        let adapter::Read { mut weights, config, copies, .. } = adapter::read(dir, linears, device)?;
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
        adapter::write(dir, &self.weights, &self.config, base_model_name)
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
        for LoraWeight { a, b, magnitude, direction, .. } in &mut self.weights {
            *direction = OnceLock::new();
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
                weight.direction = OnceLock::new();
            }
        }
        Ok(fresh)
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

    /// Adds to the gradients of weight `index`: of `A`, of `B`, and with DoRA, which every weight has or none, of its
    /// magnitudes.
    pub(crate) fn add(&mut self, index: usize, da: &Tensor, db: &Tensor, magnitude: Option<&Tensor>) -> Result<()> {
        let width = if magnitude.is_some() { 3 } else { 2 };
        let slots = &mut self.tensors[width * index..width * (index + 1)];
        for (slot, d) in slots.iter_mut().zip([Some(da), Some(db), magnitude].into_iter().flatten()) {
            *slot = sums::add(slot, d)?;
        }
        Ok(())
    }
}
