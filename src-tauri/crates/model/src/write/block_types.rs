//! Which block type a tensor gets: the rules of llama.cpp's `llama-quant.cpp`, for the types that are written here.

use candle_core::quantized::GgmlDType;
use gguf::BlockType;

use crate::weights::ggml_type;
use crate::write::gguf_type::GgufType;

/// What the rules ask of a tensor.
pub(super) struct Place<'a> {
    /// Its name in the file.
    pub(super) name: &'a str,
    /// Numbers in a row.
    pub(super) row: usize,
    /// Axes of its shape.
    pub(super) axes: usize,
    /// Whether the embedding is the output head too.
    pub(super) tied: bool,
}

/// The type of a tensor in a file of the type `stored` with `layers` layers.
pub(super) fn choose(place: &Place, stored: GgufType, layers: usize) -> BlockType {
    number_of(wanted(place, stored, layers).map_or(GgmlDType::F32, |wanted| fitting(wanted, place.row)))
}

/// The type that the mixture has for a tensor; nothing for those that are never quantised (`tensor_allows_quantization`).
fn wanted(place: &Place, stored: GgufType, layers: usize) -> Option<GgmlDType> {
    if place.axes < 2 || place.name.ends_with("_norm.weight") || !place.name.ends_with("weight") {
        return None;
    }
    match stored {
        GgufType::AsBase | GgufType::F16 => return Some(GgmlDType::F16),
        GgufType::Q8_0 => return Some(GgmlDType::Q8_0),
        GgufType::Q4K => {}
    }
    let is_head = place.name == "output.weight" || place.tied && place.name == "token_embd.weight";
    if is_head {
        return Some(if place.row.is_multiple_of(256) { GgmlDType::Q6K } else { GgmlDType::Q8_0 });
    }
    // The first and the last eighth of the layers, and every third between them.
    let more_bits =
        |layer: usize| layer < layers / 8 || layer >= 7 * layers / 8 || layer.saturating_sub(layers / 8) % 3 == 2;
    let layered = place.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let layer = layered.and_then(|(layer, _)| layer.parse().ok()).unwrap_or(0);
    Some(match layered.map(|(_, tensor)| tensor) {
        Some("attn_v.weight" | "ffn_down.weight") if more_bits(layer) => GgmlDType::Q6K,
        Some("attn_qkv.weight") => GgmlDType::Q5K,
        _ => GgmlDType::Q4K,
    })
}

/// The same or, where the rows are no whole number of blocks, the next that fits (`tensor_type_fallback`).
fn fitting(wanted: GgmlDType, row: usize) -> GgmlDType {
    let next = match wanted {
        _ if row.is_multiple_of(wanted.block_size()) => return wanted,
        GgmlDType::Q4K => GgmlDType::Q5_0,
        GgmlDType::Q5K => GgmlDType::Q5_1,
        GgmlDType::Q6K => GgmlDType::Q8_0,
        _ => GgmlDType::F16,
    };
    if row.is_multiple_of(next.block_size()) { next } else { GgmlDType::F16 }
}

/// ggml's number for a type.
pub(super) fn number_of(block: GgmlDType) -> BlockType {
    let number = (0..64).map(BlockType).find(|number| ggml_type(*number) == Some(block));
    // Every type that is written here can be read here.
    number.unwrap_or(BlockType(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(tensor: &str, row: usize, tied: bool, stored: GgufType) -> String {
        let axes = if tensor.contains("norm") || tensor.ends_with("bias") { 1 } else { 2 };
        choose(&Place { name: tensor, row, axes, tied }, stored, 16).name().into_owned()
    }

    #[test]
    fn the_mixture_is_that_of_llama_cpp() {
        let q4 = |tensor: &str, row: usize| name(tensor, row, false, GgufType::Q4K);
        assert_eq!(q4("blk.3.attn_q.weight", 512), "Q4_K");
        // Of 16 layers: 0, 1, 14 and 15, and 4, 7, 10 and 13.
        let richer: Vec<usize> = (0..16).filter(|l| q4(&format!("blk.{l}.attn_v.weight"), 512) == "Q6_K").collect();
        assert_eq!(richer, [0, 1, 4, 7, 10, 13, 14, 15]);
        let richer: Vec<usize> = (0..16).filter(|l| q4(&format!("blk.{l}.ffn_down.weight"), 256) == "Q6_K").collect();
        assert_eq!(richer, [0, 1, 4, 7, 10, 13, 14, 15]);
        assert_eq!((q4("token_embd.weight", 512), q4("output.weight", 512)), ("Q4_K".into(), "Q6_K".into()));
        assert_eq!(name("token_embd.weight", 512, true, GgufType::Q4K), "Q6_K");
        assert_eq!(q4("blk.0.attn_qkv.weight", 512), "Q5_K");
    }

    #[test]
    fn rows_that_are_no_whole_number_of_blocks_get_the_next_type_that_fits() {
        let q4 = |tensor: &str, row: usize| name(tensor, row, false, GgufType::Q4K);
        assert_eq!(q4("blk.3.attn_q.weight", 576), "Q5_0");
        assert_eq!(q4("blk.0.ffn_down.weight", 96), "Q8_0");
        assert_eq!(q4("blk.0.attn_qkv.weight", 96), "Q5_1");
        assert_eq!(q4("output.weight", 576), "Q8_0");
        for tensor in ["blk.3.attn_q.weight", "blk.0.attn_v.weight", "output.weight"] {
            assert_eq!(q4(tensor, 100), "F16");
        }
        assert_eq!(name("blk.3.attn_q.weight", 33, false, GgufType::Q8_0), "F16");
        assert_eq!(name("blk.3.attn_q.weight", 64, false, GgufType::Q8_0), "Q8_0");
    }

    #[test]
    fn norms_and_biases_stay_as_they_are() {
        for stored in [GgufType::F16, GgufType::Q8_0, GgufType::Q4K] {
            for tensor in
                ["blk.0.attn_norm.weight", "output_norm.weight", "blk.0.attn_q_norm.weight", "blk.0.attn_q.bias"]
            {
                assert_eq!(name(tensor, 256, false, stored), "F32");
            }
        }
        assert_eq!(name("blk.0.attn_q.weight", 7, false, GgufType::F16), "F16");
    }
}
