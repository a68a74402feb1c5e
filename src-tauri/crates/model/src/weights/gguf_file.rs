//! One GGUF file: its names and its row order turned into Hugging Face's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::Tensor;
use candle_core::quantized::GgmlDType;
use gguf::{BlockType, TensorInfo};

use crate::config::{Architecture, Config, RopeTensors};
use crate::error::{Error, Result};
use crate::ops::blocks;

/// The block types that can be decoded, by the names of the GGUF specification.
const BLOCK_TYPES: [(&str, GgmlDType); 15] = [
    ("F32", GgmlDType::F32),
    ("F16", GgmlDType::F16),
    ("BF16", GgmlDType::BF16),
    ("Q4_0", GgmlDType::Q4_0),
    ("Q4_1", GgmlDType::Q4_1),
    ("Q5_0", GgmlDType::Q5_0),
    ("Q5_1", GgmlDType::Q5_1),
    ("Q8_0", GgmlDType::Q8_0),
    ("Q8_1", GgmlDType::Q8_1),
    ("Q2_K", GgmlDType::Q2K),
    ("Q3_K", GgmlDType::Q3K),
    ("Q4_K", GgmlDType::Q4K),
    ("Q5_K", GgmlDType::Q5K),
    ("Q6_K", GgmlDType::Q6K),
    ("Q8_K", GgmlDType::Q8K),
];

/// The names of the block types that can be decoded, for a message.
pub fn readable_block_types() -> String {
    BLOCK_TYPES.map(|(name, _)| name).join(", ")
}

/// candle's name for a type of blocks, where it can be decoded.
pub(crate) fn ggml_type(block: BlockType) -> Option<GgmlDType> {
    let name = block.name();
    BLOCK_TYPES.iter().find(|(readable, _)| *readable == name).map(|&(_, block)| block)
}

/// llama.cpp's names for divisors of the rotary frequencies: Llama 3's, and Phi-3's for short and long sequences.
const ROPE_TENSORS: [&str; 3] = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

/// An open GGUF file whose tensors have been checked against its configuration.
pub(super) struct GgufFile {
    path: PathBuf,
    file: Mutex<File>,
    data_offset: u64,
    /// By Hugging Face's name.
    tensors: BTreeMap<String, Entry>,
}

/// A tensor in the file.
struct Entry {
    info: TensorInfo,
    block: GgmlDType,
    /// For query and key projections, the heads whose rows llama.cpp has interleaved.
    interleaved_heads: Option<usize>,
    /// Whether the numbers are larger by one than Hugging Face's: norms of Gemma.
    one_more: bool,
}

impl GgufFile {
    /// Reads the header of `path`, which `file` is open on. Returns the names of tensors that nobody needs too.
    pub(super) fn open(path: &Path, file: File) -> Result<(Config, Self, Vec<String>)> {
        let header = gguf::read_header(path)?;
        let mut found: BTreeMap<String, TensorInfo> =
            header.tensors.iter().map(|info| (info.name.clone(), info.clone())).collect();
        let mut this = Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            data_offset: header.data_offset,
            tensors: BTreeMap::new(),
        };
        let mut divisors = |name: &str| {
            let read = |info: TensorInfo| {
                let [count] = info.shape[..] else {
                    let what = format!("\"{name}\" has the shape {:?} where a list is needed", info.shape);
                    return Err(Error::config(path, what, "Download the file again"));
                };
                let entry = entry(info)?;
                let mut divisors = vec![0f32; count];
                blocks::decode(entry.block, &this.read(&entry, 0..count)?, &mut divisors);
                Ok::<_, Error>(divisors)
            };
            found.remove(name).map(read).transpose()
        };
        let [all, short, long] = ROPE_TENSORS;
        let rope = RopeTensors { all: divisors(all)?, short: divisors(short)?, long: divisors(long)? };
        let config = Config::from_gguf(path, &header, rope)?;
        for (name, expected) in config.tensors() {
            let in_file = name_in_file(config.architecture, &name);
            let Some(info) = found.remove(&in_file) else {
                return Err(Error::MissingTensor { name: in_file, file: path.to_path_buf() });
            };
            if info.shape != expected {
                return Err(Error::Shape { name: in_file, expected, found: info.shape });
            }
            let mut entry = entry(info)?;
            if config.architecture.interleaves_rows_in_gguf() {
                entry.interleaved_heads = if name.contains(".q_proj.") {
                    Some(config.num_attention_heads)
                } else if name.contains(".k_proj.") {
                    Some(config.num_key_value_heads)
                } else {
                    None
                };
            }
            entry.one_more = config.architecture.norms_from_one() && name.ends_with("norm.weight");
            this.tensors.insert(name, entry);
        }
        Ok((config, this, found.into_keys().collect()))
    }

    /// The format of the tensor with the Hugging Face name `name`.
    pub(super) fn format(&self, name: &str) -> Result<GgmlDType> {
        Ok(self.entry(name)?.block)
    }

    /// The bytes of these rows of a tensor, in Hugging Face's order.
    pub(super) fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>> {
        let entry = self.entry(name)?;
        match entry.interleaved_heads {
            None => self.read(entry, rows),
            // Rows are whole numbers of blocks, so that their order changes without decoding them.
            Some(heads) => {
                let all = self.read(entry, 0..entry.rows())?;
                let row = all.len() / entry.rows();
                Ok(row_order(entry.rows(), heads, rows)
                    .flat_map(|at| &all[at * row..(at + 1) * row])
                    .copied()
                    .collect())
            }
        }
    }

    /// Whether a tensor's numbers are larger by one than Hugging Face's.
    pub(super) fn one_more(&self, name: &str) -> Result<bool> {
        Ok(self.entry(name)?.one_more)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        let missing = || Error::MissingTensor { name: name.to_string(), file: self.path.clone() };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// The bytes of these rows, in the file's order.
    fn read(&self, entry: &Entry, rows: Range<usize>) -> Result<Vec<u8>> {
        let Entry { info, block, .. } = entry;
        let row = blocks::bytes_of(*block, info.shape.iter().skip(1).product());
        let Some(row) = row.filter(|row| (row * entry.rows()) as u64 == info.bytes) else {
            let what = format!("the tensor \"{}\" has {} bytes, which are not its rows", info.name, info.bytes);
            return Err(Error::config(&self.path, what, "Download the file again"));
        };
        let mut bytes = vec![0u8; rows.len() * row];
        let start = self.data_offset.saturating_add(info.offset).saturating_add((rows.start * row) as u64);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start)).map_err(Error::io(&self.path))?;
        file.read_exact(&mut bytes).map_err(Error::io(&self.path))?;
        Ok(bytes)
    }
}

impl Entry {
    /// Rows of a matrix, numbers of a vector.
    fn rows(&self) -> usize {
        self.info.shape.first().copied().unwrap_or(1)
    }
}

fn entry(info: TensorInfo) -> Result<Entry> {
    let name = info.block_type.name().to_string();
    match BLOCK_TYPES.iter().find(|(readable, _)| *readable == name) {
        Some(&(_, block)) => Ok(Entry { info, block, interleaved_heads: None, one_more: false }),
        None => Err(Error::BlockType { tensor: info.name, block: name }),
    }
}

/// The name in a GGUF file of the tensor that Hugging Face calls `name`.
pub(crate) fn name_in_file(architecture: Architecture, name: &str) -> String {
    const OUTSIDE_LAYERS: [(&str, &str); 3] =
        [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output")];
    const IN_LAYERS: [(&str, &str); 13] = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        // Gate and rest in one, under the name of the rest.
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ];
    let translate = |table: &[(&str, &str)], module: &str| {
        table
            .iter()
            .find(|(theirs, _)| *theirs == module)
            .map_or_else(|| module.to_string(), |(_, ours)| (*ours).to_string())
    };
    let norms = architecture.layer_norms();
    let (module, suffix) = name.rsplit_once('.').unwrap_or((name, "weight"));
    match module.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')) {
        Some((layer, module)) if module == norms.mlp => format!("blk.{layer}.ffn_norm.{suffix}"),
        Some((layer, module)) if Some(module) == norms.attention_output => {
            format!("blk.{layer}.post_attention_norm.{suffix}")
        }
        Some((layer, module)) => format!("blk.{layer}.{}.{suffix}", translate(&IN_LAYERS, module)),
        None => format!("{}.{suffix}", translate(&OUTSIDE_LAYERS, module)),
    }
}

/// Undoes the `permute` of llama.cpp's `convert_hf_to_gguf.py`: its rotary embedding turns neighbouring rows of a head,
/// Hugging Face's turns row `i` with row `i + head_dim / 2`. For these of Hugging Face's rows their places in the file.
fn row_order(rows: usize, heads: usize, wanted: Range<usize>) -> impl Iterator<Item = usize> {
    let dim = (rows / heads.max(1)).max(1);
    let half = (dim / 2).max(1);
    wanted.map(move |row| {
        let (head, inside) = (row / dim, row % dim);
        head * dim + inside % half * 2 + inside / half
    })
}

/// The same for all rows of a weight `[heads · head_dim, in]` or of a bias at once.
pub(super) fn rows_of_hugging_face(tensor: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let shape = tensor.shape().clone();
    let rest: usize = shape.dims()[1..].iter().product();
    let half = shape.dims()[0] / heads / 2;
    tensor.reshape((heads, half, 2, rest))?.transpose(1, 2)?.contiguous()?.reshape(shape)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_llama_cpp() {
        for (theirs, ours) in [
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("model.norm.weight", "output_norm.weight"),
            ("lm_head.weight", "output.weight"),
            ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"),
            ("model.layers.11.self_attn.q_proj.bias", "blk.11.attn_q.bias"),
            ("model.layers.2.self_attn.o_proj.weight", "blk.2.attn_output.weight"),
            ("model.layers.2.post_attention_layernorm.weight", "blk.2.ffn_norm.weight"),
            ("model.layers.2.mlp.down_proj.weight", "blk.2.ffn_down.weight"),
        ] {
            assert_eq!(name_in_file(Architecture::Llama, theirs), ours);
        }
        for (architecture, theirs, ours) in [
            (
                Architecture::Gemma2,
                "model.layers.1.post_attention_layernorm.weight",
                "blk.1.post_attention_norm.weight",
            ),
            (Architecture::Gemma2, "model.layers.1.pre_feedforward_layernorm.weight", "blk.1.ffn_norm.weight"),
            (Architecture::Gemma3, "model.layers.1.post_feedforward_layernorm.weight", "blk.1.post_ffw_norm.weight"),
            (Architecture::Gemma3, "model.layers.1.self_attn.q_norm.weight", "blk.1.attn_q_norm.weight"),
            (Architecture::Phi3, "model.layers.3.self_attn.qkv_proj.weight", "blk.3.attn_qkv.weight"),
            (Architecture::Phi3, "model.layers.3.mlp.gate_up_proj.weight", "blk.3.ffn_up.weight"),
            (Architecture::Phi3, "model.layers.3.post_attention_layernorm.weight", "blk.3.ffn_norm.weight"),
        ] {
            assert_eq!(name_in_file(architecture, theirs), ours);
        }
    }

    /// Two heads of four rows. `permute` of `convert_hf_to_gguf.py` stores each head's rows as 0, 2, 1, 3.
    #[test]
    fn interleaved_rows_come_back_in_order() {
        let stored = [0, 2, 1, 3, 4, 6, 5, 7];
        let rows: Vec<i32> = row_order(8, 2, 0..8).map(|at| stored[at]).collect();
        assert_eq!(rows, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(row_order(8, 2, 5..7).map(|at| stored[at]).collect::<Vec<_>>(), [5, 6]);
        // A head of six: 0, 3, 1, 4, 2, 5.
        assert_eq!(row_order(6, 1, 0..6).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
    }
}
