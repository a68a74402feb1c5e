//! Keys and values of sequences that are being generated.

use crate::config::Config;
use candle_nn::kv_cache;

pub(crate) type LayerCache = kv_cache::KvCache;

/// One growing cache per sequence and layer.
pub struct KvCache {
    /// `[sequence][layer]`.
    pub(crate) layers: Vec<Vec<LayerCache>>,
    /// The tokens held for each sequence.
    tokens: Vec<Vec<u32>>,
}

impl KvCache {
    /// Empty caches for `sequences`, with room for `capacity` tokens each before they have to grow.
    pub fn new(config: &Config, sequences: usize, capacity: usize) -> Self {
        let layers =
            (0..sequences).map(|_| vec![LayerCache::new(0, capacity.max(1)); config.num_hidden_layers]).collect();
        Self { layers, tokens: vec![Vec::new(); sequences] }
    }

    /// Tokens held for a sequence.
    pub fn len(&self, sequence: usize) -> usize {
        self.tokens[sequence].len()
    }

    /// Whether nothing is held for any sequence.
    pub fn is_empty(&self) -> bool {
        self.tokens.iter().all(Vec::is_empty)
    }

    /// Forgets a sequence, so that its place can be used for another.
    pub fn clear(&mut self, sequence: usize) {
        let _ = self.take(sequence);
    }

    /// Forgets a sequence, and gives back its tokens.
    pub(crate) fn take(&mut self, sequence: usize) -> Vec<u32> {
        self.layers[sequence].iter_mut().for_each(LayerCache::reset);
        std::mem::take(&mut self.tokens[sequence])
    }

    pub(crate) fn grew(&mut self, sequence: usize, tokens: &[u32]) {
        self.tokens[sequence].extend_from_slice(tokens);
    }
}
