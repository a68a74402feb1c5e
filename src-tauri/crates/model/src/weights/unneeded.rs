//! Tensors that a model's files hold and its configuration does not call for: what can be left out and is named, and what
//! would make it another model and is refused.
#![allow(clippy::case_sensitive_file_extension_comparisons)] // names of tensors are no files

use std::path::Path;

use crate::config::{Architecture, Config};
use crate::error::{Error, Result};

/// How many names a message lists before it counts the rest.
const LISTED: usize = 5;

/// Parts of the decoder itself, by the beginnings of their names: in a Hugging Face folder, and in a GGUF file.
const DECODER: [&str; 7] = ["model.layers.", "model.norm", "model.embed", "lm_head", "blk.", "output", "token_embd"];

/// Tensors that follow from the configuration, which old files carry all the same.
const COMPUTED: [&str; 6] = [
    "rotary_emb.inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
    "masked_bias",
    "attn_rot_embd.weight",
    "rope_freqs.weight",
];

/// Scales that other programs quantise keys and values by as they cache them.
const OF_CACHES: [&str; 3] = [".q_scale", ".k_scale", ".v_scale"];

/// What of the tensors `names` is left out, worth telling; a name may be that of either kind of file. `zero` says whether
/// all numbers of a tensor are 0.
///
/// # Errors
/// When one of them belongs to the decoder and is no bias of zeros: the model of these weights computes otherwise than
/// the configuration says.
pub(super) fn left_out(
    path: &Path,
    config: &Config,
    names: impl IntoIterator<Item = String>,
    zero: impl Fn(&str) -> Result<bool>,
) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    let mut wanted = Vec::new();
    for name in names {
        if COMPUTED.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let belongs = DECODER.iter().any(|part| name.starts_with(part));
        let harmless = !belongs || OF_CACHES.iter().any(|ending| name.ends_with(ending));
        if harmless || name.ends_with(".bias") && zero(&name)? { left_out.push(name) } else { wanted.push(name) }
    }
    if wanted.is_empty() {
        return Ok(left_out);
    }
    let (what, hint) = refusal(config, &wanted);
    Err(Error::config(path, what, hint))
}

/// What is wrong with tensors of the decoder that the configuration leaves out, and what to do.
fn refusal(config: &Config, wanted: &[String]) -> (String, String) {
    let family = config.architecture.model_type();
    let layers = config.num_hidden_layers;
    let beyond = wanted.iter().filter_map(|name| layer_of(name)).filter(|&layer| layer >= layers).max();
    let held = listed(wanted);
    if let Some(last) = beyond {
        let what = format!("its configuration has {layers} layers, but the weights go on to layer {last}: {held}");
        let hint = format!(
            "Set num_hidden_layers to {} if the model has them all, or take weights and configuration that belong together",
            last + 1
        );
        return (what, hint);
    }
    let what = format!("its weights hold what a {family} model of this configuration does not have: {held}");
    let hint = if wanted.iter().any(|name| name.contains("lora_")) {
        "An adapter lies in the file that was not merged: save the model after merge_and_unload() of PEFT, or give the \
         adapter as a folder of its own"
    } else if wanted.iter().all(|name| name.ends_with(".bias")) && can_have_biases(config.architecture) {
        "Set attention_bias or mlp_bias to true in config.json if the model computes with them, or remove them from the \
         file"
    } else {
        "Is model_type that of another family? Take weights and configuration that belong together, or remove the tensors \
         from the file if the model does not compute with them"
    };
    (what, hint.to_string())
}

/// Whether `attention_bias` means anything in `config.json`.
fn can_have_biases(architecture: Architecture) -> bool {
    !matches!(architecture, Architecture::Qwen2 | Architecture::Mistral | Architecture::Phi3)
}

/// The layer that a tensor belongs to, in either kind of file.
fn layer_of(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("model.layers.").or_else(|| name.strip_prefix("blk."))?;
    rest.split('.').next()?.parse().ok()
}

/// What is said of tensors that are left out.
pub(super) fn note(left_out: &[String]) -> String {
    let (count, verb) = if left_out.len() == 1 {
        ("one tensor".to_string(), "is")
    } else {
        (format!("{} tensors", left_out.len()), "are")
    };
    format!(
        "{count} in the model's files {verb} no part of what is computed here and {verb} left out: {}",
        listed(left_out)
    )
}

/// Names, the first few of them.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(family: &str) -> Config {
        let text = serde_json::json!({
            "model_type": family, "vocab_size": 300, "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 2,
            "num_attention_heads": 6, "num_key_value_heads": 2
        });
        Config::from_json(&text.to_string(), Path::new("config.json")).unwrap()
    }

    fn sorted(family: &str, names: &[&str], zero: bool) -> Result<Vec<String>> {
        let names = names.iter().map(ToString::to_string);
        left_out(Path::new("model"), &config(family), names, |_| Ok(zero))
    }

    #[test]
    fn what_the_decoder_does_not_know_is_left_out_and_named() {
        let others = ["score.weight", "v_head.summary.bias", "model.layers.0.self_attn.k_proj.k_scale"];
        let computed =
            ["model.layers.1.self_attn.rotary_emb.inv_freq", "blk.0.attn_rot_embd.weight", "rope_freqs.weight"];
        assert_eq!(sorted("llama", &[&others[..], &computed].concat(), false).unwrap(), others);
        let zeros = ["model.layers.0.self_attn.q_proj.bias", "blk.0.attn_q.bias"];
        assert_eq!(sorted("llama", &zeros, true).unwrap(), zeros, "biases of zeros change nothing");
        let many: Vec<String> = (0..7).map(|n| format!("head.{n}")).collect();
        assert!(note(&many).starts_with("7 tensors in the model's files are"), "{}", note(&many));
        assert!(note(&many).ends_with("head.0, head.1, head.2, head.3, head.4 and 2 more"), "{}", note(&many));
        assert!(note(&many[..1]).starts_with("one tensor in the model's files is"));
    }

    #[test]
    fn what_would_be_another_model_is_refused_with_what_decides_it() {
        for (family, names, says) in [
            ("llama", &["model.layers.1.self_attn.q_proj.bias"][..], "attention_bias or mlp_bias to true"),
            ("mistral", &["model.layers.1.self_attn.q_proj.bias"], "model_type"),
            ("llama", &["lm_head.bias"], "remove them"),
            ("llama", &["model.layers.1.self_attn.q_norm.weight"], "model_type"),
            (
                "llama",
                &["model.layers.2.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight"],
                "num_hidden_layers to 4",
            ),
            ("llama", &["model.layers.0.self_attn.q_proj.lora_A.default.weight"], "merge_and_unload"),
            ("llama", &["model.embed_positions.weight"], "model_type"),
            ("llama", &["blk.0.attn_q.bias", "output.bias"], "remove them"),
            ("llama", &["blk.5.ffn_up.weight"], "num_hidden_layers to 6"),
        ] {
            let said = sorted(family, names, false).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains(names[0]), "{said}");
        }
    }
}
