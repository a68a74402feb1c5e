//! Pairs as tools for labelling show them: a prompt and two answers side by side, as texts, with what only this program reads
//! beside them, so that the pair itself comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Content;
use crate::store::{ExportedPair, PairJudgement, PairVerdict};

/// Under this name a record holds, as JSON in a text, what [`Kept`] is.
pub(crate) const KEPT: &str = "tiebreak";

/// A pair as it is shown.
pub(crate) struct SideBySide {
    pub(crate) prompt: String,
    /// As they stand side by side.
    pub(crate) answers: [String; 2],
    /// Which of the two is the chosen one. It is drawn from the pair's number, so that neither side tells.
    pub(crate) chosen: usize,
}

/// What stands beside the texts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// [`digest`] of the texts.
    texts: String,
    /// Which of the two answers is the chosen one, from 0.
    pub(crate) chosen: usize,
    /// Prompt and answers in their order, where they are messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<[Content; 3]>,
}

impl SideBySide {
    pub(crate) fn of(exported: &ExportedPair) -> Self {
        let pair = &exported.sourced.pair;
        let chosen = usize::from(Sha256::digest(exported.sourced.id.to_le_bytes())[0] & 1);
        let mut answers = [shown(&pair.chosen), shown(&pair.rejected)];
        answers.rotate_right(chosen);
        Self { prompt: shown(&pair.prompt), answers, chosen }
    }

    /// What this program reads when the record comes back, as JSON.
    pub(crate) fn kept(&self, exported: &ExportedPair) -> serde_json::Result<String> {
        let pair = &exported.sourced.pair;
        let conversation = pair.is_conversational().then(|| {
            let mut answers = [&pair.chosen, &pair.rejected];
            answers.rotate_right(self.chosen);
            [&pair.prompt, answers[0], answers[1]].map(Clone::clone)
        });
        let texts = digest([&self.prompt, &self.answers[0], &self.answers[1]]);
        serde_json::to_string(&Kept { texts, chosen: self.chosen, conversation })
    }

    /// The place of the answer that an annotator found better.
    pub(crate) fn better(&self, verdict: PairVerdict) -> Option<usize> {
        match verdict {
            PairVerdict::ChosenMuch | PairVerdict::Chosen => Some(self.chosen),
            PairVerdict::RejectedMuch | PairVerdict::Rejected => Some(1 - self.chosen),
            PairVerdict::TieGood | PairVerdict::TieBad | PairVerdict::Skip => None,
        }
    }
}

impl Kept {
    /// What a record holds of it.
    ///
    /// # Errors
    /// When that is no such text, or is not of the three texts beside it.
    pub(crate) fn of(text: &str, texts: [&str; 3]) -> Result<Self, String> {
        let kept: Self = serde_json::from_str(text)
            .map_err(|error| format!("`{KEPT}` holds something else than this program writes there: {error}"))?;
        if kept.chosen > 1 {
            return Err(format!("`{KEPT}` names an answer {}, of two that are counted from 0", kept.chosen));
        }
        if kept.texts != digest(texts) {
            return Err(format!(
                "the texts are not those that this program wrote, and what it wrote of them in `{KEPT}` may be wrong now; \
                 take `{KEPT}` out of the record to read it as it stands"
            ));
        }
        Ok(kept)
    }
}

/// SHA-256 (hexadecimal) of the texts of a record, each with its length.
fn digest(texts: [&str; 3]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    format!("{:x}", hasher.finalize())
}

/// A content for a person to read. One message that is all there is needs no name.
fn shown(content: &Content) -> String {
    let Content::Messages(said) = content else { return content.last_text() };
    let is_beside = !said.tools.is_empty() || !said.chat_template_kwargs.is_empty();
    if let ([only], false) = (said.messages.as_slice(), is_beside) {
        return only.shown().into_owned();
    }
    let mut blocks: Vec<String> = Vec::new();
    let mut beside = |name: &str, text: String| blocks.push(format!("[{name}]\n{text}"));
    if !said.tools.is_empty() {
        beside("tools", serde_json::to_string_pretty(&said.tools).unwrap_or_default());
    }
    if !said.chat_template_kwargs.is_empty() {
        beside("chat_template_kwargs", serde_json::to_string_pretty(&said.chat_template_kwargs).unwrap_or_default());
    }
    said.messages.iter().for_each(|message| beside(&message.role, message.shown().into_owned()));
    blocks.join("\n\n")
}

/// The last word of each annotator about a pair: the vote that counts or, where there is none, that it was skipped. In the
/// order of coming in. Of a pair that was decided it is the newest decision alone, which counts instead of the votes.
pub(crate) fn last_words(exported: &ExportedPair) -> Vec<&PairJudgement> {
    let judgements = &exported.judgements;
    if let Some(decision) = judgements.iter().rfind(|judgement| judgement.decides && !judgement.undone) {
        return vec![decision];
    }
    let is_skip = |judgement: &PairJudgement| {
        judgement.verdict == PairVerdict::Skip && !judgement.undone && !judgement.second_pass
    };
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, judgement) in judgements.iter().enumerate() {
        let has_vote = last.get(judgement.annotator.as_str()).is_some_and(|known| judgements[*known].counts);
        if judgement.counts || is_skip(judgement) && !has_vote {
            last.insert(&judgement.annotator, at);
        }
    }
    let mut places: Vec<usize> = last.into_values().collect();
    places.sort_unstable();
    places.into_iter().map(|at| &judgements[at]).collect()
}
