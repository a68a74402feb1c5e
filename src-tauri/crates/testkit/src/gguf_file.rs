//! The same model as a GGUF file, the way llama.cpp's converter would write it.

use std::fs::File;
use std::io::{BufWriter, Error, Result, Write};
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use crate::TinyLlama;
use crate::llama::{CONTEXT, NORM_EPS, ROPE_THETA};
use crate::tokenizer::{BEGIN, CHAT_TEMPLATE, END, PAD, SPECIAL_TOKENS, tokens};

/// Every block type that is read.
pub const BLOCK_TYPES: [GgmlDType; 15] = [
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q8_1,
    GgmlDType::Q2K,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
    GgmlDType::Q8K,
];

/// llama.cpp's codes for kinds of tokens.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

impl TinyLlama {
    /// Writes the model as one GGUF file with its tokenizer. Matrices are stored as `block` where their rows are a
    /// whole number of blocks, all else as F32. Returns the numbers of each tensor as a reader must decode them, by
    /// Hugging Face's names.
    ///
    /// # Errors
    /// When the file cannot be written or a size is zero.
    pub fn write_gguf(&self, path: &Path, block: GgmlDType) -> Result<Vec<(String, Tensor)>> {
        let mut decoded = Vec::new();
        let mut stored = Vec::new();
        for (name, tensor) in self.tensors()? {
            let rows = tensor.dims()[0];
            let fits = tensor.rank() == 2 && tensor.dims()[1].is_multiple_of(block.block_size());
            let block = if fits { block } else { GgmlDType::F32 };
            let order = self.row_order(&name, rows);
            let quantised =
                select(&tensor, &order).and_then(|tensor| QTensor::quantize(&tensor, block)).map_err(Error::other)?;
            let mut back = vec![0; rows];
            for (place, &row) in order.iter().enumerate() {
                back[row as usize] = place as u32;
            }
            let numbers =
                quantised.dequantize(&Device::Cpu).and_then(|tensor| select(&tensor, &back)).map_err(Error::other)?;
            stored.push((gguf_name(&name), quantised));
            decoded.push((name, numbers));
        }
        if let Some(divisors) = self.rope_divisors() {
            let divisors = Tensor::new(divisors, &Device::Cpu)
                .and_then(|divisors| QTensor::quantize(&divisors, GgmlDType::F32))
                .map_err(Error::other)?;
            stored.push(("rope_freqs.weight".to_string(), divisors));
        }
        let metadata = self.metadata();
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
        let stored: Vec<(&str, &QTensor)> = stored.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut file = BufWriter::new(File::create(path)?);
        gguf_file::write(&mut file, &metadata, &stored).map_err(Error::other)?;
        file.flush()?;
        Ok(decoded)
    }

    /// For each row of the file the row of Hugging Face's tensor: llama.cpp turns neighbouring rows of a query or key
    /// head, Hugging Face row `i` with row `i + head_dim / 2`.
    fn row_order(&self, name: &str, rows: usize) -> Vec<u32> {
        let turned = name.contains("q_proj") || name.contains("k_proj");
        let place = |row: usize| {
            let (head, inside) = (row / self.head_dim, row % self.head_dim);
            head * self.head_dim + inside / 2 + (inside % 2) * (self.head_dim / 2)
        };
        (0..rows).map(|row| if turned { place(row) } else { row } as u32).collect()
    }

    fn metadata(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_string());
        let size = |size: usize| Value::U32(size as u32);
        let kind = |id: usize| match id {
            _ if id < SPECIAL_TOKENS.len() => CONTROL,
            _ if id < SPECIAL_TOKENS.len() + 256 => NORMAL,
            _ => UNUSED,
        };
        vec![
            ("general.architecture", text("llama")),
            ("general.name", text("tiny")),
            ("llama.block_count", size(self.layers)),
            ("llama.context_length", size(CONTEXT)),
            ("llama.embedding_length", size(self.hidden)),
            ("llama.feed_forward_length", size(self.intermediate)),
            ("llama.attention.head_count", size(self.heads)),
            ("llama.attention.head_count_kv", size(self.kv_heads)),
            ("llama.attention.key_length", size(self.head_dim)),
            ("llama.attention.value_length", size(self.head_dim)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(NORM_EPS as f32)),
            ("llama.rope.freq_base", Value::F32(ROPE_THETA as f32)),
            ("llama.rope.dimension_count", size(self.head_dim)),
            ("llama.vocab_size", size(self.vocab)),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("gpt-2")),
            ("tokenizer.ggml.tokens", Value::Array(tokens(self.vocab).into_iter().map(Value::String).collect())),
            ("tokenizer.ggml.token_type", Value::Array((0..self.vocab).map(|id| Value::I32(kind(id))).collect())),
            ("tokenizer.ggml.merges", Value::Array(Vec::new())),
            ("tokenizer.ggml.bos_token_id", Value::U32(BEGIN)),
            ("tokenizer.ggml.eos_token_id", Value::U32(END)),
            ("tokenizer.ggml.padding_token_id", Value::U32(PAD)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
            ("tokenizer.chat_template", text(CHAT_TEMPLATE)),
        ]
    }
}

/// The rows of `tensor` in the order of `rows`.
fn select(tensor: &Tensor, rows: &[u32]) -> candle_core::Result<Tensor> {
    tensor.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)
}

/// llama.cpp's name for a tensor of Hugging Face's Llama.
fn gguf_name(name: &str) -> String {
    let mut name = name.replace("model.layers.", "blk.");
    for (theirs, ours) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ] {
        name = name.replace(theirs, ours);
    }
    name
}
