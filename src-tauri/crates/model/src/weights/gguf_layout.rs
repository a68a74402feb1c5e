//! How the tensors of a Hugging Face model lie in a GGUF file: their names, the order of rows, and numbers that are others.

use std::ops::Range;

use candle_core::Tensor;

use crate::config::{Architecture, Config};
use crate::error::Result;

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

/// The heads whose rows llama.cpp interleaves in the tensor with the Hugging Face name `name`.
pub(super) fn interleaved_heads(config: &Config, name: &str) -> Option<usize> {
    if !config.architecture.interleaves_rows_in_gguf() {
        None
    } else if name.contains(".q_proj.") {
        Some(config.num_attention_heads)
    } else if name.contains(".k_proj.") {
        Some(config.num_key_value_heads)
    } else {
        None
    }
}

/// Whether the numbers are larger by one in the file: norms of Gemma.
pub(super) fn is_one_more(config: &Config, name: &str) -> bool {
    config.architecture.norms_from_one() && name.ends_with("norm.weight")
}

/// Whether the numbers of the tensor with the Hugging Face name `name` are others, or in another order, in a GGUF file.
pub(crate) fn changes_in_file(config: &Config, name: &str) -> bool {
    interleaved_heads(config, name).is_some() || is_one_more(config, name)
}

/// The tensor with the Hugging Face name `name` as it lies in a GGUF file.
pub(crate) fn as_in_file(config: &Config, name: &str, tensor: &Tensor) -> Result<Tensor> {
    let tensor = rows_as_in_file(config, name, tensor)?;
    Ok(if is_one_more(config, name) { (tensor + 1.0)? } else { tensor })
}

/// The rows of a tensor in the order of a GGUF file; also those of an adapter's `B` on this tensor.
pub(crate) fn rows_as_in_file(config: &Config, name: &str, tensor: &Tensor) -> candle_core::Result<Tensor> {
    let Some(heads) = interleaved_heads(config, name) else { return Ok(tensor.clone()) };
    let rows = tensor.dim(0)?;
    let mut order = vec![0; rows];
    for (row, at) in row_order(rows, heads, 0..rows).enumerate() {
        order[at] = row as u32;
    }
    chosen(tensor, order)
}

/// The way back of [`rows_as_in_file`].
pub(crate) fn rows_of_file(config: &Config, name: &str, tensor: &Tensor) -> candle_core::Result<Tensor> {
    let Some(heads) = interleaved_heads(config, name) else { return Ok(tensor.clone()) };
    let rows = tensor.dim(0)?;
    chosen(tensor, row_order(rows, heads, 0..rows).map(|at| at as u32).collect())
}

/// These rows of a weight `[heads · head_dim, in]` or of a bias.
fn chosen(tensor: &Tensor, rows: Vec<u32>) -> candle_core::Result<Tensor> {
    let count = rows.len();
    tensor.contiguous()?.index_select(&Tensor::from_vec(rows, count, tensor.device())?, 0)
}

/// Undoes the `permute` of llama.cpp's `convert_hf_to_gguf.py`: its rotary embedding turns neighbouring rows of a head,
/// Hugging Face's turns row `i` with row `i + head_dim / 2`. For these of Hugging Face's rows their places in the file.
pub(super) fn row_order(rows: usize, heads: usize, wanted: Range<usize>) -> impl Iterator<Item = usize> {
    let dim = (rows / heads.max(1)).max(1);
    let half = (dim / 2).max(1);
    wanted.map(move |row| {
        let (head, inside) = (row / dim, row % dim);
        head * dim + inside % half * 2 + inside / half
    })
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
