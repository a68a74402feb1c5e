//! A pair as the model sees it.

use super::types::{PreviewRow, Rendered};
use crate::error::Result;
use chat::{Boundary, EncodedPair, Tokenizer, encode_pair};
use prefs::mapping::{MappedContent, MappedRow};
use prefs::{Content, Pair};

/// Through chat template and tokenizer and back to text, so that what is shown is what is trained on.
pub(super) fn pair(tokenizer: &Tokenizer, prompt: &Content, first: &Content, second: &Content) -> Result<Rendered> {
    let pair = Pair { prompt: prompt.clone(), chosen: first.clone(), rejected: second.clone(), category: None };
    let through_template = pair.is_conversational();
    let EncodedPair { prompt, chosen, rejected, boundary, .. } = encode_pair(tokenizer, &pair)?;
    Ok(Rendered {
        through_template,
        prompt_tokens: prompt.len(),
        first_tokens: chosen.len(),
        second_tokens: rejected.len(),
        prompt: tokenizer.decode(&prompt, false)?,
        first: tokenizer.decode(&chosen, false)?,
        second: tokenizer.decode(&rejected, false)?,
        boundary_broken: match boundary {
            Boundary::Clean => None,
            Boundary::Broken { dropped_text } => Some(dropped_text),
        },
    })
}

/// As the model sees it, or why it cannot.
pub(super) fn as_seen(
    tokenizer: &Tokenizer,
    prompt: &Content,
    first: &Content,
    second: &Content,
) -> (Option<Rendered>, Option<String>) {
    match pair(tokenizer, prompt, first, second) {
        Ok(rendered) => (Some(rendered), None),
        Err(error) => (None, Some(error.message)),
    }
}

/// A row as it would be taken over, as the model sees it where there is one.
pub(crate) fn row(row: &MappedRow, tokenizer: Option<&Tokenizer>) -> PreviewRow {
    let MappedRow { place, content, .. } = row;
    let (first, second) = (content.first(), content.second());
    let (rendered, unrendered) = match (tokenizer, first, second) {
        (Some(tokenizer), Some(first), second) => as_seen(tokenizer, content.prompt(), first, second.unwrap_or(first)),
        _ => (None, None),
    };
    let label = match content {
        MappedContent::Single(single) => single.label,
        _ => None,
    };
    PreviewRow {
        place: *place,
        prompt: content.prompt().clone(),
        first: first.cloned(),
        second: second.cloned(),
        label,
        category: content.category().map(str::to_owned),
        rendered,
        unrendered,
    }
}
