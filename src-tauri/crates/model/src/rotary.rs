//! The angles that the queries and keys of a pass are rotated by.

use crate::config::{Config, Rope, Rotation};
use candle_core::{DType, Device, Result};
use kernels::rope::Angles;

/// The rotations of a model: that of most layers, and that of layers with one of their own (Gemma 3).
pub(crate) struct Rotary {
    global: Frequencies,
    local: Option<Frequencies>,
}

struct Frequencies {
    usual: Vec<f32>,
    /// Those of sequences longer than so many tokens.
    long: Option<(usize, Vec<f32>)>,
    scale: f64,
}

/// [`Rotary`] at the positions of one pass.
pub(crate) struct PassAngles {
    global: Angles,
    local: Option<Angles>,
}

impl Rotary {
    pub(crate) fn new(config: &Config) -> Self {
        let frequencies = |rope: &Rope| {
            let single = |numbers: Vec<f64>| numbers.into_iter().map(|f| f as f32).collect::<Vec<_>>();
            Frequencies {
                usual: single(rope.inverse_frequencies(config.rotary_dim)),
                long: rope.beyond(config.rotary_dim).map(|(length, numbers)| (length, single(numbers))),
                scale: rope.attention_factor(),
            }
        };
        Self { global: frequencies(&config.rope), local: config.local_rope.as_ref().map(frequencies) }
    }

    /// Whether a sequence of one length is rotated otherwise than when it has the other.
    pub(crate) fn differs(&self, one: usize, other: usize) -> bool {
        let all = [Some(&self.global), self.local.as_ref()];
        let mut borders = all.into_iter().flatten().filter_map(|of| Some(of.long.as_ref()?.0));
        borders.any(|above| (one > above) != (other > above))
    }

    /// `lengths` is for each row the length that its sequence has.
    pub(crate) fn angles(
        &self,
        positions: &[u32],
        lengths: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<PassAngles> {
        let angles = |of: &Frequencies| {
            let frequencies = |row: usize| match &of.long {
                Some((above, long)) if lengths[row] > *above => long.as_slice(),
                _ => of.usual.as_slice(),
            };
            Angles::new(positions, frequencies, of.scale, dtype, device)
        };
        Ok(PassAngles { global: angles(&self.global)?, local: self.local.as_ref().map(angles).transpose()? })
    }
}

impl PassAngles {
    pub(crate) fn of(&self, rotation: Rotation) -> Option<&Angles> {
        match rotation {
            Rotation::None => None,
            Rotation::Global => Some(&self.global),
            Rotation::Local => Some(self.local.as_ref().unwrap_or(&self.global)),
        }
    }
}
