//! A tokenizer from a Hugging Face folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;

use crate::metadata::template_processing;
use crate::tokenizer::Parts;
use crate::{Error, Tokenizer};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const TEMPLATE: &str = "chat_template.jinja";

impl Tokenizer {
    /// Reads `tokenizer.json` of a model folder, with `tokenizer_config.json`, `special_tokens_map.json`,
    /// `chat_template.jinja`, `generation_config.json` and `config.json` where they are there.
    ///
    /// # Errors
    /// When there is no `tokenizer.json`, or one of the files is damaged.
    pub fn from_dir(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(TOKENIZER);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::File {
                    path: dir.to_path_buf(),
                    what: format!("this folder holds no {TOKENIZER}"),
                    hint: "Download the model again with all of its files; a tokenizer.model alone is not supported",
                });
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
        add_tokens(&mut inner, &config).map_err(|what| Error::File {
            path: dir.join(CONFIG),
            what,
            hint: "Download the model again: its tokenizer files do not belong together",
        })?;
        if config.get("split_special_tokens").and_then(Value::as_bool) == Some(true) {
            inner.set_encode_special_tokens(true);
        }
        let special_tokens = special_tokens(dir, &config)?;
        update_post_processor(&mut inner, &config, &special_tokens)?;

        let mut stop_ids = BTreeSet::new();
        for name in ["generation_config.json", "config.json"] {
            let config = read_object(&dir.join(name))?.unwrap_or_default();
            match config.get("eos_token_id") {
                Some(Value::Array(ids)) => stop_ids.extend(ids.iter().filter_map(as_id)),
                Some(id) => stop_ids.extend(as_id(id)),
                None => {}
            }
        }
        let template = template(dir, &config)?;
        Ok(Self::assemble(Parts { inner, template, special_tokens, stop_ids }))
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

/// A token in a configuration: its text, or an object with the text as `content`.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// The named special tokens: of `tokenizer_config.json`, completed from `special_tokens_map.json`.
fn special_tokens(dir: &Path, config: &Map<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    const NAMES: [&str; 7] =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    let fallback = read_object(&dir.join(SPECIAL_TOKENS))?.unwrap_or_default();
    let mut tokens = BTreeMap::new();
    for name in NAMES {
        // A null in the configuration says that there is none.
        let value = if config.contains_key(name) { config.get(name) } else { fallback.get(name) };
        if let Some(text) = value.and_then(token_text) {
            tokens.insert(name.to_owned(), text.to_owned());
        }
    }
    // Models may name tokens of their own, which the template then sees like the others.
    if let Some(Value::Object(own)) = config.get("extra_special_tokens") {
        tokens.extend(own.iter().filter_map(|(name, value)| Some((name.clone(), token_text(value)?.to_owned()))));
    }
    Ok(tokens)
}

/// Adds what `added_tokens_decoder` of `tokenizer_config.json` has and `tokenizer.json` has not, under the id it names.
fn add_tokens(inner: &mut tokenizers::Tokenizer, config: &Map<String, Value>) -> Result<(), String> {
    let Some(Value::Object(added)) = config.get("added_tokens_decoder") else { return Ok(()) };
    let mut by_id = BTreeMap::new();
    for (id, token) in added {
        let parsed = id.parse::<u32>().ok().zip(token_text(token));
        let (number, text) = parsed.ok_or_else(|| format!("added_tokens_decoder has the damaged entry {id}"))?;
        by_id.insert(number, (text, token));
    }
    for (id, (text, token)) in by_id {
        if inner.get_added_tokens_decoder().get(&id).is_some_and(|known| known.content == text) {
            continue;
        }
        let flag = |name: &str, default: bool| token.get(name).and_then(Value::as_bool).unwrap_or(default);
        let special = flag("special", false);
        let new = AddedToken::from(text, special)
            .single_word(flag("single_word", false))
            .lstrip(flag("lstrip", false))
            .rstrip(flag("rstrip", false))
            .normalized(flag("normalized", !special));
        inner.add_tokens([new]).map_err(|error| error.to_string())?;
        if inner.token_to_id(text) != Some(id) {
            return Err(format!("the added token {text:?} should have the id {id}, which {TOKENIZER} does not allow"));
        }
    }
    Ok(())
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
