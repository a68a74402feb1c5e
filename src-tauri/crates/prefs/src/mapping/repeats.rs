//! Prompts that stand once more at the beginning of the answers.

use super::{ColumnMapping, RepeatedPrompt, values};
use crate::Content;
use crate::table::{Table, TableRow};

/// A prompt of fewer words may begin an answer by chance ("I" and "I think …").
const WORDS: usize = 4;

/// Rows from which on "most of the file" says something.
const FEW: usize = 3;

/// Which answers of a row repeat its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Neither,
    One,
    Both,
    /// Both, and the prompt is so short that it may be chance.
    BothByChance,
}

/// Rows whose answers repeat the prompt.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Both do.
    pub(super) both: usize,
    /// Only one does.
    pub(super) one: usize,
    /// Both do, and it may be chance.
    pub(super) both_by_chance: usize,
}

const TAKEN_OFF: &str = "the answers repeated the prompt, which was taken off";
const LEFT: &str =
    "the answers begin with the short prompt, which stays there; `repeated_prompt=take_off` takes it off";

/// What a file's answers do with their prompts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeats {
    choice: Option<RepeatedPrompt>,
    /// Most rows repeat it, so that short prompts do so by design too.
    by_design: bool,
    counted: Counted,
}

impl Repeats {
    pub(super) fn of(table: &Table, mapping: &ColumnMapping) -> Self {
        let key = format!("repeats: {:?} {:?} {:?}", mapping.prompt, mapping.context, mapping.two_answers());
        let count = |row: &TableRow, [texts, both, one, both_short, one_short]: &mut [usize; 5]| {
            let Some((prompt, first, second)) = three_texts(row, mapping) else { return };
            *texts += 1;
            let is_short = prompt.split_whitespace().count() < WORDS;
            match (begins(&prompt, &first), begins(&prompt, &second), is_short) {
                (true, true, false) => *both += 1,
                (true, true, true) => *both_short += 1,
                (true, false, false) | (false, true, false) => *one += 1,
                (true, false, true) | (false, true, true) => *one_short += 1,
                (false, false, _) => {}
            }
        };
        let [texts, both, one, both_short, one_short] = table.counted(&key, count);
        let by_design = texts >= FEW && (both + both_short) * 2 > texts;
        let counted = if by_design {
            Counted { both: both + both_short, one: one + one_short, both_by_chance: 0 }
        } else {
            Counted { both, one, both_by_chance: both_short }
        };
        Self { choice: mapping.repeated_prompt, by_design, counted }
    }

    fn look(self, prompt: &str, first: &str, second: &str) -> Repeat {
        let is_chance = !self.by_design && prompt.split_whitespace().count() < WORDS;
        match (begins(prompt, first), begins(prompt, second)) {
            (true, true) if is_chance => Repeat::BothByChance,
            (true, true) => Repeat::Both,
            (true, false) | (false, true) if !is_chance => Repeat::One,
            _ => Repeat::Neither,
        }
    }

    /// In how many rows the answers repeat the prompt.
    pub(super) fn count(self) -> Counted {
        self.counted
    }

    /// Takes the prompt off two texts that both repeat it, and says what was done; where it may be chance, only if it was
    /// said.
    pub(super) fn take_off(
        self,
        prompt: &str,
        first: &mut String,
        second: &mut String,
    ) -> Result<Option<&'static str>, String> {
        if self.choice == Some(RepeatedPrompt::Keep) {
            return Ok(None);
        }
        match self.look(prompt, first, second) {
            Repeat::Neither => Ok(None),
            Repeat::BothByChance if self.choice.is_none() => Ok(Some(LEFT)),
            Repeat::Both | Repeat::BothByChance => {
                first.drain(..prompt.len());
                second.drain(..prompt.len());
                Ok(Some(TAKEN_OFF))
            }
            Repeat::One => Err("only one of the answers begins with the prompt; does it belong to the answer? \
                                `repeated_prompt=keep` leaves the answers as they stand"
                .to_owned()),
        }
    }
}

/// Whether an answer begins with the whole prompt and says more, and not only with the same letters.
fn begins(prompt: &str, answer: &str) -> bool {
    let Some(rest) = answer.strip_prefix(prompt).filter(|rest| !rest.trim().is_empty()) else { return false };
    let is_letter = |c: char| c.is_alphanumeric();
    !(prompt.trim().is_empty() || prompt.ends_with(is_letter) && rest.starts_with(is_letter))
}

fn three_texts(row: &TableRow, mapping: &ColumnMapping) -> Option<(String, String, String)> {
    let (first, second) = mapping.two_answers();
    let text = |column: &String| row.get(column)?.as_str().map(str::to_owned);
    let (first, second) = (text(first?)?, text(second?)?);
    match values::prompt(row, mapping) {
        Ok(Some(Content::Text(prompt))) => Some((prompt, first, second)),
        _ => None,
    }
}
