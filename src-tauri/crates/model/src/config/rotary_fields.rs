//! The rotary settings of a `config.json`, in the spelling of transformers 4 (`rope_theta`, `rope_scaling`) or 5
//! (`rope_parameters`).

use serde_json::{Map, Value};

use super::json_fields::Fields;
use super::{Architecture, Rope, RopeScaling};
use crate::error::{Error, Result};

/// What the rotary settings of a model are.
pub(super) struct Rotary {
    pub(super) rope: Rope,
    pub(super) local_rope: Option<Rope>,
    /// The share of a head's dimensions that is rotated.
    pub(super) partial_rotary_factor: f64,
}

/// Values of the family for what the file does not say.
pub(super) struct Defaults {
    pub(super) theta: f64,
    pub(super) max_position_embeddings: usize,
}

/// Reads and takes out the rotary settings.
pub(super) fn read(fields: &mut Fields<'_>, architecture: Architecture, defaults: &Defaults) -> Result<Rotary> {
    let theta = fields.number("rope_theta")?.unwrap_or(defaults.theta);
    let original = fields.size("original_max_position_embeddings")?;
    let original = if architecture == Architecture::Phi3 { original.or(Some(4096)) } else { original };
    let (old, new) = (fields.object("rope_scaling")?, fields.object("rope_parameters")?);
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        return Err(Error::UnsupportedField {
            field: "rope_scaling".into(),
            value: Value::Object(old.clone()).to_string(),
            why: "rope_parameters is there too and says something else; remove the one that is wrong".into(),
        });
    }
    let partial = fields.number("partial_rotary_factor")?;
    let spelling = if new.is_some() { "rope_parameters" } else { "rope_scaling" };
    let map = new.or(old).unwrap_or_default();
    let mut scope =
        Scope { architecture, spelling, original, max_position_embeddings: defaults.max_position_embeddings, partial };
    if architecture != Architecture::Gemma3 {
        let rope = scope.rope(map, theta, fields)?;
        return Ok(Rotary { rope, local_rope: None, partial_rotary_factor: scope.partial.unwrap_or(1.0) });
    }
    // Layers over a window have settings of their own.
    let local_theta = fields.number("rope_local_base_freq")?.unwrap_or(10_000.0);
    let mut map = map;
    let mut take = |layers: &str| match map.remove(layers) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(fields.wrong(&format!("{spelling}.{layers}"), &other, "an object")),
    };
    let (global, local) = (take("full_attention")?, take("sliding_attention")?);
    let global = global.unwrap_or(map);
    let rope = scope.rope(global, theta, fields)?;
    let local_rope = Some(scope.rope(local.unwrap_or_default(), local_theta, fields)?);
    Ok(Rotary { rope, local_rope, partial_rotary_factor: scope.partial.unwrap_or(1.0) })
}

/// What the settings of a rotary embedding are read with.
struct Scope {
    architecture: Architecture,
    spelling: &'static str,
    /// The context length of pretraining, where it stands beside the settings.
    original: Option<usize>,
    max_position_embeddings: usize,
    partial: Option<f64>,
}

impl Scope {
    fn rope(&mut self, map: Map<String, Value>, theta: f64, fields: &Fields<'_>) -> Result<Rope> {
        let spelling = self.spelling;
        let mut inner = Fields { map, path: fields.path };
        // `type` is the older name; files exist that carry both.
        let older = inner.word("type")?;
        let kind = inner.word("rope_type")?.or(older).unwrap_or_else(|| "default".to_string());
        let theta = inner.number("rope_theta")?.unwrap_or(theta);
        let partial = inner.number("partial_rotary_factor")?;
        self.partial = partial.or(self.partial);
        let inner_original = inner.size("original_max_position_embeddings")?;
        // The same order of precedence as transformers' `standardize_rope_params`.
        let original = self.original.or(inner_original).unwrap_or(self.max_position_embeddings);
        let scaling = match kind.as_str() {
            "default" => RopeScaling::None,
            "linear" => {
                RopeScaling::Linear { factor: inner.number("factor")?.ok_or_else(|| inner.missing("rope factor"))? }
            }
            "llama3" => {
                let mut need = |name: &str| {
                    let value = inner.number(name)?;
                    value.ok_or_else(|| inner.missing(&format!("rope {name}")))
                };
                RopeScaling::Llama3 {
                    factor: need("factor")?,
                    low_freq_factor: need("low_freq_factor")?,
                    high_freq_factor: need("high_freq_factor")?,
                    original_max_position_embeddings: original,
                }
            }
            "longrope" | "su" | "yarn" if self.architecture == Architecture::Phi3 => {
                self.longrope(&mut inner, original)?
            }
            _ => {
                return Err(Error::UnsupportedField {
                    field: format!("{spelling}.rope_type"),
                    value: Value::from(kind).to_string(),
                    why: "only default, linear and llama3 are implemented, and longrope for Phi-3".into(),
                });
            }
        };
        if let Some((name, value)) = inner.map.iter().find(|(_, value)| !value.is_null()) {
            return Err(Error::UnsupportedField {
                field: format!("{spelling}.{name}"),
                value: value.to_string(),
                why: format!("the rope type {kind} does not use it, so the file means something else"),
            });
        }
        Ok(Rope { theta, scaling })
    }

    fn longrope(&self, inner: &mut Fields<'_>, original: usize) -> Result<RopeScaling> {
        let mut need = |name: &str| {
            let value = inner.numbers(name)?;
            value.ok_or_else(|| inner.missing(&format!("rope {name}")))
        };
        let (short, long) = (need("short_factor")?, need("long_factor")?);
        let stretch = match inner.number("factor")? {
            Some(factor) => factor,
            None => self.max_position_embeddings as f64 / original.max(1) as f64,
        };
        let attention_factor = match inner.number("attention_factor")? {
            Some(factor) => factor,
            None if stretch <= 1.0 => 1.0,
            None => (1.0 + stretch.ln() / (original as f64).ln()).sqrt(),
        };
        Ok(RopeScaling::LongRope { short, long, original_max_position_embeddings: original, attention_factor })
    }
}
