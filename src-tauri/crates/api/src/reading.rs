//! Files of the user's on their way in: how each was read, what of it was left out, and what passes by the chat template.

use crate::context::Context;
use crate::error::{Error, Result};
use chat::{Rendered, Tokenizer};
use prefs::mapping::PlainText;
use prefs::prompts::{self, Prompt};
use prefs::reader::{self, Choices, Read};
use prefs::{Content, Pair, Place, Refused, jsonl};
use std::path::Path;
use train::data::Input;

/// What a file of pairs holds.
pub(crate) struct PairFile {
    /// Where each pair stands.
    pub(crate) places: Vec<Place>,
    pub(crate) pairs: Vec<Pair>,
    /// Rows that are no pair.
    pub(crate) refused: Vec<Refused>,
}

impl PairFile {
    /// The pairs for encoding.
    pub(crate) fn input<'a>(&'a self, path: &'a Path) -> Input<'a> {
        Input { path, pairs: &self.pairs, places: Some(&self.places), refused: self.refused.len() }
    }
}

/// Reads a file of pairs as its columns and the `choices` say, and tells how; without choices it is one that this program
/// wrote, and is read as it stands. Refused rows are given back, not told. Each pair has its place.
///
/// # Errors
/// When the file cannot be read, or none of its rows can be taken.
pub(crate) fn pairs_of(path: &Path, choices: Option<&Choices>, context: &mut Context) -> Result<PairFile> {
    let Some(choices) = choices else {
        let mut reading = jsonl::read_pairs(path)?;
        let refused = std::mem::take(&mut reading.refused);
        let places = reading.pairs.iter().map(|pair| pair.place).collect();
        return Ok(PairFile { places, pairs: reading.into_pairs(), refused });
    };
    let mut read = reader::read_pairs(path, choices)?;
    tell(path, &read, context)?;
    let refused = std::mem::take(&mut read.mapped.refused);
    let places = read.pairs().map(|(place, _)| place).collect();
    Ok(PairFile { places, pairs: read.into_pairs(), refused })
}

/// As [`pairs_of`], for prompts; refused rows and prompts that pass by the chat template are told.
///
/// # Errors
/// As [`pairs_of`].
pub(crate) fn prompts_of(
    path: &Path,
    choices: Option<&Choices>,
    tokenizer: Option<&Tokenizer>,
    context: &mut Context,
) -> Result<Vec<Prompt>> {
    let (prompts, refused, repeated) = if let Some(choices) = choices {
        let mut read = reader::read_prompts(path, choices)?;
        tell(path, &read, context)?;
        let refused = std::mem::take(&mut read.mapped.refused);
        let placed: Vec<_> = read.prompts().map(|(place, prompt)| (place, &prompt.prompt)).collect();
        let repeated = prompts::repeated(&placed);
        (read.into_prompts(), refused, repeated)
    } else {
        let mut reading = prompts::read_prompts(path)?;
        let refused = std::mem::take(&mut reading.refused);
        let placed: Vec<_> = reading.prompts.iter().map(|numbered| (numbered.place, &numbered.prompt.prompt)).collect();
        let repeated = prompts::repeated(&placed);
        (reading.into_prompts(), refused, repeated)
    };
    tell_refused(path, &refused, context);
    if let Some(sentence) = repeated {
        context.note(format!("{}: {sentence}", path.display()));
    }
    // Where no model is asked, nothing is said of tokens.
    let Some(tokenizer) = tokenizer else { return Ok(prompts) };
    let texts: Vec<&str> = prompts.iter().filter_map(|prompt| prompt.prompt.as_text()).collect();
    let rendered = Rendered::of(tokenizer, &texts);
    let twice = |text: &&&str| tokenizer.encode(text).is_ok_and(|ids| chat::begins_twice(tokenizer, &ids));
    let twice = texts.iter().filter(twice).count();
    if let (Some(bos), 1..) = (tokenizer.bos_token(), twice) {
        context.note(format!("{}: {twice} prompts begin with `{bos}` twice: take it out of the text", path.display()));
    }
    tell_plain_text(path, texts.len(), &rendered, "prompts", tokenizer, context);
    Ok(prompts)
}

/// Tells how a file was read and what of it was left out.
///
/// # Errors
/// When none of its rows could be taken.
pub(crate) fn tell(path: &Path, read: &Read, context: &mut Context) -> Result<()> {
    refuse_nothing(path, read)?;
    context.note(format!("{} was read as {}", path.display(), read.how));
    for notice in &read.notices {
        context.note(format!("{}: {notice}", path.display()));
    }
    Ok(())
}

/// Tells of each row that was refused.
pub(crate) fn tell_refused(path: &Path, refused: &[Refused], context: &mut Context) {
    for Refused { place, reason } in refused {
        context.note(format!("{}, {place}: {reason}", path.display()));
    }
}

/// Tells of plain text that does not pass through the chat template, where the model has one.
pub(crate) fn tell_plain_text(
    path: &Path,
    count: usize,
    rendered: &Rendered,
    what: &str,
    tokenizer: &Tokenizer,
    context: &mut Context,
) {
    if count > 0 && tokenizer.has_template() {
        let sentence = rendered.plain_text(count, what, "say --map plain_text=as_user_message");
        context.note(format!("{}: {sentence}", path.display()));
    }
}

/// The plain prompts that hold special tokens, and how a window gives plain prompts to the model unless the user says
/// otherwise: text that was rendered already stands as it is.
pub(crate) fn preset<'a>(
    prompts: impl IntoIterator<Item = &'a Content>,
    tokenizer: Option<&Tokenizer>,
) -> (Rendered, PlainText) {
    let Some(tokenizer) = tokenizer else { return (Rendered::default(), PlainText::AsUserMessage) };
    let texts: Vec<&str> = prompts.into_iter().filter_map(Content::as_text).collect();
    let rendered = Rendered::of(tokenizer, &texts);
    let as_is = !tokenizer.has_template() || rendered.count * 2 > texts.len();
    (rendered, if as_is { PlainText::AsIs } else { PlainText::AsUserMessage })
}

/// Refuses a file of which every row was refused.
///
/// # Errors
/// When that is so.
pub(crate) fn refuse_nothing(path: &Path, read: &Read) -> Result<()> {
    let (rows, refused) = (&read.mapped.rows, &read.mapped.refused);
    match refused.first().filter(|_| rows.is_empty()) {
        None => Ok(()),
        Some(first) => Err(Error::new(
            "nothing_read",
            format!(
                "{}: no row could be taken, {} were refused; {}: {}",
                path.display(),
                refused.len(),
                first.place,
                first.reason
            ),
            "Correct the file, or say which column is what by --map KEY=COLUMN.",
        )),
    }
}
