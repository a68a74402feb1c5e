//! A tokenizer from the metadata of a GGUF file alone.
//!
//! The metadata is turned into what Hugging Face's `tokenizer.json` would say, which the `tokenizers` crate then reads.
//! Keys are those of the GGUF specification (`ggml/docs/gguf.md`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gguf::Header;
use serde_json::{Map, Value, json};

use crate::pre_tokenizer::{PreTokenizer, byte_level};
use crate::tokenizer::Parts;
use crate::{Error, Tokenizer};

const ARCHITECTURE: &str = "general.architecture";
const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
const ADD_SPACE: &str = "tokenizer.ggml.add_space_prefix";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
const PADDING: &str = "tokenizer.ggml.padding_token_id";
const END_OF_TURN: &str = "tokenizer.ggml.eot_token_id";
const END_OF_MESSAGE: &str = "tokenizer.ggml.eom_token_id";
const TEMPLATE: &str = "tokenizer.chat_template";

/// SentencePiece's stand-in for a space.
pub(crate) const SPACE: &str = "▁";

impl Tokenizer {
    /// Builds the tokenizer that the metadata of a GGUF file describes: byte-level BPE (`gpt2`) or SentencePiece BPE
    /// (`llama`).
    ///
    /// # Errors
    /// When the file holds no tokenizer, one of another kind, or one that does not fit together.
    pub fn from_gguf(header: &Header) -> Result<Self, Error> {
        Ok(Self::assemble(parts(header)?))
    }
}

/// What the metadata says of the tokenizer.
pub(crate) fn parts(header: &Header) -> Result<Parts, Error> {
    let metadata = Metadata(header);
    let vocabulary = metadata.vocabulary()?;
    let tokenizer_json = match metadata.text(MODEL)? {
        "gpt2" => metadata.byte_level(&vocabulary)?,
        "llama" => metadata.sentence_piece(&vocabulary)?,
        other => {
            let problem = format!("is \"{other}\", which is not supported; supported: gpt2, llama");
            return Err(Error::Metadata { key: MODEL, problem });
        }
    };
    let mut special_tokens = BTreeMap::new();
    for (name, key) in [("bos_token", BOS), ("eos_token", EOS), ("unk_token", UNKNOWN), ("pad_token", PADDING)] {
        if let Some(id) = metadata.token_id(key, &vocabulary)? {
            special_tokens.insert(name.to_owned(), vocabulary.tokens[id as usize].clone());
        }
    }
    let mut stop_ids = BTreeSet::new();
    for key in [EOS, END_OF_TURN, END_OF_MESSAGE] {
        stop_ids.extend(metadata.token_id(key, &vocabulary)?);
    }
    let template = match header.metadata.get(TEMPLATE) {
        None => None,
        Some(_) => Some(metadata.text(TEMPLATE)?.to_owned()),
    };
    let inner = serde_json::from_value(tokenizer_json).map_err(Error::tokenizer)?;
    let embedding = header.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
    let rows = embedding.and_then(|tensor| u32::try_from(*tensor.shape.first()?).ok());
    Ok(Parts { inner, template: Ok(template), special_tokens, stop_ids, rows, notes: Vec::new() })
}

/// What a token is for (`llama_token_type`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A piece of text.
    Normal,
    /// Stands for what is not in the vocabulary, or steers the model: recognised in text as a whole, not shown.
    Special,
    /// Recognised in text as a whole, and shown.
    UserDefined,
}

struct Vocabulary {
    tokens: Vec<String>,
    kinds: Vec<Kind>,
}

impl Vocabulary {
    /// `added_tokens` of a `tokenizer.json`; `rstrip` says which of them swallow the white space after them.
    fn added_tokens(&self, rstrip: impl Fn(&str) -> bool) -> Value {
        let added = self.tokens.iter().zip(&self.kinds).enumerate().filter(|(_, (_, kind))| **kind != Kind::Normal);
        added
            .map(|(id, (token, kind))| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": rstrip(token),
                    "normalized": false, "special": *kind == Kind::Special,
                })
            })
            .collect()
    }

    /// `vocab` of a `tokenizer.json`'s model.
    fn ids(&self) -> Map<String, Value> {
        self.tokens.iter().enumerate().map(|(id, token)| (token.clone(), Value::from(id))).collect()
    }
}

/// Families whose SentencePiece tokenizers differ in what the file does not say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Llama's own kind.
    Llama,
    /// Pieces of several spaces are stored as spaces (`Gemma2Model.set_vocab` in llama.cpp's converter), and those that
    /// are no normal pieces merge before all others (`GemmaConverter` in `transformers`).
    Gemma,
    /// Special tokens swallow the white space after them (`llama-vocab.cpp`, and Phi-3's `tokenizer.json`).
    Phi3,
}

/// Whether a special token of Phi-3 swallows the white space after it.
fn swallows_white_space(token: &str) -> bool {
    !matches!(token, "<unk>" | "<s>" | "<|endoftext|>")
}

struct Metadata<'a>(&'a Header);

impl<'a> Metadata<'a> {
    fn text(&self, key: &'static str) -> Result<&'a str, Error> {
        let value = self.0.metadata.get(key).ok_or_else(|| missing(key))?;
        value.as_str().ok_or_else(|| wrong_type(key, "text", value))
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, Error> {
        match self.0.metadata.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| wrong_type(key, "true or false", value)),
        }
    }

    fn list(&self, key: &'static str) -> Result<Option<&'a [gguf::Value]>, Error> {
        let Some(value) = self.0.metadata.get(key) else { return Ok(None) };
        value.as_array().map(Some).ok_or_else(|| wrong_type(key, "a list", value))
    }

    fn token_id(&self, key: &'static str, vocabulary: &Vocabulary) -> Result<Option<u32>, Error> {
        let Some(value) = self.0.metadata.get(key) else { return Ok(None) };
        // Some converters write -1, or its unsigned twin, for "none".
        if value.as_i64() == Some(-1) || value.as_u64() == Some(u32::MAX.into()) {
            return Ok(None);
        }
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        let known = id.filter(|&id| (id as usize) < vocabulary.tokens.len());
        known.map(Some).ok_or_else(|| {
            let problem = format!("names no token of the {} in the vocabulary", vocabulary.tokens.len());
            Error::Metadata { key, problem }
        })
    }

    /// The kind of SentencePiece tokenizer, by the model's architecture.
    fn family(&self) -> Result<Family, Error> {
        match self.0.metadata.get(ARCHITECTURE).and_then(gguf::Value::as_str).unwrap_or("") {
            "gemma" | "gemma2" | "gemma3" => Ok(Family::Gemma),
            "phi3" => Ok(Family::Phi3),
            other if other.starts_with("gemma") => {
                let problem = format!("is \"llama\" for the architecture {other}, whose variant is not supported");
                Err(Error::Metadata { key: MODEL, problem })
            }
            _ => Ok(Family::Llama),
        }
    }

    fn vocabulary(&self) -> Result<Vocabulary, Error> {
        let tokens = self.list(TOKENS)?.ok_or_else(|| missing(TOKENS))?;
        let texts: Option<Vec<&str>> = tokens.iter().map(gguf::Value::as_str).collect();
        let texts = texts.ok_or_else(|| {
            let odd = tokens.iter().find(|token| token.as_str().is_none());
            wrong_type(TOKENS, "text throughout", odd.unwrap_or(&tokens[0]))
        })?;
        refuse_duplicates(texts.iter().copied())?;
        let kinds = match self.list(TYPES)? {
            None => vec![Kind::Normal; tokens.len()],
            Some(kinds) if kinds.len() == tokens.len() => kinds
                .iter()
                .map(|kind| match kind.as_i64() {
                    Some(2 | 3) => Kind::Special,
                    Some(4) => Kind::UserDefined,
                    _ => Kind::Normal,
                })
                .collect(),
            Some(kinds) => {
                let problem = format!("has {} entries for {} tokens", kinds.len(), tokens.len());
                return Err(Error::Metadata { key: TYPES, problem });
            }
        };
        let spaces_are_pieces = self.text(MODEL)? == "llama" && self.family()? == Family::Gemma;
        let own = |(token, kind): (&str, &Kind)| {
            let is_spaces = spaces_are_pieces && *kind == Kind::UserDefined;
            if is_spaces { token.replace(' ', SPACE) } else { token.to_owned() }
        };
        let texts: Vec<String> = texts.into_iter().zip(&kinds).map(own).collect();
        if spaces_are_pieces {
            refuse_duplicates(texts.iter().map(String::as_str))?;
        }
        Ok(Vocabulary { tokens: texts, kinds })
    }

    /// Byte-level BPE as GPT-2's, with the file's way of cutting text into words.
    fn byte_level(&self, vocabulary: &Vocabulary) -> Result<Value, Error> {
        if !self.0.metadata.contains_key(PRE) {
            let problem = "is missing, so that nobody can tell how text is to be cut into words".to_owned();
            return Err(Error::Metadata { key: PRE, problem });
        }
        let pre = PreTokenizer::by_name(self.text(PRE)?)?;
        let merges = self.merges()?.ok_or_else(|| missing(MERGES))?;
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": vocabulary.added_tokens(|_| false),
            "normalizer": pre.normalizer(),
            "pre_tokenizer": pre.pre_tokenizer(),
            "post_processor": self.post_processor(vocabulary, pre.add_bos)?,
            "decoder": byte_level(true),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": pre.ignore_merges, "vocab": vocabulary.ids(), "merges": merges,
            },
        }))
    }

    /// SentencePiece BPE with byte fallback, as `transformers` converts Llama's tokenizer (`LlamaConverter` in
    /// `convert_slow_tokenizer.py`).
    fn sentence_piece(&self, vocabulary: &Vocabulary) -> Result<Value, Error> {
        let family = self.family()?;
        let add_space = self.flag(ADD_SPACE, family != Family::Gemma)?;
        let unknown = self.token_id(UNKNOWN, vocabulary)?.map(|id| vocabulary.tokens[id as usize].as_str());
        let merges = match self.merges()? {
            Some(merges) => merges,
            None => self.merges_from_scores(vocabulary, family)?,
        };
        let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
        let mut normalizers = vec![replace];
        let mut decoders = vec![
            json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " }),
            json!({ "type": "ByteFallback" }),
            json!({ "type": "Fuse" }),
        ];
        if add_space {
            normalizers.insert(0, json!({ "type": "Prepend", "prepend": SPACE }));
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": vocabulary.added_tokens(|token| family == Family::Phi3 && swallows_white_space(token)),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null,
            "post_processor": self.post_processor(vocabulary, true)?,
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": vocabulary.ids(), "merges": merges,
            },
        }))
    }

    /// The merges that stand in the file, best first.
    fn merges(&self) -> Result<Option<Vec<(String, String)>>, Error> {
        let Some(merges) = self.list(MERGES)? else { return Ok(None) };
        let mut pairs = Vec::with_capacity(merges.len());
        for merge in merges {
            let merge = merge.as_str().ok_or_else(|| wrong_type(MERGES, "text throughout", merge))?;
            let Some((left, right)) = merge.split_once(' ') else {
                return Err(Error::Metadata { key: MERGES, problem: format!("holds {merge:?}, which is no pair") });
            };
            pairs.push((left.to_owned(), right.to_owned()));
        }
        Ok(Some(pairs))
    }

    /// The merges that make each piece out of two others, by the piece's score (`generate_merges` in
    /// `transformers`).
    fn merges_from_scores(&self, vocabulary: &Vocabulary, family: Family) -> Result<Vec<(String, String)>, Error> {
        let scores = self.list(SCORES)?.ok_or_else(|| missing(SCORES))?;
        if scores.len() != vocabulary.tokens.len() {
            let problem = format!("has {} entries for {} tokens", scores.len(), vocabulary.tokens.len());
            return Err(Error::Metadata { key: SCORES, problem });
        }
        let ids: HashMap<&str, usize> =
            vocabulary.tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
        let mut merges: Vec<(f64, &str, &str)> = Vec::new();
        for ((token, kind), score) in vocabulary.tokens.iter().zip(&vocabulary.kinds).zip(scores) {
            let score = score.as_f64().ok_or_else(|| wrong_type(SCORES, "numbers throughout", score))?;
            // The converter overwrites what SentencePiece gives to pieces that are not learnt.
            let score = if family == Family::Gemma && *kind != Kind::Normal { 0.0 } else { score };
            let first = merges.len();
            for (at, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(at);
                if ids.contains_key(left) && ids.contains_key(right) {
                    merges.push((score, left, right));
                }
            }
            merges[first..].sort_by_key(|(_, left, right)| (ids[left], ids[right]));
        }
        let length = |text: &str| text.chars().count();
        merges.sort_by(|one, other| {
            let longer = || (length(other.1), length(other.2)).cmp(&(length(one.1), length(one.2)));
            other.0.total_cmp(&one.0).then_with(longer)
        });
        Ok(merges.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect())
    }

    /// Adds the beginning- and end-of-sequence tokens where the file, or the kind of tokenizer, asks for it.
    fn post_processor(&self, vocabulary: &Vocabulary, add_bos_by_default: bool) -> Result<Value, Error> {
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut tokens = Map::new();
        let asked = [
            (self.flag(ADD_BOS, add_bos_by_default)?, BOS, &mut before),
            (self.flag(ADD_EOS, false)?, EOS, &mut after),
        ];
        for (asked, key, pieces) in asked {
            if asked {
                let id = self.token_id(key, vocabulary)?.ok_or_else(|| missing(key))?;
                let token = &vocabulary.tokens[id as usize];
                pieces.push(json!({ "SpecialToken": { "id": token, "type_id": 0 } }));
                tokens.insert(token.clone(), json!({ "id": token, "ids": [id], "tokens": [token] }));
            }
        }
        Ok(template_processing(&before, &after, &tokens))
    }
}

/// A post-processor that puts tokens before and after a text.
pub(crate) fn template_processing(before: &[Value], after: &[Value], tokens: &Map<String, Value>) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let sequence = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let around = |id: &str| [before, &[sequence(id)], after].concat();
    let (single, pair) = (around("A"), [around("A"), around("B")].concat());
    json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens })
}

fn refuse_duplicates<'a>(tokens: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for (id, token) in tokens.enumerate() {
        if let Some(earlier) = ids.insert(token, id) {
            let problem = format!("gives the tokens {earlier} and {id} the same text {token:?}");
            return Err(Error::Metadata { key: TOKENS, problem });
        }
    }
    Ok(())
}

fn missing(key: &'static str) -> Error {
    Error::Metadata { key, problem: "is missing".to_owned() }
}

fn wrong_type(key: &'static str, expected: &str, found: &gguf::Value) -> Error {
    Error::Metadata { key, problem: format!("should be {expected}, but is of type {}", found.type_name()) }
}
