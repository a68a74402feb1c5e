//! A pair as the model sees it.

use super::types::Rendered;
use crate::error::Result;
use chat::{Boundary, EncodedPair, Tokenizer, encode_pair};
use prefs::{Content, Pair};

/// Through chat template and tokenizer and back to text, so that what is shown is what is trained on.
pub(crate) fn pair(tokenizer: &Tokenizer, prompt: &Content, first: &Content, second: &Content) -> Result<Rendered> {
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
