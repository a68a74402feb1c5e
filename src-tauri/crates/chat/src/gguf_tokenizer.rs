//! A Hugging Face folder's tokenizer as the metadata of a GGUF file: the way back of `metadata`.
//!
//! A GGUF file says less than a `tokenizer.json`: how text is cut into words is a name, and a SentencePiece tokenizer has
//! scores in place of merges. What was made is therefore read again by `metadata` and compared with the original on texts
//! that are hard to cut; a tokenizer that does not survive is refused.

use std::collections::BTreeMap;
use std::path::Path;

use gguf::{Header, Value};

use crate::metadata::SPACE;
use crate::pre_tokenizer::names_of_pre_tokenizers;
use crate::{Error, Tokenizer};

/// `llama_token_type`.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// What llama.cpp's converter gives to pieces that no merge makes.
const NO_SCORE: f32 = -1000.0;

/// Texts that tokenizers cut differently. The first is llama.cpp's own (`convert_hf_to_gguf_update.py`).
const TEXTS: [&str; 8] = [
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅ 🦙🦙 3 33 333 3333 33333 \
     333333 3333333 33333333 3.3 3..3 3...3 កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на Български \
     ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure I'll make it, 'D you \
     like some tea? We'Ve a'lL",
    "",
    " leading and trailing ",
    "Äpfel, ÉTÉ and re\u{301}sume\u{301}: naïve Ǆungla ½ ² ٣ १२३",
    "def f(x):\n\treturn x**2  # done\r\n\r\n\r\n}",
    "camelCaseWords HTTPServer snake_case/path//to\\file #!?~`",
    "한국어 日本語テキスト ひらがなカタカナ中文字符，标点。「引号」",
    "a<0x0A>b ▁ ▁▁ x    y     z",
];

/// The metadata of the tokenizer in the folder `model`, for a model of the architecture `architecture` (as GGUF names it)
/// whose embedding has `rows` rows.
///
/// # Errors
/// When the tokenizer cannot be read, or a GGUF file cannot say what it does.
pub fn gguf_tokenizer(model: &Path, architecture: &str, rows: usize) -> Result<BTreeMap<String, Value>, Error> {
    let original = Tokenizer::open(model)?;
    let vocabulary = Vocabulary::of(&original, rows)?;
    let mut metadata = BTreeMap::new();
    metadata.insert("general.architecture".to_string(), Value::String(architecture.to_string()));
    let candidates = if vocabulary.byte_level {
        vocabulary.write_byte_level(&mut metadata);
        names_of_pre_tokenizers().collect()
    } else {
        vocabulary.write_sentence_piece(&mut metadata, &original, architecture);
        vec!["default"]
    };
    original.write_special_tokens(&mut metadata, rows);
    let texts = texts(&original, rows);
    let expected: Vec<[Vec<u32>; 2]> = texts.iter().map(|text| ids(&original, text)).collect::<Result<_, _>>()?;
    let mut reason = String::new();
    for name in candidates {
        metadata.insert("tokenizer.ggml.pre".to_string(), Value::String(name.to_string()));
        let header = Header { version: 3, metadata: metadata.clone(), tensors: Vec::new(), data_offset: 0 };
        let read = Tokenizer::from_gguf(&header)?;
        let differs = texts.iter().zip(&expected).find_map(|(text, expected)| match ids(&read, text) {
            Ok(found) if found == *expected => None,
            _ => Some(text),
        });
        match differs {
            None => {
                // The architecture is the model's to write.
                metadata.remove("general.architecture");
                return Ok(metadata);
            }
            Some(text) => {
                reason = format!("with {name}, {:?} has other tokens", text.chars().take(60).collect::<String>());
            }
        }
    }
    Err(Error::NotInGguf(reason))
}

/// Ids with and without what is added around a text.
fn ids(tokenizer: &Tokenizer, text: &str) -> Result<[Vec<u32>; 2], Error> {
    Ok([tokenizer.encode(text)?, tokenizer.encode_rendered(text)?])
}

/// The texts to compare by: the hard ones, and each added token among words.
fn texts(tokenizer: &Tokenizer, rows: usize) -> Vec<String> {
    let mut texts: Vec<String> = TEXTS.iter().map(|&text| text.to_string()).collect();
    let added = tokenizer.inner.get_added_tokens_decoder();
    let mut special: Vec<_> = added
        .iter()
        .filter(|(id, token)| token.special && (**id as usize) < rows)
        .map(|(_, token)| token.content.as_str())
        .collect();
    special.sort_unstable();
    // What the tokenizer itself has pieces for, lest it cuts what none of the texts above holds.
    let size = tokenizer.vocab_size().min(rows) as u32;
    let step = (size / 2048).max(1) as usize;
    let pieces: Vec<String> = (0..size).step_by(step).filter_map(|id| tokenizer.decode(&[id], true).ok()).collect();
    texts.extend(pieces.chunks(64).flat_map(|pieces| [pieces.concat(), pieces.join(" ")]));
    texts.push((0..1300).map(|number| number.to_string()).collect::<Vec<_>>().join(" "));
    texts.extend(special.iter().take(64).map(|token| format!("one{token}two {token} three\n{token}\nfour")));
    texts
}

struct Vocabulary {
    byte_level: bool,
    tokens: Vec<String>,
    kinds: Vec<i32>,
    merges: Vec<(String, String)>,
}

impl Vocabulary {
    fn of(tokenizer: &Tokenizer, rows: usize) -> Result<Self, Error> {
        let json = tokenizer.inner.to_string(false).map_err(Error::tokenizer)?;
        let json: serde_json::Value = serde_json::from_str(&json).map_err(Error::tokenizer)?;
        let model = &json["model"];
        let kind = model["type"].as_str().unwrap_or("unnamed");
        if kind != "BPE" {
            return Err(Error::NotInGguf(format!("its model is of the kind {kind}, and only BPE can be written")));
        }
        let merges = model["merges"].as_array().into_iter().flatten().map(|merge| match merge {
            serde_json::Value::Array(pair) => Some((pair.first()?.as_str()?.into(), pair.get(1)?.as_str()?.into())),
            other => other.as_str()?.split_once(' ').map(|(left, right)| (left.into(), right.into())),
        });
        let merges: Option<Vec<(String, String)>> = merges.collect();
        let merges = merges.ok_or_else(|| Error::NotInGguf("its merges are no pairs".into()))?;
        let byte_level = model["byte_fallback"] != serde_json::Value::Bool(true);
        let mut tokens: Vec<String> = (0..rows).map(|id| format!("[PAD{id}]")).collect();
        let mut kinds = vec![UNUSED; rows];
        for (token, id) in tokenizer.inner.get_vocab(true) {
            if let Some(place) = tokens.get_mut(id as usize) {
                let is_byte = !byte_level && token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
                kinds[id as usize] = if is_byte { BYTE } else { NORMAL };
                *place = token;
            }
        }
        for (id, token) in tokenizer.inner.get_added_tokens_decoder() {
            if let Some(kind) = kinds.get_mut(id as usize) {
                *kind = if token.special { CONTROL } else { USER_DEFINED };
            }
        }
        if let Some(unknown) = model["unk_token"].as_str().and_then(|token| tokenizer.inner.token_to_id(token))
            && let Some(kind) = kinds.get_mut(unknown as usize)
        {
            *kind = UNKNOWN;
        }
        Ok(Self { byte_level, tokens, kinds, merges })
    }

    fn write_byte_level(&self, metadata: &mut BTreeMap<String, Value>) {
        let merges = self.merges.iter().map(|(left, right)| Value::String(format!("{left} {right}"))).collect();
        metadata.insert("tokenizer.ggml.model".into(), Value::String("gpt2".into()));
        metadata.insert("tokenizer.ggml.merges".into(), Value::Array(merges));
        self.write_tokens(metadata, self.tokens.clone());
    }

    /// Scores in the order of the merges: what SentencePiece merges first scores best.
    fn write_sentence_piece(&self, metadata: &mut BTreeMap<String, Value>, tokenizer: &Tokenizer, architecture: &str) {
        let mut scores = vec![0f32; self.tokens.len()];
        let mut made = vec![false; self.tokens.len()];
        for (rank, (left, right)) in self.merges.iter().enumerate() {
            let token = tokenizer.inner.token_to_id(&format!("{left}{right}")).map(|id| id as usize);
            if let Some(id) = token.filter(|&id| id < made.len() && !made[id]) {
                (scores[id], made[id]) = (-(rank as f32), true);
            }
        }
        let last = -(self.merges.len() as f32);
        for (id, score) in scores.iter_mut().enumerate() {
            match self.kinds[id] {
                NORMAL if !made[id] => *score = last,
                CONTROL | USER_DEFINED | UNUSED => *score = NO_SCORE,
                _ => {}
            }
        }
        // Gemma's runs of spaces are pieces of text, not of SentencePiece's.
        let as_text = |(token, kind): (&String, &i32)| {
            let runs = architecture.starts_with("gemma") && *kind == USER_DEFINED;
            if runs { token.replace(SPACE, " ") } else { token.clone() }
        };
        let tokens = self.tokens.iter().zip(&self.kinds).map(as_text).collect();
        metadata.insert("tokenizer.ggml.model".into(), Value::String("llama".into()));
        metadata.insert("tokenizer.ggml.scores".into(), Value::Array(scores.into_iter().map(Value::F32).collect()));
        let adds_space = tokenizer.encode_rendered("a").ok() != tokenizer.inner.token_to_id("a").map(|id| vec![id]);
        metadata.insert("tokenizer.ggml.add_space_prefix".into(), Value::Bool(adds_space));
        self.write_tokens(metadata, tokens);
    }

    fn write_tokens(&self, metadata: &mut BTreeMap<String, Value>, tokens: Vec<String>) {
        let tokens = tokens.into_iter().map(Value::String).collect();
        let kinds = self.kinds.iter().map(|&kind| Value::I32(kind)).collect();
        metadata.insert("tokenizer.ggml.tokens".into(), Value::Array(tokens));
        metadata.insert("tokenizer.ggml.token_type".into(), Value::Array(kinds));
    }
}

impl Tokenizer {
    /// The named tokens, what is added around a text, and the chat template. A token without a row is none in the file.
    fn write_special_tokens(&self, metadata: &mut BTreeMap<String, Value>, rows: usize) {
        let mut set = |key: &str, value: Value| metadata.insert(format!("tokenizer.ggml.{key}"), value);
        let has_row = |id: &u32| (*id as usize) < rows;
        let id = |name: &str| {
            let token = self.special_tokens.get(name)?;
            self.inner.token_to_id(token).filter(has_row)
        };
        let named = [
            ("bos_token", "bos_token_id"),
            ("eos_token", "eos_token_id"),
            ("unk_token", "unknown_token_id"),
            ("pad_token", "padding_token_id"),
        ];
        for (name, key) in named {
            if let Some(id) = id(name) {
                set(key, Value::U32(id));
            }
        }
        let eos = id("eos_token");
        let others = self.stop_ids().iter().filter(|&&id| Some(id) != eos && has_row(&id));
        for (key, &id) in ["eot_token_id", "eom_token_id"].into_iter().zip(others) {
            set(key, Value::U32(id));
        }
        set("add_bos_token", Value::Bool(self.adds_bos()));
        let around = self.encode("").unwrap_or_default();
        set(
            "add_eos_token",
            Value::Bool(eos.is_some() && around.last().copied() == eos && around.len() > usize::from(self.adds_bos())),
        );
        if let Some(template) = self.template_source() {
            metadata.insert("tokenizer.chat_template".into(), Value::String(template.to_string()));
        }
    }
}

#[cfg(test)]
mod tests;
