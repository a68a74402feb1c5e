//! A tokenizer from a Hugging Face folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::added_tokens::{Files, NAMES, token_text};
use crate::metadata::template_processing;
use crate::tokenizer::Parts;
use crate::{Error, Tokenizer};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
const TEMPLATE: &str = "chat_template.jinja";

/// The first GGUF file of a folder, by its name.
fn first_gguf(dir: &Path) -> Option<String> {
    let names = std::fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))).min()
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a model folder, with `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json`, `chat_template.jinja`, `generation_config.json` and `config.json` where they are there.
    ///
    /// # Errors
    /// When there is no `tokenizer.json`, or one of the files is damaged.
    pub fn from_dir(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(TOKENIZER);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hint = if first_gguf(dir).is_some() {
                    "Name the GGUF file itself, of several parts the first; it has its tokenizer within"
                } else {
                    "Download the model again with all of its files; a tokenizer.model alone is not supported"
                };
                let beside = first_gguf(dir).map(|name| format!(", but {name}")).unwrap_or_default();
                let what = format!("this folder holds no {TOKENIZER}{beside}");
                return Err(Error::File { path: dir.to_path_buf(), what, hint });
            }
            Err(error) => return Err(Error::io(&path)(error)),
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| Error::File {
            path: path.clone(),
            what: format!("this is not a tokenizer that can be read: {error}"),
            hint: "Download it again",
        })?;
        // Length is this program's business, and ids are packed without padding.
        inner.with_truncation(None).map_err(Error::tokenizer)?;
        inner.with_padding(None);

        let config = read_object(&dir.join(CONFIG))?.unwrap_or_default();
        let map = read_object(&dir.join(SPECIAL_TOKENS))?.unwrap_or_default();
        let added = read_object(&dir.join(ADDED_TOKENS))?.unwrap_or_default();
        let files = Files { config: &config, map: &map, added: &added };
        let notes = files.add_to(&mut inner).map_err(|what| Error::File {
            path: dir.to_path_buf(),
            what,
            hint: "Download the model again: its tokenizer files do not belong together",
        })?;
        if config.get("split_special_tokens").and_then(Value::as_bool) == Some(true) {
            inner.set_encode_special_tokens(true);
        }
        let special_tokens = special_tokens(&files);
        update_post_processor(&mut inner, &config, &special_tokens)?;

        let mut rows = None;
        let mut stop_ids = BTreeSet::new();
        for name in ["generation_config.json", "config.json"] {
            let config = read_object(&dir.join(name))?.unwrap_or_default();
            rows = rows.or(config.get("vocab_size").and_then(as_id));
            match config.get("eos_token_id") {
                Some(Value::Array(ids)) => stop_ids.extend(ids.iter().filter_map(as_id)),
                Some(id) => stop_ids.extend(as_id(id)),
                None => {}
            }
        }
        let template = template(dir, &config)?;
        Ok(Self::assemble(Parts { inner, template, special_tokens, stop_ids, rows, notes }))
    }
}

fn as_id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// A JSON object in a file, or none where there is no file.
fn read_object(path: &Path) -> Result<Option<Map<String, Value>>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path)(error)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(damaged(path, "this should be a JSON object".to_owned())),
        Err(error) => Err(damaged(path, format!("this is not valid JSON: {error}"))),
    }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::File { path: path.to_path_buf(), what, hint: "Download it again" }
}

/// The named special tokens, those of the model's own among them.
fn special_tokens(files: &Files<'_>) -> BTreeMap<String, String> {
    let named = NAMES.into_iter().filter_map(|name| Some((name, files.named(name)?)));
    let texts = named
        .chain(files.own_names())
        .filter_map(|(name, value)| Some((name.to_owned(), token_text(value)?.to_owned())));
    texts.collect()
}

/// Rebuilds what is put around a text where the configuration says so in words, or `tokenizer.json` says nothing
/// (`TokenizersBackend.update_post_processor` in `transformers` 5).
fn update_post_processor(
    inner: &mut tokenizers::Tokenizer,
    config: &Map<String, Value>,
    special_tokens: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let explicit = config.contains_key("add_bos_token") || config.contains_key("add_eos_token");
    if !explicit && inner.get_post_processor().is_some() {
        return Ok(());
    }
    let mut tokens = Map::new();
    let mut piece = |flag: &str, name: &str| {
        if config.get(flag).and_then(Value::as_bool) != Some(true) {
            return Vec::new();
        }
        // `transformers` quietly adds nothing where the token has no name.
        let named = special_tokens.get(name).and_then(|token| Some((token, inner.token_to_id(token)?)));
        let Some((token, id)) = named else { return Vec::new() };
        tokens.insert(token.clone(), json!({ "id": token, "ids": [id], "tokens": [token] }));
        vec![json!({ "SpecialToken": { "id": token, "type_id": 0 } })]
    };
    let before = piece("add_bos_token", "bos_token");
    let after = piece("add_eos_token", "eos_token");
    let processor: Option<tokenizers::PostProcessorWrapper> =
        serde_json::from_value(template_processing(&before, &after, &tokens)).map_err(Error::tokenizer)?;
    inner.with_post_processor(processor);
    Ok(())
}

/// The chat template: the file of its own, else `chat_template` of `tokenizer_config.json`, which is a template or a list
/// of named ones, of which the one called `default` serves.
fn template(dir: &Path, config: &Map<String, Value>) -> Result<Result<Option<String>, String>, Error> {
    let path = dir.join(TEMPLATE);
    match std::fs::read_to_string(&path) {
        Ok(source) => return Ok(Ok(Some(source))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(&path)(error)),
    }
    match config.get("chat_template") {
        None | Some(Value::Null) => Ok(Ok(None)),
        Some(Value::String(source)) => Ok(Ok(Some(source.clone()))),
        Some(Value::Array(named)) => {
            let name = |template: &Value| Some(template.get("name")?.as_str()?.to_owned());
            let default = named.iter().find(|template| name(template).as_deref() == Some("default"));
            let source = default.and_then(|template| template.get("template")?.as_str());
            Ok(source.map(|source| Some(source.to_owned())).ok_or_else(|| {
                let names: Vec<_> = named.iter().filter_map(name).collect();
                format!("there are several templates ({}), but none called default", names.join(", "))
            }))
        }
        Some(_) => Err(damaged(&dir.join(CONFIG), "chat_template is neither a text nor a list".to_owned())),
    }
}
