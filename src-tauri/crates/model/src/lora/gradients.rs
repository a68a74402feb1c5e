//! Gradients of an adapter's parameters, added up over passes.

use crate::error::Result;
use crate::lora::adapter::Lora;
use candle_core::Tensor;
use kernels::sums;

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
