//! A configuration as `config.json`, for a model whose file has none.

use serde_json::{Map, Value, json};

use super::{Architecture, Config, Rope, RopeScaling};
use crate::error::{Error, Result};

impl Config {
    /// The fields of a Hugging Face `config.json` that say what this configuration says, without the type of the weights.
    /// The rotary settings have the spelling of transformers 4, which every version reads.
    ///
    /// # Errors
    /// [`Error::UnsupportedField`] when the divisors of a GGUF file's rotary frequencies are not those of Llama 3:
    /// `config.json` has no words for others.
    pub fn to_hugging_face(&self) -> Result<Map<String, Value>> {
        let class = match self.architecture {
            Architecture::Llama => "LlamaForCausalLM",
        };
        let mut map = Map::new();
        let mut set = |name: &str, value: Value| map.insert(name.to_string(), value);
        set("architectures", json!([class]));
        set("model_type", json!(self.architecture.name()));
        set("vocab_size", json!(self.vocab_size));
        set("hidden_size", json!(self.hidden_size));
        set("intermediate_size", json!(self.intermediate_size));
        set("num_hidden_layers", json!(self.num_hidden_layers));
        set("num_attention_heads", json!(self.num_attention_heads));
        set("num_key_value_heads", json!(self.num_key_value_heads));
        set("head_dim", json!(self.head_dim));
        set("hidden_act", json!("silu"));
        set("rms_norm_eps", shortest(self.rms_norm_eps));
        set("rope_theta", shortest(self.rope.theta));
        set("rope_scaling", rope_scaling(&self.rope, self.head_dim)?);
        set("tie_word_embeddings", json!(self.tie_word_embeddings));
        set("attention_bias", json!(self.attention_bias));
        set("mlp_bias", json!(self.mlp_bias));
        set("max_position_embeddings", json!(self.max_position_embeddings));
        match self.eos_token_ids.as_slice() {
            [] => set("eos_token_id", Value::Null),
            [one] => set("eos_token_id", json!(one)),
            many => set("eos_token_id", json!(many)),
        };
        set("bos_token_id", json!(self.bos_token_id));
        Ok(map)
    }
}

/// The number, in the fewest digits where it came from an f32, as constants of GGUF files do: 1e-5, not
/// 9.999999747378752e-6.
fn shortest(number: f64) -> Value {
    let short = number as f32;
    let is_short = f64::from(short).to_bits() == number.to_bits();
    json!(if is_short { short.to_string().parse().unwrap_or(number) } else { number })
}

fn rope_scaling(rope: &Rope, head_dim: usize) -> Result<Value> {
    match &rope.scaling {
        RopeScaling::None => Ok(Value::Null),
        RopeScaling::Linear { factor } => Ok(json!({ "rope_type": "linear", "factor": shortest(*factor) })),
        &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
            Ok(json!({
                "rope_type": "llama3",
                "factor": shortest(factor),
                "low_freq_factor": shortest(low_freq_factor),
                "high_freq_factor": shortest(high_freq_factor),
                "original_max_position_embeddings": original_max_position_embeddings,
            }))
        }
        RopeScaling::Factors(factors) => match llama3_of(rope.theta, factors, head_dim) {
            Some(scaling) => rope_scaling(&Rope { theta: rope.theta, scaling }, head_dim),
            None => Err(Error::UnsupportedField {
                field: "rope_freqs.weight".into(),
                value: "a tensor of divisors".into(),
                why: "they are not those of Llama 3, and config.json has no words for others; train on the model's \
                      safetensors folder to merge the adapter, or hand out the adapter alone"
                    .into(),
            }),
        },
    }
}

/// Llama 3's constants, by the divisors that llama.cpp's converter made of them. All published models have these
/// limits of long and short, so that the factor and the context length of pretraining (a power of two) are to be found.
fn llama3_of(theta: f64, factors: &[f32], head_dim: usize) -> Option<RopeScaling> {
    const LOW_FREQ_FACTOR: f64 = 1.0;
    const HIGH_FREQ_FACTOR: f64 = 4.0;
    // The file has f32, computed from f32.
    const TOLERANCE: f64 = 1e-5;
    // The longest wavelength is divided by the whole factor.
    let factor = f64::from(*factors.last()?);
    let plain = Rope { theta, scaling: RopeScaling::None }.inverse_frequencies(head_dim);
    let candidates = (4..24).map(|power| RopeScaling::Llama3 {
        factor,
        low_freq_factor: LOW_FREQ_FACTOR,
        high_freq_factor: HIGH_FREQ_FACTOR,
        original_max_position_embeddings: 1 << power,
    });
    candidates.into_iter().find(|scaling| {
        let scaled = Rope { theta, scaling: scaling.clone() }.inverse_frequencies(head_dim);
        let divisors = plain.iter().zip(scaled).map(|(plain, scaled)| plain / scaled);
        divisors.zip(factors).all(|(ours, &theirs)| (ours / f64::from(theirs) - 1.0).abs() < TOLERANCE)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(rope: Rope) -> Config {
        Config {
            architecture: Architecture::Llama,
            vocab_size: 300,
            hidden_size: 48,
            intermediate_size: 72,
            num_hidden_layers: 3,
            num_attention_heads: 6,
            num_key_value_heads: 2,
            head_dim: 64,
            rms_norm_eps: f64::from(1e-5f32),
            rope,
            tie_word_embeddings: true,
            attention_bias: true,
            mlp_bias: false,
            max_position_embeddings: 4096,
            eos_token_ids: vec![2, 7],
            bos_token_id: None,
        }
    }

    fn llama3(factor: f64, original: usize) -> RopeScaling {
        RopeScaling::Llama3 {
            factor,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: original,
        }
    }

    fn read_again(config: &Config) -> Config {
        let text = Value::Object(config.to_hugging_face().unwrap()).to_string();
        Config::from_json(&text, Path::new("config.json")).unwrap()
    }

    #[test]
    fn what_is_written_is_read_as_the_same_configuration() {
        for scaling in [RopeScaling::None, RopeScaling::Linear { factor: 2.5 }, llama3(8.0, 8192)] {
            let rope = Rope { theta: 500_000.0, scaling };
            let written = config(rope.clone());
            assert_eq!(read_again(&written), Config { rms_norm_eps: 1e-5, ..written.clone() });
            let one = Config { eos_token_ids: vec![5], bos_token_id: Some(1), tie_word_embeddings: false, ..written };
            assert_eq!(read_again(&one), Config { rms_norm_eps: 1e-5, ..one });
            let none = Config { eos_token_ids: Vec::new(), rms_norm_eps: 1e-5, ..config(rope) };
            assert_eq!(read_again(&none), none);
        }
    }

    /// What llama.cpp's converter makes of Llama 3.1 and 3.2, in f32.
    #[test]
    fn the_divisors_of_llama_3_are_written_as_its_constants() {
        for (factor, original, head_dim) in [(8.0, 8192, 128), (32.0, 8192, 64), (8.0, 64, 8), (4.0, 2048, 80)] {
            let theta = if head_dim == 8 { 1e4 } else { 500_000.0 };
            let plain = Rope { theta, scaling: RopeScaling::None }.inverse_frequencies(head_dim);
            let meant = Rope { theta, scaling: llama3(factor, original) };
            let divisors = plain.iter().zip(meant.inverse_frequencies(head_dim)).map(|(a, b)| (a / b) as f32).collect();
            let rope = Rope { theta, scaling: RopeScaling::Factors(divisors) };
            let found = read_again(&Config { head_dim, ..config(rope) }).rope;
            for (found, meant) in found.inverse_frequencies(head_dim).iter().zip(meant.inverse_frequencies(head_dim)) {
                assert!((found / meant - 1.0).abs() < 1e-6, "{factor} {original} {head_dim}: {found} {meant}");
            }
            if head_dim > 8 {
                assert_eq!(found, meant);
            }
        }
    }

    #[test]
    fn other_divisors_are_refused() {
        let factors = (0..32).map(|i| 1.0 + i as f32 / 10.0).collect();
        let error = config(Rope { theta: 1e4, scaling: RopeScaling::Factors(factors) }).to_hugging_face().unwrap_err();
        assert!(error.to_string().contains("rope_freqs.weight"), "{error}");
    }
}
