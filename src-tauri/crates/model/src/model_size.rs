//! How large a frozen model is in memory.

use crate::config::Config;

/// What the formula has to know of a frozen model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSize {
    /// What it is made of.
    pub config: Config,
    /// Bytes of its weights as they are kept.
    pub weights: u64,
    /// Bytes of weights that are expanded at once while they are used; 0 where all are f32.
    pub expanded: u64,
}

impl ModelSize {
    /// Whether all of its matrices are kept as f32.
    pub fn is_f32(&self) -> bool {
        self.expanded == 0
    }

    /// Of a model whose weights are all f32.
    pub fn in_f32(config: &Config) -> Self {
        let count = |shape: Vec<usize>| shape.into_iter().map(|n| n as u64).product::<u64>();
        let weights = config.tensors().into_iter().map(|(_, shape)| 4 * count(shape)).sum();
        Self { config: config.clone(), weights, expanded: 0 }
    }
}
