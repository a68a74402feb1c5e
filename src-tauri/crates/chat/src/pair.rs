//! A preference pair as token ids, as TRL 1.16 makes them (`DPOTrainer._prepare_dataset` in `dpo_trainer.py`).

use std::collections::BTreeSet;

use prefs::{Content, Conversation, Pair};

use crate::{Error, Tokenizer};

/// A pair as token ids. The sequences that the model sees are `prompt + chosen` and `prompt + rejected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPair {
    /// What both sequences begin with; no token of it is trained on.
    pub prompt: Vec<u32>,
    /// The rest of the sequence with the chosen answer.
    pub chosen: Vec<u32>,
    /// The rest of the sequence with the rejected answer.
    pub rejected: Vec<u32>,
    /// Whether the prompt's first token is the beginning-of-sequence token, which the tokenizer or the chat template puts there.
    pub begins_with_bos: bool,
    /// Whether the prompt as the model sees it when it generates is the prompt that it is trained on.
    pub boundary: Boundary,
}

/// What became of the prompt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boundary {
    /// Prompt and answer join where they should.
    Clean,
    /// The prompt alone ends in tokens that the prompt followed by an answer does not have: the chat template renders it
    /// differently, or tokens merge across the boundary. These are left out of the training sequences, so that the
    /// model is trained on another context than it sees when it generates.
    Broken {
        /// The text of the prompt's end that is lost.
        dropped_text: String,
    },
}

/// Encodes a pair. With messages the prompt is rendered with the generation prompt, and the answers after it without;
/// with text, an answer that does not end with the end-of-sequence token is given it. The prompt is the longest common
/// beginning, in ids, of the prompt alone and of both whole sequences.
///
/// # Errors
/// When the model has no chat template or end-of-sequence token where one is needed, or when either refuses the text.
pub fn encode_pair(tokenizer: &Tokenizer, pair: &Pair) -> Result<EncodedPair, Error> {
    let (prompt, chosen, rejected) = match (&pair.prompt, &pair.chosen, &pair.rejected) {
        (Content::Messages(prompt), Content::Messages(chosen), Content::Messages(rejected)) => (
            encode_conversation(tokenizer, prompt, true)?,
            encode_conversation(tokenizer, &answered(prompt, chosen), false)?,
            encode_conversation(tokenizer, &answered(prompt, rejected), false)?,
        ),
        (Content::Text(prompt), Content::Text(chosen), Content::Text(rejected)) => {
            let eos = tokenizer.eos_token().ok_or(Error::NoEos)?;
            let whole = |answer: &str| {
                let end = if answer.ends_with(eos) { "" } else { eos };
                tokenizer.encode(&format!("{prompt}{answer}{end}"))
            };
            (tokenizer.encode(prompt)?, whole(chosen)?, whole(rejected)?)
        }
        _ => return Err(Error::MixedPair),
    };
    let length = common_prefix(&prompt, &chosen).min(common_prefix(&prompt, &rejected));
    let boundary = if length == prompt.len() {
        Boundary::Clean
    } else {
        Boundary::Broken { dropped_text: tokenizer.decode(&prompt[length..], false)? }
    };
    let bos = tokenizer.bos_token().and_then(|token| tokenizer.id_of(token));
    Ok(EncodedPair {
        begins_with_bos: length > 0 && bos == Some(chosen[0]),
        chosen: chosen[length..].to_vec(),
        rejected: rejected[length..].to_vec(),
        prompt: chosen[..length].to_vec(),
        boundary,
    })
}

/// Encodes a prompt for generation: messages with the generation prompt, text as it is.
///
/// # Errors
/// As [`encode_pair`].
pub fn encode_prompt(tokenizer: &Tokenizer, prompt: &Content) -> Result<Vec<u32>, Error> {
    match prompt {
        Content::Messages(conversation) => encode_conversation(tokenizer, conversation, true),
        Content::Text(text) => tokenizer.encode(text),
    }
}

fn encode_conversation(tokenizer: &Tokenizer, said: &Conversation, generate: bool) -> Result<Vec<u32>, Error> {
    tokenizer.encode_rendered(&tokenizer.render_conversation(said, generate)?)
}

/// The names of what the pair gives the chat template and the template does not read, see [`Tokenizer::unread`].
pub(crate) fn unread(tokenizer: &Tokenizer, pair: &Pair) -> BTreeSet<String> {
    let (Content::Messages(prompt), Content::Messages(chosen), Content::Messages(rejected)) =
        (&pair.prompt, &pair.chosen, &pair.rejected)
    else {
        return BTreeSet::new();
    };
    if [prompt, chosen, rejected].iter().all(|said| said.is_plain()) {
        return BTreeSet::new();
    }
    let mut names = tokenizer.unread(&answered(prompt, chosen));
    names.extend(tokenizer.unread(&answered(prompt, rejected)));
    names
}

/// The conversation of a prompt and its answer, with the prompt's tools and arguments of the template.
fn answered(prompt: &Conversation, answer: &Conversation) -> Conversation {
    Conversation { messages: [prompt.messages.as_slice(), &answer.messages].concat(), ..prompt.clone() }
}

/// Number of leading ids that two sequences have in common (TRL's `common_prefix_length`).
fn common_prefix(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}
