//! Keys and values of sequences that are being generated.

use crate::config::Config;
use candle_nn::kv_cache;

pub(crate) type LayerCache = kv_cache::KvCache;

/// One growing cache per sequence and layer.
pub struct KvCache {
    /// `[sequence][layer]`.
    pub(crate) layers: Vec<Vec<LayerCache>>,
    lengths: Vec<usize>,
    /// Tokens that a sequence may reach.
    reach: usize,
}

impl KvCache {
    /// Empty caches for `sequences`, with room for `capacity` tokens each before they have to grow.
    pub fn new(config: &Config, sequences: usize, capacity: usize) -> Self {
        let layers =
            (0..sequences).map(|_| vec![LayerCache::new(0, capacity.max(1)); config.num_hidden_layers]).collect();
        Self { layers, lengths: vec![0; sequences], reach: capacity }
    }

    /// With sequences that may grow to `tokens`. A model that rotates long sequences by other frequencies goes by this, so
    /// that a sequence keeps its frequencies while it grows; beyond it, keys of both kinds would meet.
    #[must_use]
    pub fn reaching(self, tokens: usize) -> Self {
        Self { reach: self.reach.max(tokens), ..self }
    }

    /// The most tokens that a sequence of this length may reach.
    pub(crate) fn reach(&self, length: usize) -> usize {
        self.reach.max(length)
    }

    /// Tokens held for a sequence.
    pub fn len(&self, sequence: usize) -> usize {
        self.lengths[sequence]
    }

    /// Whether nothing is held for any sequence.
    pub fn is_empty(&self) -> bool {
        self.lengths.iter().all(|&n| n == 0)
    }

    /// Forgets a sequence, so that its place can be used for another.
    pub fn clear(&mut self, sequence: usize) {
        self.layers[sequence].iter_mut().for_each(LayerCache::reset);
        self.lengths[sequence] = 0;
    }

    pub(crate) fn grew(&mut self, sequence: usize, tokens: usize) {
        self.lengths[sequence] += tokens;
    }
}
