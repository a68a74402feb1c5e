//! A model's tokenizer with its chat template.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use aho_corasick::{AhoCorasick, MatchKind};
use prefs::{Conversation, Message};

use crate::Error;
use crate::template::ChatTemplate;

/// Turns text and conversations into token ids and back, as one model expects them.
pub struct Tokenizer {
    pub(crate) inner: tokenizers::Tokenizer,
    /// The compiled template, none, or why it cannot be used: text goes through all the same.
    template: Result<Option<ChatTemplate>, String>,
    template_source: Option<String>,
    /// Finds special tokens that are written out in a text.
    written: Option<AhoCorasick>,
    pub(crate) special_tokens: BTreeMap<String, String>,
    stop_ids: Vec<u32>,
    /// Rows of the model's embedding, where its files say.
    rows: Option<u32>,
    notes: Vec<String>,
}

/// What a tokenizer is made of.
pub(crate) struct Parts {
    pub(crate) inner: tokenizers::Tokenizer,
    /// The source of the chat template, none, or why none can be chosen.
    pub(crate) template: Result<Option<String>, String>,
    /// `bos_token`, `eos_token` and the like, as the template sees them.
    pub(crate) special_tokens: BTreeMap<String, String>,
    /// Ids after which the model has finished.
    pub(crate) stop_ids: BTreeSet<u32>,
    /// Rows of the model's embedding, where its files say.
    pub(crate) rows: Option<u32>,
    /// What the user should know of the files.
    pub(crate) notes: Vec<String>,
}

impl Tokenizer {
    /// Opens the tokenizer of a model: a Hugging Face folder, or a GGUF file.
    ///
    /// # Errors
    /// When the files are missing, damaged, or describe a tokenizer that is not supported.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            Self::from_dir(path)
        } else {
            Self::from_gguf(&gguf::read_header(path)?).map_err(Error::in_file(path))
        }
    }

    pub(crate) fn assemble(parts: Parts) -> Self {
        let Parts { inner, template, special_tokens, mut stop_ids, rows, mut notes } = parts;
        notes.extend(beyond_the_embedding(&inner, rows));
        let template_source = template.as_ref().ok().cloned().flatten();
        let template = template.and_then(|source| source.map(|source| ChatTemplate::new(&source)).transpose());
        let eos = special_tokens.get("eos_token").and_then(|token| inner.token_to_id(token));
        stop_ids.extend(eos);
        let written = special_tokens_of(&inner);
        let stop = Vec::new();
        let mut this = Self { inner, template, template_source, written, special_tokens, stop_ids: stop, rows, notes };
        stop_ids.extend(this.end_of_turn());
        this.stop_ids = stop_ids.into_iter().collect();
        this
    }

    /// The ids of a text. Special tokens written out in the text are recognised, and those that the model wants around
    /// every text are added, as in `tokenizer(text)` of `transformers`.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(text, true)
    }

    /// The ids of a rendered conversation, to which nothing is added: the template has written all special tokens
    /// (`apply_chat_template(tokenize=True)` of `transformers`).
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(text, false)
    }

    fn ids(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, Error> {
        // A normaliser of a damaged tokenizer.json may run out of bounds in the library.
        let encode = std::panic::AssertUnwindSafe(|| self.inner.encode_fast(text, add_special_tokens));
        let encoding = std::panic::catch_unwind(encode)
            .unwrap_or_else(|_| Err("its normaliser fails on this text".into()))
            .map_err(Error::tokenizer)?;
        let ids = encoding.get_ids().to_vec();
        match self.rows.and_then(|rows| Some((rows, *ids.iter().find(|&&id| id >= rows)?))) {
            None => Ok(ids),
            Some((rows, id)) => {
                let token = self.inner.id_to_token(id).unwrap_or_default();
                Err(Error::BeyondEmbedding { token, id, tokens: self.vocab_size(), rows })
            }
        }
    }

    /// What the user should know of the tokenizer's files, in sentences without a full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The text of ids, with or without the special tokens among them. Bytes that are no text become U+FFFD, and ids
    /// outside the vocabulary nothing.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, Error> {
        self.inner.decode(ids, skip_special).map_err(Error::tokenizer)
    }

    /// Number of tokens, added ones included. A model may have more rows than this in its embedding.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The end-of-sequence token, where the tokenizer names one.
    pub fn eos_token(&self) -> Option<&str> {
        self.special_tokens.get("eos_token").map(String::as_str)
    }

    /// The beginning-of-sequence token, where the tokenizer names one.
    pub fn bos_token(&self) -> Option<&str> {
        self.special_tokens.get("bos_token").map(String::as_str)
    }

    /// The id of a token.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The special tokens that are written out in a text: it is not read as it looks.
    pub fn special_tokens_in(&self, text: &str) -> BTreeSet<String> {
        let found = self.written.iter().flat_map(|written| written.find_iter(text));
        found.map(|found| text[found.range()].to_owned()).collect()
    }

    /// The ids at which generation ends, in rising order: those of the tokenizer and of the model's configuration, and
    /// the token with which the chat template ends a turn.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// Whether the model has a chat template, and so can read messages.
    pub fn has_template(&self) -> bool {
        !matches!(self.template, Ok(None))
    }

    /// The chat template as the model has it, where there is one.
    pub(crate) fn template_source(&self) -> Option<&str> {
        self.template_source.as_deref()
    }

    /// Whether a beginning-of-sequence token is put before every text that is no rendered conversation.
    pub fn adds_bos(&self) -> bool {
        let bos = self.bos_token().and_then(|token| self.id_of(token));
        bos.is_some() && self.encode("").is_ok_and(|ids| ids.first().copied() == bos)
    }

    /// The texts of the tokens at which generation ends.
    pub fn stop_tokens(&self) -> Vec<String> {
        self.stop_ids.iter().filter_map(|&id| self.inner.id_to_token(id)).collect()
    }

    /// Whether the chat template asks for the date, so that the same conversation has other ids tomorrow unless
    /// [`Tokenizer::set_time`] is called.
    pub fn reads_clock(&self) -> bool {
        matches!(&self.template, Ok(Some(template)) if template.reads_clock())
    }

    /// Sets the time that the chat template sees in place of the time at which the tokenizer was opened.
    pub fn set_time(&mut self, time: SystemTime) {
        if let Ok(Some(template)) = &mut self.template {
            template.set_time(time);
        }
    }

    /// Renders messages to text, with the beginning of an answer after them if `add_generation_prompt` is set and the
    /// template knows of that.
    ///
    /// # Errors
    /// As [`Tokenizer::render_conversation`].
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, Error> {
        self.render_conversation(&messages.to_vec().into(), add_generation_prompt)
    }

    /// As [`Tokenizer::render`], with the conversation's tools and arguments of the template. Parts of a message that are
    /// all text are joined where the template knows no parts.
    ///
    /// # Errors
    /// When there is no template or no message, the template refuses the conversation, or it needs what is not
    /// supported.
    pub fn render_conversation(&self, said: &Conversation, add_generation_prompt: bool) -> Result<String, Error> {
        match &self.template {
            Ok(Some(template)) => template.render(said, add_generation_prompt, &self.special_tokens),
            Ok(None) => Err(Error::NoTemplate),
            Err(why) => Err(Error::Template(why.clone())),
        }
    }

    /// Of what a pair gives the chat template beyond roles and texts (fields of its messages, tools, arguments), the names
    /// that this template does not read: what they say is not in the ids, as it is not with `transformers`.
    pub fn unread(&self, said: &Conversation) -> BTreeSet<String> {
        let mut unread = BTreeSet::new();
        if said.is_plain() {
            return unread;
        }
        // Some arguments are for the beginning of an answer alone.
        let whole = [false, true].map(|generate| self.render_conversation(said, generate));
        let mut try_without = |name: &str, without: Conversation| {
            let same =
                |generate: bool| match (&whole[usize::from(generate)], self.render_conversation(&without, generate)) {
                    (Ok(with), Ok(without)) => *with == without,
                    // A template may insist on what is taken away here; then it reads it.
                    (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
                    (Err(_), Err(_)) => true,
                };
            if same(false) && same(true) {
                unread.insert(name.to_owned());
            }
        };
        if !said.tools.is_empty() {
            try_without("tools", Conversation { tools: Vec::new(), ..said.clone() });
        }
        for name in said.chat_template_kwargs.keys() {
            let mut without = said.clone();
            without.chat_template_kwargs.shift_remove(name);
            try_without(&format!("chat_template_kwargs.{name}"), without);
        }
        // A field that says nothing changes nothing, whether the template reads it or not.
        let said_by = |message: &'_ Message| message.saying().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let fields: BTreeSet<String> = said.messages.iter().flat_map(said_by).collect();
        for name in fields {
            let mut without = said.clone();
            without.messages.iter_mut().for_each(|message| drop(message.fields.shift_remove(&name)));
            try_without(&name, without);
        }
        unread
    }

    /// The special token that the template writes right after an answer.
    fn end_of_turn(&self) -> Option<u32> {
        const ANSWER: &str = "marked answer";
        let conversation = [Message::new("user", "question"), Message::new("assistant", ANSWER)];
        let rendered = self.render(&conversation, false).ok()?;
        let (_, rest) = rendered.rsplit_once(ANSWER)?;
        let added = self.inner.get_added_tokens_decoder();
        for id in self.encode_rendered(rest.trim_start()).ok()? {
            if added.get(&id).is_some_and(|token| token.special) {
                return Some(id);
            }
            // SentencePiece may put a space before a text.
            if !self.decode(&[id], false).ok()?.trim().is_empty() {
                return None;
            }
        }
        None
    }
}

/// What finds special tokens in a text, where there are any and the tokenizer does not read them as other text.
fn special_tokens_of(inner: &tokenizers::Tokenizer) -> Option<AhoCorasick> {
    if inner.get_encode_special_tokens() {
        return None;
    }
    let added = inner.get_added_tokens_decoder();
    let texts = added.values().filter(|token| token.special && !token.content.is_empty()).map(|token| &token.content);
    let texts: Vec<&String> = texts.collect();
    // Only thousands of very long tokens are too many.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&texts).ok().filter(|_| !texts.is_empty())
}

/// A sentence about tokens that have no row in the model's embedding.
fn beyond_the_embedding(inner: &tokenizers::Tokenizer, rows: Option<u32>) -> Option<String> {
    let rows = rows?;
    let last_added = inner.get_added_tokens_decoder().keys().copied().max();
    if inner.get_vocab_size(true) <= rows as usize && last_added.is_none_or(|last| last < rows) {
        return None;
    }
    let mut beyond: Vec<(u32, String)> =
        inner.get_vocab(true).into_iter().filter(|(_, id)| *id >= rows).map(|(token, id)| (id, token)).collect();
    beyond.sort_unstable();
    let (id, token) = beyond.first()?;
    Some(format!(
        "the tokenizer has more tokens than the model's embedding has rows ({rows}): {} of them, {token:?} ({id}) the first, \
         cannot be computed with, and a text that holds one is refused",
        beyond.len()
    ))
}
