//! Memory of a training step: the formula that is stated, and what the process really took.

use crate::batch::Batch;
use crate::config::Config;
use crate::lora::Lora;
use crate::ops::response_logps::CHUNK;

/// Bytes by what they hold. Weights and activations in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The frozen weights.
    pub weights: u64,
    /// The adapter, its gradients, both moments of AdamW, and as much again while they are updated.
    pub adapter: u64,
    /// What is kept between forward and backward.
    pub kept: u64,
    /// What one layer, or the vocabulary projection, needs while it is computed.
    pub transient: u64,
}

impl Estimate {
    /// The formula for one forward and backward.
    ///
    /// With `T` packed tokens, `N` response tokens, `L` layers, widths `d` (residual), `q` and `k` (query and key heads)
    /// and `m` (MLP), and `V` the vocabulary, one layer saves `S = T (5 d + 2 q + 2 k + 3 m + heads + 7 r)` numbers.
    /// Kept are `L T d` with recomputation, `L S` without, and `4 N d` for the head. While a layer runs backward,
    /// `S + T (4 d + 3 q + 3 k + 3 m)` more, and while the head runs, `2 C V` for its chunk of `C` rows and as much of
    /// the same shape for the product that forms them.
    pub fn training(config: &Config, lora: &Lora, batch: &Batch, recompute: bool) -> Self {
        let (tokens, targets) = (batch.tokens() as u64, batch.targets().len() as u64);
        let (layers, width) = (config.num_hidden_layers as u64, config.hidden_size as u64);
        let query = (config.num_attention_heads * config.head_dim) as u64;
        let key = (config.num_key_value_heads * config.head_dim) as u64;
        let (inner, vocabulary) = (config.intermediate_size as u64, config.vocab_size as u64);
        let rank = lora.config().r as u64;
        let saved =
            tokens * (5 * width + 2 * query + 2 * key + 3 * inner + config.num_attention_heads as u64 + 7 * rank);
        let running = tokens * (4 * width + 3 * query + 3 * key + 3 * inner);
        let kept = layers * if recompute { tokens * width } else { saved } + 4 * targets * width;
        let chunk = (CHUNK as u64).min(targets) * vocabulary;
        let parameters: u64 = lora.parameters().iter().map(|(_, p)| p.elem_count() as u64).sum();
        let weights: u64 =
            config.tensors().iter().map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>()).sum();
        Self {
            weights: 4 * weights,
            adapter: 4 * 6 * parameters,
            kept: 4 * kept,
            transient: 4 * (saved + running).max(4 * chunk),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.adapter + self.kept + self.transient
    }
}

/// The most memory this process has held at once, in bytes; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The most memory this process has held at once, in bytes; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn peak_resident_bytes() -> Option<u64> {
    None
}
