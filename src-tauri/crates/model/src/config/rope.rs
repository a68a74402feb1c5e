//! Rotary position embedding: which angle each pair of a head's dimensions turns by per position.
//!
//! Formulas and names as in `transformers`' `modeling_rope_utils.py`.

use std::f64::consts::PI;

/// Rotary position embedding (arXiv 2104.09864).
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// The base of the wavelengths.
    pub theta: f64,
    /// How the frequencies are stretched for contexts longer than those of pretraining.
    pub scaling: RopeScaling,
}

/// A change to the plain rotary frequencies.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Frequencies as they are.
    None,
    /// Every frequency divided by `factor` (position interpolation, arXiv 2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, those between interpolated.
    Llama3 {
        /// The divisor of the long wavelengths.
        factor: f64,
        /// Wavelengths above `original_max_position_embeddings / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_position_embeddings / high_freq_factor` are short.
        high_freq_factor: f64,
        /// The context length of pretraining, in tokens.
        original_max_position_embeddings: usize,
    },
    /// One divisor per frequency: the tensor `rope_freqs.weight` of a GGUF file, `rotary_dim / 2` values.
    Factors(Vec<f32>),
    /// One divisor per frequency and other ones for long sequences (`LongRoPE`, arXiv 2402.13753).
    LongRope {
        /// Divisors up to the context length of pretraining, `rotary_dim / 2` values.
        short: Vec<f64>,
        /// Divisors beyond it.
        long: Vec<f64>,
        /// The context length of pretraining, in tokens.
        original_max_position_embeddings: usize,
        /// What cosines and sines are multiplied by.
        attention_factor: f64,
    },
}

impl Rope {
    /// The angle in radians that pair `i` of a head turns by per position, for `i` in `0..rotary_dim / 2`.
    ///
    /// In the Hugging Face layout pair `i` is made of the dimensions `i` and `i + rotary_dim / 2`.
    pub fn inverse_frequencies(&self, rotary_dim: usize) -> Vec<f64> {
        let plain = self.plain(rotary_dim);
        match &self.scaling {
            RopeScaling::LongRope { short, .. } => plain.zip(short).map(|(f, factor)| f / factor).collect(),
            RopeScaling::None => plain.collect(),
            RopeScaling::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            RopeScaling::Factors(factors) => plain.zip(factors).map(|(f, &factor)| f / f64::from(factor)).collect(),
            &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let original = original_max_position_embeddings as f64;
                plain
                    .map(|frequency| {
                        let wavelength = 2.0 * PI / frequency;
                        if wavelength > original / low_freq_factor {
                            frequency / factor
                        } else if wavelength < original / high_freq_factor {
                            frequency
                        } else {
                            let smooth =
                                (original / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                            (1.0 - smooth) * frequency / factor + smooth * frequency
                        }
                    })
                    .collect()
            }
        }
    }

    fn plain(&self, rotary_dim: usize) -> impl Iterator<Item = f64> {
        (0..rotary_dim / 2).map(move |i| self.theta.powf(-((2 * i) as f64) / rotary_dim as f64))
    }

    /// The number of tokens beyond which a sequence is rotated by other frequencies, and those.
    pub fn beyond(&self, rotary_dim: usize) -> Option<(usize, Vec<f64>)> {
        match &self.scaling {
            RopeScaling::LongRope { long, original_max_position_embeddings, .. } => {
                let frequencies = self.plain(rotary_dim).zip(long).map(|(f, factor)| f / factor).collect();
                Some((*original_max_position_embeddings, frequencies))
            }
            _ => None,
        }
    }

    /// The number of tokens beyond which a sequence is rotated by other frequencies.
    pub fn border(&self) -> Option<usize> {
        match self.scaling {
            RopeScaling::LongRope { original_max_position_embeddings, .. } => Some(original_max_position_embeddings),
            _ => None,
        }
    }

    /// What the cosines and sines of the angles are multiplied by.
    pub fn attention_factor(&self) -> f64 {
        match &self.scaling {
            RopeScaling::LongRope { attention_factor, .. } => *attention_factor,
            _ => 1.0,
        }
    }

    /// Says what is wrong with the constants, if anything is.
    pub(super) fn check(&self, rotary_dim: usize) -> Result<(), String> {
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(format!("the rope setting {name} is {value}, but must be a finite number above 0"))
            }
        };
        let enough = |name: &str, count: usize| {
            let half = rotary_dim / 2;
            if count == half {
                Ok(())
            } else {
                Err(format!("{name} holds {count} values where half the rotated width, {half}, are needed"))
            }
        };
        positive("rope_theta", self.theta)?;
        match &self.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Linear { factor } => positive("factor", *factor),
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                positive("factor", *factor)?;
                positive("low_freq_factor", *low_freq_factor)?;
                positive("high_freq_factor", *high_freq_factor)?;
                positive("original_max_position_embeddings", *original_max_position_embeddings as f64)?;
                if high_freq_factor <= low_freq_factor {
                    return Err(format!(
                        "the rope setting high_freq_factor ({high_freq_factor}) must be above low_freq_factor \
                         ({low_freq_factor})"
                    ));
                }
                Ok(())
            }
            RopeScaling::Factors(factors) => {
                enough("rope_freqs.weight", factors.len())?;
                factors.iter().try_for_each(|&factor| positive("rope_freqs.weight", f64::from(factor)))
            }
            RopeScaling::LongRope { short, long, original_max_position_embeddings, attention_factor } => {
                enough("short_factor", short.len())?;
                enough("long_factor", long.len())?;
                short.iter().try_for_each(|&factor| positive("short_factor", factor))?;
                long.iter().try_for_each(|&factor| positive("long_factor", factor))?;
                positive("original_max_position_embeddings", *original_max_position_embeddings as f64)?;
                positive("attention_factor", *attention_factor)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, clippy::unwrap_used)] // Numbers as Python printed them.
mod tests {
    use super::*;

    /// The expected numbers were printed by `LlamaRotaryEmbedding(config).inv_freq` of transformers 5.23, in f32.
    fn assert_frequencies(rope: &Rope, head_dim: usize, expected: &[f64]) {
        let found = rope.inverse_frequencies(head_dim);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 3e-7, "{found} against {expected}");
        }
    }

    #[test]
    fn plain_frequencies_are_those_of_transformers() {
        let rope = Rope { theta: 10000.0, scaling: RopeScaling::None };
        let expected =
            [1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786];
        assert_frequencies(&rope, 16, &expected);
    }

    #[test]
    fn linear_scaling_is_that_of_transformers() {
        let rope = Rope { theta: 10000.0, scaling: RopeScaling::Linear { factor: 4.0 } };
        let expected = [
            0.25,
            0.079056941,
            0.0250000004,
            0.00790569466,
            0.00249999994,
            0.000790569466,
            0.000250000012,
            7.90569466e-05,
        ];
        assert_frequencies(&rope, 16, &expected);
    }

    /// Llama 3.2's own constants: the first frequencies are kept, three are interpolated, the rest divided by 32.
    #[test]
    fn llama3_scaling_is_that_of_transformers() {
        let rope = Rope {
            theta: 500_000.0,
            scaling: RopeScaling::Llama3 {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_position_embeddings: 8192,
            },
        };
        let expected = [
            1.0,
            0.663601279,
            0.440366626,
            0.292227834,
            0.193922758,
            0.128687382,
            0.0853971019,
            0.0566696189,
            0.0376060307,
            0.0249554086,
            0.0165604409,
            0.0109895291,
            0.00729266508,
            0.00483942125,
            0.00321144611,
            0.00129054801,
            0.000429556705,
            9.70828623e-05,
            1.94616387e-05,
            1.29147675e-05,
            8.57025589e-06,
            5.68723226e-06,
            3.77405445e-06,
            2.50446715e-06,
            1.66196742e-06,
            1.10288363e-06,
            7.31874934e-07,
            4.85673127e-07,
            3.22293289e-07,
            2.1387423e-07,
            1.41927202e-07,
            9.41830649e-08,
        ];
        assert_frequencies(&rope, 64, &expected);
    }

    /// llama.cpp writes Llama 3's scaling as divisors; they must give the same angles as the formula.
    #[test]
    fn factors_divide_each_frequency() {
        let plain = Rope { theta: 500_000.0, scaling: RopeScaling::None };
        let llama3 = Rope {
            theta: 500_000.0,
            scaling: RopeScaling::Llama3 {
                factor: 8.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_position_embeddings: 64,
            },
        };
        let formula = llama3.inverse_frequencies(16);
        let expected = [
            1.0,
            0.079403013,
            0.00470075384,
            0.000911583134,
            0.000176776681,
            3.42810235e-05,
            6.64786967e-06,
            1.28917316e-06,
        ];
        assert_frequencies(&llama3, 16, &expected);
        let factors = plain.inverse_frequencies(16).iter().zip(&formula).map(|(a, b)| (a / b) as f32).collect();
        let written = Rope { theta: 500_000.0, scaling: RopeScaling::Factors(factors) };
        assert_eq!(written.check(16), Ok(()));
        assert!(written.check(32).is_err());
        assert_frequencies(&written, 16, &formula);
    }

    /// As `_compute_longrope_parameters` of transformers 5.23, in f32, for 96 and 97 tokens.
    #[test]
    fn long_sequences_have_frequencies_of_their_own() {
        let scaling = RopeScaling::LongRope {
            short: vec![1.0, 1.1, 1.5, 2.0],
            long: vec![1.5, 4.0, 9.0, 30.0],
            original_max_position_embeddings: 96,
            attention_factor: 1.25,
        };
        let rope = Rope { theta: 10_000.0, scaling };
        assert_eq!(rope.check(8), Ok(()));
        assert!(rope.check(6).is_err());
        assert_frequencies(&rope, 8, &[1.0, 0.0909090936, 0.00666666683, 0.000500000024]);
        let (above, long) = rope.beyond(8).unwrap();
        assert_eq!((above, rope.border(), rope.attention_factor()), (96, Some(96), 1.25));
        for (found, expected) in long.iter().zip([0.666666687, 0.0250000004, 0.00111111114, 3.33333337e-05]) {
            assert!((found / expected - 1.0f64).abs() < 3e-7, "{found} against {expected}");
        }
        let plain = Rope { theta: 1e4, scaling: RopeScaling::None };
        assert_eq!((plain.beyond(8), plain.border(), plain.attention_factor()), (None, None, 1.0));
    }

    #[test]
    fn constants_that_break_the_formula_are_refused() {
        for theta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Rope { theta, scaling: RopeScaling::None }.check(16).is_err(), "theta {theta}");
        }
        let linear = |factor| Rope { theta: 1e4, scaling: RopeScaling::Linear { factor } };
        assert!(linear(0.0).check(16).is_err());
        assert!(linear(2.0).check(16).is_ok());
        let factors = |value| Rope { theta: 1e4, scaling: RopeScaling::Factors(vec![1.0, value]) };
        assert!(factors(0.0).check(4).is_err());
        assert!(factors(2.0).check(4).is_ok());
    }
}
