//! A model's tokenizer as the files that `AutoTokenizer` of `transformers` reads, to lie beside new weights.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::metadata::parts;
use crate::tokenizer::Parts;
use crate::{Error, Tokenizer};

/// All that a Hugging Face folder may say of text: what of it is there is copied.
const FILES: [&str; 11] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
];

/// Writes the tokenizer of the model at `model`, with its chat template and the ids that end an answer, into the folder
/// `to`: the model folder's own files, or for a GGUF file those that say the same as its metadata.
///
/// # Errors
/// When the model's tokenizer cannot be read or the folder cannot be written.
pub fn write_tokenizer(model: &Path, to: &Path) -> Result<(), Error> {
    if model.is_dir() {
        copy(model, to)
    } else {
        write_parts(parts(&gguf::read_header(model)?).map_err(Error::in_file(model))?, to)
    }
}

fn copy(model: &Path, to: &Path) -> Result<(), Error> {
    for name in FILES {
        let (from, to) = (model.join(name), to.join(name));
        let bytes = match std::fs::read(&from) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io(&from)(error)),
        };
        write(&to, &bytes)?;
    }
    Ok(())
}

/// Writes what was read of a GGUF file's metadata as Hugging Face files.
pub(crate) fn write_parts(parts: Parts, to: &Path) -> Result<(), Error> {
    let template = parts.template.clone();
    let tokenizer = Tokenizer::assemble(parts);
    let json = tokenizer.inner.to_string(true).map_err(Error::tokenizer)?;
    write(&to.join("tokenizer.json"), json.as_bytes())?;

    let mut config = Map::new();
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    config.insert("clean_up_tokenization_spaces".into(), json!(false));
    let mut generation = Map::new();
    for (name, token) in &tokenizer.special_tokens {
        config.insert(name.clone(), json!(token));
        let id = tokenizer.inner.token_to_id(token);
        if let (Some(id), "bos_token" | "pad_token") = (id, name.as_str()) {
            generation.insert(format!("{name}_id"), json!(id));
        }
    }
    if let Ok(Some(template)) = template {
        config.insert("chat_template".into(), json!(template));
    }
    generation.insert("eos_token_id".into(), json!(tokenizer.stop_ids()));
    write(&to.join("tokenizer_config.json"), format!("{:#}\n", Value::Object(config)).as_bytes())?;
    write(&to.join("generation_config.json"), format!("{:#}\n", Value::Object(generation)).as_bytes())
}

/// Writes a file that is then on the disk.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let save = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    save().map_err(Error::write(path))
}
