//! A low-rank adapter on some of a model's linears (arXiv 2106.09685): `y = W x + s · B A dropout(x)`.
//!
//! With DoRA (arXiv 2402.09353, Eq. 5) each row of `W + s · B A` is given a length of its own: it is divided by its norm
//! and multiplied by a trained magnitude.

use candle_core::Tensor;
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
    pub(crate) row_scale: OnceLock<RowScale>,
}

/// What DoRA scales the rows of an adapted weight by, `[out_features]` each.
#[derive(Debug, Clone)]
pub(crate) struct RowScale {
    /// The norm of each row of `W + s · B A`.
    pub(crate) norm: Tensor,
    /// Magnitude over norm.
    pub(crate) gain: Tensor,
}

impl LoraWeight {
    /// Plain `LoRA` on the linear `name`.
    pub fn new(name: impl Into<String>, a: Tensor, b: Tensor, scale: f64) -> Self {
        Self { name: name.into(), a, b, scale, magnitude: None, row_scale: OnceLock::new() }
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
