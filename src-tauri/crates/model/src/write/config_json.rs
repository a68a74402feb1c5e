//! A configuration as `config.json`, for a model whose file has none.

use serde_json::{Map, Value, json};

use crate::config::{Architecture, Config, Rope, RopeScaling, Rotation};
use crate::error::{Error, Result};

impl Config {
    /// The fields of a Hugging Face `config.json` that say what this configuration says, without the type of the weights.
    /// The rotary settings have the spelling of transformers 4, which every version reads.
    ///
    /// # Errors
    /// [`Error::UnsupportedField`] when the divisors of a GGUF file's rotary frequencies are not those of Llama 3:
    /// `config.json` has no words for others.
    pub fn to_hugging_face(&self) -> Result<Map<String, Value>> {
        let mut map = Map::new();
        let mut set = |name: &str, value: Value| map.insert(name.to_string(), value);
        set("architectures", json!([self.architecture.class_name()]));
        set("model_type", json!(self.architecture.model_type()));
        set("vocab_size", json!(self.vocab_size));
        set("hidden_size", json!(self.hidden_size));
        set("intermediate_size", json!(self.intermediate_size));
        set("num_hidden_layers", json!(self.num_hidden_layers));
        set("num_attention_heads", json!(self.num_attention_heads));
        set("num_key_value_heads", json!(self.num_key_value_heads));
        set("head_dim", json!(self.head_dim));
        set("rms_norm_eps", shortest(self.rms_norm_eps));
        set("rope_theta", shortest(self.rope.theta));
        set("rope_scaling", rope_scaling(self)?);
        set("tie_word_embeddings", json!(self.tie_word_embeddings));
        set("max_position_embeddings", json!(self.max_position_embeddings));
        match self.eos_token_ids.as_slice() {
            [] => set("eos_token_id", Value::Null),
            [one] => set("eos_token_id", json!(one)),
            many => set("eos_token_id", json!(many)),
        };
        set("bos_token_id", json!(self.bos_token_id));
        self.write_fields_of_the_family(&mut set);
        Ok(map)
    }

    fn write_fields_of_the_family(&self, set: &mut impl FnMut(&str, Value) -> Option<Value>) {
        let window = self.layers.iter().find_map(|layer| layer.window);
        let kind = |window: Option<usize>| if window.is_some() { "sliding_attention" } else { "full_attention" };
        let kinds: Vec<&str> = self.layers.iter().map(|layer| kind(layer.window)).collect();
        match self.architecture {
            Architecture::Llama | Architecture::SmolLm3 => {
                set("hidden_act", json!("silu"));
                set("attention_bias", json!(self.attention_bias));
                set("mlp_bias", json!(self.mlp_bias));
            }
            Architecture::Gemma2 | Architecture::Gemma3 => {
                set("hidden_activation", json!("gelu_pytorch_tanh"));
                set("attention_bias", json!(self.attention_bias));
                set("query_pre_attn_scalar", whole(self.attention_scale.powi(-2)));
                set("attn_logit_softcapping", self.attention_softcap.map_or(Value::Null, shortest));
                set("final_logit_softcapping", self.logit_softcap.map_or(Value::Null, shortest));
                set("sliding_window", json!(window));
                set("layer_types", json!(kinds));
            }
            Architecture::Qwen3 => {
                set("hidden_act", json!("silu"));
                set("attention_bias", json!(self.attention_bias));
            }
            Architecture::Mistral | Architecture::Qwen2 | Architecture::Phi3 => {
                set("hidden_act", json!("silu"));
            }
        }
        match self.architecture {
            Architecture::Mistral | Architecture::Phi3 => {
                set("sliding_window", json!(window));
            }
            Architecture::SmolLm3 | Architecture::Qwen2 | Architecture::Qwen3 => {
                set("use_sliding_window", json!(window.is_some()));
                set("sliding_window", json!(window));
                set("layer_types", json!(kinds));
            }
            Architecture::Llama | Architecture::Gemma2 | Architecture::Gemma3 => {}
        }
        if self.architecture == Architecture::SmolLm3 {
            let rotated = self.layers.iter().map(|layer| i32::from(layer.rotation != Rotation::None));
            set("no_rope_layers", rotated.collect());
        }
        if let Some(local) = &self.local_rope {
            set("rope_local_base_freq", shortest(local.theta));
        }
        if self.rotary_dim != self.head_dim {
            set("partial_rotary_factor", json!(self.rotary_dim as f64 / self.head_dim as f64));
        }
        if let RopeScaling::LongRope { original_max_position_embeddings, .. } = self.rope.scaling {
            set("original_max_position_embeddings", json!(original_max_position_embeddings));
        }
    }
}

/// A number that came out of roots, as the whole number it is meant to be where it is as good as one.
fn whole(number: f64) -> Value {
    let near = number.round();
    if (number - near).abs() < 1e-6 * near { json!(near as u64) } else { json!(number) }
}

/// The number, in the fewest digits where it came from an f32, as constants of GGUF files do: 1e-5, not
/// 9.999999747378752e-6.
fn shortest(number: f64) -> Value {
    let short = number as f32;
    let is_short = f64::from(short).to_bits() == number.to_bits();
    json!(if is_short { short.to_string().parse().unwrap_or(number) } else { number })
}

fn rope_scaling(config: &Config) -> Result<Value> {
    match &config.rope.scaling {
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
        RopeScaling::LongRope { short, long, original_max_position_embeddings, attention_factor } => {
            let numbers = |numbers: &[f64]| numbers.iter().copied().map(shortest).collect::<Vec<_>>();
            let mut scaling = json!({
                "type": "longrope", "short_factor": numbers(short), "long_factor": numbers(long)
            });
            // transformers 4 takes these three alone, and computes the factor as here; it is written where it is another.
            let stretch = config.max_position_embeddings as f64 / *original_max_position_embeddings as f64;
            let usual = (1.0 + stretch.max(1.0).ln() / (*original_max_position_embeddings as f64).ln()).sqrt();
            if (attention_factor / usual - 1.0).abs() > 1e-6 {
                scaling["attention_factor"] = shortest(*attention_factor);
            }
            Ok(scaling)
        }
        RopeScaling::Factors(factors) => match llama3_of(config.rope.theta, factors, config.rotary_dim) {
            Some(scaling) => {
                let rope = Rope { theta: config.rope.theta, scaling };
                rope_scaling(&Config { rope, ..config.clone() })
            }
            None => Err(Error::UnsupportedField {
                field: "rope_freqs.weight".into(),
                value: "a tensor of divisors".into(),
                why: "they are not those of Llama 3, and config.json has no words for others; train on the model's \
                      safetensors folder to merge the adapter, or export the adapter alone"
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
    use crate::config::LayerAttention;
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
            rotary_dim: 64,
            rms_norm_eps: f64::from(1e-5f32),
            layers: vec![LayerAttention::FULL; 3],
            attention_scale: 0.125,
            attention_softcap: None,
            logit_softcap: None,
            rope,
            local_rope: None,
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
            let found = read_again(&Config { head_dim, rotary_dim: head_dim, ..config(rope) }).rope;
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

    /// A file of each family with what it alone has, read, written, and read again.
    #[test]
    fn every_family_is_written_as_what_was_read() {
        let shape = json!({
            "vocab_size": 300, "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 5,
            "num_attention_heads": 6, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
            "eos_token_id": [2, 7]
        });
        let kinds =
            json!(["full_attention", "sliding_attention", "full_attention", "sliding_attention", "sliding_attention"]);
        let families = [
            json!({"model_type": "mistral", "sliding_window": 20}),
            json!({"model_type": "mistral", "sliding_window": null, "head_dim": 12}),
            json!({"model_type": "qwen2", "sliding_window": 20}),
            json!({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 20, "max_window_layers": 2}),
            json!({"model_type": "qwen3", "head_dim": 16, "attention_bias": true}),
            json!({"model_type": "smollm3", "no_rope_layer_interval": 2, "tie_word_embeddings": true}),
            json!({
                "model_type": "gemma2", "head_dim": 16, "query_pre_attn_scalar": 144, "sliding_window": 20,
                "final_logit_softcapping": 12.5
            }),
            json!({
                "model_type": "gemma3_text", "head_dim": 16, "layer_types": kinds, "sliding_window": 512,
                "rope_local_base_freq": 5000.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}
            }),
            json!({"model_type": "phi3", "sliding_window": 2047}),
            json!({
                "model_type": "phi3", "partial_rotary_factor": 0.75, "original_max_position_embeddings": 1024,
                "rope_scaling": {
                    "type": "longrope", "short_factor": [1.0, 1.25, 1.5], "long_factor": [1.0, 4.0, 32.5]
                }
            }),
        ];
        for family in families {
            let mut fields = shape.as_object().unwrap().clone();
            fields.extend(family.as_object().unwrap().clone());
            let config = Config::from_json(&Value::Object(fields).to_string(), Path::new("config.json")).unwrap();
            assert_eq!(read_again(&config), config, "{family}");
        }
    }
}
