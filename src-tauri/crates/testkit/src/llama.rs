//! A Llama model small enough to be made anew in every test.

use std::collections::HashMap;
use std::io::{Error, Result};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::tokenizer;

/// What to make. Change what a test is about and leave the rest: `TinyLlama { tied: false, ..Default::default() }`.
#[derive(Debug, Clone)]
pub struct TinyLlama {
    /// Decides every weight.
    pub seed: u64,
    /// Rows of the embedding; at least 259, one for each byte and special token.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// Whether attention and MLP projections have biases.
    pub biases: bool,
    /// Whether the rotary frequencies are scaled as in Llama 3.
    pub llama3_rope: bool,
    /// The type of the weights in safetensors: F32, BF16 or F16.
    pub dtype: DType,
}

impl Default for TinyLlama {
    fn default() -> Self {
        Self {
            seed: 0,
            vocab: 264,
            hidden: 32,
            intermediate: 48,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            tied: true,
            biases: false,
            llama3_rope: false,
            dtype: DType::F32,
        }
    }
}

/// The constants of the rotary embedding; those of Llama 3 are its own, shrunk to this context length.
pub(crate) const ROPE_THETA: f64 = 10_000.0;
pub(crate) const CONTEXT: usize = 512;
pub(crate) const NORM_EPS: f64 = 1e-5;
const LLAMA3_FACTOR: f64 = 8.0;
const LLAMA3_LOW: f64 = 1.0;
const LLAMA3_HIGH: f64 = 4.0;
const LLAMA3_ORIGINAL: usize = 64;

impl TinyLlama {
    /// Writes a Hugging Face folder with one `model.safetensors` and the byte tokenizer.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_folder(&self, dir: &Path) -> Result<()> {
        self.write_shared(dir)?;
        save(self.stored()?, &dir.join("model.safetensors"))
    }

    /// Writes a Hugging Face folder with the weights in `shards` files and their index.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_shards(&self, dir: &Path, shards: usize) -> Result<()> {
        self.write_shared(dir)?;
        let tensors = self.stored()?;
        let per_shard = tensors.len().div_ceil(shards.max(1));
        let mut map = serde_json::Map::new();
        for (place, tensors) in tensors.chunks(per_shard).enumerate() {
            let file = format!("model-{:05}-of-{shards:05}.safetensors", place + 1);
            map.extend(tensors.iter().map(|(name, _)| (name.clone(), json!(file))));
            save(tensors.to_vec(), &dir.join(&file))?;
        }
        let index = json!({"metadata": {}, "weight_map": map});
        std::fs::write(dir.join("model.safetensors.index.json"), index.to_string())
    }

    /// Every weight by its Hugging Face name, f32 on the CPU. Norms are away from 1, and biases from 0.
    ///
    /// # Errors
    /// When a size is zero.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut tensors = Vec::new();
        let mut add = |name: String, shape: &[usize], middle: f32, spread: f32| -> Result<()> {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|_| middle + rng.random_range(-spread..=spread)).collect();
            tensors.push((name, Tensor::from_vec(values, shape, &Device::Cpu).map_err(Error::other)?));
            Ok(())
        };
        let (query, key_value) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        add("model.embed_tokens.weight".into(), &[self.vocab, self.hidden], 0.0, 0.5)?;
        for layer in 0..self.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            add(name("input_layernorm.weight"), &[self.hidden], 1.0, 0.3)?;
            add(name("post_attention_layernorm.weight"), &[self.hidden], 1.0, 0.3)?;
            for (part, inputs, outputs) in [
                ("self_attn.q_proj", self.hidden, query),
                ("self_attn.k_proj", self.hidden, key_value),
                ("self_attn.v_proj", self.hidden, key_value),
                ("self_attn.o_proj", query, self.hidden),
                ("mlp.gate_proj", self.hidden, self.intermediate),
                ("mlp.up_proj", self.hidden, self.intermediate),
                ("mlp.down_proj", self.intermediate, self.hidden),
            ] {
                let spread = 1.5 / (inputs as f32).sqrt();
                add(name(&format!("{part}.weight")), &[outputs, inputs], 0.0, spread)?;
                if self.biases {
                    add(name(&format!("{part}.bias")), &[outputs], 0.0, 0.2)?;
                }
            }
        }
        add("model.norm.weight".into(), &[self.hidden], 1.0, 0.3)?;
        if !self.tied {
            add("lm_head.weight".into(), &[self.vocab, self.hidden], 0.0, 0.5)?;
        }
        Ok(tensors)
    }

    /// `config.json`, as transformers 5 writes it.
    pub fn config(&self) -> Value {
        let rope = if self.llama3_rope {
            json!({
                "rope_type": "llama3", "rope_theta": ROPE_THETA, "factor": LLAMA3_FACTOR, "low_freq_factor": LLAMA3_LOW,
                "high_freq_factor": LLAMA3_HIGH, "original_max_position_embeddings": LLAMA3_ORIGINAL
            })
        } else {
            json!({"rope_type": "default", "rope_theta": ROPE_THETA})
        };
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": NORM_EPS,
            "rope_parameters": rope,
            "tie_word_embeddings": self.tied,
            "attention_bias": self.biases,
            "mlp_bias": self.biases,
            "max_position_embeddings": CONTEXT,
            "pad_token_id": tokenizer::PAD,
            "bos_token_id": tokenizer::BEGIN,
            "eos_token_id": tokenizer::END
        })
    }

    /// What llama.cpp's converter writes as `rope_freqs.weight`: what each plain frequency is divided by.
    pub(crate) fn rope_divisors(&self) -> Option<Vec<f32>> {
        let divisor = |pair: usize| {
            let wavelength = 2.0 * std::f64::consts::PI * ROPE_THETA.powf((2 * pair) as f64 / self.head_dim as f64);
            let original = LLAMA3_ORIGINAL as f64;
            if wavelength < original / LLAMA3_HIGH {
                1.0
            } else if wavelength > original / LLAMA3_LOW {
                LLAMA3_FACTOR
            } else {
                let smooth = (original / wavelength - LLAMA3_LOW) / (LLAMA3_HIGH - LLAMA3_LOW);
                1.0 / ((1.0 - smooth) / LLAMA3_FACTOR + smooth)
            }
        };
        self.llama3_rope.then(|| (0..self.head_dim / 2).map(|pair| divisor(pair) as f32).collect())
    }

    /// The configuration and the tokenizer.
    fn write_shared(&self, dir: &Path) -> Result<()> {
        if self.vocab < tokenizer::SPECIAL_TOKENS.len() + 256 {
            return Err(Error::other(format!("a vocabulary of {} has no room for every byte", self.vocab)));
        }
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("config.json"), format!("{:#}\n", self.config()))?;
        tokenizer::write(dir)
    }

    fn stored(&self) -> Result<Vec<(String, Tensor)>> {
        let cast = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_dtype(self.dtype).map_err(Error::other)?));
        self.tensors()?.into_iter().map(cast).collect()
    }
}

fn save(tensors: Vec<(String, Tensor)>, path: &Path) -> Result<()> {
    let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, path).map_err(Error::other)
}
