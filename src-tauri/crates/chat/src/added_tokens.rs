//! Tokens that a folder names beside its `tokenizer.json`, added as `transformers` 5.24 adds them
//! (`PreTrainedTokenizerBase._from_pretrained` and `TokenizersBackend.__init__`).
//!
//! A configuration with `added_tokens_decoder` knows all added tokens. Without one, `special_tokens_map.json` and
//! `added_tokens.json` of older versions are read besides. Then come named tokens (`bos_token` and the like), and those of
//! `additional_special_tokens` or, as newer files have it, `extra_special_tokens`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

type Object = Map<String, Value>;

/// The files of a folder that name tokens.
pub(crate) struct Files<'a> {
    /// `tokenizer_config.json`.
    pub(crate) config: &'a Object,
    /// `special_tokens_map.json`.
    pub(crate) map: &'a Object,
    /// `added_tokens.json`: an id for each text.
    pub(crate) added: &'a Object,
}

/// The attributes that name a token each.
pub(crate) const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

const DECODER: &str = "added_tokens_decoder";
const ADDITIONAL: &str = "additional_special_tokens";
const EXTRA: &str = "extra_special_tokens";

/// A token in a configuration: its text, or an object with the text as `content`.
pub(crate) fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

impl<'a> Files<'a> {
    /// Whether the configuration knows all added tokens, so that older files are not read.
    fn is_complete(&self) -> bool {
        self.config.get(DECODER).is_some_and(Value::is_object)
    }

    /// The value of a named token.
    pub(crate) fn named(&self, name: &str) -> Option<&'a Value> {
        let (own, older) = (self.config.get(name), self.map.get(name));
        // Where the configuration knows all, a null there says that there is none.
        if self.is_complete() { own.or(older) } else { older.or(own) }
    }

    /// Tokens that the model names by names of its own, which templates see like the others.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let is_name = |name: &str| name.ends_with("_token") && !NAMES.contains(&name);
        let beside = self.config.iter().filter(move |(name, value)| is_name(name) && token_text(value).is_some());
        let inside = self.config.get(EXTRA).and_then(Value::as_object).into_iter().flatten();
        beside.chain(inside).map(|(name, value)| (name.as_str(), value))
    }

    /// The special tokens that have no name.
    fn unnamed(&self) -> Vec<&'a Value> {
        let list = |object: &'a Object, key: &str| object.get(key).and_then(Value::as_array);
        let is_set = |key: &str| list(self.config, key).is_some_and(|list| !list.is_empty());
        let own = if is_set(EXTRA) { list(self.config, EXTRA) } else { list(self.config, ADDITIONAL) };
        let mut all: Vec<&Value> = own.into_iter().flatten().collect();
        if !self.is_complete() {
            let newer = list(self.map, EXTRA);
            if own.is_none() && newer.is_none() && !self.config.get(EXTRA).is_some_and(Value::is_array) {
                all.extend(list(self.map, ADDITIONAL).into_iter().flatten());
            }
            all.extend(newer.into_iter().flatten());
        }
        all
    }

    /// The tokens with an id: of the configuration, else of `added_tokens.json`.
    fn with_ids(&self) -> Result<BTreeMap<u32, AddedToken>, String> {
        let mut by_id = BTreeMap::new();
        if let Some(Value::Object(added)) = self.config.get(DECODER) {
            for (id, token) in added {
                let read = id.parse::<u32>().ok().zip(added_token(token, false));
                let (id, token) = read.ok_or_else(|| format!("{DECODER} has the damaged entry {id}"))?;
                by_id.insert(id, token);
            }
            return Ok(by_id);
        }
        let special = |text: &str| {
            let is = |value: &Value| token_text(value) == Some(text);
            let own = [EXTRA, ADDITIONAL].into_iter().find_map(|key| self.config.get(key)?.as_array());
            NAMES.iter().any(|name| self.named(name).is_some_and(is)) || own.into_iter().flatten().any(is)
        };
        for (text, id) in self.added {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| format!("added_tokens.json has the damaged entry {text:?}"))?;
            let special = special(text);
            by_id.insert(id, AddedToken::from(text.clone(), special).normalized(!special));
        }
        Ok(by_id)
    }

    /// Adds the tokens that `tokenizer.json` has not. What it says is worth telling: texts that a file names as tokens and
    /// that are none, as in `transformers`.
    ///
    /// # Errors
    /// When an entry is damaged, or a token cannot have the id that it is to have.
    pub(crate) fn add_to(&self, inner: &mut tokenizers::Tokenizer) -> Result<Vec<String>, String> {
        let known = inner.get_added_tokens_decoder();
        // An older file says nothing of a token's flags, a newer one has the last word.
        let same = |known: &AddedToken, token: &AddedToken| {
            if self.is_complete() { known == token } else { known.content == token.content }
        };
        let with_ids = self.with_ids()?;
        let is_new = |(id, token): &(&u32, &AddedToken)| !known.get(id).is_some_and(|known| same(known, token));
        let mut new: Vec<AddedToken> = with_ids.iter().filter(is_new).map(|(_, token)| token.clone()).collect();
        let named = NAMES.iter().filter_map(|name| self.named(name)).chain(self.own_names().map(|(_, value)| value));
        let named = named.filter_map(|value| added_token(value, true)).map(|token| token.special(true));
        let mut contents: BTreeSet<String> =
            known.values().chain(with_ids.values()).map(|token| token.content.clone()).collect();
        for token in named.chain(self.unnamed().into_iter().filter_map(|value| added_token(value, true))) {
            if contents.insert(token.content.clone()) {
                new.push(token);
            }
        }
        inner.add_tokens(new).map_err(|error| error.to_string())?;
        for (id, AddedToken { content, .. }) in with_ids {
            if inner.token_to_id(&content) != Some(id) {
                let place = if self.is_complete() { DECODER } else { "added_tokens.json" };
                return Err(format!(
                    "the token {content:?} should have the id {id}, as {place} says, which tokenizer.json does not allow"
                ));
            }
        }
        Ok(self.left_out(inner).into_iter().collect())
    }

    /// A sentence about texts that a file names as tokens and that are none.
    fn left_out(&self, inner: &tokenizers::Tokenizer) -> Option<String> {
        let lists = [(self.config, ADDITIONAL), (self.map, ADDITIONAL), (self.map, EXTRA)];
        let listed = lists.into_iter().filter_map(|(object, key)| object.get(key)?.as_array()).flatten();
        let texts = self.added.keys().map(String::as_str).chain(listed.filter_map(token_text));
        let mut unknown: Vec<&str> = texts.filter(|text| inner.token_to_id(text).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let count = unknown.len();
        let (first, verb) = (unknown.first()?, if count == 1 { "is" } else { "are" });
        let other = if self.is_complete() { "added_tokens_decoder of tokenizer_config.json" } else { EXTRA };
        Some(format!(
            "{count} of the tokens that added_tokens.json, special_tokens_map.json or {ADDITIONAL} name {verb} not among \
             those of {other}, which alone counts, as in transformers: {first:?} is cut into pieces"
        ))
    }
}

/// A token as a configuration spells it. A text alone is a special token where `special` says so; an object says it itself.
fn added_token(value: &Value, special: bool) -> Option<AddedToken> {
    let text = token_text(value)?;
    let flag = |name: &str, default: bool| value.get(name).and_then(Value::as_bool).unwrap_or(default);
    // What transformers writes as one of its objects is special only where it says so.
    let special = flag("special", special && value.get("__type").is_none());
    let token = AddedToken::from(text, special)
        .single_word(flag("single_word", false))
        .lstrip(flag("lstrip", false))
        .rstrip(flag("rstrip", false))
        .normalized(flag("normalized", !special));
    Some(token)
}
